// cmd_report.c -- vkdiv report: runs as one page that opens without a network.
#include "apps/vkdiv/report.h"

#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 1024, IMAGES = 200, IMAGES_MAX = 400 };

struct report_options {
    struct app_options app;
    const char *runs[RUNS_MAX];
    uint32_t run_count;
    const char *html, *study;
    uint32_t images;
};

enum { KEY_HTML = 'H', KEY_OUT = 'o', KEY_STUDY = 'S', KEY_IMAGES = 'n' };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct report_options *o = state->input;
    unsigned long n;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_HTML:
    case KEY_OUT:   o->html = arg; return 0;
    case KEY_STUDY: o->study = arg; return 0;
    case KEY_IMAGES:
        o->images = (uint32_t)app_whole(state, "images", arg, 0, IMAGES_MAX);
        return 0;
    case ARGP_KEY_ARG:
        if (o->run_count == RUNS_MAX)
            app_usage(state, "expected at most %d runs", RUNS_MAX);
        for (n = strlen(arg); n > 1 && arg[n - 1] == '/'; n--)
            arg[n - 1] = 0;
        o->runs[o->run_count++] = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        app_usage(state, "expected RUN: the folder of a run");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "study", KEY_STUDY, "STUDY", 0, "show this study too: study.json of `vkdiv study`, or its folder", 0 },
    { "images", KEY_IMAGES, "N", 0, "example images that nearest neighbours are looked for among (200); 0: show no images, and "
      "use no device", 0 },
    { "html", KEY_HTML, "FILE", 0, "where the page goes; else RUN/report.html, of several runs report.html", 0 },
    { NULL, KEY_OUT, NULL, OPTION_ALIAS | OPTION_HIDDEN, NULL, 0 },     // as other commands call what they write
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_report_argp = {
    options, parse, "RUN...", "Writes runs as one page: curves, diversity, transfer, images, manifests.\v"
    "The page is one file that opens without a network. It shows what the folders hold (metrics.jsonl, run.json, "
    "transfer/, diversity.json); diversity of filters is measured where it is missing. What cannot be shown is said in "
    "the page. `vkdiv train` writes RUN/report.html by itself.", children, NULL, NULL
};

static void show(void *user, const char *what)
{
    app_progress_note(user, what);
}

// The device, or NULL where there is none: the page does without.
static vkd_device *open_device(const struct report_options *o)
{
    enum exit_status status;
    return o->images > 0 ? app_open_device(&o->app, &status) : NULL;
}

static enum exit_status print_result(const struct report_options *o, const char *html, const struct report_result *result)
{
    char size[24];
    if (o->app.json)
        return app_print_json(json_pack("{s:i, s:o, s:I, s:i, s:i}", "schema", 1, "html", app_json_text(html), "bytes",
                                        (json_int_t)result->bytes, "runs", (int)result->runs, "notes", (int)result->notes));
    printf("%s: %u run%s, %s; it opens without a network.\n", html, result->runs, result->runs == 1 ? "" : "s",
           app_bytes(size, (double)result->bytes));
    if (result->notes > 0)
        printf("%u thing%s could not be shown; the page says which and why.\n", result->notes, result->notes == 1 ? "" : "s");
    return EXIT_DONE;
}

// Whether all that was to be shown is there: then it was the page that could not be written.
static bool readable(const struct report_options *o)
{
    char path[4096];
    bool any = false;
    for (uint32_t i = 0; i < o->run_count && !any; i++) {
        snprintf(path, sizeof path, "%s/run.json", o->runs[i]);
        any = vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE;
    }
    if (o->study == NULL || !any)
        return any;
    snprintf(path, sizeof path, "%s/study.json", o->study);
    return vkd__path_kind(o->study, NULL, NULL) == VKD__PATH_FILE || vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE;
}

enum exit_status cmd_report(int argc, char **argv)
{
    static struct report_options o = { .images = IMAGES };
    char html[4096];
    struct report_result result;
    struct app_progress progress;
    app_parse(&cmd_report_argp, argc, argv, &o);
    for (uint32_t i = 0; i < o.run_count; i++) {
        if (vkd__path_kind(o.runs[i], NULL, NULL) != VKD__PATH_DIR) {
            app_error("%s: not the folder of a run", o.runs[i]);
            return EXIT_USAGE;
        }
    }
    if (o.html != NULL)
        snprintf(html, sizeof html, "%s", o.html);
    else
        snprintf(html, sizeof html, "%s%sreport.html", o.run_count == 1 ? o.runs[0] : "", o.run_count == 1 ? "/" : "");
    const enum exit_status writable = app_check_output(html);
    if (writable != EXIT_DONE)
        return writable;
    for (uint32_t i = 0; i < o.run_count; i++)
        if (!app_is_run(o.runs[i]))
            return EXIT_USAGE;
    vkd__os_catch_interrupt();
    app_progress_init(&progress);
    vkd_device *dev = open_device(&o);
    vkd_result r = report_write(&(struct report_params){
        .runs = o.runs, .run_count = o.run_count, .study = o.study, .html = html, .dev = dev, .images = o.images,
        .log = app_log(&o.app), .progress = show, .stop = app_stop, .user = &progress }, &result);
    app_progress_clear();
    vkd_device_destroy(&dev);
    if (r == VKD_OK) {
        enum exit_status printed = print_result(&o, html, &result);
        return app_stop(NULL) ? EXIT_STOPPED : printed;
    }
    app_ended("no page was written", r);
    return r == VKD_IO && readable(&o) ? app_output_status(html) : r == VKD_IO ? EXIT_USAGE : app_status(r);
}
