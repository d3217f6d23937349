// app.c -- options, messages, the device and JSON for every subcommand.
#include "apps/vkdiv/app.h"

#include "engine/json.h"
#include "engine/suggest.h"
#include "runtime/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vkdiv/device.h>

// ---- Options -----------------------------------------------------------------------------------

enum { KEY_DEVICE = 'd', KEY_JSON = 'j', KEY_VERBOSE = 'v', KEY_VALIDATION = 0x1001 };

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct app_options *o = state->input;
    switch (key) {
    case KEY_DEVICE:     o->device = arg; return 0;
    case KEY_JSON:       o->json = true; return 0;
    case KEY_VERBOSE:    o->verbose = true; return 0;
    case KEY_VALIDATION: o->validation = true; return 0;
    default:             return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option device_options[] = {
    { "device", KEY_DEVICE, "DEVICE", 0, "index, UUID prefix or part of the name (`vkdiv devices`); "
      "else the environment variable VKDIV_DEVICE; else the best one", 0 },
    { "validation", KEY_VALIDATION, NULL, 0, "run under the Khronos validation layer", 0 },
    { 0 },
};
static const struct argp_option json_options[] = {
    { "json", KEY_JSON, NULL, 0, "print one JSON document on standard output", 0 }, { 0 },
};
static const struct argp_option log_options[] = {
    { "verbose", KEY_VERBOSE, NULL, 0, "say more on standard error", 0 }, { 0 },
};
const struct argp app_device_argp = { .options = device_options, .parser = parse_common };
const struct argp app_json_argp = { .options = json_options, .parser = parse_common };
const struct argp app_log_argp = { .options = log_options, .parser = parse_common };

struct option_names {
    const char *names[64];
    bool takes_arg[64];
    size_t count;
};

static void collect(const struct argp *argp, struct option_names *out)
{
    for (const struct argp_option *o = argp->options; o != NULL && (o->name || o->key || o->doc); o++)
        if (o->name != NULL && out->count < 60) {
            out->names[out->count] = o->name;
            out->takes_arg[out->count++] = o->arg != NULL;
        }
    for (const struct argp_child *c = argp->children; c != NULL && c->argp != NULL; c++)
        collect(c->argp, out);
}

// Names the nearest option to one that getopt will refuse.
static void suggest_option(const struct argp *argp, int argc, char **argv)
{
    struct option_names all = { .names = { "help", "usage", "version" }, .count = 3 };
    collect(argp, &all);
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strncmp(argv[i], "--", 2) != 0)
            continue;
        char word[64];
        size_t length = strcspn(argv[i] + 2, "="), match = all.count;
        snprintf(word, sizeof word, "%.*s", (int)(length < 63 ? length : 63), argv[i] + 2);
        for (size_t n = 0; n < all.count; n++)
            if (strncmp(all.names[n], word, strlen(word)) == 0)     // getopt takes abbreviations
                match = n;
        if (match < all.count) {
            i += all.takes_arg[match] && argv[i][2 + length] != '=';
            continue;
        }
        const char *near = vkd__suggest(word, all.names, all.count);
        if (near != NULL)
            app_error("unknown option '--%s'; did you mean '--%s'?", word, near);
        return;
    }
}

void app_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    suggest_option(argp, argc, argv);
    error_t e = argp_parse(argp, argc, argv, 0, NULL, input);
    if (e != 0) {
        app_error("%s", strerror(e));
        exit(EXIT_USAGE);
    }
}

void app_usage(const struct argp_state *state, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    app_error("%s", text);
    fprintf(stderr, "`%s --help` shows how it is used.\n", state->name);
    exit(EXIT_USAGE);
}

// ---- Messages ----------------------------------------------------------------------------------

const char *app_sgr(int fd, enum app_style style)
{
    static const char *const codes[] = { "\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[33m", "\033[32m" };
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool wanted = (no_color == NULL || no_color[0] == 0) && term != NULL && strcmp(term, "dumb") != 0;
    return wanted && vkd__os_is_terminal(fd) ? codes[style] : "";
}

static unsigned errors_said;

// Work on one thing by several ways warns of the same.
static bool is_said(const char *warning)
{
    static char *said[64];
    static unsigned count;
    for (unsigned i = 0; i < count; i++)
        if (strcmp(said[i], warning) == 0)
            return true;
    if (count < sizeof said / sizeof said[0] && (said[count] = strdup(warning)) != NULL)
        count++;
    return false;
}

static void write_message(enum vkd_log_level level, const char *text)
{
    static const char *const words[] = { "error: ", "warning: ", "", "" };
    static const enum app_style styles[] = { APP_RED, APP_YELLOW, APP_PLAIN, APP_DIM };
    const char *on = level == VKD_LOG_INFO ? "" : app_sgr(2, styles[level]), *off = on[0] ? app_sgr(2, APP_PLAIN) : "";
    char plain[4096];
    if (level == VKD_LOG_WARNING && is_said(text))
        return;
    text = app_printable(plain, sizeof plain, text);
    app_progress_clear();
    errors_said += level == VKD_LOG_ERROR;
    if (level == VKD_LOG_DEBUG)
        fprintf(stderr, "%s%s%s\n", on, text, off);
    else
        fprintf(stderr, "%s%s%s%s%s\n", level <= VKD_LOG_WARNING ? "vkdiv: " : "", on, words[level], off, text);
}

static bool hush;               // warnings are not passed on

static void hear(void *user, enum vkd_log_level level, const char *text)
{
    (void)user;
    if (level <= VKD_LOG_INFO && !(hush && level == VKD_LOG_WARNING))
        write_message(level, text);
}

static void hear_all(void *user, enum vkd_log_level level, const char *text)
{
    (void)user;
    write_message(level, text);
}

struct vkd_log app_log(const struct app_options *o)
{
    return (struct vkd_log){ .fn = o->verbose ? hear_all : hear };
}

struct vkd_log app_log_quiet(void)
{
    return (struct vkd_log){ 0 };
}

void app_error(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_message(VKD_LOG_ERROR, text);
}

void app_warning(const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    write_message(VKD_LOG_WARNING, text);
}

void app_ended(const char *what, vkd_result r)
{
    if (!errors_said)
        app_error("%s: %s", what, vkd_result_text(r));
}

const char *app_bytes(char text[24], double bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    int u = 0;
    for (; bytes >= 1024 && u < 4; u++)
        bytes /= 1024;
    snprintf(text, 24, bytes < 10 && u > 0 ? "%.1f %s" : "%.0f %s", bytes, units[u]);
    return text;
}

const char *app_count(char text[24], double value)
{
    if (value < 10)
        snprintf(text, 24, "%.1f", value);
    else if (value < 10e3)
        snprintf(text, 24, "%.0f", value);
    else if (value < 1e6)
        snprintf(text, 24, "%.1f k", value / 1e3);
    else
        snprintf(text, 24, "%.1f M", value / 1e6);
    return text;
}

const char *app_duration(char text[24], double seconds)
{
    if (!(seconds >= 0 && seconds < 1e8)) {
        snprintf(text, 24, "-");
        return text;
    }
    unsigned s = (unsigned)(seconds + 0.5);
    if (s < 60)
        snprintf(text, 24, "%u s", s);
    else if (s < 3600)
        snprintf(text, 24, "%u:%02u", s / 60, s % 60);
    else
        snprintf(text, 24, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    return text;
}

enum exit_status app_print_json(json_t *doc)
{
    bool ok = doc != NULL && json_dumpf(doc, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9)) == 0;
    json_decref(doc);
    if (!ok) {
        app_error("could not write the JSON document");
        return EXIT_FAILED;
    }
    putchar('\n');
    return EXIT_DONE;
}

json_t *app_json_real(double value)
{
    return vkd__json_real(value);
}

const char *app_printable(char *out, size_t size, const char *text)
{
    size_t used = 0;
    for (; *text && used + 5 <= size; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            used += (size_t)snprintf(out + used, size - used, "\\x%02x", c);
        else
            out[used++] = *text;
    }
    out[used] = 0;
    return out;
}

json_t *app_json_text(const char *text)
{
    return vkd__json_text(text);
}

// ---- Device ------------------------------------------------------------------------------------

enum exit_status app_status(vkd_result r)
{
    switch (r) {
    case VKD_OK:          return EXIT_DONE;
    case VKD_INVALID:     return EXIT_USAGE;
    case VKD_FORMAT:      return EXIT_USAGE;
    case VKD_UNSUPPORTED: return EXIT_NO_DEVICE;
    case VKD_INTERRUPTED: return EXIT_STOPPED;
    default:              return EXIT_FAILED;
    }
}

bool app_data_readable(const char *spec, const char *split)
{
    vkd_dataset *d = NULL;
    struct vkd_dataset_params p = { .spec = spec, .split = split, .log = app_log_quiet() };
    bool ok = vkd_dataset_open(&p, &d) == VKD_OK;
    vkd_dataset_close(&d);
    return ok;
}

static void folder_of(const char *path, char dir[4096])
{
    const char *slash = strrchr(path, '/');
    snprintf(dir, 4096, "%.*s", slash == NULL ? 1 : slash == path ? 1 : (int)(slash - path), slash == NULL ? "." : path);
}

enum exit_status app_check_output(const char *path)
{
    char dir[4096];
    struct vkd__why why;
    folder_of(path, dir);
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_DIR)
        app_error("%s: expected the name of a file to write, found a folder", path);
    else if (vkd__path_kind(dir, NULL, NULL) != VKD__PATH_DIR)
        app_error("%s: cannot be written: %s is no folder", path, dir);
    else if (vkd__file_replaceable(path, &why) != VKD_OK)
        app_error("%s", why.text);
    else
        return EXIT_DONE;
    return EXIT_USAGE;
}

enum exit_status app_output_status(const char *path)
{
    char dir[4096];
    folder_of(path, dir);
    return vkd__path_kind(dir, NULL, NULL) == VKD__PATH_DIR && vkd__path_kind(path, NULL, NULL) != VKD__PATH_DIR ? EXIT_FAILED
                                                                                                                 : EXIT_USAGE;
}

enum exit_status app_folder_status(const char *dir)
{
    enum vkd__path_kind kind = vkd__path_kind(dir, NULL, NULL);
    return kind == VKD__PATH_DIR ? EXIT_FAILED : kind == VKD__PATH_NONE ? app_output_status(dir) : EXIT_USAGE;
}

bool app_is_run(const char *dir)
{
    static const char *const signs[] = { "run.json", "last.safetensors" };
    char path[4200];
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        snprintf(path, sizeof path, "%.4000s/%s", dir, signs[i]);
        if (vkd__path_kind(path, NULL, NULL) != VKD__PATH_NONE)
            return true;
    }
    app_error("%s: not the folder of a run: there is no run.json in it and no last.safetensors", dir);
    return false;
}

// The folder for compiled pipelines, or "" when there is none.
static void find_cache_dir(char *dir, size_t size)
{
    const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct vkd__why why;
    if (xdg != NULL && xdg[0] == '/')
        snprintf(dir, size, "%s/vkdiv", xdg);
    else if (home != NULL && home[0] == '/')
        snprintf(dir, size, "%s/.cache/vkdiv", home);
    else
        dir[0] = 0;
    if (dir[0] != 0 && vkd__dir_create(dir, &why) != VKD_OK)
        dir[0] = 0;
}

// VKDIV_LIMITS, VKDIV_FAULT: what is tested on a device that has neither. False after an error message.
static bool read_tests(struct vkd_device_params *p)
{
    const char *limits = getenv("VKDIV_LIMITS"), *fault = getenv("VKDIV_FAULT");
    if (limits != NULL && limits[0] != 0) {
        char names[256] = "";
        p->profile = vkd_profile_find(limits);
        for (uint32_t i = 0; vkd_profile_at(i) != NULL; i++)
            snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", i > 0 ? ", " : "", vkd_profile_at(i)->name);
        if (p->profile == NULL) {
            app_error("VKDIV_LIMITS: expected one of %s, found '%s'", names, limits);
            return false;
        }
        app_warning("VKDIV_LIMITS: the device is used as if it were %s (%s)", limits, p->profile->about);
    }
    if (fault != NULL && fault[0] != 0) {
        unsigned long long n = 0;
        char kind[12] = "", rest = 0;
        const struct { const char *name; uint64_t *at; } kinds[] = {
            { "memory", &p->faults.memory }, { "map", &p->faults.map }, { "pipeline", &p->faults.pipeline },
            { "pool", &p->faults.pool }, { "submit", &p->faults.submit }, { "wait", &p->faults.wait },
        };
        const size_t count = sizeof kinds / sizeof kinds[0];
        bool ok = sscanf(fault, "%11[a-z]=%llu%c", kind, &n, &rest) == 2 && n > 0;
        size_t i = 0;
        while (i < count && strcmp(kind, kinds[i].name) != 0)
            i++;
        if (!ok || i == count) {
            app_error("VKDIV_FAULT: expected memory=N, map=N, pipeline=N, pool=N, submit=N or wait=N with N from 1, found '%s'",
                      fault);
            return false;
        }
        *kinds[i].at = n;
    }
    return true;
}

bool app_device_params(const struct app_options *o, struct vkd_device_params *out)
{
    static char cache[1024];
    const char *selector = o->device != NULL ? o->device : getenv("VKDIV_DEVICE");
    const char *validation = getenv("VKDIV_VALIDATION");
    find_cache_dir(cache, sizeof cache);
    *out = (struct vkd_device_params){
        .selector = selector != NULL && selector[0] != 0 ? selector : NULL,
        .log = app_log(o),
        .validation = o->validation || (validation != NULL && strcmp(validation, "1") == 0),
        .cache_dir = cache[0] != 0 ? cache : NULL,
    };
    return read_tests(out);
}

vkd_device *app_open_device(const struct app_options *o, enum exit_status *status)
{
    struct vkd_device_params p;
    vkd_device *dev = NULL;
    if (!app_device_params(o, &p)) {
        *status = EXIT_USAGE;
        return NULL;
    }
    hush = o->any_device;
    vkd_result r = vkd_device_create(&p, &dev);
    hush = false;
    *status = app_status(r);
    if (r == VKD_UNSUPPORTED)
        app_error("no usable Vulkan device; `vkdiv doctor` says what is missing");
    else if (r != VKD_OK)
        app_ended("the device could not be opened", r);
    return dev;
}

const char *app_device_type(const struct vkd_caps *caps)
{
    switch (caps->type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:   return "discrete";
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return "integrated";
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:    return "virtual";
    case VK_PHYSICAL_DEVICE_TYPE_CPU:            return "cpu";
    default:                                     return "other";
    }
}

const char *app_api_version(char text[24], uint32_t version)
{
    snprintf(text, 24, "%u.%u.%u", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
             VK_API_VERSION_PATCH(version));
    return text;
}

const char *app_uuid(char text[33], const uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++)
        snprintf(text + 2 * i, 3, "%02x", uuid[i]);
    return text;
}

json_t *app_device_json(const struct vkd_device_row *row)
{
    char api[24], uuid[33];
    const struct vkd_caps *c = &row->caps;
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:i, s:s, s:b, s:s}",
                     "index", (int)row->index, "name", c->name, "type", app_device_type(c),
                     "driver", c->driver_name, "driver_info", c->driver_info,
                     "api", app_api_version(api, c->api_version),
                     "memory", (json_int_t)c->memory_size, "memory_free", (json_int_t)c->memory_budget,
                     "fp16", c->f16_storage && c->f16_arithmetic, "coopmat", c->matrices,
                     "subgroup", (int)c->subgroup_size, "uuid", app_uuid(uuid, c->uuid),
                     "usable", row->usable, "why", row->why);
}
