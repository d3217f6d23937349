// test_study_refused.c -- studies of run folders that do not go together, that are stopped, or for which there is no memory.
#include "written_zoo.h"

START_TEST(mixed_protocols)
{
    static const char other[] = "linear: L2 of 9 penalties; layer features", knn[] = "knn: k 20; layer features";
    struct vkd_study s;
    write_zoo("mixed", 8);
    write_result("mixed/runs/r02-s1", "t0", "folder:/nowhere/one", "linear", other, .5);
    ck_assert_int_eq(gather("mixed", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_INVALID);
    check_said(LINE);
    check_said(other);
    check_said("--protocol");
    struct vkd_study_params p = { .protocol = "45 penalties" };
    ck_assert_int_eq(gather("mixed", &p, &s), VKD_OK);
    check_said("1 of 16 models have no folder:/nowhere/one");
    vkd_study_finish(&s);
    write_zoo("mixed", 8);
    for (int i = 0; i < 16; i++) {
        char dir[64];
        snprintf(dir, sizeof(dir), "mixed/runs/r%02d-s%d", i / 2, i % 2);
        write_result(dir, "k0", "folder:/nowhere/one", "knn", knn, .4 + .01 * i);
    }
    ck_assert_int_eq(gather("mixed", &(struct vkd_study_params) { .protocol = "45 penalties" }, &s), VKD_OK);
    vkd_study_finish(&s);
    write_zoo("mixed", 8);
    ck_assert_msg(gather("mixed", &(struct vkd_study_params) { .dirs = NULL }, &s) == VKD_OK, "%s", said.text);
    check_said("results of the protocol linear are taken, and those of knn are not");
    ck_assert_str_eq(s.protocol_name, "linear");
    ck_assert_uint_eq(s.task_count, 2);
    vkd_study_finish(&s);
    p.protocol = "knn";
    ck_assert_int_eq(gather("mixed", &p, &s), VKD_OK);
    ck_assert_uint_eq(s.task_count, 1);
    ck_assert_str_eq(s.task_protocols[0], knn);
    ck_assert_str_eq(s.base_protocol, LINE);            // base accuracy is always a linear probe's
    ck_assert_double_eq_tol(s.models[3].tasks[0].value, .43, 1e-12);
    vkd_study_finish(&s);
    p.protocol = "no such line";
    ck_assert_int_eq(gather("mixed", &p, &s), VKD_INVALID);
    check_said("no such line");
    p.protocol = "finetun";
    ck_assert_int_eq(gather("mixed", &p, &s), VKD_INVALID);
    check_said("did you mean 'finetune'?");
    p.protocol = "lin";
    ck_assert_int_eq(gather("mixed", &p, &s), VKD_OK);
    check_said("'lin' is taken for a part of the line linear: L2");
    vkd_study_finish(&s);
}
END_TEST

// Without linear probes nothing says which of two protocols is meant. Lines of one task are shown, where there is one.
START_TEST(protocols_of_their_tasks)
{
    static const char knn[] = "knn: k 20; layer features", tuned[] = "finetune: steps 150";
    struct vkd_study s;
    for (int i = 0; i < 2; i++) {
        char dir[64];
        snprintf(dir, sizeof(dir), "two/r%d", i);
        write_run(dir, i, 0, true);
        write_diversity(dir, 5, .5);
        write_result(dir, "k", "folder:/nowhere/one", "knn", knn, .5);
        write_result(dir, "t", "folder:/nowhere/two", "finetune", tuned, .5);
    }
    struct vkd_study_params p = { .base_from_run = true };
    ck_assert_int_eq(gather("two", &p, &s), VKD_INVALID);
    check_said("folder:/nowhere/one by knn: k 20");
    check_said("folder:/nowhere/two by finetune: steps 150");
    write_result("two/r1", "u", "folder:/nowhere/one", "finetune", tuned, .5);
    ck_assert_int_eq(gather("two", &p, &s), VKD_INVALID);
    check_said("folder:/nowhere/one by knn: k 20");
    check_said("folder:/nowhere/one by finetune: steps 150");
}
END_TEST

// A task says by which metric it counts; results of another one are not of it.
START_TEST(tasks_name_their_metric)
{
    static const char line[] = "linear: L2 of 45 penalties; layer features; mean_per_class";
    struct vkd_study s;
    write_zoo("metric", 8);
    for (int i = 0; i < 16; i++) {
        char dir[64], name[96];
        snprintf(dir, sizeof(dir), "metric/runs/r%02d-s%d", i / 2, i % 2);
        write_result(dir, "m1", "folder:/nowhere/one", "linear", line, .25);
        snprintf(name, sizeof(name), "%s/transfer/m1.json", dir);
        json_t *doc = json_load_file(temp_path("%s", name), 0, NULL);
        json_object_set_new(doc, "metric", json_string("mean_per_class"));
        write_json(name, doc);
    }
    ck_assert_int_eq(gather("metric", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_INVALID);
    check_said("(mean_per_class)");
    check_said("metric=NAME");
    struct vkd_study_task tasks[2] = { { .data = "folder:/nowhere/one", .metric = "mean_per_class" },
                                       { .data = "folder:/nowhere/two?limit=9" } };
    struct vkd_study_params p = { .tasks = tasks, .task_count = 2 };
    ck_assert_msg(gather("metric", &p, &s) == VKD_OK, "%s", said.text);
    ck_assert_str_eq(s.task_metrics[0], "mean_per_class");
    ck_assert_str_eq(s.task_metrics[1], "top1");
    ck_assert_str_eq(s.task_protocols[0], line);
    ck_assert_double_eq_tol(s.models[3].tasks[0].value, .25, 1e-12);
    vkd_study_finish(&s);
    tasks[0].metric = "top1";
    ck_assert_msg(gather("metric", &p, &s) == VKD_OK, "%s", said.text);
    ck_assert_str_eq(s.task_protocols[0], LINE);
    vkd_study_finish(&s);
    tasks[0].metric = "mean_per_clas";
    ck_assert_int_eq(gather("metric", &p, &s), VKD_INVALID);
    check_said("found 'mean_per_clas'; did you mean 'mean_per_class'?");
    tasks[0].metric = "top1";
    tasks[1] = (struct vkd_study_task) { .data = "folder:/nowhere/one", .metric = "mean_per_class" };
    ck_assert_int_eq(gather("metric", &p, &s), VKD_INVALID);
    check_said("is named with metric top1 and with mean_per_class");
}
END_TEST

// What models were trained on is no transfer, with whatever limit.
START_TEST(base_is_no_task)
{
    static const char limited[] = "idx:/nowhere/base/?classes=0-3,4,5&limit=1200";
    struct vkd_study s;
    write_zoo("limited", 8);
    for (int i = 0; i < 16; i++) {
        char dir[64];
        snprintf(dir, sizeof(dir), "limited/runs/r%02d-s%d", i / 2, i % 2);
        write_result(dir, "b0", limited, "linear", LINE, .5 + .02 * (i / 2));
        write_result(dir, "c0", "idx:/nowhere/base?classes=0-5&collage=2", "linear", LINE, .5 + .02 * (i / 2));
        write_result(dir, "c1", "idx:/nowhere/base?classes=0-6", "linear", LINE, .5 + .02 * (i / 2));
    }
    ck_assert_msg(gather("limited", &(struct vkd_study_params) { .dirs = NULL }, &s) == VKD_OK, "%s", said.text);
    ck_assert_str_eq(s.base, limited);
    check_said("base accuracy is that on idx:/nowhere/base/?classes=0-3,4,5&limit=1200, which runs have results of");
    ck_assert_uint_eq(s.task_count, 4);
    ck_assert_double_eq_tol(s.models[2].base.value, .52, 1e-12);
    vkd_study_finish(&s);
    write_result("limited/runs/r00-s0", "b1", BASE, "linear", LINE, .5);
    ck_assert_msg(gather("limited", &(struct vkd_study_params) { .dirs = NULL }, &s) == VKD_OK, "%s", said.text);
    ck_assert_str_eq(s.base, BASE);
    check_said("limit=1200 is left out: its files and classes are those of the base data");
    ck_assert_uint_eq(s.task_count, 4);
    vkd_study_finish(&s);
}
END_TEST

static vkd_device *no_device(void *asked)
{
    ++*(int *) asked;
    return NULL;
}

// Makes weights for a run, and its files those of them.
static void own_weights(const char *dir)
{
    static const char *const files[] = { "diversity", "transfer/t0" };
    char name[128], hash[17], path[4096];
    snprintf(name, sizeof(name), "%s/last.safetensors", dir);
    temp_write_bytes(name, weights_encode(1));
    ck_assert_int_eq(vkd__run_weights(temp_path("%s", dir), NULL, path, hash), VKD_OK);
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%s/%s.json", dir, files[i]);
        json_t *doc = json_load_file(temp_path("%s", name), 0, NULL);
        if (!doc)
            continue;
        json_object_set_new(i ? json_object_get(doc, "model") : doc, "weights_hash", json_string(hash));
        write_json(name, doc);
    }
}

// What is missing would come out by other settings than what is there: that is known before anything is computed.
START_TEST(other_settings_are_not_computed)
{
    static const char other[] = "knn cosine, k 5, temperature 0.07; layer features; val 0.2 of train, seed 0; top1";
    char spec[512];
    int asked = 0;
    struct vkd_study s;
    write_idx_set("set", "train", 40, 8, 8, false);
    write_idx_set("set", "t10k", 20, 8, 8, false);
    snprintf(spec, sizeof(spec), "idx:%s", temp_path("set"));
    for (int i = 0; i < 3; i++) {
        char dir[64];
        snprintf(dir, sizeof(dir), "settings/r%d", i);
        write_run(dir, i, 0, true);
        if (i < 2)
            write_result(dir, "t0", spec, "knn", other, .5);
        write_diversity(dir, 5, .5);
        own_weights(dir);
    }
    struct vkd_study_params p = { .device = no_device, .user = &asked, .base_from_run = true };
    ck_assert_int_eq(gather("settings", &p, &s), VKD_INVALID);
    check_said(other);
    check_said("k 20");
    check_said("r2 has no result of");
    ck_assert_int_eq(asked, 0);
    p.protocol = "k 5";
    ck_assert_int_eq(gather("settings", &p, &s), VKD_INVALID);
    p.device = NULL;                                    // nothing is computed: nothing would be mixed
    ck_assert_msg(gather("settings", &p, &s) == VKD_OK, "%s", said.text);
    ck_assert_str_eq(s.task_protocols[0], other);
    check_said("1 of 3 models have no");
    vkd_study_finish(&s);
}
END_TEST

// Lines differ by task, for they say the metric, and each is kept.
START_TEST(a_line_for_each_task)
{
    static const char other[] = "linear: L2 of 45 penalties; layer features; map";
    struct vkd_study s;
    write_zoo("lines", 4);
    for (int i = 0; i < 8; i++) {
        char dir[64];
        snprintf(dir, sizeof(dir), "lines/runs/r%02d-s%d", i / 2, i % 2);
        write_result(dir, "t1", "folder:/nowhere/two", "linear", other, .5);
    }
    ck_assert_int_eq(gather("lines", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_OK);
    ck_assert_uint_eq(s.task_count, 2);
    ck_assert_str_eq(s.task_protocols[0], LINE);
    ck_assert_str_eq(s.task_protocols[1], other);
    vkd_study_finish(&s);
}
END_TEST

START_TEST(mixed_data)
{
    struct vkd_study s;
    write_zoo("states", 8);
    json_t *doc = json_load_file(temp_path("states/runs/r03-s0/transfer/t1.json"), 0, NULL);
    json_object_set_new(json_object_get(doc, "data"), "fingerprint", json_string("2"));
    write_json("states/runs/r03-s0/transfer/t1.json", doc);
    ck_assert_int_eq(gather("states", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_INVALID);
    check_said("fingerprints 1 and 2");
}
END_TEST

// What an earlier version came to is made again, and counts no more.
START_TEST(earlier_versions)
{
    struct vkd_study s;
    write_zoo("versions", 8);
    json_t *doc = json_load_file(temp_path("versions/runs/r03-s0/transfer/t1.json"), 0, NULL);
    json_object_set_new(doc, "version", json_integer(VKD__TRANSFER_VERSION - 1));
    json_object_set_new(json_object_get(doc, "data"), "fingerprint", json_string("2"));
    write_json("versions/runs/r03-s0/transfer/t1.json", doc);
    ck_assert_msg(gather("versions", &(struct vkd_study_params) { .dirs = NULL }, &s) == VKD_OK, "%s", said.text);
    check_said("1 results of earlier weights or earlier versions");
    check_said("1 of 16 models have no folder:/nowhere/two");
    vkd_study_finish(&s);
}
END_TEST

START_TEST(nothing_to_study)
{
    struct vkd_study s;
    temp_write("empty/x", "", 0);
    ck_assert_int_eq(gather("empty", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_INVALID);
    check_said("expected finished runs");
    write_run("bare/r0", 0, 0, true);
    ck_assert_int_eq(gather("bare", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_INVALID);
    check_said("there is no task");
    write_result("bare/r0", "t", "folder:/nowhere/one", "linear", LINE, .5);
    ck_assert_int_eq(gather("bare", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_INVALID);
    check_said("no diversity measure is known");
    ck_assert_int_eq(gather("nowhere", &(struct vkd_study_params) { .dirs = NULL }, &s), VKD_IO);
}
END_TEST

static bool stop_now(void *user)
{
    (void) user;
    return true;
}

START_TEST(interrupted)
{
    struct vkd_study s;
    write_zoo("stopped", 2);
    ck_assert_int_eq(gather("stopped", &(struct vkd_study_params) { .stop = stop_now }, &s), VKD_INTERRUPTED);
}
END_TEST

static vkd_result gather_once(void)
{
    struct vkd_study s;
    vkd_result r = gather("memory", &(struct vkd_study_params) { .dirs = NULL }, &s);
    if (r == VKD_OK)
        vkd_study_finish(&s);
    return r;
}

START_TEST(without_memory)
{
    write_zoo("memory", 2);
    CHECK_ALLOCATIONS(gather_once());
}
END_TEST

int main(void)
{
    Suite *s = suite_create("study_refused");
    TCase *c = tcase_create("study_refused");
    tcase_add_test(c, mixed_protocols);
    tcase_add_test(c, protocols_of_their_tasks);
    tcase_add_test(c, tasks_name_their_metric);
    tcase_add_test(c, base_is_no_task);
    tcase_add_test(c, other_settings_are_not_computed);
    tcase_add_test(c, a_line_for_each_task);
    tcase_add_test(c, mixed_data);
    tcase_add_test(c, earlier_versions);
    tcase_add_test(c, nothing_to_study);
    tcase_add_test(c, interrupted);
    tcase_add_test(c, without_memory);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);     // the folder is this process's own
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    failed += !temp_remove();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
