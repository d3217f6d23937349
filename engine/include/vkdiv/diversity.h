// diversity.h -- how diverse a trained model's filters are, layer by layer, beside those of random filters.
//
// A raw number says little: independent Gaussian filters are nearly orthogonal, so that an untrained network
// is about as diverse as can be. Every measure therefore comes with its null: the mean of the same measure
// over a few layers of such filters of the same shape. No device is needed.
//
// A filter is what makes one output channel, flattened: of a convolution (K, C, R, S) there are K of
// fan_in = C R S weights each, of a linear layer (K, C) there are K. Biases do not count.
#ifndef VKDIV_DIVERSITY_H
#define VKDIV_DIVERSITY_H

#include <vkdiv/measure.h>
#include <vkdiv/weights.h>

VKD_BEGIN

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

struct vkd_layer_diversity {
    char name[96];              // "layer1.0.conv1": torchvision's, whatever the file's names are
    enum vkd_layer_kind kind;
    uint32_t filters, fan_in;
    // The null-calibrated threshold: the distance 1 - cos at which a layer of random filters makes the merge
    // that leaves it with fewer clusters than 95 % of its filters; mean over the nulls' draws. NaN of a
    // single filter.
    double calibrated;
    struct vkd_filter_diversity found, null;
};

// Means over the layers of a kind, weighted by their filters; layers of a single filter do not count where
// they have no value. `effective_rank` is here its share of min(filters, fan_in), and `clusters` are shares of
// the filters.
struct vkd_kind_diversity {
    uint32_t layers, filters;   // 0: there are none, and the rest is NaN
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

// Random filters' measures by shape, so that equal layers, and those of the next model, need not be measured
// again. Thread-safety: none; use one per thread.
typedef struct vkd_filter_nulls vkd_filter_nulls;

struct vkd_null_params {
    uint32_t draws;             // layers per shape that are averaged, at most 64; 0: 3
    uint64_t seed;              // of Philox: equal seeds, equal nulls, whatever else is measured
    uint32_t threshold_count;   // 0: .1, .2, ... .7
    double thresholds[VKD_THRESHOLDS_MAX];      // ascending, each above 0 and below 2
    struct vkd_log log;
};

//   VKD_INVALID    a rule above is broken
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_filter_nulls_create(const struct vkd_null_params *p, vkd_filter_nulls **out);
void vkd_filter_nulls_destroy(vkd_filter_nulls **n);

// Measures a layer `w` (filters, fan_in) and its null; *out lacks name and kind.
//
//   VKD_INVALID, VKD_NO_MEMORY, VKD_DIVERGED (see vkd_filter_measure and vkd_cluster_heights)
VKD_CHECKED vkd_result vkd_layer_measure(vkd_filter_nulls *nulls, const struct vkd_matrix *w,
                                         struct vkd_layer_diversity *out);

struct vkd_diversity_params {
    const char *path;           // run directory (best.safetensors, else last.safetensors), or a safetensors file of a
                                // supported architecture in the names of torchvision or timm
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
//                    weights that are not finite (the log lists them)
//   VKD_NO_MEMORY, VKD_DIVERGED
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd_diversity_measure(vkd_filter_nulls *nulls, const struct vkd_diversity_params *p,
                                             struct vkd_diversity *out);
void vkd_diversity_finish(struct vkd_diversity *d);

VKD_END
#endif
