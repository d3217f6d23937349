// optimizer_record.c -- appending an optimiser's dispatches to a command list.
#include "optimizer.h"

#include "op.h"
#include "optim_table.h"
#include "pc_optim.h"

static struct vkd_range buffer(vkd_buffer *b)
{
    return (struct vkd_range) { b, 0, vkd_buffer_size(b) };
}

static struct vkd_range part(struct vkd_range r, const struct vkd__window *w)
{
    return (struct vkd_range) { r.buffer, r.ofs + 16ull * w->quad, 16ull * w->quad_count };
}

static struct vkd_range gradients(const vkd_optimizer *opt)
{
    return opt->accumulated ? buffer(opt->accumulated) : opt->gradients;
}

// A kernel over a flat window: 4 quads per invocation.
static void flat(vkd_commands *cmds, vkd_kernel *kernel, const struct vkd_range *ranges, uint32_t range_count,
                 const struct vkd__window *w)
{
    struct vkd_pc_optim_list pc = { w->quad_count };
    vkd_commands_dispatch(cmds, kernel, ranges, range_count, &pc, sizeof(pc),
                          (uint32_t[3]) { vkd__div_up(w->quad_count, 4 * VKD_OPTIM_LOCAL), 1, 1 });
}

static struct vkd_pc_optim constants(const vkd_optimizer *opt)
{
    const struct vkd_optimizer_config *c = &opt->config;
    return (struct vkd_pc_optim) {
        .beta1 = (float) c->beta1, .beta2 = (float) c->beta2,
        .rest1 = (float) (1 - c->beta1), .rest2 = (float) (1 - c->beta2),
        .eps = (float) c->eps, .eta = (float) c->eta, .nesterov = c->nesterov, .clip_lr = c->clip_lr,
        .count = opt->chunk_count,
        .scale_growth = (float) c->loss_scale.growth, .scale_backoff = (float) c->loss_scale.backoff,
        .scale_interval = c->loss_scale.start > 0 ? c->loss_scale.interval : 0,
    };
}

// A kernel over a window of the chunk table.
static void chunked(const vkd_optimizer *opt, vkd_commands *cmds, vkd_kernel *kernel, const struct vkd_range *ranges,
                    uint32_t range_count, const struct vkd__window *w)
{
    struct vkd_pc_optim pc = constants(opt);
    pc.chunk = w->chunk;
    pc.quad = w->quad;
    vkd_commands_dispatch(cmds, kernel, ranges, range_count, &pc, sizeof(pc), (uint32_t[3]) { w->chunk_count, 1, 1 });
}

void vkd_optimizer_record_micro(vkd_optimizer *opt, vkd_commands *cmds, struct vkd_range step,
                                const struct vkd_range *loss)
{
    if (loss) {
        struct vkd_range ranges[] = { step, *loss, buffer(opt->metrics) };
        vkd_commands_dispatch(cmds, opt->micro_loss, ranges, 3, NULL, 0, (uint32_t[3]) { 1, 1, 1 });
    }
    for (uint32_t i = 0; opt->accumulated && i < opt->flat.count; i++) {
        const struct vkd__window *w = &opt->flat.data[i];
        struct vkd_range ranges[] = { step, part(opt->gradients, w), part(buffer(opt->accumulated), w) };
        flat(cmds, opt->accumulate, ranges, 3, w);
    }
}

static void record_grad_norm(const vkd_optimizer *opt, vkd_commands *cmds, struct vkd_range step)
{
    for (uint32_t i = 0; i < opt->chunked.count; i++) {
        const struct vkd__window *w = &opt->chunked.data[i];
        struct vkd_range ranges[] = { buffer(opt->chunks), step, buffer(opt->partials), part(gradients(opt), w),
                                      part(opt->trainable, w) };
        chunked(opt, cmds, opt->chunk_norms, ranges, opt->rule->norms == VKD__NORMS_GRADIENT ? 5 : 4, w);
    }
    struct vkd_pc_optim pc = constants(opt);
    struct vkd_range ranges[] = { step, buffer(opt->partials), buffer(opt->metrics), buffer(opt->chunks),
                                  buffer(opt->loss_scale) };
    vkd_commands_dispatch(cmds, opt->grad_norm, ranges, 5, &pc, sizeof(pc), (uint32_t[3]) { 1, 1, 1 });
}

static void record_tensor_norms(const vkd_optimizer *opt, vkd_commands *cmds)
{
    struct vkd_range ranges[] = { buffer(opt->tensors), buffer(opt->partials), buffer(opt->norms) };
    vkd_commands_dispatch(cmds, opt->tensor_norms, ranges, 3, NULL, 0, (uint32_t[3]) { opt->tensor_count, 1, 1 });
}

// Bindings: chunks, step, metrics, values, gradients (pass 0), states; then the norms of the
// tensors, or the partial sums that a following pass needs.
static void record_update(const vkd_optimizer *opt, vkd_commands *cmds, struct vkd_range step, uint32_t pass)
{
    for (uint32_t i = 0; i < opt->chunked.count; i++) {
        const struct vkd__window *w = &opt->chunked.data[i];
        struct vkd_range ranges[8] = { buffer(opt->chunks), step, buffer(opt->metrics), part(opt->trainable, w) };
        uint32_t n = 4;
        if (pass == 0)
            ranges[n++] = part(gradients(opt), w);
        for (int s = 0; s < 2 && opt->state[s]; s++)
            ranges[n++] = part(buffer(opt->state[s]), w);
        if (opt->rule->norms != VKD__NORMS_NONE)
            ranges[n++] = buffer(opt->rule->norms == VKD__NORMS_UPDATE && pass == 0 ? opt->partials : opt->norms);
        chunked(opt, cmds, opt->update[pass], ranges, n, w);
    }
}

void vkd_optimizer_record(vkd_optimizer *opt, vkd_commands *cmds, struct vkd_range step)
{
    record_grad_norm(opt, cmds, step);
    if (opt->rule->norms == VKD__NORMS_GRADIENT)
        record_tensor_norms(opt, cmds);
    record_update(opt, cmds, step, 0);
    if (opt->rule->norms == VKD__NORMS_UPDATE) {
        record_tensor_norms(opt, cmds);
        record_update(opt, cmds, step, 1);
    }
    for (uint32_t i = 0; opt->ema && i < opt->all.count; i++) {
        const struct vkd__window *w = &opt->all.data[i];
        struct vkd_range ranges[] = { step, buffer(opt->metrics), part(opt->values, w), part(buffer(opt->ema), w) };
        flat(cmds, opt->average, ranges, 4, w);
    }
}
