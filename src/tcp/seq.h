/* seq: sequence numbers, compared modulo 2^32 (RFC 9293 3.4).
 *
 * Of two numbers less than 2^31 apart, the one that lies behind the other on the circle is the
 * smaller. Nothing else in this layer may compare sequence numbers with < or >. */
#ifndef TCPLUA_TCP_SEQ_H
#define TCPLUA_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return a - b > INT32_MAX;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return !seq_lt(b, a);
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
    return seq_lt(b, a);
}

static inline bool seq_ge(uint32_t a, uint32_t b)
{
    return !seq_lt(a, b);
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? a : b;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? b : a;
}

/* Whether `seq` is one of the `length` numbers from `left` on. */
static inline bool seq_within(uint32_t seq, uint32_t left, uint32_t length)
{
    return seq - left < length;
}

/* How far `to` lies beyond `from`; 0 if it does not. */
static inline uint32_t seq_beyond(uint32_t to, uint32_t from)
{
    return seq_gt(to, from) ? to - from : 0;
}

#endif
