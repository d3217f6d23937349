// program_impl.h -- what a program is made of. Internal to engine/.
#ifndef VKD_PROGRAM_IMPL_H
#define VKD_PROGRAM_IMPL_H

#include "compile.h"
#include "params_impl.h"

struct vkd_arena {
    vkd_device *dev;
    vkd_buffer **blocks;            // of block_size bytes, the last one maybe shorter
    uint32_t block_count;
    uint64_t size, block_size;
};

struct vkd_program {
    vkd_device *dev;
    vkd_graph *graph;
    vkd_params *params;
    struct vkd_compiled compiled;
    int32_t *param_index;           // by tensor id: index in params, or -1
    vkd_arena *arena, *own_arena;   // own_arena: NULL when it was given
    vkd_buffer *step_block, *one;   // one: 1.0 ...
    struct vkd_range loss_scale;    // ... which is the gradient of the loss unless another was given
    vkd_commands **segments;
    uint32_t segment_count, segment_capacity;
    struct vkd_range *bound;        // by root value: where the caller keeps it; buffer NULL: in the arena
    vkd_sequence *sequence;         // of the segments of an embedded program, else NULL
    bool training, backward;
};

// Where an operand lies; buffer NULL for VKD_PLACE_NONE.
struct vkd_range vkd__place_range(const struct vkd_program *p, struct vkd_place place, struct vkd_desc desc);

// Appends the dispatches of one call and adds their number to *dispatches.
VKD_CHECKED vkd_result vkd__record_call(const struct vkd_program *p, const struct vkd_step_call *sc, vkd_commands *cmds,
                                        uint32_t *dispatches);

// Runs the program once, from what lies in its inputs and its step block, and tells the seconds of each call in order;
// those that none can be charged with (submission, gaps) under the number UINT32_MAX. Without a clock on the device
// calls are submitted one by one and each is charged with all of its wait.
VKD_CHECKED vkd_result vkd__program_time(vkd_program *p, void (*tell)(void *user, const vkd_program *p, uint32_t call,
                                                                      double seconds), void *user);

#endif
