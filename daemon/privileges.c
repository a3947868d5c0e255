/* setresuid() and its companions. */
#include "privileges.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

static int find(const char *user, const struct passwd **pw)
{
	errno = 0;
	if ((*pw = getpwnam(user)) != NULL)
		return 0;
	return errno != 0 ? -errno : -ENOENT;
}

static int become(const struct passwd *pw)
{
	if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return -errno;
	if (pw->pw_uid != 0 && setuid(0) == 0)
		return -EPERM; /* it must not be possible to come back */
	return 0;
}

int privileges_drop(const char *user)
{
	const struct passwd *pw;
	int r;

	if (*user == '\0')
		return 0;
	if (geteuid() != 0) {
		log_warn("daemon", "[daemon] user: not root, stays uid=%u", (unsigned)geteuid());
		return 0;
	}
	if ((r = find(user, &pw)) < 0) {
		log_error("daemon", "[daemon] user: expected a user of this machine, got \"%s\"",
		          user);
		return r;
	}
	if ((r = log_chown(pw->pw_uid, pw->pw_gid)) < 0 || (r = become(pw)) < 0)
		log_error("daemon", "cannot become user %s: %s", user, strerror(-r));
	return r;
}

int privileges_give_file(const char *path, const char *user)
{
	const struct passwd *pw;
	int r;

	if (*user == '\0' || geteuid() != 0)
		return 0;
	if ((r = find(user, &pw)) < 0)
		return r;
	return lchown(path, pw->pw_uid, pw->pw_gid) < 0 ? -errno : 0;
}
