// finetune.c -- fine-tuning: the grid of runs, the choice, and the last run.
#include "finetune.h"

#include "../data/view.h"
#include "../model_file.h"
#include "../train/predict.h"
#include "../../runtime/os.h"

#include <vkdiv/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double small_lrs[] = { 0.01, 0.1 }, small_decays[] = { 0, 1e-5 };

void vkd_finetune_published(struct vkd_finetune_params *p)
{
    static const double lrs[] = { 1e-4, 3.1622776601683795e-4, 1e-3, 3.1622776601683795e-3, 1e-2, 3.1622776601683795e-2, 1e-1 };
    static const double decays[] = { 0, 1e-6, 3.1622776601683795e-6, 1e-5, 3.1622776601683795e-5, 1e-4, 3.1622776601683795e-4,
                                     1e-3 };
    p->steps = 20000;
    p->batch = 256;
    p->lrs = lrs;
    p->lr_count = sizeof(lrs) / sizeof(lrs[0]);
    p->weight_decays = decays;
    p->weight_decay_count = sizeof(decays) / sizeof(decays[0]);
    p->crop = 0.08;
}

struct vkd_finetune_params vkd__finetune_params(const struct vkd_finetune_params *p)
{
    struct vkd_finetune_params f = *p;
    f.steps = f.steps ? f.steps : 150;
    f.batch = f.batch ? f.batch : 64;
    f.crop = f.crop != 0 ? f.crop : 0.5;
    f.stage_decay = f.stage_decay != 0 ? f.stage_decay : 1;
    f.loss = f.loss ? f.loss : "bce";
    if (!f.lr_count) {
        f.lrs = small_lrs;
        f.lr_count = sizeof(small_lrs) / sizeof(small_lrs[0]);
    }
    if (!f.weight_decay_count) {
        f.weight_decays = small_decays;
        f.weight_decay_count = sizeof(small_decays) / sizeof(small_decays[0]);
    }
    return f;
}

struct finetune {
    const struct vkd__transfer *t;
    const char *weights;
    struct vkd_finetune_params p;
    struct vkd_weights_info model;      // that is begun with
    char folder[4096];
    struct vkd__finetune_grid grid;
    vkd_dataset *part, *held, *all;     // views: train without val, the val that is a part of train, train and val
    const vkd_dataset *train, *val;
};

static void folder_of(const struct vkd__transfer *t, char folder[4096])
{
    snprintf(folder, 4096, "%.3900s/transfer/%016llx.finetune", t->out, (unsigned long long) t->key);
}

// ---- What a run does --------------------------------------------------------------------------

static struct vkd_recipe recipe_of(const struct finetune *f, const vkd_dataset *train, const struct vkd__finetune_point *at)
{
    const uint32_t count = vkd_dataset_info(train)->count;
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.batch = f->p.batch < count ? f->p.batch : count;
    const uint32_t epoch = count / r.batch;
    r.epochs = (f->p.steps + epoch / 2) / epoch;
    r.epochs = r.epochs ? r.epochs : 1;
    r.eval_every = 0;
    r.seed = f->t->p.seed;
    r.data.train = r.data.test = f->t->p.data;
    r.data.bad_limit = count / 100;
    memcpy(r.data.mean, f->model.mean, sizeof(r.data.mean));
    memcpy(r.data.std, f->model.std, sizeof(r.data.std));
    r.augment.name = "resized-crop";
    r.augment.scale[0] = (float) f->p.crop;
    r.model.arch = f->model.arch;
    r.model.width = f->model.width;
    r.model.stem = f->model.cifar_stem ? "cifar" : "imagenet";
    r.model.size = f->model.size;
    r.model.channels = f->model.channels;
    r.model.norm_momentum = epoch > 100 ? 10.0f / (float) epoch : 0.1f;
    r.optimizer.name = "sgd";
    r.optimizer.nesterov = true;
    r.optimizer.momentum = 0.9f;
    r.optimizer.lr = (float) at->lr;
    r.optimizer.weight_decay = (float) (at->weight_decay / at->lr);
    r.optimizer.stage_decay = (float) f->p.stage_decay;
    r.schedule.name = "cosine";
    r.injection.freeze = f->p.freeze;
    r.loss = f->t->sets.multi_label ? f->p.loss : NULL;
    r.class_weights = vkd__transfer_balances(f->t) ? "balanced" : "none";
    r.diversity_penalty = (float) f->p.diversity_penalty;
    r.init = f->weights;
    r.init_part = "backbone";
    return r;
}

struct told { const struct vkd__transfer *t; char text[64]; };

static void tell(void *user, const struct vkd_progress *p)
{
    const struct told *w = user;
    if (p->event == VKD_PROGRESS_STEP)
        vkd__transfer_tell(w->t, w->text, p->step, p->step_count);
}

static bool stop(void *user)
{
    const struct told *w = user;
    return w->t->p.stop && w->t->p.stop(w->t->p.user);
}

static bool has(const char *run, const char *name)
{
    char path[4300];
    snprintf(path, sizeof(path), "%s/%s", run, name);
    return vkd__path_kind(path, NULL, NULL) != VKD__PATH_NONE;
}

// One run in its folder `run`, from where it was broken off.
static vkd_result train(const struct finetune *f, const vkd_dataset *set, const vkd_dataset *test,
                        const struct vkd__finetune_point *at, const char *run, struct told *told)
{
    struct vkd_recipe recipe = recipe_of(f, set, at);
    struct vkd_train_result unused;
    struct vkd_train_params p = {
        .recipe = &recipe, .out_dir = run, .quiet = true, .command_line = f->t->text, .part_of = "a fine-tuning",
        .train_set = set, .test_set = test,
        .progress = tell, .stop = stop, .user = told,
    };
    if (vkd_train_is_complete(&recipe, run))
        return VKD_OK;
    if (has(run, "run.json") && !has(run, "state"))
        vkd__finetune_sweep(run, true);
    p.resume = has(run, "run.json");
    vkd_result r = vkd_train(f->t->dev, &p, &unused);
    if (r != VKD_INVALID || !p.resume)
        return r;
    vkd_log_write(&f->t->log, VKD_LOG_WARNING, "%s: it cannot be gone on with, so it begins again", run);
    vkd__finetune_sweep(run, true);
    p.resume = false;
    return vkd_train(f->t->dev, &p, &unused);
}

static vkd_result predict(const struct finetune *f, const char *run, const vkd_dataset *set, struct told *told,
                          struct vkd__features *out)
{
    char path[4300];
    snprintf(path, sizeof(path), "%s/last.safetensors", run);
    return vkd__predict(&(struct vkd__predict_params) {
        .dev = f->t->dev, .weights = path, .set = set, .batch = f->p.batch, .stop = stop, .user = told }, out);
}

uint32_t *vkd__finetune_predictions(const struct vkd__features *said)
{
    uint32_t *out = malloc((said->count + 1u) * sizeof(*out));
    for (uint32_t i = 0; out && i < said->count; i++) {
        const float *row = said->rows + (uint64_t) i * said->width;
        out[i] = 0;
        for (uint32_t c = 1; c < said->width; c++)
            out[i] = row[c] > row[out[i]] ? c : out[i];
    }
    return out;
}

// ---- The grid ---------------------------------------------------------------------------------

static vkd_result measure(const struct finetune *f, const struct vkd__features *said, double *out)
{
    const bool many = f->t->sets.multi_label;
    uint32_t *predictions = many ? NULL : vkd__finetune_predictions(said);
    int8_t *truth = many ? vkd__features_truth(said) : NULL;
    const struct vkd__table of = { .rows = said->count, .labels = said->labels, .truth = truth };
    vkd_result r = predictions || truth ? vkd__metric_value(f->t, &of, predictions, said->rows, out) : VKD_NO_MEMORY;
    free(predictions);
    free(truth);
    return r;
}

// Trains and tries one pair, and notes that it is done.
static vkd_result try_point(struct finetune *f, uint32_t i)
{
    struct vkd__finetune_point *at = &f->grid.points[i];
    struct vkd__features said;
    struct told told = { .t = f->t };
    char run[4200];
    snprintf(run, sizeof(run), "%s/point-%02u", f->folder, i);
    snprintf(told.text, sizeof(told.text), "fine-tuning, %u of %u", i + 1, f->grid.count + 1);
    vkd_result r = train(f, f->part ? f->part : f->train, f->val, at, run, &told);
    at->val = NAN;
    if (r == VKD_OK)
        r = predict(f, run, f->val, &told, &said);
    else if (r == VKD_DIVERGED)
        vkd_log_write(&f->t->log, VKD_LOG_WARNING, "fine-tuning with lr %g and weight decay %g diverged: this pair is not chosen",
                      at->lr, at->weight_decay);
    if (r == VKD_OK) {
        r = measure(f, &said, &at->val);
        vkd__features_finish(&said);
    } else if (r == VKD_DIVERGED) {
        r = VKD_OK;
    }
    if (r < 0)
        return r;
    at->done = true;
    r = vkd__finetune_grid_write(f->folder, &f->t->log, &f->grid);
    if (r == VKD_OK && !f->p.keep)
        vkd__finetune_sweep(run, false);
    return r;
}

static vkd_result train_last(struct finetune *f, const struct vkd__finetune_point *best, struct vkd__features *said)
{
    struct told told = { .t = f->t };
    char run[4200];
    snprintf(run, sizeof(run), "%s/final", f->folder);
    snprintf(told.text, sizeof(told.text), "fine-tuning, %u of %u", f->grid.count + 1, f->grid.count + 1);
    vkd_result r = train(f, f->all ? f->all : f->train, f->t->sets.test, best, run, &told);
    if (r == VKD_OK)
        r = predict(f, run, f->t->sets.test, &told, said);
    if (r < 0)
        return r;
    f->grid.complete = true;
    r = vkd__finetune_grid_write(f->folder, &f->t->log, &f->grid);
    if (r < 0)
        vkd__features_finish(said);
    return r;
}

void vkd__finetune_tidy(const struct vkd__transfer *t)
{
    char folder[4096], run[4500], **names;
    uint32_t count;
    struct vkd__why why;
    folder_of(t, folder);
    snprintf(run, sizeof(run), "%s/final", folder);
    if (t->p.finetune.keep || vkd__dir_list(folder, &names, &count, &why) < 0)
        return;
    vkd__finetune_sweep(run, false);
    for (uint32_t i = 0; i < count; i++) {              // of checkpoints that were chosen from
        snprintf(run, sizeof(run), "%s/%.255s/final", folder, names[i]);
        vkd__finetune_sweep(run, false);
    }
    free(names);
}

// ---- Opening ----------------------------------------------------------------------------------

static vkd_result open_grid(struct finetune *f)
{
    f->grid.count = f->p.lr_count * f->p.weight_decay_count;
    if (!(f->grid.points = calloc(f->grid.count, sizeof(*f->grid.points))))
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < f->grid.count; i++) {
        struct vkd__finetune_point *at = &f->grid.points[i];
        at->lr = f->p.lrs[i / f->p.weight_decay_count];
        at->weight_decay = f->p.weight_decays[i % f->p.weight_decay_count];
        at->val = NAN;
    }
    bool known = vkd__finetune_grid_read(f->folder, &f->grid);
    if (known && !(f->grid.complete && f->t->p.force))
        return VKD_OK;
    for (uint32_t i = 0; i < f->grid.count; i++) {
        f->grid.points[i].done = false;
        f->grid.points[i].val = NAN;
    }
    for (uint32_t i = 0; known && i <= f->grid.count; i++) {
        char run[4200];
        snprintf(run, sizeof(run), i < f->grid.count ? "%s/point-%02u" : "%s/final", f->folder, i);
        vkd__finetune_sweep(run, true);
    }
    f->grid.complete = false;
    return VKD_OK;
}

// Views of train where val is a part of it, or of both where it is not.
static vkd_result open_views(struct finetune *f)
{
    const struct vkd__transfer_sets *s = &f->t->sets;
    const struct vkd_log *log = &f->t->log;
    f->train = s->train;
    f->val = s->val;
    if (s->val)
        return vkd__dataset_view((const struct vkd__view_part[]) { { s->train, NULL, 0 }, { s->val, NULL, 0 } }, 2, "train", log,
                                 &f->all);
    const uint32_t count = s->train_count + s->val_count;
    uint32_t *indices = malloc((count + 1u) * sizeof(*indices)), used[2] = { 0, s->train_count };
    if (!indices)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        indices[used[s->held[i]]++] = i;
    const struct vkd__view_part part = { s->train, indices, s->train_count };
    const struct vkd__view_part held = { s->train, indices + s->train_count, s->val_count };
    vkd_result r = vkd__dataset_view(&part, 1, "train", log, &f->part);
    if (r == VKD_OK)
        r = vkd__dataset_view(&held, 1, "val", log, &f->held);
    f->val = f->held;
    free(indices);
    return r;
}

static vkd_result open_folder(struct finetune *f)
{
    struct vkd__why why;
    uint64_t hash = 0;
    char part[32] = "";
    // Each of the checkpoints that are chosen from has its own.
    vkd_result r = f->t->p.select ? vkd_weights_hash(f->weights, &f->t->log, &hash) : VKD_OK;
    if (r < 0)
        return r;
    if (f->t->p.select)
        snprintf(part, sizeof(part), "/%016llx", (unsigned long long) hash);
    folder_of(f->t, f->folder);
    strncat(f->folder, part, sizeof(f->folder) - strlen(f->folder) - 1);
    r = vkd__dir_create(f->folder, &why);
    if (r < 0)
        vkd_log_write(&f->t->log, VKD_LOG_ERROR, "%s", why.text);
    return r;
}

static vkd_result open_model(struct finetune *f)
{
    struct vkd__model_file m;
    vkd_result r = vkd__model_file_open(f->weights, f->t->p.partial, &f->t->log, &m);
    if (r < 0)
        return r;
    f->model = m.info;
    r = vkd__model_file_serves(&m, f->t->p.data, vkd_dataset_info(f->t->sets.train)->channels, &f->t->log);
    vkd__model_file_close(&m);
    return r;
}

// ---- The whole --------------------------------------------------------------------------------

static vkd_result choose(struct finetune *f, uint32_t *best)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = *best = 0; r == VKD_OK && i < f->grid.count; i++) {
        if (!f->grid.points[i].done)
            r = try_point(f, i);
        if (r == VKD_OK && (f->grid.points[i].val > f->grid.points[*best].val || isnan(f->grid.points[*best].val)))
            *best = i;
    }
    if (r < 0 || isfinite(f->grid.points[*best].val))
        return r;
    vkd_log_write(&f->t->log, VKD_LOG_ERROR, "fine-tuning: none of the %u pairs of learning rate and weight decay can be measured "
                  "on val, for their trainings diverged: name smaller learning rates", f->grid.count);
    return VKD_DIVERGED;
}

vkd_result vkd__finetune(const struct vkd__transfer *t, const char *weights, bool test, struct vkd__finetune_result *out)
{
    struct finetune f = { .t = t, .weights = weights, .p = vkd__finetune_params(&t->p.finetune) };
    struct vkd__features said = { .count = 0 };
    uint32_t best;
    vkd_result r = open_model(&f);
    if (r == VKD_OK)
        r = open_folder(&f);
    if (r == VKD_OK)
        r = open_grid(&f);
    if (r == VKD_OK)
        r = open_views(&f);
    if (r == VKD_OK)
        r = choose(&f, &best);
    if (r == VKD_OK && test)
        r = train_last(&f, &f.grid.points[best], &said);
    if (r == VKD_OK)
        *out = (struct vkd__finetune_result) { f.grid.points[best].val, f.grid.points[best].lr, f.grid.points[best].weight_decay,
                                               said };
    vkd_dataset_close(&f.part);
    vkd_dataset_close(&f.held);
    vkd_dataset_close(&f.all);
    free(f.grid.points);
    return r;
}
