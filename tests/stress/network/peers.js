'use strict';
// Peers that come, exchange messages and go: over WebSocket and, where the daemon has that plugin,
// over gRPC.  They share few ids, so they replace each other all the time.

const assert = require('node:assert/strict');
const { until } = require('../../e2e/harness');
const { Peer, status } = require('../../e2e/peers');
const { LIGHT, SUBPROTOCOL, decode, encode } = require('../../e2e/ws_peers');
const { upgrade } = require('./dial');

const IDS = Array.from({ length: 16 }, (_, i) => `peer-${i}`);
const BIG = 600_000;
const REPLACED = 4409; // the only end that is not the client's own

let lives = 0; // of senders; no two have the same number

function body(life, number, size) {
	return Buffer.from(`${life} ${number} ${size} ${'x'.repeat(size)}`);
}

// What one lease receives: whole messages, of each sender in the order in which it sent them.
class Inbox {
	constructor(w, id, kind) {
		Object.assign(this, { w, id, kind, last: new Map(), own: 0 });
	}

	take({ key, remoteKey, body }) {
		const [life, number, size] = body.toString('latin1', 0, 60).split(' ', 3).map(Number);
		assert.equal(remoteKey, this.id, 'a message for somebody else');
		assert.equal(body.length, `${life} ${number} ${size} `.length + size, 'a message cut short');
		assert.ok(number > (this.last.get(life) ?? -1),
			`${key} -> ${remoteKey}: ${number} of life ${life} after ${this.last.get(life)}`);
		this.last.set(life, number);
		this.w.count(`received ${this.kind}`);
	}
}

// Sends to others, and at last to itself; that must return unless somebody took the id over.
async function exchange(w, chance, { id, inbox, send, ended }) {
	const life = ++lives;
	let number = 0;
	for (let n = chance.below(20); n > 0 && !ended(); n--) {
		const size = chance.once(40) ? BIG : chance.below(chance.once(4) ? 30_000 : 500);
		await send({ key: id, remoteKey: chance.pick(IDS), body: body(life, number++, size) });
		if (chance.once(4))
			await w.idle(chance, 20);
	}
	await send({ key: id, remoteKey: id, body: body(life, number, 10) });
	await until(() => inbox.last.get(life) === number || ended(), `its own message for ${id}`);
	w.count(ended() ? `${inbox.kind} replaced` : `${inbox.kind} probed`);
}

// --- over WebSocket -----------------------------------------------------------------------------

const leave = {
	close: (ws) => ws.close(1000),
	vanish: (ws, below) => below.destroy(),
	reset: (ws, below) => below.resetAndDestroy(),
	half: (ws, below) => below.end(),
};

async function light(w, chance) {
	const id = chance.pick(IDS);
	const listener = chance.pick(['open', 'adopt', 'proxied']);
	const { ws, below, kind } =
		await upgrade(w, chance, listener, `${LIGHT}?peer=${id}`, [SUBPROTOCOL]);
	const inbox = new Inbox(w, id, kind);
	const texts = [];
	let fault;
	ws.on('message', (bytes, binary) => {
		try {
			if (binary)
				inbox.take(decode(bytes));
			else
				texts.push(bytes.toString());
		} catch (error) {
			fault ||= error;
		}
	});
	const ended = () => fault || ws.end;
	const send = (message) => new Promise((resolve) => ws.send(encode(message), () => resolve()));
	try {
		await until(() => texts.length > 0 || ended() || ws.failure, `${id} registered`);
		if (ws.failure)
			throw ws.failure;
		if (!ended())
			await exchange(w, chance, { id, inbox, send, ended });
		if (fault)
			throw fault;
		assert.equal(ws.end?.code ?? REPLACED, REPLACED, JSON.stringify(ws.end));
		const how = chance.pick(Object.keys(leave));
		leave[how](ws, below);
		w.count(`light ${how}`);
		await until(() => ws.end, `the end of ${id}`);
	} catch (error) {
		error.message += ` (${kind} on ${listener}, port ${below.name})`;
		throw error;
	} finally {
		below.destroy();
	}
}

// --- over gRPC ----------------------------------------------------------------------------------

async function grpc(w, chance) {
	const id = chance.pick(IDS);
	const secure = chance.once(2) ? { ca: w.ca, servername: 'localhost' } : undefined;
	const inbox = new Inbox(w, id, secure ? 'grpcs' : 'grpc');
	const peer = new Peer({ after() {} }, id, { target: w.d.target('grpc'), secure });
	let fault;
	peer.call.on('data', (message) => {
		peer.messages.length = 0;
		try {
			inbox.take(message);
		} catch (error) {
			fault ||= error;
		}
	});
	const ended = () => fault || peer.end;
	const send = (message) => new Promise((resolve) => peer.client.Send(message, (error) => {
		fault ||= error;
		resolve();
	}));
	try {
		await Promise.race([peer.header, peer.ended]);
		if (!ended())
			await exchange(w, chance, { id, inbox, send, ended });
		if (fault)
			throw fault;
		if (peer.end) // by another with its id
			assert.deepEqual([peer.end.code, peer.end.details],
				[status.UNKNOWN, 'peer registered again']);
	} finally {
		peer.close();
	}
}

module.exports = { grpc, light };
