// test_study_runs.c -- studies of run folders written by hand, without a device: what counts, what is refused.
#include "written_runs.h"

#include "engine/run_folder.h"
#include "engine/study/study.h"

#include <sys/wait.h>

#define PROGRAM VKD_BINARY_DIR "/bin/vkdiv"

static char *out_text;

// A result; log_odds is left to the reader where it is 0.
static void write_result(const char *dir, const char *key, const char *spec, const char *protocol, const char *line,
                         double value)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/transfer/%s.json", dir, key);
    write_json(name, json_pack("{s:i, s:i, s:{s:s}, s:{s:s, s:s, s:i}, s:{s:s, s:s}, s:s, s:f, s:f, s:f, s:n, s:n}",
        "schema", 1, "version", VKD__TRANSFER_VERSION, "model", "weights_hash", "00000000000000aa", "data", "spec", spec,
        "fingerprint", "1", "test", 2000, "protocol", "name", protocol, "text", line, "metric", "top1", "value",
        value, "low", value - .02, "high", value + .02, "log_odds", "select"));
}

static void write_diversity(const char *dir, double rank, double clusters)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/diversity.json", dir);
    json_t *kind = json_pack("{s:i, s:{s:f, s:f}, s:[{s:b, s:f}, {s:b, s:f}]}", "filters", 64, "ratio", "mean_abs_cos",
                             1.5, "effective_rank", .8, "clusters", "calibrated", 0, "ratio", 99., "calibrated", 1,
                             "ratio", clusters);
    json_t *other = json_deep_copy(kind);
    json_object_set_new(other, "filters", json_integer(64000));
    write_json(name, json_pack("{s:i, s:s, s:{s:o, s:o}, s:{s:s, s:s, s:i, s:i, s:f, s:f, s:{s:o, s:n, s:f}}}", "schema", 1,
        "weights_hash", "00000000000000aa", "aggregate", "3x3", kind, "linear", other, "features", "data", BASE,
        "split", "test", "images", 500, "views", 4, "rankme", 1000., "alpha_req", 2., "ratio", "rankme",
        isnan(rank) ? json_null() : json_real(rank), "lidar", "effective_rank", 9.));
}

static double share(double log_odds)
{
    return 1 / (1 + exp(-log_odds));
}

// `recipes` recipes of two seeds below `zoo`, to two tasks, by linear probes; RankMe has an effect of its own.
static void write_zoo(const char *zoo, int recipes)
{
    double a[32], d[32], noise[64];
    values_make("zoo", ".a", 32, 0, a);
    values_make("zoo", ".d", 32, 0, d);
    values_make("zoo", ".y", 64, 0, noise);
    for (int i = 0; i < 2 * recipes; i++) {
        char dir[128];
        const double y = a[i / 2] + d[i / 2] + 0.1 * noise[i];
        snprintf(dir, sizeof(dir), "%s/runs/r%02d-s%d", zoo, i / 2, i % 2);
        write_run(dir, i / 2, i % 2, true);
        write_result(dir, "b0", BASE, "linear", LINE, share(2 * a[i / 2]));
        write_result(dir, "t0", "folder:/nowhere/one", "linear", LINE, share(y - 1));
        write_result(dir, "t1", "folder:/nowhere/two?limit=9", "linear", LINE, share(y + 1));
        write_diversity(dir, 10 + 5 * d[i / 2] + 0.1 * noise[i], 0.4 + 0.1 * noise[63 - i]);
    }
}

static vkd_result gather(const char *zoo, const struct vkd_study_params *with, struct vkd_study *s)
{
    const char *dirs[] = { temp_path("%s", zoo) };
    struct vkd_study_params p = *with;
    p.dirs = dirs;
    p.dir_count = 1;
    p.log = LOG_TO(&said);
    said = (struct messages) { .count = 0 };
    return vkd_study_gather(&p, s);
}

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

// ---- What is refused ----

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
