// table_markdown.c -- the results as tables between the markers of a Markdown file.
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

// A name that another machine has given, in a cell of a table.
static void write_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\|" : "%c", *text);
    fputs(" | ", out);
}

static void write_ran(FILE *out, const json_t *doc)
{
    static const char *const verdicts[] = { "pass", "fallback", "skip", "fail" };
    const json_t *id = json_object_get(doc, "identity"), *roof = numbers_of(doc, "performance.roofline");
    static const char *const names[] = { "type", "driver", "driver_info", "api" };
    fputs("| ", out);
    write_cell(out, text_of(doc, "device"));
    for (int i = 0; i < 4; i++)
        write_cell(out, text_of(id, names[i]));
    for (int i = 0; i < 4; i++)
        fprintf(out, "%d | ", (int) json_integer_value(json_object_get(json_object_get(doc, "counts"), verdicts[i])));
    fprintf(out, "%.3g GB/s | %.3g GFLOP/s | %.0f %% | %.0f %% | %.0f s | %s |\n",
            json_number_value(json_object_get(roof, "copy_gb_s")), json_number_value(json_object_get(roof, "f32_gflops")),
            100 * most(numbers_of(doc, "performance.gemm"), "_share"), 100 * most(numbers_of(doc, "performance.conv"), "_share"),
            json_number_value(json_object_get(doc, "seconds")), strcmp(text_of(doc, "verdict"), "pass") ? "**fail**" : "pass");
}

static void write_ran_table(FILE *out, const struct results *r)
{
    fputs("\n| device | type | driver | version | API | pass | fallback | skip | fail | copies | f32 | products | "
          "convolutions | time | |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n", out);
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].ran)
            write_ran(out, r->list[i].doc);
    fputs("\n", out);
}

// ---- All of it, a row a device that ran or a generation that was compiled for ----

static void write_short_ran(FILE *out, const json_t *doc)
{
    static const char *const verdicts[] = { "pass", "fallback", "skip", "fail" };
    const json_t *counts = json_object_get(doc, "counts");
    fputs("| ", out);
    write_cell(out, text_of(doc, "device"));
    write_cell(out, text_of(json_object_get(doc, "identity"), "driver"));
    fprintf(out, "ran: of %zu probes", json_array_size(json_object_get(doc, "probes")));
    for (int i = 0; i < 4; i++)
        fprintf(out, "%s %d %s", i ? "," : "", (int) json_integer_value(json_object_get(counts, verdicts[i])), verdicts[i]);
    fprintf(out, " | %s |\n", strcmp(text_of(doc, "verdict"), "pass") ? "**fail**" : "pass");
}

static bool same_generation(const struct gpu *a, const struct gpu *b)
{
    return !strcmp(a->vendor, b->vendor) && !strcmp(a->generation, b->generation);
}

// The exceptions that these GPUs need, each once: "KERNEL spills 7".
static void write_exceptions(FILE *out, const struct results *r, unsigned first, unsigned count)
{
    json_t *seen = json_object(), *f;
    for (unsigned i = first; i < first + count; i++) {
        size_t k;
        json_array_foreach(json_object_get(results_of_gpu(r, &gpus[i]), "failures"), k, f) {
            char text[256];
            if (!json_object_get(f, "reason"))
                continue;
            snprintf(text, sizeof(text), "`%.120s` %.60s %g", text_of(f, "kernel"), text_of(f, "what"),
                     json_number_value(json_object_get(f, "value")));
            if (json_object_get(seen, text))
                continue;
            fprintf(out, "%s%s", json_object_size(seen) ? ", " : "; excepted: ", text);
            json_object_set_new(seen, text, json_true());
        }
    }
    json_decref(seen);
}

// One row for gpus[first] and those after it of its generation; how many these are.
static unsigned write_generation(FILE *out, const struct results *r, unsigned first)
{
    const struct gpu *g = &gpus[first];
    unsigned count = 0, passed = 0;
    fprintf(out, "| %s %s: ", !strcmp(g->vendor, "amd") ? "AMD" : "Intel", g->generation);
    for (unsigned i = first; i < gpu_count && same_generation(g, &gpus[i]); i++) {
        fprintf(out, "%s%s", count++ ? ", " : "", gpus[i].name);
        passed += json_is_true(json_object_get(json_object_get(results_of_gpu(r, &gpus[i]), "summary"), "pass"));
    }
    fprintf(out, " | %s | compiled: every pipeline within the limits on %u of %u", g->driver, passed, count);
    write_exceptions(out, r, first, count);
    fprintf(out, " | %s |\n", passed == count ? "pass" : "**fail**");
    return count;
}

static void write_short_table(FILE *out, const struct results *r)
{
    fputs("\n| devices | driver | what was done | |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].ran)
            write_short_ran(out, r->list[i].doc);
    for (unsigned i = 0; i < gpu_count;)
        i += write_generation(out, r, i);
    fputs("\n", out);
}

// ---- The file ----

static void write_compiled_tables(FILE *out, const struct results *r)
{
    write_table(out, r, "amd", "VGPRs of products | fewest waves");
    write_table(out, r, "intel", "lanes of products | most instructions");
    fputs("\n", out);
}

static const struct section {
    const char *begin, *end;
    void (*write)(FILE *out, const struct results *r);
} sections[] = {
    { "<!-- devices: begin -->\n", "<!-- devices: end -->\n", write_short_table },
    { "<!-- ran: begin -->\n", "<!-- ran: end -->\n", write_ran_table },
    { "<!-- compiled: begin -->\n", "<!-- compiled: end -->\n", write_compiled_tables },
};
enum { SECTIONS = sizeof(sections) / sizeof(sections[0]) };

char *table_markdown(const struct results *r, const char *old, const char *path, size_t *size)
{
    char *text = NULL;
    const char *at = old;
    bool any = false;
    FILE *out = open_memstream(&text, size);
    for (int i = 0; out && i < SECTIONS; i++) {
        const struct section *s = &sections[i];
        const char *from = strstr(at, s->begin), *to = from ? strstr(from, s->end) : NULL;
        if (!to)
            continue;
        fwrite(at, 1, (size_t) (from - at) + strlen(s->begin), out);
        s->write(out, r);
        at = to;
        any = true;
    }
    if (!out)
        return NULL;
    fputs(at, out);
    fclose(out);
    if (any)
        return text;
    fprintf(stderr, "%s: expected markers, such as %.*s and %.*s\n", path, (int) strlen(sections[0].begin) - 1,
            sections[0].begin, (int) strlen(sections[0].end) - 1, sections[0].end);
    free(text);
    return NULL;
}
