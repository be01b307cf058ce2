/* option: lists of options as TCP, IPv4, NDP and DHCP have them: kind, length, value.
 *
 * A table names the kinds and says what their values are; kinds without a row are kept as bytes.
 * Walking never judges beyond what it needs to go on, and ends at the first length that cannot
 * be. */
#ifndef TCPLUA_PACKET_OPTION_H
#define TCPLUA_PACKET_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "packet/field.h"

enum option_form {
    OPTION_BYTES,  /* anything */
    OPTION_BARE,   /* nothing: it is there or not */
    OPTION_U8,     /* one number */
    OPTION_U16,    /* */
    OPTION_U32,    /* */
    OPTION_PAIR,   /* two 32-bit numbers */
    OPTION_RANGES, /* any number of pairs of 32-bit numbers */
    OPTION_MAC,    /* an Ethernet address */
    OPTION_IP4,    /* an IPv4 address */
    OPTION_FIELDS, /* a table of fields of its own */
};

struct option_row {
    const char *name;
    uint8_t kind;
    enum option_form form;
    uint8_t align; /* where it likes to begin, modulo 4, so that its numbers stand aligned */
    /* Of OPTION_FIELDS. A tail is bytes, or as many addresses or numbers of `unit` bytes as fit. */
    const struct field *fields;
    size_t count;
};

#define OPTION_VALUE(table)                                                                        \
    .form = OPTION_FIELDS, .fields = (table), .count = sizeof(table) / sizeof(table)[0]

struct option_table {
    const struct option_row *rows; /* in the order in which they are written */
    size_t count;
    uint8_t unit; /* the length byte counts these, */
    uint8_t head; /* so many of the kind and length bytes included */
    bool singles; /* the kinds `nop` and `end` (of the list) are single bytes */
    uint8_t nop, end;
};

extern const struct option_table tcp_options, ip_options, nd_options, dhcp_options;

/* Those of TCP and IPv4. */
enum { OPTION_END = 0, OPTION_NOP = 1 };

/* Whether the kind is a single byte in this table. */
static inline bool option_is_single(const struct option_table *table, uint8_t kind)
{
    return table->singles && (kind == table->nop || kind == table->end);
}

enum { OPTION_LONGEST = 255 * 8 };

struct option {
    uint8_t kind;
    const struct option_row *row; /* NULL: a kind without a name */
    const uint8_t *value;         /* behind kind and length */
    size_t length;                /* of the value */
};

struct option_walk {
    const struct option_table *table;
    const uint8_t *bytes;
    size_t length, at; /* `at` is where the next option begins, or where reading ended */
    bool bad;          /* it ended at an impossible length */
};

/* The next option, the end and no-operation bytes included. False at the end of the bytes, behind
 * an end-of-list, and at an impossible length. Begin with {table, bytes, length}. */
bool option_next(struct option_walk *walk, struct option *option);

/* The row of a kind or of a name; NULL if there is none. */
const struct option_row *option_of_kind(const struct option_table *table, uint8_t kind);
const struct option_row *option_named(const struct option_table *table, const char *name);

/* The length of the value that a form has, 0 if that varies. */
size_t option_form_length(enum option_form form);

/* Of a row with fields: the length of the fixed ones; the tail, NULL if there is none; and the
 * length of an element of the tail, 0 if it is bytes. */
size_t option_fixed(const struct option_row *row);
const struct field *option_tail(const struct option_row *row);
size_t option_element(const struct field *tail);

/* Whether a value of that length can be read by the fields: no less, and whole elements. */
bool option_has_fields(const struct option_row *row, size_t length);

/* A list under construction in the caller's bytes. */
struct option_list {
    const struct option_table *table;
    uint8_t *bytes;
    size_t size, length;
};

/* Appends one option; a value that does not fill the table's unit is padded with zeros. False if
 * there is no room, or the length byte cannot say it. */
bool option_put(struct option_list *list, uint8_t kind, const void *value, size_t length);

/* Appends no-operations until an option of this row stands as it likes to. */
bool option_align(struct option_list *list, const struct option_row *row);

#endif
