// manual.c -- vkdiv(1), for man: every command with its options.
#include "apps/docs/docs.h"

#include <string.h>

// Writes `n` bytes as they are read: no macro, no escape. In code every '-' is the one to type.
static void put(FILE *f, const char *text, size_t n, bool code)
{
    for (size_t i = 0; i < n; i++) {
        char before = i > 0 ? text[i - 1] : ' ';
        if (text[i] == '\\')
            fputs("\\e", f);
        else if (text[i] == '-' && (code || before == ' ' || before == '-' || before == '(' || before == '\''))
            fputs("\\-", f);
        else if (text[i] == '~' || text[i] == '^' || (text[i] == '\'' && code))
            fputs(text[i] == '~' ? "\\(ti" : text[i] == '^' ? "\\(ha" : "\\(aq", f);
        else if ((text[i] == '.' || text[i] == '\'') && i == 0)
            fprintf(f, "\\&%c", text[i]);
        else
            fputc(text[i], f);
    }
}

// One line of prose; what stands between `backticks` is bold.
static void put_prose(FILE *f, const char *text, size_t n)
{
    bool code = false;
    for (size_t i = 0, end; i < n; i = end + 1) {
        for (end = i; end < n && text[end] != '`'; end++)
            ;
        put(f, text + i, end - i, code);
        if (end < n)
            fputs(code ? "\\fR" : "\\fB", f);
        code = code != (end < n);
    }
    fputc('\n', f);
}

// A text of the help: paragraphs, and lines that begin with spaces, which are kept as they are.
static void put_text(FILE *f, const char *text, size_t n)
{
    bool kept = false, gap = false;
    for (size_t i = 0, end; i < n; i = end + 1) {
        for (end = i; end < n && text[end] != '\n'; end++)
            ;
        if (end == i) {
            gap = true;
            continue;
        }
        if (kept && text[i] != ' ')
            fputs(".fi\n.RE\n", f);
        if (gap)
            fputs(".PP\n", f);
        if (!kept && text[i] == ' ')
            fputs(".RS 2\n.nf\n", f);
        kept = text[i] == ' ';
        gap = false;
        if (kept)
            put(f, text + i + 2, end - i - 2, true), fputc('\n', f);
        else
            put_prose(f, text + i, end - i);
    }
    if (kept)
        fputs(".fi\n.RE\n", f);
}

static void put_option(FILE *f, const struct argp_option *o)
{
    char letter = docs_letter(o);
    fputs(".TP\n", f);
    if (letter != 0)
        fprintf(f, "\\fB\\-%c\\fR, ", letter);
    fputs("\\fB\\-\\-", f);
    put(f, o->name, strlen(o->name), true);
    fputs("\\fR", f);
    if (o->arg != NULL)
        fprintf(f, "=\\fI%s\\fR", o->arg);
    fputc('\n', f);
    put_text(f, o->doc, strlen(o->doc));
}

// "vkdiv train [OPTION...] RECIPE", a line for each of the arguments' forms.
static void put_usage(FILE *f, const struct app_command *c)
{
    const char *form = c->argp->args_doc;
    do {
        size_t n = strcspn(form, "\n");
        bool has = n >= 11 && strncmp(form + n - 11, "[OPTION...]", 11) == 0;
        fprintf(f, "%s\\fBvkdiv %s\\fR", form == c->argp->args_doc ? "" : ".br\n", c->name);
        if (!has)
            fputs(" [\\fIOPTION\\fR...]", f);
        fprintf(f, n > 0 ? " \\fI%.*s\\fR\n" : "\n", (int)n, form);
        form += n + (form[n] == '\n');
    } while (*form != 0);
}

static void put_command(FILE *f, const struct app_command *c)
{
    struct docs_option options[DOCS_OPTION_MAX];
    uint32_t count = docs_options(c->argp, options), own = 0;
    const char *doc = c->argp->doc, *below = strchr(doc, '\v');
    size_t above = below != NULL ? (size_t)(below - doc) : strlen(doc);
    fprintf(f, ".SS vkdiv %s\n", c->name);
    put_usage(f, c);
    fputs(".PP\n", f);
    put_text(f, doc, above);
    for (; own < count && !options[own].common; own++) {
        if (options[own].option != NULL) {
            put_option(f, options[own].option);
            continue;
        }
        fputs(".PP\n", f);
        put_text(f, options[own].header, strlen(options[own].header));
    }
    if (own < count)
        fputs(".PP\nOf the common options it takes", f);
    for (uint32_t i = own; i < count; i++) {
        fputs(i == own ? " \\fB\\-\\-" : i + 1 < count ? ", \\fB\\-\\-" : " and \\fB\\-\\-", f);
        fprintf(f, "%s\\fR%s", options[i].option->name, i + 1 < count ? "" : ".\n");
    }
    if (below != NULL) {
        fputs(".PP\n", f);
        put_text(f, below + 1, strlen(below + 1));
    }
}

void docs_manual(FILE *f, const char *date)
{
    static const struct argp *const common[] = { &app_device_argp, &app_json_argp, &app_log_argp };
    fprintf(f, ".\\\" Made by the build from the tables of `vkdiv --help`.\n.TH VKDIV 1 %s \"vkdiv %s\" \"User commands\"\n"
            ".SH NAME\nvkdiv \\- %s\n.SH SYNOPSIS\n\\fBvkdiv\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n.br\n"
            "\\fBvkdiv help\\fR [\\fICOMMAND\\fR]\n.SH DESCRIPTION\n", date, VKD_VERSION, app_title);
    put_text(f, app_first_steps, strlen(app_first_steps));
    fputs(".SH COMMANDS\n", f);
    for (const struct app_command *c = app_commands; c->name != NULL; c++)
        put_command(f, c);
    fputs(".SH COMMON OPTIONS\n", f);
    for (size_t i = 0; i < sizeof common / sizeof common[0]; i++)
        for (const struct argp_option *o = common[i]->options; o->name != NULL; o++)
            put_option(f, o);
    fputs(".TP\n\\fB\\-?\\fR, \\fB\\-\\-help\\fR, \\fB\\-\\-usage\\fR, \\fB\\-V\\fR, \\fB\\-\\-version\\fR\n"
          "every command has these: its help, a short form of it, the version\n.SH EXIT STATUS\n", f);
    put_text(f, app_exit_statuses, strlen(app_exit_statuses));
    fputs(".SH ENVIRONMENT\n", f);
    for (size_t i = 0; app_environment[i].name != NULL; i++) {
        fprintf(f, ".TP\n.B %s\n", app_environment[i].name);
        put_text(f, app_environment[i].help, strlen(app_environment[i].help));
    }
}
