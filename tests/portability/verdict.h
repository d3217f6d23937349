// verdict.h -- judges what compiling for a GPU gave, and writes it down.
#ifndef VERDICT_H
#define VERDICT_H

#include "gpus.h"

#include <jansson.h>

// One GPU's results as they come in.
struct outcome {
    const struct gpu *gpu;
    json_t *device;         // the line that describes it, NULL when it did not open
    json_t *rows;           // array of kernels with their statistics
    json_t *skipped;        // why -> count
    json_t *failures;       // array of {kernel, what, value, limit, reason}; reason: why it is allowed, else absent
};

void outcome_init(struct outcome *o, const struct gpu *g);
void outcome_finish(struct outcome *o);

// A pipeline that gave no statistics: `what` is "refused", "crash" or "hang"; `why` the text, or NULL.
void outcome_broken(struct outcome *o, const char *kernel, const char *what, const char *why);

// Reads the exceptions: "GPU KERNEL WHAT LIMIT REASON" in a line, the first two with wildcards. False: a message.
bool exceptions_read(const char *path);

// Holds all rows against the limits. The number of failures that no exception allows.
unsigned outcome_judge(struct outcome *o);

// A line for the terminal, and the failures that no exception allows below it.
void outcome_print(const struct outcome *o);

// Writes DIR/vendor-name-driver.json. False after a message.
bool outcome_write(const struct outcome *o, const char *dir);

// Exceptions that no failure needed, on all GPUs: their number, after a message for each.
unsigned exceptions_idle(void);

#endif
