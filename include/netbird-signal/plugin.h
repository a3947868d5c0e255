/*
 * netbird-signal/plugin.h - everything a plugin of the signal server may use.
 *
 * Compatibility  NBS_ABI names the contract.  Under one number a struct only grows at its end,
 *                and each side checks the other's `size` before it touches a field that
 *                version 1.0 did not have (NBS_HAS).  docs/ABI.md lists every change.
 * Threads        [main] runs on the daemon's main thread, one call at a time.
 *                [conn] runs on the one thread that a connection belongs to.
 *                [any]  may run on any thread, with no lock of the daemon's held.
 *                No host function waits for a peer or a socket.  A callback marked [any] or
 *                [conn] must not block: other peers wait behind it.
 * Ownership      A pointer is lent until the call returns, unless marked KEPT (lent until the
 *                named call) or GIVEN (the callee owns it from then on).
 * Errors         An int is 0 or a negative errno.  Whoever first knows the cause logs it.
 * Units          Times are milliseconds, sizes are bytes, unless a name says otherwise.
 * Text           Peer ids are opaque UTF-8 with a length, not ended by NUL.
 *
 * A plugin is one shared object.  It defines nbs_plugin_entry (at the end of this file), puts
 * NBS_PLUGIN_NOTE in the same source, is built with -fPIC -shared -fvisibility=hidden and may
 * be linked with -Wl,-z,defs, because every function of the daemon comes in struct nbs_host.
 */
#ifndef NETBIRD_SIGNAL_PLUGIN_H
#define NETBIRD_SIGNAL_PLUGIN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define NBS_MAGIC 0x4e425347u /* "NBSG" */
#define NBS_ABI 1u
#define NBS_HAS(type, p, field) ((p)->size >= offsetof(type, field) + sizeof((p)->field))
#define NBS_EXPORT __attribute__((visibility("default")))
#define NBS_PRINTF(f, a) __attribute__((format(printf, f, a)))

/* The longest peer id that can be registered, in bytes. */
#define NBS_ID_MAX 256

/* Room for a textual address with port and NUL: "[v6%scope]:65535". */
#define NBS_ADDR_MAX 80

/* Room for a host name with NUL (RFC 1035, 2.3.4). */
#define NBS_NAME_MAX 256

enum nbs_level { NBS_ERROR, NBS_WARN, NBS_INFO, NBS_DEBUG };
enum nbs_kind { NBS_COUNTER, NBS_GAUGE, NBS_HISTOGRAM };

/* Why the daemon asks a transport to end one peer's connection. */
enum nbs_reason {
	NBS_REPLACED, /* the same id registered again; the newest wins */
	NBS_STALLED,  /* took nothing from a non-empty mailbox for [peers] send-timeout */
	NBS_STOPPING  /* the daemon shuts down; what the mailbox holds may still be taken */
};

/* Why a transport turned a peer away before it could be registered. */
enum nbs_refusal {
	NBS_REFUSED_MISSING_ID,   /* no id, or an empty one */
	NBS_REFUSED_MISSING_META, /* no metadata at all to look for an id in */
	NBS_REFUSED_FAILED_HEADER /* the registration header could not be sent */
};

struct nbs_host;      /* the daemon, as one plugin sees it */
struct nbs_peer;      /* a lease: one connection's place in the registry */
struct nbs_conn;      /* one connection as a plaintext byte stream */
struct nbs_metric;    /* one time series */
struct nbs_admission; /* one registration that waits for a verdict */
struct nbs_request;   /* one HTTP request */
struct nbs_ws;        /* one WebSocket */
struct nbs_call;      /* one call of a command by the administrator */

/*
 * One message.  Read-only and counted by reference: msg_ref() and msg_unref() [any].
 * `from` and `to` point into `wire` and are not ended by NUL; either may be empty.
 */
struct nbs_msg {
	const char *from; /* EncryptedMessage.key */
	size_t from_len;
	const char *to; /* EncryptedMessage.remoteKey */
	size_t to_len;
	const void *wire; /* the serialized EncryptedMessage exactly as it arrived */
	size_t len;
};

/* What the configuration allows; read with limits(). */
struct nbs_limits {
	size_t size;            /* set by the caller before the call */
	size_t max_message;     /* largest EncryptedMessage, bytes */
	size_t max_id;          /* longest peer id, bytes */
	unsigned io_threads;    /* how many threads share the network's work */
	size_t max_connections; /* that may be open at once, as of the start */
};

/* One time series.  Series of one name must agree in kind, help and bounds. */
struct nbs_metric_desc {
	size_t size;
	enum nbs_kind kind;
	const char *name;     /* "messages_forwarded_total" */
	const char *help;     /* one sentence */
	const char *labels;   /* as Prometheus writes them, without braces: a="x",b="y"; or NULL.
	                         Each name once, none with "__" first, and no le of a histogram */
	const double *bounds; /* histogram: upper bounds, ascending, without +Inf */
	size_t n_bounds;      /* histogram: 1 to 32; otherwise 0 */
};

/*
 * What the daemon asks of one registered connection: [any], never two at once for one peer,
 * in this order: registered, then any number of wake, at most one hangup at any time.
 * `cookie` is the transport's own pointer.
 */
struct nbs_peer_ops {
	size_t size;
	/*
	 * The registration is decided.  0: registered.  -EACCES: a plugin refused it.  -EAGAIN:
	 * not now, this id is replaced too often.  -ETIMEDOUT: no plugin decided in time.
	 * -ESHUTDOWN: the daemon stops.  After a refusal nothing more comes; peer_deregister()
	 * is still owed.  `why` is a short English reason, "" on 0.
	 */
	void (*registered)(void *cookie, int verdict, const char *why);
	/*
	 * The mailbox became non-empty: take messages with peer_take(), on whatever thread can
	 * write, when it can write.  Not taking is back-pressure.  Comes again only after
	 * peer_take() has returned NULL.
	 */
	void (*wake)(void *cookie);
	/* End the connection; comes at most once.  peer_deregister() is still owed. */
	void (*hangup)(void *cookie, enum nbs_reason why);
};

/* Who a connection is.  Read with conn_about(); strings are copied into it. */
struct nbs_conn_about {
	size_t size;               /* set by the caller before the call */
	char remote[NBS_ADDR_MAX]; /* the client, "192.0.2.1:40000" or "[2001:db8::1]:40000" */
	char local[NBS_ADDR_MAX];  /* the address that it came to */
	char listener[32];         /* [listener NAME] */
	int admin;                 /* 1: the listener's class is admin, 0: another */
	uint64_t id;               /* of this connection, never used twice in a process */
	char proxy[NBS_ADDR_MAX];  /* who said with the PROXY protocol that `remote` is the client;
	                              "" without */
	char tls[16];              /* "TLSv1.3"; "" for plaintext */
	char alpn[16];             /* what ALPN chose, "h2" or "http/1.1"; "" without */
	char server_name[NBS_NAME_MAX]; /* the name the client asked for (SNI); "" without */
};

/*
 * The consumer of a connection, for a service of the open() form.  All [conn]; none is called
 * from inside conn_write() or any other host function.
 */
struct nbs_conn_ops {
	size_t size;
	/* Bytes arrived.  All of them are consumed; conn_pause() stops more from coming. */
	void (*readable)(void *cookie, const void *bytes, size_t len);
	/* The other side sends no more; it may still read. */
	void (*eof)(void *cookie);
	/* conn_write() took less than all before; there is room again. */
	void (*writable)(void *cookie);
	/* Somebody called conn_wake(); several calls may come as one. */
	void (*woken)(void *cookie);
	/* The end, exactly once, and the last call.  0: conn_close(); otherwise what broke:
	 * -ECONNRESET, -ETIMEDOUT, ...  `conn` must not be used again after the return. */
	void (*closed)(void *cookie, int err);
};

/*
 * A taker of connections that speak one protocol.  It has one of two forms: adopt() for
 * libraries that want a connected socket, open() for those that work on bytes.  Exactly one
 * of the two is set.  Connections come from the daemon's listeners, recognised by their first
 * bytes, none of which has been consumed.  Those that were recognised while a shutdown begins may
 * still come after drain() and stop(): refuse them with -ESHUTDOWN until destroy().
 */
struct nbs_service {
	size_t size;
	const char *protocol; /* "h2": HTTP/2 from its client preface on (RFC 9113, 3.4) */
	/*
	 * [any] `fd` is a connected, non-blocking, close-on-exec stream socket, GIVEN on 0: the
	 * client's own, or one end of a socket pair when the daemon has ended TLS or unpacked a
	 * tunnel (a Unix socket: options of TCP do not apply to it).
	 * `conn` stands for the connection's record; it is lent and only good for conn_about().
	 * The connection counts as open until the socket has been shut down and closed: whoever
	 * takes the socket calls shutdown(fd, SHUT_RDWR) before close(fd).
	 */
	int (*adopt)(void *arg, int fd, struct nbs_conn *conn);
	/*
	 * [conn] Sets *ops and *cookie, both KEPT until closed() has returned, and may already
	 * write.  `thread` is what thread_begin() made for this thread, NULL without one.  A
	 * negative errno refuses: the connection is closed and no callback comes.
	 */
	int (*open)(void *arg, struct nbs_conn *conn, void *thread, const struct nbs_conn_ops **ops,
	            void **cookie);
	/* Optional, open() form: state for each thread that connections belong to.  [conn],
	 * before the first open() there; thread_end() after the last closed(). */
	int (*thread_begin)(void *arg, void **thread);
	void (*thread_end)(void *arg, void *thread);
};

/* The classes of listeners that serve a route or a WebSocket path. */
enum {
	NBS_PUBLIC = 1u << 0,   /* for peers */
	NBS_ADMIN = 1u << 1,    /* for operators */
	NBS_CHALLENGE = 1u << 2 /* for certificate authorities: port 80 of RFC 8555, 8.3 */
};

enum {
	NBS_LISTENER_OPTIONAL = 1u << 0, /* an address that cannot be bound is a warning */
	NBS_LISTENER_HTTP2 = 1u << 1,    /* peers may come here as well: the first service "h2" */
	NBS_LISTENER_PLAINTEXT = 1u << 2 /* no TLS even if there is a certificate */
};

/*
 * A listener that a plugin brings.  A [listener NAME] of the same name in the configuration takes
 * its place as a whole.  An address whose port another listener has is left out: that one serves
 * the plugin's routes too, if it is of their class.
 */
struct nbs_listener {
	size_t size;
	const char *name;      /* as in [listener NAME] */
	const char *addresses; /* as in the configuration: "*:9090", "127.0.0.1:80, [::1]:80" */
	unsigned classes;      /* exactly one of NBS_PUBLIC, NBS_ADMIN, NBS_CHALLENGE */
	unsigned flags;        /* NBS_LISTENER_* */
};

enum {
	/* For want of a better one: it comes after those of the configuration, which otherwise
	 * come after those of plugins. */
	NBS_CERT_FALLBACK = 1u << 0
};

/*
 * A certificate and its key.  Which one a TLS client gets goes by the name that it asks for (SNI);
 * without one, or for an unknown name, it is the first: of plugins in the order in which they
 * provided theirs, then of the configuration, then the fallbacks.
 */
struct nbs_cert {
	size_t size;
	const char *name;  /* at most 300 bytes without blanks; providing it again replaces it */
	const void *chain; /* PEM, the server's own certificate first */
	size_t chain_len;
	const void *key; /* PEM, not encrypted; the copy that the daemon makes is wiped */
	size_t key_len;
	const char *server_name; /* the only name (SNI) that gets it, of any case, and never the
	                            first; NULL: the names in the certificate */
	/* A protocol (ALPN) to which it is confined, such as "acme-tls/1" (RFC 8737): a client that
	 * offers it and asks for the name gets this certificate and this protocol, and is hung up
	 * when the handshake is done.  Nobody else gets it.  NULL: for everybody. */
	const char *alpn;
	unsigned flags;
};

/*
 * A command for the administrator: "netbird-signal NAME WORD..." reaches the running daemon
 * through its control socket ([daemon] control-socket), which only root and the daemon's own user
 * may open.
 */
struct nbs_command {
	size_t size;
	const char *name;  /* "cert": lower-case letters, digits and dashes, at most 31 bytes */
	const char *usage; /* "status | renew", shown by "netbird-signal NAME" after -EINVAL */
	/* [main] Must not block.  argv: the words after NAME, ended by NULL.  What call_print() got
	 * goes to the caller's standard output.  0: exit status 0; -EINVAL: 2, wrong words, and
	 * the text goes to standard error; another negative errno: 1. */
	int (*run)(void *arg, struct nbs_call *call, int argc, const char *const *argv);
};

/* One HTTP request (RFC 9110) as its route gets it; everything is lent for the call. */
struct nbs_request_about {
	size_t size;        /* set by the caller before the call */
	const char *method; /* "GET", "HEAD", "POST", ... */
	const char *path;   /* "/metrics", decoded, without the query */
	const void *body;
	size_t body_len;
};

/*
 * A route of the daemon's HTTP/1.1 server.  It is matched by its whole path, or as a prefix if
 * path ends with a slash; the longest wins.  A method that no route of the path has is answered
 * with 405, and HEAD is served by GET without the body.
 */
struct nbs_route {
	size_t size;
	const char *method; /* "GET", "POST", "PUT" or "DELETE" */
	const char *path;   /* begins with a slash */
	unsigned classes;   /* one or more of NBS_PUBLIC, NBS_ADMIN, NBS_CHALLENGE; elsewhere the
	                       path is not found */
	size_t max_body;    /* larger ones are answered with 413; 0: no body is awaited */
	/* [conn] Calls request_reply() once before it returns; otherwise the answer is 500. */
	void (*handle)(void *arg, struct nbs_request *request);
};

enum {
	NBS_WS_FIRST = 1u << 0, /* the message begins with these bytes */
	NBS_WS_FINAL = 1u << 1, /* ... and ends with them */
	NBS_WS_TEXT = 1u << 2   /* of a text message (RFC 6455, 5.6); otherwise binary */
};

/* The consumer of a WebSocket (RFC 6455): all [conn], none from inside a host function. */
struct nbs_ws_ops {
	size_t size;
	/* A piece of a message, of any size and also empty, in order.  ws_pause() stops more from
	 * coming, but what was read from the socket already may still come. */
	void (*message)(void *cookie, const void *bytes, size_t len, unsigned flags);
	/* ws_write() took less than all before; there is room again. */
	void (*writable)(void *cookie);
	/* Somebody called ws_wake(); several calls may come as one. */
	void (*woken)(void *cookie);
	/* The end, exactly once, and the last call.  `code` is the client's close code, 1005 if it
	 * sent none, 1006 if the connection broke or did not answer pings (RFC 6455, 7.1.5), 1002
	 * or 1007 if it violated the protocol, and our own after ws_close().  `ws` must not be used
	 * again after the return. */
	void (*closed)(void *cookie, unsigned code);
};

/* A path where the daemon upgrades to WebSocket; it pings, so that proxies keep it open and a
 * client that vanished is noticed: within ping-interval and ping-timeout, while it is paused within
 * two ping-intervals.  No extension (compression) is ever agreed on. */
struct nbs_ws_path {
	size_t size;
	const char *path;        /* whole, "/signal/ws" */
	const char *subprotocol; /* a client must offer it; NULL: none is looked at or chosen */
	unsigned classes; /* NBS_PUBLIC, NBS_ADMIN or both; elsewhere the path is not found */
	/*
	 * [conn] A client was upgraded.  Sets *ops and *cookie, both KEPT until closed() has
	 * returned, and may already write and close; here alone ws_query() and ws_header() work.
	 * A negative errno closes with 1011 (-ESHUTDOWN: 1001) and no callback comes.
	 */
	int (*open)(void *arg, struct nbs_ws *ws, const struct nbs_ws_ops **ops, void **cookie);
};

/*
 * A byte stream that a plugin carries inside something else (a tunnel), given to a connection
 * service as if it were a connection.  All [conn]; write() and flow(0) may come from inside
 * ws_carry(), carried_bytes() and carried_writable(); flow(1) and closed() never come from inside
 * any host function.
 */
struct nbs_carrier_ops {
	size_t size;
	/* Bytes for the other side.  How much was taken; if less, carried_writable() is owed. */
	size_t (*write)(void *cookie, const void *bytes, size_t len);
	/* 0: carried_bytes() must not be called until this comes with 1. */
	void (*flow)(void *cookie, int on);
	/* The service sends no more: end the carrier once all that write() took is sent
	 * (NBS_CLOSE_FLUSH) or at once (NBS_CLOSE_ABORT).  The last call; `inner` is gone. */
	void (*closed)(void *cookie, int how);
};

/*
 * EXPERIMENTAL (no shipped plugin uses it yet): who may register.  [any], must not block.
 * 0 admits, -EACCES refuses with *why (static text), -EINPROGRESS: admission_decide() will be
 * called exactly once for `ask`, from any thread, at any later time, even if the peer has gone.
 * Without a decision within [peers] admission-timeout the peer is refused.
 */
struct nbs_admission_ops {
	size_t size;
	int (*admit)(void *self, struct nbs_admission *ask, const char *id, size_t id_len,
	             const char **why);
};

/* EXPERIMENTAL (no shipped plugin uses it yet): a way to peers of other servers.  [any]. */
struct nbs_router_ops {
	size_t size;
	/* The receiver is not here.  0: taken (hold it with msg_ref()); -ENOENT: not mine. */
	int (*route)(void *self, struct nbs_msg *msg);
};

enum {
	NBS_LOCAL_ONLY = 1u << 0, /* forward(): do not hand the message to a router */
};

enum {
	NBS_CLOSE_FLUSH = 0, /* conn_close(): send what is queued first, for at most 5 s */
	NBS_CLOSE_ABORT = 1  /* conn_close(): drop what is queued and reset */
};

/* The daemon as one plugin sees it.  Valid from init() until destroy() returns. */
struct nbs_host {
	size_t size;
	uint32_t abi;

	/* [any] One line, without a newline; the plugin's name is added.  Keeps errno. */
	void (*log)(struct nbs_host *, enum nbs_level, const char *fmt, ...) NBS_PRINTF(3, 4);
	/* [any] 1 if a line of this level would be written. */
	int (*log_enabled)(struct nbs_host *, enum nbs_level);
	/* [any] Asks the daemon to stop; returns at once. */
	void (*shutdown)(struct nbs_host *);
	/* [any] Runs fn(arg) on [main] soon; never from inside this call.  -ENOMEM. */
	int (*post)(struct nbs_host *, void (*fn)(void *arg), void *arg);
	/* [any] */
	void (*limits)(struct nbs_host *, struct nbs_limits *);

	/*
	 * [main], in init() and reload_prepare().  This plugin's section of the configuration.
	 * *val holds the default on entry and stays when the key is missing.  A bad value is
	 * logged with file and key, and is -EINVAL.  Asking for a key makes it a known one: the
	 * keys that nobody asked for in init() are errors.  Strings KEPT until destroy().
	 */
	int (*conf_str)(struct nbs_host *, const char *key, const char **val);
	int (*conf_int)(struct nbs_host *, const char *key, int64_t min, int64_t max, int64_t *val);
	/* yes no true false on off 1 0 */
	int (*conf_bool)(struct nbs_host *, const char *key, int *val);
	/* "10s", "500ms", "5m", "2h"; a bare number is seconds */
	int (*conf_duration)(struct nbs_host *, const char *key, int64_t min_ms, int64_t max_ms,
	                     int64_t *ms);
	/* "64K", "4M", "1G"; a bare number is bytes */
	int (*conf_size)(struct nbs_host *, const char *key, int64_t min, int64_t max,
	                 int64_t *bytes);

	/*
	 * [main], in init() only; desc is copied.  The same name and labels twice is -EEXIST,
	 * and so is a name that an exposition cannot tell from another (a_total beside a gauge a).
	 * metric_record: [any], lock-free.  A counter adds `value` (>= 0), a gauge adds it (of
	 * either sign), a histogram observes it.
	 */
	int (*metric_register)(struct nbs_host *, const struct nbs_metric_desc *,
	                       struct nbs_metric **);
	void (*metric_record)(struct nbs_metric *, double value);
	/*
	 * [any] Visits every series, those of one name together.  `values` is lent: counter and
	 * gauge: n = 1.  Histogram: n = n_bounds + 3: the count of each bucket (not cumulative),
	 * of +Inf, the count of all, and the sum.
	 */
	void (*metric_each)(struct nbs_host *,
	                    void (*visit)(void *arg, const struct nbs_metric_desc *,
	                                  const double *values, size_t n),
	                    void *arg);

	/*
	 * Peers.  [any], from the return of start() until stop().  ops and cookie KEPT until
	 * peer_deregister() returns.  *lease is set before any callback comes, and callbacks may
	 * come before peer_register() returns.  -EINVAL: empty id.  -ENAMETOOLONG: longer than
	 * NBS_ID_MAX.  -ESHUTDOWN: the daemon stops.  -ENOMEM.  On an error nothing is owed.
	 */
	int (*peer_register)(struct nbs_host *, const char *id, size_t id_len,
	                     const struct nbs_peer_ops *ops, void *cookie, struct nbs_peer **lease);
	/* The next message, GIVEN (msg_unref() it), or NULL when there is none.  One thread at
	 * a time for one lease. */
	struct nbs_msg *(*peer_take)(struct nbs_peer *lease);
	/*
	 * Gives the lease back.  The id is freed only if this lease still holds it.  A barrier:
	 * after the return no callback for the cookie runs or ever will.  From inside a callback
	 * only its own lease may be deregistered; there it returns at once, and the cookie must
	 * stay valid until the callback has returned.
	 */
	void (*peer_deregister)(struct nbs_peer *lease);
	/* A transport turned somebody away before peer_register(); counts it. */
	void (*peer_refused)(struct nbs_host *, enum nbs_refusal);

	/*
	 * [any] Takes one serialized EncryptedMessage, in pieces, and copies it.  Messages of one
	 * caller to one peer stay in order.  0: queued here or taken by a router, perhaps at the
	 * cost of older ones.  -ENOENT: no such peer, counted (for a client that is no error).
	 * -ENOBUFS: dropped, all mailboxes are full, counted (neither is this).  -EMSGSIZE: larger
	 * than max_message.  -EBADMSG: no EncryptedMessage.  -ENOMEM.
	 */
	int (*forward)(struct nbs_host *, const struct iovec *wire, size_t n, unsigned flags);
	struct nbs_msg *(*msg_ref)(struct nbs_msg *);
	void (*msg_unref)(struct nbs_msg *);

	/* Connections, [main], in init() only.  The struct and arg KEPT until destroy().
	 * -EEXIST: this plugin already serves the protocol.  -EINVAL: not exactly one form. */
	int (*service_register)(struct nbs_host *, const struct nbs_service *, void *arg);
	/* [any] in adopt(), [conn] otherwise. */
	void (*conn_about)(struct nbs_conn *, struct nbs_conn_about *);
	/* [conn] How much was taken; less than len (also 0) means that the bounded queue is full,
	 * and writable() will come.  After an error everything is taken and forgotten. */
	size_t (*conn_write)(struct nbs_conn *, const void *bytes, size_t len);
	/* [conn] Stop and resume readable(); TCP's window then holds the sender. */
	void (*conn_pause)(struct nbs_conn *);
	void (*conn_resume)(struct nbs_conn *);
	/* [conn] NBS_CLOSE_FLUSH or NBS_CLOSE_ABORT, which may follow the former.  After it only
	 * closed() comes, later and never from inside. */
	void (*conn_close)(struct nbs_conn *, int how);
	/* [any], until closed() is called: woken() will come on the connection's thread, unless
	 * conn_close() was called. */
	void (*conn_wake)(struct nbs_conn *);

	/* EXPERIMENTAL, [main], in init() only; ops and self KEPT until destroy(). */
	int (*admission_register)(struct nbs_host *, const struct nbs_admission_ops *, void *self);
	/* [any] verdict 0 or -EACCES; why: static text, NULL on 0. */
	void (*admission_decide)(struct nbs_admission *ask, int verdict, const char *why);
	int (*router_register)(struct nbs_host *, const struct nbs_router_ops *, void *self);

	/* HTTP, [main], in init() only.  The struct and arg KEPT until destroy().  -EEXIST: the
	 * path and method are taken.  -EINVAL. */
	int (*route_register)(struct nbs_host *, const struct nbs_route *, void *arg);
	int (*ws_register)(struct nbs_host *, const struct nbs_ws_path *, void *arg);
	/* [any] Why the daemon should get no traffic (/readyz), one per plugin, copied; NULL: no
	 * objection any more. */
	void (*ready_object)(struct nbs_host *, const char *why);

	/* [conn], in handle() only: what is asked, and by whom. */
	void (*request_about)(struct nbs_request *, struct nbs_request_about *);
	void (*request_conn)(struct nbs_request *, struct nbs_conn_about *);
	/* The value of a header, whose name is in lower case, or the decoded value of a query
	 * parameter, with NUL.  Its length; -ENOENT: there is none; -ENOSPC: it is longer. */
	int (*request_header)(struct nbs_request *, const char *name, char *value, size_t size);
	int (*request_query)(struct nbs_request *, const char *name, char *value, size_t size);
	/* `headers`: more of them, "Name: value\r\n" each, or NULL.  Everything is copied. */
	int (*request_reply)(struct nbs_request *, unsigned status, const char *content_type,
	                     const char *headers, const void *body, size_t len);

	/* WebSockets, [conn].  The first three in open() only, as for a request. */
	int (*ws_header)(struct nbs_ws *, const char *name, char *value, size_t size);
	int (*ws_query)(struct nbs_ws *, const char *name, char *value, size_t size);
	void (*ws_about)(struct nbs_ws *, struct nbs_conn_about *);
	/*
	 * A message or a piece of one; `flags` as in message(), FIRST and TEXT with the first
	 * piece only.  How much was taken: less than len (also 0, but for len 0) means that the
	 * socket is full, and writable() will come; the rest is owed with the same flags but
	 * FIRST.  Whole messages go out as one frame if they are small.  After ws_close()
	 * everything is taken and forgotten.  An empty piece is always taken, but is lost if the
	 * socket is full.
	 */
	size_t (*ws_write)(struct nbs_ws *, const void *bytes, size_t len, unsigned flags);
	/* Stop and resume message(); TCP's window then holds the sender. */
	void (*ws_pause)(struct nbs_ws *);
	void (*ws_resume)(struct nbs_ws *);
	/* Sends what was taken and the close frame, then waits up to 5 s for the client's.  code:
	 * RFC 6455, 7.4 (one that must not be sent becomes 1011), or 0 to end without a frame;
	 * reason: UTF-8 of which up to 123 bytes are sent, copied, or NULL.  After it only
	 * closed() comes, later and never from inside. */
	void (*ws_close)(struct nbs_ws *, unsigned code, const char *reason);
	/* [any], until closed() is called: woken() will come on the WebSocket's thread. */
	void (*ws_wake)(struct nbs_ws *);

	/*
	 * [conn] Gives the inside of a WebSocket to the service that its listener has for
	 * `protocol`.  ops and cookie KEPT until closed().  *inner is set before any call of ops.
	 * -ENOENT: nobody serves it here.  Other errors are the service's.
	 */
	int (*ws_carry)(struct nbs_ws *, const char *protocol, const struct nbs_carrier_ops *ops,
	                void *cookie, struct nbs_conn **inner);
	/* [conn], until closed() of the carrier: what came for the service.  All is consumed. */
	void (*carried_bytes)(struct nbs_conn *inner, const void *bytes, size_t len);
	/* [conn] There is room again for write(). */
	void (*carried_writable)(struct nbs_conn *inner);
	/* [conn] The carrier is at its end, 0, or broken, a negative errno.  After it no call of
	 * ops comes; `inner` is gone. */
	void (*carried_end)(struct nbs_conn *inner, int err);

	/* [main], in init() only; the struct is copied.  -EINVAL after a line in the log: an
	 * address or name that is none; -EEXIST: a plugin has this name already. */
	int (*listener_register)(struct nbs_host *, const struct nbs_listener *);

	/*
	 * [main], in init() and reload_prepare(), before conf_*() reads the key: an option of the
	 * command line ("metrics-port" for --metrics-port or NB_METRICS_PORT) stands for this key
	 * and outranks the file.  -ENOENT: it was not given; the key is as in the file.  An option
	 * that no plugin asks for is warned of.
	 */
	int (*conf_flag)(struct nbs_host *, const char *option, const char *key);

	/*
	 * Certificates, [main], from start() until destroy(); everything is copied.  New handshakes
	 * get it when the call returns; open connections keep theirs.  -EINVAL after a line that
	 * says what is wrong; -ENOMEM.  Nothing changes on an error.  A plugin's certificates go
	 * with its destroy().  A listener with tls = required needs one by the end of start(), if
	 * the configuration has none.
	 */
	int (*cert_provide)(struct nbs_host *, const struct nbs_cert *);
	/* -ENOENT: this plugin has none of that name. */
	int (*cert_withdraw)(struct nbs_host *, const char *name);

	/* [main], in init() only.  The struct and arg KEPT until destroy().  -EEXIST: the name is
	 * taken, by the daemon's own commands too.  -EINVAL. */
	int (*command_register)(struct nbs_host *, const struct nbs_command *, void *arg);
	/* [main], in run() only.  At most 64 KiB in all; what is more is cut off and said so. */
	void (*call_print)(struct nbs_call *, const char *fmt, ...) NBS_PRINTF(2, 3);
};

/*
 * Every plugin exports one, as nbs_plugin_entry.  All calls [main], in this order.  Each pointer
 * but name, version, init and destroy may be NULL.
 */
struct nbs_plugin {
	uint32_t magic, abi; /* checked first, in this order, then size */
	size_t size;
	const char *name, *version;
	/* Reads the configuration and registers.  No thread, no file, no socket: `check` calls it
	 * beside a running daemon.  On an error nothing is left behind, destroy() is not called. */
	int (*init)(struct nbs_host *, void **self);
	/* After the listeners are bound and privileges are dropped; threads may exist from here.
	 * On an error nothing is left running; stop() is not called. */
	int (*start)(void *self);
	/* A reload in two steps; conf_*() read the new file during prepare.  If any plugin's
	 * prepare fails, each whose prepare succeeded finishes with commit = 0, and nothing
	 * changes.  A prepare that fails leaves nothing behind.  finish cannot fail. */
	int (*reload_prepare)(void *self);
	void (*reload_finish)(void *self, int commit);
	/* A shutdown begins: say so to health checks, take nothing new; returns at once. */
	void (*drain)(void *self);
	/* Ends what is open within grace_ms; on return no thread that calls the host, no lease and
	 * no socket is left.  Connections of the open() form may stay: the daemon closes them
	 * next, with closed(-ESHUTDOWN) and thread_end().  Reverse order of start. */
	int (*stop)(void *self, unsigned grace_ms);
	/* Frees self.  The code stays mapped until the process ends. */
	void (*destroy)(void *self);
};
#define NBS_PLUGIN_HEAD NBS_MAGIC, NBS_ABI, sizeof(struct nbs_plugin)
extern NBS_EXPORT const struct nbs_plugin nbs_plugin_entry;

/*
 * The mark by which the daemon knows a plugin's file before it loads it: an ELF note named
 * "netbird-signal" of type 1 whose content is magic and ABI number, both in the byte order of
 * the machine.  A file without it is refused unopened, so that no constructor of a wrong file
 * ever runs.
 */
#define NBS_NOTE_NAME "netbird-signal"
#define NBS_NOTE_TYPE 1u
struct nbs_plugin_note {
	uint32_t name_size, content_size, type;
	char name[16];
	uint32_t magic, abi;
};
#define NBS_PLUGIN_NOTE                                                                     \
	__attribute__((section(".note.netbird-signal"), used,                               \
	               aligned(4))) static const struct nbs_plugin_note nbs_plugin_note = { \
	    sizeof(NBS_NOTE_NAME), 8, NBS_NOTE_TYPE, NBS_NOTE_NAME, NBS_MAGIC, NBS_ABI}

#ifdef __cplusplus
}
#endif
#endif
