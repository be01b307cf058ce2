/* proto: see proto.h. */
#include "packet/proto.h"

#include <string.h>

const struct field *proto_field(const struct proto *proto, const char *name)
{
    for (size_t i = 0; i < proto->count; i++)
        if (proto->fields[i].name[0] == name[0] && strcmp(proto->fields[i].name, name) == 0)
            return &proto->fields[i];
    return NULL;
}

const struct field *proto_role(const struct proto *proto, enum field_role role)
{
    for (size_t i = 0; i < proto->count; i++)
        if (proto->fields[i].role == role)
            return &proto->fields[i];
    return NULL;
}

const struct field *proto_tail(const struct proto *proto)
{
    for (size_t i = 0; i < proto->count; i++)
        if (proto->fields[i].width == 0)
            return &proto->fields[i];
    return NULL;
}

void proto_initial(const struct proto *proto, uint8_t *header)
{
    memset(header, 0, proto->minimum);
    for (size_t i = 0; i < proto->count; i++)
        if (proto->fields[i].initial != 0)
            field_set(&proto->fields[i], header, proto->fields[i].initial);
}

/* Whether the number counts among those of `space`. */
static bool is_in(const struct proto_number *n, enum number_space space)
{
    return n->space == space || (space == SPACE_IP6 && n->space == SPACE_IP);
}

bool proto_answers_to(const struct proto *proto, enum number_space space, uint32_t number)
{
    for (const struct proto_number *n = proto->numbers; n && n->space != SPACE_NONE; n++)
        if (is_in(n, space) && n->number == number)
            return true;
    return false;
}

int64_t proto_number_in(const struct proto *proto, enum number_space space)
{
    for (const struct proto_number *n = proto->numbers; n && n->space != SPACE_NONE; n++)
        if (is_in(n, space))
            return n->number;
    return -1;
}

bool proto_quotes(const struct proto *proto, const struct proto *next)
{
    return (proto->next == SPACE_ICMP || proto->next == SPACE_ICMP6) &&
           (next == &proto_ip || next == &proto_ip6);
}

static struct roles roles_of(const struct proto *proto)
{
    struct roles r = {0};
    for (size_t i = 0; i < proto->count; i++) {
        const struct field *f = &proto->fields[i];
        if (f->width == 0)
            r.tail = f;
        if (field_is_computed(f))
            r.computed |= UINT64_C(1) << i;
        switch (f->role) {
        case ROLE_SRC:
            r.source |= UINT64_C(1) << i;
            break;
        case ROLE_FRAGMENT:
            r.fragment = f;
            break;
        case ROLE_MORE:
            r.more = f;
            break;
        case ROLE_SPORT:
            r.sport = f;
            break;
        case ROLE_DPORT:
            r.dport = f;
            break;
        case ROLE_QUOTED:
            r.quoted = f;
            break;
        case ROLE_HEADER_LENGTH:
            r.header = f;
            break;
        case ROLE_TOTAL_LENGTH:
            r.total = f;
            break;
        case ROLE_PAYLOAD_LENGTH:
            r.payload = f;
            break;
        case ROLE_NEXT:
            r.next = f;
            break;
        case ROLE_CHECKSUM:
        case ROLE_CHECKSUM_PSEUDO:
        case ROLE_CHECKSUM_UDP:
            r.checksums |= UINT64_C(1) << i;
            break;
        default:
            break;
        }
    }
    return r;
}

static void append(struct registry *registry, const struct proto *proto)
{
    registry->protos[registry->count] = proto;
    registry->roles[registry->count++] = roles_of(proto);
    for (const struct proto_number *n = proto->numbers; n && n->space != SPACE_NONE; n++) {
        registry->spaces |= 1U << n->space;
        for (int space = 0; space < NUMBER_SPACES; space++)
            if (is_in(n, (enum number_space)space))
                registry->hints[space][n->number & 0xff] = (uint8_t)registry->count;
    }
}

void registry_init(struct registry *registry)
{
    static const struct proto *const builtin[] = {
        &proto_eth,       &proto_qinq,     &proto_vlan,      &proto_sll,       &proto_sll2,
        &proto_null,      &proto_loop,     &proto_arp,       &proto_ip,        &proto_ip6,
        &proto_ip6_hop,   &proto_ip6_dest, &proto_ip6_frag,  &proto_udp,       &proto_icmp,
        &proto_ip6_route, &proto_icmp6,    &proto_rs,        &proto_ra,        &proto_ns,
        &proto_na,        &proto_redirect, &proto_icmp_time, &proto_icmp_mask, &proto_dns,
        &proto_dhcp,      &proto_tcp,
    };
    memset(registry, 0, sizeof *registry);
    for (size_t i = 0; i < sizeof builtin / sizeof builtin[0]; i++)
        append(registry, builtin[i]);
}

bool registry_add(struct registry *registry, const struct proto *proto, struct error *err)
{
    if (registry_named(registry, proto->name))
        return fail(err, ERROR_USAGE, "EEXIST", "there is a protocol '%s' already", proto->name);
    if (registry->count == REGISTRY_MAX)
        return fail(err, ERROR_USAGE, "ENOSPC", "there are %d protocols already", REGISTRY_MAX);
    if (proto->count > 64)
        return fail(err, ERROR_USAGE, "EINVAL", "protocol '%s' has %zu fields; the most is 64",
                    proto->name, proto->count);
    if (proto->minimum > PROTO_HEADER)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "protocol '%s' has a header of %zu bytes; the most is %d", proto->name,
                    proto->minimum, PROTO_HEADER);
    for (size_t i = 0; i < proto->count; i++) {
        const struct field *f = &proto->fields[i];
        if (field_is_number(f) && (f->width == 0 || f->bit % 8 + f->width > 64))
            return fail(err, ERROR_USAGE, "EINVAL",
                        "field '%s' of protocol '%s' is a number of %d bits from bit %d: it must "
                        "lie within eight bytes",
                        f->name, proto->name, f->width, f->bit % 8);
        if (!field_inside(&proto->fields[i], proto->minimum))
            return fail(err, ERROR_USAGE, "EINVAL",
                        "field '%s' of protocol '%s' ends behind its "
                        "%zu bytes",
                        proto->fields[i].name, proto->name, proto->minimum);
    }
    append(registry, proto);
    return true;
}

const struct proto *registry_named(const struct registry *registry, const char *name)
{
    for (size_t i = registry->count; i-- > 0;)
        if (registry->protos[i]->name[0] == name[0] && strcmp(registry->protos[i]->name, name) == 0)
            return registry->protos[i];
    return NULL;
}

const struct roles *registry_roles(const struct registry *registry, const struct proto *proto)
{
    size_t i = 0;
    while (i + 1 < registry->count && registry->protos[i] != proto)
        i++;
    return &registry->roles[i];
}

const struct proto *registry_numbered(const struct registry *registry, enum number_space space,
                                      uint32_t number)
{
    for (size_t i = registry->hints[space][number & 0xff]; i-- > 0;)
        if (proto_answers_to(registry->protos[i], space, number))
            return registry->protos[i];
    return NULL;
}
