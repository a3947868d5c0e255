# awk -v a=NAME -v b=NAME -v figures=FILE -f medians.awk: of lines "NAME REPEAT result KEY=VALUE ..."
# prints a table; each median goes into `figures` as "NAME KEY VALUE", that of the repeats' ratios
# as "a/b KEY VALUE".

function median(x, n,    i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && x[j - 1] > x[j]; j--) {
			t = x[j]; x[j] = x[j - 1]; x[j - 1] = t
		}
	return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
}

function row(key, title,    i, x, y, r, xm, ym, rm) {
	for (i = 1; i <= n; i++) {
		x[i] = v[a, i, key]
		y[i] = v[b, i, key]
		r[i] = y[i] > 0 ? x[i] / y[i] : 0
	}
	xm = median(x, n); ym = median(y, n); rm = median(r, n)
	printf "%-24s %12.1f %13.1f %8.3f   %.3f to %.3f\n", title, xm, ym, rm, r[1], r[n]
	printf "%s %s %.3f\n%s %s %.3f\n%s/%s %s %.3f\n", a, key, xm, b, key, ym, a, b, key, rm >>figures
}

{
	for (i = 4; i <= NF; i++) {
		split($i, kv, "=")
		v[$1, $2, kv[1]] = kv[2]
	}
	n = $2
}

END {
	printf "%-24s %12s %13s %8s   %s\n", v[a, n, "peers"] " peers, medians", a, b, "ratio", "from to"
	row("registrations_per_s", "registrations/s")
	row("messages_per_s", "messages/s")
	row("p50_us", "latency p50 us")
	row("p99_us", "latency p99 us")
	row("p999_us", "latency p99.9 us")
	row("cpu_us_per_registration", "CPU us / registration")
	row("cpu_us_per_message", "CPU us / message")
	row("kib_per_idle_peer", "KiB / idle peer")
	row("own_cpu_us_per_message", "generator, CPU us / msg")
}
