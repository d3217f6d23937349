// test_transfer_interval.c -- intervals of transfers: how often they hold the truth, and what groups do to them and to tests.
#include "data_files.h"

#include "engine/data/dataset.h"
#include "engine/transfer/transfer_impl.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

// Uniform in (0, 1).
static double uniform(uint64_t *state)
{
    return ((double) (next_random(state) & 0xffffff) + 0.5) / 0x1000000;
}

static double normal(uint64_t *state)
{
    const double u = uniform(state), v = uniform(state);
    return sqrt(-2 * log(u)) * cos(2 * pi * v);
}

// ---- Coverage of mean average precision --------------------------------------------------------

enum { IMAGES = 400, LABELS = 20, STEPS = 4000 };

// A test set of `images`, and whose labels each of them shows with the probability `share`; scores are normal, those of
// images that do higher by `d`.
struct population { uint32_t images, labels; double share, d; };

static float set_scores[IMAGES * LABELS];
static int8_t set_truth[IMAGES * LABELS];

static struct vkd_map draw_set(const struct population *p, uint64_t *state)
{
    struct vkd_map map;
    for (uint32_t k = 0; k < p->images * p->labels; k++) {
        set_truth[k] = uniform(state) < p->share;
        set_scores[k] = (float) (normal(state) + (set_truth[k] ? p->d : 0));
    }
    ck_assert_int_eq(vkd_average_precision(&(struct vkd_matrix) { set_scores, p->images, p->labels, 0 }, set_truth, NULL,
                                           NULL, &map), VKD_OK);
    return map;
}

// Average precision over all images there are: precision against recall, integrated.
static double of_all(const struct population *p)
{
    double sum = 0;
    for (int i = 0; i < STEPS; i++) {
        const double low = -8 + (16 + p->d) * i / STEPS, high = -8 + (16 + p->d) * (i + 1) / STEPS, at = (low + high) / 2;
        const double above = p->share * erfc((at - p->d) / sqrt(2)), other = (1 - p->share) * erfc(at / sqrt(2));
        sum += above / (above + other) * (erfc((low - p->d) / sqrt(2)) - erfc((high - p->d) / sqrt(2))) / 2;
    }
    return sum;
}

// The mean of 11 points over `sets` test sets.
static double of_sets(const struct population *p, uint32_t sets)
{
    uint64_t state = 5;
    double sum = 0;
    for (uint32_t i = 0; i < sets; i++)
        sum += draw_set(p, &state).voc11;
    return sum / sets;
}

// How many of the sets' intervals hold `value`.
static uint32_t covered(const struct population *p, enum vkd__metric metric, uint32_t sets, double value)
{
    uint64_t state = 11;
    uint32_t count = 0;
    for (uint32_t set = 0; set < sets; set++) {
        const struct vkd_map map = draw_set(p, &state);
        const struct vkd__transfer t = { .metric = metric, .p = { .seed = set } };
        const struct vkd_transfer_result r = { .multi_label = true, .test = p->images, .classes = p->labels, .scores = set_scores,
                                               .truth = set_truth, .value = metric == VKD__METRIC_MAP ? map.plain : map.voc11 };
        struct vkd_interval i;
        ck_assert_int_eq(vkd__transfer_interval(&t, &r, &i), VKD_OK);
        ck_assert_msg(0 <= i.low && i.low <= r.value && r.value <= i.high && i.high <= 1 + 1e-12, "%g not in [%g, %g]",
                      r.value, i.low, i.high);
        ck_assert(i.high - i.low < 0.5);                       // it says something
        count += i.low <= value && value <= i.high;
    }
    return count;
}

// Labels that 4 or 40 of 400 images show; the percentile interval holds the value of next to none of the rare ones.
static const struct population rare[] = { { IMAGES, LABELS, .01, .5 }, { IMAGES, LABELS, .01, 2 }, { IMAGES, LABELS, .1, 1 } };

START_TEST(precisions_of_rare_labels)
{
    const double value = of_all(&rare[_i]);
    const uint32_t sets = 30, count = covered(&rare[_i], VKD__METRIC_MAP, sets, value);
    ck_assert_msg(10 * count >= 9 * sets, "%u of %u intervals hold %g", count, sets, value);
}
END_TEST

// By 11 points: few positives, the usual, and nearly all in order, of which there is less room above than below.
static const struct population eleven[] = { { 100, 8, .06, 1.5 }, { 100, 3, .2, 1 }, { 100, 3, .3, 3 } };

START_TEST(eleven_points)
{
    const double value = of_sets(&eleven[_i], 4000);
    const uint32_t sets = 200, count = covered(&eleven[_i], VKD__METRIC_MAP11, sets, value);
    ck_assert_msg(100 * count >= 90 * sets && 100 * count <= 99 * sets, "%u of %u intervals hold %g", count, sets, value);
}
END_TEST

// All in order: an interval nearly as narrow as a single image makes it.
START_TEST(eleven_points_of_no_error)
{
    const struct population p = { 100, 3, .3, 30 };
    ck_assert_double_eq_tol(of_sets(&p, 9), 1, 1e-12);
    ck_assert_uint_eq(covered(&p, VKD__METRIC_MAP11, 3, 1), 3);
}
END_TEST

// ---- Groups ------------------------------------------------------------------------------------

enum { FEW = 12, MEMBERS = 20, ALL = FEW * MEMBERS };

static uint32_t labels[ALL], groups[ALL], answers[2][ALL];

// Images of a group are all right or all wrong: b is wrong in groups 0 to 5, a in group 0 alone.
static struct vkd_transfer_result grouped(int which, bool groups_known)
{
    static char text[] = "p", data[] = "d", model[] = "m";
    for (uint32_t i = 0; i < ALL; i++) {
        labels[i] = i % 2;
        groups[i] = i / MEMBERS * MEMBERS;
        answers[which][i] = i / MEMBERS < (which ? 6 : 1) ? !labels[i] : labels[i];
    }
    return (struct vkd_transfer_result) { .text = text, .data = data, .model = model, .test = ALL, .classes = 2,
        .metric = "top1", .labels = labels, .predictions = answers[which], .value = which ? .5 : 11. / 12,
        .groups = groups_known ? groups : NULL };
}

START_TEST(intervals_know_groups)
{
    for (enum vkd__metric m = VKD__METRIC_TOP1; m <= VKD__METRIC_MEAN_PER_CLASS; m++) {
        const struct vkd__transfer t = { .metric = m };
        struct vkd_transfer_result alone = grouped(1, false), known = grouped(1, true);
        struct vkd_interval a, k;
        ck_assert_int_eq(vkd__transfer_interval(&t, &alone, &a), VKD_OK);
        ck_assert_int_eq(vkd__transfer_interval(&t, &known, &k), VKD_OK);
        ck_assert_double_eq_tol(a.high - a.low, 2 * 1.96 * sqrt(.25 / ALL), .02);
        ck_assert_double_eq_tol(k.high - k.low, 2 * 1.96 * sqrt(.25 / FEW), .08);       // as if there were 12 images
    }
}
END_TEST

START_TEST(precisions_know_groups)
{
    static float scores[ALL];
    static int8_t truth[ALL];
    const struct vkd__transfer t = { .metric = VKD__METRIC_MAP };
    struct vkd_interval a, k;
    struct vkd_map map;
    uint64_t state = 3;
    for (uint32_t i = 0; i < ALL; i++) {
        truth[i] = i % 2;
        groups[i] = i / MEMBERS * MEMBERS;
        scores[i] = (float) (uniform(&state) + truth[i] * (i / MEMBERS < 6 ? 1. : -1.));   // half of the groups upside down
    }
    struct vkd_transfer_result r = { .multi_label = true, .test = ALL, .classes = 1, .scores = scores, .truth = truth };
    ck_assert_int_eq(vkd_average_precision(&(struct vkd_matrix) { scores, ALL, 1, 0 }, truth, NULL, NULL, &map), VKD_OK);
    r.value = map.plain;
    ck_assert_int_eq(vkd__transfer_interval(&t, &r, &a), VKD_OK);
    r.groups = groups;
    ck_assert_int_eq(vkd__transfer_interval(&t, &r, &k), VKD_OK);
    ck_assert_msg(k.high - k.low > 2 * (a.high - a.low), "%g and %g", k.high - k.low, a.high - a.low);
}
END_TEST

START_TEST(tests_know_groups)
{
    struct vkd_transfer_comparison c;
    struct vkd_transfer_result a = grouped(0, false), b = grouped(1, false);
    ck_assert_int_eq(vkd_transfer_compare(&a, &b, 1, NULL, &c), VKD_OK);
    ck_assert_double_eq_tol(c.difference, 5. / 12, 1e-12);
    ck_assert_double_lt(c.p, .001);                             // a hundred images of one opinion
    a = grouped(0, true);
    b = grouped(1, true);
    for (int metric = 0; metric < 2; metric++) {
        ck_assert_int_eq(vkd_transfer_compare(&a, &b, 1, NULL, &c), VKD_OK);
        ck_assert_double_eq_tol(c.difference, 5. / 12, 1e-12);
        ck_assert_double_eq_tol(c.p, 2. / 32, 1e-12);           // five groups: all signs of five
        strcpy(a.metric, "mean_per_class");
        strcpy(b.metric, "mean_per_class");
    }
}
END_TEST

START_TEST(scores_change_sides_by_group)
{
    static float good[ALL], bad[ALL];
    static int8_t truth[ALL];
    static char text[] = "p", data[] = "d", model[] = "m";
    struct vkd_transfer_comparison alone, known;
    uint64_t state = 9;
    for (uint32_t i = 0; i < ALL; i++) {
        groups[i] = i / MEMBERS * MEMBERS;
        truth[i] = i % 2;
        const float low = (float) uniform(&state), high = low + .3f * (float) truth[i];
        bad[i] = i / MEMBERS < 8 ? low : high;
        good[i] = i / MEMBERS < 8 ? high : low;
    }
    struct vkd_transfer_result a = { .text = text, .data = data, .model = model, .test = ALL, .classes = 1, .metric = "map",
                                     .multi_label = true, .scores = good, .truth = truth }, b = a;
    b.scores = bad;
    ck_assert_int_eq(vkd_transfer_compare(&a, &b, 1, NULL, &alone), VKD_OK);
    a.groups = b.groups = groups;
    ck_assert_int_eq(vkd_transfer_compare(&a, &b, 1, NULL, &known), VKD_OK);
    ck_assert_double_eq_tol(known.difference, alone.difference, 1e-12);
    ck_assert_msg(alone.p < .05 && known.p > .1, "%g, %g", alone.p, known.p);      // eight groups against four
}
END_TEST

START_TEST(groups_of_a_set)
{
    static const uint8_t grey[64];
    static const char rows[] = "path,split,group,labels\na.png,test,,x\nb.png,test,g,x\nc.png,test,,y\nd.png,test,h,x\n"
        "e.png,test,g,y\nf.png,test,h,y\n";
    static const uint32_t expected[] = { 0, 1, 2, 3, 1, 3 };
    struct vkd_dataset_params p = { .split = "test" };
    char spec[600];
    uint32_t *found;
    vkd_dataset *d;
    for (const char *name = "abcdef"; *name; name++) {
        char file[] = { *name, '.', 'p', 'n', 'g', 0 };
        temp_write_bytes(file, png_encode(8, 8, 0, 8, false, grey));
    }
    temp_write("set.csv", rows, sizeof(rows) - 1);
    snprintf(spec, sizeof(spec), "csv:%s", temp_path("set.csv"));
    p.spec = spec;
    ck_assert_int_eq(vkd_dataset_open(&p, &d), VKD_OK);
    ck_assert_int_eq(vkd__dataset_groups(d, &found), VKD_OK);
    ck_assert_mem_eq(found, expected, sizeof(expected));
    free(found);
    vkd_dataset_close(&d);
    write_idx_set("set", "t10k", 20, 8, 8, false);
    snprintf(spec, sizeof(spec), "idx:%s", temp_path("set"));
    ck_assert_int_eq(vkd_dataset_open(&p, &d), VKD_OK);
    ck_assert_int_eq(vkd__dataset_groups(d, &found), VKD_OK);
    ck_assert_ptr_null(found);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(groups_are_kept)
{
    struct vkd__transfer t = { .metric = VKD__METRIC_TOP1 };
    struct vkd_transfer_result r = grouped(1, true), again;
    static char x[] = "x", y[] = "y", *names[] = { x, y };
    static double shares[2];
    snprintf(t.out, sizeof(t.out), "%s", temp_path("kept"));
    snprintf(r.key, sizeof(r.key), "0123456789abcdef");
    snprintf(r.protocol, sizeof(r.protocol), "knn");
    r.class_names = names;
    r.per_class = shares;
    ck_assert_int_eq(vkd__transfer_write(&t, &r), VKD_OK);
    ck_assert_int_eq(vkd_transfer_load(r.path, NULL, &again), VKD_OK);
    ck_assert_ptr_nonnull(again.groups);
    ck_assert_mem_eq(again.groups, groups, sizeof(groups));
    vkd_transfer_finish(&again);
    groups[3] = 5;
    free(r.path);
    ck_assert_int_eq(vkd__transfer_write(&t, &r), VKD_OK);
    ck_assert_int_eq(vkd_transfer_load(r.path, NULL, &again), VKD_FORMAT);
    free(r.path);
}
END_TEST

static void remove_all(void)
{
    ck_assert(temp_remove());
}

int main(void)
{
    Suite *suite = suite_create("transfer_interval");
    TCase *t = tcase_create("interval");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, NULL, remove_all);
    tcase_add_loop_test(t, precisions_of_rare_labels, 0, sizeof(rare) / sizeof(rare[0]));
    tcase_add_loop_test(t, eleven_points, 0, sizeof(eleven) / sizeof(eleven[0]));
    tcase_add_test(t, eleven_points_of_no_error);
    tcase_add_test(t, intervals_know_groups);
    tcase_add_test(t, precisions_know_groups);
    tcase_add_test(t, tests_know_groups);
    tcase_add_test(t, scores_change_sides_by_group);
    tcase_add_test(t, groups_of_a_set);
    tcase_add_test(t, groups_are_kept);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
