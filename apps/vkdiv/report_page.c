// report_page.c -- the page itself: the template with its styles, scripts and data in place.
#include "apps/vkdiv/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report_asset_bytes.inc"

static const struct asset {
    const char *name;
    const unsigned char *bytes;
    size_t size;
} assets[] = {
#define ASSET(id, name) { name, id, sizeof id },
#include "report_asset_names.inc"
#undef ASSET
};

// ---- Text that grows ----------------------------------------------------------------------------

struct text {
    char *at;
    size_t size, capacity;
    bool failed;
};

static void put(struct text *t, const char *data, size_t size)
{
    if (t->failed)
        return;
    if (size > t->capacity - t->size) {
        size_t capacity = 2 * t->capacity + size + 4096;
        char *grown = realloc(t->at, capacity);
        if (grown == NULL) {
            t->failed = true;
            return;
        }
        t->at = grown;
        t->capacity = capacity;
    }
    memcpy(t->at + t->size, data, size);
    t->size += size;
}

// For HTML's text and attributes.
static void put_escaped(struct text *t, const char *s)
{
    for (; *s; s++) {
        char code[8];
        if (strchr("<>&\"'", *s) == NULL)
            put(t, s, 1);
        else
            put(t, code, (size_t)snprintf(code, sizeof code, "&#%d;", *s));
    }
}

// Between <script> tags: ASCII, and no < that could end the element or begin a comment. In JSON a < stands within
// strings alone, so that its escape is always in place.
static int put_json(const char *data, size_t size, void *text)
{
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '<')
            put(text, "\\u003c", 6);
        else
            put(text, data + i, 1);
    }
    return ((struct text *)text)->failed ? -1 : 0;
}

// ---- The template -------------------------------------------------------------------------------

static const struct asset *find(const char *name, size_t length)
{
    for (size_t i = 0; i < sizeof assets / sizeof assets[0]; i++)
        if (strlen(assets[i].name) == length && memcmp(assets[i].name, name, length) == 0)
            return &assets[i];
    return NULL;
}

// What {{NAME}} stands for: the title, the data, or a file of the page as it is.
static void put_named(struct text *t, const char *name, size_t length, const json_t *doc, const char *title)
{
    const struct asset *a = find(name, length);
    if (length == 5 && memcmp(name, "title", length) == 0)
        put_escaped(t, title);
    else if (length == 4 && memcmp(name, "data", length) == 0)
        t->failed |= json_dump_callback(doc, put_json, t, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) != 0;
    else if (a != NULL)
        put(t, (const char *)a->bytes, a->size);
    else
        t->failed = true;
}

static const char *find_mark(const char *at, const char *end, char c)
{
    for (; at + 1 < end; at++)
        if (at[0] == c && at[1] == c)
            return at;
    return NULL;
}

char *report_page(const json_t *doc, const char *title, size_t *size)
{
    const struct asset *page = find("page.html", 9);
    const char *at = (const char *)page->bytes, *end = at + page->size, *open, *close;
    struct text t = { 0 };
    while ((open = find_mark(at, end, '{')) != NULL && (close = find_mark(open, end, '}')) != NULL) {
        put(&t, at, (size_t)(open - at));
        put_named(&t, open + 2, (size_t)(close - open) - 2, doc, title);
        at = close + 2;
    }
    put(&t, at, (size_t)(end - at));
    put(&t, "", 1);
    if (t.failed) {
        free(t.at);
        return NULL;
    }
    *size = t.size - 1;
    return t.at;
}

// ---- Values -------------------------------------------------------------------------------------

json_t *report_number(double value)
{
    char text[32];
    if (!isfinite(value))
        return json_null();
    if (value == floor(value) && fabs(value) < 1e9)
        return json_integer((json_int_t)value);
    snprintf(text, sizeof text, "%.5g", value);
    return json_real(strtod(text, NULL));
}
