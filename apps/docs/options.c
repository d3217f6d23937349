// options.c -- options and arguments of the commands, read from the same tables as --help.
#include "apps/docs/docs.h"

#include "engine/data/dataset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <vkdiv/recipe.h>

enum docs_kind docs_kind(const char *word)
{
    static const struct { const char *word; enum docs_kind kind; } kinds[] = {
        { "FILE", DOCS_FILE }, { "PATH", DOCS_FILE }, { "STUDY", DOCS_FILE }, { "RUN", DOCS_FILE },
        { "RUN_OR_CKPT", DOCS_FILE }, { "DIR", DOCS_DIR }, { "SPEC", DOCS_SPEC }, { "RECIPE", DOCS_RECIPE },
        { "KEY=VALUE", DOCS_SETTING }, { "COMMAND", DOCS_COMMAND },
    };
    for (size_t i = 0; word != NULL && i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(word, kinds[i].word) == 0)
            return kinds[i].kind;
    return DOCS_OTHER;
}

const char *docs_kind_name(enum docs_kind kind)
{
    static const char *const names[] = { "other", "file", "dir", "spec", "recipe", "setting", "command" };
    return names[kind];
}

static uint32_t collect(const struct argp *argp, bool common, struct docs_option *out, uint32_t count)
{
    for (const struct argp_option *o = argp->options; o != NULL && o->name != NULL; o++)
        if (count < DOCS_OPTION_MAX && (o->flags & OPTION_HIDDEN) == 0)
            out[count++] = (struct docs_option){ .option = o, .common = common };
    for (const struct argp_child *c = argp->children; c != NULL && c->argp != NULL; c++) {
        bool shared = c->argp == &app_device_argp || c->argp == &app_json_argp || c->argp == &app_log_argp;
        if (c->header != NULL && count < DOCS_OPTION_MAX)
            out[count++] = (struct docs_option){ .header = c->header };
        count = collect(c->argp, shared, out, count);
    }
    return count;
}

uint32_t docs_options(const struct argp *argp, struct docs_option out[DOCS_OPTION_MAX])
{
    struct docs_option all[DOCS_OPTION_MAX];
    uint32_t count = collect(argp, false, all, 0), used = 0;
    // A command's own options come before those that many have, whatever the order of its children.
    for (int common = 0; common < 2; common++)
        for (uint32_t i = 0; i < count; i++)
            if (all[i].common == common)
                out[used++] = all[i];
    return used;
}

char docs_letter(const struct argp_option *o)
{
    return o->key > 0 && o->key < 128 && isprint(o->key) ? (char)o->key : 0;
}

void docs_arguments(const struct argp *argp, struct docs_arguments *out)
{
    *out = (struct docs_arguments){ 0 };
    char text[512], *rest = NULL;
    snprintf(text, sizeof text, "%s", argp->args_doc);
    for (char *word = strtok_r(text, " \n[].", &rest); word != NULL; word = strtok_r(NULL, " \n[].", &rest)) {
        if (islower((unsigned char)word[0]) && out->word_count < 8)
            snprintf(out->words[out->word_count++], sizeof out->words[0], "%.15s", word);
        else if (isupper((unsigned char)word[0]) && out->name[0] == 0)
            snprintf(out->name, sizeof out->name, "%.31s", word);
    }
    out->kind = docs_kind(out->name);
}

void docs_formats(FILE *f)
{
    for (uint32_t i = 0; vkd__format_at(i) != NULL; i++)
        fprintf(f, "%s%s:", i > 0 ? " " : "", vkd__format_at(i)->name);
}

void docs_settings(FILE *f)
{
    const struct vkd_recipe_field *field;
    for (uint32_t i = 0; (field = vkd_recipe_field_at(i)) != NULL; i++)
        fprintf(f, "%s%s=", i > 0 ? " " : "", field->key);
}
