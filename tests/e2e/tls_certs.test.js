'use strict';
// Certificates: changed while the daemon runs, refused with a reason, asked of clients, and bad from
// the start.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, launch, named, sleep, until, within } = require('./harness');
const certs = require('./certs');
const { secured } = certs;
const { register } = require('./peers');
const { Http2 } = require('./h2');

const ANY = { rejectUnauthorized: false, servername: 'localhost' };
const DONE = /daemon: reloaded/;
const REFUSED = /daemon: reload failed, the old configuration runs on/;

// The serial number of what a new connection is shown.
async function served(d, secure = ANY) {
	const one = await new Http2(d, { secure }).served();
	const { serialNumber } = one.socket.getPeerCertificate();
	await one.destroy();
	return serialNumber;
}

function serves(d, pair, deadline) {
	return until(async () => await served(d) === pair.serial, 'the new certificate', deadline);
}

// What may be wrong with a pair: how it gets so, and the file that the reason must name.
const FAULTS = {
	'a key of another certificate': ['key',
		(target, { other }) => fs.copyFileSync(other.key, target.key)],
	'a certificate that is none': ['crt',
		(target) => fs.writeFileSync(target.crt, 'no certificate\n')],
	'a certificate of broken base64': ['crt', (target) => fs.writeFileSync(target.crt,
		fs.readFileSync(target.crt, 'utf8').replace(/\n(.{10})/, '\n!!!!!!!!!!'))],
	'half a key': ['key', (target) => fs.truncateSync(target.key, 100)],
	'an empty certificate': ['crt', (target) => fs.truncateSync(target.crt, 0)],
	'no certificate file': ['crt', (target) => fs.rmSync(target.crt)],
	'no key file': ['key', (target) => fs.rmSync(target.key)],
	'an encrypted key': ['key', (target, { encrypted }) => {
		fs.copyFileSync(encrypted.crt, target.crt);
		fs.copyFileSync(encrypted.key, target.key);
	}],
	'a directory': ['crt', (target) => {
		fs.rmSync(target.crt);
		fs.mkdirSync(target.crt);
	}],
};

const names = (file) => new RegExp(`(WARN|ERROR).*${path.basename(file)}`);

// What is good again is taken.
async function mended(d, pki, tell = () => {}) {
	fs.rmSync(pki.server.crt, { recursive: true, force: true });
	const next = certs.issue(d.dir, 'next', { ca: pki });
	certs.replace(pki.server, next);
	tell();
	await serves(d, next);
}

function spare(dir, ca) {
	return { other: certs.issue(dir, 'other', { ca }),
		encrypted: certs.issue(dir, 'encrypted', { ca, password: 'secret' }) };
}

// Runs the program until it ends by itself.
async function runs(dir, text, word = 'run') {
	const file = path.join(dir, 'bad.ini');
	fs.writeFileSync(file, `[daemon]\nlog-file = console\nplugin-dir = ${BUILD}/plugins\n` +
		`[plugin grpc]\n[listener signal]\naddress = 127.0.0.1:0\n${text}`);
	const child = launch(path.join(BUILD, 'netbird-signal'), [word, '--config', file]);
	const how = await within(child.ended, 'the end').catch(() => ({ code: 'none' }));
	child.kill('SIGKILL');
	return { ...how, said: [...child.out, ...child.err].join('\n') };
}

async function inFolder(body) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-certs-'));
	try {
		await body(dir, certs.simple(dir));
	} finally {
		fs.rmSync(dir, { recursive: true, force: true });
	}
}

const text = (keys) => Object.entries(keys).map(([key, value]) => `${key} = ${value}\n`).join('');

describe('tls_certs', { concurrency: 4 }, () => {
	for (const how of ['by file', 'by SIGHUP', 'by another file name'])
		secured(`a swap ${how}: open streams are not touched, new ones see it`, async (d, secure, pki) => {
			const alice = await register(d, 'alice', { secure });
			const raw = await new Http2(d, { secure }).served();
			assert.equal(await served(d), pki.server.serial);
			const next = certs.issue(d.dir, 'next', { ca: pki });
			if (how === 'by another file name')
				d.configure({ tls: certs.section(next) });
			else
				certs.replace(pki.server, next);
			if (how === 'by file') {
				await serves(d, next);
			} else {
				const from = d.lines().length;
				d.signal('SIGHUP');
				await d.logged(DONE, { from });
				// At once: what watches the files would take seconds.
				assert.equal(await served(d), next.serial);
			}
			const bob = await register(d, 'bob', { secure });
			await bob.send('alice', 'new to old');
			await alice.send('bob', 'old to new');
			await Promise.all([alice.received(1), bob.received(1)]);
			assert.equal(raw.gone, undefined);
			assert.equal(raw.socket.getPeerCertificate().serialNumber, pki.server.serial);
			assert.equal(alice.end, undefined);
			assert.ok(await d.metric('tls_certificate_reloads_total') >= 1);
		});

	secured('swaps while connections come and messages flow', async (d, secure, pki) => {
		const alice = await register(d, 'alice', { secure });
		let sent = 0;
		for (let i = 0; i < 8; i++) {
			const next = certs.issue(d.dir, `next-${i}`, { ca: pki });
			certs.replace(pki.server, next);
			d.signal('SIGHUP');
			const all = Array.from({ length: 10 }, () => new Http2(d, { secure }).served());
			for (let n = 0; n < 20; n++, sent++)
				await alice.send('alice', `${sent}`);
			await Promise.all((await Promise.all(all)).map((one) => one.destroy()));
			await serves(d, next);
		}
		await alice.received(sent);
		assert.deepEqual(alice.bodies(), Array.from({ length: sent }, (_, i) => `${i}`));
	});

	for (const [what, [kind, spoil]] of Object.entries(FAULTS))
		secured(`${what}, by SIGHUP: refused with the reason, the old one serves on`, async (d, _, pki) => {
			const from = d.lines().length;
			spoil(pki.server, spare(d.dir, pki));
			d.signal('SIGHUP');
			await d.logged(REFUSED, { from });
			const lines = d.lines().slice(from).filter((line) => names(pki.server[kind]).test(line));
			assert.equal(lines.length, 1, lines.join('\n'));
			assert.equal(await served(d), pki.server.serial);
			await d.metricIs('tls_certificate_reloads_total', 1, { result: 'error' });
			await mended(d, pki, () => d.signal('SIGHUP'));
		});

	for (const what of ['a key of another certificate', 'half a key', 'no certificate file'])
		secured(`${what}, by file: refused with the reason, once, the old one serves on`, async (d, _, pki) => {
			const [kind, spoil] = FAULTS[what];
			const from = d.lines().length;
			spoil(pki.server, spare(d.dir, pki));
			await d.logged(names(pki.server[kind]), { from });
			assert.equal(await served(d), pki.server.serial);
			await sleep(5000); // more than two looks at the files
			const lines = d.lines().slice(from).filter((line) => names(pki.server[kind]).test(line));
			assert.equal(lines.length, 1, lines.join('\n'));
			await mended(d, pki);
		});

	secured('half a swap is not taken, the other half makes it whole', async (d, _, pki) => {
		const next = certs.issue(d.dir, 'next', { ca: pki });
		fs.copyFileSync(next.crt, pki.server.crt);
		await d.logged(/(WARN|ERROR).*server\.(crt|key)/);
		assert.equal(await served(d), pki.server.serial);
		fs.copyFileSync(next.key, pki.server.key);
		await serves(d, next);
	});

	secured('a reload whose certificates are bad changes nothing else either', async (d, _, pki) => {
		d.configure({ limits: { 'max-connections': 1 },
			tls: { 'cert-file': '/nonexistent/signal.crt' } });
		const from = d.lines().length;
		d.signal('SIGHUP');
		await d.logged(REFUSED, { from });
		assert.ok(d.lines().slice(from).some((line) => line.includes('/nonexistent/signal.crt')));
		for (let i = 0; i < 3; i++)
			await new Http2(d, { secure: ANY }).served();
		assert.equal(await served(d), pki.server.serial);
	});

	secured('client-ca: a certificate of it is let in, none or another is not', {
		ini: (dir, pki) => ({ 'listener signal': { tls: 'required' },
			tls: { ...pki.ini.tls, 'client-ca': pki.crt } }),
	}, async (d, _, pki) => {
		const pair = (stem, ca) => {
			const { crt, key } = certs.issue(d.dir, stem, { ca, use: 'clientAuth', names: [] });
			return { cert: fs.readFileSync(crt), key: fs.readFileSync(key) };
		};
		const good = { ca: pki.ca, servername: 'localhost', ...pair('client', pki) };
		const wrong = { ...ANY, ...pair('stranger', certs.authority(d.dir, 'other-ca')) };
		for (const version of ['TLSv1.2', 'TLSv1.3']) {
			const only = { minVersion: version, maxVersion: version };
			for (const secure of [ANY, wrong]) {
				const one = new Http2(d, { secure: { ...secure, ...only } });
				await until(() => one.gone, 'a refusal');
				assert.deepEqual(one.frames, []);
			}
			await new Http2(d, { secure: { ...good, ...only } }).served();
		}
		const alice = await register(d, 'alice', { secure: good });
		await alice.send('alice', 'x');
		await alice.received(1);
		await d.metricIs('connections_refused_total', 4, { reason: 'tls_handshake' });
		await d.metricIs('tls_handshake_failures_total', 4);
	});

	secured('client-ca: a ticket of a client with a certificate resumes, and is no way around it', {
		ini: (dir, pki) => ({ 'listener signal': { tls: 'required' },
			tls: { ...pki.ini.tls, 'client-ca': pki.crt } }),
	}, async (d, _, pki) => {
		const { crt, key } = certs.issue(d.dir, 'client', { ca: pki, use: 'clientAuth', names: [] });
		const mine = { ...ANY, cert: fs.readFileSync(crt), key: fs.readFileSync(key) };
		const one = new Http2(d, { secure: mine });
		let session;
		one.socket.on('session', (ticket) => (session = ticket));
		await one.served();
		await until(() => session, 'a ticket');
		const again = await new Http2(d, { secure: { ...mine, session } }).served();
		assert.equal(again.socket.isSessionReused(), true);
		const other = certs.authority(d.dir, 'other-ca');
		d.configure({ tls: { 'client-ca': other.crt } });
		const from = d.lines().length;
		d.signal('SIGHUP');
		await d.logged(DONE, { from });
		const late = new Http2(d, { secure: { ...mine, session } });
		await until(() => late.gone, 'a refusal');
		assert.deepEqual(late.frames, []);
	});

	for (const [what, [kind, spoil]] of Object.entries(FAULTS))
		named(`a start with ${what} fails with 1 and the reason`, {}, () => inFolder(async (dir, pki) => {
			spoil(pki.server, spare(dir, pki));
			const { code, said } = await runs(dir, `[tls]\n${text(certs.section(pki.server))}`);
			assert.equal(code, 1, said);
			assert.match(said, new RegExp(`ERROR.*${path.basename(pki.server[kind])}`));
		}));

	named('a start with a bad pair of a name fails too', {}, () => inFolder(async (dir, pki) => {
		const { code, said } = await runs(dir, `[tls]\n${text(certs.section(pki.server))}` +
			'[tls one]\ncert-file = /nonexistent/one.crt\ncert-key = /nonexistent/one.key\n');
		assert.equal(code, 1, said);
		assert.match(said, /ERROR.*\/nonexistent\/one\.crt/);
	}));

	named('a start with client-ca beside plaintext, or required without a certificate, fails', {},
		() => inFolder(async (dir, pki) => {
			const tls = `[tls]\n${text({ ...certs.section(pki.server), 'client-ca': pki.crt })}`;
			const beside = await runs(dir, tls);
			assert.equal(beside.code, 1, beside.said);
			assert.match(beside.said, /client-ca/);
			const required = await runs(dir, 'tls = required\n');
			assert.equal(required.code, 1, required.said);
			assert.match(required.said, /\[listener signal\] tls: .*cert-file/);
		}));

	// The files are read before the privileges are dropped, and again when they are renewed.
	secured('a key that the user of the daemon cannot read: said at the start', {
		ini: (dir, pki) => {
			fs.chmodSync(dir, 0o777); // the probe's socket is made by nobody
			fs.chmodSync(pki.ini.tls['cert-key'], 0o600);
			return { daemon: { user: 'nobody' } };
		},
		skip: process.getuid() === 0 ? false : 'only root can become another user',
	}, async (d) => {
		await d.logged(/WARN +tls: \S+ cannot be read again by user nobody/);
		assert.match(await d.logged(/certificates loaded/), /pairs=1/);
	});
});
