// test_collages.c -- images put together out of four others: which, what they know, and what stays together.
#include "data_sets.h"

#include "engine/data/dataset.h"
#include "engine/data/image.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(collages_of_images_in_memory)
{
    write_idx_set("k", "train", 50, 6, 6, false);
    vkd_dataset *d = open_ok("idx", "k?classes=0-3,7&collage=2", "train"), *plain = open_ok("idx", "k?classes=0-3,7", "train");
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    ck_assert_uint_eq(info->count, 25);
    ck_assert_uint_eq(info->height, 12);
    ck_assert_uint_eq(info->width, 12);
    ck_assert_uint_eq(info->channels, 1);
    ck_assert(info->multi_label);
    ck_assert_uint_ne(info->fingerprint, vkd_dataset_info(plain)->fingerprint);
    uint32_t uses[25][4] = { { 0 } }, sizes[5] = { 0 };
    for (uint32_t i = 0; i < 25; i++) {
        struct vkd_image whole = decode_ok(d, i);
        float want[5] = { 0 }, row[5];
        for (uint32_t corner = 0; corner < 4; corner++) {
            const uint8_t *first = whole.pixels + ((corner / 2) * 6 * 12 + (corner % 2) * 6) * 4;
            for (uint32_t p = 0; p < 25; p++) {
                struct vkd_image tile = decode_ok(plain, p);
                bool same = true;
                for (uint32_t y = 0; y < 6; y++)
                    same = same && !memcmp(first + y * 12 * 4, tile.pixels + y * 6 * 4, 24);
                if (same) {
                    uses[p][corner]++;
                    want[vkd_dataset_label(plain, p)] = 1;
                }
                vkd_image_finish(&tile);
            }
        }
        vkd_dataset_targets(d, i, row);
        ck_assert_mem_eq(row, want, sizeof row);
        for (uint32_t c = 0; c < 5; c++)
            sizes[c] += row[c] > 0;
        ck_assert_uint_eq(vkd_dataset_label(d, i), VKD_NO_LABEL);
        vkd_image_finish(&whole);
    }
    for (uint32_t p = 0; p < 25; p++)
        for (uint32_t corner = 0; corner < 4; corner++)
            ck_assert_uint_eq(uses[p][corner], 1);
    for (uint32_t c = 0; c < 5; c++)
        ck_assert_uint_eq(vkd_dataset_class_size(d, c), sizes[c]);
    ck_assert_uint_eq(strlen(name_of(d, 0)) >= 4 * strlen("train-images-idx3-ubyte[0]") + 9, 1);
    vkd_dataset_close(&d);
    vkd_dataset_close(&plain);
    open_fails("idx", "k?collage=3", "train", VKD_INVALID, "collage '3': expected 2");
    open_fails("idx", "k?colage=2", "train", VKD_INVALID, "did you mean 'collage'?");
    d = open_ok("idx", "k?limit=1&collage=2", "train");     // four times itself
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 1);
    ck_assert_str_eq(row_of(d, 0), "1000000000");
    vkd_dataset_close(&d);
}
END_TEST

// Collages of different groups share no image, two of one group at most one, in blocks of less than 13 two, of less than 7
// any; from four images on no collage shows one twice.
START_TEST(collages_meet_in_groups)
{
    static const uint32_t counts[][2] = { { 1, 1 }, { 7, 1 }, { 8, 2 }, { 25, 5 }, { 45, 5 }, { 64, 5 }, { 65, 5 }, { 80, 5 },
                                             { 100, 6 }, { 163, 10 } };
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        const uint32_t count = counts[c][0];
        char spec[64];
        uint32_t groups = 0;
        write_idx_set("g", "train", 163, 6, 6, false);
        snprintf(spec, sizeof spec, "g?collage=2&limit=%u", count);
        vkd_dataset *d = open_ok("idx", spec, "train");
        ck_assert_uint_eq(vkd_dataset_info(d)->count, count);
        for (uint32_t i = 0; i < count; i++) {
            bool first = true;
            for (uint32_t k = 0; count >= 4 && k < 16; k++)
                ck_assert(k / 4 == k % 4 || d->tiles[4 * i + k / 4] != d->tiles[4 * i + k % 4]);
            for (uint32_t j = 0; j < i; j++) {
                const bool same = !strcmp(vkd_dataset_group(d, i), vkd_dataset_group(d, j));
                uint32_t shared = 0;
                first &= !same;
                for (uint32_t k = 0; k < 16; k++)
                    shared += d->tiles[4 * i + k / 4] == d->tiles[4 * j + k % 4];
                const uint32_t least = count / counts[c][1], most = least >= 13 ? 1 : least >= 7 ? 2 : VKD__TILES;
                ck_assert_msg(count < VKD__TILES || shared <= (same ? most : 0), "%u images: %u and %u share %u", count, i, j,
                              shared);
            }
            groups += first;
            // Without groups of the set's own blocks take turns; the neighbour in the block follows in the next corner.
            const uint32_t block = i % counts[c][1], size = (count - block + counts[c][1] - 1) / counts[c][1];
            const uint32_t next = (i / counts[c][1] + 1) % size * counts[c][1] + block;
            ck_assert_uint_eq(d->tiles[4 * i + 1], d->tiles[4 * next]);
        }
        ck_assert_uint_eq(groups, counts[c][1]);
        vkd_dataset_close(&d);
    }
}
END_TEST

// The same collages must come in a newer version: figures in reports depend on them.
START_TEST(collages_stay)
{
    uint8_t pixels[6] = { 10, 20, 30, 40, 50, 60 }, labels[6] = { 0, 1, 2, 3, 4, 5 };
    temp_write_bytes("stay/train-images-idx3-ubyte", idx_encode(3, (const uint32_t[3]) { 6, 1, 1 }, pixels, 6));
    temp_write_bytes("stay/train-labels-idx1-ubyte", idx_encode(1, (const uint32_t[3]) { 6, 1, 1 }, labels, 6));
    vkd_dataset *d = open_ok("idx", "stay?collage=2", "train");
    char got[128] = "";
    for (uint32_t i = 0; i < 6; i++) {
        struct vkd_image image = decode_ok(d, i);
        size_t used = strlen(got);
        snprintf(got + used, sizeof got - used, "%u%u%u%u ", image.pixels[0] / 10 % 10, image.pixels[4] / 10 % 10,
                 image.pixels[8] / 10 % 10, image.pixels[12] / 10 % 10);
        vkd_image_finish(&image);
    }
    ck_assert_str_eq(got, "1645 6452 4523 5231 2316 3164 ");
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(collages_of_files)
{
    write_pictures("cf/train/x", "abc");
    write_pictures("cf/train/y", "de");
    temp_write_bytes("cf/train/y/wide.png", png_random(40, 10, 9));
    vkd_dataset *d = open_ok("folder", "cf?collage=2&size=8", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->height, 16);
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 2);
    for (uint32_t i = 0; i < 6; i++) {
        struct vkd_image image = decode_ok(d, i), small;
        ck_assert_uint_eq(image.height, 16);
        ck_assert_uint_eq(image.width, 16);
        for (uint32_t p = 0; p < 256; p++)
            ck_assert_uint_eq(image.pixels[p * 4 + 3], 255);
        ck_assert_int_eq(vkd_dataset_decode(d, i, 5, 0, &small, NULL, 0), VKD_OK);
        ck_assert_uint_eq(small.height, 5);
        vkd_image_finish(&small);
        vkd_image_finish(&image);
    }
    vkd_dataset_close(&d);
    d = open_ok("folder", "cf?collage=2", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->height, 128);
    vkd_dataset_close(&d);
    open_fails("folder", "cf?collage=2&size=16384", "train", VKD_INVALID, "32768 x 32768");

    write_pictures("cu", "abcd");                   // no labels: no targets either
    d = open_ok("folder", "cu?collage=2&size=4", "train");
    ck_assert_uint_eq(vkd_dataset_info(d)->classes, 0);
    ck_assert(!vkd_dataset_info(d)->multi_label);
    vkd_dataset_close(&d);

    temp_write("cf/train/x/broken.png", "\x89PNG\r\n\x1a\nxxxx", 12);
    d = open_ok("folder", "cf?collage=2&size=8", "train");
    uint32_t broken = 0;
    for (uint32_t i = 0; i < 7; i++) {
        struct vkd_image image = { 0 };
        char why[512];
        if (vkd_dataset_decode(d, i, 0, 0, &image, why, sizeof why) != VKD_OK) {
            ck_assert_ptr_nonnull(strstr(why, "train/x/broken.png: "));
            broken++;
        }
        vkd_image_finish(&image);
    }
    ck_assert_uint_ge(broken, 1);
    ck_assert_uint_le(broken, 4);
    vkd_dataset_close(&d);
}
END_TEST

// A tile is the middle square, enlarged where it is smaller.
START_TEST(tiles_are_middle_squares)
{
    static const uint8_t pixels[2 * 4] = { 1, 10, 20, 4, 5, 30, 40, 8 }, label[1] = { 0 };
    temp_write_bytes("mid/train-images-idx3-ubyte", idx_encode(3, (const uint32_t[3]) { 1, 2, 4 }, pixels, 8));
    temp_write_bytes("mid/train-labels-idx1-ubyte", idx_encode(1, (const uint32_t[3]) { 1, 1, 1 }, label, 1));
    vkd_dataset *d = open_ok("idx", "mid?collage=2", "train");
    struct vkd_image image = decode_ok(d, 0);
    static const uint8_t want[16] = { 10, 20, 10, 20, 30, 40, 30, 40, 10, 20, 10, 20, 30, 40, 30, 40 };
    for (uint32_t p = 0; p < 16; p++)
        ck_assert_uint_eq(image.pixels[p * 4], want[p]);
    vkd_image_finish(&image);
    vkd_dataset_close(&d);
    struct vkd_image line = { 1, 2, malloc(8) };
    memcpy(line.pixels, "\0\0\0\xff\x64\x64\x64\xff", 8);
    ck_assert_int_eq(vkd__image_resample(&line, 2, 3), VKD_OK);
    static const uint8_t grown[6] = { 0, 50, 100, 0, 50, 100 };
    for (uint32_t p = 0; p < 6; p++)
        ck_assert_uint_eq(line.pixels[p * 4], grown[p]);
    vkd_image_finish(&line);
}
END_TEST

START_TEST(collages_of_rows)
{
    write_pictures("cr", "abcdef");
    write_text("cr/x.csv", "path,labels\na.png,u\nb.png,?v\nc.png,w|u\nd.png,\ne.png,?\nf.png,?|w\n");
    vkd_dataset *d = open_ok("csv", "cr/x.csv?collage=2&size=4", NULL), *plain = open_ok("csv", "cr/x.csv", NULL);
    for (uint32_t i = 0; i < 6; i++) {
        char want[4] = "000", name[512];
        snprintf(name, sizeof name, "%s", name_of(d, i));
        ck_assert_uint_eq(strlen(name), 4 * 5 + 3 * 3);
        for (uint32_t k = 0; k < 4; k++) {
            const char *row = row_of(plain, (uint32_t)(name[8 * k] - 'a'));
            for (uint32_t c = 0; c < 3; c++)
                want[c] = row[c] == '1' || want[c] == '1' ? '1' : row[c] == '?' || want[c] == '?' ? '?' : '0';
        }
        ck_assert_str_eq(row_of(d, i), want);
        ck_assert_str_eq(vkd_dataset_group(d, i), "tiles 0");      // so few are all of one group
    }
    vkd_dataset_close(&d);
    vkd_dataset_close(&plain);
}
END_TEST

// Images of one group are in collages of one group, be they many or few, and no collage shows an image twice.
START_TEST(collages_keep_groups)
{
    static const struct { uint32_t rows, groups, alone, blocks; } sets[] = {
        { 96, 24, 0, 6 },           // groups of four
        { 96, 3, 0, 3 },            // of 32
        { 90, 2, 50, 5 },           // two of 20, and images alone
        { 60, 1, 10, 3 },           // 50, and ten alone that fill two blocks
        { 24, 1, 2, 1 },            // two alone are no block
        { 12, 6, 0, 3 },
    };
    write_pictures("cg", "a");
    for (size_t s = 0; s < sizeof sets / sizeof sets[0]; s++) {
        char text[4096] = "path,group,labels\na.png,,x\n";
        const uint32_t grouped = sets[s].rows - sets[s].alone;
        for (uint32_t i = 1; i < sets[s].rows; i++)
            sprintf(text + strlen(text), i < grouped ? "%u.png,g%u,y\n" : "%u.png,,y\n", i, i * sets[s].groups / grouped);
        write_text("cg/x.csv", text);
        vkd_dataset *d = open_ok("csv", "cg/x.csv?collage=2&size=4", NULL), *plain = open_ok("csv", "cg/x.csv", NULL);
        uint32_t uses[96] = { 0 }, blocks = 0;
        ck_assert_uint_eq(vkd_dataset_info(d)->count, sets[s].rows);
        ck_assert_uint_ne(vkd_dataset_info(d)->fingerprint, vkd_dataset_info(plain)->fingerprint);
        for (uint32_t i = 0; i < sets[s].rows; i++) {
            const uint32_t *tiles = d->tiles + 4 * i;
            for (uint32_t k = 0; k < 16; k++) {
                uses[tiles[k / 4]] += k % 4 == 0;
                ck_assert(k / 4 == k % 4 || tiles[k / 4] != tiles[k % 4]);
            }
            bool first = true;
            for (uint32_t j = 0; j < i; j++) {
                const bool same = !strcmp(vkd_dataset_group(d, i), vkd_dataset_group(d, j));
                first &= !same;
                for (uint32_t k = 0; k < 16; k++) {
                    const uint32_t a = tiles[k / 4], b = d->tiles[4 * j + k % 4];
                    const char *group = vkd_dataset_group(plain, a);
                    ck_assert(same || (a != b && (!group[0] || strcmp(group, vkd_dataset_group(plain, b)))));
                }
            }
            blocks += first;
        }
        ck_assert_msg(blocks == sets[s].blocks, "set %zu: %u blocks", s, blocks);
        for (uint32_t i = 0; i < sets[s].rows; i++)
            ck_assert_uint_eq(uses[i], 4);
        vkd_dataset_close(&d);
        vkd_dataset_close(&plain);
    }
}
END_TEST

// What a loader delivers is what decoding gives, put together without memory or not, kept or not.
START_TEST(collages_through_the_loader)
{
    write_idx_set("lk", "train", 40, 6, 6, false);
    write_idx_set("lw", "train", 40, 5, 6, false);
    write_pictures("lf", "abcdefgh");
    static const struct { const char *format, *rest; } sets[] = {
        { "idx", "lk?collage=2" }, { "idx", "lw?collage=2" }, { "idx", "lk?collage=2&size=4" },
        { "folder", "lf?collage=2&size=5" },
    };
    for (size_t s = 0; s < 4; s++) {
        vkd_dataset *d = open_ok(sets[s].format, sets[s].rest, "train");
        const uint32_t classes = vkd_dataset_info(d)->classes;
        for (unsigned run = 0; run < 3; run++) {
            vkd_loader *l = NULL;
            ck_assert_int_eq(vkd_loader_create(&(struct vkd_loader_params) {
                .dataset = d, .batch = 7, .canvas = run == 2 ? 7 : 12, .shuffle = true, .threads = 2,
                .cache_size = run == 1 ? 1 : 0, .log = LOG_TO(&said) }, &l), VKD_OK);
            for (unsigned i = 0; i < 14; i++) {
                struct vkd_batch b;
                ck_assert_int_eq(vkd_loader_next(l, &b, NULL), VKD_OK);
                ck_assert_uint_eq(b.target_stride, classes ? 12 : 0);
                for (uint32_t k = 0; k < b.count; k++) {
                    struct vkd_image image = { 0 };
                    float row[16] = { 0 };
                    ck_assert_int_eq(vkd_dataset_decode(d, b.images[k].index, run == 2 ? 7 : 12, run == 2 ? 7 : 12, &image,
                                                        NULL, 0), VKD_OK);
                    ck_assert_uint_eq(b.images[k].height, image.height);
                    ck_assert_mem_eq(b.pixels + b.images[k].ofs, image.pixels, (size_t)image.height * image.width * 4);
                    ck_assert_uint_eq(b.images[k].label, VKD_NO_LABEL);
                    vkd_dataset_targets(d, b.images[k].index, row);
                    ck_assert(!classes || !memcmp(b.targets + k * 12, row, 12 * sizeof *row));
                    vkd_image_finish(&image);
                }
            }
            vkd_loader_destroy(&l);
        }
        vkd_dataset_close(&d);
    }
}
END_TEST

int main(void)
{
    temp_folder();          // before Check forks
    Suite *s = suite_create("collages");
    TCase *t = tcase_create("collages");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, collages_of_images_in_memory);
    tcase_add_test(t, collages_meet_in_groups);
    tcase_add_test(t, collages_stay);
    tcase_add_test(t, collages_of_files);
    tcase_add_test(t, tiles_are_middle_squares);
    tcase_add_test(t, collages_of_rows);
    tcase_add_test(t, collages_keep_groups);
    tcase_add_test(t, collages_through_the_loader);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return !temp_remove() || failed ? 1 : 0;
}
