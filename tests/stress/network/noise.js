'use strict';
// Clients that do it wrong, or stop half-way; and the plain HTTP ones that do it right.

const assert = require('node:assert/strict');
const http = require('node:http');
const { until, within } = require('../../e2e/harness');
const { LIGHT, SUBPROTOCOL, TUNNEL } = require('../../e2e/ws_peers');
const { clientHello, overTls, raw, secured, upgrade } = require('./dial');

const LISTENERS = ['open', 'adopt', 'proxied'];
const junk = (chance, most) =>
	Buffer.from(Array.from({ length: 1 + chance.below(most) }, () => chance.below(256)));

const kinds = {
	async silent() {},
	async halfHello(w, chance, socket) {
		const hello = await clientHello();
		socket.write(hello.subarray(0, 1 + chance.below(hello.length)));
	},
	async mutantHello(w, chance, socket) {
		const hello = await clientHello();
		for (let flips = 1 + chance.below(5); flips > 0; flips--)
			hello[chance.below(hello.length)] = chance.below(256);
		socket.write(hello);
	},
	async helloAndJunk(w, chance, socket) {
		socket.write(Buffer.concat([await clientHello(), junk(chance, 2000)]));
	},
	async junkBelowTls(w, chance, socket) {
		const link = await overTls(w, chance, socket);
		await secured(link);
		if (chance.once(2))
			link.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n!fill 100000\n');
		socket.write(junk(chance, 2000));
		await within(new Promise((resolve) => link.on('close', resolve)), 'the end after junk');
	},
	async silentInTls(w, chance, socket) {
		await secured(await overTls(w, chance, socket));
	},
	async junkInTls(w, chance, socket) {
		const link = await overTls(w, chance, socket);
		await secured(link);
		link.write(chance.once(2) ? Buffer.from([0x16, 3, 1, 0, 5]) : junk(chance, 2000));
	},
	async junk(w, chance, socket) {
		socket.write(junk(chance, 2000));
	},
	async halfRequest(w, chance, socket) {
		const request = Buffer.from(`GET ${LIGHT} HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\n` +
			'connection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAA\r\n\r\n');
		socket.write(request.subarray(0, 1 + chance.below(request.length)));
	},
	async nobodysPath(w, chance) {
		const { ws, below } = await upgrade(w, chance, chance.pick(LISTENERS), '/nowhere');
		await until(() => ws.failure, 'the refusal of a path that is nobody\'s');
		below.destroy();
		assert.match(ws.failure.message, /404|426/);
	},
	// Frames that are not masked, have reserved bits, or claim to be huge.
	async wrongFrames(w, chance) {
		const [path, protocols] =
			chance.pick([[`${LIGHT}?peer=noise`, [SUBPROTOCOL]], [TUNNEL, undefined]]);
		const { ws, below } = await upgrade(w, chance, chance.pick(LISTENERS), path, protocols);
		await within(ws.opened, 'the upgrade before wrong frames');
		ws._socket.write(chance.pick([Buffer.from([0x82, 1, 65]), Buffer.from([0xf2, 0x80, 1, 2, 3, 4]),
			Buffer.from([0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3, 4]),
			Buffer.from([0x83, 0x80, 1, 2, 3, 4]), junk(chance, 500)]));
		await w.idle(chance, 100);
		below.destroy();
	},
};

async function noise(w, chance) {
	const kind = chance.pick(Object.keys(kinds));
	const listener = chance.pick(LISTENERS);
	const header = listener !== 'proxied' || !chance.once(3);
	const socket = raw(w, chance, listener, { header });
	try {
		await kinds[kind](w, chance, socket);
		w.count(`noise ${kind}`);
	} catch (error) {
		if (header) // without it nobody gets through the handshake, and that is right
			throw error;
		w.count('noise without header');
	}
	await w.idle(chance, 200);
	if (chance.once(2))
		socket.resetAndDestroy();
	else
		socket.destroy();
}

// The same to a daemon that may cut them off at any moment, also those that do it right.
async function impatient(w, chance) {
	const kind = chance.pick(['silent', 'halfHello', 'mutantHello', 'silentInTls', 'junkInTls',
		'halfRequest']);
	const socket = raw(w, chance, chance.pick(LISTENERS), { header: !chance.once(5) });
	await kinds[kind](w, chance, socket).catch(() => {});
	socket.resume(); // or its end would not be seen
	if (chance.once(2)) // who leaves first is left to chance
		await until(() => socket.destroyed, `the end of ${kind}`);
	else
		await w.idle(chance, 200);
	socket.destroy();
}

// --- HTTP ---------------------------------------------------------------------------------------

function get(agent, path) {
	return within(new Promise((resolve, reject) => {
		http.get({ agent, path, host: '127.0.0.1', headers: { host: 'x' } }, (answer) =>
			answer.resume().on('end', () => resolve(answer.statusCode))).on('error', reject);
	}), `GET ${path}`);
}

// Some requests on one connection.
async function probes(w, chance) {
	const encrypted = chance.once(2);
	const socket = raw(w, chance, chance.pick(LISTENERS));
	const link = encrypted ? await overTls(w, chance, socket) : socket;
	const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
	agent.createConnection = () => link;
	try {
		for (let n = 1 + chance.below(3); n > 0; n--) {
			const [path, code] = chance.pick([['/healthz', 200], ['/readyz', 200], ['/none', 404],
				[LIGHT, 426], [TUNNEL, 426]]);
			const answer = await get(agent, path);
			if (!w.over)
				assert.equal(answer, code, `GET ${path}`);
			if (link.destroyed || code !== 200)
				break; // what is refused may cost the connection
		}
		w.count(encrypted ? 'https' : 'http');
	} finally {
		socket.destroy();
	}
}

module.exports = { impatient, noise, probes };
