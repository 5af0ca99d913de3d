/* SPDX-License-Identifier: BSD-2-Clause */
/* What the text of one line and that of a summary share. */
#ifndef CLI_PDMPING_TEXT_H
#define CLI_PDMPING_TEXT_H

#include <stdio.h>

#include "cli/pdmping/report.h"

/* The end of a run, as people read it. */
void text_summary(FILE *out, const struct summary *s);
void text_total(FILE *out, const struct summary *s);
/* One line on standard error, as ping's on SIGQUIT. */
void text_interim(const struct summary *s);

double text_ms(int64_t ns);

#endif
