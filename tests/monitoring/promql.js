'use strict';
// What an expression asks for.  Whether it is valid is promtool's to say; here it is only taken
// apart: the selectors, and the labels that are named outside of them.

const TOKEN = new RegExp([
	/(?<space>\s+|#.*)/, /(?<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`)/,
	/(?<range>\[[^\]]*\])/, /(?<number>\d[\w.]*)/, /(?<word>[a-zA-Z_:][\w:]*)/,
	/(?<mark>=~|!~|!=|==|<=|>=|[-+*/%^=<>(){},@])/,
].map((part) => part.source).join('|'), 'y');
const LISTS = ['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'];
const WORDS = ['and', 'or', 'unless', 'offset', 'bool', 'atan2', 'inf', 'nan'];

function tokens(expr) {
	const found = [];
	TOKEN.lastIndex = 0;
	while (TOKEN.lastIndex < expr.length) {
		const at = TOKEN.lastIndex;
		const match = TOKEN.exec(expr);
		if (!match)
			throw new Error(`at "${expr.slice(at, at + 20)}"`);
		const [kind, text] = Object.entries(match.groups).find(([, value]) => value !== undefined);
		if (kind !== 'space')
			found.push({ kind, text });
	}
	return found;
}

// A string's meaning: Go's escapes, of which those of JSON are enough here.
function unquote(text) {
	return text[0] === '`' ? text.slice(1, -1) : JSON.parse(`"${text.slice(1, -1)}"`);
}

// name{label="value", ...}: from the word on; returns the index behind it.
function selector(list, at, found) {
	const name = list[at++].text;
	const matchers = [];
	if (list[at]?.text === '{') {
		while (list[++at].text !== '}')
			if (list[at].kind === 'word') {
				const [label, op, value] = list.slice(at, at + 3);
				matchers.push({ label: label.text, op: op.text, value: unquote(value.text) });
				at += 2;
			}
		at++;
	}
	found.selectors.push({ name, matchers });
	return at;
}

// { selectors: [{ name, matchers: [{ label, op, value }] }], labels: [...] }
function parse(expr) {
	const list = tokens(expr);
	const found = { selectors: [], labels: [] };
	for (let at = 0; at < list.length;) {
		const { kind, text } = list[at];
		if (text === '{')
			throw new Error('a selector without a name');
		if (kind !== 'word' || WORDS.includes(text.toLowerCase())) {
			at++;
		} else if (LISTS.includes(text)) {
			for (at++; list[at].text === '(' || list[at].text === ',' || list[at].kind === 'word'; at++)
				if (list[at].kind === 'word')
					found.labels.push(list[at].text);
			at += list[at].text === ')';
		} else if (list[at + 1]?.text === '(' || LISTS.includes(list[at + 1]?.text)) {
			at++; // a function, or sum by (...)
		} else {
			at = selector(list, at, found);
		}
	}
	return found;
}

module.exports = { parse };
