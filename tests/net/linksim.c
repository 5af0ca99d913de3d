/* SPDX-License-Identifier: BSD-2-Clause */
/* The link between two network namespaces, with faults that are set, counted and repeatable.
 *
 *   linksim [--seed N] NETNS_A NETNS_B CONTROL   be the link: a TUN device pdm0 in each namespace
 *   linksim --ctl CONTROL COMMAND...             send a command to a running link, print the answer
 *
 * Commands, with DIR one of up (A to B), down (B to A), both:
 *   set DIR NAME=VALUE...   delay=TIME  loss=%  duplicate=%  corrupt=%  corrupt-option=%
 *                           reorder=%  hold=TIME  replay=%  replay-after=TIME  drop-exthdr=on|off
 *   stats                   the counters, one `name value` a line; printed on SIGINT, SIGTERM too
 *   reset                   the counters to zero
 * TIME is a whole number with a unit: ns, us, ms or s. A percentage may have a fraction.
 *
 * The link keeps order: a packet leaves after those that entered before it, unless it is picked
 * for reordering, which holds it back for the time `hold`. `corrupt` flips a bit of the upper
 * layer, `corrupt-option` one of the data of a destination option, which no checksum covers.
 * A copy (duplicate, replay) meets no further fault. Link-local and multicast packets, the noise
 * that every interface makes, pass at once, untouched and uncounted.
 *
 * Counters are per direction and once more, with the suffix _opt, for packets that carry a
 * Destination Options header: entered = lost + dropped_exthdr + overflowed + pending +
 * write_failed + forwarded - duplicated - replayed. `reordered` counts packets that left after
 * one that entered later, which is what a receiver sees (RFC 4737 section 3); `held` the picked. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    PACKET_MAX = 65535,
    QUEUE_MAX = 131072, /* packets under way, both directions */
    BATCH = 64,         /* packets read or written before the other side gets its turn */
    TX_QUEUE_LEN = 10000,
    COMMAND_MAX = 1024,
    STATS_MAX = 8192,
    EXT_HEADERS_MAX = 16,
    REALTIME_PRIORITY = 10,
    REPLY_SECONDS = 2,
    LATE_NS = 100000,
    SPIN_NS = 60000,    /* a CPU that slept takes about that long to wake */
    SPARSE_NS = 500000, /* packets farther apart than this find the CPU asleep */
    EXIT_USAGE = 2,
};
#define NS_PER_S INT64_C(1000000000)
#define TIME_MAX_NS (3600 * NS_PER_S)
#define CERTAIN (UINT64_C(1) << 32) /* the threshold of 100% */
#define DEVICE "pdm0"

enum { IPV6_HEADER = 40, IPV6_NEXT = 6, IPV6_SRC = 8, IPV6_DST = 24, FRAGMENT_HEADER = 8 };
enum {
    NEXT_HOPOPTS = 0,
    NEXT_ROUTING = 43,
    NEXT_FRAGMENT = 44,
    NEXT_AH = 51,
    NEXT_DSTOPTS = 60,
    NEXT_MOBILITY = 135,
    NEXT_HIP = 139,
    NEXT_SHIM6 = 140,
};
enum { OPTION_PAD1 = 0, OPTION_PADN = 1 };

enum fault { LOSS, DUPLICATE, CORRUPT, CORRUPT_OPTION, REORDER, REPLAY, FAULTS };
enum span { DELAY, HOLD, REPLAY_AFTER, SPANS };
enum direction { UP, DOWN, DIRECTIONS };
enum counter {
    ENTERED,
    FORWARDED,
    LOST,
    HELD,
    REORDERED,
    DUPLICATED,
    CORRUPTED,
    CORRUPTED_OPTION,
    REPLAYED,
    DROPPED_EXTHDR,
    OVERFLOWED,
    WRITE_FAILED,
    COUNTERS
};

static const char *const fault_names[FAULTS] = {
    "loss", "duplicate", "corrupt", "corrupt-option", "reorder", "replay",
};
static const char *const span_names[SPANS] = {"delay", "hold", "replay-after"};
static const char *const direction_names[DIRECTIONS] = {"up", "down"};
static const char *const counter_names[COUNTERS] = {
    "entered",   "forwarded",        "lost",     "held",           "reordered",  "duplicated",
    "corrupted", "corrupted_option", "replayed", "dropped_exthdr", "overflowed", "write_failed",
};

struct settings {
    uint64_t chance[FAULTS]; /* of CERTAIN */
    int64_t span[SPANS];
    bool drop_exthdr;
};

struct lane {
    int in;
    int out;
    struct settings set;
    uint64_t entered;     /* the number of the next packet, from which its luck is drawn */
    int64_t last_due;     /* of the packets that keep order */
    uint64_t last_out[2]; /* highest number that has left: of all, of those with options */
    uint64_t counter[2][COUNTERS];
    uint64_t pending[2];
    uint64_t late_count;
    int64_t late_sum;
    int64_t late_max;
    uint64_t late_over;
};

struct tag {
    int64_t due;
    uint64_t number;
    bool has_opt;
    bool copy;
};

struct parcel {
    struct tag tag;
    uint64_t order; /* breaks ties: first queued, first out */
    enum direction dir;
    size_t len;
    uint8_t octets[];
};

struct link {
    struct lane lane[DIRECTIONS];
    struct parcel *queue[QUEUE_MAX]; /* a binary heap by (due, order) */
    size_t queued;
    uint64_t order;
    int64_t last_delivery;
    uint64_t seed;
    bool realtime;
    int control;
    int signals;
};

/* What the header chain of a packet shows. An offset of 0 stands for none. */
struct chain {
    bool ipv6;
    bool noise; /* link-local or multicast */
    bool has_ext;
    size_t dstopts;
    size_t dstopts_len;
    size_t upper;
};

static _Noreturn void die(const char *what)
{
    (void)fprintf(stderr, "linksim: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* --- packets --- */

static bool is_extension(uint8_t next)
{
    switch (next) {
    case NEXT_HOPOPTS:
    case NEXT_ROUTING:
    case NEXT_FRAGMENT:
    case NEXT_AH:
    case NEXT_DSTOPTS:
    case NEXT_MOBILITY:
    case NEXT_HIP:
    case NEXT_SHIM6:
        return true;
    default:
        return false;
    }
}

static size_t extension_len(uint8_t kind, uint8_t len_octet)
{
    if (kind == NEXT_FRAGMENT) {
        return FRAGMENT_HEADER;
    }
    if (kind == NEXT_AH) {
        return ((size_t)len_octet + 2) * 4; /* RFC 4302 section 2.2 counts in other units */
    }
    return ((size_t)len_octet + 1) * 8;
}

static bool is_link_local(const uint8_t *addr)
{
    return addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80;
}

static struct chain walk(const uint8_t *p, size_t len)
{
    struct chain c = {0};
    if (len < IPV6_HEADER || p[0] >> 4 != 6) {
        return c;
    }
    c.ipv6 = true;
    c.noise = is_link_local(p + IPV6_SRC) || is_link_local(p + IPV6_DST) || p[IPV6_DST] == 0xff;
    uint8_t next = p[IPV6_NEXT];
    size_t at = IPV6_HEADER;
    for (int i = 0; i < EXT_HEADERS_MAX && is_extension(next); i++) {
        c.has_ext = true;
        if (len - at < FRAGMENT_HEADER) {
            return c;
        }
        size_t size = extension_len(next, p[at + 1]);
        if (size > len - at) {
            return c;
        }
        if (next == NEXT_DSTOPTS && c.dstopts == 0) {
            c.dstopts = at;
            c.dstopts_len = size;
        }
        /* What follows the first header of a later fragment is data (RFC 8200 section 4.5). */
        bool later_fragment = next == NEXT_FRAGMENT && ((p[at + 2] << 8 | p[at + 3]) & ~7) != 0;
        next = p[at];
        at += size;
        if (later_fragment) {
            break;
        }
    }
    c.upper = at;
    return c;
}

/* The data of the first option that is no padding; its length, 0 if there is none. */
static size_t option_data(const uint8_t *p, const struct chain *c, size_t *offset)
{
    size_t at = c->dstopts + 2;
    size_t end = c->dstopts + c->dstopts_len;
    while (c->dstopts != 0 && at < end) {
        if (p[at] == OPTION_PAD1) {
            at++;
            continue;
        }
        if (end - at < 2 || p[at + 1] > end - at - 2) {
            return 0;
        }
        if (p[at] != OPTION_PADN) {
            *offset = at + 2;
            return p[at + 1];
        }
        at += 2 + (size_t)p[at + 1];
    }
    return 0;
}

static bool flip_bit(uint8_t *p, size_t offset, size_t len, uint64_t luck)
{
    if (len == 0) {
        return false;
    }
    uint64_t bit = luck % (len * 8);
    p[offset + bit / 8] ^= (uint8_t)(1U << (bit % 8));
    return true;
}

/* --- queue --- */

static bool sooner(const struct parcel *a, const struct parcel *b)
{
    return a->tag.due != b->tag.due ? a->tag.due < b->tag.due : a->order < b->order;
}

static void queue_put(struct link *l, struct parcel *parcel)
{
    size_t i = l->queued++;
    while (i > 0 && sooner(parcel, l->queue[(i - 1) / 2])) {
        l->queue[i] = l->queue[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    l->queue[i] = parcel;
}

static struct parcel *queue_take(struct link *l)
{
    struct parcel *top = l->queue[0];
    struct parcel *last = l->queue[--l->queued];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->queued) {
            break;
        }
        if (child + 1 < l->queued && sooner(l->queue[child + 1], l->queue[child])) {
            child++;
        }
        if (!sooner(l->queue[child], last)) {
            break;
        }
        l->queue[i] = l->queue[child];
        i = child;
    }
    l->queue[i] = last;
    return top;
}

/* --- the link --- */

static void count(struct lane *lane, bool has_opt, enum counter which)
{
    lane->counter[0][which]++;
    if (has_opt) {
        lane->counter[1][which]++;
    }
}

static bool enqueue(struct link *l, enum direction dir, const uint8_t *octets, size_t len,
                    struct tag tag)
{
    struct lane *lane = &l->lane[dir];
    struct parcel *parcel = l->queued < QUEUE_MAX ? malloc(sizeof(*parcel) + len) : NULL;
    if (parcel == NULL) {
        return false;
    }
    parcel->tag = tag;
    parcel->order = l->order++;
    parcel->dir = dir;
    parcel->len = len;
    memcpy(parcel->octets, octets, len);
    queue_put(l, parcel);
    lane->pending[0]++;
    lane->pending[1] += tag.has_opt;
    return true;
}

/* splitmix64: what befalls packet N depends on the seed, the direction and N alone. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void corrupt(struct lane *lane, const bool *befalls, const struct chain *c, uint8_t *p,
                    size_t len, uint64_t luck)
{
    size_t offset = 0;
    if (befalls[CORRUPT_OPTION]) {
        size_t data = option_data(p, c, &offset);
        if (flip_bit(p, offset, data, luck)) {
            count(lane, true, CORRUPTED_OPTION);
        }
    }
    if (befalls[CORRUPT] && c->upper != 0 && flip_bit(p, c->upper, len - c->upper, luck >> 16)) {
        count(lane, c->dstopts != 0, CORRUPTED);
    }
}

static void send_through(struct link *l, enum direction dir, uint8_t *p, size_t len,
                         const struct chain *c)
{
    struct lane *lane = &l->lane[dir];
    const struct settings *set = &lane->set;
    struct tag tag = {.number = ++lane->entered, .has_opt = c->dstopts != 0};
    uint64_t state = l->seed ^ ((uint64_t)dir + 1) << 56;
    state += tag.number * UINT64_C(0xd1342543de82ef95);
    bool befalls[FAULTS];
    for (size_t i = 0; i < FAULTS; i++) {
        befalls[i] = draw(&state) >> 32 < set->chance[i];
    }

    count(lane, tag.has_opt, ENTERED);
    if (set->drop_exthdr && c->has_ext) {
        count(lane, tag.has_opt, DROPPED_EXTHDR);
        return;
    }
    if (befalls[LOSS]) {
        count(lane, tag.has_opt, LOST);
        return;
    }
    tag.due = now_ns() + set->span[DELAY];
    if (tag.due < lane->last_due) {
        tag.due = lane->last_due;
    }
    if (befalls[REORDER]) {
        count(lane, tag.has_opt, HELD);
        tag.due += set->span[HOLD];
    } else {
        lane->last_due = tag.due;
    }
    corrupt(lane, befalls, c, p, len, draw(&state));
    if (!enqueue(l, dir, p, len, tag)) {
        count(lane, tag.has_opt, OVERFLOWED);
        return;
    }
    tag.copy = true;
    if (befalls[DUPLICATE] && enqueue(l, dir, p, len, tag)) {
        count(lane, tag.has_opt, DUPLICATED);
    }
    tag.due += set->span[REPLAY_AFTER];
    if (befalls[REPLAY] && enqueue(l, dir, p, len, tag)) {
        count(lane, tag.has_opt, REPLAYED);
    }
}

/* True if the packet left after one that entered later, among all and among those with options. */
static void note_order(struct lane *lane, const struct parcel *parcel)
{
    if (parcel->tag.copy) {
        return;
    }
    int kinds = parcel->tag.has_opt ? 2 : 1;
    for (int i = 0; i < kinds; i++) {
        if (parcel->tag.number < lane->last_out[i]) {
            lane->counter[i][REORDERED]++;
        } else {
            lane->last_out[i] = parcel->tag.number;
        }
    }
}

static void note_lateness(struct lane *lane, int64_t late)
{
    lane->late_count++;
    lane->late_sum += late;
    lane->late_over += late > LATE_NS;
    if (late > lane->late_max) {
        lane->late_max = late;
    }
}

static void deliver(struct link *l)
{
    for (int i = 0; i < BATCH && l->queued > 0; i++) {
        int64_t now = now_ns();
        if (l->queue[0]->tag.due > now) {
            return;
        }
        struct parcel *parcel = queue_take(l);
        l->last_delivery = now;
        struct lane *lane = &l->lane[parcel->dir];
        lane->pending[0]--;
        lane->pending[1] -= parcel->tag.has_opt;
        if (write(lane->out, parcel->octets, parcel->len) == (ssize_t)parcel->len) {
            count(lane, parcel->tag.has_opt, FORWARDED);
            note_order(lane, parcel);
            note_lateness(lane, now - parcel->tag.due);
        } else {
            count(lane, parcel->tag.has_opt, WRITE_FAILED);
        }
        free(parcel);
    }
}

/* False when the device is gone. */
static bool receive(struct link *l, enum direction dir)
{
    static uint8_t octets[PACKET_MAX];
    struct lane *lane = &l->lane[dir];
    for (int i = 0; i < BATCH; i++) {
        ssize_t n = read(lane->in, octets, sizeof(octets));
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        struct chain c = walk(octets, (size_t)n);
        if (c.noise) {
            (void)!write(lane->out, octets, (size_t)n);
        } else if (c.ipv6) {
            send_through(l, dir, octets, (size_t)n, &c);
        }
    }
    return true;
}

/* --- control --- */

struct text {
    char buf[STATS_MAX];
    size_t len;
};

static __attribute__((format(printf, 2, 3))) void say(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->buf + t->len, sizeof(t->buf) - t->len, format, args);
    va_end(args);
    if (n > 0 && (size_t)n < sizeof(t->buf) - t->len) {
        t->len += (size_t)n;
    }
}

static void say_lane(struct text *t, const char *name, const struct lane *lane)
{
    static const char *const suffix[2] = {"", "_opt"};
    for (size_t opt = 0; opt < 2; opt++) {
        for (size_t i = 0; i < COUNTERS; i++) {
            say(t, "%s_%s%s %" PRIu64 "\n", name, counter_names[i], suffix[opt],
                lane->counter[opt][i]);
        }
        say(t, "%s_pending%s %" PRIu64 "\n", name, suffix[opt], lane->pending[opt]);
    }
    int64_t mean = lane->late_count ? lane->late_sum / (int64_t)lane->late_count : 0;
    say(t, "%s_late_mean_ns %" PRId64 "\n", name, mean);
    say(t, "%s_late_max_ns %" PRId64 "\n", name, lane->late_max);
    say(t, "%s_late_over_100us %" PRIu64 "\n", name, lane->late_over);
}

static void say_stats(struct text *t, const struct link *l)
{
    for (size_t i = 0; i < DIRECTIONS; i++) {
        say_lane(t, direction_names[i], &l->lane[i]);
    }
    say(t, "realtime %d\n", l->realtime);
}

static void reset(struct link *l)
{
    for (size_t i = 0; i < DIRECTIONS; i++) {
        struct lane *lane = &l->lane[i];
        memset(lane->counter, 0, sizeof(lane->counter));
        lane->late_count = 0;
        lane->late_sum = 0;
        lane->late_max = 0;
        lane->late_over = 0;
    }
}

static bool parse_time(const char *text, int64_t *ns)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", NS_PER_S}};
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || errno != 0 || n < 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (strcmp(end, units[i].unit) == 0 && n <= TIME_MAX_NS / units[i].ns) {
            *ns = n * units[i].ns;
            return true;
        }
    }
    return false;
}

static bool parse_chance(const char *text, uint64_t *chance)
{
    char *end;
    double percent = strtod(text, &end);
    if (end == text || (*end != '\0' && strcmp(end, "%") != 0) || !(percent >= 0) ||
        !(percent <= 100)) {
        return false;
    }
    *chance = (uint64_t)(percent / 100 * (double)CERTAIN);
    return true;
}

static bool parse_setting(struct settings *set, const char *name, const char *value)
{
    for (size_t i = 0; i < FAULTS; i++) {
        if (strcmp(name, fault_names[i]) == 0) {
            return parse_chance(value, &set->chance[i]);
        }
    }
    for (size_t i = 0; i < SPANS; i++) {
        if (strcmp(name, span_names[i]) == 0) {
            return parse_time(value, &set->span[i]);
        }
    }
    if (strcmp(name, "drop-exthdr") == 0) {
        set->drop_exthdr = strcmp(value, "on") == 0;
        return set->drop_exthdr || strcmp(value, "off") == 0;
    }
    return false;
}

/* All of a command's settings take hold, or none. */
static void do_set(struct link *l, char *words, struct text *answer)
{
    char *rest = NULL;
    const char *where = strtok_r(words, " \n", &rest);
    bool chosen[DIRECTIONS];
    bool any = false;
    struct settings set[DIRECTIONS];
    for (size_t i = 0; i < DIRECTIONS; i++) {
        chosen[i] =
            where != NULL && (strcmp(where, "both") == 0 || strcmp(where, direction_names[i]) == 0);
        any = any || chosen[i];
        set[i] = l->lane[i].set;
    }
    if (!any) {
        say(answer, "error: set up|down|both NAME=VALUE...\n");
        return;
    }
    for (char *word; (word = strtok_r(NULL, " \n", &rest)) != NULL;) {
        char *value = strchr(word, '=');
        if (value == NULL) {
            say(answer, "error: %s: no value\n", word);
            return;
        }
        *value++ = '\0';
        for (size_t i = 0; i < DIRECTIONS; i++) {
            if (chosen[i] && !parse_setting(&set[i], word, value)) {
                say(answer, "error: %s=%s: unknown name or bad value\n", word, value);
                return;
            }
        }
    }
    for (size_t i = 0; i < DIRECTIONS; i++) {
        l->lane[i].set = set[i];
    }
    say(answer, "ok\n");
}

static void do_command(struct link *l, char *command, struct text *answer)
{
    char *rest = NULL;
    const char *verb = strtok_r(command, " \n", &rest);
    if (verb != NULL && strcmp(verb, "set") == 0) {
        do_set(l, rest, answer);
    } else if (verb != NULL && strcmp(verb, "stats") == 0) {
        say_stats(answer, l);
    } else if (verb != NULL && strcmp(verb, "reset") == 0) {
        reset(l);
        say(answer, "ok\n");
    } else {
        say(answer, "error: set, stats or reset\n");
    }
}

static void serve_control(struct link *l)
{
    static struct text answer;
    char command[COMMAND_MAX];
    struct sockaddr_un from;
    socklen_t from_len = sizeof(from);
    ssize_t n =
        recvfrom(l->control, command, sizeof(command) - 1, 0, (struct sockaddr *)&from, &from_len);
    if (n < 0) {
        return;
    }
    command[n] = '\0';
    answer.len = 0;
    do_command(l, command, &answer);
    if (from_len > sizeof(sa_family_t)) {
        (void)sendto(l->control, answer.buf, answer.len, 0, (struct sockaddr *)&from, from_len);
    }
}

/* --- start and end --- */

static struct sockaddr_un control_address(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    if (len >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        die(path);
    }
    memcpy(addr.sun_path, path, len + 1);
    return addr;
}

static int control_open(const char *path)
{
    struct sockaddr_un addr = control_address(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0) {
        die(path);
    }
    return fd;
}

static int signals_open(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        die("signalfd");
    }
    return fd;
}

/* The queue is long so that a burst waits for us instead of being lost, uncounted, before us. */
static void set_queue_len(void)
{
    struct ifreq ifr = {.ifr_qlen = TX_QUEUE_LEN};
    (void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", DEVICE);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFTXQLEN, &ifr) != 0) {
        die("SIOCSIFTXQLEN");
    }
    (void)close(fd);
}

static int tun_open(const char *netns)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "/run/netns/%s", netns);
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int away = open(path, O_RDONLY | O_CLOEXEC);
    if (home < 0 || away < 0 || setns(away, CLONE_NEWNET) != 0) {
        die(path);
    }
    struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    (void)snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", DEVICE);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0) {
        die("/dev/net/tun");
    }
    set_queue_len();
    if (setns(home, CLONE_NEWNET) != 0) {
        die("setns");
    }
    (void)close(home);
    (void)close(away);
    return fd;
}

/* To wake when due: no timer slack, and ahead of ordinary processes where that is allowed. */
static bool be_punctual(void)
{
    const struct sched_param param = {.sched_priority = REALTIME_PRIORITY};
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    return sched_setscheduler(0, SCHED_FIFO, &param) == 0;
}

/* How long to sleep. Before a packet that follows a pause, the last SPIN_NS are spent awake; in
 * dense traffic that would take a whole CPU, and the kernel stops real-time processes that do. */
static struct timespec time_left(const struct link *l)
{
    int64_t left = NS_PER_S;
    if (l->queued > 0) {
        int64_t due = l->queue[0]->tag.due;
        left = due - now_ns();
        if (due - l->last_delivery > SPARSE_NS) {
            left -= SPIN_NS;
        }
    }
    if (left < 0) {
        left = 0;
    }
    return (struct timespec){.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
}

static int run(struct link *l)
{
    struct pollfd fds[] = {
        {.fd = l->lane[UP].in, .events = POLLIN},
        {.fd = l->lane[DOWN].in, .events = POLLIN},
        {.fd = l->control, .events = POLLIN},
        {.fd = l->signals, .events = POLLIN},
    };
    for (;;) {
        deliver(l);
        struct timespec left = time_left(l);
        if (ppoll(fds, sizeof(fds) / sizeof(fds[0]), &left, NULL) <= 0) {
            continue;
        }
        if (fds[3].revents) {
            return 0;
        }
        if (fds[2].revents) {
            serve_control(l);
        }
        for (int dir = UP; dir < DIRECTIONS; dir++) {
            if (fds[dir].revents && !receive(l, (enum direction)dir)) {
                (void)fprintf(stderr, "linksim: %s: the device is gone\n", direction_names[dir]);
                return 1;
            }
        }
    }
}

static int be_link(char **names, uint64_t seed)
{
    static struct link l;
    static struct text stats;
    l.seed = seed;
    l.lane[UP].in = tun_open(names[0]);
    l.lane[DOWN].in = tun_open(names[1]);
    l.lane[UP].out = l.lane[DOWN].in;
    l.lane[DOWN].out = l.lane[UP].in;
    l.signals = signals_open();
    l.control = control_open(names[2]);
    l.realtime = be_punctual();
    int status = run(&l);
    (void)unlink(names[2]);
    say_stats(&stats, &l);
    (void)fputs(stats.buf, stdout);
    while (l.queued > 0) {
        free(queue_take(&l));
    }
    return status;
}

static int send_command(const char *path, char **words)
{
    char command[COMMAND_MAX] = "";
    size_t len = 0;
    for (; *words != NULL; words++) {
        int n = snprintf(command + len, sizeof(command) - len, "%s ", *words);
        if (n < 0 || (size_t)n >= sizeof(command) - len) {
            errno = E2BIG;
            die("command");
        }
        len += (size_t)n;
    }
    struct sockaddr_un addr = control_address(path);
    const struct sockaddr_un any = {.sun_family = AF_UNIX};
    const struct timeval wait = {.tv_sec = REPLY_SECONDS};
    char answer[STATS_MAX];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(sa_family_t)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        connect(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || send(fd, command, len, 0) < 0) {
        die(path);
    }
    ssize_t n = recv(fd, answer, sizeof(answer), 0);
    if (n < 0) {
        die(path);
    }
    (void)close(fd);
    bool failed = n >= 5 && memcmp(answer, "error", 5) == 0;
    (void)fwrite(answer, 1, (size_t)n, failed ? stderr : stdout);
    return failed;
}

static int usage(void)
{
    (void)fputs("usage: linksim [--seed N] NETNS_A NETNS_B CONTROL\n"
                "       linksim --ctl CONTROL COMMAND...\n",
                stderr);
    return EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'},
        {"ctl", required_argument, NULL, 'c'},
        {0},
    };
    const char *control = NULL;
    uint64_t seed = 1;
    for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
        char *end = NULL;
        if (c == 'c') {
            control = optarg;
        } else if (c == 's') {
            seed = strtoull(optarg, &end, 0);
        }
        if (c == '?' || (end != NULL && (*end != '\0' || end == optarg))) {
            return usage();
        }
    }
    if (control != NULL && optind < argc) {
        return send_command(control, argv + optind);
    }
    if (control != NULL || argc - optind != 3) {
        return usage();
    }
    return be_link(argv + optind, seed);
}
