/* When the CA would like a certificate to be renewed (RFC 9773). */
#include "acme_private.h"

#include "base64url.h"
#include "dates.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 9773, 4.3.2 and 4.3.3. */
#define RETRY_DEFAULT_S 21600u
#define RETRY_MIN_S 60u
#define RETRY_MAX_S 86400u

/* The longest serial number and key identifier that we name, in bytes; RFC 5280 allows 20. */
#define PART_MAX 64

/* The content of the serial number in DER: a zero in front if its first bit is set. */
static int serial_content(const ASN1_INTEGER *serial, unsigned char bytes[static PART_MAX],
                          size_t *len)
{
	unsigned char *der = NULL;
	int n = i2d_ASN1_INTEGER((ASN1_INTEGER *)serial, &der);

	/* Tag and length are a byte each, as the content is short. */
	if (n < 3 || n - 2 > PART_MAX) {
		OPENSSL_free(der);
		return -EINVAL;
	}
	*len = (size_t)n - 2;
	memcpy(bytes, der + 2, *len);
	OPENSSL_free(der);
	return 0;
}

int acme_ari_id(const X509 *cert, char *id, size_t size)
{
	/* Not changed: OpenSSL 3.0 keeps what it has parsed of the extensions in there. */
	const ASN1_OCTET_STRING *aki = X509_get0_authority_key_id((X509 *)cert);
	unsigned char serial[PART_MAX];
	size_t aki_len, serial_len, dot;

	if (aki == NULL || ASN1_STRING_length(aki) <= 0 || ASN1_STRING_length(aki) > PART_MAX)
		return -EINVAL;
	aki_len = (size_t)ASN1_STRING_length(aki);
	if (serial_content(X509_get0_serialNumber(cert), serial, &serial_len) < 0)
		return -EINVAL;
	if (BASE64URL_SIZE(aki_len) + BASE64URL_SIZE(serial_len) > size)
		return -ENOSPC;
	dot = base64url_encode(id, ASN1_STRING_get0_data(aki), aki_len);
	id[dot] = '.';
	base64url_encode(id + dot + 1, serial, serial_len);
	return 0;
}

static int read_window(const struct acme_reply *reply, const char *url, struct acme_window *w,
                       struct failure *f)
{
	const json_t *json = json_object_get(reply->json, "suggestedWindow");
	const char *start = acme_text(json, "start"), *end = acme_text(json, "end");
	const char *explanation = acme_text(reply->json, "explanationURL");

	*w = (struct acme_window){.retry_after_s = RETRY_DEFAULT_S};
	if (start == NULL || end == NULL || dates_rfc3339(start, &w->start) < 0 ||
	    dates_rfc3339(end, &w->end) < 0 || w->end <= w->start)
		return acme_nonsense(f, url, "the suggested window is none");
	if (explanation != NULL && web_url_ok(explanation) &&
	    strlen(explanation) < sizeof(w->explanation))
		memcpy(w->explanation, explanation, strlen(explanation) + 1);
	if (reply->web.has_retry_after)
		w->retry_after_s = reply->web.retry_after_s;
	if (w->retry_after_s < RETRY_MIN_S)
		w->retry_after_s = RETRY_MIN_S;
	if (w->retry_after_s > RETRY_MAX_S)
		w->retry_after_s = RETRY_MAX_S;
	return 0;
}

int acme_renewal_info(struct acme *acme, const char *ari_id, struct acme_window *out,
                      struct failure *f)
{
	struct acme_reply reply;
	const char *base;
	char *url;
	int r = acme_directory(acme, f);

	if (r < 0)
		return r;
	if ((base = acme->directory.renewal_info) == NULL)
		return failure_set(f, FAILURE_NONE, -ENOSYS,
		                   "the CA offers no renewal information");
	if (asprintf(&url, "%s%s%s", base, base[strlen(base) - 1] == '/' ? "" : "/", ari_id) < 0)
		return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for a request");
	r = acme_get(acme, url, "renewal information", &reply, f);
	if (r == 0)
		r = read_window(&reply, url, out, f);
	acme_reply_free(&reply);
	free(url);
	return r;
}
