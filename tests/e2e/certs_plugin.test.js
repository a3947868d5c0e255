'use strict';
// Certificates of plugins: before the first client, changed under open connections, beside those of
// files; and the proof for a certificate authority (RFC 8737).

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const tls = require('node:tls');
const { describe } = require('node:test');
const { BUILD, scenario, until, within } = require('./harness');
const certs = require('./certs');
const { register } = require('./peers');
const { light } = require('./ws_peers');
const { Http2, Socket } = require('./h2');
const { Http, get, once, post } = require('./http');

const EINVAL = -22;
const ANY = { rejectUnauthorized: false, servername: 'localhost' };
const ACME = { ...ANY, ALPNProtocols: ['acme-tls/1'] };
const PLAINTEXT_ONLY = / INFO +tls: no certificate .*plaintext only/;

// A scenario whose daemon has the plugin.  ini(dir, pki): more of its configuration; pki.NAME are
// pairs for localhost.
function certified(name, pairs, ini, body) {
	let pki;
	const whole = (dir) => {
		pki = { ca: certs.authority(dir) };
		for (const [stem, names] of Object.entries(pairs))
			pki[stem] = certs.issue(dir, stem, { ca: pki.ca, names });
		const { 'plugin certs': keys, ...more } = ini(dir, pki);
		return { 'listener admin': { address: '127.0.0.1:0', class: 'admin', tls: 'off' },
			'plugin certs': { file: path.join(BUILD, 'tests/plugin/certs.so'), ...keys }, ...more };
	};
	scenario(name, { ini: whole }, (d) => body(d, pki));
}

const TWO = { one: ['localhost'], two: ['localhost'] };
const nothing = () => ({});
const main = ({ crt, key }) => ({ 'plugin certs': { chain: crt, key } });

async function order(d, what, keys) {
	const from = d.lines().length;
	const { status } = await once(d, post(`/certs/${what}?${new URLSearchParams(keys)}`, ''),
		{ listener: 'admin' });
	assert.equal(status, 202);
	const line = await d.logged(new RegExp(`${what} name=${keys.name} result=`), { from });
	return Number(/result=(-?\d+)/.exec(line)[1]);
}

async function provide(d, name, { crt, key }, more = {}) {
	assert.equal(await order(d, 'provide', { name, chain: crt, key, ...more }), 0);
}

async function withdraw(d, name) {
	assert.equal(await order(d, 'withdraw', { name }), 0);
}

// The serial number of what a new connection is shown, or undefined if it is refused.
async function served(d, more) {
	const one = new Http2(d, { secure: { ...ANY, ...more } });
	await until(() => one.frames.length || one.gone, 'SETTINGS or an end');
	const serial = one.frames.length ? one.socket.getPeerCertificate().serialNumber : undefined;
	await one.destroy();
	return serial;
}

// What an authority sees: { cert, protocol, error, ended }.  ended: the server closed, by TLS's rules.
async function challenged(d, secure) {
	const one = new Socket(d, { secure: { ...ACME, ...secure } });
	const seen = {};
	one.socket.on('secureConnect', () => Object.assign(seen, {
		cert: one.socket.getPeerCertificate().serialNumber, protocol: one.socket.alpnProtocol }));
	one.socket.on('end', () => (seen.ended = true));
	await within(one.closed, 'the end of a challenge');
	return { ...seen, error: one.error?.code };
}

const proves = (pair) => ({ cert: pair.serial, protocol: 'acme-tls/1', ended: true, error: undefined });
const NO_PROTOCOL = 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL';
const warnings = (d, from = 0) => d.lines().slice(from).filter((line) => / (WARN|ERROR) /.test(line));

describe('certs_plugin', { concurrency: 4 }, () => {
	certified('provided in start(): required needs no [tls]', TWO,
		(dir, { one }) => ({ ...main(one), 'listener signal': { tls: 'required' } }),
		async (d, { one, ca }) => {
			const alice = await register(d, 'alice', { secure: { ca: ca.ca, servername: 'localhost' } });
			await alice.send('alice', 'x');
			await alice.received(1);
			assert.equal(await served(d), one.serial);
			assert.match(await d.logged(/certificate provided/),
				/INFO +tls: certificate provided plugin=certs name=main names=localhost expires=2/);
			assert.ok(!d.lines().some((line) => PLAINTEXT_ONLY.test(line)));
			const days = (await d.metric('tls_certificate_expiry_timestamp_seconds') -
				Date.now() / 1000) / 86400;
			assert.ok(days > 1.9 && days < 2.1, `${days}`);
		});

	certified('provided later: the port takes TLS from then on, and plaintext as ever', TWO, nothing,
		async (d, { one }) => {
			await d.logged(PLAINTEXT_ONLY);
			assert.equal(await served(d), undefined);
			await provide(d, 'late', one);
			assert.equal(await served(d), one.serial);
			const { status } = await once(d, get('/healthz'));
			assert.equal(status, 200);
			await withdraw(d, 'late');
			assert.equal(await served(d), undefined);
			await d.logged(/no certificate any more, TLS is off/);
		});

	certified('replaced under an open stream and a WebSocket', TWO,
		(dir, { one }) => ({ ...main(one), 'plugin websocket': {} }),
		async (d, { one, two, ca }) => {
			const secure = { ca: ca.ca, servername: 'localhost' };
			const alice = await register(d, 'alice', { secure });
			const bob = await light(d, 'bob', { secure });
			assert.equal(await served(d), one.serial);
			for (const next of [two, one, two]) {
				const from = d.lines().length;
				await provide(d, 'main', next);
				assert.equal(await served(d), next.serial);
				await d.logged(/certificate replaced plugin=certs name=main names=localhost/, { from });
			}
			const carol = await register(d, 'carol', { secure });
			await bob.send('alice', 'light to old');
			await alice.send('bob', 'old to light');
			await carol.send('alice', 'new to old');
			await Promise.all([alice.received(2), bob.received(1)]);
			assert.equal(alice.end, undefined);
			assert.equal(bob.end, undefined);
			assert.equal(await d.metric('tls_certificate_reloads_total'), 0);
		});

	certified('order and names: plugins, files, fallbacks', { file: ['file.test', 'both.test'],
		one: ['one.test', 'both.test'], other: ['other.test'], late: ['late.test'], only: ['only.test'] },
	(dir, { file }) => ({ tls: certs.section(file) }),
	async (d, { file, one, other, late, only }) => {
		const shown = (servername) => served(d, { servername });
		assert.equal(await shown('any.test'), file.serial);
		await provide(d, 'late', late, { fallback: 1 });
		assert.equal(await shown('any.test'), file.serial);
		assert.equal(await shown('late.test'), late.serial);
		await provide(d, 'only', only, { 'server-name': 'Other.Test' });
		assert.equal(await shown('any.test'), file.serial);
		assert.equal(await shown('only.test'), file.serial);
		assert.equal(await shown('other.test'), only.serial);
		await provide(d, 'one', one);
		await provide(d, 'other', other);
		assert.equal(await shown('any.test'), one.serial);
		assert.equal(await shown('both.test'), one.serial);
		assert.equal(await shown('file.test'), file.serial);
		assert.equal(await shown('other.test'), only.serial);
		await withdraw(d, 'one');
		assert.equal(await shown('any.test'), other.serial);
		assert.equal(await shown('both.test'), file.serial);
		assert.equal(await order(d, 'withdraw', { name: 'one' }), -2);
	});

	for (const version of ['TLSv1.2', 'TLSv1.3'])
		certified(`${version}: a challenge`, { ...TWO, proof: ['localhost'] },
			(dir, { one }) => main(one),
			async (d, { one, proof }) => {
				const only = { minVersion: version, maxVersion: version };
				assert.equal((await challenged(d, only)).error, NO_PROTOCOL);
				await d.metricIs('tls_handshake_failures_total', 1, { reason: 'protocol' });
				await provide(d, 'c', proof, { 'server-name': 'localhost', alpn: 'acme-tls/1' });
				const from = d.lines().length;
				for (let i = 0; i < 3; i++)
					assert.deepEqual(await challenged(d, only), proves(proof));
				assert.equal(await served(d, only), one.serial);
				assert.equal((await challenged(d, { ...only, servername: 'other.test' })).error,
					NO_PROTOCOL);
				assert.deepEqual(warnings(d, from), []);
				await d.metricIs('tls_challenge_handshakes_total', 3);
				await d.metricIs('connections_refused_total', 2);
				await withdraw(d, 'c');
				assert.equal((await challenged(d, only)).error, NO_PROTOCOL);
				assert.equal(await served(d, only), one.serial);
			});

	certified('a challenge where nothing else has a certificate', { proof: ['localhost'] }, nothing,
		async (d, { proof }) => {
			await provide(d, 'c', proof, { 'server-name': 'localhost', alpn: 'acme-tls/1' });
			assert.deepEqual(await challenged(d), proves(proof));
			assert.equal(await served(d), undefined);
			const { status } = await once(d, get('/healthz'));
			assert.equal(status, 200);
			assert.equal(await d.metric('tls_certificate_expiry_timestamp_seconds'), 0);
		});

	certified('a challenge gives no ticket', { one: ['localhost'], proof: ['localhost'] },
		(dir, { one }) => main(one),
		async (d, { proof }) => {
			await provide(d, 'c', proof, { 'server-name': 'localhost', alpn: 'acme-tls/1' });
			const one = new Socket(d, { secure: ACME });
			let tickets = 0;
			one.socket.on('session', () => tickets++);
			await one.closed;
			assert.equal(tickets, 0);
			// One that resumes is shown the proof all the same.
			const normal = new Http2(d, { secure: ANY });
			let session;
			normal.socket.on('session', (ticket) => (session = ticket));
			await normal.served();
			await until(() => session, 'a ticket');
			await normal.destroy();
			assert.deepEqual(await challenged(d, { session }), proves(proof));
		});

	certified('a reload and a changed file keep them', { ...TWO, file: ['file.test'], next: ['file.test'] },
		(dir, { one, file }) => ({ ...main(one), tls: certs.section(file) }),
		async (d, { one, file, next, two }) => {
			const shown = (servername) => served(d, { servername });
			assert.equal(await shown('file.test'), file.serial);
			let from = d.lines().length;
			d.signal('SIGHUP');
			await d.logged(/daemon: reloaded/, { from });
			assert.equal(await shown('localhost'), one.serial);
			certs.replace(file, next);
			await until(async () => await shown('file.test') === next.serial, 'the changed file');
			assert.equal(await shown('localhost'), one.serial);
			await provide(d, 'main', two);
			assert.equal(await shown('localhost'), two.serial);
			assert.equal(await shown('file.test'), next.serial);
			from = d.lines().length;
			d.configure({ tls: null });
			d.signal('SIGHUP');
			await d.logged(/daemon: reloaded/, { from });
			assert.equal(await shown('localhost'), two.serial);
			assert.equal(await shown('file.test'), two.serial);
		});

	certified('a reload to required without a certificate is refused', { file: ['localhost'] },
		(dir, { file }) => ({ 'listener signal': { tls: 'required' }, tls: certs.section(file) }),
		async (d, { file }) => {
			let from = d.lines().length;
			d.configure({ tls: null });
			d.signal('SIGHUP');
			await d.logged(/reload failed/, { from });
			assert.match(warnings(d, from)[0], /\[listener signal\] tls: .*cert-file.*plugin/);
			assert.equal(await served(d), file.serial);
			from = d.lines().length;
			await provide(d, 'main', file);
			d.signal('SIGHUP');
			await d.logged(/daemon: reloaded/, { from });
			assert.equal(await served(d), file.serial);
		});

	certified('what is bad is refused, and nothing changes', TWO, (dir, { one }) => main(one),
		async (d, { one, two, ca }) => {
			const file = (name, text) => {
				fs.writeFileSync(path.join(d.dir, name), text);
				return path.join(d.dir, name);
			};
			const locked = certs.issue(d.dir, 'locked', { ca, password: 'secret' });
			const key = fs.readFileSync(two.key, 'utf8');
			const bad = {
				'the key does not fit': { crt: two.crt, key: one.key },
				'the key is encrypted': locked,
				'no private key in PEM form': { crt: two.crt, key: file('half', key.slice(0, 100)) },
				'no certificate in PEM form': { crt: file('none', 'hello\n'), key: two.key },
				'1048576 bytes': { crt: file('big', Buffer.alloc(1 << 20 | 1, 'x')), key: two.key },
			};
			for (const [reason, pair] of Object.entries(bad)) {
				const from = d.lines().length;
				assert.equal(await order(d, 'provide', { name: 'main', chain: pair.crt, key: pair.key }),
					EINVAL);
				const lines = warnings(d, from);
				assert.equal(lines.length, 1, lines.join('\n'));
				assert.match(lines[0], new RegExp(`ERROR tls: plugin certs: .*${reason}`));
				assert.equal(await served(d), one.serial);
			}
			const secret = key.split('\n')[1];
			assert.ok(secret.length > 40);
			assert.ok(!d.lines().some((line) => line.includes(secret) || /BEGIN/.test(line)));
			await provide(d, 'main', two);
			assert.equal(await served(d), two.serial);
		});

	certified('client-ca is for all but the authority', { one: ['localhost'], proof: ['localhost'] },
		(dir, { one, ca }) => ({ ...main(one), tls: { 'client-ca': ca.crt, 'min-version': '1.3' },
			'listener signal': { tls: 'required' } }),
		async (d, { one, proof, ca }) => {
			const { crt, key } = certs.issue(d.dir, 'client', { ca, use: 'clientAuth', names: [] });
			const mine = { cert: fs.readFileSync(crt), key: fs.readFileSync(key) };
			assert.equal(await served(d), undefined);
			assert.equal(await served(d, mine), one.serial);
			assert.equal(await served(d, { ...mine, maxVersion: 'TLSv1.2' }), undefined);
			await provide(d, 'c', proof, { 'server-name': 'localhost', alpn: 'acme-tls/1' });
			assert.deepEqual(await challenged(d), proves(proof));
			assert.equal(await served(d), undefined);
			assert.equal(await served(d, { ALPNProtocols: ['h2'], ...mine }), one.serial);
		});

	certified('a listener without HTTP/2 does not offer it', { one: ['localhost'] },
		(dir, { one }) => ({ ...main(one),
			'listener plain': { address: '127.0.0.1:0', http2: 'off' } }),
		async (d) => {
			const { port } = d.addresses.plain[0];
			const both = { ...ANY, ALPNProtocols: ['h2', 'http/1.1'] };
			const one = new Http(d, { port, secure: both });
			const { status } = await one.ask(get('/healthz'));
			assert.equal(status, 200);
			assert.equal(one.socket.alpnProtocol, 'http/1.1');
			const other = await new Http2(d, { secure: both }).served();
			assert.equal(other.socket.alpnProtocol, 'h2');
		});

	// Whoever runs `openssl s_client` at an odd moment must not be left hanging.
	certified('an authority that stays is closed', { proof: ['localhost'] }, nothing,
		async (d, { proof }) => {
			await provide(d, 'c', proof, { 'server-name': 'localhost', alpn: 'acme-tls/1' });
			const socket = tls.connect({ port: d.port, host: '127.0.0.1', ...ACME, allowHalfOpen: true });
			d.after(() => socket.destroy());
			socket.on('error', () => {});
			await within(new Promise((resolve) => socket.on('secureConnect', resolve)), 'the proof');
			await d.metricIs('tls_challenge_handshakes_total', 1);
			assert.equal(await d.metric('tls_handshakes_in_progress'), 0);
			await d.metricIs('connections_open', 0);
			assert.equal(socket.destroyed, false);
		});
});
