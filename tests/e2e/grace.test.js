'use strict';
// A connection ends, its mailbox waits: proxies cut idle streams every minute.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { scenario, until } = require('./harness');
const { connect, register, send } = require('./peers');
const { Http2, SETTING } = require('./h2');

const numbers = (n) => Array.from({ length: n }, (_, i) => `${i}`);

async function sendAll(client, to, n) {
	for (let i = 0; i < n; i++)
		await send(client, 'sender', to, `${i}`);
}

describe('grace', { concurrency: 4 }, () => {
	scenario('messages of the grace period arrive after a reconnect, in order', {
		ini: { peers: { 'grace-period': '30s' } },
	}, async (d) => {
		const first = await register(d, 'bob');
		first.close();
		await d.metricIs('active_peers', 0);
		await sendAll(connect(d), 'bob', 50);
		assert.equal(await d.metric('messages_forwarded_total'), 0);
		const second = await register(d, 'bob');
		await second.received(50);
		assert.deepEqual(second.bodies(), numbers(50));
		await second.send('bob', 'later');
		await second.received(51);
		await d.metricIs('messages_forwarded_total', 51);
		assert.equal(await d.metric('message_forward_failures_total'), 0);
	});

	scenario('messages before, during and after a reconnect keep their order', {
		ini: { peers: { 'grace-period': '30s' } },
	}, async (d) => {
		const sender = connect(d);
		const all = [];
		let bob = await register(d, 'bob');
		for (let i = 0; i < 60; i++) {
			await send(sender, 'sender', 'bob', `${i}`);
			if (i % 20 === 10) {
				await bob.received(i + 1 - all.length);
				all.push(...bob.bodies());
				bob.close();
				await d.metricIs('active_peers', 0);
			}
			if (i % 20 === 15)
				bob = await register(d, 'bob');
		}
		await bob.received(60 - all.length);
		assert.deepEqual([...all, ...bob.bodies()], numbers(60));
	});

	scenario('after the grace period they count as not_connected', {
		ini: { peers: { 'grace-period': '500ms' } },
	}, async (d) => {
		const first = await register(d, 'bob');
		first.close();
		await d.metricIs('active_peers', 0);
		await sendAll(connect(d), 'bob', 3);
		await d.metricIs('message_forward_failures_total', 3, { type: 'not_connected' });
		await d.metricIs('mailbox_messages', 0);
		await d.metricIs('peers_in_grace', 0);
		const second = await register(d, 'bob');
		await second.send('bob', 'fresh');
		await second.received(1);
		assert.deepEqual(second.bodies(), ['fresh']);
	});

	scenario('without a grace period nothing waits', {
		ini: { peers: { 'grace-period': 0 } },
	}, async (d) => {
		const first = await register(d, 'bob');
		first.close();
		await d.metricIs('active_peers', 0);
		await sendAll(connect(d), 'bob', 3);
		assert.equal(await d.metric('message_forward_failures_total', { type: 'not_connected' }), 3);
		const second = await register(d, 'bob');
		await second.send('bob', 'fresh');
		await second.received(1);
		assert.deepEqual(second.bodies(), ['fresh']);
	});

	scenario('the mailbox is bounded in the grace period too', {
		ini: { peers: { 'grace-period': '30s', 'mailbox-messages': 10 } },
	}, async (d) => {
		const first = await register(d, 'bob');
		first.close();
		await d.metricIs('active_peers', 0);
		await sendAll(connect(d), 'bob', 30);
		const second = await register(d, 'bob');
		await second.received(10);
		await second.send('bob', 'last');
		await second.received(11);
		assert.deepEqual(second.bodies(), [...numbers(30).slice(20), 'last']);
	});

	scenario('a replaced stream hands what it has not taken to the newer one', async (d) => {
		const older = new Http2(d, { values: { [SETTING.INITIAL_WINDOW_SIZE]: 0 } });
		await older.register('bob');
		await older.opened(1);
		await sendAll(connect(d), 'bob', 50);
		const newer = await register(d, 'bob');
		await until(() => newer.bodies().at(-1) === '49', 'the last message');
		// What the older one has taken is not repeated; a few at most, it could write none.
		assert.ok(newer.messages.length >= 45, `${newer.messages.length}`);
		assert.deepEqual(newer.bodies(), numbers(50).slice(50 - newer.messages.length));
	});

	scenario('peers in their grace period do not hold up a shutdown', {
		ini: { peers: { 'grace-period': '5m' } },
	}, async (d) => {
		const first = await register(d, 'bob');
		first.close();
		await d.metricIs('peers_in_grace', 1);
		await sendAll(connect(d), 'bob', 5);
		await d.leave();
		await d.stop(5000);
	});
});
