// gemm.h -- matrix products as dispatches, for matmul and conv2d. Internal to engine/.
//
// Two kernel families compute the same forms: gemm_register on CPU drivers, gemm_shared on GPUs.
#ifndef VKD_GEMM_H
#define VKD_GEMM_H

#include "../op.h"

// The forms of a product, by the names of the kernel variants.
enum vkd_gemm_form { VKD_GEMM_NN, VKD_GEMM_NT, VKD_GEMM_TN, VKD_GEMM_TT,
                     VKD_GEMM_FORWARD, VKD_GEMM_DGRAD, VKD_GEMM_WGRAD };

// Which kernel, and the part of C that one workgroup computes.
struct vkd_gemm_tile {
    char kernel[48];
    uint32_t m, n;
    uint32_t subgroup_size;
};

// The fastest kernel for `form` with `n` columns whose operands A and B have so many elements. `type`: see
// struct vkd_gemm.
struct vkd_gemm_tile vkd__gemm_tile(const struct vkd_caps *caps, enum vkd_gemm_form form, enum vkd_dtype type, uint32_t n,
                                    uint64_t numel_a, uint64_t numel_b);

// C (m, n) = op(A) op(B). Pitches and strides are elements, multiples of 4; padding is zero.
struct vkd_gemm {
    enum vkd_dtype type;                // of A and C; with trans_a, which gives gradients of weights, of A and B. The
                                        // other one is f32
    uint32_t m, n, k;
    bool trans_a, trans_b;              // A is stored (k, m), B is stored (n, k)
    uint32_t lda, ldb, ldc;
    uint32_t batch;                     // 0 means 1
    uint32_t stride_a, stride_b;        // between batch members; those of C are contiguous
    struct vkd_slot a, b, c;
};

// Appends the product. A long reduction is split over workgroups and summed in a fixed order
// through scratch `scratch`.
void vkd__gemm(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_gemm *g, uint32_t scratch);

// In how many parts a reduction of length k is cut when a part is computed by `tiles` workgroups,
// `part_size` bytes of C each: enough to fill the device, short enough for a driver's loop limits.
uint32_t vkd__reduction_parts(const struct vkd_caps *caps, uint64_t tiles, uint32_t k, uint64_t part_size);

// Elements from part to part of `numel` each, so that any part may begin a binding.
uint64_t vkd__part_stride(const struct vkd_caps *caps, uint64_t numel);

// Appends y (of `type`) = sum of `parts` f32 arrays of `numel` elements, `stride` elements apart in `from`.
void vkd__sum_parts(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot from, struct vkd_slot y,
                    enum vkd_dtype type, uint64_t numel, uint64_t stride, uint32_t parts);

// Sets the specialisation constants of a matrix kernel; `wide`: C is f32 whatever the variant.
void vkd__gemm_spec(struct vkd_dispatch *d, enum vkd_dtype type, bool wide);

// The first error of a plan.
void vkd__plan_fail(struct vkd_plan *p, vkd_result r, const char *format, ...) VKD_PRINTF(3, 4);

// The part of `s` from `ofs` on, `size` bytes long.
struct vkd_slot vkd__slot_part(struct vkd_slot s, uint64_t ofs, uint64_t size);

// The number of rows of `row_size_a` and `row_size_b` bytes after which a binding may begin.
uint32_t vkd__rows_unit(const struct vkd_caps *caps, uint64_t row_size_a, uint64_t row_size_b);

// How many rows of `row_size_a` and `row_size_b` bytes, at most `rows`, fit one storage binding each
// such that the next part begins at an allowed offset; 0 if none.
uint32_t vkd__rows_per_binding(const struct vkd_caps *caps, uint32_t rows, uint64_t row_size_a, uint64_t row_size_b);

#endif
