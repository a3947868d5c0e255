'use strict';
// Plugins that decide: who may register (admission), and where messages for others go (router).
// What the two do is described at the head of their sources.

const assert = require('node:assert/strict');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, scenario } = require('./harness');
const { Peer, register, status } = require('./peers');
const { encrypted } = require('./wire');

const file = (name) => path.join(BUILD, `tests/plugin/${name}.so`);
const ADMISSION = { 'plugin admission': { file: file('admission') } };
const ROUTER = { 'plugin router': { file: file('router') } };

async function delivered(peer) {
	await peer.send(peer.id, 'me');
	await peer.received(1);
}

function admission(name, ini, body) {
	scenario(`admission: ${name}`, { ini: { ...ADMISSION, ...ini } }, body);
}

describe('plugins', { concurrency: 4 }, () => {
	admission('a peer that is refused at once: PERMISSION_DENIED with the reason', {}, async (d) => {
		assert.deepEqual(await new Peer(d, 'no-alice').status(),
			{ code: status.PERMISSION_DENIED, details: 'refused by the test' });
		await delivered(await register(d, 'alice'));
		await d.metricIs('registrations_total', 1);
	});

	admission('a verdict that comes later: the header waits for it', {
		'plugin admission': { file: file('admission'), delay: '500ms' },
	}, async (d) => {
		const begin = Date.now();
		const admitted = new Peer(d, 'later-alice');
		const refused = new Peer(d, 'laterno-bob');
		await delivered(await register(d, 'carol')); // nobody waits for the two
		await admitted.registered();
		assert.ok(Date.now() - begin >= 450, `after ${Date.now() - begin} ms`);
		await delivered(admitted);
		assert.deepEqual(await refused.status(),
			{ code: status.PERMISSION_DENIED, details: 'refused later by the test' });
		await d.metricIs('active_peers', 2);
	});

	admission('verdicts that come while they are asked for', {}, async (d) => {
		const peers = Array.from({ length: 50 }, (_, i) => new Peer(d, `race-${i}`));
		await Promise.all(peers.map((peer) => peer.registered()));
		await Promise.all(peers.map(delivered));
		await d.metricIs('active_peers', 50);
	});

	admission('no verdict within admission-timeout: UNAVAILABLE', {
		peers: { 'admission-timeout': '300ms' },
	}, async (d) => {
		assert.equal((await new Peer(d, 'never-alice').status()).code, status.UNAVAILABLE);
		await d.metricIs('registrations_refused_total', 1, { reason: 'admission_timeout' });
	});

	admission('a peer that leaves before its verdict', {}, async (d) => {
		const peer = new Peer(d, 'never-alice');
		await d.metricIs('admission_waiting', 1);
		peer.close();
		await d.metricIs('connections_open', 0);
		assert.equal(await d.metric('registrations_total'), 0);
	});

	admission('SIGTERM while peers wait for a verdict', {}, async (d) => {
		const peer = new Peer(d, 'never-alice');
		await d.metricIs('admission_waiting', 1);
		await d.stop();
		assert.deepEqual(await peer.status(),
			{ code: status.UNAVAILABLE, details: 'server is shutting down' });
	});

	scenario('router: messages for who is not here are taken, and its answers arrive', {
		ini: ROUTER,
	}, async (d) => {
		const alice = await register(d, 'alice');
		await alice.send('far-bob', 'hello');
		alice.push('far-carol', 'hello');
		const got = (await alice.received(2)).sort((a, b) => a.key < b.key ? -1 : 1);
		assert.deepEqual(got.map((message) => message.key), ['far-bob', 'far-carol']);
		assert.ok(got[0].body.equals(encrypted('alice', 'far-bob', 'hello')), 'as it was sent');
		await alice.send('near', 'nobody');
		await d.metricIs('router_taken_total', 2);
		await d.metricIs('message_forward_failures_total', 1, { type: 'not_connected' });
	});

	scenario('router: who is here is not routed', { ini: ROUTER }, async (d) => {
		const far = await register(d, 'far-bob');
		await far.send('far-bob', 'here');
		await far.received(1);
		assert.deepEqual(far.bodies(), ['here']);
		assert.equal(await d.metric('router_taken_total'), 0);
	});
});
