// test_grad_cache_runs.c -- runs with gradient caching against runs that see each batch at once.
//
// Batch norm takes its statistics from a micro-batch. So that they are those of the whole batch, every batch here is the
// same few images twice, in views without chance: then both kinds of run compute the same numbers. That rows of different
// images find their places is for test_grad_cache to check.
#include <vkdiv/train.h>

#include "engine/safetensors.h"
#include "tests/data_files.h"
#include "tests/gpu.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static vkd_device *dev;
static char spec[128];

enum { SIDE = 12, PIXELS = SIDE * SIDE, PARTS = 2, MICRO = 6, BATCH = PARTS * MICRO, STEPS = 2, COUNT = STEPS * BATCH };

static const struct { const char *method, *mode; uint32_t head_depth; } rows[] = {
    { "simclr", "ssl", 0 },
    { "vicreg", "ssl", 0 },             // a loss of the batch's statistics
    { "byol", "ssl", 0 },               // a teacher's embeddings are cached too
    { "supcon", "ssl", 0 },             // labels reach the loss
    { "mocov2", "ssl", 0 },             // a queue
    { "mocov3", "ssl", 0 },
    { "simsiam", "ssl", 0 },
    { "barlow", "ssl", 0 },             // norms in the loss
    { "swav", "ssl", 0 },               // prototypes, small crops
    { "dino", "ssl", 0 },               // and a centre
    { "simclr", "step", 0 },            // labels injected beside
    { "simclr", "step", 1 },
};

static void write_part(const char *part, uint32_t count)
{
    uint8_t pixels[COUNT * PIXELS], labels[COUNT];
    char name[64];
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t content = i / BATCH * MICRO + i % MICRO;
        fill_random(pixels + i * PIXELS, PIXELS, 10 + content);
        labels[i] = (uint8_t) (content % 3);
    }
    snprintf(name, sizeof(name), "set/%s-images-idx3-ubyte", part);
    temp_write_bytes(name, idx_encode(3, (uint32_t[3]) { count, SIDE, SIDE }, pixels, count * PIXELS));
    snprintf(name, sizeof(name), "set/%s-labels-idx1-ubyte", part);
    temp_write_bytes(name, idx_encode(1, (uint32_t[3]) { count, 1, 1 }, labels, count));
}

static struct vkd_recipe recipe(int row)
{
    const struct vkd_recipe_view still = { .filter = "bilinear", .scale = { 1, 1 }, .ratio = { 1, 1 }, .sigma = { 0.1f, 2 } };
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.method = rows[row].method;
    r.injection.mode = rows[row].mode;
    r.injection.head_depth = rows[row].head_depth;
    if (strcmp(rows[row].mode, "ssl"))
        r.injection.max = 0.3f;
    r.view1 = r.view2 = still;
    r.view2.solarize = 1;
    r.data.train = spec;
    r.data.shuffle = false;
    r.data.threads = 1;
    r.model.width = 4;
    r.model.size = SIDE;
    r.batch = BATCH;
    r.epochs = 1;
    r.eval_every = r.checkpoint_minutes = 0;
    r.optimizer.lr = 0.001f;            // a longer step takes rounding further than the bounds below
    r.optimizer.momentum = r.optimizer.weight_decay = 0;
    r.schedule.name = "constant";
    r.ssl.projector_hidden = r.ssl.predictor_hidden = 16;
    r.ssl.projector_out = 8;
    if (!strcmp(r.method, "mocov2"))
        r.ssl.queue = 2 * BATCH;
    if (!strcmp(r.method, "swav") || !strcmp(r.method, "dino")) {
        r.ssl.prototypes = 12;
        r.ssl.queue = !strcmp(r.method, "swav") ? BATCH : 0;
        r.ssl.frozen_epochs = 0;
        r.crops.count = 2;
        r.crops.size = 8;
        r.crops.view = still;
    }
    r.monitor.images = MICRO;
    r.monitor.knn_k = 3;
    r.seed = 5;
    return r;
}

static void train(struct vkd_recipe r, const char *name, uint32_t accumulate, bool cache)
{
    struct vkd_train_result out;
    char dir[160];
    r.accumulate = accumulate;
    r.ssl.grad_cache = cache;
    snprintf(dir, sizeof(dir), "%s", temp_path("%s", name));
    OK(vkd_train(dev, &(struct vkd_train_params) { .recipe = &r, .out_dir = dir, .command_line = "test" }, &out));
    ck_assert_uint_eq(out.steps, STEPS);
    ck_assert_uint_eq(out.steady_allocations, 0);
}

// Field `key` of the "step" event `index`; NAN without.
static double logged(const char *name, uint32_t index, const char *key)
{
    char line[2048];
    double value = NAN;
    FILE *f = fopen(temp_path("%s/metrics.jsonl", name), "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        json_t *one = json_loads(line, 0, NULL), *v = json_object_get(one, key);
        const char *event = json_string_value(json_object_get(one, "event"));
        ck_assert_ptr_nonnull(event);
        if (!strcmp(event, "step") && !index--)
            value = json_is_number(v) ? json_number_value(v) : NAN;
        json_decref(one);
    }
    fclose(f);
    return value;
}

static void compare_logged(const char *whole, const char *cached)
{
    static const char *const keys[] = { "loss", "ssl_loss", "supervised_loss", "probe_loss", "spread", "accuracy" };
    for (uint32_t s = 0; s < STEPS; s++) {
        for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
            double a = logged(whole, s, keys[k]), b = logged(cached, s, keys[k]);
            ck_assert_msg(isnan(a) ? isnan(b) : fabs(a - b) <= 1e-5 * fmax(fabs(a), 1), "step %u, %s: expected %.8g, found %.8g",
                          s, keys[k], a, b);
        }
        double a = logged(whole, s, "grad_norm"), b = logged(cached, s, "grad_norm");
        ck_assert_msg(fabs(a - b) <= 1e-4 * a, "step %u, grad_norm: expected %.8g, found %.8g", s, a, b);
    }
    ck_assert(logged(whole, 0, "ssl_loss") > 0.01);
}

static vkd__st_file *open_weights(const char *name)
{
    vkd__st_file *f;
    OK(vkd__st_open(temp_path("%s/last.safetensors", name), NULL, &f));
    return f;
}

// What the steps changed of the weights is the same.
static void compare_weights(const char *start, const char *whole, const char *cached)
{
    vkd__st_file *f[3] = { open_weights(start), open_weights(whole), open_weights(cached) };
    uint32_t compared = 0;
    for (uint32_t i = 0; i < vkd__st_count(f[0]); i++) {
        const struct vkd__st_tensor *t = vkd__st_at(f[0], i), *a = vkd__st_find(f[1], t->name), *b = vkd__st_find(f[2], t->name);
        ck_assert(a && b && a->numel == t->numel && b->numel == t->numel);
        if (t->type != VKD__ST_F32 || strstr(t->name, "running_"))
            continue;
        const float *x = t->data, *y = a->data, *z = b->data;
        double most = 0, worst = 0, size = 0;
        for (uint64_t k = 0; k < t->numel; k++) {
            most = fmax(most, fabs((double) y[k] - (double) x[k]));
            worst = fmax(worst, fabs((double) y[k] - (double) z[k]));
            size = fmax(size, fabs((double) y[k]));
        }
        ck_assert_msg(most > 0, "%s stays as it is", t->name);
        ck_assert_msg(worst <= 1e-4 * most + 2e-7 * size, "%s: off by %g of %g", t->name, worst, most);
        compared++;
    }
    ck_assert_uint_gt(compared, 20);
    for (int i = 0; i < 3; i++)
        vkd__st_close(&f[i]);
}

START_TEST(same_as_whole_batches)
{
    struct vkd_recipe r = recipe(_i), still = r;
    char names[3][32];
    for (int i = 0; i < 3; i++)
        snprintf(names[i], sizeof(names[i]), "%s-%d", (const char *[]) { "start", "whole", "cached" }[i], _i);
    still.optimizer.lr = still.monitor.probe_lr = 1e-30f;
    train(still, names[0], 1, false);
    train(r, names[1], 1, false);
    train(r, names[2], PARTS, true);
    compare_logged(names[1], names[2]);
    compare_weights(names[0], names[1], names[2]);
}
END_TEST

// Without the cache the loss sees half of the batch: the comparison above can fail.
START_TEST(parts_alone_differ)
{
    struct vkd_recipe r = recipe(0);
    train(r, "one", 1, false);
    train(r, "parts", PARTS, false);
    double one = logged("one", 0, "ssl_loss"), parts = logged("parts", 0, "ssl_loss");
    ck_assert_msg(one - parts > 0.3, "%g, %g", one, parts);
}
END_TEST

static void open_all(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
    write_part("train", COUNT);
    write_part("t10k", BATCH);
    snprintf(spec, sizeof(spec), "idx:%s", temp_path("set"));
}

static void close_all(void)
{
    gpu_close(&dev);
    ck_assert(temp_remove());
}

int main(void)
{
    Suite *s = suite_create("grad cache runs");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, same_as_whole_batches, 0, sizeof(rows) / sizeof(rows[0]));
    tcase_add_test(t, parts_alone_differ);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
