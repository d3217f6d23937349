// diversity.h -- how the diversity command shows what was measured.
#ifndef VKD_APP_DIVERSITY_H
#define VKD_APP_DIVERSITY_H

#include "apps/vkdiv/app.h"

#include <vkdiv/diversity.h>

// Everything measured of a model; `path` as the user gave it.
json_t *diversity_json(const char *path, const struct vkd_diversity *d);

// The same as tables.
void diversity_print(const char *path, const struct vkd_diversity *d);

#endif
