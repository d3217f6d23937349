// live_finetune.c -- a renderer that trains a model on pictures that it makes on the GPU, a bounded part of a step in
// each frame, while it goes on drawing.
//
//     live_finetune [--model FILE] [--steps N] [--batch N] [--lr X] [--slice MS] [--out FILE]
//
// Nothing leaves the GPU but the loss: the drawing shader writes a batch of pictures and labels into the application's
// buffer, where the training program reads them. Held-out pictures, of seeds that training never sees, tell how good
// the model was before and is afterwards.
#include "host.h"

#include <vkdiv/model.h>
#include <vkdiv/trainer.h>
#include <vkdiv/weights.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 16, CLASSES = 4, TEST = 32, TEST_BATCHES = 8, SCREEN = 128, IMAGE_SIZE = 16 * SIZE * SIZE,
       LOGITS_AT = 512 };

struct options { const char *model, *out; uint32_t steps, batch; double lr, slice; };

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

static vkd_graph *make_graph(const struct vkd_log *log, uint32_t count, bool loss)
{
    vkd_graph *g = NULL;
    must(vkd_graph_create(log, &g), "no graph");
    vkd_tensor *x = vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ count, SIZE, SIZE, 3 }});
    struct vkd_model m = vkd_model_build(g, x, &(struct vkd_model_params) {
        .arch = "resnet18", .width = 8, .cifar_stem = true, .classes = CLASSES, .dropout = -1,
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
    must(vkd_device_import(&import, &l->dev), "the device cannot be shared");
    l->batch = host_wrap(l->dev, batch);
    l->test_images = host_wrap(l->dev, test_images);
    l->test_results = host_wrap(l->dev, test_results);
    l->graph = make_graph(&import.log, o->batch, true);
    l->test_graph = make_graph(&import.log, TEST, false);
    must(vkd_params_create(l->dev, l->graph, true, &l->params), "no memory for the weights");
    must(vkd_params_init(l->params, 1), "no weights");
    if (o->model)
        must(vkd_weights_load(l->dev, l->params, o->model, false), "the model cannot be loaded");

    const uint64_t images = (uint64_t) o->batch * IMAGE_SIZE;
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

// The share of held-out pictures that are named rightly, each batch in a frame of its own.
static double accuracy(struct host *h, struct learner *l, VkDescriptorSet set, const char *results)
{
    uint32_t right = 0;
    for (uint32_t b = 0; b < TEST_BATCHES; b++) {
        VkCommandBuffer cb = host_frame_begin(h, 0);
        host_draw(h, cb, set, &(struct host_picture) { TEST, SIZE, 0x80000000u + b, (float) b });
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

struct figures { uint32_t frames; double first, last, longest, slice; };    // losses; seconds

// Draws the screen in every frame, and trains beside it until all steps are done.
static void render(struct host *h, struct learner *l, const struct options *o, VkDescriptorSet screen, VkDescriptorSet batch,
                   struct figures *f)
{
    const struct vkd_budget budget = { .seconds = 1e-3 * o->slice };
    bool finished = true;           // the batch before is not needed any more
    uint32_t told = 0;
    while (vkd_trainer_state(l->trainer).steps < o->steps) {
        struct vkd_trainer_state state = vkd_trainer_state(l->trainer);
        double start = host_seconds();
        VkCommandBuffer cb = host_frame_begin(h, f->frames % HOST_FRAMES);
        host_draw(h, cb, screen, &(struct host_picture) { 1, SCREEN, 7, 0.02f * (float) f->frames });
        if (finished)
            host_draw(h, cb, batch, &(struct host_picture) { o->batch, SIZE, state.steps, 0.37f * (float) state.steps });
        double lr = o->lr * (1 - (double) state.steps / o->steps);
        must(vkd_trainer_embed(l->trainer, cb, lr, &budget, &finished), "the step cannot be recorded");
        host_frame_end(h, f->frames % HOST_FRAMES);
        f->frames++;
        f->longest = host_seconds() - start > f->longest ? host_seconds() - start : f->longest;
        if (state.steps >= told + 10) {
            told = state.steps;
            printf("step %3u, frame %4u: loss %.3f\n", state.steps, f->frames, (double) state.loss);
        }
        if (state.steps >= 2 && f->first == 0)
            f->first = (double) state.loss;
    }
    vkDeviceWaitIdle(h->device);
    f->last = (double) vkd_trainer_state(l->trainer).loss;
    f->slice = vkd_trainer_state(l->trainer).seconds;
}

static struct options parse(int argc, char **argv)
{
    struct options o = { NULL, NULL, 60, 16, 0.03, 10 };
    for (int i = 1; i + 1 < argc; i += 2) {
        const char *value = argv[i + 1];
        if (!strcmp(argv[i], "--model"))
            o.model = value;
        else if (!strcmp(argv[i], "--out"))
            o.out = value;
        else if (!strcmp(argv[i], "--steps"))
            o.steps = (uint32_t) strtoul(value, NULL, 10);
        else if (!strcmp(argv[i], "--batch"))
            o.batch = (uint32_t) strtoul(value, NULL, 10);
        else if (!strcmp(argv[i], "--lr"))
            o.lr = strtod(value, NULL);
        else if (!strcmp(argv[i], "--slice"))
            o.slice = strtod(value, NULL);
        else
            host_fail("usage: live_finetune [--model FILE] [--steps N] [--batch N] [--lr X] [--slice MS] [--out FILE]");
    }
    if (o.steps < 4 || !o.batch || o.batch > 4096 || !(o.lr > 0) || !(o.slice > 0))
        host_fail("at least 4 steps, a batch of 1 ... 4096, --lr and --slice above 0");
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct host h;
    struct learner l = { 0 };
    struct figures f = { 0 };
    const uint64_t images = (uint64_t) o.batch * IMAGE_SIZE;
    host_open(&h, "live_finetune");
    struct host_buffer batch = host_buffer_create(&h, images + 4 * o.batch + 16, false);
    struct host_buffer screen = host_buffer_create(&h, 16 * SCREEN * SCREEN + 256, false);
    struct host_buffer test = host_buffer_create(&h, TEST * IMAGE_SIZE, false);
    struct host_buffer results = host_buffer_create(&h, LOGITS_AT + 4 * TEST * CLASSES, true);
    VkDescriptorSet batch_set = host_draw_set(&h, &batch, 0, &batch, images, o.batch, SIZE);
    VkDescriptorSet screen_set = host_draw_set(&h, &screen, 0, &screen, 16 * SCREEN * SCREEN, 1, SCREEN);
    VkDescriptorSet test_set = host_draw_set(&h, &test, 0, &results, 0, TEST, SIZE);
    open_learner(&l, &h, &o, &batch, &test, &results);

    double before = accuracy(&h, &l, test_set, results.data);
    render(&h, &l, &o, screen_set, batch_set, &f);
    double after = accuracy(&h, &l, test_set, results.data);
    struct vkd_weights_info info = {
        .arch = "resnet18", .width = 8, .cifar_stem = true, .classes = CLASSES, .size = SIZE, .channels = 3,
        .std = { 1, 1, 1 }, .steps = o.steps,
    };
    if (o.out)
        must(vkd_weights_save(l.dev, l.params, &info, o.out), "the model cannot be saved");
    close_learner(&l);
    struct host_buffer *all[] = { &batch, &screen, &test, &results };
    for (uint32_t i = 0; i < 4; i++)
        host_buffer_destroy(&h, all[i]);
    host_close(&h);
    printf("%u steps in %u frames, %.1f ms of the device a step, longest frame %.1f ms\n", o.steps, f.frames, 1e3 * f.slice,
           1e3 * f.longest);
    printf("loss %.3f -> %.3f, held-out accuracy %.1f %% -> %.1f %%\n", f.first, f.last, 100 * before, 100 * after);
    printf("%u validation messages\n", h.messages);
    bool learnt = o.model || (after > before && f.last < 0.5 * f.first);
    bool good = !h.messages && after >= 0.85 && learnt;
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
