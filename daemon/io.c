/* Epoll loops with an inbox and a sorted list of timers each. */
#include "io.h"

#include "clock.h"
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_PER_TURN 64

struct io_thread {
	struct io *io;
	unsigned index;
	int epoll_fd;
	struct io_source inbox_bell; /* an eventfd */
	pthread_t thread;
	bool guest, running, joined;
	pthread_mutex_t inbox_lock;
	struct io_task *inbox_first, *inbox_last;
	struct io_timer *timer_first, *timer_last;
	unsigned char *read_buffer;
};

/* The threads are IO_NETWORK ones, then IO_HANDSHAKE ones, then the guest. */
struct io {
	atomic_bool stop;
	atomic_uint turn[2]; /* by enum io_kind */
	void (*leave)(void *arg, struct io_thread *t);
	void *leave_arg;
	unsigned n_kind[2];
	unsigned n_threads;
	struct io_thread threads[];
};

unsigned io_count(const struct io *io)
{
	return io->n_kind[IO_NETWORK];
}

struct io_thread *io_thread_at(struct io *io, unsigned index)
{
	return &io->threads[index];
}

struct io_thread *io_next_thread(struct io *io, enum io_kind kind)
{
	unsigned turn = atomic_fetch_add(&io->turn[kind], 1) % io->n_kind[kind];

	return &io->threads[kind == IO_NETWORK ? turn : io->n_kind[IO_NETWORK] + turn];
}

struct io_thread *io_guest(struct io *io)
{
	return &io->threads[io->n_threads - 1];
}

int io_guest_fd(const struct io_thread *t)
{
	return t->epoll_fd;
}

unsigned io_thread_index(const struct io_thread *t)
{
	return t->index;
}

unsigned char *io_read_buffer(struct io_thread *t)
{
	return t->read_buffer;
}

static int control(struct io_thread *t, int op, struct io_source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	return epoll_ctl(t->epoll_fd, op, s->fd, &ev) == 0 ? 0 : -errno;
}

int io_watch(struct io_thread *t, struct io_source *s, uint32_t epoll_events)
{
	return control(t, EPOLL_CTL_ADD, s, epoll_events);
}

int io_rewatch(struct io_thread *t, struct io_source *s, uint32_t epoll_events)
{
	return control(t, EPOLL_CTL_MOD, s, epoll_events);
}

void io_unwatch(struct io_thread *t, struct io_source *s)
{
	control(t, EPOLL_CTL_DEL, s, 0);
}

static void ring(struct io_thread *t)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(t->inbox_bell.fd, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

static void bell_rang(struct io_source *s, uint32_t events)
{
	uint64_t count;
	ssize_t n = read(s->fd, &count, sizeof(count)); /* the inbox is looked at in every turn */

	(void)n;
	(void)events;
}

void io_post(struct io_thread *t, struct io_task *task)
{
	bool was_empty;

	task->next = NULL;
	pthread_mutex_lock(&t->inbox_lock);
	was_empty = t->inbox_first == NULL;
	if (was_empty)
		t->inbox_first = task;
	else
		t->inbox_last->next = task;
	t->inbox_last = task;
	pthread_mutex_unlock(&t->inbox_lock);
	if (was_empty)
		ring(t);
}

/* Runs what was there at the call.  Returns whether there was any. */
static bool run_tasks(struct io_thread *t)
{
	struct io_task *task, *next;

	pthread_mutex_lock(&t->inbox_lock);
	task = t->inbox_first;
	t->inbox_first = t->inbox_last = NULL;
	pthread_mutex_unlock(&t->inbox_lock);
	if (task == NULL)
		return false;
	for (; task != NULL; task = next) {
		next = task->next;
		task->run(task);
	}
	return true;
}

void io_run_tasks(struct io_thread *t)
{
	while (run_tasks(t))
		;
}

void io_timer_cancel(struct io_thread *t, struct io_timer *timer)
{
	if (!timer->armed)
		return;
	timer->armed = false;
	if (timer->prev != NULL)
		timer->prev->next = timer->next;
	else
		t->timer_first = timer->next;
	if (timer->next != NULL)
		timer->next->prev = timer->prev;
	else
		t->timer_last = timer->prev;
}

void io_timer_arm(struct io_thread *t, struct io_timer *timer, uint64_t deadline_ms)
{
	struct io_timer *before;

	io_timer_cancel(t, timer);
	/* Nearly all timers of one time are of one length: the place is at or near the end. */
	before = t->timer_last;
	while (before != NULL && before->deadline_ms > deadline_ms)
		before = before->prev;
	timer->deadline_ms = deadline_ms;
	timer->armed = true;
	timer->prev = before;
	timer->next = before != NULL ? before->next : t->timer_first;
	if (timer->next != NULL)
		timer->next->prev = timer;
	else
		t->timer_last = timer;
	if (before != NULL)
		before->next = timer;
	else
		t->timer_first = timer;
}

static void run_timers(struct io_thread *t)
{
	struct io_timer *timer;
	uint64_t now;

	if (t->timer_first == NULL)
		return;
	now = clock_ms();
	while ((timer = t->timer_first) != NULL && timer->deadline_ms <= now) {
		io_timer_cancel(t, timer);
		timer->expired(timer);
	}
}

static int wait_ms(const struct io_thread *t)
{
	uint64_t now;

	if (t->timer_first == NULL)
		return -1;
	now = clock_ms();
	if (t->timer_first->deadline_ms <= now)
		return 0;
	return (int)(t->timer_first->deadline_ms - now);
}

static void turn(struct io_thread *t, int timeout_ms)
{
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait(t->epoll_fd, events, EVENTS_PER_TURN, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct io_source *s = events[i].data.ptr;

		s->event(s, events[i].events);
	}
	run_tasks(t);
	run_timers(t);
}

void io_guest_turn(struct io_thread *t)
{
	turn(t, 0);
}

int io_guest_wait_ms(const struct io_thread *t)
{
	return wait_ms(t);
}

void io_guest_leave(struct io_thread *t)
{
	t->joined = true;
	t->io->leave(t->io->leave_arg, t);
	io_run_tasks(t);
}

static void *thread_main(void *arg)
{
	struct io_thread *t = arg;
	unsigned networks = t->io->n_kind[IO_NETWORK];
	char name[16];

	if (t->index < networks)
		snprintf(name, sizeof(name), "io-%u", t->index);
	else
		snprintf(name, sizeof(name), "tls-%u", t->index - networks);
	pthread_setname_np(pthread_self(), name);
	while (!atomic_load(&t->io->stop))
		turn(t, wait_ms(t));
	t->io->leave(t->io->leave_arg, t);
	io_run_tasks(t);
	return NULL;
}

static int thread_open(struct io_thread *t)
{
	int r;

	pthread_mutex_init(&t->inbox_lock, NULL);
	t->inbox_bell = (struct io_source){.fd = -1, .event = bell_rang};
	if ((t->read_buffer = malloc(IO_READ_BUFFER)) == NULL)
		return -ENOMEM;
	if ((t->epoll_fd = epoll_create1(EPOLL_CLOEXEC)) < 0)
		return -errno;
	if ((t->inbox_bell.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
		return -errno;
	if ((r = io_watch(t, &t->inbox_bell, EPOLLIN)) < 0)
		return r;
	return 0;
}

int io_open(struct io **out, unsigned network, unsigned handshake)
{
	const unsigned threads = network + handshake + 1;
	struct io *io = calloc(1, sizeof(*io) + threads * sizeof(struct io_thread));
	int r;

	if (io == NULL)
		return -ENOMEM;
	io->n_kind[IO_NETWORK] = network;
	io->n_kind[IO_HANDSHAKE] = handshake;
	for (; io->n_threads < threads; io->n_threads++) {
		struct io_thread *t = &io->threads[io->n_threads];

		*t = (struct io_thread){.io = io, .index = io->n_threads, .epoll_fd = -1};
		if ((r = thread_open(t)) < 0) {
			io->n_threads++; /* io_close() frees what it has */
			log_error("io", "cannot make an I/O thread: %s", strerror(-r));
			io_close(io);
			return r;
		}
	}
	io_guest(io)->guest = true;
	*out = io;
	return 0;
}

int io_start(struct io *io, void (*leave)(void *arg, struct io_thread *t), void *arg)
{
	int r;

	io->leave = leave;
	io->leave_arg = arg;
	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_thread *t = &io->threads[i];

		if (t->guest)
			continue; /* its loop is somebody else's */
		if ((r = pthread_create(&t->thread, NULL, thread_main, t)) != 0) {
			log_error("io", "cannot start an I/O thread: %s", strerror(r));
			io_stop(io);
			return -r;
		}
		t->running = true;
	}
	return 0;
}

void io_stop(struct io *io)
{
	atomic_store(&io->stop, true);
	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_thread *t = &io->threads[i];

		if (!t->running)
			continue;
		ring(t);
		pthread_join(t->thread, NULL);
		t->running = false;
		t->joined = true;
	}
	/* What one thread posted to another that had left already. */
	for (unsigned i = 0; i < io->n_threads; i++) {
		if (!io->threads[i].joined)
			continue;
		io->threads[i].joined = false; /* io_close() stops once more */
		io->leave(io->leave_arg, &io->threads[i]);
	}
}

void io_close(struct io *io)
{
	if (io == NULL)
		return;
	io_stop(io);
	for (unsigned i = 0; i < io->n_threads; i++) {
		struct io_thread *t = &io->threads[i];

		if (t->inbox_bell.fd >= 0)
			close(t->inbox_bell.fd);
		if (t->epoll_fd >= 0)
			close(t->epoll_fd);
		free(t->read_buffer);
		pthread_mutex_destroy(&t->inbox_lock);
	}
	free(io);
}
