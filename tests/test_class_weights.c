// test_class_weights.c -- runs whose loss weighs classes by how rare they are, and labels of which nothing is known.
#include "gpu.h"
#include "train_world.h"
#include "engine/train/run.h"
#include "runtime/os.h"

#include <vkdiv/data.h>

#include <math.h>
#include <string.h>

// ---- Sets: images of noise, alike whatever their class ----

static uint32_t noise = 9;

static void write_image(const char *path)
{
    FILE *f = fopen(world_path(path), "wb");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "P5\n12 12\n255\n");
    for (int i = 0; i < 144; i++) {
        noise = noise * 1664525u + 1013904223u;
        fputc((int) (noise >> 24), f);
    }
    fclose(f);
}

static void write_class(const char *split, const char *name, uint32_t count)
{
    struct vkd__why why;
    char path[64];
    snprintf(path, sizeof(path), "skew/%s/%s", split, name);
    ck_assert_int_eq(vkd__dir_create(world_path(path), &why), VKD_OK);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "skew/%s/%s/%02u.pgm", split, name, i);
        write_image(path);
    }
}

// 48, 12 and 4 images of three classes; and a table of 32 images with labels of 24, 2, 0 and 32 of them, and one that
// is unknown of all but 4.
static void open_all(void)
{
    world_open();
    for (int test = 0; test < 2; test++) {
        write_class(test ? "test" : "train", "few", test ? 8 : 12);
        write_class(test ? "test" : "train", "many", test ? 8 : 48);
        write_class(test ? "test" : "train", "rare", test ? 8 : 4);
    }
    FILE *f = fopen(world_path("skew/list.csv"), "w");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "path,split,labels\n");
    for (uint32_t i = 0; i < 32; i++)
        fprintf(f, "train/many/%02u.pgm,train,\"always%s%s%s\"\n", i, i % 4 ? "|most" : "", i < 2 ? "|two" : "",
                i >= 4 ? "|?doubt" : i == 3 ? "|doubt" : "");
    for (uint32_t i = 0; i < 8; i++)
        fprintf(f, "test/many/%02u.pgm,test,\"always%s\"\n", i, i % 2 ? "|most|never" : "|two|doubt");
    fclose(f);
}

static struct vkd_recipe skew_recipe(bool several)
{
    static char folder[160], table[160];
    struct vkd_recipe r = world_recipe();
    snprintf(folder, sizeof(folder), "folder:%s", world_path("skew"));
    snprintf(table, sizeof(table), "csv:%s", world_path("skew/list.csv"));
    r.data.train = several ? table : folder;
    r.batch = 16;
    r.class_weights = "balanced";
    return r;
}

// The weights of the classes that a run of `r` begins with; false without.
static bool weights_of(const struct vkd_recipe *r, uint32_t classes, float *weights)
{
    static struct vkd__run run;
    ck_assert_int_eq(vkd__run_open_bare(&run, world.dev, &(struct vkd_train_params) { .recipe = r }), VKD_OK);
    int index = vkd_params_find(run.params, VKD__CLASS_WEIGHTS);
    if (index >= 0) {
        ck_assert_uint_eq(vkd_params_at(run.params, (uint32_t) index)->shape.d[3], classes);
        ck_assert_int_eq(vkd_params_read(run.params, (uint32_t) index, weights), VKD_OK);
    }
    vkd__run_close(&run);
    return index >= 0;
}

// ---- One label an image ----

START_TEST(rare_classes_weigh_more)
{
    struct vkd_recipe r = skew_recipe(false);
    struct vkd_train_result balanced, none, again;
    float w[4];
    r.label_smoothing = _i ? 0.1f : 0;
    ck_assert_int_eq(world_train(&r, _i ? "smooth" : "balanced", false, 0, &balanced), VKD_OK);
    ck_assert(weights_of(&r, 3, w));
    ck_assert_float_eq_tol(w[0], 64.0f / (3 * 12), 1e-6f);      // few, many, rare
    ck_assert_float_eq_tol(w[1], 64.0f / (3 * 48), 1e-6f);
    ck_assert_float_eq_tol(w[2], 64.0f / (3 * 4), 1e-5f);

    // Stopped in its second epoch and resumed: the same weights.
    ck_assert_int_eq(world_train(&r, _i ? "smooth2" : "balanced2", false, 7, &again), VKD_INTERRUPTED);
    ck_assert_int_eq(world_train(&r, _i ? "smooth2" : "balanced2", true, 0, &again), VKD_OK);
    ck_assert(again.weights_hash == balanced.weights_hash);

    r.class_weights = "none";
    ck_assert_int_eq(world_train(&r, _i ? "smooth-none" : "none", false, 0, &none), VKD_OK);
    ck_assert(!weights_of(&r, 3, w));
    ck_assert(none.weights_hash != balanced.weights_hash);
}
END_TEST

// Of noise nothing can be learnt but how frequent classes are: a third each when they are balanced.
START_TEST(what_noise_teaches)
{
    struct vkd_recipe r = skew_recipe(false);
    struct vkd_train_result res;
    float loss[2];
    for (int balanced = 0; balanced < 2; balanced++) {
        r.class_weights = balanced ? "balanced" : "none";
        r.epochs = 12;
        r.eval_every = 0;
        r.optimizer.lr = 0.02f;
        ck_assert_int_eq(world_train(&r, balanced ? "noise-balanced" : "noise", false, 0, &res), VKD_OK);
        loss[balanced] = res.test_loss;
    }
    // The test set has as many of each class.
    ck_assert_msg(loss[1] < loss[0] - 0.05f, "test loss: %g with weights, %g without", (double) loss[1], (double) loss[0]);
}
END_TEST

// ---- Several labels ----

START_TEST(rare_labels_weigh_more)
{
    struct vkd_recipe r = skew_recipe(true);
    struct vkd_train_result balanced, none;
    float w[8];
    ck_assert_int_eq(world_train(&r, "labels", false, 0, &balanced), VKD_OK);
    ck_assert(weights_of(&r, 5, w));
    const float expected[5] = { 1, 3, 8.0f / 24, 1, 15 };   // always, doubt, most, never, two
    for (int c = 0; c < 5; c++)
        ck_assert_float_eq_tol(w[c], expected[c], 1e-5f);
    r.class_weights = "none";
    ck_assert_int_eq(world_train(&r, "labels-none", false, 0, &none), VKD_OK);
    ck_assert(none.weights_hash != balanced.weights_hash);

    r.loss = "asl";
    r.class_weights = "balanced";
    ck_assert_int_eq(world_train(&r, "labels-asl", false, 0, &none), VKD_INVALID);
    ck_assert_msg(strstr(world.error, "expected none with loss asl") != NULL, "%s", world.error);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("class_weights");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_loop_test(t, rare_classes_weigh_more, 0, 2);
    tcase_add_test(t, what_noise_teaches);
    tcase_add_test(t, rare_labels_weigh_more);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
