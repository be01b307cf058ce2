/* Fields: any width at any bit, without touching a neighbour; addresses and flags as text. */
#include "packet/field.h"
#include "packet/proto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned bit_at(const uint8_t *bytes, size_t bit)
{
    return bytes[bit / 8] >> (7 - bit % 8) & 1;
}

static void test_every_width_at_every_bit(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (uint16_t bit = 0; bit < 24; bit++)
        for (uint16_t width = 1; width <= 32; width++) {
            struct field f = {.name = "x", .bit = bit, .width = width};
            uint8_t before[8], after[8];
            for (size_t i = 0; i < sizeof before; i++) {
                random = random * 1664525 + 1013904223;
                before[i] = (uint8_t)(random >> 24);
            }
            memcpy(after, before, sizeof after);
            field_set(&f, after, random);
            assert_int_equal(field_get(&f, after), random & field_max(&f));
            for (size_t i = 0; i < 64; i++)
                if (i < bit || i >= (size_t)bit + width)
                    assert_int_equal(bit_at(after, i), bit_at(before, i));
                else
                    assert_int_equal(bit_at(after, i), random >> ((size_t)bit + width - 1 - i) & 1);
        }
    struct field wide = {.name = "x", .bit = 8, .width = 64};
    uint8_t bytes[10] = {0x11, [9] = 0x22};
    field_set(&wide, bytes, UINT64_C(0x0102030405060708));
    assert_int_equal(field_get(&wide, bytes), UINT64_C(0x0102030405060708));
    assert_int_equal(bytes[0], 0x11);
    assert_int_equal(bytes[9], 0x22);
}

static void test_flags(void **state)
{
    (void)state;
    const struct field *f = proto_field(&proto_tcp, "flags");
    char text[FIELD_TEXT];
    uint8_t header[20] = {0};
    struct error err;
    assert_string_equal(field_flags(f, 0, text), "");
    assert_string_equal(field_flags(f, 0x12, text), "S.");
    assert_string_equal(field_flags(f, 0x1ff, text), "FSRP.UEWe");
    for (unsigned value = 0; value < 512; value++) {
        field_set(f, header, 511 - value);
        assert_true(field_parse(f, header, field_flags(f, value, text), &err));
        assert_int_equal(field_get(f, header), value);
    }
    assert_true(field_parse(f, header, "none", &err));
    assert_int_equal(field_get(f, header), 0);
    assert_true(field_parse(f, header, ".S", &err)); /* in any order */
    assert_int_equal(field_get(f, header), 0x12);
    assert_false(field_parse(f, header, "S,\x1b", &err));
    assert_string_equal(err.message, "flags 'S,\\x1b' is not made of F S R P . U E W e");
    assert_int_equal(field_get(f, header), 0x12);

    f = proto_field(&proto_ip, "flags");
    assert_string_equal(field_flags(f, 3, text), "+, DF");
    assert_true(field_parse(f, header, "DF,+", &err));
    assert_int_equal(field_get(f, header), 3);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        enum field_kind kind;
        const char *text, *error;
    } rows[] = {
        {FIELD_IP4, "192.0.2.1", NULL},
        {FIELD_IP4, "255.255.255.255", NULL},
        {FIELD_IP4, "2001:db8::1", "a '2001:db8::1' is not an IPv4 address"},
        {FIELD_IP4, "192.0.2", "a '192.0.2' is not an IPv4 address"},
        {FIELD_IP4, "", "a '' is not an IPv4 address"},
        {FIELD_IP6, "2001:db8::1", NULL},
        {FIELD_IP6, "fe80::1", NULL}, /* no zone is needed in a packet */
        {FIELD_IP6, "::ffff:192.0.2.1", NULL},
        {FIELD_IP6, "192.0.2.1", "a '192.0.2.1' is not an IPv6 address"},
        {FIELD_IP6, "fe80::1%lo", "a 'fe80::1%lo' is not an IPv6 address"},
        {FIELD_MAC, "02:00:00:00:00:0a", NULL},
        {FIELD_MAC, "02:00:00:00:00", "a '02:00:00:00:00' is not a MAC address"},
        {FIELD_MAC, "0:1:2:3:4:5:6:7:8", "a '0:1:2:3:4:5:6:7:8' is not a MAC address"},
        {FIELD_MAC, "2001:db8:1:2::345", "a '2001:db8:1:2::345' is not a MAC address"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct field f = {.name = "a", .bit = 8, .width = 128, .kind = rows[i].kind};
        uint8_t header[18], before[18];
        char text[FIELD_TEXT];
        struct error err;
        memset(header, 0x5a, sizeof header);
        memcpy(before, header, sizeof before);
        if (rows[i].error) {
            assert_false(field_parse(&f, header, rows[i].text, &err));
            assert_string_equal(err.message, rows[i].error);
            assert_memory_equal(header, before, sizeof header);
        } else {
            assert_true(field_parse(&f, header, rows[i].text, &err));
            assert_string_equal(field_format(&f, header, text), rows[i].text);
            assert_int_equal(header[0], 0x5a);
            assert_int_equal(header[17], 0x5a);
        }
    }
    struct field number = {.name = "n", .width = 16};
    uint8_t header[2];
    struct error err;
    assert_false(field_parse(&number, header, "12", &err));
}

/* The tables themselves: every field inside its header, names unique, kinds aligned. */
static void test_tables(void **state)
{
    (void)state;
    struct registry registry;
    registry_init(&registry);
    for (size_t i = 0; i < registry.count; i++) {
        const struct proto *proto = registry.protos[i];
        assert_ptr_equal(registry_named(&registry, proto->name), proto);
        assert_true(proto->count <= 64);
        size_t bits = 0;
        for (size_t j = 0; j < proto->count; j++) {
            const struct field *f = &proto->fields[j];
            assert_true(field_inside(f, proto->minimum));
            assert_ptr_equal(proto_field(proto, f->name), f);
            if (!field_is_number(f))
                assert_int_equal(f->bit % 8, 0);
            else
                assert_true(f->initial <= field_max(f));
            if (f->kind == FIELD_FLAGS)
                assert_true(f->names && f->joint);
            assert_true((f->kind == FIELD_OPTIONS) == (f->options != NULL));
            if (!f->alias && !f->when)
                bits += f->width;
            if (f->alias)
                assert_false(field_is_computed(f));
        }
        if (proto != &proto_icmp && proto != &proto_icmp6 && proto != &proto_arp)
            assert_int_equal(bits, proto->minimum * 8); /* no bit without a name */
        for (const struct proto_number *n = proto->numbers; n && n->space != SPACE_NONE; n++)
            assert_ptr_equal(registry_numbered(&registry, n->space, n->number), proto);
    }
    assert_null(registry_named(&registry, "tcpp"));
    assert_null(registry_numbered(&registry, SPACE_IP, 253));
}

/* A protocol that somebody else declares. */
static void test_registry_add(void **state)
{
    (void)state;
    static const struct field fields[] = {{"kind", 0, 8, .kind = FIELD_NUMBER},
                                          {"tail", 8, 0, .kind = FIELD_BYTES}};
    struct proto mine = {.name = "mine",
                         PROTO_FIELDS(fields),
                         .minimum = 1,
                         .numbers =
                             (const struct proto_number[]){{SPACE_IP, 253}, {SPACE_NONE, 0}}};
    struct registry registry;
    struct error err;
    registry_init(&registry);
    assert_true(registry_add(&registry, &mine, &err));
    assert_ptr_equal(registry_numbered(&registry, SPACE_IP, 253), &mine);
    assert_false(registry_add(&registry, &mine, &err));
    assert_string_equal(err.message, "there is a protocol 'mine' already");
    struct proto small = mine;
    small.name = "small";
    small.minimum = 0;
    assert_false(registry_add(&registry, &small, &err));
    assert_string_equal(err.message, "field 'kind' of protocol 'small' ends behind its 0 bytes");
    static const struct field wide[] = {{"wide", 4, 61, .kind = FIELD_NUMBER}};
    struct proto too_wide = {.name = "wide", PROTO_FIELDS(wide), .minimum = 9};
    assert_false(registry_add(&registry, &too_wide, &err));
    assert_string_equal(err.message, "field 'wide' of protocol 'wide' is a number of 61 bits from "
                                     "bit 4: it must lie within eight bytes");
    struct proto many[REGISTRY_MAX];
    char names[REGISTRY_MAX][8];
    size_t i = 0;
    for (; registry.count < REGISTRY_MAX; i++) {
        many[i] = mine;
        names[i][0] = 'x', names[i][1] = (char)(' ' + i % 64), names[i][2] = (char)(' ' + i / 64);
        names[i][3] = '\0';
        many[i].name = names[i];
        assert_true(registry_add(&registry, &many[i], &err));
    }
    small = mine;
    small.name = "one more";
    assert_false(registry_add(&registry, &small, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_width_at_every_bit),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_registry_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
