// max_pool.c -- the maximum over a window; output 1 says where in the window it was.
//
// Equal values: the first in row-major order. NaN: the last one, as in PyTorch.
#include "../op_pool.h"

#include <math.h>

static bool shape(struct vkd_call *c)
{
    if (!vkd__pool_shape(c))
        return false;
    c->out[1] = (struct vkd_desc) { c->out[0].shape, VKD_U32 };
    c->out_count = 2;
    return true;
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__pool_dispatch(c, p, "max_pool", c->out[0]);
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_OUT(0));
    vkd__bind(d, VKD_OUT(1));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__pool_dispatch(c, p, "max_pool_back", c->in[0]);
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_OUT(1));
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_shape s = c->in[0].shape, o = c->out[0].shape;
    struct vkd_pc_pool pc = vkd__pool_push(c);
    for (uint64_t i = 0; i < vkd__numel(o); i++) {
        uint32_t ch = i % (4 * pc.c4), col = i / (4 * pc.c4) % pc.ow, row = i / (4 * pc.c4) / pc.ow % pc.oh;
        uint32_t n = i / (4 * pc.c4) / pc.ow / pc.oh;
        double best = -INFINITY;
        int place = -1;
        for (uint32_t k = 0; k < pc.kernel[0] * pc.kernel[1]; k++) {
            // Coordinates left of or above the image wrap to large values.
            uint32_t r = row * pc.stride[0] + k / pc.kernel[1] - pc.pad[0];
            uint32_t q = col * pc.stride[1] + k % pc.kernel[1] - pc.pad[1];
            if (r >= pc.h || q >= pc.w)
                continue;
            double v = in[0][vkd__at(s, n, r, q, ch)];
            if (place < 0 || v > best || isnan(v)) {
                best = v;
                place = (int) k;
            }
        }
        out[0][i] = best;
        out[1][i] = ch < pc.c ? place : 0;
    }
}

const struct vkd_op vkd_op_max_pool = {
    .name = "max_pool",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_out = 2,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
