// verdict.c -- the limits for pipelines, the exceptions from them, and a file of results per GPU.
#define _GNU_SOURCE     // FNM_EXTMATCH
#include "verdict.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRODUCTS "gemm_shared.*"        // matrix products and convolutions: they want many lanes
#define GIVEN "!(gemm_register.*)"      // what these GPUs are given: the others are for fewer than 256 invocations

// A value must be at most (at least) the limit. The limit on waves is the GPU's.
static const struct limit {
    const char *what, *kernels;
    bool at_least;
    double value;
} limits[] = {
    { "spills",      "*",      false, 0 },
    { "sgpr_spills", "*",      false, 0 },
    { "seconds",     "*",      false, 5 },
    { "waves",       "*",      true,  0 },
    { "subgroup",    PRODUCTS, true,  16 },
};

static struct exception {
    char gpu[64], kernel[64], what[16], reason[256];
    double limit;
    bool used;
} *exceptions;
static unsigned exception_count;

bool exceptions_read(const char *path)
{
    char line[512];
    unsigned number = 0;
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "%s: cannot be opened\n", path);
        return false;
    }
    while (fgets(line, sizeof(line), f)) {
        struct exception e = { 0 };
        number++;
        if (line[0] == '#' || line[0] == '\n')
            continue;
        struct exception *more = realloc(exceptions, (exception_count + 1) * sizeof(*more));
        if (more)
            exceptions = more;
        if (!more || sscanf(line, "%63s %63s %15s %lf %255[^\n]", e.gpu, e.kernel, e.what, &e.limit, e.reason) != 5) {
            fprintf(stderr, "%s:%u: expected GPU KERNEL WHAT LIMIT REASON\n", path, number);
            fclose(f);
            return false;
        }
        exceptions[exception_count++] = e;
    }
    fclose(f);
    return true;
}

unsigned exceptions_idle(void)
{
    unsigned idle = 0;
    for (unsigned i = 0; i < exception_count; i++) {
        const struct exception *e = &exceptions[i];
        if (!e->used) {
            printf("no longer needed: the exception %s %s %s %g\n", e->gpu, e->kernel, e->what, e->limit);
            idle++;
        }
    }
    return idle;
}

void outcome_init(struct outcome *o, const struct gpu *g)
{
    *o = (struct outcome) { g, NULL, json_array(), json_object(), json_array() };
}

void outcome_finish(struct outcome *o)
{
    json_decref(o->device);
    json_decref(o->rows);
    json_decref(o->skipped);
    json_decref(o->failures);
}

static void add_failure(struct outcome *o, const char *kernel, const char *what, double value, double limit,
                        bool at_least, const char *why)
{
    char title[64];
    const char *reason = NULL;
    gpu_title(o->gpu, title, sizeof(title));
    for (unsigned i = 0; i < exception_count && !reason; i++) {
        struct exception *e = &exceptions[i];
        bool within = at_least ? value >= e->limit : value <= e->limit;
        if (within && !strcmp(e->what, what) && !fnmatch(e->gpu, title, 0) && !fnmatch(e->kernel, kernel, 0)) {
            e->used = true;
            reason = e->reason;
        }
    }
    json_array_append_new(o->failures, json_pack("{s:s, s:s, s:f, s:f, s:s*, s:s*}", "kernel", kernel, "what", what,
                                                 "value", value, "limit", limit, "why", why, "reason", reason));
}

void outcome_broken(struct outcome *o, const char *kernel, const char *what, const char *why)
{
    add_failure(o, kernel, what, 1, 0, false, why);
}

unsigned outcome_judge(struct outcome *o)
{
    size_t i;
    json_t *row, *failure;
    unsigned bad = 0;
    json_array_foreach(o->rows, i, row) {
        const char *kernel = json_string_value(json_object_get(row, "kernel"));
        for (size_t j = 0; j < sizeof(limits) / sizeof(limits[0]); j++) {
            const struct limit *l = &limits[j];
            json_t *found = json_object_get(row, l->what);
            double value = json_number_value(found), limit = strcmp(l->what, "waves") ? l->value : o->gpu->waves_min;
            if (found && !fnmatch(l->kernels, kernel, 0) && (l->at_least ? value < limit : value > limit))
                add_failure(o, kernel, l->what, value, limit, l->at_least, NULL);
        }
    }
    json_array_foreach(o->failures, i, failure)
        bad += !json_object_get(failure, "reason");
    return bad;
}

// The kernel among `kernels` whose value is the worst, and that value; NULL when no row has it.
static const char *worst(const struct outcome *o, const char *kernels, const char *what, bool less_is_worse,
                         double *value)
{
    const char *kernel = NULL;
    size_t i;
    json_t *row;
    *value = 0;
    json_array_foreach(o->rows, i, row) {
        json_t *found = json_object_get(row, what);
        double v = json_number_value(found);
        const char *name = json_string_value(json_object_get(row, "kernel"));
        if (found && !fnmatch(kernels, name, FNM_EXTMATCH) && (!kernel || (less_is_worse ? v < *value : v > *value))) {
            *value = v;
            kernel = name;
        }
    }
    return kernel;
}

static double number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static unsigned excepted(const struct outcome *o)
{
    unsigned count = 0;
    size_t i;
    json_t *f;
    json_array_foreach(o->failures, i, f)
        count += json_object_get(f, "reason") != NULL;
    return count;
}

void outcome_print(const struct outcome *o)
{
    char title[64];
    double seconds, narrow;
    bool amd = o->gpu->waves_min;
    const char *slow = worst(o, GIVEN, "seconds", false, &seconds);
    const char *least = amd ? worst(o, GIVEN, "waves", true, &narrow) : worst(o, PRODUCTS, "subgroup", true, &narrow);
    size_t i;
    json_t *f;
    printf("%-16s %-8s %3zu pipelines, at least %2.0f %s (%s), at most %.2f s (%s), %u excepted: %s\n",
           gpu_title(o->gpu, title, sizeof(title)), o->gpu->generation, json_array_size(o->rows), narrow,
           amd ? "waves" : "lanes", least ? least : "-", seconds, slow ? slow : "-", excepted(o),
           excepted(o) == json_array_size(o->failures) ? "pass" : "FAIL");
    json_array_foreach(o->failures, i, f) {
        if (json_object_get(f, "reason"))
            continue;
        if (json_object_get(f, "why"))
            printf("    %s: %s: %s\n", text(f, "kernel"), text(f, "what"), text(f, "why"));
        else
            printf("    %s: %s %g, the limit is %g\n", text(f, "kernel"), text(f, "what"), number(f, "value"),
                   number(f, "limit"));
    }
    fflush(stdout);
}

// name: [value, kernel]
static void add_worst(json_t *summary, const char *name, const struct outcome *o, const char *kernels,
                      const char *what, bool less_is_worse)
{
    double value;
    const char *kernel = worst(o, kernels, what, less_is_worse, &value);
    if (kernel)
        json_object_set_new(summary, name, json_pack("[f, s]", value, kernel));
}

static json_t *summarise(const struct outcome *o)
{
    json_t *summary = json_pack("{s:b, s:i, s:i}", "pass", excepted(o) == json_array_size(o->failures), "pipelines",
                                (int) json_array_size(o->rows), "excepted", (int) excepted(o));
    if (o->gpu->waves_min) {
        add_worst(summary, "waves", o, GIVEN, "waves", true);
        add_worst(summary, "vgprs", o, GIVEN, "vgprs", false);
        add_worst(summary, "product_vgprs", o, PRODUCTS, "vgprs", false);
    } else {
        add_worst(summary, "product_lanes", o, PRODUCTS, "subgroup", true);
        add_worst(summary, "instructions", o, GIVEN, "instructions", false);
    }
    add_worst(summary, "spills", o, GIVEN, "spills", false);
    // Times differ from run to run: a tenth of a second is what they are worth.
    double seconds;
    worst(o, GIVEN, "seconds", false, &seconds);
    json_object_set_new(summary, "seconds", json_real((double) (long) (seconds * 10 + 0.999) / 10));
    return summary;
}

static void write_member(FILE *f, const char *key, json_t *value, const char *end)
{
    fprintf(f, "\"%s\": ", key);
    json_dumpf(value, f, JSON_REAL_PRECISION(6));
    fputs(end, f);
    json_decref(value);
}

static void write_list(FILE *f, const char *key, const json_t *list)
{
    size_t i;
    json_t *item;
    fprintf(f, "\"%s\": [", key);
    json_array_foreach(list, i, item) {
        fputs(i ? ",\n  " : "\n  ", f);
        json_dumpf(item, f, JSON_REAL_PRECISION(6));
    }
    fputs(i ? "\n],\n" : "],\n", f);
}

// A line per kernel: its values in the order of the columns.
static void write_kernels(FILE *f, const struct outcome *o)
{
    static const char *const all[] = {
        "subgroup", "vgprs", "sgprs", "instructions", "spills", "sgpr_spills", "shared", "scratch", "waves",
    };
    json_t *columns = json_array(), *row;
    size_t i;
    for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (json_object_get(json_array_get(o->rows, 0), all[i]))
            json_array_append_new(columns, json_string(all[i]));
    }
    write_member(f, "columns", json_incref(columns), ",\n");
    fputs("\"kernels\": {", f);
    json_array_foreach(o->rows, i, row) {
        fprintf(f, "%s\"%s\": [", i ? ",\n  " : "\n  ", text(row, "kernel"));
        for (size_t j = 0; j < json_array_size(columns); j++)
            fprintf(f, "%s%.0f", j ? ", " : "", number(row, json_string_value(json_array_get(columns, j))));
        fputc(']', f);
    }
    fputs("\n}\n", f);
    json_decref(columns);
}

bool outcome_write(const struct outcome *o, const char *dir)
{
    char title[64], path[512];
    const struct gpu *g = o->gpu;
    snprintf(path, sizeof(path), "%s/%s-%s.json", dir, gpu_title(g, title, sizeof(title)), g->driver);
    FILE *f = fopen(path, "w");
    if (!f) {
        fprintf(stderr, "%s: cannot be written\n", path);
        return false;
    }
    fputs("{\n\"kind\": \"compile\",\n\"version\": 1,\n", f);
    write_member(f, "gpu", json_pack("{s:s, s:s, s:s, s:s, s:i}", "vendor", g->vendor, "name", g->name, "generation",
                                     g->generation, "known_as", g->known_as, "device_id",
                                     (int) number(o->device, "device_id")), ",\n");
    write_member(f, "driver", json_pack("{s:s, s:s}", "name", g->driver, "version", text(o->device, "driver")), ",\n");
    write_member(f, "summary", summarise(o), ",\n");
    write_member(f, "skipped", json_incref(o->skipped), ",\n");
    write_list(f, "failures", o->failures);
    write_kernels(f, o);
    fputs("}\n", f);
    bool ok = !ferror(f);
    ok = !fclose(f) && ok;
    if (!ok)
        fprintf(stderr, "%s: writing failed\n", path);
    return ok;
}
