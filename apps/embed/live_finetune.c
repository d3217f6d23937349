// live_finetune.c -- a renderer that trains a model on pictures that it makes on the GPU, a bounded part of a step in
// each frame, while it goes on drawing.
//
//     live_finetune [--model FILE] [--size PIXELS] [--turn DEGREES] [--steps N] [--batch N] [--lr X] [--slice MS]
//                   [--out FILE]
//
// Nothing leaves the GPU but the loss: the drawing shader writes a batch of pictures and labels into the application's
// buffer, where the training program reads them. Held-out pictures, of seeds that training never sees, tell how good
// the model was before and is afterwards. FILE comes from a run before; where pictures are turned, it has to learn anew.
//
// Exit status 1 when it is not better afterwards or names fewer than 85 of 100 rightly, when a step that takes longer
// than a slice went into one frame, when 95 of 100 frames do not stay below a step's time, or when the validation layer
// speaks.
#include "host.h"

#include <vkdiv/model.h>
#include <vkdiv/trainer.h>
#include <vkdiv/weights.h>

#include <stdio.h>
#include <stdlib.h>

enum { CLASSES = HOST_CLASSES, TEST = 16, TEST_BATCHES = 8, LOGITS_AT = 512 };

struct options { const char *model, *out; double size, steps, batch, lr, slice, turn; };

struct learner {
    vkd_device *dev;
    vkd_graph *graph, *test_graph;
    vkd_params *params;
    vkd_program *program, *test_program;
    vkd_optimizer *optimizer;
    vkd_trainer *trainer;
    vkd_buffer *batch, *test_images, *test_results;
};

static void must(vkd_result r, const char *what)
{
    if (r != VKD_OK)
        host_fail(what);        // the log has said why
}

static vkd_graph *make_graph(const struct vkd_log *log, uint32_t count, uint32_t size, bool loss)
{
    vkd_graph *g = NULL;
    must(vkd_graph_create(log, &g), "no graph");
    vkd_tensor *x = vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ count, size, size, 3 }});
    struct vkd_model m = vkd_model_build(g, x, &(struct vkd_model_params) {
        .arch = "resnet18", .width = 8, .classes = CLASSES, .dropout = -1,
    });
    if (loss) {
        vkd_tensor *y = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) {{ 1, 1, 1, count }});
        vkd_graph_loss(g, vkd_mark(g, vkd_cross_entropy(g, m.logits, y, 0), "loss"));
    }
    return g;
}

static void open_learner(struct learner *l, const struct host *h, const struct options *o, const struct host_buffer *batch,
                         const struct host_buffer *test_images, const struct host_buffer *test_results)
{
    struct vkd_import_params import = host_import_params(h);
    const uint32_t size = (uint32_t) o->size;
    must(vkd_device_import(&import, &l->dev), "the device cannot be shared");
    l->batch = host_wrap(l->dev, batch);
    l->test_images = host_wrap(l->dev, test_images);
    l->test_results = host_wrap(l->dev, test_results);
    l->graph = make_graph(&import.log, (uint32_t) o->batch, size, true);
    l->test_graph = make_graph(&import.log, TEST, size, false);
    must(vkd_params_create(l->dev, l->graph, true, &l->params), "no memory for the weights");
    must(vkd_params_init(l->params, 1), "no weights");
    if (o->model)
        must(vkd_weights_load(l->dev, l->params, o->model, false), "the model cannot be loaded");

    const uint64_t images = 16ull * (uint32_t) o->batch * size * size;
    const struct vkd_binding train[] = { { "images", { l->batch, 0, images } }, { "labels", { l->batch, images, 0 } } };
    const struct vkd_binding test[] = { { "images", { l->test_images, 0, 0 } }, { "logits", { l->test_results, LOGITS_AT, 0 } } };
    struct vkd_program_params p = { .embedded = true, .segment_dispatches = 8, .bindings = train, .binding_count = 2 };
    p.training = p.backward = true;
    must(vkd_program_create(l->dev, l->graph, l->params, &p, &l->program), "no program");
    p = (struct vkd_program_params) { .embedded = true, .bindings = test, .binding_count = 2 };
    must(vkd_program_create(l->dev, l->test_graph, l->params, &p, &l->test_program), "no program");

    struct vkd_optimizer_config config;
    must(vkd_optimizer_defaults("sgd", &config), "no optimiser");
    must(vkd_optimizer_create(l->dev, l->params, &config, &l->optimizer), "no optimiser");
    must(vkd_trainer_create(l->dev, &(struct vkd_trainer_params) { .program = l->program, .optimizer = l->optimizer },
                            &l->trainer), "no trainer");
}

static void close_learner(struct learner *l)
{
    vkd_trainer_destroy(&l->trainer);
    vkd_optimizer_destroy(&l->optimizer);
    vkd_program_destroy(&l->test_program);
    vkd_program_destroy(&l->program);
    vkd_params_destroy(&l->params);
    vkd_graph_destroy(&l->test_graph);
    vkd_graph_destroy(&l->graph);
    vkd_buffer_destroy(l->dev, &l->test_results);
    vkd_buffer_destroy(l->dev, &l->test_images);
    vkd_buffer_destroy(l->dev, &l->batch);
    vkd_device_destroy(&l->dev);
}

static float turned(const struct options *o)
{
    return (float) (o->turn * 3.14159265 / 180);
}

// The share of held-out pictures that are named rightly, each batch in a frame of its own.
static double accuracy(struct host *h, struct learner *l, VkDescriptorSet set, const char *results, const struct options *o)
{
    uint32_t right = 0;
    for (uint32_t b = 0; b < TEST_BATCHES; b++) {
        VkCommandBuffer cb = host_frame_begin(h, 0);
        host_draw(h, cb, set, &(struct host_picture) { TEST, (uint32_t) o->size, 0x80000000u + b, (float) b, turned(o) });
        must(vkd_program_embed(l->test_program, cb, NULL, NULL, NULL), "the model cannot be recorded");
        host_frame_end(h, 0);
        vkDeviceWaitIdle(h->device);
        const uint32_t *labels = (const uint32_t *) results;
        const float *logits = (const float *) (results + LOGITS_AT);
        for (uint32_t i = 0; i < TEST; i++) {
            uint32_t k = 0;
            for (uint32_t c = 1; c < CLASSES; c++)
                k = logits[i * CLASSES + c] > logits[i * CLASSES + k] ? c : k;
            right += k == labels[i];
        }
    }
    return (double) right / (TEST * TEST_BATCHES);
}

enum { FRAMES = 1 << 16 };              // whose times are kept
struct figures { uint32_t frames; double first, last, step, high, *seconds; };     // losses; seconds

// Draws the screen in every frame, and trains beside it until all steps are done.
static void render(struct host *h, struct learner *l, const struct options *o, VkDescriptorSet screen, VkDescriptorSet batch,
                   struct figures *f)
{
    const struct vkd_budget budget = { .seconds = 1e-3 * o->slice };
    bool finished = true;           // the batch before is not needed any more
    uint32_t told = 0, count = (uint32_t) o->batch, size = (uint32_t) o->size;
    double last = host_seconds();
    while (vkd_trainer_state(l->trainer).steps < o->steps) {
        struct vkd_trainer_state state = vkd_trainer_state(l->trainer);
        VkCommandBuffer cb = host_frame_begin(h, f->frames % HOST_FRAMES);
        host_draw(h, cb, screen, &(struct host_picture) { 1, size, 7, 0.02f * (float) f->frames, 0 });
        if (finished)
            host_draw(h, cb, batch, &(struct host_picture) { count, size, state.steps, 0.37f * (float) state.steps, turned(o) });
        double lr = o->lr * (1 - (double) state.steps / o->steps);
        must(vkd_trainer_embed(l->trainer, cb, lr, &budget, &finished), "the step cannot be recorded");
        host_frame_end(h, f->frames % HOST_FRAMES);
        f->seconds[f->frames++ % FRAMES] = host_seconds() - last;
        last = host_seconds();
        if (state.steps >= told + 10) {
            told = state.steps;
            printf("step %3u, frame %4u: loss %.3f\n", state.steps, f->frames, (double) state.loss);
        }
        if (state.steps >= 2 && f->first == 0)
            f->first = (double) state.loss;
    }
    vkDeviceWaitIdle(h->device);
    f->last = (double) vkd_trainer_state(l->trainer).loss;
    f->step = vkd_trainer_state(l->trainer).seconds;
    f->high = host_quantile(f->seconds, f->frames < FRAMES ? f->frames : FRAMES, 0.95);
}

int main(int argc, char **argv)
{
    struct options o = { NULL, NULL, 224, 120, 8, 0.05, 10, 0 };
    const struct host_option options[] = {
        { .name = "--model", .text = &o.model }, { .name = "--out", .text = &o.out },
        { .name = "--size", .number = &o.size, .least = 32, .most = 1024 },
        { .name = "--turn", .number = &o.turn, .least = -360, .most = 360 },
        { .name = "--steps", .number = &o.steps, .least = 4, .most = 1e6 },
        { .name = "--batch", .number = &o.batch, .least = 1, .most = 1024 },
        { .name = "--lr", .number = &o.lr, .least = 1e-9, .most = 100 },
        { .name = "--slice", .number = &o.slice, .least = 0.01, .most = 1e4 }, { .name = NULL },
    };
    host_options(argc, argv, "usage: live_finetune [--model FILE] [--size PIXELS] [--turn DEGREES] [--steps N] [--batch N] "
                 "[--lr X] [--slice MS] [--out FILE]", options);
    struct host h;
    struct learner l = { 0 };
    struct figures f = { .seconds = calloc(FRAMES, sizeof(double)) };
    const uint32_t count = (uint32_t) o.batch, size = (uint32_t) o.size;
    const uint64_t bytes = 16ull * size * size, images = count * bytes;
    if (!f.seconds)
        host_fail("no memory");
    host_open(&h, "live_finetune");
    struct host_buffer batch = host_buffer_create(&h, images + 4 * count + 16, false);
    struct host_buffer screen = host_buffer_create(&h, bytes + 256, false);
    struct host_buffer test = host_buffer_create(&h, TEST * bytes, false);
    struct host_buffer results = host_buffer_create(&h, LOGITS_AT + 4 * TEST * CLASSES, true);
    VkDescriptorSet batch_set = host_draw_set(&h, &batch, 0, &batch, images, count, size);
    VkDescriptorSet screen_set = host_draw_set(&h, &screen, 0, &screen, bytes, 1, size);
    VkDescriptorSet test_set = host_draw_set(&h, &test, 0, &results, 0, TEST, size);
    open_learner(&l, &h, &o, &batch, &test, &results);

    double before = accuracy(&h, &l, test_set, results.data, &o);
    render(&h, &l, &o, screen_set, batch_set, &f);
    double after = accuracy(&h, &l, test_set, results.data, &o);
    struct vkd_weights_info info = {
        .arch = "resnet18", .width = 8, .classes = CLASSES, .size = size, .channels = 3,
        .std = { 1, 1, 1 }, .steps = (uint32_t) o.steps,
    };
    if (o.out)
        must(vkd_weights_save(l.dev, l.params, &info, o.out), "the model cannot be saved");
    close_learner(&l);
    struct host_buffer *all[] = { &batch, &screen, &test, &results };
    for (uint32_t i = 0; i < 4; i++)
        host_buffer_destroy(&h, all[i]);
    host_close(&h);
    printf("%.0f steps in %u frames, %.1f ms of the device a step, 95 of 100 frames within %.1f ms\n", o.steps, f.frames,
           1e3 * f.step, 1e3 * f.high);
    printf("loss %.3f -> %.3f, held-out accuracy %.1f %% -> %.1f %%\n", f.first, f.last, 100 * before, 100 * after);
    printf("%u validation messages\n", h.messages);
    free(f.seconds);
    // Where a step takes several slices, it went on over several frames, none of which a step holds up.
    bool sliced = f.step < 2e-3 * o.slice || (f.frames > o.steps && f.high < f.step);
    return after > before && after >= 0.85 && f.last < f.first && sliced && !h.messages ? EXIT_SUCCESS : EXIT_FAILURE;
}
