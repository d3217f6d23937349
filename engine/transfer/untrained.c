// untrained.c -- RankMe of untrained networks at the layers of a choice: what that of a checkpoint is put beside.
#include "transfer_impl.h"

#include "../diversity_impl.h"
#include "../train/model_features.h"

#include <string.h>

enum { NETWORKS = 3, ROWS = 10000 };

struct telling {
    const struct vkd__transfer *t;
    uint32_t network;
};

static void tell(void *user, uint32_t batch, uint32_t batches)
{
    const struct telling *of = user;
    vkd__transfer_tell(of->t, "features of untrained networks", of->network * batches + batch, NETWORKS * batches);
}

static bool stop(void *user)
{
    const struct vkd__transfer *t = ((const struct telling *) user)->t;
    return t->p.stop && t->p.stop(t->p.user);
}

// Only of images that are not held out.
static vkd_result measure(const struct vkd__transfer *t, struct vkd_features *f, double *out)
{
    uint32_t rows = 0;
    for (uint32_t i = 0; i < f->rows; i++)
        if (!t->sets.held || !t->sets.held[i])
            memmove(f->values + (uint64_t) rows++ * f->dim, f->values + (uint64_t) i * f->dim, f->dim * sizeof(*f->values));
    return vkd_rankme(&(struct vkd_matrix) { f->values, rows, f->dim, 0 }, &t->log, out);
}

vkd_result vkd__untrained_rankme(const struct vkd__transfer *t, const char *weights, const char *const *layers,
                                 uint32_t count, double *out)
{
    const struct vkd_log errors = { vkd__log_errors, (void *) (uintptr_t) &t->log };
    struct vkd_features f[VKD_LAYERS_MAX];
    double sum[VKD_LAYERS_MAX] = { 0 }, one;
    vkd_result r = VKD_OK;
    for (uint32_t n = 0; r == VKD_OK && n < NETWORKS; n++) {
        struct telling telling = { t, n };
        r = vkd_features_extract(t->dev, &(struct vkd_features_params) {
            .path = weights, .partial = t->p.partial, .untrained = true, .seed = VKD__NULL_SEEDS + n, .data = t->p.data,
            .split = "train", .images = ROWS, .layers = layers, .layer_count = count, .batch = t->p.batch, .log = &errors,
            .progress = tell, .stop = stop, .user = &telling }, f);
        if (r < 0)
            return r;
        for (uint32_t l = 0; l < count; l++) {
            if (r == VKD_OK)
                r = measure(t, &f[l], &one);
            sum[l] += r == VKD_OK ? one / NETWORKS : 0;
            vkd_features_finish(&f[l]);
        }
    }
    if (r == VKD_OK)
        memcpy(out, sum, count * sizeof(*out));
    return r;
}
