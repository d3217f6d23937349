// test_report.c -- the page of `vkdiv report`: what it is made of, what of a run comes into it, what must not.
#include "data_files.h"

#include "apps/vkdiv/report.h"

#include "engine/data/image.h"
#include "runtime/os.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR VKD_BINARY_DIR "/test_report"

static char said[4096];             // the last message

static void hear(void *user, enum vkd_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(said, sizeof said, "%s", text);
}

static const struct vkd_log test_log = { .fn = hear };

static void setup(void)
{
    struct vkd__why why;
    ck_assert_int_eq(system("rm -rf " DIR), 0);
    ck_assert(vkd__dir_create(DIR "/run/transfer", &why) == VKD_OK);
}

static void write_text(const char *path, const char *text)
{
    struct vkd__why why;
    ck_assert_msg(vkd__file_replace(path, text, strlen(text), &why) == VKD_OK, "%s", why.text);
}

static char *read_text(const char *path)
{
    uint8_t *data;
    uint64_t size;
    struct vkd__why why;
    ck_assert_msg(vkd__file_read(path, 64 << 20, &data, &size, &why) == VKD_OK, "%s", why.text);
    return (char *)data;
}

static uint32_t count_of(const char *text, const char *part)
{
    uint32_t n = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        n++;
    return n;
}

// The data of a page.
static json_t *data_of(const char *html)
{
    static const char open[] = "<script type=\"application/json\" id=\"data\">";
    const char *begin = strstr(html, open), *end;
    json_error_t error;
    ck_assert(begin != NULL && count_of(html, open) == 1);
    begin += sizeof open - 1;
    end = strstr(begin, "</script>");
    ck_assert(end != NULL);
    json_t *doc = json_loadb(begin, (size_t)(end - begin), 0, &error);
    ck_assert_msg(doc != NULL, "%s at %d", error.text, error.position);
    return doc;
}

// Nothing is loaded, and there are as many scripts as the page has, not as the data would like.
static void check_page(const char *html)
{
    static const char *const loads[] = { " src=\"", " src='", "<link", "<img", "<iframe", "<object", "@import", "url(http",
                                         "href=\"http", "XMLHttpRequest(", "fetch(", "import(" };
    for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++)
        ck_assert_msg(count_of(html, loads[i]) == 0, "the page has %s", loads[i]);
    ck_assert_uint_eq(count_of(html, "<script"), 10);
    ck_assert_uint_eq(count_of(html, "</script"), 10);
    ck_assert_uint_eq(count_of(html, "default-src 'none'"), 1);
    ck_assert_uint_eq(count_of(html, "{{"), count_of(html, "{{") - count_of(html, "{{title}}"));
    ck_assert_uint_eq(count_of(html, "\xe2\x80\xa8"), 0);
    ck_assert(strlen(html) < 3u << 20);
}

static json_t *run_of(json_t *doc)
{
    return json_array_get(json_object_get(doc, "runs"), 0);
}

static bool notes_have(const json_t *owner, const char *part)
{
    json_t *note;
    size_t i;
    json_array_foreach(json_object_get(owner, "notes"), i, note)
        if (strstr(json_string_value(note), part) != NULL)
            return true;
    return false;
}

// A page of the run in DIR/run.
static json_t *report(char **html)
{
    const char *dir = DIR "/run";
    struct report_result result;
    ck_assert_int_eq(report_write(&(struct report_params){ .runs = &dir, .run_count = 1, .html = DIR "/page.html",
                                                           .images = 10, .log = test_log }, &result), VKD_OK);
    *html = read_text(DIR "/page.html");
    ck_assert_uint_eq(result.bytes, strlen(*html));
    check_page(*html);
    return data_of(*html);
}

static const char plain_run[] = "{\"schema\": 1, \"recipe\": {\"method\": \"supervised\", \"seed\": 1}, \"results\": {}}";

// ---- The page -----------------------------------------------------------------------------------

// The page that a browser is shown by report_page.sh: all sections, and texts that would like to be more.
START_TEST(hostile_texts_stay_texts)
{
    json_error_t error;
    size_t size;
    uint8_t rgb[12 * 4 * 4 * 3];
    json_t *doc = json_load_file(VKD_SOURCE_DIR "/tests/report_page.json", 0, &error), *run;
    ck_assert_msg(doc != NULL, "%s, line %d", error.text, error.line);
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)(i * 7);
    run = run_of(doc);
    json_object_set_new(run, "filters", json_pack("{s:s, s:o, s:i, s:i, s:i, s:i, s:i}", "layer", "conv1", "src",
                        report_png(rgb, 48, 4), "width", 4, "height", 4, "channels", 3, "count", 12, "filters", 12));
    json_object_set_new(run, "images", json_pack("{s:i, s:i, s:f, s:[{s:i, s:[i,i], s:[f,f]}]}", "set", 0, "rows", 12,
                        "same_class", 0.5, "queries", "query", 0, "images", 1, 2, "cosines", 0.9, 0.8));
    json_array_append_new(json_object_get(doc, "sets"), json_pack("{s:s, s:s, s:o, s:i, s:i, s:[i,i,i,n], s:[s,s]}", "id", "0",
                          "data", "idx:<svg onload=hacked>", "src", report_png(rgb, 48, 4), "cell", 4, "count", 12, "labels",
                          0, 1, 0, "classes", "\"><img src=x onerror=\"window.hacked=1\">", "</script>"));
    char *html = report_page(doc, json_string_value(json_object_get(doc, "title")), &size);
    ck_assert(html != NULL && strlen(html) == size);
    check_page(html);
    ck_assert(strstr(html, "<title>&#60;/script&#62;&#60;script&#62;window.hacked=1") != NULL);
    json_t *back = data_of(html);
    ck_assert(json_equal(doc, back));
    json_decref(back);
    json_decref(doc);
    write_text(DIR "/all.html", html);
    free(html);
}
END_TEST

START_TEST(numbers)
{
    json_t *v = report_number(1.23456789);
    ck_assert_double_eq(json_real_value(v), 1.2346);
    json_decref(v);
    v = report_number(-3e4);
    ck_assert(json_is_integer(v) && json_integer_value(v) == -30000);
    json_decref(v);
    ck_assert(json_is_null(report_number((double)NAN)) && json_is_null(report_number((double)INFINITY)));
    v = report_number(1e300);
    ck_assert_double_eq(json_real_value(v), 1e300);
    json_decref(v);
}
END_TEST

// PNG in a data URI holds the pixels, whatever padding its base64 needs.
START_TEST(pictures)
{
    for (uint32_t height = 1; height < 8; height++) {
        uint8_t rgb[7 * 3 * 3], bytes[1024];
        struct vkd_image image;
        struct vkd__why why;
        size_t size = 0;
        uint32_t word = 0, digits = 0;
        for (size_t i = 0; i < sizeof rgb; i++)
            rgb[i] = (uint8_t)(i * i);
        json_t *uri = report_png(rgb, height, 3);
        const char *text = json_string_value(uri) + strlen("data:image/png;base64,");
        ck_assert_uint_eq(strlen(text) % 4, 0);
        for (; *text && *text != '='; text++) {
            static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            ck_assert(strchr(all, *text) != NULL);
            word = word << 6 | (uint32_t)(strchr(all, *text) - all);
            if (++digits % 4 != 1)
                bytes[size++] = (uint8_t)(word >> (8 - 2 * (digits % 4)) % 8);
        }
        ck_assert_int_eq(vkd__image_decode(bytes, size, 0, 0, &image, &why), VKD_OK);
        ck_assert(image.height == height && image.width == 3);
        for (uint32_t i = 0; i < height * 3; i++)
            ck_assert_mem_eq(image.pixels + 4 * i, rgb + 3 * i, 3);
        vkd_image_finish(&image);
        json_decref(uri);
    }
}
END_TEST

// ---- Runs ---------------------------------------------------------------------------------------

START_TEST(a_run_of_little)
{
    char *html;
    write_text(DIR "/run/run.json", plain_run);
    json_t *doc = report(&html), *run = run_of(doc);
    ck_assert_str_eq(json_string_value(json_object_get(run, "name")), "run");
    ck_assert(notes_have(run, "There are no curves: "));
    ck_assert(notes_have(run, "the weights could not be read"));
    ck_assert(notes_have(run, "no example images"));
    ck_assert(notes_have(doc, "they need a Vulkan device"));
    ck_assert_uint_eq(json_object_size(json_object_get(run, "curves")), 0);
    json_decref(doc);
    free(html);
}
END_TEST

START_TEST(no_run)
{
    const char *dir = DIR "/run";
    struct report_result result;
    struct report_params p = { .runs = &dir, .run_count = 1, .html = DIR "/page.html", .log = test_log };
    ck_assert_int_eq(report_write(&p, &result), VKD_IO);
    ck_assert(strstr(said, "run.json") != NULL);
    write_text(DIR "/run/run.json", "{\"schema\": 1,");
    ck_assert_int_eq(report_write(&p, &result), VKD_FORMAT);
    write_text(DIR "/run/run.json", plain_run);
    p.study = DIR "/run";
    ck_assert_int_eq(report_write(&p, &result), VKD_IO);
    ck_assert(strstr(said, "vkdiv study") != NULL);
    write_text(DIR "/run/study.json", "{\"schema\": 1}");
    ck_assert_int_eq(report_write(&p, &result), VKD_FORMAT);
    p.study = NULL;
    p.html = DIR "/nowhere/page.html";
    ck_assert_int_eq(report_write(&p, &result), VKD_IO);
    ck_assert_int_eq(vkd__path_kind(DIR "/page.html", NULL, NULL), VKD__PATH_NONE);
}
END_TEST

START_TEST(torn_lines)
{
    char *html;
    write_text(DIR "/run/run.json", plain_run);
    write_text(DIR "/run/metrics.jsonl",
               "{\"event\":\"step\",\"step\":1,\"epoch\":0.5,\"seconds\":1,\"loss\":2,\"injection\":0.0}\n"
               "not a line\n"
               "{\"event\":\"eval\",\"step\":2,\"epoch\":1,\"seconds\":2,\"loss\":\"no number\",\"top1\":0.5}\n"
               "{\"event\":\"warning\",\"step\":2,\"text\":\"<b>\"}\n"
               "{\"event\":\"inject\",\"step\":2,\"epoch\":1,\"seconds\":2,\"phase\":\"injection\"}\n"
               "{\"event\":\"step\",\"step\":2,\"epo");
    json_t *doc = report(&html), *run = run_of(doc), *curves = json_object_get(run, "curves");
    ck_assert(notes_have(run, "2 lines of metrics.jsonl could not be read, the first of them line 2"));
    json_t *steps = json_object_get(curves, "step"), *evals = json_object_get(curves, "eval");
    ck_assert_int_eq(json_integer_value(json_object_get(steps, "lines")), 1);
    ck_assert(json_object_get(steps, "injection") == NULL);         // 0 everywhere
    ck_assert(json_object_get(evals, "loss") == NULL);
    ck_assert_double_eq(json_number_value(json_array_get(json_object_get(evals, "top1"), 0)), 0.5);
    ck_assert_uint_eq(json_array_size(json_object_get(run, "warnings")), 1);
    ck_assert_uint_eq(json_array_size(json_object_get(run, "phases")), 1);
    json_decref(doc);
    free(html);
}
END_TEST

// A point of a long curve is the mean of as many lines as it says.
START_TEST(long_curves)
{
    enum { LINES = 1000 };
    char *text = malloc(LINES * 100), *at = text, *html;
    for (int i = 0; i < LINES; i++)
        at += sprintf(at, "{\"event\":\"step\",\"step\":%d,\"epoch\":%g,\"seconds\":%d,\"loss\":%d%s}\n", i + 1, i / 100.0, i, i,
                      i < 8 ? ",\"accuracy\":0.25" : "");
    write_text(DIR "/run/run.json", plain_run);
    write_text(DIR "/run/metrics.jsonl", text);
    json_t *doc = report(&html), *s = json_object_get(json_object_get(run_of(doc), "curves"), "step");
    const int per = (int)json_integer_value(json_object_get(s, "per_point"));
    json_t *loss = json_object_get(s, "loss"), *accuracy = json_object_get(s, "accuracy");
    ck_assert_int_eq(json_integer_value(json_object_get(s, "lines")), LINES);
    ck_assert_int_eq(per, 8);
    ck_assert_uint_eq(json_array_size(loss), LINES / 8);
    for (size_t i = 0; i < json_array_size(loss); i++)
        ck_assert_double_eq_tol(json_number_value(json_array_get(loss, i)), 8 * (double)i + 3.5, 0.05);
    ck_assert_double_eq(json_number_value(json_array_get(accuracy, 0)), 0.25);
    ck_assert(json_is_null(json_array_get(accuracy, 1)));
    json_decref(doc);
    free(html);
    free(text);
}
END_TEST

START_TEST(transfer_results)
{
    char *html;
    write_text(DIR "/run/run.json", plain_run);
    write_text(DIR "/run/transfer/0.json", "{\"schema\":1,\"version\":4,\"data\":{\"spec\":\"idx:x\",\"test\":7},"
               "\"protocol\":{\"name\":\"knn\","
               "\"text\":\"knn k=20\"},\"metric\":\"top1\",\"value\":0.5,\"low\":0.4,\"high\":0.6,\"predictions\":[1,2,3],"
               "\"select\":{\"layer\":\"layer3\",\"candidates\":[1,2,3],\"gain\":0.1}}");
    write_text(DIR "/run/transfer/1.json", "{\"schema\":1,\"data\":");
    write_text(DIR "/run/transfer/2.json", "{\"schema\":1}");
    write_text(DIR "/run/transfer/0.scores.safetensors", "no JSON");
    json_t *doc = report(&html), *run = run_of(doc), *list = json_object_get(run, "transfer"), *row = json_array_get(list, 0);
    ck_assert_uint_eq(json_array_size(list), 1);
    ck_assert_str_eq(json_string_value(json_object_get(row, "text")), "knn k=20");
    ck_assert(json_object_get(row, "predictions") == NULL);
    ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(row, "select"), "candidates")), 3);
    ck_assert(notes_have(run, "1.json is not a JSON object") && notes_have(run, "it has no value"));
    json_decref(doc);
    free(html);
}
END_TEST

// A model file, and its hash in 16 digits.
static void write_weights(const char *path, char value, char hash[17])
{
    struct bytes file = weights_encode(value);
    struct vkd__why why;
    uint64_t number;
    ck_assert(vkd__file_replace(path, file.data, file.size, &why) == VKD_OK);
    ck_assert_int_eq(vkd_weights_hash(path, &test_log, &number), VKD_OK);
    snprintf(hash, 17, "%016" PRIx64, number);
    free(file.data);
}

static void write_result(const char *path, const char *hash, const char *select)
{
    char text[512];
    snprintf(text, sizeof text, "{\"schema\":1,\"version\":4,\"model\":{\"weights_hash\":\"%s\"},\"data\":{\"spec\":\"idx:x\","
             "\"fingerprint\":\"5\"},\"protocol\":{\"name\":\"knn\",\"text\":\"%s\"},\"metric\":\"top1\","
             "\"value\":0.5%s}", hash, path, select);
    write_text(path, text);
}

// Results of weights that the run no longer has do not come into the page; a choice's are those of its checkpoint.
START_TEST(results_of_other_weights)
{
    static const char chosen[] = ",\"select\":{\"checkpoint\":\"checkpoints/epoch-0001.safetensors\"}";
    char *html, last[17], best[17], early[17];
    struct vkd__why why;
    write_text(DIR "/run/run.json", plain_run);
    ck_assert(vkd__dir_create(DIR "/run/checkpoints", &why) == VKD_OK);
    write_weights(DIR "/run/last.safetensors", 1, last);
    write_weights(DIR "/run/best.safetensors", 2, best);
    write_weights(DIR "/run/checkpoints/epoch-0001.safetensors", 3, early);
    write_result(DIR "/run/transfer/0.json", best, "");
    write_result(DIR "/run/transfer/1.json", last, "");
    write_result(DIR "/run/transfer/2.json", early, "");
    write_result(DIR "/run/transfer/3.json", early, chosen);
    write_result(DIR "/run/transfer/4.json", last, chosen);
    json_t *doc = report(&html), *run = run_of(doc), *list = json_object_get(run, "transfer");
    ck_assert_uint_eq(json_array_size(list), 2);
    for (size_t i = 0; i < 2; i++) {
        const json_t *row = json_array_get(list, i);
        ck_assert_str_eq(json_string_value(json_object_get(row, "text")), i ? DIR "/run/transfer/3.json"
                                                                            : DIR "/run/transfer/1.json");
        ck_assert_str_eq(json_string_value(json_object_get(row, "fingerprint")), "5");
    }
    ck_assert(notes_have(run, "3 transfer results were left out: of other weights"));
    json_decref(doc);
    free(html);
}
END_TEST

// Folders without a run are left out of several, and said; a broken run.json is not passed over.
START_TEST(folders_without_a_run)
{
    static const char *const dirs[] = { DIR "/nothing", DIR "/run" };
    struct vkd__why why;
    struct report_result result;
    struct report_params p = { .runs = dirs, .run_count = 2, .html = DIR "/page.html", .log = test_log };
    ck_assert(vkd__dir_create(DIR "/nothing", &why) == VKD_OK);
    ck_assert_int_eq(report_write(&p, &result), VKD_IO);
    write_text(DIR "/run/run.json", plain_run);
    ck_assert_int_eq(report_write(&p, &result), VKD_OK);
    char *html = read_text(DIR "/page.html");
    json_t *doc = data_of(html);
    ck_assert_uint_eq(json_array_size(json_object_get(doc, "runs")), 1);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "title")), "run");
    ck_assert(notes_have(doc, DIR "/nothing was left out: it has no run.json"));
    json_decref(doc);
    free(html);
    write_text(DIR "/nothing/run.json", "{");
    ck_assert_int_eq(report_write(&p, &result), VKD_FORMAT);
}
END_TEST

// Seeds of one recipe are one group.
START_TEST(groups)
{
    static const char *const dirs[] = { DIR "/run", DIR "/b", DIR "/c" };
    struct vkd__why why;
    struct report_result result;
    ck_assert(vkd__dir_create(DIR "/b", &why) == VKD_OK && vkd__dir_create(DIR "/c", &why) == VKD_OK);
    write_text(DIR "/run/run.json", plain_run);
    write_text(DIR "/b/run.json", "{\"recipe\": {\"method\": \"byol\", \"seed\": 1}}");
    write_text(DIR "/c/run.json", "{\"recipe\": {\"seed\": 2, \"method\": \"supervised\"}}");
    ck_assert_int_eq(report_write(&(struct report_params){ .runs = dirs, .run_count = 3, .html = DIR "/page.html",
                                                           .log = test_log }, &result), VKD_OK);
    char *html = read_text(DIR "/page.html");
    json_t *doc = data_of(html), *runs = json_object_get(doc, "runs");
    static const int groups_found[] = { 0, 1, 0 };
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(runs, i), "group")), groups_found[i]);
    ck_assert_str_eq(json_string_value(json_object_get(doc, "title")), "3 runs");
    json_decref(doc);
    free(html);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("report");
    TCase *t = tcase_create("page");
    tcase_add_checked_fixture(t, setup, NULL);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, numbers);
    tcase_add_test(t, pictures);
    tcase_add_test(t, a_run_of_little);
    tcase_add_test(t, no_run);
    tcase_add_test(t, torn_lines);
    tcase_add_test(t, long_curves);
    tcase_add_test(t, transfer_results);
    tcase_add_test(t, results_of_other_weights);
    tcase_add_test(t, folders_without_a_run);
    tcase_add_test(t, groups);
    tcase_add_test(t, hostile_texts_stay_texts);    // last: report_page.sh shows its page to a browser
    suite_add_tcase(s, t);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
