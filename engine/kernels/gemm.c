// gemm.c -- chooses a matrix kernel and its splitting by a static rule.
#include "gemm.h"

#include "pc_gemm.h"
#include "pc_sum_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    K_PER_PART = 16384,     // at most 4096 rounds of 4 in one invocation
    K_PER_PART_MIN = 256,   // shorter parts cost more in summing than they gain
    PARTS_SIZE_MAX = 64 << 20,
    PANEL_GROUPS = 8,       // fewer workgroups leave cores idle
};

void vkd__plan_fail(struct vkd_plan *p, vkd_result r, const char *format, ...)
{
    if (p->result < 0)
        return;
    p->result = r;
    va_list args;
    va_start(args, format);
    vsnprintf(p->error, sizeof(p->error), format, args);
    va_end(args);
}

struct vkd_slot vkd__slot_part(struct vkd_slot s, uint64_t ofs, uint64_t size)
{
    s.ofs += ofs;
    s.size = size;
    return s;
}

static uint64_t gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

static uint32_t binding_align(const struct vkd_caps *caps)
{
    return caps->storage_align > caps->texel_align ? caps->storage_align : caps->texel_align;
}

uint32_t vkd__rows_unit(const struct vkd_caps *caps, uint64_t row_size_a, uint64_t row_size_b)
{
    return (uint32_t) (binding_align(caps) / gcd(binding_align(caps), gcd(row_size_a, row_size_b)));
}

uint32_t vkd__rows_per_binding(const struct vkd_caps *caps, uint32_t rows, uint64_t row_size_a, uint64_t row_size_b)
{
    uint64_t largest = row_size_a > row_size_b ? row_size_a : row_size_b;
    uint64_t fit = caps->storage_range_max / largest;
    if (fit >= rows)
        return rows;
    uint32_t unit = vkd__rows_unit(caps, row_size_a, row_size_b);
    return (uint32_t) fit / unit * unit;
}

struct vkd_gemm_tile vkd__gemm_tile(const struct vkd_caps *caps, enum vkd_gemm_form form, enum vkd_dtype type, uint32_t n,
                                    uint64_t numel_a, uint64_t numel_b)
{
    static const char *const forms[] = { "nn", "nt", "tn", "tt", "forward", "dgrad", "wgrad" };
    struct vkd_gemm_tile t = { .m = 64, .n = 64 };
    if (!caps->cpu && caps->invocations_max >= 256) {
        snprintf(t.kernel, sizeof(t.kernel), "gemm_shared.%s.%s", forms[form], vkd__load_name(caps, false, type));
        return t;
    }
    bool texels = vkd__loads_texels(caps, numel_a > numel_b ? numel_a : numel_b);
    bool shuffle = texels && caps->subgroup_shuffle && caps->subgroup_size == 8;
    bool narrow = n <= 8;
    snprintf(t.kernel, sizeof(t.kernel), "gemm_register.%s.%s%s", forms[form],
             !shuffle ? "plain" : narrow ? "m8n8" : "m4n16", vkd__is_half(type) ? "_half" : "");
    if (shuffle && !narrow && caps->int64 && type == VKD_F32)
        snprintf(t.kernel, sizeof(t.kernel), "gemm_register.%s.wide", forms[form]);
    t.m = shuffle && narrow ? 64 : 32;
    t.n = shuffle && !narrow ? 16 : 8;
    t.subgroup_size = shuffle ? 8 : 0;
    return t;
}

// The variants of gemm_panel, which walks over all columns: how many k it sums up and how many rows a workgroup has.
static const struct panel { uint32_t k, m; const char *name; } panels[] = {
    { 32, 32, "k32" }, { 64, 32, "k64" }, { 128, 16, "k128" },
};

// NULL where it does not run or pay.
static const struct panel *panel_for(const struct vkd_caps *caps, const struct vkd_gemm *g, uint64_t numel)
{
    if (!caps->cpu || !caps->int64 || !caps->subgroup_shuffle || caps->subgroup_size != 8 || g->trans_a
        || g->type != VKD_F32 || !vkd__loads_texels(caps, numel))
        return NULL;
    for (size_t i = 0; i < sizeof(panels) / sizeof(panels[0]); i++) {
        if (g->k <= panels[i].k)
            return (uint64_t) g->batch * vkd__div_up(g->m, panels[i].m) >= PANEL_GROUPS ? &panels[i] : NULL;
    }
    return NULL;
}

uint32_t vkd__reduction_parts(const struct vkd_caps *caps, uint64_t tiles, uint32_t k, uint64_t part_size)
{
    uint32_t wanted = vkd__div_up(caps->cpu ? 16 : 512, (uint32_t) (tiles < 65535 ? tiles : 65535));
    uint32_t useful = k / K_PER_PART_MIN, needed = vkd__div_up(k, K_PER_PART);
    uint64_t bound = PARTS_SIZE_MAX / part_size;
    uint32_t parts = wanted < useful ? wanted : useful;
    if (parts > bound)
        parts = (uint32_t) bound;
    if (parts < needed)
        parts = needed;
    return parts ? parts : 1;
}

uint64_t vkd__part_stride(const struct vkd_caps *caps, uint64_t numel)
{
    uint64_t unit = binding_align(caps) > 16 ? binding_align(caps) / 4 : 4;
    return (numel + unit - 1) / unit * unit;
}

void vkd__gemm_spec(struct vkd_dispatch *d, enum vkd_dtype type, bool wide)
{
    if (!vkd__is_half(type))
        return;
    vkd__load_spec(d, type);
    d->spec[d->spec_count++] = wide;
}

void vkd__sum_parts(const struct vkd_call *c, struct vkd_plan *p, struct vkd_slot from, struct vkd_slot y,
                    enum vkd_dtype type, uint64_t numel, uint64_t stride, uint32_t parts)
{
    struct vkd_pc_sum_parts pc = { (uint32_t) (numel / 4), (uint32_t) (stride / 4), parts };
    const char *kernel = vkd__is_half(type) ? "sum_parts.buffer_half" : "sum_parts.buffer";
    struct vkd_dispatch *d = vkd__dispatch(p, kernel, &pc, sizeof(pc), 0, 0, 0);
    if (!d)
        return;
    vkd__load_spec(d, type);
    vkd__groups_1d(c, vkd__div_up(pc.count, 64), d->groups);
    vkd__bind(d, from);
    vkd__bind(d, y);
}

// One dispatch: rows [0, m) of C, parts of k summed up elsewhere.
static void product(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_gemm *g,
                    const struct vkd_gemm_tile *tile, uint32_t parts, uint32_t split)
{
    bool wide = parts > 1 || g->trans_a;
    struct vkd_pc_gemm pc = {
        .m = g->m, .n = g->n, .k = g->k,
        .tiles_n = vkd__div_up(g->n, tile->n),
        .lda = g->lda / 4, .ldb = g->ldb / 4, .ldc = g->ldc / 4,
        .batch = g->batch,
        .stride_a = g->stride_a / 4, .stride_b = g->stride_b / 4,
        .stride_c = (uint32_t) ((uint64_t) g->m * g->ldc / 4),
        .split = split,
    };
    struct vkd_dispatch *d = vkd__dispatch(p, tile->kernel, &pc, sizeof(pc), 0, 0, 0);
    if (!d)
        return;
    vkd__groups_1d(c, (uint64_t) vkd__div_up(g->m, tile->m) * pc.tiles_n, d->groups);
    d->groups[2] = g->batch * parts;
    d->subgroup_size = tile->subgroup_size;
    vkd__gemm_spec(d, g->type, wide);
    vkd__bind(d, g->a);
    vkd__bind(d, g->b);
    vkd__bind(d, g->c);
}

// Bytes of an element of each operand.
struct sizes { uint32_t a, b, c; };

static struct sizes sizes_of(const struct vkd_gemm *g)
{
    uint32_t size = vkd__dtype_size(g->type);
    return (struct sizes) { size, g->trans_a ? size : 4, g->trans_a ? 4 : size };
}

// The whole product when every operand fits one binding.
static void bounded(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_gemm *g, uint32_t scratch)
{
    uint64_t rows_a = g->trans_a ? g->k : g->m, rows_b = g->trans_b ? g->n : g->k;
    uint64_t numel_a = (uint64_t) (g->batch - 1) * g->stride_a + rows_a * g->lda;
    uint64_t numel_b = (uint64_t) (g->batch - 1) * g->stride_b + rows_b * g->ldb;
    uint64_t numel = (uint64_t) g->batch * g->m * g->ldc;
    struct sizes sizes = sizes_of(g);
    uint64_t size_a = numel_a * sizes.a, size_b = numel_b * sizes.b, limit = c->caps->storage_range_max;
    if (size_a > limit || size_b > limit || numel * sizes.c > limit) {
        vkd__plan_fail(p, VKD_UNSUPPORTED, "a matrix of %llu bytes exceeds the device's storage binding of %llu",
                       (unsigned long long) (size_a > size_b ? size_a : size_b), (unsigned long long) limit);
        return;
    }
    enum vkd_gemm_form form = g->trans_a ? g->trans_b ? VKD_GEMM_TT : VKD_GEMM_TN
                                         : g->trans_b ? VKD_GEMM_NT : VKD_GEMM_NN;
    struct vkd_gemm_tile tile = vkd__gemm_tile(c->caps, form, g->type, g->n, numel_a, numel_b);
    uint64_t tiles = (uint64_t) g->batch * vkd__div_up(g->m, tile.m) * vkd__div_up(g->n, tile.n);
    const struct panel *panel = panel_for(c->caps, g, numel_a > numel_b ? numel_a : numel_b);
    if (panel) {
        tile = (struct vkd_gemm_tile) { .m = panel->m, .n = vkd__pad4(g->n), .subgroup_size = 8 };
        snprintf(tile.kernel, sizeof(tile.kernel), "gemm_panel.%s.%s", g->trans_b ? "nt" : "nn", panel->name);
    }
    uint32_t parts = panel ? 1 : vkd__reduction_parts(c->caps, tiles, g->k, numel * 4);
    uint32_t split = vkd__pad4(vkd__div_up(g->k, parts));
    parts = vkd__div_up(g->k, split);

    struct vkd_gemm out = *g;
    if (parts > 1) {
        vkd__scratch(p, scratch, parts * numel * 4);
        out.c = vkd__slot_part(VKD_SCRATCH((uint8_t) scratch), 0, parts * numel * 4);
    }
    product(c, p, &out, &tile, parts, split);
    if (parts > 1)
        vkd__sum_parts(c, p, out.c, g->c, g->trans_a ? VKD_F32 : g->type, numel, numel, parts);
}

void vkd__gemm(const struct vkd_call *c, struct vkd_plan *p, const struct vkd_gemm *g, uint32_t scratch)
{
    struct vkd_gemm part = *g;
    if (!part.batch)
        part.batch = 1;
    // Rows of A and C in windows that a binding can hold.
    struct sizes sizes = sizes_of(g);
    uint64_t row_a = (uint64_t) g->lda * sizes.a, row_c = (uint64_t) g->ldc * sizes.c;
    uint32_t rows = g->trans_a ? g->m : vkd__rows_per_binding(c->caps, g->m, row_a, row_c);
    if (part.batch > 1 || rows == 0)
        rows = g->m;
    for (uint32_t begin = 0; begin < g->m; begin += rows) {
        part.m = g->m - begin < rows ? g->m - begin : rows;
        if (rows < g->m) {
            part.a = vkd__slot_part(g->a, begin * row_a, part.m * row_a);
            part.c = vkd__slot_part(g->c, begin * row_c, part.m * row_c);
        }
        bounded(c, p, &part, scratch);
    }
}
