// cmd_doctor.c -- vkdiv doctor: loader, drivers, devices, and what is missing. Works with no Vulkan at all.
#include "apps/vkdiv/app.h"

#include "runtime/os.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct app_options *o = state->input;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->child_inputs[1] = state->child_inputs[2] = o;
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        app_usage(state, "unexpected argument '%s'", arg);
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_doctor_argp = {
    NULL, parse, "", "Checks what training needs: the Vulkan loader, drivers and devices, and says what is missing.",
    children, NULL, NULL
};

struct report {
    char loader[512];           // path of the loader, "" when there is none
    json_t *drivers;            // [{file, library, found}]
    json_t *hints;              // what to do
    bool validation;            // the layer is there
    char log[1024];             // what listing devices said
    struct vkd_device_row *rows;
    uint32_t count;
    int selected;
};

static void VKD_PRINTF(2, 3) hint(struct report *r, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_array_append_new(r->hints, json_string(text));
}

// ---- Loader and drivers ------------------------------------------------------------------------

// Looks for a library where the dynamic linker would: LD_LIBRARY_PATH, /usr/lib and its folders.
static bool find_library(const char *name, char *path, size_t size)
{
    const char *dirs = getenv("LD_LIBRARY_PATH");
    for (const char *d = dirs != NULL ? dirs : ""; *d; d += strcspn(d, ":"), d += *d == ':') {
        snprintf(path, size, "%.*s/%s", (int)strcspn(d, ":"), d, name);
        if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
            return true;
    }
    static const char *const roots[] = { "/usr/local/lib", "/usr/lib", "/usr/lib64", "/lib" };
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        char **names = NULL;
        uint32_t count = 0;
        struct vkd__why why;
        snprintf(path, size, "%s/%s", roots[i], name);
        if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
            return true;
        bool found = false;
        if (vkd__dir_list(roots[i], &names, &count, &why) == VKD_OK)
            for (uint32_t k = 0; k < count && !found; k++)
                if (strstr(names[k], "-linux-") != NULL) {
                    snprintf(path, size, "%s/%s/%s", roots[i], names[k], name);
                    found = vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE;
                }
        free(names);
        if (found)
            return true;
    }
    path[0] = 0;
    return false;
}

// Adds a driver's manifest and whether the library that it names is there.
static void add_driver(struct report *r, const char *file)
{
    char library[1024] = "", found[1024] = "";
    json_t *doc = json_load_file(file, 0, NULL);
    const char *named = json_string_value(json_object_get(json_object_get(doc, "ICD"), "library_path"));
    const char *slash = strrchr(file, '/');
    if (named != NULL && strchr(named, '/') != NULL && named[0] != '/' && slash != NULL)
        snprintf(library, sizeof library, "%.*s/%s", (int)(slash - file), file, named);
    else if (named != NULL)
        snprintf(library, sizeof library, "%s", named);
    bool there = strchr(library, '/') != NULL ? vkd__path_kind(library, NULL, NULL) == VKD__PATH_FILE
                                              : library[0] != 0 && find_library(library, found, sizeof found);
    json_array_append_new(r->drivers, json_pack("{s:s, s:s, s:b}", "file", file, "library", library, "found", there));
    if (vkd__path_kind(file, NULL, NULL) == VKD__PATH_NONE)
        hint(r, "%s does not exist: unset VK_DRIVER_FILES and VK_ICD_FILENAMES, or correct them", file);
    else if (named == NULL)
        hint(r, "%s is not a driver's manifest that can be read: reinstall its package (dpkg -S %s)", file, file);
    else if (!there)
        hint(r, "%s names %s, which is missing: reinstall its package (dpkg -S %s)", file, library, file);
    json_decref(doc);
}

static void add_driver_folder(struct report *r, const char *root)
{
    char dir[600], path[1024];
    char **names = NULL;
    uint32_t count = 0;
    struct vkd__why why;
    snprintf(dir, sizeof dir, "%.500s/vulkan/icd.d", root);
    if (vkd__dir_list(dir, &names, &count, &why) == VKD_OK)
        for (uint32_t i = 0; i < count; i++)
            if (strlen(names[i]) > 5 && strcmp(names[i] + strlen(names[i]) - 5, ".json") == 0) {
                snprintf(path, sizeof path, "%s/%s", dir, names[i]);
                add_driver(r, path);
            }
    free(names);
}

static void find_drivers(struct report *r)
{
    const char *only = getenv("VK_DRIVER_FILES");
    if (only == NULL || only[0] == 0)
        only = getenv("VK_ICD_FILENAMES");
    if (only != NULL && only[0] != 0) {
        for (const char *f = only; *f; f += strcspn(f, ":"), f += *f == ':') {
            char path[1024];
            snprintf(path, sizeof path, "%.*s", (int)strcspn(f, ":"), f);
            add_driver(r, path);
        }
        return;
    }
    const char *home = getenv("HOME");
    char local[600];
    static const char *const roots[] = { "/etc/xdg", "/etc", "/usr/local/share", "/usr/share" };
    if (home != NULL) {
        snprintf(local, sizeof local, "%.500s/.local/share", home);
        add_driver_folder(r, local);
    }
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++)
        add_driver_folder(r, roots[i]);
}

// ---- Devices -----------------------------------------------------------------------------------

static void keep(void *user, enum vkd_log_level level, const char *text)
{
    struct report *r = user;
    size_t used = strlen(r->log);
    if (level <= VKD_LOG_WARNING)
        snprintf(r->log + used, sizeof r->log - used, "%s%s", used > 0 ? "\n" : "", text);
}

// A kernel's GPU node that this user may not open.
static void check_nodes(struct report *r, bool gpu)
{
    char **names = NULL, path[512];
    uint32_t count = 0, nodes = 0;
    struct vkd__why why;
    if (vkd__dir_list("/dev/dri", &names, &count, &why) == VKD_OK)
        for (uint32_t i = 0; i < count; i++) {
            if (strncmp(names[i], "renderD", 7) != 0)
                continue;
            nodes++;
            snprintf(path, sizeof path, "/dev/dri/%s", names[i]);
            FILE *f = fopen(path, "r+b");
            if (f == NULL)
                hint(r, "%s cannot be opened by this user: `sudo usermod -aG render,video $USER`, then log in again",
                     path);
            else
                fclose(f);
        }
    free(names);
    bool nvidia = vkd__path_kind("/proc/driver/nvidia/version", NULL, NULL) == VKD__PATH_FILE;
    if (!gpu && nvidia)
        hint(r, "an NVIDIA kernel driver is loaded, but its Vulkan driver does not answer: install nvidia-vulkan-icd, "
                "or in a container pass NVIDIA_DRIVER_CAPABILITIES=compute,graphics,utility");
    else if (!gpu && nodes == 0)
        hint(r, "no GPU is visible to this system (no /dev/dri/renderD*): in a container pass --device /dev/dri; "
                "otherwise training runs on the CPU, which is slow");
}

static void examine(struct report *r, const char *selector)
{
    char path[1024];
    find_library("libvulkan.so.1", r->loader, sizeof r->loader);
    find_drivers(r);
    r->validation = vkd__path_kind("/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json", NULL, NULL) ==
                    VKD__PATH_FILE;
    struct vkd_log log = { .fn = keep, .user = r };
    r->selected = -1;
    if (vkd_device_list(&log, selector, &r->rows, &r->count, &r->selected) != VKD_OK)
        r->count = 0;

    bool usable = false, gpu = false;
    for (uint32_t i = 0; i < r->count; i++) {
        usable |= r->rows[i].usable;
        gpu |= r->rows[i].usable && !r->rows[i].caps.cpu;
    }
    if (r->loader[0] == 0 && r->count == 0)
        hint(r, "the Vulkan loader is missing: apt install libvulkan1");
    if (json_array_size(r->drivers) == 0)
        hint(r, "no Vulkan driver is installed: apt install mesa-vulkan-drivers (AMD, Intel, and any CPU), or "
                "nvidia-driver (NVIDIA, from non-free)");
    else if (r->count == 0 && r->loader[0] != 0)
        hint(r, "no driver found a device: apt install mesa-vulkan-drivers brings one that runs on any CPU");
    else if (!usable)
        hint(r, "no device is usable: a driver of Vulkan 1.2 or newer is needed (mesa-vulkan-drivers has one for "
                "any CPU)");
    if (usable && r->selected < 0 && selector != NULL)
        hint(r, "'%s' names no usable device, or several: `vkdiv devices` lists them", selector);
    check_nodes(r, gpu);
    if (!find_library("libVkLayer_khronos_validation.so", path, sizeof path) && !r->validation)
        hint(r, "only for --validation: apt install vulkan-validationlayers");
}

// ---- Output ------------------------------------------------------------------------------------

static void print_mark(bool good)
{
    printf("%s%s%s ", app_sgr(1, good ? APP_GREEN : APP_RED), good ? "ok     " : "MISSING", app_sgr(1, APP_PLAIN));
}

static void print_text(const struct report *r)
{
    size_t i;
    json_t *row;
    char memory[24], api[24];
    print_mark(r->loader[0] != 0 || r->count > 0);
    printf("loader   %s\n", r->loader[0] != 0 ? r->loader : r->count > 0 ? "found by the linker"
                                                                          : "libvulkan.so.1 not found");
    if (json_array_size(r->drivers) == 0) {
        print_mark(false);
        printf("driver   no manifest in any vulkan/icd.d folder\n");
    }
    json_array_foreach(r->drivers, i, row) {
        print_mark(json_is_true(json_object_get(row, "found")));
        printf("driver   %s\n", json_string_value(json_object_get(row, "file")));
    }
    for (uint32_t d = 0; d < r->count; d++) {
        const struct vkd_caps *c = &r->rows[d].caps;
        print_mark(r->rows[d].usable);
        printf("device   %u: %s (%s, %s, Vulkan %s, %s)\n                 %s\n", r->rows[d].index, c->name,
               app_device_type(c), c->driver_name, app_api_version(api, c->api_version),
               app_bytes(memory, (double)c->memory_size), r->rows[d].why);
    }
    print_mark(true);
    printf("precision fp32; fp16 and bf16 as storage of activations, on every device: train --set precision=fp16\n");
    if (r->selected >= 0)
        printf("\n%sDevice %d would be used: %s%s (%s).\n", app_sgr(1, APP_BOLD), r->selected,
               r->rows[r->selected].caps.name, app_sgr(1, APP_PLAIN), r->rows[r->selected].why);
    else
        printf("\n%sNo device would be used.%s%s%s\n", app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN),
               r->log[0] != 0 ? "\n" : "", r->log);
    if (json_array_size(r->hints) > 0)
        printf("\nTo do or to know:\n");
    json_array_foreach(r->hints, i, row)
        printf("  - %s\n", json_string_value(row));
}

static enum exit_status print_json(const struct report *r)
{
    json_t *devices = json_array();
    for (uint32_t i = 0; i < r->count; i++)
        json_array_append_new(devices, app_device_json(&r->rows[i]));
    return app_print_json(json_pack("{s:i, s:s, s:s?, s:O, s:o, s:o, s:b, s:[s, s, s], s:O}", "schema", 1, "version", VKD_VERSION,
        "loader", r->loader[0] != 0 ? r->loader : NULL, "drivers", r->drivers, "devices", devices,
        "selected", r->selected >= 0 ? json_integer(r->selected) : json_null(), "validation_layer", r->validation,
        "precisions", "fp32", "fp16", "bf16",
        "hints", r->hints));
}

enum exit_status cmd_doctor(int argc, char **argv)
{
    struct app_options o = { 0 };
    app_parse(&cmd_doctor_argp, argc, argv, &o);
    const char *selector = o.device != NULL ? o.device : getenv("VKDIV_DEVICE");
    struct report r = { .drivers = json_array(), .hints = json_array() };
    examine(&r, selector != NULL && selector[0] != 0 ? selector : NULL);
    enum exit_status status = r.selected >= 0 ? EXIT_DONE : EXIT_NO_DEVICE;
    if (o.json)
        status = print_json(&r) != EXIT_DONE ? EXIT_FAILED : status;
    else
        print_text(&r);
    json_decref(r.drivers);
    json_decref(r.hints);
    free(r.rows);
    return status;
}
