# The measurement: the daemon beside the yardstick, then what only the daemon must reach.
# Sourced by run.  The variables BENCH_* make it shorter or longer; the targets are meant for
# their defaults.

repeats=${BENCH_REPEATS:-5}
peers=${BENCH_PEERS:-2000}
messages=${BENCH_MESSAGES:-40000}
hold_peers=${BENCH_HOLD_PEERS:-6000}
hold=${BENCH_HOLD:-65} # seconds; longer than the server's keepalive takes to find a dead peer
rounds=${BENCH_ROUNDS:-10}
missed=0

give_up() {
	say "FAILED   $*"
	exit 1
}

verdict() {
	[ "$1" = reached ] || missed=$((missed + 1))
	say "$*"
}

# at_most LIMIT VALUE TEXT
at_most() {
	if awk -v v="$2" -v limit="$1" 'BEGIN { exit !(v != "" && v + 0 <= limit + 0) }'; then
		verdict reached "$3: $2 (at most $1)"
	else
		verdict MISSED "$3: $2 (at most $1)"
	fi
}

# Fresh processes each time: memory that an earlier run left would not count as a peer's.  Who is
# first alternates.
compare_once() {
	local first=daemon second=yardstick name
	[ $(($1 % 2)) -eq 1 ] || first=yardstick second=daemon
	start $first || give_up $first
	start $second || give_up $second
	aim $first $second
	"${generator[@]}" --peers "$peers" --messages "$messages" measure >"$dir/out" ||
		give_up 'the load generator, on both servers'
	for name in daemon yardstick; do
		grep "^result .* pid=${pid[$name]} " "$dir/out" | sed "s/^/$name $1 /" >>"$dir/results"
		stop $name || give_up $name
	done
}

# medians < results: a table; and "cpu RATIO" and "kib RATIO" into $dir/ratios.
medians() {
	awk -v ratios="$dir/ratios" '
		function median(a, n,    i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && a[j - 1] > a[j]; j--) {
					t = a[j]; a[j] = a[j - 1]; a[j - 1] = t
				}
			return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
		}
		function row(key, title,    i, d, y, r, dm, ym, rm) {
			for (i = 1; i <= n; i++) {
				d[i] = v["daemon", i, key]
				y[i] = v["yardstick", i, key]
				r[i] = y[i] > 0 ? d[i] / y[i] : 0
			}
			dm = median(d, n); ym = median(y, n); rm = median(r, n)
			printf "%-24s %12.1f %12.1f %8.3f   %.3f to %.3f\n", title, dm, ym, rm, r[1], r[n]
			return rm
		}
		{
			for (i = 4; i <= NF; i++) {
				split($i, kv, "=")
				v[$1, $2, kv[1]] = kv[2]
			}
			n = $2
		}
		END {
			row("registrations_per_s", "registrations/s")
			row("messages_per_s", "messages/s")
			row("p50_us", "latency p50 us")
			row("p99_us", "latency p99 us")
			row("p999_us", "latency p99.9 us")
			row("cpu_us_per_registration", "CPU us / registration")
			printf "cpu %.3f\n", row("cpu_us_per_message", "CPU us / message") >ratios
			printf "kib %.3f\n", row("kib_per_idle_peer", "KiB / idle peer") >ratios
			row("own_cpu_us_per_message", "generator, CPU us / msg")
		}'
}

compare() {
	local i
	for ((i = 1; i <= repeats; i++)); do
		compare_once $i
		sed -n "s/^\([a-z]*\) $i .* kib_per_idle_peer=\([0-9.]*\) .* cpu_us_per_message=\([0-9.]*\) .*/\1 \3 us\/message \2 KiB\/peer/p" \
			"$dir/results" | paste -s -d ' '
	done
	say
	printf '%-24s %12s %12s %8s   %s\n' "$peers peers, medians" daemon yardstick ratio 'from to'
	medians <"$dir/results"
	say
	at_most 1.15 "$(sed -n 's/^cpu //p' "$dir/ratios")" 'CPU per message, daemon / yardstick'
	at_most 1.15 "$(sed -n 's/^kib //p' "$dir/ratios")" 'KiB per idle peer, daemon / yardstick'
}

check_gauges() {
	if wait_for 20 gauges_are_zero; then
		verdict reached "gauges $1: $(paste -s -d ' ' "$dir/gauges")"
	else
		verdict MISSED "gauges $1: $(paste -s -d ' ' "$dir/gauges")"
	fi
}

hold_and_leave() {
	start daemon || give_up daemon
	aim daemon
	"${generator[@]}" --peers "$hold_peers" --hold "$hold" --leave 60 hold | tee "$dir/out" ||
		give_up "$hold_peers idle peers"
	say
	verdict reached "$hold_peers idle peers held for $hold s, each got a message afterwards"
	at_most 8 "$(value kib_per_departed_peer <"$dir/out")" 'KiB left by each within a minute'
	check_gauges 'after all left'
	stop daemon || give_up daemon
}

many_rounds() {
	start daemon || give_up daemon
	aim daemon
	"${generator[@]}" --peers "$hold_peers" --messages "$messages" --rounds "$rounds" --leave 60 \
		rounds >"$dir/out" || give_up "$rounds rounds"
	awk -v growth="$dir/growth" '{
		for (i = 2; i <= NF; i++) {
			split($i, kv, "=")
			v[kv[1]] = kv[2]
		}
		printf "round %2d: %6.1f KiB / idle peer, %6.1f us / message, %6.1f MiB after all left (%s s)\n", \
			v["round"], v["kib_per_idle_peer"], v["cpu_us_per_message"], \
			v["rss_left_kib"] / 1024, v["left_s"]
		left[v["round"]] = v["rss_left_kib"]
	}
	END { printf "%.3f\n", left[v["round"]] / left[2] >growth }' "$dir/out"
	say
	at_most 1.10 "$(cat "$dir/growth")" "RSS after round $rounds / after round 2"
	check_gauges "after $rounds rounds"
	stop daemon || give_up daemon
}

compare
say
hold_and_leave
say
many_rounds
say
if [ "$missed" -gt 0 ]; then
	say "$missed targets missed"
	exit 1
fi
say 'all targets reached'
