/* Certificates of plugins: what may be provided, and the list of it.  A list is never changed but
 * copied, so that a change that fails leaves nothing behind. */
#include "certs.h"

#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNER_MAX 32     /* of a plugin's name, with NUL */
#define NAME_MAX_LEN 300 /* a host name, and what it is for */
#define LABEL_MAX (OWNER_MAX + NAME_MAX_LEN + 32)
#define HOST_NAME_MAX_LEN 253 /* RFC 1035, 3.1, without the dot at the end */
#define PROTOCOL_MAX_LEN 255  /* RFC 7301, 3.1 */

/* Far more than anybody needs: a plugin that forgets to withdraw what it provides is told so. */
#define PROVIDED_MAX 1000

struct certs_provided_pair {
	char owner[OWNER_MAX], name[NAME_MAX_LEN + 1];
	struct certs_pair *pair;
};

/* --- what may be provided ------------------------------------------------------------------- */

static bool printable(const char *text, size_t min, size_t max)
{
	size_t len = text != NULL ? strnlen(text, max + 1) : 0;

	if (text == NULL || len < min || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			return false;
	return true;
}

/* A name that a client can ask for; with a wildcard it would be more than one. */
static bool is_host_name(const char *name)
{
	return printable(name, 1, HOST_NAME_MAX_LEN + 1) && strchr(name, '*') == NULL &&
	       strcmp(name, ".") != 0;
}

static bool is_ours(const char *protocol)
{
	return strcmp(protocol, "h2") == 0 || strcmp(protocol, "http/1.1") == 0;
}

static bool fits(size_t len)
{
	return len > 0 && len <= CERTS_FILE_MAX;
}

/* What is wrong with it, before anything is parsed; NULL: nothing. */
static const char *fault_of(const struct nbs_cert *cert)
{
	if (!printable(cert->name, 1, NAME_MAX_LEN))
		return "its name is not of 1 to 300 printable characters";
	if (cert->chain == NULL || !fits(cert->chain_len))
		return "its chain is not of 1 to 1048576 bytes";
	if (cert->key == NULL || !fits(cert->key_len))
		return "its key is not of 1 to 1048576 bytes";
	if (cert->server_name != NULL && !is_host_name(cert->server_name))
		return "its server_name is no host name";
	if (cert->alpn != NULL && !printable(cert->alpn, 1, PROTOCOL_MAX_LEN))
		return "its alpn is not of 1 to 255 printable characters";
	if (cert->alpn != NULL && is_ours(cert->alpn))
		return "its alpn is one that everybody gets";
	if ((cert->flags & ~(unsigned)NBS_CERT_FALLBACK) != 0)
		return "it has a flag that this daemon does not know";
	return NULL;
}

static int confine(struct certs_pair *pair, const struct nbs_cert *cert)
{
	pair->fallback = (cert->flags & NBS_CERT_FALLBACK) != 0;
	if (cert->alpn != NULL && (pair->alpn = strdup(cert->alpn)) == NULL)
		return -ENOMEM;
	if (cert->server_name == NULL)
		return 0;
	pair->named = true;
	return certs_names_set(&pair->names, cert->server_name);
}

int certs_provided_load(struct certs_pair **out, const char *owner, const struct nbs_cert *cert)
{
	char label[LABEL_MAX], key_label[LABEL_MAX];
	struct certs_pem pem = {.label = label, .key_label = key_label};
	const char *fault = "it is of a contract before the first";
	int r;

	if (NBS_HAS(struct nbs_cert, cert, flags))
		fault = fault_of(cert);
	if (fault != NULL) {
		log_error("tls", "plugin %s: its certificate is refused: %s", owner, fault);
		return -EINVAL;
	}
	snprintf(label, sizeof(label), "plugin %s: certificate %s", owner, cert->name);
	snprintf(key_label, sizeof(key_label), "plugin %s: key of %s", owner, cert->name);
	pem.chain = cert->chain;
	pem.chain_len = cert->chain_len;
	pem.key = cert->key; /* parsed where it is: no copy of these bytes is made */
	pem.key_len = cert->key_len;
	if ((r = certs_load_pem(out, &pem)) < 0)
		return r;
	if ((r = confine(*out, cert)) < 0) {
		certs_pair_unref(*out);
		*out = NULL;
	}
	return r;
}

/* --- the list ------------------------------------------------------------------------------- */

static bool is_it(const struct certs_provided_pair *p, const char *owner, const char *name)
{
	return strcmp(p->owner, owner) == 0 && (name == NULL || strcmp(p->name, name) == 0);
}

static void add(struct certs_provided *to, const struct certs_provided_pair *like,
                struct certs_pair *pair)
{
	struct certs_provided_pair *p = &to->list[to->n++];

	*p = *like;
	p->pair = certs_pair_ref(pair);
}

int certs_provided_change(struct certs_provided *out, const struct certs_provided *from,
                          const char *owner, const char *name, struct certs_pair *pair)
{
	struct certs_provided_pair fresh = {0};
	bool found = false;

	*out = (struct certs_provided){.version = from->version + 1};
	if ((out->list = calloc(from->n + 1, sizeof(*out->list))) == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < from->n; i++) {
		const struct certs_provided_pair *p = &from->list[i];
		const bool it = is_it(p, owner, name);

		found |= it;
		if (!it)
			add(out, p, p->pair);
		else if (pair != NULL)
			add(out, p, pair);
	}
	if (pair == NULL || found)
		return found ? 0 : -ENOENT;
	if (from->n >= PROVIDED_MAX) {
		log_error("tls", "plugin %s: its certificate is refused: there are %d already",
		          owner, PROVIDED_MAX);
		return -EINVAL;
	}
	snprintf(fresh.owner, sizeof(fresh.owner), "%s", owner);
	snprintf(fresh.name, sizeof(fresh.name), "%s", name);
	add(out, &fresh, pair);
	return 0;
}

void certs_provided_free(struct certs_provided *provided)
{
	for (size_t i = 0; i < provided->n; i++)
		certs_pair_unref(provided->list[i].pair);
	free(provided->list);
	*provided = (struct certs_provided){0};
}

size_t certs_provided_count(const struct certs_provided *provided)
{
	return provided->n;
}

struct certs_pair *certs_provided_at(const struct certs_provided *provided, size_t i)
{
	return provided->list[i].pair;
}

struct certs_pair *certs_provided_find(const struct certs_provided *provided, const char *owner,
                                       const char *name)
{
	for (size_t i = 0; i < provided->n; i++)
		if (is_it(&provided->list[i], owner, name))
			return provided->list[i].pair;
	return NULL;
}
