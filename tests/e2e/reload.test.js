'use strict';
// SIGHUP: a good file takes effect, a bad one does not, and no peer notices either.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe } = require('node:test');
const { scenario, until } = require('./harness');
const { connect, register, send } = require('./peers');
const { Http2, Socket } = require('./h2');

// SIGHUP, and the line that says how it went.
async function reload(d, pattern) {
	const from = d.lines().length;
	d.signal('SIGHUP');
	await d.logged(pattern, { from });
	return d.lines().slice(from);
}

const DONE = /INFO .*reload/i;
const REFUSED = /ERROR .*/;

// Messages flow from alice to bob, by both ways, while body() runs; all must arrive in order.
async function whileMessagesFlow(d, body) {
	const alice = await register(d, 'alice');
	const bob = await register(d, 'bob');
	const carol = await register(d, 'carol');
	let stop = false;
	let sent = 0;
	let pushed = 0;
	const sending = (async () => {
		while (!stop)
			await alice.send('bob', `${sent++}`);
	})();
	const pushing = setInterval(() => {
		for (let i = 0; i < 5; i++)
			carol.push('bob', `${pushed++}`);
	}, 5);
	d.after(() => clearInterval(pushing));
	await bob.received(100);
	await body();
	const so = bob.messages.length;
	await bob.received(so + 100);
	stop = true;
	clearInterval(pushing);
	await sending;
	await bob.received(sent + pushed);
	for (const [from, n] of [['alice', sent], ['carol', pushed]]) {
		const got = bob.messages.filter((m) => m.key === from).map((m) => Number(m.body.toString()));
		assert.deepEqual(got, Array.from({ length: n }, (_, i) => i), `from ${from}`);
	}
	for (const peer of [alice, bob, carol])
		assert.equal(peer.end, undefined);
}

describe('reload', { concurrency: 4 }, () => {
	scenario('a good file while messages flow: nothing is lost', (d) => whileMessagesFlow(d, async () => {
		for (let i = 0; i < 5; i++) {
			d.configure({ daemon: { 'log-level': i % 2 ? 'info' : 'warn' },
				peers: { 'mailbox-messages': 500 + i } });
			const from = d.lines().length;
			d.signal('SIGHUP');
			if (i % 2)
				await d.logged(DONE, { from });
		}
	}));

	scenario('a bad file while messages flow: the old one runs on', (d) => whileMessagesFlow(d, async () => {
		d.configure({ limits: { 'max-connections': 'many' } });
		const lines = await reload(d, REFUSED);
		assert.ok(lines.some((line) => line.includes(d.file) && /max-connections/.test(line)),
			lines.join('\n'));
	}));

	scenario('every kind of bad file is refused', async (d) => {
		const alice = await register(d, 'alice');
		const good = fs.readFileSync(d.file, 'utf8');
		const bad = {
			'an unknown key': ['[peers]\nmailbox-mesages = 3\n', /mailbox-mesages/],
			'an unknown section': ['[peer]\nsend-timeout = 3\n', /peer/],
			'a bad number': ['[peers]\nsend-timeout = -1\n', /send-timeout/],
			'a repeated key': ['[peers]\ngrace-period = 1\ngrace-period = 2\n', /grace-period/],
			'a line that is none': ['[peers]\nwhat is this\n', /signal\.ini/],
		};
		for (const [what, [text, pattern]] of Object.entries(bad)) {
			fs.writeFileSync(d.file, good + text);
			const lines = await reload(d, REFUSED);
			assert.ok(lines.some((line) => pattern.test(line)), `${what}: ${lines.join('\n')}`);
		}
		fs.rmSync(d.file);
		await reload(d, REFUSED);
		fs.writeFileSync(d.file, good);
		await reload(d, DONE);
		await alice.send('alice', 'x');
		await alice.received(1);
	});

	scenario('a plugin that finds its section bad: nothing changes', async (d) => {
		d.configure({ daemon: { 'log-level': 'debug' }, 'plugin grpc': { 'keepalive-time': 'never' } });
		const lines = await reload(d, REFUSED);
		assert.ok(lines.some((line) => /keepalive-time/.test(line)), lines.join('\n'));
		const before = d.lines().length;
		await register(d, 'alice');
		assert.ok(!d.lines().slice(before).some((line) => / DEBUG /.test(line)));
	});

	scenario('log-level takes effect, both ways', async (d) => {
		d.configure({ daemon: { 'log-level': 'debug' } });
		await reload(d, DONE);
		await register(d, 'alice');
		await d.logged(/ DEBUG .*alice/);
		d.configure({ daemon: { 'log-level': 'error' } });
		d.signal('SIGHUP');
		const from = await until(async () => {
			const before = d.lines().length;
			await (await register(d, 'bob')).send('bob', 'x');
			return d.lines().length === before && before;
		}, 'silence');
		assert.ok(from);
	});

	scenario('max-connections takes effect, both ways', async (d) => {
		await new Http2(d).served();
		await new Http2(d).served();
		d.configure({ limits: { 'max-connections': 2 } });
		const from = d.lines().length;
		await reload(d, DONE);
		const third = new Http2(d);
		await third.connected;
		await d.logged(/listener: accepting pauses: /, { from });
		assert.deepEqual([third.frames.length, third.gone], [0, undefined]);
		d.configure({ limits: { 'max-connections': 10 } });
		await reload(d, DONE);
		await third.served();
	});

	scenario('handshake-timeout takes effect', async (d) => {
		d.configure({ limits: { 'handshake-timeout': '200ms' } });
		await reload(d, DONE);
		const silent = new Socket(d);
		await until(() => silent.gone, 'the end of a silent one');
	});

	scenario('grace-period takes effect', {
		ini: { peers: { 'grace-period': '5m' } },
	}, async (d) => {
		d.configure({ peers: { 'grace-period': '300ms' } });
		await reload(d, DONE);
		(await register(d, 'bob')).close();
		await d.metricIs('active_peers', 0);
		await send(connect(d), 'a', 'bob', 'x');
		await d.metricIs('message_forward_failures_total', 1, { type: 'not_connected' });
	});

	scenario('send-timeout takes effect', {
		ini: { peers: { 'send-timeout': '1h', 'grace-period': 0 } },
	}, async (d) => {
		const stuck = new Http2(d, { values: { 4: 0 } });
		await stuck.register('stuck');
		await stuck.opened(1);
		const sender = connect(d);
		for (let i = 0; i < 20; i++)
			await send(sender, 'x', 'stuck', Buffer.alloc(100000));
		assert.equal(await d.metric('peers_stalled_total'), 0);
		d.configure({ peers: { 'send-timeout': '500ms' } });
		await reload(d, DONE);
		await d.metricIs('peers_stalled_total', 1);
		await until(() => stuck.ended(1), 'its end');
	});

	scenario('a key that needs a restart is named, the rest takes effect', async (d) => {
		d.configure({ daemon: { 'io-threads': 3, 'log-level': 'debug' },
			limits: { 'max-message-size': '1M' }, 'listener signal': { address: '127.0.0.1:1' },
			'plugin grpc': { 'max-concurrent-streams': 7 } });
		const lines = await reload(d, DONE);
		for (const key of ['io-threads', 'max-message-size', 'listener signal', 'max-concurrent-streams'])
			assert.ok(lines.some((line) => / WARN .*restart/.test(line) && line.includes(key)),
				`${key}: ${lines.join('\n')}`);
		await register(d, 'alice'); // where it listened before
		await d.logged(/ DEBUG /);
	});

	scenario('ten at once are one or more, and the last file counts', async (d) => {
		for (let i = 0; i < 10; i++) {
			d.configure({ daemon: { 'log-level': i === 9 ? 'debug' : 'info' } });
			d.signal('SIGHUP');
		}
		let n = 0;
		await until(async () => {
			await register(d, `peer-${n++}`);
			return d.lines().some((line) => / DEBUG /.test(line));
		}, 'a debug line');
	});

	scenario('the log file is opened again after a rotation', {
		ini: (dir) => ({ daemon: { 'log-file': path.join(dir, 'signal.log') } }),
	}, async (d) => {
		const log = path.join(d.dir, 'signal.log');
		const rotated = `${log}.1`;
		fs.renameSync(log, rotated);
		d.configure({ daemon: { 'log-level': 'debug' } });
		d.signal('SIGHUP');
		await until(() => fs.existsSync(log), 'a new log file');
		await d.logged(DONE);
		const size = fs.statSync(rotated).size;
		await register(d, 'alice');
		await d.logged(/ DEBUG .*alice/);
		assert.equal(fs.statSync(rotated).size, size, 'nothing goes to the old one');
		assert.deepEqual(d.child.out.filter((line) => / INFO /.test(line)), []);
	});

	scenario('a log file that cannot be opened again: the old one is kept', {
		ini: (dir) => {
			fs.mkdirSync(path.join(dir, 'log'));
			return { daemon: { 'log-file': path.join(dir, 'log/signal.log') } };
		},
	}, async (d) => {
		const folder = path.join(d.dir, 'log');
		const moved = path.join(d.dir, 'moved');
		const old = path.join(moved, 'signal.log');
		fs.renameSync(folder, moved);
		fs.writeFileSync(folder, 'not a folder');
		d.signal('SIGHUP');
		await until(() => /ERROR|WARN/.test(fs.readFileSync(old, 'utf8')) || d.child.err.length,
			'a complaint');
		const alice = await register(d, 'alice');
		await alice.send('alice', 'x');
		await alice.received(1);
		fs.rmSync(folder);
		fs.renameSync(moved, folder);
	});
});
