// program_look.c -- looking into a program: the first tensor that is not finite, the time of each call.
#include "program_impl.h"
#include "../runtime/os.h"

#include <stdio.h>
#include <stdlib.h>

// Reads a tensor of real numbers back and looks for a NaN or an infinity: an exponent of ones alone.
static vkd_result range_finite(struct vkd_program *p, struct vkd_range range, enum vkd_dtype type, bool *finite)
{
    uint32_t *words = malloc(range.size), ones = type == VKD_F32 ? 0x7f800000 : type == VKD_F16 ? 0x7c00 : 0x7f80;
    if (!words)
        return VKD_NO_MEMORY;
    vkd_result r = vkd_buffer_read(p->dev, range.buffer, range.ofs, words, range.size);
    *finite = true;
    for (uint64_t i = 0; r == VKD_OK && i < range.size / 4; i++) {
        *finite &= (words[i] & ones) != ones;
        if (type != VKD_F32)
            *finite &= (words[i] >> 16 & ones) != ones;
    }
    free(words);
    return r;
}

// Looks at what call `sc` has just written; names the first tensor that is not finite.
static vkd_result check_outputs(struct vkd_program *p, const struct vkd_step_call *sc, char *text, size_t size)
{
    char name[160];
    vkd__call_name(sc, name, sizeof(name));
    uint32_t count = sc->backward ? sc->call.in_count : sc->call.out_count;
    for (uint32_t i = 0; i < count; i++) {
        struct vkd_place place = sc->backward ? sc->din[i] : sc->out[i];
        struct vkd_desc desc = sc->backward ? sc->call.in[i] : sc->call.out[i];
        if (place.kind == VKD_PLACE_NONE || !vkd__is_real(desc.dtype))
            continue;
        bool finite;
        vkd_result r = range_finite(p, vkd__place_range(p, place, desc), desc.dtype, &finite);
        if (r < 0)
            return r;
        if (!finite && place.kind == VKD_PLACE_GRAD)
            snprintf(text, size, "gradient of %s", p->graph->tensors[place.index]->name);
        else if (!finite)
            snprintf(text, size, "%s %s", sc->backward ? "input gradient in" : "output of", name);
        if (!finite)
            return VKD_OK;
    }
    return VKD_OK;
}

// Whether the run itself writes `t`, the gradient of an input.
static bool is_gradient(const vkd_graph *g, const struct vkd_tensor *t)
{
    for (uint32_t i = 0; i < g->tensor_count; i++)
        if (g->tensors[i]->grad == t)
            return true;
    return false;
}

// What a run starts from: inputs and parameters. Training does not read states, and a bad step has
// already spoilt them.
static vkd_result check_inputs(struct vkd_program *p, char *text, size_t size)
{
    for (uint32_t i = 0; i < p->graph->tensor_count && !text[0]; i++) {
        const struct vkd_tensor *t = p->graph->tensors[i];
        struct vkd_range range;
        bool finite;
        if ((t->kind != VKD_TENSOR_INPUT && t->kind != VKD_TENSOR_PARAM) || !vkd__is_real(t->desc.dtype) ||
            (p->training && t->param.state) || is_gradient(p->graph, t))
            continue;
        vkd_result r = vkd_program_range(p, t->name, &range);
        if (r == VKD_OK)
            r = range_finite(p, range, t->desc.dtype, &finite);
        if (r < 0)
            return r;
        if (!finite)
            snprintf(text, size, "%s %s", t->kind == VKD_TENSOR_INPUT ? "input" : "parameter", t->name);
    }
    return VKD_OK;
}

// Records call `k` alone, with stamps around it, and runs it.
static vkd_result run_alone(struct vkd_program *p, uint32_t k, vkd_commands *cmds)
{
    uint32_t dispatches = 0;
    uint64_t ticket;
    vkd_result r = vkd_commands_begin(cmds);
    if (r < 0)
        return r;
    vkd_commands_stamp(cmds, 0);
    r = vkd__record_call(p, &p->compiled.calls[k], cmds, &dispatches);
    vkd_commands_stamp(cmds, 1);
    vkd_result end = vkd_commands_end(cmds);
    if (r < 0 || end < 0)
        return r < 0 ? r : end;
    r = vkd_submit(p->dev, &cmds, 1, &ticket);
    return r == VKD_OK ? vkd_wait(p->dev, ticket, UINT64_MAX, NULL) : r;
}

vkd_result vkd_program_find_nonfinite(vkd_program *p, char *text, size_t size)
{
    vkd_commands *cmds = NULL;
    vkd_result r = vkd_commands_create(p->dev, &cmds);
    text[0] = 0;
    if (r == VKD_OK)
        r = check_inputs(p, text, size);
    for (uint32_t k = 0; r == VKD_OK && !text[0] && k < p->compiled.call_count; k++) {
        r = run_alone(p, k, cmds);
        if (r == VKD_OK)
            r = check_outputs(p, &p->compiled.calls[k], text, size);
    }
    vkd_commands_destroy(p->dev, &cmds);
    return r;
}

// ---- Profile ----

enum { REPEATS_MAX = 64 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static struct vkd_shape shape_of(const struct vkd_step_call *sc)
{
    for (uint32_t i = 0; sc->backward && i < sc->call.in_count; i++)
        if (sc->call.want >> i & 1)
            return sc->call.in[i].shape;
    return sc->call.out[0].shape;
}

vkd_result vkd_program_profile(vkd_program *p, uint32_t repeats,
                               void (*tell)(void *user, const char *name, struct vkd_shape shape, double seconds), void *user)
{
    vkd_commands *cmds = NULL;
    double times[REPEATS_MAX], pair[2];
    vkd_result r = vkd_commands_create(p->dev, &cmds);
    repeats = repeats < 1 ? 1 : repeats > REPEATS_MAX ? REPEATS_MAX : repeats;
    for (uint32_t k = 0; r == VKD_OK && k < p->compiled.call_count; k++) {
        const struct vkd_step_call *sc = &p->compiled.calls[k];
        char name[160];
        r = run_alone(p, k, cmds);
        for (uint32_t i = 0; r == VKD_OK && i < repeats; i++) {
            r = run_alone(p, k, cmds);
            if (r == VKD_OK)
                r = vkd_commands_times(cmds, pair, 2);
            times[i] = pair[1];
        }
        if (r < 0)
            break;
        qsort(times, repeats, sizeof(*times), by_value);
        vkd__call_name(sc, name, sizeof(name));
        tell(user, name, shape_of(sc), times[repeats / 2]);
    }
    vkd_commands_destroy(p->dev, &cmds);
    return r;
}

// ---- The times of a whole run ----

enum { TIMED_CALLS = 128 };     // of a list; a list has 256 stamps

// Runs calls [k, k + count) as one list. times[i] gets the seconds up to the end of call i by the GPU's clock,
// times[count] those that the host waited.
static vkd_result run_timed(struct vkd_program *p, uint32_t k, uint32_t count, vkd_commands *cmds, double *times)
{
    double stamps[TIMED_CALLS + 1];
    uint32_t dispatches = 0;
    uint64_t ticket;
    vkd_result r = vkd_commands_begin(cmds);
    if (r < 0)
        return r;
    vkd_commands_stamp(cmds, 0);
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        r = vkd__record_call(p, &p->compiled.calls[k + i], cmds, &dispatches);
        vkd_commands_stamp(cmds, i + 1);
    }
    vkd_result end = vkd_commands_end(cmds);
    if (r < 0 || end < 0)
        return r < 0 ? r : end;
    double start = vkd__os_seconds();
    r = vkd_submit(p->dev, &cmds, 1, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(p->dev, ticket, UINT64_MAX, NULL);
    times[count] = vkd__os_seconds() - start;
    if (r == VKD_OK)
        r = vkd_commands_times(cmds, stamps, count + 1);
    for (uint32_t i = 0; r == VKD_OK && i < count; i++)
        times[i] = stamps[i + 1];
    return r;
}

vkd_result vkd__program_time(vkd_program *p, void (*tell)(void *user, const vkd_program *p, uint32_t call, double seconds),
                             void *user)
{
    const uint32_t all = p->compiled.call_count;
    uint32_t most = vkd_device_caps(p->dev)->timestamp_bits ? TIMED_CALLS : 1;
    double times[TIMED_CALLS + 1];
    vkd_commands *cmds = NULL;
    vkd_result r = vkd_commands_create(p->dev, &cmds);
    for (uint32_t k = 0; r == VKD_OK && k < all; k += most) {
        uint32_t count = all - k < most ? all - k : most;
        r = run_timed(p, k, count, cmds, times);
        for (uint32_t i = 0; r == VKD_OK && most > 1 && i < count; i++)
            tell(user, p, k + i, times[i] - (i ? times[i - 1] : 0));
        if (r == VKD_OK)
            tell(user, p, most > 1 ? UINT32_MAX : k, most > 1 ? times[count] - times[count - 1] : times[count]);
    }
    vkd_commands_destroy(p->dev, &cmds);
    return r;
}
