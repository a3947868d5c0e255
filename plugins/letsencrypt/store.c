/* The files of one CA. */
#include "store.h"

#include "folder.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCOUNT_KEY "account.pem"
#define ACCOUNT_URL "account.url"
#define ACCOUNT_EMAIL "account.email"
#define CERTIFICATE "certificate.pem"
#define BROKEN "certificate.pem.broken"
#define LOCK "lock"
#define URL_MAX 2048
#define HOST_MAX 64
#define KEY_END "-----END PRIVATE KEY-----"

struct store {
	struct folder folder;
	int lock;
	char warning[sizeof(((struct folder *)0)->warning)]; /* as store_warning() said it last */
};

/* "acme-HOST_PORT-HASH": the host for people, the hash so that no two URLs meet. */
static void name_folder(const char *url, char *name, size_t size)
{
	const char *host = strstr(url, "://");
	unsigned char digest[SHA256_DIGEST_LENGTH];
	char readable[HOST_MAX + 1];
	size_t n, at;

	host = host != NULL ? host + 3 : url;
	n = strcspn(host, "/?#");
	if (n > HOST_MAX)
		n = HOST_MAX;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)host[i];

		readable[i] = isalnum(c) || c == '-' || c == '.' ? (char)tolower(c) : '_';
	}
	readable[n] = '\0';
	SHA256((const unsigned char *)url, strlen(url), digest);
	at = (size_t)snprintf(name, size, "acme-%s-", readable);
	for (size_t i = 0; i < 8; i++)
		at += (size_t)snprintf(name + at, size - at, "%02x", digest[i]);
}

static int take(struct store *s, struct failure *f)
{
	static const char *const names[] = {ACCOUNT_KEY, ACCOUNT_URL, ACCOUNT_EMAIL, CERTIFICATE};

	if ((s->lock = folder_lock(&s->folder, LOCK, f)) < 0)
		return s->lock;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		folder_clean(&s->folder, names[i]);
	return 0;
}

int store_open(struct store **out, const char *ssl_dir, const char *directory_url,
               struct failure *f)
{
	char name[HOST_MAX + 32];
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return failure_set(f, FAILURE_STORAGE, -ENOMEM, "%s: out of memory", ssl_dir);
	name_folder(directory_url, name, sizeof(name));
	if ((r = folder_open(&s->folder, ssl_dir, name, f)) < 0)
		goto err0;
	if ((r = take(s, f)) < 0)
		goto err1;
	*out = s;
	return 0;
err1:
	folder_close(&s->folder);
err0:
	free(s);
	return r;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	close(s->lock);
	folder_close(&s->folder);
	free(s);
}

const char *store_path(const struct store *s)
{
	return s->folder.path;
}

const char *store_warning(struct store *s)
{
	if (s->folder.warning[0] == '\0')
		return NULL;
	memcpy(s->warning, s->folder.warning, sizeof(s->warning));
	s->folder.warning[0] = '\0';
	return s->warning;
}

static int load_key(struct store *s, EVP_PKEY **key, struct failure *f)
{
	char *bytes;
	size_t len;
	int r = folder_read(&s->folder, ACCOUNT_KEY, &bytes, &len, f);

	*key = NULL;
	if (r < 0 || bytes == NULL)
		return r;
	*key = keys_from_pem(bytes, len);
	folder_free(bytes, len);
	if (*key == NULL)
		return failure_set(
		    f, FAILURE_STORAGE, -EINVAL,
		    "%s/%s: no private key in PEM form: restore the account's key, or "
		    "move the file away for a new account",
		    s->folder.path, ACCOUNT_KEY);
	return 0;
}

/* One line of visible characters; its end is cut off. */
static bool is_line(char *text, size_t len)
{
	if (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	for (size_t i = 0; i < len; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return len <= URL_MAX;
}

static bool is_url(char *text, size_t len)
{
	return is_line(text, len) &&
	       (strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0);
}

static int load_url(struct store *s, char **url, struct failure *f)
{
	char *bytes;
	size_t len;
	int r = folder_read(&s->folder, ACCOUNT_URL, &bytes, &len, f);

	if (r < 0 || bytes == NULL)
		return r;
	if (!is_url(bytes, len))
		r = failure_set(f, FAILURE_STORAGE, -EINVAL,
		                "%s/%s: not a URL: remove the file, and the CA is asked for it",
		                s->folder.path, ACCOUNT_URL);
	else if ((*url = strdup(bytes)) == NULL)
		r = failure_set(f, FAILURE_STORAGE, -ENOMEM, "%s/%s: out of memory", s->folder.path,
		                ACCOUNT_URL);
	folder_free(bytes, len);
	return r;
}

int store_load_account(struct store *s, EVP_PKEY **key, char **url, struct failure *f)
{
	int r;

	*url = NULL;
	if ((r = load_key(s, key, f)) < 0 || *key == NULL)
		return r;
	if ((r = load_url(s, url, f)) < 0) {
		EVP_PKEY_free(*key);
		*key = NULL;
	}
	return r;
}

int store_save_account_key(struct store *s, EVP_PKEY *key, struct failure *f)
{
	size_t len;
	char *pem;
	int r;

	/* They are those of the old key, and must be gone before there is a new one. */
	if ((r = folder_remove(&s->folder, ACCOUNT_EMAIL, f)) < 0 ||
	    (r = folder_remove(&s->folder, ACCOUNT_URL, f)) < 0)
		return r;
	if ((pem = keys_to_pem(key, &len)) == NULL)
		return failure_set(f, FAILURE_STORAGE, -ENOMEM, "%s/%s: the key cannot be written",
		                   s->folder.path, ACCOUNT_KEY);
	r = folder_write(&s->folder, ACCOUNT_KEY, pem, len, f);
	keys_pem_free(pem, len);
	return r;
}

static int save_line(struct store *s, const char *name, const char *text, struct failure *f)
{
	char line[URL_MAX + 2];
	int n = snprintf(line, sizeof(line), "%s\n", text);

	if (n < 0 || (size_t)n >= sizeof(line))
		return failure_set(f, FAILURE_STORAGE, -EFBIG, "%s/%s: longer than %d bytes",
		                   s->folder.path, name, URL_MAX);
	return folder_write(&s->folder, name, line, (size_t)n, f);
}

int store_save_account_url(struct store *s, const char *url, struct failure *f)
{
	return save_line(s, ACCOUNT_URL, url, f);
}

int store_load_account_email(struct store *s, char **email, struct failure *f)
{
	char *bytes;
	size_t len;
	int r = folder_read(&s->folder, ACCOUNT_EMAIL, &bytes, &len, f);

	*email = NULL;
	if (r < 0 || bytes == NULL)
		return r;
	if (is_line(bytes, len) && (*email = strdup(bytes)) == NULL)
		r = failure_set(f, FAILURE_STORAGE, -ENOMEM, "%s/%s: out of memory", s->folder.path,
		                ACCOUNT_EMAIL);
	folder_free(bytes, len);
	return r;
}

int store_save_account_email(struct store *s, const char *email, struct failure *f)
{
	return save_line(s, ACCOUNT_EMAIL, email, f);
}

/* The private key to its last line, then the chain. */
static int parse(const char *bytes, size_t len, struct certificate **out, const char **why)
{
	const char *end = strstr(bytes, KEY_END);
	EVP_PKEY *key;
	int r;

	*why = "it does not begin with a private key";
	if (end == NULL || strlen(bytes) != len)
		return -EINVAL;
	end += strlen(KEY_END);
	if ((key = keys_from_pem(bytes, (size_t)(end - bytes))) == NULL)
		return -EINVAL;
	r = certificate_parse(out, end, key, why);
	EVP_PKEY_free(key);
	return r;
}

/* For somebody to look at: what is written next must not take its place. */
static int set_aside(struct store *s, int code, struct failure *f)
{
	char said[sizeof(f->text)];
	int r = folder_rename(&s->folder, CERTIFICATE, BROKEN);

	memcpy(said, f->text, sizeof(said));
	return failure_set(f, FAILURE_STORAGE, code, "%s: %s%s", said,
	                   r < 0 ? "it cannot be renamed to " BROKEN ": "
	                         : "it is " BROKEN " from now on",
	                   r < 0 ? strerror(-r) : "");
}

int store_load_certificate(struct store *s, struct certificate **out, struct failure *f)
{
	const char *why;
	char *bytes;
	size_t len;
	int r = folder_read(&s->folder, CERTIFICATE, &bytes, &len, f);

	*out = NULL;
	if (r == -ELOOP || r == -EINVAL || r == -EFBIG)
		return set_aside(s, r, f);
	if (r < 0 || bytes == NULL)
		return r;
	r = parse(bytes, len, out, &why);
	folder_free(bytes, len);
	if (r < 0)
		failure_set(f, FAILURE_STORAGE, r, "%s/%s: %s", s->folder.path, CERTIFICATE, why);
	return r == -EINVAL ? set_aside(s, r, f) : r;
}

int store_save_certificate(struct store *s, const struct certificate *c, struct failure *f)
{
	size_t key_len, chain_len = strlen(c->chain);
	char *pem = keys_to_pem(c->key, &key_len), *bytes = NULL;
	int r = -ENOMEM;

	if (pem != NULL && (bytes = OPENSSL_malloc(key_len + chain_len)) != NULL) {
		memcpy(bytes, pem, key_len);
		memcpy(bytes + key_len, c->chain, chain_len);
		r = folder_write(&s->folder, CERTIFICATE, bytes, key_len + chain_len, f);
		OPENSSL_clear_free(bytes, key_len + chain_len);
	} else {
		failure_set(f, FAILURE_STORAGE, r, "%s/%s: out of memory", s->folder.path,
		            CERTIFICATE);
	}
	if (pem != NULL)
		keys_pem_free(pem, key_len);
	return r;
}
