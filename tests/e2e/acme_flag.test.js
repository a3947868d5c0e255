'use strict';
// --letsencrypt-domain and nothing else: the plugin, its listeners on 80 and 443, and what is refused
// before anything starts.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe } = require('node:test');
const { BUILD, DEADLINE, launch, named, within } = require('./harness');
const { skip } = require('./acme');

const namespaces = spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up']).status === 0
	? false : 'no network namespaces here (unshare -rn)';

function inNetwork(name, scene) {
	named(name, { skip: skip || namespaces }, async () => {
		const child = launch('unshare', ['-rn', process.execPath,
			path.join(__dirname, 'acme_network.js'), scene]);
		const how = await within(child.ended, scene, 3 * DEADLINE);
		assert.equal(how.code, 0, [...child.out, ...child.err].join('\n'));
	});
}

// What "check" says of keys of the plugin: { code, said }.
async function check(keys, flags = []) {
	const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'nbs-acme-check-'));
	const file = path.join(dir, 'signal.ini');
	fs.writeFileSync(file, `[daemon]\nlog-file = console\nplugin-dir = ${BUILD}/plugins\n` +
		`[plugin grpc]\n[plugin letsencrypt]\n${Object.entries(keys)
			.map(([key, value]) => `${key} = ${value}\n`).join('')}`);
	const child = launch(path.join(BUILD, 'netbird-signal'), ['check', '--config', file, ...flags]);
	const { code } = await within(child.ended, 'check');
	assert.deepEqual(fs.readdirSync(dir), ['signal.ini']);
	fs.rmSync(dir, { recursive: true });
	return { code, said: [...child.out, ...child.err].join('\n') };
}

const SECRET = 'c2VjcmV0LXNlY3JldC1zZWNyZXQ';
const REFUSED = [
	[{ domain: 'signal' }, /domain: "signal" is no full host name/],
	[{ domain: 'https://signal.example.org/' }, /domain: .*neither scheme nor port nor path/],
	[{ domain: 'a.example.org, A.example.org' }, /domain: "A\.example\.org" is there twice|domain: "a\.example\.org" is there twice/],
	[{ domain: 'a.example.org,' }, /domain: .*comma with nothing beside it/],
	[{ domain: 'münchen.example.org' }, /domain: .*A-labels/],
	[{ domain: '999.1.1.1' }, /domain: .*neither a host name nor an address/],
	[{ domain: '*.example.org' }, /domain: .*wildcard.*dns-01/],
	[{ domain: 'a.example.org', challenges: 'dns-01' }, /hook: is missing/],
	[{ domain: '192.0.2.1', challenges: 'dns-01', hook: '/bin/true' }, /domain: .*address.*dns-01/],
	[{ domain: 'a.example.org', challenges: 'http-01, http-01' }, /challenges: expected one or more/],
	[{ domain: 'a.example.org', challenges: 'tls-sni-01' }, /challenges: expected one or more/],
	[{ domain: 'a.example.org', email: 'nobody' }, /email: expected one address/],
	[{ domain: 'a.example.org', 'directory-url': 'http://ca.example.org/dir' }, /directory-url: .*https:\/\//],
	[{ domain: 'a.example.org', 'directory-url': 'https://ca.example.org/dir', staging: 'yes' }, /staging: .*one of the two/],
	[{ domain: 'a.example.org', 'key-type': 'dsa' }, /key-type: expected ec256/],
	[{ domain: 'a.example.org', 'eab-kid': 'x' }, /eab-key: is missing/],
	[{ domain: 'a.example.org', 'eab-key': SECRET }, /eab-kid: is missing/],
	[{ domain: 'a.example.org', 'eab-kid': 'x', 'eab-key': `${SECRET}!` }, /eab-key: expected base64url/],
	[{ domain: 'a.example.org', 'ssl-dir': 'ssl' }, /ssl-dir: .*begins with a slash/],
	[{ domain: 'a.example.org', 'retry-min': '2m', 'retry-max': '1m' }, /retry-max: is less than retry-min/],
	[{ domain: 'a.example.org', 'http-port': '0' }, /http-port/],
	[{ domain: 'a.example.org', 'renew-check': '2d' }, /renew-check/],
	[{ domain: 'a.example.org', 'http-address': 'example.org:80' }, /acme-http|address/],
	[{ domain: 'a.example.org', nonsense: '1' }, /nonsense/],
	[{ domain: Array.from({ length: 101 }, (_, i) => `n${i}.test`).join(',') }, /domain: .*more than 100/],
];
const TAKEN = [
	{},
	{ domain: 'signal.example.org, 192.0.2.1, 2001:DB8::1, [2001:db8::2], xn--mnchen-3ya.example.org' },
	{ domain: '*.example.org, example.org', challenges: 'dns-01', hook: '/bin/true' },
	{ domain: 'a.example.org', staging: 'yes', 'eab-kid': 'kid', 'eab-key': SECRET, profile: 'shortlived' },
	{ domain: 'a.example.org', 'http-address': '', 'tls-address': '127.0.0.1:8443' },
];

describe('acme_flag', { concurrency: 4 }, () => {
	inNetwork('alone: listens on 80 and 443, and asks Let\'s Encrypt', 'alone');
	inNetwork('with another CA: a certificate, peers on 443, challenges on 80', 'issue');
	inNetwork('80 and 443 are taken: a warning for each, and the server runs', 'taken');
	inNetwork('a listener of that name in the file takes its place', 'replaced');

	named('what is wrong in the file is named with its key', {}, async () => {
		for (const [keys, says] of REFUSED) {
			const { code, said } = await check(keys);
			assert.equal(code, 1, `${JSON.stringify(keys)}: ${said}`);
			assert.match(said, says);
			assert.ok(!said.includes(SECRET), said);
		}
	});

	named('what is right is taken', {}, async () => {
		for (const keys of TAKEN) {
			const { code, said } = await check(keys);
			assert.equal(code, 0, `${JSON.stringify(keys)}: ${said}`);
		}
	});

	named('the flag outranks the file, and is checked as it is', {}, async () => {
		const wrong = await check({ domain: 'a.example.org' }, ['--letsencrypt-domain', 'b_example']);
		assert.equal(wrong.code, 1);
		assert.match(wrong.said, /b_example/);
		assert.equal((await check({ domain: 'a_example' },
			['--letsencrypt-domain=b.example.org'])).code, 0);
	});

	named('enabled = no in the file wins over the flag', {}, async () => {
		const { code, said } = await check({ enabled: 'no' }, ['--letsencrypt-domain', 'b.example.org']);
		assert.equal(code, 1);
		assert.match(said, /letsencrypt-domain/);
	});
});
