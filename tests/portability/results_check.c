// results_check.c -- the forms of the two kinds of results, as data, and what holds a document against them.
#include "results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { TEXT, NUMBER, COUNT, TRUTH, OBJECT, LIST, COUNTS, WORST };

static const char *const type_names[] = {
    "a text", "a number", "a whole number of at least 0", "true or false", "an object", "a list",
    "an object of whole numbers of at least 0", "[number, kernel]",
};

// What stands under a key. Keys without a rule are free.
struct rule {
    const char *key;
    enum type type;
    enum { MUST, MAY, OR_NULL } need;
    const char *const *words;           // those that a text may be
    const struct rule *inside;          // for the keys of an object, or of each object of a list
    bool texts;                         // each item of the list is a text
};
#define KEY(name, kind, ...) { .key = name, .type = kind, __VA_ARGS__ }
#define END { .key = NULL }

// ---- Documents of `vkdiv selftest`: schema.json says what their keys mean ----

static const char *const verdicts[] = { "pass", "fallback", "skip", "fail", NULL };
static const char *const pass_fail[] = { "pass", "fail", NULL };

static const struct rule identity[] = {
    KEY("type", TEXT), KEY("driver", TEXT), KEY("driver_info", TEXT), KEY("api", TEXT), KEY("os", TEXT), END
};
static const struct rule counts[] = {
    KEY("pass", COUNT), KEY("fallback", COUNT), KEY("skip", COUNT), KEY("fail", COUNT), END
};
static const struct rule part[] = { KEY("name", TEXT), KEY("title", TEXT), END };
static const struct rule probe[] = {
    KEY("name", TEXT), KEY("verdict", TEXT, .words = verdicts), KEY("detail", TEXT), KEY("ms", NUMBER),
    KEY("numbers", OBJECT, .need = MAY), END
};
static const struct rule ran[] = {
    KEY("version", TEXT), KEY("date", TEXT), KEY("quick", TRUTH), KEY("filter", TEXT, .need = OR_NULL),
    KEY("device", TEXT, .need = OR_NULL), KEY("identity", OBJECT, .need = OR_NULL, .inside = identity),
    KEY("verdict", TEXT, .words = pass_fail), KEY("counts", OBJECT, .inside = counts), KEY("seconds", NUMBER),
    KEY("parts", LIST, .inside = part), KEY("probes", LIST, .inside = probe), END
};

// ---- Documents of compile_all: verdict.c writes them ----

static const struct rule gpu[] = {
    KEY("vendor", TEXT), KEY("name", TEXT), KEY("generation", TEXT), KEY("known_as", TEXT), END
};
static const struct rule driver[] = { KEY("name", TEXT), KEY("version", TEXT), END };
static const struct rule summary[] = {
    KEY("pass", TRUTH), KEY("pipelines", COUNT), KEY("excepted", COUNT), KEY("seconds", NUMBER),
    KEY("waves", WORST, .need = MAY), KEY("product_vgprs", WORST, .need = MAY),
    KEY("product_lanes", WORST, .need = MAY), KEY("instructions", WORST, .need = MAY), END
};
static const struct rule failure[] = {
    KEY("kernel", TEXT), KEY("what", TEXT), KEY("value", NUMBER), KEY("limit", NUMBER),
    KEY("why", TEXT, .need = MAY), KEY("reason", TEXT, .need = MAY), END
};
static const struct rule compiled[] = {
    KEY("gpu", OBJECT, .inside = gpu), KEY("driver", OBJECT, .inside = driver),
    KEY("summary", OBJECT, .inside = summary), KEY("skipped", COUNTS), KEY("failures", LIST, .inside = failure),
    KEY("columns", LIST, .texts = true), KEY("kernels", OBJECT), END
};

// ---- Holding a document against them ----

static bool refuse(const char *path, const char *where, const char *expected, const json_t *found)
{
    char *text = found ? json_dumps(found, JSON_ENCODE_ANY | JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    fprintf(stderr, "%s: %s: expected %s, found %.60s%s\n", path, where, expected, text ? text : "nothing",
            text && strlen(text) > 60 ? "..." : "");
    free(text);
    return false;
}

static bool is_count(const json_t *v)
{
    return json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) < 1 << 30;
}

static bool is_counts(const json_t *v)
{
    const char *key;
    json_t *item;
    json_object_foreach((json_t *) v, key, item)
        if (!is_count(item))
            return false;
    return json_is_object(v);
}

static bool has_type(const json_t *v, enum type type)
{
    switch (type) {
    case TEXT: return json_is_string(v);
    case NUMBER: return json_is_number(v);
    case COUNT: return is_count(v);
    case TRUTH: return json_is_boolean(v);
    case OBJECT: return json_is_object(v);
    case LIST: return json_is_array(v);
    case COUNTS: return is_counts(v);
    case WORST: return json_array_size(v) == 2 && json_is_number(json_array_get(v, 0)) &&
                       json_is_string(json_array_get(v, 1));
    }
    return false;
}

static bool check_words(const char *path, const char *where, const char *const *words, const json_t *v)
{
    char expected[128] = "one of";
    for (; *words; words++) {
        if (!strcmp(*words, json_string_value(v)))
            return true;
        size_t n = strlen(expected);
        snprintf(expected + n, sizeof(expected) - n, " \"%s\"", *words);
    }
    return refuse(path, where, expected, v);
}

static bool check_object(const char *path, const char *where, const struct rule *rules, const json_t *o);

static bool check_items(const char *path, const char *where, const struct rule *r, const json_t *list)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        char at[256];
        snprintf(at, sizeof(at), "%.200s[%zu]", where, i);
        if (r->texts && !json_is_string(item))
            return refuse(path, at, type_names[TEXT], item);
        if (r->inside && !json_is_object(item))
            return refuse(path, at, type_names[OBJECT], item);
        if (r->inside && !check_object(path, at, r->inside, item))
            return false;
    }
    return true;
}

static bool check_object(const char *path, const char *where, const struct rule *rules, const json_t *o)
{
    for (const struct rule *r = rules; r->key; r++) {
        char at[256], expected[128];
        const json_t *v = json_object_get(o, r->key);
        if ((!v && r->need == MAY) || (json_is_null(v) && r->need == OR_NULL))
            continue;
        snprintf(at, sizeof(at), "%s%s%s", where, *where ? "." : "", r->key);
        snprintf(expected, sizeof(expected), "%s%s", type_names[r->type], r->need == OR_NULL ? " or null" : "");
        if (!has_type(v, r->type))
            return refuse(path, at, expected, v);
        bool ok = r->words ? check_words(path, at, r->words, v) : r->type == LIST ? check_items(path, at, r, v) :
                  r->inside ? check_object(path, at, r->inside, v) : true;
        if (!ok)
            return false;
    }
    return true;
}

// Each kernel has a number for each column.
static bool check_kernels(const char *path, const json_t *doc)
{
    const size_t width = json_array_size(json_object_get(doc, "columns"));
    const char *key;
    json_t *row, *value;
    size_t i, number = 0;
    json_object_foreach(json_object_get(doc, "kernels"), key, row) {
        char at[64], expected[64];
        bool ok = json_is_array(row) && json_array_size(row) == width;
        number++;
        json_array_foreach(row, i, value)
            ok = ok && json_is_number(value);
        snprintf(at, sizeof(at), "row %zu of kernels", number);
        snprintf(expected, sizeof(expected), "a list of %zu numbers, one for each of columns", width);
        if (!ok)
            return refuse(path, at, expected, row);
    }
    return true;
}

bool result_check(const char *path, const json_t *doc, bool *is_ran)
{
    const json_t *kind = json_object_get(doc, "kind");
    const char *text = json_string_value(kind);
    *is_ran = text && !strcmp(text, "selftest");
    if (!*is_ran && (!text || strcmp(text, "compile")))
        return refuse(path, "kind", "\"selftest\" (of `vkdiv selftest -o`) or \"compile\" (of compile_all)", kind);
    const char *key = *is_ran ? "schema" : "version";
    const json_t *version = json_object_get(doc, key);
    if (json_integer_value(version) != 1)
        return refuse(path, key, "1", version);
    return check_object(path, "", *is_ran ? ran : compiled, doc) && (*is_ran || check_kernels(path, doc));
}
