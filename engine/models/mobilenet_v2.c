// mobilenet_v2.c -- MobileNetV2 (Sandler et al., CVPR 2018) as torchvision builds and names it.
#include <vkdiv/model.h>

#include <stdio.h>

static const struct stage { uint32_t expand, channels, blocks, stride; } stages[] = {
    { 1,  16, 1, 1 },
    { 6,  24, 2, 2 },
    { 6,  32, 3, 2 },
    { 6,  64, 4, 2 },
    { 6,  96, 3, 1 },
    { 6, 160, 3, 2 },
    { 6, 320, 1, 1 },
};
enum { STAGES = sizeof(stages) / sizeof(stages[0]), NAME_SIZE = 64 };

// The multiple of 8 nearest to `v`, but never more than 10 % below it.
static uint32_t divisible(double v)
{
    uint32_t rounded = (uint32_t) (v + 4) / 8 * 8;
    if (rounded < 8)
        rounded = 8;
    return rounded < 0.9 * v ? rounded + 8 : rounded;
}

// Convolution NAME.0, batch norm NAME.1, ReLU6.
static vkd_tensor *conv_norm(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t k, uint32_t kernel,
                             uint32_t stride, uint32_t groups)
{
    uint32_t pad = kernel / 2;
    struct vkd_attr attr = { .stride = { stride, stride }, .pad = { pad, pad }, .groups = groups };
    char text[NAME_SIZE];
    snprintf(text, sizeof(text), "%s.0", name);
    x = vkd_layer_conv2d(g, x, text, k, kernel, &attr);
    snprintf(text, sizeof(text), "%s.1", name);
    return vkd_layer_batch_norm(g, x, text, VKD_ACT_RELU6, NULL);
}

// Inverted residual: widen (1x1), depthwise (3x3), narrow (1x1, linear), and x added where the
// shapes agree. No activation follows the sum.
static vkd_tensor *block(vkd_graph *g, vkd_tensor *x, uint32_t index, uint32_t expand, uint32_t k, uint32_t stride)
{
    uint32_t c = vkd_tensor_shape(x).d[3], hidden = c * expand, part = 0;
    char name[NAME_SIZE];
    vkd_tensor *y = x;
    if (expand != 1) {
        snprintf(name, sizeof(name), "features.%u.conv.%u", index, part++);
        y = conv_norm(g, y, name, hidden, 1, 1, 1);
    }
    snprintf(name, sizeof(name), "features.%u.conv.%u", index, part++);
    y = conv_norm(g, y, name, hidden, 3, stride, hidden);

    snprintf(name, sizeof(name), "features.%u.conv.%u", index, part++);
    y = vkd_layer_conv2d(g, y, name, k, 1, NULL);
    snprintf(name, sizeof(name), "features.%u.conv.%u", index, part);
    return vkd_layer_batch_norm(g, y, name, VKD_ACT_NONE, stride == 1 && c == k ? x : NULL);
}

static vkd_tensor *features(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p, const void *config)
{
    (void) config;
    double multiplier = p->width / 32.0;
    vkd_tensor *x = conv_norm(g, images, "features.0", divisible(p->width), 3, p->cifar_stem ? 1 : 2, 1);
    uint32_t index = 1;
    for (uint32_t s = 0; s < STAGES; s++) {
        if (p->freeze == s + 1)
            x = vkd_detach(g, x);
        uint32_t k = divisible(stages[s].channels * multiplier);
        uint32_t stride = p->cifar_stem && s == 1 ? 1 : stages[s].stride;
        for (uint32_t i = 0; i < stages[s].blocks; i++)
            x = block(g, x, index++, stages[s].expand, k, i ? 1 : stride);
    }
    if (p->freeze == STAGES + 1)
        x = vkd_detach(g, x);
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "features.%u", index);
    x = conv_norm(g, x, name, divisible(1280 * (multiplier > 1 ? multiplier : 1)), 1, 1, 1);

    if (p->freeze == STAGES + 2)
        x = vkd_detach(g, x);
    return vkd_global_avg_pool(g, x);
}

static vkd_tensor *classify(vkd_graph *g, vkd_tensor *x, const struct vkd_model_params *p)
{
    x = p->dropout > 0 ? vkd_dropout(g, x, p->dropout, 0) : x;
    return vkd_layer_linear_init(g, x, "classifier.1", p->classes, true, VKD_INIT_NORMAL_001);
}

static uint32_t stage(const char *name)
{
    uint32_t index;
    if (sscanf(name, "features.%u.", &index) != 1)
        return 0;
    uint32_t s = 0, end = 1;            // blocks of stages[0 ... s) are features.1 ... end - 1
    while (s < STAGES && index >= end)
        end += stages[s++].blocks;
    return index < end ? s + 1 : STAGES + 2;
}

static const struct vkd_model_arch archs[] = {
    { "mobilenet_v2", 32, 0.2f, STAGES + 2, NULL, features, classify, stage },
};

extern const struct vkd_model_family vkd_models_mobilenet_v2;
const struct vkd_model_family vkd_models_mobilenet_v2 = { archs, sizeof(archs) / sizeof(archs[0]) };
