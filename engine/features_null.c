// features_null.c -- what untrained networks make of the same images: the null of measures of features.
#include "diversity_impl.h"
#include "train/model_features.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VALUES = sizeof(struct vkd_feature_values) / sizeof(double),
       FILTER_VALUES = sizeof(struct vkd_filter_diversity) / sizeof(double) };

void vkd__feature_null_key(const vkd_filter_nulls *n, const struct vkd_features *f, char key[640])
{
    const struct vkd_weights_info *m = &f->model;
    int used = snprintf(key, 640, "%s width %u stem %s size %u channels %u mean %.9g %.9g %.9g std %.9g %.9g %.9g; images %016llx "
                        "first %u views %u; layer %s; seed %llu draws %u; at", m->arch, m->width,
                        m->cifar_stem ? "cifar" : "imagenet", m->size, m->channels, (double) m->mean[0], (double) m->mean[1],
                        (double) m->mean[2], (double) m->std[0], (double) m->std[1], (double) m->std[2],
                        (unsigned long long) f->data_fingerprint, f->rows, f->views, f->layer[0] ? f->layer : "features",
                        (unsigned long long) n->p.seed, n->p.draws);
    for (uint32_t i = 0; i < n->p.threshold_count; i++)
        used += snprintf(key + used, 640 - (size_t) used, " %.6g", n->p.thresholds[i]);
}

static const struct vkd__feature_null *find(const vkd_filter_nulls *n, const char *key)
{
    const struct vkd__feature_null *k = n->features;
    while (k && strcmp(k->key, key))
        k = k->next;
    return k;
}

const struct vkd__feature_null *vkd__feature_null_find(const vkd_filter_nulls *n, const struct vkd_features *f)
{
    char key[640];
    vkd__feature_null_key(n, f, key);
    return find(n, key);
}

vkd_result vkd__feature_null_add(vkd_filter_nulls *n, const struct vkd__feature_null *null)
{
    if (find(n, null->key))
        return VKD_OK;
    struct vkd__feature_null *copy = malloc(sizeof(*copy));
    if (!copy)
        return VKD_NO_MEMORY;
    *copy = *null;
    copy->next = n->features;
    n->features = copy;
    return VKD_OK;
}

// The mean over draws of the distance that leaves half as many clusters as living channels. Where the first few merge,
// the distance that random filters are calibrated by, differs between untrained networks by much, and is so small that
// what has learnt anything has all its channels there.
static double calibrate(const struct vkd_feature_diversity *networks, double *const *heights, uint32_t count)
{
    double sum = 0;
    uint32_t used = 0;
    for (uint32_t d = 0; d < count; d++) {
        const uint32_t living = networks[d].dim - networks[d].channels.dead;
        if (living < 2)
            continue;
        sum += heights[d][living / 2 - 1];
        used++;
    }
    return used ? sum / used : NAN;
}

vkd_result vkd__feature_null_conclude(vkd_filter_nulls *n, const char *key, const struct vkd_feature_diversity *networks,
                                      double *const *heights, uint32_t count)
{
    struct vkd__feature_null null = { .calibrated = calibrate(networks, heights, count) };
    snprintf(null.key, sizeof(null.key), "%s", key);
    for (uint32_t d = 0; d < count; d++) {
        struct vkd_filter_diversity c = networks[d].channels.found;
        vkd__count_clusters(n, heights[d], networks[d].dim - networks[d].channels.dead, null.calibrated, &c);
        vkd__add_values(&null.value, &networks[d].found, VALUES, 1.0 / count);
        vkd__add_values(&null.channels, &c, FILTER_VALUES, 1.0 / count);
    }
    return vkd__feature_null_add(n, &null);
}

// ---- Measuring ----

// One layer of all networks.
struct layer {
    struct vkd_feature_diversity networks[VKD__DRAWS_MAX];
    double *heights[VKD__DRAWS_MAX];
    char key[640];
};

static vkd_result measure_draw(vkd_filter_nulls *n, vkd_device *dev, const struct vkd_features_params *p, struct layer *layers,
                               uint32_t draw)
{
    struct vkd_features f[VKD_LAYERS_MAX] = { { .rows = 0 } };
    vkd_result r = vkd_features_extract(dev, p, f);
    for (uint32_t l = 0; r == VKD_OK && l < p->layer_count; l++) {
        r = vkd__features_found(n, &f[l], p->log, &layers[l].networks[draw], &layers[l].heights[draw]);
        vkd__feature_null_key(n, &f[l], layers[l].key);
    }
    for (uint32_t l = 0; l < p->layer_count; l++)
        vkd_features_finish(&f[l]);
    return r;
}

// Batches of all draws as one row of them.
struct progress {
    const struct vkd_features_params *p;
    uint32_t draw, draws;
};

static void tell(void *user, uint32_t batch, uint32_t batches)
{
    const struct progress *of = user;
    of->p->progress(of->p->user, of->draw * batches + batch, of->draws * batches);
}

static bool stop(void *user)
{
    const struct progress *of = user;
    return of->p->stop && of->p->stop(of->p->user);
}

// Draws `p->layer_count` layers' nulls.
static vkd_result measure(vkd_filter_nulls *n, vkd_device *dev, const struct vkd_features_params *p)
{
    struct layer *layers = calloc(p->layer_count, sizeof(*layers));
    vkd_result r = layers ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t d = 0; r == VKD_OK && d < n->p.draws; d++) {
        struct vkd_features_params of = *p;
        struct progress progress = { p, d, n->p.draws };
        of.seed = VKD__NULL_SEEDS + n->p.seed + d;
        of.progress = p->progress ? tell : NULL;
        of.stop = stop;
        of.user = &progress;
        r = measure_draw(n, dev, &of, layers, d);
    }
    for (uint32_t l = 0; r == VKD_OK && l < p->layer_count; l++)
        r = vkd__feature_null_conclude(n, layers[l].key, layers[l].networks, layers[l].heights, n->p.draws);
    for (uint32_t l = 0; layers && l < p->layer_count; l++)
        for (uint32_t d = 0; d < n->p.draws; d++)
            free(layers[l].heights[d]);
    free(layers);
    return r;
}

vkd_result vkd_features_null(vkd_filter_nulls *nulls, vkd_device *dev, const struct vkd_features_params *p)
{
    struct vkd_log log = p->log ? *p->log : *vkd_device_log(dev);
    const struct vkd_log quiet = { vkd__log_errors, &log };
    const char *missing[VKD_LAYERS_MAX];
    struct vkd_features_params of = *p;
    struct vkd_features like[VKD_LAYERS_MAX];
    of.untrained = true;
    of.log = &quiet;
    of.layers = missing;
    of.layer_count = 0;
    vkd_result r = vkd__features_describe(dev, p, like);
    for (uint32_t l = 0; r == VKD_OK && l < (p->layer_count ? p->layer_count : 1); l++)
        if (!vkd__feature_null_find(nulls, &like[l]))
            missing[of.layer_count++] = p->layer_count ? p->layers[l] : NULL;
    return r == VKD_OK && of.layer_count ? measure(nulls, dev, &of) : r;
}
