'use strict';
// The PROXY protocol: who the client is behind a proxy, and what ends a connection whose header is
// wrong, late or from somebody else.

const assert = require('node:assert/strict');
const https = require('node:https');
const net = require('node:net');
const os = require('node:os');
const { describe } = require('node:test');
const { scenario, sleep, until, within } = require('./harness');
const certs = require('./certs');
const { register } = require('./peers');
const { Http2, PREFACE, Socket, settings } = require('./h2');
const { Http, WEB, get } = require('./http');

const HAS_IPV6 = Object.values(os.networkInterfaces()).flat().some((a) => a.address === '::1');
const TRUSTED = { 'proxy-protocol': 'required', 'trusted-proxies': '127.0.0.1' };
// Half a header is ended only by handshake-timeout, 10 s without this.
const PATIENT = { 'handshake-timeout': '5m' };
const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const TCP4 = 0x11;
const TCP6 = 0x21;

// The sections of a daemon behind a proxy.
function behind({ listener = {}, limits = {}, log = 'debug', ...more } = {}) {
	return { daemon: { 'log-level': log }, limits: { ...PATIENT, ...limits },
		'listener signal': { address: '127.0.0.1:0', ...TRUSTED, ...listener }, ...more };
}

function v1(source, port) {
	return Buffer.from(net.isIPv6(source)
		? `PROXY TCP6 ${source} 2001:db8::99 ${port} 443\r\n`
		: `PROXY TCP4 ${source} 192.0.2.99 ${port} 443\r\n`);
}

// Version 2 with any content.  command: 0 LOCAL, 1 PROXY.
function v2(command, family, content, length = content.length) {
	return Buffer.concat([SIGNATURE, Buffer.from([0x20 | command, family, length >> 8, length & 255]),
		content]);
}

function u16(value) {
	return Buffer.from([value >> 8, value & 255]);
}

function v2tcp4(source, port, more = Buffer.alloc(0)) {
	const address = Buffer.from(source.split('.').map(Number));
	return v2(1, TCP4, Buffer.concat([address, Buffer.from([192, 0, 2, 99]), u16(port), u16(443), more]));
}

// source: 2001:db8::N for one byte N.
function v2tcp6(last, port, more = Buffer.alloc(0)) {
	const address = Buffer.from('20010db8000000000000000000000000', 'hex');
	address[15] = last;
	return v2(1, TCP6, Buffer.concat([address, address, u16(port), u16(443), more]));
}

// An HTTP/2 client that says the header first.
function client(d, header, where = {}) {
	const one = new Http2(d, { ...where, preface: false });
	one.write(header, PREFACE, settings());
	return one;
}

// Serves a peer and returns the address that the log has for it.
async function remoteOf(d, one, id) {
	await one.served();
	await one.register(id);
	await one.opened(1);
	const line = await d.logged(new RegExp(`stream begins: id=${id}\\S* remote=`));
	return /remote=(\S+)/.exec(line)[1];
}

const HEADERS = {
	'version 1, TCP4': [v1('203.0.113.7', 40001), '203.0.113.7:40001'],
	'version 1, TCP6': [v1('2001:db8::7', 40002), '[2001:db8::7]:40002'],
	'version 2, TCP4': [v2tcp4('203.0.113.7', 40003), '203.0.113.7:40003'],
	'version 2, TCP6': [v2tcp6(7, 40004), '[2001:db8::7]:40004'],
	'version 2, TCP4 with TLVs': [v2tcp4('203.0.113.7', 40005, Buffer.from('0100026832040000', 'hex')),
		'203.0.113.7:40005'],
	'version 2 as long as may be': [v2tcp6(7, 40006, Buffer.alloc(2048 - 16 - 36, 4)),
		'[2001:db8::7]:40006'],
	'IPv4 in IPv6': [v1('::ffff:203.0.113.7', 40007), '203.0.113.7:40007'],
};

// These keep the proxy's own address.
const OWN = {
	'version 1, UNKNOWN': Buffer.from('PROXY UNKNOWN\r\n'),
	'version 1, UNKNOWN with addresses': Buffer.from('PROXY UNKNOWN 203.0.113.7 192.0.2.1 1 2\r\n'),
	'version 2, LOCAL': v2(0, 0, Buffer.alloc(0)),
	'version 2, LOCAL with addresses': v2(0, TCP4, Buffer.from('cb007107c000026300010002', 'hex')),
	'version 2, PROXY for an unknown family': v2(1, 0, Buffer.alloc(3)),
	'version 2, PROXY for a Unix socket': v2(1, 0x31, Buffer.alloc(216)),
};

const WRONG = {
	'a preface without a header': PREFACE,
	'HTTP/1.1': Buffer.from('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'),
	'a ClientHello': Buffer.from([0x16, 3, 1, 0, 100]),
	'a word in small letters': Buffer.from('proxy TCP4 203.0.113.7 192.0.2.1 1 2\r\n'),
	'an unknown protocol': Buffer.from('PROXY UDP4 203.0.113.7 192.0.2.1 1 2\r\n'),
	'a port over 65535': Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 65536 2\r\n'),
	'a leading zero': Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 01 2\r\n'),
	'an address of the other family': Buffer.from('PROXY TCP4 2001:db8::7 192.0.2.1 1 2\r\n'),
	'a line without an end': Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`),
	'a line that ends with LF alone': Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 1 2\n'),
	'version 3': Buffer.concat([SIGNATURE, Buffer.from('3111000c', 'hex')]),
	'an unknown command': v2(2, TCP4, Buffer.alloc(12)),
	'an unknown family': v2(1, 0x41, Buffer.alloc(12)),
	'datagrams': v2(1, 0x12, Buffer.alloc(12)),
	'addresses that are too short': v2(1, TCP6, Buffer.alloc(12)),
	'more than may be': v2(1, TCP4, Buffer.alloc(0), 65535),
};

async function closedAtOnce(d, one, reason) {
	await one.connected;
	const begin = Date.now();
	await until(() => one.gone, 'the end', 5000);
	assert.ok(Date.now() - begin < 2000);
	assert.equal(one.bytes.length, 0, one.bytes.toString('latin1'));
	await d.metricIs('connections_open', 0);
	await d.metricIs('connections_refused_total', 1, { reason });
	await d.metricIs('connections_refused_total', 1);
}

// What a TCP proxy does: it says who came, and passes on everything else.
async function proxy(d, header) {
	const server = net.createServer((inner) => {
		const outer = net.connect({ port: d.port, host: '127.0.0.1' });
		outer.write(header);
		inner.pipe(outer).pipe(inner);
		inner.on('error', () => outer.destroy()).on('close', () => outer.destroy());
		outer.on('error', () => inner.destroy()).on('close', () => inner.destroy());
	});
	d.after(() => new Promise((resolve) => server.close(resolve)));
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return server.address().port;
}

describe('proxy_protocol', { concurrency: 4 }, () => {
	for (const [what, [header, address]] of Object.entries(HEADERS))
		scenario(`${what}: the log has the client's address`, { ini: behind() }, async (d) =>
			assert.equal(await remoteOf(d, client(d, header), 'alice'), address));

	for (const [what, header] of Object.entries(OWN))
		scenario(`${what}: the proxy is the client`, { ini: behind() }, async (d) => {
			const one = client(d, header);
			await one.connected;
			assert.equal(await remoteOf(d, one, 'alice'), `127.0.0.1:${one.socket.localPort}`);
		});

	for (const [what, bytes] of Object.entries(WRONG))
		scenario(`${what}: closed at once, counted, and the log says so`, {
			ini: behind({ log: 'info' }),
		}, async (d) => {
			const one = new Socket(d);
			one.write(bytes);
			await closedAtOnce(d, one, 'proxy_header');
			const line = await d.logged(/ WARN .*PROXY header/);
			assert.match(line, /listener=signal remote=127\.0\.0\.1:\d+$/);
		});

	scenario('a header byte by byte, then the preface in the same way', { ini: behind() }, async (d) => {
		for (const [id, header, address] of [['alice', v1('203.0.113.7', 40001), '203.0.113.7:40001'],
			['bob', v2tcp6(7, 40002), '[2001:db8::7]:40002']]) {
			const one = new Http2(d, { preface: false });
			await one.connected;
			for (const byte of Buffer.concat([header, PREFACE])) {
				await one.write(Buffer.from([byte]));
				await new Promise(setImmediate);
			}
			await one.write(settings());
			assert.equal(await remoteOf(d, one, id), address);
		}
	});

	scenario('a header alone, and the preface when its time has come', { ini: behind() }, async (d) => {
		const one = new Http2(d, { preface: false });
		await one.write(v1('203.0.113.7', 40001));
		await d.metricIs('connections_open', 1);
		await sleep(300);
		assert.equal(one.gone, undefined);
		await one.write(PREFACE, settings());
		assert.equal(await remoteOf(d, one, 'alice'), '203.0.113.7:40001');
	});

	scenario('what follows the header is judged as anywhere else', { ini: behind() }, async (d) => {
		const one = new Socket(d);
		one.write(v1('203.0.113.7', 40001), Buffer.from('garbage\r\n'));
		await closedAtOnce(d, one, 'unknown_protocol');
		await d.logged(/DEBUG .*connection closed: .* remote=203\.0\.113\.7:40001/);
	});

	scenario('a second header is not taken', { ini: behind() }, async (d) => {
		const one = new Socket(d);
		one.write(v2tcp4('203.0.113.7', 40001), v2tcp4('203.0.113.8', 40002));
		await closedAtOnce(d, one, 'unknown_protocol');
	});

	scenario('an address that is not trusted is closed before it says anything', {
		ini: behind({ listener: { address: '0.0.0.0:0', 'trusted-proxies': '10.0.0.0/8, 127.0.0.0/30' },
			log: 'info' }),
	}, async (d) => {
		const silent = new Socket(d, { localAddress: '127.0.0.4' });
		await closedAtOnce(d, silent, 'untrusted_proxy');
		const line = await d.logged(/ WARN .*trusted-proxies/);
		assert.match(line, /listener=signal remote=127\.0\.0\.4:\d+$/);
		const liar = new Socket(d, { localAddress: '127.0.0.5' });
		liar.write(v1('127.0.0.1', 1), PREFACE, settings());
		await until(() => liar.gone, 'the end of one with a header');
		await d.metricIs('connections_refused_total', 2, { reason: 'untrusted_proxy' });
		await client(d, v1('203.0.113.7', 1), { localAddress: '127.0.0.3' }).served();
	});

	scenario('a hundred strangers are one line in the log', {
		ini: behind({ listener: { 'trusted-proxies': '192.0.2.1' }, log: 'info' }),
	}, async (d) => {
		const all = Array.from({ length: 100 }, () => new Socket(d));
		await Promise.all(all.map((one) => one.closed));
		await d.metricIs('connections_refused_total', 100, { reason: 'untrusted_proxy' });
		assert.ok(d.lines().filter((line) => /trusted-proxies/.test(line)).length <= 3);
	});

	scenario('a proxy over IPv4 is known on a socket for both families', {
		ini: behind({ listener: { address: '*:0', 'trusted-proxies': '127.0.0.0/8' } }),
	}, async (d) => {
		assert.equal(await remoteOf(d, client(d, v1('203.0.113.7', 1)), 'alice'), '203.0.113.7:1');
	});

	scenario('a proxy over IPv6', {
		ini: behind({ listener: { address: '[::1]:0', 'trusted-proxies': '::/64' } }),
		skip: HAS_IPV6 ? false : 'this machine has no IPv6',
	}, async (d) => {
		const one = client(d, v2tcp6(9, 2), { host: '::1' });
		assert.equal(await remoteOf(d, one, 'alice'), '[2001:db8::9]:2');
	});

	for (const [what, header] of [['version 1', v1('203.0.113.7', 40001)], ['version 2', v2tcp6(7, 1)]])
		scenario(`half a header of ${what} is closed after handshake-timeout, dripping does not help`, {
			ini: behind({ limits: { 'handshake-timeout': '1s' } }),
		}, async (d) => {
			const silent = new Socket(d);
			const half = new Socket(d);
			half.write(header.subarray(0, 20));
			const drip = new Socket(d);
			await Promise.all([silent, half, drip].map((one) => one.connected));
			let sent = 0;
			const begin = Date.now();
			await until(async () => {
				if (sent < 20 && Date.now() - begin > sent * 250)
					await drip.write(header.subarray(sent, ++sent));
				return silent.gone && half.gone && drip.gone;
			}, 'the end of all three');
			const took = Date.now() - begin;
			assert.ok(took > 800 && took < 4500, `after ${took} ms`);
			await d.metricIs('connections_refused_total', 3, { reason: 'handshake_timeout' });
			await d.metricIs('connections_open', 0);
		});

	scenario('the header does not begin the time anew', {
		ini: behind({ limits: { 'handshake-timeout': '1500ms' } }),
	}, async (d) => {
		const one = new Socket(d);
		await one.connected;
		const begin = Date.now();
		await sleep(1000);
		await one.write(v1('203.0.113.7', 40001));
		await until(() => one.gone, 'its end');
		assert.ok(Date.now() - begin < 2400, `after ${Date.now() - begin} ms`);
	});

	scenario('200 halves of a header cost no processor while they wait', { ini: behind() }, async (d) => {
		const header = v1('203.0.113.7', 40001);
		const all = Array.from({ length: 200 }, (_, i) => {
			const one = new Http2(d, { preface: false });
			one.write(header.subarray(0, 1 + i % (header.length - 1)));
			return one;
		});
		await Promise.all(all.map((one) => one.connected));
		await d.metricIs('connections_open', 200);
		const before = d.cpu();
		await sleep(2000);
		assert.ok(d.cpu() - before <= 60, `${d.cpu() - before} ms of processor in 2000 ms`);
		await all[3].write(header.subarray(4), PREFACE, settings());
		await all[3].served();
		await Promise.all(all.map((one) => one.destroy()));
		await d.metricIs('connections_open', 0);
	});

	scenario('one that leaves in its header, or right behind it, is forgotten', {
		ini: behind(),
	}, async (d) => {
		for (const bytes of [v1('203.0.113.7', 1).subarray(0, 9), v2tcp4('203.0.113.7', 1),
			Buffer.alloc(0)]) {
			const one = new Socket(d);
			await one.write(bytes);
			await d.metricIs('connections_open', 1);
			one.socket.end();
			await d.metricIs('connections_open', 0);
		}
		const one = new Socket(d);
		await one.write(v1('203.0.113.7', 1).subarray(0, 9));
		await d.metricIs('connections_open', 1);
		one.socket.resetAndDestroy();
		await d.metricIs('connections_open', 0);
		await d.metricIs('connections_refused_total', 4, { reason: 'left' });
	});

	scenario('max-connections-per-address counts clients, not the proxy', {
		ini: behind({ limits: { 'max-connections-per-address': 2 } }),
	}, async (d) => {
		const header = (host, i) => i % 2 ? v1(host, 40000 + i) : v2tcp4(host, 40000 + i);
		const open = [];
		for (let i = 0; i < 10; i++)
			open.push(await client(d, header(`203.0.113.${i >> 1}`, i)).served());
		const third = client(d, header('203.0.113.3', 77));
		await until(() => third.gone, 'the end of the third');
		assert.deepEqual(third.frames, []);
		await d.metricIs('connections_refused_total', 1, { reason: 'address_limit' });
		await d.logged(/too many connections from this address listener=signal remote=[0-9.:]+$/);
		await open[6].destroy();
		await until(() => client(d, header('203.0.113.3', 78)).served().catch(() => false),
			'a place for the address again');
		// Those that wait in their header are in nobody's count.
		const waiting = Array.from({ length: 5 }, () => new Socket(d));
		await Promise.all(waiting.map((one) => one.write(Buffer.from('PROXY '))));
		await d.metricIs('connections_open', 15);
	});

	scenario('the same limit holds for a proxy that speaks for itself', {
		ini: behind({ limits: { 'max-connections-per-address': 2 } }),
	}, async (d) => {
		const local = () => client(d, v2(0, 0, Buffer.alloc(0)));
		await local().served();
		await local().served();
		const third = local();
		await until(() => third.gone, 'the end of the third');
		await d.metricIs('connections_refused_total', 1, { reason: 'address_limit' });
		await client(d, v1('203.0.113.7', 1)).served();
	});

	scenario('a listener without the protocol takes no header', {
		ini: behind({ 'listener plain': { address: '127.0.0.1:0' } }),
	}, async (d) => {
		const { port } = d.addresses.plain[0];
		const plain = new Http2(d, { port });
		await plain.served();
		await plain.destroy();
		const one = new Socket(d, { port });
		one.write(v2tcp4('203.0.113.7', 40001), PREFACE);
		await closedAtOnce(d, one, 'unknown_protocol');
	});

	scenario('grpc-js behind a proxy: messages both ways', { ini: behind() }, async (d) => {
		const target = (port) => ({ target: `127.0.0.1:${port}` });
		const alice = await register(d, 'alice', target(await proxy(d, v1('203.0.113.7', 1001))));
		const bob = await register(d, 'bob', target(await proxy(d, v2tcp6(8, 1002))));
		await alice.send('bob', 'hello');
		await bob.received(1);
		await bob.send('alice', Buffer.alloc(600_000, 'x'));
		await alice.received(1);
		for (const [id, remote] of [['alice', '203.0.113.7:1001'], ['bob', '[2001:db8::8]:1002']]) {
			const line = await d.logged(new RegExp(`stream begins: id=${id}`));
			assert.ok(line.includes(`remote=${remote}`), line);
		}
	});

	scenario('a plugin is told who the client is, and who said so', {
		ini: { ...WEB, ...behind() },
	}, async (d) => {
		const one = new Http(d);
		await one.write(v2tcp4('203.0.113.9', 1234));
		const { body } = await one.ask(get('/web/hello'));
		assert.equal(body, 'remote=203.0.113.9:1234 listener=signal admin=0 tls= ' +
			`proxy=127.0.0.1:${one.socket.localPort}\n`);
	});

	let pki;
	scenario('the header comes before TLS', {
		ini: (dir) => behind((pki = certs.simple(dir)).ini),
	}, async (d) => {
		const secure = { ca: pki.ca, servername: 'localhost' };
		const port = await proxy(d, v2tcp4('203.0.113.7', 1001));
		const alice = await register(d, 'alice', { target: `127.0.0.1:${port}`, secure });
		await alice.send('alice', 'hello');
		await alice.received(1);
		const line = await d.logged(/stream begins: id=alice/);
		assert.ok(line.includes('remote=203.0.113.7:1001'), line);
		const health = await within(new Promise((resolve, reject) => https.get({ ...secure, port,
			host: '127.0.0.1', path: '/healthz', agent: false }, resolve).on('error', reject)), 'health');
		health.resume();
		assert.equal(health.statusCode, 200);
	});
});
