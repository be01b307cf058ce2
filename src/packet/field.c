/* field: see field.h. */
#include "packet/field.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"

uint64_t field_max(const struct field *f)
{
    return f->width < 64 ? (UINT64_C(1) << f->width) - 1 : UINT64_MAX;
}

/* The number of a field of whole bytes, turned round. */
static uint64_t swap(const struct field *f, uint64_t value)
{
    uint64_t swapped = 0;
    for (unsigned i = 0; i < f->width / 8U; i++, value >>= 8)
        swapped = swapped << 8 | (value & 0xff);
    return swapped;
}

uint64_t field_get(const struct field *f, const uint8_t *header)
{
    size_t end = (size_t)f->bit + f->width; /* one past the last bit */
    uint64_t value = 0;
    for (size_t i = f->bit / 8U; i < (end + 7) / 8; i++)
        value = value << 8 | header[i];
    value = value >> (8 - end % 8) % 8 & field_max(f);
    return f->little ? swap(f, value) : value;
}

void field_set(const struct field *f, uint8_t *header, uint64_t value)
{
    size_t end = (size_t)f->bit + f->width;
    unsigned shift = (unsigned)(8 - end % 8) % 8;
    uint64_t mask = field_max(f) << shift;
    value = (f->little ? swap(f, value) : value) << shift & mask;
    for (size_t i = (end + 7) / 8; i-- > f->bit / 8U; value >>= 8, mask >>= 8)
        header[i] = (uint8_t)((header[i] & ~mask) | value);
}

/* Appends what there is room for. Returns the new length. */
static size_t append(char text[static FIELD_TEXT], size_t used, const char *word)
{
    while (*word && used < FIELD_TEXT - 1)
        text[used++] = *word++;
    text[used] = '\0';
    return used;
}

const char *field_flags(const struct field *f, uint64_t value, char text[static FIELD_TEXT])
{
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; value != 0; i++, value >>= 1) {
        const char *joint = used > 0 ? f->joint : "";
        if (!f->names[i]) {
            snprintf(text + used, FIELD_TEXT - used, "%s0x%" PRIx64, joint, value << i);
            break;
        }
        if (value & 1)
            used = append(text, append(text, used, joint), f->names[i]);
    }
    return text;
}

const char *field_format(const struct field *f, const uint8_t *header, char text[static FIELD_TEXT])
{
    static const enum addr_kind kinds[] = {
        [FIELD_MAC] = ADDR_MAC, [FIELD_IP4] = ADDR_IP4, [FIELD_IP6] = ADDR_IP6};
    struct addr addr;
    text[0] = '\0';
    switch (f->kind) {
    case FIELD_NUMBER:
    case FIELD_SEQ:
        snprintf(text, FIELD_TEXT, "%" PRIu64, field_get(f, header));
        break;
    case FIELD_HEX:
        snprintf(text, FIELD_TEXT, "0x%0*" PRIx64, (f->width + 3) / 4, field_get(f, header));
        break;
    case FIELD_FLAGS:
        return field_flags(f, field_get(f, header), text);
    case FIELD_MAC:
    case FIELD_IP4:
    case FIELD_IP6:
        addr = addr_from(kinds[f->kind], header + f->bit / 8);
        return addr_format(&addr, text);
    case FIELD_BYTES:
    case FIELD_OPTIONS:
        break;
    }
    return text;
}

/* The bit whose name `text` begins with; names that begin alike are no trouble so far. */
static int flag_at(const struct field *f, const char *text)
{
    for (int i = 0; f->names[i]; i++)
        if (strncmp(text, f->names[i], strlen(f->names[i])) == 0)
            return i;
    return -1;
}

static bool parse_flags(const struct field *f, uint64_t *value, const char *text)
{
    *value = 0;
    if (strcmp(text, "none") == 0)
        return true;
    while (*text) {
        int bit = flag_at(f, text);
        if (bit < 0)
            return false;
        *value |= UINT64_C(1) << bit;
        text += strlen(f->names[bit]);
        if (f->joint[0])
            text += strspn(text, ", ");
    }
    return true;
}

static bool parse_mac(uint8_t *bytes, const char *text)
{
    struct addr addr;
    if (strlen(text) != 17 || !addr_parse(&addr, text, "address", NULL) || addr.kind != ADDR_MAC)
        return false;
    memcpy(bytes, addr.bytes, 6);
    return true;
}

bool field_parse(const struct field *f, uint8_t *header, const char *text, struct error *err)
{
    uint8_t *bytes = header + f->bit / 8;
    uint64_t flags;
    char shown[FIELD_TEXT], letters[FIELD_TEXT];
    const char *wanted = "a number";
    switch (f->kind) {
    case FIELD_FLAGS:
        wanted = "made of";
        if (parse_flags(f, &flags, text)) {
            field_set(f, header, flags);
            return true;
        }
        break;
    case FIELD_MAC:
        wanted = "a MAC address";
        if (parse_mac(bytes, text))
            return true;
        break;
    case FIELD_IP4: /* inet_pton() writes only what it has read whole */
        wanted = "an IPv4 address";
        if (inet_pton(AF_INET, text, bytes) == 1)
            return true;
        break;
    case FIELD_IP6:
        wanted = "an IPv6 address";
        if (inet_pton(AF_INET6, text, bytes) == 1)
            return true;
        break;
    default:
        break;
    }
    size_t used = 0;
    letters[0] = '\0';
    for (int i = 0; f->kind == FIELD_FLAGS && f->names[i]; i++)
        used = append(letters, append(letters, used, " "), f->names[i]);
    text_escape(shown, sizeof shown, text, strlen(text));
    return fail(err, ERROR_USAGE, "EINVAL", "%s '%s' is not %s%s", f->name, shown, wanted, letters);
}
