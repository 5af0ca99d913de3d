/* SPDX-License-Identifier: BSD-2-Clause */
/* What the call matrix writes down: one line per case, with everything a program can observe of a
 * socket call and nothing that differs from one run to the next. */
#ifndef TESTS_APPS_MATRIX_TRANSCRIPT_H
#define TESTS_APPS_MATRIX_TRANSCRIPT_H

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
    LINE_MAX_OCTETS = 16384,
    DATA_MAX = 70016,
    CONTROL_MAX = 4096,
    /* Written to errno before each call, so that a success which changes errno is seen. */
    ERRNO_SENTINEL = EOWNERDEAD,
    /* Written to msg_flags and msg_len before each call: what the kernel leaves alone shows. */
    FLAGS_SENTINEL = 0x55550000,
    LENGTH_SENTINEL = 4242,
};

struct line {
    char text[LINE_MAX_OCTETS];
    size_t used;
};

struct outcome {
    ssize_t ret;
    int err;
};

/* The arguments of one receiving call, with canaries behind each buffer. */
struct inbox {
    struct msghdr msg;
    struct iovec iov;
    size_t control_size;
    size_t data_size;
    struct sockaddr_storage name;
    _Alignas(max_align_t) unsigned char control[CONTROL_MAX];
    unsigned char data[DATA_MAX];
};

struct outcome outcome_of(ssize_t ret);

#define TRY(call) (errno = ERRNO_SENTINEL, outcome_of((ssize_t)(call)))

/* Addresses print as L (ours), R (the peer's) and ports as offsets from base. */
void transcript_names(const struct in6_addr *local, const struct in6_addr *remote, unsigned base);

__attribute__((format(printf, 2, 3))) void line_start(struct line *line, const char *format, ...);
__attribute__((format(printf, 2, 3))) void line_add(struct line *line, const char *format, ...);
void line_outcome(struct line *line, struct outcome outcome);
void line_name(struct line *line, const void *name, socklen_t capacity, socklen_t len);
void line_flags(struct line *line, int flags);
void line_control(struct line *line, struct msghdr *msg);
void line_data(struct line *line, const void *data, size_t len);
void line_hex(struct line *line, const void *data, size_t len);
void line_ready(struct line *line, int fd);
void line_print(struct line *line);

void inbox_set(struct inbox *inbox, size_t data_size, size_t control_size, socklen_t name_size);
void inbox_line(struct line *line, struct inbox *inbox, struct outcome outcome);
bool untouched(const unsigned char *from, size_t len);

/* The payload of the n-th datagram of a length: same n, same octets. */
void payload_fill(unsigned char *data, size_t len, unsigned n);

#endif
