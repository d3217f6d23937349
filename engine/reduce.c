// reduce.c -- plans of reductions: stages of partial sums, each short enough for one thread.
#include "reduce.h"
#include "pc_reduce.h"

#include <string.h>

enum {
    ITEMS_MAX = 4096,       // per thread: drivers exist that end loops after 65,535 iterations
    ITEMS_DIRECT = 256,     // up to here one stage is best
};

// Neighbouring dimensions that are all kept or all summed, innermost first.
struct groups { uint32_t count[2], stride[2], used; };

static void add_dimension(struct groups *g, bool starts, uint32_t size, uint32_t stride)
{
    if (starts) {
        g->count[g->used] = 1;
        g->stride[g->used++] = stride;
    }
    g->count[g->used - 1] *= size;
}

static void split_groups(struct vkd_shape shape, uint32_t axes, struct groups *kept, struct groups *items)
{
    uint32_t stride = 1;
    int last = -1;
    for (int i = 3; i >= 0; i--) {
        uint32_t size = i == 3 ? vkd__pad4(shape.d[3]) / 4 : shape.d[i];
        int summed = axes >> i & 1;
        if (size > 1)
            add_dimension(summed ? items : kept, summed != last, size, stride);
        if (size > 1)
            last = summed;
        stride *= size;
    }
    if (!kept->used)
        add_dimension(kept, true, 1, 0);
    if (!items->used)
        add_dimension(items, true, 1, 0);
}

static uint32_t total(const struct groups *g)
{
    return g->count[0] * (g->used > 1 ? g->count[1] : 1);
}

// How many parts `items` are summed in: about their square root, so that both stages are short.
static uint32_t chunk_count(uint32_t items)
{
    if (items <= ITEMS_DIRECT)
        return 1;
    uint32_t length = 16;
    while (length < ITEMS_MAX && (uint64_t) length * length < items)
        length *= 2;
    return vkd__div_up(items, length);
}

void vkd__reduce(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst,
                 struct vkd_desc desc, uint32_t axes, float scale)
{
    struct groups kept = { 0 }, items = { 0 };
    enum vkd_dtype type = desc.dtype;
    split_groups(desc.shape, axes, &kept, &items);
    struct vkd_pc_reduce pc = {
        .outputs = total(&kept),
        .items = total(&items),
        .neighbours = items.stride[0] == 1,
        .kept_inner = kept.count[0],
        .kept_stride = { kept.stride[0], kept.stride[1] },
        .item_inner = items.count[0],
        .item_stride = { items.stride[0], items.stride[1] },
    };
    for (uint32_t stage = 0;; stage++) {
        pc.chunks = chunk_count(pc.items);
        bool last = pc.chunks == 1;
        pc.across = last && (axes >> 3 & 1);
        pc.scale = last ? scale : 1;
        uint32_t groups[3];
        vkd__groups_1d(c, vkd__div_up((uint64_t) pc.outputs * pc.chunks, 64), groups);
        struct vkd_dispatch *d = vkd__dispatch(p, vkd__is_half(type) ? "reduce.buffer_half" : "reduce.buffer", &pc,
                                               sizeof(pc), groups[0], groups[1], groups[2]);
        vkd__load_spec(d, type);
        vkd__bind(d, src);
        vkd__bind(d, last ? dst : VKD_SCRATCH(stage % 2));
        if (last)
            return;
        vkd__scratch(p, stage % 2, (uint64_t) pc.chunks * pc.outputs * 16);
        src = VKD_SCRATCH(stage % 2);
        type = VKD_F32;
        pc = (struct vkd_pc_reduce) {
            .outputs = pc.outputs,
            .items = pc.chunks,
            .kept_inner = pc.outputs,
            .kept_stride = { 1, 0 },
            .item_inner = pc.chunks,
            .item_stride = { pc.outputs, 0 },
        };
    }
}

static struct vkd_shape reduced(struct vkd_shape s, uint32_t axes)
{
    for (int i = 0; i < 4; i++)
        if (axes >> i & 1)
            s.d[i] = 1;
    return s;
}

void vkd__reduce_back(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot src, struct vkd_slot dst,
                      struct vkd_shape shape, uint32_t axes, float scale)
{
    struct vkd_shape y = reduced(shape, axes);
    uint32_t stride = 1;
    struct vkd_pc_reduce_back pc = {
        .count = (uint32_t) (vkd__numel(shape) / 4),
        .c = shape.d[3],
        .d = { shape.d[0], shape.d[1], shape.d[2], vkd__pad4(shape.d[3]) / 4 },
        .across = axes >> 3 & 1,
        .scale = scale,
    };
    for (int i = 3; i >= 0; i--) {
        pc.stride[i] = axes >> i & 1 ? 0 : stride;
        stride *= i == 3 ? vkd__pad4(y.d[3]) / 4 : y.d[i];
    }
    uint32_t groups[3];
    vkd__groups_1d(c, vkd__div_up(pc.count, 256), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, "reduce_back", &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__bind(d, src);
    vkd__bind(d, dst);
}

bool vkd__reduce_shape(struct vkd_call *c)
{
    if (c->in[0].dtype != VKD_F32)
        return vkd__reject(c, "the input must be f32; cast it first");
    if (c->attr.axes == 0 || c->attr.axes > 15)
        return vkd__reject(c, "axes must have some of the bits 0 to 3, found 0x%x", c->attr.axes);
    vkd__shape_same(c);
    c->out[0].shape = reduced(c->in[0].shape, c->attr.axes);
    return true;
}

void vkd__reduce_ref(const struct vkd_call *c, const double *x, double *y, double scale)
{
    struct vkd_shape s = c->in[0].shape, o = c->out[0].shape;
    uint32_t axes = c->attr.axes;
    memset(y, 0, (size_t) vkd__numel(o) * sizeof(*y));
    for (uint32_t n = 0; n < s.d[0]; n++)
        for (uint32_t h = 0; h < s.d[1]; h++)
            for (uint32_t w = 0; w < s.d[2]; w++)
                for (uint32_t k = 0; k < s.d[3]; k++)
                    y[vkd__at(o, axes & 1 ? 0 : n, axes & 2 ? 0 : h, axes & 4 ? 0 : w, axes & 8 ? 0 : k)] +=
                        scale * x[vkd__at(s, n, h, w, k)];
}
