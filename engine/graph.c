// graph.c -- building graphs. The first error sticks; everything after it returns NULL.
#include "graph_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *vkd__shape_text(struct vkd_shape s, char text[64])
{
    snprintf(text, 64, "(%u, %u, %u, %u)", s.d[0], s.d[1], s.d[2], s.d[3]);
    return text;
}

vkd_result vkd_graph_create(const struct vkd_log *log, vkd_graph **out)
{
    vkd_graph *g = calloc(1, sizeof(*g));
    if (!g)
        return VKD_NO_MEMORY;
    if (log)
        g->log = *log;
    *out = g;
    return VKD_OK;
}

void vkd_graph_destroy(vkd_graph **pg)
{
    vkd_graph *g = *pg;
    if (!g)
        return;
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        free(g->tensors[i]->name);
        free(g->tensors[i]);
    }
    for (uint32_t i = 0; i < g->node_count; i++)
        free(g->nodes[i]);
    free(g->tensors);
    free(g->nodes);
    free(g);
    *pg = NULL;
}

const char *vkd_graph_error(const vkd_graph *g)
{
    return g->error[0] ? g->error : NULL;
}

vkd_tensor *vkd_graph_fail(vkd_graph *g, const char *format, ...)
{
    if (g->error[0])
        return NULL;
    va_list args;
    va_start(args, format);
    vsnprintf(g->error, sizeof(g->error), format, args);
    va_end(args);
    vkd_log_write(&g->log, VKD_LOG_ERROR, "%s", g->error);
    return NULL;
}

struct vkd_shape vkd_tensor_shape(const vkd_tensor *t)
{
    return t ? t->desc.shape : (struct vkd_shape) { { 0 } };
}

// Appends `item` to a growing array of pointers; false when host memory is out.
static bool append(void ***items, uint32_t *count, uint32_t *capacity, void *item)
{
    if (*count == *capacity) {
        uint32_t grown = *capacity ? 2 * *capacity : 64;
        void **p = realloc(*items, grown * sizeof(*p));
        if (!p)
            return false;
        *items = p;
        *capacity = grown;
    }
    (*items)[(*count)++] = item;
    return true;
}

// A new tensor called `name` (NULL: nameless), or NULL after a sticky error.
static vkd_tensor *tensor_add(vkd_graph *g, enum vkd_tensor_kind kind, struct vkd_desc desc, const char *name)
{
    if (g->error[0])
        return NULL;
    vkd_tensor *t = calloc(1, sizeof(*t));
    if (!t)
        goto fail;
    t->graph = g;
    t->kind = kind;
    t->desc = desc;
    t->id = g->tensor_count;
    if (name && !(t->name = strdup(name)))
        goto fail;
    if (!append((void ***) &g->tensors, &g->tensor_count, &g->tensor_capacity, t))
        goto fail;
    return t;

fail:
    if (t)
        free(t->name);
    free(t);
    return vkd_graph_fail(g, "no host memory for tensor %u", g->tensor_count);
}

// False after a sticky error when a shape has a zero or overflows 2^31 elements.
static bool shape_check(vkd_graph *g, const char *name, struct vkd_shape s)
{
    uint64_t n = 1;
    char text[64];
    for (int i = 0; i < 4; i++) {
        n *= i == 3 ? vkd__pad4(s.d[i]) : s.d[i];
        if (!s.d[i] || n > INT32_MAX) {
            vkd_graph_fail(g, "%s: shape %s must have no zero and at most 2^31 - 1 elements",
                           name, vkd__shape_text(s, text));
            return false;
        }
    }
    return true;
}

static bool name_check(vkd_graph *g, const char *name)
{
    if (g->error[0])
        return false;
    if (!name || !name[0]) {
        vkd_graph_fail(g, "an input, parameter or marked tensor must have a name");
        return false;
    }
    if (vkd_graph_find(g, name)) {
        vkd_graph_fail(g, "the name \"%s\" is used twice in one graph", name);
        return false;
    }
    return true;
}

// `name` behind the scope's prefix; false after a sticky error.
static bool scoped_name(vkd_graph *g, const char *prefix, const char *name, char *text, size_t size)
{
    if (!g->error[0] && snprintf(text, size, "%s%s", prefix ? prefix : "", name ? name : "") >= (int) size)
        vkd_graph_fail(g, "the name %.40s... is too long", text);
    return !g->error[0];
}

void vkd_scope_begin(vkd_graph *g, const struct vkd_scope *scope)
{
    if (g->in_scope)
        vkd_graph_fail(g, "a scope is begun inside another: end that one first");
    if (scope->precision != VKD_F32 && !vkd__is_half(scope->precision))
        vkd_graph_fail(g, "a scope's precision is f32, f16 or bf16, found type %u", scope->precision);
    g->scope = *scope;
    g->in_scope = true;
}

void vkd_scope_end(vkd_graph *g)
{
    if (!g->in_scope)
        vkd_graph_fail(g, "a scope is ended that was not begun");
    g->scope = (struct vkd_scope) { 0 };
    g->in_scope = false;
}

vkd_tensor *vkd_input(vkd_graph *g, const char *name, enum vkd_dtype dtype, struct vkd_shape shape)
{
    if (!name_check(g, name) || !shape_check(g, name, shape))
        return NULL;
    return tensor_add(g, VKD_TENSOR_INPUT, (struct vkd_desc) { shape, dtype }, name);
}

vkd_tensor *vkd_input_grad(vkd_graph *g, const char *name, struct vkd_shape shape)
{
    char grad[256];
    vkd_tensor *t = vkd_input(g, name, VKD_F32, shape);
    if (!t || !scoped_name(g, name, ".grad", grad, sizeof(grad)))
        return NULL;
    t->grad = vkd_input(g, grad, VKD_F32, shape);
    return t->grad ? t : NULL;
}

// The parameter called `name` that a shared scope uses again, or NULL: it is new, or an error sticks.
static vkd_tensor *shared_param(vkd_graph *g, const struct vkd_param_params *p, const char *name)
{
    char a[64], b[64];
    vkd_tensor *t = g->scope.shared ? vkd_graph_find(g, name) : NULL;
    if (t && (t->kind != VKD_TENSOR_PARAM || memcmp(&t->desc.shape, &p->shape, sizeof(p->shape))))
        return vkd_graph_fail(g, "%s: shared with shape %s, wanted with %s", name, vkd__shape_text(t->desc.shape, a),
                              vkd__shape_text(p->shape, b));
    return t;
}

vkd_tensor *vkd_param(vkd_graph *g, const struct vkd_param_params *p)
{
    char name[256];
    if (!scoped_name(g, g->scope.params, p->name, name, sizeof(name)))
        return NULL;
    vkd_tensor *again = shared_param(g, p, name);
    if (again)
        return again;
    if (!name_check(g, p->name ? name : NULL) || !shape_check(g, name, p->shape))
        return NULL;
    if (p->logical_in > p->shape.d[2])
        return vkd_graph_fail(g, "%s: logical_in %u must not pass the shape's %u", p->name, p->logical_in, p->shape.d[2]);
    vkd_tensor *t = tensor_add(g, VKD_TENSOR_PARAM, (struct vkd_desc) { p->shape, VKD_F32 }, name);
    if (!t)
        return NULL;
    t->param = *p;
    t->param.state |= g->scope.frozen;
    t->param.name = t->name;
    if (!t->param.logical_in)
        t->param.logical_in = p->shape.d[2];
    uint32_t window = p->shape.d[0] * p->shape.d[1];
    if (!t->param.fan_in)
        t->param.fan_in = window * t->param.logical_in;
    if (!t->param.fan_out)
        t->param.fan_out = window * p->shape.d[3];
    return t;
}

bool vkd__node_call(const struct vkd_node *node, bool training, const struct vkd_caps *caps, struct vkd_call *c)
{
    *c = (struct vkd_call) {
        .op = node->op, .attr = node->attr, .in_count = node->in_count, .training = training && !node->inference,
        .caps = caps,
    };
    for (uint32_t i = 0; i < node->in_count; i++)
        c->in[i] = node->in[i]->desc;
    return node->op->shape(c);
}

// "conv2d (8, 32, 32, 16), (3, 3, 16, 32)": for error texts.
static void call_text(const char *name, vkd_tensor *const *in, uint32_t count, char *text, size_t size)
{
    size_t used = (size_t) snprintf(text, size, "%s", name);
    for (uint32_t i = 0; i < count && used < size; i++) {
        char shape[64];
        used += (size_t) snprintf(text + used, size - used, "%s %s", i ? "," : "",
                                  in[i] ? vkd__shape_text(in[i]->desc.shape, shape) : "nothing");
    }
}

// Checks that the inputs can be an operation's; false after a sticky error.
static bool inputs_check(vkd_graph *g, const struct vkd_op *op, vkd_tensor *const *in, uint32_t count)
{
    char text[256];
    call_text(op->name, in, count, text, sizeof(text));
    if (count < op->in_min || count > op->in_max) {
        vkd_graph_fail(g, "%s: takes %u to %u inputs, found %u", text, op->in_min, op->in_max, count);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!in[i] || in[i]->graph != g) {
            vkd_graph_fail(g, "%s: input %u %s", text, i, in[i] ? "belongs to another graph" : "is missing");
            return false;
        }
        if ((op->updates_in >> i & 1) && !(in[i]->kind == VKD_TENSOR_PARAM && in[i]->param.state)) {
            vkd_graph_fail(g, "%s: input %u must be a state parameter, since the operation updates it", text, i);
            return false;
        }
    }
    return true;
}

vkd_tensor *vkd_apply(vkd_graph *g, const char *name, vkd_tensor *const *in, uint32_t in_count,
                      const struct vkd_attr *attr)
{
    if (g->error[0])
        return NULL;
    const struct vkd_op *op = vkd__op_find(name);
    if (!op)
        return vkd_graph_fail(g, "there is no operation \"%s\"", name);
    if (!inputs_check(g, op, in, in_count))
        return NULL;

    struct vkd_node *node = calloc(1, sizeof(*node));
    if (!node)
        return vkd_graph_fail(g, "no host memory for %s", name);
    node->op = op;
    if (attr)
        node->attr = *attr;
    node->in_count = in_count;
    memcpy(node->in, in, in_count * sizeof(*in));
    node->id = g->node_count;
    node->inference = g->scope.inference;

    struct vkd_call c;
    if (!vkd__node_call(node, false, NULL, &c)) {
        char text[256];
        call_text(name, in, in_count, text, sizeof(text));
        free(node);
        return vkd_graph_fail(g, "%s: %s", text, c.error);
    }
    for (uint32_t i = 0; i < c.out_count; i++) {
        if (!shape_check(g, name, c.out[i].shape) ||
            !(node->out[i] = tensor_add(g, VKD_TENSOR_VALUE, c.out[i], NULL))) {
            free(node);
            return NULL;
        }
        node->out[i]->node = node;
        node->out[i]->output = i;
    }
    node->out_count = c.out_count;
    if (!append((void ***) &g->nodes, &g->node_count, &g->node_capacity, node)) {
        free(node);
        return vkd_graph_fail(g, "no host memory for %s", name);
    }
    return node->out[0];
}

vkd_tensor *vkd_output(vkd_tensor *t, uint32_t index)
{
    if (!t)
        return NULL;
    if (t->kind != VKD_TENSOR_VALUE || index >= t->node->out_count)
        return vkd_graph_fail(t->graph, "output %u of a tensor that has %u", index,
                              t->kind == VKD_TENSOR_VALUE ? t->node->out_count : 0);
    return t->node->out[index];
}

vkd_tensor *vkd_mark(vkd_graph *g, vkd_tensor *t, const char *name)
{
    char full[256];
    if (!t || !scoped_name(g, g->scope.marks, name, full, sizeof(full)) || !name_check(g, name ? full : NULL))
        return NULL;
    if (t->name)
        return vkd_graph_fail(g, "a tensor is called \"%s\" already and cannot be \"%s\" too", t->name, name);
    t->name = strdup(full);
    return t->name ? t : vkd_graph_fail(g, "no host memory for the name \"%s\"", name);
}

vkd_tensor *vkd_graph_find(const vkd_graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->tensor_count; i++)
        if (g->tensors[i]->name && !strcmp(g->tensors[i]->name, name))
            return g->tensors[i];
    return NULL;
}

vkd_tensor *vkd_detach(vkd_graph *g, vkd_tensor *x)
{
    if (!x)
        return NULL;
    vkd_tensor *t = tensor_add(g, VKD_TENSOR_DETACHED, x->desc, NULL);
    if (t)
        t->source = x;
    return t;
}

void vkd_graph_loss(vkd_graph *g, vkd_tensor *loss)
{
    char text[64];
    if (!loss || g->error[0])
        return;
    if (vkd__numel(loss->desc.shape) != 4 || loss->desc.shape.d[3] != 1 || loss->kind != VKD_TENSOR_VALUE ||
        loss->desc.dtype != VKD_F32)
        vkd_graph_fail(g, "a loss must be a computed f32 (1, 1, 1, 1), found %s %s", vkd__dtype_name(loss->desc.dtype),
                       vkd__shape_text(loss->desc.shape, text));
    else
        g->loss = loss;
}
