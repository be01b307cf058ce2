/* A packet without memory: whatever is refused, the call that needed it says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "packet/packet.h"

#include <cmocka.h> /* last: its fail() is a macro */

#include "refuse.h"

static struct registry registry;

/* Every call that makes a packet longer, each beyond what the one before has reserved. */
static bool build(struct packet *packet, struct packet *inner, struct error *err)
{
    static const uint8_t bytes[60000];
    return packet_push(inner, &proto_tcp, err) && packet_append_bytes(inner, bytes, 100, err) &&
           packet_push(packet, &proto_ip, err) && packet_append(packet, inner, err) &&
           packet_set_payload(packet, bytes, 20000, err) &&
           packet_set_bytes(packet, 1, proto_tail(&proto_tcp), bytes, 40, err) &&
           packet_set_trailer(packet, 0, bytes, sizeof bytes, err);
}

static bool build_refused(void)
{
    struct error err = {0};
    struct packet packet, inner;
    packet_init(&packet, &registry);
    packet_init(&inner, &registry);
    bool good = build(&packet, &inner, &err);
    if (!good)
        assert_string_equal(err.code, "ENOMEM");
    else
        assert_int_equal(packet.size, 20 + 60 + 20000 + 60000);
    packet_free(&packet);
    packet_free(&inner);
    return good;
}

static void test_packet(void **state)
{
    (void)state;
    registry_init(&registry);
    assert_true(refuse_each(build_refused) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packet)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
