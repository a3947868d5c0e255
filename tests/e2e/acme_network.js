'use strict';
// Scenes for --letsencrypt-domain on the ports that it has by default.  Runs as
// `unshare -rn node acme_network.js SCENE`, as network.js does: 80 and 443 are nobody's there.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const http = require('node:http');
const net = require('node:net');
const path = require('node:path');
const { until, withDaemon } = require('./harness');
const { Ca, OBTAINED, TEMPORARY, ask, cert, issued, lines, serves } = require('./acme');
const { register } = require('./peers');

const DOMAIN = 'signal.localhost';

// The daemon with these words behind all others.
const flags = (...words) => ['sh', '-c', `exec "$@" ${words.join(' ')}`, 'sh'];
const flagged = flags('--letsencrypt-domain', DOMAIN, '--letsencrypt-email', 'admin@example.org',
	'--ssl-dir', '$4.ssl');

const place = (d, listener) => d.addresses[listener]?.map(({ port }) => port);

async function withCa(body) {
	const ca = await Ca.start({ ports: { httpPort: 80, tlsPort: 443 } });
	try {
		await body(ca);
	} finally {
		await ca.stop();
	}
}

const base = (dir, more) => ({ daemon: { 'control-socket': path.join(dir, 'control.sock') }, ...more });
// The flag turns the plugin on and gives the names; only the CA is another.
const to = (ca) => (dir) => base(dir,
	{ 'plugin letsencrypt': { 'directory-url': ca.url, 'ca-file': ca.pki.crt, 'retry-min': '1s' } });

const scenes = {
	alone: () => withDaemon({ ini: base, wrap: flagged }, async (d) => {
		assert.deepEqual(place(d, 'acme-http'), [80]);
		assert.deepEqual(place(d, 'acme-tls'), [443]);
		assert.equal(lines(d, TEMPORARY).length, 1);
		const line = await d.logged(/ERROR +letsencrypt: no certificate: .*kind=network/);
		assert.match(line, /acme-v02\.api\.letsencrypt\.org/);
		d.port = 443;
		await serves(d);
		assert.match((await cert(d, 'status')).text, /^names: +signal\.localhost$/m);
		assert.match((await cert(d, 'status')).text, /^directory: +https:\/\/acme-v02\.api\.letsencrypt/m);
	}),

	issue: () => withCa((ca) => withDaemon({ ini: to(ca), wrap: flagged }, async (d) => {
		const one = await issued(d, ca, { port: 443 });
		assert.equal(one.names, `DNS:${DOMAIN}`);
		assert.deepEqual(ca.front.accounts()[0].payload.contact, ['mailto:admin@example.org']);
		const alice = await register(d, 'alice', { target: '127.0.0.1:443',
			secure: { ca: ca.root, servername: DOMAIN } });
		await alice.send('alice', 'x');
		await alice.received(1);
		// Port 80 is for challenges, and for nothing else.
		const asked = (where) => ask(http, { host: '127.0.0.1', port: 80, path: where, agent: false });
		assert.equal((await asked('/healthz')).status, 404);
		assert.equal((await asked('/.well-known/acme-challenge/unknown')).status, 404);
	})),

	// Others have 80 and 443: a warning for each, the server runs, and the CA is not bothered.
	taken: () => withCa(async (ca) => {
		const others = [80, 443].map((port) => net.createServer((socket) => socket.destroy())
			.listen(port, '::'));
		await Promise.all(others.map((server) => until(() => server.listening, 'the others')));
		await withDaemon({ ini: to(ca), wrap: flagged }, async (d) => {
			for (const name of ['acme-http', 'acme-tls'])
				assert.equal(lines(d, new RegExp(`WARN .*${name}.*in use`)).length, 1, d.tail());
			await d.logged(/ERROR +letsencrypt: no certificate: .*kind=unreachable/);
			assert.equal(ca.front.of('challenge').length, 0);
			await serves(d);
		});
		others.forEach((server) => server.close());
	}),

	// A listener of the same name in the file takes the place of the plugin's.
	replaced: () => withCa((ca) => withDaemon({
		ini: (dir) => ({ ...to(ca)(dir), 'listener acme-tls': { address: '127.0.0.1:443', http2: 'off' } }),
		wrap: flagged,
	}, async (d) => {
		assert.deepEqual(d.addresses['acme-tls'], [{ host: '127.0.0.1', port: 443 }]);
		await d.logged(OBTAINED);
	})),
};

async function main(scene) {
	execFileSync('ip', ['link', 'set', 'lo', 'up']);
	await scenes[scene]();
}

module.exports = { scenes: Object.keys(scenes) };
if (require.main === module)
	main(process.argv[2]).then(() => process.exit(0), (error) => {
		console.error(error.stack);
		process.exit(1);
	});
