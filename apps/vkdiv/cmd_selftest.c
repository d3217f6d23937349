// cmd_selftest.c -- vkdiv selftest: what a device and its driver do right, each probe in a process of its own.
#include "apps/selftest/selftest.h"

#include "engine/json.h"
#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct selftest_options {
    struct app_options app;
    struct selftest_choice choice;
    bool list, diff;
    const char *files[2];
    uint32_t file_count, patience;
    const char *output, *markdown, *probe, *scratch;
};

enum { KEY_OUT = 'o', KEY_FILTER = 'f', KEY_QUICK = 'q', KEY_LIST = 'l', KEY_DIFF = 0x2001, KEY_MARKDOWN, KEY_PATIENCE,
       KEY_PROBE, KEY_SCRATCH };

static void check(const struct selftest_options *o, const struct argp_state *state)
{
    if (o->diff && o->file_count != 2)
        app_usage(state, "--diff compares two files that -o or --json wrote: expected A.json B.json");
    if (!o->diff && o->file_count)
        app_usage(state, "unexpected argument '%s'", o->files[0]);
    if (o->diff && (o->output != NULL || o->markdown != NULL || o->list))
        app_usage(state, "--diff takes no other option than --json");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct selftest_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 4; i++)
            state->child_inputs[i] = i < 3 ? (void *)&o->app : (void *)o;
        return 0;
    case KEY_OUT:      o->output = arg; return 0;
    case KEY_FILTER:   o->choice.filter = arg; return 0;
    case KEY_QUICK:    o->choice.quick = true; return 0;
    case KEY_LIST:     o->list = true; return 0;
    case KEY_DIFF:     o->diff = true; return 0;
    case KEY_MARKDOWN: o->markdown = arg; return 0;
    case KEY_PATIENCE: o->patience = (uint32_t)app_whole(state, "patience", arg, 1, 86400); return 0;
    case ARGP_KEY_ARG:
        if (o->file_count == 2)
            app_usage(state, "unexpected argument '%s'", arg);
        o->files[o->file_count++] = arg;
        return 0;
    case ARGP_KEY_END: check(o, state); return 0;
    default:           return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_hidden(int key, char *arg, struct argp_state *state)
{
    struct selftest_options *o = state->input;
    switch (key) {
    case KEY_PROBE:   o->probe = arg; return 0;
    case KEY_SCRATCH: o->scratch = arg; return 0;
    default:          return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "quick", KEY_QUICK, NULL, 0, "leave out what takes long", 0 },
    { "filter", KEY_FILTER, "PATTERN", 0, "only the probes whose names match: 'ops.*', 'traps.barriers', or a part: ops", 0 },
    { "list", KEY_LIST, NULL, 0, "list the probes, and run none", 0 },
    { "output", KEY_OUT, "FILE", 0, "write the JSON document there, too", 0 },
    { "markdown", KEY_MARKDOWN, "FILE", 0, "write the result as a page of Markdown", 0 },
    { "patience", KEY_PATIENCE, "SECONDS", 0, "without a sign of life, after which a probe's process is ended (120, or as the "
      "probe says)", 0 },
    { "diff", KEY_DIFF, NULL, 0, "compare two documents: what changed its verdict, what takes 1.5 times as long. Exit status 1 "
      "when something got worse", 0 },
    { 0 },
};
// What the program runs itself with.
static const struct argp_option hidden_options[] = {
    { "probe", KEY_PROBE, "NAME", OPTION_HIDDEN, "run one probe in this process", 0 },
    { "scratch", KEY_SCRATCH, "DIR", OPTION_HIDDEN, "where it may write files", 0 }, { 0 },
};
static const struct argp hidden_argp = { .options = hidden_options, .parser = parse_hidden };
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 },
    { &hidden_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_selftest_argp = {
    options, parse, "[A.json B.json]", "Finds out what a device and its driver do right.\vEach probe runs in a process of its own: "
    "a driver that crashes or hangs costs one row. A probe passes; or falls back: results are right, but a faster or "
    "larger way is closed, and the row says why; or is skipped, for the reason in its row; or fails, which is the only "
    "verdict that makes the exit status 1. Every operation is held against its definition in double precision.", children, NULL,
    NULL
};

// ---- Running -----------------------------------------------------------------------------------

struct live { struct app_progress progress; const char *name; uint32_t done, count; double shown; };

static void show(void *user, const char *what)
{
    struct live *l = user;
    char text[512];
    double now = vkd__os_seconds();
    if (!l->progress.terminal || (what[0] && now - l->shown < 0.1))
        return;
    l->shown = now;
    snprintf(text, sizeof text, "%s%s%s", l->name, what[0] ? ": " : "", what);
    app_progress_work(&l->progress, text, l->done, l->count);
}

// Calls `found` for each chosen probe, and always for the first, which tells what device it is.
static uint32_t each(const struct selftest_choice *c, bool (*found)(void *user, const struct selftest_part *part,
                                                                    const struct selftest_probe *p), void *user)
{
    const struct selftest_part *part;
    struct selftest_probe p;
    uint32_t count = 0;
    for (uint32_t i = 0; (part = selftest_part_at(i)) != NULL; i++)
        for (uint32_t k = 0; selftest_probe_at(part, k, &p); k++)
            if ((i == 0 && k == 0) || selftest_chosen(c, part, &p)) {
                count++;
                if (found != NULL && !found(user, part, &p))
                    return count;
            }
    return count;
}

struct session {
    const struct selftest_options *o;
    struct selftest_command command;
    struct live live;
    const struct selftest_part *part;   // the last one printed
    json_t *rows;
    bool no_device, broken;
};

static bool run_one(void *user, const struct selftest_part *part, const struct selftest_probe *p)
{
    struct session *s = user;
    char name[SELFTEST_NAME_MAX];
    s->live.name = selftest_name(name, part, p);
    show(&s->live, "");
    json_t *row = selftest_process(&s->command, name, p->patience, &s->no_device);
    app_progress_clear();
    s->live.done++;
    s->no_device = s->no_device && json_array_size(s->rows) == 0;
    if (row == NULL || s->no_device || app_stop(NULL)) {
        s->broken = row == NULL;
        if (s->no_device)
            app_error("%s", json_string_value(json_object_get(row, "detail")));
        json_decref(row);
        return false;
    }
    if (!s->o->app.json) {
        if (s->part != part)
            printf("%s%s%s\n", app_sgr(1, APP_BOLD), part->title, app_sgr(1, APP_PLAIN));
        selftest_print_row(stdout, row);
        fflush(stdout);
        s->part = part;
    }
    json_array_append_new(s->rows, row);
    return true;
}

static enum exit_status write_results(const struct selftest_options *o, json_t *doc)
{
    const struct vkd_log log = app_log(&o->app);
    enum exit_status status = strcmp(json_string_value(json_object_get(doc, "verdict")), "fail") ? EXIT_DONE : EXIT_FAILED;
    if (app_stop(NULL))
        status = EXIT_STOPPED;
    if (o->output != NULL && vkd__json_save(o->output, doc, &log, VKD_LOG_ERROR) != VKD_OK)
        status = EXIT_FAILED;
    if (o->markdown != NULL && !selftest_write_markdown(o->markdown, doc))
        status = EXIT_FAILED;
    if (!o->app.json)
        selftest_print_summary(stdout, doc);
    else if (app_print_json(json_incref(doc)) != EXIT_DONE)
        status = EXIT_FAILED;
    return status;
}

static enum exit_status run_all(const struct selftest_options *o)
{
    char program[4096];
    vkd__os_program_path(program, sizeof program);
    if (program[0] == 0) {
        app_error("the system does not tell where this program is, which runs itself for each probe");
        return EXIT_FAILED;
    }
    struct vkd_device_params params;
    if (!app_device_params(&o->app, &params))           // once, and not by each probe
        return EXIT_USAGE;
    struct session s = { .o = o, .rows = json_array() };
    s.command = (struct selftest_command){ .program = program, .app = &o->app, .quick = o->choice.quick,
                                           .patience = o->patience, .at = show, .user = &s.live };
    app_progress_init(&s.live.progress);
    s.live.count = each(&o->choice, NULL, NULL);
    vkd__os_catch_interrupt();
    double begin = vkd__os_seconds();
    each(&o->choice, run_one, &s);
    const uint32_t done = (uint32_t)json_array_size(s.rows);
    bool stopped = app_stop(NULL) && done < s.live.count;
    if (s.no_device || s.broken || (stopped && done == 0)) {
        json_decref(s.rows);
        return s.no_device ? EXIT_NO_DEVICE : stopped ? EXIT_STOPPED : EXIT_FAILED;
    }
    json_t *doc = selftest_document(s.rows, &o->choice, vkd__os_seconds() - begin, stopped);
    enum exit_status status = doc != NULL ? write_results(o, doc) : EXIT_FAILED;
    if (stopped && status == EXIT_STOPPED)
        app_error("stopped after %u of %u probes%s%s", done, s.live.count, o->output ? ", which are kept in " : "",
                  o->output ? o->output : "");
    json_decref(doc);
    return status;
}

// ---- The rest ----------------------------------------------------------------------------------

static bool list_one(void *user, const struct selftest_part *part, const struct selftest_probe *p)
{
    char name[SELFTEST_NAME_MAX];
    json_t *list = user;
    selftest_name(name, part, p);
    if (list != NULL)
        json_array_append_new(list, json_pack("{s:s, s:s, s:b}", "name", name, "about", p->about, "quick", !p->slow));
    else
        printf("%-30s %s%s\n", name, p->about, p->slow ? " (not with --quick)" : "");
    return true;
}

static enum exit_status list(const struct selftest_options *o)
{
    json_t *rows = o->app.json ? json_array() : NULL;
    each(&o->choice, list_one, rows);
    return rows == NULL ? EXIT_DONE : app_print_json(json_pack("{s:i, s:o}", "schema", SELFTEST_SCHEMA, "probes", rows));
}

// A document that this command wrote, or NULL after a message.
static json_t *load(const char *path)
{
    struct vkd__why why = { "" };
    json_t *doc = vkd__json_load(path, &why);
    json_int_t schema = json_integer_value(json_object_get(doc, "schema"));
    if (doc == NULL)
        app_error("%s: %s", path, why.text[0] ? why.text : "there is no such file");
    else if (schema == SELFTEST_SCHEMA && json_is_array(json_object_get(doc, "probes")))
        return doc;
    else
        app_error("%s: expected a document of `vkdiv selftest` with \"schema\": %d and \"probes\", found schema %lld", path,
                  SELFTEST_SCHEMA, (long long)schema);
    json_decref(doc);
    return NULL;
}

static enum exit_status diff(const struct selftest_options *o)
{
    json_t *a = load(o->files[0]), *b = a != NULL ? load(o->files[1]) : NULL;
    enum exit_status status = EXIT_USAGE;
    bool worse;
    if (b != NULL) {
        selftest_diff(a, b, o->app.json, &worse);
        status = worse ? EXIT_FAILED : EXIT_DONE;
    }
    json_decref(a);
    json_decref(b);
    return status;
}

enum exit_status cmd_selftest(int argc, char **argv)
{
    struct selftest_options o = { 0 };
    app_parse(&cmd_selftest_argp, argc, argv, &o);
    if (o.probe != NULL)
        return selftest_child(&o.app, o.choice.quick, o.probe, o.scratch != NULL ? o.scratch : "");
    if (o.diff)
        return diff(&o);
    if (o.choice.filter != NULL && each(&o.choice, NULL, NULL) <= 1) {
        const struct selftest_part *first = selftest_part_at(0);
        struct selftest_probe p;
        if (!selftest_probe_at(first, 0, &p) || !selftest_chosen(&o.choice, first, &p)) {
            app_error("no probe matches '%s'%s; `vkdiv selftest --list` shows their names", o.choice.filter,
                      o.choice.quick ? " without those that --quick leaves out" : "");
            return EXIT_USAGE;
        }
    }
    if (o.list)
        return list(&o);
    for (int i = 0; i < 2; i++) {
        const char *path = i == 0 ? o.output : o.markdown;
        enum exit_status status = path != NULL ? app_check_output(path) : EXIT_DONE;
        if (status != EXIT_DONE)
            return status;
    }
    return run_all(&o);
}
