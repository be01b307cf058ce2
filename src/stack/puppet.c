/* puppet: see puppet.h. */
#include "stack/puppet.h"

#include <stdlib.h>
#include <string.h>

#include "stack/demux.h"
#include "stack/outlet.h"
#include "stack/stack.h"

struct puppet *puppet_of(struct endpoint *endpoint)
{
    if (endpoint->puppet || !endpoint->stack)
        return endpoint->puppet;
    struct puppet *puppet = calloc(1, sizeof *puppet);
    if (!puppet)
        return NULL;
    puppet->endpoint = endpoint;
    puppet->outlet = (struct outlet){.network = endpoint->stack->network, .own = endpoint->stack};
    puppet->next = endpoint->stack->puppets;
    endpoint->stack->puppets = puppet;
    endpoint->puppet = puppet;
    return puppet;
}

void puppet_detach(struct puppet *puppet)
{
    struct puppet **at = &puppet->endpoint->stack->puppets;
    while (*at != puppet)
        at = &(*at)->next;
    *at = puppet->next;
}

static void clear(struct puppet *puppet, struct puppet_queue *queue)
{
    for (struct puppet_datagram *d; (d = puppet_take(puppet, queue)) != NULL;)
        free(d);
}

void puppet_free(struct puppet *puppet)
{
    if (!puppet)
        return;
    clear(puppet, &puppet->held[DIRECTION_OUT]);
    clear(puppet, &puppet->held[DIRECTION_IN]);
    clear(puppet, &puppet->seen);
    free(puppet);
}

/* --- queues -------------------------------------------------------------------------------------
 */

static void put(struct puppet *puppet, struct puppet_queue *queue, enum direction direction,
                const uint8_t *bytes, size_t length, int64_t time)
{
    struct puppet_datagram *d = NULL;
    if (puppet->waiting + length <= PUPPET_LIMIT)
        d = malloc(sizeof *d + length);
    if (!d) {
        puppet->dropped++;
        return;
    }
    d->next = NULL;
    d->time = time;
    d->direction = direction;
    d->state = tcp_state(puppet->endpoint->tcp);
    d->length = length;
    memcpy(d->bytes, bytes, length);
    if (queue->last)
        queue->last->next = d;
    else
        queue->first = d;
    queue->last = d;
    if (queue == &puppet->seen)
        puppet->arrived = direction == DIRECTION_IN ? d : NULL;
    puppet->waiting += length;
    struct endpoint *endpoint = puppet->endpoint;
    if (queue == &puppet->seen)
        source_ready(endpoint->stack->network, &endpoint->source);
    else
        source_held(endpoint->stack->network, &endpoint->source, direction);
}

struct puppet_datagram *puppet_take(struct puppet *puppet, struct puppet_queue *queue)
{
    struct puppet_datagram *d = queue->first;
    if (!d)
        return NULL;
    queue->first = d->next;
    if (!queue->first)
        queue->last = NULL;
    if (d == puppet->arrived)
        puppet->arrived = NULL;
    puppet->waiting -= d->length;
    return d;
}

static int64_t wall(const struct puppet *puppet)
{
    return clock_wall(&puppet->endpoint->stack->network->clock);
}

/* --- out ----------------------------------------------------------------------------------------
 */

bool puppet_holds(struct puppet *puppet, const uint8_t *bytes, size_t length)
{
    if (puppet->hooked[DIRECTION_OUT])
        put(puppet, &puppet->held[DIRECTION_OUT], DIRECTION_OUT, bytes, length, wall(puppet));
    return puppet->hooked[DIRECTION_OUT];
}

static void note_sent(struct puppet *puppet, const uint8_t *bytes, size_t length, int64_t time)
{
    if (puppet->watched)
        put(puppet, &puppet->seen, DIRECTION_OUT, bytes, length, time);
}

void puppet_sent(struct puppet *puppet, const uint8_t *bytes, size_t length)
{
    note_sent(puppet, bytes, length, wall(puppet));
}

static bool gone(struct error *err)
{
    return fail(err, ERROR_ENVIRONMENT, "EBADF", "the connection's network is closed");
}

bool puppet_transmit(struct puppet *puppet, const uint8_t *bytes, size_t length, struct error *err)
{
    if (!puppet->endpoint->stack)
        return gone(err);
    if (!outlet_find(&puppet->outlet, bytes, length, err))
        return false;
    /* Behind the call it would be later than what a fast peer has answered. */
    int64_t time = wall(puppet);
    if (!outlet_send(&puppet->outlet, bytes, length, err))
        return false;
    note_sent(puppet, bytes, length, time);
    return true;
}

bool puppet_inject(struct puppet *puppet, const uint8_t *bytes, size_t length, struct error *err)
{
    struct endpoint *endpoint = puppet->endpoint;
    if (!endpoint->stack)
        return gone(err);
    struct segment segment;
    if (segment_read(&segment, bytes, length, true) == SEGMENT_OK) {
        tcp_sent(endpoint->tcp, &segment, clock_now(&endpoint->stack->network->clock));
        endpoint_dirty(endpoint);
    }
    return puppet_holds(puppet, bytes, length) || puppet_transmit(puppet, bytes, length, err);
}

void puppet_let_go(struct puppet *puppet)
{
    puppet->hooked[DIRECTION_OUT] = puppet->hooked[DIRECTION_IN] = false;
    for (struct puppet_datagram *d;
         (d = puppet_take(puppet, &puppet->held[DIRECTION_OUT])) != NULL;) {
        puppet_transmit(puppet, d->bytes, d->length, NULL);
        free(d);
    }
}

/* --- in -----------------------------------------------------------------------------------------
 */

/* One that is over is watched on, for as long as its flow has no other connection. */
static struct puppet *find(struct stack *stack, const struct flow *flow)
{
    struct endpoint *endpoint = endpoint_find(stack, flow);
    if (endpoint)
        return endpoint->puppet;
    struct puppet *puppet = stack->puppets;
    while (puppet && !flow_equal(tcp_flow(puppet->endpoint->tcp), flow))
        puppet = puppet->next;
    return puppet;
}

/* Whether the stack must not answer in its name: driven by hand, and over. */
static bool is_spent(const struct puppet *puppet)
{
    const struct tcp *tcp = puppet->endpoint->tcp;
    return tcp_mode(tcp) == TCP_MANUAL && tcp_state(tcp) == TCPS_CLOSED;
}

bool puppet_input(struct stack *stack, const struct flow *flow, const uint8_t *bytes, size_t length,
                  int64_t time)
{
    struct puppet *puppet = find(stack, flow);
    if (!puppet)
        return false;
    network_late(stack->network, time, wall(puppet));
    if (puppet->watched)
        put(puppet, &puppet->seen, DIRECTION_IN, bytes, length, time);
    if (puppet->hooked[DIRECTION_IN])
        put(puppet, &puppet->held[DIRECTION_IN], DIRECTION_IN, bytes, length, time);
    return puppet->hooked[DIRECTION_IN] || is_spent(puppet);
}

void puppet_judged(struct puppet *puppet)
{
    if (puppet->arrived)
        puppet->arrived->state = tcp_state(puppet->endpoint->tcp);
}

void puppet_receive(struct puppet *puppet, const uint8_t *bytes, size_t length)
{
    struct endpoint *endpoint = puppet->endpoint;
    if (!endpoint->stack)
        return;
    stack_take(endpoint->stack, bytes, length, clock_now(&endpoint->stack->network->clock));
    endpoint_serve(endpoint);
}
