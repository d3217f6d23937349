// op_util.c -- what the files in engine/ops share: rejecting calls, appending dispatches.
#include "op.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool vkd__reject(struct vkd_call *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(c->error, sizeof(c->error), format, args);
    va_end(args);
    return false;
}

bool vkd__shape_same(struct vkd_call *c)
{
    c->out[0] = c->in[0];
    c->out_count = 1;
    return true;
}

struct vkd_dispatch *vkd__dispatch(struct vkd_plan *p, const char *kernel, const void *push, uint32_t push_size,
                                   uint32_t gx, uint32_t gy, uint32_t gz)
{
    if (p->result < 0)
        return NULL;
    if (p->count == p->capacity) {
        uint32_t capacity = p->capacity ? 2 * p->capacity : 8;
        struct vkd_dispatch *grown = realloc(p->dispatches, capacity * sizeof(*grown));
        if (!grown) {
            p->result = VKD_NO_MEMORY;
            snprintf(p->error, sizeof(p->error), "no host memory for %u dispatches", capacity);
            return NULL;
        }
        p->dispatches = grown;
        p->capacity = capacity;
    }
    struct vkd_dispatch *d = &p->dispatches[p->count++];
    memset(d, 0, sizeof(*d));
    snprintf(d->kernel, sizeof(d->kernel), "%s", kernel);
    d->groups[0] = gx;
    d->groups[1] = gy;
    d->groups[2] = gz;
    memcpy(d->push, push, push_size);
    d->push_size = push_size;
    return d;
}

void vkd__bind(struct vkd_dispatch *d, struct vkd_slot s)
{
    if (d)
        d->bind[d->bind_count++] = s;
}

void vkd__scratch(struct vkd_plan *p, uint32_t index, uint64_t size)
{
    if (size > p->scratch_size[index])
        p->scratch_size[index] = size;
}

void vkd__plan_finish(struct vkd_plan *p)
{
    free(p->dispatches);
    memset(p, 0, sizeof(*p));
}

void vkd__groups_1d(const struct vkd_call *c, uint64_t count, uint32_t groups[3])
{
    uint32_t max = c->caps ? c->caps->group_count_max[0] : 65535;
    uint32_t x = count < max ? (uint32_t) count : max;
    groups[0] = x;
    groups[1] = x ? vkd__div_up(count, x) : 0;
    groups[2] = 1;
}

bool vkd__loads_texels(const struct vkd_caps *caps, uint64_t numel)
{
    return caps->cpu && numel / 4 <= caps->texel_count_max;
}

const char *vkd__load_name(const struct vkd_caps *caps, bool texel, enum vkd_dtype t)
{
    if (vkd__is_half(t))
        return texel ? "texel_half" : "buffer_half";
    return !texel ? "buffer" : caps->int64 ? "wide" : "texel";
}

void vkd__load_spec(struct vkd_dispatch *d, enum vkd_dtype t)
{
    if (!d)
        return;
    d->spec[0] = t == VKD_BF16;
    d->spec_count = 1;
}

bool vkd__is_real(enum vkd_dtype t) { return t != VKD_U32; }

const char *vkd__dtype_name(enum vkd_dtype t)
{
    static const char *const names[] = { "f32", "f16", "u32", "bf16" };
    return names[t];
}
