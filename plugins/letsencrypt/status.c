#include "status.h"

#include <openssl/x509v3.h>

#include <stdio.h>
#include <string.h>

void status_open(struct status_board *b)
{
	*b = (struct status_board){0};
	pthread_mutex_init(&b->lock, NULL);
}

void status_close(struct status_board *b)
{
	pthread_mutex_destroy(&b->lock);
}

struct status *status_lock(struct status_board *b)
{
	pthread_mutex_lock(&b->lock);
	return &b->status;
}

void status_unlock(struct status_board *b)
{
	pthread_mutex_unlock(&b->lock);
}

void status_settings(struct status_board *b, const struct settings *s)
{
	struct status *st = status_lock(b);

	names_text(&s->names, ", ", st->names, sizeof(st->names));
	settings_challenges_text(&s->challenges, st->challenges, sizeof(st->challenges));
	snprintf(st->directory, sizeof(st->directory), "%s", s->directory_url);
	status_unlock(b);
}

/* One line of the certificate, as OpenSSL escapes what is in it. */
static void issuer_text(const X509 *leaf, char *text, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *mem;
	long len;

	text[0] = '\0';
	if (bio == NULL)
		return;
	if (X509_NAME_print_ex(bio, X509_get_issuer_name(leaf), 0, XN_FLAG_ONELINE) >= 0) {
		len = BIO_get_mem_data(bio, &mem);
		snprintf(text, size, "%.*s", (int)len, mem);
	}
	BIO_free(bio);
}

void status_certificate(struct status_board *b, const struct certificate *c, bool stored)
{
	char issuer[sizeof(b->status.issuer)];
	struct status *st;

	issuer_text(c->leaf, issuer, sizeof(issuer));
	st = status_lock(b);
	st->has = true;
	st->file = stored;
	st->temporary = false;
	memcpy(st->issuer, issuer, sizeof(issuer));
	st->not_before = c->not_before;
	st->not_after = c->not_after;
	status_unlock(b);
}
