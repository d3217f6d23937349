// op_row.h -- one case of an operation as data: tests/op_rows/NAME.c holds
//
//   const struct op_row vkd_rows_NAME[] = {
//       { .op = "relu", .in = { F32(2, 7, 5, 3) }, .keep_off = 1e-3f },
//   };
//   OP_ROWS_COUNT(NAME)
//
// and the build globs the files. op_check.c says what is done with a row.
#ifndef OP_ROW_H
#define OP_ROW_H

#include "engine/op.h"

// One input. Elements are drawn uniformly from [lo, hi), padding lanes are 0.
struct op_row_in {
    struct vkd_shape shape;
    enum vkd_dtype dtype;
    float lo, hi;           // both 0: -1 to 1
    uint32_t u_lo, u_hi;    // u32: integers of [u_lo, u_hi)
    float no_label;         // u32: probability of 0xffffffff instead
    uint32_t logical_in;    // a weight whose d[2] is padded: rows d[2] from here on are 0 (0: none)
};
#define F32(n, h, w, c)                 { .shape = { { n, h, w, c } } }
#define F32_IN(n, h, w, c, low, high)   { .shape = { { n, h, w, c } }, .lo = (low), .hi = (high) }
#define F16(n, h, w, c)                 { .shape = { { n, h, w, c } }, .dtype = VKD_F16 }
#define BF16(n, h, w, c)                { .shape = { { n, h, w, c } }, .dtype = VKD_BF16 }
// A weight (r, s, c, k) for an input of `c` channels, unpadded.
#define WEIGHT(r, s, c, k)              { .shape = { { r, s, ((c) + 3) & ~3, k } }, .logical_in = (c) }
// `count` integers below `limit`: labels.
#define U32(count, limit)               { .shape = { { 1, 1, 1, count } }, .dtype = VKD_U32, .u_hi = (limit) }
#define U32_SOME(count, limit, none)    { .shape = { { 1, 1, 1, count } }, .dtype = VKD_U32, .u_hi = (limit), \
                                          .no_label = (none) }

// Bounds; 0 means the default. Tensors of 16 bits may differ by half a unit in the last place more.
struct op_row_tol {
    double nmse;            // sum((got - ref)^2) / sum(ref^2): 1e-12
    double max;             // |got - ref| / (|ref| + rms(ref)): 1e-5
    double grad;            // the same for gradients: 2e-5
    const char *why;        // must be given with any of the above
};

struct op_row {
    const char *op;
    struct op_row_in in[VKD_MAX_IN];    // up to the first all-zero shape
    struct vkd_attr attr;
    bool training;
    bool force_gpu_family;  // plans see caps with cpu = false
    uint32_t range_max, group_max;      // plans see these limits of a binding's bytes and of workgroups in x; 0: real
    bool nan;               // some inputs are NaN: where the reference is NaN the device must be; forward only
    uint32_t want;          // gradients asked for; 0: all that the op has
    const char *no_grad;    // why the gradient is by definition not that of the reference: forward only
    uint32_t opaque_out;    // bit i: out[i] is understood by backward alone and not compared
    float keep_off;         // > 0: difference quotients with a kink within this distance are left out
    uint32_t samples;       // elements per input for difference quotients; 0: 24
    uint32_t seed;          // change it when a draw is unlucky
    struct op_row_tol tol;
    const char *rejects;    // shape() must reject the call with a text that contains this
};

#define OP_ROWS_COUNT(name) \
    const uint32_t vkd_rows_##name##_count = sizeof(vkd_rows_##name) / sizeof(vkd_rows_##name[0]);

#endif
