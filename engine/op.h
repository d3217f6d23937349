// op.h -- what an operation is. Internal to engine/.
//
// An op is constant data: one file engine/ops/NAME.c defines `const struct vkd_op vkd_op_NAME`,
// its kernels are shaders/NAME*.comp, its cases are rows of tests/op_rows/NAME.c. The build globs
// all three; there is no list to edit.
#ifndef VKD_OP_H
#define VKD_OP_H

#include <vkdiv/device.h>
#include <vkdiv/graph.h>

struct vkd_step_block;

enum { VKD_MAX_IN = 8, VKD_MAX_OUT = 4, VKD_MAX_SCRATCH = 6, VKD_MAX_BIND = 8 };

// A tensor as an op sees it.
struct vkd_desc {
    struct vkd_shape shape;
    enum vkd_dtype dtype;
};

// Everything an op may look at, and nothing else: no device, no graph.
struct vkd_call {
    const struct vkd_op *op;
    struct vkd_attr attr;
    struct vkd_desc in[VKD_MAX_IN], out[VKD_MAX_OUT];
    uint32_t in_count, out_count;
    bool training;                  // batch norm, dropout
    bool still;                     // training without updating running statistics
    uint32_t want;                  // backward: bit i asks for the gradient of in[i]
    const struct vkd_caps *caps;    // NULL inside shape()
    const struct vkd_step_block *step;  // ref() alone: what the step block holds
    char error[192];                // shape(): why the call is rejected
};

// What a kernel's binding refers to.
enum vkd_slot_kind {
    VKD_SLOT_IN,        // forward input i
    VKD_SLOT_OUT,       // forward output i
    VKD_SLOT_DOUT,      // gradient of output 0 (index 0 only)
    VKD_SLOT_DIN,       // gradient of input i: overwritten, never added to
    VKD_SLOT_SCRATCH,   // scratch i of this call: undefined at the start, gone afterwards
    VKD_SLOT_STEP,      // the step block (shaders/step_block.h)
};
struct vkd_slot {
    uint8_t kind, index;
    uint64_t ofs, size;     // bytes; size 0: to the end
};
#define VKD_IN(i)      ((struct vkd_slot) { VKD_SLOT_IN, (i), 0, 0 })
#define VKD_OUT(i)     ((struct vkd_slot) { VKD_SLOT_OUT, (i), 0, 0 })
#define VKD_DOUT       ((struct vkd_slot) { VKD_SLOT_DOUT, 0, 0, 0 })
#define VKD_DIN(i)     ((struct vkd_slot) { VKD_SLOT_DIN, (i), 0, 0 })
#define VKD_SCRATCH(i) ((struct vkd_slot) { VKD_SLOT_SCRATCH, (i), 0, 0 })
#define VKD_STEP       ((struct vkd_slot) { VKD_SLOT_STEP, 0, 0, 0 })

struct vkd_dispatch {
    char kernel[48];                        // "stem.variant"
    uint32_t spec[8], spec_count;           // specialisation constants
    uint32_t subgroup_size;                 // required, 0 for any
    struct vkd_slot bind[VKD_MAX_BIND];
    uint32_t bind_count;
    uint32_t groups[3];
    uint8_t  push[128];
    uint32_t push_size;
};

// What plan functions produce. Errors (no memory, a range that is too large) stick in `error`.
struct vkd_plan {
    struct vkd_dispatch *dispatches;        // malloc'd
    uint32_t count, capacity;
    uint64_t scratch_size[VKD_MAX_SCRATCH]; // bytes
    vkd_result result;
    char error[192];
};

struct vkd_op {
    const char *name;
    uint8_t in_min, in_max;
    uint32_t grad_in;       // bit i: in[i] has a gradient
    uint32_t reads_in;      // backward may read these forward inputs ...
    uint32_t reads_out;     // ... and these forward outputs; what it binds decides how long they live
    uint32_t updates_in;    // training forward overwrites these state inputs
    bool late;              // a training program runs it after its backward pass, which may read what it updates; it
                            // has no outputs, nothing needs to depend on it, other programs leave it out
    bool in_place;          // out[0] may lie on in[0] (same shape and dtype; elementwise)
    bool in_place_grad;     // DIN(0) may lie on DOUT
    uint32_t same_grad;     // bit i: the gradient of in[i] is DOUT itself; a graph then needs no dispatch

    // Fills out[] and out_count. False rejects the call with c->error (expected, found).
    bool (*shape)(struct vkd_call *c);

    // Appends the dispatches of the forward pass, or of the backward pass for c->want.
    void (*forward)(const struct vkd_call *c, struct vkd_plan *p);
    void (*backward)(const struct vkd_call *c, struct vkd_plan *p);

    // The forward definition on the CPU, in double, on padded layouts (u32 inputs as doubles).
    // State inputs are updated in place. It is the oracle for the forward kernel and, by finite
    // differences, for the backward kernel.
    void (*ref)(const struct vkd_call *c, double *const in[], double *const out[]);
};

// ---- Shapes ----
static inline uint32_t vkd__pad4(uint32_t c) { return (c + 3) & ~3u; }
static inline uint32_t vkd__rows(struct vkd_shape s) { return s.d[0] * s.d[1] * s.d[2]; }
// Elements in memory, padding included.
static inline uint64_t vkd__numel(struct vkd_shape s) { return (uint64_t) vkd__rows(s) * vkd__pad4(s.d[3]); }
static inline bool vkd__is_half(enum vkd_dtype t) { return t == VKD_F16 || t == VKD_BF16; }
static inline uint32_t vkd__dtype_size(enum vkd_dtype t) { return vkd__is_half(t) ? 2 : 4; }
static inline uint64_t vkd__desc_size(struct vkd_desc d) { return vkd__numel(d.shape) * vkd__dtype_size(d.dtype); }
// Index of element (n, h, w, c).
static inline uint64_t vkd__at(struct vkd_shape s, uint32_t n, uint32_t h, uint32_t w, uint32_t c)
{
    return (((uint64_t) n * s.d[1] + h) * s.d[2] + w) * vkd__pad4(s.d[3]) + c;
}
static inline uint32_t vkd__div_up(uint64_t a, uint32_t b) { return (uint32_t) ((a + b - 1) / b); }

// ---- op_util.c ----
bool vkd__reject(struct vkd_call *c, const char *format, ...) VKD_PRINTF(2, 3);     // returns false
bool vkd__shape_same(struct vkd_call *c);       // out[0] = in[0]
// Appends a zeroed dispatch of `kernel` with `push`; NULL after a sticky error. The caller fills
// the bindings with vkd__bind and may change groups and spec.
struct vkd_dispatch *vkd__dispatch(struct vkd_plan *p, const char *kernel, const void *push, uint32_t push_size,
                                   uint32_t gx, uint32_t gy, uint32_t gz);
void vkd__bind(struct vkd_dispatch *d, struct vkd_slot s);      // NULL d is fine
// Asks for `size` bytes of scratch `index` (the largest request counts).
void vkd__scratch(struct vkd_plan *p, uint32_t index, uint64_t size);
void vkd__plan_finish(struct vkd_plan *p);      // frees
// Splits `count` workgroups over x and y when x alone would pass the limit; kernels linearise
// with gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x and check the end.
void vkd__groups_1d(const struct vkd_call *c, uint64_t count, uint32_t groups[3]);
// Whether a kernel whose largest source has `numel` elements reads through texel views (shaders/load.glsl): CPU drivers
// that have as many texels, of 4 elements each.
bool vkd__loads_texels(const struct vkd_caps *caps, uint64_t numel);
// The variant of shaders/load.glsl for tensors stored as `t`.
const char *vkd__load_name(const struct vkd_caps *caps, bool texel, enum vkd_dtype t);
// Sets its specialisation constant 0. To be called before other constants are added; NULL d is fine.
void vkd__load_spec(struct vkd_dispatch *d, enum vkd_dtype t);
bool vkd__is_real(enum vkd_dtype t);            // f32, f16 or bf16
const char *vkd__dtype_name(enum vkd_dtype t);

// ---- op_table.c ----
const struct vkd_op *vkd__op_find(const char *name);            // NULL if absent
const struct vkd_op *vkd__op_at(uint32_t index);                // NULL past the end

#endif
