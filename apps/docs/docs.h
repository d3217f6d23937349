// docs.h -- what the writers of the manual and of the shells' completions share.
#ifndef VKD_APP_DOCS_H
#define VKD_APP_DOCS_H

#include "apps/vkdiv/app.h"

#include <stdio.h>

// What an argument is, by its word in the help: FILE, DIR, SPEC, ...
enum docs_kind { DOCS_OTHER, DOCS_FILE, DOCS_DIR, DOCS_SPEC, DOCS_RECIPE, DOCS_SETTING, DOCS_COMMAND };
enum docs_kind docs_kind(const char *word);
const char *docs_kind_name(enum docs_kind kind);

// One option of a command, or the text above a group of them (`option` NULL).
struct docs_option {
    const struct argp_option *option;
    const char *header;
    bool common;                // of those that many commands take
};
// The options of `argp` and its children in the order of the help's groups; returns their count. --help, --usage and
// --version, which argp adds, are not among them.
enum { DOCS_OPTION_MAX = 64 };
uint32_t docs_options(const struct argp *argp, struct docs_option out[DOCS_OPTION_MAX]);
// The letter of an option, or 0.
char docs_letter(const struct argp_option *o);

// The beginnings of SPECs: "cifar: csv: ...", and the keys of recipes: "optimizer.lr= ...".
void docs_formats(FILE *f);
void docs_settings(FILE *f);

// The arguments of a command: literal words ("info", "check") and the kind of the first one that is none.
struct docs_arguments { char words[8][16]; uint32_t word_count; char name[32]; enum docs_kind kind; };
void docs_arguments(const struct argp *argp, struct docs_arguments *out);

// Each writes one file.
void docs_manual(FILE *f, const char *date);
void docs_bash(FILE *f);
void docs_zsh(FILE *f);
void docs_fish(FILE *f);

#endif
