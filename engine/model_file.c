// model_file.c -- a safetensors file as a model that is known here.
#include "model_file.h"

#include "graph_impl.h"
#include "run_folder.h"
#include "weights.h"
#include "../runtime/os.h"

#include <vkdiv/model.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_SIZE = 192 };

// ---- timm's names -----------------------------------------------------------------------------
// ResNets are called the same there. MobileNetV2's blocks are numbered by stage, and a block's parts have words
// for names.

static bool timm_block(uint32_t index, const char *part, char *out, size_t size)
{
    static const uint32_t blocks[] = { 1, 2, 3, 4, 3, 3, 1 };
    static const struct { const char *part, *first, *other; } parts[] = {
        { "0.0", "conv_dw", "conv_pw" },
        { "0.1", "bn1",     "bn1"     },
        { "1.0", NULL,      "conv_dw" },
        { "1.1", NULL,      "bn2"     },
        { "1",   "conv_pw", NULL      },
        { "2",   "bn2",     "conv_pwl" },
        { "3",   NULL,      "bn3"     },
    };
    uint32_t stage = 0, place = index - 1;
    while (stage < 7 && place >= blocks[stage])
        place -= blocks[stage++];
    for (uint32_t i = 0; stage < 7 && i < sizeof(parts) / sizeof(parts[0]); i++) {
        const char *name = index == 1 ? parts[i].first : parts[i].other;
        if (!name || strcmp(parts[i].part, part))
            continue;
        snprintf(out, size, "blocks.%u.%u.%s", stage, place, name);
        return true;
    }
    return false;
}

bool vkd__timm_layer(const char *name, char *out, size_t size)
{
    static const char *const ends[][2] = {
        { "features.0.0", "conv_stem" }, { "features.0.1", "bn1" }, { "features.18.0", "conv_head" },
        { "features.18.1", "bn2" }, { "classifier.1", "classifier" },
    };
    for (uint32_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (!strcmp(name, ends[i][0])) {
            snprintf(out, size, "%s", ends[i][1]);
            return true;
        }
    }
    uint32_t index;
    char part[8];
    return sscanf(name, "features.%u.conv.%7s", &index, part) == 2 && index && timm_block(index, part, out, size);
}

// The tensor of the parameter `name` (LAYER.SUFFIX) in a file of either kind.
static const struct vkd__st_tensor *find(const vkd__st_file *f, bool timm, const char *name)
{
    char layer[NAME_SIZE], other[NAME_SIZE], full[2 * NAME_SIZE];
    const char *dot = strrchr(name, '.');
    if (!timm || !dot)
        return vkd__st_find(f, name);
    snprintf(layer, sizeof(layer), "%.*s", (int) (dot - name), name);
    if (!vkd__timm_layer(layer, other, sizeof(other)))
        return vkd__st_find(f, name);
    snprintf(full, sizeof(full), "%s%s", other, dot);
    return vkd__st_find(f, full);
}

const struct vkd__st_tensor *vkd__model_file_find(const struct vkd__model_file *m, const char *layer, const char *suffix)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "%s.%s", layer, suffix);
    return find(m->file, m->timm, name);
}

// ---- Which model ------------------------------------------------------------------------------

static vkd_result build(const struct vkd_log *log, const struct vkd_weights_info *info, vkd_graph **out)
{
    vkd_graph *g = NULL;
    vkd_result r = vkd_graph_create(log, &g);
    if (r < 0)
        return r;
    vkd_tensor *images = vkd_input(g, "images", VKD_F32,
                                   (struct vkd_shape) {{ 1, info->size, info->size, info->channels }});
    vkd_model_build(g, images, &(struct vkd_model_params) {
        .arch = info->arch, .width = info->width, .cifar_stem = info->cifar_stem, .classes = info->classes, .dropout = -1,
    });
    if (vkd_graph_error(g)) {
        vkd_graph_destroy(&g);
        return VKD_FORMAT;
    }
    *out = g;
    return VKD_OK;
}

static bool is_counter(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && !strcmp(dot, ".num_batches_tracked");
}

static uint32_t count_tensors(const vkd__st_file *f)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < vkd__st_count(f); i++)
        count += !is_counter(vkd__st_at(f, i)->name);
    return count;
}

// Shared names over all names, of a graph and a file.
static double likeness(const vkd__st_file *f, const vkd_graph *g, bool timm)
{
    uint32_t shared = 0, params = 0;
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        if (g->tensors[i]->kind != VKD_TENSOR_PARAM)
            continue;
        params++;
        shared += find(f, timm, g->tensors[i]->name) != NULL;
    }
    return shared / (double) (params + count_tensors(f) - shared);
}

// The weight of a convolution or a product with a parameter, or NULL.
static const struct vkd_tensor *weight_of(const struct vkd_node *n)
{
    bool has = n->in_count > 1 && n->in[1] && (!strcmp(n->op->name, "conv2d") || !strcmp(n->op->name, "matmul"));
    return has && n->in[1]->kind == VKD_TENSOR_PARAM ? n->in[1] : NULL;
}

// Reads off the shapes of the first and the last layer what the names do not say.
static void read_shapes(const vkd__st_file *f, const vkd_graph *g, bool timm, struct vkd_weights_info *info)
{
    const struct vkd_tensor *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < g->node_count; i++) {
        const struct vkd_tensor *w = weight_of(g->nodes[i]);
        first = first ? first : w;
        last = w ? w : last;
    }
    const struct vkd__st_tensor *stem = first ? find(f, timm, first->name) : NULL;
    const struct vkd__st_tensor *head = last ? find(f, timm, last->name) : NULL;
    if (stem && stem->rank == 4 && stem->shape[0] <= UINT16_MAX && stem->shape[1] <= UINT16_MAX) {
        info->width = (uint32_t) stem->shape[0];
        info->channels = (uint32_t) stem->shape[1];
        info->cifar_stem = stem->shape[2] != first->desc.shape.d[0];
    }
    info->classes = head && head->rank == 2 && head->shape[0] <= UINT32_MAX ? (uint32_t) head->shape[0] : 0;
    info->size = info->cifar_stem ? 32 : 224;
}

// What is usual for a file that says nothing of itself: ImageNet's normalisation.
static const struct vkd_weights_info usual = {
    .size = 224, .channels = 3, .classes = 1000, .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f },
};

static vkd_result recognise(struct vkd__model_file *m, const struct vkd_log *log)
{
    double best = 0;
    const struct vkd_model_arch *arch;
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && (arch = vkd_model_at(i)); i++) {
        vkd_graph *g = NULL;
        struct vkd_weights_info info = usual;
        snprintf(info.arch, sizeof(info.arch), "%s", arch->name);
        r = build(log, &info, &g);
        for (uint32_t timm = 0; r == VKD_OK && timm < 2; timm++) {
            double like = likeness(m->file, g, timm);
            if (like <= best)
                continue;
            best = like;
            m->timm = timm;
            read_shapes(m->file, g, timm, &info);
            m->info = info;
        }
        vkd_graph_destroy(&g);
    }
    if (r == VKD_OK && best < 0.5) {
        char nearest[96] = "";
        if (best > 0)
            snprintf(nearest, sizeof(nearest), " (%.0f %% of the names are those of %.24s)", 100 * best, m->info.arch);
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: its %u tensors are no model known here%s; expected ResNet-18, -34, -50 or "
                      "MobileNetV2 in the names of torchvision or timm, found %.80s", m->path, count_tensors(m->file),
                      nearest, vkd__st_count(m->file) ? vkd__st_at(m->file, 0)->name : "nothing");
        return VKD_FORMAT;
    }
    return r;
}

// ---- Checking ---------------------------------------------------------------------------------

struct complaints {
    char text[800];
    size_t used;
    uint32_t count, left_out;
};

static void VKD_PRINTF(2, 3) complain(struct complaints *c, const char *format, ...)
{
    char line[200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    c->count++;
    if (c->used + strlen(line) + 3 >= sizeof(c->text))
        c->left_out++;
    else
        c->used += (size_t) snprintf(c->text + c->used, sizeof(c->text) - c->used, "; %s", line);
}

// True when `t` is what a file holds of the parameter `p`.
static bool fits(const struct vkd_tensor *p, const struct vkd__st_tensor *t, struct complaints *c)
{
    uint64_t shape[4] = { 0 };
    float value;
    const struct vkd_param_info info = {
        .shape = p->desc.shape, .logical_in = p->param.logical_in, .rank = p->param.rank,
    };
    uint32_t rank = vkd__param_file_shape(&info, shape);
    if (!t) {
        complain(c, "%.80s is missing", p->name);
        return false;
    }
    if (t->rank != rank || memcmp(t->shape, shape, rank * sizeof(shape[0]))) {
        char expected[64], found[64];
        vkd__st_shape_text(shape, rank, expected);
        vkd__st_shape_text(t->shape, t->rank, found);
        complain(c, "%.80s is %.40s, expected %.40s", p->name, found, expected);
        return false;
    }
    if (!vkd__st_floats(t, 0, t->numel ? 1 : 0, &value)) {
        complain(c, "%.80s has type %s, expected F32, F16, BF16 or F64", p->name, vkd__st_type_name(t->type));
        return false;
    }
    return true;
}

static bool is_parameter(const struct vkd__model_file *m, const struct vkd__st_tensor *t)
{
    for (uint32_t i = 0; i < m->graph->tensor_count; i++) {
        const struct vkd_tensor *p = m->graph->tensors[i];
        if (p->kind == VKD_TENSOR_PARAM && find(m->file, m->timm, p->name) == t)
            return true;
    }
    return false;
}

static vkd_result check(struct vkd__model_file *m, bool partial, const struct vkd_log *log)
{
    struct complaints c = { .used = 0 };
    uint32_t params = 0, found = 0;
    for (uint32_t i = 0; i < m->graph->tensor_count; i++) {
        const struct vkd_tensor *p = m->graph->tensors[i];
        if (p->kind != VKD_TENSOR_PARAM)
            continue;
        const struct vkd__st_tensor *t = find(m->file, m->timm, p->name);
        params++;
        found += t != NULL;
        const bool lost = !fits(p, t, &c);
        m->missing += lost;
        if (lost && vkd_model_stage(vkd_model_find(m->info.arch), p->name) && !m->backbone_missing++)
            m->first_missing = p->name;
    }
    for (uint32_t i = 0; count_tensors(m->file) > found && i < vkd__st_count(m->file); i++) {
        const struct vkd__st_tensor *t = vkd__st_at(m->file, i);
        if (!is_counter(t->name) && !is_parameter(m, t))
            complain(&c, "%.80s is unexpected", t->name);
    }
    if (!c.count)
        return VKD_OK;
    bool enough = partial && params > m->missing;
    char more[32] = "";
    if (c.left_out)
        snprintf(more, sizeof(more), "; and %u more", c.left_out);
    vkd_log_write(log, enough ? VKD_LOG_WARNING : VKD_LOG_ERROR, "%.120s: %u of %u parameters of %s fit%s%s",
                  m->path, params - m->missing, params, m->info.arch, c.text, more);
    return enough ? VKD_OK : VKD_FORMAT;
}

// ---- Layers -----------------------------------------------------------------------------------

// The name of the batch norm that takes the output of `n`, or NULL.
static const char *norm_after(const vkd_graph *g, const struct vkd_node *n, char *text)
{
    for (uint32_t i = n->id + 1; i < g->node_count; i++) {
        const struct vkd_node *next = g->nodes[i];
        if (strcmp(next->op->name, "batch_norm") || next->in[0] != n->out[0])
            continue;
        snprintf(text, NAME_SIZE, "%.*s", (int) (strrchr(next->in[1]->name, '.') - next->in[1]->name), next->in[1]->name);
        return text;
    }
    return NULL;
}

static vkd_result collect(struct vkd__model_file *m)
{
    const vkd_graph *g = m->graph;
    m->layers = calloc(g->node_count + 1, sizeof(*m->layers));
    for (uint32_t i = 0; m->layers && i < g->node_count; i++) {
        const struct vkd_node *n = g->nodes[i];
        const struct vkd_tensor *w = weight_of(n);
        if (!w)
            continue;
        const uint32_t *d = w->desc.shape.d, in = w->param.logical_in ? w->param.logical_in : d[2];
        char norm[NAME_SIZE], name[NAME_SIZE];
        const char *after = norm_after(g, n, norm);
        struct complaints unused = { .used = 0 };
        const struct vkd__st_tensor *t = find(m->file, m->timm, w->name);
        snprintf(name, sizeof(name), "%.*s", (int) (strrchr(w->name, '.') - w->name), w->name);
        struct vkd__file_layer *l = &m->layers[m->layer_count++];
        *l = (struct vkd__file_layer) {
            .name = strdup(name), .filters = d[3], .fan_in = d[0] * d[1] * in, .kernel = { d[0], d[1] },
            .linear = w->param.rank == 2, .depthwise = n->attr.groups > 1 && in == 1, .norm = after ? strdup(after) : NULL,
            .weight = fits(w, t, &unused) ? t : NULL,
        };
        if (!l->name || (after && !l->norm))
            return VKD_NO_MEMORY;
    }
    return m->layers ? VKD_OK : VKD_NO_MEMORY;
}

vkd_result vkd__model_file_open(const char *path, bool partial, const struct vkd_log *log, struct vkd__model_file *out)
{
    struct vkd__model_file m = { .file = NULL };
    vkd__model_path(path, m.path, sizeof(m.path));
    vkd_result r = vkd__st_open(m.path, log, &m.file);
    if (r < 0)
        return r;
    m.told = vkd__st_metadata(m.file, "vkdiv") != NULL;
    r = m.told ? vkd_weights_info(m.path, log, &m.info) : recognise(&m, log);
    if (r == VKD_OK)
        r = build(log, &m.info, &m.graph);
    if (r == VKD_OK)
        r = check(&m, partial, log);
    if (r == VKD_OK)
        r = collect(&m);
    if (r < 0)
        vkd__model_file_close(&m);
    else
        *out = m;
    return r;
}

// The parameters, of the backbone alone or all.
static vkd_result check_finite(const struct vkd__model_file *m, bool all, const struct vkd_log *log)
{
    const struct vkd_model_arch *arch = vkd_model_find(m->info.arch);
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < m->graph->tensor_count; i++) {
        const struct vkd_tensor *p = m->graph->tensors[i];
        const bool looked = p->kind == VKD_TENSOR_PARAM && (all || vkd_model_stage(arch, p->name));
        const struct vkd__st_tensor *t = looked ? find(m->file, m->timm, p->name) : NULL;
        r = t ? vkd__st_check_finite(t, m->path, log) : VKD_OK;
    }
    return r;
}

vkd_result vkd__model_file_finite(const struct vkd__model_file *m, const struct vkd_log *log)
{
    return check_finite(m, true, log);
}

vkd_result vkd__model_file_serves(const struct vkd__model_file *m, const char *spec, uint32_t channels, const struct vkd_log *log)
{
    if (m->backbone_missing)
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s lacks %u of the parameters before its classifier, the first is %.100s: features "
                      "need all of them", m->path, m->backbone_missing, m->first_missing);
    else if (channels > m->info.channels)
        vkd_log_write(log, VKD_LOG_ERROR, "%.200s takes images of %u channel, %.200s has %u: train it with --set model.channels=%u "
                      "for images of both kinds", m->path, m->info.channels, spec, channels, channels);
    else
        return check_finite(m, false, log);
    return m->backbone_missing ? VKD_FORMAT : VKD_INVALID;
}

void vkd__model_file_close(struct vkd__model_file *m)
{
    for (uint32_t i = 0; i < m->layer_count; i++) {
        free((char *) (uintptr_t) m->layers[i].name);
        free((char *) (uintptr_t) m->layers[i].norm);
    }
    free(m->layers);
    vkd_graph_destroy(&m->graph);
    vkd__st_close(&m->file);
    *m = (struct vkd__model_file) { .file = NULL };
}
