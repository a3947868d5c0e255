'use strict';
// One daemon per scenario: a configuration in a directory of its own, ports picked by the kernel,
// and an end that counts: whatever a scenario did, the daemon must leave with 0 and say nothing
// on stderr that a sanitizer would say.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const ROOT = path.resolve(__dirname, '../..');
const BUILD = path.resolve(ROOT, process.env.B || 'build');
const TOPIC = path.basename(require.main.filename, '.test.js');
const MB = 1 << 20;
const SANITIZED = /san-/.test(BUILD);
// What takes longer than this on two busy cores does not come at all.
const DEADLINE = SANITIZED ? 40_000 : 20_000;
const REPORT = /(Address|Leak|Thread|UndefinedBehavior)Sanitizer|runtime error:|Assertion|ASSERT/;

const children = new Set();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Polls until condition() (or its promise) is truthy, and returns that value.
async function until(condition, what, deadline = DEADLINE) {
	const end = Date.now() + deadline;
	for (let pause = 5; ; pause = Math.min(pause * 2, 50)) {
		const value = await condition();
		if (value)
			return value;
		if (Date.now() > end)
			throw new Error(`not within ${deadline} ms: ${what}`);
		await sleep(pause);
	}
}

// A promise that must settle in time.
function within(promise, what, deadline = DEADLINE) {
	let timer;
	const late = new Promise((_, reject) => {
		timer = setTimeout(() => reject(new Error(`not within ${deadline} ms: ${what}`)), deadline);
	});
	return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// A child whose output is kept by lines and which does not outlive this process.
function launch(command, args, options = {}) {
	const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
	child.out = [];
	child.err = [];
	collect(child.stdout, child.out);
	collect(child.stderr, child.err);
	children.add(child);
	child.ended = new Promise((resolve) => {
		child.on('error', (error) => resolve({ code: null, signal: null, error }));
		child.on('close', (code, signal) => resolve({ code, signal }));
	}).finally(() => children.delete(child));
	return child;
}

function collect(stream, lines) {
	let rest = '';
	stream.setEncoding('utf8').on('data', (text) => {
		const parts = (rest + text).split('\n');
		rest = parts.pop();
		lines.push(...parts);
	});
	stream.on('end', () => rest && lines.push(rest));
	stream.on('error', () => {});
}

// Writes 64 MiB to a service that does not take them: the writing comes to a halt, and the daemon
// keeps no more than its buffers.  write(bytes) resolves to whether the kernel took them.
async function isHeld(d, write) {
	const before = d.rss();
	const block = Buffer.from(`${'x'.repeat(1023)}\n`.repeat(1024));
	let taken = 0;
	for (let i = 0; i < 64; i++)
		write(block).then((written) => (taken += written));
	let last = -1;
	await until(async () => {
		const same = last === taken;
		last = taken;
		await sleep(1000);
		return same;
	}, 'a writer that waits');
	assert.ok(taken < 32, `${taken} of 64 MiB were taken although nothing was read`);
	if (!SANITIZED)
		assert.ok(d.rss() - before < 16 * MB, `${(d.rss() - before) / MB} MiB more`);
}

// What the probe plugin says: lines of `name{label="value",...} number`.
class Metrics {
	constructor(text) {
		this.series = text.split('\n').filter(Boolean).map((line) => {
			const [, name, labels, value] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/.exec(line);
			const pairs = (labels || '').matchAll(/(\w+)="([^"]*)"/g);
			return { name, labels: Object.fromEntries([...pairs].map((p) => [p[1], p[2]])),
				value: Number(value) };
		});
	}

	// The sum of all series of that name that carry these labels; a missing one counts 0.
	value(name, labels = {}) {
		return this.series
			.filter((s) => s.name === name &&
				Object.entries(labels).every(([key, value]) => s.labels[key] === String(value)))
			.reduce((sum, s) => sum + s.value, 0);
	}

	has(name) {
		return this.series.some((s) => s.name === name);
	}
}

class Daemon {
	// ini: { section: { key: value } } over the defaults below, or a function of the folder that
	// returns that.  env: more variables.  wrap: words before the program (prlimit ...).
	constructor({ ini = {}, env = {}, wrap = [] } = {}) {
		this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-e2e-'));
		this.file = path.join(this.dir, 'signal.ini');
		this.socket = path.join(this.dir, 'probe.sock');
		this.env = env;
		this.wrap = wrap;
		this.cleanups = [];
		this.configure(this.defaults(), typeof ini === 'function' ? ini(this.dir) : ini);
	}

	defaults() {
		return {
			daemon: { 'log-file': 'console', 'log-level': 'info',
				'plugin-dir': path.join(BUILD, 'plugins'), 'shutdown-grace': '2s' },
			'listener signal': { address: '127.0.0.1:0' },
			'plugin grpc': {},
			'plugin probe': { file: path.join(BUILD, 'tests/plugin/probe.so'), socket: this.socket },
		};
	}

	// Changes the file, not the daemon: SIGHUP does that.  A section or key of null goes away.
	configure(...changes) {
		this.ini = this.ini || {};
		for (const change of changes)
			for (const [section, keys] of Object.entries(change))
				this.ini[section] = keys && { ...this.ini[section], ...keys };
		const lines = [];
		for (const [section, keys] of Object.entries(this.ini)) {
			if (!keys)
				continue;
			lines.push(`[${section}]`);
			for (const [key, value] of Object.entries(keys))
				if (value !== null)
					lines.push(`${key} = ${value}`);
		}
		fs.writeFileSync(this.file, lines.join('\n') + '\n');
	}

	async start() {
		const program = path.join(BUILD, 'netbird-signal');
		const words = [...this.wrap, program, 'run', '--config', this.file];
		const env = Object.fromEntries(Object.entries(process.env)
			.filter(([name]) => !name.startsWith('NB_') && name !== 'NOTIFY_SOCKET'));
		this.child = launch(words[0], words.slice(1), { env: { ...env, ...this.env } });
		this.pid = this.child.pid;
		this.child.ended.then((how) => (this.exit = how));
		await this.logged(/daemon: ready/);
		this.addresses = {};
		for (const line of this.lines()) {
			const found = /listener: listening name=(\S+) address=(\S+):(\d+)/.exec(line);
			if (found)
				(this.addresses[found[1]] ||= []).push({
					host: found[2].replace(/^\[|\]$/g, ''), port: Number(found[3]) });
		}
		this.port = Object.values(this.addresses)[0]?.[0].port;
		assert.ok(this.port, 'a line that says where the daemon listens');
		return this;
	}

	lines() {
		const file = this.ini.daemon['log-file'];
		if (file === 'console')
			return this.child.out;
		return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n') : [];
	}

	// Waits for a log line and returns it.  from: only lines after that many.
	logged(pattern, { from = 0, deadline } = {}) {
		return until(() => {
			const line = this.lines().slice(from).find((text) => pattern.test(text));
			if (!line && this.exit)
				throw new Error(`ended (${JSON.stringify(this.exit)}) without a line ${pattern}`);
			return line;
		}, `a log line ${pattern}`, deadline);
	}

	target(listener = 'signal') {
		return `127.0.0.1:${this.addresses[listener][0].port}`;
	}

	async metrics() {
		const text = await new Promise((resolve, reject) => {
			let all = '';
			net.connect(this.socket).setEncoding('utf8')
				.on('data', (part) => (all += part))
				.on('end', () => resolve(all))
				.on('error', reject);
		});
		return new Metrics(text);
	}

	async metric(name, labels) {
		return (await this.metrics()).value(name, labels);
	}

	// Waits until the series has exactly that value.
	async metricIs(name, value, labels, deadline) {
		let last;
		try {
			await until(async () => (last = await this.metric(name, labels)) === value, '', deadline);
		} catch (error) {
			const which = `${name}${labels ? JSON.stringify(labels) : ''}`;
			throw new Error(`${which} is ${last}, not ${value} (${error.message})`);
		}
	}

	signal(name) {
		this.child.kill(name);
	}

	rss() {
		const status = fs.readFileSync(`/proc/${this.pid}/status`, 'utf8');
		return Number(/VmRSS:\s+(\d+)/.exec(status)[1]) * 1024;
	}

	// User and system time so far, milliseconds.
	cpu() {
		const fields = fs.readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1].split(' ');
		return (Number(fields[11]) + Number(fields[12])) * 10;
	}

	descriptors() {
		return fs.readdirSync(`/proc/${this.pid}/fd`).length;
	}

	// Runs at the end of the scenario, the last one first, also after a failure.
	after(cleanup) {
		this.cleanups.push(cleanup);
	}

	async leave() {
		for (const cleanup of this.cleanups.splice(0).reverse())
			await cleanup();
	}

	// SIGTERM, and the end that it must cause.
	async stop(deadline = DEADLINE) {
		if (!this.exit)
			this.signal('SIGTERM');
		const how = await within(this.child.ended, 'the end after SIGTERM', deadline);
		const report = this.child.err.findIndex((line) => REPORT.test(line));
		if (report >= 0)
			throw new Error(this.child.err.slice(report, report + 30).join('\n'));
		assert.deepEqual(how, { code: 0, signal: null });
	}

	// No connection and no peer is left once the clients have gone.
	async quiet() {
		if (this.exit)
			return;
		for (const gauge of ['active_peers', 'connections_open'])
			await this.metricIs(gauge, 0);
		let left;
		await until(async () => {
			left = (await this.metrics()).series
				.filter((s) => s.name === 'protocol_connections_open' && s.value !== 0);
			return left.length === 0;
		}, 'no connection of any protocol').catch((error) => {
			throw new Error(`${error.message}: ${JSON.stringify(left)}`);
		});
	}

	tail() {
		return [...this.lines().slice(-30), ...this.child.err.slice(0, 10)].join('\n');
	}

	dispose() {
		if (this.child && !this.exit)
			this.signal('SIGKILL');
		fs.rmSync(this.dir, { recursive: true, force: true });
	}
}

// Runs body(daemon) between start and a clean end.
async function withDaemon(options, body) {
	const d = new Daemon(options);
	try {
		await d.start();
		try {
			await body(d);
		} finally {
			await d.leave();
		}
		await d.quiet();
		await d.stop();
	} catch (error) {
		if (d.child)
			error.stack += `\n--- the daemon said last:\n${d.tail()}`;
		throw error;
	} finally {
		d.dispose();
	}
}

// A named test.  skip: the reason why it cannot run here, or false.
function named(name, { timeout = 4 * DEADLINE, skip = false }, body) {
	return test(`${TOPIC}: ${name}`, { timeout, skip }, body);
}

// A named test with a daemon of its own.
function scenario(name, options, body) {
	if (typeof options === 'function')
		[options, body] = [{}, options];
	return named(name, options, () => withDaemon(options, body));
}

module.exports = { BUILD, DEADLINE, ROOT, SANITIZED, isHeld, launch, named, scenario, sleep,
	until, withDaemon, within };
