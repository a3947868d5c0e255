'use strict';
// The example of docs/WEBSOCKET.md, as it stands there, in a browser.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { describe } = require('node:test');
const { chromium } = require('playwright-core');
const { ROOT, scenario, until } = require('./harness');
const { connect, send } = require('./peers');

const BROWSER = process.env.CHROMIUM || '/usr/bin/chromium';
const skip = fs.existsSync(BROWSER) ? false : `no ${BROWSER}`;

function example() {
	const page = fs.readFileSync(path.join(ROOT, 'docs/WEBSOCKET.md'), 'utf8');
	const found = [...page.matchAll(/^```javascript\n(.*?)^```$/gms)];
	assert.equal(found.length, 1, 'one example');
	return found[0][1];
}

async function browse(d) {
	// Its sandbox does not work for root.
	const args = process.getuid() === 0 ? ['--no-sandbox'] : [];
	const browser = await chromium.launch({ executablePath: BROWSER, args });
	d.after(() => browser.close());
	return browser;
}

// A page of its own origin, as a web server would give it.
async function serve(d, html) {
	const server = http.createServer((request, response) => {
		response.writeHead(200, { 'content-type': 'text/html' });
		response.end(html);
	});
	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	d.after(() => server.close());
	return `http://127.0.0.1:${server.address().port}/`;
}

async function openPage(d) {
	const page = await (await browse(d)).newPage();
	page.said = [];
	page.on('console', (line) => page.said.push(line.text()));
	page.on('pageerror', (error) => page.said.push(`error: ${error.message}`));
	await page.goto(await serve(d, '<!doctype html><title>signal</title>'));
	return page;
}

// Waits for a line that the page says; what it said instead is in the error.
function says(page, pattern) {
	return until(() => page.said.find((line) => pattern.test(line)),
		`the page says ${pattern}`).catch((error) => {
		error.message += `; it said ${JSON.stringify(page.said)}`;
		throw error;
	});
}

describe('browser', () => {
	scenario('the example of docs/WEBSOCKET.md runs as it is', {
		ini: { 'plugin websocket': {} }, skip,
	}, async (d) => {
		const page = await openPage(d);
		await page.evaluate((server) => (globalThis.signalServer = server), `ws://${d.target()}`);
		await page.addScriptTag({ content: example() });
		await says(page, /^registered as browser-\w+$/);
		const me = page.said[0].split(' ').at(-1);
		await says(page, /^from /);
		assert.ok(page.said.includes(`from ${me}: hello, me`), JSON.stringify(page.said));
		await says(page, /^closed: 1000/);
		await d.metricIs('websocket_messages_received_total', 1);
	});

	scenario('a browser and gRPC reach each other, with 600 KB', {
		ini: { 'plugin websocket': {} }, skip,
	}, async (d) => {
		const page = await openPage(d);
		await page.evaluate((server) => (globalThis.signalServer = server), `ws://${d.target()}`);
		// The same code, without its last lines: they close what is needed here.
		await page.addScriptTag({ content: example().split('\nconst url')[0] });
		await page.evaluate(() => {
			const socket = new WebSocket(`${signalServer}/signal/ws?peer=page`, 'netbird-signal.v1');
			socket.binaryType = 'arraybuffer';
			socket.onmessage = ({ data }) => {
				if (data === 'registered') {
					console.log('registered');
				} else {
					const got = decode(new Uint8Array(data));
					console.log(`got ${got.body.length} from ${got.key}`);
				}
			};
		});
		await says(page, /^registered$/);
		await send(connect(d), 'x', 'page', Buffer.alloc(600 * 1024));
		await says(page, /^got 614400 from x$/);
	});
});
