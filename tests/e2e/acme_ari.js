'use strict';
// A stand-in that follows RFC 9773 (renewal information) and the profiles extension of ACME: Debian's
// Pebble 2.4.0 has neither.  It is a part of the proxy in front of Pebble (acme.js), which it teaches
// a directory with renewalInfo and profiles, the resource itself, and what is wrong with an order.

const { X509Certificate } = require('node:crypto');
const { openssl } = require('./certs');
const fs = require('node:fs');
const path = require('node:path');

const PATH = '/renewal-info/';
const PROFILES = { classic: 'https://ca.test/classic', shortlived: 'https://ca.test/shortlived' };

// The identifier of a certificate (4.1): its authority's key and its serial number.
function idOf(dir, pem) {
	const file = path.join(dir, 'leaf.pem');
	fs.writeFileSync(file, pem);
	const text = openssl('x509', '-in', file, '-noout', '-ext', 'authorityKeyIdentifier');
	const authority = Buffer.from(/(?:[0-9A-F]{2}:)+[0-9A-F]{2}/.exec(text)[0].replaceAll(':', ''), 'hex');
	let serial = new X509Certificate(pem).serialNumber;
	serial = serial.length % 2 ? `0${serial}` : serial;
	if (parseInt(serial.slice(0, 2), 16) >= 0x80)
		serial = `00${serial}`; // DER's sign
	return `${authority.toString('base64url')}.${Buffer.from(serial, 'hex').toString('base64url')}`;
}

function problem(status, type, detail) {
	return { status, headers: { 'content-type': 'application/problem+json', 'replay-nonce': 'bm9uY2U' },
		body: JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail }) };
}

// ids: every certificate that the CA has issued; urgent: those that it wants renewed at once.
class RenewalInfo {
	constructor(ca) {
		this.ca = ca;
		this.ids = [];
		this.urgent = new Set();
		this.asked = [];
		this.replaced = new Set();
		this.broken = false;
		this.retryAfter = '21600';
		ca.front.meddle = (request) => this.meddle(request);
		ca.front.mend = (request, answer) => this.mend(request, answer);
	}

	window(id) {
		const hour = 3600_000;
		const begin = this.urgent.has(id) ? Date.now() - 2 * hour : Date.now() + 24 * hour;
		const day = (ms) => new Date(ms).toISOString();
		// Whole hours, so that it is the same window when it is asked for again.
		const start = Math.floor(begin / hour) * hour;
		return { suggestedWindow: { start: day(start), end: day(start + hour) },
			explanationURL: 'https://ca.test/why' };
	}

	meddle(request) {
		if (request.method === 'GET' && request.path.startsWith(PATH)) {
			const id = request.path.slice(PATH.length);
			this.asked.push(id);
			if (this.broken)
				return { status: 500, headers: {}, body: 'no' };
			if (!this.ids.includes(id))
				return problem(404, 'malformed', 'no such certificate');
			return { status: 200, headers: { 'content-type': 'application/json',
				'retry-after': this.retryAfter }, body: JSON.stringify(this.window(id)) };
		}
		const { identifiers, replaces, profile } = request.payload || {};
		if (!identifiers)
			return undefined;
		if (replaces !== undefined && !this.ids.includes(replaces))
			return problem(400, 'malformed', 'an order that replaces what is not there');
		if (replaces !== undefined && this.replaced.has(replaces))
			return problem(409, 'alreadyReplaced', 'that one was replaced');
		if (profile !== undefined && !PROFILES[profile])
			return problem(400, 'invalidProfile', 'no such profile');
		return undefined;
	}

	mend(request, answer) {
		if (request.path === '/dir' && answer.status === 200) {
			const directory = JSON.parse(answer.body);
			directory.renewalInfo = `https://localhost:${this.ca.port}${PATH.slice(0, -1)}`;
			directory.meta = { ...directory.meta, profiles: PROFILES };
			answer.body = Buffer.from(JSON.stringify(directory));
		}
		if (request.payload?.replaces && answer.status === 201)
			this.replaced.add(request.payload.replaces);
		if (request.path.startsWith('/certZ/') && answer.status === 200)
			this.ids.push(idOf(this.ca.dir, /-----BEGIN[^]*?-----END CERTIFICATE-----\n/
				.exec(answer.body.toString())[0]));
	}
}

module.exports = { RenewalInfo, idOf };
