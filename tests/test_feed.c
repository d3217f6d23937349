// test_feed.c -- frames of several micro-batches, routes, hidden labels, targets, and whole sets as features.
#include "engine/train/features.h"
#include "tests/data_files.h"
#include "tests/gpu.h"

#include <vkdiv/layers.h>

#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static vkd_device *dev;

enum { SIDE = 5, BATCH = 6, WIDTH = 5, COUNT = 20, CLASSES = 3 };

// ---- A net of one layer, on a set ----

struct world {
    vkd_dataset *set;
    vkd_loader *loader;
    vkd_graph *graph;
    vkd_params *params;
    vkd_program *program;
    vkd__feed *feed;
    struct vkd__route route;
};

struct options {
    const char *spec;               // below the temporary folder
    bool multi_label, queue, squared;
    uint32_t subset_count;
    const uint32_t *subset;
};

static vkd_graph *graph_of(const struct options *o, uint32_t channels)
{
    vkd_graph *g;
    OK(vkd_graph_create(vkd_device_log(dev), &g));
    vkd_tensor *x = vkd_input(g, "images", VKD_F32, (struct vkd_shape) { { BATCH, SIDE, SIDE, channels } });
    if (o->multi_label)
        vkd_input(g, "targets", VKD_F32, (struct vkd_shape) { { BATCH, 1, 1, CLASSES } });
    else
        vkd_input(g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, BATCH } });
    x = vkd_layer_conv2d(g, x, "conv", WIDTH, 3, NULL);
    x = vkd_mark(g, vkd_global_avg_pool(g, o->squared ? vkd_mul(g, x, x) : x), "features");
    if (o->queue) {
        vkd_tensor *in[2] = { vkd_param(g, &(struct vkd_param_params) {
            .name = "queue", .shape = { { 1, 1, 3 * BATCH, WIDTH } }, .state = true, .rank = 2 }), x };
        vkd_apply(g, "queue_push", in, 2, NULL);
    }
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

static void world_open(struct world *w, const struct options *o)
{
    char spec[512];
    *w = (struct world) { 0 };
    snprintf(spec, sizeof(spec), o->multi_label ? "csv:%s" : "idx:%s", temp_path("%s", o->spec));
    OK(vkd_dataset_open(&(struct vkd_dataset_params) { spec, "train", *vkd_device_log(dev) }, &w->set));
    OK(vkd_loader_create(&(struct vkd_loader_params) {
        .dataset = w->set, .batch = BATCH, .canvas = SIDE, .threads = 1, .log = *vkd_device_log(dev),
        .subset = o->subset, .subset_count = o->subset_count }, &w->loader));
    uint32_t channels = vkd_dataset_info(w->set)->channels;
    w->graph = graph_of(o, channels);
    OK(vkd_params_create(dev, w->graph, true, &w->params));
    OK(vkd_params_init(w->params, 3));
    OK(vkd_program_create(dev, w->graph, w->params, &(struct vkd_program_params) { .training = o->queue }, &w->program));
    w->route = (struct vkd__route) {
        .program = w->program, .loader = w->loader, .view_count = 1,
        .views = { { "images", { .size = SIDE, .channels = channels, .scale = { 1, 1 }, .ratio = { 1, 1 },
                                 .mean = { 0.5f, 0.5f, 0.5f }, .std = { 0.25f, 0.25f, 0.25f } } } },
        .marks = { "images", "features", o->multi_label ? "targets" : "labels" }, .mark_count = 3, .labels = true,
    };
}

static void world_feed(struct world *w, uint32_t micro_count, const uint8_t *labelled)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(w->set);
    OK(vkd__feed_create(&(struct vkd__feed_params) {
        .dev = dev, .routes = &w->route, .route_count = 1, .batch = BATCH, .micro_count = micro_count,
        .labelled = labelled, .multi_label = info->multi_label, .classes = info->classes }, &w->feed));
}

static void world_close(struct world *w)
{
    vkd__feed_destroy(&w->feed);
    vkd_program_destroy(&w->program);
    vkd_params_destroy(&w->params);
    vkd_graph_destroy(&w->graph);
    vkd_loader_destroy(&w->loader);
    vkd_dataset_close(&w->set);
}

static void step(struct world *w, struct vkd__feed_result *res)
{
    struct vkd_step_block block = { .step = 0 };
    OK(vkd__feed_submit(w->feed, 0, &block, NULL, NULL, 0, NULL));
    OK(vkd__feed_collect(w->feed, res));
}

// ---- Frames ----

// 20 images in batches of 6, three to a frame: the second frame begins with a batch of 2.
START_TEST(frames_hold_micro_batches)
{
    struct world w;
    struct vkd__feed_result res;
    uint8_t labelled[COUNT];
    uint64_t size;
    for (uint32_t i = 0; i < COUNT; i++)
        labelled[i] = i % 4 != 1;
    world_open(&w, &(struct options) { .spec = "set" });
    world_feed(&w, 3, labelled);
    ck_assert_uint_eq(vkd__feed_images(w.feed), 18);
    uint32_t next = 0;
    for (uint32_t frame = 0; frame < 4; frame++) {
        uint32_t images = 0, seen = 0;
        step(&w, &res);
        for (uint32_t m = 0; m < 3; m++) {
            const uint32_t *device = vkd__feed_mark(w.feed, "labels", m, &size);
            const float *pixels = vkd__feed_mark(w.feed, "images", m, NULL);
            ck_assert_uint_eq(size, 32);
            for (uint32_t i = 0; i < BATCH; i++) {
                bool here = (3 * frame + m) % 4 < 3 || i < 2;
                uint32_t at = m * BATCH + i, index = here ? next++ % COUNT : VKD_NO_LABEL;
                bool bare = !here || !labelled[index];
                ck_assert_uint_eq(res.indices[at], index);
                ck_assert_uint_eq(res.labels[at], bare ? VKD_NO_LABEL : vkd_dataset_label(w.set, index));
                ck_assert_uint_eq(device[i], res.labels[at]);
                images += here;
                seen += !bare;
                for (uint32_t k = 0; !here && k < SIDE * SIDE * 4; k++)
                    ck_assert_float_eq(pixels[i * SIDE * SIDE * 4 + k], 0);
            }
            ck_assert_uint_eq(device[BATCH] | device[BATCH + 1], 0);
        }
        ck_assert_uint_eq(res.images, images);
        ck_assert_uint_eq(res.count, seen);
    }
    ck_assert_ptr_null(vkd__feed_mark(w.feed, "images", 3, NULL));
    ck_assert_ptr_null(vkd__feed_mark(w.feed, "loss", 0, NULL));
    world_close(&w);
}
END_TEST

// What every micro-batch queues has a place of its own.
START_TEST(queues_move_on_within_a_step)
{
    struct world w;
    struct vkd__feed_result res;
    float queue[3 * BATCH * 8];
    world_open(&w, &(struct options) { .spec = "set", .queue = true });
    world_feed(&w, 3, NULL);
    step(&w, &res);
    OK(vkd_params_read(w.params, (uint32_t) vkd_params_find(w.params, "queue"), queue));
    for (uint32_t m = 0; m < 3; m++)
        ck_assert_mem_eq(queue + m * BATCH * 8, vkd__feed_mark(w.feed, "features", m, NULL), BATCH * 8 * sizeof(float));
    world_close(&w);
}
END_TEST

// Two routes in turn, two frames in flight: each brings what its program makes of its loader's images.
START_TEST(routes_keep_apart)
{
    static const uint32_t subset[] = { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 2, 4 };
    struct world w[2];
    struct vkd__features all[2];
    world_open(&w[0], &(struct options) { .spec = "set" });
    world_open(&w[1], &(struct options) { .spec = "set", .squared = true });
    for (int k = 0; k < 2; k++) {
        world_feed(&w[k], 1, NULL);
        OK(vkd__collect_features(&(struct vkd__features_params) {
            .feed = w[k].feed, .loader = w[k].loader, .mark = "features", .width = WIDTH }, &all[k]));
        world_close(&w[k]);
    }
    world_open(&w[0], &(struct options) { .spec = "set" });
    world_open(&w[1], &(struct options) { .spec = "set", .squared = true, .subset = subset, .subset_count = 12 });
    const struct vkd__route routes[] = { w[0].route, w[1].route };
    OK(vkd__feed_create(&(struct vkd__feed_params) {
        .dev = dev, .routes = routes, .route_count = 2, .batch = BATCH, .micro_count = 2 }, &w[0].feed));
    static const uint32_t order[] = { 0, 1, 1, 0, 1, 0, 0 };
    for (uint32_t sent = 0, got = 0; got < 7;) {
        struct vkd_step_block block = { .step = sent };
        struct vkd__feed_result res;
        if (sent < 7 && !vkd__feed_full(w[0].feed)) {
            OK(vkd__feed_submit(w[0].feed, order[sent++], &block, NULL, NULL, 0, NULL));
            continue;
        }
        OK(vkd__feed_collect(w[0].feed, &res));
        ck_assert_uint_eq(res.step, got);
        ck_assert_uint_eq(res.route, order[got++]);
        for (uint32_t i = 0; i < 2 * BATCH; i++) {
            const float *rows = vkd__feed_mark(w[0].feed, "features", i / BATCH, NULL);
            if (res.indices[i] != VKD_NO_LABEL)
                ck_assert_mem_eq(rows + i % BATCH * 8, all[res.route].rows + res.indices[i] * WIDTH, WIDTH * sizeof(float));
            if (res.route)
                ck_assert(res.indices[i] == subset[i]);
        }
    }
    struct vkd_step_block block = { .step = 0 };
    ck_assert_int_eq(vkd__feed_submit(w[0].feed, 2, &block, NULL, NULL, 0, NULL), VKD_INVALID);
    for (int k = 0; k < 2; k++) {
        world_close(&w[k]);
        vkd__features_finish(&all[k]);
    }
}
END_TEST

START_TEST(several_labels)
{
    struct world w;
    struct vkd__feed_result res;
    struct vkd__features all;
    static const uint8_t labelled[] = { 1, 0, 1, 1, 1, 1, 1 };
    // Targets of the seven images: per class yes, no, unknown.
    static const float truth[7][CLASSES] = { { 1, 1, 0 }, { -1, -1, -1 }, { 0, 0, 0 }, { 0, -1, 1 }, { -1, -1, -1 },
                                             { 0, 1, 0 }, { 1, 0, 0 } };
    world_open(&w, &(struct options) { .spec = "multi/list.csv", .multi_label = true });
    world_feed(&w, 2, labelled);
    step(&w, &res);
    ck_assert_uint_eq(res.images, 7);
    ck_assert_uint_eq(res.count, 5);
    ck_assert_uint_eq(res.target_stride, 4);
    for (uint32_t i = 0; i < 2 * BATCH; i++) {
        const float *device = vkd__feed_mark(w.feed, "targets", i / BATCH, NULL);
        ck_assert_uint_eq(res.labels[i], VKD_NO_LABEL);
        for (uint32_t c = 0; c < CLASSES; c++)
            ck_assert_float_eq(res.targets[i * 4 + c], i < 7 ? truth[i][c] : VKD_TARGET_UNKNOWN);
        ck_assert_float_eq(res.targets[i * 4 + CLASSES], 0);
        ck_assert_mem_eq(device + i % BATCH * 4, res.targets + i * 4, 4 * sizeof(float));
    }
    vkd__feed_destroy(&w.feed);
    world_feed(&w, 1, labelled);
    OK(vkd__collect_features(&(struct vkd__features_params) {
        .feed = w.feed, .loader = w.loader, .mark = "features", .width = WIDTH }, &all));
    ck_assert_uint_eq(all.count, 7);
    ck_assert_uint_eq(all.classes, CLASSES);
    ck_assert_mem_eq(all.targets, truth, sizeof(truth));
    vkd__features_finish(&all);
    world_close(&w);
}
END_TEST

// ---- Whole sets ----

static bool second_time(void *user)
{
    return ++*(int *) user == 2;
}

START_TEST(features_of_a_set)
{
    struct world w;
    struct vkd__features a, b;
    struct vkd__feed_result res;
    int asked = 0;
    world_open(&w, &(struct options) { .spec = "set" });
    world_feed(&w, 1, NULL);
    struct vkd__features_params p = { .feed = w.feed, .loader = w.loader, .mark = "features", .width = WIDTH };
    OK(vkd__collect_features(&p, &a));
    ck_assert_uint_eq(a.count, COUNT);
    ck_assert_ptr_null(a.targets);
    for (uint32_t i = 0; i < COUNT; i++) {
        ck_assert_uint_eq(a.indices[i], i);
        ck_assert_uint_eq(a.labels[i], vkd_dataset_label(w.set, i));
    }
    step(&w, &res);                     // wherever the loader stands
    OK(vkd__collect_features(&p, &b));
    ck_assert_mem_eq(a.rows, b.rows, COUNT * WIDTH * sizeof(float));
    vkd__features_finish(&b);
    p.stop = second_time;
    p.user = &asked;
    ck_assert_int_eq(vkd__collect_features(&p, &b), VKD_INTERRUPTED);
    p.stop = NULL;
    p.width = 9;
    ck_assert_int_eq(vkd__collect_features(&p, &b), VKD_INVALID);
    p.mark = "nothing";
    ck_assert_int_eq(vkd__collect_features(&p, &b), VKD_INVALID);
    ck_assert(vkd__feed_empty(w.feed));
    vkd__features_finish(&a);
    world_close(&w);
}
END_TEST

// ---- What is wrong ----

// All images but one of the second micro-batch are black.
START_TEST(the_micro_batch_is_named)
{
    struct world w;
    struct vkd__feed_result res;
    uint32_t micro;
    char text[256];
    world_open(&w, &(struct options) { .spec = "dark", .squared = true });
    w.route.views[0].augment.mean[0] = 0;
    w.route.views[0].augment.std[0] = 1e-30f;
    world_feed(&w, 3, NULL);
    step(&w, &res);
    OK(vkd__feed_find_nonfinite(w.feed, &micro, text, sizeof(text)));
    ck_assert_str_eq(text, "output of mul");
    ck_assert_uint_eq(micro, 1);
    step(&w, &res);                     // all black
    OK(vkd__feed_find_nonfinite(w.feed, &micro, text, sizeof(text)));
    ck_assert_str_eq(text, "");
    world_close(&w);
}
END_TEST

START_TEST(wrong_routes_are_refused)
{
    struct world w;
    world_open(&w, &(struct options) { .spec = "set" });
    struct vkd__feed_params p = { .dev = dev, .routes = &w.route, .route_count = 1, .batch = BATCH };
    w.route.marks[1] = "nothing";
    ck_assert_int_eq(vkd__feed_create(&p, &w.feed), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "\"nothing\""));
    w.route.marks[1] = "features";
    w.route.views[0].input = "pictures";
    ck_assert_int_eq(vkd__feed_create(&p, &w.feed), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "\"pictures\""));
    w.route.views[0].input = "images";
    w.route.views[0].augment.size = SIDE + 1;
    ck_assert_int_eq(vkd__feed_create(&p, &w.feed), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "\"images\" has "));
    w.route.views[0].augment.size = SIDE;
    p.multi_label = true;
    p.classes = CLASSES;
    ck_assert_int_eq(vkd__feed_create(&p, &w.feed), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "\"targets\""));
    ck_assert_ptr_null(w.feed);
    world_close(&w);
}
END_TEST

// ---- Sets ----

static void write_dark_set(void)
{
    static uint8_t pixels[36 * SIDE * SIDE], labels[36];
    memset(pixels + 8 * SIDE * SIDE, 255, SIDE * SIDE);
    temp_write_bytes("dark/train-images-idx3-ubyte", idx_encode(3, (uint32_t[3]) { 36, SIDE, SIDE }, pixels, sizeof(pixels)));
    temp_write_bytes("dark/train-labels-idx1-ubyte", idx_encode(1, (uint32_t[3]) { 36, 1, 1 }, labels, sizeof(labels)));
}

static void write_multi_set(void)
{
    static const char list[] = "path,labels\n0.png,ant|bee\n1.png,cow\n2.png,\n3.png,cow|?bee\n4.png,?\n5.png,bee\n6.png,ant\n";
    for (uint32_t i = 0; i < 7; i++) {
        char name[32];
        snprintf(name, sizeof(name), "multi/%u.png", i);
        temp_write_bytes(name, png_random(SIDE, SIDE, i));
    }
    temp_write("multi/list.csv", list, sizeof(list) - 1);
}

static void open_world(void)
{
    write_idx_set("set", "train", COUNT, SIDE, SIDE, false);
    write_dark_set();
    write_multi_set();
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
    Suite *suite = suite_create("feed");
    TCase *tc = tcase_create("feed");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, open_world, close_world);
    tcase_add_test(tc, frames_hold_micro_batches);
    tcase_add_test(tc, queues_move_on_within_a_step);
    tcase_add_test(tc, routes_keep_apart);
    tcase_add_test(tc, several_labels);
    tcase_add_test(tc, features_of_a_set);
    tcase_add_test(tc, the_micro_batch_is_named);
    tcase_add_test(tc, wrong_routes_are_refused);
    suite_add_tcase(suite, tc);
    return gpu_run(suite);
}
