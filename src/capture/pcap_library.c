/* pcap_library: see pcap_library.h. */
#include "capture/pcap_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

bool pcap_library_load(struct pcap_library *library, struct error *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } functions[] = {
#define ROW(name) {"pcap_" #name, offsetof(struct pcap_library, name)},
        PCAP_FUNCTIONS(ROW)
#undef ROW
    };
    /* Never closed again: its functions may be in use elsewhere, and opening it once more is only
     * a look-up. "0.8" is Debian's name for the same interface. */
    void *handle = dlopen("libpcap.so.1", RTLD_NOW | RTLD_NODELETE);
    if (!handle)
        handle = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_NODELETE);
    if (!handle)
        return fail(err, ERROR_ENVIRONMENT, "ENOENT",
                    "libpcap is needed for this and could not be loaded: install it (Debian and "
                    "Ubuntu: libpcap0.8, elsewhere: libpcap)");
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        void *symbol = dlsym(handle, functions[i].name);
        if (!symbol)
            return fail(err, ERROR_ENVIRONMENT, "ENOENT",
                        "the libpcap of this system is too old, it lacks %s: install 1.9 or later",
                        functions[i].name);
        /* A pointer to a function is copied as bytes: ISO C has no cast from void * to it. */
        memcpy((char *)library + functions[i].offset, &symbol, sizeof symbol);
    }
    return true;
}
