/* sack: see sack.h. */
#include "tcp/sack.h"

#include <string.h>

#include "tcp/seq.h"

void sack_kept(struct sack *sack, uint32_t seq)
{
    unsigned keep = sack->count < SEGMENT_SACK_MAX ? sack->count : SEGMENT_SACK_MAX - 1;
    memmove(&sack->seq[1], &sack->seq[0], keep * sizeof sack->seq[0]);
    sack->seq[0] = seq;
    sack->count = keep + 1;
}

void sack_twice(struct sack *sack, uint32_t left, uint32_t right)
{
    sack->twice = true;
    sack->left = left;
    sack->right = right;
}

bool sack_is_due(const struct sack *sack, const struct recvbuf *recv)
{
    return sack->twice || recv->ranges > 0;
}

static void add(struct segment_options *options, unsigned most, uint32_t left, uint32_t right)
{
    if (options->sacks >= most)
        return;
    options->sack[options->sacks].left = left;
    options->sack[options->sacks].right = right;
    options->sacks++;
}

void sack_report(struct sack *sack, const struct recvbuf *recv, unsigned most,
                 struct segment_options *options)
{
    uint64_t said = 0; /* bit i: range i of the receive buffer */
    options->sacks = 0;
    if (sack->twice)
        add(options, most, sack->left, sack->right);
    sack->twice = false;
    for (unsigned k = 0; k < sack->count; k++)
        for (unsigned i = 0; i < recv->ranges; i++) {
            uint32_t left = recv->range[i].left, right = recv->range[i].right;
            if (said >> i & 1 || !seq_within(sack->seq[k], left, right - left))
                continue;
            said |= UINT64_C(1) << i;
            add(options, most, left, right);
        }
    for (unsigned i = 0; i < recv->ranges; i++)
        if (!(said >> i & 1))
            add(options, most, recv->range[i].left, recv->range[i].right);
}
