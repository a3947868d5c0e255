'use strict';
// The proxies of Debian as children, each from its recipe in etc/proxies with nothing but addresses,
// ports, paths and the user changed, in a folder of its own.  They run as nobody if we are root.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { ROOT, launch, until } = require('./harness');

const NOBODY = 65534;
const AS_ROOT = process.getuid() === 0;
const HAS_IPV6 = Object.values(os.networkInterfaces()).flat().some((a) => a.address === '::1');
// A port can be lost between the look and the proxy's bind; then another one is tried.
const TRIES = 5;

// A port that is free now, below those that the kernel gives to whoever connects.
async function freePort() {
	return until(() => new Promise((resolve) => {
		const port = 20000 + Math.floor(Math.random() * 10000);
		const server = net.createServer().on('error', () => resolve(0));
		server.listen(port, '127.0.0.1', () => server.close(() => resolve(port)));
	}), 'a free port');
}

// The recipe with each [from, to] replaced; `from` must be there, and nothing that belongs to a
// real machine may stay.
function rewrite(recipe, changes) {
	let text = fs.readFileSync(path.join(ROOT, 'etc/proxies', recipe), 'utf8');
	for (const [from, to] of changes) {
		assert.ok(text.includes(from), `${recipe}: no "${from}"`);
		text = text.replaceAll(from, to);
	}
	const code = text.split('\n').filter((line) => !/^\s*#/.test(line)).join('\n');
	assert.doesNotMatch(code, /[ :]443\b|:10000|\/etc\/|\/dev\//, `${recipe} needs more changes`);
	return text;
}

// What nginx wants around a recipe; Debian has it in /etc/nginx/nginx.conf.
function nginxAround(dir, include, stream) {
	const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
		.map((name) => `${name}_temp_path ${dir}/${name};`).join(' ');
	return [
		stream ? 'load_module /usr/lib/nginx/modules/ngx_stream_module.so;' : '',
		`pid ${dir}/nginx.pid;`, 'error_log stderr;', 'daemon off;',
		'master_process off;', // so that killing the one process leaves none behind
		'events { worker_connections 1024; }',
		stream ? `include ${include};` : `http { access_log off; ${temp} include ${include}; }`,
	].join('\n');
}

function nginx(recipe, { stream = false, tls = true }) {
	return {
		recipe,
		program: '/usr/sbin/nginx',
		changes: ({ dir, port, backend }) => [
			['127.0.0.1:10000', backend],
			HAS_IPV6 ? ['listen [::]:443', `listen [::1]:${port}`] : ['listen [::]', '#'],
			['listen 443', `listen 127.0.0.1:${port}`],
			...(tls ? [['/etc/ssl/signal.example.com/fullchain.pem', `${dir}/chain.pem`],
				['/etc/ssl/signal.example.com/privkey.pem', `${dir}/key.pem`]] : []),
		],
		arguments: ({ dir, file }) => {
			const around = path.join(dir, 'around.conf');
			fs.writeFileSync(around, nginxAround(dir, file, stream));
			return ['-e', 'stderr', '-p', dir, '-c', around];
		},
	};
}

function haproxy(recipe, tcp) {
	return {
		recipe,
		program: '/usr/sbin/haproxy',
		changes: ({ dir, port, backend }) => [
			['127.0.0.1:10000', backend],
			['bind :::443 v4v6', `bind 127.0.0.1:${port}`],
			['log /dev/log local0', 'log stdout format raw local0'],
			['user haproxy\n', '\n'], ['group haproxy\n', '\n'],
			...(tcp ? [] : [['/etc/haproxy/signal.example.com.pem', `${dir}/both.pem`]]),
		],
		arguments: ({ file }) => ['-db', '-f', file],
	};
}

const caddy = {
	recipe: 'Caddyfile',
	program: '/usr/bin/caddy',
	changes: ({ dir, port, other, backend }) => [
		['127.0.0.1:10000', backend],
		['http_port 80', `http_port ${other}\n\tdefault_bind 127.0.0.1\n\tadmin unix/${dir}/admin`],
		['https_port 443', `https_port ${port}`],
		['#tls /etc/ssl/signal.example.com/fullchain.pem /etc/ssl/signal.example.com/privkey.pem',
			`tls ${dir}/chain.pem ${dir}/key.pem`],
	],
	arguments: ({ file }) => ['run', '--adapter', 'caddyfile', '--config', file],
	env: ({ dir }) => ({ HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir }),
};

const PROXIES = {
	nginx: nginx('nginx.conf', {}),
	'nginx-stream': nginx('nginx-stream.conf', { stream: true, tls: false }),
	'nginx-stream-tls': nginx('nginx-stream-tls.conf', { stream: true }),
	haproxy: haproxy('haproxy.cfg', false),
	'haproxy-tcp': haproxy('haproxy-tcp.cfg', true),
	caddy,
};

// A folder that nobody else may look into but the proxy's user.
function folder(d, pair) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-proxy-'));
	d.after(() => fs.rmSync(dir, { recursive: true, force: true }));
	const [chain, key] = [fs.readFileSync(pair.crt), fs.readFileSync(pair.key)];
	for (const [name, bytes] of [['chain', chain], ['key', key], ['both', Buffer.concat([chain, key])]])
		fs.writeFileSync(path.join(dir, `${name}.pem`), bytes);
	return dir;
}

function give(dir) {
	if (!AS_ROOT)
		return {};
	for (const name of ['.', ...fs.readdirSync(dir)])
		fs.chownSync(path.join(dir, name), NOBODY, NOBODY);
	return { uid: NOBODY, gid: NOBODY };
}

function accepts(port) {
	return new Promise((resolve) => {
		const socket = net.connect(port, '127.0.0.1', () => resolve(true));
		socket.on('error', () => resolve(false)).on('connect', () => socket.destroy());
	});
}

// Starts a proxy of PROXIES in front of `backend` ("127.0.0.1:port") with that certificate; returns
// { where: "127.0.0.1:port", child }.  It ends with the scenario.
async function startProxy(d, name, { backend, pair }) {
	const kind = PROXIES[name];
	const dir = folder(d, pair);
	const file = path.join(dir, kind.recipe);
	for (let tries = 1; ; tries++) {
		const place = { dir, file, backend, port: await freePort(), other: await freePort() };
		fs.writeFileSync(file, rewrite(kind.recipe, kind.changes(place)));
		const words = kind.arguments(place);
		const options = { cwd: dir, ...give(dir),
			env: { PATH: process.env.PATH, ...kind.env?.(place) } };
		const child = launch(kind.program, words, options);
		let ended;
		child.ended.then((how) => (ended = how));
		await until(async () => ended || await accepts(place.port), `${name} accepts`);
		const said = [...child.out, ...child.err].join('\n');
		if (!ended) {
			d.after(() => child.kill('SIGKILL'));
			return { where: `127.0.0.1:${place.port}`, port: place.port, child };
		}
		if (tries === TRIES || !/in use|Cannot bind/i.test(said))
			throw new Error(`${name} does not start: ${said}`);
	}
}

function missing(name) {
	const { program } = PROXIES[name];
	return fs.existsSync(program) ? false : `no ${program}`;
}

module.exports = { PROXIES, freePort, missing, startProxy };
