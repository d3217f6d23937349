// table.c -- the results of tests/portability/results as tables between the markers of a Markdown file.
#include "gpus.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char begin_mark[] = "<!-- compiled: begin -->\n", end_mark[] = "<!-- compiled: end -->\n";

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
    char *old = read_file(path), *from = old ? strstr(old, begin_mark) : NULL, *to = from ? strstr(from, end_mark) : NULL;
    if (!to) {
        fprintf(stderr, "%s: cannot be read, or lacks the markers %.*s and %.*s\n", path, (int) strlen(begin_mark) - 1,
                begin_mark, (int) strlen(end_mark) - 1, end_mark);
        free(old);
        return 2;
    }
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return 2;
    fwrite(old, 1, (size_t) (from - old) + strlen(begin_mark), out);
    write_table(out, dir, "amd", "VGPRs of products | fewest waves");
    write_table(out, dir, "intel", "lanes of products | most instructions");
    fputs("\n", out);
    fputs(to, out);
    fclose(out);
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
