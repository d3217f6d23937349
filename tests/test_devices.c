// test_devices.c -- which devices there are, which one is taken, and what it tells of itself.
#include "gpu.h"

#include <string.h>

#include "runtime/internal.h"

START_TEST(lists_and_selects)
{
    const struct vkd_log log = { .fn = gpu_log };
    struct vkd_device_row *rows = NULL;
    uint32_t count = 0;
    int selected = -2;
    char selector[64];
    ck_assert_int_eq(vkd_device_list(&log, NULL, &rows, &count, &selected), VKD_OK);
    ck_assert_uint_ge(count, 1);
    ck_assert_int_ge(selected, 0);
    ck_assert_int_lt(selected, (int) count);
    const struct vkd_caps caps = rows[selected].caps;
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_uint_eq(rows[i].index, i);
        ck_assert(rows[i].why[0] && rows[i].caps.name[0]);
    }
    free(rows);
    ck_assert_uint_ge(caps.api_version, VKD_VK_MIN);
    ck_assert_uint_ge(caps.memory_size, 1 << 20);
    ck_assert_uint_ge(caps.storage_range_max, 128 << 20);
    ck_assert_uint_ge(caps.invocations_max, 128);

    const uint8_t *u = caps.uuid;
    snprintf(selector, sizeof(selector), "%02X%02x%02x%02x-%02x%02x%02x%02x", u[0], u[1], u[2], u[3], u[4], u[5], u[6],
             u[7]);
    int by_uuid = -2, by_index = -2, by_name = -2, none = -2;
    ck_assert_int_eq(vkd_device_list(&log, selector, &rows, &count, &by_uuid), VKD_OK);
    free(rows);
    snprintf(selector, sizeof(selector), "%d", selected);
    ck_assert_int_eq(vkd_device_list(&log, selector, &rows, &count, &by_index), VKD_OK);
    free(rows);
    snprintf(selector, sizeof(selector), "%.20s", caps.name);
    ck_assert_int_eq(vkd_device_list(&log, selector, &rows, &count, &by_name), VKD_OK);
    free(rows);
    ck_assert_int_eq(vkd_device_list(&log, "no such device", &rows, &count, &none), VKD_OK);
    free(rows);
    ck_assert(by_uuid == selected && by_index == selected && by_name == selected && none == -1);
}
END_TEST

// A processor's driver is taken only where nothing else is there, however much memory it has.
START_TEST(takes_a_gpu_first)
{
    struct vkd_device_row rows[] = {
        { .usable = true, .caps = { .type = VK_PHYSICAL_DEVICE_TYPE_CPU, .memory_size = 64u << 20 } },
        { .usable = true, .caps = { .type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU, .memory_size = 16u << 20 } },
        { .usable = true, .caps = { .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, .memory_size = 4u << 20 } },
        { .usable = true, .caps = { .type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU, .memory_size = 8u << 20 } },
        { .usable = true, .caps = { .type = VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU, .memory_size = 32u << 20 } },
    };
    static const int order[] = { 3, 2, 1, 4, 0 };
    const struct vkd_log log = { .fn = gpu_log };
    int index;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
        ck_assert_int_eq(vkd__device_select(&log, NULL, rows, 5, &index), VKD_OK);
        ck_assert_int_eq(index, order[i]);
        rows[index].usable = false;
    }
    ck_assert_int_eq(vkd__device_select(&log, NULL, rows, 5, &index), VKD_UNSUPPORTED);
}
END_TEST

START_TEST(refuses_a_wrong_selector)
{
    static const char *const wrong[] = { "no such device", "999", "ffffffffffff" };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct vkd_device_params p = gpu_params();
        vkd_device *none = NULL;
        p.selector = wrong[i];
        unsigned before = gpu_errors;
        ck_assert_int_eq(vkd_device_create(&p, &none), VKD_INVALID);
        ck_assert_ptr_null(none);
        ck_assert_uint_ge(gpu_errors - before, 2);      // the complaint, then the devices there are
    }
    struct vkd_device_row rows[2] = { { .caps = { .name = "Big GPU 1" } }, { .caps = { .name = "big gpu 2" } } };
    const struct vkd_log quiet = { 0 };
    int index = -1;
    ck_assert_int_eq(vkd__device_select(&quiet, "BIG", rows, 2, &index), VKD_INVALID);
    ck_assert_int_eq(vkd__device_select(&quiet, "GPU 2", rows, 2, &index), VKD_OK);
    ck_assert_int_eq(index, 1);
    ck_assert_int_eq(vkd__device_select(&quiet, NULL, rows, 2, &index), VKD_UNSUPPORTED);
    rows[0].usable = rows[1].usable = true;
    rows[0].caps.type = VK_PHYSICAL_DEVICE_TYPE_CPU;
    rows[1].caps.type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    ck_assert_int_eq(vkd__device_select(&quiet, NULL, rows, 2, &index), VKD_OK);
    ck_assert_int_eq(index, 1);
    rows[0].caps.type = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
    ck_assert_int_eq(vkd__device_select(&quiet, "", rows, 2, &index), VKD_OK);
    ck_assert_int_eq(index, 0);
}
END_TEST

START_TEST(publishes_features)
{
    uint32_t count = 0, required = 0;
    const struct vkd_feature *f = vkd_required_features(&count);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert(f[i].name && f[i].home && f[i].why);
        required += f[i].required;
    }
    ck_assert_uint_ge(required, 1);
}
END_TEST

// ---- Cooperative matrices of drivers that are not there ----

struct shape_of_khr {
    VkStructureType type;
    void *next;
    uint32_t m, n, k, a, b, c, result;
    VkBool32 saturating;
    uint32_t scope;
};
static uint32_t shapes_told;
static VkResult shapes_result;

static VKAPI_ATTR VkResult VKAPI_CALL tell_khr(VkPhysicalDevice d, uint32_t *count, struct shape_of_khr *rows)
{
    (void) d;
    uint32_t n = *count < shapes_told ? *count : shapes_told;
    for (uint32_t i = 0; i < n; i++)
        rows[i] = (struct shape_of_khr) { rows[i].type, NULL, 16, 8, 16 + i, 0, 0, 1, i ? 99 : 1, 0, i ? 2 : 3 };
    *count = n;
    return shapes_result < 0 ? shapes_result : n < shapes_told ? VK_INCOMPLETE : VK_SUCCESS;
}

static VKAPI_ATTR VkResult VKAPI_CALL tell_nv(VkPhysicalDevice d, uint32_t *count, VkCooperativeMatrixPropertiesNV *rows)
{
    (void) d;
    rows[0].MSize = rows[0].NSize = 16;
    rows[0].KSize = 8;
    rows[0].AType = rows[0].BType = VK_COMPONENT_TYPE_FLOAT16_NV;
    rows[0].CType = rows[0].DType = VK_COMPONENT_TYPE_FLOAT32_NV;
    rows[0].scope = VK_SCOPE_SUBGROUP_NV;
    *count = 1;
    return VK_SUCCESS;
}

static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_told(VkInstance inst, const char *name)
{
    (void) inst;
    if (strstr(name, "MatrixPropertiesKHR"))
        return (PFN_vkVoidFunction) tell_khr;
    return strstr(name, "MatrixPropertiesNV") ? (PFN_vkVoidFunction) tell_nv : NULL;
}

START_TEST(tells_matrix_shapes)
{
    struct vkd_matrix_shape *s = NULL;
    uint32_t count = 77;
    vkd_device *mine = gpu_open();
    PFN_vkGetInstanceProcAddr get = mine->inst->get;
    mine->inst->get = get_told;
    mine->facts.matrices = VKD__MATRICES_NONE;
    ck_assert_int_eq(vkd_device_matrices(mine, &s, &count), VKD_OK);
    ck_assert_uint_eq(count, 0);
    free(s);
    mine->facts.matrices = VKD__MATRICES_KHR;
    shapes_told = 2;
    ck_assert_int_eq(vkd_device_matrices(mine, &s, &count), VKD_OK);
    ck_assert_uint_eq(count, 2);
    ck_assert(s[0].m == 16 && s[0].n == 8 && s[0].k == 16 && s[0].subgroup && !s[1].subgroup && s[1].k == 17);
    ck_assert(!strcmp(s[0].a, "f16") && !strcmp(s[0].result, "f32") && !strcmp(s[1].result, "other"));
    free(s);
    shapes_told = 5000;                 // more than there is room for
    ck_assert_int_eq(vkd_device_matrices(mine, &s, &count), VKD_OK);
    ck_assert_uint_eq(count, 1024);
    free(s);
    s = NULL;
    shapes_result = VK_ERROR_INITIALIZATION_FAILED;
    ck_assert_int_eq(vkd_device_matrices(mine, &s, &count), VKD_UNSUPPORTED);
    ck_assert_ptr_null(s);
    mine->facts.matrices = VKD__MATRICES_NV;
    ck_assert_int_eq(vkd_device_matrices(mine, &s, &count), VKD_OK);
    ck_assert(count == 1 && s[0].m == 16 && s[0].k == 8 && !strcmp(s[0].c, "f32") && s[0].subgroup);
    free(s);
    mine->inst->get = get;
    gpu_close(&mine);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("devices");
    TCase *t = tcase_create("devices");
    tcase_set_timeout(t, 0);
    tcase_add_test(t, lists_and_selects);
    tcase_add_test(t, takes_a_gpu_first);
    tcase_add_test(t, refuses_a_wrong_selector);
    tcase_add_test(t, publishes_features);
    tcase_add_test(t, tells_matrix_shapes);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
