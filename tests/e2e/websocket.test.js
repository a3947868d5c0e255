'use strict';
// WebSocket paths of the daemon: messages of every size and cut, back-pressure in both directions,
// pings, ends, and frames that no library would send.

const assert = require('node:assert/strict');
const { describe } = require('node:test');
const WebSocket = require('ws');
const { Http, WEB, get, once, post, upgrade } = require('./http');
const { secured } = require('./certs');
const { DEADLINE, SANITIZED, scenario, sleep, until, within } = require('./harness');

const MIB = 1 << 20;

// What the test plugin counted of its own rules: none may have been broken.
async function clean(d) {
	await d.metricIs('web_open', 0);
	await d.metricIs('websockets_open', 0);
	await d.metricIs('web_violations_total', 0);
}

function open(d, target = '/web/ws', { protocols = [], ...options } = {}) {
	const ws = new WebSocket(`${options.ca ? 'wss' : 'ws'}://${d.target()}${target}`, protocols,
		{ perMessageDeflate: false, ...options });
	ws.messages = [];
	ws.on('message', (bytes, binary) => ws.messages.push({ bytes, binary }));
	ws.on('error', (error) => (ws.error = error));
	ws.ended = new Promise((resolve) => ws.on('close', (code, reason) =>
		resolve({ code, reason: String(reason) })));
	ws.ended.then((how) => (ws.how = how));
	ws.opened = new Promise((resolve) => ws.on('open', resolve).on('close', resolve));
	ws.next = async (deadline) => {
		await until(() => ws.messages.length > 0 || ws.how, 'a message', deadline);
		return ws.messages.shift();
	};
	ws.text = async () => String((await ws.next())?.bytes);
	ws.end = () => within(ws.ended, 'the end of the WebSocket');
	d.after(() => {
		ws.terminate();
		return ws.ended;
	});
	return ws;
}

async function opened(...args) {
	const ws = open(...args);
	await ws.opened;
	assert.ok(!ws.error, ws.error);
	return ws;
}

function pattern(size) {
	return Buffer.from(Array.from({ length: Math.min(size, 256) }, (_, i) => i)).length < 256
		? Buffer.from(Array.from({ length: size }, (_, i) => i))
		: Buffer.alloc(size, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
}

// One frame as a client has to send it; mask: null leaves it out.
function frame(opcode, payload = '', { fin = true, rsv = 0, mask = [1, 2, 3, 4], length } = {}) {
	const body = Buffer.from(payload);
	const size = length ?? body.length;
	const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
	const bit = mask ? 0x80 : 0;
	if (size < 126)
		head.push(bit | size);
	else if (size < 65536)
		head.push(bit | 126, size >> 8, size & 255);
	else
		head.push(bit | 127, ...Buffer.from(BigInt(size).toString(16).padStart(16, '0'), 'hex'));
	return Buffer.concat([Buffer.from(head), Buffer.from(mask || []),
		mask ? body.map((byte, i) => byte ^ mask[i & 3]) : body]);
}

// A raw client that has been upgraded; frames() are those of the server so far.
class Raw extends Http {
	async open(target = '/web/ws', more) {
		const answer = await this.ask(upgrade(target, { more }));
		assert.equal(answer?.status, 101, target);
		this.answer101 = answer;
		return this;
	}

	frames() {
		const found = [];
		for (let at = 0; at + 2 <= this.bytes.length;) {
			let size = this.bytes[at + 1] & 127, head = 2;
			if (at + (size < 126 ? 2 : size === 126 ? 4 : 10) > this.bytes.length)
				break;
			if (size === 126)
				[size, head] = [this.bytes.readUInt16BE(at + 2), 4];
			else if (size === 127)
				[size, head] = [Number(this.bytes.readBigUInt64BE(at + 2)), 10];
			found.push({ opcode: this.bytes[at] & 15, fin: !!(this.bytes[at] & 128),
				masked: !!(this.bytes[at + 1] & 128),
				payload: this.bytes.subarray(at + head, at + head + size) });
			at += head + size;
		}
		return found;
	}

	// The code of the server's close frame, or undefined: it just ended.
	async closeCode() {
		await this.end();
		const last = this.frames().find(({ opcode }) => opcode === 8);
		return last?.payload.readUInt16BE(0);
	}
}

async function raw(d, ...args) {
	return new Raw(d).open(...args);
}

// So many bytes of messages for a client that was paused; pings may lie between their frames.
async function readAll(client, bytes) {
	const parts = [];
	let size = 0, message;
	client.read = (part) => {
		parts.push(part);
		size += part.length;
	};
	client.socket.resume();
	await until(() => {
		if (size < bytes)
			return false;
		client.bytes = Buffer.concat(parts);
		message = Buffer.concat(client.frames().filter(({ opcode }) => opcode < 8)
			.map(({ payload }) => payload));
		return message.length >= bytes;
	}, 'all of it', 2 * DEADLINE);
	return message;
}

describe('websocket', { concurrency: 4 }, () => {
	scenario('messages of every size come back, text and binary', { ini: WEB }, async (d) => {
		const ws = await opened(d);
		const sizes = [0, 1, 125, 126, 127, 1000, 2047, 2048, 2049, 65535, 65536, 65537, 600_000,
			3 * MIB];
		for (const size of sizes) {
			ws.send(pattern(size));
			const { bytes, binary } = await ws.next();
			assert.ok(binary && bytes.equals(pattern(size)), `${size} bytes`);
		}
		for (const text of ['', 'x', 'grüße €', '\u{1f600}'.repeat(50_000)]) {
			ws.send(text);
			const { bytes, binary } = await ws.next();
			assert.ok(!binary && String(bytes) === text, text.slice(0, 10));
		}
		await d.metricIs('websockets_open', 1);
		await counted101(d, 1);
		ws.close(1000);
		await ws.end();
		await clean(d);
	});

	scenario('fragments and a server that writes in pieces', { ini: WEB }, async (d) => {
		const ws = await opened(d);
		for (const split of [1, 7, 1000, 100_000]) {
			ws.send(`!split ${split}`);
			assert.equal(await ws.text(), 'split');
			for (let i = 0; i < 10; i++)
				ws.send(pattern(i * 37), { binary: true, fin: i === 9 });
			const whole = Buffer.concat(Array.from({ length: 10 }, (_, i) => pattern(i * 37)));
			assert.ok((await ws.next()).bytes.equals(whole), `split ${split}`);
		}
		ws.send('a', { fin: false });
		ws.ping('in between'); // control frames may come between fragments
		ws.send('b', { fin: true });
		assert.equal(await ws.text(), 'ab');
		ws.terminate();
		await clean(d);
	});

	scenario('large messages are sent in frames of at most 64 KiB, small ones in one', {
		ini: WEB,
	}, async (d) => {
		const client = await raw(d);
		await client.write(frame(1, '!fill 300000'));
		await until(() => client.frames().some((f) => f.fin && f.opcode === 0), 'the last fragment');
		const frames = client.frames();
		assert.equal(frames[0].opcode, 2);
		assert.ok(frames.every((f, i) =>
			f.payload.length <= 65536 && !f.masked && (i === 0 || f.opcode === 0)));
		assert.ok(Buffer.concat(frames.map((f) => f.payload)).equals(pattern(300_000)));
		client.bytes = Buffer.alloc(0);
		await client.write(frame(2, pattern(5000)));
		await until(() => client.bytes.length >= 5004, 'the echo');
		assert.deepEqual(client.frames().map((f) => [f.opcode, f.fin]).at(-1)[1], true);
	});

	scenario('frames that arrive a byte at a time', { ini: WEB }, async (d) => {
		const client = await raw(d);
		for (const byte of Buffer.concat([frame(1, 'slow'), frame(9, 'ping'), frame(2, pattern(130))]))
			await client.write(Buffer.from([byte]));
		const payload = (opcode) => Buffer.concat(client.frames()
			.filter((f) => (f.opcode === 10) === (opcode === 10)).map((f) => f.payload));
		await until(() => payload().length >= 134, 'the echoes');
		assert.ok(payload().equals(Buffer.concat([Buffer.from('slow'), pattern(130)])));
		assert.equal(String(payload(10)), 'ping');
		client.destroy();
		await clean(d);
	});

	scenario('frames that do not wait for the answer: closed', { ini: WEB }, async (d) => {
		for (const early of [frame(1, 'early'), frame(2, pattern(2000)), frame(2, pattern(50_000))]) {
			const client = new Raw(d);
			await client.write(Buffer.from(upgrade('/web/ws')), early);
			assert.equal((await client.answer()).status, 101);
			assert.equal(await client.closeCode(), 1002);
		}
		await clean(d);
	});

	scenario('the answer: subprotocol, no extensions, lists in Connection', {
		ini: WEB,
	}, async (d) => {
		const ws = await opened(d, '/web/sub', { protocols: ['other', 'web.v1', 'more'] });
		assert.equal(ws.protocol, 'web.v1');
		const packed = await opened(d, '/web/ws', { perMessageDeflate: true });
		assert.equal(packed.extensions, '');
		const client = await raw(d, '/web/ws', 'Sec-WebSocket-Protocol: web.v1, foo\r\n');
		assert.equal(client.answer101.headers['sec-websocket-protocol'], undefined);
		assert.equal(client.answer101.headers['sec-websocket-accept'], 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=');
		assert.equal(client.answer101.headers.server, undefined);
		const listed = new Raw(d);
		const answer = await listed.ask(upgrade('/web/ws', { connection: 'keep-alive, Upgrade',
			upgrade: 'WebSocket' }));
		assert.equal(answer.status, 101);
		await listed.write(frame(1, 'behind a proxy'));
		await until(() => listed.frames().length > 0, 'an echo');
		// A request before the upgrade on the same connection.
		const later = new Raw(d);
		assert.equal((await later.ask(get('/healthz'))).status, 200);
		await later.open();
		await later.write(frame(1, 'x'));
		await until(() => later.frames().length > 0, 'an echo');
		for (const one of [ws, packed])
			one.terminate();
		for (const one of [client, listed, later])
			one.destroy();
		await clean(d);
	});

	scenario('who it is; query and headers while it opens', { ini: WEB }, async (d) => {
		const ws = await opened(d, '/web/ws?greet=a%2Bb%20c');
		assert.equal(await ws.text(), 'a+b c');
		ws.send('!about');
		assert.match(await ws.text(), /^remote=127\.0\.0\.1:\d+ listener=signal admin=0 tls=$/);
		const other = await opened(d, '/web/ws', { headers: { 'X-Greet': 'hello' } });
		assert.equal(await other.text(), 'hello');
		const paused = await opened(d, '/web/ws?pause=1');
		paused.send('later');
		ws.send('now');
		assert.equal(await ws.text(), 'now');
		assert.equal(paused.messages.length, 0);
		await once(d, get('/web/wake'));
		assert.equal(await paused.text(), 'woken');
		assert.equal(await paused.text(), 'later');
	});

	scenario('a plugin that refuses, or closes at once', { ini: WEB }, async (d) => {
		assert.deepEqual(await open(d, '/web/refuse').end(), { code: 1011, reason: '' });
		assert.deepEqual(await open(d, '/web/leave').end(), { code: 1001, reason: '' });
		assert.deepEqual(await open(d, '/web/close').end(), { code: 4000, reason: 'as it was asked' });
		await d.metricIs('web_closed_total', 1, { code: 4000 });
		await clean(d);
	});

	scenario('closing by the plugin: what was written comes first', { ini: WEB }, async (d) => {
		const most = 'r'.repeat(123);
		for (const [reason, sent] of [['enough', 'enough'], [most, most], [`${most}r`, most],
			[`${most.slice(1)}\u00e9`, most.slice(1)]]) { // no half character
			const ws = await opened(d);
			ws.send(`!close 4001 ${reason}`);
			assert.deepEqual(await ws.end(), { code: 4001, reason: sent });
		}
		const silent = await opened(d);
		silent.send('!close 0');
		assert.equal((await silent.end()).code, 1006);
		const full = await raw(d);
		full.socket.pause();
		await full.write(frame(1, '!drop 50000000'));
		await d.metricIs('web_open', 0); // it does not wait for ever
		full.destroy();
		await d.metricIs('web_closed_total', 5, { code: 4001 });
		await clean(d);
	});

	scenario('closing by the client: the code arrives', { ini: WEB }, async (d) => {
		for (const code of [1000, 1001, 4000]) {
			const ws = await opened(d);
			ws.close(code);
			assert.equal((await ws.end()).code, code);
			await d.metricIs('web_closed_total', 1, { code });
		}
		const bare = await opened(d);
		bare.close();
		await bare.end();
		await d.metricIs('web_closed_total', 1, { code: 1005 });
		const killed = await opened(d);
		killed.terminate();
		const reset = await raw(d);
		reset.socket.resetAndDestroy();
		const half = await raw(d);
		half.socket.end(frame(2, 'half of it').subarray(0, 10));
		await d.metricIs('web_closed_total', 3, { code: 1006 });
		await clean(d);
	});

	// What each must end with; undefined: without a close frame.  Of frames without mask the first may
	// pass: at the begin of a read it could be the end of a mask.
	const WRONG = {
		'a frame without mask': [[frame(1, 'hello', { mask: null }), frame(1, 'hello', { mask: null })], 1002],
		'a large frame without mask': [[frame(2, pattern(300), { mask: null }), frame(2, pattern(300), { mask: null })], 1002],
		'a very large frame without mask': [[frame(2, pattern(70_000), { mask: null }), frame(2, pattern(70_000), { mask: null })], 1002],
		'a second frame without mask': [[frame(1, 'x'), frame(1, 'hello', { mask: null })], 1002],
		'reserved bits': [[frame(2, 'x', { rsv: 4 })], 1002],
		'a reserved opcode': [[frame(3, 'x')], 1002],
		'a reserved control opcode': [[frame(11, 'x')], 1002],
		'a ping in fragments': [[frame(9, 'x', { fin: false })], 1002],
		'a ping of 126 bytes': [[frame(9, 'x'.repeat(126))], undefined],
		'a close of 126 bytes': [[frame(8, 'x'.repeat(126))], undefined],
		'a length of 2^63': [[Buffer.from('82ff8000000000000000', 'hex')], undefined],
		'a continuation of nothing': [[frame(0, 'x')], 1002],
		'a message inside a message': [[frame(2, 'x', { fin: false }), frame(2, 'y')], 1002],
		'text that is no UTF-8': [[frame(1, Buffer.from('c328', 'hex'))], 1007],
		'text that ends within a character': [[frame(1, Buffer.from('e282', 'hex'))], 1007],
		'a close of one byte': [[frame(8, 'x')], 1002],
		'a close whose reason is no UTF-8': [[frame(8, Buffer.from('03e8c328', 'hex'))], undefined],
	};
	for (const [what, [frames, code]] of Object.entries(WRONG))
		scenario(`${what}: closed`, { ini: WEB }, async (d) => {
			const client = await raw(d);
			await client.write(...frames);
			const begin = Date.now();
			const got = await client.closeCode();
			assert.equal(got, code);
			await d.metricIs('websocket_faults_total', code ? 1 : 0);
			if (code)
				await d.logged(/WARN +http: WebSocket closed: .* listener=signal remote=127/);
			assert.ok(Date.now() - begin < (SANITIZED ? 20_000 : 10_000));
			await clean(d);
		});

	// What passes though a client must not send it (docs/DESIGN.md, on libwebsockets): a change is
	// not a fault, but has to be known.
	const bare = (opcode, payload) => frame(opcode, payload, { mask: null });
	scenario('not seen: a ping, an empty frame and a close without mask', { ini: WEB }, async (d) => {
		const client = await raw(d);
		for (const [sent, answer] of [[bare(9, 'ping'), [10, 'ping']], [bare(2, ''), [2, '']]]) {
			await client.write(sent);
			await until(() => client.frames().length > 0 || client.gone, 'an answer');
			const [{ opcode, payload }] = client.frames();
			assert.deepEqual([opcode, String(payload)], answer);
			client.bytes = Buffer.alloc(0);
		}
		await client.write(bare(8, Buffer.from([3, 232])));
		assert.equal(await client.closeCode(), 1000);
		await d.metricIs('web_closed_total', 1, { code: 1000 });
		assert.equal(await d.metric('websocket_faults_total'), 0);
		await clean(d);
	});

	scenario('not seen: a header without mask in an earlier read than its payload', {
		ini: WEB,
	}, async (d) => {
		const client = await raw(d);
		const hello = bare(2, 'hello'), large = bare(2, pattern(300));
		const heard = (n) => until(() => client.frames().length >= n || client.gone, `${n} frames`);
		// The echo of what came in one segment with a header shows that the header has been read.
		await client.write(frame(1, 'before'), hello.subarray(0, 2));
		await heard(1);
		await client.write(hello.subarray(2), frame(1, 'again'), large.subarray(0, 4));
		await heard(3);
		await client.write(large.subarray(4));
		await heard(4);
		assert.deepEqual(client.frames().map(({ payload }) => String(payload)),
			['before', 'hello', 'again', String(pattern(300))]);
		assert.equal(await d.metric('websocket_faults_total'), 0);
		// Only that header: the next frame is looked at again.
		await client.write(bare(1, 'seen'), bare(1, 'seen'));
		assert.equal(await client.closeCode(), 1002);
		await d.metricIs('websocket_faults_total', 1);
		await clean(d);
	});

	scenario('a close with a code that nobody may send is answered with 1002', {
		ini: WEB,
	}, async (d) => {
		const client = await raw(d);
		await client.write(frame(8, Buffer.from([1005 >> 8, 1005 & 255])));
		assert.equal(await client.closeCode(), 1002);
		await d.metricIs('web_closed_total', 1, { code: 1002 });
		await clean(d);
	});

	scenario('a length that is never filled costs nothing', { ini: WEB }, async (d) => {
		const before = d.rss();
		const all = await Promise.all(Array.from({ length: 50 }, async () => {
			const client = await raw(d);
			await client.write(Buffer.from('82ff000000ffffffffff01020304', 'hex'), pattern(1000));
			return client;
		}));
		await sleep(300);
		assert.ok(d.rss() - before < 10 * MIB, `${d.rss() - before} bytes`);
		await Promise.all(all.map((client) => client.destroy()));
		await clean(d);
	});

	scenario('pings keep a WebSocket; one that does not answer is gone in time', {
		ini: { ...WEB, http: { 'ping-interval': '5s', 'ping-timeout': '4s' } }, timeout: 120_000,
	}, async (d) => {
		const ws = await opened(d);
		let pings = 0;
		ws.on('ping', () => pings++);
		const paused = await opened(d); // its pongs are not read, but that is not its fault
		paused.send('!pause');
		assert.equal(await paused.text(), 'paused');
		const mute = await opened(d, '/web/ws', { autoPong: false });
		const begin = Date.now();
		await mute.end();
		const took = Date.now() - begin;
		assert.ok(took > 8000 && took < 14_000, `${took} ms`);
		assert.equal(mute.how.code, 1006);
		await d.metricIs('web_closed_total', 1, { code: 1006 });
		const stuck = await raw(d); // it reads nothing, and its plugin waits for that
		stuck.socket.pause();
		await stuck.write(frame(1, '!fill 30000000'));
		const talker = await opened(d, '/web/ws', { autoPong: false }); // words are as good as pongs
		const speaking = setInterval(() => talker.send('x'), 500);
		d.after(() => clearInterval(speaking));
		await until(() => pings >= 4, 'pings', 30_000);
		clearInterval(speaking);
		for (const one of [ws, paused, talker])
			assert.ok(!one.how, JSON.stringify(one.how));
		await d.metricIs('web_closed_total', 2, { code: 1006 });
		ws.send('still there');
		assert.equal(await ws.text(), 'still there');
		assert.equal((await once(d, get('/web/wake'))).status, 200);
		assert.equal(await paused.text(), 'woken');
		for (const one of [ws, paused, talker])
			one.terminate();
		await clean(d);
	});

	scenario('a plugin that pauses holds the sender, not memory', { ini: WEB }, async (d) => {
		const client = await raw(d);
		const before = d.rss();
		await client.write(frame(1, '!pause'));
		await until(() => client.frames().length > 0, 'the answer');
		client.bytes = Buffer.alloc(0);
		const whole = pattern(40 * MIB);
		let sent = false;
		client.write(frame(2, whole)).then(() => (sent = true));
		await sleep(1000);
		assert.ok(!sent, 'the kernel took 40 MiB');
		assert.ok(d.rss() - before < 4 * MIB, `${d.rss() - before} bytes`);
		const parts = [];
		let size = 0;
		client.read = (bytes) => {
			parts.push(bytes);
			size += bytes.length;
		};
		assert.equal((await once(d, get('/web/wake'))).status, 200);
		let frames;
		await until(() => {
			if (!sent || size <= whole.length)
				return false;
			client.bytes = Buffer.concat(parts);
			frames = client.frames();
			return frames.reduce((sum, f) => sum + f.payload.length, 0) >= whole.length + 'woken'.length;
		}, 'everything', 2 * DEADLINE);
		assert.equal(String(frames.shift().payload), 'woken');
		assert.ok(frames.at(-1).fin);
		assert.ok(Buffer.concat(frames.map((f) => f.payload)).equals(whole));
		client.destroy();
		await clean(d);
	});

	scenario('slow readers hold the writer, not memory', { ini: WEB }, async (d) => {
		const all = await Promise.all(Array.from({ length: 20 }, () => raw(d)));
		const before = d.rss();
		for (const client of all) {
			client.socket.pause();
			await client.write(frame(1, '!fill 30000000'));
		}
		await sleep(1000);
		const each = (d.rss() - before) / all.length;
		assert.ok(each < (SANITIZED ? 400 : 200) * 1024, `${each} bytes for each`);
		const [one] = all;
		assert.ok((await readAll(one, 30_000_000)).equals(pattern(30_000_000)));
		await Promise.all(all.map((client) => client.destroy()));
		await clean(d);
	});

	scenario('a busy one does not starve the others', { ini: WEB }, async (d) => {
		const busy = await Promise.all([raw(d), raw(d), raw(d)]);
		let stop = false;
		const block = frame(2, pattern(60_000));
		for (const client of busy) {
			client.read = () => {};
			(async () => {
				while (!stop && await client.write(block));
			})();
		}
		const ws = await opened(d);
		const times = [];
		for (let i = 0; i < 100; i++) {
			const begin = Date.now();
			ws.send(`${i}`);
			assert.equal(await ws.text(), `${i}`);
			times.push(Date.now() - begin);
		}
		stop = true;
		times.sort((a, b) => a - b);
		assert.ok(times[90] < (SANITIZED ? 5000 : 2000), `${times[90]} ms`);
		await Promise.all(busy.map((client) => client.destroy()));
	});

	scenario('hundreds at once, each with its own echo; memory for each', { ini: {
		...WEB, limits: { 'max-connections-per-address': '0' },
	} }, async (d) => {
		await opened(d).then((ws) => ws.close());
		const count = SANITIZED ? 200 : 1000;
		const before = d.rss();
		const all = [];
		for (let i = 0; i < count; i += 100)
			all.push(...await Promise.all(Array.from({ length: 100 }, () => opened(d))));
		const each = (d.rss() - before) / count;
		assert.ok(SANITIZED || each < 10 * 1024, `${each} bytes for each`);
		all.forEach((ws, i) => ws.send(`${i}`));
		for (const [i, ws] of all.entries())
			assert.equal(await ws.text(), `${i}`);
		all.forEach((ws) => ws.terminate());
		await clean(d);
	});

	secured('inside TLS: requests, messages, who it is, and the end', {
		ini: WEB,
	}, async (d, secure) => {
		const client = new Http(d, { secure });
		assert.equal((await client.ask(get('/healthz'))).body, 'ok\n');
		assert.match((await client.ask(get('/web/hello'))).body,
			/^remote=127\.0\.0\.1:\d+ .* tls=TLSv1\.3 proxy=$/m);
		const body = 'b'.repeat(60_000);
		assert.ok((await client.ask(post('/web/echo', body))).body === body);
		assert.equal((await client.ask(get('/web/big?size=3000000'))).body.length, 3_000_000);
		assert.equal((await client.ask(get('/healthz', 'Connection: close\r\n'))).status, 200);
		await client.end();
		const ws = await opened(d, '/web/ws', secure);
		for (const size of [0, 1, 126, 65536, 600_000, 3 * MIB]) {
			ws.send(pattern(size));
			assert.ok((await ws.next()).bytes.equals(pattern(size)), `${size} bytes`);
		}
		ws.send('!about');
		assert.match(await ws.text(), /^remote=127\.0\.0\.1:\d+ listener=signal admin=0 tls=TLSv1\.3$/);
		ws.send('!close 4001 enough');
		assert.deepEqual(await ws.end(), { code: 4001, reason: 'enough' });
		const other = await opened(d, '/web/ws', secure);
		other.close(1000);
		assert.equal((await other.end()).code, 1000);
		const killed = await opened(d, '/web/ws', secure);
		killed.terminate();
		await d.metricIs('web_closed_total', 1, { code: 1006 });
		await clean(d);
	});

	secured('inside TLS: slow readers and paused plugins hold the other side, not memory', {
		// A paused one reads no end of its client; the next ping finds it.
		ini: { ...WEB, http: { 'ping-interval': '5s' } },
	}, async (d, secure) => {
		const slow = await new Raw(d, { secure }).open();
		const paused = await new Raw(d, { secure }).open();
		await paused.write(frame(1, '!pause'));
		await until(() => paused.frames().length > 0, 'the answer');
		const before = d.rss();
		slow.socket.pause();
		await slow.write(frame(1, '!fill 30000000'));
		let sent = false;
		paused.write(frame(2, pattern(30_000_000))).then(() => (sent = true));
		await sleep(1500);
		assert.ok(!sent);
		assert.ok(d.rss() - before < 8 * MIB, `${d.rss() - before} bytes`);
		assert.ok((await readAll(slow, 30_000_000)).equals(pattern(30_000_000)));
		await Promise.all([slow.destroy(), paused.destroy()]);
		await clean(d);
	});

	scenario('a stop closes with 1001, and does not wait for those that do not answer', {
		ini: { ...WEB, 'plugin web': { ...WEB['plugin web'], linger: '0' } },
	}, async (d) => {
		const all = await Promise.all(Array.from({ length: 20 }, () => opened(d)));
		const deaf = await raw(d);
		deaf.socket.pause();
		await deaf.write(frame(1, '!fill 30000000'));
		const mute = await raw(d);
		const idle = new Http(d);
		await idle.ask(get('/healthz'));
		const half = new Http(d);
		await half.write(Buffer.from('GET /'));
		const begin = Date.now();
		d.signal('SIGTERM');
		for (const ws of all)
			assert.equal((await ws.end()).code, 1001);
		await within(d.child.ended, 'the end of the daemon');
		assert.ok(Date.now() - begin < 5000, `${Date.now() - begin} ms`);
		assert.equal(await mute.closeCode(), 1001);
	});
});

function counted101(d, times) {
	return d.metricIs('http_requests_total', times, { code: '101' });
}
