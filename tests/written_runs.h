// written_runs.h -- run folders written by hand, for tests of what reads them.
#ifndef VKD_WRITTEN_RUNS_H
#define VKD_WRITTEN_RUNS_H

#include "data_files.h"
#include "stats_inputs.h"
#define BASE "idx:/nowhere/base?classes=0-5"
#define LINE "linear: L2 of 45 penalties; layer features"

static struct messages said;

static inline void write_json(const char *name, json_t *doc)
{
    char *text = json_dumps(doc, JSON_INDENT(1));
    ck_assert_ptr_nonnull(text);
    temp_write(name, text, strlen(text));
    free(text);
    json_decref(doc);
}

static inline void write_run(const char *dir, int recipe, int seed, bool complete)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/run.json", dir);
    write_json(name, json_pack("{s:i, s:i, s:{s:s, s:i, s:i, s:{s:s, s:i}, s:{s:s, s:s}, s:{s:s}}, s:{s:{s:i}}, "
        "s:{s:b, s:f}}", "schema", 1, "seed", seed, "recipe", "method", "simclr", "epochs", recipe, "seed", seed,
        "data", "train",
        BASE "&split=train", "threads", seed, "model", "arch", "resnet18", "x", "y", "injection", "mode",
        recipe % 2 ? "linear" : "ssl", "data", "test", "count", 1000, "results", "complete", complete, "test_accuracy",
        0.5 + 0.01 * recipe));
}

static inline void check_said(const char *words)
{
    ck_assert_msg(strstr(said.text, words) != NULL, "no \"%s\" in: %s", words, said.text);
}

#endif
