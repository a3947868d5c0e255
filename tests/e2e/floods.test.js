'use strict';
// One client against the rest: while it floods, a well-behaved peer sends to itself.  Half of its
// messages arrive soon, and all within PATIENCE, a deadline and no test of speed: flood and peer
// are one process here, and share the processors with other tests.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { SANITIZED, scenario, sleep, until } = require('./harness');
const { ID, connect, post, register, send, session, status, unary } = require('./peers');
const { Http2, METHOD, TYPE, data, frame, headers, message, request, settings, u32 } =
	require('./h2');
const { encrypted } = require('./wire');

const PATIENCE = 10000;
const MB = 1024 * 1024;
const GROWTH = 256 * MB;
// Each costs C core about 0.15 ms of processor (with a sanitizer 0.5), also when its client has gone.
const RESETS = SANITIZED ? 3000 : 10000;

// Runs attack() to its end, and the peer until then.
async function besideAPeer(d, attack) {
	const alice = await register(d, 'alice');
	await alice.send('alice', 'warm');
	await alice.received(1);
	const before = d.rss();
	const times = [];
	let peak = 0;
	let over = false;
	const attacking = attack().finally(() => (over = true));
	attacking.catch(() => {}); // until it is waited for, below
	for (let n = 2; !over || n < 10; n++) {
		const begin = Date.now();
		await alice.send('alice', `${n}`);
		await alice.received(n);
		times.push(Date.now() - begin);
		peak = Math.max(peak, d.rss());
		await sleep(20);
	}
	await attacking;
	assert.equal(alice.end, undefined);
	times.sort((a, b) => a - b);
	assert.ok(times.at(-1) < PATIENCE, `a message took ${times.at(-1)} ms`);
	assert.ok(times[times.length >> 1] < PATIENCE / 5, `half took ${times[times.length >> 1]} ms`);
	if (!SANITIZED)
		assert.ok(peak - before < GROWTH, `${Math.round((peak - before) / MB)} MiB more`);
}

// Writes make(i) n times in blocks, until the connection ends; returns whether it has ended.
async function pour(raw, n, make, block = 200) {
	for (let i = 0; i < n && !raw.gone; i += block) {
		const parts = [];
		for (let k = i; k < i + block && k < n; k++)
			parts.push(make(k));
		if (!await Promise.race([raw.write(...parts), until(() => raw.gone, 'room').then(() => false)]))
			break;
	}
	return raw.gone;
}

async function flood(d, n, make, block) {
	const raw = new Http2(d);
	await raw.served();
	await pour(raw, n, make, block);
	await raw.destroy();
}

// A message of 1 GB, as much of it as the server takes; returns the most memory it had meanwhile.
async function pourHuge(d, path) {
	const opened = await session(d);
	const call = post(opened, path, { [ID]: 'huge' });
	let ended = false;
	let peak = 0;
	call.on('close', () => (ended = true)).resume();
	call.write(Buffer.concat([Buffer.from([0]), u32(1 << 30)]));
	for (let mib = 0; mib < 512 && !ended; mib++) {
		const taken = new Promise((resolve) => call.write(Buffer.alloc(MB), resolve));
		if (!await Promise.race([taken.then(() => true), sleep(2000).then(() => false)]))
			break;
		peak = Math.max(peak, d.rss());
	}
	opened.destroy();
	return peak;
}

const stream = (i) => 2 * i + 1;
const CONNECT = (id) => request(METHOD.ConnectStream, [[ID, id]]);
const SEND = request(METHOD.Send);

describe('floods', { concurrency: 2 }, () => {
	scenario('10,000 streams that stay open on one connection', (d) => besideAPeer(d, () =>
		flood(d, 10000, (i) => headers(stream(i), SEND))));

	scenario('10,000 registrations on one connection', (d) => besideAPeer(d, () =>
		flood(d, 10000, (i) => headers(stream(i), CONNECT(`flood-${i}`)))));

	scenario('streams that are reset at once (rapid reset)', (d) => besideAPeer(d, () =>
		flood(d, RESETS, (i) => Buffer.concat([headers(stream(i), SEND),
			frame(TYPE.RST_STREAM, 0, stream(i), u32(8))]))));

	scenario('10,000 registrations that are reset at once', (d) => besideAPeer(d, () =>
		flood(d, 10000, (i) => Buffer.concat([headers(stream(i), CONNECT(`reset-${i % 100}`)),
			frame(TYPE.RST_STREAM, 0, stream(i), u32(8))]))));

	scenario('200,000 pings', (d) => besideAPeer(d, () =>
		flood(d, 200000, () => frame(TYPE.PING, 0, 0, Buffer.alloc(8)), 1000)));

	scenario('200,000 pings by a client that reads no answer', (d) => besideAPeer(d, async () => {
		const raw = new Http2(d);
		await raw.served();
		raw.socket.pause();
		await pour(raw, 200000, () => frame(TYPE.PING, 0, 0, Buffer.alloc(8)), 1000);
		await raw.destroy();
	}));

	scenario('50,000 SETTINGS', (d) => besideAPeer(d, () =>
		flood(d, 50000, () => settings({ 4: 65535 }))));

	scenario('100,000 empty DATA frames', (d) => besideAPeer(d, () =>
		flood(d, 100000, (i) => i ? data(1, Buffer.alloc(0)) : headers(1, CONNECT('empty')), 1000)));

	scenario('100,000 WINDOW_UPDATE frames', (d) => besideAPeer(d, () =>
		flood(d, 100000, (i) => i ? frame(TYPE.WINDOW_UPDATE, 0, 1, u32(1)) :
			headers(1, CONNECT('window')), 1000)));

	scenario('a header block that never ends (CONTINUATION)', (d) => besideAPeer(d, () =>
		flood(d, 3000, (i) => i ? frame(TYPE.CONTINUATION, 0, 1, Buffer.alloc(8192)) :
			headers(1, SEND, 0), 20)));

	scenario('metadata of 15 KB on every request', (d) => {
		const block = request(METHOD.Send, [['x-big', 'b'.repeat(15000)]]);
		return besideAPeer(d, () => flood(d, 2000, (i) => headers(stream(i), block), 20));
	});

	scenario('messages that never end, on 100 streams of 10 connections', (d) =>
		besideAPeer(d, async () => {
			const head = Buffer.concat([Buffer.from([0]), u32(4000000)]);
			const all = Array.from({ length: 10 }, () => new Http2(d));
			await Promise.all(all.map(async (raw) => {
				await raw.served();
				for (let i = 0; i < 100; i++)
					await raw.write(headers(stream(i), SEND), data(stream(i), head));
				// As much as the windows that the server has opened allow, and a bit more.
				await pour(raw, 400, (i) => data(stream(i % 100), Buffer.alloc(1024)), 50);
			}));
			await sleep(1000);
			await Promise.all(all.map((raw) => raw.destroy()));
		}));

	// C core takes a message whole before it looks at its size; memory-limit is what bounds it.
	for (const [what, path] of [['Send', METHOD.Send], ['ConnectStream', METHOD.ConnectStream]])
		scenario(`${what} of one message that says it has 1 GB costs no more than memory-limit`, {
			ini: { 'plugin grpc': { 'memory-limit': '64M' } },
		}, async (d) => {
			await send(connect(d), 'a', 'b', 'warm');
			const before = d.rss();
			for (let round = 0; round < 2; round++) {
				const peak = await pourHuge(d, path);
				if (!SANITIZED)
					assert.ok(peak - before < 128 * MB, `${Math.round((peak - before) / MB)} MiB more`);
				await until(async () => (await unary(connect(d), 'Send',
					{ key: 'a', remoteKey: 'b' })).code === status.OK, 'service as before');
				const alice = await register(d, `alice-${round}`);
				await alice.send(alice.id, 'x');
				await alice.received(1);
			}
		});

	scenario('30 connections that send without a pause to a receiver that reads nothing', {
		ini: { peers: { 'send-timeout': '1s', 'mailbox-bytes': '4M' } },
	}, (d) => besideAPeer(d, async () => {
		const stuck = new Http2(d, { values: { 4: 0 } });
		await stuck.register('stuck');
		await stuck.opened(1);
		const body = 'x'.repeat(4000);
		const clients = Array.from({ length: 30 }, () => connect(d));
		await Promise.all(clients.map(async (client) => {
			for (let i = 0; i < 30; i++)
				await send(client, 'a', 'stuck', body);
		}));
	}));

	scenario('connections that open and close at once, 1000 of them', (d) => besideAPeer(d, async () => {
		for (let i = 0; i < 50; i++) {
			const all = Array.from({ length: 20 }, () => new Http2(d));
			await Promise.all(all.map((one) => one.connected));
			all.forEach((one, k) => k % 2 ? one.destroy() : one.socket.resetAndDestroy());
		}
	}));

	scenario('ConnectStream calls that end before they are answered', (d) => besideAPeer(d, async () => {
		for (let i = 0; i < 200; i++) {
			const raw = new Http2(d);
			await raw.register(`short-${i % 20}`);
			if (i % 2)
				await raw.write(headers(3, SEND), data(3, message(encrypted('a', 'alice-2', 'x')), true));
			raw.destroy();
		}
		await d.metricIs('active_peers', 1);
	}));

	scenario('more streams than max-concurrent-streams: no more are served', {
		ini: { 'plugin grpc': { 'max-concurrent-streams': 10 } },
	}, async (d) => {
		const raw = await new Http2(d).served();
		for (let i = 0; i < 10; i++) {
			await raw.register(`flood-${i}`, stream(i));
			await raw.opened(stream(i));
		}
		await raw.register('flood-10', stream(10));
		await until(() => raw.ended(stream(10)), 'the refusal of one more');
		assert.equal(await d.metric('registrations_total'), 10);
	});

	scenario('the same by a client that acknowledges no SETTINGS: cut off, and counted', {
		ini: { 'plugin grpc': { 'max-concurrent-streams': 10 } },
	}, async (d) => {
		const raw = new Http2(d);
		raw.answer = () => {};
		await raw.served();
		await pour(raw, 500, (i) => headers(stream(i), CONNECT(`flood-${i}`)), 20);
		await until(() => raw.gone, 'its end');
		await d.metricIs('grpc_floods_total', 1);
		// 40 calls at once, and a few that came while those ended.
		assert.ok(await d.metric('registrations_total') < 200);
		await d.metricIs('grpc_streams', 0);
	});

	scenario('one id that two clients fight for', {
		ini: { peers: { 'replace-burst': 5, 'replace-interval': '100ms' } },
	}, (d) => besideAPeer(d, async () => {
		const raw = [new Http2(d), new Http2(d)];
		await Promise.all(raw.map((one) => one.served()));
		for (let i = 0; i < 300; i++)
			await raw[i % 2].register('contested', stream(i));
		await until(async () => await d.metric('registrations_refused_total',
			{ reason: 'replaced_too_often' }) > 0, 'a refusal');
		await Promise.all(raw.map((one) => one.destroy()));
	}));
});
