/* Failed handshakes by reason. */
#include "tls_failure.h"

#include "conn.h"
#include "log.h"
#include "metrics.h"
#include "tls_session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static const struct {
	const char *labels, *words;
} failures[TLS_FAILURES] = {
    [TLS_FAILED_VERSION] = {"reason=\"version\"", "no version of TLS in common"},
    [TLS_FAILED_CIPHER] = {"reason=\"cipher\"", "no cipher in common"},
    [TLS_FAILED_NAME] = {"reason=\"server_name\"", "no certificate for the name"},
    [TLS_FAILED_PROTOCOL] = {"reason=\"protocol\"", "no challenge stands for it"},
    [TLS_FAILED_CERTIFICATE] = {"reason=\"certificate\"", "the client's certificate"},
    [TLS_FAILED_REJECTED] = {"reason=\"rejected\"", "the client rejected it"},
    [TLS_FAILED_TIMEOUT] = {"reason=\"timeout\"", "took too long"},
    [TLS_FAILED_LEFT] = {"reason=\"left\"", "the client left"},
    [TLS_FAILED_STALLED] = {"reason=\"stalled\"", "stalled while others waited"},
    [TLS_FAILED_GARBAGE] = {"reason=\"garbage\"", "not TLS as it should be"},
    [TLS_FAILED_ERROR] = {"reason=\"error\"", "could not be served"},
};

int tls_failure_register(struct nbs_metric **counters, struct metrics *metrics)
{
	struct metrics_series table[TLS_FAILURES + 1] = {0};

	for (int i = 0; i < TLS_FAILURES; i++)
		table[i] = (struct metrics_series){&counters[i],
		                                   NBS_COUNTER,
		                                   "tls_handshake_failures_total",
		                                   failures[i].labels,
		                                   "TLS handshakes that failed, by reason.",
		                                   NULL,
		                                   0};
	return metrics_register_table(metrics, table);
}

/* What OpenSSL calls it; all else is garbage. */
static enum tls_failure judge_reason(int reason)
{
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_WRONG_SSL_VERSION:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
	case SSL_R_INAPPROPRIATE_FALLBACK:
		return TLS_FAILED_VERSION;
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SHARED_GROUPS:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SUITABLE_GROUPS:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
		return TLS_FAILED_CIPHER;
	case SSL_R_CALLBACK_FAILED:
		return TLS_FAILED_NAME;
	case SSL_R_NO_APPLICATION_PROTOCOL:
		return TLS_FAILED_PROTOCOL;
	case SSL_R_CERTIFICATE_VERIFY_FAILED:
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
	case SSL_R_NO_CLIENT_CERT_METHOD:
	case SSL_R_BAD_SIGNATURE:
		return TLS_FAILED_CERTIFICATE;
	case ERR_R_MALLOC_FAILURE:
	case SSL_R_CERT_CB_ERROR:
	case ERR_R_INTERNAL_ERROR:
		return TLS_FAILED_ERROR;
	default:
		return reason > SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256
		           ? TLS_FAILED_REJECTED
		           : TLS_FAILED_GARBAGE;
	}
}

enum tls_failure tls_failure_judge(void)
{
	unsigned long e = ERR_peek_last_error();

	if (ERR_GET_LIB(e) == ERR_LIB_SSL || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
		return judge_reason(ERR_GET_REASON(e));
	return TLS_FAILED_GARBAGE;
}

/* The client's alert says that it does not like our certificate (RFC 8446, 6.2). */
static bool distrusts_us(void)
{
	int alert = ERR_GET_REASON(ERR_peek_last_error()) - SSL_AD_REASON_OFFSET;

	return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) ||
	       alert == SSL_AD_UNKNOWN_CA;
}

static const char *reason_text(const struct nbs_conn *conn, enum tls_failure why)
{
	const char *text = ERR_reason_error_string(ERR_peek_last_error());
	long verified;

	if (why == TLS_FAILED_CERTIFICATE && conn->tls->ssl != NULL &&
	    (verified = SSL_get_verify_result(conn->tls->ssl)) != X509_V_OK)
		return X509_verify_cert_error_string(verified);
	return text != NULL ? text : "-";
}

void tls_failure_log(const struct nbs_conn *conn, enum tls_failure why)
{
	static struct log_limit distrusted, stalled, failed, others[TLS_FAILURES];
	const char *reason = reason_text(conn, why);
	char remote[NBS_ADDR_MAX];

	conn_address_text(remote, &conn->remote.sa);
	if (why == TLS_FAILED_REJECTED && distrusts_us())
		log_limited(&distrusted, NBS_WARN, "tls",
		            "a client does not accept the certificate listener=%s remote=%s "
		            "reason=\"%s\"",
		            conn->origin->listener, remote, reason);
	else if (why == TLS_FAILED_STALLED)
		log_limited(&stalled, NBS_WARN, "tls",
		            "max-handshakes is reached, a handshake that stalls gives way "
		            "listener=%s remote=%s",
		            conn->origin->listener, remote);
	else if (why == TLS_FAILED_ERROR)
		log_limited(&failed, NBS_WARN, "tls",
		            "a handshake could not be served listener=%s remote=%s reason=\"%s\"",
		            conn->origin->listener, remote, reason);
	else if (why != TLS_FAILED_LEFT && why != TLS_FAILED_TIMEOUT)
		log_limited(&others[why], NBS_INFO, "tls",
		            "handshake failed: %s listener=%s remote=%s reason=\"%s\"",
		            failures[why].words, conn->origin->listener, remote, reason);
	else /* said by conn_refuse() if it should be, or everyday */
		log_debug("tls", "handshake failed: %s listener=%s remote=%s reason=\"%s\"",
		          failures[why].words, conn->origin->listener, remote, reason);
}

static const struct {
	const char *labels, *word;
} violations[TLS_VIOLATIONS] = {
    [TLS_RENEGOTIATION] = {"reason=\"renegotiation\"", "renegotiation"},
    [TLS_KEY_UPDATES] = {"reason=\"key_updates\"", "key_updates"},
    [TLS_GARBAGE] = {"reason=\"garbage\"", "garbage"},
};

int tls_violation_register(struct nbs_metric **counters, struct metrics *metrics)
{
	struct metrics_series table[TLS_VIOLATIONS] = {0};

	for (int i = 1; i < TLS_VIOLATIONS; i++)
		table[i - 1] = (struct metrics_series){
		    &counters[i],
		    NBS_COUNTER,
		    "tls_violations_total",
		    violations[i].labels,
		    "Connections cut off for what came after the TLS handshake, by reason.",
		    NULL,
		    0};
	return metrics_register_table(metrics, table);
}

void tls_violation_note(struct nbs_metric *const *counters, const struct nbs_conn *conn)
{
	static struct log_limit limit;
	const unsigned why = conn->tls->violation;
	char remote[NBS_ADDR_MAX];

	if (why == TLS_NO_VIOLATION)
		return;
	metrics_count(counters[why]);
	conn_address_text(remote, &conn->remote.sa);
	log_limited(&limit, NBS_WARN, "tls", "connection closed reason=%s listener=%s remote=%s",
	            violations[why].word, conn->origin->listener, remote);
}
