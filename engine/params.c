// params.c -- parameters of a model on a device: values and gradients in flat buffers.
#include "params_impl.h"
#include "../shaders/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { ALIGN = 64 };    // elements: 256 bytes, the largest storage buffer alignment Vulkan allows

static uint64_t align_up(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static uint32_t rank_of(const struct vkd_tensor *t)
{
    const uint32_t *d = t->desc.shape.d;
    if (t->param.rank)
        return t->param.rank;
    return d[0] * d[1] > 1 ? 4 : d[2] > 1 ? 2 : 1;
}

// Appends the parameters of `g` that are states, or those that are not.
static vkd_result collect(vkd_params *p, const vkd_graph *g, bool state, uint64_t *end)
{
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        const struct vkd_tensor *t = g->tensors[i];
        if (t->kind != VKD_TENSOR_PARAM || t->param.state != state || vkd_params_find(p, t->name) >= 0)
            continue;
        struct vkd_param_info *info = &p->infos[p->count];
        *info = (struct vkd_param_info) {
            .name = strdup(t->name), .shape = t->desc.shape, .logical_in = t->param.logical_in, .ofs = *end,
            .numel = vkd__numel(t->desc.shape), .fan_in = t->param.fan_in, .fan_out = t->param.fan_out,
            .init = t->param.init, .state = state, .no_decay = t->param.no_decay, .rank = rank_of(t),
        };
        if (!info->name)
            return VKD_NO_MEMORY;
        *end = align_up(*end + info->numel);
        p->count++;
    }
    return VKD_OK;
}

static vkd_result zeroed_buffer(vkd_device *dev, uint64_t size, vkd_buffer **out)
{
    vkd_commands *cmds = NULL;
    vkd_buffer *buf = NULL;
    uint64_t ticket;
    vkd_result r = vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, &buf);
    if (r == VKD_OK)
        r = vkd_commands_create(dev, &cmds);
    if (r == VKD_OK)
        r = vkd_commands_begin(cmds);
    if (r == VKD_OK) {
        vkd_commands_fill(cmds, (struct vkd_range) { buf, 0, 0 }, 0);
        r = vkd_commands_end(cmds);
    }
    if (r == VKD_OK)
        r = vkd_submit(dev, &cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(dev, ticket, UINT64_MAX, NULL);
    vkd_commands_destroy(dev, &cmds);
    if (r == VKD_OK)
        *out = buf;
    else
        vkd_buffer_destroy(dev, &buf);
    return r;
}

vkd_result vkd_params_create(vkd_device *dev, const vkd_graph *g, bool gradients, vkd_params **out)
{
    return vkd_params_create_all(dev, &g, 1, gradients, out);
}

vkd_result vkd_params_create_all(vkd_device *dev, const vkd_graph *const *graphs, uint32_t count, bool gradients,
                                 vkd_params **out)
{
    vkd_result r = VKD_NO_MEMORY;
    uint64_t end = 0;
    uint32_t most = 1;
    for (uint32_t i = 0; i < count; i++) {
        if (vkd_graph_error(graphs[i])) {
            vkd_log_write(vkd_device_log(dev), VKD_LOG_ERROR, "parameters of a graph with an error: %s",
                          vkd_graph_error(graphs[i]));
            return VKD_INVALID;
        }
        most += graphs[i]->tensor_count;
    }
    vkd_params *p = calloc(1, sizeof(*p));
    if (!p || !(p->infos = calloc(most, sizeof(*p->infos))))
        goto fail;
    p->dev = dev;
    for (uint32_t i = 0; i < count; i++)
        if ((r = collect(p, graphs[i], false, &end)) < 0)
            goto fail;
    p->trainable = end;
    for (uint32_t i = 0; i < count; i++)
        if ((r = collect(p, graphs[i], true, &end)) < 0)
            goto fail;
    p->total = end;
    if (!p->count) {
        vkd_log_write(vkd_device_log(dev), VKD_LOG_ERROR, "the graph has no parameters");
        r = VKD_INVALID;
        goto fail;
    }
    if ((r = zeroed_buffer(dev, p->total * 4, &p->values)) < 0)
        goto fail;
    if (gradients && p->trainable && (r = zeroed_buffer(dev, p->trainable * 4, &p->grads)) < 0)
        goto fail;
    *out = p;
    return VKD_OK;

fail:
    vkd_params_destroy(&p);
    return r;
}

void vkd_params_destroy(vkd_params **pp)
{
    vkd_params *p = *pp;
    if (!p)
        return;
    vkd_buffer_destroy(p->dev, &p->grads);
    vkd_buffer_destroy(p->dev, &p->values);
    for (uint32_t i = 0; i < p->count; i++)
        free((char *) p->infos[i].name);
    free(p->infos);
    free(p);
    *pp = NULL;
}

// ---- Start values ----

struct random_stream { u32 seed[2], name[2], block, words[4], used; };

static float next_uniform(struct random_stream *s)
{
    if (s->used == 4) {
        s->words[0] = VKD_STREAM_INIT;
        s->words[1] = s->block++;
        s->words[2] = s->name[0];
        s->words[3] = s->name[1];
        vkd_philox(s->words, s->seed);
        s->used = 0;
    }
    return vkd_uniform(s->words[s->used++]);
}

// Box-Muller; 1 - u keeps the logarithm finite.
static float next_normal(struct random_stream *s)
{
    double u = 1.0 - (double) next_uniform(s), v = (double) next_uniform(s);
    return (float) (sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v));
}

static float start_value(const struct vkd_param_info *info, struct random_stream *s)
{
    switch (info->init) {
    case VKD_INIT_ZERO:             return 0.0f;
    case VKD_INIT_ONE:              return 1.0f;
    case VKD_INIT_KAIMING_FAN_OUT:  return next_normal(s) * (float) sqrt(2.0 / info->fan_out);
    case VKD_INIT_LINEAR:           return (2.0f * next_uniform(s) - 1.0f) * (float) (1.0 / sqrt(info->fan_in));
    case VKD_INIT_NORMAL_001:       return next_normal(s) * 0.01f;
    case VKD_INIT_UNIT_ROWS:        return next_normal(s);
    }
    return 0.0f;
}

static void normalize_rows(struct vkd_shape s, float *data)
{
    uint32_t width = vkd__pad4(s.d[3]);
    for (uint64_t r = 0; r < vkd__rows(s); r++) {
        double square = 1e-30;
        for (uint32_t i = 0; i < width; i++)
            square += (double) data[r * width + i] * (double) data[r * width + i];
        for (uint32_t i = 0; i < width; i++)
            data[r * width + i] = (float) (data[r * width + i] / sqrt(square));
    }
}

vkd_result vkd_params_init(vkd_params *p, uint64_t seed)
{
    for (uint32_t i = 0; i < p->count; i++) {
        const struct vkd_param_info *info = &p->infos[i];
        uint64_t name = XXH64(info->name, strlen(info->name), 0);
        struct random_stream s = {
            .seed = { (u32) seed, (u32) (seed >> 32) }, .name = { (u32) name, (u32) (name >> 32) }, .used = 4,
        };
        float *data = calloc(info->numel, sizeof(*data));
        if (!data)
            return VKD_NO_MEMORY;
        const struct vkd_shape sh = info->shape;
        for (uint32_t a = 0; a < sh.d[0]; a++)
            for (uint32_t b = 0; b < sh.d[1]; b++)
                for (uint32_t c = 0; c < info->logical_in; c++)
                    for (uint32_t k = 0; k < sh.d[3]; k++)
                        data[vkd__at(sh, a, b, c, k)] = start_value(info, &s);
        if (info->init == VKD_INIT_UNIT_ROWS)
            normalize_rows(sh, data);
        vkd_result r = vkd_params_write(p, i, data);
        free(data);
        if (r < 0)
            return r;
    }
    return VKD_OK;
}

// ---- Access ----

uint32_t vkd_params_count(const vkd_params *p)
{
    return p->count;
}

const struct vkd_param_info *vkd_params_at(const vkd_params *p, uint32_t index)
{
    return index < p->count ? &p->infos[index] : NULL;
}

int vkd_params_find(const vkd_params *p, const char *name)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (!strcmp(p->infos[i].name, name))
            return (int) i;
    return -1;
}

vkd_result vkd_params_read(vkd_params *p, uint32_t index, float *data)
{
    if (index >= p->count)
        return VKD_INVALID;
    return vkd_buffer_read(p->dev, p->values, p->infos[index].ofs * 4, data, p->infos[index].numel * 4);
}

vkd_result vkd_params_write(vkd_params *p, uint32_t index, const float *data)
{
    if (index >= p->count)
        return VKD_INVALID;
    return vkd_buffer_write(p->dev, p->values, p->infos[index].ofs * 4, data, p->infos[index].numel * 4);
}

vkd_result vkd_params_read_grad(vkd_params *p, uint32_t index, float *data)
{
    if (index >= p->count || p->infos[index].state || !p->grads)
        return VKD_INVALID;
    return vkd_buffer_read(p->dev, p->grads, p->infos[index].ofs * 4, data, p->infos[index].numel * 4);
}

struct vkd_range vkd_params_values(const vkd_params *p)
{
    return (struct vkd_range) { p->values, 0, p->total * 4 };
}

struct vkd_range vkd_params_trainable(const vkd_params *p)
{
    return (struct vkd_range) { p->values, 0, p->trainable * 4 };
}

struct vkd_range vkd_params_gradients(const vkd_params *p)
{
    return (struct vkd_range) { p->grads, 0, p->grads ? p->trainable * 4 : 0 };
}

vkd_result vkd_params_hash(vkd_params *p, uint64_t *hash)
{
    void *data = malloc(p->total * 4);
    if (!data)
        return VKD_NO_MEMORY;
    vkd_result r = vkd_buffer_read(p->dev, p->values, 0, data, p->total * 4);
    if (r == VKD_OK)
        *hash = XXH64(data, p->total * 4, 0);
    free(data);
    return r;
}
