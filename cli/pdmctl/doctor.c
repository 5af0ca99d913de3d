/* SPDX-License-Identifier: BSD-2-Clause */
/* pdmctl doctor: what stands in the way of measuring on this host, and what to do about it. */
#include "cli/pdmctl/doctor.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/output.h"
#include "cli/pdmctl/line.h"
#include "cli/pdmctl/pdmctl.h"

enum { DETAIL_MAX = 1024 };

static const char *const words[] = {
    [FINDING_GOOD] = "good",
    [FINDING_NOTE] = "note",
    [FINDING_BAD] = "bad",
};

/* In the order in which one thing needs another. */
static void (*const checks[])(struct doctor *d) = {
    doctor_kernel, doctor_clock, doctor_programs, doctor_agent, doctor_path,
};

static void tell_line(enum finding finding, const char *check, const char *advice,
                      const char *detail)
{
    struct json j = line_open("finding");

    json_string(&j, "check", check);
    json_string(&j, "finding", words[finding]);
    json_string(&j, "detail", detail);
    if (advice)
        json_string(&j, "advice", advice);
    else
        json_null(&j, "advice");
    json_close(&j);
}

void doctor_tell(struct doctor *d, enum finding finding, const char *check, const char *advice,
                 const char *format, ...)
{
    char detail[DETAIL_MAX];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(detail, sizeof(detail), format, args);
    va_end(args);
    d->found_bad |= finding == FINDING_BAD;
    if (d->json) {
        tell_line(finding, check, advice, detail);
        return;
    }
    printf("%-5s %-9s %s\n", words[finding], check, detail);
    if (advice)
        printf("%-15s > %s\n", "", advice);
}

enum pdmctl_exit pdmctl_doctor(const struct pdmctl_context *context)
{
    static struct doctor d;

    d.host = context->operands > 0 ? context->operand[0] : NULL;
    d.json = context->json;
    if (!agent_client_init(&d.client, context->socket))
        return PDMCTL_USAGE;
    d.client.quiet = true;
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
        checks[i](&d);
    return output_flush() && !d.found_bad ? PDMCTL_OK : PDMCTL_FAILED;
}
