/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of cases that make the call matrix, and what they share. */
#ifndef TESTS_APPS_MATRIX_CASES_H
#define TESTS_APPS_MATRIX_CASES_H

#include "tests/apps/matrix/peer.h"
#include "tests/apps/matrix/transcript.h"

/* The socket under test: connected to the peer or not, bound to :: or to our address. */
enum kind { LOOSE_ANY, LOOSE_BOUND, TIED_ANY, TIED_BOUND, KINDS };

extern const char *const kind_names[KINDS];

int ours_open(const struct lab *lab, enum kind kind, unsigned peer_port);
bool kind_is_tied(enum kind kind);
void ours_wait(int fd, short events);
void set_int(int fd, int level, int option, int value);

/* A control message, appended to those that msg already holds in its msg_control. */
void put_control(struct msghdr *msg, int level, int type, const void *data, size_t len);

/* Receives once with every buffer offered, and prints it. */
void read_and_print(const char *name, int fd, int flags);
/* The same without waiting, until nothing is left of the error queue. */
void drain_errors(const char *name, int fd);

void cases_sends(struct lab *lab);
void cases_send_sizes(struct lab *lab);
void cases_send_controls(struct lab *lab);
void cases_receives(struct lab *lab);
void cases_receive_batches(struct lab *lab);
void cases_receive_controls(struct lab *lab);
void cases_options(struct lab *lab);
void cases_names(struct lab *lab);
void cases_local(struct lab *lab);
void cases_errors(struct lab *lab);
void cases_bad_pointers(struct lab *lab);
void cases_wild_pointers(struct lab *lab);
void cases_tcp_sends(struct lab *lab);
void cases_tcp_receives(struct lab *lab);
void cases_tcp_options(struct lab *lab);
void cases_tcp_ends(struct lab *lab);

#endif
