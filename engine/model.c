// model.c -- collects every model family the build found in engine/models.
#include "suggest.h"

#include <vkdiv/model.h>

#include <stdio.h>
#include <string.h>

#define MODEL(stem) extern const struct vkd_model_family vkd_models_##stem;
#include "models.inc"   // generated: one MODEL(stem) line per engine/models/*.c
#undef MODEL

static const struct vkd_model_family *const families[] = {
#define MODEL(stem) &vkd_models_##stem,
#include "models.inc"
#undef MODEL
};

enum { FAMILIES = sizeof(families) / sizeof(families[0]), WIDTH_MAX = 1024, CLASSES_MAX = 1 << 20 };

const struct vkd_model_arch *vkd_model_at(uint32_t index)
{
    for (uint32_t i = 0; i < FAMILIES; i++) {
        if (index < families[i]->count)
            return &families[i]->archs[index];
        index -= families[i]->count;
    }
    return NULL;
}

const struct vkd_model_arch *vkd_model_find(const char *name)
{
    const struct vkd_model_arch *arch;
    for (uint32_t i = 0; name && (arch = vkd_model_at(i)); i++)
        if (!strcmp(arch->name, name))
            return arch;
    return NULL;
}

static struct vkd_model unknown(vkd_graph *g, const char *name)
{
    const char *names[64];
    char list[256] = "";
    uint32_t count = 0;
    const struct vkd_model_arch *arch;
    while (count < 64 && (arch = vkd_model_at(count))) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof(list) - used, "%s%s", count ? ", " : "", arch->name);
        names[count++] = arch->name;
    }
    const char *nearest = name ? vkd__suggest(name, names, count) : NULL;
    if (nearest)
        vkd_graph_fail(g, "there is no architecture '%.60s'; did you mean %s?", name, nearest);
    else
        vkd_graph_fail(g, "there is no architecture '%.60s'; there are %s", name ? name : "", list);
    return (struct vkd_model) { 0 };
}

struct vkd_model vkd_model_build(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p)
{
    const struct vkd_model_arch *arch = vkd_model_find(p->arch);
    if (!arch)
        return unknown(g, p->arch);
    struct vkd_model_params full = *p;
    if (!full.width)
        full.width = arch->default_width;
    if (full.dropout < 0)
        full.dropout = arch->default_dropout;

    struct vkd_model none = { 0 };
    if (full.width > WIDTH_MAX || full.classes > CLASSES_MAX || full.dropout >= 1) {
        vkd_graph_fail(g, "%s: width %u, %u classes, dropout %g; expected at most %d, at most %d, below 1",
                       arch->name, full.width, full.classes, (double) full.dropout, WIDTH_MAX, CLASSES_MAX);
        return none;
    }
    if (!images) {
        vkd_graph_fail(g, "%s: the images are missing", arch->name);
        return none;
    }
    return arch->build(g, images, &full, arch->config);
}
