// transfer.h -- how well what a model has learnt serves other data: protocols, results and their files, and the
// choice between a run's checkpoints and layers.
//
// Protocols, on features of images as evaluation sees them (no augmentation):
//
//   knn       votes of the k nearest neighbours among train + val by cosine, weight e^(s / temperature) (vkd_knn);
//             of a multi-label set the weighted share of neighbours that show a label is its score
//   linear    logistic regression with L2 penalty, chosen on val from a path, then fitted to train + val (vkd_linear_path);
//             of a multi-label set one model per label
//   finetune  training of the whole model, see struct vkd_finetune_params
//
// A split "val" that is there is what is chosen by: one that cannot be used is an error. A set without one has a share of
// train held out: of each class round(share * n) of its n images, at least one and not all, drawn by Philox with the seed;
// of a multi-label set an image's class is the rarest of its labels. Images of one group (vkd_dataset_group) stay together,
// among them collages that show the same images; groups are taken as they come near to those numbers, and larger ones passed
// over: no more than half of train is held out, unless more is asked for. Where no group can be it is an error. Results say
// how they came about in one line of text; numbers of different texts must not be compared.
//
// Thread-safety: functions that take a device have that of the device; the others are safe, on different results and files.
#ifndef VKDIV_TRANSFER_H
#define VKDIV_TRANSFER_H

#include <vkdiv/features.h>

VKD_BEGIN

enum { VKD_TRANSFER_NAME = 96 };

// Fine-tuning: from the model's backbone and a new classifier, by SGD with Nesterov momentum .9 and a cosine to 0;
// running statistics move by min(10 / s, .1) a step, s being the steps of an epoch; views are random resized crops and
// flips. Every pair of a learning rate and a weight decay is trained on train and tried on val; the best is trained anew
// on train + val and tested once. Zero and NULL: what is said there, a grid for small models and patience.
// Runs lie in OUT/transfer/KEY.finetune/ and go on where they were broken off; their weights are removed in the end.
struct vkd_finetune_params {
    uint32_t steps;             // of a training, as whole epochs, the nearest number of them; 150
    uint32_t batch;             // images a step, at most those there are; 64
    const double *lrs;          // .01, .1
    const double *weight_decays;    // each is divided by the learning rate; 0, 1e-5
    uint32_t lr_count, weight_decay_count;
    double crop;                // least share of the area, above 0, at most 1; .5
    const char *loss;           // of a multi-label set: "bce" or "asl"; "bce"
    uint32_t freeze;            // stages, from the first, that stay as they are but for running statistics
    double stage_decay;         // learning rate of a stage by that of the next, above 0, at most 1; 1
    double diversity_penalty;   // see struct vkd_recipe
    bool keep;                  // the runs' weights stay
};

// Fills in the published grid (Kornblith, Shlens, Le, CVPR 2019; Chen et al., ICML 2020, B.8): 20,000 steps of 256 images,
// 7 learning rates from 1e-4 to .1, weight decay 0 and 7 from 1e-6 to 1e-3, crops of 8 % and more. Other fields stay.
void vkd_finetune_published(struct vkd_finetune_params *p);

struct vkd_transfer_params {
    const char *model;          // run directory (last.safetensors; best.safetensors where the run chose it on a split val) or
                                // safetensors file
    bool partial;               // the file may have other tensors besides, and lack the classifier
    const char *data;           // SPEC without split=
    const char *protocol;       // vkd_transfer_protocol_at's
    const char *layer;          // as of vkd_features_params; NULL: the features before the classifier
    const char *metric;         // NULL: "top1", of a multi-label set "map"; else "mean_per_class" or "map11"
    uint32_t batch;             // images at a time; 0: chosen
    double holdout;             // share of train held out where there is no val, below 1; 0: .2
    uint64_t seed;              // of what is held out, and of the intervals

    uint32_t k;                 // knn: neighbours; 0: 20
    double temperature;         // knn; 0: .07
    const double *penalties;    // linear: to choose from; NULL: 45 from 1e-6 to 1e5
    uint32_t penalty_count;
    const char *class_weights;  // linear, finetune: "none", or "balanced" as of struct vkd_recipe: in what is learnt, classes
                                // (of several labels: yes and no) weigh the same however many images there are; NULL: none

    struct vkd_finetune_params finetune;

    // Chooses checkpoint, layer and regularisation by what validation says: see struct vkd_transfer_selection.
    bool select;
    double lambda;              // of diversity; 0: accuracy alone. The default, for no other weight is known to choose better

    const char *out;            // folder of results; NULL: the run directory, of a bare file none are kept
    vkd_feature_cache *cache;   // NULL: one of this call's own, in OUT/features where there is an OUT
    bool force;                 // work even when there is a result of the same key, and make features again; a given
                                // cache should be `fresh`
    // Told of work in words: done of `of` batches, fits, ...; may be NULL.
    void (*progress)(void *user, const char *what, uint32_t done, uint32_t of);
    bool (*stop)(void *user);   // may be NULL
    void *user;
};

// What a choice was made from: accuracy (mean average precision) on val, and RankMe of the features of train beside that of
// untrained networks of the same make at the same layer: layers differ in width, and so in RankMe before anything is
// learnt.
struct vkd_transfer_candidate {
    char checkpoint[VKD_TRANSFER_NAME];     // relative to the run: "last.safetensors", "checkpoints/epoch-0010.safetensors"
    uint64_t steps;
    char layer[VKD_TRANSFER_NAME];
    double val, rankme, score;      // score = logit(val) + lambda log(rankme / untrained)
    double untrained;               // RankMe, mean over three networks; NaN where lambda is 0
    double penalty;                 // that val was best with, or k
};

struct vkd_transfer_selection {
    double lambda;
    uint32_t candidate_count, chosen;
    struct vkd_transfer_candidate *candidates;
    // What choosing brought: the test value of the last checkpoint with the default layer and all else alike, the
    // chosen value minus it, and the p of the paired permutation test between them.
    double last, gain, p;
};

// NaN, zero or NULL: has no meaning for this protocol or set.
struct vkd_transfer_result {
    char key[17];               // 16 hex digits of XXH3 over weights, data and protocol: the file is OUT/transfer/KEY.json
    bool resumed;               // an earlier result was taken
    char *path;                 // of the file; NULL: none was written

    char *model;                // the safetensors file that was used
    uint64_t weights_hash;      // vkd_weights_hash
    struct vkd_weights_info info;

    char *data;
    uint64_t fingerprint;       // of train, val and test: vkd_dataset_content
    uint32_t train, val, test;  // images
    uint32_t unreadable;        // of them: they do not count, and the result is made again each time
    bool held_out;              // val is a part of train
    bool multi_label;
    uint32_t classes;
    char **class_names;

    char protocol[16];
    char *text;                 // the protocol in one line: only results of equal text compare

    char metric[16];            // of the headline
    // A share, and an interval of 95 % for that of all such images, by resampling test images; `value` is in it. Of mean
    // average precision it is corrected for that of few positives being too large, and reaches far below then; by 11
    // points it is for the mean over test sets of this size, for those at recall 0 and 1 come near to no value of all.
    double value, low, high;
    double log_odds;            // vkd_log_odds(value, test)
    double top1, mean_per_class;
    double map, map11, map_voc;     // vkd_map's plain, which is scikit-learn's and vkd_eval's, voc11 and voc_all
    double *per_class;          // classes: shares right, or average precisions as of the metric; NaN without images

    char layer[VKD_TRANSFER_NAME];  // "features", or its name
    double penalty;             // linear
    uint32_t k;                 // knn
    double temperature;
    double lr, weight_decay;    // fine-tuning: the pair as it is in the grid

    struct vkd_transfer_selection *selection;   // NULL: nothing was to be chosen

    // Of the test images in the set's order. One label each: labels and predictions; several: scores and truth
    // (test, classes), VKD_TRUTH_*.
    uint32_t *labels, *predictions;
    float *scores;
    int8_t *truth;
    uint32_t *groups;           // the first image of each one's vkd_dataset_group, which intervals and tests keep together;
                                // NULL: each is alone
};

// "knn", "linear", ... by index; NULL past the end. Thread-safety: safe.
const char *vkd_transfer_protocol_at(uint32_t index);
// "top1", "mean_per_class" of sets with one label an image, "map", "map11" of those with several; NULL past the end.
const char *vkd_transfer_metric_at(uint32_t index);

// Transfers one model to one set by one protocol and keeps the result in its file, replaced atomically.
//
//   VKD_INVALID      a rule above is broken, the model wants colour channels that the set does not have, or the splits do
//                    not agree (a class of test that train lacks; the log names it)
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY, VKD_DEVICE_LOST, VKD_DIVERGED
//   VKD_INTERRUPTED  stop() said so; features that were complete are in the cache
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd_transfer(vkd_device *dev, const struct vkd_transfer_params *p, struct vkd_transfer_result *out);
void vkd_transfer_finish(struct vkd_transfer_result *r);

// What vkd_transfer would say of the task, found out without a device and without work: data, fingerprint, counts,
// classes, protocol, text and metric; the rest of *out is zero.
//
//   VKD_INVALID, VKD_IO, VKD_FORMAT, VKD_NO_MEMORY as vkd_transfer
VKD_CHECKED vkd_result vkd_transfer_describe(const struct vkd_transfer_params *p, const struct vkd_log *log,
                                             struct vkd_transfer_result *out);

// What of vkd_transfer's errors shows without a device and before any work: parameters, sets, the model's file, and that
// they fit together. Warnings are said as there.
//
//   VKD_INVALID, VKD_IO, VKD_FORMAT, VKD_NO_MEMORY as vkd_transfer
VKD_CHECKED vkd_result vkd_transfer_check(const struct vkd_transfer_params *p, const struct vkd_log *log);

// Reads a result back. Scores and truth are there when their file still is.
//
//   VKD_IO, VKD_NO_MEMORY
//   VKD_FORMAT  not a result of this schema (the log says what is wrong)
VKD_CHECKED vkd_result vkd_transfer_load(const char *path, const struct vkd_log *log, struct vkd_transfer_result *out);

// The paired permutation test between two results of the same test images, by group where they have groups. Of images
// that one of them could not read, and of labels that are unknown to one, neither is asked.
struct vkd_transfer_comparison {
    double difference;          // a's value minus b's on those images
    double p;                   // two-sided
    uint32_t draws;
};

//   VKD_INVALID  protocols, metrics or test images differ (the log prints both), scores are missing, or nothing is known
//                to both
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_transfer_compare(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b,
                                            uint64_t seed, const struct vkd_log *log, struct vkd_transfer_comparison *out);

VKD_END
#endif
