// matmul.c -- c = op(a) op(b): a (.., M, K) whose rows are d[0] d[1] d[2], b (K, N); trans_a and
// trans_b say that an operand is stored transposed. a may be stored in 16 bits unless it is transposed, c then is, too.
#include "../kernels/gemm.h"

static uint32_t rows(struct vkd_desc d) { return vkd__rows(d.shape); }
static uint32_t cols(struct vkd_desc d) { return d.shape.d[3]; }

static bool shape(struct vkd_call *c)
{
    struct vkd_desc a = c->in[0], b = c->in[1];
    if (b.dtype != VKD_F32 || !(a.dtype == VKD_F32 || (vkd__is_half(a.dtype) && !c->attr.trans_a)))
        return vkd__reject(c, "b must be f32 and a f32, or f16 or bf16 without trans_a; found %s and %s",
                           vkd__dtype_name(a.dtype), vkd__dtype_name(b.dtype));
    uint32_t k_a = c->attr.trans_a ? rows(a) : cols(a), k_b = c->attr.trans_b ? cols(b) : rows(b);
    if (k_a != k_b)
        return vkd__reject(c, "the inner sizes differ: %u of a, %u of b", k_a, k_b);
    c->out[0] = a;
    if (c->attr.trans_a)
        c->out[0].shape = (struct vkd_shape) { { 1, 1, cols(a), 0 } };
    c->out[0].shape.d[3] = c->attr.trans_b ? rows(b) : cols(b);
    c->out_count = 1;
    return true;
}

// An operand of a product: a tensor, or its transpose.
struct operand {
    struct vkd_desc desc;
    struct vkd_slot slot;
    bool trans;
};

static void product(const struct vkd_call *c, struct vkd_plan *p, struct operand a, struct operand b,
                    struct vkd_desc out, struct vkd_slot slot)
{
    vkd__gemm(c, p, &(struct vkd_gemm) {
        .type = c->in[0].dtype,
        .m = rows(out), .n = cols(out), .k = a.trans ? rows(a.desc) : cols(a.desc),
        .trans_a = a.trans, .trans_b = b.trans,
        .lda = vkd__pad4(cols(a.desc)), .ldb = vkd__pad4(cols(b.desc)), .ldc = vkd__pad4(cols(out)),
        .a = a.slot, .b = b.slot, .c = slot,
    }, 0);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    struct operand a = { c->in[0], VKD_IN(0), c->attr.trans_a }, b = { c->in[1], VKD_IN(1), c->attr.trans_b };
    product(c, p, a, b, c->out[0], VKD_OUT(0));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    bool ta = c->attr.trans_a, tb = c->attr.trans_b;
    struct operand a = { c->in[0], VKD_IN(0), false }, b = { c->in[1], VKD_IN(1), false };
    struct operand dy = { c->out[0], VKD_DOUT, false };
    if (c->want & 1) {      // d op(a) = dy op(b)^T
        struct operand l = ta ? b : dy, r = ta ? dy : b;
        l.trans = ta && tb;
        r.trans = ta || !tb;
        product(c, p, l, r, c->in[0], VKD_DIN(0));
    }
    if (c->want & 2) {      // d op(b) = op(a)^T dy
        struct operand l = tb ? dy : a, r = tb ? a : dy;
        l.trans = tb || !ta;
        r.trans = tb && ta;
        product(c, p, l, r, c->in[1], VKD_DIN(1));
    }
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    struct vkd_desc a = c->in[0], b = c->in[1], y = c->out[0];
    uint32_t lda = vkd__pad4(cols(a)), ldb = vkd__pad4(cols(b)), ldy = vkd__pad4(cols(y));
    uint32_t inner = c->attr.trans_a ? rows(a) : cols(a);
    for (uint32_t m = 0; m < rows(y); m++) {
        for (uint32_t n = 0; n < ldy; n++) {
            double sum = 0;
            for (uint32_t k = 0; n < cols(y) && k < inner; k++)
                sum += in[0][c->attr.trans_a ? (uint64_t) k * lda + m : (uint64_t) m * lda + k] *
                       in[1][c->attr.trans_b ? (uint64_t) n * ldb + k : (uint64_t) k * ldb + n];
            out[0][(uint64_t) m * ldy + n] = sum;
        }
    }
}

const struct vkd_op vkd_op_matmul = {
    .name     = "matmul",
    .in_min   = 2,
    .in_max   = 2,
    .grad_in  = 3,
    .reads_in = 3,
    .shape    = shape,
    .forward  = forward,
    .backward = backward,
    .ref      = ref,
};
