// cmd_study.c -- vkdiv study: whether accuracy and diversity together explain transfer better than accuracy alone.
#include "apps/vkdiv/report.h"
#include "apps/vkdiv/study.h"
#include "apps/vkdiv/tasks.h"

#include "engine/json.h"
#include "engine/study/study.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIRS_MAX = 256, MEASURES_MAX = 32 };

struct study_options {
    struct app_options app;
    const char *dirs[DIRS_MAX];
    struct app_tasks tasks;
    const char *measures[MEASURES_MAX];
    char *measure_text;
    const char *tasks_file, *out, *html;
    bool no_run;
    struct vkd_study_params gather;
    struct vkd_study_fit_params fit;
    struct app_progress progress;
    double said;                            // when a line was last written where there is no terminal
    vkd_device *dev;
    enum exit_status device_status;
};

enum { KEY_TASKS = 't', KEY_DATA = 'D', KEY_BASE = 'b', KEY_PROTOCOL = 'p', KEY_OUT = 'o', KEY_HTML = 'H',
       KEY_BASE_ACCURACY = 0x2301,
       KEY_PROBE, KEY_IMAGES, KEY_VIEWS, KEY_MEASURE, KEY_NO_RUN, KEY_SEED, KEY_RESAMPLES };

static void parse_measures(struct study_options *o, const char *arg, struct argp_state *state)
{
    free(o->measure_text);
    o->measure_text = strdup(arg);
    o->gather.measure_count = 0;
    for (char *at = o->measure_text; at != NULL; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        if (o->gather.measure_count == MEASURES_MAX)
            app_usage(state, "--measure: expected at most %d names", MEASURES_MAX);
        o->measures[o->gather.measure_count++] = at;
    }
    for (char *at = o->measure_text; at != NULL && *at; at++)
        if (*at == ',')
            *at = 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct study_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_TASKS:     o->tasks_file = arg; return 0;
    case KEY_DATA:
        if (!app_tasks_add(&o->tasks, arg))
            app_usage(state, "expected at most %d tasks", APP_TASKS_MAX);
        return 0;
    case KEY_BASE:      o->gather.base = arg; return 0;
    case KEY_PROTOCOL:  o->gather.protocol = arg; return 0;
    case KEY_PROBE:     o->gather.probe = arg; return 0;
    case KEY_OUT:       o->out = arg; return 0;
    case KEY_HTML:      o->html = arg; return 0;
    case KEY_NO_RUN:    o->no_run = true; return 0;
    case KEY_MEASURE:   parse_measures(o, arg, state); return 0;
    case KEY_IMAGES:    o->gather.images = (uint32_t)app_whole(state, "images", arg, 2, 1 << 24); return 0;
    case KEY_VIEWS:     o->gather.views = (uint32_t)app_whole(state, "views", arg, 2, 64); return 0;
    case KEY_SEED:      o->fit.resample.seed = app_whole(state, "seed", arg, 0, INT64_MAX); return 0;
    case KEY_RESAMPLES: o->fit.resample.count = (uint32_t)app_whole(state, "resamples", arg, 100, 1000000); return 0;
    case KEY_BASE_ACCURACY:
        if (strcmp(arg, "run") != 0 && strcmp(arg, "linear") != 0)
            app_usage(state, "--base-accuracy: expected 'linear' (a linear probe on the base data) or 'run' (of "
                      "run.json), found '%s'", arg);
        o->gather.base_from_run = strcmp(arg, "run") == 0;
        return 0;
    case ARGP_KEY_ARG:
        if (o->gather.dir_count == DIRS_MAX)
            app_usage(state, "expected at most %d folders", DIRS_MAX);
        o->dirs[o->gather.dir_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        app_usage(state, "expected DIR: a run, or a folder with runs in it");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "data", KEY_DATA, "SPEC", 0, "a task: transfer to this data set; may be given several times. Without tasks: all "
      "that the runs have results of", 0 },
    { "tasks", KEY_TASKS, "FILE", 0, "tasks from a file: " APP_TASKS_FORMAT, 0 },
    { "base", KEY_BASE, "SPEC", 0, "the data that base accuracy is of (what most of the runs were trained on)", 0 },
    { "base-accuracy", KEY_BASE_ACCURACY, "HOW", 0, "linear: a linear probe on the base data (the default); run: what "
      "run.json says of the run's own test", 0 },
    { "protocol", KEY_PROTOCOL, "P", 0, "knn, linear, finetune or a part of a protocol's line; studies never mix them",
      0 },
    { "probe", KEY_PROBE, "SPEC", 0, "images that the diversity of features is measured on (the base data's test "
      "split)", 0 },
    { "images", KEY_IMAGES, "N", 0, "the first N of them (2000)", 0 },
    { "views", KEY_VIEWS, "N", 0, "random views of each, for LiDAR (4)", 0 },
    { "measure", KEY_MEASURE, "NAME,...", 0, "these diversity measures alone; Holm's correction is for as many", 0 },
    { "no-run", KEY_NO_RUN, NULL, 0, "compute nothing that is missing; needs no device", 0 },
    { "resamples", KEY_RESAMPLES, "N", 0, "of bootstrap and permutations (2000 and 9999)", 0 },
    { "seed", KEY_SEED, "N", 0, "of both (0)", 0 },
    { "out", KEY_OUT, "PATH", 0, "folder of study.json, or its name if it ends in .json (the first DIR)", 0 },
    { "html", KEY_HTML, "FILE", 0, "write the study and its runs as one page too, as `vkdiv report` does", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_study_argp = {
    options, parse, "DIR...",
    "Asks whether accuracy and diversity together explain transfer better than accuracy alone, over all finished runs "
    "in the folders.\v"
    "What is missing (linear probes of the base data, transfers, diversity) is computed and kept in the runs' folders, "
    "so that a study that was stopped goes on. Seeds of one recipe are not independent: the bootstrap draws recipes, "
    "permutations exchange their means, and fewer than 8 recipes lead to no conclusion.\n\n"
    "The joint model is y = b0 + b1 logit(base accuracy) + b2 z(diversity), y the mean over tasks of logit(transfer), "
    "centred per task. The whole study is written to study.json.",
    children, NULL, NULL
};

// ---- The work ----

static vkd_device *open_device(void *user)
{
    struct study_options *o = user;
    o->dev = app_open_device(&o->app, &o->device_status);
    return o->dev;
}

static void show(void *user, const char *what, uint32_t done, uint32_t count)
{
    struct study_options *o = user;
    char text[512], plain[512];
    const double now = vkd__os_seconds();
    snprintf(text, sizeof text, "[%u/%u] %s", done + 1, count, app_printable(plain, sizeof plain, what));
    if (o->progress.terminal)
        app_progress_note(&o->progress, text);
    else if (now - o->said >= 10) {
        fprintf(stderr, "%s\n", text);
        o->said = now;
    }
}

// study.json's name; false: too long.
static bool find_out(const struct study_options *o, char *path, size_t size)
{
    const char *to = o->out != NULL ? o->out : o->dirs[0];
    const size_t length = strlen(to);
    if (o->out != NULL && vkd__json_named(to))
        return (size_t)snprintf(path, size, "%s", to) < size;
    return (size_t)snprintf(path, size, "%s%sstudy.json", to, length > 0 && to[length - 1] == '/' ? "" : "/") < size;
}

// The page of the study at `path` and of its runs.
static vkd_result write_page(struct study_options *o, const struct vkd_study *s, const char *path)
{
    struct report_result page;
    if (o->dev == NULL && !o->no_run && o->device_status == EXIT_DONE)
        open_device(o);     // nothing was missing, but the page's neighbours need one
    const char **runs = calloc(s->model_count, sizeof *runs);
    if (runs == NULL)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < s->model_count; i++)
        runs[i] = s->models[i].run;
    vkd_result r = report_write(&(struct report_params){
        .runs = runs, .run_count = s->model_count, .study = path, .html = o->html, .dev = o->dev, .images = 200,
        .log = o->gather.log, .stop = app_stop }, &page);
    free(runs);
    return r;
}

static enum exit_status fit_and_show(struct study_options *o, const struct vkd_study *s)
{
    struct vkd_study_fits f;
    char path[4096];
    struct vkd__why why = { "" };
    enum exit_status status = o->device_status;
    o->fit.protocol = s->protocol_name;
    vkd_result r = vkd_study_fit(&s->table, &o->fit, &f);
    if (r != VKD_OK) {
        app_ended("the fit ended", r);
        return app_status(r);
    }
    if (o->out != NULL && !vkd__json_named(o->out))
        r = vkd__dir_create(o->out, &why);
    if (r != VKD_OK)
        app_error("%s", why.text);
    else if (!find_out(o, path, sizeof path)) {
        app_error("%s: the name is too long", o->out);
        r = VKD_INVALID;
    } else {
        r = vkd_study_save(s, &f, path, &o->gather.log);
    }
    if (r == VKD_OK && o->html != NULL)
        r = write_page(o, s, path);
    if (r != VKD_OK)
        status = app_status(r);
    if (o->app.json) {
        enum exit_status printed = app_print_json(vkd__study_json(s, &f));
        status = status == EXIT_DONE ? printed : status;
    } else {
        char plain[4200];
        study_print(s, &f);
        if (r == VKD_OK)
            printf("%s%s holds all of it%s\n", app_sgr(1, APP_DIM), app_printable(plain, sizeof plain, path),
                   app_sgr(1, APP_PLAIN));
    }
    vkd_study_fits_finish(&f);
    return status;
}

// Where the results go, before the work that is for them.
static enum exit_status check_outputs(const struct study_options *o)
{
    char path[4096];
    struct vkd__why why;
    const bool make = o->out != NULL && !vkd__json_named(o->out);
    const bool fresh = make && vkd__path_kind(o->out, NULL, NULL) == VKD__PATH_NONE;
    if (!find_out(o, path, sizeof path)) {
        app_error("%s: the name is too long", o->out);
        return EXIT_USAGE;
    }
    if (make && vkd__dir_create(o->out, &why) != VKD_OK) {
        app_error("%s", why.text);
        return app_folder_status(o->out);
    }
    enum exit_status status = app_check_output(path);
    if (status != EXIT_DONE && o->out == NULL)
        fprintf(stderr, "--out names another place for study.json.\n");
    if (status == EXIT_DONE && o->html != NULL)
        status = app_check_output(o->html);
    if (fresh)
        vkd__dir_remove_empty(o->out);
    return status;
}

static enum exit_status study(struct study_options *o)
{
    struct vkd_study s;
    app_progress_init(&o->progress);
    o->said = vkd__os_seconds();
    o->gather.dirs = o->dirs;
    o->gather.tasks = o->tasks.list;
    o->gather.task_count = o->tasks.count;
    o->gather.measures = o->measures;
    o->gather.log = o->fit.resample.log = app_log(&o->app);
    o->gather.progress = show;
    o->gather.stop = o->fit.resample.stop = app_stop;
    o->gather.device = o->no_run ? NULL : open_device;
    o->gather.user = o;
    vkd_result r = vkd_study_gather(&o->gather, &s);
    app_progress_clear();
    if (r != VKD_OK) {
        app_ended("the study ended", r);
        if (r == VKD_INTERRUPTED)
            fprintf(stderr, "What was computed is kept; the same command goes on from there.\n");
        return app_status(r);
    }
    enum exit_status status = fit_and_show(o, &s);
    vkd_study_finish(&s);
    return status;
}

// A folder that is given must be there to be read.
static bool is_folder(const char *dir)
{
    struct vkd__why why;
    char **names;
    uint32_t count;
    if (vkd__path_kind(dir, NULL, NULL) != VKD__PATH_DIR) {
        app_error("%s: no such folder", dir);
        return false;
    }
    if (vkd__dir_list(dir, &names, &count, &why) != VKD_OK) {
        app_error("%s", why.text);
        return false;
    }
    free(names);
    return true;
}

enum exit_status cmd_study(int argc, char **argv)
{
    struct study_options o = { .device_status = EXIT_DONE };
    enum exit_status status = EXIT_USAGE;
    app_parse(&cmd_study_argp, argc, argv, &o);
    vkd__os_catch_interrupt();
    bool ok = true;
    for (uint32_t i = 0; ok && i < o.gather.dir_count; i++)
        ok = is_folder(o.dirs[i]);
    if (ok && (o.tasks_file == NULL || app_tasks_read(&o.tasks, o.tasks_file)))
        status = check_outputs(&o);
    else
        ok = false;
    if (ok && status == EXIT_DONE)
        status = study(&o);
    vkd_device_destroy(&o.dev);
    app_tasks_free(&o.tasks);
    free(o.measure_text);
    return status;
}
