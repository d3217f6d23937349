// ssl_world.c -- see ssl_world.h.
#include "tests/ssl_world.h"
#include "tests/golden.h"

#include <jansson.h>
#include <stddef.h>

static const char *input_name(char text[64], const char *who, uint32_t view, uint32_t out, const char *suffix)
{
    snprintf(text, 64, "%s%u.%u%s", who, view, out, suffix);
    return text;
}

// ---- Building ----

static void build(struct ssl_world *w, const struct ssl_world_params *p)
{
    char name[64];
    w->p = *p;
    w->method = vkd__ssl_find(p->method);
    ck_assert_msg(w->method != NULL, "there is no method %s", p->method);
    w->config = p->config ? *p->config : w->method->config;
    struct vkd__ssl_inputs in = { .batch = p->batch, .views = p->views, .large = p->large };
    for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++) {
        for (uint32_t v = 0; v < p->views && p->student[o]; v++)
            in.student[v][o] = vkd_input_grad(w->g, input_name(name, "student", v, o, ""),
                                              (struct vkd_shape) { { p->batch, 1, 1, p->student[o] } });
        for (uint32_t v = 0; v < p->large && p->teacher[o]; v++)
            in.teacher[v][o] = vkd_input(w->g, input_name(name, "teacher", v, o, ""), VKD_F32,
                                         (struct vkd_shape) { { p->batch, 1, 1, p->teacher[o] } });
    }
    if (w->method->labels)
        in.labels = vkd_input(w->g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, p->batch } });
    vkd_scope_begin(w->g, &(struct vkd_scope) { .shared = true });
    vkd_tensor *loss = w->method->loss(w->g, &in, &w->config);
    vkd_scope_end(w->g);
    vkd_graph_loss(w->g, loss);
    vkd_mark(w->g, loss, "loss");
    // A store cannot be empty, and gradients ask for something to train.
    vkd_param(w->g, &(struct vkd_param_params) { .name = "unused", .shape = { { 1, 1, 1, 1 } } });
}

static void compile(struct ssl_world *w)
{
    ck_assert_msg(!vkd_graph_error(w->g), "%s: %s", w->p.method, vkd_graph_error(w->g));
    ck_assert_int_eq(vkd_params_create(w->dev, w->g, true, &w->params), VKD_OK);
    ck_assert_int_eq(vkd_params_init(w->params, 1), VKD_OK);
    ck_assert_int_eq(vkd_program_create(w->dev, w->g, w->params,
                                        &(struct vkd_program_params) { .training = true, .backward = true }, &w->program),
                     VKD_OK);
}

void ssl_world_open(struct ssl_world *w, vkd_device *dev, const struct ssl_world_params *p)
{
    *w = (struct ssl_world) { .dev = dev };
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &w->g), VKD_OK);
    build(w, p);
    compile(w);
}

void ssl_world_close(struct ssl_world *w)
{
    vkd_program_destroy(&w->program);
    vkd_params_destroy(&w->params);
    vkd_graph_destroy(&w->g);
}

void ssl_world_refusal(const struct ssl_world_params *p, char *text, size_t size)
{
    struct ssl_world w = { .dev = NULL };
    ck_assert_int_eq(vkd_graph_create(NULL, &w.g), VKD_OK);
    build(&w, p);
    snprintf(text, size, "%s", vkd_graph_error(w.g) ? vkd_graph_error(w.g) : "");
    vkd_graph_destroy(&w.g);
}

// ---- Values ----

// Copies between `values` (rows x columns) and a tensor's padded memory.
static void copy(struct vkd_shape s, bool to_memory, float *values, float *memory)
{
    for (uint32_t r = 0; r < vkd__rows(s); r++)
        for (uint32_t c = 0; c < s.d[3]; c++) {
            float *there = memory + (uint64_t) r * vkd__pad4(s.d[3]) + c, *here = values + (uint64_t) r * s.d[3] + c;
            if (to_memory)
                *there = *here;
            else
                *here = *there;
        }
}

static void write_tensor(struct ssl_world *w, const char *name, const float *values)
{
    struct vkd_range range;
    struct vkd_shape s = vkd_tensor_shape(vkd_graph_find(w->g, name));
    ck_assert_int_eq(vkd_program_range(w->program, name, &range), VKD_OK);
    float *memory = calloc(vkd__numel(s), sizeof(*memory));
    copy(s, true, (float *) values, memory);
    ck_assert_int_eq(vkd_buffer_write(w->dev, range.buffer, range.ofs, memory, vkd__numel(s) * 4), VKD_OK);
    free(memory);
}

static void read_tensor(struct ssl_world *w, const char *name, float *values)
{
    struct vkd_range range;
    struct vkd_shape s = vkd_tensor_shape(vkd_graph_find(w->g, name));
    ck_assert_int_eq(vkd_program_range(w->program, name, &range), VKD_OK);
    float *memory = malloc(vkd__numel(s) * sizeof(*memory));
    ck_assert_int_eq(vkd_buffer_read(w->dev, range.buffer, range.ofs, memory, vkd__numel(s) * 4), VKD_OK);
    copy(s, false, values, memory);
    free(memory);
}

void ssl_world_student(struct ssl_world *w, uint32_t view, uint32_t out, const float *values)
{
    char name[64];
    write_tensor(w, input_name(name, "student", view, out, ""), values);
}

void ssl_world_teacher(struct ssl_world *w, uint32_t view, uint32_t out, const float *values)
{
    char name[64];
    write_tensor(w, input_name(name, "teacher", view, out, ""), values);
}

void ssl_world_labels(struct ssl_world *w, const uint32_t *labels)
{
    struct vkd_range range;
    ck_assert_int_eq(vkd_program_range(w->program, "labels", &range), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(w->dev, range.buffer, range.ofs, labels, w->p.batch * 4ull), VKD_OK);
}

double ssl_world_step(struct ssl_world *w, const struct vkd_step_block *step)
{
    uint64_t ticket;
    float loss;
    ck_assert_int_eq(vkd_program_run(w->program, step, &ticket), VKD_OK);
    ck_assert_int_eq(vkd_wait(w->dev, ticket, UINT64_MAX, NULL), VKD_OK);
    read_tensor(w, "loss", &loss);
    return (double) loss;
}

void ssl_world_grad(struct ssl_world *w, uint32_t view, uint32_t out, float *values)
{
    char name[64];
    read_tensor(w, input_name(name, "student", view, out, ".grad"), values);
}

void ssl_world_read_state(struct ssl_world *w, const char *name, float *values)
{
    read_tensor(w, name, values);
}

void ssl_world_write_state(struct ssl_world *w, const char *name, const float *values)
{
    write_tensor(w, name, values);
}

// ---- Recorded cases ----

#define U32_FIELD(name) { #name, offsetof(struct vkd__ssl_config, name), false }
#define F32_FIELD(name) { #name, offsetof(struct vkd__ssl_config, name), true }
static const struct { const char *name; size_t ofs; bool real; } fields[] = {
    U32_FIELD(projector_hidden), U32_FIELD(projector_out), U32_FIELD(projector_layers), U32_FIELD(predictor_hidden),
    U32_FIELD(prototypes), U32_FIELD(queue), U32_FIELD(iterations), F32_FIELD(queue_start), F32_FIELD(frozen_epochs),
    F32_FIELD(temperature), F32_FIELD(teacher_temperature), F32_FIELD(momentum), F32_FIELD(momentum_end),
    F32_FIELD(center_momentum), F32_FIELD(epsilon), F32_FIELD(lambda), F32_FIELD(scale), F32_FIELD(invariance),
    F32_FIELD(variance), F32_FIELD(covariance),
};

static void read_config(json_t *json, struct vkd__ssl_config *c)
{
    const char *key;
    json_t *value;
    json_object_foreach(json, key, value) {
        size_t i = 0;
        while (i < sizeof(fields) / sizeof(fields[0]) && strcmp(fields[i].name, key))
            i++;
        ck_assert_msg(i < sizeof(fields) / sizeof(fields[0]), "no setting is called %s", key);
        char *at = (char *) c + fields[i].ofs;
        float real = (float) json_number_value(value);
        uint32_t whole = (uint32_t) json_integer_value(value);
        memcpy(at, fields[i].real ? (void *) &real : (void *) &whole, 4);
    }
}

static uint32_t read_u32(json_t *json, const char *key)
{
    return (uint32_t) json_integer_value(json_object_get(json, key));
}

static void read_widths(json_t *json, const char *key, uint32_t widths[VKD__SSL_OUT_MAX])
{
    for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++)
        widths[o] = (uint32_t) json_integer_value(json_array_get(json_object_get(json, key), o));
}

struct golden_run {
    struct ssl_world w;
    const vkd__st_file *file;
    const char *name;
    double worst, tolerance;
};

// Compares `got` with step `step` of what is recorded as NAME.what; frees it.
static void compare(struct golden_run *r, const char *what, uint32_t step, uint32_t steps, float *got)
{
    const struct vkd__st_tensor *t = golden_tensor(r->file, r->name, ".", what);
    ck_assert_msg(t != NULL, "%s.%s is not recorded", r->name, what);
    uint64_t count = t->numel / steps;
    float *want = golden_values(t);
    double d = golden_distance(got, want + step * count, count);
    ck_assert_msg(d <= r->tolerance, "%s.%s of step %u differs by %.1e", r->name, what, step, d);
    r->worst = d > r->worst ? d : r->worst;
    free(want);
    free(got);
}

// The numbers that both sides compute for one embedding of one step.
static void feed(struct golden_run *r, const char *who, uint32_t view, uint32_t out, uint32_t step, uint32_t width)
{
    char input[64], name[192];
    snprintf(name, sizeof(name), "%s.%u.%s", r->name, step, input_name(input, who, view, out, ""));
    float *values = golden_numbers(name, (uint64_t) r->w.p.batch * width, -1, 1);
    write_tensor(&r->w, input, values);
    free(values);
}

static void feed_all(struct golden_run *r, uint32_t step, uint32_t steps)
{
    const struct ssl_world_params *p = &r->w.p;
    for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++) {
        for (uint32_t v = 0; v < p->views && p->student[o]; v++)
            feed(r, "student", v, o, step, p->student[o]);
        for (uint32_t v = 0; v < p->large && p->teacher[o]; v++)
            feed(r, "teacher", v, o, step, p->teacher[o]);
    }
    if (!r->w.method->labels)
        return;
    const struct vkd__st_tensor *t = golden_tensor(r->file, r->name, ".", "labels");
    ck_assert_msg(t && t->numel == (uint64_t) steps * p->batch, "%s.labels is not recorded", r->name);
    float *values = golden_values(t);
    uint32_t *labels = calloc(p->batch, sizeof(*labels));
    for (uint32_t i = 0; i < p->batch; i++) {
        float v = values[(uint64_t) step * p->batch + i];
        labels[i] = v < 0 ? 0xffffffffu : (uint32_t) v;
    }
    ssl_world_labels(&r->w, labels);
    free(labels);
    free(values);
}

static uint64_t state_size(struct golden_run *r, const char *state)
{
    struct vkd_shape s = vkd_tensor_shape(vkd_graph_find(r->w.g, state));
    ck_assert_msg(s.d[3] > 0, "%s has no state %s", r->name, state);
    return (uint64_t) vkd__rows(s) * s.d[3];
}

static void run_step(struct golden_run *r, json_t *json, uint32_t step, uint32_t steps)
{
    char input[64], what[96];
    json_t *block = json_array_get(json_object_get(json, "steps"), step), *states = json_object_get(json, "states");
    struct vkd_step_block b = {
        .step = step, .epoch = read_u32(block, "epoch"), .image_count = r->w.p.batch,
        .queue_row = read_u32(block, "queue_row"), .queue_on = read_u32(block, "queue_on"),
    };
    feed_all(r, step, steps);
    float *loss = malloc(sizeof(*loss));
    *loss = (float) ssl_world_step(&r->w, &b);
    compare(r, "loss", step, steps, loss);
    for (uint32_t o = 0; o < VKD__SSL_OUT_MAX; o++)
        for (uint32_t v = 0; v < r->w.p.views && r->w.p.student[o]; v++) {
            snprintf(what, sizeof(what), "d.%s", input_name(input, "student", v, o, ""));
            if (!golden_tensor(r->file, r->name, ".", what))
                continue;           // the loss does not depend on it
            float *grad = malloc((uint64_t) r->w.p.batch * r->w.p.student[o] * sizeof(*grad));
            ssl_world_grad(&r->w, v, o, grad);
            compare(r, what, step, steps, grad);
        }
    for (size_t i = 0; i < json_array_size(states); i++) {
        const char *state = json_string_value(json_array_get(states, i));
        float *values = malloc(state_size(r, state) * sizeof(*values));
        ssl_world_read_state(&r->w, state, values);
        snprintf(what, sizeof(what), "after.%s", state);
        compare(r, what, step, steps, values);
    }
}

double ssl_world_golden(vkd_device *dev, const vkd__st_file *file, const char *name, double tolerance)
{
    struct golden_run r = { .file = file, .name = name, .tolerance = tolerance };
    const char *text = vkd__st_metadata(file, name);
    json_t *json = text ? json_loads(text, 0, NULL) : NULL;
    ck_assert_msg(json != NULL, "%s is not recorded", name);
    struct ssl_world_params p = {
        .method = json_string_value(json_object_get(json, "method")),
        .batch = read_u32(json, "batch"), .views = read_u32(json, "views"), .large = read_u32(json, "large"),
    };
    read_widths(json, "student", p.student);
    read_widths(json, "teacher", p.teacher);
    ck_assert_msg(vkd__ssl_find(p.method) != NULL, "%s: there is no method %s", name, p.method);
    struct vkd__ssl_config config = vkd__ssl_find(p.method)->config;
    read_config(json_object_get(json, "config"), &config);
    p.config = &config;
    ssl_world_open(&r.w, dev, &p);
    json_t *states = json_object_get(json, "states");
    for (size_t i = 0; i < json_array_size(states); i++) {
        char start[192];
        const char *state = json_string_value(json_array_get(states, i));
        snprintf(start, sizeof(start), "%s.%s", name, state);
        float *values = golden_numbers(start, state_size(&r, state), -1, 1);
        ssl_world_write_state(&r.w, state, values);
        free(values);
    }
    uint32_t steps = (uint32_t) json_array_size(json_object_get(json, "steps"));
    for (uint32_t step = 0; step < steps; step++)
        run_step(&r, json, step, steps);
    if (getenv("VKDIV_LOG"))
        fprintf(stderr, "%-28s %.1e\n", name, r.worst);
    ssl_world_close(&r.w);
    json_decref(json);
    return r.worst;
}

void ssl_world_golden_all(vkd_device *dev, const vkd__st_file *file, uint32_t least, double tolerance)
{
    uint32_t cases = 0;
    for (uint32_t i = 0; i < vkd__st_count(file); i++) {
        char name[96];
        const char *t = vkd__st_at(file, i)->name, *end = strstr(t, ".loss");
        if (!end || end[5])
            continue;
        snprintf(name, sizeof(name), "%.*s", (int) (end - t), t);
        ssl_world_golden(dev, file, name, tolerance);
        cases++;
    }
    ck_assert_uint_ge(cases, least);
}

// ---- Heads ----

static vkd_tensor *features(vkd_graph *g, const char *who, uint32_t view, uint32_t batch, uint32_t width)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%u", who, view);
    return vkd_input_grad(g, name, (struct vkd_shape) { { batch, 1, 1, width } });
}

// Student and teacher heads of every view, as training makes them.
static void build_heads(struct ssl_world *w, uint32_t width)
{
    struct vkd__ssl_inputs in = { .batch = w->p.batch, .views = w->p.views, .large = w->p.large };
    for (uint32_t v = 0; v < w->p.views; v++) {
        vkd_tensor *x = features(w->g, "features", v, w->p.batch, width);
        vkd_scope_begin(w->g, &(struct vkd_scope) { .shared = true });
        w->method->embed(w->g, x, &w->config, false, in.student[v]);
        vkd_scope_end(w->g);
    }
    for (uint32_t v = 0; w->method->teacher && v < w->p.large; v++) {
        vkd_tensor *x = vkd_detach(w->g, features(w->g, "targets", v, w->p.batch, width));
        vkd_scope_begin(w->g, &(struct vkd_scope) { .params = "teacher.", .shared = true, .frozen = true });
        w->method->embed(w->g, x, &w->config, true, in.teacher[v]);
        vkd_scope_end(w->g);
    }
    if (w->method->labels)
        in.labels = vkd_input(w->g, "labels", VKD_U32, (struct vkd_shape) { { 1, 1, 1, w->p.batch } });
    vkd_scope_begin(w->g, &(struct vkd_scope) { .shared = true });
    vkd_tensor *loss = w->method->loss(w->g, &in, &w->config);
    vkd_scope_end(w->g);
    vkd_graph_loss(w->g, loss);
    vkd_mark(w->g, loss, "loss");
}

static double sum_of_magnitudes(const float *v, uint64_t count)
{
    double sum = 0;
    for (uint64_t i = 0; i < count; i++)
        sum += fabs((double) v[i]);
    return sum;
}

static void check_gradients(struct ssl_world *w, uint32_t width, const char *const *names)
{
    char name[64];
    for (uint32_t i = 0; i < vkd_params_count(w->params); i++) {
        const struct vkd_param_info *info = vkd_params_at(w->params, i);
        if (names)
            ck_assert_msg(names[i] && !strcmp(names[i], info->name), "parameter %u is %s, expected %s", i, info->name,
                          names[i] ? names[i] : "no more");
        if (info->state)
            continue;
        float *grad = malloc(info->numel * sizeof(*grad));
        ck_assert_int_eq(vkd_params_read_grad(w->params, i, grad), VKD_OK);
        double sum = sum_of_magnitudes(grad, info->numel);
        ck_assert_msg(sum > 0 && isfinite(sum), "the gradient of %s sums to %g", info->name, sum);
        free(grad);
    }
    if (names)
        ck_assert_msg(!names[vkd_params_count(w->params)], "parameter %s is missing", names[vkd_params_count(w->params)]);
    for (uint32_t v = 0; v < w->p.views; v++) {
        float *grad = malloc((uint64_t) w->p.batch * width * sizeof(*grad));
        snprintf(name, sizeof(name), "features%u.grad", v);
        read_tensor(w, name, grad);
        double sum = sum_of_magnitudes(grad, (uint64_t) w->p.batch * width);
        ck_assert_msg(sum > 0 && isfinite(sum), "the gradient of view %u sums to %g", v, sum);
        free(grad);
    }
}

void ssl_world_heads(vkd_device *dev, const struct ssl_world_params *p, uint32_t width, const char *const *names)
{
    struct ssl_world w = { .p = *p, .dev = dev, .method = vkd__ssl_find(p->method) };
    ck_assert_msg(w.method != NULL, "there is no method %s", p->method);
    w.config = p->config ? *p->config : w.method->config;
    ck_assert_int_eq(vkd_graph_create(vkd_device_log(dev), &w.g), VKD_OK);
    build_heads(&w, width);
    compile(&w);
    for (uint32_t v = 0; v < p->views; v++) {
        static const char *const who[] = { "features", "targets" };
        for (int t = 0; t < (v < p->large && w.method->teacher ? 2 : 1); t++) {
            char name[64];
            snprintf(name, sizeof(name), "%s%u", who[t], v);
            float *values = golden_numbers(name, (uint64_t) p->batch * width, -1, 1);
            write_tensor(&w, name, values);
            free(values);
        }
    }
    if (w.method->labels) {
        uint32_t *labels = calloc(p->batch, sizeof(*labels));
        for (uint32_t i = 0; i < p->batch; i++)
            labels[i] = i / 2;
        ssl_world_labels(&w, labels);
        free(labels);
    }
    double loss = ssl_world_step(&w, NULL);
    ck_assert_msg(isfinite(loss), "%s: the loss is %g", p->method, loss);
    check_gradients(&w, width, names);
    ssl_world_close(&w);
}
