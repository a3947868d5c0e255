'use strict';
// Everything that can stand between a server and its certificate: one clear line for each attempt,
// the server goes on serving without being busy, and recovers by itself.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const { X509Certificate } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { describe } = require('node:test');
const { until, withDaemon } = require('./harness');
const { OBTAINED, TEMPORARY, cert, certified, idle, issued, lines, serves, shown } = require('./acme');

const FAILED = /ERROR +letsencrypt: no certificate: /;

// The line of the first failure; it says what, of which kind, and when it is tried again.  The
// server serves the temporary certificate, and does next to nothing.
async function failing(d, kind, what) {
	const line = await d.logged(FAILED);
	assert.match(line, new RegExp(` kind=${kind} failures=1 next_attempt=\\S+Z$`));
	assert.match(line, what);
	assert.equal(lines(d, TEMPORARY).length, 1);
	await serves(d);
	await idle(d);
	await d.metricIs('acme_temporary_certificate', 1);
	assert.ok(await d.metric('acme_failures_total', { kind }) >= 1);
	// One line for each attempt, and no attempt before its time: 1 s, 2 s, 4 s, 4 s, ...
	const said = lines(d, FAILED);
	assert.equal(said.length, await d.metric('acme_failures_total'), said.join('\n'));
	return line;
}

async function recovers(d, ca) {
	const from = d.lines().length;
	const one = await issued(d, ca, { from });
	await d.metricIs('acme_temporary_certificate', 0);
	assert.match((await cert(d, 'status')).text, /^ +it has been overcome$/m);
	return one;
}

// What the CA does wrong, for all requests of a kind: [kind of failure, what is said, how].
const html = { 'content-type': 'text/html' };
const nothing = { status: 200, headers: { 'content-type': 'application/json' } };
const WRONGS = {
	'refuses the names': ['refused', /rejectedIdentifier.*policy forbids/, (ca) =>
		ca.front.refuse('order', 403, 'rejectedIdentifier', 'policy forbids signal.localhost')],
	'refuses with a text for terminals': ['refused', /rejectedIdentifier/, (ca) =>
		ca.front.refuse('order', 403, 'rejectedIdentifier', `\x1b[2J\n2026 ERROR forged ${'x'.repeat(9000)}`)],
	'refuses the account': ['refused', /invalidContact|no such mail/, (ca) =>
		ca.front.refuse('account', 400, 'invalidContact', 'no such mail domain')],
	'has an error of its own': ['server', /500|serverInternal/, (ca) =>
		ca.front.refuse('order', 500, 'serverInternal', 'oops')],
	'answers 502 with a page': ['server', /502/, (ca) => {
		ca.front.meddle = () => ({ status: 502, headers: html, body: '<html>Bad gateway</html>' });
	}],
	'is something else': ['network', /directory|JSON|ACME/i, (ca) => {
		ca.front.meddle = () => ({ status: 200, headers: html, body: '<html>Welcome!</html>' });
	}],
	'sends JSON that is none': ['network', /JSON|directory|ACME/i, (ca) => {
		ca.front.meddle = () => ({ ...nothing, body: '{"newNonce": "https://localhost/' });
	}],
	'sends far too much': ['network', /./, (ca) => {
		ca.front.meddle = () => ({ ...nothing, body: Buffer.alloc(32 << 20, 0x20) });
	}],
	'hangs up': ['network', /./, (ca) => {
		ca.front.meddle = () => 'cut';
	}],
	'does not answer': ['network', /timed out|timeout|time|within/i, (ca) => {
		ca.front.meddle = () => 'hang';
	}],
};

describe('acme_failures', { concurrency: 4 }, () => {
	certified('the CA is down', { before: (ca) => ca.front.close() }, async (d, ca) => {
		await failing(d, 'network', /localhost|connect/i);
		assert.match((await cert(d, 'status')).text,
			/^certificate: +a temporary one, signed by this server itself$/m);
		await ca.front.open();
		await recovers(d, ca);
	});

	for (const [what, [kind, says, how]] of Object.entries(WRONGS))
		certified(`the CA ${what}`, {
			before: how, plugin: { 'request-timeout': '1s', email: 'admin@example.org' },
		}, async (d, ca) => {
			const line = await failing(d, kind, says);
			assert.ok(line.length < 1200, `${line.length} bytes`);
			assert.doesNotMatch(d.lines().join(''), /[\x00-\x08\x1b]/);
			assert.equal(lines(d, /^2026 ERROR forged/).length, 0);
			ca.front.meddle = () => undefined;
			ca.front.sockets.forEach((socket) => socket.destroy());
			await recovers(d, ca);
		});

	certified('the CA asks for patience, and gets it', {
		before: (ca) => ca.front.refuse('order', 429, 'rateLimited', 'too many', { 'retry-after': '5' }),
	}, async (d, ca) => {
		await failing(d, 'rate_limit', /rateLimited.*too many/);
		await until(() => ca.front.of('order').filter((r) => r.status === 429).length >= 2, 'another try');
		const [first, second] = ca.front.of('order').filter((r) => r.status === 429);
		assert.ok(second.at - first.at >= 5000, `${second.at - first.at} ms`);
		ca.front.meddle = () => undefined;
		await recovers(d, ca);
	});

	certified('the CA asks for patience without saying how long: an hour, or until people ask', {
		before: (ca) => ca.front.refuse('order', 429, 'rateLimited', 'too many'),
	}, async (d, ca) => {
		const line = await failing(d, 'rate_limit', /rateLimited/);
		const next = Date.parse(/next_attempt=(\S+)/.exec(line)[1]);
		assert.ok(next > Date.now() + 3500_000 && next < Date.now() + 4500_000, line);
		ca.front.meddle = () => undefined;
		d.signal('SIGHUP'); // a reload is no way around it
		await d.logged(/daemon: reloaded/);
		await idle(d, 2000);
		assert.equal(ca.front.orders().length, 0);
		assert.equal((await cert(d, 'renew')).code, 0);
		await issued(d, ca);
	});

	certified('challenges do not come here: seen before the CA is asked', {
		plugin: (dir, ca) => ({ challenges: 'http-01', 'http-port': ca.port }),
	}, async (d, ca) => {
		await failing(d, 'unreachable', /signal\.localhost/);
		assert.equal(ca.front.of('challenge').length, 0);
		d.configure({ 'plugin letsencrypt': { 'http-port': ca.httpPort } });
		d.signal('SIGHUP');
		await recovers(d, ca);
	});

	certified('challenges come to nobody', {
		plugin: { 'http-port': 1, 'tls-port': 1 },
	}, async (d, ca) => {
		await failing(d, 'unreachable', /refused.*port 1\b/);
		assert.equal(ca.front.of('challenge').length, 0);
		d.configure({ 'plugin letsencrypt': { 'http-port': ca.httpPort, 'tls-port': ca.tlsPort } });
		d.signal('SIGHUP');
		await recovers(d, ca);
	});

	certified('the CA sees another machine under the name', {
		before: (ca) => ca.tellDns('/add-a', { host: 'signal.localhost.', addresses: ['127.0.0.77'] }),
		timeout: 120_000,
	}, async (d, ca) => {
		await d.logged(FAILED, { deadline: 60_000 });
		await failing(d, 'challenge', /signal\.localhost/);
		assert.ok(ca.front.of('challenge').length > 0);
		await ca.tellDns('/clear-a', { host: 'signal.localhost.' });
		const from = d.lines().length;
		await d.logged(OBTAINED, { from, deadline: 60_000 });
	});

	for (const [what, script, says] of [
		['says no', 'echo the zone is locked >&2; exit 3', /the zone is locked/],
		['does not end', 'sleep 60', /time|ended|within/i],
	])
		certified(`the program of dns-01 ${what}`, {
			plugin: (dir) => {
				const hook = path.join(dir, 'hook.sh');
				fs.writeFileSync(hook, `#!/bin/sh\n${script}\n`, { mode: 0o700 });
				return { challenges: 'dns-01', hook, 'hook-timeout': '1s' };
			},
		}, async (d, ca) => {
			await failing(d, 'hook', says);
			assert.equal(ca.front.of('challenge').length, 0);
			d.configure({ 'plugin letsencrypt': { challenges: 'http-01' } });
			d.signal('SIGHUP');
			await recovers(d, ca);
		});

	certified('a stop while the CA does not answer takes no time', {
		before: (ca) => {
			ca.front.meddle = () => 'hang';
		},
		ini: { daemon: { 'shutdown-grace': '20s' } },
	}, async (d, ca) => {
		await until(() => ca.front.requests.length > 0, 'a request');
		const begin = Date.now();
		await d.stop();
		assert.ok(Date.now() - begin < 3000, `${Date.now() - begin} ms`);
	});

	certified('a stop while the CA validates takes no time', {
		ca: { env: { PEBBLE_VA_SLEEPTIME: '15' } },
	}, async (d, ca) => {
		await until(() => ca.front.of('challenge').some((r) => r.status === 200), 'a challenge');
		const begin = Date.now();
		await d.stop();
		assert.ok(Date.now() - begin < 3000, `${Date.now() - begin} ms`);
	});

	certified('a stored certificate that is damaged is put aside, and a new one is asked for', {},
		async (d, ca) => {
			const one = await issued(d, ca);
			const { text } = await cert(d, 'status');
			const file = /^stored: +(.*)$/m.exec(text)[1];
			await d.stop();
			fs.truncateSync(file, 700);
			d.exit = undefined;
			await d.start();
			await d.logged(/ERROR +letsencrypt: .*certificate\.pem.*broken/);
			const two = await issued(d, ca);
			assert.notEqual(two.serial, one.serial);
			assert.ok(fs.existsSync(`${file}.broken`));
			assert.equal(ca.front.accounts().length, 1);
		});
});

// --- the place for certificates ----------------------------------------------------------------

const PLACE = /ERROR +letsencrypt: no place for certificates: .* kind=storage failures=1 next_attempt=\S+Z$/;

// A file system of 64 KiB at ssl-dir, in a mount namespace of the daemon's own; filled up, or empty.
const disk = (first) => ['unshare', '-rm', 'sh', '-c',
	`ssl=\${4%/*}/ssl; mkdir -p $ssl && mount -t tmpfs -o size=64k,mode=700 none $ssl || exit 9
${first}; exec "$@"`, 'sh'];
const FULL = disk('dd if=/dev/zero of=$ssl/filler bs=1k 2>/dev/null');
const EMPTY = disk(':');
const inside = (d) => path.join(`/proc/${d.pid}/root`, d.dir, 'ssl/filler');

function fill(d) {
	const file = fs.openSync(inside(d), 'a');
	try {
		for (;;)
			fs.writeSync(file, Buffer.alloc(1024));
	} catch (error) {
		assert.equal(error.code, 'ENOSPC');
	} finally {
		fs.closeSync(file);
	}
}

const unshare = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
	? false : 'no mount namespaces here';
const root = process.getuid() === 0 ? false : 'needs root';

describe('acme_storage', { concurrency: 4 }, () => {
	for (const [what, make, mend, says] of [
		['is a file', (ssl) => fs.writeFileSync(ssl, ''), (ssl) => fs.rmSync(ssl), /Not a directory/i],
		['may be written by everybody', (ssl) => {
			fs.mkdirSync(ssl);
			fs.chmodSync(ssl, 0o777);
		}, (ssl) => fs.chmodSync(ssl, 0o700), /write|permi/i],
	])
		certified(`ssl-dir ${what}`, {
			plugin: (dir) => {
				make(path.join(dir, 'ssl'));
				return {};
			},
		}, async (d, ca) => {
			const line = await d.logged(PLACE);
			assert.match(line, says);
			assert.ok(line.includes(path.join(d.dir, 'ssl')), line);
			assert.equal(lines(d, TEMPORARY).length, 1);
			await serves(d);
			await idle(d);
			assert.equal(ca.front.requests.length, 0);
			mend(path.join(d.dir, 'ssl'));
			await recovers(d, ca);
		});

	certified('ssl-dir is not for the user of the daemon', {
		skip: root,
		plugin: (dir) => {
			fs.chmodSync(dir, 0o777); // the probe's socket is made by nobody
			fs.mkdirSync(path.join(dir, 'ssl'), { mode: 0o700 });
			return {};
		},
		ini: (dir, ca) => {
			fs.chmodSync(ca.dir, 0o755);
			return { daemon: { user: 'nobody', 'control-socket': '' } };
		},
	}, async (d, ca) => {
		assert.match(await d.logged(PLACE), /Permission denied: ssl-dir \(\/.*\) has to be there and belong to the user that the daemon runs as, uid 65534 kind=/);
		await serves(d);
		await idle(d);
		fs.chownSync(path.join(d.dir, 'ssl'), 65534, 65534);
		await issued(d, ca);
	});

	certified('another daemon has ssl-dir: it waits until that one has gone', async (d, ca) => {
		const one = await issued(d, ca);
		const ini = (dir) => ({ ...ca.ini(dir, { 'ssl-dir': path.join(d.dir, 'ssl') }),
			'listener signal': { address: '127.0.0.1:0' } });
		await withDaemon({ ini }, async (other) => {
			assert.match(await other.logged(PLACE), /another|lock/i);
			assert.equal(lines(other, TEMPORARY).length, 1);
			await d.stop();
			await other.logged(/INFO +letsencrypt: certificate loaded/);
			assert.equal((await shown(other)).serial, one.serial);
			await other.metricIs('acme_temporary_certificate', 0);
			assert.equal(ca.front.orders().length, 1);
		});
	});

	certified('a full disk at the start: nothing is asked of the CA', { wrap: FULL, skip: unshare },
		async (d, ca) => {
			await failing(d, 'storage', /account\.pem.*No space left/);
			assert.equal(ca.front.accounts().length, 0);
			fs.truncateSync(inside(d));
			await recovers(d, ca);
		});

	certified('a full disk at a renewal: the new one is served, and stored when there is room', {
		wrap: EMPTY, skip: unshare,
	}, async (d, ca) => {
		const one = await issued(d, ca);
		fill(d);
		const from = d.lines().length;
		assert.equal((await cert(d, 'renew')).code, 0);
		await d.logged(/ERROR +letsencrypt: the certificate is in use, but was not stored: .*No space left.* kind=storage failures=1 next_attempt=/, { from });
		const two = await issued(d, ca, { from });
		assert.notEqual(two.serial, one.serial);
		assert.match((await cert(d, 'status')).text, /^stored: +not yet/m);
		await idle(d);
		fs.truncateSync(inside(d));
		await d.logged(/INFO +letsencrypt: certificate stored/, { from });
		await until(async () => /it has been overcome/.test((await cert(d, 'status')).text), 'no failure');
		const file = /^stored: +(.*)$/m.exec((await cert(d, 'status')).text)[1];
		const kept = new X509Certificate(fs.readFileSync(path.join(`/proc/${d.pid}/root`, file)));
		assert.equal(kept.serialNumber, two.serial);
		assert.equal(ca.front.orders().length, 2);
	});
});
