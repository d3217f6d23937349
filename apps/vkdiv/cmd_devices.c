// cmd_devices.c -- vkdiv devices: a row per Vulkan device.
#include "apps/vkdiv/app.h"

#include <stdio.h>
#include <stdlib.h>

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct app_options *o = state->input;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->child_inputs[1] = o;
        return 0;
    }
    if (key == ARGP_KEY_ARG)
        app_usage(state, "unexpected argument '%s'", arg);
    return ARGP_ERR_UNKNOWN;
}

static const struct argp_child children[] = { { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 } };
const struct argp cmd_devices_argp = { NULL, parse, "", "Lists the Vulkan devices.", children, NULL, NULL };

static void print_rows(const struct vkd_device_row *rows, uint32_t count, int selected)
{
    char memory[24], api[24], uuid[33];
    printf("   index  %-40s  %-10s  %-12s  %-8s  %8s  %-4s  %-7s  %-8s  uuid\n", "name", "type", "driver", "api",
           "memory", "fp16", "coopmat", "subgroup");
    for (uint32_t i = 0; i < count; i++) {
        const struct vkd_caps *c = &rows[i].caps;
        printf("%s  %5u  %-40.40s  %-10s  %-12.12s  %-8s  %8s  %-4s  %-7s  %8u  %.8s\n",
               (int)rows[i].index == selected ? "*" : " ", rows[i].index, c->name, app_device_type(c), c->driver_name,
               app_api_version(api, c->api_version), app_bytes(memory, (double)c->memory_size),
               c->f16_storage && c->f16_arithmetic ? "yes" : "no", c->matrices ? "yes" : "no", c->subgroup_size,
               app_uuid(uuid, c->uuid));
        if (!rows[i].usable)
            printf("          not usable: %s\n", rows[i].why);
    }
    printf("\n* is used unless --device or VKDIV_DEVICE names another\n");
}

enum exit_status cmd_devices(int argc, char **argv)
{
    struct app_options o = { 0 };
    app_parse(&cmd_devices_argp, argc, argv, &o);
    struct vkd_log log = app_log(&o);
    struct vkd_device_row *rows = NULL;
    uint32_t count = 0, usable = 0;
    int selected = -1;
    const char *named = getenv("VKDIV_DEVICE"), *selector = named != NULL && named[0] != 0 ? named : NULL;
    vkd_result r = vkd_device_list(&log, selector, &rows, &count, &selected);
    if (r != VKD_OK)
        app_error("no Vulkan devices; `vkdiv doctor` says what is missing");
    for (uint32_t i = 0; i < count; i++)
        usable += rows[i].usable;
    if (o.json) {
        json_t *list = json_array();
        for (uint32_t i = 0; i < count; i++)
            json_array_append_new(list, app_device_json(&rows[i]));
        json_t *chosen = selected >= 0 ? json_integer(selected) : json_null();
        if (app_print_json(json_pack("{s:i, s:o, s:o}", "schema", 1, "devices", list, "selected", chosen)) != EXIT_DONE)
            usable = 0;
    } else if (count > 0) {
        print_rows(rows, count, selected);
        if (selector != NULL && selected < 0)
            app_warning("VKDIV_DEVICE is '%s', which is none of them", selector);
    }
    free(rows);
    return r != VKD_OK && r != VKD_UNSUPPORTED ? EXIT_FAILED : usable > 0 ? EXIT_DONE : EXIT_NO_DEVICE;
}
