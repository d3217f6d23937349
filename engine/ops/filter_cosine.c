// filter_cosine.c -- how alike the filters of a layer are: of a weight w (R, S, C, K), whose K filters w_k are its columns,
// the mean over all pairs of their squared cosine,
//
//   D = 1 / (K (K - 1)) sum_i q_i,   q_i = sum_{j != i} c_ij^2,   c_ij = w_i . w_j / (|w_i| |w_j|)
//
// Soft orthogonality (Bansal, Chen, Wang, arXiv 1810.09102: |W^T W - I|_F^2) of filters brought to length 1, which leaves
// their lengths free; after Ayinde, Inanc, Zurada, arXiv 1901.10900, who push alike filters apart. A filter shorter
// than 1e-12 has no direction: its cosines are 0. The gradient is w M with the symmetric matrix
//
//   M_ij = s c_ij / (|w_i| |w_j|),   M_ii = -s q_i / |w_i|^2,   s = 4 dloss / (K (K - 1))
#include "../kernels/gemm.h"
#include "../op_rows.h"
#include "../reduce.h"

#include <math.h>

enum { LOSS, GRAM, INVERSE, ALIKE };    // w^T w (K, K); 1 / |w_k|; q
enum { THREAD_FILTERS = 64 };           // up to here one thread sums a row of cosines

static bool shape(struct vkd_call *c)
{
    struct vkd_desc w = c->in[0];
    if (!vkd__rows_check(c))
        return false;
    if (w.shape.d[3] < 2)
        return vkd__reject(c, "expected two filters or more, found %u", w.shape.d[3]);
    c->out[LOSS] = (struct vkd_desc) { { { 1, 1, 1, 1 } }, VKD_F32 };
    c->out[GRAM] = (struct vkd_desc) { { { 1, 1, w.shape.d[3], w.shape.d[3] } }, VKD_F32 };
    c->out[INVERSE] = c->out[ALIKE] = (struct vkd_desc) { { { 1, 1, 1, w.shape.d[3] } }, VKD_F32 };
    c->out_count = 4;
    return true;
}

static float pairs(const struct vkd_call *c)
{
    return (float) c->in[0].shape.d[3] * (float) (c->in[0].shape.d[3] - 1);
}

// `kernel` over `rows` rows of K values, `width` threads each.
static struct vkd_dispatch *over_rows(const struct vkd_call *c, struct vkd_plan *p, const char *kernel, uint32_t rows,
                                      uint32_t width)
{
    struct vkd_pc_rows pc = vkd__rows_push(c);
    uint32_t groups[3];
    pc.rows = rows;
    pc.alpha = 4 / pairs(c);
    vkd__groups_1d(c, vkd__div_up((uint64_t) rows * width, 64), groups);
    return vkd__dispatch(p, kernel, &pc, sizeof(pc), groups[0], groups[1], groups[2]);
}

static void forward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint32_t k = c->in[0].shape.d[3], pitch = vkd__pad4(k);
    vkd__gemm(c, p, &(struct vkd_gemm) {
        .m = k, .n = k, .k = vkd__rows(c->in[0].shape), .trans_a = true, .lda = pitch, .ldb = pitch, .ldc = pitch,
        .a = VKD_IN(0), .b = VKD_IN(0), .c = VKD_OUT(GRAM),
    }, 0);
    struct vkd_dispatch *d = over_rows(c, p, "filter_cosine_lengths", 1, pitch / 4);
    vkd__bind(d, VKD_OUT(GRAM));
    vkd__bind(d, VKD_OUT(INVERSE));
    d = k > THREAD_FILTERS ? over_rows(c, p, "filter_cosine.group", pitch, 64)
                           : over_rows(c, p, "filter_cosine.thread", pitch, 1);
    vkd__bind(d, VKD_OUT(GRAM));
    vkd__bind(d, VKD_OUT(INVERSE));
    vkd__bind(d, VKD_OUT(ALIKE));
    vkd__reduce(c, p, VKD_OUT(ALIKE), VKD_OUT(LOSS), c->out[ALIKE], 8, 1 / pairs(c));
}

static void backward(const struct vkd_call *c, struct vkd_plan *p)
{
    uint32_t k = c->in[0].shape.d[3], pitch = vkd__pad4(k);
    vkd__scratch(p, 1, 4 * (uint64_t) k * pitch);
    struct vkd_dispatch *d = over_rows(c, p, "filter_cosine_back", k, pitch / 4);
    vkd__bind(d, VKD_DOUT);
    vkd__bind(d, VKD_OUT(GRAM));
    vkd__bind(d, VKD_OUT(INVERSE));
    vkd__bind(d, VKD_OUT(ALIKE));
    vkd__bind(d, VKD_SCRATCH(1));
    vkd__gemm(c, p, &(struct vkd_gemm) {
        .m = vkd__rows(c->in[0].shape), .n = k, .k = k, .lda = pitch, .ldb = pitch, .ldc = pitch,
        .a = VKD_IN(0), .b = VKD_SCRATCH(1), .c = VKD_DIN(0),
    }, 0);
}

static void ref(const struct vkd_call *c, double *const in[], double *const out[])
{
    uint32_t k = c->in[0].shape.d[3], pitch = vkd__pad4(k), rows = vkd__rows(c->in[0].shape);
    double sum = 0;
    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = 0; j < pitch; j++)
            out[GRAM][(uint64_t) i * pitch + j] = 0;
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t j = 0; j < k; j++)
                out[GRAM][(uint64_t) i * pitch + j] += in[0][(uint64_t) r * pitch + i] * in[0][(uint64_t) r * pitch + j];
    }
    for (uint32_t i = 0; i < pitch; i++) {
        double square = i < k ? out[GRAM][(uint64_t) i * pitch + i] : 0;
        out[INVERSE][i] = square < 1e-24 ? 0 : 1 / sqrt(square);
    }
    for (uint32_t i = 0; i < pitch; i++) {
        out[ALIKE][i] = 0;
        for (uint32_t j = 0; i < k && j < k; j++)
            out[ALIKE][i] += i == j ? 0 : pow(out[GRAM][(uint64_t) i * pitch + j] * out[INVERSE][i] * out[INVERSE][j], 2);
        sum += out[ALIKE][i];
    }
    out[LOSS][0] = sum / ((double) k * (k - 1));
    out[LOSS][1] = out[LOSS][2] = out[LOSS][3] = 0;
}

const struct vkd_op vkd_op_filter_cosine = {
    .name = "filter_cosine",
    .in_min = 1,
    .in_max = 1,
    .grad_in = 1,
    .reads_in = 1,
    .reads_out = 1u << GRAM | 1u << INVERSE | 1u << ALIKE,
    .shape = shape,
    .forward = forward,
    .backward = backward,
    .ref = ref,
};
