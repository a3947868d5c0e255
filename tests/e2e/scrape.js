'use strict';
// Scrapes by hand, read strictly, and a real Prometheus that scrapes by itself.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const https = require('node:https');
const os = require('node:os');
const path = require('node:path');
const { gunzipSync } = require('node:zlib');
const { launch, until, within } = require('./harness');
const { freePort } = require('./proxies');

const PROMETHEUS = '/usr/bin/prometheus';
const PROMTOOL = '/usr/bin/promtool';
const OPENMETRICS = 'application/openmetrics-text';
const TRIES = 5;

// GET /metrics: { status, headers, body, text }; body is what came, text what it means.  secure: TLS,
// with what node's tls.connect() wants.
function fetch(port, { method = 'GET', target = '/metrics', headers = {}, secure } = {}) {
	const options = { host: '127.0.0.1', port, path: target, method, headers, agent: false, ...secure };
	return within(new Promise((resolve, reject) => {
		const answered = (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part)).on('error', reject).on('end', () => {
				const body = Buffer.concat(parts);
				const packed = response.headers['content-encoding'] === 'gzip' && body.length > 0;
				resolve({ status: response.statusCode, headers: response.headers, body,
					text: (packed ? gunzipSync(body) : body).toString() });
			});
		};
		(secure ? https : http).request(options, answered).on('error', reject).end();
	}), `the answer to ${method} ${target}`);
}

// A family's name out of a sample's, as its type allows.
const SUFFIXES = { counter: [''], gauge: [''], histogram: ['_bucket', '_sum', '_count'] };

function number(text) {
	assert.match(text, /^(NaN|[+-]Inf|-?\d+(\.\d+)?(e[+-]\d\d+)?)$/);
	return Number(text.replace('Inf', 'Infinity'));
}

function labels(text) {
	const found = {};
	let rest = text;
	while (rest) {
		const pair = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,(?=.)|$)/.exec(rest);
		assert.ok(pair, `labels: ${rest}`);
		assert.ok(!(pair[1] in found), `label ${pair[1]} twice`);
		found[pair[1]] = pair[2];
		rest = rest.slice(pair[0].length);
	}
	return found;
}

function sample(family, line, open) {
	const [, name, inside, value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/.exec(line) || [];
	assert.ok(name, `no sample: ${line}`);
	const suffixes = open && family.type === 'counter' ? ['_total'] : SUFFIXES[family.type];
	const suffix = suffixes.find((end) => name === family.name + end);
	assert.ok(suffix !== undefined, `${line} in the family ${family.name}`);
	family.samples.push({ name, suffix, labels: labels(inside || ''), value: number(value) });
}

// Buckets do not fall, end with +Inf, and the last is the count.
function checkHistogram({ name, samples }) {
	let last = -1;
	let bound = -Infinity;
	for (const { suffix, labels: { le }, value } of samples) {
		if (suffix === '_bucket') {
			assert.ok(number(le) > bound, `${name}: ${le} after ${bound}`);
			assert.ok(value >= last, `${name}: a bucket falls`);
			[last, bound] = [value, number(le)];
		} else if (suffix === '_count') {
			assert.equal(bound, Infinity, `${name} has no bucket +Inf`);
			assert.equal(value, last, `${name}_count`);
			[last, bound] = [-1, -Infinity];
		}
	}
}

// An exposition, all of it: Map of family name to { name, help, type, samples }.
class Exposition extends Map {
	constructor(text, { open = false } = {}) {
		super();
		assert.ok(text.endsWith(open ? '\n# EOF\n' : '\n'));
		let family;
		const seen = new Set();
		for (const line of text.slice(0, open ? -'# EOF\n'.length : undefined).split('\n').slice(0, -1)) {
			const [, what, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) || [];
			if (what === 'HELP') {
				assert.ok(!this.has(name), `${name} begins twice`);
				family = { name, help: rest, type: undefined, samples: [] };
				this.set(name, family);
			} else if (what === 'TYPE') {
				assert.equal(name, family.name);
				assert.equal(family.type, undefined);
				assert.ok(SUFFIXES[rest], `type ${rest}`);
				family.type = rest;
			} else {
				sample(family, line, open);
				const series = line.slice(0, line.lastIndexOf(' '));
				assert.ok(!seen.has(series), `${series} is there twice`);
				seen.add(series);
			}
		}
		for (const each of this.values())
			if (each.type === 'histogram')
				checkHistogram(each);
	}

	all() {
		return [...this.values()].flatMap((family) => family.samples);
	}

	// The sum of all samples of that name that carry these labels; undefined without any.
	value(name, wanted = {}) {
		const found = this.all().filter((each) => each.name === name &&
			Object.entries(wanted).every(([key, value]) => each.labels[key] === String(value)));
		return found.length ? found.reduce((sum, { value }) => sum + value, 0) : undefined;
	}
}

function metricsPort(d) {
	return d.addresses.metrics[0].port;
}

// One scrape in either format.
async function scrape(d, { open = false, port = metricsPort(d) } = {}) {
	const answer = await fetch(port, { headers: open ? { accept: OPENMETRICS } : {} });
	assert.equal(answer.status, 200);
	return new Exposition(answer.text, { open });
}

// --- Prometheus ---------------------------------------------------------------------------------

// Prometheus before 2.49 cannot be told to ask for the text format; this asks in its place.
async function asksForText(d, port) {
	const server = http.createServer(async (request, response) => {
		const headers = { accept: 'text/plain;version=0.0.4', 'accept-encoding': 'gzip' };
		try {
			const answer = await fetch(port, { target: request.url, headers });
			response.writeHead(answer.status, answer.headers).end(answer.body);
		} catch {
			response.destroy();
		}
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	d.after(() => {
		server.closeAllConnections();
		return new Promise((resolve) => server.close(resolve));
	});
	return server.address().port;
}

const JOBS = ['openmetrics', 'text', 'tls'];

class Prometheus {
	constructor(port) {
		this.port = port;
	}

	async api(target) {
		const { text } = await fetch(this.port, { target: `/api/v1/${target}` });
		const answer = JSON.parse(text);
		assert.equal(answer.status, 'success', text);
		return answer.data;
	}

	// The values of an instant query, by the label `job`.
	async query(promql) {
		const { result } = await this.api(`query?query=${encodeURIComponent(promql)}`);
		return Object.fromEntries(result.map(({ metric, value }) => [metric.job, Number(value[1])]));
	}

	// Waits until all jobs have that value.
	async is(promql, expected) {
		let last;
		await until(async () => {
			last = await this.query(promql);
			return JOBS.every((job) => last[job] === expected);
		}, '').catch((error) => {
			throw new Error(`${promql} is ${JSON.stringify(last)}, not ${expected} (${error.message})`);
		});
	}
}

// Starts one that scrapes the daemon each second, in each of JOBS.  ca: the file of the authority
// that signed the daemon's certificate.
async function startPrometheus(d, ca) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-prometheus-'));
	d.after(() => fs.rmSync(dir, { recursive: true, force: true }));
	const file = path.join(dir, 'prometheus.yml');
	const direct = metricsPort(d);
	const job = (name, port, more) => ({ job_name: name, ...more,
		static_configs: [{ targets: [`127.0.0.1:${port}`] }] });
	fs.writeFileSync(file, JSON.stringify({ // which is YAML too
		global: { scrape_interval: '1s' },
		scrape_configs: [job('openmetrics', direct), job('text', await asksForText(d, direct)),
			job('tls', direct, { scheme: 'https', tls_config: { ca_file: ca, server_name: 'localhost' } })],
	}));
	for (let tries = 1; ; tries++) {
		const port = await freePort();
		const child = launch(PROMETHEUS, [`--config.file=${file}`, '--log.level=warn',
			`--storage.tsdb.path=${path.join(dir, 'tsdb')}`,
			`--web.listen-address=127.0.0.1:${port}`], { cwd: dir });
		let ended;
		child.ended.then((how) => (ended = how));
		await until(() => ended || fetch(port, { target: '/-/ready' })
			.then(({ status }) => status === 200, () => false), 'Prometheus is ready');
		if (!ended) {
			d.after(() => {
				child.kill('SIGKILL');
				return child.ended;
			});
			return new Prometheus(port);
		}
		const said = [...child.out, ...child.err].join('\n');
		if (tries === TRIES || !/in use/.test(said))
			throw new Error(`Prometheus does not start: ${JSON.stringify(ended)} ${said}`);
	}
}

// What promtool says of an exposition: { code, lines }.
async function promtool(text) {
	const child = launch(PROMTOOL, ['check', 'metrics']);
	child.stdin.end(text);
	const { code } = await within(child.ended, 'the end of promtool');
	return { code, lines: [...child.out, ...child.err].sort() };
}

const missing = [PROMETHEUS, PROMTOOL].find((program) => !fs.existsSync(program));

module.exports = { Exposition, JOBS, OPENMETRICS, fetch, metricsPort, missing: missing ? `no ${missing}` : false,
	promtool, scrape, startPrometheus };
