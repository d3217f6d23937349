// test_products.c -- measures whose products a device computes: against NumPy and SciPy, and against the host.
#include "gpu.h"
#include "measure_inputs.h"

#include "engine/measure/filters.h"
#include "engine/measure/matrix.h"
#include "engine/products.h"

#include <vkdiv/diversity.h>

static vkd_device *dev;
static vkd_products *products;

static void open_all(void)
{
    dev = gpu_open();
    ck_assert_ptr_nonnull(dev);
    ck_assert_int_eq(vkd_products_create(dev, &products), VKD_OK);
}

static void close_all(void)
{
    vkd_products_destroy(&products);
    ck_assert_ptr_null(products);
    vkd_products_destroy(&products);
    gpu_close(&dev);
}

// Floats of a unit sum: 1e-6 of it is left.
static void check_near(const json_t *c, const char *key, double found, double scale)
{
    const double expected = json_double(json_object_get(c, key));
    const bool same = isnan(expected) ? isnan(found) : fabs(found - expected) <= 3e-6 * fmax(scale, fabs(expected));
    ck_assert_msg(same, "%s, %s: expected %.10g, found %.10g", case_text(c, "name"), key, expected, found);
}

START_TEST(recorded_filters)
{
    json_t *golden = measures_open(), *c;
    json_t *thresholds = json_object_get(golden, "thresholds");
    size_t i;
    json_array_foreach(json_object_get(golden, "filters"), i, c) {
        uint32_t n = case_count(c, "rows");
        struct vkd_matrix w = matrix_make(case_text(c, "name"), "", case_text(c, "kind"), n, case_count(c, "cols"));
        double *heights = malloc(n * sizeof(*heights));
        struct vkd_filter_measures f;
        ck_assert_int_eq(vkd__filters_measure(&w, products, &test_log, &f, heights), VKD_OK);
        check_near(c, "mean_cos", f.mean_cos, 1);
        check_near(c, "max_cos", f.max_cos, 1);
        check_near(c, "orthogonality", f.orthogonality, 1);
        check_case(c, "effective_rank", f.effective_rank);
        const json_t *stored = json_object_get(c, "heights"), *counts = json_object_get(c, "counts");
        for (uint32_t j = 0; j + 1 < n; j++)
            ck_assert_double_eq_tol(heights[j], json_double(json_array_get(stored, j)), 1e-5);
        for (uint32_t j = 0; j < json_array_size(thresholds); j++) {
            const double threshold = json_double(json_array_get(thresholds, j));
            if (threshold > 1e-5)   // below it is the last bits that count
                ck_assert_uint_eq(vkd_cluster_count(heights, n, threshold),
                                  json_integer_value(json_array_get(counts, j)));
        }
        free(heights);
        matrix_free(&w);
    }
    json_decref(golden);
}
END_TEST

START_TEST(recorded_cka)
{
    json_t *golden = measures_open(), *c;
    size_t i;
    json_array_foreach(json_object_get(golden, "cka"), i, c) {
        struct vkd_matrix x, y;
        struct vkd_cka_sums sums = { 0, 0, 0 };
        cka_make(c, &x, &y);
        for (uint32_t j = 0, batch = case_count(c, "batch"); j + batch <= x.rows; j += batch) {
            struct vkd_matrix xb = { matrix_row(&x, j), batch, x.cols, x.stride };
            struct vkd_matrix yb = { matrix_row(&y, j), batch, y.cols, y.stride };
            ck_assert_int_eq(vkd_cka_add(&sums, &xb, &yb, products, &test_log), VKD_OK);
        }
        check_near(c, "minibatch", vkd_cka_value(&sums), 1);
        double full;
        ck_assert_int_eq(vkd_cka(&x, &y, products, &test_log, &full), VKD_OK);
        check_near(c, "full", full, 1);
        matrix_free(&x);
        matrix_free(&y);
    }
    json_decref(golden);
}
END_TEST

// One element, one past a tile in rows and in columns, parts of each; and the same bits again.
START_TEST(odd_shapes)
{
    static const uint32_t shapes[][2] = { { 1, 1 }, { 3, 5 }, { 66, 27 }, { 5, 4097 }, { 1025, 3 }, { 1030, 4100 } };
    for (uint32_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        const uint32_t n = shapes[s][0], d = shapes[s][1];
        struct vkd_matrix m = matrix_make("odd", "", "random", n, d);
        double *host, *made, *again;
        ck_assert_int_eq(vkd__cosines("test", &m, NULL, &test_log, &host), VKD_OK);
        ck_assert_int_eq(vkd__cosines("test", &m, products, &test_log, &made), VKD_OK);
        ck_assert_int_eq(vkd__cosines("test", &m, products, &test_log, &again), VKD_OK);
        ck_assert_mem_eq(made, again, (size_t) n * n * sizeof(double));
        double largest = 0;
        for (uint64_t i = 0; i < (uint64_t) n * n; i++)
            largest = fmax(largest, fabs(made[i] - host[i]));
        ck_assert_msg(largest < 1e-6, "%u x %u: off by %g", n, d, largest);
        free(again);
        free(made);
        free(host);
        matrix_free(&m);
    }
}
END_TEST

// A layer and its null beside those of the host: the diversity of a model is the same.
START_TEST(layers)
{
    struct vkd_matrix m = matrix_make("layer", "", "decay", 70, 90);
    struct vkd_layer_diversity host, made;
    vkd_filter_nulls *plain, *by_device;
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .log = test_log }, &plain), VKD_OK);
    ck_assert_int_eq(vkd_filter_nulls_create(&(struct vkd_null_params) { .dev = dev, .log = test_log },
                                             &by_device), VKD_OK);
    ck_assert_int_eq(vkd_layer_measure(plain, &m, &host), VKD_OK);
    ck_assert_int_eq(vkd_layer_measure(by_device, &m, &made), VKD_OK);
    ck_assert_double_eq_tol(made.calibrated, host.calibrated, 1e-6);
    ck_assert_double_eq_tol(made.null.mean_cos, host.null.mean_cos, 1e-6);
    ck_assert_double_eq_tol(made.found.max_cos, host.found.max_cos, 1e-6);
    ck_assert_double_ne(made.null.mean_cos, host.null.mean_cos);    // floats: it was the device
    for (uint32_t t = 0; t <= 7; t++)
        ck_assert_double_eq(made.found.clusters[t], host.found.clusters[t]);
    vkd_filter_nulls_destroy(&by_device);
    vkd_filter_nulls_destroy(&plain);
    matrix_free(&m);
}
END_TEST

START_TEST(without_memory)
{
    struct vkd_matrix m = matrix_make("memory", "", "random", 9, 300);
    double heights[8];
    struct vkd_filter_measures f;
    CHECK_ALLOCATIONS(vkd__filters_measure(&m, products, NULL, &f, heights));
    CHECK_REJECTED(vkd__filters_measure(&(struct vkd_matrix) { NULL, 3, 3, 0 }, products, &test_log, &f, heights),
                   "no data");
    matrix_free(&m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("products");
    TCase *c = tcase_create("products");
    tcase_add_unchecked_fixture(c, open_all, close_all);
    tcase_set_timeout(c, 120);
    tcase_add_test(c, recorded_filters);
    tcase_add_test(c, recorded_cka);
    tcase_add_test(c, odd_shapes);
    tcase_add_test(c, layers);
    tcase_add_test(c, without_memory);
    suite_add_tcase(s, c);
    return gpu_run(s);
}
