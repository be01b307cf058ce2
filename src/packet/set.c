/* set: see set.h.
 *
 * The Internet checksum is a sum, so what stays of it is added up once. Every row and every
 * checksum is a part of the sums around it: its bytes as a number, taken modulo 0xffff, where 2^16
 * and 2^32 are 1, and shifted by a byte if it ends in the middle of a word. What the rest adds up
 * to is known without looking at it: the finished template has the right checksum, and its parts
 * are taken out of that. */
#include "packet/set.h"

#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "packet/checksum.h"

/* --- numbers of 128 bits ------------------------------------------------------------------------
 */

static struct wide wide_add(struct wide a, struct wide b)
{
    uint64_t low = a.low + b.low;
    return (struct wide){a.high + b.high + (low < a.low), low};
}

static struct wide wide_subtract(struct wide a, struct wide b)
{
    return (struct wide){a.high - b.high - (a.low < b.low), a.low - b.low};
}

static struct wide wide_and(struct wide a, struct wide b)
{
    return (struct wide){a.high & b.high, a.low & b.low};
}

static bool wide_less(struct wide a, struct wide b)
{
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

static struct wide wide_step(int64_t step)
{
    return (struct wide){step < 0 ? UINT64_MAX : 0, (uint64_t)step};
}

/* `by` is 2^63 at most, so that the rest has room for one more bit. */
static struct wide wide_divide(struct wide a, uint64_t by)
{
    struct wide quotient = {a.high / by, 0};
    uint64_t rest = a.high % by;
    for (int bit = 64; bit-- > 0;) {
        rest = rest << 1 | (a.low >> bit & 1);
        if (rest >= by) {
            rest -= by;
            quotient.low |= UINT64_C(1) << bit;
        }
    }
    return quotient;
}

static struct wide wide_mask(unsigned width)
{
    uint64_t part = width % 64 ? (UINT64_C(1) << width % 64) - 1 : UINT64_MAX;
    return width > 64 ? (struct wide){part, UINT64_MAX} : (struct wide){0, part};
}

static uint64_t get64(const uint8_t *bytes)
{
    return (uint64_t)get32(bytes) << 32 | get32(bytes + 4);
}

static void put64(uint8_t *bytes, uint64_t value)
{
    put32(bytes, (uint32_t)(value >> 32));
    put32(bytes + 4, (uint32_t)value);
}

struct wide wide_get(const struct field *f, const uint8_t *header)
{
    if (f->width <= 64)
        return (struct wide){0, field_get(f, header)};
    return (struct wide){get64(header + f->bit / 8), get64(header + f->bit / 8 + 8)};
}

/* --- generators ---------------------------------------------------------------------------------
 */

static bool multiplies(const struct generator *g)
{
    return g->kind == GENERATE_RANGE || g->kind == GENERATE_LIST;
}

bool generator_range(struct generator *g, const struct field *f, struct wide first,
                     struct wide last, int64_t step, struct error *err)
{
    struct wide span = step > 0 ? wide_subtract(last, first) : wide_subtract(first, last);
    if (step == 0)
        return fail(err, ERROR_USAGE, "EINVAL", "the step of a range for %s is 0", f->name);
    if (f->kind == FIELD_SEQ)
        span = wide_and(span, wide_mask(f->width));
    else if (step > 0 ? wide_less(last, first) : wide_less(first, last))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "the range for %s is empty: steps of %lld lead away from its end", f->name,
                    (long long)step);
    struct wide steps = wide_divide(span, step > 0 ? (uint64_t)step : -(uint64_t)step);
    bool many = steps.high > 0 || steps.low == UINT64_MAX;
    *g = (struct generator){
        .kind = GENERATE_RANGE,
        .first = first,
        .step = wide_step(step),
        .count = many ? UINT64_MAX : steps.low + 1,
        .size = (double)steps.high * 0x1p64 + (double)steps.low + 1,
    };
    return true;
}

bool generator_list(struct generator *g, enum generator_kind kind, const struct wide *values,
                    size_t count, struct error *err)
{
    if (count == 0)
        return fail(err, ERROR_USAGE, "EINVAL", "a list of values for a field is empty");
    *g = (struct generator){
        .kind = kind, .first = values[0], .count = count, .size = (double)count, .values = values};
    return true;
}

void generator_counter(struct generator *g, struct wide first, int64_t step)
{
    *g = (struct generator){.kind = GENERATE_COUNTER, .first = first, .step = wide_step(step)};
}

bool generator_random(struct generator *g, const struct field *f, struct wide least,
                      struct wide most, struct error *err)
{
    struct wide span = wide_subtract(most, least);
    if (f->kind == FIELD_SEQ)
        span = wide_and(span, wide_mask(f->width));
    else if (wide_less(most, least))
        return fail(err, ERROR_USAGE, "EINVAL",
                    "the greatest of random values for %s is less than the least", f->name);
    *g = (struct generator){.kind = GENERATE_RANDOM, .first = least, .span = span};
    return true;
}

/* --- making -------------------------------------------------------------------------------------
 */

void set_init(struct set *set)
{
    set->bytes = NULL;
    set->length = 0;
    set->count = set->sum_count = 0;
}

static bool check_room(const struct set *set, size_t count, struct error *err)
{
    if (set->count + count <= SET_ROWS)
        return true;
    return fail(err, ERROR_USAGE, "EINVAL", "more than %d fields of one packet move", SET_ROWS);
}

bool set_takes(const struct packet *packet, size_t i, const struct field *f, struct error *err)
{
    const char *owner = packet->layers[i].proto->name;
    if (f->kind == FIELD_BYTES || f->kind == FIELD_OPTIONS || f->width == 0)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "%s.%s cannot change from packet to packet: only numbers, flags and addresses "
                    "can",
                    owner, f->name);
    if (f->role == ROLE_ROUTE)
        return fail(err, ERROR_USAGE, "EINVAL",
                    "%s.%s cannot change from packet to packet: it decides which address is in "
                    "the checksums",
                    owner, f->name);
    if (!packet_has(packet, i, f))
        return fail(err, ERROR_USAGE, "EINVAL", "the packet is cut off before %s.%s", owner,
                    f->name);
    return true;
}

bool set_vary(struct set *set, struct packet *packet, size_t i, const struct field *f,
              const struct generator *g, struct error *err)
{
    const char *owner = packet->layers[i].proto->name;
    if (!set_takes(packet, i, f, err) || !check_room(set, 1, err))
        return false;
    size_t place = 0; /* behind the rows that come before it */
    for (size_t j = 0; j < set->count; j++) {
        const struct set_row *row = &set->rows[j];
        if (row->layer == i && field_overlaps(row->field, f))
            return fail(err, ERROR_USAGE, "EINVAL",
                        "%s.%s and %s.%s have bits in common: only one of them can change from "
                        "packet to packet",
                        owner, row->field->name, owner, f->name);
        if (row->layer < i || (row->layer == i && row->field < f))
            place = j + 1;
    }
    memmove(&set->rows[place + 1], &set->rows[place], (set->count - place) * sizeof set->rows[0]);
    set->rows[place] = (struct set_row){.generator = *g, .field = f, .layer = (uint8_t)i};
    set->count++;
    if (f->width <= 64) {
        packet_set_number(packet, i, f, g->first.low);
        return true;
    }
    uint8_t bytes[16];
    put64(bytes, g->first.high);
    put64(bytes + 8, g->first.low);
    return packet_set_bytes(packet, i, f, bytes, sizeof bytes, err);
}

bool set_append(struct set *set, const struct set *inner, size_t layers, struct error *err)
{
    if (!check_room(set, inner->count, err))
        return false;
    for (size_t i = 0; i < inner->count; i++) {
        struct set_row *row = &set->rows[set->count++];
        *row = inner->rows[i];
        row->layer = (uint8_t)(row->layer + layers);
    }
    return true;
}

static void place_row(struct set_row *row, const struct packet *p)
{
    const struct field *f = row->field;
    unsigned end = f->bit + f->width; /* one past its last bit */
    row->at = p->layers[row->layer].offset + f->bit / 8U;
    row->size = (uint8_t)((end + 7) / 8 - f->bit / 8U);
    row->shift = (uint8_t)((8 - end % 8) % 8);
    row->whole = f->bit % 8 == 0 && f->width % 8 == 0;
    row->mask = wide_mask(f->width);
}

/* A value as it stands in the row's bytes; the low half of one that is wider. */
static uint64_t word_of(const struct set_row *row, struct wide value)
{
    uint64_t word = value.low;
    if (row->field->little) {
        word = 0;
        for (unsigned i = 0; i < row->size; i++)
            word = word << 8 | (value.low >> 8 * i & 0xff);
    }
    return word << row->shift;
}

static uint64_t halves(uint64_t word)
{
    return (word >> 32) + (word & UINT32_MAX);
}

static uint64_t part_of(uint64_t word, struct wide value)
{
    return halves(word) + halves(value.high);
}

/* The checksum of layer `i` that is computed, NULL if none is. */
static const struct field *computed_checksum(const struct packet *p, size_t i)
{
    const struct layer *l = &p->layers[i];
    const struct field *found = NULL;
    for (size_t j = 0; j < l->proto->count; j++) {
        const struct field *f = &l->proto->fields[j];
        if (f->role >= ROLE_CHECKSUM_HEADER && !(l->pins >> j & 1) && packet_has(p, i, f))
            found = f;
    }
    return found;
}

/* The layer whose addresses are in the pseudo-header of layer `i`; -1 if there is none. */
static int addresses_of(const struct packet *p, size_t i)
{
    int j = (int)i - 1;
    while (j >= 0 &&
           !(proto_role(p->layers[j].proto, ROLE_SRC) && proto_role(p->layers[j].proto, ROLE_DST)))
        j--;
    return j;
}

/* Adds a part that ends `distance` bytes behind the beginning of what is summed, and takes what it
 * is in the template out of the rest. */
static void add_part(struct set_sum *sum, size_t part, size_t distance, uint64_t now)
{
    uint8_t shift = distance % 2 ? 8 : 0;
    sum->parts[sum->count].part = (uint8_t)part;
    sum->parts[sum->count++].shift = shift;
    sum->base += 0xffffU - checksum_fold(now << shift);
}

/* The bytes of row `r` that layer `i` has in its checksum, its pseudo-header included, end so far
 * behind a place where a word begins; 0 if it has none. */
static size_t distance_of(const struct packet *p, const struct set_row *row, size_t i,
                          const struct field *f, int addresses)
{
    const struct layer *l = &p->layers[i], *around = &p->layers[row->layer];
    if (row->layer == i || (row->layer > i && f->role != ROLE_CHECKSUM_HEADER))
        return row->at + row->size - l->offset;
    if (f->role < ROLE_CHECKSUM_PSEUDO || row->layer != addresses)
        return 0;
    const struct field *src = proto_role(around->proto, ROLE_SRC);
    const struct field *dst = proto_role(around->proto, ROLE_DST);
    bool arrives = packet_destination(p, i, row->layer) ==
                   packet_header(p, row->layer) + dst->bit / 8U; /* not at the end of a route */
    return field_overlaps(row->field, src) || (arrives && field_overlaps(row->field, dst))
               ? row->at + row->size - around->offset /* in which addresses begin at even bytes */
               : 0;
}

/* The bits of the byte at `at` that are the row's. */
static unsigned bits_of(const struct set_row *row, size_t at)
{
    if (at < row->at || at >= row->at + row->size)
        return 0;
    size_t behind = row->at + row->size - 1 - at; /* bytes */
    return row->size > 8 ? 0xff : (unsigned)(row->mask.low << row->shift >> 8 * behind & 0xff);
}

/* Whether all that layer `i` sums up, but for the rows, is zero: such a sum is 0, while any other
 * that is a multiple of 0xffff is 0xffff. With a checksum inside it never is. */
static bool rest_is_zero(const struct set *set, const struct packet *p, size_t i,
                         const struct field *f)
{
    const struct layer *l = &p->layers[i];
    size_t end = f->role == ROLE_CHECKSUM_HEADER ? l->offset + l->header : l->end;
    size_t skip = l->offset + f->bit / 8U;
    for (size_t at = l->offset; at < end; at++) {
        unsigned rest = at - skip < 2 ? 0 : p->bytes[at];
        for (size_t r = 0; r < set->count; r++)
            rest &= ~bits_of(&set->rows[r], at);
        if (rest)
            return false;
    }
    return true;
}

static void add_sum(struct set *set, const struct packet *p, size_t i, const struct field *f)
{
    int addresses = addresses_of(p, i);
    if (f->role >= ROLE_CHECKSUM_PSEUDO && addresses < 0)
        return;
    struct set_sum *sum = &set->sums[set->sum_count];
    sum->at = p->layers[i].offset + f->bit / 8U;
    sum->never_zero = f->role == ROLE_CHECKSUM_UDP;
    sum->count = 0;
    sum->base = 2 * 0xffffU - get16(p->bytes + sum->at); /* more than 0 */
    for (size_t r = 0; r < set->count; r++) {
        const struct set_row *row = &set->rows[r];
        size_t distance = distance_of(p, row, i, f, addresses);
        struct wide value = wide_get(row->field, packet_header(p, row->layer));
        if (distance > 0)
            add_part(sum, r, distance, part_of(word_of(row, value), value));
    }
    for (size_t s = 0; s < set->sum_count && f->role != ROLE_CHECKSUM_HEADER; s++)
        add_part(sum, SET_ROWS + s, set->sums[s].at + 2 - p->layers[i].offset,
                 get16(p->bytes + set->sums[s].at));
    sum->base = checksum_fold(sum->base);
    if (f->role < ROLE_CHECKSUM_PSEUDO && rest_is_zero(set, p, i, f))
        sum->base = 0;
    if (sum->count > 0)
        set->sum_count++;
}

void set_prepare(struct set *set, struct packet *packet)
{
    packet_finish(packet);
    set->bytes = packet->bytes;
    set->length = packet->size;
    set->sum_count = 0;
    for (size_t r = 0; r < set->count; r++)
        place_row(&set->rows[r], packet);
    for (size_t i = packet->count; i-- > 0;) { /* inner ones first: outer ones cover them */
        const struct field *f = computed_checksum(packet, i);
        if (f)
            add_sum(set, packet, i, f);
    }
}

double set_count(const struct set *set)
{
    double count = 1;
    bool any = set->count == 0;
    for (size_t i = 0; i < set->count; i++)
        if (multiplies(&set->rows[i].generator)) {
            count *= set->rows[i].generator.size;
            any = true;
        }
    return any ? count : HUGE_VAL;
}

/* --- going through ------------------------------------------------------------------------------
 */

/* splitmix64 (Steele, Lea, Flood 2014) */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* All ones below the highest one. */
static uint64_t smear(uint64_t value)
{
    for (unsigned shift = 1; shift < 64; shift *= 2)
        value |= value >> shift;
    return value;
}

static struct wide draw_within(uint64_t *state, struct wide span)
{
    if (span.high == 0 && span.low <= UINT32_MAX) { /* 64 random bits times n, divided by 2^64 */
        uint64_t bits = draw(state), n = span.low + 1;
        return (struct wide){0, ((bits >> 32) * n + ((bits & UINT32_MAX) * n >> 32)) >> 32};
    }
    struct wide value, mask = {smear(span.high), span.high ? UINT64_MAX : smear(span.low)};
    do /* more than every second one is good */
        value = wide_and((struct wide){mask.high ? draw(state) : 0, draw(state)}, mask);
    while (wide_less(span, value));
    return value;
}

static void assign(struct set_cursor *c, size_t i, struct wide value)
{
    const struct set_row *row = &c->set->rows[i];
    value = wide_and(value, row->mask);
    c->rows[i].value = value;
    c->rows[i].word = word_of(row, value);
    c->parts[i] = part_of(c->rows[i].word, value);
}

static void begin(struct set_cursor *c, size_t i)
{
    const struct generator *g = &c->set->rows[i].generator;
    c->rows[i].index = 0;
    assign(c, i,
           g->kind == GENERATE_RANDOM ? wide_add(g->first, draw_within(&c->random, g->span))
                                      : g->first);
}

void set_start(const struct set *set, struct set_cursor *c, uint64_t seed)
{
    c->set = set;
    c->random = seed;
    c->over = false;
    for (size_t i = 0; i < set->count; i++)
        begin(c, i);
}

/* The next value of row `i`. True if it was the last one and begins again. */
static bool move(struct set_cursor *c, size_t i)
{
    const struct generator *g = &c->set->rows[i].generator;
    if (g->kind == GENERATE_RANDOM) {
        begin(c, i);
        return false;
    }
    if (g->kind != GENERATE_COUNTER && ++c->rows[i].index == g->count) {
        begin(c, i);
        return true;
    }
    assign(c, i, g->values ? g->values[c->rows[i].index] : wide_add(c->rows[i].value, g->step));
    return false;
}

/* Moves what is endless, and of what multiplies the last, and the one before when that wraps. */
static void advance(struct set_cursor *c)
{
    const struct set *set = c->set;
    bool carry = true, any = set->count == 0;
    for (size_t i = set->count; i-- > 0;)
        if (!multiplies(&set->rows[i].generator)) {
            move(c, i);
        } else {
            any = true;
            carry = carry && move(c, i);
        }
    c->over = any && carry;
}

static void write_row(const struct set_row *row, uint64_t word, uint64_t high, uint8_t *bytes)
{
    bytes += row->at;
    if (!row->whole) {
        uint64_t mask = row->mask.low << row->shift;
        for (size_t i = row->size; i-- > 0; word >>= 8, mask >>= 8)
            bytes[i] = (uint8_t)((bytes[i] & ~mask) | word);
        return;
    }
    switch (row->size) {
    case 2:
        put16(bytes, (uint32_t)word);
        break;
    case 4:
        put32(bytes, (uint32_t)word);
        break;
    case 16:
        put64(bytes, high);
        put64(bytes + 8, word);
        break;
    default:
        for (size_t i = row->size; i-- > 0; word >>= 8)
            bytes[i] = (uint8_t)word;
    }
}

bool set_next(struct set_cursor *c, uint8_t *bytes)
{
    const struct set *set = c->set;
    if (c->over) {
        c->over = false;
        return false;
    }
    for (size_t i = 0; i < set->count; i++)
        write_row(&set->rows[i], c->rows[i].word, c->rows[i].value.high, bytes);
    for (size_t s = 0; s < set->sum_count; s++) {
        const struct set_sum *sum = &set->sums[s];
        uint64_t total = sum->base;
        for (size_t i = 0; i < sum->count; i++)
            total += c->parts[sum->parts[i].part] << sum->parts[i].shift;
        uint16_t right = checksum_finish(total);
        if (right == 0 && sum->never_zero)
            right = 0xffff;
        put16(bytes + sum->at, right);
        c->parts[SET_ROWS + s] = right;
    }
    advance(c);
    return true;
}
