// test_runtime_pace.c -- how many lists go into one submission.
#include "gpu.h"

#include <vkdiv/compute.h>

#include "runtime/internal.h"

enum { LISTS = 12, TIMES = 5 };

static vkd_device *dev;
static vkd_buffer *buf;
static vkd_commands *lists[LISTS];

static void open_with(double seconds)
{
    struct vkd_device_params p = gpu_params();
    p.submission_seconds = seconds;
    ck_assert_int_eq(vkd_device_create(&p, &dev), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, 16 << 20, VKD_MEMORY_DEVICE, &buf), VKD_OK);
    for (uint32_t i = 0; i < LISTS; i++) {
        ck_assert_int_eq(vkd_commands_create(dev, &lists[i]), VKD_OK);
        ck_assert_int_eq(vkd_commands_begin(lists[i]), VKD_OK);
        for (uint32_t k = 0; k < 4; k++)
            vkd_commands_fill(lists[i], (struct vkd_range) { .buffer = buf }, i);
        ck_assert_int_eq(vkd_commands_end(lists[i]), VKD_OK);
    }
}

static void close_all(void)
{
    for (uint32_t i = 0; i < LISTS; i++)
        vkd_commands_destroy(dev, &lists[i]);
    vkd_buffer_destroy(dev, &buf);
    gpu_close(&dev);
}

// Submits all lists; returns how many submissions that took. What is read afterwards is the last list's word.
static uint64_t submissions(bool wait)
{
    uint64_t before = vkd_device_stats(dev).submissions, ticket = 0;
    uint32_t word = 0;
    ck_assert_int_eq(vkd_submit(dev, lists, LISTS, &ticket), VKD_OK);
    uint64_t after = vkd_device_stats(dev).submissions;
    ck_assert_uint_eq(ticket, dev->queue.submitted);
    if (wait) {
        ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
        ck_assert_int_eq(vkd_buffer_read(dev, buf, (16 << 20) - 4, &word, 4), VKD_OK);
        ck_assert_uint_eq(word, LISTS - 1);
    }
    return after - before;
}

START_TEST(unknown_lists_go_alone_known_ones_together)
{
    open_with(1e3);
    ck_assert_uint_eq(submissions(true), LISTS);
    for (int i = 0; i < TIMES; i++)
        ck_assert_uint_eq(submissions(i % 2), dev->caps.timestamp_bits ? 1 : LISTS);
    close_all();
}
END_TEST

START_TEST(a_small_budget_parts_them)
{
    open_with(1e-12);
    for (int i = 0; i < TIMES; i++)
        ck_assert_uint_eq(submissions(true), LISTS);
    close_all();
}
END_TEST

// A list's time is measured, and submissions are filled with as many as fit.
START_TEST(a_budget_is_filled)
{
    open_with(1e3);
    if (!dev->caps.timestamp_bits) {
        close_all();
        return;
    }
    submissions(true);
    submissions(true);
    double sum = 0;
    for (uint32_t i = 0; i < LISTS; i++) {
        ck_assert_double_gt(lists[i]->seconds, 1e-6);       // 64 MiB
        ck_assert_double_lt(lists[i]->seconds, 10);
        sum += lists[i]->seconds;
    }
    dev->pace.budget = sum / 3;
    uint64_t n = submissions(true);
    ck_assert_uint_ge(n, 2);
    ck_assert_uint_le(n, LISTS - 1);
    close_all();
}
END_TEST

// A list that is made anew is a new one: what the old one took says nothing.
START_TEST(a_list_recorded_again_is_unknown)
{
    open_with(1e3);
    submissions(true);
    submissions(true);
    ck_assert_int_eq(vkd_commands_begin(lists[3]), VKD_OK);
    vkd_commands_fill(lists[3], (struct vkd_range) { .buffer = buf }, 3);
    ck_assert_int_eq(vkd_commands_end(lists[3]), VKD_OK);
    ck_assert_uint_eq(submissions(true), dev->caps.timestamp_bits ? 3 : LISTS);
    close_all();
}
END_TEST

// More lists than can be timed.
START_TEST(many_lists)
{
    enum { MANY = 1100 };
    static vkd_commands *many[MANY];
    open_with(1e3);
    for (uint32_t i = 0; i < MANY; i++) {
        ck_assert_int_eq(vkd_commands_create(dev, &many[i]), VKD_OK);
        ck_assert_int_eq(vkd_commands_begin(many[i]), VKD_OK);
        ck_assert_int_eq(vkd_commands_end(many[i]), VKD_OK);
    }
    for (int i = 0; i < 2; i++) {
        uint64_t ticket = 0;
        ck_assert_int_eq(vkd_submit(dev, many, MANY, &ticket), VKD_OK);
        ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    }
    for (uint32_t i = 0; i < MANY; i++)
        vkd_commands_destroy(dev, &many[i]);
    close_all();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pace");
    TCase *t = tcase_create("submissions");
    tcase_set_timeout(t, 0);
    tcase_add_test(t, unknown_lists_go_alone_known_ones_together);
    tcase_add_test(t, a_small_budget_parts_them);
    tcase_add_test(t, a_budget_is_filled);
    tcase_add_test(t, a_list_recorded_again_is_unknown);
    tcase_add_test(t, many_lists);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
