// transfer_impl.h -- the parts of a transfer: sets, features, protocols, scores. Internal to engine/transfer/.
#ifndef VKD_TRANSFER_IMPL_H
#define VKD_TRANSFER_IMPL_H

#include <vkdiv/stats.h>
#include <vkdiv/transfer.h>

#include <jansson.h>
#include <string.h>

// ---- Sets (sets.c, holdout.c) ----

struct vkd__transfer_sets {
    vkd_dataset *train, *val, *test;    // val NULL: a part of train
    uint8_t *held;                      // then 1 for each image of train that val has; else NULL
    uint32_t train_count, val_count, test_count;
    uint32_t classes;
    bool multi_label;
    uint64_t fingerprint;               // vkd__transfer_sets_identify's
};

#define VKD__HOLDOUT 0.2

// Opens and checks the splits of `spec`. holdout: see vkd_transfer_params; 0: VKD__HOLDOUT.
VKD_CHECKED vkd_result vkd__transfer_sets_open(const char *spec, double holdout, uint64_t seed, const struct vkd_log *log,
                                               struct vkd__transfer_sets *out);
// Takes the fingerprint of all three, with what their images hold: files are read for it.
VKD_CHECKED vkd_result vkd__transfer_sets_identify(struct vkd__transfer_sets *s);
void vkd__transfer_sets_close(struct vkd__transfer_sets *s);

// held[i] for each image of `d`, see transfer.h; *count of them are 1.
VKD_CHECKED vkd_result vkd__holdout(const vkd_dataset *d, double share, uint64_t seed, uint8_t *held, uint32_t *count);

// ---- A transfer ----

enum vkd__metric { VKD__METRIC_TOP1, VKD__METRIC_MEAN_PER_CLASS, VKD__METRIC_MAP, VKD__METRIC_MAP11, VKD__METRIC_COUNT };
const char *vkd__metric_name(enum vkd__metric m);

struct vkd__transfer_protocol;

struct vkd__transfer {
    vkd_device *dev;
    struct vkd_log log;
    struct vkd_transfer_params p;       // with defaults filled in
    const struct vkd__transfer_protocol *protocol;
    enum vkd__metric metric;
    char weights[4096];                 // the model's file, without a choice
    char out[4096];                     // "": results are not kept
    vkd_feature_cache *cache, *own_cache;
    struct vkd__transfer_sets sets;
    char **class_names;
    struct vkd__checkpoints *checkpoints;   // to choose from; NULL: nothing is chosen
    json_t *settings;                   // of the protocol and of all that it is told
    char *text;                         // the same as a line
    uint64_t key;
};

static inline bool vkd__transfer_balances(const struct vkd__transfer *t)
{
    return t->p.class_weights && !strcmp(t->p.class_weights, "balanced");
}

// Tells the caller, if it wants to know.
void vkd__transfer_tell(const struct vkd__transfer *t, const char *what, uint32_t done, uint32_t of);

// ---- What a result depends on (identity.c) ----

// A file's weights, and what it says that decides what becomes of images.
struct vkd__weights_identity {
    uint64_t hash;                      // vkd_weights_hash
    struct vkd_weights_info info;
    json_t *json;
};
VKD_CHECKED vkd_result vkd__weights_identity(const char *path, bool partial, const struct vkd_log *log,
                                             struct vkd__weights_identity *out);

// Makes settings and text; the key.
VKD_CHECKED vkd_result vkd__transfer_settle(struct vkd__transfer *t);
VKD_CHECKED vkd_result vkd__transfer_identify(struct vkd__transfer *t);

// Groups of settings as a line: "NAME, key value, key value value; key value". Numbers have all the digits they need,
// so that different settings are different lines. malloc'd; NULL: no memory.
char *vkd__settings_line(json_t *settings);

// ---- Features in tables (table.c) ----

// Images with what is known of them. Malloc'd.
struct vkd__table {
    uint32_t rows, dim;
    float *values;                      // (rows, dim)
    uint32_t *labels;                   // rows; or
    int8_t *truth;                      // (rows, classes) of a multi-label set
    uint32_t unreadable;                // images of the split that they are of
};
void vkd__table_finish(struct vkd__table *t);
struct vkd_matrix vkd__table_matrix(const struct vkd__table *t);

// Features of the file `weights` at `layers`, through the cache: train and val apart.
VKD_CHECKED vkd_result vkd__train_tables(const struct vkd__transfer *t, const char *weights, const char *const *layers,
                                         uint32_t layer_count, struct vkd__table *train, struct vkd__table *val);
VKD_CHECKED vkd_result vkd__test_table(const struct vkd__transfer *t, const char *weights, const char *layer,
                                       struct vkd__table *test);
// Refuses numbers that are not finite.
VKD_CHECKED vkd_result vkd__table_check(const struct vkd__transfer *t, const char *weights, const char *layer,
                                        const struct vkd__table *of);
// The rows of both.
//
//   VKD_INVALID  they do not fit together
VKD_CHECKED vkd_result vkd__table_join(const struct vkd__table *a, const struct vkd__table *b, uint32_t classes,
                                       const struct vkd_log *log, struct vkd__table *out);

// ---- Protocols: constant data in engine/transfer/protocols/NAME.c as vkd_transfer_NAME, found by the build ----

struct vkd__transfer_job {
    const struct vkd__transfer *t;
    const char *weights;                // safetensors file
    const char *layer;
    const struct vkd__table *train, *val;
    const struct vkd__table *test;      // NULL: val is all that matters
    bool choose;                        // the regularisation too, where the protocol has it fixed
    uint32_t k;                         // 0: as the parameters say
    double temperature;
};

struct vkd__transfer_outcome {
    double val;                         // the metric on val of what was chosen; NaN: nothing was
    double penalty;                     // NaN or 0: has no meaning
    uint32_t k;
    double temperature, lr, weight_decay;
    uint32_t *predictions;              // of test; malloc'd; or
    float *scores;                      // (test, classes) of a multi-label set
    uint32_t *labels;                   // a protocol without features: of test, as they were seen; or
    int8_t *truth;
    uint32_t unreadable;                // images of test, where there are no features
};
void vkd__transfer_outcome_finish(struct vkd__transfer_outcome *o);

struct vkd__transfer_protocol {
    const char *name;
    bool no_features;                   // works on images: test has no rows, outside of a choice nor have train and val
    // Checks the parameters that are its own, after the sets are open.
    vkd_result (*check)(const struct vkd__transfer *t);                     // NULL: there is nothing to check
    // Every setting that decides the result: an object of numbers, texts and lists of them, "name" first.
    json_t *(*settings)(const struct vkd__transfer *t);
    vkd_result (*run)(const struct vkd__transfer_job *job, struct vkd__transfer_outcome *out);
    // After the result is in its file: what only served to make it may go. NULL: there is nothing.
    void (*tidy)(const struct vkd__transfer *t);
};
const struct vkd__transfer_protocol *vkd__transfer_protocol_find(const char *name);

// ---- Scores (score.c, ranking.c) ----

// The metric of predictions or scores against what is known of a table's rows.
VKD_CHECKED vkd_result vkd__metric_value(const struct vkd__transfer *t, const struct vkd__table *of,
                                         const uint32_t *predictions, const float *scores, double *out);
// Fills metrics, per_class, value, interval, log-odds of a result that has labels and predictions, or scores and truth.
VKD_CHECKED vkd_result vkd__transfer_score(const struct vkd__transfer *t, struct vkd_transfer_result *r);

// vkd_transfer_compare of results that are known to be alike but for the model.
VKD_CHECKED vkd_result vkd__compare_outcomes(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b,
                                             uint64_t seed, const struct vkd_log *log,
                                             struct vkd_transfer_comparison *out);

// Examples by descending score, class by class: average precision of any multiset of them without sorting again.
struct vkd__ranking;
VKD_CHECKED vkd_result vkd__ranking_create(const float *scores, const int8_t *truth, uint32_t rows, uint32_t classes,
                                           struct vkd__ranking **out);
void vkd__ranking_destroy(struct vkd__ranking **r);
// Mean average precision, plain or over the 11 points of VOC 2007, of examples that count[i] times are there; NaN without
// positives. An example is among those that score as high as itself: with few positives that makes precisions, and their
// mean, larger than they are of many images. Of OTHERS it is not, which leaves next to nothing of that excess.
enum vkd__ap { VKD__AP_PLAIN, VKD__AP_VOC11, VKD__AP_OTHERS };
double vkd__ranking_map(const struct vkd__ranking *r, const uint32_t *count, enum vkd__ap kind);

// ---- Intervals (interval.c) ----

// The bootstrap interval of a result's metric, groups as a whole. Of shares right it is that of percentiles. A mean average
// precision of few positives is too large, and resamples with their copies are more so: there half of the images, which
// vary as much, stand for a resample, and the basic interval is that of the precisions among others.
//
// The 11 points come near to no value of all images: those at recall 0 and 1 hang on the highest and the lowest scores of a
// test set, and so on its size. Their interval is for the mean over test sets of this size: halves say how far single ones
// are from the middle, in log-odds, for near 1 there is less room above than below.
VKD_CHECKED vkd_result vkd__transfer_interval(const struct vkd__transfer *t, const struct vkd_transfer_result *r,
                                              struct vkd_interval *out);

// ---- The choice (select.c) ----

// The checkpoints of a run whose weights differ, the last one first. Those that cannot be read are left out, with a
// warning.
struct vkd__checkpoints;
VKD_CHECKED vkd_result vkd__checkpoints_list(const struct vkd__transfer *t, struct vkd__checkpoints **out);
void vkd__checkpoints_free(struct vkd__checkpoints *c);
json_t *vkd__checkpoints_identity(const struct vkd__checkpoints *c);       // NULL: no memory

// Chooses by train and val alone; *choice says what.
struct vkd__choice {
    char weights[4096];
    uint32_t k;                         // of knn
    double temperature;
};
VKD_CHECKED vkd_result vkd__transfer_select(const struct vkd__transfer *t, struct vkd_transfer_selection *out,
                                            struct vkd__choice *choice);
void vkd__selection_finish(struct vkd_transfer_selection *s);

// RankMe of train's features at layers of untrained networks like the file's, mean over three; of train's first 10000
// images, those held out not among them (untrained.c).
VKD_CHECKED vkd_result vkd__untrained_rankme(const struct vkd__transfer *t, const char *weights, const char *const *layers,
                                             uint32_t count, double *out);

// Whether a failure says nothing of other checkpoints.
bool vkd__is_of_one_checkpoint(vkd_result r);

// ---- Files (result_json.c) ----
VKD_CHECKED vkd_result vkd__transfer_write(const struct vkd__transfer *t, struct vkd_transfer_result *r);
void vkd__transfer_file(const char *folder, const char *key, char *path, size_t size);

#endif
