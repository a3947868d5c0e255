'use strict';
// All nine pairs of {gRPC, tunnel, light} as sender and receiver, in plaintext and over TLS: they
// share one registry, so nobody needs to know how the other is connected.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const { describe } = require('node:test');
const { scenario } = require('./harness');
const certs = require('./certs');
const { register } = require('./peers');
const { light, tunnelled } = require('./ws_peers');

const ROSENPASS = 524160;
const KINDS = { gRPC: register, tunnel: tunnelled, light };

// Small, empty and large, sent one after the other; on the stream where there is a choice.
const BODIES = [Buffer.from('hello'), Buffer.alloc(0), crypto.randomBytes(ROSENPASS),
	crypto.randomBytes(3000), Buffer.from('last')];

async function exchange(sender, receiver) {
	for (const body of BODIES)
		await sender.send(receiver.id, body);
	for (const body of BODIES)
		sender.push(receiver.id, body);
	const got = await receiver.received(2 * BODIES.length);
	assert.equal(got.length, 2 * BODIES.length);
	const same = (messages) => messages.forEach((message, i) => {
		assert.deepEqual([message.key, message.remoteKey], [sender.id, receiver.id]);
		assert.ok(Buffer.from(message.body).equals(BODIES[i]), `message ${i}`);
	});
	same(got.slice(0, BODIES.length));
	same(got.slice(BODIES.length));
	assert.equal(sender.messages.length, 0);
}

describe('pairs', { concurrency: 4 }, () => {
	for (const [mode, secured] of [['plaintext', false], ['TLS', true]])
		for (const [from, makeSender] of Object.entries(KINDS))
			for (const [to, makeReceiver] of Object.entries(KINDS)) {
				let secure;
				const ini = (dir) => {
					const pki = secured && certs.simple(dir);
					secure = pki ? { ca: pki.ca, servername: 'localhost' } : undefined;
					return { ...pki.ini, 'plugin websocket': {},
						'listener signal': { tls: secured ? 'required' : 'off' } };
				};
				scenario(`${from} to ${to}, ${mode}`, { ini }, async (d) => {
					const sender = await makeSender(d, 'sender', { secure });
					const receiver = await makeReceiver(d, 'receiver', { secure });
					await exchange(sender, receiver);
					await d.metricIs('active_peers', 2);
					sender.close();
					await d.metricIs('active_peers', 1);
				});
			}

	scenario('an id moves from one transport to the next: the newest has it', {
		ini: { 'plugin websocket': {} },
	}, async (d) => {
		const sender = await register(d, 'sender');
		let n = 0;
		let before;
		for (const make of [register, light, tunnelled, light, register]) {
			const now = await make(d, 'alice');
			if (before)
				await before.status();
			await sender.send('alice', `${++n}`);
			await now.received(1);
			assert.deepEqual(now.bodies(), [`${n}`]);
			await d.metricIs('active_peers', 2);
			before = now;
		}
	});
});
