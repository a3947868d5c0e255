'use strict';
// plugins/prometheus: the names that dashboards know, both formats, and a real Prometheus whose
// answers are compared with what the clients did.

const assert = require('node:assert/strict');
const net = require('node:net');
const { describe } = require('node:test');
const { SANITIZED, named, scenario, withDaemon } = require('./harness');
const { secured } = require('./certs');
const { Peer, connect, register, send, status } = require('./peers');
const { freePort } = require('./proxies');
const { JOBS, OPENMETRICS, fetch, metricsPort, missing, promtool, scrape, startPrometheus } =
	require('./scrape');
const { encrypted } = require('./wire');

const ini = { 'plugin websocket': {}, 'plugin prometheus': { address: '127.0.0.1', port: 0 } };
const TEXT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
const OPEN_TYPE = 'application/openmetrics-text; version=1.0.0; charset=utf-8';

// wire.md: the type, the bounds, and the values of each label, of which all combinations are there;
// of calls only the codes that they can end with.
const STD = [0.1, 0.5, 1, 5, 10, 50, 100, 500, 1000, 5000, 10000];
const calls = (method, codes) => codes.map((code) => ({ rpc_method: method, rpc_system: 'grpc',
	rpc_service: 'signalexchange.SignalExchange', rpc_grpc_status_code: String(code) }));
const TABLE = {
	active_peers: { type: 'gauge' },
	peer_connection_duration_seconds: { type: 'histogram',
		bounds: [1, 60, 600, 3600, 7200, 21600, 43200, 86400, 172800] },
	registrations_total: { type: 'counter' },
	deregistrations_total: { type: 'counter' },
	registration_failures_total: { type: 'counter', labels: { error: ['missing_id', 'missing_meta',
		'failed_header', 'failed_registration'] } },
	registration_delay_milliseconds: { type: 'histogram', bounds: STD },
	get_registration_delay_milliseconds: { type: 'histogram', bounds: STD,
		labels: { type: ['stream'], status: ['found', 'not_found'] } },
	messages_forwarded_total: { type: 'counter' },
	message_forward_failures_total: { type: 'counter', labels: { type: ['error', 'not_connected',
		'not_registered', 'timeout', 'disconnected'] } },
	message_forward_latency_milliseconds: { type: 'histogram', bounds: STD,
		labels: { type: ['stream'] } },
	message_size_bytes: { type: 'histogram', labels: { type: ['message'] },
		bounds: [100, 250, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000] },
	rpc_server_duration_milliseconds: { type: 'histogram',
		bounds: [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000],
		series: [...calls('Send', [0, 8, 13]), ...calls('ConnectStream', [1, 2, 9, 13])] },
	wsproxy_active_connections: { type: 'gauge' },
	wsproxy_bytes_transferred_total: { type: 'counter',
		labels: { direction: ['ws_to_grpc', 'grpc_to_ws'] } },
	wsproxy_errors_total: { type: 'counter', labels: { error_type: ['websocket_accept_failed',
		'websocket_read_error', 'websocket_write_error', 'pipe_write_error'] } },
};
const PROCESS = { process_cpu_seconds_total: 'counter', process_open_fds: 'gauge',
	process_max_fds: 'gauge', process_resident_memory_bytes: 'gauge',
	process_virtual_memory_bytes: 'gauge', process_virtual_memory_max_bytes: 'gauge',
	process_start_time_seconds: 'gauge', process_threads: 'gauge' };
// Prometheus' guide wants seconds; dashboards want these.
const LINT = ['get_registration_delay_milliseconds', 'message_forward_latency_milliseconds',
	'registration_delay_milliseconds', 'rpc_server_duration_milliseconds'];

// Every combination of one value of each label.
function combinations(labels = {}) {
	return Object.entries(labels).reduce((all, [label, values]) =>
		all.flatMap((one) => values.map((value) => ({ ...one, [label]: value }))), [{}]);
}

function checkTable(e, { open, prefix = '' }) {
	for (const [name, { type, bounds, labels, series }] of Object.entries(TABLE)) {
		const family = e.get(prefix + (open ? name.replace(/_total$/, '') : name));
		assert.ok(family, name);
		assert.equal(family.type, type, name);
		assert.match(family.help, /^[A-Z].*\.$/, name);
		for (const wanted of series || combinations(labels)) {
			const what = `${name}${JSON.stringify(wanted)}`;
			const value = (suffix, more) => e.value(prefix + name + suffix, { ...wanted, ...more });
			if (type === 'histogram') {
				const found = family.samples.filter((s) => s.suffix === '_bucket' &&
					Object.entries(wanted).every(([label, text]) => s.labels[label] === text));
				assert.deepEqual(found.map((s) => s.labels.le), [...bounds.map((bound) =>
					bound === 1e6 ? '1e+06' : open && Number.isInteger(bound) ? `${bound}.0` : `${bound}`),
				'+Inf'], what);
			}
			assert.equal(value(type === 'histogram' ? '_count' : ''), 0, what);
		}
	}
	for (const [name, type] of Object.entries(PROCESS)) {
		assert.equal(e.get(open ? name.replace(/_total$/, '') : name)?.type, type, name);
		assert.ok(e.value(name) >= 0, name);
	}
}

// What the probe says and what a scrape says, but for what moves between the two.
async function checkAgainstProbe(d, e, open) {
	const { series } = await d.metrics();
	for (const { name, labels, value } of series) {
		const family = name.replace(/_(bucket|sum|count)$/, '');
		if (/^prometheus_|_milliseconds|^http_requests_total|connections_|^peers_in_grace/.test(family))
			continue;
		const shown = e.all().filter((s) => (s.name === name || (open && s.name === `${name}_total`)) &&
			Object.keys(s.labels).length === Object.keys(labels).length &&
			Object.entries(labels).every(([key, text]) => key === 'le' ?
				Number(s.labels.le.replace('Inf', 'Infinity')) === Number(text.replace('Inf', 'Infinity')) :
				s.labels[key] === text));
		assert.equal(shown.length, 1, `${name}${JSON.stringify(labels)}`);
		assert.equal(shown[0].value, value, `${name}${JSON.stringify(labels)}`);
	}
}

// The daemon does not start and says why.
async function refused(options, why) {
	const error = await withDaemon(options, () => {}).then(() => assert.fail('it started'), (e) => e);
	assert.match(error.stack, why);
}

// The traffic whose traces Prometheus must show: peers that stay, came back, left; messages of two
// sizes; failures.
async function traffic(d) {
	const peers = [];
	for (let i = 0; i < 8; i++)
		peers.push(await register(d, `peer-${i}`));
	peers.push(await register(d, 'peer-0')); // again: counts as nothing
	for (let i = 0; i < 10; i++)
		await peers[1].send('peer-2', Buffer.alloc(20));
	for (let i = 0; i < 10; i++)
		await peers[3].send('peer-4', Buffer.alloc(300));
	await peers[2].received(10);
	await peers[4].received(10);
	const sender = connect(d);
	for (let i = 0; i < 5; i++)
		await send(sender, 'peer-1', 'nobody');
	for (let i = 0; i < 3; i++)
		assert.equal((await new Peer(d, 'i'.repeat(300)).status()).code, status.FAILED_PRECONDITION);
	peers[5].close();
	peers[6].close();
	return encrypted('peer-1', 'peer-2', Buffer.alloc(20)).length * 10 +
		encrypted('peer-3', 'peer-4', Buffer.alloc(300)).length * 10;
}

describe('prometheus', { concurrency: 4 }, () => {
	scenario('the whole table of dashboards is there from the start, in both formats', { ini },
		async (d) => {
			checkTable(await scrape(d), { open: false });
			checkTable(await scrape(d, { open: true }), { open: true });
		});

	scenario('a scrape says what the metrics are', { ini }, async (d) => {
		await traffic(d);
		await d.metricIs('deregistrations_total', 2);
		await d.metricIs('peers_in_grace', 0);
		await checkAgainstProbe(d, await scrape(d), false);
		await checkAgainstProbe(d, await scrape(d, { open: true }), true);
	});

	scenario('process_* are about the daemon', { ini }, async (d) => {
		const e = await scrape(d);
		assert.ok(Math.abs(e.value('process_open_fds') - d.descriptors()) <= 2);
		assert.ok(Math.abs(e.value('process_resident_memory_bytes') - d.rss()) < 4 << 20);
		assert.ok(Math.abs(e.value('process_cpu_seconds_total') - d.cpu() / 1000) < 0.5);
		assert.ok(e.value('process_max_fds') >= 1024);
		assert.ok(e.value('process_threads') >= 3);
		const age = Date.now() / 1000 - e.value('process_start_time_seconds');
		assert.ok(age > 0 && age < 60, `started ${age} s ago`);
	});

	scenario('the format is that which the client asks for', { ini }, async (d) => {
		const type = async (accept) =>
			(await fetch(metricsPort(d), { headers: accept ? { accept } : {} })).headers['content-type'];
		assert.equal(await type(), TEXT_TYPE);
		assert.equal(await type('*/*'), TEXT_TYPE);
		assert.equal(await type('text/html, */*;q=0.8'), TEXT_TYPE);
		assert.equal(await type(OPENMETRICS), OPEN_TYPE);
		assert.equal(await type(`${OPENMETRICS};version=0.0.1`), OPEN_TYPE.replace('1.0.0', '0.0.1'));
		assert.equal(await type(`${OPENMETRICS};q=0.4, text/plain;q=0.5`), TEXT_TYPE);
		assert.equal(await type(`text/plain;q=0.5, ${OPENMETRICS};version="1.0.0";q=0.6`), OPEN_TYPE);
		assert.equal(await type(`${OPENMETRICS};q=0`), TEXT_TYPE);
		assert.equal(await type(`${OPENMETRICS};${'x'.repeat(1500)}`), TEXT_TYPE);
	});

	scenario('packed if the client likes it', { ini }, async (d) => {
		const ask = (encoding) => fetch(metricsPort(d), { headers: { 'accept-encoding': encoding } });
		const plain = await fetch(metricsPort(d));
		const packed = await ask('gzip, deflate, br');
		assert.equal(plain.headers['content-encoding'], undefined);
		assert.equal(packed.headers['content-encoding'], 'gzip');
		assert.equal(plain.headers.vary, 'Accept, Accept-Encoding');
		assert.equal(packed.headers.vary, 'Accept, Accept-Encoding');
		assert.equal(packed.headers['content-type'], TEXT_TYPE);
		assert.ok(packed.body.length * 5 < packed.text.length, `${packed.body.length} bytes`);
		const names = (text) => text.split('\n').filter((line) => line.startsWith('# '));
		assert.deepEqual(names(packed.text), names(plain.text));
		for (const encoding of ['gzip;q=0', 'identity', 'br', '*;q=0', 'identity, gzip;q=0.5'])
			assert.equal((await ask(encoding)).headers['content-encoding'], undefined, encoding);
	});

	scenario('promtool complains of nothing but the milliseconds of old names', { ini, skip: missing },
		async (d) => {
			await traffic(d);
			const { text } = await fetch(metricsPort(d));
			const { lines } = await promtool(text);
			assert.deepEqual(lines, LINT.map((name) =>
				`${name} use base unit "seconds" instead of "milliseconds"`));
			// What it would say of a mistake: this test can fail.
			assert.notEqual((await promtool('# TYPE a counter\na 1\n')).code, 0);
			assert.notEqual((await promtool('no exposition')).code, 0);
		});

	scenario('a prefix is put before every name but process_*', {
		ini: { ...ini, 'plugin prometheus': { ...ini['plugin prometheus'], prefix: 'signal_' } },
	}, async (d) => {
		for (const open of [false, true]) {
			const e = await scrape(d, { open });
			checkTable(e, { open, prefix: 'signal_' });
			for (const name of e.keys())
				assert.match(name, /^(signal_(?!process_)|process_)/);
		}
	});

	scenario('no public port serves it, every admin port does', {
		ini: { ...ini, 'listener other': { address: '127.0.0.1:0' },
			'listener ops': { address: '127.0.0.1:0', class: 'admin' } },
	}, async (d) => {
		for (const name of ['signal', 'other'])
			assert.equal((await fetch(d.addresses[name][0].port)).status, 404);
		for (const name of ['metrics', 'ops'])
			assert.equal((await fetch(d.addresses[name][0].port)).status, 200);
	});

	scenario('HEAD, other methods and other paths', { ini }, async (d) => {
		const port = metricsPort(d);
		const head = await fetch(port, { method: 'HEAD' });
		assert.equal(head.status, 200);
		assert.equal(head.headers['content-type'], TEXT_TYPE);
		assert.ok(Number(head.headers['content-length']) > 10000);
		assert.equal(head.body.length, 0);
		for (const method of ['POST', 'DELETE', 'PUT'])
			assert.equal((await fetch(port, { method, headers: { 'content-length': 0 } })).status, 405);
		assert.equal((await fetch(port, { target: '/metrics/' })).status, 404);
		assert.equal((await fetch(port, { target: '/metrics?name[]=active_peers' })).status, 200);
	});

	scenario('many scrapes at once, while messages pass, are each whole', { ini }, async (d) => {
		const peers = [await register(d, 'alice'), await register(d, 'bob')];
		let over = false;
		const talk = (async () => {
			while (!over)
				await peers[0].send('bob', 'x');
		})();
		const scrapes = SANITIZED ? 5 : 20;
		const client = async (n) => {
			for (let i = 0; i < scrapes; i++)
				await scrape(d, { open: (n + i) % 2 === 1 });
		};
		try {
			await Promise.all(Array.from({ length: 16 }, (_, n) => client(n)));
		} finally {
			over = true;
			await talk;
		}
		const e = await scrape(d);
		assert.equal(e.value('prometheus_scrapes_total'), 16 * scrapes);
		assert.equal(e.value('prometheus_scrape_duration_seconds_count'), 16 * scrapes);
		assert.equal(e.value('prometheus_scrape_failures_total'), 0);
	});

	const flag = (port) => ['/bin/sh', '-c', `exec "$@" --metrics-port ${port}`, 'sh'];
	named('--metrics-port alone loads the plugin, and outranks the file', {}, async () => {
		const port = await freePort();
		await withDaemon({ wrap: flag(port) }, async (d) => {
			assert.equal(metricsPort(d), port);
			assert.equal((await fetch(port)).status, 200);
		});
		const other = await freePort();
		await withDaemon({ env: { NB_METRICS_PORT: other }, ini }, async (d) => {
			assert.equal(metricsPort(d), other);
			assert.equal(d.addresses.metrics[0].host, '127.0.0.1');
			assert.equal((await fetch(other)).status, 200);
		});
	});

	// A server on that port for the time of body(); somebody else's does as well.
	async function taken(port, body) {
		const server = net.createServer();
		await new Promise((resolve) => server.on('error', resolve).listen(port, resolve));
		try {
			await body();
		} finally {
			await new Promise((resolve) => server.close(resolve));
		}
	}

	named('a port that is taken: the default one is done without, a chosen one is not', {}, async () => {
		await taken(9090, () => withDaemon({ ini: { 'plugin prometheus': {} } }, async (d) => {
			await d.logged(/WARN .*metrics.*9090/);
			assert.equal(d.addresses.metrics, undefined);
			await register(d, 'alice');
		}));
		const port = await freePort();
		await taken(port, () => refused({ ini: { 'plugin prometheus': { port } } },
			/ERROR .*metrics.* in use/));
	});

	for (const [keys, complaint] of [
		[{ address: 'localhost' }, /address: expected .* not 'localhost'/],
		[{ port: 65536 }, /port: expected/],
		[{ prefix: '9x' }, /prefix: expected .* not '9x'/],
		[{ adress: '*' }, /adress/],
	]) {
		named(`${JSON.stringify(keys)} is refused with a reason`, {},
			() => refused({ ini: { 'plugin prometheus': keys } }, complaint));
	}

	secured('over TLS, to clients that would rather have HTTP/2', { ini }, async (d, secure) => {
		const answer = await fetch(metricsPort(d), { secure: { ...secure,
			ALPNProtocols: ['h2', 'http/1.1'] } });
		assert.equal(answer.status, 200);
		assert.equal((await fetch(metricsPort(d))).status, 200); // plaintext as well
	});

	secured('Prometheus shows what happened', { ini, skip: missing }, async (d, secure, pki) => {
		const p = await startPrometheus(d, pki.crt);
		await p.is('active_peers', 0); // so that it has seen the beginning
		const bytes = await traffic(d);
		const expected = {
			up: 1,
			active_peers: 6,
			registrations_total: 8,
			deregistrations_total: 2,
			'max_over_time(active_peers[1h]) >= bool 6': 1,
			messages_forwarded_total: 20,
			'max_over_time(messages_forwarded_total[1h]) - min_over_time(messages_forwarded_total[1h])': 20,
			'message_forward_failures_total{type="not_connected"}': 5,
			'sum by (job) (message_forward_failures_total)': 5,
			'registration_failures_total{error="failed_registration"}': 3,
			'sum by (job) (registration_failures_total)': 3,
			'sum by (job) (get_registration_delay_milliseconds_count{status="not_found"})': 5,
			'sum by (job) (get_registration_delay_milliseconds_count{status="found"})': 20,
			'count by (job) (wsproxy_errors_total)': 4,
			'sum by (job) (wsproxy_errors_total)': 0,
			peer_connection_duration_seconds_count: 3, // with that which was replaced
			message_size_bytes_count: 25,
			// All of the third size are the five to nobody, of fewer than 100 bytes.
			'message_size_bytes_bucket{le=~"100([.]0)?"}': 15,
			'sum by (job) (rpc_server_duration_milliseconds_count{rpc_method="Send"})': 25,
			'sum by (job) (rpc_server_duration_milliseconds_count{rpc_method="ConnectStream"})': 6,
			// 15 of 25 are below 100; of the ten between 250 and 500 the fifth is in the middle.
			'histogram_quantile(0.6, message_size_bytes_bucket)': 100,
			'histogram_quantile(0.8, message_size_bytes_bucket)': 375,
			'process_open_fds > bool 10': 1,
			'process_start_time_seconds < bool time()': 1,
			'resets(process_cpu_seconds_total[1h])': 0,
			'prometheus_scrape_failures_total': 0,
		};
		for (const [promql, value] of Object.entries(expected))
			await p.is(promql, value);
		const sum = bytes + 5 * encrypted('peer-1', 'nobody', '').length;
		await p.is('message_size_bytes_sum', sum);
		await p.is('prometheus_scrapes_total{format="text"} > bool 3', 1);
		await p.is('prometheus_scrapes_total{format="openmetrics"} > bool 3', 1);
		// Six samples or more: what is extrapolated at both ends of the range is less than half.
		await p.is('count_over_time(messages_forwarded_total[1m]) >= bool 6', 1);
		const increase = await p.query('rate(messages_forwarded_total[1m]) * 60');
		for (const job of JOBS)
			assert.ok(increase[job] >= 20 && increase[job] <= 30, JSON.stringify(increase));
		await checkTargets(p);
	});

	// Prometheus understood all that it got, and what each name means.
	async function checkTargets(p) {
		const { activeTargets } = await p.api('targets');
		assert.deepEqual(activeTargets.map(({ health, lastError, labels: { job } }) =>
			[job, health, lastError]).sort(), JOBS.map((job) => [job, 'up', '']));
		const metadata = await p.api('metadata');
		const told = (name) => metadata[name]?.map(({ type, help }) => [type, help.length > 10]);
		assert.deepEqual(told('registrations_total'), [['counter', true]]); // from the text
		assert.deepEqual(told('registrations'), [['counter', true]]); // from OpenMetrics
		assert.deepEqual(told('active_peers'), [['gauge', true]]);
		assert.deepEqual(told('message_size_bytes'), [['histogram', true]]);
		const { text } = await fetch(p.port);
		for (const name of ['prometheus_target_scrapes_sample_duplicate_timestamp_total',
			'prometheus_target_scrapes_sample_out_of_order_total',
			'prometheus_target_scrapes_sample_out_of_bounds_total'])
			assert.match(text, new RegExp(`^${name} 0$`, 'm'));
	}
});
