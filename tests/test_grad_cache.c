// test_grad_cache.c -- gradient caching: a loss over all images of a step, from micro-batches.
#include "engine/ssl.h"
#include "engine/train/feed.h"
#include "tests/data_files.h"
#include "tests/gpu.h"

#include <vkdiv/optimizer.h>

#include <math.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static vkd_device *dev;

// Sizes that are no multiples of 4 or of each other.
enum { SIDE = 10, BATCH = 6, MICRO = 3, ALL = BATCH * MICRO, VIEWS = 2, WIDTH = 6, COUNT = 2 * ALL };

struct row { const char *method; bool norm, hide; };
static const struct row rows[] = {
    { "simclr", false, false },
    { "simclr", true, false },
    { "supcon", true, true },           // labels reach the loss, and the hidden ones do not
    { "vicreg", true, false },          // a loss of the embeddings' statistics
};

// ---- Graphs ----

static vkd_tensor *net(vkd_graph *g, vkd_tensor *x, bool norm)
{
    vkd_scope_begin(g, &(struct vkd_scope) { .shared = true });
    x = vkd_layer_conv2d(g, x, "conv", 8, 3, &(struct vkd_attr) { .stride = { 2, 2 }, .pad = { 1, 1 } });
    if (norm)
        x = vkd_layer_batch_norm(g, x, "norm", VKD_ACT_RELU, NULL);
    x = vkd_layer_conv2d(g, vkd_relu(g, x), "conv2", 16, 3, &(struct vkd_attr) { .pad = { 1, 1 } });
    x = vkd_layer_linear(g, vkd_global_avg_pool(g, vkd_relu(g, x)), "head", WIDTH, true);
    vkd_scope_end(g);
    return x;
}

static vkd_tensor *image_input(vkd_graph *g, uint32_t m, uint32_t v)
{
    char name[32];
    snprintf(name, sizeof(name), "images.%u.%u", m, v);
    return vkd_input(g, name, VKD_F32, (struct vkd_shape) { { BATCH, SIDE, SIDE, 1 } });
}

static const char *const embed_names[VIEWS] = { "embed.0", "embed.1" };

// Loss of a method over N = ALL images, of embeddings that are there.
static void add_loss(vkd_graph *g, const struct vkd__ssl_method *method, vkd_tensor *const z[VIEWS])
{
    struct vkd__ssl_inputs in = { .batch = ALL, .views = VIEWS, .large = VIEWS };
    for (uint32_t v = 0; v < VIEWS; v++)
        in.student[v][0] = z[v];
    if (method->labels)
        in.labels = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, ALL } });
    struct vkd__ssl_config config = method->config;
    vkd_graph_loss(g, vkd_mark(g, method->loss(g, &in, &config), "loss"));
}

enum kind { WHOLE, EMBED, LOSS, PROGRAM, KINDS };

static vkd_graph *graph_of(enum kind kind, const struct row *row)
{
    const struct vkd__ssl_method *method = vkd__ssl_find(row->method);
    vkd_graph *g;
    vkd_tensor *z[VIEWS], *parts[VIEWS][MICRO], *sum = NULL;
    OK(vkd_graph_create(vkd_device_log(dev), &g));
    for (uint32_t m = 0; m < (kind == WHOLE ? MICRO : kind == LOSS ? 0 : 1); m++)
        for (uint32_t v = 0; v < VIEWS; v++)
            z[v] = parts[v][m] = net(g, image_input(g, m, v), row->norm);
    for (uint32_t v = 0; v < VIEWS; v++) {
        char grad[32];
        snprintf(grad, sizeof(grad), "%s.grad", embed_names[v]);
        if (kind == EMBED)
            vkd_mark(g, z[v], embed_names[v]);
        if (kind == WHOLE)
            z[v] = vkd_concat_rows(g, parts[v], MICRO);
        if (kind == LOSS)
            z[v] = vkd_input_grad(g, embed_names[v], (struct vkd_shape) { { ALL, 1, 1, WIDTH } });
        if (kind != PROGRAM)
            continue;
        vkd_tensor *with = vkd_input(g, grad, VKD_F32, (struct vkd_shape) { { BATCH, 1, 1, WIDTH } });
        vkd_tensor *term = vkd_sum(g, vkd_mul(g, z[v], with), 15);
        sum = sum ? vkd_add(g, sum, term) : term;
    }
    if (kind == PROGRAM)
        vkd_graph_loss(g, vkd_scale(g, sum, MICRO));
    if (kind == WHOLE || kind == LOSS)
        add_loss(g, method, z);
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

// ---- Two ways of one step ----

struct world {
    const struct row *row;
    vkd_graph *graphs[KINDS];
    vkd_params *params[2];              // of the reference and of the cached way
    vkd_program *programs[KINDS];
    vkd_arena *arena;                   // of both passes
    vkd_dataset *set;
    vkd_loader *loader;
    vkd_optimizer *optimizer;
    vkd__feed *feed;
    vkd_commands *micro, *update;
    uint8_t labelled[COUNT];
};

static uint64_t arena_of(vkd_graph *g, const struct vkd_program_params *p)
{
    struct vkd_program_memory m;
    OK(vkd_program_estimate(vkd_device_caps(dev), g, p, &m));
    return m.arena;
}

static void open_programs(struct world *w)
{
    const struct vkd_program_params still = { .training = true, .still = true }, train = { .training = true, .backward = true };
    for (int k = 0; k < KINDS; k++)
        w->graphs[k] = graph_of(k, w->row);
    for (int i = 0; i < 2; i++) {
        OK(vkd_params_create(dev, w->graphs[WHOLE], true, &w->params[i]));
        OK(vkd_params_init(w->params[i], 3));
    }
    uint64_t embed = arena_of(w->graphs[EMBED], &still), program = arena_of(w->graphs[PROGRAM], &train);
    OK(vkd_arena_create(dev, embed > program ? embed : program, &w->arena));
    struct vkd_program_params shared_still = still, shared_train = train;
    shared_still.arena = shared_train.arena = w->arena;
    OK(vkd_program_create(dev, w->graphs[WHOLE], w->params[0], &train, &w->programs[WHOLE]));
    OK(vkd_program_create(dev, w->graphs[EMBED], w->params[1], &shared_still, &w->programs[EMBED]));
    OK(vkd_program_create(dev, w->graphs[LOSS], w->params[1], &train, &w->programs[LOSS]));
    OK(vkd_program_create(dev, w->graphs[PROGRAM], w->params[1], &shared_train, &w->programs[PROGRAM]));
    // Memory is that of one micro-batch.
    ck_assert_uint_lt(2 * (embed > program ? embed : program), vkd_program_memory(w->programs[WHOLE]).arena);
}

static void open_feed(struct world *w)
{
    char spec[256];
    struct vkd__route route = {
        .program = w->programs[PROGRAM], .loader = w->loader, .view_count = VIEWS,
        .marks = { "images.0.0", "images.0.1", "loss" }, .mark_count = 3, .labels = vkd__ssl_find(w->row->method)->labels,
        .embed = w->programs[EMBED], .loss = w->programs[LOSS], .cached = { embed_names[0], embed_names[1] }, .cached_count = 2,
    };
    snprintf(spec, sizeof(spec), "idx:%s", temp_path("set"));
    OK(vkd_dataset_open(&(struct vkd_dataset_params) { spec, "train", *vkd_device_log(dev) }, &w->set));
    OK(vkd_loader_create(&(struct vkd_loader_params) {
        .dataset = w->set, .batch = BATCH, .canvas = SIDE, .seed = 4, .shuffle = true, .drop_last = true, .threads = 1,
        .log = *vkd_device_log(dev) }, &route.loader));
    w->loader = route.loader;
    for (uint32_t v = 0; v < VIEWS; v++)
        route.views[v] = (struct vkd__feed_view) { v ? "images.0.1" : "images.0.0", {
            .mode = VKD__AUGMENT_RESIZED_CROP, .size = SIDE, .channels = 1, .scale = { 0.3f, 1 }, .ratio = { 0.75f, 1.333f },
            .flip = 0.5f, .mean = { 0.5f }, .std = { 0.25f }, .view = v } };
    for (uint32_t i = 0; i < COUNT; i++)
        w->labelled[i] = i % 3 != 0;
    OK(vkd__feed_create(&(struct vkd__feed_params) {
        .dev = dev, .routes = &route, .route_count = 1, .batch = BATCH, .micro_count = MICRO,
        .labelled = w->row->hide ? w->labelled : NULL, .metrics = vkd_optimizer_metrics(w->optimizer) }, &w->feed));
}

static void open_lists(struct world *w)
{
    struct vkd_range step = vkd_program_step_block(w->programs[PROGRAM]), loss;
    OK(vkd_program_range(w->programs[LOSS], "loss", &loss));
    OK(vkd_commands_create(dev, &w->micro));
    OK(vkd_commands_begin(w->micro));
    vkd_optimizer_record_micro(w->optimizer, w->micro, step, &loss);
    OK(vkd_commands_end(w->micro));
    OK(vkd_commands_create(dev, &w->update));
    OK(vkd_commands_begin(w->update));
    vkd_optimizer_record(w->optimizer, w->update, step);
    OK(vkd_commands_end(w->update));
}

static void world_open(struct world *w, const struct row *row)
{
    struct vkd_optimizer_config c;
    *w = (struct world) { .row = row };
    open_programs(w);
    OK(vkd_optimizer_defaults("sgd", &c));
    c.momentum = c.weight_decay = 0;
    c.accumulation = MICRO;
    OK(vkd_optimizer_create(dev, w->params[1], &c, &w->optimizer));
    open_feed(w);
    open_lists(w);
}

static void world_close(struct world *w)
{
    vkd__feed_destroy(&w->feed);
    vkd_commands_destroy(dev, &w->micro);
    vkd_commands_destroy(dev, &w->update);
    vkd_optimizer_destroy(&w->optimizer);
    vkd_loader_destroy(&w->loader);
    vkd_dataset_close(&w->set);
    for (int k = 0; k < KINDS; k++)
        vkd_program_destroy(&w->programs[k]);
    vkd_arena_destroy(&w->arena);
    vkd_params_destroy(&w->params[0]);
    vkd_params_destroy(&w->params[1]);
    for (int k = 0; k < KINDS; k++)
        vkd_graph_destroy(&w->graphs[k]);
}

// One pass over the images that the feed has just seen; their loss.
static float whole_step(struct world *w, const struct vkd__feed_result *res)
{
    struct vkd_range range;
    uint64_t size, ticket;
    float loss[4];
    for (uint32_t m = 0; m < MICRO; m++) {
        for (uint32_t v = 0; v < VIEWS; v++) {
            char name[32];
            const void *images = vkd__feed_mark(w->feed, v ? "images.0.1" : "images.0.0", m, &size);
            snprintf(name, sizeof(name), "images.%u.%u", m, v);
            OK(vkd_program_range(w->programs[WHOLE], name, &range));
            ck_assert(images && range.size == size);
            OK(vkd_buffer_write(dev, range.buffer, range.ofs, images, size));
        }
    }
    if (vkd__ssl_find(w->row->method)->labels) {
        uint32_t labels[(ALL + 3) / 4 * 4] = { 0 };
        memcpy(labels, res->labels, ALL * sizeof(*labels));
        OK(vkd_program_range(w->programs[WHOLE], "labels", &range));
        OK(vkd_buffer_write(dev, range.buffer, range.ofs, labels, range.size));
    }
    OK(vkd_program_run(w->programs[WHOLE], NULL, &ticket));
    OK(vkd_wait(dev, ticket, UINT64_MAX, NULL));
    OK(vkd_program_range(w->programs[WHOLE], "loss", &range));
    OK(vkd_buffer_read(dev, range.buffer, range.ofs, loss, sizeof(loss)));
    return loss[0];
}

static float *read_param(vkd_params *p, uint32_t i, bool grad)
{
    float *data = malloc(vkd_params_at(p, i)->numel * sizeof(*data));
    ck_assert_ptr_nonnull(data);
    OK(grad ? vkd_params_read_grad(p, i, data) : vkd_params_read(p, i, data));
    return data;
}

// The step that the optimiser took at lr 1 is the whole's gradient; states moved as the whole's.
static void compare_params(struct world *w)
{
    vkd_params *fresh;
    OK(vkd_params_create(dev, w->graphs[WHOLE], false, &fresh));
    OK(vkd_params_init(fresh, 3));
    for (uint32_t i = 0; i < vkd_params_count(fresh); i++) {
        const struct vkd_param_info *info = vkd_params_at(fresh, i);
        ck_assert_int_eq(vkd_params_find(w->params[1], info->name), (int) i);
        float *start = read_param(fresh, i, false), *end = read_param(w->params[1], i, false);
        float *truth = read_param(w->params[0], i, !info->state);
        double most = 0, worst = 0;
        for (uint64_t k = 0; k < info->numel; k++) {
            double got = info->state ? (double) end[k] : (double) start[k] - (double) end[k];
            most = fmax(most, fabs((double) truth[k]));
            worst = fmax(worst, fabs(got - (double) truth[k]));
        }
        ck_assert_msg(most > 0, "%s: all zero", info->name);
        ck_assert_msg(worst <= 1e-4 * most + 2e-7, "%s, %s: off by %g of %g", w->row->method, info->name, worst, most);
        free(start);
        free(end);
        free(truth);
    }
    vkd_params_destroy(&fresh);
}

START_TEST(same_as_one_pass)
{
    struct world w;
    struct vkd__feed_result res;
    struct vkd_step_block step = { .seed = { 7, 0 } };
    world_open(&w, &rows[_i]);
    vkd_optimizer_step_values(w.optimizer, 0, 1.0, &step);
    OK(vkd__feed_submit(w.feed, 0, &step, w.micro, &w.update, 1, NULL));
    OK(vkd__feed_collect(w.feed, &res));
    ck_assert_uint_eq(res.images, ALL);
    ck_assert(res.count == ALL || w.row->hide);
    for (uint32_t i = 0; i < ALL; i++) {
        bool hidden = w.row->hide && !w.labelled[res.indices[i]];
        ck_assert_uint_eq(res.labels[i], hidden ? VKD_NO_LABEL : vkd_dataset_label(w.set, res.indices[i]));
    }
    float truth = whole_step(&w, &res);
    const float *loss = vkd__feed_mark(w.feed, "loss", 0, NULL);
    ck_assert_ptr_nonnull(loss);
    ck_assert_msg(truth > 0.1f && fabsf(*loss - truth) <= 1e-5f * truth, "loss %g, expected %g", (double) *loss, (double) truth);
    ck_assert_float_eq_tol(res.metrics.loss, *loss, 1e-6f * truth);
    ck_assert_uint_eq(res.metrics.nonfinite, 0);
    compare_params(&w);
    world_close(&w);
}
END_TEST

// Two steps in flight keep out of each other's way: the same weights as one after the other.
START_TEST(steps_in_flight)
{
    uint64_t hash[2];
    for (int together = 0; together < 2; together++) {
        struct world w;
        struct vkd__feed_result res;
        struct vkd_step_block step = { .seed = { 7, 0 } };
        world_open(&w, &rows[1]);
        for (uint32_t s = 0; s < 4; s++) {
            if (together ? vkd__feed_full(w.feed) : !vkd__feed_empty(w.feed))
                OK(vkd__feed_collect(w.feed, &res));
            vkd_optimizer_step_values(w.optimizer, s, 0.1, &step);
            OK(vkd__feed_submit(w.feed, 0, &step, w.micro, &w.update, 1, NULL));
        }
        while (!vkd__feed_empty(w.feed))
            OK(vkd__feed_collect(w.feed, &res));
        ck_assert_uint_eq(res.step, 3);
        OK(vkd_params_hash(w.params[1], &hash[together]));
        world_close(&w);
    }
    ck_assert(hash[0] == hash[1]);
}
END_TEST

// Embeddings are finite, their squares are not: it is the loss that is named.
START_TEST(what_is_not_finite_is_named)
{
    struct world w;
    struct vkd__feed_result res;
    struct vkd_step_block step = { .seed = { 7, 0 } };
    uint32_t micro, head;
    char text[256];
    world_open(&w, &rows[3]);
    head = (uint32_t) vkd_params_find(w.params[1], "head.weight");
    float *weight = read_param(w.params[1], head, false);
    for (uint64_t i = 0; i < vkd_params_at(w.params[1], head)->numel; i++)
        weight[i] *= 1e25f;
    OK(vkd_params_write(w.params[1], head, weight));
    vkd_optimizer_step_values(w.optimizer, 0, 0.1, &step);
    OK(vkd__feed_submit(w.feed, 0, &step, w.micro, &w.update, 1, NULL));
    OK(vkd__feed_collect(w.feed, &res));
    ck_assert_uint_eq(res.metrics.nonfinite, 1);
    OK(vkd__feed_find_nonfinite(w.feed, &micro, text, sizeof(text)));
    ck_assert_uint_eq(micro, MICRO);
    ck_assert_msg(strstr(text, "output of "), "\"%s\"", text);
    free(weight);
    world_close(&w);
}
END_TEST

static void open_world(void)
{
    write_idx_set("set", "train", COUNT, SIDE, SIDE, false);
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_world(void)
{
    gpu_close(&dev);
    ck_assert(temp_remove());
}

int main(void)
{
    Suite *suite = suite_create("grad_cache");
    TCase *tc = tcase_create("grad_cache");
    tcase_set_timeout(tc, 300);
    tcase_add_unchecked_fixture(tc, open_world, close_world);
    tcase_add_loop_test(tc, same_as_one_pass, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(tc, steps_in_flight);
    tcase_add_test(tc, what_is_not_finite_is_named);
    suite_add_tcase(suite, tc);
    return gpu_run(suite);
}
