// graph_impl.h -- what a graph is made of. Internal to engine/.
#ifndef VKD_GRAPH_IMPL_H
#define VKD_GRAPH_IMPL_H

#include "op.h"

enum vkd_tensor_kind {
    VKD_TENSOR_INPUT,
    VKD_TENSOR_PARAM,
    VKD_TENSOR_VALUE,       // output of a node
    VKD_TENSOR_DETACHED,    // another tensor's storage without its gradient
};

struct vkd_tensor {
    struct vkd_graph *graph;
    enum vkd_tensor_kind kind;
    struct vkd_desc desc;
    uint32_t id;                    // index in graph->tensors
    char *name;                     // inputs, parameters, marked tensors; else NULL
    struct vkd_node *node;          // VALUE: its producer ...
    uint32_t output;                // ... and which output
    struct vkd_tensor *source;      // DETACHED
    struct vkd_tensor *grad;        // INPUT made by vkd_input_grad: where its gradient goes, an INPUT too
    struct vkd_param_params param;  // PARAM; name points to `name`
};

struct vkd_node {
    const struct vkd_op *op;
    struct vkd_attr attr;
    struct vkd_tensor *in[VKD_MAX_IN], *out[VKD_MAX_OUT];
    uint32_t in_count, out_count;
    uint32_t id;                    // index in graph->nodes; inputs come from lower ids
    bool inference;                 // made in a scope of that kind
};

struct vkd_graph {
    struct vkd_log log;
    struct vkd_tensor **tensors;
    struct vkd_node **nodes;
    uint32_t tensor_count, tensor_capacity, node_count, node_capacity;
    struct vkd_tensor *loss;
    struct vkd_scope scope;         // all zero outside of scopes
    bool in_scope;
    char error[512];
};

// The tensor whose storage `t` has.
static inline struct vkd_tensor *vkd__tensor_storage(struct vkd_tensor *t)
{
    while (t->kind == VKD_TENSOR_DETACHED)
        t = t->source;
    return t;
}

// The call of `node`'s forward pass, shapes filled in. False: rejected, c->error says why.
bool vkd__node_call(const struct vkd_node *node, bool training, const struct vkd_caps *caps, struct vkd_call *c);

// "(8, 32, 32, 16)"
const char *vkd__shape_text(struct vkd_shape s, char text[64]);

#endif
