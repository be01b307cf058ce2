/* text: see text.h. */
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Code points above ASCII that are not seen: C1 controls and the no-break space, soft hyphens,
 * marks of direction, spaces of no width, line ends, variation selectors, surrogates, private use,
 * what is no character, and all planes from the 14th on. */
static bool is_seen(uint32_t c)
{
    static const uint32_t hidden[][2] = {
        {0x0080, 0x00a0}, {0x00ad, 0x00ad},      {0x034f, 0x034f}, {0x061c, 0x061c},
        {0x115f, 0x1160}, {0x17b4, 0x17b5},      {0x180b, 0x180f}, {0x2000, 0x200f},
        {0x2028, 0x202f}, {0x205f, 0x206f},      {0x3164, 0x3164}, {0xd800, 0xf8ff},
        {0xfdd0, 0xfdef}, {0xfe00, 0xfe0f},      {0xfeff, 0xfeff}, {0xffa0, 0xffa0},
        {0xfff0, 0xffff}, {0xe0000, UINT32_MAX},
    };
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (c >= hidden[i][0] && c <= hidden[i][1])
            return false;
    return (c & 0xfffe) != 0xfffe;
}

/* The length of the character that begins here, 2 to 4 bytes, if it is UTF-8 (RFC 3629) and can be
 * seen; else 0. */
static size_t seen_length(const uint8_t *in, size_t length)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* or it is written too long */
    size_t n = in[0] >= 0xf0 ? 4 : in[0] >= 0xe0 ? 3 : 2;
    if (in[0] < 0xc2 || in[0] > 0xf4 || n > length)
        return 0;
    uint32_t c = in[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((in[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (in[i] & 0x3f);
    }
    return c >= least[n] && is_seen(c) ? n : 0;
}

static const char *escape(char *out, size_t size, const void *bytes, size_t length, bool doubled)
{
    const uint8_t *in = bytes;
    size_t used = 0;
    if (size == 0)
        return out;
    out[0] = '\0';
    size_t taken = 1;
    for (size_t i = 0; i < length; i += taken) {
        char piece[5];
        size_t seen = doubled ? 0 : seen_length(in + i, length - i);
        taken = seen > 0 ? seen : 1;
        if (seen > 0)
            snprintf(piece, sizeof piece, "%.*s", (int)seen, (const char *)in + i);
        else if (doubled && in[i] == '\\')
            snprintf(piece, sizeof piece, "\\\\");
        else if (in[i] >= 0x20 && in[i] <= 0x7e)
            snprintf(piece, sizeof piece, "%c", in[i]);
        else
            snprintf(piece, sizeof piece, "\\x%02x", in[i]);
        size_t n = strlen(piece);
        size_t reserve =
            i + taken < length ? 4 : 1; /* room for "..." unless this is the last byte */
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
