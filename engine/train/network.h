// network.h -- the graphs of a run: one for each kind of step, all over the same parameters. Internal to engine/.
//
// Backbone and classifier ("fc." of a ResNet) have the model's own names and are what the files hold. What
// self-supervision adds is called "ssl.", a teacher "teacher.", a supervised head of some depth "head.". Whenever labels
// do not reach the backbone through the classifier, it learns beside, on detached features: the online probe.
#ifndef VKD_NETWORK_H
#define VKD_NETWORK_H

#include "../ssl.h"

#include <vkdiv/model.h>
#include <vkdiv/recipe.h>
#include <vkdiv/weights.h>

// Groups of parameters with a learning rate of their own (vkd_step_block.group_lr).
enum vkd__lr_group {
    VKD__LR_BACKBONE,
    VKD__LR_FROZEN_STAGES,      // backbone stages that labels do not change
    VKD__LR_SSL, VKD__LR_SSL_CONSTANT, VKD__LR_SSL_LATER,   // heads of self-supervision: see struct vkd__ssl_method
    VKD__LR_HEAD,
    VKD__LR_CLASSIFIER,         // last: with a probe or without, the norm of the others is added up in the same order
};

// The state that holds the classes' weights in the loss of labels (recipe: class_weights).
#define VKD__CLASS_WEIGHTS "loss.class_weights"

// What the graphs of a run are made from; strings and pointers are borrowed.
struct vkd__network {
    struct vkd_weights_info model;          // of the files: classes 0 without any classifier
    const struct vkd__ssl_method *method;   // NULL: labels alone
    struct vkd__ssl_config ssl;
    const struct vkd_recipe *recipe;
    uint32_t classes;                       // of the data; 0: no labels
    bool multi_label;
    enum vkd_dtype precision;               // that backbones store in while training; evaluation, heads and losses are f32
    bool probe;                             // the classifier learns beside where it is not the supervised head
};

// Fills *out from a resolved recipe; `info` describes the model,
// `classes` those of the data (0: without labels).
void vkd__network_init(const struct vkd_recipe *recipe, const struct vkd_weights_info *info, uint32_t classes,
                       bool multi_label, struct vkd__network *out);

// What a graph computes, for images (N, size, size, channels):
//
//   in    "view0", "view1", ... of self-supervision; "images" of labels; "labels" u32 (1, 1, 1, N), or "targets"
//         (N, 1, 1, classes) with several labels an image
//   out   "loss", what is differentiated (the probe's term besides); and where they exist "ssl_loss",
//         "supervised_loss", "probe_loss", "spread" (vkd__ssl_spread of the projections), "diversity_penalty" (without
//         its weight), "rank" (of the label among the classifier's logits)
enum vkd__graph_kind {
    VKD__GRAPH_SSL, VKD__GRAPH_MIXED, VKD__GRAPH_SUPERVISED,
    VKD__GRAPH_WARMUP,          // the head alone, on features in evaluation mode
    VKD__GRAPH_EVALUATION,      // "images" -> "features", and with a classifier "logits", "loss", "rank"
    // Gradient caching: the embeddings of micro-batches, the loss over them all, and its gradients taken back through
    // the network. Embeddings are "embed.V.O" of the student, "target.V.O" of the teacher (see vkd__ssl_inputs).
    VKD__GRAPH_EMBED, VKD__GRAPH_LOSS, VKD__GRAPH_CACHED, VKD__GRAPH_CACHED_MIXED,
    VKD__GRAPH_KINDS
};

// Builds a graph for N = `batch` images (LOSS: of all micro-batches).
//
//   VKD_INVALID  the log says what is wrong with the model or the method
VKD_CHECKED vkd_result vkd__network_graph(const struct vkd_log *log, const struct vkd__network *n,
                                          enum vkd__graph_kind kind, uint32_t batch, vkd_graph **out);

// View `view` of self-supervision: false past the last one, else its side in pixels.
bool vkd__network_view(const struct vkd__network *n, uint32_t view, uint32_t *size);

// The group of the parameter `name`, a trainable one.
enum vkd__lr_group vkd__network_group(const struct vkd__network *n, const char *name);
// What its learning rate is multiplied by: optimizer.stage_decay, once for the backbone's last stage, twice for the one
// before, ...; 1 elsewhere.
float vkd__network_lr_factor(const struct vkd__network *n, const char *name);

#endif
