// linear.h -- the linear protocol: logistic regression on features in host memory, its penalty chosen on validation.
//
// Features x (D), weights W (D, classes), intercepts b (classes), z = x W + b. What is minimised, rows i:
//
//   one label     sum_i u_i (-log softmax(z_i)[y_i])  +  penalty / 2 * sum W^2
//   multi-label   for each label k a model of its own:
//                 sum_i u_ik (-y_ik log sigmoid(z_ik) - (1 - y_ik) log sigmoid(-z_ik))  +  penalty_k / 2 * sum W_k^2
//
// The losses are summed, not averaged, and intercepts carry no penalty, so that scikit-learn's C is 1 / penalty
// (LogisticRegression, solver lbfgs, multi_class multinomial, also of two classes; binary models per label). u is 1, or
// a class weight. Rows without a label, and unknown entries of truth, are left out.
//
// The path (Kornblith et al. 2019; SimCLR, appendix B.8): one penalty after another from strong to weak, each begun
// where the one before ended, fitted on train and scored on val; the best penalty's model is fitted again on train and
// val together. Of equal scores the stronger penalty. Kornblith's penalties are 45, evenly spaced in their logarithm
// from 1e-6 to 1e5, and features are taken as they are: both are the defaults.
//
// The optimiser is liblbfgs', in coordinates that leave the problem what it is: centred features, turned to their
// principal directions. Products are OpenBLAS' in float, sums of losses and gradients in double; measure.h says what
// OpenBLAS' threads mean. Same input, same machine, same number of threads: same bits. Thread-safety: safe.
#ifndef VKDIV_LINEAR_H
#define VKDIV_LINEAR_H

#include <vkdiv/measure.h>

VKD_BEGIN

#define VKD_LINEAR_PENALTIES 45
#define VKD_LINEAR_TOLERANCE 3e-3       // what 0 stands for below
#define VKD_LINEAR_ITERATIONS 100u

enum vkd_linear_weighing {
    VKD_LINEAR_UNWEIGHTED,      // u = 1
    VKD_LINEAR_BALANCED,        // one label: rows / (classes that have rows * rows of the class); multi-label, for each
                                // label: known / (2 * positives) of a positive row, known / (2 * negatives) of another
    VKD_LINEAR_GIVEN,           // class_weights; multi-label: those of positive rows, 1 of negative ones
};

enum vkd_linear_choice {
    VKD_LINEAR_TOP1,            // share of val that is right
    VKD_LINEAR_MEAN_PER_CLASS,  // mean over classes of that share
    VKD_LINEAR_PLAIN_AP,        // multi-label: AP of the label, vkd_ap's plain
    VKD_LINEAR_VOC11_AP,        // multi-label: vkd_ap's voc11
};

// A split: features (rows, D), and labels or truth.
struct vkd_linear_set {
    struct vkd_matrix features;
    const uint32_t *labels;     // rows, below classes or VKD_NO_LABEL
    const int8_t *truth;        // multi-label: rows * classes, VKD_TRUTH_*
};

struct vkd_linear_params {
    struct vkd_linear_set train;
    struct vkd_linear_set val;      // no rows: a single penalty, fitted on train alone
    struct vkd_linear_set test;     // no rows: no scores. Its labels are optional and only looked at to warn
    uint32_t classes;
    const char *const *class_names; // for messages; NULL: numbers
    bool multi_label;
    bool standardise;               // columns divided by their standard deviations in train (constant ones are left)
    enum vkd_linear_weighing weighing;
    const double *class_weights;    // classes, > 0
    enum vkd_linear_choice choice;  // must fit multi_label
    const double *penalties;        // > 0, descending; NULL: Kornblith's
    uint32_t penalty_count;
    double tolerance;               // a fit ends when its objective would fall by about tolerance^2 of itself; 0: the above
    uint32_t iterations;            // at most, of a fit; 0: the above, which is scikit-learn's
    void (*progress)(void *user, uint32_t fit, uint32_t fits);      // before each fit; may be NULL
    bool (*stop)(void *user);                                       // asked at every iteration; may be NULL
    void *user;
    struct vkd_log log;
};

// Arrays are malloc'd. `models` is classes of a multi-label task, else 1.
struct vkd_linear {
    uint32_t features, classes, models, penalty_count;
    double *weights;            // (features, classes), of features as they were given
    double *bias;               // classes
    double *penalties;          // penalty_count, descending
    double *curve;              // (penalty_count, models): score on val; NaN where val has no positives
    double *curve_mean;         // penalty_count: the mean over models that are not NaN
    uint32_t *chosen;           // models: index of the penalty. A model without a score takes that of the best mean
    double *val_scores;         // models: the score of the chosen penalty, before fitting again
    uint8_t *constant;          // classes: 1 where no model could be made (see vkd_linear_path)
    float *scores;              // (test rows, classes): z, the logits; NULL without test
    uint32_t *predictions;      // test rows: the largest score, of equal ones the lower class; NULL for multi-label
    uint64_t iterations, evaluations;   // of all fits
    uint32_t unfinished;        // fits that ended by `iterations`
};

// Fits the path, chooses, fits again, and scores the test rows.
//
// What a split lacks: a class without rows in train is told (a warning, with its name, says so when test has it) and
// gets the weight 0 and the intercept -1e9, so that it is never predicted. A label without positives or without
// negatives in train gets a constant score, and is told. Fitting again counts rows of train and val together.
//
// Takes memory for the features of train and val in float, for about 5 D^2 + 30 D * classes doubles, and for blocks of
// 40 MiB in all.
//
//   VKD_INVALID      a rule above is broken, a feature is not finite, or train has rows of fewer than two classes (no
//                    label with positives and negatives)
//   VKD_NO_MEMORY
//   VKD_DIVERGED     the eigenvalues of the features' covariance, or an objective, did not come out finite
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd_linear_path(const struct vkd_linear_params *p, struct vkd_linear *out);
void vkd_linear_finish(struct vkd_linear *l);

// Logits of other features (rows, features): (rows, classes).
//
//   VKD_INVALID      other columns than `features`, or not finite
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_linear_scores(const struct vkd_linear *l, const struct vkd_matrix *x,
                                         const struct vkd_log *log, float *scores);

VKD_END
#endif
