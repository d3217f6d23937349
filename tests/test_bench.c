// test_bench.c -- vkdiv bench as a user meets it: groups, JSON, tables, comparison with a file.
#include "runtime/os.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM VKD_BINARY_DIR "/bin/vkdiv"
#define DIR VKD_BINARY_DIR "/test_bench"

static char out[262144], err[65536];

static void slurp(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "rb");
    ck_assert(f != NULL);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

// Runs "vkdiv bench ARGUMENTS"; returns its exit status, leaves its output in out and err.
static int run(const char *arguments)
{
    char command[2048];
    snprintf(command, sizeof command, "cd " DIR " && TMPDIR=" DIR "/tmp " PROGRAM
             " bench %s >out.txt 2>err.txt </dev/null", arguments);
    int status = system(command);
    slurp(DIR "/out.txt", out, sizeof out);
    slurp(DIR "/err.txt", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

static void run_well(const char *arguments)
{
    int status = run(arguments);
    ck_assert_msg(status == 0, "vkdiv bench %s: status %d\n%s%s", arguments, status, out, err);
}

static json_t *parsed(void)
{
    json_error_t e;
    json_t *doc = json_loads(out, 0, &e);
    ck_assert_msg(doc != NULL, "line %d: %s in\n%s", e.line, e.text, out);
    return doc;
}

static void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in\n%s", part, text);
}

static void write_text(const char *path, const char *text)
{
    struct vkd__why why;
    ck_assert_msg(vkd__file_replace(path, text, strlen(text), &why) == VKD_OK, "%s", why.text);
}

static const json_t *row_named(const json_t *doc, const char *name)
{
    const json_t *row;
    size_t i;
    json_array_foreach(json_object_get(doc, "results"), i, row)
        if (strcmp(json_string_value(json_object_get(row, "name")), name) == 0)
            return row;
    ck_abort_msg("no row %s in\n%s", name, out);
}

static double number(const json_t *row, const char *key)
{
    ck_assert_msg(json_is_number(json_object_get(row, key)), "%s is no number in\n%s", key, out);
    return json_number_value(json_object_get(row, key));
}

// Two rows, of 4 ms +- 1 and 8 ms +- 1 times a factor.
static void write_results(const char *path, double factor, const char *second)
{
    char text[1024];
    snprintf(text, sizeof text, "{\"schema\": 1, \"version\": \"0\", \"device\": \"none\", \"roofline\": {}, "
             "\"results\": [{\"group\": \"ops\", \"name\": \"relu\", \"shape\": \"N1\", \"dtype\": \"f32\", "
             "\"ms\": 4, \"ms_low\": 3, \"ms_high\": 5}, "
             "{\"group\": \"gemm\", \"name\": \"%s\", \"shape\": \"2 x 2\", \"dtype\": \"f32\", "
             "\"gflops\": 1.5, \"ms\": %g, \"ms_low\": %g, \"ms_high\": %g}]}", second, 8 * factor, 7 * factor,
             9 * factor);
    write_text(path, text);
}

static void setup(void)
{
    struct vkd__why why;
    ck_assert_int_eq(system("rm -rf " DIR), 0);
    ck_assert(vkd__dir_create(DIR "/tmp", &why) == VKD_OK);
    write_results(DIR "/old.json", 1, "gemm nn");
    write_results(DIR "/slow.json", 2, "gemm nn");
    write_results(DIR "/other.json", 1, "gemm tn");
}

// ---- Measuring ---------------------------------------------------------------------------------

START_TEST(roofline)
{
    run_well("roofline -n 1 --json");
    json_t *doc = parsed();
    static const char *const keys[] = { "schema", "version", "command", "device", "type", "driver", "driver_info",
                                        "api", "cpus", "roofline", "results", "ratios" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        ck_assert_msg(json_object_get(doc, keys[i]) != NULL, "no %s in\n%s", keys[i], out);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "command")), "vkdiv bench roofline --runs 1");
    ck_assert(number(row_named(doc, "copy"), "gb_s") > 0);
    ck_assert(number(row_named(doc, "multiply-adds"), "gflops") > 0);
    size_t rows = json_array_size(json_object_get(doc, "results"));
    ck_assert_uint_eq(rows, json_is_null(json_object_get(json_object_get(doc, "roofline"), "f16_gflops")) ? 2 : 3);
    double share = number(row_named(doc, "copy"), "share");
    ck_assert(share > 0 && share <= 1);
    json_decref(doc);
}
END_TEST

// Sets are made and read, and taken away again; what is augmented comes with them.
START_TEST(data)
{
    run_well("data -n 1 --json");
    json_t *doc = parsed();
    const json_t *jpeg = row_named(doc, "load JPEG"), *part;
    const char *key;
    double sum = 0;
    ck_assert(number(jpeg, "images_per_second") > 0 && json_is_null(json_object_get(jpeg, "share")));
    json_object_foreach(json_object_get(jpeg, "parts"), key, part)
        sum += number(part, "share");
    ck_assert_double_eq_tol(sum, 1, 1e-6);
    ck_assert(number(row_named(doc, "load raw"), "images_per_second") > 0);
    ck_assert(number(row_named(doc, "upload"), "gb_s") > 0);
    ck_assert(number(row_named(doc, "augment SimCLR"), "gelem_s") > 0);
    json_decref(doc);
    char **names;
    uint32_t count;
    struct vkd__why why;
    ck_assert(vkd__dir_list(DIR "/tmp", &names, &count, &why) == VKD_OK);
    free(names);
    ck_assert_msg(count == 0, "a folder was left behind");
}
END_TEST

// Every operation is there once, and comes with what is recorded beside it.
START_TEST(ops)
{
    run_well("ops -n 1 --only sgd --only 'cross-entropy' --only 'add, relu' --json");
    json_t *doc = parsed();
    static const char *const names[] = { "batch norm, add, relu", "batch norm, add, relu backward",
                                         "softmax, cross-entropy", "softmax, cross-entropy backward", "update sgd" };
    for (size_t i = 0; i < 5; i++)
        ck_assert(number(row_named(doc, names[i]), "gelem_s") > 0);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "results")), 5);
    ck_assert_str_eq(json_string_value(json_object_get(row_named(doc, "update sgd"), "group")), "optimizer");
    json_decref(doc);
}
END_TEST

// What a file has is measured again, and nothing else.
START_TEST(compare_measured)
{
    run_well("gemm -n 2 --only '512 x' --json");
    write_text(DIR "/gemm.json", out);
    run_well("-n 2 --compare gemm.json");
    has(out, "512 x 512 x 512");
    has(out, "3 rows: ");
    ck_assert_msg(strstr(out, "only ") == NULL, "%s", out);
    run_well("-n 2 --only 'gemm nn' --compare gemm.json --json");
    json_t *doc = parsed(), *rows = json_object_get(json_object_get(doc, "comparison"), "rows");
    ck_assert_uint_eq(json_array_size(rows), 1);
    ck_assert(number(json_array_get(rows, 0), "ratio") > 0);
    json_decref(doc);
}
END_TEST

// ---- Files -------------------------------------------------------------------------------------

START_TEST(compare_files)
{
    run_well("--compare old.json --from old.json");
    has(out, "1.000 (0.600-1.667)");
    has(out, "2 rows: 0 slower, 0 faster, 2 within the spreads");
    run_well("--compare old.json --from slow.json");
    has(out, "2.000 (1.556-2.571)  slower");
    has(out, "2 rows: 1 slower, 0 faster, 1 within the spreads");
    run_well("--compare slow.json --from old.json --markdown");
    has(out, "| gemm nn | 2 x 2 | 16.000 ms (14.000-18.000) | 8.000 ms (7.000-9.000) | 0.500 (0.389-0.643) | faster |");
    run_well("--compare old.json --from other.json");
    has(out, "only old: gemm nn 2 x 2");
    has(out, "only new: gemm tn 2 x 2");
    run_well("ops --compare old.json --from other.json --json");
    json_t *doc = parsed();
    const json_t *compared = json_object_get(doc, "comparison");
    ck_assert_uint_eq(json_array_size(json_object_get(compared, "rows")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(compared, "only_old")), 0);
    json_decref(doc);
}
END_TEST

START_TEST(tables)
{
    run_well("--from old.json");
    has(out, "relu ");
    run_well("--from old.json --markdown");
    has(out, "| gemm nn | 2 x 2 | 8.00 (7.00-9.00) | 1.5 GFLOP/s |  |  | `vkdiv bench gemm` |");
    run_well("--from old.json --only relu --json");
    json_t *doc = parsed();
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "results")), 1);
    json_decref(doc);
}
END_TEST

static const struct { const char *text, *why; } damaged[] = {
    { "", "not valid JSON" },
    { "{\"schema\": 1, \"results\": [", "not valid JSON" },
    { "[1, 2]", "expected \"schema\": 1" },
    { "{\"schema\": 2, \"results\": []}", "expected \"schema\": 1" },
    { "{\"schema\": 1}", "expected \"results\"" },
    { "{\"schema\": 1, \"results\": []}", "expected \"results\"" },
    { "{\"schema\": 1, \"results\": [3]}", "result 1: expected a name" },
    { "{\"schema\": 1, \"results\": [{\"name\": \"a\", \"shape\": \"b\"}]}", "result 1: expected \"ms\"" },
    { "{\"schema\": 1, \"results\": [{\"name\": \"a\", \"shape\": \"b\", \"ms\": 0}]}", "result 1: expected \"ms\"" },
    { "{\"schema\": 1, \"results\": [{\"name\": \"a\", \"shape\": \"b\", \"ms\": 2, \"ms_low\": 3, \"ms_high\": 4}]}",
      "rising order" },
};

START_TEST(damaged_files)
{
    static const char *const arguments[] = { "--compare damaged.json", "--from damaged.json" };
    write_text(DIR "/damaged.json", damaged[_i].text);
    for (int i = 0; i < 2; i++) {
        int status = run(arguments[i]);
        ck_assert_msg(status == 2, "%s: status %d\n%s", damaged[_i].text, status, err);
        has(err, "damaged.json");
        has(err, damaged[_i].why);
        ck_assert_msg(out[0] == 0, "%s", out);
    }
}
END_TEST

START_TEST(usage)
{
    ck_assert_int_eq(run("--compare nowhere.json"), 2);
    has(err, "nowhere.json");
    ck_assert_int_eq(run("roofnile"), 2);
    has(err, "did you mean 'roofline'?");
    ck_assert_int_eq(run("--from old.json --runs 3"), 2);
    has(err, "--from measures nothing");
    ck_assert_int_eq(run("--markdown --json"), 2);
    has(err, "exclude each other");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("bench");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, setup, NULL);
    tcase_add_test(t, compare_files);
    tcase_add_test(t, tables);
    tcase_add_loop_test(t, damaged_files, 0, sizeof damaged / sizeof damaged[0]);
    tcase_add_test(t, usage);
    tcase_add_test(t, roofline);
    tcase_add_test(t, data);
    tcase_add_test(t, ops);
    tcase_add_test(t, compare_measured);
    Suite *s = suite_create("bench");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
