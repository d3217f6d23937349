// results.h -- the documents of tests/portability/results, read and checked.
#ifndef RESULTS_H
#define RESULTS_H

#include "gpus.h"

#include <jansson.h>
#include <stddef.h>

struct result {
    char *name;             // of its file
    json_t *doc;
    bool ran;               // by `vkdiv selftest`; else compile_all wrote it
};

struct results {
    struct result *list;    // by name
    size_t count;
};

// Reads the *.json of a folder. False after a message for each that cannot be read or lacks what schema.json demands (or
// what compile_all writes); a folder that cannot be opened is one, an empty folder is none.
bool results_read(struct results *r, const char *dir);
void results_finish(struct results *r);

// What compiling for a GPU gave; NULL without a result.
const json_t *results_of_gpu(const struct results *r, const struct gpu *g);

// Whether the document has the form of its kind, which is written to *ran. False after a message that begins with `path`.
bool result_check(const char *path, const json_t *doc, bool *ran);

// Writes `text` to a file. False after a message.
bool text_write(const char *path, const char *text, size_t size);

#endif
