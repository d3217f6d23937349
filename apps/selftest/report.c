// report.c -- the document of a run, and its rows and summary as text.
#include "apps/selftest/selftest.h"

#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text != NULL ? text : "";
}

static enum selftest_verdict verdict_of(const json_t *row)
{
    for (int i = 0; i < SELFTEST_VERDICTS; i++)
        if (strcmp(text_of(row, "verdict"), selftest_verdicts[i]) == 0)
            return (enum selftest_verdict)i;
    return SELFTEST_FAIL;
}

// ---- The document ------------------------------------------------------------------------------

// What a device is allowed: anything but a failure. A skip is no pass, but has a reason of its own to be judged by.
static const char *verdict_of_counts(const uint32_t counts[SELFTEST_VERDICTS])
{
    return selftest_verdicts[counts[SELFTEST_FAIL] > 0 ? SELFTEST_FAIL : SELFTEST_PASS];
}

static json_t *counts_json(const uint32_t counts[SELFTEST_VERDICTS])
{
    json_t *o = json_object();
    for (int i = 0; i < SELFTEST_VERDICTS; i++)
        json_object_set_new(o, selftest_verdicts[i], json_integer(counts[i]));
    return o;
}

// {name, title, verdict, counts, ms} of the rows of one part; NULL without any. Adds to `all`.
static json_t *part_json(const struct selftest_part *part, const json_t *rows, uint32_t all[SELFTEST_VERDICTS])
{
    uint32_t counts[SELFTEST_VERDICTS] = { 0 };
    size_t i, length = strlen(part->name), seen = 0;
    double ms = 0;
    json_t *row;
    enum selftest_verdict worst = SELFTEST_PASS;
    json_array_foreach(rows, i, row) {
        const char *name = text_of(row, "name");
        if (strncmp(name, part->name, length) != 0 || name[length] != '.')
            continue;
        enum selftest_verdict v = verdict_of(row);
        worst = v > worst ? v : worst;
        counts[v]++;
        all[v]++;
        seen++;
        ms += json_number_value(json_object_get(row, "ms"));
    }
    if (seen == 0)
        return NULL;
    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "name", part->name, "title", part->title, "verdict", selftest_verdicts[worst],
                     "counts", counts_json(counts), "ms", app_json_real(ms));
}

static const json_t *find_row(const json_t *rows, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach(rows, i, row)
        if (strcmp(text_of(row, "name"), name) == 0)
            return row;
    return NULL;
}

json_t *selftest_document(json_t *rows, const struct selftest_choice *c, double seconds, bool stopped)
{
    uint32_t counts[SELFTEST_VERDICTS] = { 0 };
    json_t *parts = json_array();
    const struct selftest_part *part;
    for (uint32_t i = 0; (part = selftest_part_at(i)) != NULL; i++) {
        json_t *one = part_json(part, rows, counts);
        if (one != NULL)
            json_array_append_new(parts, one);
    }
    const json_t *identity = json_object_get(find_row(rows, "identity.device"), "numbers");
    const char *name = json_string_value(json_object_get(identity, "name"));
    char date[32] = "";
    time_t now = (time_t)vkd__os_wall_seconds();
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    json_t *doc = json_pack("{s:i, s:s, s:s, s:s, s:b, s:s?, s:s?, s:O?, s:s, s:o, s:o, s:o, s:o}",
                     "schema", SELFTEST_SCHEMA, "kind", "selftest", "version", VKD_VERSION, "date", date, "quick", c->quick,
                     "filter", c->filter, "device", name, "identity", identity, "verdict", verdict_of_counts(counts),
                     "counts", counts_json(counts), "seconds", app_json_real(seconds), "parts", parts, "probes", rows);
    if (stopped)
        json_object_set_new(doc, "stopped", json_true());
    return doc;
}

// ---- Text --------------------------------------------------------------------------------------

static const enum app_style styles[SELFTEST_VERDICTS] = { APP_GREEN, APP_YELLOW, APP_DIM, APP_RED };

static const char *time_text(char text[24], double ms)
{
    if (ms < 10e3)
        snprintf(text, 24, "%.0f ms", ms);
    else
        snprintf(text, 24, "%.1f s", ms / 1e3);
    return text;
}

void selftest_print_row(FILE *f, const json_t *row)
{
    enum selftest_verdict v = verdict_of(row);
    char time[24], detail[2048];
    fprintf(f, "  %s%-8s%s  %-30s %9s  %s\n", app_sgr(1, styles[v]), selftest_verdicts[v], app_sgr(1, APP_PLAIN),
            text_of(row, "name"), time_text(time, json_number_value(json_object_get(row, "ms"))),
            app_printable(detail, sizeof detail, text_of(row, "detail")));
}

void selftest_print_summary(FILE *f, const json_t *doc)
{
    const json_t *counts = json_object_get(doc, "counts");
    bool good = strcmp(text_of(doc, "verdict"), "pass") == 0;
    char time[24];
    fprintf(f, "\n%s%s%s: %s%s%s", app_sgr(1, APP_BOLD), text_of(doc, "device")[0] ? text_of(doc, "device") : "unknown device",
            app_sgr(1, APP_PLAIN), app_sgr(1, good ? APP_GREEN : APP_RED), text_of(doc, "verdict"), app_sgr(1, APP_PLAIN));
    for (int i = 0; i < SELFTEST_VERDICTS; i++)
        fprintf(f, "%s%d %s", i == 0 ? " (" : ", ", (int)json_integer_value(json_object_get(counts, selftest_verdicts[i])),
                selftest_verdicts[i]);
    fprintf(f, ") after %s%s\n", app_duration(time, json_number_value(json_object_get(doc, "seconds"))),
            json_is_true(json_object_get(doc, "stopped")) ? ", stopped before the end" : "");
}

// ---- Markdown ----------------------------------------------------------------------------------

// A cell: no line ends, no bars.
static void put_cell(FILE *f, const char *text)
{
    fputc(' ', f);
    for (; *text; text++) {
        if (*text == '|')
            fputs("\\|", f);
        else
            fputc(*text == '\n' || *text == '\r' ? ' ' : *text, f);
    }
    fputs(" |", f);
}

static void put_parts(FILE *f, const json_t *doc)
{
    size_t i;
    json_t *part;
    char time[24];
    fputs("\n| part | verdict | pass | fallback | skip | fail | time |\n|---|---|---|---|---|---|---|\n", f);
    json_array_foreach(json_object_get(doc, "parts"), i, part) {
        fputs("|", f);
        put_cell(f, text_of(part, "title"));
        put_cell(f, text_of(part, "verdict"));
        for (int v = 0; v < SELFTEST_VERDICTS; v++)
            fprintf(f, " %d |",
                    (int)json_integer_value(json_object_get(json_object_get(part, "counts"), selftest_verdicts[v])));
        put_cell(f, time_text(time, json_number_value(json_object_get(part, "ms"))));
        fputs("\n", f);
    }
}

static void put_probes(FILE *f, const json_t *doc)
{
    size_t i;
    json_t *row;
    char time[24];
    fputs("\n| probe | verdict | time | detail |\n|---|---|---|---|\n", f);
    json_array_foreach(json_object_get(doc, "probes"), i, row) {
        fprintf(f, "| `%s` |", text_of(row, "name"));
        bool bad = verdict_of(row) == SELFTEST_FAIL;
        fprintf(f, " %s%s%s |", bad ? "**" : "", text_of(row, "verdict"), bad ? "**" : "");
        put_cell(f, time_text(time, json_number_value(json_object_get(row, "ms"))));
        put_cell(f, text_of(row, "detail"));
        fputs("\n", f);
    }
}

bool selftest_write_markdown(const char *path, const json_t *doc)
{
    const json_t *id = json_object_get(doc, "identity");
    char *text = NULL;
    size_t size = 0;
    struct vkd__why why = { "no memory" };
    FILE *f = open_memstream(&text, &size);
    if (f != NULL) {
        const char *filter = json_string_value(json_object_get(doc, "filter"));
        const char *which = json_is_true(json_object_get(doc, "stopped")) ? "stopped before the end"
                          : json_is_true(json_object_get(doc, "quick")) ? "quick" : filter ? "some probes" : "all probes";
        fprintf(f, "# %s\n\nvkdiv %s on %s, %s %s, Vulkan %s: **%s** (%s, %s).\n", text_of(doc, "device"), text_of(doc, "version"),
                text_of(id, "os"), text_of(id, "driver"), text_of(id, "driver_info"), text_of(id, "api"),
                text_of(doc, "verdict"), which, text_of(doc, "date"));
        if (filter)
            fprintf(f, "\nOnly probes that match `%s` ran.\n", filter);
        put_parts(f, doc);
        put_probes(f, doc);
    }
    bool ok = f != NULL && fclose(f) == 0 && vkd__file_replace(path, text, size, &why) == VKD_OK;
    if (!ok)
        app_error("%s", why.text);
    free(text);
    return ok;
}
