// finetune.c -- the protocol that trains the whole model.
#include "../finetune.h"
#include "../../model_file.h"

#include <vkdiv/model.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vkd_result refuse(const struct vkd__transfer *t, const char *what, const char *expected, double found)
{
    vkd_log_write(&t->log, VKD_LOG_ERROR, "finetune: %s: expected %s, found %g", what, expected, found);
    return VKD_INVALID;
}

static vkd_result check_grid(const struct vkd__transfer *t, const struct vkd_finetune_params *p)
{
    if ((uint64_t) p->lr_count * p->weight_decay_count > 99)
        return refuse(t, "the grid", "at most 99 pairs", (double) p->lr_count * p->weight_decay_count);
    for (uint32_t i = 0; i < p->lr_count; i++) {
        if (!(p->lrs[i] > 0 && p->lrs[i] <= 1000))
            return refuse(t, "learning rate", "a number above 0, at most 1000", p->lrs[i]);
        for (uint32_t k = 0; k < p->weight_decay_count; k++)
            if (!(p->weight_decays[k] >= 0 && (float) (p->weight_decays[k] / p->lrs[i]) <= 10))
                return refuse(t, "weight decay", "at least 0, and at most ten times each learning rate", p->weight_decays[k]);
    }
    return VKD_OK;
}

// The weights that it starts from; those to choose from are of one run and like them.
static vkd_result check_model(const struct vkd__transfer *t, const struct vkd_finetune_params *p)
{
    struct vkd__model_file m;
    vkd_result r = vkd__model_file_open(t->weights, t->p.partial, &t->log, &m);
    if (r < 0)
        return r;
    const struct vkd_model_arch *arch = vkd_model_find(m.info.arch);
    const uint32_t stages = arch ? arch->stages : 0;
    const bool timm = m.timm;
    vkd__model_file_close(&m);
    if (timm) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s: its tensors have timm's names, and fine-tuning starts from torchvision's: "
                      "rename them, or take the protocols knn and linear", t->weights);
        return VKD_INVALID;
    }
    char expected[64];
    snprintf(expected, sizeof(expected), "at most the %u stages there are", stages);
    return p->freeze <= stages ? VKD_OK : refuse(t, "frozen stages", expected, p->freeze);
}

static vkd_result check(const struct vkd__transfer *t)
{
    const struct vkd_finetune_params p = vkd__finetune_params(&t->p.finetune);
    if (t->p.layer) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "finetune: expected no layer, for it trains the whole model; found '%.90s'",
                      t->p.layer);
        return VKD_INVALID;
    }
    if (!t->out[0]) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "finetune: its runs need a folder, and %.300s is a file: name one with --out",
                      t->p.model);
        return VKD_INVALID;
    }
    if (p.batch > 1 << 20)
        return refuse(t, "batch", "at most 1048576 images", p.batch);
    if (p.steps > 10000000)
        return refuse(t, "steps", "at most 10000000", p.steps);
    if (!(p.crop >= 1e-4 && p.crop <= 1))
        return refuse(t, "crop", "a share of the area from 0.0001 to 1", p.crop);
    if (!(p.stage_decay >= 1e-6 && p.stage_decay <= 1))
        return refuse(t, "stage decay", "a number from 0.000001 to 1", p.stage_decay);
    if (!(p.diversity_penalty >= 0 && p.diversity_penalty <= 1e6))
        return refuse(t, "diversity penalty", "a number from 0 to 1000000", p.diversity_penalty);
    if (strcmp(p.loss, "bce") && strcmp(p.loss, "asl")) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "finetune: loss: expected bce or asl, found '%.60s'", p.loss);
        return VKD_INVALID;
    }
    if (vkd__transfer_balances(t) && t->sets.multi_label && !strcmp(p.loss, "asl")) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "finetune: class weights: expected none with loss asl, which balances by its "
                      "exponents, found balanced");
        return VKD_INVALID;
    }
    if (t->p.finetune.loss && !t->sets.multi_label)
        vkd_log_write(&t->log, VKD_LOG_WARNING, "finetune: the loss %.60s is for several labels an image, and those of %.300s have "
                      "one: cross-entropy is taken", p.loss, t->p.data);
    vkd_result r = check_grid(t, &p);
    return r == VKD_OK ? check_model(t, &p) : r;
}

static json_t *list(const double *values, uint32_t count)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(a, json_real(values[i]));
    return a;
}

static json_t *settings_of(const struct vkd__transfer *t)
{
    const struct vkd_finetune_params p = vkd__finetune_params(&t->p.finetune);
    return json_pack("{s:s, s:s, s:f, s:s, s:i, s:i, s:o, s:o, s:s, s:f, s:s, s:s, s:s*, s:i, s:f, s:f, s:o}", "name", "finetune",
        "sgd", "nesterov", "momentum", 0.9, "schedule", "cosine", "steps", (int) p.steps, "batch", (int) p.batch, "lr",
        list(p.lrs, p.lr_count), "weight decay / lr", list(p.weight_decays, p.weight_decay_count), "norm momentum",
        "min(10 / epoch, 0.1)", "crops", p.crop, "flips", "horizontal", "loss", t->sets.multi_label ? p.loss : "cross-entropy",
        "class weights", vkd__transfer_balances(t) ? "balanced" : NULL, "stages frozen", (int) p.freeze, "stage decay",
        p.stage_decay, "diversity penalty", p.diversity_penalty, "seed",
        json_sprintf("%llu", (unsigned long long) t->p.seed));
}

static vkd_result run(const struct vkd__transfer_job *job, struct vkd__transfer_outcome *out)
{
    const bool many = job->t->sets.multi_label;
    struct vkd__finetune_result f;
    vkd_result r = vkd__finetune(job->t, job->weights, job->test != NULL, &f);
    if (r < 0)
        return r;
    struct vkd__transfer_outcome o = { .val = f.val, .penalty = NAN, .temperature = NAN, .lr = f.lr,
                                       .weight_decay = f.weight_decay, .unreadable = f.said.unreadable };
    if (job->test && many) {
        o.scores = f.said.rows;
        o.truth = vkd__features_truth(&f.said);
        f.said.rows = NULL;
        r = o.truth ? VKD_OK : VKD_NO_MEMORY;
    } else if (job->test) {
        o.labels = f.said.labels;
        o.predictions = vkd__finetune_predictions(&f.said);
        f.said.labels = NULL;
        r = o.predictions ? VKD_OK : VKD_NO_MEMORY;
    }
    vkd__features_finish(&f.said);
    if (r < 0)
        vkd__transfer_outcome_finish(&o);
    else
        *out = o;
    return r;
}

extern const struct vkd__transfer_protocol vkd_transfer_finetune;
const struct vkd__transfer_protocol vkd_transfer_finetune = {
    .name = "finetune", .no_features = true, .check = check, .settings = settings_of, .run = run,
    .tidy = vkd__finetune_tidy,
};
