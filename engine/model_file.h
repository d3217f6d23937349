// model_file.h -- a safetensors file as a model that is known here: its layers and their weights, without a device.
// Internal to engine/.
//
// A file of vkdiv says what it is. Of others it is found out: each architecture's graph is built, and the one whose
// parameters' names the file has is it; width, stem, classes and channels are read off shapes. So a new model in
// engine/models/ is recognised without a word here, and only names that differ from torchvision's need a rule.
#ifndef VKD_MODEL_FILE_H
#define VKD_MODEL_FILE_H

#include "safetensors.h"

#include <vkdiv/weights.h>

// A convolution or a linear layer, in the model's order.
struct vkd__file_layer {
    const char *name;                   // in the model: "layer1.0.conv1"
    uint32_t filters, fan_in;           // the weight is (filters, fan_in), row by row
    uint32_t kernel[2];
    bool linear, depthwise;
    const char *norm;                   // the batch norm that follows at once, or NULL
    const struct vkd__st_tensor *weight;    // NULL: missing, of a file that was opened as partial
};

struct vkd__model_file {
    vkd__st_file *file;
    char path[4096];                    // of the safetensors file
    struct vkd_weights_info info;
    bool told;                          // info is the file's own; else size, mean and std are what is usual
    bool timm;                          // names are timm's
    vkd_graph *graph;                   // the model, for names and shapes
    struct vkd__file_layer *layers;
    uint32_t layer_count;
    uint32_t missing;                   // parameters, of a partial file
    uint32_t backbone_missing;          // those before the classifier
    const char *first_missing;          // of them; NULL: there are none
};

// Opens `path`. Every parameter of the model must be there in its shape, and nothing else: the log lists what is
// missing, unexpected or of another shape. `partial` takes what fits, at least one layer, with a warning.
//
//   VKD_IO, VKD_NO_MEMORY
//   VKD_FORMAT  not safetensors, not a known architecture, or not its parameters
VKD_CHECKED vkd_result vkd__model_file_open(const char *path, bool partial, const struct vkd_log *log,
                                            struct vkd__model_file *out);
void vkd__model_file_close(struct vkd__model_file *m);

// Whether features can be made of images of so many channels, of the set `spec`.
//
//   VKD_INVALID  the model takes fewer channels
//   VKD_FORMAT   a partial file's model lacks more than its classifier, or weights are not finite
VKD_CHECKED vkd_result vkd__model_file_serves(const struct vkd__model_file *m, const char *spec, uint32_t channels,
                                              const struct vkd_log *log);

// VKD_FORMAT where a number of the model's parameters that are there is not finite: the log names the first.
VKD_CHECKED vkd_result vkd__model_file_finite(const struct vkd__model_file *m, const struct vkd_log *log);

// The tensor of the model's parameter LAYER.SUFFIX, or NULL.
const struct vkd__st_tensor *vkd__model_file_find(const struct vkd__model_file *m, const char *layer, const char *suffix);

// What a file in timm's names calls the layer `name`; false: the same.
bool vkd__timm_layer(const char *name, char *out, size_t size);

#endif
