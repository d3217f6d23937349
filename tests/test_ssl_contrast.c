// test_ssl_contrast.c -- the contrastive family: exact values, PyTorch's numbers, queues.
#include "tests/golden.h"
#include "tests/gpu.h"
#include "tests/ssl_world.h"

static vkd_device *dev;

// Every embedding of every view is the same vector.
static double loss_of_equal(const struct ssl_world_params *p)
{
    struct ssl_world w;
    ssl_world_open(&w, dev, p);
    for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++) {
        uint32_t width = p->student[o] ? p->student[o] : p->teacher[o];
        float *values = calloc((uint64_t) p->batch * width + 1, sizeof(*values));
        for (uint64_t i = 0; i < (uint64_t) p->batch * width; i++)
            values[i] = (float) (1 + i % width);
        for (uint32_t v = 0; v < p->views; v++) {
            if (p->student[o])
                ssl_world_student(&w, v, o, values);
            if (p->teacher[o])
                ssl_world_teacher(&w, v, o, values);
        }
        free(values);
    }
    double loss = ssl_world_step(&w, NULL);
    ck_assert_double_eq_tol(loss, w.method->collapsed(&w.config, p->batch), 1e-5 * loss);
    ssl_world_close(&w);
    return loss;
}

START_TEST(simclr_of_equal_embeddings)
{
    double loss = loss_of_equal(&(struct ssl_world_params) {
        .method = "simclr", .batch = 256, .views = 2, .large = 2, .student = { 16 } });
    ck_assert_double_eq_tol(loss, 6.23637, 1e-5);
}
END_TEST

START_TEST(same_as_pytorch)
{
    vkd__st_file *file = golden_open("ssl_contrast", vkd_device_log(dev));
    ssl_world_golden_all(dev, file, 4, 1e-4);
    vkd__st_close(&file);
}
END_TEST

START_TEST(heads)
{
    static const char *const plain[] = { "projector.0.weight", "projector.0.bias", "projector.1.weight",
                                         "projector.1.bias", NULL };
    struct vkd__ssl_config c = vkd__ssl_find("simclr")->config;
    c.projector_hidden = 12;
    c.projector_out = 8;
    ssl_world_heads(dev, &(struct ssl_world_params) { .method = "simclr", .config = &c, .batch = 6, .views = 2, .large = 2 },
                    10, plain);
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
    tcase_add_test(t, simclr_of_equal_embeddings);
    tcase_add_test(t, same_as_pytorch);
    tcase_add_test(t, heads);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
