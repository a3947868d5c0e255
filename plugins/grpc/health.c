/* grpc.health.v1.Health: its messages, Check, and what the state is; watch.c has Watch. */
#include "health.h"

#include "call.h"
#include "transport.h"
#include "watch.h"

#include <health.pb-c.h>
#include <string.h>

/* "" is the whole server. */
static const char *const services[] = {
    "",
    "signalexchange.SignalExchange",
    "grpc.health.v1.Health",
};

void health_open(struct health *h)
{
	pthread_mutex_init(&h->lock, NULL);
}

void health_close(struct health *h)
{
	pthread_mutex_destroy(&h->lock);
}

static bool is_known(const char *service)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (strcmp(services[i], service) == 0)
			return true;
	return false;
}

/* Takes the message.  1: about a service of ours, 0: about another, -1: no request at all. */
static int read_request(grpc_byte_buffer *message)
{
	Grpc__Health__V1__HealthCheckRequest *request = NULL;
	grpc_byte_buffer_reader reader;
	grpc_slice all;
	int found = -1;

	if (message == NULL || !grpc_byte_buffer_reader_init(&reader, message))
		goto out;
	all = grpc_byte_buffer_reader_readall(&reader);
	grpc_byte_buffer_reader_destroy(&reader);
	request = grpc__health__v1__health_check_request__unpack(NULL, GRPC_SLICE_LENGTH(all),
	                                                         GRPC_SLICE_START_PTR(all));
	grpc_slice_unref(all);
	if (request == NULL)
		goto out;
	found = is_known(request->service);
	grpc__health__v1__health_check_request__free_unpacked(request, NULL);
out:
	grpc_byte_buffer_destroy(message);
	return found;
}

grpc_byte_buffer *health_response(enum health_status status)
{
	static const Grpc__Health__V1__HealthCheckResponse__ServingStatus values[] = {
	    [HEALTH_NONE] = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN,
	    [HEALTH_SERVING] = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING,
	    [HEALTH_NOT_SERVING] =
		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING,
	    [HEALTH_SERVICE_UNKNOWN] =
		GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN,
	};
	Grpc__Health__V1__HealthCheckResponse response =
	    GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	grpc_byte_buffer *bytes;
	grpc_slice slice;

	response.status = values[status];
	slice =
	    grpc_slice_malloc(grpc__health__v1__health_check_response__get_packed_size(&response));
	grpc__health__v1__health_check_response__pack(&response, GRPC_SLICE_START_PTR(slice));
	bytes = grpc_raw_byte_buffer_create(&slice, 1);
	grpc_slice_unref(slice);
	return bytes;
}

static void check(const struct call *call, int found)
{
	struct health *h = &call->t->health;
	bool draining;

	if (found == 0) {
		call_answer(call, verdict_no_service, NULL);
		return;
	}
	pthread_mutex_lock(&h->lock);
	draining = h->draining;
	pthread_mutex_unlock(&h->lock);
	call_answer(call, verdict_ok,
	            health_response(draining ? HEALTH_NOT_SERVING : HEALTH_SERVING));
}

static void serve(const struct call *call, grpc_byte_buffer *message)
{
	int found = read_request(message);

	if (found < 0)
		call_answer(call, verdict_no_request, NULL);
	else if (call->method == METHOD_CHECK)
		check(call, found);
	else
		watch_begin(call, found > 0);
}

void health_begin(const struct call *call, const grpc_metadata_array *metadata)
{
	(void)metadata;
	call_read(call, serve);
}

void health_drain(struct transport *t)
{
	pthread_mutex_lock(&t->health.lock);
	t->health.draining = true;
	pthread_mutex_unlock(&t->health.lock);
	watch_changed(t);
}

void health_end(struct transport *t)
{
	pthread_mutex_lock(&t->health.lock);
	t->health.draining = true;
	t->health.ending = true;
	pthread_mutex_unlock(&t->health.lock);
	watch_changed(t);
}
