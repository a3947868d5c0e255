'use strict';
// The tunnel of NetBird's browser client: /ws-proxy/signal, a whole HTTP/2 connection in binary
// messages.

const assert = require('node:assert/strict');
const http = require('node:http');
const http2 = require('node:http2');
const path = require('node:path');
const { describe } = require('node:test');
const certs = require('./certs');
const { BUILD, SANITIZED, isHeld, scenario, until, within } = require('./harness');
const { ID, REGISTERED, connect, post, register, send, status } = require('./peers');
const { METHOD, PREFACE, hears, message } = require('./h2');
const { TUNNEL, light, open, tunnel, tunnelSession, tunnelled } = require('./ws_peers');
const { encrypted } = require('./wire');

const KB = 1024;
const MB = 1024 * KB;
const PLUGIN = { 'plugin websocket': {} };
const QUICK_PINGS = { http: { 'ping-interval': '5s', 'ping-timeout': '1s' } };

function on(name, ini, body) {
	if (typeof ini === 'function')
		[ini, body] = [{}, ini];
	scenario(name, { ini: { ...PLUGIN, ...ini } }, body);
}

// A test plugin in the place of gRPC: echo_conn works on bytes, adopt wants a socket.
const servedBy = (name, keys) => ({ 'plugin grpc': null, 'listener signal': { http2: name },
	[`plugin ${name}`]: { file: path.join(BUILD, `tests/plugin/${name}.so`), ...keys } });
const ECHO = servedBy('echo_conn');

// The same over ws and over wss: body(d, options), where options go to whoever connects.
function both(name, ini, body) {
	if (typeof ini === 'function')
		[ini, body] = [{}, ini];
	on(name, ini, (d) => body(d, {}));
	let pki;
	scenario(`wss: ${name}`, {
		ini: (dir) => ({ ...PLUGIN, ...(pki = certs.simple(dir)).ini, ...ini }),
	}, (d) => body(d, { secure: { ca: pki.ca, servername: 'localhost' } }));
}

// A session inside a tunnel of its own, and its WebSocket.
async function begin(d, options) {
	const duplex = tunnel(d, options);
	const session = http2.connect('http://localhost', { createConnection: () => duplex });
	session.on('error', () => {});
	d.after(() => session.destroy());
	await within(new Promise((resolve) => session.on('remoteSettings', resolve)), 'SETTINGS');
	return { session, ws: duplex.ws };
}

// Registers on a session of node's HTTP/2; what arrives is collected.
async function peerOn(session, id) {
	const stream = post(session, METHOD.ConnectStream, { [ID]: id });
	stream.bytes = Buffer.alloc(0);
	stream.on('response', (fields) => (stream.fields = fields));
	stream.on('data', (part) => (stream.bytes = Buffer.concat([stream.bytes, part])));
	await until(() => stream.fields, `the registration of ${id}`);
	assert.equal(stream.fields[REGISTERED], '1');
	return stream;
}

// A whole exchange: preface, registration, a message to itself, and the end.
async function exchange(d, id, cut) {
	const session = await tunnelSession(d, { cut });
	const stream = await peerOn(session, id);
	const bytes = message(encrypted(id, id, `in pieces of ${cut}`));
	stream.write(bytes);
	await until(() => stream.bytes.length >= bytes.length, `the message in pieces of ${cut}`);
	assert.deepEqual(stream.bytes, bytes);
	const ended = new Promise((resolve) => session.on('close', resolve));
	session.destroy();
	await within(ended, 'the end of the session');
}

// A client of echo_conn inside a tunnel: the preface, then lines.
class Line {
	constructor(d, options) {
		this.bytes = Buffer.alloc(0);
		this.duplex = tunnel(d, options);
		this.ws = this.duplex.ws;
		this.duplex.on('close', () => (this.gone = true));
		this.duplex.on('data', (bytes) => this.read(bytes));
		this.write(PREFACE);
	}

	read(bytes) {
		this.bytes = Buffer.concat([this.bytes, bytes]);
	}

	// Resolves when the kernel has taken it or cannot any more.
	write(bytes) {
		return new Promise((resolve) => this.duplex.write(bytes, (error) => resolve(!error)));
	}

	say(line) {
		return this.write(Buffer.from(`${line}\n`));
	}

	hears(pattern) {
		return hears(this, pattern);
	}

	end() {
		return within(this.ws.ended, 'the end');
	}
}

// What echo_conn saw of the contract, when all clients have gone.
async function faultless(d) {
	await d.leave();
	await d.metricIs('echo_connections', 0);
	await d.metricIs('wsproxy_active_connections', 0);
	assert.equal(await d.metric('echo_violations_total'), 0);
}

describe('tunnel', { concurrency: 6 }, () => {
	on('a whole exchange, cut at every size', async (d) => {
		const LAST = 400; // more than the exchange has bytes in one direction
		for (let cut = 1; cut <= LAST; cut += 10)
			await Promise.all(Array.from({ length: 10 }, (_, i) => exchange(d, `cut-${i}`, cut + i)));
		await d.metricIs('wsproxy_active_connections', 0);
		assert.equal(await d.metric('websocket_peers'), 0);
	});

	on('the server speaks first, and pieces may be empty', async (d) => {
		const ws = open(d, TUNNEL);
		const first = await within(new Promise((resolve) => ws.on('message', (...m) => resolve(m))),
			'SETTINGS before anything was sent');
		assert.equal(first[1], true, 'a binary frame');
		assert.equal(first[0][3], 4, 'of the type SETTINGS');
		ws.send('');
		ws.send('', { binary: true, fin: false });
		ws.send('', { binary: true, fin: true });
		assert.equal(ws.protocol, '');
	});

	on('no upgrade: 426', async (d) => {
		const answer = await within(new Promise((resolve, reject) =>
			http.get(`http://${d.target()}${TUNNEL}`, resolve).on('error', reject)), 'the answer');
		answer.resume();
		assert.equal(answer.statusCode, 426);
	});

	on('a gRPC library inside it, to and from everybody', async (d) => {
		const inside = await tunnelled(d, 'inside');
		const plain = await register(d, 'plain');
		const slim = await light(d, 'slim');
		for (const [one, other] of [[inside, plain], [inside, slim]]) {
			await one.send(other.id, 'hello');
			await other.received(1);
			await other.send(one.id, `from ${other.id}`);
		}
		await inside.received(2);
		assert.deepEqual(inside.bodies(), ['from plain', 'from slim']);
		await d.metricIs('wsproxy_active_connections', 1);
	});

	both('messages of 600 KB both ways, frames small, large and as they come', async (d, options) => {
		const body = Buffer.alloc(600 * KB, 'x');
		const plain = await register(d, 'plain');
		for (const [i, cut] of [0, 1000, 32 * KB + 1, 1 * MB].entries()) {
			const inside = await tunnelled(d, `inside-${i}`, { cut, ...options });
			await inside.send('plain', body);
			await plain.received(i + 1);
			assert.ok(plain.messages[i].body.equals(body));
			await plain.send(inside.id, body);
			await inside.received(1);
			assert.ok(inside.messages[0].body.equals(body));
		}
	});

	on('text is ignored, also in the middle', async (d) => {
		const { session, ws } = await begin(d);
		const stream = await peerOn(session, 'alice');
		ws.send('PRI * HTTP/2.0');
		ws.send('te', { binary: false, fin: false });
		ws.send('xt', { binary: false, fin: true });
		const bytes = message(encrypted('alice', 'alice', 'hello'));
		stream.write(bytes);
		await until(() => stream.bytes.length >= bytes.length, 'the message');
		assert.deepEqual(stream.bytes, bytes);
	});

	on('a stream that is half closed inside stays registered', async (d) => {
		const session = await tunnelSession(d);
		const stream = await peerOn(session, 'alice');
		stream.end();
		await send(connect(d), 'x', 'alice', 'hello');
		await until(() => stream.bytes.length > 0, 'the message');
		await d.metricIs('active_peers', 1);
	});

	on('bytes are counted', async (d) => {
		const inside = await tunnelled(d, 'inside');
		const up = await d.metric('wsproxy_bytes_transferred_total', { direction: 'ws_to_grpc' });
		const down = await d.metric('wsproxy_bytes_transferred_total', { direction: 'grpc_to_ws' });
		assert.ok(up > 100 && down > 50, `${up} and ${down}`);
		await inside.send('inside', Buffer.alloc(100 * KB));
		await inside.received(1);
		const more = (direction) => d.metric('wsproxy_bytes_transferred_total', { direction });
		assert.ok(await more('ws_to_grpc') - up > 100 * KB);
		assert.ok(await more('grpc_to_ws') - down > 100 * KB);
	});

	// --- ends ---

	on('the client closes: no error', async (d) => {
		const ws = open(d, TUNNEL);
		await ws.opened;
		await d.metricIs('wsproxy_active_connections', 1);
		ws.close(1000);
		assert.equal((await within(ws.ended, 'the end')).code, 1000);
		await d.metricIs('wsproxy_active_connections', 0);
		assert.equal(await d.metric('wsproxy_errors_total'), 0);
	});

	both('a client that is cut off: its peers are gone', async (d, options) => {
		const { session, ws } = await begin(d, options);
		await peerOn(session, 'alice');
		await peerOn(session, 'bob');
		await d.metricIs('active_peers', 2);
		ws.terminate();
		await d.metricIs('active_peers', 0);
		await d.metricIs('wsproxy_active_connections', 0);
		await d.metricIs('wsproxy_errors_total', 1, { error_type: 'websocket_read_error' });
	});

	both('a client that answers no pings: its peers are gone', QUICK_PINGS, async (d, options) => {
		const { session, ws } = await begin(d, options);
		await peerOn(session, 'alice');
		ws._socket.pause();
		await d.metricIs('active_peers', 0);
		await d.metricIs('wsproxy_active_connections', 0);
	});

	on('the connection inside ends: so does the tunnel', async (d) => {
		const ws = open(d, TUNNEL);
		await ws.opened;
		ws.send(Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
		const { code } = await within(ws.ended, 'the end');
		assert.ok([1000, 1011].includes(code), `${code}`);
		await d.metricIs('wsproxy_active_connections', 0);
	});

	on('nobody serves HTTP/2 here: 1011', { 'plugin grpc': null }, async (d) => {
		const ws = open(d, TUNNEL);
		assert.equal((await within(ws.ended, 'the end')).code, 1011);
		await d.metricIs('wsproxy_errors_total', 1, { error_type: 'websocket_accept_failed' });
	});

	both('a client that does not read slows its senders down, and costs no memory', {
		peers: { 'send-timeout': '2s', 'grace-period': '0s', 'mailbox-bytes': '4M' },
	}, async (d, options) => {
		const good = await register(d, 'good');
		const { session, ws } = await begin(d, options);
		await peerOn(session, 'stuck');
		await d.metricIs('active_peers', 2);
		const sender = connect(d);
		const before = d.rss();
		let peak = before, sent = 0;
		ws._socket.pause();
		for (; await d.metric('peers_stalled_total') === 0 && sent < 400; sent++) {
			await Promise.all([send(sender, 'x', 'stuck', Buffer.alloc(256 * KB)),
				send(sender, 'x', 'good', `${sent}`)]);
			peak = Math.max(peak, d.rss());
		}
		await good.received(sent);
		await d.metricIs('peers_stalled_total', 1);
		if (!SANITIZED)
			assert.ok(peak - before < 40 * MB, `${(peak - before) / MB} MiB more`);
	});

	// --- a service of the open form ---

	both('echo_conn: lines come back, and it knows who it is', ECHO, async (d, options) => {
		const one = new Line(d, options);
		await one.say('hello');
		await one.hears(/^hello\n$/);
		await d.metricIs('echo_connections', 1);
		await one.say('!about');
		const [, remote, local, listener, admin, id] = await one.hears(
			/^remote=(\S+) local=(\S+) listener=(\S+) admin=(\d) id=(\d+)\n$/);
		assert.equal(remote, `127.0.0.1:${one.ws._socket.localPort}`);
		assert.deepEqual([local, listener, admin], [d.target(), 'signal', '0']);
		const other = new Line(d, { cut: 1, ...options });
		await other.say('!about');
		assert.notEqual((await other.hears(/id=(\d+)\n/))[1], id);
		await faultless(d);
	});

	both('echo_conn: pauses and wakes', ECHO, async (d, options) => {
		const one = new Line(d, options);
		await one.say('!pause 300');
		const lines = Array.from({ length: 20 }, (_, i) => `line ${i}\n`);
		for (const line of lines)
			await one.write(Buffer.from(line));
		assert.equal((await one.hears(/^resumed\n((?:line \d+\n){20})$/))[1], lines.join(''));
		const all = Array.from({ length: 10 }, () => new Line(d, options));
		await Promise.all(all.map((other) => other.say('!wake 100')));
		await Promise.all(all.map((other) => other.hears(/^woken\n$/)));
		await faultless(d);
	});

	both('echo_conn ends: everything arrives, then 1000; or at once, 1011', ECHO, async (d, options) => {
		const one = new Line(d, options);
		await one.say('!flush 3000000');
		assert.equal((await one.end()).code, 1000);
		assert.equal(one.bytes.length, 3_000_000);
		await d.metricIs('echo_closed_total', 1, { how: 'clean' });
		assert.equal(await d.metric('wsproxy_errors_total'), 0);
		const other = new Line(d, options);
		await other.say('x');
		await other.hears(/^x\n$/);
		await other.say('!abort');
		assert.equal((await other.end()).code, 1011);
		await d.metricIs('wsproxy_errors_total', 1);
		await faultless(d);
	});

	// A WebSocket has no half of an end: there is no eof() inside, only closed().
	for (const [how, leave, errors] of [['closes', (ws) => ws.close(1000), 0],
		['is cut off', (ws) => ws.terminate(), 1]])
		both(`echo_conn's client ${how}: closed once, without eof`, ECHO, async (d, options) => {
			const one = new Line(d, options);
			await one.write(Buffer.from('a line\nand half of one'));
			await one.hears(/^a line\n$/);
			leave(one.ws);
			await one.end();
			await d.metricIs('echo_closed_total', 1, { how: 'broken' });
			assert.equal(await d.metric('echo_closed_total'), 1);
			assert.equal(one.bytes.length, 0);
			await d.metricIs('wsproxy_errors_total', errors);
			await faultless(d);
		});

	both('a client that does not read its echo is slowed, memory stays bounded, nothing is lost', ECHO,
		async (d, options) => {
			const one = new Line(d, options);
			await one.say('ready');
			await one.hears(/^ready\n$/);
			one.duplex.pause();
			await isHeld(d, (block) => one.write(block));
			let got = 0;
			one.read = (bytes) => (got += bytes.length);
			one.duplex.resume();
			await until(() => got >= 64 * MB, 'all of it', 60_000);
			assert.equal(got, 64 * MB);
			await faultless(d);
		});

	// A WebSocket that is paused reads no end; the next ping finds it.
	both('a service that pauses slows its client, memory stays bounded', { ...ECHO, ...QUICK_PINGS },
		async (d, options) => {
			const one = new Line(d, options);
			await one.say('ready');
			await one.hears(/^ready\n$/);
			await one.say('!pause 600000');
			await isHeld(d, (block) => one.write(block));
			assert.equal(one.bytes.length, 0);
			one.ws.terminate();
			await faultless(d);
		});

	both('a service that reads nothing from its socket slows its client, memory stays bounded', {
		...servedBy('adopt', { mode: 'stall' }), ...QUICK_PINGS,
	}, async (d, options) => {
		const one = new Line(d, options);
		await one.hears(/^adopted remote=127\.0\.0\.1:\d+ listener=signal\n$/);
		await d.metricIs('adopt_connections', 1);
		await isHeld(d, (block) => one.write(block));
		one.ws.terminate();
		await d.metricIs('adopt_connections', 0);
		await d.metricIs('wsproxy_active_connections', 0);
	});

	both('a shutdown: the peers inside are told, then 1001', async (d, options) => {
		const inside = await tunnelled(d, 'inside', options);
		const ws = open(d, TUNNEL, options);
		await ws.opened;
		d.signal('SIGTERM');
		assert.deepEqual(await inside.status(),
			{ code: status.UNAVAILABLE, details: 'server is shutting down' });
		assert.deepEqual(await within(ws.ended, 'the end'),
			{ code: 1001, reason: 'server is shutting down' });
		await d.stop();
	});

	on('tunnels that come and go while messages flow', async (d) => {
		const steady = await register(d, 'steady');
		for (let round = 0; round < 5; round++) {
			const peers = await Promise.all(Array.from({ length: 10 },
				(_, i) => tunnelled(d, `peer-${i}`)));
			await Promise.all(peers.map((peer) => peer.send('steady', 'x')));
			await steady.received(10 * (round + 1));
			peers.forEach((peer) => peer.close());
		}
		await d.metricIs('active_peers', 1);
	});
});
