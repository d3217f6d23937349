// profile.c -- limits and features of kinds of devices, to be tested where there is none of the kind.
#include <string.h>

#include "internal.h"

#define KIB ((uint64_t) 1 << 10)
#define MIB ((uint64_t) 1 << 20)
#define GIB ((uint64_t) 1 << 30)

// As drivers of these devices report them. `minimum` has as many bindings as vkdiv asks for: see struct vkd_limit.
static const struct vkd_profile profiles[] = {
    { .name = "minimum", .about = "what Vulkan 1.2 promises and no more, on a GPU",
      .invocations = 128, .local_size = { 128, 128, 64 }, .shared = 16 * KIB, .push = 128, .groups = { 65535, 65535, 65535 },
      .storage_range = 128 * MIB, .storage_align = 256, .texel_align = 256, .texels = 65536, .allocation = GIB,
      .buffer = GIB, .subgroup_size = 1, .bindings = VKD__STORAGE_BINDINGS },
    { .name = "maxwell", .about = "NVIDIA GM204: subgroups of 32 that cannot be chosen, no 16-bit arithmetic",
      .invocations = 1536, .local_size = { 1536, 1024, 64 }, .shared = 48 * KIB, .push = 256,
      .groups = { 2147483647, 65535, 65535 }, .storage_range = 4 * GIB - 1, .storage_align = 32, .texel_align = 16,
      .texels = 134217728, .allocation = 4 * GIB, .buffer = 4 * GIB, .subgroup_size = 32, .shuffle = true,
      .f16_storage = true, .timestamp_bits = 64, .bindings = 1048576 },
    { .name = "mali", .about = "Arm Mali-G76: 384 invocations, no shuffle, coarse alignment",
      .invocations = 384, .local_size = { 384, 384, 384 }, .shared = 32 * KIB, .push = 128,
      .groups = { 65535, 65535, 65535 }, .storage_range = 128 * MIB, .storage_align = 256, .texel_align = 256,
      .texels = 65536, .allocation = 2 * GIB, .buffer = 2 * GIB, .subgroup_size = 8, .f16_storage = true,
      .f16_arithmetic = true, .timestamp_bits = 64, .bindings = 35 },
    { .name = "adreno", .about = "Qualcomm Adreno 640: subgroups of 64, small bindings and views, timestamps of 48 bits",
      .invocations = 1024, .local_size = { 1024, 1024, 64 }, .shared = 32 * KIB, .push = 128,
      .groups = { 65535, 65535, 65535 }, .storage_range = 128 * MIB, .storage_align = 64, .texel_align = 64,
      .texels = 65536, .allocation = GIB, .buffer = GIB, .subgroup_size = 64, .shuffle = true, .f16_storage = true,
      .f16_arithmetic = true, .timestamp_bits = 48, .bindings = 24 },
    { .name = "moltenvk", .about = "Apple GPUs through Metal: subgroups of 64 by name, of 32 in fact",
      .invocations = 1024, .local_size = { 1024, 1024, 1024 }, .shared = 32 * KIB, .push = 4 * KIB,
      .groups = { 1073741824, 1073741824, 1073741824 }, .storage_range = 4 * GIB - 1, .storage_align = 16,
      .texel_align = 256, .texels = 67108864, .allocation = 4 * GIB, .buffer = 4 * GIB, .subgroup_size = 64,
      .shuffle = true, .f16_storage = true, .f16_arithmetic = true, .timestamp_bits = 64, .bindings = 31 },
};

const struct vkd_profile *vkd_profile_at(uint32_t index)
{
    return index < sizeof(profiles) / sizeof(profiles[0]) ? &profiles[index] : NULL;
}

const struct vkd_profile *vkd_profile_find(const char *name)
{
    for (uint32_t i = 0; vkd_profile_at(i); i++) {
        if (!strcmp(profiles[i].name, name))
            return &profiles[i];
    }
    return NULL;
}

static void lower(uint32_t *x, uint32_t most)
{
    if (*x > most)
        *x = most;
}

static void lower64(uint64_t *x, uint64_t most)
{
    if (*x > most)
        *x = most;
}

static void raise(uint32_t *x, uint32_t least)
{
    if (*x < least)
        *x = least;
}

void vkd__profile_apply(const struct vkd_profile *p, struct vkd_caps *caps, struct vkd__facts *facts)
{
    caps->cpu = false;
    caps->type = VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU;
    lower(&caps->invocations_max, p->invocations);
    for (uint32_t i = 0; i < 3; i++) {
        lower(&caps->local_size_max[i], p->local_size[i]);
        lower(&caps->group_count_max[i], p->groups[i]);
    }
    lower(&caps->shared_size_max, (uint32_t) p->shared);
    lower(&caps->push_size_max, p->push);
    lower(&caps->bindings_max, p->bindings);
    lower64(&caps->storage_range_max, p->storage_range);
    raise(&caps->storage_align, p->storage_align);
    raise(&caps->texel_align, p->texel_align);
    lower(&caps->texel_count_max, p->texels);
    lower64(&caps->allocation_max, p->allocation);
    lower64(&facts->buffer_size_max, p->buffer);
    caps->subgroup_size = p->subgroup_size;     // wrong, as some drivers are
    caps->subgroup_shuffle = caps->subgroup_shuffle && p->shuffle;
    if (!p->shuffle)
        facts->subgroup_ops &= VK_SUBGROUP_FEATURE_BASIC_BIT;
    facts->subgroup_control = facts->full_subgroups = false;
    caps->subgroup_size_min = caps->subgroup_size_max = 0;
    caps->f16_shuffle = caps->int8 = caps->int64 = false;
    caps->f16_storage = caps->f16_storage && p->f16_storage;
    caps->f16_arithmetic = caps->f16_arithmetic && p->f16_arithmetic;
    caps->matrices = false;
    facts->matrices = VKD__MATRICES_NONE;
    lower(&caps->timestamp_bits, p->timestamp_bits);
    if (!caps->timestamp_bits)
        caps->timestamp_ns = 0;
}
