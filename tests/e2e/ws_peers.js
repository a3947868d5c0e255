'use strict';
// Clients over WebSocket.  Light: a peer of /signal/ws, used like Peer of peers.js.  tunnel(): the
// inside of /ws-proxy/signal as a Duplex, for http2.connect()'s createConnection; relay(): the same
// as a local port, for clients that want to connect() by themselves, such as grpc-js.
//
// Everywhere `secure` is what node's tls.connect() wants ({ ca, servername }) and makes it wss;
// `where` is "host:port", the daemon's by default.

const assert = require('node:assert/strict');
const http2 = require('node:http2');
const net = require('node:net');
const { Duplex } = require('node:stream');
const WebSocket = require('ws');
const { DEADLINE, until, within } = require('./harness');
const { ID, Peer, Receiver, SignalExchange } = require('./peers');

const LIGHT = '/signal/ws';
const TUNNEL = '/ws-proxy/signal';
const SUBPROTOCOL = 'netbird-signal.v1';
const { requestSerialize: encode, requestDeserialize: decode } = SignalExchange.service.Send;

// A WebSocket that is ended with the scenario.  ws.failure is the error if it did not open.
function open(d, path, { secure, where = d.target(), protocols = [], headers, ...options } = {}) {
	const host = secure?.servername && { host: secure.servername };
	const ws = new WebSocket(`${secure ? 'wss' : 'ws'}://${where}${path}`, protocols,
		{ perMessageDeflate: false, handshakeTimeout: DEADLINE, headers: { ...host, ...headers },
			...secure, ...options });
	ws.opened = new Promise((resolve, reject) => ws.on('open', resolve).on('error', reject));
	ws.opened.catch(() => {}); // for whoever waits for it; the rest looks at `ended`
	ws.on('error', (error) => (ws.failure = error));
	ws.ended = new Promise((resolve) => ws.on('close', (code, reason) =>
		resolve({ code, reason: reason.toString() })));
	ws.ended.then((how) => (ws.end = how));
	d.after(() => ws.terminate());
	return ws;
}

// A peer of the light transport.  id undefined: none is said.  header: said in a header instead
// of the query.
class Light extends Receiver {
	constructor(d, id, { header = false, path = LIGHT, headers = {}, ...options } = {}) {
		super(id);
		this.texts = [];
		const query = header || id === undefined ? '' : `?peer=${encodeURIComponent(id)}`;
		this.ws = open(d, path + query, { protocols: [SUBPROTOCOL],
			headers: header ? { [ID]: id, ...headers } : headers, ...options });
		this.ended = this.ws.ended;
		this.ws.on('message', (bytes, binary) => binary
			? this.messages.push(decode(bytes)) : this.texts.push(bytes.toString()));
	}

	get end() {
		return this.ws.end;
	}

	// The text frame that says so, before any message.
	async registered() {
		await until(() => this.texts.length || this.end, `the registration of ${this.id}`);
		assert.ok(this.texts.length,
			`refused: ${JSON.stringify(this.end)} ${this.ws.failure?.message ?? ''}`);
		assert.equal(this.ws.protocol, SUBPROTOCOL);
		return this;
	}

	// Resolves when the kernel has taken it; nothing answers.
	send(remoteKey, body) {
		return new Promise((resolve, reject) => this.ws.send(
			encode({ key: this.id, remoteKey, body: Buffer.from(body) }),
			(error) => error ? reject(error) : resolve()));
	}
	push(remoteKey, body) {
		this.send(remoteKey, body).catch(() => {}); // `end` says why
	}

	// { code, reason } of the close.
	status(deadline) {
		return within(this.ended, `the end of ${this.id}`, deadline);
	}

	close() {
		this.ws.close(1000);
	}
}

async function light(d, id, options) {
	return new Light(d, id, options).registered();
}

// Bytes inside binary frames.  cut: the most that one frame carries; 0: as they are written.
class Tunnel extends Duplex {
	constructor(ws, cut = 0) {
		super();
		this.ws = ws;
		this.cut = cut;
		ws.on('message', (bytes) => this.push(bytes) || ws.pause());
		ws.ended.then(() => this.push(null) || this.destroy());
	}

	_read() {
		if (this.ws.isPaused)
			this.ws.resume();
	}

	_write(bytes, encoding, done) {
		this.ws.opened.then(() => {
			const size = this.cut || bytes.length;
			let at = 0;
			for (; at + size < bytes.length; at += size)
				this.ws.send(bytes.subarray(at, at + size));
			this.ws.send(bytes.subarray(at), done);
		}).catch(done);
	}

	_final(done) {
		this.ws.close(1000);
		done();
	}

	_destroy(error, done) {
		this.ws.terminate();
		done(error);
	}
}

function tunnel(d, { cut, path = TUNNEL, ...options } = {}) {
	const duplex = new Tunnel(open(d, path, options), cut);
	duplex.on('error', () => {}); // what matters is that it ends
	return duplex;
}

// Node's own HTTP/2 client inside the tunnel.
async function tunnelSession(d, options) {
	const duplex = tunnel(d, options);
	const session = http2.connect('http://localhost', { createConnection: () => duplex });
	session.on('error', () => {});
	d.after(() => session.destroy());
	await within(new Promise((resolve) => session.on('remoteSettings', resolve)), 'SETTINGS');
	return session;
}

// A port of this process each of whose connections goes through a tunnel of its own.
async function relay(d, options) {
	const server = net.createServer((socket) => {
		const duplex = tunnel(d, options);
		socket.on('error', () => {});
		socket.on('close', () => duplex.destroy());
		duplex.on('close', () => socket.destroy());
		socket.pipe(duplex).pipe(socket);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	d.after(() => server.close());
	return `127.0.0.1:${server.address().port}`;
}

// A grpc-js peer whose connection is inside the tunnel.
async function tunnelled(d, id, options) {
	return new Peer(d, id, { target: await relay(d, options) }).registered();
}

module.exports = { LIGHT, Light, SUBPROTOCOL, TUNNEL, decode, encode, light, open, relay, tunnel,
	tunnelSession, tunnelled };
