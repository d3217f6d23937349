// measure.h -- how diverse features are, and how good predictions are: numbers on the host.
//
// Everything here is a pure function of host memory: no device, no files, no state. All of it is
// Thread-safety: safe. Rules of matrices are checked by every function that takes one: sizes of at
// least 1, finite values; a broken rule is VKD_INVALID, with a log line that names row and column.
// Outputs are written on success only. `log` may be NULL.
//
// Matrix products and factorisations are OpenBLAS'. It has threads of its own, as many as the process
// asked of it (OPENBLAS_NUM_THREADS, or openblas_set_num_threads before the first call; else one per
// processor). vkdiv never changes that number: it belongs to the process. They sleep while no measure
// is being computed, so that a device that runs on the CPU keeps the processors; a measure beside such
// a device costs both speed, so measure between steps. Same machine, same number of threads: same bits.
#ifndef VKDIV_MEASURE_H
#define VKDIV_MEASURE_H

#include <vkdiv/data.h>

VKD_BEGIN

// Numbers that the caller owns, read only: (rows, cols), row i from data + i * stride.
struct vkd_matrix {
    const float *data;
    uint32_t rows, cols;
    uint32_t stride;            // floats from row to row, at least cols; 0: cols
};

// ---- Products on a device ----------------------------------------------------------------------
// Gram matrices of measures, the cosines that filters are clustered by and CKA's, are computed on a device where one is
// given: in float, where the host has double. NULL: on the host, for what needs no device otherwise must do without one.
// Never there: QR and eigenvalues, which are LAPACK's, and the scatter matrices of LiDAR (vkd_lidar says why).

typedef struct vkd_products vkd_products;   // see vkd_products_create, diversity.h

// ---- Singular values ---------------------------------------------------------------------------

enum vkd_spectrum_of {
    VKD_SPECTRUM_PLAIN,         // Z as it is
    VKD_SPECTRUM_CENTRED,       // every column minus its mean: s^2 / (n - 1) are the eigenvalues of Cov(Z)
    VKD_SPECTRUM_UNIT_ROWS,     // every row divided by its length (a zero row stays zero)
};

// The singular values of `z` (n, d), min(n, d) of them, in descending order. Exact to about 1e-15 of
// the largest: a QR factorisation in double, then the SVD of its factor. Takes memory for about
// 3 min(n, d)^2 doubles and a block of z, never all of z in double.
//
//   VKD_INVALID, VKD_NO_MEMORY
//   VKD_DIVERGED  the SVD did not converge
VKD_CHECKED vkd_result vkd_spectrum(const struct vkd_matrix *z, enum vkd_spectrum_of of, const struct vkd_log *log,
                                    double *values);

// RankMe (Garrido et al. 2023): p_i = s_i / sum(s) + 1e-7, exp(-sum p_i log p_i), of `count` singular
// values of features that are neither centred nor normalised. At most count; n should exceed d. The
// 1e-7 stays in: d equal values give slightly less than d. 0 when all values are.
double vkd_spectrum_rankme(const double *values, uint32_t count);

// exp(-sum p_i log p_i), p_i = s_i / sum(s) (Roy and Vetterli 2007): RankMe without its 1e-7. Of d equal
// values d, of a single one 1. 0 when all values are.
double vkd_spectrum_effective_rank(const double *values, uint32_t count);

// The same of the eigenvalues s_i^2 of Z^T Z: p_i = s_i^2 / sum(s^2), the exponential of the matrix
// entropy. Never larger than the effective rank. Of unit rows it is the Vendi score (Friedman and
// Dieng 2023) with the cosine kernel K: the eigenvalues of K / n are s^2 / n, and there are min(n, d).
double vkd_spectrum_eigen_rank(const double *values, uint32_t count);

// alpha-ReQ (Agrawal et al. 2022): the power law of the eigenvalues, s_j^2 ~ j^-alpha. Of centred features'
// singular values: minus the slope of the least-squares line through (log j, log s_j^2), ranks j = 11 to
// min(100, count). Values below 1e-12 of the largest are rounding and left out; NaN when fewer than two
// are left. Near 1 is said to be best: larger is collapsing, smaller is close to white.
double vkd_spectrum_alpha(const double *values, uint32_t count);

// RankMe of features `z` (n, d) in one call. Errors: vkd_spectrum's.
VKD_CHECKED vkd_result vkd_rankme(const struct vkd_matrix *z, const struct vkd_log *log, double *out);

// ---- Features ----------------------------------------------------------------------------------

// The collapse monitor (Chen and He 2021): rows of `z` (n, d) to length 1, then the mean over columns of
// the standard deviation (n - 1) over rows. Healthy about 1 / sqrt(d), collapsed 0, of a single row NaN.
//
//   VKD_INVALID, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_feature_std(const struct vkd_matrix *z, const struct vkd_log *log, double *out);

// All measures of features that need nothing but the features.
struct vkd_feature_measures {
    double rankme;              // vkd_spectrum_rankme, plain
    double effective_rank;      // vkd_spectrum_effective_rank, plain
    double eigen_rank;          // vkd_spectrum_eigen_rank, plain
    double alpha;               // vkd_spectrum_alpha, centred
    double vendi;               // vkd_spectrum_eigen_rank, unit rows
    double std;                 // vkd_feature_std
};

// Three spectra of `z` (n, d) and what is read off them. Errors: vkd_spectrum's.
VKD_CHECKED vkd_result vkd_feature_measure(const struct vkd_matrix *z, const struct vkd_log *log,
                                           struct vkd_feature_measures *out);

// LiDAR (Thilak et al. 2024): `z` (images * views, d), image i's views in rows i * views and on. With the
// images' means m_i, their mean m, Sb = mean (m_i - m)(m_i - m)^T, Sw = mean (z - m_i)(z - m_i)^T + 1e-4 I:
// exp of the entropy of the normalised eigenvalues of Sw^-1/2 Sb Sw^-1/2 (those of Sb v = x Sw v). At
// most min(images - 1, d); 0 when all images' means are equal. Takes memory for 2 d^2 doubles.
//
// Both matrices are summed in double, on the host: 1e-4 beside the larger eigenvalues of Sw is what float loses. Measured
// with products in float over 4096 rows at a time: up to 4e-5 off on spread features, but 1.6e-4 on collapsed ones, and
// where 512 features had 20 directions 68.2 instead of 19.7, or a Sw that was not positive definite any more.
//
//   VKD_INVALID    views < 2, or rows are not at least 2 * views and a multiple of views
//   VKD_NO_MEMORY
//   VKD_DIVERGED   the eigenvalues did not converge, or 1e-4 is lost beside Sw: scale the features down
VKD_CHECKED vkd_result vkd_lidar(const struct vkd_matrix *z, uint32_t views, const struct vkd_log *log, double *out);

// Class separation (Kornblith et al. 2021): R^2 = 1 - within / total, within the mean over classes of the
// mean cosine distance of their pairs of rows, total the mean over pairs of classes of that between them;
// a row and itself count as a pair. Higher tends to transfer worse. Rows with VKD_NO_LABEL and zero rows
// are left out; NaN when all that is left has one direction, 0 of
// one class. Takes memory for classes * d doubles.
//
//   VKD_INVALID    a label is not below classes
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_class_separation(const struct vkd_matrix *z, const uint32_t *labels, uint32_t classes,
                                            const struct vkd_log *log, double *out);

// Linear CKA (Kornblith et al. 2019) of two sets of features of the same n rows, (n, d1) and (n, d2),
// columns centred: |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F), in [0, 1]. NaN when all rows of one are equal.
// Takes memory for at most 2 min(n, d1 + d2)^2 doubles. Biased upward where n is not much more than d1 and
// d2: then the minibatch estimator below.
//
//   VKD_INVALID, VKD_NO_MEMORY
//   VKD_DEVICE_LOST  of the products' device
VKD_CHECKED vkd_result vkd_cka(const struct vkd_matrix *x, const struct vkd_matrix *y, vkd_products *products,
                               const struct vkd_log *log, double *out);

// The unbiased minibatch estimator (Nguyen et al. 2021): HSIC_1 of each batch, summed, then the quotient
// HSIC_1(K, L) / sqrt(HSIC_1(K, K) HSIC_1(L, L)), K = X X^T, L = Y Y^T. Begin with zeros.
struct vkd_cka_sums {
    double xy, xx, yy;
};

// Adds a batch of n >= 4 rows to the sums; they are unchanged on failure. Takes memory for 2 n^2 doubles.
//
//   VKD_INVALID, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_cka_add(struct vkd_cka_sums *sums, const struct vkd_matrix *x, const struct vkd_matrix *y,
                                   vkd_products *products, const struct vkd_log *log);

// At most 1, may be below 0; NaN when one side has no variance.
double vkd_cka_value(const struct vkd_cka_sums *sums);

// ---- Filters -----------------------------------------------------------------------------------
// `w` (n, fan_in): a filter, flattened, per row; also one channel's activations per row. Raw values say
// little: an untrained network is maximally diverse by all of these, so measure it as well.

struct vkd_filter_measures {
    double mean_cos;            // mean over pairs of |cos|; random filters: about sqrt(2 / (pi fan_in))
    double max_cos;             // max over pairs of |cos|
    double orthogonality;       // |U U^T - I|_F / sqrt(n (n - 1)), U the filters divided by their lengths
    double effective_rank;      // vkd_spectrum_effective_rank of w as it is
};

// A zero filter has cosine 0 to all, itself included. The first three are NaN for a single filter. Takes
// memory for n^2 doubles, and vkd_spectrum's. Errors: vkd_spectrum's.
VKD_CHECKED vkd_result vkd_filter_measure(const struct vkd_matrix *w, const struct vkd_log *log,
                                          struct vkd_filter_measures *out);

// Agglomerative clustering of filters by average linkage (UPGMA) on 1 - cos: the n - 1 distances at which
// two clusters become one, ascending. The nearest-neighbour chain, O(n^2) steps: average linkage never
// brings a cluster closer, so that the order of merging does not matter. Equal distances: the lower row.
// Takes memory for n^2 doubles.
//
//   VKD_INVALID, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_cluster_heights(const struct vkd_matrix *w, const struct vkd_log *log, double *heights);

// Clusters of `count` filters when all merges at a distance of `threshold` or less are made: between 1 and
// count. (Ayinde et al. 2019: clusters / filters.)
uint32_t vkd_cluster_count(const double *heights, uint32_t count, double threshold);

// The clusters themselves: a number for each row, from 0 in the order of first members. Where distances are equal, the
// partition is SciPy's (linkage "average", "cosine"). Errors: vkd_cluster_heights'.
VKD_CHECKED vkd_result vkd_cluster_labels(const struct vkd_matrix *w, double threshold, const struct vkd_log *log,
                                          uint32_t *labels);

enum { VKD_TRUTH_UNKNOWN = -1, VKD_TRUTH_NO = 0, VKD_TRUTH_YES = 1 };

// ---- Nearest neighbours ------------------------------------------------------------------------

// Weighted k nearest neighbours (Wu et al. 2018): each of the k training rows with the largest cosine s
// to a test row votes for its label with weight e^(s / temperature); a zero row has cosine 0 to all.
struct vkd_knn_params {
    struct vkd_matrix train, test;      // (n, d) and (m, d)
    const uint32_t *train_labels;       // n; VKD_NO_LABEL: the row is left out
    const uint32_t *test_labels;        // m; VKD_NO_LABEL: the row is not counted
    uint32_t classes;                   // labels are below it
    uint32_t k;                         // 20 or 200; more than there are labelled rows: all of them
    double temperature;                 // > 0; .07 to .1
    struct vkd_log log;
};

struct vkd_knn_result {
    uint32_t count;                     // test rows with a label
    double top1, top5;                  // shares of them; NaN when there are none
};

// Cosines are computed in float. Ties: of equal cosines the lower training row is nearer; of equal votes
// the lower class is first. A class without a vote is no prediction, be it among five or not.
// predictions: NULL, or room for m classes, of the unlabelled too. Takes memory for a block of cosines
// and k neighbours of a block of test rows, whatever n and m are.
//
//   VKD_INVALID    a rule above is broken, or no training row has a label
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_knn(const struct vkd_knn_params *p, struct vkd_knn_result *out, uint32_t *predictions);

// The same neighbours where rows have several labels: scores (m, classes), of the votes of neighbours of which a class
// is known the share that says yes; 0 where it is known of none. truth: n * classes, VKD_TRUTH_*; labels are not looked
// at. Errors: vkd_knn's, and an entry of truth that is none of the three.
VKD_CHECKED vkd_result vkd_knn_scores(const struct vkd_knn_params *p, const int8_t *truth, float *scores);

// ---- Predictions -------------------------------------------------------------------------------

struct vkd_accuracy {
    uint32_t count;                     // examples with a label
    uint32_t classes;                   // classes that have examples
    double top1;                        // right / count; NaN when there are none
    double mean_per_class;              // mean over those classes of the share that is right; NaN when there are none
};

// Compares `count` predicted classes with their labels; examples with VKD_NO_LABEL are left out, and a
// prediction of VKD_NO_LABEL is wrong. per_class: NULL, or room for `classes` shares, NaN for a class
// without examples.
//
//   VKD_INVALID    a label is not below classes
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_accuracy_measure(const uint32_t *predicted, const uint32_t *labels, uint32_t count,
                                            uint32_t classes, const struct vkd_log *log, double *per_class,
                                            struct vkd_accuracy *out);

// Average precision of one class. With the examples by descending score, after each score value (equal
// scores enter together, so that their order does not matter) precision P is right / entered and recall
// R is right / positives:
//
//   voc11    mean over t = 0, .1, ... 1 of max P where R >= t                        (PASCAL VOC 2007)
//   voc_all  sum of (R - R before) max P from here on: all points, interpolated      (PASCAL VOC 2010)
//   plain    sum of (R - R before) P: all points as they are             (scikit-learn, ASL, ML-GCN)
struct vkd_ap {
    uint32_t positives, negatives;
    double voc11, voc_all, plain;       // NaN without positives
};

struct vkd_map {
    uint32_t classes;                   // that have positives
    double voc11, voc_all, plain;       // means over them; NaN when there are none
};

// `scores` (n, classes), any monotone scale; truth: n * classes entries, row by row. Unknown entries are
// left out of their class; classes without positives are NaN and left out of the means. per_class: NULL,
// or room for scores.cols.
//
//   VKD_INVALID    a score is not finite, or an entry of truth is none of the three
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_average_precision(const struct vkd_matrix *scores, const int8_t *truth,
                                             const struct vkd_log *log, struct vkd_ap *per_class, struct vkd_map *out);

// log(p / (1 - p)) of a share p among `count` examples, after p is brought to between half an example
// and all but half an example: [1 / (2 count), 1 - 1 / (2 count)], so that 0 and 1 stay finite. NaN for
// p = NaN or count = 0. (Aggregate of t-ReX: the mean over tasks.)
double vkd_log_odds(double p, uint64_t count);

VKD_END
#endif
