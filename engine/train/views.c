// views.c -- what a recipe says of its views, as the augmentation takes it.
#include "views.h"

#include <string.h>

struct vkd__augment_params vkd__view_supervised(const struct vkd_recipe *r, const struct vkd__augment_params *plain)
{
    struct vkd__augment_params a = *plain;
    if (!strcmp(r->augment.name, "pad-crop"))
        a.mode = VKD__AUGMENT_PAD_CROP;
    if (!strcmp(r->augment.name, "resized-crop"))
        a.mode = VKD__AUGMENT_RESIZED_CROP;
    a.pad = r->augment.pad;
    a.flip = a.mode == VKD__AUGMENT_NONE ? 0 : r->augment.flip;
    memcpy(a.scale, r->augment.scale, sizeof(a.scale));
    memcpy(a.ratio, r->augment.ratio, sizeof(a.ratio));
    a.view = VKD__VIEW_SUPERVISED;
    return a;
}

struct vkd__augment_params vkd__view(const struct vkd_recipe_view *v, const struct vkd__augment_params *plain,
                                     uint32_t size, uint32_t stream)
{
    struct vkd__augment_params a = {
        .mode = VKD__AUGMENT_RESIZED_CROP,
        .filter = !strcmp(v->filter, "bicubic") ? VKD__FILTER_BICUBIC : VKD__FILTER_BILINEAR,
        .size = size, .channels = plain->channels, .flip = v->flip, .jitter_p = v->jitter_p, .gray = v->gray,
        .blur = v->blur, .solarize = v->solarize, .view = stream,
    };
    memcpy(a.scale, v->scale, sizeof(a.scale));
    memcpy(a.ratio, v->ratio, sizeof(a.ratio));
    memcpy(a.jitter, v->jitter, sizeof(a.jitter));
    memcpy(a.blur_sigma, v->sigma, sizeof(a.blur_sigma));
    memcpy(a.mean, plain->mean, sizeof(a.mean));
    memcpy(a.std, plain->std, sizeof(a.std));
    return a;
}
