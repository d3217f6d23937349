// test_study_runs.c -- studies of run folders written by hand, without a device: what counts, and the command.
#include "written_zoo.h"

#include <sys/wait.h>

#define PROGRAM VKD_BINARY_DIR "/bin/vkdiv"

static char *out_text;

// ---- What counts ----

START_TEST(whole_zoo)
{
    struct vkd_study s;
    struct vkd_study_fits f;
    write_zoo("whole", 10);
    write_run("whole/runs/unfinished", 3, 5, false);
    write_run("whole/out/transfer/aa.finetune/final", 99, 0, true);
    json_t *part = json_load_file(temp_path("whole/out/transfer/aa.finetune/final/run.json"), 0, NULL);
    json_object_set_new(part, "part_of", json_string("a fine-tuning"));
    write_json("whole/out/transfer/aa.finetune/final/run.json", part);
    temp_write("whole/runs/broken/run.json", "{ no", 4);
    temp_write("whole/notes.txt", "x", 1);
    ck_assert_int_eq(gather("whole", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_OK);
    check_said("unfinished is left out: it is not finished");
    check_said("broken is left out");
    ck_assert_uint_eq(s.model_count, 20);
    ck_assert_str_eq(s.models[0].label, "runs/r00-s0");
    ck_assert_str_eq(s.models[0].arch, "resnet18");
    ck_assert_str_eq(s.models[0].method, "simclr");
    ck_assert_str_eq(s.models[2].method, "simclr + linear");
    ck_assert_uint_eq(s.models[1].cluster, 0);          // another seed, and other threads
    ck_assert_uint_eq(s.models[2].cluster, 1);
    ck_assert_uint_eq(s.models[1].seed, 1);
    ck_assert(s.models[0].recipe == s.models[1].recipe && s.models[0].recipe != s.models[2].recipe);
    ck_assert_str_eq(s.base, BASE);
    ck_assert_uint_eq(s.task_count, 2);
    ck_assert_str_eq(s.task_names[0], "one");
    ck_assert_str_eq(s.task_names[1], "two?limit=9");
    ck_assert_str_eq(s.protocol_name, "linear");
    ck_assert_str_eq(s.task_protocols[0], LINE);
    ck_assert_uint_eq(s.measure_count, 5);              // those of which the files have numbers; no second rank
    ck_assert_str_eq(s.measure_names[0], "filter_clusters");
    ck_assert_double_lt(s.models[0].diversity[0], 1);   // the calibrated threshold, the classifier aside
    ck_assert_str_eq(s.measure_names[3], "rankme");
    ck_assert_double_lt(s.models[0].diversity[3], 100); // the ratio to the null
    ck_assert_str_eq(s.measure_names[4], "alpha_req");
    ck_assert_double_eq_tol(s.models[0].diversity[4], -log(2), 1e-9);
    ck_assert(s.measure_signs[1] == -1 && s.measure_signs[4] == 1);
    const struct vkd_study_result *t = &s.models[3].tasks[1];
    ck_assert_double_eq_tol(t->log_odds, log(t->value / (1 - t->value)), 1e-9);
    const struct vkd_study_fit_params p = { .resample = { .count = 300, .log = LOG_TO(&said) },
                                            .protocol = s.protocol_name };
    ck_assert_int_eq(vkd_study_fit(&s.table, &p, &f), VKD_OK);
    ck_assert_uint_eq(f.clusters, 10);
    ck_assert_int_eq(f.outcome, VKD_STUDY_SUPPORTED);
    ck_assert_ptr_eq(f.best, &f.fits[3]);
    vkd_study_fits_finish(&f);
    vkd_study_finish(&s);
}
END_TEST

// Features of before there was a null do not compare, and are no measure.
START_TEST(features_without_null)
{
    char name[128];
    struct vkd_study s;
    write_zoo("nullless", 4);
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "nullless/runs/r%02d-s%d/diversity.json", i / 2, i % 2);
        json_t *doc = json_load_file(temp_path("%s", name), 0, NULL);
        json_object_del(json_object_get(doc, "features"), "ratio");
        write_json(name, doc);
    }
    ck_assert_int_eq(gather("nullless", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_OK);
    check_said("features of 8 models lack their null");
    ck_assert_uint_eq(s.measure_count, 3);
    vkd_study_finish(&s);
}
END_TEST

START_TEST(chosen_parts)
{
    static const char *const measures[] = { "rankme" }, *const wrong[] = { "rankmee" };
    const struct vkd_study_task tasks[] = { { .data = "folder:/nowhere/two?limit=9", .name = "second" },
                                            { .data = "folder:/nowhere/none" }, { .data = BASE },
                                            { .data = "folder:/nowhere/two?limit=9" } };
    struct vkd_study s;
    write_zoo("parts", 8);
    struct vkd_study_params p = { .tasks = tasks, .task_count = 4, .measures = measures, .measure_count = 1 };
    const struct vkd_study_task typo = { .data = "foldr:/nowhere/two" };
    p.tasks = &typo;
    p.task_count = 1;
    ck_assert_int_eq(gather("parts", &p, &s), VKD_INVALID);
    check_said("task foldr:/nowhere/two: unknown data format 'foldr'");
    check_said("did you mean 'folder'?");
    p.tasks = tasks;
    p.task_count = 4;
    ck_assert_int_eq(gather("parts", &p, &s), VKD_OK);
    check_said("folder:/nowhere/none is left out: its files are not there");
    check_said("is the base data and no task");
    ck_assert_uint_eq(s.task_count, 1);
    ck_assert_str_eq(s.task_names[0], "second");
    ck_assert_uint_eq(s.measure_count, 1);
    ck_assert_str_eq(s.measure_names[0], "rankme");
    vkd_study_finish(&s);
    p.measures = wrong;
    ck_assert_int_eq(gather("parts", &p, &s), VKD_INVALID);
    check_said("did you mean 'rankme'?");
}
END_TEST

START_TEST(base_accuracy)
{
    struct vkd_study s;
    write_zoo("base", 8);
    struct vkd_study_params p = { .base_from_run = true };
    ck_assert_int_eq(gather("base", &p, &s), VKD_OK);
    ck_assert_double_eq_tol(s.models[4].base.value, 0.52, 1e-12);
    ck_assert_double_eq_tol(s.models[4].base.log_odds, log(.52 / .48), 1e-12);
    ck_assert_ptr_nonnull(strstr(s.base_protocol, "run.json"));
    vkd_study_finish(&s);
    json_t *doc = json_load_file(temp_path("base/runs/r02-s0/run.json"), 0, NULL);   // its best weights count
    json_object_set_new(json_object_get(json_object_get(doc, "data"), "test"), "split", json_string("val"));
    json_object_set_new(json_object_get(doc, "results"), "best_accuracy", json_real(.625));
    write_json("base/runs/r02-s0/run.json", doc);
    ck_assert_int_eq(gather("base", &p, &s), VKD_OK);
    ck_assert_double_eq_tol(s.models[4].base.value, 0.625, 1e-12);
    ck_assert_double_eq_tol(s.models[5].base.value, 0.52, 1e-12);
    vkd_study_finish(&s);
    p = (struct vkd_study_params) { .base = "folder:/nowhere/one" };
    ck_assert_int_eq(gather("base", &p, &s), VKD_OK);   // another base is no task, and the old one is
    ck_assert_uint_eq(s.task_count, 2);
    ck_assert_str_eq(s.task_names[0], "base?classes=0-5");
    vkd_study_finish(&s);
    p = (struct vkd_study_params) { .base = "folder:/nowhere/missing" };
    ck_assert_int_eq(gather("base", &p, &s), VKD_INVALID);
    check_said("the base data folder:/nowhere/missing are not there, and no run has a result of them");
}
END_TEST

START_TEST(gaps)
{
    struct vkd_study s;
    struct vkd_study_fits f;
    write_zoo("gaps", 9);
    write_result("gaps/runs/r01-s0", "t0", "folder:/nowhere/other", "linear", LINE, .5);    // instead of "one"
    write_diversity("gaps/runs/r02-s0", NAN, .5);
    ck_assert_int_eq(gather("gaps", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_OK);
    check_said("17 of 18 models have no folder:/nowhere/other");
    check_said("1 of 18 models have no folder:/nowhere/one");
    const struct vkd_study_fit_params p = { .resample = { .count = 100, .log = LOG_TO(&said) } };
    ck_assert_int_eq(vkd_study_fit(&s.table, &p, &f), VKD_OK);
    check_said("task other is left out: 1 of 18");
    ck_assert_uint_eq(f.models, 17);
    ck_assert(!f.model_used[2]);
    vkd_study_fits_finish(&f);
    vkd_study_finish(&s);
}
END_TEST

// ---- The command ----

#define WITH_DRIVER "ASAN_OPTIONS=detect_leaks=0"       // drivers leak; the program unloads them, which hides whose it is

// Runs the program; its output is in `out_text`.
static int run_with(const char *environment, const char *arguments)
{
    char command[2048];
    snprintf(command, sizeof(command), "%s " PROGRAM " study %s >%s 2>%s </dev/null", environment, arguments,
             temp_path("out.txt"), temp_path("err.txt"));
    int status = system(command);
    FILE *f = fopen(temp_path("out.txt"), "rb");
    ck_assert_ptr_nonnull(f);
    free(out_text);
    out_text = calloc(1, 1 << 20);
    size_t size = fread(out_text, 1, (1 << 20) - 1, f);
    ck_assert_uint_lt(size, (1 << 20) - 1);
    fclose(f);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

// The same where there is no Vulkan driver.
static int run(const char *arguments)
{
    return run_with("VK_ICD_FILENAMES=/nowhere.json VK_DRIVER_FILES=/nowhere.json", arguments);
}

static bool page_wants_device(const char *name)
{
    char command[1024];
    snprintf(command, sizeof(command), "grep -q 'they need a Vulkan device' %s", temp_path("%s", name));
    return system(command) == 0;
}

// The page's pictures need a device, be it that nothing else does.
START_TEST(page)
{
    char arguments[1024];
    write_zoo("page", 2);
    snprintf(arguments, sizeof(arguments), "%s --html %s", temp_path("page"), temp_path("page.html"));
    ck_assert_int_eq(run_with(WITH_DRIVER, arguments), 0);
    ck_assert(!page_wants_device("page.html"));
    ck_assert_int_eq(run(arguments), 0);
    ck_assert(page_wants_device("page.html"));
    snprintf(arguments, sizeof(arguments), "%s --no-run --html %s", temp_path("page"), temp_path("page.html"));
    ck_assert_int_eq(run_with(WITH_DRIVER, arguments), 0);
    ck_assert(page_wants_device("page.html"));
    free(out_text);
    out_text = NULL;
}
END_TEST

static void check_document(json_t *doc)
{
    static const char *const keys[] = { "r2_accuracy", "r2_joint", "loo_r2_accuracy", "loo_r2_joint",
                                        "partial_correlation", "low", "high", "p", "p_holm", "spearman", "kendall",
                                        "adjusted_r2_joint", "b2" };
    const json_t *model = json_array_get(json_object_get(doc, "models"), 0);
    const json_t *fit = json_array_get(json_object_get(doc, "fits"), 3), *task;
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "schema")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "models")), 20);
    ck_assert_str_eq(json_string_value(json_object_get(fit, "diversity")), "rankme");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        ck_assert_msg(json_is_number(json_object_get(fit, keys[i])), "%s", keys[i]);
    ck_assert(json_is_true(json_object_get(fit, "stands")));
    ck_assert(json_is_number(json_object_get(model, "base_accuracy")));
    ck_assert(json_is_number(json_object_get(json_object_get(model, "diversity"), "rankme")));
    task = json_array_get(json_object_get(model, "tasks"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(task, "data")), "folder:/nowhere/two?limit=9");
    ck_assert(json_is_number(json_object_get(task, "log_odds")));
    task = json_array_get(json_object_get(doc, "tasks"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(task, "text")), LINE);
    task = json_array_get(json_object_get(doc, "per_task"), 1);
    ck_assert_str_eq(json_string_value(json_object_get(task, "text")), LINE);
    task = json_array_get(json_object_get(task, "fits"), 0);
    ck_assert(json_is_number(json_object_get(task, "recipe_loo_r2_joint")));
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "per_task")), 2);
    ck_assert_ptr_nonnull(strstr(json_string_value(json_object_get(doc, "verdict")), "Supported"));
    ck_assert_ptr_nonnull(json_string_value(json_object_get(doc, "falsifier")));
}

START_TEST(command)
{
    char arguments[512];
    write_zoo("command", 10);
    snprintf(arguments, sizeof(arguments), "%s --json", temp_path("command"));
    ck_assert_int_eq(run(arguments), 0);        // all is there: no device is asked for
    json_t *doc = json_loads(out_text, 0, NULL), *file = json_load_file(temp_path("command/study.json"), 0, NULL);
    check_document(doc);
    ck_assert(json_equal(doc, file));
    json_decref(file);
    json_decref(doc);
    static const char list[] = "# tasks\n\nfolder:/nowhere/one metric=top1 the first # of them\n folder:../nowhere/there\n";
    temp_write("lists/tasks.txt", list, sizeof(list) - 1);
    snprintf(arguments, sizeof(arguments), "%s --tasks %s --out %s --measure rankme,lidar", temp_path("command/runs"),
             temp_path("lists/tasks.txt"), temp_path("other.json.d"));     // a folder
    ck_assert_int_eq(run(arguments), 0);
    ck_assert_ptr_nonnull(strstr(out_text, "recipes left out"));
    ck_assert_ptr_null(strstr(out_text, "leave one out"));                 // seeds would leak into it
    ck_assert_ptr_nonnull(strstr(out_text, "(1)  the first"));
    ck_assert_ptr_nonnull(strstr(out_text, "Supported: accuracy and rankme together"));
    ck_assert_ptr_nonnull(strstr(out_text, "The claim falls"));
    doc = json_load_file(temp_path("other.json.d/study.json"), 0, NULL);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "fits")), 1);
    json_decref(doc);
    ck_assert_int_eq(run("/nowhere/at/all"), 2);
    ck_assert_int_eq(run(""), 2);
    snprintf(arguments, sizeof(arguments), "%s --tasks /nowhere.txt", temp_path("command"));
    ck_assert_int_eq(run(arguments), 2);
    free(out_text);
    out_text = NULL;
}
END_TEST

int main(void)
{
    Suite *s = suite_create("study_runs");
    TCase *c = tcase_create("study_runs");
    tcase_add_test(c, whole_zoo);
    tcase_add_test(c, features_without_null);
    tcase_add_test(c, chosen_parts);
    tcase_add_test(c, base_accuracy);
    tcase_add_test(c, gaps);
    tcase_add_test(c, page);
    tcase_add_test(c, command);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);     // the folder is this process's own
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    failed += !temp_remove();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
