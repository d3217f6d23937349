// test_losses.c -- losses at points where their value is known without any code of ours.
#include "engine/op_run.h"
#include "gpu.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { NONE = -1 };     // no label

static vkd_device *dev;

// Runs loss `op` of `x` (rows, channels; all elements `value` but that every row's element 0 is
// `first`) against targets of `target`, or labels of `label`. *grad gets d loss / d x[0] for dloss 2. asl has its usual
// attributes.
static float run(const char *op, uint32_t rows, uint32_t channels, float first, float value, float target, int label,
                 float smoothing, float *grad)
{
    struct vkd_call c = { .op = vkd__op_find(op), .attr = { .label_smoothing = smoothing, .gamma_neg = 4, .gamma_pos = 1,
                          .clip = 0.05f }, .in_count = 2, .want = 1 };
    bool labels = !strcmp(op, "cross_entropy");
    c.in[0] = (struct vkd_desc) { { { rows, 1, 1, channels } }, VKD_F32 };
    c.in[1] = labels ? (struct vkd_desc) { { { 1, 1, 1, rows } }, VKD_U32 } : c.in[0];
    c.caps = vkd_device_caps(dev);
    ck_assert_msg(c.op->shape(&c), "%s", c.error);
    struct vkd__op_run_params p = { .call = &c, .backward = true };
    struct vkd__op_run *run = NULL;
    ck_assert_int_eq(vkd__op_run_create(dev, &p, &run), VKD_OK);
    float *x = vkd__op_run_data(run, VKD_SLOT_IN, 0, NULL), *dloss = vkd__op_run_data(run, VKD_SLOT_DOUT, 0, NULL);
    uint32_t stride = vkd__pad4(channels);
    for (uint32_t i = 0; i < rows * stride; i++) {
        x[i] = i % stride == 0 ? first : i % stride < channels ? value : 0;
        if (!labels)
            ((float *) vkd__op_run_data(run, VKD_SLOT_IN, 1, NULL))[i] = i % stride < channels ? target : 0;
    }
    for (uint32_t i = 0; labels && i < rows; i++)
        ((uint32_t *) vkd__op_run_data(run, VKD_SLOT_IN, 1, NULL))[i] = (uint32_t) label;
    dloss[0] = 2;
    dloss[1] = dloss[2] = dloss[3] = 0;
    ck_assert_int_eq(vkd__op_run_pass(run, VKD__OP_FORWARD), VKD_OK);
    float loss = *(float *) vkd__op_run_data(run, VKD_SLOT_OUT, 0, NULL);
    ck_assert_int_eq(vkd__op_run_pass(run, VKD__OP_BACKWARD), VKD_OK);
    *grad = *(float *) vkd__op_run_data(run, VKD_SLOT_DIN, 0, NULL);
    vkd__op_run_destroy(&run);
    return loss;
}

START_TEST(bce_at_zero_is_ln_2)
{
    float grad, loss = run("bce", 7, 5, 0, 0, 1, 0, 0, &grad);
    ck_assert_float_eq_tol(loss, 0.693147f, 1e-6f);
    ck_assert_float_eq_tol(grad, 2 * (0.5f - 1) / 35, 1e-7f);
}
END_TEST

START_TEST(bce_is_finite_far_out)
{
    float grad;
    ck_assert_float_eq_tol(run("bce", 1, 1, 1e4f, 0, 0, 0, 0, &grad), 1e4f, 1e-2f);
    ck_assert_float_eq_tol(grad, 2, 1e-6f);
    ck_assert_float_eq_tol(run("bce", 1, 1, -1e4f, 0, 0, 0, 0, &grad), 0, 1e-6f);
    ck_assert_float_eq_tol(grad, 0, 1e-6f);
}
END_TEST

// The sum over the labels, the mean over the images. The weight counts as a constant: (1 - p) w for a yes.
START_TEST(asl_at_zero)
{
    float grad;
    ck_assert_float_eq_tol(run("asl", 1, 1, 0, 0, 1, 0, 0, &grad), 0.346574f, 1e-6f);
    ck_assert_float_eq_tol(grad, 2 * -0.5f * 0.5f, 1e-6f);
    ck_assert_float_eq_tol(run("asl", 1, 1, 0, 0, 0, 0, 0, &grad), 0.024515f, 1e-6f);
    ck_assert_float_eq_tol(grad, 2 * 0.25f / 0.55f * 0.04100625f, 1e-6f);
    ck_assert_float_eq_tol(run("asl", 6, 7, 0, 0, 1, 0, 0, &grad), 7 * 0.346574f, 1e-5f);
    ck_assert_float_eq_tol(grad, 2 * -0.5f * 0.5f / 6, 1e-6f);
    ck_assert_float_eq_tol(run("asl", 3, 100, 0, 0, 0, 0, 0, &grad), 100 * 0.024515f, 1e-4f);
}
END_TEST

// Below the clip a no costs nothing; far out nothing is infinite.
START_TEST(asl_far_out)
{
    float grad;
    ck_assert_float_eq(run("asl", 1, 1, -4, 0, 0, 0, 0, &grad), 0);
    ck_assert_float_eq(grad, 0);
    ck_assert_float_eq(run("asl", 1, 1, -1e4f, 0, 0, 0, 0, &grad), 0);
    ck_assert_float_eq(grad, 0);
    ck_assert_float_eq_tol(run("asl", 1, 1, -1e4f, 0, 1, 0, 0, &grad), 1e4f, 1e-2f);
    ck_assert_float_eq_tol(grad, -2, 1e-5f);
    ck_assert_float_eq_tol(run("asl", 1, 1, 1e4f, 0, 1, 0, 0, &grad), 0, 1e-6f);
    ck_assert_float_eq_tol(run("asl", 1, 1, 1e4f, 0, 0, 0, 0, &grad), -logf(0.05f) * powf(0.95f, 4), 1e-4f);
}
END_TEST

START_TEST(unknown_targets_count_for_nothing)
{
    static const char *const ops[] = { "bce", "asl" };
    float grad;
    for (int i = 0; i < 2; i++) {
        ck_assert_float_eq(run(ops[i], 5, 10, 3, 1, -1, 0, 0, &grad), 0);
        ck_assert_float_eq(grad, 0);
        ck_assert_float_eq(run(ops[i], 5, 10, NAN, 1, -1, 0, 0, &grad), 0);
        ck_assert_float_eq(grad, 0);
    }
}
END_TEST

START_TEST(cross_entropy_of_equal_logits_is_ln_k)
{
    static const uint32_t counts[] = { 1, 2, 10, 100, 1000 };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        float k = (float) counts[i], grad;
        ck_assert_float_eq_tol(run("cross_entropy", 3, counts[i], 5, 5, 0, 0, 0, &grad), logf(k), 1e-5f);
        ck_assert_float_eq_tol(grad, 2 * (1 / k - 1) / 3, 1e-6f);
        ck_assert_float_eq_tol(run("cross_entropy", 3, counts[i], 5, 5, 0, 0, 0.1f, &grad), logf(k), 1e-5f);
    }
}
END_TEST

// Logits (a, 0, ..., 0) of 10 classes: log sum = ln(e^a + 9), mean of x = a / 10.
START_TEST(label_smoothing_mixes_in_the_mean)
{
    float a = 3, log_sum = logf(expf(a) + 9), p = expf(a - log_sum), grad;
    float want = 0.9f * (log_sum - a) + 0.1f * (log_sum - a / 10);
    ck_assert_float_eq_tol(run("cross_entropy", 4, 10, a, 0, 0, 0, 0.1f, &grad), want, 1e-6f);
    ck_assert_float_eq_tol(grad, 2 * (p - 0.9f - 0.01f) / 4, 1e-6f);
}
END_TEST

START_TEST(no_labels_at_all_give_zero)
{
    float grad;
    ck_assert_float_eq(run("cross_entropy", 5, 10, 3, 0, 0, NONE, 0.1f, &grad), 0);
    ck_assert_float_eq(grad, 0);
    // Not even what stands in a missing image matters.
    ck_assert_float_eq(run("cross_entropy", 5, 10, NAN, 0, 0, NONE, 0.1f, &grad), 0);
    ck_assert_float_eq(grad, 0);
}
END_TEST

START_TEST(a_label_that_is_no_class_is_nan)
{
    float grad;
    ck_assert(isnan(run("cross_entropy", 5, 10, 3, 0, 0, 10, 0, &grad)));
}
END_TEST

START_TEST(nan_logits_stay_nan)
{
    float grad;
    ck_assert(isnan(run("cross_entropy", 5, 10, NAN, 0, 0, 3, 0, &grad)));
    ck_assert(isnan(grad));
    ck_assert(isnan(run("cross_entropy", 2, 130, NAN, 0, 0, 3, 0, &grad)));
    ck_assert(isnan(run("bce", 5, 10, NAN, 0, 0, 0, 0, &grad)));
    ck_assert(isnan(grad));
    for (uint32_t c = 10; c < 100; c += 80) {
        ck_assert(isnan(run("asl", 5, c, NAN, 0, 1, 0, 0, &grad)));
        ck_assert(isnan(grad));
        ck_assert(isnan(run("asl", 5, c, NAN, 0, 0, 0, 0, &grad)));
        ck_assert(isnan(grad));
    }
    ck_assert(isnan(run("mse", 5, 10, NAN, 0, 0, 0, 0, &grad)));
    ck_assert(isnan(grad));
}
END_TEST

START_TEST(mse_of_a_shift)
{
    float grad;
    ck_assert_float_eq_tol(run("mse", 6, 7, 3, 3, 1, 0, 0, &grad), 4, 1e-6f);
    ck_assert_float_eq_tol(grad, 2 * 2 * 2.0f / 42, 1e-6f);
}
END_TEST

int main(void)
{
    dev = gpu_open();
    if (!dev)
        return 1;
    Suite *s = suite_create("losses");
    TCase *t = tcase_create("anchors");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, bce_at_zero_is_ln_2);
    tcase_add_test(t, bce_is_finite_far_out);
    tcase_add_test(t, asl_at_zero);
    tcase_add_test(t, asl_far_out);
    tcase_add_test(t, unknown_targets_count_for_nothing);
    tcase_add_test(t, cross_entropy_of_equal_logits_is_ln_k);
    tcase_add_test(t, label_smoothing_mixes_in_the_mean);
    tcase_add_test(t, no_labels_at_all_give_zero);
    tcase_add_test(t, a_label_that_is_no_class_is_nan);
    tcase_add_test(t, nan_logits_stay_nan);
    tcase_add_test(t, mse_of_a_shift);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    uint64_t messages = vkd_device_stats(dev).validation_messages;
    vkd_device_destroy(&dev);
    return failed > 0 || messages > 0;
}
