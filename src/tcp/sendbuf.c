/* sendbuf: a queue that is always contiguous. */
#include "tcp/sendbuf.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tcp/seq.h"

#define SENDBUF_FIRST 1024 /* memory taken for the first byte */
#define SENDBUF_SMALL 4096 /* as much as this is given back when the last byte goes */

void sendbuf_init(struct sendbuf *b, uint32_t limit, uint32_t seq)
{
    *b = (struct sendbuf){.limit = limit, .seq = seq};
}

void sendbuf_free(struct sendbuf *b)
{
    free(b->bytes);
    b->bytes = NULL;
    b->size = b->head = b->length = 0;
}

/* Makes room for `more` bytes behind the last one. */
static bool sendbuf_reserve(struct sendbuf *b, uint32_t more)
{
    uint32_t need = b->length + more;

    if (b->head + need <= b->size)
        return true;
    if (need <= b->size / 2) {
        memmove(b->bytes, b->bytes + b->head, b->length);
        b->head = 0;
        return true;
    }

    uint32_t size = b->size ? b->size : SENDBUF_FIRST;
    while (size < 2 * need)
        size *= 2;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return false;
    if (b->length)
        memcpy(bytes, b->bytes + b->head, b->length);
    free(b->bytes);
    b->bytes = bytes;
    b->size = size;
    b->head = 0;
    return true;
}

size_t sendbuf_append(struct sendbuf *b, const void *bytes, size_t length)
{
    uint32_t room = b->limit - b->length;
    uint32_t taken = length < room ? (uint32_t)length : room;
    if (taken == 0 || !sendbuf_reserve(b, taken))
        return 0;
    memcpy(b->bytes + b->head + b->length, bytes, taken);
    b->length += taken;
    return taken;
}

bool sendbuf_put(struct sendbuf *b, uint32_t seq, const void *bytes, size_t length)
{
    size_t at = seq - b->seq, over = b->length - at < length ? b->length - at : length;
    size_t more = length - over;
    if (more > b->limit - b->length || (more && !sendbuf_reserve(b, (uint32_t)more)))
        return false;
    if (length)
        memcpy(b->bytes + b->head + at, bytes, length);
    b->length += (uint32_t)more;
    return true;
}

bool sendbuf_pad(struct sendbuf *b, uint32_t end)
{
    uint32_t more = seq_beyond(end, sendbuf_end(b));
    if (more > b->limit - b->length || (more && !sendbuf_reserve(b, more)))
        return false;
    if (more)
        memset(b->bytes + b->head + b->length, 0, more);
    b->length += more;
    return true;
}

void sendbuf_drop(struct sendbuf *b, size_t length)
{
    b->seq += (uint32_t)length;
    b->length -= (uint32_t)length;
    b->head = b->length ? b->head + (uint32_t)length : 0;
    if (b->length == 0 && b->size <= SENDBUF_SMALL) {
        free(b->bytes);
        b->bytes = NULL;
        b->size = 0;
    }
}
