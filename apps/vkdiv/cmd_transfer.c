// cmd_transfer.c -- vkdiv transfer: how well models serve other data.
#include "apps/vkdiv/transfer.h"

#include "engine/run_folder.h"
#include "engine/study/study.h"
#include "engine/suggest.h"
#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_DATA = 'D', KEY_PROTOCOL = 'p', KEY_LAYER = 'l', KEY_METRIC = 'm', KEY_OUT = 'o', KEY_BATCH = 'b', KEY_FORCE = 'f',
       KEY_K = 0x2201, KEY_TEMPERATURE, KEY_PENALTY, KEY_HOLDOUT, KEY_SEED, KEY_SELECT, KEY_LAMBDA, KEY_CACHE, KEY_NO_CACHE,
       KEY_PARTIAL, KEY_CLASS_WEIGHTS, KEY_TASKS = 't' };

// ---- Options -----------------------------------------------------------------------------------

static void add_protocol(struct transfer_options *o, const char *name, size_t length, struct argp_state *state)
{
    const char *names[TRANSFER_PROTOCOLS_MAX], *found = NULL;
    uint32_t count = 0;
    char text[64], list[160] = "";
    snprintf(text, sizeof text, "%.*s", (int)length, name);
    for (const char *n; count < TRANSFER_PROTOCOLS_MAX && (n = vkd_transfer_protocol_at(count)) != NULL; count++) {
        names[count] = n;
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", count > 0 ? ", " : "", n);
        found = strcmp(n, text) == 0 ? n : found;
    }
    const char *near = found == NULL ? vkd__suggest(text, names, count) : NULL;
    if (found == NULL)
        app_usage(state, "--protocol: expected some of %s, found '%s'%s%s%s", list, text, near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "");
    for (uint32_t i = 0; i < o->protocol_count; i++)
        if (o->protocols[i] == found)
            return;
    o->protocols[o->protocol_count++] = found;
}

static void parse_protocols(struct transfer_options *o, const char *arg, struct argp_state *state)
{
    for (const char *at = arg;; at++) {
        const char *end = strchr(at, ',');
        add_protocol(o, at, end != NULL ? (size_t)(end - at) : strlen(at), state);
        if (end == NULL)
            return;
        at = end;
    }
}

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static void parse_penalties(struct transfer_options *o, const char *arg, struct argp_state *state)
{
    o->penalty_count = app_reals(state, "penalty", arg, (struct app_range){ 0, 1e30, true }, o->penalties,
                                 TRANSFER_PENALTIES_MAX);
    qsort(o->penalties, o->penalty_count, sizeof o->penalties[0], descending);
}

static void finish_options(struct transfer_options *o, struct argp_state *state)
{
    if (o->path_count == 0)
        app_usage(state, "expected RUN_OR_CKPT: a run's folder or a .safetensors file");
    if (o->tasks.count == 0 && o->tasks_file == NULL)
        app_usage(state, "expected --data SPEC: idx:DIR, folder:DIR, cifar:DIR or csv:FILE; several times for several tasks; "
                  "or --tasks FILE");
    if (o->lambda != 0 && !o->p.select)
        app_usage(state, "--lambda weighs diversity in a choice: give --select too");
    if (o->cache != NULL && o->no_cache)
        app_usage(state, "--cache and --no-cache exclude each other");
    if (o->protocol_count == 0)
        parse_protocols(o, "knn,linear", state);
    o->p.finetune = o->finetune.p;
    o->p.lambda = o->lambda;
    o->p.penalties = o->penalty_count > 0 ? o->penalties : NULL;
    o->p.penalty_count = o->penalty_count;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct transfer_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        state->child_inputs[3] = &o->finetune;
        return 0;
    case KEY_DATA:
        if (!app_tasks_add(&o->tasks, arg))
            app_usage(state, "expected at most %d times --data", APP_TASKS_MAX);
        return 0;
    case KEY_TASKS:       o->tasks_file = arg; return 0;
    case KEY_PROTOCOL:    parse_protocols(o, arg, state); return 0;
    case KEY_LAYER:       o->p.layer = arg; return 0;
    case KEY_METRIC:      o->p.metric = arg; return 0;
    case KEY_OUT:         o->p.out = arg; return 0;
    case KEY_FORCE:       o->p.force = true; return 0;
    case KEY_SELECT:      o->p.select = true; return 0;
    case KEY_CACHE:       o->cache = arg; return 0;
    case KEY_NO_CACHE:    o->no_cache = true; return 0;
    case KEY_CLASS_WEIGHTS:
        if (strcmp(arg, "none") != 0 && strcmp(arg, "balanced") != 0)
            app_usage(state, "--class-weights: expected none or balanced, found '%s'", arg);
        o->p.class_weights = arg;
        return 0;
    case KEY_PARTIAL:     o->p.partial = true; return 0;
    case KEY_BATCH:       o->p.batch = (uint32_t)app_whole(state, "batch", arg, 1, 65536); return 0;
    case KEY_K:           o->p.k = (uint32_t)app_whole(state, "k", arg, 1, 1 << 20); return 0;
    case KEY_SEED:        o->p.seed = app_whole(state, "seed", arg, 0, INT64_MAX); return 0;
    case KEY_TEMPERATURE: o->p.temperature = app_real(state, "temperature", arg, (struct app_range){ 0, 1e6, true }); return 0;
    case KEY_HOLDOUT:     o->p.holdout = app_real(state, "holdout", arg, (struct app_range){ 0, 1, true }); return 0;
    case KEY_LAMBDA:      o->lambda = app_real(state, "lambda", arg, (struct app_range){ -1e6, 1e6, true }); return 0;
    case KEY_PENALTY:     parse_penalties(o, arg, state); return 0;
    case ARGP_KEY_END:    finish_options(o, state); return 0;
    case ARGP_KEY_ARG:
        if (o->path_count == TRANSFER_MODELS_MAX)
            app_usage(state, "expected at most %d models", TRANSFER_MODELS_MAX);
        o->paths[o->path_count++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "data", KEY_DATA, "SPEC", 0, "a task: idx:DIR, folder:DIR, cifar:DIR or csv:FILE; may be given several times", 0 },
    { "tasks", KEY_TASKS, "FILE", 0, "tasks from a file, beside those of --data: " APP_TASKS_FORMAT, 0 },
    { "protocol", KEY_PROTOCOL, "NAME,...", 0, "some of knn, linear, finetune; knn,linear is the default", 0 },
    { "layer", KEY_LAYER, "NAME", 0, "transfer a module's output, averaged over the image, as layer3 or features.7; else what "
      "stands before the classifier", 0 },
    { "metric", KEY_METRIC, "NAME", 0, "what tasks are measured and regularisation is chosen by: top1 (the default) or "
      "mean_per_class, which counts rare classes as much as frequent ones; of several labels an image map (the default) or map11",
      0 },
    { "select", KEY_SELECT, NULL, 0, "choose checkpoint, layer and regularisation of a run on validation data", 0 },
    { "lambda", KEY_LAMBDA, "X", 0, "of --select: weight of log(RankMe, as the ratio to untrained networks at that layer) beside "
      "the log-odds of validation (0: validation alone, for no other weight is known to choose better)", 0 },
    { "k", KEY_K, "N", 0, "knn: neighbours (20)", 1 },
    { "temperature", KEY_TEMPERATURE, "T", 0, "knn: a vote weighs e^(cosine / T) (0.07)", 1 },
    { "penalty", KEY_PENALTY, "X,...", 0, "linear: L2 penalties to choose from (45 from 1e-6 to 1e5)", 1 },
    { "class-weights", KEY_CLASS_WEIGHTS, "HOW", 0, "linear, finetune: none, or balanced: classes weigh the same in what is "
      "learnt, however many images they have (none)", 1 },
    { "holdout", KEY_HOLDOUT, "SHARE", 0, "of train, for validation, where a set has no val (0.2)", 1 },
    { "seed", KEY_SEED, "N", 0, "of what is held out, and of intervals and tests (0)", 1 },
    { "out", KEY_OUT, "DIR", 0, "keep results in DIR/transfer, not in the run's folder", 2 },
    { "force", KEY_FORCE, NULL, 0, "work even where there is a result already, and make features again", 2 },
    { "partial", KEY_PARTIAL, NULL, 0, "take files that have other tensors besides the model's, or no classifier", 2 },
    { "cache", KEY_CACHE, "DIR", 0, "keep features there, not in DIR/features of the results", 2 },
    { "no-cache", KEY_NO_CACHE, NULL, 0, "keep features in memory alone", 2 },
    { "batch", KEY_BATCH, "N", 0, "images at a time", 2 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 3 }, { &app_json_argp, 0, NULL, 3 }, { &app_log_argp, 0, NULL, 3 },
    { &app_finetune_argp, 0, "Fine-tuning trains the whole model, once for each pair of a learning rate and a weight decay:", 2 },
    { 0 },
};
const struct argp cmd_transfer_argp = {
    options, parse, "RUN_OR_CKPT...",
    "Measures how well what models have learnt serves other data: features are made once, then classified by nearest "
    "neighbours and by logistic regression. Or the whole model is trained further.\v"
    "A model is a run's folder (its last weights; its best where it chose them on a split val), or the safetensors file "
    "of a ResNet-18, -34, -50 or MobileNetV2 in the names of torchvision or timm. Results are kept in RUN/transfer and "
    "taken from there the next time; those of a bare file need --out. Intervals are bootstrap ones of 95 % over test "
    "images. Several models are compared by a paired permutation test.\n\n"
    "Examples:\n"
    "  vkdiv transfer runs/simclr --data 'idx:DIR?classes=6-9' --data 'idx:DIR?collage=2'\n"
    "  vkdiv transfer runs/a runs/b --data folder:pets --protocol linear\n"
    "  vkdiv transfer runs/simclr --data folder:pets --select --lambda 0.5",
    children, NULL, NULL
};

// ---- Work --------------------------------------------------------------------------------------

static void show_work(void *user, const char *what, uint32_t done, uint32_t of)
{
    struct transfer_work *w = user;
    char text[200];
    snprintf(text, sizeof text, "%u/%u %s", w->number, w->total, what);
    app_progress_work(&w->progress, text, done, of);
}

// The features of one model: in files where results go, unless the options say otherwise.
static vkd_result open_cache(const struct transfer_options *o, const char *model, vkd_feature_cache **out)
{
    char folder[4096];
    const char *at = o->p.out != NULL ? o->p.out : vkd__path_kind(model, NULL, NULL) == VKD__PATH_DIR ? model : NULL;
    snprintf(folder, sizeof folder, "%s/features", at != NULL ? at : "");
    return vkd_feature_cache_create(&(struct vkd_feature_cache_params){
        .folder = o->no_cache ? NULL : o->cache != NULL ? o->cache : at != NULL ? folder : NULL, .fresh = o->p.force,
        .log = app_log(&o->app) }, out);
}

static vkd_result transfer_model(struct transfer_work *w, uint32_t model)
{
    const struct transfer_options *o = w->o;
    vkd_feature_cache *cache = NULL;
    vkd_result r = open_cache(o, o->paths[model], &cache);
    for (uint32_t d = 0; r == VKD_OK && d < o->data_count; d++) {
        for (uint32_t k = 0; r == VKD_OK && k < o->protocol_count; k++) {
            struct vkd_transfer_params p = o->p;
            struct vkd_transfer_result *out = transfer_at(w, model, d, k);
            p.model = o->paths[model];
            p.data = o->data[d];
            p.metric = o->metrics[d] != NULL ? o->metrics[d] : p.metric;
            p.protocol = o->protocols[k];
            p.cache = cache;
            p.progress = show_work;
            p.stop = app_stop;
            p.user = w;
            w->number++;
            r = vkd_transfer(w->dev, &p, out);
            app_progress_clear();
            if (r == VKD_OK && !o->app.json)
                transfer_print_row(w, model, d, k);
        }
    }
    vkd_feature_cache_destroy(&cache);
    return r;
}

static enum exit_status transfer_all(struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    vkd_result r = VKD_OK;
    for (uint32_t m = 0; r == VKD_OK && m < o->path_count; m++)
        r = transfer_model(w, m);
    if (r != VKD_OK) {
        app_ended("transfer ended", r);
        if (r == VKD_INTERRUPTED && !o->no_cache)
            fprintf(stderr, "What was computed is kept; the same command goes on from there.\n");
        return r == VKD_IO && o->p.out != NULL ? app_folder_status(o->p.out) : app_status(r);
    }
    if (o->app.json)
        return transfer_print_json(w);
    transfer_print_end(w);
    return EXIT_DONE;
}

static void pass_errors(void *user, enum vkd_log_level level, const char *text)
{
    const struct vkd_log *log = user;
    if (level == VKD_LOG_ERROR)
        log->fn(log->user, level, text);
}

// Where results and features go must take files.
static enum exit_status check_folder(const char *dir)
{
    struct vkd__why why;
    vkd_result r = vkd__results_check(dir, &why);
    if (r == VKD_OK)
        return EXIT_DONE;
    app_error("%s; name a folder for results with --out", why.text);
    return r == VKD_IO ? app_folder_status(dir) : app_status(r);
}

// Reads what is given before any of the work, which may be long: what is wrong with it is wrong usage, and what cannot
// be read or written later is a failure. Warnings are left to the work.
static enum exit_status check_input(const struct transfer_options *o)
{
    struct vkd_log all = app_log(&o->app);
    const struct vkd_log log = { pass_errors, &all }, quiet = app_log_quiet();
    vkd_result r = VKD_OK;
    for (uint32_t m = 0; m < o->path_count; m++) {
        const enum vkd__path_kind kind = vkd__path_kind(o->paths[m], NULL, NULL);
        if (kind == VKD__PATH_NONE) {
            app_error("%s: no such run or file", o->paths[m]);
            return EXIT_USAGE;
        }
        if (kind == VKD__PATH_DIR && !app_is_run(o->paths[m]))
            return EXIT_USAGE;
        const char *dir = o->p.out != NULL ? o->p.out : kind == VKD__PATH_DIR ? o->paths[m] : NULL;
        const enum exit_status status = dir != NULL ? check_folder(dir) : EXIT_DONE;
        if (status != EXIT_DONE)
            return status;
    }
    const uint32_t tasks = o->data_count * o->protocol_count;
    for (uint32_t i = 0; r == VKD_OK && i < o->path_count * tasks; i++) {
        struct vkd_transfer_params p = o->p;
        p.model = o->paths[i / tasks];
        p.data = o->data[i % tasks / o->protocol_count];
        p.metric = o->metrics[i % tasks / o->protocol_count] != NULL ? o->metrics[i % tasks / o->protocol_count] : p.metric;
        p.protocol = o->protocols[i % o->protocol_count];
        r = vkd_transfer_check(&p, &log);
        p.partial = true;
        if (r == VKD_FORMAT && !o->p.partial && vkd_transfer_check(&p, &quiet) == VKD_OK)
            fprintf(stderr, "--partial takes a model whose file has other tensors besides, or no classifier.\n");
    }
    if (r == VKD_OK)
        return EXIT_DONE;
    app_ended("transfer ended", r);
    return r == VKD_IO ? EXIT_USAGE : app_status(r);
}

// The tasks of --data and of --tasks whose sets are there.
static enum exit_status find_tasks(struct transfer_options *o)
{
    const uint32_t given = o->tasks.count;
    if (o->tasks_file != NULL && !app_tasks_read(&o->tasks, o->tasks_file))
        return EXIT_USAGE;
    for (uint32_t i = 0; i < o->tasks.count; i++) {
        const struct vkd_study_task *t = &o->tasks.list[i];
        if (i >= given && !vkd__study_data_exist(t->data)) {
            fprintf(stderr, "%s is left out: its files are not there\n", t->data);
            continue;
        }
        o->metrics[o->data_count] = t->metric;
        o->data[o->data_count++] = t->data;
    }
    if (o->data_count > 0)
        return EXIT_DONE;
    app_error("%s: none of its sets is there", o->tasks_file);
    return EXIT_USAGE;
}

enum exit_status cmd_transfer(int argc, char **argv)
{
    static struct transfer_options o;
    enum exit_status status;
    app_parse(&cmd_transfer_argp, argc, argv, &o);
    status = find_tasks(&o);
    if (status == EXIT_DONE)
        status = check_input(&o);
    if (status != EXIT_DONE) {
        app_tasks_free(&o.tasks);
        return status;
    }
    struct transfer_work w = { .o = &o, .total = o.path_count * o.data_count * o.protocol_count };
    w.results = calloc(w.total, sizeof *w.results);
    if (w.results == NULL)
        return app_status(VKD_NO_MEMORY);
    w.dev = app_open_device(&o.app, &status);
    if (w.dev != NULL) {
        app_progress_init(&w.progress);
        vkd__os_catch_interrupt();
        status = transfer_all(&w);
    }
    for (uint32_t i = 0; i < w.total; i++)
        vkd_transfer_finish(&w.results[i]);
    free(w.results);
    vkd_device_destroy(&w.dev);
    app_tasks_free(&o.tasks);
    return status;
}
