// test_pretrain.c -- whole self-supervised and injected runs on small made-up sets: resuming, probing, injecting.
#include <vkdiv/data.h>
#include <vkdiv/train.h>

#include "engine/safetensors.h"
#include "runtime/os.h"
#include "tests/gpu.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static vkd_device *dev;
static char root[64], spec[128], flat[128], collage[128];

enum { SIDE = 16, CLASSES = 4, TRAIN = 40, TEST = 16, BATCH = 8, EPOCH = TRAIN / BATCH };

// ---- Sets whose classes are the quadrant of a bright spot on noise ----

static void write_image(FILE *f, uint32_t class, uint32_t *state)
{
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            *state = *state * 1664525u + 1013904223u;
            int inside = (y >= SIDE / 2) == (class >= 2) && (x >= SIDE / 2) == (class & 1);
            fputc((int) (*state >> 25) + (inside ? 100 : 0), f);
        }
    }
}

static void write_pgm(const char *folder, uint32_t index, uint32_t *state)
{
    struct vkd__why why;
    char path[160];
    snprintf(path, sizeof(path), "%s/%s", root, folder);
    ck_assert_int_eq(vkd__dir_create(path, &why), VKD_OK);
    snprintf(path, sizeof(path), "%s/%s/%02u.pgm", root, folder, index);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "P5\n%d %d\n255\n", SIDE, SIDE);
    write_image(f, index % CLASSES, state);
    fclose(f);
}

static void write_set(const char *name)
{
    static const char *const splits[] = { "train", "test" };
    uint32_t state = 1;
    char folder[64];
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < (s ? TEST : TRAIN); i++) {
            snprintf(folder, sizeof(folder), "%s/%s/%c", name, splits[s], 'a' + (char) (i % CLASSES));
            write_pgm(folder, i, &state);
        }
    }
}

static void write_sets(void)
{
    uint32_t state = 2;
    write_set("data");
    for (uint32_t i = 0; i < TEST; i++)
        write_pgm("flat", i, &state);
    snprintf(spec, sizeof(spec), "folder:%s/data", root);
    snprintf(collage, sizeof(collage), "folder:%s/data?collage=2", root);
    snprintf(flat, sizeof(flat), "folder:%s/flat?split=all", root);
}

static struct vkd_recipe recipe(const char *method, const char *mode)
{
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.method = method;
    r.injection.mode = mode;
    r.data.train = spec;
    r.data.threads = 1;
    r.model.width = 4;
    r.model.size = SIDE;
    r.batch = BATCH;
    r.epochs = 3;
    r.eval_every = 0;
    r.checkpoint_minutes = 0;
    r.optimizer.lr = 0.02f;
    r.ssl.projector_hidden = 16;
    r.ssl.projector_out = 8;
    r.monitor.images = 16;
    r.monitor.knn_k = 5;
    r.seed = 5;
    return r;
}

// ---- Running ----

static bool stop_now(void *user)
{
    uint32_t *left = user;
    return *left && --*left == 0;
}

// `stop_after`: steps of this part; 0: to the end.
static vkd_result train(const struct vkd_recipe *r, const char *name, bool resume, uint32_t stop_after,
                        struct vkd_train_result *out)
{
    char dir[128];
    snprintf(dir, sizeof(dir), "%s/%s", root, name);
    return vkd_train(dev, &(struct vkd_train_params) {
        .recipe = r, .out_dir = dir, .resume = resume, .command_line = "test", .stop = stop_now, .user = &stop_after,
    }, out);
}

// The events called `event` of a run's metrics.jsonl, as an array.
static json_t *events(const char *name, const char *event)
{
    char path[160], line[1024];
    json_t *all = json_array();
    snprintf(path, sizeof(path), "%s/%s/metrics.jsonl", root, name);
    FILE *f = fopen(path, "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof(line), f)) {
        json_t *one = json_loads(line, 0, NULL);
        ck_assert_msg(one && json_is_string(json_object_get(one, "event")), "not an event: %s", line);
        if (!strcmp(json_string_value(json_object_get(one, "event")), event))
            json_array_append(all, one);
        json_decref(one);
    }
    fclose(f);
    return all;
}

static double number(const json_t *event, const char *key)
{
    const json_t *v = json_object_get(event, key);
    ck_assert_msg(json_is_number(v), "no number %s", key);
    return json_number_value(v);
}

static double last_number(const char *name, const char *event, const char *key)
{
    json_t *all = events(name, event);
    ck_assert_uint_gt(json_array_size(all), 0);
    double v = number(json_array_get(all, json_array_size(all) - 1), key);
    json_decref(all);
    return v;
}

// ---- Resuming ----

// One row per state that must come back: the steps after which the run is stopped (mid-epoch all), one part after another.
static const struct { const char *method, *mode; uint32_t epochs, stops[3]; } resumes[] = {
    { "simclr", "sequential", 5, { 7, 12, 18 } },   // self-supervision ends after 10 steps, the head's warm-up after 15
    { "mocov2", "ssl", 3, { 8 } },                  // the queue is full and wraps
    { "byol", "ssl", 3, { 8 } },
    { "dino", "ssl", 3, { 8 } },
    { "swav", "ssl", 3, { 8 } },                    // the queue is on
    { "simclr", "linear", 3, { 3, 8 } },            // gradient caching, without labels and with
    { "simclr", "floor", 3, { 8 } },                // the controller's integral
    { "simclr", "sequential", 5, { 7, 12, 18 } },   // a third of the labels: both loaders
    { "simclr", "pulse", 9, { 3, 7, 12 } },         // ... and back, in epochs of two steps and a rest: labels in 4 ... 9
};
enum { CACHED = 5, THIRD = 7, REST = 8 };

static struct vkd_recipe resumed_recipe(int row)
{
    struct vkd_recipe r = recipe(resumes[row].method, resumes[row].mode);
    bool clusters = !strcmp(r.method, "dino") || !strcmp(r.method, "swav");
    r.epochs = resumes[row].epochs;
    if (strcmp(r.injection.mode, "ssl"))
        r.injection.start = r.epochs == 5 ? 2 : 1;
    if (!strcmp(r.injection.mode, "sequential"))
        r.injection.head_warmup = 1;
    if (!strcmp(r.injection.mode, "floor"))
        r.injection.floor = 0.5f;
    r.ssl.predictor_hidden = 16;
    r.ssl.prototypes = clusters ? 12 : 0;
    r.ssl.queue = !strcmp(r.method, "mocov2") ? 32 : !strcmp(r.method, "swav") ? 16 : 0;
    if (clusters) {
        r.ssl.queue_start = r.ssl.queue ? 1 : -1;
        r.ssl.frozen_epochs = 0;
        r.crops.count = 2;
        r.crops.size = 8;
    }
    if (row == CACHED || row == REST)
        r.accumulate = 2;
    r.ssl.grad_cache = row == CACHED;
    if (row == THIRD || row == REST)
        r.injection.label_fraction = 0.34f;
    if (row == REST) {
        r.batch = 2 * BATCH;
        r.injection.start = 2;
        r.injection.end = 5;
    }
    r.monitor.every = 3;
    return r;
}

// The phases of a run and when they began, whatever parts it ran in.
static void same_phases(const char *a, const char *b)
{
    json_t *x = events(a, "inject"), *y = events(b, "inject");
    ck_assert_uint_gt(json_array_size(x), 0);
    ck_assert_uint_eq(json_array_size(x), json_array_size(y));
    for (size_t i = 0; i < json_array_size(x); i++) {
        json_t *p = json_array_get(x, i), *q = json_array_get(y, i);
        ck_assert(json_equal(json_object_get(p, "phase"), json_object_get(q, "phase")));
        ck_assert_double_eq(number(p, "step"), number(q, "step"));
        ck_assert_double_eq(number(p, "dose"), number(q, "dose"));
    }
    json_decref(x);
    json_decref(y);
}

// What a crash leaves that came after the checkpoint of `step`: the next phase has begun, or so it says.
static void begin_phase(const char *name, uint32_t step)
{
    char path[160];
    snprintf(path, sizeof(path), "%s/%s/metrics.jsonl", root, name);
    FILE *f = fopen(path, "a");
    ck_assert(f && fprintf(f, "{\"event\":\"inject\",\"step\":%u,\"phase\":\"later\",\"dose\":0}\n", step) > 0);
    fclose(f);
}

START_TEST(resumed_equals_uninterrupted)
{
    struct vkd_recipe r = resumed_recipe(_i);
    struct vkd_train_result whole, part;
    char name[32], once[32];
    snprintf(once, sizeof(once), "whole-%d", _i);
    ck_assert_int_eq(train(&r, once, false, 0, &whole), VKD_OK);
    ck_assert_uint_eq(whole.steps, resumes[_i].epochs * (TRAIN / r.batch));
    ck_assert_uint_eq(whole.steady_allocations, 0);
    snprintf(name, sizeof(name), "parts-%d", _i);
    uint32_t done = 0;
    for (int i = 0; i < 3 && resumes[_i].stops[i]; i++) {
        uint32_t stop = resumes[_i].stops[i];
        ck_assert_int_eq(train(&r, name, done > 0, stop - done, &part), VKD_INTERRUPTED);
        ck_assert_uint_eq(part.steps, stop);
        ck_assert(part.weights_hash != whole.weights_hash);
        begin_phase(name, stop);
        done = stop;
    }
    ck_assert_int_eq(train(&r, name, true, 0, &part), VKD_OK);
    ck_assert_uint_eq(part.steps, whole.steps);
    ck_assert(part.weights_hash == whole.weights_hash);
    ck_assert_float_eq(part.test_accuracy, whole.test_accuracy);
    ck_assert_float_eq(part.test_loss, whole.test_loss);
    ck_assert_float_eq(part.neighbours, whole.neighbours);
    ck_assert_float_eq(part.rankme, whole.rankme);
    same_phases(once, name);
}
END_TEST

// Where phases begin, and the dose until then: of steps that go out while others are under way.
START_TEST(phases_begin_where_they_say)
{
    struct vkd_recipe r = resumed_recipe(0);
    struct vkd_train_result result;
    ck_assert_int_eq(train(&r, "phases", false, 0, &result), VKD_OK);
    json_t *x = events("phases", "inject");
    ck_assert_uint_eq(json_array_size(x), 3);
    for (uint32_t i = 0; i < 3; i++) {
        const json_t *event = json_array_get(x, i);
        ck_assert_double_eq(number(event, "step"), i ? 5 + 5 * i : 0);
        ck_assert_double_eq(number(event, "epoch"), i ? 1 + i : 0);
        ck_assert_double_eq(number(event, "injection"), i == 2);
        ck_assert_double_eq(number(event, "dose"), 0);
    }
    json_decref(x);
}
END_TEST

START_TEST(seed_decides)
{
    struct vkd_recipe r = recipe("simclr", "step");
    struct vkd_train_result a, b, c;
    r.injection.start = 1;
    r.injection.max = 0.5f;
    r.epochs = 2;
    ck_assert_int_eq(train(&r, "seed-a", false, 0, &a), VKD_OK);
    ck_assert_int_eq(train(&r, "seed-b", false, 0, &b), VKD_OK);
    r.seed = 6;
    ck_assert_int_eq(train(&r, "seed-c", false, 0, &c), VKD_OK);
    ck_assert(a.weights_hash == b.weights_hash);
    ck_assert(a.weights_hash != c.weights_hash);
}
END_TEST

// ---- The probe ----

// Tensors of the classifier that two runs' last.safetensors have in common; all others must be there and equal.
static uint32_t compare_backbones(const char *a, const char *b, uint32_t *classifier_differs)
{
    char path[2][160];
    vkd__st_file *f[2];
    uint32_t both = 0;
    snprintf(path[0], sizeof(path[0]), "%s/%s/last.safetensors", root, a);
    snprintf(path[1], sizeof(path[1]), "%s/%s/last.safetensors", root, b);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(vkd__st_open(path[i], NULL, &f[i]), VKD_OK);
    *classifier_differs = 0;
    for (uint32_t i = 0; i < vkd__st_count(f[0]); i++) {
        const struct vkd__st_tensor *x = vkd__st_at(f[0], i), *y = vkd__st_find(f[1], x->name);
        bool classifier = !strncmp(x->name, "fc.", 3);
        if (classifier && !y)
            continue;
        ck_assert_msg(y && y->numel == x->numel && y->type == x->type, "%s", x->name);
        size_t size = (size_t) x->numel * (x->type == VKD__ST_F32 ? 4 : 8);
        bool differs = memcmp(x->data, y->data, size) != 0;
        ck_assert_msg(classifier || !differs, "%s differs", x->name);
        both += classifier;
        *classifier_differs += classifier && differs;
    }
    for (int i = 0; i < 2; i++)
        vkd__st_close(&f[i]);
    return both;
}

static const struct { const char *mode; float clip_norm; uint32_t head_depth; bool cached; } probes[] = {
    { "ssl", 0, 0, false },
    { "ssl", 0.5f, 0, false },
    { "ssl", 0.5f, 0, true },
    { "step", 0.5f, 1, false },     // labels reach the backbone by another head
};

START_TEST(probe_leaves_the_backbone_alone)
{
    struct vkd_recipe r = recipe("simclr", probes[_i].mode);
    struct vkd_train_result with, faster, without;
    char names[3][32];
    uint32_t differ;
    for (int k = 0; k < 3; k++)
        snprintf(names[k], sizeof(names[k]), "probe-%d-%d", _i, k);
    r.epochs = 2;
    r.optimizer.clip_norm = probes[_i].clip_norm;
    r.injection.head_depth = probes[_i].head_depth;
    r.injection.max = 0.5f;
    r.ssl.grad_cache = probes[_i].cached;
    r.accumulate = probes[_i].cached ? 2 : 1;
    ck_assert_int_eq(train(&r, names[0], false, 0, &with), VKD_OK);
    ck_assert(with.classified);
    ck_assert(probes[_i].clip_norm <= 0 || last_number(names[0], "step", "grad_norm") > (double) probes[_i].clip_norm);
    r.monitor.probe_lr = 0.3f;
    ck_assert_int_eq(train(&r, names[1], false, 0, &faster), VKD_OK);
    r.monitor.probe = false;
    ck_assert_int_eq(train(&r, names[2], false, 0, &without), VKD_OK);
    ck_assert(!without.classified);
    ck_assert_uint_eq(compare_backbones(names[0], names[1], &differ), 2);
    ck_assert_uint_eq(differ, 2);
    ck_assert_uint_eq(compare_backbones(names[0], names[2], &differ), 0);       // without a probe there is no classifier
    ck_assert(with.weights_hash != faster.weights_hash && with.weights_hash != without.weights_hash);
}
END_TEST

// ---- Injection ----

static const struct { const char *mode; float max, dose; uint32_t steps; } modes[] = {
    { "linear", 1, 0, 3 * EPOCH },
    { "budget", 0.5f, 0.8f, EPOCH + 8 },    // a tenth of a label-epoch in each step
    { "floor", 0.5f, 0, 3 * EPOCH },
    { "floor", 0.5f, 0.8f, EPOCH + 8 },     // never below so low a floor: a is at its largest throughout
};

START_TEST(modes_keep_their_dose)
{
    struct vkd_recipe r = recipe("simclr", modes[_i].mode);
    struct vkd_train_result res;
    r.injection.start = 1;
    r.injection.max = modes[_i].max;
    r.injection.dose = modes[_i].dose;
    if (!strcmp(modes[_i].mode, "floor")) {
        r.injection.floor = modes[_i].dose > 0 ? 0.01f : 0.5f;
        r.injection.ki = 100;
    }
    r.monitor.every = 2;
    char name[32];
    snprintf(name, sizeof(name), "mode-%d", _i);
    ck_assert_int_eq(train(&r, name, false, 0, &res), VKD_OK);
    ck_assert_uint_eq(res.steps, modes[_i].steps);
    json_t *all = events(name, "step"), *event;
    size_t i;
    double dose = 0;
    ck_assert_double_eq(number(json_array_get(all, json_array_size(all) - 1), "step"), res.steps);
    json_array_foreach(all, i, event) {
        double a = number(event, "injection"), now = number(event, "dose");
        const char *phase = json_string_value(json_object_get(event, "phase"));
        ck_assert_msg(a >= 0 && a <= (double) modes[_i].max && now >= dose, "a %g, dose %g after %g", a, now, dose);
        ck_assert_ptr_nonnull(phase);
        ck_assert_str_eq(phase, a > 0 ? "injection" : "ssl");
        ck_assert(json_is_number(json_object_get(event, "ssl_loss")));
        ck_assert(json_is_number(json_object_get(event, "supervised_loss")) == (a > 0));
        dose = now;
    }
    json_decref(all);
    ck_assert_double_gt(dose, 0);
    if (modes[_i].dose > 0)
        ck_assert_double_eq_tol(dose, (double) modes[_i].dose, 1e-6);
    ck_assert_double_eq(last_number(name, "eval", "dose"), dose);
}
END_TEST

// ---- Labels ----

// A label of ten leaves whole batches without any.
START_TEST(some_labels_are_enough)
{
    static const float fractions[] = { 0.5f, 0.1f };
    struct vkd_recipe r = recipe("simclr", "step");
    struct vkd_train_result res;
    char name[32];
    r.injection.start = 1;
    r.injection.max = 0.5f;
    r.injection.label_fraction = fractions[_i];
    snprintf(name, sizeof(name), "fraction-%d", _i);
    ck_assert_int_eq(train(&r, name, false, 0, &res), VKD_OK);
    ck_assert_double_eq_tol(last_number(name, "step", "dose"), 2 * 0.5 * (double) fractions[_i], 1e-6);
    ck_assert(isfinite(res.test_loss) && res.classified);
}
END_TEST

// Writes the set once more, the training images whose labels may not be used all black.
static void write_blackened(const char *name, const struct vkd_recipe *r)
{
    uint32_t *chosen, count, left = 0;
    vkd_dataset *d;
    char path[256], file[128];
    write_set(name);
    ck_assert_int_eq(vkd_dataset_open(&(struct vkd_dataset_params) { .spec = spec, .split = "train" }, &d), VKD_OK);
    ck_assert_int_eq(vkd_label_subset(d, (double) r->injection.label_fraction, r->seed, NULL, &chosen, &count), VKD_OK);
    for (uint32_t i = 0; i < TRAIN; i++) {
        if (left < count && chosen[left] == i) {
            left++;
            continue;
        }
        vkd_dataset_name(d, i, file, sizeof(file));
        snprintf(path, sizeof(path), "%s/%s/%s", root, name, file);
        FILE *f = fopen(path, "r+b");
        ck_assert_msg(f != NULL, "%s", path);
        fseek(f, -(SIDE * SIDE), SEEK_END);
        for (int k = 0; k < SIDE * SIDE; k++)
            fputc(0, f);
        fclose(f);
    }
    ck_assert(count > 0 && left == count && count < TRAIN);
    free(chosen);
    vkd_dataset_close(&d);
}

// Steps of labels alone go through images that bring one, also when these are fewer than a batch.
START_TEST(labels_alone_are_all_seen)
{
    struct vkd_recipe r = recipe("simclr", "sequential");
    struct vkd_train_result res;
    r.injection.start = 1;
    r.injection.head_warmup = 1;
    r.injection.label_fraction = _i ? 0.1f : 0.3f;      // four images of forty; twelve
    r.epochs = 4;
    char name[32];
    snprintf(name, sizeof(name), "alone-%d", _i);
    ck_assert_int_eq(train(&r, name, false, 0, &res), VKD_OK);
    ck_assert_uint_eq(res.steps, 4 * EPOCH);
    ck_assert_double_eq_tol(last_number(name, "step", "dose"), 2, 1e-6);
    ck_assert_double_gt(last_number(name, "step", "supervised_loss"), 0);
    r.injection.dose = 1;
    snprintf(name, sizeof(name), "alone-dose-%d", _i);
    ck_assert_int_eq(train(&r, name, false, 0, &res), VKD_OK);
    ck_assert_uint_eq(res.steps, 3 * EPOCH);
}
END_TEST

START_TEST(images_without_a_label_do_not_matter)
{
    struct vkd_recipe r = recipe("supervised", NULL);
    struct vkd_train_result res, again;
    char black[160];
    r.injection.label_fraction = 0.3f;
    r.steps = 4;
    ck_assert_int_eq(train(&r, "seen", false, 0, &res), VKD_OK);
    ck_assert_double_eq_tol(last_number("seen", "step", "dose"), 4.0 / EPOCH, 1e-6);
    write_blackened("black", &r);
    snprintf(black, sizeof(black), "folder:%s/black", root);
    r.data.train = black;
    ck_assert_int_eq(train(&r, "unseen", false, 0, &again), VKD_OK);
    ck_assert(again.weights_hash == res.weights_hash);
    r.injection.label_fraction = 1;
    ck_assert_int_eq(train(&r, "all-seen", false, 0, &again), VKD_OK);
    ck_assert(again.weights_hash != res.weights_hash);
}
END_TEST

START_TEST(unlabelled_images_need_self_supervision)
{
    struct vkd_recipe r = recipe("simclr", "ssl");
    struct vkd_train_result res;
    r.data.train = r.data.test = flat;
    ck_assert_int_eq(train(&r, "unlabelled", false, 0, &res), VKD_OK);
    ck_assert(!res.classified && isnan(res.neighbours) && res.rankme >= 1);
    r.method = "supervised";
    r.injection.mode = NULL;
    ck_assert_int_eq(train(&r, "unlabelled-supervised", false, 0, &res), VKD_INVALID);
    ck_assert_msg(strstr(gpu_last_error, "16 of 16 images have no label"), "%s", gpu_last_error);
}
END_TEST

START_TEST(probe_set_fits_the_data)
{
    struct vkd_recipe r = recipe("simclr", "ssl");
    struct vkd_train_result res;
    r.monitor.images = TRAIN + 1;
    ck_assert_int_eq(train(&r, "probe-set", false, 0, &res), VKD_INVALID);
    ck_assert_msg(strstr(gpu_last_error, "cannot have 41 images, the training set has 40"), "%s", gpu_last_error);
}
END_TEST

START_TEST(several_labels_are_injected)
{
    struct vkd_recipe r = recipe("simclr", "linear");
    struct vkd_train_result res;
    r.data.train = collage;
    r.batch = 5;
    r.loss = "asl";
    r.injection.start = 1;
    ck_assert_int_eq(train(&r, "several", false, 0, &res), VKD_OK);
    ck_assert(res.multi_label && res.classified);
    double map = last_number("several", "eval", "map");
    ck_assert_msg(map > 0 && map <= 1, "%g", map);
    ck_assert_float_eq_tol(res.test_accuracy, (float) map, 1e-6f);
}
END_TEST

static void open_all(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
    snprintf(root, sizeof(root), "/tmp/vkdiv-pretrain-%d", (int) getpid());
    write_sets();
}

static void close_all(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("pretrain");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, resumed_equals_uninterrupted, 0, sizeof(resumes) / sizeof(resumes[0]));
    tcase_add_test(t, phases_begin_where_they_say);
    tcase_add_test(t, seed_decides);
    tcase_add_loop_test(t, probe_leaves_the_backbone_alone, 0, sizeof(probes) / sizeof(probes[0]));
    tcase_add_loop_test(t, modes_keep_their_dose, 0, sizeof(modes) / sizeof(modes[0]));
    tcase_add_loop_test(t, some_labels_are_enough, 0, 2);
    tcase_add_loop_test(t, labels_alone_are_all_seen, 0, 2);
    tcase_add_test(t, images_without_a_label_do_not_matter);
    tcase_add_test(t, unlabelled_images_need_self_supervision);
    tcase_add_test(t, probe_set_fits_the_data);
    tcase_add_test(t, several_labels_are_injected);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
