// layers.c -- operations by name, and layers that make their own parameters.
#include "graph_impl.h"

#include <vkdiv/layers.h>

#include <stdio.h>

// ---- Operations ----

static vkd_tensor *apply1(vkd_graph *g, const char *op, vkd_tensor *x, const struct vkd_attr *attr)
{
    return vkd_apply(g, op, &x, 1, attr);
}

static vkd_tensor *apply2(vkd_graph *g, const char *op, vkd_tensor *a, vkd_tensor *b, const struct vkd_attr *attr)
{
    return vkd_apply(g, op, (vkd_tensor *[]) { a, b }, 2, attr);
}

vkd_tensor *vkd_conv2d(vkd_graph *g, vkd_tensor *x, vkd_tensor *w, const struct vkd_attr *attr)
{
    return apply2(g, "conv2d", x, w, attr);
}

vkd_tensor *vkd_matmul(vkd_graph *g, vkd_tensor *a, vkd_tensor *b, const struct vkd_attr *attr)
{
    return apply2(g, "matmul", a, b, attr);
}

vkd_tensor *vkd_bias(vkd_graph *g, vkd_tensor *x, vkd_tensor *b)
{
    return apply2(g, "bias", x, b, NULL);
}

vkd_tensor *vkd_relu(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "relu", x, NULL);
}

vkd_tensor *vkd_relu6(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "relu6", x, NULL);
}

vkd_tensor *vkd_gelu(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "gelu", x, NULL);
}

vkd_tensor *vkd_silu(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "silu", x, NULL);
}

vkd_tensor *vkd_add(vkd_graph *g, vkd_tensor *a, vkd_tensor *b)
{
    return apply2(g, "add", a, b, NULL);
}

vkd_tensor *vkd_mul(vkd_graph *g, vkd_tensor *a, vkd_tensor *b)
{
    return apply2(g, "mul", a, b, NULL);
}

vkd_tensor *vkd_scale(vkd_graph *g, vkd_tensor *x, float alpha)
{
    return apply1(g, "scale", x, &(struct vkd_attr) { .alpha = alpha });
}

vkd_tensor *vkd_max_pool(vkd_graph *g, vkd_tensor *x, const struct vkd_attr *attr)
{
    return apply1(g, "max_pool", x, attr);
}

vkd_tensor *vkd_avg_pool(vkd_graph *g, vkd_tensor *x, const struct vkd_attr *attr)
{
    return apply1(g, "avg_pool", x, attr);
}

vkd_tensor *vkd_global_avg_pool(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "global_avg_pool", x, NULL);
}

vkd_tensor *vkd_l2_normalize(vkd_graph *g, vkd_tensor *x, float eps)
{
    return apply1(g, "l2_normalize", x, &(struct vkd_attr) { .eps = eps });
}

vkd_tensor *vkd_softmax(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "softmax", x, NULL);
}

vkd_tensor *vkd_log_softmax(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "log_softmax", x, NULL);
}

vkd_tensor *vkd_dropout(vkd_graph *g, vkd_tensor *x, float p, uint32_t stream)
{
    return apply1(g, "dropout", x, &(struct vkd_attr) { .p = p, .stream = stream });
}

vkd_tensor *vkd_sum(vkd_graph *g, vkd_tensor *x, uint32_t axes)
{
    return apply1(g, "sum", x, &(struct vkd_attr) { .axes = axes });
}

vkd_tensor *vkd_mean(vkd_graph *g, vkd_tensor *x, uint32_t axes)
{
    return apply1(g, "mean", x, &(struct vkd_attr) { .axes = axes });
}

vkd_tensor *vkd_slice(vkd_graph *g, vkd_tensor *x, uint32_t begin, uint32_t end)
{
    return apply1(g, "slice", x, &(struct vkd_attr) { .begin = begin, .end = end });
}

vkd_tensor *vkd_concat(vkd_graph *g, vkd_tensor *const *x, uint32_t count)
{
    return vkd_apply(g, "concat", x, count, NULL);
}

vkd_tensor *vkd_slice_rows(vkd_graph *g, vkd_tensor *x, uint32_t begin, uint32_t end)
{
    return apply1(g, "slice_rows", x, &(struct vkd_attr) { .begin = begin, .end = end });
}

vkd_tensor *vkd_concat_rows(vkd_graph *g, vkd_tensor *const *x, uint32_t count)
{
    return vkd_apply(g, "concat_rows", x, count, NULL);
}

vkd_tensor *vkd_row_index(vkd_graph *g, vkd_tensor *x, uint32_t begin, uint32_t end)
{
    return apply1(g, "row_index", x, &(struct vkd_attr) { .begin = begin, .end = end });
}

vkd_tensor *vkd_weigh(vkd_graph *g, vkd_tensor *x, uint32_t weight)
{
    return apply1(g, "weigh", x, &(struct vkd_attr) { .stream = weight });
}

vkd_tensor *vkd_column_std(vkd_graph *g, vkd_tensor *x)
{
    return apply1(g, "column_std", x, NULL);
}

void vkd_queue_push(vkd_graph *g, vkd_tensor *queue, vkd_tensor *keys)
{
    apply2(g, "queue_push", queue, keys, NULL);
}

vkd_tensor *vkd_center_columns(vkd_graph *g, vkd_tensor *x)
{
    return vkd_bias(g, x, vkd_scale(g, vkd_mean(g, x, 7), -1));
}

void vkd_running_average(vkd_graph *g, vkd_tensor *state, vkd_tensor *x, float momentum)
{
    apply2(g, "running_average", state, x, &(struct vkd_attr) { .momentum = momentum });
}

vkd_tensor *vkd_cast(vkd_graph *g, vkd_tensor *x, enum vkd_dtype dtype)
{
    return apply1(g, "cast", x, &(struct vkd_attr) { .dtype = dtype });
}

// ---- Losses ----

vkd_tensor *vkd_cross_entropy(vkd_graph *g, vkd_tensor *logits, vkd_tensor *labels, float label_smoothing)
{
    return apply2(g, "cross_entropy", logits, labels, &(struct vkd_attr) { .label_smoothing = label_smoothing });
}

vkd_tensor *vkd_bce(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets)
{
    return apply2(g, "bce", logits, targets, NULL);
}
vkd_tensor *vkd_cross_entropy_weighted(vkd_graph *g, vkd_tensor *logits, vkd_tensor *labels, vkd_tensor *weights,
                                       float label_smoothing)
{
    return vkd_apply(g, "cross_entropy", (vkd_tensor *[]) { logits, labels, weights }, 3,
                     &(struct vkd_attr) { .label_smoothing = label_smoothing });
}
vkd_tensor *vkd_bce_weighted(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets, vkd_tensor *weights)
{
    return vkd_apply(g, "bce", (vkd_tensor *[]) { logits, targets, weights }, 3, NULL);
}

vkd_tensor *vkd_asl(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets, const struct vkd_attr *attr)
{
    static const struct vkd_attr usual = { .gamma_neg = 4, .gamma_pos = 1, .clip = 0.05f };
    return apply2(g, "asl", logits, targets, attr ? attr : &usual);
}

vkd_tensor *vkd_mse(vkd_graph *g, vkd_tensor *x, vkd_tensor *y)
{
    return apply2(g, "mse", x, y, NULL);
}

vkd_tensor *vkd_soft_cross_entropy(vkd_graph *g, vkd_tensor *logits, vkd_tensor *targets, float temperature)
{
    return apply2(g, "soft_cross_entropy", logits, targets, &(struct vkd_attr) { .alpha = 1 / temperature });
}

vkd_tensor *vkd_sinkhorn(vkd_graph *g, vkd_tensor *scores, vkd_tensor *queued, float eps, uint32_t iterations)
{
    return vkd_apply(g, "sinkhorn", (vkd_tensor *[]) { scores, queued }, queued ? 2 : 1,
                     &(struct vkd_attr) { .eps = eps, .iterations = iterations });
}

vkd_tensor *vkd_identity_mse(vkd_graph *g, vkd_tensor *x, float on, float off)
{
    return apply1(g, "identity_mse", x, &(struct vkd_attr) { .alpha = on, .beta = off });
}

vkd_tensor *vkd_variance_hinge(vkd_graph *g, vkd_tensor *variance, float eps)
{
    return apply1(g, "variance_hinge", variance, &(struct vkd_attr) { .eps = eps });
}

vkd_tensor *vkd_filter_cosine(vkd_graph *g, vkd_tensor *w)
{
    return apply1(g, "filter_cosine", w, NULL);
}

vkd_tensor *vkd_contrast(vkd_graph *g, vkd_tensor *s, vkd_tensor *labels)
{
    return apply2(g, "contrast", s, labels, NULL);
}

vkd_tensor *vkd_label_rank(vkd_graph *g, vkd_tensor *logits, vkd_tensor *labels)
{
    return apply2(g, "label_rank", logits, labels, NULL);
}

// ---- Layers ----

// Declares LAYER.SUFFIX as `p` says otherwise.
static vkd_tensor *layer_param(vkd_graph *g, const char *layer, const char *suffix, struct vkd_param_params p)
{
    char name[192];
    if (snprintf(name, sizeof(name), "%s.%s", layer, suffix) >= (int) sizeof(name))
        return vkd_graph_fail(g, "the layer name %.40s... is too long", layer);
    p.name = name;
    return vkd_param(g, &p);
}

static struct vkd_shape vector(uint32_t c)
{
    return (struct vkd_shape) { { 1, 1, 1, c } };
}

// `x` as the scope's layers take it.
static vkd_tensor *stored(vkd_graph *g, vkd_tensor *x)
{
    return g->scope.precision != VKD_F32 && x->desc.dtype == VKD_F32 ? vkd_cast(g, x, g->scope.precision) : x;
}

vkd_tensor *vkd_layer_conv2d(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, uint32_t kernel,
                             const struct vkd_attr *attr)
{
    if (!x)
        return NULL;
    uint32_t c = vkd_tensor_shape(x).d[3];
    uint32_t groups = attr && attr->groups ? attr->groups : 1;
    if (c % groups || k % groups)
        return vkd_graph_fail(g, "%s: %u groups must divide %u input and %u output channels", name, groups, c, k);

    // PyTorch's fan_out counts all K also in a grouped convolution.
    vkd_tensor *w = layer_param(g, name, "weight", (struct vkd_param_params) {
        .shape = { { kernel, kernel, groups == 1 ? vkd__pad4(c) : c / groups, k } },
        .logical_in = c / groups,
        .init = VKD_INIT_KAIMING_FAN_OUT,
        .fan_in = c / groups * kernel * kernel,
        .fan_out = k * kernel * kernel,
        .rank = 4,
    });
    return vkd_conv2d(g, stored(g, x), w, attr);
}

vkd_tensor *vkd_layer_linear(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, bool bias)
{
    return vkd_layer_linear_init(g, x, name, k, bias, VKD_INIT_LINEAR);
}

vkd_tensor *vkd_layer_linear_init(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, bool bias,
                                  enum vkd_init init)
{
    if (!x)
        return NULL;
    uint32_t c = vkd_tensor_shape(x).d[3];
    vkd_tensor *w = layer_param(g, name, "weight", (struct vkd_param_params) {
        .shape = { { 1, 1, c, k } },
        .init = init,
        .fan_in = c,
        .fan_out = k,
        .rank = 2,
    });
    vkd_tensor *y = vkd_matmul(g, stored(g, x), w, NULL);
    if (!bias)
        return y;
    vkd_tensor *b = layer_param(g, name, "bias", (struct vkd_param_params) {
        .shape = vector(k),
        .init = init == VKD_INIT_LINEAR ? VKD_INIT_LINEAR : VKD_INIT_ZERO,
        .fan_in = c,
        .fan_out = k,
        .rank = 1,
        .no_decay = true,
    });
    return vkd_bias(g, y, b);
}

// `fixed`: scale and shift are states, never trained.
static vkd_tensor *batch_norm(vkd_graph *g, vkd_tensor *x, const char *name, enum vkd_activation act,
                              vkd_tensor *residual, enum vkd_init init, bool fixed)
{
    if (!x)
        return NULL;
    struct vkd_param_params p = { .shape = vector(vkd_tensor_shape(x).d[3]), .rank = 1, .no_decay = true, .state = fixed };
    struct vkd_param_params gamma = p, mean = p, var = p;
    gamma.init = init;
    mean.state = var.state = true;
    var.init = VKD_INIT_ONE;
    vkd_tensor *in[6] = {
        stored(g, x),
        layer_param(g, name, "weight", gamma),
        layer_param(g, name, "bias", p),
        layer_param(g, name, "running_mean", mean),
        layer_param(g, name, "running_var", var),
        residual ? stored(g, residual) : NULL,
    };
    return vkd_apply(g, "batch_norm", in, residual ? 6 : 5,
                     &(struct vkd_attr) { .activation = act, .eps = 1e-5f, .momentum = g->scope.norm_momentum });
}

vkd_tensor *vkd_layer_batch_norm_fixed(vkd_graph *g, vkd_tensor *x, const char *name)
{
    return batch_norm(g, x, name, VKD_ACT_NONE, NULL, VKD_INIT_ONE, true);
}

vkd_tensor *vkd_layer_batch_norm(vkd_graph *g, vkd_tensor *x, const char *name, enum vkd_activation act,
                                 vkd_tensor *residual)
{
    return vkd_layer_batch_norm_init(g, x, name, act, residual, VKD_INIT_ONE);
}

vkd_tensor *vkd_layer_batch_norm_init(vkd_graph *g, vkd_tensor *x, const char *name, enum vkd_activation act,
                                      vkd_tensor *residual, enum vkd_init init)
{
    return batch_norm(g, x, name, act, residual, init, false);
}
