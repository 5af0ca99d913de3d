/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl enroll: the association in the agent's configuration. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/pdmctl/enroll_inside.h"
#include "cli/pdmctl/file.h"
#include "conf/config.h"

#define SECTION "organisation" /* the association's name */

static char *section_text(const struct enrolment *e)
{
    char *text = NULL;

    if (asprintf(&text,
                 "[association " SECTION "]\n"
                 "mode = enrolled\n"
                 "primary = %s\n"
                 "primary_name = %s\n"
                 "certificate = %s\n"
                 "certificate_key = %s\n"
                 "ca = %s\n",
                 e->primary, e->name, e->certificate, e->key, e->ca) >= 0)
        return text;
    warnx("out of memory");
    return NULL;
}

static void tell(void *arg, const char *line)
{
    (void)arg;
    warnx("%s", line);
}

static bool is_with(const struct config_association *a, const char *primary)
{
    for (size_t i = 0; i < a->primaries; i++) {
        if (strcmp(a->primary[i], primary) == 0)
            return true;
    }
    return false;
}

bool enroll_find_association(const struct enrolment *e, char name[static PDM_NAME_MAX])
{
    struct config config;
    bool taken = false;

    name[0] = '\0';
    if (!file_exists(e->config))
        return true;
    if (!config_load(e->config, &config, tell, NULL))
        return false;
    for (size_t i = 0; i < config.associations; i++) {
        const struct config_association *a = &config.association[i];

        if (is_with(a, e->primary))
            (void)snprintf(name, PDM_NAME_MAX, "%s", a->name);
        taken = taken || strcmp(a->name, SECTION) == 0;
    }
    config_free(&config);
    if (!taken || name[0] != '\0')
        return true;
    warnx("%s: [association " SECTION "] is there already, and not with the primary %s: rename it",
          e->config, e->primary);
    return false;
}

/* Behind what is there; the file is made if there is none. */
static bool append(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    bool written =
        fd >= 0 && file_write(fd, "\n", 1) && file_write(fd, text, strlen(text)) && fsync(fd) == 0;

    if (!written)
        warn("cannot write %s", path);
    if (fd >= 0)
        (void)close(fd);
    return written && file_sync_directory(path);
}

enum pdmctl_exit enroll_add_association(const struct enrolment *e, char name[static PDM_NAME_MAX])
{
    char *text = section_text(e);
    enum pdmctl_exit code = PDMCTL_FAILED;

    if (!text)
        return PDMCTL_FAILED;
    if (!e->context->write) {
        printf("next: add this to %s, or run this again with --write:\n\n%s", e->config, text);
        code = PDMCTL_UNFINISHED;
    } else if (append(e->config, text) && enroll_find_association(e, name)) {
        if (name[0] == '\0')
            warnx("%s: the association was added and is not there", e->config);
        else
            code = PDMCTL_OK;
        printf("%s: added [association " SECTION "]\n", e->config);
    }
    free(text);
    return code;
}
