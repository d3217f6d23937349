// bench_models.c -- whole training steps of the shipped recipes' models, on random images.
#include "apps/vkdiv/bench.h"
#include "apps/vkdiv/recipe.h"

#include "engine/graph_impl.h"
#include "engine/train/network.h"
#include "runtime/os.h"
#include "shaders/step_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vkdiv/optimizer.h>

static const struct { const char *recipe; uint32_t channels, classes, batch; } models[] = {
    { "fashion-quickstart", 1, 10, 64 },
    { "fashion-resnet", 1, 10, 64 },
    { "cifar10-resnet18", 3, 10, 64 },
    { "folder-mobilenet", 3, 100, 32 },
};

struct step {
    vkd_device *dev;
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd_optimizer *optimizer;
    vkd_commands *after;        // the optimiser's part of the step
};

static void step_finish(struct step *s)
{
    vkd_commands_destroy(s->dev, &s->after);
    vkd_program_destroy(&s->program);
    vkd_optimizer_destroy(&s->optimizer);
    vkd_params_destroy(&s->params);
    vkd_graph_destroy(&s->graph);
}

// Floating-point operations of a training step: products and convolutions forward, and twice that back.
static double work_of(const vkd_graph *g)
{
    double work = 0;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct vkd_node *n = g->nodes[i];
        const uint32_t *y = n->out[0]->desc.shape.d;
        double out = (double)y[0] * y[1] * y[2] * y[3];
        if (strcmp(n->op->name, "matmul") == 0)
            work += 6 * out * n->in[0]->desc.shape.d[3];
        else if (strcmp(n->op->name, "conv2d") == 0) {
            const uint32_t *w = n->in[1]->desc.shape.d;
            work += 6 * out * w[0] * w[1] * w[2];
        }
    }
    return work;
}

static vkd_result fill_images(struct step *s)
{
    struct vkd_range images, labels;
    vkd_result r = vkd_program_range(s->program, "images", &images);
    if (r == VKD_OK)
        r = vkd_program_range(s->program, "labels", &labels);
    if (r != VKD_OK)
        return r;
    float *x = calloc(1, images.size > labels.size ? images.size : labels.size);
    if (x == NULL)
        return VKD_NO_MEMORY;
    r = vkd_buffer_write(s->dev, labels.buffer, labels.ofs, x, labels.size);
    uint32_t state = 1;
    for (uint64_t i = 0; i < images.size / 4; i += 4) {     // one channel; the padding stays 0
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    if (r == VKD_OK)
        r = vkd_buffer_write(s->dev, images.buffer, images.ofs, x, images.size);
    free(x);
    return r;
}

static vkd_result step_init(struct step *s, const struct vkd_recipe *recipe, const struct vkd_weights_info *model,
                            uint32_t batch)
{
    const struct vkd_program_params training = { .training = true, .backward = true };
    struct vkd_optimizer_config config;
    struct vkd__network network;
    vkd__network_init(recipe, model, model->classes, false, &network);
    vkd_result r = vkd__network_graph(vkd_device_log(s->dev), &network, VKD__GRAPH_SUPERVISED, batch, &s->graph);
    if (r == VKD_OK)
        r = vkd_params_create(s->dev, s->graph, true, &s->params);
    if (r == VKD_OK)
        r = vkd_params_init(s->params, 1);
    if (r == VKD_OK)
        r = vkd_program_create(s->dev, s->graph, s->params, &training, &s->program);
    if (r == VKD_OK)
        r = vkd_optimizer_defaults(recipe->optimizer.name, &config);
    if (r == VKD_OK)
        r = vkd_optimizer_create(s->dev, s->params, &config, &s->optimizer);
    if (r == VKD_OK)
        r = vkd_commands_create(s->dev, &s->after);
    if (r == VKD_OK)
        r = vkd_commands_begin(s->after);
    if (r == VKD_OK) {
        vkd_optimizer_record_micro(s->optimizer, s->after, vkd_program_step_block(s->program), NULL);
        vkd_optimizer_record(s->optimizer, s->after, vkd_program_step_block(s->program));
        r = vkd_commands_end(s->after);
    }
    return r == VKD_OK ? fill_images(s) : r;
}

static vkd_result run_step(struct step *s, double *seconds)
{
    struct vkd_step_block block = { .image_count = 1 };
    uint64_t ticket;
    vkd_optimizer_step_values(s->optimizer, 0, 1e-4, &block);
    double start = vkd__os_seconds();
    vkd_result r = vkd_program_run(s->program, &block, NULL);
    if (r == VKD_OK)
        r = vkd_submit(s->dev, &s->after, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(s->dev, ticket, UINT64_MAX, NULL);
    *seconds = vkd__os_seconds() - start;
    return r;
}

static vkd_result time_steps(const struct bench *b, struct step *s, struct vkd__bench_time *out)
{
    double times[64], warm;
    vkd_result r = run_step(s, &warm);      // drivers compile here
    if (r == VKD_OK)
        r = run_step(s, &warm);
    uint32_t runs = bench_runs(b, warm);
    runs = runs < 64 ? runs : 64;
    for (uint32_t i = 0; r == VKD_OK && i < runs && !app_stop(NULL); i++)
        r = run_step(s, &times[i]);
    if (r == VKD_OK && app_stop(NULL))
        r = VKD_INTERRUPTED;
    if (r == VKD_OK)
        *out = vkd__bench_summary(times, runs);
    return r;
}

static vkd_result bench_model(const struct bench *b, const struct recipe_file *file, uint32_t channels,
                              uint32_t classes, uint32_t batch)
{
    const struct vkd_recipe *re = &file->recipe;
    const struct vkd_model_arch *arch = vkd_model_find(re->model.arch);     // NULL: building says so
    struct vkd_weights_info model = {
        .width = re->model.width > 0 || arch == NULL ? re->model.width : arch->default_width,
        .cifar_stem = strcmp(re->model.stem, "cifar") == 0, .classes = classes, .size = re->model.size,
        .channels = channels,
    };
    snprintf(model.arch, sizeof model.arch, "%s", re->model.arch);
    struct step s = { .dev = b->dev };
    struct bench_row row = { .images = batch };
    vkd_result r = step_init(&s, re, &model, batch);
    if (r == VKD_OK)
        r = time_steps(b, &s, &row.time);
    if (r == VKD_OK) {
        row.work = work_of(s.graph);
        snprintf(row.name, sizeof row.name, "step %.50s", file->name);
        snprintf(row.shape, sizeof row.shape, "N%u H%u", batch, model.size);
        snprintf(row.variant, sizeof row.variant, "%s width %u, %s", model.arch, model.width, re->optimizer.name);
        b->tell(b->user, &row);
    }
    step_finish(&s);
    return r;
}

vkd_result bench_models(const struct bench *b)
{
    vkd_result first = VKD_OK;
    for (size_t i = 0; i < sizeof models / sizeof models[0] && !app_stop(NULL); i++) {
        struct recipe_file file;
        struct recipe_params p = { .name = models[i].recipe };
        char why[512];
        vkd_result r = recipe_load(&p, &file, why, sizeof why);
        if (r == VKD_OK) {
            r = bench_model(b, &file, models[i].channels, models[i].classes, models[i].batch);
            snprintf(why, sizeof why, "%s", vkd_result_text(r));
            recipe_finish(&file);
        }
        if (r != VKD_OK && r != VKD_INTERRUPTED)
            app_error("%s: %s", models[i].recipe, why);
        first = first == VKD_OK ? r : first;
    }
    return first;
}
