/*
 * ssl-dir: what is found again, who may look at it, and what is left when the disk is full or the
 * process dies.  The calls with which files are changed are wrapped by the linker, so that each of
 * them can fail, do half of its work, or be the last of a process.
 */
#include "../../plugins/letsencrypt/store.h"
#include "le_case.h"

#include <openssl/evp.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define URL "https://acme-v02.api.example.org:14000/directory"
#define PATH_MAX_ 512

/* --- faults ---------------------------------------------------------------------------------- */
enum fault { NO_FAULT, FAILS, DIES_BEFORE, DIES_HALF, DIES_AFTER, WRITES_LITTLE };

static struct {
	enum fault fault;
	int at, count; /* the call that it hits, from 1; those so far */
	int err;
	char calls[512]; /* "openat write " */
} faults;

int __real_openat(int at, const char *path, int flags, ...);
int __real_fchmod(int fd, mode_t mode);
ssize_t __real_write(int fd, const void *bytes, size_t n);
int __real_fsync(int fd);
int __real_close(int fd);
int __real_renameat(int from, const char *a, int to, const char *b);
int __real_unlinkat(int at, const char *path, int flags);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_fchmod(int fd, mode_t mode);
ssize_t __wrap_write(int fd, const void *bytes, size_t n);
int __wrap_fsync(int fd);
int __wrap_close(int fd);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __wrap_unlinkat(int at, const char *path, int flags);

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* true: this call has to fail. */
static bool hit(const char *name)
{
	size_t at = strlen(faults.calls);

	snprintf(faults.calls + at, sizeof(faults.calls) - at, "%s ", name);
	if (++faults.count != faults.at)
		return false;
	if (faults.fault == DIES_BEFORE)
		die();
	if (faults.fault == FAILS)
		errno = faults.err;
	return faults.fault == FAILS;
}

static int done(int r)
{
	if (faults.count == faults.at && faults.fault == DIES_AFTER)
		die();
	return r;
}

int __wrap_openat(int at, const char *path, int flags, ...)
{
	return hit("openat") ? -1 : done(__real_openat(at, path, flags, 0600));
}

int __wrap_fchmod(int fd, mode_t mode)
{
	return hit("fchmod") ? -1 : done(__real_fchmod(fd, mode));
}

ssize_t __wrap_write(int fd, const void *bytes, size_t n)
{
	ssize_t r;

	if (hit("write"))
		return -1;
	if (faults.count == faults.at && faults.fault == DIES_HALF) {
		(void)!__real_write(fd, bytes, n / 2);
		die();
	}
	r = __real_write(fd, bytes, faults.fault == WRITES_LITTLE && n > 100 ? 100 : n);
	done(0);
	return r;
}

int __wrap_fsync(int fd)
{
	return hit("fsync") ? -1 : done(__real_fsync(fd));
}

int __wrap_close(int fd)
{
	bool fails = hit("close");
	int r = __real_close(fd);

	if (fails)
		errno = faults.err;
	return done(fails ? -1 : r);
}

int __wrap_renameat(int from, const char *a, int to, const char *b)
{
	return hit("renameat") ? -1 : done(__real_renameat(from, a, to, b));
}

int __wrap_unlinkat(int at, const char *path, int flags)
{
	return hit("unlinkat") ? -1 : done(__real_unlinkat(at, path, flags));
}

static void arm(enum fault fault, int at, int err)
{
	faults.fault = fault;
	faults.at = at;
	faults.err = err;
	faults.count = 0;
	faults.calls[0] = '\0';
}

/* --- things to store ------------------------------------------------------------------------- */
static const struct acme_identifier id = {ACME_DNS, "signal.example.org"};
static char ssl_dir[PATH_MAX_];
static struct certificate *first, *second;

static struct certificate *make(void)
{
	EVP_PKEY *key = keys_generate(KEY_P256);
	struct certificate *c;
	const char *why;
	char *pem;

	cr_assert_eq(keys_self_signed(key, &id, 1, 30, &pem), 0);
	cr_assert_eq(certificate_parse(&c, pem, key, &why), 0, "%s", why);
	free(pem);
	EVP_PKEY_free(key);
	return c;
}

static void set_up(void)
{
	case_make_dir();
	snprintf(ssl_dir, sizeof(ssl_dir), "%s/ssl", case_dir);
	first = make();
	second = make();
}

static void tear_down(void)
{
	arm(NO_FAULT, 0, 0);
	certificate_free(first);
	certificate_free(second);
	case_remove_dir();
}

TestSuite(le_store, .init = set_up, .fini = tear_down, .timeout = 120);

static struct store *open_store(void)
{
	struct store *s = NULL;
	struct failure f;

	f.text[0] = '\0';
	cr_assert_eq(store_open(&s, ssl_dir, URL, &f), 0, "%s", f.text);
	return s;
}

static void refuse_open(int code, const char *says)
{
	struct store *s = NULL;
	struct failure f = {.kind = FAILURE_NONE};

	cr_assert_eq(store_open(&s, ssl_dir, URL, &f), code, "%s", f.text);
	cr_assert_eq(f.kind, FAILURE_STORAGE);
	cr_assert(strstr(f.text, ssl_dir) != NULL && strstr(f.text, says) != NULL, "%s", f.text);
}

static const char *path_of(const char *name)
{
	static char path[PATH_MAX_];
	struct store *s = open_store();

	snprintf(path, sizeof(path), "%s/%s", store_path(s), name);
	store_close(s);
	return path;
}

/* A file in the store's folder, of whatever mode. */
static void put(const char *name, const char *bytes, size_t len, mode_t mode)
{
	const char *path = path_of(name);
	FILE *f = fopen(path, "w");

	cr_assert(f != NULL, "%s", path);
	cr_assert_eq(fwrite(bytes, 1, len, f), len);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(chmod(path, mode), 0);
}

static bool there(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	cr_assert_eq(lstat(path, &st), 0, "%s", path);
	return st.st_mode & 07777u;
}

static void save(const struct certificate *c)
{
	struct store *s = open_store();
	struct failure f;

	f.text[0] = '\0';
	cr_assert_eq(store_save_certificate(s, c, &f), 0, "%s", f.text);
	store_close(s);
}

static bool is_stored(const struct certificate *c)
{
	struct store *s = open_store();
	struct certificate *found = NULL;
	struct failure f;
	bool same;

	f.text[0] = '\0';
	cr_assert_eq(store_load_certificate(s, &found, &f), 0, "%s", f.text);
	cr_assert(found != NULL, "there is no certificate");
	same = strcmp(found->chain, c->chain) == 0;
	cr_assert_eq(EVP_PKEY_eq(found->key, c->key), same, "a pair of two halves");
	certificate_free(found);
	store_close(s);
	return same;
}

/* --- what is found again --------------------------------------------------------------------- */
Test(le_store, an_empty_one)
{
	struct store *s = open_store();
	struct certificate *c = first;
	EVP_PKEY *key = first->key;
	char *url = ssl_dir;
	struct failure f;

	cr_assert_eq(store_load_certificate(s, &c, &f), 0);
	cr_assert(c == NULL);
	cr_assert_eq(store_load_account(s, &key, &url, &f), 0);
	cr_assert(key == NULL && url == NULL);
	cr_assert(store_warning(s) == NULL);
	store_close(s);
}

Test(le_store, certificate_is_found_again)
{
	struct store *s;
	struct certificate *c;
	struct failure f;

	save(first);
	s = open_store();
	cr_assert_eq(store_load_certificate(s, &c, &f), 0);
	cr_assert_eq(c->not_after, first->not_after);
	cr_assert(certificate_fits(c, &id, 1, KEY_P256));
	certificate_free(c);
	store_close(s);
	cr_assert(is_stored(first));
	save(second);
	cr_assert(is_stored(second));
	cr_assert_not(is_stored(first));
}

Test(le_store, folder_is_named_after_the_ca)
{
	struct store *a, *b;
	struct failure f;

	a = open_store();
	cr_assert(strncmp(store_path(a), ssl_dir, strlen(ssl_dir)) == 0);
	cr_assert(strstr(store_path(a), "/acme-acme-v02.api.example.org_14000-") != NULL, "%s",
	          store_path(a));
	cr_assert_eq(store_open(&b, ssl_dir, URL "2", &f), 0, "%s", f.text);
	cr_assert_str_neq(store_path(a), store_path(b));
	store_close(b);
	cr_assert_eq(store_open(&b, ssl_dir, "https://../../x/..", &f), 0, "%s", f.text);
	cr_assert(strstr(store_path(b), "/acme-..-") != NULL, "%s", store_path(b));
	store_close(b);
	store_close(a);
}

Test(le_store, folders_above_it_are_made)
{
	char deep[PATH_MAX_];

	snprintf(deep, sizeof(deep), "%s/a/b//c/", case_dir);
	memcpy(ssl_dir, deep, sizeof(ssl_dir));
	save(first);
	cr_assert(is_stored(first));
	snprintf(deep, sizeof(deep), "%s/a/b/c", case_dir);
	cr_assert_eq(mode_of(deep), 0700);
}

Test(le_store, account)
{
	struct store *s = open_store();
	EVP_PKEY *key;
	char *url;
	struct failure f;

	cr_assert_eq(store_save_account_key(s, first->key, &f), 0, "%s", f.text);
	cr_assert_eq(store_load_account(s, &key, &url, &f), 0, "%s", f.text);
	cr_assert_eq(EVP_PKEY_eq(key, first->key), 1);
	cr_assert(url == NULL);
	EVP_PKEY_free(key);

	cr_assert_eq(store_save_account_url(s, "https://ca.example/acct/1", &f), 0, "%s", f.text);
	cr_assert_eq(store_load_account(s, &key, &url, &f), 0, "%s", f.text);
	cr_assert_str_eq(url, "https://ca.example/acct/1");
	EVP_PKEY_free(key);
	free(url);

	/* Another key has not this URL. */
	cr_assert_eq(store_save_account_key(s, second->key, &f), 0, "%s", f.text);
	cr_assert_eq(store_load_account(s, &key, &url, &f), 0, "%s", f.text);
	cr_assert_eq(EVP_PKEY_eq(key, second->key), 1);
	cr_assert(url == NULL);
	EVP_PKEY_free(key);
	store_close(s);
}

/* --- what does not parse --------------------------------------------------------------------- */
static void refuse_account(int code, const char *name, const char *says)
{
	struct store *s = open_store();
	EVP_PKEY *key = NULL;
	char *url = NULL;
	struct failure f = {.kind = FAILURE_NONE};

	cr_assert_eq(store_load_account(s, &key, &url, &f), code, "%s", f.text);
	cr_assert(key == NULL && url == NULL);
	cr_assert_eq(f.kind, FAILURE_STORAGE);
	cr_assert(strstr(f.text, name) != NULL && strstr(f.text, says) != NULL, "%s", f.text);
	store_close(s);
}

Test(le_store, account_key_that_does_not_parse_stays_as_it_is)
{
	put("account.pem", "precious", 8, 0600);
	refuse_account(-EINVAL, "account.pem", "no private key");
	cr_assert_str_eq(case_output("cat %s", path_of("account.pem")), "precious");
}

static void refuse_url(const char *url, size_t len)
{
	put("account.url", url, len, 0600);
	refuse_account(-EINVAL, "account.url", "not a URL");
}

Test(le_store, account_url_that_is_none)
{
	static char huge[3000] = "https://ca.example/";
	struct store *s = open_store();
	struct failure f;

	cr_assert_eq(store_save_account_key(s, first->key, &f), 0);
	store_close(s);
	refuse_url("", 0);
	refuse_url("ftp://ca.example/1\n", 19);
	refuse_url("https://ca.example/\n1", 21);
	refuse_url("https://ca.example/\0001", 21);
	refuse_url("https://ca.example/\r", 20);
	memset(huge + 19, 'a', sizeof(huge) - 20);
	refuse_url(huge, strlen(huge));
	s = open_store();
	cr_assert_eq(store_save_account_url(s, huge, &f), -EFBIG);
	store_close(s);
}

static void set_aside(int code, const char *says)
{
	struct store *s = open_store();
	struct certificate *c = first;
	struct failure f = {.kind = FAILURE_NONE};

	cr_assert_eq(store_load_certificate(s, &c, &f), code, "%s", f.text);
	cr_assert(c == NULL);
	cr_assert_eq(f.kind, FAILURE_STORAGE);
	cr_assert(strstr(f.text, "/certificate.pem: ") != NULL && strstr(f.text, says) != NULL &&
	              strstr(f.text, "it is certificate.pem.broken from now on") != NULL,
	          "%s", f.text);
	cr_assert_eq(store_load_certificate(s, &c, &f), 0);
	cr_assert(c == NULL);
	store_close(s);
	cr_assert(there("certificate.pem.broken") && !there("certificate.pem"));
	save(second);
	cr_assert(is_stored(second));
}

Test(le_store, certificate_that_does_not_parse_is_set_aside)
{
	put("certificate.pem", "nothing", 7, 0600);
	set_aside(-EINVAL, "does not begin with a private key");
	cr_assert_str_eq(case_output("cat %s", path_of("certificate.pem.broken")), "nothing");
	put("certificate.pem", "", 0, 0600);
	set_aside(-EINVAL, "does not begin with a private key");
}

Test(le_store, certificate_of_another_key_is_set_aside)
{
	size_t len;
	char *pem = keys_to_pem(second->key, &len), bytes[8192];

	snprintf(bytes, sizeof(bytes), "%s%s", pem, first->chain);
	put("certificate.pem", bytes, strlen(bytes), 0600);
	set_aside(-EINVAL, "do not belong together");
	put("certificate.pem", pem, len, 0600);
	set_aside(-EINVAL, "no certificate in it");
	snprintf(bytes, sizeof(bytes), "%s%.100s", pem, first->chain);
	put("certificate.pem", bytes, strlen(bytes), 0600);
	set_aside(-EINVAL, "no PEM");
	keys_pem_free(pem, len);
}

Test(le_store, file_that_is_too_large)
{
	static char huge[256 * 1024 + 1];
	struct certificate big = *first;
	struct store *s;
	struct failure f;

	memset(huge, 'x', sizeof(huge) - 1);
	put("certificate.pem", huge, sizeof(huge), 0600);
	set_aside(-EFBIG, "larger than 262144 bytes");
	put("account.pem", huge, sizeof(huge), 0600);
	refuse_account(-EFBIG, "account.pem", "larger than 262144 bytes");
	s = open_store();
	big.chain = huge;
	cr_assert_eq(store_save_certificate(s, &big, &f), -EFBIG);
	store_close(s);
	cr_assert(is_stored(second));
}

Test(le_store, links_are_not_followed)
{
	char target[PATH_MAX_], beside[PATH_MAX_];
	struct store *s;
	struct failure f;

	snprintf(target, sizeof(target), "%s/target", case_dir);
	case_write("target", 0600, "precious", 8);
	cr_assert_eq(symlink(target, path_of("account.pem")), 0);
	refuse_account(-ELOOP, "account.pem", "symbolic link");
	cr_assert_eq(symlink(target, path_of("certificate.pem")), 0);
	set_aside(-ELOOP, "symbolic link");
	snprintf(beside, sizeof(beside), "%s", path_of("account.pem.tmp"));
	s = open_store();
	cr_assert_eq(symlink(target, beside), 0);
	cr_assert_eq(store_save_account_key(s, first->key, &f), 0, "%s", f.text);
	store_close(s);
	cr_assert_str_eq(case_output("cat %s", target), "precious");
}

Test(le_store, fifo_does_not_hang)
{
	cr_assert_eq(mkfifo(path_of("account.pem"), 0600), 0);
	refuse_account(-EINVAL, "account.pem", "not a regular file");
	cr_assert_eq(mkfifo(path_of("certificate.pem"), 0600), 0);
	set_aside(-EINVAL, "not a regular file");
}

/* --- who may look ---------------------------------------------------------------------------- */
static void check_modes(void)
{
	struct store *s;
	struct failure f;
	char folder[PATH_MAX_];

	save(first);
	s = open_store();
	cr_assert_eq(store_save_account_key(s, first->key, &f), 0, "%s", f.text);
	cr_assert_eq(store_save_account_url(s, "https://ca.example/1", &f), 0, "%s", f.text);
	snprintf(folder, sizeof(folder), "%s", store_path(s));
	store_close(s);
	umask(022);
	cr_assert_eq(mode_of(ssl_dir), 0700);
	cr_assert_eq(mode_of(folder), 0700);
	cr_assert_eq(mode_of(path_of("certificate.pem")), 0600);
	cr_assert_eq(mode_of(path_of("account.pem")), 0600);
	cr_assert_eq(mode_of(path_of("account.url")), 0600);
	cr_assert_eq(mode_of(path_of("lock")) & 077u, 0);
}

Test(le_store, modes_with_no_umask)
{
	umask(0);
	check_modes();
}

Test(le_store, modes_with_the_whole_umask)
{
	umask(0777);
	check_modes();
}

Test(le_store, what_others_could_read_is_closed_with_a_warning)
{
	struct store *s;
	struct certificate *c;
	struct failure f;
	const char *warning;

	save(first);
	cr_assert_eq(chmod(path_of("certificate.pem"), 0644), 0);
	s = open_store();
	cr_assert(store_warning(s) == NULL);
	cr_assert_eq(store_load_certificate(s, &c, &f), 0, "%s", f.text);
	certificate_free(c);
	warning = store_warning(s);
	cr_assert(warning != NULL && strstr(warning, "/certificate.pem: had mode 0644") != NULL,
	          "%s", warning);
	cr_assert(store_warning(s) == NULL, "said twice");
	cr_assert_eq(chmod(store_path(s), 0755), 0);
	store_close(s);
	cr_assert_eq(mode_of(path_of("certificate.pem")), 0600);
	cr_assert_eq(mode_of(path_of(".")), 0700);
	cr_assert_eq(chmod(path_of("."), 0755), 0);
	s = open_store();
	warning = store_warning(s);
	cr_assert(warning != NULL && strstr(warning, "had mode 0755") != NULL, "%s", warning);
	store_close(s);
}

Test(le_store, ssl_dir_that_others_may_write)
{
	cr_assert_eq(mkdir(ssl_dir, 0700), 0);
	cr_assert_eq(chmod(ssl_dir, 0777), 0);
	refuse_open(-EPERM, "others may write there (mode 0777)");
	cr_assert_eq(chmod(ssl_dir, 0775), 0);
	refuse_open(-EPERM, "others may write there (mode 0775)");
	cr_assert_eq(chmod(ssl_dir, 01777), 0);
	refuse_open(-EPERM, "others may write there (mode 1777)");
	cr_assert_eq(chmod(ssl_dir, 0755), 0);
	save(first);
}

Test(le_store, ssl_dir_that_is_none)
{
	case_write("ssl", 0600, "", 0);
	refuse_open(-ENOTDIR, "Not a directory");
	snprintf(ssl_dir, sizeof(ssl_dir), "%s/ssl/below", case_dir);
	refuse_open(-ENOTDIR, "Not a directory");
	snprintf(ssl_dir, sizeof(ssl_dir), "/proc/nothing");
	refuse_open(-ENOENT, "cannot be made");
}

Test(le_store, folder_that_is_a_link)
{
	char folder[PATH_MAX_];

	snprintf(folder, sizeof(folder), "%s", path_of(""));
	folder[strlen(folder) - 1] = '\0';
	case_output("rm -r %s && mkdir -m 700 %s/other && ln -s %s/other %s", folder, case_dir,
	            case_dir, folder);
	refuse_open(-ENOTDIR, "cannot be opened");
}

#define NOBODY 65534

/* As another user, in a child; what it returns is its exit status. */
static int as_nobody(int (*run)(void))
{
	pid_t pid = fork();
	int status;

	cr_assert(pid >= 0);
	if (pid == 0)
		_exit(setgid(NOBODY) < 0 || setuid(NOBODY) < 0 ? 99 : run());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status), "status %x", (unsigned)status);
	return WEXITSTATUS(status);
}

static int open_and_save(void)
{
	struct store *s;
	struct failure f;
	int r = store_open(&s, ssl_dir, URL, &f);

	if (r == 0) {
		r = store_save_certificate(s, first, &f);
		store_close(s);
	}
	return -r;
}

Test(le_store, without_being_root)
{
	if (geteuid() != 0)
		cr_skip_test("only root can become somebody else");
	cr_assert_eq(chmod(case_dir, 0755), 0);
	cr_assert_eq(mkdir(ssl_dir, 0700), 0);
	cr_assert_eq(as_nobody(open_and_save), EACCES, "a folder of root's");
	cr_assert_eq(chmod(ssl_dir, 0755), 0);
	cr_assert_eq(as_nobody(open_and_save), EACCES, "nothing can be made there");
	cr_assert_eq(chown(ssl_dir, NOBODY, NOBODY), 0);
	cr_assert_eq(as_nobody(open_and_save), 0);
	refuse_open(-EPERM, "belongs to uid 65534");
	cr_assert_eq(chown(ssl_dir, 0, 0), 0);
	refuse_open(-EPERM, "belongs to uid 65534");
	cr_assert_eq(as_nobody(open_and_save), 0, "its own folder in one of root's");
}

Test(le_store, is_locked)
{
	struct store *a = open_store(), *b;

	refuse_open(-EWOULDBLOCK, "/lock: another daemon uses this folder");
	store_close(a);
	b = open_store();
	store_close(b);
}

/* --- disks that are full, processes that die -------------------------------------------------- */
/* Writing is: bytes, on the disk, then the name, on the disk. */
Test(le_store, steps_of_writing)
{
	struct store *s = open_store();
	struct failure f;

	arm(NO_FAULT, 0, 0);
	cr_assert_eq(store_save_certificate(s, first, &f), 0);
	cr_assert_str_eq(faults.calls, "unlinkat openat fchmod write fsync close renameat fsync ");
	store_close(s);
}

/* Asked while the store is open: opening it would remove the file. */
static void check_nothing_half(const struct store *s)
{
	char path[PATH_MAX_];

	snprintf(path, sizeof(path), "%s/certificate.pem.tmp", store_path(s));
	cr_assert(access(path, F_OK) < 0 && errno == ENOENT, "half a file is left behind");
}

static int faulty_save(int err)
{
	struct store *s = open_store();
	struct failure f = {.kind = FAILURE_NONE};
	int r;

	arm(FAILS, faults.at, err);
	r = store_save_certificate(s, second, &f);
	faults.fault = NO_FAULT;
	if (faults.at > 1) /* the step that removes what is half */
		check_nothing_half(s);
	if (r < 0) {
		cr_assert_eq(r, -err);
		cr_assert_eq(f.kind, FAILURE_STORAGE);
		cr_assert(strstr(f.text, "/certificate.pem: ") != NULL &&
		              strstr(f.text, strerror(err)) != NULL,
		          "%s", f.text);
		cr_assert(access(store_path(s), F_OK) == 0);
	}
	store_close(s);
	return r;
}

Test(le_store, disk_that_fails_at_each_step)
{
	const int renamed = 8; /* its last step comes after the new file stands */

	for (faults.at = 1; faults.at <= renamed; faults.at++) {
		int at = faults.at, r;

		save(first);
		faults.at = at;
		r = faulty_save(at == 2 ? EDQUOT : ENOSPC);
		cr_assert(r < 0, "step %d did not fail", at);
		cr_assert_eq(is_stored(second), at == renamed, "step %d", at);
		faults.at = at;
	}
	faults.at = renamed + 1;
	cr_assert_eq(faulty_save(ENOSPC), 0, "there are more steps than were tried");
}

Test(le_store, signals_and_short_writes_do_no_harm)
{
	struct store *s = open_store();
	struct failure f;

	arm(FAILS, 4, EINTR);
	cr_assert_eq(store_save_certificate(s, first, &f), 0);
	arm(WRITES_LITTLE, 0, 0);
	cr_assert_eq(store_save_certificate(s, second, &f), 0);
	cr_assert(faults.count > 12, "%s", faults.calls);
	arm(NO_FAULT, 0, 0);
	store_close(s);
	cr_assert(is_stored(second));
}

/* A chain that makes a file of a size; not one that could be read again. */
static int save_large(size_t size, struct failure *f)
{
	struct certificate big = *second;
	struct store *s = open_store();
	int r;

	cr_assert((big.chain = malloc(size + 1)) != NULL);
	memset(big.chain, 'x', size);
	big.chain[size] = '\0';
	r = store_save_certificate(s, &big, f);
	free(big.chain);
	check_nothing_half(s);
	store_close(s);
	return r;
}

Test(le_store, disk_that_is_full)
{
	struct failure f;

	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		cr_skip_test("only root can mount a small disk");
	cr_assert_eq(mkdir(ssl_dir, 0700), 0);
	cr_assert_eq(mount("none", ssl_dir, "tmpfs", 0, "size=64k,mode=0700"), 0);
	save(first);
	cr_assert_eq(save_large(100000, &f), -ENOSPC);
	cr_assert(strstr(f.text, "/certificate.pem: cannot be written: No space left on device") !=
	              NULL,
	          "%s", f.text);
	cr_assert(is_stored(first));
	save(second);
	cr_assert(is_stored(second), "it does not recover");
	cr_assert_eq(umount(ssl_dir), 0);
}

Test(le_store, file_size_limit)
{
	struct rlimit limit = {4096, 4096};
	struct failure f;

	signal(SIGXFSZ, SIG_IGN); /* as the daemon does */
	save(first);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(save_large(100000, &f), -EFBIG);
	cr_assert(strstr(f.text, "cannot be written: File too large") != NULL, "%s", f.text);
	cr_assert(is_stored(first));
}

/* true: it died, as it should. */
static bool dies(enum fault fault, int at)
{
	pid_t pid = fork();
	int status;

	cr_assert(pid >= 0);
	if (pid == 0) {
		struct store *s;
		struct failure f;

		if (store_open(&s, ssl_dir, URL, &f) < 0)
			_exit(1);
		arm(fault, at, 0);
		_exit(store_save_certificate(s, second, &f) == 0 ? 0 : 2);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		cr_assert_eq(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status);
}

Test(le_store, process_that_dies_at_each_step)
{
	unsigned kept = 0, replaced = 0;

	for (enum fault fault = DIES_BEFORE; fault <= DIES_AFTER; fault++) {
		for (int at = 1; at <= 8; at++) {
			save(first);
			if (!dies(fault, at))
				cr_assert(fault == DIES_HALF && at != 4, "step %d", at);
			else if (is_stored(second))
				replaced++;
			else
				kept += is_stored(first);
			cr_assert_not(there("certificate.pem.tmp"), "it stays for ever");
		}
	}
	cr_assert_not(dies(DIES_BEFORE, 9), "there are more steps than were tried");
	cr_assert_eq(kept, 14, "%u", kept); /* before: 1 to 7; half: 1; after: 1 to 6 */
	cr_assert_eq(replaced, 3, "%u", replaced);
}

/* --- the account's address for mail ---------------------------------------------------------- */
static void expect_email(const char *expected)
{
	struct store *s = open_store();
	char *email = ssl_dir;
	struct failure f;

	f.text[0] = '\0';
	cr_assert_eq(store_load_account_email(s, &email, &f), 0, "%s", f.text);
	if (expected == NULL)
		cr_assert(email == NULL);
	else
		cr_assert_str_eq(email, expected);
	free(email);
	store_close(s);
}

Test(le_store, email)
{
	static const char *const said[] = {"admin@example.org", ""};
	struct store *s;
	struct failure f;

	f.text[0] = '\0';
	expect_email(NULL);
	for (size_t i = 0; i < 2; i++) {
		s = open_store();
		cr_assert_eq(store_save_account_email(s, said[i], &f), 0, "%s", f.text);
		store_close(s);
		expect_email(said[i]);
	}
	cr_assert_eq(mode_of(path_of("account.email")), 0600);
	/* What is no address is told again, and that of another key too. */
	put("account.email", "a b\n", 4, 0600);
	expect_email(NULL);
	put("account.email", "a@b\n", 4, 0600);
	expect_email("a@b");
	s = open_store();
	cr_assert_eq(store_save_account_key(s, first->key, &f), 0, "%s", f.text);
	store_close(s);
	expect_email(NULL);
}
