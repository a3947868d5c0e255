'use strict';
// promtool for the form, a daemon with all plugins for the names, a real Prometheus for what only
// fails when it is evaluated.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { simple } = require('../e2e/certs');
const { ROOT, launch, withDaemon, within } = require('../e2e/harness');
const { OPENMETRICS, scrape, startPrometheus } = require('../e2e/scrape');
const { Dashboard } = require('./dashboard');
const { Exported } = require('./exported');
const { parse } = require('./promql');
const rulesOf = require('./rules');

const PROMETHEUS = path.join(ROOT, 'etc/prometheus');
const RULES = path.join(PROMETHEUS, 'netbird-signal.rules.yml');
const TESTS = fs.readdirSync(PROMETHEUS).filter((file) => file.endsWith('.test.yml'));
const JOB = 'job="netbird-signal"';

let passed = 0;
let failed = 0;
async function check(name, body) {
	try {
		await body();
		passed++;
		console.log(`ok   ${name}`);
	} catch (error) {
		failed++;
		console.log(`FAIL ${name}`);
		console.log(String(error.message).replace(/^/gm, '    | '));
	}
}

// A list of faults as one failure.
function none(faults) {
	if (faults.length)
		throw new Error(faults.join('\n'));
}

async function promtool(...words) {
	const child = launch('promtool', words, { cwd: PROMETHEUS });
	const { code, error } = await within(child.ended, `the end of promtool ${words.join(' ')}`, 120_000);
	const said = [...child.out, ...child.err].join('\n');
	assert.equal(code, 0, error ? error.message : said);
	return said;
}

// Expressions as the rules of a file, which is how promtool parses them.  JSON is YAML too.
async function parses(queries) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-monitoring-'));
	const file = path.join(dir, 'rules.yml');
	try {
		fs.writeFileSync(file, JSON.stringify({ groups: [{ name: 'all',
			rules: queries.map(({ where, expr }) => ({ alert: where, expr })) }] }));
		await promtool('check', 'rules', file);
	} finally {
		fs.rmSync(dir, { recursive: true });
	}
}

const placeholders = (text, pattern) => [...(text || '').matchAll(pattern)].map((found) => found[1]);

// A recording rule's series have what it groups by.
function recordedBy(rules) {
	return Object.fromEntries(rules.filter(({ record }) => record)
		.map(({ record, expr }) => [record, parse(expr).labels]));
}

async function form(rules, dashboard, queries) {
	await check('promtool check rules', async () => {
		const found = /(\d+) rules found/.exec(await promtool('check', 'rules', RULES));
		assert.equal(rules.length, Number(found[1]), 'rules were read here, and by promtool');
	});
	await check('promtool check config', () => promtool('check', 'config', 'prometheus.yml'));
	for (const test of TESTS)
		await check(`promtool test rules ${test}`, () => promtool('test', 'rules', test));
	await check('each alert fires in a test, says what it is and what to do', () => {
		const tests = TESTS.map((test) => fs.readFileSync(path.join(PROMETHEUS, test), 'utf8')).join('');
		none(rules.filter(({ alert }) => alert).flatMap((rule) => [
			[new RegExp(`labels: '\\{alertname="${rule.alert}"`).test(tests), 'is expected by no test'],
			[['critical', 'warning'].includes(rule.severity), `has severity ${rule.severity}`],
			[rule.summary && rule.description, 'lacks summary or description'],
		].filter(([right]) => !right).map(([, what]) => `${rule.alert} ${what}`)));
	});
	await check('each selector of the rules names the job', () => {
		const namesJob = ({ label, op, value }) => `${label}${op}"${value}"` === JOB;
		none(rules.flatMap(({ alert, record, expr }) => parse(expr).selectors
			.filter(({ name, matchers }) => !name.startsWith('job_instance:') && !matchers.some(namesJob))
			.map(({ name }) => `${alert || record}: ${name}`)));
	});
	await check('the dashboard: ids, titles, descriptions, units, data source',
		() => none(dashboard.unfinished()));
	await check('the dashboard: no panel lies on another', () => none(dashboard.misplaced()));
	await check('the dashboard: all variables are defined', () => none(queries
		.filter(({ expr }) => expr.includes('$')).map(({ where, expr }) => `${where}: ${expr}`)));
	await check('the dashboard: every expression parses', () => parses(queries));
}

async function names(rules, queries, exported) {
	// The labels that a text beside the expression names count too.
	const compare = (where, expr, text, pattern) =>
		exported.faults(expr, placeholders(text, pattern)).map((fault) => `${where}: ${fault}`);
	await check('rules: every metric, label and value is exported', () =>
		none(rules.flatMap(({ alert, record, expr, summary, description }) =>
			compare(alert || record, expr, `${summary} ${description}`, /\$labels\.(\w+)/g))));
	await check('dashboard: every metric, label and value is exported', () =>
		none(queries.flatMap(({ where, expr, legend }) =>
			compare(where, expr, legend, /\{\{(\w+)\}\}/g))));
	await check('what is not exported is found', () => {
		for (const [expr, fault] of [
			['rate(active_peer[5m])', 'no metric is called active_peer'],
			['sum by (job) (rate(http_requests_total{code="200"}[5m])) / on (job) no_such > 1',
				'no metric is called no_such'],
			['active_peers{type="x"}', 'active_peers has no label type'],
			['http_requests_total{code=~"200|222"}', 'http_requests_total never has code="222"'],
			['http_requests_total{code!="222"}', 'http_requests_total never has code="222"'],
			['sum by (reason) (http_requests_total)', 'none of its metrics has a label reason'],
			['histogram_quantile(0.9, message_size_bytes_bucket{le="101"})',
				'message_size_bytes_bucket never has le="101"'],
		])
			assert.deepEqual(exported.faults(expr), [fault], expr);
		assert.deepEqual(exported.faults('up', ['type']), ['none of its metrics has a label type']);
		assert.deepEqual(
			exported.faults('sum by (code, job) (rate(http_requests_total{code!~"200|4.."}[5m]))'), []);
	});
}

// Matching many to many and the like only shows in an evaluation, with more than one target.
async function evaluates(d, rules, queries) {
	const prometheus = await startPrometheus(d, path.join(d.dir, 'ca.crt'));
	await prometheus.is('count(count_over_time(active_peers[1m]) >= 2) by (job)', 1);
	const recorded = Object.fromEntries(rules.filter(({ record }) => record)
		.map(({ record, expr }) => [record, `(${expr})`]));
	// Nothing is recorded here; what a range of a recorded series is taken of is left out.
	const complete = (expr) => expr.replace(/job_instance:[\w:]+/g, (name) => recorded[name])
		.replaceAll(JOB, 'job=~".+"');
	const all = [...queries, ...rules.filter(({ expr }) => !/over_time\(job_instance:/.test(expr))
		.map(({ alert, record, expr }) => ({ where: alert || record, expr: complete(expr) }))];
	await check('a real Prometheus evaluates all of them', async () => {
		const faults = [];
		for (const { where, expr } of all)
			await prometheus.api(`query?query=${encodeURIComponent(expr)}`)
				.catch((error) => faults.push(`${where}: ${error.message}`));
		none(faults);
	});
}

async function main() {
	const rules = rulesOf.read(RULES);
	const dashboard = new Dashboard(path.join(ROOT, 'etc/grafana/netbird-signal.json'));
	const queries = dashboard.queries().map((query) => ({ ...query, expr: dashboard.fill(query.expr) }));

	await form(rules, dashboard, queries);
	const ini = (dir) => ({
		daemon: { 'control-socket': path.join(dir, 'control.sock') },
		'plugin websocket': {}, 'plugin letsencrypt': {}, ...simple(dir).ini,
		'plugin prometheus': { address: '127.0.0.1', port: 0 },
	});
	await withDaemon({ ini }, async (d) => {
		for (const open of [false, true]) {
			console.log(`# ${open ? OPENMETRICS : 'text format'}`);
			await names(rules, queries, new Exported(await scrape(d, { open }), recordedBy(rules)));
		}
		await evaluates(d, rules, queries);
	});
}

main().catch((error) => {
	failed++;
	console.log(`FAIL ${error.stack}`);
}).finally(() => {
	console.log(`${passed} passed, ${failed} failed, 0 skipped`);
	process.exit(failed > 0 || passed === 0 ? 1 : 0);
});
