// diff.c -- what changed from one document of selftest to another: device and driver, verdicts, what takes longer, what
// was measured.
#include "apps/selftest/selftest.h"

#include <stdio.h>
#include <string.h>

// Slower is what takes 1.5 times as long, and by more than noise: starting a process varies by that.
static const double slower = 1.5, noise_ms = 200, number_noise_ms = 0.2;
// Of rates and shares, whose noise is larger.
static const double less = 2;

enum change { WORSE, BETTER, SLOWER, FASTER, LESS, MORE, OTHER, GONE, NEW, CHANGES };
static const char *const change_names[CHANGES] = {
    "worse", "better", "slower", "faster", "less", "more", "other", "gone", "new",
};
static const enum app_style change_styles[CHANGES] = {
    APP_RED, APP_GREEN, APP_RED, APP_GREEN, APP_RED, APP_GREEN, APP_BOLD, APP_RED, APP_DIM,
};
static const bool change_is_bad[CHANGES] = { [WORSE] = true, [SLOWER] = true, [LESS] = true, [GONE] = true };

struct diff {
    json_t *list;
    bool worse;
    uint32_t both, left_out;    // probes in both documents; in one, because the other was to leave some out
};

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "";
}

static const json_t *find(const json_t *doc, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(doc, "probes"), i, row)
        if (strcmp(text_of(row, "name"), name) == 0)
            return row;
    return NULL;
}

// Whether not all probes were asked for.
static bool is_partial(const json_t *doc)
{
    return json_is_true(json_object_get(doc, "quick")) || json_is_string(json_object_get(doc, "filter")) ||
           json_is_true(json_object_get(doc, "stopped"));
}

static int rank(const json_t *row)
{
    for (int i = 0; i < SELFTEST_VERDICTS; i++)
        if (strcmp(text_of(row, "verdict"), selftest_verdicts[i]) == 0)
            return i;
    return SELFTEST_FAIL;
}

static void add(struct diff *d, enum change change, const char *name, const char *from, const char *to, const char *detail)
{
    d->worse |= change_is_bad[change];
    json_array_append_new(d->list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "change", change_names[change], "name", name,
                                             "from", from, "to", to, "detail", detail));
}

static void compare_time(struct diff *d, const char *name, double a, double b, double noise)
{
    char from[32], to[32], ratio[32];
    if (!(a > 0 && b > 0) || (b <= slower * a && a <= slower * b) || (b - a < noise && a - b < noise))
        return;
    snprintf(from, sizeof from, "%.4g ms", a);
    snprintf(to, sizeof to, "%.4g ms", b);
    snprintf(ratio, sizeof ratio, "%.2f times", b / a);
    add(d, b > a ? SLOWER : FASTER, name, from, to, ratio);
}

static bool ends(const char *key, const char *end)
{
    size_t n = strlen(key), m = strlen(end);
    return n >= m && strcmp(key + n - m, end) == 0;
}

// Numbers of which more is better and which vary, with what else runs; and those that stay as they are on one device.
static bool is_rate(const char *key)
{
    return ends(key, "_gb_s") || ends(key, "_gflops") || ends(key, "_share") || ends(key, "bytes");
}

static bool is_amount(const char *key) { return ends(key, "measured") || ends(key, "advertised"); }

static void compare_numbers(struct diff *d, const char *name, const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(a, "numbers"), key, value) {
        const json_t *other = json_object_get(json_object_get(b, "numbers"), key);
        char title[256], from[64], to[64];
        snprintf(title, sizeof title, "%s %s", name, key);
        if (json_is_string(value) && json_is_string(other) && ends(key, "weights")) {
            if (!json_equal(value, other))
                add(d, OTHER, title, json_string_value(value), json_string_value(other), "");
            continue;
        }
        if (!json_is_number(value) || !json_is_number(other))
            continue;
        double x = json_number_value(value), y = json_number_value(other);
        snprintf(from, sizeof from, "%.4g", x);
        snprintf(to, sizeof to, "%.4g", y);
        if (is_rate(key) && (x > less * y || y > less * x))
            add(d, x > y ? LESS : MORE, title, from, to, "");
        else if (is_amount(key) && (x < y || x > y))
            add(d, x > y ? LESS : MORE, title, from, to, "");
    }
}

// Device, driver and version of both; another one is no fault, but everything below is then of two things.
static void compare_identities(struct diff *d, const json_t *a, const json_t *b)
{
    static const char *const keys[] = { "name", "driver", "driver_info", "driver_version", "api", "os" };
    const json_t *x = json_object_get(a, "identity"), *y = json_object_get(b, "identity");
    for (size_t i = 0; x != NULL && y != NULL && i < sizeof keys / sizeof keys[0]; i++) {
        char title[64];
        snprintf(title, sizeof title, "identity %s", keys[i]);
        if (strcmp(text_of(x, keys[i]), text_of(y, keys[i])) != 0)
            add(d, OTHER, title, text_of(x, keys[i]), text_of(y, keys[i]), "");
    }
}

// The times that a probe measured itself count in place of those of its process.
static void compare_times(struct diff *d, const char *name, const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    bool measured = false;
    json_object_foreach(json_object_get(a, "numbers"), key, value) {
        const json_t *other = json_object_get(json_object_get(b, "numbers"), key);
        size_t length = strlen(key);
        char title[256];
        if (length < 3 || strcmp(key + length - 3, "_ms") != 0 || !json_is_number(value) || !json_is_number(other))
            continue;
        snprintf(title, sizeof title, "%s %s", name, key);
        compare_time(d, title, json_number_value(value), json_number_value(other), number_noise_ms);
        measured = true;
    }
    if (!measured)
        compare_time(d, name, json_number_value(json_object_get(a, "ms")), json_number_value(json_object_get(b, "ms")), noise_ms);
}

static void print_identity(const char *letter, const json_t *doc)
{
    const json_t *id = json_object_get(doc, "identity");
    printf("%s: %s, %s %s, %s, vkdiv %s\n", letter, text_of(doc, "device"), text_of(id, "driver"), text_of(id, "driver_info"),
           text_of(doc, "date"), text_of(doc, "version"));
}

void selftest_diff(const json_t *a, const json_t *b, bool as_json, bool *worse)
{
    struct diff d = { .list = json_array() };
    size_t i;
    json_t *row;
    compare_identities(&d, a, b);
    json_array_foreach(json_object_get(a, "probes"), i, row) {
        const char *name = text_of(row, "name");
        const json_t *other = find(b, name);
        d.both += other != NULL;
        d.left_out += other == NULL && is_partial(b);
        if (other == NULL && is_partial(b))
            continue;
        if (other == NULL)
            add(&d, GONE, name, text_of(row, "verdict"), "", "");
        else if (rank(row) != rank(other))
            add(&d, rank(other) > rank(row) ? WORSE : BETTER, name, text_of(row, "verdict"), text_of(other, "verdict"),
                text_of(other, "detail"));
        else
            compare_times(&d, name, row, other);
        if (other != NULL)
            compare_numbers(&d, name, row, other);
    }
    json_array_foreach(json_object_get(b, "probes"), i, row) {
        if (find(a, text_of(row, "name")) != NULL)
            continue;
        if (is_partial(a))
            d.left_out++;
        else
            add(&d, NEW, text_of(row, "name"), "", text_of(row, "verdict"), "");
    }
    *worse = d.worse;
    if (as_json) {
        app_print_json(json_pack("{s:i, s:b, s:o}", "schema", SELFTEST_SCHEMA, "worse", d.worse, "changes", d.list));
        return;
    }
    print_identity("A", a);
    print_identity("B", b);
    json_array_foreach(d.list, i, row)
        for (int c = 0; c < CHANGES; c++)
            if (strcmp(text_of(row, "change"), change_names[c]) == 0)
                printf("%s%-7s%s %-40s %-10s -> %-10s %s\n", app_sgr(1, change_styles[c]), change_names[c],
                       app_sgr(1, APP_PLAIN), text_of(row, "name"), text_of(row, "from"), text_of(row, "to"),
                       text_of(row, "detail"));
    if (json_array_size(d.list) == 0)
        printf("no change in %u probes\n", d.both);
    if (d.left_out > 0)
        printf("%u probes are in one document alone: the other was made with --quick or --filter, or stopped\n", d.left_out);
    json_decref(d.list);
}
