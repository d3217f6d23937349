// table.c -- features of the splits, with what is known of their images.
#include "transfer_impl.h"

#include "../truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void vkd__table_finish(struct vkd__table *t)
{
    free(t->values);
    free(t->labels);
    free(t->truth);
    *t = (struct vkd__table) { .rows = 0 };
}

struct vkd_matrix vkd__table_matrix(const struct vkd__table *t)
{
    return (struct vkd_matrix) { t->values, t->rows, t->dim, 0 };
}

static vkd_result begin(struct vkd__table *t, uint32_t rows, uint32_t dim, uint32_t classes)
{
    *t = (struct vkd__table) { .rows = rows, .dim = dim };
    t->values = malloc((uint64_t) rows * dim * sizeof(*t->values) + 1);
    t->labels = classes ? NULL : malloc(rows * sizeof(*t->labels) + 1);
    t->truth = classes ? malloc((uint64_t) rows * classes + 1) : NULL;
    if (t->values && (t->labels || t->truth))
        return VKD_OK;
    vkd__table_finish(t);
    return VKD_NO_MEMORY;
}

// Row `to` of a table becomes row `from` of features.
static void fill(struct vkd__table *t, uint32_t to, const struct vkd_features *f, uint32_t from)
{
    memcpy(t->values + (uint64_t) to * t->dim, f->values + (uint64_t) from * f->dim, f->dim * sizeof(*t->values));
    if (t->labels)
        t->labels[to] = f->labels[from];
    for (uint32_t c = 0; t->truth && c < f->classes; c++)
        t->truth[(uint64_t) to * f->classes + c] = vkd__truth_of(f->targets[(uint64_t) from * f->classes + c]);
}

// The rows of `f` whose held[] is `part`; all without `held`.
static vkd_result part_of(const struct vkd_features *f, const uint8_t *held, uint8_t part, uint32_t rows, struct vkd__table *out)
{
    vkd_result r = begin(out, rows, f->dim, f->targets ? f->classes : 0);
    out->unreadable = r == VKD_OK ? f->unreadable : 0;
    for (uint32_t i = 0, to = 0; r == VKD_OK && i < f->rows && to < rows; i++)
        if (!held || held[i] == part)
            fill(out, to++, f, i);
    return r;
}

vkd_result vkd__table_check(const struct vkd__transfer *t, const char *weights, const char *layer, const struct vkd__table *of)
{
    for (uint64_t i = 0; i < (uint64_t) of->rows * of->dim; i++) {
        if (isfinite(of->values[i]))
            continue;
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.600s: what it makes of images of %.200s is not finite (layer %.95s): its weights "
                      "hold NaN, or its training diverged; take an earlier checkpoint", weights, t->p.data, layer);
        return VKD_INVALID;
    }
    return VKD_OK;
}

struct telling { const struct vkd__transfer *t; const char *what; };

static void tell(void *user, uint32_t batch, uint32_t batches)
{
    const struct telling *t = user;
    vkd__transfer_tell(t->t, t->what, batch, batches);
}

static bool stop(void *user)
{
    const struct telling *t = user;
    return t->t->p.stop && t->t->p.stop(t->t->p.user);
}

// Of the `rows` images that the split had when it was opened, or an error: files may change in between.
static vkd_result get(const struct vkd__transfer *t, const char *weights, const char *split, uint32_t rows,
                      const char *const *layers, uint32_t layer_count, struct vkd_features *out)
{
    char what[32] = "features of ";
    struct telling telling = { t, strcat(what, split) };
    vkd_result r = vkd_features_get(t->cache, t->dev, &(struct vkd_features_params) {
        .path = weights, .partial = t->p.partial, .data = t->p.data, .split = split, .images = VKD_ALL_IMAGES, .layers = layers,
        .layer_count = layer_count, .batch = t->p.batch, .progress = tell, .stop = stop, .user = &telling }, out);
    if (r < 0)
        return r;
    const bool alike = out->rows == rows && out->classes == t->sets.classes && !!out->targets == t->sets.multi_label;
    if (alike)
        return VKD_OK;
    vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s: %s had %u images of %u classes, and now has %u of %u: it must stay as it is "
                  "while a model is transferred", t->p.data, split, rows, t->sets.classes, out->rows, out->classes);
    for (uint32_t l = 0; l < layer_count; l++)
        vkd_features_finish(&out[l]);
    return VKD_INVALID;
}

vkd_result vkd__train_tables(const struct vkd__transfer *t, const char *weights, const char *const *layers,
                             uint32_t layer_count, struct vkd__table *train, struct vkd__table *val)
{
    const struct vkd__transfer_sets *s = &t->sets;
    struct vkd_features f[VKD_LAYERS_MAX] = { { .rows = 0 } }, v[VKD_LAYERS_MAX] = { { .rows = 0 } };
    memset(train, 0, layer_count * sizeof(*train));
    memset(val, 0, layer_count * sizeof(*val));
    vkd_result r = get(t, weights, "train", s->train_count + (s->val ? 0 : s->val_count), layers, layer_count, f);
    if (r == VKD_OK && s->val)
        r = get(t, weights, "val", s->val_count, layers, layer_count, v);
    for (uint32_t l = 0; l < layer_count; l++) {
        if (r == VKD_OK)
            r = part_of(&f[l], s->held, 0, s->train_count, &train[l]);
        if (r == VKD_OK)
            r = s->val ? part_of(&v[l], NULL, 0, s->val_count, &val[l]) : part_of(&f[l], s->held, 1, s->val_count, &val[l]);
        if (!s->val)
            val[l].unreadable = 0;          // they are train's
        vkd_features_finish(&f[l]);
        vkd_features_finish(&v[l]);
    }
    for (uint32_t l = 0; r < 0 && l < layer_count; l++) {
        vkd__table_finish(&train[l]);
        vkd__table_finish(&val[l]);
    }
    return r;
}

vkd_result vkd__test_table(const struct vkd__transfer *t, const char *weights, const char *layer, struct vkd__table *test)
{
    struct vkd_features f;
    vkd_result r = get(t, weights, "test", t->sets.test_count, &layer, 1, &f);
    if (r < 0)
        return r;
    r = part_of(&f, NULL, 0, f.rows, test);
    vkd_features_finish(&f);
    return r;
}

vkd_result vkd__table_join(const struct vkd__table *a, const struct vkd__table *b, uint32_t classes, const struct vkd_log *log,
                           struct vkd__table *out)
{
    const uint64_t first = (uint64_t) a->rows * a->dim;
    if (a->dim != b->dim || !a->truth != !b->truth || (uint64_t) a->rows + b->rows > UINT32_MAX) {
        vkd_log_write(log, VKD_LOG_ERROR, "features of train and val do not fit together: %u of %u numbers%s, %u of %u numbers%s",
                      a->rows, a->dim, a->truth ? " with truth" : "", b->rows, b->dim, b->truth ? " with truth" : "");
        return VKD_INVALID;
    }
    vkd_result r = begin(out, a->rows + b->rows, a->dim, a->truth ? classes : 0);
    if (r < 0)
        return r;
    memcpy(out->values, a->values, first * sizeof(*a->values));
    memcpy(out->values + first, b->values, (uint64_t) b->rows * b->dim * sizeof(*b->values));
    if (a->truth) {
        memcpy(out->truth, a->truth, (uint64_t) a->rows * classes);
        memcpy(out->truth + (uint64_t) a->rows * classes, b->truth, (uint64_t) b->rows * classes);
    } else {
        memcpy(out->labels, a->labels, a->rows * sizeof(*a->labels));
        memcpy(out->labels + a->rows, b->labels, b->rows * sizeof(*b->labels));
    }
    return VKD_OK;
}
