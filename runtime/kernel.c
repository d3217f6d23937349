// kernel.c -- pipelines, made on first use and kept by name, specialisation and subgroup size.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <shader_table.h>

#include "internal.h"

// ---- What a module needs of the device --------------------------------------------------------

enum need { NEED_NOTHING, NEED_F16_STORAGE, NEED_F16_ARITHMETIC, NEED_INT8, NEED_INT64, NEED_SUBGROUP };

// The capabilities vkdiv's shaders may declare (SPIR-V specification, section 3.31).
static const struct capability {
    uint32_t id;
    const char *name;
    enum need need;
    VkSubgroupFeatureFlags ops;
} capability_table[] = {
    { 0, "Matrix", NEED_NOTHING, 0 },
    { 1, "Shader", NEED_NOTHING, 0 },
    { 9, "Float16", NEED_F16_ARITHMETIC, 0 },
    { 11, "Int64", NEED_INT64, 0 },
    { 39, "Int8", NEED_INT8, 0 },
    { 46, "SampledBuffer", NEED_NOTHING, 0 },
    { 50, "ImageQuery", NEED_NOTHING, 0 },
    { 61, "GroupNonUniform", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_BASIC_BIT },
    { 62, "GroupNonUniformVote", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_VOTE_BIT },
    { 63, "GroupNonUniformArithmetic", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_ARITHMETIC_BIT },
    { 64, "GroupNonUniformBallot", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_BALLOT_BIT },
    { 65, "GroupNonUniformShuffle", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_SHUFFLE_BIT },
    { 66, "GroupNonUniformShuffleRelative", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_SHUFFLE_RELATIVE_BIT },
    { 67, "GroupNonUniformClustered", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_CLUSTERED_BIT },
    { 68, "GroupNonUniformQuad", NEED_SUBGROUP, VK_SUBGROUP_FEATURE_QUAD_BIT },
    { 4433, "StorageBuffer16BitAccess", NEED_F16_STORAGE, 0 },
};

static vkd_result check_capability(vkd_device *dev, const char *name, uint32_t id)
{
    for (size_t i = 0; i < sizeof(capability_table) / sizeof(capability_table[0]); i++) {
        const struct capability *c = &capability_table[i];
        if (c->id != id)
            continue;
        if ((c->need == NEED_F16_STORAGE && !dev->caps.f16_storage)
            || (c->need == NEED_F16_ARITHMETIC && !dev->caps.f16_arithmetic)
            || (c->need == NEED_INT8 && !dev->caps.int8) || (c->need == NEED_INT64 && !dev->caps.int64)
            || (dev->facts.subgroup_ops & c->ops) != c->ops)
            return vkd__fail(dev, VKD_UNSUPPORTED, "kernel %s needs the capability %s, which %.64s lacks or the "
                             "application did not enable", name, c->name, dev->caps.name);
        return VKD_OK;
    }
    return vkd__fail(dev, VKD_UNSUPPORTED, "kernel %s needs SPIR-V capability %u, which vkdiv never enables", name, id);
}

static vkd_result check_module(vkd_device *dev, const char *name, const struct vkd__module *m)
{
    const struct vkd_caps *caps = &dev->caps;
    for (uint32_t i = 0; i < m->capability_count; i++) {
        vkd_result result = check_capability(dev, name, m->capabilities[i]);
        if (result != VKD_OK)
            return result;
    }
    uint64_t invocations = 1;
    for (int i = 0; i < 3; i++) {
        invocations *= m->local_size[i];
        if (m->local_size[i] > caps->local_size_max[i] || invocations > caps->invocations_max)
            return vkd__fail(dev, VKD_UNSUPPORTED, "kernel %s has workgroups of %u x %u x %u, %.64s allows %u x %u x "
                             "%u and %u in all", name, m->local_size[0], m->local_size[1], m->local_size[2], caps->name,
                             caps->local_size_max[0], caps->local_size_max[1], caps->local_size_max[2],
                             caps->invocations_max);
    }
    uint32_t bindings = 0;
    for (uint32_t i = 0; i < m->binding_count; i++)
        bindings += m->bindings[i].kind == VKD__BINDING_STORAGE;
    if (bindings > caps->bindings_max)
        return vkd__fail(dev, VKD_UNSUPPORTED, "kernel %s has %u storage bindings, %.64s allows %u", name, bindings,
                         caps->name, caps->bindings_max);
    if (m->shared_size > caps->shared_size_max)
        return vkd__fail(dev, VKD_UNSUPPORTED, "kernel %s uses %u bytes of shared memory, %.64s has %u", name,
                         m->shared_size, caps->name, caps->shared_size_max);
    if (m->push_size > caps->push_size_max)
        return vkd__fail(dev, VKD_UNSUPPORTED, "kernel %s has %u bytes of push constants, %.64s allows %u", name,
                         m->push_size, caps->name, caps->push_size_max);
    return VKD_OK;
}

// ---- Pipelines --------------------------------------------------------------------------------

static void kernel_free(vkd_device *dev, vkd_kernel *k)
{
    dev->vk.vkDestroyPipeline(dev->handle, k->pipeline, dev->host_memory);
    dev->vk.vkDestroyPipelineLayout(dev->handle, k->layout, dev->host_memory);
    dev->vk.vkDestroyDescriptorSetLayout(dev->handle, k->set_layout, dev->host_memory);
    free(k);
}

static vkd_result create_layout(vkd_device *dev, vkd_kernel *k)
{
    vkd_result result = VKD_OK;
    VkDescriptorSetLayoutBinding bindings[VKD_BINDING_MAX];
    uint32_t count = 0;
    for (uint32_t i = 0; i < k->module.binding_count; i++) {
        uint8_t kind = k->module.bindings[i].kind;
        if (kind == VKD__BINDING_NONE)
            continue;
        bindings[count++] = (VkDescriptorSetLayoutBinding) {
            .binding = i,
            .descriptorType = kind == VKD__BINDING_TEXEL ? VK_DESCRIPTOR_TYPE_UNIFORM_TEXEL_BUFFER
                                                         : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
            .descriptorCount = 1,
            .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT,
        };
    }
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO,
        .bindingCount = count,
        .pBindings = bindings,
    };
    VK(dev, dev->vk.vkCreateDescriptorSetLayout(dev->handle, &set, dev->host_memory, &k->set_layout));
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1,
        .pSetLayouts = &k->set_layout,
        .pushConstantRangeCount = k->module.push_size > 0,
        .pPushConstantRanges = &(VkPushConstantRange) { VK_SHADER_STAGE_COMPUTE_BIT, 0, k->module.push_size },
    };
    VK(dev, dev->vk.vkCreatePipelineLayout(dev->handle, &layout, dev->host_memory, &k->layout));
fail:
    return result;
}

static vkd_result create_pipeline(vkd_device *dev, vkd_kernel *k, const uint32_t *words, size_t size)
{
    vkd_result result = VKD_OK;
    VkShaderModule module = VK_NULL_HANDLE;
    VkSpecializationMapEntry entries[VKD_SPEC_MAX];
    for (uint32_t i = 0; i < k->params.spec_count; i++)
        entries[i] = (VkSpecializationMapEntry) { i, 4 * i, 4 };
    VkSpecializationInfo spec = { k->params.spec_count, entries, 4 * k->params.spec_count, k->params.spec };
    VkPipelineShaderStageRequiredSubgroupSizeCreateInfo subgroup = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO,
        .requiredSubgroupSize = k->params.subgroup_size,
    };
    const uint32_t *local = k->module.local_size;
    uint32_t want = k->params.subgroup_size;
    bool pinned = want && !(want & (want - 1)) && dev->facts.subgroup_control && want >= dev->caps.subgroup_size_min
               && want <= dev->caps.subgroup_size_max
               && local[0] * local[1] * local[2] <= (uint64_t) want * dev->facts.subgroups_max;
    bool full = pinned && dev->facts.full_subgroups && local[0] % want == 0;
    VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO,
        .codeSize = size,
        .pCode = words,
    };
    VK(dev, dev->vk.vkCreateShaderModule(dev->handle, &code, dev->host_memory, &module));
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .flags = dev->compiler ? VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR : 0,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .pNext = pinned ? &subgroup : NULL,
            .flags = full ? VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT : 0,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT,
            .module = module,
            .pName = "main",
            .pSpecializationInfo = spec.mapEntryCount ? &spec : NULL,
        },
        .layout = k->layout,
    };
    VkResult vk = vkd__fault_refuses(dev->faults.pipeline, &dev->met.pipeline) ? VK_ERROR_OUT_OF_DEVICE_MEMORY
        : dev->vk.vkCreateComputePipelines(dev->handle, dev->cache, 1, &info, dev->host_memory, &k->pipeline);
    if (vk < 0) {
        result = vkd__vk_failed(dev, vk, "CreateComputePipelines", __FILE__, __LINE__);
        if (result == VKD_UNSUPPORTED)
            result = vkd__fail(dev, result, "kernel %s: the driver of %.64s refused it: %s (%d)", k->name,
                               dev->caps.name, vkd__vk_text(vk), (int) vk);
        goto fail;
    }
    dev->stats.pipelines++;
fail:
    dev->vk.vkDestroyShaderModule(dev->handle, module, dev->host_memory);
    return result;
}

static bool same(const struct vkd_kernel_params *a, const struct vkd_kernel_params *b)
{
    return a->spec_count == b->spec_count && a->subgroup_size == b->subgroup_size && !strcmp(a->name, b->name)
        && !memcmp(a->spec, b->spec, a->spec_count * sizeof(*a->spec));
}

vkd_result vkd_kernel_get(vkd_device *dev, const struct vkd_kernel_params *p, vkd_kernel **out)
{
    vkd_kernel *k = NULL;
    vkd_result result;
    char why[128];
    size_t size = 0;
    TRY(vkd__device_check(dev));
    if (!p->name || strlen(p->name) >= sizeof(k->name) || p->spec_count > VKD_SPEC_MAX)
        return vkd__fail(dev, VKD_INVALID, "vkd_kernel_get: a name of at most %d characters and at most %d "
                         "specialisation constants are needed", (int) sizeof(k->name) - 1, VKD_SPEC_MAX);
    for (uint32_t i = 0; i < dev->kernel_count; i++) {
        if (same(&dev->kernels[i]->params, p)) {
            *out = dev->kernels[i];
            return VKD_OK;
        }
    }
    const uint32_t *words = vkd__shader_find(p->name, &size);
    if (!words)
        return vkd__fail(dev, VKD_INVALID, "there is no kernel called '%s': a kernel is named by its shader's stem and "
                         "variant, \"stem\" or \"stem.variant\"", p->name);
    k = calloc(1, sizeof(*k));
    if (!k || !vkd__reserve(&dev->kernels, &dev->kernel_capacity, dev->kernel_count + 1, sizeof(*dev->kernels))) {
        free(k);
        return vkd__fail(dev, VKD_NO_MEMORY, "kernel %s: out of host memory", p->name);
    }
    snprintf(k->name, sizeof(k->name), "%s", p->name);
    k->params = *p;
    k->params.name = k->name;
    result = vkd__spirv_read(words, size, p->spec, p->spec_count, &k->module, why, sizeof(why));
    if (result != VKD_OK) {
        result = vkd__fail(dev, result, "kernel %s: %s", p->name, why);
        goto fail;
    }
    TRY(check_module(dev, k->name, &k->module));
    TRY(create_layout(dev, k));
    TRY(create_pipeline(dev, k, words, size));
    dev->kernels[dev->kernel_count++] = k;
    *out = k;
    return VKD_OK;

fail:
    if (k)
        kernel_free(dev, k);
    return result;
}

void vkd__kernels_finish(vkd_device *dev)
{
    for (uint32_t i = 0; i < dev->kernel_count; i++)
        kernel_free(dev, dev->kernels[i]);
    free(dev->kernels);
    dev->kernels = NULL;
    dev->kernel_count = 0;
}
