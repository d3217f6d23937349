// view.c -- a set made of images of others: a format whose images are theirs.
#include "view.h"
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

struct entry { const vkd_dataset *set; uint32_t index; };

static const struct entry *entry_of(const struct vkd__source *s, uint32_t image)
{
    return (const struct entry *) s->state + image;
}

static void view_close(void *p)
{
    free(p);
}

static void view_name_of(const struct vkd__source *s, uint32_t image, char *text, size_t size)
{
    vkd_dataset_name(entry_of(s, image)->set, entry_of(s, image)->index, text, size);
}

static const char *view_group_of(const struct vkd__source *s, uint32_t image)
{
    return vkd_dataset_group(entry_of(s, image)->set, entry_of(s, image)->index);
}

static void view_digest(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct entry *e = entry_of(s, images[i]);
        uint8_t bytes[12];
        for (unsigned b = 0; b < 8; b++)
            bytes[b] = (uint8_t) (e->set->info.fingerprint >> (8 * b));
        for (unsigned b = 0; b < 4; b++)
            bytes[8 + b] = (uint8_t) (e->index >> (8 * b));
        XXH64_update(hash, bytes, sizeof(bytes));
    }
}

static void view_pixels(const struct vkd__source *s, uint32_t image, uint8_t *rgba)
{
    vkd__dataset_pixels(entry_of(s, image)->set, entry_of(s, image)->index, rgba);
}

static vkd_result view_decode(const struct vkd__source *s, uint32_t image, uint32_t short_side, uint32_t max_side,
                              struct vkd_image *out, struct vkd__why *why)
{
    const struct entry *e = entry_of(s, image);
    return vkd_dataset_decode(e->set, e->index, short_side, max_side, out, why->text, sizeof(why->text));
}

// Of parts that all lie in memory, and of others.
static const struct vkd__format in_memory = {
    .name = "view", .close = view_close, .name_of = view_name_of, .group_of = view_group_of, .digest = view_digest,
    .pixels = view_pixels,
};
static const struct vkd__format decoded = {
    .name = "view", .close = view_close, .name_of = view_name_of, .group_of = view_group_of, .digest = view_digest,
    .decode = view_decode,
};

// ---- Making one ----

static uint32_t size_of(const struct vkd__view_part *p)
{
    return p->indices ? p->count : p->set->info.count;
}

static vkd_result list_images(const struct vkd__view_part *parts, uint32_t count, struct vkd__source *s)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < count; i++)
        s->count += size_of(&parts[i]);
    struct entry *entries = malloc(((size_t) s->count + 1) * sizeof(*entries));
    s->state = entries;
    for (uint32_t i = 0; entries && i < count; i++)
        for (uint32_t k = 0; k < size_of(&parts[i]); k++)
            entries[used++] = (struct entry) { parts[i].set, parts[i].indices ? parts[i].indices[k] : k };
    return entries ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result list_labels(struct vkd__source *s)
{
    if (!(s->labels = malloc(((size_t) s->count + 1) * sizeof(*s->labels))))
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        s->labels[i] = vkd_dataset_label(entry_of(s, i)->set, entry_of(s, i)->index);
    return VKD_OK;
}

static vkd_result list_marks(struct vkd__source *s)
{
    uint32_t used = 0, room = 0;
    float *row = malloc(((size_t) s->classes + 1) * sizeof(*row));
    s->mark_first = malloc(((size_t) s->count + 1) * sizeof(*s->mark_first));
    bool good = row && s->mark_first;
    for (uint32_t i = 0; good && i < s->count; i++) {
        s->mark_first[i] = used;
        vkd_dataset_targets(entry_of(s, i)->set, entry_of(s, i)->index, row);
        if (room - used < s->classes || !s->marks) {
            struct vkd__mark *marks = realloc(s->marks, (2 * (size_t) room + s->classes + 64) * sizeof(*marks));
            room = 2 * room + s->classes + 64;
            s->marks = marks ? marks : s->marks;
            good = marks != NULL;
        }
        for (uint32_t c = 0; good && c < s->classes; c++)
            if (row[c] != 0)
                s->marks[used++] = (struct vkd__mark) { c, row[c] };
    }
    if (good)
        s->mark_first[s->count] = used;
    free(row);
    return good ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result list_classes(const vkd_dataset *first, struct vkd__source *s, struct vkd__why *why)
{
    const char **names = malloc(((size_t) first->info.classes + 1) * sizeof(*names));
    if (!names)
        return VKD_NO_MEMORY;
    for (uint32_t c = 0; c < first->info.classes; c++)
        names[c] = vkd_dataset_class_name(first, c);
    vkd_result r = vkd__data_names(names, first->info.classes, &s->class_names, why);
    free(names);
    if (r == VKD_OK)
        s->classes = first->info.classes;
    return r;
}

vkd_result vkd__dataset_view(const struct vkd__view_part *parts, uint32_t count, const char *split,
                             const struct vkd_log *log, vkd_dataset **out)
{
    const vkd_dataset *first = parts[0].set;
    struct vkd__why why = { "out of memory for a part of a set" };
    bool direct = true;
    vkd_dataset *d = calloc(1, sizeof(*d));
    vkd_result r = d ? VKD_OK : VKD_NO_MEMORY;
    if (r < 0)
        goto fail;
    d->format = &decoded;
    d->spec.split = split;
    d->source.height = first->info.height;
    d->source.width = first->info.width;
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_dataset_info *info = &parts[i].set->info;
        bool same = info->height == d->source.height && info->width == d->source.width;
        d->source.channels = info->channels > d->source.channels ? info->channels : d->source.channels;
        d->source.height = same ? d->source.height : 0;
        d->source.width = same ? d->source.width : 0;
        direct = direct && same && info->height && vkd__dataset_is_direct(parts[i].set, 0, 0);
    }
    d->format = direct ? &in_memory : &decoded;
    r = list_images(parts, count, &d->source);
    if (r == VKD_OK)
        r = list_classes(first, &d->source, &why);
    if (r == VKD_OK && first->info.classes)
        r = first->info.multi_label ? list_marks(&d->source) : list_labels(&d->source);
    if (r == VKD_OK)
        r = vkd__dataset_select(d, &why);
    if (r == VKD_OK) {
        d->info.format = first->info.format;
        d->info.split = split;
        d->info.channels = d->source.channels;
        d->info.height = d->source.height;
        d->info.width = d->source.width;
        r = vkd__dataset_fingerprint(d, &why);
    }
    if (r < 0)
        goto fail;
    *out = d;
    return VKD_OK;

fail:
    vkd_log_write(log, VKD_LOG_ERROR, "%s", why.text);
    vkd_dataset_close(&d);
    return r == VKD_FORMAT ? VKD_INVALID : r;
}
