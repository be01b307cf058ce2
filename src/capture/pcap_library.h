/* pcap_library: libpcap, loaded by the first thing that needs it.
 *
 * On many distributions libpcap brings a dozen libraries with it (D-Bus, systemd, RDMA), which
 * would cost every start of the program more than its own work. Most runs capture nothing, so it
 * is opened by name at run time. <pcap/pcap.h> still gives the types: every pointer below has the
 * declared type of its function. */
#ifndef TCPLUA_CAPTURE_PCAP_LIBRARY_H
#define TCPLUA_CAPTURE_PCAP_LIBRARY_H

#include <pcap/pcap.h>
#include <stdbool.h>

#include "base/error.h"

/* What we call, without the "pcap_". */
#define PCAP_FUNCTIONS(X)                                                                          \
    X(activate)                                                                                    \
    X(close)                                                                                       \
    X(compile)                                                                                     \
    X(create)                                                                                      \
    X(datalink)                                                                                    \
    X(datalink_val_to_name)                                                                        \
    X(dump)                                                                                        \
    X(dump_close)                                                                                  \
    X(dump_flush)                                                                                  \
    X(dump_fopen)                                                                                  \
    X(fopen_offline_with_tstamp_precision)                                                         \
    X(freecode)                                                                                    \
    X(get_selectable_fd)                                                                           \
    X(geterr)                                                                                      \
    X(lib_version)                                                                                 \
    X(next_ex)                                                                                     \
    X(offline_filter)                                                                              \
    X(open_dead)                                                                                   \
    X(open_dead_with_tstamp_precision)                                                             \
    X(set_buffer_size)                                                                             \
    X(set_immediate_mode)                                                                          \
    X(set_promisc)                                                                                 \
    X(set_snaplen)                                                                                 \
    X(set_timeout)                                                                                 \
    X(set_tstamp_precision)                                                                        \
    X(setfilter)                                                                                   \
    X(setnonblock)                                                                                 \
    X(stats)                                                                                       \
    X(statustostr)

struct pcap_library {
#define DECLARE(name) __typeof__(pcap_##name) *name;
    PCAP_FUNCTIONS(DECLARE)
#undef DECLARE
};

/* Fills `library`; cheap when it was loaded before. Errors: environment, ENOENT, naming the package
 * to install. */
bool pcap_library_load(struct pcap_library *library, struct error *err);

#endif
