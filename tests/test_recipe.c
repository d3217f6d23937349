// test_recipe.c -- recipes: the shipped ones load; every mistake is named with its place.
#include "apps/vkdiv/recipe.h"
#include "engine/ssl.h"
#include "engine/train/inject.h"
#include "runtime/os.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECIPES VKD_SOURCE_DIR "/apps/recipes"
#define BASE "data: {train: idx:x}\n"
#define SSL BASE "method: simclr\n"

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

static const char *const methods[] = {
    "simclr", "mocov2", "mocov3", "byol", "simsiam", "barlow", "vicreg", "swav", "dino", "supcon",
};
enum { METHOD_COUNT = sizeof methods / sizeof methods[0] };

// Loading checks, too.
static void load_shipped(void *user, const char *name, const char *title)
{
    char path[512];
    snprintf(path, sizeof path, RECIPES "/%s.yaml", name);
    struct recipe_params p = { .name = path };
    ++*(uint32_t *)user;
    ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
    ck_assert_msg(strlen(title) > 10 && strlen(title) < 116, "%s: \"%s\"", name, title);
    ck_assert_str_eq(file.name, name);
    vkd_recipe_resolve(&file.recipe);       // what run.json holds can be run again
    ck_assert_msg(vkd_recipe_check(&file.recipe, why, sizeof why) == VKD_OK, "%s: %s", name, why);
    recipe_finish(&file);
}

START_TEST(shipped_recipes_load)
{
    uint32_t count = 0;
    ck_assert_msg(recipe_each(load_shipped, &count, why, sizeof why) == VKD_OK, "%s", why);
    ck_assert_uint_gt(count, 70);
}
END_TEST

// What a recipe's name says is what it does, on both data sets and in both sizes.
static void check_shipped(const char *stem, const char *method, const char *mode)
{
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-%s%s", stem, i & 1 ? "cifar10" : "fashion", i & 2 ? "-tiny" : "");
        struct recipe_params p = { .name = name };
        ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
        vkd_recipe_resolve(&file.recipe);
        ck_assert_str_eq(file.recipe.method, method);
        ck_assert_str_eq(file.recipe.injection.mode, mode);
        ck_assert_uint_eq(file.recipe.model.size, i & 1 ? 32 : 28);
        ck_assert_uint_eq(file.recipe.model.width, i & 2 ? 8 : 0);
        ck_assert(strstr(file.recipe.data.train, i & 1 ? "cifar" : "fashion") != NULL);
        ck_assert((strstr(file.recipe.data.train, "limit=10000") != NULL) == ((i & 2) != 0));
        recipe_finish(&file);
    }
}

START_TEST(shipped_recipes_are_what_they_say)
{
    char stem[32];
    check_shipped("supervised", "supervised", "supervised");
    for (uint32_t i = VKD__INJECT_SEQUENTIAL; i < VKD__INJECT_MODE_COUNT; i++) {
        snprintf(stem, sizeof stem, "inject-%s", vkd__inject_mode_names[i]);
        check_shipped(stem, "simclr", vkd__inject_mode_names[i]);
    }
    for (int i = 0; i < METHOD_COUNT; i++)
        check_shipped(methods[i], methods[i], "ssl");
}
END_TEST

// The zoo's list: every run's recipe loads with its overrides, and there are runs enough for a study.
START_TEST(zoo_runs_load)
{
    char line[256], archs[256] = "";
    uint32_t runs = 0, arch_count = 0;
    FILE *f = fopen(RECIPES "/zoo/runs.txt", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f) != NULL) {
        const char *words[8], *sets[7];
        uint32_t count = 0;
        char path[512], set[256];
        line[strcspn(line, "#\n")] = 0;
        for (char *w = strtok(line, " "); w != NULL && count < 8; w = strtok(NULL, " "))
            words[count++] = w;
        if (count == 0)
            continue;
        ck_assert_uint_ge(count, 2);
        snprintf(path, sizeof path, RECIPES "/zoo/%s.yaml", words[1]);
        for (uint32_t i = 2; i < count; i++) {
            const char *base = strstr(words[i], "BASE");    // the base set's SPEC
            sets[i - 2] = words[i];
            if (base != NULL) {
                snprintf(set, sizeof set, "%.*sidx:x?classes=0-5%s", (int)(base - words[i]), words[i], base + 4);
                sets[i - 2] = set;
            }
        }
        struct recipe_params p = { .name = path, .sets = sets, .set_count = count - 2 };
        ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s: %s", words[0], why);
        runs++;
        if (strstr(archs, file.recipe.model.arch) == NULL) {
            snprintf(archs + strlen(archs), sizeof archs - strlen(archs), " %s", file.recipe.model.arch);
            arch_count++;
        }
        recipe_finish(&file);
    }
    fclose(f);
    ck_assert_uint_ge(runs, 8);
    ck_assert_uint_ge(arch_count, 2);
}
END_TEST

// What solo-learn publishes for CIFAR-10 (its scripts/pretrain/cifar), and of the large views the least scale, jitter of
// brightness and saturation, and blur; solarization of the second.
static const struct {
    const char *method, *optimizer;
    float lr, decay, scale, brightness, saturation, blur, solarize;
    uint32_t hidden, out, predictor;
} published[] = {
    { "simclr", "lars", 0.4f, 1e-4f, 0.08f, 0.8f, 0.8f, 0.5f, 0, 2048, 256, 0 },
    { "supcon", "sgd", 0.4f, 1e-5f, 0.08f, 0.8f, 0.8f, 0.5f, 0, 2048, 256, 0 },
    { "mocov2", "sgd", 0.3f, 1e-4f, 0.2f, 0.4f, 0.4f, 0.5f, 0, 2048, 256, 0 },
    { "mocov3", "lars", 0.3f, 1e-6f, 0.08f, 0.4f, 0.2f, 0, 0.2f, 4096, 256, 4096 },
    { "byol", "lars", 1.0f, 1e-5f, 0.08f, 0.4f, 0.2f, 0, 0.2f, 4096, 256, 4096 },
    { "simsiam", "sgd", 0.5f, 1e-5f, 0.2f, 0.4f, 0.4f, 0.5f, 0, 2048, 2048, 512 },
    { "barlow", "lars", 0.3f, 1e-4f, 0.08f, 0.4f, 0.2f, 0, 0.2f, 2048, 2048, 0 },
    { "vicreg", "lars", 0.3f, 1e-4f, 0.2f, 0.4f, 0.2f, 0, 0.1f, 2048, 2048, 0 },
    { "swav", "lars", 0.6f, 1e-6f, 0.08f, 0.8f, 0.8f, 0.5f, 0, 2048, 128, 0 },
    { "dino", "lars", 0.3f, 1e-6f, 0.08f, 0.4f, 0.2f, 0, 0.2f, 2048, 256, 0 },
};

START_TEST(settings_are_the_published_ones)
{
    char name[64];
    snprintf(name, sizeof name, "%s-cifar10", published[_i].method);
    struct recipe_params p = { .name = name };
    ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
    const struct vkd_recipe *r = &file.recipe;
    vkd_recipe_resolve(&file.recipe);
    ck_assert_str_eq(r->optimizer.name, published[_i].optimizer);
    ck_assert(strcmp(r->optimizer.name, "lars") != 0 || (r->optimizer.clip_lr && !r->optimizer.decay_norm_bias));
    ck_assert_uint_eq(r->batch, 256);       // the one that the rate is meant for
    ck_assert_float_eq(r->optimizer.lr, published[_i].lr);
    ck_assert_float_eq(r->optimizer.weight_decay, published[_i].decay);
    ck_assert_float_eq(r->schedule.warmup_epochs, 10);
    ck_assert_float_eq(r->view1.scale[0], published[_i].scale);
    ck_assert_float_eq(r->view1.jitter[0], published[_i].brightness);
    ck_assert_float_eq(r->view2.jitter[2], published[_i].saturation);
    ck_assert_float_eq(r->view1.blur, published[_i].blur);
    ck_assert_float_eq(r->view2.blur, published[_i].blur);
    ck_assert_float_eq(r->view2.solarize, published[_i].solarize);
    ck_assert_uint_eq(r->ssl.projector_hidden, published[_i].hidden);
    ck_assert_uint_eq(r->ssl.projector_out, published[_i].out);
    if (published[_i].predictor)
        ck_assert_uint_eq(r->ssl.predictor_hidden, published[_i].predictor);
    recipe_finish(&file);
}
END_TEST

static const struct { const char *method, *key; double value; } special[] = {
    { "simclr", "t", 0.2 }, { "supcon", "t", 0.2 }, { "mocov2", "t", 0.2 }, { "mocov2", "queue", 32768 },
    { "mocov2", "momentum", 0.99 }, { "mocov2", "momentum_end", 0.999 }, { "mocov3", "t", 0.2 }, { "mocov3", "momentum", 0.99 },
    { "mocov3", "momentum_end", 1 }, { "byol", "momentum", 0.99 }, { "byol", "momentum_end", 1 }, { "barlow", "lambda", 0.0051 },
    { "barlow", "scale", 0.1 }, { "vicreg", "invariance", 25 }, { "vicreg", "variance", 25 }, { "vicreg", "covariance", 1 },
    { "swav", "t", 0.1 }, { "swav", "epsilon", 0.05 }, { "swav", "queue", 3840 }, { "swav", "queue_start", 50 },
    { "swav", "prototypes", 3000 }, { "swav", "frozen_epochs", 2 }, { "dino", "prototypes", 4096 }, { "dino", "t", 0.1 },
    { "dino", "teacher_t", 0.07 }, { "dino", "center_momentum", 0.9 }, { "dino", "frozen_epochs", 1 },
    { "dino", "momentum", 0.9995 }, { "dino", "momentum_end", 1 },
};

static double special_of(const struct vkd_recipe *r, const char *key)
{
    const struct { const char *key; double value; } all[] = {
        { "t", (double)r->ssl.temperature }, { "teacher_t", (double)r->ssl.teacher_temperature }, { "queue", r->ssl.queue },
        { "queue_start", (double)r->ssl.queue_start }, { "prototypes", r->ssl.prototypes }, { "scale", (double)r->ssl.scale },
        { "frozen_epochs", (double)r->ssl.frozen_epochs }, { "momentum", (double)r->ssl.momentum },
        { "momentum_end", (double)r->ssl.momentum_end }, { "center_momentum", (double)r->ssl.center_momentum },
        { "epsilon", (double)r->ssl.epsilon }, { "lambda", (double)r->ssl.lambda },
        { "invariance", (double)r->ssl.invariance }, { "variance", (double)r->ssl.variance },
        { "covariance", (double)r->ssl.covariance },
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].key, key) == 0)
            return all[i].value;
    ck_abort_msg("no such number: %s", key);
}

START_TEST(special_settings_are_the_published_ones)
{
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s-cifar10", special[i].method);
        struct recipe_params p = { .name = name };
        ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
        vkd_recipe_resolve(&file.recipe);
        double found = special_of(&file.recipe, special[i].key);
        ck_assert_msg(fabs(found - special[i].value) <= 1e-6 * special[i].value, "%s's %s: %g, expected %g", special[i].method,
                      special[i].key, found, special[i].value);
        recipe_finish(&file);
    }
}
END_TEST

START_TEST(tiny_ones_are_tiny)
{
    struct recipe_params p = { .name = "mocov3-cifar10-tiny" };
    ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
    ck_assert_float_eq(file.recipe.view2.solarize, 0);
    ck_assert_uint_eq(file.recipe.batch, 32);
    ck_assert_uint_eq(file.recipe.epochs, 4);
    recipe_finish(&file);
}
END_TEST

// The views of several crops (SwAV's paper, section 3.2): of little of the image, unless a recipe says otherwise.
START_TEST(small_crops_are_small)
{
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    ck_assert_float_eq(r.crops.view.scale[0], 0.05f);
    ck_assert_float_eq(r.crops.view.scale[1], 0.14f);
    struct recipe_params p = { .name = "swav-cifar10" };
    ck_assert_msg(recipe_load(&p, &file, why, sizeof why) == VKD_OK, "%s", why);
    ck_assert_uint_eq(file.recipe.crops.count, 0);
    recipe_finish(&file);
}
END_TEST

// ---- Bases -------------------------------------------------------------------------------------

#define BASES VKD_BINARY_DIR "/test_recipe_bases"

static void write_base(const char *name, const char *text)
{
    char path[512];
    struct vkd__why w;
    snprintf(path, sizeof path, BASES "/%s", name);
    ck_assert_msg(vkd__file_replace(path, text, strlen(text), &w) == VKD_OK, "%s", w.text);
}

static vkd_result load_base(const char *text, const char *set)
{
    struct vkd__why w;
    ck_assert(vkd__dir_create(BASES "/parts", &w) == VKD_OK);
    write_base("parts/data.yaml", "data: {train: 'idx:x', mean: [1, 2, 3]}\nbatch: 10\nepochs: 4\n");
    write_base("parts/small.yaml", "base: sizes\naugment: pad-crop\nbatch: 20\n");
    write_base("parts/sizes.yaml", "model:\n  width: 8\n  size: 28\nbatch: 30\nseed: 3\n");
    write_base("parts/bad.yaml", "# bad\noptimizer:\n  momentun: 1\n");
    write_base("parts/far.yaml", "# far\noptimizer: {lr: -3}\n");
    write_base("parts/loop.yaml", "base: loop2\n");
    write_base("parts/loop2.yaml", "base: loop\n");
    write_base("other.yaml", "base: [data]\nmodel: {size: 40}\n");
    write_base("main.yaml", text);
    struct recipe_params p = { .name = BASES "/main.yaml", .sets = &set, .set_count = set != NULL };
    why[0] = 0;
    return recipe_load(&p, &file, why, sizeof why);
}

START_TEST(bases_come_first_and_in_order)
{
    ck_assert_msg(load_base("base: [data, small]\nmodel: {size: 36}\n", NULL) == VKD_OK, "%s", why);
    ck_assert_str_eq(file.recipe.data.train, "idx:x");
    ck_assert_float_eq(file.recipe.data.mean[2], 3);
    ck_assert_str_eq(file.recipe.augment.name, "pad-crop");
    ck_assert_uint_eq(file.recipe.model.width, 8);      // of the part's own base
    ck_assert_uint_eq(file.recipe.model.size, 36);      // the file wins over its bases
    ck_assert_uint_eq(file.recipe.batch, 20);           // the later base over the earlier, a part over its base
    ck_assert_uint_eq(file.recipe.epochs, 4);
    ck_assert_str_eq(file.name, "main");
    recipe_finish(&file);
    ck_assert_msg(load_base("batch: 50\nbase: [small, data]\n", "batch=7") == VKD_OK, "%s", why);
    ck_assert_uint_eq(file.recipe.batch, 7);
    recipe_finish(&file);
    ck_assert_msg(load_base("base: other.yaml\n", NULL) == VKD_OK, "%s", why);
    ck_assert_uint_eq(file.recipe.model.size, 40);
    recipe_finish(&file);
    ck_assert_msg(load_base("base: ./parts/data.yaml\n", NULL) == VKD_OK, "%s", why);
    recipe_finish(&file);
    ck_assert_msg(load_base("base: [data, simclr]\n", NULL) == VKD_OK, "%s", why);   // a shipped part
    ck_assert_str_eq(file.recipe.method, "simclr");
    recipe_finish(&file);
    ck_assert_msg(load_base("base: []\ndata: {train: x}\n", NULL) == VKD_OK, "%s", why);
    recipe_finish(&file);
}
END_TEST

static const struct {
    const char *text, *set, *part[3];
} wrong_base[] = {
    { "# x\nbase: [data, smal]\n", NULL, { "main.yaml:2:1: base: there is no part 'smal'", "", "" } },
    { "# x\nbase: simclrr\n", NULL, { "main.yaml:2:1: base: ", "did you mean 'simclr'?", "recipes/parts" } },
    { "base: no/such.yaml\n", NULL, { "main.yaml:1:1: base: there is no file ", "test_recipe_bases/no/such.yaml", "" } },
    { "base: [data, bad]\n", NULL, { "parts/bad.yaml:3:3: ", "'optimizer.momentun'", "'optimizer.momentum'" } },
    { "base: [data, far]\n", NULL, { "parts/far.yaml:2:13: ", "optimizer.lr", "-3" } },
    { "base: [data, far]\noptimizer: {lr: -4}\n", NULL, { "main.yaml:2:13: ", "optimizer.lr", "-4" } },
    { "base: [data, far]\n", "optimizer.lr=-5", { "--set optimizer.lr=-5: ", "-5", "" } },
    { "base: loop\n", NULL, { "parts/loop2.yaml:1:1: base: 'loop' leads back to ", "parts/loop.yaml itself", "" } },
    { "base: main.yaml\n", NULL, { "main.yaml:1:1: base: ", "leads back", "" } },
    { "base: {a: b}\n", NULL, { "main.yaml:1:1: base: expected a name or a list", "", "" } },
    { "base: [data, [a]]\n", NULL, { "main.yaml:1:1: base: expected a name or a list", "", "" } },
    { "base: data\nbase: small\n", NULL, { "main.yaml:2:1: ", "'base' is given twice", "line 1" } },
    { "bass: data\n", NULL, { "main.yaml:1:1: ", "unknown key 'bass'", "'base'" } },
    { "base: data\nbatch: [3\n", NULL, { "main.yaml:3:", "not valid YAML", "" } },
    { "base: data\n", "base=small", { "--set base=small: ", "'base' is for recipe files only", "" } },
};

START_TEST(mistakes_in_bases_are_named)
{
    ck_assert_msg(load_base(wrong_base[_i].text, wrong_base[_i].set) != VKD_OK, "row %d was accepted", _i);
    for (int i = 0; i < 3; i++)
        ck_assert_msg(strstr(why, wrong_base[_i].part[i]) != NULL, "row %d: no \"%s\" in \"%s\"", _i,
                      wrong_base[_i].part[i], why);
}
END_TEST

START_TEST(bases_are_not_endless)
{
    char name[32], text[512];
    for (int i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "parts/deep%d.yaml", i);
        snprintf(text, sizeof text, "base: deep%d\n", i + 1);
        if (i == 0)
            ck_assert(load_base("base: data\n", NULL) == VKD_OK);
        write_base(name, text);
    }
    recipe_finish(&file);
    ck_assert(load_base("base: deep0\n", NULL) == VKD_FORMAT);
    ck_assert_msg(strstr(why, "at most 8 deep") != NULL, "%s", why);
    // Many small files: the same part may come again, but not without end.
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "parts/wide%d.yaml", i);
        snprintf(text, sizeof text, "base: [%s, %s, %s, %s]\n", i ? "wide0" : "data", i ? "wide0" : "data",
                 i ? "wide0" : "data", i ? "wide0" : "data");
        write_base(name, text);
    }
    ck_assert_msg(load_base("base: wide1\n", NULL) == VKD_OK, "%s", why);
    recipe_finish(&file);
    ck_assert(load_base("base: [wide1, wide2]\n", NULL) == VKD_FORMAT);
    ck_assert_msg(strstr(why, "at most 32 files") != NULL, "%s", why);
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
    // What depends on the method, the mode, or another key.
    { BASE "method: simclrr\n", NULL, { ":2:1: ", "method: expected one of supervised, ", "\"simclr\"?" } },
    { SSL "injection: {mode: liner}\n", NULL, { ":3:13: ", "injection.mode", "\"linear\"?" } },
    { BASE "injection: {mode: linear}\n", NULL, { ":2:13: ", "expected supervised with method supervised", "linear" } },
    { BASE "ssl: {grad_cache: true}\naccumulate: 2\n", NULL, { "ssl.grad_cache: expected a self-supervised", "", "" } },
    { SSL "ssl: {grad_cache: true}\n", NULL, { ":3:7: ", "expected accumulate above 1, found 1", "" } },
    { SSL "batch: 1\n", NULL, { ":3:1: ", "batch: expected at least 2 images in simclr's loss, found 1", "" } },
    { SSL "batch: 8\naccumulate: 8\n", NULL, { ":3:1: ", "at least 2", "with ssl.grad_cache: batch" } },
    { SSL "ssl: {queue: 1024}\n", NULL, { ":3:7: ", "simclr keeps no queue; found 1024", "" } },
    { BASE "method: mocov2\nssl: {queue: 1000}\n", NULL,
      { ":3:7: ", "multiple of the 128 images", "found 1000; the nearest is 1024" } },
    { BASE "method: mocov2\nbatch: 100\n", NULL, { "ssl.queue", "multiple of the 100 images", "32768; the nearest is 32800" } },
    { BASE "method: mocov2\nssl: {queue: 64}\n", NULL, { ":3:7: ", "the nearest is 128", "" } },
    { SSL "crops: {count: 4}\n", NULL, { ":3:9: ", "simclr takes two views", "found 4" } },
    { SSL "crops: {count: 9}\n", NULL, { ":3:9: ", "crops.count: expected a number from 0 to 8", "" } },
    { SSL "ssl: {temperature: 0}\n", NULL, { ":3:7: ", "ssl.temperature: expected a number from 0.001", "" } },
    { SSL "ssl: {projector_layers: 9}\n", NULL, { ":3:7: ", "ssl.projector_layers", "8" } },
    { SSL "view1: {filter: linear}\n", NULL, { ":3:9: ", "view1.filter", "\"bilinear\"?" } },
    { SSL "view2: {scale: [0.5, 0.2]}\n", NULL, { ":3:9: ", "view2.scale[1]: expected a number from 0.5 to 1", "0.2" } },
    { SSL "view1: {jitter: [0.4, 0.4, 0.4, 0.6]}\n", NULL, { ":3:9: ", "0 to 0.5 for the hue, found 0.6", "" } },
    { SSL "view1: {blur: 1.5}\n", NULL, { ":3:9: ", "view1.blur", "1.5" } },
    { SSL "crops: {sigma: [0, 2]}\n", NULL, { ":3:9: ", "crops.sigma[0]", "0.01" } },
    { SSL "crops: {solarize: -1}\n", NULL, { ":3:9: ", "crops.solarize", "-1" } },
    { SSL "injection: {label_fraction: 0}\n", NULL, { ":3:13: ", "more than 0", "set injection.mode to ssl" } },
    { SSL "injection: {max: 1.5}\n", NULL, { ":3:13: ", "injection.max", "1.5" } },
    { SSL "injection: {head_depth: 9}\n", NULL, { ":3:13: ", "injection.head_depth", "8" } },
    { SSL "injection: {bn: frozzen}\n", NULL, { ":3:13: ", "injection.bn", "\"frozen\"?" } },
    { SSL "injection: {mode: step, start: 10}\n", NULL, { ":3:25: ", "less than the run's 10 epochs, found 10", "" } },
    { SSL "injection: {mode: linear, start: 5, end: 3}\n", NULL, { ":3:37: ", "more than injection.start (5)", "3" } },
    { SSL "injection: {mode: linear, end: 30}\n", NULL, { ":3:27: ", "at most the run's 10 epochs, found 30", "" } },
    { SSL "injection: {mode: pulse}\n", NULL, { "injection.end: expected the time when a pulse", "", "" } },
    { SSL "injection: {mode: budget}\n", NULL, { "injection.dose: expected the label-epochs", "", "" } },
    { SSL "injection: {mode: sequential, start: 4, head_warmup: 6}\n", NULL,
      { ":3:41: ", "injection.head_warmup: expected less than the 6 epochs after", "" } },
    { SSL "injection: {mode: floor}\n", NULL, { "injection.start: expected more than 0 in mode floor", "init", "" } },
    { SSL "injection: {mode: floor, start: 1, kp: 0, ki: 0}\n", NULL, { ":3:36: ", "a gain above 0", "" } },
    { SSL "injection: {mode: floor, start: 1, floor: 0}\n", NULL, { ":3:36: ", "injection.floor", "0" } },
    { SSL "injection: {mode: floor, start: 1, floor: 1.5}\n", NULL, { ":3:36: ", "above 0 and at most 1", "found 1.5" } },
    { SSL "loss: acl\n", NULL, { ":3:1: ", "loss: expected one of cross-entropy, bce, asl", "\"asl\"?" } },
    { SSL "loss: asl\nclass_weights: balanced\n", NULL, { ":4:1: ", "expected none with loss asl", "" } },
    { SSL "class_weights: balance\n", NULL, { ":3:1: ", "balanced", "" } },
    { SSL "loss: bce\nlabel_smoothing: 0.1\n", NULL, { ":4:1: ", "expected 0 with loss bce", "" } },
    { SSL "monitor: {images: 1}\n", NULL, { ":3:11: ", "monitor.images", "from 2" } },
    { SSL "monitor: {knn_k: 50, knn_images: 20}\n", NULL, { ":3:22: ", "monitor.knn_images", "from 50" } },
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
    tcase_add_test(t, shipped_recipes_are_what_they_say);
    tcase_add_test(t, zoo_runs_load);
    tcase_add_loop_test(t, settings_are_the_published_ones, 0, sizeof published / sizeof published[0]);
    tcase_add_test(t, special_settings_are_the_published_ones);
    tcase_add_test(t, tiny_ones_are_tiny);
    tcase_add_test(t, small_crops_are_small);
    tcase_add_test(t, bases_come_first_and_in_order);
    tcase_add_loop_test(t, mistakes_in_bases_are_named, 0, sizeof wrong_base / sizeof wrong_base[0]);
    tcase_add_test(t, bases_are_not_endless);
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
