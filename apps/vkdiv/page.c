// page.c -- a template with its styles, scripts and data in place.
#include "apps/vkdiv/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static const struct page_file *find(const struct page *page, const char *name, size_t length)
{
    for (size_t i = 0; i < page->count; i++)
        if (strlen(page->files[i].name) == length && memcmp(page->files[i].name, name, length) == 0)
            return &page->files[i];
    return NULL;
}

static void put_data(struct text *t, const json_t *doc)
{
    t->failed |= json_dump_callback(doc, put_json, t, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9)) != 0;
}

static const char *find_mark(const char *at, const char *end, char c)
{
    for (; at + 1 < end; at++)
        if (at[0] == c && at[1] == c)
            return at;
    return NULL;
}

char *page_text(const struct page *page, const json_t *doc, const char *title, size_t *size)
{
    const struct page_file *file = find(page, page->main, strlen(page->main));
    if (file == NULL)
        return NULL;
    const char *at = (const char *)file->bytes, *end = at + file->size, *open, *close;
    struct text t = { 0 };
    while ((open = find_mark(at, end, '{')) != NULL && (close = find_mark(open, end, '}')) != NULL) {
        const char *name = open + 2;
        const size_t length = (size_t)(close - name);
        put(&t, at, (size_t)(open - at));
        if (length == 5 && memcmp(name, "title", length) == 0)
            put_escaped(&t, title);
        else if (length == 4 && memcmp(name, "data", length) == 0)
            put_data(&t, doc);
        else if ((file = find(page, name, length)) != NULL)
            put(&t, (const char *)file->bytes, file->size);
        else
            t.failed = true;
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
