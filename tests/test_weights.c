// test_weights.c -- weights saved and loaded: all, a part, and files that do not fit.
#include <vkdiv/model.h>
#include <vkdiv/weights.h>

#include "engine/safetensors.h"
#include "tests/gpu.h"

#include <string.h>

static vkd_device *dev;
static const char path[] = "test_weights.tmp";
static const struct vkd_weights_info described = {
    .arch = "resnet18", .width = 4, .cifar_stem = true, .classes = 10, .size = 28, .channels = 1,
    .mean = { 0.2860f, 0.1f, 1e-7f }, .std = { 0.3530f, 1, 1 }, .steps = 1234567890123,
};

static vkd_params *make(uint32_t classes, uint64_t seed)
{
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &g), VKD_OK);
    (void) vkd_model_build(g, vkd_input(g, "images", VKD_F32, (struct vkd_shape) { { 2, 28, 28, 1 } }),
                           &(struct vkd_model_params) { .arch = "resnet18", .width = 4, .cifar_stem = true,
                                                        .classes = classes });
    ck_assert_int_eq(vkd_params_create(dev, g, false, &params), VKD_OK);
    ck_assert_int_eq(vkd_params_init(params, seed), VKD_OK);
    vkd_graph_destroy(&g);
    return params;
}

static uint64_t hash(vkd_params *p)
{
    uint64_t h;
    ck_assert_int_eq(vkd_params_hash(p, &h), VKD_OK);
    return h;
}

static void save(uint32_t classes, uint64_t seed)
{
    vkd_params *p = make(classes, seed);
    ck_assert_int_eq(vkd_weights_save(dev, p, &described, path), VKD_OK);
    vkd_params_destroy(&p);
}

START_TEST(round_trip)
{
    vkd_params *a = make(10, 1), *b = make(10, 2);
    ck_assert_int_eq(vkd_weights_save(dev, a, &described, path), VKD_OK);
    ck_assert(hash(a) != hash(b));
    ck_assert_int_eq(vkd_weights_load(dev, b, path, false), VKD_OK);
    ck_assert(hash(a) == hash(b));

    struct vkd_weights_info info;
    ck_assert_int_eq(vkd_weights_info(path, vkd_device_log(dev), &info), VKD_OK);
    ck_assert_str_eq(info.arch, described.arch);
    ck_assert_uint_eq(info.width, 4);
    ck_assert(info.cifar_stem);
    ck_assert_uint_eq(info.classes, 10);
    ck_assert_uint_eq(info.size, 28);
    ck_assert_uint_eq(info.channels, 1);
    ck_assert(info.steps == described.steps);
    ck_assert(!memcmp(info.mean, described.mean, sizeof(info.mean)));
    ck_assert(!memcmp(info.std, described.std, sizeof(info.std)));
    vkd_params_destroy(&b);
    vkd_params_destroy(&a);
}
END_TEST

START_TEST(another_head)
{
    save(7, 1);
    vkd_params *p = make(10, 2);
    uint64_t before = hash(p);
    ck_assert_int_eq(vkd_weights_load(dev, p, path, false), VKD_FORMAT);
    ck_assert_msg(strstr(gpu_last_error, "fc.weight is (7, 32), expected (10, 32)") != NULL, "%s", gpu_last_error);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "fc.bias is (7), expected (10)"));
    ck_assert(hash(p) == before);
    ck_assert_int_eq(vkd_weights_load(dev, p, path, true), VKD_OK);
    ck_assert(hash(p) != before);

    int index = vkd_params_find(p, "layer4.1.conv2.weight");
    vkd_params *other = make(7, 1);
    const struct vkd_param_info *info = vkd_params_at(p, (uint32_t) index);
    float *x = malloc(info->numel * 4), *y = malloc(info->numel * 4);
    ck_assert_int_eq(vkd_params_read(p, (uint32_t) index, x), VKD_OK);
    ck_assert_int_eq(vkd_params_read(other, (uint32_t) vkd_params_find(other, info->name), y), VKD_OK);
    ck_assert(!memcmp(x, y, info->numel * 4));
    free(x);
    free(y);
    vkd_params_destroy(&other);
    vkd_params_destroy(&p);
}
END_TEST

START_TEST(missing_and_unexpected)
{
    // A backbone has no fc: one direction lacks two tensors, the other has two too many.
    save(0, 1);
    vkd_params *p = make(10, 2);
    ck_assert_int_eq(vkd_weights_load(dev, p, path, false), VKD_FORMAT);
    ck_assert_msg(strstr(gpu_last_error, "fc.weight is missing; fc.bias is missing") != NULL, "%s", gpu_last_error);
    vkd_params_destroy(&p);

    save(10, 1);
    p = make(0, 2);
    ck_assert_int_eq(vkd_weights_load(dev, p, path, false), VKD_FORMAT);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "fc.weight is unexpected"));
    ck_assert_int_eq(vkd_weights_load(dev, p, path, true), VKD_OK);
    vkd_params_destroy(&p);
}
END_TEST

START_TEST(foreign_files)
{
    const uint8_t bytes[64] = { 0 };
    const struct vkd__st_tensor other = { .name = "x", .type = VKD__ST_F32, .rank = 1, .shape = { 4 }, .data = bytes };
    struct vkd_weights_info info = { .width = 77 };
    vkd_params *p = make(10, 2);
    uint64_t before = hash(p);
    ck_assert_int_eq(vkd__st_write(path, NULL, &other, 1, NULL, 0), VKD_OK);
    ck_assert_int_eq(vkd_weights_load(dev, p, path, false), VKD_FORMAT);
    ck_assert_msg(strstr(gpu_last_error, "; and ") != NULL, "%s", gpu_last_error);
    ck_assert_int_eq(vkd_weights_load(dev, p, path, true), VKD_FORMAT);
    ck_assert_int_eq(vkd_weights_info(path, vkd_device_log(dev), &info), VKD_FORMAT);

    static const char *const texts[] = {
        "", "[]", "{\"arch\":\"resnet18\"}",
        "{\"arch\":\"a\",\"width\":0,\"stem\":\"cifar\",\"classes\":1,\"size\":1,\"channels\":1,\"mean\":[0,0,0],"
        "\"std\":[1,1,1],\"steps\":0}",
        "{\"arch\":\"a\",\"width\":8,\"stem\":\"cifar\",\"classes\":1,\"size\":1,\"channels\":1,\"mean\":[0,0,0],"
        "\"std\":[1,0,1],\"steps\":0}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const struct vkd__st_pair pair = { "vkdiv", texts[i] };
        ck_assert_int_eq(vkd__st_write(path, NULL, &other, 1, &pair, 1), VKD_OK);
        ck_assert_int_eq(vkd_weights_info(path, vkd_device_log(dev), &info), VKD_FORMAT);
    }
    ck_assert_uint_eq(info.width, 77);
    ck_assert_int_eq(vkd_weights_load(dev, p, "no such file", true), VKD_IO);
    ck_assert_int_eq(vkd_weights_save(dev, p, &described, "no/such/folder/file"), VKD_IO);
    struct vkd_weights_info bad = described;
    bad.mean[1] = (float) (1e300 * 1e300);
    ck_assert_int_eq(vkd_weights_save(dev, p, &bad, path), VKD_INVALID);
    ck_assert(hash(p) == before);
    vkd_params_destroy(&p);
}
END_TEST

// ---- Parts ----

// A backbone with a probe, and what a run keeps besides: a projector, a teacher.
static vkd_graph *declare(bool besides, uint32_t probe)
{
    vkd_graph *g = NULL;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &g), VKD_OK);
    const struct vkd_model_params model = { .arch = "resnet18", .width = 4, .cifar_stem = true };
    vkd_tensor *images = vkd_input(g, "images", VKD_F32, (struct vkd_shape) { { 2, 28, 28, 1 } });
    if (besides)
        vkd_param(g, &(struct vkd_param_params) { .name = "projector.0.weight", .shape = { { 1, 1, 32, 16 } } });
    (void) vkd_model_build(g, images, &model);
    vkd_param(g, &(struct vkd_param_params) { .name = "probe.weight", .shape = { { 1, 1, 32, probe } },
                                              .init = VKD_INIT_LINEAR });
    vkd_param(g, &(struct vkd_param_params) { .name = "probe.bias", .shape = { { 1, 1, 1, probe } },
                                              .init = VKD_INIT_LINEAR, .fan_in = 32 });
    if (besides) {
        vkd_scope_begin(g, &(struct vkd_scope) { .params = "teacher.", .marks = "teacher.", .frozen = true });
        (void) vkd_model_build(g, images, &model);
        vkd_scope_end(g);
    }
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

static vkd_params *store(const vkd_graph *g, uint64_t seed)
{
    vkd_params *p = NULL;
    ck_assert_int_eq(vkd_params_create(dev, g, false, &p), VKD_OK);
    ck_assert_int_eq(vkd_params_init(p, seed), VKD_OK);
    return p;
}

// Whether `name` holds the same in both.
static bool same(vkd_params *a, const char *name, vkd_params *b, const char *other)
{
    uint32_t i = (uint32_t) vkd_params_find(a, name), k = (uint32_t) vkd_params_find(b, other);
    ck_assert_ptr_nonnull(vkd_params_at(a, i));
    ck_assert_ptr_nonnull(vkd_params_at(b, k));
    uint64_t n = vkd_params_at(a, i)->numel;
    ck_assert_uint_eq(vkd_params_at(b, k)->numel, n);
    float *x = malloc(n * 4), *y = malloc(n * 4);
    ck_assert_int_eq(vkd_params_read(a, i, x), VKD_OK);
    ck_assert_int_eq(vkd_params_read(b, k, y), VKD_OK);
    bool equal = !memcmp(x, y, n * 4);
    free(x);
    free(y);
    return equal;
}

START_TEST(parts)
{
    static const struct vkd_weights_rename probe[] = { { "probe.", "fc." } }, teacher[] = { { "teacher.", "" } };
    vkd_graph *all = declare(true, 10), *some = declare(false, 10);
    vkd_params *run = store(all, 1), *other = store(all, 2), *classifier = make(10, 3);
    const struct vkd_weights_part part = { .only = some, .renames = probe, .rename_count = 1 };
    uint64_t before = hash(other);

    // Backbone and probe are a classifier; the file holds nothing else.
    ck_assert_int_eq(vkd_weights_save_part(dev, run, &described, &part, path), VKD_OK);
    ck_assert_int_eq(vkd_weights_load(dev, classifier, path, false), VKD_OK);
    ck_assert(same(run, "probe.weight", classifier, "fc.weight"));
    ck_assert(same(run, "probe.bias", classifier, "fc.bias"));
    ck_assert(same(run, "layer3.1.conv2.weight", classifier, "layer3.1.conv2.weight"));

    // And back, into a store that holds more.
    ck_assert_int_eq(vkd_weights_load(dev, other, path, false), VKD_FORMAT);
    ck_assert(hash(other) == before);
    ck_assert_int_eq(vkd_weights_load_part(dev, other, &part, path, false), VKD_OK);
    ck_assert(same(run, "probe.weight", other, "probe.weight"));
    ck_assert(same(run, "conv1.weight", other, "conv1.weight"));
    ck_assert(!same(run, "teacher.conv1.weight", other, "teacher.conv1.weight"));
    const struct vkd_weights_part as_is = { .only = some };
    ck_assert_int_eq(vkd_weights_load_part(dev, other, &as_is, path, false), VKD_FORMAT);
    ck_assert_msg(strstr(gpu_last_error, "probe.weight is missing") && strstr(gpu_last_error, "fc.weight is unexpected"),
                  "%s", gpu_last_error);
    ck_assert_int_eq(vkd_weights_load_part(dev, other, &as_is, path, true), VKD_OK);

    // A teacher as a model: its names clash with the student's unless the student is left out.
    vkd_graph *average = NULL;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &average), VKD_OK);
    vkd_scope_begin(average, &(struct vkd_scope) { .params = "teacher.", .frozen = true });
    (void) vkd_model_build(average, vkd_input(average, "images", VKD_F32, (struct vkd_shape) { { 2, 28, 28, 1 } }),
                           &(struct vkd_model_params) { .arch = "resnet18", .width = 4, .cifar_stem = true });
    vkd_scope_end(average);
    ck_assert_int_eq(vkd_weights_save_part(dev, run, &described,
                                           &(struct vkd_weights_part) { .only = average, .renames = teacher, .rename_count = 1 },
                                           path), VKD_OK);
    vkd_params *backbone = make(0, 4);
    ck_assert_int_eq(vkd_weights_load(dev, backbone, path, false), VKD_OK);
    ck_assert(same(run, "teacher.layer1.0.conv1.weight", backbone, "layer1.0.conv1.weight"));
    ck_assert_int_eq(vkd_weights_save_part(dev, run, &described,
                                           &(struct vkd_weights_part) { .renames = teacher, .rename_count = 1 },
                                           path), VKD_INVALID);
    ck_assert_msg(strstr(gpu_last_error, "two parameters get the same name: ") != NULL, "%s", gpu_last_error);
    ck_assert_int_eq(vkd_weights_load(dev, backbone, path, false), VKD_OK);

    vkd_params_destroy(&backbone);
    vkd_params_destroy(&classifier);
    vkd_params_destroy(&other);
    vkd_params_destroy(&run);
    vkd_graph_destroy(&average);
    vkd_graph_destroy(&some);
    vkd_graph_destroy(&all);
}
END_TEST

START_TEST(parts_that_are_none)
{
    vkd_graph *all = declare(true, 10), *some = declare(false, 10), *bad = NULL, *empty = NULL;
    vkd_params *few = store(some, 1);
    ck_assert_int_eq(vkd_graph_create(NULL, &bad), VKD_OK);
    ck_assert_int_eq(vkd_graph_create(NULL, &empty), VKD_OK);
    vkd_graph_fail(bad, "no good");
    const struct { const vkd_graph *only; const char *text; } rows[] = {
        { all, "the store lacks a parameter that the graph declares: " }, { bad, "its graph has an error: no good" },
        { empty, "nothing is selected" },
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct vkd_weights_part part = { .only = rows[i].only };
        ck_assert_int_eq(vkd_weights_save_part(dev, few, &described, &part, path), VKD_INVALID);
        ck_assert_msg(strstr(gpu_last_error, rows[i].text) != NULL, "%s", gpu_last_error);
        ck_assert_int_eq(vkd_weights_load_part(dev, few, &part, path, true), VKD_INVALID);
    }
    vkd_params_destroy(&few);
    vkd_graph_destroy(&empty);
    vkd_graph_destroy(&bad);
    vkd_graph_destroy(&some);
    vkd_graph_destroy(&all);
}
END_TEST

START_TEST(bad_values_are_counted)
{
    vkd_params *p = make(10, 1);
    uint32_t index = (uint32_t) vkd_params_find(p, "layer1.0.conv1.weight");
    float *data = malloc(4 * vkd_params_at(p, index)->numel);
    gpu_last_warning[0] = 0;
    ck_assert_int_eq(vkd_weights_save(dev, p, &described, path), VKD_OK);
    ck_assert_str_eq(gpu_last_warning, "");
    ck_assert_int_eq(vkd_params_read(p, index, data), VKD_OK);
    data[3] = (float) (1e300 * 1e300);
    data[5] = data[3] - data[3];
    ck_assert_int_eq(vkd_params_write(p, index, data), VKD_OK);
    ck_assert_int_eq(vkd_weights_save(dev, p, &described, path), VKD_OK);
    ck_assert_msg(strstr(gpu_last_warning, "2 of the values written are not finite, the first in layer1.0.conv1.weight"),
                  "%s", gpu_last_warning);
    free(data);
    vkd_params_destroy(&p);
}
END_TEST

static void open_device(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_device(void)
{
    gpu_close(&dev);
    remove(path);
}

int main(void)
{
    Suite *s = suite_create("weights");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, another_head);
    tcase_add_test(t, missing_and_unexpected);
    tcase_add_test(t, foreign_files);
    tcase_add_test(t, parts);
    tcase_add_test(t, parts_that_are_none);
    tcase_add_test(t, bad_values_are_counted);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
