// test_transfer_features.c -- features that transfers keep: made once, made again when damaged, changed or asked for.
#include "gpu.h"
#include "train_world.h"
#include "transfer_world.h"

#include "engine/transfer/transfer_impl.h"
#include "runtime/os.h"

START_TEST(damaged_cache)
{
    char folder[300], path[700], **names;
    uint32_t count;
    struct vkd__why why;
    remove_results();
    snprintf(folder, sizeof(folder), "%s/features", run_dir);
    struct vkd_transfer_params p = params("knn");
    struct vkd_transfer_result first = transfer_ok(&p);
    p.force = true;
    for (int kind = 0; kind < 3; kind++) {
        ck_assert_int_eq(vkd__dir_list(folder, &names, &count, &why), VKD_OK);
        ck_assert_uint_eq(count, 2);
        snprintf(path, sizeof(path), "%s/%s", folder, names[kind % 2]);
        free(names);
        uint8_t *data;
        uint64_t size;
        ck_assert_int_eq(vkd__file_read(path, 1 << 24, &data, &size, &why), VKD_OK);
        data[size - 500] ^= 64;             // a bit of a number; cut short; empty
        ck_assert_int_eq(vkd__file_replace(path, data, kind == 0 ? size : kind == 1 ? size / 2 : 0, &why), VKD_OK);
        free(data);
        gpu_last_warning[0] = 0;
        vkd_feature_cache *cache = cache_open(folder, 0);
        p.cache = cache;
        struct vkd_transfer_result r = transfer_ok(&p);
        struct vkd_feature_cache_stats s = vkd_feature_cache_stats(cache);
        ck_assert_ptr_nonnull(strstr(gpu_last_warning, "damaged"));
        ck_assert(s.damaged == 1 && s.passes == 1 && s.found == 1 && same_predictions(&r, &first));
        vkd_transfer_finish(&r);
        r = transfer_ok(&p);
        ck_assert_uint_eq(vkd_feature_cache_stats(cache).passes, 1);
        vkd_transfer_finish(&r);
        vkd_feature_cache_destroy(&cache);
    }
    vkd_transfer_finish(&first);
}
END_TEST

START_TEST(cache_that_cannot_be_written)
{
    struct vkd__why why;
    remove_results();
    ck_assert_int_eq(vkd__file_replace(world_path("out"), "x", 1, &why), VKD_OK);
    struct vkd_transfer_params p = params("knn");
    vkd_feature_cache *cache = cache_open(world_path("out"), 0);
    p.cache = cache;
    struct vkd_transfer_result r = transfer_ok(&p);
    ck_assert_ptr_nonnull(strstr(gpu_last_warning, "cannot be kept"));
    vkd_transfer_finish(&r);
    vkd_feature_cache_destroy(&cache);
}
END_TEST

// A set of pictures in files, and a cache in a folder.
static vkd_feature_cache *picture_cache(char spec[300], uint32_t train)
{
    char command[400];
    snprintf(command, sizeof(command), "rm -rf %s/pictures", world.root);
    ck_assert_int_eq(system(command), 0);
    for (uint32_t i = 0; i < train; i++)
        world_write_picture("pictures/train", i % 3, i);
    for (uint32_t i = 0; i < 24; i++)
        world_write_picture("pictures/test", i % 3, i + 200);
    snprintf(spec, 300, "folder:%s/pictures", world.root);
    remove_results();
    return cache_open(world_path("out/features"), 0);
}

// Other bytes in a file of the same name and size: neither the result nor the features are what was kept.
START_TEST(pictures_that_change)
{
    char spec[300];
    uint8_t *data;
    uint64_t size;
    struct vkd__why why;
    vkd_feature_cache *cache = picture_cache(spec, 30);
    struct vkd_transfer_params p = params("knn");
    p.data = spec;
    p.cache = cache;
    struct vkd_transfer_result a = transfer_ok(&p), b = transfer_ok(&p);
    ck_assert(!a.resumed && b.resumed);
    vkd_feature_cache_destroy(&cache);
    ck_assert_int_eq(vkd__file_read(world_path("pictures/train/b/004.ppm"), 1 << 20, &data, &size, &why), VKD_OK);
    memset(data + 20, 7, size - 20);
    ck_assert_int_eq(vkd__file_replace(world_path("pictures/train/b/004.ppm"), data, size, &why), VKD_OK);
    free(data);
    p.cache = cache = cache_open(world_path("out/features"), 0);
    vkd_transfer_finish(&b);
    b = transfer_ok(&p);
    struct vkd_feature_cache_stats s = vkd_feature_cache_stats(cache);
    ck_assert(!b.resumed && s.passes == 1 && s.found == 1);         // train; test is as it was
    ck_assert_str_ne(a.key, b.key);
    ck_assert_uint_ne(a.fingerprint, b.fingerprint);
    vkd_transfer_finish(&a);
    vkd_transfer_finish(&b);
    vkd_feature_cache_destroy(&cache);
}
END_TEST

START_TEST(pictures_that_cannot_be_read)
{
    char spec[300];
    struct vkd__why why;
    vkd_feature_cache *cache = picture_cache(spec, 120);
    ck_assert_int_eq(vkd__file_replace(world_path("pictures/train/b/004.ppm"), "P6\n", 3, &why), VKD_OK);
    struct vkd_transfer_params p = params("linear");
    p.data = spec;
    p.cache = cache;
    for (uint32_t pass = 0; pass < 2; pass++) {
        gpu_last_warning[0] = 0;
        struct vkd_transfer_result r = transfer_ok(&p), read;
        struct vkd_feature_cache_stats s = vkd_feature_cache_stats(cache);
        ck_assert(!r.resumed && r.unreadable == 1 && s.passes == 2 + pass && s.found == pass);
        ck_assert_int_eq(vkd_transfer_load(r.path, NULL, &read), VKD_OK);
        ck_assert_uint_eq(read.unreadable, 1);
        ck_assert_ptr_nonnull(strstr(gpu_last_warning, "1 images of train cannot be read"));
        vkd_transfer_finish(&read);
        vkd_transfer_finish(&r);
    }
    vkd_feature_cache_destroy(&cache);
}
END_TEST

START_TEST(force_makes_features_again)
{
    char folder[300];
    remove_results();
    snprintf(folder, sizeof(folder), "%s/features", run_dir);
    struct vkd_transfer_params p = params("knn");
    for (int round = 0; round < 3; round++) {
        vkd_feature_cache *cache = NULL;
        const struct vkd_feature_cache_params c = { .folder = folder, .fresh = round == 2, .log = gpu_params().log };
        ck_assert_int_eq(vkd_feature_cache_create(&c, &cache), VKD_OK);
        p.cache = cache;
        p.force = true;
        for (int protocol = 0; protocol < 2; protocol++) {
            p.protocol = protocol ? "linear" : "knn";
            struct vkd_transfer_result r = transfer_ok(&p);
            struct vkd_feature_cache_stats s = vkd_feature_cache_stats(cache);
            ck_assert_uint_eq(s.passes, round == 1 ? 0 : 2);
            ck_assert_uint_eq(s.found, round == 1 ? 2 * (uint32_t) protocol + 2 : 2 * (uint32_t) protocol);
            vkd_transfer_finish(&r);
        }
        vkd_feature_cache_destroy(&cache);
    }
}
END_TEST

START_TEST(layers_in_one_pass)
{
    static const char *const names[] = { "layer2", NULL, "layer4", "layer1.0" };
    struct vkd_features all[4], one;
    struct vkd_features_params p = { .path = run_dir, .data = world.spec, .images = VKD_ALL_IMAGES, .layers = names,
                                     .layer_count = 4 };
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, all), VKD_OK);
    ck_assert_uint_eq(all[0].dim, 8);
    ck_assert_uint_eq(all[1].dim, 32);
    ck_assert_uint_eq(all[3].dim, 4);
    for (int l = 0; l < 4; l++) {
        p.layers = &names[l];
        p.layer_count = 1;
        ck_assert_int_eq(vkd_features_extract(world.dev, &p, &one), VKD_OK);
        ck_assert(one.rows == WORLD_TEST && one.dim == all[l].dim && !one.targets);
        for (uint64_t i = 0; i < (uint64_t) one.rows * one.dim; i++)
            ck_assert_float_eq_tol(one.values[i], all[l].values[i], 1e-5f);
        vkd_features_finish(&one);
    }
    for (uint64_t i = 0; i < WORLD_TEST * 32; i++)      // what stands before the classifier is the last stage, pooled
        ck_assert_float_eq_tol(all[1].values[i], all[2].values[i], 1e-5f);
    for (int l = 0; l < 4; l++)
        vkd_features_finish(&all[l]);
    const char *wrong = "layer5";
    p.layers = &wrong;
    ck_assert_int_eq(vkd_features_extract(world.dev, &p, &one), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(gpu_last_error, "features, bn1, layer1, layer2, layer3, layer4"));
}
END_TEST

START_TEST(memory_keeps_the_newest)
{
    struct vkd_features f;
    vkd_feature_cache *cache = cache_open(NULL, WORLD_TRAIN * (32 + 2) * 4);
    struct vkd_features_params p = { .path = run_dir, .data = world.spec, .images = VKD_ALL_IMAGES };
    static const char *const splits[] = { "test", "test", "train", "train", "test" };
    static const uint64_t passes[] = { 1, 1, 2, 2, 3 };
    for (int i = 0; i < 5; i++) {
        p.split = splits[i];
        ck_assert_int_eq(vkd_features_get(cache, world.dev, &p, &f), VKD_OK);
        ck_assert_uint_eq(vkd_feature_cache_stats(cache).passes, passes[i]);
        vkd_features_finish(&f);
    }
    vkd_feature_cache_destroy(&cache);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transfer_features");
    TCase *t = tcase_create("features");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_test(t, damaged_cache);
    tcase_add_test(t, cache_that_cannot_be_written);
    tcase_add_test(t, pictures_that_change);
    tcase_add_test(t, pictures_that_cannot_be_read);
    tcase_add_test(t, force_makes_features_again);
    tcase_add_test(t, layers_in_one_pass);
    tcase_add_test(t, memory_keeps_the_newest);
    suite_add_tcase(suite, t);
    return gpu_run(suite);
}
