// op_run.c -- runs one call of an op alone, with every byte around its tensors watched.
#include "op_run.h"
#include "step_block.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../runtime/os.h"

enum {
    FIRST_IN = 0,
    FIRST_OUT = FIRST_IN + VKD_MAX_IN,
    DOUT = FIRST_OUT + VKD_MAX_OUT,
    FIRST_DIN = DOUT + 1,
    FIRST_SCRATCH = FIRST_DIN + VKD_MAX_IN,
    STEP = FIRST_SCRATCH + VKD_MAX_SCRATCH,
    SPAN_COUNT,
    GUARD = 256,                // bytes between two tensors, at least
};

// Where a tensor lies; size 0 when the call has no such tensor.
struct span { uint64_t ofs, size; };

struct vkd__op_run {
    vkd_device *dev;
    struct vkd_call call;
    struct span spans[SPAN_COUNT];
    bool alias_out, alias_din;
    uint64_t size;
    vkd_buffer *buffer;
    uint8_t *image, *before;    // `size` bytes each
    struct vkd_plan plans[2];   // by enum vkd__op_pass
    vkd_commands *commands[2];
};

static int slot_span(enum vkd_slot_kind kind, uint32_t index)
{
    switch (kind) {
    case VKD_SLOT_IN:      return FIRST_IN + (int) index;
    case VKD_SLOT_OUT:     return FIRST_OUT + (int) index;
    case VKD_SLOT_DOUT:    return DOUT;
    case VKD_SLOT_DIN:     return FIRST_DIN + (int) index;
    case VKD_SLOT_SCRATCH: return FIRST_SCRATCH + (int) index;
    case VKD_SLOT_STEP:    return STEP;
    }
    return STEP;
}

static const char *span_name(int span, char text[48])
{
    static const char *const kinds[] = { "input", "output", "gradient of output", "gradient of input", "scratch",
                                         "step block" };
    static const int firsts[] = { FIRST_IN, FIRST_OUT, DOUT, FIRST_DIN, FIRST_SCRATCH, STEP };
    int kind = 0;
    while (kind < 5 && span >= firsts[kind + 1])
        kind++;
    snprintf(text, 48, "%s %d", kinds[kind], span - firsts[kind]);
    return text;
}

// ---- Plans ----

// May `pass` bind this slot at all? An op that reads more in backward than it declares would read
// freed memory in a program.
static bool may_bind(const struct vkd_call *c, enum vkd__op_pass pass, struct vkd_slot s)
{
    const struct vkd_op *op = c->op;
    uint32_t bit = 1u << s.index;
    bool forward = pass == VKD__OP_FORWARD;
    switch ((enum vkd_slot_kind) s.kind) {
    case VKD_SLOT_IN:      return s.index < c->in_count && (forward || (op->reads_in & bit));
    case VKD_SLOT_OUT:     return s.index < c->out_count && (forward || (op->reads_out & bit));
    case VKD_SLOT_DOUT:    return !forward && s.index == 0;
    case VKD_SLOT_DIN:     return !forward && (c->want & bit);
    case VKD_SLOT_SCRATCH: return s.index < VKD_MAX_SCRATCH;
    case VKD_SLOT_STEP:    return true;
    }
    return false;
}

static vkd_result check_dispatch(const struct vkd__op_run *run, enum vkd__op_pass pass, const struct vkd_dispatch *d)
{
    const struct vkd_caps *caps = run->call.caps;
    const struct vkd_log *log = vkd_device_log(run->dev);
    for (uint32_t i = 0; i < d->bind_count; i++) {
        struct vkd_slot s = d->bind[i];
        if (!may_bind(&run->call, pass, s)) {
            vkd_log_write(log, VKD_LOG_ERROR, "%s: binding %u of %s is a tensor (kind %u, index %u) that its %s pass "
                          "may not use; declare it in the op", run->call.op->name, i, d->kernel, s.kind, s.index,
                          pass ? "backward" : "forward");
            return VKD_INVALID;
        }
        uint64_t have = run->spans[slot_span(s.kind, s.index)].size;
        uint64_t size = s.size ? s.size : have - s.ofs;
        if (s.ofs >= have || size > have - s.ofs || size > caps->storage_range_max || s.ofs % caps->storage_align) {
            vkd_log_write(log, VKD_LOG_ERROR, "%s: binding %u of %s is bytes %" PRIu64 " + %" PRIu64 " of a tensor of %"
                          PRIu64 "; a binding holds at most %" PRIu64 " bytes at multiples of %u", run->call.op->name,
                          i, d->kernel, s.ofs, size, have, caps->storage_range_max, caps->storage_align);
            return VKD_INVALID;
        }
    }
    for (int i = 0; i < 3; i++) {
        if (d->groups[i] > caps->group_count_max[i]) {
            vkd_log_write(log, VKD_LOG_ERROR, "%s: %s wants %u workgroups in dimension %d, the device allows %u",
                          run->call.op->name, d->kernel, d->groups[i], i, caps->group_count_max[i]);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static vkd_result make_plan(struct vkd__op_run *run, enum vkd__op_pass pass)
{
    struct vkd_plan *p = &run->plans[pass];
    const struct vkd_op *op = run->call.op;
    if (pass == VKD__OP_FORWARD)
        op->forward(&run->call, p);
    else
        op->backward(&run->call, p);
    if (p->result < 0)
        vkd_log_write(vkd_device_log(run->dev), VKD_LOG_ERROR, "%s: %s", op->name, p->error);
    return p->result;
}

// ---- Layout ----

static void place(struct vkd__op_run *run, int span, uint64_t size)
{
    const struct vkd_caps *caps = vkd_device_caps(run->dev);
    uint64_t align = 256;
    while (align % caps->storage_align || align % caps->texel_align)
        align *= 2;
    uint64_t ofs = (run->size + GUARD + align - 1) / align * align;
    run->spans[span] = (struct span) { ofs, size };
    run->size = ofs + (size + 3) / 4 * 4;
}

static void layout(struct vkd__op_run *run, bool backward)
{
    const struct vkd_call *c = &run->call;
    for (uint32_t i = 0; i < c->in_count; i++)
        place(run, FIRST_IN + (int) i, vkd__desc_size(c->in[i]));
    for (uint32_t i = 0; i < c->out_count; i++) {
        if (i == 0 && run->alias_out)
            run->spans[FIRST_OUT] = run->spans[FIRST_IN];
        else
            place(run, FIRST_OUT + (int) i, vkd__desc_size(c->out[i]));
    }
    if (backward) {
        place(run, DOUT, vkd__desc_size(c->out[0]));
        for (uint32_t i = 0; i < c->in_count; i++) {
            if (!(c->want >> i & 1))
                continue;
            if (i == 0 && run->alias_din)
                run->spans[FIRST_DIN] = run->spans[DOUT];
            else
                place(run, FIRST_DIN + (int) i, vkd__desc_size(c->in[i]));
        }
    }
    for (int i = 0; i < VKD_MAX_SCRATCH; i++) {
        uint64_t a = run->plans[0].scratch_size[i], b = run->plans[1].scratch_size[i];
        if (a || b)
            place(run, FIRST_SCRATCH + i, a > b ? a : b);
    }
    place(run, STEP, sizeof(struct vkd_step_block));
    run->size += GUARD;
}

static void poison(uint8_t *p, uint64_t size)
{
    const uint32_t word = VKD__POISON;
    for (uint64_t i = 0; i + 4 <= size; i += 4)
        memcpy(p + i, &word, 4);
}

// ---- Recording ----

// A binding that ends with its tensor reaches into the guard band where limits let it: drivers that check bounds would hide
// what is written there.
static struct vkd_range slot_range(const struct vkd__op_run *run, struct vkd_slot s)
{
    const struct vkd_caps *caps = vkd_device_caps(run->dev);
    struct span t = run->spans[slot_span(s.kind, s.index)];
    uint64_t size = s.size ? s.size : t.size - s.ofs, wide = size + GUARD;
    bool ends = s.ofs + size == t.size && wide <= caps->storage_range_max && wide / 8 <= caps->texel_count_max;
    return (struct vkd_range) { run->buffer, t.ofs + s.ofs, ends ? wide : size };
}

static vkd_result record(struct vkd__op_run *run, enum vkd__op_pass pass)
{
    const struct vkd_plan *p = &run->plans[pass];
    vkd_result r = vkd_commands_create(run->dev, &run->commands[pass]);
    if (r < 0 || (r = vkd_commands_begin(run->commands[pass])) < 0)
        return r;
    for (uint32_t i = 0; i < p->count; i++) {
        const struct vkd_dispatch *d = &p->dispatches[i];
        if ((r = check_dispatch(run, pass, d)) < 0)
            return r;
        struct vkd_kernel_params kp = {
            .name = d->kernel, .spec_count = d->spec_count, .subgroup_size = d->subgroup_size,
        };
        memcpy(kp.spec, d->spec, sizeof(kp.spec));
        vkd_kernel *kernel;
        if ((r = vkd_kernel_get(run->dev, &kp, &kernel)) < 0)
            return r;
        struct vkd_range ranges[VKD_MAX_BIND];
        for (uint32_t j = 0; j < d->bind_count; j++)
            ranges[j] = slot_range(run, d->bind[j]);
        vkd_commands_dispatch(run->commands[pass], kernel, ranges, d->bind_count, d->push, d->push_size, d->groups);
    }
    return vkd_commands_end(run->commands[pass]);
}

vkd_result vkd__op_run_create(vkd_device *dev, const struct vkd__op_run_params *p, struct vkd__op_run **out)
{
    struct vkd__op_run *run = calloc(1, sizeof(*run));
    if (!run)
        return VKD_NO_MEMORY;
    run->dev = dev;
    run->call = *p->call;
    run->alias_out = p->alias_out;
    run->alias_din = p->alias_din;

    vkd_result r = make_plan(run, VKD__OP_FORWARD);
    if (r >= 0 && p->backward)
        r = make_plan(run, VKD__OP_BACKWARD);
    if (r < 0)
        goto fail;
    layout(run, p->backward);
    run->image = malloc(run->size);
    run->before = malloc(run->size);
    if (!run->image || !run->before) {
        vkd_log_write(vkd_device_log(dev), VKD_LOG_ERROR, "%s: no host memory for 2 images of %" PRIu64 " bytes",
                      run->call.op->name, run->size);
        r = VKD_NO_MEMORY;
        goto fail;
    }
    poison(run->image, run->size);
    if ((r = vkd_buffer_create(dev, run->size, VKD_MEMORY_DEVICE, &run->buffer)) < 0)
        goto fail;
    if ((r = record(run, VKD__OP_FORWARD)) < 0)
        goto fail;
    if (p->backward && (r = record(run, VKD__OP_BACKWARD)) < 0)
        goto fail;
    *out = run;
    return VKD_OK;
fail:
    vkd__op_run_destroy(&run);
    return r;
}

void vkd__op_run_destroy(struct vkd__op_run **run)
{
    if (!*run)
        return;
    struct vkd__op_run *o = *run;
    for (int i = 0; i < 2; i++) {
        vkd_commands_destroy(o->dev, &o->commands[i]);
        vkd__plan_finish(&o->plans[i]);
    }
    vkd_buffer_destroy(o->dev, &o->buffer);
    free(o->image);
    free(o->before);
    free(o);
    *run = NULL;
}

void *vkd__op_run_data(struct vkd__op_run *run, enum vkd_slot_kind kind, uint32_t index, uint64_t *size)
{
    struct span s = run->spans[slot_span(kind, index)];
    if (size)
        *size = s.size;
    return s.size ? run->image + s.ofs : NULL;
}

// ---- Running ----

// Does `pass` overwrite this tensor?
static bool writes(const struct vkd__op_run *run, enum vkd__op_pass pass, int span)
{
    const struct vkd_call *c = &run->call;
    if (span >= FIRST_SCRATCH && span < STEP)
        return true;
    if (pass == VKD__OP_BACKWARD)
        return (span >= FIRST_DIN && span < FIRST_SCRATCH) || (span == DOUT && run->alias_din);
    if (span < FIRST_OUT)
        return (c->training && (c->op->updates_in >> span & 1)) || (span == FIRST_IN && run->alias_out);
    return span < DOUT;
}

// Must `span` be poisoned before `pass`, that is: is it written and not also read?
static bool poisons(const struct vkd__op_run *run, enum vkd__op_pass pass, int span)
{
    if (!writes(run, pass, span) || span < FIRST_OUT || span == DOUT)
        return false;
    return !(span == FIRST_OUT && run->alias_out) && !(span == FIRST_DIN && run->alias_din);
}

static vkd_result run_once(struct vkd__op_run *run, enum vkd__op_pass pass)
{
    uint64_t ticket;
    vkd_result r = vkd_submit(run->dev, &run->commands[pass], 1, &ticket);
    return r < 0 ? r : vkd_wait(run->dev, ticket, UINT64_MAX, NULL);
}

// Compares everything that `pass` must leave alone with what it held before.
static vkd_result check_untouched(const struct vkd__op_run *run, enum vkd__op_pass pass)
{
    bool *may = calloc(run->size / 4 + 1, 1);
    if (!may)
        return VKD_NO_MEMORY;
    for (int s = 0; s < SPAN_COUNT; s++)
        if (writes(run, pass, s))
            memset(may + run->spans[s].ofs / 4, 1, (run->spans[s].size + 3) / 4);
    vkd_result r = VKD_OK;
    for (uint64_t i = 0; i < run->size / 4 && r >= 0; i++) {
        if (may[i] || !memcmp(run->image + 4 * i, run->before + 4 * i, 4))
            continue;
        int near = FIRST_IN;
        for (int s = 0; s < SPAN_COUNT; s++)
            if (run->spans[s].size && run->spans[s].ofs <= 4 * i && run->spans[s].ofs > run->spans[near].ofs)
                near = s;
        char name[48];
        vkd_log_write(vkd_device_log(run->dev), VKD_LOG_ERROR, "%s: the %s pass wrote to byte %" PRId64 " from the "
                      "start of %s, which has %" PRIu64 " bytes", run->call.op->name, pass ? "backward" : "forward",
                      (int64_t) (4 * i - run->spans[near].ofs), span_name(near, name), run->spans[near].size);
        r = VKD_INVALID;
    }
    free(may);
    return r;
}

vkd_result vkd__op_run_pass(struct vkd__op_run *run, enum vkd__op_pass pass)
{
    for (int s = 0; s < SPAN_COUNT; s++)
        if (poisons(run, pass, s))
            poison(run->image + run->spans[s].ofs, (run->spans[s].size + 3) / 4 * 4);
    memcpy(run->before, run->image, run->size);
    vkd_result r = vkd_buffer_write(run->dev, run->buffer, 0, run->image, run->size);
    if (r < 0 || (r = run_once(run, pass)) < 0)
        return r;
    if ((r = vkd_buffer_read(run->dev, run->buffer, 0, run->image, run->size)) < 0)
        return r;
    return check_untouched(run, pass);
}

vkd_result vkd__op_run_time(struct vkd__op_run *run, enum vkd__op_pass pass, uint32_t count, double *seconds)
{
    double start = vkd__os_seconds();
    for (uint32_t i = 0; i < count; i++) {
        vkd_result r = run_once(run, pass);
        if (r < 0)
            return r;
    }
    *seconds = (vkd__os_seconds() - start) / (count ? count : 1);
    return VKD_OK;
}
