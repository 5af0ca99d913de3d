/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The event loop of curl's transfers. Not curl_multi_poll(): its milliseconds are too coarse for a
 * schedule, and it looks at every connection each time.
 */
#include "cli/pdmperf/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

#include "cli/clock.h"
#include "cli/wait.h"
#include "core/limits.h"

enum { EVENTS_AT_ONCE = 64 };

/* KNOWN is not NULL for a socket that epoll has already. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *known)
{
    struct loop *loop = context;
    struct epoll_event event = {.data.fd = fd};

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        (void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, fd, NULL);
        (void)curl_multi_assign(loop->multi, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        event.events |= EPOLLOUT;
    (void)curl_multi_assign(loop->multi, fd, loop);
    return epoll_ctl(loop->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
}

static int on_timer(CURLM *multi, long milliseconds, void *context)
{
    struct loop *loop = context;

    (void)multi;
    loop->timer =
        milliseconds < 0 ? WAIT_FOREVER : clock_monotonic() + milliseconds * PDM_NSEC_PER_MSEC;
    return 0;
}

bool loop_open(struct loop *loop, CURLM *multi)
{
    *loop = (struct loop){.multi = multi, .timer = WAIT_FOREVER};
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    return loop->epoll >= 0 &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, loop) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, loop) == CURLM_OK;
}

/*
 * The sockets that are ready. epoll_pwait2(), which alone would wait to the nanosecond too, is not
 * everywhere.
 */
static int wait_until(const struct loop *loop, int64_t until, struct epoll_event *events)
{
    struct pollfd any = {.fd = loop->epoll, .events = POLLIN};

    if (wait_ready(&any, 1, until) <= 0)
        return 0;
    return epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, 0);
}

/* Of an error alone none: curl looks for itself. */
static int bits_of(uint32_t events)
{
    int bits = 0;

    if (events & EPOLLIN)
        bits |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        bits |= CURL_CSELECT_OUT;
    return bits;
}

void loop_turn(struct loop *loop, int64_t until)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int running = 0;
    int n = wait_until(loop, loop->timer < until ? loop->timer : until, events);

    for (int i = 0; i < n; i++)
        (void)curl_multi_socket_action(loop->multi, events[i].data.fd, bits_of(events[i].events),
                                       &running);
    if (loop->timer <= clock_monotonic()) {
        loop->timer = WAIT_FOREVER; /* curl sets it anew */
        (void)curl_multi_socket_action(loop->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

void loop_close(struct loop *loop)
{
    if (loop->epoll >= 0)
        (void)close(loop->epoll);
}
