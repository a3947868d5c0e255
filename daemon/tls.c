/*
 * Handshakes.  A connection waits for its turn on its home thread, does its handshake on a
 * handshake thread, and goes home.  Its timer runs from accept() on, wherever it is.
 *
 * A handshake that is a second old gives way if others wait.  Who that is only its own thread may
 * touch, so that thread is asked to look (struct bench): at once, and when the second is over.
 */
#include "tls.h"

#include "certstore.h"
#include "clock.h"
#include "conn.h"
#include "metrics.h"
#include "tls_failure.h"
#include "tls_farewell.h"
#include "tls_session.h"
#include "tls_slim.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>

#define MAX_HANDSHAKES 500 /* until tls_configure() */

/* What a handshake thread has to itself. */
struct bench {
	struct tls *tls;
	_Atomic(struct io_thread *) thread;
	struct io_task task;
	atomic_bool asked; /* the task is on its way */
	struct io_timer timer;
};

struct tls {
	struct io *io;
	struct certstore *certs;
	struct tls_admission admission;
	struct nbs_metric *done_12, *done_13, *challenges, *in_progress, *failed[TLS_FAILURES];
	struct nbs_metric *violations[TLS_VIOLATIONS];
	struct bench benches[IO_INDEX_MAX]; /* by thread */
};

static void look(struct bench *bench);

static struct tls_session *session_of(struct tls_place *place)
{
	return IO_OF(place, struct tls_handshake, place)->session;
}

static int register_metrics(struct tls *tls, struct metrics *metrics)
{
	static const char name[] = "tls_handshakes_total";
	static const char help[] = "TLS handshakes that were completed, by version.";
	const struct metrics_series table[] = {
	    {&tls->done_12, NBS_COUNTER, name, "version=\"1.2\"", help, NULL, 0},
	    {&tls->done_13, NBS_COUNTER, name, "version=\"1.3\"", help, NULL, 0},
	    {&tls->challenges, NBS_COUNTER, "tls_challenge_handshakes_total", NULL,
	     "TLS handshakes that answered a certificate authority's challenge (tls-alpn-01).",
	     NULL, 0},
	    {&tls->in_progress, NBS_GAUGE, "tls_handshakes_in_progress", NULL,
	     "TLS handshakes that are under way, without those that wait for their turn.", NULL, 0},
	    {0},
	};
	int r;

	if ((r = metrics_register_table(metrics, table)) < 0)
		return r;
	if ((r = tls_failure_register(tls->failed, metrics)) < 0)
		return r;
	return tls_violation_register(tls->violations, metrics);
}

static void bench_task(struct io_task *task)
{
	struct bench *bench = IO_OF(task, struct bench, task);

	atomic_store(&bench->asked, false);
	look(bench);
}

static void bench_timer(struct io_timer *timer)
{
	look(IO_OF(timer, struct bench, timer));
}

int tls_open(struct tls **out, struct io *io, struct certstore *certs, struct metrics *metrics)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int r;

	if (tls == NULL)
		return -ENOMEM;
	tls->io = io;
	tls->certs = certs;
	if ((r = register_metrics(tls, metrics)) < 0 || (r = tls_session_prepare()) < 0) {
		free(tls);
		return r;
	}
	tls_admission_open(&tls->admission, MAX_HANDSHAKES);
	for (unsigned i = 0; i < IO_INDEX_MAX; i++) {
		tls->benches[i].tls = tls;
		tls->benches[i].task.run = bench_task;
		tls->benches[i].timer.expired = bench_timer;
	}
	*out = tls;
	return 0;
}

void tls_close(struct tls *tls)
{
	if (tls == NULL)
		return;
	tls_admission_close(&tls->admission);
	tls_slim_end();
	tls_session_end();
	free(tls);
}

bool tls_ready(struct tls *tls)
{
	struct certs *certs = certstore_get(tls->certs);

	certs_unref(certs);
	return certs != NULL;
}

/* --- whose turn it is ------------------------------------------------------------------------ */

/* Under the lock of the queue, since its thread may end it at any moment after that; from here on
 * the session is freed by its task alone. */
static void called(struct tls_place *place)
{
	struct tls_session *s = session_of(place);

	s->task_posted = true;
	io_post(s->handshake->home, &s->task);
}

/* Asks the thread of the handshake that is longest under way to look, if anybody waits. */
static void press(struct tls *tls)
{
	struct bench *bench;
	uint64_t since;
	unsigned thread;

	if (tls_admission_oldest(&tls->admission, &thread, &since) == NULL)
		return;
	bench = &tls->benches[thread];
	if (!atomic_exchange(&bench->asked, true))
		io_post(atomic_load(&bench->thread), &bench->task);
}

/* Calls those for whom there is room now. */
static void call_waiting(struct tls *tls)
{
	while (tls_admission_next(&tls->admission, called))
		metrics_record(tls->in_progress, 1);
	press(tls);
}

static void leave(struct tls_handshake *h)
{
	if (!tls_admission_leave(&h->tls->admission, &h->place))
		return;
	metrics_record(h->tls->in_progress, -1);
	call_waiting(h->tls);
}

/* It is over, well or not. */
static void end(struct tls_session *s)
{
	struct tls_handshake *h = s->handshake;

	if (h == NULL)
		return;
	leave(h);
	s->handshake = NULL;
	certs_unref(h->certs);
	free(h);
}

void tls_configure(struct tls *tls, unsigned max_handshakes)
{
	tls_admission_configure(&tls->admission, max_handshakes);
	call_waiting(tls);
}

/* --- the end of a handshake ------------------------------------------------------------------ */

static enum conn_refusal refusal_of(enum tls_failure why)
{
	switch (why) {
	case TLS_FAILED_TIMEOUT:
		return CONN_REFUSED_SILENT;
	case TLS_FAILED_LEFT:
		return CONN_REFUSED_LEFT;
	case TLS_FAILED_STALLED:
		return CONN_REFUSED_HANDSHAKES;
	case TLS_FAILED_ERROR:
		return CONN_REFUSED_ERROR;
	default:
		return CONN_REFUSED_TLS;
	}
}

static void fail(struct nbs_conn *conn, enum tls_failure why)
{
	metrics_count(conn->tls->handshake->tls->failed[why]);
	tls_failure_log(conn, why);
	ERR_clear_error();
	conn_refuse(conn, refusal_of(why));
}

static void timed_out(struct io_timer *timer)
{
	ERR_clear_error();
	fail(CONN_OF(timer, timer), TLS_FAILED_TIMEOUT);
}

/* The timer that came with the connection goes on, from the time that it had. */
static void arm(struct nbs_conn *conn, void (*expired)(struct io_timer *timer))
{
	conn->timer.expired = expired;
	io_timer_arm(conn->thread, &conn->timer, conn->tls->handshake->deadline_ms);
}

static void came_home(struct nbs_conn *conn)
{
	struct tls_handshake *h = conn->tls->handshake;
	void (*done)(struct nbs_conn *) = h->done;

	arm(conn, h->timed_out);
	end(conn->tls);
	done(conn);
}

static void established(struct nbs_conn *conn)
{
	struct tls_session *s = conn->tls;
	struct tls_handshake *h = s->handshake;

	metrics_count(SSL_version(s->ssl) < TLS1_3_VERSION ? h->tls->done_12 : h->tls->done_13);
	leave(h);
	if (tls_session_challenged(s)) {
		metrics_count(h->tls->challenges);
		tls_farewell_begin(conn);
		return;
	}
	io_unwatch(conn->thread, &conn->source);
	tls_session_established(s);
	conn_move(conn, h->home, came_home);
}

/* --- the handshake, on its thread ------------------------------------------------------------- */

static void shake(struct io_source *source, uint32_t events)
{
	struct nbs_conn *conn = (struct nbs_conn *)source;
	struct tls_session *s = conn->tls;
	int r;

	(void)events;
	tls_session_turn(s, TLS_SESSION_TURN);
	r = tls_session_accept(s, &events);
	if (r == 0) {
		established(conn);
	} else if (r != -EAGAIN) {
		fail(conn, s->saw_end || s->broke < 0 ? TLS_FAILED_LEFT : tls_failure_judge());
	} else if (events != s->watched) {
		s->watched = events;
		io_rewatch(conn->thread, source, events);
	}
}

static void begin(struct nbs_conn *conn)
{
	struct tls_session *s = conn->tls;
	struct tls_handshake *h = s->handshake;
	unsigned index = io_thread_index(conn->thread);

	arm(conn, timed_out);
	atomic_store(&h->tls->benches[index].thread, conn->thread);
	tls_admission_begin(&h->tls->admission, &h->place, index, clock_ms());
	press(h->tls);
	conn->source.event = shake;
	s->watched = EPOLLIN;
	if ((h->certs = certstore_get(h->tls->certs)) == NULL ||
	    tls_session_open(s, h->certs) < 0 || io_watch(conn->thread, &conn->source, EPOLLIN) < 0)
		fail(conn, TLS_FAILED_ERROR);
	else
		shake(&conn->source, EPOLLIN);
}

/* Ends those of this thread that stall while others wait. */
static void look(struct bench *bench)
{
	struct tls *tls = bench->tls;
	struct io_thread *thread = atomic_load(&bench->thread);
	struct tls_place *oldest;
	uint64_t since, now = clock_ms();
	unsigned index;

	while ((oldest = tls_admission_oldest(&tls->admission, &index, &since)) != NULL) {
		if (&tls->benches[index] != bench) {
			press(tls);
			return;
		}
		if (now < since + TLS_ADMISSION_STALL_MS) {
			io_timer_arm(thread, &bench->timer, since + TLS_ADMISSION_STALL_MS);
			return;
		}
		ERR_clear_error();
		fail(session_of(oldest)->conn, TLS_FAILED_STALLED);
	}
}

/* --- to the handshake, from the home thread ----------------------------------------------------
 */

static void go(struct tls_session *s)
{
	conn_move(s->conn, io_next_thread(s->handshake->tls->io, IO_HANDSHAKE), begin);
}

static void go_task(struct io_task *task)
{
	struct tls_session *s = IO_OF(task, struct tls_session, task);

	s->task_posted = false;
	if (s->conn == NULL)
		free(s);
	else
		go(s);
}

static struct tls_session *session_new(struct tls *tls, struct nbs_conn *conn)
{
	struct tls_session *s = calloc(1, sizeof(*s));
	struct tls_handshake *h = calloc(1, sizeof(*h));

	if (s == NULL || h == NULL) {
		free(s);
		free(h);
		return NULL;
	}
	*h = (struct tls_handshake){.session = s,
	                            .tls = tls,
	                            .home = conn->thread,
	                            .deadline_ms = conn->timer.deadline_ms,
	                            .timed_out = conn->timer.expired};
	s->conn = conn;
	s->handshake = h;
	s->task.run = go_task;
	return s;
}

void tls_begin(struct tls *tls, struct nbs_conn *conn, void (*done)(struct nbs_conn *conn))
{
	struct tls_session *s = session_new(tls, conn);

	if (s == NULL) {
		conn_refuse(conn, CONN_REFUSED_ERROR);
		return;
	}
	s->handshake->done = done;
	conn->tls = s;
	conn->timer.expired = timed_out;
	if (tls_admission_enter(&tls->admission, &s->handshake->place)) {
		metrics_record(tls->in_progress, 1);
		go(s);
	} else {
		press(tls);
	}
}

void tls_note_violation(const struct nbs_conn *conn)
{
	tls_violation_note(conn_parts(conn)->tls->violations, conn);
}

void tls_release(struct nbs_conn *conn)
{
	struct tls_session *s = conn->tls;

	if (s == NULL)
		return;
	conn->tls = NULL;
	end(s);
	tls_session_shut(s);
	if (s->task_posted)
		s->conn = NULL; /* the task frees it */
	else
		free(s);
}
