/* pcapng_reader: see pcapng_reader.h, and pcapng_block.h for what a block is. */
#include "capture/pcapng_reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "capture/capture.h"
#include "capture/pcapng_block.h"

#define BLOCK_MAX      (16U << 20) /* bytes of a block that is kept */
#define INTERFACES_MAX (1U << 18)  /* in a section */
#define NAME_MAX_KEPT  255         /* bytes of an interface's name */
#define STEP           65536U      /* memory for a block comes in steps, behind its bytes */

/* A time of the file in nanoseconds: stamp * multiply / divide >> shift, and `offset`. */
struct resolution {
    uint64_t multiply, divide;
    unsigned shift;
    int64_t offset; /* seconds */
};

struct interface {
    int linktype;
    uint32_t snaplen; /* 0: none */
    struct resolution resolution;
    char *name; /* NULL: none */
};

struct pcapng_reader {
    FILE *file;
    bool big; /* the section is big-endian */
    struct interface *interfaces;
    size_t count, room;
    uint8_t *body; /* of the block, and its length behind it */
    size_t body_room;
    const char *comments[READING_COMMENTS + 1];
    char reason[160];
};

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

/* --- bytes --------------------------------------------------------------------------------------
 */

static bool damaged(struct pcapng_reader *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool damaged(struct pcapng_reader *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->reason, sizeof self->reason, format, arguments);
    va_end(arguments);
    return false;
}

static uint32_t get16(const struct pcapng_reader *self, const uint8_t *p)
{
    return self->big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static uint32_t get32(const struct pcapng_reader *self, const uint8_t *p)
{
    uint32_t first = get16(self, p), second = get16(self, p + 2);
    return self->big ? first << 16 | second : second << 16 | first;
}

static uint64_t get64(const struct pcapng_reader *self, const uint8_t *p)
{
    uint64_t first = get32(self, p), second = get32(self, p + 4);
    return self->big ? first << 32 | second : second << 32 | first;
}

/* Why fewer bytes came than there should be. */
static bool cut(struct pcapng_reader *self)
{
    if (ferror(self->file))
        return damaged(self, "%s", strerror(errno));
    return damaged(self, "the file ends in the middle of a block");
}

static bool take(struct pcapng_reader *self, uint8_t *bytes, size_t length)
{
    return fread(bytes, 1, length, self->file) == length || cut(self);
}

static bool check_trailer(struct pcapng_reader *self, const uint8_t *trailer, uint32_t length)
{
    uint32_t again = get32(self, trailer);
    return again == length ||
           damaged(self, "a block has %u bytes before it, and %u behind it", length, again);
}

/* Reads the rest of a block, of which `done` bytes are read, and its length behind it. */
static bool skip(struct pcapng_reader *self, uint32_t length, uint32_t done)
{
    uint8_t chunk[4096];
    for (size_t left = length - done; left > 4;) {
        size_t part = left - 4 < sizeof chunk ? left - 4 : sizeof chunk;
        if (!take(self, chunk, part))
            return false;
        left -= part;
    }
    return take(self, chunk, 4) && check_trailer(self, chunk, length);
}

/* The same, kept in `body`. */
static bool keep(struct pcapng_reader *self, uint32_t length, uint32_t done)
{
    if (length > BLOCK_MAX)
        return damaged(self, "a block of %u bytes: at most %u are taken", length, BLOCK_MAX);
    size_t wanted = length - done, have = 0;
    while (have < wanted) {
        if (have == self->body_room) {
            size_t room = have ? 2 * have : STEP;
            uint8_t *grown = realloc(self->body, room);
            if (!grown)
                return damaged(self, "no memory for a block of %u bytes", length);
            self->body = grown;
            self->body_room = room;
        }
        size_t part = wanted < self->body_room ? wanted - have : self->body_room - have;
        if (!take(self, self->body + have, part))
            return false;
        have += part;
    }
    return check_trailer(self, self->body + wanted - 4, length);
}

/* --- options ------------------------------------------------------------------------------------
 */

struct option {
    uint32_t code;
    size_t length;
    uint8_t *value;
};

/* The option at *at, which moves behind it: 1; at the end: 0; one that reaches beyond `end`: -1. */
static int next_option(struct pcapng_reader *self, uint8_t **at, const uint8_t *end,
                       struct option *option)
{
    size_t left = (size_t)(end - *at);
    if (left < 4)
        return 0;
    option->code = get16(self, *at);
    option->length = get16(self, *at + 2);
    option->value = *at + 4;
    size_t padded = PCAPNG_PADDED(option->length);
    if (option->code == OPTION_END)
        return 0;
    if (padded > left - 4) {
        damaged(self, "an option of %zu bytes reaches beyond its block", option->length);
        return -1;
    }
    *at += 4 + padded;
    return 1;
}

/* --- interfaces ---------------------------------------------------------------------------------
 */

/* Digits behind the point of a second: decimal ones, or with the highest bit set binary ones. */
static void set_resolution(struct resolution *resolution, uint8_t digits)
{
    resolution->multiply = 1000000000;
    resolution->divide = 1;
    resolution->shift = 0;
    if (digits & 0x80)
        resolution->shift = digits & 0x7f;
    for (unsigned i = 0; !(digits & 0x80) && i < digits; i++) {
        if (resolution->multiply > 1)
            resolution->multiply /= 10;
        else if (resolution->divide <= UINT64_MAX / 10)
            resolution->divide *= 10;
        else
            resolution->multiply = 0; /* finer than the stamp's 64 bits: all of it is less than 1 */
    }
}

static int64_t time_of(const struct resolution *resolution, uint64_t stamp)
{
    unsigned_wide ns = (unsigned_wide)stamp * resolution->multiply;
    if (resolution->divide > 1)
        ns /= resolution->divide;
    wide time = (wide)(ns >> resolution->shift) + (wide)resolution->offset * 1000000000;
    if (time < 0)
        return 0;
    return time > INT64_MAX ? INT64_MAX : (int64_t)time;
}

static void forget_interfaces(struct pcapng_reader *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->interfaces[i].name);
    self->count = 0;
}

static bool add_interface(struct pcapng_reader *self, size_t length)
{
    if (length < 8)
        return damaged(self, "an interface block of %zu bytes is too short", length + 12);
    if (self->count == INTERFACES_MAX)
        return damaged(self, "more than %u interfaces", INTERFACES_MAX);
    if (self->count == self->room) {
        size_t room = self->room ? 2 * self->room : 4;
        struct interface *grown = realloc(self->interfaces, room * sizeof *grown);
        if (!grown)
            return damaged(self, "no memory for another interface");
        self->interfaces = grown;
        self->room = room;
    }
    struct interface *added = &self->interfaces[self->count++];
    *added = (struct interface){.linktype = (int)get16(self, self->body),
                                .snaplen = get32(self, self->body + 4)};
    set_resolution(&added->resolution, 6);
    uint8_t *at = self->body + 8;
    struct option option;
    int got;
    while ((got = next_option(self, &at, self->body + length, &option)) == 1) {
        if (option.code == OPTION_IFACE_TIME_RESOLUTION && option.length == 1) {
            set_resolution(&added->resolution, option.value[0]);
        } else if (option.code == OPTION_IFACE_TIME_OFFSET && option.length == 8) {
            added->resolution.offset = (int64_t)get64(self, option.value);
        } else if (option.code == OPTION_IFACE_NAME && option.length > 0 && !added->name) {
            size_t size = option.length < NAME_MAX_KEPT ? option.length : NAME_MAX_KEPT;
            added->name = strndup((const char *)option.value, size);
        }
    }
    return got == 0;
}

static const struct interface *find_interface(struct pcapng_reader *self, uint32_t number)
{
    if (number < self->count)
        return &self->interfaces[number];
    damaged(self, "a packet of interface %u, and %zu are described", number, self->count);
    return NULL;
}

/* --- packets ------------------------------------------------------------------------------------
 */

/* Comments and the direction. A comment's text ends with its length in the file; here with a zero
 * byte, which takes the place of what was read before it: of a code, of padding, or of the length
 * behind the block. */
static bool read_options(struct pcapng_reader *self, uint8_t *at, const uint8_t *end,
                         struct reading *reading)
{
    uint8_t *ends[READING_COMMENTS];
    size_t count = 0;
    struct option option;
    int got;
    while ((got = next_option(self, &at, end, &option)) == 1) {
        if (option.code == OPTION_COMMENT && option.length > 0 && count < READING_COMMENTS) {
            self->comments[count] = (const char *)option.value;
            ends[count++] = option.value + option.length;
        } else if (option.code == OPTION_PACKET_FLAGS && option.length == 4) {
            static const enum capture_direction directions[] = {CAPTURE_UNKNOWN, CAPTURE_RECEIVED,
                                                                CAPTURE_SENT, CAPTURE_UNKNOWN};
            reading->direction = directions[get32(self, option.value) & 3];
        }
    }
    for (size_t i = 0; i < count; i++)
        *ends[i] = 0;
    self->comments[count] = NULL;
    if (count > 0)
        reading->comments = self->comments;
    return got == 0;
}

/* What is common to all packets: `bytes` and `left`, what the block has from there on. */
static bool set_frame(struct pcapng_reader *self, struct reading *reading,
                      const struct interface *interface, const uint8_t *bytes, size_t left,
                      uint32_t length, uint32_t original)
{
    if (length > left)
        return damaged(self, "a packet of %u bytes in a block that has room for %zu", length, left);
    *reading = (struct reading){
        .bytes = bytes,
        .length = length,
        .original = original > length ? original : length,
        .linktype = interface->linktype,
        .iface = interface->name,
    };
    return true;
}

static bool simple_packet(struct pcapng_reader *self, size_t length, struct reading *reading)
{
    const struct interface *interface = find_interface(self, 0);
    if (!interface)
        return false;
    if (length < 4)
        return damaged(self, "a packet block of %zu bytes is too short", length + 12);
    uint32_t original = get32(self, self->body), captured = original;
    if (interface->snaplen && captured > interface->snaplen)
        captured = interface->snaplen;
    return set_frame(self, reading, interface, self->body + 4, length - 4, captured, original);
}

/* The obsolete packet block has 16 bits for the interface, and 16 for a count of drops. */
static bool full_packet(struct pcapng_reader *self, uint32_t type, size_t length,
                        struct reading *reading)
{
    enum { HEADER = 20 };
    uint8_t *body = self->body;
    if (length < HEADER)
        return damaged(self, "a packet block of %zu bytes is too short", length + 12);
    const struct interface *interface =
        find_interface(self, type == BLOCK_OBSOLETE_PACKET ? get16(self, body) : get32(self, body));
    uint32_t captured = get32(self, body + 12);
    if (!interface || !set_frame(self, reading, interface, body + HEADER, length - HEADER, captured,
                                 get32(self, body + 16)))
        return false;
    uint64_t stamp = (uint64_t)get32(self, body + 4) << 32 | get32(self, body + 8);
    reading->time = time_of(&interface->resolution, stamp);
    size_t padded = HEADER + PCAPNG_PADDED(captured);
    return read_options(self, body + padded, body + length, reading);
}

/* --- blocks -------------------------------------------------------------------------------------
 */

/* The section header, whose type and length stand in `header`: its byte order is known only from
 * its first word. */
static bool section(struct pcapng_reader *self, const uint8_t *header)
{
    uint8_t start[8];
    if (!take(self, start, sizeof start))
        return false;
    self->big = start[0] == 0x1a;
    if (get32(self, start) != PCAPNG_MAGIC)
        return damaged(self, "a section header without the byte-order magic");
    uint32_t length = get32(self, header + 4), major = get16(self, start + 4);
    if (length < 28 || length % 4)
        return damaged(self, "a section header of %u bytes", length);
    if (major != 1)
        return damaged(self, "version %u of pcapng, where 1 is known", major);
    forget_interfaces(self);
    return skip(self, length, 16);
}

enum found { FOUND_DAMAGE = -1, FOUND_END, FOUND_FRAME, FOUND_INTERFACE, FOUND_OTHER };

static enum found next_block(struct pcapng_reader *self, struct reading *reading)
{
    uint8_t header[8];
    size_t got = fread(header, 1, sizeof header, self->file);
    if (got == 0 && !ferror(self->file))
        return FOUND_END;
    if (got < sizeof header) {
        cut(self);
        return FOUND_DAMAGE;
    }
    uint32_t type = get32(self, header), length = get32(self, header + 4);
    if (type == BLOCK_SECTION)
        return section(self, header) ? FOUND_OTHER : FOUND_DAMAGE;
    if (length < 12 || length % 4) {
        damaged(self, "a block of %u bytes", length);
        return FOUND_DAMAGE;
    }
    size_t body = length - 12;
    switch (type) {
    case BLOCK_INTERFACE:
        return keep(self, length, 8) && add_interface(self, body) ? FOUND_INTERFACE : FOUND_DAMAGE;
    case BLOCK_SIMPLE_PACKET:
        return keep(self, length, 8) && simple_packet(self, body, reading) ? FOUND_FRAME
                                                                           : FOUND_DAMAGE;
    case BLOCK_OBSOLETE_PACKET:
    case BLOCK_ENHANCED_PACKET:
        return keep(self, length, 8) && full_packet(self, type, body, reading) ? FOUND_FRAME
                                                                               : FOUND_DAMAGE;
    default:
        return skip(self, length, 8) ? FOUND_OTHER : FOUND_DAMAGE;
    }
}

struct pcapng_reader *pcapng_reader_new(FILE *file)
{
    struct pcapng_reader *self = calloc(1, sizeof *self);
    if (self)
        self->file = file;
    return self;
}

bool pcapng_reader_begin(struct pcapng_reader *self, int *linktype)
{
    uint8_t header[8];
    struct reading reading; /* none: a frame needs an interface */
    enum found found;
    if (!take(self, header, sizeof header))
        return false;
    if (get32(self, header) != BLOCK_SECTION)
        return damaged(self, "it begins as neither pcap nor pcapng does");
    if (!section(self, header))
        return false;
    do
        found = next_block(self, &reading);
    while (found == FOUND_OTHER);
    *linktype = found == FOUND_INTERFACE ? self->interfaces[0].linktype : CAPTURE_ETHERNET;
    return found != FOUND_DAMAGE;
}

int pcapng_reader_next(struct pcapng_reader *self, struct reading *reading)
{
    enum found found;
    do
        found = next_block(self, reading);
    while (found == FOUND_OTHER || found == FOUND_INTERFACE);
    return (int)found;
}

const char *pcapng_reader_reason(const struct pcapng_reader *self)
{
    return self->reason;
}

void pcapng_reader_free(struct pcapng_reader *self)
{
    if (!self)
        return;
    forget_interfaces(self);
    free(self->interfaces);
    free(self->body);
    free(self);
}
