/* sockaddr: see sockaddr.h. */
#include "host/sockaddr.h"

#include <netinet/in.h>
#include <string.h>

socklen_t sockaddr_from(struct sockaddr_storage *name, const struct addr *addr, uint16_t port)
{
    memset(name, 0, sizeof *name);
    if (addr->kind == ADDR_IP4) {
        struct sockaddr_in *in = (struct sockaddr_in *)name;
        in->sin_family = AF_INET;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, addr->bytes, sizeof in->sin_addr);
        return sizeof *in;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)name;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    in6->sin6_scope_id = addr->scope;
    memcpy(&in6->sin6_addr, addr->bytes, sizeof in6->sin6_addr);
    return sizeof *in6;
}

uint16_t sockaddr_port(const struct sockaddr_storage *name)
{
    if (name->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)name)->sin_port);
    return ntohs(((const struct sockaddr_in6 *)name)->sin6_port);
}
