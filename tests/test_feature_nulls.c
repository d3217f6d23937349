// test_feature_nulls.c -- features beside those of untrained networks: what the null is, that it is measured once, and what
// it makes comparable; features of several layers.
#include "engine/diversity_impl.h"
#include "engine/diversity_json.h"
#include "gpu.h"
#include "train_world.h"

#include <vkdiv/features.h>

#include <math.h>
#include <string.h>

enum { IMAGES = 60, VIEWS = 2 };

static uint32_t batches;        // that were made since it was last set to 0
static uint32_t stop_at;        // batch; 0: never

static void count_batch(void *user, uint32_t batch, uint32_t of)
{
    (void) user;
    ck_assert_uint_le(batch, of);
    batches++;
}

static bool stop_now(void *user)
{
    (void) user;
    return stop_at && batches >= stop_at;
}

static vkd_filter_nulls *nulls_of(uint32_t draws)
{
    vkd_filter_nulls *n = NULL;
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .draws = draws, .log = { gpu_log, NULL } }, &n), VKD_OK);
    return n;
}

// A run of so many epochs.
static const char *run(const char *name, const char *arch, uint32_t epochs, uint32_t seed)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    r.model.arch = arch;
    r.epochs = epochs;
    r.seed = seed;
    ck_assert_int_eq(world_train(&r, name, false, 0, &res), VKD_OK);
    return world_path(name);
}

static struct vkd_features_params params(const char *run)
{
    static char path[4][256], spec[256];
    static int at;
    at = (at + 1) % 4;
    snprintf(path[at], sizeof(path[at]), "%s", run);
    snprintf(spec, sizeof(spec), "%s", world.spec);
    return (struct vkd_features_params) { .path = path[at], .data = spec, .images = IMAGES, .views = VIEWS,
                                          .progress = count_batch, .stop = stop_now };
}

static void measure(vkd_filter_nulls *n, const struct vkd_features_params *p, struct vkd_feature_diversity *out)
{
    struct vkd_features f;
    const struct vkd_log log = { gpu_log, NULL };
    ck_assert_int_eq(vkd_features_null(n, world.dev, p), VKD_OK);
    ck_assert_int_eq(vkd_features_extract(world.dev, p, &f), VKD_OK);
    ck_assert_int_eq(vkd_features_measure(n, &f, &log, out), VKD_OK);
    vkd_features_finish(&f);
}

// Start values of a seed are those that a run of no epochs has of it.
START_TEST(untrained_is_a_run_of_no_epochs)
{
    struct vkd_features_params p = params(run("start", "resnet18", 0, 7));
    struct vkd_features a, b, c;
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, &a), VKD_OK);
    p.path = params(run("other", "resnet18", 1, 8)).path;
    p.untrained = true;
    p.seed = 7;
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, &b), VKD_OK);
    p.seed = 8;
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, &c), VKD_OK);
    ck_assert_str_eq(a.layer, "features");
    ck_assert_mem_eq(a.values, b.values, a.rows * a.dim * sizeof(float));
    ck_assert_mem_eq(a.view_values, b.view_values, VIEWS * a.rows * a.dim * sizeof(float));
    ck_assert_mem_ne(a.values, c.values, a.rows * a.dim * sizeof(float));
    vkd_features_finish(&a);
    vkd_features_finish(&b);
    vkd_features_finish(&c);
}
END_TEST

// Of one network the null is that network: measured beside itself every ratio is 1, and half of the channels are left.
START_TEST(null_beside_itself)
{
    vkd_filter_nulls *n = nulls_of(1);
    struct vkd_features_params p = params(run("itself", "resnet18", 1, 3));
    struct vkd_feature_diversity d;
    struct vkd_features f;
    const struct vkd_log log = { gpu_log, NULL };
    ck_assert_int_eq(vkd_features_null(n, world.dev, &p), VKD_OK);
    p.untrained = true;
    p.seed = VKD__NULL_SEEDS;
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, &f), VKD_OK);
    ck_assert_int_eq(vkd_features_measure(n, &f, &log, &d), VKD_OK);
    ck_assert_uint_eq(d.draws, 1);
    ck_assert_double_eq_tol(d.found.rankme, d.null.rankme, 1e-9);
    ck_assert_double_eq_tol(d.found.lidar, d.null.lidar, 1e-9);
    ck_assert_double_eq_tol(d.found.std, d.null.std, 1e-9);
    ck_assert_double_eq_tol(d.found.class_separation, d.null.class_separation, 1e-9);
    const uint32_t living = d.dim - d.channels.dead;
    ck_assert_double_eq(d.channels.found.clusters[d.threshold_count], d.channels.null.clusters[d.threshold_count]);
    ck_assert_double_eq(d.channels.found.clusters[d.threshold_count], living - living / 2);
    vkd_features_finish(&f);
    vkd_filter_nulls_destroy(&n);
}
END_TEST

// What was one cluster for every model, of a trained and an untrained network; and networks of different shapes, whose raw
// values differ by their shape alone.
START_TEST(trained_and_untrained_differ)
{
    vkd_filter_nulls *n = nulls_of(4);
    struct vkd_feature_diversity trained, untrained, wide;
    struct vkd_features_params p = params(run("trained", "resnet18", 3, 5));
    measure(n, &p, &trained);
    p = params(run("untrained", "resnet18", 0, 6));
    measure(n, &p, &untrained);
    p = params(run("wide", "resnet50", 0, 6));
    measure(n, &p, &wide);
    const uint32_t last = trained.threshold_count;
    const double a = trained.channels.found.clusters[last], b = untrained.channels.found.clusters[last];
    ck_assert_msg(a > 1 && b > 1 && fabs(a - b) >= 2, "%g and %g clusters", a, b);
    ck_assert_double_eq(trained.channels.calibrated, untrained.channels.calibrated);
    ck_assert_double_eq(trained.null.rankme, untrained.null.rankme);
    ck_assert_double_gt(fabs(log(trained.found.std / trained.null.std)), fabs(log(untrained.found.std / untrained.null.std)));
    ck_assert_msg(wide.found.std < 0.6 * untrained.found.std, "%g, %g", wide.found.std, untrained.found.std);
    ck_assert_double_eq_tol(wide.found.std / wide.null.std, 1, 0.35);
    ck_assert_double_eq_tol(untrained.found.std / untrained.null.std, 1, 0.35);
    vkd_filter_nulls_destroy(&n);
}
END_TEST

// Measured once for a make and images: by the object, and over a run's folder.
START_TEST(measured_once)
{
    vkd_filter_nulls *n = nulls_of(2), *again = nulls_of(2), *more = nulls_of(3);
    struct vkd_feature_diversity a, b;
    struct vkd_features like;
    struct vkd_features_params p = params(run("once", "resnet18", 1, 3));
    const struct vkd_log log = { gpu_log, NULL };
    char file[512];
    batches = 0;
    measure(n, &p, &a);
    const uint32_t pass = batches / 3;          // of two untrained networks and the model
    ck_assert_uint_eq(batches % 3, 0);
    ck_assert_int_eq(vkd_features_null(n, world.dev, &p), VKD_OK);
    ck_assert_uint_eq(batches, 3 * pass);

    ck_assert_int_eq(vkd_features_extract(world.dev, &p, &like), VKD_OK);
    ck_assert_int_eq(vkd__feature_nulls_save(n, &like, 1, p.path, &log, VKD_LOG_WARNING), VKD_OK);
    ck_assert_int_eq(vkd__feature_nulls_load(again, p.path, &log), VKD_OK);
    batches = 0;
    measure(again, &p, &b);
    ck_assert_uint_eq(batches, pass);
    ck_assert_double_eq_tol(a.null.rankme, b.null.rankme, 1e-7 * a.null.rankme);
    ck_assert_double_eq_tol(a.null.lidar, b.null.lidar, 1e-7 * a.null.lidar);
    ck_assert_double_eq_tol(a.channels.calibrated, b.channels.calibrated, 1e-7);
    ck_assert_double_eq(a.channels.null.clusters[3], b.channels.null.clusters[3]);
    ck_assert_int_eq(vkd__feature_nulls_load(more, p.path, &log), VKD_OK);     // another mean
    ck_assert_ptr_null(vkd__feature_null_find(more, &like));
    like.rows--;
    ck_assert_ptr_null(vkd__feature_null_find(again, &like));
    like.rows++;
    vkd_features_finish(&like);

    snprintf(file, sizeof(file), "%s/diversity-null.json", p.path);
    FILE *f = fopen(file, "w");
    fputs("{ \"nulls\"", f);
    fclose(f);
    vkd_filter_nulls_destroy(&again);
    again = nulls_of(2);
    gpu_last_warning[0] = 0;
    ck_assert_int_eq(vkd__feature_nulls_load(again, p.path, &log), VKD_OK);
    ck_assert_msg(strstr(gpu_last_warning, "it is made again") != NULL, "%s", gpu_last_warning);
    ck_assert_ptr_null(again->features);
    vkd_filter_nulls_destroy(&more);
    vkd_filter_nulls_destroy(&again);
    vkd_filter_nulls_destroy(&n);
}
END_TEST

START_TEST(stops)
{
    vkd_filter_nulls *n = nulls_of(2);
    struct vkd_features_params p = params(run("stops", "resnet18", 0, 3));
    batches = 0;
    stop_at = 2;
    ck_assert_int_eq(vkd_features_null(n, world.dev, &p), VKD_INTERRUPTED);
    stop_at = 0;
    ck_assert_ptr_null(n->features);
    vkd_filter_nulls_destroy(&n);
}
END_TEST

START_TEST(layers_and_their_mean)
{
    static const char *const names[] = { "layer2", "features" };
    vkd_filter_nulls *n = nulls_of(1);
    struct vkd_features_params p = params(run("layers", "resnet18", 1, 3));
    struct vkd_features f[2];
    struct vkd_feature_diversity d[2];
    struct vkd_features_aggregate a;
    const struct vkd_log log = { gpu_log, NULL };
    p.layers = names;
    p.layer_count = 2;
    ck_assert_int_eq(vkd_features_check(world.dev, &p), VKD_OK);
    ck_assert_int_eq(vkd_features_null(n, world.dev, &p), VKD_OK);
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, f), VKD_OK);
    for (int l = 0; l < 2; l++) {
        ck_assert_int_eq(vkd_features_measure(n, &f[l], &log, &d[l]), VKD_OK);
        ck_assert_str_eq(d[l].layer, names[l]);
        ck_assert(d[l].draws == 1 && isfinite(d[l].null.lidar));
        vkd_features_finish(&f[l]);
    }
    ck_assert(d[0].dim == 8 && d[1].dim == 32);
    vkd_features_average(d, 2, &a);
    ck_assert_double_eq_tol(a.found.rankme, (8 * d[0].found.rankme / 8 + 32 * d[1].found.rankme / 32) / 40, 1e-9);
    ck_assert_double_eq_tol(a.null.class_separation, (8 * d[0].null.class_separation + 32 * d[1].null.class_separation) / 40,
                            1e-9);
    ck_assert_double_eq_tol(a.found.alpha, d[1].found.alpha, 1e-9);     // 8 values have no ranks from 11 on
    ck_assert_double_eq_tol(a.clusters[1], (d[0].channels.null.clusters[7] + d[1].channels.null.clusters[7]) / 40, 1e-9);

    p.layers = (const char *const[]) { "laier2", "features" };
    ck_assert_int_eq(vkd_features_check(world.dev, &p), VKD_INVALID);
    ck_assert_msg(strstr(gpu_last_error, "no layer 'laier2'") && strstr(gpu_last_error, "layer1, layer2"), "%s", gpu_last_error);
    p.layers = names;
    p.data = "idx:/nowhere";
    ck_assert_int_eq(vkd_features_check(world.dev, &p), VKD_IO);
    vkd_filter_nulls_destroy(&n);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("feature_nulls");
    TCase *t = tcase_create("feature_nulls");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, world_open, world_close);
    tcase_add_test(t, untrained_is_a_run_of_no_epochs);
    tcase_add_test(t, null_beside_itself);
    tcase_add_test(t, trained_and_untrained_differ);
    tcase_add_test(t, measured_once);
    tcase_add_test(t, stops);
    tcase_add_test(t, layers_and_their_mean);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
