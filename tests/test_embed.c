// test_embed.c -- the application's buffers, semaphores and command buffers: what vkdiv does with them, what it refuses.
#include "host.h"

#include <string.h>

enum { N = 3000 };

static vkd_device *dev;

static void open_device(void)
{
    start_host();
    struct vkd_import_params p = import_params();
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
}

static void close_device(void)
{
    vkd_device_destroy(&dev);
    host_still_works();
    stop_host();
}

static void complains(const char *text)
{
    ck_assert_msg(strstr(gpu_last_error, text) != NULL, "'%s' lacks '%s'", gpu_last_error, text);
    ck_assert_str_eq(vkd_device_last_error(dev), gpu_last_error);
}

// Records "numbers 0, 1, ... into `to`" into a list.
static void record_index(vkd_commands *cmds, struct vkd_range to, uint32_t count)
{
    vkd_kernel *k = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "fill_index" }, &k), VKD_OK);
    vkd_commands_dispatch(cmds, k, &to, 1, &count, 4, (uint32_t[3]) { (count + 63) / 64, 1, 1 });
}

static void expect_index(const uint32_t *data, uint32_t count)
{
    uint32_t good = 0;
    while (good < count && data[good] == good)
        good++;
    ck_assert_uint_eq(good, count);
}

static vkd_buffer *wrap(const struct host_buffer *b, uint64_t ofs, uint64_t size)
{
    vkd_buffer *buf = NULL;
    ck_assert_int_eq(vkd_buffer_wrap(dev, &(struct vkd_wrap_params) { b->buffer, ofs, size, VKD_WRAP_USAGE }, &buf), VKD_OK);
    return buf;
}

static vkd_commands *embedded(void)
{
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_commands_create_embedded(dev, NULL, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    return cmds;
}

// ---- Buffers ----------------------------------------------------------------------------------

// A part of the host's buffer is written where it lies, and nothing around it.
START_TEST(wraps_a_part)
{
    struct host_buffer b = host_buffer(4096 + 4 * N + 256, VKD_WRAP_USAGE);
    uint32_t *words = b.data, back[N];
    vkd_commands *cmds = NULL;
    memset(b.data, 0x5a, 4096 + 4 * N + 256);
    vkd_buffer *buf = wrap(&b, 4096, 4 * N);
    ck_assert_uint_eq(vkd_buffer_size(buf), 4 * N);
    ck_assert_ptr_null(vkd_buffer_data(buf));
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    record_index(cmds, (struct vkd_range) { .buffer = buf }, N);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 0, back, sizeof(back)), VKD_OK);
    expect_index(back, N);
    expect_index(words + 1024, N);
    ck_assert_uint_eq(words[1023], 0x5a5a5a5a);
    ck_assert_uint_eq(words[1024 + N], 0x5a5a5a5a);
    back[7] = 99;
    ck_assert_int_eq(vkd_buffer_write(dev, buf, 28, &back[7], 4), VKD_OK);
    ck_assert_uint_eq(words[1024 + 7], 99);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
    ck_assert_ptr_null(buf);
    words[0] = 1;               // the host's memory is still mapped
    host_buffer_free(&b);
}
END_TEST

START_TEST(refuses_wrong_buffers)
{
    const struct vkd_caps *caps = vkd_device_caps(dev);
    struct host_buffer b = host_buffer(4096, VKD_WRAP_USAGE);
    const struct {
        struct vkd_wrap_params p;
        const char *text;
    } rows[] = {
        { { VK_NULL_HANDLE, 0, 4096, VKD_WRAP_USAGE }, "VK_NULL_HANDLE" },
        { { b.buffer, 0, 4096, VK_BUFFER_USAGE_TRANSFER_SRC_BIT }, "VK_BUFFER_USAGE_STORAGE_BUFFER_BIT" },
        { { b.buffer, 2, 1024, VKD_WRAP_USAGE }, "offset 2 is not a multiple" },
        { { b.buffer, caps->storage_align / 2, 1024, VKD_WRAP_USAGE }, "is not a multiple" },
        { { b.buffer, 0, 0, VKD_WRAP_USAGE }, "size 0" },
        { { b.buffer, 0, 1023, VKD_WRAP_USAGE }, "size 1023" },
        { { b.buffer, 0, 1 << 20, VKD_WRAP_USAGE }, "go beyond the buffer" },
        { { b.buffer, 1 << 20, 4, VKD_WRAP_USAGE }, "go beyond the buffer" },
        { { b.buffer, 4096 - 256, UINT64_MAX - 3, VKD_WRAP_USAGE }, "go beyond the buffer" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        vkd_buffer *buf = (vkd_buffer *) &b;
        ck_assert_int_eq(vkd_buffer_wrap(dev, &rows[i].p, &buf), VKD_INVALID);
        ck_assert_ptr_eq(buf, &b);      // outputs only on success
        complains(rows[i].text);
    }
    host_buffer_free(&b);
}
END_TEST

// A buffer with STORAGE alone is good for kernels, not for copies; the log says what it lacks.
START_TEST(checks_usage_when_used)
{
    struct host_buffer b = host_buffer(4096, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT);
    const struct vkd_wrap_params p = { b.buffer, 0, 4096, VK_BUFFER_USAGE_STORAGE_BUFFER_BIT };
    vkd_buffer *buf = NULL, *other = NULL;
    vkd_commands *cmds = NULL;
    uint32_t word = 0;
    ck_assert_int_eq(vkd_buffer_wrap(dev, &p, &buf), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, 4096, VKD_MEMORY_DEVICE, &other), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
        if (i == 0)
            record_index(cmds, (struct vkd_range) { .buffer = buf }, 1024);
        if (i == 1)
            vkd_commands_fill(cmds, (struct vkd_range) { .buffer = buf }, 0);
        if (i == 2)
            vkd_commands_copy(cmds, (struct vkd_range) { .buffer = buf }, (struct vkd_range) { .buffer = other });
        if (i == 3)
            vkd_commands_copy(cmds, (struct vkd_range) { .buffer = other }, (struct vkd_range) { .buffer = buf });
        ck_assert_int_eq(vkd_commands_end(cmds), i == 0 ? VKD_OK : VKD_INVALID);
        if (i)
            complains(i == 3 ? "VK_BUFFER_USAGE_TRANSFER_SRC_BIT" : "VK_BUFFER_USAGE_TRANSFER_DST_BIT");
    }
    // Kernels with texel views, which programs use on CPU drivers.
    const uint32_t push[2] = { 0, 0 };
    vkd_kernel *k = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "bindings" }, &k), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    vkd_commands_dispatch(cmds, k, (struct vkd_range[4]) { { other, 0, 256 }, { buf, 0, 256 }, { other, 256, 256 },
                          { other, 512, 256 } }, 4, push, sizeof(push), (uint32_t[3]) { 1, 1, 1 });
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_INVALID);
    complains("VK_BUFFER_USAGE_UNIFORM_TEXEL_BUFFER_BIT");
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 0, &word, 4), VKD_INVALID);
    complains("VK_BUFFER_USAGE_TRANSFER_SRC_BIT");
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &other);
    vkd_buffer_destroy(dev, &buf);
    host_buffer_free(&b);
}
END_TEST

// ---- Command buffers --------------------------------------------------------------------------

// Host writes, vkdiv copies and counts, host copies what came out: one command buffer, submitted three times.
START_TEST(runs_in_the_hosts_command_buffer)
{
    struct host_buffer b = host_buffer(3 * 4 * N + 768, VKD_WRAP_USAGE | VK_BUFFER_USAGE_TRANSFER_DST_BIT);
    const uint64_t part = (4 * N + 255) / 256 * 256;
    uint32_t *words = b.data;
    vkd_buffer *all = wrap(&b, 0, 3 * part);
    vkd_commands *cmds = embedded();
    vkd_commands_copy(cmds, (struct vkd_range) { all, part, 4 * N }, (struct vkd_range) { all, 0, 4 * N });
    record_index(cmds, (struct vkd_range) { all, 0, 4 * N }, N);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);

    uint64_t submissions = vkd_device_stats(dev).submissions;
    VkCommandBuffer cb = host_begin();
    vkCmdFillBuffer(cb, b.buffer, 0, 4 * N, 0x11223344);
    ck_assert_int_eq(vkd_commands_embed(dev, &cmds, 1, cb), VKD_OK);
    VkBufferCopy region = { 0, 2 * part, 4 * N };
    vkCmdCopyBuffer(cb, b.buffer, b.buffer, 1, &region);
    host_run(cb, 3);
    expect_index(words, N);
    expect_index(words + part / 2, N);
    for (uint32_t i = 0; i < N; i++)
        ck_assert_uint_eq(words[part / 4 + i], 0x11223344);
    ck_assert_uint_eq(vkd_device_stats(dev).submissions, submissions);

    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &all);
    host_buffer_free(&b);
}
END_TEST

// The edges an application names are enough (synchronisation validation watches).
START_TEST(takes_edges)
{
    struct host_buffer b = host_buffer(2 * 4096, VKD_WRAP_USAGE);
    const struct vkd_edges edges = {
        .before_stages = VK_PIPELINE_STAGE_TRANSFER_BIT, .before_access = VK_ACCESS_TRANSFER_WRITE_BIT,
        .after_stages = VK_PIPELINE_STAGE_TRANSFER_BIT,
        .after_access = VK_ACCESS_TRANSFER_READ_BIT | VK_ACCESS_TRANSFER_WRITE_BIT,
    };
    vkd_buffer *all = wrap(&b, 0, 2 * 4096);
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_commands_create_embedded(dev, &edges, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    vkd_commands_copy(cmds, (struct vkd_range) { all, 4096, 4096 }, (struct vkd_range) { all, 0, 4096 });
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    VkCommandBuffer cb = host_begin();
    for (uint32_t i = 0; i < 2; i++) {
        vkCmdFillBuffer(cb, b.buffer, 0, 4096, 7 + i);
        ck_assert_int_eq(vkd_commands_embed(dev, &cmds, 1, cb), VKD_OK);
    }
    host_run(cb, 1);
    ck_assert_uint_eq(((uint32_t *) b.data)[2000], 8);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &all);
    host_buffer_free(&b);
}
END_TEST

// Bytes kept in a command buffer are seen by the lists after them, by each its own.
START_TEST(writes_ranges)
{
    struct host_buffer b = host_buffer(4096, VKD_WRAP_USAGE);
    vkd_buffer *all = wrap(&b, 0, 4096), *from = NULL;
    vkd_commands *cmds[2];
    uint32_t *words = b.data, value[2] = { 5, 6 };
    ck_assert_int_eq(vkd_buffer_create(dev, 8, VKD_MEMORY_DEVICE, &from), VKD_OK);
    for (uint32_t i = 0; i < 2; i++) {
        cmds[i] = embedded();
        vkd_commands_copy(cmds[i], (struct vkd_range) { all, 64 * i, 8 }, (struct vkd_range) { from, 0, 8 });
        ck_assert_int_eq(vkd_commands_end(cmds[i]), VKD_OK);
    }
    VkCommandBuffer cb = host_begin();
    for (uint32_t i = 0; i < 2; i++) {
        value[0] += 10 * i;
        ck_assert_int_eq(vkd_range_embed(dev, (struct vkd_range) { from, 0, 8 }, value, cb), VKD_OK);
        ck_assert_int_eq(vkd_commands_embed(dev, &cmds[i], 1, cb), VKD_OK);
    }
    value[0] = 77;
    host_run(cb, 1);
    ck_assert(words[0] == 5 && words[1] == 6 && words[16] == 15 && words[17] == 6);
    cb = host_begin();
    ck_assert_int_eq(vkd_range_embed(dev, (struct vkd_range) { from, 0, 7 }, value, cb), VKD_INVALID);
    complains("multiples of 4");
    ck_assert_int_eq(vkd_range_embed(dev, (struct vkd_range) { from, 8, 0 }, value, cb), VKD_INVALID);
    complains("outside its buffer");
    ck_assert_int_eq(vkd_range_embed(dev, (struct vkd_range) { from, 0, 8 }, NULL, cb), VKD_INVALID);
    ck_assert_int_eq(vkd_range_embed(dev, (struct vkd_range) { from, 0, 8 }, value, VK_NULL_HANDLE), VKD_INVALID);
    host_run(cb, 1);
    vkd_commands_destroy(dev, &cmds[0]);
    vkd_commands_destroy(dev, &cmds[1]);
    vkd_buffer_destroy(dev, &from);
    vkd_buffer_destroy(dev, &all);
    host_buffer_free(&b);
}
END_TEST

START_TEST(refuses_wrong_lists)
{
    vkd_commands *own = NULL, *list = embedded();
    VkCommandBuffer cb = host_begin();
    ck_assert_int_eq(vkd_commands_create(dev, &own), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(own), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(own), VKD_OK);
    ck_assert_int_eq(vkd_commands_embed(dev, &own, 1, cb), VKD_INVALID);
    complains("list 0 is not one of vkd_commands_create_embedded");
    ck_assert_int_eq(vkd_commands_embed(dev, &list, 1, cb), VKD_INVALID);       // still recording
    ck_assert_int_eq(vkd_commands_end(list), VKD_OK);
    ck_assert_int_eq(vkd_commands_embed(dev, &list, 1, VK_NULL_HANDLE), VKD_INVALID);
    complains("command buffer is NULL");
    ck_assert_int_eq(vkd_submit(dev, &list, 1, NULL), VKD_INVALID);
    complains("vkd_commands_embed");
    vkd_sequence *seq = NULL;
    ck_assert_int_eq(vkd_sequence_create(dev, &own, 1, &seq), VKD_INVALID);
    ck_assert_int_eq(vkd_sequence_create(dev, NULL, 0, &seq), VKD_INVALID);
    ck_assert_ptr_null(seq);
    host_run(cb, 1);
    vkd_commands_destroy(dev, &own);
    vkd_commands_destroy(dev, &list);
}
END_TEST

// ---- Sequences --------------------------------------------------------------------------------

enum { LISTS = 5 };

// List i sets word i + 1 to word i, which the test counts up: out of order or left out, it shows.
static void chain(vkd_buffer *all, vkd_commands *lists[LISTS])
{
    for (uint32_t i = 0; i < LISTS; i++) {
        lists[i] = embedded();
        for (uint32_t k = 0; k <= i; k++)       // list i has i + 1 copies
            vkd_commands_copy(lists[i], (struct vkd_range) { all, 4 * i + 4, 4 }, (struct vkd_range) { all, 4 * i, 4 });
        ck_assert_int_eq(vkd_commands_end(lists[i]), VKD_OK);
    }
}

START_TEST(spreads_a_sequence)
{
    struct host_buffer b = host_buffer(4096, VKD_WRAP_USAGE);
    vkd_buffer *all = wrap(&b, 0, 4096);
    vkd_commands *lists[LISTS];
    vkd_sequence *seq = NULL;
    uint32_t *words = b.data;
    chain(all, lists);
    ck_assert_int_eq(vkd_sequence_create(dev, lists, LISTS, &seq), VKD_OK);
    static const struct { struct vkd_budget budget; uint32_t calls, next[LISTS]; } rows[] = {
        { { 0, 0 }, 1, { 0 } },
        { { 1, 0 }, 5, { 1, 2, 3, 4, 0 } },             // a list alone, however long it is
        { { 3, 0 }, 4, { 2, 3, 4, 0 } },                // 1 + 2, 3, 4, 5
        { { 9, 0 }, 2, { 3, 0 } },                      // 1 + 2 + 3, 4 + 5
        { { 0, 1e-12 }, 5, { 1, 2, 3, 4, 0 } },
        { { 1, 10 }, 5, { 1, 2, 3, 4, 0 } },
    };
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        words[0] = 100 + (uint32_t) r;
        for (uint32_t i = 0; i < rows[r].calls; i++) {
            bool finished = false;
            VkCommandBuffer cb = host_begin();
            ck_assert_int_eq(vkd_sequence_embed(seq, cb, &rows[r].budget, &finished), VKD_OK);
            host_run(cb, 1);
            ck_assert_uint_eq(vkd_sequence_state(seq).next, rows[r].next[i]);
            ck_assert(finished == (i + 1 == rows[r].calls));
        }
        for (uint32_t i = 1; i <= LISTS; i++)
            ck_assert_uint_eq(words[i], 100 + r);
    }
    // By now each list has been measured, so that a second holds them all.
    if (vkd_device_caps(dev)->timestamp_bits) {
        VkCommandBuffer cb = host_begin();
        bool finished = false;
        ck_assert_int_eq(vkd_sequence_embed(seq, cb, &(struct vkd_budget) { .seconds = 10 }, &finished), VKD_OK);
        host_run(cb, 1);
        ck_assert(finished);
        ck_assert(vkd_sequence_state(seq).seconds > 0);
        ck_assert(vkd_sequence_state(seq).seconds < 10);
    }
    VkCommandBuffer cb = host_begin();
    ck_assert_int_eq(vkd_sequence_embed(seq, cb, &(struct vkd_budget) { .dispatches = 1 }, NULL), VKD_OK);
    host_run(cb, 1);
    vkd_sequence_restart(seq);
    ck_assert_uint_eq(vkd_sequence_state(seq).next, 0);
    ck_assert_uint_eq(vkd_sequence_state(seq).count, LISTS);
    vkd_sequence_destroy(&seq);
    ck_assert_ptr_null(seq);
    vkd_sequence_destroy(&seq);
    for (uint32_t i = 0; i < LISTS; i++)
        vkd_commands_destroy(dev, &lists[i]);
    vkd_buffer_destroy(dev, &all);
    host_buffer_free(&b);
}
END_TEST

// ---- Semaphores -------------------------------------------------------------------------------

static VkSemaphore timeline(void)
{
    VkSemaphore s = VK_NULL_HANDLE;
    VkSemaphoreTypeCreateInfo type = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO, .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
    };
    VkSemaphoreCreateInfo info = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO, .pNext = &type };
    ck_assert_int_eq(vkCreateSemaphore(host.device, &info, NULL, &s), VK_SUCCESS);
    return s;
}

static uint64_t value(VkSemaphore s)
{
    uint64_t v = UINT64_MAX;
    ck_assert_int_eq(vkGetSemaphoreCounterValue(host.device, s, &v), VK_SUCCESS);
    return v;
}

// The submission begins when the host lets it, tells when it is done, and vkdiv's own timeline says the same.
START_TEST(waits_and_signals)
{
    VkSemaphore in = timeline(), out = timeline();
    const struct vkd_semaphore_point wait = { in, 3 }, signal = { out, 9 };
    vkd_buffer *buf = NULL;
    vkd_commands *cmds = NULL;
    uint64_t ticket = 0;
    bool done = true;
    ck_assert_int_eq(vkd_buffer_create(dev, 4 * N, VKD_MEMORY_READBACK, &buf), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    record_index(cmds, (struct vkd_range) { .buffer = buf }, N);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    struct vkd_submit_params p = {
        .lists = &cmds, .list_count = 1, .waits = &wait, .wait_count = 1, .signals = &signal, .signal_count = 1,
    };
    ck_assert_int_eq(vkd_submit_synced(dev, &p, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, 20000000, &done), VKD_OK);
    ck_assert(!done);
    ck_assert_uint_eq(value(out), 0);
    VkSemaphoreSignalInfo go = { .sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO, .semaphore = in, .value = 3 };
    ck_assert_int_eq(vkSignalSemaphore(host.device, &go), VK_SUCCESS);
    VkSemaphore both[2] = { out, vkd_device_timeline(dev) };
    VkSemaphoreWaitInfo wait_info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO, .semaphoreCount = 2, .pSemaphores = both,
        .pValues = (uint64_t[2]) { 9, ticket },
    };
    ck_assert_int_eq(vkWaitSemaphores(host.device, &wait_info, UINT64_MAX), VK_SUCCESS);
    expect_index(vkd_buffer_data(buf), N);
    ck_assert_uint_eq(value(out), 9);

    p.wait_count = VKD_SEMAPHORE_MAX + 1;
    ck_assert_int_eq(vkd_submit_synced(dev, &p, NULL), VKD_INVALID);
    complains("at most 16");
    p.wait_count = 0;
    p.signals = &(struct vkd_semaphore_point) { VK_NULL_HANDLE, 1 };
    ck_assert_int_eq(vkd_submit_synced(dev, &p, NULL), VKD_INVALID);
    complains("semaphore 0 is VK_NULL_HANDLE");
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
    vkDestroySemaphore(host.device, in, NULL);
    vkDestroySemaphore(host.device, out, NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("embed");
    TCase *t = tcase_create("embed");
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, wraps_a_part);
    tcase_add_test(t, refuses_wrong_buffers);
    tcase_add_test(t, checks_usage_when_used);
    tcase_add_test(t, runs_in_the_hosts_command_buffer);
    tcase_add_test(t, takes_edges);
    tcase_add_test(t, writes_ranges);
    tcase_add_test(t, refuses_wrong_lists);
    tcase_add_test(t, spreads_a_sequence);
    tcase_add_test(t, waits_and_signals);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
