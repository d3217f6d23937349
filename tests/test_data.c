// test_data.c -- specs, the formats idx, cifar and folder, and what they say about broken files.
#include "data_sets.h"

#include "engine/data/idx.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Specs ----

START_TEST(wrong_specs)
{
    write_idx_set("s", "train", 20, 2, 2, false);
    static const struct { const char *spec, *split, *words; } rows[] = {
        { "idx", NULL, "expected FORMAT:PATH" },
        { "", NULL, "expected FORMAT:PATH" },
        { ":x", NULL, "expected FORMAT:PATH" },
        { "idx:", NULL, "expected FORMAT:PATH" },
        { "idx:?limit=3", NULL, "expected FORMAT:PATH" },
        { "/tmp", NULL, "as folder:/tmp" },
        { "ixd:/tmp", NULL, "did you mean 'idx'?" },
        { "mnist:/tmp", NULL, "expected one of cifar:, csv:, folder:, idx:, noise:" },
        { "idx:/tmp?lmit=3", NULL, "did you mean 'limit'?" },
        { "idx:/tmp?frobnicate=3", NULL, "expected split, classes, limit, train_limit, size, collage, holdout or" },
        { "idx:/tmp?limit", NULL, "expected name=value" },
        { "idx:/tmp?limit=", NULL, "expected name=value" },
        { "idx:/tmp?limit=0", NULL, "limit '0'" },
        { "idx:/tmp?train_limit=0", NULL, "train_limit '0'" },
        { "idx:/tmp?limit=-1", NULL, "limit '-1'" },
        { "idx:/tmp?limit=99999999999999999999", NULL, "limit '9999" },
        { "idx:/tmp?size=16385", NULL, "1 to 16384" },
        { "idx:/tmp?shuffle_labels=0", NULL, "expected a seed above 0" },
        { "idx:/tmp?shuffle_label=1", NULL, "did you mean 'shuffle_labels'?" },
        { "idx:/tmp?split=tets", NULL, "did you mean 'test'?" },
        { "idx:/tmp", "trian", "did you mean 'train'?" },
        { "noise:8x4x3", NULL, "'8x4x3': expected COUNTxSIDExCHANNELSxCLASSES" },
        { "noise:8x4x2x2", NULL, "1 or 3 channels" },
        { "noise:8x4x3x2x", NULL, "expected COUNTx" },
        { "noise:0x4x3x2", NULL, "expected COUNTx" },
        { "noise:8x-4x3x2", NULL, "expected COUNTx" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        vkd_dataset *d = NULL;
        memset(&said, 0, sizeof said);
        struct vkd_dataset_params p = { .spec = rows[i].spec, .split = rows[i].split, .log = LOG_TO(&said) };
        ck_assert_int_eq(vkd_dataset_open(&p, &d), VKD_INVALID);
        ck_assert_ptr_null(d);
        ck_assert_msg(strstr(said.text, rows[i].words) != NULL, "%s: '%s'", rows[i].spec, said.text);
    }
    static const char *const lists[] = { "10", "5-3", "a", "1-", "1,,2", "1,", "-1", "1-2-3", "99999999999" };
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        char rest[64];
        snprintf(rest, sizeof rest, "s?classes=%s", lists[i]);
        open_fails("idx", rest, "train", VKD_INVALID, "classes '");
    }
    open_fails("idx", "nowhere", NULL, VKD_IO, "there is nothing of this name");
    open_fails("idx", "s/train-images-idx3-ubyte", NULL, VKD_IO, "expected a folder");
    open_fails("idx", "s", "val", VKD_INVALID, "expected train or test");
    open_fails("idx", "s", "test", VKD_IO, "t10k-images");
}
END_TEST

START_TEST(noise)
{
    struct vkd_dataset_params p = { .spec = "noise:10x5x3x4", .split = "train", .log = LOG_TO(&said) };
    vkd_dataset *d, *again, *other;
    ck_assert_int_eq(vkd_dataset_open(&p, &d), VKD_OK);
    ck_assert_int_eq(vkd_dataset_open(&p, &again), VKD_OK);
    p.split = "test";
    ck_assert_int_eq(vkd_dataset_open(&p, &other), VKD_OK);
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    ck_assert_uint_eq(info->count, 10);
    ck_assert_uint_eq(info->classes, 4);
    ck_assert_uint_eq(info->channels, 3);
    ck_assert_uint_eq(vkd_dataset_label(d, 6), 2);
    ck_assert_str_eq(vkd_dataset_class_name(d, 3), "3");
    ck_assert(info->fingerprint == vkd_dataset_info(again)->fingerprint);
    ck_assert(info->fingerprint != vkd_dataset_info(other)->fingerprint);
    struct vkd_image a = decode_ok(d, 9), b = decode_ok(again, 9), c = decode_ok(other, 9), e = decode_ok(d, 8);
    ck_assert_uint_eq(a.height, 5);
    ck_assert_mem_eq(a.pixels, b.pixels, 100);
    ck_assert(memcmp(a.pixels, c.pixels, 100) != 0);
    ck_assert(memcmp(a.pixels, e.pixels, 100) != 0);
    ck_assert_uint_eq(a.pixels[99], 255);
    vkd_image_finish(&a);
    vkd_image_finish(&b);
    vkd_image_finish(&c);
    vkd_image_finish(&e);
    vkd_dataset_close(&d);
    vkd_dataset_close(&again);
    vkd_dataset_close(&other);
}
END_TEST

START_TEST(classes_and_limit)
{
    write_idx_set("c", "train", 100, 2, 3, true);
    vkd_dataset *d = open_ok("idx", "c?classes=8,2-4", "train");
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    ck_assert_uint_eq(info->classes, 4);
    ck_assert_uint_eq(info->count, 40);
    ck_assert_str_eq(vkd_dataset_class_name(d, 0), "2");
    ck_assert_str_eq(vkd_dataset_class_name(d, 3), "8");
    ck_assert_str_eq(vkd_dataset_class_name(d, 4), "?");
    ck_assert_uint_eq(vkd_dataset_class_size(d, 3), 10);
    ck_assert_uint_eq(vkd_dataset_label(d, 3), 3);              // images 2, 3, 4, 8, 12, ...
    ck_assert_str_eq(name_of(d, 3), "train-images-idx3-ubyte.gz[8]");
    ck_assert_uint_eq(vkd_dataset_label(d, 40), VKD_NO_LABEL);
    vkd_dataset_close(&d);
    ck_assert_ptr_null(d);

    d = open_ok("idx", "c?limit=14&classes=2-4", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 14);
    ck_assert_uint_eq(vkd_dataset_class_size(d, 0), 5);
    ck_assert_uint_eq(vkd_dataset_class_size(d, 1), 5);
    ck_assert_uint_eq(vkd_dataset_class_size(d, 2), 4);
    ck_assert_str_eq(name_of(d, 13), "train-images-idx3-ubyte.gz[43]");
    vkd_dataset_close(&d);

    d = open_ok("idx", "c?limit=3&split=train", "test");        // the spec's split wins
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 3);
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 10);
    ck_assert_str_eq(vkd_dataset_info(d)->split, "train");
    vkd_dataset_close(&d);

    d = open_ok("idx", "c?limit=1000", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 100);
    vkd_dataset_close(&d);

    // train_limit is of the split train alone, and the smaller of two limits counts.
    static const struct { const char *spec; uint32_t train, test; } limits[] = {
        { "c?train_limit=20", 20, 100 }, { "c?train_limit=20&limit=50", 20, 50 }, { "c?limit=10&train_limit=20", 10, 10 },
    };
    write_idx_set("c", "t10k", 100, 2, 3, true);
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        for (int test = 0; test < 2; test++) {
            d = open_ok("idx", limits[i].spec, test ? "test" : "train");
            ck_assert_uint_eq(vkd_dataset_info(d)->count, test ? limits[i].test : limits[i].train);
            vkd_dataset_close(&d);
        }
    }
}
END_TEST

// A limit beyond what a rare class has goes to the others.
START_TEST(limit_with_rare_classes)
{
    static const uint8_t labels[12] = { 0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 0 };
    static const uint8_t pixels[12] = { 0 };
    temp_write_bytes("r/train-images-idx3-ubyte", idx_encode(3, (const uint32_t[3]) { 12, 1, 1 }, pixels, 12));
    temp_write_bytes("r/train-labels-idx1-ubyte", idx_encode(1, (const uint32_t[3]) { 12, 1, 1 }, labels, 12));
    vkd_dataset *d = open_ok("idx", "r?limit=8", "train");
    ck_assert_uint_eq(vkd_dataset_class_size(d, 0), 4);
    ck_assert_uint_eq(vkd_dataset_class_size(d, 1), 1);
    ck_assert_uint_eq(vkd_dataset_class_size(d, 2), 3);
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 8);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(fingerprints)
{
    write_idx_set("f/a", "train", 30, 4, 4, false);
    write_idx_set("f/b", "train", 30, 4, 4, true);
    static const char *const rests[] = { "f/a", "f/b", "f/a?limit=29", "f/a?classes=0-8", "f/a?size=3" };
    uint64_t prints[5];
    for (size_t i = 0; i < 5; i++) {
        vkd_dataset *d = open_ok("idx", rests[i], "train");
        prints[i] = vkd_dataset_info(d)->fingerprint;
        vkd_dataset_close(&d);
    }
    ck_assert_uint_eq(prints[0], prints[1]);        // neither the place nor gzip matters
    for (size_t i = 2; i < 5; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(prints[i] != prints[k] || (i == 1 && k == 0), "%zu and %zu", i, k);
}
END_TEST

// ---- idx ----

START_TEST(idx_pixels_and_names)
{
    for (unsigned k = 0; k < 4; k++) {
        static const char *const images[] = { "train-images-idx3-ubyte", "train-images.idx3-ubyte",
                                              "train-images-idx3-ubyte.gz", "train-images.idx3-ubyte.gz" };
        static const uint8_t pixels[3 * 4 * 2] = { 1, 2, 3, 4, 5, 6, 7, 255, 9 }, labels[3] = { 9, 0, 5 };
        struct bytes b = idx_encode(3, (const uint32_t[3]) { 3, 4, 2 }, pixels, sizeof pixels);
        char name[64];
        if (k == 3) {       // two gzip members make one file
            struct bytes one = gzip_encode(b.data, 20), two = gzip_encode(b.data + 20, b.size - 20);
            b.data = realloc(b.data, one.size + two.size);
            memcpy(b.data, one.data, one.size);
            memcpy(b.data + one.size, two.data, two.size);
            b.size = one.size + two.size;
            free(one.data);
            free(two.data);
        }
        snprintf(name, sizeof name, "n%u-Fashion/%s", k, images[k]);
        temp_write_bytes(name, b);
        snprintf(name, sizeof name, "n%u-Fashion/train-labels-idx1-ubyte", k);
        temp_write_bytes(name, idx_encode(1, (const uint32_t[3]) { 3, 1, 1 }, labels, 3));
        snprintf(name, sizeof name, "n%u-Fashion", k);
        vkd_dataset *d = open_ok("idx", name, NULL);
        const struct vkd_dataset_info *info = vkd_dataset_info(d);
        ck_assert_str_eq(info->format, "idx");
        ck_assert_uint_eq(info->count, 3);
        ck_assert_uint_eq(info->channels, 1);
        ck_assert_uint_eq(info->height, 4);
        ck_assert_uint_eq(info->width, 2);
        ck_assert_str_eq(vkd_dataset_class_name(d, 9), "Ankle boot");
        ck_assert_uint_eq(vkd_dataset_label(d, 0), 9);
        struct vkd_image image = decode_ok(d, 0);
        ck_assert_mem_eq(image.pixels + 28, "\xff\xff\xff\xff", 4);
        ck_assert_mem_eq(image.pixels + 4, "\2\2\2\xff", 4);
        vkd_image_finish(&image);
        ck_assert_int_eq(vkd_dataset_decode(d, 3, 0, 0, &image, NULL, 0), VKD_INVALID);
        vkd_dataset_close(&d);
    }
    vkd_dataset *d = open_ok("idx", "n0-Fashion?size=1", NULL);
    ck_assert_uint_eq(vkd_dataset_info(d)->height, 2);
    ck_assert_uint_eq(vkd_dataset_info(d)->width, 1);
    struct vkd_image image = decode_ok(d, 0);
    ck_assert_uint_eq(image.height, 2);
    ck_assert_mem_eq(image.pixels, "\3\3\3\xff", 4);            // (1 + 2 + 3 + 4) / 4, halves go up
    vkd_image_finish(&image);
    vkd_dataset_close(&d);
}
END_TEST

static void write_pair(const char *folder, struct bytes images, struct bytes labels)
{
    char name[64];
    snprintf(name, sizeof name, "%s/train-images-idx3-ubyte", folder);
    temp_write_bytes(name, images);
    snprintf(name, sizeof name, "%s/train-labels-idx1-ubyte", folder);
    temp_write_bytes(name, labels);
}

START_TEST(idx_broken)
{
    static const uint8_t zeros[64] = { 0 };
    const uint32_t three[3] = { 3, 2, 2 }, four[3] = { 4, 2, 2 };
    write_pair("b0", idx_encode(3, three, zeros, 12), idx_encode(1, four, zeros, 4));
    open_fails("idx", "b0", NULL, VKD_FORMAT, "holds 3 images, but train-labels-idx1-ubyte holds 4 labels");
    write_pair("b1", idx_encode(3, three, zeros, 11), idx_encode(1, three, zeros, 3));
    open_fails("idx", "b1", NULL, VKD_FORMAT, "train-images-idx3-ubyte: the header asks for 12 bytes");
    write_pair("b2", idx_encode(3, three, zeros, 13), idx_encode(1, three, zeros, 3));
    open_fails("idx", "b2", NULL, VKD_FORMAT, "more than the 12 bytes");
    write_pair("b3", idx_encode(1, three, zeros, 12), idx_encode(1, three, zeros, 3));
    open_fails("idx", "b3", NULL, VKD_FORMAT, "magic number 0x00000803");
    write_pair("b4", idx_encode(3, (const uint32_t[3]) { 0, 2, 2 }, zeros, 0), idx_encode(1, three, zeros, 3));
    open_fails("idx", "b4", NULL, VKD_FORMAT, "size 0 in the header is 0");
    write_pair("b5", idx_encode(3, (const uint32_t[3]) { 1, 30000, 30000 }, zeros, 64), idx_encode(1, three, zeros, 3));
    open_fails("idx", "b5", NULL, VKD_FORMAT, "30000 x 30000");
    write_pair("b6", idx_encode(3, (const uint32_t[3]) { 0xffffffff, 16384, 16384 }, zeros, 64),
               idx_encode(1, three, zeros, 3));
    open_fails("idx", "b6", NULL, VKD_FORMAT, "at most 64");
    write_pair("b7", idx_encode(3, three, zeros, 12), idx_encode(1, three, (const uint8_t *)"\0\x0c\1", 3));
    open_fails("idx", "b7", NULL, VKD_FORMAT, "label 12 at image 1 is out of range, expected 0 to 9");
    write_pair("b8", idx_encode(3, three, zeros, 12), (struct bytes) { calloc(1, 1), 0 });
    open_fails("idx", "b8", NULL, VKD_FORMAT, "expected a header of 8 bytes, the data ends after 0");
}
END_TEST

// More than ten classes are taken when none is missing.
START_TEST(idx_of_many_classes)
{
    uint8_t labels[26], pixels[26] = { 0 };
    for (uint8_t i = 0; i < 26; i++)
        labels[i] = i;
    write_pair("many", idx_encode(3, (const uint32_t[3]) { 26, 1, 1 }, pixels, 26),
               idx_encode(1, (const uint32_t[3]) { 26, 1, 1 }, labels, 26));
    vkd_dataset *d = open_ok("idx", "many", NULL);
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 26);
    ck_assert_str_eq(vkd_dataset_class_name(d, 25), "25");
    vkd_dataset_close(&d);
}
END_TEST

static vkd_result read_idx(struct bytes b, struct vkd__why *why)
{
    struct vkd__idx idx = { .bytes = NULL };
    why->text[0] = 0;
    uint8_t *copy = malloc(b.size + 1);
    memcpy(copy, b.data, b.size);
    vkd_result r = vkd__idx_read(copy, b.size, 3, &idx, why);
    free(idx.bytes);
    free(copy);
    return r;
}

START_TEST(idx_gzip_is_bounded)
{
    const size_t size = 20 << 20;
    struct vkd__why why;
    uint8_t *zeros = calloc(1, size);
    // The header asks for 16 bytes, the stream holds 20 MB: reading stops behind the 17th.
    struct bytes b = idx_encode(3, (const uint32_t[3]) { 1, 4, 4 }, zeros, size), bomb = gzip_encode(b.data, b.size);
    ck_assert_int_eq(read_idx(bomb, &why), VKD_FORMAT);
    ck_assert_ptr_nonnull(strstr(why.text, "more than the 16 bytes"));
    free(b.data);
    free(bomb.data);
    // A small file that asks for 2^40 bytes is refused before memory is asked for.
    b = idx_encode(3, (const uint32_t[3]) { 1 << 20, 1024, 1024 }, zeros, 16);
    bomb = gzip_encode(b.data, b.size);
    ck_assert_int_eq(read_idx(bomb, &why), VKD_FORMAT);
    ck_assert_ptr_nonnull(strstr(why.text, "can hold at most"));
    free(b.data);
    free(bomb.data);
    // Every cut is noticed, every flipped bit too, by gzip's checksum at the latest, except where it
    // means nothing: time, system and such in its header and a few bits that fill the last byte up.
    fill_random(zeros, 64, 3);
    b = idx_encode(3, (const uint32_t[3]) { 4, 4, 4 }, zeros, 64);
    struct bytes good = gzip_encode(b.data, b.size);
    ck_assert_int_eq(read_idx(good, &why), VKD_OK);
    for (size_t n = 0; n < good.size; n++)
        ck_assert_int_eq(read_idx((struct bytes) { good.data, n }, &why), VKD_FORMAT);
    unsigned unnoticed = 0;
    for (size_t bit = 0; bit < good.size * 8; bit++) {
        good.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (bit / 8 < 3 || bit / 8 > 9)
            unnoticed += read_idx(good, &why) == VKD_OK;
        good.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ck_assert_uint_lt(unnoticed, 8);
    free(b.data);
    free(good.data);
    free(zeros);
}
END_TEST

// ---- cifar ----

static struct bytes cifar_records(uint32_t count, uint32_t labels, uint8_t first)
{
    const size_t record = labels + 3072;
    struct bytes b = { malloc(count * record), count * record };
    fill_random(b.data, b.size, first);
    for (uint32_t i = 0; i < count; i++) {
        b.data[i * record] = (uint8_t)((first + i) % 10);
        if (labels == 2)
            b.data[i * record + 1] = (uint8_t)((first + i) % 100);
    }
    return b;
}

START_TEST(cifar_10)
{
    struct bytes one = cifar_records(6, 1, 0);
    uint8_t red = one.data[2 * 3073 + 1], green = one.data[2 * 3073 + 1 + 1024], blue = one.data[2 * 3073 + 1 + 2048];
    temp_write_bytes("k10/cifar-10-batches-bin/data_batch_1.bin", one);
    temp_write_bytes("k10/cifar-10-batches-bin/data_batch_2.bin", cifar_records(7, 1, 6));
    temp_write_bytes("k10/cifar-10-batches-bin/test_batch.bin", cifar_records(3, 1, 4));
    vkd_dataset *d = open_ok("cifar", "k10", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 13);
    ck_assert_uint_eq(vkd_dataset_info(d)->channels, 3);
    ck_assert_uint_eq(vkd_dataset_info(d)->height, 32);
    ck_assert_str_eq(vkd_dataset_class_name(d, 3), "cat");
    ck_assert_str_eq(name_of(d, 8), "data_batch_2.bin[2]");
    ck_assert_uint_eq(vkd_dataset_label(d, 8), 8);
    ck_assert_uint_eq(said.warnings, 1);
    ck_assert_ptr_nonnull(strstr(said.text, "data_batch_3.bin is missing"));
    struct vkd_image image = decode_ok(d, 2);
    const uint8_t expected[4] = { red, green, blue, 255 };
    ck_assert_mem_eq(image.pixels, expected, 4);
    vkd_image_finish(&image);
    vkd_dataset_close(&d);
    temp_write("k10/cifar-10-batches-bin/batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n", 21);
    d = open_ok("cifar", "k10/cifar-10-batches-bin/", "test");
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 3);
    ck_assert_str_eq(vkd_dataset_class_name(d, 9), "j");
    vkd_dataset_close(&d);
    open_fails("cifar", "k10", "val", VKD_INVALID, "expected train or test");
}
END_TEST

START_TEST(cifar_100)
{
    temp_write_bytes("k100/train.bin", cifar_records(5, 2, 95));
    vkd_dataset *d = open_ok("cifar", "k100", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 100);
    ck_assert_uint_eq(vkd_dataset_label(d, 4), 99);
    ck_assert_str_eq(vkd_dataset_class_name(d, 99), "99");
    vkd_dataset_close(&d);
    open_fails("cifar", "k100", "test", VKD_IO, "test.bin");
}
END_TEST

START_TEST(cifar_broken)
{
    struct bytes b = cifar_records(3, 1, 0);
    b.size--;
    temp_write_bytes("kb1/data_batch_1.bin", b);
    open_fails("cifar", "kb1", "train", VKD_FORMAT, "not a whole number of records of 3073 bytes");
    b = cifar_records(3, 1, 0);
    b.data[2 * 3073] = 10;
    temp_write_bytes("kb2/data_batch_1.bin", b);
    open_fails("cifar", "kb2", "train", VKD_FORMAT, "label 10 of record 2 is out of range, expected 0 to 9");
    temp_write("kb3/data_batch_1.bin", "", 0);
    open_fails("cifar", "kb3", "train", VKD_FORMAT, "0 bytes");
    temp_write("kb4/x", "", 0);
    open_fails("cifar", "kb4", "train", VKD_IO, "binary version");
}
END_TEST

// ---- folder ----

static void add_image(const char *name)
{
    uint64_t seed = 0;
    for (const char *p = name; *p; p++)
        seed = seed * 31 + (uint8_t)*p;
    temp_write_bytes(name, png_random(3 + (uint32_t)(seed % 5), 4, seed));
}

START_TEST(folder_order_and_classes)
{
    static const char *const files[] = { "o/train/b/2.png", "o/train/b/10.png", "o/train/a/z.png", "o/train/a/Z.png",
                                         "o/train/a/deep/er/x.png", "o/train/B/1.png", "o/train/a/.hidden.png",
                                         "o/train/.git/x.png", "o/train/a/noending", "o/val/a/1.png",
                                         "o/val/b/1.png", "o/.cache/x.png" };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        add_image(files[i]);
    temp_write("o/train/a/notes.txt", "hello", 5);
    temp_write("o/train/README", "hello", 5);
    temp_write("o/train/a/photo.webp", "RIFF\x10\0\0\0WEBPVP8 ", 16);
    vkd_dataset *d = open_ok("folder", "o", "train");
    static const char *const order[] = { "train/B/1.png", "train/a/Z.png", "train/a/deep/er/x.png", "train/a/noending",
                                         "train/a/photo.webp", "train/a/z.png", "train/b/10.png", "train/b/2.png" };
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 8);
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 3);
    ck_assert_uint_eq(vkd_dataset_info(d)->channels, 3);
    ck_assert_uint_eq(vkd_dataset_info(d)->height, 0);
    for (uint32_t i = 0; i < 8; i++)
        ck_assert_str_eq(name_of(d, i), order[i]);
    ck_assert_uint_eq(vkd_dataset_label(d, 0), 0);
    ck_assert_uint_eq(vkd_dataset_label(d, 7), 2);
    ck_assert_str_eq(vkd_dataset_class_name(d, 0), "B");
    ck_assert_ptr_nonnull(strstr(said.text, "left out 2 files"));
    struct vkd_image image;
    char why[512];
    ck_assert_int_eq(vkd_dataset_decode(d, 4, 0, 0, &image, why, sizeof why), VKD_FORMAT);
    ck_assert_ptr_nonnull(strstr(why, "train/a/photo.webp: this is WebP"));
    vkd_dataset_close(&d);

    d = open_ok("folder", "o/", "val");             // B is missing there: numbers stay those of train/
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 3);
    ck_assert_uint_eq(vkd_dataset_label(d, 1), 2);
    ck_assert_uint_eq(said.warnings, 1);
    ck_assert_ptr_nonnull(strstr(said.text, "class 'B' of train/ is missing in val/"));
    vkd_dataset_close(&d);
    open_fails("folder", "o", "test", VKD_INVALID, "there is no folder test/");
    open_fails("folder", "o", "all", VKD_INVALID, "divided into splits");
}
END_TEST

START_TEST(folder_without_splits)
{
    add_image("w/cat/1.png");
    add_image("w/train/1.png");                     // a class of vehicles
    add_image("w/train/2.png");
    vkd_dataset *d = open_ok("folder", "w", NULL);
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 2);
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 3);
    ck_assert_str_eq(name_of(d, 2), "train/2.png");
    vkd_dataset_close(&d);
    d = open_ok("folder", "w", "all");
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 3);
    vkd_dataset_close(&d);
    open_fails("folder", "w", "test", VKD_INVALID, "use ?split=all");
    open_fails("folder", "w", "val", VKD_INVALID, "is not divided into train/, val/ and test/");
}
END_TEST

START_TEST(folder_without_labels)
{
    add_image("u/train/1.png");
    add_image("u/train/2.png");
    add_image("v/1.png");
    vkd_dataset *d = open_ok("folder", "u", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 0);
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 2);
    ck_assert_uint_eq(vkd_dataset_label(d, 0), VKD_NO_LABEL);
    vkd_dataset_close(&d);
    d = open_ok("folder", "v?limit=5", "train");
    ck_assert_str_eq(name_of(d, 0), "1.png");
    vkd_dataset_close(&d);
    open_fails("folder", "u?classes=0", "train", VKD_INVALID, "no labels");
}
END_TEST

START_TEST(folder_broken)
{
    struct vkd__why why;
    add_image("e/train/a/1.png");
    ck_assert_int_eq(vkd__dir_create(temp_path("e/train/lynx"), &why), VKD_OK);
    open_fails("folder", "e", "train", VKD_FORMAT, "class 'lynx' is empty: no images in train/lynx");
    add_image("e2/train/a/1.png");
    add_image("e2/test/a/1.png");
    add_image("e2/test/b/1.png");
    open_fails("folder", "e2", "test", VKD_FORMAT, "class 'b' is in test/ but not in train/");
    ck_assert_int_eq(vkd__dir_create(temp_path("e3"), &why), VKD_OK);
    open_fails("folder", "e3", "train", VKD_FORMAT, "holds no images");
    add_image("e4/a/1/2/3/4/5/6/7/8/9/x.png");
    open_fails("folder", "e4", "train", VKD_FORMAT, "nested more than 8 deep");
}
END_TEST

START_TEST(folder_file_goes_away)
{
    add_image("g/a/1.png");
    vkd_dataset *d = open_ok("folder", "g", NULL);
    struct vkd_image image = decode_ok(d, 0);
    vkd_image_finish(&image);
    ck_assert_int_eq(remove(temp_path("g/a/1.png")), 0);
    char why[512];
    ck_assert_int_eq(vkd_dataset_decode(d, 0, 0, 0, &image, why, sizeof why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why, "g/a/1.png: cannot open"));
    vkd_dataset_close(&d);
}
END_TEST

int main(void)
{
    temp_folder();          // before Check forks
    Suite *s = suite_create("data");
    TCase *t = tcase_create("data");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, wrong_specs);
    tcase_add_test(t, noise);
    tcase_add_test(t, classes_and_limit);
    tcase_add_test(t, limit_with_rare_classes);
    tcase_add_test(t, fingerprints);
    tcase_add_test(t, idx_pixels_and_names);
    tcase_add_test(t, idx_broken);
    tcase_add_test(t, idx_of_many_classes);
    tcase_add_test(t, idx_gzip_is_bounded);
    tcase_add_test(t, cifar_10);
    tcase_add_test(t, cifar_100);
    tcase_add_test(t, cifar_broken);
    tcase_add_test(t, folder_order_and_classes);
    tcase_add_test(t, folder_without_splits);
    tcase_add_test(t, folder_without_labels);
    tcase_add_test(t, folder_broken);
    tcase_add_test(t, folder_file_goes_away);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return !temp_remove() || failed ? 1 : 0;
}
