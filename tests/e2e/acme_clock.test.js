'use strict';
// A wall clock that is wrong, and is set while the server runs.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, SANITIZED, until } = require('./harness');
const { cert, certified, idle, issued, lines, serves, shown } = require('./acme');

const DAY = 86400;
const now = () => Math.floor(Date.now() / 1000);

// A scenario whose daemon's clock is `first` seconds off; body(d, ca, set) where set(seconds) changes
// that while it runs.  more: keys of the plugin, and before(ca).
function clocked(name, first, body, { before, ...plugin } = {}) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-clock-'));
	process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
	const file = path.join(dir, 'offset');
	const set = (seconds) => {
		const bytes = Buffer.alloc(8);
		bytes.writeBigInt64LE(BigInt(seconds)); // amd64 and arm64
		const fd = fs.openSync(file, fs.existsSync(file) ? 'r+' : 'w');
		fs.writeSync(fd, bytes, 0, 8, 0); // in place: it is mapped
		fs.closeSync(fd);
	};
	set(first());
	const env = { LD_PRELOAD: path.join(BUILD, 'tests/e2e/clock.so'), CLOCK_OFFSET: file };
	if (SANITIZED) // what is preloaded here replaces three functions and nothing of the sanitizer's
		env.ASAN_OPTIONS = `${process.env.ASAN_OPTIONS}:verify_asan_link_order=0`;
	// Without gRPC: C core waits for moments of the wall clock, and the kernel, which has another,
	// would end such waits at once or never.
	certified(name, { env, before, plugin, ini: { 'plugin grpc': null, 'plugin websocket': {} } },
		(d, ca) => body(d, ca, set));
}

async function restart(d) {
	await d.stop();
	d.exit = undefined;
	await d.start();
}

describe('acme_clock', { concurrency: 3 }, () => {
	clocked('it begins in 1970: nothing is asked for until it is set', () => -now() + 12,
		async (d, ca, set) => {
			const line = await d.logged(/ERROR +letsencrypt: the clock says 1970-01-01T/);
			assert.match(line, /no certificate is asked for until it is set/);
			await serves(d);
			assert.match((await cert(d, 'status')).text, /^state: +waiting until the clock is set$/m);
			assert.match((await cert(d, 'status')).text, /^next attempt: +not known$/m);
			const renew = await cert(d, 'renew');
			assert.equal(renew.code, 1);
			assert.match(renew.text, /not now: the clock of this machine is wrong/);
			await idle(d);
			assert.equal(ca.front.requests.length, 0);
			assert.equal(lines(d, /the clock says/).length, 1);
			set(0);
			await issued(d, ca);
			assert.equal(lines(d, /INFO +letsencrypt: the clock was set: it says 20/).length, 1);
			assert.equal(lines(d, / ERROR /).length, 1);
		});

	clocked('it is behind the stored certificate: that serves, and nothing is asked for', () => 0,
		async (d, ca, set) => {
			const one = await issued(d, ca);
			set(-30 * DAY);
			const asked = ca.front.orders().length;
			await restart(d);
			const line = await d.logged(/ERROR +letsencrypt: the certificate is valid from \S+Z on, but the clock says \S+Z, which is/);
			assert.match(line, /probably wrong/);
			assert.equal((await shown(d)).serial, one.serial);
			await idle(d);
			assert.equal(lines(d, / ERROR /).length, 1);
			const from = d.lines().length;
			set(0);
			await d.logged(/INFO +letsencrypt: the clock was set/, { from });
			await until(async () => /^state: +waiting$/m.test((await cert(d, 'status')).text), 'calm');
			assert.equal(ca.front.orders().length, asked);
		});

	clocked('it is years ahead: the certificate looks expired, nothing works, and then it is set',
		() => 0, async (d, ca, set) => {
			const one = await issued(d, ca);
			set(20 * 365 * DAY);
			await restart(d);
			await d.logged(/WARN +letsencrypt: the stored certificate has expired/);
			const line = await d.logged(/ERROR +letsencrypt: the certificate was not renewed: .* failures=1 /);
			assert.match(line, /expired|clock|valid/);
			assert.equal((await shown(d)).serial, one.serial);
			await serves(d);
			await idle(d);
			set(0);
			await d.logged(/INFO +letsencrypt: the clock was set/);
			await until(async () => /it has been overcome/.test((await cert(d, 'status')).text), 'calm');
			assert.equal(ca.front.orders().length, 1);
			assert.equal((await shown(d)).serial, one.serial);
		});

	clocked('it is set while the server runs: forwards past the renewal, and back', () => 0,
		async (d, ca, set) => {
			const one = await issued(d, ca);
			const from = d.lines().length;
			set(4 * 365 * DAY); // of five years; the CA's own certificate is no longer valid then
			await d.logged(/ERROR +letsencrypt: the certificate was not renewed: /, { from });
			set(0);
			await until(() => lines(d, /the clock was set/, from).length === 2, 'both changes');
			await until(async () => /it has been overcome/.test((await cert(d, 'status')).text), 'calm');
			assert.equal((await shown(d)).serial, one.serial);
			assert.equal(ca.front.orders().length, 1);
		});

	clocked('it is set again and again: what the CA has refused is not asked for each time', () => 0,
		async (d, ca, set) => {
			await d.logged(/ERROR +letsencrypt: no certificate: .*kind=refused failures=1 /);
			for (const [i, seconds] of [7200, 0, 7200].entries()) {
				set(seconds);
				await until(() => lines(d, /the clock was set/).length === i + 1, 'that it is seen');
				await idle(d, 1500);
			}
			assert.equal(ca.front.of('order').length, 1);
		}, {
			'retry-min': '1m', 'retry-max': '6h',
			before: (ca) => ca.front.refuse('order', 403, 'rejectedIdentifier', 'policy forbids it'),
		});
});
