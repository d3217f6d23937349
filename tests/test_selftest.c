// test_selftest.c -- `vkdiv selftest` as a user meets it: probes that crash and hang, the document against its schema, what
// changed between two, and the probes themselves on this device.
#include "runtime/os.h"

#include <shader_table.h>

#include <check.h>
#include <fnmatch.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define PROGRAM VKD_BINARY_DIR "/bin/vkdiv"
#define DIR VKD_BINARY_DIR "/test_selftest"
#define PORTABILITY VKD_SOURCE_DIR "/tests/portability"

static char out[1 << 20], err[65536];
static json_t *schema;

static void slurp(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "rb");
    ck_assert_msg(f != NULL, "%s cannot be opened", path);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

// Runs "ENVIRONMENT vkdiv selftest ARGUMENTS"; returns its exit status, leaves its output in out and err.
static int run_with(const char *environment, const char *arguments)
{
    char command[4096];
    snprintf(command, sizeof(command), "cd " DIR " && env %s " PROGRAM " selftest %s >out.txt 2>err.txt </dev/null",
             environment, arguments);
    int status = system(command);
    slurp(DIR "/out.txt", out, sizeof(out));
    slurp(DIR "/err.txt", err, sizeof(err));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

static int run(const char *arguments)
{
    return run_with("", arguments);
}

static json_t *parse(void)
{
    json_error_t e;
    json_t *doc = json_loads(out, 0, &e);
    ck_assert_msg(doc != NULL, "line %d: %s", e.line, e.text);
    return doc;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static const json_t *find(const json_t *doc, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(doc, "probes"), i, row)
        if (!strcmp(text_of(row, "name"), name))
            return row;
    ck_abort_msg("there is no probe %s", name);
    return NULL;
}

// ---- As much of JSON Schema as the schema uses ----

static bool is_type(const json_t *v, const char *type)
{
    return (!strcmp(type, "object") && json_is_object(v)) || (!strcmp(type, "array") && json_is_array(v)) ||
           (!strcmp(type, "string") && json_is_string(v)) || (!strcmp(type, "integer") && json_is_integer(v)) ||
           (!strcmp(type, "number") && json_is_number(v)) || (!strcmp(type, "boolean") && json_is_boolean(v)) ||
           (!strcmp(type, "null") && json_is_null(v));
}

static void check_type(const json_t *v, const json_t *type, const char *where)
{
    bool fits = json_is_string(type) && is_type(v, json_string_value(type));
    size_t i;
    json_t *one;
    json_array_foreach(type, i, one)
        fits |= is_type(v, json_string_value(one));
    ck_assert_msg(fits, "%s has the wrong type", where);
}

static void check_values(const json_t *v, const json_t *s, const char *where)
{
    const json_t *wanted = json_object_get(s, "const"), *list = json_object_get(s, "enum");
    const char *pattern = json_string_value(json_object_get(s, "pattern"));
    size_t i;
    json_t *one;
    bool found = false;
    ck_assert_msg(!wanted || json_equal(v, wanted), "%s is not the constant", where);
    json_array_foreach(list, i, one)
        found |= json_equal(v, one);
    ck_assert_msg(!list || found, "%s is none of the values", where);
    if (pattern) {
        regex_t regex;
        ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
        ck_assert_msg(!regexec(&regex, json_string_value(v), 0, NULL, 0), "%s is \"%s\"", where, json_string_value(v));
        regfree(&regex);
    }
}

static void validate(const json_t *v, const json_t *s, const char *where)
{
    const char *ref = json_string_value(json_object_get(s, "$ref")), *key;
    char path[256];
    size_t i;
    json_t *one;
    if (ref) {
        validate(v, json_object_get(json_object_get(schema, "$defs"), strrchr(ref, '/') + 1), where);
        return;
    }
    if (json_object_get(s, "type"))
        check_type(v, json_object_get(s, "type"), where);
    check_values(v, s, where);
    json_array_foreach(json_object_get(s, "required"), i, one)
        ck_assert_msg(!json_is_object(v) || json_object_get(v, json_string_value(one)), "%s lacks %s", where,
                      json_string_value(one));
    const json_t *properties = json_object_get(s, "properties"), *more = json_object_get(s, "additionalProperties");
    json_object_foreach((json_t *) v, key, one) {
        const json_t *of = json_object_get(properties, key) ? json_object_get(properties, key) : more;
        snprintf(path, sizeof(path), "%.120s.%.120s", where, key);
        ck_assert_msg(!json_is_false(of), "%s is not in the schema", path);
        if (of)
            validate(one, of, path);
    }
    json_array_foreach(v, i, one) {
        snprintf(path, sizeof(path), "%.200s[%d]", where, (int) i);
        validate(one, json_object_get(s, "items"), path);
    }
}

// ---- Skips ----

// Whether skips.txt gives a reason.
static bool may_skip(const char *device, const char *probe)
{
    char line[512], who[64], what[64];
    bool found = false;
    FILE *f = fopen(PORTABILITY "/skips.txt", "r");
    ck_assert(f != NULL);
    while (fgets(line, sizeof(line), f))
        found |= line[0] != '#' && sscanf(line, "%63s %63s", who, what) == 2 && !fnmatch(who, device, 0) &&
                 !fnmatch(what, probe, 0);
    fclose(f);
    return found;
}

// On other devices a skip has its reason in its row.
static void check_skips(const json_t *doc)
{
    const char *device = text_of(doc, "device");
    size_t i;
    json_t *row;
    bool listed = !strncmp(device, "llvmpipe", 8) || !strncmp(device, "SwiftShader", 11);
    json_array_foreach(json_object_get(doc, "probes"), i, row) {
        if (strcmp(text_of(row, "verdict"), "skip"))
            continue;
        printf("skipped: selftest: %s: %s\n", text_of(row, "name"), text_of(row, "detail"));
        ck_assert_msg(!listed || may_skip(device, text_of(row, "name")), "%s is skipped on %s (%s), and "
                      "tests/portability/skips.txt does not say why", text_of(row, "name"), device, text_of(row, "detail"));
    }
}

// ---- Tests ----

START_TEST(what_goes_wrong_becomes_a_row)
{
    static const struct { const char *name, *verdict, *detail; } rows[] = {
        { "harness.crash", "fail", "signal 11*last at: about to crash; it said: the driver's last words" },
        { "harness.hang", "fail", "no sign of life for 1 s*about to hang" },
        { "harness.exit", "fail", "ended with status 7 and no result" },
        { "harness.garbage", "fail", "splendid*no line of a probe" },
        { "harness.flood", "fail", "a line of more than" },
        { "harness.silence", "fail", "without a verdict" },
        { "harness.late", "fail", "crashed*after its result" },
        { "harness.chatter", "pass", "" },
        { "harness.skip", "skip", "a skip has a reason" },
    };
    ck_assert_int_eq(run("--json --filter 'harness.*' --patience 1"), 1);
    json_t *doc = parse();
    validate(doc, schema, "document");
    ck_assert_str_eq(text_of(doc, "verdict"), "fail");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char pattern[256];
        const json_t *row = find(doc, rows[i].name);
        snprintf(pattern, sizeof(pattern), "*%s*", rows[i].detail);
        ck_assert_msg(!strcmp(text_of(row, "verdict"), rows[i].verdict) && !fnmatch(pattern, text_of(row, "detail"), 0),
                      "%s: %s, \"%s\"", rows[i].name, text_of(row, "verdict"), text_of(row, "detail"));
    }
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "probes")), 1 + sizeof(rows) / sizeof(rows[0]));
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(doc, "counts"), "fail")), 7);
    json_decref(doc);
}
END_TEST

START_TEST(lists_and_filters)
{
    ck_assert_int_eq(run("--list"), 0);
    ck_assert(strstr(out, "identity.device ") && strstr(out, "ops.conv2d ") && strstr(out, "traps.barriers "));
    ck_assert(!strstr(out, "harness."));
    ck_assert_int_eq(run("--list --json --filter 'ops.*pool'"), 0);
    json_t *doc = parse();
    ck_assert_uint_ge(json_array_size(json_object_get(doc, "probes")), 4);     // and the device
    json_decref(doc);
    ck_assert_int_eq(run("--list --quick"), 0);
    ck_assert(!strstr(out, "large.4gib"));
    ck_assert_int_eq(run("--filter ops.relu"), 0);
    ck_assert(strstr(out, "ops.relu ") && strstr(out, "identity.device ") && !strstr(out, "ops.add "));
    ck_assert_int_eq(run("--filter nothing.like.it"), 2);
    ck_assert(strstr(err, "--list"));
}
END_TEST

START_TEST(wrong_usage_is_refused)
{
    ck_assert_int_eq(run("--diff one.json"), 2);
    ck_assert_int_eq(run("one.json two.json"), 2);
    ck_assert_int_eq(run("--diff missing.json missing.json"), 2);
    ck_assert(strstr(err, "missing.json"));
    ck_assert_int_eq(run("--filter identity -o nowhere/file.json"), 2);
    ck_assert_int_eq(run("--filter identity --markdown nowhere/file.md"), 2);
    ck_assert_int_eq(run("--probe no.such"), 2);
    ck_assert_int_eq(run_with("VK_ICD_FILENAMES=/nonexistent VK_DRIVER_FILES=/nonexistent", "--filter identity"), 3);
    ck_assert_int_eq(run("--filter identity --device nothing-like-it"), 3);
    ck_assert(strstr(err, "'nothing-like-it' matches no device") && strstr(err, "  0: "));
    ck_assert(!strstr(err, "broke a documented rule"));
    ck_assert_int_eq(run_with("VKDIV_LIMITS=enormous", "--filter identity"), 2);
    ck_assert(strstr(err, "VKDIV_LIMITS") && strstr(err, "minimum") && !out[0]);
    ck_assert_int_eq(run_with("VKDIV_FAULT=flood=1", "--filter identity"), 2);
    ck_assert(strstr(err, "VKDIV_FAULT") && !out[0]);
    // What cannot be written is said before the probes run, also where its folder is there.
    static const char *const places[] = { "/proc/x.json", "/dev/full", DIR };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char arguments[512];
        snprintf(arguments, sizeof(arguments), "--filter identity %s %s", i == 1 ? "--markdown" : "-o", places[i]);
        ck_assert_int_eq(run(arguments), 2);
        ck_assert_msg(strstr(err, places[i]) && !out[0], "%s: %s%s", arguments, err, out);
    }
}
END_TEST

// Ctrl-C, in the middle of a probe that works with files: what was found is kept, the files are not.
START_TEST(keeps_what_was_found_when_stopped)
{
    ck_assert_int_eq(system("rm -rf " DIR "/tmp && mkdir " DIR "/tmp"), 0);
    int status = system("cd " DIR " && { TMPDIR=" DIR "/tmp " PROGRAM " selftest --json -o partial.json --markdown partial.md "
                        "--filter robustness.leaks >out.txt 2>err.txt & p=$!; "
                        "n=0; while [ -z \"$(find tmp -name run.json)\" ] && [ $n -lt 600 ]; do sleep 0.1; n=$((n + 1)); done; "
                        "kill -TERM $p; wait $p; }");
    slurp(DIR "/out.txt", out, sizeof(out));
    slurp(DIR "/err.txt", err, sizeof(err));
    ck_assert_msg(WEXITSTATUS(status) == 130, "exit status %d: %s", WEXITSTATUS(status), err);
    ck_assert(strstr(err, "stopped after 1 of 2 probes, which are kept in partial.json"));
    json_t *doc = parse(), *file = json_load_file(DIR "/partial.json", 0, NULL);
    validate(doc, schema, "document");
    ck_assert(json_equal(doc, file) && json_is_true(json_object_get(doc, "stopped")));
    ck_assert_str_eq(text_of(find(doc, "identity.device"), "verdict"), "pass");
    slurp(DIR "/partial.md", out, sizeof(out));
    ck_assert(strstr(out, "stopped before the end"));
    ck_assert_int_eq(system("[ -z \"$(ls -A " DIR "/tmp)\" ]"), 0);
    ck_assert_int_eq(run("--diff result.json partial.json"), 0);
    json_decref(file);
    json_decref(doc);
}
END_TEST

// Writes a document of these probes, "name verdict ms".
static void write_document(const char *name, const char *const *rows, size_t count)
{
    json_t *probes = json_array();
    for (size_t i = 0; i < count; i++) {
        char probe[64], verdict[16];
        double ms, own;
        int n = sscanf(rows[i], "%63s %15s %lf %lf", probe, verdict, &ms, &own);
        json_t *row = json_pack("{s:s, s:s, s:s, s:f}", "name", probe, "verdict", verdict, "detail", "why", "ms", ms);
        if (n == 4)
            json_object_set_new(row, "numbers", json_pack("{s:f}", "shape_ms", own));
        json_array_append_new(probes, row);
    }
    json_t *doc = json_pack("{s:i, s:b, s:o}", "schema", 1, "quick", !strncmp(name, "quick", 5), "probes", probes);
    char path[256];
    snprintf(path, sizeof(path), DIR "/%s", name);
    ck_assert_int_eq(json_dump_file(doc, path, 0), 0);
    json_decref(doc);
}

START_TEST(tells_what_changed)
{
    const char *a[] = { "a.same pass 10", "a.worse pass 10", "a.better fail 10", "a.gone pass 1", "a.noise pass 10",
                        "a.slower pass 1000", "a.measured pass 100 2", "a.fast pass 100 3" };
    const char *b[] = { "a.same pass 12", "a.worse fail 10", "a.better pass 10", "a.new pass 1", "a.noise pass 40",
                        "a.slower pass 1600", "a.measured pass 100 4", "a.fast pass 5000 1" };
    const char *calm[] = { "a.same pass 14", "a.worse pass 10", "a.better pass 10", "a.gone pass 1", "a.noise pass 200",
                           "a.slower pass 1400", "a.measured pass 900 2.5", "a.fast pass 100 3", "a.more pass 1" };
    static const char *const expected[] = { "a.worse worse", "a.better better", "a.gone gone", "a.new new", "a.slower slower",
                                            "a.measured shape_ms slower", "a.fast shape_ms faster" };
    write_document("a.json", a, 8);
    write_document("b.json", b, 8);
    write_document("calm.json", calm, 9);
    ck_assert_int_eq(run("--diff a.json a.json"), 0);
    ck_assert_int_eq(run("--diff a.json calm.json"), 0);
    ck_assert_int_eq(run("--diff a.json b.json"), 1);
    ck_assert(strstr(out, "a.worse") && !strstr(out, "a.same") && !strstr(out, "a.noise"));
    ck_assert_int_eq(run("--diff --json a.json b.json"), 1);
    json_t *doc = parse(), *one;
    size_t i, n = sizeof(expected) / sizeof(expected[0]);
    ck_assert(json_is_true(json_object_get(doc, "worse")));
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "changes")), n);
    json_array_foreach(json_object_get(doc, "changes"), i, one) {
        char text[128];
        bool found = false;
        snprintf(text, sizeof(text), "%s %s", text_of(one, "name"), text_of(one, "change"));
        for (size_t k = 0; k < n; k++)
            found |= !strcmp(expected[k], text);
        ck_assert_msg(found, "unexpected: %s", text);
    }
    json_decref(doc);
    write_document("quick.json", b, 3);
    ck_assert_int_eq(run("--diff b.json quick.json"), 0);       // what was not asked for is not gone, nor new
    ck_assert(strstr(out, "5 probes are in one document alone"));
    ck_assert_int_eq(run("--diff quick.json b.json"), 0);
    ck_assert(strstr(out, "no change in 3 probes"));
    // Another driver, less bandwidth, other weights: none of them a time.
    ck_assert_int_eq(system("sed -e 's/Mesa [0-9.]*/Mesa 99/g' -e 's/\\(copy_gb_s\": *\\)[0-9.]*/\\11.5/' "
                            "-e 's/\\(\"weights\": *\"\\)./\\1x/' -e 's/\\(\"measured\": *\\)8\\b/\\14/' "
                            PORTABILITY "/results/mesa-cpu-lavapipe.json > " DIR "/changed.json"), 0);
    ck_assert_int_eq(run("--diff " PORTABILITY "/results/mesa-cpu-lavapipe.json changed.json"), 1);
    ck_assert(strstr(out, "other   identity driver_info") && strstr(out, "Mesa 99"));
    ck_assert(strstr(out, "less    performance.roofline copy_gb_s") && strstr(out, "less    capabilities.subgroup measured"));
    ck_assert(strstr(out, "other   trainings.resnet18 weights") && !strstr(out, "slower"));
    ck_assert_int_eq(run("stray.json"), 2);
    ck_assert_int_eq(system("echo '{\"schema\": 2, \"probes\": []}' > " DIR "/later.json; echo nonsense > " DIR "/bad.json"), 0);
    ck_assert_int_eq(run("--diff a.json later.json"), 2);
    ck_assert_int_eq(run("--diff bad.json a.json"), 2);
}
END_TEST

// All quick probes on this device, or with VKDIV_SELFTEST=full all: right, in every way that CI asks for.
START_TEST(this_device_passes)
{
    char page[1 << 16];
    const char *which = getenv("VKDIV_SELFTEST");
    bool full = which && !strcmp(which, "full");
    int status = run(full ? "--json -o result.json --markdown result.md" : "--quick --json -o result.json --markdown result.md");
    json_t *doc = parse(), *file = json_load_file(DIR "/result.json", 0, NULL), *row;
    size_t i;
    validate(doc, schema, "document");
    ck_assert(json_equal(doc, file));
    json_array_foreach(json_object_get(doc, "probes"), i, row)
        ck_assert_msg(strcmp(text_of(row, "verdict"), "fail"), "%s: %s", text_of(row, "name"), text_of(row, "detail"));
    ck_assert_int_eq(status, 0);
    ck_assert_str_eq(text_of(doc, "verdict"), "pass");
    check_skips(doc);
    slurp(DIR "/result.md", page, sizeof(page));
    ck_assert(strstr(page, "| `ops.conv2d` | pass |") && strstr(page, "| Trainings | pass |"));
    ck_assert_int_eq(run("--diff result.json result.json"), 0);
    printf("selftest%s: %.0f s\n", full ? "" : " --quick", json_number_value(json_object_get(doc, "seconds")));
    json_decref(file);
    json_decref(doc);
}
END_TEST

// The drivers that CI has: their rows hold each probe that there is.
static bool has_every_probe(const json_t *doc, const char *file)
{
    static const char *const devices[] = { "llvmpipe*", "SwiftShader*" };
    size_t i;
    json_t *one;
    bool ours = false;
    for (size_t k = 0; k < 2; k++)
        ours |= !fnmatch(devices[k], text_of(doc, "device"), 0);
    if (!ours)
        return false;
    ck_assert_int_eq(run("--list --json"), 0);
    json_t *list = parse();
    json_array_foreach(json_object_get(list, "probes"), i, one) {
        size_t k;
        json_t *row;
        bool found = false;
        json_array_foreach(json_object_get(doc, "probes"), k, row)
            found |= !strcmp(text_of(row, "name"), text_of(one, "name"));
        ck_assert_msg(found, "%s lacks %s: make it anew (tests/portability/README.md)", file, text_of(one, "name"));
    }
    ck_assert_uint_eq(json_array_size(json_object_get(list, "probes")), json_array_size(json_object_get(doc, "probes")));
    json_decref(list);
    return true;
}

// A GPU's row holds each kernel that there is, but for those that it skipped and counts.
static void has_every_kernel(const json_t *doc, const char *file)
{
    const char *key;
    uint32_t modules = 0;
    size_t size;
    json_t *value;
    while (vkd__shader_name(modules))
        modules++;
    size_t known = json_object_size(json_object_get(doc, "kernels"));
    json_object_foreach(json_object_get(doc, "kernels"), key, value)
        ck_assert_msg(vkd__shader_find(key, &size), "%s: there is no kernel %s: make it anew", file, key);
    json_object_foreach(json_object_get(doc, "skipped"), key, value)
        known += (size_t) json_integer_value(value);
    ck_assert_msg(known == modules, "%s tells of %zu kernels, there are %u: make it anew (tests/portability/run.sh)", file, known,
                  modules);
}

// The rows of the matrix that devices gave.
START_TEST(results_fit_the_schema)
{
    char **names = NULL, path[512];
    uint32_t count = 0, ran = 0, ours = 0;
    struct vkd__why why;
    ck_assert_int_eq(vkd__dir_list(PORTABILITY "/results", &names, &count, &why), VKD_OK);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(path, sizeof(path), PORTABILITY "/results/%s", names[i]);
        json_t *doc = json_load_file(path, 0, NULL);
        ck_assert_msg(doc != NULL, "%s is no JSON", path);
        if (!strcmp(text_of(doc, "kind"), "selftest")) {
            validate(doc, schema, names[i]);
            check_skips(doc);
            ck_assert_msg(json_is_null(json_object_get(doc, "filter")) && json_is_false(json_object_get(doc, "quick")),
                          "%s: expected the result of all probes", names[i]);
            ck_assert_msg(!json_object_get(doc, "stopped"), "%s was stopped", names[i]);
            ran++;
            ours += has_every_probe(doc, names[i]);
        } else {
            has_every_kernel(doc, names[i]);
        }
        json_decref(doc);
    }
    free(names);
    ck_assert_uint_gt(ran, 0);
    ck_assert_uint_eq(ours, 2);
}
END_TEST

int main(void)
{
    int made = system("rm -rf " DIR " && mkdir -p " DIR);
    schema = json_load_file(PORTABILITY "/schema.json", 0, NULL);
    if (made || !schema) {
        fprintf(stderr, "tests/portability/schema.json cannot be read, or " DIR " not be made\n");
        return EXIT_FAILURE;
    }
    Suite *s = suite_create("selftest");
    TCase *t = tcase_create("command");
    tcase_set_timeout(t, 0);
    tcase_add_test(t, what_goes_wrong_becomes_a_row);
    tcase_add_test(t, lists_and_filters);
    tcase_add_test(t, wrong_usage_is_refused);
    tcase_add_test(t, tells_what_changed);
    tcase_add_test(t, results_fit_the_schema);
    suite_add_tcase(s, t);
    t = tcase_create("device");
    tcase_set_timeout(t, 0);
    tcase_add_test(t, this_device_passes);
    tcase_add_test(t, keeps_what_was_found_when_stopped);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    json_decref(schema);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
