'use strict';
// What arrives where: Send, and messages on the sender's own stream.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { describe } = require('node:test');
const { scenario, until } = require('./harness');
const { Peer, connect, grpc, register, send, status, unary } = require('./peers');
const { VARINT, encrypted, encryptedOf, field, tag, varint } = require('./wire');

const MAX = 4194304;

// A Send of bytes to a raw peer, which must get exactly these bytes.
async function forwarded(d, bytes, id = 'bob') {
	const bob = await register(d, id, { raw: true });
	const { code, details, answer } = await unary(bob.client, 'Send', bytes);
	assert.equal(code, status.OK, details);
	assert.equal(answer.length, 0);
	const [got] = await bob.received(1);
	assert.ok(got.equals(bytes), 'the bytes that were sent');
}

async function answeredOk(d, remoteKey) {
	const client = connect(d);
	await send(client, 'alice', remoteKey, 'nobody reads this');
	assert.equal(await d.metric('messages_forwarded_total'), 0);
}

describe('send', { concurrency: 4 }, () => {
	scenario('Send to a registered peer: key, remoteKey and body arrive, the answer is empty', async (d) => {
		const alice = await register(d, 'alice');
		const bob = await register(d, 'bob');
		const body = crypto.randomBytes(400);
		await alice.send('bob', body);
		const [message] = await bob.received(1);
		assert.deepEqual(message, { key: 'alice', remoteKey: 'bob', body });
		assert.equal(alice.messages.length, 0);
	});

	scenario('Send by a client that is not registered', async (d) => {
		const bob = await register(d, 'bob');
		await send(connect(d), 'anyone', 'bob', 'hello');
		const [message] = await bob.received(1);
		assert.equal(message.key, 'anyone');
	});

	scenario('Send to itself is delivered', async (d) => {
		const alice = await register(d, 'alice');
		await alice.send('alice', 'probe');
		await alice.received(1);
		assert.deepEqual(alice.bodies(), ['probe']);
	});

	scenario('Send to an unknown peer: OK and empty', (d) => answeredOk(d, 'nobody'));
	scenario('Send to the empty id: OK and empty', (d) => answeredOk(d, ''));
	scenario('Send to dummy: OK and empty, and no failure', async (d) => {
		await answeredOk(d, 'dummy');
		assert.equal(await d.metric('message_forward_failures_total'), 0);
	});
	scenario('Send of an empty message: OK and empty', async (d) => {
		const { code } = await unary(connect(d, { raw: true }), 'Send', Buffer.alloc(0));
		assert.equal(code, status.OK);
	});
	scenario('Send to an id longer than any peer may have: OK and empty',
		(d) => answeredOk(d, 'i'.repeat(5000)));

	scenario('a message on the stream is forwarded', async (d) => {
		const alice = await register(d, 'alice');
		const bob = await register(d, 'bob');
		for (let i = 0; i < 100; i++)
			alice.push('bob', `${i}`);
		await bob.received(100);
		assert.deepEqual(bob.bodies(), Array.from({ length: 100 }, (_, i) => `${i}`));
		assert.equal(bob.messages[0].key, 'alice');
	});

	scenario('messages on the stream to unknown, empty and dummy do not end it', async (d) => {
		const alice = await register(d, 'alice');
		for (const remoteKey of ['nobody', '', 'dummy', 'alice'])
			alice.push(remoteKey, 'x');
		await alice.received(1);
		assert.equal(alice.end, undefined);
	});

	scenario('unknown fields survive, byte for byte', (d) => forwarded(d, Buffer.concat([
		field(99, 'from the future'), encrypted('alice', 'bob', 'body'), tag(7, VARINT), varint(300),
		tag(536870911, VARINT), varint(2 ** 50)])));
	scenario('fields in another order survive, byte for byte', (d) => forwarded(d,
		Buffer.concat([field(4, 'body'), field(3, 'bob'), field(2, 'alice')])));
	scenario('of repeated fields the last counts, and all survive', (d) => forwarded(d,
		Buffer.concat([field(3, 'nobody'), encrypted('alice', 'bob', 'body'), field(2, 'eve')])));
	scenario('a message without key and body survives', (d) => forwarded(d, field(3, 'bob')));
	scenario('ids are UTF-8 text', async (d) => {
		await send(connect(d), 'ключ', 'κλειδί', '鍵');
	});

	scenario('a 600 KB message arrives intact, on both ways', async (d) => {
		const alice = await register(d, 'alice');
		const bob = await register(d, 'bob');
		const body = crypto.randomBytes(600 * 1024);
		await alice.send('bob', body);
		alice.push('bob', body);
		const messages = await bob.received(2);
		assert.ok(messages.every((message) => message.body.equals(body)));
	});

	scenario('a message of 4,194,304 bytes arrives', (d) => forwarded(d,
		encryptedOf(MAX, 'alice', 'bob')));

	scenario('a message of 4,194,305 bytes: RESOURCE_EXHAUSTED', async (d) => {
		const bob = await register(d, 'bob', { raw: true });
		const { code } = await unary(bob.client, 'Send', encryptedOf(MAX + 1, 'alice', 'bob'));
		assert.equal(code, status.RESOURCE_EXHAUSTED);
		await unary(bob.client, 'Send', encrypted('alice', 'bob', 'small'));
		const [got] = await bob.received(1);
		assert.ok(got.equals(encrypted('alice', 'bob', 'small')), 'nothing of the large one came');
	});

	scenario('a message of 4,194,305 bytes on the stream ends it: RESOURCE_EXHAUSTED', async (d) => {
		const bob = await register(d, 'bob', { raw: true });
		bob.call.write(encryptedOf(MAX + 1, 'bob', 'bob'));
		assert.equal((await bob.status()).code, status.RESOURCE_EXHAUSTED);
		assert.equal(bob.messages.length, 0);
		await d.metricIs('active_peers', 0);
	});

	scenario('max-message-size moves the bound', {
		ini: { limits: { 'max-message-size': '64K' } },
	}, async (d) => {
		const bob = await register(d, 'bob', { raw: true });
		const tooLarge = await unary(bob.client, 'Send', encryptedOf(65537, 'alice', 'bob'));
		assert.equal(tooLarge.code, status.RESOURCE_EXHAUSTED);
		assert.equal((await unary(bob.client, 'Send', encryptedOf(65536, 'alice', 'bob'))).code, 0);
		assert.equal((await bob.received(1))[0].length, 65536);
	});

	scenario('a compressed message (gzip): UNIMPLEMENTED, on both ways, as by NetBird', async (d) => {
		const gzip = { options: { 'grpc.default_compression_algorithm': 2 } };
		const { code } = await unary(connect(d, gzip), 'Send',
			{ key: 'alice', remoteKey: 'bob', body: Buffer.alloc(1000) });
		assert.equal(code, status.UNIMPLEMENTED);
		assert.equal((await new Peer(d, 'alice', gzip).status()).code, status.UNIMPLEMENTED);
	});

	scenario('a small gzip of 256 MB costs no such memory', async (d) => {
		const client = connect(d, { options: { 'grpc.default_compression_algorithm': 2 } });
		await send(connect(d), 'alice', 'nobody', 'warm');
		const before = d.rss();
		let peak = 0;
		const watch = setInterval(() => (peak = Math.max(peak, d.rss())), 2);
		d.after(() => clearInterval(watch));
		const { code } = await unary(client, 'Send',
			{ key: 'alice', remoteKey: 'nobody', body: Buffer.alloc(256 << 20) });
		clearInterval(watch);
		assert.notEqual(code, status.OK);
		assert.ok(peak - before < 64 << 20, `${(peak - before) >> 20} MiB more for a moment`);
	});

	scenario('100 senders to one receiver: all arrive, those of one sender in order', {
		ini: { peers: { 'mailbox-messages': 4000 } },
	}, async (d) => {
		const bob = await register(d, 'bob');
		const senders = [];
		for (let i = 0; i < 100; i++)
			senders.push(await register(d, `sender-${i}`));
		await Promise.all(senders.map(async (sender, i) => {
			for (let n = 0; n < 20; n++)
				i % 2 ? sender.push('bob', `${n}`) : await sender.send('bob', `${n}`);
		}));
		await bob.received(2000);
		for (const sender of senders) {
			const mine = bob.messages.filter((message) => message.key === sender.id);
			assert.deepEqual(mine.map((message) => Number(message.body.toString())),
				Array.from({ length: 20 }, (_, n) => n), `of ${sender.id}`);
		}
	});

	scenario('a sender that does not wait for answers gets one for each', async (d) => {
		const bob = await register(d, 'bob');
		const client = connect(d);
		await Promise.all(Array.from({ length: 200 }, (_, i) => send(client, 'alice', 'bob', `${i}`)));
		await bob.received(200);
		assert.equal(new Set(bob.bodies()).size, 200);
	});

	scenario('a Send that is cancelled harms nobody', async (d) => {
		const alice = await register(d, 'alice');
		for (let i = 0; i < 50; i++) {
			const call = alice.client.Send({ key: 'alice', remoteKey: 'alice', body: Buffer.alloc(9999) },
				new grpc.Metadata(), () => {});
			call.cancel();
		}
		await alice.send('alice', 'last');
		await until(() => alice.bodies().includes('last'), 'the last message');
	});
});
