'use strict';
// Certificates for the scenarios, made by the openssl command.  Keys are on P-256: quick to make.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { scenario } = require('./harness');

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];

function openssl(...words) {
	return execFileSync('openssl', words, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
}

function pair(dir, stem) {
	return { crt: path.join(dir, `${stem}.crt`), key: path.join(dir, `${stem}.key`) };
}

// A certification authority below dir: { crt, key } are its files, ca is its certificate.
function authority(dir, stem = 'ca') {
	const files = pair(dir, stem);
	openssl('req', '-x509', ...KEY, '-nodes', '-subj', `/CN=${stem}`, '-days', '2',
		'-addext', 'keyUsage=critical,keyCertSign,cRLSign', '-keyout', files.key, '-out', files.crt);
	return { ...files, ca: fs.readFileSync(files.crt) };
}

let serial = 0;

// A pair that the authority signed: { crt, key, serial }.  names: its DNS names, [] for a
// certificate that has nothing but the CN `stem`.  password: the key is encrypted with it.
function issue(dir, stem, { ca, names = ['localhost'], password, days = 2, use = 'serverAuth' }) {
	const files = pair(dir, stem);
	const alt = names.length
		? ['-addext', `subjectAltName=${names.map((name) => `DNS:${name}`).join(',')}`] : [];
	const number = (++serial).toString(16).padStart(8, '0').toUpperCase();
	openssl('req', '-x509', '-CA', ca.crt, '-CAkey', ca.key, ...KEY, '-subj', `/CN=${stem}`,
		'-set_serial', `0x01${number}`, '-days', `${days}`, ...alt,
		'-addext', 'basicConstraints=critical,CA:FALSE', '-addext', `extendedKeyUsage=${use}`,
		...(password ? ['-passout', `pass:${password}`] : ['-nodes']),
		'-keyout', files.key, '-out', files.crt);
	return { ...files, serial: `01${number}` };
}

// A folder with an authority and one pair for localhost: what most scenarios need.
// ini: the section that serves it.
function simple(dir, options = {}) {
	const ca = authority(dir);
	const server = issue(dir, 'server', { ca, ...options });
	return { ...ca, server, ini: { tls: section(server) } };
}

// The keys of [tls] or [tls NAME] for a pair.
function section({ crt, key }) {
	return { 'cert-file': crt, 'cert-key': key };
}

// Puts another pair in the place of one that is served, each file at once and whole.
function replace(target, source) {
	for (const kind of ['crt', 'key']) {
		fs.copyFileSync(source[kind], `${target[kind]}.new`);
		fs.renameSync(`${target[kind]}.new`, target[kind]);
	}
}

// A scenario whose daemon has a certificate for localhost.  body(d, secure, pki): what a client's
// tls.connect() wants, and what simple() made.  options.ini: more of it, or a function of the
// folder and pki.
function secured(name, options, body) {
	if (typeof options === 'function')
		[options, body] = [{}, options];
	let pki;
	const ini = (dir) => {
		pki = simple(dir);
		return { ...pki.ini, ...(typeof options.ini === 'function' ? options.ini(dir, pki) : options.ini) };
	};
	scenario(name, { ...options, ini }, (d) => body(d, { ca: pki.ca, servername: 'localhost' }, pki));
}

module.exports = { authority, issue, openssl, replace, section, secured, simple };
