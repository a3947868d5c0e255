'use strict';
// What the daemon shows of itself: connections by protocol and TLS, how long streams last, what
// mailboxes hold, plugins, reloads.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, ROOT, scenario, until } = require('./harness');
const { secured } = require('./certs');
const { register } = require('./peers');
const { Http2, Socket } = require('./h2');
const { Http, get } = require('./http');
const { light, open, TUNNEL, tunnelled } = require('./ws_peers');

const OPEN = 'protocol_connections_open';
const PROTOCOLS = ['undecided', 'h2', 'http1', 'websocket'];
const VERSIONS = ['none', '1.2', '1.3'];
const WEBSOCKET = { 'plugin websocket': {} };
const BUCKETS = [1, 5, 15, 30, 45, 55, 60, 65, 75, 90, 120, 300, 600, 1800, 3600, 86400];
const LAST = 'config_last_reload_success_timestamp_seconds';

// Waits until exactly these are open: { 'h2 none': 2, ... }.
async function areOpen(d, expected) {
	let got;
	const same = () => Object.keys(got).length === Object.keys(expected).length &&
		Object.entries(expected).every(([key, n]) => got[key] === n);
	try {
		await until(async () => {
			const m = await d.metrics();
			got = Object.fromEntries(m.series.filter((s) => s.name === OPEN && s.value !== 0)
				.map((s) => [`${s.labels.protocol} ${s.labels.tls}`, s.value]));
			return same() && m.value('connections_open') === m.value(OPEN);
		}, '');
	} catch (error) {
		throw new Error(`${JSON.stringify(got)}, not ${JSON.stringify(expected)} (${error.message})`);
	}
}

async function reload(d, pattern) {
	const from = d.lines().length;
	d.signal('SIGHUP');
	await d.logged(pattern, { from });
}

const DONE = /daemon: reloaded/;
const FAILED = /daemon: reload failed/;

describe('gauges', { concurrency: 4 }, () => {
	scenario('every protocol and version is there from the start', async (d) => {
		const m = await d.metrics();
		const series = m.series.filter((s) => s.name === OPEN);
		assert.deepEqual(series.map((s) => `${s.labels.protocol} ${s.labels.tls} ${s.value}`).sort(),
			PROTOCOLS.flatMap((p) => VERSIONS.map((v) => `${p} ${v} 0`)).sort());
	});

	scenario('a connection moves from one protocol to the next', { ini: WEBSOCKET }, async (d) => {
		const silent = new Socket(d);
		await areOpen(d, { 'undecided none': 1 });
		const http2 = await new Http2(d).served();
		await areOpen(d, { 'undecided none': 1, 'h2 none': 1 });
		const http = new Http(d);
		await http.ask(get('/healthz'));
		await areOpen(d, { 'undecided none': 1, 'h2 none': 1, 'http1 none': 1 });
		const peer = await light(d, 'alice');
		await areOpen(d, { 'undecided none': 1, 'h2 none': 1, 'http1 none': 1, 'websocket none': 1 });
		await silent.write(Buffer.from(get('/healthz')));
		await areOpen(d, { 'h2 none': 1, 'http1 none': 2, 'websocket none': 1 });
		await http2.destroy();
		peer.close();
		await areOpen(d, { 'http1 none': 2 });
	});

	scenario('a tunnel is one WebSocket, whatever is inside', { ini: WEBSOCKET }, async (d) => {
		const peer = await tunnelled(d, 'alice');
		await areOpen(d, { 'websocket none': 1 });
		peer.close();
		const empty = open(d, TUNNEL);
		await empty.opened;
		empty.terminate();
	});

	secured('inside TLS, by its version', { ini: WEBSOCKET }, async (d, secure) => {
		const older = { ...secure, maxVersion: 'TLSv1.2' };
		const silent = new Socket(d, { secure });
		await areOpen(d, { 'undecided 1.3': 1 });
		await new Http2(d, { secure }).served();
		await new Http2(d, { secure: older }).served();
		await areOpen(d, { 'undecided 1.3': 1, 'h2 1.3': 1, 'h2 1.2': 1 });
		const http = new Http(d, { secure: older });
		await http.ask(get('/healthz'));
		await light(d, 'alice', { secure });
		await light(d, 'bob', { secure: older });
		await tunnelled(d, 'carol', { secure });
		await areOpen(d, { 'undecided 1.3': 1, 'h2 1.3': 1, 'h2 1.2': 1, 'http1 1.2': 1,
			'websocket 1.3': 2, 'websocket 1.2': 1 });
		await silent.write(Buffer.from(get('/healthz')));
		await areOpen(d, { 'http1 1.3': 1, 'h2 1.3': 1, 'h2 1.2': 1, 'http1 1.2': 1,
			'websocket 1.3': 2, 'websocket 1.2': 1 });
		await d.leave();
		await areOpen(d, {});
	});

	secured('who is refused is counted no more', {
		ini: { limits: { 'handshake-timeout': '300ms' }, 'listener proxied': { address: '127.0.0.1:0',
			'proxy-protocol': 'required', 'trusted-proxies': '127.0.0.1', tls: 'off' } },
	}, async (d, secure) => {
		const proxied = d.addresses.proxied[0].port;
		const hello = Buffer.from([0x16, 3, 1, 2, 0, 1]);
		const all = [
			['neither', { text: 'SSH-2.0-x\r\n' }], ['half a preface', { text: 'PRI * HT' }],
			['no TLS', { text: hello }], ['a request that never ends', { text: 'GET / HTTP/1.1\r\n' }],
			['no PROXY header', { port: proxied, text: 'GET / HTTP/1.1\r\n' }],
			['TLS where there is none', { port: proxied,
				text: Buffer.concat([Buffer.from('PROXY UNKNOWN\r\n'), hello]) }],
			['silent', { text: '' }], ['silent inside TLS', { secure, text: '' }],
			['neither, inside TLS', { secure, text: 'SSH-2.0-x\r\n' }],
			['a request inside TLS that never ends', { secure, text: 'GET / HTTP/1.1\r\n' }],
			['a certificate that is not trusted', { secure: { servername: 'localhost' }, text: '' }],
		].map(([what, { text, ...where }]) => {
			const one = new Socket(d, where);
			one.write(Buffer.from(text));
			return until(() => one.gone, what);
		});
		await Promise.all(all);
		await areOpen(d, {});
	});

	scenario('how long streams lasted, replaced ones too', async (d) => {
		const m = await d.metrics();
		const bounds = m.series.filter((s) => s.name === 'peer_stream_lifetime_seconds_bucket')
			.map((s) => Number(s.labels.le.replace('+Inf', 'Infinity')));
		assert.deepEqual(bounds, [...BUCKETS, Infinity]);
		const first = await register(d, 'alice');
		const begin = Date.now();
		const second = await register(d, 'alice');
		await until(() => first.end, 'the end of the first');
		await d.metricIs('peer_stream_lifetime_seconds_count', 1);
		await until(() => Date.now() > begin + 1500, 'a second and a half');
		assert.equal(second.end, undefined);
		second.close();
		await d.metricIs('peer_stream_lifetime_seconds_count', 2);
		const after = await d.metrics();
		const at = (le) => after.value('peer_stream_lifetime_seconds_bucket', { le });
		assert.ok(at(1) <= 1 && at(86400) === 2, `${at(1)} and ${at(86400)}`);
		const sum = after.value('peer_stream_lifetime_seconds_sum');
		assert.ok(sum > 1.4 && sum < 60, `${sum}`);
	});

	scenario('messages in mailboxes', { ini: { peers: { 'grace-period': '5m' } } }, async (d) => {
		const alice = await register(d, 'alice');
		(await register(d, 'bob')).close();
		await d.metricIs('peers_in_grace', 1);
		for (let i = 0; i < 3; i++)
			await alice.send('bob', 'x');
		await d.metricIs('mailbox_messages', 3);
		assert.ok(await d.metric('mailbox_bytes') > 3);
		await (await register(d, 'bob')).received(3);
		await d.metricIs('mailbox_messages', 0);
		await d.metricIs('mailbox_bytes', 0);
	});

	scenario('the build, and each plugin', {
		ini: { 'plugin late': { file: path.join(BUILD, 'tests/plugin/good.so') },
			'plugin idle': { file: path.join(BUILD, 'tests/plugin/web.so'), enabled: 'no' } },
	}, async (d) => {
		const version = /^VERSION := (.*)$/m.exec(fs.readFileSync(path.join(ROOT, 'Makefile'), 'utf8'))[1];
		const m = await d.metrics();
		const of = (name) => m.series.filter((s) => s.name === name);
		assert.deepEqual(of('netbird_signal_build_info'),
			[{ name: 'netbird_signal_build_info', labels: { version, abi: '1' }, value: 1 }]);
		assert.deepEqual(of('plugin_info').map(({ labels, value }) => [labels.plugin, labels.version, value]),
			[['grpc', version, 1], ['probe', '1.0', 1], ['late', '1.0', 1]]);
		assert.deepEqual(of('plugin_running').map(({ labels, value }) => [labels.plugin, value]),
			[['grpc', 1], ['probe', 1], ['late', 1]]);
	});

	scenario('reloads, and when the last one was good', async (d) => {
		const begin = await d.metric(LAST);
		assert.ok(Math.abs(begin - Date.now() / 1000) < 60, `${begin}`);
		let ok = 0;
		await until(async () => {
			await reload(d, DONE);
			await d.metricIs('config_reloads_total', ++ok, { result: 'ok' });
			return await d.metric(LAST) > begin;
		}, 'a later second');
		assert.equal(await d.metric('config_reloads_total', { result: 'error' }), 0);
		const good = await d.metric(LAST);
		d.configure({ limits: { 'max-connections': 'many' } });
		await until(() => Date.now() / 1000 > good + 1, 'a later second');
		await reload(d, FAILED);
		await d.metricIs('config_reloads_total', 1, { result: 'error' });
		assert.equal(await d.metric('config_reloads_total', { result: 'ok' }), ok);
		assert.equal(await d.metric(LAST), good);
		assert.equal(await d.metric('config_last_reload_successful'), 0);
	});
});
