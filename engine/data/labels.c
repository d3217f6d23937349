// labels.c -- what is known of an image: its label or its targets; and choosing whose labels are used.
#include "dataset.h"
#include "shaders/philox.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint32_t vkd_dataset_label(const vkd_dataset *d, uint32_t index)
{
    return d->labels && !d->info.multi_label && index < d->info.count ? d->labels[index] : VKD_NO_LABEL;
}

static void fill(float *row, uint32_t classes, float value)
{
    for (uint32_t c = 0; c < classes; c++)
        row[c] = value;
}

static void add_unknown(const vkd_dataset *d, float *row)
{
    for (uint32_t c = 0; c < d->info.classes; c++)
        row[c] = row[c] > 0 ? row[c] : VKD_TARGET_UNKNOWN;
}

// Whether `m` speaks of the class numbered *c.
static bool mark_class(const vkd_dataset *d, const struct vkd__mark *m, uint32_t *c)
{
    *c = m->label == VKD__MARK_REST ? VKD_NO_LABEL : d->renumbered[m->label];
    return *c != VKD_NO_LABEL;
}

static void add_marks(const vkd_dataset *d, uint32_t source, float *row)
{
    const struct vkd__mark *first = d->source.marks + d->source.mark_first[source];
    const struct vkd__mark *end = d->source.marks + d->source.mark_first[source + 1];
    uint32_t c;
    for (const struct vkd__mark *m = first; m < end; m++)
        if (m->label == VKD__MARK_REST)
            add_unknown(d, row);
    for (const struct vkd__mark *m = first; m < end; m++)
        if (mark_class(d, m, &c) && row[c] <= 0)
            row[c] = m->target;
}

void vkd__image_targets(const vkd_dataset *d, uint32_t image, float *row)
{
    if (d->source.marks)
        add_marks(d, d->images[image], row);
    else if (d->labels)
        row[d->labels[image]] = 1;
    else
        add_unknown(d, row);
}

void vkd_dataset_targets(const vkd_dataset *d, uint32_t index, float *row)
{
    fill(row, d->info.classes, 0);
    if (index >= d->info.count)
        add_unknown(d, row);
    else if (d->tiles)
        vkd__collage_targets(d, index, row);
    else
        vkd__image_targets(d, index, row);
}

// ---- Whose labels are used ----

struct candidate { uint32_t label, index; uint64_t draw; };

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int compare_indices(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool any_known(const vkd_dataset *d, uint32_t index, float *row)
{
    vkd_dataset_targets(d, index, row);
    for (uint32_t c = 0; c < d->info.classes; c++)
        if (row[c] >= 0)
            return true;
    return false;
}

// Every image that may be chosen, those of a class (all of a multi-label set) together, in the order of a draw of
// each image's own. A larger share of that order contains a smaller one.
static uint32_t draw_candidates(const vkd_dataset *d, uint64_t seed, float *row, struct candidate *out)
{
    const u32 key[2] = { (u32)seed, (u32)(seed >> 32) };
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->info.count; i++) {
        const uint32_t label = d->info.multi_label ? 0 : vkd_dataset_label(d, i);
        if (label == VKD_NO_LABEL || (d->info.multi_label && !any_known(d, i, row)))
            continue;
        u32 words[4] = { VKD_STREAM_LABELS, i, 0, 0 };
        vkd_philox(words, key);
        out[count++] = (struct candidate) { .label = label, .index = i, .draw = (uint64_t)words[1] << 32 | words[0] };
    }
    qsort(out, count, sizeof *out, compare_candidates);
    return count;
}

// The least fraction that leaves `k` of `n`, rounded up to two digits.
static double least_fraction(uint32_t k, uint32_t n)
{
    const double least = (k - 0.5) / n, unit = pow(10, floor(log10(least)) - 1);
    return ceil(least / unit - 1e-9) * unit;
}

static vkd_result nothing_left(const vkd_dataset *d, const struct vkd_log *log, double fraction, uint32_t label, uint32_t n)
{
    if (d->info.multi_label)
        vkd_log_write(log, VKD_LOG_ERROR, "injection.label_fraction: %g of %u images with labels is none: at least %.2g is "
                      "needed", fraction, n, least_fraction(1, n));
    else
        vkd_log_write(log, VKD_LOG_ERROR, "injection.label_fraction: %g leaves class '%.200s' without labels: it has %u "
                      "image%s, so at least %.2g is needed", fraction, vkd_dataset_class_name(d, label), n, n > 1 ? "s" : "",
                      least_fraction(1, n));
    return VKD_INVALID;
}

// Of a multi-label set: whether the first `taken` of all `found` images have every class that any of them has.
static vkd_result check_cover(const vkd_dataset *d, const struct vkd_log *log, double fraction, const struct candidate *all,
                              uint32_t found, uint32_t taken, float *row)
{
    uint32_t need = 0, last = 0;
    bool *had = calloc((size_t)d->info.classes + 1, sizeof *had);
    if (!had) {
        vkd_log_write(log, VKD_LOG_ERROR, "out of memory for %u classes", d->info.classes);
        return VKD_NO_MEMORY;
    }
    for (uint32_t i = 0; i < found; i++) {
        vkd_dataset_targets(d, all[i].index, row);
        for (uint32_t c = 0; c < d->info.classes; c++) {
            if (row[c] > 0 && !had[c]) {
                had[c] = true;
                need = i + 1;
                last = c;
            }
        }
    }
    free(had);
    if (need <= taken)
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "injection.label_fraction: %g, which is %u of %u images, leaves class '%.200s' without "
                  "labels: at least %.2g is needed, or another seed", fraction, taken, found, vkd_dataset_class_name(d, last),
                  least_fraction(need, found));
    return VKD_INVALID;
}

vkd_result vkd_label_subset(const vkd_dataset *d, double fraction, uint64_t seed, const struct vkd_log *log,
                            uint32_t **indices, uint32_t *count)
{
    if (!d || !indices || !count || !(fraction > 0 && fraction <= 1)) {
        vkd_log_write(log, VKD_LOG_ERROR, "vkd_label_subset: expected a set and a fraction above 0, at most 1; found %g",
                      fraction);
        return VKD_INVALID;
    }
    vkd_result r = VKD_NO_MEMORY;
    uint32_t taken = 0, *chosen = malloc(d->info.count * sizeof *chosen);
    struct candidate *all = malloc(d->info.count * sizeof *all);
    float *row = malloc(((size_t)d->info.classes + 1) * sizeof *row);
    if (!chosen || !all || !row) {
        vkd_log_write(log, VKD_LOG_ERROR, "out of memory for the list of %u images", d->info.count);
        goto fail;
    }
    const uint32_t found = draw_candidates(d, seed, row, all);
    r = VKD_INVALID;
    if (!found) {
        vkd_log_write(log, VKD_LOG_ERROR, "a share of the labels was asked for, but none of the %u images has one",
                      d->info.count);
        goto fail;
    }
    for (uint32_t first = 0, n; first < found; first += n) {
        for (n = 1; first + n < found && all[first + n].label == all[first].label; n++)
            ;
        // A little more than a half: a fraction written in decimal may lie just below what is meant.
        const uint32_t most = (uint32_t)floor(fraction * n + 0.5 + 1e-9);
        if (!most) {
            r = nothing_left(d, log, fraction, all[first].label, n);
            goto fail;
        }
        for (uint32_t i = 0; i < most && i < n; i++)
            chosen[taken++] = all[first + i].index;
    }
    if (d->info.multi_label) {
        r = check_cover(d, log, fraction, all, found, taken, row);
        if (r < 0)
            goto fail;
    }
    qsort(chosen, taken, sizeof *chosen, compare_indices);
    free(all);
    free(row);
    *indices = chosen;
    *count = taken;
    return VKD_OK;
fail:
    free(chosen);
    free(all);
    free(row);
    return r;
}

uint32_t vkd__dataset_absent(const vkd_dataset *with, const vkd_dataset *without, char *text, size_t size)
{
    uint32_t count = 0;
    text[0] = 0;
    for (uint32_t c = 0; c < vkd_dataset_info(without)->classes; c++) {
        if (vkd_dataset_class_size(without, c) || (with && !vkd_dataset_class_size(with, c)))
            continue;
        if (count++ < 4)
            snprintf(text + strlen(text), size - strlen(text), "%s'%.40s'", count > 1 ? ", " : "",
                     vkd_dataset_class_name(without, c));
    }
    if (count > 4)
        snprintf(text + strlen(text), size - strlen(text), " and %u more", count - 4);
    return count;
}
