/* neighbour: see neighbour.h. */
#include "stack/neighbour.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"

#define ETHERTYPE_IP4    0x0800
#define ETHERTYPE_ARP    0x0806
#define ETHERTYPE_IP6    0x86dd
#define ETHER_HEADER     14
#define ARP_LENGTH       28
#define ND_SOLICITATION  135
#define ND_ADVERTISEMENT 136
#define ND_LENGTH        32 /* a solicitation or advertisement with one link-layer address option */
#define IP6_HEADER       40
#define IPPROTO_ICMP6    58

static void put_ether(uint8_t *frame, const struct addr *dst, const struct addr *src, uint16_t type)
{
    memcpy(frame, dst->bytes, 6);
    memcpy(frame + 6, src->bytes, 6);
    put16(frame + 12, type);
}

static struct neighbour *find(struct neighbours *neighbours, const struct addr *ip)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (neighbours->entries[i].state != NEIGHBOUR_FREE &&
            addr_equal(&neighbours->entries[i].ip, ip))
            return &neighbours->entries[i];
    return NULL;
}

static void drop_queue(struct neighbour *n)
{
    for (size_t i = 0; i < n->queued; i++)
        free(n->queue[i].bytes);
    n->queued = 0;
}

/* The entry for `ip`, made in the place of the least recently used one if need be. */
static struct neighbour *entry_for(struct neighbours *neighbours, const struct addr *ip,
                                   int64_t now)
{
    struct neighbour *n = find(neighbours, ip), *oldest = &neighbours->entries[0];
    if (!n) {
        for (size_t i = 0; i < NEIGHBOURS && oldest->state != NEIGHBOUR_FREE; i++)
            if (neighbours->entries[i].state == NEIGHBOUR_FREE ||
                neighbours->entries[i].used < oldest->used)
                oldest = &neighbours->entries[i];
        n = oldest;
        drop_queue(n);
        *n = (struct neighbour){.state = NEIGHBOUR_FREE, .ip = *ip};
    }
    n->used = now;
    return n;
}

/* --- questions ----------------------------------------------------------------------------------
 */

static size_t write_arp(uint8_t *frame, uint16_t operation, const struct addr *my_mac,
                        const struct addr *my_ip, const struct addr *to_mac,
                        const struct addr *to_ip)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct addr dst = to_mac ? *to_mac : addr_from(ADDR_MAC, broadcast);
    put_ether(frame, &dst, my_mac, ETHERTYPE_ARP);
    uint8_t *arp = frame + ETHER_HEADER;
    put16(arp, 1); /* Ethernet */
    put16(arp + 2, ETHERTYPE_IP4);
    arp[4] = 6;
    arp[5] = 4;
    put16(arp + 6, operation);
    memcpy(arp + 8, my_mac->bytes, 6);
    memcpy(arp + 14, my_ip->bytes, 4);
    memset(arp + 18, 0, 6);
    if (to_mac)
        memcpy(arp + 18, to_mac->bytes, 6);
    memcpy(arp + 24, to_ip->bytes, 4);
    return ETHER_HEADER + ARP_LENGTH;
}

/* A solicitation, or an advertisement, for `target`; the MAC address in its option is ours. */
static size_t write_nd(uint8_t *frame, uint8_t type, const struct addr *my_mac,
                       const struct addr *src, const struct addr *dst, const struct addr *dst_mac,
                       const struct addr *target, uint32_t flags)
{
    put_ether(frame, dst_mac, my_mac, ETHERTYPE_IP6);
    uint8_t *ip = frame + ETHER_HEADER, *nd = ip + IP6_HEADER;
    put32(ip, 0x60000000);
    put16(ip + 4, ND_LENGTH);
    ip[6] = IPPROTO_ICMP6;
    ip[7] = 255; /* RFC 4861 7.1: proves that it was not forwarded */
    memcpy(ip + 8, src->bytes, 16);
    memcpy(ip + 24, dst->bytes, 16);
    nd[0] = type;
    nd[1] = 0;
    put16(nd + 2, 0);
    put32(nd + 4, flags);
    memcpy(nd + 8, target->bytes, 16);
    nd[24] = type == ND_SOLICITATION ? 1 : 2; /* source or target link-layer address */
    nd[25] = 1;                               /* eight octets */
    memcpy(nd + 26, my_mac->bytes, 6);
    uint64_t sum = checksum_pseudo(0, src, dst, IPPROTO_ICMP6, ND_LENGTH);
    put16(nd + 2, checksum_finish(checksum_add(sum, nd, ND_LENGTH)));
    return ETHER_HEADER + IP6_HEADER + ND_LENGTH;
}

static void send_question(const struct neighbour *n, struct link *link, const struct addr *local)
{
    uint8_t bytes[ETHER_HEADER + IP6_HEADER + ND_LENGTH];
    size_t length;
    if (n->ip.kind == ADDR_IP4) {
        length = write_arp(bytes, 1, &link->mac, local, NULL, &n->ip);
    } else {
        /* RFC 4291 2.7.1: the solicited-node multicast address, and its MAC form of RFC 2464 7. */
        uint8_t group[16] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff};
        uint8_t mac[6] = {0x33, 0x33, 0xff};
        memcpy(group + 13, n->ip.bytes + 13, 3);
        memcpy(mac + 3, n->ip.bytes + 13, 3);
        struct addr dst = addr_from(ADDR_IP6, group), dst_mac = addr_from(ADDR_MAC, mac);
        length = write_nd(bytes, ND_SOLICITATION, &link->mac, local, &dst, &dst_mac, &n->ip, 0);
    }
    struct frame frame = {.bytes = bytes, .length = length, .original = length};
    link_send(link, &frame, NULL);
}

static void ask(struct neighbour *n, struct link *link, const struct addr *local, int64_t now)
{
    send_question(n, link, local);
    n->state = NEIGHBOUR_ASKED;
    n->tries++;
    n->retry = now + NS_PER_S;
}

/* --- sending ------------------------------------------------------------------------------------
 */

/* What stands for many: all ones, or the group's address of RFC 1112 6.4 and RFC 2464 7. */
static bool group_mac(const struct addr *ip, struct addr *mac)
{
    uint8_t bytes[6];
    if (addr_is_broadcast(ip)) {
        memset(bytes, 0xff, sizeof bytes);
    } else if (!addr_is_multicast(ip)) {
        return false;
    } else if (ip->kind == ADDR_IP4) {
        memcpy(bytes, (const uint8_t[]){1, 0, 0x5e, ip->bytes[1] & 0x7f}, 4);
        memcpy(bytes + 4, ip->bytes + 2, 2);
    } else {
        memset(bytes, 0x33, 2);
        memcpy(bytes + 2, ip->bytes + 12, 4);
    }
    *mac = addr_from(ADDR_MAC, bytes);
    return true;
}

enum neighbour_state neighbour_resolve(struct neighbours *neighbours, struct link *link,
                                       const struct addr *local, const struct addr *hop,
                                       struct addr *mac, int64_t patience, int64_t now)
{
    if (group_mac(hop, mac))
        return NEIGHBOUR_KNOWN;
    struct neighbour *n = entry_for(neighbours, hop, now);
    if (n->state == NEIGHBOUR_KNOWN) {
        if (now - n->since > NEIGHBOUR_FRESH) {
            n->since = now;
            send_question(n, link, local);
        }
        *mac = n->mac;
    } else if (n->state == NEIGHBOUR_FREE ||
               (n->state == NEIGHBOUR_SILENT && now - n->retry >= patience)) {
        n->tries = 0;
        ask(n, link, local, now);
    }
    return n->state;
}

bool neighbour_address(struct neighbours *neighbours, struct link *link, const struct addr *local,
                       const struct addr *hop, struct frame *frames, size_t count, int64_t now)
{
    struct addr mac = {.kind = ADDR_MAC};
    if (neighbour_resolve(neighbours, link, local, hop, &mac, 0, now) != NEIGHBOUR_KNOWN)
        return false;
    for (size_t i = 0; i < count; i++)
        put_ether((uint8_t *)(uintptr_t)frames[i].bytes, &mac, &link->mac,
                  hop->kind == ADDR_IP4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
    return true;
}

bool neighbour_send(struct neighbours *neighbours, struct link *link, const struct addr *local,
                    const struct addr *hop, uint8_t *bytes, size_t length, int64_t now,
                    struct error *err)
{
    struct addr mac = {.kind = ADDR_MAC};
    bool known = neighbour_resolve(neighbours, link, local, hop, &mac, 0, now) == NEIGHBOUR_KNOWN;
    put_ether(bytes, &mac, &link->mac, hop->kind == ADDR_IP4 ? ETHERTYPE_IP4 : ETHERTYPE_IP6);
    if (known) {
        struct frame frame = {.bytes = bytes, .length = length, .original = length};
        return link_send(link, &frame, err);
    }
    struct neighbour *n = find(neighbours, hop);
    if (n->queued == NEIGHBOUR_QUEUE)
        return true; /* a full queue loses, as wires do */
    uint8_t *copy = malloc(length);
    if (!copy)
        return true;
    memcpy(copy, bytes, length);
    n->queue[n->queued].bytes = copy;
    n->queue[n->queued++].length = length;
    return true;
}

static void learn(struct neighbours *neighbours, struct neighbour *n, struct link *link,
                  const struct addr *mac, int64_t now)
{
    n->mac = *mac;
    n->since = now;
    n->state = NEIGHBOUR_KNOWN;
    neighbours->news = true;
    for (size_t i = 0; i < n->queued; i++) {
        memcpy(n->queue[i].bytes, mac->bytes, 6);
        struct frame frame = {.bytes = n->queue[i].bytes,
                              .length = n->queue[i].length,
                              .original = n->queue[i].length};
        link_send(link, &frame, NULL);
    }
    drop_queue(n);
}

void neighbour_set(struct neighbours *neighbours, const struct addr *ip, const struct addr *mac,
                   int64_t now)
{
    struct neighbour *n = entry_for(neighbours, ip, now);
    drop_queue(n);
    n->mac = *mac;
    n->since = now;
    n->state = NEIGHBOUR_KNOWN;
}

/* --- input --------------------------------------------------------------------------------------
 */

static bool usable_mac(const struct addr *mac)
{
    return !addr_is_multicast(mac) && !addr_is_zero(mac);
}

/* An answer, or any frame in which `ip` says where it is: believed only about those we asked or
 * talk to (so that a flood of strangers cannot push out the peer). */
static void note(struct neighbours *neighbours, struct link *link, const struct addr *ip,
                 const struct addr *mac, int64_t now)
{
    struct neighbour *n = find(neighbours, ip);
    if (n && usable_mac(mac))
        learn(neighbours, n, link, mac, now);
}

static void arp_input(struct neighbours *neighbours, struct link *link, const struct addr *local,
                      const uint8_t *arp, size_t length, int64_t now)
{
    if (length < ARP_LENGTH || get16(arp) != 1 || get16(arp + 2) != ETHERTYPE_IP4 || arp[4] != 6 ||
        arp[5] != 4 || local->kind != ADDR_IP4)
        return;
    uint16_t operation = get16(arp + 6);
    struct addr mac = addr_from(ADDR_MAC, arp + 8), ip = addr_from(ADDR_IP4, arp + 14);
    struct addr target = addr_from(ADDR_IP4, arp + 24);
    if (operation == 1 && !neighbours->quiet && addr_equal(&target, local) && usable_mac(&mac)) {
        uint8_t bytes[ETHER_HEADER + ARP_LENGTH];
        size_t n = write_arp(bytes, 2, &link->mac, local, &mac, &ip);
        struct frame frame = {.bytes = bytes, .length = n, .original = n};
        link_send(link, &frame, NULL);
    }
    if (operation == 1 || operation == 2)
        note(neighbours, link, &ip, &mac, now);
}

/* The link-layer address option of `type`, or ADDR_NONE; every option has a length of its own. */
static struct addr nd_option(const uint8_t *options, size_t length, uint8_t type)
{
    while (length >= 8 && options[1] != 0 && (size_t)options[1] * 8 <= length) {
        size_t step = (size_t)options[1] * 8;
        if (options[0] == type)
            return addr_from(ADDR_MAC, options + 2);
        options += step;
        length -= step;
    }
    return (struct addr){.kind = ADDR_NONE};
}

static bool nd_input(struct neighbours *neighbours, struct link *link, const struct addr *local,
                     const uint8_t *frame, const uint8_t *ip, size_t length, int64_t now)
{
    if (length < IP6_HEADER + 8 || ip[0] >> 4 != 6 || ip[6] != IPPROTO_ICMP6)
        return false;
    const uint8_t *nd = ip + IP6_HEADER;
    size_t said = get16(ip + 4);
    if (said > length - IP6_HEADER || said < 8)
        return false;
    if (nd[0] != ND_SOLICITATION && nd[0] != ND_ADVERTISEMENT)
        return false;
    struct addr src = addr_from(ADDR_IP6, ip + 8), dst = addr_from(ADDR_IP6, ip + 24);
    uint64_t sum = checksum_pseudo(0, &src, &dst, IPPROTO_ICMP6, (uint32_t)said);
    if (said < 24 || ip[7] != 255 || nd[1] != 0 ||
        checksum_finish(checksum_add(sum, nd, said)) != 0 || local->kind != ADDR_IP6)
        return true;
    struct addr target = addr_from(ADDR_IP6, nd + 8);
    if (nd[0] == ND_ADVERTISEMENT) {
        struct addr mac = nd_option(nd + 24, said - 24, 2);
        if (mac.kind == ADDR_NONE) /* a unicast answer may leave the option out */
            mac = addr_from(ADDR_MAC, frame + 6);
        note(neighbours, link, &target, &mac, now);
        return true;
    }
    struct addr mac = nd_option(nd + 24, said - 24, 1);
    if (mac.kind == ADDR_NONE)
        mac = addr_from(ADDR_MAC, frame + 6);
    if (!neighbours->quiet && addr_equal(&target, local) && usable_mac(&mac) &&
        !addr_is_zero(&src)) {
        uint8_t bytes[ETHER_HEADER + IP6_HEADER + ND_LENGTH];
        size_t n = write_nd(bytes, ND_ADVERTISEMENT, &link->mac, local, &src, &mac, local,
                            0x60000000 /* solicited, override */);
        struct frame answer = {.bytes = bytes, .length = n, .original = n};
        link_send(link, &answer, NULL);
        note(neighbours, link, &src, &mac, now);
    }
    return true;
}

bool neighbour_input(struct neighbours *neighbours, struct link *link, const struct addr *local,
                     const uint8_t *frame, size_t length, int64_t now)
{
    if (length < ETHER_HEADER)
        return true;
    uint16_t type = get16(frame + 12);
    if (type == ETHERTYPE_ARP) {
        arp_input(neighbours, link, local, frame + ETHER_HEADER, length - ETHER_HEADER, now);
        return true;
    }
    return type == ETHERTYPE_IP6 && nd_input(neighbours, link, local, frame, frame + ETHER_HEADER,
                                             length - ETHER_HEADER, now);
}

/* --- time ---------------------------------------------------------------------------------------
 */

void neighbour_serve(struct neighbours *neighbours, struct link *link, const struct addr *local,
                     int64_t now)
{
    for (size_t i = 0; i < NEIGHBOURS; i++) {
        struct neighbour *n = &neighbours->entries[i];
        if (n->state != NEIGHBOUR_ASKED || now < n->retry)
            continue;
        if (n->tries < NEIGHBOUR_TRIES) {
            ask(n, link, local, now);
        } else {
            n->state = NEIGHBOUR_SILENT;
            drop_queue(n);
            neighbours->news = true;
        }
    }
}

int64_t neighbour_deadline(const struct neighbours *neighbours)
{
    int64_t when = TIME_NEVER;
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (neighbours->entries[i].state == NEIGHBOUR_ASKED && neighbours->entries[i].retry < when)
            when = neighbours->entries[i].retry;
    return when;
}

bool neighbour_silent(const struct neighbours *neighbours, const struct addr *ip)
{
    for (size_t i = 0; i < NEIGHBOURS; i++)
        if (neighbours->entries[i].state == NEIGHBOUR_SILENT &&
            addr_equal(&neighbours->entries[i].ip, ip))
            return true;
    return false;
}

void neighbour_clear(struct neighbours *neighbours)
{
    bool quiet = neighbours->quiet;
    for (size_t i = 0; i < NEIGHBOURS; i++)
        drop_queue(&neighbours->entries[i]);
    *neighbours = (struct neighbours){.quiet = quiet};
}
