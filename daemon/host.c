/* struct nbs_host: thin functions from the contract to the daemon's parts. */
#include "host_private.h"

#include "carried.h"
#include "certstore.h"
#include "commands.h"
#include "conn.h"
#include "control.h"
#include "declared.h"
#include "forwarder.h"
#include "http.h"
#include "log.h"
#include "message.h"
#include "metrics.h"
#include "ready.h"
#include "registry.h"
#include "routes.h"
#include "service.h"
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void NBS_PRINTF(3, 4)
    do_log(struct nbs_host *table, enum nbs_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vline(level, host_of(table)->name, fmt, ap);
	va_end(ap);
}

static int do_log_enabled(struct nbs_host *table, enum nbs_level level)
{
	(void)table;
	return log_enabled(level);
}

static void do_shutdown(struct nbs_host *table)
{
	log_info("control", "stopping: plugin %s asks for it", host_of(table)->name);
	control_quit(host_of(table)->core->control);
}

static int do_post(struct nbs_host *table, void (*fn)(void *arg), void *arg)
{
	return control_post(host_of(table)->core->control, fn, arg);
}

static void do_limits(struct nbs_host *table, struct nbs_limits *limits)
{
	struct nbs_limits full = host_of(table)->core->limits;
	size_t size = limits->size;

	full.size = size;
	memcpy(limits, &full, size < sizeof(full) ? size : sizeof(full));
}

/* Registering after init() is a mistake that would work until a reader runs beside it. */
static int check_init(struct host *h, const char *what)
{
	if (h->may_register)
		return 0;
	log_error("plugin", "plugin %s registers %s outside init()", h->name, what);
	return -EPERM;
}

static int do_metric_register(struct nbs_host *table, const struct nbs_metric_desc *desc,
                              struct nbs_metric **metric)
{
	struct host *h = host_of(table);
	const char *name = desc->name != NULL ? desc->name : "";
	int r;

	if ((r = check_init(h, "a metric")) < 0)
		return r;
	if (!NBS_HAS(struct nbs_metric_desc, desc, n_bounds))
		r = -EINVAL;
	else
		r = metrics_register(h->core->metrics, desc, metric);
	if (r == -EEXIST)
		log_error("plugin", "plugin %s: metric %s{%s} is registered already", h->name, name,
		          desc->labels != NULL ? desc->labels : "");
	else if (r < 0)
		log_error("plugin", "plugin %s: metric %s is not valid: %s", h->name, name,
		          strerror(-r));
	return r;
}

static void do_metric_each(struct nbs_host *table,
                           void (*visit)(void *arg, const struct nbs_metric_desc *,
                                         const double *values, size_t n),
                           void *arg)
{
	metrics_each(host_of(table)->core->metrics, visit, arg);
}

static int do_peer_register(struct nbs_host *table, const char *id, size_t id_len,
                            const struct nbs_peer_ops *ops, void *cookie, struct nbs_peer **lease)
{
	struct host *h = host_of(table);

	return registry_register(h->core->registry, &h->leases, id, id_len, ops, cookie, lease);
}

static struct nbs_msg *do_peer_take(struct nbs_peer *lease)
{
	struct message *msg = registry_take(lease);

	return msg != NULL ? &msg->pub : NULL;
}

static void do_peer_refused(struct nbs_host *table, enum nbs_refusal why)
{
	registry_count_refused(host_of(table)->core->registry, why);
}

static int do_forward(struct nbs_host *table, const struct iovec *wire, size_t n, unsigned flags)
{
	return forwarder_forward(host_of(table)->core->forwarder, wire, n, flags);
}

static struct nbs_msg *do_msg_ref(struct nbs_msg *msg)
{
	return &message_ref(message_of(msg))->pub;
}

static void do_msg_unref(struct nbs_msg *msg)
{
	if (msg != NULL)
		message_unref(message_of(msg));
}

static int do_service_register(struct nbs_host *table, const struct nbs_service *service, void *arg)
{
	struct host *h = host_of(table);
	int r;

	if ((r = check_init(h, "a service")) < 0)
		return r;
	if ((r = services_register(h->core->services, h->name, service, arg)) < 0)
		log_error("plugin", "plugin %s: its connection service is not valid: %s", h->name,
		          strerror(-r));
	return r;
}

static int do_admission_register(struct nbs_host *table, const struct nbs_admission_ops *ops,
                                 void *self)
{
	struct host *h = host_of(table);
	int r = check_init(h, "an admission check");

	return r < 0 ? r : registry_add_admission(h->core->registry, ops, self);
}

static int do_router_register(struct nbs_host *table, const struct nbs_router_ops *ops, void *self)
{
	struct host *h = host_of(table);
	int r;

	if ((r = check_init(h, "a router")) < 0)
		return r;
	if ((r = forwarder_set_router(h->core->forwarder, ops, self)) < 0)
		log_error("plugin", "plugin %s: there is a router already", h->name);
	return r;
}

static int do_route_register(struct nbs_host *table, const struct nbs_route *route, void *arg)
{
	struct host *h = host_of(table);
	int r;

	if ((r = check_init(h, "a route")) < 0)
		return r;
	if ((r = routes_add(h->core->routes, h->name, route, arg)) < 0)
		log_error("plugin", "plugin %s: its route %s is not valid: %s", h->name,
		          route->path != NULL ? route->path : "", strerror(-r));
	return r;
}

static int do_ws_register(struct nbs_host *table, const struct nbs_ws_path *path, void *arg)
{
	struct host *h = host_of(table);
	int r;

	if ((r = check_init(h, "a WebSocket path")) < 0)
		return r;
	if ((r = routes_add_ws(h->core->routes, h->name, path, arg)) < 0)
		log_error("plugin", "plugin %s: its WebSocket path %s is not valid: %s", h->name,
		          path->path != NULL ? path->path : "", strerror(-r));
	return r;
}

static void do_ready_object(struct nbs_host *table, const char *why)
{
	ready_object(host_of(table)->core->ready, host_of(table)->name, why);
}

static int do_listener_register(struct nbs_host *table, const struct nbs_listener *listener)
{
	struct host *h = host_of(table);
	int r = check_init(h, "a listener");

	return r < 0 ? r : declared_add(h->core->declared, h->name, listener);
}

static int do_cert_provide(struct nbs_host *table, const struct nbs_cert *cert)
{
	return certstore_provide(host_of(table)->core->certs, host_of(table)->name, cert);
}

static int do_cert_withdraw(struct nbs_host *table, const char *name)
{
	return certstore_withdraw(host_of(table)->core->certs, host_of(table)->name, name);
}

static int do_command_register(struct nbs_host *table, const struct nbs_command *command, void *arg)
{
	struct host *h = host_of(table);
	int r;

	if ((r = check_init(h, "a command")) < 0)
		return r;
	if ((r = commands_add(h->core->commands, h->name, command, arg)) < 0)
		log_error("plugin", "plugin %s: its command %s is not valid: %s", h->name,
		          command->name != NULL ? command->name : "", strerror(-r));
	return r;
}

static const struct nbs_host functions = {
    .size = sizeof(struct nbs_host),
    .abi = NBS_ABI,
    .log = do_log,
    .log_enabled = do_log_enabled,
    .shutdown = do_shutdown,
    .post = do_post,
    .limits = do_limits,
    .conf_str = host_conf_str,
    .conf_int = host_conf_int,
    .conf_bool = host_conf_bool,
    .conf_duration = host_conf_duration,
    .conf_size = host_conf_size,
    .metric_register = do_metric_register,
    .metric_record = metrics_record,
    .metric_each = do_metric_each,
    .peer_register = do_peer_register,
    .peer_take = do_peer_take,
    .peer_deregister = registry_deregister,
    .peer_refused = do_peer_refused,
    .forward = do_forward,
    .msg_ref = do_msg_ref,
    .msg_unref = do_msg_unref,
    .service_register = do_service_register,
    .conn_about = conn_about,
    .conn_write = stream_write,
    .conn_pause = stream_pause,
    .conn_resume = stream_resume,
    .conn_close = stream_close,
    .conn_wake = stream_wake,
    .admission_register = do_admission_register,
    .admission_decide = registry_admission_decide,
    .router_register = do_router_register,
    .route_register = do_route_register,
    .ws_register = do_ws_register,
    .ready_object = do_ready_object,
    .request_about = http_request_about,
    .request_conn = http_request_conn,
    .request_header = http_request_header,
    .request_query = http_request_query,
    .request_reply = http_request_reply,
    .ws_header = http_ws_header,
    .ws_query = http_ws_query,
    .ws_about = http_ws_about,
    .ws_write = http_ws_write,
    .ws_pause = http_ws_pause,
    .ws_resume = http_ws_resume,
    .ws_close = http_ws_close,
    .ws_wake = http_ws_wake,
    .ws_carry = carried_begin,
    .carried_bytes = carried_bytes,
    .carried_writable = carried_writable,
    .carried_end = carried_end,
    .listener_register = do_listener_register,
    .conf_flag = host_conf_flag,
    .cert_provide = do_cert_provide,
    .cert_withdraw = do_cert_withdraw,
    .command_register = do_command_register,
    .call_print = commands_print,
};

struct host *host_new(const struct host_core *core, const char *plugin, struct config_plugin *conf)
{
	struct host *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->table = functions;
	h->core = core;
	h->conf = conf;
	strncpy(h->name, plugin, sizeof(h->name) - 1);
	return h;
}

void host_free(struct host *h)
{
	if (h == NULL)
		return;
	host_conf_free(h);
	free(h);
}

struct nbs_host *host_table(struct host *h)
{
	return &h->table;
}

void host_set_conf(struct host *h, struct config_plugin *conf)
{
	h->conf = conf;
	host_conf_apply_flags(h);
}

void host_allow_register(struct host *h, bool allow)
{
	h->may_register = allow;
}

unsigned host_leases(const struct host *h)
{
	return atomic_load(&((struct host *)h)->leases);
}
