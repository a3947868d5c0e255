/*
 * For tests: shows every metric to whoever connects to a Unix socket (key `socket`, a path), one
 * "name{labels} value" per line, and closes.  A histogram is shown as Prometheus does: cumulative
 * name_bucket{le="..."}, name_count, name_sum.
 */
#include <netbird-signal/plugin.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

NBS_PLUGIN_NOTE;

struct probe {
	struct nbs_host *host;
	struct sockaddr_un addr;
	int listener, quit;
	pthread_t thread;
};

static void show_series(FILE *f, const struct nbs_metric_desc *d, const char *suffix, double value)
{
	const char *labels = d->labels != NULL ? d->labels : "";

	fprintf(f, *labels != '\0' ? "%s%s{%s} %.17g\n" : "%s%s%s %.17g\n", d->name, suffix, labels,
	        value);
}

static void show_histogram(FILE *f, const struct nbs_metric_desc *d, const double *values)
{
	const char *labels = d->labels != NULL ? d->labels : "";
	double sum = 0;

	for (size_t i = 0; i <= d->n_bounds; i++) {
		sum += values[i];
		fprintf(f, "%s_bucket{%s%sle=\"", d->name, labels, *labels != '\0' ? "," : "");
		if (i < d->n_bounds)
			fprintf(f, "%.15g\"} %.17g\n", d->bounds[i], sum);
		else
			fprintf(f, "+Inf\"} %.17g\n", sum);
	}
	show_series(f, d, "_count", values[d->n_bounds + 1]);
	show_series(f, d, "_sum", values[d->n_bounds + 2]);
}

static void visit(void *arg, const struct nbs_metric_desc *d, const double *values, size_t n)
{
	if (d->kind != NBS_HISTOGRAM && n == 1)
		show_series(arg, d, "", values[0]);
	else if (d->kind == NBS_HISTOGRAM && n == d->n_bounds + 3)
		show_histogram(arg, d, values);
	else
		fprintf(arg, "%s of kind %d has %zu values\n", d->name, (int)d->kind, n);
}

static void send_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static void answer(struct probe *p, int fd)
{
	/* A client that reads nothing must not hold up stop(). */
	const struct timeval patience = {.tv_sec = 2};
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		return;
	p->host->metric_each(p->host, visit, f);
	fclose(f);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	send_all(fd, text, len);
	free(text);
}

static void *serve(void *arg)
{
	struct probe *p = arg;
	struct pollfd fds[] = {{.fd = p->listener, .events = POLLIN},
	                       {.fd = p->quit, .events = POLLIN}};

	for (;;) {
		int fd;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents != 0)
			break;
		if ((fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC)) < 0)
			continue;
		answer(p, fd);
		close(fd);
	}
	return NULL;
}

static int probe_init(struct nbs_host *host, void **self)
{
	const char *path = "";
	struct probe *p;
	int r;

	if ((r = host->conf_str(host, "socket", &path)) < 0)
		return r;
	if ((p = calloc(1, sizeof(*p))) == NULL)
		return -ENOMEM;
	if (*path == '\0' || strlen(path) >= sizeof(p->addr.sun_path)) {
		host->log(host, NBS_ERROR, "socket: expected a path of 1 to %zu bytes",
		          sizeof(p->addr.sun_path) - 1);
		free(p);
		return -EINVAL;
	}
	p->host = host;
	p->addr.sun_family = AF_UNIX;
	strcpy(p->addr.sun_path, path);
	*self = p;
	return 0;
}

static int listen_on(struct probe *p)
{
	int r;

	if ((p->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return -errno;
	unlink(p->addr.sun_path);
	if (bind(p->listener, (const struct sockaddr *)&p->addr, sizeof(p->addr)) < 0 ||
	    listen(p->listener, 64) < 0) {
		r = -errno;
		p->host->log(p->host, NBS_ERROR, "socket %s: %s", p->addr.sun_path, strerror(-r));
		close(p->listener);
		return r;
	}
	return 0;
}

static int start_thread(struct probe *p)
{
	sigset_t all, before;
	int r;

	/* Signals are the daemon's main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = -pthread_create(&p->thread, NULL, serve, p);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int probe_start(void *self)
{
	struct probe *p = self;
	int r;

	if ((r = listen_on(p)) < 0)
		goto err0;
	if ((p->quit = eventfd(0, EFD_CLOEXEC)) < 0) {
		r = -errno;
		goto err1;
	}
	if ((r = start_thread(p)) < 0)
		goto err2;
	return 0;

err2:
	close(p->quit);
err1:
	unlink(p->addr.sun_path);
	close(p->listener);
err0:
	return r;
}

static int probe_stop(void *self, unsigned grace_ms)
{
	struct probe *p = self;

	(void)grace_ms;
	eventfd_write(p->quit, 1);
	pthread_join(p->thread, NULL);
	unlink(p->addr.sun_path);
	close(p->quit);
	close(p->listener);
	return 0;
}

static void probe_destroy(void *self)
{
	free(self);
}

const struct nbs_plugin nbs_plugin_entry = {
    NBS_PLUGIN_HEAD,      .name = "probe",    .version = "1.0",         .init = probe_init,
    .start = probe_start, .stop = probe_stop, .destroy = probe_destroy,
};
