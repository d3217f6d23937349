// model.h -- model families. One is one file in engine/models/, built from layers.h alone. Thread-safety: functions that
// take a graph have that of the graph, the others are safe.
#ifndef VKDIV_MODEL_H
#define VKDIV_MODEL_H

#include <vkdiv/layers.h>

VKD_BEGIN

struct vkd_model_params {
    const char *arch;           // "resnet18", "resnet34", "resnet50", "mobilenet_v2"
    uint32_t width;             // channels of the first stage; 0: the architecture's own (64; MobileNetV2 32)
    bool     cifar_stem;        // for images of about 32 x 32: the first convolution is 3x3 with stride 1 and the next
                                // halving (ResNet's max-pool, the stride of MobileNetV2's second stage) is left out
    uint32_t classes;           // 0: no classifier, features are the output
    float    dropout;           // MobileNetV2's classifier; < 0: the architecture's own
    bool     zero_init_residual;    // ResNet: the last norm of each block starts at zero
    uint32_t freeze;            // no gradient passes the end of this stage (see vkd_model_stage); 0: all are trained
};

struct vkd_model {
    vkd_tensor *features;       // (N, 1, 1, D), marked "features"
    vkd_tensor *logits;         // (N, 1, 1, classes), marked "logits"; NULL when classes is 0
};

// One architecture of a family. Its functions get params with every default filled in.
struct vkd_model_arch {
    const char *name;
    uint32_t default_width;
    float default_dropout;
    uint32_t stages;
    const void *config;
    // images (N, H, W, C) -> features (N, 1, 1, D)
    vkd_tensor *(*features)(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p, const void *config);
    // features -> logits (N, 1, 1, classes)
    vkd_tensor *(*classify)(vkd_graph *g, vkd_tensor *features, const struct vkd_model_params *p);
    // The stage that parameter `name` belongs to, 0 for the classifier's.
    uint32_t (*stage)(const char *name);
};

// What engine/models/STEM.c defines as vkd_models_STEM.
struct vkd_model_family {
    const struct vkd_model_arch *archs;
    uint32_t count;
};

// Builds p->arch on `images` (N, H, W, C). Errors stick to the graph; an unknown architecture is
// answered with the nearest name.
struct vkd_model vkd_model_build(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p);
// The classifier of p->arch alone, on `features` (N, 1, 1, D). Nothing is marked.
vkd_tensor *vkd_model_classify(vkd_graph *g, vkd_tensor *features, const struct vkd_model_params *p);

// The stage of the backbone that the parameter `name` belongs to: 1 is the stem, then one per group of
// blocks of one size (ResNet: 2 ... 5; MobileNetV2: 2 ... 8, and 9 the last convolution). 0: it is no
// backbone parameter of `arch`.
uint32_t vkd_model_stage(const struct vkd_model_arch *arch, const char *name);

// The architectures by index; NULL past the end.
const struct vkd_model_arch *vkd_model_at(uint32_t index);
// The one called `name`, or NULL.
const struct vkd_model_arch *vkd_model_find(const char *name);

VKD_END
#endif
