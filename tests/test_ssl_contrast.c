// test_ssl_contrast.c -- the contrastive family: exact values, PyTorch's numbers, queues.
#include "tests/golden.h"
#include "tests/gpu.h"
#include "tests/ssl_world.h"

static vkd_device *dev;

// Every embedding of every view is the same vector, and so is every row of the queues.
static double loss_of_equal(const struct ssl_world_params *p)
{
    struct ssl_world w;
    ssl_world_open(&w, dev, p);
    uint32_t rows = w.method->queue ? w.config.queue : p->batch, width = p->student[0];
    float *values = malloc((uint64_t) rows * width * sizeof(*values));
    for (uint64_t i = 0; i < (uint64_t) rows * width; i++)
        values[i] = (float) (1 + i % width);
    for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++)
        for (uint32_t v = 0; v < p->views; v++) {
            ck_assert(!p->student[o] || p->student[o] == width);
            if (p->student[o])
                ssl_world_student(&w, v, o, values);
            if (p->teacher[o])
                ssl_world_teacher(&w, v, o, values);
        }
    if (w.method->labels) {
        uint32_t *labels = calloc(p->batch, sizeof(*labels));
        ssl_world_labels(&w, labels);
        free(labels);
    }
    if (w.method->queue) {
        double length = 0;
        for (uint32_t i = 0; i < width; i++)
            length += (1.0 + i) * (1 + i);
        for (uint64_t i = 0; i < (uint64_t) rows * width; i++)
            values[i] = (float) (values[i] / sqrt(length));
        ssl_world_write_state(&w, "queue.0", values);
        ssl_world_write_state(&w, "queue.1", values);
    }
    double loss = ssl_world_step(&w, NULL);
    ck_assert_double_eq_tol(loss, w.method->collapsed(&w.config, p->batch), 1e-6 * loss);
    ssl_world_close(&w);
    free(values);
    return loss;
}

START_TEST(equal_embeddings)
{
    double loss = loss_of_equal(&(struct ssl_world_params) {
        .method = "simclr", .batch = 256, .views = 2, .large = 2, .student = { 16 } });
    ck_assert_double_eq_tol(loss, 6.23637, 1e-5);
    loss = loss_of_equal(&(struct ssl_world_params) {
        .method = "supcon", .batch = 256, .views = 2, .large = 2, .student = { 16 } });
    ck_assert_double_eq_tol(loss, 6.23637, 1e-5);
    struct vkd__ssl_config c = vkd__ssl_find("mocov3")->config;
    c.temperature = 1;
    loss = loss_of_equal(&(struct ssl_world_params) {
        .method = "mocov3", .config = &c, .batch = 128, .views = 2, .large = 2, .student = { 16, 16 }, .teacher = { 16 } });
    ck_assert_double_eq_tol(loss, 4 * 4.852030, 1e-5);
}
END_TEST

START_TEST(equal_embeddings_in_a_queue)
{
    struct vkd__ssl_config c = vkd__ssl_find("mocov2")->config;
    struct ssl_world_params p = { .method = "mocov2", .config = &c, .batch = 8, .views = 2, .large = 2,
                                  .student = { 16 }, .teacher = { 16 } };
    c.queue = 4096;
    ck_assert_double_eq_tol(loss_of_equal(&p), 8.31801, 1e-5);
    c.queue = 65536;
    ck_assert_double_eq_tol(loss_of_equal(&p), 11.09037, 1e-5);
}
END_TEST

START_TEST(same_as_pytorch)
{
    vkd__st_file *file = golden_open("ssl_contrast", vkd_device_log(dev));
    ssl_world_golden_all(dev, file, 13, 1e-4);
    vkd__st_close(&file);
}
END_TEST

// Without labels there is no anchor, and what has no anchor moves nothing.
START_TEST(no_labels_are_no_class)
{
    enum { N = 6, D = 5 };
    struct ssl_world w;
    float *values = golden_numbers("no labels", N * D, -1, 1), grad[N * D];
    ssl_world_open(&w, dev, &(struct ssl_world_params) {
        .method = "supcon", .batch = N, .views = 2, .large = 2, .student = { D } });
    for (uint32_t v = 0; v < 2; v++)
        ssl_world_student(&w, v, 0, values);
    ssl_world_labels(&w, (uint32_t [N]) { ~0u, ~0u, ~0u, ~0u, ~0u, ~0u });
    ck_assert_double_eq(ssl_world_step(&w, NULL), 0);
    for (uint32_t v = 0; v < 2; v++) {
        ssl_world_grad(&w, v, 0, grad);
        for (int i = 0; i < N * D; i++)
            ck_assert_float_eq(grad[i], 0);
    }
    ssl_world_close(&w);
    free(values);
}
END_TEST

START_TEST(queues_start_as_directions)
{
    enum { K = 12, D = 5 };
    struct vkd__ssl_config c = vkd__ssl_find("mocov2")->config;
    struct ssl_world w;
    float rows[2][K * D];
    c.queue = K;
    ssl_world_open(&w, dev, &(struct ssl_world_params) { .method = "mocov2", .config = &c, .batch = 4, .views = 2,
                                                         .large = 2, .student = { D }, .teacher = { D } });
    ssl_world_read_state(&w, "queue.0", rows[0]);
    ssl_world_read_state(&w, "queue.1", rows[1]);
    for (int r = 0; r < 2 * K; r++) {
        double square = 0;
        for (int i = 0; i < D; i++)
            square += pow((double) rows[r / K][r % K * D + i], 2);
        ck_assert_double_eq_tol(square, 1, 1e-6);
    }
    ck_assert(memcmp(rows[0], rows[1], sizeof(rows[0])));
    ck_assert(memcmp(rows[0], rows[0] + D, D * sizeof(float)));
    ssl_world_close(&w);
}
END_TEST

START_TEST(queues_that_do_not_fit_are_refused)
{
    static const uint32_t queues[] = { 0, 3, 10 };
    struct vkd__ssl_config c = vkd__ssl_find("mocov2")->config;
    for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
        char text[256];
        c.queue = queues[i];
        ssl_world_refusal(&(struct ssl_world_params) { .method = "mocov2", .config = &c, .batch = 4, .views = 2,
                                                       .large = 2, .student = { 5 }, .teacher = { 5 } }, text, sizeof(text));
        ck_assert_msg(strstr(text, "a queue must be a multiple of the batch"), "%s", text);
    }
}
END_TEST

// With equal inputs and seeds, a second run gives the same bits.
START_TEST(same_bits_again)
{
    enum { N = 16, D = 32, K = 32 };
    struct vkd__ssl_config c = vkd__ssl_find("mocov2")->config;
    float grads[2][N * D], queues[2][K * D];
    c.queue = K;
    for (int again = 0; again < 2; again++) {
        struct ssl_world w;
        ssl_world_open(&w, dev, &(struct ssl_world_params) { .method = "mocov2", .config = &c, .batch = N, .views = 2,
                                                             .large = 2, .student = { D }, .teacher = { D } });
        float *values = golden_numbers("again", N * D, -1, 1);
        for (uint32_t v = 0; v < 2; v++) {
            ssl_world_student(&w, v, 0, values);
            ssl_world_teacher(&w, v, 0, values);
        }
        for (uint32_t step = 0; step < 3; step++)
            ssl_world_step(&w, &(struct vkd_step_block) { .step = step, .queue_row = step * N });
        ssl_world_grad(&w, 0, 0, grads[again]);
        ssl_world_read_state(&w, "queue.1", queues[again]);
        free(values);
        ssl_world_close(&w);
    }
    ck_assert(!memcmp(grads[0], grads[1], sizeof(grads[0])));
    ck_assert(!memcmp(queues[0], queues[1], sizeof(queues[0])));
}
END_TEST

// Rows (width a multiple of 4) are all equal, or independent. Returns the mean deviation of their directions' columns.
static float spread_of(uint32_t rows, uint32_t width, bool independent)
{
    vkd_graph *g;
    vkd_params *params;
    vkd_program *program;
    struct vkd_range range;
    uint64_t ticket;
    float spread[4], *z = golden_numbers("spread", rows * width, -1, 1);
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &g), VKD_OK);
    vkd_mark(g, vkd__ssl_spread(g, vkd_input(g, "z", VKD_F32, (struct vkd_shape) { { rows, 1, 1, width } })), "spread");
    vkd_param(g, &(struct vkd_param_params) { .name = "unused", .shape = { { 1, 1, 1, 1 } } });
    ck_assert_int_eq(vkd_params_create(dev, g, false, &params), VKD_OK);
    ck_assert_int_eq(vkd_program_create(dev, g, params, &(struct vkd_program_params) { .training = true }, &program), VKD_OK);
    for (uint32_t i = 0; i < rows * width && !independent; i++)
        z[i] = z[i % width];
    ck_assert_int_eq(vkd_program_range(program, "z", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, range.buffer, range.ofs, z, rows * width * sizeof(*z)), VKD_OK);
    ck_assert_int_eq(vkd_program_run(program, NULL, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    ck_assert_int_eq(vkd_program_range(program, "spread", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, range.buffer, range.ofs, spread, sizeof(spread)), VKD_OK);
    vkd_program_destroy(&program);
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
    free(z);
    return spread[0];
}

START_TEST(spread_tells_collapse)
{
    static const uint32_t widths[] = { 16, 128, 256 };
    for (int i = 0; i < 3; i++) {
        ck_assert_float_eq(spread_of(256, widths[i], false), 0);
        ck_assert_float_eq_tol(spread_of(256, widths[i], true), 1 / sqrtf((float) widths[i]), 0.01f / sqrtf((float) widths[i]));
    }
}
END_TEST

#define PLAIN_HEAD(prefix) prefix "projector.0.weight", prefix "projector.0.bias", prefix "projector.1.weight", \
                           prefix "projector.1.bias"
#define NORM(name) name ".running_mean", name ".running_var"

START_TEST(heads)
{
    static const char *const names[][32] = {
        { "simclr", PLAIN_HEAD("") },
        { "supcon", PLAIN_HEAD("") },
        { "mocov2", PLAIN_HEAD(""), PLAIN_HEAD("teacher."), "queue.0", "queue.1" },
        { "mocov3", "projector.0.weight", "projector.0_norm.weight", "projector.0_norm.bias", "projector.1.weight",
          "predictor.0.weight", "predictor.0_norm.weight", "predictor.0_norm.bias", "predictor.1.weight",
          NORM("projector.0_norm"), "projector.1_norm.weight", "projector.1_norm.bias", NORM("projector.1_norm"),
          NORM("predictor.0_norm"),
          "teacher.projector.0.weight", "teacher.projector.0_norm.weight", "teacher.projector.0_norm.bias",
          NORM("teacher.projector.0_norm"), "teacher.projector.1.weight", "teacher.projector.1_norm.weight",
          "teacher.projector.1_norm.bias", NORM("teacher.projector.1_norm") },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct vkd__ssl_config c = vkd__ssl_find(names[i][0])->config;
        c.projector_hidden = c.predictor_hidden = 12;
        c.projector_out = 8;
        c.queue = 24;
        ssl_world_heads(dev, &(struct ssl_world_params) { .method = names[i][0], .config = &c, .batch = 6, .views = 2,
                                                          .large = 2 }, 10, names[i] + 1);
    }
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
    Suite *s = suite_create("ssl contrast");
    TCase *t = tcase_create("losses");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_test(t, equal_embeddings);
    tcase_add_test(t, equal_embeddings_in_a_queue);
    tcase_add_test(t, same_as_pytorch);
    tcase_add_test(t, no_labels_are_no_class);
    tcase_add_test(t, queues_start_as_directions);
    tcase_add_test(t, queues_that_do_not_fit_are_refused);
    tcase_add_test(t, same_bits_again);
    tcase_add_test(t, spread_tells_collapse);
    tcase_add_test(t, heads);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
