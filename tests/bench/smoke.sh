# What `make test` wants to know: the programs of the benchmark work, against each server and over
# each transport, and fail when they must.  Sourced by run.

passed=0 failed=0

# expect STATUS NAME COMMAND...
expect() {
	local want=$1 name=$2 status
	shift 2
	"$@" >"$dir/out" 2>&1
	status=$?
	if [ "$status" -eq "$want" ]; then
		say "ok       $name"
		passed=$((passed + 1))
		return 0
	fi
	say "FAILED   $name: exit status $status, expected $want"
	sed 's/^/         /' "$dir/out"
	failed=$((failed + 1))
	return 1
}

refusals() {
	expect 2 'refuses an address that is not loopback' \
		"$bin/loadgen" --address 192.0.2.1:10000 --pid 1 measure
	expect 2 'refuses a number out of range' \
		"$bin/loadgen" --address 127.0.0.1:10000 --pid 1 --peers 0 measure
	expect 2 'refuses an unknown scenario' \
		"$bin/loadgen" --address 127.0.0.1:10000 --pid $$ nothing
	expect 2 'refuses an address without a process' \
		"$bin/loadgen" --address 127.0.0.1:10000 measure
	expect 2 'refuses an unknown transport' \
		"$bin/loadgen" --address 127.0.0.1:10000 --transport smoke --pid 1 measure
	expect 2 'refuses TLS without a certificate to trust' \
		"$bin/loadgen" --address 127.0.0.1:10000 --transport tls --pid 1 measure
	expect 1 'refuses to compare the rates of one server' \
		"$bin/loadgen" --address 127.0.0.1:10000 --pid $$ --peers 100 --early 95 --window 10 accept
	expect 2 'scrapes no address that is not loopback' "$bin/scrape" 192.0.2.1:9090 1 text
	expect 2 'scrapes in no unknown form' "$bin/scrape" 127.0.0.1:9090 1 protobuf
	expect 1 'fails without a server' \
		"$bin/loadgen" --address 127.0.0.1:1 --pid $$ --peers 1 measure
}

# has KEY...: each line of results has a value for each.
has() {
	[ "$(grep -c '^result ' "$dir/results")" -eq 2 ] || return 1
	for key; do
		[ "$(grep -c "^result .* $key=-\?[0-9.]\+" "$dir/results")" -eq 2 ] ||
			{ say "no $key" && return 1; }
	done
}

both() {
	"${generator[@]}" --peers 40 --messages 500 --patience 60 measure | tee "$dir/results"
}

# side_by_side SERVER SERVER, as for aim.
side_by_side() {
	aim "$1" "$2"
	expect 0 "$1, $2: register and send" both
	expect 0 "$1, $2: every figure is there" has registrations_per_s cpu_us_per_registration \
		kib_per_idle_peer messages_per_s cpu_us_per_message p50_us p99_us p999_us
}

# against SERVER, as for aim.
against() {
	aim "$1"
	expect 0 "$1: messages of 600 KB" "${generator[@]}" --peers 10 --messages 20 --size 600000 measure
	expect 0 "$1: hold" "${generator[@]}" --peers 40 --hold 1 --leave 1 hold
	case $1 in
	*:*) ;; # which transport it is makes no difference to the rounds
	*)
		expect 0 "$1: rounds" \
			"${generator[@]}" --peers 20 --messages 100 --rounds 2 --leave 1 rounds
		;;
	esac
}

# What the load generator must not take for a peer that is registered.
wrong_servers() {
	aim yardstick:tls
	expect 1 'fails without TLS' "${generator[@]}" --peers 1 measure
	aim yardstick:light
	expect 1 'fails without WebSocket' "${generator[@]}" --peers 1 measure
	mkdir "$dir/true" && cp "$dir/cert.pem" "$dir/key.pem" "$dir/true/"
	make_certificate
	aim yardstick_tls
	expect 1 'fails with a certificate of others' "${generator[@]}" --peers 1 measure
	mv "$dir"/true/*.pem "$dir/"
}

# Time is not looked at here.
scrapes() {
	local form
	for form in text openmetrics gzip; do
		expect 0 "crowd: scrapes, $form" "$bin/scrape" "$metrics" 5 $form
	done
	expect 1 'fails where there are no metrics' \
		"$bin/scrape" "127.0.0.1:${port[crowd]}" 1 text
}

has_sockets() {
	[ "$(find "/proc/$1/fd" -lname 'socket:*' 2>/dev/null | wc -l)" -ge "$2" ]
}

outlive() {
	aim yardstick
	"${generator[@]}" --peers 10 --hold 60 hold &
	wait_for 20 has_sockets "${pid[yardstick]}" 10 && end yardstick
	wait $!
}

refusals
if expect 0 'daemon starts' start daemon && expect 0 'yardstick starts' start yardstick &&
	expect 0 'yardstick with TLS starts' start yardstick_tls; then
	side_by_side daemon yardstick
	side_by_side daemon:tls yardstick_tls
	# Peers of one daemon would replace each other: both crowds have the same ids.
	if expect 0 'a second daemon starts' start tunnel; then
		side_by_side daemon:light tunnel
		aim daemon:light tunnel:light
		expect 0 'two daemons: accept' \
			"${generator[@]}" --peers 40 --early 10 --window 10 accept
		expect 0 'the second daemon stops' stop tunnel
	fi
	for server in daemon daemon:tls daemon:light daemon:tunnel yardstick yardstick_tls; do
		against $server
	done
	expect 0 'gauges return to 0' wait_for 20 gauges_are_zero daemon
	wrong_servers
	expect 0 'daemon stops' stop daemon
	expect 0 'yardstick stops' stop yardstick
	expect 0 'yardstick with TLS stops' stop yardstick_tls
	expect 0 'yardstick starts again' start yardstick
	expect 1 'fails when the server dies' outlive
fi
if expect 0 'daemon with a crowd starts' start crowd; then
	expect 0 'the crowd is there' wait_for 20 crowd_is_there && scrapes
	expect 0 'daemon with a crowd stops' stop crowd
fi
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
