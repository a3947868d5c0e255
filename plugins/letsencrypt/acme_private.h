/* What the files of the ACME client share. */
#ifndef LETSENCRYPT_ACME_PRIVATE_H
#define LETSENCRYPT_ACME_PRIVATE_H

#include "acme.h"
#include "jws.h"
#include "problem.h"
#include "web.h"

#include <jansson.h>

/* RFC 8555, 7.1.1, as far as we use it. */
struct acme_directory {
	char *new_nonce, *new_account, *new_order;
	char *renewal_info; /* NULL: the CA offers none */
	json_t *profiles;   /* their names with descriptions; NULL: the CA has none */
	bool wants_external_account;
	time_t read_s; /* CLOCK_MONOTONIC */
};

struct acme {
	struct acme_settings set;
	struct web *web;
	bool has_directory;
	struct acme_directory directory;
	char *account_url, *account_email; /* NULL: not known */
	char nonce[WEB_VALUE_MAX];         /* the newest that was not used yet, or "" */
	char thumbprint[JWS_THUMBPRINT];
};

/* One signed request. */
struct acme_call {
	const char *url;
	const char *payload; /* JSON; NULL: POST-as-GET */
	const char *what;    /* it is about, in messages: "the order" */
	const char *accept;  /* NULL: JSON */
	bool by_key;         /* signed by a key that the CA does not know yet */
};

/* Its answer, of status 2xx, or what acme_post() said of another. */
struct acme_reply {
	struct web_answer web;
	json_t *json;                   /* an object, or NULL: it was none */
	char problem[PROBLEM_TYPE_MAX]; /* of a refusal: "alreadyReplaced", or "" */
};

/* Reads the directory, if that was not done lately. */
int acme_directory(struct acme *acme, struct failure *f);
/* -EPROTO: it is none.  On an error nothing is to be freed. */
int acme_directory_read(struct acme_directory *directory, const json_t *json, const char *url,
                        struct failure *f);
void acme_directory_free(struct acme_directory *directory);

/* Asks without a signature: status 2xx and JSON, or an error. */
int acme_get(struct acme *acme, const char *url, const char *what, struct acme_reply *reply,
             struct failure *f);
/* 0: status 2xx.  badNonce is tried again.  *reply is to be freed in each case. */
int acme_post(struct acme *acme, const struct acme_call *call, struct acme_reply *reply,
              struct failure *f);
void acme_reply_free(struct acme_reply *reply);
/* Takes JSON apart: the string, or NULL if there is none of that name. */
const char *acme_text(const json_t *json, const char *key);
/* "HOST does not answer as an ACME server: ...": -EPROTO. */
int acme_nonsense(struct failure *f, const char *url, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
