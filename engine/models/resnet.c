// resnet.c -- ResNet-18, 34 and 50 (He et al., CVPR 2016) as torchvision builds and names them; the
// 50 has its stride in the 3x3 convolution (v1.5).
#include <vkdiv/model.h>

#include <stdio.h>
#include <string.h>

struct config {
    bool bottleneck;
    uint32_t blocks[4];
};

struct builder {
    vkd_graph *g;
    bool bottleneck;
    enum vkd_init last_gamma;
};

enum { NAME_SIZE = 64 };

static const char *join(char text[NAME_SIZE], const char *prefix, const char *name)
{
    snprintf(text, NAME_SIZE, "%s.%s", prefix, name);
    return text;
}

// Convolution PREFIX.CONV that keeps the size at stride 1, then nothing.
static vkd_tensor *conv(const struct builder *b, vkd_tensor *x, const char *prefix, const char *name, uint32_t k,
                        uint32_t kernel, uint32_t stride)
{
    char text[NAME_SIZE];
    uint32_t pad = kernel / 2;
    return vkd_layer_conv2d(b->g, x, join(text, prefix, name), k, kernel,
                            &(struct vkd_attr) { .stride = { stride, stride }, .pad = { pad, pad } });
}

static vkd_tensor *norm(const struct builder *b, vkd_tensor *x, const char *prefix, const char *name,
                        enum vkd_activation act)
{
    char text[NAME_SIZE];
    return vkd_layer_batch_norm(b->g, x, join(text, prefix, name), act, NULL);
}

// x (N, H, W, C) -> (N, H / stride, W / stride, planes * expansion)
static vkd_tensor *block(const struct builder *b, vkd_tensor *x, const char *prefix, uint32_t planes, uint32_t stride)
{
    uint32_t out = b->bottleneck ? 4 * planes : planes;
    vkd_tensor *shortcut = x, *y;
    char text[NAME_SIZE];
    if (b->bottleneck) {
        y = norm(b, conv(b, x, prefix, "conv1", planes, 1, 1), prefix, "bn1", VKD_ACT_RELU);
        y = norm(b, conv(b, y, prefix, "conv2", planes, 3, stride), prefix, "bn2", VKD_ACT_RELU);
        y = conv(b, y, prefix, "conv3", out, 1, 1);
    } else {
        y = norm(b, conv(b, x, prefix, "conv1", planes, 3, stride), prefix, "bn1", VKD_ACT_RELU);
        y = conv(b, y, prefix, "conv2", out, 3, 1);
    }
    if (stride != 1 || vkd_tensor_shape(x).d[3] != out) {
        shortcut = conv(b, x, prefix, "downsample.0", out, 1, stride);
        shortcut = norm(b, shortcut, prefix, "downsample.1", VKD_ACT_NONE);
    }
    return vkd_layer_batch_norm_init(b->g, y, join(text, prefix, b->bottleneck ? "bn3" : "bn2"), VKD_ACT_RELU,
                                     shortcut, b->last_gamma);
}

// images (N, H, W, C) -> (N, H / 4, W / 4, width); the CIFAR stem keeps H and W
static vkd_tensor *stem(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p)
{
    struct vkd_attr attr = { .stride = { 2, 2 }, .pad = { 3, 3 } };
    if (p->cifar_stem)
        attr = (struct vkd_attr) { .stride = { 1, 1 }, .pad = { 1, 1 } };
    vkd_tensor *x = vkd_layer_conv2d(g, images, "conv1", p->width, p->cifar_stem ? 3 : 7, &attr);
    x = vkd_layer_batch_norm(g, x, "bn1", VKD_ACT_RELU, NULL);
    if (p->cifar_stem)
        return x;
    return vkd_max_pool(g, x, &(struct vkd_attr) { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } });
}

static vkd_tensor *features(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p, const void *config)
{
    const struct config *c = config;
    const struct builder b = {
        g, c->bottleneck, p->zero_init_residual ? VKD_INIT_ZERO : VKD_INIT_ONE,
    };
    vkd_tensor *x = stem(g, images, p);
    for (uint32_t layer = 0; layer < 4; layer++) {
        if (p->freeze == layer + 1)
            x = vkd_detach(g, x);
        for (uint32_t i = 0; i < c->blocks[layer]; i++) {
            char prefix[32];
            snprintf(prefix, sizeof(prefix), "layer%u.%u", layer + 1, i);
            x = block(&b, x, prefix, p->width << layer, layer && !i ? 2 : 1);
        }
    }
    if (p->freeze == 5)
        x = vkd_detach(g, x);
    return vkd_global_avg_pool(g, x);
}

static vkd_tensor *classify(vkd_graph *g, vkd_tensor *x, const struct vkd_model_params *p)
{
    return vkd_layer_linear(g, x, "fc", p->classes, true);
}

static uint32_t stage(const char *name)
{
    uint32_t layer;
    if (!strncmp(name, "conv1.", 6) || !strncmp(name, "bn1.", 4))
        return 1;
    return sscanf(name, "layer%1u.", &layer) == 1 && layer < 5 ? layer + 1 : 0;
}

static const struct vkd_model_arch archs[] = {
    { "resnet18", 64, 0, 5, &(const struct config) { false, { 2, 2, 2, 2 } }, features, classify, stage },
    { "resnet34", 64, 0, 5, &(const struct config) { false, { 3, 4, 6, 3 } }, features, classify, stage },
    { "resnet50", 64, 0, 5, &(const struct config) { true,  { 3, 4, 6, 3 } }, features, classify, stage },
};

extern const struct vkd_model_family vkd_models_resnet;
const struct vkd_model_family vkd_models_resnet = { archs, sizeof(archs) / sizeof(archs[0]) };
