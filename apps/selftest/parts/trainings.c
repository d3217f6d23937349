// trainings.c -- a short training of each family of models, from parameters, images and labels that PyTorch had, too: its
// losses must follow PyTorch's in float64, and a second run must give the same weights, bit for bit.
#include "apps/selftest/selftest.h"

#include "golden_numbers.h"
#include "step_block.h"

#include <stdio.h>
#include <vkdiv/model.h>
#include <vkdiv/optimizer.h>

enum { STEPS_MAX = 64, BATCHES = 4 };

// How far a loss may lie from PyTorch's, relative to it. PyTorch's own f32 keeps within 3e-5. Numbers of 16 bits are off
// by half a unit in their last place after each of some 40 roundings, which a step of batch norm can amplify.
static const double band_f32 = 3e-4, band_f16 = 0.02, band_bf16 = 0.1;

// One recorded training.
struct curve {
    const char *arch;
    uint32_t width, classes, batch, size, steps;
    double lr, momentum, weight_decay, bias[2], losses[STEPS_MAX];
};
static const struct curve curves[] = {
#include "apps/selftest/curves.inc"
};
enum { CURVES = sizeof curves / sizeof curves[0] };

struct net {
    vkd_device *dev;
    const struct curve *c;
    enum vkd_dtype precision;
    vkd_graph *graph;
    vkd_params *params;
    vkd_optimizer *optimizer;
    vkd_program *program;
    vkd_commands *update;
    struct vkd_range images, labels, loss;
    float losses[STEPS_MAX];
};

// ---- Making ----

static vkd_result make_graph(struct net *n)
{
    const struct curve *c = n->c;
    vkd_result r = vkd_graph_create(vkd_device_log(n->dev), &n->graph);
    if (r != VKD_OK)
        return r;
    vkd_tensor *images = vkd_input(n->graph, "images", VKD_F32, (struct vkd_shape){ { c->batch, c->size, c->size, 3 } });
    vkd_tensor *labels = vkd_input(n->graph, "labels", VKD_U32, (struct vkd_shape){ { 1, 1, 1, c->batch } });
    vkd_scope_begin(n->graph, &(struct vkd_scope){ .precision = n->precision });
    struct vkd_model m = vkd_model_build(n->graph, images, &(struct vkd_model_params){
        .arch = c->arch, .width = c->width, .cifar_stem = true, .classes = c->classes });
    vkd_scope_end(n->graph);
    vkd_graph_loss(n->graph, vkd_mark(n->graph, vkd_cross_entropy(n->graph, m.logits, labels, 0), "loss"));
    return vkd_graph_error(n->graph) != NULL ? VKD_INVALID : VKD_OK;
}

static vkd_result record_update(struct net *n)
{
    struct vkd_range step = vkd_program_step_block(n->program);
    vkd_result r = vkd_commands_create(n->dev, &n->update);
    if (r == VKD_OK)
        r = vkd_commands_begin(n->update);
    if (r != VKD_OK)
        return r;
    vkd_optimizer_record_micro(n->optimizer, n->update, step, &n->loss);
    vkd_optimizer_record(n->optimizer, n->update, step);
    return vkd_commands_end(n->update);
}

static vkd_result start_params(struct net *n)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < vkd_params_count(n->params); i++) {
        const struct vkd_param_info *p = vkd_params_at(n->params, i);
        uint64_t shape[4], count = 1;
        uint32_t rank = vkd__param_file_shape(p, shape);
        for (uint32_t k = 0; k < rank; k++)
            count *= shape[k];
        double range[2];
        golden_start_range(p, n->c->bias, range);
        float *values = golden_numbers(p->name, count, range[0], range[1]), *memory = malloc(p->numel * sizeof *memory);
        r = values != NULL && memory != NULL ? VKD_OK : VKD_NO_MEMORY;
        if (r == VKD_OK) {
            vkd__param_from_file(p, values, memory);
            r = vkd_params_write(n->params, i, memory);
        }
        free(memory);
        free(values);
    }
    return r == VKD_OK ? vkd_optimizer_reset(n->optimizer) : r;
}

static vkd_result make(struct net *n)
{
    struct vkd_optimizer_config config;
    vkd_result r = make_graph(n);
    if (r == VKD_OK)
        r = vkd_params_create(n->dev, n->graph, true, &n->params);
    if (r == VKD_OK)
        r = vkd_optimizer_defaults("sgd", &config);
    if (r != VKD_OK)
        return r;
    config.momentum = n->c->momentum;
    config.weight_decay = n->c->weight_decay;
    config.nesterov = config.decay_norm_bias = false;
    if (n->precision == VKD_F16)
        config.loss_scale = (struct vkd_loss_scale_config){ .start = 256, .growth = 2, .backoff = 0.5, .interval = 2000 };
    r = vkd_optimizer_create(n->dev, n->params, &config, &n->optimizer);
    if (r == VKD_OK)
        r = vkd_program_create(n->dev, n->graph, n->params, &(struct vkd_program_params){
            .training = true, .backward = true, .loss_scale = vkd_optimizer_loss_scale(n->optimizer) }, &n->program);
    if (r == VKD_OK)
        r = vkd_program_range(n->program, "images", &n->images);
    if (r == VKD_OK)
        r = vkd_program_range(n->program, "labels", &n->labels);
    if (r == VKD_OK)
        r = vkd_program_range(n->program, "loss", &n->loss);
    if (r == VKD_OK)
        r = record_update(n);
    return r == VKD_OK ? start_params(n) : r;
}

static void destroy(struct net *n)
{
    vkd_commands_destroy(n->dev, &n->update);
    vkd_program_destroy(&n->program);
    vkd_optimizer_destroy(&n->optimizer);
    vkd_params_destroy(&n->params);
    vkd_graph_destroy(&n->graph);
}

// ---- Training ----

static vkd_result feed(struct net *n, uint32_t batch)
{
    const struct curve *c = n->c;
    uint32_t pixels = c->size * c->size, labels[64] = { 0 };
    char name[32];
    snprintf(name, sizeof name, "images.%u", batch);
    float *values = golden_numbers(name, (uint64_t)3 * c->batch * pixels, -1.7, 1.7);      // (N, 3, H, W)
    float *memory = calloc((size_t)c->batch * pixels, 4 * sizeof *memory);                 // (N, H, W, 3 + 1)
    vkd_result r = values != NULL && memory != NULL && c->batch <= 64 ? VKD_OK : VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < c->batch; i++)
        for (uint32_t k = 0; k < 3; k++)
            for (uint32_t p = 0; p < pixels; p++)
                memory[4 * (i * pixels + p) + k] = values[(3 * i + k) * pixels + p];
    for (uint32_t i = 0; r == VKD_OK && i < c->batch; i++)
        labels[i] = (uint32_t)(golden_uniform("labels", batch * c->batch + i) * c->classes);
    if (r == VKD_OK)
        r = vkd_buffer_write(n->dev, n->images.buffer, n->images.ofs, memory, (uint64_t)16 * c->batch * pixels);
    if (r == VKD_OK)
        r = vkd_buffer_write(n->dev, n->labels.buffer, n->labels.ofs, labels, (c->batch + 3) / 4 * 16);
    free(memory);
    free(values);
    return r;
}

static vkd_result train(struct selftest_run *t, struct net *n)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < n->c->steps; i++) {
        struct vkd_step_block block = { .image_count = n->c->batch };
        uint64_t ticket;
        selftest_at(t, "step %u", i);
        vkd_optimizer_step_values(n->optimizer, i, n->c->lr, &block);
        r = feed(n, i % BATCHES);
        if (r == VKD_OK)
            r = vkd_program_run(n->program, &block, &ticket);
        if (r == VKD_OK)
            r = vkd_submit(n->dev, &n->update, 1, &ticket);
        if (r == VKD_OK)
            r = vkd_wait(n->dev, ticket, UINT64_MAX, NULL);
        if (r == VKD_OK)
            r = vkd_buffer_read(n->dev, n->loss.buffer, n->loss.ofs, &n->losses[i], 4);
    }
    return r;
}

// One training from the start; false after a verdict.
static bool run_once(struct selftest_run *t, struct net *n, uint64_t *hash)
{
    vkd_result r = make(n);
    if (r == VKD_OK)
        r = train(t, n);
    if (r == VKD_OK)
        r = vkd_params_hash(n->params, hash);
    const char *why = n->graph != NULL ? vkd_graph_error(n->graph) : NULL;
    if (why != NULL)
        selftest_say(t, SELFTEST_FAIL, "%s", why);
    bool good = why == NULL && selftest_ok(t, r, n->c->arch);
    destroy(n);
    return good;
}

// ---- Probes ----

struct kind { const char *name; const struct curve *curve; enum vkd_dtype precision; bool slow; };

static void run(struct selftest_run *t, const struct selftest_probe *p)
{
    const struct kind *k = p->data;
    const struct curve *c = k->curve;
    struct net n[2] = { { .dev = t->dev, .c = c, .precision = k->precision } };
    uint64_t hash[2];
    double band = k->precision == VKD_F16 ? band_f16 : k->precision == VKD_BF16 ? band_bf16 : band_f32, worst = 0;
    uint32_t worst_at = 0;
    char text[24];
    if (c == NULL) {
        selftest_say(t, SELFTEST_SKIP, "no losses are recorded: add %s to tests/golden/record_curves.py", p->name);
        return;
    }
    n[1] = n[0];
    if (!run_once(t, &n[0], &hash[0]) || !run_once(t, &n[1], &hash[1]))
        return;
    for (uint32_t i = 0; i < c->steps; i++) {
        double d = fabs((double)n[0].losses[i] - c->losses[i]) / c->losses[i];
        if (!(d <= worst)) {
            worst = d;
            worst_at = i;
        }
    }
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash[0]);
    selftest_text(t, "weights", text);
    selftest_number(t, "deviation", worst);
    selftest_number(t, "last_loss", (double)n[0].losses[c->steps - 1]);
    if (!(worst <= band))
        selftest_say(t, SELFTEST_FAIL, "the loss of step %u is %.9g, PyTorch's %.9g: off by %.1e, more than %.0e", worst_at,
                     (double)n[0].losses[worst_at], c->losses[worst_at], worst, band);
    else if (hash[0] != hash[1])
        selftest_say(t, SELFTEST_FAIL, "two runs end with different weights: %016llx and %016llx", (unsigned long long)hash[0],
                     (unsigned long long)hash[1]);
    else
        selftest_say(t, SELFTEST_PASS, "%u losses within %.1e of PyTorch's (allowed %.0e); two runs end with the same weights",
                     c->steps, worst, band);
}

static const struct curve *curve_of(const char *arch)
{
    for (int i = 0; i < CURVES; i++)
        if (strcmp(curves[i].arch, arch) == 0)
            return &curves[i];
    return NULL;
}

// Whether an earlier curve is of the same family: its architectures share their functions.
static bool is_second(uint32_t index)
{
    const struct vkd_model_arch *a = vkd_model_find(curves[index].arch), *b;
    for (uint32_t i = 0; a != NULL && i < index; i++)
        if ((b = vkd_model_find(curves[i].arch)) != NULL && b->features == a->features)
            return true;
    return false;
}

// The recorded ones; an architecture of a family that has none; and the first curve in 16 bits.
static bool at(uint32_t index, struct selftest_probe *out)
{
    static struct kind kinds[64];
    static uint32_t count;
    const struct vkd_model_arch *a;
    for (uint32_t i = 0; count == 0 && i < CURVES; i++)
        kinds[i] = (struct kind){ curves[i].arch, &curves[i], VKD_F32, is_second(i) };
    if (count == 0) {
        count = CURVES;
        for (uint32_t i = 0; (a = vkd_model_at(i)) != NULL && count < 60; i++) {
            bool family = false;    // functions are those of the family
            for (uint32_t k = 0; k < count; k++)
                family |= vkd_model_find(kinds[k].name) != NULL && vkd_model_find(kinds[k].name)->features == a->features;
            if (!family)
                kinds[count++] = (struct kind){ a->name, curve_of(a->name), VKD_F32, false };
        }
        kinds[count++] = (struct kind){ "resnet18_f16", curve_of("resnet18"), VKD_F16, false };
        kinds[count++] = (struct kind){ "resnet18_bf16", curve_of("resnet18"), VKD_BF16, true };
    }
    if (index >= count)
        return false;
    *out = (struct selftest_probe){ .name = kinds[index].name, .about = "losses of PyTorch, and the same weights in two runs",
                                    .run = run, .data = &kinds[index], .slow = kinds[index].slow };
    return true;
}

const struct selftest_part selftest_part_trainings = { .name = "trainings", .title = "Trainings", .place = 60, .at = at };
