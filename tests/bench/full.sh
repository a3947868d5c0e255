# The measurement: the daemon beside the yardstick, its transports, and what only it must reach.
# Sourced by run.  The variables BENCH_* make it shorter or longer; the targets are meant for
# their defaults.

repeats=${BENCH_REPEATS:-5}
peers=${BENCH_PEERS:-2000}
messages=${BENCH_MESSAGES:-40000}
hold_peers=${BENCH_HOLD_PEERS:-6000}
hold=${BENCH_HOLD:-65} # seconds; longer than the server's keepalive takes to find a dead peer
rounds=${BENCH_ROUNDS:-10}
tls_repeats=${BENCH_TLS_REPEATS:-3}
ws_repeats=${BENCH_WS_REPEATS:-3}
accept_repeats=${BENCH_ACCEPT_REPEATS:-5}
accept_peers=${BENCH_ACCEPT_PEERS:-4000}
crowd=${BENCH_CROWD:-100000}
scrapes=${BENCH_SCRAPES:-200}
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

at_least() {
	if awk -v v="$2" -v limit="$1" 'BEGIN { exit !(v != "" && v + 0 >= limit + 0) }'; then
		verdict reached "$3: $2 (at least $1)"
	else
		verdict MISSED "$3: $2 (at least $1)"
	fi
}

# compare_once NUMBER A B: fresh processes each time: memory that an earlier run left would not
# count as a peer's.  Who is first alternates.
compare_once() {
	local number=$1 first=$2 second=$3 name
	[ $((number % 2)) -eq 1 ] || first=$3 second=$2
	start "$first" || give_up "$first"
	start "$second" || give_up "$second"
	aim "$first" "$second"
	"${generator[@]}" --peers "$peers" --messages "$messages" measure >"$dir/out" ||
		give_up "the load generator, on $first and $second"
	for name in "$first" "$second"; do
		grep "^result .* pid=${pid[$name]} " "$dir/out" |
			sed "s/^/$name $number /" >>"$dir/$2.results"
		stop "$name" || give_up "$name"
	done
}

# compare REPEATS A B: a table, and the medians for figure().
compare() {
	local i
	for ((i = 1; i <= $1; i++)); do
		compare_once $i "$2" "$3"
		sed -n "s/^\([a-z_]*\) $i .* kib_per_idle_peer=\([0-9.]*\) .* cpu_us_per_message=\([0-9.]*\) .*/\1 \3 us\/message \2 KiB\/peer/p" \
			"$dir/$2.results" | paste -s -d ' '
	done
	say
	awk -v a="$2" -v b="$3" -v figures="$dir/figures" -f "$here/medians.awk" "$dir/$2.results"
	say
}

# figure NAME KEY, or A/B KEY: of the comparisons so far.
figure() { awk -v name="$1" -v key="$2" '$1 == name && $2 == key { print $3 }' "$dir/figures"; }

compare_plaintext() {
	compare "$repeats" daemon yardstick
	at_most 1.15 "$(figure daemon/yardstick cpu_us_per_message)" \
		'CPU per message, daemon / yardstick'
	at_most 1.15 "$(figure daemon/yardstick kib_per_idle_peer)" \
		'KiB per idle peer, daemon / yardstick'
}

# After compare_plaintext.
compare_tls() {
	local tls
	compare "$tls_repeats" tls yardstick_tls
	tls=$(figure tls kib_per_idle_peer)
	at_most 1.5 "$(awk "BEGIN { printf \"%.3f\", $tls / $(figure daemon kib_per_idle_peer) }")" \
		'KiB per idle peer, daemon with TLS / without'
	at_most 0.55 "$(figure tls/yardstick_tls kib_per_idle_peer)" \
		"KiB per idle peer with TLS, daemon / yardstick"
}

compare_websockets() {
	compare "$ws_repeats" light tunnel
	at_most 10 "$(figure light kib_per_idle_peer)" 'KiB per idle light peer'
}

accept_websockets() {
	local i
	for ((i = 1; i <= accept_repeats; i++)); do
		start light || give_up light
		start light_2 || give_up light_2
		aim light light_2:light
		"${generator[@]}" --peers "$accept_peers" --early 500 --window 500 accept >"$dir/out" ||
			give_up "$accept_peers WebSockets"
		stop light || give_up light
		stop light_2 || give_up light_2
		sed -n 's/^result .* \(early=.*\)/light \1/p' "$dir/out"
		value late_to_early <"$dir/out" >>"$dir/accept"
	done
	say
	at_least 0.5 "$(sort -n "$dir/accept" | sed -n "$(((accept_repeats + 1) / 2))p")" \
		"registrations/s of light peers, $accept_peers there / 500 there, median"
}

# Gauges of the daemon under test.
check_gauges() {
	if wait_for 20 gauges_are_zero daemon; then
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
	# The daemon trims its heap within half a minute or not at all.
	"${generator[@]}" --peers "$hold_peers" --messages "$messages" --rounds "$rounds" --leave 30 \
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

scrape_crowd() {
	local form
	start crowd || give_up crowd
	wait_for 120 crowd_is_there || give_up "$crowd peers"
	for form in text openmetrics gzip; do
		"$bin/scrape" "$metrics" "$scrapes" $form >"$dir/out" ||
			give_up "scrapes with $crowd peers, $form"
		sed 's/^result //' "$dir/out"
		at_most 50 "$(value p95_ms <"$dir/out")" \
			"ms for a scrape with $crowd peers, 95 of 100, $form"
	done
	stop crowd || give_up crowd
}

compare_plaintext
say
compare_tls
say
compare_websockets
say
accept_websockets
say
hold_and_leave
say
many_rounds
say
scrape_crowd
say
if [ "$missed" -gt 0 ]; then
	say "$missed targets missed"
	exit 1
fi
say 'all targets reached'
