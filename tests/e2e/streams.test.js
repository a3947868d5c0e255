'use strict';
// ConnectStream: who is registered, who is refused, and who wins.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { scenario, until } = require('./harness');
const { ID, Peer, REGISTERED, post, register, send, session, status } = require('./peers');
const { Http2, METHOD, TYPE } = require('./h2');

const MISSING = { code: status.FAILED_PRECONDITION,
	details: 'missing connection header: x-wiretrustee-peer-id' };
const TOO_LONG = { code: status.FAILED_PRECONDITION, details: 'peer id too long' };
const REPLACED = { code: status.UNKNOWN, details: 'peer registered again' };

async function refused(d, ids, expected) {
	const peer = new Peer(d, ids);
	assert.deepEqual(await peer.status(), expected);
	await d.metricIs('active_peers', 0);
}

describe('streams', { concurrency: 4 }, () => {
	scenario('the registration header comes at once, before any message', async (d) => {
		const stream = post(await session(d), METHOD.ConnectStream, { [ID]: 'alice' });
		const got = {};
		stream.on('response', (fields) => (got.fields = fields));
		await until(() => got.fields, 'the initial metadata');
		assert.equal(got.fields[':status'], 200);
		assert.equal(got.fields[REGISTERED], '1');
		assert.equal(got.fields['grpc-status'], undefined);
		await d.metricIs('active_peers', 1);
	});

	scenario('of two ids in the header the first counts', async (d) => {
		const peer = await register(d, ['first', 'second']);
		await send(peer.client, 'x', 'second', 'lost');
		await send(peer.client, 'x', 'first', 'found');
		await peer.received(1);
		assert.deepEqual(peer.bodies(), ['found']);
	});

	scenario('no header: FAILED_PRECONDITION', (d) => refused(d, undefined, MISSING));
	scenario('an empty id is refused like a missing one', (d) => refused(d, '', MISSING));
	scenario('of two ids the first is empty: refused', (d) => refused(d, ['', 'second'], MISSING));
	scenario('an id of 257 bytes: FAILED_PRECONDITION',
		(d) => refused(d, 'i'.repeat(257), TOO_LONG));
	scenario('an id of 4000 bytes: FAILED_PRECONDITION',
		(d) => refused(d, 'i'.repeat(4000), TOO_LONG));

	scenario('an id of 256 bytes is registered and reached', async (d) => {
		const peer = await register(d, 'i'.repeat(256));
		await peer.send(peer.id, 'me');
		await peer.received(1);
	});

	scenario('the same id again: the newest wins, the older ends with UNKNOWN', async (d) => {
		const older = await register(d, 'alice');
		const newer = await register(d, 'alice');
		assert.deepEqual(await older.status(), REPLACED);
		await newer.send('alice', 'to the newer');
		await newer.received(1);
		assert.deepEqual(older.bodies(), []);
		await d.metricIs('active_peers', 1);
	});

	scenario('the same id again on the same connection', async (d) => {
		const older = await register(d, 'alice');
		const newer = await register(d, 'alice', { client: older.client });
		assert.deepEqual(await older.status(), REPLACED);
		await newer.send('alice', 'to the newer');
		await newer.received(1);
	});

	scenario('a late end of the older never unregisters the newer', async (d) => {
		const older = new Http2(d);
		await older.register('alice');
		await older.opened(1);
		older.socket.pause(); // it learns nothing and stays
		const newer = await register(d, 'alice');
		await newer.send('alice', 'before');
		await older.destroy();
		await d.metricIs('connections_open', 1);
		await newer.send('alice', 'after');
		await newer.received(2);
		assert.deepEqual(newer.bodies(), ['before', 'after']);
		assert.equal(await d.metric('active_peers'), 1);
	});

	scenario('an id that is replaced again and again is told to wait', {
		ini: { peers: { 'replace-burst': 3, 'replace-interval': '1h' } },
	}, async (d) => {
		let holder = await register(d, 'alice');
		for (let i = 0; i < 3; i++) {
			const next = await register(d, 'alice');
			assert.deepEqual(await holder.status(), REPLACED);
			holder = next;
		}
		const refusedOne = new Peer(d, 'alice');
		assert.deepEqual(await refusedOne.status(), { code: status.UNAVAILABLE,
			details: 'registering too often, try again later' });
		await register(d, 'bob'); // the others may
		await holder.send('alice', 'still here');
		await holder.received(1);
	});

	scenario('a replacement is allowed again after replace-interval', {
		ini: { peers: { 'replace-burst': 1, 'replace-interval': '200ms' } },
	}, async (d) => {
		await register(d, 'alice');
		await register(d, 'alice');
		await until(async () => {
			const peer = new Peer(d, 'alice');
			return Promise.race([peer.ended.then(() => false), peer.header.then((h) => h.get(REGISTERED)[0])]);
		}, 'a registration after the interval');
	});

	scenario('a client that half-closes keeps receiving', async (d) => {
		const peer = await register(d, 'alice');
		peer.call.end();
		const bob = await register(d, 'bob');
		for (let i = 0; i < 3; i++)
			await bob.send('alice', `${i}`);
		await peer.received(3);
		assert.deepEqual(peer.bodies(), ['0', '1', '2']);
		assert.equal(peer.end, undefined);
	});

	scenario('a client that half-closes with its first frame is registered all the same', async (d) => {
		const peer = new Peer(d, 'alice');
		peer.call.end();
		await peer.registered();
		await peer.send('alice', 'x');
		await peer.received(1);
	});

	scenario('a stream that is reset unregisters its peer, the connection stays', async (d) => {
		const alice = await register(d, 'alice');
		alice.call.cancel();
		await d.metricIs('active_peers', 0);
		assert.equal(await d.metric('connections_open'), 1);
		await alice.send('nobody', 'still served');
	});

	scenario('many peers on one connection', async (d) => {
		const first = await register(d, 'peer-0');
		const peers = [first];
		for (let i = 1; i < 50; i++)
			peers.push(new Peer(d, `peer-${i}`, { client: first.client }));
		await Promise.all(peers.map((peer) => peer.registered()));
		await d.metricIs('active_peers', 50);
		assert.equal(await d.metric('connections_open'), 1);
		await Promise.all(peers.map((peer, i) => peer.send(`peer-${(i + 1) % 50}`, `${i}`)));
		await Promise.all(peers.map((peer) => peer.received(1)));
		peers.forEach((peer, i) => assert.deepEqual(peer.bodies(), [`${(i + 49) % 50}`]));
	});

	scenario('a client that closes its connection is gone', async (d) => {
		const raw = new Http2(d);
		await raw.register('alice');
		await raw.opened(1);
		await d.metricIs('active_peers', 1);
		assert.ok(raw.seen(TYPE.SETTINGS));
		await raw.destroy();
		await d.metricIs('active_peers', 0);
		await d.metricIs('connections_open', 0);
	});
});
