'use strict';
// Listeners that a plugin brings, classes of listeners, and options of the command line that are
// for plugins.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { describe } = require('node:test');
const { secured } = require('./certs');
const { Http2, PREFACE, Socket } = require('./h2');
const { BUILD, launch, named, scenario, until, withDaemon, within } = require('./harness');
const { Http, get, once, upgrade } = require('./http');
const { Peer, register } = require('./peers');

const FILE = path.join(BUILD, 'tests/plugin/declared.so');
const ANY = '127.0.0.1:0';
const NAMES = ['from-plugin-public', 'from-plugin-admin', 'from-plugin-challenge'];

// The test plugin with these keys, without those that would take its options as well.
const declared = (keys) => ({ 'plugin declared': { file: FILE, ...keys },
	'plugin prometheus': { enabled: 'no' }, 'plugin letsencrypt': { enabled: 'no' } });
const ALL = declared({ public: ANY, admin: ANY, challenge: ANY });

async function statusOf(d, listener, target) {
	return (await once(d, get(target), { listener })).status;
}

const warnings = (lines) => lines.filter((line) => / (WARN|ERROR) /.test(line));
const listening = (d, name) => d.lines().filter((line) => line.includes(`listening name=${name} `));

async function reload(d) {
	const from = d.lines().length;
	d.signal('SIGHUP');
	await d.logged(/daemon: reloaded/, { from });
	return d.lines().slice(from);
}

// A port of 127.0.0.1 that somebody else has; or, with free, that somebody had a moment ago.
async function port({ free = false } = {}) {
	const server = net.createServer().unref();
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	const number = server.address().port;
	if (free)
		await new Promise((resolve) => server.close(resolve));
	return { number, close: () => server.close() };
}

// Starts the program with the daemon's file as it is now: { code, err }.
async function failing(d, command, env = {}) {
	const clean = Object.fromEntries(Object.entries(process.env)
		.filter(([name]) => !name.startsWith('NB_') && name !== 'NOTIFY_SOCKET'));
	const child = launch(path.join(BUILD, 'netbird-signal'), [command, '--config', d.file],
		{ env: { ...clean, ...env } });
	const { code } = await within(child.ended, `${command} ends`);
	return { code, err: child.err, out: child.out };
}

// Changes the file, and what `run` and `check` say of it is the line; the daemon of the scenario
// itself is not touched.
async function refused(d, keys, line, env) {
	const ini = { ...d.ini, 'listener signal': { address: ANY },
		'plugin probe': { ...d.ini['plugin probe'], socket: `${d.socket}.2` } };
	d.configure(ini, { daemon: { 'log-file': path.join(d.dir, 'second.log') },
		'plugin declared': keys });
	for (const command of ['check', 'run']) {
		const { code, err } = await failing(d, command, env);
		assert.equal(code, 1, err.join('\n'));
		assert.equal(err[0], `netbird-signal: ${line}`);
	}
}

describe('declared', { concurrency: 4 }, () => {
	scenario('each class serves its own routes', { ini: { ...ALL, 'plugin websocket': {} } },
		async (d) => {
			for (const [i, name] of NAMES.entries()) {
				const class_ = name.replace('from-plugin-', '');
				assert.match(listening(d, name)[0],
					new RegExp(` class=${class_} tls=auto http2=none plugin=declared$`));
				for (const other of ['public', 'admin', 'challenge'])
					assert.equal(await statusOf(d, name, `/declared/${other}`),
						other === class_ ? 200 : 404, `${other} of ${name}`);
				assert.equal((await once(d, get('/declared/all'), { listener: name })).body,
					`listener=${name} admin=${i === 1 ? 1 : 0} tls=\n`);
				const health = class_ === 'challenge' ? 404 : 200;
				assert.equal(await statusOf(d, name, '/healthz'), health);
				assert.equal(await statusOf(d, name, '/readyz'), health);
			}
			assert.equal(await statusOf(d, 'signal', '/declared/public'), 200);
			assert.equal(await statusOf(d, 'signal', '/declared/challenge'), 404);
		});

	scenario('a challenge listener of the configuration serves routes of plugins and nothing else', {
		ini: { ...declared({}), 'plugin websocket': {},
			'listener acme': { address: ANY, class: 'challenge' } },
	}, async (d) => {
		assert.match(listening(d, 'acme')[0], / class=challenge tls=auto http2=none$/);
		assert.equal(await statusOf(d, 'acme', '/declared/challenge'), 200);
		assert.equal(await statusOf(d, 'acme', '/declared/all'), 200);
		for (const target of ['/declared/public', '/declared/admin', '/healthz', '/readyz'])
			assert.equal(await statusOf(d, 'acme', target), 404, target);
		const light = upgrade('/signal/ws', { more: 'Sec-WebSocket-Protocol: signal.v1\r\n' });
		assert.equal((await once(d, light, { listener: 'acme' })).status, 404);
		assert.notEqual((await once(d, light, { listener: 'signal' })).status, 404);
		assert.deepEqual(warnings(d.lines()), []);
	});

	scenario('HTTP/2 is refused where it is off, and on listeners of class challenge', {
		ini: { ...declared({ public: ANY, challenge: ANY }),
			'listener off': { address: ANY, http2: 'off' } },
	}, async (d) => {
		let n = 0;
		for (const name of ['off', 'from-plugin-public', 'from-plugin-challenge']) {
			const one = new Socket(d, { port: d.addresses[name][0].port });
			await one.write(PREFACE);
			await until(() => one.gone, 'the end of the connection');
			assert.equal(one.bytes.length, 0);
			await d.metricIs('connections_refused_total', ++n, { reason: 'unserved_protocol' });
			assert.match(listening(d, name)[0], / http2=none/);
		}
		assert.deepEqual(warnings(d.lines()), []);
	});

	scenario('peers come to a declared listener that is for HTTP/2 as well', {
		ini: declared({ public: ANY, http2: 'yes' }),
	}, async (d) => {
		assert.match(listening(d, NAMES[0])[0], / http2=grpc plugin=declared$/);
		const alice = new Peer(d, 'alice', { target: d.target(NAMES[0]) });
		await alice.registered();
		const bob = await register(d, 'bob');
		await bob.send('alice', 'hello');
		await alice.received(1);
		assert.equal(await statusOf(d, NAMES[0], '/declared/public'), 200);
	});

	secured('TLS is taken unless the plugin wants plaintext', {
		ini: { ...declared({ public: ANY, http2: 'yes' }) },
	}, async (d, secure) => {
		const at = { port: d.addresses[NAMES[0]][0].port };
		const one = new Http(d, { ...at, secure });
		assert.match((await one.ask(get('/declared/all'))).body, / tls=TLSv1\.3$/m);
		const two = await new Http2(d, { ...at, secure: { ...secure, ALPNProtocols: ['h2'] } }).served();
		await Promise.all([one.destroy(), two.destroy()]);
	});

	secured('a client that offers HTTP/2 where there is none gets HTTP/1.1', {
		ini: { ...declared({ admin: ANY }) },
	}, async (d, secure) => {
		const one = new Http(d, { port: d.addresses[NAMES[1]][0].port,
			secure: { ...secure, ALPNProtocols: ['h2', 'http/1.1'] } });
		assert.equal((await one.ask(get('/declared/admin'))).status, 200);
		assert.equal(one.socket.alpnProtocol, 'http/1.1');
		await one.destroy();
	});

	secured('plaintext that the plugin wants is not TLS', {
		ini: { ...declared({ challenge: ANY, plaintext: 'yes' }) },
	}, async (d, secure) => {
		assert.match(listening(d, NAMES[2])[0], / tls=off /);
		assert.equal(await statusOf(d, NAMES[2], '/declared/all'), 200);
		const one = new Http(d, { port: d.addresses[NAMES[2]][0].port, secure });
		await until(() => one.gone, 'a refusal');
		await d.metricIs('connections_refused_total', 1, { reason: 'unserved_protocol' });
	});

	secured('where every client needs a certificate, a declared listener takes no plaintext', {
		ini: (dir, pki) => ({ ...declared({ public: ANY, http2: 'yes' }),
			'listener signal': { address: ANY, tls: 'required' },
			tls: { ...pki.ini.tls, 'client-ca': pki.crt } }),
	}, async (d) => {
		assert.match(listening(d, NAMES[0])[0], / tls=required /);
		const one = new Http(d, { port: d.addresses[NAMES[0]][0].port });
		one.write(Buffer.from(get('/declared/all')));
		await until(() => one.gone, 'a refusal');
		await d.metricIs('connections_refused_total', 1, { reason: 'plaintext' });
	});

	scenario('a listener of that name in the configuration takes its place as a whole', {
		ini: { ...ALL, 'listener from-plugin-admin': { address: `${ANY}, ${ANY}`, tls: 'off' } },
	}, async (d) => {
		assert.equal(listening(d, NAMES[1]).length, 2);
		for (const line of listening(d, NAMES[1]))
			assert.match(line, / class=public tls=off http2=grpc$/);
		assert.equal(await statusOf(d, NAMES[1], '/declared/public'), 200);
		assert.equal(await statusOf(d, NAMES[1], '/declared/admin'), 404);
		assert.equal(listening(d, NAMES[0]).length, 1);
		const [line, ...more] = warnings(d.lines());
		assert.match(line, /plugin declared: \[listener from-plugin-admin\] .* is of another class/);
		assert.deepEqual(more, []);
	});

	scenario('a reload does not miss what is not in the file', { ini: ALL }, async (d) => {
		assert.deepEqual(warnings(await reload(d)), []);
		d.configure({ 'listener from-plugin-admin': { address: ANY } });
		const [line, ...more] = warnings(await reload(d));
		assert.match(line, / WARN .*\[listener from-plugin-admin\] is new, which needs a restart$/);
		assert.deepEqual(more, []);
		d.configure({ 'listener from-plugin-admin': null });
		assert.deepEqual(warnings(await reload(d)), []);
		assert.equal(await statusOf(d, NAMES[1], '/declared/admin'), 200);
	});

	named('an address whose port the configuration has is left out', {}, async () => {
		const { number } = await port({ free: true });
		const ini = { daemon: { 'log-level': 'debug' },
			'listener signal': { address: `127.0.0.1:${number}` },
			...declared({ public: `127.0.0.2:${number}, ${ANY}`, admin: `127.0.0.1:${number}` }) };
		await withDaemon({ ini }, async (d) => {
			const left = (name, address) => `config: plugin declared: [listener ${name}] leaves out ` +
				`${address}:${number}: [listener signal] has the port`;
			assert.equal(listening(d, NAMES[0]).length, 1);
			assert.equal(listening(d, NAMES[1]).length, 0);
			assert.ok(d.lines().some((line) => line.endsWith(left(NAMES[0], '127.0.0.2'))));
			const [warning, ...more] = warnings(d.lines());
			assert.ok(warning.endsWith(`${left(NAMES[1], '127.0.0.1')}, is of another class, ` +
				'and does not serve the same'), warning);
			assert.deepEqual(more, []);
			assert.equal(await statusOf(d, 'signal', '/declared/public'), 200);
		});
	});

	named('an optional one that cannot be bound is one warning', {}, async () => {
		const held = await port();
		const ini = declared({ admin: `127.0.0.1:${held.number}, ${ANY}`, optional: 'yes' });
		await withDaemon({ ini }, async (d) => {
			const [warning, ...more] = warnings(d.lines());
			assert.ok(warning.endsWith('listener: plugin declared: [listener from-plugin-admin] cannot ' +
				`listen on 127.0.0.1:${held.number}: Address already in use`), warning);
			assert.deepEqual(more, []);
			assert.equal(listening(d, NAMES[1]).length, 1);
			assert.equal(await statusOf(d, NAMES[1], '/declared/admin'), 200);
			assert.equal(await statusOf(d, 'signal', '/declared/public'), 200);
			assert.deepEqual(warnings(await reload(d)), []);
		}).finally(held.close);
	});

	scenario('one that must be bound and cannot be fails the start', { ini: declared({}) }, async (d) => {
		const held = await port();
		d.after(held.close);
		d.configure({ daemon: { 'log-file': path.join(d.dir, 'second.log') },
			'plugin probe': { socket: `${d.socket}.2` },
			'plugin declared': { admin: `127.0.0.1:${held.number}` } });
		assert.equal((await failing(d, 'check')).code, 0, 'check binds nothing');
		const { code, err } = await failing(d, 'run');
		assert.equal(code, 1);
		assert.deepEqual(err, ['netbird-signal: listener: plugin declared: [listener from-plugin-admin] ' +
			`cannot listen on 127.0.0.1:${held.number}: Address already in use`]);
	});

	scenario('a wrong address or name fails the start, and check', { ini: declared({}) }, async (d) => {
		const address = 'expected ADDRESS:PORT with a numeric address, such as *:10000 or [::1]:10000';
		await refused(d, { public: 'localhost:80' },
			`plugin declared: [listener from-plugin-public] address: ${address}, got "localhost:80"`);
		await refused(d, { public: ANY, name: 'No Name' },
			'plugin declared: [listener No Name]: expected a name of 1 to 31 small letters, digits, - and _');
		await refused(d, { public: ANY, name: null, challenge: ANY, http2: 'yes' },
			'plugin declared: [listener from-plugin-challenge]: expected no NBS_LISTENER_HTTP2 with NBS_CHALLENGE');
	});

	scenario('two plugins with a listener of one name', { ini: declared({}) }, async (d) => {
		const copy = path.join(d.dir, 'second.so');
		fs.copyFileSync(FILE, copy);
		d.configure({ 'plugin second': { file: copy, admin: ANY } });
		await refused(d, { admin: ANY },
			'plugin second: [listener from-plugin-admin]: expected a name of its own, plugin declared has it');
		// Not even the configuration's own helps: it is one listener, and two plugins.
		d.configure({ 'listener from-plugin-admin': { address: ANY } });
		await refused(d, { admin: ANY },
			'plugin second: [listener from-plugin-admin]: expected a name of its own, plugin declared has it');
	});

	scenario('at the limit a listener of class challenge waits as the public do', {
		ini: { ...ALL, limits: { 'max-connections': 1 } },
	}, async (d) => {
		const one = new Http(d);
		assert.equal((await one.ask(get('/healthz'))).status, 200);
		let answered = false;
		const waiting = once(d, get('/declared/all'), { listener: NAMES[2] })
			.then((answer) => (answered = true, answer));
		await d.logged(/accepting pauses: max-connections is reached/);
		assert.equal(await statusOf(d, NAMES[1], '/declared/admin'), 200);
		assert.equal(answered, false);
		await one.destroy();
		assert.equal((await waiting).status, 200);
	});

	scenario('an option stands for a key, also in a reload', {
		ini: declared({ port: 1 }), env: { NB_METRICS_PORT: '0' },
	}, async (d) => {
		assert.ok(d.lines().some((line) => line.endsWith('declared: port=0 by=flag')));
		assert.equal(await statusOf(d, NAMES[1], '/declared/admin'), 200);
		d.configure({ 'plugin declared': { port: 2 } });
		const lines = await reload(d);
		assert.ok(lines.some((line) => line.endsWith('declared: port=0 by=flag')), lines.join('\n'));
		d.configure({ 'plugin declared': { port: null } });
		assert.ok((await reload(d)).some((line) => line.endsWith('declared: port=0 by=flag')));
		assert.deepEqual(warnings(d.lines()), []);
	});

	scenario('without the option the key is that of the file', { ini: declared({ port: 0 }) },
		async (d) => {
			assert.ok(d.lines().some((line) => line.endsWith('declared: port=0 by=file')));
			assert.equal(await statusOf(d, NAMES[1], '/declared/admin'), 200);
		});

	scenario('a wrong value of an option is named by its variable', { ini: declared({}) }, async (d) => {
		await refused(d, {}, 'NB_METRICS_PORT: [plugin declared] port: expected a number from 0 to ' +
			'65535, got "http"', { NB_METRICS_PORT: 'http' });
	});

	scenario('options that no plugin asks for', { ini: declared({}) }, async (d) => {
		await refused(d, {}, 'NB_LETSENCRYPT_DOMAIN: no loaded plugin uses it',
			{ NB_LETSENCRYPT_DOMAIN: 'signal.example.org' });
		const { code, err, out } = await failing(d, 'check',
			{ NB_SSL_DIR: '/x', NB_LETSENCRYPT_EMAIL: 'a@b', NB_METRICS_PORT: '0' });
		assert.equal(code, 0);
		assert.deepEqual(err, [
			'netbird-signal: warning: NB_LETSENCRYPT_EMAIL: no loaded plugin uses it',
			'netbird-signal: warning: NB_SSL_DIR: no loaded plugin uses it']);
		assert.deepEqual(out, ['ok']);
	});
});
