// shuffle_labels.c -- deals the labels out anew among the images of a split: a control that learns the same images and
// the same classes, but nothing that holds for other images.
#include "dataset.h"
#include "order.h"

#include "shaders/philox.h"

#include <stdlib.h>
#include <string.h>

// Image i of the list gets what is said of image order[i].
static vkd_result deal_labels(vkd_dataset *d, const uint32_t *order, struct vkd__why *why)
{
    uint32_t *dealt = malloc(((size_t)d->info.count + 1) * sizeof *dealt);
    if (!dealt)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u labels", d->info.count);
    for (uint32_t i = 0; i < d->info.count; i++)
        dealt[i] = d->labels[order[i]];
    free(d->labels);
    d->labels = dealt;
    return VKD_OK;
}

// The same with several labels an image. What is said of images that are not in the list is left out.
static vkd_result deal_marks(vkd_dataset *d, const uint32_t *order, struct vkd__why *why)
{
    struct vkd__source *s = &d->source;
    uint32_t *first = malloc(((size_t)s->count + 1) * sizeof *first);
    struct vkd__mark *marks = malloc(((size_t)s->mark_first[s->count] + 1) * sizeof *marks);
    if (!first || !marks) {
        free(first);
        free(marks);
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the labels of %u images", s->count);
    }
    uint32_t at = 0;
    for (uint32_t image = 0, i = 0; image < s->count; image++) {
        first[image] = at;
        if (i == d->info.count || d->images[i] != image)
            continue;
        const uint32_t from = d->images[order[i++]], count = s->mark_first[from + 1] - s->mark_first[from];
        memcpy(marks + at, s->marks + s->mark_first[from], count * sizeof *marks);
        at += count;
    }
    first[s->count] = at;
    free(s->mark_first);
    free(s->marks);
    s->mark_first = first;
    s->marks = marks;
    return VKD_OK;
}

vkd_result vkd__shuffle_labels(vkd_dataset *d, struct vkd__why *why)
{
    const bool learnt = !strcmp(d->spec.split, "train") || !strcmp(d->spec.split, "all");
    if (!d->spec.shuffle_labels || !learnt)
        return VKD_OK;
    if (!d->source.classes)
        return vkd__data_fail(why, VKD_INVALID, "shuffle_labels: these images have no labels");
    uint32_t *order = malloc(((size_t)d->info.count + 1) * sizeof *order);
    if (!order)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the order of %u images", d->info.count);
    vkd__order_draw(order, d->info.count, VKD_STREAM_RELABEL, d->spec.shuffle_labels, 0);
    vkd_result r = d->labels ? deal_labels(d, order, why) : VKD_OK;
    if (r == VKD_OK && d->source.marks)
        r = deal_marks(d, order, why);
    free(order);
    return r;
}
