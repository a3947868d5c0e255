'use strict';
// Clients that are gone without a word.  A real loss of the path needs a network of our own:
// network.js runs in a namespace that ends with its processes, so nothing of the machine changes.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const path = require('node:path');
const { describe } = require('node:test');
const { DEADLINE, launch, named, scenario, until, within } = require('./harness');
const { register, send } = require('./peers');

const QUICK = { 'plugin grpc': { 'keepalive-time': '1s', 'keepalive-timeout': '1s' } };

function namespaces() {
	const tried = spawnSync('unshare', ['-rn', 'ip', 'link', 'add', 'near', 'type', 'veth', 'peer', 'name', 'far']);
	return tried.status === 0 ? false : 'no network namespaces here (unshare -rn, ip link add)';
}

function inNetwork(name, scene) {
	return named(name, { skip: namespaces() }, async () => {
		const child = launch('unshare', ['-rn', process.execPath,
			path.join(__dirname, 'network.js'), scene]);
		const how = await within(child.ended, scene, 3 * DEADLINE);
		assert.equal(how.code, 0, [...child.out, ...child.err].join('\n'));
	});
}

// A client in a process of its own, registered.
async function client(d, id) {
	const child = launch(process.execPath, [path.join(__dirname, 'client.js'),
		'127.0.0.1', `${d.port}`, id]);
	d.after(() => child.kill('SIGKILL'));
	await until(() => child.out.includes('registered'), 'the registration of a child');
	await d.metricIs('active_peers', 1);
	return child;
}

describe('vanish', { concurrency: 4 }, () => {
	scenario('a client that is killed', async (d) => {
		const child = await client(d, 'alice');
		child.kill('SIGKILL');
		await d.metricIs('active_peers', 0);
		await d.metricIs('connections_open', 0);
	});

	scenario('a client that is frozen is gone after keepalive', { ini: QUICK }, async (d) => {
		const child = await client(d, 'alice');
		child.kill('SIGSTOP');
		await d.metricIs('active_peers', 0);
		await d.metricIs('connections_open', 0);
		const again = await register(d, 'alice');
		await again.send('alice', 'x');
		await again.received(1);
		again.close();
	});

	scenario('a client that is frozen for a moment stays', {
		ini: { 'plugin grpc': { 'keepalive-time': '1s', 'keepalive-timeout': '20s' } },
	}, async (d) => {
		const child = await client(d, 'alice');
		child.kill('SIGSTOP');
		const bob = await register(d, 'bob');
		await send(bob.client, 'bob', 'alice', 'while it sleeps');
		child.kill('SIGCONT');
		await until(() => child.out.includes('got while it sleeps'), 'the message');
		assert.equal(await d.metric('active_peers'), 2);
	});

	inNetwork('a client whose network drops everything is gone after keepalive', 'loss');
	inNetwork('the same while messages are on their way to it', 'loss-under-load');
	inNetwork('max-connections-per-address counts IPv6 clients by their /64', 'prefixes');
});
