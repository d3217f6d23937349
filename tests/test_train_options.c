// test_train_options.c -- what runs may ask for besides a loss and a schedule: diverse filters, other statistics, stages
// that learn slower, a part of other weights to start from.
#include "gpu.h"
#include "train_world.h"
#include "engine/safetensors.h"

#include <vkdiv/diversity.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

// ---- Looking at results ----

// malloc'd values of tensor `name` of run RUN's last weights.
static float *tensor(const char *run, const char *name, uint64_t *count)
{
    char file[64];
    vkd__st_file *f = NULL;
    snprintf(file, sizeof(file), "%s/last.safetensors", run);
    ck_assert_int_eq(vkd__st_open(world_path(file), NULL, &f), VKD_OK);
    const struct vkd__st_tensor *t = vkd__st_find(f, name);
    ck_assert_msg(t != NULL, "%s has no %s", run, name);
    float *v = malloc((t->numel + 1) * sizeof(*v));
    ck_assert(vkd__st_floats(t, 0, t->numel, v));
    *count = t->numel;
    vkd__st_close(&f);
    return v;
}

// The slope of a's `name` minus base's against b's minus base's: by what factor a moved farther than b.
static double moved(const char *a, const char *b, const char *base, const char *name)
{
    uint64_t n;
    float *x = tensor(a, name, &n), *y = tensor(b, name, &n), *zero = tensor(base, name, &n);
    double xy = 0, yy = 0;
    for (uint64_t i = 0; i < n; i++) {
        xy += ((double) x[i] - (double) zero[i]) * ((double) y[i] - (double) zero[i]);
        yy += ((double) y[i] - (double) zero[i]) * ((double) y[i] - (double) zero[i]);
    }
    free(x);
    free(y);
    free(zero);
    ck_assert_double_gt(yy, 0);
    return xy / yy;
}

// Mean |cos| of the 3x3 filters of run RUN's best weights.
static double mean_cosine(const char *run)
{
    vkd_filter_nulls *nulls = NULL;
    struct vkd_diversity d;
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .draws = 1 }, &nulls), VKD_OK);
    ck_assert_int_eq(vkd_diversity_measure(nulls, &(struct vkd_diversity_params) { .path = world_path(run) }, &d), VKD_OK);
    double cosine = d.kinds[VKD_LAYER_3X3].found.mean_cos;
    vkd_diversity_finish(&d);
    vkd_filter_nulls_destroy(&nulls);
    return cosine;
}

// The first and the last "diversity_penalty" of run RUN's metrics; NaN without.
static void penalties(const char *run, double *first, double *last)
{
    char line[1024], file[64];
    snprintf(file, sizeof(file), "%s/metrics.jsonl", run);
    FILE *f = fopen(world_path(file), "r");
    ck_assert_ptr_nonnull(f);
    for (*first = *last = NAN; fgets(line, sizeof(line), f);) {
        json_t *event = json_loads(line, 0, NULL), *v = json_object_get(event, "diversity_penalty");
        if (v) {
            *last = json_number_value(v);
            *first = isnan(*first) ? *last : *first;
        }
        json_decref(event);
    }
    fclose(f);
}

// ---- The penalty ----

static const struct { const char *arch, *method; uint32_t accumulate; float weight, falls; } penalised[] = {
    { "resnet18", "supervised", 1, 20, 0.7f }, { "resnet18", "supervised", 2, 20, 0.7f },
    { "mobilenet_v2", "supervised", 1, 300, 0.9f }, { "resnet18", "simclr", 1, 20, 0.7f },
};

START_TEST(penalty_makes_filters_diverse)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result without, with, again;
    char a[32], b[32], c[32];
    double first, last;
    snprintf(a, sizeof(a), "without-%d", _i);
    snprintf(b, sizeof(b), "with-%d", _i);
    snprintf(c, sizeof(c), "again-%d", _i);
    r.model.arch = penalised[_i].arch;
    r.method = penalised[_i].method;
    r.accumulate = penalised[_i].accumulate;
    r.ssl.projector_hidden = r.ssl.projector_out = 16;
    r.monitor.images = 64;
    r.eval_every = 0;
    ck_assert_int_eq(world_train(&r, a, false, 0, &without), VKD_OK);
    penalties(a, &first, &last);
    ck_assert(isnan(first));
    r.diversity_penalty = penalised[_i].weight;
    ck_assert_int_eq(world_train(&r, b, false, 0, &with), VKD_OK);
    ck_assert_int_eq(world_train(&r, c, false, 0, &again), VKD_OK);
    ck_assert(with.weights_hash == again.weights_hash);
    ck_assert_uint_eq(with.steady_allocations, 0);
    penalties(b, &first, &last);
    ck_assert_msg(first < 1 && last < (double) penalised[_i].falls * first, "the penalty went from %g to %g", first, last);
    if (!strcmp(r.model.arch, "resnet18"))
        ck_assert_msg(mean_cosine(b) < 0.8 * mean_cosine(a), "mean |cos| %g, without a penalty %g", mean_cosine(b),
                      mean_cosine(a));
    if (!strcmp(r.method, "supervised"))
        ck_assert_float_ge(with.test_accuracy, 0.7f);
}
END_TEST

// Frozen stages have no part in it.
START_TEST(penalty_of_what_learns)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    double all, some, last;
    r.steps = 1;
    r.eval_every = 0;
    r.diversity_penalty = 1e-6f;
    ck_assert_int_eq(world_train(&r, "penalty-all", false, 0, &res), VKD_OK);
    r.injection.freeze = 4;
    ck_assert_int_eq(world_train(&r, "penalty-some", false, 0, &res), VKD_OK);
    r.injection.freeze = 5;
    ck_assert_int_eq(world_train(&r, "penalty-none", false, 0, &res), VKD_OK);
    penalties("penalty-all", &all, &last);
    penalties("penalty-some", &some, &last);
    ck_assert_msg(some > 0 && some < all, "%g of the last stage, %g of all", some, all);    // the wider, the less alike
    penalties("penalty-none", &all, &last);
    ck_assert(isnan(all));
}
END_TEST

// ---- Other options ----

START_TEST(statistics_move_by_the_momentum)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    r.steps = 1;
    ck_assert_int_eq(world_train(&r, "usual", false, 0, &res), VKD_OK);
    r.model.norm_momentum = 0.025f;
    ck_assert_int_eq(world_train(&r, "slow", false, 0, &res), VKD_OK);
    uint64_t n;
    float *usual = tensor("usual", "layer2.0.bn1.running_mean", &n), *slow = tensor("slow", "layer2.0.bn1.running_mean", &n);
    for (uint64_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(usual[i], 4 * slow[i], 1e-5f * fabsf(usual[i]));
    free(usual);
    free(slow);
}
END_TEST

START_TEST(early_stages_learn_slower)
{
    static const struct { const char *name; double factor; } expected[] = {
        { "fc.weight", 1 }, { "layer4.1.conv2.weight", 0.5 }, { "layer4.0.bn1.bias", 0.5 }, { "layer3.0.conv1.weight", 0.25 },
        { "layer1.0.conv1.weight", 0.0625 }, { "conv1.weight", 0.03125 },
    };
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    r.steps = 1;
    r.optimizer.momentum = 0;
    ck_assert_int_eq(world_train(&r, "base", false, 0, &res), VKD_OK);
    r.init = world_path("base/last.safetensors");
    ck_assert_int_eq(world_train(&r, "together", false, 0, &res), VKD_OK);
    r.init = world_path("base/last.safetensors");
    r.optimizer.stage_decay = 0.5f;
    ck_assert_int_eq(world_train(&r, "staged", false, 0, &res), VKD_OK);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        double f = moved("staged", "together", "base", expected[i].name);
        ck_assert_msg(fabs(f - expected[i].factor) < 1e-3, "%s moved by %g of its way", expected[i].name, f);
    }
}
END_TEST

START_TEST(backbone_of_other_classes)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    char fewer[160];
    uint64_t n;
    r.epochs = 1;
    ck_assert_int_eq(world_train(&r, "four", false, 0, &res), VKD_OK);
    snprintf(fewer, sizeof(fewer), "%.*s?classes=0-2", (int) (strchr(world.spec, '?') - world.spec), world.spec);
    r.data.train = fewer;
    r.steps = 1;
    r.optimizer.lr = 1e-9f;
    r.optimizer.weight_decay = 0;
    r.init = world_path("four/last.safetensors");
    ck_assert_int_eq(world_train(&r, "three-refused", false, 0, &res), VKD_FORMAT);
    ck_assert_msg(strstr(world.error, "of 4 classes, this run's model of 3: init_part=backbone"), "%s", world.error);
    r.init = world_path("four/last.safetensors");
    r.init_part = "backbone";
    world.warning[0] = 0;
    ck_assert_int_eq(world_train(&r, "three", false, 0, &res), VKD_OK);
    ck_assert_str_eq(world.warning, "");
    float *a = tensor("four", "layer3.0.conv1.weight", &n), *b = tensor("three", "layer3.0.conv1.weight", &n);
    for (uint64_t i = 0; i < n; i++)
        ck_assert_float_eq_tol(a[i], b[i], 1e-6f);
    free(a);
    free(b);
    r.init = NULL;
    ck_assert_int_eq(world_train(&r, "nothing", false, 0, &res), VKD_INVALID);
    ck_assert_msg(strstr(world.error, "init_part"), "%s", world.error);
    r.model.width = 8;
    r.init = world_path("four/last.safetensors");
    ck_assert_int_eq(world_train(&r, "wider", false, 0, &res), VKD_FORMAT);
    ck_assert_msg(strstr(world.error, "conv1.weight is (4, "), "%s", world.error);
}
END_TEST

// Classes that one of the two sets has no images of: training goes on, and says so.
START_TEST(classes_of_one_set_alone)
{
    struct vkd_recipe r = world_recipe();
    struct vkd_train_result res;
    char few[300];
    snprintf(few, sizeof(few), "%s&limit=2", world.spec);
    r.steps = 1;
    r.batch = 2;
    for (int i = 0; i < 2; i++) {
        r.data.train = i ? few : world.spec;
        r.data.test = i ? world.spec : few;
        world.warning[0] = 0;
        ck_assert_int_eq(world_train(&r, i ? "untaught" : "untested", false, 0, &res), VKD_OK);
        ck_assert_msg(strstr(world.warning, i ? "nothing can be learnt of them" : "the test set has no images of '") != NULL,
                      "%s", world.warning);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("train_options");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, world_open, world_close);
    tcase_add_loop_test(t, penalty_makes_filters_diverse, 0, sizeof(penalised) / sizeof(penalised[0]));
    tcase_add_test(t, penalty_of_what_learns);
    tcase_add_test(t, statistics_move_by_the_momentum);
    tcase_add_test(t, early_stages_learn_slower);
    tcase_add_test(t, backbone_of_other_classes);
    tcase_add_test(t, classes_of_one_set_alone);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
