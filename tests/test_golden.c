// test_golden.c -- single operations, forward and backward, against PyTorch (tests/golden/record.py).
#include <vkdiv/layers.h>
#include <vkdiv/program.h>

#include "tests/golden.h"
#include "tests/gpu.h"

#include <jansson.h>

static vkd_device *dev;
static vkd__st_file *file;

enum { INPUTS = 6 };

// One recorded case; see record.py.
struct input {
    const char *name, *kind;
    uint64_t shape[4];      // PyTorch's
    uint32_t rank, four[4];
    double low, high;
    int grad;
    struct vkd_shape in_memory;
};
struct golden_case {
    const char *name, *op;
    json_t *json;
    struct vkd_attr attr;
    bool training;
    struct input inputs[INPUTS];
    uint32_t input_count;
    vkd_graph *g;
    vkd_params *params;
    vkd_program *program;
    double worst;
};

static bool is(const char *a, const char *b) { return !strcmp(a, b); }
static bool is_weight(const char *kind) { return is(kind, "conv") || is(kind, "matrix"); }

// ---- Reading a case ----

static void read_pair(json_t *attr, const char *key, uint32_t out[2])
{
    json_t *v = json_object_get(attr, key);
    for (uint32_t i = 0; v && i < 2; i++)
        out[i] = (uint32_t) json_integer_value(json_array_get(v, i));
}

static void read_attr(struct golden_case *c, json_t *v)
{
    struct vkd_attr *a = &c->attr;
    read_pair(v, "kernel", a->kernel);
    read_pair(v, "stride", a->stride);
    read_pair(v, "pad", a->pad);
    read_pair(v, "dilation", a->dilation);
    a->groups = (uint32_t) json_integer_value(json_object_get(v, "groups"));
    a->activation = (uint32_t) json_integer_value(json_object_get(v, "activation"));
    a->count_pad = (uint32_t) json_integer_value(json_object_get(v, "count_pad"));
    a->eps = (float) json_number_value(json_object_get(v, "eps"));
    a->momentum = (float) json_number_value(json_object_get(v, "momentum"));
    a->label_smoothing = (float) json_number_value(json_object_get(v, "label_smoothing"));
    a->gamma_neg = (float) json_number_value(json_object_get(v, "gamma_neg"));
    a->gamma_pos = (float) json_number_value(json_object_get(v, "gamma_pos"));
    a->clip = (float) json_number_value(json_object_get(v, "clip"));
    a->focal_grad = (uint32_t) json_integer_value(json_object_get(v, "focal_grad"));
    c->training = !json_is_false(json_object_get(v, "training"));
}

static void read_input(struct golden_case *c, json_t *v)
{
    struct input *in = &c->inputs[c->input_count++];
    json_t *shape;
    ck_assert_int_eq(json_unpack(v, "{s:s, s:s, s:F, s:F, s:b, s:o}", "name", &in->name, "kind", &in->kind,
                                 "low", &in->low, "high", &in->high, "grad", &in->grad, "shape", &shape), 0);
    in->rank = (uint32_t) json_array_size(shape);
    for (uint32_t i = 0; i < in->rank; i++)
        in->shape[i] = (uint64_t) json_integer_value(json_array_get(shape, i));
    golden_four(in->shape, in->rank, in->four);
    const uint32_t *f = in->four;
    if (is(in->kind, "conv"))
        in->in_memory = (struct vkd_shape) { { f[2], f[3], c->attr.groups > 1 ? f[1] : vkd__pad4(f[1]), f[0] } };
    else if (is(in->kind, "matrix"))
        in->in_memory = (struct vkd_shape) { { 1, 1, f[1], f[0] } };
    else
        in->in_memory = (struct vkd_shape) { { f[0], f[2], f[3], f[1] } };
}

// `name` has a metadata entry that describes it.
static void read_case(struct golden_case *c, const char *name)
{
    *c = (struct golden_case) { .name = name };
    c->json = json_loads(vkd__st_metadata(file, name), 0, NULL);
    ck_assert_ptr_nonnull(c->json);
    c->op = json_string_value(json_object_get(c->json, "op"));
    read_attr(c, json_object_get(c->json, "attr"));
    json_t *inputs = json_object_get(c->json, "inputs");
    for (size_t i = 0; i < json_array_size(inputs) && i < INPUTS; i++)
        read_input(c, json_array_get(inputs, i));
}

// ---- Building and feeding ----

static const struct vkd__st_tensor *stored(const struct golden_case *c, const char *between, const char *name)
{
    const struct vkd__st_tensor *t = golden_tensor(file, c->name, between, name);
    ck_assert_msg(t != NULL, "%s%s%s is not recorded", c->name, between, name);
    return t;
}

static void build(struct golden_case *c)
{
    vkd_tensor *in[INPUTS];
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &c->g), VKD_OK);
    for (uint32_t i = 0; i < c->input_count; i++) {
        const struct input *s = &c->inputs[i];
        bool state = is(s->kind, "state");
        if (s->grad || state)
            in[i] = vkd_param(c->g, &(struct vkd_param_params) {
                .name = s->name, .shape = s->in_memory, .logical_in = is(s->kind, "conv") ? s->four[1] : 0, .state = state,
            });
        else
            in[i] = vkd_input(c->g, s->name, is(s->kind, "labels") ? VKD_U32 : VKD_F32, s->in_memory);
    }
    vkd_tensor *y = vkd_mark(c->g, vkd_apply(c->g, c->op, in, c->input_count, &c->attr), "output");
    if (stored(c, ".y", "")->rank) {
        vkd_tensor *dy = vkd_input(c->g, "dy", VKD_F32, vkd_tensor_shape(y));
        vkd_graph_loss(c->g, vkd_sum(c->g, vkd_mul(c->g, y, dy), 15));
    } else {
        vkd_graph_loss(c->g, y);
    }
    ck_assert_msg(!vkd_graph_error(c->g), "%s: %s", c->name, vkd_graph_error(c->g));
    ck_assert_int_eq(vkd_params_create(dev, c->g, true, &c->params), VKD_OK);
    ck_assert_int_eq(vkd_program_create(dev, c->g, c->params,
                                        &(struct vkd_program_params) { .training = c->training, .backward = true },
                                        &c->program), VKD_OK);
}

static void write_input(struct golden_case *c, const char *name, const void *memory, uint64_t size)
{
    struct vkd_range r;
    ck_assert_int_eq(vkd_program_range(c->program, name, &r), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, r.buffer, r.ofs, memory, size), VKD_OK);
}

static void feed_labels(struct golden_case *c, const struct input *in)
{
    float *labels = golden_values(stored(c, ".", in->name));
    uint32_t *memory = calloc(vkd__numel(in->in_memory), 4);
    for (uint64_t i = 0; i < in->shape[0]; i++)
        memory[i] = labels[i] < 0 ? 0xffffffffu : (uint32_t) labels[i];
    write_input(c, in->name, memory, vkd__numel(in->in_memory) * 4);
    free(memory);
    free(labels);
}

static void feed(struct golden_case *c, const struct input *in)
{
    char name[128];
    uint64_t count = (uint64_t) in->four[0] * in->four[1] * in->four[2] * in->four[3];
    snprintf(name, sizeof(name), "%s.%s", c->name, in->name);
    float *values = golden_numbers(name, count, in->low, in->high);
    for (uint64_t i = 0; is(in->kind, "targets") && i < count; i++)
        values[i] = floorf(values[i]);
    float *memory = calloc(vkd__numel(in->in_memory), sizeof(*memory));
    golden_copy(is_weight(in->kind), true, in->four, in->in_memory, values, memory);
    int index = vkd_params_find(c->params, in->name);
    if (index >= 0)
        ck_assert_int_eq(vkd_params_write(c->params, (uint32_t) index, memory), VKD_OK);
    else
        write_input(c, in->name, memory, vkd__numel(in->in_memory) * sizeof(*memory));
    free(memory);
    free(values);
}

static void run(struct golden_case *c)
{
    uint64_t ticket;
    const struct vkd__st_tensor *y = stored(c, ".y", "");
    for (uint32_t i = 0; i < c->input_count; i++) {
        if (is(c->inputs[i].kind, "labels"))
            feed_labels(c, &c->inputs[i]);
        else
            feed(c, &c->inputs[i]);
    }
    if (y->rank) {
        struct input dy = { .name = "dy", .kind = "image", .low = -1, .high = 1 };
        golden_four(y->shape, y->rank, dy.four);
        dy.in_memory = (struct vkd_shape) { { dy.four[0], dy.four[2], dy.four[3], dy.four[1] } };
        feed(c, &dy);
    }
    ck_assert_int_eq(vkd_program_run(c->program, NULL, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(dev, ticket, UINT64_MAX, NULL), VKD_OK);
}

// ---- Comparing ----

// Compares `memory` with what is recorded as CASE + between + name, and wants zeros in the padding.
static void compare(struct golden_case *c, bool weight, struct vkd_shape s, float *memory, const char *between,
                    const char *name)
{
    const struct vkd__st_tensor *t = stored(c, between, name);
    uint32_t four[4];
    double sum_all = 0, sum_got = 0;
    golden_four(t->shape, t->rank, four);
    float *want = golden_values(t), *got = malloc((t->numel + 1) * sizeof(*got));
    golden_copy(weight, false, four, s, got, memory);
    double d = golden_distance(got, want, t->numel);
    c->worst = d > c->worst || isnan(d) ? d : c->worst;
    ck_assert_msg(d <= 1e-5, "%s%s%s differs by %.1e", c->name, between, name, d);
    for (uint64_t i = 0; i < vkd__numel(s); i++)
        sum_all += fabs((double) memory[i]);
    for (uint64_t i = 0; i < t->numel; i++)
        sum_got += fabs((double) got[i]);
    ck_assert_msg(fabs(sum_all - sum_got) <= 1e-9 * sum_got, "%s%s%s: the padding is not zero", c->name, between, name);
    free(want);
    free(got);
}

static void check_y(struct golden_case *c)
{
    struct vkd_range r;
    struct vkd_shape s = vkd_tensor_shape(vkd_graph_find(c->g, "output"));
    float *memory = malloc(vkd__numel(s) * sizeof(*memory));
    ck_assert_int_eq(vkd_program_range(c->program, "output", &r), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, r.buffer, r.ofs, memory, vkd__numel(s) * sizeof(*memory)), VKD_OK);
    compare(c, false, s, memory, ".y", "");
    free(memory);
}

static void check_param(struct golden_case *c, const struct input *in)
{
    uint32_t index = (uint32_t) vkd_params_find(c->params, in->name);
    float *memory = malloc(vkd__numel(in->in_memory) * sizeof(*memory));
    if (in->grad)
        ck_assert_int_eq(vkd_params_read_grad(c->params, index, memory), VKD_OK);
    else
        ck_assert_int_eq(vkd_params_read(c->params, index, memory), VKD_OK);
    compare(c, is_weight(in->kind), in->in_memory, memory, in->grad ? ".d." : ".after.", in->name);
    free(memory);
}

static void check_case(const char *name)
{
    struct golden_case c;
    read_case(&c, name);
    build(&c);
    run(&c);
    check_y(&c);
    for (uint32_t i = 0; i < c.input_count; i++)
        if (c.inputs[i].grad || is(c.inputs[i].kind, "state"))
            check_param(&c, &c.inputs[i]);
    if (getenv("VKDIV_LOG"))
        fprintf(stderr, "%-28s %.1e\n", c.name, c.worst);
    vkd_program_destroy(&c.program);
    vkd_params_destroy(&c.params);
    vkd_graph_destroy(&c.g);
    json_decref(c.json);
}

START_TEST(same_numbers)
{
    const struct vkd__st_tensor *t = vkd__st_find(file, "generator");
    ck_assert_ptr_nonnull(t);
    float *want = golden_values(t), *got = golden_numbers("generator", t->numel, 0, 1);
    ck_assert(!memcmp(got, want, t->numel * sizeof(*got)));
    free(want);
    free(got);
}
END_TEST

START_TEST(every_operation)
{
    uint32_t cases = 0;
    for (uint32_t i = 0; i < vkd__st_count(file); i++) {
        const char *name = vkd__st_at(file, i)->name, *end = strstr(name, ".y");
        char text[96];
        if (!end || end[2])
            continue;
        snprintf(text, sizeof(text), "%.*s", (int) (end - name), name);
        if (vkd__st_metadata(file, text)) {
            check_case(text);
            cases++;
        }
    }
    ck_assert_uint_ge(cases, 40);
}
END_TEST

static void open_all(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
    file = golden_open("ops", vkd_device_log(dev));
}

static void close_all(void)
{
    vkd__st_close(&file);
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("golden");
    TCase *t = tcase_create("operations");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_all, close_all);
    tcase_add_test(t, same_numbers);
    tcase_add_test(t, every_operation);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
