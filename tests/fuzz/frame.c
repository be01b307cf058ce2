/* Frames: the first byte picks the protocol that the rest begins with, see `firsts`. Parsing ends,
 * keeps every byte and can be printed; what was parsed and built again has the same bytes; and any
 * field of it can be set. */
#include <string.h>

#include "fuzz.h"
#include "packet/dump.h"
#include "packet/packet.h"
#include "packet/segment.h"

/* The corpus counts on the order. */
static const char *const firsts[] = {"eth",  "ip",  "ip6", "sll", "sll2", "null",
                                     "loop", "arp", "tcp", "udp", "icmp", "icmp6"};

static bool fill(struct packet *packet, const struct registry *registry, const uint8_t *bytes,
                 size_t length)
{
    struct error err;
    packet_init(packet, registry);
    if (packet_append_bytes(packet, bytes, length, &err))
        return true;
    packet_free(packet);
    return false;
}

/* What a function of dump.h prints, into room for all of it and into less. */
#define PRINTED(lines, call)                                                                       \
    do {                                                                                           \
        char few[40], *out = few;                                                                  \
        size_t size = sizeof few;                                                                  \
        size_t length = call;                                                                      \
        CHECK(strlen(few) == (length < size ? length : size - 1));                                 \
        size = length + 1;                                                                         \
        out = malloc(size);                                                                        \
        CHECK(out &&call == length && strlen(out) == length && fuzz_printable(out, lines));        \
        CHECK(strncmp(out, few, sizeof few - 1) == 0);                                             \
        free(out);                                                                                 \
    } while (0)

static void print(const struct packet *packet)
{
    const struct dump_base base = {.has_seq = true, .has_ack = true, .seq = 7, .ack = 9};
    PRINTED(false, dump_line(out, size, packet, NULL));
    PRINTED(false, dump_line(out, size, packet, &base));
    PRINTED(true, dump_tree(out, size, packet));
    PRINTED(true, dump_hex(out, size, packet->bytes, packet->size));
}

static void check_layers(const struct packet *packet)
{
    size_t at = 0;
    for (size_t i = 0; i < packet->count; i++) {
        const struct layer *layer = &packet->layers[i];
        CHECK(layer->offset == at && layer->header <= packet->size - at);
        CHECK(layer->end >= at && layer->end <= packet->size);
        at += layer->header;
    }
    size_t length;
    const uint8_t *payload = packet_payload(packet, &length);
    CHECK(length <= packet->size && (length == 0 || payload >= packet->bytes));
}

/* Sets every field that is there, the first of them that can be set to something else. */
static void set_fields(struct packet *packet, uint64_t value)
{
    struct error err;
    for (size_t i = 0; i < packet->count; i++) {
        const struct proto *proto = packet->layers[i].proto;
        for (size_t j = 0; j < proto->count; j++) {
            const struct field *f = &proto->fields[j];
            if (!packet_has(packet, i, f))
                continue;
            if (f->width > 0 && f->kind <= FIELD_FLAGS)
                packet_set_number(packet, i, f, value);
            else if (f->width == 0)
                packet_set_bytes(packet, i, f, &value, value % 9, &err);
            if (value & 1)
                packet_reset(packet, i, f, &err);
        }
    }
    packet_finish(packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct registry registry;
    struct packet packet, copy;
    struct segment segment;
    struct error err;
    if (size < 2 || size > 65536)
        return 0;
    registry_init(&registry);
    const struct proto *first =
        registry_named(&registry, firsts[data[0] % (sizeof firsts / sizeof firsts[0])]);
    CHECK(first);
    const uint8_t *bytes = data + 1;
    size_t length = size - 1;
    segment_read(&segment, bytes, length, data[0] & 1);

    if (!fill(&packet, &registry, bytes, length))
        return 0;
    packet_parse(&packet, first);
    CHECK(packet.size == length && (length == 0 || memcmp(packet.bytes, bytes, length) == 0));
    check_layers(&packet);
    print(&packet);

    /* Parsed and built: the same bytes, and parsed again, the same layers. */
    packet_init(&copy, &registry);
    if (packet_append(&copy, &packet, &err)) {
        packet_finish(&copy);
        CHECK(copy.size == length && (length == 0 || memcmp(copy.bytes, bytes, length) == 0));
        CHECK(copy.count == packet.count);
        packet_parse(&copy, first);
        CHECK(copy.count == packet.count && copy.stop == packet.stop);
        set_fields(&copy, length);
        check_layers(&copy);
        print(&copy);
    }
    packet_free(&copy);
    packet_free(&packet);
    return 0;
}
