// cmd_data_preview.c -- vkdiv data preview: a contact sheet of images and their views.
#include "apps/vkdiv/app.h"
#include "apps/vkdiv/recipe.h"

#include "runtime/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SET_MAX 64

struct preview_options {
    struct app_options app;
    const char *spec, *recipe, *out;
    const char *sets[SET_MAX];
    uint32_t set_count, count, draws;
};

enum { KEY_RECIPE = 'r', KEY_SET = 'S', KEY_OUT = 'o', KEY_COUNT = 'n', KEY_DRAWS = 'k' };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct preview_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 3; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_RECIPE: o->recipe = arg; return 0;
    case KEY_OUT:    o->out = arg; return 0;
    case KEY_COUNT:  o->count = (uint32_t)app_whole(state, "count", arg, 1, 1000); return 0;
    case KEY_DRAWS:  o->draws = (uint32_t)app_whole(state, "draws", arg, 1, 1000); return 0;
    case KEY_SET:
        if (o->set_count == SET_MAX)
            app_usage(state, "more than %d --set; put them into a recipe file", SET_MAX);
        o->sets[o->set_count++] = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->spec != NULL)
            app_usage(state, "expected one SPEC, found '%s' and '%s'", o->spec, arg);
        o->spec = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->spec == NULL && o->recipe == NULL)
            app_usage(state, "expected a SPEC, or a --recipe that names its data");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "recipe", KEY_RECIPE, "RECIPE", 0, "show the views of this recipe; else SimCLR's of small images", 0 },
    { "set", KEY_SET, "KEY=VALUE", 0, "override one key of the recipe, as in --set view1.blur=1", 0 },
    { "output", KEY_OUT, "FILE", 0, "where the sheet goes; else views.png", 0 },
    { "count", KEY_COUNT, "N", 0, "images, spread over the set; else 8", 0 },
    { "draws", KEY_DRAWS, "N", 0, "draws of each view, as in that many epochs; else 3", 0 },
    { 0 },
};
static const struct argp_child children[] = {
    { &app_device_argp, 0, NULL, 0 }, { &app_json_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 },
};
const struct argp cmd_data_preview_argp = {
    options, parse, "SPEC", "Writes a contact sheet: images and the views that training makes of them.\vA row has the "
    "whole image, then for each draw the view that labels are learnt from and, of self-supervision, view 1, view 2 and "
    "the small crops.", children, NULL, NULL
};

static enum exit_status print_result(const struct preview_options *o, const struct vkd_recipe *recipe,
                                     const struct vkd_preview_result *p)
{
    bool pairs = p->views > 1;
    if (o->app.json)
        return app_print_json(json_pack("{s:i, s:o, s:o, s:i, s:i, s:i, s:i, s:i, s:i}", "schema", 1, "data",
                                        app_json_text(recipe->data.train), "path", app_json_text(o->out), "count",
                                        (int)p->count, "draws", (int)o->draws, "views", (int)p->views, "width",
                                        (int)p->width, "height", (int)p->height, "black", (int)p->black));
    printf("%s: %u image%s, %u x %u pixels. In each row the image, then", o->out, p->count, p->count == 1 ? "" : "s",
           p->width, p->height);
    if (o->draws > 1)
        printf(" %u times", o->draws);
    printf(" the view for labels (%s)%s", recipe->augment.name, pairs ? ", view 1, view 2" : "");
    if (p->views > 3)
        printf(", %u small crop%s", p->views - 3, p->views == 4 ? "" : "s");
    printf(".\n");
    return EXIT_DONE;
}

enum exit_status cmd_data_preview(int argc, char **argv)
{
    struct preview_options o = { .out = "views.png", .count = 8, .draws = 3 };
    char data_set[1024], why[1024];
    const char *sets[SET_MAX + 2];
    uint32_t set_count = 0;
    struct recipe_file file;
    enum exit_status status;
    app_parse(&cmd_data_preview_argp, argc, argv, &o);
    const char *end = strrchr(o.out, '.');
    if (end == NULL || strcasecmp(end, ".png") != 0) {
        app_error("--output: expected a file that ends in .png, for that is what a sheet is; found '%s'", o.out);
        return EXIT_USAGE;
    }
    if (o.recipe == NULL)
        sets[set_count++] = "method=simclr";
    if (o.spec != NULL) {
        snprintf(data_set, sizeof data_set, "data.train=%.1000s", o.spec);
        sets[set_count++] = data_set;
    }
    for (uint32_t i = 0; i < o.set_count; i++)
        sets[set_count++] = o.sets[i];
    vkd_result r = recipe_load(&(struct recipe_params){ .name = o.recipe, .sets = sets, .set_count = set_count }, &file, why,
                               sizeof why);
    if (r != VKD_OK) {
        app_error("%s", why);
        return r == VKD_NO_MEMORY ? EXIT_FAILED : EXIT_USAGE;
    }
    vkd_device *dev = app_open_device(&o.app, &status);
    if (dev != NULL) {
        struct vkd_preview_params p = { .recipe = &file.recipe, .count = o.count, .draws = o.draws, .path = o.out };
        struct vkd_preview_result result;
        r = vkd_preview(dev, &p, &result);
        status = r != VKD_IO ? app_status(r) : app_data_readable(file.recipe.data.train, "train") ? app_output_status(o.out)
                                                                                              : EXIT_USAGE;
        if (r == VKD_OK)
            status = print_result(&o, &file.recipe, &result);
        else
            app_ended("no sheet was written", r);
        vkd_device_destroy(&dev);
    }
    recipe_finish(&file);
    return status;
}
