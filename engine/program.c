// program.c -- a compiled graph on a device: one arena, recorded segments, replay.
#include "program_impl.h"
#include "../shaders/step_block.h"

#include <stdlib.h>
#include <string.h>

enum { SEGMENT_DISPATCHES = 16 };   // a submission can be split between segments

// ---- Operands to ranges ----

static struct vkd_range value_range(const struct vkd_program *p, uint32_t value, uint64_t size)
{
    uint32_t root = p->compiled.values[value].root;
    const struct vkd_value *v = &p->compiled.values[root];
    if (p->bound[root].buffer)
        return (struct vkd_range) { p->bound[root].buffer, p->bound[root].ofs, size };
    uint64_t block = v->ofs / p->compiled.block_size;
    return (struct vkd_range) { p->arena->blocks[block], v->ofs - block * p->compiled.block_size, size };
}

struct vkd_range vkd__place_range(const struct vkd_program *p, struct vkd_place place, struct vkd_desc desc)
{
    uint64_t size = vkd__desc_size(desc);
    if (place.kind == VKD_PLACE_ARENA)
        return value_range(p, place.index, size);
    if (place.kind == VKD_PLACE_NONE)
        return (struct vkd_range) { NULL, 0, 0 };
    if (place.kind == VKD_PLACE_ONE)
        return (struct vkd_range) { p->loss_scale.buffer, p->loss_scale.ofs, size };
    const struct vkd_param_info *info = &p->params->infos[p->param_index[place.index]];
    return (struct vkd_range) { place.kind == VKD_PLACE_PARAM ? p->params->values : p->params->grads, info->ofs * 4, size };
}

static struct vkd_range slot_range(const struct vkd_program *p, const struct vkd_step_call *sc, const struct vkd_plan *plan,
                                   struct vkd_slot s)
{
    struct vkd_range r = { NULL, 0, 0 };
    switch ((enum vkd_slot_kind) s.kind) {
    case VKD_SLOT_IN:      r = vkd__place_range(p, sc->in[s.index], sc->call.in[s.index]); break;
    case VKD_SLOT_OUT:     r = vkd__place_range(p, sc->out[s.index], sc->call.out[s.index]); break;
    case VKD_SLOT_DOUT:    r = vkd__place_range(p, sc->dout, sc->call.out[0]); break;
    case VKD_SLOT_DIN:     r = vkd__place_range(p, sc->din[s.index], sc->call.in[s.index]); break;
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

vkd_result vkd__record_call(const struct vkd_program *p, const struct vkd_step_call *sc, vkd_commands *cmds,
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

static vkd_result segment_begin(struct vkd_program *p, const struct vkd_program_params *how)
{
    if (p->segment_count == p->segment_capacity) {
        uint32_t grown = p->segment_capacity ? 2 * p->segment_capacity : 8;
        vkd_commands **s = realloc(p->segments, grown * sizeof(*s));
        if (!s)
            return VKD_NO_MEMORY;
        p->segments = s;
        p->segment_capacity = grown;
    }
    vkd_commands **s = &p->segments[p->segment_count];
    vkd_result r = how->embedded ? vkd_commands_create_embedded(p->dev, &how->edges, s) : vkd_commands_create(p->dev, s);
    if (r < 0)
        return r;
    return vkd_commands_begin(p->segments[p->segment_count++]);
}

static bool writes(const struct vkd_step_call *sc, uint32_t value)
{
    for (uint32_t i = 0; i < VKD_MAX_IN; i++)
        if (sc->din[i].kind == VKD_PLACE_ARENA && sc->din[i].index == value)
            return true;
    return false;
}

// The gradients of inputs that the loss does not depend on: no call writes these.
static void fill_unreached(const struct vkd_program *p, vkd_commands *cmds)
{
    for (uint32_t i = 0; i < p->graph->tensor_count; i++) {
        const struct vkd_tensor *grad = p->graph->tensors[i]->grad;
        bool written = !grad;
        uint32_t value = grad ? p->compiled.tensor_value[grad->id] - 1 : 0;
        for (uint32_t k = 0; k < p->compiled.call_count && !written; k++)
            written = writes(&p->compiled.calls[k], value);
        if (!written)
            vkd_commands_fill(cmds, value_range(p, value, vkd__desc_size(grad->desc)), 0);
    }
}

static vkd_result record_all(struct vkd_program *p, const struct vkd_program_params *how)
{
    const uint32_t most = how->segment_dispatches ? how->segment_dispatches : SEGMENT_DISPATCHES;
    uint32_t dispatches = most;
    for (uint32_t k = 0; k < p->compiled.call_count; k++) {
        vkd_result r = VKD_OK;
        if (how->progress && !how->progress(how->progress_user, k, p->compiled.call_count))
            return VKD_INTERRUPTED;
        if (dispatches >= most) {
            if (p->segment_count)
                r = vkd_commands_end(p->segments[p->segment_count - 1]);
            if (r == VKD_OK)
                r = segment_begin(p, how);
            if (r == VKD_OK && k == 0)
                fill_unreached(p, p->segments[0]);
            dispatches = 0;
        }
        if (r == VKD_OK)
            r = vkd__record_call(p, &p->compiled.calls[k], p->segments[p->segment_count - 1], &dispatches);
        if (r < 0)
            return r;
    }
    return p->segment_count ? vkd_commands_end(p->segments[p->segment_count - 1]) : VKD_OK;
}

// ---- Creating ----

// The root value of an input or marked tensor; UINT32_MAX without one of that name.
static uint32_t named_root(const vkd_graph *g, const struct vkd_compiled *c, const char *name)
{
    struct vkd_tensor *t = name ? vkd_graph_find(g, name) : NULL;
    uint32_t value = t ? c->tensor_value[vkd__tensor_storage(t)->id] : 0;
    return value ? c->values[value - 1].root : UINT32_MAX;
}

// Takes what the caller keeps out of the arena. Names that are not there are left to check_bindings.
static vkd_result leave_out(const vkd_graph *g, const struct vkd_program_params *how, struct vkd_compiled *c)
{
    for (uint32_t i = 0; i < how->binding_count; i++) {
        uint32_t root = named_root(g, c, how->bindings[i].name);
        if (root != UINT32_MAX)
            c->values[root].size = 0;
    }
    return how->binding_count ? vkd__lifetime_plan(c) : VKD_OK;
}

static vkd_result bind(struct vkd_program *p, const struct vkd_program_params *how)
{
    const struct vkd_log *log = vkd_device_log(p->dev);
    for (uint32_t i = 0; i < how->binding_count; i++) {
        const struct vkd_binding *b = &how->bindings[i];
        uint32_t root = named_root(p->graph, &p->compiled, b->name);
        if (root == UINT32_MAX) {
            vkd_log_write(log, VKD_LOG_ERROR, "binding %u: the graph has no input or marked tensor called \"%s\"", i,
                          b->name ? b->name : "(null)");
            return VKD_INVALID;
        }
        uint64_t need = vkd__desc_size(vkd_graph_find(p->graph, b->name)->desc);
        uint64_t all = b->range.buffer ? vkd_buffer_size(b->range.buffer) : 0;
        uint64_t left = b->range.ofs < all ? all - b->range.ofs : 0, have = b->range.size ? b->range.size : left;
        if (have > left || have < need) {
            vkd_log_write(log, VKD_LOG_ERROR, "binding %u: \"%s\" takes %llu bytes, but the range has %llu at offset %llu "
                          "of a buffer of %llu bytes", i, b->name, (unsigned long long) need, (unsigned long long) have,
                          (unsigned long long) b->range.ofs, (unsigned long long) all);
            return VKD_INVALID;
        }
        if (p->bound[root].buffer) {
            vkd_log_write(log, VKD_LOG_ERROR, "binding %u: \"%s\" lies in a range already", i, b->name);
            return VKD_INVALID;
        }
        p->bound[root] = b->range;
    }
    return VKD_OK;
}

// Finds every parameter of the graph in the store; false after a log line.
static bool match_params(struct vkd_program *p, bool backward)
{
    const struct vkd_log *log = vkd_device_log(p->dev);
    if (backward && (!p->params || !p->params->grads)) {
        vkd_log_write(log, VKD_LOG_ERROR, "gradients are wanted, but the parameters were created without: pass true");
        return false;
    }
    for (uint32_t i = 0; i < p->graph->tensor_count; i++) {
        const struct vkd_tensor *t = p->graph->tensors[i];
        p->param_index[i] = -1;
        if (t->kind != VKD_TENSOR_PARAM)
            continue;
        int index = p->params ? vkd_params_find(p->params, t->name) : -1;
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

vkd_result vkd_arena_create(vkd_device *dev, uint64_t size, vkd_arena **out)
{
    vkd_arena *a = calloc(1, sizeof(*a));
    vkd_result r = VKD_NO_MEMORY;
    if (!a)
        return r;
    a->dev = dev;
    a->block_size = vkd__arena_block_size(vkd_device_caps(dev));
    a->size = size ? size : 256;
    a->block_count = (uint32_t) ((a->size + a->block_size - 1) / a->block_size);
    if (!(a->blocks = calloc(a->block_count, sizeof(*a->blocks))))
        goto fail;
    for (uint32_t i = 0; i < a->block_count; i++) {
        uint64_t left = a->size - i * a->block_size;
        r = vkd_buffer_create(dev, left < a->block_size ? left : a->block_size, VKD_MEMORY_DEVICE, &a->blocks[i]);
        if (r < 0)
            goto fail;
    }
    *out = a;
    return VKD_OK;

fail:
    vkd_arena_destroy(&a);
    return r;
}

void vkd_arena_destroy(vkd_arena **pa)
{
    vkd_arena *a = *pa;
    if (!a)
        return;
    for (uint32_t i = 0; a->blocks && i < a->block_count; i++)
        vkd_buffer_destroy(a->dev, &a->blocks[i]);
    free(a->blocks);
    free(a);
    *pa = NULL;
}

uint64_t vkd_arena_size(const vkd_arena *a)
{
    return a->size;
}

static vkd_result allocate(struct vkd_program *p, vkd_arena *given)
{
    const struct vkd_step_block zero = { .image_count = 0xffffffffu };
    const float one[4] = { 1.0f };
    uint64_t need = p->compiled.memory.arena;
    vkd_result r = VKD_OK;
    if (given && given->size < need) {
        vkd_log_write(vkd_device_log(p->dev), VKD_LOG_ERROR, "the arena has %llu bytes, the program needs %llu: "
                      "vkd_program_estimate tells how many", (unsigned long long) given->size, (unsigned long long) need);
        return VKD_INVALID;
    }
    if (!given)
        r = vkd_arena_create(p->dev, need, &p->own_arena);
    p->arena = given ? given : p->own_arena;
    if (r == VKD_OK)
        r = vkd_buffer_create(p->dev, sizeof(struct vkd_step_block), VKD_MEMORY_DEVICE, &p->step_block);
    if (r == VKD_OK)
        r = vkd_buffer_create(p->dev, sizeof(one), VKD_MEMORY_DEVICE, &p->one);
    if (r == VKD_OK)
        r = vkd_buffer_write(p->dev, p->one, 0, one, sizeof(one));
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
    p->backward = pp->backward;
    vkd_result r = vkd__compile(vkd_device_caps(dev), vkd_device_log(dev), g, pp, &p->compiled);
    if (r == VKD_OK && (!(p->param_index = calloc(g->tensor_count + 1, sizeof(*p->param_index))) ||
                        !(p->bound = calloc(p->compiled.value_count + 1, sizeof(*p->bound)))))
        r = VKD_NO_MEMORY;
    if (r == VKD_OK)
        r = bind(p, pp);
    if (r == VKD_OK)
        r = leave_out(g, pp, &p->compiled);
    if (r == VKD_OK && !match_params(p, pp->backward))
        r = VKD_INVALID;
    if (r == VKD_OK)
        r = allocate(p, pp->arena);
    p->loss_scale = pp->loss_scale.buffer ? pp->loss_scale : (struct vkd_range) { p->one, 0, 0 };
    if (r == VKD_OK)
        r = record_all(p, pp);
    if (r == VKD_OK && pp->embedded)
        r = vkd_sequence_create(dev, p->segments, p->segment_count, &p->sequence);
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
    vkd_sequence_destroy(&p->sequence);
    for (uint32_t i = 0; i < p->segment_count; i++)
        vkd_commands_destroy(p->dev, &p->segments[i]);
    vkd_arena_destroy(&p->own_arena);
    vkd_buffer_destroy(p->dev, &p->step_block);
    vkd_buffer_destroy(p->dev, &p->one);
    vkd__compiled_finish(&p->compiled);
    free(p->segments);
    free(p->param_index);
    free(p->bound);
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
    r = leave_out(g, p, &c);
    if (r == VKD_OK)
        *out = c.memory;
    vkd__compiled_finish(&c);
    return r;
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
    *out = vkd__place_range(p, place, t->desc);
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

// ---- In an application's command buffer ----

static bool is_embedded(const vkd_program *p)
{
    if (!p->sequence)
        vkd_log_write(vkd_device_log(p->dev), VKD_LOG_ERROR, "vkd_program_embed: the program was created without "
                      "vkd_program_params.embedded");
    return p->sequence;
}

vkd_result vkd_program_embed(vkd_program *p, VkCommandBuffer cb, const struct vkd_step_block *step,
                             const struct vkd_budget *budget, bool *finished)
{
    vkd_result r = is_embedded(p) ? VKD_OK : VKD_INVALID;
    if (r == VKD_OK && step && !vkd_sequence_state(p->sequence).next)
        r = vkd_range_embed(p->dev, vkd_program_step_block(p), step, cb);
    return r == VKD_OK ? vkd_sequence_embed(p->sequence, cb, budget, finished) : r;
}

struct vkd_sequence_state vkd_program_embed_state(const vkd_program *p)
{
    return p->sequence ? vkd_sequence_state(p->sequence) : (struct vkd_sequence_state) { 0 };
}
