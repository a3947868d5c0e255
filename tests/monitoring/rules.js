'use strict';
// The rules of a file as this project writes them: a key per line, values in the line, or behind |
// and >- in lines that are indented more.  promtool reads the whole of YAML; main.js holds its count
// of rules against this one.

const fs = require('node:fs');

function block(lines, from, indent) {
	const text = [];
	for (let i = from; i < lines.length && (/^\s*$/.test(lines[i]) || lines[i].search(/\S/) > indent); i++)
		text.push(lines[i].trim());
	return text.join('\n').trim();
}

// [{ alert or record, expr, severity, summary, description }]
function read(file) {
	const lines = fs.readFileSync(file, 'utf8').split('\n');
	const rules = [];
	lines.forEach((line, i) => {
		const [, lead, key, value] = /^(\s+(?:- )?)(\w+):\s*(.*)$/.exec(line) || [];
		if (key === 'alert' || key === 'record')
			rules.push({ [key]: value });
		else if (['expr', 'severity', 'summary', 'description'].includes(key))
			rules.at(-1)[key] = /^[|>]-?$/.test(value) ? block(lines, i + 1, lead.length)
				: value.replace(/^"(.*)"$/, '$1');
	});
	return rules;
}

module.exports = { read };
