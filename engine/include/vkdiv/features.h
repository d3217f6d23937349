// features.h -- features of whole splits, made once: a cache in files or in memory; and what layers there are. Thread-safety
// of everything here: none for a cache; use one per thread.
#ifndef VKDIV_FEATURES_H
#define VKDIV_FEATURES_H

#include <vkdiv/diversity.h>

VKD_BEGIN

// Features by what they are of: weights, images, layer, and how images are brought to size. Thread-safety: none.
typedef struct vkd_feature_cache vkd_feature_cache;

struct vkd_feature_cache_params {
    const char *folder;         // made when there is something to keep; NULL: features are kept in memory
    uint64_t memory;            // bytes kept there, the oldest go first; 0: 256 MiB
    bool fresh;                 // files that were there before this cache are made again
    struct vkd_log log;
};

VKD_CHECKED vkd_result vkd_feature_cache_create(const struct vkd_feature_cache_params *p, vkd_feature_cache **out);
void vkd_feature_cache_destroy(vkd_feature_cache **c);      // files stay

struct vkd_feature_cache_stats {
    uint64_t passes;            // of a model over images
    uint64_t found;             // layers that were there
    uint64_t damaged;           // files that were not what they should be
};
struct vkd_feature_cache_stats vkd_feature_cache_stats(const vkd_feature_cache *c);

// vkd_features_extract, but what the cache has is taken from it, and what it lacks is made in one pass and kept
// (random views are not: p->views must be 0). Images are known by vkd_dataset_content, of which a cache takes it that
// it stays the same as long as the cache is there. A damaged file is made again, with a warning; one that cannot be
// written is a warning. Features of a split of which images cannot be read are not kept, with a warning.
VKD_CHECKED vkd_result vkd_features_get(vkd_feature_cache *c, vkd_device *dev, const struct vkd_features_params *p,
                                        struct vkd_features *out);

// Replaces `path` atomically by a safetensors file of one layer's features of the split they were made of (p->data,
// p->split): "features" F32 (rows, dim), "labels" I64 (rows), -1 without, "targets" F32 (rows, classes) of a multi-label
// set, and "paths" U8: the images' names in UTF-8 or what bytes they are, each ended by a 0. Metadata: "data", "split",
// "layer", "arch", "class_names" (a JSON list).
//
//   VKD_IO, VKD_FORMAT, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_features_save(const struct vkd_features *f, const struct vkd_features_params *p, const char *path,
                                         const struct vkd_log *log);

// The layers that `path`'s model has a name for here, one per stage from the first on: "bn1", "layer1", ... "layer4".
// `partial` and errors: as of vkd_diversity_measure.
enum { VKD_LAYER_NAME = 96, VKD_STAGES_MAX = 16 };
VKD_CHECKED vkd_result vkd_model_layers(const char *path, bool partial, const struct vkd_log *log,
                                        char names[VKD_STAGES_MAX][VKD_LAYER_NAME], uint32_t *count);

// Linear CKA of all pairs of a model's stages: of their outputs, averaged over each image.
struct vkd_layers_cka {
    uint32_t count, images;
    char names[VKD_STAGES_MAX][VKD_LAYER_NAME];             // vkd_model_layers'
    double values[VKD_STAGES_MAX][VKD_STAGES_MAX];          // symmetric; NaN of a layer that is the same for all images
};

// Layers and views of `p` are not looked at. Errors: vkd_features_extract's and vkd_features_cka's.
VKD_CHECKED vkd_result vkd_layers_cka(vkd_device *dev, const struct vkd_features_params *p, struct vkd_layers_cka *out);

VKD_END
#endif
