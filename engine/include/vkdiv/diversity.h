// diversity.h -- how diverse a trained model's filters are, beside random ones, and its features.
//
// A raw number says little: independent Gaussian filters are nearly orthogonal, so that an untrained network
// is about as diverse as can be, and what features are like depends on the network's shape before anything is learnt.
// Every measure therefore comes with its null: the mean of the same measure over a few draws at random, of filters of the
// same shape, of features those of untrained networks of the same architecture on the same images. Filters need no
// device, but use one that is given; features need it.
//
// A filter is what makes one output channel, flattened: of a convolution (K, C, R, S) there are K of
// fan_in = C R S weights each, of a linear layer (K, C) there are K. Biases do not count.
//
// Thread-safety of everything here that says no more of it: safe, on different results and, filter nulls being one
// thread's, on different ones of those.
#ifndef VKDIV_DIVERSITY_H
#define VKDIV_DIVERSITY_H

#include <vkdiv/measure.h>
#include <vkdiv/weights.h>

VKD_BEGIN

// Products for measures (measure.h), computed on a device, which must outlive it. Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_products_create(vkd_device *dev, vkd_products **out);
void vkd_products_destroy(vkd_products **p);

// Kinds are never mixed: a 1x1 layer's filters are spread otherwise than a 3x3 layer's.
enum vkd_layer_kind {
    VKD_LAYER_3X3, VKD_LAYER_1X1,
    VKD_LAYER_DEPTHWISE,        // one input channel a filter, whatever the window
    VKD_LAYER_LINEAR,
    VKD_LAYER_OTHER,            // other windows, as 7x7
    VKD_LAYER_KIND_COUNT
};

// "3x3", "1x1", "depthwise", "linear", "other". Thread-safety: safe.
const char *vkd_layer_kind_name(enum vkd_layer_kind kind);

enum { VKD_THRESHOLDS_MAX = 15 };

struct vkd_filter_diversity {
    double mean_cos, max_cos, orthogonality;    // see struct vkd_filter_measures; NaN of a single filter
    double z;                   // mean_cos * sqrt(fan_in); random filters of many weights: sqrt(2 / pi) = .798
    double effective_rank;
    double clusters[VKD_THRESHOLDS_MAX + 1];    // at each threshold, and last at the layer's calibrated one
};

// A dead filter is 0 in all its weights: it has no direction. It counts in `filters`, but is in no pair and no
// cluster, so that a layer of n filters with d dead ones has at most n - d clusters; the null is that of n filters.
struct vkd_layer_diversity {
    char name[96];              // "layer1.0.conv1": torchvision's, whatever the file's names are
    enum vkd_layer_kind kind;
    uint32_t filters, fan_in;
    uint32_t dead;              // filters
    // The null-calibrated threshold: the distance 1 - cos at which a layer of random filters makes the merge
    // that leaves it with fewer clusters than 95 % of its filters; mean over the nulls' draws. NaN of a
    // single filter.
    double calibrated;
    struct vkd_filter_diversity found, null;
};

// Means over the layers of a kind, weighted by their filters; layers of a single filter, or of a single one that is
// not dead, do not count where they have no value. `effective_rank` is here its share of min(filters, fan_in), and
// `clusters` are shares of the filters.
struct vkd_kind_diversity {
    uint32_t layers, filters;   // 0: there are none, and the rest is NaN
    uint32_t dead;              // of the filters
    struct vkd_filter_diversity found, null;
};

struct vkd_diversity {
    struct vkd_weights_info model;      // size, mean and std are guesses where the file says nothing of itself
    bool told;                          // the file says it
    bool timm;                          // names in the file are timm's
    bool folded;                        // batch norm's scale is part of the filters
    uint32_t missing;                   // parameters that a partial file lacks
    uint32_t threshold_count;           // without the calibrated one
    double thresholds[VKD_THRESHOLDS_MAX];
    uint32_t layer_count;
    struct vkd_layer_diversity *layers; // in the model's order
    struct vkd_kind_diversity kinds[VKD_LAYER_KIND_COUNT];
};

// Random filters' measures by shape, and untrained networks' by architecture and images, so that equal layers, and those
// of the next model, need not be measured again. Thread-safety: none; use one per thread.
typedef struct vkd_filter_nulls vkd_filter_nulls;

struct vkd_null_params {
    uint32_t draws;             // layers per shape that are averaged, networks per architecture, at most 64; 0: 3
    uint64_t seed;              // of Philox: equal seeds, equal nulls, whatever else is measured
    uint32_t threshold_count;   // 0: .1, .2, ... .7
    double thresholds[VKD_THRESHOLDS_MAX];      // ascending, each above 0 and below 2
    vkd_device *dev;            // that filters' cosines are computed on, those of models and of nulls alike; it must outlive
                                // the nulls. NULL: on the host
    struct vkd_log log;
};

//   VKD_INVALID    a rule above is broken
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_filter_nulls_create(const struct vkd_null_params *p, vkd_filter_nulls **out);
void vkd_filter_nulls_destroy(vkd_filter_nulls **n);

// The thresholds that clusters are counted at, and how many they are.
const double *vkd_filter_thresholds(const vkd_filter_nulls *n, uint32_t *count);

// Measures a layer `w` (filters, fan_in) and its null; *out lacks name and kind.
//
//   VKD_INVALID, VKD_NO_MEMORY, VKD_DIVERGED (see vkd_filter_measure and vkd_cluster_heights)
VKD_CHECKED vkd_result vkd_layer_measure(vkd_filter_nulls *nulls, const struct vkd_matrix *w,
                                         struct vkd_layer_diversity *out);

struct vkd_diversity_params {
    const char *path;           // run directory (last.safetensors; best.safetensors where the run chose it on a split val), or a
                                // safetensors file of a supported architecture in the names of torchvision or timm
    bool fold_norm;             // multiply each filter by its batch norm's gamma / sqrt(running variance + 1e-5):
                                // cosines keep their size, but ranks see the filters as the next layer does
    bool partial;               // measure what there is of a file that is not all of a model
    struct vkd_log log;
    void (*progress)(void *user, uint32_t layer, uint32_t layers);  // before each layer; may be NULL
    bool (*stop)(void *user);                                       // may be NULL
    void *user;
};

// Measures all convolutions and linear layers of a model. Takes memory for the largest layer and three matrices
// of filters^2 doubles.
//
//   VKD_IO           there is no such file
//   VKD_FORMAT       not a model, not one that is known here, tensors missing, unexpected or of wrong shape, or
//                    numbers that are not finite, those of batch norms included (the log lists them)
//   VKD_NO_MEMORY, VKD_DIVERGED
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd_diversity_measure(vkd_filter_nulls *nulls, const struct vkd_diversity_params *p,
                                             struct vkd_diversity *out);
void vkd_diversity_finish(struct vkd_diversity *d);

// ---- Features ----------------------------------------------------------------------------------

#define VKD_ALL_IMAGES 0xffffffffu
enum { VKD_LAYERS_MAX = 8 };

struct vkd_features_params {
    const char *path;           // as of vkd_diversity_params
    bool partial;               // the file may have other tensors besides, and lack the classifier
    bool untrained;             // features of the model's start values: the file gives its make alone. Residual branches'
    uint64_t seed;              // last norms start at 1, and running statistics at 0 and 1. Seed: of the start values
    const char *data, *split;   // SPEC; NULL: test
    uint32_t images;            // the first so many of the split, the same for every model; 0: 2000, VKD_ALL_IMAGES: all
    // Of which layers, at most 8: "features" is what stands before the classifier; else a module as torchvision names
    // it ("layer3", "layer3.0", "features.7"), whose output is averaged over the image. All in one pass; `out` of
    // vkd_features_extract then has room for as many. NULL and 0: "features".
    const char *const *layers;
    uint32_t layer_count;
    uint32_t views;             // random views of each image besides, at most 64: random resized crops of 20 % of the
                                // area and more, flips, colour jitter of .4, gray
    uint32_t batch;             // 0: 128 of small images, 16 of large ones
    uint32_t bad_limit;         // unreadable images tolerated; 0: a hundredth of all. Another stands in such a one's row, by its
                                // index, and without a label
    const struct vkd_log *log;  // NULL: the device's
    void (*progress)(void *user, uint32_t batch, uint32_t batches);     // may be NULL
    bool (*stop)(void *user);                                           // may be NULL
    void *user;
};

// What a model makes of images just before its classifier, as evaluation brings them to size. Arrays are malloc'd.
struct vkd_features {
    uint32_t rows, dim;
    uint32_t classes;           // of the data
    uint32_t views;
    float *values;              // (rows, dim)
    float *view_values;         // (rows * views, dim), a row's views one after the other; NULL without
    uint32_t *labels;           // rows; VKD_NO_LABEL: none, or several
    float *targets;             // (rows, classes) as vkd_dataset_targets gives them; NULL unless multi-label
    uint32_t *indices;          // rows, in the split
    uint32_t unreadable;        // images; a row of such a one is another's, without label or targets
    uint64_t data_fingerprint;
    char layer[96];             // "features", or the module's name
    struct vkd_weights_info model;
    bool told;                  // size and normalisation are the file's own, not guesses
};

//   VKD_INVALID      more than 64 views, a layer that the model does not have (the log names those it has), or images of
//                    colour channels that the model does not take
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST
//   VKD_INTERRUPTED  stop() said so
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_features_extract(vkd_device *dev, const struct vkd_features_params *p, struct vkd_features *out);
void vkd_features_finish(struct vkd_features *f);

// Whether vkd_features_extract would fail before its work: model, set and layers are looked at. The log has errors alone.
VKD_CHECKED vkd_result vkd_features_check(vkd_device *dev, const struct vkd_features_params *p);

// What is measured of features, all without centring but alpha.
struct vkd_feature_values {
    double rankme, effective_rank, eigen_rank, alpha, vendi, std;   // see struct vkd_feature_measures
    double lidar;                       // NaN without two views, or of features too large for it (vkd_lidar)
    double class_separation;            // NaN without labels
};

struct vkd_feature_diversity {
    char layer[96];
    uint32_t rows, dim;
    uint32_t threshold_count;           // of the channels' clusters, as in struct vkd_diversity
    double thresholds[VKD_THRESHOLDS_MAX];
    uint32_t draws;                     // untrained networks that the null is the mean of; 0: it is not known, and NaN
    struct vkd_feature_values found, null;
    // A feature channel's values over the images, minus their mean, taken as a filter: `filters` are dim, fan_in rows. A
    // channel that is the same for all images is dead. The null is that of the untrained networks' channels, and so is the
    // calibrated threshold: the distance that leaves half as many clusters as channels, mean over the networks.
    struct vkd_layer_diversity channels;
};

// Measures what `nulls` lacks of the nulls for features like those that vkd_features_extract makes with `p`: features of
// as many untrained networks as it has draws. p->log is told errors alone. Errors: vkd_features_extract's and
// vkd_features_measure's.
VKD_CHECKED vkd_result vkd_features_null(vkd_filter_nulls *nulls, vkd_device *dev, const struct vkd_features_params *p);

// Beside the null, if `nulls` has it. A warning says how many images are needed where there are too few to see all
// dimensions.
//
//   VKD_INVALID    a value is not finite
//   VKD_NO_MEMORY, VKD_DIVERGED
VKD_CHECKED vkd_result vkd_features_measure(vkd_filter_nulls *nulls, const struct vkd_features *f, const struct vkd_log *log,
                                            struct vkd_feature_diversity *out);

// Means over layers, weighted by their dimensions; of each measure over the layers that have both it and its null. Ranks,
// Vendi and LiDAR are shares of min(rows, dim), clusters of dim, and std is times sqrt(dim).
struct vkd_features_aggregate {
    uint32_t layers;
    struct vkd_feature_values found, null;
    double clusters[2];                 // of channels at the calibrated threshold: found, null
};
void vkd_features_average(const struct vkd_feature_diversity *layers, uint32_t count, struct vkd_features_aggregate *out);

// Linear CKA of two models' features of the same images: the unbiased estimator (vkd_cka_add) over batches of 256.
//
//   VKD_INVALID    the images are not the same, or fewer than 4
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_features_cka(const struct vkd_features *a, const struct vkd_features *b,
                                        vkd_products *products, const struct vkd_log *log, double *out);

VKD_END
#endif
