// test_philox.c -- the C text of philox.h against Random123, and the GLSL text against the C text.
#include "gpu.h"
#include "philox.h"

#include <Random123/philox.h>
#include <check.h>
#include <string.h>
#include <vkdiv/compute.h>

enum { COUNT = 20000 };

static u32 inputs[COUNT][6], expected[COUNT][4];
static vkd_device *dev;

// Corners first (all zero, all ones, single bits), then words of a plain linear generator.
static void fill_inputs(void)
{
    u32 state = 12345;
    for (u32 i = 0; i < COUNT; i++) {
        for (u32 j = 0; j < 6; j++) {
            state = state * 1664525u + 1013904223u;
            if (i < 2)
                inputs[i][j] = i ? ~0u : 0;
            else if (i < 2 + 192)
                inputs[i][j] = j == (i - 2) / 32 ? 1u << (i - 2) % 32 : 0;
            else
                inputs[i][j] = state;
        }
        memcpy(expected[i], inputs[i], sizeof(expected[i]));
        vkd_philox(expected[i], &inputs[i][4]);
    }
}

START_TEST(c_text_agrees_with_random123)
{
    for (u32 i = 0; i < COUNT; i++) {
        const u32 *in = inputs[i];
        philox4x32_ctr_t ctr = { { in[0], in[1], in[2], in[3] } };
        philox4x32_key_t key = { { in[4], in[5] } };
        philox4x32_ctr_t out = philox4x32(ctr, key);
        for (int j = 0; j < 4; j++)
            ck_assert_msg(out.v[j] == expected[i][j], "counter %u, word %d: %08x, Random123 has %08x", i, j,
                          expected[i][j], out.v[j]);
    }
}
END_TEST

START_TEST(uniform_covers_zero_to_one)
{
    ck_assert(vkd_uniform(0) == 0.0f);
    ck_assert(vkd_uniform(255) == 0.0f);
    ck_assert(vkd_uniform(0x80000000u) == 0.5f);
    ck_assert(vkd_uniform(~0u) < 1.0f);
}
END_TEST

START_TEST(glsl_text_agrees_with_c_text)
{
    static u32 words[COUNT][4];
    static float uniforms[COUNT];
    vkd_buffer *in = NULL, *out = NULL, *out_uniform = NULL;
    vkd_commands *cmds = NULL;
    vkd_kernel *kernel = NULL;
    uint64_t ticket = 0;
    u32 count = COUNT;
    ck_assert_int_eq(vkd_buffer_create(dev, sizeof(inputs), VKD_MEMORY_DEVICE, &in), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, sizeof(words), VKD_MEMORY_DEVICE, &out), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, sizeof(uniforms), VKD_MEMORY_DEVICE, &out_uniform), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, in, 0, inputs, sizeof(inputs)), VKD_OK);
    ck_assert_int_eq(vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "philox_probe" }, &kernel), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    struct vkd_range ranges[] = { { in, 0, 0 }, { out, 0, 0 }, { out_uniform, 0, 0 } };
    vkd_commands_dispatch(cmds, kernel, ranges, 3, &count, sizeof(count), (uint32_t[]) { (COUNT + 63) / 64, 1, 1 });
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, out, 0, words, sizeof(words)), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, out_uniform, 0, uniforms, sizeof(uniforms)), VKD_OK);
    for (u32 i = 0; i < COUNT; i++) {
        ck_assert_msg(!memcmp(words[i], expected[i], sizeof(words[i])), "counter %u differs on the device", i);
        ck_assert_msg(uniforms[i] == vkd_uniform(expected[i][0]), "uniform %u differs on the device", i);
    }
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &in);
    vkd_buffer_destroy(dev, &out);
    vkd_buffer_destroy(dev, &out_uniform);
    ck_assert_uint_eq(vkd_device_stats(dev).validation_messages, 0);
}
END_TEST

int main(void)
{
    fill_inputs();
    dev = gpu_open();
    if (!dev)
        return 1;
    Suite *s = suite_create("philox");
    TCase *t = tcase_create("philox");
    tcase_set_timeout(t, 0);
    tcase_add_test(t, c_text_agrees_with_random123);
    tcase_add_test(t, uniform_covers_zero_to_one);
    tcase_add_test(t, glsl_text_agrees_with_c_text);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    vkd_device_destroy(&dev);
    return failed ? 1 : 0;
}
