// draw.c -- the applications' own drawing shader: its pipeline, its sets, its dispatch.
#include "host.h"

static const uint32_t words[] = {
#include "embed/draw.inc"
};

void host_draw_open(struct host *h)
{
    VkDescriptorSetLayoutBinding bindings[2];
    for (uint32_t i = 0; i < 2; i++)
        bindings[i] = (VkDescriptorSetLayoutBinding) { i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, NULL };
    VkDescriptorSetLayoutCreateInfo set = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = 2, .pBindings = bindings,
    };
    host_check(vkCreateDescriptorSetLayout(h->device, &set, NULL, &h->set_layout), "no set layout");
    VkPipelineLayoutCreateInfo layout = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
        .setLayoutCount = 1, .pSetLayouts = &h->set_layout, .pushConstantRangeCount = 1,
        .pPushConstantRanges = &(VkPushConstantRange) { VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(struct host_picture) },
    };
    host_check(vkCreatePipelineLayout(h->device, &layout, NULL, &h->layout), "no pipeline layout");
    VkShaderModule module;
    VkShaderModuleCreateInfo code = {
        .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = sizeof(words), .pCode = words,
    };
    host_check(vkCreateShaderModule(h->device, &code, NULL, &module), "no shader module");
    VkComputePipelineCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO,
        .stage = {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
            .stage = VK_SHADER_STAGE_COMPUTE_BIT, .module = module, .pName = "main",
        },
        .layout = h->layout,
    };
    host_check(vkCreateComputePipelines(h->device, VK_NULL_HANDLE, 1, &info, NULL, &h->draw), "no pipeline");
    vkDestroyShaderModule(h->device, module, NULL);
    VkDescriptorPoolCreateInfo pool = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 8, .poolSizeCount = 1,
        .pPoolSizes = &(VkDescriptorPoolSize) { VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 16 },
    };
    host_check(vkCreateDescriptorPool(h->device, &pool, NULL, &h->sets), "no descriptor pool");
}

void host_draw_close(struct host *h)
{
    vkDestroyDescriptorPool(h->device, h->sets, NULL);
    vkDestroyPipeline(h->device, h->draw, NULL);
    vkDestroyPipelineLayout(h->device, h->layout, NULL);
    vkDestroyDescriptorSetLayout(h->device, h->set_layout, NULL);
}

VkDescriptorSet host_draw_set(struct host *h, const struct host_buffer *images, VkDeviceSize images_at,
                              const struct host_buffer *labels, VkDeviceSize labels_at, uint32_t count, uint32_t size)
{
    VkDescriptorSet set;
    VkDescriptorSetAllocateInfo info = {
        .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
        .descriptorPool = h->sets, .descriptorSetCount = 1, .pSetLayouts = &h->set_layout,
    };
    host_check(vkAllocateDescriptorSets(h->device, &info, &set), "no descriptor set");
    const VkDescriptorBufferInfo ranges[2] = {
        { images->buffer, images_at, 16ull * count * size * size }, { labels->buffer, labels_at, 4ull * count },
    };
    VkWriteDescriptorSet write = {
        .sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET, .dstSet = set, .descriptorCount = 2,
        .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, .pBufferInfo = ranges,
    };
    vkUpdateDescriptorSets(h->device, 1, &write, 0, NULL);
    return set;
}

void host_draw(struct host *h, VkCommandBuffer cb, VkDescriptorSet set, const struct host_picture *p)
{
    vkCmdBindPipeline(cb, VK_PIPELINE_BIND_POINT_COMPUTE, h->draw);
    vkCmdBindDescriptorSets(cb, VK_PIPELINE_BIND_POINT_COMPUTE, h->layout, 0, 1, &set, 0, NULL);
    vkCmdPushConstants(cb, h->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(*p), p);
    vkCmdDispatch(cb, (p->size + 7) / 8, (p->size + 7) / 8, p->count);
}
