// stats_inputs.h -- the inputs of tests/golden/record_stats.py and record_study.py again in C.
#ifndef STATS_INPUTS_H
#define STATS_INPUTS_H

#include "measure_inputs.h"

// values() of record_stats.py: n doubles in [0, 1), or whole numbers below `steps`.
static inline void values_make(const char *name, const char *suffix, uint32_t n, uint32_t steps, double *out)
{
    char full[96];
    snprintf(full, sizeof(full), "stats.%s%s", name, suffix);
    for (uint32_t i = 0; i < n; i++) {
        double u = golden_uniform(full, i);
        out[i] = steps ? floor(u * steps) : u;
    }
}

static inline json_t *golden_json(const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/tests/golden/%s.json", VKD_SOURCE_DIR, name);
    json_t *golden = json_load_file(path, 0, NULL);
    ck_assert_ptr_nonnull(golden);
    return golden;
}

static inline double case_double(const json_t *c, const char *key)
{
    return json_double(json_object_get(c, key));
}

#endif
