// test_diversity.c -- diversity of filters: random ones are like their null, alike ones are not; files of models.
#include "measure_inputs.h"

#include "engine/diversity_impl.h"
#include "engine/graph_impl.h"
#include "engine/model_file.h"
#include "engine/weights.h"

#include <vkdiv/diversity.h>
#include <vkdiv/model.h>

#define FILE_PATH VKD_BINARY_DIR "/test_diversity.safetensors"

static vkd_filter_nulls *nulls;

static void setup(void)
{
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .log = test_log }, &nulls), VKD_OK);
}

static void teardown(void)
{
    vkd_filter_nulls_destroy(&nulls);
    ck_assert_ptr_null(nulls);
}

// About normal: sums of 12 uniform numbers.
static void fill_random(const char *name, float *w, uint64_t count)
{
    float *u = golden_numbers(measure_name(name, ""), 12 * count, -0.5, 0.5);
    for (uint64_t i = 0; i < count; i++) {
        w[i] = 0;
        for (uint32_t k = 0; k < 12; k++)
            w[i] += u[12 * i + k];
    }
    free(u);
}

// ---- Layers ------------------------------------------------------------------------------------

START_TEST(random_is_like_null)
{
    static const uint32_t shapes[][2] = { { 64, 64 }, { 64, 576 }, { 96, 9 }, { 130, 27 }, { 10, 512 } };
    for (uint32_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        const uint32_t n = shapes[s][0], d = shapes[s][1];
        float *data = malloc(n * d * sizeof(*data));
        struct vkd_layer_diversity l;
        fill_random("random", data, n * d);
        ck_assert_int_eq(vkd_layer_measure(nulls, &(struct vkd_matrix) { data, n, d, 0 }, &l), VKD_OK);
        ck_assert_double_eq_tol(l.found.mean_cos / l.null.mean_cos, 1, n < 20 ? 0.3 : 0.1);
        ck_assert_double_eq_tol(l.found.effective_rank / l.null.effective_rank, 1, 0.03);
        ck_assert_double_eq_tol(l.null.z, sqrt(2 / 3.14159265358979), d < 20 ? 0.05 : n < 20 ? 0.12 : 0.03);
        ck_assert_double_eq_tol(l.found.clusters[7] / l.null.clusters[7], 1, 0.08);
        ck_assert_double_eq_tol(l.null.clusters[7] / n, 0.95, 0.05);
        for (uint32_t t = 0; t < 7; t++)
            ck_assert_double_eq_tol(l.found.clusters[t] / l.null.clusters[t], 1, 0.25);
        ck_assert(l.calibrated > 0 && l.calibrated < 1);
        free(data);
    }
}
END_TEST

START_TEST(duplicates_lower_clusters)
{
    enum { N = 48, D = 144 };
    float data[N * D];
    struct vkd_layer_diversity l, twice;
    fill_random("duplicates", data, N * D);
    const struct vkd_matrix w = { data, N, D, 0 };
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &l), VKD_OK);
    ck_assert_double_eq(l.found.clusters[0], N);
    CHECK_ALLOCATIONS(vkd_layer_measure(nulls, &w, &l));
    for (uint32_t i = 0; i < N * D / 4; i++)        // the first quarter again, scaled
        data[N * D / 4 + i] = 3 * data[i];
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &twice), VKD_OK);
    ck_assert_double_eq(twice.found.clusters[0], N - N / 4);
    ck_assert(twice.found.clusters[7] < l.found.clusters[7]);
    ck_assert(twice.found.mean_cos > l.found.mean_cos && twice.found.effective_rank < l.found.effective_rank);
    ck_assert_double_eq_tol(twice.found.max_cos, 1, 1e-12);
    ck_assert_mem_eq(&twice.null, &l.null, sizeof(l.null));
    for (uint32_t i = D; i < N * D; i++)            // all alike
        data[i] = data[i % D];
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &l), VKD_OK);
    for (uint32_t t = 0; t < 8; t++)
        ck_assert_double_eq(l.found.clusters[t], 1);
    ck_assert_double_eq_tol(l.found.effective_rank, 1, 1e-6);
}
END_TEST

// Dead filters have no direction: what lives is measured as if alone, and clusters are what lives at most.
START_TEST(dead_filters)
{
    enum { N = 40, D = 72, DEAD = 15 };
    float data[N * D], living[N * D];
    struct vkd_layer_diversity all, some, alone;
    fill_random("dead", data, N * D);
    const struct vkd_matrix w = { data, N, D, 0 };
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &all), VKD_OK);
    ck_assert_uint_eq(all.dead, 0);
    for (uint32_t i = 0; i < DEAD; i++)
        memset(data + (2 * i + 1) * D, 0, D * sizeof(float));
    for (uint32_t i = 0, n = 0; i < N; i++)
        if (i % 2 == 0 || i > 2 * DEAD)
            memcpy(living + D * n++, data + i * D, D * sizeof(float));
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &some), VKD_OK);
    CHECK_ALLOCATIONS(vkd_layer_measure(nulls, &w, &some));
    ck_assert_int_eq(vkd_layer_measure(nulls, &(struct vkd_matrix) { living, N - DEAD, D, 0 }, &alone), VKD_OK);
    ck_assert(some.filters == N && some.dead == DEAD && alone.dead == 0);
    ck_assert_double_eq(some.found.mean_cos, alone.found.mean_cos);
    ck_assert_double_eq(some.found.max_cos, alone.found.max_cos);
    ck_assert_double_eq(some.found.orthogonality, alone.found.orthogonality);
    ck_assert_double_eq(some.found.effective_rank, alone.found.effective_rank);
    for (uint32_t t = 0; t < 7; t++)
        ck_assert_double_eq(some.found.clusters[t], alone.found.clusters[t]);
    ck_assert(some.found.clusters[7] <= N - DEAD);
    ck_assert_mem_eq(&some.null, &all.null, sizeof(all.null));

    memset(data + D, 0, (N - 1) * D * sizeof(float));
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &some), VKD_OK);
    ck_assert(some.dead == N - 1 && isnan(some.found.mean_cos));
    ck_assert(some.found.clusters[0] == 1 && some.found.clusters[7] == 1);
    memset(data, 0, D * sizeof(float));
    ck_assert_int_eq(vkd_layer_measure(nulls, &w, &some), VKD_OK);
    ck_assert(some.dead == N && isnan(some.found.mean_cos) && some.found.effective_rank == 0);
    ck_assert(some.found.clusters[0] == 0 && some.found.clusters[7] == 0);
}
END_TEST

// A collapsed network: every image has the same features. Rank 1, and what has no value is NaN; nothing fails.
START_TEST(constant_features)
{
    enum { ROWS = 90, DIM = 24, VIEWS = 3 };
    static float values[ROWS * DIM], views[ROWS * VIEWS * DIM];
    static uint32_t labels[ROWS], indices[ROWS];
    struct vkd_feature_diversity d;
    struct vkd_features f = { .rows = ROWS, .dim = DIM, .classes = 3, .views = VIEWS, .values = values, .view_values = views,
                              .labels = labels, .indices = indices };
    for (uint32_t i = 0; i < ROWS * VIEWS * DIM; i++)
        views[i] = (float) (1 + i % DIM) / 7;
    memcpy(values, views, sizeof(values));
    for (uint32_t i = 0; i < ROWS; i++) {
        labels[i] = i % 3;
        indices[i] = i;
    }
    double cka = 0;
    ck_assert_int_eq(vkd_features_measure(nulls, &f, &test_log, &d), VKD_OK);
    ck_assert_double_eq_tol(d.found.rankme, 1, 1e-4);
    ck_assert_double_eq_tol(d.found.effective_rank, 1, 1e-6);
    ck_assert_double_eq_tol(d.found.eigen_rank, 1, 1e-6);
    ck_assert_double_eq_tol(d.found.vendi, 1, 1e-6);
    ck_assert_double_eq_tol(d.found.std, 0, 1e-6);
    ck_assert(isnan(d.found.alpha));
    ck_assert_double_eq_tol(d.found.lidar, 0, 1e-6);
    ck_assert(isnan(d.found.class_separation) || fabs(d.found.class_separation) < 1);
    ck_assert_uint_eq(d.channels.dead, DIM);        // none tells images apart
    ck_assert_double_eq(d.channels.found.clusters[0], 0);
    ck_assert_double_eq(d.channels.found.effective_rank, 0);
    ck_assert(d.draws == 0 && isnan(d.null.rankme) && isnan(d.channels.calibrated));     // no null is known
    ck_assert(isnan(d.channels.found.clusters[d.threshold_count]));
    ck_assert_int_eq(vkd_features_cka(&f, &f, NULL, &test_log, &cka), VKD_OK);
    ck_assert(isnan(cka));

    memset(values, 0, sizeof(values));      // dead units: no direction at all
    memset(views, 0, sizeof(views));
    ck_assert_int_eq(vkd_features_measure(nulls, &f, &test_log, &d), VKD_OK);
    ck_assert_double_eq(d.found.rankme, 0);
    ck_assert_double_eq(d.found.lidar, 0);
    ck_assert(isnan(d.found.class_separation));

    for (uint32_t i = 0; i < DIM; i++)      // an image short of what all dimensions need
        values[i * DIM + i] = 1;
    f.rows = DIM - 1;
    f.views = 0;
    last_log[0] = 0;
    ck_assert_int_eq(vkd_features_measure(nulls, &f, &test_log, &d), VKD_OK);
    ck_assert_msg(strstr(last_log, "take more than 24") != NULL, "it says: %s", last_log);
    ck_assert_double_eq_tol(d.found.rankme, DIM - 1, 1e-3);
}
END_TEST

// What SciPy found of channels, centred, beside those of other networks.
START_TEST(recorded_channels)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "channels"), i, c) {
        struct vkd_matrix of[3];
        struct vkd_features f[3];
        struct vkd_feature_diversity d, null[2];
        double *heights[2];
        char key[640];
        for (int k = 0; k < 3; k++) {
            const char *suffix[] = { "", ".null0", ".null1" }, *kind = case_text(c, k ? "nulls" : "kind");
            of[k] = matrix_make(case_text(c, "name"), suffix[k], kind, case_count(c, "rows"), case_count(c, "cols"));
            for (uint32_t row = 0; row < of[k].rows; row++)
                memmove((float *) (uintptr_t) of[k].data + (uint64_t) row * of[k].cols, matrix_row(&of[k], row),
                        of[k].cols * sizeof(float));
            f[k] = (struct vkd_features) { .rows = of[k].rows, .dim = of[k].cols, .classes = 1,
                                           .values = (float *) (uintptr_t) of[k].data,
                                           .labels = calloc(of[k].rows, sizeof(uint32_t)) };
        }
        for (int k = 0; k < 2; k++)
            ck_assert_int_eq(vkd__features_found(nulls, &f[k + 1], &test_log, &null[k], &heights[k]), VKD_OK);
        snprintf(f[0].layer, sizeof(f[0].layer), "%s", case_text(c, "name"));
        vkd__feature_null_key(nulls, &f[0], key);
        ck_assert_int_eq(vkd__feature_null_conclude(nulls, key, null, heights, 2), VKD_OK);
        ck_assert_int_eq(vkd_features_measure(nulls, &f[0], &test_log, &d), VKD_OK);
        check_number(case_text(c, "name"), "calibrated", d.channels.calibrated, json_double(json_object_get(c, "calibrated")),
                     1e3);
        check_number(case_text(c, "name"), "null", d.channels.null.clusters[7], json_double(json_object_get(c, "null")), 0);
        ck_assert_uint_eq(d.dim - d.channels.dead, case_count(c, "living"));
        for (uint32_t t = 0; t < 8; t++)
            check_number(case_text(c, "name"), "clusters", d.channels.found.clusters[t],
                         json_double(json_array_get(json_object_get(c, "counts"), t)), 0);
        for (int k = 0; k < 3; k++) {
            free(f[k].labels);
            matrix_free(&of[k]);
        }
        free(heights[0]);
        free(heights[1]);
    }
    json_decref(golden);
}
END_TEST

// What NumPy and SciPy found, through a layer's measures.
START_TEST(recorded_layers)
{
    json_t *golden = measures_open(), *c, *thresholds = json_object_get(golden, "thresholds");
    struct vkd_null_params p = { .threshold_count = (uint32_t) json_array_size(thresholds) - 1, .draws = 1 };
    vkd_filter_nulls *own = NULL;
    size_t i;
    for (uint32_t t = 0; t < p.threshold_count; t++)        // the first is 0
        p.thresholds[t] = json_double(json_array_get(thresholds, t + 1));
    ck_assert_int_eq(vkd_filter_nulls_create(&p, &own), VKD_OK);
    json_array_foreach(json_object_get(golden, "filters"), i, c) {
        struct vkd_matrix w = matrix_make(case_text(c, "name"), "", case_text(c, "kind"), case_count(c, "rows"),
                                          case_count(c, "cols"));
        struct vkd_layer_diversity l;
        ck_assert_int_eq(vkd_layer_measure(own, &w, &l), VKD_OK);
        check_case(c, "mean_cos", l.found.mean_cos);
        check_case(c, "effective_rank", l.found.effective_rank);
        for (uint32_t t = 0; t < p.threshold_count; t++)
            ck_assert_double_eq(l.found.clusters[t],
                                (double) json_integer_value(json_array_get(json_object_get(c, "counts"), t + 1)));
        matrix_free(&w);
    }
    vkd_filter_nulls_destroy(&own);
    json_decref(golden);
}
END_TEST

START_TEST(nulls_do_not_depend_on_order)
{
    float data[20 * 30] = { 1 };
    struct vkd_layer_diversity a, b, other;
    vkd_filter_nulls *again = NULL, *seeded = NULL;
    ck_assert_int_eq(vkd_layer_measure(nulls, &(struct vkd_matrix) { data, 20, 30, 0 }, &a), VKD_OK);
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .draws = 3 }, &again), VKD_OK);
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .seed = 1 }, &seeded), VKD_OK);
    ck_assert_int_eq(vkd_layer_measure(again, &(struct vkd_matrix) { data, 30, 20, 0 }, &other), VKD_OK);
    ck_assert_int_eq(vkd_layer_measure(again, &(struct vkd_matrix) { data, 20, 30, 0 }, &b), VKD_OK);
    ck_assert_mem_eq(&a.null, &b.null, sizeof(a.null));
    ck_assert_int_eq(vkd_layer_measure(seeded, &(struct vkd_matrix) { data, 20, 30, 0 }, &b), VKD_OK);
    ck_assert_double_ne(a.null.mean_cos, b.null.mean_cos);
    vkd_filter_nulls_destroy(&seeded);
    vkd_filter_nulls_destroy(&again);

    ck_assert_int_eq(vkd_layer_measure(nulls, &(struct vkd_matrix) { data, 1, 30, 0 }, &a), VKD_OK);
    ck_assert(isnan(a.found.mean_cos) && isnan(a.calibrated) && isnan(a.found.clusters[7]));
    ck_assert_double_eq(a.found.clusters[0], 1);
}
END_TEST

START_TEST(bad_thresholds)
{
    static const struct vkd_null_params bad[] = {
        { .draws = 65 }, { .threshold_count = 16 }, { .threshold_count = 2, .thresholds = { 0.3, 0.3 } },
        { .threshold_count = 1, .thresholds = { 0 } }, { .threshold_count = 1, .thresholds = { 2 } },
        { .threshold_count = 1, .thresholds = { NAN } },
    };
    vkd_filter_nulls *none = NULL;
    for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_int_eq(vkd_filter_nulls_create(&bad[i], &none), VKD_INVALID);
    ck_assert_ptr_null(none);
}
END_TEST

// ---- Files -------------------------------------------------------------------------------------

struct fake {
    struct vkd_model_params model;
    uint32_t channels;
    bool timm;
    const char *drop, *bend, *poison;   // parameters to leave out, to misshape, to write a NaN into
    const char *extra;
};

static void write_model(const struct fake *f)
{
    vkd_graph *g = NULL;
    ck_assert_int_eq(vkd_graph_create(&test_log, &g), VKD_OK);
    vkd_model_build(g, vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ 1, 32, 32, f->channels }}), &f->model);
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    struct vkd__st_tensor *tensors = calloc(g->tensor_count + 1, sizeof(*tensors));
    uint32_t count = 0;
    for (uint32_t i = 0; i < g->tensor_count; i++) {
        const struct vkd_tensor *p = g->tensors[i];
        const struct vkd_param_info info = {
            .shape = p->desc.shape, .logical_in = p->param.logical_in, .rank = p->param.rank,
        };
        struct vkd__st_tensor t = { .type = VKD__ST_F32 };
        char layer[192], other[192], name[512];
        if (p->kind != VKD_TENSOR_PARAM || (f->drop && !strcmp(f->drop, p->name)))
            continue;
        const char *dot = strrchr(p->name, '.');
        snprintf(layer, sizeof(layer), "%.*s", (int) (dot - p->name), p->name);
        bool named = f->timm && vkd__timm_layer(layer, other, sizeof(other));
        snprintf(name, sizeof(name), "%s%s", named ? other : layer, dot);
        t.name = strdup(name);
        t.rank = vkd__param_file_shape(&info, t.shape);
        if (f->bend && !strcmp(f->bend, p->name))
            t.shape[0]++;
        uint64_t numel = 1;
        for (uint32_t d = 0; d < t.rank; d++)
            numel *= t.shape[d];
        float *data = malloc(numel * sizeof(*data));
        fill_random(p->name, data, numel);
        for (uint64_t k = 0; strstr(p->name, "running_var") && k < numel; k++)
            data[k] = 1 + data[k] * data[k];
        if (f->poison && !strcmp(f->poison, p->name))
            data[numel / 2] = NAN;
        t.data = data;
        tensors[count++] = t;
    }
    if (f->extra)
        tensors[count++] = (struct vkd__st_tensor) {
            .name = strdup(f->extra), .type = VKD__ST_F32, .rank = 1, .shape = { 2 }, .data = calloc(2, sizeof(float)) };
    ck_assert_int_eq(vkd__st_write(FILE_PATH, &test_log, tensors, count, NULL, 0), VKD_OK);
    for (uint32_t i = 0; i < count; i++) {
        free((void *) (uintptr_t) tensors[i].name);
        free((void *) (uintptr_t) tensors[i].data);
    }
    free(tensors);
    vkd_graph_destroy(&g);
}

static vkd_result measure(bool fold, bool partial, struct vkd_diversity *d)
{
    last_log[0] = 0;
    return vkd_diversity_measure(nulls, &(struct vkd_diversity_params) {
        .path = FILE_PATH, .fold_norm = fold, .partial = partial, .log = test_log }, d);
}

START_TEST(resnet_file)
{
    struct vkd_diversity plain, folded;
    write_model(&(struct fake) { .model = { .arch = "resnet18", .width = 8, .cifar_stem = true, .classes = 5 }, .channels = 1 });
    ck_assert_int_eq(measure(false, false, &plain), VKD_OK);
    ck_assert_str_eq(plain.model.arch, "resnet18");
    ck_assert(!plain.told && !plain.timm && plain.model.cifar_stem && plain.model.width == 8);
    ck_assert_uint_eq(plain.model.channels, 1);
    ck_assert_uint_eq(plain.model.classes, 5);
    ck_assert_uint_eq(plain.layer_count, 21);
    ck_assert_str_eq(plain.layers[0].name, "conv1");
    ck_assert_uint_eq(plain.layers[0].fan_in, 9);           // one channel, but not depthwise
    ck_assert_int_eq(plain.layers[0].kind, VKD_LAYER_3X3);
    ck_assert_uint_eq(plain.kinds[VKD_LAYER_3X3].layers, 17);
    ck_assert_uint_eq(plain.kinds[VKD_LAYER_1X1].layers, 3);
    ck_assert_uint_eq(plain.kinds[VKD_LAYER_LINEAR].layers, 1);
    ck_assert_uint_eq(plain.kinds[VKD_LAYER_DEPTHWISE].layers, 0);
    ck_assert(isnan(plain.kinds[VKD_LAYER_OTHER].found.mean_cos));
    const struct vkd_kind_diversity *k = &plain.kinds[VKD_LAYER_3X3];
    ck_assert_double_eq_tol(k->found.mean_cos / k->null.mean_cos, 1, 0.05);
    ck_assert_double_eq_tol(k->found.clusters[7] / k->null.clusters[7], 1, 0.05);
    ck_assert(k->found.effective_rank > 0.8 && k->found.effective_rank <= 1);

    ck_assert_int_eq(measure(true, false, &folded), VKD_OK);
    ck_assert_double_eq_tol(folded.layers[3].found.mean_cos, plain.layers[3].found.mean_cos, 1e-6);
    ck_assert(folded.layers[3].found.effective_rank < plain.layers[3].found.effective_rank - 0.1);
    ck_assert_double_eq(folded.layers[20].found.effective_rank, plain.layers[20].found.effective_rank);
    vkd_diversity_finish(&folded);
    vkd_diversity_finish(&plain);
}
END_TEST

START_TEST(mobilenet_in_both_names)
{
    struct vkd_diversity a, b;
    struct fake f = { .model = { .arch = "mobilenet_v2", .width = 8, .classes = 3 }, .channels = 3 };
    write_model(&f);
    ck_assert_int_eq(measure(true, false, &a), VKD_OK);
    f.timm = true;
    write_model(&f);
    ck_assert_int_eq(measure(true, false, &b), VKD_OK);
    ck_assert(!a.timm && b.timm);
    ck_assert_uint_eq(a.layer_count, 53);
    ck_assert_uint_eq(a.kinds[VKD_LAYER_DEPTHWISE].layers, 17);
    ck_assert_uint_eq(a.layer_count, b.layer_count);
    ck_assert_mem_eq(a.layers, b.layers, a.layer_count * sizeof(*a.layers));
    vkd_diversity_finish(&b);
    vkd_diversity_finish(&a);
}
END_TEST

START_TEST(bad_files)
{
    const struct vkd_model_params resnet = { .arch = "resnet18", .width = 4, .classes = 2 };
    const struct { struct fake f; const char *says; bool partial; } rows[] = {
        { { resnet, 3, .drop = "layer2.0.conv2.weight" }, "layer2.0.conv2.weight is missing", true },
        { { resnet, 3, .bend = "layer1.0.bn1.weight" }, "layer1.0.bn1.weight is (5), expected (4)", true },
        { { resnet, 3, .extra = "head.weight" }, "head.weight is unexpected", true },
        { { resnet, 3, .poison = "layer2.0.bn2.running_var" }, "numbers of layer2.0.bn2.running_var are not finite", false },
        { { resnet, 3, .poison = "fc.bias" }, "numbers of fc.bias are not finite", false },
        { { resnet, 3, .poison = "layer3.1.conv1.weight" }, "numbers of layer3.1.conv1.weight are not finite", false },
    };
    struct vkd_diversity d;
    for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_model(&rows[i].f);
        ck_assert_int_eq(measure(false, false, &d), VKD_FORMAT);
        ck_assert_msg(strstr(last_log, rows[i].says) != NULL, "no \"%s\" in %s", rows[i].says, last_log);
        ck_assert_int_eq(measure(false, true, &d), rows[i].partial ? VKD_OK : VKD_FORMAT);
        if (rows[i].partial) {
            ck_assert_uint_eq(d.layer_count, i ? 21 : 20);
            vkd_diversity_finish(&d);
        }
    }
    const float two[2] = { 0 };
    const struct vkd__st_tensor other = { .name = "blocks.0.weight", .type = VKD__ST_F32, .rank = 1, .shape = { 2 }, .data = two };
    ck_assert_int_eq(vkd__st_write(FILE_PATH, &test_log, &other, 1, NULL, 0), VKD_OK);
    ck_assert_int_eq(measure(false, true, &d), VKD_FORMAT);
    ck_assert(strstr(last_log, "no model known here") != NULL);
    remove(FILE_PATH);
    ck_assert_int_eq(measure(false, false, &d), VKD_IO);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("diversity");
    TCase *c = tcase_create("diversity");
    tcase_set_timeout(c, 0);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, random_is_like_null);
    tcase_add_test(c, duplicates_lower_clusters);
    tcase_add_test(c, dead_filters);
    tcase_add_test(c, constant_features);
    tcase_add_test(c, recorded_channels);
    tcase_add_test(c, recorded_layers);
    tcase_add_test(c, nulls_do_not_depend_on_order);
    tcase_add_test(c, bad_thresholds);
    tcase_add_test(c, resnet_file);
    tcase_add_test(c, mobilenet_in_both_names);
    tcase_add_test(c, bad_files);
    suite_add_tcase(s, c);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
