// stats.h -- how sure a number is, and what explains it: intervals, permutation tests, least squares, ranks.
//
// As measure.h: pure functions of host memory, in double. Thread-safety: safe, if the caller's callbacks are.
// All inputs must be finite, else VKD_INVALID and a log line that names the place. What has no value (the
// correlation with a constant) is NaN, and no error. Outputs are written on success only. Randomness is Philox:
// equal seeds, equal results, on any machine.
#ifndef VKDIV_STATS_H
#define VKDIV_STATS_H

#include <vkdiv/base.h>

VKD_BEGIN

struct vkd_resample_params {
    uint32_t count;             // resamples or permutations; 0: 2000 of a bootstrap, 9999 of a permutation test
    double confidence;          // of an interval, above 0 and below 1; 0: .95
    uint64_t seed;
    struct vkd_log log;
    bool (*stop)(void *user);   // may be NULL; asked before each resample
    void *user;
};

// ---- Bootstrap ---------------------------------------------------------------------------------

// The percentile interval (Efron 1979): the quantiles (1 -+ confidence) / 2 of the resamples' values, linear
// between order statistics (NumPy's default). A resample whose value is NaN is left out.
struct vkd_interval {
    double value;               // of the examples as they are
    double low, high;           // NaN where fewer than half of the resamples have a value
    uint32_t resamples;         // that have one
};

// Of the mean of `count` values, each an example. Of one example low = high = value.
//
//   VKD_INVALID      count = 0, or a rule above is broken
//   VKD_NO_MEMORY
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd_bootstrap_mean(const double *values, uint32_t count, const struct vkd_resample_params *p,
                                          struct vkd_interval *out);

// `outs` values of the examples that `indices` names, some of them several times; NaN: of these there is none.
typedef void vkd_metric(void *user, const uint32_t *indices, uint32_t count, double *values);

// Of any metrics of `examples` examples: each resample draws so many of them with replacement, and gives all
// `outs` metrics, so that their intervals belong together. `out` has room for `outs`. Errors as above.
VKD_CHECKED vkd_result vkd_bootstrap_metric(vkd_metric *metric, void *metric_user, uint32_t examples, uint32_t outs,
                                            const struct vkd_resample_params *p, struct vkd_interval *out);

// The same where examples of one cluster depend on each other: clusters are drawn, with all examples of
// theirs (so that a resample's size varies). clusters: `examples` numbers, equal within a cluster.
VKD_CHECKED vkd_result vkd_bootstrap_clusters(vkd_metric *metric, void *metric_user, const uint32_t *clusters,
                                              uint32_t examples, uint32_t outs, const struct vkd_resample_params *p,
                                              struct vkd_interval *out);

// ---- Permutation tests -------------------------------------------------------------------------

struct vkd_permutation {
    double statistic;           // of the data as they are
    double p;                   // two-sided: share of permutations that are as far from 0, or farther
    uint64_t permutations;      // all there are when exact, else as many as were drawn
    bool exact;                 // else p = (as far + 1) / (permutations + 1)
};

// Paired: whether two models' results a and b of the same `count` examples differ. The statistic is mean(a - b);
// under the null each difference has either sign. Exact for up to 16 differences that are not 0.
//
//   VKD_INVALID, VKD_NO_MEMORY, VKD_INTERRUPTED
VKD_CHECKED vkd_result vkd_permutation_paired(const double *a, const double *b, uint32_t count,
                                              const struct vkd_resample_params *p, struct vkd_permutation *out);

// Whether x says anything of y beyond the `control_count` columns of `controls` (and a constant), n rows each.
// Freedman and Lane (1983): the residuals of y given the controls are permuted and added to what the controls
// fit; the statistic is x's t, which is a monotone function of the partial correlation. Exact up to n = 8.
// NaN when there is no residual degree of freedom, or x or y is a linear function of the controls.
// `controls` may be NULL when there are none.
//
//   VKD_INVALID, VKD_NO_MEMORY, VKD_INTERRUPTED, VKD_DIVERGED (see vkd_ols)
VKD_CHECKED vkd_result vkd_permutation_coefficient(const double *y, const double *x, const double *const *controls,
                                                   uint32_t control_count, uint32_t n,
                                                   const struct vkd_resample_params *p, struct vkd_permutation *out);

// Holm's correction (1979) of `count` p-values, for the family of them: adjusted >= p, at most 1. NaN stays NaN
// and does not count. adjusted may be p.
VKD_CHECKED vkd_result vkd_holm(const double *p, uint32_t count, double *adjusted);

// ---- Least squares -----------------------------------------------------------------------------

enum { VKD_OLS_COLUMNS_MAX = 15 };

struct vkd_ols {
    uint32_t n;
    uint32_t params;            // columns + 1
    uint32_t rank;              // < params: columns depend on each other, or n < params
    // Of the constant, then of each column, with their standard errors (homoscedastic, n - params degrees of freedom);
    // NaN where rank < params, and the errors where n = params as well. The fit itself, and R2, always exist.
    double coefficients[VKD_OLS_COLUMNS_MAX + 1], std_errors[VKD_OLS_COLUMNS_MAX + 1];
    double residual_std;        // sqrt(sum e^2 / (n - rank)); NaN without a degree of freedom
    double r2;                  // 1 - sum e^2 / sum (y - mean)^2; all R2 are NaN of a constant y
    double adjusted_r2;         // 1 - (1 - r2) (n - 1) / (n - rank); NaN for n = rank
    double loo_r2;              // 1 - sum (e / (1 - h))^2 / sum (y - mean)^2, h of the hat matrix: each row predicted
                                // by a fit to the others; NaN where a row cannot be (h = 1)
};

// Ordinary least squares y ~ constant + columns, each of n rows. residuals, leverages: NULL, or room for n.
// Columns that are constant or depend on others are told in the log (a warning).
//
//   VKD_INVALID    n = 0, more columns than the maximum, a value is not finite
//   VKD_NO_MEMORY
//   VKD_DIVERGED   the SVD did not converge
VKD_CHECKED vkd_result vkd_ols(const double *y, const double *const *columns, uint32_t column_count, uint32_t n,
                               const struct vkd_log *log, struct vkd_ols *out, double *residuals, double *leverages);

// As loo_r2, but a row is predicted by a fit to all rows of other clusters. NaN where a fit to the rest has not
// all of its rank, or there is but one cluster. With a cluster for each row it is loo_r2.
VKD_CHECKED vkd_result vkd_ols_cluster_loo(const double *y, const double *const *columns, uint32_t column_count,
                                           uint32_t n, const uint32_t *clusters, const struct vkd_log *log,
                                           double *r2);

// Correlation of x and y after the controls (and a constant) are taken from both by least squares. Without
// controls it is Pearson's. NaN where x or y is a linear function of the controls, or n < control_count + 3.
VKD_CHECKED vkd_result vkd_partial_correlation(const double *y, const double *x, const double *const *controls,
                                               uint32_t control_count, uint32_t n, const struct vkd_log *log,
                                                double *out);

// ---- Ranks -------------------------------------------------------------------------------------

// Pearson's correlation of the ranks; equal values share the mean of theirs. NaN for a constant, or n < 2.
VKD_CHECKED vkd_result vkd_spearman(const double *x, const double *y, uint32_t n, const struct vkd_log *log,
                                    double *out);

// Kendall's tau-b: (concordant - discordant) / sqrt((pairs - ties in x) (pairs - ties in y)), O(n^2). NaN as above.
VKD_CHECKED vkd_result vkd_kendall(const double *x, const double *y, uint32_t n, const struct vkd_log *log,
                                   double *out);

VKD_END
#endif
