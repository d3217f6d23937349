// test_conv_windows.c -- tensors larger than a storage binding: on a device that claims small
// bindings, the same convolutions must give the same numbers.
#include "engine/op_run.h"
#include "tests/gpu.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static vkd_device *dev;

struct row {
    const char *op;
    struct vkd_shape in[2];
    struct vkd_attr attr;
    uint64_t binding;       // bytes that the small device binds
};

static const struct row rows[] = {
    { "conv2d", { { { 9, 16, 16, 8 } }, { { 3, 3, 8, 12 } } }, { .pad = { 1, 1 }, .algorithm = VKD_CONV_DIRECT }, 40000 },
    { "conv2d", { { { 20, 15, 15, 5 } }, { { 3, 3, 8, 7 } } }, { .stride = { 2, 2 }, .pad = { 1, 1 } }, 128000 },
    { "conv2d", { { { 99, 16, 16, 8 } }, { { 3, 3, 8, 8 } } }, { .pad = { 1, 1 }, .algorithm = VKD_CONV_WINOGRAD }, 700000 },
    { "conv2d", { { { 9, 16, 16, 8 } }, { { 1, 1, 8, 12 } } }, { .stride = { 1, 1 } }, 40000 },
    { "conv2d", { { { 20, 16, 16, 12 } }, { { 3, 3, 1, 12 } } }, { .pad = { 1, 1 }, .groups = 12 }, 200000 },
    { "conv2d", { { { 40, 16, 16, 8 } }, { { 3, 3, 4, 12 } } }, { .pad = { 1, 1 }, .groups = 2 }, 250000 },
};

static void fill(void *data, uint64_t size, uint32_t state)
{
    float *x = data;
    for (uint64_t i = 0; i < size / 4; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float) (state >> 8) / 8388608.0f - 1.0f;
    }
}

// All results of one call as one malloc'd array: y, dx, and from `filter` on the filter's gradient.
static float *results(const struct row *row, const struct vkd_caps *caps, uint64_t *numel, uint64_t *filter,
                      uint32_t *dispatches)
{
    struct vkd_call c = { .op = vkd__op_find(row->op), .attr = row->attr, .in_count = 2, .want = 3, .caps = caps };
    c.in[0].shape = row->in[0];
    c.in[1].shape = row->in[1];
    ck_assert_msg(c.op->shape(&c), "%s", c.error);
    struct vkd_plan plan = { 0 };
    c.op->forward(&c, &plan);
    ck_assert_msg(plan.result >= 0, "%s", plan.error);
    *dispatches = plan.count;
    vkd__plan_finish(&plan);

    struct vkd__op_run *run = NULL;
    ck_assert(vkd__op_run_create(dev, &(struct vkd__op_run_params) { .call = &c, .backward = true }, &run) == VKD_OK);
    uint64_t size;
    for (uint32_t i = 0; i < 3; i++) {
        void *data = vkd__op_run_data(run, i < 2 ? VKD_SLOT_IN : VKD_SLOT_DOUT, i % 2, &size);
        fill(data, size, i);
    }
    ck_assert(vkd__op_run_pass(run, VKD__OP_FORWARD) == VKD_OK);
    ck_assert(vkd__op_run_pass(run, VKD__OP_BACKWARD) == VKD_OK);
    const struct { enum vkd_slot_kind kind; uint32_t index; } outs[] = {
        { VKD_SLOT_OUT, 0 }, { VKD_SLOT_DIN, 0 }, { VKD_SLOT_DIN, 1 },
    };
    float *all = NULL;
    *numel = 0;
    for (uint32_t i = 0; i < 3; i++) {
        void *data = vkd__op_run_data(run, outs[i].kind, outs[i].index, &size);
        all = realloc(all, *numel * 4 + size);
        ck_assert_ptr_nonnull(all);
        memcpy(all + *numel, data, size);
        *filter = *numel;
        *numel += size / 4;
    }
    vkd__op_run_destroy(&run);
    return all;
}

START_TEST(windows)
{
    const struct row *row = &rows[_i];
    struct vkd_caps whole = *vkd_device_caps(dev), small = whole;
    small.storage_range_max = row->binding;
    small.texel_align = small.storage_align = 256;
    uint64_t numel, numel_small, filter;
    uint32_t count, count_small;
    float *want = results(row, &whole, &numel, &filter, &count);
    float *got = results(row, &small, &numel_small, &filter, &count_small);
    ck_assert_uint_gt(count_small, count);
    ck_assert_uint_eq(numel, numel_small);
    ck_assert_msg(!memcmp(want, got, filter * 4), "row %d: y or dx differs", _i);
    // dw sums over windows in another order; Winograd's transforms magnify its rounding.
    float scale = 0, bound = row->attr.algorithm == VKD_CONV_WINOGRAD ? 1e-4f : 1e-5f;
    for (uint64_t i = filter; i < numel; i++)
        scale = fmaxf(scale, fabsf(want[i]));
    for (uint64_t i = filter; i < numel; i++)
        ck_assert_msg(fabsf(got[i] - want[i]) <= bound * scale, "row %d: dw[%llu] is %g, expected %g", _i,
                      (unsigned long long) (i - filter), (double) got[i], (double) want[i]);
    free(want);
    free(got);
}
END_TEST

int main(void)
{
    dev = gpu_open();
    if (!dev)
        return EXIT_FAILURE;
    Suite *s = suite_create("conv_windows");
    TCase *t = tcase_create("rows");
    tcase_add_loop_test(t, windows, 0, (int) (sizeof(rows) / sizeof(rows[0])));
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    vkd_device_destroy(&dev);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
