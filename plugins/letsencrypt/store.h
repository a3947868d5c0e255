/*
 * ssl-dir: what must outlive the process.  One folder for each CA, named after its directory URL,
 * mode 0700, files 0600, replaced atomically (written beside, fsync, rename, fsync of the folder).
 * Key and certificate lie in one file, so that they are a pair at every moment.
 *
 *   ssl-dir/acme-HOST-HASH/account.pem      the account's key
 *                          account.url      its URL
 *                          account.email    the address that the CA was told, or an empty line
 *                          certificate.pem  private key, then the chain
 *                          *.tmp            what a crash has left; removed by store_open()
 *                          lock             held while a daemon uses the folder (flock)
 *
 * One thread at a time, blocking.  Every failure is one of storage and names the file.
 */
#ifndef LETSENCRYPT_STORE_H
#define LETSENCRYPT_STORE_H

#include "certificate.h"
#include "failure.h"

struct store;

/* Makes the folders that are missing.  -EACCES, -ENOTDIR, -EWOULDBLOCK (another daemon has it),
 * -EPERM: somebody else may write there. */
int store_open(struct store **out, const char *ssl_dir, const char *directory_url,
               struct failure *f);
void store_close(struct store *s);
const char *store_path(const struct store *s); /* of the folder, for messages */
/* What an opening or loading had to mend since the last call (a file or folder that was open to
 * others), one sentence, until the next call; NULL: nothing. */
const char *store_warning(struct store *s);

/* *key is NULL, *url NULL, if there is no account yet; *url may be NULL alone.  A file that does
 * not parse is a failure: it is never overwritten in silence. */
int store_load_account(struct store *s, EVP_PKEY **key, char **url, struct failure *f);
/* URL and email go with the key that they belonged to. */
int store_save_account_key(struct store *s, EVP_PKEY *key, struct failure *f);
int store_save_account_url(struct store *s, const char *url, struct failure *f);
/* *email is NULL if it is not known: no file, or one that does not parse. */
int store_load_account_email(struct store *s, char **email, struct failure *f);
int store_save_account_email(struct store *s, const char *email, struct failure *f);

/* *out is NULL if there is none.  One that does not parse is set aside as certificate.pem.broken,
 * in place of an earlier one, and is a failure of this call only. */
int store_load_certificate(struct store *s, struct certificate **out, struct failure *f);
int store_save_certificate(struct store *s, const struct certificate *c, struct failure *f);

#endif
