// test_finetune.c -- the protocol that trains the whole model: grids, interruptions, several labels, wrong settings.
#include "gpu.h"
#include "train_world.h"
#include "runtime/os.h"

#include <vkdiv/transfer.h>

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { STEPS = 20 };

static char three[160], collage[160];   // SPECs: fewer classes than the model has; several labels an image
static char base[256], folder[256];     // of the run that is begun with; of results
static const double lrs[] = { 0.003, 0.05 }, decays[] = { 0, 1e-5 };

struct watch { uint32_t stop_at, steps, trainings; char last[64]; };

static void progress(void *user, const char *what, uint32_t done, uint32_t of)
{
    struct watch *w = user;
    (void) of;
    if (strncmp(what, "fine-tuning", 11))
        return;
    w->steps += done > 0;
    w->trainings += strcmp(w->last, what) != 0;
    snprintf(w->last, sizeof(w->last), "%s", what);
}

static bool stop(void *user)
{
    struct watch *w = user;
    return w->stop_at && --w->stop_at == 0;
}

static struct vkd_transfer_params params(const char *data, const char *out, struct watch *w)
{
    snprintf(folder, sizeof(folder), "%s", world_path(out ? out : ""));
    return (struct vkd_transfer_params) {
        .model = base, .data = data, .protocol = "finetune", .out = out ? folder : NULL, .seed = 3,
        .finetune = { .steps = STEPS, .batch = 16, .lrs = lrs, .lr_count = 2, .weight_decays = decays, .weight_decay_count = 1 },
        .progress = progress, .stop = stop, .user = w,
    };
}

// OUT/transfer/KEY.finetune/NAME
static const char *inside(const char *out, const struct vkd_transfer_result *r, const char *name)
{
    static char text[400];
    snprintf(text, sizeof(text), "%s/transfer/%s.finetune/%s", out, r->key, name);
    return text;
}

static void open_all(void)
{
    struct vkd_train_result res;
    world_open();
    struct vkd_recipe r = world_recipe();
    r.model.channels = 3;               // of which the images have one
    ck_assert_int_eq(world_train(&r, "base", false, 0, &res), VKD_OK);
    snprintf(base, sizeof(base), "%s", world_path("base"));
    const int path = (int) (strchr(world.spec, '?') - world.spec);
    snprintf(three, sizeof(three), "%.*s?classes=0-2", path, world.spec);
    snprintf(collage, sizeof(collage), "%.*s?classes=0-3&collage=2&limit=96", path, world.spec);
}

START_TEST(balanced_classes)
{
    struct watch w = { 0 };
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params(three, "balanced", &w);
    p.finetune.lr_count = 1;
    p.class_weights = "balanced";
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    json_t *run = json_load_file(inside(folder, &r, "final/run.json"), 0, NULL);
    const json_t *how = json_object_get(json_object_get(run, "recipe"), "class_weights");
    ck_assert_str_eq(json_string_value(how), "balanced");
    json_decref(run);
    vkd_transfer_finish(&r);
    p = params(collage, "balanced", &w);
    p.class_weights = "balanced";
    p.finetune.loss = "asl";
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
}
END_TEST

START_TEST(trains_chooses_and_tests)
{
    struct watch w = { 0 };
    struct vkd_transfer_result r, again;
    struct vkd_transfer_params p = params(three, NULL, &w);
    p.finetune.weight_decay_count = 2;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert_uint_eq(w.trainings, 5);
    ck_assert_uint_eq(r.classes, 3);
    ck_assert_uint_eq(r.test, 48);
    ck_assert_uint_eq(r.train, 96);
    ck_assert_uint_eq(r.val, 24);
    ck_assert_double_ge(r.value, 0.9);
    ck_assert(r.lr == 0.003 || r.lr == 0.05);
    ck_assert(r.weight_decay == 0 || r.weight_decay == 1e-5);
    ck_assert(r.low <= r.value && r.value <= r.high);
    ck_assert_msg(strstr(r.text, "finetune, sgd nesterov, momentum 0.9, schedule cosine, steps 20, batch 16, lr 0.003 0.05, weight "
                         "decay / lr 0 1e-05, norm momentum min(10 / epoch, 0.1), crops 0.5, flips horizontal, loss "
                         "cross-entropy, stages frozen 0, stage decay 1, diversity penalty 0, seed 3; layer all; val 0.2, of "
                         "train"), "%s", r.text);
    for (uint32_t i = 0; i < r.test; i++)
        ck_assert(r.predictions[i] < 3 && r.labels[i] < 3);

    ck_assert(world_exists(inside("base", &r, "grid.json")) && world_exists(inside("base", &r, "point-03/metrics.jsonl")));
    ck_assert(!world_exists(inside("base", &r, "point-03/last.safetensors")));
    ck_assert(!world_exists(inside("base", &r, "final/state")));
    ck_assert(!world_exists(inside("base", &r, "final/best.safetensors")));

    ck_assert_int_eq(vkd_transfer(world.dev, &p, &again), VKD_OK);
    ck_assert(again.resumed && again.value == r.value && again.lr == r.lr && again.weight_decay == r.weight_decay);
    ck_assert_uint_eq(w.trainings, 5);
    vkd_transfer_finish(&again);

    ck_assert_int_eq(remove(r.path), 0);        // the grid is known, the last training is made again
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &again), VKD_OK);
    ck_assert_uint_eq(w.trainings, 5);          // it has the same name
    ck_assert(!memcmp(again.predictions, r.predictions, r.test * sizeof(*r.predictions)));
    vkd_transfer_finish(&again);
    p.force = true;
    p.finetune.keep = true;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &again), VKD_OK);
    ck_assert_uint_eq(w.trainings, 10);
    ck_assert(!memcmp(again.predictions, r.predictions, r.test * sizeof(*r.predictions)));
    ck_assert(world_exists(inside("base", &r, "point-03/last.safetensors")));
    ck_assert(world_exists(inside("base", &r, "final/state")));
    vkd_transfer_finish(&again);
    vkd_transfer_finish(&r);
}
END_TEST

// Until the result is in its file, the weights of the last training are all there is of it.
START_TEST(weights_stay_until_the_result_is_written)
{
    struct watch w = { 0 };
    struct vkd_transfer_result r, again;
    struct vkd__why why;
    struct vkd_transfer_params p = params(three, "unwritten", &w);
    p.finetune.lr_count = 1;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert_int_eq(remove(r.path), 0);
    ck_assert_int_eq(vkd__dir_create(r.path, &why), VKD_OK);        // where the result should go
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &again), VKD_IO);
    ck_assert(world_exists(inside("unwritten", &r, "final/last.safetensors")));
    ck_assert_int_eq(remove(r.path), 0);
    w = (struct watch) { 0 };
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &again), VKD_OK);
    ck_assert_uint_eq(w.trainings, 0);
    ck_assert(!memcmp(again.predictions, r.predictions, r.test * sizeof(*r.predictions)));
    ck_assert(!world_exists(inside("unwritten", &r, "final/last.safetensors")));
    vkd_transfer_finish(&again);
    vkd_transfer_finish(&r);
}
END_TEST

// stop() is asked after every step and batch of an evaluation, so these end in the first point, between the points, in the
// second and in the last training.
static const uint32_t stops[] = { 5, 22, 40, 60, 75 };

START_TEST(goes_on_where_it_was_broken_off)
{
    struct watch w = { 0 }, whole = { 0 };
    struct vkd_transfer_result a, b;
    char out[32];
    snprintf(out, sizeof(out), "stopped-%d", _i);
    struct vkd_transfer_params p = params(three, "unstopped", &whole);
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &a), VKD_OK);
    p = params(three, out, &w);
    w.stop_at = stops[_i];
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &b), VKD_INTERRUPTED);
    w = (struct watch) { .stop_at = 0 };
    p = params(three, out, &w);
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &b), VKD_OK);
    ck_assert_msg(w.trainings <= 3 && (stops[_i] < 40 || w.trainings <= 2), "%u trainings", w.trainings);
    ck_assert_str_eq(a.key, b.key);
    ck_assert(a.value == b.value && a.lr == b.lr);
    ck_assert(!memcmp(a.predictions, b.predictions, a.test * sizeof(*a.predictions)));
    vkd_transfer_finish(&a);
    vkd_transfer_finish(&b);
}
END_TEST

START_TEST(several_labels)
{
    struct watch w = { 0 };
    struct vkd_transfer_result r, loaded;
    struct vkd_transfer_params p = params(collage, _i ? "asl" : "bce", &w);
    p.finetune.loss = _i ? "asl" : NULL;
    p.finetune.steps = 60;
    p.metric = _i ? "map11" : NULL;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert(r.multi_label);
    ck_assert_msg(strstr(r.text, _i ? "loss asl," : "loss bce,") != NULL, "%s", r.text);
    ck_assert_double_eq(r.value, _i ? r.map11 : r.map);
    double positives = 0;
    for (uint32_t i = 0; i < r.test * r.classes; i++)
        positives += r.truth[i] == VKD_TRUTH_YES;
    ck_assert_double_gt(r.map, positives / (r.test * r.classes) + 0.02);       // better than by chance
    ck_assert_int_eq(vkd_transfer_load(r.path, NULL, &loaded), VKD_OK);
    ck_assert(!memcmp(loaded.scores, r.scores, (size_t) r.test * r.classes * sizeof(float)));
    ck_assert_double_eq(loaded.lr, r.lr);
    vkd_transfer_finish(&loaded);
    vkd_transfer_finish(&r);
}
END_TEST

// A set with a val of its own, of images in colour and of several sizes; fewer than a batch.
START_TEST(a_set_with_its_own_val)
{
    struct watch w = { 0 };
    struct vkd_transfer_result r;
    char spec[128];
    for (uint32_t i = 0; i < 12; i++) {
        world_write_picture("pictures/train", i % 3, i);
        world_write_picture("pictures/test", i % 3, i + 40);
        if (i < 6)
            world_write_picture("pictures/val", i % 3, i + 20);
    }
    snprintf(spec, sizeof(spec), "folder:%s/pictures", world.root);
    struct vkd_transfer_params p = params(spec, "pictured", &w);
    p.finetune.steps = 3 * STEPS;
    p.finetune.freeze = 1;
    p.finetune.stage_decay = 0.7;
    p.finetune.diversity_penalty = 2;
    p.finetune.keep = true;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert(!r.held_out && r.train == 12 && r.val == 6 && r.test == 12);
    ck_assert_double_ge(r.value, 0.9);
    ck_assert_msg(strstr(r.text, ", stages frozen 1, stage decay 0.7, diversity penalty 2, seed 3; layer all; val of the "
                         "set"), "%s", r.text);
    json_t *run = json_load_file(world_path(inside("pictured", &r, "final/run.json")), 0, NULL);
    json_t *recipe = json_object_get(run, "recipe"), *train = json_object_get(json_object_get(run, "data"), "train");
    ck_assert_int_eq(json_integer_value(json_object_get(train, "count")), 18);
    ck_assert_int_eq(json_integer_value(json_object_get(recipe, "batch")), 16);
    ck_assert_int_eq(json_integer_value(json_object_get(recipe, "epochs")), 3 * STEPS);
    ck_assert_str_eq(json_string_value(json_object_get(recipe, "init_part")), "backbone");
    ck_assert_str_eq(json_string_value(json_object_get(run, "part_of")), "a fine-tuning");
    json_decref(run);
    vkd_transfer_finish(&r);
}
END_TEST

START_TEST(a_pair_that_diverges_is_not_chosen)
{
    static const double wild[] = { 1000, 0.05 }, wilder[] = { 1000, 900 }, heavy[] = { 1000 };
    struct watch w = { 0 };
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params(three, "wild", &w);
    p.finetune.lrs = wild;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert_double_eq(r.lr, 0.05);
    vkd_transfer_finish(&r);
    p = params(three, "wild", &w);
    p.finetune.lrs = wilder;
    p.finetune.weight_decays = heavy;       // the decay multiplies weights by 1 - lr * wd / lr: -999
    p.finetune.lr_count = 1;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_DIVERGED);
    ck_assert_msg(strstr(world.error, "none of the 1 pairs") != NULL, "%s", world.error);
}
END_TEST

START_TEST(choice_of_a_checkpoint)
{
    struct watch w = { 0 };
    struct vkd_transfer_result r;
    struct vkd_recipe recipe = world_recipe();
    struct vkd_train_result res;
    recipe.keep_every = 2;
    ck_assert_int_eq(world_train(&recipe, "kept", false, 0, &res), VKD_OK);
    struct vkd_transfer_params p = params(three, NULL, &w);
    p.model = world_path("kept");
    p.select = true;
    p.lambda = 0.5;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert_ptr_nonnull(r.selection);
    ck_assert_uint_ge(r.selection->candidate_count, 2);
    for (uint32_t i = 0; i < r.selection->candidate_count; i++)
        ck_assert(r.selection->candidates[i].val > 0 && r.selection->candidates[i].rankme > 1);
    ck_assert(isfinite(r.selection->last) && isfinite(r.selection->gain) && r.lr > 0);
    vkd_transfer_finish(&r);
}
END_TEST

static const struct { const char *what, *part; } wrongs[] = {
    { "a layer", "expected no layer" }, { "a file and no folder", "--out" },
    { "a learning rate of 0", "learning rate: expected" },
    { "too many stages", "at most the 5 stages" }, { "a crop of 2", "crop: expected" }, { "a loss", "bce or asl" },
    { "too heavy a decay", "weight decay: expected" }, { "a negative penalty", "diversity penalty: expected" },
};

START_TEST(wrong_settings_are_refused)
{
    static const double none[] = { 0, 0.1 }, heavy[] = { 1, 0 };
    struct watch w = { 0 };
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params(three, "refused", &w);
    switch (_i) {
    case 0: p.layer = "layer3"; break;
    case 1: p.model = world_path("base/last.safetensors"); p.out = NULL; break;
    case 2: p.finetune.lrs = none; break;
    case 3: p.finetune.freeze = 6; break;
    case 4: p.finetune.crop = 2; break;
    case 5: p.finetune.loss = "mse"; break;
    case 6: p.finetune.weight_decays = heavy; break;
    case 7: p.finetune.diversity_penalty = -1; break;
    }
    world.error[0] = 0;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_INVALID);
    ck_assert_msg(strstr(world.error, wrongs[_i].part) != NULL, "%s: %s", wrongs[_i].what, world.error);
    ck_assert_uint_eq(w.steps, 0);
}
END_TEST

START_TEST(published_grid)
{
    struct vkd_finetune_params p = { .freeze = 2 };
    vkd_finetune_published(&p);
    ck_assert(p.steps == 20000 && p.batch == 256 && p.lr_count == 7 && p.weight_decay_count == 8 && p.freeze == 2);
    for (uint32_t i = 1; i < 7; i++) {
        ck_assert_double_eq_tol(p.lrs[i] / p.lrs[i - 1], sqrt(10), 1e-9);
        ck_assert(i == 1 || fabs(p.weight_decays[i] / p.weight_decays[i - 1] - sqrt(10)) < 1e-9);
    }
    ck_assert(p.lrs[0] == 1e-4 && p.weight_decays[0] == 0 && p.weight_decays[1] == 1e-6);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("finetune");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 600);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_test(t, balanced_classes);
    tcase_add_test(t, trains_chooses_and_tests);
    tcase_add_test(t, weights_stay_until_the_result_is_written);
    tcase_add_loop_test(t, goes_on_where_it_was_broken_off, 0, sizeof(stops) / sizeof(stops[0]));
    tcase_add_loop_test(t, several_labels, 0, 2);
    tcase_add_test(t, a_set_with_its_own_val);
    tcase_add_test(t, a_pair_that_diverges_is_not_chosen);
    tcase_add_test(t, choice_of_a_checkpoint);
    tcase_add_loop_test(t, wrong_settings_are_refused, 0, sizeof(wrongs) / sizeof(wrongs[0]));
    tcase_add_test(t, published_grid);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
