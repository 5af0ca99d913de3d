/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl enroll, as its parts see it. Each prints its own errors. */
#ifndef CLI_PDMCTL_ENROLL_INSIDE_H
#define CLI_PDMCTL_ENROLL_INSIDE_H

#include "cli/pdmctl/certificate.h"
#include "cli/pdmctl/pdmctl.h"
#include "core/limits.h"

struct enrolment {
    const struct pdmctl_context *context;
    struct certificate_addresses addresses;
    char *primary; /* "host:port" */
    char *name;    /* in its certificate */
    char *config;  /* all that follows are paths */
    char *directory;
    char *key;
    char *request;
    char *certificate;
    char *ca;
};

/* The association that is there with that primary, by its NAME; "" if there is none. */
bool enroll_find_association(const struct enrolment *e, char name[static PDM_NAME_MAX]);
/* Adds it, or says what is to be added; NAME as above. */
enum pdmctl_exit enroll_add_association(const struct enrolment *e, char name[static PDM_NAME_MAX]);

/* The agent reads its configuration again; whose it is may do so. */
bool enroll_reload(struct agent_client *client);
/* Waits for what the primary gives to ASSOCIATION, and prints it. */
enum pdmctl_exit enroll_wait(struct agent_client *client, const char *association);

#endif
