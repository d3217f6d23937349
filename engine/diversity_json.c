// diversity_json.c -- measured diversity as JSON.
#include "diversity_json.h"

#include "json.h"

#include <string.h>

static const char *const measure_names[] = { "mean_abs_cos", "max_abs_cos", "orthogonality", "z", "effective_rank" };
enum { PLAIN_COUNT = sizeof(measure_names) / sizeof(measure_names[0]) };

static void plain_values(const struct vkd_filter_diversity *f, double out[PLAIN_COUNT])
{
    const double values[PLAIN_COUNT] = { f->mean_cos, f->max_cos, f->orthogonality, f->z, f->effective_rank };
    memcpy(out, values, sizeof(values));
}

// Adds the measures to `row`, those of the null as its "null", and the quotients as its "ratio".
static void add_values(json_t *row, const struct vkd_filter_diversity *found, const struct vkd_filter_diversity *null)
{
    double a[PLAIN_COUNT], b[PLAIN_COUNT];
    json_t *nulls = json_object(), *ratios = json_object();
    plain_values(found, a);
    plain_values(null, b);
    for (int i = 0; i < PLAIN_COUNT; i++) {
        json_object_set_new(row, measure_names[i], vkd__json_real(a[i]));
        json_object_set_new(nulls, measure_names[i], vkd__json_real(b[i]));
        json_object_set_new(ratios, measure_names[i], vkd__json_real(a[i] / b[i]));
    }
    json_object_set_new(row, "null", nulls);
    json_object_set_new(row, "ratio", ratios);
}

// `calibrated` NULL: thresholds of their own in each layer.
static json_t *clusters_json(const struct vkd_diversity *d, const struct vkd_filter_diversity *found,
                             const struct vkd_filter_diversity *null, const double *calibrated, const char *what)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i <= d->threshold_count; i++) {
        bool last = i == d->threshold_count;
        json_t *row = json_object();
        json_object_set_new(row, "threshold", last ? calibrated ? vkd__json_real(*calibrated) : json_null()
                                                   : vkd__json_real(d->thresholds[i]));
        json_object_set_new(row, "calibrated", json_boolean(last));
        json_object_set_new(row, what, vkd__json_real(found->clusters[i]));
        json_object_set_new(row, "null", vkd__json_real(null->clusters[i]));
        json_object_set_new(row, "ratio", vkd__json_real(found->clusters[i] / null->clusters[i]));
        json_array_append_new(list, row);
    }
    return list;
}

json_t *vkd__diversity_json(const char *path, const struct vkd_diversity *d)
{
    json_t *layers = json_array(), *kinds = json_object();
    for (uint32_t i = 0; i < d->layer_count; i++) {
        const struct vkd_layer_diversity *l = &d->layers[i];
        json_t *row = json_pack("{s:s, s:s, s:i, s:i, s:i}", "name", l->name, "kind", vkd_layer_kind_name(l->kind),
                                "filters", (int) l->filters, "fan_in", (int) l->fan_in, "dead", (int) l->dead);
        add_values(row, &l->found, &l->null);
        json_object_set_new(row, "clusters", clusters_json(d, &l->found, &l->null, &l->calibrated, "count"));
        json_array_append_new(layers, row);
    }
    for (int k = 0; k < VKD_LAYER_KIND_COUNT; k++) {
        const struct vkd_kind_diversity *g = &d->kinds[k];
        if (g->layers == 0)
            continue;
        json_t *row = json_pack("{s:i, s:i, s:i}", "layers", (int) g->layers, "filters", (int) g->filters, "dead",
                                (int) g->dead);
        add_values(row, &g->found, &g->null);
        json_object_set_new(row, "clusters", clusters_json(d, &g->found, &g->null, NULL, "share"));
        json_object_set_new(kinds, vkd_layer_kind_name((enum vkd_layer_kind) k), row);
    }
    return json_pack("{s:o, s:s, s:i, s:b, s:s, s:b, s:i, s:o, s:o}", "model", vkd__json_text(path), "arch",
                     d->model.arch, "width", (int) d->model.width, "batch_norm_folded", d->folded, "names",
                     d->timm ? "timm" : "torchvision", "described", d->told, "missing", (int) d->missing, "layers",
                     layers, "aggregate", kinds);
}

json_t *vkd__features_json(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                                const char *split)
{
    const struct vkd_feature_measures *m = &d->features;
    const struct vkd_layer_diversity *c = &d->channels;
    struct vkd_diversity with = { .threshold_count = d->threshold_count };
    memcpy(with.thresholds, d->thresholds, sizeof(with.thresholds));
    json_t *channels = json_pack("{s:i, s:i, s:i}", "filters", (int) c->filters, "fan_in", (int) c->fan_in, "dead",
                                 (int) c->dead);
    add_values(channels, &c->found, &c->null);
    json_object_set_new(channels, "clusters", clusters_json(&with, &c->found, &c->null, &c->calibrated, "count"));
    return json_pack("{s:o, s:s, s:i, s:i, s:i, s:i, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "data", vkd__json_text(data), "split", split, "images", (int) f->rows, "dim", (int) f->dim,
                     "views", (int) f->views, "size", (int) f->model.size, "normalisation_known", f->told,
                     "rankme", vkd__json_real(m->rankme), "effective_rank", vkd__json_real(m->effective_rank),
                     "eigen_rank", vkd__json_real(m->eigen_rank), "lidar", vkd__json_real(d->lidar),
                     "alpha_req", vkd__json_real(m->alpha), "vendi", vkd__json_real(m->vendi), "std",
                     vkd__json_real(m->std),
                     "class_separation", vkd__json_real(d->class_separation), "channels", channels);
}

// values (count, count), `stride` from row to row.
static json_t *matrix_json(const double *values, uint32_t count, uint32_t stride)
{
    json_t *rows = json_array();
    for (uint32_t i = 0; i < count; i++) {
        json_t *row = json_array();
        for (uint32_t j = 0; j < count; j++)
            json_array_append_new(row, vkd__json_real(values[(size_t) i * stride + j]));
        json_array_append_new(rows, row);
    }
    return rows;
}

json_t *vkd__cka_json(const double *values, uint32_t count)
{
    return matrix_json(values, count, count);
}

json_t *vkd__layers_cka_json(const struct vkd_layers_cka *c)
{
    json_t *names = json_array();
    for (uint32_t i = 0; i < c->count; i++)
        json_array_append_new(names, json_string(c->names[i]));
    return json_pack("{s:o, s:i, s:o}", "layers", names, "images", (int) c->images, "values",
                     matrix_json(c->values[0], c->count, VKD_STAGES_MAX));
}
