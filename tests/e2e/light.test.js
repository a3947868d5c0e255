'use strict';
// The light transport: /signal/ws, one EncryptedMessage per binary message (docs/WEBSOCKET.md).

const assert = require('node:assert/strict');
const path = require('node:path');
const { describe } = require('node:test');
const certs = require('./certs');
const { BUILD, SANITIZED, scenario, sleep, until, within } = require('./harness');
const { Peer, connect, register, send, status } = require('./peers');
const { LIGHT, Light, SUBPROTOCOL, encode, light, open } = require('./ws_peers');
const { encrypted, encryptedOf, field } = require('./wire');

const KB = 1024;
const MB = 1024 * KB;
const KEY = '+a/bcDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg=';

const PLUGIN = { 'plugin websocket': {} };
const ADMISSION = { 'plugin admission': { file: path.join(BUILD, 'tests/plugin/admission.so') } };
const QUICK_PINGS = { http: { 'ping-interval': '5s', 'ping-timeout': '1s' } };

function on(name, ini, body, more = {}) {
	if (typeof ini === 'function')
		[ini, body] = [{}, ini];
	scenario(name, { ini: { ...PLUGIN, ...ini }, ...more }, body);
}

// The same over ws and over wss: body(d, options), where options go to whoever connects.
function both(name, ini, body, more = {}) {
	if (typeof ini === 'function')
		[ini, body] = [{}, ini];
	on(name, ini, (d) => body(d, {}), more);
	let pki;
	scenario(`wss: ${name}`, {
		ini: (dir) => ({ ...PLUGIN, ...(pki = certs.simple(dir)).ini, ...ini }), ...more,
	}, (d) => body(d, { secure: { ca: pki.ca, servername: 'localhost' } }));
}

// What the client sees, and what the daemon counts.
async function closed(d, peer, code, reason, label) {
	assert.deepEqual(await peer.status(), { code, reason });
	await d.metricIs('websocket_closes_total', 1, { reason: label });
	await d.metricIs('websocket_peers', 0);
}

async function refused(d, id, code, reason, label, options) {
	const peer = new Light(d, id, options);
	await closed(d, peer, code, reason, label);
	assert.deepEqual([peer.texts, peer.messages], [[], []]);
	assert.equal(await d.metric('active_peers'), 0);
	return peer;
}

// Cuts a message into frames: sizes are used in turn.
function sendCut(ws, bytes, sizes, final = true) {
	for (let at = 0, i = 0; at < bytes.length; i++) {
		const end = Math.min(bytes.length, at + sizes[i % sizes.length]);
		ws.send(bytes.subarray(at, end), { binary: true, fin: final && end === bytes.length });
		at = end;
	}
}

describe('light', { concurrency: 6 }, () => {
	on('registration: the subprotocol, and one text frame before anything else', async (d) => {
		const peer = await light(d, 'alice');
		await d.metricIs('active_peers', 1);
		await d.metricIs('websocket_peers', 1);
		await peer.send('alice', 'me');
		await peer.received(1);
		assert.deepEqual(peer.texts, ['registered']);
		assert.equal(peer.ws.extensions, '');
		peer.close();
		assert.equal((await peer.status()).code, 1000);
		await d.metricIs('websocket_closes_total', 1, { reason: 'client' });
		await d.metricIs('deregistrations_total', 1);
	});

	on('the id may come in a header', async (d) => {
		const peer = await light(d, KEY, { header: true });
		await send(connect(d), 'x', KEY, 'found');
		await peer.received(1);
	});

	on('the id in the query: encoded, or a key with a bare +', async (d) => {
		const client = connect(d);
		for (const query of [encodeURIComponent(KEY), KEY]) {
			const peer = new Light(d, undefined, { path: `${LIGHT}?x=1&peer=${query}&y=2` });
			await peer.registered();
			await send(client, 'x', KEY, 'found');
			await peer.received(1);
			peer.close();
			await peer.status();
		}
	});

	on('an id that is no key keeps its spaces', async (d) => {
		const peer = await light(d, 'a b+c/ü');
		await send(connect(d), 'x', 'a b c/ü', 'to another');
		await send(connect(d), 'x', 'a b+c/ü', 'found');
		await peer.received(1);
		assert.deepEqual(peer.bodies(), ['found']);
	});

	on('messages to and from a gRPC peer, unchanged', async (d) => {
		const alice = await light(d, 'alice');
		const bob = await register(d, 'bob');
		await alice.send('bob', 'from alice');
		await bob.received(1);
		assert.equal(bob.messages[0].key, 'alice');
		assert.deepEqual(bob.bodies(), ['from alice']);
		await bob.send('alice', 'from bob');
		await alice.received(1);
		assert.equal(alice.messages[0].key, 'bob');
		assert.deepEqual(alice.bodies(), ['from bob']);
	});

	on('fields that nobody knows survive', async (d) => {
		const raw = [];
		const alice = await light(d, 'alice');
		alice.ws.on('message', (bytes) => raw.push(bytes));
		const bytes = Buffer.concat([encrypted('x', 'alice', 'body'), field(77, 'unknown')]);
		alice.ws.send(bytes);
		await alice.received(1);
		assert.deepEqual(raw, [bytes]);
	});

	on('order holds', async (d) => {
		const alice = await light(d, 'alice');
		const bob = await light(d, 'bob');
		for (let i = 0; i < 200; i++)
			alice.push('bob', `${i}`);
		await bob.received(200);
		assert.deepEqual(bob.bodies(), Array.from({ length: 200 }, (_, i) => `${i}`));
		await d.metricIs('websocket_messages_received_total', 200);
	});

	both('messages of 600 KB, many at once, in one frame and in many', async (d, options) => {
		const alice = await light(d, 'alice', options);
		const bob = await light(d, 'bob', options);
		const body = Buffer.alloc(600 * KB, 'x');
		const message = encode({ key: 'alice', remoteKey: 'bob', body });
		for (let i = 0; i < 4; i++) {
			alice.ws.send(message);
			sendCut(alice.ws, message, [1, 100, 70000]);
		}
		for (const { body: got } of await bob.received(8))
			assert.ok(got.equals(body));
	});

	on('the largest message that is allowed', async (d) => {
		const alice = await light(d, 'alice');
		const got = new Promise((resolve) => alice.ws.on('message', (bytes, binary) =>
			binary && resolve(bytes)));
		const bytes = encryptedOf(4 * MB, 'alice', 'alice');
		alice.ws.send(bytes);
		assert.ok((await within(got, 'it')).equals(bytes));
	});

	on('fragments of every size, and empty ones', async (d) => {
		const alice = await light(d, 'alice');
		const message = encode({ key: 'alice', remoteKey: 'alice', body: Buffer.alloc(40, 'y') });
		let n = 0;
		for (let size = 1; size <= message.length; size++, n++)
			sendCut(alice.ws, message, [size]);
		for (const at of [0, 1, message.length]) {
			alice.ws.send(message.subarray(0, at), { binary: true, fin: false });
			alice.ws.send('', { binary: true, fin: false });
			alice.ws.send(message.subarray(at), { binary: true, fin: true });
			n++;
		}
		await alice.received(n);
		assert.ok(alice.messages.every((m) => m.body.toString() === 'y'.repeat(40)));
	});

	on('pings between fragments', async (d) => {
		const alice = await light(d, 'alice');
		const message = encode({ key: 'alice', remoteKey: 'alice', body: Buffer.from('z') });
		const pong = new Promise((resolve) => alice.ws.on('pong', resolve));
		alice.ws.send(message.subarray(0, 5), { binary: true, fin: false });
		alice.ws.ping('are you there');
		assert.equal((await within(pong, 'the pong')).toString(), 'are you there');
		alice.ws.send(message.subarray(5), { binary: true, fin: true });
		await alice.received(1);
	});

	on('nobody there: no answer, no error', async (d) => {
		const alice = await light(d, 'alice');
		for (const nobody of ['nobody', '', 'dummy'])
			await alice.send(nobody, 'lost');
		await alice.send('alice', 'still here');
		await alice.received(1);
	});

	// --- refused ---

	on('no id: 4400', async (d) => {
		await refused(d, undefined, 4400, 'missing peer id', 'missing_id');
		await d.metricIs('registration_failures_total', 1, { error: 'missing_id' });
	});
	on('an empty id: 4400', (d) => refused(d, '', 4400, 'missing peer id', 'missing_id'));
	on('an id of 257 bytes: 4414',
		(d) => refused(d, 'i'.repeat(257), 4414, 'peer id too long', 'long_id'));
	on('an id of 2000 bytes in a header: 4414',
		(d) => refused(d, 'i'.repeat(2000), 4414, 'peer id too long', 'long_id', { header: true }));
	on('an id of 256 bytes is registered', (d) => light(d, 'i'.repeat(256)));

	on('a plugin refuses: 4403 with its reason', ADMISSION,
		(d) => refused(d, 'no-alice', 4403, 'refused by the test', 'refused'));
	on('a plugin refuses later: 4403', ADMISSION,
		(d) => refused(d, 'laterno-alice', 4403, 'refused later by the test', 'refused'));
	on('a plugin does not decide: 1013', { ...ADMISSION, peers: { 'admission-timeout': '300ms' } },
		(d) => refused(d, 'never-alice', 1013, 'registration was not decided', 'undecided'));

	on('what is sent before the registration waits for it', {
		'plugin admission': { ...ADMISSION['plugin admission'], delay: '500ms' },
	}, async (d) => {
		const peer = new Light(d, 'later-alice');
		peer.ws.on('open', () => peer.push('later-alice', 'early'));
		await peer.received(1);
		assert.deepEqual(peer.texts, ['registered']);
		assert.deepEqual(peer.bodies(), ['early']);
	});

	on('a client that leaves before the verdict', {
		'plugin admission': { ...ADMISSION['plugin admission'], delay: '500ms' },
	}, async (d) => {
		const peer = new Light(d, 'later-alice');
		await peer.ws.opened;
		await d.metricIs('admission_waiting', 1);
		peer.ws.terminate();
		await d.metricIs('websockets_open', 0);
		await d.metricIs('websocket_closes_total', 1);
	});

	on('the id is replaced too often: 4429', {
		peers: { 'replace-burst': 1, 'replace-interval': '1h' },
	}, async (d) => {
		await light(d, 'alice');
		const second = await light(d, 'alice');
		const third = new Light(d, 'alice');
		assert.deepEqual(await third.status(),
			{ code: 4429, reason: 'registering too often, try again later' });
		await second.send('alice', 'still mine');
		await second.received(1);
	});

	// --- ended ---

	on('the same id again: the newest wins, whatever it speaks', async (d) => {
		const first = await light(d, 'alice');
		const second = await light(d, 'alice');
		assert.deepEqual(await first.status(), { code: 4409, reason: 'peer registered again' });
		const third = await register(d, 'alice');
		assert.deepEqual(await second.status(), { code: 4409, reason: 'peer registered again' });
		const fourth = await light(d, 'alice');
		assert.deepEqual(await third.status(),
			{ code: status.UNKNOWN, details: 'peer registered again' });
		await fourth.send('alice', 'mine');
		await fourth.received(1);
		await d.metricIs('active_peers', 1);
		await d.metricIs('websocket_peers', 1);
	});

	on('text where binary is due: 1003', async (d) => {
		const alice = await light(d, 'alice');
		alice.ws.send('hello');
		await closed(d, alice, 1003, 'messages are binary', 'text');
	});

	on('no EncryptedMessage: 1007', async (d) => {
		const alice = await light(d, 'alice');
		alice.ws.send(Buffer.from('0b', 'hex'));
		await closed(d, alice, 1007, 'no EncryptedMessage', 'malformed');
	});

	on('one byte more than is allowed: 1009', async (d) => {
		const alice = await light(d, 'alice');
		alice.ws.send(encryptedOf(4 * MB + 1, 'alice', 'alice'));
		await closed(d, alice, 1009, 'message too large', 'too_large');
	});

	on('fragments without an end: 1009 when they are too much', {
		limits: { 'max-message-size': '64K' },
	}, async (d) => {
		const alice = await light(d, 'alice');
		const piece = Buffer.alloc(1000);
		let sent = 0;
		for (; alice.ws.readyState === alice.ws.OPEN && sent < 10 * MB; sent += piece.length)
			await new Promise((resolve) =>
				alice.ws.send(piece, { binary: true, fin: false }, () => setImmediate(resolve)));
		await closed(d, alice, 1009, 'message too large', 'too_large');
		assert.ok(sent < 10 * MB, 'it ended before');
	});

	on('fragments for ever: 4408 after message-timeout', {
		'plugin websocket': { 'message-timeout': '1s' },
	}, async (d) => {
		const alice = await light(d, 'alice');
		const bob = await light(d, 'bob');
		const begin = Date.now();
		while (!alice.end && Date.now() - begin < 15000) {
			alice.ws.send('', { binary: true, fin: false });
			await bob.send('bob', 'beside it');
			await sleep(20); // the pace of this client, waits for nothing
		}
		assert.deepEqual(await alice.status(), { code: 4408, reason: 'message took too long' });
		assert.ok(Date.now() - begin >= 950, `after ${Date.now() - begin} ms`);
		assert.equal(bob.end, undefined);
		await d.metricIs('active_peers', 1);
	});

	on('a first half and then silence: 4408', {
		'plugin websocket': { 'message-timeout': '1s' },
	}, async (d) => {
		const alice = await light(d, 'alice');
		alice.ws.send('half', { binary: true, fin: false });
		await closed(d, alice, 4408, 'message took too long', 'late');
	});

	on('unfinished messages are bounded together: the oldest goes with 1013', {
		limits: { 'max-message-size': '1M' }, 'plugin websocket': { 'receive-memory': '4M' },
	}, async (d) => {
		const before = d.rss();
		const peers = [];
		for (let i = 0; i < 12; i++) {
			const peer = await light(d, `peer-${i}`);
			peer.ws.send(Buffer.alloc(900 * KB), { binary: true, fin: false });
			// Its bytes are there before the next one's: a pong comes behind them.
			const pong = new Promise((resolve) => peer.ws.on('pong', resolve));
			peer.ws.ping();
			await within(pong, 'the pong');
			peers.push(peer);
		}
		await until(() => peers.filter((peer) => peer.end).length >= 8, 'the ends of the oldest');
		assert.deepEqual(peers.map((peer) => peer.end?.code ?? 0),
			[...Array(8).fill(1013), ...Array(4).fill(0)]);
		assert.equal(peers[0].end.reason, 'too many unfinished messages');
		await d.metricIs('websocket_closes_total', 8, { reason: 'crowded' });
		await peers[11].ws.ping();
		assert.ok(d.lines().some((line) => /unfinished messages fill receive-memory/.test(line)));
		if (!SANITIZED)
			assert.ok(d.rss() - before < 24 * MB, `${(d.rss() - before) / MB} MiB more`);
	});

	both('a receiver that does not read holds up nobody and is cut off: 4410', {
		peers: { 'send-timeout': '1s', 'grace-period': '0s' },
	}, async (d, options) => {
		const stuck = await light(d, 'stuck', options);
		const good = await light(d, 'good', options);
		const sender = connect(d);
		const body = Buffer.alloc(256 * KB, 'x');
		const before = d.rss();
		let peak = before, sent = 0;
		stuck.ws._socket.pause();
		for (; await d.metric('peers_stalled_total') === 0 && sent < 400; sent++) {
			await Promise.all([send(sender, 'x', 'stuck', body), send(sender, 'x', 'good', `${sent}`)]);
			peak = Math.max(peak, d.rss());
		}
		await d.metricIs('peers_stalled_total', 1);
		await d.metricIs('active_peers', 1);
		await d.metricIs('mailbox_bytes', 0);
		await good.received(sent);
		assert.deepEqual(good.bodies(), Array.from({ length: sent }, (_, i) => `${i}`));
		if (!SANITIZED)
			assert.ok(peak - before < 40 * MB, `${(peak - before) / MB} MiB more`);
		stuck.ws._socket.resume();
		assert.deepEqual(await stuck.status(), { code: 4410, reason: 'receiver stalled' });
	});

	both('a receiver that never reads again is gone all the same', {
		peers: { 'send-timeout': '1s', 'grace-period': '0s' },
	}, async (d, options) => {
		const stuck = await light(d, 'stuck', options);
		const sender = connect(d);
		stuck.ws._socket.pause();
		const end = Date.now() + 15000;
		while (await d.metric('peers_stalled_total') === 0 && Date.now() < end)
			await send(sender, 'x', 'stuck', Buffer.alloc(256 * KB));
		// The sender's is left: the daemon ends the other, no timeout of the kernel's does.
		await d.metricIs('connections_open', 1);
	});

	both('a client that is cut off', async (d, options) => {
		const alice = await light(d, 'alice', options);
		alice.ws.terminate();
		await d.metricIs('active_peers', 0);
		await d.metricIs('websocket_closes_total', 1, { reason: 'lost' });
	});

	both('a client that answers no pings is gone; one that does stays', QUICK_PINGS, async (d, options) => {
		const alice = await light(d, 'alice', options);
		const bob = await light(d, 'bob', options);
		let pings = 0;
		bob.ws.on('ping', () => pings++);
		alice.ws._socket.pause();
		await d.metricIs('active_peers', 1);
		await d.metricIs('websocket_closes_total', 1, { reason: 'lost' });
		await until(() => pings >= 2, 'a second ping');
		assert.equal(bob.end, undefined);
		await bob.send('bob', 'still here');
		await bob.received(1);
	});

	on('after a break the mailbox goes to the next', async (d) => {
		const first = await light(d, 'alice');
		first.ws.terminate();
		await d.metricIs('active_peers', 0);
		await send(connect(d), 'x', 'alice', 'meanwhile');
		const second = await light(d, 'alice');
		await second.received(1);
		assert.deepEqual(second.bodies(), ['meanwhile']);
	});

	both('a shutdown: 1001, after what the mailbox holds', async (d, options) => {
		const idle = await light(d, 'idle', options);
		const slow = await light(d, 'slow', options);
		const mute = await light(d, 'mute', options);
		const sender = connect(d);
		slow.ws._socket.pause();
		mute.ws._socket.pause();
		for (let i = 0; i < 12; i++)
			await send(sender, 'x', 'slow', Buffer.alloc(500 * KB, `${i % 10}`));
		d.signal('SIGTERM');
		const bye = { code: 1001, reason: 'server is shutting down' };
		assert.deepEqual(await idle.status(), bye);
		slow.ws._socket.resume();
		assert.deepEqual(await slow.status(), bye);
		assert.equal(slow.messages.length, 12);
		await d.stop();
		mute.ws._socket.resume();
		assert.notEqual((await mute.status()).code, 1000);
	});

	on('a subprotocol is due', async (d) => {
		for (const protocols of [[], ['another']]) {
			const ws = open(d, `${LIGHT}?peer=alice`, { protocols });
			await within(ws.ended, 'the end');
			assert.match(ws.failure?.message ?? 'an upgrade', /response: 400/);
		}
		const both = open(d, `${LIGHT}?peer=alice`, { protocols: ['another', SUBPROTOCOL] });
		await within(both.opened, 'the upgrade');
		assert.equal(both.protocol, SUBPROTOCOL);
		await d.metricIs('active_peers', 1);
	});

	on('many that come and go while messages flow', async (d) => {
		const steady = await light(d, 'steady');
		const grpc = await register(d, 'grpc');
		for (let round = 0; round < 10; round++) {
			const peers = await Promise.all(Array.from({ length: 20 },
				(_, i) => light(d, `peer-${i}`)));
			await Promise.all(peers.map((peer) => peer.send('steady', peer.id)));
			await grpc.send('steady', 'grpc');
			for (const [i, peer] of peers.entries())
				i % 2 ? peer.close() : peer.ws.terminate();
		}
		await steady.received(210);
		await d.metricIs('active_peers', 2);
		await d.metricIs('websocket_peers', 1);
	});
});
