// bench.h -- what `vkdiv bench` measures and how a result looks.
#ifndef VKD_APP_BENCH_H
#define VKD_APP_BENCH_H

#include "apps/vkdiv/app.h"
#include "engine/bench.h"

enum { BENCH_RECIPES_MAX = 8, BENCH_SETS_MAX = 32, BENCH_ONLY_MAX = 8, BENCH_TEXT = 512 };

// A part of a row, as it is taken apart: the median of its seconds, and of its share of the whole.
struct bench_part { const char *name; double seconds, share; };

// One row. `work`, `bytes`, `elements` and `images` are of one run; 0 where they mean nothing.
struct bench_row {
    char name[64], shape[64], variant[160];
    const char *dtype;      // NULL: f32
    struct vkd__bench_time time;
    double work;            // floating-point operations
    double bytes;           // that must move between memory and the device at least
    double elements;        // of the tensor that is worked through
    double images;
    bool   step;            // of training: `waits` and `memory` mean something
    uint32_t waits;         // of the host for the device in the midst of a step
    double memory;          // bytes of the device that training needs, as foreseen
    struct bench_part parts[8];
    uint32_t part_count;
};

// What the device does at best; 0 where it cannot be measured. The rows are what it was found by.
struct roofline {
    double copy_gb_s, f32_gflops, f16_gflops;
    struct bench_row rows[3];
    uint32_t row_count;
};

// `half`: f16, too, where the device has it.
VKD_CHECKED vkd_result roofline_measure(vkd_device *dev, bool half, struct roofline *out);

// How the step of one recipe compares with that of another: time and memory, each per image that goes through the
// network (views counted). Timed in turns; low and high are the quarters below and above.
struct bench_ratio { char name[64], base[64]; struct vkd__bench_time time; double memory; };

struct bench {
    vkd_device *dev;
    uint32_t runs;          // 0: enough for a steady median
    uint32_t cases;         // the first so many of a group of operations; 0: all
    struct roofline roof;
    const char *recipes[BENCH_RECIPES_MAX];     // of `model`; none: those it knows
    uint32_t recipe_count;
    struct { const char *text; uint32_t recipe; } sets[BENCH_SETS_MAX];    // overrides: of which recipe, counted from
    uint32_t set_count;                                                    // 1; 0: of all
    const char *only[BENCH_ONLY_MAX];           // rows whose name or shape has one of these; none: all
    uint32_t only_count;
    json_t *old;            // rows to compare with: others are not measured. NULL: all are
    void (*tell)(void *user, const struct bench_row *row);
    void (*compare)(void *user, const struct bench_ratio *ratio);
    void *user;
};

// The groups of measurements. A row that fails is logged, and the first failure is returned at the end.
VKD_CHECKED vkd_result bench_roofline(const struct bench *b);
VKD_CHECKED vkd_result bench_gemm(const struct bench *b);
VKD_CHECKED vkd_result bench_conv(const struct bench *b);
VKD_CHECKED vkd_result bench_ops(const struct bench *b);
VKD_CHECKED vkd_result bench_optimizers(const struct bench *b);
VKD_CHECKED vkd_result bench_augment(const struct bench *b);
VKD_CHECKED vkd_result bench_data(const struct bench *b);
VKD_CHECKED vkd_result bench_models(const struct bench *b);

// Runs for something that takes about `seconds`: a second's worth, from 3 to 30.
uint32_t bench_runs(const struct bench *b, double seconds);
// Whether a row is wanted. `shape` NULL: it is not known yet, the name decides.
bool bench_wants(const struct bench *b, const char *name, const char *shape);

// ---- Results: one JSON document, whether measured or read ---------------------------------------

json_t *bench_row_json(const struct bench *b, const struct bench_row *r, const char *group);
// What stands before the results.
json_t *bench_head_json(const struct vkd_caps *caps, const struct roofline *l, const char *command);
void bench_print_head(const json_t *doc);
void bench_print_row(const json_t *row);
void bench_print_markdown(const json_t *doc);
// A row's text, fit for a terminal, in `out` (returned), cut to its size; a number, or NaN.
const char *bench_text(const json_t *row, const char *key, char out[BENCH_TEXT]);
double bench_number(const json_t *row, const char *key);

// Reads what --json wrote; NULL after an error message when that is not possible.
json_t *bench_read(const char *path);
// The row of the array that has the name, shape and type of `row`, the `nth` (from 0) of equal ones; or NULL.
json_t *bench_find(const json_t *rows, const json_t *row, size_t nth);
// Compares row by row, time of `doc` over time of `old`: slower and faster is what the spreads of both do not explain.
json_t *bench_compare(const json_t *old, const json_t *doc, const char *path);
void bench_print_compared(const json_t *compared, bool markdown);

#endif
