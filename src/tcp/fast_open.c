/* fast_open: see fast_open.h. */
#include "tcp/fast_open.h"

#include <string.h>

#include "tcp/tcb.h"

static void put_cookie(struct segment *out, const struct tcp_cookie *cookie)
{
    out->options.has_fast_open = true;
    out->options.cookie_length = cookie->length;
    memcpy(out->options.cookie, cookie->bytes, cookie->length);
}

void fast_open_ask(struct tcp *tcp, struct segment *syn)
{
    const struct tcp_cookie *cookie = &tcp->config.cookie;
    if (!tcp->config.fast_open || tcp->syn_lost)
        return;
    put_cookie(syn, cookie);
    uint32_t options = (uint32_t)segment_options_length(&syn->options);
    uint32_t room = tcp->snd_mss > options ? tcp->snd_mss - options : 0;
    uint32_t length = (uint32_t)tcp->send.length;
    if (cookie->length == 0 || length == 0 || room == 0)
        return;
    syn->length = length < room ? length : room;
    syn->payload = sendbuf_at(&tcp->send, tcp->iss + 1);
    tcp->syn_text = (uint32_t)syn->length;
}

void fast_open_heard(struct tcp *tcp, const struct segment *syn)
{
    const struct segment_options *o = &syn->options;
    if (!tcp->config.fast_open || tcp->state != TCPS_SYN_SENT || !(syn->flags & TCP_ACK))
        return;
    tcp->syn_data = seq_gt(syn->ack, tcp->iss + 1);
    struct tcp_cookie *cookie = &tcp->config.cookie;
    if (o->has_fast_open && o->cookie_length > 0) {
        cookie->length = o->cookie_length;
        memcpy(cookie->bytes, o->cookie, o->cookie_length);
    } else if (!tcp->syn_data && tcp->syn_text > 0 && !tcp->syn_lost) {
        cookie->length = 0; /* it is of no use, and there is no other */
    }
    cookie->mss = o->has_mss ? o->mss : 0;
}

void fast_open_acked(struct tcp *tcp, uint32_t ack)
{
    uint32_t taken = seq_beyond(seq_min(ack, sendbuf_end(&tcp->send)), tcp->iss + 1);
    if (taken == 0)
        return;
    sendbuf_drop(&tcp->send, taken);
    tcp->bytes_acked += taken;
    tcp->snd_una = tcp->limited = tcp->iss + 1 + taken;
    tcp->snd_nxt = seq_max(tcp->snd_nxt, tcp->snd_una);
}

bool fast_open_admit(struct tcp *tcp, const struct segment *syn)
{
    const struct segment_options *o = &syn->options;
    const struct tcp_cookie *cookie = &tcp->config.cookie;
    if (!tcp->config.fast_open || !o->has_fast_open)
        return true;
    tcp->early =
        o->cookie_length == cookie->length && memcmp(o->cookie, cookie->bytes, cookie->length) == 0;
    tcp->syn_data = tcp->early && syn->length > 0;
    tcp->cookie_due = !tcp->early;
    return tcp->early;
}

void fast_open_answer(const struct tcp *tcp, struct segment *synack)
{
    if (tcp->cookie_due)
        put_cookie(synack, &tcp->config.cookie);
}
