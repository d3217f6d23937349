// shells.c -- completions for zsh and fish: a line an option.
#include "apps/docs/docs.h"

#include <string.h>

// Writes a description in 'quotes': `marks` get a backslash, backticks go, a quote is written as `quote`.
static void put_text(FILE *f, const char *text, const char *marks, const char *quote)
{
    for (; *text != 0; text++) {
        if (*text == '\'')
            fputs(quote, f);
        else if (*text != '`')
            fprintf(f, strchr(marks, *text) != NULL ? "\\%c" : "%c", *text);
    }
}

// ---- zsh ---------------------------------------------------------------------------------------

static const char *zsh_action(enum docs_kind kind)
{
    static const char *const actions[] = {
        " ", "_files", "_files -/", "_vkdiv_specs", "_vkdiv_recipes", "_vkdiv_settings", "_vkdiv_commands",
    };
    return actions[kind];
}

static void zsh_option(FILE *f, const struct argp_option *o)
{
    char letter = docs_letter(o);
    const char *take = o->arg != NULL ? "=" : "";
    fputs("            '*'", f);
    if (letter != 0)
        fprintf(f, "{-%c%s,--%s%s}", letter, o->arg != NULL ? "+" : "", o->name, take);
    else
        fprintf(f, "--%s%s", o->name, take);
    fputs("'[", f);
    put_text(f, o->doc, "[]:\\", "'\\''");
    fputc(']', f);
    if (o->arg != NULL)
        fprintf(f, ":%s:%s", o->arg, zsh_action(docs_kind(o->arg)));
    fputs("' \\\n", f);
}

static void zsh_command(FILE *f, const struct app_command *c)
{
    struct docs_option options[DOCS_OPTION_MAX];
    struct docs_arguments arguments;
    uint32_t count = docs_options(c->argp, options);
    docs_arguments(c->argp, &arguments);
    fprintf(f, "    '%s')\n        _arguments -s -S \\\n", c->name);
    for (uint32_t i = 0; i < count; i++)
        if (options[i].option != NULL)
            zsh_option(f, options[i].option);
    for (uint32_t i = 0; i < arguments.word_count; i++)
        fprintf(f, "%s%s", i == 0 ? "            '1:what:(" : " ", arguments.words[i]);
    fputs(arguments.word_count > 0 ? ")' \\\n" : "", f);
    fprintf(f, "            '*:%s:%s' ;;\n", arguments.name[0] != 0 ? arguments.name : "nothing more", zsh_action(arguments.kind));
}

void docs_zsh(FILE *f)
{
    fputs("#compdef vkdiv\n# Completion of vkdiv for zsh. Made by the build from the tables of `vkdiv --help`.\n\n"
          "_vkdiv_commands() {\n    local -a commands=(\n        'help:this text, or that of a command'\n", f);
    for (const struct app_command *c = app_commands; c->name != NULL; c++) {
        if (strchr(c->name, ' ') != NULL)
            continue;
        fprintf(f, "        '%s:", c->name);
        put_text(f, c->help, "", "'\\''");
        fputs("'\n", f);
    }
    fputs("    )\n    _describe command commands\n}\n"
          "_vkdiv_specs() {\n    if compset -P '*:'; then _files; else compadd -S '' -- ", f);
    docs_formats(f);
    fputs("; fi\n}\n_vkdiv_recipes() {\n"
          "    compadd -- ${(f)\"$(vkdiv train --list 2>/dev/null | cut -d ' ' -f 1)\"}\n    _files -g '*.yaml'\n}\n"
          "_vkdiv_settings() {\n    compadd -S '' -- ", f);
    docs_settings(f);
    fputs("\n}\n\n_vkdiv() {\n    if (( CURRENT == 2 )); then\n        _vkdiv_commands\n        return\n    fi\n"
          "    shift words\n    (( CURRENT-- ))\n    local command=$words[1]\n"
          "    if [[ $command == data && $words[2] == preview ]] && (( CURRENT > 2 )); then\n"
          "        command='data preview'\n        shift words\n        (( CURRENT-- ))\n    fi\n"
          "    case $command in\n    help) _vkdiv_commands ;;\n", f);
    for (const struct app_command *c = app_commands; c->name != NULL; c++)
        zsh_command(f, c);
    fputs("    esac\n}\n\n_vkdiv \"$@\"\n", f);
}

// ---- fish --------------------------------------------------------------------------------------

static const char *fish_action(enum docs_kind kind)
{
    static const char *const actions[] = {
        " -x", " -r -F", " -x -a '(__fish_complete_directories)'", " -x -a '(__vkdiv_specs)'",
        " -x -a '(__vkdiv_recipes)'", " -x -a '(__vkdiv_settings)'", " -x",
    };
    return actions[kind];
}

// The condition under which a command's options are offered.
static void fish_begin(FILE *f, const struct app_command *c)
{
    const char *space = strchr(c->name, ' ');
    fprintf(f, "complete -c vkdiv -n '__fish_seen_subcommand_from %.*s", space != NULL ? (int)(space - c->name) : 32, c->name);
    if (space != NULL)
        fprintf(f, "; and __fish_seen_subcommand_from %s", space + 1);
    fputc('\'', f);
}

static void fish_command(FILE *f, const struct app_command *c)
{
    struct docs_option options[DOCS_OPTION_MAX];
    struct docs_arguments arguments;
    uint32_t count = docs_options(c->argp, options);
    docs_arguments(c->argp, &arguments);
    for (uint32_t i = 0; i < arguments.word_count; i++) {
        fish_begin(f, c);
        fprintf(f, " -a %s\n", arguments.words[i]);
    }
    if (arguments.kind != DOCS_OTHER) {
        fish_begin(f, c);
        fprintf(f, "%s\n", arguments.kind == DOCS_FILE || arguments.kind == DOCS_DIR ? " -F" : fish_action(arguments.kind) + 3);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct argp_option *o = options[i].option;
        if (o == NULL)
            continue;
        fish_begin(f, c);
        fprintf(f, " -l %s", o->name);
        if (docs_letter(o) != 0)
            fprintf(f, " -s %c", docs_letter(o));
        fprintf(f, "%s -d '", o->arg != NULL ? fish_action(docs_kind(o->arg)) : "");
        put_text(f, o->doc, "\\", "\\'");
        fputs("'\n", f);
    }
}

void docs_fish(FILE *f)
{
    fputs("# Completion of vkdiv for fish. Made by the build from the tables of `vkdiv --help`.\n"
          "function __vkdiv_recipes\n    vkdiv train --list 2>/dev/null | string replace -r ' +' \\t\n"
          "    __fish_complete_suffix .yaml\nend\n"
          "function __vkdiv_specs\n    set -l word (commandline -ct | string replace -r '^--[a-z-]+=' '')\n"
          "    set -l format (string match -r '^[a-z]+:' -- $word)\n"
          "    if test -z \"$format\"\n        string split ' ' -- '", f);
    docs_formats(f);
    fputs("'\n    else\n        printf \"$format%s\\n\" (__fish_complete_path (string replace $format '' -- $word))\n    end\nend\n"
          "function __vkdiv_settings\n    string split ' ' -- '", f);
    docs_settings(f);
    fputs("'\nend\ncomplete -c vkdiv -f\ncomplete -c vkdiv -n __fish_use_subcommand -a help -d 'help of a command'\n", f);
    for (const struct app_command *c = app_commands; c->name != NULL; c++) {
        if (strchr(c->name, ' ') != NULL)
            continue;
        fprintf(f, "complete -c vkdiv -n '__fish_use_subcommand; or __fish_seen_subcommand_from help' -a %s -d '", c->name);
        put_text(f, c->help, "\\", "\\'");
        fputs("'\n", f);
    }
    for (const struct app_command *c = app_commands; c->name != NULL; c++)
        fish_command(f, c);
}
