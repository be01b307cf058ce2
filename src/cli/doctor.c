/* doctor: see doctor.h. */
#include "cli/doctor.h"

#include <stdio.h>

#include "capture/pcap_library.h"
#include "host/probe.h"
#include "script/script.h"

static void line(const char *name, bool ok, const char *detail, const char *fix)
{
    printf("%-4s%-22s %s\n", ok ? "ok" : "no", name, detail);
    if (!ok && fix[0])
        printf("    %-22s fix: %s\n", "", fix);
}

int doctor(void)
{
    struct probe probes[PROBE_COUNT];
    struct pcap_library pcap;
    struct error err;
    probe_all(probes);
    for (int i = 0; i < PROBE_COUNT; i++)
        line(probes[i].name, probes[i].ok, probes[i].detail, probes[i].fix);
    bool loaded = pcap_library_load(&pcap, &err);
    line("libpcap", loaded, loaded ? pcap.lib_version() : err.message, "sh third_party/install.sh");
    bool here = probes[PROBE_RAW].ok && probes[PROBE_GUARD].ok;
    printf("\nscripts can be run %s\n", here && probes[PROBE_LAB].ok ? "here and with --lab"
                                        : here                       ? "here, and not with --lab"
                                        : probes[PROBE_LAB].ok       ? "with --lab"
                                                                     : "in a simulated lab only");
    return here || probes[PROBE_LAB].ok ? STATUS_OK : STATUS_ENVIRONMENT;
}
