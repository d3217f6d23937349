// optimizer.c -- the table of optimisers, and making one: states, chunk tables, windows, kernels.
#include "optimizer.h"

#include "loss_scale.h"
#include "metrics_block.h"
#include "op.h"
#include "optim_table.h"
#include "step_block.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define OPTIMIZER(name) extern const struct vkd_optimizer_rule vkd_optimizer_##name;
#include "optimizers.inc"       // generated: one OPTIMIZER(stem) line per engine/optimizers/*.c
#undef OPTIMIZER

static const struct vkd_optimizer_rule *const all[] = {
#define OPTIMIZER(name) &vkd_optimizer_##name,
#include "optimizers.inc"
#undef OPTIMIZER
    NULL,
};

// ---- The table ----

const struct vkd_optimizer_rule *vkd__optimizer_find(const char *name)
{
    for (uint32_t i = 0; all[i]; i++)
        if (!strcmp(all[i]->name, name))
            return all[i];
    return NULL;
}

const char *vkd_optimizer_name(uint32_t index)
{
    return index < sizeof(all) / sizeof(all[0]) - 1 ? all[index]->name : NULL;
}

vkd_result vkd_optimizer_defaults(const char *name, struct vkd_optimizer_config *config)
{
    const struct vkd_optimizer_rule *rule = vkd__optimizer_find(name);
    if (!rule)
        return VKD_INVALID;
    *config = rule->defaults;
    config->name = rule->name;
    config->accumulation = 1;
    return VKD_OK;
}

double vkd__norm_ref(const double *x, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += x[i] * x[i];
    return sqrt(sum);
}

// ---- Checks ----

static vkd_result check_config(const struct vkd_log *log, const struct vkd_optimizer_config *c)
{
    const struct vkd_optimizer_rule *rule = c->name ? vkd__optimizer_find(c->name) : NULL;
    if (!rule) {
        vkd_log_write(log, VKD_LOG_ERROR, "optimizer: no optimiser is called \"%s\"", c->name ? c->name : "(null)");
        return VKD_INVALID;
    }
    const struct vkd_loss_scale_config *s = &c->loss_scale;
    bool moments = rule->states[1] != NULL, scaled = s->start != 0;
    const struct {
        const char *field, *expected;
        double value;
        bool ok;
    } checks[] = {
        { "momentum", "in [0, 1)", c->momentum, moments || (c->momentum >= 0 && c->momentum < 1) },
        { "weight_decay", "finite and not negative", c->weight_decay,
          c->weight_decay >= 0 && isfinite(c->weight_decay) },
        { "beta1", "in [0, 1)", c->beta1, !moments || (c->beta1 >= 0 && c->beta1 < 1) },
        { "beta2", "in [0, 1)", c->beta2, !moments || (c->beta2 >= 0 && c->beta2 < 1) },
        { "eps", "above 1e-30 (padding would divide by zero)", c->eps,
          (!moments && rule->norms == VKD__NORMS_NONE) || (c->eps > 1e-30 && isfinite(c->eps)) },
        { "eta", "finite and above 0", c->eta, rule->norms != VKD__NORMS_GRADIENT || (c->eta > 0 && isfinite(c->eta)) },
        { "clip_norm", "finite and not negative", c->clip_norm, c->clip_norm >= 0 && isfinite(c->clip_norm) },
        { "ema_decay", "in [0, 1)", c->ema_decay, c->ema_decay >= 0 && c->ema_decay < 1 },
        { "loss_scale.start", "0, or 1 to 2^24", s->start, !scaled || (s->start >= 1 && s->start <= VKD_LOSS_SCALE_MAX) },
        { "loss_scale.growth", "1 to 2^24", s->growth, !scaled || (s->growth >= 1 && s->growth <= VKD_LOSS_SCALE_MAX) },
        { "loss_scale.backoff", "above 0 and below 1", s->backoff, !scaled || (s->backoff > 0 && s->backoff < 1) },
        { "loss_scale.interval", "1 to 2^23", s->interval, !scaled || (s->interval >= 1 && s->interval <= 1u << 23) },
    };
    for (uint32_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!checks[i].ok) {
            vkd_log_write(log, VKD_LOG_ERROR, "optimizer %s: %s must be %s, found %g", c->name, checks[i].field,
                          checks[i].expected, checks[i].value);
            return VKD_INVALID;
        }
    }
    for (uint32_t i = 0; i < c->group_count; i++) {
        const struct vkd_optimizer_group *g = &c->groups[i];
        if (!g->prefix || !(g->lr >= 0 && isfinite(g->lr) && g->decay >= 0 && isfinite(g->decay))) {
            vkd_log_write(log, VKD_LOG_ERROR, "optimizer %s: group \"%s\" must have finite factors of 0 or more, "
                          "found lr %g, decay %g", c->name, g->prefix ? g->prefix : "(null)", (double) g->lr,
                          (double) g->decay);
            return VKD_INVALID;
        }
        if (g->schedule >= VKD_LR_GROUPS) {
            vkd_log_write(log, VKD_LOG_ERROR, "optimizer %s: group \"%s\": schedule must be below %d, found %u", c->name,
                          g->prefix, VKD_LR_GROUPS, g->schedule);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static bool counts(const struct vkd_param_info *p, const struct vkd_optimizer_group *g)
{
    return !p->state && g->lr > 0;
}

static struct vkd_optimizer_group group_of(const struct vkd_optimizer_config *c, const struct vkd_param_info *p)
{
    struct vkd_optimizer_group found = { .prefix = "", .lr = 1, .decay = 1 };
    for (uint32_t i = 0; i < c->group_count; i++)
        if (!strncmp(p->name, c->groups[i].prefix, strlen(c->groups[i].prefix)))
            found = c->groups[i];
    if (p->no_decay && !c->decay_norm_bias)
        found.decay = 0;
    return found;
}

// How many chunks the table gets.
static vkd_result count_chunks(const struct vkd__optimizer_target *t, const struct vkd_optimizer_config *c,
                               uint32_t *chunk_count)
{
    uint64_t chunks = 0, elements = 0;
    for (uint32_t i = 0; i < t->param_count; i++) {
        struct vkd_optimizer_group g = group_of(c, &t->params[i]);
        if (counts(&t->params[i], &g)) {
            chunks += vkd__div_up(t->params[i].numel, 4 * VKD_OPTIM_CHUNK_QUADS);
            elements += t->params[i].numel;
        }
    }
    const struct vkd_log *log = vkd_device_log(t->dev);
    if (!t->gradients.buffer || !elements) {
        vkd_log_write(log, VKD_LOG_ERROR, "optimizer %s: expected trainable parameters with gradients, found %s",
                      c->name, elements ? "no gradients" : "none that is trainable");
        return VKD_INVALID;
    }
    // The gradient norm's last stage is one workgroup: so many chunks are 5000 additions per invocation.
    if (elements > 1u << 30 || t->param_count > t->caps->group_count_max[0]) {
        vkd_log_write(log, VKD_LOG_ERROR, "optimizer %s: expected 2^30 trainable elements in %u tensors at most, "
                      "found %llu in %u", c->name, t->caps->group_count_max[0], (unsigned long long) elements,
                      t->param_count);
        return VKD_UNSUPPORTED;
    }
    *chunk_count = (uint32_t) chunks;
    return VKD_OK;
}

// ---- Tables ----

// The chunks of parameter `i`, in group `g`, from chunks[n] on; returns how many there are then.
static uint32_t fill_chunks(const struct vkd_param_info *p, uint32_t i, const struct vkd_optimizer_group *g,
                            struct vkd_optim_chunk *chunks, uint32_t n)
{
    uint32_t quad = (uint32_t) (p->ofs / 4), end = quad + (uint32_t) (p->numel / 4);
    for (; quad < end; quad += VKD_OPTIM_CHUNK_QUADS) {
        chunks[n++] = (struct vkd_optim_chunk) {
            .quad = quad,
            .quad_count = end - quad < VKD_OPTIM_CHUNK_QUADS ? end - quad : VKD_OPTIM_CHUNK_QUADS,
            .tensor = i, .group = g->schedule, .adapt = p->rank != 1, .lr_factor = g->lr, .decay_factor = g->decay,
        };
    }
    return n;
}

// One group after the other: how a norm is added up does not depend on the groups behind those in it.
static void fill_tables(const struct vkd__optimizer_target *t, const struct vkd_optimizer_config *c,
                        struct vkd_optim_chunk *chunks, struct vkd_optim_tensor *tensors)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < VKD_LR_GROUPS; k++) {
        for (uint32_t i = 0; i < t->param_count; i++) {
            struct vkd_optimizer_group g = group_of(c, &t->params[i]);
            if (g.schedule != k)
                continue;
            uint32_t first = n;
            if (counts(&t->params[i], &g))
                n = fill_chunks(&t->params[i], i, &g, chunks, n);
            tensors[i] = (struct vkd_optim_tensor) { first, n - first };
        }
    }
}

static bool add_window(struct vkd__windows *w, struct vkd__window window)
{
    struct vkd__window *grown = realloc(w->data, (w->count + 1) * sizeof(*grown));
    if (!grown)
        return false;
    w->data = grown;
    w->data[w->count++] = window;
    return true;
}

// Quads between places where a binding may begin.
static uint32_t align_quads(const struct vkd_caps *caps)
{
    return caps->storage_align > 16 ? caps->storage_align / 16 : 1;
}

static bool window_chunks(const struct vkd_caps *caps, const struct vkd_optim_chunk *chunks, uint32_t chunk_count,
                          struct vkd__windows *out)
{
    uint64_t quad_max = caps->storage_range_max / 16;
    for (uint32_t i = 0, next; i < chunk_count; i = next) {
        uint32_t begin = chunks[i].quad - chunks[i].quad % align_quads(caps), quad_count = 0;
        for (next = i; next < chunk_count && next - i < caps->group_count_max[0]; next++) {
            uint32_t with_next = chunks[next].quad + chunks[next].quad_count - begin;
            if (next > i && (with_next > quad_max || chunks[next].quad < begin))
                break;
            quad_count = with_next > quad_count ? with_next : quad_count;
        }
        if (!add_window(out, (struct vkd__window) { begin, quad_count, i, next - i }))
            return false;
    }
    return true;
}

static bool window_flat(const struct vkd_caps *caps, uint64_t size, struct vkd__windows *out)
{
    uint64_t quads = size / 16, step = caps->storage_range_max / 16;
    uint64_t by_groups = (uint64_t) caps->group_count_max[0] * 4 * VKD_OPTIM_LOCAL;
    step = step < by_groups ? step : by_groups;
    step -= step % align_quads(caps);
    for (uint64_t quad = 0; quad < quads; quad += step) {
        uint64_t count = quads - quad < step ? quads - quad : step;
        if (!add_window(out, (struct vkd__window) { (uint32_t) quad, (uint32_t) count, 0, 0 }))
            return false;
    }
    return true;
}

static vkd_result make_tables(struct vkd_optimizer *opt, const struct vkd__optimizer_target *t)
{
    uint64_t chunks_size = (uint64_t) opt->chunk_count * sizeof(struct vkd_optim_chunk);
    uint64_t tensors_size = (uint64_t) opt->tensor_count * sizeof(struct vkd_optim_tensor);
    struct vkd_optim_chunk *chunks = malloc(chunks_size);
    struct vkd_optim_tensor *tensors = malloc(tensors_size);
    vkd_result r = VKD_NO_MEMORY;
    if (!chunks || !tensors)
        goto out;
    fill_tables(t, &opt->config, chunks, tensors);
    if (!window_chunks(t->caps, chunks, opt->chunk_count, &opt->chunked) ||
        !window_flat(t->caps, opt->trainable.size, &opt->flat) || !window_flat(t->caps, opt->values.size, &opt->all))
        goto out;
    if ((r = vkd_buffer_create(t->dev, chunks_size, VKD_MEMORY_DEVICE, &opt->chunks)) < 0 ||
        (r = vkd_buffer_create(t->dev, tensors_size, VKD_MEMORY_DEVICE, &opt->tensors)) < 0 ||
        (r = vkd_buffer_write(t->dev, opt->chunks, 0, chunks, chunks_size)) < 0 ||
        (r = vkd_buffer_write(t->dev, opt->tensors, 0, tensors, tensors_size)) < 0)
        goto out;
out:
    free(chunks);
    free(tensors);
    return r;
}

// ---- States and kernels ----

static vkd_result make_state(struct vkd_optimizer *opt, const char *name, uint64_t size, vkd_buffer **buf)
{
    vkd_result r = vkd_buffer_create(opt->dev, size, VKD_MEMORY_DEVICE, buf);
    if (r >= 0 && name)
        opt->states[opt->state_count++] = (struct vkd_optimizer_state) { name, { *buf, 0, size } };
    return r;
}

static vkd_result make_buffers(struct vkd_optimizer *opt)
{
    vkd_result r = VKD_OK;
    for (int i = 0; i < 2 && opt->rule->states[i]; i++)
        if ((r = make_state(opt, opt->rule->states[i], opt->trainable.size, &opt->state[i])) < 0)
            return r;
    if (opt->config.ema_decay > 0 && (r = make_state(opt, "ema", opt->values.size, &opt->ema)) < 0)
        return r;
    if (opt->config.accumulation > 1 && (r = make_state(opt, NULL, opt->trainable.size, &opt->accumulated)) < 0)
        return r;
    if ((r = make_state(opt, NULL, 8ull * opt->chunk_count, &opt->partials)) < 0 ||
        (r = make_state(opt, NULL, 8ull * opt->tensor_count, &opt->norms)) < 0)
        return r;
    if ((r = make_state(opt, NULL, sizeof(struct vkd_metrics_block), &opt->metrics)) < 0)
        return r;
    const char *scale = opt->config.loss_scale.start > 0 ? "loss_scale" : NULL;
    if ((r = make_state(opt, scale, sizeof(struct vkd_loss_scale), &opt->loss_scale)) < 0)
        return r;
    if (opt->rule->states[1])
        opt->states[opt->state_count++] = (struct vkd_optimizer_state) { "bias", {
            opt->metrics, offsetof(struct vkd_metrics_block, bias), sizeof(((struct vkd_metrics_block *) 0)->bias) } };
    return VKD_OK;
}

static vkd_result make_kernels(struct vkd_optimizer *opt)
{
    const struct {
        const char *name;
        vkd_kernel **out;
    } kernels[] = {
        { "optim_micro_loss", &opt->micro_loss },
        { "optim_grad_norm", &opt->grad_norm },
        { opt->rule->norms == VKD__NORMS_GRADIENT ? "optim_chunk_norms.gp" : "optim_chunk_norms.g", &opt->chunk_norms },
        { opt->rule->norms != VKD__NORMS_NONE ? "optim_tensor_norms" : NULL, &opt->tensor_norms },
        { opt->accumulated ? "grad_accumulate" : NULL, &opt->accumulate },
        { opt->ema ? "ema" : NULL, &opt->average },
        { opt->rule->kernel[0], &opt->update[0] },
        { opt->rule->kernel[1], &opt->update[1] },
    };
    for (uint32_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        if (!kernels[i].name)
            continue;
        struct vkd_kernel_params params = { .name = kernels[i].name };
        vkd_result r = vkd_kernel_get(opt->dev, &params, kernels[i].out);
        if (r < 0)
            return r;
    }
    return VKD_OK;
}

// ---- The object ----

static struct vkd_range whole(struct vkd_range r)
{
    if (r.buffer && !r.size)
        r.size = vkd_buffer_size(r.buffer) - r.ofs;
    return r;
}

vkd_result vkd__optimizer_create_on(const struct vkd__optimizer_target *t, const struct vkd_optimizer_config *config,
                                    vkd_optimizer **out)
{
    uint32_t chunk_count;
    vkd_result r = check_config(vkd_device_log(t->dev), config);
    if (r < 0 || (r = count_chunks(t, config, &chunk_count)) < 0)
        return r;

    struct vkd_optimizer *opt = calloc(1, sizeof(*opt));
    if (!opt)
        return VKD_NO_MEMORY;
    opt->dev = t->dev;
    opt->rule = vkd__optimizer_find(config->name);
    opt->config = *config;
    opt->config.name = opt->rule->name;
    opt->config.accumulation = config->accumulation ? config->accumulation : 1;
    opt->values = whole(t->values);
    opt->trainable = whole(t->trainable);
    opt->gradients = whole(t->gradients);
    opt->chunk_count = chunk_count;
    opt->tensor_count = t->param_count;
    if ((r = make_tables(opt, t)) < 0 || (r = make_buffers(opt)) < 0 || (r = make_kernels(opt)) < 0 ||
        (r = vkd_optimizer_reset(opt)) < 0)
        goto fail;
    opt->config.groups = NULL;
    opt->config.group_count = 0;
    *out = opt;
    return VKD_OK;

fail:
    vkd_optimizer_destroy(&opt);
    return r;
}

vkd_result vkd_optimizer_create(vkd_device *dev, vkd_params *params, const struct vkd_optimizer_config *config,
                                vkd_optimizer **out)
{
    uint32_t count = vkd_params_count(params);
    struct vkd_param_info *infos = malloc((count + 1) * sizeof(*infos));
    if (!infos)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        infos[i] = *vkd_params_at(params, i);
    vkd_result r = vkd__optimizer_create_on(&(struct vkd__optimizer_target) {
        .dev = dev, .caps = vkd_device_caps(dev),
        .values = vkd_params_values(params), .trainable = vkd_params_trainable(params),
        .gradients = vkd_params_gradients(params), .params = infos, .param_count = count,
    }, config, out);
    free(infos);
    return r;
}

void vkd_optimizer_destroy(vkd_optimizer **pointer)
{
    vkd_optimizer *opt = *pointer;
    if (!opt)
        return;
    vkd_buffer **buffers[] = { &opt->chunks, &opt->tensors, &opt->partials, &opt->norms, &opt->metrics,
                               &opt->loss_scale, &opt->state[0], &opt->state[1], &opt->accumulated, &opt->ema };
    for (uint32_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
        vkd_buffer_destroy(opt->dev, buffers[i]);
    free(opt->chunked.data);
    free(opt->flat.data);
    free(opt->all.data);
    free(opt);
    *pointer = NULL;
}

static void record_reset(vkd_optimizer *opt, vkd_commands *cmds)
{
    for (int i = 0; i < 2 && opt->state[i]; i++)
        vkd_commands_fill(cmds, (struct vkd_range) { opt->state[i], 0, opt->trainable.size }, 0);
    vkd_commands_fill(cmds, vkd_optimizer_metrics(opt), 0);
    float scale = opt->config.loss_scale.start > 0 ? (float) opt->config.loss_scale.start : 1;
    uint32_t word;
    memcpy(&word, &scale, 4);
    vkd_commands_fill(cmds, (struct vkd_range) { opt->loss_scale, 0, 4 }, word);
    vkd_commands_fill(cmds, (struct vkd_range) { opt->loss_scale, 4, sizeof(struct vkd_loss_scale) - 4 }, 0);
    if (opt->ema)
        vkd_commands_copy(cmds, vkd_optimizer_ema(opt), opt->values);
}

vkd_result vkd_optimizer_reset(vkd_optimizer *opt)
{
    vkd_commands *cmds = NULL;
    uint64_t ticket;
    vkd_result r = vkd_commands_create(opt->dev, &cmds);
    if (r < 0 || (r = vkd_commands_begin(cmds)) < 0)
        goto out;
    record_reset(opt, cmds);
    if ((r = vkd_commands_end(cmds)) < 0 || (r = vkd_submit(opt->dev, &cmds, 1, &ticket)) < 0)
        goto out;
    r = vkd_wait(opt->dev, ticket, UINT64_MAX, NULL);
out:
    vkd_commands_destroy(opt->dev, &cmds);
    return r;
}

// ---- Questions ----

void vkd_optimizer_step_values(const vkd_optimizer *opt, uint32_t step, double lr, struct vkd_step_block *block)
{
    const struct vkd_optimizer_config *c = &opt->config;
    block->step = step;
    block->lr = (float) lr;
    for (uint32_t i = 0; i < VKD_LR_GROUPS; i++)
        block->group_lr[i] = (float) lr;
    block->momentum = (float) c->momentum;
    block->weight_decay = (float) c->weight_decay;
    block->grad_keep = block->micro ? 1 : 0;
    block->grad_scale = (float) (1.0 / c->accumulation);
    block->clip_norm = (float) c->clip_norm;
    block->ema_decay = (float) c->ema_decay;
}

struct vkd_range vkd_optimizer_metrics(const vkd_optimizer *opt)
{
    return (struct vkd_range) { opt->metrics, 0, sizeof(struct vkd_metrics_block) };
}

const struct vkd_optimizer_state *vkd_optimizer_states(const vkd_optimizer *opt, uint32_t *count)
{
    *count = opt->state_count;
    return opt->states;
}

struct vkd_range vkd_optimizer_loss_scale(const vkd_optimizer *opt)
{
    return (struct vkd_range) { opt->loss_scale, 0, sizeof(struct vkd_loss_scale) };
}

struct vkd_range vkd_optimizer_ema(const vkd_optimizer *opt)
{
    return (struct vkd_range) { opt->ema, 0, opt->ema ? opt->values.size : 0 };
}
