// bench.c -- times one pass of one call of an op.
#include "bench.h"
#include "op_run.h"

#include <stdlib.h>
#include <string.h>

// Uniform in [-1, 1), padding too: time does not depend on it. Integers are small: labels of any classes.
static void fill(uint32_t *x, uint64_t size, enum vkd_dtype dtype)
{
    uint32_t state = 1;
    for (uint64_t i = 0; x && i < size / 4; i++) {
        state = state * 1664525u + 1013904223u;
        float v = (float) (state >> 8) / 8388608.0f - 1.0f;
        if (dtype == VKD_U32)
            x[i] = state >> 30;
        else
            memcpy(&x[i], &v, 4);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

struct vkd__bench_time vkd__bench_summary(double *times, uint32_t count)
{
    qsort(times, count, sizeof(*times), by_value);
    return (struct vkd__bench_time) { times[count / 2], times[count / 4], times[count - 1 - count / 4] };
}

static vkd_result time_runs(struct vkd__op_run *run, enum vkd__op_pass pass, uint32_t runs, struct vkd__bench_time *out)
{
    vkd_result r = vkd__op_run_pass(run, pass);
    double *times = calloc(runs ? runs : 1, sizeof(*times));
    if (r >= 0 && !times)
        r = VKD_NO_MEMORY;
    for (uint32_t i = 0; r >= 0 && i < runs; i++)
        r = vkd__op_run_time(run, pass, 1, &times[i]);
    if (r >= 0 && runs)
        *out = vkd__bench_summary(times, runs);
    free(times);
    return r;
}

static vkd_result time_pass(vkd_device *dev, const struct vkd_call *c, enum vkd__op_pass pass, uint32_t runs,
                            struct vkd__bench_time *out)
{
    struct vkd__op_run *run = NULL;
    vkd_result r = vkd__op_run_create(dev, &(struct vkd__op_run_params) {
        .call = c, .backward = pass == VKD__OP_BACKWARD,
    }, &run);
    if (r < 0)
        return r;
    uint64_t size;
    for (uint32_t i = 0; i < c->in_count; i++) {
        uint32_t *x = vkd__op_run_data(run, VKD_SLOT_IN, i, &size);
        fill(x, size, c->in[i].dtype);
    }
    for (uint32_t i = 0; pass == VKD__OP_BACKWARD && i < c->out_count; i++) {
        uint32_t *y = vkd__op_run_data(run, VKD_SLOT_OUT, i, &size);
        fill(y, size, c->out[i].dtype);
    }
    uint32_t *dy = vkd__op_run_data(run, VKD_SLOT_DOUT, 0, &size);
    fill(dy, size, VKD_F32);
    r = time_runs(run, pass, runs, out);
    vkd__op_run_destroy(&run);
    return r;
}

vkd_result vkd__bench_call(vkd_device *dev, const struct vkd_call *call, uint32_t runs, struct vkd__bench_time *out)
{
    struct vkd_call c = *call;
    if (!c.op->shape(&c) || (c.want & ~c.op->grad_in)) {
        vkd_log_write(vkd_device_log(dev), VKD_LOG_ERROR, "bench: %s: %s", c.op->name,
                      c.error[0] ? c.error : "an input that is to have a gradient has none");
        return VKD_INVALID;
    }
    c.caps = vkd_device_caps(dev);
    return time_pass(dev, &c, c.want ? VKD__OP_BACKWARD : VKD__OP_FORWARD, runs, out);
}
