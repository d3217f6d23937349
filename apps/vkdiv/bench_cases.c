// bench_cases.c -- single operations: matrix products, convolutions, and the ones that memory bounds.
#include "apps/vkdiv/bench.h"

#include <stdio.h>
#include <string.h>

enum { CASE_IN = 6, CASE_PASSES = 3 };

// An operation on these inputs, and its passes to be timed: forward where `want` is 0, else backward for the inputs
// of which it has the bits.
struct bench_case {
    const char *op, *shape;
    struct vkd_attr attr;
    struct vkd_desc in[CASE_IN];
    uint32_t in_count;
    struct { const char *name; uint32_t want; } passes[CASE_PASSES];    // a NULL name ends them
    bool training;
};

#define F32(...) { { { __VA_ARGS__ } }, VKD_F32 }
#define U32(...) { { { __VA_ARGS__ } }, VKD_U32 }
#define NONE { .eps = 0 }      // no attributes
static const struct bench_case gemm_cases[] = {
#define NN { "gemm nn", 0 }
#define NT { "gemm nt", 1 }
#define TN { "gemm tn", 2 }
#define GEMM(m, n, k, ...) { "matmul", #m " x " #n " x " #k, NONE, { F32(1, 1, m, k), F32(1, 1, k, n) }, 2, \
                             { __VA_ARGS__ }, false }
    GEMM(512, 512, 512, NN, NT, TN), GEMM(1024, 1024, 1024, NN, NT, TN), GEMM(6272, 256, 2304, NN, NT, TN),
    // Of tn one binding must hold all of the left matrix, and some drivers end at 128 MiB.
    GEMM(100352, 64, 576, NN, NT), GEMM(50176, 64, 576, TN),
};

#define CONV_PASSES { { "conv forward", 0 }, { "conv dgrad", 1 }, { "conv wgrad", 2 } }
static const struct bench_case conv_cases[] = {
#define CONV(n, h, c, k, r, st, p) { "conv2d", "N" #n " H" #h " C" #c " K" #k " " #r "x" #r " stride " #st, \
    { .stride = { st, st }, .pad = { p, p } }, { F32(n, h, h, c), F32(r, r, c, k) }, 2, CONV_PASSES, false }
    CONV(64, 32, 64, 64, 3, 1, 1), CONV(64, 16, 128, 128, 3, 1, 1), CONV(64, 8, 256, 256, 3, 1, 1),
    CONV(64, 32, 64, 128, 3, 2, 1), CONV(64, 32, 64, 128, 1, 2, 0), CONV(64, 16, 128, 128, 1, 1, 0),
    { "conv2d", "N64 H16 C144 depthwise 3x3", { .pad = { 1, 1 }, .groups = 144 },
      { F32(64, 16, 16, 144), F32(3, 3, 1, 144) }, 2, CONV_PASSES, false },
};

// 64 MiB a tensor: beyond what a cache holds.
#define MAPS F32(256, 32, 32, 64)
#define CHANNELS F32(1, 1, 1, 64)
#define NORM CHANNELS, CHANNELS, CHANNELS, CHANNELS
#define LOGITS F32(1, 1, 16384, 1000)
static const struct bench_case op_cases[] = {
    { "relu", "N256 H32 C64", NONE, { MAPS }, 1, { { "relu", 0 }, { "relu backward", 1 } }, false },
    { "gelu", "N256 H32 C64", NONE, { MAPS }, 1, { { "gelu", 0 }, { "gelu backward", 1 } }, false },
    { "add", "N256 H32 C64", NONE, { MAPS, MAPS }, 2, { { "add", 0 } }, false },
    { "mul", "N256 H32 C64", NONE, { MAPS, MAPS }, 2, { { "mul", 0 }, { "mul backward", 1 } }, false },
    { "bias", "N256 H32 C64", NONE, { MAPS, CHANNELS }, 2, { { "bias", 0 }, { "bias backward", 2 } }, false },
    { "batch_norm", "N256 H32 C64", NONE, { MAPS, NORM }, 5,
      { { "batch norm", 0 }, { "batch norm backward", 7 } }, true },
    { "batch_norm", "N256 H32 C64", { .activation = VKD_ACT_RELU }, { MAPS, NORM }, 5,
      { { "batch norm, relu", 0 }, { "batch norm, relu backward", 7 } }, true },
    { "batch_norm", "N256 H32 C64", { .activation = VKD_ACT_RELU }, { MAPS, NORM, MAPS }, 6,
      { { "batch norm, add, relu", 0 }, { "batch norm, add, relu backward", 7 | 1 << 5 } }, true },
    { "batch_norm", "N256 H32 C64", { .activation = VKD_ACT_RELU }, { MAPS, NORM }, 5,
      { { "batch norm, relu evaluated", 0 } }, false },
    { "max_pool", "N256 H32 C64 3x3 stride 2", { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } }, { MAPS }, 1,
      { { "max pool", 0 }, { "max pool backward", 1 } }, false },
    { "global_avg_pool", "N256 H32 C64", NONE, { MAPS }, 1, { { "average pool", 0 }, { "average pool backward", 1 } },
      false },
    { "dropout", "N256 H32 C64", { .p = 0.5f }, { MAPS }, 1, { { "dropout", 0 }, { "dropout backward", 1 } }, true },
    { "softmax", "16384 x 1000", NONE, { LOGITS }, 1, { { "softmax", 0 }, { "softmax backward", 1 } }, false },
    { "cross_entropy", "16384 x 1000", NONE, { LOGITS, U32(1, 1, 1, 16384) }, 2,
      { { "softmax, cross-entropy", 0 }, { "softmax, cross-entropy backward", 1 } }, false },
    { "l2_normalize", "65536 x 128", NONE, { F32(1, 1, 65536, 128) }, 1,
      { { "l2 normalize", 0 }, { "l2 normalize backward", 1 } }, false },
};

// Floating-point operations of any pass of a product or convolution; 0 for the rest.
static double work_of(const struct vkd_call *c)
{
    const uint32_t *y = c->out[0].shape.d, *w = c->in[1].shape.d;
    double out = (double)y[0] * y[1] * y[2] * y[3];
    if (strcmp(c->op->name, "matmul") == 0)
        return 2 * out * c->in[0].shape.d[3];
    return strcmp(c->op->name, "conv2d") == 0 ? 2 * out * w[0] * w[1] * w[2] : 0;
}

// Bytes that a pass must read and write once.
static double bytes_of(const struct vkd_call *c)
{
    double bytes = (double)vkd__desc_size(c->out[0]);       // written, or its gradient read
    for (uint32_t i = 0; i < c->in_count; i++) {
        double size = (double)vkd__desc_size(c->in[i]);
        if (c->want == 0 || (c->op->reads_in >> i & 1))
            bytes += size;
        if (c->want >> i & 1)
            bytes += size;
    }
    return bytes + (c->want != 0 && (c->op->reads_out & 1) ? (double)vkd__desc_size(c->out[0]) : 0);
}

// The kernels of a pass, joined by '+'.
static void name_variant(const struct vkd_call *c, char *text, size_t size)
{
    struct vkd_plan plan = { 0 };
    (c->want != 0 ? c->op->backward : c->op->forward)(c, &plan);
    text[0] = 0;
    for (uint32_t i = 0; i < plan.count; i++) {
        const char *kernel = plan.dispatches[i].kernel;
        size_t used = strlen(text);
        if (strstr(text, kernel) == NULL)
            snprintf(text + used, size - used, "%s%s", used > 0 ? "+" : "", kernel);
    }
    vkd__plan_finish(&plan);
}

static vkd_result run_pass(const struct bench *b, const struct bench_case *k, struct vkd_call *c, const char *name)
{
    struct bench_row row = { .dtype = NULL };
    double work = 0, bytes = 0;
    struct vkd_call accepted = *c;
    if (c->op->shape(&accepted)) {      // else the call that is timed says why
        accepted.caps = vkd_device_caps(b->dev);
        work = work_of(&accepted);
        bytes = bytes_of(&accepted);
        name_variant(&accepted, row.variant, sizeof row.variant);
    }
    double expected = work / (0.2 * b->roof.f32_gflops * 1e9) + bytes / 5e9;
    vkd_result r = vkd__bench_call(b->dev, c, bench_runs(b, expected), &row.time);
    if (r != VKD_OK)
        return r;
    row.work = work;
    row.bytes = bytes;
    row.elements = work > 0 ? 0 : (double)vkd__numel(c->in[0].shape);
    snprintf(row.name, sizeof row.name, "%s", name);
    snprintf(row.shape, sizeof row.shape, "%s", k->shape);
    b->tell(b->user, &row);
    return VKD_OK;
}

static vkd_result run_case(const struct bench *b, const struct bench_case *k)
{
    struct vkd_call c = { .op = vkd__op_find(k->op), .in_count = k->in_count, .attr = k->attr,
                          .training = k->training };
    memcpy(c.in, k->in, sizeof k->in);
    vkd_result r = VKD_OK;
    for (int i = 0; r == VKD_OK && i < CASE_PASSES && k->passes[i].name != NULL && !app_stop(NULL); i++) {
        c.want = k->passes[i].want;
        if (bench_wants(b, k->passes[i].name, k->shape))
            r = run_pass(b, k, &c, k->passes[i].name);
    }
    return r;
}

static vkd_result run_cases(const struct bench *b, const struct bench_case *cases, size_t count)
{
    vkd_result first = VKD_OK;
    for (size_t i = 0; i < (b->cases > 0 && b->cases < count ? b->cases : count) && !app_stop(NULL); i++) {
        vkd_result r = run_case(b, &cases[i]);
        if (r != VKD_OK)
            app_error("%s %s: %s", cases[i].op, cases[i].shape, vkd_result_text(r));
        first = first == VKD_OK ? r : first;
        if (r == VKD_DEVICE_LOST)
            break;
    }
    return first;
}

#define RUN(b, cases) run_cases(b, cases, sizeof(cases) / sizeof(cases)[0])
vkd_result bench_gemm(const struct bench *b) { return RUN(b, gemm_cases); }
vkd_result bench_conv(const struct bench *b) { return RUN(b, conv_cases); }
vkd_result bench_ops(const struct bench *b) { return RUN(b, op_cases); }
