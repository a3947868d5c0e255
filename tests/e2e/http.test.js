'use strict';
// The HTTP/1.1 server: routes, bodies, keep-alive, refusals, and clients that stall or lie.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe } = require('node:test');
const { Http, WEB, get, once, post, upgrade } = require('./http');
const { BUILD, SANITIZED, launch, named, scenario, sleep, until, within } = require('./harness');

const LIMITS = { limits: { 'handshake-timeout': '1s' } };

async function statusOf(d, text, options) {
	return (await once(d, text, options))?.status;
}

function counted(d, code, times) {
	return d.metricIs('http_requests_total', times, { code });
}

// The file that libwebsockets loads its libuv event loop from, if it can be hidden here.
function eventLoop() {
	const file = fs.readdirSync('/usr/lib').map((name) => `/usr/lib/${name}/libwebsockets-evlib_uv.so`)
		.find((name) => fs.existsSync(name));
	try {
		execFileSync('unshare', ['-m', 'mount', '--bind', '/dev/null', file], { stdio: 'ignore' });
		return file;
	} catch {
		return undefined;
	}
}

describe('http', { concurrency: 4 }, () => {
	scenario('/healthz and /readyz on listeners of both classes', { ini: WEB }, async (d) => {
		for (const listener of ['signal', 'admin']) {
			const health = await once(d, get('/healthz'), { listener });
			assert.equal(health.status, 200);
			assert.equal(health.body, 'ok\n');
			assert.equal(health.headers['content-type'], 'text/plain; charset=utf-8');
			assert.ok(Math.abs(Date.parse(health.headers.date) - Date.now()) < 60_000);
			assert.equal(health.headers.server, undefined);
			assert.equal(health.headers.connection, undefined);
			assert.equal(await statusOf(d, get('/readyz'), { listener }), 200);
		}
		await counted(d, '200', 4);
	});

	scenario('/readyz: an objection, and a shutdown', { ini: {
		...WEB, 'plugin web': { ...WEB['plugin web'], object: 'no licence', linger: '2000' },
	} }, async (d) => {
		const client = new Http(d);
		let readyz = await client.ask(get('/readyz'));
		assert.equal(readyz.status, 503);
		assert.equal(readyz.body, 'web: no licence\n');
		assert.equal((await client.ask(get('/healthz'))).status, 200);
		d.configure({ 'plugin web': { object: '' } });
		d.signal('SIGHUP');
		await d.logged(/reloaded/);
		assert.equal((await client.ask(get('/readyz'))).body, 'ready\n');
		d.signal('SIGTERM');
		await d.logged(/stopping on SIGTERM/);
		readyz = await client.ask(get('/readyz'));
		assert.equal(readyz.status, 503);
		assert.equal(readyz.body, 'not serving\n');
		assert.equal((await client.ask(get('/healthz'))).status, 200);
		await within(d.child.ended, 'the end of the daemon');
	});

	scenario('HEAD is GET without the body', { ini: WEB }, async (d) => {
		const client = new Http(d);
		const head = await client.ask(get('/healthz', '', 'HEAD'), { head: true });
		assert.equal(head.status, 200);
		assert.equal(head.headers['content-length'], '3');
		assert.equal((await client.ask(get('/nowhere', '', 'HEAD'), { head: true })).status, 404);
		assert.equal((await client.ask(get('/healthz'))).body, 'ok\n'); // nothing was left over
	});

	scenario('404, 405 with Allow, 426, and the classes of listeners', { ini: WEB }, async (d) => {
		const client = new Http(d);
		assert.equal((await client.ask(get('/nowhere'))).status, 404);
		assert.equal((await client.ask(get('/healthz/'))).status, 404);
		const wrong = await client.ask(get('/healthz', '', 'DELETE'));
		assert.equal(wrong.status, 405);
		assert.equal(wrong.headers.allow, 'GET, HEAD');
		assert.equal((await client.ask(get('/web/echo'))).headers.allow, 'POST, PUT');
		assert.equal((await client.ask(get('/web/echo', '', 'OPTIONS'))).status, 405);
		const plain = await client.ask(get('/web/ws'));
		assert.equal(plain.status, 426);
		assert.equal(plain.headers.upgrade, 'websocket');
		assert.equal((await client.ask(get('/web/admin'))).status, 404);
		assert.equal((await client.ask(get('/web/admin-ws'))).status, 404);
		assert.equal(await statusOf(d, get('/web/admin'), { listener: 'admin' }), 200);
		assert.equal(await statusOf(d, get('/web/admin-ws'), { listener: 'admin' }), 426);
		assert.equal(await statusOf(d, get('/web/ws'), { listener: 'admin' }), 404);
		await counted(d, '404', 5);
		await counted(d, '405', 3);
	});

	scenario('a prefix, the longest wins, and paths are decoded', { ini: WEB }, async (d) => {
		const client = new Http(d);
		assert.equal((await client.ask(get('/web/tree/'))).body, '/web/tree/');
		assert.equal((await client.ask(get('/web/tree/a/b?c=d'))).body, '/web/tree/a/b');
		assert.equal((await client.ask(get('/web/tree/a%20b'))).body, '/web/tree/a b');
		assert.match((await client.ask(get('/web/tree/leaf'))).body, /^remote=127\.0\.0\.1:\d+ /);
		assert.equal((await client.ask(get('/web/tree/leaf/x'))).body, '/web/tree/leaf/x');
		assert.equal((await client.ask(get('/web/tree'))).status, 404);
		assert.equal((await client.ask(get('/web/tree/../../web/tree/x'))).body, '/web/tree/x');
	});

	scenario('who asks', { ini: WEB }, async (d) => {
		const client = new Http(d);
		await client.connected;
		assert.equal((await client.ask(get('/web/hello'))).body,
			`remote=127.0.0.1:${client.socket.localPort} listener=signal admin=0 tls= proxy=\n`);
		assert.match((await once(d, get('/web/hello'), { listener: 'admin' })).body, /admin=1/);
	});

	scenario('headers and query parameters', { ini: WEB }, async (d) => {
		const client = new Http(d);
		const header = async (name, more) =>
			(await client.ask(get(`/web/header?name=${name}`, more))).body;
		assert.equal(await header('host', ''), 'len=4 value=test');
		assert.equal(await header('x-wiretrustee-peer-id', 'X-Wiretrustee-Peer-Id: a+b/c=\r\n'),
			'len=6 value=a+b/c=');
		assert.equal(await header('user-agent', 'USER-AGENT:   test  one\r\n'), 'len=9 value=test  one');
		assert.equal(await header('x-none', ''), 'error=-2');
		assert.equal(await header('cookie', ''), 'error=-2');
		const longest = 'v'.repeat(63);
		assert.equal(await header('x-long', `X-Long: ${longest}\r\n`), `len=63 value=${longest}`);
		assert.equal(await header('x-long', `X-Long: ${'v'.repeat(64)}\r\n`), 'error=-28');
		assert.equal(await header('cookie', `Cookie: ${'v'.repeat(64)}\r\n`), 'error=-28');
		const query = async (rest) => (await client.ask(get(`/web/query?name=q&${rest}`))).body;
		assert.equal(await query('q=a%2Bb%2Fc%3D%26'), 'len=7 value=a+b/c=&');
		assert.equal(await query('qq=1&q=2'), 'len=1 value=2');
		assert.equal(await query('q='), 'len=0 value=');
		assert.equal(await query('q'), 'error=-2');
		assert.equal(await query(`q=${'v'.repeat(64)}`), 'error=-28');
	});

	// A %0a must not become the end of the request line.
	scenario('a decoded line end injects no header', { ini: WEB }, async (d) => {
		for (const target of ['/web/header?name=x-foo&q=1%0aX-Foo:inj', '/web/header%20HTTP/1.1%0aX-Foo:inj',
			'/web/header?name=x-foo%20HTTP/1.1%0d%0aX-Foo:inj', '/web/tree/a%0ab', '/web/tree/a%0d%0ab']) {
			const client = new Http(d);
			await client.write(Buffer.from(get(target)));
			await client.end();
			const text = client.bytes.toString('latin1');
			assert.match(text, /^HTTP\/1\.[01] 4\d\d |^$/, target);
			assert.ok(!text.includes('inj'), target);
		}
		assert.equal((await once(d, 'GET /healthz HTTP/1.2\r\nHost: x\r\n\r\n')).status, 400);
		assert.equal((await once(d, 'GET /healthz HTTP/1.0\r\n\r\n')).status, 200);
	});

	scenario('bodies up to the limit of the route', { ini: WEB }, async (d) => {
		const client = new Http(d);
		for (const size of [0, 1, 1000, 65536]) {
			const body = 'x'.repeat(size);
			for (const method of ['POST', 'PUT']) {
				const found = await client.ask(post('/web/echo', body, '', method));
				assert.equal(found.status, 200, `${method} ${size}`);
				assert.equal(found.headers['x-method'], method);
				assert.ok(found.body === body, `${method} ${size}`);
			}
		}
		const slowly = post('/web/echo', 'slowly', 'Content-Type: text/plain\r\n');
		for (const byte of slowly)
			await client.write(Buffer.from(byte));
		assert.equal((await client.answer()).body, 'slowly');
	});

	scenario('bodies that are refused: the answer is seen, and the connection ends', {
		ini: WEB,
	}, async (d) => {
		const ends = async (text, status) => {
			const client = new Http(d);
			const found = await client.ask(text);
			assert.equal(found.status, status);
			assert.equal(found.headers.connection, 'close');
			await client.end();
			assert.equal(client.bytes.length, 0);
		};
		await ends(post('/web/echo', 'x'.repeat(65537)), 413);
		await ends(get('/web/echo', 'Content-Length: 99999999999\r\n', 'POST'), 413);
		await ends(post('/healthz', 'x'), 405);
		await ends(post('/healthz', 'x', '', 'GET'), 413);
		await ends(post('/nowhere', 'x'.repeat(100_000)), 404);
		await ends(get('/web/echo', '', 'POST'), 411);
		const chunked = 'Transfer-Encoding: chunked\r\n';
		await ends(get('/web/echo', chunked, 'POST') + '1\r\nx\r\n0\r\n\r\n', 411);
		await ends(get('/healthz', chunked) + '0\r\n\r\n', 411);
		await ends(post('/web/echo', 'x', chunked), 400);
		for (const length of ['-1', '1, 1', '0x1', '1 ', '+1', 'one', '9'.repeat(30)])
			await ends(get('/web/echo', `Content-Length: ${length.trimEnd()}x\r\n`, 'POST') + 'x', 400);
		await ends(get('/web/echo', 'Content-Length: 1\r\nContent-Length: 1\r\n', 'POST') + 'x', 400);
		assert.equal(await statusOf(d, get('/healthz')), 200);
	});

	scenario('Expect: 100-continue', { ini: WEB }, async (d) => {
		const client = new Http(d);
		const expect = 'Expect: 100-continue\r\n';
		const ask = (size) =>
			client.ask(get('/web/echo', `${expect}Content-Length: ${size}\r\n`, 'POST'));
		assert.equal((await ask(4)).status, 100);
		assert.equal((await client.ask('body')).body, 'body');
		const refused = await ask(70000);
		assert.equal(refused.status, 413);
		await client.end();
		assert.equal(await statusOf(d, post('/web/echo', 'x', 'Expect: a-miracle\r\n')), 417);
	});

	scenario('one connection, many requests; pipelined ones are answered in order', {
		ini: WEB,
	}, async (d) => {
		const client = new Http(d);
		const all = Array.from({ length: 300 }, (_, i) => get(`/web/tree/${i}`)).join('');
		for (let at = 0; at < all.length; at += 1000)
			await client.write(Buffer.from(all.slice(at, at + 1000)));
		for (let i = 0; i < 300; i++)
			assert.equal((await client.answer()).body, `/web/tree/${i}`);
		await counted(d, '200', 300);
		assert.equal((await client.ask(get('/healthz', 'Connection: close\r\n') + get('/healthz')))
			.headers.connection, 'close');
		await client.end();
		assert.equal(client.bytes.length, 0, 'nothing after the last answer');
	});

	scenario('a body in a pipelined request is refused rather than misread', {
		ini: WEB,
	}, async (d) => {
		const asked = post('/web/echo', get('/web/mute')) + get('/healthz');
		for (const before of [1, 2, 5]) {
			const client = new Http(d);
			await client.write(Buffer.from(get('/healthz').repeat(before) + asked));
			for (let i = 0; i < before; i++)
				assert.equal((await client.answer()).status, 200);
			assert.equal((await client.answer()).status, 400);
			await client.end();
			assert.equal(client.bytes.length, 0);
		}
		const patient = new Http(d);
		for (let i = 0; i < 5; i++) {
			assert.equal((await patient.ask(post('/web/echo', `body ${i}`))).body, `body ${i}`);
			assert.equal((await patient.ask(get('/healthz'))).status, 200);
		}
		const both = new Http(d); // the body and what follows it in one piece
		assert.equal((await both.ask(post('/web/echo', 'body') + get('/web/tree/x'))).body, 'body');
		assert.equal((await both.answer()).body, '/web/tree/x');
	});

	scenario('HTTP/1.0: answered, and closed', { ini: WEB }, async (d) => {
		for (const more of ['', 'Connection: keep-alive\r\n']) {
			const client = new Http(d);
			const found = await client.ask(`GET /healthz HTTP/1.0\r\n${more}\r\n`);
			assert.equal(found.status, 200);
			assert.equal(found.headers.connection, 'close');
			await client.end();
		}
	});

	scenario('a route that answers nothing: 500', { ini: WEB }, async (d) => {
		assert.equal(await statusOf(d, get('/web/mute')), 500);
		await d.logged(/plugin web left a request without an answer: path=\/web\/mute/);
	});

	scenario('upgrades that are refused', { ini: WEB }, async (d) => {
		const refused = async (text, status, listener) => {
			const found = await once(d, text, { listener });
			assert.equal(found?.status, status, text);
			return found.headers;
		};
		await refused(upgrade('/nowhere'), 404);
		await refused(upgrade('/web/ws'), 404, 'admin');
		await refused(upgrade('/web/admin-ws'), 404);
		for (const version of ['8', '14', 'x', null]) {
			const headers = await refused(upgrade('/web/ws', { version }), 426);
			assert.equal(headers['sec-websocket-version'], '13');
		}
		for (const key of ['short', `${'A'.repeat(24)}`, `${'A'.repeat(21)}!==`, 'A'.repeat(200), null])
			await refused(upgrade('/web/ws', { key }), 400);
		await refused(upgrade('/web/ws').replace('Host: test\r\n', ''), 400);
		await refused(upgrade('/web/ws', { more: 'Content-Length: 5\r\n' }), 400);
		await refused(upgrade('/web/ws', { connection: 'keep-alive' }), 426);
		await refused(upgrade('/web/ws').replace('HTTP/1.1', 'HTTP/1.0'), 426);
		await refused(upgrade('/web/ws').replace('GET', 'DELETE'), 426);
		await refused(upgrade('/web/sub'), 400);
		for (const offered of ['web.v2, web.v10', 'x'.repeat(200)])
			await refused(upgrade('/web/sub', { more: `Sec-WebSocket-Protocol: ${offered}\r\n` }), 400);
		await refused(upgrade('/web/ws', { upgrade: 'h2c', more: 'HTTP2-Settings: AAMAAABk\r\n' }), 426);
		await d.metricIs('websockets_open', 0);
	});

	scenario('an upgrade that is not wanted here is a plain request', { ini: WEB }, async (d) => {
		for (const text of [upgrade('/healthz'), upgrade('/healthz', { upgrade: 'h2c',
			connection: 'Upgrade, HTTP2-Settings',
			more: 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n' })]) {
			const client = new Http(d);
			const found = await client.ask(text);
			assert.equal(found.body, 'ok\n');
			assert.equal(found.headers.connection, 'close');
			await client.end();
		}
	});

	scenario('half a header is closed after handshake-timeout; dripping does not help', {
		ini: { ...WEB, ...LIMITS },
	}, async (d) => {
		const begin = Date.now();
		const half = new Http(d);
		await half.write(Buffer.from('GET /healthz HTTP/1.1\r\nHost'));
		const drip = new Http(d);
		const text = get('/healthz', `X-Drip: ${'x'.repeat(200)}\r\n`);
		let sent = 20;
		await drip.write(Buffer.from(text.slice(0, sent)));
		await until(async () => {
			if (Date.now() - begin > sent * 50)
				await drip.write(Buffer.from(text.slice(sent, ++sent)));
			return half.gone && drip.gone;
		}, 'the end of both');
		assert.ok(Date.now() - begin > 800);
		assert.equal(half.bytes.length + drip.bytes.length, 0);
		await counted(d, 'none', 2);
	});

	scenario('a body that does not come is closed after handshake-timeout', {
		ini: { ...WEB, ...LIMITS },
	}, async (d) => {
		const client = new Http(d);
		await client.write(Buffer.from(get('/web/echo', 'Content-Length: 10\r\n', 'POST') + 'half'));
		await client.end();
		assert.equal(client.bytes.length, 0);
	});

	scenario('an idle connection is closed after half a minute', { ini: WEB, timeout: 120_000 },
		async (d) => {
			const client = new Http(d);
			await client.ask(get('/healthz'));
			const begin = Date.now();
			await until(() => client.gone, 'the end of it', 45_000);
			assert.ok(Date.now() - begin > 25_000);
		});

	scenario('headers: as many and as large as is allowed, and no more', { ini: WEB }, async (d) => {
		const many = (count, size) => Array.from({ length: count }, (_, i) =>
			`X-Header-${i}: ${'v'.repeat(size)}\r\n`).join('');
		assert.equal(await statusOf(d, get('/healthz', many(60, 60))), 200);
		assert.equal(await statusOf(d, get('/healthz', many(1, 7000))), 200);
		const cookie = `Cookie: ${'c'.repeat(20_000)}\r\n`;
		for (const more of [many(1, 9000), many(200, 60), many(2000, 1), cookie])
			assert.equal(await once(d, get('/healthz', more)), undefined);
		assert.equal(await once(d, get(`/${'p'.repeat(10_000)}`)), undefined);
		assert.equal(await once(d, get(`/healthz?${'a&'.repeat(2000)}`)), undefined);
		assert.equal(await statusOf(d, get('/healthz')), 200);
	});

	scenario('thousands of half headers do not hold up a fresh client', {
		ini: { ...WEB, limits: { 'max-connections-per-address': '0', 'handshake-timeout': '10s' } },
	}, async (d) => {
		const count = SANITIZED ? 500 : 2500;
		const all = Array.from({ length: count }, () => {
			const one = new Http(d);
			one.write(Buffer.from('GET /healthz HTTP/1.1\r\nX: '));
			return one;
		});
		await Promise.all(all.map((one) => one.connected));
		await d.metricIs('connections_open', count);
		const begin = Date.now();
		assert.equal(await statusOf(d, get('/healthz')), 200);
		assert.ok(Date.now() - begin < 2000, `${Date.now() - begin} ms`);
		const before = d.cpu();
		await sleep(1000);
		assert.ok(d.cpu() - before <= 100, `${d.cpu() - before} ms of processor in 1000 ms`);
		await until(() => all.every((one) => one.gone), 'the end of all');
		await counted(d, 'none', count);
	});

	scenario('an answer that nobody reads is given up', { ini: WEB, timeout: 120_000 }, async (d) => {
		const client = new Http(d);
		await client.connected;
		client.socket.pause();
		await client.write(Buffer.from(get('/web/big?size=30000000', 'Connection: close\r\n')));
		await d.metricIs('http_requests_total', 1, { code: '200' });
		await d.metricIs('connections_open', 0);
		client.socket.resume();
		await client.end();
		assert.ok(client.bytes.length < 30_000_000);
	});

	scenario('a large answer reaches a slow reader whole; waiting costs no processor', {
		ini: WEB,
	}, async (d) => {
		const big = '/web/big?size=3000000';
		const asks = [get(big) + get('/healthz'), get(big, 'Connection: close\r\n') + get('/healthz'),
			upgrade(big, { upgrade: 'h2c', more: 'HTTP2-Settings: AAMAAABk\r\n' }),
			`GET ${big} HTTP/1.0\r\n\r\n`];
		const clients = [];
		for (const text of asks) {
			const client = new Http(d);
			clients.push(client);
			await client.connected;
			client.socket.pause();
			await client.write(Buffer.from(text));
		}
		await d.metricIs('http_requests_total', asks.length, { code: '200' });
		const before = d.cpu();
		await sleep(1000);
		assert.ok(SANITIZED || d.cpu() - before <= 300, `${d.cpu() - before} ms of processor`);
		/* All at once: who reads nothing for longer than the server waits at an end is cut off. */
		for (const client of clients)
			client.socket.resume();
		for (const [i, client] of clients.entries()) {
			assert.equal((await client.answer()).body.length, 3_000_000, asks[i].slice(0, 80));
			if (i > 0) {
				await client.end();
				assert.equal(client.bytes.length, 0);
			} else {
				assert.equal((await client.answer()).body, 'ok\n');
			}
		}
	});

	scenario('clients that leave in the middle', { ini: WEB }, async (d) => {
		const texts = ['GET /heal', get('/web/echo', 'Content-Length: 10\r\n', 'POST') + 'half',
			get('/web/big?size=5000000'), upgrade('/web/ws'), get('/healthz')];
		for (const text of texts)
			for (const how of ['end', 'destroy', 'resetAndDestroy']) {
				const client = new Http(d);
				await client.write(Buffer.from(text));
				client.socket[how]();
			}
		await d.metricIs('connections_open', 0);
		await d.metricIs('websockets_open', 0);
	});

	scenario('what is no HTTP at all, or nearly', { ini: { ...WEB, ...LIMITS } }, async (d) => {
		const odd = ['GET\r\n\r\n', 'GET /healthz\r\n\r\n', 'GET  HTTP/1.1\r\n\r\n',
			'CONNECT a:1 HTTP/1.1\r\n\r\n',
			'GET http://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n',
			'GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n', 'GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n',
			'GET /healthz HTTP/1.1\r\nPOST /web/echo\r\nHost: x\r\n\r\n', get('/healthz', 'Put: x\r\n'),
			'GET /healthz HTTP/1.1\r\n\r\n', `GET /healthz HTTP/1.1\r\nHost: x\r\n${'\n'.repeat(100)}`,
			upgrade('/web/ws', { upgrade: 'foo' }),
			upgrade('/healthz', { upgrade: 'foo' }) + get('/healthz'),
			upgrade('/web/ws', { upgrade: 'websocket, foo' }), get('/healthz', 'uri-args: x=y\r\n'),
			get('/healthz', ':path: /x\r\n'), get('/healthz', 'X\r\n'), get('/healthz', ': x\r\n')];
		for (const text of odd) {
			const client = new Http(d);
			await client.ask(text);
			await client.destroy();
		}
		await d.metricIs('connections_open', 0);
		assert.equal(await statusOf(d, get('/healthz')), 200);
	});

	scenario('mutants of valid requests', { ini: { ...WEB, ...LIMITS,
		limits: { 'handshake-timeout': '300ms' } } }, async (d) => {
		const seeds = [get('/healthz', 'Accept: */*\r\nCookie: a=b\r\n'), post('/web/echo', 'body'),
			upgrade('/web/ws', { more: 'Sec-WebSocket-Protocol: web.v1\r\nOrigin: http://x\r\n' }),
			get('/web/query?name=a&a=b%20c') + get('/healthz'),
			upgrade('/healthz', { upgrade: 'h2c', more: 'HTTP2-Settings: AAMAAABk\r\n' })];
		const pieces = ['\r', '\n', '\r\n', ' ', ':', '%', '\0', '\xff', 'GET ', 'HTTP/1.1', '?',
			'&', '/../', 'Content-Length: 7\r\n', 'Upgrade: x\r\n', 'x'.repeat(3000)];
		let state = 7; // the same mutants every time
		const random = (n) => (state = (state * 1103515245 + 12345) % 2147483648) % n;
		const mutant = () => {
			let text = seeds[random(seeds.length)];
			for (let i = random(4); i >= 0; i--) {
				const at = random(text.length);
				const cut = random(3) ? 0 : random(20);
				text = text.slice(0, at) + pieces[random(pieces.length)] + text.slice(at + cut);
			}
			return text;
		};
		for (let round = 0; round < (SANITIZED ? 10 : 40); round++) {
			const clients = Array.from({ length: 25 }, () => {
				const client = new Http(d);
				client.write(Buffer.from(mutant(), 'latin1'));
				return client;
			});
			await sleep(20);
			await Promise.all(clients.map((client) => client.destroy()));
		}
		await d.metricIs('connections_open', 0);
		assert.equal(await statusOf(d, get('/healthz')), 200);
	});

	const file = eventLoop();
	named('without its event loop the daemon says which package is missing', {
		skip: file ? false : 'a file cannot be hidden without root',
	}, async () => {
		const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-e2e-'));
		const ini = path.join(dir, 'signal.ini');
		fs.writeFileSync(ini, '[daemon]\nlog-file = console\n[listener signal]\naddress = 127.0.0.1:0\n' +
			'[plugin grpc]\nenabled = no\n[plugin websocket]\nenabled = no\n');
		const program = `${path.join(BUILD, 'netbird-signal')} run --config ${ini}`;
		const child = launch('unshare',
			['-m', 'sh', '-c', `mount --bind /dev/null ${file} && exec ${program}`]);
		const how = await within(child.ended, 'the end');
		fs.rmSync(dir, { recursive: true });
		assert.equal(how.code, 1);
		assert.match(child.out.join('\n'), /ERROR http: .*libwebsockets-evlib-uv/);
	});
});
