/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's environment. */
#include "cli/pdmrun/environment.h"

#include <err.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli/pdmrun/library.h"

#define PRELOAD "LD_PRELOAD"
#define MODE "PDMV2_MODE"

/* Linux's /dev/null and /dev/full (Documentation/admin-guide/devices.txt). */
enum { MEM_MAJOR = 1, NULL_MINOR = 3, FULL_MINOR = 7 };

/* NAME=VALUE, unless there is a variable of that name. */
static bool restore_one(const char *variable)
{
    const char *equals = strchr(variable, '=');

    if (!equals || equals == variable)
        return true;
    char *name = strndup(variable, (size_t)(equals - variable));
    bool done = name && setenv(name, equals + 1, 0) == 0;

    free(name);
    return done;
}

/* libc opens a device the wrong way round (csu/check_fds.c), so that all use of it fails. */
static bool is_filled_in(int fd)
{
    bool input = fd == STDIN_FILENO;
    int flags = fcntl(fd, F_GETFL);
    struct stat st;

    return flags >= 0 && (flags & O_ACCMODE) == (input ? O_WRONLY : O_RDONLY) &&
           fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == makedev(MEM_MAJOR, input ? FULL_MINOR : NULL_MINOR);
}

static void restore_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (is_filled_in(fd))
            (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
}

bool environment_restore(int argc, char **argv)
{
    /*
     * ld.so removes pointers, not what they point at. The kernel lays out, without a gap, the
     * arguments, the environment and the name of the file that was run (create_elf_tables).
     */
    const char *end = (const char *)getauxval(AT_EXECFN);

    if (!getauxval(AT_SECURE) || argc < 1 || !end)
        return true;
    restore_streams();
    for (const char *at = argv[argc - 1] + strlen(argv[argc - 1]) + 1; at < end;
         at += strlen(at) + 1) {
        if (!restore_one(at)) {
            warn("cannot restore the environment");
            return false;
        }
    }
    return true;
}

/* Under either name it is one library to ld.so. */
static bool is_library(const char *path, size_t len)
{
    static const char *const names[] = {RUN_LIBRARY, RUN_SONAME};
    const char *slash = memrchr(path, '/', len);
    const char *name = slash ? slash + 1 : path;
    size_t octets = len - (size_t)(name - path);

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (octets == strlen(names[i]) && memcmp(name, names[i], octets) == 0)
            return true;
    }
    return false;
}

char *environment_preload(const char *existing, const char *library)
{
    static const char separators[] = " :"; /* ld.so(8) */
    size_t room = strlen(library) + strlen(existing) + 2;
    char *list = malloc(room);

    if (!list)
        return NULL;
    char *end = stpcpy(list, library);

    for (const char *at = existing; *at; at += strspn(at, separators)) {
        size_t len = strcspn(at, separators);

        if (len > 0 && !is_library(at, len)) {
            *end++ = ':';
            end = mempcpy(end, at, len);
        }
        at += len;
    }
    *end = '\0';
    return list;
}

static bool set_preload(const char *library)
{
    const char *existing = getenv(PRELOAD);
    char *list = environment_preload(existing ? existing : "", library);
    bool done = list && setenv(PRELOAD, list, 1) == 0;

    free(list);
    return done;
}

static bool set_mode(const char *mode)
{
    if (!mode)
        return true;
    return strcmp(mode, RUN_MODE_AGENT) == 0 ? unsetenv(MODE) == 0 : setenv(MODE, mode, 1) == 0;
}

bool environment_set(const struct run_options *options, const char *library)
{
    if (set_preload(library) && set_mode(options->mode) &&
        (!options->agent || setenv("PDMV2_AGENT", options->agent, 1) == 0) &&
        (!options->read_only || setenv("PDMV2_READ_ONLY", "1", 1) == 0))
        return true;
    warn("cannot set the environment");
    return false;
}

bool environment_wants_agent(void)
{
    static const char *const without[] = {"plain", "rfc8250", "off"};
    const char *mode = getenv(MODE);

    for (size_t i = 0; mode && i < sizeof(without) / sizeof(without[0]); i++) {
        if (strcmp(mode, without[i]) == 0)
            return false;
    }
    return true;
}
