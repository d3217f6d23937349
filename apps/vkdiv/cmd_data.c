// cmd_data.c -- vkdiv data: what a data set holds, which of its images are broken, and what training sees of them.
#include "apps/vkdiv/app.h"

#include "engine/suggest.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct data_options {
    struct app_options app;
    const char *action, *spec;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static const char *const actions[] = { "info", "check", "preview" };
    struct data_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->child_inputs[1] = &o->app;
        return 0;
    case ARGP_KEY_ARG:
        if (o->action == NULL && strcmp(arg, "info") != 0 && strcmp(arg, "check") != 0) {
            if (strcmp(arg, "preview") == 0)
                app_usage(state, "preview stands before its options: vkdiv data preview SPEC [OPTION...]");
            const char *near = vkd__suggest(arg, actions, 3);
            app_usage(state, "expected info, check or preview, found '%s'%s%s%s", arg, near ? "; did you mean '" : "",
                      near ? near : "", near ? "'?" : "");
        }
        if (o->spec != NULL)
            app_usage(state, "unexpected argument '%s'", arg);
        if (o->action == NULL)
            o->action = arg;
        else
            o->spec = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->spec == NULL)
            app_usage(state, "expected info, check or preview, and a SPEC: idx:DIR, folder:DIR, cifar:DIR or csv:FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = { { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 } };
const struct argp cmd_data_argp = {
    NULL, parse, "info SPEC\ncheck SPEC\npreview SPEC [OPTION...]", "Looks at a data set: `info` counts, `check` decodes "
    "every image and lists the broken ones, `preview` draws the views that training sees "
    "(`vkdiv data preview --help`).\vSPEC is one of\n"
    "  idx:DIR     MNIST-style files\n"
    "  folder:DIR  a folder per class; train/, val/ and test/ if present; images\n"
    "              directly in DIR have no labels\n"
    "  cifar:DIR   binary batches\n"
    "  csv:FILE    several labels an image: lines of path,split,group,labels below\n"
    "              a header that says so (split and group may be left out)\n"
    "  noise:1024x32x3x10  so many images of random bytes, made as they are read:\n"
    "              side, channels, classes; for timing\n\n"
    "In a csv file paths are relative to its folder. Labels are separated by ';' or '|'; none is an image that shows no "
    "class, '?name' a class of which nothing is known, '?' alone every class that is not named.\n\n"
    "Options follow a '?', as in idx:DIR?classes=0-5&limit=1000\n"
    "  split=NAME     train, val or test; all: a whole set that is not divided\n"
    "  holdout=0.1    divides such a set: a tenth of each class is its test split\n"
    "  classes=0-5,8  these alone, by their order\n"
    "  limit=N        so many images in all, balanced by class\n"
    "  train_limit=N  the same of the split train alone\n"
    "  shuffle_labels=SEED\n"
    "                 deals train's labels out anew among its images: a control\n"
    "  size=N         larger short sides are scaled down to N\n"
    "  collage=2      2 x 2 images put together, with the labels of all four; size\n"
    "                 is then a tile's side",
    children, NULL, NULL
};

static const char *const splits[] = { "train", "val", "test" };
enum { SPLIT_COUNT = 3 };

static vkd_result open_split(const struct data_options *o, int i, struct vkd_log log, vkd_dataset **out)
{
    struct vkd_dataset_params p = { .spec = o->spec, .split = splits[i], .log = log };
    return vkd_dataset_open(&p, out);
}

// Errors are no news while it is found out which splits there are.
static void pass_warnings(void *user, enum vkd_log_level level, const char *text)
{
    const struct vkd_log *aloud = user;
    if (level == VKD_LOG_WARNING)
        aloud->fn(aloud->user, level, text);
}

static bool has_option(const char *spec, const char *option)
{
    const char *at = strstr(spec, option);
    while (at != NULL && (at == spec || (at[-1] != '?' && at[-1] != '&')))
        at = strstr(at + 1, option);
    return at != NULL;
}

// Opens the splits that `spec` has; true when there is one. A split that is there and cannot be read is
// said, and makes *status that of bad input.
static bool open_splits(const struct data_options *o, vkd_dataset *sets[SPLIT_COUNT], enum exit_status *status)
{
    bool named = has_option(o->spec, "split="), divided = has_option(o->spec, "holdout="), any = false;
    struct vkd_log aloud = app_log(&o->app), warnings = { .fn = pass_warnings, .user = &aloud };
    vkd_result results[SPLIT_COUNT] = { VKD_INVALID, VKD_INVALID, VKD_INVALID };
    for (int i = 0; i < SPLIT_COUNT && !(named && i > 0); i++) {
        results[i] = open_split(o, i, warnings, &sets[i]);
        any |= results[i] == VKD_OK;
    }
    *status = EXIT_DONE;
    for (int i = 0; i < SPLIT_COUNT; i++) {
        // VKD_INVALID beside a split that is there: the set has no split of this name, unless a part of it should be one.
        bool promised = divided && !named && strcmp(splits[i], "test") == 0;
        if (results[i] == VKD_OK || (any ? results[i] == VKD_INVALID && !promised : i > 0))
            continue;
        vkd_dataset *d = NULL;
        vkd_result r = open_split(o, i, aloud, &d);      // once more
        vkd_dataset_close(&d);
        *status = r == VKD_NO_MEMORY ? EXIT_FAILED : EXIT_USAGE;
    }
    return any;
}

// Images of which nothing is known of a class, by class (calloc'd; NULL when memory is out), and those without any label.
static uint32_t *count_unknown(const vkd_dataset *d, uint32_t *unlabelled)
{
    const struct vkd_dataset_info *n = vkd_dataset_info(d);
    uint32_t *unknown = calloc(n->classes + 1u, sizeof *unknown);
    float *row = calloc(n->classes + 4u, sizeof *row);
    *unlabelled = 0;
    for (uint32_t i = 0; unknown != NULL && row != NULL && n->classes > 0 && i < n->count; i++) {
        uint32_t known = n->classes;
        vkd_dataset_targets(d, i, row);
        for (uint32_t c = 0; c < n->classes; c++)
            if (row[c] == VKD_TARGET_UNKNOWN) {
                unknown[c]++;
                known--;
            }
        *unlabelled += known == 0;
    }
    free(row);
    return unknown;
}

static json_t *info_json(const vkd_dataset *d)
{
    uint32_t unlabelled, *unknown = count_unknown(d, &unlabelled);
    const struct vkd_dataset_info *n = vkd_dataset_info(d);
    char print[24];
    snprintf(print, sizeof print, "%016llx", (unsigned long long)n->fingerprint);
    json_t *classes = json_array();
    for (uint32_t i = 0; i < n->classes; i++)
        json_array_append_new(classes, json_pack("{s:o, s:i, s:i}", "name", app_json_text(vkd_dataset_class_name(d, i)),
                                                 "count", (int)vkd_dataset_class_size(d, i), "unknown",
                                                 unknown ? (int)unknown[i] : 0));
    free(unknown);
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:s, s:b, s:o}", "format", n->format, "split", n->split,
                     "count", (int)n->count, "unlabelled", (int)(n->classes > 0 ? unlabelled : n->count), "channels",
                     (int)n->channels, "height", (int)n->height, "width", (int)n->width, "fingerprint", print,
                     "multi_label", (int)n->multi_label, "classes", classes);
}

// Of sets that may hold images of many sizes, that of the first.
static void write_size(const vkd_dataset *d, char *text, size_t size)
{
    const struct vkd_dataset_info *n = vkd_dataset_info(d);
    struct vkd_image image;
    char why[512];
    if (n->height > 0)
        snprintf(text, size, "of %u x %u pixels", n->width, n->height);
    else if (vkd_dataset_decode(d, 0, 0, 0, &image, why, sizeof why) != VKD_OK)
        snprintf(text, size, "(the first cannot be read)");
    else {
        snprintf(text, size, n->count > 1 ? "(the first of %u x %u pixels)" : "of %u x %u pixels", image.width, image.height);
        vkd_image_finish(&image);
    }
}

static void print_info(const vkd_dataset *d)
{
    const struct vkd_dataset_info *n = vkd_dataset_info(d);
    char size[64], classes[48] = "without labels", name[1024];
    write_size(d, size, sizeof size);
    if (n->classes > 0)
        snprintf(classes, sizeof classes, "%s %u class%s", n->multi_label ? "with targets for" : "in", n->classes,
                 n->classes > 1 ? "es" : "");
    printf("%s%s%s: %u %s image%s %s %s (%s, fingerprint %016llx)\n", app_sgr(1, APP_BOLD), n->split,
           app_sgr(1, APP_PLAIN), n->count, n->channels == 1 ? "grey" : "colour", n->count > 1 ? "s" : "", size, classes,
           n->format, (unsigned long long)n->fingerprint);
    uint32_t unlabelled, *unknown = count_unknown(d, &unlabelled);
    for (uint32_t i = 0; i < n->classes; i++) {
        printf("  %6u  %s", vkd_dataset_class_size(d, i), app_printable(name, sizeof name, vkd_dataset_class_name(d, i)));
        if (unknown != NULL && unknown[i] > unlabelled)
            printf(" (of %u more nothing is known)", unknown[i] - unlabelled);
        putchar('\n');
    }
    if (unlabelled > 0)
        printf("  %6u  image%s without any label\n", unlabelled, unlabelled == 1 ? "" : "s");
    free(unknown);
}

static enum exit_status info(const struct data_options *o, vkd_dataset *const sets[SPLIT_COUNT])
{
    json_t *list = json_array();
    for (int i = 0; i < SPLIT_COUNT; i++)
        if (sets[i] != NULL && o->app.json)
            json_array_append_new(list, info_json(sets[i]));
        else if (sets[i] != NULL)
            print_info(sets[i]);
    if (o->app.json)
        return app_print_json(json_pack("{s:i, s:o, s:o}", "schema", 1, "data", app_json_text(o->spec),
                                        "splits", list));
    json_decref(list);
    return EXIT_DONE;
}

// Decodes every image of `d`, adds a row per broken one to `bad` and says how many were read.
static uint32_t check_split(const struct data_options *o, const vkd_dataset *d, struct app_progress *bar, json_t *bad)
{
    const struct vkd_dataset_info *n = vkd_dataset_info(d);
    double start = vkd__os_seconds(), shown = start;
    uint32_t i = 0;
    for (; i < n->count && !vkd__os_interrupted(); i++) {
        struct vkd_image image;
        char why[512], name[512], text[2048];
        if (vkd_dataset_decode(d, i, 0, 0, &image, why, sizeof why) == VKD_OK) {
            vkd_image_finish(&image);
        } else {
            vkd_dataset_name(d, i, name, sizeof name);
            json_array_append_new(bad, json_pack("{s:s, s:i, s:o, s:o}", "split", n->split, "index", (int)i,
                                                 "name", app_json_text(name), "why", app_json_text(why)));
            app_progress_clear();
            if (!o->app.json)
                puts(app_printable(text, sizeof text, why));    // names the file itself
        }
        double now = vkd__os_seconds();
        if (now - shown > 0.1) {
            struct vkd_progress p = { .event = VKD_PROGRESS_EVAL_BATCH, .batch = i + 1, .batch_count = n->count,
                                      .images_per_second = (i + 1) / (now - start), .seconds = now - start };
            app_progress_show(bar, &p);
            shown = now;
        }
    }
    app_progress_clear();
    return i;
}

static enum exit_status check(const struct data_options *o, vkd_dataset *const sets[SPLIT_COUNT])
{
    struct app_progress bar;
    app_progress_init(&bar);
    vkd__os_catch_interrupt();
    json_t *bad = json_array();
    uint32_t read = 0;
    for (int i = 0; i < SPLIT_COUNT; i++)
        if (sets[i] != NULL)
            read += check_split(o, sets[i], &bar, bad);
    uint32_t broken = (uint32_t)json_array_size(bad);
    enum exit_status status = vkd__os_interrupted() ? EXIT_STOPPED : broken > 0 ? EXIT_USAGE : EXIT_DONE;
    if (o->app.json) {
        enum exit_status written = app_print_json(json_pack("{s:i, s:o, s:i, s:o}", "schema", 1, "data",
                                                            app_json_text(o->spec), "count", (int)read, "broken", bad));
        return written != EXIT_DONE ? written : status;
    }
    json_decref(bad);
    printf("%u image%s read, %u broken%s\n", read, read == 1 ? "" : "s", broken, status == EXIT_STOPPED ? " (stopped)" : "");
    return status;
}

enum exit_status cmd_data(int argc, char **argv)
{
    struct data_options o = { 0 };
    app_parse(&cmd_data_argp, argc, argv, &o);
    vkd_dataset *sets[SPLIT_COUNT] = { NULL };
    enum exit_status status = EXIT_USAGE;
    if (open_splits(&o, sets, &status)) {
        enum exit_status done = strcmp(o.action, "info") == 0 ? info(&o, sets) : check(&o, sets);
        status = done != EXIT_DONE ? done : status;
    }
    for (int i = 0; i < SPLIT_COUNT; i++)
        vkd_dataset_close(&sets[i]);
    return status;
}
