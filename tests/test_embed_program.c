// test_embed_program.c -- programs and training steps in an application's command buffers: the same bits as on vkdiv's
// own queue, from and to the application's buffers.
#include "host.h"

#include <math.h>
#include <string.h>
#include <vkdiv/layers.h>
#include <vkdiv/trainer.h>

#include "shaders/step_block.h"

enum { IMAGES = 6, SIDE = 10, CLASSES = 5, IMAGE_SIZE = IMAGES * SIDE * SIDE * 4 * 4, LABEL_SIZE = 8 * 4,
       LOGIT_SIZE = IMAGES * 8 * 4, LABELS_AT = (IMAGE_SIZE + 255) / 256 * 256, LOGITS_AT = LABELS_AT + 256,
       ALL_SIZE = LOGITS_AT + LOGIT_SIZE };

static vkd_device *dev;

static void open_device(void)
{
    start_host();
    struct vkd_import_params p = import_params();
    ck_assert_int_eq(vkd_device_import(&p, &dev), VKD_OK);
}

static void close_device(void)
{
    vkd_device_destroy(&dev);
    host_still_works();
    stop_host();
}

static void complains(const char *text)
{
    ck_assert_msg(strstr(gpu_last_error, text) != NULL, "'%s' lacks '%s'", gpu_last_error, text);
}

static vkd_graph *make_graph(void)
{
    vkd_graph *g = NULL;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &g), VKD_OK);
    vkd_tensor *x = vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ IMAGES, SIDE, SIDE, 3 }});
    vkd_tensor *y = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) {{ 1, 1, 1, IMAGES }});
    const struct vkd_attr pad = { .pad = { 1, 1 } };
    for (int i = 0; i < 3; i++) {
        static const char *const convs[] = { "conv1", "conv2", "conv3" }, *const norms[] = { "bn1", "bn2", "bn3" };
        vkd_tensor *z = vkd_layer_conv2d(g, x, convs[i], 8, 3, &pad);
        x = vkd_layer_batch_norm(g, z, norms[i], VKD_ACT_RELU, i == 2 ? x : NULL);
    }
    x = vkd_layer_linear(g, vkd_global_avg_pool(g, x), "fc", CLASSES, true);
    vkd_mark(g, x, "logits");
    vkd_graph_loss(g, vkd_mark(g, vkd_cross_entropy(g, x, y, 0.1f), "loss"));
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

// ---- A model whose images, labels and logits lie in a buffer of the host ----

struct world {
    vkd_graph *g;
    vkd_params *params;
    vkd_program *program;
    vkd_optimizer *opt;
    vkd_trainer *trainer;
    struct host_buffer b;
    vkd_buffer *all;
    struct vkd_binding bindings[3];
};

// Images and labels of step `step`; what else is in the buffer becomes NaN.
static void draw(struct world *w, uint32_t step)
{
    float *x = w->b.data;
    uint32_t *y = (uint32_t *) ((char *) w->b.data + LABELS_AT);
    memset(w->b.data, 0xff, ALL_SIZE);
    memset(y, 0, LABEL_SIZE);
    for (uint32_t i = 0; i < IMAGES * SIDE * SIDE * 4; i++)
        x[i] = i % 4 == 3 ? 0 : sinf((float) (i % 131) * 0.7f + (float) step);
    for (uint32_t i = 0; i < IMAGES; i++)
        y[i] = (i + step) % CLASSES;
}

static void start(struct world *w, struct vkd_program_params how, uint32_t accumulation)
{
    memset(w, 0, sizeof(*w));
    w->g = make_graph();
    ck_assert_int_eq(vkd_params_create(dev, w->g, true, &w->params), VKD_OK);
    ck_assert_int_eq(vkd_params_init(w->params, 5), VKD_OK);
    w->b = host_buffer(ALL_SIZE, VKD_WRAP_USAGE);
    ck_assert_int_eq(vkd_buffer_wrap(dev, &(struct vkd_wrap_params) { w->b.buffer, 0, ALL_SIZE, VKD_WRAP_USAGE }, &w->all),
                     VKD_OK);
    w->bindings[0] = (struct vkd_binding) { "images", { w->all, 0, IMAGE_SIZE } };
    w->bindings[1] = (struct vkd_binding) { "labels", { w->all, LABELS_AT, LABEL_SIZE } };
    w->bindings[2] = (struct vkd_binding) { "logits", { w->all, LOGITS_AT, 0 } };
    how.bindings = w->bindings;
    how.binding_count = 3;
    ck_assert_int_eq(vkd_program_create(dev, w->g, w->params, &how, &w->program), VKD_OK);
    if (!accumulation)
        return;
    struct vkd_optimizer_config config;
    ck_assert_int_eq(vkd_optimizer_defaults("sgd", &config), VKD_OK);
    config.accumulation = accumulation;
    ck_assert_int_eq(vkd_optimizer_create(dev, w->params, &config, &w->opt), VKD_OK);
    if (how.embedded)
        ck_assert_int_eq(vkd_trainer_create(dev, &(struct vkd_trainer_params) {
            .program = w->program, .optimizer = w->opt, .seed = 3 }, &w->trainer), VKD_OK);
}

static void stop(struct world *w)
{
    vkd_trainer_destroy(&w->trainer);
    vkd_optimizer_destroy(&w->opt);
    vkd_program_destroy(&w->program);
    vkd_params_destroy(&w->params);
    vkd_graph_destroy(&w->g);
    vkd_buffer_destroy(dev, &w->all);
    host_buffer_free(&w->b);
}

static const float *logits_of(const struct world *w)
{
    return (const float *) ((const char *) w->b.data + LOGITS_AT);
}

// ---- Forward ----

// A forward pass in the host's command buffer, whole and cut into pieces, gives the bits of vkd_program_run.
START_TEST(forward_is_the_same)
{
    struct world own, mine;
    float want[LOGIT_SIZE / 4];
    uint64_t ticket;
    start(&own, (struct vkd_program_params) { 0 }, 0);
    draw(&own, 1);
    ck_assert_int_eq(vkd_program_run(own.program, NULL, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    memcpy(want, logits_of(&own), LOGIT_SIZE);
    for (uint32_t i = 0; i < LOGIT_SIZE / 4; i++)
        ck_assert_msg(i % 8 < CLASSES ? want[i] != 0 && isfinite(want[i]) : want[i] == 0, "%u: %g", i, (double) want[i]);
    stop(&own);

    start(&mine, (struct vkd_program_params) { .embedded = true, .segment_dispatches = 2 }, 0);
    uint32_t segments = vkd_program_embed_state(mine.program).count;
    ck_assert_uint_ge(segments, 4);
    for (uint32_t pieces = 0; pieces < 2; pieces++) {
        const struct vkd_budget budget = { .dispatches = pieces ? 1 : 0 };
        uint32_t calls = 0;
        bool finished = false;
        draw(&mine, 1);
        for (; !finished; calls++) {
            VkCommandBuffer cb = host_begin();
            ck_assert_int_eq(vkd_program_embed(mine.program, cb, NULL, &budget, &finished), VKD_OK);
            host_run(cb, 1);
        }
        ck_assert_uint_eq(calls, pieces ? segments : 1);
        ck_assert_int_eq(memcmp(want, logits_of(&mine), LOGIT_SIZE), 0);
    }
    ck_assert_int_eq(vkd_program_run(mine.program, NULL, &ticket), VKD_INVALID);
    complains("vkd_commands_embed");
    stop(&mine);
}
END_TEST

// What lies in the host's buffers takes no room in the arena.
START_TEST(bound_tensors_leave_the_arena)
{
    struct world w;
    struct vkd_program_memory with, without, really;
    struct vkd_range range;
    start(&w, (struct vkd_program_params) { 0 }, 0);
    const struct vkd_program_params how = { .bindings = w.bindings, .binding_count = 3 };
    ck_assert_int_eq(vkd_program_estimate(vkd_device_caps(dev), w.g, &how, &with), VKD_OK);
    ck_assert_int_eq(vkd_program_estimate(vkd_device_caps(dev), w.g, &(struct vkd_program_params) { 0 }, &without), VKD_OK);
    really = vkd_program_memory(w.program);
    ck_assert_uint_eq(with.arena, really.arena);
    ck_assert_uint_ge(without.arena, with.arena + IMAGE_SIZE);
    ck_assert_int_eq(vkd_program_range(w.program, "images", &range), VKD_OK);
    ck_assert(range.buffer == w.all && range.ofs == 0 && range.size == IMAGE_SIZE);
    stop(&w);
}
END_TEST

// ---- Training ----

enum { STEPS = 4 };

static void train_own(uint32_t accumulation, uint64_t *hash, float *logits)
{
    struct world w;
    vkd_commands *tail[2] = { NULL, NULL };
    struct vkd_range loss, block;
    uint64_t ticket;
    uint32_t count;
    start(&w, (struct vkd_program_params) { .training = true, .backward = true }, accumulation);
    vkd_commands *const *segments = vkd_program_segments(w.program, &count);
    block = vkd_program_step_block(w.program);
    ck_assert_int_eq(vkd_program_range(w.program, "loss", &loss), VKD_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(vkd_commands_create(dev, &tail[i]), VKD_OK);
        ck_assert_int_eq(vkd_commands_begin(tail[i]), VKD_OK);
        vkd_optimizer_record_micro(w.opt, tail[i], block, &loss);
        if (i)
            vkd_optimizer_record(w.opt, tail[i], block);
        ck_assert_int_eq(vkd_commands_end(tail[i]), VKD_OK);
    }
    for (uint32_t i = 0; i < STEPS * accumulation; i++) {
        struct vkd_step_block step = { .seed = { 3 }, .micro = i % accumulation, .image_count = 0xffffffff };
        vkd_optimizer_step_values(w.opt, i / accumulation, 0.1, &step);
        draw(&w, i);
        ck_assert_int_eq(vkd_buffer_write(dev, block.buffer, block.ofs, &step, sizeof(step)), VKD_OK);
        ck_assert_int_eq(vkd_submit(dev, segments, count, NULL), VKD_OK);
        ck_assert_int_eq(vkd_submit(dev, &tail[step.micro + 1 == accumulation], 1, &ticket), VKD_OK);
        ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
    }
    ck_assert_int_eq(vkd_params_hash(w.params, hash), VKD_OK);
    memcpy(logits, logits_of(&w), LOGIT_SIZE);
    vkd_commands_destroy(dev, &tail[0]);
    vkd_commands_destroy(dev, &tail[1]);
    stop(&w);
}

static void train_embedded(uint32_t accumulation, struct vkd_budget budget, uint64_t want, const float *logits)
{
    struct world w;
    uint64_t hash;
    float first = 0;
    start(&w, (struct vkd_program_params) { .training = true, .backward = true, .embedded = true, .segment_dispatches = 5 },
          accumulation);
    for (uint32_t i = 0; i < STEPS * accumulation; i++) {
        bool finished = false;
        draw(&w, i);
        while (!finished) {
            VkCommandBuffer cb = host_begin();
            ck_assert_int_eq(vkd_trainer_embed(w.trainer, cb, 0.1, &budget, &finished), VKD_OK);
            host_run(cb, 1);
        }
        ck_assert_uint_eq(vkd_trainer_state(w.trainer).steps, (i + 1) / accumulation);
        first = i + 1 == accumulation ? vkd_trainer_state(w.trainer).loss : first;
    }
    struct vkd_trainer_state state = vkd_trainer_state(w.trainer);
    ck_assert(first > 1 && first < 4 && isfinite(state.loss) && state.loss != first && state.grad_norm > 0);
    ck_assert_uint_eq(state.nonfinite_count, 0);
    ck_assert_int_eq(vkd_params_hash(w.params, &hash), VKD_OK);
    ck_assert_uint_eq(hash, want);
    ck_assert_int_eq(memcmp(logits, logits_of(&w), LOGIT_SIZE), 0);
    stop(&w);
}

// The same weights bit for bit, whether vkdiv submits the steps or the host does, in one piece or in many.
START_TEST(training_is_the_same)
{
    for (uint32_t accumulation = 1; accumulation < 3; accumulation++) {
        uint64_t hash;
        float logits[LOGIT_SIZE / 4];
        train_own(accumulation, &hash, logits);
        train_embedded(accumulation, (struct vkd_budget) { 0 }, hash, logits);
        train_embedded(accumulation, (struct vkd_budget) { .dispatches = 12 }, hash, logits);
        train_embedded(accumulation, (struct vkd_budget) { .seconds = 1e-3 }, hash, logits);
    }
}
END_TEST

// ---- Wrong input ----

START_TEST(refuses_wrong_bindings)
{
    struct world w;
    start(&w, (struct vkd_program_params) { 0 }, 0);
    const struct {
        struct vkd_binding b;
        const char *text;
    } rows[] = {
        { { NULL, { w.all, 0, 0 } }, "called \"(null)\"" },
        { { "pictures", { w.all, 0, 0 } }, "called \"pictures\"" },
        { { "fc.weight", { w.all, 0, 0 } }, "called \"fc.weight\"" },               // a parameter
        { { "images", { NULL, 0, 0 } }, "takes 9600 bytes, but the range has 0" },
        { { "images", { w.all, 0, IMAGE_SIZE - 4 } }, "but the range has 9596" },
        { { "images", { w.all, 1024, 0 } }, "but the range has" },
        { { "images", { w.all, 1 << 20, 0 } }, "but the range has 0" },
        { { "labels", { w.all, ALL_SIZE - 16, LABEL_SIZE } }, "but the range has 32 at offset" },
        { { "labels", { w.all, 4, LABEL_SIZE } }, "is not a multiple of" },
    };
    const struct vkd_program_params how = { .binding_count = 1 };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct vkd_program_params p = how;
        vkd_program *program = NULL;
        p.bindings = &rows[i].b;
        ck_assert_int_eq(vkd_program_create(dev, w.g, w.params, &p, &program), VKD_INVALID);
        ck_assert_ptr_null(program);
        complains(rows[i].text);
    }
    struct vkd_binding twice[2] = { w.bindings[0], w.bindings[0] };
    struct vkd_program_params p = { .bindings = twice, .binding_count = 2 };
    vkd_program *program = NULL;
    ck_assert_int_eq(vkd_program_create(dev, w.g, w.params, &p, &program), VKD_INVALID);
    complains("lies in a range already");
    stop(&w);
}
END_TEST

START_TEST(refuses_wrong_trainers)
{
    struct world w, other;
    vkd_trainer *t = NULL;
    start(&other, (struct vkd_program_params) { .training = true, .backward = true }, 1);
    start(&w, (struct vkd_program_params) { .training = true, .backward = true, .embedded = true }, 1);
    struct vkd_trainer_params p = { .program = other.program, .optimizer = other.opt };
    ck_assert_int_eq(vkd_trainer_create(dev, &p, &t), VKD_INVALID);
    complains("vkd_program_params.embedded");
    p = (struct vkd_trainer_params) { .program = w.program, .optimizer = other.opt };
    ck_assert_int_eq(vkd_trainer_create(dev, &p, &t), VKD_INVALID);
    complains("other parameters");
    p = (struct vkd_trainer_params) { .program = w.program, .optimizer = w.opt, .loss = "logits" };
    ck_assert_int_eq(vkd_trainer_create(dev, &p, &t), VKD_INVALID);
    complains("not marked");
    p.program = NULL;
    ck_assert_int_eq(vkd_trainer_create(dev, &p, &t), VKD_INVALID);
    ck_assert_ptr_null(t);
    VkCommandBuffer cb = host_begin();
    ck_assert_int_eq(vkd_trainer_embed(w.trainer, cb, -1, NULL, NULL), VKD_INVALID);
    complains("learning rate");
    ck_assert_int_eq(vkd_trainer_embed(w.trainer, VK_NULL_HANDLE, 0.1, NULL, NULL), VKD_INVALID);
    complains("command buffer is NULL");
    ck_assert_int_eq(vkd_program_embed(other.program, cb, NULL, NULL, NULL), VKD_INVALID);
    complains("vkd_program_params.embedded");
    host_run(cb, 1);
    vkd_program *forward = NULL;
    ck_assert_int_eq(vkd_program_create(dev, w.g, w.params, &(struct vkd_program_params) { .embedded = true }, &forward), VKD_OK);
    p = (struct vkd_trainer_params) { .program = forward, .optimizer = w.opt };
    ck_assert_int_eq(vkd_trainer_create(dev, &p, &t), VKD_INVALID);
    complains("vkd_program_params.backward");
    vkd_program_destroy(&forward);
    stop(&w);
    stop(&other);
}
END_TEST

static uint32_t told, stop_at;

static bool progress(void *user, uint32_t done, uint32_t total)
{
    ck_assert_ptr_eq(user, &told);
    ck_assert_uint_eq(done, told++);
    ck_assert_uint_lt(done, total);
    return told != stop_at;
}

START_TEST(tells_progress_and_stops)
{
    vkd_graph *g = make_graph();
    vkd_params *params = NULL;
    ck_assert_int_eq(vkd_params_create(dev, g, true, &params), VKD_OK);
    struct vkd_program_params p = { .training = true, .backward = true, .progress = progress, .progress_user = &told };
    for (stop_at = 0; stop_at < 6; stop_at += 5) {
        vkd_program *program = NULL;
        told = 0;
        ck_assert_int_eq(vkd_program_create(dev, g, params, &p, &program), stop_at ? VKD_INTERRUPTED : VKD_OK);
        ck_assert(stop_at ? told == 5 && !program : told > 20 && program);
        vkd_program_destroy(&program);
    }
    vkd_params_destroy(&params);
    vkd_graph_destroy(&g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("embed program");
    TCase *t = tcase_create("embed program");
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_set_timeout(t, 0);
    tcase_add_test(t, forward_is_the_same);
    tcase_add_test(t, bound_tensors_leave_the_arena);
    tcase_add_test(t, training_is_the_same);
    tcase_add_test(t, refuses_wrong_bindings);
    tcase_add_test(t, refuses_wrong_trainers);
    tcase_add_test(t, tells_progress_and_stops);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
