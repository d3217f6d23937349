// test_schedule.c -- learning rates against PyTorch's schedulers (tests/golden/optimizers.json).
#include <vkdiv/schedule.h>

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

static json_t *golden;

static void compare(const char *key, const struct vkd_schedule *s)
{
    ck_assert_int_eq(vkd_schedule_check(s, NULL), VKD_OK);
    json_t *rates = json_object_get(json_object_get(golden, "schedules"), key);
    ck_assert_uint_ge(json_array_size(rates), 30);
    for (uint32_t i = 0; i < json_array_size(rates); i++) {
        double expected = json_number_value(json_array_get(rates, i)), found = vkd_schedule_lr(s, i);
        ck_assert_msg(fabs(found - expected) <= 1e-12, "%s, step %u: expected %.15g, found %.15g", key, i, expected,
                      found);
    }
}

START_TEST(recorded)
{
    compare("step", &(struct vkd_schedule) { VKD_SCHEDULE_STEP, .lr = 0.4, .gamma = 0.3, .step_size = 7 });
    compare("milestones", &(struct vkd_schedule) { VKD_SCHEDULE_STEP, .lr = 0.4, .gamma = 0.1, .milestone_count = 3,
                                                   .milestones = { 3, 10, 22 } });
    compare("cosine", &(struct vkd_schedule) { VKD_SCHEDULE_COSINE, .lr = 0.4, .min_lr = 0.01, .total_steps = 30 });
    compare("warmup", &(struct vkd_schedule) { VKD_SCHEDULE_CONSTANT, .lr = 0.4, .warmup_lr = 0.1, .warmup_steps = 8 });
}
END_TEST

START_TEST(warmup_then_cosine)
{
    struct vkd_schedule s = { VKD_SCHEDULE_COSINE, .lr = 1, .min_lr = 0.2, .total_steps = 110, .warmup_steps = 10 };
    struct vkd_schedule cosine = { VKD_SCHEDULE_COSINE, .lr = 1, .min_lr = 0.2, .total_steps = 100 };
    ck_assert_double_eq(vkd_schedule_lr(&s, 0), 0);
    ck_assert_double_eq_tol(vkd_schedule_lr(&s, 5), 0.5, 1e-15);
    ck_assert_double_eq(vkd_schedule_lr(&s, 10), 1);
    ck_assert_double_eq_tol(vkd_schedule_lr(&s, 60), 0.6, 1e-12);
    for (uint32_t i = 0; i <= 100; i++)
        ck_assert_double_eq(vkd_schedule_lr(&s, 10 + i), vkd_schedule_lr(&cosine, i));
    ck_assert_double_eq_tol(vkd_schedule_lr(&s, 110), 0.2, 1e-15);
    ck_assert_double_eq_tol(vkd_schedule_lr(&s, 4000000000u), 0.2, 1e-15);
}
END_TEST

START_TEST(rejected)
{
    const struct vkd_schedule bad[] = {
        { VKD_SCHEDULE_CONSTANT, .lr = -1 },
        { VKD_SCHEDULE_CONSTANT, .lr = NAN },
        { VKD_SCHEDULE_CONSTANT, .lr = 1, .warmup_steps = 1, .warmup_lr = INFINITY },
        { VKD_SCHEDULE_STEP, .lr = 1, .step_size = 1 },
        { VKD_SCHEDULE_STEP, .lr = 1, .gamma = 0.1, .milestone_count = 2, .milestones = { 5, 5 } },
        { VKD_SCHEDULE_STEP, .lr = 1, .gamma = 0.1, .milestone_count = VKD_MILESTONE_MAX + 1 },
        { VKD_SCHEDULE_COSINE, .lr = 1 },
        { VKD_SCHEDULE_COSINE, .lr = 1, .total_steps = 5, .warmup_steps = 5 },
        { VKD_SCHEDULE_COSINE, .lr = 1, .total_steps = 5, .min_lr = -1 },
        { (enum vkd_schedule_kind) 7, .lr = 1 },
    };
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(vkd_schedule_check(&bad[i], NULL) == VKD_INVALID, "row %u", i);

    enum vkd_schedule_kind kind = VKD_SCHEDULE_STEP;
    ck_assert_int_eq(vkd_schedule_find("cosin", &kind), VKD_INVALID);
    ck_assert_int_eq(kind, VKD_SCHEDULE_STEP);
    ck_assert_int_eq(vkd_schedule_find("cosine", &kind), VKD_OK);
    ck_assert_int_eq(kind, VKD_SCHEDULE_COSINE);
}
END_TEST

int main(void)
{
    golden = json_load_file(VKD_SOURCE_DIR "/tests/golden/optimizers.json", 0, NULL);
    if (!golden)
        return EXIT_FAILURE;
    Suite *s = suite_create("schedule");
    TCase *c = tcase_create("schedule");
    tcase_add_test(c, recorded);
    tcase_add_test(c, warmup_then_cosine);
    tcase_add_test(c, rejected);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    json_decref(golden);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
