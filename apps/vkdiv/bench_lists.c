// bench_lists.c -- what is recorded beside operations: optimisers' updates, and views of images.
#include "apps/vkdiv/bench.h"
#include "engine/augment.h"
#include "engine/optimizer.h"
#include "runtime/os.h"
#include "shaders/step_block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Buffers of one measurement, and the list that is timed.
struct lists {
    vkd_device *dev;
    vkd_buffer *buffers[5];
    vkd_commands *cmds;
};

static vkd_result lists_buffer(struct lists *l, int i, uint64_t size)
{
    return vkd_buffer_create(l->dev, size, VKD_MEMORY_DEVICE, &l->buffers[i]);
}

static void lists_finish(struct lists *l)
{
    vkd_commands_destroy(l->dev, &l->cmds);
    for (int i = 0; i < 5; i++)
        vkd_buffer_destroy(l->dev, &l->buffers[i]);
}

// Words of any bits, or numbers in [-1, 1).
static vkd_result lists_fill(struct lists *l, int i, uint64_t size, bool numbers)
{
    uint32_t *x = malloc(size), state = 1;
    if (x == NULL)
        return VKD_NO_MEMORY;
    for (uint64_t k = 0; k < size / 4; k++) {
        state = state * 1664525u + 1013904223u;
        float v = (float)(state >> 8) / 8388608.0f - 1.0f;
        memcpy(&x[k], numbers ? (const void *)&v : (const void *)&state, 4);
    }
    vkd_result r = vkd_buffer_write(l->dev, l->buffers[i], 0, x, size);
    free(x);
    return r;
}

static vkd_result time_once(struct lists *l, double *seconds)
{
    uint64_t ticket;
    double start = vkd__os_seconds();
    vkd_result r = vkd_submit(l->dev, &l->cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(l->dev, ticket, UINT64_MAX, NULL);
    *seconds = vkd__os_seconds() - start;
    return r;
}

// Once to warm up, when the driver may compile; once to see how many runs there is time for.
static vkd_result time_list(const struct bench *b, struct lists *l, struct vkd__bench_time *out)
{
    double times[1000], warm;
    vkd_result r = time_once(l, &warm);
    if (r == VKD_OK)
        r = time_once(l, &warm);
    uint32_t runs = bench_runs(b, warm);
    for (uint32_t i = 0; r == VKD_OK && i < runs; i++)
        r = time_once(l, &times[i]);
    if (r == VKD_OK)
        *out = vkd__bench_summary(times, runs);
    return r;
}

// ---- Optimisers ----

// About as many numbers as a ResNet-18 has, in as many tensors.
enum { TENSORS = 21, MATRIX = 1 << 19, VECTOR = 512 };

struct tensors { struct vkd_param_info infos[2 * TENSORS]; char names[2 * TENSORS][16]; uint64_t count; };

static void lay_out(struct tensors *t)
{
    for (int i = 0; i < 2 * TENSORS; i++) {
        const bool matrix = i % 2 == 0;
        snprintf(t->names[i], sizeof t->names[i], "tensor%d", i);
        t->infos[i] = (struct vkd_param_info) { .name = t->names[i], .ofs = t->count, .numel = matrix ? MATRIX : VECTOR,
                                                .rank = matrix ? 4 : 1, .no_decay = !matrix };
        t->count += t->infos[i].numel;
    }
}

static vkd_result record_update(struct lists *l, const struct tensors *t, const struct vkd_optimizer_config *config,
                                vkd_optimizer **opt)
{
    enum { VALUES, GRADIENTS, STEP };
    const uint64_t size = 4 * t->count;
    struct vkd_step_block block = { .seed = { 1, 1 } };
    vkd_result r = lists_buffer(l, VALUES, size);
    if (r == VKD_OK)
        r = lists_buffer(l, GRADIENTS, size);
    if (r == VKD_OK)
        r = lists_buffer(l, STEP, sizeof block);
    if (r == VKD_OK)
        r = lists_fill(l, VALUES, size, true);
    if (r == VKD_OK)
        r = lists_fill(l, GRADIENTS, size, true);
    struct vkd__optimizer_target target = {
        .dev = l->dev, .caps = vkd_device_caps(l->dev), .values = { l->buffers[VALUES], 0, size },
        .trainable = { l->buffers[VALUES], 0, size }, .gradients = { l->buffers[GRADIENTS], 0, size },
        .params = t->infos, .param_count = 2 * TENSORS,
    };
    if (r == VKD_OK)
        r = vkd__optimizer_create_on(&target, config, opt);
    if (r != VKD_OK)
        return r;
    vkd_optimizer_step_values(*opt, 0, 1e-3, &block);
    r = vkd_buffer_write(l->dev, l->buffers[STEP], 0, &block, sizeof block);
    if (r == VKD_OK)
        r = vkd_commands_create(l->dev, &l->cmds);
    if (r == VKD_OK)
        r = vkd_commands_begin(l->cmds);
    if (r != VKD_OK)
        return r;
    struct vkd_range step = { l->buffers[STEP], 0, sizeof block };
    vkd_optimizer_record_micro(*opt, l->cmds, step, NULL);
    vkd_optimizer_record(*opt, l->cmds, step);
    return vkd_commands_end(l->cmds);
}

static vkd_result time_update(const struct bench *b, const struct tensors *t, const char *name, struct bench_row *row)
{
    struct lists l = { .dev = b->dev };
    struct vkd_optimizer_config config;
    vkd_optimizer *opt = NULL;
    vkd_result r = vkd_optimizer_defaults(name, &config);
    if (r == VKD_OK)
        r = record_update(&l, t, &config, &opt);
    if (r == VKD_OK)
        r = time_list(b, &l, &row->time);
    vkd_optimizer_destroy(&opt);
    lists_finish(&l);
    return r;
}

vkd_result bench_optimizers(const struct bench *b)
{
    struct tensors t = { .count = 0 };
    vkd_result first = VKD_OK;
    lay_out(&t);
    for (uint32_t i = 0; vkd_optimizer_name(i) != NULL && !app_stop(NULL); i++) {
        const char *name = vkd_optimizer_name(i);
        const struct vkd_optimizer_rule *rule = vkd__optimizer_find(name);
        struct bench_row row = { .elements = (double)t.count };
        int moved = 3;      // values both ways, gradients one
        for (int s = 0; s < 2 && rule->states[s] != NULL; s++)
            moved += 2;
        row.bytes = 4.0 * moved * (double)t.count;
        snprintf(row.name, sizeof row.name, "update %s", name);
        snprintf(row.shape, sizeof row.shape, "%.1f M in %d tensors", (double)t.count / 1e6, 2 * TENSORS);
        snprintf(row.variant, sizeof row.variant, "%s", rule->kernel[0]);
        if (!bench_wants(b, row.name, row.shape))
            continue;
        vkd_result r = time_update(b, &t, name, &row);
        if (r == VKD_OK)
            b->tell(b->user, &row);
        else
            app_error("%s: %s", row.name, vkd_result_text(r));
        first = first == VKD_OK ? r : first;
    }
    return first;
}

// ---- Views ----

static const struct view { const char *name; uint32_t batch, side; struct vkd__augment_params params; } views[] = {
#define COLOURS .channels = 3, .mean = { 0.5f, 0.5f, 0.5f }, .std = { 0.25f, 0.25f, 0.25f }, .flip = 0.5f
#define CROPPED .mode = VKD__AUGMENT_RESIZED_CROP, .ratio = { 0.75f, 4.0f / 3 }
    { "augment pad, crop, flip", 256, 32, { .mode = VKD__AUGMENT_PAD_CROP, .size = 32, .pad = 4, COLOURS } },
    { "augment SimCLR", 256, 32, { CROPPED, .size = 32, .scale = { 0.2f, 1 }, COLOURS,
                                   .jitter = { 0.8f, 0.8f, 0.8f, 0.2f }, .jitter_p = 0.8f, .gray = 0.2f,
                                   .blur = 0.5f } },
    { "augment crop, flip", 32, 256, { CROPPED, .size = 224, .scale = { 0.08f, 1 }, COLOURS } },
};

static vkd_result record_view(struct lists *l, const struct view *v)
{
    enum { TABLE, PIXELS, STEP, OUT, SCRATCH };
    struct vkd_batch_image table[256] = { { 0 } };
    struct vkd_step_block block = { .seed = { 1, 1 }, .image_count = v->batch };
    const uint64_t pixels = (uint64_t)v->side * v->side, scratch = vkd__augment_scratch(&v->params, v->batch);
    for (uint32_t i = 0; i < v->batch; i++)
        table[i] = (struct vkd_batch_image) { .index = i, .height = v->side, .width = v->side,
                                              .ofs = (uint32_t)(i * pixels) };
    const uint64_t sizes[] = { v->batch * sizeof table[0], 4 * pixels * v->batch, sizeof block,
                               16ull * v->batch * v->params.size * v->params.size, scratch };
    vkd_result r = VKD_OK;
    for (int i = 0; r == VKD_OK && i < 5; i++)
        if (sizes[i] > 0)
            r = lists_buffer(l, i, sizes[i]);
    if (r == VKD_OK)
        r = lists_fill(l, PIXELS, sizes[PIXELS], false);
    if (r == VKD_OK)
        r = vkd_buffer_write(l->dev, l->buffers[TABLE], 0, table, sizes[TABLE]);
    if (r == VKD_OK)
        r = vkd_buffer_write(l->dev, l->buffers[STEP], 0, &block, sizeof block);
    if (r == VKD_OK)
        r = vkd_commands_create(l->dev, &l->cmds);
    if (r == VKD_OK)
        r = vkd_commands_begin(l->cmds);
    struct vkd_range at[5];
    for (int i = 0; i < 5; i++)
        at[i] = (struct vkd_range) { l->buffers[i], 0, sizes[i] };
    if (r == VKD_OK)
        r = vkd__augment_record(l->dev, l->cmds, &v->params, v->batch, at[TABLE], at[PIXELS], at[STEP],
                                at[SCRATCH], at[OUT]);
    return r == VKD_OK ? vkd_commands_end(l->cmds) : r;
}

vkd_result bench_augment(const struct bench *b)
{
    vkd_result first = VKD_OK;
    for (size_t i = 0; i < sizeof views / sizeof views[0] && !app_stop(NULL); i++) {
        const struct view *v = &views[i];
        const double out = (double)v->batch * v->params.size * v->params.size;
        struct lists l = { .dev = b->dev };
        struct bench_row row = { .images = v->batch, .elements = 3 * out,
                                 .bytes = 4.0 * v->batch * v->side * v->side + 16 * out };
        snprintf(row.name, sizeof row.name, "%s", v->name);
        snprintf(row.shape, sizeof row.shape, "N%u H%u to %u", v->batch, v->side, v->params.size);
        if (!bench_wants(b, row.name, row.shape))
            continue;
        vkd_result r = record_view(&l, v);
        if (r == VKD_OK)
            r = time_list(b, &l, &row.time);
        lists_finish(&l);
        if (r == VKD_OK)
            b->tell(b->user, &row);
        else
            app_error("%s: %s", row.name, vkd_result_text(r));
        first = first == VKD_OK ? r : first;
    }
    return first;
}
