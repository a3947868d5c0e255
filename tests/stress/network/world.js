'use strict';
// What the clients of one storm share: the daemon, chance, what was seen, and when to stop.

// Mulberry32: a seed gives the same choices again; what the network makes of them it does not.
class Chance {
	constructor(seed) {
		this.state = seed >>> 0;
	}

	next() {
		this.state = (this.state + 0x6d2b79f5) >>> 0;
		let x = this.state;
		x = Math.imul(x ^ (x >>> 15), x | 1);
		x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
		return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
	}

	// 0 to n - 1.
	below(n) {
		return Math.floor(this.next() * n);
	}

	pick(list) {
		return list[this.below(list.length)];
	}

	// True once in n times.
	once(n) {
		return this.below(n) === 0;
	}
}

class World {
	constructor(d, seed) {
		this.d = d;
		this.seed = seed;
		this.over = false;
		this.seen = {};
		this.sockets = new Set();
		this.loops = [];
	}

	count(what, n = 1) {
		this.seen[what] = (this.seen[what] || 0) + n;
	}

	// Time that passes between two steps of a client; part of the load, nothing is awaited by it.
	idle(chance, most) {
		return new Promise((resolve) => setTimeout(resolve, chance.below(most)));
	}

	// `n` clients that live(world, chance) one life after the other until the storm is over.
	run(n, live) {
		for (let i = 0; i < n; i++)
			this.loops.push(this.loop(live, new Chance(this.seed + this.loops.length * 7919)));
	}

	async loop(live, chance) {
		while (!this.over) {
			try {
				await live(this, chance);
				this.count(live.name);
			} catch (error) {
				// What a client misses while the daemon stops is no fault of it.
				if (!this.over)
					this.failure ||= error;
				this.over = true;
			}
		}
	}

	// Lets it rage, and returns when every client has ended its life.
	async rage(ms) {
		const end = Date.now() + ms;
		while (!this.over && Date.now() < end)
			await new Promise((resolve) => setTimeout(resolve, 50));
		this.over = true;
		await this.settle();
	}

	async settle() {
		await Promise.all(this.loops);
		for (const socket of this.sockets)
			socket.destroy();
		if (this.failure)
			throw this.failure;
	}

	// Every one of these was seen at least once.
	expect(...names) {
		const missing = names.filter((name) => !this.seen[name]);
		if (missing.length > 0)
			throw new Error(`never seen: ${missing.join(', ')}`);
	}

	toString() {
		return Object.entries(this.seen).sort().map(([name, n]) => `${name}=${n}`).join(' ');
	}
}

module.exports = { Chance, World };
