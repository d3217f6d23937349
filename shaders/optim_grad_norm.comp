// optim_grad_norm -- one workgroup: the global gradient norm from the chunks' partial sums, the
// clipping factor of torch.nn.utils.clip_grad_norm_, whether this step may change anything, and
// Adam's bias corrections of the groups that it changes.
//
//   raw = grad_scale / loss scale;  norm = raw * sqrt(sum);  factor = raw * min(1, clip_norm / (norm + 1e-6))
//
// A loss scale under which gradients overflow shrinks, down to 1, and grows again after enough good steps.
//
// Groups beside have a sum of their own, which has to be finite for them to change, and no part in the norm.
//
//   1 - b^t = b (1 - b^(t-1)) + (1 - b)       the recursion of the moments, rounded as they are
#version 450
#include "step_block.h"
#include "metrics_block.h"
#include "loss_scale.h"
#include "pc_optim.h"
#include "optim_reduce.h"

layout(local_size_x = VKD_OPTIM_LOCAL) in;
layout(push_constant) uniform Push { vkd_pc_optim pc; };
layout(std430, binding = 0) readonly restrict buffer Step { vkd_step_block now; };
layout(std430, binding = 1) readonly restrict buffer Partials { vec2 partials[]; };
layout(std430, binding = 2) restrict buffer Metrics { vkd_metrics_block metrics; };
layout(std430, binding = 3) readonly restrict buffer Chunks { vkd_optim_chunk chunks[]; };
layout(std430, binding = 4) restrict buffer Scale { vkd_loss_scale loss_scale; };

void shrink()
{
    loss_scale.scale = max(1.0, loss_scale.scale * pc.scale_backoff);
    loss_scale.good_steps = 0.0;
    metrics.overflow_count++;
}

void count_good()
{
    bool grow = loss_scale.good_steps + 1.0 >= float(pc.scale_interval);
    if (grow)
        loss_scale.scale = min(loss_scale.scale * pc.scale_growth, VKD_LOSS_SCALE_MAX);
    loss_scale.good_steps = grow ? 0.0 : loss_scale.good_steps + 1.0;
}

void main()
{
    vec2 sum = vec2(0.0);
    for (uint i = gl_LocalInvocationID.x; i < pc.count; i += VKD_OPTIM_LOCAL)
        sum += (now.beside >> chunks[i].group & 1u) != 0u ? vec2(0.0, partials[i].x) : vec2(partials[i].x, 0.0);
    sum = reduce_workgroup(sum);
    if (gl_LocalInvocationID.x != 0u)
        return;

    float scale = loss_scale.scale, raw = now.grad_scale / scale;
    float norm = raw * sqrt(sum.x);
    float factor = raw;
    if (now.clip_norm > 0.0)
        factor *= min(1.0, now.clip_norm / (norm + 1e-6));
    bool good = is_finite(norm) && is_finite(metrics.loss);
    bool overflow = !good && is_finite(metrics.loss) && pc.scale_interval != 0u && scale > 1.0;
    metrics.raw_factor = raw;
    metrics.loss_scale = scale;
    metrics.overflow = overflow ? 1u : 0u;
    metrics.grad_norm = norm;
    metrics.grad_factor = factor;
    metrics.nonfinite = good ? 0u : 1u;
    metrics.left_alone = !good ? 0xffffffffu : is_finite(sum.y) ? 0u : now.beside;
    if (overflow)
        shrink();
    if (overflow)
        return;
    if (!good) {
        if (metrics.nonfinite_count == 0u)
            metrics.nonfinite_step = now.step;
        metrics.nonfinite_count++;
        return;
    }
    if (pc.scale_interval != 0u)
        count_good();
    for (uint i = 0u; i < VKD_LR_GROUPS; i++) {
        if (now.group_lr[i] == 0.0 || (metrics.left_alone >> i & 1u) != 0u)
            continue;
        metrics.bias[2u * i] = pc.beta1 * metrics.bias[2u * i] + pc.rest1;
        metrics.bias[2u * i + 1u] = pc.beta2 * metrics.bias[2u * i + 1u] + pc.rest2;
    }
}
