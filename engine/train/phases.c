// phases.c -- which part of a network a call belongs to, told from the parameters around it.
#include "phases.h"

#include <stdlib.h>
#include <string.h>

const char *const vkd__phase_names[VKD__PHASE_COUNT] = { "augmentation", "backbone", "heads", "loss", "monitors", "update",
                                                         "rest" };

enum { BACKBONE = 1, HEADS = 2 };

struct around { uint8_t own, above, below; bool taught; };     // parameters of and around a node; the loss comes of it

static bool begins(const char *name, const char *prefix)
{
    return !strncmp(name, prefix, strlen(prefix));
}

static uint8_t part_of(const struct vkd__network *n, const struct vkd_tensor *t, const struct vkd_op *op)
{
    const char *name = t->name;
    if (t->kind != VKD_TENSOR_PARAM)
        return 0;
    if (begins(name, "teacher."))
        name += strlen("teacher.");
    else if (t->param.state && begins(name, "ssl.") && strcmp(op->name, "batch_norm"))
        return 0;               // a queue or a centre: the loss's own
    enum vkd__lr_group group = vkd__network_group(n, name);
    return group == VKD__LR_BACKBONE || group == VKD__LR_FROZEN_STAGES ? BACKBONE : HEADS;
}

// Whether nodes that make `t` are worth it for more than looking at.
static bool is_end(const vkd_graph *g, const struct vkd_tensor *t)
{
    return t == g->loss || (t->name && (begins(t->name, "embed.") || begins(t->name, "target.")));
}

static void look_around(const struct vkd__network *n, const vkd_graph *g, struct around *at)
{
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct vkd_node *node = g->nodes[i];
        at[i].taught = node->op->late;
        for (uint32_t k = 0; k < node->in_count; k++) {
            const struct vkd_tensor *t = vkd__tensor_storage(node->in[k]);
            at[i].own |= part_of(n, t, node->op);
            at[i].above |= t->node ? at[t->node->id].above : 0;
        }
        at[i].above |= at[i].own;
    }
    for (uint32_t i = g->node_count; i-- > 0;) {
        const struct vkd_node *node = g->nodes[i];
        bool probe = false;
        at[i].below |= at[i].own;
        for (uint32_t k = 0; k < node->out_count; k++) {
            at[i].taught |= is_end(g, node->out[k]);
            probe |= node->out[k]->name && !strcmp(node->out[k]->name, "probe_loss");
        }
        at[i].taught &= !probe;
        for (uint32_t k = 0; k < node->in_count; k++) {
            const struct vkd_tensor *t = vkd__tensor_storage(node->in[k]);
            if (t->node) {
                at[t->node->id].below |= at[i].below;
                at[t->node->id].taught |= at[i].taught;
            }
        }
    }
}

static enum vkd__phase phase_of(const struct around *a)
{
    if (!a->taught)
        return VKD__PHASE_MONITORS;
    if (a->below & BACKBONE)
        return VKD__PHASE_BACKBONE;
    if (a->below & HEADS)       // between two layers of a head, or what ends the backbone
        return a->own || (a->above & HEADS) || !a->above ? VKD__PHASE_HEADS : VKD__PHASE_BACKBONE;
    return VKD__PHASE_LOSS;
}

vkd_result vkd__phases_of(const struct vkd__network *n, const vkd_program *p, uint8_t *phases)
{
    const vkd_graph *g = p->graph;
    struct around *at = calloc(g->node_count + 1, sizeof(*at));
    if (!at)
        return VKD_NO_MEMORY;
    look_around(n, g, at);
    for (uint32_t i = 0; i < p->compiled.call_count; i++) {
        const struct vkd_step_call *sc = &p->compiled.calls[i];
        if (sc->node) {
            phases[i] = (uint8_t) phase_of(&at[sc->node->id]);
            continue;
        }
        // A sum of gradients: of a parameter, or of a value that the call before has just gone back through.
        phases[i] = i ? phases[i - 1] : VKD__PHASE_REST;
        if (sc->out[0].kind == VKD_PLACE_GRAD)
            phases[i] = part_of(n, g->tensors[sc->out[0].index], sc->call.op) == BACKBONE ? VKD__PHASE_BACKBONE
                                                                                         : VKD__PHASE_HEADS;
    }
    free(at);
    return VKD_OK;
}
