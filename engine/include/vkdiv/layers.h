// layers.h -- the operations by name, and layers that make their own parameters. All of it is
// sugar over vkd_apply and vkd_param; all return NULL after an error. Thread-safety of all: that of the graph.
#ifndef VKDIV_LAYERS_H
#define VKDIV_LAYERS_H

#include <vkdiv/graph.h>

VKD_BEGIN

// ---- Operations ----
// x (N, H, W, C), w (R, S, C / groups, K) -> (N, OH, OW, K). Reads stride, pad, dilation, groups.
vkd_tensor *vkd_conv2d(vkd_graph *g, vkd_tensor *x, vkd_tensor *w, const struct vkd_attr *attr);
// a (.., M, K), b (.., K, N) -> (M.., N); rows are d[0] * d[1] * d[2]. Reads trans_a, trans_b.
vkd_tensor *vkd_matmul(vkd_graph *g, vkd_tensor *a, vkd_tensor *b, const struct vkd_attr *attr);
vkd_tensor *vkd_bias(vkd_graph *g, vkd_tensor *x, vkd_tensor *b);           // b (1, 1, 1, C)
vkd_tensor *vkd_relu(vkd_graph *g, vkd_tensor *x);
vkd_tensor *vkd_relu6(vkd_graph *g, vkd_tensor *x);
vkd_tensor *vkd_gelu(vkd_graph *g, vkd_tensor *x);                          // exact, by erf
vkd_tensor *vkd_silu(vkd_graph *g, vkd_tensor *x);
vkd_tensor *vkd_add(vkd_graph *g, vkd_tensor *a, vkd_tensor *b);            // same shapes
vkd_tensor *vkd_mul(vkd_graph *g, vkd_tensor *a, vkd_tensor *b);            // same shapes
vkd_tensor *vkd_scale(vkd_graph *g, vkd_tensor *x, float alpha);
vkd_tensor *vkd_max_pool(vkd_graph *g, vkd_tensor *x, const struct vkd_attr *attr);
vkd_tensor *vkd_avg_pool(vkd_graph *g, vkd_tensor *x, const struct vkd_attr *attr);
vkd_tensor *vkd_global_avg_pool(vkd_graph *g, vkd_tensor *x);               // (N, 1, 1, C)
vkd_tensor *vkd_l2_normalize(vkd_graph *g, vkd_tensor *x, float eps);       // over C
vkd_tensor *vkd_softmax(vkd_graph *g, vkd_tensor *x);                       // over C
vkd_tensor *vkd_log_softmax(vkd_graph *g, vkd_tensor *x);                   // over C
vkd_tensor *vkd_dropout(vkd_graph *g, vkd_tensor *x, float p, uint32_t stream);
vkd_tensor *vkd_sum(vkd_graph *g, vkd_tensor *x, uint32_t axes);            // bit i: dimension i
vkd_tensor *vkd_mean(vkd_graph *g, vkd_tensor *x, uint32_t axes);
vkd_tensor *vkd_slice(vkd_graph *g, vkd_tensor *x, uint32_t begin, uint32_t end);   // along C
vkd_tensor *vkd_concat(vkd_graph *g, vkd_tensor *const *x, uint32_t count);         // along C
vkd_tensor *vkd_slice_rows(vkd_graph *g, vkd_tensor *x, uint32_t begin, uint32_t end);      // along N
vkd_tensor *vkd_concat_rows(vkd_graph *g, vkd_tensor *const *x, uint32_t count);            // along N
// Labels for x's N rows: begin, begin + 1, ..., starting over before `end` (0: never). u32 (1, 1, 1, N), no gradient.
vkd_tensor *vkd_row_index(vkd_graph *g, vkd_tensor *x, uint32_t begin, uint32_t end);
// x times a weight of the step block, VKD_WEIGHT_* of shaders/step_block.h.
vkd_tensor *vkd_weigh(vkd_graph *g, vkd_tensor *x, uint32_t weight);
vkd_tensor *vkd_column_std(vkd_graph *g, vkd_tensor *x);    // over all rows: (1, 1, 1, C); no gradient
// After the backward pass, keys (N, 1, 1, D) replace the oldest rows of the state queue (1, 1, K, D); N divides K.
void vkd_queue_push(vkd_graph *g, vkd_tensor *queue, vkd_tensor *keys);
// x minus the mean of its column over all rows.
vkd_tensor *vkd_center_columns(vkd_graph *g, vkd_tensor *x);
// After the backward pass, the state becomes momentum * state + (1 - momentum) * x.
void vkd_running_average(vkd_graph *g, vkd_tensor *state, vkd_tensor *x, float momentum);
vkd_tensor *vkd_cast(vkd_graph *g, vkd_tensor *x, enum vkd_dtype dtype);

// ---- Losses: mean over the images -> (1, 1, 1, 1) ----
// logits (N, 1, 1, K), labels u32 (1, 1, 1, N). A label of 0xffffffff leaves its image out.
vkd_tensor *vkd_cross_entropy(vkd_graph *g, vkd_tensor *logits, vkd_tensor *labels, float label_smoothing);
// Same shapes; a target below 0 is unknown and left out. Mean over all known targets; 0 without any.
vkd_tensor *vkd_bce(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets);
// The same with weights of the classes (1, 1, 1, K), above 0: PyTorch's `weight`, so that the mean is a weighted one, and
// `pos_weight`, of targets of 1 alone. No gradient to the weights.
vkd_tensor *vkd_cross_entropy_weighted(vkd_graph *g, vkd_tensor *logits, vkd_tensor *labels, vkd_tensor *weights,
                                       float label_smoothing);
vkd_tensor *vkd_bce_weighted(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets, vkd_tensor *weights);
// Asymmetric loss, the same, but the sum over C, and the mean over the images of which a target is known.
// Reads gamma_neg, gamma_pos, clip, focal_grad; NULL: 4, 1, 0.05, 0.
vkd_tensor *vkd_asl(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets, const struct vkd_attr *attr);
vkd_tensor *vkd_mse(vkd_graph *g, vkd_tensor *x, vkd_tensor *y);                // mean over all
// Mean over rows of -sum over C of targets * log softmax(logits / temperature); no gradient to the targets.
vkd_tensor *vkd_soft_cross_entropy(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets, float temperature);
// Mean over all elements of the square matrix x: on (x - 1)^2 on the diagonal, off x^2 elsewhere.
vkd_tensor *vkd_identity_mse(vkd_graph *g, vkd_tensor *x, float on, float off);
// Mean over all elements of max(0, 1 - sqrt(variance + eps)); eps > 0.
vkd_tensor *vkd_variance_hinge(vkd_graph *g, vkd_tensor *variance, float eps);
// Scores (N, 1, 1, K) of samples and prototypes -> codes, the same shape, each row's sum 1, prototypes shared out
// evenly over the samples by `iterations` of Sinkhorn and Knopp's (0: 3). `queued` may be NULL, else it is scores of
// samples that take part while the step block's queue_on is 1. No gradient.
vkd_tensor *vkd_sinkhorn(vkd_graph *g, vkd_tensor *scores, vkd_tensor *queued, float eps, uint32_t iterations);
// Mean over all pairs of different filters of w (R, S, C, K) of their squared cosine, in 0 ... 1.
vkd_tensor *vkd_filter_cosine(vkd_graph *g, vkd_tensor *w);
// Similarities s (R, 1, 1, R) over their temperature, labels u32 (1, 1, 1, R): the mean over rows of
// log sum exp of the other rows' s minus the mean s of those with the row's label (NT-Xent, SupCon L_out). Rows
// without any such, and those labelled 0xffffffff, are left out of the mean.
vkd_tensor *vkd_contrast(vkd_graph *g, vkd_tensor *s, vkd_tensor *labels);
// Rank of each image's label among its logits (0 = right): u32 (1, 1, 1, N). No gradient.
vkd_tensor *vkd_label_rank(vkd_graph *g, vkd_tensor *logits, vkd_tensor *labels);

// ---- Layers: parameters are called NAME.weight, NAME.bias, ... as in PyTorch ----
// k output channels, square `kernel`, no bias, Kaiming start; attr as for vkd_conv2d.
vkd_tensor *vkd_layer_conv2d(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, uint32_t kernel,
                             const struct vkd_attr *attr);
// k outputs over C. The weight starts from `init`, the bias from zero unless `init` is VKD_INIT_LINEAR.
vkd_tensor *vkd_layer_linear(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, bool bias);
vkd_tensor *vkd_layer_linear_init(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, bool bias,
                                  enum vkd_init init);
// y = act(gamma * (x - mean) / sqrt(var + eps) + beta + residual) with eps 1e-5 and the scope's norm_momentum;
// `residual` may be NULL. Gamma starts from `init`, else from one.
vkd_tensor *vkd_layer_batch_norm(vkd_graph *g, vkd_tensor *x, const char *name, enum vkd_activation act,
                                 vkd_tensor *residual);
vkd_tensor *vkd_layer_batch_norm_init(vkd_graph *g, vkd_tensor *x, const char *name, enum vkd_activation act,
                                      vkd_tensor *residual, enum vkd_init init);
// The same without scale and shift (PyTorch's affine=False): those are states that stay 1 and 0.
vkd_tensor *vkd_layer_batch_norm_fixed(vkd_graph *g, vkd_tensor *x, const char *name);

VKD_END
#endif
