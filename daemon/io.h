/*
 * I/O threads: each runs one epoll loop.  A source, a timer and everything that hangs on them
 * belong to one thread and are only touched there; io_post() is the way in from elsewhere.
 * In one turn of a loop come the events, then the tasks, then the timers.
 *
 * There are three kinds.  IO_NETWORK threads accept and serve; IO_HANDSHAKE threads do what costs
 * a millisecond of computing (TLS handshakes), so that messages do not wait behind it; the IO_GUEST
 * thread has another library's loop, which watches io_guest_fd() and calls io_guest_turn().
 */
#ifndef IO_H
#define IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct io;
struct io_thread;

#define IO_THREADS_MAX 64                     /* of one kind */
#define IO_INDEX_MAX (2 * IO_THREADS_MAX + 1) /* of all; what io_thread_index() is below */

enum io_kind { IO_NETWORK, IO_HANDSHAKE };

/* From a source, task or timer to the struct whose member it is. */
#define IO_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct io_source {
	int fd;
	/* [its thread]; may free the source after io_unwatch(). */
	void (*event)(struct io_source *source, uint32_t epoll_events);
};

/* Work for a thread; must not be posted again before it ran. */
struct io_task {
	struct io_task *next;
	void (*run)(struct io_task *task);
};

struct io_timer {
	struct io_timer *prev, *next;
	uint64_t deadline_ms;
	bool armed;
	void (*expired)(struct io_timer *timer);
};

/* [main] Creates the threads' loops; none runs yet.  There is always one guest. */
int io_open(struct io **out, unsigned network, unsigned handshake);
/* [main] `leave` runs on each thread as the last thing it does, and once more on the main thread
 * when all have ended, for what they posted to each other meanwhile.  The guest is not started here
 * and must have left before io_stop(). */
int io_start(struct io *io, void (*leave)(void *arg, struct io_thread *t), void *arg);
/* [main] Ends and joins the threads.  Does nothing the second time. */
void io_stop(struct io *io);
void io_close(struct io *io);

/* How many of IO_NETWORK; io_thread_at() has them first. */
unsigned io_count(const struct io *io);
struct io_thread *io_thread_at(struct io *io, unsigned index);
/* [any] The threads of a kind in turn. */
struct io_thread *io_next_thread(struct io *io, enum io_kind kind);
unsigned io_thread_index(const struct io_thread *t);
/* A buffer for one read, shared by all sources of the thread. */
#define IO_READ_BUFFER 65536
unsigned char *io_read_buffer(struct io_thread *t);

/* epoll_ctl() in words; negative errno.  [its thread], but watching a source that no thread knows
 * yet is [any]. */
int io_watch(struct io_thread *t, struct io_source *s, uint32_t epoll_events);
int io_rewatch(struct io_thread *t, struct io_source *s, uint32_t epoll_events);
void io_unwatch(struct io_thread *t, struct io_source *s);

/* [any] until io_stop() has returned. */
void io_post(struct io_thread *t, struct io_task *task);
/* [its thread] Runs what was posted, until nothing is left. */
void io_run_tasks(struct io_thread *t);

/* The guest: its loop calls io_guest_turn() when io_guest_fd() is readable or io_guest_wait_ms()
 * (-1: no timer) are over; the turn never waits.  io_guest_leave() is the last thing it does. */
struct io_thread *io_guest(struct io *io);
int io_guest_fd(const struct io_thread *t);
void io_guest_turn(struct io_thread *t);
int io_guest_wait_ms(const struct io_thread *t);
void io_guest_leave(struct io_thread *t);

/* [its thread] Arming an armed timer moves it. */
void io_timer_arm(struct io_thread *t, struct io_timer *timer, uint64_t deadline_ms);
void io_timer_cancel(struct io_thread *t, struct io_timer *timer);

#endif
