// main.c -- vkdiv: finds the subcommand and runs it.
#include "apps/vkdiv/app.h"

#include "engine/suggest.h"

#include <locale.h>
#include <stdio.h>
#include <string.h>

static const struct app_command commands[] = {
    { "train",   "train a model from a recipe",                                   cmd_train },
    { "eval",    "accuracy and loss of a trained model",                          cmd_eval },
    { "transfer", "how well what a model has learnt serves other data",           cmd_transfer },
    { "features", "write what a model makes of images for other programs",        cmd_features },
    { "diversity", "how diverse a model's filters are, beside random ones",       cmd_diversity },
    { "study",   "whether diversity explains transfer beyond accuracy, over many runs", cmd_study },
    { "report",  "runs as one page: curves, diversity, transfer, images",         cmd_report },
    { "export",  "write a trained model for other programs",                      cmd_export },
    { "data",    "what a data set holds; find broken images",                     cmd_data },
    { "devices", "list the Vulkan devices",                                       cmd_devices },
    { "doctor",  "check loader, drivers and devices, and say what is missing",    cmd_doctor },
    { "bench",   "measure kernels and models, and their share of the roofline",   cmd_bench },
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *f)
{
    fprintf(f, "Usage: vkdiv COMMAND [OPTION...]\n"
               "Trains image models on any GPU through Vulkan.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(f, "  %-9s %s\n", commands[i].name, commands[i].help);
    fprintf(f, "  %-9s %s\n\n", "help", "this text, or that of a command: vkdiv help train");
    fprintf(f, "`vkdiv COMMAND --help` lists a command's options. First steps: `vkdiv doctor`, then\n"
               "`vkdiv train fashion-quickstart`.\n\n"
               "Exit status: 0 done, 1 the work failed, 2 wrong usage or bad input, 3 no usable device,\n"
               "130 stopped by Ctrl-C after saving.\n");
}

static const struct app_command *find(const char *name)
{
    const char *names[COMMAND_COUNT + 1];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        names[i] = commands[i].name;
    }
    names[COMMAND_COUNT] = "help";
    const char *near = vkd__suggest(name, names, COMMAND_COUNT + 1);
    app_error("no command '%s'%s%s%s (`vkdiv --help` lists them)", name, near ? "; did you mean '" : "",
              near ? near : "", near ? "'?" : "");
    return NULL;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version = "vkdiv " VKD_VERSION;
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const char *name = argv[1];
    bool help = strcmp(name, "help") == 0;
    if (strcmp(name, "--help") == 0 || strcmp(name, "-?") == 0 || strcmp(name, "-h") == 0 || (help && argc == 2)) {
        print_help(stdout);
        return EXIT_DONE;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("%s\n", argp_program_version);
        return EXIT_DONE;
    }
    if (name[0] == '-') {
        app_error("unknown option '%s'; a command comes first: `vkdiv --help` lists them", name);
        return EXIT_USAGE;
    }
    const struct app_command *c = find(help ? argv[2] : name);
    if (c == NULL)
        return EXIT_USAGE;
    char title[32], option[] = "--help";
    snprintf(title, sizeof title, "vkdiv %s", c->name);
    char *help_argv[] = { title, option, NULL };
    argv[1] = title;
    int status = help ? c->run(2, help_argv) : c->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        app_error("could not write to standard output");
        return EXIT_FAILED;
    }
    return status;
}
