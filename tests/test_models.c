// test_models.c -- every architecture has exactly torchvision's parameters (tests/golden/names_*.txt), without a device.
#include <vkdiv/model.h>

#include "engine/graph_impl.h"
#include "engine/weights.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vkd_graph *make(const struct vkd_model_params *p, uint32_t size, struct vkd_model *m)
{
    vkd_graph *g = NULL;
    ck_assert_int_eq(vkd_graph_create(NULL, &g), VKD_OK);
    *m = vkd_model_build(g, vkd_input(g, "images", VKD_F32, (struct vkd_shape) { { 2, size, size, 3 } }), p);
    return g;
}

static struct vkd_param_info info_of(const struct vkd_tensor *t)
{
    return (struct vkd_param_info) {
        .name = t->name, .shape = t->desc.shape, .logical_in = t->param.logical_in, .rank = t->param.rank,
        .state = t->param.state,
    };
}

// "NAME 64 3 7 7", as the recorded lines.
static void describe(const struct vkd_param_info *p, char text[160])
{
    uint64_t shape[4];
    uint32_t rank = vkd__param_file_shape(p, shape);
    int used = snprintf(text, 160, "%s", p->name);
    for (uint32_t i = 0; i < rank; i++)
        used += snprintf(text + used, (size_t) (160 - used), " %llu", (unsigned long long) shape[i]);
}

static void check_line(const vkd_graph *g, char *line)
{
    char name[128], text[160];
    line[strcspn(line, "\n")] = 0;
    snprintf(name, sizeof(name), "%.*s", (int) strcspn(line, " "), line);
    const vkd_tensor *t = vkd_graph_find(g, name);
    ck_assert_msg(t && t->kind == VKD_TENSOR_PARAM, "torchvision's %s is missing", line);
    struct vkd_param_info p = info_of(t);
    describe(&p, text);
    ck_assert_str_eq(text, line);
}

START_TEST(torchvision_names)
{
    const struct vkd_model_arch *arch = vkd_model_at((uint32_t) _i);
    struct vkd_model m;
    vkd_graph *g = make(&(struct vkd_model_params) { .arch = arch->name, .classes = 1000, .dropout = -1 }, 64, &m);
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));

    char path[1024], line[256];
    snprintf(path, sizeof(path), "%s/tests/golden/names_%s.txt", VKD_SOURCE_DIR, arch->name);
    FILE *f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s is missing: run tests/golden/record.py", path);
    uint32_t recorded = 0, made = 0;
    while (fgets(line, sizeof(line), f)) {
        if (strstr(line, "num_batches_tracked"))
            continue;
        check_line(g, line);
        recorded++;
    }
    fclose(f);
    for (uint32_t i = 0; i < g->tensor_count; i++)
        made += g->tensors[i]->kind == VKD_TENSOR_PARAM;
    ck_assert_uint_eq(made, recorded);
    vkd_graph_destroy(&g);
}
END_TEST

// Widths, stems and heads.
START_TEST(options)
{
    static const struct { struct vkd_model_params p; uint32_t features; } rows[] = {
        { { .arch = "resnet18", .classes = 10 }, 512 },
        { { .arch = "resnet18", .classes = 10, .width = 16, .cifar_stem = true }, 128 },
        { { .arch = "resnet34", .classes = 3, .width = 5 }, 40 },
        { { .arch = "resnet50", .classes = 10, .width = 8, .cifar_stem = true }, 256 },
        { { .arch = "resnet50", .zero_init_residual = true }, 2048 },
        { { .arch = "mobilenet_v2", .classes = 10, .dropout = -1 }, 1280 },
        { { .arch = "mobilenet_v2", .classes = 10, .width = 64, .cifar_stem = true }, 2560 },
        { { .arch = "mobilenet_v2", .width = 8 }, 1280 },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vkd_model m;
        vkd_graph *g = make(&rows[i].p, 33, &m);
        ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
        const uint32_t *d = vkd_tensor_shape(m.features).d;
        ck_assert_uint_eq(d[0] * d[1] * d[2], 2);
        ck_assert_uint_eq(vkd_tensor_shape(m.features).d[3], rows[i].features);
        ck_assert_uint_eq(vkd_tensor_shape(m.logits).d[3], rows[i].p.classes);
        ck_assert((m.logits != NULL) == (rows[i].p.classes != 0));
        ck_assert_ptr_eq(vkd_graph_find(g, "features"), m.features);
        uint32_t zero_gammas = 0;
        for (uint32_t t = 0; t < g->tensor_count; t++) {
            const struct vkd_tensor *p = g->tensors[t];
            if (p->kind != VKD_TENSOR_PARAM)
                continue;
            zero_gammas += p->param.rank == 1 && strstr(p->name, ".weight") && p->param.init == VKD_INIT_ZERO;
            ck_assert(p->param.no_decay == (p->param.rank == 1));
        }
        ck_assert_uint_eq(zero_gammas, rows[i].p.zero_init_residual ? 16 : 0);
        vkd_graph_destroy(&g);
    }
}
END_TEST

START_TEST(fan_out_as_pytorch)
{
    struct vkd_model m;
    vkd_graph *g = make(&(struct vkd_model_params) { .arch = "mobilenet_v2", .classes = 7 }, 32, &m);
    const vkd_tensor *first = vkd_graph_find(g, "features.0.0.weight");
    const vkd_tensor *depthwise = vkd_graph_find(g, "features.1.conv.0.0.weight");
    ck_assert_uint_eq(first->param.fan_out, 32 * 9);
    ck_assert_uint_eq(first->param.fan_in, 3 * 9);
    ck_assert_uint_eq(first->desc.shape.d[2], 4);
    ck_assert_uint_eq(depthwise->param.fan_out, 32 * 9);
    ck_assert_uint_eq(depthwise->param.fan_in, 9);
    ck_assert_uint_eq(depthwise->desc.shape.d[2], 1);
    vkd_graph_destroy(&g);
}
END_TEST

START_TEST(mistakes)
{
    static const struct { struct vkd_model_params p; const char *says; } rows[] = {
        { { .arch = "resnet19" }, "did you mean resnet" },
        { { .arch = "vgg" }, "there are" },
        { { .arch = NULL }, "there are" },
        { { .arch = "resnet18", .width = 1 << 20 }, "width" },
        { { .arch = "mobilenet_v2", .classes = 2, .dropout = 1 }, "width" },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vkd_model m;
        vkd_graph *g = make(&rows[i].p, 32, &m);
        ck_assert_ptr_nonnull(vkd_graph_error(g));
        ck_assert_msg(strstr(vkd_graph_error(g), rows[i].says) != NULL, "%s", vkd_graph_error(g));
        ck_assert_ptr_null(m.features);
        ck_assert_ptr_null(m.logits);
        vkd_graph_destroy(&g);
    }
}
END_TEST

// A (2, 2, 4, 3) weight of 3 channels, padded to 4 both ways, to (K, C, R, S) and back.
START_TEST(layouts)
{
    const struct vkd_param_info p = { .shape = { { 2, 2, 4, 3 } }, .logical_in = 3, .rank = 4, .numel = 64 };
    float memory[64], file[36], back[64];
    uint64_t shape[4];
    ck_assert_uint_eq(vkd__param_file_shape(&p, shape), 4);
    ck_assert(shape[0] == 3 && shape[1] == 3 && shape[2] == 2 && shape[3] == 2);
    memset(memory, 0, sizeof(memory));
    for (uint32_t k = 0; k < 3; k++)
        for (uint32_t c = 0; c < 3; c++)
            for (uint32_t rs = 0; rs < 4; rs++)
                memory[(rs * 4 + c) * 4 + k] = (float) (100 * k + 10 * c + rs + 1);
    vkd__param_to_file(&p, memory, file);
    ck_assert(file[0] == 1 && file[1] == 2 && file[4] == 11 && file[12] == 101 && file[35] == 224);
    memset(back, 0xff, sizeof(back));
    vkd__param_from_file(&p, file, back);
    ck_assert(!memcmp(back, memory, sizeof(memory)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("models");
    TCase *t = tcase_create("all");
    int count = 0;
    while (vkd_model_at((uint32_t) count))
        count++;
    tcase_add_loop_test(t, torchvision_names, 0, count);
    tcase_add_test(t, options);
    tcase_add_test(t, fan_out_as_pytorch);
    tcase_add_test(t, mistakes);
    tcase_add_test(t, layouts);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed || count < 4;
}
