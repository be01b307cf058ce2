/* path: see path.h. */
#include "link/path.h"

#include <math.h>

#include "base/clock.h"

/* splitmix64 (Steele, Lea, Flood 2014): one word of state, and every seed is a good one. */
uint64_t path_draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 0 <= x < 1. */
static double draw_unit(struct path *path, enum path_stream stream)
{
    return (double)(path_draw(&path->streams[stream]) >> 11) * 0x1p-53;
}

static bool probability(double p)
{
    return p >= 0 && p <= 1; /* false for a NaN */
}

bool fault_check(const struct fault *f, struct error *err)
{
    const int64_t longest = 3600 * NS_PER_S;
    if (!probability(f->loss) || !probability(f->duplicate) || !probability(f->reorder) ||
        !probability(f->corrupt))
        return fail(
            err, ERROR_USAGE, "EINVAL",
            "loss, duplicate, reorder and corrupt are probabilities: give each from 0 to 1");
    if (!probability(f->burst_loss))
        return fail(err, ERROR_USAGE, "EINVAL", "burst_loss is a probability: give it from 0 to 1");
    if (f->burst_every < 0 || f->burst_length < 0 || (f->burst_every > 0) != (f->burst_length > 0))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "bursts have a distance (burst_every) and a length (burst_length): give both, "
                    "as seconds above 0");
    if (f->delay < 0 || f->delay > longest || f->jitter < 0 || f->jitter > longest)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "a delay or jitter of a link is from 0 to 3600 seconds");
    if (!(f->rate == 0 || (f->rate >= 1000 && f->rate <= 1e12)))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "a rate is from 1000 to 10^12 bits a second, or 0 for no limit");
    if (f->mtu != 0 && (f->mtu < 68 || f->mtu > 65535))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "an MTU is from 68 to 65535 bytes, or 0 for no limit");
    return true;
}

void path_init(struct path *path, const struct fault *fault)
{
    *path = (struct path){.fault = *fault};
    uint64_t seeds = fault->seed;
    for (int i = 0; i < PATH_STREAMS; i++)
        path->streams[i] = path_draw(&seeds);
}

void path_change(struct path *path, const struct fault *fault, int64_t now)
{
    if (path->free > now) {
        double scale = fault->rate > 0 ? path->fault.rate / fault->rate : 0;
        path->free = now + (int64_t)((double)(path->free - now) * scale);
    }
    path->fault = *fault;
}

/* Whether it is lost by chance. Gilbert and Elliott's two states change with time: the longer ago
 * the path was looked at, the less its state of then says of now. */
static bool lost(struct path *path, int64_t now)
{
    const struct fault *f = &path->fault;
    bool lost = draw_unit(path, PATH_LOSS) < f->loss;
    double move = draw_unit(path, PATH_BURST), hit = draw_unit(path, PATH_BURST_LOSS);
    if (!f->burst_length)
        return lost;
    double begins = 1 / (double)f->burst_every, ends = 1 / (double)f->burst_length;
    double share = begins / (begins + ends), before = path->burst ? 1 : 0;
    double aged = exp(-(begins + ends) * (double)(now - path->looked));
    path->burst = move < share + (before - share) * aged;
    path->looked = now;
    return lost || (path->burst && (f->burst_loss == 0 || hit < f->burst_loss));
}

/* Waits for those before it to leave, and takes its own time; false if there is no room. */
static bool queued(struct path *path, size_t length, int64_t *now)
{
    double rate = path->fault.rate;
    if (rate == 0)
        return true;
    if (path->free > *now) {
        double waiting = (double)(path->free - *now) * rate / 8e9;
        uint32_t queue = path->fault.queue ? path->fault.queue : PATH_QUEUE;
        if (waiting + (double)length > (double)queue)
            return false;
    } else {
        path->free = *now;
    }
    path->free += (int64_t)((double)length * 8e9 / rate);
    *now = path->free;
    return true;
}

struct path_fate path_enter(struct path *path, size_t length, int64_t now)
{
    const struct fault *f = &path->fault;
    struct path_counts *counts = &path->counts;
    bool gone = lost(path, now);
    struct path_fate fate = {
        .what = PATH_LOST,
        .twice = draw_unit(path, PATH_DUPLICATE) < f->duplicate,
        .corrupted = draw_unit(path, PATH_CORRUPT) < f->corrupt,
        .bit = path_draw(&path->streams[PATH_CORRUPT]),
    };
    bool reordered = draw_unit(path, PATH_REORDER) < f->reorder;
    int64_t added = (int64_t)(draw_unit(path, PATH_JITTER) * (double)f->jitter);

    counts->sent++;
    counts->bytes += length;
    if (f->down) {
        counts->dark++;
        return fate;
    }
    if (f->mtu && length > f->mtu) {
        counts->too_big++;
        if (!f->silent)
            fate.what = PATH_TOO_BIG;
        return fate;
    }
    if (gone) {
        counts->lost++;
        return fate;
    }
    if (!queued(path, length, &now)) {
        counts->overflowed++;
        return fate;
    }
    fate.what = PATH_PASSES;
    fate.due = now + f->delay + added;
    if (fate.due < path->last)
        fate.due = path->last;
    if (reordered)
        fate.due += f->jitter ? f->jitter : f->delay ? f->delay : NS_PER_MS;
    else
        path->last = fate.due;
    counts->duplicated += fate.twice;
    counts->reordered += reordered;
    counts->corrupted += fate.corrupted;
    return fate;
}
