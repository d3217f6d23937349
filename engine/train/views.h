// views.h -- what a recipe says of its views, as the augmentation takes it. Internal.
#ifndef VKD_VIEWS_H
#define VKD_VIEWS_H

#include "../augment.h"

#include <vkdiv/recipe.h>

// Streams of random draws.
enum { VKD__VIEW_SUPERVISED, VKD__VIEW_1, VKD__VIEW_2, VKD__VIEW_CROPS };     // crops: one each from here on

// The view that labels are learnt from. `plain` is the augmentation of evaluation: input size, channels
// and normalisation.
struct vkd__augment_params vkd__view_supervised(const struct vkd_recipe *r, const struct vkd__augment_params *plain);

// A view of self-supervision, of `size` pixels a side.
struct vkd__augment_params vkd__view(const struct vkd_recipe_view *v, const struct vkd__augment_params *plain,
                                     uint32_t size, uint32_t stream);

#endif
