/* text: see text.h. */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *escape(char *out, size_t size, const void *bytes, size_t length, bool doubled)
{
    const uint8_t *in = bytes;
    size_t used = 0;
    if (size == 0)
        return out;
    out[0] = '\0';
    for (size_t i = 0; i < length; i++) {
        char piece[5];
        if (doubled && in[i] == '\\')
            snprintf(piece, sizeof piece, "\\\\");
        else if (in[i] >= 0x20 && in[i] <= 0x7e)
            snprintf(piece, sizeof piece, "%c", in[i]);
        else
            snprintf(piece, sizeof piece, "\\x%02x", in[i]);
        size_t n = strlen(piece);
        size_t reserve = i + 1 < length ? 4 : 1; /* room for "..." unless this is the last byte */
        if (used + n + reserve > size) {
            if (used + 4 <= size)
                memcpy(out + used, "...", 4);
            break;
        }
        memcpy(out + used, piece, n + 1);
        used += n;
    }
    return out;
}

const char *text_escape(char *out, size_t size, const void *bytes, size_t length)
{
    return escape(out, size, bytes, length, true);
}

const char *text_printable(char *out, size_t size, const void *bytes, size_t length)
{
    return escape(out, size, bytes, length, false);
}
