'use strict';
// TLS 1.3 records by hand (RFC 8446, 5.2 and 7): after a handshake by node, what no library sends.

const crypto = require('node:crypto');
const net = require('node:net');
const tls = require('node:tls');
const { within } = require('./harness');

const TYPE = { ALERT: 21, HANDSHAKE: 22, DATA: 23 };
const KEY_UPDATE = (request) => Buffer.from([24, 0, 0, 1, request ? 1 : 0]);

function expand(secret, label, length) {
	const name = Buffer.from(`tls13 ${label}`);
	const step = Buffer.concat([Buffer.from([0, length, name.length]), name, Buffer.from([0, 1])]);
	return crypto.createHmac('sha256', secret).update(step).digest().subarray(0, length);
}

// One direction's keys, and the number of the next record.
class Sealer {
	constructor(secret) {
		this.use(secret);
	}

	use(secret) {
		this.secret = secret;
		this.key = expand(secret, 'key', 16);
		this.iv = expand(secret, 'iv', 12);
		this.number = 0n;
	}

	seal(content, type) {
		const inner = Buffer.concat([content, Buffer.from([type])]);
		const head = Buffer.from([23, 3, 3, 0, 0]);
		head.writeUInt16BE(inner.length + 16, 3);
		const nonce = Buffer.from(this.iv);
		nonce.writeBigUInt64BE(nonce.readBigUInt64BE(4) ^ this.number++, 4);
		const cipher = crypto.createCipheriv('aes-128-gcm', this.key, nonce).setAAD(head);
		return Buffer.concat([head, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
	}

	data(bytes) {
		return this.seal(bytes, TYPE.DATA);
	}

	// A fatal one.
	alert(description) {
		return this.seal(Buffer.from([2, description]), TYPE.ALERT);
	}

	// A KeyUpdate; from here on the next keys.
	update(request) {
		const record = this.seal(KEY_UPDATE(request), TYPE.HANDSHAKE);
		this.use(expand(this.secret, 'traffic upd', 32));
		return record;
	}
}

// A finished handshake whose socket is ours: { below, socket, sealer, port }.  gone is set when it
// has ended, which is seen by whoever reads.
async function handshake(d) {
	const below = net.connect(d.port, '127.0.0.1').on('error', () => {});
	const socket = tls.connect({ socket: below, rejectUnauthorized: false, servername: 'localhost',
		minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' }).on('error', () => {});
	d.after(() => below.destroy());
	const one = { below, socket };
	below.on('connect', () => (one.port = below.localPort));
	below.on('close', () => (one.gone = true));
	socket.on('keylog', (line) => {
		const found = /^CLIENT_TRAFFIC_SECRET_0 \S+ (\S+)/.exec(line);
		if (found)
			one.sealer = new Sealer(Buffer.from(found[1], 'hex'));
	});
	// The ticket shows that the server has the end of the handshake, which must not be overtaken.
	await within(new Promise((resolve) => socket.on('session', resolve)), 'a ticket');
	return one;
}

module.exports = { TYPE, handshake };
