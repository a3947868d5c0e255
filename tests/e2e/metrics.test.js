'use strict';
// What NetBird's dashboards show, exactly, after a known traffic.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { scenario, until } = require('./harness');
const { Health, Peer, connect, register, send, status, unary } = require('./peers');
const { encrypted, encryptedOf } = require('./wire');

const RPC = 'rpc_server_duration_milliseconds_count';
const SIGNAL = 'signalexchange.SignalExchange';

function rpc(method, code, service = SIGNAL) {
	return { rpc_service: service, rpc_method: method, rpc_system: 'grpc',
		rpc_grpc_status_code: code };
}

async function all(d, expected) {
	for (const [name, value, labels] of expected)
		await d.metricIs(name, value, labels, 10000);
}

// The names of wire.md with the buckets of each histogram; what belongs to later transports is
// not among them.
const STD = [0.1, 0.5, 1, 5, 10, 50, 100, 500, 1000, 5000, 10000];
const NAMES = {
	active_peers: [],
	peer_connection_duration_seconds: [1, 60, 600, 3600, 7200, 21600, 43200, 86400, 172800],
	registrations_total: [],
	deregistrations_total: [],
	registration_failures_total: [],
	registration_delay_milliseconds: STD,
	get_registration_delay_milliseconds: STD,
	messages_forwarded_total: [],
	message_forward_failures_total: [],
	message_forward_latency_milliseconds: STD,
	message_size_bytes: [100, 250, 500, 1000, 5000, 10000, 50000, 100000, 500000, 1000000],
	rpc_server_duration_milliseconds: [0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000,
		7500, 10000],
};
const LABELS = {
	registration_failures_total: { error: ['missing_id', 'missing_meta', 'failed_header',
		'failed_registration'] },
	message_forward_failures_total: { type: ['error', 'not_connected', 'not_registered', 'timeout',
		'disconnected'] },
	get_registration_delay_milliseconds_count: { type: ['stream'], status: ['found', 'not_found'] },
	message_forward_latency_milliseconds_count: { type: ['stream'] },
	message_size_bytes_count: { type: ['message'] },
};

describe('metrics', { concurrency: 4 }, () => {
	scenario('every name, label and bucket of the table is there', async (d) => {
		const m = await d.metrics();
		for (const [name, bounds] of Object.entries(NAMES)) {
			if (bounds.length === 0) {
				assert.ok(m.has(name), name);
				continue;
			}
			const buckets = m.series.filter((s) => s.name === `${name}_bucket`);
			const got = new Set(buckets.map((s) => Number(s.labels.le.replace('+Inf', 'Infinity'))));
			assert.deepEqual([...got].sort((a, b) => a - b), [...bounds, Infinity], name);
		}
		for (const [name, labels] of Object.entries(LABELS))
			for (const [label, values] of Object.entries(labels))
				for (const value of values)
					assert.ok(m.series.some((s) => s.name === name && s.labels[label] === value),
						`${name}{${label}="${value}"}`);
	});

	scenario('registrations, deregistrations and active_peers', async (d) => {
		const peers = [];
		for (let i = 0; i < 5; i++)
			peers.push(await register(d, `peer-${i}`));
		await all(d, [['registrations_total', 5], ['active_peers', 5], ['deregistrations_total', 0],
			['registration_delay_milliseconds_count', 5]]);
		peers[0].close();
		peers[1].close();
		await all(d, [['registrations_total', 5], ['active_peers', 3], ['deregistrations_total', 2],
			['peer_connection_duration_seconds_count', 2]]);
		await register(d, 'peer-0');
		await all(d, [['registrations_total', 6], ['active_peers', 4], ['deregistrations_total', 2]]);
	});

	scenario('a re-registration changes none of them', async (d) => {
		await register(d, 'alice');
		for (let i = 0; i < 4; i++) {
			const newer = await register(d, 'alice');
			await d.metricIs('connections_open', 2 + i);
			assert.equal(newer.end, undefined);
		}
		await all(d, [['active_peers', 1], ['registrations_total', 1], ['deregistrations_total', 0],
			['peer_replacements_total', 4],
			[RPC, 4, rpc('ConnectStream', status.UNKNOWN)]]);
		assert.equal(await d.metric('active_peers'), 1);
		await d.leave();
		await all(d, [['active_peers', 0], ['registrations_total', 1], ['deregistrations_total', 1],
			['connections_open', 0]]);
	});

	scenario('forwarded messages, by both ways, and their sizes', async (d) => {
		const alice = await register(d, 'alice');
		const bob = await register(d, 'bob');
		for (let i = 0; i < 7; i++)
			await alice.send('bob', 'x');
		for (let i = 0; i < 5; i++)
			alice.push('bob', 'x'.repeat(300));
		await bob.received(12);
		await alice.send('bob', Buffer.alloc(600000));
		await bob.received(13);
		await all(d, [['messages_forwarded_total', 13], ['message_forward_failures_total', 0],
			['message_forward_latency_milliseconds_count', 13, { type: 'stream' }],
			['get_registration_delay_milliseconds_count', 13, { status: 'found' }],
			['message_size_bytes_count', 13, { type: 'message' }],
			['message_size_bytes_bucket', 7, { le: '100' }],
			['message_size_bytes_bucket', 12, { le: '500' }],
			['message_size_bytes_bucket', 12, { le: '500000' }],
			['message_size_bytes_bucket', 13, { le: '1000000' }],
			[RPC, 8, rpc('Send', status.OK)], ['mailbox_messages', 0], ['mailbox_bytes', 0]]);
		const sum = await d.metric('message_size_bytes_sum');
		const expected = 7 * encrypted('alice', 'bob', 'x').length +
			5 * encrypted('alice', 'bob', 'x'.repeat(300)).length +
			encrypted('alice', 'bob', Buffer.alloc(600000)).length;
		assert.equal(sum, expected);
	});

	scenario('failures by type', async (d) => {
		const client = connect(d);
		for (let i = 0; i < 3; i++)
			await send(client, 'alice', 'nobody');
		await send(client, 'alice', 'dummy');
		await all(d, [['message_forward_failures_total', 3, { type: 'not_connected' }],
			['message_forward_failures_total', 3], ['messages_forwarded_total', 0],
			['get_registration_delay_milliseconds_count', 4, { status: 'not_found' }],
			[RPC, 4, rpc('Send', status.OK)]]);
	});

	scenario('registrations that failed, by error', async (d) => {
		for (const id of [undefined, '', '', 'i'.repeat(300), 'i'.repeat(300), 'i'.repeat(300)])
			assert.equal((await new Peer(d, id).status()).code, status.FAILED_PRECONDITION);
		const m = await d.metrics();
		const failed = (error) => m.value('registration_failures_total', { error });
		assert.equal(failed('missing_id') + failed('missing_meta'), 3);
		assert.equal(failed('failed_registration'), 3);
		assert.equal(failed('failed_header'), 0);
		await all(d, [['registrations_total', 0], ['active_peers', 0],
			[RPC, 6, rpc('ConnectStream', status.FAILED_PRECONDITION)]]);
	});

	scenario('calls by method and code', async (d) => {
		const raw = connect(d, { raw: true });
		for (let i = 0; i < 2; i++)
			await unary(raw, 'Send', Buffer.from([0xff]));
		for (let i = 0; i < 3; i++)
			await unary(raw, 'Send', encryptedOf(4194305, 'a', 'b'));
		const health = connect(d, { kind: Health });
		for (const service of ['', '', 'other'])
			await unary(health, 'Check', { service });
		const peer = await register(d, 'alice', { raw: true });
		peer.call.write(Buffer.from([0xff]));
		await peer.status();
		(await register(d, 'bob')).close();
		await all(d, [[RPC, 2, rpc('Send', status.INTERNAL)],
			[RPC, 3, rpc('Send', status.RESOURCE_EXHAUSTED)],
			[RPC, 2, rpc('Check', status.OK, 'grpc.health.v1.Health')],
			[RPC, 1, rpc('Check', status.NOT_FOUND, 'grpc.health.v1.Health')],
			[RPC, 1, rpc('ConnectStream', status.INTERNAL)],
			[RPC, 1, rpc('ConnectStream', status.CANCELLED)]]);
	});

	scenario('all gauges are exactly 0 when everybody has left', async (d) => {
		const sender = connect(d);
		for (let round = 0; round < 3; round++) {
			const peers = await Promise.all(Array.from({ length: 40 },
				(_, i) => register(d, `peer-${round}-${i}`)));
			await Promise.all(peers.map((peer) => peer.send(peer.id, 'x')));
			await Promise.all(peers.map((peer) => peer.received(1)));
			await Promise.all(peers.slice(0, 20).map((peer) => register(d, peer.id)));
			peers.forEach((peer, i) => i % 2 ? peer.close() : peer.call.cancel());
		}
		await send(sender, 'a', 'b');
		await d.leave();
		await all(d, [['active_peers', 0], ['connections_open', 0], ['grpc_streams', 0],
			['mailbox_messages', 0], ['mailbox_bytes', 0], ['registrations_total', 120],
			['deregistrations_total', 120], ['messages_forwarded_total', 120]]);
		await until(async () => await d.metric('peers_in_grace') === 0, 'the end of the grace periods');
	});
});
