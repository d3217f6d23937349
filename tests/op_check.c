// op_check.c -- checks one row: see op_check.h. All comparisons are made in double.
#include "op_check.h"
#include "engine/op_run.h"
#include "philox.h"
#include "step_block.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vkd_step_block step_block = {
    .seed = { 0x01234567u, 0x89abcdefu }, .step = 3, .micro = 1, .epoch = 2, .image_count = 2,
    .lr = 0.1f, .momentum = 0.9f, .weight_decay = 1e-4f,
    .grad_keep = 1, .grad_scale = 1, .injection = 0.5f, .weights = { 0.75f, -1.5f, 2, 0 }, .queue_row = 21, .queue_on = 1,
};

struct check {
    const struct op_row *row;
    vkd_device *dev;
    struct vkd_caps caps;
    struct vkd_call call;
    struct vkd__op_run *run;
    double *in[VKD_MAX_IN];         // as drawn
    double *work[VKD_MAX_IN];       // what ref() gets: copies, since it updates state inputs
    double *out[VKD_MAX_OUT];       // of ref()
    double *dy;                     // NULL when the row has no backward pass
    double *a;                      // an output beside out[0]
    struct op_report report;
};

static bool VKD_PRINTF(2, 3) fail(struct check *k, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(k->report.text, sizeof(k->report.text), format, args);
    va_end(args);
    k->report.verdict = OP_FAIL;
    return false;
}

// ---- Numbers ----

float op_half_to_float(uint16_t h)
{
    int e = h >> 10 & 31;
    double m = h & 1023, v = e == 31 ? (m > 0 ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
    return (float) (h & 0x8000 ? -v : v);
}

uint16_t op_half_from_double(double v)
{
    uint16_t sign = signbit(v) ? 0x8000 : 0;
    int e;
    if (v == 0)
        return sign;
    if (isnan(v))
        return 0x7e00;
    frexp(v, &e);
    e = e < -13 ? -13 : e;
    double m = nearbyint(ldexp(fabs(v), 11 - e));       // 1024 ... 2048 when normal
    return (uint16_t) (sign + (m < 1024 ? (uint32_t) m : (uint32_t) ((e + 13) * 1024 + (int) m)));
}

float op_bfloat_to_float(uint16_t h)
{
    uint32_t word = (uint32_t) h << 16;
    float v;
    memcpy(&v, &word, 4);
    return v;
}

uint16_t op_bfloat_from_double(double v)
{
    float f = (float) v;
    uint32_t word;
    memcpy(&word, &f, 4);
    return (uint16_t) (isnan(v) ? 0x7fc0 : (word + 0x7fff + (word >> 16 & 1)) >> 16);
}

// What storage makes of a number.
static double stored(enum vkd_dtype t, double v)
{
    return t == VKD_F16 ? (double) op_half_to_float(op_half_from_double(v)) :
           t == VKD_BF16 ? (double) op_bfloat_to_float(op_bfloat_from_double(v)) : v;
}

// Half a unit in the last place of a number of 16 bits; 0 of others.
static double half_place(enum vkd_dtype t, double v)
{
    int e = v == 0 || !isfinite(v) ? -1000 : ilogb(v);
    if (!vkd__is_half(t))
        return 0;
    return t == VKD_F16 ? ldexp(1, (e < -14 ? -14 : e) - 11) : ldexp(1, (e < -126 ? -126 : e) - 8);
}

static double get(const void *data, enum vkd_dtype t, uint64_t i)
{
    if (t == VKD_U32)
        return ((const uint32_t *) data)[i];
    if (t == VKD_BF16)
        return (double) op_bfloat_to_float(((const uint16_t *) data)[i]);
    return t == VKD_F16 ? op_half_to_float(((const uint16_t *) data)[i]) : ((const float *) data)[i];
}

static void put(void *data, enum vkd_dtype t, uint64_t i, double v)
{
    if (t == VKD_U32)
        ((uint32_t *) data)[i] = (uint32_t) v;
    else if (t == VKD_F16)
        ((uint16_t *) data)[i] = op_half_from_double(v);
    else if (t == VKD_BF16)
        ((uint16_t *) data)[i] = op_bfloat_from_double(v);
    else
        ((float *) data)[i] = (float) v;
}

static bool is_padding(struct vkd_shape s, uint64_t i)
{
    return i % vkd__pad4(s.d[3]) >= s.d[3];
}

// Is this element of input `in` one that must be 0: a padding lane, or a padding row of a weight?
static bool is_zero(const struct check *k, uint32_t in, uint64_t i)
{
    struct vkd_shape s = k->call.in[in].shape;
    uint32_t logical = k->row->in[in].logical_in;
    return is_padding(s, i) || (logical && i / vkd__pad4(s.d[3]) % s.d[2] >= logical);
}

// Word `i` of stream `stream` of this row.
static u32 random_word(const struct check *k, u32 stream, uint64_t i)
{
    u32 ctr[4] = { (u32) (i / 4), stream, k->row->seed, 0 }, seed[2] = { 0x5eed, 0 };
    vkd_philox(ctr, seed);
    return ctr[i % 4];
}

static double random_real(const struct check *k, u32 stream, uint64_t i, float lo, float hi)
{
    return lo + (hi - lo) * vkd_uniform(random_word(k, stream, i));
}

// ---- Set-up ----

static void draw_input(struct check *k, uint32_t i)
{
    const struct op_row_in *in = &k->row->in[i];
    float lo = in->lo, hi = in->hi;
    if (lo == 0 && hi == 0)
        lo = -1, hi = 1;
    uint64_t count = vkd__numel(in->shape);
    for (uint64_t e = 0; e < count; e++) {
        double v;
        if (is_zero(k, i, e))
            v = 0;
        else if (in->dtype != VKD_U32)
            v = (float) random_real(k, i, e, lo, hi);
        else if (vkd_uniform(random_word(k, 100 + i, e)) < in->no_label)
            v = 4294967295.0;
        else
            v = in->u_lo + random_word(k, i, e) % (in->u_hi - in->u_lo);
        v = stored(in->dtype, v);
        if (k->row->nan && in->dtype != VKD_U32 && e % 7 == i && !is_zero(k, i, e))
            v = NAN;
        k->in[i][e] = v;
    }
}

static bool make_call(struct check *k)
{
    const struct op_row *row = k->row;
    struct vkd_call *c = &k->call;
    c->op = vkd__op_find(row->op);
    if (!c->op)
        return fail(k, "no such op");
    if ((row->tol.nmse > 0 || row->tol.max > 0 || row->tol.grad > 0) && !row->tol.why)
        return fail(k, "the row sets a tolerance without saying why");
    c->attr = row->attr;
    c->training = row->training;
    for (; c->in_count < VKD_MAX_IN && row->in[c->in_count].shape.d[3]; c->in_count++) {
        const struct op_row_in *in = &row->in[c->in_count];
        c->in[c->in_count] = (struct vkd_desc) { in->shape, in->dtype };
        if (in->dtype == VKD_U32 && in->u_hi <= in->u_lo)
            return fail(k, "the row's input %u has no integer range", c->in_count);
    }
    if (c->in_count < c->op->in_min || c->in_count > c->op->in_max)
        return fail(k, "the row has %u inputs, the op takes %u to %u", c->in_count, c->op->in_min, c->op->in_max);
    bool accepted = c->op->shape(c);
    if (row->rejects) {
        if (accepted)
            return fail(k, "shape() accepts a call it should reject with \"%s\"", row->rejects);
        if (strstr(c->error, row->rejects))
            return true;
        return fail(k, "shape() says \"%s\" instead of \"%s\"", c->error, row->rejects);
    }
    if (!accepted)
        return fail(k, "shape() rejects the row: %s", c->error);
    k->caps = *vkd_device_caps(k->dev);
    if (row->force_gpu_family)
        k->caps.cpu = false;
    if (row->range_max)
        k->caps.storage_range_max = row->range_max;
    if (row->group_max)
        k->caps.group_count_max[0] = row->group_max;
    c->caps = &k->caps;
    c->step = &step_block;
    uint32_t have = c->op->grad_in & ((1u << c->in_count) - 1);
    for (uint32_t i = 0; i < c->in_count; i++)
        have &= ~((c->in[i].dtype == VKD_U32 ? 1u : 0u) << i);
    c->want = row->nan || row->no_grad ? 0 : row->want ? row->want & have : have;
    return true;
}

static bool make_tensors(struct check *k)
{
    struct vkd_call *c = &k->call;
    for (uint32_t i = 0; i < c->in_count; i++) {
        size_t count = (size_t) vkd__numel(c->in[i].shape);
        k->in[i] = calloc(count, sizeof(double));
        k->work[i] = calloc(count, sizeof(double));
        if (!k->in[i] || !k->work[i])
            return fail(k, "no host memory");
        draw_input(k, i);
    }
    for (uint32_t i = 0; i < c->out_count; i++)
        if (!(k->out[i] = calloc((size_t) vkd__numel(c->out[i].shape), sizeof(double))))
            return fail(k, "no host memory");
    size_t count = (size_t) vkd__numel(c->out[0].shape);
    k->a = calloc(count, sizeof(double));
    k->dy = calloc(count, sizeof(double));
    if (!k->a || !k->dy)
        return fail(k, "no host memory");
    for (size_t e = 0; e < count; e++)
        if (!is_padding(c->out[0].shape, e))
            k->dy[e] = stored(c->out[0].dtype, (float) random_real(k, 200, e, -1, 1));
    return true;
}

static void fill_image(struct check *k, struct vkd__op_run *run)
{
    const struct vkd_call *c = &k->call;
    for (uint32_t i = 0; i < c->in_count; i++) {
        void *data = vkd__op_run_data(run, VKD_SLOT_IN, i, NULL);
        uint64_t count = vkd__numel(c->in[i].shape);
        for (uint64_t e = 0; e < count; e++)
            put(data, c->in[i].dtype, e, k->in[i][e]);
    }
    memcpy(vkd__op_run_data(run, VKD_SLOT_STEP, 0, NULL), &step_block, sizeof(step_block));
    void *data = vkd__op_run_data(run, VKD_SLOT_DOUT, 0, NULL);
    uint64_t count = vkd__numel(c->out[0].shape);
    for (uint64_t e = 0; data && e < count; e++)
        put(data, c->out[0].dtype, e, k->dy[e]);
}

// out[] = ref(in); state inputs after it lie in work[].
static void reference(struct check *k)
{
    for (uint32_t i = 0; i < k->call.in_count; i++)
        memcpy(k->work[i], k->in[i], (size_t) vkd__numel(k->call.in[i].shape) * sizeof(double));
    k->call.op->ref(&k->call, k->work, k->out);
}

// ---- Forward ----

// Compares a tensor of the device with `ref`; `what` names it.
static bool compare(struct check *k, const char *what, uint32_t index, const void *data, struct vkd_desc desc,
                    const double *ref)
{
    const struct op_row_tol *tol = &k->row->tol;
    double nmse = (tol->nmse > 0 ? tol->nmse : 1e-12) + pow(half_place(desc.dtype, 1), 2);
    double max = tol->max > 0 ? tol->max : 1e-5;
    uint64_t count = vkd__numel(desc.shape), used = 0;
    double sum = 0, err = 0, worst = 0;
    uint64_t worst_at = 0;
    for (uint64_t e = 0; e < count; e++) {
        if (!isnan(ref[e]))
            sum += ref[e] * ref[e];
        used += !is_padding(desc.shape, e);
    }
    double rms = sqrt(sum / (double) used);
    for (uint64_t e = 0; e < count; e++) {
        double got = get(data, desc.dtype, e), d = fabs(got - ref[e]);
        if (is_padding(desc.shape, e) && got != 0)
            return fail(k, "%s %u: padding lane %llu holds %g", what, index, (unsigned long long) e, got);
        if (isnan(ref[e]) && isnan(got))
            continue;
        if (!isfinite(got) || !isfinite(ref[e]))
            return fail(k, "%s %u: element %llu is %g, expected %g", what, index, (unsigned long long) e, got, ref[e]);
        if (desc.dtype == VKD_U32 && d > 0)
            return fail(k, "%s %u: element %llu is %.0f, expected %.0f", what, index,
                        (unsigned long long) e, got, ref[e]);
        err += d * d;
        d -= half_place(desc.dtype, fmax(fabs(got), fabs(ref[e])));
        if (d > 0 && d / (fabs(ref[e]) + rms) > worst) {
            worst = d / (fabs(ref[e]) + rms);
            worst_at = e;
        }
    }
    if (worst > max)
        return fail(k, "%s %u: element %llu is %.9g, expected %.9g: error %.2e > %.2e", what, index,
                    (unsigned long long) worst_at, get(data, desc.dtype, worst_at), ref[worst_at], worst, max);
    if (err > nmse * sum)
        return fail(k, "%s %u: NMSE %.2e > %.2e", what, index, err / sum, nmse);
    return true;
}

static bool run_pass(struct check *k, struct vkd__op_run *run, enum vkd__op_pass pass)
{
    if (vkd__op_run_pass(run, pass) < 0)
        return fail(k, "%s pass: see the log", pass ? "backward" : "forward");
    return true;
}

// Runs `pass` on `run` and demands the bytes that k->run's same tensor holds.
static bool same_bytes(struct check *k, struct vkd__op_run *run, enum vkd__op_pass pass, const char *how)
{
    const struct vkd_call *c = &k->call;
    uint32_t count = pass == VKD__OP_FORWARD ? c->out_count : c->in_count;
    enum vkd_slot_kind kind = pass == VKD__OP_FORWARD ? VKD_SLOT_OUT : VKD_SLOT_DIN;
    void *copies[VKD_MAX_IN] = { 0 };
    uint64_t sizes[VKD_MAX_IN] = { 0 };
    bool ok = true;
    for (uint32_t i = 0; i < count; i++) {
        const void *data = vkd__op_run_data(k->run, kind, i, &sizes[i]);
        if (data && (copies[i] = malloc((size_t) sizes[i])))
            memcpy(copies[i], data, (size_t) sizes[i]);
    }
    if (pass == VKD__OP_FORWARD)
        fill_image(k, run);
    ok = run_pass(k, run, pass);
    for (uint32_t i = 0; i < count && ok; i++)
        if (copies[i] && memcmp(copies[i], vkd__op_run_data(run, kind, i, NULL), (size_t) sizes[i]))
            ok = fail(k, "%s %u differs bit for bit %s", pass ? "gradient of input" : "output", i, how);
    for (uint32_t i = 0; i < count; i++)
        free(copies[i]);
    return ok;
}

static bool check_forward(struct check *k)
{
    const struct vkd_call *c = &k->call;
    fill_image(k, k->run);
    if (!run_pass(k, k->run, VKD__OP_FORWARD))
        return false;
    reference(k);
    for (uint32_t i = 0; i < c->out_count; i++)
        if (!(k->row->opaque_out >> i & 1) &&
            !compare(k, "output", i, vkd__op_run_data(k->run, VKD_SLOT_OUT, i, NULL), c->out[i], k->out[i]))
            return false;
    for (uint32_t i = 0; i < c->in_count; i++)
        if (c->training && (c->op->updates_in >> i & 1) &&
            !compare(k, "state input", i, vkd__op_run_data(k->run, VKD_SLOT_IN, i, NULL), c->in[i], k->work[i]))
            return false;
    return same_bytes(k, k->run, VKD__OP_FORWARD, "in a second run");
}

// ---- Backward ----

// sum(dy * (out at in + h v - out at in - h v)) / 2h over input `i`; `element` moves alone, or all of
// them along a random direction when it is UINT64_MAX. *noise gets what rounding may add.
static double direction_at(const struct check *k, uint32_t i, uint64_t element, uint64_t e)
{
    if (element != UINT64_MAX)
        return e == element;
    return is_zero(k, i, e) ? 0 : random_real(k, 300 + i, e, -1, 1);
}

static double slope(struct check *k, uint32_t i, uint64_t element, double from, double to, double *noise)
{
    const struct vkd_call *c = &k->call;
    uint64_t count = vkd__numel(c->in[i].shape), out_count = vkd__numel(c->out[0].shape);
    double ends[2] = { from, to }, sum = 0, square = 0;
    for (int end = 0; end < 2; end++) {
        for (uint32_t j = 0; j < c->in_count; j++)
            memcpy(k->work[j], k->in[j], (size_t) vkd__numel(c->in[j].shape) * sizeof(double));
        if (element != UINT64_MAX)
            k->work[i][element] += ends[end];
        else
            for (uint64_t e = 0; e < count; e++)
                k->work[i][e] += ends[end] * direction_at(k, i, element, e);
        c->op->ref(c, k->work, k->out);
        if (end == 0)
            memcpy(k->a, k->out[0], (size_t) out_count * sizeof(double));
    }
    for (uint64_t e = 0; e < out_count; e++) {
        sum += k->dy[e] * (k->out[0][e] - k->a[e]);
        square += k->dy[e] * k->dy[e] * k->a[e] * k->a[e];
    }
    *noise = 4e-16 * (sqrt(square) + fabs(sum)) / (to - from) * 8;
    return sum / (to - from);
}

// Does the quotient change within keep_off of this element?
static bool near_kink(struct check *k, uint32_t i, uint64_t element)
{
    // In 16 bits numbers near 6 become 6.
    bool at_6 = k->row->attr.activation == VKD_ACT_RELU6;
    double noise, off = k->row->keep_off + (at_6 ? 4 * half_place(k->call.out[0].dtype, 4) : 0);
    if (k->row->keep_off <= 0)
        return false;
    double left = slope(k, i, element, -off, 0, &noise), right = slope(k, i, element, 0, off, &noise);
    return fabs(left - right) > 0.01 * (fabs(left) + fabs(right)) + 10 * noise;
}

static double grad_tolerance(const struct check *k)
{
    return k->row->tol.grad > 0 ? k->row->tol.grad : 2e-5;
}

static bool check_element(struct check *k, uint32_t i, uint64_t e, double got, double rms, double h)
{
    double noise, tol = grad_tolerance(k);
    if (near_kink(k, i, e)) {
        k->report.kinks++;
        return true;
    }
    double want = slope(k, i, e, -h, h, &noise);
    k->report.quotients++;
    if (fabs(got - want) > tol * (fabs(want) + rms) + noise + half_place(k->call.in[i].dtype, fmax(fabs(got), fabs(want))))
        return fail(k, "gradient of input %u: element %llu is %.9g, the difference quotient %.9g: error %.2e > %.2e",
                    i, (unsigned long long) e, got, want, fabs(got - want) / (fabs(want) + rms), tol);
    return true;
}

static bool check_gradient(struct check *k, uint32_t i)
{
    struct vkd_desc desc = k->call.in[i];
    const struct op_row_in *in = &k->row->in[i];
    const void *data = vkd__op_run_data(k->run, VKD_SLOT_DIN, i, NULL);
    uint64_t count = vkd__numel(desc.shape);
    double square = 0, along = 0, norm = 0, used = 0;
    for (uint64_t e = 0; e < count; e++) {
        double g = get(data, desc.dtype, e), v = direction_at(k, i, UINT64_MAX, e);
        if (is_zero(k, i, e) && g != 0)
            return fail(k, "gradient of input %u: padding %llu holds %g", i, (unsigned long long) e, g);
        if (!isfinite(g))
            return fail(k, "gradient of input %u: element %llu is %g", i, (unsigned long long) e, g);
        square += g * g;
        along += g * v;
        norm += g * v * g * v;
        used += !is_zero(k, i, e);
    }
    double rms = sqrt(square / used), range = in->lo == 0 && in->hi == 0 ? 1 : (in->hi - in->lo) / 2;
    // Wide ranges: between what the input's rounding and what the function's curvature (on a scale of 1) ask for.
    double h = (k->row->keep_off > 0 ? 1e-7 : 1e-6) * (range < 1 ? range : sqrt(range)), noise;

    // Numbers of 16 bits are often right at a kink: there is no slope along a direction that crosses one.
    double want = slope(k, i, UINT64_MAX, -h, h, &noise);
    double tol = (grad_tolerance(k) + 4 * half_place(desc.dtype, 1)) * sqrt(norm) + noise;
    k->report.quotients++;
    if (fabs(along - want) > tol && !(vkd__is_half(k->call.out[0].dtype) && k->row->keep_off > 0))
        return fail(k, "gradient of input %u: along a random direction %.9g, the difference quotient %.9g: "
                    "error %.2e > %.2e", i, along, want, fabs(along - want), tol);

    uint64_t samples = k->row->samples ? k->row->samples : 24;
    for (uint64_t n = 0; n < samples && n < 4 * count; n++) {
        // The first elements, the last ones, and any: a small tensor is taken whole.
        uint64_t e = count <= samples || n < 4 ? n : n < 8 ? count - 1 - (n - 4) : random_word(k, 400 + i, n) % count;
        if (e < count && !is_zero(k, i, e) && !check_element(k, i, e, get(data, desc.dtype, e), rms, h))
            return false;
    }
    return true;
}

static bool check_backward(struct check *k)
{
    if (!run_pass(k, k->run, VKD__OP_BACKWARD))
        return false;
    for (uint32_t i = 0; i < k->call.in_count; i++)
        if ((k->call.want >> i & 1) && !check_gradient(k, i))
            return false;
    if (k->report.kinks > k->report.quotients)
        return fail(k, "%u of %u difference quotients lie near a kink", k->report.kinks,
                    k->report.kinks + k->report.quotients);
    return same_bytes(k, k->run, VKD__OP_BACKWARD, "in a second run");
}

// ---- In place ----

static bool check_in_place(struct check *k, bool out, bool din)
{
    struct vkd__op_run_params p = { .call = &k->call, .backward = din, .alias_out = out, .alias_din = din };
    struct vkd__op_run *run = NULL;
    if (vkd__op_run_create(k->dev, &p, &run) < 0)
        return fail(k, "in place: see the log");
    bool ok = same_bytes(k, run, VKD__OP_FORWARD, "in place");
    if (ok && din)
        ok = same_bytes(k, run, VKD__OP_BACKWARD, "in place");
    vkd__op_run_destroy(&run);
    return ok;
}

static bool check_all(struct check *k)
{
    if (!make_call(k) || k->row->rejects || !make_tensors(k))
        return k->report.verdict != OP_FAIL;
    struct vkd__op_run_params p = { .call = &k->call, .backward = k->call.want != 0 };
    vkd_result r = vkd__op_run_create(k->dev, &p, &k->run);
    if (r == VKD_UNSUPPORTED) {
        snprintf(k->report.text, sizeof(k->report.text), "a kernel needs a feature the device lacks");
        k->report.verdict = OP_SKIP;
        return true;
    }
    if (r < 0)
        return fail(k, "%s: see the log", vkd_result_text(r));
    const struct vkd_op *op = k->call.op;
    if (!check_forward(k) || (k->call.want && !check_backward(k)))
        return false;
    if (op->in_place && !check_in_place(k, true, false))
        return false;
    return !op->in_place_grad || !(k->call.want & 1) || check_in_place(k, false, true);
}

struct op_report op_check(vkd_device *dev, const struct op_row *row)
{
    struct check k = { .row = row, .dev = dev };
    check_all(&k);
    vkd__op_run_destroy(&k.run);
    for (int i = 0; i < VKD_MAX_IN; i++) {
        free(k.in[i]);
        free(k.work[i]);
    }
    for (int i = 0; i < VKD_MAX_OUT; i++)
        free(k.out[i]);
    free(k.a);
    free(k.dy);
    return k.report;
}
