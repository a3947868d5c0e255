'use strict';
// TLS: who is served, with which version, protocol and certificate, and that nothing of the service
// is different inside it.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, SANITIZED, isHeld, launch, until, within } = require('./harness');
const certs = require('./certs');
const { secured } = certs;
const { connect, register, send, status } = require('./peers');
const { Http2, PREFACE, SETTING, Socket, settings } = require('./h2');

const MB = 1 << 20;
const ROSENPASS = 524160;
const ANY = { rejectUnauthorized: false, servername: 'localhost' };
const OLD = { ...ANY, minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' };
const HUGE = 2 ** 31 - 1;

// A request with node's own HTTP/1.1: { status, body }.
function get(kind, d, path, more = {}) {
	return within(new Promise((resolve, reject) => {
		kind.get({ host: '127.0.0.1', port: d.port, path, agent: false, ...more }, (response) => {
			let body = '';
			response.setEncoding('utf8').on('data', (text) => (body += text))
				.on('end', () => resolve({ status: response.statusCode, body }));
		}).on('error', reject);
	}), path);
}

// HTTP/2 inside TLS, served.
function served(d, secure) {
	return new Http2(d, { secure: { ...ANY, ...secure } }).served();
}

async function refused(d, secure) {
	const one = new Http2(d, { secure });
	await until(() => one.gone, 'a refusal');
	assert.deepEqual(one.frames, []);
	return one;
}

const warnings = (d) => d.lines().filter((line) => / (WARN|ERROR) /.test(line));
const PLAINTEXT_ONLY = / INFO +tls: no certificate .*plaintext only/;

// The only warning says what was wrong with the client from that port of 127.0.0.1.
function warned(d, what, port) {
	const [line, ...more] = warnings(d);
	assert.deepEqual(more, []);
	assert.match(line, / WARN +listener: connection closed: /);
	assert.match(line, what);
	assert.ok(line.endsWith(` listener=signal remote=127.0.0.1:${port}`), line);
}

// What a hundred connections that were refused one by one leave in the log since begin.
function fewLines(d, begin) {
	const lines = warnings(d);
	const most = 2 + (Date.now() - begin) / 10_000; // one in ten seconds, whatever comes
	assert.ok(lines.length >= 1 && lines.length <= most, lines.join('\n'));
}

// The CN of the certificate that a client gets which asks for that name.
async function certificateFor(d, servername) {
	const one = await served(d, { servername });
	const { CN } = one.socket.getPeerCertificate().subject;
	await one.destroy();
	return CN;
}

// A connection that ends once it has a ticket: { session, reused }.
async function visit(d, secure) {
	const one = new Http2(d, { secure: { ...ANY, ...secure } });
	let session;
	one.socket.on('session', (ticket) => (session = ticket));
	await one.served();
	await until(() => session || one.socket.isSessionReused(), 'a ticket');
	const reused = one.socket.isSessionReused();
	await one.destroy();
	return { session, reused };
}

// A test plugin in the place of gRPC.
const servedBy = (name, keys) => ({ 'listener signal': { http2: name },
	[`plugin ${name}`]: { file: path.join(BUILD, `tests/plugin/${name}.so`), ...keys } });

async function local(one) {
	await one.connected;
	return one.socket.localPort;
}

describe('tls', { concurrency: 4 }, () => {
	secured('gRPC over TLS and in plaintext on one port at the same time', async (d, secure) => {
		const alice = await register(d, 'alice', { secure });
		const bob = await register(d, 'bob');
		const carol = await register(d, 'carol', { secure });
		const all = [alice, bob, carol];
		for (const from of all)
			for (const to of all)
				await from.send(to.id, `from ${from.id}`);
		for (const peer of all)
			assert.deepEqual((await peer.received(3)) && peer.bodies().sort(),
				['from alice', 'from bob', 'from carol']);
		alice.push('bob', 'on the stream');
		bob.push('alice', 'on the stream');
		await Promise.all([alice.received(4), bob.received(4)]);
		await d.metricIs('tls_handshakes_total', 2);
		await d.metricIs('tls_handshakes_in_progress', 0);
	});

	for (const [offer, chosen] of [[['h2'], 'h2'], [['http/1.1', 'h2'], 'h2'],
		[['http/1.1'], 'http/1.1'], [['other'], false], [undefined, false]])
		secured(`ALPN ${offer || 'stripped'}: what counts is what is spoken`, async (d, secure) => {
			const offers = { ...secure, ALPNProtocols: offer };
			const one = await served(d, offers);
			assert.equal(one.socket.alpnProtocol, chosen);
			await one.register('alice');
			await one.opened(1);
			const { status: code } = await get(https, d, '/healthz', offers);
			assert.equal(code, 200);
		});

	for (const version of ['TLSv1.2', 'TLSv1.3'])
		// Small devices ask for small records (RFC 6066); the size is kept by what is forgotten
		// after a handshake.
		secured(`${version}: a client that asked for records of 512 bytes gets no larger ones`, {
			ini: { 'listener signal': { http2: 'echo_conn' },
				'plugin echo_conn': { file: path.join(BUILD, 'tests/plugin/echo_conn.so') } },
		}, async (d) => {
			const client = launch('openssl', ['s_client', '-quiet', '-maxfraglen', '512',
				version === 'TLSv1.3' ? '-tls1_3' : '-tls1_2', '-connect', `127.0.0.1:${d.port}`]);
			d.after(() => client.kill());
			client.stdin.write(Buffer.concat([PREFACE, Buffer.from('!fill 5000\n')]));
			await until(() => client.out.some((line) => line.length === 5000), '5000 bytes');
		});

	for (const version of ['TLSv1.2', 'TLSv1.3'])
		secured(`${version} alone`, async (d, secure) => {
			const alone = { ...secure, minVersion: version, maxVersion: version };
			const one = await served(d, alone);
			assert.equal(one.socket.getProtocol(), version);
			const alice = await register(d, 'alice', { secure: alone });
			await alice.send('alice', 'x');
			await alice.received(1);
			await d.metricIs('tls_handshakes_total', 2, { version: version.slice('TLSv'.length) });
		});

	secured('TLS 1.1 is refused, and counted', async (d, secure) => {
		const one = await refused(d, { ...OLD, maxVersion: 'TLSv1.1' });
		assert.match(`${one.error}`, /alert protocol version/);
		await d.metricIs('connections_refused_total', 1, { reason: 'tls_handshake' });
		await d.metricIs('tls_handshake_failures_total', 1);
		await served(d, secure);
	});

	secured('min-version = 1.3 refuses TLS 1.2, and a reload takes it back', {
		ini: (dir, pki) => ({ tls: { ...pki.ini.tls, 'min-version': '1.3' } }),
	}, async (d, secure) => {
		await refused(d, { ...ANY, maxVersion: 'TLSv1.2' });
		await served(d, secure);
		d.configure({ tls: { 'min-version': null } });
		d.signal('SIGHUP');
		await until(() => served(d, { maxVersion: 'TLSv1.2' }).catch(() => false), 'TLS 1.2');
	});

	secured('names: exact, wildcard, CN, the first of the file, and the default', {
		ini: (dir, pki) => {
			const pair = (stem, names) => ({ [`tls ${stem.replace('.', '-')}`]:
				certs.section(certs.issue(dir, stem, { ca: pki, names })) });
			return { ...pair('one', ['one.test', 'uno.test']), ...pair('wild', ['*.wild.test']),
				...pair('late', ['one.test', 'x.wild.test', 'late.test']), ...pair('cn.test', []) };
		},
	}, async (d) => {
		const expected = { 'one.test': 'one', 'uno.test': 'one', 'ONE.test': 'one',
			'a.wild.test': 'wild', 'x.wild.test': 'wild', 'late.test': 'late', 'cn.test': 'cn.test',
			'wild.test': 'server', 'a.b.wild.test': 'server', 'other.test': 'server', '': 'server' };
		for (const [name, stem] of Object.entries(expected))
			assert.equal(await certificateFor(d, name), stem, `for "${name}"`);
	});

	for (const version of ['TLSv1.2', 'TLSv1.3'])
		secured(`${version}: a ticket resumes, also after a reload`, async (d, secure, pki) => {
			const alone = { ...secure, minVersion: version, maxVersion: version };
			const first = await visit(d, alone);
			assert.equal(first.reused, false);
			assert.equal((await visit(d, { ...alone, session: first.session })).reused, true);
			const other = certs.issue(d.dir, 'other', { ca: pki });
			d.configure({ tls: certs.section(other) });
			d.signal('SIGHUP');
			await until(async () => await certificateFor(d, 'localhost') === 'other', 'the new one');
			assert.equal((await visit(d, { ...alone, session: first.session })).reused, true);
		});

	secured('tls = required refuses plaintext, counts it, and warns of it', {
		ini: { 'listener signal': { tls: 'required' } },
	}, async (d, secure) => {
		const begin = Date.now();
		for (let i = 0; i < 100; i++) {
			const one = new Socket(d);
			const port = await local(one);
			one.write(i % 2 ? PREFACE : Buffer.from('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'));
			await until(() => one.gone, 'a refusal');
			assert.equal(one.bytes.length, 0);
			if (i === 0)
				warned(d, /plaintext.*tls = required/, port);
		}
		fewLines(d, begin);
		await d.metricIs('connections_refused_total', 100, { reason: 'plaintext' });
		assert.ok(!d.lines().some((line) => PLAINTEXT_ONLY.test(line)));
		await served(d, secure);
		assert.equal((await get(https, d, '/readyz', secure)).status, 200);
	});

	for (const [what, change, why, told] of [
		['tls = off', { 'listener signal': { tls: 'off' } }, /speaks TLS.*tls = off/, false],
		['no certificate', { tls: null }, /speaks TLS.*\[tls\] has no certificate/, true],
		['neither', { tls: null, 'listener signal': { tls: 'off' } }, /speaks TLS.*tls = off/, false]])
		secured(`${what}: a ClientHello is refused and warned of, plaintext is served`, {
			ini: change,
		}, async (d) => {
			assert.equal(d.lines().filter((line) => PLAINTEXT_ONLY.test(line)).length, told ? 1 : 0);
			const begin = Date.now();
			for (let i = 0; i < 100; i++) {
				const below = net.connect(d.port, '127.0.0.1');
				await within(new Promise((resolve) => below.on('connect', resolve)), 'a connection');
				const port = below.localPort;
				await refused(d, { ...ANY, socket: below });
				if (i === 0)
					warned(d, why, port);
			}
			fewLines(d, begin);
			await d.metricIs('connections_refused_total', 100, { reason: 'unserved_protocol' });
			await new Http2(d).served();
		});

	secured('health over https and http on one port', async (d, secure) => {
		for (const path of ['/healthz', '/readyz']) {
			assert.equal((await get(https, d, path, secure)).status, 200);
			assert.equal((await get(http, d, path)).status, 200);
		}
		assert.equal((await get(https, d, '/nothing', secure)).status, 404);
	});

	secured('the expiry is shown', async (d, secure, pki) => {
		const { validTo } = new crypto.X509Certificate(fs.readFileSync(pki.server.crt));
		await d.metricIs('tls_certificate_expiry_timestamp_seconds', Date.parse(validTo) / 1000);
	});

	secured('messages of 600 KB, and thousands of small ones', async (d, secure) => {
		const alice = await register(d, 'alice', { secure });
		const bob = await register(d, 'bob', { secure });
		const bodies = Array.from({ length: 10 }, () => crypto.randomBytes(600000));
		for (const body of bodies)
			await alice.send('bob', body);
		await bob.received(10);
		bodies.forEach((body, i) => assert.ok(bob.messages[i].body.equals(body), `the ${i}th`));
		// As fast as the client can, but never more under way than the mailbox holds.
		const total = 4000;
		for (let n = 0; n < total; n += 200) {
			for (let i = n; i < n + 200; i++)
				alice.push('bob', `${i}`);
			await bob.received(10 + n + 200);
		}
		assert.deepEqual(bob.bodies().slice(10), Array.from({ length: total }, (_, i) => `${i}`));
		assert.equal(alice.messages.length, 0);
		await bob.send('alice', Buffer.alloc(ROSENPASS));
		await alice.received(1);
	});

	secured('bytes that come one by one', async (d, secure) => {
		const one = new Http2(d, { preface: false, secure });
		await within(new Promise((resolve) => one.socket.on('secureConnect', resolve)), 'TLS');
		for (const byte of Buffer.concat([PREFACE, settings()]))
			await one.write(Buffer.from([byte]));
		await one.served();
	});

	secured('a reader that stops slows its writer, memory stays bounded, nothing is lost', {
		ini: servedBy('echo_conn'),
	}, async (d, secure) => {
		const one = new Socket(d, { secure });
		one.write(PREFACE, Buffer.from('ready\n'));
		await until(() => one.bytes.includes('ready'), 'an echo');
		one.socket.pause();
		await isHeld(d, (block) => one.write(block));
		let got = 'ready\n'.length;
		one.read = (bytes) => (got += bytes.length);
		one.socket.resume();
		await until(() => got >= 64 * MB, 'all of it', 60000);
		assert.equal(got, 64 * MB + 'ready\n'.length);
		one.destroy();
		await d.metricIs('echo_violations_total', 0);
	});

	secured('a service that wants a socket gets one, and knows whose it is', {
		ini: servedBy('adopt', { mode: 'hold' }),
	}, async (d, secure) => {
		const one = new Socket(d, { secure });
		one.write(PREFACE);
		const words = `adopted remote=127.0.0.1:${await local(one)} listener=signal\n`;
		await until(() => one.bytes.length >= words.length, 'its answer');
		assert.equal(one.bytes.toString(), words);
		await d.metricIs('adopt_connections', 1);
		one.socket.end();
		await until(() => one.gone, 'the end');
		await d.metricIs('adopt_connections', 0);
	});

	secured('a service that reads nothing from its socket slows the client, memory stays bounded', {
		ini: servedBy('adopt', { mode: 'stall' }),
	}, async (d, secure) => {
		const below = net.connect(d.port, '127.0.0.1');
		const one = new Socket(d, { secure: { ...secure, socket: below } });
		one.write(PREFACE);
		await d.metricIs('adopt_connections', 1);
		await isHeld(d, (block) => one.write(block));
		below.resetAndDestroy();
		await d.metricIs('adopt_connections', 0);
		await d.metricIs('connections_open', 0);
	});

	secured('a peer that does not read holds up nobody, and is cut off', {
		ini: { peers: { 'send-timeout': '1h', 'mailbox-bytes': '4M', 'grace-period': '0s' } },
	}, async (d, secure) => {
		const good = await register(d, 'good', { secure });
		const stuck = new Http2(d, { secure, values: { [SETTING.INITIAL_WINDOW_SIZE]: HUGE } });
		await stuck.served();
		await stuck.window(0, HUGE - 65535);
		await stuck.register('stuck');
		await stuck.opened(1);
		stuck.socket.pause();
		const before = d.rss();
		const sender = connect(d, { secure });
		const body = Buffer.alloc(256 << 10, 'x');
		for (let i = 1; i <= 120; i++) {
			await Promise.all([send(sender, 'x', 'stuck', body),
				send(sender, 'x', 'good', `${i}`)]);
			await good.received(i);
		}
		if (!SANITIZED)
			assert.ok(d.rss() - before < 40 * MB, `${(d.rss() - before) / MB} MiB more`);
		assert.equal(await d.metric('active_peers'), 2);
		d.configure({ peers: { 'send-timeout': '1s' } });
		d.signal('SIGHUP');
		await d.metricIs('peers_stalled_total', 1);
		await d.metricIs('active_peers', 1);
	});

	for (const how of ['SIGKILL', 'SIGSTOP'])
		secured(`a client that vanishes by ${how} is gone`, {
			ini: { 'plugin grpc': { 'keepalive-time': '1s', 'keepalive-timeout': '1s' } },
		}, async (d, secure, pki) => {
			const child = launch(process.execPath, [path.join(__dirname, 'client.js'),
				'127.0.0.1', `${d.port}`, 'alice'], { env: { ...process.env, CA: pki.crt } });
			d.after(() => child.kill('SIGKILL'));
			await until(() => child.out.includes('registered'), 'the registration of a child');
			await d.metricIs('active_peers', 1);
			await d.metricIs('tls_handshakes_total', 1);
			child.kill(how);
			await d.metricIs('active_peers', 0);
			await d.metricIs('connections_open', 0);
		});

	secured('an end of TLS, of TCP, and a reset are all ends', async (d, secure) => {
		const ends = [(inside) => inside.end(), (inside) => inside.destroy(),
			(inside, below) => below.end(), (inside, below) => below.resetAndDestroy()];
		for (const end of ends) {
			const below = net.connect(d.port, '127.0.0.1');
			const one = await served(d, { ...secure, socket: below });
			await one.register('alice');
			await one.opened(1);
			await d.metricIs('active_peers', 1);
			end(one.socket, below);
			await d.metricIs('active_peers', 0);
			await d.metricIs('connections_open', 0);
		}
		assert.equal(await d.metric('tls_violations_total'), 0);
		assert.deepEqual(warnings(d), []);
	});

	secured('a shutdown tells TLS peers', async (d, secure) => {
		const peers = [];
		for (let i = 0; i < 10; i++)
			peers.push(await register(d, `peer-${i}`, { secure }));
		const idle = await served(d, secure);
		const begin = Date.now();
		await d.stop();
		assert.ok(Date.now() - begin < (SANITIZED ? 10000 : 5000));
		for (const peer of peers)
			assert.deepEqual(await peer.status(),
				{ code: status.UNAVAILABLE, details: 'server is shutting down' });
		await until(() => idle.gone, 'the end of the idle one');
	});

	secured('connections that come and go leave nothing behind', async (d, secure) => {
		const round = async () => {
			const all = await Promise.all(Array.from({ length: 20 }, () => served(d, secure)));
			await Promise.all(all.map((one) => one.destroy()));
			await d.metricIs('connections_open', 0);
		};
		for (let i = 0; i < 5; i++)
			await round();
		const [descriptors, rss] = [d.descriptors(), d.rss()];
		for (let i = 0; i < 15; i++)
			await round();
		await until(() => d.descriptors() <= descriptors + 2, `${descriptors} descriptors again`);
		if (!SANITIZED)
			assert.ok(d.rss() - rss < 4 * MB, `${(d.rss() - rss) / MB} MiB more after 300 connections`);
	});
});
