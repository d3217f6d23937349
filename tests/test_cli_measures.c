// test_cli_measures.c -- what a user measures of a run: its diversity, how it transfers, its features.
#define DIR VKD_BINARY_DIR "/test_cli_measures"
#include "cli.h"

#include "engine/safetensors.h"

static void setup_run(void)
{
    setup();
    int status = run("train small.yaml --out run --seed 3");
    ck_assert_msg(status == 0, "status %d\n%s%s", status, out, err);
}

START_TEST(diversity_of_run)
{
    ck_assert_int_eq(run("diversity run --json --threshold .2,.9"), 0);
    json_t *doc = parsed();
    has_keys(doc, "model arch layers aggregate batch_norm_folded");
    const json_t *layer = json_array_get(json_object_get(doc, "layers"), 1);
    has_keys(layer, "name kind filters fan_in mean_abs_cos max_abs_cos effective_rank clusters null ratio");
    ck_assert_uint_eq(json_array_size(json_object_get(layer, "clusters")), 3);
    has_keys(json_array_get(json_object_get(layer, "clusters"), 0), "threshold count null");
    has_keys(json_object_get(doc, "aggregate"), "3x3 1x1 linear");
    json_decref(doc);
    ck_assert_int_eq(run("diversity run run/last.safetensors --json"), 0);
    doc = parsed();
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "models")), 2);
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --fold-bn"), 0);
    has(out, "batch norm's scale is part of the filters");
    has(out, "layer4.1.conv2");
    ck_assert_int_eq(run("diversity run run/last.safetensors --data idx:set --images 24 --views 2 --cka --json"), 0);
    has(err, "24 images cannot show all 32 dimensions");
    doc = parsed();
    const json_t *features = json_object_get(json_array_get(json_object_get(doc, "models"), 0), "features");
    has_keys(features, "data split images dim rankme effective_rank lidar alpha_req vendi std class_separation channels layer "
             "null ratio untrained_networks");
    has_keys(json_object_get(features, "null"), "rankme effective_rank eigen_rank lidar alpha_req vendi std class_separation");
    ck_assert_double_eq_tol(json_number_value(json_object_get(json_object_get(features, "ratio"), "rankme")) *
                            json_number_value(json_object_get(json_object_get(features, "null"), "rankme")),
                            json_number_value(json_object_get(features, "rankme")), 1e-4);
    ck_assert(vkd__path_kind(DIR "/run/diversity-null.json", NULL, NULL) == VKD__PATH_FILE);
    ck_assert_int_eq(json_integer_value(json_object_get(features, "images")), 24);
    double rank = json_number_value(json_object_get(features, "rankme"));
    ck_assert(rank >= 1 && rank <= 24);
    const json_t *cka = json_array_get(json_object_get(doc, "cka"), 1);
    ck_assert_double_eq_tol(json_number_value(json_array_get(cka, 1)), 1, 1e-9);
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --data idx:set --images 24 --views 0 --batch 5 --json"), 0);
    doc = parsed();
    features = json_object_get(doc, "features");
    ck_assert_double_eq_tol(json_number_value(json_object_get(features, "rankme")), rank, 1e-4 * rank);
    ck_assert(json_is_null(json_object_get(features, "lidar")));
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --data idx:set --images 24 --views 0 --cka --json"), 0);
    doc = parsed();
    cka = json_object_get(doc, "cka_layers");
    has_keys(cka, "layers images values");
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(cka, "layers"), 4)), "layer4");
    const json_t *last = json_array_get(json_object_get(cka, "values"), 4);
    ck_assert_uint_eq(json_array_size(last), 5);
    ck_assert_double_eq_tol(json_number_value(json_array_get(last, 4)), 1, 1e-9);
    const double near = json_number_value(json_array_get(last, 3));
    ck_assert_double_eq(near, json_number_value(json_array_get(json_array_get(json_object_get(cka, "values"), 3), 4)));
    ck_assert(near <= 1 && near > json_number_value(json_array_get(last, 0)));
    json_decref(doc);
    ck_assert_int_eq(run("diversity run --data idx:set --images 24 --views 0 --cka"), 0);
    has(out, "  1.000  layer4");
    ck_assert_int_eq(run("diversity run --data idx:nowhere"), 2);
    has(err, "nowhere");
    ck_assert_str_eq(out, "");                      // found before any work
    ck_assert_int_eq(run("diversity run run/last.safetensors --data idx:set --layer layer2,laier3"), 2);
    has(err, "no layer 'laier3'; at the ends of stages it has features, bn1, layer1, layer2");
    ck_assert_str_eq(out, "");
    ck_assert_int_eq(run("diversity run --layer layer2"), 2);
    has(err, "give --data SPEC");
    ck_assert_int_eq(run("diversity run --data idx:set --layer layer2,,layer3"), 2);
    has(err, "expected at most 16 names");
    ck_assert_int_eq(run("diversity run --data idx:set --images 40 --views 0 --draws 1 --layer all --json"), 0);
    doc = parsed();
    const json_t *others = json_object_get(doc, "feature_layers");
    ck_assert_uint_eq(json_array_size(others), 4);  // the end of the last stage is what stands before the classifier
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(others, 3), "layer")), "layer3");
    ck_assert_str_eq(json_string_value(json_object_get(json_object_get(doc, "features"), "layer")), "features");
    has_keys(json_object_get(doc, "feature_aggregate"), "layers rankme null ratio channel_clusters");
    json_decref(doc);
    ck_assert_int_eq(run("diversity run run/best.safetensors --data idx:set --images 40 --views 2 --draws 1 "
                         "--layer layer3,layer2"), 0);
    has(out, "Features layer by layer");
    has(out, "Side by side");
    ck_assert_int_eq(run("diversity run --data idx:set --images 40 --views 2 --draws 1"), 0);
    has(out, "The null is the mean over 1 untrained network of");
}
END_TEST

START_TEST(transfer_of_run)
{
    write_colours(DIR "/colour", "abcdefghijkl");
    ck_assert_int_eq(run("transfer run --data idx:set --data 'idx:set?collage=2' --k 3 --json"), 0);
    json_t *doc = parsed();
    const json_t *tasks = json_object_get(doc, "tasks");
    ck_assert_uint_eq(json_array_size(tasks), 4);
    for (size_t i = 0; i < 4; i++) {
        has_keys(json_array_get(tasks, i), "model data protocol metric value low high log_odds chosen metrics text file");
        ck_assert(!json_is_true(json_object_get(json_array_get(tasks, i), "resumed")));
    }
    ck_assert_str_eq(json_string_value(json_object_get(json_array_get(tasks, 3), "metric")), "map");
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "mean_log_odds")), 2);
    json_decref(doc);
    ck_assert_int_eq(run("transfer run --data idx:set --data 'idx:set?collage=2' --k 3"), 0);
    has(out, "(as before)");
    has(out, "Mean log-odds over 2 tasks");
    static const char list[] = "# two\nidx:set metric=mean_per_class  by classes\nidx:nowhere  gone\nidx:set?collage=2\n";
    write_file(DIR "/tasks.txt", list, sizeof list - 1);
    ck_assert_int_eq(run("transfer run --data idx:set --tasks tasks.txt --k 3 --protocol knn --json"), 0);
    has(err, "idx:nowhere is left out");
    doc = parsed();
    static const char *const metrics[] = { "top1", "mean_per_class", "map" };
    tasks = json_object_get(doc, "tasks");
    for (size_t i = 0; i < 3; i++)
        ck_assert_str_eq(json_string_value(json_object_get(json_array_get(tasks, i), "metric")), metrics[i]);
    tasks = json_object_get(json_array_get(tasks, 1), "metrics");
    has_keys(tasks, "top1 mean_per_class");                         // both are kept
    json_decref(doc);
    ck_assert_int_eq(run("transfer run --tasks tasks.txt --k 3 --protocol knn"), 0);
    has(out, "mean_per_class");
    has(out, "top1 ");                                              // and shown
    ck_assert_int_eq(run("transfer run run/last.safetensors --data idx:set --protocol knn --out kept --select"), 2);
    has(err, "expected its folder");
    ck_assert_int_eq(run("transfer run run/last.safetensors --data idx:set --protocol knn --no-cache"), 0);
    has(out, "Paired permutation tests");
    ck_assert_int_eq(run("transfer run/last.safetensors --data idx:set --protocol linear"), 0);
    has(out, "Nothing was kept");
    ck_assert_int_eq(run("transfer run --data idx:set --protocol knn --select --lambda 0.5"), 0);
    has(out, "the choice brings");
    ck_assert_int_eq(run("transfer run --data idx:nowhere"), 2);
    has(err, "nowhere");
    for (int i = 0; i < 2; i++) {                                   // seen before any work, and told once
        ck_assert_int_eq(run(i ? "transfer run --data idx:set --protocol knn --layer laier1 --select"
                               : "transfer run --data idx:set --protocol knn --layer laier1"), 2);
        const char *told = strstr(err, "has no layer 'laier1'");
        ck_assert(told != NULL && strstr(err, "error:") < told && strstr(told, "error:") == NULL);
        ck_assert_ptr_null(strstr(err, "not chosen from"));
    }
    ck_assert_int_eq(run("transfer run --data idx:set --data idx:nowhere"), 2);
    ck_assert_ptr_null(strstr(out, "as before"));                   // it is seen before any work
    ck_assert_int_eq(run("transfer run --data idx:set --protocol knn --out small.yaml/x"), 2);      // no folder can be there
    has(err, "name a folder for results with --out");
    ck_assert_int_eq(run("transfer run run/last.safetensors --data idx:set --data folder:colour --protocol knn --out fresh"), 2);
    has(err, "takes images of 1 channel, folder:colour has 3: train it with --set model.channels=3");
    ck_assert_str_eq(out, "");
    ck_assert(vkd__path_kind(DIR "/fresh", NULL, NULL) == VKD__PATH_NONE);
    ck_assert_int_eq(run("transfer run run/best.safetensors --data idx:set --protocol knn --k 999 --no-cache --out many"), 0);
    const char *warned = strstr(err, "take a smaller --k");
    ck_assert(warned != NULL && strstr(warned + 1, "take a smaller --k") == NULL);      // once
    ck_assert_int_eq(run("transfer run run/last.safetensors run/best.safetensors --data idx:set --protocol knn --json"), 0);
    doc = parsed();
    const json_t *pairs = json_object_get(doc, "comparisons");
    ck_assert_uint_eq(json_array_size(pairs), 3);
    for (size_t i = 0; i < 3; i++)
        ck_assert(json_number_value(json_object_get(json_array_get(pairs, i), "p_holm")) >=
                  json_number_value(json_object_get(json_array_get(pairs, i), "p")));
    json_decref(doc);
}
END_TEST

START_TEST(features_of_run)
{
    ck_assert_int_eq(run("features run --data idx:set --layer layer3 -o f.safetensors --json"), 0);
    json_t *doc = parsed();
    has_keys(doc, "model data split layer path count dim");
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "count")), 32);
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "dim")), 16);
    json_decref(doc);
    vkd__st_file *f = NULL;
    ck_assert_int_eq(vkd__st_open(DIR "/f.safetensors", NULL, &f), VKD_OK);
    const struct vkd__st_tensor *features = vkd__st_find(f, "features"), *paths = vkd__st_find(f, "paths");
    ck_assert(features && paths && vkd__st_find(f, "labels") && features->shape[0] == 32 && features->shape[1] == 16);
    ck_assert_str_eq(paths->data, "t10k-images-idx3-ubyte[0]");
    ck_assert_ptr_nonnull(strstr(vkd__st_metadata(f, "class_names"), "[\"0\",\"1\",\"2\""));
    vkd__st_close(&f);
    ck_assert_int_eq(run("features run --data idx:set --layer layer9 -o f.safetensors"), 2);
    has(err, "layer1, layer2");
    ck_assert_int_eq(run("features run --data idx:set --split train --images 5 -o nowhere/f.safetensors"), 2);
    has(err, "nowhere");
}
END_TEST

static unsigned times(const char *text, const char *part)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

// A file is opened for its filters, for its features and for those of each layer, and told of once.
START_TEST(partial_model_is_told_once)
{
    ck_assert_int_eq(system("sed s/fc.weight/fc.weighx/ " DIR "/run/last.safetensors > " DIR "/partial.safetensors"), 0);
    ck_assert_int_eq(run("diversity partial.safetensors"), 2);
    has(err, "--partial measures the layers that fit");
    ck_assert_int_eq(run("diversity partial.safetensors --partial"), 0);
    ck_assert_uint_eq(times(err, "fc.weight is missing"), 1);
    ck_assert_int_eq(run("diversity partial.safetensors --partial --data idx:set --images 40 --views 2 --draws 1 --cka"), 0);
    ck_assert_uint_eq(times(err, "fc.weight is missing"), 1);
    ck_assert_int_eq(run("transfer partial.safetensors --partial --data idx:set --protocol knn,linear"), 0);
    ck_assert_uint_eq(times(err, "fc.weight is missing"), 1);
}
END_TEST

// Results cannot be written where a file is in the way: the work failed, by either command. A name that no folder can
// have is wrong usage.
START_TEST(folders_that_take_no_results)
{
    static const char study[] = "study blocked --data 'idx:set?collage=2' --base idx:set";
    ck_assert_int_eq(system("cd " DIR " && cp -r run blocked && rm -rf blocked/transfer && echo x > blocked/transfer"), 0);
    ck_assert_int_eq(run("transfer blocked --data idx:set --protocol knn"), 1);
    has(err, "blocked/transfer");
    has(err, "name a folder for results with --out");
    ck_assert_int_eq(run(study), 1);
    has(err, "blocked/transfer");
    has(err, "--no-run does without");
    ck_assert_uint_eq(times(err, "error:"), 1);
    ck_assert_int_eq(run("transfer blocked --data idx:set --protocol knn --out free"), 0);
    ck_assert_int_eq(run("transfer run --data idx:set --protocol knn --out small.yaml"), 2);
    ck_assert_int_eq(run("study run --data idx:set --base idx:set --out small.yaml"), 2);
    ck_assert_int_eq(run("study nowhere --data idx:set --base idx:set"), 2);
    has(err, "nowhere: no such folder");
    // Nothing is left where nothing was to be written.
    ck_assert_int_eq(run("transfer run --data idx:nowhere --protocol knn --out fresh"), 2);
    ck_assert(vkd__path_kind(DIR "/fresh", NULL, NULL) == VKD__PATH_NONE);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("cli_measures");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, setup_run, NULL);
    tcase_add_test(t, diversity_of_run);
    tcase_add_test(t, transfer_of_run);
    tcase_add_test(t, features_of_run);
    tcase_add_test(t, partial_model_is_told_once);
    tcase_add_test(t, folders_that_take_no_results);
    Suite *s = suite_create("cli_measures");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
