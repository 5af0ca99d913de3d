/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Many simulated secondaries of one primary in one process, each with an address and a certificate
 * of its own, made here with one key. They connect by mutual TLS 1.3 without resumption.
 *
 *   registrations MODE AGENTS AT_ONCE PREFIX CA ADDRESS PORT
 *
 * PREFIX is a /64, which the agents' addresses are of; CA.pem and CA.key are their authority.
 * By lines on stdin, each answered by one on stdout:
 *   MODE handshakes     N: N connections, closed as soon as they are up -> the seconds
 *   MODE registrations  N: N connections, closed when SECRET is answered -> the seconds
 *   MODE hold           connect: all AGENTS at once, to stay -> the seconds until the last has its
 *                       SECRET and its list
 *                       expect: -> "expecting", and then the monotonic time in seconds at which the
 *                       last of them had another list
 *                       count: -> how many are connected, how many octets of lists they were sent
 * AT_ONCE of them at most are not up yet. Whatever goes wrong with one ends all.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "core/registration.h"

#define EVENTS 64
#define READ_LEN 65536
#define VALID_S 86400

enum mode { HANDSHAKES, REGISTRATIONS, HOLD, MODES };
static const char *const mode_names[MODES] = {"handshakes", "registrations", "hold"};

enum stage { IDLE, RISING, ASKED, LISTING, HELD, CLOSING };

struct agent {
    enum stage stage;
    int fd;
    SSL *tls;
    X509 *certificate;
    uint8_t addr[PDM_ADDR_LEN];
    uint8_t *in; /* what has come of a message */
    size_t in_len;
};

static enum mode mode;
static struct agent *agents;
static size_t count, at_once;
static struct sockaddr_in6 target;
static SSL_CTX *ctx;
static int epoll;

static size_t next_agent, to_start, rising, to_end; /* of what is under way */
static size_t untold;                               /* that have no list since it was expected */
static uint64_t list_octets;

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    ERR_print_errors_fp(stderr);
    errx(1, "%s", what);
}

static void answer(const char *format, double number)
{
    printf(format, number);
    putchar('\n');
    fflush(stdout);
}

/* Certificates. */

static void add_address(X509 *certificate, const uint8_t addr[static PDM_ADDR_LEN])
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();

    must(names != NULL && name != NULL && octets != NULL &&
             ASN1_OCTET_STRING_set(octets, addr, PDM_ADDR_LEN) == 1,
         "name");
    GENERAL_NAME_set0_value(name, GEN_IPADD, octets);
    must(sk_GENERAL_NAME_push(names, name) > 0 &&
             X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, 0) == 1,
         "subjectAltName");
    GENERAL_NAMES_free(names);
}

static X509 *issue(const X509 *ca, EVP_PKEY *ca_key, EVP_PKEY *key, long serial,
                   const uint8_t addr[static PDM_ADDR_LEN])
{
    X509 *c = X509_new();

    must(c != NULL && X509_set_version(c, 2) == 1 &&
             ASN1_INTEGER_set(X509_get_serialNumber(c), serial) == 1 &&
             X509_set_issuer_name(c, X509_get_subject_name(ca)) == 1 &&
             X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                                        (const uint8_t *)"agent", -1, -1, 0) == 1 &&
             X509_gmtime_adj(X509_getm_notBefore(c), -VALID_S) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(c), VALID_S) != NULL &&
             X509_set_pubkey(c, key) == 1,
         "certificate");
    add_address(c, addr);
    must(X509_sign(c, ca_key, EVP_sha256()) > 0, "X509_sign");
    return c;
}

static FILE *open_file(const char *name, const char *suffix)
{
    char path[4096];

    snprintf(path, sizeof path, "%s%s", name, suffix);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        err(1, "%s", path);
    return file;
}

/* The Nth address of PREFIX; the first ones are left to others. */
static void address(const uint8_t prefix[static PDM_ADDR_LEN], size_t n,
                    uint8_t addr[static PDM_ADDR_LEN])
{
    uint64_t low = htobe64(UINT64_C(0x10000) + n);

    memcpy(addr, prefix, PDM_ADDR_LEN);
    memcpy(addr + PDM_ADDR_LEN - sizeof low, &low, sizeof low);
}

static void make_agents(const char *authority, const uint8_t prefix[static PDM_ADDR_LEN])
{
    FILE *pem = open_file(authority, ".pem"), *pem_key = open_file(authority, ".key");
    X509 *ca = PEM_read_X509(pem, NULL, NULL, NULL);
    EVP_PKEY *ca_key = PEM_read_PrivateKey(pem_key, NULL, NULL, NULL);
    EVP_PKEY *key = EVP_EC_gen("P-256");

    agents = calloc(count, sizeof *agents);
    must(ca != NULL && ca_key != NULL && key != NULL && agents != NULL &&
             SSL_CTX_use_PrivateKey(ctx, key) == 1,
         "keys");
    for (size_t i = 0; i < count; i++) {
        address(prefix, i, agents[i].addr);
        agents[i].certificate = issue(ca, ca_key, key, (long)i + 1, agents[i].addr);
    }
    EVP_PKEY_free(key);
    EVP_PKEY_free(ca_key);
    X509_free(ca);
    fclose(pem);
    fclose(pem_key);
}

/* That the server's certificate is of a known authority is not looked at, so that the server's work
 * is what limits the rate, and not that of its clients. */
static int believe(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static void make_context(void)
{
    ctx = SSL_CTX_new(TLS_client_method());
    must(ctx != NULL && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1, "TLS");
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, believe, NULL);
}

/* Messages. */

/* Of any primary that reads what it is sent, short ones fit. */
static void transmit(struct agent *a, enum pdm_command command, enum pdm_direction direction,
                     uint8_t *message, size_t len)
{
    const struct pdm_registration_header header = {.command = (uint8_t)command,
                                                   .direction = (uint8_t)direction,
                                                   .length =
                                                       (uint32_t)(len - PDM_REGISTRATION_HEADER)};

    pdm_registration_header_put(message, &header);
    must(SSL_write(a->tls, message, (int)len) == (int)len, "a message does not fit");
}

static void ask(struct agent *a)
{
    const struct pdm_secret_request request = {0};
    uint8_t message[PDM_REGISTRATION_SMALL];
    struct pdm_writer w = pdm_writer(message, sizeof message);

    pdm_write_bytes(&w, message, PDM_REGISTRATION_HEADER);
    pdm_put_secret_request(&w, &request);
    transmit(a, PDM_COMMAND_SECRET, PDM_REQUEST, message, (size_t)(w.at - message));
}

/* Of at least one pair a secret for its address, generations, and a grant. */
static void check_secret(struct pdm_reader *body)
{
    struct pdm_secret_response response;
    struct pdm_secret_pair pair;
    struct pdm_secret_epoch secret;
    struct pdm_secret_scope scope;

    pdm_get_secret_response(body, &response);
    if (response.status != PDM_REGISTRATION_OK)
        errx(1, "registration: status %u", response.status);
    pdm_get_secret_pair(body, &pair);
    pdm_get_secret_epoch(body, &secret);
    pdm_get_secret_scope(body, &scope);
    if (body->bad || response.pairs == 0 || pair.epochs == 0 || secret.scopes != 1 ||
        scope.block_count == 0 || scope.grants == 0)
        errx(1, "registration: no secret");
}

static void acknowledge(struct agent *a, const struct pdm_list_request *request)
{
    const struct pdm_list_response response = {
        .status = PDM_REGISTRATION_OK, .pair = request->pair, .version = request->to};
    uint8_t message[PDM_REGISTRATION_SMALL];
    struct pdm_writer w = pdm_writer(message, sizeof message);

    pdm_write_bytes(&w, message, PDM_REGISTRATION_HEADER);
    pdm_put_list_response(&w, &response);
    transmit(a, PDM_COMMAND_LIST, PDM_RESPONSE, message, (size_t)(w.at - message));
}

static void begin_close(struct agent *a)
{
    a->stage = CLOSING;
    must(SSL_shutdown(a->tls) >= 0, "closing");
}

static void take_list(struct agent *a, struct pdm_reader *body, size_t len)
{
    struct pdm_list_request request;

    list_octets += len;
    pdm_get_list_request(body, &request);
    must(!body->bad, "a list that is none");
    if (request.more != 0)
        return;
    acknowledge(a, &request);
    if (a->stage == HELD) {
        if (untold > 0 && --untold == 0)
            answer("%.6f", now_s());
    } else if (a->stage == LISTING) {
        a->stage = HELD;
        to_end--;
    }
}

static void take(struct agent *a, const struct pdm_registration_header *header,
                 struct pdm_reader *body)
{
    if (header->command == PDM_COMMAND_SECRET && header->direction == PDM_RESPONSE) {
        check_secret(body);
        if (a->stage != ASKED)
            return;
        if (mode == HOLD)
            a->stage = LISTING;
        else
            begin_close(a);
    } else if (header->command == PDM_COMMAND_LIST && header->direction == PDM_REQUEST) {
        take_list(a, body, PDM_REGISTRATION_HEADER + header->length);
    } else {
        errx(1, "a message that is not for secondaries");
    }
}

static void keep(struct agent *a, const uint8_t *bytes, size_t len)
{
    uint8_t *rest = NULL;

    if (len > 0) {
        rest = malloc(len);
        must(rest != NULL, "memory");
        memcpy(rest, bytes, len);
    }
    free(a->in);
    a->in = rest;
    a->in_len = len;
}

/* BYTES: all that has come and was not taken before. */
static void take_all(struct agent *a, const uint8_t *bytes, size_t len)
{
    while (len >= PDM_REGISTRATION_HEADER && a->stage != CLOSING) {
        struct pdm_registration_header header;

        must(pdm_registration_header_get(bytes, &header), "no message");
        size_t whole = PDM_REGISTRATION_HEADER + header.length;
        if (len < whole)
            break;
        struct pdm_reader body = pdm_reader(bytes + PDM_REGISTRATION_HEADER, header.length);
        take(a, &header, &body);
        bytes += whole;
        len -= whole;
    }
    keep(a, bytes, len);
}

/* Connections. */

static void start(void)
{
    struct agent *a = &agents[next_agent++ % count];
    struct sockaddr_in6 own = {.sin6_family = AF_INET6};
    const int on = 1;

    memcpy(&own.sin6_addr, a->addr, PDM_ADDR_LEN);
    a->fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (a->fd < 0 || setsockopt(a->fd, IPPROTO_IPV6, IPV6_FREEBIND, &on, sizeof on) != 0 ||
        setsockopt(a->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) != 0 ||
        setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(a->fd, (const struct sockaddr *)&own, sizeof own) != 0 ||
        (connect(a->fd, (const struct sockaddr *)&target, sizeof target) != 0 &&
         errno != EINPROGRESS))
        err(1, "connect");
    a->tls = SSL_new(ctx);
    must(a->tls != NULL && SSL_use_certificate(a->tls, a->certificate) == 1 &&
             SSL_set_fd(a->tls, a->fd) == 1,
         "TLS");
    SSL_set_connect_state(a->tls);
    a->stage = RISING;
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = a};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, a->fd, &event) != 0)
        err(1, "epoll_ctl");
    rising++;
    to_start--;
}

static void fill(void)
{
    while (to_start > 0 && rising < at_once)
        start();
}

static void end(struct agent *a)
{
    if (a->stage != CLOSING)
        errx(1, "the other end closed a connection");
    SSL_free(a->tls);
    close(a->fd);
    keep(a, NULL, 0);
    a->stage = IDLE;
    rising--;
    to_end--;
}

/* False if it must wait. */
static bool again(struct agent *a, int returned)
{
    int error = SSL_get_error(a->tls, returned);

    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return false;
    if (error == SSL_ERROR_ZERO_RETURN || a->stage == CLOSING) {
        end(a);
        return false;
    }
    ERR_print_errors_fp(stderr);
    errx(1, "connection broken: %s", errno != 0 ? strerror(errno) : "end of file");
}

static bool shake_hands(struct agent *a)
{
    int done = SSL_do_handshake(a->tls);

    if (done != 1)
        return again(a, done);
    if (mode == HANDSHAKES) {
        begin_close(a);
        return true;
    }
    a->stage = ASKED;
    ask(a);
    return true;
}

/* What has come before, and more. */
static bool read_some(struct agent *a)
{
    static uint8_t bytes[PDM_REGISTRATION_HEADER + PDM_REGISTRATION_CHANGES_MAX + READ_LEN];
    int got = SSL_read(a->tls, bytes + a->in_len, READ_LEN);

    if (got <= 0)
        return again(a, got);
    if (a->in_len > 0)
        memcpy(bytes, a->in, a->in_len);
    take_all(a, bytes, a->in_len + (size_t)got);
    return true;
}

static void step(struct agent *a)
{
    enum stage before;
    bool more = true;

    ERR_clear_error();
    errno = 0;
    while (more && a->stage != IDLE) {
        before = a->stage;
        more = a->stage == RISING ? shake_hands(a) : read_some(a);
        if (before != HELD && a->stage == HELD)
            rising--;
    }
}

static void turn(int timeout)
{
    struct epoll_event event[EVENTS];
    int got = epoll_wait(epoll, event, EVENTS, timeout);

    if (got < 0 && errno != EINTR)
        err(1, "epoll_wait");
    for (int i = 0; i < got; i++)
        if (event[i].data.ptr != NULL)
            step(event[i].data.ptr);
}

/* Until TO_END of them have come to their end. */
static void work(size_t connections)
{
    double began = now_s();

    to_start = to_end = connections;
    while (to_end > 0) {
        fill();
        turn(-1);
    }
    answer("%.6f", now_s() - began);
}

/* Commands. */

static void obey(const char *line)
{
    char *rest;
    size_t number = strtoul(line, &rest, 10);

    if (mode != HOLD && rest != line) {
        work(number);
    } else if (mode == HOLD && strcmp(line, "connect\n") == 0) {
        work(count);
    } else if (mode == HOLD && strcmp(line, "expect\n") == 0) {
        untold = count;
        puts("expecting");
        fflush(stdout);
    } else if (mode == HOLD && strcmp(line, "count\n") == 0) {
        printf("%zu %llu\n", count, (unsigned long long)list_octets);
        fflush(stdout);
    } else {
        errx(1, "unknown command: %s", line);
    }
}

/* False at the end of stdin. A line comes in one piece. */
static bool listen_to_stdin(void)
{
    char line[64];
    ssize_t got = read(STDIN_FILENO, line, sizeof line - 1);

    if (got < 0 && errno == EAGAIN)
        return true;
    if (got <= 0)
        return false;
    line[got] = '\0';
    obey(line);
    return true;
}

static void all_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        err(1, "setrlimit");
}

int main(int argc, char **argv)
{
    uint8_t prefix[PDM_ADDR_LEN];
    struct epoll_event event = {.events = EPOLLIN};

    if (argc != 8)
        errx(1, "usage: registrations MODE AGENTS AT_ONCE PREFIX CA ADDRESS PORT");
    while (mode < MODES && strcmp(argv[1], mode_names[mode]) != 0)
        mode++;
    count = strtoul(argv[2], NULL, 10);
    at_once = strtoul(argv[3], NULL, 10);
    target = (struct sockaddr_in6){.sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t)strtoul(argv[7], NULL, 10))};
    if (mode == MODES || count == 0 || at_once == 0 || at_once > count ||
        inet_pton(AF_INET6, argv[4], prefix) != 1 ||
        inet_pton(AF_INET6, argv[6], &target.sin6_addr) != 1)
        errx(1, "which of them?");
    all_descriptors();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0 || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) != 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0)
        err(1, "epoll");
    make_context();
    make_agents(argv[5], prefix);
    while (listen_to_stdin())
        turn(-1);
    return 0;
}
