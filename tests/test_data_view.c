// test_data_view.c -- sets made of images of others, and trainings and predictions on them.
#include "gpu.h"
#include "train_world.h"
#include "engine/data/view.h"
#include "engine/train/predict.h"

#include <string.h>

static vkd_dataset *open_set(const char *options, const char *split)
{
    char spec[192];
    vkd_dataset *d = NULL;
    snprintf(spec, sizeof(spec), "%s%s", world.spec, options);
    ck_assert_int_eq(vkd_dataset_open(&(struct vkd_dataset_params) { .spec = spec, .split = split }, &d), VKD_OK);
    return d;
}

static void assert_same_image(const vkd_dataset *a, uint32_t i, const vkd_dataset *b, uint32_t k)
{
    struct vkd_image x, y;
    char name[128], other[128], why[256];
    float rows[2][8];
    uint32_t classes = vkd_dataset_info(a)->classes;
    vkd_dataset_name(a, i, name, sizeof(name));
    vkd_dataset_name(b, k, other, sizeof(other));
    ck_assert_str_eq(name, other);
    ck_assert_uint_eq(vkd_dataset_label(a, i), vkd_dataset_label(b, k));
    ck_assert_str_eq(vkd_dataset_group(a, i), vkd_dataset_group(b, k));
    vkd_dataset_targets(a, i, rows[0]);
    vkd_dataset_targets(b, k, rows[1]);
    ck_assert(!memcmp(rows[0], rows[1], classes * sizeof(float)));
    ck_assert_int_eq(vkd_dataset_decode(a, i, 0, 64, &x, why, sizeof(why)), VKD_OK);
    ck_assert_int_eq(vkd_dataset_decode(b, k, 0, 64, &y, why, sizeof(why)), VKD_OK);
    ck_assert(x.height == y.height && x.width == y.width);
    ck_assert(!memcmp(x.pixels, y.pixels, 4 * (size_t) x.height * x.width));
    vkd_image_finish(&x);
    vkd_image_finish(&y);
}

static const char *const options[] = { "", "&limit=40", "&size=6", "&collage=2", "&collage=2&limit=30" };

START_TEST(holds_the_images_asked_for)
{
    vkd_dataset *train = open_set(options[_i], "train"), *test = open_set(options[_i], "test"), *view = NULL, *other = NULL;
    const uint32_t chosen[] = { 3, 4, 17, 9 };
    const struct vkd__view_part parts[] = { { train, chosen, 4 }, { test, NULL, 0 } };
    ck_assert_int_eq(vkd__dataset_view(parts, 2, "train", NULL, &view), VKD_OK);
    const struct vkd_dataset_info *info = vkd_dataset_info(view), *of = vkd_dataset_info(train);
    ck_assert_uint_eq(info->count, 4 + vkd_dataset_info(test)->count);
    ck_assert_uint_eq(info->classes, of->classes);
    ck_assert_uint_eq(info->channels, of->channels);
    ck_assert_uint_eq(info->height, of->height);
    ck_assert(info->multi_label == of->multi_label);
    ck_assert_str_eq(info->format, "idx");
    ck_assert_str_eq(info->split, "train");
    uint32_t sizes = 0;
    for (uint32_t c = 0; c < info->classes; c++) {
        ck_assert_str_eq(vkd_dataset_class_name(view, c), vkd_dataset_class_name(train, c));
        sizes += vkd_dataset_class_size(view, c);
    }
    ck_assert(info->multi_label ? sizes > info->count : sizes == info->count);
    for (uint32_t i = 0; i < 4; i++)
        assert_same_image(view, i, train, chosen[i]);
    for (uint32_t i = 4; i < info->count; i++)
        assert_same_image(view, i, test, i - 4);
    ck_assert_int_eq(vkd__dataset_view((const struct vkd__view_part[]) { { train, chosen, 3 }, { test, NULL, 0 } }, 2, "train",
                                       NULL, &other), VKD_OK);
    ck_assert(vkd_dataset_info(other)->fingerprint != info->fingerprint);
    vkd_dataset_close(&other);
    vkd_dataset_close(&view);
    ck_assert_int_eq(vkd__dataset_view(&(const struct vkd__view_part) { train, chosen, 0 }, 1, "val", NULL, &view), VKD_INVALID);
    vkd_dataset_close(&train);
    vkd_dataset_close(&test);
}
END_TEST

// A run on a view of all images is the run on the set, but for what run.json calls the data.
START_TEST(trains_like_the_set_it_is_made_of)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result a, b;
    struct vkd__features said;
    vkd_dataset *train = open_set("", "train"), *test = open_set("", "test"), *view = NULL;
    ck_assert_int_eq(vkd__dataset_view(&(const struct vkd__view_part) { train, NULL, 0 }, 1, "train", NULL, &view), VKD_OK);
    ck_assert_int_eq(world_train(&r, "set", false, 0, &a), VKD_OK);
    struct vkd_train_params p = { .recipe = &r, .out_dir = world_path("view"), .command_line = "test", .train_set = view,
                                  .test_set = test };
    ck_assert_int_eq(vkd_train(world.dev, &p, &b), VKD_OK);
    ck_assert(a.weights_hash == b.weights_hash);
    ck_assert_float_eq(a.test_accuracy, b.test_accuracy);
    p.resume = true;
    p.train_set = train;                // another set, if only by its name
    p.out_dir = world_path("view");
    ck_assert_int_eq(vkd_train(world.dev, &p, &b), VKD_INVALID);

    ck_assert_int_eq(vkd__predict(&(struct vkd__predict_params) { .dev = world.dev, .weights = world_path("set/last.safetensors"),
                                                                  .set = test, .batch = 48 }, &said), VKD_OK);
    ck_assert_uint_eq(said.count, WORLD_TEST);
    uint32_t right = 0;
    for (uint32_t i = 0; i < said.count; i++) {
        uint32_t best = 0;
        for (uint32_t c = 1; c < said.width; c++)
            best = said.rows[i * said.width + c] > said.rows[i * said.width + best] ? c : best;
        ck_assert_uint_eq(said.indices[i], i);
        ck_assert_uint_eq(said.labels[i], vkd_dataset_label(test, i));
        right += best == said.labels[i];
    }
    ck_assert_float_eq_tol((float) right / WORLD_TEST, a.test_accuracy, 1e-6f);
    vkd__features_finish(&said);
    vkd_dataset_close(&view);
    vkd_dataset_close(&train);
    vkd_dataset_close(&test);
}
END_TEST

// A model for colours takes grey images, and says so to those who come later.
START_TEST(grey_images_for_three_channels)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    struct vkd_eval_result ev;
    struct vkd_weights_info info;
    r.epochs = 2;
    r.model.channels = 3;
    ck_assert_int_eq(world_train(&r, "colours", false, 0, &res), VKD_OK);
    ck_assert_int_eq(vkd_weights_info(world_path("colours/last.safetensors"), NULL, &info), VKD_OK);
    ck_assert_uint_eq(info.channels, 3);
    ck_assert_int_eq(vkd_eval(world.dev, &(struct vkd_eval_params) { .path = world_path("colours"), .batch = 16 }, &ev), VKD_OK);
    ck_assert_float_eq_tol(ev.top1, res.best_accuracy, 1e-6f);
    vkd_eval_result_finish(&ev);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("data_view");
    TCase *t = tcase_create("views");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, world_open, world_close);
    tcase_add_loop_test(t, holds_the_images_asked_for, 0, sizeof(options) / sizeof(options[0]));
    tcase_add_test(t, trains_like_the_set_it_is_made_of);
    tcase_add_test(t, grey_images_for_three_channels);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
