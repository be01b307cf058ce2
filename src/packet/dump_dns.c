/* dump_dns: a DNS message (RFC 1035) on one line, as tcpdump 4.99 has it without -v: of a question
 * its names, of a response the data of its answers. Where the message is cut off or makes no sense,
 * the line ends in tcpdump's "[|domain]". */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/addr.h"
#include "base/bytes.h"
#include "base/text.h"
#include "packet/dump_text.h"

enum {
    HEADER = 12,
    LABEL_MAX = 63,
    NAME_MAX = 255,     /* bytes of a name, lengths included */
    POINTERS_MAX = 127, /* in one name: no name has more labels to stand in front of them */
};

enum { TYPE_A = 1, NS = 2, CNAME = 5, PTR = 12, MX = 15, TXT = 16, AAAA = 28, SRV = 33, OPT = 41 };

struct message {
    const uint8_t *bytes;
    size_t length, at;
    bool multicast;
};

struct word {
    uint16_t number;
    const char *text;
};

static const struct word types[] = {
    {1, "A"},      {2, "NS"},          {3, "MD"},      {4, "MF"},      {5, "CNAME"},
    {6, "SOA"},    {7, "MB"},          {8, "MG"},      {9, "MR"},      {10, "NULL"},
    {11, "WKS"},   {12, "PTR"},        {13, "HINFO"},  {14, "MINFO"},  {15, "MX"},
    {16, "TXT"},   {17, "RP"},         {18, "AFSDB"},  {24, "SIG"},    {25, "KEY"},
    {28, "AAAA"},  {29, "LOC"},        {33, "SRV"},    {35, "NAPTR"},  {36, "KX"},
    {37, "CERT"},  {39, "DNAME"},      {41, "OPT"},    {42, "APL"},    {43, "DS"},
    {44, "SSHFP"}, {45, "IPSECKEY"},   {46, "RRSIG"},  {47, "NSEC"},   {48, "DNSKEY"},
    {50, "NSEC3"}, {51, "NSEC3PARAM"}, {52, "TLSA"},   {59, "CDS"},    {60, "CDNSKEY"},
    {64, "SVCB"},  {65, "HTTPS"},      {99, "SPF"},    {249, "TKEY"},  {250, "TSIG"},
    {251, "IXFR"}, {252, "AXFR"},      {253, "MAILB"}, {254, "MAILA"}, {255, "ANY"},
    {256, "URI"},  {257, "CAA"},
};

static const struct word classes[] = {{1, "IN"}, {3, "CHAOS"}, {4, "HS"}, {255, "ANY"}};

/* The word for a number; else the number in `format`. */
static void put_word(struct text *t, const struct word *words, size_t count, uint16_t number,
                     const char *prefix, const char *suffix)
{
    for (size_t i = 0; i < count; i++)
        if (words[i].number == number) {
            text_put(t, "%s", words[i].text);
            return;
        }
    text_put(t, "%s%u%s", prefix, number, suffix);
}

static void put_type(struct text *t, uint16_t type)
{
    put_word(t, types, sizeof types / sizeof types[0], type, "Type", "");
}

static void put_class(struct text *t, uint16_t class)
{
    put_word(t, classes, sizeof classes / sizeof classes[0], class, "(Class ", ")");
}

static size_t left(const struct message *m)
{
    return m->length - m->at;
}

static uint16_t take16(struct message *m)
{
    m->at += 2;
    return get16(m->bytes + m->at - 2);
}

/* Steps behind the name at m->at and prints it, if `t` is not NULL. Pointers go back only, and each
 * behind the one before, so that the walk ends. False where the name does. */
static bool name(struct text *t, struct message *m)
{
    size_t at = m->at, least = m->at, size = 1, pointers = 0;
    bool jumped = false;
    for (;;) {
        if (at >= m->length)
            return false;
        uint8_t length = m->bytes[at];
        if (length >= 0xc0) {
            if (m->length - at < 2)
                return false;
            if (!jumped)
                m->at = at + 2;
            jumped = true;
            at = get16(m->bytes + at) & 0x3fff;
            if (at >= least || ++pointers > POINTERS_MAX)
                return false;
            least = at;
            continue;
        }
        if (length > LABEL_MAX || length >= m->length - at)
            return false;
        at += 1U + length;
        if (length == 0)
            break;
        size += 1U + length;
        if (size > NAME_MAX)
            return false;
        if (t) {
            char shown[4 * LABEL_MAX + 4];
            text_put(t, "%s.", text_escape(shown, sizeof shown, m->bytes + at - length, length));
        }
    }
    if (t && size == 1)
        text_put(t, ".");
    if (!jumped)
        m->at = at;
    return true;
}

/* " A? example.org.": the type stands before the name, which is therefore stepped over first. */
static bool question(struct text *t, struct message *m)
{
    struct message again = *m;
    if (!name(NULL, m) || left(m) < 4)
        return false;
    text_put(t, " ");
    put_type(t, take16(m));
    uint16_t class = take16(m);
    if (m->multicast) {
        text_put(t, " (%s)", class & 0x8000 ? "QU" : "QM");
        class &= 0x7fff;
    }
    if (class != 1) {
        text_put(t, " ");
        put_class(t, class);
    }
    text_put(t, "? ");
    return name(t, &again);
}

static bool strings(struct text *t, struct message *m)
{
    while (left(m) > 0) {
        size_t length = m->bytes[m->at];
        char shown[4 * 255 + 4];
        if (length >= left(m))
            return false;
        text_put(t, " \"%s\"", text_escape(shown, sizeof shown, m->bytes + m->at + 1, length));
        m->at += 1 + length;
    }
    return true;
}

static bool address(struct text *t, const struct message *m, enum addr_kind kind)
{
    char shown[ADDR_TEXT];
    if (left(m) != addr_length(kind))
        return false;
    struct addr addr = addr_from(kind, m->bytes + m->at);
    text_put(t, " %s", addr_format(&addr, shown));
    return true;
}

/* The data at m->at, up to its end at m->length. */
static bool data(struct text *t, struct message *m, uint16_t type, uint16_t class, uint32_t ttl)
{
    uint16_t numbers[3];
    switch (type) {
    case TYPE_A:
        return address(t, m, ADDR_IP4);
    case AAAA:
        return address(t, m, ADDR_IP6);
    case NS:
    case CNAME:
    case PTR:
        text_put(t, " ");
        return name(t, m);
    case MX:
        if (left(m) < 2)
            return false;
        numbers[0] = take16(m);
        text_put(t, " ");
        if (!name(t, m))
            return false;
        text_put(t, " %u", numbers[0]);
        return true;
    case SRV:
        if (left(m) < 6)
            return false;
        for (size_t i = 0; i < 3; i++)
            numbers[i] = take16(m);
        text_put(t, " ");
        if (!name(t, m))
            return false;
        text_put(t, ":%u %u %u", numbers[2], numbers[0], numbers[1]);
        return true;
    case TXT:
        return strings(t, m);
    case OPT: /* RFC 6891: the class is a size, and the time to live has flags */
        text_put(t, " UDPsize=%u%s", class, ttl & 0x8000 ? " DO" : "");
        return true;
    default:
        return true;
    }
}

/* " A 192.0.2.1" */
static bool record(struct text *t, struct message *m)
{
    if (!name(NULL, m) || left(m) < 10)
        return false;
    uint16_t type = take16(m), class = take16(m);
    uint32_t ttl = (uint32_t)take16(m) << 16;
    ttl |= take16(m);
    uint16_t length = take16(m);
    bool flush = m->multicast && class & 0x8000;
    if (flush)
        class &= 0x7fff;
    if (class != 1 && type != OPT) {
        text_put(t, " ");
        put_class(t, class);
    }
    text_put(t, "%s ", flush ? " (Cache flush)" : "");
    put_type(t, type);
    if (length > left(m))
        return false;
    struct message part = *m; /* names in it may point to what is in front */
    m->at = part.length = m->at + length;
    return data(t, &part, type, class, ttl);
}

static void put_count(struct text *t, uint16_t count, uint16_t usual, const char *letter)
{
    if (count != usual)
        text_put(t, " [%u%s]", count, letter);
}

static bool response(struct text *t, struct message *m, uint16_t flags)
{
    static const char *const codes[16] = {"",         " FormErr", " ServFail", " NXDomain",
                                          " NotImp",  " Refused", " YXDomain", " YXRRSet",
                                          " NXRRSet", " NotAuth", " NotZone",  " Resp11",
                                          " Resp12",  " Resp13",  " Resp14",   " NoChange"};
    uint16_t questions = get16(m->bytes + 4), answers = get16(m->bytes + 6);
    text_put(t, "%s%s%s%s%s", codes[flags & 15], flags & 0x400 ? "*" : "", flags & 0x80 ? "" : "-",
             flags & 0x200 ? "|" : "", flags & 0x20 ? "$" : "");
    put_count(t, questions, 1, "q");
    for (uint16_t i = 0; i < questions; i++) {
        if (!name(NULL, m) || left(m) < 4)
            return false;
        m->at += 4;
    }
    text_put(t, " %u/%u/%u", answers, get16(m->bytes + 8), get16(m->bytes + 10));
    for (uint16_t i = 0; i < answers; i++) { /* each has 11 bytes or more */
        if (!record(t, m))
            return false;
        text_put(t, "%s", left(m) > 0 && i + 1 < answers ? "," : "");
    }
    return true;
}

static bool query(struct text *t, struct message *m, uint16_t flags)
{
    uint16_t questions = get16(m->bytes + 4);
    bool inverse = (flags >> 11 & 15) == 1;
    text_put(t, "%s%s", flags & 0x100 ? "+" : "", flags & 0x10 ? "%" : "");
    if (flags & 0x6cf) /* bits that only a response has */
        text_put(t, " [b2&3=0x%x]", flags);
    if (inverse) {
        put_count(t, questions, 0, "q");
        put_count(t, get16(m->bytes + 6), 1, "a");
    } else {
        put_count(t, get16(m->bytes + 6), 0, "a");
        put_count(t, questions, 1, "q");
    }
    put_count(t, get16(m->bytes + 8), 0, "n");
    put_count(t, get16(m->bytes + 10), 0, "au");
    for (uint16_t i = 0; i < questions; i++) /* each has five bytes or more */
        if (!question(t, m))
            return false;
    return true;
}

void text_put_dns(struct text *t, const uint8_t *message, size_t length, uint32_t whole,
                  bool multicast)
{
    static const char *const operations[16] = {"",         " inv_q",    " stat",     " op3",
                                               " notify",  " update",   " op6",      " op7",
                                               " op8",     " updateA",  " updateD",  " updateDA",
                                               " updateM", " updateMA", " zoneInit", " zoneRef"};
    struct message m = {message, length, HEADER, multicast};
    uint16_t flags = get16(message + 2);
    text_put(t, "%u%s", get16(message), operations[flags >> 11 & 15]);
    if (flags & 0x8000 ? response(t, &m, flags) : query(t, &m, flags))
        text_put(t, " (%" PRIu32 ")", whole);
    else
        text_put(t, " [|domain]");
}
