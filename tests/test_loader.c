// test_loader.c -- batches depend on (seed, epoch, batch) alone: not on threads, caches or timing.
#include "data_files.h"

#include "engine/data/order.h"
#include "runtime/os.h"

#include <vkdiv/data.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { FOLDER_IMAGES = 37 };

static struct messages said;

static vkd_dataset *open_set(const char *format, const char *rest)
{
    char spec[512];
    vkd_dataset *d = NULL;
    snprintf(spec, sizeof spec, "%s:%s/%s", format, temp_folder(), rest);
    memset(&said, 0, sizeof said);
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { .spec = spec, .log = LOG_TO(&said) }, &d);
    ck_assert_msg(r == VKD_OK, "%s", said.text);
    return d;
}

// Images of many sizes, some larger than the canvas; `bad` of them broken.
static void write_folder(const char *name, uint32_t bad)
{
    for (uint32_t i = 0; i < FOLDER_IMAGES; i++) {
        char path[256];
        struct bytes b = png_random(3 + i * 7 % 23, 4 + i * 5 % 19, i);
        snprintf(path, sizeof path, "%s/%c/%02u.png", name, "ab"[i % 2], i);
        if (i % 5 == 1 && bad) {
            b.size /= 2;
            bad--;
        }
        temp_write_bytes(path, b);
    }
}

static vkd_loader *start(const struct vkd_loader_params *p)
{
    vkd_loader *l = NULL;
    vkd_result r = vkd_loader_create(p, &l);
    ck_assert_msg(r == VKD_OK, "%s", said.text);
    return l;
}

static uint64_t next_hash(vkd_loader *l, struct vkd_batch *b)
{
    vkd_result r = vkd_loader_next(l, b, NULL);
    ck_assert_msg(r == VKD_OK, "%s", said.text);
    uint32_t ofs = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        ck_assert_uint_eq(b->images[i].ofs, ofs);
        ofs += b->images[i].height * b->images[i].width;
    }
    ck_assert_uint_eq(b->pixel_count, ofs);
    ck_assert_uint_le(ofs, vkd_loader_pixel_max(l));
    return XXH64(b->images, b->count * sizeof *b->images, XXH64(b->pixels, ofs * 4, b->epoch * 1000 + b->batch));
}

// ---- Order ----

START_TEST(order_is_a_permutation)
{
    enum { N = 1001 };
    static uint32_t a[N], b[N];
    static const uint32_t counts[] = { 1, 2, 3, 10, N };
    for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
        bool seen[N] = { false };
        vkd__order_fill(a, counts[k], true, 7, 3);
        for (uint32_t i = 0; i < counts[k]; i++) {
            ck_assert_uint_lt(a[i], counts[k]);
            ck_assert(!seen[a[i]]);
            seen[a[i]] = true;
        }
    }
    vkd__order_fill(b, N, true, 7, 3);
    ck_assert_mem_eq(a, b, sizeof a);
    static const uint64_t others[][2] = { { 7, 4 }, { 8, 3 }, { 7 + (1ull << 32), 3 } };
    for (size_t k = 0; k < 3; k++) {
        uint32_t same = 0;
        vkd__order_fill(b, N, true, others[k][0], (uint32_t)others[k][1]);
        for (uint32_t i = 0; i < N; i++)
            same += a[i] == b[i];
        ck_assert_uint_lt(same, 10);
    }
    vkd__order_fill(a, N, false, 7, 3);
    for (uint32_t i = 0; i < N; i++)
        ck_assert_uint_eq(a[i], i);
}
END_TEST

// Every image is as likely in every place: 4 images, 24 orders, 24,000 epochs.
START_TEST(order_is_uniform)
{
    uint32_t seen[256] = { 0 }, order[4];
    double chi = 0;
    for (uint32_t epoch = 0; epoch < 24000; epoch++) {
        vkd__order_fill(order, 4, true, 1, epoch);
        seen[order[0] | order[1] << 2 | order[2] << 4 | order[3] << 6]++;
    }
    for (uint32_t i = 0; i < 256; i++)
        chi += seen[i] ? (seen[i] - 1000.0) * (seen[i] - 1000.0) / 1000 : 0;
    ck_assert_double_lt(chi, 49.7);         // 23 degrees of freedom, p = 0.001
}
END_TEST

// Resuming an old run must meet the same order in a newer version.
START_TEST(order_stays)
{
    static const uint32_t expected[8] = { 1, 5, 4, 0, 6, 2, 7, 3 };
    uint32_t order[8];
    vkd__order_fill(order, 8, true, 1, 0);
    ck_assert_msg(!memcmp(order, expected, sizeof order), "%u %u %u %u %u %u %u %u", order[0], order[1], order[2],
                  order[3], order[4], order[5], order[6], order[7]);
}
END_TEST

// ---- Batches ----

enum { RUNS = 6, STEPS = 60 };

START_TEST(threads_and_caches_change_nothing)
{
    write_folder("many", 0);
    write_idx_set("idx", "train", 100, 5, 6, false);
    for (unsigned set = 0; set < 3; set++) {
        vkd_dataset *d = set == 0 ? open_set("folder", "many") : open_set("idx", set == 1 ? "idx" : "idx?size=3");
        static uint64_t hashes[RUNS][STEPS];
        for (unsigned run = 0; run < RUNS; run++) {
            static const uint32_t threads[RUNS] = { 1, 3, 2, 1, 7, 3 }, prefetch[RUNS] = { 0, 1, 9, 2, 3, 30 };
            vkd_loader *l = start(&(struct vkd_loader_params) {
                .dataset = d, .batch = 8, .canvas = 12, .seed = 5, .shuffle = true, .threads = threads[run],
                .prefetch = prefetch[run], .cache_size = run % 2 ? 1 : run == 2 ? 5000 : 0, .log = LOG_TO(&said) });
            struct vkd_batch b;
            for (unsigned i = 0; i < STEPS; i++) {
                hashes[run][i] = next_hash(l, &b);
                ck_assert_uint_eq(hashes[run][i], hashes[0][i]);
                ck_assert_uint_eq(b.epoch, i / vkd_loader_batches(l));
                ck_assert_uint_eq(b.batch, i % vkd_loader_batches(l));
            }
            vkd_loader_destroy(&l);
            ck_assert_ptr_null(l);
        }
        vkd_dataset_close(&d);
    }
}
END_TEST

START_TEST(batches_hold_the_images)
{
    write_folder("hold", 0);
    vkd_dataset *d = open_set("folder", "hold");
    vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 10, .canvas = 14, .short_side = 9,
                                                        .shuffle = true, .seed = 2, .log = LOG_TO(&said) });
    bool seen[FOLDER_IMAGES] = { false };
    ck_assert_uint_eq(vkd_loader_batches(l), 4);
    for (unsigned i = 0; i < 4; i++) {
        struct vkd_batch b;
        (void)next_hash(l, &b);
        ck_assert_uint_eq(b.count, i < 3 ? 10 : 7);
        for (uint32_t k = 0; k < b.count; k++) {
            const struct vkd_batch_image *in = &b.images[k];
            struct vkd_image image;
            ck_assert_int_eq(vkd_dataset_decode(d, in->index, 9, 14, &image, NULL, 0), VKD_OK);
            ck_assert_uint_eq(in->height, image.height);
            ck_assert_uint_eq(in->width, image.width);
            ck_assert_uint_eq(in->label, vkd_dataset_label(d, in->index));
            ck_assert_mem_eq(b.pixels + in->ofs, image.pixels, (size_t)in->height * in->width * 4);
            ck_assert(!seen[in->index]);
            seen[in->index] = true;
            vkd_image_finish(&image);
        }
    }
    vkd_loader_destroy(&l);
    l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 10, .canvas = 14, .drop_last = true,
                                            .log = LOG_TO(&said) });
    ck_assert_uint_eq(vkd_loader_batches(l), 3);
    struct vkd_batch b;
    for (unsigned i = 0; i < 3; i++) {
        (void)next_hash(l, &b);
        for (uint32_t k = 0; k < b.count; k++)
            ck_assert_uint_eq(b.images[k].index, i * 10 + k);       // not shuffled: the set's order
    }
    (void)next_hash(l, &b);
    ck_assert_uint_eq(b.epoch, 1);
    vkd_loader_destroy(&l);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(seek_equals_going_there)
{
    write_folder("seek", 3);
    vkd_dataset *d = open_set("folder", "seek");
    const struct vkd_loader_params p = { .dataset = d, .batch = 7, .canvas = 16, .seed = 9, .shuffle = true,
                                         .threads = 2, .bad_limit = 3, .log = LOG_TO(&said) };
    uint64_t hashes[20];
    struct vkd_batch b;
    vkd_loader *l = start(&p);
    for (unsigned i = 0; i < 20; i++)
        hashes[i] = next_hash(l, &b);
    static const uint32_t targets[] = { 0, 13, 4, 6, 18, 5, 12 };
    const uint32_t batches = vkd_loader_batches(l);
    for (size_t k = 0; k < sizeof targets / sizeof targets[0]; k++) {
        ck_assert_int_eq(vkd_loader_seek(l, targets[k] / batches, targets[k] % batches), VKD_OK);
        for (uint32_t i = targets[k]; i < 20 && i < targets[k] + 3; i++)
            ck_assert_uint_eq(next_hash(l, &b), hashes[i]);
    }
    vkd_loader_destroy(&l);
    l = start(&p);          // a new process would do this
    ck_assert_int_eq(vkd_loader_seek(l, 1, batches), VKD_OK);
    ck_assert_uint_eq(next_hash(l, &b), hashes[2 * batches]);
    ck_assert_uint_eq(b.epoch, 2);
    ck_assert_int_eq(vkd_loader_seek(l, 0, batches + 1), VKD_INVALID);
    vkd_loader_destroy(&l);
    vkd_dataset_close(&d);
}
END_TEST

// A loader over part of a set: its images only, each once an epoch, by their numbers in the set.
START_TEST(subsets)
{
    write_folder("sub", 3);
    write_idx_set("subidx", "train", 40, 5, 6, false);
    for (unsigned set = 0; set < 2; set++) {
        vkd_dataset *d = set ? open_set("idx", "subidx") : open_set("folder", "sub");
        uint32_t subset[15], first[15];
        for (uint32_t i = 0; i < 15; i++)
            subset[i] = 2 * i + 1;      // with one of the broken ones
        vkd_loader *l = start(&(struct vkd_loader_params) {
            .dataset = d, .batch = 4, .canvas = 16, .shuffle = true, .seed = 3, .threads = 2, .bad_limit = 3,
            .subset = subset, .subset_count = 15, .log = LOG_TO(&said) });
        memset(subset, 0, sizeof subset);           // it was copied
        ck_assert_uint_eq(vkd_loader_batches(l), 4);
        bool differs = false;
        for (unsigned epoch = 0; epoch < 2; epoch++) {
            uint32_t times[40] = { 0 }, seen = 0;
            for (unsigned i = 0; i < 4; i++) {
                struct vkd_batch b;
                (void)next_hash(l, &b);
                ck_assert_uint_eq(b.count, i < 3 ? 4 : 3);
                ck_assert_ptr_null(b.targets);
                for (uint32_t k = 0; k < b.count; k++, seen++) {
                    const uint32_t index = b.images[k].index;
                    ck_assert_uint_eq(index % 2, 1);
                    ck_assert_uint_lt(index, 30);
                    ck_assert_uint_eq(b.images[k].label, vkd_dataset_label(d, index));
                    times[index]++;
                    differs = differs || (epoch && first[seen] != index);
                    first[seen] = index;
                }
            }
            for (uint32_t i = 1; i < 30; i += 2)
                ck_assert(set == 0 || times[i] == 1);
        }
        ck_assert(differs);
        vkd_loader_destroy(&l);
        vkd_dataset_close(&d);
    }
    ck_assert_uint_eq(said.errors, 0);
}
END_TEST

START_TEST(wrong_subsets)
{
    write_idx_set("wsub", "train", 10, 4, 4, false);
    vkd_dataset *d = open_set("idx", "wsub");
    static const uint32_t past[2] = { 3, 10 };
    static const struct { uint32_t count; bool drop_last; const char *words; } rows[] = {
        { 2, false, "names image 10, the set has 10" }, { 0, false, "holds no images" }, { 1, true, "fewer images" },
    };
    for (size_t i = 0; i < 3; i++) {
        vkd_loader *l = NULL;
        memset(&said, 0, sizeof said);
        ck_assert_int_eq(vkd_loader_create(&(struct vkd_loader_params) {
            .dataset = d, .batch = 2, .canvas = 4, .subset = past, .subset_count = rows[i].count,
            .drop_last = rows[i].drop_last, .log = LOG_TO(&said) }, &l), VKD_INVALID);
        ck_assert_ptr_null(l);
        ck_assert_msg(strstr(said.text, rows[i].words) != NULL, "%s", said.text);
    }
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(targets_on_request)
{
    write_idx_set("hot", "train", 23, 5, 6, false);
    vkd_dataset *d = open_set("idx", "hot");
    vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 7, .canvas = 6, .shuffle = true,
                                                        .targets = true, .log = LOG_TO(&said) });
    for (unsigned i = 0; i < 8; i++) {
        struct vkd_batch b;
        (void)next_hash(l, &b);
        ck_assert_uint_eq(b.target_stride, 12);
        for (uint32_t k = 0; k < b.count; k++)
            for (uint32_t c = 0; c < 12; c++)
                ck_assert_float_eq(b.targets[k * 12 + c], c == b.images[k].label);
    }
    vkd_loader_destroy(&l);
    vkd_dataset_close(&d);
}
END_TEST

// ---- Bad images ----

START_TEST(bad_images_are_replaced)
{
    write_folder("bad", 4);
    vkd_dataset *d = open_set("folder", "bad");
    uint64_t hashes[2][12];
    static struct messages texts[2];
    for (unsigned run = 0; run < 2; run++) {
        memset(&said, 0, sizeof said);
        vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 6, .canvas = 16, .shuffle = true,
                                                            .threads = run ? 3 : 1, .bad_limit = 4,
                                                            .log = LOG_TO(&said) });
        for (unsigned i = 0; i < 12; i++) {
            struct vkd_batch b;
            hashes[run][i] = next_hash(l, &b);
            for (uint32_t k = 0; k < b.count; k++) {
                struct vkd_image image;
                ck_assert_int_eq(vkd_dataset_decode(d, b.images[k].index, 16, 16, &image, NULL, 0), VKD_OK);
                vkd_image_finish(&image);
            }
        }
        ck_assert_uint_eq(said.warnings, 4);        // each named once, though met in both epochs
        ck_assert_uint_eq(said.count, 4);
        ck_assert_ptr_nonnull(strstr(said.text, "image 19 cannot be read: b/01.png: broken PNG"));
        texts[run] = said;
        vkd_loader_destroy(&l);
    }
    ck_assert_mem_eq(hashes[0], hashes[1], sizeof hashes[0]);
    ck_assert_str_eq(texts[0].text, texts[1].text);
    vkd_dataset_close(&d);
}
END_TEST

// An evaluation sees every readable image once, and what stands for the others counts for nothing.
START_TEST(bad_images_are_left_out)
{
    write_folder("out", 4);
    vkd_dataset *d = open_set("folder", "out");
    vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 6, .canvas = 16, .bad_limit = 4,
                                                        .leave_out_bad = true, .targets = true, .log = LOG_TO(&said) });
    uint32_t times[FOLDER_IMAGES] = { 0 }, none = 0;
    for (unsigned i = 0; i < vkd_loader_batches(l); i++) {
        struct vkd_batch b;
        (void)next_hash(l, &b);
        for (uint32_t k = 0; k < b.count; k++) {
            const bool left_out = b.images[k].label == VKD_NO_LABEL;
            none += left_out;
            times[b.images[k].index] += !left_out;
            for (uint32_t c = 0; c < 2; c++)
                ck_assert_float_eq(b.targets[k * 4 + c], left_out ? VKD_TARGET_UNKNOWN : c == b.images[k].label);
            ck_assert_float_eq(b.targets[k * 4 + 2], 0);
        }
    }
    ck_assert_uint_eq(none, 4);
    for (uint32_t i = 0; i < FOLDER_IMAGES; i++) {
        struct vkd_image image = { 0 };
        const bool readable = vkd_dataset_decode(d, i, 0, 0, &image, NULL, 0) == VKD_OK;
        vkd_image_finish(&image);
        ck_assert_uint_eq(times[i], readable);
    }
    vkd_loader_destroy(&l);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(too_many_bad_images)
{
    write_folder("worse", 7);
    vkd_dataset *d = open_set("folder", "worse");
    unsigned failed_at[3];
    for (unsigned run = 0; run < 3; run++) {
        struct vkd_batch b;
        vkd_result r = VKD_OK;
        memset(&said, 0, sizeof said);
        vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 3, .canvas = 16, .shuffle = true,
                                                            .seed = 4, .threads = run + 1, .bad_limit = 3,
                                                            .prefetch = 8, .log = LOG_TO(&said) });
        for (failed_at[run] = 0; failed_at[run] < 30; failed_at[run]++)
            if ((r = vkd_loader_next(l, &b, NULL)) != VKD_OK)
                break;
        ck_assert_int_eq(r, VKD_FORMAT);
        ck_assert_uint_eq(failed_at[run], failed_at[0]);
        ck_assert_uint_eq(said.warnings, 4);
        ck_assert_uint_eq(said.errors, 1);
        ck_assert_ptr_nonnull(strstr(said.text, "4 images cannot be read, 3 tolerated"));
        ck_assert_int_eq(vkd_loader_next(l, &b, NULL), VKD_FORMAT);
        vkd_loader_destroy(&l);
    }
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(nothing_readable)
{
    temp_write("none/a/1.png", "x", 1);
    temp_write("none/a/2.png", "", 0);
    vkd_dataset *d = open_set("folder", "none");
    vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 2, .canvas = 16, .bad_limit = 100,
                                                        .log = LOG_TO(&said) });
    struct vkd_batch b;
    ck_assert_int_eq(vkd_loader_next(l, &b, NULL), VKD_FORMAT);
    vkd_loader_destroy(&l);
    vkd_dataset_close(&d);
}
END_TEST

// ---- Life ----

START_TEST(wrong_parameters)
{
    write_idx_set("w", "train", 10, 4, 4, false);
    vkd_dataset *d = open_set("idx", "w");
    const struct vkd_loader_params rows[] = {
        { .batch = 1, .canvas = 4 }, { .dataset = d, .canvas = 4 }, { .dataset = d, .batch = 1 },
        { .dataset = d, .batch = 1, .canvas = 20000 }, { .dataset = d, .batch = 11, .canvas = 4, .drop_last = true },
        { .dataset = d, .batch = 1, .canvas = 4, .threads = 65 },
        { .dataset = d, .batch = 0x20000000, .canvas = 4 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vkd_loader *l = NULL;
        struct vkd_loader_params p = rows[i];
        memset(&said, 0, sizeof said);
        p.log = LOG_TO(&said);
        ck_assert_int_eq(vkd_loader_create(&p, &l), VKD_INVALID);
        ck_assert_ptr_null(l);
        ck_assert_uint_eq(said.errors, 1);
    }
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(ends_at_any_point)
{
    write_folder("end", 2);
    vkd_dataset *d = open_set("folder", "end");
    for (unsigned i = 0; i < 40; i++) {
        struct vkd_batch b;
        vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 1 + i % 7, .canvas = 16,
                                                            .threads = 1 + i % 4, .prefetch = 1 + i % 5,
                                                            .bad_limit = 2, .log = LOG_TO(&said) });
        for (unsigned k = 0; k < i % 9; k++)
            (void)next_hash(l, &b);
        if (i % 3 == 0)
            ck_assert_int_eq(vkd_loader_seek(l, i, 0), VKD_OK);
        vkd_loader_destroy(&l);
    }
    vkd_loader *none = NULL;
    vkd_loader_destroy(&none);
    vkd_dataset_close(&d);
}
END_TEST

// Not a benchmark: a floor far below what is measured, so that loading never holds a small model up.
START_TEST(small_images_come_fast)
{
    write_idx_set("fast", "train", 2000, 28, 28, false);
    vkd_dataset *d = open_set("idx", "fast");
    vkd_loader *l = start(&(struct vkd_loader_params) { .dataset = d, .batch = 64, .canvas = 28, .shuffle = true,
                                                        .log = LOG_TO(&said) });
    const double begin = vkd__os_seconds();
    double waited = 0;
    uint32_t images = 0;
    struct vkd_batch b;
    for (unsigned i = 0; i < 1000; i++) {
        ck_assert_int_eq(vkd_loader_next(l, &b, &waited), VKD_OK);
        images += b.count;
    }
    const double seconds = vkd__os_seconds() - begin;
    printf("%.0f images of 28 x 28 per second, %.0f %% of the time waited\n", images / seconds,
           100 * waited / seconds);
    ck_assert_double_ge(waited, 0);
    ck_assert_double_lt(waited, seconds);
    vkd_loader_destroy(&l);
    vkd_dataset_close(&d);
}
END_TEST

int main(void)
{
    temp_folder();          // before Check forks
    Suite *s = suite_create("loader");
    TCase *t = tcase_create("loader");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, order_is_a_permutation);
    tcase_add_test(t, order_is_uniform);
    tcase_add_test(t, order_stays);
    tcase_add_test(t, threads_and_caches_change_nothing);
    tcase_add_test(t, batches_hold_the_images);
    tcase_add_test(t, seek_equals_going_there);
    tcase_add_test(t, subsets);
    tcase_add_test(t, wrong_subsets);
    tcase_add_test(t, targets_on_request);
    tcase_add_test(t, bad_images_are_replaced);
    tcase_add_test(t, bad_images_are_left_out);
    tcase_add_test(t, too_many_bad_images);
    tcase_add_test(t, nothing_readable);
    tcase_add_test(t, wrong_parameters);
    tcase_add_test(t, ends_at_any_point);
    tcase_add_test(t, small_images_come_fast);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return !temp_remove() || failed ? 1 : 0;
}
