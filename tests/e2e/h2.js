'use strict';
// HTTP/2 by hand (RFC 9113): frames that no library would send, and a reader that can stop.

const assert = require('node:assert/strict');
const net = require('node:net');
const tls = require('node:tls');
const { until } = require('./harness');
const { ID } = require('./peers');

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const TYPE = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7,
	WINDOW_UPDATE: 8, CONTINUATION: 9 };
const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4 };
const SETTING = { INITIAL_WINDOW_SIZE: 4 };
const METHOD = { Send: '/signalexchange.SignalExchange/Send',
	ConnectStream: '/signalexchange.SignalExchange/ConnectStream' };

function frame(type, flags, stream, payload = Buffer.alloc(0)) {
	const head = Buffer.alloc(9);
	head.writeUIntBE(payload.length, 0, 3);
	head[3] = type;
	head[4] = flags;
	head.writeUInt32BE(stream, 5);
	return Buffer.concat([head, payload]);
}

function u32(value) {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes;
}

function settings(values = {}) {
	const parts = Object.entries(values).map(([id, value]) =>
		Buffer.concat([Buffer.from([0, Number(id)]), u32(value)]));
	return frame(TYPE.SETTINGS, 0, 0, Buffer.concat(parts));
}

// HPACK: literals without indexing and without Huffman, so that no state is kept.
function hpackText(text) {
	const bytes = Buffer.from(text);
	if (bytes.length < 127)
		return Buffer.concat([Buffer.from([bytes.length]), bytes]);
	const size = [127];
	let rest = bytes.length - 127;
	for (; rest >= 128; rest >>= 7)
		size.push((rest & 127) | 128);
	return Buffer.concat([Buffer.from([...size, rest]), bytes]);
}

function hpack(fields) {
	return Buffer.concat(fields.flatMap(([name, value]) =>
		[Buffer.from([0]), hpackText(name), hpackText(value)]));
}

function request(path, more = []) {
	return hpack([[':method', 'POST'], [':scheme', 'http'], [':path', path],
		[':authority', 'localhost'], ['content-type', 'application/grpc'], ['te', 'trailers'], ...more]);
}

function headers(stream, block, flags = FLAG.END_HEADERS) {
	return frame(TYPE.HEADERS, flags, stream, block);
}

// A gRPC message in its five-byte frame.
function message(bytes) {
	return Buffer.concat([Buffer.from([0]), u32(bytes.length), bytes]);
}

function data(stream, payload, end = false) {
	return frame(TYPE.DATA, end ? FLAG.END_STREAM : 0, stream, payload);
}

// A plain TCP client that notes what comes and when it ends.  secure: TLS, with these options of
// tls.connect(); bytes are then those inside it.
class Socket {
	constructor(d, { port = d.port, host = '127.0.0.1', localAddress, secure } = {}) {
		this.bytes = Buffer.alloc(0);
		const where = { port, host, localAddress, noDelay: true };
		this.socket = secure ? tls.connect({ ...where, ...secure }) : net.connect(where);
		this.connected = new Promise((resolve) => // or refused; then `error` says so
			this.socket.on('connect', resolve).on('close', resolve));
		this.socket.on('error', (error) => (this.error = error));
		this.closed = new Promise((resolve) => this.socket.on('close', resolve));
		this.closed.then(() => (this.gone = true));
		// The other side's end ends this side too, but for allowHalfOpen, which is off.
		this.socket.on('data', (bytes) => this.read(bytes));
		d.after(() => this.destroy());
	}

	read(bytes) {
		this.bytes = Buffer.concat([this.bytes, bytes]);
	}

	// Resolves when the kernel has taken everything or the connection has ended.
	write(...parts) {
		return new Promise((resolve) => {
			if (this.gone || this.socket.destroyed)
				return resolve(false);
			this.closed.then(() => resolve(false));
			this.socket.write(Buffer.concat(parts), (error) => resolve(!error));
		});
	}

	destroy() {
		this.socket.destroy();
		return this.closed;
	}
}

// Waits until text like that has come, and takes it and what was before it from the bytes.
async function hears(one, pattern) {
	const text = () => one.bytes.toString('latin1');
	await until(() => pattern.test(text()) || one.gone, `${pattern}`);
	const found = pattern.exec(text());
	assert.ok(found, `${pattern} in ${text().slice(0, 200)}`);
	one.bytes = one.bytes.subarray(found.index + found[0].length);
	return found;
}

// An HTTP/2 client.  values: its SETTINGS.  It acknowledges SETTINGS and PING, and never opens a
// window unless window() is called.
class Http2 extends Socket {
	constructor(d, { values = {}, preface = true, ...where } = {}) {
		super(d, where);
		this.frames = [];
		if (preface)
			this.write(PREFACE, settings(values));
	}

	read(bytes) {
		super.read(bytes);
		while (this.bytes.length >= 9 && this.bytes.length >= 9 + this.bytes.readUIntBE(0, 3)) {
			const size = this.bytes.readUIntBE(0, 3);
			const got = { type: this.bytes[3], flags: this.bytes[4],
				stream: this.bytes.readUInt32BE(5), payload: this.bytes.subarray(9, 9 + size) };
			this.bytes = this.bytes.subarray(9 + size);
			this.frames.push(got);
			this.answer(got);
		}
	}

	answer({ type, flags, payload }) {
		if (type === TYPE.SETTINGS && !(flags & FLAG.ACK))
			this.write(frame(TYPE.SETTINGS, FLAG.ACK, 0));
		if (type === TYPE.PING && !(flags & FLAG.ACK))
			this.write(frame(TYPE.PING, FLAG.ACK, 0, payload));
	}

	seen(type, stream, flags = 0) {
		return this.frames.find((f) => f.type === type && (f.flags & flags) === flags &&
			(stream === undefined || f.stream === stream));
	}

	// The server's SETTINGS: it serves this connection.
	async served(deadline) {
		await until(() => this.seen(TYPE.SETTINGS) || this.gone, 'SETTINGS', deadline);
		if (!this.seen(TYPE.SETTINGS))
			throw new Error('closed before SETTINGS');
		return this;
	}

	// Waits until something came on the stream: for ConnectStream its initial metadata.
	async opened(stream, deadline) {
		await until(() => this.seen(TYPE.HEADERS, stream), `headers on stream ${stream}`, deadline);
		return this;
	}

	register(id, stream = 1) {
		return this.write(headers(stream, request(METHOD.ConnectStream, [[ID, id]])));
	}

	window(stream, size) {
		return this.write(frame(TYPE.WINDOW_UPDATE, 0, stream, u32(size)));
	}

	// Whether the server has ended the stream or the connection.
	ended(stream) {
		return this.gone || this.seen(TYPE.RST_STREAM, stream) ||
			this.seen(TYPE.HEADERS, stream, FLAG.END_STREAM);
	}
}

module.exports = { FLAG, Http2, METHOD, PREFACE, SETTING, Socket, TYPE, data, frame, headers, hears,
	hpack, message, request, settings, u32 };
