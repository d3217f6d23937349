// model_layers.c -- places in a model that features can be taken from.
#include "model_layers.h"

#include "graph_impl.h"
#include "model_file.h"

#include <stdio.h>
#include <string.h>

static bool belongs(const char *param, const char *layer, size_t length)
{
    return !strncmp(param, layer, length) && param[length] == '.';
}

// The last node with a parameter whose name begins with the first `length` bytes of `layer` and a dot.
static const struct vkd_node *last_node(const vkd_graph *g, const char *layer, size_t length)
{
    for (uint32_t i = g->node_count; i-- > 0;) {
        const struct vkd_node *n = g->nodes[i];
        for (uint32_t k = 0; k < n->in_count; k++)
            if (n->in[k] && n->in[k]->kind == VKD_TENSOR_PARAM && belongs(n->in[k]->name, layer, length))
                return n;
    }
    return NULL;
}

vkd_tensor *vkd__layer_output(const vkd_graph *g, const char *layer)
{
    const struct vkd_node *n = last_node(g, layer, strlen(layer));
    return n ? n->out[0] : NULL;
}

// The last node with a parameter of a stage; *param is that parameter's name.
static const struct vkd_node *stage_end(const vkd_graph *g, const struct vkd_model_arch *arch, uint32_t stage, const char **param)
{
    for (uint32_t i = g->node_count; i-- > 0;) {
        const struct vkd_node *n = g->nodes[i];
        for (uint32_t k = 0; k < n->in_count; k++) {
            if (!n->in[k] || n->in[k]->kind != VKD_TENSOR_PARAM || vkd_model_stage(arch, n->in[k]->name) != stage)
                continue;
            *param = n->in[k]->name;
            return n;
        }
    }
    return NULL;
}

uint32_t vkd__stage_layers(const vkd_graph *g, const struct vkd_model_arch *arch, char names[VKD_STAGES_MAX][VKD_LAYER_NAME])
{
    uint32_t count = 0;
    for (uint32_t s = 1; s <= arch->stages && count < VKD_STAGES_MAX; s++) {
        const char *param = NULL, *dot;
        const struct vkd_node *end = stage_end(g, arch, s, &param);
        for (dot = end ? strchr(param, '.') : NULL; dot && last_node(g, param, (size_t) (dot - param)) != end;)
            dot = strchr(dot + 1, '.');
        if (dot)
            snprintf(names[count++], VKD_LAYER_NAME, "%.*s", (int) (dot - param), param);
    }
    return count;
}

vkd_result vkd_model_layers(const char *path, bool partial, const struct vkd_log *log,
                            char names[VKD_STAGES_MAX][VKD_LAYER_NAME], uint32_t *count)
{
    struct vkd__model_file m;
    vkd_result r = vkd__model_file_open(path, partial, log, &m);
    if (r < 0)
        return r;
    *count = vkd__stage_layers(m.graph, vkd_model_find(m.info.arch), names);
    vkd__model_file_close(&m);
    return VKD_OK;
}

bool vkd__layer_check(const vkd_graph *g, const struct vkd_weights_info *info, const char *path, const char *layer,
                      const struct vkd_log *log)
{
    char names[VKD_STAGES_MAX][VKD_LAYER_NAME], list[512] = "features";
    if (!strcmp(layer, "features") || (strlen(layer) < VKD_LAYER_NAME && vkd__layer_output(g, layer)))
        return true;
    const uint32_t count = vkd__stage_layers(g, vkd_model_find(info->arch), names);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i], "features"))
            snprintf(list + strlen(list), sizeof(list) - strlen(list), ", %.30s", names[i]);
    vkd_log_write(log, VKD_LOG_ERROR, "%.200s (%s) has no layer '%.60s'; at the ends of stages it has %s", path, info->arch,
                  layer, list);
    return false;
}
