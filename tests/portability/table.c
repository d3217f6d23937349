// table.c -- the results of tests/portability/results as tables between the markers of a Markdown file.
#include "gpus.h"

#include <dirent.h>
#include <jansson.h>
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

static void write_table(FILE *out, const char *dir, const char *vendor, const char *columns)
{
    unsigned passed = 0, count = 0;
    fprintf(out, "\n| GPU | as in | generation | driver | version | pipelines | %s | spills | excepted | slowest compile | |\n"
            "|---|---|---|---|---|---|---|---|---|---|---|---|\n", columns);
    for (unsigned i = 0; i < gpu_count; i++) {
        char title[64], path[512];
        const struct gpu *g = &gpus[i];
        if (strcmp(g->vendor, vendor))
            continue;
        snprintf(path, sizeof(path), "%s/%s-%s.json", dir, gpu_title(g, title, sizeof(title)), g->driver);
        json_t *result = json_load_file(path, 0, NULL);
        write_row(out, g, result);
        passed += json_is_true(json_object_get(json_object_get(result, "summary"), "pass"));
        count++;
        json_decref(result);
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

static int is_json(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 5 && !strcmp(e->d_name + n - 5, ".json");
}

static void write_ran_table(FILE *out, const char *dir)
{
    struct dirent **names = NULL;
    int count = scandir(dir, &names, is_json, alphasort);
    fputs("\n| device | type | driver | API | pass | fallback | skip | fail | copies | f32 | products | convolutions | time | |\n"
          "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n", out);
    for (int i = 0; i < count; i++) {
        char path[1024];
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
        json_t *doc = json_load_file(path, 0, NULL);
        if (!strcmp(text_of(doc, "kind"), "selftest"))
            write_ran(out, doc);
        json_decref(doc);
        free(names[i]);
    }
    free(names);
    fputs("\n", out);
}

// ---- The page ----

static void write_compiled_tables(FILE *out, const char *dir)
{
    write_table(out, dir, "amd", "VGPRs of products | fewest waves");
    write_table(out, dir, "intel", "lanes of products | most instructions");
    fputs("\n", out);
}

// The page with new tables, malloc'd; NULL after a message.
static char *renew(const char *old, const char *path, const char *dir, size_t *size)
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
        (i ? write_compiled_tables : write_ran_table)(out, dir);
        at = to;
    }
    if (out) {
        fputs(at, out);
        fclose(out);
    }
    return text;
}

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = calloc(1, 1 << 20);
    bool ok = f && text && fread(text, 1, (1 << 20) - 1, f) > 0;
    if (f)
        fclose(f);
    if (ok)
        return text;
    free(text);
    return NULL;
}

int main(int argc, char **argv)
{
    bool check = argc == 4 && !strcmp(argv[1], "--check");
    if (argc != 3 && !check) {
        fputs("usage: compile_table [--check] RESULTS README.md\n"
              "  Writes the tables of RESULTS between README's markers; --check: exit status 1 when they differ.\n", stderr);
        return 2;
    }
    const char *dir = argv[argc - 2], *path = argv[argc - 1];
    size_t size = 0;
    char *old = read_file(path), *text = old ? renew(old, path, dir, &size) : NULL;
    if (!text) {
        if (!old)
            fprintf(stderr, "%s: cannot be read\n", path);
        free(old);
        return 2;
    }
    int status = 0;
    if (check && strcmp(old, text)) {
        fprintf(stderr, "%s is not what %s gives: run compile_table %s %s\n", path, dir, dir, path);
        status = 1;
    } else if (!check && strcmp(old, text)) {
        FILE *f = fopen(path, "wb");
        bool ok = f && fwrite(text, 1, size, f) == size;
        ok = f && !fclose(f) && ok;
        status = ok ? 0 : 2;
    }
    free(text);
    free(old);
    return status;
}
