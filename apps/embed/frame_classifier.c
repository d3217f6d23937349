// frame_classifier.c -- a renderer that knows what it has drawn: it runs a classifier on its own picture, in its own
// command buffer, without a copy, and keeps its frame budget.
//
//     frame_classifier [--model FILE] [--size PIXELS] [--frames N] [--budget MS]
//
// Each frame draws a picture into one of two images of a VkBuffer. A vkdiv program on that image is appended to the same
// command buffer; what does not fit into half of the frame's budget goes on in the next frames, while the
// renderer draws into the other image. FILE comes from live_finetune, at the same size.
//
// Exit status 1 when 95 of 100 frames do not keep the budget in any of several rounds, when fewer than 80 of 100 pictures
// are named rightly by a model from FILE, when the device takes long to be shared or a forward pass to be recorded, or
// when the validation layer speaks.
#include "host.h"

#include <vkdiv/model.h>
#include <vkdiv/weights.h>

#include <stdio.h>
#include <stdlib.h>

enum { IMAGES = 2, RESULT_SIZE = 512 };
enum { ROUNDS = 5, IMPORTS = 5, RECORDS = 40 };     // of which the best counts: others may use the machine, too

// What vkdiv wants to stay below; the program fails at LENIENT times as much, and does not look at it while the layer does.
static const double import_seconds = 50e-3, record_seconds = 30e-6;
enum { LENIENT = 4 };

struct options { const char *model; double size, frames, budget; };

// The classifier: one program per image, which share weights and memory.
struct classifier {
    vkd_device *dev;
    vkd_graph *graph;
    vkd_params *params;
    vkd_arena *arena;
    vkd_buffer *pictures, *results;
    vkd_program *programs[IMAGES];
    double imported, recorded;      // seconds of the host: sharing the device, recording a whole forward pass
};

static void must(vkd_result r, const char *what)
{
    if (r != VKD_OK)
        host_fail(what);        // the log has said why
}

// Seconds it took at best, in *seconds.
static vkd_device *import_device(const struct vkd_import_params *import, double *seconds)
{
    vkd_device *dev = NULL;
    for (int i = 0; i < IMPORTS; i++) {
        vkd_device_destroy(&dev);
        double start = host_seconds();
        must(vkd_device_import(import, &dev), "the device cannot be shared");
        double end = host_seconds();
        *seconds = i && *seconds < end - start ? *seconds : end - start;
    }
    return dev;
}

static void open_classifier(struct classifier *c, const struct host *h, const struct options *o,
                            const struct host_buffer *pictures, const struct host_buffer *results)
{
    struct vkd_import_params import = host_import_params(h);
    const uint32_t size = (uint32_t) o->size;
    const uint64_t bytes = 16ull * size * size;
    c->dev = import_device(&import, &c->imported);
    double start = host_seconds();
    must(vkd_graph_create(&import.log, &c->graph), "no graph");
    vkd_tensor *x = vkd_input(c->graph, "images", VKD_F32, (struct vkd_shape) {{ 1, size, size, 3 }});
    vkd_model_build(c->graph, x, &(struct vkd_model_params) {
        .arch = "resnet18", .width = 8, .classes = HOST_CLASSES, .dropout = -1,
    });
    must(vkd_params_create(c->dev, c->graph, false, &c->params), "no memory for the weights");
    must(vkd_params_init(c->params, 1), "no weights");
    if (o->model)
        must(vkd_weights_load(c->dev, c->params, o->model, false), "the model cannot be loaded");

    c->pictures = host_wrap(c->dev, pictures);
    c->results = host_wrap(c->dev, results);
    struct vkd_program_params p = {
        .embedded = true, .segment_dispatches = 4, .binding_count = 2,
        .edges = {      // the picture is drawn by a compute shader, before and after
            .before_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, .before_access = VK_ACCESS_SHADER_WRITE_BIT,
            .after_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, .after_access = VK_ACCESS_SHADER_WRITE_BIT,
        },
    };
    for (uint32_t i = 0; i < IMAGES; i++) {
        const struct vkd_binding bindings[] = {
            { "images", { c->pictures, i * bytes, bytes } },
            { "logits", { c->results, i * RESULT_SIZE, 4 * HOST_CLASSES } },
        };
        struct vkd_program_memory memory;
        p.bindings = bindings;
        must(vkd_program_estimate(vkd_device_caps(c->dev), c->graph, &p, &memory), "the model does not fit");
        if (!c->arena)
            must(vkd_arena_create(c->dev, memory.arena, &c->arena), "no memory for activations");
        p.arena = c->arena;
        must(vkd_program_create(c->dev, c->graph, c->params, &p, &c->programs[i]), "no program");
    }
    printf("imported in %.1f ms (aim: %.0f), model ready after %.0f ms\n", 1e3 * c->imported, 1e3 * import_seconds,
           1e3 * (host_seconds() - start));
}

static void close_classifier(struct classifier *c)
{
    for (uint32_t i = 0; i < IMAGES; i++)
        vkd_program_destroy(&c->programs[i]);
    vkd_buffer_destroy(c->dev, &c->pictures);
    vkd_buffer_destroy(c->dev, &c->results);
    vkd_arena_destroy(&c->arena);
    vkd_params_destroy(&c->params);
    vkd_graph_destroy(&c->graph);
    vkd_device_destroy(&c->dev);
}

static uint32_t best(const float *logits)
{
    uint32_t k = 0;
    for (uint32_t i = 1; i < HOST_CLASSES; i++)
        k = logits[i] > logits[k] ? i : k;
    return k;
}

struct figures { uint32_t classified, right; };

// Draws and classifies, frame by frame; the seconds of each frame go to `seconds`.
static void render(struct host *h, struct classifier *c, const struct options *o, const VkDescriptorSet sets[IMAGES],
                   const char *results, struct figures *f, double *seconds)
{
    const struct vkd_budget budget = { .seconds = 0.5e-3 * o->budget };
    bool finished = true, known[HOST_FRAMES] = { false };       // known: the slot's frame finished a picture,
    uint32_t busy = 0, which[HOST_FRAMES] = { 0 }, frames = (uint32_t) o->frames;       // and which
    double last = host_seconds();
    for (uint32_t i = 0; i < frames + HOST_FRAMES || !finished; i++) {
        uint32_t slot = i % HOST_FRAMES;
        VkCommandBuffer cb = host_frame_begin(h, slot);
        if (known[slot]) {
            const char *r = results + which[slot] * RESULT_SIZE;
            f->classified++;
            f->right += best((const float *) r) == *(const uint32_t *) (r + RESULT_SIZE / 2);
        }
        // The picture under the classifier's eyes stays; a new one goes into the other image.
        uint32_t target = 1 - busy;
        host_draw(h, cb, sets[target], &(struct host_picture) { 1, (uint32_t) o->size, 1000 + i / 2, 0.1f * (float) i, 0 });
        if (finished)
            busy = target;
        must(vkd_program_embed(c->programs[busy], cb, NULL, &budget, &finished), "the classifier cannot be recorded");
        known[slot] = finished;
        which[slot] = busy;
        host_frame_end(h, slot);
        if (i < frames)
            seconds[i] = host_seconds() - last;
        last = host_seconds();
    }
}

// Seconds of the host that a whole forward pass in a frame's command buffer takes, at best.
static double record_whole(struct host *h, struct classifier *c)
{
    double least = 1;
    for (uint32_t i = 0; i < RECORDS; i++) {
        VkCommandBuffer cb = host_frame_begin(h, i % HOST_FRAMES);
        double start = host_seconds();
        must(vkd_program_embed(c->programs[0], cb, NULL, NULL, NULL), "the classifier cannot be recorded");
        double end = host_seconds();
        host_frame_end(h, i % HOST_FRAMES);
        least = end - start < least ? end - start : least;
    }
    return least;
}

// Rounds of frames, up to the first whose frames keep the budget. Returns the 95th percentile of the best.
static double keep_budget(struct host *h, struct classifier *c, const struct options *o, const VkDescriptorSet sets[IMAGES],
                          const char *results, struct figures *f)
{
    uint32_t frames = (uint32_t) o->frames;
    double *seconds = calloc(frames, sizeof(double)), least = 1e9;
    for (int i = 0; seconds && i < ROUNDS && 1e3 * least > o->budget; i++) {
        render(h, c, o, sets, results, f, seconds);
        double high = host_quantile(seconds, frames, 0.95);
        printf("%u frames, half of them within %.1f ms, 95 of 100 within %.1f ms (budget: %.1f)\n", frames,
               1e3 * host_quantile(seconds, frames, 0.5), 1e3 * high, o->budget);
        least = high < least ? high : least;
    }
    free(seconds);
    return least;
}

int main(int argc, char **argv)
{
    struct options o = { NULL, 224, 120, 33.3 };
    const struct host_option options[] = {
        { .name = "--model", .text = &o.model }, { .name = "--frames", .number = &o.frames, .least = 20, .most = 1e6 },
        { .name = "--budget", .number = &o.budget, .least = 1, .most = 1e4 },
        { .name = "--size", .number = &o.size, .least = 32, .most = 1024 }, { .name = NULL },
    };
    host_options(argc, argv, "usage: frame_classifier [--model FILE] [--size PIXELS] [--frames N] [--budget MS]", options);
    struct host h;
    struct classifier c = { 0 };
    struct figures f = { 0, 0 };
    VkDescriptorSet sets[IMAGES];
    const uint32_t size = (uint32_t) o.size;
    const uint64_t bytes = 16ull * size * size;
    host_open(&h, "frame_classifier");
    // Pictures stay on the device; beside each picture's logits lies the label of what was drawn.
    struct host_buffer pictures = host_buffer_create(&h, IMAGES * bytes, false);
    struct host_buffer results = host_buffer_create(&h, IMAGES * RESULT_SIZE, true);
    for (uint32_t i = 0; i < IMAGES; i++)
        sets[i] = host_draw_set(&h, &pictures, i * bytes, &results, i * RESULT_SIZE + RESULT_SIZE / 2, 1, size);
    open_classifier(&c, &h, &o, &pictures, &results);
    double frame = keep_budget(&h, &c, &o, sets, results.data, &f);
    c.recorded = record_whole(&h, &c);
    vkDeviceWaitIdle(h.device);

    struct vkd_sequence_state state = vkd_program_embed_state(c.programs[0]);
    close_classifier(&c);
    host_buffer_destroy(&h, &pictures);
    host_buffer_destroy(&h, &results);
    host_close(&h);
    printf("%u pictures of %u x %u classified, %u right\n", f.classified, size, size, f.right);
    printf("classifier: %.2f ms on the device in %u lists; recorded as a whole, %.1f us of the host (aim: %.0f)\n",
           1e3 * state.seconds, state.count, 1e6 * c.recorded, 1e6 * record_seconds);
    printf("%u validation messages\n", h.messages);
    bool quick = h.validation || (c.imported <= LENIENT * import_seconds && c.recorded <= LENIENT * record_seconds);
    bool right = f.classified > 0 && (!o.model || f.right * 10 >= f.classified * 8);
    return 1e3 * frame <= o.budget && quick && right && !h.messages ? EXIT_SUCCESS : EXIT_FAILURE;
}
