/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket on which clients ask. */
#include "keyagent/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/limits.h"
#include "keyagent/log.h"

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif
#define PASSED_FD 3 /* SD_LISTEN_FDS_START */
#define SYSTEM_DIRECTORY "/run/pdmv2/"
#define SYSTEM_GROUP "pdmv2"
#define MODE_USER (S_IRUSR | S_IWUSR)
#define MODE_GROUP (S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP)
#define MODE_DIRECTORY_USER S_IRWXU
#define MODE_DIRECTORY_GROUP (S_IRWXU | S_IRGRP | S_IXGRP)

static enum listener_status failed(const char *what, const char *path)
{
    enum listener_status status =
        errno == EACCES || errno == EPERM ? LISTENER_DENIED : LISTENER_FAILED;

    log_error("%s: %s: %s", path, what, strerror(errno));
    return status;
}

static bool is_system(const char *path)
{
    return geteuid() == 0 || strncmp(path, SYSTEM_DIRECTORY, strlen(SYSTEM_DIRECTORY)) == 0;
}

/* Gives PATH to the group of those who may use the system's agent, if there is one. */
static bool share(const char *path, mode_t mode)
{
    const struct group *group = getgrnam(SYSTEM_GROUP);

    return group == NULL || (chown(path, (uid_t)-1, group->gr_gid) == 0 && chmod(path, mode) == 0);
}

bool listener_permit(const char *path)
{
    return chmod(path, MODE_USER) == 0 && (!is_system(path) || share(path, MODE_GROUP));
}

/* The socket's directory is made if it is missing; one that is there is the administrator's. */
static enum listener_status make_directory(const struct listener *l)
{
    char *copy = strdup(l->path);
    enum listener_status status = LISTENER_OK;

    if (copy == NULL)
        return failed("out of memory", l->path);
    const char *directory = dirname(copy);
    if (mkdir(directory, MODE_DIRECTORY_USER) == 0) {
        if (l->is_system && !share(directory, MODE_DIRECTORY_GROUP))
            status = failed("cannot be given to group " SYSTEM_GROUP, directory);
    } else if (errno != EEXIST) {
        status = failed("cannot make the directory", directory);
    }
    free(copy);
    return status;
}

static enum listener_status take_lock(struct listener *l, const char *path)
{
    char *name;

    if (asprintf(&name, "%s.lock", path) < 0)
        return LISTENER_FAILED;
    l->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, MODE_USER);
    enum listener_status status = LISTENER_OK;
    if (l->lock < 0)
        status = failed("cannot be opened", name);
    else if (flock(l->lock, LOCK_EX | LOCK_NB) != 0)
        status = errno == EWOULDBLOCK ? LISTENER_RUNNING : failed("cannot be locked", name);
    if (status == LISTENER_RUNNING)
        log_error("%s: one is already running there", path);
    free(name);
    return status;
}

static bool set_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address->sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

/* Whether nobody has the socket at ADDRESS open: one of another kind answers too, with EPROTOTYPE.
 */
static bool is_left(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return false;
    bool left = connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
                errno == ECONNREFUSED;
    close(fd);
    return left;
}

bool listener_clear(const struct sockaddr_un *address)
{
    struct stat st;

    if (lstat(address->sun_path, &st) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(st.st_mode)) {
        errno = EEXIST;
        return false;
    }
    if (!is_left(address)) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(address->sun_path) == 0;
}

/* Under the lock. */
static enum listener_status clear(const struct listener *l, const struct sockaddr_un *address)
{
    if (listener_clear(address))
        return LISTENER_OK;
    switch (errno) {
    case EADDRINUSE:
        log_error("%s: something else listens there", l->path);
        return LISTENER_RUNNING;
    case EEXIST:
        return failed("is no socket; remove it or choose another path", l->path);
    default:
        return failed("cannot be removed", l->path);
    }
}

/*
 * Descriptors that a client passes are thrown away, and who closes the last one of a socket that
 * lingers, or of a file that somebody locked on a FUSE of his own, waits there: that would be this
 * process, for as long as the client likes. A kernel that can refuses them to who sends them, on
 * the sockets of those who connect as on FD; one that cannot knows no such option.
 */
static void refuse_descriptors(int fd)
{
    const int off = 0;

    if (setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off) != 0 && errno != ENOPROTOOPT)
        log_warning("descriptors that clients pass cannot be refused: %s", strerror(errno));
}

static enum listener_status bind_and_listen(struct listener *l, const struct sockaddr_un *address)
{
    l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return failed("cannot make a socket", l->path);
    refuse_descriptors(l->fd);
    /* Until it is listened on nobody gets in, whatever the modes. */
    if (bind(l->fd, (const struct sockaddr *)address, sizeof *address) != 0)
        return failed("cannot be bound", l->path);
    if (!listener_permit(l->path))
        return failed("cannot be given to group " SYSTEM_GROUP, l->path);
    if (listen(l->fd, AGENT_BACKLOG) != 0)
        return failed("cannot be listened on", l->path);
    return LISTENER_OK;
}

static enum listener_status make(struct listener *l, const char *path)
{
    struct sockaddr_un address;
    enum listener_status status;

    l->is_system = is_system(path);
    l->path = strdup(path);
    if (l->path == NULL || !set_address(&address, path))
        return failed("cannot be the socket's path", path);
    status = make_directory(l);
    if (status == LISTENER_OK)
        status = take_lock(l, path);
    if (status == LISTENER_OK)
        status = clear(l, &address);
    if (status == LISTENER_OK)
        return bind_and_listen(l, &address);
    free(l->path); /* not ours to remove */
    l->path = NULL;
    return status;
}

/* How many systemd passed to this very process: LISTEN_PID tells. */
static long passed_sockets(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *count = getenv("LISTEN_FDS");

    if (pid == NULL || count == NULL || strtol(pid, NULL, 10) != getpid())
        return 0;
    return strtol(count, NULL, 10);
}

static bool has_option(int fd, int option, int value)
{
    int found = 0;
    socklen_t len = sizeof found;

    return getsockopt(fd, SOL_SOCKET, option, &found, &len) == 0 && found == value;
}

static enum listener_status take_passed(struct listener *l, long sockets)
{
    struct sockaddr_un address = {0};
    socklen_t len = sizeof address - 1; /* a zero behind the path */

    if (sockets != 1 || !has_option(PASSED_FD, SO_DOMAIN, AF_UNIX) ||
        !has_option(PASSED_FD, SO_TYPE, SOCK_SEQPACKET) ||
        !has_option(PASSED_FD, SO_ACCEPTCONN, 1) ||
        getsockname(PASSED_FD, (struct sockaddr *)&address, &len) != 0) {
        log_error("systemd must pass one socket, made with ListenSequentialPacket=");
        return LISTENER_FAILED;
    }
    l->fd = PASSED_FD;
    if (fcntl(l->fd, F_SETFD, FD_CLOEXEC) != 0 || fcntl(l->fd, F_SETFL, O_NONBLOCK) != 0)
        return failed("cannot be set up", address.sun_path);
    refuse_descriptors(l->fd); /* who connected before may pass some all the same */
    l->is_system = is_system(address.sun_path);
    return take_lock(l, address.sun_path);
}

enum listener_status listener_open(struct listener *l, const char *path)
{
    *l = (struct listener){.fd = -1, .lock = -1};
    long passed = passed_sockets();
    enum listener_status status = passed > 0 ? take_passed(l, passed) : make(l, path);
    if (status != LISTENER_OK)
        listener_close(l);
    return status;
}

void listener_close(struct listener *l)
{
    if (l->path != NULL && l->fd >= 0)
        unlink(l->path);
    free(l->path);
    if (l->fd >= 0)
        close(l->fd);
    if (l->lock >= 0)
        close(l->lock);
    *l = (struct listener){.fd = -1, .lock = -1};
}
