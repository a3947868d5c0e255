'use strict';
// Renewal: by the lifetime, by the CA's own word, and when it does not come about.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, until } = require('./harness');
const { OBTAINED, cert, certified, issued, lines, serves, shown } = require('./acme');
const { RenewalInfo, idOf } = require('./acme_ari');
const { register } = require('./peers');
const { light } = require('./ws_peers');

const pem = ({ raw }) => `-----BEGIN CERTIFICATE-----\n${
	raw.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;

// With a stand-in for renewal information in front of the CA: body(d, ca, info).
function informed(name, options, body) {
	let info;
	certified(name, { ...options, before: (ca) => {
		info = new RenewalInfo(ca);
	} }, (d, ca) => body(d, ca, info));
}

// What a CA would have issued twenty days ago for the key of a finalization.
function stale(ca, csr) {
	const [request, offset] = ['csr.der', 'offset'].map((name) => path.join(ca.dir, name));
	const bytes = Buffer.alloc(8);
	bytes.writeBigInt64LE(-20n * 86400n);
	fs.writeFileSync(offset, bytes);
	fs.writeFileSync(request, Buffer.from(csr, 'base64url'));
	return Buffer.concat([execFileSync('openssl', ['x509', '-req', '-inform', 'DER', '-in', request,
		'-CA', ca.pki.crt, '-CAkey', ca.pki.key, '-days', '10', '-copy_extensions', 'copyall'], {
		stdio: ['ignore', 'pipe', 'pipe'],
		env: { PATH: process.env.PATH, LD_PRELOAD: path.join(BUILD, 'tests/e2e/clock.so'),
			CLOCK_OFFSET: offset } }), ca.pki.ca]);
}

describe('acme_renewal', { concurrency: 4 }, () => {
	certified('a short-lived one: open streams stay, new connections get the new one', {
		ca: { validity: 14 }, ini: { 'plugin websocket': {} },
	}, async (d, ca) => {
		const one = await issued(d, ca);
		const secure = { ca: ca.root, servername: 'signal.localhost' };
		const alice = await register(d, 'alice', { secure, target: d.target() });
		const bob = await light(d, 'bob', { secure });
		const talk = async (n) => {
			await alice.send('bob', `to bob ${n}`);
			await bob.send('alice', `to alice ${n}`);
			await Promise.all([alice.received(n), bob.received(n)]);
		};
		await talk(1);
		for (let n = 2, before = one.serial; n <= 3; n++) {
			const from = d.lines().length;
			const next = await issued(d, ca, { from });
			assert.notEqual(next.serial, before);
			before = next.serial;
			await talk(n);
		}
		assert.equal(alice.end, undefined);
		assert.equal(bob.end, undefined);
		assert.equal(lines(d, / ERROR /).length, 0);
		// By a third of the lifetime left, and not sooner than that.
		const [first, second] = ca.front.orders();
		assert.ok(second.at - first.at > 14_000 * 0.6, `${second.at - first.at} ms`);
	});

	informed('the CA says when: first later, then at once', { plugin: { profile: 'shortlived' } },
		async (d, ca, info) => {
			const one = await issued(d, ca);
			const id = idOf(ca.dir, pem(one));
			assert.deepEqual(info.ids, [id]);
			await d.logged(/INFO +letsencrypt: the CA says when to renew from=\S+ to=\S+ chosen=\S+ explanation=https:\/\/ca\.test\/why/);
			assert.match((await cert(d, 'status')).text, /^CA's window: +\S+ to \S+, see https:/m);
			await until(() => info.asked.length >= 3, 'that it asks again');
			assert.deepEqual(new Set(info.asked), new Set([id]));
			assert.equal(ca.front.orders().length, 1);
			const from = d.lines().length;
			info.urgent.add(id);
			const two = await issued(d, ca, { from });
			assert.notEqual(two.serial, one.serial);
			const [first, second] = ca.front.orders();
			assert.equal(first.payload.replaces, undefined);
			assert.equal(second.payload.replaces, id);
			assert.equal(second.payload.profile, 'shortlived');
			assert.equal(lines(d, /the CA says when to renew/).length, 3); // later, at once, and the new
			await until(() => info.asked.at(-1) === info.ids[1], 'a question for the new one');
			assert.equal(ca.front.orders().length, 2);
		});

	informed('an order that the CA takes for a repetition is made without the claim', {},
		async (d, ca, info) => {
			const one = await issued(d, ca);
			const id = idOf(ca.dir, pem(one));
			info.replaced.add(id);
			const from = d.lines().length;
			info.urgent.add(id);
			const two = await issued(d, ca, { from });
			assert.notEqual(two.serial, one.serial);
			assert.equal(ca.front.orders().at(-1).payload.replaces, undefined);
		});

	informed('a CA whose renewal information fails: said once, renewed by the lifetime', {
		ca: { validity: 14 },
	}, async (d, ca, info) => {
		info.broken = true;
		const one = await issued(d, ca);
		const from = d.lines().length;
		const two = await issued(d, ca, { from });
		assert.notEqual(two.serial, one.serial);
		assert.ok(info.asked.length > 2);
		const said = lines(d, /WARN +letsencrypt: the CA does not say when to renew: /);
		assert.equal(said.length, 2, said.join('\n')); // for each of the two certificates
	});

	informed('a CA that always wants a new one gets no storm, also with reloads', {}, async (d, ca, info) => {
		info.urgent.has = () => true;
		await until(() => lines(d, OBTAINED).length === 3, 'three of them');
		d.signal('SIGHUP');
		await d.logged(/daemon: reloaded/);
		await until(() => ca.front.orders().length >= 4, 'orders');
		const at = ca.front.orders().map((order) => order.at);
		const pauses = at.slice(1).map((t, i) => t - at[i]);
		// retry-min, twice it, four times it, whatever else takes time.
		for (const [i, least] of [1000, 2000, 4000].entries())
			assert.ok(pauses[i] >= least, `${pauses}`);
	});

	certified('a CA that sends what has expired: the old certificate serves on', {
		plugin: { 'retry-min': '1m', 'retry-max': '1h' },
	}, async (d, ca) => {
		const one = await issued(d, ca);
		ca.front.mend = (request, answer) => {
			if (request.path.startsWith('/certZ/') && answer.status === 200)
				answer.body = stale(ca, ca.front.of('finalize').at(-1).payload.csr);
		};
		assert.equal((await cert(d, 'renew')).code, 0);
		await d.logged(/ERROR +letsencrypt: the certificate was not renewed: the certificate that the CA sent has expired already: \S+Z kind=server failures=1 /);
		assert.equal((await shown(d, { ca: ca.root })).serial, one.serial);
		await d.metricIs('acme_orders_total', 1, { result: 'error' });
		await d.metricIs('acme_certificate_expiry_timestamp_seconds', one.ends / 1000);
		ca.front.mend = () => {};
		const from = d.lines().length;
		assert.equal((await cert(d, 'renew')).code, 0);
		assert.notEqual((await issued(d, ca, { from })).serial, one.serial);
	});

	certified('not renewed in time: louder and louder, and well in the end', {
		ca: { validity: 31 }, // the loudest but one of the alarms comes in its last three seconds
	}, async (d, ca) => {
		const one = await issued(d, ca);
		await ca.front.close();
		await d.logged(/ERROR +letsencrypt: the certificate was not renewed: .*kind=network failures=1 next_attempt=/);
		await d.logged(/WARN +letsencrypt: the certificate expires in \d+ seconds and could not be renewed expires=/);
		await d.logged(/ERROR +letsencrypt: the certificate expires in \d+ seconds and could not be renewed: clients will/);
		await d.logged(/ERROR +letsencrypt: THE CERTIFICATE HAS EXPIRED/);
		assert.equal((await shown(d)).serial, one.serial);
		await serves(d);
		assert.match((await cert(d, 'status')).text, /^EXPIRED: /m);
		const loud = lines(d, /the certificate expires in|HAS EXPIRED/);
		assert.equal(loud.length, 3, loud.join('\n'));
		const from = d.lines().length;
		await ca.front.open();
		const two = await issued(d, ca, { from });
		assert.notEqual(two.serial, one.serial);
		assert.ok(await d.metric('acme_failures_total', { kind: 'network' }) >= 3);
		assert.equal(lines(d, OBTAINED).length, 2);
	});
});
