// test_mixed.c -- tensors stored in 16 bits: a whole network against the same in f32, its memory, and the loss scale.
#include <vkdiv/layers.h>
#include <vkdiv/model.h>
#include <vkdiv/optimizer.h>

#include "gpu.h"
#include "loss_scale.h"
#include "optimizer_world.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static vkd_device *dev;

// ---- A whole network ----

enum { BATCH = 8, SIDE = 16, CLASSES = 5 };

struct net {
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd_buffer *scale;
};

static vkd_graph *make_graph(const char *arch, enum vkd_dtype precision, uint32_t batch, uint32_t side, uint32_t width)
{
    vkd_graph *g = NULL;
    OK(vkd_graph_create(vkd_device_log(dev), &g));
    vkd_tensor *images = vkd_input(g, "images", VKD_F32, (struct vkd_shape) { { batch, side, side, 3 } });
    vkd_tensor *labels = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, batch } });
    vkd_scope_begin(g, &(struct vkd_scope) { .precision = precision });
    struct vkd_model m = vkd_model_build(g, images, &(struct vkd_model_params) {
        .arch = arch, .width = width, .cifar_stem = true, .classes = CLASSES, .dropout = -1 });
    vkd_scope_end(g);
    vkd_graph_loss(g, vkd_mark(g, vkd_cross_entropy(g, m.logits, labels, 0), "loss"));
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float) (*state >> 8) / 8388608.0f - 1.0f;
}

static void write_input(const struct net *n, const char *name, const void *data, uint64_t size)
{
    struct vkd_range r;
    OK(vkd_program_range(n->program, name, &r));
    OK(vkd_buffer_write(dev, r.buffer, r.ofs, data, size));
}

// Makes the network and runs it forward and backward with `scale` as the gradient of its loss.
static void net_run(struct net *n, const char *arch, enum vkd_dtype precision, float scale)
{
    float *images = calloc(BATCH * SIDE * SIDE, 4 * sizeof(float)), seed[8] = { scale };
    uint32_t labels[BATCH], state = 3;
    for (uint32_t i = 0; i < BATCH * SIDE * SIDE * 4; i++)
        images[i] = i % 4 < 3 ? 1.7f * noise(&state) : 0;
    for (uint32_t i = 0; i < BATCH; i++)
        labels[i] = i % CLASSES;
    n->graph = make_graph(arch, precision, BATCH, SIDE, 8);
    OK(vkd_params_create(dev, n->graph, true, &n->params));
    OK(vkd_params_init(n->params, 7));
    OK(vkd_buffer_create(dev, sizeof(seed), VKD_MEMORY_DEVICE, &n->scale));
    OK(vkd_buffer_write(dev, n->scale, 0, seed, sizeof(seed)));
    OK(vkd_program_create(dev, n->graph, n->params, &(struct vkd_program_params) {
        .training = true, .backward = true, .loss_scale = { n->scale, 0, 0 } }, &n->program));
    write_input(n, "images", images, BATCH * SIDE * SIDE * 16);
    write_input(n, "labels", labels, sizeof(labels));
    uint64_t ticket;
    OK(vkd_program_run(n->program, NULL, &ticket));
    OK(vkd_wait(dev, ticket, UINT64_MAX, NULL));
    free(images);
}

static void net_close(struct net *n)
{
    vkd_program_destroy(&n->program);
    vkd_params_destroy(&n->params);
    vkd_graph_destroy(&n->graph);
    vkd_buffer_destroy(dev, &n->scale);
}

// Root of the mean square of a - by * b, over that of a.
static double distance(const float *a, const float *b, uint64_t count, double by)
{
    double error = 0, sum = 0;
    for (uint64_t i = 0; i < count; i++) {
        ck_assert(isfinite(a[i]) && isfinite(b[i]));
        error += pow((double) a[i] - by * (double) b[i], 2);
        sum += pow((double) a[i], 2);
    }
    return sqrt(error / sum);
}

static double logits_distance(const struct net *a, const struct net *b)
{
    float x[BATCH * 8], y[BATCH * 8];
    struct vkd_range r;
    OK(vkd_program_range(a->program, "logits", &r));
    ck_assert_uint_eq(r.size, sizeof(x));
    OK(vkd_buffer_read(dev, r.buffer, r.ofs, x, sizeof(x)));
    OK(vkd_program_range(b->program, "logits", &r));
    OK(vkd_buffer_read(dev, r.buffer, r.ofs, y, sizeof(y)));
    return distance(x, y, BATCH * 8, 1);
}

static double gradient_distance(const struct net *a, const struct net *b, double scale)
{
    struct vkd_range x = vkd_params_gradients(a->params), y = vkd_params_gradients(b->params);
    float *p = calloc(1, x.size), *q = calloc(1, y.size);
    uint64_t used = 0;
    for (uint32_t i = 0; i < vkd_params_count(a->params); i++) {       // without the gaps between tensors
        const struct vkd_param_info *info = vkd_params_at(a->params, i);
        if (info->state)
            continue;
        OK(vkd_params_read_grad(a->params, i, p + used));
        OK(vkd_params_read_grad(b->params, i, q + used));
        used += info->numel;
    }
    double d = distance(p, q, used, 1 / scale);
    free(p);
    free(q);
    return d;
}

// One row per network and type. `unit`: half the last place of a number of that type between 1 and 2.
static const struct {
    const char *arch;
    enum vkd_dtype type;
    double unit, more;
    float scale;
    uint32_t layers;
} nets[] = {
    { "resnet18", VKD_F16, 0x1p-11, 4, 1024, 20 },
    { "resnet18", VKD_BF16, 0x1p-9, 4, 1, 20 },
    { "mobilenet_v2", VKD_F16, 0x1p-11, 20, 1024, 52 },
};

// Every layer rounds twice, its convolution and its norm, by at most `unit` of a number and unit / sqrt 3 in the mean.
// Roundings of different layers are independent: after L layers they are e = unit sqrt(2 L / 3) in the mean, and the
// bound is `more` times that for what a network amplifies, a deep one of small batches much. Gradients suffer from
// activations that pass 0: in L layers a share of about 0.4 times the error, whose gradients are all wrong, which makes
// sqrt(0.4 L 4 e); the rounding of gradients besides is less.
START_TEST(network_agrees_with_f32)
{
    struct net exact = { 0 }, half = { 0 };
    double layers = nets[_i].layers, e = nets[_i].unit * sqrt(2 * layers / 3), scale = nets[_i].scale;
    double bound = nets[_i].more * e, gradient_bound = sqrt(1.6 * layers * e);
    net_run(&exact, nets[_i].arch, VKD_F32, 1);
    net_run(&half, nets[_i].arch, nets[_i].type, nets[_i].scale);
    double logits = logits_distance(&exact, &half), gradients = gradient_distance(&exact, &half, scale);
    printf("%s %s: logits %.2g of %.2g, gradients %.2g of %.2g\n", nets[_i].arch,
           nets[_i].type == VKD_F16 ? "f16" : "bf16", logits, bound, gradients, gradient_bound);
    ck_assert_double_gt(logits, 0);
    ck_assert_double_le(logits, bound);
    ck_assert_double_le(gradients, gradient_bound);
    net_close(&exact);
    net_close(&half);
}
END_TEST

// What is kept from forward for backward is half as large; images, statistics and what is transformed stay f32.
START_TEST(memory_is_about_half)
{
    static const char *const archs[] = { "resnet18", "mobilenet_v2" };
    struct vkd_program_memory memory[2];
    for (int half = 0; half < 2; half++) {
        vkd_graph *g = make_graph(archs[_i], half ? VKD_F16 : VKD_F32, 64, 32, 0);
        const struct vkd_program_params how = { .training = true, .backward = true };
        OK(vkd_program_estimate(vkd_device_caps(dev), g, &how, &memory[half]));
        vkd_graph_destroy(&g);
    }
    printf("%s, 64 images: %.1f MiB in f32 (at least %.1f), %.1f in f16 (at least %.1f)\n", archs[_i],
           memory[0].arena / 1048576.0, memory[0].lower_bound / 1048576.0, memory[1].arena / 1048576.0,
           memory[1].lower_bound / 1048576.0);
    ck_assert_uint_le(memory[1].arena, memory[0].arena * 62 / 100);
}
END_TEST

// ---- Single numbers ----

// An f32, and what PyTorch 1.13 makes of it in f16 and in bf16: ties, the ends of the range and what lies beyond,
// denormal halves.
static const struct { uint32_t f32; uint16_t half[2]; } numbers[] = {
    { 0x00000000, { 0x0000, 0x0000 } }, { 0x80000000, { 0x8000, 0x8000 } }, { 0x3f800000, { 0x3c00, 0x3f80 } },
    { 0xc0200000, { 0xc100, 0xc020 } }, { 0x3f801000, { 0x3c00, 0x3f80 } }, { 0x3f803000, { 0x3c02, 0x3f80 } },
    { 0x3f808000, { 0x3c04, 0x3f80 } }, { 0x3f818000, { 0x3c0c, 0x3f82 } }, { 0x477fe000, { 0x7bff, 0x4780 } },
    { 0x477fefff, { 0x7bff, 0x4780 } }, { 0x477ff000, { 0x7c00, 0x4780 } }, { 0x4788b800, { 0x7c00, 0x4789 } },
    { 0x48000000, { 0x7c00, 0x4800 } }, { 0x49742400, { 0x7c00, 0x4974 } }, { 0xc9742400, { 0xfc00, 0xc974 } },
    { 0xc77ff000, { 0xfc00, 0xc780 } }, { 0x7f61b1e6, { 0x7c00, 0x7f62 } }, { 0x7f7f0906, { 0x7c00, 0x7f7f } },
    { 0x7f7fc99e, { 0x7c00, 0x7f80 } }, { 0x7f800000, { 0x7c00, 0x7f80 } }, { 0xff800000, { 0xfc00, 0xff80 } },
    { 0x38800000, { 0x0400, 0x3880 } }, { 0x387fe000, { 0x0400, 0x3880 } }, { 0x33800000, { 0x0001, 0x3380 } },
    { 0x33000000, { 0x0000, 0x3300 } }, { 0x33400000, { 0x0001, 0x3340 } }, { 0xb3400000, { 0x8001, 0xb340 } },
};

START_TEST(numbers_are_rounded)
{
    enum { COUNT = sizeof(numbers) / sizeof(numbers[0]), ROOM = (COUNT + 3) / 4 * 4 };
    struct net n = { 0 };
    uint32_t in[ROOM] = { 0 };
    uint16_t out[ROOM];
    struct vkd_range r;
    uint64_t ticket;
    for (uint32_t i = 0; i < COUNT; i++)
        in[i] = numbers[i].f32;
    OK(vkd_graph_create(vkd_device_log(dev), &n.graph));
    vkd_tensor *x = vkd_input(n.graph, "x", VKD_F32, (struct vkd_shape) { { 1, 1, 1, COUNT } });
    vkd_mark(n.graph, vkd_cast(n.graph, x, _i ? VKD_BF16 : VKD_F16), "y");
    OK(vkd_program_create(dev, n.graph, NULL, &(struct vkd_program_params) { 0 }, &n.program));
    write_input(&n, "x", in, sizeof(in));
    OK(vkd_program_run(n.program, NULL, &ticket));
    OK(vkd_wait(dev, ticket, UINT64_MAX, NULL));
    OK(vkd_program_range(n.program, "y", &r));
    OK(vkd_buffer_read(dev, r.buffer, r.ofs, out, sizeof(out)));
    for (uint32_t i = 0; i < COUNT; i++)
        ck_assert_msg(out[i] == numbers[i].half[_i], "0x%08x becomes 0x%04x, expected 0x%04x", in[i], out[i],
                      numbers[i].half[_i]);
    net_close(&n);
}
END_TEST

START_TEST(wrong_types_are_refused)
{
    const struct vkd_shape s = { { 1, 1, 1, 1 } };
    for (int i = 0; i < 2; i++) {
        vkd_graph *g = NULL;
        OK(vkd_graph_create(NULL, &g));
        vkd_tensor *x = vkd_input(g, "x", VKD_F16, s);
        if (i == 0)
            vkd_graph_loss(g, vkd_scale(g, x, 1));
        else
            vkd_scope_begin(g, &(struct vkd_scope) { .precision = VKD_U32 });
        ck_assert_ptr_nonnull(strstr(vkd_graph_error(g), i == 0 ? "computed f32" : "precision"));
        vkd_graph_destroy(&g);
    }
}
END_TEST

// ---- Loss scale ----

static const struct world_tensor tensors[] = { { "a", 1030, 2, false, false }, { "b", 7, 1, true, false } };
enum { TENSORS = 2 };

static void scale_world(struct world *w, struct vkd_optimizer_config *c, double start)
{
    world_open(w, dev, tensors, TENSORS);
    float *values = calloc(w->total, sizeof(*values));
    uint32_t state = 5;
    for (uint32_t t = 0; t < TENSORS; t++)
        for (uint32_t i = 0; i < tensors[t].count; i++)
            values[w->infos[t].ofs + i] = noise(&state);
    world_write(w, w->values, values, w->total);
    free(values);
    c->loss_scale = (struct vkd_loss_scale_config) { start, 2, 0.5, 3 };
    world_start(w, c);
}

// A step with gradients of noise times `by`, the last one plus `extra`.
static struct vkd_metrics_block scale_step(struct world *w, uint32_t seed, float by, float extra, float loss)
{
    float *g = calloc(w->trainable, sizeof(*g));
    for (uint32_t t = 0; t < TENSORS; t++)
        for (uint32_t i = 0; i < tensors[t].count; i++)
            g[w->infos[t].ofs + i] = by * noise(&seed);
    g[w->infos[1].ofs] += extra;
    world_micro(w, 0, g, loss);
    free(g);
    return world_update(w, 0.05);
}

static float present_scale(const struct world *w)
{
    struct vkd_loss_scale s;
    struct vkd_range r = vkd_optimizer_loss_scale(w->opt);
    OK(vkd_buffer_read(dev, r.buffer, r.ofs, &s, sizeof(s)));
    ck_assert(s.padding[0] == 0 && s.padding[1] == 0 && s.padding[2] == 0);
    return s.scale;
}

static const char *const optimizers[] = { "sgd", "adamw", "lars", "lamb" };

// Powers of 2 multiply and divide exactly: gradients that are scaled give the very step of those that are not.
START_TEST(scale_cancels)
{
    struct vkd_optimizer_config c;
    float *ends[2];
    uint64_t count = 0;
    for (int scaled = 0; scaled < 2; scaled++) {
        struct world w;
        OK(vkd_optimizer_defaults(optimizers[_i], &c));
        c.clip_norm = 0.5;
        c.weight_decay = 0.01;
        scale_world(&w, &c, scaled ? 1024 : 0);
        float by = scaled ? 1024 : 1;
        struct vkd_metrics_block m = scale_step(&w, 1, by, 0, 1);
        ck_assert_float_eq(m.loss_scale, by);
        ck_assert_float_eq(m.raw_factor, 1 / by);
        m = scale_step(&w, 2, by, 0, 1);
        ck_assert_uint_eq(m.nonfinite, 0);
        ends[scaled] = calloc(w.total, sizeof(float));
        count = w.total;
        world_read(&w, w.values, ends[scaled], count);
        world_close(&w);
    }
    ck_assert(!memcmp(ends[0], ends[1], count * sizeof(float)));
    free(ends[0]);
    free(ends[1]);
}
END_TEST

// All that an overflow must leave alone.
static uint64_t snapshot_but_scale(struct world *w, float *data, uint64_t capacity)
{
    uint32_t count, found = 0;
    uint64_t all = world_snapshot(w, data, capacity), at = w->total;
    const struct vkd_optimizer_state *states = vkd_optimizer_states(w->opt, &count);
    for (uint32_t i = 0; i < count; at += states[i++].range.size / 4) {
        if (strcmp(states[i].name, "loss_scale"))
            continue;
        memset(data + at, 0, states[i].range.size);
        found++;
    }
    ck_assert_uint_eq(found, 1);
    return all;
}

START_TEST(scale_shrinks_and_grows)
{
    struct vkd_optimizer_config c;
    struct world w;
    OK(vkd_optimizer_defaults(optimizers[_i], &c));
    c.ema_decay = 0.9;
    scale_world(&w, &c, 4);
    float *before = calloc(8 * w.total, sizeof(float)), *after = calloc(8 * w.total, sizeof(float));
    ck_assert_uint_eq(scale_step(&w, 1, 4, 0, 1).nonfinite, 0);
    uint64_t count = snapshot_but_scale(&w, before, 8 * w.total);
    struct vkd_metrics_block m = scale_step(&w, 2, 4, INFINITY, 1);
    ck_assert(m.nonfinite == 1 && m.overflow == 1 && m.overflow_count == 1 && m.nonfinite_count == 0);
    ck_assert_float_eq(m.loss_scale, 4);
    ck_assert_float_eq(present_scale(&w), 2);
    ck_assert_uint_eq(snapshot_but_scale(&w, after, 8 * w.total), count);
    ck_assert(!memcmp(before, after, count * sizeof(float)));

    // Recovery: two good steps, an overflow that starts the count anew, three good ones.
    for (uint32_t i = 0; i < 2; i++)
        ck_assert_uint_eq(scale_step(&w, 3 + i, 2, 0, 1).nonfinite, 0);
    ck_assert_float_eq(present_scale(&w), 2);
    ck_assert_uint_eq(scale_step(&w, 5, 2, NAN, 1).overflow, 1);
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_float_eq(present_scale(&w), 1);
        ck_assert_uint_eq(scale_step(&w, 6 + i, 1, 0, 1).nonfinite, 0);
    }
    ck_assert_float_eq(present_scale(&w), 2);

    // A loss that is not finite is none of the scale's business, nor is what overflows at 1.
    m = scale_step(&w, 9, 2, 0, NAN);
    ck_assert(m.nonfinite == 1 && m.overflow == 0 && m.nonfinite_count == 1);
    ck_assert_float_eq(present_scale(&w), 2);
    ck_assert_uint_eq(scale_step(&w, 10, 2, INFINITY, 1).overflow, 1);
    m = scale_step(&w, 11, 1, INFINITY, 1);
    ck_assert(m.nonfinite == 1 && m.overflow == 0);
    ck_assert_float_eq(present_scale(&w), 1);
    OK(vkd_optimizer_reset(w.opt));
    ck_assert_float_eq(present_scale(&w), 4);
    free(before);
    free(after);
    world_close(&w);
}
END_TEST

static const struct { struct vkd_loss_scale_config scale; const char *part; } bad[] = {
    { { 0.5, 2, 0.5, 1 }, "start" }, { { 0x1p25, 2, 0.5, 1 }, "start" }, { { 2, 0.5, 0.5, 1 }, "growth" },
    { { 2, 2, 1, 1 }, "backoff" }, { { 2, 2, 0.5, 0 }, "interval" }, { { NAN, 2, 0.5, 1 }, "start" },
};

START_TEST(bad_scales)
{
    struct vkd_optimizer_config c;
    struct world w;
    world_open(&w, dev, tensors, TENSORS);
    OK(vkd_optimizer_defaults("sgd", &c));
    c.loss_scale = bad[_i].scale;
    ck_assert_int_eq(vkd__optimizer_create_on(&(struct vkd__optimizer_target) {
        .dev = dev, .caps = &w.caps, .values = { w.values, 0, 0 }, .trainable = { w.values, 0, 0 },
        .gradients = { w.gradients, 0, 0 }, .params = w.infos, .param_count = TENSORS }, &c, &w.opt), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, bad[_i].part));
    vkd_buffer_destroy(dev, &w.values);
    vkd_buffer_destroy(dev, &w.gradients);
    vkd_buffer_destroy(dev, &w.step);
    vkd_buffer_destroy(dev, &w.loss);
}
END_TEST

static void open_device(void)
{
    ck_assert_ptr_nonnull(dev = gpu_open());
}

static void close_device(void)
{
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("mixed");
    TCase *c = tcase_create("mixed");
    tcase_add_unchecked_fixture(c, open_device, close_device);
    tcase_set_timeout(c, 0);
    tcase_add_loop_test(c, network_agrees_with_f32, 0, sizeof(nets) / sizeof(nets[0]));
    tcase_add_loop_test(c, memory_is_about_half, 0, 2);
    tcase_add_loop_test(c, numbers_are_rounded, 0, 2);
    tcase_add_test(c, wrong_types_are_refused);
    tcase_add_loop_test(c, scale_cancels, 0, 4);
    tcase_add_loop_test(c, scale_shrinks_and_grows, 0, 4);
    tcase_add_loop_test(c, bad_scales, 0, sizeof(bad) / sizeof(bad[0]));
    suite_add_tcase(s, c);
    return gpu_run(s);
}
