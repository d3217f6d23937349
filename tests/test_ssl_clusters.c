// test_ssl_clusters.c -- SwAV and DINO: Sinkhorn's codes, exact anchors, PyTorch's numbers, queues, heads.
#include "engine/graph_impl.h"
#include "engine/op_run.h"
#include "tests/golden.h"
#include "tests/gpu.h"
#include "tests/ssl_world.h"

static vkd_device *dev;

// ---- Sinkhorn ----

// Codes of `scores` (rows, columns), both without padding; in place.
static void sinkhorn(float *scores, uint32_t rows, uint32_t columns, float eps, uint32_t iterations)
{
    struct vkd_call c = { .op = vkd__op_find("sinkhorn"), .in_count = 1 };
    struct vkd__op_run *run = NULL;
    uint32_t stride = vkd__pad4(columns);
    c.in[0] = (struct vkd_desc) { { { rows, 1, 1, columns } }, VKD_F32 };
    c.attr = (struct vkd_attr) { .eps = eps, .iterations = iterations };
    c.caps = vkd_device_caps(dev);
    ck_assert_msg(c.op->shape(&c), "%s", c.error);
    ck_assert_int_eq(vkd__op_run_create(dev, &(struct vkd__op_run_params) { .call = &c }, &run), VKD_OK);
    float *in = vkd__op_run_data(run, VKD_SLOT_IN, 0, NULL), *out = vkd__op_run_data(run, VKD_SLOT_OUT, 0, NULL);
    memset(in, 0, (size_t) rows * stride * sizeof(*in));
    for (uint32_t r = 0; r < rows; r++)
        memcpy(in + (size_t) r * stride, scores + (size_t) r * columns, columns * sizeof(*in));
    ck_assert_int_eq(vkd__op_run_pass(run, VKD__OP_FORWARD), VKD_OK);
    for (uint32_t r = 0; r < rows; r++)
        memcpy(scores + (size_t) r * columns, out + (size_t) r * stride, columns * sizeof(*out));
    vkd__op_run_destroy(&run);
}

// The largest distance of a sample's sum from 1, and of a prototype's from rows / columns, relative to it.
static void distances(const float *codes, uint32_t rows, uint32_t columns, double *sample, double *prototype)
{
    double even = (double) rows / columns, *totals = calloc(columns, sizeof(*totals));
    *sample = *prototype = 0;
    for (uint32_t r = 0; r < rows; r++) {
        double sum = 0;
        for (uint32_t i = 0; i < columns; i++) {
            double code = (double) codes[(size_t) r * columns + i];
            ck_assert_msg(code >= 0 && code <= 1 + 1e-6, "code %u of sample %u is %g", i, r, code);
            sum += code;
            totals[i] += code;
        }
        *sample = fmax(*sample, fabs(sum - 1));
    }
    for (uint32_t i = 0; i < columns; i++)
        *prototype = fmax(*prototype, fabs(totals[i] - even) / even);
    free(totals);
}

START_TEST(samples_sum_to_one_and_prototypes_nearly)
{
    enum { N = 64, K = 30 };
    double sample, prototype, before = 1e9;
    static const uint32_t iterations[] = { 1, 3, 10, 100 };
    for (int i = 0; i < 4; i++) {
        float *s = golden_numbers("sinkhorn", N * K, -1, 1);
        sinkhorn(s, N, K, 0.05f, iterations[i]);
        distances(s, N, K, &sample, &prototype);
        ck_assert_msg(sample < 1e-6, "%u iterations: a sample's codes sum to 1 +- %g", iterations[i], sample);
        ck_assert_msg(prototype < before, "%u iterations: %g is not nearer than %g", iterations[i], prototype, before);
        if (iterations[i] == 3)
            ck_assert_msg(prototype > 1e-3 && prototype < 1, "after 3 iterations prototypes are %g off", prototype);
        before = prototype;
        free(s);
    }
    ck_assert_msg(before < 0.01, "after 100 iterations prototypes are still %g off", before);
}
END_TEST

// Where exponentials would be 0 or infinite: one sample far from all others, and prototypes that nobody is near.
START_TEST(any_scores_have_codes)
{
    static const float sizes[] = { 1e-6f, 1, 1e2f, 1e4f, 1e6f };
    enum { N = 33, K = 70 };
    for (int i = 0; i < 5; i++) {
        double sample, prototype;
        float *s = golden_numbers("far out", N * K, -1, 1);
        for (uint32_t e = 0; e < N * K; e++)
            s[e] = s[e] * sizes[i] + (e / K == 7 ? 100 * sizes[i] : 0) - (e % K == 3 ? 50 * sizes[i] : 0);
        sinkhorn(s, N, K, 0.05f, 3);
        distances(s, N, K, &sample, &prototype);
        ck_assert_msg(sample < 1e-5, "scores of %g: a sample's codes sum to 1 +- %g", (double) sizes[i], sample);
        free(s);
    }
}
END_TEST

START_TEST(equal_scores_have_uniform_codes)
{
    enum { N = 5, K = 33 };
    float s[N * K];
    for (int i = 0; i < N * K; i++)
        s[i] = (float) (i % K) / K;
    sinkhorn(s, N, K, 0.05f, 3);
    for (int i = 0; i < N * K; i++)
        ck_assert_float_eq_tol(s[i], 1.0f / K, 1e-6f);
}
END_TEST

START_TEST(large_batches_have_codes)
{
    enum { N = 1024, K = 4096 };
    double sample, prototype;
    float *s = golden_numbers("large", (uint64_t) N * K, -1, 1);
    sinkhorn(s, N, K, 0.05f, 3);
    distances(s, N, K, &sample, &prototype);
    ck_assert_msg(sample < 1e-5 && prototype < 0.1, "sums are %g and %g off", sample, prototype);
    free(s);
}
END_TEST

// ---- Losses ----

// All scores of all views 0, over `prototypes`.
static double loss_of_uniform(const char *method, uint32_t prototypes)
{
    enum { N = 4, V = 4, D = 5 };
    const struct vkd__ssl_method *m = vkd__ssl_find(method);
    struct vkd__ssl_config c = m->config;
    struct ssl_world w;
    size_t count = (size_t) N * prototypes;
    float *zero = calloc(count, sizeof(*zero)), *grad = malloc(count * sizeof(*grad));
    c.queue = 0;
    c.prototypes = prototypes;
    ssl_world_open(&w, dev, &(struct ssl_world_params) {
        .method = method, .config = &c, .batch = N, .views = V, .large = 2, .student = { D, prototypes },
        .teacher = { m->teacher ? D : 0, m->teacher ? prototypes : 0 } });
    for (uint32_t v = 0; v < V; v++) {
        ssl_world_student(&w, v, 0, zero);
        ssl_world_student(&w, v, 1, zero);
        if (v < 2 && m->teacher)
            ssl_world_teacher(&w, v, 1, zero);
    }
    double loss = ssl_world_step(&w, NULL);
    ck_assert_double_eq_tol(loss, m->collapsed(&c, N), 1e-5);
    ssl_world_grad(&w, 3, 1, grad);
    for (uint32_t i = 0; i < N * prototypes; i++)
        ck_assert_float_eq_tol(grad[i], 0, 1e-7f);
    ssl_world_close(&w);
    free(zero);
    free(grad);
    return loss;
}

START_TEST(uniform)
{
    ck_assert_double_eq_tol(loss_of_uniform("dino", 4096), 8.31777, 1e-5);
    ck_assert_double_eq_tol(loss_of_uniform("swav", 3000), 8.00637, 1e-5);
    ck_assert_double_eq_tol(loss_of_uniform("dino", 7), 1.94591, 1e-5);
}
END_TEST

START_TEST(same_as_pytorch)
{
    vkd__st_file *file = golden_open("ssl_clusters", vkd_device_log(dev));
    ssl_world_golden_all(dev, file, 7, 1e-4);
    vkd__st_close(&file);
}
END_TEST

// While it is off, a queue changes nothing, bit for bit, whatever it holds; on, it does.
START_TEST(queue_waits_until_it_is_on)
{
    enum { N = 6, D = 5, K = 9, QUEUE = 18 };
    struct vkd__ssl_config c = vkd__ssl_find("swav")->config;
    double losses[3];
    for (int i = 0; i < 3; i++) {
        struct ssl_world w;
        float *z = golden_numbers("z", N * D, -1, 1), *s = golden_numbers("s", N * K, -1, 1), rows[QUEUE * D];
        for (int e = 0; e < QUEUE * D; e++)
            rows[e] = i == 1 ? NAN : z[e % (N * D)];
        c.queue = i ? QUEUE : 0;
        ssl_world_open(&w, dev, &(struct ssl_world_params) {
            .method = "swav", .config = &c, .batch = N, .views = 2, .large = 2, .student = { D, K } });
        for (uint32_t v = 0; v < 2; v++) {
            ssl_world_student(&w, v, 0, z);
            ssl_world_student(&w, v, 1, s);
        }
        if (i) {
            ssl_world_write_state(&w, "queue.0", rows);
            ssl_world_write_state(&w, "queue.1", rows);
        }
        losses[i] = ssl_world_step(&w, &(struct vkd_step_block) { .queue_on = i == 2 });
        ssl_world_close(&w);
        free(z);
        free(s);
    }
    ck_assert_double_eq(losses[0], losses[1]);
    ck_assert(isfinite(losses[2]) && losses[2] != losses[1]);
}
END_TEST

START_TEST(queues_that_do_not_fit_are_refused)
{
    struct vkd__ssl_config c = vkd__ssl_find("swav")->config;
    char text[256];
    c.queue = 10;
    ssl_world_refusal(&(struct ssl_world_params) { .method = "swav", .config = &c, .batch = 4, .views = 2, .large = 2,
                                                   .student = { 5, 7 } }, text, sizeof(text));
    ck_assert_msg(strstr(text, "a queue must be a multiple of the batch"), "%s", text);
}
END_TEST

// Runs two steps of either method twice.
START_TEST(same_bits_again)
{
    enum { N = 16, D = 32, K = 70, V = 3 };
    static const char *const methods[] = { "swav", "dino" };
    float grads[2][N * K], states[2][32 * D];
    for (int i = 0; i < 4; i++) {
        const struct vkd__ssl_method *m = vkd__ssl_find(methods[i / 2]);
        struct vkd__ssl_config c = m->config;
        struct ssl_world w;
        float *z = golden_numbers("z", N * D, -1, 1), *s = golden_numbers("s", N * K, -1, 1);
        c.queue = m->queue ? 32 : 0;
        ssl_world_open(&w, dev, &(struct ssl_world_params) {
            .method = m->name, .config = &c, .batch = N, .views = V, .large = 2, .student = { D, K },
            .teacher = { m->teacher ? D : 0, m->teacher ? K : 0 } });
        for (uint32_t v = 0; v < V; v++) {
            ssl_world_student(&w, v, 0, z);
            ssl_world_student(&w, v, 1, s);
            if (v < 2 && m->teacher)
                ssl_world_teacher(&w, v, 1, s);
        }
        for (uint32_t step = 0; step < 2; step++)
            ssl_world_step(&w, &(struct vkd_step_block) { .step = step, .queue_row = step * N, .queue_on = 1 });
        ssl_world_grad(&w, 2, 1, grads[i % 2]);
        ssl_world_read_state(&w, m->queue ? "queue.1" : "centre", states[i % 2]);
        if (i % 2) {
            ck_assert(!memcmp(grads[0], grads[1], sizeof(grads[0])));
            ck_assert(!memcmp(states[0], states[1], (m->queue ? 32 * D : K) * sizeof(float)));
        }
        ssl_world_close(&w);
        free(z);
        free(s);
    }
}
END_TEST

#define LINEAR(name) name ".weight", name ".bias"
#define HEAD(prefix) LINEAR(prefix "projector.0"), LINEAR(prefix "projector.1"), LINEAR(prefix "projector.2"), \
                     prefix "prototypes.weight"

#define NORMED(name) name ".weight", name "_norm.weight", name "_norm.bias"
#define STATES(name) name "_norm.running_mean", name "_norm.running_var"

START_TEST(heads)
{
    static const char *const names[][32] = {
        { "swav", "projector.0.weight", "projector.0_norm.weight", "projector.0_norm.bias", LINEAR("projector.1"),
          "prototypes.weight", "projector.0_norm.running_mean", "projector.0_norm.running_var", "queue.0", "queue.1" },
        { "dino", HEAD(""), HEAD("teacher."), "centre" },
        { "dino", NORMED("projector.0"), NORMED("projector.1"), LINEAR("projector.2"), "prototypes.weight",
          STATES("projector.0"), STATES("projector.1"), NORMED("teacher.projector.0"), STATES("teacher.projector.0"),
          NORMED("teacher.projector.1"), STATES("teacher.projector.1"), LINEAR("teacher.projector.2"),
          "teacher.prototypes.weight", "centre" },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const struct vkd__ssl_method *m = vkd__ssl_find(names[i][0]);
        struct vkd__ssl_config c = m->config;
        c.projector_hidden = 13;
        c.projector_out = 9;
        c.prototypes = 21;
        c.queue = m->queue ? 10 : 0;
        c.projector_norm = i == 2;
        ssl_world_heads(dev, &(struct ssl_world_params) { .method = m->name, .config = &c, .batch = 5, .views = 4,
                                                          .large = 2 }, 11, names[i] + 1);
        ck_assert(m->crops);
        ck_assert_str_eq(m->frozen_first, "prototypes");
    }
    ck_assert_str_eq(vkd__ssl_find("swav")->unit_columns, "prototypes.weight");
}
END_TEST

static uint32_t params_of(const vkd_graph *g)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->tensor_count; i++)
        count += g->tensors[i]->kind == VKD_TENSOR_PARAM;
    return count;
}

// Behind a prefix, as in training, the loss scores its queue by the prototypes of the heads and makes no others.
START_TEST(queues_are_scored_by_the_heads_prototypes)
{
    enum { N = 4, F = 6, V = 2 };
    const struct vkd__ssl_method *m = vkd__ssl_find("swav");
    struct vkd__ssl_config c = m->config;
    struct vkd__ssl_inputs in = { .batch = N, .views = V, .large = 2 };
    const struct vkd_scope scope = { .params = "ssl.", .shared = true };
    vkd_graph *g;
    c.projector_hidden = 5;
    c.projector_out = 3;
    c.prototypes = 7;
    c.queue = 2 * N;
    ck_assert_int_eq(vkd_graph_create(NULL, &g), VKD_OK);
    for (uint32_t v = 0; v < V; v++) {
        vkd_tensor *x = vkd_input(g, v ? "x1" : "x0", VKD_F32, (struct vkd_shape) { { N, 1, 1, F } });
        vkd_scope_begin(g, &scope);
        m->embed(g, x, &c, false, in.student[v]);
        vkd_scope_end(g);
    }
    uint32_t count = params_of(g);
    vkd_scope_begin(g, &scope);
    m->loss(g, &in, &c);
    vkd_scope_end(g);
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    ck_assert_uint_eq(params_of(g), count + 2);
    ck_assert_ptr_nonnull(vkd_graph_find(g, "ssl.queue.1"));
    ck_assert_ptr_null(vkd_graph_find(g, m->unit_columns));
    vkd_graph_destroy(&g);
}
END_TEST

static void open_all(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_all(void)
{
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("ssl clusters");
    TCase *t = tcase_create("losses");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_test(t, samples_sum_to_one_and_prototypes_nearly);
    tcase_add_test(t, any_scores_have_codes);
    tcase_add_test(t, equal_scores_have_uniform_codes);
    tcase_add_test(t, large_batches_have_codes);
    tcase_add_test(t, uniform);
    tcase_add_test(t, same_as_pytorch);
    tcase_add_test(t, queue_waits_until_it_is_on);
    tcase_add_test(t, queues_that_do_not_fit_are_refused);
    tcase_add_test(t, same_bits_again);
    tcase_add_test(t, heads);
    tcase_add_test(t, queues_are_scored_by_the_heads_prototypes);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
