/* Why a handshake failed, and what clients do wrong after it: labels of counters, and what the log
 * says. */
#ifndef TLS_FAILURE_H
#define TLS_FAILURE_H

struct metrics;
struct nbs_conn;
struct nbs_metric;

enum tls_failure {
	TLS_FAILED_VERSION,     /* no version of TLS in common */
	TLS_FAILED_CIPHER,      /* no cipher, curve or signature in common */
	TLS_FAILED_NAME,        /* no certificate for the name that the client asks for */
	TLS_FAILED_PROTOCOL,    /* it asks for a challenge (RFC 8737), and none stands */
	TLS_FAILED_CERTIFICATE, /* the client's: missing, or not valid */
	TLS_FAILED_REJECTED,    /* the client ended it with an alert, as when it distrusts ours */
	TLS_FAILED_TIMEOUT,
	TLS_FAILED_LEFT,    /* closed or reset */
	TLS_FAILED_STALLED, /* gave way to others */
	TLS_FAILED_GARBAGE, /* not TLS, or against its rules */
	TLS_FAILED_ERROR,   /* ours: no memory, no certificate */
	TLS_FAILURES
};

/* `counters` has TLS_FAILURES places. */
int tls_failure_register(struct nbs_metric **counters, struct metrics *metrics);
/* [conn] What OpenSSL's queue of errors says. */
enum tls_failure tls_failure_judge(void);
/* [conn] Tells the log, with OpenSSL's reason where there is one. */
void tls_failure_log(const struct nbs_conn *conn, enum tls_failure why);

/* `counters` has TLS_VIOLATIONS places; the first is not used. */
int tls_violation_register(struct nbs_metric **counters, struct metrics *metrics);
/* [conn] Counts why reading ended, and tells the log, if the client violated the protocol. */
void tls_violation_note(struct nbs_metric *const *counters, const struct nbs_conn *conn);

#endif
