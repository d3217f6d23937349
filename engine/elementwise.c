// elementwise.c -- plans of ops that treat every element alike.
#include "elementwise.h"

#include <stdio.h>
#include <string.h>

bool vkd__elementwise_shape(struct vkd_call *c)
{
    for (uint32_t i = 0; i < c->in_count; i++) {
        if (!vkd__is_real(c->in[i].dtype) || c->in[i].dtype != c->in[0].dtype)
            return vkd__reject(c, "inputs must be f32, f16 or bf16, all the same, found %s and %s; cast input %u first",
                               vkd__dtype_name(c->in[0].dtype), vkd__dtype_name(c->in[i].dtype), i);
        const uint32_t *a = c->in[0].shape.d, *b = c->in[i].shape.d;
        if (memcmp(a, b, sizeof(c->in[0].shape.d)))
            return vkd__reject(c, "inputs must have the same shape, found (%u, %u, %u, %u) and (%u, %u, %u, %u)",
                               a[0], a[1], a[2], a[3], b[0], b[1], b[2], b[3]);
    }
    return vkd__shape_same(c);
}

static struct vkd_desc slot_desc(const struct vkd_call *c, struct vkd_slot s)
{
    return s.kind == VKD_SLOT_IN || s.kind == VKD_SLOT_DIN ? c->in[s.index] : c->out[s.index];
}

// The type that the kernel's variant is for: of 16 bits if that of any tensor is.
static enum vkd_dtype variant_type(const struct vkd_call *c, const struct vkd_slot *slots, uint32_t slot_count)
{
    enum vkd_dtype t = VKD_F32;
    for (uint32_t i = 0; i < slot_count; i++)
        if (slots[i].kind != VKD_SLOT_STEP && vkd__is_half(slot_desc(c, slots[i]).dtype))
            t = slot_desc(c, slots[i]).dtype;
    return t;
}

void vkd__elementwise(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                      const struct vkd_pc_elementwise *pc, const struct vkd_slot *slots, uint32_t slot_count)
{
    uint64_t count = vkd__numel(slot_desc(c, slots[slot_count - 1]).shape) / 4;
    // Windows start at multiples of 64 KiB, which any alignment divides.
    uint64_t window = c->caps->storage_range_max / 65536 * 65536 / 16;
    char variant[48];
    enum vkd_dtype type = variant_type(c, slots, slot_count);
    bool texel = vkd__loads_texels(c->caps, (count < window ? count : window) * 4);
    snprintf(variant, sizeof(variant), "%s.%s", kernel, vkd__load_name(c->caps, texel, type));
    for (uint64_t first = 0; first < count; first += window) {
        uint64_t here = count - first < window ? count - first : window;
        struct vkd_pc_elementwise push = { 0 };
        if (pc)
            push = *pc;
        push.count = (uint32_t) here;
        push.first = (uint32_t) first;
        uint32_t groups[3];
        vkd__groups_1d(c, vkd__div_up(here, 256), groups);
        struct vkd_dispatch *d = vkd__dispatch(p, variant, &push, sizeof(push), groups[0], groups[1], groups[2]);
        vkd__load_spec(d, type);
        for (uint32_t i = 0; i < slot_count; i++) {
            struct vkd_slot s = slots[i];
            uint32_t quad = s.kind == VKD_SLOT_STEP ? 0 : 4 * vkd__dtype_size(slot_desc(c, s).dtype);
            if (quad && vkd__numel(slot_desc(c, s).shape) / 4 == count) {
                s.ofs = first * quad;
                s.size = here * quad;
            }
            vkd__bind(d, s);
        }
    }
}

void vkd__scale(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst, float alpha)
{
    struct vkd_pc_elementwise pc = { .alpha = alpha };
    vkd__elementwise(c, p, "scale", &pc, (struct vkd_slot[]) { src, dst }, 2);
}

void vkd__unary_forward(const struct vkd_call *c, struct vkd_plan *p)
{
    char kernel[48];
    snprintf(kernel, sizeof(kernel), "%s.fwd", c->op->name);
    vkd__elementwise(c, p, kernel, NULL, (struct vkd_slot[]) { VKD_IN(0), VKD_OUT(0) }, 2);
}

void vkd__unary_backward(const struct vkd_call *c, struct vkd_plan *p)
{
    char kernel[48];
    snprintf(kernel, sizeof(kernel), "%s.bwd", c->op->name);
    struct vkd_slot from = c->op->reads_in ? VKD_IN(0) : VKD_OUT(0);
    vkd__elementwise(c, p, kernel, NULL, (struct vkd_slot[]) { from, VKD_DOUT, VKD_DIN(0) }, 3);
}
