// measures.c -- the diversity measures of a study: how they are read from a diversity.json, and how that is made.
#include "study.h"

#include "../diversity_json.h"

#include <math.h>
#include <string.h>

// Each is a ratio to its null, without which networks of different shapes do not compare. Of filters: to random filters of
// the same shapes, mean over the kinds of convolution weighted by their filters; the classifier does not count. Of
// features: to untrained networks of the same make on the same images. Alpha-ReQ is best near 1, not where it is
// largest (Agrawal et al. 2022): it enters as -|log alpha|. effective_rank is RankMe but for 1e-7 and no second witness.
static const struct measure {
    const char *name;
    int sign;                   // 1: larger is more diverse
    enum { OF_FILTERS, OF_FILTER_CLUSTERS, OF_FEATURES, OF_CHANNEL_CLUSTERS, OF_ALPHA } from;
    const char *key;
} measures[VKD__STUDY_MEASURES] = {
    { "filter_clusters",      1, OF_FILTER_CLUSTERS,  NULL },
    { "filter_cosine",       -1, OF_FILTERS,          "mean_abs_cos" },
    { "filter_orthogonality", -1, OF_FILTERS,         "orthogonality" },     // its distance from orthogonal
    { "filter_rank",          1, OF_FILTERS,          "effective_rank" },
    { "channel_clusters",     1, OF_CHANNEL_CLUSTERS, NULL },
    { "rankme",               1, OF_FEATURES,         "rankme" },
    { "eigen_rank",           1, OF_FEATURES,         "eigen_rank" },
    { "lidar",                1, OF_FEATURES,         "lidar" },
    { "alpha_req",            1, OF_ALPHA,            "alpha_req" },
    { "vendi",                1, OF_FEATURES,         "vendi" },
    { "std",                  1, OF_FEATURES,         "std" },
    { "class_separation",    -1, OF_FEATURES,         "class_separation" },
};

const char *vkd__study_measure_name(uint32_t index)
{
    return measures[index].name;
}

int vkd__study_measure_sign(uint32_t index)
{
    return measures[index].sign;
}

static double number_at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : NAN;
}

// The ratio to the null at the calibrated threshold.
static double clusters_of(const json_t *row)
{
    const json_t *list = json_object_get(row, "clusters"), *c;
    size_t i;
    json_array_foreach(list, i, c)
        if (json_is_true(json_object_get(c, "calibrated")))
            return number_at(c, "ratio");
    return NAN;
}

static double filters_of(const json_t *doc, const struct measure *m)
{
    json_t *kinds = json_object_get(doc, "aggregate"), *row;
    const char *kind;
    double sum = 0, weight = 0;
    json_object_foreach(kinds, kind, row) {
        const double filters = number_at(row, "filters");
        const double x = m->from == OF_FILTER_CLUSTERS ? clusters_of(row)
                                                       : number_at(json_object_get(row, "ratio"), m->key);
        if (!strcmp(kind, vkd_layer_kind_name(VKD_LAYER_LINEAR)) || isnan(x) || isnan(filters))
            continue;
        sum += filters * x;
        weight += filters;
    }
    return weight > 0 ? sum / weight : NAN;
}

bool vkd__study_probe_of(const json_t *doc, struct vkd__study_probe *out)
{
    const json_t *f = json_object_get(doc, "features");
    *out = (struct vkd__study_probe) {
        .data = json_string_value(json_object_get(f, "data")), .split = json_string_value(json_object_get(f, "split")),
        .images = (uint32_t) json_integer_value(json_object_get(f, "images")),
        .views = (uint32_t) json_integer_value(json_object_get(f, "views")),
    };
    return out->data && out->split;
}

bool vkd__study_has_probe(const json_t *doc, const struct vkd__study_probe *probe)
{
    struct vkd__study_probe own;
    if (!json_object_get(json_object_get(doc, "features"), "ratio"))
        return false;
    return vkd__study_probe_of(doc, &own) && !strcmp(own.data, probe->data) && !strcmp(own.split, probe->split) &&
           own.views == probe->views && (own.images == probe->images || (own.images < probe->images &&
                                                                         own.images >= probe->known));
}

static double feature_of(const json_t *features, const struct measure *m)
{
    if (m->from == OF_ALPHA) {
        const double alpha = number_at(features, m->key);
        return alpha > 0 ? -fabs(log(alpha)) : NAN;
    }
    return m->from == OF_FEATURES ? number_at(json_object_get(features, "ratio"), m->key)
                                  : clusters_of(json_object_get(features, "channels"));
}

void vkd__study_measures(const json_t *doc, bool features, double values[VKD__STUDY_MEASURES])
{
    const json_t *f = features ? json_object_get(doc, "features") : NULL;
    for (uint32_t k = 0; k < VKD__STUDY_MEASURES; k++) {
        const struct measure *m = &measures[k];
        values[k] = m->from == OF_FILTERS || m->from == OF_FILTER_CLUSTERS ? filters_of(doc, m) : feature_of(f, m);
    }
}

// ---- Making what is missing ----

static vkd_result need_nulls(struct vkd__gather *g)
{
    return g->nulls ? VKD_OK : vkd_filter_nulls_create(&(struct vkd_null_params) { .dev = g->dev, .log = g->p->log },
                                                       &g->nulls);
}

static vkd_result add_filters(struct vkd__gather *g, struct vkd__study_run *run)
{
    vkd_result r = need_nulls(g);
    if (r == VKD_OK)
        r = vkd__diversity_make(g->nulls, &(struct vkd_diversity_params) {
            .path = run->model->run, .log = g->p->log, .stop = g->p->stop, .user = g->p->user }, run->hash,
            &run->diversity);
    return r == VKD_OK ? vkd__diversity_save(run->model->run, run->diversity, &g->p->log) : r;
}

// The nulls of all runs of the study, so that a make of networks is measured once, whichever run comes first.
static vkd_result load_nulls(struct vkd__gather *g)
{
    vkd_result r = need_nulls(g);
    for (uint32_t i = 0; r == VKD_OK && !g->nulls_loaded && i < g->run_count; i++)
        r = vkd__feature_nulls_load(g->nulls, g->runs[i].model->run, &g->p->log);
    g->nulls_loaded = true;
    return r;
}

static vkd_result add_features(struct vkd__gather *g, struct vkd__study_run *run, vkd_device *dev,
                               const struct vkd__study_probe *probe)
{
    const char *dir = run->model->run;
    const struct vkd_features_params p = { .path = dir, .data = probe->data, .split = probe->split, .images = probe->images,
                                           .views = probe->views, .stop = g->p->stop, .user = g->p->user };
    struct vkd_features f;
    struct vkd_feature_diversity d;
    vkd_result r = load_nulls(g);
    if (r == VKD_OK)
        r = vkd_features_extract(dev, &p, &f);
    if (r < 0)
        return r;
    r = vkd_features_null(g->nulls, dev, &p);
    if (r == VKD_OK)
        r = vkd__feature_nulls_save(g->nulls, &f, 1, dir, &g->p->log, VKD_LOG_WARNING);
    if (r == VKD_OK)
        r = vkd_features_measure(g->nulls, &f, &g->p->log, &d);
    json_t *features = r == VKD_OK ? vkd__features_json(&f, &d, probe->data, probe->split) : NULL;
    vkd_features_finish(&f);
    if (r < 0)
        return r;
    if (!features || json_object_set_new(run->diversity, "features", features))
        return VKD_NO_MEMORY;
    return vkd__diversity_save(dir, run->diversity, &g->p->log);
}

vkd_result vkd__study_measure(struct vkd__gather *g, struct vkd__study_run *run, const struct vkd__study_probe *probe)
{
    vkd_result r = VKD_OK;
    if (!run->weights[0])
        return VKD_OK;
    const bool features = probe->data[0] && !vkd__study_has_probe(run->diversity, probe) &&
                          vkd__study_data_exist(probe->data);
    vkd_device *dev = features ? vkd__study_device(g) : g->dev;     // first: filters use it where there is one
    if (!run->diversity)
        r = add_filters(g, run);
    return r == VKD_OK && features && dev ? add_features(g, run, dev, probe) : r;
}
