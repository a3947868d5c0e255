'use strict';
// Clients of the "h2" services: tests/plugin/echo_conn.c, which works on bytes, and adopt.c, which
// wants a socket.

const assert = require('node:assert/strict');
const { within } = require('../../e2e/harness');
const { PREFACE } = require('../../e2e/h2');
const { PROXIED_AS, dial } = require('./dial');

// Reads a stream by pieces of a known size, or by lines.
class Reader {
	constructor(stream) {
		this.stream = stream;
		this.parts = [];
		this.size = 0;
		stream.on('data', (bytes) => {
			this.parts.push(bytes);
			this.size += bytes.length;
			this.changed?.();
		});
		for (const event of ['end', 'close', 'error'])
			stream.on(event, () => {
				this.ended = true;
				this.changed?.();
			});
	}

	async until(condition, what) {
		while (!condition()) {
			if (this.ended)
				throw new Error(`the end came before ${what}`);
			await new Promise((resolve) => (this.changed = resolve));
		}
	}

	// Exactly n bytes.
	async take(n, what) {
		await within(this.until(() => this.size >= n, what), what);
		const all = Buffer.concat(this.parts);
		this.parts = [all.subarray(n)];
		this.size = all.length - n;
		return all.subarray(0, n);
	}

	async line(what) {
		const end = () => this.parts.some((part) => part.includes(10));
		await within(this.until(end, what), what);
		const all = Buffer.concat(this.parts);
		return (await this.take(all.indexOf(10) + 1, what)).toString();
	}
}

// How it ended, for a message; the port is in the daemon's log.
function ended({ stream, below }) {
	const { ws = {} } = stream;
	const error = stream.failure || ws.failure || below.failure;
	return JSON.stringify({ port: below.name, webSocket: ws.end, error: error?.message,
		read: below.bytesRead, written: below.bytesWritten, at: new Date() });
}

// --- what an echo client does -------------------------------------------------------------------

async function lines({ stream, reader, chance }) {
	const text = [];
	for (let i = chance.below(20); i >= 0; i--)
		text.push(`${chance.below(1e9)}`.repeat(1 + chance.below(chance.once(5) ? 2000 : 20)), '\n');
	const bytes = Buffer.from(text.join(''));
	const half = chance.below(bytes.length);
	stream.write(bytes.subarray(0, half));
	stream.write(bytes.subarray(half));
	assert.ok((await reader.take(bytes.length, 'the echo')).equals(bytes), 'an echo that differs');
}

async function about({ stream, reader, listener }) {
	stream.write('!about\n');
	const line = await reader.line('!about');
	const remote = listener === 'proxied' ? PROXIED_AS : '127.0.0.1';
	assert.ok(line.startsWith(`remote=${remote}:`), line);
	assert.match(line, new RegExp(` listener=${listener} `));
}

// More than any buffer holds, while the client reads nothing for a moment.
async function fill({ w, stream, reader, chance }) {
	const size = chance.below(3_000_000);
	stream.write(`!fill ${size}\n`);
	stream.pause();
	await w.idle(chance, 100);
	stream.resume();
	const bytes = await reader.take(size, '!fill');
	assert.equal(bytes.indexOf('x'), size ? 0 : -1);
	assert.equal(await reader.line('the end of !fill'), '\n');
	assert.match(await reader.line('the count of !fill'), /^filled stops=\d+\n$/);
}

// More than any buffer holds, the other way: the service cannot send it back and must stop reading.
async function flood({ w, stream, reader, chance }) {
	const bytes = Buffer.alloc(chance.below(3_000_000) + 1, 'y'.repeat(999) + '\n');
	bytes[bytes.length - 1] = 10;
	stream.pause();
	stream.write(bytes);
	await w.idle(chance, 100);
	stream.resume();
	assert.ok((await reader.take(bytes.length, 'the flood')).equals(bytes), 'a flood that differs');
}

async function pause({ stream, reader, chance }) {
	stream.write(`!pause ${1 + chance.below(20)}\n`);
	assert.equal(await reader.line('!pause'), 'resumed\n');
}

async function wake({ stream, reader, chance }) {
	stream.write(`!wake ${1 + chance.below(50)}\n`);
	assert.equal(await reader.line('!wake'), 'woken\n');
}

// --- how one ends -------------------------------------------------------------------------------

const ends = {
	// Its own end, which the service answers; a WebSocket cannot end one half.
	async half({ stream, reader, kind }) {
		stream.end();
		if (kind === 'tcp')
			assert.equal(await reader.line('eof'), 'eof\n');
	},
	async flush({ stream, reader, chance }) {
		const size = chance.below(200_000);
		stream.write(`!flush ${size}\n`);
		await reader.take(size, '!flush');
	},
	async abort({ stream, reader }) {
		stream.write('!abort\n');
		await within(reader.until(() => reader.ended, 'the end'), '!abort');
	},
	async vanish({ stream }) {
		stream.write('!fill 1000000\n');
	},
	async reset({ stream, below }) {
		stream.write('!fill 1000000\n');
		below.resetAndDestroy();
	},
};

async function echo(w, chance) {
	const listener = chance.pick(['open', 'proxied']);
	const link = { w, chance, listener, ...await dial(w, chance, listener) };
	link.reader = new Reader(link.stream);
	try {
		await greet(link);
		for (let rounds = chance.below(6); rounds > 0; rounds--)
			await chance.pick([lines, lines, about, fill, flood, pause, wake])(link);
		const end = chance.pick(Object.keys(ends));
		await ends[end](link);
		w.count(`echo ${end}`);
	} catch (error) {
		error.message += ` (${link.kind} on ${listener}, ${ended(link)})`;
		throw error;
	} finally {
		link.below.destroy();
	}
}

// The preface, whole or in two pieces.
async function greet({ w, stream, chance }) {
	const half = chance.once(2) ? 0 : chance.below(PREFACE.length);
	if (half > 0) {
		stream.write(PREFACE.subarray(0, half));
		await w.idle(chance, 30);
	}
	stream.write(PREFACE.subarray(half));
}

// --- a socket in a plugin's hands ---------------------------------------------------------------

async function adopted(w, chance) {
	const link = { w, chance, ...await dial(w, chance, 'adopt') };
	const reader = new Reader(link.stream);
	try {
		await greet(link);
		assert.match(await reader.line('the greeting'),
			/^adopted remote=127\.0\.0\.1:\d+ listener=adopt\n$/);
		for (let i = chance.below(20); i > 0 && !reader.ended; i--)
			link.stream.write(Buffer.alloc(chance.below(100_000)));
		await w.idle(chance, 50);
		if (chance.once(3))
			link.below.resetAndDestroy();
		else if (chance.once(2))
			link.stream.end();
	} catch (error) {
		error.message += ` (${link.kind} on adopt, ${ended(link)})`;
		throw error;
	} finally {
		link.below.destroy();
	}
}

module.exports = { Reader, adopted, echo };
