// report_curves.c -- the curves of a run: metrics.jsonl brought down to a few hundred points.
//
// A point is the mean of a number of consecutive lines of a kind. The number is 1 at first; each time that a curve is
// full, it is doubled and neighbouring points are joined. So the file is read once, in bounded memory.
#include "apps/vkdiv/report.h"

#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 240, COLUMNS = 8, PHASES = 64, WARNINGS = 20 };

// Kinds of events that are drawn, with the numbers that are.
static const struct {
    const char *event;
    const char *columns[COLUMNS];
} kinds[] = {
    { "step", { "step", "epoch", "seconds", "loss", "accuracy", "injection", "dose" } },
    { "eval", { "step", "epoch", "seconds", "loss", "top1", "map", "knn" } },
    { "diversity", { "step", "epoch", "seconds", "rankme", "signal", "injection" } },
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

struct mean { double sum; uint32_t count; };

struct series {
    uint32_t lines, per_point, filled;      // in all; that make a point; of the last point
    uint32_t points;                        // the last one may lack lines
    struct mean values[POINTS][COLUMNS];
};

struct reading {
    struct series series[KINDS];
    json_t *phases, *warnings;
    bool complete;
    uint32_t broken, first_broken;          // lines
};

static void join_points(struct series *s)
{
    for (uint32_t i = 0; i < POINTS / 2; i++)
        for (uint32_t c = 0; c < COLUMNS; c++) {
            const struct mean a = s->values[2 * i][c], b = s->values[2 * i + 1][c];
            s->values[i][c] = (struct mean){ a.sum + b.sum, a.count + b.count };
        }
    s->points = POINTS / 2;
    s->per_point *= 2;
}

static void add_line(struct series *s, const char *const *columns, const json_t *event)
{
    if (s->per_point == 0 || s->filled == s->per_point) {
        if (s->points == POINTS)
            join_points(s);
        s->per_point = s->per_point ? s->per_point : 1;
        memset(s->values[s->points++], 0, sizeof s->values[0]);
        s->filled = 0;
    }
    for (uint32_t c = 0; c < COLUMNS && columns[c] != NULL; c++) {
        const json_t *v = json_object_get(event, columns[c]);
        if (json_is_number(v) && isfinite(json_number_value(v))) {
            s->values[s->points - 1][c].sum += json_number_value(v);
            s->values[s->points - 1][c].count++;
        }
    }
    s->filled++;
    s->lines++;
}

// Keeps where a phase begins, and what the run warned of.
static void add_mark(struct reading *r, const char *name, json_t *event)
{
    json_t *phase = json_object_get(event, "phase"), *last = json_array_get(r->phases, json_array_size(r->phases) - 1);
    if (strcmp(name, "inject") == 0 && json_is_string(phase) && json_array_size(r->phases) < PHASES &&
        !json_equal(phase, json_object_get(last, "phase")))
        json_array_append(r->phases, event);
    if (strcmp(name, "warning") == 0 && json_array_size(r->warnings) < WARNINGS)
        json_array_append(r->warnings, event);
    if (strcmp(name, "end") == 0)
        r->complete = json_is_true(json_object_get(event, "complete"));
}

static void read_line(struct reading *r, const char *text, size_t length, uint32_t number)
{
    json_t *event = json_loadb(text, length, 0, NULL);
    const char *name = json_string_value(json_object_get(event, "event"));
    if (name == NULL) {
        r->first_broken = r->broken++ ? r->first_broken : number;
    } else {
        for (uint32_t k = 0; k < KINDS; k++)
            if (strcmp(name, kinds[k].event) == 0)
                add_line(&r->series[k], kinds[k].columns, event);
        add_mark(r, name, event);
    }
    json_decref(event);
}

static bool read_file(struct reading *r, const char *path, struct vkd__why *why)
{
    const uint8_t *data;
    uint64_t size, at = 0;
    if (vkd__file_map(path, &data, &size, why) != VKD_OK)
        return false;
    for (uint32_t number = 1; at < size; number++) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        uint64_t length = end ? (uint64_t)(end - (data + at)) : size - at;
        read_line(r, (const char *)data + at, length, number);
        at += length + 1;
    }
    vkd__file_unmap(data, size);
    return true;
}

// A column over the points; NULL where it has no value anywhere, or is a label weight that is 0 everywhere.
static json_t *column_json(const struct series *s, uint32_t c, const char *name)
{
    bool any = false, weight = strcmp(name, "injection") == 0 || strcmp(name, "dose") == 0;
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->points; i++) {
        const struct mean m = s->values[i][c];
        any |= m.count > 0 && !(weight && m.sum == 0);
        json_array_append_new(list, m.count ? report_number(m.sum / m.count) : json_null());
    }
    if (!any) {
        json_decref(list);
        return NULL;
    }
    return list;
}

static json_t *series_json(const struct series *s, const char *const *columns)
{
    json_t *curve = json_pack("{s:i, s:i}", "lines", (int)s->lines, "per_point", (int)s->per_point);
    for (uint32_t c = 0; c < COLUMNS && columns[c] != NULL; c++) {
        json_t *list = column_json(s, c, columns[c]);
        if (list != NULL)
            json_object_set_new(curve, columns[c], list);
    }
    return curve;
}

void report_curves(struct report *report, const char *dir, json_t *run)
{
    char path[4096];
    struct vkd__why why;
    struct reading *r = calloc(1, sizeof *r);
    if (r == NULL)
        return;
    r->phases = json_array();
    r->warnings = json_array();
    snprintf(path, sizeof path, "%s/metrics.jsonl", dir);
    if (!read_file(r, path, &why))
        report_note(report, run, "There are no curves: %s.", why.text);
    if (r->broken)
        report_note(report, run, "%u line%s of metrics.jsonl could not be read, the first of them line %u, and left out. "
                    "A torn last line is what a crash leaves; --resume repairs it.", r->broken, r->broken == 1 ? "" : "s",
                    r->first_broken);
    json_t *curves = json_object();
    for (uint32_t k = 0; k < KINDS; k++)
        if (r->series[k].points > 0)
            json_object_set_new(curves, kinds[k].event, series_json(&r->series[k], kinds[k].columns));
    json_object_set_new(run, "curves", curves);
    json_object_set_new(run, "phases", r->phases);
    json_object_set_new(run, "warnings", r->warnings);
    json_object_set_new(run, "complete", json_boolean(r->complete));
    free(r);
}
