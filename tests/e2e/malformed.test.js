'use strict';
// Bytes that are no EncryptedMessage, methods that do not exist, requests that are no gRPC.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const { scenario, until } = require('./harness');
const { connect, grpc, post, register, send, session, status, unary } = require('./peers');
const { FLAG, Http2, METHOD, TYPE, data, frame, headers, message, request } = require('./h2');
const { LEN, VARINT, encrypted, field, tag, varint } = require('./wire');

const GOOD = encrypted('alice', 'bob', 'body');
const MALFORMED = {
	'a body cut short': GOOD.subarray(0, GOOD.length - 1),
	'a length beyond the end': Buffer.concat([tag(4, LEN), varint(1000), Buffer.from('x')]),
	'a length of 2^63': Buffer.concat([tag(4, LEN), Buffer.from('80808080808080808001', 'hex')]),
	'a tag cut short': Buffer.concat([GOOD, Buffer.from([0x80])]),
	'a varint of eleven bytes': Buffer.concat([tag(9, VARINT), Buffer.alloc(10, 0xff), Buffer.from([1])]),
	'a key that is not UTF-8': Buffer.concat([field(2, Buffer.from([0xff, 0xfe])), field(3, 'bob')]),
	'a remoteKey that is not UTF-8': field(3, Buffer.from([0x62, 0xc3])),
	'a remoteKey of a wrong wire type': Buffer.concat([tag(3, VARINT), varint(7)]),
	'a body of a wrong wire type': Buffer.concat([field(3, 'bob'), tag(4, VARINT), varint(7)]),
	'field number 0': Buffer.concat([GOOD, Buffer.from([0x02, 0x00])]),
	'wire type 7': Buffer.concat([GOOD, Buffer.from([0x0f])]),
	'a group that ends before it began': Buffer.concat([GOOD, Buffer.from([0x0c])]),
	'text': Buffer.from('GET / HTTP/1.1\r\n\r\n'),
};

// A request by node's own HTTP/2: { fields, trailers, rst }.
async function ask(d, path, { fields = {}, body = message(GOOD) } = {}) {
	const stream = post(await session(d), path, fields);
	const got = {};
	stream.on('response', (value) => (got.fields = value));
	stream.on('trailers', (value) => (got.trailers = value));
	stream.on('close', () => (got.closed = true));
	stream.resume().end(body);
	got.grpcStatus = () => {
		const found = got.trailers?.['grpc-status'] ?? got.fields?.['grpc-status'];
		return found === undefined ? undefined : Number(found);
	};
	return until(() => got.closed && got, `the answer on ${path}`);
}

async function unimplemented(d, path) {
	const got = await ask(d, path);
	assert.equal(got.grpcStatus(), status.UNIMPLEMENTED, JSON.stringify(got));
}

describe('malformed', { concurrency: 4 }, () => {
	scenario('Send of bytes that are no EncryptedMessage: INTERNAL', async (d) => {
		const bob = await register(d, 'bob', { raw: true });
		for (const [what, bytes] of Object.entries(MALFORMED)) {
			const { code } = await unary(bob.client, 'Send', bytes);
			assert.equal(code, status.INTERNAL, what);
		}
		await d.metricIs('messages_refused_total', Object.keys(MALFORMED).length, { reason: 'malformed' });
		await unary(bob.client, 'Send', GOOD);
		await bob.received(1);
		assert.ok(bob.messages[0].equals(GOOD), 'only the good one came');
	});

	scenario('such bytes on a stream end it with INTERNAL', async (d) => {
		for (const [what, bytes] of Object.entries(MALFORMED)) {
			const bob = await register(d, 'bob', { raw: true });
			bob.call.write(bytes);
			assert.equal((await bob.status()).code, status.INTERNAL, what);
			await d.metricIs('active_peers', 0); // or the next one would replace it
		}
	});

	scenario('an unknown method: UNIMPLEMENTED',
		(d) => unimplemented(d, '/signalexchange.SignalExchange/Nothing'));
	scenario('an unknown service: UNIMPLEMENTED', (d) => unimplemented(d, '/other.Service/Send'));
	scenario('a path that is no method: UNIMPLEMENTED', (d) => unimplemented(d, '/'));
	scenario('a method of another case: UNIMPLEMENTED',
		(d) => unimplemented(d, '/signalexchange.SignalExchange/send'));
	scenario('unknown methods by the hundred do not wear out', async (d) => {
		const Kind = grpc.makeGenericClientConstructor({ Nothing: { path: '/x.Y/Nothing',
			requestStream: false, responseStream: false, requestSerialize: (b) => b,
			requestDeserialize: (b) => b, responseSerialize: (b) => b,
			responseDeserialize: (b) => b } }, 'Nothing');
		const client = connect(d, { kind: Kind });
		const codes = await Promise.all(Array.from({ length: 300 }, async () =>
			(await unary(client, 'Nothing', Buffer.from('x'))).code));
		assert.deepEqual([...new Set(codes)], [status.UNIMPLEMENTED]);
		await d.metricIs('grpc_unimplemented_total', 300);
	});

	scenario('GET of a path by HTTP/2 is answered and harms nobody', async (d) => {
		await ask(d, '/healthz', { fields: { ':method': 'GET' }, body: Buffer.alloc(0) });
		await send(connect(d), 'a', 'b');
	});

	scenario('a Send without a message, with two, and with half a frame', async (d) => {
		const path = METHOD.Send;
		const none = await ask(d, path, { body: Buffer.alloc(0) });
		assert.notEqual(none.grpcStatus(), status.OK);
		const half = await ask(d, path, { body: message(GOOD).subarray(0, 9) });
		assert.notEqual(half.grpcStatus(), status.OK);
		await ask(d, path, { body: Buffer.concat([message(GOOD), message(GOOD)]) });
		await send(connect(d), 'a', 'b');
	});

	scenario('a frame that says 4 GB and ends at once', async (d) => {
		const got = await ask(d, METHOD.Send, { body: Buffer.from('00ffffffff00', 'hex') });
		assert.ok([status.RESOURCE_EXHAUSTED, status.INTERNAL].includes(got.grpcStatus()),
			JSON.stringify(got));
	});

	scenario('a frame that says it is compressed, in no encoding and in one nobody knows', async (d) => {
		const body = message(GOOD);
		body[0] = 1;
		await ask(d, METHOD.Send, { body });
		await ask(d, METHOD.Send, { body, fields: { 'grpc-encoding': 'snappy' } });
		await send(connect(d), 'a', 'b');
	});

	scenario('another content type harms nobody', async (d) => {
		await ask(d, METHOD.Send, { fields: { 'content-type': 'text/html' } });
		await send(connect(d), 'a', 'b');
	});

	scenario('metadata of 64 KB is refused, the next request is served', async (d) => {
		const alice = await register(d, 'alice');
		const raw = new Http2(d);
		await raw.served();
		// To alice: she would have it if the request were served.
		const big = request(METHOD.Send, [['x-big', 'b'.repeat(60000)]]);
		const parts = [];
		for (let at = 0; at < big.length; at += 16384)
			parts.push(big.subarray(at, at + 16384));
		await raw.write(headers(1, parts[0], 0), ...parts.slice(1).map((part, i) => frame(
			TYPE.CONTINUATION, i === parts.length - 2 ? FLAG.END_HEADERS : 0, 1, part)));
		await raw.write(data(1, message(encrypted('x', 'alice', 'refused')), true));
		await until(() => raw.ended(1) || raw.seen(TYPE.GOAWAY), 'the end of the request');
		await alice.send('alice', 'still served');
		await alice.received(1);
		assert.deepEqual(alice.bodies(), ['still served']);
	});

	scenario('an id with bytes that no header may have breaks no log line', {
		ini: { daemon: { 'log-level': 'debug' } },
	}, async (d) => {
		const raw = new Http2(d);
		await raw.register('al\n2026 ERROR\u001b[31m\u00ff');
		await until(() => raw.seen(TYPE.HEADERS, 1) || raw.ended(1) || raw.seen(TYPE.GOAWAY), 'an answer');
		await raw.destroy();
		await d.metricIs('active_peers', 0);
		await register(d, 'alice');
		const line = /^[\dT:.Z-]{24} (ERROR|WARN |INFO |DEBUG) [a-z]+: [\x20-\x7e]*$/;
		assert.deepEqual(d.lines().filter((text) => text && !line.test(text)), []);
	});

	scenario('a broken frame ends its connection, and only that', async (d) => {
		const alice = await register(d, 'alice');
		const raw = new Http2(d);
		await raw.served();
		await raw.write(Buffer.alloc(64, 0xff));
		await until(() => raw.gone || raw.seen(TYPE.GOAWAY), 'the end of the connection');
		await alice.send('alice', 'x');
		await alice.received(1);
	});
});
