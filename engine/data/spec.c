// spec.c -- reads "FORMAT:PATH?option=value&..." and class lists.
#include "dataset.h"
#include "engine/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const option_names[] = { "split", "classes", "limit", "train_limit", "size", "collage", "holdout",
                                           "shuffle_labels" };
static const char *const split_names[] = { "train", "val", "test", "all" };

// "; did you mean 'x'?" or nothing.
static const char *hint(const char *word, const char *const *names, size_t count, char text[80])
{
    const char *near = vkd__suggest(word, names, count);
    text[0] = 0;
    if (near)
        snprintf(text, 80, "; did you mean '%s'?", near);
    return text;
}

// A decimal number in [1, most], nothing before or behind it.
static bool read_number(const char *text, uint32_t most, uint32_t *out)
{
    uint64_t n = 0;
    if (!*text)
        return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9')
            return false;
        n = n * 10 + (uint64_t)(*p - '0');
        if (n > most)
            return false;
    }
    if (!n)
        return false;
    *out = (uint32_t)n;
    return true;
}

static vkd_result read_split(const char *value, struct vkd__spec *spec, struct vkd__why *why)
{
    char near[80];
    const size_t count = sizeof split_names / sizeof split_names[0];
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(value, split_names[i])) {
            spec->split = split_names[i];
            return VKD_OK;
        }
    }
    return vkd__data_fail(why, VKD_INVALID, "split '%.60s': expected train, val, test or all%s", value,
                          hint(value, split_names, count, near));
}

// A decimal fraction such as 0.1, above 0 and below 1, of at most six digits.
static vkd_result read_share(const char *value, struct vkd__spec *spec, struct vkd__why *why)
{
    uint32_t millionths = 0, worth = 100000;
    const char *p = value + (value[0] == '0');
    bool ok = *p == '.' && p[1];
    for (p += ok; ok && *p; p++, worth /= 10) {
        ok = *p >= '0' && *p <= '9' && worth;
        millionths += ok ? (uint32_t)(*p - '0') * worth : 0;
    }
    if (!ok || !millionths)
        return vkd__data_fail(why, VKD_INVALID, "holdout '%.60s': expected the share of images kept for the test, as "
                              "holdout=0.1", value);
    spec->holdout = millionths;
    return VKD_OK;
}

static vkd_result read_option(char *name, char *value, struct vkd__spec *spec, struct vkd__why *why)
{
    char near[80];
    if (!strcmp(name, "split"))
        return read_split(value, spec, why);
    if (!strcmp(name, "classes")) {
        spec->classes = value;
        return VKD_OK;
    }
    if (!strcmp(name, "limit") || !strcmp(name, "train_limit")) {
        if (read_number(value, UINT32_MAX - 1, strcmp(name, "limit") ? &spec->train_limit : &spec->limit))
            return VKD_OK;
        return vkd__data_fail(why, VKD_INVALID, "%s '%.60s': expected how many images to keep, as %s=1000", name, value,
                              name);
    }
    if (!strcmp(name, "size")) {
        if (read_number(value, VKD__IMAGE_SIDE_MAX, &spec->size))
            return VKD_OK;
        return vkd__data_fail(why, VKD_INVALID, "size '%.60s': expected pixels, 1 to %u", value, VKD__IMAGE_SIDE_MAX);
    }
    if (!strcmp(name, "collage")) {
        if (!strcmp(value, "2")) {
            spec->collage = 2;
            return VKD_OK;
        }
        return vkd__data_fail(why, VKD_INVALID, "collage '%.60s': expected 2, for 2 x 2 images", value);
    }
    if (!strcmp(name, "holdout"))
        return read_share(value, spec, why);
    if (!strcmp(name, "shuffle_labels")) {
        if (read_number(value, UINT32_MAX - 1, &spec->shuffle_labels))
            return VKD_OK;
        return vkd__data_fail(why, VKD_INVALID, "shuffle_labels '%.60s': expected a seed above 0, as shuffle_labels=1",
                              value);
    }
    return vkd__data_fail(why, VKD_INVALID, "unknown option '%.60s': expected split, classes, limit, train_limit, "
                          "size, collage, holdout or shuffle_labels%s", name,
                          hint(name, option_names, sizeof option_names / sizeof option_names[0], near));
}

static vkd_result read_options(char *text, struct vkd__spec *spec, struct vkd__why *why)
{
    while (*text) {
        char *end = strchr(text, '&'), *next = end ? end + 1 : text + strlen(text);
        if (end)
            *end = 0;
        char *equals = strchr(text, '=');
        if (!equals || equals == text || !equals[1])
            return vkd__data_fail(why, VKD_INVALID, "option '%.60s': expected name=value", text);
        *equals = 0;
        vkd_result r = read_option(text, equals + 1, spec, why);
        if (r != VKD_OK)
            return r;
        text = next;
    }
    return VKD_OK;
}

static vkd_result known_format(const char *name, struct vkd__why *why)
{
    const char *names[32];
    char list[256] = "", near[80];
    size_t count = 0, used = 0;
    for (const struct vkd__format *f; count < 32 && (f = vkd__format_at((uint32_t)count)); count++) {
        if (!strcmp(f->name, name))
            return VKD_OK;
        names[count] = f->name;
        int n = snprintf(list + used, sizeof list - used, "%s%s:", count ? ", " : "", f->name);
        used += n > 0 && (size_t)n < sizeof list - used ? (size_t)n : 0;
    }
    return vkd__data_fail(why, VKD_INVALID, "unknown data format '%.60s': expected one of %s%s", name, list,
                          hint(name, names, count, near));
}

vkd_result vkd__spec_parse(const char *text, const char *split, struct vkd__spec *out, struct vkd__why *why)
{
    struct vkd__spec spec = { .split = "train" };
    const size_t size = strlen(text);
    spec.text = malloc(size + 1);
    if (!spec.text)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory");
    memcpy(spec.text, text, size + 1);
    vkd_result r = split && *split ? read_split(split, &spec, why) : VKD_OK;
    if (r != VKD_OK)
        goto fail;
    char *colon = strchr(spec.text, ':');
    if (!colon || colon == spec.text || !colon[1] || colon[1] == '?') {
        const bool folder = vkd__path_kind(text, NULL, NULL) == VKD__PATH_DIR;
        r = vkd__data_fail(why, VKD_INVALID, "data '%.120s': expected FORMAT:PATH%s%.120s%s", text,
                           folder ? ", as folder:" : ", as idx:/usr/share/datasets/fashion-mnist",
                           folder ? text : "", folder ? " when its folders are classes" : "");
        goto fail;
    }
    *colon = 0;
    spec.format = spec.text;
    spec.path = colon + 1;
    r = known_format(spec.format, why);
    if (r != VKD_OK)
        goto fail;
    char *options = strrchr(colon + 1, '?');
    if (options) {
        *options = 0;
        r = read_options(options + 1, &spec, why);
        if (r != VKD_OK)
            goto fail;
    }
    *out = spec;
    return VKD_OK;
fail:
    free(spec.text);
    return r;
}

void vkd__spec_finish(struct vkd__spec *spec)
{
    free(spec->text);
    *spec = (struct vkd__spec) { 0 };
}

// Digits at *text; moves on behind them.
static bool list_number(const char **text, uint32_t *out)
{
    uint64_t n = 0;
    const char *p = *text;
    while (*p >= '0' && *p <= '9' && n < 1u << 28)
        n = n * 10 + (uint64_t)(*p++ - '0');
    if (p == *text)
        return false;
    *text = p;
    *out = (uint32_t)n;
    return true;
}

vkd_result vkd__spec_classes(const char *list, uint32_t count, bool *keep, struct vkd__why *why)
{
    for (uint32_t c = 0; c < count; c++)
        keep[c] = !list;
    for (const char *p = list; p && *p;) {
        uint32_t first, last;
        bool ok = list_number(&p, &first);
        last = first;
        if (ok && *p == '-') {
            p++;
            ok = list_number(&p, &last);
        }
        if (!ok || (*p && *p != ',') || (*p == ',' && !p[1]) || last < first)
            return vkd__data_fail(why, VKD_INVALID, "classes '%.60s': expected numbers and rising ranges, as 0-5,8",
                                  list);
        if (last >= count)
            return vkd__data_fail(why, VKD_INVALID, "classes '%.60s': class %u asked for, but there are %u (0 to %u)",
                                  list, last, count, count - 1);
        for (uint32_t c = first; c <= last; c++)
            keep[c] = true;
        p += *p == ',';
    }
    return VKD_OK;
}
