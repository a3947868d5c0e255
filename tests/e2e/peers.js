'use strict';
// gRPC clients of the signal service.  Every peer has a connection of its own.

const assert = require('node:assert/strict');
const http2 = require('node:http2');
const path = require('node:path');
const tls = require('node:tls');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const { ROOT, until, within } = require('./harness');

const ID = 'x-wiretrustee-peer-id';
const REGISTERED = 'x-wiretrustee-peer-registered';
const { status } = grpc;

function load(file) {
	return grpc.loadPackageDefinition(loader.loadSync(path.join(ROOT, 'proto', file), {
		keepCase: true, enums: String, defaults: true }));
}
const { SignalExchange } = load('signalexchange.proto').signalexchange;
const { Health } = load('health.proto').grpc.health.v1;

// The same service as bytes: what is sent and received is seen exactly.
const same = (bytes) => bytes;
const method = (name, streams) => ({ path: `/signalexchange.SignalExchange/${name}`,
	requestStream: streams, responseStream: streams, requestSerialize: same,
	requestDeserialize: same, responseSerialize: same, responseDeserialize: same });
const RawExchange = grpc.makeGenericClientConstructor({
	Send: method('Send', false), ConnectStream: method('ConnectStream', true) }, 'RawExchange');

const CHANNEL = { 'grpc.use_local_subchannel_pool': 1, 'grpc.enable_retries': 0,
	'grpc.enable_http_proxy': 0, 'grpc.max_receive_message_length': -1,
	'grpc.max_send_message_length': -1 };

// TLS, from what node's tls.connect() wants; undefined: plaintext.
function credentials(secure) {
	return secure ? grpc.credentials.createFromSecureContext(tls.createSecureContext(secure))
		: grpc.credentials.createInsecure();
}

// A client that is closed when the scenario ends.  raw: bytes instead of messages.  secure: TLS,
// { ca, servername, ... }.
function connect(d, { raw = false, target = d.target(), kind, secure, options = {} } = {}) {
	const Kind = kind || (raw ? RawExchange : SignalExchange);
	const server = secure?.servername || 'localhost';
	const name = secure && { 'grpc.ssl_target_name_override': server, 'grpc.default_authority': server };
	const client = new Kind(target, credentials(secure), { ...CHANNEL, ...name, ...options });
	d.after(() => client.close());
	return client;
}

// One unary call: { code, details, answer }.
function unary(client, name, request, metadata = new grpc.Metadata()) {
	return within(new Promise((resolve) => {
		client[name](request, metadata, (error, answer) => resolve({
			code: error ? error.code : status.OK, details: error ? error.details : '', answer }));
	}), `the answer to ${name}`);
}

// A Send that must be answered OK and empty.
async function send(client, key, remoteKey, body = '') {
	const { code, details, answer } =
		await unary(client, 'Send', { key, remoteKey, body: Buffer.from(body) });
	assert.equal(code, status.OK, details);
	assert.deepEqual([answer.key, answer.remoteKey, answer.body.length], ['', '', 0]);
}

// What a peer has got, over whatever transport; `end` is how that ended.
class Receiver {
	constructor(id) {
		this.id = id;
		this.messages = [];
	}

	// Waits for n messages in all and returns them.
	async received(n, deadline) {
		await until(() => this.messages.length >= n || this.end,
			`${n} messages for ${this.id}, which has ${this.messages.length}`, deadline);
		assert.ok(this.messages.length >= n,
			`${this.messages.length} of ${n}, then ${JSON.stringify(this.end)}`);
		return this.messages;
	}

	bodies() {
		return this.messages.map((message) => message.body.toString());
	}
}

// One ConnectStream.  id: a string, several values, or undefined for no header at all.
class Peer extends Receiver {
	constructor(d, id, options = {}) {
		super(id);
		this.client = options.client || connect(d, options);
		this.metadata = new grpc.Metadata();
		for (const value of [id].flat())
			if (value !== undefined)
				this.metadata.add(ID, value);
		this.open();
		d.after(() => this.close());
	}

	open() {
		this.call = this.client.ConnectStream(this.metadata);
		this.header = new Promise((resolve) => this.call.on('metadata', resolve));
		this.ended = new Promise((resolve) => this.call.on('status', resolve));
		this.ended.then((how) => (this.end = how));
		this.call.on('data', (message) => this.messages.push(message));
		this.call.on('error', () => {}); // comes beside the status, which says the same
	}

	// The registration header, before any message.
	async registered() {
		const first = await within(Promise.race([this.header, this.ended]), 'the registration');
		assert.ok(first instanceof grpc.Metadata, `refused: ${JSON.stringify(first)}`);
		assert.deepEqual(first.get(REGISTERED), ['1']);
		return this;
	}

	async status(deadline) {
		const { code, details } = await within(this.ended, `the end of ${this.id}`, deadline);
		return { code, details };
	}

	// Unary, and on the stream.
	send(remoteKey, body) {
		return send(this.client, this.id, remoteKey, body);
	}
	push(remoteKey, body) {
		this.call.write({ key: this.id, remoteKey, body: Buffer.from(body) });
	}

	close() {
		this.call.cancel();
		this.client.close();
	}
}

async function register(d, id, options) {
	return new Peer(d, id, options).registered();
}

// A session of node's own HTTP/2, for what a gRPC library would not do.
async function session(d) {
	const opened = http2.connect(`http://${d.target()}`);
	d.after(() => opened.destroy());
	opened.on('error', () => {}); // what matters is whether it ends
	await within(new Promise((resolve) => opened.on('remoteSettings', resolve)), 'SETTINGS');
	return opened;
}

// A request on it; its end is the event close.
function post(opened, path, fields = {}) {
	const stream = opened.request({ ':method': 'POST', ':path': path, te: 'trailers',
		'content-type': 'application/grpc', ...fields });
	stream.on('error', () => {});
	return stream;
}

module.exports = { Health, ID, Peer, REGISTERED, Receiver, SignalExchange, connect, grpc, post,
	register, send, session, status, unary };
