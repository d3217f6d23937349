// test_runtime_memory.c -- the suballocator, its limits, and what happens when the driver refuses.
#include "gpu.h"

#include <string.h>

#include "runtime/internal.h"

#define MIB ((uint64_t) 1 << 20)

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

// Holes are sorted, apart, and together with `held` bytes in use make up the block.
static void check_blocks(uint64_t held)
{
    uint64_t used = 0, total = 0;
    for (uint32_t i = 0; i < dev->memory.count; i++) {
        const struct vkd__block *b = dev->memory.blocks[i];
        uint64_t at = 0, free_size = 0;
        for (uint32_t k = 0; k < b->hole_count; k++) {
            ck_assert(b->holes[k].size > 0 && (k == 0 || b->holes[k].ofs > at));
            at = b->holes[k].ofs + b->holes[k].size;
            free_size += b->holes[k].size;
            ck_assert(at <= b->size);
        }
        used += b->size - free_size;
        total += b->size;
    }
    ck_assert_uint_eq(used, held);
    ck_assert_uint_eq(total, vkd_device_stats(dev).memory_used);
}

static uint32_t random_state = 1;
static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static void fill(vkd_buffer *buf, uint32_t word)
{
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    vkd_commands_fill(cmds, (struct vkd_range) { .buffer = buf }, word);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
    vkd_commands_destroy(dev, &cmds);
}

static void check_fill(vkd_buffer *buf, uint32_t word)
{
    uint64_t n = vkd_buffer_size(buf) / 4;
    uint32_t *words = malloc(4 * n);
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 0, words, 4 * n), VKD_OK);
    uint64_t good = 0;
    while (good < n && words[good] == word)
        good++;
    ck_assert_uint_eq(good, n);
    free(words);
}

// 1500 random creations and destructions; each buffer keeps the word it was filled with.
START_TEST(keeps_buffers_apart)
{
    enum { SLOTS = 48 };
    vkd_buffer *bufs[SLOTS] = { NULL };
    uint32_t words[SLOTS];
    for (uint32_t i = 0; i < 1500; i++) {
        uint32_t s = next_random() % SLOTS;
        if (bufs[s]) {
            if (i % 4 == 0)
                check_fill(bufs[s], words[s]);
            vkd_buffer_destroy(dev, &bufs[s]);
            continue;
        }
        uint64_t size = 4 * (1 + (next_random() & 0xffff)) >> next_random() % 12;
        size = size < 4 ? 4 : size / 4 * 4;
        if (i % 250 == 249)
            size = 40 * MIB;        // a block of its own
        ck_assert_int_eq(vkd_buffer_create(dev, size, (enum vkd_memory) (next_random() % 3), &bufs[s]), VKD_OK);
        words[s] = i;
        fill(bufs[s], i);
    }
    for (uint32_t s = 0; s < SLOTS; s++) {
        if (bufs[s])
            check_fill(bufs[s], words[s]);
        vkd_buffer_destroy(dev, &bufs[s]);
    }
    ck_assert_int_eq(vkd_wait(dev, dev->queue.submitted, UINT64_MAX, NULL), VKD_OK);
    vkd__staging_finish(dev);
    vkd__pace_finish(dev);
    ck_assert_uint_eq(dev->live_buffers, 0);
    ck_assert_uint_eq(dev->live_lists, 0);
    check_blocks(0);
    ck_assert_uint_le(vkd_device_stats(dev).memory_used, 3 * 64 * MIB);
    ck_assert_uint_le(vkd_device_stats(dev).memory_allocations, 64);
}
END_TEST

START_TEST(refuses_absurd_sizes)
{
    static const uint64_t sizes[] = { UINT64_MAX, (uint64_t) 1 << 60, (uint64_t) 1 << 44 };
    for (size_t i = 0; i < 3; i++) {
        vkd_buffer *buf = NULL;
        uint64_t used = vkd_device_stats(dev).memory_used;
        ck_assert_int_eq(vkd_buffer_create(dev, sizes[i], VKD_MEMORY_DEVICE, &buf), VKD_NO_MEMORY);
        ck_assert_ptr_null(buf);
        ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), "out of memory"));
        ck_assert_uint_eq(vkd_device_stats(dev).memory_used, used);
    }
}
END_TEST

// Makes every heap `size` bytes, and says what it was.
static VkPhysicalDeviceMemoryProperties shrink(uint64_t size)
{
    VkPhysicalDeviceMemoryProperties before = dev->facts.memory;
    dev->facts.memory_budget = false;
    for (uint32_t i = 0; i < before.memoryHeapCount; i++)
        dev->facts.memory.memoryHeaps[i].size = size;
    return before;
}

START_TEST(stays_within_the_heap)
{
    bool budget = dev->facts.memory_budget;
    VkPhysicalDeviceMemoryProperties before = shrink(100 * MIB);
    vkd_buffer *bufs[32] = { NULL }, *more = NULL;
    uint32_t n = 0;
    vkd_result r = VKD_OK;
    while (n < 32 && (r = vkd_buffer_create(dev, 10 * MIB, VKD_MEMORY_DEVICE, &bufs[n])) == VKD_OK)
        n++;
    ck_assert_int_eq(r, VKD_NO_MEMORY);
    ck_assert(n >= 4 && n <= 10);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), "asked for 10.0 MiB"));
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), "smaller batch"));
    // What is discarded while in use is waited for before giving up.
    fill(bufs[0], 1);
    vkd_buffer_destroy(dev, &bufs[0]);
    ck_assert_int_eq(vkd_buffer_create(dev, 10 * MIB, VKD_MEMORY_DEVICE, &more), VKD_OK);
    vkd_buffer_destroy(dev, &more);
    for (uint32_t i = 1; i < n; i++)
        vkd_buffer_destroy(dev, &bufs[i]);
    dev->facts.memory = before;
    dev->facts.memory_budget = budget;
}
END_TEST

// ---- A driver that refuses --------------------------------------------------------------------

static struct VolkDeviceTable real;
static uint64_t allocation_limit;
static VkResult refusal;

static VKAPI_ATTR VkResult VKAPI_CALL limited_allocate(VkDevice d, const VkMemoryAllocateInfo *info,
                                                       const VkAllocationCallbacks *a, VkDeviceMemory *out)
{
    return info->allocationSize > allocation_limit ? refusal : real.vkAllocateMemory(d, info, a, out);
}

static VKAPI_ATTR VkResult VKAPI_CALL refuse_bind(VkDevice d, VkBuffer b, VkDeviceMemory m, VkDeviceSize ofs)
{
    (void) d, (void) b, (void) m, (void) ofs;
    return VK_ERROR_OUT_OF_DEVICE_MEMORY;
}

START_TEST(takes_smaller_blocks)
{
    vkd_device *mine = gpu_open(), *kept = dev;
    vkd_buffer *small = NULL, *large = NULL;
    dev = mine;
    real = dev->vk;
    dev->vk.vkAllocateMemory = limited_allocate;
    allocation_limit = 20 * MIB;
    refusal = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    ck_assert_int_eq(vkd_buffer_create(dev, 3 * MIB, VKD_MEMORY_DEVICE, &small), VKD_OK);
    ck_assert_uint_eq(vkd_device_stats(dev).memory_used, 16 * MIB);
    ck_assert_int_eq(vkd_buffer_create(dev, 40 * MIB, VKD_MEMORY_DEVICE, &large), VKD_NO_MEMORY);
    dev->vk.vkBindBufferMemory = refuse_bind;
    ck_assert_int_eq(vkd_buffer_create(dev, MIB, VKD_MEMORY_DEVICE, &large), VKD_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(dev), ": vkBindBufferMemory at buffer.c"));
    ck_assert_uint_eq(dev->live_buffers, 1);
    dev->vk = real;
    vkd_buffer_destroy(dev, &small);
    check_blocks(0);
    gpu_close(&dev);
    dev = kept;
}
END_TEST

START_TEST(keeps_to_few_blocks)
{
    vkd_device *mine = gpu_open();
    vkd_buffer *bufs[1000] = { NULL }, *none = NULL;
    for (int i = 0; i < 1000; i++)
        ck_assert_int_eq(vkd_buffer_create(mine, 4096, VKD_MEMORY_DEVICE, &bufs[i]), VKD_OK);
    ck_assert_uint_eq(mine->memory.count, 1);
    mine->facts.allocation_count_max = 1;
    ck_assert_int_eq(vkd_buffer_create(mine, 100 * MIB, VKD_MEMORY_DEVICE, &none), VKD_NO_MEMORY);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(mine), "in 1 blocks, and its driver allows no more"));
    for (int i = 0; i < 1000; i++)
        vkd_buffer_destroy(mine, &bufs[i]);
    gpu_close(&mine);
}
END_TEST

static VKAPI_ATTR VkResult VKAPI_CALL lost_submit(VkQueue q, uint32_t n, const VkSubmitInfo *info, VkFence f)
{
    (void) q, (void) n, (void) info, (void) f;
    return VK_ERROR_DEVICE_LOST;
}

START_TEST(stays_lost)
{
    vkd_device *mine = gpu_open();
    vkd_buffer *buf = NULL, *none = NULL;
    vkd_commands *cmds = NULL, *no_list = NULL;
    vkd_kernel *kernel = NULL;
    uint32_t word = 0;
    ck_assert_int_eq(vkd_buffer_create(mine, 4096, VKD_MEMORY_DEVICE, &buf), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(mine, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    mine->vk.vkQueueSubmit = lost_submit;
    ck_assert_int_eq(vkd_submit(mine, &cmds, 1, NULL), VKD_DEVICE_LOST);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(mine), ": vkQueueSubmit at queue.c"));
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(mine), "resume from the last checkpoint"));
    ck_assert_int_eq(vkd_submit(mine, &cmds, 1, NULL), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_wait(mine, 0, 0, NULL), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_buffer_create(mine, 64, VKD_MEMORY_DEVICE, &none), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_buffer_write(mine, buf, 0, &word, 4), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_buffer_read(mine, buf, 0, &word, 4), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_commands_create(mine, &no_list), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_DEVICE_LOST);
    ck_assert_int_eq(vkd_kernel_get(mine, &(struct vkd_kernel_params) { .name = "fill_index" }, &kernel),
                     VKD_DEVICE_LOST);
    vkd_commands_destroy(mine, &cmds);
    vkd_buffer_destroy(mine, &buf);
    gpu_close(&mine);
}
END_TEST

// ---- What the driver tells of a loss ----

static VKAPI_ATTR VkResult VKAPI_CALL tell_fault(VkDevice d, VkDeviceFaultCountsEXT *counts, VkDeviceFaultInfoEXT *info)
{
    (void) d;
    if (!info) {
        counts->addressInfoCount = 100;     // more than there is room for
        counts->vendorInfoCount = 1;
        counts->vendorBinarySize = 4096;
        return VK_SUCCESS;
    }
    ck_assert_uint_eq(counts->vendorBinarySize, 0);
    memset(info->description, 'x', sizeof(info->description));          // without an end
    for (uint32_t i = 0; i < counts->addressInfoCount; i++)
        info->pAddressInfos[i] = (VkDeviceFaultAddressInfoEXT) {
            VK_DEVICE_FAULT_ADDRESS_TYPE_WRITE_INVALID_EXT, 0x12345, 0x1000,
        };
    info->pVendorInfos[0] = (VkDeviceFaultVendorInfoEXT) { "ring hung", 7, 0xbeef };
    return VK_INCOMPLETE;
}

static struct { unsigned addresses, lines; bool description, vendor; } told;

static void note_told(void *user, enum vkd_log_level level, const char *text)
{
    (void) user;
    told.lines += level == VKD_LOG_ERROR;
    told.description |= !!strstr(text, "its driver says of that: xxxxxxxx");
    told.addresses += !!strstr(text, "a write that was not allowed, at 0x12000 to 0x12fff");
    told.vendor |= !!strstr(text, "ring hung: code 0x7, data 0xbeef");
}

START_TEST(tells_why_it_was_lost)
{
    vkd_device *mine = gpu_open();
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_commands_create(mine, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    mine->log = (struct vkd_log) { .fn = note_told };
    mine->vk.vkQueueSubmit = lost_submit;
    mine->vk.vkGetDeviceFaultInfoEXT = tell_fault;
    mine->facts.device_fault = true;
    ck_assert_int_eq(vkd_submit(mine, &cmds, 1, NULL), VKD_DEVICE_LOST);
    ck_assert(told.description && told.vendor);
    ck_assert_uint_eq(told.addresses, 32);
    ck_assert_ptr_nonnull(strstr(vkd_device_last_error(mine), ": vkQueueSubmit at queue.c"));
    unsigned lines = told.lines;
    ck_assert_int_eq(vkd_submit(mine, &cmds, 1, NULL), VKD_DEVICE_LOST);
    ck_assert_uint_eq(told.lines, lines + 1);       // once is enough
    vkd_commands_destroy(mine, &cmds);
    gpu_close(&mine);
}
END_TEST

// ---- Memory types of real GPUs ----------------------------------------------------------------

static uint32_t taken_type;

static VKAPI_ATTR VkResult VKAPI_CALL note_type(VkDevice d, const VkMemoryAllocateInfo *info,
                                                const VkAllocationCallbacks *a, VkDeviceMemory *out)
{
    (void) d, (void) a;
    taken_type = info->memoryTypeIndex;
    *out = (VkDeviceMemory) (uintptr_t) 1;
    return VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL map_nothing(VkDevice d, VkDeviceMemory m, VkDeviceSize ofs, VkDeviceSize size,
                                                  VkMemoryMapFlags flags, void **data)
{
    static uint8_t byte;
    (void) d, (void) m, (void) ofs, (void) size, (void) flags;
    *data = &byte;
    return VK_SUCCESS;
}

static VKAPI_ATTR void VKAPI_CALL free_nothing(VkDevice d, VkDeviceMemory m, const VkAllocationCallbacks *a)
{
    (void) d, (void) m, (void) a;
}

enum { L = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, V = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT,
       C = VK_MEMORY_PROPERTY_HOST_COHERENT_BIT, H = VK_MEMORY_PROPERTY_HOST_CACHED_BIT,
       A = VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD };
#define GIB ((uint64_t) 1 << 30)

static const struct machine {
    const char *name;
    VkPhysicalDeviceMemoryProperties memory;
    uint32_t want[3];       // type for DEVICE, UPLOAD, READBACK
} machines[] = {
    { "discrete, a window of 246 MiB",
      { 5, { { L, 2 }, { 0, 1 }, { L, 0 }, { V | C, 1 }, { V | C | H, 1 } },
        3, { { 8 * GIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT }, { 16 * GIB, 0 },
             { 246 * MIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT } } },
      { 2, 3, 4 } },
    { "discrete, all of it mappable, with device-coherent types first",
      { 5, { { L | V | C | A, 0 }, { L | V | C, 0 }, { L, 0 }, { V | C, 1 }, { V | C | H, 1 } },
        2, { { 16 * GIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT }, { 32 * GIB, 0 } } },
      { 2, 3, 4 } },
    { "integrated, one heap",
      { 2, { { L | V | C, 0 }, { L | V | C | H, 0 } }, 1, { { 8 * GIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT } } },
      { 0, 0, 1 } },
    { "discrete without cached types",
      { 2, { { L, 0 }, { V | C, 1 } }, 2, { { 2 * GIB, VK_MEMORY_HEAP_DEVICE_LOCAL_BIT }, { 4 * GIB, 0 } } },
      { 0, 1, 1 } },
};

START_TEST(chooses_memory_types)
{
    const struct machine *m = &machines[_i];
    vkd_device *mine = gpu_open();
    real = mine->vk;
    mine->vk.vkAllocateMemory = note_type;
    mine->vk.vkMapMemory = map_nothing;
    mine->vk.vkFreeMemory = free_nothing;
    mine->facts.memory = m->memory;
    mine->facts.memory_budget = false;
    VkMemoryRequirements req = { 1000, 16, UINT32_MAX };
    for (int kind = 0; kind < 3; kind++) {
        struct vkd__allocation a;
        vkd__memory_finish(mine);
        ck_assert_int_eq(vkd__memory_take(mine, &req, (enum vkd_memory) kind, &a), VKD_OK);
        ck_assert_msg(taken_type == m->want[kind], "%s: kind %d takes type %u, not %u", m->name, kind, taken_type,
                      m->want[kind]);
    }
    vkd__memory_finish(mine);
    mine->vk = real;
    gpu_close(&mine);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runtime memory");
    TCase *t = tcase_create("memory");
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, keeps_buffers_apart);
    tcase_add_test(t, refuses_absurd_sizes);
    tcase_add_test(t, stays_within_the_heap);
    tcase_add_test(t, takes_smaller_blocks);
    tcase_add_test(t, keeps_to_few_blocks);
    tcase_add_test(t, stays_lost);
    tcase_add_test(t, tells_why_it_was_lost);
    tcase_add_loop_test(t, chooses_memory_types, 0, sizeof(machines) / sizeof(machines[0]));
    suite_add_tcase(s, t);
    return gpu_run(s);
}
