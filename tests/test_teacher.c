// test_teacher.c -- a teacher against double and PyTorch (tests/golden/teacher.json), its pairs, columns kept at length 1.
#include <vkdiv/optimizer.h>

#include "engine/op.h"
#include "engine/teacher.h"
#include "engine/unit_columns.h"
#include "golden_numbers.h"
#include "gpu.h"
#include "metrics_block.h"
#include "step_block.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#define OK(call) ck_assert_int_eq((call), VKD_OK)

static vkd_device *dev;

// ---- A student and its teacher ----

enum shape_kind { GOOD, NO_PARTNER, OTHER_SHAPE, TRAINABLE, NO_TEACHER };

static void declare(vkd_graph *g, const char *name, struct vkd_shape shape, bool state)
{
    vkd_param(g, &(struct vkd_param_params) { .name = name, .shape = shape, .state = state, .init = VKD_INIT_LINEAR });
}

// The student's `large` comes last, the teacher's first.
static void declare_net(vkd_graph *g, bool reverse, uint32_t width)
{
    if (reverse)
        declare(g, "large.weight", (struct vkd_shape) { { 3, 3, 64, 65 } }, false);
    declare(g, "conv.weight", (struct vkd_shape) { { 1, 1, 5, width } }, false);
    declare(g, "bn.weight", (struct vkd_shape) { { 1, 1, 1, 1 } }, false);
    declare(g, "bn.running_mean", (struct vkd_shape) { { 1, 1, 1, 9 } }, true);
    declare(g, "prototypes.weight", (struct vkd_shape) { { 1, 1, 67, 301 } }, false);
    if (!reverse)
        declare(g, "large.weight", (struct vkd_shape) { { 3, 3, 64, 65 } }, false);
}

static vkd_params *make(enum shape_kind kind)
{
    vkd_graph *g = NULL;
    vkd_params *params = NULL;
    OK(vkd_graph_create(vkd_device_log(dev), &g));
    declare_net(g, false, 7);
    if (kind != NO_TEACHER) {
        vkd_scope_begin(g, &(struct vkd_scope) { .params = "teacher.", .frozen = kind != TRAINABLE });
        declare_net(g, true, kind == OTHER_SHAPE ? 8 : 7);
        if (kind == NO_PARTNER)
            declare(g, "extra.weight", (struct vkd_shape) { { 1, 1, 1, 3 } }, false);
        vkd_scope_end(g);
    }
    OK(vkd_params_create(dev, g, true, &params));
    OK(vkd_params_init(params, 1));
    vkd_graph_destroy(&g);
    return params;
}

struct world {
    vkd_params *params;
    vkd_optimizer *opt;         // for its metrics
    vkd__teacher *teacher;
    vkd_commands *cmds;
    vkd_buffer *step;
    uint64_t count;             // of all values
};

static void world_open(struct world *w, const struct vkd_caps *caps)
{
    struct vkd_optimizer_config config;
    w->params = make(GOOD);
    w->count = vkd_params_values(w->params).size / 4;
    OK(vkd_optimizer_defaults("sgd", &config));
    OK(vkd_optimizer_create(dev, w->params, &config, &w->opt));
    OK(vkd__teacher_create(&(struct vkd__teacher_params) { dev, w->params, "teacher.", caps }, &w->teacher));
    OK(vkd_buffer_create(dev, sizeof(struct vkd_step_block), VKD_MEMORY_DEVICE, &w->step));
    OK(vkd_commands_create(dev, &w->cmds));
    OK(vkd_commands_begin(w->cmds));
    vkd__teacher_record(w->teacher, w->cmds, (struct vkd_range) { w->step, 0, 0 }, vkd_optimizer_metrics(w->opt));
    OK(vkd_commands_end(w->cmds));
}

static void world_close(struct world *w)
{
    vkd_commands_destroy(dev, &w->cmds);
    vkd_buffer_destroy(dev, &w->step);
    vkd__teacher_destroy(&w->teacher);
    vkd_optimizer_destroy(&w->opt);
    vkd_params_destroy(&w->params);
}

static float *values(const struct world *w)
{
    float *data = malloc(4 * w->count);
    OK(vkd_buffer_read(dev, vkd_params_values(w->params).buffer, 0, data, 4 * w->count));
    return data;
}

static void submit(const struct world *w, vkd_commands *cmds, float decay, bool rejected)
{
    struct vkd_step_block step = { .teacher_decay = decay };
    struct vkd_metrics_block metrics = { .nonfinite = rejected };
    struct vkd_range range = vkd_optimizer_metrics(w->opt);
    uint64_t ticket;
    OK(vkd_buffer_write(dev, w->step, 0, &step, sizeof(step)));
    OK(vkd_buffer_write(dev, range.buffer, range.ofs, &metrics, sizeof(metrics)));
    OK(vkd_submit(dev, &cmds, 1, &ticket));
    OK(vkd_wait(dev, ticket, UINT64_MAX, NULL));
}

// Other weights, as if a step had been made: padding stays 0, the teacher's are not touched.
static void change_student(const struct world *w, uint32_t seed)
{
    vkd_params *other = make(GOOD);
    OK(vkd_params_init(other, seed));
    for (uint32_t i = 0; i < vkd_params_count(other); i++) {
        const struct vkd_param_info *p = vkd_params_at(other, i);
        float *data = malloc(4 * p->numel);
        OK(vkd_params_read(other, i, data));
        if (!strncmp(p->name, "bn.running", 10))
            data[0] = (float) seed;
        if (strncmp(p->name, "teacher.", 8))
            OK(vkd_params_write(w->params, i, data));
        free(data);
    }
    vkd_params_destroy(&other);
}

// ---- The average ----

// Two steps with changing decay, against double; returns all values (malloc'd).
static float *two_steps(const struct vkd_caps *caps)
{
    static const float decays[] = { 0.75f, 0.99f };
    struct world w;
    world_open(&w, caps);
    change_student(&w, 2);
    OK(vkd__teacher_reset(w.teacher));
    float *now = values(&w);
    double *exact = malloc(w.count * sizeof(*exact));
    for (uint64_t i = 0; i < w.count; i++)
        exact[i] = (double) now[i];
    for (uint32_t i = 0; i < vkd_params_count(w.params); i++) {
        const struct vkd_param_info *p = vkd_params_at(w.params, i);
        if (!strncmp(p->name, "teacher.", 8)) {
            const struct vkd_param_info *s = vkd_params_at(w.params, (uint32_t) vkd_params_find(w.params, p->name + 8));
            ck_assert_msg(!memcmp(now + p->ofs, now + s->ofs, 4 * p->numel), "%s", p->name);
        }
    }
    free(now);
    for (uint32_t k = 0; k < 2; k++) {
        change_student(&w, 3 + k);
        now = values(&w);
        submit(&w, w.cmds, decays[k], false);
        for (uint32_t i = 0; i < vkd_params_count(w.params); i++) {
            const struct vkd_param_info *p = vkd_params_at(w.params, i), *s;
            if (strncmp(p->name, "teacher.", 8) || strstr(p->name, "running"))
                continue;
            s = vkd_params_at(w.params, (uint32_t) vkd_params_find(w.params, p->name + 8));
            for (uint64_t e = 0; e < p->numel; e++)
                exact[p->ofs + e] = (double) decays[k] * exact[p->ofs + e] +
                                    (1 - (double) decays[k]) * (double) now[s->ofs + e];
        }
        free(now);
    }
    now = values(&w);
    for (uint32_t i = 0; i < vkd_params_count(w.params); i++) {
        const struct vkd_param_info *p = vkd_params_at(w.params, i);
        for (uint64_t e = p->ofs; e < p->ofs + p->numel && !strncmp(p->name, "teacher.", 8); e++)
            ck_assert_msg(fabs((double) now[e] - exact[e]) <= 1e-7, "%s[%llu]: expected %.9g, found %.9g", p->name,
                          (unsigned long long) (e - p->ofs), exact[e], (double) now[e]);
    }
    free(exact);
    world_close(&w);
    return now;
}

START_TEST(average)
{
    vkd_params *p = make(GOOD);
    uint64_t size = vkd_params_values(p).size;
    vkd_params_destroy(&p);
    float *first = two_steps(NULL);
    struct vkd_caps caps = *vkd_device_caps(dev);
    static const struct { uint64_t range; uint32_t groups; } limits[] = { { 0, 0 }, { 32768, 0 }, { 0, 3 }, { 50000, 2 } };
    for (uint32_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        caps.storage_range_max = limits[i].range ? limits[i].range : vkd_device_caps(dev)->storage_range_max;
        caps.group_count_max[0] = limits[i].groups ? limits[i].groups : vkd_device_caps(dev)->group_count_max[0];
        float *again = two_steps(&caps);
        ck_assert_msg(!memcmp(first, again, size), "row %u differs", i);
        free(again);
    }
    free(first);
}
END_TEST

// Writes the recorded student of a step into conv.weight, or reads the teacher's from there: 5 rows of 7, padded.
static void conv_weight(const struct world *w, const char *name, uint32_t student, float *read)
{
    uint32_t index = (uint32_t) vkd_params_find(w->params, name);
    const struct vkd_param_info *p = vkd_params_at(w->params, index);
    float *data = malloc(4 * p->numel);
    OK(vkd_params_read(w->params, index, data));
    char numbers[32];
    snprintf(numbers, sizeof(numbers), "student.%u", student);
    float *golden = golden_numbers(numbers, 35, -1, 1);
    for (uint32_t i = 0; i < 35; i++) {
        float *at = &data[i / 7 * vkd__pad4(7) + i % 7];
        if (read)
            read[i] = *at;
        else
            *at = golden[i];
    }
    if (!read)
        OK(vkd_params_write(w->params, index, data));
    free(golden);
    free(data);
}

START_TEST(like_pytorch)
{
    json_t *golden = json_load_file(VKD_SOURCE_DIR "/tests/golden/teacher.json", 0, NULL);
    ck_assert_ptr_nonnull(golden);
    const json_t *decays = json_object_get(golden, "decays"), *after = json_object_get(golden, "after");
    double from = json_number_value(json_object_get(golden, "from")), to = json_number_value(json_object_get(golden, "to"));
    uint32_t steps = (uint32_t) json_integer_value(json_object_get(golden, "steps"));
    ck_assert_uint_eq(json_array_size(decays), steps);
    for (uint32_t i = 0; i < steps; i++)
        ck_assert_double_eq_tol(vkd__teacher_decay(from, to, i, steps), json_number_value(json_array_get(decays, i)), 1e-11);
    struct world w;
    world_open(&w, NULL);
    conv_weight(&w, "conv.weight", 0, NULL);
    OK(vkd__teacher_reset(w.teacher));
    for (uint32_t k = 1; k <= 2; k++) {
        float got[35];
        conv_weight(&w, "conv.weight", k, NULL);
        submit(&w, w.cmds, (float) vkd__teacher_decay(from, to, k, steps), false);
        conv_weight(&w, "teacher.conv.weight", 0, got);
        for (uint32_t i = 0; i < 35; i++)
            ck_assert_double_eq_tol(got[i], json_number_value(json_array_get(json_array_get(after, k - 1), i)), 2e-7);
    }
    world_close(&w);
    json_decref(golden);
}
END_TEST

START_TEST(unchanged)
{
    struct world w;
    world_open(&w, NULL);
    change_student(&w, 5);
    float *before = values(&w);
    submit(&w, w.cmds, 0.5f, true);
    float *after = values(&w);
    ck_assert(!memcmp(before, after, 4 * w.count));
    free(after);
    submit(&w, w.cmds, 1, false);
    after = values(&w);
    ck_assert(!memcmp(before, after, 4 * w.count));
    free(after);
    submit(&w, w.cmds, 0.5f, false);
    after = values(&w);
    ck_assert(memcmp(before, after, 4 * w.count));
    free(after);
    free(before);
    world_close(&w);
}
END_TEST

START_TEST(refused)
{
    static const struct { enum shape_kind kind; const char *text; } rows[] = {
        { NO_PARTNER, "teacher.extra.weight has no partner" }, { OTHER_SHAPE, "teacher.conv.weight has another shape" },
        { TRAINABLE, "teacher.large.weight is trainable" }, { NO_TEACHER, "teacher. begins the name of no parameter" },
    };
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        vkd__teacher *t = NULL;
        vkd_params *p = make(rows[i].kind);
        ck_assert_int_eq(vkd__teacher_create(&(struct vkd__teacher_params) { dev, p, "teacher.", NULL }, &t), VKD_INVALID);
        ck_assert_ptr_null(t);
        ck_assert_msg(strstr(gpu_last_error, rows[i].text) != NULL, "%s", gpu_last_error);
        vkd_params_destroy(&p);
    }
}
END_TEST

START_TEST(decay)
{
    const double pi = acos(-1.0);
    ck_assert_double_eq(vkd__teacher_decay(0.99, 1, 0, 100), 0.99);
    ck_assert_double_eq_tol(vkd__teacher_decay(0.99, 1, 50, 100), 0.995, 1e-15);
    ck_assert_double_eq_tol(vkd__teacher_decay(0.99, 1, 17, 100), 1 - 0.01 * (cos(pi * 0.17) + 1) / 2, 1e-15);
    ck_assert_double_eq(vkd__teacher_decay(0.99, 1, 100, 100), 1);
    ck_assert_double_eq(vkd__teacher_decay(0.99, 0.999, 1000, 100), 0.999);
    ck_assert_double_eq(vkd__teacher_decay(0.9, 0.9, 7, 100), 0.9);
    ck_assert_double_eq(vkd__teacher_decay(0.9, 1, 0, 0), 1);
}
END_TEST

// ---- Columns ----

START_TEST(unit_columns)
{
    struct world w;
    world_open(&w, NULL);
    change_student(&w, 2);
    uint32_t index = (uint32_t) vkd_params_find(w.params, "prototypes.weight");
    const struct vkd_param_info *p = vkd_params_at(w.params, index);
    uint32_t rows = p->shape.d[2], columns = p->shape.d[3], stride = vkd__pad4(columns);
    float *before = malloc(4 * p->numel), *after = malloc(4 * p->numel);
    OK(vkd_params_read(w.params, index, before));
    for (uint32_t c = 0; c < rows; c++) {
        before[c * stride + 5] *= 1000;
        before[c * stride + 6] = 0;
    }
    OK(vkd_params_write(w.params, index, before));
    vkd_commands *cmds = NULL;
    OK(vkd_commands_create(dev, &cmds));
    OK(vkd_commands_begin(cmds));
    OK(vkd__unit_columns_record(dev, w.params, p->name, vkd_optimizer_metrics(w.opt), cmds));
    OK(vkd_commands_end(cmds));
    float *all = values(&w);
    submit(&w, cmds, 0, true);
    float *same = values(&w);
    ck_assert(!memcmp(all, same, 4 * w.count));
    OK(vkd_optimizer_reset(w.opt));
    OK(vkd__unit_columns_apply(dev, w.params, p->name, vkd_optimizer_metrics(w.opt)));
    OK(vkd_params_read(w.params, index, after));
    for (uint32_t k = 0; k < stride; k++) {
        double sum = 0;
        for (uint32_t c = 0; c < rows; c++)
            sum += (double) before[c * stride + k] * (double) before[c * stride + k];
        for (uint32_t c = 0; c < rows; c++)
            ck_assert_double_eq_tol((double) after[c * stride + k],
                                    k >= columns || k == 6 ? 0 : (double) before[c * stride + k] / sqrt(sum), 2e-7);
    }
    free(same);
    same = values(&w);
    memcpy(all + p->ofs, same + p->ofs, 4 * p->numel);
    ck_assert(!memcmp(all, same, 4 * w.count));
    submit(&w, cmds, 0, false);
    OK(vkd_params_read(w.params, index, before));
    for (uint64_t i = 0; i < p->numel; i++)
        ck_assert_double_eq_tol((double) before[i], (double) after[i], 2e-7);

    unsigned errors = gpu_errors;
    ck_assert_int_eq(vkd__unit_columns_apply(dev, w.params, "prototypes", vkd_optimizer_metrics(w.opt)), VKD_INVALID);
    ck_assert_int_eq(vkd__unit_columns_apply(dev, w.params, "large.weight", vkd_optimizer_metrics(w.opt)), VKD_INVALID);
    ck_assert_uint_eq(gpu_errors, errors + 2);
    vkd_commands_destroy(dev, &cmds);
    free(all);
    free(same);
    free(before);
    free(after);
    world_close(&w);
}
END_TEST

static void open_device(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
}

static void close_device(void)
{
    gpu_close(&dev);
}

int main(void)
{
    Suite *s = suite_create("teacher");
    TCase *t = tcase_create("all");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, open_device, close_device);
    tcase_add_test(t, average);
    tcase_add_test(t, like_pytorch);
    tcase_add_test(t, unchanged);
    tcase_add_test(t, refused);
    tcase_add_test(t, decay);
    tcase_add_test(t, unit_columns);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
