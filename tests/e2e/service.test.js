'use strict';
// The two forms of a connection service, by test plugins: open() (echo_conn) gets bytes, adopt()
// gets a socket.  What they say is described at the head of their sources.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, SANITIZED, scenario, until } = require('./harness');
const { register } = require('./peers');
const { PREFACE, Socket, hears } = require('./h2');

const plugin = (name, more = {}) => ({ file: path.join(BUILD, `tests/plugin/${name}.so`), ...more });
const ECHO = { 'listener signal': { http2: 'echo_conn' }, 'plugin echo_conn': plugin('echo_conn') };
const adopt = (mode) => ({ 'listener signal': { http2: 'adopt' },
	'plugin adopt': plugin('adopt', { mode }) });

// A client of echo_conn: the preface, then lines.
class Line extends Socket {
	constructor(d, where = {}) {
		super(d, where);
		if (!where.silent)
			this.write(PREFACE);
	}

	text() {
		return this.bytes.toString('latin1');
	}

	say(line) {
		return this.write(Buffer.from(`${line}\n`));
	}

	hears(pattern) {
		return hears(this, pattern);
	}
}

async function faultless(d) {
	await d.metricIs('echo_connections', 0);
	await d.metricIs('connections_open', 0);
	assert.equal(await d.metric('echo_violations_total'), 0);
}

function echo(name, body, ini = {}) {
	scenario(`open: ${name}`, { ini: { ...ECHO, ...ini } }, async (d) => {
		await body(d);
		await d.leave();
		await faultless(d);
	});
}

describe('service', { concurrency: 4 }, () => {
	echo('lines come back', async (d) => {
		const one = new Line(d);
		await one.say('hello');
		await one.hears(/^hello\n$/);
		await d.metricIs('echo_connections', 1);
		assert.ok(await d.metric('echo_threads') >= 1);
	});

	echo('bytes that come one by one, the preface among them', async (d) => {
		const one = new Line(d, { silent: true });
		await one.connected;
		for (const byte of Buffer.concat([PREFACE, Buffer.from('slow but sure\n')])) {
			await one.write(Buffer.from([byte]));
			await new Promise(setImmediate);
		}
		await one.hears(/^slow but sure\n$/);
	});

	echo('what follows the preface in one piece is not lost', async (d) => {
		const one = new Line(d, { silent: true });
		await one.write(PREFACE, Buffer.from('first\nsecond\n'));
		await one.hears(/^first\nsecond\n$/);
	});

	echo('it knows who it is', async (d) => {
		const one = new Line(d);
		await one.say('!about');
		const [, remote, local, listener, admin, id] = await one.hears(
			/remote=(\S+) local=(\S+) listener=(\S+) admin=(\d) id=(\d+)\n/);
		assert.equal(remote, `127.0.0.1:${one.socket.localPort}`);
		assert.equal(local, d.target());
		assert.deepEqual([listener, admin], ['signal', '0']);
		const other = new Line(d);
		await other.say('!about');
		assert.notEqual((await other.hears(/id=(\d+)\n/))[1], id);
	});

	echo('a megabyte goes both ways, whatever room there is', async (d) => {
		const lines = Array.from({ length: 800 }, () => crypto.randomBytes(900).toString('hex') + '\n');
		const one = new Line(d);
		const all = lines.join('');
		one.write(Buffer.from(all));
		await until(() => one.bytes.length >= all.length, 'all of it');
		assert.ok(one.bytes.equals(Buffer.from(all)));
	});

	echo('a reader that stops is back-pressure: the queue is bounded, and goes on later', async (d) => {
		const one = new Line(d);
		await one.say('ready');
		await one.hears(/ready\n/);
		one.socket.pause();
		const before = d.rss();
		const size = 64 << 20;
		await one.say(`!fill ${size}`);
		await one.say('!about');
		const other = new Line(d);
		for (let i = 0; i < 50; i++) {
			await other.say('and others');
			await other.hears(/and others\n/);
		}
		assert.ok(d.rss() - before < 32 << 20, `${(d.rss() - before) >> 20} MiB more`);
		let got = 0;
		let tail = '';
		one.read = (bytes) => {
			got += bytes.length;
			tail = (tail + bytes.toString('latin1')).slice(-300);
		};
		one.socket.resume();
		await until(() => /filled stops=(\d+)\n.*id=/s.test(tail), 'the end of it');
		assert.ok(Number(/stops=(\d+)/.exec(tail)[1]) > 0);
		assert.ok(got > size);
	});

	echo('pause: nothing is read, resume: nothing is lost', async (d) => {
		const one = new Line(d);
		await one.say('!pause 300');
		for (let i = 0; i < 20; i++)
			await one.say(`line ${i}`);
		const [, lines] = await one.hears(/^resumed\n((?:line \d+\n){20})$/);
		assert.equal(lines, Array.from({ length: 20 }, (_, i) => `line ${i}\n`).join(''));
	});

	echo('a client that does not stop while it is paused is held by its window', async (d) => {
		const one = new Line(d);
		await one.say('!pause 1500');
		const block = Buffer.from('y'.repeat(65000) + '\n');
		const got = { bytes: 0, first: '' };
		one.read = (bytes) => {
			got.first ||= bytes.subarray(0, 8).toString();
			got.bytes += bytes.length;
		};
		const before = d.rss();
		const writing = (async () => {
			for (let i = 0; i < 400; i++)
				await one.write(block);
		})();
		await until(() => got.first, 'the end of the pause');
		assert.equal(got.first, 'resumed\n');
		assert.ok(d.rss() - before < 16 << 20, `${(d.rss() - before) >> 20} MiB more`);
		await writing;
		await until(() => got.bytes === 8 + 400 * block.length, 'all of it');
	});

	echo('wakes from another thread', async (d) => {
		const all = Array.from({ length: 10 }, () => new Line(d));
		await Promise.all(all.map((one) => one.say('!wake 100')));
		await Promise.all(all.map((one) => one.hears(/woken\n/)));
	});

	echo('close with a flush: everything arrives, then the end', async (d) => {
		const one = new Line(d);
		await one.say('!flush 3000000');
		await until(() => one.gone, 'the end');
		assert.equal(one.error, undefined);
		assert.equal(one.bytes.length, 3000000);
		await d.metricIs('echo_closed_total', 1, { how: 'clean' });
	});

	echo('close with an abort: a reset', async (d) => {
		const one = new Line(d);
		await one.say('!abort');
		await until(() => one.gone, 'the end');
		assert.equal(one.error?.code, 'ECONNRESET');
	});

	echo('the end of the input: eof, what was asked is answered', async (d) => {
		const one = new Line(d);
		one.socket.allowHalfOpen = true;
		await one.say('last words');
		one.socket.end('and no newline');
		await one.hears(/last words\nand no newlineeof\n$/);
		await until(() => one.gone, 'the end');
	});

	echo('a client that resets: closed, once', async (d) => {
		const one = new Line(d);
		await one.say('x');
		await one.hears(/x\n/);
		one.socket.resetAndDestroy();
		await d.metricIs('echo_closed_total', 1, { how: 'broken' });
	});

	echo('a refusal: the connection is closed', async (d) => {
		const one = new Line(d);
		await until(() => one.gone, 'the end');
		assert.equal(one.text(), '');
	}, { 'plugin echo_conn': plugin('echo_conn', { refuse: 'yes' }) });

	echo('many at once, on all threads', async (d) => {
		const all = Array.from({ length: 200 }, () => new Line(d));
		await Promise.all(all.map(async (one, i) => {
			await one.say(`I am ${i}`);
			await one.hears(new RegExp(`^I am ${i}\\n$`));
		}));
		await d.metricIs('echo_connections', 200);
	}, { daemon: { 'io-threads': 3 } });

	// Flushing ends after five seconds, however long the grace is.
	for (const [grace, limit] of [['2s', 5000], ['1m', 9000]])
		scenario(`open: SIGTERM with busy, stuck and paused connections, grace ${grace}`, {
			ini: { ...ECHO, daemon: { 'shutdown-grace': grace } },
		}, async (d) => {
			const all = [new Line(d), new Line(d), new Line(d)];
			await all[0].say('x');
			await all[0].hears(/x\n/);
			all[1].socket.pause();
			await all[1].say('!fill 30000000');
			await all[2].say('!pause 100000');
			await d.metricIs('echo_connections', 3);
			const begin = Date.now();
			await d.stop();
			const took = Date.now() - begin;
			assert.ok(took < limit + (SANITIZED ? 4000 : 0), `it took ${took} ms`);
			await until(() => all[0].gone && all[2].gone, 'their ends');
		});

	scenario('adopt: the socket is handed over with all its bytes', { ini: adopt('answer') }, async (d) => {
		const one = new Line(d);
		await one.hears(/^adopted remote=127\.0\.0\.1:\d+ listener=signal\n$/);
		await until(() => one.gone, 'the end');
		await d.metricIs('connections_open', 0);
		await d.metricIs('adopt_connections', 0);
	});

	scenario('adopt: the end is noticed, whoever ends it', { ini: adopt('hold') }, async (d) => {
		const all = Array.from({ length: 20 }, () => new Line(d));
		await Promise.all(all.map((one) => one.hears(/adopted/)));
		await d.metricIs('connections_open', 20);
		await d.metricIs('adopt_connections', 20);
		all.forEach((one, i) => [() => one.destroy(), () => one.socket.resetAndDestroy(),
			() => one.socket.end()][i % 3]());
		await d.metricIs('connections_open', 0);
		await d.metricIs('adopt_connections', 0);
	});

	scenario('adopt: SIGTERM with connections that are held', { ini: adopt('hold') }, async (d) => {
		const all = Array.from({ length: 5 }, () => new Line(d));
		await Promise.all(all.map((one) => one.hears(/adopted/)));
		await d.stop();
		await until(() => all.every((one) => one.gone), 'their ends');
	});

	scenario('adopt: a refusal closes the connection', { ini: adopt('refuse') }, async (d) => {
		const one = new Line(d);
		await until(() => one.gone, 'the end');
		await d.metricIs('connections_open', 0);
	});

	scenario('each listener has the service that it names', { ini: {
		'plugin echo_conn': plugin('echo_conn'),
		'listener signal': { http2: 'grpc' },
		'listener other': { address: '127.0.0.1:0', http2: 'echo_conn' },
	} }, async (d) => {
		const alice = await register(d, 'alice');
		await alice.send('alice', 'x');
		await alice.received(1);
		const one = new Line(d, { port: d.addresses.other[0].port });
		await one.say('!about');
		await one.hears(/listener=other/);
	});
});
