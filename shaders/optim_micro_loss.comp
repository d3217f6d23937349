// optim_micro_loss -- adds a micro-batch's share to the step's mean loss.
#version 450
#include "step_block.h"
#include "metrics_block.h"

layout(local_size_x = 1) in;
layout(std430, binding = 0) readonly restrict buffer Step { vkd_step_block now; };
layout(std430, binding = 1) readonly restrict buffer Loss { float loss; };
layout(std430, binding = 2) restrict buffer Metrics { vkd_metrics_block metrics; };

void main()
{
    // Not 0 * old: an earlier NaN would stay for ever.
    float old = now.grad_keep == 0.0 ? 0.0 : now.grad_keep * metrics.loss;
    metrics.loss = old + now.grad_scale * loss;
}
