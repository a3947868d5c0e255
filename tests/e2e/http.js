'use strict';
// HTTP/1.1 by hand: requests that no library would send, and answers as they came.

const path = require('node:path');
const { BUILD, until } = require('./harness');
const { Socket } = require('./h2');

// The test plugin with routes and WebSocket paths, on a listener of each class.
const WEB = {
	'listener admin': { address: '127.0.0.1:0', class: 'admin' },
	'plugin grpc': null,
	'plugin web': { file: path.join(BUILD, 'tests/plugin/web.so') },
};

// One answer from the front of the bytes, or undefined while it is not whole.
function parse(bytes, head) {
	const end = bytes.indexOf('\r\n\r\n');
	if (end < 0)
		return undefined;
	const [first, ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n');
	const headers = {};
	for (const line of lines) {
		const colon = line.indexOf(':');
		headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
	}
	const status = Number(first.split(' ')[1]);
	const bodyless = head || status < 200 || status === 204;
	const size = bodyless ? 0 : Number(headers['content-length'] || 0);
	if (bytes.length < end + 4 + size)
		return undefined;
	return { status, headers, body: bytes.subarray(end + 4, end + 4 + size).toString('latin1'),
		size: end + 4 + size, first };
}

class Http extends Socket {
	// The next answer; undefined if the connection ends first.
	async answer({ head = false, deadline } = {}) {
		let found;
		await until(() => (found = parse(this.bytes, head)) || this.gone, 'an answer', deadline);
		found ||= parse(this.bytes, head);
		if (found)
			this.bytes = this.bytes.subarray(found.size);
		return found;
	}

	async ask(text, options) {
		await this.write(Buffer.from(text, 'latin1'));
		return this.answer(options);
	}

	end() {
		return until(() => this.gone, 'the end of the connection');
	}
}

function get(target, more = '', method = 'GET') {
	return `${method} ${target} HTTP/1.1\r\nHost: test\r\n${more}\r\n`;
}

function post(target, body, more = '', method = 'POST') {
	return get(target, `Content-Length: ${body.length}\r\n${more}`, method) + body;
}

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
function upgrade(target, { version = '13', key = KEY, connection = 'Upgrade',
	upgrade: to = 'websocket', more = '' } = {}) {
	return get(target, `Upgrade: ${to}\r\nConnection: ${connection}\r\n` +
		(version === null ? '' : `Sec-WebSocket-Version: ${version}\r\n`) +
		(key === null ? '' : `Sec-WebSocket-Key: ${key}\r\n`) + more);
}

// Asks on a connection of its own.
async function once(d, text, { listener = 'signal', ...options } = {}) {
	const client = new Http(d, { port: d.addresses[listener][0].port });
	const found = await client.ask(text, options);
	await client.destroy();
	return found;
}

module.exports = { Http, KEY, WEB, get, once, post, upgrade };
