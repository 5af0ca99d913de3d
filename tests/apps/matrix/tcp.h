/* SPDX-License-Identifier: BSD-2-Clause */
/* TCP in the call matrix: one connection at a time to the far end, which takes and gives what it is
 * asked to by the same requests as for datagrams. */
#ifndef TESTS_APPS_MATRIX_TCP_H
#define TESTS_APPS_MATRIX_TCP_H

#include "tests/apps/matrix/peer.h"

/* What tcp_end may ask for. */
enum tcp_end { TCP_END_WRITING, TCP_END_READING, TCP_END_CLOSE, TCP_END_RESET };
/* What tcp_accept may ask for. */
enum { ACCEPT_PLAIN, ACCEPT_NONBLOCK, ACCEPT_NO_NAME, ACCEPT_SHORT_NAME, ACCEPT_KINDS };

/* The near end: each is done at the far end by the time it returns. */
int tcp_connect(const struct lab *lab, unsigned how);
void tcp_accept(const struct lab *lab, unsigned how);
/* The far end writes COUNT times LEN octets; FLAGS for its send(). */
void tcp_give(const struct lab *lab, size_t len, int flags, unsigned count);
/* The far end reads LEN octets, or what comes within a second, and says how many and which. */
void tcp_take(const struct lab *lab, const char *name, size_t len);
/* The far end reads until nothing more comes, and says how it ended but not how much it was. */
void tcp_drain(const struct lab *lab, const char *name, size_t expected);
void tcp_end(const struct lab *lab, enum tcp_end how);
/* The far end shows what its options are. */
void tcp_show(const struct lab *lab, const char *name);

/* One octet from the far end, read: the direction has turned, and an option may go along. */
void tcp_turn(const struct lab *lab, int fd);
/* One octet to the far end, read there: the same for what the far end sends next. */
void tcp_turn_far(const struct lab *lab, int fd);
/* Until LEN octets wait in the socket. */
void tcp_await(int fd, size_t len);
/* Prints the options of a socket that anybody could disturb. */
void tcp_options(const char *name, int fd);

/* The far end's side of the above. What it answers goes to OUT; false: no request of its own. */
struct tcp_far {
    int listener, connection;
};
bool tcp_far_open(struct tcp_far *far, const struct sockaddr_in6 *address);
void tcp_far_close(struct tcp_far *far);
bool tcp_far_obey(struct tcp_far *far, char verb, size_t len, unsigned with, unsigned count,
                  struct line *out);

/* Asks the far end; its answer, until the next request. */
const char *peer_ask(const struct lab *lab, char verb, size_t len, unsigned with, unsigned count);

#endif
