/* Messages that are half here: how much memory they take together, and how long. */
#include "../../plugins/websocket/receive.h"

#include "../../plugins/websocket/clock.h"
#include "ws_case.h"

#define FIRST NBS_WS_FIRST
#define FINAL NBS_WS_FINAL
#define MEMORY 1000
#define PEERS 5

static struct receive receive;
static struct nbs_ws sockets[PEERS];
static struct half halves[PEERS];
static const char bytes[MEMORY];

static void begin(int64_t timeout)
{
	host.table = fake_table;
	receive_open(&receive, &host.table, MEMORY, MEMORY, timeout);
	for (size_t i = 0; i < PEERS; i++)
		halves[i].ws = &sockets[i];
}

static void end(void)
{
	for (size_t i = 0; i < PEERS; i++)
		receive_reset(&receive, &halves[i]);
	cr_assert_eq(receive.used, 0);
	cr_assert_eq(receive.oldest, NULL);
	cr_assert_eq(receive.newest, NULL);
	receive_close(&receive);
}

static int piece(size_t peer, size_t len, unsigned flags)
{
	struct iovec message[ASSEMBLE_PARTS];
	int n = receive_piece(&receive, &halves[peer], bytes, len, flags, message);

	if (n != 0)
		receive_reset(&receive, &halves[peer]);
	return n;
}

Test(ws_receive, the_sum_is_what_the_buffers_take)
{
	begin(60000);
	cr_assert_eq(piece(0, 100, FIRST), 0);
	cr_assert_eq(piece(1, 300, FIRST), 0);
	cr_assert_eq(piece(2, 0, FIRST), 0);
	cr_assert_eq(receive.used, 400);
	cr_assert_eq(piece(0, 10, 0), 0);
	cr_assert_eq(receive.used, 500);
	cr_assert_eq(piece(0, 10, FINAL), 2);
	cr_assert_eq(receive.used, 300);
	cr_assert_eq(piece(1, 900, 0), -EMSGSIZE);
	cr_assert_eq(receive.used, 0);
	end();
}

Test(ws_receive, a_whole_message_needs_no_room)
{
	begin(60000);
	cr_assert_eq(piece(0, MEMORY, FIRST), 0);
	cr_assert_eq(piece(1, MEMORY, FIRST | FINAL), 1);
	cr_assert_eq(receive_lost(&halves[0]), 0);
	end();
}

Test(ws_receive, the_oldest_goes_first)
{
	begin(60000);
	cr_assert_eq(piece(0, 300, FIRST), 0);
	cr_assert_eq(piece(1, 300, FIRST), 0);
	cr_assert_eq(piece(2, 300, FIRST), 0);
	cr_assert_eq(piece(3, 200, FIRST), 0);
	cr_assert_eq(receive_lost(&halves[0]), -ENOBUFS);
	cr_assert_eq(sockets[0].wakes, 1);
	cr_assert_eq(receive_lost(&halves[1]), 0);
	cr_assert_eq(receive.used, 800);
	cr_assert_eq(piece(0, 1, 0), -ENOBUFS, "also if its next piece comes before the wake");
	cr_assert_eq(piece(3, 300, 0), 0, "one is enough");
	cr_assert_eq(receive_lost(&halves[1]), -ENOBUFS);
	cr_assert_eq(receive_lost(&halves[2]), 0);
	cr_assert_leq(receive.used, MEMORY);
	end();
}

Test(ws_receive, the_oldest_may_be_the_one_that_asks)
{
	begin(60000);
	cr_assert_eq(piece(0, 400, FIRST), 0);
	cr_assert_eq(piece(1, 400, FIRST), 0);
	cr_assert_eq(piece(0, 200, 0), -ENOBUFS);
	cr_assert_eq(receive_lost(&halves[0]), -ENOBUFS);
	cr_assert_eq(sockets[0].wakes, 0, "it knows");
	cr_assert_eq(receive_lost(&halves[1]), 0);
	cr_assert_eq(receive.used, 400);
	end();
}

static void await_loss(size_t peer)
{
	const int64_t deadline = clock_now() + 10000;

	while (receive_lost(&halves[peer]) == 0 && clock_now() < deadline)
		sched_yield();
	cr_assert_eq(receive_lost(&halves[peer]), -ETIMEDOUT);
	while (sockets[peer].wakes == 0 && clock_now() < deadline)
		sched_yield();
	cr_assert_eq(sockets[peer].wakes, 1);
}

Test(ws_receive, late)
{
	begin(50);
	cr_assert_eq(receive_start(&receive), 0);
	cr_assert_eq(piece(0, 10, FIRST), 0);
	cr_assert_eq(piece(1, 10, FIRST), 0);
	cr_assert_eq(piece(1, 10, FINAL), 2);
	cr_assert_eq(piece(2, 0, FIRST), 0);
	await_loss(0);
	await_loss(2);
	cr_assert_eq(receive_lost(&halves[1]), 0);
	cr_assert_eq(piece(0, 10, 0), -ETIMEDOUT);
	cr_assert_eq(piece(3, 10, FIRST), 0, "the thread is idle and has to be told");
	await_loss(3);
	receive_stop(&receive);
	end();
}

Test(ws_receive, a_later_piece_moves_no_deadline)
{
	const int64_t began = clock_now();
	int n = 0;

	begin(100);
	cr_assert_eq(receive_start(&receive), 0);
	cr_assert_eq(piece(0, 0, FIRST), 0);
	while (n == 0 && clock_now() < began + 10000)
		n = piece(0, 0, 0);
	cr_assert_eq(n, -ETIMEDOUT);
	cr_assert(clock_now() - began >= 99);
	receive_stop(&receive);
	end();
}

/* Peers on threads of their own that crowd each other out, and the one that looks for the late:
 * for ThreadSanitizer. */
static void *crowd(void *arg)
{
	struct iovec message[ASSEMBLE_PARTS];
	struct half *h = arg;

	for (int i = 0; i < 20000; i++) {
		const unsigned flags = i % 4 == 0 ? FIRST : i % 4 == 3 ? FINAL : 0;
		int n = receive_piece(&receive, h, bytes, 100, flags, message);

		if (n == 0)
			continue;
		receive_reset(&receive, h);
		if (n < 0) { /* as a new connection would */
			atomic_store(&h->lost, 0);
			i += 3 - i % 4;
		}
	}
	return NULL;
}

Test(ws_receive, a_crowd)
{
	pthread_t threads[PEERS];

	begin(1);
	cr_assert_eq(receive_start(&receive), 0);
	for (size_t i = 0; i < PEERS; i++)
		pthread_create(&threads[i], NULL, crowd, &halves[i]);
	for (size_t i = 0; i < PEERS; i++)
		pthread_join(threads[i], NULL);
	receive_stop(&receive);
	cr_assert_leq(receive.used, MEMORY);
	end();
}
