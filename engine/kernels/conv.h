// conv.h -- the ways conv2d is computed. Internal to engine/.
//
// Slots are x, w, y in forward; dy, w, dx in dgrad; x, dy, dw in wgrad: two that are read, one that is
// written.
#ifndef VKD_CONV_H
#define VKD_CONV_H

#include "gemm.h"
#include "pc_gemm.h"

// The geometry with the defaults filled in.
struct vkd_conv {
    enum vkd_dtype type;        // of x and y; w is f32
    uint32_t n, h, w, c;        // x, channels unpadded
    uint32_t oh, ow, k;         // y
    uint32_t r, s;              // filter
    uint32_t stride[2], pad[2], dilation[2], groups;
};

// What a way of computing takes.
struct vkd_conv_slots { struct vkd_slot a, b, out; };

enum vkd_conv_pass { VKD_CONV_FORWARD, VKD_CONV_DGRAD, VKD_CONV_WGRAD };

// conv_geometry.c: the fields of a gather that say where its pixels lie, for forward and wgrad ...
struct vkd_pc_gather vkd__conv_taps(const struct vkd_conv *v);
// ... and for dgrad, which takes several; false past the last.
bool vkd__conv_taps_back(const struct vkd_conv *v, uint32_t index, struct vkd_pc_gather *pc);

// conv_geometry.c: elements in memory and bytes of an image of x, of y.
struct vkd_conv_image { uint64_t numel_x, numel_y, size_x, size_y; };
struct vkd_conv_image vkd__conv_image(const struct vkd_conv *v);

// conv_geometry.c: how many images of x and y a binding holds; fails the plan when none.
uint32_t vkd__images_per_binding(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v);

// conv_gather.c: any kernel, stride, padding and dilation without groups, as one matrix product
// whose A is gathered from the image. 1x1 of stride 1 is a plain product.
void vkd__conv_gather(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                      enum vkd_conv_pass pass, struct vkd_conv_slots slots);

// conv_winograd.c: 3x3, stride 1, dilation 1, no groups, padding up to 2. All that is transformed is f32, also of images
// in 16 bits, which could not hold it as exactly. Measured in f32 for C 16 to 256
// against double: the largest error is 2e-5 to 4e-5 of the results' rms, of vkd__conv_gather 2e-6 to 7e-6.
bool vkd__conv_winograd_fits(const struct vkd_caps *caps, const struct vkd_conv *v, enum vkd_conv_pass pass);
// Is it faster than vkd__conv_gather, by a static rule?
bool vkd__conv_winograd_pays(const struct vkd_caps *caps, const struct vkd_conv *v, enum vkd_conv_pass pass);
void vkd__conv_winograd(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                        enum vkd_conv_pass pass, struct vkd_conv_slots slots);

// conv_depthwise.c: one channel per group.
void vkd__conv_depthwise(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                         enum vkd_conv_pass pass, struct vkd_conv_slots slots);

// conv_grouped.c: any number of groups.
void vkd__conv_grouped(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_conv *v,
                       enum vkd_conv_pass pass, struct vkd_conv_slots slots);

#endif
