// test_ops.c -- every row of tests/op_rows on the device, and a row for every op.
#include "gpu.h"
#include "op_check.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

START_TEST(every_op_has_a_row)
{
    for (uint32_t i = 0; vkd__op_at(i); i++) {
        bool found = false;
        for (uint32_t j = 0; op_row_at(j); j++)
            found |= !strcmp(op_row_at(j)->op, vkd__op_at(i)->name);
        ck_assert_msg(found, "op %s has no row in tests/op_rows", vkd__op_at(i)->name);
    }
}
END_TEST

static vkd_device *dev;
static struct op_row rows[4096];
static int row_count;

// The inputs that may be stored in 16 bits: bit i is in[i].
static const struct { const char *op; uint32_t in; } halves[] = {
    { "add", 3 }, { "avg_pool", 1 }, { "batch_norm", 1 | 1 << 5 }, { "bias", 1 }, { "concat", 255 }, { "concat_rows", 255 },
    { "conv2d", 1 }, { "dropout", 1 }, { "gelu", 1 }, { "global_avg_pool", 1 }, { "matmul", 1 }, { "max_pool", 1 },
    { "mul", 3 }, { "relu", 1 }, { "relu6", 1 }, { "scale", 1 }, { "silu", 1 }, { "slice", 1 }, { "slice_rows", 1 },
};

// Whether numbers of 16 bits serve the row: enough of them are in its ranges.
static bool fits_halves(const struct op_row *row)
{
    bool fits = !row->rejects && !(!strcmp(row->op, "matmul") && row->attr.trans_a);
    for (uint32_t i = 0; i < VKD_MAX_IN; i++)
        fits &= row->in[i].dtype == VKD_F32 && fabsf(row->in[i].lo) < 256 && fabsf(row->in[i].hi) < 256;
    return fits;
}

static void add_row(const struct op_row *row)
{
    uint32_t in = 0;
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++)
        in = strcmp(halves[i].op, row->op) ? in : halves[i].in;
    const enum vkd_dtype types[] = { VKD_F32, VKD_F16, VKD_BF16 };
    for (int t = 0; t < (in && fits_halves(row) ? 3 : 1) && row_count < 4096; t++) {
        struct op_row *r = &rows[row_count++];
        *r = *row;
        for (uint32_t i = 0; t > 0 && i < VKD_MAX_IN; i++)
            if (in >> i & 1)
                r->in[i].dtype = types[t];
    }
}
static unsigned skipped, quotients, kinks;

START_TEST(row_holds)
{
    char text[400];
    op_row_describe(&rows[_i], text, sizeof(text));
    struct op_report r = op_check(dev, &rows[_i]);
    quotients += r.quotients;
    kinks += r.kinks;
    if (r.verdict == OP_SKIP) {
        skipped++;
        printf("skipped: row %d, %s: %s\n", _i, text, r.text);
    }
    ck_assert_msg(r.verdict != OP_FAIL, "row %d, %s: %s", _i, text, r.text);
}
END_TEST

START_TEST(device_has_no_complaint)
{
    ck_assert_uint_eq(vkd_device_stats(dev).validation_messages, 0);
}
END_TEST

// `test_ops NAME` takes the rows of one op.
int main(int argc, char **argv)
{
    for (uint32_t i = 0; op_row_at(i); i++)
        if (argc < 2 || !strcmp(argv[1], op_row_at(i)->op))
            add_row(op_row_at(i));
    dev = gpu_open();
    if (!dev)
        return 1;

    Suite *s = suite_create("ops");
    TCase *t = tcase_create("rows");
    tcase_set_timeout(t, 0);
    if (argc < 2)
        tcase_add_test(t, every_op_has_a_row);
    tcase_add_loop_test(t, row_holds, 0, row_count);
    tcase_add_test(t, device_has_no_complaint);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    printf("%s: %d rows, %u skipped, %u difference quotients, %u left out near a kink\n",
           vkd_device_caps(dev)->name, row_count, skipped, quotients, kinks);
    vkd_device_destroy(&dev);
    return failed ? 1 : 0;
}
