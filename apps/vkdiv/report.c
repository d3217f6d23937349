// report.c -- gathers runs into one document and writes the page.
#include "apps/vkdiv/page.h"
#include "apps/vkdiv/report.h"

#include "engine/json.h"
#include "engine/run_folder.h"
#include "engine/train/run_files.h"
#include "runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report_files.inc"

void report_note(struct report *r, json_t *owner, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *notes = json_object_get(owner, "notes");
    if (notes == NULL) {
        notes = json_array();
        json_object_set_new(owner, "notes", notes);
    }
    json_array_append_new(notes, app_json_text(text));
    r->notes++;
}

json_t *report_number(double value)
{
    char text[32];
    if (!isfinite(value))
        return json_null();
    if (value == floor(value) && fabs(value) < 1e9)
        return json_integer((json_int_t)value);
    snprintf(text, sizeof text, "%.5g", value);
    return json_real(strtod(text, NULL));
}

static void progress(const struct report *r, const char *what, const char *dir)
{
    char text[256];
    snprintf(text, sizeof text, "%s: %.200s", what, dir);
    if (r->p->progress != NULL)
        r->p->progress(r->p->user, text);
}

// ---- Runs ---------------------------------------------------------------------------------------

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL && slash[1] != 0 ? slash + 1 : path;
}

// Runs of one recipe are of one group; their number is that of the first such.
static vkd_result set_group(const struct report *r, const json_t *runs, const json_t *manifest, json_t *run)
{
    char text[20];
    uint64_t recipe;
    json_int_t group = 0;
    size_t i;
    json_t *other;
    vkd_result result = vkd__run_recipe(manifest, &r->p->log, &recipe);
    if (result != VKD_OK)
        return result;
    snprintf(text, sizeof text, "%016" PRIx64, recipe);
    json_array_foreach(runs, i, other) {
        const json_int_t its = json_integer_value(json_object_get(other, "group"));
        if (strcmp(json_string_value(json_object_get(other, "recipe")), text) == 0) {
            group = its;
            break;
        }
        group = its >= group ? its + 1 : group;
    }
    json_object_set_new(run, "recipe", json_string(text));
    json_object_set_new(run, "group", json_integer(group));
    return VKD_OK;
}

static vkd_result add_run(struct report *r, const char *dir, json_t *runs)
{
    char weights[4096], hash[17];
    json_t *manifest = NULL, *run = json_object();
    vkd_result result = vkd__run_json_read(dir, &r->p->log, &manifest);
    if (result != VKD_OK || run == NULL) {
        json_decref(run);
        return result != VKD_OK ? result : VKD_NO_MEMORY;
    }
    progress(r, "reading", dir);
    json_object_set_new(run, "name", app_json_text(base_name(dir)));
    json_object_set_new(run, "path", app_json_text(dir));
    json_object_set_new(run, "manifest", manifest);
    result = set_group(r, runs, manifest, run);
    json_array_append_new(runs, run);
    if (result == VKD_OK)
        result = vkd__run_weights(dir, &r->p->log, weights, hash);
    if (result != VKD_OK)
        return result;
    report_curves(r, dir, run);
    report_transfer(r, dir, hash, run);
    report_filters(r, dir, run);
    progress(r, "diversity", dir);
    result = report_diversity(r, dir, hash, run);
    progress(r, "images", dir);
    return result == VKD_OK ? report_neighbours(r, dir, run) : result;
}

// ---- The document -------------------------------------------------------------------------------

static vkd_result read_study(const struct report_params *p, json_t **study)
{
    char path[4096];
    struct vkd__why why;
    bool folder = vkd__path_kind(p->study, NULL, NULL) == VKD__PATH_DIR;
    snprintf(path, sizeof path, "%s%s", p->study, folder ? "/study.json" : "");
    *study = vkd__json_load(path, &why);
    if (*study == NULL && why.text[0] == 0) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "%s is not there; `vkdiv study` writes one", path);
        return VKD_IO;
    }
    if (json_is_array(json_object_get(*study, "models")))
        return VKD_OK;
    vkd_log_write(&p->log, VKD_LOG_ERROR, "%s is not the result of `vkdiv study`: %s", path,
                  *study ? "it has no list of models" : why.text);
    json_decref(*study);
    *study = NULL;
    return VKD_FORMAT;
}

static bool is_run(const char *dir)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/run.json", dir);
    return vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE;
}

// How many of the folders hold a run, and the first that does.
static uint32_t count_runs(const struct report_params *p, const char **first)
{
    uint32_t count = 0;
    *first = p->runs[0];
    for (uint32_t i = 0; i < p->run_count; i++)
        if (is_run(p->runs[i]) && count++ == 0)
            *first = p->runs[i];
    return count;
}

static void write_title(const struct report_params *p, char *title, size_t size)
{
    const char *first;
    const uint32_t count = count_runs(p, &first);
    if (count > 1)
        snprintf(title, size, "%u runs", count);
    else
        snprintf(title, size, "%s", base_name(first));
}

static vkd_result gather(struct report *r, json_t *doc)
{
    const struct report_params *p = r->p;
    json_t *runs = json_object_get(doc, "runs"), *study = NULL;
    const char *first;
    const bool any = count_runs(p, &first) > 0;
    vkd_result result = p->study != NULL ? read_study(p, &study) : VKD_OK;
    json_object_set_new(doc, "study", study != NULL ? study : json_null());
    for (uint32_t i = 0; result == VKD_OK && i < p->run_count; i++)
        if (any && !is_run(p->runs[i]))
            report_note(r, doc, "%s was left out: it has no run.json. A training that was refused, or anything but a run, "
                        "has none.", p->runs[i]);
        else
            result = add_run(r, p->runs[i], runs);
    if (result == VKD_OK && p->images > 0 && p->dev == NULL)
        report_note(r, doc, "Nearest neighbours are missing: they need a Vulkan device.");
    return result;
}

char *report_page(const json_t *doc, const char *title, size_t *size)
{
    const struct page page = { page_files, sizeof page_files / sizeof page_files[0], "page.html" };
    return page_text(&page, doc, title, size);
}

static vkd_result write_page(const struct report_params *p, const json_t *doc, uint64_t *bytes)
{
    struct vkd__why why;
    size_t size;
    char *html = report_page(doc, json_string_value(json_object_get(doc, "title")), &size);
    if (html == NULL)
        return VKD_NO_MEMORY;
    vkd_result result = vkd__file_replace(p->html, html, size, &why);
    if (result != VKD_OK)
        vkd_log_write(&p->log, VKD_LOG_ERROR, "%s", why.text);
    free(html);
    *bytes = size;
    return result;
}

vkd_result report_write(const struct report_params *p, struct report_result *out)
{
    struct report r = { .p = p };
    char title[512], made[32];
    uint64_t bytes = 0;
    time_t now = (time_t)vkd__os_wall_seconds();
    strftime(made, sizeof made, "%Y-%m-%d %H:%M", localtime(&now));
    write_title(p, title, sizeof title);
    vkd_result result = vkd_filter_nulls_create(&(struct vkd_null_params){ .dev = p->dev, .log = p->log },
                                                &r.nulls);
    json_t *doc = json_pack("{s:i, s:s, s:s, s:o, s:[], s:[]}", "schema", 1, "vkdiv", VKD_VERSION, "made", made, "title",
                            app_json_text(title), "runs", "sets");
    if (result == VKD_OK && doc == NULL)
        result = VKD_NO_MEMORY;
    r.sets = json_object_get(doc, "sets");
    if (result == VKD_OK)
        result = gather(&r, doc);
    if (result == VKD_OK)
        result = write_page(p, doc, &bytes);
    if (result == VKD_OK)
        *out = (struct report_result){ .bytes = bytes, .runs = (uint32_t)json_array_size(json_object_get(doc, "runs")),
                                        .notes = r.notes };
    json_decref(doc);
    vkd_filter_nulls_destroy(&r.nulls);
    return result;
}
