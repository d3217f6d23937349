// pc_gemm.h -- push constants of the matrix product kernels (gemm_register, gemm_shared).
//
// All indices and pitches count vec4. A kernel computes an (m, n) matrix C; the reduction over k may
// be split: part s of batch member b writes C number s * batch + b.
#ifndef VKD_PC_GEMM_H
#define VKD_PC_GEMM_H
#include "shared.h"

struct vkd_pc_gemm {
    u32 m, n, k;                        // elements
    u32 tiles_n;                        // tiles across; workgroups are numbered row by row
    u32 lda, ldb, ldc;                  // row pitch
    u32 batch;
    u32 stride_a, stride_b, stride_c;   // between batch members
    u32 split;                          // length of a part of k, a multiple of 4 elements
};
VKD_PC_CHECK(vkd_pc_gemm)

// Convolution as a matrix product whose A is gathered from an image: A's row (image, y, x) and tap
// (u, v) is the pixel (y * mul + base + u * step) of `src`, or zero outside.
//
//   forward  rows are pixels of y, src is x; B is the filter (tap, C, K)
//   dgrad    rows are the pixels of dx that share a remainder by the stride, src is dy; B is the
//            filter with each tap's matrix transposed
//   wgrad    C is the filter's gradient, m counts (tap, C); k counts the pixels of dy, which is B
//
// conv_depthwise gathers in the same way: m counts threads; of wgrad k counts rows of dy, `split` is
// rows and stride_c lies between parts.
struct vkd_pc_gather {
    u32 m, n, k;                        // k: wgrad only
    u32 tiles_n;
    u32 ldb, ldc, stride_c, split;
    u32 rows_h, rows_w;                 // the pixels that are rows (wgrad: the reduction)
    u32 src_h, src_w, src_c;            // src_c in vec4
    i32 mul_y, mul_x, base_y, base_x, step_y, step_x;
    u32 taps_y, taps_x;
    u32 tap0, tap_dy, tap_dx;           // filter tap of (u, v): tap0 + u * tap_dy + v * tap_dx
    u32 tap_stride;                     // vec4 between taps of the filter
    u32 out_h, out_w;                   // the image that rows are written to ...
    u32 out_mul, out_base;              // ... at pixel y * mul + base; x in the upper 16 bits
};
VKD_PC_CHECK(vkd_pc_gather)
#endif
