/* Lists of options: the first byte picks the table, see `tables`. Walking ends, stays inside and
 * leaves nothing out; what was walked and put again has the same bytes; and the list can be
 * printed. */
#include <string.h>

#include "fuzz.h"
#include "packet/dump.h"
#include "packet/option.h"

/* The corpus counts on the order. */
static const struct option_table *const tables[] = {&tcp_options, &ip_options, &nd_options,
                                                    &dhcp_options};

/* A row's fields fit into the value that they are said to fit into, and it is found again. */
static void check_row(const struct option_table *table, const struct option *option)
{
    const struct option_row *row = option->row;
    CHECK(row == option_of_kind(table, option->kind));
    if (!row)
        return;
    CHECK(row->kind == option->kind && option_named(table, row->name) == row);
    if (row->form != OPTION_FIELDS || !option_has_fields(row, option->length))
        return;
    CHECK(option_fixed(row) <= option->length);
    for (size_t i = 0; i < row->count; i++)
        if (row->fields[i].width > 0 && field_is_number(&row->fields[i])) {
            CHECK(field_inside(&row->fields[i], option->length));
            CHECK(field_get(&row->fields[i], option->value) <= field_max(&row->fields[i]));
        }
}

/* Puts the same options one after the other into a list of its own, as far as `list` takes them. */
static void put_again(const struct option_table *table, const uint8_t *bytes, size_t length,
                      struct option_list *list)
{
    struct option_walk walk = {.table = table, .bytes = bytes, .length = length};
    struct option option;
    while (option_next(&walk, &option) &&
           option_put(list, option.kind, option.value, option.length))
        CHECK(list->length <= list->size);
}

static void print(const struct option_table *table, const uint8_t *bytes, size_t length)
{
    struct option_walk walk = {.table = table, .bytes = bytes, .length = length}, again = walk;
    char few[40];
    size_t needed = dump_options(few, sizeof few, &walk);
    char *all = malloc(needed + 1);
    CHECK(all && dump_options(all, needed + 1, &again) == needed && strlen(all) == needed);
    CHECK(strncmp(all, few, sizeof few - 1) == 0 && fuzz_printable(all, false));
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536)
        return 0;
    const struct option_table *table = tables[data[0] % (sizeof tables / sizeof tables[0])];
    const uint8_t *bytes = data + 1;
    size_t length = size - 1, before = 0;
    struct option_walk walk = {.table = table, .bytes = bytes, .length = length};
    struct option option;
    bool ended = false;
    while (option_next(&walk, &option)) {
        CHECK(!ended && walk.at > before && walk.at <= length);
        CHECK(option.kind == bytes[before] && option.length < walk.at - before);
        CHECK(option.value + option.length == bytes + walk.at);
        ended = table->singles && option.kind == table->end;
        check_row(table, &option);
        before = walk.at;
    }
    CHECK(walk.at == before && (ended || walk.bad || walk.at == length));
    CHECK(!option_next(&walk, &option));
    print(table, bytes, length);

    uint8_t *copy = malloc(length + 8);
    CHECK(copy);
    struct option_list list = {.table = table, .bytes = copy, .size = length};
    put_again(table, bytes, length, &list);
    CHECK(list.length == walk.at && memcmp(copy, bytes, walk.at) == 0);
    /* Half the room: fewer options, and none of them half. */
    list = (struct option_list){.table = table, .bytes = copy, .size = length / 2};
    put_again(table, bytes, length, &list);
    CHECK(list.length <= length / 2 && memcmp(copy, bytes, list.length) == 0);
    for (size_t i = 0; i < table->count; i++) {
        list.size = list.length + 8;
        size_t at = list.length;
        CHECK(option_align(&list, &table->rows[i]) && list.length - at < 4);
        list.length = at;
    }
    free(copy);
    return 0;
}
