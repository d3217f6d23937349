// matrix.c -- the cooperative matrices that a driver advertises. Vulkan headers of 2022 know NVIDIA's extension alone; what
// is needed of Khronos's stands here (specification, VK_KHR_cooperative_matrix).
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { SHAPES_MAX = 1024 };     // more would be nonsense

// VkCooperativeMatrixPropertiesKHR. Types are numbered as NVIDIA's.
struct shape_khr {
    VkStructureType sType;
    void *pNext;
    uint32_t m, n, k;
    uint32_t a, b, c, result;
    VkBool32 saturating;
    uint32_t scope;
};
static const VkStructureType shape_khr_type = (VkStructureType) 1000506001;
typedef VkResult (VKAPI_PTR *get_khr)(VkPhysicalDevice, uint32_t *, struct shape_khr *);

static const char *type_text(uint32_t type)
{
    static const char *const names[] = { "f16", "f32", "f64", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64" };
    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "other";
}

static vkd_result read_khr(const vkd_device *dev, get_khr get, struct vkd_matrix_shape *out, uint32_t *count)
{
    struct shape_khr *rows = calloc(SHAPES_MAX, sizeof(*rows));
    if (!rows)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < SHAPES_MAX; i++)
        rows[i].sType = shape_khr_type;
    VkResult vk = get(dev->physical, count, rows);      // VK_INCOMPLETE, above 0, fills what there is room for
    for (uint32_t i = 0; vk >= 0 && i < *count; i++)
        out[i] = (struct vkd_matrix_shape) {
            .m = rows[i].m, .n = rows[i].n, .k = rows[i].k, .a = type_text(rows[i].a), .b = type_text(rows[i].b),
            .c = type_text(rows[i].c), .result = type_text(rows[i].result), .subgroup = rows[i].scope == VK_SCOPE_SUBGROUP_NV,
        };
    free(rows);
    return vkd__vk_result(vk);
}

static vkd_result read_nv(const vkd_device *dev, PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesNV get,
                          struct vkd_matrix_shape *out, uint32_t *count)
{
    VkCooperativeMatrixPropertiesNV *rows = calloc(SHAPES_MAX, sizeof(*rows));
    if (!rows)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < SHAPES_MAX; i++)
        rows[i].sType = VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_NV;
    VkResult vk = get(dev->physical, count, rows);
    for (uint32_t i = 0; vk >= 0 && i < *count; i++)
        out[i] = (struct vkd_matrix_shape) {
            .m = rows[i].MSize, .n = rows[i].NSize, .k = rows[i].KSize, .a = type_text(rows[i].AType),
            .b = type_text(rows[i].BType), .c = type_text(rows[i].CType), .result = type_text(rows[i].DType),
            .subgroup = rows[i].scope == VK_SCOPE_SUBGROUP_NV,
        };
    free(rows);
    return vkd__vk_result(vk);
}

vkd_result vkd_device_matrices(vkd_device *dev, struct vkd_matrix_shape **shapes, uint32_t *count)
{
    struct vkd__instance *inst = dev->inst;
    bool khr = dev->facts.matrices == VKD__MATRICES_KHR;
    uint32_t n = SHAPES_MAX;
    PFN_vkVoidFunction get = NULL;
    if (dev->facts.matrices)
        get = inst->get(inst->handle, khr ? "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"
                                          : "vkGetPhysicalDeviceCooperativeMatrixPropertiesNV");
    struct vkd_matrix_shape *list = calloc(SHAPES_MAX, sizeof(*list));
    if (!list)
        return vkd__fail(dev, VKD_NO_MEMORY, "out of host memory");
    vkd_result r = VKD_OK;
    if (!get)
        n = 0;
    else
        r = khr ? read_khr(dev, (get_khr) get, list, &n)
                : read_nv(dev, (PFN_vkGetPhysicalDeviceCooperativeMatrixPropertiesNV) get, list, &n);
    if (r < 0) {
        free(list);
        return vkd__fail(dev, r, "%.64s does not tell its cooperative matrices", dev->caps.name);
    }
    *shapes = list;
    *count = n < SHAPES_MAX ? n : SHAPES_MAX;
    return VKD_OK;
}
