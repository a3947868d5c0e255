#include "ca.h"

#include <netbird-signal/plugin.h>

#include <openssl/evp.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Of RFC 9773, 4.1: two pieces of base64url of at most 20 and some bytes. */
#define ARI_ID_MAX 256

struct ca {
	pthread_mutex_t lock; /* acme_cancel() is called under it, so that its object stays */
	bool cancelled;
	struct acme *acme; /* at work, or NULL */
};

int ca_open(struct ca **out)
{
	struct ca *ca = calloc(1, sizeof(*ca));

	if (ca == NULL)
		return -ENOMEM;
	pthread_mutex_init(&ca->lock, NULL);
	*out = ca;
	return 0;
}

void ca_close(struct ca *ca)
{
	if (ca == NULL)
		return;
	pthread_mutex_destroy(&ca->lock);
	free(ca);
}

void ca_cancel(struct ca *ca)
{
	pthread_mutex_lock(&ca->lock);
	ca->cancelled = true;
	if (ca->acme != NULL)
		acme_cancel(ca->acme);
	pthread_mutex_unlock(&ca->lock);
}

/* --- a client ------------------------------------------------------------------------------- */

struct client {
	struct ca *ca;
	const struct ca_terms *terms;
	EVP_PKEY *account_key;
	char *account_url, *account_email; /* as stored */
	struct acme *acme;
};

/* A new account's key is stored before the CA hears of it. */
static int make_account_key(struct client *c, struct failure *f)
{
	if ((c->account_key = keys_generate(KEY_P256)) == NULL)
		return failure_set(f, FAILURE_LOCAL, -ENOMEM, "cannot make a key for the account");
	return store_save_account_key(c->terms->store, c->account_key, f);
}

static int open_acme(struct client *c, struct failure *f)
{
	const struct settings *s = c->terms->settings;
	const struct acme_settings settings = {
	    .directory_url = s->directory_url,
	    .ca_file = settings_text(s->ca_file),
	    .email = settings_text(s->email),
	    .profile = settings_text(s->profile),
	    .eab_kid = settings_text(s->eab_kid),
	    .eab_key = settings_text(s->eab_key),
	    .account_key = c->account_key,
	    .account_url = c->account_url,
	    .account_email = c->account_email,
	    .timeout_s = (unsigned)((s->request_timeout + 999) / 1000),
	};

	return acme_open(&c->acme, &settings, f);
}

/* From now on ca_cancel() reaches it. */
static int show(struct client *c, struct failure *f)
{
	bool cancelled;

	pthread_mutex_lock(&c->ca->lock);
	cancelled = c->ca->cancelled;
	c->ca->acme = c->acme;
	pthread_mutex_unlock(&c->ca->lock);
	return cancelled ? failure_set(f, FAILURE_LOCAL, -ECANCELED, "the server stops") : 0;
}

static int client_begin(struct client *c, struct failure *f)
{
	int r;

	if ((r = store_load_account(c->terms->store, &c->account_key, &c->account_url, f)) < 0 ||
	    (r = store_load_account_email(c->terms->store, &c->account_email, f)) < 0)
		return r;
	if (c->account_key == NULL && (r = make_account_key(c, f)) < 0)
		return r;
	if ((r = open_acme(c, f)) < 0)
		return r;
	return show(c, f);
}

static void client_end(struct client *c)
{
	pthread_mutex_lock(&c->ca->lock);
	c->ca->acme = NULL;
	pthread_mutex_unlock(&c->ca->lock);
	if (c->acme != NULL)
		acme_close(c->acme);
	EVP_PKEY_free(c->account_key);
	free(c->account_url);
	free(c->account_email);
}

/* The CA may have made the account, or made it anew. */
static int keep_account(struct client *c, struct failure *f)
{
	const char *url = acme_account_url(c->acme);

	if (url == NULL || (c->account_url != NULL && strcmp(url, c->account_url) == 0))
		return 0;
	return store_save_account_url(c->terms->store, url, f);
}

static int keep_email(struct client *c, struct failure *f)
{
	const char *email = acme_account_email(c->acme);

	if (email == NULL || (c->account_email != NULL && strcmp(email, c->account_email) == 0))
		return 0;
	return store_save_account_email(c->terms->store, email, f);
}

/* An address that the CA does not want, or that cannot be kept, is no reason to go without a
 * certificate: it is told again with the next order. */
static int tell_email(struct client *c, struct failure *f)
{
	struct nbs_host *host = c->terms->host;
	int r;

	if ((r = acme_contact(c->acme, f)) == -ECANCELED)
		return r;
	if (r == 0)
		r = keep_email(c, f);
	if (r < 0)
		host->log(host, NBS_WARN, "the CA was not told the account's email: %s kind=%s",
		          f->text, failure_label(f->kind));
	return 0;
}

/* --- errands -------------------------------------------------------------------------------- */

static int take_chain(const struct settings *s, const char *chain, EVP_PKEY *key,
                      struct certificate **out, struct failure *f)
{
	const char *why = "";
	int r = certificate_parse(out, chain, key, &why);

	if (r < 0)
		return failure_set(f, r == -ENOMEM ? FAILURE_LOCAL : FAILURE_SERVER, r,
		                   "the certificate that the CA sent: %s",
		                   r == -ENOMEM ? "out of memory" : why);
	if (certificate_fits(*out, s->names.ids, s->names.n, s->key_type))
		return 0;
	certificate_free(*out);
	*out = NULL;
	return failure_set(
	    f, FAILURE_SERVER, -EINVAL,
	    "the certificate that the CA sent is not for the names that were asked for");
}

static int place_order(struct client *c, EVP_PKEY *key, char **chain, bool *asked,
                       struct failure *f)
{
	const struct settings *s = c->terms->settings;
	char replaces[ARI_ID_MAX];
	struct acme_order order = {.identifiers = s->names.ids,
	                           .n_identifiers = s->names.n,
	                           .timeout_s = (unsigned)((s->order_timeout + 999) / 1000)};
	unsigned char *csr = NULL;
	int r;

	if ((r = keys_csr(key, s->names.ids, s->names.n, &csr, &order.csr_len)) < 0)
		return failure_set(f, FAILURE_LOCAL, r, "cannot make a request for a certificate");
	order.csr = csr;
	if (c->terms->replaces != NULL &&
	    acme_ari_id(c->terms->replaces, replaces, sizeof(replaces)) == 0)
		order.replaces = replaces;
	*asked = true;
	r = acme_order(c->acme, &order, c->terms->solver, chain, f);
	free(csr);
	return r;
}

static int order_with(struct client *c, EVP_PKEY *key, struct certificate **out, bool *asked,
                      struct failure *f)
{
	struct failure later;
	char *chain = NULL;
	int r;

	if ((r = acme_account(c->acme, f)) < 0 || (r = keep_account(c, f)) < 0 ||
	    (r = tell_email(c, f)) < 0)
		return r;
	r = place_order(c, key, &chain, asked, f);
	/* What was obtained is worth more than the account's URL, which can be asked for again. */
	keep_account(c, &later);
	if (r == 0)
		r = take_chain(c->terms->settings, chain, key, out, f);
	free(chain);
	return r;
}

int ca_certificate(struct ca *ca, const struct ca_terms *terms, struct certificate **out,
                   bool *asked, struct failure *f)
{
	struct client c = {.ca = ca, .terms = terms};
	EVP_PKEY *key = NULL;
	int r;

	*asked = false;
	if ((r = client_begin(&c, f)) == 0) {
		if ((key = keys_generate(terms->settings->key_type)) != NULL)
			r = order_with(&c, key, out, asked, f);
		else
			r = failure_set(f, FAILURE_LOCAL, -ENOMEM, "cannot make a key");
	}
	client_end(&c);
	EVP_PKEY_free(key);
	return r;
}

int ca_window(struct ca *ca, const struct ca_terms *terms, const X509 *cert,
              struct acme_window *out, struct failure *f)
{
	struct client c = {.ca = ca, .terms = terms};
	char id[ARI_ID_MAX];
	int r;

	if (acme_ari_id(cert, id, sizeof(id)) < 0)
		return -ENOSYS;
	if ((r = client_begin(&c, f)) == 0)
		r = acme_renewal_info(c.acme, id, out, f);
	client_end(&c);
	return r;
}
