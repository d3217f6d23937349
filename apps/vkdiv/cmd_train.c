// cmd_train.c -- vkdiv train: one run from a recipe.
#include "apps/vkdiv/app.h"
#include "apps/vkdiv/recipe.h"
#include "apps/vkdiv/report.h"

#include "runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SET_MAX 64

struct train_options {
    struct app_options app;
    const char *recipe, *data, *out;
    const char *sets[SET_MAX];          // --set, in order
    uint32_t set_count;
    char data_set[1024], seed_set[64];  // --data and --seed as overrides; "" without
    bool resume, list, keys;
};

static void add_set(struct train_options *o, const struct argp_state *state, const char *set)
{
    if (o->set_count == SET_MAX)
        app_usage(state, "more than %d --set; put them into a recipe file", SET_MAX);
    o->sets[o->set_count++] = set;
}

enum { KEY_LIST = 'l', KEY_DATA = 'D', KEY_OUT = 'o', KEY_SEED = 's', KEY_SET = 'S', KEY_RESUME = 'r', KEY_KEYS = 'k' };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct train_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        for (int i = 0; i < 2; i++)
            state->child_inputs[i] = &o->app;
        return 0;
    case KEY_DATA:   o->data = arg; return 0;
    case KEY_OUT:    o->out = arg; return 0;
    case KEY_SEED:   snprintf(o->seed_set, sizeof o->seed_set, "seed=%.50s", arg); return 0;
    case KEY_SET:    add_set(o, state, arg); return 0;
    case KEY_RESUME: o->resume = true; return 0;
    case KEY_LIST:   o->list = true; return 0;
    case KEY_KEYS:   o->keys = true; return 0;
    case ARGP_KEY_ARG:
        if (o->recipe != NULL)
            app_usage(state, "expected one RECIPE, found '%s' and '%s'", o->recipe, arg);
        o->recipe = arg;
        return 0;
    case ARGP_KEY_NO_ARGS:
        if (o->list || o->keys || (o->resume && o->out != NULL))
            return 0;
        app_usage(state, "expected a RECIPE: a YAML file or the name of a shipped one, such as fashion-quickstart");
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "set", KEY_SET, "KEY=VALUE", 0, "override one key of the recipe, as in --set optimizer.lr=0.1", 0 },
    { "data", KEY_DATA, "SPEC", 0, "train and test on this: idx:DIR, folder:DIR, cifar:DIR or csv:FILE", 0 },
    { "out", KEY_OUT, "DIR", 0, "where the run's files go; else runs/RECIPE-TIME", 0 },
    { "seed", KEY_SEED, "N", 0, "seed of weights, order and augmentation", 0 },
    { "resume", KEY_RESUME, NULL, 0, "go on with the run in --out DIR, which then needs no RECIPE, or with the newest one of "
      "RECIPE in runs/", 0 },
    { "list", KEY_LIST, NULL, 0, "names the shipped recipes and what they are", 0 },
    { "keys", KEY_KEYS, NULL, 0, "prints every key with its value, of RECIPE or its default, and ends; what they mean stands "
      "in vkdiv/recipe.h", 0 },
    { 0 },
};
static const struct argp_child children[] = { { &app_device_argp, 0, NULL, 0 }, { &app_log_argp, 0, NULL, 0 }, { 0 } };
const struct argp cmd_train_argp = {
    options, parse, "RECIPE", "Trains a model.\vRECIPE is a YAML file or the name of a shipped one. Ctrl-C finishes "
    "the step, saves and ends with status 130; --resume then goes on as if nothing had happened.", children, NULL, NULL
};

// The newest run of `name`, or a new folder's name.
static bool choose_dir(const char *name, bool resume, char *dir, size_t size)
{
    char **names = NULL;
    uint32_t count = 0;
    struct vkd__why why;
    if (!resume) {
        time_t now = (time_t)vkd__os_wall_seconds();
        char stamp[32];
        strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", localtime(&now));
        snprintf(dir, size, "runs/%s-%s", name, stamp);
        return true;
    }
    dir[0] = 0;
    size_t length = strlen(name);
    if (vkd__dir_list("runs", &names, &count, &why) == VKD_OK)
        for (uint32_t i = 0; i < count; i++)    // sorted, so the last one is the newest
            if (strncmp(names[i], name, length) == 0 && names[i][length] == '-' &&
                strspn(names[i] + length + 1, "0123456789-") == 15 && names[i][length + 16] == 0)
                snprintf(dir, size, "runs/%s", names[i]);
    free(names);
    if (dir[0] == 0)
        app_error("no run of %s in runs/ to resume; name its folder with --out DIR", name);
    return dir[0] != 0;
}

// A missing or broken data set or init file is bad input, and so is an --out where no folder can be; any other input or
// output error is failed work.
static enum exit_status status_of(vkd_result r, const struct train_options *o, const struct vkd_recipe *recipe)
{
    const char *test = recipe->data.test != NULL ? recipe->data.test : recipe->data.train;
    if (r == VKD_IO && recipe->init != NULL && vkd__path_kind(recipe->init, NULL, NULL) != VKD__PATH_FILE)
        return EXIT_USAGE;
    if (r == VKD_IO && !(app_data_readable(recipe->data.train, "train") && app_data_readable(test, "test")))
        return EXIT_USAGE;
    return r == VKD_IO && o->out != NULL ? app_folder_status(o->out) : app_status(r);
}

// The command as a shell would take it again.
static void write_command(char *text, size_t size, int argc, char *const *argv)
{
    size_t used = (size_t)snprintf(text, size, "%s", argv[0]);
    for (int i = 1; i < argc && used < size; i++) {
        bool plain = argv[i][0] != 0 && argv[i][strcspn(argv[i], " \t\n'\"?*&|;<>()[]{}$`\\!#~")] == 0;
        used += (size_t)snprintf(text + used, size - used, plain ? " %s" : " '%s'", argv[i]);
    }
}

static void print_go_on(FILE *f, const char *text, const struct train_options *o, const char *dir, const char *command_line)
{
    fprintf(f, "%s\n  %s%s%s%s\n", text, command_line, o->out == NULL ? " --out " : "", o->out == NULL ? dir : "",
            o->resume ? "" : " --resume");
}

static void print_result(const struct vkd_train_result *t, const struct train_options *o, const char *dir,
                         const char *command_line, bool stopped, bool report)
{
    char duration[24], speed[24], epochs[32] = "";
    const char *bold = app_sgr(1, APP_BOLD), *plain = app_sgr(1, APP_PLAIN);
    if (t->epochs)
        snprintf(epochs, sizeof epochs, " (%u epoch%s)", t->epochs, t->epochs == 1 ? "" : "s");
    if (t->steps || stopped)
        printf("%s %u step%s%s in %s: %s images/s, %.1f %% of the time spent waiting for data.\n",
               stopped ? "Stopped and saved after" : "Trained", t->steps, t->steps == 1 ? "" : "s", epochs,
               app_duration(duration, t->seconds), app_count(speed, t->images_per_second), 100 * t->wait_share);
    else
        printf("Trained nothing: these are the start values.\n");
    if (stopped) {
        print_go_on(stdout, "Go on with:", o, dir, command_line);
        return;
    }
    if (t->classified)
        printf("%sTest %s%s %.2f %%%s (best %.2f %%), test loss %.4f.\n", bold,
               t->multi_label ? "mean average precision" : "accuracy", t->probe ? " of the linear probe" : "",
               100 * (double)t->test_accuracy, plain, 100 * (double)t->best_accuracy, (double)t->test_loss);
    if (t->steps)
        printf("Training loss %.4f.\n", (double)t->train_loss);
    if (!isnan(t->neighbours))
        printf("Accuracy of nearest neighbours %s%.2f %%%s.\n", bold, 100 * (double)t->neighbours, plain);
    if (!isnan(t->rankme))
        printf("Diversity of the features (RankMe) %s%.1f%s.\n", bold, (double)t->rankme, plain);
    printf("\nFiles in %s:\n"
           "  %-36s the weights\n"
           "  %-36s recipe, device, versions, results\n"
           "  %-36s a line per step and test\n", dir,
           t->classified ? "best.safetensors, last.safetensors" : "last.safetensors", "run.json", "metrics.jsonl");
    if (report)
        printf("  %-36s curves, filters, neighbours: open it in a browser\n", "report.html");
    printf("\nNext:\n");
    if (t->classified)
        printf("  vkdiv eval %s\n", dir);
    printf("  vkdiv export %s --format safetensors --names torchvision -o model.safetensors\n", dir);
    if (o->recipe != NULL && o->set_count == 0 && o->data == NULL && t->epochs > 0)
        printf("  vkdiv train %s --set epochs=%u\n", o->recipe, 2 * t->epochs);
}

static void hear_report(void *user, enum vkd_log_level level, const char *text)
{
    (void)user;
    if (level <= VKD_LOG_WARNING)
        app_warning("report.html: %s", text);
}

// The page of the run. It is no part of the work: what goes wrong is a warning.
static bool write_report(vkd_device *dev, const struct vkd_recipe *recipe, const char *dir, struct app_progress *progress)
{
    char html[1300];
    struct report_result result;
    snprintf(html, sizeof html, "%s/report.html", dir);
    app_progress_note(progress, "writing report.html");
    vkd_result r = report_write(&(struct report_params){
        .runs = &dir, .run_count = 1, .html = html, .dev = dev, .images = recipe->model.size <= 64 ? 200 : 40,
        .log = { .fn = hear_report }, .stop = app_stop }, &result);
    app_progress_clear();
    if (r != VKD_OK)
        app_warning("there is no report.html: %s", vkd_result_text(r));
    return r == VKD_OK;
}

static enum exit_status train(const struct train_options *o, const struct recipe_file *file, const char *dir,
                              const char *command_line)
{
    enum exit_status status;
    vkd_device *dev = app_open_device(&o->app, &status);
    if (dev == NULL)
        return status;
    const struct vkd_caps *caps = vkd_device_caps(dev);
    fprintf(stderr, "%s%s%s on %s (%s); files go to %s\n", app_sgr(2, APP_BOLD), file->name, app_sgr(2, APP_PLAIN),
            caps->name, app_device_type(caps), dir);

    struct app_progress progress;
    app_progress_init(&progress);
    vkd__os_catch_interrupt();
    struct vkd_train_params p = {
        .recipe = &file->recipe, .out_dir = dir, .resume = o->resume, .command_line = command_line,
        .progress = app_progress_show, .stop = app_stop, .user = &progress,
    };
    struct vkd_train_result result;
    vkd_result r = vkd_train(dev, &p, &result);
    app_progress_clear();
    status = status_of(r, o, &file->recipe);
    bool report = r == VKD_OK && write_report(dev, &file->recipe, dir, &progress);
    if (r == VKD_OK || r == VKD_INTERRUPTED)
        print_result(&result, o, dir, command_line, r == VKD_INTERRUPTED, report);
    else
        app_ended("training ended", r);
    if (r == VKD_IO && status == EXIT_FAILED && vkd__path_kind(dir, NULL, NULL) == VKD__PATH_DIR)
        print_go_on(stderr, "What was saved before is intact. Once the cause is gone, go on with:", o, dir, command_line);
    if (vkd_device_stats(dev).validation_messages > 0) {
        app_error("%llu validation messages", (unsigned long long)vkd_device_stats(dev).validation_messages);
        status = status == EXIT_DONE ? EXIT_FAILED : status;
    }
    vkd_device_destroy(&dev);
    return status;
}

static void print_recipe(void *user, const char *name, const char *title)
{
    (void)user;
    printf("%-32s %s\n", name, title);
}

enum exit_status cmd_train(int argc, char **argv)
{
    char command_line[2048], dir[1200], why[1024];
    write_command(command_line, sizeof command_line, argc, argv);
    struct train_options o = { 0 };
    app_parse(&cmd_train_argp, argc, argv, &o);
    if (o.list) {
        vkd_result r = recipe_each(print_recipe, NULL, why, sizeof why);
        if (r != VKD_OK)
            app_error("%s", why);
        return r == VKD_OK ? EXIT_DONE : EXIT_FAILED;
    }
    const char *sets[SET_MAX + 4];
    uint32_t set_count = 0;
    if (o.data != NULL) {
        snprintf(o.data_set, sizeof o.data_set, "data.train=%.1000s", o.data);
        sets[set_count++] = o.data_set;
        sets[set_count++] = "data.test=";
    }
    if (o.seed_set[0] != 0)
        sets[set_count++] = o.seed_set;
    for (uint32_t i = 0; i < o.set_count; i++)      // last, so that they win
        sets[set_count++] = o.sets[i];

    struct recipe_file file;
    const char *run = o.resume && o.recipe == NULL ? o.out : NULL;
    if (o.keys && o.recipe == NULL && o.data == NULL)
        sets[set_count++] = "data.train=SPEC";      // a recipe needs one
    struct recipe_params p = { .name = o.recipe, .run = run, .sets = sets, .set_count = set_count };
    if (recipe_load(&p, &file, why, sizeof why) != VKD_OK) {
        app_error("%s", why);
        return EXIT_USAGE;
    }
    if (o.keys) {
        recipe_print(&file.recipe);
        recipe_finish(&file);
        return EXIT_DONE;
    }
    enum exit_status status = EXIT_USAGE;
    if (o.out != NULL)
        snprintf(dir, sizeof dir, "%.1100s", o.out);
    bool chosen = o.out != NULL || choose_dir(file.name, o.resume, dir, sizeof dir);
    if (chosen && o.resume && vkd_train_is_complete(&file.recipe, dir)) {
        printf("%s holds a complete run of this recipe: there is nothing to resume.\n", dir);
        status = EXIT_DONE;
    } else if (chosen) {
        status = train(&o, &file, dir, command_line);
    }
    recipe_finish(&file);
    return status;
}
