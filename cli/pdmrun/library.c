/* SPDX-License-Identifier: BSD-2-Clause */
/* libpdmv2.so as it will be preloaded. */
#include "cli/pdmrun/library.h"

#include <dlfcn.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/pdmrun/capability.h"
#include "cli/pdmrun/elf.h"
#include "cli/pdmrun/file.h"
#include "core/limits.h"

/* Which loader is ours stands in our own headers. */
static bool know_itself(struct run_library *library)
{
    struct run_file file;
    struct elf elf;
    bool known = false;

    if (!realpath("/proc/self/exe", library->launcher) || !file_open(&file, library->launcher)) {
        warn("cannot find its own file through /proc/self/exe");
        return false;
    }
    if (elf_read(file.bytes, file.len, &elf) == ELF_READ && elf.loader) {
        (void)snprintf(library->loader, sizeof(library->loader), "%s", elf.loader);
        library->machine = elf.machine;
        known = true;
    } else {
        warnx("%s: no program with a dynamic loader", library->launcher);
    }
    file_close(&file);
    return known;
}

static bool exists(struct run_library *library, const char *directory, const char *name)
{
    char path[PATH_MAX];
    int len = snprintf(path, sizeof(path), "%s/%s", directory, name);

    return len > 0 && (size_t)len < sizeof(path) && realpath(path, library->path) != NULL;
}

static bool search(struct run_library *library)
{
    char *name = strrchr(library->launcher, '/');

    *name = '\0'; /* the directory, for as long as it is needed */
    bool found = exists(library, library->launcher, RUN_LIBRARY) ||
                 exists(library, library->launcher, "../lib/" RUN_LIBRARY) ||
                 exists(library, PDM_LIBDIR, RUN_LIBRARY);

    if (!found)
        warnx(RUN_LIBRARY " is not in %s, its ../lib, or " PDM_LIBDIR ": install it there",
              library->launcher);
    *name = '/';
    return found;
}

bool library_find(struct run_library *library)
{
    if (!know_itself(library) || !search(library))
        return false;
    if (strpbrk(library->path, " :")) {
        warnx("%s: LD_PRELOAD divides its list at colons and spaces: install it in a directory "
              "without them",
              library->path);
        return false;
    }
    return true;
}

/* The child, for good: the library's constructors run as in the program, but without a capability.
 * It reports an empty string, or what is wrong. */
static _Noreturn void try_loading(const struct run_library *library, int report)
{
    const char *why = "";

    if (!capability_hand_on(false))
        _exit(EXIT_FAILURE);
    if (!dlopen(library->path, RTLD_NOW | RTLD_LOCAL))
        why = dlerror();
    _exit(write(report, why, strlen(why) + 1) > 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* What the child reports, not its status: that is lost where SIGCHLD is ignored. */
bool library_loads(const struct run_library *library)
{
    char why[PDM_REASON_MAX] = "";
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        warn("pipe");
        return false;
    }
    pid_t child = fork();

    if (child == 0)
        try_loading(library, ends[1]);
    (void)close(ends[1]);
    ssize_t len = child > 0 ? read(ends[0], why, sizeof(why) - 1) : -1;

    if (len < 0)
        warn("cannot try %s", library->path);
    else if (len == 0)
        warnx("%s: loading it ends the program", library->path);
    else if (why[0] != '\0')
        warnx("the library cannot be loaded: %s", why);
    (void)close(ends[0]);
    if (child > 0)
        (void)waitpid(child, NULL, 0);
    return len > 0 && why[0] == '\0';
}
