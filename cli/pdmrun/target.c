/* SPDX-License-Identifier: BSD-2-Clause */
/* The program that is to run, and whether the library can be loaded into it. */
#include "cli/pdmrun/target.h"

#include <err.h>
#include <errno.h>
#include <paths.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/pdmrun/elf.h"
#include "cli/pdmrun/file.h"
#include "cli/pdmrun/script.h"
#include "core/limits.h"

/* Where execvp looks without PATH. */
#define PATH_DEFAULT "/bin:/usr/bin"
#define XATTR_CAPABILITY "security.capability"

enum verdict {
    VERDICT_GOOD,
    VERDICT_SCRIPT, /* look at its interpreter */
    VERDICT_SETUID,
    VERDICT_SETGID,
    VERDICT_CAPABILITY,
    VERDICT_FOREIGN,
    VERDICT_STATIC,
    VERDICT_LOADER,
    VERDICT_MALFORMED
};

/* Why not, and what to do. */
static const char *const refusals[] = {
    [VERDICT_SETUID] = "is setuid, and ld.so loads nothing into such programs: run a copy of it "
                       "without that bit (cp leaves it out) as the user it changes to",
    [VERDICT_SETGID] = "is setgid, and ld.so loads nothing into such programs: run a copy of it "
                       "without that bit (cp leaves it out) as the group it changes to",
    [VERDICT_CAPABILITY] = "has file capabilities, and ld.so loads nothing into such programs: run "
                           "a copy of it without them (cp leaves them out)",
    [VERDICT_FOREIGN] = "is for another architecture than " RUN_LIBRARY ": use a build of it for "
                        "this one",
    [VERDICT_STATIC] = "is statically linked, so nothing can be loaded into it: use a dynamically "
                       "linked build of it",
    [VERDICT_LOADER] = "is linked with another C library than " RUN_LIBRARY ": use a build of it "
                       "for this one, whose ld.so is",
    [VERDICT_MALFORMED] = "is damaged: install it anew",
};

/* 0, or the errno that exec would give. */
static int cannot_run(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0 || access(path, X_OK) != 0)
        return errno;
    return S_ISREG(st.st_mode) ? 0 : EACCES;
}

static int try_directory(struct run_target *target, const char *directory, size_t len,
                         const char *name)
{
    /* An empty entry of PATH is the current directory. */
    int n = len > 0 ? snprintf(target->path, PATH_MAX, "%.*s/%s", (int)len, directory, name)
                    : snprintf(target->path, PATH_MAX, "./%s", name);

    return n < PATH_MAX ? cannot_run(target->path) : ENAMETOOLONG;
}

/* The first that can be run; else EACCES if there was one that cannot, like execvp. */
static int search_path(struct run_target *target, const char *name)
{
    const char *path = getenv("PATH");
    int result = ENOENT;

    for (const char *at = path ? path : PATH_DEFAULT; at;) {
        size_t len = strcspn(at, ":");
        int why = try_directory(target, at, len, name);

        if (why == 0)
            return 0;
        if (why == EACCES)
            result = EACCES;
        at = at[len] == ':' ? at + len + 1 : NULL;
    }
    return result;
}

enum run_exit target_resolve(struct run_target *target, const char *name)
{
    bool given = strchr(name, '/') != NULL;
    int why = ENOENT;

    if (given && snprintf(target->path, PATH_MAX, "%s", name) < PATH_MAX)
        why = cannot_run(name);
    else if (!given && name[0] != '\0')
        why = search_path(target, name);
    switch (why) {
    case 0:
        return RUN_OK;
    case EACCES:
        warnx("%s: no program that this user may run: see the permissions, with ls -l%s", name,
              given ? "" : ", or give its path");
        return RUN_REFUSED;
    case ENOENT:
    case ENOTDIR:
        warnx(given ? "%s: no such program: check the path"
                    : "%s: not found in PATH: give its path",
              name);
        return RUN_NOT_FOUND;
    default:
        warnx("%s: %s", name, strerror(why));
        return RUN_REFUSED;
    }
}

static bool same_file(const char *path, const char *other)
{
    struct stat a;
    struct stat b;

    return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* What makes the kernel set AT_SECURE, whereupon ld.so ignores LD_PRELOAD (ld.so(8)). */
static enum verdict judge_privilege(const char *path, const struct run_library *library)
{
    struct stat st;

    /* Another pdmrun sees to that itself. */
    if (stat(path, &st) != 0 || same_file(path, library->launcher))
        return VERDICT_GOOD;
    if (st.st_mode & S_ISUID)
        return VERDICT_SETUID;
    /* Without the group's x bit, S_ISGID asks for mandatory locking. */
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP))
        return VERDICT_SETGID;
    return getxattr(path, XATTR_CAPABILITY, NULL, 0) > 0 ? VERDICT_CAPABILITY : VERDICT_GOOD;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static enum verdict judge_elf(const struct elf *elf, const struct run_library *library)
{
    if (elf->machine != library->machine)
        return VERDICT_FOREIGN;
    if (!elf->loader)
        return VERDICT_STATIC;
    /* By the name: the same C library may be installed in more than one place. */
    return strcmp(base_name(elf->loader), base_name(library->loader)) == 0 ? VERDICT_GOOD
                                                                           : VERDICT_LOADER;
}

/* What is in the file; INTERPRETER is filled in for a script. */
static enum verdict judge_content(const struct run_file *file, const struct run_library *library,
                                  bool *go, char interpreter[static PDM_SCRIPT_LINE + 1])
{
    struct elf elf;
    enum elf_status status = elf_read(file->bytes, file->len, &elf);

    *go = elf.go;
    switch (status) {
    case ELF_READ:
        return judge_elf(&elf, library);
    case ELF_FOREIGN:
        return VERDICT_FOREIGN;
    case ELF_MALFORMED:
        return VERDICT_MALFORMED;
    default:
        /* What is neither, execvp hands to the shell. */
        if (!script_interpreter(file->bytes, file->len, interpreter))
            (void)snprintf(interpreter, PDM_SCRIPT_LINE + 1, "%s", _PATH_BSHELL);
        return VERDICT_SCRIPT;
    }
}

/* As a line calls it: the program, or what a script of that name needs. */
struct subject {
    const char *program;
    char file[PATH_MAX];
    char name[2 * PATH_MAX];
};

static void name_subject(struct subject *subject, const char *file)
{
    bool script = file != subject->program;

    (void)snprintf(subject->file, sizeof(subject->file), "%s", file);
    (void)snprintf(subject->name, sizeof(subject->name), "%s%s%s", subject->program,
                   script ? ": its interpreter " : "", script ? file : "");
}

static enum run_exit refuse(const struct subject *subject, enum verdict verdict,
                            const struct run_library *library)
{
    bool other = verdict == VERDICT_LOADER;

    warnx("%s %s%s%s", subject->name, refusals[verdict], other ? " " : "",
          other ? library->loader : "");
    return RUN_REFUSED;
}

/* A script's own privileges are ignored: only its interpreter's count. */
static enum verdict judge(const struct run_file *file, const char *path,
                          const struct run_library *library, bool *go,
                          char interpreter[static PDM_SCRIPT_LINE + 1])
{
    enum verdict content = judge_content(file, library, go, interpreter);
    enum verdict privilege =
        content == VERDICT_SCRIPT ? VERDICT_GOOD : judge_privilege(path, library);

    return privilege == VERDICT_GOOD ? content : privilege;
}

/* A program may be run by who may not read it. */
static enum run_exit judge_unread(const struct subject *subject, const struct run_library *library)
{
    int why = errno;
    enum verdict verdict = judge_privilege(subject->file, library);

    if (verdict != VERDICT_GOOD)
        return refuse(subject, verdict, library);
    warnx("%s cannot be read (%s), so nobody knows yet whether the library loads into it",
          subject->name, strerror(why));
    return RUN_OK;
}

/* One file; if it is a SCRIPT, SUBJECT is its interpreter then. */
static enum run_exit judge_file(struct subject *subject, const struct run_library *library,
                                bool *script)
{
    char interpreter[PDM_SCRIPT_LINE + 1];
    struct run_file file;
    bool go = false;

    *script = false;
    if (!file_open(&file, subject->file))
        return judge_unread(subject, library);
    enum verdict verdict = judge(&file, subject->file, library, &go, interpreter);

    file_close(&file);
    if (verdict == VERDICT_SCRIPT) {
        *script = true;
        name_subject(subject, interpreter);
        return RUN_OK;
    }
    if (verdict != VERDICT_GOOD)
        return refuse(subject, verdict, library);
    if (go)
        warnx("%s is a Go program: only sockets that it opens through cgo are seen", subject->name);
    return RUN_OK;
}

enum run_exit target_judge(const struct run_target *target, const struct run_library *library)
{
    struct subject subject = {.program = target->path};
    bool script = true;

    name_subject(&subject, target->path);
    for (unsigned level = 0; level <= PDM_SCRIPT_LEVELS; level++) {
        int why = cannot_run(subject.file);

        if (why != 0) {
            warnx("%s: %s: correct the path in the script's first line", subject.name,
                  strerror(why));
            return why == ENOENT ? RUN_NOT_FOUND : RUN_REFUSED;
        }
        enum run_exit status = judge_file(&subject, library, &script);

        if (status != RUN_OK || !script)
            return status;
    }
    warnx("%s: more than %d interpreters that are scripts: name a program in its first line",
          target->path, PDM_SCRIPT_LEVELS);
    return RUN_REFUSED;
}
