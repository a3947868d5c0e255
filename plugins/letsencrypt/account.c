/* The account: made with the key, found again by it, its address for mail (RFC 8555, 7.3). */
#include "acme_private.h"

#include "base64url.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The longest key for an external account, in bytes. */
#define MAC_KEY_MAX 512

const char *acme_account_url(const struct acme *acme)
{
	return acme->account_url;
}

/* CAs show the key with or without padding. */
static int decode_mac_key(const char *text, unsigned char key[static MAC_KEY_MAX], size_t *len)
{
	size_t n = strlen(text);
	char *bare;
	int r;

	while (n > 0 && text[n - 1] == '=')
		n--;
	if ((bare = strndup(text, n)) == NULL)
		return -ENOMEM;
	r = n == 0 ? -EINVAL : base64url_decode(key, MAC_KEY_MAX, bare, len);
	OPENSSL_cleanse(bare, n);
	free(bare);
	return r;
}

/* RFC 8555, 7.3.4: the account's key, signed with the key of the external account. */
static int sign_binding(struct acme *acme, const unsigned char *key, size_t len, json_t **out)
{
	json_t *head = json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", acme->set.eab_kid, "url",
	                         acme->directory.new_account);
	char *header = head != NULL ? json_dumps(head, JSON_COMPACT) : NULL;
	char *jwk = jws_jwk(acme->set.account_key), *jws = NULL;
	int r = -ENOMEM;

	if (header != NULL && jwk != NULL)
		r = jws_mac(key, len, header, jwk, &jws);
	if (r == 0 && (*out = json_loads(jws, 0, NULL)) == NULL)
		r = -ENOMEM;
	free(jws);
	free(jwk);
	free(header);
	json_decref(head);
	return r;
}

static int add_binding(struct acme *acme, json_t *payload, struct failure *f)
{
	unsigned char key[MAC_KEY_MAX];
	json_t *binding = NULL;
	size_t len = 0;
	int r;

	if (acme->set.eab_kid == NULL || acme->set.eab_key == NULL) {
		if (!acme->directory.wants_external_account)
			return 0;
		return failure_set(
		    f, FAILURE_REFUSED, -EACCES,
		    "the CA wants an external account: eab-kid and eab-key are not set");
	}
	r = decode_mac_key(acme->set.eab_key, key, &len);
	if (r == -EINVAL || r == -ENOSPC)
		return failure_set(f, FAILURE_LOCAL, -EINVAL, "eab-key is no base64url");
	if (r == 0)
		r = sign_binding(acme, key, len, &binding);
	OPENSSL_cleanse(key, sizeof(key));
	if (r == 0 && json_object_set_new(payload, "externalAccountBinding", binding) < 0)
		r = -ENOMEM;
	if (r < 0)
		return failure_set(f, FAILURE_LOCAL, r, "cannot sign for the external account: %s",
		                   strerror(-r));
	return 0;
}

const char *acme_account_email(const struct acme *acme)
{
	return acme->account_email;
}

static json_t *contact(const struct acme *acme)
{
	return acme->set.email != NULL ? json_pack("[s+]", "mailto:", acme->set.email)
	                               : json_array();
}

/* The CA knows the address of the settings. */
static int keep_email(struct acme *acme, struct failure *f)
{
	free(acme->account_email);
	acme->account_email = strdup(acme->set.email != NULL ? acme->set.email : "");
	return acme->account_email != NULL
	           ? 0
	           : failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an account");
}

static int make_payload(struct acme *acme, char **text, struct failure *f)
{
	json_t *payload = json_pack("{s:b}", "termsOfServiceAgreed", 1);
	int r = 0;

	if (acme->set.email != NULL)
		r = json_object_set_new(payload, "contact", contact(acme));
	if (payload == NULL || r < 0)
		r = failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an account");
	else
		r = add_binding(acme, payload, f);
	*text = NULL;
	if (r == 0 && (*text = json_dumps(payload, JSON_COMPACT)) == NULL)
		r = failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an account");
	json_decref(payload);
	return r;
}

static int keep_account(struct acme *acme, const struct acme_reply *reply, struct failure *f)
{
	const char *status = acme_text(reply->json, "status"), *url = reply->web.location;

	if (status != NULL && strcmp(status, "valid") != 0)
		return failure_set(f, FAILURE_REFUSED, -EACCES, "the account at the CA is %s",
		                   status);
	if (!web_url_ok(url))
		return acme_nonsense(f, acme->directory.new_account,
		                     "no https:// URL in the Location of an account");
	free(acme->account_url);
	if ((acme->account_url = strdup(url)) == NULL)
		return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an account");
	/* One that was there already has the address that it was made with (7.3.1). */
	if (reply->web.status == 201)
		return keep_email(acme, f);
	free(acme->account_email);
	acme->account_email = NULL;
	return 0;
}

int acme_account(struct acme *acme, struct failure *f)
{
	struct acme_call call = {.what = "the account", .by_key = true};
	struct acme_reply reply;
	char *payload;
	int r;

	if (acme->account_url != NULL)
		return 0;
	if ((r = acme_directory(acme, f)) < 0 || (r = make_payload(acme, &payload, f)) < 0)
		return r;
	call.url = acme->directory.new_account;
	call.payload = payload;
	if ((r = acme_post(acme, &call, &reply, f)) == 0)
		r = keep_account(acme, &reply, f);
	acme_reply_free(&reply);
	free(payload);
	return r;
}

int acme_contact(struct acme *acme, struct failure *f)
{
	const char *email = acme->set.email != NULL ? acme->set.email : "";
	struct acme_call call = {.url = acme->account_url, .what = "the account's email"};
	struct acme_reply reply;
	char *payload = NULL;
	json_t *json;
	int r;

	/* Whether an account that is not known has one to be taken away is not worth a request. */
	if (strcmp(acme->account_email != NULL ? acme->account_email : "", email) == 0)
		return 0;
	if ((r = acme_directory(acme, f)) < 0)
		return r;
	if ((json = json_pack("{s:o?}", "contact", contact(acme))) != NULL)
		payload = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (payload == NULL)
		return failure_set(f, FAILURE_LOCAL, -ENOMEM, "no memory for an account");
	call.payload = payload;
	if ((r = acme_post(acme, &call, &reply, f)) == 0)
		r = keep_email(acme, f);
	acme_reply_free(&reply);
	free(payload);
	return r;
}
