// test_compile.c -- graphs without a device: errors, lifetimes, memory.
#include <vkdiv/model.h>
#include <vkdiv/program.h>

#include "engine/compile.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct vkd_caps caps = {
    .cpu = true, .storage_align = 256, .texel_align = 256, .texel_count_max = 1 << 27, .storage_range_max = 1 << 27,
    .allocation_max = 1u << 31, .group_count_max = { 65535, 65535, 65535 }, .local_size_max = { 1024, 1024, 64 },
    .invocations_max = 1024, .shared_size_max = 32768, .push_size_max = 128, .subgroup_size = 8, .subgroup_shuffle = true,
};

static vkd_graph *classifier(const char *arch, uint32_t width, uint32_t size, uint32_t batch)
{
    vkd_graph *g;
    ck_assert_int_eq(vkd_graph_create(NULL, &g), VKD_OK);
    vkd_tensor *x = vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ batch, size, size, 3 }});
    vkd_tensor *y = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) {{ 1, 1, 1, batch }});
    struct vkd_model m = vkd_model_build(g, x, &(struct vkd_model_params) {
        .arch = arch, .width = width, .cifar_stem = true, .classes = 10, .dropout = -1 });
    vkd_graph_loss(g, vkd_mark(g, vkd_cross_entropy(g, m.logits, y, 0.1f), "loss"));
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

// No two values that live at the same time may share bytes.
static void check_disjoint(const struct vkd_compiled *c)
{
    for (uint32_t i = 0; i < c->value_count; i++) {
        const struct vkd_value *a = &c->values[i];
        if (a->root != i || !a->size)
            continue;
        ck_assert_uint_eq(a->ofs % c->align, 0);
        ck_assert_uint_eq(a->ofs / c->block_size, (a->ofs + a->size - 1) / c->block_size);
        for (uint32_t k = i + 1; k < c->value_count; k++) {
            const struct vkd_value *b = &c->values[k];
            if (b->root != k || !b->size || a->last < b->first || b->last < a->first)
                continue;
            ck_assert_msg(a->ofs + a->size <= b->ofs || b->ofs + b->size <= a->ofs,
                          "values %u and %u overlap while both live", i, k);
        }
    }
}

START_TEST(memory_is_shared)
{
    static const char *const archs[] = { "resnet18", "resnet50", "mobilenet_v2" };
    for (int i = 0; i < 3; i++) {
        for (int training = 0; training < 2; training++) {
            vkd_graph *g = classifier(archs[i], 0, 32, 16);
            struct vkd_compiled c;
            struct vkd_program_params p = { .training = training, .backward = training };
            ck_assert_int_eq(vkd__compile(&caps, NULL, g, &p, &c), VKD_OK);
            check_disjoint(&c);
            printf("%s %s: %u calls, arena %.1f MiB, lower bound %.1f, unshared %.1f\n", archs[i],
                   training ? "training" : "inference", c.call_count, c.memory.arena / 1048576.0,
                   c.memory.lower_bound / 1048576.0, c.memory.unshared / 1048576.0);
            ck_assert_uint_ge(c.memory.arena, c.memory.lower_bound);
            ck_assert_double_le((double) c.memory.arena, 1.1 * (double) c.memory.lower_bound);
            vkd__compiled_finish(&c);
            vkd_graph_destroy(&g);
        }
    }
}
END_TEST

START_TEST(small_blocks_are_not_crossed)
{
    vkd_graph *g = classifier("resnet18", 16, 32, 16);
    struct vkd_caps small = caps;
    struct vkd_compiled c;
    small.allocation_max = 3 << 20;
    ck_assert_int_eq(vkd__compile(&small, NULL, g, &(struct vkd_program_params) { .training = true, .backward = true },
                                  &c), VKD_OK);
    ck_assert_uint_gt(c.memory.arena, small.allocation_max);
    check_disjoint(&c);
    vkd__compiled_finish(&c);
    vkd_graph_destroy(&g);
}
END_TEST

START_TEST(first_error_sticks)
{
    vkd_graph *g;
    ck_assert_int_eq(vkd_graph_create(NULL, &g), VKD_OK);
    vkd_tensor *a = vkd_input(g, "a", VKD_F32, (struct vkd_shape) {{ 1, 2, 2, 4 }});
    vkd_tensor *b = vkd_input(g, "b", VKD_F32, (struct vkd_shape) {{ 1, 2, 2, 8 }});
    ck_assert_ptr_null(vkd_graph_error(g));
    ck_assert_ptr_null(vkd_add(g, a, b));
    char *first = strdup(vkd_graph_error(g));
    ck_assert_msg(strstr(first, "add") && strstr(first, "(1, 2, 2, 4)") && strstr(first, "(1, 2, 2, 8)"), "%s", first);
    ck_assert_ptr_null(vkd_relu(g, a));
    ck_assert_ptr_null(vkd_input(g, "a", VKD_F32, (struct vkd_shape) {{ 1, 1, 1, 1 }}));
    ck_assert_str_eq(vkd_graph_error(g), first);
    free(first);
    vkd_graph_destroy(&g);
}
END_TEST

// Each line: what is built wrong, and a word its message must have.
START_TEST(wrong_graphs_are_refused)
{
    static const char *const words[] = { "used twice", "zero", "no operation", "name", "takes", "another graph", "loss" };
    for (int i = 0; i < 7; i++) {
        vkd_graph *g, *other;
        ck_assert_int_eq(vkd_graph_create(NULL, &g), VKD_OK);
        ck_assert_int_eq(vkd_graph_create(NULL, &other), VKD_OK);
        vkd_tensor *a = vkd_input(g, "a", VKD_F32, (struct vkd_shape) {{ 1, 2, 2, 4 }});
        vkd_tensor *o = vkd_input(other, "o", VKD_F32, (struct vkd_shape) {{ 1, 2, 2, 4 }});
        switch (i) {
        case 0: vkd_input(g, "a", VKD_F32, (struct vkd_shape) {{ 1, 1, 1, 1 }}); break;
        case 1: vkd_input(g, "z", VKD_F32, (struct vkd_shape) {{ 1, 0, 1, 1 }}); break;
        case 2: vkd_apply(g, "frobnicate", &a, 1, NULL); break;
        case 3: vkd_input(g, "", VKD_F32, (struct vkd_shape) {{ 1, 1, 1, 1 }}); break;
        case 4: vkd_apply(g, "add", &a, 1, NULL); break;
        case 5: vkd_apply(g, "relu", &o, 1, NULL); break;
        case 6: vkd_graph_loss(g, vkd_relu(g, a)); break;
        }
        ck_assert_msg(vkd_graph_error(g) && strstr(vkd_graph_error(g), words[i]), "case %d: %s", i, vkd_graph_error(g));
        struct vkd_compiled c;
        ck_assert_int_eq(vkd__compile(&caps, NULL, g, &(struct vkd_program_params) { 0 }, &c), VKD_INVALID);
        vkd_graph_destroy(&g);
        vkd_graph_destroy(&other);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("compile");
    TCase *t = tcase_create("graphs");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, memory_is_shared);
    tcase_add_test(t, small_blocks_are_not_crossed);
    tcase_add_test(t, first_error_sticks);
    tcase_add_test(t, wrong_graphs_are_refused);
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
