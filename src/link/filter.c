/* filter: see filter.h. */
#include "link/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/text.h"
#include "capture/capture.h"
#include "capture/pcap_library.h"

struct filter {
    struct pcap_library pcap;
    struct bpf_program program;
};

/* --- words --------------------------------------------------------------------------------------
 */

/* The words of pcap-filter(7) that stand for themselves, each between two blanks. */
static const char keywords[] =
    " and or not src dst host net mask gateway less greater len length byte broadcast multicast"
    " inbound outbound ifindex link ether ppp slip fddi tr wlan radio arp rarp ip ip6 tcp udp sctp"
    " icmp icmp6 igmp igrp pim vrrp carp ah esp atalk aarp decnet lat sca moprc mopdl iso esis"
    " es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui vlan mpls pppoed pppoes"
    " geneve vxlan ra ta addr1 addr2 addr3 addr4 address1 address2 address3 address4 vpi vci lane"
    " llc metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic connectmsg metaconnect fisu lssu lsu msu"
    " hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls rnr rulenum srnr subrulenum"
    " icmptype icmpcode icmp-echoreply icmp-unreach icmp-sourcequench icmp-redirect icmp-echo"
    " icmp-routeradvert icmp-routersolicit icmp-timxceed icmp-paramprob icmp-tstamp"
    " icmp-tstampreply icmp-ireq icmp-ireqreply icmp-maskreq icmp-maskreply"
    " icmp6type icmp6code icmp6-destinationunreach icmp6-packettoobig icmp6-timeexceeded"
    " icmp6-parameterproblem icmp6-echo icmp6-echoreply icmp6-multicastlistenerquery"
    " icmp6-multicastlistenerreportv1 icmp6-multicastlistenerdone icmp6-routersolicit"
    " icmp6-routeradvert icmp6-neighborsolicit icmp6-neighboradvert icmp6-redirect"
    " icmp6-routerrenum icmp6-nodeinformationquery icmp6-nodeinformationresponse"
    " icmp6-ineighbordiscoverysolicit icmp6-ineighbordiscoveryadvert"
    " icmp6-multicastlistenerreportv2 icmp6-homeagentdiscoveryrequest"
    " icmp6-homeagentdiscoveryreply icmp6-mobileprefixsolicit icmp6-mobileprefixadvert"
    " icmp6-certpathsolicit icmp6-certpathadvert icmp6-multicastrouteradvert"
    " icmp6-multicastroutersolicit icmp6-multicastroutertermination"
    " tcpflags tcp-fin tcp-syn tcp-rst tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr ";

/* Those after which a name is looked up in a file or a table, never asked of anybody. */
static const char name_takers[] = " port portrange proto protochain on ifname rset ruleset reason"
                                  " action type subtype dir direction ";

/* Those that leave open what the next word is. */
static const char connectives[] = " and or not ";

#define WORD_MAX 64 /* no word that we know is longer */

static bool listed(const char *list, const char *word)
{
    char spaced[WORD_MAX + 3];
    snprintf(spaced, sizeof spaced, " %s ", word);
    return strstr(list, spaced);
}

static const char digits[] = "0123456789";
static const char hex_digits[] = "0123456789abcdefABCDEF";

/* A number, an IPv4 address or the beginning of one, an IPv6 or MAC address, or offset:size. */
static bool numeric(const char *word)
{
    uint8_t address[16];
    size_t length = strlen(word);
    if (strspn(word, "0123456789.") == length)
        return true;
    if (word[0] == '0' && (word[1] == 'x' || word[1] == 'X'))
        return length > 2 && strspn(word + 2, hex_digits) == length - 2;
    if (inet_pton(AF_INET6, word, address) == 1)
        return true;
    size_t before = strspn(word, digits);
    if (before > 0 && word[before] == ':' && word[before + 1] &&
        strspn(word + before + 1, digits) == length - before - 1)
        return true;
    int groups = 1;
    size_t digits_here = 0;
    for (const char *p = word; *p; p++) {
        if (strchr(":-.", *p)) {
            groups++;
            digits_here = 0;
        } else if (!strchr(hex_digits, *p) || ++digits_here > 2) {
            return false;
        }
    }
    return groups == 6;
}

bool filter_check(const char *expression, struct error *err)
{
    static const char parts[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.:-";
    size_t length = strlen(expression);
    if (length > FILTER_LENGTH)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "the filter expression has %zu characters: at most %d are taken", length,
                    FILTER_LENGTH);
    bool names = false; /* the next word may be a name */
    for (const char *p = expression; *p;) {
        size_t n = strspn(p, parts);
        if (n == 0 || *p == '-') { /* an operator; a word does not begin with a minus */
            p++;
            continue;
        }
        char word[WORD_MAX + 1] = "";
        if (n <= WORD_MAX)
            memcpy(word, p, n);
        bool escaped = p > expression && p[-1] == '\\';
        if (!escaped && n <= WORD_MAX && listed(connectives, word)) {
            /* "port http or https": what goes for one goes for the next */
        } else if (!escaped && n <= WORD_MAX && listed(name_takers, word)) {
            names = true;
        } else if (!escaped && n <= WORD_MAX && listed(keywords, word)) {
            names = false;
        } else if (!names && (n > WORD_MAX || !numeric(word))) {
            char shown[100];
            text_escape(shown, sizeof shown, p, n);
            return fail(err, ERROR_USAGE, "EINVAL",
                        "the filter expression has the word \"%s\", which it does not know: host "
                        "names are not looked up, write the address",
                        shown);
        }
        p += n;
    }
    return true;
}

bool filter_refused(const char *expression, const char *reason, struct error *err)
{
    char shown[120], why[200];
    text_escape(shown, sizeof shown, expression, strlen(expression));
    text_escape(why, sizeof why, reason, strlen(reason));
    return fail(err, ERROR_USAGE, "EINVAL", "\"%s\" is no filter expression: %s", shown, why);
}

/* --- programs -----------------------------------------------------------------------------------
 */

struct filter *filter_compile_linktype(const char *expression, int linktype, struct error *err)
{
    if (!filter_check(expression, err))
        return NULL;
    struct filter *filter = calloc(1, sizeof *filter);
    if (!filter) {
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a filter");
        return NULL;
    }
    if (!pcap_library_load(&filter->pcap, err)) {
        free(filter);
        return NULL;
    }
    pcap_t *dead =
        filter->pcap.open_dead(linktype == CAPTURE_RAW_IP ? DLT_RAW : linktype, CAPTURE_SNAPLEN);
    bool compiled = dead && filter->pcap.compile(dead, &filter->program, expression, 1,
                                                 PCAP_NETMASK_UNKNOWN) == 0;
    if (!dead)
        fail(err, ERROR_ENVIRONMENT, "ENOMEM", "no memory for a filter");
    else if (!compiled)
        filter_refused(expression, filter->pcap.geterr(dead), err);
    if (dead)
        filter->pcap.close(dead);
    if (!compiled) {
        free(filter);
        return NULL;
    }
    return filter;
}

struct filter *filter_compile(const char *expression, enum link_medium medium, struct error *err)
{
    return filter_compile_linktype(expression,
                                   medium == LINK_IP ? CAPTURE_RAW_IP : CAPTURE_ETHERNET, err);
}

bool filter_attach(const struct filter *filter, int fd, struct error *err)
{
    _Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "one instruction");
    if (filter->program.bf_len > BPF_MAXINSNS)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "the filter expression makes a program of %u instructions, and the kernel "
                    "takes %d: make it simpler",
                    filter->program.bf_len, BPF_MAXINSNS);
    const struct sock_fprog program = {
        .len = (unsigned short)filter->program.bf_len,
        .filter = (struct sock_filter *)(void *)filter->program.bf_insns,
    };
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        return fail_errno(err, errno, "the kernel does not take the filter");
    return true;
}

bool filter_match(const struct filter *filter, const uint8_t *bytes, size_t length, size_t original)
{
    const struct pcap_pkthdr header = {
        .caplen = length > UINT32_MAX ? UINT32_MAX : (bpf_u_int32)length,
        .len = original > UINT32_MAX ? UINT32_MAX : (bpf_u_int32)original,
    };
    return filter->pcap.offline_filter(&filter->program, &header, bytes) != 0;
}

void filter_free(struct filter *filter)
{
    if (!filter)
        return;
    filter->pcap.freecode(&filter->program);
    free(filter);
}
