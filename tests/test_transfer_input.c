// test_transfer_input.c -- transfer of what cannot be transferred: parameters, files that are no whole model, numbers that
// are none.
#include "gpu.h"
#include "train_world.h"

#include "engine/safetensors.h"
#include "runtime/os.h"

#include <vkdiv/transfer.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char run_dir[256], last_path[300];

static void open_all(void)
{
    struct vkd_recipe r;
    struct vkd_train_result res;
    world_open();
    gpu_close(&world.dev);                  // another one whose messages come to this file's gpu_log
    world.dev = gpu_open();
    ck_assert_ptr_nonnull(world.dev);
    r = world_recipe();
    ck_assert_int_eq(world_train(&r, "run", false, 0, &res), VKD_OK);
    snprintf(run_dir, sizeof(run_dir), "%s", world_path("run"));
    snprintf(last_path, sizeof(last_path), "%s/last.safetensors", run_dir);
}

static void remove_results(void)
{
    char command[800];
    snprintf(command, sizeof(command), "rm -rf %s/transfer %s/features %s/out", run_dir, run_dir, world.root);
    ck_assert_int_eq(system(command), 0);
    gpu_last_error[0] = gpu_last_warning[0] = 0;
}

static struct vkd_transfer_params params(const char *protocol)
{
    return (struct vkd_transfer_params) { .model = run_dir, .data = world.spec, .protocol = protocol, .k = 5 };
}

static struct vkd_transfer_result transfer_ok(const struct vkd_transfer_params *p)
{
    struct vkd_transfer_result r;
    ck_assert_msg(vkd_transfer(world.dev, p, &r) == VKD_OK, "%s", gpu_last_error);
    return r;
}

static const double bad_penalties[] = { 1, -1 };
static const struct { struct vkd_transfer_params p; vkd_result result; const char *words; } bad[] = {
    { { .protocol = "knm" }, VKD_INVALID, "did you mean 'knn'" },
    { { .protocol = "knn", .metric = "map" }, VKD_INVALID, "expected top1 or mean_per_class" },
    { { .protocol = "knn", .layer = "layer7" }, VKD_INVALID, "has no layer" },
    { { .protocol = "knn", .data = "idx:/nowhere" }, VKD_IO, "/nowhere" },
    { { .protocol = "knn", .model = "/nowhere.safetensors" }, VKD_IO, "/nowhere" },
    { { .protocol = "knn", .holdout = 1.5 }, VKD_INVALID, "below 1" },
    { { .protocol = "knn", .temperature = -1 }, VKD_INVALID, "temperature" },
    { { .protocol = "linear", .penalties = bad_penalties, .penalty_count = 2 }, VKD_INVALID, "penal" },
};

START_TEST(bad_parameters)
{
    struct vkd_transfer_params p = bad[_i].p;
    struct vkd_transfer_result r = { .test = 77 };
    remove_results();
    p.model = p.model ? p.model : run_dir;
    p.data = p.data ? p.data : world.spec;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), bad[_i].result);
    ck_assert_msg(strstr(gpu_last_error, bad[_i].words), "'%s' does not say '%s'", gpu_last_error, bad[_i].words);
    ck_assert_uint_eq(r.test, 77);
    ck_assert(!world_exists("run/transfer"));
}
END_TEST

// A copy of the run's last weights without the tensors that begin with `drop`; `more`: with one that no model has.
static const char *altered_weights(const char *name, const char *drop, bool more)
{
    static char path[300];
    static const float zeros[4];
    vkd__st_file *f = NULL;
    ck_assert_int_eq(vkd__st_open(last_path, NULL, &f), VKD_OK);
    const uint32_t all = vkd__st_count(f);
    struct vkd__st_tensor *t = calloc(all + 1, sizeof(*t));
    const struct vkd__st_pair about = { "vkdiv", vkd__st_metadata(f, "vkdiv") };
    uint32_t count = 0;
    for (uint32_t i = 0; i < all; i++)
        if (!drop || strncmp(vkd__st_at(f, i)->name, drop, strlen(drop)))
            t[count++] = *vkd__st_at(f, i);
    if (more)
        t[count++] = (struct vkd__st_tensor) { .name = "projector.weight", .type = VKD__ST_F32, .rank = 2, .shape = { 2, 2 },
                                               .data = zeros };
    snprintf(path, sizeof(path), "%s/%s", world.root, name);
    ck_assert_int_eq(vkd__st_write(path, NULL, t, count, &about, 1), VKD_OK);
    vkd__st_close(&f);
    free(t);
    return path;
}

// Changes number 1 of a tensor, in the file.
static void poison(const char *path, const char *tensor, float value)
{
    vkd__st_file *f = NULL;
    uint8_t *data;
    uint64_t size, at;
    struct vkd__why why;
    ck_assert_int_eq(vkd__st_open(path, NULL, &f), VKD_OK);
    const struct vkd__st_tensor *t = vkd__st_find(f, tensor), *first = t;
    for (uint32_t i = 0; i < vkd__st_count(f); i++)
        if ((const uint8_t *) vkd__st_at(f, i)->data < (const uint8_t *) first->data)
            first = vkd__st_at(f, i);
    ck_assert_int_eq(vkd__file_read(path, 1 << 24, &data, &size, &why), VKD_OK);
    memcpy(&at, data, sizeof(at));
    at += sizeof(at) + (uint64_t) ((const uint8_t *) t->data - (const uint8_t *) first->data) + sizeof(float);
    memcpy(data + at, &value, sizeof(value));
    vkd__st_close(&f);
    ck_assert_int_eq(vkd__file_replace(path, data, size, &why), VKD_OK);
    free(data);
}

START_TEST(files_that_are_no_whole_model)
{
    static const struct { const char *drop, *words, *partial; } rows[] = {
        { NULL, "projector.weight is unexpected", NULL },
        { "fc.", "fc.weight is missing", NULL },
        { "layer2.0.conv1.", "layer2.0.conv1.weight is missing", "the first is layer2.0.conv1.weight" },
    };
    char out[300];
    snprintf(out, sizeof(out), "%s/out", world.root);
    remove_results();
    struct vkd_transfer_params p = params("knn");
    struct vkd_transfer_result r, whole = transfer_ok(&p);
    p.out = out;
    for (int i = 0; i < 3; i++) {
        p.model = altered_weights("part.safetensors", rows[i].drop, true);
        p.partial = false;
        ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_FORMAT);
        ck_assert_msg(strstr(gpu_last_error, rows[i].words) != NULL, "%s", gpu_last_error);
        p.partial = true;
        if (rows[i].partial) {
            ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_FORMAT);
            ck_assert_msg(strstr(gpu_last_error, rows[i].partial) != NULL, "%s", gpu_last_error);
            continue;
        }
        r = transfer_ok(&p);
        ck_assert_msg(strstr(gpu_last_warning, "projector.weight") || strstr(gpu_last_warning, rows[i].words), "%s",
                      gpu_last_warning);
        ck_assert(r.test == whole.test && !memcmp(r.predictions, whole.predictions, r.test * sizeof(*r.predictions)));
        vkd_transfer_finish(&r);
    }
    vkd_transfer_finish(&whole);
}
END_TEST

// Weights that are not finite are found before any work, unless they are a classifier's; what overflows, by the work.
START_TEST(weights_that_are_not_finite)
{
    static const struct { const char *tensor; float value; vkd_result check, transfer; const char *words; } rows[] = {
        { "layer3.1.conv1.weight", NAN, VKD_FORMAT, VKD_FORMAT, "numbers of layer3.1.conv1.weight are not finite, the first is "
          "number 1" },
        { "bn1.running_var", INFINITY, VKD_FORMAT, VKD_FORMAT, "numbers of bn1.running_var are not finite, the first is number 1" },
        { "bn1.weight", 3e38f, VKD_OK, VKD_INVALID, "what it makes of images of" },
        { "fc.bias", NAN, VKD_OK, VKD_OK, "" },
    };
    const char *path = altered_weights("poisoned.safetensors", NULL, false);
    struct vkd_transfer_params p = params("knn");
    struct vkd_transfer_result r;
    char words[96];
    remove_results();
    poison(path, rows[_i].tensor, rows[_i].value);
    p.model = path;
    ck_assert_int_eq(vkd_transfer_check(&p, vkd_device_log(world.dev)), rows[_i].check);
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), rows[_i].transfer);
    ck_assert_msg(strstr(gpu_last_error, rows[_i].words) != NULL, "%s", gpu_last_error);
    if (rows[_i].transfer == VKD_OK)
        vkd_transfer_finish(&r);
    if (isfinite(rows[_i].value))
        return;
    struct vkd_eval_result e;
    snprintf(words, sizeof(words), "numbers of %s are not finite", rows[_i].tensor);
    struct vkd_recipe recipe = world_recipe();
    struct vkd_train_result trained;
    recipe.init = path;
    recipe.init_part = "backbone";
    recipe.steps = 1;
    // Of a run that starts from it, unless that takes other tensors.
    ck_assert_int_eq(world_train(&recipe, rows[_i].tensor, false, 0, &trained), rows[_i].transfer);
    if (rows[_i].transfer < 0)
        ck_assert_msg(strstr(world.error, words) != NULL, "%s", world.error);
    ck_assert_int_eq(vkd_eval(world.dev, &(struct vkd_eval_params) { .path = path, .data = world.spec }, &e), VKD_FORMAT);
    ck_assert_msg(strstr(gpu_last_error, words) != NULL, "%s", gpu_last_error);
}
END_TEST

// Of what is asked for but cannot be, there are warnings; what is wrong shows before any work.
START_TEST(settings_that_do_not_fit)
{
    static const double lr = 0.1, decay = 0;
    struct vkd_transfer_params p = params("knn");
    remove_results();
    p.k = 10 * WORLD_TRAIN;
    struct vkd_transfer_result r = transfer_ok(&p);
    ck_assert_msg(strstr(gpu_last_warning, "take a smaller --k") != NULL, "%s", gpu_last_warning);
    vkd_transfer_finish(&r);
    p = params("finetune");
    p.finetune = (struct vkd_finetune_params) { .steps = 1, .lrs = &lr, .lr_count = 1, .weight_decays = &decay,
                                                .weight_decay_count = 1, .loss = "asl" };
    remove_results();
    ck_assert_int_eq(vkd_transfer_check(&p, vkd_device_log(world.dev)), VKD_OK);
    ck_assert_msg(strstr(gpu_last_warning, "cross-entropy is taken") != NULL, "%s", gpu_last_warning);
    ck_assert(!world_exists("run/transfer"));
    p.data = "idx:/nowhere";
    ck_assert_int_eq(vkd_transfer_check(&p, vkd_device_log(world.dev)), VKD_IO);
    char one[300];
    snprintf(one, sizeof(one), "%.*s?classes=1", (int) strcspn(world.spec, "?"), world.spec);
    p.data = one;
    ck_assert_int_eq(vkd_transfer_check(&p, vkd_device_log(world.dev)), VKD_INVALID);
    ck_assert_msg(strstr(gpu_last_error, "nothing to tell apart") != NULL, "%s", gpu_last_error);
    p = params("knn");
    p.model = "/nowhere.safetensors";
    ck_assert_int_eq(vkd_transfer_check(&p, vkd_device_log(world.dev)), VKD_IO);
}
END_TEST

// Where all of train would be held out, or nothing, no protocol does anything.
START_TEST(sets_that_cannot_be_held_out_of)
{
    static const char *const protocols[] = { "knn", "linear", "finetune" };
    char one[300];
    snprintf(one, sizeof(one), "%.*s?limit=6&collage=2", (int) strcspn(world.spec, "?"), world.spec);
    for (int i = 0; i < 6; i++) {
        struct vkd_transfer_params p = params(protocols[i / 2]);
        struct vkd_transfer_result r = { .test = 77 };
        remove_results();
        p.data = one;
        p.select = i % 2;
        p.lambda = p.select ? 0.3 : 0;
        ck_assert_int_eq(vkd_transfer_check(&p, vkd_device_log(world.dev)), VKD_INVALID);
        ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
        ck_assert_msg(strstr(gpu_last_error, "6 images are all of one group") != NULL, "%s", gpu_last_error);
        ck_assert(r.test == 77 && !world_exists("run/transfer"));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfer_input");
    TCase *t = tcase_create("input");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_loop_test(t, bad_parameters, 0, sizeof(bad) / sizeof(bad[0]));
    tcase_add_test(t, files_that_are_no_whole_model);
    tcase_add_loop_test(t, weights_that_are_not_finite, 0, 4);
    tcase_add_test(t, settings_that_do_not_fit);
    tcase_add_test(t, sets_that_cannot_be_held_out_of);
    suite_add_tcase(suite, t);
    return gpu_run(suite);
}
