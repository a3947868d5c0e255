'use strict';
// The ACME client of plugins/letsencrypt without a daemon, against Pebble with its doubts, and against
// answers that no CA should give.  tests/e2e/acme_client.c makes the orders; its solver asks here.

const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Ca, EAB, skip } = require('./acme');
const { RenewalInfo, idOf } = require('./acme_ari');
const { openssl } = require('./certs');
const { BUILD, SANITIZED, launch, named, sleep, until, within } = require('./harness');

const PROGRAM = path.join(BUILD, 'tests/e2e/acme_client');
const QUICK = { PEBBLE_WFE_NONCEREJECT: '0', PEBBLE_VA_NOSLEEP: '1', PEBBLE_AUTHZREUSE: '0' };
const BLIND = { ...QUICK, PEBBLE_VA_ALWAYS_VALID: '1' };
const ERROR = 'urn:ietf:params:acme:error:';
const ECANCELED = -125, ENOSYS = -38, EACCES = -13, EAGAIN = -11, EIO = -5, EPROTO = -71,
	ETIMEDOUT = -110, EINVAL = -22;
const JSON_TYPE = { 'content-type': 'application/json', 'replay-nonce': 'bm9uY2U' };

// Takes http-01 and makes it true.
const http01 = (run) => (offer) => {
	run.tokens.set(offer.challenges['http-01'].token, offer.challenges['http-01'].content);
	return 'http-01';
};

class Orders {
	constructor(ca) {
		this.ca = ca;
		this.tokens = new Map();
		this.account = this.file('account.pem');
		openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', this.account);
	}

	file(name) {
		return path.join(this.ca.dir, name);
	}

	// What a web server of these names would answer.
	async listen() {
		this.web = http.createServer((req, res) => {
			const content = this.tokens.get(req.url.replace('/.well-known/acme-challenge/', ''));
			res.writeHead(content ? 200 : 404).end(content);
		});
		await new Promise((resolve) => this.web.listen(this.ca.httpPort, '127.0.0.1', resolve));
	}

	// A request for a certificate.
	request(names) {
		if (names.length === 0)
			return fs.writeFileSync(this.file('order.csr'), '');
		const alt = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`));
		openssl('req', '-new', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
			'-keyout', this.file('key.pem'), '-outform', 'DER', '-out', this.file('order.csr'),
			'-subj', '/', '-addext', `subjectAltName=${alt.join(',')}`);
	}

	// Starts an order; words: more options of the program.  solve(offer) says which type to take;
	// offer is { name, challenges: { type: { token, content } } }.
	begin(names, { words = [], solve = http01(this), url = this.ca.url, key = this.account } = {}) {
		this.request(names);
		fs.rmSync(this.file('chain.pem'), { force: true });
		const child = launch(PROGRAM, ['--ca', this.ca.pki.crt, '--key', key, '--csr',
			this.file('order.csr'), '--out', this.file('chain.pem'), ...words, url, ...names]);
		const order = { child, begins: [], ends: [] };
		order.watch = setInterval(() => this.attend(order, solve), 5);
		order.done = child.ended.then(() => this.finish(order));
		return order;
	}

	attend(order, solve) {
		for (; order.begins.length < order.child.out.filter((l) => l.startsWith('begin ')).length;) {
			const line = order.child.out.filter((l) => l.startsWith('begin '))[order.begins.length];
			const [, name, ...rest] = line.split(' ');
			const challenges = {};
			for (let i = 0; i < rest.length; i += 3)
				challenges[rest[i]] = { token: rest[i + 1], content: rest[i + 2] };
			const offer = { name, challenges };
			order.begins.push(offer);
			Promise.resolve(solve(offer, order)).then((type) => {
				offer.type = type;
				order.child.stdin.write(`${type}\n`);
			});
		}
	}

	// What came of it.  In any case the solver was told of each end once.
	finish(order) {
		clearInterval(order.watch);
		const { out, err } = order.child;
		const words = (kind) => out.filter((line) => line.startsWith(`${kind} `))
			.map((line) => line.split(' ').slice(1));
		assert.deepEqual(err, []);
		const [, code, kind, retry, text] = /^result (-?\d+) (\w+) (\d+) (.*)$/.exec(out.at(-1));
		order.ends = words('end').map(([type, name, how]) => ({ type, name, how }));
		const taken = order.begins.filter(({ challenges, type }) => challenges[type]);
		assert.deepEqual(order.ends.map(({ type, name }) => `${type} ${name}`).sort(),
			taken.map(({ type, name }) => `${type} ${name}`).sort());
		const chain = this.file('chain.pem');
		return Object.assign(order, { code: Number(code), kind, retry: Number(retry), text,
			account: words('account')[0]?.[0], email: words('email')[0]?.[0], ari: words('ari')[0],
			chain: fs.existsSync(chain) ? fs.readFileSync(chain, 'utf8') : null });
	}

	run(names, options) {
		return within(this.begin(names, options).done, 'the end of an order');
	}

	// The certificate is for these names and of this CA.
	check(order, names) {
		assert.equal(order.code, 0, order.text);
		const leaf = new crypto.X509Certificate(order.chain);
		const found = leaf.subjectAltName.split(', ').map((n) => n.replace(/^(DNS|IP Address):/, ''));
		assert.deepEqual(found.sort(), [...names].sort());
		fs.writeFileSync(this.file('root.pem'), this.ca.root);
		openssl('verify', '-CAfile', this.file('root.pem'), '-untrusted', this.file('chain.pem'),
			this.file('chain.pem'));
	}
}

// A scenario with a CA (options.ca) and Orders.
function ordering(name, options, body) {
	if (typeof options === 'function')
		[options, body] = [{}, options];
	named(name, { skip }, async () => {
		const ca = await Ca.start({ env: QUICK, ...options.ca });
		const orders = new Orders(ca);
		try {
			await orders.listen();
			await body(orders, ca);
		} catch (error) {
			error.stack += `\n--- the CA was asked:\n${ca.front.requests.slice(-20)
				.map((r) => `${r.method} ${r.path} ${r.status}`).join('\n')}`;
			throw error;
		} finally {
			orders.web.close();
			await ca.stop();
		}
	});
}

const NAMES = ['a.test', 'b.test', '127.0.0.1'];
const failed = (order, code, kind, text) => {
	assert.match(order.text, text);
	assert.equal(order.kind, kind, order.text);
	assert.equal(order.code, code, order.text);
	assert.equal(order.chain, null);
};

// --- what must work ------------------------------------------------------------------------------

ordering('names and an address although half of all nonces are refused',
	{ ca: { env: { ...QUICK, PEBBLE_WFE_NONCEREJECT: '50' } } }, async (o, ca) => {
		const order = await o.run(NAMES, { words: ['--email', 'admin@a.test'] });
		o.check(order, NAMES);
		assert.deepEqual(order.ends.map(({ how }) => how), ['valid', 'valid', 'valid']);
		assert.ok(ca.front.requests.some(({ status }) => status === 400), 'a nonce was refused');
		assert.deepEqual(ca.front.of('account')[0].payload,
			{ termsOfServiceAgreed: true, contact: ['mailto:admin@a.test'] });
	});

ordering('validation that takes seconds', { ca: { env: { ...QUICK, PEBBLE_VA_NOSLEEP: '',
	PEBBLE_VA_SLEEPTIME: '4' } } }, async (o) => {
	o.check(await o.run(NAMES), NAMES);
});

ordering('all challenges stand before the CA is told of the first', async (o, ca) => {
	const order = await o.run(NAMES, { solve: async (offer) => {
		assert.equal(ca.front.of('challenge').length, 0);
		return http01(o)(offer);
	} });
	o.check(order, NAMES);
	assert.equal(ca.front.of('challenge').length, 3);
});

ordering('dns-01 for a name and its wildcard', async (o, ca) => {
	const values = [];
	const order = await o.run(['w.test', '*.w.test'], { solve: async ({ name, challenges }) => {
		assert.equal(name, 'w.test');
		const { content } = challenges['dns-01'];
		values.push(crypto.createHash('sha256').update(content).digest('base64url'));
		await ca.tellDns('/set-txt', { host: '_acme-challenge.w.test.', value: values.at(-1) });
		return 'dns-01';
	} });
	o.check(order, ['w.test', '*.w.test']);
	assert.notEqual(values[0], values[1]);
});

for (const [alg, ...words] of [
	['ES384', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
	['RS256', 'genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'],
])
	ordering(`an account with a key for ${alg}`, { ca: { env: BLIND } }, async (o, ca) => {
		openssl(...words, '-out', o.account);
		o.check(await o.run(['a.test']), ['a.test']);
		const heads = ca.front.requests.map(({ head }) => head).filter(Boolean);
		assert.ok(heads.length > 3 && heads.every((head) => head.alg === alg));
	});

ordering('authorizations that are valid already are not solved again',
	{ ca: { env: { ...QUICK, PEBBLE_AUTHZREUSE: '100' } } }, async (o, ca) => {
		const order = await o.run(NAMES, { words: ['--orders', '2'] });
		o.check(order, NAMES);
		assert.equal(order.begins.length, 3);
		assert.equal(ca.front.orders().length, 2);
		assert.equal(ca.front.accounts().length, 1);
	});

ordering('an account that is known costs no request', { ca: { env: BLIND } }, async (o, ca) => {
	const { account } = await o.run(['a.test']);
	const order = await o.run(['b.test'], { words: ['--account', account] });
	o.check(order, ['b.test']);
	assert.equal(order.account, account);
	assert.equal(ca.front.of('account').length, 1);
});

ordering('an address for mail that has changed', { ca: { env: BLIND } }, async (o, ca) => {
	const told = () => ca.front.requests.filter(({ payload, status }) => payload?.contact && status < 300)
		.map(({ payload }) => payload.contact);
	const run = async (email, known) => {
		const before = told().length;
		const one = await o.run(['a.test'], { words: [...email ? ['--email', email] : [],
			...known ?? ['--account', account, '--account-email', one_before]] });
		o.check(one, ['a.test']);
		return [one, told().slice(before)];
	};
	let account, one_before;
	const [made, first] = await run('a@a.test', []);
	assert.deepEqual([made.email, first], ['<a@a.test>', [['mailto:a@a.test']]]);
	[account, one_before] = [made.account, 'a@a.test'];
	assert.deepEqual((await run('a@a.test'))[1], []);
	const [changed, second] = await run('b@a.test');
	assert.deepEqual([changed.email, second], ['<b@a.test>', [['mailto:b@a.test']]]);
	one_before = 'b@a.test';
	const [gone, third] = await run(null);
	assert.deepEqual([gone.email, third], ['<>', [[]]]);
	// An account that is found again by its key has the address that it was made with.
	const [found, fourth] = await run('c@a.test', []);
	assert.deepEqual([found.account, found.email, fourth.at(-1)], [account, '<c@a.test>',
		['mailto:c@a.test']]);
	assert.equal(ca.front.accounts().length, 1);
});

ordering('an account that the CA has forgotten is made anew, once', { ca: { env: BLIND } },
	async (o, ca) => {
		const forgotten = `https://localhost:${ca.port}/my-account/1234`;
		const order = await o.run(['a.test'], { words: ['--account', forgotten] });
		o.check(order, ['a.test']);
		assert.notEqual(order.account, forgotten);
		assert.equal(ca.front.accounts().length, 1);
		ca.front.refuse('order', 400, 'accountDoesNotExist', 'who is that?');
		failed(await o.run(['a.test'], { words: ['--account', forgotten] }), EACCES, 'refused',
			/^the CA refuses the order: accountDoesNotExist: who is that\?$/);
		// Status 400 is a nonce that was not the CA's.
	assert.equal(ca.front.of('account').filter(({ status }) => status !== 400).length, 2);
	});

ordering('external accounts', { ca: { eab: true, env: BLIND } }, async (o, ca) => {
	failed(await o.run(['a.test']), EACCES, 'refused',
		/^the CA wants an external account: eab-kid and eab-key are not set$/);
	assert.equal(ca.front.of('account').length, 0);
	const eab = (kid, key) => ({ words: ['--eab-kid', kid, '--eab-key', key] });
	failed(await o.run(['a.test'], eab(EAB.kid, 'no base64url')), EINVAL, 'local',
		/^eab-key is no base64url$/);
	failed(await o.run(['a.test'], eab(EAB.kid, 'AAAA')), EACCES, 'refused',
		/^the CA refuses the account: /);
	failed(await o.run(['a.test'], eab('somebody', EAB.key)), EACCES, 'refused',
		/^the CA refuses the account: /);
	o.check(await o.run(['a.test'], eab(EAB.kid, `${EAB.key}==`)), ['a.test']);
});

ordering('renewal information', { ca: { env: BLIND } }, async (o, ca) => {
	failed(await o.run([], { words: ['--ari', 'AQI.AQ'] }), ENOSYS, 'none', /^the CA offers no renewal/);
	const ari = new RenewalInfo(ca);
	const first = await o.run(['a.test']);
	o.check(first, ['a.test']);
	const [id] = ari.ids;
	assert.equal(idOf(ca.dir, first.chain), id);
	const window = ari.window(id).suggestedWindow;
	const seconds = (text) => String(Date.parse(text) / 1000);
	for (const [header, retry] of [['21600', '21600'], ['1', '60'], ['9999999', '86400'], ['x', '21600'],
		[new Date(Date.now() + 7200_000).toUTCString(), '7200']]) {
		ari.retryAfter = header;
		const asked = await o.run([], { words: ['--ari', id] });
		assert.equal(asked.code, 0, asked.text);
		// Node's Date header may be a second older than the other date.
		const said = Number(asked.ari[2]);
		assert.ok(said === Number(retry) || (retry === '7200' && Math.abs(said - 7200) <= 2), header);
		assert.deepEqual(asked.ari.filter((_, i) => i !== 2),
			[seconds(window.start), seconds(window.end), 'https://ca.test/why']);
	}
	failed(await o.run([], { words: ['--ari', 'AQI.AQ'] }), EACCES, 'refused',
		/^the CA refuses renewal information: malformed: no such certificate$/);
	ari.broken = true;
	failed(await o.run([], { words: ['--ari', id] }), EIO, 'server', /renewal information: status 500$/);
});

ordering('windows that are none', { ca: { env: BLIND } }, async (o, ca) => {
	const ari = new RenewalInfo(ca);
	ari.ids.push('AQI.AQ');
	const start = '2025-01-02T04:00:00Z';
	for (const window of [undefined, {}, { start }, { start, end: start }, { start: 1, end: 2 },
		{ start, end: '2025-01-01T04:00:00Z' }, { start, end: 'tomorrow' }, [start, start]]) {
		ari.window = () => ({ suggestedWindow: window });
		failed(await o.run([], { words: ['--ari', 'AQI.AQ'] }), EPROTO, 'network',
			/^localhost:\d+ does not answer as an ACME server: the suggested window is none$/);
	}
});

ordering('an order that replaces', { ca: { env: BLIND } }, async (o, ca) => {
	failed(await o.run(['a.test'], { words: ['--profile', 'shortlived'] }), EACCES, 'refused',
		/^the CA has no profile "shortlived"; it has: none$/);
	// Without renewal information in the directory nothing is said to be replaced.
	o.check(await o.run(['a.test'], { words: ['--replaces', 'AQI.AQ'] }), ['a.test']);
	assert.ok(ca.front.orders().every(({ payload }) => payload.replaces === undefined));
	const ari = new RenewalInfo(ca);
	o.check(await o.run(['a.test'], { words: ['--profile', 'classic'] }), ['a.test']);
	assert.equal(ca.front.orders().at(-1).payload.profile, 'classic');
	const replaces = ['--replaces', ari.ids.at(-1)];
	o.check(await o.run(['a.test'], { words: replaces }), ['a.test']);
	assert.equal(ca.front.orders().at(-1).payload.replaces, replaces[1]);
	// The same once more: it has been replaced by now.
	const before = ca.front.of('order').length;
	o.check(await o.run(['a.test'], { words: replaces }), ['a.test']);
	// Status 400 is a nonce that was not the CA's.
	assert.deepEqual(ca.front.of('order').slice(before).filter(({ status }) => status !== 400)
		.map(({ payload, status }) => [payload.replaces, status]),
	[[replaces[1], 409], [undefined, 201]]);
	failed(await o.run(['a.test'], { words: ['--profile', 'other'] }), EACCES, 'refused',
		/^the CA has no profile "other"; it has: classic, shortlived$/);
});

// --- what a CA may say ---------------------------------------------------------------------------

ordering('a challenge that is not there', async (o, ca) => {
	const order = await o.run(NAMES, { solve: (offer, { begins }) =>
		(begins.length === 2 ? 'http-01' : http01(o)(offer)) });
	const { name } = order.begins[1];
	assert.ok(order.text.startsWith(`the CA did not accept http-01 of ${name}: `), order.text);
	assert.match(order.text, /unauthorized: .*404/);
	failed(order, EACCES, 'challenge', /./);
	assert.equal(order.ends.find((end) => end.name === name).how, 'invalid');
});

ordering('one dead authorization ends the order, and those that still wait are given up',
	async (o, ca) => {
		// As if the CA had not looked at two of them.
		ca.front.mend = (request, answer) => {
			const json = request.path.includes('authZ') && JSON.parse(answer.body.toString());
			if (!json || json.identifier.value === 'a.test' || json.status === 'deactivated')
				return;
			answer.body = Buffer.from(JSON.stringify({ ...json, status: 'pending' }));
		};
		const order = await o.run(NAMES, { solve: () => 'http-01' });
		failed(order, EACCES, 'challenge', /^the CA did not accept http-01 of a.test: unauthorized: /);
		assert.deepEqual(order.ends.map(({ how }) => how), ['invalid', 'invalid', 'invalid']);
		const given = ca.front.requests.filter(({ payload }) => payload?.status === 'deactivated');
		assert.equal(given.length, 2);
	});

ordering('a solver that cannot', async (o, ca) => {
	const order = await o.run(NAMES, { solve: (offer, { begins }) =>
		(begins.length === 3 ? 'no' : http01(o)(offer)) });
	failed(order, -101, 'unreachable', /^the solver says "no"$/);
	assert.equal(order.ends.length, 2);
	assert.equal(ca.front.of('challenge').length, 0);
	// Nothing is given up: a CA gives the same order again.
	assert.ok(!ca.front.requests.some(({ payload }) => payload?.status));
});

ordering('refusals in words, with the time that the CA names', { ca: { env: BLIND } }, async (o, ca) => {
	const date = new Date(Date.now() + 3600_000).toUTCString();
	for (const [kind, type, status, headers, code, label, retry, text] of [
		['order', 'rateLimited', 429, { 'retry-after': '3600' }, EAGAIN, 'rate_limit', 3600,
			/^the CA limits the rate of the order: rateLimited: words$/],
		['order', 'rateLimited', 429, { 'retry-after': date }, EAGAIN, 'rate_limit', 3600, /./],
		['order', 'rateLimited', 429, { 'retry-after': '99999999999999' }, EAGAIN, 'rate_limit',
			7 * 86400, /./],
		['order', 'rateLimited', 429, { 'retry-after': '-1' }, EAGAIN, 'rate_limit', 0, /./],
		['order', 'rejectedIdentifier', 403, {}, EACCES, 'refused', 0,
			/^the CA refuses the order: rejectedIdentifier: words$/],
		['order', 'userActionRequired', 403, {}, EACCES, 'refused', 0,
			/^the CA wants the account's holder to act first: userActionRequired: words$/],
		['account', 'externalAccountRequired', 403, {}, EACCES, 'refused', 0,
			/^the CA wants an external account, eab-kid and eab-key: externalAccountRequired: words$/],
		['account', 'invalidContact', 400, {}, EACCES, 'refused', 0,
			/^the CA refuses the account: invalidContact: words$/],
		['finalize', 'badCSR', 400, {}, EACCES, 'refused', 0,
			/^the CA refuses the certificate's request: badCSR: words$/],
		['challenge', 'serverInternal', 500, { 'retry-after': '9' }, EIO, 'server', 9,
			/^the CA \(localhost:\d+\) fails at http-01 of a.test: serverInternal: words$/],
	]) {
		ca.front.refuse(kind, status, type, 'words', headers);
		const order = await o.run(['a.test']);
		failed(order, code, label, text);
		assert.ok(Math.abs(order.retry - retry) <= 2, `${order.retry} instead of ${retry}`);
	}
});

ordering('failures of the moment while it waits do not end an order', async (o, ca) => {
	let broken = 0;
	ca.front.meddle = ({ path: where, payload }) => {
		if (!where.includes('authZ') || payload || !ca.front.of('challenge').length || broken === 3)
			return undefined;
		return ['cut', { status: 503, headers: { 'retry-after': '0' }, body: 'busy' },
			{ status: 200, headers: JSON_TYPE, body: '<html>' }][broken++];
	};
	o.check(await o.run(['a.test']), ['a.test']);
	assert.equal(broken, 3);
});

ordering('an order that fails at its end', { ca: { env: BLIND } }, async (o, ca) => {
	ca.front.mend = (request, answer) => {
		if (request.payload?.csr)
			answer.body = JSON.stringify({ status: 'invalid', error: { type: `${ERROR}caa`,
				detail: 'not allowed', status: 403 } });
	};
	failed(await o.run(['a.test']), EACCES, 'refused', /^the CA refuses the order: caa: not allowed$/);
	ca.front.mend = (request, answer) => {
		if (request.payload?.csr)
			answer.body = JSON.stringify({ status: 'invalid' });
	};
	failed(await o.run(['a.test']), EACCES, 'refused', /^the CA has made the order invalid$/);
});

// Programs, and their dns-delay, may take longer than a CA has for its part.
ordering('what begins late is waited for as long', async (o, ca) => {
	const order = await o.run(['a.test'], { words: ['--order-timeout', '3'], solve: async (offer) => {
		await sleep(3100);
		return http01(o)(offer);
	} });
	o.check(order, ['a.test']);
	assert.deepEqual(order.child.out.filter((line) => /^(begin|settle|end)/.test(line))
		.map((line) => line.split(' ')[0]), ['begin', 'settle', 'end']);
	assert.equal(ca.front.of('challenge').length, 1);
});

// What a CA says beside the challenges may be large; it is not kept for each authorization.
ordering('authorizations full of empty objects', async (o, ca) => {
	const names = Array.from({ length: 16 }, (_, i) => `n${i}.test`);
	const peak = async () => {
		let kib;
		o.check(await o.run(names, { solve: (offer, { child }) => {
			[, kib] = /VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${child.pid}/status`, 'utf8'));
			return http01(o)(offer);
		} }), names);
		return Number(kib);
	};
	const before = await peak();
	ca.front.mend = (request, answer) => {
		if (request.path.includes('authZ') && !request.payload)
			answer.body = JSON.stringify({ ...JSON.parse(answer.body.toString()),
				x: Array(60_000).fill({}) });
	};
	const more = await peak() - before;
	// A sanitizer holds back what was freed.
	assert.ok(SANITIZED || more < 60 * 1024, `${more} KiB more`);
});

ordering('a CA that never finishes', { ca: { env: BLIND } }, async (o, ca) => {
	const keep = (match, status) => (request, answer) => {
		if (!match(request) || answer.status !== 200)
			return;
		answer.body = JSON.stringify({ ...JSON.parse(answer.body.toString()), status });
	};
	ca.front.mend = keep(({ path: where }) => where.includes('authZ'), 'pending');
	failed(await o.run(['a.test'], { words: ['--order-timeout', '1'] }), ETIMEDOUT, 'challenge',
		/^the CA has not looked at http-01 of a.test within 1 s$/);
	ca.front.mend = keep(({ path: where, payload }) => payload?.csr || where.includes('my-order'),
		'processing');
	failed(await o.run(['a.test'], { words: ['--order-timeout', '1'] }), ETIMEDOUT, 'server',
		/^the CA has not finished the order within 1 s$/);
});

ordering('nonces that are never good', { ca: { env: BLIND } }, async (o, ca) => {
	ca.front.refuse('account', 400, 'badNonce', 'again');
	failed(await o.run(['a.test']), EIO, 'server',
		/^the CA \(localhost:\d+\) fails at the account: badNonce: again$/);
	assert.equal(ca.front.of('account').length, 21);
	ca.front.meddle = ({ method }) => (method === 'HEAD'
		? { status: 200, headers: {}, body: '' } : undefined);
	ca.front.mend = (request, answer) => delete answer.headers['replay-nonce'];
	failed(await o.run(['a.test']), EPROTO, 'network', /no nonce in Replay-Nonce$/);
	ca.front.meddle = ({ method }) => (method === 'HEAD'
		? { status: 200, headers: { 'replay-nonce': 'a b"' }, body: '' } : undefined);
	failed(await o.run(['a.test']), EPROTO, 'network', /no nonce in Replay-Nonce$/);
});

// --- what no CA should say -----------------------------------------------------------------------

// Answers instead of Pebble's: [what, which request, its answer, code, kind, words].
const order = ({ payload }) => payload?.identifiers;
const directory = ({ path: where }) => where === '/dir';
const json = (body, headers = {}, status = 201) => ({ status, headers: { ...JSON_TYPE, ...headers },
	body: typeof body === 'string' ? body : JSON.stringify(body) });
const HERE = { location: 'https://localhost/order' };
const nonsense = (text) => new RegExp(`^[\\w.:]+ does not answer as an ACME server: ${text}$`);
const ODD = [
	['a redirect', directory, { status: 302, headers: { location: '/dir2' }, body: '' }, EPROTO, 'network',
		nonsense('status 302 for the directory, not followed')],
	['a page', directory, { status: 200, headers: {}, body: '<html>hello</html>' }, EPROTO, 'network',
		nonsense('the directory is no JSON object')],
	['a list', directory, json([1], {}, 200), EPROTO, 'network',
		nonsense('the directory is no JSON object')],
	['a number of 200,000 nested lists', directory, json('['.repeat(200_000), {}, 200), EPROTO, 'network',
		nonsense('the directory is no JSON object')],
	['half of it', directory, json('{"newNonce": "https://local', {}, 200), EPROTO, 'network',
		nonsense('the directory is no JSON object')],
	['NUL in a text', directory, json('{"newNonce": "https://localhost/\\u0000"}', {}, 200), EPROTO,
		'network', nonsense('the directory is no JSON object')],
	['no directory', directory, { status: 404, headers: {}, body: '' }, EPROTO, 'network',
		nonsense('status 404 for the directory')],
	['a megabyte', directory, { status: 200, headers: {}, body: 'x'.repeat(1 << 20) }, EIO, 'network',
		/^cannot ask localhost:\d+: its answer is longer than 256 KiB$/],
	['headers without end', directory, { status: 200, headers: Object.fromEntries(
		Array.from({ length: 90 }, (_, i) => [`x-${i}`, 'y'.repeat(1000)])), body: '' }, EIO, 'network',
	/^cannot ask localhost:\d+: its headers are longer than 64 KiB$/],
	['an end in the middle', directory, 'cut', EIO, 'network', /^cannot ask localhost:\d+: .*[Ee]mpty reply/],
	['escape sequences', order, { status: 403, headers: JSON_TYPE, body: JSON.stringify({
		type: `${ERROR}malformed`, detail: '\u001b[2J\n\u202e\u0007' }) }, EACCES, 'refused',
	/^the CA refuses the order: malformed: \?\[2J \?\?$/],
	['an order without Location', order, json({ status: 'pending' }), EPROTO, 'network',
		nonsense('no https:// URL in the Location of an order')],
	['an order at http://', order, json({ status: 'pending' }, { location: 'http://localhost/' }), EPROTO,
		'network', nonsense('no https:// URL in the Location of an order')],
	['an order without status', order, json({}, HERE), EPROTO, 'network',
		nonsense('an order has no status')],
	['an order that is no JSON', order, json('ok', HERE), EPROTO, 'network',
		nonsense('an order has no status')],
	['an order of another status', order, json({ status: 'happy' }, HERE), EPROTO, 'network',
		nonsense('the status of an order is "happy"')],
	['an order that cannot be finalized', order, json({ status: 'pending' }, HERE), EPROTO, 'network',
		nonsense('an order has no URL to finalize it')],
	['an order to be finalized at http://', order, json({ status: 'pending',
		finalize: 'http://localhost/' }, HERE), EPROTO, 'network',
	nonsense('finalize of the order is no https:// URL')],
	['an order without authorizations', order, json({ status: 'pending',
		finalize: 'https://localhost/' }, HERE), EPROTO, 'network',
	nonsense('an order has no list of authorizations')],
	['300 authorizations', order, json({ status: 'pending', finalize: 'https://localhost/',
		authorizations: Array(300).fill('https://localhost/') }, HERE), EPROTO, 'network',
	nonsense('an order has no list of authorizations')],
	['an authorization that is a number', order, json({ status: 'pending',
		finalize: 'https://localhost/', authorizations: [7] }, HERE), EPROTO, 'network',
	nonsense('an authorization has no https:// URL')],
	['an account without Location', ({ head, payload }) => head?.jwk && payload,
		json({ status: 'valid' }), EPROTO, 'network',
		nonsense('no https:// URL in the Location of an account')],
	['an account that is dead', ({ head, payload }) => head?.jwk && payload,
		json({ status: 'deactivated' }, HERE), EACCES, 'refused', /^the account at the CA is deactivated$/],
	['a page in the place of a chain', ({ path: where }) => where.includes('certZ'),
		{ status: 200, headers: { 'content-type': 'text/html' }, body: '-----BEGIN CERTIFICATE-----' },
		EPROTO, 'network', nonsense('the certificate is no chain in PEM')],
	['a chain that is none', ({ path: where }) => where.includes('certZ'),
		{ status: 200, headers: { 'content-type': 'application/pem-certificate-chain' }, body: 'hello' },
		EPROTO, 'network', nonsense('the certificate is no chain in PEM')],
	['a chain with NUL', ({ path: where }) => where.includes('certZ'),
		{ status: 200, headers: { 'content-type': 'application/pem-certificate-chain' },
			body: '-----BEGIN CERTIFICATE-----\0' },
		EPROTO, 'network', nonsense('the certificate is no chain in PEM')],
];

ordering('answers that no CA should give', { ca: { env: BLIND } }, async (o, ca) => {
	for (const [what, match, answer, code, kind, words] of ODD) {
		let met = false;
		ca.front.meddle = (request) => {
			const odd = match(request);
			met ||= odd;
			return odd ? answer : undefined;
		};
		const one = await o.run(['a.test']);
		assert.ok(met, `${what}: nobody asked`);
		failed(one, code, kind, words);
	}
	ca.front.meddle = () => undefined;
	o.check(await o.run(['a.test']), ['a.test']);
});

ordering('authorizations that no CA should give', { ca: { env: BLIND } }, async (o, ca) => {
	const identifier = { type: 'dns', value: 'a.test' };
	const challenge = { type: 'http-01', status: 'pending', token: 'abc', url: 'https://localhost/' };
	for (const [authorization, words, code = EPROTO, kind = 'network'] of [
		[{ identifier }, nonsense('the authorization of an identifier has no status')],
		[{ status: 'pending', identifier: { type: 'dns', value: 'other.test' }, challenges: [challenge] },
			nonsense('an authorization is for nothing that was ordered')],
		[{ status: 'pending', identifier: { type: 'ip', value: 'a.test' }, challenges: [challenge] },
			nonsense('an authorization is for nothing that was ordered')],
		[{ status: 'pending', challenges: [challenge] },
			nonsense('an authorization is for nothing that was ordered')],
		[{ status: 'pending', identifier }, nonsense('it offers no challenge for a.test')],
		[{ status: 'pending', identifier, challenges: [7, {}, { ...challenge, token: '../../etc' },
			{ ...challenge, token: '' }, { ...challenge, url: 'http://localhost/' },
			{ ...challenge, token: 'a'.repeat(300) }, { ...challenge, type: null }] },
		nonsense('it offers no challenge for a.test')],
		[{ status: 'expired', identifier }, /^the CA did not accept its challenge of a.test: expired$/,
			EACCES, 'challenge'],
	]) {
		ca.front.mend = (request, answer) => {
			if (request.path.includes('authZ') && !request.payload)
				answer.body = JSON.stringify(authorization);
		};
		failed(await o.run(['a.test']), code, kind, words);
	}
});

// --- the network, and the end --------------------------------------------------------------------

ordering('a CA that cannot be reached or trusted', { ca: { env: BLIND } }, async (o, ca) => {
	failed(await o.run(['a.test'], { url: 'http://localhost/dir' }), EINVAL, 'local',
		/^directory-url = http:\/\/localhost\/dir is no https:\/\/ URL/);
	failed(await o.run(['a.test'], { words: ['--ca', '/etc/ssl/certs/ca-certificates.crt'] }), EIO,
		'network', /^cannot ask localhost:\d+: SSL certificate problem: /);
	failed(await o.run(['a.test'], { words: ['--ca', '/nonexistent.pem'] }), EIO, 'network',
		/^cannot ask localhost:\d+: .*nonexistent\.pem/);
	ca.front.meddle = () => 'hang';
	failed(await o.run(['a.test'], { words: ['--timeout', '1'] }), EIO, 'network',
		/^cannot ask localhost:\d+: Operation timed out/);
	failed(await o.run(['a.test'], { words: ['--timeout', '1'], url: 'https://ca.stalls/dir' }), EIO,
		'network', /^cannot ask ca\.stalls: Resolving timed out/);
	await ca.front.close();
	failed(await o.run(['a.test']), EIO, 'network',
		/^cannot ask localhost:\d+: Failed to connect to localhost port \d+/);
	await ca.front.open();
	ca.front.meddle = () => undefined;
	o.check(await o.run(['a.test']), ['a.test']);
});

// Cancels when ready(order) is true, and is back within a second.
async function cancelled(o, ready, options) {
	const one = o.begin(NAMES, options);
	await until(() => ready(one), 'the moment to cancel');
	const begin = Date.now();
	one.child.kill('SIGUSR1');
	await within(one.done, 'the end after a cancel');
	const ms = Date.now() - begin;
	failed(one, ECANCELED, 'none', /^cancelled$/);
	assert.ok(ms < (SANITIZED ? 3000 : 1000), `${ms} ms after the cancel`);
	return one;
}

ordering('a cancel ends it at once, whatever it does', async (o, ca) => {
	let held = false;
	const hang = (match) => (request) => {
		held ||= match(request);
		return held ? 'hang' : undefined;
	};
	// While a name is looked up, and while an answer is awaited.
	await cancelled(o, (one) => one.child.out.includes('started'), { url: 'https://ca.stalls/dir' });
	ca.front.meddle = hang(directory);
	await cancelled(o, () => held);
	held = false;
	ca.front.meddle = hang(order);
	await cancelled(o, () => held);
	// While the CA looks: a long wait is broken.
	ca.front.meddle = () => undefined;
	ca.front.mend = (request, answer) => {
		if (!request.path.includes('authZ'))
			return;
		answer.headers['retry-after'] = '3600';
		answer.body = JSON.stringify({ ...JSON.parse(answer.body.toString()), status: 'pending' });
	};
	const looks = () => ca.front.requests.filter(({ path: where }) => where.includes('authZ')).length;
	const before = looks();
	const one = await cancelled(o, () => looks() >= before + 6);
	assert.equal(one.ends.length, 3);
});
