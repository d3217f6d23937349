// model_layers.h -- places in a model that features can be taken from, by the names of its parameters. Internal to
// engine/.
#ifndef VKD_MODEL_LAYERS_H
#define VKD_MODEL_LAYERS_H

#include <vkdiv/features.h>
#include <vkdiv/model.h>
#include <vkdiv/weights.h>

// The output of module `layer` in the graph of a model: of the last call with a parameter LAYER.*. NULL: there is none.
vkd_tensor *vkd__layer_output(const vkd_graph *g, const char *layer);

// The shortest names of the stages' outputs, from the first stage on; returns how many.
uint32_t vkd__stage_layers(const vkd_graph *g, const struct vkd_model_arch *arch, char names[VKD_STAGES_MAX][VKD_LAYER_NAME]);

// Whether there is module `layer`, or it is "features"; the log tells those that there are.
bool vkd__layer_check(const vkd_graph *g, const struct vkd_weights_info *info, const char *path, const char *layer,
                      const struct vkd_log *log);

#endif
