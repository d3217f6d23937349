// compile.h -- a graph turned into a list of calls over pieces of memory with known lifetimes.
// Internal to engine/.
#ifndef VKD_COMPILE_H
#define VKD_COMPILE_H

#include "graph_impl.h"

#include <vkdiv/program.h>

// A piece of the arena. `first` and `last` are the calls between which its contents matter.
struct vkd_value {
    uint64_t size;              // bytes, rounded up to the arena's alignment
    uint32_t first, last;
    uint32_t root;              // the value whose storage this one shares; itself if none
    bool     pinned;            // outlives the run: inputs and marked tensors
    uint64_t ofs;               // roots: place in the arena, set by vkd__lifetime_plan
};

// Where an operand of a call lies.
struct vkd_place {
    enum { VKD_PLACE_NONE, VKD_PLACE_ARENA, VKD_PLACE_PARAM, VKD_PLACE_GRAD, VKD_PLACE_ONE } kind;
    uint32_t index;             // value, or tensor of a parameter; ONE is the gradient of the loss itself, 1.0
};

struct vkd_step_call {
    struct vkd_call call;
    const struct vkd_node *node;        // NULL: a sum of gradients
    bool backward;
    struct vkd_place in[VKD_MAX_IN], out[VKD_MAX_OUT], dout, din[VKD_MAX_IN];
    uint32_t scratch[VKD_MAX_SCRATCH];  // values; size 0 where unused
};

struct vkd_compiled {
    struct vkd_step_call *calls;
    struct vkd_value *values;
    uint32_t call_count, call_capacity, value_count, value_capacity;
    uint32_t *tensor_value;             // by tensor id: its value + 1, or 0
    uint32_t align;                     // bytes
    uint64_t block_size;                // no value crosses a multiple of this in the arena
    struct vkd_program_memory memory;
};

// What values in an arena are aligned to, and the size that none of its buffers passes.
uint32_t vkd__arena_align(const struct vkd_caps *caps);
uint64_t vkd__arena_block_size(const struct vkd_caps *caps);

// Orders the calls of `g` (and of its gradients), decides what shares storage, sizes scratch. On
// failure the log has the reason and *out needs no finish.
VKD_CHECKED vkd_result vkd__compile(const struct vkd_caps *caps, const struct vkd_log *log, vkd_graph *g,
                                    const struct vkd_program_params *p, struct vkd_compiled *out);
void vkd__compiled_finish(struct vkd_compiled *c);

// The dispatches of one call; the caller finishes `plan`.
VKD_CHECKED vkd_result vkd__call_plan(const struct vkd_step_call *sc, const struct vkd_log *log, struct vkd_plan *plan);

// "conv2d of layer1.0.conv1.weight": what a person would call it.
void vkd__call_name(const struct vkd_step_call *sc, char *text, size_t size);

// lifetime.c: gives every root value its place in the arena and fills c->memory.
VKD_CHECKED vkd_result vkd__lifetime_plan(struct vkd_compiled *c);

#endif
