// test_runtime_import.c -- vkdiv inside an application that owns the VkInstance, VkDevice and queue.
#include "host.h"

#include <string.h>

// fill_index on a fresh buffer, read back.
static void compute(vkd_device *dev)
{
    enum { N = 3000 };
    uint32_t count = N, groups[3] = { (N + 63) / 64, 1, 1 }, back[N];
    vkd_kernel *k = NULL;
    vkd_buffer *buf = NULL;
    vkd_commands *cmds = NULL;
    ck_assert_int_eq(vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "fill_index" }, &k), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, sizeof(back), VKD_MEMORY_DEVICE, &buf), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    vkd_commands_dispatch(cmds, k, &(struct vkd_range) { .buffer = buf }, 1, &count, 4, groups);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, buf, 0, back, sizeof(back)), VKD_OK);
    uint32_t good = 0;
    while (good < N && back[good] == good)
        good++;
    ck_assert_uint_eq(good, N);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
}

START_TEST(imports)
{
    struct vkd_import_params p = import_params();
    vkd_device *dev = NULL;
    host.locks = 0;
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
    compute(dev);
    ck_assert_uint_eq((unsigned) host.locks, vkd_device_stats(dev).submissions);
    ck_assert(!vkd_device_caps(dev)->f16_storage && !vkd_device_caps(dev)->f16_arithmetic);     // not enabled
    vkd_device_destroy(&dev);
    ck_assert_ptr_null(dev);
    ck_assert_int_eq(host.locked, 0);
    host_still_works();
}
END_TEST

START_TEST(imports_without_extras)
{
    struct vkd_import_params p = import_params();
    vkd_device *dev = NULL;
    p.lock_queue = NULL;
    p.unlock_queue = NULL;
    p.features = NULL;
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
    compute(dev);
    vkd_device_destroy(&dev);
    host_still_works();
}
END_TEST

// Two imports and a device of vkdiv's own live side by side.
START_TEST(lives_beside_others)
{
    struct vkd_import_params p = import_params();
    vkd_device *one = NULL, *two = NULL, *own = gpu_open();
    ck_assert_ptr_nonnull(own);
    ck_assert_int_eq(vkd_device_import(&p, &one), VKD_OK);
    ck_assert_int_eq(vkd_device_import(&p, &two), VKD_OK);
    compute(one);
    compute(own);
    compute(two);
    vkd_device_destroy(&one);
    compute(two);
    gpu_close(&own);
    compute(two);
    vkd_device_destroy(&two);
    host_still_works();
}
END_TEST

// ---- Memory of the application ----

// Counts what the driver asks of the host, and gives it.
static struct { int taken, given; } host_memory;

static VKAPI_ATTR void *VKAPI_CALL host_take(void *user, size_t size, size_t align, VkSystemAllocationScope scope)
{
    (void) user, (void) scope;
    void *p = NULL;
    host_memory.taken++;
    return posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) ? NULL : p;
}

static VKAPI_ATTR void *VKAPI_CALL host_resize(void *user, void *old, size_t size, size_t align, VkSystemAllocationScope scope)
{
    (void) user, (void) align, (void) scope;
    host_memory.taken += !old;
    return realloc(old, size);
}

static VKAPI_ATTR void VKAPI_CALL host_give(void *user, void *p)
{
    (void) user;
    host_memory.given += p != NULL;
    free(p);
}

static struct { int taken, given; uint64_t size; VkResult answer; } pool;

static VkResult take(void *user, const VkMemoryAllocateInfo *info, VkDeviceMemory *out)
{
    ck_assert_ptr_eq(user, &pool);
    if (pool.answer < 0)
        return pool.answer;
    pool.taken++;
    pool.size += info->allocationSize;
    return vkAllocateMemory(host.device, info, NULL, out);
}

static void give(void *user, VkDeviceMemory memory, uint64_t size)
{
    ck_assert_ptr_eq(user, &pool);
    pool.given++;
    pool.size -= size;
    vkFreeMemory(host.device, memory, NULL);
}

START_TEST(takes_memory_from_the_application)
{
    struct vkd_import_params p = import_params();
    const VkAllocationCallbacks callbacks = {
        .pfnAllocation = host_take, .pfnReallocation = host_resize, .pfnFree = host_give,
    };
    vkd_device *dev = NULL;
    vkd_buffer *buf = NULL;
    p.allocator = &callbacks;
    p.memory = (struct vkd_memory_source) { take, give, &pool };
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
    compute(dev);
    ck_assert_uint_eq((unsigned) pool.taken, vkd_device_stats(dev).memory_allocations);
    ck_assert_uint_eq(pool.size, vkd_device_stats(dev).memory_used);
    pool.answer = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    ck_assert_int_eq(vkd_buffer_create(dev, (uint64_t) 96 << 20, VKD_MEMORY_DEVICE, &buf), VKD_NO_MEMORY);
    pool.answer = VK_SUCCESS;
    vkd_device_destroy(&dev);
    ck_assert(pool.taken > 0 && pool.taken == pool.given && pool.size == 0);
    ck_assert(host_memory.taken > 0 && host_memory.taken == host_memory.given);
    host_still_works();
}
END_TEST

// ---- Faults of the application's driver ----

// fill_index twice, with a copy in between: some of everything.
static vkd_result try_everything(vkd_device *dev)
{
    uint32_t count = 256, groups[3] = { 4, 1, 1 }, data[256] = { 0 };
    vkd_kernel *k = NULL;
    vkd_buffer *buf = NULL;
    vkd_commands *cmds = NULL;
    vkd_result r = vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "fill_index" }, &k);
    if (r == VKD_OK)
        r = vkd_buffer_create(dev, sizeof(data), VKD_MEMORY_DEVICE, &buf);
    if (r == VKD_OK)
        r = vkd_buffer_write(dev, buf, 0, data, sizeof(data));
    if (r == VKD_OK)
        r = vkd_commands_create(dev, &cmds);
    for (int i = 0; r == VKD_OK && i < 2; i++) {
        r = vkd_commands_begin(cmds);
        if (r != VKD_OK)
            break;
        vkd_commands_dispatch(cmds, k, &(struct vkd_range) { .buffer = buf }, 1, &count, 4, groups);
        r = vkd_commands_end(cmds);
        if (r == VKD_OK)
            r = vkd_submit(dev, &cmds, 1, NULL);
        if (r == VKD_OK)
            r = vkd_buffer_read(dev, buf, 0, data, sizeof(data));
    }
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &buf);
    return r == VKD_OK && data[255] != 255 ? VKD_INVALID : r;
}

// What is refused in an imported device comes back as an error; nothing is left in the application's, which goes on.
START_TEST(faults_come_back)
{
    static const struct { struct vkd_faults first; vkd_result expected; } kinds[] = {
        { { .memory = 1 }, VKD_NO_MEMORY }, { { .map = 1 }, VKD_NO_MEMORY }, { { .pipeline = 1 }, VKD_NO_MEMORY },
        { { .pool = 1 }, VKD_NO_MEMORY }, { { .submit = 1 }, VKD_DEVICE_LOST }, { { .wait = 1 }, VKD_DEVICE_LOST },
    };
    struct vkd_faults f = kinds[_i].first;
    vkd_result r = VKD_NO_MEMORY;
    unsigned n = 0;
    memset(&pool, 0, sizeof(pool));
    for (; r != VKD_OK && n < 100; n++) {
        struct vkd_import_params p = import_params();
        vkd_device *dev = NULL;
        p.memory = (struct vkd_memory_source) { take, give, &pool };
        p.faults = (struct vkd_faults) { f.memory * (n + 1), f.map * (n + 1), f.pipeline * (n + 1), f.pool * (n + 1),
                                         f.submit * (n + 1), f.wait * (n + 1) };
        ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
        r = try_everything(dev);
        ck_assert_msg(r == VKD_OK || r == kinds[_i].expected, "fault %d, time %u: %s", _i, n + 1, vkd_result_text(r));
        unsigned errors = gpu_errors;
        vkd_device_destroy(&dev);
        ck_assert_msg(gpu_errors == errors, "fault %d, time %u: %s", _i, n + 1, gpu_last_error);
        ck_assert(pool.taken == pool.given && pool.size == 0 && host.locked == 0);
        host_still_works();
    }
    ck_assert_msg(n > 1 && r == VKD_OK, "fault %d: met %u times", _i, n);
}
END_TEST

// ---- Compiled pipelines of the application ----

START_TEST(shares_a_pipeline_cache)
{
    struct vkd_import_params p = import_params();
    VkPipelineCacheCreateInfo info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_CACHE_CREATE_INFO };
    vkd_device *dev = NULL;
    size_t size = 0;
    ck_assert_int_eq(vkCreatePipelineCache(host.device, &info, NULL, &p.pipeline_cache), VK_SUCCESS);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
        compute(dev);
        vkd_device_destroy(&dev);
    }
    ck_assert_int_eq(vkGetPipelineCacheData(host.device, p.pipeline_cache, &size, NULL), VK_SUCCESS);   // still there
    vkDestroyPipelineCache(host.device, p.pipeline_cache, NULL);
}
END_TEST

START_TEST(keeps_pipelines_as_bytes)
{
    struct vkd_import_params p = import_params();
    vkd_device *dev = NULL;
    void *data = NULL;
    uint64_t size = 0;
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
    compute(dev);
    ck_assert_int_eq(vkd_device_cache_data(dev, &data, &size), VKD_OK);
    ck_assert(data && size > 0);
    vkd_device_destroy(&dev);
    for (int i = 0; i < 3; i++) {               // good, damaged, cut
        p.cache_data = data;
        p.cache_size = i == 2 ? 11 : size;
        ((uint8_t *) data)[12] ^= i == 1;
        ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
        compute(dev);
        vkd_device_destroy(&dev);
    }
    free(data);
}
END_TEST

// ---- What to ask for ----

static PFN_vkVoidFunction VKAPI_CALL no_functions(VkInstance instance, const char *name)
{
    (void) instance, (void) name;
    return NULL;
}

// The rows of the tables are what the ready-made chain turns on.
START_TEST(tells_what_it_wants)
{
    struct vkd_device_wants wants;
    VkPhysicalDeviceFeatures2 nothing;
    ck_assert_int_eq(vkd_device_wants(host.instance, host.physical, vkGetInstanceProcAddr, NULL, &wants), VKD_OK);
    ck_assert(wants.usable && wants.why[0]);
    ck_assert(wants.v12.timelineSemaphore);
    ck_assert_uint_eq(wants.queue_family, host.family);
    ck_assert_ptr_eq(wants.features.pNext, &wants.v11);
    ck_assert_ptr_eq(wants.v11.pNext, &wants.v12);
    ck_assert_ptr_null(*wants.tail);
    uint32_t count = 0, known = 0;
    const struct vkd_extension *rows = vkd_required_extensions(&count);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < wants.extension_count; k++)
            known += !strcmp(rows[i].name, wants.extensions[k]);
    ck_assert_uint_eq(known, wants.extension_count);
    ck_assert_ptr_nonnull(vkd_required_features(&count));
    ck_assert(count > 0);
    const struct vkd_log log = { .fn = gpu_log };
    ck_assert_int_eq(vkd_device_wants(NULL, host.physical, vkGetInstanceProcAddr, &log, &wants), VKD_INVALID);
    ck_assert_int_eq(vkd_device_wants(host.instance, host.physical, no_functions, &log, &wants), VKD_UNSUPPORTED);

    // A device made of it is imported with everything that it can.
    float priority = 1;
    ck_assert_int_eq(vkd_device_wants(host.instance, host.physical, vkGetInstanceProcAddr, NULL, &wants), VKD_OK);
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &wants.features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &(VkDeviceQueueCreateInfo) {
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO, .queueFamilyIndex = wants.queue_family,
            .queueCount = 1, .pQueuePriorities = &priority,
        },
        .enabledExtensionCount = wants.extension_count,
        .ppEnabledExtensionNames = wants.extensions,
    };
    struct vkd_import_params p = import_params();
    ck_assert_int_eq(vkCreateDevice(host.physical, &info, NULL, &p.device), VK_SUCCESS);
    p.features = &wants.features;
    p.extensions = wants.extensions;
    p.extension_count = wants.extension_count;
    p.lock_queue = p.unlock_queue = NULL;
    vkd_device *dev = NULL, *own = gpu_open();
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
    ck_assert(vkd_device_caps(dev)->f16_storage == vkd_device_caps(own)->f16_storage);
    ck_assert(vkd_device_caps(dev)->f16_arithmetic == vkd_device_caps(own)->f16_arithmetic);
    compute(dev);
    vkd_device_destroy(&dev);
    gpu_close(&own);
    // What it may not be without is missed when it was not enabled.
    nothing = wants.features;
    wants.v12.timelineSemaphore = VK_FALSE;
    p.features = &nothing;
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "timelineSemaphore"));
    PFN_vkDestroyDevice destroy = (PFN_vkDestroyDevice) vkGetDeviceProcAddr(p.device, "vkDestroyDevice");
    destroy(p.device, NULL);
}
END_TEST

static void refuse(const struct vkd_import_params *p, vkd_result want, const char *text)
{
    vkd_device *dev = (vkd_device *) p;
    ck_assert_int_eq(vkd_device_import(p, &dev), want);
    ck_assert_ptr_null(dev);
    ck_assert_msg(strstr(gpu_last_error, text) != NULL, "'%s' lacks '%s'", gpu_last_error, text);
}

START_TEST(refuses_wrong_imports)
{
    struct vkd_import_params p = import_params();
    p.instance = NULL;
    refuse(&p, VKD_INVALID, "'instance'");
    p = import_params();
    p.physical_device = NULL;
    refuse(&p, VKD_INVALID, "'physical_device'");
    p = import_params();
    p.device = NULL;
    refuse(&p, VKD_INVALID, "'device'");
    p = import_params();
    p.get_proc_addr = NULL;
    refuse(&p, VKD_INVALID, "'get_proc_addr'");
    p.get_proc_addr = no_functions;
    refuse(&p, VKD_UNSUPPORTED, "apiVersion");
    p = import_params();
    p.unlock_queue = NULL;
    refuse(&p, VKD_INVALID, "'unlock_queue'");
    p = import_params();
    p.queue_index = 4096;
    refuse(&p, VKD_INVALID, "queue 4096 of family");
    p = import_params();
    p.queue_family = 77;
    refuse(&p, VKD_INVALID, "queue 0 of family 77");
    p = import_params();
    p.memory.allocate = take;
    refuse(&p, VKD_INVALID, "'memory.release'");
    p = import_params();
    p.extension_count = 1;
    refuse(&p, VKD_INVALID, "'extensions'");
    p = import_params();
    p.cache_size = 1;
    refuse(&p, VKD_INVALID, "'cache_data'");
    p = import_params();
    p.cache_data = &p;
    p.cache_dir = "somewhere";
    refuse(&p, VKD_INVALID, "several are given");
    p = import_params();
    VkPhysicalDeviceFeatures2 nothing = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2 };
    p.features = &nothing;
    refuse(&p, VKD_UNSUPPORTED, "timelineSemaphore");
    host_still_works();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runtime import");
    TCase *t = tcase_create("import");
    tcase_add_unchecked_fixture(t, start_host, stop_host);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, imports);
    tcase_add_test(t, imports_without_extras);
    tcase_add_test(t, lives_beside_others);
    tcase_add_test(t, takes_memory_from_the_application);
    tcase_add_loop_test(t, faults_come_back, 0, 6);
    tcase_add_test(t, shares_a_pipeline_cache);
    tcase_add_test(t, keeps_pipelines_as_bytes);
    tcase_add_test(t, tells_what_it_wants);
    tcase_add_test(t, refuses_wrong_imports);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
