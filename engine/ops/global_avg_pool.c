// global_avg_pool.c -- the mean over all pixels of an image: (N, H, W, C) -> (N, 1, 1, C), f32 whatever x is stored as.
#include "../op.h"
#include "pc_pool.h"

#include <stdio.h>

enum { CHUNK = 1024, CHUNKS_MAX = 4096 };

static uint32_t pixels(const struct vkd_call *c) { return c->in[0].shape.d[1] * c->in[0].shape.d[2]; }

static bool shape(struct vkd_call *c)
{
    struct vkd_shape s = c->in[0].shape;
    if (!vkd__is_real(c->in[0].dtype))
        return vkd__reject(c, "x must be f32, f16 or bf16, found %s", vkd__dtype_name(c->in[0].dtype));
    if ((uint64_t) s.d[1] * s.d[2] > (uint64_t) CHUNK * CHUNKS_MAX)
        return vkd__reject(c, "an image must have at most %d pixels, found %u x %u", CHUNK * CHUNKS_MAX, s.d[1],
                           s.d[2]);
    c->out[0] = (struct vkd_desc) { { { s.d[0], 1, 1, s.d[3] } }, VKD_F32 };
    c->out_count = 1;
    return true;
}

static struct vkd_dispatch *over_chunks(const struct vkd_call *c, struct vkd_plan *p, const char *kernel,
                                        enum vkd_dtype type, uint32_t rows, uint32_t per_chunk, float scale)
{
    struct vkd_pc_group_sum pc = { .groups = c->in[0].shape.d[0], .rows = rows,
                                   .c4 = vkd__pad4(c->in[0].shape.d[3]) / 4, .chunks = vkd__div_up(rows, per_chunk),
                                   .per_chunk = per_chunk, .scale = scale };
    uint32_t groups[3];
    char variant[48];
    snprintf(variant, sizeof(variant), "%s.%s", kernel, vkd__load_name(c->caps, false, type));
    vkd__groups_1d(c, vkd__div_up((uint64_t) pc.groups * pc.chunks * pc.c4, 64), groups);
    struct vkd_dispatch *d = vkd__dispatch(p, variant, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
    vkd__load_spec(d, type);
    return d;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint32_t count = pixels(c), chunks = vkd__div_up(count, CHUNK);
    if (chunks == 1) {
        struct vkd_dispatch *d = over_chunks(c, p, "group_sum", c->in[0].dtype, count, count, 1.0f / (float) count);
        vkd__bind(d, VKD_IN(0));
        vkd__bind(d, VKD_OUT(0));
        return;
    }
    vkd__scratch(p, 0, chunks * vkd__desc_size(c->out[0]));
    struct vkd_dispatch *d = over_chunks(c, p, "group_sum", c->in[0].dtype, count, CHUNK, 1);
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_SCRATCH(0));
    d = over_chunks(c, p, "group_sum", VKD_F32, chunks, chunks, 1.0f / (float) count);
    vkd__bind(d, VKD_SCRATCH(0));
    vkd__bind(d, VKD_OUT(0));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = over_chunks(c, p, "group_spread", c->in[0].dtype, pixels(c), 8, 1.0f / (float) pixels(c));
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t count = pixels(c), stride = vkd__pad4(c->in[0].shape.d[3]);
    for (uint64_t i = 0; i < vkd__numel(c->out[0].shape); i++) {
        const double *x = in[0] + i / stride * count * stride + i % stride;
        double sum = 0;
        for (uint32_t k = 0; k < count; k++)
            sum += x[(uint64_t) k * stride];
        out[0][i] = sum / count;
    }
}

const struct vkd_op vkd_op_global_avg_pool = {
    .name = "global_avg_pool",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
