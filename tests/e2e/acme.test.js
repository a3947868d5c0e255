'use strict';
// Certificates from a CA: every challenge, several names, an address, an external account, each type
// of key; what is kept and for whom; and what people may ask.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe } = require('node:test');
const { until } = require('./harness');
const { EAB, OBTAINED, TEMPORARY, cert, certified, files, issued, lines, serves, shown } =
	require('./acme');
const { register } = require('./peers');

// A program for dns-01 that tells challtestsrv, and notes how it was called.
function hook(dir, ca) {
	const file = path.join(dir, 'hook.sh');
	fs.writeFileSync(file, `#!/bin/sh
echo "$*" >> ${dir}/hook.log
case $1 in
begin) body="{\\"host\\":\\"_acme-challenge.$3.\\",\\"value\\":\\"$5\\"}" what=set-txt ;;
*) body="{\\"host\\":\\"_acme-challenge.$3.\\"}" what=clear-txt ;;
esac
exec curl -sS -f -d "$body" http://127.0.0.1:${ca.dnsManagementPort}/$what
`);
	fs.chmodSync(file, 0o700);
	return file;
}

const called = (d) => fs.readFileSync(path.join(d.dir, 'hook.log'), 'utf8').trim().split('\n')
	.map((line) => line.split(' '));

describe('acme', { concurrency: 3 }, () => {
	certified('http-01: a temporary certificate first, then one that clients trust', {
		plugin: { challenges: 'http-01' },
	}, async (d, ca) => {
		await d.logged(TEMPORARY);
		const one = await issued(d, ca);
		assert.equal(one.names, 'DNS:signal.localhost');
		assert.equal(one.key, 'prime256v1');
		assert.equal(one.protocol, 'h2');
		assert.equal(lines(d, / (ERROR) /).length, 0, lines(d, / ERROR /).join('\n'));
		const [line] = lines(d, OBTAINED);
		assert.match(line, /names=signal\.localhost expires=\S+Z next_renewal=\S+Z/);
		await d.metricIs('acme_temporary_certificate', 0);
		await d.metricIs('acme_certificate_expiry_timestamp_seconds', one.ends / 1000);
		await d.metricIs('acme_orders_total', 1, { result: 'ok' });
		await d.metricIs('acme_orders_total', 0, { result: 'error' });
		assert.ok(await d.metric('acme_last_success_timestamp_seconds') > Date.now() / 1000 - 60);
		await d.metricIs('tls_certificate_expiry_timestamp_seconds', one.ends / 1000);
		assert.ok(await d.metric('acme_next_attempt_timestamp_seconds') < one.ends / 1000);
		// Without a name, and for one that no certificate has.
		for (const servername of ['', 'other.localhost'])
			assert.equal((await shown(d, { servername })).serial, one.serial);
	});

	certified('tls-alpn-01, several names, P-384', {
		plugin: { challenges: 'tls-alpn-01', 'key-type': 'ec384',
			domain: 'a.localhost, B.localhost,xn--mnchen-3ya.localhost' },
	}, async (d, ca) => {
		await d.logged(OBTAINED);
		await d.metricIs('tls_handshake_failures_total', 0);
		const one = await issued(d, ca, { servername: 'b.localhost' });
		assert.equal(one.names, 'DNS:a.localhost, DNS:b.localhost, DNS:xn--mnchen-3ya.localhost');
		assert.equal(one.key, 'secp384r1');
		assert.ok(await d.metric('tls_challenge_handshakes_total') >= 3);
		// Nothing of the challenges is left: its protocol is none of ours any more.
		await assert.rejects(shown(d, { servername: 'a.localhost', ALPNProtocols: ['acme-tls/1'] })
			.then(({ protocol, serial }) => {
				assert.equal(serial, one.serial);
				assert.notEqual(protocol, false, 'no protocol was agreed on');
			}));
	});

	certified('dns-01: a wildcard beside its name, by a program', {
		plugin: (dir, ca) => ({ challenges: 'dns-01', hook: hook(dir, ca),
			domain: '*.signal.localhost, signal.localhost' }),
	}, async (d, ca) => {
		const one = await issued(d, ca, { servername: 'any.signal.localhost' });
		assert.equal(one.names, 'DNS:*.signal.localhost, DNS:signal.localhost');
		const calls = called(d);
		assert.deepEqual(calls.map((words) => words.slice(0, 3).join(' ')).sort(), [
			'begin dns-01 signal.localhost', 'begin dns-01 signal.localhost',
			'done dns-01 signal.localhost', 'done dns-01 signal.localhost']);
		for (const [, , , token, auth] of calls) {
			assert.match(token, /^[\w-]{20,}$/);
			assert.match(auth, /^[\w-]{43}$/);
		}
	});

	for (const challenges of ['http-01', 'tls-alpn-01'])
		certified(`an address beside a name, by ${challenges}`, {
			plugin: { challenges, domain: '127.0.0.1, signal.localhost', 'key-type': 'rsa2048' },
		}, async (d, ca) => {
			const one = await issued(d, ca, { servername: '' });
			assert.deepEqual(one.names.split(', ').sort(),
				['DNS:signal.localhost', 'IP Address:127.0.0.1']);
			assert.equal(one.key, 'rsa2048');
		});

	certified('the challenge that can be: one after the other', {
		plugin: (dir, ca) => ({ challenges: 'http-01, tls-alpn-01', 'http-port': 1 }),
	}, async (d, ca) => {
		await issued(d, ca);
		assert.ok(await d.metric('tls_challenge_handshakes_total') >= 1);
		assert.deepEqual(ca.front.of('challenge').filter((r) => r.status === 200).length, 1);
	});

	certified('an account that the CA binds to one of its own', {
		ca: { eab: true }, plugin: { 'eab-kid': EAB.kid, 'eab-key': EAB.key },
		ini: { daemon: { 'log-level': 'debug' } },
	}, async (d, ca) => {
		await issued(d, ca);
		const [account] = ca.front.accounts();
		assert.ok(account.payload.externalAccountBinding);
		assert.ok(!d.lines().some((line) => line.includes(EAB.key)));
	});

	for (const [what, keys] of Object.entries({
		'none': {},
		'with a wrong key': { 'eab-kid': EAB.kid, 'eab-key': EAB.key.replace('z', 'y') },
	}))
		certified(`no certificate without the account of the CA: ${what}`, {
			ca: { eab: true }, plugin: keys,
		}, async (d, ca) => {
			const line = await d.logged(/ERROR +letsencrypt: no certificate: .*next_attempt=/);
			assert.match(line, /externalAccount|external account|unauthorized|malformed/i);
			assert.ok(!keys['eab-key'] || !d.lines().join().includes(keys['eab-key']));
			assert.equal(ca.front.orders().length, 0);
			await serves(d);
		});

	certified('two starts: the account and the certificate are used again', async (d, ca) => {
		const one = await issued(d, ca);
		await d.stop();
		d.exit = undefined;
		await d.start();
		await d.logged(/INFO +letsencrypt: certificate loaded/);
		assert.equal((await shown(d)).serial, one.serial);
		assert.equal(lines(d, TEMPORARY).length, 0);
		const { code } = await cert(d, 'renew');
		assert.equal(code, 0);
		const two = await issued(d, ca);
		assert.notEqual(two.serial, one.serial);
		assert.equal(ca.front.accounts().length, 1);
		assert.equal(ca.front.orders().length, 2);
		await d.stop();
		d.exit = undefined;
		await d.start();
		await d.logged(/INFO +letsencrypt: certificate loaded/);
		assert.equal((await shown(d)).serial, two.serial);
		assert.equal(ca.front.orders().length, 2);
	});

	certified('private keys: for nobody else, and in no log', {
		ini: { daemon: { 'log-level': 'debug' } },
		plugin: (dir, ca) => ({ challenges: 'tls-alpn-01, http-01', 'key-type': 'rsa2048' }),
	}, async (d, ca) => {
		await issued(d, ca);
		const all = files(path.join(d.dir, 'ssl'));
		const secrets = all.filter((file) => /PRIVATE KEY/.test(file.text));
		assert.equal(secrets.length, 2);
		for (const file of all)
			assert.equal(file.mode, file.folder ? 0o700 : 0o600, file.path);
		const log = d.lines().join('\n');
		assert.ok(log.includes(' DEBUG '), 'a log that says everything');
		assert.doesNotMatch(log, /PRIVATE KEY/);
		for (const { text } of secrets) {
			const [, base64] = /PRIVATE KEY-----\n([^-]+)-----/.exec(text);
			// Also not in part, nor in another form.
			for (const line of base64.trim().split('\n').slice(1))
				assert.ok(!log.includes(line.slice(0, 32)), 'a line of a key in the log');
			const bytes = Buffer.from(base64, 'base64');
			for (let at = 40; at + 24 < bytes.length; at += 24) {
				const part = bytes.subarray(at, at + 24);
				for (const form of ['hex', 'base64', 'base64url'])
					assert.ok(!log.includes(part.toString(form)), `a key as ${form}`);
			}
		}
	});

	certified('killed while it works, and again once it has one', {
		ca: { env: { PEBBLE_VA_SLEEPTIME: '3' } },
	}, async (d, ca) => {
		const again = async () => {
			d.signal('SIGKILL');
			await d.child.ended;
			d.exit = undefined;
			await d.start();
		};
		for (let i = 0; i < 3; i++) {
			await until(() => ca.front.of(['account', 'order', 'challenge'][i]).length > 0, 'a request');
			await again();
		}
		const one = await issued(d, ca);
		await again();
		await d.logged(/INFO +letsencrypt: certificate loaded/);
		assert.equal((await shown(d)).serial, one.serial);
		assert.equal(new Set(ca.front.accounts().map((r) => r.head.jwk.x)).size, 1, 'one account');
	});

	certified('cert status and renew', async (d, ca) => {
		const one = await issued(d, ca);
		const { code, text } = await cert(d, 'status');
		assert.equal(code, 0);
		for (const line of [/^names: +signal\.localhost$/m, /^state: +waiting$/m,
			/^issuer: +CN = Pebble Intermediate CA \w+$/m, /^expires: +\S+Z \(in \d+ days\)$/m,
			/^next attempt: +\S+Z \(in \d+ days\)$/m, /^last failure: +none$/m,
			/^challenges: +http-01, tls-alpn-01$/m, /^stored: +\/.*\/certificate\.pem$/m])
			assert.match(text, line);
		assert.ok(text.includes(ca.url));
		ca.front.meddle = (r) => (r.payload?.identifiers ? 'hang' : undefined);
		assert.equal((await cert(d, 'renew')).code, 0);
		await until(() => ca.front.of('order').length > 1, 'the order');
		assert.match((await cert(d, 'status')).text, /^state: +asking the CA for a certificate$/m);
		const busy = await cert(d, 'renew');
		assert.equal(busy.code, 1);
		assert.match(busy.text, /already/);
		ca.front.meddle = () => 'cut';
		ca.front.sockets.forEach((socket) => socket.destroy());
		await d.logged(/ERROR +letsencrypt: the certificate was not renewed: .*kind=network/);
		ca.front.meddle = () => undefined;
		assert.match((await cert(d, 'status')).text, /network: /);
		assert.equal((await shown(d)).serial, one.serial);
		const from = d.lines().length;
		assert.equal((await cert(d, 'renew')).code, 0);
		await d.logged(OBTAINED, { from });
		assert.notEqual((await shown(d)).serial, one.serial);
		for (const words of [[], ['burn'], ['status', 'now']])
			assert.equal((await cert(d, ...words)).code, 2, `cert ${words}`);
	});

	certified('a reload with other names gets another certificate', async (d, ca) => {
		const one = await issued(d, ca);
		const alice = await register(d, 'alice', { secure: { ca: ca.root, servername: 'signal.localhost' },
			target: d.target() });
		d.configure({ 'plugin letsencrypt': { domain: 'signal.localhost, more.localhost',
			'ssl-dir': '/nonexistent/ssl' } });
		const from = d.lines().length;
		d.signal('SIGHUP');
		await d.logged(/WARN +letsencrypt: needs a restart to take effect: key=ssl-dir/, { from });
		const two = await issued(d, ca, { from, servername: 'more.localhost' });
		assert.equal(two.names, 'DNS:signal.localhost, DNS:more.localhost');
		assert.notEqual(two.serial, one.serial);
		assert.equal(alice.end, undefined);
		d.configure({ 'plugin letsencrypt': { domain: 'no_name' } });
		d.signal('SIGHUP');
		await d.logged(/ERROR +letsencrypt: \[plugin letsencrypt\] domain: "no_name" is no host name/);
		await d.logged(/reload failed, the old configuration runs on/);
		assert.equal((await shown(d)).serial, two.serial);
		assert.equal(ca.front.orders().length, 2);
	});
});
