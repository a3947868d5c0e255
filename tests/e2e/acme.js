'use strict';
// A certification authority that speaks ACME: Debian's Pebble with its own doubts left on (it refuses
// good nonces, delays validations, reuses authorizations), its DNS, and in front of it a proxy that
// notes every request and can misbehave.  And scenarios with a daemon that gets certificates there.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const https = require('node:https');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const tls = require('node:tls');
const certs = require('./certs');
const { BUILD, launch, named, until, withDaemon, within } = require('./harness');

const PROGRAMS = ['/usr/bin/pebble', '/usr/bin/pebble-challtestsrv'];
const EAB = { kid: 'kid-of-the-test', key: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' };
const DOUBTS = { PEBBLE_WFE_NONCEREJECT: '10', PEBBLE_VA_SLEEPTIME: '2', PEBBLE_AUTHZREUSE: '50' };

// Ports that nobody has now: below those that the kernel gives to whoever connects, and of a range
// that is this process's alone as long as it lives, since it listens on the first of it: Pebble takes
// its time until it listens, and whoever starts meanwhile would find the same ones.
const RANGE = 100;
const RANGES = 80;
let range;
let next = 0;

function listen(port) {
	return new Promise((resolve) => {
		const server = net.createServer().on('error', () => resolve(null));
		server.listen(port, '127.0.0.1', () => resolve(server));
	});
}

async function claim() {
	for (let i = 0; i < RANGES; i++) {
		const first = 11000 + (process.pid + i) % RANGES * RANGE;
		const guard = await listen(first);
		if (guard) {
			guard.unref();
			return first;
		}
	}
	throw new Error('all ranges of ports are taken');
}

async function freePort() {
	range ??= claim();
	const first = await range;
	return until(async () => {
		const port = first + 1 + next++ % (RANGE - 1);
		const server = await listen(port);
		return server && new Promise((resolve) => server.close(() => resolve(port)));
	}, 'a free port');
}

function accepts(port) {
	return new Promise((resolve) => {
		const socket = net.connect(port, '127.0.0.1', () => resolve(true));
		socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
	});
}

// { status, headers, body } of a request; body is a Buffer.
function ask(kind, options, body) {
	return within(new Promise((resolve, reject) => {
		const request = kind.request(options, (response) => {
			const parts = [];
			response.on('data', (part) => parts.push(part)).on('error', reject)
				.on('end', () => resolve({ status: response.statusCode,
					headers: response.headers, body: Buffer.concat(parts) }));
		}).on('error', reject);
		request.end(body);
	}), `${options.method || 'GET'} ${options.path}`);
}

function decode(body) {
	try {
		const { protected: head, payload } = JSON.parse(body.toString());
		const text = (part) => Buffer.from(part, 'base64url').toString();
		return { head: JSON.parse(text(head)), payload: payload ? JSON.parse(text(payload)) : null };
	} catch {
		return { head: null, payload: null };
	}
}

// The proxy.  Whatever it is told by `meddle` goes to the client instead of Pebble's answer:
// meddle(request) returns nothing (it is passed on), { status, headers, body }, 'hang' or 'cut'.
// mend(request, answer) may change what Pebble says.
class Front {
	constructor(ca) {
		this.ca = ca;
		this.requests = [];
		this.meddle = () => undefined;
		this.mend = () => {};
		this.sockets = new Set();
		this.agent = new https.Agent({ keepAlive: true, ca: ca.pki.ca, servername: 'localhost' });
	}

	async open() {
		this.server = https.createServer({ key: fs.readFileSync(this.ca.pki.server.key),
			cert: fs.readFileSync(this.ca.pki.server.crt) }, (request, response) => {
			this.serve(request, response).catch(() => response.destroy());
		});
		this.server.on('connection', (socket) => {
			this.sockets.add(socket);
			socket.on('close', () => this.sockets.delete(socket)).on('error', () => {});
		});
		await new Promise((resolve, reject) => {
			this.server.on('error', reject).listen(this.ca.port, '127.0.0.1', resolve);
		});
	}

	// As if the machine were gone.
	close() {
		this.sockets.forEach((socket) => socket.destroy());
		return new Promise((resolve) => (this.server ? this.server.close(resolve) : resolve()));
	}

	async serve(request, response) {
		const parts = [];
		for await (const part of request)
			parts.push(part);
		const body = Buffer.concat(parts);
		const noted = { method: request.method, path: request.url, at: Date.now(), ...decode(body) };
		this.requests.push(noted);
		const own = await this.meddle(noted);
		if (own === 'hang')
			return;
		if (own === 'cut') {
			request.socket.destroy();
			return;
		}
		const answer = own || await this.pass(request, body);
		if (!own)
			this.mend(noted, answer);
		noted.status = answer.status;
		response.writeHead(answer.status, answer.headers);
		response.end(answer.body);
	}

	async pass(request, body) {
		const answer = await ask(https, { agent: this.agent, host: '127.0.0.1',
			port: this.ca.pebblePort, method: request.method, path: request.url,
			headers: request.headers }, body);
		for (const name of ['connection', 'transfer-encoding', 'content-length'])
			delete answer.headers[name];
		return answer;
	}

	// What was asked for: orders, finalizations, challenges that the CA was told to look at.
	of(kind) {
		const kinds = {
			account: (r) => r.head?.jwk && r.payload && !r.payload.identifiers,
			order: (r) => r.payload?.identifiers,
			finalize: (r) => r.payload?.csr,
			challenge: (r) => r.path.includes('/chalZ/') && r.payload,
		};
		return this.requests.filter(kinds[kind]);
	}

	// Those that were not only bad nonces.
	orders() {
		return this.of('order').filter((r) => r.status === 201);
	}

	accounts() {
		return this.of('account').filter((r) => r.status === 201);
	}

	// A problem document for requests of a kind.
	refuse(kind, status, type, detail, headers = {}) {
		this.meddle = (request) => (this.of(kind).includes(request) ? {
			status, headers: { 'content-type': 'application/problem+json',
				'replay-nonce': 'bm9uY2U', ...headers },
			body: JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail }),
		} : undefined);
	}
}

class Ca {
	// eab: accounts need the EAB above.  validity: of certificates, seconds.  ports: { httpPort,
	// tlsPort } where it asks for challenges.
	static async start({ eab = false, validity, env = {}, ports } = {}) {
		const ca = new Ca();
		ca.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-acme-'));
		ca.pki = certs.simple(ca.dir);
		for (const name of ['port', 'pebblePort', 'managementPort', 'dnsPort', 'dnsManagementPort',
			'httpPort', 'tlsPort'])
			ca[name] = ports?.[name] || await freePort();
		ca.url = `https://localhost:${ca.port}/dir`;
		ca.front = new Front(ca);
		try {
			await ca.startDns();
			await ca.startPebble({ eab, validity, env });
			await ca.front.open();
			ca.root = (await ca.management('/roots/0')).body;
		} catch (error) {
			await ca.stop();
			throw error;
		}
		return ca;
	}

	// Waits until a child listens there; one that ended does not.
	async up(child, ...ports) {
		let how;
		child.ended.then((end) => (how = end));
		for (const port of ports)
			await until(async () => how || await accepts(port), `${child.spawnfile} on ${port}`);
		if (how)
			throw new Error([child.spawnfile, ...child.out, ...child.err].join('\n'));
	}

	async startDns() {
		this.dns = launch(PROGRAMS[1], ['-management', `127.0.0.1:${this.dnsManagementPort}`,
			'-dns01', `127.0.0.1:${this.dnsPort}`, '-defaultIPv6', '', '-http01', '', '-https01', '',
			'-tlsalpn01', '']);
		await this.up(this.dns, this.dnsManagementPort);
	}

	async startPebble({ eab, validity, env }) {
		const file = path.join(this.dir, 'pebble.json');
		fs.writeFileSync(file, JSON.stringify({ pebble: {
			listenAddress: `127.0.0.1:${this.pebblePort}`,
			managementListenAddress: `127.0.0.1:${this.managementPort}`,
			certificate: this.pki.server.crt,
			privateKey: this.pki.server.key,
			httpPort: this.httpPort,
			tlsPort: this.tlsPort,
			ocspResponderURL: '',
			externalAccountBindingRequired: eab,
			externalAccountMACKeys: { [EAB.kid]: EAB.key },
			...(validity ? { certificateValidityPeriod: validity } : {}),
		} }));
		this.pebble = launch(PROGRAMS[0], ['-config', file, '-dnsserver', `127.0.0.1:${this.dnsPort}`],
			{ env: { PATH: process.env.PATH, ...DOUBTS, ...env } });
		await this.up(this.pebble, this.pebblePort, this.managementPort);
	}

	management(where) {
		return ask(https, { host: '127.0.0.1', port: this.managementPort, path: where,
			ca: this.pki.ca, servername: 'localhost', agent: false });
	}

	// What challtestsrv's management is told.
	tellDns(where, words) {
		return ask(http, { host: '127.0.0.1', port: this.dnsManagementPort, path: where,
			method: 'POST', agent: false }, JSON.stringify(words));
	}

	async stop() {
		await this.front.close();
		this.front.agent.destroy();
		for (const child of [this.pebble, this.dns]) {
			child?.kill('SIGKILL');
			await child?.ended;
		}
		fs.rmSync(this.dir, { recursive: true, force: true });
	}

	// [plugin letsencrypt] for this CA; retries come quickly.
	section(dir, more = {}) {
		return { domain: 'signal.localhost', 'ssl-dir': path.join(dir, 'ssl'),
			'directory-url': this.url, 'ca-file': this.pki.crt, 'http-port': this.httpPort,
			'tls-port': this.tlsPort, 'http-address': '', 'tls-address': '', 'renew-check': '1s',
			'retry-min': '1s', 'retry-max': '4s', ...more };
	}

	// The whole configuration of a daemon that answers challenges where this CA asks.
	ini(dir, more = {}, others = {}) {
		return {
			daemon: { 'control-socket': path.join(dir, 'control.sock') },
			'listener signal': { address: `127.0.0.1:${this.httpPort}, 127.0.0.1:${this.tlsPort}` },
			'plugin letsencrypt': this.section(dir, more),
			...others,
		};
	}
}

const missing = PROGRAMS.find((program) => !fs.existsSync(program));
const skip = missing ? `no ${missing}` : false;

// A scenario with a CA and a daemon.  options: ca (for Ca.start), plugin (keys of the plugin), ini
// (other sections, or a function of the folder and the CA), env, wrap, before(ca, dir).
// body(d, ca).
function certified(name, options, body) {
	if (typeof options === 'function')
		[options, body] = [{}, options];
	const { ca: kind, plugin = {}, ini = {}, before, skip: reason, ...rest } = options;
	named(name, { ...rest, skip: skip || reason || false }, async () => {
		const ca = await Ca.start(kind);
		try {
			await before?.(ca);
			const all = (dir) => {
				const keys = typeof plugin === 'function' ? plugin(dir, ca) : plugin;
				const others = typeof ini === 'function' ? ini(dir, ca) : ini;
				return ca.ini(dir, keys, others);
			};
			await withDaemon({ ...rest, ini: all }, (d) => body(d, ca));
		} catch (error) {
			error.stack += `\n--- the CA was asked:\n${ca.front.requests.slice(-20)
				.map((r) => `${r.method} ${r.path} ${r.status}`).join('\n')}` +
				`\n--- Pebble said last:\n${[...ca.pebble.out, ...ca.pebble.err].slice(-15).join('\n')}`;
			throw error;
		} finally {
			await ca.stop();
		}
	});
}

const OBTAINED = /INFO +letsencrypt: certificate obtained/;
const TEMPORARY = /WARN +letsencrypt: a temporary certificate/;

// What a TLS client of that name is shown: { authorized, serial, issuer, names, key, protocol }.
function shown(d, { servername = 'signal.localhost', port, ca, ...more } = {}) {
	return within(new Promise((resolve, reject) => {
		const where = { host: '127.0.0.1', port: port || d.port, ca, rejectUnauthorized: false,
			ALPNProtocols: ['h2', 'http/1.1'], ...more };
		if (servername)
			where.servername = servername;
		const socket = tls.connect(where, () => {
			const cert = socket.getPeerCertificate();
			resolve({ authorized: socket.authorized, why: socket.authorizationError,
				serial: cert.serialNumber, issuer: cert.issuer.CN || '', names: cert.subjectaltname,
				ends: new Date(cert.valid_to), raw: cert.raw,
				key: cert.asn1Curve || `rsa${cert.bits}`, protocol: socket.alpnProtocol });
			socket.destroy();
		}).on('error', reject);
	}), 'a TLS handshake');
}

// The certificate is there, and clients that trust the CA trust it.
async function issued(d, ca, options = {}) {
	await d.logged(OBTAINED, options);
	const one = await shown(d, { ca: ca.root, ...options });
	assert.equal(one.authorized, true, `${one.why}: ${one.names} of ${one.issuer}`);
	return one;
}

// The daemon still serves: who asks for a health check over TLS is answered.
async function serves(d) {
	const { status } = await ask(https, { host: '127.0.0.1', port: d.port, path: '/healthz',
		rejectUnauthorized: false, agent: false });
	assert.equal(status, 200);
}

// "netbird-signal cert WORD": { code, text }.
async function cert(d, ...words) {
	const child = launch(path.join(BUILD, 'netbird-signal'), ['--config', d.file, 'cert', ...words],
		{ env: { PATH: process.env.PATH } });
	const { code } = await within(child.ended, `cert ${words}`);
	return { code, text: child.out.join('\n'), error: child.err.join('\n') };
}

// While body() runs, at least for so long, the daemon does next to nothing: no busy loop.
async function idle(d, ms = 3000) {
	const before = d.cpu();
	const end = Date.now() + ms;
	await until(() => Date.now() >= end, 'time to pass', 2 * ms);
	const used = d.cpu() - before;
	assert.ok(used < ms / 5, `${used} ms of CPU time in ${ms} ms`);
}

const lines = (d, pattern, from = 0) => d.lines().slice(from).filter((line) => pattern.test(line));

// All files below a folder: { path, mode, text }.
function files(dir) {
	return fs.readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
		const file = path.join(dir, entry.name);
		const mode = fs.statSync(file).mode & 0o777;
		return entry.isDirectory() ? [{ path: file, mode, folder: true }, ...files(file)]
			: [{ path: file, mode, text: fs.readFileSync(file, 'utf8') }];
	});
}

module.exports = { Ca, EAB, OBTAINED, TEMPORARY, ask, cert, certified, files, freePort, idle, issued,
	lines, serves, shown, skip };
