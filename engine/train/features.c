// features.c -- a whole set through a feed.
#include "features.h"
#include "../op.h"

#include <stdlib.h>
#include <string.h>

static vkd_result make_room(struct vkd__features *f, uint64_t images, bool targets)
{
    f->rows = malloc(images * f->width * sizeof(*f->rows));
    f->labels = malloc(images * sizeof(*f->labels));
    f->indices = malloc(images * sizeof(*f->indices));
    f->targets = targets ? malloc(images * f->classes * sizeof(*f->targets)) : NULL;
    return f->rows && f->labels && f->indices && (f->targets || !targets) ? VKD_OK : VKD_NO_MEMORY;
}

// Takes in the images of one result, leaving their padding behind.
static vkd_result take(const struct vkd__features_params *p, const struct vkd__feed_result *r, struct vkd__features *f)
{
    const uint32_t stride = vkd__pad4(f->width);
    uint64_t size;
    const float *mark = vkd__feed_mark(p->feed, p->mark, 0, &size);
    if (!mark || size != 4ull * stride * vkd__feed_batch(p->feed))
        return VKD_INVALID;
    for (uint32_t i = 0; i < r->images; i++) {
        memcpy(f->rows + (size_t) (f->count + i) * f->width, mark + (size_t) i * stride, f->width * sizeof(float));
        if (f->targets)
            memcpy(f->targets + (size_t) (f->count + i) * f->classes, r->targets + (size_t) i * r->target_stride,
                   f->classes * sizeof(float));
    }
    memcpy(f->labels + f->count, r->labels, r->images * sizeof(*r->labels));
    memcpy(f->indices + f->count, r->indices, r->images * sizeof(*r->indices));
    f->count += r->images;
    return VKD_OK;
}

vkd_result vkd__collect_features(const struct vkd__features_params *p, struct vkd__features *out)
{
    const uint32_t batches = vkd_loader_batches(p->loader), batch = vkd__feed_batch(p->feed);
    struct vkd__features f = { .width = p->width, .classes = vkd__feed_classes(p->feed) };
    struct vkd__feed_result got;
    uint32_t submitted = 0, collected = 0;
    if (vkd__feed_images(p->feed) != batch || !vkd__feed_empty(p->feed))
        return VKD_INVALID;
    vkd_result r = make_room(&f, (uint64_t) batches * batch, f.classes > 0);
    if (r == VKD_OK)
        r = vkd_loader_seek(p->loader, 0, 0);
    while (r == VKD_OK && collected < batches) {
        if (submitted < batches && !vkd__feed_full(p->feed)) {
            struct vkd_step_block step = { .micro = 0 };
            r = vkd__feed_submit(p->feed, p->route, &step, NULL, NULL, 0, NULL);
            submitted++;
            continue;
        }
        r = vkd__feed_collect(p->feed, &got);
        if (r == VKD_OK)
            r = take(p, &got, &f);
        collected++;
        if (r == VKD_OK && p->stop && p->stop(p->user))
            r = VKD_INTERRUPTED;
    }
    while (!vkd__feed_empty(p->feed)) {
        vkd_result drained = vkd__feed_collect(p->feed, &got);
        r = r == VKD_OK ? drained : r;
    }
    if (r < 0)
        vkd__features_finish(&f);
    else
        *out = f;
    return r;
}

void vkd__features_finish(struct vkd__features *f)
{
    free(f->rows);
    free(f->labels);
    free(f->indices);
    free(f->targets);
    memset(f, 0, sizeof(*f));
}
