'use strict';
// Addresses, and how many connections they take.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const { describe } = require('node:test');
const { scenario, sleep, until } = require('./harness');
const { Health, connect, register, unary } = require('./peers');
const { Http2, PREFACE, Socket, TYPE, frame, settings } = require('./h2');

const HAS_IPV6 = Object.values(os.networkInterfaces()).flat().some((a) => a.address === '::1');
const NO_IPV6 = HAS_IPV6 ? false : 'this machine has no IPv6';
const ONE_THREAD = { 'io-threads': 1 };

// A round trip on a connection that is served: whatever the daemon did before, it has done.
async function roundTrip(http2) {
	const before = http2.frames.length;
	await http2.write(frame(TYPE.PING, 0, 0, Buffer.alloc(8)));
	await until(() => http2.frames.slice(before).some((f) => f.type === TYPE.PING && f.flags & 1),
		'the answer to a ping');
}

async function fill(d, n, where) {
	const all = [];
	for (let i = 0; i < n; i++)
		all.push(await new Http2(d, where).served());
	return all;
}

// It is connected, and nothing more: neither served nor closed.
async function waits(d, waiting, witness) {
	await Promise.all(waiting.map((one) => one.connected));
	for (let i = 0; i < 20; i++)
		await roundTrip(witness);
	for (const one of waiting) {
		assert.equal(one.gone, undefined, 'it is not closed');
		assert.deepEqual(one.frames, [], 'it is not served');
	}
}

function exchange(d, port, host) {
	return new Http2(d, { port, host }).served();
}

describe('listeners', { concurrency: 4 }, () => {
	scenario('*:PORT serves IPv4 and IPv6', {
		ini: { 'listener signal': { address: '*:0' } }, skip: NO_IPV6,
	}, async (d) => {
		const { port } = d;
		const four = await register(d, 'four', { target: `127.0.0.1:${port}` });
		const six = await register(d, 'six', { target: `[::1]:${port}` });
		await four.send('six', 'hello');
		await six.received(1);
		await six.send('four', 'hello');
		await four.received(1);
	});

	scenario('127.0.0.1 and [::1] in one list are two sockets', {
		ini: { 'listener signal': { address: '127.0.0.1:0, [::1]:0' } }, skip: NO_IPV6,
	}, async (d) => {
		const [four, six] = d.addresses.signal;
		assert.deepEqual([four.host, six.host], ['127.0.0.1', '::1']);
		await exchange(d, four.port, '127.0.0.1');
		await exchange(d, six.port, '::1');
		const other = new Socket(d, { port: six.port, host: '127.0.0.1' });
		await other.closed;
		assert.equal(other.error?.code, 'ECONNREFUSED');
	});

	scenario('[::] is IPv6 only', {
		ini: { 'listener signal': { address: '[::]:0' } }, skip: NO_IPV6,
	}, async (d) => {
		await exchange(d, d.port, '::1');
		const other = new Socket(d, { port: d.port, host: '127.0.0.1' });
		await other.closed;
		assert.equal(other.error?.code, 'ECONNREFUSED');
	});

	scenario('each listener has its line, and each is served', {
		ini: { 'listener second': { address: '127.0.0.1:0' },
			'listener third': { address: '127.0.0.1:0, 127.0.0.1:0' } },
	}, async (d) => {
		const all = Object.values(d.addresses).flat();
		assert.deepEqual(Object.keys(d.addresses).sort(), ['second', 'signal', 'third']);
		assert.equal(new Set(all.map((a) => a.port)).size, 4);
		for (const { port } of all)
			await exchange(d, port);
	});

	scenario('at max-connections accepting pauses: the next one waits, and is served later', {
		ini: { limits: { 'max-connections': 3 } },
	}, async (d) => {
		const open = await fill(d, 3);
		const waiting = Array.from({ length: 3 }, () => new Http2(d));
		await waits(d, waiting, open[2]);
		await d.metricIs('connections_open', 3);
		assert.ok(await d.metric('listener_pauses_total') > 0);
		await open[0].destroy();
		await until(() => waiting.some((one) => one.frames.length), 'one more is served');
		await d.metricIs('connections_open', 3);
		await roundTrip(open[2]);
		assert.equal(waiting.filter((one) => one.frames.length).length, 1);
		await open[1].destroy();
		await open[2].destroy();
		await Promise.all(waiting.map((one) => one.served()));
		await d.metricIs('connections_open', 3);
	});

	scenario('accepting resumes however a connection ends', {
		ini: { limits: { 'max-connections': 1, 'handshake-timeout': '300ms' }, daemon: ONE_THREAD },
	}, async (d) => {
		const ends = [
			(one) => one.destroy(),
			(one) => one.socket.resetAndDestroy(),
			(one) => one.socket.end(),
			(one) => one.write(Buffer.alloc(100, 0xff)),
		];
		let last = await new Http2(d).served();
		for (const end of ends) {
			const next = new Http2(d);
			await next.connected;
			end(last);
			last = await next.served();
		}
		// Those before it in the backlog take the place, one until handshake-timeout.
		const silent = new Socket(d);
		const garbage = new Socket(d);
		garbage.write(Buffer.from('what\r\n'));
		await Promise.all([silent.connected, garbage.connected]);
		const next = new Http2(d);
		await last.destroy();
		await next.served();
	});

	scenario('at the limit a listener of class admin still answers', {
		ini: { limits: { 'max-connections': 2 },
			'listener admin': { address: '127.0.0.1:0', class: 'admin' } },
	}, async (d) => {
		const open = await fill(d, 2);
		const waiting = new Http2(d);
		await waits(d, [waiting], open[0]);
		const health = connect(d, { kind: Health, target: d.target('admin') });
		const { answer } = await unary(health, 'Check', { service: '' });
		assert.equal(answer.status, 'SERVING');
		await waits(d, [waiting], open[0]);
		health.close();
		open[0].destroy();
		await waiting.served();
	});

	scenario('connections of class admin do not take the places of the public', {
		ini: { limits: { 'max-connections': 2 },
			'listener admin': { address: '127.0.0.1:0', class: 'admin' } },
	}, async (d) => {
		const admins = await fill(d, 6, { port: d.addresses.admin[0].port });
		await Promise.all(admins.map((one) => one.destroy()));
		await d.metricIs('connections_open', 0);
		await fill(d, 2);
	});

	scenario('max-connections-per-address: more are closed, other addresses are served', {
		ini: { limits: { 'max-connections-per-address': 2 } },
	}, async (d) => {
		const open = await fill(d, 2);
		const third = new Http2(d);
		await until(() => third.gone, 'the end of the third');
		assert.deepEqual(third.frames, []);
		await d.metricIs('connections_refused_total', 1, { reason: 'address_limit' });
		await fill(d, 2, { localAddress: '127.0.0.2' });
		await roundTrip(open[0]);
		await open[0].destroy();
		await until(async () => {
			const again = new Http2(d);
			return again.served().catch(() => false);
		}, 'a place for the address again');
	});

	scenario('out of descriptors: no spin, nobody is dropped, and it recovers', async (d) => {
		const alice = await register(d, 'alice');
		const limit = d.descriptors() + 20;
		execFileSync('prlimit', ['--pid', `${d.pid}`, `--nofile=${limit}:`]);
		const all = Array.from({ length: 80 }, () => new Http2(d));
		await Promise.all(all.map((one) => one.connected));
		await d.logged(/WARN .*accepting pauses: /);
		await until(() => all.filter((one) => one.frames.length).length >= 5, 'some are served');
		const before = d.cpu();
		const begin = Date.now();
		for (let n = 1; Date.now() < begin + 2000; n++) {
			await alice.send('alice', 'still here');
			await alice.received(n);
			await sleep(100);
		}
		assert.ok(d.cpu() - before < 400, `${d.cpu() - before} ms of processor in 2000 ms`);
		assert.ok(all.some((one) => !one.frames.length && !one.gone), 'some still wait');
		// As soon as some leave, others are served; at last all have been.
		for (const one of all)
			await one.served().then(() => one.destroy());
		await (await register(d, 'bob')).send('alice', 'after it');
	});

	scenario('fewer descriptors than max-connections needs: fewer connections, and it says so', {
		ini: { limits: { 'max-connections': 1000 } }, wrap: ['prlimit', '--nofile=100:100'],
	}, async (d) => {
		await d.logged(/max-connections: \d+ file descriptors are enough for \d+ connections, not for 1000/);
		const all = Array.from({ length: 100 }, () => new Http2(d));
		for (const one of all)
			await one.served().then(() => one.destroy());
	});

	scenario('the descriptor limit is raised to what max-connections needs, at most the hard one', {
		ini: { limits: { 'max-connections': 500 } }, wrap: ['prlimit', '--nofile=64:4096'],
	}, async (d) => {
		const limits = fs.readFileSync(`/proc/${d.pid}/limits`, 'utf8');
		const [, soft, hard] = /Max open files\s+(\d+)\s+(\d+)/.exec(limits);
		assert.ok(Number(soft) >= 500 && Number(hard) === 4096, `${soft} ${hard}`);
		await fill(d, 100);
	});

	scenario('connections that come and go leave no descriptor behind', async (d) => {
		await fill(d, 20).then((all) => Promise.all(all.map((one) => one.destroy())));
		await d.metricIs('connections_open', 0);
		const before = d.descriptors();
		for (let round = 0; round < 10; round++) {
			const all = Array.from({ length: 30 }, (_, i) => [
				() => new Http2(d), () => new Socket(d),
				() => { const s = new Socket(d); s.write(Buffer.from('PRI * H')); return s; },
				() => { const s = new Socket(d); s.write(Buffer.from('junk\n')); return s; },
			][i % 4]());
			await Promise.all(all.map((one) => Promise.race([one.connected, one.closed])));
			all.forEach((one, i) => i % 3 ? one.destroy() : one.socket.resetAndDestroy());
		}
		await d.metricIs('connections_open', 0);
		await until(() => d.descriptors() <= before + 2, `${before} descriptors again`);
	});

	scenario('the backlog holds a burst of 500 connections', async (d) => {
		const all = Array.from({ length: 500 }, () => new Http2(d));
		await Promise.all(all.map((one) => one.served()));
		await d.metricIs('connections_open', 500);
		await Promise.all(all.map((one) => one.destroy()));
		await d.metricIs('connections_open', 0);
	});

	scenario('a preface that comes byte by byte is served', async (d) => {
		const raw = new Http2(d, { preface: false });
		await raw.connected;
		for (const byte of PREFACE) {
			await raw.write(Buffer.from([byte]));
			await new Promise(setImmediate);
		}
		await raw.write(settings());
		await raw.served();
		await raw.register('alice');
		await raw.opened(1);
	});
});

