// written_zoo.h -- a zoo of run folders written by hand, and studies of it.
#ifndef VKD_WRITTEN_ZOO_H
#define VKD_WRITTEN_ZOO_H

#include "written_runs.h"

#include "engine/run_folder.h"

#include <vkdiv/study.h>

// A result; log_odds is left to the reader where it is 0.
static inline void write_result(const char *dir, const char *key, const char *spec, const char *protocol,
                                const char *line, double value)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/transfer/%s.json", dir, key);
    write_json(name, json_pack("{s:i, s:i, s:{s:s}, s:{s:s, s:s, s:i}, s:{s:s, s:s}, s:s, s:f, s:f, s:f, s:n, s:n}",
        "schema", 1, "version", VKD__TRANSFER_VERSION, "model", "weights_hash", "00000000000000aa", "data", "spec", spec,
        "fingerprint", "1", "test", 2000, "protocol", "name", protocol, "text", line, "metric", "top1", "value",
        value, "low", value - .02, "high", value + .02, "log_odds", "select"));
}

static inline void write_diversity(const char *dir, double rank, double clusters)
{
    char name[256];
    snprintf(name, sizeof(name), "%s/diversity.json", dir);
    json_t *kind = json_pack("{s:i, s:{s:f, s:f}, s:[{s:b, s:f}, {s:b, s:f}]}", "filters", 64, "ratio", "mean_abs_cos",
                             1.5, "effective_rank", .8, "clusters", "calibrated", 0, "ratio", 99., "calibrated", 1,
                             "ratio", clusters);
    json_t *other = json_deep_copy(kind);
    json_object_set_new(other, "filters", json_integer(64000));
    write_json(name, json_pack("{s:i, s:s, s:{s:o, s:o}, s:{s:s, s:s, s:i, s:i, s:f, s:f, s:{s:o, s:n, s:f}}}", "schema", 1,
        "weights_hash", "00000000000000aa", "aggregate", "3x3", kind, "linear", other, "features", "data", BASE,
        "split", "test", "images", 500, "views", 4, "rankme", 1000., "alpha_req", 2., "ratio", "rankme",
        isnan(rank) ? json_null() : json_real(rank), "lidar", "effective_rank", 9.));
}

static inline double share(double log_odds)
{
    return 1 / (1 + exp(-log_odds));
}

// `recipes` recipes of two seeds below `zoo`, to two tasks, by linear probes; RankMe has an effect of its own.
static inline void write_zoo(const char *zoo, int recipes)
{
    double a[32], d[32], noise[64];
    values_make("zoo", ".a", 32, 0, a);
    values_make("zoo", ".d", 32, 0, d);
    values_make("zoo", ".y", 64, 0, noise);
    for (int i = 0; i < 2 * recipes; i++) {
        char dir[128];
        const double y = a[i / 2] + d[i / 2] + 0.1 * noise[i];
        snprintf(dir, sizeof(dir), "%s/runs/r%02d-s%d", zoo, i / 2, i % 2);
        write_run(dir, i / 2, i % 2, true);
        write_result(dir, "b0", BASE, "linear", LINE, share(2 * a[i / 2]));
        write_result(dir, "t0", "folder:/nowhere/one", "linear", LINE, share(y - 1));
        write_result(dir, "t1", "folder:/nowhere/two?limit=9", "linear", LINE, share(y + 1));
        write_diversity(dir, 10 + 5 * d[i / 2] + 0.1 * noise[i], 0.4 + 0.1 * noise[63 - i]);
    }
}

static inline vkd_result gather(const char *zoo, const struct vkd_study_params *with, struct vkd_study *s)
{
    const char *dirs[] = { temp_path("%s", zoo) };
    struct vkd_study_params p = *with;
    p.dirs = dirs;
    p.dir_count = 1;
    p.log = LOG_TO(&said);
    said = (struct messages) { .count = 0 };
    return vkd_study_gather(&p, s);
}

#endif
