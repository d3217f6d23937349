// intel_shim.c -- answers what Mesa's ANV and HASVK ask of the i915 kernel driver, for a GPU that is not there.
//
// The device node is a sparse file in memory under its name in /proc/self/fd: opening and mapping it need no help.
// Buffer n is the file's range [n << BUFFER_SHIFT, (n + 1) << BUFFER_SHIFT), so there is no table of buffers. Nothing
// ever runs, so every synchronisation object is signalled at any time.
#define _GNU_SOURCE     // memfd_create
#include "intel_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <i915_drm.h>
#include <xf86drm.h>

enum { BUFFER_SHIFT = 33, BUFFER_BITS = 17, VENDOR = 0x8086 };
static const uint64_t memory_size = 8ull << 30;

static const struct intel_gpu *gpu;
static struct stat node_stat;
static char node_path[32];
static atomic_uint last_handle;     // of buffers, contexts and synchronisation objects; 0 is none of them

bool intel_shim_present(const struct intel_gpu *g)
{
    int fd = memfd_create("intel", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, (off_t) 1 << (BUFFER_SHIFT + BUFFER_BITS)) || fstat(fd, &node_stat))
        return false;
    snprintf(node_path, sizeof(node_path), "/proc/self/fd/%d", fd);
    gpu = g;
    return true;
}

// ---- libdrm: the list of devices --------------------------------------------------------------

// drmFreeDevice frees one block.
struct device {
    drmDevice drm;
    drmPciBusInfo bus;
    drmPciDeviceInfo pci;
    char *nodes[DRM_NODE_MAX];
};

int drmGetDevice2(int fd, uint32_t flags, drmDevicePtr *out)
{
    (void) fd, (void) flags;
    struct device *d = gpu ? calloc(1, sizeof(*d)) : NULL;
    if (!d)
        return gpu ? -ENOMEM : -ENODEV;
    d->bus.bus = 2;
    d->pci = (drmPciDeviceInfo) {
        .vendor_id = VENDOR, .device_id = gpu->device_id,
        .subvendor_id = VENDOR, .subdevice_id = gpu->device_id, .revision_id = gpu->revision,
    };
    d->nodes[DRM_NODE_RENDER] = node_path;
    d->drm = (drmDevice) {
        .nodes = d->nodes, .available_nodes = 1 << DRM_NODE_RENDER, .bustype = DRM_BUS_PCI,
        .businfo.pci = &d->bus, .deviceinfo.pci = &d->pci,
    };
    *out = &d->drm;
    return 0;
}

int drmGetDevice(int fd, drmDevicePtr *out)
{
    return drmGetDevice2(fd, 0, out);
}

// Without a GPU to present there is no device: this program is about those that are not there.
int drmGetDevices2(uint32_t flags, drmDevicePtr *list, int max)
{
    if (!gpu)
        return 0;
    int error = list && max > 0 ? drmGetDevice2(-1, flags, &list[0]) : 0;
    return error ? error : 1;
}

int drmGetDevices(drmDevicePtr *list, int max)
{
    return drmGetDevices2(0, list, max);
}

void drmFreeDevice(drmDevicePtr *d)
{
    free(*d);
    *d = NULL;
}

void drmFreeDevices(drmDevicePtr *list, int count)
{
    for (int i = 0; list && i < count; i++)
        drmFreeDevice(&list[i]);
}

// ---- i915: what the GPU is --------------------------------------------------------------------

static int get_param(const struct drm_i915_getparam *p)
{
    switch (p->param) {
    case I915_PARAM_CHIPSET_ID:             *p->value = gpu->device_id; return 0;
    case I915_PARAM_REVISION:               *p->value = gpu->revision; return 0;
    case I915_PARAM_SUBSLICE_TOTAL:         *p->value = gpu->subslices; return 0;
    case I915_PARAM_EU_TOTAL:               *p->value = gpu->subslices * gpu->eus; return 0;
    case I915_PARAM_SLICE_MASK:             *p->value = 1; return 0;
    case I915_PARAM_SUBSLICE_MASK:          *p->value = (int) ((1ull << gpu->subslices) - 1); return 0;
    case I915_PARAM_CS_TIMESTAMP_FREQUENCY: *p->value = gpu->generation >= 11 ? 19200000 : 12000000; return 0;
    case I915_PARAM_HAS_LLC:                *p->value = !gpu->discrete; return 0;
    case I915_PARAM_MMAP_GTT_VERSION:       *p->value = 4; return 0;    // buffers are mapped by an offset
    case I915_PARAM_CMD_PARSER_VERSION:     *p->value = 10; return 0;
    case I915_PARAM_PERF_REVISION:          return -EINVAL;             // no performance counters
    default:                                *p->value = 1; return 0;    // "is ... there?"
    }
}

// One slice; bit masks of its subslices and of their execution units.
static int32_t topology(void *out)
{
    const uint16_t stride = (gpu->subslices + 7) / 8, eu_stride = (gpu->eus + 7) / 8;
    struct drm_i915_query_topology_info *t = out;
    if (t) {
        *t = (struct drm_i915_query_topology_info) {
            .max_slices = 1, .max_subslices = gpu->subslices, .max_eus_per_subslice = gpu->eus,
            .subslice_offset = 1, .subslice_stride = stride, .eu_offset = 1 + stride, .eu_stride = eu_stride,
        };
        t->data[0] = 1;
        for (uint32_t i = 0; i < gpu->subslices; i++) {
            t->data[1 + i / 8] |= (uint8_t) (1 << i % 8);
            for (uint32_t eu = 0; eu < gpu->eus; eu++)
                t->data[1 + stride + i * eu_stride + eu / 8] |= (uint8_t) (1 << eu % 8);
        }
    }
    return (int32_t) sizeof(*t) + 1 + stride + gpu->subslices * eu_stride;
}

static int32_t engines(void *out)
{
    struct drm_i915_query_engine_info *e = out;
    const uint32_t count = gpu->discrete && gpu->subslices >= 8 ? 3 : 2;    // Arc has an engine for compute
    static const uint16_t classes[] = { I915_ENGINE_CLASS_RENDER, I915_ENGINE_CLASS_COPY, 4 };
    if (e) {
        e->num_engines = count;
        for (uint32_t i = 0; i < count; i++)
            e->engines[i].engine.engine_class = classes[i];
    }
    return (int32_t) (sizeof(*e) + count * sizeof(e->engines[0]));
}

static int32_t regions(void *out)
{
    struct drm_i915_query_memory_regions *r = out;
    const uint32_t count = gpu->discrete ? 2 : 1;
    if (r) {
        r->num_regions = count;
        for (uint32_t i = 0; i < count; i++)
            r->regions[i] = (struct drm_i915_memory_region_info) {
                .region.memory_class = i ? I915_MEMORY_CLASS_DEVICE : I915_MEMORY_CLASS_SYSTEM,
                .probed_size = memory_size, .unallocated_size = memory_size,
                .probed_cpu_visible_size = memory_size, .unallocated_cpu_visible_size = memory_size,
            };
    }
    return (int32_t) (sizeof(*r) + count * sizeof(r->regions[0]));
}

// The first call of two asks for the size.
static void query(struct drm_i915_query_item *q)
{
    int32_t (*fill)(void *out) = NULL;
    if (gpu->generation >= 8
        && (q->query_id == DRM_I915_QUERY_TOPOLOGY_INFO || q->query_id == DRM_I915_QUERY_GEOMETRY_SUBSLICES))
        fill = topology;
    else if (q->query_id == DRM_I915_QUERY_ENGINE_INFO)
        fill = engines;
    else if (q->query_id == DRM_I915_QUERY_MEMORY_REGIONS)
        fill = regions;
    int32_t size = fill ? fill(NULL) : -EINVAL;
    if (fill && q->length >= size) {
        memset((void *) (uintptr_t) q->data_ptr, 0, (size_t) size);
        fill((void *) (uintptr_t) q->data_ptr);
    }
    q->length = fill && q->length && q->length < size ? -EINVAL : size;
}

static int context_param(struct drm_i915_gem_context_param *p)
{
    if (p->param != I915_CONTEXT_PARAM_GTT_SIZE)
        return -EINVAL;
    p->value = gpu->generation >= 8 ? 1ull << 48 : 1ull << 31;
    return 0;
}

// ---- i915: objects ----------------------------------------------------------------------------

static int new_handle(uint32_t *handle)
{
    *handle = atomic_fetch_add(&last_handle, 1) + 1;
    return *handle >> BUFFER_BITS ? -ENOMEM : 0;
}

static int new_buffer(uint64_t size, uint32_t *handle)
{
    return size >> BUFFER_SHIFT ? -ENOMEM : new_handle(handle);
}

static int version(struct drm_version *v)
{
    static const char name[] = "i915";
    if (v->name && v->name_len >= strlen(name))
        memcpy(v->name, name, strlen(name));
    v->version_major = 1;
    v->version_minor = 6;
    v->name_len = strlen(name);
    v->date_len = v->desc_len = 0;
    return 0;
}

static int capability(struct drm_get_cap *c)
{
    c->value = c->capability == DRM_CAP_PRIME ? DRM_PRIME_CAP_IMPORT | DRM_PRIME_CAP_EXPORT
             : c->capability == DRM_CAP_SYNCOBJ || c->capability == DRM_CAP_SYNCOBJ_TIMELINE;
    return 0;
}

// A negative errno, as in the kernel. Requests are told apart by their number: some have grown over the years.
static int answer(unsigned long request, void *p)
{
    switch (_IOC_NR(request)) {
    case _IOC_NR(DRM_IOCTL_VERSION):                    return version(p);
    case _IOC_NR(DRM_IOCTL_GET_CAP):                    return capability(p);
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_CREATE):             return new_handle(&((struct drm_syncobj_create *) p)->handle);
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_DESTROY):
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_WAIT):
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_RESET):
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_SIGNAL):
    case _IOC_NR(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT):
    case _IOC_NR(DRM_IOCTL_GEM_CLOSE):
    case _IOC_NR(DRM_IOCTL_I915_GEM_EXECBUFFER2):
    case _IOC_NR(DRM_IOCTL_I915_GEM_WAIT):
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_DESTROY):
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_SETPARAM):
    case _IOC_NR(DRM_IOCTL_I915_GEM_SET_CACHING):
    case _IOC_NR(DRM_IOCTL_I915_GEM_SET_DOMAIN):
    case _IOC_NR(DRM_IOCTL_I915_GET_RESET_STATS):
    case _IOC_NR(DRM_IOCTL_I915_REG_READ):              return 0;
    case _IOC_NR(DRM_IOCTL_I915_GETPARAM):              return get_param(p);
    case _IOC_NR(DRM_IOCTL_I915_QUERY): {
        struct drm_i915_query *q = p;
        for (uint32_t i = 0; i < q->num_items; i++)
            query((struct drm_i915_query_item *) (uintptr_t) q->items_ptr + i);
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_CREATE):    return new_handle(&((struct drm_i915_gem_context_create *) p)->ctx_id);
    case _IOC_NR(DRM_IOCTL_I915_GEM_CONTEXT_GETPARAM):  return context_param(p);
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE): {
        struct drm_i915_gem_create *c = p;
        return new_buffer(c->size, &c->handle);
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_CREATE_EXT): {
        struct drm_i915_gem_create_ext *c = p;
        return new_buffer(c->size, &c->handle);
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_USERPTR):           return new_handle(&((struct drm_i915_gem_userptr *) p)->handle);
    case _IOC_NR(DRM_IOCTL_I915_GEM_MMAP_OFFSET): {
        struct drm_i915_gem_mmap_offset *m = p;
        m->offset = (uint64_t) m->handle << BUFFER_SHIFT;
        return 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_SET_TILING):        return gpu->discrete ? -EOPNOTSUPP : 0;
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_TILING): {
        struct drm_i915_gem_get_tiling *t = p;
        t->tiling_mode = t->swizzle_mode = t->phys_swizzle_mode = 0;
        return gpu->discrete ? -EOPNOTSUPP : 0;
    }
    case _IOC_NR(DRM_IOCTL_I915_GEM_GET_APERTURE): {
        struct drm_i915_gem_get_aperture *a = p;
        a->aper_size = a->aper_available_size = memory_size;
        return 0;
    }
    default:
        return -EINVAL;
    }
}

// In place of libc's: requests on the device node are answered here, all others by the kernel.
int ioctl(int fd, unsigned long request, ...)
{
    struct stat st;
    va_list args;
    va_start(args, request);
    void *p = va_arg(args, void *);
    va_end(args);
    bool ours = gpu && _IOC_TYPE(request) == DRM_IOCTL_BASE && !fstat(fd, &st) && st.st_dev == node_stat.st_dev
             && st.st_ino == node_stat.st_ino;
    if (!ours)
        return (int) syscall(SYS_ioctl, fd, request, p);
    int error = answer(request, p);
    if (!error)
        return 0;
    errno = -error;
    return -1;
}
