// study.h -- whether diversity explains transfer beyond accuracy: the joint model, over many trained models.
//
//     y = b0 + b1 logit(base accuracy) + b2 z(diversity)
//
// y is a model's mean over tasks of logit(transfer), centred per task; z is standardised over the models. Each
// diversity measure is compared with accuracy alone. Seeds of one recipe are one cluster: they are not
// independent witnesses. The claim falls for a measure when the R2 of recipes left out does not rise, when the interval
// of b2 contains 0, or when it is less diverse models that transfer better. (R2 of single models left out is given
// too, and proves nothing: the other seeds of the recipe stay in.)
//
// Thread-safety of all functions: safe, on different tables, studies and files.
#ifndef VKDIV_STUDY_H
#define VKDIV_STUDY_H

#include <vkdiv/device.h>
#include <vkdiv/stats.h>

VKD_BEGIN

enum { VKD_STUDY_RECIPES_MIN = 8 };     // fewer independent recipes: no conclusion

// ---- Numbers in, fits out ----------------------------------------------------------------------

// What a study is of; the caller owns it. NaN stands for a value that there is not.
struct vkd_study_table {
    uint32_t models, measures, tasks;
    const uint32_t *clusters;           // models: equal for seeds of one recipe
    const double *accuracy;             // models: log-odds on the base data
    const double *diversity;            // (models, measures), row by row
    const double *transfer;             // (models, tasks): log-odds
    const char *const *measure_names;
    const int *measure_signs;           // 1: larger is more diverse, -1: smaller is, 0: neither is said; NULL: all 0
    const char *const *task_names;
};

struct vkd_study_fit_params {
    struct vkd_resample_params resample;    // of bootstrap and permutations; its log and stop are the study's
    const char *protocol;               // of all transfer results, for the verdict's words; NULL: not said
};

enum { VKD_STUDY_LINE_POINTS = 21 };

// A fit to be drawn: y over accuracy (log-odds), and the band of 95 % that the fits to resampled recipes keep to.
struct vkd_study_line {
    double z;                           // of diversity; NaN: accuracy alone
    struct vkd_interval y[VKD_STUDY_LINE_POINTS];   // at even distances from line_low to line_high
};

// One diversity measure beside accuracy: all numbers are of the same models, those with a value of it.
struct vkd_study_fit {
    uint32_t measure;                   // in the table
    uint32_t models, clusters;
    double mean, std;                   // of the measure (n - 1): z = (x - mean) / std
    struct vkd_ols accuracy;            // y ~ logit(accuracy)
    struct vkd_ols joint;               // y ~ logit(accuracy) + z(diversity); coefficients[2] is b2
    double recipe_loo_accuracy;         // leave-one-out R2 that leaves out all seeds of a recipe; equal to loo_r2
    double recipe_loo_joint;            // where each recipe has one seed
    struct vkd_interval partial;        // partial correlation of y and diversity given accuracy, cluster bootstrap
    struct vkd_interval slope;          // b2, from the same resamples
    double line_low, line_high;         // the least and the largest accuracy (log-odds)
    struct vkd_study_line lines[3];     // accuracy alone; the joint fit at z = -1 and z = 1
    struct vkd_permutation permutation; // p of b2: Freedman and Lane on the recipes' means
    double p_holm;                      // p after Holm's correction for all measures of the study
    double spearman, kendall;           // of diversity and y, accuracy not controlled for
    bool stands;                        // R2 of recipes left out rises and the interval of b2 leaves 0 out, over
                                        // VKD_STUDY_RECIPES_MIN recipes or more, in either direction
};

// One task with one measure: y is the logit of transfer to it.
struct vkd_study_task_fit {
    uint32_t task, measure;
    uint32_t models;
    double r2_accuracy, r2_joint, loo_r2_accuracy, loo_r2_joint;
    double recipe_loo_accuracy, recipe_loo_joint;   // as of struct vkd_study_fit
    double partial, spearman;           // of diversity and the task's transfer; partial given accuracy
};

enum vkd_study_outcome {
    VKD_STUDY_TOO_FEW,          // recipes: nothing is concluded
    VKD_STUDY_NOT_SUPPORTED,    // the claim falls for every measure
    VKD_STUDY_NOT_ESTABLISHED,  // it stands for some measure, but no p of those is below .05 after Holm's correction:
                                // of a dozen measures without any effect one stands as often as not
    VKD_STUDY_OPPOSITE,         // diversity says something of transfer, but less diverse models transfer better
    VKD_STUDY_SUPPORTED,
};

struct vkd_study_fits {
    uint32_t models, clusters;          // in the fits
    uint32_t tasks;
    bool *model_used, *task_used;       // (table's models), (table's tasks); see vkd_study_fit
    double *y;                          // (table's models); NaN: not used
    double accuracy_spearman, accuracy_kendall;     // of logit(accuracy) and y
    uint32_t fit_count;                 // one a measure, in the table's order
    struct vkd_study_fit *fits;
    uint32_t task_fit_count;            // tasks used * measures
    struct vkd_study_task_fit *task_fits;
    enum vkd_study_outcome outcome;
    const struct vkd_study_fit *best;   // that the verdict names; NULL: none
    char verdict[768], falsifier[256];  // a sentence each
};

// Fits the joint model with each measure. A task counts when at least half of the models have a result of it;
// a model counts when it has accuracy and all tasks that count. Too little to fit, a measure that is constant: NaN, not
// an error, and told in the log.
//
//   VKD_INVALID      no model, no task, no measure, or an infinite number in the table
//   VKD_NO_MEMORY, VKD_DIVERGED
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd_study_fit(const struct vkd_study_table *t, const struct vkd_study_fit_params *p,
                                     struct vkd_study_fits *out);
void vkd_study_fits_finish(struct vkd_study_fits *f);

// "too few recipes", "not supported", "not established", "opposite", "supported".
const char *vkd_study_outcome_name(enum vkd_study_outcome outcome);

// ---- Runs in -----------------------------------------------------------------------------------

struct vkd_study_result {               // of one model and one task
    bool found;
    double value, low, high, log_odds;
    char metric[24];
};

struct vkd_study_model {
    char *run;                          // folder
    char *label;                        // its name within the folder that was given
    char *arch;
    uint64_t recipe;                    // hash of the resolved recipe without its seed; weights that it starts from
                                // count as the recipe of the run they are of
    uint32_t cluster;                   // its number, from 0 by first appearance
    uint64_t seed;
    char *method;                       // "supervised", "simclr" ...; with label injection "simclr + linear"
    struct vkd_study_result base;       // accuracy on the base data
    double *diversity;                  // measures; NaN: not known
    struct vkd_study_result *tasks;     // tasks
};

struct vkd_study {
    uint32_t model_count;
    struct vkd_study_model *models;
    uint32_t measure_count;
    const char *const *measure_names;   // static
    const int *measure_signs;           // as of the table
    uint32_t task_count;
    char **task_names, **task_specs;
    char **task_metrics;                // of its results; NULL: no model has one
    char *base;                         // SPEC that base accuracy is of
    char *base_protocol;                // how: the protocol's text, or that it is run.json's test accuracy
    char *protocol_name;                // of the tasks
    char **task_protocols;              // its whole line on each, which says metric and validation images too; NULL:
                                        // no model has a result
    struct vkd_study_table table;       // for vkd_study_fit; its arrays belong to the study
    void *memory;
};

struct vkd_study_task {
    const char *data;                   // SPEC
    const char *name;                   // NULL: the SPEC's last part
    const char *metric;                 // vkd_transfer_metric_at's, which results must be of; NULL: what they are of, and
                                        // the set's default (see vkd_transfer_params) of those that are missing
};

struct vkd_study_params {
    const char *const *dirs;            // runs, or folders with runs in them, at most 6 deep
    uint32_t dir_count;
    const struct vkd_study_task *tasks; // NULL: all that results are found of. Files and classes of the base data are no
                                        // task, whatever their limit
    uint32_t task_count;
    const char *base;                   // SPEC; NULL: what more than half of the runs were trained on, or if it has no
                                        // result and one other SPEC of the same files and classes has, that one
    bool base_from_run;                 // accuracy is run.json's of its own test, not that of a linear probe
    const char *protocol;               // its name, or a part of its text; NULL: linear where there are results of it, or
                                        // none at all; else the only one there is
    const char *probe;                  // SPEC of the images that features' diversity is of; NULL: those of
                                        // diversity.json, else base
    uint32_t images, views;             // of the probe: as of vkd_features_params; 0: 2000 and 4
    const char *const *measures;        // names; NULL: all that at least half of the models have
    uint32_t measure_count;
    // Asked for when something is missing that needs a device, once; it stays the caller's. NULL, or gives NULL: what
    // is missing stays so, and is told.
    vkd_device *(*device)(void *user);
    struct vkd_log log;
    void (*progress)(void *user, const char *what, uint32_t done, uint32_t count);      // may be NULL
    bool (*stop)(void *user);           // may be NULL
    void *user;
};

// Reads run folders: run.json, transfer/*.json, diversity.json. Runs that are not finished, results of other weights
// than the run stands for (vkd_transfer_params.model), and results of vkd_transfer_params.select do not count.
// What is computed is written there at once, so that an interrupted study goes on where it ended. A task whose files
// are not there, and of which there is no result, is left out.
//
//   VKD_INVALID      no run; results of several protocols or several states of the data, those included that would be
//                    computed (the log prints both); base data that are not one; an unknown measure
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd_study_gather(const struct vkd_study_params *p, struct vkd_study *out);
void vkd_study_finish(struct vkd_study *s);

// Writes the whole study, as `vkdiv study --json` prints it, atomically.
//
//   VKD_IO, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_study_save(const struct vkd_study *s, const struct vkd_study_fits *f, const char *path,
                                      const struct vkd_log *log);

VKD_END
#endif
