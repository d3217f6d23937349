// program.c -- a compiled graph on a device: one arena, recorded segments, replay.
#include "compile.h"
#include "params_impl.h"
#include "../shaders/step_block.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEGMENT_DISPATCHES = 96 };   // a submission can be split between segments

struct vkd_program {
    vkd_device *dev;
    vkd_graph *graph;
    vkd_params *params;
    struct vkd_compiled compiled;
    int32_t *param_index;           // by tensor id: index in params, or -1
    vkd_buffer **blocks;            // of the arena
    uint32_t block_count;
    vkd_buffer *step_block;
    vkd_commands **segments;
    uint32_t segment_count, segment_capacity;
    bool training;
};

// ---- Operands to ranges ----

static struct vkd_range value_range(const struct vkd_program *p, uint32_t value, uint64_t size)
{
    const struct vkd_value *v = &p->compiled.values[p->compiled.values[value].root];
    uint64_t block = v->ofs / p->compiled.block_size;
    return (struct vkd_range) { p->blocks[block], v->ofs - block * p->compiled.block_size, size };
}

static struct vkd_range place_range(const struct vkd_program *p, struct vkd_place place, struct vkd_desc desc)
{
    uint64_t size = vkd__desc_size(desc);
    if (place.kind == VKD_PLACE_ARENA)
        return value_range(p, place.index, size);
    if (place.kind == VKD_PLACE_NONE)
        return (struct vkd_range) { NULL, 0, 0 };
    const struct vkd_param_info *info = &p->params->infos[p->param_index[place.index]];
    return (struct vkd_range) { place.kind == VKD_PLACE_PARAM ? p->params->values : p->params->grads, info->ofs * 4, size };
}

static struct vkd_range slot_range(const struct vkd_program *p, const struct vkd_step_call *sc, const struct vkd_plan *plan,
                                   struct vkd_slot s)
{
    struct vkd_range r = { NULL, 0, 0 };
    switch ((enum vkd_slot_kind) s.kind) {
    case VKD_SLOT_IN:      r = place_range(p, sc->in[s.index], sc->call.in[s.index]); break;
    case VKD_SLOT_OUT:     r = place_range(p, sc->out[s.index], sc->call.out[s.index]); break;
    case VKD_SLOT_DOUT:    r = place_range(p, sc->dout, sc->call.out[0]); break;
    case VKD_SLOT_DIN:     r = place_range(p, sc->din[s.index], sc->call.in[s.index]); break;
    case VKD_SLOT_SCRATCH: r = value_range(p, sc->scratch[s.index], plan->scratch_size[s.index]); break;
    case VKD_SLOT_STEP:    r = (struct vkd_range) { p->step_block, 0, sizeof(struct vkd_step_block) }; break;
    }
    if (s.ofs || s.size) {
        uint64_t size = s.size ? s.size : r.size - s.ofs;
        r = (struct vkd_range) { r.buffer, r.ofs + s.ofs, size };
    }
    return r;
}

// ---- Recording ----

static vkd_result record_call(const struct vkd_program *p, const struct vkd_step_call *sc, vkd_commands *cmds,
                              uint32_t *dispatches)
{
    const struct vkd_log *log = vkd_device_log(p->dev);
    struct vkd_plan plan;
    vkd_result r = vkd__call_plan(sc, log, &plan);
    for (uint32_t i = 0; r == VKD_OK && i < plan.count; i++) {
        const struct vkd_dispatch *d = &plan.dispatches[i];
        struct vkd_kernel_params kp = { .name = d->kernel, .spec_count = d->spec_count, .subgroup_size = d->subgroup_size };
        memcpy(kp.spec, d->spec, sizeof(d->spec));
        struct vkd_range ranges[VKD_MAX_BIND];
        for (uint32_t k = 0; k < d->bind_count; k++) {
            ranges[k] = slot_range(p, sc, &plan, d->bind[k]);
            if (!ranges[k].buffer) {
                vkd_log_write(log, VKD_LOG_ERROR, "%s: kernel %s binds an operand that this %s pass does not have "
                              "(binding %u)", sc->call.op->name, d->kernel, sc->backward ? "backward" : "forward", k);
                r = VKD_INVALID;
            }
        }
        vkd_kernel *kernel;
        if (r == VKD_OK)
            r = vkd_kernel_get(p->dev, &kp, &kernel);
        if (r == VKD_OK)
            vkd_commands_dispatch(cmds, kernel, ranges, d->bind_count, d->push, d->push_size, d->groups);
    }
    *dispatches += plan.count;
    vkd__plan_finish(&plan);
    return r;
}

static vkd_result segment_begin(struct vkd_program *p)
{
    if (p->segment_count == p->segment_capacity) {
        uint32_t grown = p->segment_capacity ? 2 * p->segment_capacity : 8;
        vkd_commands **s = realloc(p->segments, grown * sizeof(*s));
        if (!s)
            return VKD_NO_MEMORY;
        p->segments = s;
        p->segment_capacity = grown;
    }
    vkd_result r = vkd_commands_create(p->dev, &p->segments[p->segment_count]);
    if (r < 0)
        return r;
    return vkd_commands_begin(p->segments[p->segment_count++]);
}

static vkd_result record_all(struct vkd_program *p)
{
    uint32_t dispatches = SEGMENT_DISPATCHES;
    for (uint32_t k = 0; k < p->compiled.call_count; k++) {
        vkd_result r = VKD_OK;
        if (dispatches >= SEGMENT_DISPATCHES) {
            if (p->segment_count)
                r = vkd_commands_end(p->segments[p->segment_count - 1]);
            if (r == VKD_OK)
                r = segment_begin(p);
            dispatches = 0;
        }
        if (r == VKD_OK)
            r = record_call(p, &p->compiled.calls[k], p->segments[p->segment_count - 1], &dispatches);
        if (r < 0)
            return r;
    }
    return p->segment_count ? vkd_commands_end(p->segments[p->segment_count - 1]) : VKD_OK;
}

// ---- Creating ----

// Finds every parameter of the graph in the store; false after a log line.
static bool match_params(struct vkd_program *p, bool backward)
{
    const struct vkd_log *log = vkd_device_log(p->dev);
    if (backward && !p->params->grads) {
        vkd_log_write(log, VKD_LOG_ERROR, "gradients are wanted, but the parameters were created without: pass true");
        return false;
    }
    for (uint32_t i = 0; i < p->graph->tensor_count; i++) {
        const struct vkd_tensor *t = p->graph->tensors[i];
        p->param_index[i] = -1;
        if (t->kind != VKD_TENSOR_PARAM)
            continue;
        int index = vkd_params_find(p->params, t->name);
        const struct vkd_param_info *info = index < 0 ? NULL : &p->params->infos[index];
        char a[64], b[64];
        if (!info || memcmp(&info->shape, &t->desc.shape, sizeof(info->shape)) || info->state != t->param.state) {
            vkd_log_write(log, VKD_LOG_ERROR, "parameter %s: the graph wants shape %s, the store has %s", t->name,
                          vkd__shape_text(t->desc.shape, a), info ? vkd__shape_text(info->shape, b) : "none of that name");
            return false;
        }
        p->param_index[i] = index;
    }
    return true;
}

static vkd_result allocate(struct vkd_program *p)
{
    const struct vkd_compiled *c = &p->compiled;
    uint64_t arena = c->memory.arena ? c->memory.arena : c->align;
    p->block_count = (uint32_t) ((arena + c->block_size - 1) / c->block_size);
    if (!(p->blocks = calloc(p->block_count, sizeof(*p->blocks))))
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < p->block_count; i++) {
        uint64_t left = arena - i * c->block_size;
        vkd_result r = vkd_buffer_create(p->dev, left < c->block_size ? left : c->block_size, VKD_MEMORY_DEVICE, &p->blocks[i]);
        if (r < 0)
            return r;
    }
    vkd_result r = vkd_buffer_create(p->dev, sizeof(struct vkd_step_block), VKD_MEMORY_DEVICE, &p->step_block);
    if (r == VKD_OK && c->has_one) {
        const float one[4] = { 1.0f };
        struct vkd_range range = value_range(p, c->one, sizeof(one));
        r = vkd_buffer_write(p->dev, range.buffer, range.ofs, one, sizeof(one));
    }
    const struct vkd_step_block zero = { .image_count = 0xffffffffu };
    return r == VKD_OK ? vkd_buffer_write(p->dev, p->step_block, 0, &zero, sizeof(zero)) : r;
}

vkd_result vkd_program_create(vkd_device *dev, vkd_graph *g, vkd_params *params,
                              const struct vkd_program_params *pp, vkd_program **out)
{
    struct vkd_program *p = calloc(1, sizeof(*p));
    if (!p)
        return VKD_NO_MEMORY;
    p->dev = dev;
    p->graph = g;
    p->params = params;
    p->training = pp->training;
    vkd_result r = vkd__compile(vkd_device_caps(dev), vkd_device_log(dev), g, pp, &p->compiled);
    if (r == VKD_OK && !(p->param_index = calloc(g->tensor_count + 1, sizeof(*p->param_index))))
        r = VKD_NO_MEMORY;
    if (r == VKD_OK && !match_params(p, pp->backward))
        r = VKD_INVALID;
    if (r == VKD_OK)
        r = allocate(p);
    if (r == VKD_OK)
        r = record_all(p);
    if (r < 0)
        vkd_program_destroy(&p);
    else
        *out = p;
    return r;
}

void vkd_program_destroy(vkd_program **pp)
{
    vkd_program *p = *pp;
    if (!p)
        return;
    for (uint32_t i = 0; i < p->segment_count; i++)
        vkd_commands_destroy(p->dev, &p->segments[i]);
    for (uint32_t i = 0; p->blocks && i < p->block_count; i++)
        vkd_buffer_destroy(p->dev, &p->blocks[i]);
    vkd_buffer_destroy(p->dev, &p->step_block);
    vkd__compiled_finish(&p->compiled);
    free(p->segments);
    free(p->blocks);
    free(p->param_index);
    free(p);
    *pp = NULL;
}

// ---- Using ----

struct vkd_program_memory vkd_program_memory(const vkd_program *p)
{
    return p->compiled.memory;
}

vkd_result vkd_program_estimate(const struct vkd_caps *caps, vkd_graph *g, const struct vkd_program_params *p,
                                struct vkd_program_memory *out)
{
    struct vkd_compiled c;
    vkd_result r = vkd__compile(caps, &g->log, g, p, &c);
    if (r < 0)
        return r;
    *out = c.memory;
    vkd__compiled_finish(&c);
    return VKD_OK;
}

vkd_result vkd_program_range(vkd_program *p, const char *name, struct vkd_range *out)
{
    struct vkd_tensor *t = vkd_graph_find(p->graph, name);
    struct vkd_place place = { VKD_PLACE_NONE, 0 };
    if (t) {
        struct vkd_tensor *s = vkd__tensor_storage(t);
        if (s->kind == VKD_TENSOR_PARAM)
            place = (struct vkd_place) { VKD_PLACE_PARAM, s->id };
        else if (p->compiled.tensor_value[s->id])
            place = (struct vkd_place) { VKD_PLACE_ARENA, p->compiled.tensor_value[s->id] - 1 };
    }
    if (place.kind == VKD_PLACE_NONE) {
        vkd_log_write(vkd_device_log(p->dev), VKD_LOG_ERROR, "the program has no input, parameter or marked tensor "
                      "called \"%s\"", name);
        return VKD_INVALID;
    }
    *out = place_range(p, place, t->desc);
    return VKD_OK;
}

struct vkd_range vkd_program_step_block(vkd_program *p)
{
    return (struct vkd_range) { p->step_block, 0, sizeof(struct vkd_step_block) };
}

vkd_commands *const *vkd_program_segments(vkd_program *p, uint32_t *count)
{
    *count = p->segment_count;
    return p->segments;
}

vkd_result vkd_program_run(vkd_program *p, const struct vkd_step_block *step, uint64_t *ticket)
{
    const struct vkd_step_block zero = { .image_count = 0xffffffffu };
    vkd_result r = vkd_buffer_write(p->dev, p->step_block, 0, step ? step : &zero, sizeof(zero));
    return r == VKD_OK ? vkd_submit(p->dev, p->segments, p->segment_count, ticket) : r;
}

// ---- Diagnosis ----

// Reads a float tensor back and looks for a NaN or an infinity.
static vkd_result range_finite(struct vkd_program *p, struct vkd_range range, bool *finite)
{
    float *data = malloc(range.size);
    if (!data)
        return VKD_NO_MEMORY;
    vkd_result r = vkd_buffer_read(p->dev, range.buffer, range.ofs, data, range.size);
    *finite = true;
    for (uint64_t i = 0; r == VKD_OK && i < range.size / 4; i++)
        *finite &= (bool) isfinite(data[i]);
    free(data);
    return r;
}

// Looks at what call `sc` has just written; names the first tensor that is not finite.
static vkd_result check_outputs(struct vkd_program *p, const struct vkd_step_call *sc, char *text, size_t size)
{
    char name[160];
    vkd__call_name(sc, name, sizeof(name));
    uint32_t count = sc->backward ? sc->call.in_count : sc->call.out_count;
    for (uint32_t i = 0; i < count; i++) {
        struct vkd_place place = sc->backward ? sc->din[i] : sc->out[i];
        struct vkd_desc desc = sc->backward ? sc->call.in[i] : sc->call.out[i];
        if (place.kind == VKD_PLACE_NONE || desc.dtype != VKD_F32)
            continue;
        bool finite;
        vkd_result r = range_finite(p, place_range(p, place, desc), &finite);
        if (r < 0)
            return r;
        if (!finite && place.kind == VKD_PLACE_GRAD)
            snprintf(text, size, "gradient of %s", p->graph->tensors[place.index]->name);
        else if (!finite)
            snprintf(text, size, "%s %s", sc->backward ? "input gradient in" : "output of", name);
        if (!finite)
            return VKD_OK;
    }
    return VKD_OK;
}

// What a run starts from: inputs and parameters. Training does not read states, and a bad step has
// already spoilt them.
static vkd_result check_inputs(struct vkd_program *p, char *text, size_t size)
{
    for (uint32_t i = 0; i < p->graph->tensor_count && !text[0]; i++) {
        const struct vkd_tensor *t = p->graph->tensors[i];
        struct vkd_range range;
        bool finite;
        if ((t->kind != VKD_TENSOR_INPUT && t->kind != VKD_TENSOR_PARAM) || t->desc.dtype != VKD_F32 ||
            (p->training && t->param.state))
            continue;
        vkd_result r = vkd_program_range(p, t->name, &range);
        if (r == VKD_OK)
            r = range_finite(p, range, &finite);
        if (r < 0)
            return r;
        if (!finite)
            snprintf(text, size, "%s %s", t->kind == VKD_TENSOR_INPUT ? "input" : "parameter", t->name);
    }
    return VKD_OK;
}

vkd_result vkd_program_find_nonfinite(vkd_program *p, char *text, size_t size)
{
    vkd_commands *cmds = NULL;
    vkd_result r = vkd_commands_create(p->dev, &cmds);
    text[0] = 0;
    if (r == VKD_OK)
        r = check_inputs(p, text, size);
    for (uint32_t k = 0; r == VKD_OK && !text[0] && k < p->compiled.call_count; k++) {
        const struct vkd_step_call *sc = &p->compiled.calls[k];
        uint32_t dispatches = 0;
        uint64_t ticket;
        r = vkd_commands_begin(cmds);
        if (r == VKD_OK)
            r = record_call(p, sc, cmds, &dispatches);
        if (r == VKD_OK)
            r = vkd_commands_end(cmds);
        if (r == VKD_OK)
            r = vkd_submit(p->dev, &cmds, 1, &ticket);
        if (r == VKD_OK)
            r = vkd_wait(p->dev, ticket, UINT64_MAX, NULL);
        if (r == VKD_OK)
            r = check_outputs(p, sc, text, size);
    }
    vkd_commands_destroy(p->dev, &cmds);
    return r;
}
