// test_run_folder.c -- what a run's folder stands for: its weights, and the recipe that it is one of.
#include "written_runs.h"

#include "engine/run_folder.h"
#include "engine/train/run_files.h"

// The best weights were looked for on the test images, unless the run was tested on a split val.
START_TEST(weights_that_count)
{
    static const char *const splits[] = { "test", "val" }, *const names[] = { "last", "best" };
    for (int i = 0; i < 2; i++) {
        char dir[64], name[128], found[512];
        snprintf(dir, sizeof(dir), "weights/%s", splits[i]);
        write_run(dir, 0, 0, true);
        json_t *doc = json_load_file(temp_path("%s/run.json", dir), 0, NULL);
        json_object_set_new(json_object_get(json_object_get(doc, "data"), "test"), "split", json_string(splits[i]));
        snprintf(name, sizeof(name), "%s/run.json", dir);
        write_json(name, doc);
        for (int k = 0; k < 2; k++) {
            snprintf(name, sizeof(name), "%s/%s.safetensors", dir, names[k]);
            temp_write(name, "x", 1);
        }
        vkd__model_path(temp_path("%s", dir), found, sizeof(found));
        ck_assert_str_eq(found, temp_path("%s/%s.safetensors", dir, names[i]));
        vkd__model_path(temp_path("%s/best.safetensors", dir), found, sizeof(found));
        ck_assert_str_eq(found, temp_path("%s/best.safetensors", dir));
    }
    ck_assert_int_eq(remove(temp_path("weights/val/best.safetensors")), 0);
    char found[512];
    vkd__model_path(temp_path("weights/val"), found, sizeof(found));
    ck_assert_str_eq(found, temp_path("weights/val/last.safetensors"));
}
END_TEST

// The recipe of a run `dir` of the seed, which starts from the file `init`; NULL: from nothing.
static uint64_t recipe_of(const char *dir, int recipe, int seed, const char *init)
{
    char name[128];
    uint64_t hash = 0;
    write_run(dir, recipe, seed, true);
    json_t *doc = json_load_file(temp_path("%s/run.json", dir), 0, NULL);
    if (init)
        json_object_set_new(json_object_get(doc, "recipe"), "init", json_string(init));
    snprintf(name, sizeof(name), "%s/run.json", dir);
    said = (struct messages) { .count = 0 };
    const struct vkd_log log = LOG_TO(&said);
    ck_assert_int_eq(vkd__run_recipe(doc, &log, &hash), VKD_OK);
    write_json(name, doc);
    return hash;
}

// Seeds that start from seeds are of one recipe.
START_TEST(recipes_that_start_from_runs)
{
    const uint64_t p = recipe_of("from/p-s0", 0, 0, NULL), q = recipe_of("from/q-s0", 1, 0, NULL);
    ck_assert(p == recipe_of("from/p-s1", 0, 1, NULL) && p != q);
    const uint64_t child = recipe_of("from/c-s0", 2, 0, temp_path("from/p-s0/last.safetensors"));
    ck_assert(child == recipe_of("from/c-s1", 2, 1, temp_path("from/p-s1/last.safetensors")));
    ck_assert(child != recipe_of("from/d-s0", 2, 0, temp_path("from/q-s0/last.safetensors")));
    const uint64_t early = recipe_of("from/e-s0", 2, 0, temp_path("from/p-s0/checkpoints/epoch-0001.safetensors"));
    ck_assert(early == recipe_of("from/e-s1", 2, 1, temp_path("from/p-s1/checkpoints/epoch-0001.safetensors")));
    ck_assert(early != child && child != recipe_of("from/f-s0", 2, 0, NULL));
    const uint64_t third = recipe_of("from/g-s0", 3, 0, temp_path("from/c-s0/last.safetensors"));
    ck_assert(third == recipe_of("from/g-s1", 3, 1, temp_path("from/c-s1/last.safetensors")));
    ck_assert(third != recipe_of("from/h-s0", 3, 0, temp_path("from/d-s0/last.safetensors")));
    ck_assert_uint_eq(said.count, 0);
    temp_write_bytes("files/a.safetensors", weights_encode(1));        // outside of a run it is the weights that count
    temp_write_bytes("files/b.safetensors", weights_encode(1));
    temp_write_bytes("files/c.safetensors", weights_encode(2));
    const uint64_t file = recipe_of("from/i-s0", 2, 0, temp_path("files/a.safetensors"));
    ck_assert(file == recipe_of("from/i-s1", 2, 1, temp_path("files/b.safetensors")));
    ck_assert(file != recipe_of("from/i-s2", 2, 2, temp_path("files/c.safetensors")));
    ck_assert_uint_eq(said.count, 0);
    const uint64_t gone = recipe_of("from/j-s0", 2, 0, "/nowhere/a-s0/last.safetensors");
    check_said("/nowhere/a-s0/last.safetensors is gone");
    ck_assert(gone == recipe_of("from/j-s1", 2, 1, "/nowhere/a-s1/last.safetensors") && gone != child);
    recipe_of("from/k", 2, 0, temp_path("from/k/last.safetensors"));    // of itself: it ends
    recipe_of("from/k", 2, 0, temp_path("from/k/last.safetensors"));
}
END_TEST

// The recipe of a run whose set lies at `spec` and has this fingerprint; NULL: run.json does not say.
static uint64_t recipe_on(const char *spec, const char *fingerprint)
{
    uint64_t hash = 0;
    write_run("on/r", 0, 0, true);
    json_t *doc = json_load_file(temp_path("on/r/run.json"), 0, NULL);
    json_object_set_new(json_object_get(json_object_get(doc, "recipe"), "data"), "train", json_string(spec));
    if (fingerprint)
        json_object_set_new(json_object_get(doc, "data"), "train", json_pack("{s:s}", "fingerprint", fingerprint));
    ck_assert_int_eq(vkd__run_recipe(doc, NULL, &hash), VKD_OK);
    json_decref(doc);
    return hash;
}

// The same images at another place are no other recipe; other images at the same place are.
START_TEST(recipes_on_moved_sets)
{
    ck_assert(recipe_on("folder:/one/set", "a1") == recipe_on("folder:/two/set", "a1"));
    ck_assert(recipe_on("folder:/one/set", "a1") != recipe_on("folder:/one/set", "a2"));
    ck_assert(recipe_on("folder:/one/set", NULL) != recipe_on("folder:/two/set", NULL));
}
END_TEST

// How small crops are made says nothing of a run without any: it is the same run, and the same recipe.
START_TEST(crops_that_are_not_made)
{
    struct vkd_recipe usual;
    char text[256];
    vkd_recipe_default(&usual);
    for (int count = 0; count <= 6; count += 6) {
        uint64_t hashes[2];
        json_t *recipes[2];
        for (int i = 0; i < 2; i++) {
            recipes[i] = vkd__recipe_to_json(&usual);
            json_t *crops = json_object_get(recipes[i], "crops");
            json_object_set_new(crops, "count", json_integer(count));
            if (i)
                json_object_set_new(crops, "scale", json_pack("[f, f]", .25, .75));
            json_t *run = json_pack("{s:O}", "recipe", recipes[i]);
            ck_assert_int_eq(vkd__run_recipe(run, NULL, &hashes[i]), VKD_OK);
            json_decref(run);
        }
        const char *key = vkd__recipe_difference(recipes[0], recipes[1], text, sizeof(text));
        ck_assert_msg(count ? key && !strcmp(key, "crops.scale") : !key, "%d: %s", count, key ? key : "no difference");
        ck_assert((hashes[0] == hashes[1]) == !count);
        json_decref(recipes[0]);
        json_decref(recipes[1]);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("run_folder");
    TCase *c = tcase_create("run_folder");
    tcase_add_test(c, weights_that_count);
    tcase_add_test(c, recipes_that_start_from_runs);
    tcase_add_test(c, recipes_on_moved_sets);
    tcase_add_test(c, crops_that_are_not_made);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);     // the folder is this process's own
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    failed += !temp_remove();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
