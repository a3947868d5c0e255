'use strict';
// A peer in a process of its own: client.js HOST PORT ID.  Says "registered", then "got BODY" for
// each message.  With the variable WAIT it begins when its input ends, with CA, the file of an
// authority, it comes over TLS.

const fs = require('node:fs');
const { Peer } = require('./peers');

async function main([host, port, id]) {
	const d = { after() {}, target: () => `${host}:${port}` };
	const secure = process.env.CA && { ca: fs.readFileSync(process.env.CA), servername: 'localhost' };
	const peer = new Peer(d, id, { secure });
	peer.call.on('data', (message) => console.log(`got ${message.body}`));
	await peer.registered();
	console.log('registered');
	const end = await peer.ended;
	console.log(`ended ${end.code}`);
	process.exit();
}

if (process.env.WAIT)
	process.stdin.on('end', () => main(process.argv.slice(2))).resume();
else
	main(process.argv.slice(2));
