// model.c -- collects every model family the build found in engine/models.
#include "graph_impl.h"
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

static void unknown(vkd_graph *g, const char *name)
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
}

// p->arch, or NULL after a sticky error; *full is `p` with every default filled in.
static const struct vkd_model_arch *resolve(vkd_graph *g, const struct vkd_model_params *p, struct vkd_model_params *full)
{
    const struct vkd_model_arch *arch = vkd_model_find(p->arch);
    if (!arch) {
        unknown(g, p->arch);
        return NULL;
    }
    *full = *p;
    if (!full->width)
        full->width = arch->default_width;
    if (full->dropout < 0)
        full->dropout = arch->default_dropout;
    if (full->width <= WIDTH_MAX && full->classes <= CLASSES_MAX && full->dropout < 1 && full->freeze <= arch->stages)
        return arch;
    vkd_graph_fail(g, "%s: width %u, %u classes, dropout %g, %u frozen stages; expected at most %d, at most %d, below 1, "
                   "at most %u", arch->name, full->width, full->classes, (double) full->dropout, full->freeze, WIDTH_MAX,
                   CLASSES_MAX, arch->stages);
    return NULL;
}

// What a model gives is f32, whatever its layers store.
static vkd_tensor *widened(vkd_graph *g, vkd_tensor *x)
{
    return x && x->desc.dtype != VKD_F32 ? vkd_cast(g, x, VKD_F32) : x;
}

struct vkd_model vkd_model_build(vkd_graph *g, vkd_tensor *images, const struct vkd_model_params *p)
{
    struct vkd_model m = { 0 };
    struct vkd_model_params full;
    const struct vkd_model_arch *arch = resolve(g, p, &full);
    if (!arch)
        return m;
    if (!images) {
        vkd_graph_fail(g, "%s: the images are missing", arch->name);
        return m;
    }
    m.features = vkd_mark(g, widened(g, arch->features(g, images, &full, arch->config)), "features");
    if (full.classes)
        m.logits = vkd_mark(g, widened(g, arch->classify(g, m.features, &full)), "logits");
    return m;
}

vkd_tensor *vkd_model_classify(vkd_graph *g, vkd_tensor *features, const struct vkd_model_params *p)
{
    struct vkd_model_params full;
    const struct vkd_model_arch *arch = resolve(g, p, &full);
    return arch && features ? widened(g, arch->classify(g, features, &full)) : NULL;
}

uint32_t vkd_model_stage(const struct vkd_model_arch *arch, const char *name)
{
    return arch->stage(name);
}
