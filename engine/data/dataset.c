// dataset.c -- opens a split through its format, keeps the classes and images asked for.
#include "dataset.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT(name) extern const struct vkd__format vkd__format_##name;
#include "formats.inc"      // generated: one FORMAT(stem) line per engine/data/formats/*.c
#undef FORMAT

static const struct vkd__format *const all[] = {
#define FORMAT(name) &vkd__format_##name,
#include "formats.inc"
#undef FORMAT
    NULL,
};

const struct vkd__format *vkd__format_at(uint32_t index)
{
    return index < sizeof all / sizeof all[0] ? all[index] : NULL;
}

// ---- Helpers for formats ----

vkd_result vkd__data_fail(struct vkd__why *why, vkd_result r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return r;
}

char *vkd__data_path(const char *folder, const char *name)
{
    const size_t a = strlen(folder), b = strlen(name);
    const bool slash = a && folder[a - 1] != '/';
    char *path = malloc(a + b + 2);
    if (!path)
        return NULL;
    memcpy(path, folder, a);
    path[a] = '/';
    memcpy(path + a + slash, name, b + 1);
    return path;
}

vkd_result vkd__data_names(const char *const *names, uint32_t count, char ***out, struct vkd__why *why)
{
    char **copy = calloc((size_t)count + 1, sizeof *copy);
    bool ok = copy != NULL;
    for (uint32_t i = 0; ok && i < count; i++) {
        copy[i] = malloc(strlen(names[i]) + 1);
        ok = copy[i] != NULL;
        if (ok)
            strcpy(copy[i], names[i]);
    }
    if (!ok) {
        vkd__data_names_free(copy, count);
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u class names", count);
    }
    *out = copy;
    return VKD_OK;
}

void vkd__data_names_free(char **names, uint32_t count)
{
    for (uint32_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

// ---- Opening ----

static vkd_result out_of_memory(struct vkd__why *why, const struct vkd__source *s)
{
    return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of %u images", s->count);
}

// Chooses among `count` candidates, listed in `images`: the first of each class, then the second of
// each, until `limit` are taken. The candidates' order stays. Returns how many are left.
static uint32_t limit_balanced(uint32_t *images, uint32_t count, const uint32_t *labels, uint32_t classes,
                               uint32_t limit, uint32_t *rank, uint32_t *sizes)
{
    if (count <= limit)
        return count;
    if (!classes)
        return limit;
    memset(sizes, 0, classes * sizeof *sizes);
    for (uint32_t i = 0; i < count; i++)
        rank[i] = sizes[labels[images[i]]]++;
    // The first `full` of every class fit; of the next round the first classes get one more.
    uint32_t full = 0, too_many = limit + 1;
    uint64_t taken = 0;
    while (too_many - full > 1) {
        const uint32_t middle = full + (too_many - full) / 2;
        uint64_t sum = 0;
        for (uint32_t c = 0; c < classes; c++)
            sum += sizes[c] < middle ? sizes[c] : middle;
        if (sum > limit) {
            too_many = middle;
        } else {
            full = middle;
            taken = sum;
        }
    }
    uint32_t spare = limit - (uint32_t)taken;
    for (uint32_t c = 0; c < classes; c++) {
        const bool more = sizes[c] > full && spare;
        sizes[c] = full + more;
        spare -= more;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        if (rank[i] < sizes[labels[images[i]]])
            images[left++] = images[i];
    return left;
}

// Fills images, labels, kept, class_sizes and the two counts from what the format found.
static vkd_result select_images(vkd_dataset *d, struct vkd__why *why)
{
    const struct vkd__source *s = &d->source;
    const struct vkd__spec *spec = &d->spec;
    vkd_result r = VKD_OK;
    bool *keep = calloc((size_t)s->classes + 1, sizeof *keep);
    uint32_t *renumbered = calloc((size_t)s->classes + 1, sizeof *renumbered);
    uint32_t *rank = spec->limit ? malloc(((size_t)s->count + 1) * sizeof *rank) : NULL;
    d->images = malloc(((size_t)s->count + 1) * sizeof *d->images);
    d->labels = s->labels ? malloc(((size_t)s->count + 1) * sizeof *d->labels) : NULL;
    d->kept = malloc(((size_t)s->classes + 1) * sizeof *d->kept);
    d->class_sizes = calloc((size_t)s->classes + 1, sizeof *d->class_sizes);
    if (!keep || !renumbered || !d->images || !d->kept || !d->class_sizes || (s->labels && !d->labels) ||
        (spec->limit && !rank)) {
        r = out_of_memory(why, s);
        goto done;
    }
    if (spec->classes && !s->classes) {
        r = vkd__data_fail(why, VKD_INVALID, "classes=%.60s: these images have no labels", spec->classes);
        goto done;
    }
    r = vkd__spec_classes(spec->classes, s->classes, keep, why);
    if (r != VKD_OK)
        goto done;
    for (uint32_t c = 0; c < s->classes; c++) {
        if (keep[c]) {
            renumbered[c] = d->info.classes;
            d->kept[d->info.classes++] = c;
        }
    }
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (!s->labels || keep[s->labels[i]])
            d->images[count++] = i;
    if (spec->limit)
        count = limit_balanced(d->images, count, s->labels, s->classes, spec->limit, rank, d->class_sizes);
    if (!count) {
        r = vkd__data_fail(why, VKD_FORMAT, "split %s holds no images%s", spec->split,
                           spec->classes ? " of these classes" : "");
        goto done;
    }
    memset(d->class_sizes, 0, ((size_t)s->classes + 1) * sizeof *d->class_sizes);
    for (uint32_t i = 0; s->labels && i < count; i++) {
        d->labels[i] = renumbered[s->labels[d->images[i]]];
        d->class_sizes[d->labels[i]]++;
    }
    d->info.count = count;
done:
    free(keep);
    free(renumbered);
    free(rank);
    return r;
}

static void digest_words(XXH64_state_t *hash, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t bytes[4] = { (uint8_t)words[i], (uint8_t)(words[i] >> 8), (uint8_t)(words[i] >> 16),
                                   (uint8_t)(words[i] >> 24) };
        XXH64_update(hash, bytes, sizeof bytes);
    }
}

static vkd_result fingerprint(vkd_dataset *d, struct vkd__why *why)
{
    XXH64_state_t *hash = XXH64_createState();
    if (!hash)
        return out_of_memory(why, &d->source);
    const uint32_t head[6] = { d->info.count, d->info.classes, d->info.channels, d->info.height, d->info.width,
                               d->spec.size };
    XXH64_reset(hash, 0);
    XXH64_update(hash, d->info.format, strlen(d->info.format) + 1);
    XXH64_update(hash, d->info.split, strlen(d->info.split) + 1);
    digest_words(hash, head, 6);
    for (uint32_t c = 0; c < d->info.classes; c++) {
        const char *name = d->source.class_names[d->kept[c]];
        XXH64_update(hash, name, strlen(name) + 1);
    }
    digest_words(hash, d->images, d->info.count);
    if (d->labels)
        digest_words(hash, d->labels, d->info.count);
    d->format->digest(&d->source, d->images, d->info.count, hash);
    d->info.fingerprint = XXH64_digest(hash);
    XXH64_freeState(hash);
    return VKD_OK;
}

static const struct vkd__format *find_format(const char *name)
{
    for (uint32_t i = 0; all[i]; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}

vkd_result vkd_dataset_open(const struct vkd_dataset_params *p, vkd_dataset **out)
{
    if (!p || !p->spec || !out) {
        vkd_log_write(p ? &p->log : NULL, VKD_LOG_ERROR, "vkd_dataset_open: a spec and a place for the result are "
                      "needed");
        return VKD_INVALID;
    }
    struct vkd__why why = { "" };
    vkd_result r = VKD_NO_MEMORY;
    vkd_dataset *d = calloc(1, sizeof *d);
    if (!d) {
        (void)vkd__data_fail(&why, VKD_NO_MEMORY, "out of memory");
        goto fail;
    }
    r = vkd__spec_parse(p->spec, p->split, &d->spec, &why);
    if (r != VKD_OK)
        goto fail;
    d->format = find_format(d->spec.format);
    if (vkd__path_kind(d->spec.path, NULL, NULL) != VKD__PATH_DIR) {
        const bool file = vkd__path_kind(d->spec.path, NULL, NULL) != VKD__PATH_NONE;
        r = vkd__data_fail(&why, VKD_IO, "%.300s: expected a folder, %s", d->spec.path, file ?
                           "this is none; name the folder that holds the files" : "there is nothing of this name");
        goto fail;
    }
    r = d->format->open(&d->spec, &p->log, &d->source, &why);
    if (r != VKD_OK)
        goto fail;
    r = select_images(d, &why);
    if (r != VKD_OK)
        goto fail;
    d->info.format = d->format->name;
    d->info.split = d->spec.split;
    d->info.channels = d->source.channels;
    if (d->source.height)
        vkd__image_fit(d->source.height, d->source.width, d->spec.size, 0, &d->info.height, &d->info.width);
    r = fingerprint(d, &why);
    if (r != VKD_OK)
        goto fail;
    *out = d;
    return VKD_OK;
fail:
    vkd_log_write(&p->log, VKD_LOG_ERROR, "data %.200s: %s", p->spec, why.text);
    vkd_dataset_close(&d);
    return r;
}

void vkd_dataset_close(vkd_dataset **dp)
{
    if (!dp || !*dp)
        return;
    vkd_dataset *d = *dp;
    if (d->format)
        d->format->close(d->source.state);
    vkd__data_names_free(d->source.class_names, d->source.classes);
    free(d->source.labels);
    free(d->images);
    free(d->labels);
    free(d->kept);
    free(d->class_sizes);
    vkd__spec_finish(&d->spec);
    free(d);
    *dp = NULL;
}

// ---- Asking ----

const struct vkd_dataset_info *vkd_dataset_info(const vkd_dataset *d)
{
    return &d->info;
}

const char *vkd_dataset_class_name(const vkd_dataset *d, uint32_t class_index)
{
    return class_index < d->info.classes ? d->source.class_names[d->kept[class_index]] : "?";
}

uint32_t vkd_dataset_class_size(const vkd_dataset *d, uint32_t class_index)
{
    return class_index < d->info.classes ? d->class_sizes[class_index] : 0;
}

uint32_t vkd_dataset_label(const vkd_dataset *d, uint32_t index)
{
    return d->labels && index < d->info.count ? d->labels[index] : VKD_NO_LABEL;
}

void vkd_dataset_name(const vkd_dataset *d, uint32_t index, char *text, size_t size)
{
    if (!size)
        return;
    text[0] = 0;
    if (index < d->info.count)
        d->format->name_of(&d->source, d->images[index], text, size);
}

bool vkd__dataset_is_direct(const vkd_dataset *d, uint32_t short_side, uint32_t max_side)
{
    const struct vkd__source *s = &d->source;
    uint32_t height, width;
    if (!d->format->pixels || d->info.height != s->height || d->info.width != s->width)
        return false;
    vkd__image_fit(s->height, s->width, short_side, max_side, &height, &width);
    return height == s->height && width == s->width;
}

void vkd__dataset_pixels(const vkd_dataset *d, uint32_t index, uint8_t *rgba)
{
    d->format->pixels(&d->source, d->images[index], rgba);
}

vkd_result vkd_dataset_decode(const vkd_dataset *d, uint32_t index, uint32_t short_side, uint32_t max_side,
                              struct vkd_image *out, char *why, size_t why_size)
{
    struct vkd__why text = { "" };
    struct vkd_image image = { 0 };
    vkd_result r;
    if (index >= d->info.count) {
        r = vkd__data_fail(&text, VKD_INVALID, "image %u asked for, but there are %u", index, d->info.count);
        goto fail;
    }
    if (d->spec.size && (!short_side || short_side > d->spec.size))
        short_side = d->spec.size;
    if (d->format->decode) {
        r = d->format->decode(&d->source, d->images[index], short_side, max_side, &image, &text);
        if (r != VKD_OK)
            goto fail;
    } else {
        uint32_t height, width;
        r = vkd__image_alloc(d->source.height, d->source.width, &image, &text);
        if (r != VKD_OK)
            goto fail;
        d->format->pixels(&d->source, d->images[index], image.pixels);
        vkd__image_fit(image.height, image.width, short_side, max_side, &height, &width);
        r = vkd__image_shrink(&image, height, width);
        if (r != VKD_OK)
            goto fail;
    }
    *out = image;
    return VKD_OK;
fail:
    vkd_image_finish(&image);
    if (why && why_size)
        snprintf(why, why_size, "%s", text.text[0] ? text.text : vkd_result_text(r));
    return r;
}
