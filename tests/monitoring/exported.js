'use strict';
// Holds the names, labels and label values of an expression against an exposition.

const { parse } = require('./promql');

// What Prometheus adds itself.
const TARGET = ['job', 'instance'];
const OWN = { up: [], ALERTS: ['alertname', 'alertstate', 'severity'] };

class Exported {
	// recorded: { name of a recording rule: labels of its series }
	constructor(exposition, recorded = {}) {
		this.series = new Map();
		this.recorded = { ...OWN, ...recorded };
		for (const { name, labels } of exposition.all())
			this.series.set(name, [...this.series.get(name) || [], labels]);
	}

	// Each of the values that a matcher names must be there, also those that it excludes.
	matcher(name, { label, op, value }) {
		if (TARGET.includes(label))
			return [];
		const there = this.series.get(name).map((labels) => labels[label]);
		if (there.every((each) => each === undefined))
			return [`${name} has no label ${label}`];
		const wanted = op.endsWith('~') ? value.split('|') : [value];
		return wanted.filter((each) => !there.some((own) => op.endsWith('~')
			? new RegExp(`^(?:${each})$`).test(own) : own === each))
			.map((each) => `${name} never has ${label}="${each}"`);
	}

	selector({ name, matchers }) {
		if (name in this.recorded)
			return [];
		if (!this.series.has(name))
			return [`no metric is called ${name}`];
		return matchers.flatMap((each) => this.matcher(name, each));
	}

	labelsOf(name) {
		return this.recorded[name] || (this.series.get(name) || []).flatMap(Object.keys);
	}

	// What is wrong with an expression, and with labels that are named beside it; [] if nothing.
	faults(expr, beside = []) {
		let selectors, labels;
		try {
			({ selectors, labels } = parse(expr));
		} catch (error) {
			return [error.message];
		}
		const known = [...TARGET, ...selectors.flatMap(({ name }) => this.labelsOf(name))];
		const missing = [...labels, ...beside].filter((label) => !known.includes(label));
		return [...new Set([...selectors.flatMap((each) => this.selector(each)),
			...missing.map((label) => `none of its metrics has a label ${label}`)])];
	}
}

module.exports = { Exported };
