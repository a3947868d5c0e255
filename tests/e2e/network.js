'use strict';
// Scenes that need a network of their own.  Runs as `unshare -rn node network.js SCENE`: as root
// of a user namespace, in a network namespace that has nothing yet and vanishes with this process.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const path = require('node:path');
const { launch, until, withDaemon } = require('./harness');
const { connect, register, send } = require('./peers');
const { Http2 } = require('./h2');

const OURS = '10.99.0.1';
const THEIRS = '10.99.0.2';
const QUICK = { 'keepalive-time': '1s', 'keepalive-timeout': '1s' };

function ip(...words) {
	execFileSync('ip', words, { stdio: ['ignore', 'inherit', 'inherit'] });
}

// Runs ip inside the namespace of a child.
function ipThere(child, ...words) {
	execFileSync('nsenter', ['-n', '-t', `${child.pid}`, 'ip', ...words]);
}

// A client behind a cable: a child in a namespace of its own and a pair of interfaces between.
async function farClient(d, id) {
	const child = launch('unshare', ['-n', process.execPath, path.join(__dirname, 'client.js'),
		OURS, `${d.port}`, id], { env: { ...process.env, WAIT: '1' } });
	d.after(() => child.kill('SIGKILL'));
	const own = execFileSync('readlink', ['/proc/self/ns/net']).toString();
	await until(() => execFileSync('readlink', [`/proc/${child.pid}/ns/net`]).toString() !== own,
		'a namespace for the client');
	ip('link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far', 'netns', `${child.pid}`);
	ip('addr', 'add', `${OURS}/24`, 'dev', 'near');
	ip('link', 'set', 'near', 'up');
	ipThere(child, 'addr', 'add', `${THEIRS}/24`, 'dev', 'far');
	ipThere(child, 'link', 'set', 'far', 'up');
	child.stdin.end();
	await until(() => child.out.includes('registered'), 'the registration over the cable');
	return child;
}

// From now on everything to the client is lost on its way, without a word from anybody: its
// address is gone there, and known here for ever.
function lose(child) {
	const mac = /link\/ether (\S+)/.exec(execFileSync('nsenter',
		['-n', '-t', `${child.pid}`, 'ip', 'link', 'show', 'far']).toString())[1];
	ip('neigh', 'replace', THEIRS, 'lladdr', mac, 'nud', 'permanent', 'dev', 'near');
	ipThere(child, 'addr', 'del', `${THEIRS}/24`, 'dev', 'far');
}

const base = (more) => ({ ini: { 'listener signal': { address: '*:0' }, ...more } });

const scenes = {
	loss: () => withDaemon(base({ 'plugin grpc': QUICK }), async (d) => {
		const child = await farClient(d, 'alice');
		await d.metricIs('active_peers', 1);
		lose(child);
		await d.metricIs('active_peers', 0);
		await d.metricIs('connections_open', 0);
		assert.ok(!child.out.some((line) => line.startsWith('ended')), 'it was told nothing');
	}),

	'loss-under-load': () => withDaemon(base({ 'plugin grpc': QUICK,
		peers: { 'send-timeout': '1s', 'grace-period': 0 } }), async (d) => {
		const child = await farClient(d, 'alice');
		const bob = await register(d, 'bob');
		const sender = connect(d);
		lose(child);
		let sent = 0;
		await until(async () => {
			await send(sender, 'x', 'alice', Buffer.alloc(20000));
			await send(sender, 'x', 'bob', `${sent++}`);
			return await d.metric('active_peers') === 1;
		}, 'the end of the client');
		await bob.received(sent);
		await d.metricIs('connections_open', 2);
	}),

	prefixes: () => {
		for (const address of ['fd00:1::1/64', 'fd00:1::2/64', 'fd00:1::3/64', 'fd00:2::1/64'])
			ip('addr', 'add', address, 'dev', 'lo', 'nodad');
		return withDaemon(base({ limits: { 'max-connections-per-address': 2 } }), async (d) => {
			const from = (localAddress) => new Http2(d, { host: 'fd00:1::1', localAddress });
			await from('fd00:1::1').served();
			await from('fd00:1::2').served();
			const third = from('fd00:1::3');
			await until(() => third.gone, 'the end of the third of one /64');
			await from('fd00:2::1').served();
			await from('fd00:2::1').served();
			await new Http2(d).served(); // IPv4 on the same socket is counted by address
		});
	},
};

async function main(scene) {
	ip('link', 'set', 'lo', 'up');
	await scenes[scene]();
}

main(process.argv[2]).then(() => process.exit(0), (error) => {
	console.error(error.stack);
	process.exit(1);
});
