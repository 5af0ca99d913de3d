/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of -w. As in curl, a backslash before n, r or t, a doubled percent sign and %{NAME} mean
 * something, and all else stands for itself.
 */
#include "cli/pdmperf/format.h"

#include <inttypes.h>
#include <string.h>

#include "core/limits.h"

enum { USEC_PER_SEC = PDM_NSEC_PER_SEC / PDM_NSEC_PER_USEC };

enum kind {
    TEXT,
    NUMBER,
    STATUS,  /* three digits */
    SECONDS, /* of nanoseconds, 6 decimals */
    DELAY,   /* the same of a figure, or why there is none */
    ON_ERROR,
    TO_STDERR,
    TO_STDOUT,
};

struct variable {
    const char *name;
    enum kind kind;
    size_t at; /* in struct result */
};

#define FIELD(member) offsetof(struct result, member)

static const struct variable variables[] = {
    {"content_type", TEXT, FIELD(content_type)},
    {"errormsg", TEXT, FIELD(error)},
    {"exitcode", NUMBER, FIELD(code)},
    {"filename_effective", TEXT, FIELD(output)},
    {"http_code", STATUS, FIELD(http_code)},
    {"http_version", TEXT, FIELD(http_version)},
    {"local_ip", TEXT, FIELD(local_ip)},
    {"local_port", NUMBER, FIELD(local_port)},
    {"method", TEXT, FIELD(method)},
    {"num_connects", NUMBER, FIELD(connects)},
    {"num_redirects", NUMBER, FIELD(redirects)},
    {"onerror", ON_ERROR, 0},
    {"pdm_network_delay", DELAY, FIELD(figures.network)},
    {"pdm_options_received", NUMBER, FIELD(options_received)},
    {"pdm_options_sent", NUMBER, FIELD(options_sent)},
    {"pdm_queue_delay", SECONDS, FIELD(queued)},
    {"pdm_server_delay", DELAY, FIELD(figures.server)},
    {"pdm_total_delay", DELAY, FIELD(exchange)},
    {"redirect_url", TEXT, FIELD(redirect_url)},
    {"referer", TEXT, FIELD(referer)},
    {"remote_ip", TEXT, FIELD(remote_ip)},
    {"remote_port", NUMBER, FIELD(remote_port)},
    {"response_code", STATUS, FIELD(http_code)},
    {"scheme", TEXT, FIELD(scheme)},
    {"size_download", NUMBER, FIELD(download)},
    {"size_header", NUMBER, FIELD(header_size)},
    {"size_request", NUMBER, FIELD(request_size)},
    {"size_upload", NUMBER, FIELD(upload)},
    {"speed_download", NUMBER, FIELD(speed_download)},
    {"speed_upload", NUMBER, FIELD(speed_upload)},
    {"ssl_verify_result", NUMBER, FIELD(ssl_verify_result)},
    {"stderr", TO_STDERR, 0},
    {"stdout", TO_STDOUT, 0},
    {"time_appconnect", SECONDS, FIELD(times.appconnect)},
    {"time_connect", SECONDS, FIELD(times.connect)},
    {"time_namelookup", SECONDS, FIELD(times.namelookup)},
    {"time_pretransfer", SECONDS, FIELD(times.pretransfer)},
    {"time_redirect", SECONDS, FIELD(times.redirect)},
    {"time_starttransfer", SECONDS, FIELD(times.starttransfer)},
    {"time_total", SECONDS, FIELD(times.total)},
    {"url", TEXT, FIELD(url)},
    {"url_effective", TEXT, FIELD(effective_url)},
    {"urlnum", NUMBER, FIELD(target)},
};

static const struct variable *find_variable(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        if (strlen(variables[i].name) == len && memcmp(variables[i].name, name, len) == 0)
            return &variables[i];
    }
    return NULL;
}

/* The next thing in a format: a variable's name, or LEN octets to be written as they are. */
struct piece {
    const char *text;
    size_t len;
    bool variable;
};

static struct piece literal(const char **at, const char *text, size_t len, size_t read)
{
    *at += read;
    return (struct piece){.text = text, .len = len};
}

/* What begins with a percent sign. */
static struct piece next_percent(const char **at)
{
    const char *text = *at;
    const char *end = text[1] == '{' ? strchr(text, '}') : NULL;

    if (text[1] == '%')
        return literal(at, "%", 1, 2);
    if (end == NULL)
        return literal(at, text, 1, 1);
    *at = end + 1;
    return (struct piece){.text = text + 2, .len = (size_t)(end - text - 2), .variable = true};
}

/* Of a format that is not at its end. */
static struct piece next_piece(const char **at)
{
    const char *text = *at;

    if (text[0] == '%')
        return next_percent(at);
    if (text[0] != '\\')
        return literal(at, text, strcspn(text, "%\\"), strcspn(text, "%\\"));
    switch (text[1]) {
    case 'n':
        return literal(at, "\n", 1, 2);
    case 'r':
        return literal(at, "\r", 1, 2);
    case 't':
        return literal(at, "\t", 1, 2);
    default:
        return literal(at, text, 1, 1);
    }
}

bool format_check(const char *format, char bad[static FORMAT_NAME_MAX + 1])
{
    while (*format != '\0') {
        struct piece piece = next_piece(&format);

        if (!piece.variable || find_variable(piece.text, piece.len) != NULL)
            continue;
        size_t len = piece.len < FORMAT_NAME_MAX ? piece.len : FORMAT_NAME_MAX;

        memcpy(bad, piece.text, len);
        bad[len] = '\0';
        return false;
    }
    return true;
}

/* Whole numbers: a double would round. The sign stands before seconds of 0, too. */
static void print_seconds(FILE *out, int64_t ns)
{
    uint64_t us = (ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns) / PDM_NSEC_PER_USEC;

    fprintf(out, "%s%" PRIu64 ".%06" PRIu64, ns < 0 ? "-" : "", us / USEC_PER_SEC,
            us % USEC_PER_SEC);
}

/* A server's delay that may be of another request's is no figure to count on. */
static void print_delay(FILE *out, const struct figure *figure)
{
    if (figure->missing)
        fprintf(out, "n/a (%s)", figure->missing->text);
    else if (figure->overlapped)
        fputs("n/a (several requests under way)", out);
    else
        print_seconds(out, figure->ns);
}

static void print_variable(FILE *out, const struct variable *variable, const struct result *result)
{
    const char *field = (const char *)result + variable->at;

    switch (variable->kind) {
    case TEXT:
        fputs(*(const char *const *)(const void *)field, out);
        break;
    case NUMBER:
        fprintf(out, "%" PRId64, *(const int64_t *)(const void *)field);
        break;
    case STATUS:
        fprintf(out, "%03" PRId64, *(const int64_t *)(const void *)field);
        break;
    case SECONDS:
        print_seconds(out, *(const int64_t *)(const void *)field);
        break;
    case DELAY:
        print_delay(out, (const struct figure *)(const void *)field);
        break;
    default:
        break;
    }
}

void format_print(const char *format, const struct result *result, FILE *out, FILE *err)
{
    FILE *to = out;

    while (*format != '\0') {
        struct piece piece = next_piece(&format);
        const struct variable *variable =
            piece.variable ? find_variable(piece.text, piece.len) : NULL;

        if (variable == NULL) {
            (void)fwrite(piece.text, 1, piece.len, to);
            continue;
        }
        if (variable->kind == ON_ERROR && result->code == 0)
            return;
        if (variable->kind == TO_STDERR)
            to = err;
        else if (variable->kind == TO_STDOUT)
            to = out;
        print_variable(to, variable, result);
    }
}
