'use strict';
// An address for mail that changes: the account is told, the certificate does not depend on it.

const assert = require('node:assert/strict');
const path = require('node:path');
const { describe } = require('node:test');
const { until } = require('./harness');
const { OBTAINED, certified, cert, files, issued, lines } = require('./acme');

const kept = (d) => files(path.join(d.dir, 'ssl')).find((file) => file.path.endsWith('account.email'))?.text;
const told = (ca) => ca.front.requests.filter(({ head, payload }) => head?.kid && payload?.contact);

// Another address, and a new certificate.
async function change(d, email) {
	const from = d.lines().length;
	d.configure({ 'plugin letsencrypt': { email } });
	d.signal('SIGHUP');
	await d.logged(/daemon: reloaded/, { from });
	await until(async () => (await cert(d, 'renew')).code === 0, 'that it can be asked');
	await d.logged(OBTAINED, { from });
	return from;
}

describe('acme_email', { concurrency: 2 }, () => {
	certified('a new one is told with the next certificate, once', { plugin: { email: 'a@a.test' } },
		async (d, ca) => {
			await issued(d, ca);
			assert.equal(kept(d), 'a@a.test\n');
			assert.equal(told(ca).length, 0);
			await change(d, 'b@a.test');
			assert.equal(kept(d), 'b@a.test\n');
			const { length } = told(ca).filter(({ status }) => status === 200);
			assert.equal(length, 1);
			await change(d, 'b@a.test');
			assert.equal(told(ca).filter(({ status }) => status === 200).length, 1);
			assert.equal(ca.front.accounts().length, 1);
		});

	certified('one that the CA does not want is said, and the certificate comes', {
		plugin: { email: 'a@a.test' },
	}, async (d, ca) => {
		await issued(d, ca);
		ca.front.meddle = ({ head, payload }) => (head?.kid && payload?.contact ? { status: 400,
			headers: { 'content-type': 'application/problem+json' }, body: JSON.stringify({
				type: 'urn:ietf:params:acme:error:invalidContact', detail: 'not that one' }) }
			: undefined);
		const from = await change(d, 'b@a.test');
		assert.equal(lines(d, /WARN +letsencrypt: the CA was not told the account's email: the CA refuses the account's email: invalidContact: not that one kind=refused$/, from).length, 1);
		assert.equal(kept(d), 'a@a.test\n');
	});
});
