// finetune_options.c -- the options of fine-tuning.
#include "apps/vkdiv/finetune_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_GRID = 0x2401, KEY_LR, KEY_DECAY, KEY_STEPS, KEY_BATCH, KEY_CROP, KEY_LOSS, KEY_FREEZE, KEY_STAGE_DECAY, KEY_PENALTY,
       KEY_KEEP };

// The grid first: options that stand before it still count.
static void set_grid(struct finetune_options *o, const char *name, struct argp_state *state)
{
    struct vkd_finetune_params all = { 0 }, given = o->p;
    if (strcmp(name, "published") != 0 && strcmp(name, "small") != 0)
        app_usage(state, "--grid: expected small or published, found '%s'", name);
    if (strcmp(name, "published") == 0)
        vkd_finetune_published(&all);
    o->p.steps = given.steps != 0 ? given.steps : all.steps;
    o->p.batch = given.batch != 0 ? given.batch : all.batch;
    o->p.crop = given.crop != 0 ? given.crop : all.crop;
    if (given.lr_count == 0) {
        o->p.lrs = all.lrs;
        o->p.lr_count = all.lr_count;
    }
    if (given.weight_decay_count == 0) {
        o->p.weight_decays = all.weight_decays;
        o->p.weight_decay_count = all.weight_decay_count;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static const struct app_range rates = { 0, 1000, false };
    struct finetune_options *o = state->input;
    switch (key) {
    case KEY_GRID:        set_grid(o, arg, state); return 0;
    case KEY_STEPS:       o->p.steps = (uint32_t)app_whole(state, "steps", arg, 1, 10000000); return 0;
    case KEY_BATCH:       o->p.batch = (uint32_t)app_whole(state, "train-batch", arg, 1, 1 << 20); return 0;
    case KEY_CROP:        o->p.crop = app_real(state, "crop", arg, (struct app_range){ 1e-4, 1, false }); return 0;
    case KEY_LOSS:        o->p.loss = arg; return 0;
    case KEY_FREEZE:      o->p.freeze = (uint32_t)app_whole(state, "freeze", arg, 0, 64); return 0;
    case KEY_STAGE_DECAY: o->p.stage_decay = app_real(state, "stage-decay", arg, (struct app_range){ 1e-6, 1, false }); return 0;
    case KEY_PENALTY:
        o->p.diversity_penalty = app_real(state, "diversity-penalty", arg, (struct app_range){ 0, 1e6, false });
        return 0;
    case KEY_KEEP:        o->p.keep = true; return 0;
    case KEY_LR:
        o->p.lr_count = app_reals(state, "lr", arg, rates, o->lrs, FINETUNE_VALUES_MAX);
        o->p.lrs = o->lrs;
        return 0;
    case KEY_DECAY:
        o->p.weight_decay_count = app_reals(state, "weight-decay", arg, rates, o->weight_decays, FINETUNE_VALUES_MAX);
        o->p.weight_decays = o->weight_decays;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "lr", KEY_LR, "X,...", 0, "learning rates to choose from (0.01,0.1)", 0 },
    { "weight-decay", KEY_DECAY, "X,...", 0, "weight decays to choose from, divided by the learning rate (0,1e-5)", 0 },
    { "steps", KEY_STEPS, "N", 0, "of each training, as whole epochs (150)", 0 },
    { "train-batch", KEY_BATCH, "N", 0, "images a step (64)", 0 },
    { "crop", KEY_CROP, "SHARE", 0, "least share of the area of random crops (0.5)", 0 },
    { "grid", KEY_GRID, "NAME", 0, "small (the default) or published: 56 pairs, 20,000 steps of 256, crops of 8 %", 0 },
    { "loss", KEY_LOSS, "NAME", 0, "of several labels an image, bce (the default) or asl", 0 },
    { "freeze", KEY_FREEZE, "N", 0, "stages, from the first, that stay as they are (0)", 0 },
    { "stage-decay", KEY_STAGE_DECAY, "X", 0, "a stage's learning rate by that of the next (1)", 0 },
    { "diversity-penalty", KEY_PENALTY, "X", 0, "weight of the squared cosines between a layer's filters (0)", 0 },
    { "keep", KEY_KEEP, NULL, 0, "keep the weights of all trainings", 0 },
    { 0 },
};

const struct argp app_finetune_argp = { .options = options, .parser = parse };
