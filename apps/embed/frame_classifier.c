// frame_classifier.c -- a renderer that knows what it has drawn: it runs a classifier on its own picture, in its own
// command buffer, without a copy, and keeps its frame budget.
//
//     frame_classifier [--model FILE] [--frames N] [--budget MS]
//
// Each frame draws a picture into one of two images of a VkBuffer. A vkdiv program on that image is appended to the same
// command buffer; what does not fit into half of the frame's budget goes on in the next frames, while the
// renderer draws into the other image. FILE comes from live_finetune.
#include "host.h"

#include <vkdiv/model.h>
#include <vkdiv/weights.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 16, CLASSES = 4, IMAGES = 2, IMAGE_SIZE = 16 * SIZE * SIZE, RESULT_SIZE = 512 };

struct options { const char *model; uint32_t frames; double budget; };

// The classifier: one program per image, which share weights and memory.
struct classifier {
    vkd_device *dev;
    vkd_graph *graph;
    vkd_params *params;
    vkd_arena *arena;
    vkd_buffer *pictures, *results;
    vkd_program *programs[IMAGES];
};

static void must(vkd_result r, const char *what)
{
    if (r != VKD_OK)
        host_fail(what);        // the log has said why
}

static void open_classifier(struct classifier *c, const struct host *h, const struct options *o,
                            const struct host_buffer *pictures, const struct host_buffer *results)
{
    double start = host_seconds();
    struct vkd_import_params import = host_import_params(h);
    must(vkd_device_import(&import, &c->dev), "the device cannot be shared");
    double imported = host_seconds();

    must(vkd_graph_create(&import.log, &c->graph), "no graph");
    vkd_tensor *x = vkd_input(c->graph, "images", VKD_F32, (struct vkd_shape) {{ 1, SIZE, SIZE, 3 }});
    vkd_model_build(c->graph, x, &(struct vkd_model_params) {
        .arch = "resnet18", .width = 8, .cifar_stem = true, .classes = CLASSES, .dropout = -1,
    });
    must(vkd_params_create(c->dev, c->graph, false, &c->params), "no memory for the weights");
    must(vkd_params_init(c->params, 1), "no weights");
    if (o->model)
        must(vkd_weights_load(c->dev, c->params, o->model, false), "the model cannot be loaded");

    c->pictures = host_wrap(c->dev, pictures);
    c->results = host_wrap(c->dev, results);
    struct vkd_program_params p = {
        .embedded = true, .segment_dispatches = 12, .binding_count = 2,
        .edges = {      // the picture is drawn by a compute shader, before and after
            .before_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, .before_access = VK_ACCESS_SHADER_WRITE_BIT,
            .after_stages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, .after_access = VK_ACCESS_SHADER_WRITE_BIT,
        },
    };
    for (uint32_t i = 0; i < IMAGES; i++) {
        const struct vkd_binding bindings[] = {
            { "images", { c->pictures, i * IMAGE_SIZE, IMAGE_SIZE } },
            { "logits", { c->results, i * RESULT_SIZE, 4 * CLASSES } },
        };
        struct vkd_program_memory memory;
        p.bindings = bindings;
        must(vkd_program_estimate(vkd_device_caps(c->dev), c->graph, &p, &memory), "the model does not fit");
        if (!c->arena)
            must(vkd_arena_create(c->dev, memory.arena, &c->arena), "no memory for activations");
        p.arena = c->arena;
        must(vkd_program_create(c->dev, c->graph, c->params, &p, &c->programs[i]), "no program");
    }
    printf("imported in %.1f ms, model ready after %.0f ms\n", 1e3 * (imported - start), 1e3 * (host_seconds() - start));
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
    for (uint32_t i = 1; i < CLASSES; i++)
        k = logits[i] > logits[k] ? i : k;
    return k;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

static double median(double *x, uint32_t count)
{
    qsort(x, count, sizeof(*x), by_value);
    return x[count / 2];
}

struct figures {
    double *frame, *record;         // seconds of each frame, and of the host in vkdiv
    uint32_t classified, right;
};

// Draws and classifies, frame by frame.
static void render(struct host *h, struct classifier *c, const struct options *o, const VkDescriptorSet sets[IMAGES],
                   const char *results, struct figures *f)
{
    const struct vkd_budget budget = { .seconds = 0.5e-3 * o->budget };
    bool finished = true, known[HOST_FRAMES] = { false };       // known: the slot's frame finished a picture,
    uint32_t busy = 0, which[HOST_FRAMES] = { 0 };              // and which
    double last = host_seconds();
    for (uint32_t i = 0; i < o->frames + HOST_FRAMES; i++) {
        uint32_t slot = i % HOST_FRAMES;
        VkCommandBuffer cb = host_frame_begin(h, slot);
        if (known[slot]) {
            const char *r = results + which[slot] * RESULT_SIZE;
            f->classified++;
            f->right += best((const float *) r) == *(const uint32_t *) (r + RESULT_SIZE / 2);
        }
        // The picture under the classifier's eyes stays; a new one goes into the other image.
        uint32_t target = 1 - busy;
        host_draw(h, cb, sets[target], &(struct host_picture) { 1, SIZE, 1000 + i / 8, 0.1f * (float) i });
        if (finished)
            busy = target;
        double start = host_seconds();
        must(vkd_program_embed(c->programs[busy], cb, NULL, &budget, &finished), "the classifier cannot be recorded");
        double end = host_seconds();
        known[slot] = finished;
        which[slot] = busy;
        host_frame_end(h, slot);
        if (i < o->frames) {
            f->record[i] = end - start;
            f->frame[i] = host_seconds() - last;
        }
        last = host_seconds();
    }
}

static struct options parse(int argc, char **argv)
{
    struct options o = { NULL, 120, 33.3 };
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--model"))
            o.model = argv[i + 1];
        else if (!strcmp(argv[i], "--frames"))
            o.frames = (uint32_t) strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--budget"))
            o.budget = strtod(argv[i + 1], NULL);
        else
            host_fail("usage: frame_classifier [--model FILE] [--frames N] [--budget MS]");
    }
    if (!o.frames || !(o.budget > 0))
        host_fail("--frames and --budget are numbers above 0");
    return o;
}

int main(int argc, char **argv)
{
    struct options o = parse(argc, argv);
    struct host h;
    struct classifier c = { 0 };
    struct figures f = { calloc(o.frames, sizeof(double)), calloc(o.frames, sizeof(double)), 0, 0 };
    VkDescriptorSet sets[IMAGES];
    host_open(&h, "frame_classifier");
    // Pictures stay on the device; beside each picture's logits lies the label of what was drawn.
    struct host_buffer pictures = host_buffer_create(&h, IMAGES * IMAGE_SIZE, false);
    struct host_buffer results = host_buffer_create(&h, IMAGES * RESULT_SIZE, true);
    for (uint32_t i = 0; i < IMAGES; i++)
        sets[i] = host_draw_set(&h, &pictures, i * IMAGE_SIZE, &results, i * RESULT_SIZE + RESULT_SIZE / 2, 1, SIZE);
    open_classifier(&c, &h, &o, &pictures, &results);
    render(&h, &c, &o, sets, results.data, &f);
    vkDeviceWaitIdle(h.device);

    struct vkd_sequence_state state = vkd_program_embed_state(c.programs[0]);
    double frame = median(f.frame, o.frames), record = median(f.record, o.frames);
    close_classifier(&c);
    host_buffer_destroy(&h, &pictures);
    host_buffer_destroy(&h, &results);
    host_close(&h);
    printf("%u frames, %u pictures classified, %u right\n", o.frames, f.classified, f.right);
    printf("median frame %.1f ms of %.1f ms, classifier %.2f ms on the device, %.1f us of the host per frame\n", 1e3 * frame,
           o.budget, 1e3 * state.seconds, 1e6 * record);
    printf("%u validation messages\n", h.messages);
    free(f.frame);
    free(f.record);
    bool good = f.classified > 0 && 1e3 * frame <= o.budget && !h.messages && (!o.model || f.right * 10 >= f.classified * 8);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
