// test_ssl_distill.c -- BYOL, SimSiam, Barlow Twins and VICReg: exact anchors, PyTorch's numbers, heads.
#include "tests/golden.h"
#include "tests/gpu.h"
#include "tests/ssl_world.h"

static vkd_device *dev;

// The loss where every embedding of every view is the same vector, whose elements are `first` + i * `step`.
static double loss_of_equal(const char *method, const struct vkd__ssl_config *config, uint32_t batch, uint32_t width,
                            float first, float step)
{
    struct ssl_world w;
    bool predicts = !strcmp(method, "byol") || !strcmp(method, "simsiam");
    ssl_world_open(&w, dev, &(struct ssl_world_params) {
        .method = method, .config = config, .batch = batch, .views = 2, .large = 2,
        .student = { width, predicts ? width : 0 }, .teacher = { vkd__ssl_find(method)->teacher ? width : 0 } });
    uint64_t size = (uint64_t) batch * width * sizeof(float);
    float *values = malloc(size), *grad = malloc(size);
    for (uint32_t i = 0; i < batch * width; i++)
        values[i] = first + step * (float) (i % width);
    for (uint32_t v = 0; v < 2; v++) {
        ssl_world_student(&w, v, 0, values);
        if (predicts)
            ssl_world_student(&w, v, 1, values);
        if (w.method->teacher)
            ssl_world_teacher(&w, v, 0, values);
    }
    double loss = ssl_world_step(&w, NULL);
    ssl_world_grad(&w, 1, predicts, grad);
    for (uint32_t i = 0; i < batch * width; i++)
        ck_assert_msg(fabsf(grad[i]) < 1e-5f, "%s: gradient %u is %g", method, i, (double) grad[i]);
    ssl_world_close(&w);
    free(values);
    free(grad);
    return loss;
}

START_TEST(equal_embeddings)
{
    struct vkd__ssl_config c = vkd__ssl_find("barlow")->config;
    ck_assert_double_eq_tol(loss_of_equal("byol", NULL, 5, 33, 1, 1), 0, 1e-6);
    ck_assert_double_eq_tol(loss_of_equal("simsiam", NULL, 5, 33, 1, 1), -1, 1e-6);
    ck_assert(isnan(vkd__ssl_find("byol")->collapsed(&c, 5)) && isnan(vkd__ssl_find("simsiam")->collapsed(&c, 5)));
    c.projector_out = 64;
    double loss = loss_of_equal("barlow", &c, 8, 64, 0.5f, 0.25f);
    ck_assert_double_eq_tol(loss, 6.4, 1e-5);
    ck_assert_double_eq_tol(loss, vkd__ssl_find("barlow")->collapsed(&c, 8), 1e-5);
    c = vkd__ssl_find("vicreg")->config;
    loss = loss_of_equal("vicreg", NULL, 8, 64, 0, 0);
    ck_assert_double_eq_tol(loss, 24.75, 1e-5);
    ck_assert_double_eq_tol(loss, vkd__ssl_find("vicreg")->collapsed(&c, 8), 1e-5);
    ck_assert_double_eq_tol(loss_of_equal("vicreg", NULL, 8, 64, 0.5f, 0.25f), 24.75, 1e-5);
}
END_TEST

// Vectors of opposite directions.
START_TEST(opposite_embeddings)
{
    enum { N = 3, D = 5 };
    struct ssl_world w;
    float *here = golden_numbers("opposite", N * D, -1, 1), there[N * D];
    for (int i = 0; i < N * D; i++)
        there[i] = -3 * here[i];
    struct ssl_world_params p = { .method = "byol", .batch = N, .views = 2, .large = 2, .student = { D, D },
                                  .teacher = { D } };
    ssl_world_open(&w, dev, &p);
    for (uint32_t v = 0; v < 2; v++) {
        ssl_world_student(&w, v, 1, here);
        ssl_world_teacher(&w, v, 0, there);
    }
    ck_assert_double_eq_tol(ssl_world_step(&w, NULL), 8, 1e-5);
    ssl_world_close(&w);
    p.method = "simsiam";
    p.teacher[0] = 0;
    ssl_world_open(&w, dev, &p);
    for (uint32_t v = 0; v < 2; v++) {
        ssl_world_student(&w, v, 1, here);
        ssl_world_student(&w, v, 0, there);
    }
    ck_assert_double_eq_tol(ssl_world_step(&w, NULL), 1, 1e-6);
    ssl_world_close(&w);
    free(here);
}
END_TEST

// Independent columns still correlate over a batch: about lambda D (D - 1) / N, not 0.
START_TEST(barlow_of_white_noise)
{
    enum { N = 256, D = 2048 };
    struct vkd__ssl_config c = vkd__ssl_find("barlow")->config;
    ck_assert_float_eq(c.lambda, 0.0051f);
    ck_assert_float_eq(c.scale, 0.1f);
    float *z = golden_numbers("white", 2 * N * D, 0, 1), parts[2];
    for (uint32_t i = 0; i < N * D; i++)        // Box and Muller
        z[i] = sqrtf(-2 * logf(1 - z[2 * i])) * cosf(6.2831853f * z[2 * i + 1]);
    for (int part = 0; part < 2; part++) {
        struct ssl_world w;
        c.scale = 1;
        c.lambda = part ? 0.0051f : 0;
        ssl_world_open(&w, dev, &(struct ssl_world_params) {
            .method = "barlow", .config = &c, .batch = N, .views = 2, .large = 2, .student = { D } });
        ssl_world_student(&w, 0, 0, z);
        ssl_world_student(&w, 1, 0, z);
        parts[part] = (float) ssl_world_step(&w, NULL);
        ssl_world_close(&w);
    }
    ck_assert_float_eq_tol(parts[0], 0, 1e-4f);
    ck_assert_float_eq_tol(parts[1], 83.5f, 0.01f * 83.5f);
    free(z);
}
END_TEST

START_TEST(same_as_pytorch)
{
    vkd__st_file *file = golden_open("ssl_distill", vkd_device_log(dev));
    ssl_world_golden_all(dev, file, 15, 1e-4);
    vkd__st_close(&file);
}
END_TEST

// No gradient reaches the projections: where numbers stood before, there is nothing.
START_TEST(simsiam_stops_gradients)
{
    enum { N = 5, D = 7 };
    struct ssl_world w;
    float *values = golden_numbers("stop", N * D, -1, 1), grad[N * D];
    ssl_world_open(&w, dev, &(struct ssl_world_params) {
        .method = "simsiam", .batch = N, .views = 2, .large = 2, .student = { D, D } });
    for (uint32_t v = 0; v < 2; v++)
        for (uint32_t o = 0; o < 2; o++)
            ssl_world_student(&w, v, o, values);
    ssl_world_write_state(&w, "student0.0.grad", values);
    ssl_world_step(&w, NULL);
    ssl_world_grad(&w, 0, 0, grad);
    for (uint32_t i = 0; i < N * D; i++)
        ck_assert_float_eq(grad[i], 0);
    ssl_world_close(&w);
    free(values);
}
END_TEST

#define LINEAR(name) name ".weight", name ".bias"
#define HIDDEN(name) name ".weight", name "_norm.weight", name "_norm.bias"
#define RUNNING(name) name ".running_mean", name ".running_var"
#define FIXED(name) name ".weight", name ".bias", RUNNING(name)

START_TEST(heads)
{
    static const char *const names[][32] = {
        { "byol", HIDDEN("projector.0"), LINEAR("projector.1"), HIDDEN("predictor.0"), LINEAR("predictor.1"),
          RUNNING("projector.0_norm"), RUNNING("predictor.0_norm"),
          "teacher.projector.0.weight", FIXED("teacher.projector.0_norm"), LINEAR("teacher.projector.1") },
        { "simsiam", HIDDEN("projector.0"), HIDDEN("projector.1"), "projector.2.weight",
          HIDDEN("predictor.0"), LINEAR("predictor.1"),
          RUNNING("projector.0_norm"), RUNNING("projector.1_norm"), FIXED("projector.2_norm"),
          RUNNING("predictor.0_norm") },
        { "barlow", HIDDEN("projector.0"), HIDDEN("projector.1"), "projector.2.weight",
          RUNNING("projector.0_norm"), RUNNING("projector.1_norm"), FIXED("correlation.0"), FIXED("correlation.1") },
        { "vicreg", HIDDEN("projector.0"), HIDDEN("projector.1"), "projector.2.weight",
          RUNNING("projector.0_norm"), RUNNING("projector.1_norm") },
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct vkd__ssl_config c = vkd__ssl_find(names[i][0])->config;
        c.projector_hidden = c.predictor_hidden = 13;
        c.projector_out = 9;
        ssl_world_heads(dev, &(struct ssl_world_params) { .method = names[i][0], .config = &c, .batch = 5, .views = 2,
                                                          .large = 2 }, 11, names[i] + 1);
    }
}
END_TEST

// What is said of parameters names some.
START_TEST(prefixes)
{
    ck_assert_str_eq(vkd__ssl_find("simsiam")->constant_lr, "predictor");
    ck_assert_ptr_null(vkd__ssl_find("byol")->constant_lr);
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
    Suite *s = suite_create("ssl distill");
    TCase *t = tcase_create("losses");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_test(t, equal_embeddings);
    tcase_add_test(t, opposite_embeddings);
    tcase_add_test(t, barlow_of_white_noise);
    tcase_add_test(t, same_as_pytorch);
    tcase_add_test(t, simsiam_stops_gradients);
    tcase_add_test(t, heads);
    tcase_add_test(t, prefixes);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
