// test_runtime.c -- buffers, kernels, command lists and submissions.
#include "gpu.h"

#include <string.h>

#include "runtime/internal.h"

static vkd_device *dev;

static void open_device(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_device(void)
{
    gpu_close(&dev);
}

static vkd_buffer *make_buffer(uint64_t size, enum vkd_memory memory)
{
    vkd_buffer *buf = NULL;
    ck_assert_int_eq(vkd_buffer_create(dev, size, memory, &buf), VKD_OK);
    return buf;
}

static vkd_commands *make_list(void)
{
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    return cmds;
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
    vkd_kernel *k = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "fill_index" }, &k), VKD_OK);
    vkd_commands_dispatch(cmds, k, &(struct vkd_range) { buf, ofs, 4ull * count }, 1, &count, sizeof(count), groups);
}

static vkd_kernel *bindings_kernel(void)
{
    struct vkd_kernel_params p = { .name = "bindings", .spec = { 64, 16 }, .spec_count = 2 };
    vkd_kernel *k = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &k), VKD_OK);
    return k;
}

struct bindings_push { uint32_t count; float scale; };

// z = scale * z + x + y, w = i on `count` vec4
static void bindings(vkd_commands *cmds, vkd_buffer *x, vkd_buffer *y, vkd_buffer *z, vkd_buffer *w,
                     uint32_t count, float scale)
{
    struct vkd_range ranges[4] = { { .buffer = x }, { .buffer = y }, { .buffer = z }, { .buffer = w } };
    struct bindings_push push = { count, scale };
    uint32_t groups[3] = { (count + 63) / 64, 1, 1 };
    vkd_commands_dispatch(cmds, bindings_kernel(), ranges, 4, &push, sizeof(push), groups);
}

// ---- Buffers and lists ------------------------------------------------------------------------

START_TEST(writes_and_reads_back)
{
    static const uint64_t sizes[] = { 4, 12, 1000, (4 << 20) - 4, 4 << 20, (4 << 20) + 4, (13 << 20) + 8 };
    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        uint64_t size = sizes[s];
        uint32_t *data = malloc(size), *back = calloc(1, size);
        for (uint64_t i = 0; i < size / 4; i++)
            data[i] = (uint32_t) (i * 2654435761u + s);
        for (int kind = VKD_MEMORY_DEVICE; kind <= VKD_MEMORY_READBACK; kind++) {
            vkd_buffer *buf = make_buffer(size + 8, (enum vkd_memory) kind);
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
    vkd_commands *cmds = make_list();
    vkd_commands_fill(cmds, (struct vkd_range) { .buffer = buf }, 7);
    fill_index(cmds, buf, 0, N);
    fill_index(cmds, buf, 0, 0);        // no workgroup: size 0 means to the end, nothing runs
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    run(cmds);
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 0, back, sizeof(back)), VKD_OK);
    for (uint32_t i = 0; i < N + 24; i++)
        ck_assert_uint_eq(back[i], i < N ? i : 7);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
}
END_TEST

START_TEST(binds_every_kind)
{
    enum { N = 500 };
    float x[4 * N], y[4 * N], z[4 * N];
    uint32_t w[N];
    for (int i = 0; i < 4 * N; i++) {
        x[i] = (float) i;
        y[i] = (float) (i % 7);
        z[i] = (float) (i % 5);
    }
    vkd_buffer *bx = make_buffer(sizeof(x), VKD_MEMORY_UPLOAD), *by = make_buffer(sizeof(y), VKD_MEMORY_DEVICE);
    vkd_buffer *bz = make_buffer(sizeof(z), VKD_MEMORY_DEVICE), *bw = make_buffer(sizeof(w), VKD_MEMORY_READBACK);
    memcpy(vkd_buffer_data(bx), x, sizeof(x));
    ck_assert_int_eq(vkd_buffer_write(dev, by, 0, y, sizeof(y)), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, bz, 0, z, sizeof(z)), VKD_OK);
    vkd_commands *cmds = make_list();
    bindings(cmds, bx, by, bz, bw, N, 2);
    bindings(cmds, bx, by, bz, bw, N, 3);       // reads what the first wrote
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    run(cmds);
    memcpy(w, vkd_buffer_data(bw), sizeof(w));
    float back[4 * N];
    ck_assert_int_eq(vkd_buffer_read(dev, bz, 0, back, sizeof(back)), VKD_OK);
    for (int i = 0; i < 4 * N; i++)
        ck_assert_float_eq(back[i], 3 * (2 * z[i] + x[i] + y[i]) + x[i] + y[i]);
    for (uint32_t i = 0; i < N; i++)
        ck_assert_uint_eq(w[i], i);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &bx);
    vkd_buffer_destroy(dev, &by);
    vkd_buffer_destroy(dev, &bz);
    vkd_buffer_destroy(dev, &bw);
}
END_TEST

// A list that is submitted 40 times without waiting, in groups of two lists, is applied 80 times in order.
START_TEST(resubmits_while_running)
{
    enum { N = 4096, TIMES = 40 };
    static float one[4 * N], back[4 * N];
    for (int i = 0; i < 4 * N; i++)
        one[i] = 1;
    vkd_buffer *bx = make_buffer(sizeof(one), VKD_MEMORY_DEVICE), *bz = make_buffer(sizeof(one), VKD_MEMORY_DEVICE);
    vkd_buffer *by = make_buffer(sizeof(one), VKD_MEMORY_DEVICE), *bw = make_buffer(4 * N, VKD_MEMORY_DEVICE);
    ck_assert_int_eq(vkd_buffer_write(dev, bx, 0, one, sizeof(one)), VKD_OK);
    vkd_commands *clear = make_list(), *first = make_list(), *second = make_list();
    vkd_commands_fill(clear, (struct vkd_range) { .buffer = by }, 0);
    vkd_commands_fill(clear, (struct vkd_range) { .buffer = bz }, 0);
    bindings(first, bx, by, bz, bw, N, 0.5f);
    bindings(second, bx, by, bz, bw, N, 1);
    ck_assert_int_eq(vkd_commands_end(clear), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(first), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(second), VKD_OK);
    vkd_commands *both[2] = { first, second };
    uint64_t ticket = 0;
    float want = 0;
    ck_assert_int_eq(vkd_submit(dev, both, 2, &ticket), VKD_OK);       // from now on it is known what they take
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    run(clear);
    struct vkd_device_stats before = vkd_device_stats(dev);
    for (int i = 0; i < TIMES; i++) {
        ck_assert_int_eq(vkd_submit(dev, both, 2, &ticket), VKD_OK);
        want = (0.5f * want + 1) + 1;
    }
    bool done = false;
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, &done), VKD_OK);
    ck_assert(done);
    struct vkd_device_stats after = vkd_device_stats(dev);
    ck_assert_uint_eq(after.submissions - before.submissions, TIMES);
    before.submissions = after.submissions;
    before.waits = after.waits;
    ck_assert(!memcmp(&before, &after, sizeof(before)));        // a replay makes nothing
    ck_assert_int_eq(vkd_buffer_read(dev, bz, 0, back, sizeof(back)), VKD_OK);
    int good = 0;
    while (good < 4 * N && back[good] == want)
        good++;
    ck_assert_int_eq(good, 4 * N);
    vkd_commands_destroy(dev, &clear);
    vkd_commands_destroy(dev, &first);
    vkd_commands_destroy(dev, &second);
    vkd_buffer_destroy(dev, &bx);
    vkd_buffer_destroy(dev, &by);
    vkd_buffer_destroy(dev, &bz);
    vkd_buffer_destroy(dev, &bw);
}
END_TEST

// Everything is destroyed right after its submission: it must live until that is done.
START_TEST(destroys_what_is_in_use)
{
    vkd_buffer *out = make_buffer(1 << 20, VKD_MEMORY_READBACK);
    uint64_t ticket = 0;
    for (int i = 0; i < 20; i++) {
        vkd_buffer *tmp = make_buffer(1 << 20, VKD_MEMORY_DEVICE);
        vkd_commands *cmds = make_list();
        fill_index(cmds, tmp, 0, 1 << 18);
        vkd_commands_copy(cmds, (struct vkd_range) { .buffer = out }, (struct vkd_range) { .buffer = tmp });
        ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
        ck_assert_int_eq(vkd_submit(dev, &cmds, 1, &ticket), VKD_OK);
        vkd_commands_destroy(dev, &cmds);
        vkd_buffer_destroy(dev, &tmp);
    }
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    ck_assert_uint_eq(dev->queue.garbage_count, 0);
    const uint32_t *words = vkd_buffer_data(out);
    uint32_t good = 0;
    while (good < 1 << 18 && words[good] == good)
        good++;
    ck_assert_uint_eq(good, 1 << 18);
    vkd_buffer_destroy(dev, &out);
}
END_TEST

// ---- Barriers ---------------------------------------------------------------------------------

static PFN_vkCmdPipelineBarrier real_barrier;
static int barriers;

static VKAPI_ATTR void VKAPI_CALL count_barrier(VkCommandBuffer cb, VkPipelineStageFlags src, VkPipelineStageFlags dst,
                                                VkDependencyFlags flags, uint32_t n, const VkMemoryBarrier *m,
                                                uint32_t bn, const VkBufferMemoryBarrier *b,
                                                uint32_t in, const VkImageMemoryBarrier *im)
{
    barriers++;
    real_barrier(cb, src, dst, flags, n, m, bn, b, in, im);
}

START_TEST(waits_only_where_it_must)
{
    vkd_buffer *a = make_buffer(4096, VKD_MEMORY_DEVICE), *b = make_buffer(4096, VKD_MEMORY_DEVICE);
    struct vkd_range a1 = { a, 0, 1024 }, a2 = { a, 1024, 1024 }, b1 = { b, 0, 1024 }, b2 = { b, 1024, 1024 };
    vkd_commands *cmds = make_list();
    real_barrier = dev->vk.vkCmdPipelineBarrier;
    dev->vk.vkCmdPipelineBarrier = count_barrier;
    barriers = 0;
    vkd_commands_fill(cmds, a1, 1);
    vkd_commands_fill(cmds, a2, 2);
    vkd_commands_fill(cmds, b2, 3);
    ck_assert_int_eq(barriers, 0);                  // disjoint
    vkd_commands_copy(cmds, b1, a1);
    ck_assert_int_eq(barriers, 1);                  // read after write
    vkd_commands_copy(cmds, b2, a1);
    ck_assert_int_eq(barriers, 1);                  // two reads; b2's write was before the barrier
    vkd_commands_fill(cmds, a2, 4);
    ck_assert_int_eq(barriers, 1);
    fill_index(cmds, a, 0, 256);
    ck_assert_int_eq(barriers, 2);                  // write after read
    fill_index(cmds, a, 0, 128);
    ck_assert_int_eq(barriers, 3);                  // write after write
    fill_index(cmds, a, 1024, 256);
    ck_assert_int_eq(barriers, 3);
    dev->vk.vkCmdPipelineBarrier = real_barrier;
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    run(cmds);
    uint32_t back[1024];
    ck_assert_int_eq(vkd_buffer_read(dev, a, 0, back, 2048), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, b, 0, back + 512, 2048), VKD_OK);
    for (uint32_t i = 0; i < 1024; i++)
        ck_assert_uint_eq(back[i], i < 512 ? i % 256 : 1);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &a);
    vkd_buffer_destroy(dev, &b);
}
END_TEST

START_TEST(measures_time)
{
    vkd_buffer *a = make_buffer(4 << 20, VKD_MEMORY_DEVICE);
    vkd_commands *cmds = make_list();
    double t[3] = { -1, -1, -1 };
    vkd_commands_stamp(cmds, 0);
    fill_index(cmds, a, 0, 1 << 20);
    vkd_commands_stamp(cmds, 1);
    fill_index(cmds, a, 0, 64);
    vkd_commands_stamp(cmds, 2);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_times(cmds, t, 3), VKD_INVALID);      // not submitted yet
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
        ck_assert_int_eq(vkd_commands_times(cmds, t, 3), VKD_OK);
        ck_assert(t[0] == 0 && t[1] >= 0 && t[2] >= t[1] && t[2] < 60);
        ck_assert(vkd_device_caps(dev)->timestamp_ns == 0 || t[2] > 0);
    }
    ck_assert_int_eq(vkd_commands_times(cmds, t, 4), VKD_INVALID);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &a);
}
END_TEST

// ---- Broken rules -----------------------------------------------------------------------------

static void expect(vkd_commands *cmds, vkd_result result, const char *text)
{
    ck_assert_int_eq(vkd_commands_end(cmds), result);
    const char *error = vkd_device_last_error(dev);
    ck_assert_msg(strstr(error, text) != NULL, "'%s' lacks '%s'", error, text);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_INVALID);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
}

START_TEST(reports_broken_rules)
{
    const struct vkd_caps *caps = vkd_device_caps(dev);
    struct vkd_kernel_params p = { .name = "no_such_kernel" };
    vkd_kernel *k = NULL, *again = NULL;
    uint32_t count = 4, one[3] = { 1, 1, 1 }, many[3] = { 1, caps->group_count_max[1], 1 };
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &k), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), "no_such_kernel"));
    p.name = "fill_index";
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &k), VKD_OK);
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &again), VKD_OK);
    ck_assert_ptr_eq(k, again);

    vkd_buffer *buf = make_buffer(4096, VKD_MEMORY_DEVICE), *none = NULL;
    vkd_commands *cmds = make_list();
    struct vkd_range all = { .buffer = buf }, outside = { buf, 256, 4096 }, past = { buf, 4096, 0 };
    struct vkd_range odd = { buf, 4, 16 };
    vkd_commands_dispatch(cmds, k, &all, 1, &count, 8, one);
    vkd_commands_dispatch(cmds, k, &all, 1, &count, 4, one);        // does nothing: the first error sticks
    expect(cmds, VKD_INVALID, "fill_index: 8 bytes of push constants");
    vkd_commands_dispatch(cmds, k, NULL, 0, &count, 4, one);
    expect(cmds, VKD_INVALID, "fill_index: 0 ranges");
    vkd_commands_dispatch(cmds, k, &outside, 1, &count, 4, one);
    expect(cmds, VKD_INVALID, "fill_index: range 0");
    vkd_commands_dispatch(cmds, k, &past, 1, &count, 4, one);
    expect(cmds, VKD_INVALID, "outside its buffer");
    vkd_commands_dispatch(cmds, k, &(struct vkd_range) { 0 }, 1, &count, 4, one);
    expect(cmds, VKD_INVALID, "no buffer");
    if (caps->storage_align > 4) {
        vkd_commands_dispatch(cmds, k, &odd, 1, &count, 4, one);
        expect(cmds, VKD_INVALID, "storage_align");
    }
    if (many[1] < UINT32_MAX) {
        many[1]++;
        vkd_commands_dispatch(cmds, k, &all, 1, &count, 4, many);
        expect(cmds, VKD_INVALID, "workgroups");
    }
    vkd_commands_copy(cmds, (struct vkd_range) { buf, 0, 64 }, (struct vkd_range) { buf, 32, 64 });
    expect(cmds, VKD_INVALID, "overlap");
    vkd_commands_copy(cmds, (struct vkd_range) { buf, 0, 64 }, (struct vkd_range) { buf, 64, 32 });
    expect(cmds, VKD_INVALID, "equal");
    vkd_commands_fill(cmds, (struct vkd_range) { buf, 2, 4 }, 0);
    expect(cmds, VKD_INVALID, "multiples of 4");
    vkd_commands_stamp(cmds, 256);
    expect(cmds, VKD_INVALID, "slot 256");
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_INVALID);

    ck_assert_int_eq(vkd_buffer_create(dev, 0, VKD_MEMORY_DEVICE, &none), VKD_INVALID);
    ck_assert_int_eq(vkd_buffer_write(dev, buf, 4092, one, 8), VKD_INVALID);
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 2, one, 4), VKD_INVALID);
    ck_assert_int_eq(vkd_wait(dev, UINT64_MAX, 0, NULL), VKD_INVALID);
    vkd_commands_destroy(dev, &cmds);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
    vkd_buffer_destroy(dev, &buf);
    ck_assert_ptr_null(none);
}
END_TEST

static void complains(vkd_result r, const char *text)
{
    ck_assert_int_eq(r, VKD_INVALID);
    ck_assert_msg(strstr(vkd_device_last_error(dev), text) != NULL, "%s", vkd_device_last_error(dev));
}

START_TEST(reports_foreign_handles)
{
    struct vkd_device_params p = gpu_params();
    vkd_device *other = NULL;
    vkd_buffer *theirs = NULL, *buf = make_buffer(4096, VKD_MEMORY_DEVICE);
    vkd_commands *list = NULL, *null = NULL;
    uint32_t word = 1;
    ck_assert_int_eq(vkd_device_create(&p, &other), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(other, 64, VKD_MEMORY_UPLOAD, &theirs), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(other, &list), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(list), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(list), VKD_OK);

    complains(vkd_buffer_write(dev, NULL, 0, &word, 4), "vkd_buffer_write: the buffer is NULL");
    complains(vkd_buffer_read(dev, NULL, 0, &word, 4), "vkd_buffer_read: the buffer is NULL");
    complains(vkd_buffer_write(dev, theirs, 0, &word, 4), "vkd_buffer_write: the buffer is another device's");
    complains(vkd_buffer_read(dev, theirs, 0, &word, 4), "vkd_buffer_read: the buffer is another device's");
    complains(vkd_buffer_write(dev, buf, 0, NULL, 4), "vkd_buffer_write: the data are NULL");
    complains(vkd_buffer_read(dev, buf, 0, NULL, 4), "vkd_buffer_read: the data are NULL");
    complains(vkd_submit(dev, &null, 1, NULL), "vkd_submit: list 0 is NULL");
    complains(vkd_submit(dev, NULL, 1, NULL), "vkd_submit: list 0 is NULL");
    complains(vkd_submit(dev, &list, 1, NULL), "on this device");
    ck_assert_int_eq(vkd_buffer_write(dev, buf, 0, NULL, 0), VKD_OK);

    vkd_buffer_destroy(dev, &buf);
    vkd_commands_destroy(other, &list);
    vkd_buffer_destroy(other, &theirs);
    gpu_close(&other);
}
END_TEST

// A storage range or texel view beyond the device's limits is an error of its own kind.
START_TEST(reports_limits)
{
    const struct vkd_caps *caps = vkd_device_caps(dev);
    uint64_t texels = 16ull * caps->texel_count_max + 16, storage = caps->storage_range_max + 16;
    struct bindings_push push = { 1, 1 };
    uint32_t one[3] = { 1, 1, 1 };
    vkd_buffer *small = make_buffer(4096, VKD_MEMORY_DEVICE), *large = NULL;
    struct vkd_range ranges[4] = { { small, 0, 16 }, { small, 1024, 24 }, { small, 2048, 16 }, { small, 3072, 16 } };
    vkd_commands *cmds = make_list();
    vkd_commands_dispatch(cmds, bindings_kernel(), ranges, 4, &push, sizeof(push), one);
    expect(cmds, VKD_INVALID, "whole texels");
    ranges[1] = (struct vkd_range) { small, 1032, 16 };
    vkd_commands_dispatch(cmds, bindings_kernel(), ranges, 4, &push, sizeof(push), one);
    expect(cmds, VKD_UNSUPPORTED, "texel_align");
    if (texels <= 256 << 20) {
        large = make_buffer(texels, VKD_MEMORY_DEVICE);
        ranges[1] = (struct vkd_range) { .buffer = large };
        vkd_commands_dispatch(cmds, bindings_kernel(), ranges, 4, &push, sizeof(push), one);
        expect(cmds, VKD_UNSUPPORTED, "texel_count_max");
        vkd_buffer_destroy(dev, &large);
    }
    if (storage <= 256 << 20) {
        large = make_buffer(storage, VKD_MEMORY_DEVICE);
        ranges[0] = (struct vkd_range) { .buffer = large };
        ranges[1] = (struct vkd_range) { small, 1024, 16 };
        vkd_commands_dispatch(cmds, bindings_kernel(), ranges, 4, &push, sizeof(push), one);
        expect(cmds, VKD_UNSUPPORTED, "storage_range_max");
        vkd_buffer_destroy(dev, &large);
    }
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &small);

    struct vkd_kernel_params p = { .name = "bindings", .spec = { caps->invocations_max * 2 }, .spec_count = 1 };
    vkd_kernel *k = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &k), VKD_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), "kernel bindings has workgroups"));
    p = (struct vkd_kernel_params) { .name = "bindings", .spec = { 64, caps->shared_size_max }, .spec_count = 2 };
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &k), VKD_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), "shared memory"));
}
END_TEST

// What gl_SubgroupSize and a ballot say in a kernel that asks for this size.
static void subgroup_of(uint32_t want, uint32_t says[2])
{
    enum { GROUPS = 4, COUNT = 128 * GROUPS };
    static uint32_t y[COUNT][4];
    const struct vkd_kernel_params p = { .name = "probe_subgroup.ballot", .subgroup_size = want };
    vkd_kernel *k = NULL;
    vkd_buffer *out = NULL;
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &k), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, sizeof(y), VKD_MEMORY_DEVICE, &out), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    vkd_commands_dispatch(cmds, k, &(struct vkd_range) { .buffer = out }, 1, NULL, 0, (uint32_t[3]) { GROUPS, 1, 1 });
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, out, 0, y, sizeof(y)), VKD_OK);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &out);
    for (uint32_t i = 1; i < COUNT; i++)
        ck_assert_msg(y[i][1] == y[0][1], "gl_SubgroupSize is %u and %u", y[0][1], y[i][1]);
    says[0] = y[0][1];
    says[1] = y[0][0];
}

// Each size that the device offers is what a kernel gets that asks for it; one that cannot be had is ignored.
START_TEST(pins_the_subgroup_size)
{
    const struct vkd_caps *caps = vkd_device_caps(dev);
    struct vkd_kernel_params p = { .name = "fill_index", .subgroup_size = caps->subgroup_size };
    vkd_kernel *pinned = NULL, *odd = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &pinned), VKD_OK);
    p.subgroup_size = 3;
    ck_assert_int_eq(vkd_kernel_get(dev, &p, &odd), VKD_OK);
    ck_assert_ptr_ne(pinned, odd);
    uint32_t usual[2], says[2];
    subgroup_of(0, usual);
    for (uint32_t want = 1; want <= 128; want *= 2) {
        bool offered = caps->subgroup_size_min > 0 && want >= caps->subgroup_size_min && want <= caps->subgroup_size_max;
        subgroup_of(want, says);
        ck_assert_msg(says[0] == (offered ? want : usual[0]) && says[1] == says[0],
                      "asked for %u (offered: %d), got %u, %u by ballot", want, offered, says[0], says[1]);
    }
    printf("subgroups: %u, pinned %u to %u\n", usual[0], caps->subgroup_size_min, caps->subgroup_size_max);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runtime");
    TCase *t = tcase_create("compute");
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, writes_and_reads_back);
    tcase_add_test(t, dispatches);
    tcase_add_test(t, binds_every_kind);
    tcase_add_test(t, resubmits_while_running);
    tcase_add_test(t, destroys_what_is_in_use);
    tcase_add_test(t, waits_only_where_it_must);
    tcase_add_test(t, measures_time);
    tcase_add_test(t, reports_broken_rules);
    tcase_add_test(t, reports_foreign_handles);
    tcase_add_test(t, reports_limits);
    tcase_add_test(t, pins_the_subgroup_size);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
