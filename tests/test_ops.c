// test_ops.c -- every row of tests/op_rows on the device, and a row for every op.
#include "gpu.h"
#include "op_check.h"

#include <check.h>
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
enum { ROWS_MAX = 4096 };
static struct op_row rows[ROWS_MAX];
static int row_count;

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
    for (uint32_t at = 0; row_count < ROWS_MAX && op_case_next(&at, &rows[row_count]);)
        row_count += argc < 2 || !strcmp(argv[1], rows[row_count].op);
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
