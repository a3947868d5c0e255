'use strict';
// SIGTERM and SIGINT, health, and what a service manager is told.

const assert = require('node:assert/strict');
const os = require('node:os');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, SANITIZED, launch, named, scenario, until, withDaemon, within } = require('./harness');
const { Health, connect, post, register, send, session, status, unary } = require('./peers');
const { Http2, METHOD, Socket, TYPE, message } = require('./h2');
const { encrypted } = require('./wire');

const GRACE = 2000;
// For the process itself to end, and for a machine that is busy.
const MARGIN = SANITIZED ? 8000 : 3000;
const STOPPING = { code: status.UNAVAILABLE, details: 'server is shutting down' };

async function endsInTime(d, limit = GRACE + MARGIN) {
	const begin = Date.now();
	await d.stop();
	const took = Date.now() - begin;
	assert.ok(took < limit, `it took ${took} ms`);
}

async function endsOn(d, name) {
	d.signal(name);
	const how = await d.child.ended;
	assert.deepEqual(how, { code: 0, signal: null });
}

function watch(d, service = '') {
	const client = connect(d, { kind: Health });
	const call = client.Watch({ service });
	call.seen = [];
	call.on('data', (answer) => call.seen.push(answer.status));
	call.on('error', () => {});
	call.on('status', (how) => (call.end = how));
	return call;
}

async function check(d, service) {
	const { code, answer } = await unary(connect(d, { kind: Health }), 'Check', { service });
	return code === status.OK ? answer.status : code;
}

describe('shutdown', { concurrency: 4 }, () => {
	scenario('SIGTERM with nobody there: at once', (d) => endsInTime(d, MARGIN));
	scenario('SIGINT with nobody there', (d) => endsOn(d, 'SIGINT'));

	scenario('SIGTERM: peers are told, their streams end with UNAVAILABLE', async (d) => {
		const peers = [];
		for (let i = 0; i < 20; i++)
			peers.push(await register(d, `peer-${i}`));
		await endsInTime(d);
		for (const peer of peers)
			assert.deepEqual(await peer.status(), STOPPING);
	});

	scenario('SIGTERM: GOAWAY, and no new connection', async (d) => {
		const raw = new Http2(d);
		await raw.served();
		await raw.register('alice');
		await raw.opened(1);
		const idle = new Http2(d);
		await idle.served();
		d.signal('SIGTERM');
		await until(() => raw.seen(TYPE.GOAWAY) && idle.seen(TYPE.GOAWAY), 'GOAWAY');
		await until(async () => {
			const late = new Socket(d);
			await Promise.race([late.connected, late.closed]);
			return late.error?.code === 'ECONNREFUSED';
		}, 'a refused connection');
		await endsInTime(d);
	});

	scenario('SIGTERM under load', async (d) => {
		const bob = await register(d, 'bob');
		const alice = await register(d, 'alice');
		let stop = false;
		let answered = 0;
		const unexpected = [];
		const senders = Array.from({ length: 4 }, async (_, i) => {
			const client = connect(d);
			while (!stop) {
				const { code, details } = await unary(client, 'Send',
					{ key: `${i}`, remoteKey: 'bob', body: Buffer.alloc(400) });
				if (code === status.OK)
					answered++;
				else if (![status.UNAVAILABLE, status.CANCELLED].includes(code))
					unexpected.push(`${code} ${details}`);
				else
					stop = true;
			}
		});
		const pushing = setInterval(() => {
			for (let i = 0; i < 20 && !alice.end; i++)
				alice.push('bob', 'x'.repeat(400));
		}, 5);
		d.after(() => clearInterval(pushing));
		await until(() => answered > 300 && bob.messages.length > 300, 'some load');
		await endsInTime(d);
		stop = true;
		clearInterval(pushing);
		await Promise.all(senders);
		assert.deepEqual(unexpected, []);
		assert.ok(bob.end && alice.end);
	});

	scenario('SIGTERM while a receiver reads nothing and one is half a preface', async (d) => {
		const stuck = new Http2(d, { values: { 4: 0 } });
		await stuck.register('stuck');
		await stuck.opened(1);
		stuck.socket.pause();
		const half = new Socket(d);
		half.write(Buffer.from('PRI * HTTP'));
		const silent = new Socket(d);
		await silent.connected;
		const sender = connect(d);
		for (let i = 0; i < 10; i++)
			await send(sender, 'x', 'stuck', Buffer.alloc(100000));
		await until(async () => await d.metric('mailbox_messages') > 0, 'messages that wait');
		await endsInTime(d);
	});

	scenario('SIGTERM: what was accepted before it is still delivered', async (d) => {
		const bob = await register(d, 'bob');
		const sender = connect(d);
		for (let i = 0; i < 100; i++)
			await send(sender, 'x', 'bob', Buffer.alloc(20000));
		d.signal('SIGTERM');
		assert.deepEqual(await bob.status(), STOPPING);
		assert.equal(bob.messages.length, 100);
		await endsInTime(d);
	});

	scenario('SIGTERM: half a request ends in time too', async (d) => {
		const opened = await session(d);
		const stream = post(opened, METHOD.Send);
		stream.resume().write(message(encrypted('x', 'nobody', 'y')).subarray(0, 8));
		// Once this is answered the server has the first half.
		await within(new Promise((resolve) => opened.ping(resolve)), 'the answer to a ping');
		await endsInTime(d);
		await until(() => stream.closed, 'its end');
	});

	scenario('SIGTERM: a call in flight is let end, with its answer', async (d) => {
		const opened = await session(d);
		const stream = post(opened, METHOD.Send);
		const got = {};
		stream.on('response', (fields) => (got.fields = fields));
		stream.on('trailers', (fields) => (got.trailers = fields));
		const request = message(encrypted('x', 'nobody', 'y'));
		stream.resume().write(request.subarray(0, 8));
		await within(new Promise((resolve) => opened.ping(resolve)), 'the answer to a ping');
		d.signal('SIGTERM');
		await within(new Promise((resolve) => opened.on('goaway', resolve)), 'GOAWAY');
		stream.end(request.subarray(8));
		await until(() => got.trailers, 'the answer');
		assert.equal(Number(got.trailers['grpc-status']), status.OK);
		await endsInTime(d);
	});

	scenario('a second SIGTERM changes nothing', async (d) => {
		const alice = await register(d, 'alice');
		d.signal('SIGTERM');
		d.signal('SIGTERM');
		d.signal('SIGHUP');
		assert.deepEqual(await alice.status(), STOPPING);
		await endsInTime(d);
	});

	named('SIGTERM while a peer registers, again and again', {}, async () => {
		for (let i = 0; i < 10; i++)
			await withDaemon({}, (d) => new Http2(d).register('alice'));
	});

	named('SIGTERM right after the start', {}, async () => {
		for (let i = 0; i < 5; i++)
			await withDaemon({}, (d) => d.stop());
	});

	scenario('health: Check says SERVING for the server and its service', async (d) => {
		assert.equal(await check(d, ''), 'SERVING');
		assert.equal(await check(d, 'signalexchange.SignalExchange'), 'SERVING');
		assert.equal(await check(d, 'other.Service'), status.NOT_FOUND);
	});

	scenario('health: Watch says SERVING, and NOT_SERVING once a shutdown begins', async (d) => {
		const peer = await register(d, 'alice'); // something to wait for
		const all = [watch(d), watch(d, 'signalexchange.SignalExchange')];
		const unknown = watch(d, 'other.Service');
		await until(() => [...all, unknown].every((call) => call.seen.length), 'the first answers');
		assert.deepEqual(unknown.seen, ['SERVICE_UNKNOWN']);
		assert.equal(unknown.end, undefined);
		await endsInTime(d);
		for (const call of all)
			assert.deepEqual(call.seen, ['SERVING', 'NOT_SERVING']);
		await peer.status();
	});

	scenario('health: a Watch that is cancelled leaves nothing behind', async (d) => {
		for (let i = 0; i < 20; i++) {
			const call = watch(d);
			await until(() => call.seen.length, 'an answer');
			call.cancel();
		}
		await d.metricIs('grpc_health_watchers', 0);
		assert.equal(await check(d, ''), 'SERVING');
	});

	scenario('health: more watchers than max-health-watchers: RESOURCE_EXHAUSTED', {
		ini: { 'plugin grpc': { 'max-health-watchers': 2 } },
	}, async (d) => {
		const two = [watch(d), watch(d)];
		await until(() => two.every((call) => call.seen.length), 'the first answers');
		const third = watch(d);
		await until(() => third.end, 'its end');
		assert.deepEqual([third.end.code, third.seen], [status.RESOURCE_EXHAUSTED, []]);
		two[0].cancel();
		await d.metricIs('grpc_health_watchers', 1);
		const next = watch(d);
		await until(() => next.seen.length, 'an answer');
		[two[1], next].forEach((call) => call.cancel());
	});

	for (const [what, socket] of [['a path', path.join(os.tmpdir(), `nbs-e2e-notify-${process.pid}`)],
		['an abstract name', `@nbs-e2e-notify-${process.pid}`]])
		named(`sd_notify on ${what}: READY, RELOADING, READY, STOPPING`, {}, async () => {
			const manager = launch(path.join(BUILD, 'tests/e2e/notify'), [socket]);
			await until(() => manager.out.includes('bound'), 'a socket for sd_notify');
			await withDaemon({ env: { NOTIFY_SOCKET: socket } }, (d) => notified(d, manager));
			manager.stdin.end();
			assert.deepEqual(await manager.ended, { code: 0, signal: null });
		});
});

async function notified(d, manager) {
	const states = () => manager.out.map((line) => /^(READY|RELOADING|STOPPING)=1$/.exec(line)?.[1])
		.filter(Boolean);
	await until(() => states().length >= 1, 'READY=1');
	assert.deepEqual(states(), ['READY']);
	d.signal('SIGHUP');
	await until(() => states().length >= 3, 'a reload');
	assert.deepEqual(states(), ['READY', 'RELOADING', 'READY']);
	assert.ok(manager.out.some((line) => /^MONOTONIC_USEC=\d+$/.test(line)),
		'RELOADING comes with its time');
	await d.stop();
	await until(() => states().length >= 4, 'STOPPING=1');
	assert.deepEqual(states(), ['READY', 'RELOADING', 'READY', 'STOPPING']);
}
