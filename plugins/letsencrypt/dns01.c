/*
 * dns-01 (RFC 8555, 8.4) by a program of the administrator's, with the arguments that uacme's hooks
 * have: METHOD "dns-01" IDENTIFIER TOKEN AUTH.  METHOD is "begin", and then "done" or "failed" if
 * "begin" ended with status 0; AUTH is what the TXT record _acme-challenge.IDENTIFIER has to hold.
 */
#include "challenges_private.h"

#include "base64url.h"
#include "hook.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOPPING_MS 2000 /* for all of "done" and "failed" once the daemon stops */
#define WHY 320

int dns01_check(const char *hook, char *why, size_t size)
{
	struct stat st;

	if (hook == NULL || *hook == '\0') {
		snprintf(why, size, "dns-01 needs a program: set hook");
		return -ENOENT;
	}
	if (*hook != '/') {
		snprintf(why, size, "%s: not an absolute path", hook);
		return -EINVAL;
	}
	if (stat(hook, &st) < 0 || faccessat(AT_FDCWD, hook, X_OK, AT_EACCESS) < 0) {
		int err = errno;

		snprintf(why, size, "%s: cannot be run: %s", hook, strerror(err));
		return -err;
	}
	if (!S_ISREG(st.st_mode)) {
		snprintf(why, size, "%s: not a program", hook);
		return -EACCES;
	}
	if ((st.st_mode & S_IWOTH) != 0) {
		snprintf(why, size, "%s: everybody may write it (mode %04o): chmod o-w it", hook,
		         (unsigned)st.st_mode & 07777u);
		return -EPERM;
	}
	return 0;
}

static int call(const struct dns01 *d, const struct acme_challenge *c, const char *method,
                int64_t grace, char *why, size_t size)
{
	unsigned char digest[32];
	char auth[BASE64URL_SIZE(sizeof(digest))], name[NBS_NAME_MAX + 32];
	const char *argv[] = {d->settings->hook,
	                      method,
	                      challenge_names[CHALLENGE_DNS],
	                      c->identifier.value,
	                      c->token,
	                      auth,
	                      NULL};
	const struct hook hook = {.host = d->host,
	                          .argv = argv,
	                          .name = name,
	                          .timeout = (int64_t)d->settings->hook_timeout_s * 1000,
	                          .cancel = d->cancel,
	                          .grace = grace};

	keys_authorization_digest(c->key_authorization, digest);
	base64url_encode(auth, digest, sizeof(digest));
	snprintf(name, sizeof(name), "hook=%s domain=%s", method, c->identifier.value);
	return hook_run(&hook, why, size);
}

void dns01_end(const struct dns01 *d, const struct acme_challenge *c, bool valid)
{
	const char *method = valid ? "done" : "failed";
	char why[WHY];

	if (call(d, c, method, STOPPING_MS, why, sizeof(why)) < 0)
		d->host->log(d->host, NBS_WARN,
		             "hook=%s domain=%s %s: the record _acme-challenge.%s may be left",
		             method, c->identifier.value, why, c->identifier.value);
}

static int stopped(struct failure *f)
{
	return failure_set(f, FAILURE_LOCAL, -ECANCELED, "the daemon stops");
}

int dns01_begin(const struct dns01 *d, const struct acme_challenge *c, struct failure *f)
{
	char why[WHY];
	int r;

	if (cancel_is_set(d->cancel))
		return stopped(f);
	if (dns01_check(d->settings->hook, why, sizeof(why)) < 0)
		return failure_set(f, FAILURE_HOOK, -EIO, "dns-01: hook %s", why);
	if ((r = call(d, c, "begin", 0, why, sizeof(why))) < 0) {
		/* One that said no has nothing to undo; one that was ended may have. */
		if (r == -ETIMEDOUT || r == -ECANCELED || r == -EFBIG)
			dns01_end(d, c, false);
		if (r == -ECANCELED)
			return stopped(f);
		return failure_set(f, FAILURE_HOOK, -EIO, "dns-01: %s begin dns-01 %s: %s",
		                   d->settings->hook, c->identifier.value, why);
	}
	return 0;
}
