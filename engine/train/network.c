// network.c -- building the graphs of a run from the model, the method and the recipe.
#include "network.h"
#include "../graph_impl.h"

#include "../../shaders/step_block.h"

#include <stdio.h>
#include <string.h>

struct builder {
    const struct vkd__network *n;
    vkd_graph *g;
    uint32_t batch;
    vkd_tensor *labels;             // u32 (1, 1, 1, N), or targets (N, 1, 1, classes); NULL without
    enum vkd_dtype precision;       // of this graph's backbones
    vkd_tensor *weights;            // of the classes (1, 1, 1, classes); NULL: none, or not yet
    bool has_backbone;              // built once: further passes share its parameters
    vkd_tensor *total;              // sum of the loss's terms so far
    vkd_tensor *beside;             // the probe's term; NULL without
};

void vkd__network_init(const struct vkd_recipe *recipe, const struct vkd_weights_info *info, uint32_t classes,
                       bool multi_label, struct vkd__network *out)
{
    *out = (struct vkd__network) {
        .model = *info, .method = vkd__ssl_find(recipe->method), .recipe = recipe, .classes = classes,
        .multi_label = multi_label,
    };
    if (strcmp(recipe->precision, "fp32"))
        out->precision = strcmp(recipe->precision, "fp16") ? VKD_BF16 : VKD_F16;
    out->probe = (out->method || recipe->injection.head_depth) && recipe->monitor.probe && classes;
#define COPY(name) out->ssl.name = recipe->ssl.name
    COPY(projector_norm); COPY(projector_hidden); COPY(projector_out); COPY(projector_layers); COPY(predictor_hidden);
    COPY(prototypes); COPY(queue); COPY(iterations); COPY(queue_start); COPY(frozen_epochs); COPY(temperature);
    COPY(teacher_temperature); COPY(momentum); COPY(momentum_end); COPY(center_momentum); COPY(epsilon); COPY(lambda);
    COPY(scale); COPY(invariance); COPY(variance); COPY(covariance);
#undef COPY
}

bool vkd__network_view(const struct vkd__network *n, uint32_t view, uint32_t *size)
{
    uint32_t count = !n->method ? 0 : n->method->crops ? 2 + n->recipe->crops.count : 2;
    *size = view < 2 ? n->model.size : n->recipe->crops.size;
    return view < count;
}

static bool begins(const char *name, const char *prefix)
{
    return prefix && !strncmp(name, prefix, strlen(prefix));
}

enum vkd__lr_group vkd__network_group(const struct vkd__network *n, const char *name)
{
    const struct vkd_model_arch *arch = vkd_model_find(n->model.arch);
    uint32_t stage = arch ? vkd_model_stage(arch, name) : 0;
    if (begins(name, "ssl."))
        return begins(name + 4, n->method->constant_lr) ? VKD__LR_SSL_CONSTANT :
               begins(name + 4, n->method->frozen_first) ? VKD__LR_SSL_LATER : VKD__LR_SSL;
    if (begins(name, "head."))
        return VKD__LR_HEAD;
    if (!stage)
        return VKD__LR_CLASSIFIER;
    return stage <= n->recipe->injection.freeze ? VKD__LR_FROZEN_STAGES : VKD__LR_BACKBONE;
}

float vkd__network_lr_factor(const struct vkd__network *n, const char *name)
{
    const struct vkd_model_arch *arch = vkd_model_find(n->model.arch);
    uint32_t stage = arch ? vkd_model_stage(arch, name) : 0;
    float factor = 1;
    for (uint32_t s = stage; stage && s <= arch->stages; s++)
        factor *= n->recipe->optimizer.stage_decay;
    return factor;
}

// ---- Pieces ----

static struct vkd_shape image_shape(const struct builder *b, uint32_t size)
{
    return (struct vkd_shape) { { b->batch, size, size, b->n->model.channels } };
}

static vkd_tensor *mark(struct builder *b, vkd_tensor *t, const char *name)
{
    return vkd_mark(b->g, t, name);
}

static void add_term(struct builder *b, vkd_tensor *term)
{
    b->total = b->total ? vkd_add(b->g, b->total, term) : term;
}

static struct vkd_model_params model_params(const struct builder *b, uint32_t classes, uint32_t freeze)
{
    return (struct vkd_model_params) {
        .arch = b->n->model.arch, .width = b->n->model.width, .cifar_stem = b->n->model.cifar_stem, .classes = classes,
        .dropout = b->n->recipe->model.dropout, .zero_init_residual = b->n->recipe->model.zero_init_residual,
        .freeze = freeze,
    };
}

// One pass of the student's backbone: images -> features (N, 1, 1, F).
static vkd_tensor *backbone(struct builder *b, vkd_tensor *images, const char *marks, bool inference, uint32_t freeze)
{
    struct vkd_model_params p = model_params(b, 0, freeze);
    vkd_scope_begin(b->g, &(struct vkd_scope) { .marks = marks, .shared = b->has_backbone, .inference = inference,
                                                .norm_momentum = b->n->recipe->model.norm_momentum,
                                                .precision = b->precision });
    vkd_tensor *features = vkd_model_build(b->g, images, &p).features;
    vkd_scope_end(b->g);
    b->has_backbone = true;
    return features;
}

static void make_labels(struct builder *b)
{
    const struct vkd__network *n = b->n;
    if (n->multi_label)
        b->labels = vkd_input(b->g, "targets", VKD_F32, (struct vkd_shape) { { b->batch, 1, 1, n->classes } });
    else if (n->classes)
        b->labels = vkd_input(b->g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, b->batch } });
}

static vkd_tensor *class_weights(struct builder *b)
{
    if (!b->weights)
        b->weights = vkd_param(b->g, &(struct vkd_param_params) {
            .name = VKD__CLASS_WEIGHTS, .shape = { { 1, 1, 1, b->n->classes } }, .init = VKD_INIT_ONE, .rank = 1,
            .state = true });
    return b->weights;
}

static vkd_tensor *label_loss(struct builder *b, vkd_tensor *logits, bool training)
{
    const char *loss = b->n->recipe->loss;
    if (training && !strcmp(b->n->recipe->class_weights, "balanced"))
        return b->n->multi_label ? vkd_bce_weighted(b->g, logits, b->labels, class_weights(b))
                                 : vkd_cross_entropy_weighted(b->g, logits, b->labels, class_weights(b),
                                                              b->n->recipe->label_smoothing);
    if (!b->n->multi_label)
        return vkd_cross_entropy(b->g, logits, b->labels, training ? b->n->recipe->label_smoothing : 0);
    return loss && !strcmp(loss, "asl") ? vkd_asl(b->g, logits, b->labels, NULL) : vkd_bce(b->g, logits, b->labels);
}

static vkd_tensor *classifier(struct builder *b, vkd_tensor *features)
{
    struct vkd_model_params p = model_params(b, b->n->model.classes, 0);
    vkd_tensor *logits = vkd_model_classify(b->g, features, &p);
    if (!b->n->multi_label)
        mark(b, vkd_label_rank(b->g, logits, b->labels), "rank");
    return logits;
}

static void add_probe(struct builder *b, vkd_tensor *features)
{
    if (!b->n->probe)
        return;
    vkd_tensor *logits = classifier(b, vkd_detach(b->g, features));
    b->beside = mark(b, label_loss(b, logits, true), "probe_loss");
}

// The supervised term, by the classifier itself or by a deeper head with the classifier as a probe.
static void add_supervised(struct builder *b, vkd_tensor *features, bool weighed)
{
    const struct vkd_recipe *re = b->n->recipe;
    uint32_t depth = re->injection.head_depth, width = re->injection.head_width;
    vkd_tensor *logits;
    if (!b->labels) {
        vkd_graph_fail(b->g, "labels are to be learnt, but the training set has none");
        return;
    }
    if (!depth) {
        logits = classifier(b, features);
    } else {
        logits = vkd__ssl_mlp(b->g, features, "head", depth + 1, width ? width : vkd_tensor_shape(features).d[3],
                              b->n->classes, VKD__SSL_LAST_BIAS);
        add_probe(b, features);
    }
    vkd_tensor *loss = mark(b, label_loss(b, logits, true), "supervised_loss");
    add_term(b, weighed ? vkd_weigh(b->g, loss, VKD_WEIGHT_SUPERVISED) : loss);
}

// ---- Diversity ----

// The weight of node `i` of the graph, when it is that of a convolution of the backbone behind stage `freeze`, met here
// for the first time. Filters of grouped convolutions see different channels: that they are alike says nothing.
static vkd_tensor *filters_at(const struct builder *b, uint32_t i, uint32_t freeze)
{
    const struct vkd_node *node = b->g->nodes[i];
    if (strcmp(node->op->name, "conv2d") || node->attr.groups > 1)
        return NULL;
    vkd_tensor *w = node->in[1];
    for (uint32_t k = 0; k < i; k++)
        if (b->g->nodes[k]->op == node->op && b->g->nodes[k]->in[1] == w)
            return NULL;
    bool filters = w->kind == VKD_TENSOR_PARAM && !w->param.state && w->desc.shape.d[3] > 1;
    return filters && vkd_model_stage(vkd_model_find(b->n->model.arch), w->name) > freeze ? w : NULL;
}

// The term of the filters' diversity. `freeze`: these stages learn nothing in this graph.
static void add_diversity(struct builder *b, uint32_t freeze)
{
    uint32_t nodes = b->g->node_count, count = 0;
    vkd_tensor *sum = NULL;
    if (!(b->n->recipe->diversity_penalty > 0))
        return;
    for (uint32_t i = 0; i < nodes && !vkd_graph_error(b->g); i++) {
        vkd_tensor *w = filters_at(b, i, freeze);
        if (!w)
            continue;
        vkd_tensor *d = vkd_filter_cosine(b->g, w);
        sum = sum ? vkd_add(b->g, sum, d) : d;
        count++;
    }
    if (count)
        add_term(b, vkd_scale(b->g, mark(b, vkd_scale(b->g, sum, 1.0f / (float) count), "diversity_penalty"),
                              b->n->recipe->diversity_penalty));
}

// ---- Self-supervision ----

// Student and, of large views, teacher embeddings of view `v`. Returns the student's features.
static vkd_tensor *embed_view(struct builder *b, uint32_t v, uint32_t size, struct vkd__ssl_inputs *in)
{
    const struct vkd__ssl_method *m = b->n->method;
    char name[16], marks[24];
    snprintf(name, sizeof(name), "view%u", v);
    snprintf(marks, sizeof(marks), "view%u.", v);
    vkd_tensor *images = vkd_input(b->g, name, VKD_F32, image_shape(b, size));
    vkd_tensor *features = backbone(b, images, marks, false, 0);
    vkd_scope_begin(b->g, &(struct vkd_scope) { .params = "ssl.", .shared = v > 0 });
    m->embed(b->g, features, &b->n->ssl, false, in->student[v]);
    vkd_scope_end(b->g);
    if (!m->teacher || v >= in->large)
        return features;

    struct vkd_model_params p = model_params(b, 0, 0);
    snprintf(marks, sizeof(marks), "teacher%u.", v);
    vkd_scope_begin(b->g, &(struct vkd_scope) { .params = "teacher.", .marks = marks, .shared = v > 0, .frozen = true,
                                                .norm_momentum = b->n->recipe->model.norm_momentum,
                                                .precision = b->precision });
    vkd_tensor *seen = vkd_model_build(b->g, images, &p).features;
    vkd_scope_end(b->g);
    vkd_scope_begin(b->g, &(struct vkd_scope) { .params = "teacher.ssl.", .shared = v > 0, .frozen = true });
    m->embed(b->g, seen, &b->n->ssl, true, in->teacher[v]);
    vkd_scope_end(b->g);
    return features;
}

// All views; returns the features of the first.
static vkd_tensor *embed_all(struct builder *b, struct vkd__ssl_inputs *in)
{
    vkd_tensor *first = NULL;
    uint32_t size;
    *in = (struct vkd__ssl_inputs) { .batch = b->batch, .large = 2, .labels = b->n->method->labels ? b->labels : NULL };
    for (; vkd__network_view(b->n, in->views, &size); in->views++) {
        vkd_tensor *features = embed_view(b, in->views, size, in);
        first = first ? first : features;
    }
    return first;
}

static vkd_tensor *ssl_loss(struct builder *b, const struct vkd__ssl_inputs *in)
{
    vkd_scope_begin(b->g, &(struct vkd_scope) { .params = "ssl.", .shared = true });
    vkd_tensor *loss = b->n->method->loss(b->g, in, &b->n->ssl);
    vkd_scope_end(b->g);
    mark(b, vkd__ssl_spread(b->g, vkd_detach(b->g, in->student[0][0])), "spread");
    return mark(b, loss, "ssl_loss");
}

// The self-supervised term; returns the features of the first view.
static vkd_tensor *add_ssl(struct builder *b, bool weighed)
{
    struct vkd__ssl_inputs in;
    vkd_tensor *features = embed_all(b, &in), *loss = ssl_loss(b, &in);
    add_term(b, weighed ? vkd_weigh(b->g, loss, VKD_WEIGHT_SSL) : loss);
    return features;
}

// ---- Gradient caching ----

static const char *embedding_name(char text[32], const char *who, uint32_t view, uint32_t out)
{
    snprintf(text, 32, "%s.%u.%u", who, view, out);
    return text;
}

static void build_embed(struct builder *b)
{
    struct vkd__ssl_inputs in;
    char name[32];
    embed_all(b, &in);
    for (uint32_t v = 0; v < in.views; v++) {
        for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++) {
            if (in.student[v][o])
                mark(b, in.student[v][o], embedding_name(name, "embed", v, o));
            if (in.teacher[v][o])
                mark(b, in.teacher[v][o], embedding_name(name, "target", v, o));
        }
    }
}

// Inputs in the shapes of what an EMBED graph of one image gives.
static void build_loss(struct builder *b, const vkd_graph *embed)
{
    struct vkd__ssl_inputs in = { .batch = b->batch, .large = 2, .labels = b->n->method->labels ? b->labels : NULL };
    char name[32];
    uint32_t size;
    for (; vkd__network_view(b->n, in.views, &size); in.views++) {
        for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++) {
            vkd_tensor *s = vkd_graph_find(embed, embedding_name(name, "embed", in.views, o));
            struct vkd_shape shape = vkd_tensor_shape(s);
            shape.d[0] = b->batch;
            in.student[in.views][o] = s ? vkd_input_grad(b->g, name, shape) : NULL;
            vkd_tensor *t = vkd_graph_find(embed, embedding_name(name, "target", in.views, o));
            shape = vkd_tensor_shape(t);
            shape.d[0] = b->batch;
            in.teacher[in.views][o] = t ? vkd_input(b->g, name, VKD_F32, shape) : NULL;
        }
    }
    add_term(b, ssl_loss(b, &in));
}

// The sum of embedding * gradient: what the loss over all micro-batches is to this one. Times their number, because the
// optimiser takes the mean over them.
static vkd_tensor *add_cached(struct builder *b, bool weighed)
{
    struct vkd__ssl_inputs in;
    char name[40];
    vkd_tensor *features = embed_all(b, &in), *sum = NULL;
    for (uint32_t v = 0; v < in.views; v++) {
        for (uint32_t o = 0; o < VKD__SSL_OUT_MAX && in.student[v][o]; o++) {
            embedding_name(name, "embed", v, o);
            strcat(name, ".grad");
            vkd_tensor *grad = vkd_input(b->g, name, VKD_F32, vkd_tensor_shape(in.student[v][o]));
            vkd_tensor *part = vkd_sum(b->g, vkd_mul(b->g, in.student[v][o], grad), 15);
            sum = sum ? vkd_add(b->g, sum, part) : part;
        }
    }
    sum = vkd_scale(b->g, sum, (float) b->n->recipe->accumulate);
    add_term(b, weighed ? vkd_weigh(b->g, sum, VKD_WEIGHT_SSL) : sum);
    return features;
}

// ---- The whole ----

// `weighed`: beside a term of self-supervision.
static void build_supervised(struct builder *b, bool weighed)
{
    const struct vkd_recipe *re = b->n->recipe;
    vkd_tensor *images = vkd_input(b->g, "images", VKD_F32, image_shape(b, b->n->model.size));
    bool frozen_norms = !strcmp(re->injection.bn, "frozen");
    add_supervised(b, backbone(b, images, "images.", frozen_norms, re->injection.freeze), weighed);
}

static void build_warmup(struct builder *b)
{
    vkd_tensor *images = vkd_input(b->g, "images", VKD_F32, image_shape(b, b->n->model.size));
    add_supervised(b, vkd_detach(b->g, backbone(b, images, "images.", true, 0)), false);
}

static void build_evaluation(struct builder *b)
{
    vkd_tensor *images = vkd_input(b->g, "images", VKD_F32, image_shape(b, b->n->model.size));
    vkd_tensor *features = backbone(b, images, NULL, false, 0);
    if (b->n->model.classes)
        add_term(b, label_loss(b, mark(b, classifier(b, features), "logits"), false));
}

vkd_result vkd__network_graph(const struct vkd_log *log, const struct vkd__network *n, enum vkd__graph_kind kind,
                              uint32_t batch, vkd_graph **out)
{
    // What is tested are the weights as the files hold them.
    struct builder b = { .n = n, .batch = batch, .precision = kind == VKD__GRAPH_EVALUATION ? VKD_F32 : n->precision };
    vkd_graph *embed = NULL;
    vkd_result r = vkd_graph_create(log, &b.g);
    if (r == VKD_OK && kind == VKD__GRAPH_LOSS)
        r = vkd__network_graph(log, n, VKD__GRAPH_EMBED, 1, &embed);
    if (r < 0)
        goto fail;
    make_labels(&b);
    switch (kind) {
    case VKD__GRAPH_SSL:        add_probe(&b, add_ssl(&b, false)); break;
    case VKD__GRAPH_MIXED:      add_ssl(&b, true); build_supervised(&b, true); break;
    case VKD__GRAPH_SUPERVISED: build_supervised(&b, false); break;
    case VKD__GRAPH_WARMUP:     build_warmup(&b); break;
    case VKD__GRAPH_EVALUATION: build_evaluation(&b); break;
    case VKD__GRAPH_EMBED:      build_embed(&b); break;
    case VKD__GRAPH_LOSS:       build_loss(&b, embed); break;
    case VKD__GRAPH_CACHED:     add_probe(&b, add_cached(&b, false)); break;
    default:                    add_cached(&b, true); build_supervised(&b, true); break;
    }
    if (kind == VKD__GRAPH_SUPERVISED)
        add_diversity(&b, n->recipe->injection.freeze);
    else if (kind == VKD__GRAPH_SSL || kind == VKD__GRAPH_MIXED || kind == VKD__GRAPH_CACHED ||
             kind == VKD__GRAPH_CACHED_MIXED)
        add_diversity(&b, 0);
    if (b.total) {
        // A term alone may be marked already: the whole has a name of its own.
        vkd_tensor *loss = mark(&b, vkd_scale(b.g, b.total, 1), "loss");
        vkd_graph_loss(b.g, b.beside ? vkd_add(b.g, loss, b.beside) : loss);
    }
    vkd_graph_destroy(&embed);
    r = VKD_INVALID;
    if (vkd_graph_error(b.g))
        goto fail;
    *out = b.g;
    return VKD_OK;

fail:
    vkd_graph_destroy(&b.g);
    return r;
}
