'use strict';
// Keepalive as NetBird's clients do it: a PING every few seconds for ever is no abuse.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { scenario, sleep, until, within } = require('./harness');
const { METHOD } = require('./h2');
const { ID, REGISTERED, post, register, session } = require('./peers');

const EVERY = 5000;
const MINUTE = 60000;

// Pings for a minute; returns how many were answered.
async function pingForAMinute(opened) {
	let answered = 0;
	const end = Date.now() + MINUTE + 500;
	while (Date.now() < end) {
		const next = Date.now() + EVERY;
		await within(new Promise((resolve, reject) =>
			opened.ping((error) => error ? reject(error) : resolve())), 'the answer to a ping');
		answered++;
		await sleep(next - Date.now());
	}
	return answered;
}

async function open(d) {
	const opened = await session(d);
	opened.seen = [];
	opened.on('goaway', (code) => opened.seen.push(`GOAWAY ${code}`));
	opened.on('error', (error) => opened.seen.push(`${error}`));
	opened.on('close', () => opened.seen.push('closed'));
	return opened;
}

async function tolerated(opened) {
	const answered = await pingForAMinute(opened);
	assert.ok(answered >= 12, `${answered} pings answered`);
	assert.deepEqual(opened.seen, []);
}

describe('pings', { concurrency: 3 }, () => {
	scenario('a ping every 5 s for a minute, with a stream and without, is tolerated', {
		timeout: 3 * MINUTE,
	}, async (d) => {
		const idle = await open(d);
		const peer = await open(d);
		const stream = post(peer, METHOD.ConnectStream, { [ID]: 'alice' });
		const got = { bytes: 0 };
		stream.on('response', (fields) => (got.fields = fields));
		stream.on('data', (bytes) => (got.bytes += bytes.length));
		stream.on('close', () => (got.closed = true));
		await until(() => got.fields, 'the registration');
		assert.equal(got.fields[REGISTERED], '1');
		await Promise.all([tolerated(idle), tolerated(peer)]);
		assert.equal(got.closed, undefined);
		const bob = await register(d, 'bob');
		await bob.send('alice', 'after a minute');
		await until(() => got.bytes > 0, 'a message after a minute');
	});

	scenario('the keepalive of a client library, every 5 s beside an idle stream, is tolerated', {
		timeout: 3 * MINUTE,
	}, async (d) => {
		const alice = await register(d, 'alice', { options: { 'grpc.keepalive_time_ms': 5000,
			'grpc.keepalive_timeout_ms': 5000, 'grpc.keepalive_permit_without_calls': 1 } });
		for (let waited = 0; waited < 30000; waited += 1000) {
			await sleep(1000);
			assert.equal(alice.end, undefined);
		}
		await alice.send('alice', 'still here');
		await alice.received(1);
	});
});
