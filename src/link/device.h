/* device: what a link wants to know of a network interface. */
#ifndef TCPLUA_LINK_DEVICE_H
#define TCPLUA_LINK_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/error.h"

struct device {
    int index;
    bool up, loopback;
    uint16_t type;   /* ARPHRD_… */
    struct addr mac; /* of an Ethernet-like one, else ADDR_NONE */
    uint32_t mtu;
};

/* Errors: environment, ENODEV, naming the interface escaped. */
bool device_read(const char *name, struct device *device, struct error *err);

#endif
