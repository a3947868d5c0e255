'use strict';
// Runs the scenario files, several at once: they wait more than they work, and the runner's own
// choice on a small machine would be one at a time.  Words on the command line choose files.

const fs = require('node:fs');
const path = require('node:path');
const { run } = require('node:test');

const AT_ONCE = Number(process.env.E2E_JOBS) || 6;
// Those that wait for a minute start first.
const FIRST = ['proxies.test.js', 'pings.test.js', 'slow.test.js'];

function files(words) {
	const all = fs.readdirSync(__dirname).filter((name) => name.endsWith('.test.js')).sort();
	return [...new Set([...FIRST, ...all])]
		.filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
		.map((name) => path.join(__dirname, name));
}

// Suites and whole files are reported too; they count only where they fail by themselves.
function counts(event, failed) {
	const { details = {}, name } = event;
	if (details.type !== 'suite' && !name.endsWith('.test.js'))
		return true;
	return failed && details.error?.failureType !== 'subtestsFailed';
}

function explain(error) {
	const cause = error?.cause ?? error;
	return String(cause?.stack || cause?.message || cause).split('\n')
		.map((line) => `    ${line}`).join('\n');
}

async function main() {
	const total = { passed: 0, failed: 0, skipped: 0 };
	const report = (word, { name, details }, more = '') => {
		const seconds = ((details?.duration_ms || 0) / 1000).toFixed(1).padStart(5);
		console.log(`${word.padEnd(4)} ${seconds}s  ${name}${more}`);
	};
	const stream = run({ files: files(process.argv.slice(2)), concurrency: AT_ONCE });
	stream.on('test:pass', (event) => {
		if (!counts(event, false))
			return;
		const skipped = event.skip !== undefined && event.skip !== false;
		total[skipped ? 'skipped' : 'passed']++;
		report(skipped ? 'skip' : 'ok', event,
			typeof event.skip === 'string' ? ` (${event.skip})` : '');
	});
	stream.on('test:fail', (event) => {
		if (!counts(event, true))
			return;
		total.failed++;
		report('FAIL', event, `\n${explain(event.details?.error)}`);
	});
	stream.on('test:stderr', (event) => process.stderr.write(event.message));
	stream.resume();
	await new Promise((resolve) => stream.on('end', resolve));
	console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
	process.exitCode = total.failed || !total.passed ? 1 : 0;
}

main();
