/* option: see option.h. */
#include "packet/option.h"

#include <string.h>

bool option_next(struct option_walk *walk, struct option *option)
{
    size_t rest = walk->length - walk->at;
    if (rest == 0)
        return false;
    const uint8_t *at = walk->bytes + walk->at;
    *option = (struct option){.kind = at[0], .row = option_of_kind(walk->table, at[0])};
    if (option_is_single(walk->table, at[0])) {
        option->value = at + 1;
        if (at[0] == walk->table->end)
            walk->length = walk->at + 1; /* the rest is padding */
        walk->at++;
        return true;
    }
    size_t size = rest < 2 ? 0 : (size_t)at[1] * walk->table->unit + 2 - walk->table->head;
    if (size < 2 || size > rest) {
        walk->bad = true;
        return false;
    }
    option->value = at + 2;
    option->length = size - 2;
    walk->at += size;
    return true;
}

const struct option_row *option_of_kind(const struct option_table *table, uint8_t kind)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].kind == kind)
            return &table->rows[i];
    return NULL;
}

const struct option_row *option_named(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].name, name) == 0)
            return &table->rows[i];
    return NULL;
}

size_t option_form_length(enum option_form form)
{
    static const size_t lengths[] = {[OPTION_U8] = 1,   [OPTION_U16] = 2, [OPTION_U32] = 4,
                                     [OPTION_PAIR] = 8, [OPTION_MAC] = 6, [OPTION_IP4] = 4};
    return form < sizeof lengths / sizeof lengths[0] ? lengths[form] : 0;
}

const struct field *option_tail(const struct option_row *row)
{
    const struct field *last = &row->fields[row->count - 1];
    return last->width == 0 ? last : NULL;
}

size_t option_fixed(const struct option_row *row)
{
    const struct field *last = &row->fields[row->count - 1];
    return (last->bit + last->width) / 8U;
}

size_t option_element(const struct field *tail)
{
    switch (tail->kind) {
    case FIELD_IP4:
        return 4;
    case FIELD_IP6:
        return 16;
    case FIELD_NUMBER:
        return tail->unit;
    default:
        return 0;
    }
}

bool option_has_fields(const struct option_row *row, size_t length)
{
    size_t fixed = option_fixed(row);
    const struct field *tail = option_tail(row);
    if (length < fixed || !tail)
        return length == fixed;
    size_t element = option_element(tail);
    return element == 0 || (length - fixed) % element == 0;
}

bool option_put(struct option_list *list, uint8_t kind, const void *value, size_t length)
{
    size_t room = list->size - list->length;
    uint8_t *at = list->bytes + list->length;
    if (option_is_single(list->table, kind)) {
        if (room < 1 || length > 0)
            return false;
        *at = kind;
        list->length++;
        return true;
    }
    size_t unit = list->table->unit, units = (list->table->head + length + unit - 1) / unit;
    size_t size = units * unit + 2 - list->table->head;
    if (units > 255 || size > room)
        return false;
    memset(at, 0, size);
    at[0] = kind;
    at[1] = (uint8_t)units;
    if (length > 0)
        memcpy(at + 2, value, length);
    list->length += size;
    return true;
}

bool option_align(struct option_list *list, const struct option_row *row)
{
    while (list->table->singles && row->align > 0 && list->length % 4 != row->align % 4)
        if (!option_put(list, list->table->nop, NULL, 0))
            return false;
    return true;
}
