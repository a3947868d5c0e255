# What `make test` wants to know: the programs of the benchmark work, against both servers, and
# fail when they must.  Sourced by run.

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

side_by_side() {
	aim daemon yardstick
	expect 0 'both: register and send' both
	expect 0 'both: every figure is there' has registrations_per_s cpu_us_per_registration \
		kib_per_idle_peer messages_per_s cpu_us_per_message p50_us p99_us p999_us
}

against() {
	aim "$1"
	expect 0 "$1: messages of 600 KB" "${generator[@]}" --peers 10 --messages 20 --size 600000 measure
	expect 0 "$1: hold" "${generator[@]}" --peers 40 --hold 1 --leave 1 hold
	expect 0 "$1: rounds" "${generator[@]}" --peers 20 --messages 100 --rounds 2 --leave 1 rounds
	if [ "$1" = daemon ]; then
		expect 0 "$1: gauges return to 0" wait_for 20 gauges_are_zero
	fi
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
if expect 0 'daemon starts' start daemon && expect 0 'yardstick starts' start yardstick; then
	side_by_side
	against daemon
	against yardstick
	expect 0 'daemon stops' stop daemon
	expect 0 'yardstick stops' stop yardstick
	expect 0 'yardstick starts again' start yardstick
	expect 1 'fails when the server dies' outlive
fi
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
