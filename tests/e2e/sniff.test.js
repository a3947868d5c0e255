'use strict';
// The first bytes: what is no protocol of ours is closed, what says nothing is closed later, and
// neither costs anything.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { scenario, sleep, until } = require('./harness');
const { register } = require('./peers');
const { Http2, PREFACE, Socket } = require('./h2');

// Something that takes long enough to be ended only by handshake-timeout, 10 s without these.
const PATIENT = { limits: { 'handshake-timeout': '5m' } };

async function closedAtOnce(d, bytes, reason) {
	const one = new Socket(d);
	await one.connected;
	const begin = Date.now();
	one.write(bytes);
	await until(() => one.gone, 'the end', 5000);
	assert.ok(Date.now() - begin < 2000);
	assert.equal(one.bytes.length, 0, one.bytes.toString('latin1'));
	await d.metricIs('connections_open', 0);
	await d.metricIs('connections_refused_total', 1, { reason });
	await d.metricIs('connections_refused_total', 1);
}

function clientHello() {
	const body = Buffer.concat([Buffer.from('0303', 'hex'), Buffer.alloc(32, 7), Buffer.from([0]),
		Buffer.from('00021301', 'hex'), Buffer.from('0100', 'hex')]);
	const handshake = Buffer.concat([Buffer.from([1, 0, 0, body.length]), body]);
	return Buffer.concat([Buffer.from([0x16, 3, 1, 0, handshake.length]), handshake]);
}

const REFUSED = {
	'garbage': Buffer.from('garbage\r\n'),
	'zeros': Buffer.alloc(100),
	'a TLS ClientHello without a certificate to serve': clientHello(),
	'a preface with its last byte wrong': Buffer.concat([PREFACE.subarray(0, 23), Buffer.from('x')]),
	'HTTP/1 with the method PRI': Buffer.from('PRI / HTTP/1.1\r\n\r\n'),
	'one byte that nothing begins with': Buffer.from([0xff]),
};

// What is known, but not spoken here.
const UNSERVED = ['a TLS ClientHello without a certificate to serve'];

describe('sniff', { concurrency: 4 }, () => {
	for (const [what, bytes] of Object.entries(REFUSED))
		scenario(`${what}: closed at once, and counted`, { ini: PATIENT }, async (d) => {
			const unserved = UNSERVED.includes(what);
			await closedAtOnce(d, bytes, unserved ? 'unserved_protocol' : 'unknown_protocol');
			// The first is a wrong configuration, here or there; the rest is noise of the internet.
			const lines = d.lines().filter((line) => / (WARN|ERROR) /.test(line));
			assert.equal(lines.length, unserved ? 1 : 0, lines.join('\n'));
		});

	scenario('silence is closed after handshake-timeout, not before', {
		ini: { limits: { 'handshake-timeout': '1s' } },
	}, async (d) => {
		const silent = new Socket(d);
		await silent.connected;
		const begin = Date.now();
		await until(() => silent.gone, 'the end of the silent one');
		const took = Date.now() - begin;
		assert.ok(took > 800 && took < 6000, `after ${took} ms`);
		assert.equal(silent.bytes.length, 0);
		await d.metricIs('connections_open', 0);
		await d.metricIs('connections_refused_total', 1, { reason: 'handshake_timeout' });
	});

	scenario('half a preface is closed after handshake-timeout, dripping does not help', {
		ini: { limits: { 'handshake-timeout': '1s' } },
	}, async (d) => {
		const half = new Socket(d);
		half.write(PREFACE.subarray(0, 12));
		const drip = new Socket(d);
		await Promise.all([half.connected, drip.connected]);
		let sent = 0;
		const begin = Date.now();
		await until(async () => {
			if (sent < 20 && Date.now() - begin > sent * 250)
				await drip.write(PREFACE.subarray(sent, ++sent));
			return half.gone && drip.gone;
		}, 'the end of both');
		assert.ok(sent < 20, 'before the preface was whole');
	});

	scenario('200 halves of a preface cost no processor while they wait', {
		ini: PATIENT,
	}, async (d) => {
		const all = Array.from({ length: 200 }, (_, i) => {
			const one = new Socket(d);
			one.write(PREFACE.subarray(0, 1 + i % 23));
			return one;
		});
		await Promise.all(all.map((one) => one.connected));
		await d.metricIs('connections_open', 200);
		const before = d.cpu();
		await sleep(2000);
		const used = d.cpu() - before;
		assert.ok(used <= 60, `${used} ms of processor in 2000 ms`);
		assert.ok(all.every((one) => !one.gone));
		// They can still become what they began as.
		await all[3].write(PREFACE.subarray(4), Buffer.from('000000040000000000', 'hex'));
		await until(() => all[3].bytes.length > 0, 'SETTINGS');
		await Promise.all(all.map((one) => one.destroy()));
		await d.metricIs('connections_open', 0);
	});

	scenario('a half that the client closes is forgotten at once', { ini: PATIENT }, async (d) => {
		const half = new Socket(d);
		await half.write(PREFACE.subarray(0, 12));
		await d.metricIs('connections_open', 1);
		half.socket.end();
		await d.metricIs('connections_open', 0);
		const silent = new Socket(d);
		await silent.connected;
		await d.metricIs('connections_open', 1);
		silent.socket.resetAndDestroy();
		await d.metricIs('connections_open', 0);
	});

	scenario('a preface without SETTINGS is ended in bounded time', {
		ini: { 'plugin grpc': { 'keepalive-time': '1s', 'keepalive-timeout': '1s' } },
	}, async (d) => {
		const mute = new Socket(d);
		await mute.write(PREFACE);
		await until(() => mute.gone, 'its end');
		await d.metricIs('connections_open', 0);
	});

	scenario('hundreds that stall do not hold up a peer', { ini: PATIENT }, async (d) => {
		const all = Array.from({ length: 300 }, (_, i) => {
			const one = new Socket(d);
			if (i % 2)
				one.write(PREFACE.subarray(0, 20));
			return one;
		});
		await Promise.all(all.map((one) => one.connected));
		const alice = await register(d, 'alice');
		await alice.send('alice', 'x');
		await alice.received(1);
		await new Http2(d).served();
	});
});
