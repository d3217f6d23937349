// test_recipe.c -- recipes: the shipped ones load; every mistake is named with its place.
#include "apps/vkdiv/recipe.h"
#include "runtime/os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPES VKD_SOURCE_DIR "/apps/recipes"
#define BASE "data: {train: idx:x}\n"

static struct recipe_file file;
static char why[1024];

static vkd_result load_text(const char *text, const char *const *sets, uint32_t set_count)
{
    struct vkd__why w;
    const char *path = VKD_BINARY_DIR "/test_recipe.yaml";
    ck_assert_msg(vkd__file_replace(path, text, strlen(text), &w) == VKD_OK, "%s", w.text);
    struct recipe_params p = { .name = path, .sets = sets, .set_count = set_count };
    why[0] = 0;
    return recipe_load(&p, &file, why, sizeof why);
}

START_TEST(shipped_recipes_load)
{
    char **names, path[512];
    uint32_t count;
    struct vkd__why w;
    ck_assert(vkd__dir_list(RECIPES, &names, &count, &w) == VKD_OK);
    ck_assert_uint_gt(count, 3);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, RECIPES "/%s", names[i]);
        struct recipe_params p = { .name = path };
        ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
        recipe_finish(&file);
    }
    free(names);
}
END_TEST

START_TEST(found_by_name)
{
    struct recipe_params p = { .name = "fashion-resnet" };
    ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
    ck_assert_str_eq(file.name, "fashion-resnet");
    ck_assert_str_eq(file.recipe.model.arch, "resnet18");
    recipe_finish(&file);
}
END_TEST

START_TEST(values)
{
    const char *text = "data:\n  train: 'idx:a b#c'\n  mean: [1, 2.5, -3]\n  shuffle: no\naugment: none\n"
                       "optimizer:\n  lr: 1e-3\n  nesterov: true\nbatch: 7\nseed: 9007199254740993\n";
    ck_assert_msg(load_text(text, NULL, 0) == VKD_OK, "%s", why);
    const struct vkd_recipe *r = &file.recipe;
    ck_assert_str_eq(r->data.train, "idx:a b#c");
    ck_assert_float_eq(r->data.mean[1], 2.5f);
    ck_assert_float_eq(r->data.mean[2], -3.f);
    ck_assert(!r->data.shuffle && r->optimizer.nesterov);
    ck_assert_str_eq(r->augment.name, "none");
    ck_assert_float_eq(r->optimizer.lr, 1e-3f);
    ck_assert_uint_eq(r->batch, 7);
    ck_assert_uint_eq(r->seed, 9007199254740993u);
    struct vkd_recipe initial;
    vkd_recipe_default(&initial);
    ck_assert_float_eq(r->optimizer.momentum, initial.optimizer.momentum);
    recipe_finish(&file);
}
END_TEST

START_TEST(overrides)
{
    const char *sets[] = { "optimizer.lr=0.25", "data.train=folder:it's #1: a?limit=3", "data.std=[1,2,3]",
                           "augment=none", "augment.pad=3", "batch=12", "accumulate=3", "data.test=x", "data.test=" };
    ck_assert_msg(load_text(BASE "augment: pad-crop\noptimizer: {lr: 1}\n", sets, 9) == VKD_OK, "%s", why);
    const struct vkd_recipe *r = &file.recipe;
    ck_assert_float_eq(r->optimizer.lr, 0.25f);
    ck_assert_str_eq(r->data.train, "folder:it's #1: a?limit=3");
    ck_assert_float_eq(r->data.std[2], 3.f);
    ck_assert_str_eq(r->augment.name, "none");
    ck_assert_uint_eq(r->augment.pad, 3);
    ck_assert_uint_eq(r->batch, 12);
    ck_assert(r->data.test == NULL);
    recipe_finish(&file);
}
END_TEST

// A text or an override that must fail, and what the message must hold.
static const struct {
    const char *text, *set, *part[3];
} wrong[] = {
    { BASE "optimizer:\n  lr: 0.1\n  momentun: 0.9\n", NULL,
      { ":4:3: ", "'optimizer.momentun'", "'optimizer.momentum'" } },
    { BASE "lr: 0.1\n", NULL, { ":2:1: ", "unknown key 'lr'", "'optimizer.lr'" } },
    { BASE "optimizer: {epochs: 3}\n", NULL, { ":2:13: ", "unknown key 'optimizer.epochs'", "'epochs'" } },
    { BASE "optimiser: {lr: 3}\n", NULL, { ":2:1: ", "unknown key 'optimiser'", "'optimizer'" } },
    { BASE "batch: many\n", NULL, { ":2:1: ", "batch: expected a whole number", "'many'" } },
    { BASE "batch: 1.5\n", NULL, { ":2:1: ", "batch: expected a whole number", "'1.5'" } },
    { BASE "optimizer: {lr: 1.0x}\n", NULL, { ":2:13: ", "optimizer.lr: expected a number", "1.0x" } },
    { BASE "optimizer: {lr: }\n", NULL, { ":2:13: ", "optimizer.lr: expected a number", "" } },
    { BASE "batch: -1\n", NULL, { ":2:1: ", "batch: expected a whole number from 0", "-1" } },
    { BASE "batch: 99999999999999999999\n", NULL, { ":2:1: ", "batch: expected", "99999999999999999999" } },
    { BASE "seed: -1\n", NULL, { ":2:1: ", "seed: expected", "-1" } },
    { BASE "optimizer:\n  lr: fast\n", NULL, { ":3:3: ", "optimizer.lr: expected a number", "'fast'" } },
    { BASE "optimizer:\n  lr: nan\n", NULL, { ":3:3: ", "optimizer.lr: expected a finite number", "nan" } },
    { BASE "optimizer:\n  nesterov: maybe\n", NULL,
      { ":3:3: ", "optimizer.nesterov: expected true or false", "'maybe'" } },
    { "data:\n  train: x\n  mean: [1, 2]\n", NULL, { ":3:3: ", "data.mean: expected a list of 3 numbers", "[1, 2]" } },
    { "data:\n  train: x\n  mean: [1, 2, 3, 4]\n", NULL,
      { ":3:3: ", "data.mean: expected a list of 3", "[1, 2, 3, 4]" } },
    { "data:\n  train: x\n  mean: [1, b, 3]\n", NULL, { ":3:3: ", "data.mean: expected a list of 3", "[1, b, 3]" } },
    { BASE "model: resnet18\n", NULL, { ":2:1: ", "model: expected keys", "'resnet18'" } },
    { BASE "batch: 3\nbatch: 4\n", NULL, { ":3:1: ", "'batch' is given twice", "line 2" } },
    { BASE "batch: [3\n", NULL, { "not valid YAML", ":3:", "" } },
    { BASE "\tbatch: 3\n", NULL, { "not valid YAML", ":2:", "" } },
    { "- a\n- b\n", NULL, { "expected a recipe's keys", "", "" } },
    { "", NULL, { "data.train", "expected", "" } },
    { BASE "optimizer:\n  name: sdg\n", NULL, { ":3:3: ", "optimizer.name", "sgd" } },
    { BASE "optimizer:\n  lr: -1\n", NULL, { ":3:3: ", "optimizer.lr", "-1" } },
    { BASE "augment: pad-corp\n", NULL, { ":2:1: ", "augment.name", "pad-crop" } },
    { BASE, "optimizer.lrr=1", { "--set optimizer.lrr=1: ", "unknown key 'optimizer.lrr'", "'optimizer.lr'" } },
    { BASE, "batchs=1", { "--set batchs=1: ", "unknown key 'batchs'", "'batch'" } },
    { BASE, "momentum=1", { "--set momentum=1: ", "unknown key 'momentum'", "'optimizer.momentum'" } },
    { BASE, "batch", { "--set batch: ", "KEY=VALUE", "" } },
    { BASE, "batch=x", { "--set batch=x: ", "expected a whole number", "'x'" } },
    { BASE, "batch=1\nsteps: 2", { "--set", "KEY=VALUE", "" } },
    { BASE, "batch=0", { "--set batch=0: ", "batch", "0" } },
    { BASE, "data.mean=[1,2]", { "--set data.mean=[1,2]: ", "a list of 3 numbers", "[1, 2]" } },
    { BASE, "model=3", { "--set model=3: ", "model: expected keys", "'3'" } },
};

START_TEST(rates_follow_the_batch)
{
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.optimizer.lr = 0.4f;
    r.batch = 64;
    vkd_recipe_resolve(&r);
    ck_assert_float_eq(r.optimizer.lr, 0.4f);
    r.optimizer.base_batch = 256;
    for (int i = 0; i < 2; i++) {           // what is resolved stays as it is
        vkd_recipe_resolve(&r);
        ck_assert_float_eq(r.optimizer.lr, 0.1f);
        ck_assert_uint_eq(r.optimizer.base_batch, 0);
    }
}
END_TEST

START_TEST(mistakes_are_named)
{
    const char *set = wrong[_i].set;
    ck_assert_msg(load_text(wrong[_i].text, &set, set != NULL) != VKD_OK, "row %d was accepted", _i);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(strstr(why, wrong[_i].part[i]) != NULL, "row %d: no \"%s\" in \"%s\"", _i,
                      wrong[_i].part[i], why);
}
END_TEST

START_TEST(missing_recipes_get_a_suggestion)
{
    struct recipe_params p = { .name = "fashion-restnet" };
    ck_assert(recipe_load(&p, &file, why, sizeof why) == VKD_IO);
    ck_assert_msg(strstr(why, "'fashion-resnet'") != NULL, "%s", why);
    p.name = "/no/such/dir/recipe.yaml";
    ck_assert(recipe_load(&p, &file, why, sizeof why) == VKD_IO);
    ck_assert_msg(strstr(why, "/no/such/dir/recipe.yaml") != NULL, "%s", why);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("recipe");
    tcase_add_test(t, shipped_recipes_load);
    tcase_add_test(t, found_by_name);
    tcase_add_test(t, values);
    tcase_add_test(t, overrides);
    tcase_add_test(t, rates_follow_the_batch);
    tcase_add_loop_test(t, mistakes_are_named, 0, sizeof wrong / sizeof wrong[0]);
    tcase_add_test(t, missing_recipes_get_a_suggestion);
    Suite *s = suite_create("recipe");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
