/* network: see network.h. */
#include "stack/network.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/capture.h"
#include "crypto/crypto.h"
#include "stack/stack.h"
#include "stack/trace.h"

/* With a thousand connections each look at the wires brings news of many, and what the script does
 * upon them leaves in one go. No more than this goes by until the next look. */
#define NEWS_FRESH NS_PER_MS

void network_init(struct network *network, const struct network_options *options)
{
    *network = (struct network){.options = *options, .random = options->seed};
}

void network_close(struct network *network)
{
    network->closed++;
    network->refuse_fragments = false;
    while (network->stacks)
        stack_free(network->stacks);
    while (network->taps)
        tap_detach(network->taps);
    network->cookies = (struct cookie_jar){.next = 0};
}

static void queue_source(struct network *network, struct source *source)
{
    if (source->queued)
        return;
    source->queued = true;
    source->next = NULL;
    if (network->ready_last)
        network->ready_last->next = source;
    else
        network->ready_first = source;
    network->ready_last = source;
}

void source_ready(struct network *network, struct source *source)
{
    source->news = true;
    queue_source(network, source);
}

void source_held(struct network *network, struct source *source, unsigned direction)
{
    source->held |= (uint8_t)(1U << direction);
    queue_source(network, source);
}

static struct source *take_ready(struct network *network)
{
    struct source *source = network->ready_first;
    if (!source)
        return NULL;
    network->ready_first = source->next;
    if (!network->ready_first)
        network->ready_last = NULL;
    source->queued = false;
    source->next = NULL;
    return source;
}

bool network_has_news(const struct network *network)
{
    return network->ready_first && !network->clock.virtual;
}

void source_forget(struct network *network, struct source *source)
{
    if (!source->queued)
        return;
    struct source *last = NULL;
    for (struct source **at = &network->ready_first; *at;) {
        if (*at == source) {
            *at = source->next;
        } else {
            last = *at;
            at = &(*at)->next;
        }
    }
    network->ready_last = last;
    source->queued = false;
}

struct link *network_wrap(struct network *network, struct link *link, struct error *err)
{
    if (link && network->trace)
        link = link_trace(link, trace_frame, network->trace, &network->clock, err);
    if (link && network->recorder)
        link = link_record(link, network->recorder, &network->clock, err);
    return link;
}

/* splitmix64: only for runs that are to be repeated, never where a peer must not guess. */
static uint64_t seeded(struct network *network)
{
    uint64_t z = network->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

bool network_random(struct network *network, void *bytes, size_t length, struct error *err)
{
    if (!network->options.has_seed)
        return random_bytes(bytes, length, err);
    for (size_t i = 0; i < length; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)seeded(network);
    return true;
}

static bool need_secret(struct network *network, struct error *err)
{
    const uint64_t *seed = network->options.has_seed ? &network->options.seed : NULL;
    network->ready_secret = network->ready_secret || isn_secret(network->secret, seed, err);
    return network->ready_secret;
}

bool network_isn(struct network *network, const struct flow *flow, uint32_t *number,
                 struct error *err)
{
    if (!need_secret(network, err))
        return false;
    bool repeatable = network->options.has_seed || network->clock.virtual;
    int64_t clock = repeatable ? clock_now(&network->clock) : clock_boot();
    *number = isn(flow, clock, network->secret);
    return true;
}

bool network_timestamp(struct network *network, const struct flow *flow, uint32_t *offset,
                       struct error *err)
{
    const struct flow hosts = {.local = flow->local, .remote = flow->remote};
    if (!need_secret(network, err))
        return false;
    *offset = isn(&hosts, 0, network->secret);
    return true;
}

bool network_cookie(struct network *network, const struct flow *flow, struct tcp_cookie *cookie)
{
    return need_secret(network, NULL) && cookie_make(network->secret, flow, cookie);
}

/* On a virtual clock no time passes in which a slow reader of the capture could catch up. */
static void work(struct network *network, int64_t now)
{
    network->worked = now;
    network->behind = network->recorder && !capture_push(network->recorder, network->clock.virtual);
    for (struct tap *tap = network->taps; tap; tap = tap->next)
        link_push(tap->link, now);
    for (struct stack *stack = network->stacks; stack; stack = stack->next)
        stack_receive(stack, now);
    for (struct stack *stack = network->stacks; stack; stack = stack->next)
        stack_serve(stack, now);
}

void network_work(struct network *network)
{
    work(network, clock_now(&network->clock));
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When something is due that no descriptor announces. */
static int64_t next_due(struct network *network, int64_t now)
{
    int64_t when = network->behind ? now + 10 * NS_PER_MS : TIME_NEVER;
    for (struct stack *stack = network->stacks; stack; stack = stack->next)
        when = earlier(when, stack_deadline(stack));
    for (struct tap *tap = network->taps; tap; tap = tap->next)
        when = earlier(when, tap->waiting ? link_deadline(tap->link) : link_push(tap->link, 0));
    return when;
}

static void wake_taps(struct network *network, int64_t now)
{
    for (struct tap *tap = network->taps; tap; tap = tap->next)
        if (tap->waiting && link_deadline(tap->link) <= now) {
            tap->waiting = false;
            source_ready(network, &tap->source);
        }
}

/* Sleeps until a descriptor is readable or the clock reaches `when`. */
static void sleep_until(struct network *network, int64_t when)
{
    struct pollfd fixed[32], *fds = fixed;
    size_t room = sizeof fixed / sizeof fixed[0], used = 0, wanted = 0;
    for (struct stack *stack = network->stacks; stack; stack = stack->next)
        wanted += LINK_FDS;
    for (struct tap *tap = network->taps; tap; tap = tap->next)
        wanted += LINK_FDS;
    for (struct input *input = network->inputs; input; input = input->next)
        wanted++;
    if (wanted > room && (fds = malloc(wanted * sizeof *fds)) == NULL)
        fds = fixed; /* then some are looked at only when a timer wakes us */
    else if (wanted > room)
        room = wanted;
    int some[LINK_FDS];
    for (struct stack *stack = network->stacks; stack && used + LINK_FDS <= room;
         stack = stack->next)
        for (int i = 0, n = stack->dead ? 0 : link_fds(stack->link, some); i < n; i++)
            fds[used++] = (struct pollfd){.fd = some[i], .events = POLLIN};
    size_t first_tap = used;
    for (struct tap *tap = network->taps; tap && used + LINK_FDS <= room; tap = tap->next)
        for (int i = 0, n = tap->waiting ? link_fds(tap->link, some) : 0; i < n; i++)
            fds[used++] = (struct pollfd){.fd = some[i], .events = POLLIN};
    for (struct input *input = network->inputs; input && used < room; input = input->next)
        if (input->waiting)
            fds[used++] =
                (struct pollfd){.fd = input->fd, .events = input->writes ? POLLOUT : POLLIN};

    int64_t wait = when == TIME_NEVER ? 3600 * NS_PER_S : when - clock_now(&network->clock);
    if (wait < 0)
        wait = 0;
    struct timespec t = {.tv_sec = wait / NS_PER_S, .tv_nsec = wait % NS_PER_S};
    sigset_t all, old;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old); /* so that a signal cannot slip in before the sleep */
    if (!network->options.interrupted || !*network->options.interrupted)
        if (ppoll(fds, used, &t, &old) > 0) {
            size_t at = first_tap;
            for (struct tap *tap = network->taps; tap; tap = tap->next) {
                bool readable = false;
                for (int i = 0, n = tap->waiting ? link_fds(tap->link, some) : 0;
                     i < n && at < used; i++)
                    readable |= fds[at++].revents != 0;
                if (readable) {
                    tap->waiting = false;
                    source_ready(network, &tap->source);
                }
            }
            for (struct input *input = network->inputs; input && at < used; input = input->next)
                if (input->waiting && fds[at++].revents) {
                    input->waiting = false;
                    source_ready(network, &input->source);
                }
        }
    sigprocmask(SIG_SETMASK, &old, NULL);
    if (fds != fixed)
        free(fds);
}

void network_late(struct network *network, int64_t due, int64_t now)
{
    if (now - due > network->lateness)
        network->lateness = now - due;
}

enum poll_result network_poll(struct network *network, int64_t deadline, struct source **source)
{
    bool looked = network->clock.virtual;
    for (;;) {
        if (network->options.interrupted && *network->options.interrupted)
            return POLL_INTERRUPTED;
        int64_t now = clock_now(&network->clock);
        if (!network_has_news(network) || now - network->worked >= NEWS_FRESH) {
            work(network, now);
            wake_taps(network, now);
        }
        if ((*source = take_ready(network)) != NULL)
            return POLL_SOURCE;
        if (now >= deadline) {
            if (looked)
                return POLL_TIMEOUT;
            looked = true; /* whoever asks again and again leaves no time, and must not keep what */
            sleep_until(network, now); /* comes by descriptors from those who wait for it */
            continue;
        }
        int64_t when = earlier(deadline, next_due(network, now));
        if (!network->clock.virtual) {
            network_late(network, when, now);
            if (when > now) {
                sleep_until(network, when);
                network_late(network, when, clock_now(&network->clock)); /* overslept */
            }
        } else if (when == TIME_NEVER) {
            return POLL_STALLED;
        } else {
            clock_advance(&network->clock, when);
        }
    }
}

struct tap *tap_new(struct network *network, struct link *link)
{
    struct tap *tap = calloc(1, sizeof *tap);
    if (!tap) {
        link_close(link);
        return NULL;
    }
    *tap = (struct tap){
        .source.kind = SOURCE_TAP, .network = network, .link = link, .next = network->taps};
    network->taps = tap;
    return tap;
}

/* Takes the tap out of the network. */
static void tap_remove(struct tap *tap)
{
    struct tap **at = &tap->network->taps;
    while (*at && *at != tap)
        at = &(*at)->next;
    if (*at)
        *at = tap->next;
    source_forget(tap->network, &tap->source);
}

struct link *tap_release(struct tap *tap)
{
    struct link *link = tap->link;
    tap_remove(tap);
    free(tap);
    return link;
}

void tap_detach(struct tap *tap)
{
    tap_remove(tap);
    link_close(tap->link);
    tap->link = NULL;
}

void tap_free(struct tap *tap)
{
    link_close(tap_release(tap));
}

struct input *input_new(struct network *network, int fd, bool writes)
{
    struct input *input = calloc(1, sizeof *input);
    if (!input)
        return NULL;
    *input = (struct input){.source.kind = SOURCE_INPUT,
                            .network = network,
                            .fd = fd,
                            .writes = writes,
                            .next = network->inputs};
    network->inputs = input;
    return input;
}

void input_free(struct input *input)
{
    struct input **at = &input->network->inputs;
    while (*at != input)
        at = &(*at)->next;
    *at = input->next;
    source_forget(input->network, &input->source);
    free(input);
}

ptrdiff_t input_read(struct input *input, void *bytes, size_t length, struct error *err)
{
    struct pollfd ready = {.fd = input->fd, .events = POLLIN};
    if (poll(&ready, 1, 0) <= 0)
        return 0;
    ssize_t got = read(input->fd, bytes, length);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got < 0) {
        fail_errno(err, errno, "cannot read the input");
        return -2;
    }
    return got == 0 ? -1 : got;
}

ptrdiff_t input_write(struct input *input, const void *bytes, size_t length, struct error *err)
{
    ssize_t put = write(input->fd, bytes, length);
    if (put < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (put < 0)
        fail_errno(err, errno, "cannot write the output");
    return put;
}
