// trainer.c -- a training step as one sequence of embedded lists: the program's segments, then the optimiser.
#include <vkdiv/trainer.h>

#include "metrics_block.h"
#include "optimizer.h"
#include "program_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct vkd_trainer {
    vkd_device *dev;
    vkd_program *program;
    vkd_optimizer *optimizer;
    struct vkd_range loss;
    uint64_t seed;
    vkd_buffer *metrics;            // read back after each step
    vkd_commands *tails[2];         // what follows the program: 0 after each batch but a step's last, 1 after that
    vkd_sequence *sequences[2];     // the program and one of them
    uint32_t steps, micro;
};

static bool last_batch(const vkd_trainer *t)
{
    return t->micro + 1 == t->optimizer->config.accumulation;
}

static vkd_result check(vkd_device *dev, const struct vkd_trainer_params *p, const char *loss)
{
    const struct vkd_log *log = vkd_device_log(dev);
    const char *wrong = NULL;
    if (!p->program || !p->optimizer)
        wrong = "program and optimizer are required";
    else if (!p->program->sequence)
        wrong = "the program was created without vkd_program_params.embedded";
    else if (!p->program->backward)
        wrong = "the program was created without vkd_program_params.backward";
    else if (p->optimizer->values.buffer != vkd_params_values(p->program->params).buffer)
        wrong = "the optimiser is of other parameters than the program's";
    else if (!p->program->graph->loss || vkd_graph_find(p->program->graph, loss) != p->program->graph->loss)
        wrong = "the graph's loss is not marked under the name that was given: vkd_mark(g, loss, \"loss\")";
    if (wrong)
        vkd_log_write(log, VKD_LOG_ERROR, "vkd_trainer_create: %s", wrong);
    return wrong ? VKD_INVALID : VKD_OK;
}

static vkd_result record_tail(vkd_trainer *t, const struct vkd_edges *edges, bool step)
{
    struct vkd_range block = vkd_program_step_block(t->program);
    vkd_commands **list = &t->tails[step];
    vkd_result r = vkd_commands_create_embedded(t->dev, edges, list);
    if (r == VKD_OK)
        r = vkd_commands_begin(*list);
    if (r < 0)
        return r;
    vkd_optimizer_record_micro(t->optimizer, *list, block, &t->loss);
    if (step) {
        vkd_optimizer_record(t->optimizer, *list, block);
        vkd_commands_copy(*list, (struct vkd_range) { .buffer = t->metrics }, vkd_optimizer_metrics(t->optimizer));
    }
    return vkd_commands_end(*list);
}

static vkd_result make_sequence(vkd_trainer *t, bool step)
{
    uint32_t count = 0;
    vkd_commands *const *segments = vkd_program_segments(t->program, &count);
    vkd_commands **lists = malloc((count + 1) * sizeof(*lists));
    if (!lists)
        return VKD_NO_MEMORY;
    memcpy(lists, segments, count * sizeof(*lists));
    lists[count] = t->tails[step];
    vkd_result r = vkd_sequence_create(t->dev, lists, count + 1, &t->sequences[step]);
    free(lists);
    return r;
}

vkd_result vkd_trainer_create(vkd_device *dev, const struct vkd_trainer_params *p, vkd_trainer **out)
{
    const char *loss = p->loss ? p->loss : "loss";
    vkd_result r = check(dev, p, loss);
    if (r < 0)
        return r;
    vkd_trainer *t = calloc(1, sizeof(*t));
    if (!t)
        return VKD_NO_MEMORY;
    t->dev = dev;
    t->program = p->program;
    t->optimizer = p->optimizer;
    t->seed = p->seed;
    r = vkd_program_range(p->program, loss, &t->loss);
    if (r == VKD_OK)
        r = vkd_buffer_create(dev, sizeof(struct vkd_metrics_block), VKD_MEMORY_READBACK, &t->metrics);
    if (r == VKD_OK)
        memset(vkd_buffer_data(t->metrics), 0, sizeof(struct vkd_metrics_block));
    for (int step = t->optimizer->config.accumulation > 1 ? 0 : 1; r == VKD_OK && step < 2; step++) {
        r = record_tail(t, &p->edges, step);
        if (r == VKD_OK)
            r = make_sequence(t, step);
    }
    if (r < 0)
        vkd_trainer_destroy(&t);
    else
        *out = t;
    return r;
}

void vkd_trainer_destroy(vkd_trainer **pt)
{
    vkd_trainer *t = *pt;
    *pt = NULL;
    if (!t)
        return;
    for (int i = 0; i < 2; i++) {
        vkd_sequence_destroy(&t->sequences[i]);
        vkd_commands_destroy(t->dev, &t->tails[i]);
    }
    vkd_buffer_destroy(t->dev, &t->metrics);
    free(t);
}

static vkd_result write_step(vkd_trainer *t, VkCommandBuffer cb, double lr)
{
    struct vkd_step_block block = {
        .seed = { (uint32_t) t->seed, (uint32_t) (t->seed >> 32) }, .micro = t->micro, .image_count = 0xffffffffu,
    };
    vkd_optimizer_step_values(t->optimizer, t->steps, lr, &block);
    for (uint32_t i = 0; i < sizeof(block.weights) / sizeof(block.weights[0]); i++)
        block.weights[i] = 1;
    return vkd_range_embed(t->dev, vkd_program_step_block(t->program), &block, cb);
}

vkd_result vkd_trainer_embed(vkd_trainer *t, VkCommandBuffer cb, double lr, const struct vkd_budget *budget, bool *finished)
{
    vkd_sequence *seq = t->sequences[last_batch(t)];
    bool done = false;
    vkd_result r = VKD_OK;
    if (!(lr >= 0 && isfinite(lr))) {
        vkd_log_write(vkd_device_log(t->dev), VKD_LOG_ERROR, "vkd_trainer_embed: the learning rate must be 0 or more, "
                      "found %g", lr);
        return VKD_INVALID;
    }
    if (!vkd_sequence_state(seq).next)
        r = write_step(t, cb, lr);
    if (r == VKD_OK)
        r = vkd_sequence_embed(seq, cb, budget, &done);
    if (r < 0)
        return r;
    if (done && last_batch(t)) {
        t->micro = 0;
        t->steps++;
    } else if (done) {
        t->micro++;
    }
    if (finished)
        *finished = done;
    return VKD_OK;
}

struct vkd_trainer_state vkd_trainer_state(const vkd_trainer *t)
{
    const struct vkd_metrics_block *m = vkd_buffer_data(t->metrics);
    struct vkd_trainer_state state = {
        .steps = t->steps, .loss = m->loss, .grad_norm = m->grad_norm, .nonfinite_count = m->nonfinite_count,
        .seconds = vkd_sequence_state(t->sequences[1]).seconds,
    };
    if (t->sequences[0])
        state.seconds += (t->optimizer->config.accumulation - 1) * vkd_sequence_state(t->sequences[0]).seconds;
    return state;
}
