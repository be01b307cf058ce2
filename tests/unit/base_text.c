/* What is printed of bytes that may be anybody's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

#include <cmocka.h> /* last: its fail() is a macro */

#define escaped(text)   text_escape((char[64]){0}, 64, text, sizeof text - 1)
#define printable(text) text_printable((char[64]){0}, 64, text, sizeof text - 1)

static void what_is_foreign_becomes_ascii(void **state)
{
    (void)state;
    assert_string_equal(escaped("plain ~"), "plain ~");
    assert_string_equal(escaped("a\\b\n\0c\x7f"), "a\\\\b\\x0a\\x00c\\x7f");
    assert_string_equal(escaped("gr\xc3\xbc\xc3\x9f"), "gr\\xc3\\xbc\\xc3\\x9f");
}

static void a_sentence_keeps_what_can_be_seen(void **state)
{
    (void)state;
    assert_string_equal(printable("a\\x0a\x1b[31m"), "a\\x0a\\x1b[31m");
    assert_string_equal(printable("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f");
    assert_string_equal(printable("\xe2\x80\x93 \xe2\x80\xa6 \xe6\xbc\xa2"),
                        "\xe2\x80\x93 \xe2\x80\xa6 \xe6\xbc\xa2");
    assert_string_equal(printable("\xf0\x9f\x91\x8d"), "\xf0\x9f\x91\x8d");
}

static void what_hides_or_steers_does_not_pass(void **state)
{
    (void)state;
    assert_string_equal(printable("\xc2\x9b"), "\\xc2\\x9b");          /* CSI */
    assert_string_equal(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae"); /* turns the line */
    assert_string_equal(printable("\xe2\x80\x8b"), "\\xe2\\x80\\x8b"); /* of no width */
    assert_string_equal(printable("\xef\xbb\xbf"), "\\xef\\xbb\\xbf"); /* byte order mark */
    assert_string_equal(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* surrogate */
    assert_string_equal(printable("\xef\xbf\xbe"), "\\xef\\xbf\\xbe"); /* none at all */
    assert_string_equal(printable("\xf3\xa0\x80\x81"), "\\xf3\\xa0\\x80\\x81"); /* tag */
}

static void what_is_no_utf8_does_not_pass(void **state)
{
    (void)state;
    assert_string_equal(printable("\xc0\xaf"), "\\xc0\\xaf");
    assert_string_equal(printable("\xe0\x9f\xbf"), "\\xe0\\x9f\\xbf");
    assert_string_equal(printable("\xf0\x8f\xbf\xbf"), "\\xf0\\x8f\\xbf\\xbf");
    assert_string_equal(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
    assert_string_equal(printable("\xc3"), "\\xc3"); /* cut off at the end of the bytes */
    assert_string_equal(printable("\xc3x"), "\\xc3x");
    assert_string_equal(printable("\xff\x80"), "\\xff\\x80");
}

static void what_does_not_fit_ends_in_dots(void **state)
{
    (void)state;
    char out[8];
    assert_string_equal(text_escape(out, sizeof out, "12345", 5), "12345");
    assert_string_equal(text_escape(out, sizeof out, "12345678", 8), "1234...");
    assert_string_equal(text_escape(out, sizeof out,
                                    "12\xff"
                                    "4",
                                    4),
                        "12...");
    assert_string_equal(text_printable(out, sizeof out,
                                       "123\xc3\xbc"
                                       "456",
                                       8),
                        "123...");
    assert_string_equal(text_printable(out, sizeof out, "123\xc3\xbc", 5), "123\xc3\xbc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_foreign_becomes_ascii),
        cmocka_unit_test(a_sentence_keeps_what_can_be_seen),
        cmocka_unit_test(what_hides_or_steers_does_not_pass),
        cmocka_unit_test(what_is_no_utf8_does_not_pass),
        cmocka_unit_test(what_does_not_fit_ends_in_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
