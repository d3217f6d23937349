// traps.c -- what drivers are known to get wrong, each aimed at: barriers, long loops, 16-bit numbers, shuffles, random
// numbers, tails, extreme inputs.
#include "apps/selftest/work.h"

#include "engine/op_run.h"
#include "op_check.h"
#include "philox.h"
#include "shaders/pc_probe.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Barriers: a chain of dispatches, each of which reads what others wrote --------------------

enum { CHAIN = 5000, LINKS = 200, SUBMISSIONS = 10, SHIFT = CHAIN / 2 + 1 };

static void chain_on_host(uint32_t *x)
{
    static uint32_t y[CHAIN];
    for (uint32_t n = 0; n < LINKS * SUBMISSIONS; n++) {
        for (uint32_t i = 0; i < CHAIN; i++)
            y[i] = 3 * x[(i + SHIFT) % CHAIN] + i;
        memcpy(x, y, sizeof y);
    }
}

static vkd_result record_chain(vkd_device *dev, vkd_buffer *const ends[2], vkd_commands *cmds)
{
    const struct vkd_pc_probe push = { .count = CHAIN, .shift = SHIFT };
    vkd_kernel *kernel;
    vkd_result r = vkd_kernel_get(dev, &(struct vkd_kernel_params){ .name = "probe_chain" }, &kernel);
    if (r == VKD_OK)
        r = vkd_commands_begin(cmds);
    if (r != VKD_OK)
        return r;
    for (uint32_t n = 0; n < LINKS; n++)
        vkd_commands_dispatch(cmds, kernel, (struct vkd_range[]){ { ends[n % 2], 0, 0 }, { ends[(n + 1) % 2], 0, 0 } }, 2, &push,
                              sizeof push, (uint32_t[]){ (CHAIN + 63) / 64, 1, 1 });
    return vkd_commands_end(cmds);
}

static void barriers(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    static uint32_t x[CHAIN], got[CHAIN];
    vkd_buffer *ends[2] = { NULL, NULL };
    vkd_commands *cmds = NULL;
    uint64_t ticket = 0;
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < CHAIN; i++)
        x[i] = 7 * i + 1;
    vkd_result r = work_buffer(t->dev, x, sizeof x, &ends[0]);
    if (r == VKD_OK)
        r = work_buffer(t->dev, NULL, sizeof x, &ends[1]);
    if (r == VKD_OK)
        r = vkd_commands_create(t->dev, &cmds);
    if (r == VKD_OK)
        r = record_chain(t->dev, ends, cmds);
    for (int n = 0; r == VKD_OK && n < SUBMISSIONS; n++)
        r = vkd_submit(t->dev, &cmds, 1, &ticket);      // one upon the other, without a wait
    if (r == VKD_OK)
        r = vkd_wait(t->dev, ticket, UINT64_MAX, NULL);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, ends[0], 0, got, sizeof got);
    vkd_commands_destroy(t->dev, &cmds);
    vkd_buffer_destroy(t->dev, &ends[1]);
    vkd_buffer_destroy(t->dev, &ends[0]);
    if (!selftest_ok(t, r, "the chain"))
        return;
    chain_on_host(x);
    for (uint32_t i = 0; i < CHAIN; i++)
        wrong += got[i] != x[i];
    selftest_say(t, wrong > 0 ? SELFTEST_FAIL : SELFTEST_PASS, "%u of %d numbers wrong after %d dispatches in %d submissions, "
                 "each of which reads what other workgroups wrote in the one before", wrong, CHAIN, LINKS * SUBMISSIONS,
                 SUBMISSIONS);
}

// ---- Long loops --------------------------------------------------------------------------------

enum { NEEDED = 65000, LONG = 200000 };     // turns of all loops: kernels stay below the first; the second is tried

// Turns after which the generator begun with `from` is in state `to`, at most `most`; UINT32_MAX: never.
static uint32_t turns_to(uint32_t from, uint32_t to, uint32_t most)
{
    for (uint32_t n = 0; n <= most; n++) {
        if (from == to)
            return n;
        from = from * VKD_PROBE_LCG_MUL + VKD_PROBE_LCG_ADD;
    }
    return UINT32_MAX;
}

// The least number of turns that any invocation really makes of `turns`; UINT32_MAX after a verdict.
static uint32_t count_turns(struct selftest_run *t, uint32_t turns)
{
    enum { COUNT = 128 };
    uint32_t y[COUNT], least = turns;
    struct vkd_pc_probe push = { .count = turns };
    vkd_buffer *out = NULL;
    vkd_result r = work_buffer(t->dev, NULL, sizeof y, &out);
    struct work w = { .kernel = { .name = "probe_loop" }, .buffers = { out }, .buffer_count = 1, .push = &push,
                      .push_size = sizeof push, .groups = { COUNT / 64, 1, 1 } };
    if (r == VKD_OK)
        r = work_run(t->dev, &w);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, out, 0, y, sizeof y);
    vkd_buffer_destroy(t->dev, &out);
    if (!selftest_ok(t, r, "probe_loop"))
        return UINT32_MAX;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t n = turns_to(i, y[i], turns);
        if (n == UINT32_MAX) {
            selftest_say(t, SELFTEST_FAIL, "a loop of %u turns ends in a state that none of them has", turns);
            return UINT32_MAX;
        }
        least = n < least ? n : least;
    }
    return least;
}

static void loops(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    uint32_t needed = count_turns(t, NEEDED), most = needed == NEEDED ? count_turns(t, LONG) : UINT32_MAX;
    if (needed != UINT32_MAX && needed != NEEDED)
        selftest_say(t, SELFTEST_FAIL, "a loop of %d turns stops after %u, and kernels make as many", NEEDED, needed);
    if (most == UINT32_MAX)
        return;
    selftest_number(t, "turns", most);
    if (most == LONG)
        selftest_say(t, SELFTEST_PASS, "%d turns of a loop are %d", LONG, LONG);
    else
        selftest_say(t, SELFTEST_FALLBACK, "a loop of %d turns stops silently after %u, one of %d does not: kernels make no more",
                     LONG, most, NEEDED);
}

// ---- Numbers of 16 bits: all of them -----------------------------------------------------------

enum { HALVES = 65536 };

static float widened(enum vkd_dtype type, uint16_t h)
{
    return type == VKD_F16 ? op_half_to_float(h) : op_bfloat_to_float(h);
}

// Overflow and infinities besides what op_check's function does.
static uint16_t narrowed(enum vkd_dtype type, float v)
{
    if (type == VKD_BF16)
        return op_bfloat_from_double((double)v);
    if (fabsf(v) >= 65520)
        return (uint16_t)(signbit(v) ? 0xfc00 : 0x7c00);
    return op_half_from_double((double)v);
}

static bool same_half(enum vkd_dtype type, uint16_t a, uint16_t b)
{
    return a == b || (isnan(widened(type, a)) && isnan(widened(type, b)));
}

// Runs `cast` on `count` numbers; y gets what comes. False after a verdict.
static bool cast(struct selftest_run *t, enum vkd_dtype from, enum vkd_dtype to, uint32_t count, const void *x, void *y)
{
    struct vkd_call c = { .op = vkd__op_find("cast"), .attr = { .dtype = to }, .in_count = 1, .caps = vkd_device_caps(t->dev) };
    struct vkd__op_run *run = NULL;
    c.in[0] = (struct vkd_desc){ { { 1, 1, count / 64, 64 } }, from };
    if (c.op == NULL || !c.op->shape(&c)) {
        selftest_say(t, SELFTEST_FAIL, "cast: %s", c.error);
        return false;
    }
    vkd_result r = vkd__op_run_create(t->dev, &(struct vkd__op_run_params){ .call = &c }, &run);
    uint64_t size;
    if (r == VKD_OK) {
        void *in = vkd__op_run_data(run, VKD_SLOT_IN, 0, &size);
        memcpy(in, x, size);
        r = vkd__op_run_pass(run, VKD__OP_FORWARD);
    }
    if (r == VKD_OK) {
        const void *out = vkd__op_run_data(run, VKD_SLOT_OUT, 0, &size);
        memcpy(y, out, size);
    }
    vkd__op_run_destroy(&run);
    return selftest_ok(t, r, "cast");
}

// Every number of 16 bits read; true when all are right. Denormals read as 0 are counted, and no more.
static bool read_all(struct selftest_run *t, enum vkd_dtype type, uint32_t *flushed)
{
    static uint16_t x[HALVES];
    static float y[HALVES];
    for (uint32_t i = 0; i < HALVES; i++)
        x[i] = (uint16_t)i;
    *flushed = 0;
    if (!cast(t, type, VKD_F32, HALVES, x, y))
        return false;
    for (uint32_t i = 0; i < HALVES; i++) {
        float want = widened(type, x[i]);
        bool denormal = (x[i] & (type == VKD_F16 ? 0x7c00 : 0x7f80)) == 0;
        if ((isnan(want) && isnan(y[i])) || (y[i] == want && signbit(y[i]) == signbit(want)))
            continue;
        if (!denormal || y[i] != 0) {
            selftest_say(t, SELFTEST_FAIL, "0x%04x is read as %.9g, expected %.9g", i, (double)y[i], (double)want);
            return false;
        }
        ++*flushed;
    }
    return true;
}

// Every such number, what lies halfway to the next one, and the neighbours of both, stored.
static bool store_all(struct selftest_run *t, enum vkd_dtype type, uint32_t *flushed)
{
    enum { KINDS = 4, COUNT = HALVES * KINDS };
    float *x = malloc(COUNT * sizeof *x);
    uint16_t *y = malloc(COUNT * sizeof *y);
    bool good = x != NULL && y != NULL;
    for (uint32_t i = 0; good && i < HALVES; i++) {
        float v = widened(type, (uint16_t)i), next = widened(type, (uint16_t)(i + 1));
        float middle = isfinite(v) && isfinite(next) ? v / 2 + next / 2 : v;
        x[KINDS * i] = v;
        x[KINDS * i + 1] = middle;
        x[KINDS * i + 2] = nextafterf(middle, INFINITY);
        x[KINDS * i + 3] = nextafterf(middle, -INFINITY);
    }
    good = good && cast(t, VKD_F32, type, COUNT, x, y);
    for (uint32_t i = 0; good && i < COUNT; i++) {
        uint16_t want = narrowed(type, x[i]);
        if (same_half(type, y[i], want))
            continue;
        if (fpclassify(x[i]) == FP_SUBNORMAL && (y[i] & 0x7fff) == 0) {     // of f32: devices may
            ++*flushed;
            continue;
        }
        selftest_say(t, SELFTEST_FAIL, "%.9g is stored as 0x%04x, expected 0x%04x", (double)x[i], y[i], want);
        good = false;
    }
    free(y);
    free(x);
    return good;
}

static void halves(struct selftest_run *t, const struct selftest_probe *p)
{
    enum vkd_dtype type = strcmp(p->name, "halves") == 0 ? VKD_F16 : VKD_BF16;
    uint32_t read = 0, stored = 0;
    if (!read_all(t, type, &read) || !store_all(t, type, &stored))
        return;
    // A denormal bf16 is a denormal f32, and gradients are scaled to keep clear of either.
    if (read > 0 && type == VKD_F16)
        selftest_say(t, SELFTEST_FALLBACK, "%u denormal numbers are read as 0; all others are read and stored to the last bit",
                     read);
    else
        selftest_say(t, SELFTEST_PASS, "all %d read, and those, their middles and neighbours stored, to the last bit%s", HALVES,
                     read + stored > 0 ? "; denormal floats are 0" : "");
}

// ---- Shuffles ----------------------------------------------------------------------------------

static void shuffle(struct selftest_run *t, const struct selftest_probe *p)
{
    const char *kernel = p->data;
    enum { GROUPS = 16, COUNT = 128 * GROUPS };     // halves can tell as many indices
    static uint32_t y[COUNT][4];    // value, size, lane, subgroup
    vkd_buffer *out = NULL;
    if (strstr(kernel, "half") != NULL && !vkd_device_caps(t->dev)->f16_shuffle) {
        selftest_say(t, SELFTEST_FALLBACK, "not advertised, and no kernel of training uses them: values are widened first");
        return;
    }
    vkd_result r = work_buffer(t->dev, NULL, sizeof y, &out);
    struct work w = { .kernel = { .name = kernel }, .buffers = { out }, .buffer_count = 1,
                      .groups = { GROUPS, 1, 1 } };
    if (r == VKD_OK)
        r = work_run(t->dev, &w);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, out, 0, y, sizeof y);
    vkd_buffer_destroy(t->dev, &out);
    if (r == VKD_UNSUPPORTED) {
        selftest_say(t, SELFTEST_FALLBACK, "not in compute shaders: products load what they would pass on");
        return;
    }
    if (!selftest_ok(t, r, kernel))
        return;
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t from = (5 * y[i][2] + 3) % y[i][1], want = UINT32_MAX;
        for (uint32_t k = i / 128 * 128; k < (i / 128 + 1) * 128; k++)
            if (y[k][3] == y[i][3] && y[k][2] == from)
                want = k;
        // A lane that is not there may give anything.
        if (want != UINT32_MAX && y[i][0] != want) {
            selftest_say(t, SELFTEST_FAIL, "invocation %u, lane %u of %u, gets %u from lane %u, expected %u", i, y[i][2], y[i][1],
                         y[i][0], from, want);
            return;
        }
    }
    selftest_say(t, SELFTEST_PASS, "%d invocations in subgroups of %u get what another lane has", COUNT, y[0][1]);
}

// ---- Bytes of words ----------------------------------------------------------------------------

static void unpack8(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    enum { COUNT = 4096 };
    static uint32_t x[COUNT];
    static int32_t y[COUNT][2][4];      // without, with a sign
    const struct vkd_pc_probe push = { .count = COUNT };
    vkd_buffer *b[2] = { NULL, NULL };
    for (uint32_t i = 0; i < COUNT; i++)
        x[i] = i < 1024 ? (i % 256) << 8 * (i / 256) : i * 2654435761u;
    vkd_result r = work_buffer(t->dev, x, sizeof x, &b[0]);
    if (r == VKD_OK)
        r = work_buffer(t->dev, NULL, sizeof y, &b[1]);
    struct work w = { .kernel = { .name = "probe_unpack8" }, .buffers = { b[0], b[1] }, .buffer_count = 2, .push = &push,
                      .push_size = sizeof push, .groups = { COUNT / 64, 1, 1 } };
    if (r == VKD_OK)
        r = work_run(t->dev, &w);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, b[1], 0, y, sizeof y);
    for (int i = 0; i < 2; i++)
        vkd_buffer_destroy(t->dev, &b[i]);
    if (r == VKD_UNSUPPORTED) {
        selftest_say(t, SELFTEST_FALLBACK, "numbers of 8 bits are not advertised, and no kernel of training uses them");
        return;
    }
    if (!selftest_ok(t, r, "probe_unpack8"))
        return;
    for (uint32_t i = 0; i < COUNT * 4; i++) {
        uint8_t byte = (uint8_t)(x[i / 4] >> 8 * (i % 4));
        const int32_t *got = y[i / 4][0] + i % 4;
        if (got[0] != byte || got[4] != (int8_t)byte) {
            selftest_say(t, SELFTEST_FAIL, "byte %u of 0x%08x is %d and %d, expected %d and %d", i % 4, x[i / 4], got[0],
                         got[4], byte, (int8_t)byte);
            return;
        }
    }
    selftest_say(t, SELFTEST_PASS, "%d words give their bytes, without and with a sign", COUNT);
}

// ---- Random numbers ----------------------------------------------------------------------------

static void random_words(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    enum { COUNT = 20000 };
    static u32 in[COUNT][6], words[COUNT][4];
    static float uniforms[COUNT];
    vkd_buffer *b[3] = { NULL, NULL, NULL };
    u32 state = 20231, count = COUNT;
    for (u32 i = 0; i < COUNT; i++)
        for (u32 k = 0; k < 6; k++) {
            state = state * 1664525u + 1013904223u;
            in[i][k] = i < 2 ? 0u - i : i < 194 ? (k == (i - 2) / 32 ? 1u << (i - 2) % 32 : 0) : state ^ state >> 16;
        }
    vkd_result r = work_buffer(t->dev, in, sizeof in, &b[0]);
    if (r == VKD_OK)
        r = work_buffer(t->dev, NULL, sizeof words, &b[1]);
    if (r == VKD_OK)
        r = work_buffer(t->dev, NULL, sizeof uniforms, &b[2]);
    struct work w = { .kernel = { .name = "philox_probe" }, .buffers = { b[0], b[1], b[2] }, .buffer_count = 3, .push = &count,
                      .push_size = sizeof count, .groups = { (COUNT + 63) / 64, 1, 1 } };
    if (r == VKD_OK)
        r = work_run(t->dev, &w);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, b[1], 0, words, sizeof words);
    if (r == VKD_OK)
        r = vkd_buffer_read(t->dev, b[2], 0, uniforms, sizeof uniforms);
    for (int i = 0; i < 3; i++)
        vkd_buffer_destroy(t->dev, &b[i]);
    if (!selftest_ok(t, r, "philox_probe"))
        return;
    for (u32 i = 0; i < COUNT; i++) {
        u32 want[4] = { in[i][0], in[i][1], in[i][2], in[i][3] };
        vkd_philox(want, &in[i][4]);
        if (memcmp(want, words[i], sizeof want) != 0 || uniforms[i] != vkd_uniform(want[0])) {
            selftest_say(t, SELFTEST_FAIL, "counter %u gives %08x %08x %08x %08x, expected %08x %08x %08x %08x", i, words[i][0],
                         words[i][1], words[i][2], words[i][3], want[0], want[1], want[2], want[3]);
            return;
        }
    }
    selftest_say(t, SELFTEST_PASS, "%d counters give the host's words, bit for bit", COUNT);
}

// ---- Rows of operations that aim at something --------------------------------------------------

// Counts in `good`; false after a verdict.
static bool row_holds(struct selftest_run *t, const struct op_row *row, uint32_t *good)
{
    char text[200];
    op_row_describe(row, text, sizeof text);
    selftest_at(t, "%s", text);
    struct op_report r = op_check(t->dev, row);
    *good += r.verdict == OP_PASS;
    if (r.verdict != OP_FAIL)
        return true;
    selftest_say(t, SELFTEST_FAIL, "%s: %s: %s", text, r.text, t->last_error);
    return false;
}

// Sizes around those of workgroups and of what one of them takes. op_check watches the bytes behind.
static void tails(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    static const uint32_t sizes[] = { 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 63, 64, 65, 127, 128, 129, 255, 256, 257, 1023, 1024, 1025,
                                      4095, 4096, 4097 };
    static const char *const ops[] = { "add", "softmax", "sum" };
    uint32_t good = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (int k = 0; k < 6; k++) {
            const struct vkd_shape s = { { 1, 1, k % 2 ? sizes[i] : 1, k % 2 ? 3 : sizes[i] } };
            struct op_row row = { .op = ops[k / 2], .in = { { .shape = s } }, .attr = { .axes = 4 }, .samples = 2 };
            if (k / 2 == 0)
                row.in[1] = row.in[0];
            if (!row_holds(t, &row, &good))
                return;
        }
    selftest_say(t, SELFTEST_PASS, "%u calls of sizes around those of workgroups, not a byte behind them touched", good);
}

// Where exp and tanh run over: SwiftShader's tanh of 90 is NaN.
static void extremes(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    static const char *const ops[] = { "gelu", "silu", "softmax", "log_softmax", "relu6", "l2_normalize" };
    static const float ranges[] = { 1e-20f, 80, 120, 1e4f };
    uint32_t good = 0;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        for (size_t k = 0; k < sizeof ranges / sizeof ranges[0]; k++) {
            struct op_row row = { .op = ops[i], .attr = { .eps = 1e-12f }, .no_grad = "the values matter",
                                  .in = { { .shape = { { 1, 1, 64, 15 } }, .lo = -ranges[k], .hi = ranges[k] } } };
            if (!row_holds(t, &row, &good))
                return;
        }
    selftest_say(t, SELFTEST_PASS, "%u calls with inputs from 1e-20 to 1e4 give what double gives", good);
}

static const struct selftest_probe probes[] = {
    { .name = "barriers", .about = "dispatches that read what others wrote, 2000 times", .run = barriers },
    { .name = "loops", .about = "loops of more than 65535 turns", .run = loops },
    { .name = "halves", .about = "all f16 numbers read and stored", .run = halves },
    { .name = "bfloats", .about = "all bf16 numbers read and stored", .run = halves },
    { .name = "shuffle", .about = "subgroup shuffles of f32", .run = shuffle, .data = "probe_subgroup.shuffle" },
    { .name = "shuffle_half", .about = "subgroup shuffles of f16", .run = shuffle, .data = "probe_subgroup.shuffle_half" },
    { .name = "unpack8", .about = "a word's four bytes, by unpack8", .run = unpack8 },
    { .name = "random", .about = "random numbers equal those of the host", .run = random_words },
    { .name = "tails", .about = "sizes one below and above those of workgroups", .run = tails },
    { .name = "extremes", .about = "exp, tanh and erf of large numbers", .run = extremes },
};

const struct selftest_part selftest_part_traps = {
    .name = "traps", .title = "Known traps", .place = 40, .probes = probes, .count = sizeof probes / sizeof probes[0],
};
