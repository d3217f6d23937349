// program.h -- parameters on a device, and graphs compiled to recorded command lists.
#ifndef VKDIV_PROGRAM_H
#define VKDIV_PROGRAM_H

#include <vkdiv/embed.h>
#include <vkdiv/graph.h>

VKD_BEGIN

struct vkd_step_block;      // shaders/step_block.h

// ---- Parameters -------------------------------------------------------------------------------

// Every parameter and state tensor of a model, by name: values and gradients, each kind in one
// flat buffer so that an optimiser is one dispatch. Programs of different graphs share one store.
//
// Thread-safety of everything below: that of the device.
typedef struct vkd_params vkd_params;

struct vkd_param_info {
    const char *name;
    struct vkd_shape shape;         // in memory
    uint32_t logical_in;            // unpadded C of a weight
    uint64_t ofs;                   // elements from the start of its flat buffer
    uint64_t numel;                 // elements in memory
    uint32_t fan_in, fan_out;
    uint32_t rank;                  // 1, 2 or 4: see struct vkd_param_params
    enum vkd_init init;
    bool state, no_decay;
};

// Collects the parameters of `g` (trainable ones first) and allocates them. `gradients` false
// saves that memory for evaluation.
VKD_CHECKED vkd_result vkd_params_create(vkd_device *dev, const vkd_graph *g, bool gradients, vkd_params **out);
// The same for those of `count` graphs: a name that several declare is one parameter.
VKD_CHECKED vkd_result vkd_params_create_all(vkd_device *dev, const vkd_graph *const *graphs, uint32_t count, bool gradients,
                                             vkd_params **out);
void vkd_params_destroy(vkd_params **p);

// Starts every parameter from its vkd_init with Philox streams keyed by (seed, name): the same
// numbers on every device.
VKD_CHECKED vkd_result vkd_params_init(vkd_params *p, uint64_t seed);

uint32_t vkd_params_count(const vkd_params *p);
const struct vkd_param_info *vkd_params_at(const vkd_params *p, uint32_t index);
int vkd_params_find(const vkd_params *p, const char *name);     // -1 if absent

// Copies one parameter to or from `data`: `numel` floats in the device's padded layout.
VKD_CHECKED vkd_result vkd_params_read(vkd_params *p, uint32_t index, float *data);
VKD_CHECKED vkd_result vkd_params_write(vkd_params *p, uint32_t index, const float *data);
VKD_CHECKED vkd_result vkd_params_read_grad(vkd_params *p, uint32_t index, float *data);

// The flat buffers: trainable values then states (values), trainable only (gradients, NULL without).
struct vkd_range vkd_params_values(const vkd_params *p);
struct vkd_range vkd_params_trainable(const vkd_params *p);
struct vkd_range vkd_params_gradients(const vkd_params *p);

// xxHash64 of all values' bytes: equal runs have equal hashes.
VKD_CHECKED vkd_result vkd_params_hash(vkd_params *p, uint64_t *hash);

// ---- Programs ---------------------------------------------------------------------------------

typedef struct vkd_program vkd_program;

// Memory for activations that several programs of one device use in turn: what lies in it is lost when
// another of them runs. It must outlive them.
typedef struct vkd_arena vkd_arena;
VKD_CHECKED vkd_result vkd_arena_create(vkd_device *dev, uint64_t size, vkd_arena **out);
void vkd_arena_destroy(vkd_arena **a);
uint64_t vkd_arena_size(const vkd_arena *a);        // bytes

// An input or marked tensor that lies in a buffer of the caller's, wrapped (embed.h) or not, instead of the arena:
// nothing is copied. The range holds the tensor as the graph lays it out (NHWC, the last dimension padded to a
// multiple of 4 by zeros) and begins at a multiple of vkd_caps.storage_align, and of texel_align where cpu is set.
struct vkd_binding {
    const char *name;
    struct vkd_range range;         // at least as large as the tensor
};

struct vkd_program_params {
    bool training;          // batch norm by batch statistics, dropout on
    bool backward;          // also the gradients of the graph's loss with respect to its parameters
    bool still;             // training, but running statistics stay as they are
    struct vkd_range loss_scale;    // 4 floats, the last three 0: the gradient of the loss (vkd_optimizer_loss_scale);
                                    // buffer NULL: 1
    vkd_arena *arena;       // at least vkd_program_memory.arena bytes (see vkd_program_estimate); NULL: one of its own
    const struct vkd_binding *bindings;     // borrowed for the call; their buffers outlive the program
    uint32_t binding_count;
    bool embedded;          // for vkd_program_embed instead of vkd_program_run
    struct vkd_edges edges; // of an embedded one: how the application touches what the program uses, before and after
    uint32_t segment_dispatches;            // most dispatches of a segment, the least that a budget can divide; 0: 96
    // Called now and then, `done` of `total` calls being recorded and their kernels compiled; false stops the creation,
    // which then returns VKD_INTERRUPTED. NULL: nobody asks.
    bool (*progress)(void *user, uint32_t done, uint32_t total);
    void *progress_user;
};

// Compiles `g`: orders it, plans one arena by lifetimes, records the dispatches. `g`, `params` (NULL: the graph
// has no parameters) and a given arena must outlive the program.
//
//   VKD_INVALID      the graph has an error, a parameter that `params` has not or in another shape, or a binding
//                    that does not fit
//   VKD_NO_MEMORY    the log says how much is needed and how much there is
//   VKD_INTERRUPTED  by p->progress
//
// Thread-safety: that of the device, as for all below.
VKD_CHECKED vkd_result vkd_program_create(vkd_device *dev, vkd_graph *g, vkd_params *params,
                                          const struct vkd_program_params *p, vkd_program **out);
void vkd_program_destroy(vkd_program **p);

// Bytes: what the arena holds, what a perfect plan would need (the largest sum of live tensors),
// and what the same tensors would take without sharing.
struct vkd_program_memory { uint64_t arena, lower_bound, unshared; };
struct vkd_program_memory vkd_program_memory(const vkd_program *p);

// The same figures without a device's memory, for "does it fit".
VKD_CHECKED vkd_result vkd_program_estimate(const struct vkd_caps *caps, vkd_graph *g,
                                            const struct vkd_program_params *p, struct vkd_program_memory *out);

// Where an input, parameter or marked tensor lies (valid until the program is destroyed).
VKD_CHECKED vkd_result vkd_program_range(vkd_program *p, const char *name, struct vkd_range *out);

// The step block, a DEVICE buffer of sizeof(struct vkd_step_block).
struct vkd_range vkd_program_step_block(vkd_program *p);

// The recorded segments in order, to be submitted by vkd_submit among other lists.
vkd_commands *const *vkd_program_segments(vkd_program *p, uint32_t *count);

// Writes the step block and submits all segments; returns at once. NULL `step`: all zeros.
VKD_CHECKED vkd_result vkd_program_run(vkd_program *p, const struct vkd_step_block *step, uint64_t *ticket);

// Appends the program to a command buffer of the application: of an embedded program the segments that come next, as
// many as `budget` (NULL: no limit) allows. *finished (NULL is allowed) tells whether the last one is among them; until
// then the inputs must stay as they are. The step block is written before the first segment; NULL leaves it as it is, zeros
// at first (image_count: all).
//
//   VKD_INVALID      the program is not embedded, or the command buffer is NULL
//   VKD_DEVICE_LOST
VKD_CHECKED vkd_result vkd_program_embed(vkd_program *p, VkCommandBuffer cb, const struct vkd_step_block *step,
                                         const struct vkd_budget *budget, bool *finished);

// How far that is, and what it takes on the GPU.
struct vkd_sequence_state vkd_program_embed_state(const vkd_program *p);

// Runs the program once more, tensor by tensor, and names the first that holds a NaN or an
// infinity: "gradient of layer3.0.conv1.weight". `text` is "" when all are finite. For diagnosis
// after a training diverged; slow.
VKD_CHECKED vkd_result vkd_program_find_nonfinite(vkd_program *p, char *text, size_t size);

// Runs the program call by call, each `repeats` times after one run to warm up, and tells the median
// seconds of each by the GPU's clock (all 0 where it has none). `name` is what find_nonfinite would
// call it, `shape` that of its first output or wanted gradient; both live for the call alone.
VKD_CHECKED vkd_result vkd_program_profile(vkd_program *p, uint32_t repeats,
                                           void (*tell)(void *user, const char *name, struct vkd_shape shape, double seconds),
                                           void *user);

VKD_END
#endif
