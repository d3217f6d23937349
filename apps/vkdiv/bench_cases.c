// bench_cases.c -- single operations: matrix products, convolutions, and the ones that memory bounds.
#include "apps/vkdiv/bench.h"

#include <stdio.h>
#include <string.h>

enum { CASE_IN = 6 };

// An operation on these inputs; `passes` names the forward pass and the gradients of the inputs,
// NULL for those that are not timed.
struct bench_case {
    const char *op, *shape;
    struct vkd_attr attr;
    struct vkd_shape in[CASE_IN];
    uint32_t in_count;
    const char *passes[4];
};

#define NONE { .eps = 0 }      // no attributes
static const struct bench_case gemm_cases[] = {
#define GEMM(m, n, k) { "matmul", #m " x " #n " x " #k, NONE, { { { 1, 1, m, k } }, { { 1, 1, k, n } } }, 2, \
                        { "gemm nn", "gemm nt", "gemm tn" } }
    GEMM(512, 512, 512), GEMM(1024, 1024, 1024), GEMM(6272, 256, 2304), GEMM(50176, 64, 576),
};

static const struct bench_case conv_cases[] = {
#define CONV(n, h, c, k, r, st, p) { "conv2d", "N" #n " H" #h " C" #c " K" #k " " #r "x" #r " stride " #st, \
    { .stride = { st, st }, .pad = { p, p } }, { { { n, h, h, c } }, { { r, r, c, k } } }, 2, \
    { "conv forward", "conv dgrad", "conv wgrad" } }
    CONV(64, 32, 64, 64, 3, 1, 1), CONV(64, 16, 128, 128, 3, 1, 1), CONV(64, 8, 256, 256, 3, 1, 1),
    CONV(64, 32, 64, 128, 3, 2, 1), CONV(64, 32, 64, 128, 1, 2, 0), CONV(64, 16, 128, 128, 1, 1, 0),
    { "conv2d", "N64 H16 C144 depthwise 3x3", { .pad = { 1, 1 }, .groups = 144 },
      { { { 64, 16, 16, 144 } }, { { 3, 3, 1, 144 } } }, 2, { "conv forward", "conv dgrad", "conv wgrad" } },
};

// 64 MiB a tensor: beyond what a cache holds.
#define MAPS { { 256, 32, 32, 64 } }
static const struct bench_case op_cases[] = {
    { "relu", "N256 H32 C64", NONE, { MAPS }, 1, { "relu", "relu backward" } },
    { "gelu", "N256 H32 C64", NONE, { MAPS }, 1, { "gelu", "gelu backward" } },
    { "add", "N256 H32 C64", NONE, { MAPS, MAPS }, 2, { "add" } },
    { "mul", "N256 H32 C64", NONE, { MAPS, MAPS }, 2, { "mul", "mul backward" } },
    { "bias", "N256 H32 C64", NONE, { MAPS, { { 1, 1, 1, 64 } } }, 2, { "bias", NULL, "bias backward" } },
    { "max_pool", "N256 H32 C64 3x3 stride 2", { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } }, { MAPS }, 1,
      { "max pool", "max pool backward" } },
    { "global_avg_pool", "N256 H32 C64", NONE, { MAPS }, 1, { "average pool", "average pool backward" } },
    { "softmax", "16384 x 1000", NONE, { { { 1, 1, 16384, 1000 } } }, 1, { "softmax", "softmax backward" } },
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
static double bytes_of(const struct vkd_call *c, bool backward)
{
    double bytes = (double)vkd__desc_size(c->out[0]);       // written, or its gradient read
    for (uint32_t i = 0; i < c->in_count; i++) {
        double size = (double)vkd__desc_size(c->in[i]);
        if (!backward || (c->op->reads_in >> i & 1))
            bytes += size;
        if (backward && (c->want >> i & 1))
            bytes += size;
    }
    return bytes + (backward && (c->op->reads_out & 1) ? (double)vkd__desc_size(c->out[0]) : 0);
}

// The kernels of a pass, joined by '+'.
static void name_variant(const struct vkd_call *c, bool backward, char *text, size_t size)
{
    struct vkd_plan plan = { 0 };
    (backward ? c->op->backward : c->op->forward)(c, &plan);
    text[0] = 0;
    for (uint32_t i = 0; i < plan.count; i++) {
        const char *kernel = plan.dispatches[i].kernel;
        size_t used = strlen(text);
        if (strstr(text, kernel) == NULL)
            snprintf(text + used, size - used, "%s%s", used > 0 ? "+" : "", kernel);
    }
    vkd__plan_finish(&plan);
}

static vkd_result run_case(const struct bench *b, const struct bench_case *k)
{
    struct vkd_call c = { .op = vkd__op_find(k->op), .in_count = k->in_count, .attr = k->attr };
    for (uint32_t i = 0; i < k->in_count; i++)
        c.in[i].shape = k->in[i];
    struct vkd__bench_times times;
    if (c.op == NULL || !c.op->shape(&c))
        return vkd__bench_call(b->dev, k->op, &k->attr, k->in, k->in_count, 1, &times);     // logs why
    c.caps = vkd_device_caps(b->dev);
    double speed = 0.2 * b->roof.f32_gflops * 1e9, expected = work_of(&c) / speed + bytes_of(&c, false) / 5e9;
    vkd_result r = vkd__bench_call(b->dev, k->op, &k->attr, k->in, k->in_count, bench_runs(b, expected), &times);
    for (uint32_t pass = 0; r == VKD_OK && pass <= k->in_count && pass < 4; pass++) {
        if (k->passes[pass] == NULL)
            continue;
        c.want = pass > 0 ? 1u << (pass - 1) : 0;
        struct bench_row row = {
            .time = pass > 0 ? times.grad[pass - 1] : times.forward, .work = work_of(&c),
            .bytes = bytes_of(&c, pass > 0),
        };
        snprintf(row.name, sizeof row.name, "%s", k->passes[pass]);
        snprintf(row.shape, sizeof row.shape, "%s", k->shape);
        name_variant(&c, pass > 0, row.variant, sizeof row.variant);
        b->tell(b->user, &row);
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
