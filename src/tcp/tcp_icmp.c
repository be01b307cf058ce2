/* tcp_icmp: what ICMP errors do to a connection (RFC 9293 3.9.2.2, RFC 5927).
 *
 * Anybody on the Internet can forge them, so a quote counts only if it is of something in flight,
 * and none ends a connection that is open. */
#include "tcp/tcb.h"

#define PATH_MTU_FLOOR_IP4                                                                         \
    552U                         /* below it a forged error would cost more than a real one saves  \
                                  */
#define PATH_MTU_FLOOR_IP6 1280U /* RFC 8200 5 */

static bool in_flight(const struct tcp *tcp, uint32_t seq)
{
    return seq_within(seq, tcp->snd_una, tcb_flight(tcp));
}

bool tcp_unreachable(struct tcp *tcp, uint32_t seq, bool hard, int64_t now)
{
    if (tcp->state == TCPS_CLOSED || !in_flight(tcp, seq))
        return false;
    tcp->softly = true;
    /* Only a SYN-SENT connection has nothing to lose (RFC 5927 5.2). */
    if (hard && tcp->state == TCPS_SYN_SENT)
        tcb_fail(tcp, TCP_UNREACHABLE, now);
    return true;
}

/* The next smaller size of a common link, for routers that do not tell (RFC 1191 7). */
static uint32_t plateau_below(uint32_t mtu)
{
    static const uint32_t plateaus[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006};
    for (size_t i = 0; i < sizeof plateaus / sizeof *plateaus; i++)
        if (plateaus[i] < mtu)
            return plateaus[i];
    return PATH_MTU_FLOOR_IP4;
}

bool tcp_path_mtu(struct tcp *tcp, uint32_t seq, uint32_t mtu, int64_t now)
{
    bool ip6 = tcp->config.flow.local.kind == ADDR_IP6;
    uint32_t headers = (ip6 ? 60 : 40) + tcb_overhead(tcp);
    uint32_t floor = ip6 ? PATH_MTU_FLOOR_IP6 : PATH_MTU_FLOOR_IP4;

    (void)now;
    if (tcp->state == TCPS_CLOSED || !in_flight(tcp, seq))
        return false;
    if (mtu == 0)
        mtu = plateau_below(tcp->snd_mss + headers);
    if (mtu < floor)
        mtu = floor;
    if (mtu - headers >= tcp->snd_mss)
        return true;

    tcb_set_mss(tcp, (uint16_t)(mtu - headers));
    if (tcb_is_open(tcp)) {
        recovery_restart(tcp);
        tcp->dirty = true;
    }
    return true;
}
