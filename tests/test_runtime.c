// test_runtime.c -- devices, buffers, kernels, command lists and submissions.
#include "gpu.h"

#include <string.h>

#include <vkdiv/compute.h>

static vkd_device *dev;

static void open_device(void)  { dev = gpu_open(); ck_assert_ptr_nonnull(dev); }
static void close_device(void) { gpu_close(&dev); }

static vkd_buffer *make_buffer(uint64_t size, enum vkd_memory memory)
{
    vkd_buffer *buf = NULL;
    ck_assert_int_eq(vkd_buffer_create(dev, size, memory, &buf), VKD_OK);
    return buf;
}

static vkd_kernel *make_kernel(const char *name)
{
    vkd_kernel *k = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = name }, &k), VKD_OK);
    return k;
}

static void run(vkd_commands *cmds)
{
    uint64_t ticket = 0;
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
}

static void fill_index(vkd_commands *cmds, vkd_buffer *buf, uint64_t ofs, uint32_t count)
{
    uint32_t groups[3] = { (count + 63) / 64, 1, 1 };
    vkd_commands_dispatch(cmds, make_kernel("fill_index"), &(struct vkd_range) { buf, ofs, 4ull * count }, 1,
                          &count, sizeof(count), groups);
}

START_TEST(writes_and_reads_back)
{
    static const uint64_t sizes[] = { 4, 12, 1000, (4 << 20) - 4, 4 << 20, (4 << 20) + 4, (13 << 20) + 8 };
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint64_t size = sizes[s];
        uint32_t *data = malloc(size), *back = calloc(1, size);
        for (uint64_t i = 0; i < size / 4; i++)
            data[i] = (uint32_t) (i * 2654435761u + s);
        for (int kind = VKD_MEMORY_DEVICE; kind <= VKD_MEMORY_READBACK; kind++) {
            vkd_buffer *buf = make_buffer(size + 8, kind);
            memset(back, 0, size);
            ck_assert_int_eq(vkd_buffer_write(dev, buf, 8, data, size), VKD_OK);
            ck_assert_int_eq(vkd_buffer_read(dev, buf, 8, back, size), VKD_OK);
            ck_assert(!memcmp(data, back, size));
            ck_assert((vkd_buffer_data(buf) == NULL) == (kind == VKD_MEMORY_DEVICE));
            ck_assert_uint_eq(vkd_buffer_size(buf), size + 8);
            vkd_buffer_destroy(dev, &buf);
            ck_assert_ptr_null(buf);
        }
        free(data);
        free(back);
    }
}
END_TEST

START_TEST(dispatches)
{
    enum { N = 1000 };
    uint32_t back[N + 24];
    vkd_buffer *buf = make_buffer(sizeof(back), VKD_MEMORY_DEVICE);
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    vkd_commands_fill(cmds, (struct vkd_range) { buf, 0, 0 }, 7);
    fill_index(cmds, buf, 0, N);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    run(cmds);
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 0, back, sizeof(back)), VKD_OK);
    for (uint32_t i = 0; i < N + 24; i++)
        ck_assert_uint_eq(back[i], i < N ? i : 7);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runtime");
    TCase *t = tcase_create("buffers and dispatch");
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, writes_and_reads_back);
    tcase_add_test(t, dispatches);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
