// optimizer_world.c -- flat buffers, gradients and one recorded optimiser step.
#include "optimizer_world.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static uint64_t align_up(uint64_t n)
{
    return (n + 63) / 64 * 64;
}

void world_open(struct world *w, vkd_device *dev, const struct world_tensor *tensors, uint32_t count)
{
    memset(w, 0, sizeof(*w));
    w->dev = dev;
    w->caps = *vkd_device_caps(dev);
    w->tensor_count = count;
    for (uint32_t i = 0; i < count; i++) {
        w->infos[i] = (struct vkd_param_info) {
            .name = tensors[i].name, .ofs = w->total, .numel = (tensors[i].count + 3) / 4 * 4,
            .rank = tensors[i].rank, .no_decay = tensors[i].no_decay, .state = tensors[i].state,
        };
        w->total = align_up(w->total + w->infos[i].numel);
        if (!tensors[i].state)
            w->trainable = w->total;
    }
    OK(vkd_buffer_create(dev, 4 * w->total, VKD_MEMORY_DEVICE, &w->values));
    OK(vkd_buffer_create(dev, 4 * w->trainable, VKD_MEMORY_DEVICE, &w->gradients));
    OK(vkd_buffer_create(dev, sizeof(struct vkd_step_block), VKD_MEMORY_DEVICE, &w->step));
    OK(vkd_buffer_create(dev, 16, VKD_MEMORY_DEVICE, &w->loss));
}

void world_start(struct world *w, const struct vkd_optimizer_config *config)
{
    struct vkd_range step = { w->step, 0, sizeof(struct vkd_step_block) }, loss = { w->loss, 0, 16 };
    w->done = 0;
    OK(vkd__optimizer_create_on(&(struct vkd__optimizer_target) {
        .dev = w->dev, .caps = &w->caps, .values = { w->values, 0, 4 * w->total },
        .trainable = { w->values, 0, 4 * w->trainable }, .gradients = { w->gradients, 0, 4 * w->trainable },
        .params = w->infos, .param_count = w->tensor_count,
    }, config, &w->opt));
    OK(vkd_commands_create(w->dev, &w->micro));
    OK(vkd_commands_create(w->dev, &w->update));
    OK(vkd_commands_begin(w->micro));
    vkd_optimizer_record_micro(w->opt, w->micro, step, &loss);
    OK(vkd_commands_end(w->micro));
    OK(vkd_commands_begin(w->update));
    vkd_optimizer_record(w->opt, w->update, step);
    OK(vkd_commands_end(w->update));
}

void world_stop(struct world *w)
{
    vkd_commands_destroy(w->dev, &w->micro);
    vkd_commands_destroy(w->dev, &w->update);
    vkd_optimizer_destroy(&w->opt);
}

void world_close(struct world *w)
{
    world_stop(w);
    vkd_buffer_destroy(w->dev, &w->values);
    vkd_buffer_destroy(w->dev, &w->gradients);
    vkd_buffer_destroy(w->dev, &w->step);
    vkd_buffer_destroy(w->dev, &w->loss);
}

void world_write(struct world *w, vkd_buffer *buf, const float *data, uint64_t count)
{
    OK(vkd_buffer_write(w->dev, buf, 0, data, 4 * count));
}

void world_read(struct world *w, vkd_buffer *buf, float *data, uint64_t count)
{
    OK(vkd_buffer_read(w->dev, buf, 0, data, 4 * count));
}

static void submit(struct world *w, vkd_commands *list, const struct vkd_step_block *block)
{
    uint64_t ticket;
    OK(vkd_buffer_write(w->dev, w->step, 0, block, sizeof(*block)));
    OK(vkd_submit(w->dev, &list, 1, &ticket));
    OK(vkd_wait(w->dev, ticket, UINT64_MAX, NULL));
}

void world_micro(struct world *w, uint32_t micro, const float *gradients, float loss)
{
    struct vkd_step_block block = { .micro = micro };
    vkd_optimizer_step_values(w->opt, w->done, 0, &block);
    world_write(w, w->gradients, gradients, w->trainable);
    world_write(w, w->loss, &loss, 1);
    submit(w, w->micro, &block);
}

struct vkd_metrics_block world_update(struct world *w, double lr)
{
    struct vkd_step_block block = { 0 };
    struct vkd_metrics_block metrics;
    struct vkd_range range = vkd_optimizer_metrics(w->opt);
    vkd_optimizer_step_values(w->opt, w->done++, lr, &block);
    for (uint32_t i = 0; w->rates && i < VKD_LR_GROUPS; i++)
        block.group_lr[i] = (float) w->rates[i];
    block.beside = w->beside;
    submit(w, w->update, &block);
    OK(vkd_buffer_read(w->dev, range.buffer, range.ofs, &metrics, sizeof(metrics)));
    return metrics;
}

uint64_t world_snapshot(struct world *w, float *data, uint64_t capacity)
{
    uint32_t count;
    uint64_t n = w->total;
    const struct vkd_optimizer_state *states = vkd_optimizer_states(w->opt, &count);
    ck_assert_uint_le(n, capacity);
    world_read(w, w->values, data, n);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t elements = states[i].range.size / 4;
        ck_assert_uint_le(n + elements, capacity);
        OK(vkd_buffer_read(w->dev, states[i].range.buffer, states[i].range.ofs, data + n, 4 * elements));
        n += elements;
    }
    return n;
}

// ---- The whole step in double ----

void mirror_open(struct mirror *m, const float *values, uint64_t count)
{
    double **all[] = { &m->p, &m->state[0], &m->state[1], &m->start };
    for (uint32_t i = 0; i < 4; i++)
        *all[i] = calloc(count, sizeof(double));
    for (uint64_t i = 0; i < count; i++)
        m->p[i] = m->start[i] = (double) values[i];
    memset(m->t, 0, sizeof(m->t));
}

void mirror_close(struct mirror *m)
{
    free(m->p);
    free(m->state[0]);
    free(m->state[1]);
    free(m->start);
}

static struct vkd_optimizer_group factors(const struct vkd_optimizer_config *c, const struct vkd_param_info *p)
{
    struct vkd_optimizer_group g = { .prefix = "", .lr = 1, .decay = 1 };
    for (uint32_t i = 0; i < c->group_count; i++)
        if (!strncmp(p->name, c->groups[i].prefix, strlen(c->groups[i].prefix)))
            g = c->groups[i];
    if (p->no_decay && !c->decay_norm_bias)
        g.decay = 0;
    return g;
}

// The learning rate of a tensor in this step; 0: it stays as it is.
static double rate(const struct world *w, const struct vkd_optimizer_config *c, uint32_t tensor, double lr)
{
    struct vkd_optimizer_group g = factors(c, &w->infos[tensor]);
    return w->infos[tensor].state ? 0 : (double) g.lr * (w->rates ? w->rates[g.schedule] : lr);
}

static bool is_beside(const struct world *w, const struct vkd_optimizer_config *c, uint32_t tensor)
{
    return w->beside >> factors(c, &w->infos[tensor]).schedule & 1;
}

double mirror_step(struct mirror *m, const struct world *w, const struct vkd_optimizer_config *c, double lr,
                          const float *g)
{
    double squared[2] = { 0, 0 };       // of the others, of those beside
    for (uint32_t t = 0; t < w->tensor_count; t++)
        for (uint64_t i = 0; rate(w, c, t, lr) > 0 && i < w->infos[t].numel; i++)
            squared[is_beside(w, c, t)] += pow((double) g[w->infos[t].ofs + i], 2);
    double norm = sqrt(squared[0]), clip = c->clip_norm > 0 ? fmin(1, c->clip_norm / (norm + 1e-6)) : 1;

    for (uint32_t t = 0; t < w->tensor_count; t++) {
        const struct vkd_param_info *p = &w->infos[t];
        struct vkd_optimizer_group group = factors(c, p);
        bool beside = is_beside(w, c, t);
        double factor = beside ? 1 : clip;
        if (rate(w, c, t, lr) == 0 || (beside && !isfinite(squared[1])))
            continue;
        double *scaled = malloc(p->numel * sizeof(*scaled));
        for (uint64_t i = 0; i < p->numel; i++)
            scaled[i] = factor * (double) g[p->ofs + i];
        vkd__optimizer_find(c->name)->ref(&(struct vkd__optimizer_ref) {
            .config = c, .t = ++m->t[t], .lr = rate(w, c, t, lr),
            .weight_decay = c->weight_decay * (double) group.decay, .adapt = p->rank != 1, .count = p->numel,
            .p = m->p + p->ofs, .state = { m->state[0] + p->ofs, m->state[1] + p->ofs }, .g = scaled,
        });
        free(scaled);
    }
    return norm;
}
