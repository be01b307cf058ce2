/* bytes: integers in network byte order at any alignment. The caller has checked the length. And
 * pieces of memory, for what is computed over several. */
#ifndef TCPLUA_BASE_BYTES_H
#define TCPLUA_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>

struct span {
    const void *at;
    size_t length;
};

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

#endif
