// features.c -- a whole set through a feed.
#include "features.h"
#include "../op.h"
#include "../truth.h"

#include <stdlib.h>
#include <string.h>

vkd_result vkd__features_begin(struct vkd__features *f, uint64_t images, uint32_t width, uint32_t classes)
{
    *f = (struct vkd__features) { .width = width, .classes = classes };
    f->rows = malloc(images * width * sizeof(*f->rows));
    f->labels = malloc(images * sizeof(*f->labels));
    f->indices = malloc(images * sizeof(*f->indices));
    f->targets = classes ? malloc(images * classes * sizeof(*f->targets)) : NULL;
    return f->rows && f->labels && f->indices && (f->targets || !classes) ? VKD_OK : VKD_NO_MEMORY;
}

vkd_result vkd__features_add(struct vkd__features *f, const vkd__feed *feed, const char *mark,
                             const struct vkd__feed_result *r)
{
    const uint32_t stride = vkd__pad4(f->width);
    uint64_t size;
    const float *data = vkd__feed_mark(feed, mark, 0, &size);
    if (!data || size != 4ull * stride * vkd__feed_batch(feed))
        return VKD_INVALID;
    for (uint32_t i = 0; i < r->images; i++) {          // without their padding
        memcpy(f->rows + (size_t) (f->count + i) * f->width, data + (size_t) i * stride, f->width * sizeof(float));
        if (f->targets)
            memcpy(f->targets + (size_t) (f->count + i) * f->classes, r->targets + (size_t) i * r->target_stride,
                   f->classes * sizeof(float));
    }
    memcpy(f->labels + f->count, r->labels, r->images * sizeof(*r->labels));
    memcpy(f->indices + f->count, r->indices, r->images * sizeof(*r->indices));
    f->count += r->images;
    return VKD_OK;
}

struct vkd_matrix vkd__features_matrix(const struct vkd__features *f)
{
    return (struct vkd_matrix) { .data = f->rows, .rows = f->count, .cols = f->width, .stride = f->width };
}

struct collection { const struct vkd__features_params *p; struct vkd__features *f; };

static vkd_result take(void *user, const struct vkd__feed_result *r)
{
    struct collection *c = user;
    return vkd__features_add(c->f, c->p->feed, c->p->mark, r);
}

vkd_result vkd__collect_features(const struct vkd__features_params *p, struct vkd__features *out)
{
    struct vkd__features f;
    struct collection c = { p, &f };
    const uint32_t batch = vkd__feed_batch(p->feed);
    if (vkd__feed_images(p->feed) != batch || !vkd__feed_empty(p->feed))
        return VKD_INVALID;
    vkd_result r = vkd__features_begin(&f, (uint64_t) vkd_loader_batches(p->loader) * batch, p->width,
                                       vkd__feed_classes(p->feed));
    if (r == VKD_OK)
        r = vkd__pass_run(&(struct vkd__pass) { p->feed, p->route, p->loader, take, p->stop, &c, p->user, 0 });
    f.unreadable = vkd_loader_bad_count(p->loader);
    if (r < 0)
        vkd__features_finish(&f);
    else
        *out = f;
    return r;
}

int8_t *vkd__features_truth(const struct vkd__features *f)
{
    const uint64_t entries = (uint64_t) f->count * f->classes;
    int8_t *truth = malloc(entries + 1);
    for (uint64_t i = 0; truth && i < entries; i++)
        truth[i] = vkd__truth_of(f->targets[i]);
    return truth;
}

void vkd__features_finish(struct vkd__features *f)
{
    free(f->rows);
    free(f->labels);
    free(f->indices);
    free(f->targets);
    memset(f, 0, sizeof(*f));
}
