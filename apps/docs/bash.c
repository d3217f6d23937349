// bash.c -- completion for bash: a table by command, then what is the same for all.
#include "apps/docs/docs.h"

#include <string.h>

static void put_kinds(FILE *f, const struct docs_option *options, uint32_t count)
{
    fputs("        case $option in\n", f);
    for (uint32_t i = 0; i < count; i++) {
        const struct argp_option *o = options[i].option;
        char letter = o != NULL ? docs_letter(o) : 0;
        if (o == NULL || o->arg == NULL)
            continue;
        fprintf(f, "        --%s", o->name);
        if (letter != 0)
            fprintf(f, "|-%c", letter);
        fprintf(f, ") of=%s;;\n", docs_kind_name(docs_kind(o->arg)));
    }
    fputs("        esac;;\n", f);
}

static void put_command(FILE *f, const struct app_command *c)
{
    struct docs_option options[DOCS_OPTION_MAX];
    struct docs_arguments arguments;
    uint32_t count = docs_options(c->argp, options);
    docs_arguments(c->argp, &arguments);
    fprintf(f, "    '%s')\n        kind=%s words='", c->name, docs_kind_name(arguments.kind));
    for (uint32_t i = 0; i < arguments.word_count; i++)
        fprintf(f, "%s%s", i > 0 ? " " : "", arguments.words[i]);
    fputs("'\n        options='", f);
    for (uint32_t i = 0; i < count; i++)
        if (options[i].option != NULL)
            fprintf(f, "--%s ", options[i].option->name);
    fputs("--help --usage --version'\n", f);
    put_kinds(f, options, count);
}

// Takes the command's words apart. '=' and ':' are words of their own to bash.
static const char begin[] =
    "_vkdiv()\n"
    "{\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}\n"
    "    local options='' words='' kind=other of='' list=''\n"
    "    COMPREPLY=()\n"
    "    if ((COMP_CWORD == 1)); then\n"
    "        kind=command options='--help --version'\n"
    "    fi\n"
    "    if [[ $command == data && ${COMP_WORDS[2]} == preview ]] && ((COMP_CWORD > 2)); then command='data preview'; fi\n"
    "    [[ $cur == '=' || $cur == ':' ]] && cur=''\n"
    "    if [[ ${COMP_WORDS[COMP_CWORD]} == '=' ]]; then option=${COMP_WORDS[COMP_CWORD - 1]}\n"
    "    elif [[ $option == '=' ]]; then option=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
    "    ((COMP_CWORD == 1)) || case $command in\n"
    "    help) kind=command;;\n";

static const char end[] =
    "    if [[ -n $of ]]; then kind=$of words=''\n"
    "    elif [[ $option == ':' || ${COMP_WORDS[COMP_CWORD]} == ':' ]]; then kind=file words=''\n"
    "    elif [[ $cur == -* ]]; then kind=other words=$options; fi\n"
    "    case $kind in\n"
    "    command) words=\"$words $commands\";;\n"
    "    setting) words=$settings;;\n"
    "    spec) words=\"$words $formats\";;\n"
    "    recipe) words=\"$words $(\"${COMP_WORDS[0]}\" train --list 2>/dev/null | cut -d ' ' -f 1)\"; list=file;;\n"
    "    file) list=file;;\n"
    "    dir) list=directory;;\n"
    "    esac\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\"; [[ -z $list ]] || compgen -A $list -- \"$cur\")\n"
    "    [[ -z $list ]] || compopt -o filenames 2>/dev/null\n"
    "    [[ ${COMPREPLY[0]} != *[:=] ]] || compopt -o nospace 2>/dev/null\n"
    "}\n"
    "complete -F _vkdiv vkdiv\n";

void docs_bash(FILE *f)
{
    fprintf(f, "# Completion of vkdiv for bash. Made by the build from the tables of `vkdiv --help`.\n%s", begin);
    for (const struct app_command *c = app_commands; c->name != NULL; c++)
        put_command(f, c);
    fputs("    esac\n    local commands='help", f);
    for (const struct app_command *c = app_commands; c->name != NULL; c++)
        if (strchr(c->name, ' ') == NULL)
            fprintf(f, " %s", c->name);
    fputs("' settings='", f);
    docs_settings(f);
    fputs("' formats='", f);
    docs_formats(f);
    fprintf(f, "'\n%s", end);
}
