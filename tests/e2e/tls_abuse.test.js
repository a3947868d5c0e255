'use strict';
// TLS that stalls, breaks off, asks again or says nothing: it is cut off in bounded time, counted,
// and costs nobody else anything.

const assert = require('node:assert/strict');
const net = require('node:net');
const path = require('node:path');
const { Duplex } = require('node:stream');
const tls = require('node:tls');
const { describe } = require('node:test');
const { BUILD, DEADLINE, SANITIZED, launch, sleep, until, within } = require('./harness');
const { secured } = require('./certs');
const { register } = require('./peers');
const { Http2, PREFACE, Socket, settings } = require('./h2');
const { handshake } = require('./records');

const MB = 1 << 20;
const ANY = { rejectUnauthorized: false, servername: 'localhost' };
const PATIENT = { limits: { 'handshake-timeout': '5m' } };
const HOLD = { file: path.join(BUILD, 'tests/plugin/adopt.so'), mode: 'hold' };
const QUICK = { limits: { 'handshake-timeout': '1s' } };

// What a real client says first.
function clientHello(options = ANY) {
	return new Promise((resolve, reject) => {
		const server = net.createServer((socket) => {
			socket.on('error', () => {}).once('data', (bytes) => {
				socket.destroy();
				server.close();
				resolve(bytes);
			});
		}).listen(0, '127.0.0.1', () => tls.connect({ port: server.address().port,
			host: '127.0.0.1', ...options }).on('error', () => {}));
		server.on('error', reject);
	});
}

async function raw(d, ...bytes) {
	const one = new Socket(d);
	await one.connected;
	if (bytes.length)
		await one.write(...bytes);
	return one;
}

async function gone(d, one, deadline) {
	await until(() => one.gone, 'the end', deadline);
	await d.metricIs('tls_handshakes_in_progress', 0);
	await d.metricIs('connections_open', 0);
	await d.metricIs('connections_refused_total', 1);
}

// TLS over a TCP socket that can also be written to directly.
async function opened(d, more = {}) {
	const below = net.connect(d.port, '127.0.0.1').on('error', () => {});
	const socket = tls.connect({ socket: below, ...ANY, ...more }).on('error', () => {});
	const one = { below, socket, bytes: 0, gone: false };
	below.on('close', () => (one.gone = true));
	socket.on('data', (bytes) => (one.bytes += bytes.length));
	d.after(() => below.destroy());
	await within(new Promise((resolve) => socket.on('secureConnect', resolve)), 'TLS');
	one.port = below.localPort;
	return one;
}

// The same, served as HTTP/2 is.
async function spoken(d, more) {
	const one = await opened(d, { ALPNProtocols: ['h2'], ...more });
	one.socket.write(Buffer.concat([PREFACE, settings()]));
	await until(() => one.bytes, 'SETTINGS');
	return one;
}

// What was done wrong after a handshake is counted once, and said once.
async function violated(d, port, reason) {
	await d.metricIs('tls_violations_total', 1, { reason });
	await d.metricIs('tls_violations_total', 1);
	const lines = d.lines().filter((line) => / (WARN|ERROR) /.test(line));
	assert.equal(lines.length, 1, lines.join('\n'));
	assert.match(lines[0], / WARN +tls: connection closed/);
	for (const word of [`reason=${reason}`, 'listener=signal', `remote=127.0.0.1:${port}`])
		assert.ok(lines[0].split(' ').includes(word), `${word} in ${lines[0]}`);
}

// Somebody who behaves gets in and is served, and how long that took.
async function getsIn(d, secure, target) {
	const begin = Date.now();
	const peer = await register(d, `fresh-${begin}`, { secure, target });
	await peer.send(peer.id, 'x');
	await peer.received(1);
	peer.close();
	return Date.now() - begin;
}

describe('tls_abuse', { concurrency: 4 }, () => {
	for (const [what, part] of [['one byte', (hello) => hello.subarray(0, 1)],
		['five bytes', (hello) => hello.subarray(0, 5)],
		['half', (hello) => hello.subarray(0, hello.length / 2)],
		['all but a byte', (hello) => hello.subarray(0, -1)],
		['the whole', (hello) => hello]])
		secured(`${what} of a ClientHello, then nothing: cut off after handshake-timeout`, {
			ini: QUICK,
		}, async (d, secure) => {
			const one = await raw(d, part(await clientHello()));
			const begin = Date.now();
			await until(() => one.gone, 'the end');
			const took = Date.now() - begin;
			assert.ok(took > 700 && took < 8000, `after ${took} ms`);
			await gone(d, one);
			await getsIn(d, secure);
		});

	secured('a ClientHello that drips does not get more time', { ini: QUICK }, async (d) => {
		const hello = await clientHello();
		const one = await raw(d);
		let sent = 0;
		const begin = Date.now();
		await until(async () => {
			if (Date.now() - begin > sent * 100)
				await one.write(hello.subarray(sent, ++sent));
			return one.gone;
		}, 'the end');
		assert.ok(sent < hello.length / 2, `${sent} of ${hello.length} bytes`);
		await gone(d, one);
	});

	secured('a ClientHello that comes byte by byte is served', async (d) => {
		const below = net.connect(d.port, '127.0.0.1').setNoDelay();
		d.after(() => below.destroy());
		const slow = new Duplex({ read() {}, write(bytes, _, done) {
			for (const byte of bytes)
				below.write(Buffer.from([byte]));
			done();
		} });
		below.on('data', (bytes) => slow.push(bytes)).on('error', () => {});
		const socket = tls.connect({ socket: slow, ...ANY });
		socket.on('error', () => {}).write(Buffer.concat([PREFACE, settings()]));
		await within(new Promise((resolve) => socket.once('data', resolve)), 'SETTINGS');
	});

	const hello = Buffer.from('16030100050100000100', 'hex');
	for (const [what, bytes] of [['a ClientHello of one byte', hello],
		['a record over its size',
			Buffer.concat([Buffer.from('160301ffff0100fffb', 'hex'), Buffer.alloc(70000, 1)])],
		['garbage in a record',
			Buffer.concat([Buffer.from('1603010100010000fc0303', 'hex'), Buffer.alloc(250, 0xee)])],
		['an SSL 2 hello', Buffer.from(
			'802e0100020015000000100100800200800300800400800500800600400700c0', 'hex')]])
		secured(`${what}: refused at once, and counted`, { ini: PATIENT }, async (d, secure) => {
			await gone(d, await raw(d, bytes), 5000);
			await getsIn(d, secure);
		});

	secured('garbage after the ClientHello: refused at once', { ini: PATIENT }, async (d, secure) => {
		await gone(d, await raw(d, await clientHello(), Buffer.alloc(300, 0x55)), 5000);
		await d.metricIs('connections_refused_total', 1, { reason: 'tls_handshake' });
		await d.metricIs('tls_handshake_failures_total', 1);
		await getsIn(d, secure);
	});

	for (const maxVersion of ['TLSv1.2', 'TLSv1.3'])
		secured(`${maxVersion}: garbage below TLS after the handshake: cut off at once`, async (d,
			secure) => {
			const one = await spoken(d, { maxVersion });
			one.below.write(Buffer.alloc(300, 0x55));
			await until(() => one.gone, 'the end', 5000);
			await d.metricIs('connections_open', 0);
			await violated(d, one.port, 'garbage');
			await getsIn(d, secure);
		});

	secured('garbage below TLS before the first word: cut off at once', {
		ini: PATIENT,
	}, async (d, secure) => {
		const one = await opened(d);
		await d.metricIs('tls_handshakes_total', 1);
		one.below.write(Buffer.alloc(300, 0x55));
		await gone(d, one, 5000);
		await violated(d, one.port, 'garbage');
		await getsIn(d, secure);
	});

	for (const [what, half] of [['half a first word', PREFACE.subarray(0, 12)],
		['the first word', PREFACE]])
		secured(`garbage below TLS right behind ${what}: cut off at once`, {
			ini: PATIENT,
		}, async (d, secure) => {
			const one = await handshake(d);
			one.socket.resume();
			one.below.write(Buffer.concat([one.sealer.data(half), Buffer.alloc(300, 0x55)]));
			await until(() => one.gone, 'the end', 5000);
			await d.metricIs('connections_open', 0);
			await violated(d, one.port, 'garbage');
			await getsIn(d, secure);
		});

	secured('a record that does not decrypt is garbage', async (d) => {
		const one = await handshake(d);
		one.socket.resume();
		const record = one.sealer.data(PREFACE);
		record[record.length - 1] ^= 1;
		one.below.write(record);
		await until(() => one.gone, 'the end', 5000);
		await violated(d, one.port, 'garbage');
	});

	secured('an alert is an end and no violation', async (d) => {
		const one = await handshake(d);
		let answered = false;
		one.socket.on('data', () => (answered = true));
		one.below.write(one.sealer.data(Buffer.concat([PREFACE, settings()])));
		await until(() => answered, 'SETTINGS');
		one.below.write(one.sealer.alert(80));
		await until(() => one.gone, 'the end', 5000);
		await d.metricIs('connections_open', 0);
		assert.equal(await d.metric('tls_violations_total'), 0);
		assert.deepEqual(d.lines().filter((line) => / (WARN|ERROR) /.test(line)), []);
	});

	secured('garbage inside TLS: no protocol, refused at once', { ini: PATIENT }, async (d) => {
		const one = await opened(d);
		one.socket.write(Buffer.alloc(100, 0x55));
		await gone(d, one, 5000);
		await d.metricIs('connections_refused_total', 1, { reason: 'unknown_protocol' });
	});

	secured('TLS inside TLS is no protocol', { ini: PATIENT }, async (d) => {
		const one = await opened(d);
		one.socket.write(await clientHello());
		await gone(d, one, 5000);
	});

	secured('silence after the handshake: cut off after handshake-timeout', {
		ini: QUICK,
	}, async (d) => {
		const one = await opened(d);
		await gone(d, one, 8000);
		await d.metricIs('connections_refused_total', 1, { reason: 'handshake_timeout' });
	});

	secured('half a preface inside TLS: cut off after handshake-timeout', {
		ini: QUICK,
	}, async (d) => {
		const one = await opened(d);
		one.socket.write(PREFACE.subarray(0, 12));
		await gone(d, one, 8000);
	});

	secured('renegotiation is cut off, and others do not notice', async (d, secure) => {
		const alice = await register(d, 'alice', { secure });
		const one = await spoken(d, { maxVersion: 'TLSv1.2' });
		let answer;
		one.socket.renegotiate({ rejectUnauthorized: false }, (error) => (answer = error || 'done'));
		await until(() => one.gone, 'the end', 5000);
		assert.notEqual(answer, 'done');
		await violated(d, one.port, 'renegotiation');
		await alice.send('alice', 'x');
		await alice.received(1);
	});

	secured('a thousand connections that never speak: others get in, and all are gone in time', {
		ini: { limits: { 'handshake-timeout': '8s' } }, timeout: 180000,
	}, async (d, secure) => {
		await getsIn(d, secure);
		const bytes = await clientHello();
		const before = { rss: d.rss(), descriptors: d.descriptors() };
		const kinds = [Buffer.alloc(0), bytes.subarray(0, 3), bytes.subarray(0, bytes.length / 2), bytes];
		const all = Array.from({ length: 1000 }, (_, i) => {
			const one = new Socket(d);
			one.write(kinds[i % 4]);
			return one;
		});
		await Promise.all(all.map((one) => one.connected));
		const took = await getsIn(d, secure);
		assert.ok(took < 5000, `a fresh one needed ${took} ms`);
		if (!SANITIZED)
			assert.ok(d.rss() - before.rss < 64 * MB, `${(d.rss() - before.rss) / MB} MiB more`);
		await until(() => all.every((one) => one.gone), 'the end of all', 30000);
		await d.metricIs('connections_open', 0);
		await d.metricIs('connections_refused_total', 1000);
		await d.metricIs('tls_handshakes_in_progress', 0);
		await until(() => d.descriptors() <= before.descriptors + 2, 'the descriptors again');
	});

	secured('200 stalled handshakes cost no processor while they wait', {
		ini: PATIENT,
	}, async (d) => {
		const bytes = await clientHello();
		const all = await Promise.all(Array.from({ length: 200 }, (_, i) =>
			raw(d, i % 2 ? bytes : bytes.subarray(0, 100))));
		await d.metricIs('tls_handshakes_in_progress', 200);
		await d.metricIs('connections_open', 200);
		await sleep(500);
		const before = d.cpu();
		await sleep(2000);
		const used = d.cpu() - before;
		assert.ok(used <= 60, `${used} ms of processor in 2000 ms`);
		await Promise.all(all.map((one) => one.destroy()));
		await d.metricIs('tls_handshakes_in_progress', 0);
		await d.metricIs('connections_open', 0);
	});

	secured('max-handshakes: a fresh client gets in though stalled ones hold every place', {
		ini: { limits: { 'max-handshakes': 10, 'handshake-timeout': '5m' } },
	}, async (d, secure) => {
		const bytes = await clientHello();
		const all = await Promise.all(Array.from({ length: 50 }, () => raw(d, bytes)));
		for (let i = 0; i < 3; i++) {
			const took = await getsIn(d, secure);
			assert.ok(took < 15000, `${took} ms`);
			assert.ok(await d.metric('tls_handshakes_in_progress') <= 10);
		}
		assert.ok(await d.metric('connections_refused_total', { reason: 'handshake_limit' }) > 0);
		assert.ok(all.some((one) => one.gone));
	});

	secured('max-handshakes = 1: many at once are served one after the other', {
		ini: { limits: { 'max-handshakes': 1 } },
	}, async (d, secure) => {
		const all = Array.from({ length: 16 }, () => new Http2(d, { secure }));
		await Promise.all(all.map((one) => one.served()));
		await d.metricIs('tls_handshakes_total', 16);
	});

	secured('a shutdown while handshakes are under way ends in time', { ini: PATIENT }, async (d) => {
		const bytes = await clientHello();
		for (const part of [bytes, bytes.subarray(0, 100), Buffer.alloc(0)])
			await raw(d, part);
		await opened(d);
		await d.metricIs('connections_open', 4);
		const begin = Date.now();
		await d.stop();
		assert.ok(Date.now() - begin < (SANITIZED ? 10000 : 5000));
	});

	secured('what clients do wrong fills no log', async (d) => {
		const from = d.lines().length;
		const bytes = await clientHello();
		for (let i = 0; i < 100; i++)
			await (await raw(d, bytes, Buffer.alloc(300, 0x55))).closed;
		await d.metricIs('connections_refused_total', 100);
		const lines = d.lines().slice(from);
		assert.ok(lines.length <= 15, `${lines.length} lines:\n${lines.slice(0, 20).join('\n')}`);
	});

	for (const [reason, violate] of [
		['garbage', async (d) => {
			const one = await spoken(d);
			one.below.write(Buffer.alloc(300, 0x55));
			return one;
		}],
		['renegotiation', async (d) => {
			const one = await spoken(d, { maxVersion: 'TLSv1.2' });
			one.socket.renegotiate({ rejectUnauthorized: false }, () => {});
			return one;
		}],
		['key_updates', async (d) => {
			const one = await handshake(d);
			one.socket.resume();
			one.below.write(Buffer.concat([one.sealer.data(PREFACE),
				...Array.from({ length: 100 }, () => one.sealer.update(false))]));
			return one;
		}]])
		secured(`${reason}, a hundred times: all counted, few lines`, async (d) => {
			const begin = Date.now();
			for (let i = 0; i < 100; i += 10) {
				const all = await Promise.all(Array.from({ length: 10 }, () => violate(d)));
				await until(() => all.every((one) => one.gone), 'the end of all');
			}
			await d.metricIs('tls_violations_total', 100, { reason });
			// One line in ten seconds, whatever comes.
			const most = 2 + (Date.now() - begin) / 10_000;
			const lines = d.lines().filter((line) => / (WARN|ERROR) /.test(line));
			assert.ok(lines.length >= 1 && lines.length <= most, lines.join('\n'));
		});
});

// What one client sends as fast as it can, reading no answers, while others come and go on the same
// thread.  One after the other: making the records keeps this process busy.
describe('tls_abuse floods', { concurrency: 1 }, () => {
	for (const [what, record, cut] of [
		['key updates', (sealer) => sealer.update(false), 'key_updates'],
		['key updates that want an answer', (sealer) => sealer.update(true), 'key_updates'],
		['empty records', (sealer) => sealer.data(Buffer.alloc(0)), 'garbage'],
		['records of one byte', (sealer) => sealer.data(Buffer.from('x')), undefined]])
		secured(`40000 ${what}: ${cut ? 'cut off' : 'taken'}, and others are not held up`, {
			ini: { 'listener signal': { http2: 'adopt' }, 'plugin adopt': HOLD,
				'listener grpc': { address: '127.0.0.1:0', http2: 'grpc' },
				daemon: { 'io-threads': 1 } },
			timeout: 120000,
		}, async (d, secure) => {
			const one = await handshake(d);
			one.below.pause();
			one.below.write(one.sealer.data(PREFACE));
			await d.metricIs('adopt_connections', 1);
			const flood = Buffer.concat(Array.from({ length: 40000 }, () => record(one.sealer)));
			const before = d.rss();
			one.below.write(flood);
			for (let i = 0; i < 10; i++) {
				const took = await getsIn(d, secure, d.target('grpc'));
				assert.ok(took < DEADLINE / 4, `${took} ms`);
			}
			await d.metricIs('adopt_connections', cut ? 0 : 1);
			await until(() => one.gone || one.below.writableLength === 0, 'the end of the flood');
			if (cut)
				await violated(d, one.port, cut);
			else
				assert.equal(await d.metric('tls_violations_total'), 0);
			if (!SANITIZED)
				assert.ok(d.rss() - before < 16 * MB, `${(d.rss() - before) / MB} MiB more`);
			one.below.resetAndDestroy();
			await d.metricIs('adopt_connections', 0);
		});

	// 8192 bits would cost us 180 ms each time.
	secured('a client cannot choose how costly a handshake is', async (d, secure) => {
		for (const groups of ['ffdhe2048', 'ffdhe8192']) {
			const one = launch('openssl', ['s_client', '-connect', `127.0.0.1:${d.port}`, '-groups', groups]);
			await within(one.ended, `the end with ${groups}`);
		}
		await d.metricIs('tls_handshake_failures_total', 2, { reason: 'cipher' });
		assert.equal(await d.metric('tls_handshakes_total'), 0);
		await getsIn(d, secure);
	});
});
