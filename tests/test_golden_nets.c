// test_golden_nets.c -- whole networks against PyTorch (tests/golden/record.py): logits, gradients, three
// steps of SGD, evaluation. Leaves exported weights for tests/golden/check_export.py.
#include <vkdiv/model.h>
#include <vkdiv/optimizer.h>
#include <vkdiv/weights.h>

#include "engine/weights.h"
#include "step_block.h"
#include "tests/golden.h"
#include "tests/gpu.h"

#include <jansson.h>

static vkd_device *dev;

// What record.py says about a network.
struct spec {
    const char *arch, *stem;
    int width, classes, batch, size, images, steps, nesterov;
    double lr, momentum, weight_decay, label_smoothing, bias[2];
};

struct net {
    const char *name;
    json_t *json;
    struct spec spec;
    vkd__st_file *file;             // NULL: nothing is recorded
    vkd_graph *graph, *eval_graph;
    vkd_params *params;
    vkd_program *program, *eval_program;
    vkd_optimizer *optimizer;
    vkd_commands *update;
};

// ---- Making ----

static void read_spec(struct net *n)
{
    struct spec *s = &n->spec;
    n->json = json_loads(vkd__st_metadata(n->file, "net"), 0, NULL);
    ck_assert_int_eq(json_unpack(n->json, "{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:F, s:F, s:F, s:F, s:[F, F],}",
                                 "arch", &s->arch, "stem", &s->stem, "width", &s->width, "classes", &s->classes,
                                 "batch", &s->batch, "size", &s->size, "images", &s->images, "steps", &s->steps,
                                 "nesterov", &s->nesterov, "lr", &s->lr, "momentum", &s->momentum,
                                 "weight_decay", &s->weight_decay, "label_smoothing", &s->label_smoothing,
                                 "bias", &s->bias[0], &s->bias[1]), 0);
}

static vkd_graph *make_graph(const struct spec *s, bool training)
{
    vkd_graph *g = NULL;
    uint32_t batch = (uint32_t) s->batch, size = (uint32_t) s->size;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &g), VKD_OK);
    vkd_tensor *images = vkd_input(g, "images", VKD_F32, (struct vkd_shape) { { batch, size, size, 3 } });
    struct vkd_model m = vkd_model_build(g, images, &(struct vkd_model_params) {
        .arch = s->arch, .width = (uint32_t) s->width, .cifar_stem = !strcmp(s->stem, "cifar"),
        .classes = (uint32_t) s->classes,
    });
    if (training) {
        vkd_tensor *labels = vkd_input(g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, batch } });
        vkd_tensor *loss = vkd_cross_entropy(g, m.logits, labels, (float) s->label_smoothing);
        vkd_graph_loss(g, vkd_mark(g, loss, "loss"));
    }
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    return g;
}

static void make_optimizer(struct net *n)
{
    struct vkd_optimizer_config c;
    ck_assert_int_eq(vkd_optimizer_defaults("sgd", &c), VKD_OK);
    c.momentum = n->spec.momentum;
    c.nesterov = n->spec.nesterov;
    c.weight_decay = n->spec.weight_decay;
    c.decay_norm_bias = false;      // as record.py groups them
    ck_assert_int_eq(vkd_optimizer_create(dev, n->params, &c, &n->optimizer), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &n->update), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(n->update), VKD_OK);
    struct vkd_range loss, step = vkd_program_step_block(n->program);
    ck_assert_int_eq(vkd_program_range(n->program, "loss", &loss), VKD_OK);
    vkd_optimizer_record_micro(n->optimizer, n->update, step, &loss);
    vkd_optimizer_record(n->optimizer, n->update, step);
    ck_assert_int_eq(vkd_commands_end(n->update), VKD_OK);
}

static void make(struct net *n)
{
    n->graph = make_graph(&n->spec, true);
    n->eval_graph = make_graph(&n->spec, false);
    ck_assert_int_eq(vkd_params_create(dev, n->graph, true, &n->params), VKD_OK);
    ck_assert_int_eq(vkd_program_create(dev, n->graph, n->params,
                                        &(struct vkd_program_params) { .training = true, .backward = true },
                                        &n->program), VKD_OK);
    ck_assert_int_eq(vkd_program_create(dev, n->eval_graph, n->params, &(struct vkd_program_params) { .training = false },
                                        &n->eval_program), VKD_OK);
}

static void destroy(struct net *n)
{
    vkd_commands_destroy(dev, &n->update);
    vkd_optimizer_destroy(&n->optimizer);
    vkd_program_destroy(&n->eval_program);
    vkd_program_destroy(&n->program);
    vkd_params_destroy(&n->params);
    vkd_graph_destroy(&n->eval_graph);
    vkd_graph_destroy(&n->graph);
    vkd__st_close(&n->file);
    json_decref(n->json);
}

// ---- Feeding ----

static uint64_t file_count(const struct vkd_param_info *p)
{
    uint64_t shape[4], count = 1;
    uint32_t rank = vkd__param_file_shape(p, shape);
    for (uint32_t i = 0; i < rank; i++)
        count *= shape[i];
    return count;
}

static void feed_params(struct net *n)
{
    for (uint32_t i = 0; i < vkd_params_count(n->params); i++) {
        const struct vkd_param_info *p = vkd_params_at(n->params, i);
        double range[2];
        golden_start_range(p, n->spec.bias, range);
        float *values = golden_numbers(p->name, file_count(p), range[0], range[1]);
        float *memory = malloc(p->numel * sizeof(*memory));
        vkd__param_from_file(p, values, memory);
        ck_assert_int_eq(vkd_params_write(n->params, i, memory), VKD_OK);
        free(memory);
        free(values);
    }
}

static void write_range(vkd_program *program, const char *name, const void *data, uint64_t size)
{
    struct vkd_range r;
    ck_assert_int_eq(vkd_program_range(program, name, &r), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, r.buffer, r.ofs, data, size), VKD_OK);
}

// (N, C, H, W), malloc'd
static float *make_images(const struct net *n)
{
    char name[32];
    uint64_t count = 3u * (uint64_t) n->spec.batch * (uint64_t) n->spec.size * (uint64_t) n->spec.size;
    snprintf(name, sizeof(name), "images.%d", n->spec.images);
    return golden_numbers(name, count, -1.7, 1.7);
}

static void feed_images(struct net *n)
{
    uint32_t batch = (uint32_t) n->spec.batch, size = (uint32_t) n->spec.size;
    struct vkd_shape s = { { batch, size, size, 3 } };
    float *values = make_images(n), *memory = calloc(vkd__numel(s), sizeof(*memory));
    golden_copy(false, true, (const uint32_t[]) { batch, 3, size, size }, s, values, memory);
    write_range(n->program, "images", memory, vkd__numel(s) * sizeof(*memory));
    write_range(n->eval_program, "images", memory, vkd__numel(s) * sizeof(*memory));
    uint32_t *labels = calloc(vkd__pad4(batch), sizeof(*labels));
    for (uint32_t i = 0; i < batch; i++)
        labels[i] = (uint32_t) (golden_uniform("labels", i) * n->spec.classes);
    write_range(n->program, "labels", labels, vkd__pad4(batch) * sizeof(*labels));
    free(labels);
    free(memory);
    free(values);
}

// ---- Running ----

static void finish(uint64_t ticket)
{
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
}

// Logits of `program` as (N, K), malloc'd.
static float *read_logits(struct net *n, vkd_program *program)
{
    uint32_t batch = (uint32_t) n->spec.batch, classes = (uint32_t) n->spec.classes;
    struct vkd_shape s = { { batch, 1, 1, classes } };
    float *memory = malloc(vkd__numel(s) * sizeof(*memory)), *out = malloc(batch * classes * sizeof(*out));
    struct vkd_range r;
    ck_assert_int_eq(vkd_program_range(program, "logits", &r), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, r.buffer, r.ofs, memory, vkd__numel(s) * sizeof(*memory)), VKD_OK);
    golden_copy(false, false, (const uint32_t[]) { batch, classes, 1, 1 }, s, out, memory);
    free(memory);
    return out;
}

static float *evaluate(struct net *n)
{
    uint64_t ticket;
    ck_assert_int_eq(vkd_program_run(n->eval_program, NULL, &ticket), VKD_OK);
    finish(ticket);
    return read_logits(n, n->eval_program);
}

// Forward and backward of step `step`; returns the loss.
static float run_step(struct net *n, uint32_t step)
{
    struct vkd_step_block block = { .image_count = (u32) n->spec.batch };
    uint64_t ticket;
    float loss[4];
    struct vkd_range r;
    vkd_optimizer_step_values(n->optimizer, step, n->spec.lr, &block);
    ck_assert_int_eq(vkd_program_run(n->program, &block, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &n->update, 1, &ticket), VKD_OK);
    finish(ticket);
    ck_assert_int_eq(vkd_program_range(n->program, "loss", &r), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, r.buffer, r.ofs, loss, sizeof(loss)), VKD_OK);
    return loss[0];
}

// ---- Comparing ----

static void within(const struct net *n, const char *what, const char *name, double d, double limit)
{
    ck_assert_msg(d <= limit, "%s: %s%s differs by %.1e, more than %.0e", n->name, what, name, d, limit);
}

static void check_logits(struct net *n, float *got, const char *name, double limit)
{
    const struct vkd__st_tensor *t = vkd__st_find(n->file, name);
    ck_assert_ptr_nonnull(t);
    float *want = golden_values(t);
    double d = golden_distance(got, want, t->numel);
    vkd_log_write(vkd_device_log(dev), VKD_LOG_INFO, "%s: %s differ by %.1e", n->name, name, d);
    within(n, name, "", d, limit);
    free(want);
    free(got);
}

// Compares the norm and the sampled entries of parameter `index`, or of its gradient.
static double check_sample(struct net *n, uint32_t index, bool grad)
{
    const struct vkd_param_info *p = vkd_params_at(n->params, index);
    const struct vkd__st_tensor *t = golden_tensor(n->file, grad ? "grad." : "final.", p->name, "");
    if (!t)
        return 0;       // a gradient that is zero but for rounding
    uint64_t count = file_count(p), samples = count > 64 ? 64 : count;
    float *memory = malloc(p->numel * sizeof(*memory)), *all = malloc(count * sizeof(*all)), *want = golden_values(t);
    float got[64];
    double squares = 0;
    char name[128];
    ck_assert_uint_eq(t->numel, samples + 1);
    ck_assert_int_eq(grad ? vkd_params_read_grad(n->params, index, memory) : vkd_params_read(n->params, index, memory),
                     VKD_OK);
    vkd__param_to_file(p, memory, all);
    for (uint64_t i = 0; i < count; i++)
        squares += (double) all[i] * all[i];
    snprintf(name, sizeof(name), "%s.sample", p->name);
    for (uint64_t i = 0; i < samples; i++)
        got[i] = all[count > 64 ? (uint64_t) (golden_uniform(name, i) * (double) count) : i];
    double d = golden_distance(got, want + 1, samples), e = fabs(sqrt(squares) / want[0] - 1);
    free(want);
    free(all);
    free(memory);
    double limit = grad ? 1e-4 : 1e-5;  // decaying norms by mistake would move them by 2e-4
    within(n, grad ? "gradient of " : "after training, ", p->name, d, limit);
    within(n, grad ? "norm of the gradient of " : "after training, the norm of ", p->name, e, limit);
    return d > e ? d : e;
}

static void check_samples(struct net *n, bool grad)
{
    double worst = 0;
    for (uint32_t i = 0; i < vkd_params_count(n->params); i++)
        if (!grad || !vkd_params_at(n->params, i)->state)
            worst = fmax(worst, check_sample(n, i, grad));
    vkd_log_write(vkd_device_log(dev), VKD_LOG_INFO, "%s: %s differ by %.1e", n->name,
                  grad ? "gradients" : "values after training", worst);
}

// ---- Exporting: for check_export.py ----

static void export(struct net *n)
{
    char path[512];
    const struct spec *s = &n->spec;
    struct vkd_weights_info info = {
        .width = (uint32_t) s->width, .cifar_stem = !strcmp(s->stem, "cifar"), .classes = (uint32_t) s->classes,
        .size = (uint32_t) s->size, .channels = 3, .std = { 1, 1, 1 }, .steps = (uint64_t) s->steps,
    };
    snprintf(info.arch, sizeof(info.arch), "%s", s->arch);
    snprintf(path, sizeof(path), "%s/golden_%s.safetensors", VKD_BINARY_DIR, n->name);
    ck_assert_int_eq(vkd_weights_save(dev, n->params, &info, path), VKD_OK);

    struct vkd_weights_info back;
    ck_assert_int_eq(vkd_weights_info(path, vkd_device_log(dev), &back), VKD_OK);
    ck_assert_str_eq(back.arch, s->arch);
    ck_assert_uint_eq(back.classes, info.classes);

    float *images = make_images(n), *logits = evaluate(n);
    const uint64_t batch = (uint64_t) s->batch, size = (uint64_t) s->size;
    const struct vkd__st_tensor tensors[] = {
        { .name = "images", .type = VKD__ST_F32, .rank = 4, .shape = { batch, 3, size, size }, .data = images },
        { .name = "logits", .type = VKD__ST_F32, .rank = 2, .shape = { batch, info.classes }, .data = logits },
    };
    snprintf(path, sizeof(path), "%s/golden_%s_outputs.safetensors", VKD_BINARY_DIR, n->name);
    ck_assert_int_eq(vkd__st_write(path, vkd_device_log(dev), tensors, 2, NULL, 0), VKD_OK);
    free(images);
    free(logits);
}

// ---- Tests ----

static const char *const recorded[] = { "resnet18", "mobilenet_v2" };

START_TEST(like_pytorch)
{
    struct net n = { .name = recorded[_i], .file = golden_open(recorded[_i], vkd_device_log(dev)) };
    read_spec(&n);
    make(&n);
    make_optimizer(&n);
    feed_params(&n);
    feed_images(&n);
    ck_assert_int_eq(vkd_optimizer_reset(n.optimizer), VKD_OK);
    check_logits(&n, evaluate(&n), "eval_logits", 1e-4);

    float *losses = golden_values(vkd__st_find(n.file, "losses"));
    for (uint32_t step = 0; step < (uint32_t) n.spec.steps; step++) {
        double loss = (double) run_step(&n, step);
        if (!step) {
            check_logits(&n, read_logits(&n, n.program), "logits", 1e-4);
            check_samples(&n, true);
        }
        within(&n, "loss", "", fabs(loss / (double) losses[step] - 1), 1e-4);
    }
    free(losses);
    check_samples(&n, false);
    check_logits(&n, evaluate(&n), "final_eval_logits", 1e-4);
    export(&n);
    destroy(&n);
}
END_TEST

// Networks of torchvision's own sizes: exported only, for check_export.py.
static const struct spec full[] = {
    { .arch = "resnet18", .stem = "imagenet", .width = 64, .classes = 1000, .batch = 2, .size = 64 },
    { .arch = "mobilenet_v2", .stem = "imagenet", .width = 32, .classes = 1000, .batch = 2, .size = 64 },
};

START_TEST(full_size)
{
    char name[64];
    snprintf(name, sizeof(name), "%s_full", full[_i].arch);
    struct net n = { .name = name, .spec = full[_i] };
    make(&n);
    ck_assert_int_eq(vkd_params_init(n.params, 3), VKD_OK);
    feed_images(&n);
    uint64_t ticket;
    ck_assert_int_eq(vkd_program_run(n.program, NULL, &ticket), VKD_OK);    // moves the running statistics
    finish(ticket);
    export(&n);
    destroy(&n);
}
END_TEST

static void open_all(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_all(void)
{
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("golden networks");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_loop_test(t, like_pytorch, 0, sizeof(recorded) / sizeof(recorded[0]));
    tcase_add_loop_test(t, full_size, 0, sizeof(full) / sizeof(full[0]));
    suite_add_tcase(s, t);
    return gpu_run(s);
}
