// groups.c -- which images of a set stay together.
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

struct member { const char *group; uint32_t image; };

static int by_group(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    const int order = strcmp(x->group, y->group);
    return order ? order : (x->image > y->image) - (x->image < y->image);
}

vkd_result vkd__dataset_groups(const vkd_dataset *d, uint32_t **out)
{
    const uint32_t count = d->info.count;
    struct member *list = malloc(((size_t)count + 1) * sizeof *list);
    uint32_t *groups = malloc(((size_t)count + 1) * sizeof *groups), joined = 0, first = 0;
    if (!list || !groups) {
        free(list);
        free(groups);
        return VKD_NO_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++)
        list[i] = (struct member) { vkd_dataset_group(d, i), i };
    qsort(list, count, sizeof *list, by_group);
    for (uint32_t i = 0; i < count; i++) {
        const bool same = i && list[i].group[0] && !strcmp(list[i].group, list[i - 1].group);
        first = same ? first : list[i].image;
        groups[list[i].image] = first;
        joined += same;
    }
    free(list);
    if (!joined) {
        free(groups);
        groups = NULL;
    }
    *out = groups;
    return VKD_OK;
}
