// table_markdown.c -- the results as tables between the markers of a Markdown file.
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const marks[2][2] = {
    { "<!-- ran: begin -->\n", "<!-- ran: end -->\n" },
    { "<!-- compiled: begin -->\n", "<!-- compiled: end -->\n" },
};

// ---- Compiled ----

static double worst(const json_t *summary, const char *name)
{
    return json_number_value(json_array_get(json_object_get(summary, name), 0));
}

static const char *worst_kernel(const json_t *summary, const char *name)
{
    const char *kernel = json_string_value(json_array_get(json_object_get(summary, name), 1));
    return kernel ? kernel : "-";
}

// The worst spills of the kernels that have no exception.
static double spills(const json_t *result)
{
    double most = 0;
    size_t i;
    json_t *f;
    json_array_foreach(json_object_get(result, "failures"), i, f) {
        double value = json_number_value(json_object_get(f, "value"));
        bool spilt = strstr(json_string_value(json_object_get(f, "what")), "spills");
        most = spilt && !json_object_get(f, "reason") && value > most ? value : most;
    }
    return most;
}

static void write_row(FILE *out, const struct gpu *g, const json_t *result)
{
    const json_t *s = json_object_get(result, "summary"), *driver = json_object_get(result, "driver");
    fprintf(out, "| %s | %s | %s | %s | ", g->name, g->known_as, g->generation, g->driver);
    if (!result) {
        fputs("not compiled | | | | | | |\n", out);
        return;
    }
    fprintf(out, "%s | %d | ", json_string_value(json_object_get(driver, "version")),
            (int) json_integer_value(json_object_get(s, "pipelines")));
    if (g->waves_min)
        fprintf(out, "%.0f | %.0f `%s` | ", worst(s, "product_vgprs"), worst(s, "waves"), worst_kernel(s, "waves"));
    else
        fprintf(out, "%.0f | %.0f `%s` | ", worst(s, "product_lanes"), worst(s, "instructions"),
                worst_kernel(s, "instructions"));
    fprintf(out, "%.0f | %d | %.1f s | %s |\n", spills(result), (int) json_integer_value(json_object_get(s, "excepted")),
            json_number_value(json_object_get(s, "seconds")), json_is_true(json_object_get(s, "pass")) ? "pass" : "**fail**");
}

static void write_table(FILE *out, const struct results *r, const char *vendor, const char *columns)
{
    unsigned passed = 0, count = 0;
    fprintf(out, "\n| GPU | as in | generation | driver | version | pipelines | %s | spills | excepted | slowest compile | |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|\n", columns);
    for (unsigned i = 0; i < gpu_count; i++) {
        const struct gpu *g = &gpus[i];
        if (strcmp(g->vendor, vendor))
            continue;
        const json_t *result = results_of_gpu(r, g);
        write_row(out, g, result);
        passed += json_is_true(json_object_get(json_object_get(result, "summary"), "pass"));
        count++;
    }
    fprintf(out, "\n%u of %u pass.\n", passed, count);
}

// ---- Ran: documents of `vkdiv selftest` ----

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "-";
}

static const json_t *numbers_of(const json_t *doc, const char *probe)
{
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(doc, "probes"), i, row)
        if (!strcmp(text_of(row, "name"), probe))
            return json_object_get(row, "numbers");
    return NULL;
}

// The largest of the numbers whose name ends so.
static double most(const json_t *numbers, const char *end)
{
    const char *key;
    json_t *value;
    double largest = 0;
    json_object_foreach((json_t *) numbers, key, value) {
        size_t n = strlen(key), m = strlen(end);
        double v = json_number_value(value);
        largest = n > m && !strcmp(key + n - m, end) && v > largest ? v : largest;
    }
    return largest;
}

static void write_ran(FILE *out, const json_t *doc)
{
    static const char *const verdicts[] = { "pass", "fallback", "skip", "fail" };
    const json_t *id = json_object_get(doc, "identity"), *roof = numbers_of(doc, "performance.roofline");
    fprintf(out, "| %s | %s | %s %s | %s | ", text_of(doc, "device"), text_of(id, "type"), text_of(id, "driver"),
            text_of(id, "driver_info"), text_of(id, "api"));
    for (int i = 0; i < 4; i++)
        fprintf(out, "%d | ", (int) json_integer_value(json_object_get(json_object_get(doc, "counts"), verdicts[i])));
    fprintf(out, "%.3g GB/s | %.3g GFLOP/s | %.0f %% | %.0f %% | %.0f s | %s |\n",
            json_number_value(json_object_get(roof, "copy_gb_s")), json_number_value(json_object_get(roof, "f32_gflops")),
            100 * most(numbers_of(doc, "performance.gemm"), "_share"), 100 * most(numbers_of(doc, "performance.conv"), "_share"),
            json_number_value(json_object_get(doc, "seconds")), strcmp(text_of(doc, "verdict"), "pass") ? "**fail**" : "pass");
}

static void write_ran_table(FILE *out, const struct results *r)
{
    fputs("\n| device | type | driver | API | pass | fallback | skip | fail | copies | f32 | products | convolutions | time | |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].ran)
            write_ran(out, r->list[i].doc);
    fputs("\n", out);
}

// ---- The file ----

static void write_compiled_tables(FILE *out, const struct results *r)
{
    write_table(out, r, "amd", "VGPRs of products | fewest waves");
    write_table(out, r, "intel", "lanes of products | most instructions");
    fputs("\n", out);
}

char *table_markdown(const struct results *r, const char *old, const char *path, size_t *size)
{
    char *text = NULL;
    const char *at = old;
    FILE *out = open_memstream(&text, size);
    for (int i = 0; out && i < 2; i++) {
        const char *from = strstr(at, marks[i][0]), *to = from ? strstr(from, marks[i][1]) : NULL;
        if (!to) {
            fprintf(stderr, "%s: lacks the markers %.*s and %.*s\n", path, (int) strlen(marks[i][0]) - 1, marks[i][0],
                    (int) strlen(marks[i][1]) - 1, marks[i][1]);
            fclose(out);
            free(text);
            return NULL;
        }
        fwrite(at, 1, (size_t) (from - at) + strlen(marks[i][0]), out);
        (i ? write_compiled_tables : write_ran_table)(out, r);
        at = to;
    }
    if (out) {
        fputs(at, out);
        fclose(out);
    }
    return text;
}
