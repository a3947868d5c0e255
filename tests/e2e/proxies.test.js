'use strict';
// The recipes of etc/proxies, run by the proxies themselves: streams are held open, messages go both
// ways, and behind the PROXY protocol the daemon knows its clients.

const assert = require('node:assert/strict');
const https = require('node:https');
const { describe } = require('node:test');
const { scenario, sleep, until } = require('./harness');
const certs = require('./certs');
const { Health, connect, register, status, unary } = require('./peers');
const { missing, startProxy } = require('./proxies');
const { light, open, tunnelled } = require('./ws_peers');

const NAME = 'signal.example.com';
const ROSENPASS = 524160; // such a key is part of an offer
// nginx and Traefik cut silent requests after 60 s if they are not told otherwise, HAProxy as Debian
// configures it after 50.
const SILENCE = 65000;
// The server's own signs of life, which reset some of these timeouts, stay away for so long.
const SILENT = { 'plugin grpc': { 'keepalive-time': '2h' }, http: { 'ping-interval': '10m' } };

const HTTP = ['nginx', 'haproxy', 'caddy'];
const TCP = ['nginx-stream', 'nginx-stream-tls', 'haproxy-tcp'];
// nginx 1.22 keeps the beginning of an answer back until something else goes to the client; the
// answer to a ping is enough, and NetBird's clients send one every 30 seconds.
const PINGS = { 'grpc.keepalive_time_ms': 1000 };

const TRUSTED = { 'proxy-protocol': 'required', 'trusted-proxies': '127.0.0.1' };

// A daemon as the heads of the recipes want it: [listener signal] for the proxies that end TLS,
// [listener proxied] for those that do not.  d.pki is set for the body.
function behind(name, options, body) {
	const proxies = [options.proxies].flat();
	let pki;
	const ini = (dir) => {
		const ca = certs.authority(dir);
		pki = { ca: ca.ca, pair: certs.issue(dir, 'proxied', { ca, names: [NAME] }) };
		return { daemon: { 'log-level': 'debug' },
			'listener signal': { address: '127.0.0.1:0', tls: 'off' },
			'listener proxied': { address: '127.0.0.1:0', tls: 'auto', ...TRUSTED },
			'plugin websocket': {}, tls: certs.section(pki.pair), ...options.ini };
	};
	scenario(name, { ...options, ini, skip: proxies.map(missing).find(Boolean) || false },
		async (d) => {
			const doors = [];
			for (const proxy of proxies)
				doors.push(await door(d, proxy, pki));
			await body(d, ...doors);
		});
}

// A started proxy, and how peers come through it.
async function door(d, name, { ca, pair }) {
	const listener = TCP.includes(name) ? 'proxied' : 'signal';
	const proxy = await startProxy(d, name, { backend: d.target(listener), pair });
	const secure = { ca, servername: NAME };
	const through = { ...proxy, name, secure,
		grpc: (id) => register(d, id, { target: proxy.where, secure,
			options: name === 'nginx' ? PINGS : {} }),
		light: (id, more) => light(d, id, { where: proxy.where, secure, ...more }),
		tunnel: (id) => tunnelled(d, id, { where: proxy.where, secure }) };
	await until(async () => (await get(through, '/readyz').catch(() => ({}))).status === 200,
		`${name} finds the daemon`);
	return through;
}

// An HTTPS request: { status, body }.
function get({ port, secure }, path, more = {}) {
	return new Promise((resolve, reject) => {
		https.get({ host: '127.0.0.1', port, path, agent: false, ...secure, headers: { host: NAME },
			...more }, (response) => {
			let body = '';
			response.setEncoding('utf8').on('data', (text) => (body += text))
				.on('end', () => resolve({ status: response.statusCode, body }));
		}).on('error', reject);
	});
}

// Each sends each one message, and itself one.
async function exchange(peers, text) {
	const before = peers.map((peer) => peer.messages.length);
	for (const from of peers)
		for (const to of peers)
			await from.send(to.id, `${text} ${from.id}`);
	for (const [i, peer] of peers.entries()) {
		const got = (await peer.received(before[i] + peers.length)).slice(before[i]);
		assert.deepEqual(got.map((m) => `${m.body}`).sort(),
			peers.map((from) => `${text} ${from.id}`).sort());
	}
}

async function health(d, { where, secure }) {
	const { answer } = await unary(connect(d, { kind: Health, target: where, secure }), 'Check',
		{ service: '' });
	return answer.status;
}

describe('proxies', { concurrency: 6 }, () => {
	behind('no recipe lets a silent stream go within 65 seconds', {
		proxies: [...HTTP, ...TCP], ini: SILENT, timeout: 4 * SILENCE,
	}, async (d, ...doors) => {
		const peers = [];
		for (const through of doors) {
			peers.push(await through.grpc(`${through.name}-grpc`));
			peers.push(await through.light(`${through.name}-light`));
			peers.push(await through.tunnel(`${through.name}-tunnel`));
		}
		// nginx counts the time since the client's last message, so there must have been one.
		for (const peer of peers)
			peer.push(peer.id, 'before it');
		for (const peer of peers)
			await peer.received(1);
		await sleep(SILENCE);
		for (const peer of peers)
			assert.equal(peer.end, undefined, `${peer.id} was cut: ${JSON.stringify(peer.end)}`);
		assert.equal(await d.metric('registrations_total'), peers.length);
		await exchange(peers, 'after it');
	});

	for (const proxy of [...HTTP, ...TCP]) {
		behind(`${proxy}: gRPC, messages both ways on held streams, and unary`, {
			proxies: proxy,
		}, async (d, through) => {
			const alice = await through.grpc('alice');
			const bob = await through.grpc('bob');
			const direct = await register(d, 'direct');
			await exchange([alice, bob, direct], 'unary');
			for (let i = 0; i < 20; i++) {
				alice.push('bob', `to bob ${i}`);
				bob.push('alice', `to alice ${i}`);
			}
			await Promise.all([alice.received(23), bob.received(23)]);
			assert.deepEqual(bob.bodies().slice(3), Array.from({ length: 20 }, (_, i) => `to bob ${i}`));
			await bob.send('alice', Buffer.alloc(ROSENPASS, 'x'));
			await alice.received(24);
			assert.equal(alice.messages[23].body.length, ROSENPASS);
			assert.equal(await health(d, through), 'SERVING');
			bob.close();
			await d.metricIs('active_peers', 2);
		});

		behind(`${proxy}: WebSocket, light and tunnel, both ways`, {
			proxies: proxy,
		}, async (d, through) => {
			const peers = [await through.light('light'), await through.tunnel('tunnel'),
				await through.grpc('grpc'), await register(d, 'direct')];
			await exchange(peers, 'small');
			for (const [from, to] of [[0, 1], [1, 0]]) {
				await peers[from].send(peers[to].id, Buffer.alloc(ROSENPASS, 'x'));
				await peers[to].received(5);
				assert.equal(peers[to].messages[4].body.length, ROSENPASS);
			}
			peers[0].close();
			await d.metricIs('active_peers', 3);
		});

		behind(`${proxy}: health over https, and nothing else`, {
			proxies: proxy,
		}, async (d, through) => {
			assert.equal((await get(through, '/healthz')).status, 200);
			assert.equal((await get(through, '/readyz')).status, 200);
			assert.equal((await get(through, '/other')).status, 404);
			assert.equal((await get(through, '/ws-proxy/signal')).status, 426);
		});

		behind(`${proxy}: a peer that takes nothing holds up nobody else behind it`, {
			proxies: proxy, ini: { peers: { 'send-timeout': '1h', 'mailbox-bytes': '8M' } },
		}, async (d, through) => {
			const stuck = await through.grpc('stuck');
			stuck.call.pause();
			const alice = await through.grpc('alice');
			const bob = await through.grpc('bob');
			const body = Buffer.alloc(100 << 10);
			for (let i = 1; i <= 100; i++) {
				await Promise.all([alice.send('stuck', body), alice.send('bob', `${i}`)]);
				await bob.received(i);
			}
			assert.ok(await d.metric('mailbox_messages') > 0, 'it does take nothing');
		});

		behind(`${proxy}: a shutdown of the server reaches the peers`, {
			proxies: proxy,
		}, async (d, through) => {
			const peers = [await through.grpc('grpc'), await through.light('light'),
				await through.tunnel('tunnel')];
			await d.stop();
			for (const peer of peers)
				await peer.status();
			const { code } = peers[0].end;
			assert.equal(code, status.UNAVAILABLE);
		});
	}

	for (const proxy of TCP) {
		behind(`${proxy}: the log has the client's address`, { proxies: proxy }, async (d, through) => {
			const peer = await through.light('light', { localAddress: '127.0.0.7' });
			await d.logged(new RegExp(`remote=127\\.0\\.0\\.7:${peer.ws._socket.localPort}\\b`));
			const other = await through.grpc('grpc');
			const [, port] = /remote=127\.0\.0\.1:(\d+)/.exec(await d.logged(/stream begins: id=grpc/));
			const own = /:(\d+)$/.exec(other.client.getChannel().getTarget())[1];
			assert.equal(own, `${through.port}`);
			assert.notEqual(port, own);
		});

		behind(`${proxy}: max-connections-per-address counts clients, not the proxy`, {
			proxies: proxy, ini: { limits: { 'max-connections-per-address': 2 } },
		}, async (d, through) => {
			const from = (localAddress) => (id) => through.light(id, { localAddress });
			await from('127.0.0.7')('seven-1');
			await from('127.0.0.7')('seven-2');
			const third = open(d, '/signal/ws?peer=seven-3', { where: through.where,
				secure: through.secure, protocols: ['netbird-signal.v1'], localAddress: '127.0.0.7' });
			await until(() => third.failure, 'the end of the third');
			await d.metricIs('connections_refused_total', 1, { reason: 'address_limit' });
			await from('127.0.0.8')('eight-1');
			await from('127.0.0.8')('eight-2');
		});
	}
});
