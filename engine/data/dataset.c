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

static void digest_words(XXH64_state_t *hash, const uint32_t *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t bytes[4] = { (uint8_t)words[i], (uint8_t)(words[i] >> 8), (uint8_t)(words[i] >> 16),
                                   (uint8_t)(words[i] >> 24) };
        XXH64_update(hash, bytes, sizeof bytes);
    }
}

static void digest_marks(XXH64_state_t *hash, const vkd_dataset *d)
{
    const struct vkd__source *s = &d->source;
    for (uint32_t i = 0; i < d->info.count; i++) {
        const uint32_t first = s->mark_first[d->images[i]], end = s->mark_first[d->images[i] + 1];
        digest_words(hash, (const uint32_t[1]) { end - first }, 1);
        for (uint32_t m = first; m < end; m++)
            digest_words(hash, (const uint32_t[2]) { s->marks[m].label, s->marks[m].target > 0 }, 2);
    }
}

vkd_result vkd__dataset_fingerprint(vkd_dataset *d, struct vkd__why *why)
{
    XXH64_state_t *hash = XXH64_createState();
    if (!hash)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory");
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
    if (d->source.marks)
        digest_marks(hash, d);
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

static vkd_result check_path(const vkd_dataset *d, struct vkd__why *why)
{
    const bool want_file = d->format->is_file;
    const enum vkd__path_kind kind = vkd__path_kind(d->spec.path, NULL, NULL);
    if (d->format->no_path || kind == (want_file ? VKD__PATH_FILE : VKD__PATH_DIR))
        return VKD_OK;
    const char *what = "there is nothing of this name";
    if (kind != VKD__PATH_NONE)
        what = want_file ? "this is none; name the file itself" : "this is none; name the folder that holds the files";
    return vkd__data_fail(why, VKD_IO, "%.300s: expected a %s, %s", d->spec.path, want_file ? "file" : "folder", what);
}

// Builds `d`, which is zero; half built on failure.
static vkd_result open_set(vkd_dataset *d, const struct vkd_dataset_params *p, struct vkd__why *why)
{
    vkd_result r = vkd__spec_parse(p->spec, p->split, &d->spec, why);
    if (r != VKD_OK)
        return r;
    d->format = find_format(d->spec.format);
    r = check_path(d, why);
    if (r == VKD_OK)
        r = d->format->open(&d->spec, &p->log, &d->source, why);
    if (r == VKD_OK)
        r = vkd__dataset_select(d, why);
    if (r != VKD_OK)
        return r;
    d->info.format = d->format->name;
    d->info.split = d->spec.split;
    d->info.channels = d->source.channels;
    if (d->source.height)
        vkd__image_fit(d->source.height, d->source.width, d->spec.size, 0, &d->info.height, &d->info.width);
    r = vkd__dataset_fingerprint(d, why);
    return r == VKD_OK && d->spec.collage ? vkd__collage_make(d, why) : r;
}

// `absent` may be NULL.
static vkd_result open_or_say(const struct vkd_dataset_params *p, bool *absent, vkd_dataset **out)
{
    if (!p || !p->spec || !out) {
        vkd_log_write(p ? &p->log : NULL, VKD_LOG_ERROR, "vkd_dataset_open: a spec and a place for the result are "
                      "needed");
        return VKD_INVALID;
    }
    struct vkd__why why = { "out of memory" };
    vkd_dataset *d = calloc(1, sizeof *d);
    vkd_result r = d ? open_set(d, p, &why) : VKD_NO_MEMORY;
    const bool silent = absent && d && d->source.absent;
    if (absent)
        *absent = silent;
    if (r == VKD_OK) {
        *out = d;
        return r;
    }
    if (!silent)
        vkd_log_write(&p->log, VKD_LOG_ERROR, "data %.200s: %s", p->spec, why.text);
    vkd_dataset_close(&d);
    return r;
}

vkd_result vkd_dataset_open(const struct vkd_dataset_params *p, vkd_dataset **out)
{
    return open_or_say(p, NULL, out);
}

vkd_result vkd__dataset_open_if_there(const struct vkd_dataset_params *p, bool *absent, vkd_dataset **out)
{
    return open_or_say(p, absent, out);
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
    free(d->source.mark_first);
    free(d->source.marks);
    free(d->images);
    free(d->labels);
    free(d->kept);
    free(d->renumbered);
    free(d->class_sizes);
    free(d->tiles);
    free(d->tile_block);
    free(d->block_names);
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

void vkd_dataset_name(const vkd_dataset *d, uint32_t index, char *text, size_t size)
{
    if (!size)
        return;
    text[0] = 0;
    if (index < d->info.count && d->tiles)
        vkd__collage_name(d, index, text, size);
    else if (index < d->info.count)
        d->format->name_of(&d->source, d->images[index], text, size);
}

const char *vkd_dataset_group(const vkd_dataset *d, uint32_t index)
{
    if (index < d->info.count && d->tiles)
        return vkd__collage_group(d, index);
    if (index >= d->info.count || !d->format->group_of)
        return "";
    return d->format->group_of(&d->source, d->images[index]);
}

bool vkd__dataset_is_direct(const vkd_dataset *d, uint32_t short_side, uint32_t max_side)
{
    const struct vkd__source *s = &d->source;
    uint32_t height, width;
    if (d->tiles ? !vkd__collage_is_direct(d) :
        !d->format->pixels || d->info.height != s->height || d->info.width != s->width)
        return false;
    vkd__image_fit(d->info.height, d->info.width, short_side, max_side, &height, &width);
    return height == d->info.height && width == d->info.width;
}

void vkd__dataset_pixels(const vkd_dataset *d, uint32_t index, uint8_t *rgba)
{
    if (d->tiles)
        vkd__collage_pixels(d, index, rgba);
    else
        d->format->pixels(&d->source, d->images[index], rgba);
}

// Scales `image` down to its fit.
static vkd_result shrink(struct vkd_image *image, uint32_t short_side, uint32_t max_side, struct vkd__why *why)
{
    uint32_t height, width;
    vkd__image_fit(image->height, image->width, short_side, max_side, &height, &width);
    vkd_result r = vkd__image_resample(image, height, width);
    return r == VKD_OK ? r : vkd__data_fail(why, r, "out of memory while scaling to %u x %u pixels", width, height);
}

static vkd_result read_file(const vkd_dataset *d, uint32_t source, uint32_t short_side, uint32_t max_side,
                            struct vkd_image *out, struct vkd__why *why)
{
    char name[sizeof(why->text)];
    char *path = d->format->file_of(&d->source, source);
    if (!path)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for an image's path");
    d->format->name_of(&d->source, source, name, sizeof(name));
    vkd_result r = vkd__image_read(path, name, short_side, max_side, out, why);
    free(path);
    return r;
}

vkd_result vkd__image_of(const vkd_dataset *d, uint32_t image, uint32_t short_side, uint32_t max_side,
                         struct vkd_image *out, struct vkd__why *why)
{
    const struct vkd__source *s = &d->source;
    if (d->format->decode)
        return d->format->decode(s, d->images[image], short_side, max_side, out, why);
    if (d->format->file_of)
        return read_file(d, d->images[image], short_side, max_side, out, why);
    vkd_result r = vkd__image_alloc(s->height, s->width, out, why);
    if (r != VKD_OK)
        return r;
    d->format->pixels(s, d->images[image], out->pixels);
    return shrink(out, short_side, max_side, why);
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
    if (d->spec.size && !d->tiles && (!short_side || short_side > d->spec.size))
        short_side = d->spec.size;
    if (d->tiles)
        r = vkd__collage_decode(d, index, &image, &text);
    else
        r = vkd__image_of(d, index, short_side, max_side, &image, &text);
    if (r == VKD_OK && d->tiles)
        r = shrink(&image, short_side, max_side, &text);
    if (r != VKD_OK)
        goto fail;
    *out = image;
    return VKD_OK;
fail:
    vkd_image_finish(&image);
    if (why && why_size)
        snprintf(why, why_size, "%s", text.text[0] ? text.text : vkd_result_text(r));
    return r;
}
