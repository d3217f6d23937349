// layers_cka.c -- how alike a model's layers are to each other: linear CKA of the stages' features.
#include <vkdiv/features.h>

#include <stdlib.h>
#include <string.h>

// The features of all stages, as many in a pass as one can give.
static vkd_result extract(vkd_device *dev, const struct vkd_features_params *p, const struct vkd_layers_cka *c,
                          struct vkd_features *features)
{
    const char *names[VKD_STAGES_MAX];
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; i < c->count; i++)
        names[i] = c->names[i];
    for (uint32_t first = 0; r == VKD_OK && first < c->count; first += VKD_LAYERS_MAX) {
        struct vkd_features_params part = *p;
        part.views = 0;
        part.layers = names + first;
        part.layer_count = c->count - first < VKD_LAYERS_MAX ? c->count - first : VKD_LAYERS_MAX;
        r = vkd_features_extract(dev, &part, features + first);
    }
    return r;
}

vkd_result vkd_layers_cka(vkd_device *dev, const struct vkd_features_params *p, struct vkd_layers_cka *out)
{
    const struct vkd_log *log = vkd_device_log(dev);
    struct vkd_features *features = calloc(VKD_STAGES_MAX, sizeof(*features));
    struct vkd_layers_cka *c = calloc(1, sizeof(*c));
    vkd_products *products = NULL;
    vkd_result r = features && c ? vkd_model_layers(p->path, p->partial, log, c->names, &c->count) : VKD_NO_MEMORY;
    if (r == VKD_OK)
        r = extract(dev, p, c, features);
    if (r == VKD_OK)
        r = vkd_products_create(dev, &products);
    for (uint32_t i = 0; r == VKD_OK && i < c->count; i++) {
        for (uint32_t j = 0; r == VKD_OK && j <= i; j++) {
            r = vkd_features_cka(&features[i], &features[j], products, log, &c->values[i][j]);
            c->values[j][i] = c->values[i][j];
        }
    }
    if (r == VKD_OK) {
        c->images = features[0].rows;
        *out = *c;
    }
    for (uint32_t i = 0; features && i < VKD_STAGES_MAX; i++)
        vkd_features_finish(&features[i]);
    vkd_products_destroy(&products);
    free(c);
    free(features);
    return r;
}
