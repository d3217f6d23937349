// knn.c -- weighted nearest neighbours among the images of train and val.
#include "../transfer_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

// What a choice is made from; without one, parameters say it.
static const struct { uint32_t k; double temperature; } choices[] = { { 20, 0.07 }, { 20, 0.1 }, { 200, 0.07 }, { 200, 0.1 } };
enum { CHOICES = sizeof(choices) / sizeof(choices[0]) };

static vkd_result check(const struct vkd__transfer *t)
{
    const uint32_t images = t->sets.train_count + t->sets.val_count;
    if (!(isfinite(t->p.temperature) && t->p.temperature > 0)) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "knn: expected a temperature above 0, found %g", t->p.temperature);
        return VKD_INVALID;
    }
    if (!t->p.select && t->p.k > images)
        vkd_log_write(&t->log, VKD_LOG_WARNING, "knn: %u neighbours are asked for, and %.300s has %u images that can be one: all "
                      "of them vote; take a smaller --k", t->p.k, t->p.data, images);
    return VKD_OK;
}

static json_t *settings_of(const struct vkd__transfer *t)
{
    if (!t->p.select)
        return json_pack("{s:s, s:s, s:i, s:f}", "name", "knn", "similarity", "cosine", "k", (int) t->p.k, "temperature",
                         t->p.temperature);
    return json_pack("{s:s, s:s, s:[i, i], s:[f, f], s:s}", "name", "knn", "similarity", "cosine", "k", 20, 200, "temperature",
                     0.07, 0.1, "chosen", "on val");
}

// What the neighbours in `train` say of `of`; one of the arrays is malloc'd.
static vkd_result vote(const struct vkd__transfer *t, const struct vkd__table *train, const struct vkd__table *of, uint32_t k,
                       double temperature, uint32_t **predictions, float **scores)
{
    const struct vkd_knn_params p = {
        .train = vkd__table_matrix(train), .test = vkd__table_matrix(of), .train_labels = train->labels,
        .test_labels = of->labels, .classes = t->sets.classes, .k = k, .temperature = temperature, .log = t->log,
    };
    struct vkd_knn_result unused;
    vkd_result r = VKD_NO_MEMORY;
    *predictions = NULL;
    *scores = NULL;
    if (t->sets.multi_label) {
        *scores = malloc(((uint64_t) of->rows * p.classes + 1) * sizeof(**scores));
        r = *scores ? vkd_knn_scores(&p, train->truth, *scores) : r;
    } else {
        *predictions = malloc((of->rows + 1u) * sizeof(**predictions));
        r = *predictions ? vkd_knn(&p, &unused, *predictions) : r;
    }
    return r;
}

static vkd_result validate(const struct vkd__transfer_job *job, uint32_t k, double temperature, double *value)
{
    uint32_t *predictions;
    float *scores;
    vkd_result r = vote(job->t, job->train, job->val, k, temperature, &predictions, &scores);
    if (r == VKD_OK)
        r = vkd__metric_value(job->t, job->val, predictions, scores, value);
    free(predictions);
    free(scores);
    return r;
}

static vkd_result run(const struct vkd__transfer_job *job, struct vkd__transfer_outcome *out)
{
    const struct vkd__transfer *t = job->t;
    struct vkd__transfer_outcome o = { .val = NAN, .penalty = NAN, .k = job->k ? job->k : t->p.k,
                                       .temperature = job->k ? job->temperature : t->p.temperature };
    vkd_result r = VKD_OK;
    vkd__transfer_tell(t, "neighbours", 0, 1);
    if (!job->choose && !job->test)
        r = validate(job, o.k, o.temperature, &o.val);
    for (uint32_t i = 0; r == VKD_OK && job->choose && i < CHOICES; i++) {
        double value;
        r = validate(job, choices[i].k, choices[i].temperature, &value);
        if (r < 0 || !(isnan(o.val) || value > o.val))
            continue;
        o.val = value;
        o.k = choices[i].k;
        o.temperature = choices[i].temperature;
    }
    if (r == VKD_OK && job->test) {
        struct vkd__table all;
        r = vkd__table_join(job->train, job->val, t->sets.classes, &t->log, &all);
        if (r == VKD_OK) {
            r = vote(t, &all, job->test, o.k, o.temperature, &o.predictions, &o.scores);
            vkd__table_finish(&all);
        }
    }
    if (r < 0)
        vkd__transfer_outcome_finish(&o);
    else
        *out = o;
    return r;
}

extern const struct vkd__transfer_protocol vkd_transfer_knn;
const struct vkd__transfer_protocol vkd_transfer_knn = { .name = "knn", .check = check, .settings = settings_of, .run = run };
