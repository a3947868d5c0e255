# What smoke.sh and full.sh share: starting and ending servers, with their files below $dir.  A
# server called "yardstick" or "yardstick_tls" is that program, one of any other name a daemon of
# its own.  Sourced by run; needs B (the build directory).

bin=$B/tests/bench
dir=$(mktemp -d) || exit 1
declare -A pid port # of the servers that run, by name
crowd=100 # peers of the daemon called "crowd"
trap end_all EXIT
trap 'exit 1' INT TERM HUP

end_all() {
	local name
	for name in "${!pid[@]}"; do
		kill -KILL "${pid[$name]}" 2>/dev/null
		wait "${pid[$name]}" 2>/dev/null
	done
	rm -rf "$dir"
}

say() { printf '%s\n' "$*"; }

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
	local until=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.05
	done
}

gone() { ! kill -0 "${pid[$1]}" 2>/dev/null; }

# Sets port[NAME] from what the server says of its one listener; also true if it has ended.
told_port() {
	port[$1]=$(sed -n -E 's/.*(listening port=|listening name=signal address=[^ ]*:)([0-9]+).*/\2/p' \
		"$dir/$1.log" | head -n 1)
	[ -n "${port[$1]}" ] || gone "$1"
}

# The certificate of all servers, and the one that the load generator trusts.
make_certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
		-subj /CN=localhost -addext subjectAltName=DNS:localhost \
		-keyout "$dir/key.pem" -out "$dir/cert.pem" >"$dir/openssl.log" 2>&1 ||
		{ cat "$dir/openssl.log" && exit 1; }
}

# write_config NAME
write_config() {
	cat >"$dir/$1.ini" <<-INI
		[daemon]
		log-file = console
		plugin-dir = $B/plugins
		[listener signal]
		address = 127.0.0.1:0
		[tls]
		cert-file = $dir/cert.pem
		cert-key = $dir/key.pem
		[plugin grpc]
		[plugin websocket]
		[plugin probe]
		file = $(realpath "$B/tests/plugin/probe.so")
		socket = $dir/$1.sock
	INI
	[ "$1" != crowd ] || write_crowd >>"$dir/$1.ini"
}

# Peers without connections, and metrics.
write_crowd() {
	cat <<-INI
		[plugin crowd]
		file = $(realpath "$B/tests/plugin/crowd.so")
		peers = $crowd
		[plugin prometheus]
		address = 127.0.0.1
		port = 0
	INI
}

# Sets `metrics`, the address where the crowd's metrics are, once all of it is there.
crowd_is_there() {
	metrics=$(sed -n 's/.*listening name=metrics address=\([^ ]*\).*/\1/p' "$dir/crowd.log")
	"$bin/series" "$dir/crowd.sock" | grep -q "^active_peers $crowd$"
}

# start NAME
start() {
	: >"$dir/$1.log"
	case $1 in
	yardstick) "$bin/yardstick" 127.0.0.1:0 >"$dir/$1.log" 2>&1 & ;;
	yardstick_tls)
		"$bin/yardstick_tls" 127.0.0.1:0 "$dir/cert.pem" "$dir/key.pem" >"$dir/$1.log" 2>&1 &
		;;
	*)
		write_config "$1"
		"$B/netbird-signal" run --config "$dir/$1.ini" >"$dir/$1.log" 2>&1 &
		;;
	esac
	pid[$1]=$!
	wait_for 20 told_port "$1"
	[ -n "${port[$1]}" ] && return 0
	say "$1 does not start:" && cat "$dir/$1.log"
	end "$1"
	return 1
}

# end NAME: without a word.
end() {
	kill -KILL "${pid[$1]}" 2>/dev/null
	wait "${pid[$1]}" 2>/dev/null
	unset "pid[$1]"
}

# stop NAME: as an operator would; it must exit by itself, in time and with 0.
stop() {
	local status
	kill -TERM "${pid[$1]}"
	wait_for 30 gone "$1" || kill -KILL "${pid[$1]}"
	wait "${pid[$1]}"
	status=$?
	unset "pid[$1]"
	[ "$status" -eq 0 ] && return 0
	say "$1 ended with status $status:" && tail -n 20 "$dir/$1.log"
	return 1
}

# How peers of a server of that name speak where nothing else is said.
transport_of() {
	case $1 in
	tls | yardstick_tls) echo tls ;;
	light | tunnel) echo "$1" ;;
	*) echo grpc ;;
	esac
}

# aim NAME[:TRANSPORT]...: sets `generator`, the command without its options.
aim() {
	local server name transport
	generator=("$bin/loadgen" --ca "$dir/cert.pem")
	for server; do
		name=${server%:*}
		transport=$(transport_of "$name")
		[ "$server" = "$name" ] || transport=${server#*:}
		generator+=(--address "127.0.0.1:${port[$name]}" --transport "$transport" \
			--pid "${pid[$name]}")
	done
}

# value KEY < lines: the value of KEY in the last result line.
value() { sed -n "s/^result .* $1=\([^ ]*\).*/\1/p" | tail -n 1; }

# gauges_are_zero NAME: those that count peers and connections, and what is kept for them, which
# go into $dir/gauges.
gauges_are_zero() {
	local name
	"$bin/series" "$dir/$1.sock" >"$dir/series" 2>"$dir/series.log" || return 1
	for name in connections_open active_peers grpc_streams peers_in_grace mailbox_messages \
		mailbox_bytes tls_handshakes_in_progress websockets_open websocket_peers \
		wsproxy_active_connections; do
		grep -E "^$name(\{[^}]*\})? " "$dir/series" || echo "$name is missing"
	done >"$dir/gauges"
	! grep -v ' 0$' "$dir/gauges" >"$dir/not-zero"
}

make_certificate
