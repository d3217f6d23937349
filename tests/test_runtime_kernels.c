// test_runtime_kernels.c -- reading SPIR-V, building every kernel, and the pipeline cache on disk.
#include "gpu.h"

#include <shader_table.h>
#include <string.h>
#include <unistd.h>

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

// ---- SPIR-V -----------------------------------------------------------------------------------

START_TEST(reads_a_module)
{
    const uint32_t spec[2] = { 32, 100 };
    struct vkd__module m;
    char why[128];
    size_t size = 0;
    const uint32_t *words = vkd__shader_find("bindings", &size);
    ck_assert_int_eq(vkd__spirv_read(words, size, spec, 2, &m, why, sizeof(why)), VKD_OK);
    ck_assert_uint_eq(m.binding_count, 4);
    ck_assert(m.bindings[0].kind == VKD__BINDING_STORAGE && m.bindings[0].reads && !m.bindings[0].writes);
    ck_assert(m.bindings[1].kind == VKD__BINDING_TEXEL && m.bindings[1].reads && !m.bindings[1].writes);
    ck_assert(m.bindings[2].kind == VKD__BINDING_STORAGE && m.bindings[2].reads && m.bindings[2].writes);
    ck_assert(m.bindings[3].kind == VKD__BINDING_STORAGE && !m.bindings[3].reads && m.bindings[3].writes);
    ck_assert_uint_eq(m.push_size, 8);
    ck_assert(m.local_size[0] == 32 && m.local_size[1] == 1 && m.local_size[2] == 1);
    ck_assert_uint_eq(m.shared_size, 400);
    ck_assert_int_eq(vkd__spirv_read(words, size, NULL, 0, &m, why, sizeof(why)), VKD_OK);
    ck_assert_uint_eq(m.local_size[0], 1);
    ck_assert_uint_eq(m.shared_size, 16);
    ck_assert_int_eq(vkd__spirv_read(words, 16, NULL, 0, &m, why, sizeof(why)), VKD_FORMAT);
    ck_assert_int_eq(vkd__spirv_read(words, 128, NULL, 0, &m, why, sizeof(why)), VKD_FORMAT);
}
END_TEST

// Damaged modules are refused or misread, never a crash (the sanitizers watch).
START_TEST(survives_damaged_modules)
{
    struct vkd__module m;
    char why[128];
    size_t size = 0;
    uint32_t state = 7;
    const uint32_t *words = vkd__shader_find("bindings", &size);
    uint32_t *copy = malloc(size);
    for (uint32_t i = 0; i < 4000; i++) {
        size_t length = size;
        memcpy(copy, words, size);
        for (uint32_t k = 0; k <= i % 3; k++) {
            state = state * 1664525u + 1013904223u;
            uint32_t at = (state >> 8) % (uint32_t) (size / 4);
            copy[at] = i % 2 ? state : copy[at] ^ 1u << (state & 31);
        }
        if (i % 5 == 0)
            length = 4 * ((state >> 4) % (size / 4 + 1));
        uint32_t *exact = malloc(length ? length : 4);      // so that reading past the end is seen
        memcpy(exact, copy, length);
        (void) !vkd__spirv_read(exact, length, NULL, 0, &m, why, sizeof(why));
        free(exact);
    }
    free(copy);
}
END_TEST

// Every module of the library can be read and, where the device has what it needs, built.
START_TEST(builds_every_kernel)
{
    uint32_t built = 0, refused = 0;
    for (uint32_t i = 0; vkd__shader_name(i); i++) {
        struct vkd_kernel_params p = { .name = vkd__shader_name(i) };
        vkd_kernel *k = NULL;
        vkd_result r = vkd_kernel_get(dev, &p, &k);
        ck_assert_msg(r == VKD_OK || r == VKD_UNSUPPORTED, "%s: %s", p.name, vkd_device_last_error(dev));
        built += r == VKD_OK;
        refused += r == VKD_UNSUPPORTED;
    }
    printf("%u kernels built, %u need more than the device has\n", built, refused);
    ck_assert_uint_ge(built, refused);
}
END_TEST

static uint64_t limit(const char *name)
{
    uint32_t count = 0;
    const struct vkd_limit *rows = vkd_required_limits(&count);
    for (uint32_t i = 0; i < count; i++)
        if (!strcmp(rows[i].name, name))
            return rows[i].least;
    ck_abort_msg("no limit %s", name);
    return 0;
}

// What an application is told to look for before it creates its device is what the kernels need.
START_TEST(limits_are_those_of_the_kernels)
{
    uint32_t bindings = 0, push = 0;
    for (uint32_t i = 0; vkd__shader_name(i); i++) {
        struct vkd__module m;
        char why[128];
        size_t size = 0;
        uint32_t storage = 0;
        const uint32_t *words = vkd__shader_find(vkd__shader_name(i), &size);
        ck_assert_int_eq(vkd__spirv_read(words, size, NULL, 0, &m, why, sizeof(why)), VKD_OK);
        for (uint32_t k = 0; k < m.binding_count; k++)
            storage += m.bindings[k].kind == VKD__BINDING_STORAGE;
        bindings = storage > bindings ? storage : bindings;
        push = m.push_size > push ? m.push_size : push;
        ck_assert_msg(m.shared_size <= limit("maxComputeSharedMemorySize"), "%s", vkd__shader_name(i));
    }
    ck_assert_uint_eq(bindings, limit("maxPerStageDescriptorStorageBuffers"));
    ck_assert_uint_le(push, limit("maxPushConstantsSize"));
}
END_TEST

// ---- Pipeline cache ---------------------------------------------------------------------------

// A driver whose cache holds 1000 bytes, as lavapipe's holds none.
static VKAPI_ATTR VkResult VKAPI_CALL fake_data(VkDevice d, VkPipelineCache cache, size_t *size, void *data)
{
    (void) d, (void) cache;
    if (data)
        memset(data, 42, 1000);
    *size = 1000;
    return VK_SUCCESS;
}

static size_t given_size;

static VKAPI_ATTR VkResult VKAPI_CALL fake_create(VkDevice d, const VkPipelineCacheCreateInfo *info,
                                                  const VkAllocationCallbacks *a, VkPipelineCache *out)
{
    (void) d, (void) a;
    given_size = info->initialDataSize;
    const uint8_t *data = info->pInitialData;
    size_t good = 0;
    while (good < given_size && data[good] == 42)
        good++;
    ck_assert_uint_eq(good, given_size);
    *out = (VkPipelineCache) (uintptr_t) 1;
    return VK_SUCCESS;
}

static size_t reopen(const char *dir)
{
    given_size = SIZE_MAX;
    ck_assert_int_eq(vkd__pipeline_cache_open(dev, &(struct vkd__cache_source) { .dir = dir }), VKD_OK);
    size_t given = given_size;
    free(dev->cache_path);          // without saving
    dev->cache_path = NULL;
    return given;
}

START_TEST(distrusts_cache_files)
{
    const char *dir = VKD_BINARY_DIR "/pipeline-cache-fake";
    struct vkd__why why;
    uint8_t *file = NULL;
    uint64_t size = 0;
    ck_assert_int_eq(vkd__dir_create(dir, &why), VKD_OK);
    vkd__pipeline_cache_close(dev);
    struct VolkDeviceTable real = dev->vk;
    dev->vk.vkGetPipelineCacheData = fake_data;
    dev->vk.vkCreatePipelineCache = fake_create;
    ck_assert_int_eq(vkd__pipeline_cache_open(dev, &(struct vkd__cache_source) { .dir = dir }), VKD_OK);
    char *path = strdup(dev->cache_path);
    vkd_device_save_cache(dev);
    unlink(path);
    vkd_device_save_cache(dev);         // nothing is new
    ck_assert_int_ne(vkd__path_kind(path, NULL, NULL), VKD__PATH_FILE);
    dev->cache_hash = 0;
    vkd_device_save_cache(dev);
    free(dev->cache_path);
    ck_assert_uint_eq(reopen(dir), 1000);

    ck_assert_int_eq(vkd__file_read(path, 1 << 20, &file, &size, &why), VKD_OK);
    ck_assert_uint_gt(size, 1000);
    uint8_t *bad = malloc(size + 16);
    for (uint64_t i = 0; i < size; i += i < size - 1000 ? 1 : 97) {     // every byte of the header
        memcpy(bad, file, size);
        bad[i] ^= 0x10;
        ck_assert_int_eq(vkd__file_replace(path, bad, size, &why), VKD_OK);
        ck_assert_uint_eq(reopen(dir), 0);
    }
    memcpy(bad, file, size);
    memset(bad + size, 42, 16);
    static const int64_t lengths[] = { 0, 1, 7, 100, -1, -500, 16 };
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint64_t n = i < 4 ? (uint64_t) lengths[i] : (uint64_t) ((int64_t) size + lengths[i]);
        ck_assert_int_eq(vkd__file_replace(path, bad, n, &why), VKD_OK);
        ck_assert_uint_eq(reopen(dir), 0);
    }
    ck_assert_int_eq(vkd__file_replace(path, file, size, &why), VKD_OK);
    ck_assert_uint_eq(reopen(dir), 1000);
    dev->facts.cache_uuid[3] ^= 1;                  // another driver
    ck_assert_uint_eq(reopen(dir), 0);
    dev->facts.cache_uuid[3] ^= 1;
    dev->vk = real;
    ck_assert_int_eq(vkd__pipeline_cache_open(dev, &(struct vkd__cache_source) { 0 }), VKD_OK);
    unlink(path);
    free(bad);
    free(file);
    free(path);
}
END_TEST

// The whole way with the driver's own cache; a folder that cannot be written is only a warning.
START_TEST(keeps_a_cache)
{
    struct vkd_device_params p = gpu_params();
    vkd_kernel *k = NULL;
    static const char *const dirs[] = { VKD_BINARY_DIR "/pipeline-cache-test", VKD_BINARY_DIR "/pipeline-cache-test",
                                        "/proc/no/such/folder" };
    for (int i = 0; i < 3; i++) {
        vkd_device *mine = NULL;
        p.cache_dir = dirs[i];
        ck_assert_int_eq(vkd_device_create(&p, &mine), VKD_OK);
        ck_assert_int_eq(vkd_kernel_get(mine, &(struct vkd_kernel_params) { .name = "fill_index" }, &k), VKD_OK);
        gpu_close(&mine);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("runtime kernels");
    TCase *t = tcase_create("kernels");
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, reads_a_module);
    tcase_add_test(t, survives_damaged_modules);
    tcase_add_test(t, builds_every_kernel);
    tcase_add_test(t, limits_are_those_of_the_kernels);
    tcase_add_test(t, distrusts_cache_files);
    tcase_add_test(t, keeps_a_cache);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
