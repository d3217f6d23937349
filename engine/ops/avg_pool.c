// avg_pool.c -- the mean over a window; attr.count_pad 1 counts the padding too.
#include "../op_pool.h"

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__pool_dispatch(c, p, "avg_pool.forward", c->out[0]);
    vkd__bind(d, VKD_IN(0));
    vkd__bind(d, VKD_OUT(0));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct vkd_dispatch *d = vkd__pool_dispatch(c, p, "avg_pool.backward", c->in[0]);
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_DIN(0));
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_shape s = c->in[0].shape, o = c->out[0].shape;
    struct vkd_pc_pool pc = vkd__pool_push(c);
    for (uint64_t i = 0; i < vkd__numel(o); i++) {
        uint32_t ch = i % (4 * pc.c4), col = i / (4 * pc.c4) % pc.ow, row = i / (4 * pc.c4) / pc.ow % pc.oh;
        uint32_t n = i / (4 * pc.c4) / pc.ow / pc.oh, count = 0;
        double sum = 0;
        for (uint32_t k = 0; k < pc.kernel[0] * pc.kernel[1]; k++) {
            // Coordinates left of or above the image wrap to large values.
            uint32_t r = row * pc.stride[0] + k / pc.kernel[1] - pc.pad[0];
            uint32_t q = col * pc.stride[1] + k % pc.kernel[1] - pc.pad[1];
            bool inside = r < pc.h && q < pc.w;
            if (inside)
                sum += in[0][vkd__at(s, n, r, q, ch)];
            count += inside || pc.count_pad;
        }
        out[0][i] = sum / count;
    }
}

const struct vkd_op vkd_op_avg_pool = {
    .name = "avg_pool",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .shape = vkd__pool_shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
