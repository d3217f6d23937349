// compile_gpu.c -- all pipelines of the shader table for one GPU, and what its driver says of them.
#include "compile_gpu.h"

#include <jansson.h>
#include <shader_table.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "runtime/internal.h"

// The statistics that are kept, by the drivers' names for them. Of a kernel's pipelines the worst counts.
static const struct statistic {
    const char *driver_name, *name;
    bool less_is_worse;
} statistics[] = {
    { "VGPRs", "vgprs", false },                // AMD
    { "SGPRs", "sgprs", false },
    { "Spilled VGPRs", "spills", false },
    { "Spilled SGPRs", "sgpr_spills", false },
    { "LDS size", "shared", false },
    { "Scratch size", "scratch", false },
    { "Subgroups per SIMD", "waves", true },
    { "Instruction Count", "instructions", false },     // Intel
    { "Spill Count", "spills", false },
    { "Scratch Memory Size", "scratch", false },
    { "Workgroup Memory Size", "shared", false },
};

enum { SPEC_SETS = 2, EXECUTABLE_MAX = 8, STATISTIC_MAX = 64 };

struct compiler {
    vkd_device *dev;
    FILE *out;
    char error[1024];           // the last logged
};

static void keep_error(void *user, enum vkd_log_level level, const char *text)
{
    struct compiler *c = user;
    if (level == VKD_LOG_ERROR)
        snprintf(c->error, sizeof(c->error), "%s", text);
}

// A line, seen by the reader at once: the process may not live on.
static void emit(struct compiler *c, json_t *line)
{
    json_dumpf(line, c->out, JSON_COMPACT);
    fputc('\n', c->out);
    fflush(c->out);
    json_decref(line);
}

static void keep_worst(json_t *row, const char *name, json_int_t value, bool less_is_worse)
{
    json_t *old = json_object_get(row, name);
    if (!old || (less_is_worse ? value < json_integer_value(old) : value > json_integer_value(old)))
        json_object_set_new(row, name, json_integer(value));
}

static json_int_t value_of(const VkPipelineExecutableStatisticKHR *s)
{
    switch (s->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR:  return s->value.b32;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR:   return s->value.i64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR:  return (json_int_t) s->value.u64;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR: return (json_int_t) s->value.f64;
    default:                                                  return 0;
    }
}

static void read_executable(struct compiler *c, VkPipeline pipeline, uint32_t index, json_t *row)
{
    VkPipelineExecutableInfoKHR info = {
        .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, .pipeline = pipeline, .executableIndex = index,
    };
    VkPipelineExecutableStatisticKHR rows[STATISTIC_MAX];
    uint32_t count = STATISTIC_MAX;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (VkPipelineExecutableStatisticKHR) {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR,
        };
    if (c->dev->vk.vkGetPipelineExecutableStatisticsKHR(c->dev->handle, &info, &count, rows) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t j = 0; j < sizeof(statistics) / sizeof(statistics[0]); j++) {
            const struct statistic *s = &statistics[j];
            if (!strcmp(rows[i].name, s->driver_name))
                keep_worst(row, s->name, value_of(&rows[i]), s->less_is_worse);
        }
    }
}

static void read_pipeline(struct compiler *c, VkPipeline pipeline, json_t *row)
{
    VkPipelineInfoKHR info = { .sType = VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, .pipeline = pipeline };
    VkPipelineExecutablePropertiesKHR rows[EXECUTABLE_MAX];
    uint32_t count = EXECUTABLE_MAX;
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (VkPipelineExecutablePropertiesKHR) {
            .sType = VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR,
        };
    if (c->dev->vk.vkGetPipelineExecutablePropertiesKHR(c->dev->handle, &info, &count, rows) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        keep_worst(row, "subgroup", rows[i].subgroupSize, true);
        read_executable(c, pipeline, i, row);
    }
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

// Why a kernel is not for this GPU, or NULL.
static const char *not_for(const struct compiler *c, const struct vkd__module *m)
{
    for (uint32_t i = 0; i < m->binding_count; i++) {
        if (m->bindings[i].kind == VKD__BINDING_TEXEL)
            return "CPU family";        // see vkd__loads_texels
    }
    for (uint32_t i = 0; i < m->capability_count; i++) {
        bool f16 = m->capabilities[i] == 9, storage = m->capabilities[i] == 4433;
        if ((f16 && !c->dev->caps.f16_arithmetic) || (storage && !c->dev->caps.f16_storage))
            return "no 16-bit floats";
        if (m->capabilities[i] == 39 && !c->dev->caps.int8)
            return "no 8-bit numbers";
    }
    return NULL;
}

// Under the constants' defaults, and with all of them 1: the constants are switches, and that turns everything on.
static json_t *compile(struct compiler *c, const char *name, uint32_t spec_count)
{
    json_t *row = json_pack("{s:s}", "kernel", name);
    double worst = 0;
    for (int set = 0; set < (spec_count ? SPEC_SETS : 1); set++) {
        struct vkd_kernel_params p = { .name = name };
        vkd_kernel *k = NULL;
        if (set) {
            p.spec_count = spec_count;
            for (uint32_t i = 0; i < spec_count; i++)
                p.spec[i] = 1;
        }
        double start = cpu_seconds();
        if (vkd_kernel_get(c->dev, &p, &k) != VKD_OK) {
            json_decref(row);
            return json_pack("{s:s, s:s}", "failed", name, "why", c->error);
        }
        double seconds = cpu_seconds() - start;
        worst = seconds > worst ? seconds : worst;
        read_pipeline(c, k->pipeline, row);
    }
    json_object_set_new(row, "seconds", json_real(worst));
    return row;
}

static void compile_table(struct compiler *c, uint32_t first)
{
    const char *name;
    for (uint32_t i = first; (name = vkd__shader_name(i)); i++) {
        struct vkd__module module;
        char why[128];
        size_t size = 0;
        const uint32_t *words = vkd__shader_find(name, &size);
        emit(c, json_pack("{s:i, s:s}", "begin", (int) i, "kernel", name));
        if (vkd__spirv_read(words, size, NULL, 0, &module, why, sizeof(why)) != VKD_OK) {
            emit(c, json_pack("{s:s, s:s}", "failed", name, "why", why));
            continue;
        }
        const char *reason = not_for(c, &module);
        emit(c, reason ? json_pack("{s:s, s:s}", "skip", name, "why", reason) : compile(c, name, module.spec_count));
    }
    emit(c, json_pack("{s:b}", "done", 1));
}

static PFN_vkGetPhysicalDeviceMemoryProperties2 ask_memory;

// AMD's driver without hardware crashes when it is asked what memory a GPU without memory of its own has left.
static VKAPI_ATTR void VKAPI_CALL ask_memory_alone(VkPhysicalDevice pd, VkPhysicalDeviceMemoryProperties2 *m)
{
    m->pNext = NULL;
    ask_memory(pd, m);
}

static vkd_result open_device(struct compiler *c)
{
    struct vkd__instance *inst = NULL;
    vkd_result r = vkd__instance_create(&(struct vkd_log) { .fn = keep_error, .user = c }, false, NULL, &inst);
    if (r != VKD_OK)
        return r;
    ask_memory = inst->vk.GetPhysicalDeviceMemoryProperties2;
    inst->vk.GetPhysicalDeviceMemoryProperties2 = ask_memory_alone;
    return vkd__compiler_create(inst, &c->dev);
}

bool compile_driver(const struct gpu *g, char *path, unsigned size)
{
    struct utsname machine;
    if (uname(&machine))
        return false;
    snprintf(path, size, "/usr/share/vulkan/icd.d/%s.%s.json", g->icd, machine.machine);
    return !access(path, R_OK);
}

int compile_gpu(const struct gpu *g, uint32_t first, FILE *out)
{
    struct compiler c = { .out = out };
    char icd[256];
    compile_driver(g, icd, sizeof(icd));
    setenv("VK_ICD_FILENAMES", icd, 1);
    setenv("VK_DRIVER_FILES", icd, 1);
    setenv("VK_LOADER_LAYERS_DISABLE", "~all~", 1);
    setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
    if (g->intel.name) {
        if (!intel_shim_present(&g->intel)) {
            emit(&c, json_pack("{s:s, s:s}", "failed", "device", "why", "no memory file for the device node"));
            return 1;
        }
    } else {
        setenv("RADV_FORCE_FAMILY", g->name, 1);
    }
    if (open_device(&c) != VKD_OK) {
        emit(&c, json_pack("{s:s, s:s}", "failed", "device", "why", c.error));
        return 1;
    }
    const struct vkd_caps *caps = &c.dev->caps;
    emit(&c, json_pack("{s:s, s:s, s:i}", "device", caps->name, "driver", caps->driver_info, "device_id",
                       (int) caps->device_id));
    compile_table(&c, first);
    vkd__compiler_destroy(&c.dev);
    return 0;
}
