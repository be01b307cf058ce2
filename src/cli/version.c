/* version: see version.h. */
#include "cli/version.h"

#include "capture/pcap_library.h"
#include "crypto/crypto.h"
#include "script/script.h"

void version_print(FILE *out)
{
    struct pcap_library pcap;
    struct error err;
    bool loaded = pcap_library_load(&pcap, &err);
    fprintf(out, "tcplua %s\n%s\n%s\nMbed TLS %s\n", TCPLUA_VERSION, LUA_RELEASE,
            loaded ? pcap.lib_version() : err.message, crypto_version());
}
