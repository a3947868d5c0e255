'use strict';
// The dashboard as Grafana will read it.

const fs = require('node:fs');

// Grafana's own variables, with a value that makes an expression complete.
const BUILT_IN = { __rate_interval: '5m', __interval: '1m', __range: '1h' };

class Dashboard {
	constructor(file) {
		this.json = JSON.parse(fs.readFileSync(file, 'utf8'));
		this.panels = this.json.panels.filter(({ type }) => type !== 'row');
	}

	variables() {
		return this.json.templating.list;
	}

	// [{ where, expr, legend }] as written.
	queries() {
		return [
			...this.panels.flatMap(({ id, title, targets }) => targets
				.map(({ expr, refId, legendFormat }) =>
					({ where: `panel ${id} "${title}" ${refId}`, expr, legend: legendFormat }))),
			...this.json.annotations.list.filter(({ expr }) => expr).map(({ name, expr, textFormat }) =>
				({ where: `annotation ${name}`, expr, legend: textFormat })),
			...this.variables().filter(({ type }) => type === 'query').map(({ name, definition }) =>
				({ where: `variable ${name}`, legend: '',
					expr: /^label_values\((.*), \w+\)$/.exec(definition)?.[1] || definition })),
		];
	}

	// An expression with its variables replaced; one that is not defined stays.
	fill(expr) {
		const own = this.variables().map(({ name, type }) => [name, type === 'textbox' ? '' : '.+']);
		const values = { ...BUILT_IN, ...Object.fromEntries(own) };
		return expr.replace(/\$\{(\w+)\}|\$(\w+)/g, (whole, a, b) => values[a || b] ?? whole);
	}

	// Two panels at one place, or one that sticks out.
	misplaced() {
		const all = this.json.panels;
		const meet = (a, b) => a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
		return [
			...all.filter(({ gridPos: { x, w, h } }) => x < 0 || x + w > 24 || w < 1 || h < 1)
				.map(({ id }) => `panel ${id} sticks out`),
			...all.flatMap((a, i) => all.slice(i + 1).filter((b) => meet(a.gridPos, b.gridPos))
				.map((b) => `panels ${a.id} and ${b.id} overlap`)),
		];
	}

	// What a reader would miss.
	unfinished() {
		const all = this.json.panels;
		const ids = all.map(({ id }) => id);
		const datasource = ({ datasource: ds }) => ds?.uid === '${datasource}';
		return [
			...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `id ${id} twice`),
			...all[0].type === 'row' ? [] : ['the first panel is in no row'],
			...this.panels.flatMap((panel) => [
				[panel.title, 'title'], [panel.description, 'description'],
				[[panel, ...panel.targets].every(datasource), 'data source'],
				[new Set(panel.targets.map(({ refId }) => refId)).size === panel.targets.length,
					'refIds of their own'],
				[panel.type === 'table' || panel.fieldConfig.defaults.unit || panel.options.yAxis?.unit,
					'unit'],
			].filter(([there]) => !there).map(([, what]) => `panel ${panel.id} has no ${what}`)),
		];
	}
}

module.exports = { Dashboard };
