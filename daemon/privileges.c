/* setresuid() and its companions. */
#include "privileges.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

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
	struct passwd *pw;
	int r;

	if (*user == '\0')
		return 0;
	if (geteuid() != 0) {
		log_warn("daemon", "[daemon] user: not root, stays uid=%u", (unsigned)geteuid());
		return 0;
	}
	errno = 0;
	if ((pw = getpwnam(user)) == NULL) {
		r = errno != 0 ? -errno : -ENOENT;
		log_error("daemon", "[daemon] user: expected a user of this machine, got \"%s\"",
		          user);
		return r;
	}
	if ((r = log_chown(pw->pw_uid, pw->pw_gid)) < 0 || (r = become(pw)) < 0)
		log_error("daemon", "cannot become user %s: %s", user, strerror(-r));
	return r;
}
