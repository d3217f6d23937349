// test_transfer.c -- transfer of trained runs: results, choices that never see test, comparisons, bad input.
#include "gpu.h"
#include "train_world.h"
#include "transfer_world.h"

#include "engine/transfer/transfer_impl.h"
#include "runtime/os.h"

#include <math.h>

enum { LAYERS = 4 };

// ---- Results -----------------------------------------------------------------------------------

START_TEST(results_and_files)
{
    static const char *const protocols[] = { "knn", "linear" };
    remove_results();
    vkd_feature_cache *cache = cache_open(NULL, 0);
    for (int i = 0; i < 2; i++) {
        struct vkd_transfer_params p = params(protocols[i]);
        struct vkd_transfer_result again;
        uint32_t right = 0;
        p.cache = cache;
        struct vkd_transfer_result r = transfer_ok(&p);
        ck_assert(!r.resumed && r.held_out && !r.multi_label && !r.selection && !r.scores);
        ck_assert_uint_eq(r.train, WORLD_TRAIN - WORLD_TRAIN / 5);
        ck_assert_uint_eq(r.val, WORLD_TRAIN / 5);
        ck_assert_uint_eq(r.test, WORLD_TEST);
        ck_assert_uint_eq(r.classes, WORLD_CLASSES);
        ck_assert_str_eq(r.protocol, protocols[i]);
        ck_assert_str_eq(r.metric, "top1");
        ck_assert_str_eq(r.layer, "features");
        for (uint32_t k = 0; k < r.test; k++)
            right += r.predictions[k] == r.labels[k];
        ck_assert_double_eq_tol(r.value, (double) right / r.test, 1e-12);
        ck_assert_double_eq(r.value, r.top1);
        ck_assert_double_eq_tol(r.mean_per_class, r.top1, 1e-9);        // classes are of one size
        ck_assert(r.value > 0.5 && r.low <= r.value && r.value <= r.high && isnan(r.map));
        ck_assert_double_eq(r.log_odds, vkd_log_odds(r.value, r.test));
        ck_assert(i ? r.penalty > 0 : r.k == 5 && fabs(r.temperature - 0.07) < 1e-9);

        ck_assert_int_eq(vkd_transfer_load(r.path, vkd_device_log(world.dev), &again), VKD_OK);
        ck_assert_str_eq(again.text, r.text);
        ck_assert_str_eq(again.key, r.key);
        ck_assert_str_eq(again.class_names[1], r.class_names[1]);
        ck_assert(same_predictions(&again, &r) && again.fingerprint == r.fingerprint && again.weights_hash == r.weights_hash);
        ck_assert(again.train == r.train && again.val == r.val && again.k == r.k);
        ck_assert_double_eq_tol(again.low, r.low, 1e-9);
        ck_assert_double_eq_tol(again.per_class[2], r.per_class[2], 1e-9);
        vkd_transfer_finish(&again);
        vkd_transfer_finish(&r);
    }
    struct vkd_feature_cache_stats s = vkd_feature_cache_stats(cache);
    ck_assert_uint_eq(s.passes, 2);         // train and test, once for both protocols
    ck_assert_uint_eq(s.found, 2);
    vkd_feature_cache_destroy(&cache);
}
END_TEST

START_TEST(resumed_and_damaged_results)
{
    remove_results();
    struct vkd_transfer_params p = params("knn");
    struct vkd_transfer_result first = transfer_ok(&p), second = transfer_ok(&p), third, fourth, fifth;
    ck_assert(!first.resumed && second.resumed && same_predictions(&first, &second));
    p.force = true;
    third = transfer_ok(&p);
    ck_assert(!third.resumed && same_predictions(&first, &third));
    p.force = false;
    p.k = 3;                                // another protocol, another file
    fourth = transfer_ok(&p);
    ck_assert(!fourth.resumed);
    ck_assert_str_ne(fourth.key, first.key);
    struct vkd__why why;
    ck_assert_int_eq(vkd__file_replace(first.path, "{\"schema\": 1", 12, &why), VKD_OK);
    p.k = 5;
    gpu_last_warning[0] = 0;
    fifth = transfer_ok(&p);
    ck_assert(!fifth.resumed && same_predictions(&first, &fifth));
    ck_assert_ptr_nonnull(strstr(gpu_last_warning, "made again"));
    vkd_transfer_finish(&first);
    vkd_transfer_finish(&second);
    vkd_transfer_finish(&third);
    vkd_transfer_finish(&fourth);
    vkd_transfer_finish(&fifth);
}
END_TEST

START_TEST(bare_file)
{
    remove_results();
    struct vkd_transfer_params p = params("knn");
    p.model = last_path;
    struct vkd_transfer_result r = transfer_ok(&p);
    ck_assert_ptr_null(r.path);
    vkd_transfer_finish(&r);
    p.out = world_path("out");
    r = transfer_ok(&p);
    ck_assert_ptr_nonnull(r.path);
    ck_assert(world_exists("out/transfer") && world_exists("out/features"));
    vkd_transfer_finish(&r);
}
END_TEST

// ---- Several labels an image -------------------------------------------------------------------

START_TEST(multi_label)
{
    static const char *const protocols[] = { "knn", "linear" };
    char spec[300];
    remove_results();
    snprintf(spec, sizeof(spec), "%s&collage=2", world.spec);
    for (int i = 0; i < 2; i++) {
        struct vkd_transfer_params p = params(protocols[i]);
        struct vkd_transfer_comparison c;
        struct vkd_map map;
        p.data = spec;
        struct vkd_transfer_result r = transfer_ok(&p), again = transfer_ok(&p);
        ck_assert(r.multi_label && r.scores && r.truth && !r.predictions);
        ck_assert_str_eq(r.metric, "map");
        ck_assert_int_eq(vkd_average_precision(&(struct vkd_matrix) { r.scores, r.test, r.classes, 0 }, r.truth, NULL, NULL, &map),
                         VKD_OK);
        ck_assert_double_eq(r.value, map.plain);
        ck_assert_double_eq(r.map11, map.voc11);
        ck_assert_double_eq(r.map_voc, map.voc_all);
        ck_assert(isnan(r.top1) && r.low < r.value && r.low < r.high && r.value > 0.6);
        ck_assert(again.resumed && !memcmp(again.scores, r.scores, r.test * r.classes * sizeof(float)));
        ck_assert_mem_eq(again.truth, r.truth, r.test * r.classes);
        ck_assert_int_eq(vkd_transfer_compare(&r, &again, 0, NULL, &c), VKD_OK);
        ck_assert(fabs(c.difference) < 1e-9 && c.p == 1);
        vkd_transfer_finish(&again);
        p.metric = "map11";
        again = transfer_ok(&p);
        ck_assert(!again.resumed && again.value == again.map11);
        ck_assert_int_eq(vkd_transfer_compare(&r, &again, 0, vkd_device_log(world.dev), &c), VKD_INVALID);
        vkd_transfer_finish(&again);
        p.metric = "top1";
        ck_assert_int_eq(vkd_transfer(world.dev, &p, &again), VKD_INVALID);
        ck_assert_ptr_nonnull(strstr(gpu_last_error, "expected map or map11"));
        vkd_transfer_finish(&r);
    }
}
END_TEST

static int mostly_zero(int i, int label)
{
    return i % 5 ? 0 : label;
}

// Most images are called 0: under a strong penalty that is said of all, unless classes weigh the same.
START_TEST(balanced_classes)
{
    static const double strong[] = { 1e5 };
    uint32_t zeros[2] = { 0 };
    remove_results();
    char spec[300];
    snprintf(spec, sizeof(spec), "%s", copy_set("uneven", "train", mostly_zero));
    for (int i = 0; i < 2; i++) {
        struct vkd_transfer_params p = params("linear");
        p.data = spec;
        p.penalties = strong;
        p.penalty_count = 1;
        p.class_weights = i ? "balanced" : "none";
        p.metric = "mean_per_class";
        struct vkd_transfer_result r = transfer_ok(&p);
        ck_assert(!r.resumed && (strstr(r.text, "class weights balanced") != NULL) == (i == 1));
        ck_assert(isfinite(r.top1) && r.value == r.mean_per_class);
        for (uint32_t k = 0; k < r.test; k++)
            zeros[i] += r.predictions[k] == 0;
        ck_assert(i || zeros[0] == r.test);
        vkd_transfer_finish(&r);
    }
    ck_assert_msg(2 * zeros[1] < zeros[0], "%u of %u", zeros[1], zeros[0]);
    struct vkd_transfer_params p = params("linear");
    struct vkd_transfer_result r;
    p.class_weights = "even";
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "expected none or balanced"));
}
END_TEST

// ---- The choice --------------------------------------------------------------------------------

static int rotate(int i, int label)
{
    return (label + i % 3) % WORLD_CLASSES;
}

START_TEST(choice)
{
    remove_results();
    struct vkd_transfer_params p = params("knn");
    p.select = true;
    p.lambda = 0.5;
    struct vkd_transfer_result r = transfer_ok(&p), again = transfer_ok(&p);
    const struct vkd_transfer_selection *s = r.selection, *t = again.selection;
    ck_assert_ptr_nonnull(s);
    ck_assert(s->candidate_count % LAYERS == 0 && s->candidate_count >= 3 * LAYERS);    // three epochs of weights
    ck_assert_str_eq(s->candidates[0].checkpoint, "last.safetensors");
    ck_assert_str_eq(s->candidates[0].layer, "features");
    ck_assert_str_eq(s->candidates[LAYERS - 1].layer, "layer1");
    for (uint32_t i = 0; i < s->candidate_count; i++) {
        const struct vkd_transfer_candidate *c = &s->candidates[i];
        ck_assert_double_eq_tol(c->score, vkd_log_odds(c->val, r.val) + 0.5 * log(c->rankme / c->untrained), 1e-9);
        ck_assert(c->untrained > 1 && c->untrained == s->candidates[i % LAYERS].untrained);
        ck_assert_double_le(c->score, s->candidates[s->chosen].score);
        ck_assert_str_ne(c->checkpoint, "best.safetensors");    // that the run chose on its test images
    }
    ck_assert_str_eq(r.layer, s->candidates[s->chosen].layer);
    ck_assert_double_eq_tol(r.value - s->last, s->gain, 1e-12);
    ck_assert(s->p > 0 && s->p <= 1);
    ck_assert(again.resumed && t && t->candidate_count == s->candidate_count && t->chosen == s->chosen);
    ck_assert_str_eq(t->candidates[5].layer, s->candidates[5].layer);
    ck_assert_double_eq_tol(t->gain, s->gain, 1e-9);
    vkd_transfer_finish(&r);
    vkd_transfer_finish(&again);
    p.lambda = -1000;                       // the least diverse beside its null, whatever its accuracy
    r = transfer_ok(&p);
    s = r.selection;
    for (uint32_t i = 0; i < s->candidate_count; i++) {
        const struct vkd_transfer_candidate *c = &s->candidates[i], *least = &s->candidates[s->chosen];
        ck_assert_double_ge(c->rankme / c->untrained, least->rankme / least->untrained - 0.01);
    }
    vkd_transfer_finish(&r);
    p.lambda = 0;                           // needs no null
    r = transfer_ok(&p);
    ck_assert(isnan(r.selection->candidates[0].untrained) && isfinite(r.selection->candidates[0].score));
    vkd_transfer_finish(&r);
}
END_TEST

// Other labels of the test images change the value, and nothing else.
START_TEST(choice_does_not_see_test)
{
    static const char *const protocols[] = { "knn", "linear" };
    const char *shuffled = copy_set("shuffled", "t10k", rotate);
    remove_results();
    for (int i = 0; i < 2; i++) {
        struct vkd_transfer_params p = params(protocols[i]);
        p.select = true;
        p.lambda = 0.3;
        struct vkd_transfer_result a = transfer_ok(&p), b;
        p.data = shuffled;
        b = transfer_ok(&p);
        ck_assert_uint_eq(a.selection->candidate_count, b.selection->candidate_count);
        ck_assert_uint_eq(a.selection->chosen, b.selection->chosen);
        ck_assert_mem_eq(a.selection->candidates, b.selection->candidates,
                         a.selection->candidate_count * sizeof(*a.selection->candidates));
        ck_assert(same_predictions(&a, &b));
        ck_assert_str_eq(a.model, b.model);
        ck_assert(a.penalty == b.penalty || (isnan(a.penalty) && isnan(b.penalty)));
        ck_assert_double_gt(a.value, b.value + 0.2);
        vkd_transfer_finish(&a);
        vkd_transfer_finish(&b);
    }
}
END_TEST

// ---- Two models --------------------------------------------------------------------------------

START_TEST(comparison)
{
    char first[300];
    struct vkd_transfer_comparison c;
    remove_results();
    struct vkd_transfer_params p = params("linear");
    struct vkd_transfer_result a = transfer_ok(&p), b;
    snprintf(first, sizeof(first), "%s/checkpoints/epoch-0001.safetensors", run_dir);
    p.model = first;
    p.out = run_dir;
    b = transfer_ok(&p);
    ck_assert_str_ne(a.key, b.key);
    ck_assert_str_eq(a.text, b.text);
    ck_assert_ptr_nonnull(strstr(a.text, "refit on train and val"));
    ck_assert_int_eq(vkd_transfer_compare(&a, &b, 0, NULL, &c), VKD_OK);
    ck_assert_double_eq_tol(c.difference, a.value - b.value, 1e-12);
    ck_assert(c.p > 0 && c.p <= 1 && c.draws > 0);
    vkd_transfer_finish(&b);
    p.protocol = "knn";
    b = transfer_ok(&p);
    ck_assert_int_eq(vkd_transfer_compare(&a, &b, 0, vkd_device_log(world.dev), &c), VKD_INVALID);
    ck_assert(strstr(gpu_last_error, "knn, similarity cosine") && strstr(gpu_last_error, "different protocols"));
    vkd_transfer_finish(&a);
    vkd_transfer_finish(&b);
}
END_TEST

// ---- Bad input ---------------------------------------------------------------------------------

static int without_two(int i, int label)
{
    (void) i;
    return label == 2 ? 1 : label;
}

START_TEST(classes_that_are_missing)
{
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params("knn");
    remove_results();
    p.data = copy_set("untaught", "train", without_two);
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
    ck_assert(strstr(gpu_last_error, "'2'") && strstr(gpu_last_error, "classes="));
    p.data = copy_set("untested", "t10k", without_two);
    r = transfer_ok(&p);
    ck_assert_ptr_nonnull(strstr(gpu_last_warning, "test has no images of '2'"));
    ck_assert(isnan(r.per_class[2]) && !isnan(r.per_class[1]) && r.value > 0.5);
    vkd_transfer_finish(&r);
    r = transfer_ok(&p);
    ck_assert(r.resumed && isnan(r.per_class[2]));
    vkd_transfer_finish(&r);
}
END_TEST

START_TEST(bad_choice)
{
    char spec[300];
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params("knn");
    p.model = last_path;
    p.select = true;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "expected its folder"));
    p = params("knn");
    snprintf(spec, sizeof(spec), "%s&split=train", world.spec);
    p.data = spec;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "leave it out"));
}
END_TEST

static bool stop_now(void *user)
{
    uint32_t *left = user;
    return *left && --*left == 0;
}

START_TEST(interrupted)
{
    struct vkd_transfer_result r;
    for (uint32_t at = 1; at < 5; at++) {
        uint32_t left = at;
        struct vkd_transfer_params p = params("linear");
        remove_results();
        p.batch = 32;
        p.stop = stop_now;
        p.user = &left;
        ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INTERRUPTED);
        ck_assert(!world_exists("run/transfer"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfer");
    TCase *t = tcase_create("transfer");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_test(t, results_and_files);
    tcase_add_test(t, resumed_and_damaged_results);
    tcase_add_test(t, bare_file);
    tcase_add_test(t, multi_label);
    tcase_add_test(t, balanced_classes);
    tcase_add_test(t, choice);
    tcase_add_test(t, choice_does_not_see_test);
    tcase_add_test(t, comparison);
    tcase_add_test(t, classes_that_are_missing);
    tcase_add_test(t, bad_choice);
    tcase_add_test(t, interrupted);
    suite_add_tcase(suite, t);
    return gpu_run(suite);
}
