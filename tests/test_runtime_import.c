// test_runtime_import.c -- vkdiv inside an application that owns the VkInstance, VkDevice and queue.
//
// The host loads Vulkan with volk, whose global vk* pointers must not meet those of the library.
#define VOLK_IMPLEMENTATION
#include <volk.h>

#include "gpu.h"

#include <string.h>
#include <vkdiv/compute.h>

static struct host {
    VkInstance instance;
    VkPhysicalDevice physical;
    VkDevice device;
    VkQueue queue;
    uint32_t family;
    VkDebugUtilsMessengerEXT messenger;
    int messages;
    int locked, locks;
} host;

static VKAPI_ATTR VkBool32 VKAPI_CALL on_message(VkDebugUtilsMessageSeverityFlagBitsEXT severity,
                                                 VkDebugUtilsMessageTypeFlagsEXT types,
                                                 const VkDebugUtilsMessengerCallbackDataEXT *data, void *user)
{
    (void) severity, (void) user;
    if (types & VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT) {
        host.messages++;
        fprintf(stderr, "%s\n", data->pMessage);
    }
    return VK_FALSE;
}

static void create_instance(void)
{
    const char *layer = "VK_LAYER_KHRONOS_validation", *extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
    VkValidationFeatureEnableEXT enable = VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT;
    VkValidationFeaturesEXT features = {
        .sType = VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT,
        .enabledValidationFeatureCount = 1,
        .pEnabledValidationFeatures = &enable,
    };
    bool validation = gpu_params().validation;
    VkInstanceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
        .pNext = validation ? &features : NULL,
        .pApplicationInfo = &(VkApplicationInfo) {
            .sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2,
        },
        .enabledLayerCount = validation,
        .ppEnabledLayerNames = &layer,
        .enabledExtensionCount = validation,
        .ppEnabledExtensionNames = &extension,
    };
    ck_assert_int_eq(vkCreateInstance(&info, NULL, &host.instance), VK_SUCCESS);
    volkLoadInstance(host.instance);
    if (validation) {
        VkDebugUtilsMessengerCreateInfoEXT m = {
            .sType = VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT,
            .messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT
                             | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT,
            .messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT,
            .pfnUserCallback = on_message,
        };
        ck_assert_int_eq(vkCreateDebugUtilsMessengerEXT(host.instance, &m, NULL, &host.messenger), VK_SUCCESS);
    }
}

// The device that vkd_device_create would take, so that VKDIV_DEVICE holds here too.
static VkPhysicalDevice pick(void)
{
    struct vkd_device_row *rows = NULL;
    VkPhysicalDevice all[16];
    uint32_t count = 0, n = 16;
    int selected = -1;
    ck_assert_int_eq(vkd_device_list(NULL, gpu_params().selector, &rows, &count, &selected), VKD_OK);
    free(rows);
    ck_assert(vkEnumeratePhysicalDevices(host.instance, &n, all) >= 0);
    ck_assert(selected >= 0 && selected < (int) n);
    return all[selected];
}

static VkPhysicalDeviceVulkan12Features v12 = {
    .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, .timelineSemaphore = VK_TRUE,
};
static VkPhysicalDeviceFeatures2 features = { .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v12 };

static void start_host(void)
{
    ck_assert_int_eq(volkInitialize(), VK_SUCCESS);
    create_instance();
    host.physical = pick();
    VkQueueFamilyProperties families[16];
    uint32_t n = 16;
    vkGetPhysicalDeviceQueueFamilyProperties(host.physical, &n, families);
    while (host.family < n && !(families[host.family].queueFlags & VK_QUEUE_COMPUTE_BIT))
        host.family++;
    float priority = 1;
    VkDeviceCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
        .pNext = &features,
        .queueCreateInfoCount = 1,
        .pQueueCreateInfos = &(VkDeviceQueueCreateInfo) {
            .sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
            .queueFamilyIndex = host.family,
            .queueCount = 1,
            .pQueuePriorities = &priority,
        },
    };
    ck_assert_int_eq(vkCreateDevice(host.physical, &info, NULL, &host.device), VK_SUCCESS);
    volkLoadDevice(host.device);
    vkGetDeviceQueue(host.device, host.family, 0, &host.queue);
}

static void stop_host(void)
{
    vkDestroyDevice(host.device, NULL);
    if (host.messenger)
        vkDestroyDebugUtilsMessengerEXT(host.instance, host.messenger, NULL);
    vkDestroyInstance(host.instance, NULL);
    ck_assert_int_eq(host.messages, 0);
}

static void lock(void *user)
{
    struct host *h = user;
    ck_assert_int_eq(h->locked++, 0);
    h->locks++;
}

static void unlock(void *user)
{
    struct host *h = user;
    ck_assert_int_eq(--h->locked, 0);
}

static struct vkd_import_params import_params(void)
{
    return (struct vkd_import_params) {
        .instance = host.instance,
        .physical_device = host.physical,
        .device = host.device,
        .get_proc_addr = vkGetInstanceProcAddr,
        .queue_family = host.family,
        .lock_queue = lock,
        .unlock_queue = unlock,
        .user = &host,
        .features = &features,
        .log = { .fn = gpu_log },
    };
}

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

// The host's own handles answer after vkdiv is gone.
static void host_still_works(void)
{
    VkFence fence = VK_NULL_HANDLE;
    VkFenceCreateInfo info = { .sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO };
    ck_assert_int_eq(vkCreateFence(host.device, &info, NULL, &fence), VK_SUCCESS);
    ck_assert_int_eq(vkQueueSubmit(host.queue, 0, NULL, fence), VK_SUCCESS);
    ck_assert_int_eq(vkWaitForFences(host.device, 1, &fence, VK_TRUE, UINT64_MAX), VK_SUCCESS);
    vkDestroyFence(host.device, fence, NULL);
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

static void refuse(const struct vkd_import_params *p, vkd_result want, const char *text)
{
    vkd_device *dev = (vkd_device *) p;
    ck_assert_int_eq(vkd_device_import(p, &dev), want);
    ck_assert_ptr_null(dev);
    ck_assert_msg(strstr(gpu_last_error, text) != NULL, "'%s' lacks '%s'", gpu_last_error, text);
}

static PFN_vkVoidFunction VKAPI_CALL no_functions(VkInstance instance, const char *name)
{
    (void) instance, (void) name;
    return NULL;
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
    p.queue_family = 77;
    refuse(&p, VKD_INVALID, "queue family 77");
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
    tcase_add_test(t, refuses_wrong_imports);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
