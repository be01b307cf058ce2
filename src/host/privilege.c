/* privilege: see privilege.h. */
#include "host/privilege.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

#define BIT(capability) (UINT64_C(1) << (capability))
#define KEPT            (BIT(CAP_NET_RAW) | BIT(CAP_NET_ADMIN))

/* The three sets, one bit per capability; the kernel has them in halves of 32 bits. */
struct sets {
    uint64_t effective, permitted, inheritable;
};

static bool sets_get(struct sets *sets)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct half[2] = {0};
    if (syscall(SYS_capget, &header, half))
        return false;
    sets->effective = half[0].effective | (uint64_t)half[1].effective << 32;
    sets->permitted = half[0].permitted | (uint64_t)half[1].permitted << 32;
    sets->inheritable = half[0].inheritable | (uint64_t)half[1].inheritable << 32;
    return true;
}

static bool sets_put(const struct sets *sets)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct half[2];
    for (int i = 0; i < 2; i++) {
        half[i].effective = (uint32_t)(sets->effective >> 32 * i);
        half[i].permitted = (uint32_t)(sets->permitted >> 32 * i);
        half[i].inheritable = (uint32_t)(sets->inheritable >> 32 * i);
    }
    return syscall(SYS_capset, &header, half) == 0;
}

bool privilege_has(int capability)
{
    struct sets sets;
    return sets_get(&sets) && sets.effective & BIT(capability);
}

bool privilege_secure(void)
{
    return getauxval(AT_SECURE) != 0;
}

/* A user or group number; (uid_t)-1 means "unchanged" to the kernel and is none. */
static bool number_parse(const char *text, uint32_t *number)
{
    uint64_t value = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 10 || text[digits] != '\0')
        return false;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)(text[i] - '0');
    *number = (uint32_t)value;
    return value < UINT32_MAX;
}

static bool sudo_number(const char *name, const char *text, uint32_t *number, struct error *err)
{
    if (number_parse(text, number))
        return true;
    char shown[64];
    text_escape(shown, sizeof shown, text, strlen(text));
    return fail(err, ERROR_ENVIRONMENT, "EINVAL",
                "%s '%s' is not a number; unset it to run as root", name, shown);
}

/* From here on a set-user-ID program or a child gains neither capability. Needs CAP_SETPCAP, which
 * root in a container may not have; without it the sets that children start from are still empty.
 */
static void bound(void)
{
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L);
    prctl(PR_CAPBSET_DROP, (unsigned long)CAP_NET_RAW, 0L, 0L, 0L);
    prctl(PR_CAPBSET_DROP, (unsigned long)CAP_NET_ADMIN, 0L, 0L, 0L);
}

/* Groups first, then gid, then uid: each needs the right that the next one takes away. */
static const char *become(const struct passwd *user, uid_t uid, gid_t gid)
{
    if (user ? initgroups(user->pw_name, gid) : setgroups(1, &gid))
        return "groups";
    if (setresgid(gid, gid, gid))
        return "group";
    if (prctl(PR_SET_KEEPCAPS, 1L, 0L, 0L, 0L) || setresuid(uid, uid, uid))
        return "user";
    struct sets sets;
    if (!sets_get(&sets))
        return "capabilities";
    sets.permitted &= KEPT;
    sets.effective = sets.permitted;
    sets.inheritable = 0;
    if (!sets_put(&sets) || prctl(PR_SET_KEEPCAPS, 0L, 0L, 0L, 0L))
        return "capabilities";
    return NULL;
}

static bool is_only(uid_t uid, gid_t gid)
{
    uid_t u[3];
    gid_t g[3];
    struct sets sets;
    return !getresuid(&u[0], &u[1], &u[2]) && !getresgid(&g[0], &g[1], &g[2]) && sets_get(&sets) &&
           u[0] == uid && u[1] == uid && u[2] == uid && g[0] == gid && g[1] == gid && g[2] == gid &&
           !(sets.permitted & ~KEPT) && sets.inheritable == 0 &&
           setresuid((uid_t)-1, 0, (uid_t)-1) != 0;
}

static bool set_environment(const struct passwd *user)
{
    if (!user)
        return !setenv("HOME", "/", 1) && !unsetenv("USER") && !unsetenv("LOGNAME");
    return !setenv("HOME", user->pw_dir, 1) && !setenv("USER", user->pw_name, 1) &&
           !setenv("LOGNAME", user->pw_name, 1);
}

bool privilege_drop_sudo(bool *dropped, struct error *err)
{
    *dropped = false;
    const char *uid_text = getenv("SUDO_UID"), *gid_text = getenv("SUDO_GID");
    if (getuid() != 0 || !uid_text || !gid_text)
        return true;
    uint32_t uid = 0, gid = 0;
    if (!sudo_number("SUDO_UID", uid_text, &uid, err) ||
        !sudo_number("SUDO_GID", gid_text, &gid, err))
        return false;
    if (uid == 0)
        return true; /* root called sudo */

    const struct passwd *user = getpwuid(uid);
    bound();
    const char *failed = become(user, uid, gid);
    if (failed)
        return fail_errno(err, errno, "cannot take on the %s of user %u, who called sudo", failed,
                          uid);
    if (!is_only(uid, gid))
        return fail(err, ERROR_ENVIRONMENT, "EPERM",
                    "taking on the rights of user %u, who called sudo, has left some of root's",
                    uid);
    if (!set_environment(user))
        return fail_errno(err, errno, "cannot set HOME, USER and LOGNAME of user %u", uid);
    /* The change of uid gave the files of /proc/self to root, and a lab is made by writing to them.
     * What guards this process from others of the user is that tracing it takes CAP_NET_RAW and
     * CAP_NET_ADMIN too. */
    prctl(PR_SET_DUMPABLE, 1L, 0L, 0L, 0L);
    *dropped = true;
    return true;
}
