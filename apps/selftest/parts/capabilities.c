// capabilities.c -- what the device does, measured, beside what its driver says it does.
#include "apps/selftest/work.h"

#include "op_check.h"
#include "runtime/os.h"
#include "shaders/pc_bench.h"
#include "shaders/pc_probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((uint64_t)1 << 20)

// A kernel's result, or NULL after a verdict. `missing` is said where the device lacks what the kernel needs.
static void *run_and_read(struct selftest_run *t, struct work *w, uint64_t size, const char *missing)
{
    void *data = malloc(size);
    vkd_buffer *y = NULL;
    vkd_result r = data != NULL ? work_buffer(t->dev, NULL, size, &y) : VKD_NO_MEMORY;
    w->buffers[w->buffer_count++] = y;
    if (r == VKD_OK)
        r = work_run(t->dev, w);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, y, 0, data, size);
    vkd_buffer_destroy(t->dev, &y);
    if (r == VKD_OK)
        return data;
    free(data);
    if (r == VKD_UNSUPPORTED && missing != NULL)
        selftest_say(t, SELFTEST_FALLBACK, "%s", missing);
    else
        selftest_ok(t, r, w->kernel.name);
    return NULL;
}

// ---- Subgroups ---------------------------------------------------------------------------------

// Invocations of the largest subgroup of some workgroups, and gl_SubgroupSize in them; 0 after a verdict.
static uint32_t ballot(struct selftest_run *t, uint32_t wanted, uint32_t *says)
{
    enum { GROUPS = 64, COUNT = 128 * GROUPS };
    struct work w = { .kernel = { .name = "probe_subgroup.ballot", .subgroup_size = wanted }, .groups = { GROUPS, 1, 1 } };
    uint32_t (*y)[4] = run_and_read(t, &w, COUNT * 16, "no ballot in compute shaders: how large subgroups are is not known, and "
                                    "no kernel depends on it"), most = 0, sum = 0;
    for (uint32_t i = 0; y != NULL && i < COUNT; i++) {
        most = y[i][0] > most ? y[i][0] : most;
        *says = y[i][1];
        sum += y[i][2] == 0 ? y[i][0] : 0;      // one invocation of each subgroup
    }
    if (y != NULL && (most == 0 || sum != COUNT)) {
        selftest_say(t, SELFTEST_FAIL, "the ballots of %d invocations count %u", COUNT, sum);
        most = 0;
    }
    free(y);
    return most;
}

static void subgroup(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    uint32_t says = 0, said = vkd_device_caps(t->dev)->subgroup_size, is = ballot(t, 0, &says);
    if (is == 0)
        return;
    selftest_number(t, "measured", is);
    selftest_number(t, "advertised", said);
    selftest_say(t, is == said ? SELFTEST_PASS : SELFTEST_FALLBACK, "%u invocations, advertised %u, gl_SubgroupSize %u%s", is, said,
                 says, is == said ? "" : ": kernels that would use it must ask for one size, which is probed below");
}

static void pinned(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    char text[128] = "";
    const uint32_t least = c->subgroup_size_min, most = c->subgroup_size_max;
    selftest_number(t, "least", least);
    selftest_number(t, "most", most);
    if (least == 0) {
        selftest_say(t, SELFTEST_FALLBACK, "none can be asked for, so kernels that need one are not used");
        return;
    }
    for (uint32_t want = least; want <= most; want *= 2) {
        uint32_t says = 0, is = ballot(t, want, &says);
        size_t used = strlen(text);
        if (is == 0)
            return;
        snprintf(text + used, sizeof text - used, "%s%u", used > 0 ? ", " : "", want);
        if (is != want || says != want) {
            selftest_say(t, SELFTEST_FAIL, "a kernel asks for %u invocations, which the device offers: it has %u by ballot, %u by "
                         "gl_SubgroupSize", want, is, says);
            return;
        }
    }
    selftest_say(t, SELFTEST_PASS, "a kernel that asks for %s invocations has as many", text);
}

// ---- Workgroups --------------------------------------------------------------------------------

static uint32_t shared_sum(uint32_t size, uint32_t l, uint32_t n, uint32_t g)
{
    uint32_t sum = 0;
    for (uint32_t k = l; k < size; k += n)
        sum += (31 * (size - 1 - k) + g) * (k + 1);
    return sum;
}

// Workgroups of `local` invocations that pass `size` words through shared memory.
static bool share(struct selftest_run *t, uint32_t local, uint32_t size)
{
    enum { GROUPS = 33 };
    struct work w = { .kernel = { .name = "probe_shared", .spec = { local, size }, .spec_count = 2 }, .groups = { GROUPS, 1, 1 } };
    uint32_t *y = run_and_read(t, &w, 4ull * GROUPS * local, NULL);
    bool good = y != NULL;
    for (uint32_t i = 0; good && i < GROUPS * local; i++)
        if (y[i] != shared_sum(size, i % local, local, i / local)) {
            selftest_say(t, SELFTEST_FAIL, "%u invocations, %u words of shared memory: number %u of group %u sums %u, expected "
                         "%u", local, size, i % local, i / local, y[i], shared_sum(size, i % local, local, i / local));
            good = false;
        }
    free(y);
    return good;
}

static void workgroups(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    uint32_t most = c->local_size_max[0] < c->invocations_max ? c->local_size_max[0] : c->invocations_max;
    const uint32_t sizes[] = { 1, 64, 96, 128, 256, most };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] <= most && !share(t, sizes[i], 1024))
            return;
    selftest_number(t, "invocations", most);
    selftest_say(t, most >= 256 ? SELFTEST_PASS : SELFTEST_FALLBACK, "up to %u invocations, and their barriers%s", most,
                 most >= 256 ? "" : ": kernels use 128 at most");
}

static void shared_memory(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    uint32_t bytes = vkd_device_caps(t->dev)->shared_size_max;
    if (!share(t, 64, 16384 / 4) || !share(t, 128, bytes / 4))
        return;
    selftest_number(t, "bytes", bytes);
    selftest_number(t, "advertised", bytes);
    selftest_say(t, SELFTEST_PASS, "%u bytes, all of them used; 16384 are guaranteed", bytes);
}

static void push_constants(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct vkd_pc_probe_push push;
    for (uint32_t i = 0; i < 32; i++)
        push.word[i] = 0x9e3779b9u * (i + 1);
    struct work w = { .kernel = { .name = "probe_push" }, .push = &push, .push_size = sizeof push, .groups = { 1, 1, 1 } };
    uint32_t *y = run_and_read(t, &w, sizeof push, NULL), most = vkd_device_caps(t->dev)->push_size_max;
    if (y != NULL && memcmp(y, push.word, sizeof push) != 0) {
        selftest_say(t, SELFTEST_FAIL, "128 bytes of push constants arrive as others");
    } else if (y != NULL) {
        selftest_number(t, "bytes", sizeof push);
        selftest_number(t, "advertised", most);
        selftest_say(t, SELFTEST_PASS, "128 bytes arrive; the device takes %u", most);
    }
    free(y);
}

// ---- Memory ------------------------------------------------------------------------------------

// Whether words of y from the first to the last are those written to x.
static bool copied(struct selftest_run *t, vkd_buffer *x, vkd_buffer *y, uint64_t size, const char *kernel)
{
    enum { PLACES = 33 };
    uint64_t places[PLACES];
    uint32_t push_count = (uint32_t)(size / 16), groups = (push_count + VKD_BENCH_GROUP - 1) / VKD_BENCH_GROUP;
    struct vkd_pc_bench push = { .count = push_count };
    uint32_t gx = groups < 32768 ? groups : 32768;
    struct work w = { .kernel = { .name = kernel }, .buffers = { x, y }, .buffer_count = 2, .push = &push, .push_size = sizeof push,
                      .groups = { gx, (groups + gx - 1) / gx, 1 } };
    for (uint32_t i = 0; i < PLACES; i++) {
        const uint32_t words[4] = { i + 1, ~i, 77 * i, 0x3f800000u };
        places[i] = (size - 16) / (PLACES - 1) * i / 16 * 16;
        places[i] = i + 1 == PLACES ? size - 16 : places[i];
        if (!selftest_ok(t, vkd_buffer_write(t->dev, x, places[i], words, 16), "writing a word"))
            return false;
    }
    if (!selftest_ok(t, work_run(t->dev, &w), kernel))
        return false;
    for (uint32_t i = 0; i < PLACES; i++) {
        uint32_t a[4], b[4];
        if (!selftest_ok(t, vkd_buffer_read(t->dev, x, places[i], a, 16), "reading a word") ||
            !selftest_ok(t, vkd_buffer_read(t->dev, y, places[i], b, 16), "reading a word"))
            return false;
        if (memcmp(a, b, 16) != 0) {
            selftest_say(t, SELFTEST_FAIL, "%s of %llu bytes: byte %llu is not copied", kernel, (unsigned long long)size,
                         (unsigned long long)places[i]);
            return false;
        }
    }
    return true;
}

// Two buffers of `size` bytes and a copy by `kernel`.
static bool copy_whole(struct selftest_run *t, uint64_t size, const char *kernel)
{
    vkd_buffer *x = NULL, *y = NULL;
    bool good = selftest_ok(t, vkd_buffer_create(t->dev, size, VKD_MEMORY_DEVICE, &x), "a buffer") &&
                selftest_ok(t, vkd_buffer_create(t->dev, size, VKD_MEMORY_DEVICE, &y), "a buffer") &&
                copied(t, x, y, size, kernel);
    vkd_buffer_destroy(t->dev, &y);
    vkd_buffer_destroy(t->dev, &x);
    return good;
}

// Bytes a probe may take of the device's memory, which on a CPU driver is also everyone else's.
static uint64_t may_take(const struct selftest_run *t)
{
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    uint64_t budget = c->memory_budget / 2, host = vkd__os_memory_free() / 2;
    return c->cpu && host > 0 && host < budget ? host : budget;
}

static void binding(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    uint64_t most = vkd_device_caps(t->dev)->storage_range_max, size = most, room = may_take(t) / 2;
    char text[24], limit[24];
    if (t->quick && size > 192 * MIB)
        size = 192 * MIB;
    size = (size < room ? size : room) / 16 * 16;
    if (!copy_whole(t, size, "bench_copy.buffer"))
        return;
    selftest_number(t, "bytes", (double)size);
    selftest_number(t, "advertised", (double)most);
    selftest_say(t, SELFTEST_PASS, "%s in one binding, to the last byte; the device allows %s", app_bytes(text, (double)size),
                 app_bytes(limit, (double)most));
}

static void texels(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    uint64_t most = vkd_device_caps(t->dev)->texel_count_max, count = most, room = may_take(t) / 2 / 16;
    if (count > 4 * MIB)
        count = 4 * MIB;
    count = count < room ? count : room;
    if (!copy_whole(t, count * 16, "bench_copy.texel"))
        return;
    selftest_number(t, "texels", (double)count);
    selftest_number(t, "advertised", (double)most);
    selftest_say(t, SELFTEST_PASS, "a view of %llu texels; the device allows %llu", (unsigned long long)count,
                 (unsigned long long)most);
}

// Buffers that are there at once, the first of them the largest that can be had. Each piece of all of them holds a word of
// its own.
struct hoard { vkd_buffer *buffers[256]; uint64_t sizes[256], bytes; uint32_t count; };
#define PIECE (4 * MIB)

static uint32_t word_of(uint64_t piece)
{
    return (uint32_t)(piece * 0x9e3779b9u + 0xc0ffee01u);
}

// Takes up to `room` bytes, as much in one buffer as there can be.
static vkd_result hoard_take(struct selftest_run *t, struct hoard *h, uint64_t room)
{
    uint64_t size = room, most = vkd_device_caps(t->dev)->allocation_max;
    size = (size < most ? size : most) / 4 * 4;
    while (h->count < 256 && size >= 16 * MIB && room - h->bytes >= 16 * MIB) {
        uint64_t left = (room - h->bytes) / 4 * 4;
        size = size < left ? size : left;
        vkd_result r = vkd_buffer_create(t->dev, size, VKD_MEMORY_DEVICE, &h->buffers[h->count]);
        if (r == VKD_OK) {
            h->sizes[h->count++] = size;
            h->bytes += size;
        } else if (r == VKD_NO_MEMORY) {
            size = size / 16 * 15 / 4 * 4;      // may be gone between the question and the answer, and drivers keep some
        } else {
            return r;
        }
    }
    return h->count > 0 ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result hoard_fill(struct selftest_run *t, const struct hoard *h)
{
    vkd_commands *cmds = NULL;
    uint64_t piece = 0, ticket = 0;
    vkd_result r = vkd_commands_create(t->dev, &cmds);
    for (uint32_t i = 0; r == VKD_OK && i < h->count; i++) {
        r = vkd_commands_begin(cmds);
        for (uint64_t at = 0; r == VKD_OK && at < h->sizes[i]; at += PIECE) {
            uint64_t left = h->sizes[i] - at;
            vkd_commands_fill(cmds, (struct vkd_range){ h->buffers[i], at, left < PIECE ? left : PIECE }, word_of(piece++));
        }
        if (r == VKD_OK)
            r = vkd_commands_end(cmds);
        if (r == VKD_OK)
            r = vkd_submit(t->dev, &cmds, 1, &ticket);
        if (r == VKD_OK)
            r = vkd_wait(t->dev, ticket, UINT64_MAX, NULL);
        selftest_at(t, "%u of %u buffers filled", i + 1, h->count);
    }
    vkd_commands_destroy(t->dev, &cmds);
    return r;
}

// Somewhere in each piece, and at both ends of each buffer. False after a verdict.
static bool hoard_holds(struct selftest_run *t, const struct hoard *h)
{
    uint64_t piece = 0;
    for (uint32_t i = 0; i < h->count; i++)
        for (uint64_t at = 0; at < h->sizes[i]; at += PIECE, piece++) {
            uint64_t left = h->sizes[i] - at, length = left < PIECE ? left : PIECE, ofs = word_of(piece) % (length / 4) * 4;
            uint32_t got = 0;
            ofs = at == 0 ? 0 : left <= PIECE ? length - 4 : ofs;
            if (!selftest_ok(t, vkd_buffer_read(t->dev, h->buffers[i], at + ofs, &got, 4), "reading a word"))
                return false;
            if (got != word_of(piece)) {
                selftest_say(t, SELFTEST_FAIL, "byte %llu of buffer %u of %u, of %llu bytes, holds %08x, expected %08x",
                             (unsigned long long)(at + ofs), i + 1, h->count, (unsigned long long)h->sizes[i], got, word_of(piece));
                return false;
            }
        }
    return true;
}

// The largest buffer that is really there, and beside it as many as the budget has room for.
static void allocation(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    enum { MOST_GIB = 64, QUICK_GIB = 1 };
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    uint64_t host = vkd__os_memory_free() / 2, room = c->memory_budget / 10 * 9;
    uint64_t most = (t->quick ? QUICK_GIB : MOST_GIB) * 1024 * MIB;
    char text[24], all[24], free[24];
    struct hoard h = { .count = 0 };
    room = c->cpu && host > 0 && host < room ? host : room;
    room = room < most ? room : most;
    if (selftest_ok(t, hoard_take(t, &h, room), "a buffer") && selftest_ok(t, hoard_fill(t, &h), "filling") && hoard_holds(t, &h)) {
        selftest_number(t, "bytes", (double)h.sizes[0]);
        selftest_number(t, "advertised", (double)c->allocation_max);
        selftest_number(t, "held_bytes", (double)h.bytes);
        selftest_say(t, SELFTEST_PASS, "%s in one buffer, %s in %u at once, where %s are free, and every %d MiB hold what was "
                     "written", app_bytes(text, (double)h.sizes[0]), app_bytes(all, (double)h.bytes), h.count,
                     app_bytes(free, (double)c->memory_budget), (int)(PIECE / MIB));
    }
    while (h.count > 0)
        vkd_buffer_destroy(t->dev, &h.buffers[--h.count]);
}

// ---- Clock and types ---------------------------------------------------------------------------

static vkd_result fma_seconds(struct selftest_run *t, const char *kernel, uint32_t turns, float *first, double *seconds)
{
    enum { GROUPS = 64 };
    struct vkd_pc_bench push = { .count = turns, .factor = 0.5f };
    vkd_buffer *y = NULL;
    vkd_result r = work_buffer(t->dev, NULL, 4 * 64 * GROUPS, &y);
    struct work w = { .kernel = { .name = kernel }, .buffers = { y }, .buffer_count = 1, .push = &push, .push_size = sizeof push,
                      .groups = { GROUPS, 1, 1 } };
    if (r == VKD_OK)
        r = work_run(t->dev, &w);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, y, 4 * 64 * GROUPS - 4, first, 4);
    vkd_buffer_destroy(t->dev, &y);
    *seconds = w.seconds;
    return r;
}

static void timestamps(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    const struct vkd_caps *c = vkd_device_caps(t->dev);
    double few = 0, many = 0;
    float y;
    if (c->timestamp_bits == 0) {
        selftest_say(t, SELFTEST_FALLBACK, "the queue has none: times are those of the host's clock");
        return;
    }
    for (int i = 0; i < 4; i++) {       // drivers may compile in the first; others may be interrupted
        double once;
        if (!selftest_ok(t, fma_seconds(t, "bench_fma.f32", 1, &y, &once), "bench_fma.f32"))
            return;
        few = i == 0 || once < few ? once : few;
    }
    double start = vkd__os_seconds();
    if (!selftest_ok(t, fma_seconds(t, "bench_fma.f32", 400, &y, &many), "bench_fma.f32"))
        return;
    double wall = vkd__os_seconds() - start;
    selftest_number(t, "tick_ns", c->timestamp_ns);
    if (few < 0 || many <= few || many > wall)
        selftest_say(t, SELFTEST_FAIL, "400 turns of a loop took %.3g s, one %.3g s, by a host's clock that saw %.3g s pass", many,
                     few, wall);
    else
        selftest_say(t, SELFTEST_PASS, "%u bits, %.3g ns a tick; they advance, and not faster than the host's clock",
                     c->timestamp_bits, c->timestamp_ns);
}

// What half_math's kernel makes of two numbers.
static float half_result(int op, float a, float b)
{
    const float all[VKD_PROBE_HALF_OPS] = { a + b, a - b, a * b, a * b + a, fminf(a, b), fmaxf(a, b), a < b ? 1 : 0, truncf(a) };
    return all[op];
}

// Pairs of whole numbers, and of eighths: all results are halves, but for 2048 + 1, which is 2048 in either rounding.
static void f16_arithmetic(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    enum { SIDE = 65, COUNT = 2 * SIDE * SIDE + 1, OPS = VKD_PROBE_HALF_OPS };
    static uint32_t x[COUNT];
    static float pairs[COUNT][2];
    struct vkd_pc_probe push = { .count = COUNT };
    if (!vkd_device_caps(t->dev)->f16_arithmetic) {
        selftest_say(t, SELFTEST_FALLBACK, "not advertised: arithmetic is f32, as in all kernels of training");
        return;
    }
    for (int i = 0; i < COUNT; i++) {
        float scale = i < SIDE * SIDE ? 1 : 0.125f;
        pairs[i][0] = i + 1 < COUNT ? scale * (float)(i / SIDE % SIDE - 32) : 2048;
        pairs[i][1] = i + 1 < COUNT ? scale * (float)(i % SIDE - 32) : 1;
        x[i] = op_half_from_double((double)pairs[i][0]) | (uint32_t)op_half_from_double((double)pairs[i][1]) << 16;
    }
    vkd_buffer *in = NULL;
    struct work w = { .kernel = { .name = "probe_half_math" }, .buffer_count = 1, .push = &push, .push_size = sizeof push,
                      .groups = { (COUNT + 63) / 64, 1, 1 } };
    bool made = selftest_ok(t, work_buffer(t->dev, x, sizeof x, &in), "a buffer");
    w.buffers[0] = in;
    float *y = made ? run_and_read(t, &w, 4ull * COUNT * OPS, NULL) : NULL;
    for (int i = 0; y != NULL && i < COUNT * OPS; i++) {
        float a = pairs[i / OPS][0], b = pairs[i / OPS][1], want = half_result(i % OPS, a, b);
        want = want == 2049 ? 2048 : want;
        if (y[i] != want)
            selftest_say(t, SELFTEST_FAIL, "operation %d of %g and %g gives %.9g, expected %g", i % OPS, (double)a, (double)b,
                         (double)y[i], (double)want);
    }
    if (y != NULL)
        selftest_say(t, SELFTEST_PASS, "advertised, and right: %d operations of %d pairs give exact results", OPS, COUNT);
    free(y);
    vkd_buffer_destroy(t->dev, &in);
}

static void f16_storage(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    enum { COUNT = 2048 };
    uint16_t x[COUNT];
    struct vkd_pc_probe push = { .count = COUNT };
    if (!vkd_device_caps(t->dev)->f16_storage) {
        selftest_say(t, SELFTEST_FALLBACK, "not advertised: halves are stored as pairs in words, which needs no feature");
        return;
    }
    for (uint32_t i = 0; i < COUNT; i++)
        x[i] = (uint16_t)(0x6400 + i % 1024 + (i < 1024 ? 0 : 0x8000));    // 1024 + i, and negative
    vkd_buffer *in = NULL;
    struct work w = { .kernel = { .name = "probe_half" }, .buffer_count = 1, .push = &push, .push_size = sizeof push,
                      .groups = { COUNT / 64, 1, 1 } };
    bool made = selftest_ok(t, work_buffer(t->dev, x, sizeof x, &in), "a buffer");
    w.buffers[0] = in;
    float *y = made ? run_and_read(t, &w, 4 * COUNT, NULL) : NULL;
    for (uint32_t i = 0; y != NULL && i < COUNT; i++) {
        double want = (i < 1024 ? 1 : -1) * (1024.0 + i % 1024);
        if ((double)y[i] != want)
            selftest_say(t, SELFTEST_FAIL, "half 0x%04x is read as %g, expected %g", x[i], (double)y[i], want);
    }
    if (y != NULL)
        selftest_say(t, SELFTEST_PASS, "advertised, and right; halves are stored as pairs in words all the same");
    free(y);
    vkd_buffer_destroy(t->dev, &in);
}

static void matrices(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    struct vkd_matrix_shape *shapes = NULL;
    uint32_t count = 0, halves = 0;
    char text[160] = "";
    selftest_at(t, "asking for the shapes");            // some drivers crash here
    if (!selftest_ok(t, vkd_device_matrices(t->dev, &shapes, &count), "the shapes of cooperative matrices"))
        return;
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_matrix_shape *s = &shapes[i];
        if (strcmp(s->a, "f16") != 0 || strcmp(s->result, "f32") != 0 || s->m == 0 || s->n == 0 || s->k == 0)
            continue;
        if (halves++ < 4)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u x %u x %u", halves > 1 ? ", " : "", s->m, s->n, s->k);
    }
    free(shapes);
    selftest_number(t, "shapes", count);
    if (count == 0)
        selftest_say(t, SELFTEST_PASS, "none advertised, and no kernel uses them");
    else
        selftest_say(t, SELFTEST_PASS, "%u shapes advertised, %u of f16 summed up in f32%s%s%s; no kernel uses them", count,
                     halves, halves > 0 ? " (" : "", text, halves > 4 ? ", ...)" : halves > 0 ? ")" : "");
}

static const struct selftest_probe probes[] = {
    { .name = "subgroup", .about = "invocations of a subgroup, by ballot", .run = subgroup },
    { .name = "subgroup_sizes", .about = "each size that a kernel can ask for, by ballot and by gl_SubgroupSize", .run = pinned },
    { .name = "workgroups", .about = "1 to as many invocations as are allowed, with barriers", .run = workgroups },
    { .name = "shared_memory", .about = "all of the shared memory", .run = shared_memory },
    { .name = "push_constants", .about = "128 bytes of push constants", .run = push_constants },
    { .name = "binding", .about = "the largest storage binding, to its last byte", .run = binding },
    { .name = "texels", .about = "texel views of many texels", .run = texels },
    { .name = "allocation", .about = "the largest buffer that is really there, and buffers up to the budget", .run = allocation },
    { .name = "timestamps", .about = "timestamps that advance, and not too fast", .run = timestamps },
    { .name = "f16_arithmetic", .about = "arithmetic of 16-bit floats", .run = f16_arithmetic },
    { .name = "f16_storage", .about = "16-bit floats in buffers", .run = f16_storage },
    { .name = "matrices", .about = "shapes of cooperative matrices, as advertised", .run = matrices },
};

const struct selftest_part selftest_part_capabilities = {
    .name = "capabilities", .title = "Capabilities, measured", .place = 20, .probes = probes,
    .count = sizeof probes / sizeof probes[0],
};
