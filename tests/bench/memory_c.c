/* Builds and reads packets in C with src/packet, as many of each as the argument says: what the
 * same calls cost without Lua. See memory.lua. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "packet/packet.h"

static _Noreturn void fail_with(const struct error *err)
{
    fprintf(stderr, "bench_memory_c: %s\n", err->message);
    exit(1);
}

/* A field of one of the two layers of our packets. */
struct spot {
    size_t layer;
    const struct field *field;
};

static struct spot spot(const char *name)
{
    const struct field *f = proto_field(&proto_tcp, name);
    return f ? (struct spot){1, f} : (struct spot){0, proto_field(&proto_ip, name)};
}

static void set_number(struct packet *p, struct spot s, uint64_t value)
{
    packet_set_number(p, s.layer, s.field, value);
}

static void set_text(struct packet *p, struct spot s, const char *text)
{
    struct error err;
    if (!packet_set_text(p, s.layer, s.field, text, &err))
        fail_with(&err);
}

/* The fields that are set and read, looked up once. */
struct spots {
    struct spot src, dst, ttl, sport, dport, seq, ack, flags;
};

static void build(const struct registry *registry, const struct spots *s, struct packet *p,
                  uint32_t seq)
{
    struct error err;
    packet_init(p, registry);
    if (!packet_reserve(p, 64, &err) || !packet_push(p, &proto_ip, &err) ||
        !packet_push(p, &proto_tcp, &err))
        fail_with(&err);
    set_text(p, s->src, "192.0.2.1");
    set_text(p, s->dst, "198.51.100.2");
    set_number(p, s->ttl, 61);
    set_number(p, s->sport, 40000);
    set_number(p, s->dport, 80);
    set_number(p, s->seq, seq);
    set_number(p, s->ack, 7);
    set_text(p, s->flags, "S.");
    packet_finish(p);
}

/* The five fields that are read, and room for those that are text. */
struct values {
    uint64_t ttl, dport, seq;
    char src[FIELD_TEXT], flags[FIELD_TEXT];
};

static void read_packet(const struct registry *registry, const struct spots *s,
                        const uint8_t *bytes, size_t length, struct values *v)
{
    struct packet p;
    struct error err;
    packet_init(&p, registry);
    if (!packet_append_bytes(&p, bytes, length, &err))
        fail_with(&err);
    packet_parse(&p, packet_ip_proto(p.bytes, p.size));
    if (p.count != 2)
        exit(1);
    const uint8_t *ip = packet_header(&p, 0), *tcp = packet_header(&p, 1);
    field_format(s->src.field, ip, v->src);
    v->ttl = field_get(s->ttl.field, ip);
    v->dport = field_get(s->dport.field, tcp);
    v->seq = field_get(s->seq.field, tcp);
    field_format(s->flags.field, tcp, v->flags);
    packet_free(&p);
}

static double ns_each(clock_t start, long count)
{
    return (double)(clock() - start) / CLOCKS_PER_SEC / (double)count * 1e9;
}

static void print_hex(const struct registry *registry, const struct spots *s, uint32_t seq)
{
    struct packet p;
    build(registry, s, &p, seq);
    putchar(' ');
    for (uint32_t i = 0; i < p.size; i++)
        printf("%02x", p.bytes[i]);
    packet_free(&p);
}

int main(int argc, char **argv)
{
    static const uint8_t options[] = {2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0,
                                      0, 1, 0, 0,    0, 2, 1, 3,  3, 7};
    long count = argc == 2 ? strtol(argv[1], NULL, 10) : 0;
    if (count < 1) {
        fputs("usage: bench_memory_c COUNT\n", stderr);
        return 2;
    }
    struct registry registry;
    registry_init(&registry);
    const struct spots s = {spot("src"),   spot("dst"), spot("ttl"), spot("sport"),
                            spot("dport"), spot("seq"), spot("ack"), spot("flags")};
    struct packet p;
    clock_t start = clock();
    for (long i = 0; i < count; i++) {
        build(&registry, &s, &p, (uint32_t)i);
        packet_free(&p);
    }
    printf("build %.1f", ns_each(start, count));
    print_hex(&registry, &s, 1);
    print_hex(&registry, &s, 0x12345678);

    struct error err;
    struct values v;
    build(&registry, &s, &p, 1);
    if (!packet_set_bytes(&p, 1, proto_tail(&proto_tcp), options, sizeof options, &err))
        fail_with(&err);
    packet_finish(&p);
    start = clock();
    for (long i = 0; i < count; i++)
        read_packet(&registry, &s, p.bytes, p.size, &v);
    printf("\nread %.1f", ns_each(start, count));
    printf(" %s %d %d %d %s\n", v.src, (int)v.ttl, (int)v.dport, (int)v.seq, v.flags);
    packet_free(&p);
    return 0;
}
