// channels.c -- copying channels by slice.comp.
#include "channels.h"
#include "pc_slice.h"

void vkd__channels(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_shape src_shape,
                   uint32_t from, struct vkd_slot dst, struct vkd_shape dst_shape, uint32_t lo, uint32_t count,
                   bool all)
{
    struct vkd_pc_slice pc = {
        .rows = vkd__rows(src_shape),
        .x_width = vkd__pad4(src_shape.d[3]) / 4,
        .y_width = vkd__pad4(dst_shape.d[3]) / 4,
        .lo = (int32_t) lo,
        .hi = (int32_t) (lo + count),
        .from = (int32_t) from,
    };
    pc.first = all ? 0 : lo / 4;
    pc.width = (all ? pc.y_width : vkd__div_up(lo + count, 4)) - pc.first;
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up((uint64_t) pc.rows * pc.width, 256), groups);
    static const char *const kernels[2][2] = { { "slice.merge", "slice.merge_half" }, { "slice.copy", "slice.copy_half" } };
    const char *kernel = kernels[all || lo % 4 == 0][vkd__is_half(c->in[0].dtype)];
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, src);
    vkd__bind(d, dst);
}
