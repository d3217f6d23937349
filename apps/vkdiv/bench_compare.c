// bench_compare.c -- results of `vkdiv bench --json`, read again and compared row by row.
#include "apps/vkdiv/bench.h"
#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Reading -----------------------------------------------------------------------------------

// What is wrong with a row, or NULL.
static const char *row_fault(const json_t *row)
{
    if (!json_is_string(json_object_get(row, "name")) || !json_is_string(json_object_get(row, "shape")))
        return "expected a name and a shape, each a text";
    if (!(bench_number(row, "ms") > 0))
        return "expected \"ms\", a number above 0";
    if (!(bench_number(row, "ms_low") <= bench_number(row, "ms")) ||
        !(bench_number(row, "ms") <= bench_number(row, "ms_high")))
        return "expected ms_low, ms and ms_high in rising order";
    return NULL;
}

static bool check(const char *path, const json_t *doc)
{
    const json_t *rows = json_object_get(doc, "results"), *row, *schema = json_object_get(doc, "schema");
    size_t i;
    if (!json_is_integer(schema) || json_integer_value(schema) != 1) {
        app_error("%s: expected \"schema\": 1, as `vkdiv bench --json` of this version writes", path);
        return false;
    }
    if (!json_is_array(rows) || json_array_size(rows) == 0) {
        app_error("%s: expected \"results\" with rows, as `vkdiv bench --json` writes", path);
        return false;
    }
    json_array_foreach(rows, i, row) {
        const char *fault = row_fault(row);
        if (fault != NULL) {
            app_error("%s: result %zu: %s", path, i + 1, fault);
            return false;
        }
    }
    return true;
}

json_t *bench_read(const char *path)
{
    uint8_t *data = NULL;
    uint64_t size;
    struct vkd__why why;
    json_error_t e;
    if (vkd__file_read(path, 64 << 20, &data, &size, &why) != VKD_OK) {
        app_error("%s", why.text);
        return NULL;
    }
    json_t *doc = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, &e);
    free(data);
    if (doc == NULL)
        app_error("%s:%d:%d: not valid JSON: %s; expected the output of `vkdiv bench --json`", path, e.line,
                  e.column, e.text);
    else if (!check(path, doc)) {
        json_decref(doc);
        doc = NULL;
    }
    return doc;
}

// ---- Rows --------------------------------------------------------------------------------------

// Equal texts, or absent from either.
static bool same(const json_t *a, const json_t *b, const char *key)
{
    const char *x = json_string_value(json_object_get(a, key)), *y = json_string_value(json_object_get(b, key));
    return x == NULL || y == NULL || strcmp(x, y) == 0;
}

static bool same_row(const json_t *a, const json_t *b)
{
    return same(a, b, "name") && same(a, b, "shape") && same(a, b, "dtype");
}

json_t *bench_find(const json_t *rows, const json_t *row, size_t nth)
{
    json_t *other;
    size_t i;
    json_array_foreach(rows, i, other)
        if (same_row(other, row) && nth-- == 0)
            return other;
    return NULL;
}

// How many rows like the one at `index` stand before it.
static size_t equals_before(const json_t *rows, size_t index)
{
    size_t count = 0;
    for (size_t i = 0; i < index; i++)
        count += same_row(json_array_get(rows, i), json_array_get(rows, index));
    return count;
}

bool bench_wants(const struct bench *b, const char *name, const char *shape)
{
    bool wanted = b->only_count == 0, old = b->old == NULL;
    const json_t *row;
    size_t k;
    for (uint32_t i = 0; i < b->only_count; i++)
        wanted |= strstr(name, b->only[i]) != NULL || (shape != NULL && strstr(shape, b->only[i]) != NULL);
    json_array_foreach(b->old, k, row)
        old |= strcmp(json_string_value(json_object_get(row, "name")), name) == 0 &&
               (shape == NULL || strcmp(json_string_value(json_object_get(row, "shape")), shape) == 0);
    return wanted && old;
}

// ---- Comparing ---------------------------------------------------------------------------------

// The ratio of the medians, and its range over what both spreads leave possible.
static json_t *compare_rows(const json_t *old, const json_t *now)
{
    const double a = bench_number(old, "ms"), b = bench_number(now, "ms");
    const double a_low = bench_number(old, "ms_low"), a_high = bench_number(old, "ms_high");
    const double b_low = bench_number(now, "ms_low"), b_high = bench_number(now, "ms_high");
    const char *verdict = b_low > a_high ? "slower" : b_high < a_low ? "faster" : "same";
    return json_pack("{s:O, s:O, s:f, s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:s}",
                     "name", json_object_get(now, "name"), "shape", json_object_get(now, "shape"),
                     "old_ms", a, "old_ms_low", a_low, "old_ms_high", a_high,
                     "ms", b, "ms_low", b_low, "ms_high", b_high,
                     "ratio", app_json_real(b / a), "ratio_low", app_json_real(b_low / a_high),
                     "ratio_high", app_json_real(b_high / a_low), "verdict", verdict);
}

// Rows of `rows` that `others` has not.
static json_t *missing(const json_t *rows, const json_t *others)
{
    json_t *out = json_array(), *row;
    size_t i;
    json_array_foreach(rows, i, row)
        if (bench_find(others, row, equals_before(rows, i)) == NULL)
            json_array_append_new(out, json_pack("{s:O, s:O}", "name", json_object_get(row, "name"),
                                                 "shape", json_object_get(row, "shape")));
    return out;
}

json_t *bench_compare(const json_t *old, const json_t *doc, const char *path)
{
    static const char *const keys[] = { "device", "driver_info", "version" };
    const json_t *before = json_object_get(old, "results"), *after = json_object_get(doc, "results"), *row;
    json_t *rows = json_array(), *other = json_object();
    size_t i;
    json_array_foreach(after, i, row) {
        const json_t *base = bench_find(before, row, equals_before(after, i));
        if (base != NULL)
            json_array_append_new(rows, compare_rows(base, row));
    }
    for (i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!same(old, doc, keys[i]))
            json_object_set_new(other, keys[i], json_pack("{s:O, s:O}", "old", json_object_get(old, keys[i]),
                                                          "new", json_object_get(doc, keys[i])));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "old", app_json_text(path), "rows", rows, "differs", other,
                     "only_old", missing(before, after), "only_new", missing(after, before));
}

// A row as cells, which the columns of a terminal or bars of Markdown separate.
static void print_pair(const json_t *row, bool markdown)
{
    char name[BENCH_TEXT], shape[BENCH_TEXT], verdict[BENCH_TEXT];
    bench_text(row, "verdict", verdict);
    const bool moved = strcmp(verdict, "same") != 0;
    const int width = markdown ? 0 : 9;
    const char *colour = !moved || markdown ? "" : app_sgr(1, strcmp(verdict, "slower") == 0 ? APP_RED : APP_GREEN);
    if (markdown)
        printf("| %s | %s | ", bench_text(row, "name", name), bench_text(row, "shape", shape));
    else
        printf("%-30s %-32s ", bench_text(row, "name", name), bench_text(row, "shape", shape));
    printf("%*.3f ms (%.3f-%.3f) %s %*.3f ms (%.3f-%.3f) %s %.3f (%.3f-%.3f) ", width, bench_number(row, "old_ms"),
           bench_number(row, "old_ms_low"), bench_number(row, "old_ms_high"), markdown ? "|" : "->", width,
           bench_number(row, "ms"), bench_number(row, "ms_low"), bench_number(row, "ms_high"), markdown ? "|" : " x",
           bench_number(row, "ratio"), bench_number(row, "ratio_low"), bench_number(row, "ratio_high"));
    printf("%s%s%s%s%s\n", markdown ? "| " : " ", colour, moved ? verdict : "",
           colour[0] != 0 ? app_sgr(1, APP_PLAIN) : "", markdown ? " |" : "");
}

static void print_missing(const json_t *rows, const char *where)
{
    char name[BENCH_TEXT], shape[BENCH_TEXT];
    const json_t *row;
    size_t i;
    json_array_foreach(rows, i, row)
        printf("only %s: %s %s\n", where, bench_text(row, "name", name), bench_text(row, "shape", shape));
}

void bench_print_compared(const json_t *compared, bool markdown)
{
    char a[BENCH_TEXT], c[BENCH_TEXT];
    const char *key;
    json_t *row;
    size_t i, slower = 0, faster = 0;
    printf("\nTimes, new over old, against %s; slower and faster are beyond the spreads of both.\n",
           bench_text(compared, "old", a));
    json_object_foreach(json_object_get(compared, "differs"), key, row)
        printf("Another %s: %s, now %s\n", key, bench_text(row, "old", a), bench_text(row, "new", c));
    printf(markdown ? "\n| | | old | new | new / old | |\n|---|---|---|---|---|---|\n" : "\n");
    json_array_foreach(json_object_get(compared, "rows"), i, row) {
        print_pair(row, markdown);
        slower += strcmp(bench_text(row, "verdict", a), "slower") == 0;
        faster += strcmp(bench_text(row, "verdict", a), "faster") == 0;
    }
    printf("\n%zu rows: %zu slower, %zu faster, %zu within the spreads\n", i, slower, faster, i - slower - faster);
    print_missing(json_object_get(compared, "only_old"), "old");
    print_missing(json_object_get(compared, "only_new"), "new");
}
