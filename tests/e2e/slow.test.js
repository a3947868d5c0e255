'use strict';
// A receiver that takes nothing: it holds up nobody, costs bounded memory, and is cut off.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { SANITIZED, scenario, sleep, until } = require('./harness');
const { connect, register, send, status } = require('./peers');
const { Http2, METHOD, SETTING, data, headers, message, request } = require('./h2');
const { encrypted } = require('./wire');

const KB = 1024;
const MB = 1024 * KB;
const HUGE = 2 ** 31 - 1;

// Sends n messages to a peer that does not take them, each beside one to a peer that does.
// Returns the most memory that the daemon had meanwhile.
async function sendBeside(d, stuck, good, n, size) {
	const client = connect(d);
	const body = Buffer.alloc(size, 'x');
	let peak = 0;
	for (let i = 0; i < n; i++) {
		await Promise.all([send(client, 'sender', stuck, body), send(client, 'sender', good.id, `${i}`)]);
		peak = Math.max(peak, d.rss());
	}
	await good.received(n);
	assert.deepEqual(good.bodies(), Array.from({ length: n }, (_, i) => `${i}`));
	return peak;
}

// Its window is shut, or its socket is not read.
async function stuckPeer(d, id, how) {
	const values = { [SETTING.INITIAL_WINDOW_SIZE]: how === 'window' ? 0 : HUGE };
	const raw = new Http2(d, { values });
	await raw.served();
	if (how === 'socket')
		await raw.window(0, HUGE - 65535);
	await raw.register(id);
	await raw.opened(1);
	if (how === 'socket')
		raw.socket.pause();
	return raw;
}

const PEERS = { 'send-timeout': '1s', 'grace-period': '0s', 'mailbox-bytes': '4M',
	'mailbox-messages': 1000 };
// Nor shall TCP give it up before, only some time later.
const PATIENT = { peers: { ...PEERS, 'send-timeout': '1h' },
	'plugin grpc': { 'keepalive-timeout': '45s' } };

// Everybody else is served although the receiver is stuck and will be for an hour; then the
// timeout is made a second.
async function holdsUpNobody(d, how) {
	const good = await register(d, 'good');
	const before = d.rss();
	const raw = await stuckPeer(d, 'stuck', how);
	await d.metricIs('active_peers', 2);
	// More than the mailbox and the kernel's buffers hold together.
	const peak = await sendBeside(d, 'stuck', good, 120, 256 * KB);
	if (!SANITIZED)
		assert.ok(peak - before < 40 * MB, `${(peak - before) / MB} MiB more`);
	assert.equal(await d.metric('active_peers'), 2);
	d.configure({ peers: PEERS });
	d.signal('SIGHUP');
	await d.metricIs('peers_stalled_total', 1);
	await d.metricIs('active_peers', 1);
	await d.metricIs('mailbox_bytes', 0);
	return raw;
}

describe('slow', { concurrency: 3 }, () => {
	scenario('a receiver with a shut window holds up nobody and is cut off', {
		ini: PATIENT,
	}, async (d) => {
		const raw = await holdsUpNobody(d, 'window');
		await until(() => raw.ended(1), 'the end of its stream');
	});

	scenario('a receiver that does not read its socket holds up nobody and is cut off', {
		ini: PATIENT, timeout: 180000,
	}, async (d) => {
		await holdsUpNobody(d, 'socket');
		// Its connection too, although it still reads nothing.
		await d.metricIs('connections_open', 2, {}, 90000);
	});

	scenario('a receiver that is cut off gets UNAVAILABLE', {
		ini: { peers: PEERS },
	}, async (d) => {
		const begin = Date.now();
		const stuck = await register(d, 'stuck');
		stuck.call.pause();
		const sender = connect(d);
		const stop = Date.now() + 15000;
		while (await d.metric('peers_stalled_total') === 0 && Date.now() < stop)
			await send(sender, 'x', 'stuck', Buffer.alloc(64 * KB));
		assert.ok(Date.now() - begin > 900, 'not before send-timeout');
		stuck.call.resume();
		const { code, details } = await stuck.status();
		assert.deepEqual({ code, details }, { code: status.UNAVAILABLE, details: 'receiver stalled' });
	});

	scenario('a receiver that takes slowly, but takes, is not cut off', {
		ini: { peers: { ...PEERS, 'send-timeout': '2s', 'mailbox-bytes': '8M' } },
	}, async (d) => {
		const raw = await stuckPeer(d, 'slow', 'window');
		const sender = connect(d);
		for (let i = 0; i < 12; i++)
			await send(sender, 'x', 'slow', Buffer.alloc(8 * KB));
		const end = Date.now() + 5000;
		let opened = 0;
		while (Date.now() < end) {
			assert.ok(!raw.ended(1), 'it was cut off');
			if (opened < 11) {
				const before = await d.metric('messages_forwarded_total');
				await raw.window(0, 8 * KB + 64);
				await raw.window(1, 8 * KB + 64);
				opened++;
				await until(async () => raw.ended(1) ||
					await d.metric('messages_forwarded_total') > before || opened > 9, 'it takes one');
			}
			await sleep(450);
		}
		assert.equal(await d.metric('peers_stalled_total'), 0);
	});

	scenario('a sender that reads no answers holds up nobody', async (d) => {
		const good = await register(d, 'good');
		const raw = new Http2(d, { values: { [SETTING.INITIAL_WINDOW_SIZE]: 0 } });
		await raw.served();
		const body = message(encrypted('x', 'good', 'y'));
		for (let i = 0; i < 50; i++)
			await raw.write(headers(2 * i + 1, request(METHOD.Send)), data(2 * i + 1, body, true));
		await good.received(50);
		await good.send('good', 'last');
		await good.received(51);
	});

	scenario('mailbox-messages: the oldest go, the newest stay', {
		ini: { peers: { 'mailbox-messages': 10, 'send-timeout': '1h' } },
	}, async (d) => {
		await stuckPeer(d, 'bob', 'window');
		const sender = connect(d);
		for (let i = 0; i < 100; i++)
			await send(sender, 'x', 'bob', `${i}`.padEnd(100));
		const fresh = await register(d, 'bob'); // the replaced lease hands its mailbox over
		await until(() => fresh.bodies().at(-1)?.trim() === '99', 'the newest message');
		const numbers = fresh.bodies().map(Number);
		assert.ok(numbers.length >= 8 && numbers.length <= 10, `${numbers}`);
		assert.deepEqual(numbers, numbers.map((_, i) => 100 - numbers.length + i));
		const dropped = await d.metric('mailbox_dropped_messages_total', { reason: 'mailbox_full' });
		assert.ok(dropped >= 85 && dropped <= 92, `${dropped} dropped`);
	});

	scenario('all mailboxes together are bounded', {
		ini: { peers: { 'mailbox-total-bytes': '8M', 'send-timeout': '1h', 'mailbox-bytes': '4M' } },
	}, async (d) => {
		const stuck = [];
		for (let i = 0; i < 10; i++)
			stuck.push(await stuckPeer(d, `stuck-${i}`, 'window'));
		const good = await register(d, 'good');
		const before = d.rss();
		const sender = connect(d);
		for (let n = 0; n < 40; n++)
			await Promise.all(stuck.map((_, i) => send(sender, 'x', `stuck-${i}`, Buffer.alloc(100 * KB))));
		assert.ok(await d.metric('mailbox_bytes') <= 8 * MB);
		assert.ok(await d.metric('mailbox_dropped_messages_total', { reason: 'budget_full' }) > 0);
		if (!SANITIZED)
			assert.ok(d.rss() - before < 48 * MB, `${(d.rss() - before) / MB} MiB more`);
		await good.send('good', 'small'); // still has a chance: somebody else's oldest or its own
		await d.metricIs('active_peers', 11);
	});
});
