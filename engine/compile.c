// compile.c -- forward calls in the graph's order, backward calls in reverse, lifetimes between.
//
// A backward call overwrites the gradients it produces; where several meet at one tensor, `add`
// calls sum them in a fixed order.
#include "compile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct builder {
    struct vkd_compiled *c;
    vkd_graph *g;
    const struct vkd_caps *caps;
    const struct vkd_log *log;
    const struct vkd_program_params *how;
    bool *node_needed;              // by node id
    bool *wants;                    // by tensor id: a gradient must reach it
    struct vkd_place *grad;         // by tensor id: the gradient so far
};

// ---- Growing the lists ----

static struct vkd_step_call *call_add(struct vkd_compiled *c)
{
    if (c->call_count == c->call_capacity) {
        uint32_t grown = c->call_capacity ? 2 * c->call_capacity : 128;
        struct vkd_step_call *p = realloc(c->calls, grown * sizeof(*p));
        if (!p)
            return NULL;
        c->calls = p;
        c->call_capacity = grown;
    }
    struct vkd_step_call *sc = &c->calls[c->call_count++];
    memset(sc, 0, sizeof(*sc));
    return sc;
}

// A new value of `size` bytes; its life starts at the call being built. -1: no host memory.
static int64_t value_add(struct vkd_compiled *c, uint64_t size)
{
    if (c->value_count == c->value_capacity) {
        uint32_t grown = c->value_capacity ? 2 * c->value_capacity : 256;
        struct vkd_value *p = realloc(c->values, grown * sizeof(*p));
        if (!p)
            return -1;
        c->values = p;
        c->value_capacity = grown;
    }
    uint32_t now = c->call_count ? c->call_count - 1 : 0;
    c->values[c->value_count] = (struct vkd_value) {
        .size = (size + c->align - 1) / c->align * c->align, .first = now, .last = now, .root = c->value_count,
    };
    return c->value_count++;
}

static bool place_new(struct builder *b, uint64_t size, struct vkd_place *out)
{
    int64_t v = value_add(b->c, size);
    *out = (struct vkd_place) { VKD_PLACE_ARENA, (uint32_t) v };
    return v >= 0;
}

static void use(struct vkd_compiled *c, struct vkd_place p)
{
    if (p.kind == VKD_PLACE_ARENA)
        c->values[p.index].last = c->call_count - 1;
}

// ---- Forward ----

static void need(struct builder *b, struct vkd_tensor *t)
{
    t = vkd__tensor_storage(t);
    if (t->kind == VKD_TENSOR_VALUE)
        b->node_needed[t->node->id] = true;
}

// Which nodes the loss and the marked tensors depend on, and through which gradients flow.
static void find_needed(struct builder *b)
{
    if (b->g->loss)
        need(b, b->g->loss);
    for (uint32_t i = 0; i < b->g->tensor_count; i++)
        if (b->g->tensors[i]->name)
            need(b, b->g->tensors[i]);
    for (uint32_t i = 0; i < b->g->node_count; i++)
        b->node_needed[i] |= b->g->nodes[i]->op->late && b->how->training && !b->how->still;
    for (uint32_t i = b->g->node_count; i-- > 0;)
        for (uint32_t k = 0; b->node_needed[i] && k < b->g->nodes[i]->in_count; k++)
            need(b, b->g->nodes[i]->in[k]);
    for (uint32_t i = 0; i < b->g->tensor_count; i++) {
        const struct vkd_tensor *t = b->g->tensors[i];
        b->wants[i] = (t->kind == VKD_TENSOR_PARAM && !t->param.state) || t->grad;
        for (uint32_t k = 0; t->kind == VKD_TENSOR_VALUE && t->output == 0 && k < t->node->in_count; k++)
            b->wants[i] |= (t->node->op->grad_in >> k & 1) && b->wants[t->node->in[k]->id];
    }
}

static struct vkd_place tensor_place(struct builder *b, struct vkd_tensor *t)
{
    t = vkd__tensor_storage(t);
    if (t->kind == VKD_TENSOR_PARAM)
        return (struct vkd_place) { VKD_PLACE_PARAM, t->id };
    return (struct vkd_place) { VKD_PLACE_ARENA, b->c->tensor_value[t->id] - 1 };
}

static bool tensor_value_add(struct builder *b, const struct vkd_tensor *t)
{
    char shape[64];
    uint64_t size = vkd__desc_size(t->desc);
    uint64_t most = b->caps->storage_range_max;
    if (b->caps->allocation_max && b->caps->allocation_max < most)
        most = b->caps->allocation_max;
    if (size > most) {
        vkd_log_write(b->log, VKD_LOG_ERROR, "a tensor of shape %s takes %.0f MiB, but this device takes at most "
                      "%.0f MiB at once: use a smaller batch", vkd__shape_text(t->desc.shape, shape),
                      size / 1048576.0, most / 1048576.0);
        return false;
    }
    int64_t v = value_add(b->c, size);
    b->c->tensor_value[t->id] = (uint32_t) (v + 1);
    return v >= 0;
}

// Extends the lives of the forward tensors that a dispatch of `plan` binds.
static void use_bound(struct vkd_compiled *c, const struct vkd_step_call *sc, const struct vkd_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++) {
        for (uint32_t k = 0; k < plan->dispatches[i].bind_count; k++) {
            struct vkd_slot s = plan->dispatches[i].bind[k];
            if (s.kind == VKD_SLOT_IN)
                use(c, sc->in[s.index]);
            if (s.kind == VKD_SLOT_OUT)
                use(c, sc->out[s.index]);
        }
    }
}

// Adds scratch values for a call whose operands are known, and marks those it really reads.
static vkd_result scratch_add(struct builder *b, struct vkd_step_call *sc)
{
    struct vkd_plan plan;
    vkd_result r = vkd__call_plan(sc, b->log, &plan);
    if (r == VKD_OK)
        use_bound(b->c, sc, &plan);
    for (uint32_t i = 0; r == VKD_OK && i < VKD_MAX_SCRATCH; i++) {
        int64_t v = value_add(b->c, plan.scratch_size[i]);
        sc->scratch[i] = (uint32_t) v;
        r = v < 0 ? VKD_NO_MEMORY : VKD_OK;
    }
    vkd__plan_finish(&plan);
    return r;
}

static vkd_result forward_add(struct builder *b, const struct vkd_node *node)
{
    struct vkd_step_call *sc = call_add(b->c);
    if (!sc)
        return VKD_NO_MEMORY;
    sc->node = node;
    if (!vkd__node_call(node, b->how->training, b->caps, &sc->call)) {
        vkd_log_write(b->log, VKD_LOG_ERROR, "%s: %s", node->op->name, sc->call.error);
        return VKD_INVALID;
    }
    sc->call.still = b->how->still;
    for (uint32_t i = 0; i < node->in_count; i++)
        sc->in[i] = tensor_place(b, node->in[i]);
    for (uint32_t i = 0; i < node->out_count; i++) {
        if (!tensor_value_add(b, node->out[i]))
            return VKD_NO_MEMORY;
        sc->out[i] = tensor_place(b, node->out[i]);
    }
    return scratch_add(b, sc);
}

// ---- Backward ----

// Adds `more` to the gradient of tensor `id`, which exists: sum = sum + more.
static vkd_result gradient_sum(struct builder *b, uint32_t id, struct vkd_place more)
{
    struct vkd_step_call *sc = call_add(b->c);
    if (!sc)
        return VKD_NO_MEMORY;
    struct vkd_desc desc = b->g->tensors[id]->desc;
    struct vkd_call *c = &sc->call;
    *c = (struct vkd_call) {
        .op = vkd__op_find("add"), .in = { desc, desc }, .in_count = 2, .training = b->how->training, .caps = b->caps,
    };
    if (!c->op || !c->op->shape(c))
        return VKD_INVALID;
    sc->in[0] = b->grad[id];
    sc->in[1] = more;
    if (b->grad[id].kind == VKD_PLACE_GRAD || b->g->tensors[id]->grad)
        sc->out[0] = b->grad[id];
    else if (!place_new(b, vkd__desc_size(desc), &sc->out[0]))
        return VKD_NO_MEMORY;
    b->grad[id] = sc->out[0];
    return scratch_add(b, sc);
}

// Where a backward call writes its contribution to the gradient of tensor `t`.
static bool contribution_place(struct builder *b, const struct vkd_tensor *t, struct vkd_place *out)
{
    if (t->kind == VKD_TENSOR_PARAM && b->grad[t->id].kind == VKD_PLACE_NONE) {
        *out = (struct vkd_place) { VKD_PLACE_GRAD, t->id };
        return true;
    }
    if (t->grad && b->grad[t->id].kind == VKD_PLACE_NONE) {
        *out = tensor_place(b, t->grad);
        return true;
    }
    return place_new(b, vkd__desc_size(t->desc), out);
}

// Gives tensor `t` one more contribution to its gradient.
static vkd_result contribute(struct builder *b, const struct vkd_tensor *t, struct vkd_place more)
{
    if (b->grad[t->id].kind != VKD_PLACE_NONE)
        return gradient_sum(b, t->id, more);
    b->grad[t->id] = more;
    return VKD_OK;
}

// Adds the backward call of `node` for the inputs in `want`; their contributions go to din[].
static vkd_result backward_call(struct builder *b, const struct vkd_node *node, uint32_t want, struct vkd_place *din)
{
    struct vkd_step_call *sc = call_add(b->c);
    if (!sc)
        return VKD_NO_MEMORY;
    sc->node = node;
    sc->backward = true;
    if (!vkd__node_call(node, b->how->training, b->caps, &sc->call))
        return VKD_INVALID;
    sc->call.still = b->how->still;
    sc->call.want = want;
    for (uint32_t i = 0; i < node->in_count; i++)
        if (node->op->reads_in >> i & 1)
            sc->in[i] = tensor_place(b, node->in[i]);
    for (uint32_t i = 0; i < node->out_count; i++)
        if (node->op->reads_out >> i & 1)
            sc->out[i] = tensor_place(b, node->out[i]);
    use(b->c, sc->dout = b->grad[node->out[0]->id]);
    for (uint32_t i = 0; i < node->in_count; i++) {
        if (!(want >> i & 1))
            continue;
        if (!contribution_place(b, node->in[i], &sc->din[i]))
            return VKD_NO_MEMORY;
        // Two inputs may be the same tensor: then both contributions need a place of their own.
        for (uint32_t k = 0; k < i; k++)
            if (sc->din[k].kind == sc->din[i].kind && sc->din[k].index == sc->din[i].index &&
                !place_new(b, vkd__desc_size(node->in[i]->desc), &sc->din[i]))
                return VKD_NO_MEMORY;
    }
    memcpy(din, sc->din, sizeof(sc->din));      // sums added later may move the list of calls
    return scratch_add(b, sc);
}

static vkd_result backward_add(struct builder *b, const struct vkd_node *node)
{
    struct vkd_place dout = b->grad[node->out[0]->id], din[VKD_MAX_IN];
    uint32_t want = 0, passed = 0;
    for (uint32_t i = 0; i < node->in_count; i++) {
        if (!(node->op->grad_in >> i & 1) || !b->wants[node->in[i]->id])
            continue;
        if ((node->op->same_grad >> i & 1) && node->in[i]->kind != VKD_TENSOR_PARAM && !node->in[i]->grad)
            passed |= 1u << i;
        else
            want |= 1u << i;
    }
    if (dout.kind == VKD_PLACE_NONE)
        return VKD_OK;
    vkd_result r = want ? backward_call(b, node, want, din) : VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < node->in_count; i++)
        if ((want | passed) >> i & 1)
            r = contribute(b, node->in[i], passed >> i & 1 ? dout : din[i]);
    return r;
}

static vkd_result backward_all(struct builder *b)
{
    struct vkd_tensor *loss = b->g->loss;
    if (!loss) {
        vkd_log_write(b->log, VKD_LOG_ERROR, "gradients are wanted, but the graph has no loss: call vkd_graph_loss");
        return VKD_INVALID;
    }
    b->grad[loss->id] = (struct vkd_place) { VKD_PLACE_ONE, 0 };
    for (uint32_t i = b->g->node_count; i-- > 0;) {
        if (!b->node_needed[i] || b->g->nodes[i]->op->late)
            continue;
        vkd_result r = backward_add(b, b->g->nodes[i]);
        if (r < 0)
            return r;
    }
    return VKD_OK;
}

// ---- Sharing storage ----

static uint32_t root_of(const struct vkd_compiled *c, uint32_t v)
{
    while (c->values[v].root != v)
        v = c->values[v].root;
    return v;
}

// Lets value `to`, which call `k` writes, lie on value `from`, which `k` reads last.
static void share(struct vkd_compiled *c, uint32_t k, struct vkd_place from, struct vkd_place to)
{
    if (from.kind != VKD_PLACE_ARENA || to.kind != VKD_PLACE_ARENA)
        return;
    uint32_t f = root_of(c, from.index), t = to.index;
    struct vkd_value *a = &c->values[f], *b = &c->values[t];
    if (f == t || a->pinned || b->root != t || a->last != k || b->first != k || a->size != b->size)
        return;
    b->root = f;
    a->last = b->last;
    a->pinned = b->pinned;
}

static bool read_elsewhere(const struct vkd_step_call *sc, uint32_t value)
{
    for (uint32_t i = 1; i < sc->call.in_count; i++)
        if (sc->in[i].kind == VKD_PLACE_ARENA && sc->in[i].index == value)
            return true;
    return false;
}

static void share_all(struct vkd_compiled *c)
{
    for (uint32_t k = 0; k < c->call_count; k++) {
        const struct vkd_step_call *sc = &c->calls[k];
        const struct vkd_op *op = sc->call.op;
        if (!sc->backward && op->in_place && !read_elsewhere(sc, sc->in[0].index))
            share(c, k, sc->in[0], sc->out[0]);
        if (sc->backward && op->in_place_grad && (sc->call.want & 1))
            share(c, k, sc->dout, sc->din[0]);
    }
    for (uint32_t i = 0; i < c->value_count; i++)
        c->values[i].root = root_of(c, i);
}

// ---- The whole ----

vkd_result vkd__call_plan(const struct vkd_step_call *sc, const struct vkd_log *log, struct vkd_plan *plan)
{
    memset(plan, 0, sizeof(*plan));
    if (sc->backward)
        sc->call.op->backward(&sc->call, plan);
    else
        sc->call.op->forward(&sc->call, plan);
    if (plan->result < 0)
        vkd_log_write(log, VKD_LOG_ERROR, "%s: %s", sc->call.op->name, plan->error);
    return plan->result;
}

void vkd__call_name(const struct vkd_step_call *sc, char *text, size_t size)
{
    const char *param = NULL;
    for (uint32_t i = 0; sc->node && i < sc->node->in_count && !param; i++)
        if (sc->node->in[i]->kind == VKD_TENSOR_PARAM)
            param = sc->node->in[i]->name;
    snprintf(text, size, "%s%s%s%s", sc->backward ? "gradients of " : "", sc->call.op->name,
             param ? " with " : "", param ? param : "");
}

static vkd_result build(struct builder *b, const struct vkd_program_params *p)
{
    struct vkd_compiled *c = b->c;
    vkd_result r = VKD_OK;
    find_needed(b);
    for (uint32_t i = 0; i < b->g->tensor_count; i++)
        if (b->g->tensors[i]->kind == VKD_TENSOR_INPUT && !tensor_value_add(b, b->g->tensors[i]))
            return VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < b->g->node_count; i++)
        if (b->node_needed[i] && !b->g->nodes[i]->op->late)
            r = forward_add(b, b->g->nodes[i]);
    if (r == VKD_OK && p->backward)
        r = backward_all(b);
    for (uint32_t i = 0; r == VKD_OK && i < b->g->node_count; i++)
        if (b->node_needed[i] && b->g->nodes[i]->op->late)
            r = forward_add(b, b->g->nodes[i]);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < b->g->tensor_count; i++) {
        const struct vkd_tensor *t = vkd__tensor_storage(b->g->tensors[i]);
        if ((b->g->tensors[i]->name || b->g->tensors[i] == b->g->loss) && c->tensor_value[t->id])
            c->values[c->tensor_value[t->id] - 1].pinned = true;
    }
    for (uint32_t i = 0; i < c->value_count; i++)
        if (c->values[i].pinned)
            c->values[i].last = c->call_count;
    share_all(c);
    return vkd__lifetime_plan(c);
}

uint32_t vkd__arena_align(const struct vkd_caps *caps)
{
    uint32_t align = caps->storage_align > caps->texel_align ? caps->storage_align : caps->texel_align;
    return align < 256 ? 256 : align;
}

uint64_t vkd__arena_block_size(const struct vkd_caps *caps)
{
    uint64_t align = vkd__arena_align(caps), most = caps->allocation_max ? caps->allocation_max : UINT64_MAX;
    return most / align * align;
}

vkd_result vkd__compile(const struct vkd_caps *caps, const struct vkd_log *log, vkd_graph *g,
                        const struct vkd_program_params *p, struct vkd_compiled *out)
{
    if (vkd_graph_error(g)) {
        vkd_log_write(log, VKD_LOG_ERROR, "the graph has an error: %s", vkd_graph_error(g));
        return VKD_INVALID;
    }
    struct vkd_compiled c = {
        .align = vkd__arena_align(caps), .block_size = vkd__arena_block_size(caps),
        .tensor_value = calloc(g->tensor_count + 1, sizeof(uint32_t)),
    };
    struct builder b = {
        .c = &c, .g = g, .caps = caps, .log = log, .how = p,
        .node_needed = calloc(g->node_count + 1, sizeof(bool)), .wants = calloc(g->tensor_count + 1, sizeof(bool)),
        .grad = calloc(g->tensor_count + 1, sizeof(struct vkd_place)),
    };
    vkd_result r = VKD_NO_MEMORY;
    if (c.tensor_value && b.node_needed && b.wants && b.grad)
        r = build(&b, p);
    free(b.node_needed);
    free(b.wants);
    free(b.grad);
    if (r < 0) {
        vkd__compiled_finish(&c);
        return r;
    }
    *out = c;
    return VKD_OK;
}

void vkd__compiled_finish(struct vkd_compiled *c)
{
    free(c->calls);
    free(c->values);
    free(c->tensor_value);
    memset(c, 0, sizeof(*c));
}
