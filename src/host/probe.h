/* probe: what this machine lets tcplua do, found out by doing it, and how to allow what it does
 * not. Nothing is sent and nothing is left behind. */
#ifndef TCPLUA_HOST_PROBE_H
#define TCPLUA_HOST_PROBE_H

#include <stdbool.h>

enum { PROBE_RAW, PROBE_PACKET, PROBE_GUARD, PROBE_RESETS, PROBE_LAB, PROBE_COUNT };

struct probe {
    const char *name; /* of the thing tried, for a person: "raw IP sockets" */
    bool ok;
    char detail[400]; /* what was found, a sentence without a full stop */
    char fix[200];    /* what to do if it is not ok: a command or a sentence; "" if nothing helps */
};

void probe_all(struct probe probes[static PROBE_COUNT]);

#endif
