// measure_inputs.h -- the inputs of tests/golden/record_measures.py again in C, and comparing with what it stored.
#ifndef MEASURE_INPUTS_H
#define MEASURE_INPUTS_H

#include "golden.h"

#include "engine/safetensors.h"

#include <vkdiv/measure.h>

#include <jansson.h>

#define GAP 3       // floats between the rows: the stride of every test matrix

static inline const char *measure_name(const char *a, const char *b)
{
    static char text[128];
    snprintf(text, sizeof(text), "measure.%s%s", a, b);
    return text;
}

// What trained.safetensors has of a name: the first `n` rows and `d` columns.
static inline void trained_rows(const char *name, uint32_t n, uint32_t d, float *out, uint32_t stride)
{
    vkd__st_file *f = NULL;
    ck_assert_int_eq(vkd__st_open(VKD_SOURCE_DIR "/tests/golden/trained.safetensors", NULL, &f), VKD_OK);
    const struct vkd__st_tensor *t = vkd__st_find(f, name);
    ck_assert_msg(t && t->shape[0] >= n && (t->rank == 1 || t->shape[1] >= d), "%s", name);
    for (uint32_t i = 0; i < n; i++)
        ck_assert(vkd__st_floats(t, i * (t->rank > 1 ? t->shape[1] : 1), d, out + (uint64_t) i * stride));
    vkd__st_close(&f);
}

// matrix() of the script; free the data with matrix_free().
static inline struct vkd_matrix matrix_make(const char *name, const char *suffix, const char *kind, uint32_t n,
                                            uint32_t d)
{
    char full[96], v_name[128], w_name[128];
    snprintf(full, sizeof(full), "%s%s", name, suffix);
    snprintf(v_name, sizeof(v_name), "measure.%s.v", full);
    snprintf(w_name, sizeof(w_name), "measure.%s.w", full);
    float *u = golden_numbers(measure_name(full, ""), (uint64_t) n * d, strcmp(kind, "relu") ? -1 : 0, 1);
    float *v = golden_numbers(v_name, d, 0.5, 1.5), *w = golden_numbers(w_name, n, 0.5, 1.5);
    float *data = malloc(((uint64_t) n * (d + GAP)) * sizeof(*data));
    const uint32_t third = (n + 2) / 3;
    for (uint32_t i = 0; i < n; i++) {
        float *row = data + (uint64_t) i * (d + GAP);
        for (uint32_t c = 0; c < d; c++) {
            float x = u[(uint64_t) i * d + c];
            if (!strcmp(kind, "decay") || !strcmp(kind, "relu"))
                x = x * (float) (1.0 / (1.0 + c));
            else if (!strcmp(kind, "collapsed"))
                x = (float) ((double) w[i] * v[c] + 0x1p-20 * x);
            else if (!strcmp(kind, "near"))
                x = (float) (v[c] + 0x1p-20 * x);
            else if (!strcmp(kind, "rank1"))
                x = ldexpf(v[c], (int) (i % 5));
            else if (!strcmp(kind, "duplicated"))
                x = ldexpf(u[(uint64_t) (i % third) * d + c], (int) (i / third));
            else if (!strcmp(kind, "ties"))
                x = x < 0 ? -1 : 1;
            row[c] = x;
        }
        for (uint32_t c = d; c < d + GAP; c++)
            row[c] = NAN;           // must not be read
    }
    if (!strcmp(kind, "trained"))
        trained_rows(full, n, d, data, d + GAP);
    free(w);
    free(v);
    free(u);
    return (struct vkd_matrix) { data, n, d, d + GAP };
}

static inline float *matrix_row(const struct vkd_matrix *m, uint32_t i)
{
    return (float *) (uintptr_t) m->data + (uint64_t) i * m->stride;
}

static inline void matrix_free(struct vkd_matrix *m)
{
    free((void *) (uintptr_t) m->data);
    m->data = NULL;
}

// integers() of the script, malloc'd.
static inline uint32_t *integers_make(const char *name, const char *suffix, uint32_t count, uint32_t below)
{
    uint32_t *v = malloc((count + 1) * sizeof(*v));
    for (uint32_t i = 0; i < count; i++)
        v[i] = (uint32_t) (golden_uniform(measure_name(name, suffix), i) * below);
    return v;
}

// Those of "trained" rows are stored with them.
static inline uint32_t *labels_make(const char *name, const char *kind, uint32_t count, uint32_t below)
{
    uint32_t *v = integers_make(name, ".labels", count, below);
    char full[96];
    snprintf(full, sizeof(full), "%s.labels", name);
    float *stored = calloc(count + 1, sizeof(*stored));
    if (!strcmp(kind, "trained"))
        trained_rows(full, count, 1, stored, 1);
    for (uint32_t i = 0; i < count && !strcmp(kind, "trained"); i++)
        v[i] = (uint32_t) stored[i];
    free(stored);
    return v;
}

// ---- The file ----

static inline json_t *measures_open(void)
{
    json_t *golden = json_load_file(VKD_SOURCE_DIR "/tests/golden/measures.json", 0, NULL);
    ck_assert_ptr_nonnull(golden);
    return golden;
}

static inline const char *case_text(const json_t *c, const char *key)
{
    return json_string_value(json_object_get(c, key));
}

static inline uint32_t case_count(const json_t *c, const char *key)
{
    return (uint32_t) json_integer_value(json_object_get(c, key));
}

// The two matrices of a case of "cka": the second has the first in it.
static inline void cka_make(const json_t *c, struct vkd_matrix *x, struct vkd_matrix *y)
{
    const json_t *cols = json_object_get(c, "cols");
    const uint32_t rows = case_count(c, "rows");
    *x = matrix_make(case_text(c, "name"), ".x", case_text(c, "kind"), rows,
                     (uint32_t) json_integer_value(json_array_get(cols, 0)));
    *y = matrix_make(case_text(c, "name"), ".y", case_text(c, "kind"), rows,
                     (uint32_t) json_integer_value(json_array_get(cols, 1)));
    for (uint32_t j = 0; j < rows && strcmp(case_text(c, "kind"), "trained"); j++)
        for (uint32_t k = 0; k < x->cols && k < y->cols; k++)
            matrix_row(y, j)[k] += matrix_row(x, j)[k];
}

// null stands for NaN.
static inline double json_double(const json_t *x)
{
    return json_is_null(x) ? NAN : json_number_value(x);
}

// `scale` is what a difference is relative to besides the value itself.
static inline void check_number(const char *where, const char *key, double found, double expected, double scale)
{
    bool same = isnan(expected) ? isnan(found) : fabs(found - expected) <= 1e-9 * fmax(scale, fabs(expected));
    ck_assert_msg(same, "%s, %s: expected %.15g, found %.15g", where, key, expected, found);
}

static inline void check_case(const json_t *c, const char *key, double found)
{
    ck_assert_msg(json_object_get(c, key) != NULL, "no %s", key);
    check_number(case_text(c, "name"), key, found, json_double(json_object_get(c, key)), 0);
}

// ---- Failing: with -Wl,--wrap=calloc, the allocation number alloc_fail_at fails (1 is the first) ----

static uint32_t alloc_fail_at, alloc_count;

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return ++alloc_count == alloc_fail_at ? NULL : __real_calloc(count, size);
}

// Runs `call` with each of its allocations failing in turn; at least one must.
#define CHECK_ALLOCATIONS(call)                                          \
    do {                                                                 \
        uint32_t at = 1;                                                 \
        for (vkd_result r = VKD_NO_MEMORY; r != VKD_OK; at++) {          \
            alloc_fail_at = at;                                          \
            alloc_count = 0;                                             \
            r = (call);                                                  \
            alloc_fail_at = 0;                                           \
            ck_assert_msg(r == VKD_OK || r == VKD_NO_MEMORY, #call);     \
        }                                                                \
        ck_assert_msg(at > 2, #call " allocates nothing");               \
    } while (0)

// ---- The last log line ----

static char last_log[1024];

static inline void keep_log(void *user, enum vkd_log_level level, const char *text)
{
    (void) user, (void) level;
    snprintf(last_log, sizeof(last_log), "%s", text);
}

static const struct vkd_log test_log = { keep_log, NULL };

#define CHECK_REJECTED(call, word)                                                              \
    do {                                                                                        \
        last_log[0] = 0;                                                                        \
        ck_assert_int_eq(call, VKD_INVALID);                                                    \
        ck_assert_msg(strstr(last_log, word) != NULL, #call " says: %s", last_log);             \
    } while (0)

#endif
