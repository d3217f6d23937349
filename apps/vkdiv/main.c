// main.c -- vkdiv: finds the subcommand and runs it.
#include "apps/vkdiv/app.h"

#include "engine/suggest.h"

#include <ctype.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

static void print_help(FILE *f)
{
    fprintf(f, "Usage: vkdiv COMMAND [OPTION...]\n%c%s.\n\n", toupper((unsigned char)app_title[0]), app_title + 1);
    for (const struct app_command *c = app_commands; c->name != NULL; c++)
        if (strchr(c->name, ' ') == NULL)
            fprintf(f, "  %-9s %s\n", c->name, c->help);
    fprintf(f, "  %-9s %s\n\n%s\nExit status: %s", "help", "this text, or that of a command: vkdiv help train",
            app_first_steps, app_exit_statuses);
}

// The command that `words` begin with, of two words before one; *used says how many.
static const struct app_command *find(int count, char **words, int *used)
{
    const struct app_command *found = NULL;
    const char *names[64] = { "help" };
    size_t known = 1;
    for (const struct app_command *c = app_commands; c->name != NULL; c++) {
        const char *space = strchr(c->name, ' ');
        size_t length = space != NULL ? (size_t)(space - c->name) : strlen(c->name);
        if (space == NULL && known < 64)
            names[known++] = c->name;
        if (strncmp(words[0], c->name, length) != 0 || words[0][length] != 0)
            continue;
        if (space == NULL || (count > 1 && strcmp(words[1], space + 1) == 0)) {
            found = c;
            *used = space != NULL ? 2 : 1;
        }
    }
    if (found == NULL) {
        const char *near = vkd__suggest(words[0], names, known);
        app_error("no command '%s'%s%s%s (`vkdiv --help` lists them)", words[0], near ? "; did you mean '" : "",
                  near ? near : "", near ? "'?" : "");
    }
    return found;
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
    int first = help ? 2 : 1, used = 0;
    const struct app_command *c = find(argc - first, argv + first, &used);
    if (c == NULL)
        return EXIT_USAGE;
    char title[32], option[] = "--help";
    snprintf(title, sizeof title, "vkdiv %s", c->name);
    char *help_argv[] = { title, option, NULL };
    argv[used] = title;
    int status = help ? c->run(2, help_argv) : c->run(argc - used, argv + used);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        app_error("could not write to standard output");
        return EXIT_FAILED;
    }
    return status;
}
