'use strict';
// Protobuf's wire format by hand: what a serializer would not write.

function varint(value) {
	const bytes = [];
	for (; value >= 128; value = Math.floor(value / 128))
		bytes.push((value % 128) | 128);
	return Buffer.from([...bytes, value]);
}

const VARINT = 0;
const LEN = 2;

function tag(number, type) {
	return varint(number * 8 + type);
}

// A field of bytes or text.
function field(number, content) {
	const bytes = Buffer.from(content);
	return Buffer.concat([tag(number, LEN), varint(bytes.length), bytes]);
}

function encrypted(key, remoteKey, body) {
	return Buffer.concat([field(2, key), field(3, remoteKey), field(4, body)]);
}

// An EncryptedMessage of exactly that many bytes.
function encryptedOf(size, key, remoteKey) {
	for (let body = size; body > 0; body--) {
		const head = field(2, key).length + field(3, remoteKey).length + 1 + varint(body).length;
		if (head + body === size)
			return encrypted(key, remoteKey, Buffer.alloc(body, 'x'));
	}
	throw new Error(`no message has ${size} bytes`);
}

module.exports = { LEN, VARINT, encrypted, encryptedOf, field, tag, varint };
