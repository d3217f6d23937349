// diversity_json.c -- measured diversity as JSON.
#include "diversity_json.h"

#include "json.h"

#include <stddef.h>
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

// ---- Features ----

static const struct { const char *key; size_t at; } feature_names[] = {
    { "rankme", offsetof(struct vkd_feature_values, rankme) },
    { "effective_rank", offsetof(struct vkd_feature_values, effective_rank) },
    { "eigen_rank", offsetof(struct vkd_feature_values, eigen_rank) },
    { "lidar", offsetof(struct vkd_feature_values, lidar) },
    { "alpha_req", offsetof(struct vkd_feature_values, alpha) },
    { "vendi", offsetof(struct vkd_feature_values, vendi) },
    { "std", offsetof(struct vkd_feature_values, std) },
    { "class_separation", offsetof(struct vkd_feature_values, class_separation) },
};

static double value_at(const struct vkd_feature_values *v, size_t at)
{
    double x;
    memcpy(&x, (const char *) v + at, sizeof(x));
    return x;
}

static void add_feature_values(json_t *row, const struct vkd_feature_values *found, const struct vkd_feature_values *null)
{
    json_t *nulls = json_object(), *ratios = json_object();
    for (size_t i = 0; i < sizeof(feature_names) / sizeof(feature_names[0]); i++) {
        const double a = value_at(found, feature_names[i].at), b = value_at(null, feature_names[i].at);
        json_object_set_new(row, feature_names[i].key, vkd__json_real(a));
        json_object_set_new(nulls, feature_names[i].key, vkd__json_real(b));
        json_object_set_new(ratios, feature_names[i].key, vkd__json_real(a / b));
    }
    json_object_set_new(row, "null", nulls);
    json_object_set_new(row, "ratio", ratios);
}

json_t *vkd__features_json(const struct vkd_features *f, const struct vkd_feature_diversity *d, const char *data,
                           const char *split)
{
    const struct vkd_layer_diversity *c = &d->channels;
    struct vkd_diversity with = { .threshold_count = d->threshold_count };
    memcpy(with.thresholds, d->thresholds, sizeof(with.thresholds));
    json_t *channels = json_pack("{s:i, s:i, s:i}", "filters", (int) c->filters, "fan_in", (int) c->fan_in, "dead",
                                 (int) c->dead);
    add_values(channels, &c->found, &c->null);
    json_object_set_new(channels, "clusters", clusters_json(&with, &c->found, &c->null, &c->calibrated, "count"));
    json_t *row = json_pack("{s:s, s:o, s:s, s:i, s:i, s:i, s:i, s:b, s:i}", "layer", d->layer, "data", vkd__json_text(data),
                            "split", split, "images", (int) f->rows, "dim", (int) f->dim, "views", (int) f->views, "size",
                            (int) f->model.size, "normalisation_known", f->told, "untrained_networks", (int) d->draws);
    add_feature_values(row, &d->found, &d->null);
    json_object_set_new(row, "channels", channels);
    return row;
}

json_t *vkd__features_aggregate_json(const struct vkd_features_aggregate *a)
{
    json_t *row = json_pack("{s:i}", "layers", (int) a->layers);
    add_feature_values(row, &a->found, &a->null);
    json_object_set_new(row, "channel_clusters", json_pack("{s:o, s:o, s:o}", "share", vkd__json_real(a->clusters[0]), "null",
                        vkd__json_real(a->clusters[1]), "ratio", vkd__json_real(a->clusters[0] / a->clusters[1])));
    return row;
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
