// test_program.c -- programs on a device: gradients through fan-out, sharing, detaching; diagnosis.
#include <vkdiv/layers.h>
#include <vkdiv/program.h>

#include "tests/gpu.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static vkd_device *dev;

enum { N = 3, C = 5, K = 6 };       // odd on purpose: 5 is padded to 8, 6 to 8

static struct vkd_shape shape(uint32_t n, uint32_t h, uint32_t w, uint32_t c)
{
    return (struct vkd_shape) {{ n, h, w, c }};
}

static vkd_tensor *matrix(vkd_graph *g, const char *name, uint32_t rows, uint32_t columns)
{
    return vkd_param(g, &(struct vkd_param_params) {
        .name = name, .shape = shape(1, 1, rows, columns), .init = VKD_INIT_LINEAR });
}

// Creates parameters and program, runs it once on x[i] = sin(i + 1) in the unpadded lanes.
struct session { vkd_graph *g; vkd_params *params; vkd_program *program; };

static void start(struct session *s)
{
    float x[N * 8] = { 0 };
    struct vkd_range range;
    uint64_t ticket;
    ck_assert_msg(!vkd_graph_error(s->g), "%s", vkd_graph_error(s->g));
    ck_assert_int_eq(vkd_params_create(dev, s->g, true, &s->params), VKD_OK);
    ck_assert_int_eq(vkd_params_init(s->params, 7), VKD_OK);
    ck_assert_int_eq(vkd_program_create(dev, s->g, s->params, &(struct vkd_program_params) { .training = true, .backward = true },
                                        &s->program), VKD_OK);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            x[n * 8 + c] = (float) sin(n * C + c + 1);
    ck_assert_int_eq(vkd_program_range(s->program, "x", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, range.buffer, range.ofs, x, sizeof(x)), VKD_OK);
    ck_assert_int_eq(vkd_program_run(s->program, NULL, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
}

static void stop(struct session *s)
{
    vkd_program_destroy(&s->program);
    vkd_params_destroy(&s->params);
    vkd_graph_destroy(&s->g);
}

static float loss_of(struct session *s)
{
    float loss[4];
    struct vkd_range range;
    ck_assert_int_eq(vkd_program_range(s->program, "loss", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, range.buffer, range.ofs, loss, sizeof(loss)), VKD_OK);
    return loss[0];
}

// Every gradient against central differences of the program's own loss.
static void check_gradients(struct session *s)
{
    for (uint32_t i = 0; i < vkd_params_count(s->params); i++) {
        const struct vkd_param_info *info = vkd_params_at(s->params, i);
        float *value = malloc(info->numel * 4), *grad = malloc(info->numel * 4);
        ck_assert_int_eq(vkd_params_read(s->params, i, value), VKD_OK);
        ck_assert_int_eq(vkd_params_read_grad(s->params, i, grad), VKD_OK);
        for (uint64_t e = 0; e < info->numel; e += 3) {
            if (value[e] == 0)
                continue;               // padding
            const float keep = value[e], h = 1e-2f;
            float sides[2];
            for (int side = 0; side < 2; side++) {
                uint64_t ticket;
                value[e] = keep + (side ? h : -h);
                ck_assert_int_eq(vkd_params_write(s->params, i, value), VKD_OK);
                ck_assert_int_eq(vkd_program_run(s->program, NULL, &ticket), VKD_OK);
                ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
                sides[side] = loss_of(s);
            }
            value[e] = keep;
            ck_assert_int_eq(vkd_params_write(s->params, i, value), VKD_OK);
            ck_assert_msg(fabsf((sides[1] - sides[0]) / (2 * h) - grad[e]) < 2e-3f, "%s[%u]: %g, by differences %g",
                          info->name, (unsigned) e, (double) grad[e], (double) ((sides[1] - sides[0]) / (2 * h)));
        }
        free(value);
        free(grad);
    }
}

// loss = mean((silu(x w) * (x w) + x w)^2): one tensor used four times, one parameter twice.
START_TEST(fan_out_adds_gradients)
{
    struct session s = { 0 };
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &s.g), VKD_OK);
    vkd_tensor *x = vkd_input(s.g, "x", VKD_F32, shape(N, 1, 1, C));
    vkd_tensor *w = matrix(s.g, "w", C, K);
    vkd_tensor *y = vkd_matmul(s.g, x, w, NULL), *again = vkd_matmul(s.g, x, w, NULL);
    vkd_tensor *z = vkd_add(s.g, vkd_mul(s.g, vkd_silu(s.g, y), y), vkd_add(s.g, y, again));
    vkd_graph_loss(s.g, vkd_mark(s.g, vkd_mean(s.g, vkd_mul(s.g, z, z), 15), "loss"));
    start(&s);
    check_gradients(&s);
    stop(&s);
}
END_TEST

// loss = mean(detach(x w) * (x v)): the gradient of w is absent, so its buffer stays zero.
START_TEST(detach_stops_gradients)
{
    struct session s = { 0 };
    float w_grad[C * 8], v_grad[C * 8];
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &s.g), VKD_OK);
    vkd_tensor *x = vkd_input(s.g, "x", VKD_F32, shape(N, 1, 1, C));
    vkd_tensor *a = vkd_detach(s.g, vkd_matmul(s.g, x, matrix(s.g, "w", C, K), NULL));
    vkd_tensor *b = vkd_matmul(s.g, x, matrix(s.g, "v", C, K), NULL);
    vkd_graph_loss(s.g, vkd_mark(s.g, vkd_mean(s.g, vkd_mul(s.g, a, b), 15), "loss"));
    start(&s);
    ck_assert_int_eq(vkd_params_read_grad(s.params, (uint32_t) vkd_params_find(s.params, "w"), w_grad), VKD_OK);
    ck_assert_int_eq(vkd_params_read_grad(s.params, (uint32_t) vkd_params_find(s.params, "v"), v_grad), VKD_OK);
    float sum = 0;
    for (int i = 0; i < C * 8; i++) {
        ck_assert_float_eq(w_grad[i], 0);
        sum += fabsf(v_grad[i]);
    }
    ck_assert_float_gt(sum, 0);
    stop(&s);
}
END_TEST

// loss = mean(a a), b is only looked at: the gradient of b is 0 in every run, whatever lay there.
START_TEST(unreached_inputs_have_no_gradient)
{
    struct session s = { 0 };
    float grad[N * 8], fives[N * 8];
    struct vkd_range range;
    uint64_t ticket;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &s.g), VKD_OK);
    vkd_tensor *x = vkd_input_grad(s.g, "x", shape(N, 1, 1, C)), *b = vkd_input_grad(s.g, "b", shape(N, 1, 1, C));
    vkd_tensor *a = vkd_matmul(s.g, x, matrix(s.g, "w", C, K), NULL);
    vkd_mark(s.g, vkd_mean(s.g, vkd_detach(s.g, b), 15), "seen");
    vkd_graph_loss(s.g, vkd_mark(s.g, vkd_mean(s.g, vkd_mul(s.g, a, a), 15), "loss"));
    start(&s);
    for (int i = 0; i < N * 8; i++)
        fives[i] = 5;
    ck_assert_int_eq(vkd_program_range(s.program, "b.grad", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, range.buffer, range.ofs, fives, sizeof(fives)), VKD_OK);
    ck_assert_int_eq(vkd_program_run(s.program, NULL, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, range.buffer, range.ofs, grad, sizeof(grad)), VKD_OK);
    for (int i = 0; i < N * 8; i++)
        ck_assert_float_eq(grad[i], 0);
    ck_assert_int_eq(vkd_program_range(s.program, "x.grad", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, range.buffer, range.ofs, grad, sizeof(grad)), VKD_OK);
    ck_assert_float_ne(grad[0], 0);
    stop(&s);
}
END_TEST

START_TEST(first_bad_tensor_is_named)
{
    struct session s = { 0 };
    char text[256];
    float w[C * 8];
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &s.g), VKD_OK);
    vkd_tensor *x = vkd_input(s.g, "x", VKD_F32, shape(N, 1, 1, C));
    vkd_tensor *y = vkd_matmul(s.g, x, matrix(s.g, "w", C, K), NULL);
    vkd_graph_loss(s.g, vkd_mark(s.g, vkd_mean(s.g, vkd_mul(s.g, y, y), 15), "loss"));
    start(&s);
    ck_assert_int_eq(vkd_program_find_nonfinite(s.program, text, sizeof(text)), VKD_OK);
    ck_assert_str_eq(text, "");
    ck_assert_int_eq(vkd_params_read(s.params, 0, w), VKD_OK);
    for (int i = 0; i < C * 8; i++)
        w[i] *= 1e30f;                  // finite, but the square overflows
    ck_assert_int_eq(vkd_params_write(s.params, 0, w), VKD_OK);
    ck_assert_int_eq(vkd_program_find_nonfinite(s.program, text, sizeof(text)), VKD_OK);
    ck_assert_str_eq(text, "output of mul");
    w[0] = NAN;
    ck_assert_int_eq(vkd_params_write(s.params, 0, w), VKD_OK);
    ck_assert_int_eq(vkd_program_find_nonfinite(s.program, text, sizeof(text)), VKD_OK);
    ck_assert_str_eq(text, "parameter w");
    stop(&s);
}
END_TEST

struct told { uint32_t calls, products; double seconds; };

static void tell(void *user, const char *name, struct vkd_shape at, double seconds)
{
    struct told *t = user;
    ck_assert(isfinite(seconds) && seconds >= 0 && at.d[3] > 0);
    t->calls++;
    t->products += strstr(name, "matmul with w") != NULL;
    t->seconds += seconds;
}

// Forward and backward: the product twice, and the loss the program computes is the same afterwards.
START_TEST(profile_tells_every_call)
{
    struct session s = { 0 };
    struct told t = { 0 };
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &s.g), VKD_OK);
    vkd_tensor *x = vkd_input(s.g, "x", VKD_F32, shape(N, 1, 1, C));
    vkd_tensor *y = vkd_matmul(s.g, x, matrix(s.g, "w", C, K), NULL);
    vkd_graph_loss(s.g, vkd_mark(s.g, vkd_mean(s.g, vkd_mul(s.g, y, y), 15), "loss"));
    start(&s);
    float before = loss_of(&s);
    ck_assert_int_eq(vkd_program_profile(s.program, 3, tell, &t), VKD_OK);
    ck_assert_float_eq(loss_of(&s), before);
    ck_assert_uint_eq(t.products, 2);
    ck_assert_uint_ge(t.calls, 6);
    if (vkd_device_caps(dev)->timestamp_bits)
        ck_assert_double_gt(t.seconds, 0);
    stop(&s);
}
END_TEST

START_TEST(start_values_depend_on_seed_and_name_alone)
{
    uint64_t hash[3];
    for (int i = 0; i < 3; i++) {
        vkd_graph *g;
        vkd_params *p;
        ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &g), VKD_OK);
        matrix(g, "w", C, K);
        ck_assert_int_eq(vkd_params_create(dev, g, false, &p), VKD_OK);
        ck_assert_int_eq(vkd_params_init(p, i == 2 ? 8 : 7), VKD_OK);
        ck_assert_int_eq(vkd_params_hash(p, &hash[i]), VKD_OK);
        vkd_params_destroy(&p);
        vkd_graph_destroy(&g);
    }
    ck_assert(hash[0] == hash[1]);
    ck_assert(hash[0] != hash[2]);
}
END_TEST

static void open_device(void) { dev = gpu_open(); ck_assert_ptr_nonnull(dev); }
static void close_device(void) { gpu_close(&dev); }

int main(void)
{
    Suite *s = suite_create("program");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_add_test(t, fan_out_adds_gradients);
    tcase_add_test(t, detach_stops_gradients);
    tcase_add_test(t, unreached_inputs_have_no_gradient);
    tcase_add_test(t, first_bad_tensor_is_named);
    tcase_add_test(t, profile_tells_every_call);
    tcase_add_test(t, start_values_depend_on_seed_and_name_alone);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
