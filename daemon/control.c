/* signalfd, timerfd, an eventfd for posts, and what others watch, in one poll(). */
#include "control.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct post {
	struct post *next;
	void (*fn)(void *arg);
	void *arg;
};

/* Places in the list that poll() gets. */
enum { SIGNALS, TIMER, POSTS, OWN };

struct control {
	int signal_fd, timer_fd, post_fd;
	struct pollfd fds[OWN + CONTROL_WATCHES_MAX]; /* of no watch: -1, which poll() skips */
	struct control_watch *watches[CONTROL_WATCHES_MAX];
	atomic_bool quit;
	pthread_mutex_t lock; /* a leaf: the posts */
	struct post *first, *last;
};

static int block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	signal(SIGPIPE, SIG_IGN); /* a client that left is seen by write() */
	signal(SIGXFSZ, SIG_IGN); /* so is a log file at its size limit */
	signal(SIGCHLD, SIG_DFL); /* whoever ignores it for us hides how a plugin's child ended */
	return pthread_sigmask(SIG_BLOCK, set, NULL);
}

int control_open(struct control **out)
{
	struct control *c = calloc(1, sizeof(*c));
	sigset_t set;
	int r;

	if (c == NULL)
		return -ENOMEM;
	c->signal_fd = c->timer_fd = c->post_fd = -1;
	for (size_t i = 0; i < OWN + CONTROL_WATCHES_MAX; i++)
		c->fds[i] = (struct pollfd){.fd = -1, .events = POLLIN};
	pthread_mutex_init(&c->lock, NULL);
	if ((r = -block_signals(&set)) < 0)
		goto err;
	if ((c->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) < 0 ||
	    (c->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) < 0 ||
	    (c->post_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
		r = -errno;
		goto err;
	}
	c->fds[SIGNALS].fd = c->signal_fd;
	c->fds[TIMER].fd = c->timer_fd;
	c->fds[POSTS].fd = c->post_fd;
	*out = c;
	return 0;
err:
	log_error("control", "cannot make the main loop: %s", strerror(-r));
	control_close(c);
	return r;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void control_close(struct control *c)
{
	struct post *p, *next;

	if (c == NULL)
		return;
	for (p = c->first; p != NULL; p = next) {
		next = p->next;
		free(p);
	}
	close_if_open(c->signal_fd);
	close_if_open(c->timer_fd);
	close_if_open(c->post_fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

void control_set_tick(struct control *c, unsigned ms)
{
	const struct timespec every = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
	const struct itimerspec spec = {.it_interval = every, .it_value = every};

	timerfd_settime(c->timer_fd, 0, &spec, NULL);
}

int control_watch(struct control *c, struct control_watch *watch)
{
	for (size_t i = 0; i < CONTROL_WATCHES_MAX; i++) {
		if (c->watches[i] != NULL)
			continue;
		c->watches[i] = watch;
		c->fds[OWN + i] = (struct pollfd){.fd = watch->fd, .events = POLLIN};
		return 0;
	}
	return -ENOSPC;
}

void control_unwatch(struct control *c, struct control_watch *watch)
{
	for (size_t i = 0; i < CONTROL_WATCHES_MAX; i++) {
		if (c->watches[i] != watch)
			continue;
		c->watches[i] = NULL;
		c->fds[OWN + i].fd = -1;
	}
}

static void ring(struct control *c)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(c->post_fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void swallow(int fd)
{
	uint64_t count;
	ssize_t n = read(fd, &count, sizeof(count));

	(void)n;
}

void control_quit(struct control *c)
{
	atomic_store(&c->quit, true);
	ring(c);
}

int control_post(struct control *c, void (*fn)(void *arg), void *arg)
{
	struct post *p = malloc(sizeof(*p));

	if (p == NULL)
		return -ENOMEM;
	*p = (struct post){.fn = fn, .arg = arg};
	pthread_mutex_lock(&c->lock);
	if (c->last != NULL)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
	pthread_mutex_unlock(&c->lock);
	ring(c);
	return 0;
}

/* What was there at the call: a function that posts itself again must not keep the loop. */
void control_run_posts(struct control *c)
{
	struct post *p, *next;

	pthread_mutex_lock(&c->lock);
	p = c->first;
	c->first = c->last = NULL;
	pthread_mutex_unlock(&c->lock);
	for (; p != NULL; p = next) {
		next = p->next;
		p->fn(p->arg);
		free(p);
	}
}

static void read_signals(struct control *c, const struct control_ops *ops, void *arg)
{
	struct signalfd_siginfo info;

	while (read(c->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP) {
			ops->reload(arg);
			continue;
		}
		log_info("control", "stopping on %s",
		         info.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
		atomic_store(&c->quit, true);
	}
}

/* One that was unwatched by an earlier one's event is NULL; one that took its place has no
 * `revents`. */
static void run_watches(struct control *c)
{
	for (size_t i = 0; i < CONTROL_WATCHES_MAX; i++)
		if (c->watches[i] != NULL && c->fds[OWN + i].revents != 0)
			c->watches[i]->event(c->watches[i]);
}

void control_run(struct control *c, const struct control_ops *ops, void *arg)
{
	while (!atomic_load(&c->quit)) {
		if (poll(c->fds, OWN + CONTROL_WATCHES_MAX, -1) < 0)
			continue; /* EINTR, or no memory for a moment */
		if (c->fds[SIGNALS].revents != 0)
			read_signals(c, ops, arg);
		if (c->fds[TIMER].revents != 0) {
			swallow(c->timer_fd);
			ops->tick(arg, clock_ms());
		}
		if (c->fds[POSTS].revents != 0) {
			swallow(c->post_fd);
			control_run_posts(c);
		}
		run_watches(c);
	}
}
