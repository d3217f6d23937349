// ssl.c -- collects every self-supervised method the build found in engine/ssl, and the heads they share.
#include "ssl.h"

#include <stdio.h>
#include <string.h>

#define SSL(stem) extern const struct vkd__ssl_method vkd_ssl_##stem;
#include "ssl.inc"      // generated: one SSL(stem) line per engine/ssl/*.c
#undef SSL

static const struct vkd__ssl_method *const all[] = {
#define SSL(stem) &vkd_ssl_##stem,
#include "ssl.inc"
#undef SSL
    NULL,
};

const struct vkd__ssl_method *vkd__ssl_at(uint32_t index)
{
    return index < sizeof(all) / sizeof(all[0]) ? all[index] : NULL;
}

const struct vkd__ssl_method *vkd__ssl_find(const char *name)
{
    for (uint32_t i = 0; all[i]; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}

vkd_tensor *vkd__ssl_mlp(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t layers, uint32_t hidden, uint32_t out,
                         enum vkd__ssl_last last)
{
    char layer[96], norm[104];
    for (uint32_t i = 0; i < layers; i++) {
        bool end = i + 1 == layers;
        snprintf(layer, sizeof(layer), "%s.%u", name, i);
        snprintf(norm, sizeof(norm), "%s_norm", layer);
        x = vkd_layer_linear(g, x, layer, end ? out : hidden, end && last == VKD__SSL_LAST_BIAS);
        if (!end)
            x = vkd_layer_batch_norm(g, x, norm, VKD_ACT_RELU, NULL);
        else if (last == VKD__SSL_LAST_NORM)
            x = vkd_layer_batch_norm(g, x, norm, VKD_ACT_NONE, NULL);
        else if (last == VKD__SSL_LAST_NORM_FIXED)
            x = vkd_layer_batch_norm_fixed(g, x, norm);
    }
    return x;
}

vkd_tensor *vkd__ssl_mlp_plain(vkd_graph *g, vkd_tensor *x, const char *name, uint32_t layers, uint32_t hidden,
                               uint32_t out)
{
    char layer[96];
    for (uint32_t i = 0; i < layers; i++) {
        bool end = i + 1 == layers;
        snprintf(layer, sizeof(layer), "%s.%u", name, i);
        x = vkd_layer_linear(g, x, layer, end ? out : hidden, true);
        if (!end)
            x = vkd_relu(g, x);
    }
    return x;
}

vkd_tensor *vkd__ssl_similarities(vkd_graph *g, const struct vkd__ssl_inputs *in, float temperature)
{
    vkd_tensor *z[VKD__SSL_VIEWS_MAX];
    for (uint32_t v = 0; v < in->views; v++)
        z[v] = vkd_l2_normalize(g, in->student[v][0], 0);
    vkd_tensor *every = vkd_concat_rows(g, z, in->views);
    return vkd_matmul(g, vkd_scale(g, every, 1 / temperature), every, &(struct vkd_attr) { .trans_b = 1 });
}

vkd_tensor *vkd__ssl_swapped(vkd_graph *g, const struct vkd__ssl_inputs *in, uint32_t out, vkd_tensor *const *codes,
                             float temperature)
{
    vkd_tensor *total = NULL;
    for (uint32_t v = 0; v < in->views; v++) {
        // Cross entropy is linear in its targets: those of one view are added first.
        vkd_tensor *targets = NULL;
        for (uint32_t i = 0; i < in->large; i++)
            if (i != v)
                targets = targets ? vkd_add(g, targets, codes[i]) : codes[i];
        vkd_tensor *term = vkd_soft_cross_entropy(g, in->student[v][out], targets, temperature);
        total = total ? vkd_add(g, total, term) : term;
    }
    return vkd_scale(g, total, 1 / (float) (in->large * (in->views - 1)));
}

vkd_tensor *vkd__ssl_spread(vkd_graph *g, vkd_tensor *z)
{
    return vkd_mean(g, vkd_column_std(g, vkd_l2_normalize(g, z, 0)), 1u << 3);
}
