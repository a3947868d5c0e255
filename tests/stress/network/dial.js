'use strict';
// Ways to a listener: a TCP connection, perhaps with a PROXY header, perhaps with TLS, perhaps with
// a WebSocket tunnel on top.  Whatever is on top, a client is killed by what it does to `below`,
// the TCP connection: node 20 itself crashes now and then when a TLS socket is destroyed while it
// reads or writes (ssl3_read_n under TLSWrap::ClearOut; nodejs/node pull request 62967 tells of one
// of its causes).

const net = require('node:net');
const { Duplex } = require('node:stream');
const tls = require('node:tls');
const { within } = require('../../e2e/harness');
const { open, tunnel } = require('../../e2e/ws_peers');

const V2 = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const PROXIED_AS = '192.0.2.7';

// A PROXY header, of either version, that says the client is PROXIED_AS.
function proxyHeader(chance) {
	if (chance.once(2))
		return Buffer.from(`PROXY TCP4 ${PROXIED_AS} 198.51.100.1 40000 443\r\n`);
	const tlv = chance.once(2) ? Buffer.from([4, 0, 3, 1, 2, 3]) : Buffer.alloc(0);
	const body = Buffer.concat([Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 156, 64, 1, 187]), tlv]);
	return Buffer.concat([V2, Buffer.from([0x21, 0x11, 0, body.length]), body]);
}

// The TCP connection.  It ends with the storm, and errors are told by its end alone.
function raw(w, chance, listener, { header = true } = {}) {
	const { host, port } = w.d.addresses[listener][0];
	const socket = net.connect({ host, port, noDelay: true });
	w.sockets.add(socket);
	socket.on('error', (error) => (socket.failure = error));
	socket.on('close', () => w.sockets.delete(socket));
	socket.on('connect', () => (socket.name = socket.localPort)); // as the daemon's log has it
	if (listener === 'proxied' && header)
		socket.write(proxyHeader(chance));
	return socket;
}

// What node's tls.connect() wants, by chance: version, name, ALPN, a session to resume.
function secure(w, chance) {
	const version = chance.pick(['TLSv1.2', 'TLSv1.3']);
	const servername = chance.pick(['localhost', 'other.example', '']);
	return { ca: w.ca, servername, minVersion: version, maxVersion: version,
		ALPNProtocols: chance.pick([undefined, ['h2'], ['http/1.1'], ['h2', 'http/1.1']]),
		// Without a name there is nothing to compare with.
		...(servername ? {} : { checkServerIdentity: () => undefined }),
		session: chance.once(2) ? w.sessions?.[`${version} ${servername}`] : undefined };
}

// A port of this process whose one connection is passed on, so that node's TLS never has the socket
// that is killed.
async function passage(socket) {
	const server = net.createServer((client) => {
		server.close();
		client.on('error', () => {});
		client.pipe(socket).pipe(client);
		client.on('close', () => socket.destroy());
		socket.on('close', () => socket.readableEnded ? client.destroySoon() : client.destroy());
		if (socket.destroyed)
			client.destroy();
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	return server.address().port;
}

async function overTls(w, chance, socket, options = secure(w, chance)) {
	const link = tls.connect({ ...options, host: '127.0.0.1', port: await passage(socket) });
	link.on('error', (error) => (link.failure = error));
	link.on('session', (session) =>
		((w.sessions ||= {})[`${options.minVersion} ${options.servername}`] = session));
	link.on('secureConnect', () => {
		w.count(`${link.getProtocol()}${link.isSessionReused() ? ' resumed' : ''}`);
		const serial = link.getPeerCertificate().serialNumber;
		if (serial && !link.isSessionReused())
			w.count(`certificate ${serial}`);
	});
	return link;
}

// Where a WebSocket finds its connection.
async function webSocket(w, chance, listener, encrypted) {
	const below = raw(w, chance, listener);
	const link = encrypted ? await overTls(w, chance, below) : below;
	return { below, options: { where: '127.0.0.1', secure: encrypted ? {} : undefined,
		createConnection: () => link } };
}

const nobody = { after() {} }; // the world ends what is left

// A WebSocket on `path`.
async function upgrade(w, chance, listener, path, protocols) {
	const encrypted = chance.once(2);
	const { below, options } = await webSocket(w, chance, listener, encrypted);
	return { ws: open(nobody, path, { ...options, protocols }), below,
		kind: encrypted ? 'wss' : 'ws' };
}

// A byte stream to the "h2" service of a listener.
async function dial(w, chance, listener) {
	const kind = chance.pick(['tcp', 'tls', 'tunnel ws', 'tunnel wss']);
	let stream, below;
	if (kind.startsWith('tunnel')) {
		const way = await webSocket(w, chance, listener, kind === 'tunnel wss');
		stream = tunnel(nobody, { ...way.options, cut: chance.pick([0, 0, 100, 4000]) });
		below = way.below;
		await within(stream.ws.opened, `${kind} on ${listener}`);
	} else {
		stream = below = raw(w, chance, listener);
		if (kind === 'tls')
			await secured(stream = await overTls(w, chance, below));
	}
	w.count(`${listener} ${kind}`);
	return { stream, below, kind };
}

function secured(link) {
	return within(new Promise((resolve, reject) => {
		link.on('secureConnect', resolve);
		link.on('close', () => reject(link.failure || new Error('closed in the handshake')));
	}), 'a TLS handshake');
}

// The bytes of a ClientHello.
function clientHello() {
	return new Promise((resolve) => {
		const sink = new Duplex({ read() {}, write(bytes, encoding, done) {
			resolve(bytes);
			done();
		} });
		tls.connect({ socket: sink, servername: 'localhost' }).on('error', () => {});
	});
}

module.exports = { PROXIED_AS, clientHello, dial, overTls, raw, secured, upgrade };
