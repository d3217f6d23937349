// test_multilabel.c -- tables of images with several labels, collages, and holding images out.
#include "data_sets.h"

#include "engine/data/dataset.h"
#include "engine/data/image.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Targets as text: a character per class, 1, 0 or ?.
static const char *row_of(const vkd_dataset *d, uint32_t index)
{
    static char text[64];
    float row[64];
    const uint32_t classes = vkd_dataset_info(d)->classes;
    vkd_dataset_targets(d, index, row);
    for (uint32_t c = 0; c < classes; c++)
        text[c] = row[c] > 0 ? '1' : row[c] < 0 ? '?' : '0';
    text[classes] = 0;
    return text;
}

// ---- csv ----

static void write_text(const char *name, const char *text)
{
    temp_write(name, text, strlen(text));
}

static void write_pictures(const char *where, const char *names)
{
    for (const char *p = names; *p; p++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%c.png", where, *p);
        temp_write_bytes(path, png_random(5 + (uint32_t)(*p % 3), 4, (uint64_t)*p));
    }
}

START_TEST(csv_rows_and_classes)
{
    write_pictures("c/pics", "abcdefg");
    write_text("c/list.csv",
               "\xef\xbb\xbfpath,split,group,labels\r\n"
               "pics/c.png,train,g1,dog|cat\r\n"
               "\r\n"
               "\"pics/a.png\",train,\"a, \"\"quoted\"\"\ngroup\",\" bird | ?cat \"\n"
               "pics/b.png,train,,\n"
               "pics/d.png,test,g9,zebra\n"
               "pics/e.png,train,g1,?\n"
               "pics/f.png,train,g1,? | dog\n"
               "pics/g.png,test,g2,cat");
    vkd_dataset *d = open_ok("csv", "c/list.csv", "train");
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    ck_assert_str_eq(info->format, "csv");
    ck_assert_uint_eq(info->count, 5);
    ck_assert_uint_eq(info->classes, 4);            // zebra is of the test split alone
    ck_assert(info->multi_label);
    ck_assert_uint_eq(info->height, 0);
    static const char *const names[] = { "bird", "cat", "dog", "zebra" };
    static const uint32_t sizes[] = { 1, 1, 2, 0 };
    for (uint32_t c = 0; c < 4; c++) {
        ck_assert_str_eq(vkd_dataset_class_name(d, c), names[c]);
        ck_assert_uint_eq(vkd_dataset_class_size(d, c), sizes[c]);
    }
    static const char *const rows[] = { "0110", "1?00", "0000", "????", "??1?" };
    static const char *const files[] = { "pics/c.png", "pics/a.png", "pics/b.png", "pics/e.png", "pics/f.png" };
    for (uint32_t i = 0; i < 5; i++) {
        ck_assert_str_eq(row_of(d, i), rows[i]);
        ck_assert_str_eq(name_of(d, i), files[i]);
        ck_assert_uint_eq(vkd_dataset_label(d, i), VKD_NO_LABEL);
    }
    ck_assert_str_eq(vkd_dataset_group(d, 0), "g1");
    ck_assert_str_eq(vkd_dataset_group(d, 1), "a, \"quoted\"\ngroup");
    ck_assert_str_eq(vkd_dataset_group(d, 2), "");
    ck_assert_str_eq(vkd_dataset_group(d, 99), "");
    struct vkd_image image = decode_ok(d, 1);
    ck_assert_uint_eq(image.width, 5 + 'a' % 3);
    vkd_image_finish(&image);
    uint32_t *list = NULL, count = 0;               // image 3 has nothing that could be used
    ck_assert_int_eq(vkd_label_subset(d, 1, 0, NULL, &list, &count), VKD_OK);
    ck_assert_uint_eq(count, 4);
    ck_assert_uint_eq(list[3], 4);
    free(list);
    ck_assert_int_eq(vkd_label_subset(d, 0.1, 0, &LOG_TO(&said), &list, &count), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(said.text, "injection.label_fraction: 0.1 of 4 images with labels is none: at least 0.13"));
    vkd_dataset_close(&d);

    d = open_ok("csv", "c/list.csv?classes=1,3", "test");
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 2);
    ck_assert_str_eq(row_of(d, 0), "01");
    ck_assert_str_eq(row_of(d, 1), "10");
    vkd_dataset_close(&d);
    open_fails("csv", "c/list.csv", "val", VKD_INVALID, "there are 5 of train, 0 of val and 2 of test");
    open_fails("csv", "c/list.csv", "all", VKD_INVALID, "has a column 'split'");
    open_fails("csv", "c/list.csv?holdout=0.5", "train", VKD_INVALID, "divided into splits already");
    open_fails("csv", "c/pics", NULL, VKD_IO, "expected a file, this is none");
    open_fails("csv", "c/lost.csv", NULL, VKD_IO, "expected a file, there is nothing of this name");
}
END_TEST

START_TEST(csv_without_splits)
{
    write_pictures("n", "abcdefgh");
    write_text("n/x.csv", "labels,path\n,a.png\nu;v,b.png\nw,c.png\n,d.png\nv,e.png\nu,f.png\n,g.png\nw|u,h.png\n");
    vkd_dataset *d = open_ok("csv", "n/x.csv", NULL);
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 8);
    ck_assert_str_eq(row_of(d, 7), "101");
    vkd_dataset_close(&d);
    open_fails("csv", "n/x.csv", "test", VKD_INVALID, "use ?split=all");
    bool seen[8] = { false };
    for (unsigned part = 0; part < 2; part++) {
        d = open_ok("csv", "n/x.csv?holdout=0.25", part ? "test" : "train");
        ck_assert_uint_eq(vkd_dataset_info(d)->count, part ? 2 : 6);
        for (uint32_t i = 0; i < vkd_dataset_info(d)->count; i++) {
            ck_assert(!seen[name_of(d, i)[0] - 'a']);
            seen[name_of(d, i)[0] - 'a'] = true;
        }
        vkd_dataset_close(&d);
    }
    d = open_ok("csv", "n/x.csv?limit=3", "all");
    static const char *const evenly[] = { "a.png", "c.png", "f.png" };
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 3);
    for (uint32_t i = 0; i < 3; i++)
        ck_assert_str_eq(name_of(d, i), evenly[i]);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(csv_of_missing_files)
{
    write_pictures("m", "abc");
    write_text("m/some.csv", "path,labels\na.png,x\ngone1.png,x\nb.png,\nsub/gone2.png,\ngone3.png,\ngone4.png,\nc.png,\n");
    vkd_dataset *d = open_ok("csv", "m/some.csv", NULL);
    ck_assert_uint_eq(said.warnings, 1);
    ck_assert_msg(strstr(said.text, "4 of the 7 images of split train are missing: gone1.png, sub/gone2.png, gone3.png, ...")
                  != NULL, "%s", said.text);
    struct vkd_image image;
    char why[512];
    ck_assert_int_eq(vkd_dataset_decode(d, 1, 0, 0, &image, why, sizeof why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why, "m/gone1.png: cannot open"));
    vkd_dataset_close(&d);
    write_text("m/none.csv", "path,labels\nx/a.png,x\nx/b.png,\n");
    open_fails("csv", "m/none.csv", NULL, VKD_IO, "none of the 2 images of split train is there, as x/a.png");
    char text[1024];
    snprintf(text, sizeof text, "path,labels\n%s/m/a.png,x\n", temp_folder());
    write_text("absolute.csv", text);
    d = open_ok("csv", "absolute.csv", NULL);
    image = decode_ok(d, 0);
    vkd_image_finish(&image);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(csv_broken)
{
    static const struct { const char *text, *words; } rows[] = {
        { "", "bad.csv:1:1: expected a header such as path,split,group,labels, found an empty file" },
        { "\n\r\n", "bad.csv:1:1: expected a header" },
        { "path,split,group,labels\n", "bad.csv:2:1: expected a line for each image" },
        { "a.png,train,g,cat\n", "bad.csv:1:1: expected a header with the columns path, split, group and labels, found 'a.png'" },
        { "path,splitt,labels\n", "bad.csv:1:6: expected a header with the columns path, split, group and labels, found "
          "'splitt'; did you mean 'split'?" },
        { "path,labels,path\n", "bad.csv:1:13: column 'path' stands twice" },
        { "path,split\n", "bad.csv:1:1: the header has no column 'labels'" },
        { "labels\n", "bad.csv:1:1: the header has no column 'path'" },
        { "path,labels\na.png\n", "bad.csv:2:1: expected 2 fields as in the header, found 1" },
        { "path,labels\na.png,b,c\n", "bad.csv:2:1: expected 2 fields as in the header, found 3" },
        { "path,labels\na,b,c,d,e\n", "bad.csv:2:9: expected at most 4 fields" },
        { "path,labels\n\n,x\n", "bad.csv:3:1: the path is empty" },
        { "path,split,labels\na,trian,x\n", "bad.csv:2:3: split 'trian': expected train, val or test; did you mean 'train'?" },
        { "path,split,labels\na,,x\n", "bad.csv:2:3: split '': expected train, val or test" },
        { "path,labels\na,x\nb,y\n\"a\",z\n", "bad.csv:4:1: 'a' stands in line 2 already" },
        { "path,labels\n\"a,x\nb,y\n", "bad.csv:2:1: the quote that begins here is never closed" },
        { "path,labels\na,\"x\"y\n", "bad.csv:2:6: expected a comma or the line's end behind a closing quote, found 'y'" },
        { "path,labels\na,x\"y\"\n", "bad.csv:2:4: a quote inside a field" },
        { "path,labels\na,x\ry\n", "bad.csv:2:4: a carriage return" },
        { "path,labels\na,x||y\n", "bad.csv:2:5: an empty label" },
        { "path,labels\na,x|\n", "bad.csv:2:5: an empty label" },
        { "path,labels\na,x; ;y\n", "bad.csv:2:6: an empty label" },
        { "path,labels\na,x|y|x\n", "bad.csv:2:7: label 'x' stands twice" },
        { "path,labels\na,x|?x\n", "bad.csv:2:5: label 'x' stands twice" },
        { "path,labels\na,?|?\n", "bad.csv:2:5: label '?' stands twice" },
        { "path,labels\na,\"x\ty\"\n", "bad.csv:2:5: found a control character (0x09)" },
        { "path,labels\nb,\n\"a\n\nb\",\nc,z,z\n", "bad.csv:6:1: expected 2 fields" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        write_text("bad.csv", rows[i].text);
        open_fails("csv", "bad.csv", NULL, VKD_FORMAT, rows[i].words);
    }
    temp_write("bad.csv", "path,labels\na\0,x\n", 17);
    open_fails("csv", "bad.csv", NULL, VKD_FORMAT, "bad.csv:2:2: expected text, found a 0 byte");
    char *large = malloc(400000);
    strcpy(large, "path,labels\n\"");
    memset(large + 13, 'x', 300000);
    temp_write("bad.csv", large, 300013);
    open_fails("csv", "bad.csv", NULL, VKD_FORMAT, "2:65537: a record of more than 65536 bytes");
    strcpy(large, "path,labels\na,");
    memset(large + 14, 'x', 256);
    temp_write("bad.csv", large, 14 + 256);
    open_fails("csv", "bad.csv", NULL, VKD_FORMAT, "2:3: a label of 256 bytes, expected at most 255");
    size_t used = (size_t)sprintf(large, "path,labels\n");
    for (unsigned i = 0; i < 65537; i += 4096) {
        used += (size_t)sprintf(large + used, "%u,%x", i, i);
        for (unsigned k = 1; k < 4096 && i + k < 65537; k++)
            used += (size_t)sprintf(large + used, "|%x", i + k);
        used += (size_t)sprintf(large + used, "\n");
    }
    temp_write("bad.csv", large, used);
    open_fails("csv", "bad.csv", NULL, VKD_FORMAT, "65537 different labels, expected at most 65536");
    free(large);
}
END_TEST

START_TEST(csv_fingerprints)
{
    write_pictures("p", "ab");
    static const char *const texts[] = {
        "path,labels\na.png,x\nb.png,y\n", "labels,path\r\nx,\"a.png\"\r\n\"y\",b.png", "path,labels\na.png,y\nb.png,x\n",
        "path,labels\na.png,x|y\nb.png,y\n", "path,labels\na.png,?x\nb.png,y|x\n", "path,labels\na.png,x\nb.png,?y|x\n",
        "path,group,labels\na.png,1,x\nb.png,,y\n", "path,labels\nb.png,y\na.png,x\n", "path,labels\na.png,x\nb.png,z\n",
    };
    uint64_t prints[9];
    for (size_t i = 0; i < 9; i++) {
        write_text("p/list.csv", texts[i]);
        vkd_dataset *d = open_ok("csv", "p/list.csv", NULL);
        prints[i] = vkd_dataset_info(d)->fingerprint;
        vkd_dataset_close(&d);
    }
    ck_assert_uint_eq(prints[0], prints[1]);        // the same, written in another way
    for (size_t i = 2; i < 9; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_msg(prints[i] != prints[k], "%zu and %zu", i, k);
}
END_TEST

// ---- Collages ----

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

// Collages of different groups share no image, two of one group at most one; no collage shows an image twice.
START_TEST(collages_meet_in_groups)
{
    static const uint32_t counts[][2] = { { 1, 1 }, { 7, 1 }, { 8, 2 }, { 25, 5 }, { 100, 6 }, { 163, 10 } };
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
                ck_assert_msg(same ? count < 65 || shared <= 1 : shared == 0, "%u images: %u and %u share %u", count, i, j,
                              shared);
            }
            groups += first;
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

// ---- Holding images out ----

static void write_class(const char *where, const char *name, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s/%u.png", where, name, i);
        temp_write_bytes(path, png_random(2, 2, i));
    }
}

START_TEST(holdout_divides_a_folder)
{
    write_class("h", "ant", 40);
    write_class("h", "bee", 12);
    write_class("h", "cow", 2);
    write_class("h", "dodo", 1);
    static const struct { const char *option; uint32_t test[4]; } rows[] = {
        { "0.1", { 4, 1, 1, 0 } }, { ".25", { 10, 3, 1, 0 } }, { "0.99", { 39, 11, 1, 0 } }, { "0.000001", { 1, 1, 1, 0 } },
    };
    static const uint32_t sizes[4] = { 40, 12, 2, 1 };
    for (size_t k = 0; k < 4; k++) {
        char rest[64], seen[64][64];
        uint32_t count = 0;
        snprintf(rest, sizeof rest, "h?holdout=%s", rows[k].option);
        for (unsigned part = 0; part < 2; part++) {
            vkd_dataset *d = open_ok("folder", rest, part ? "test" : "train");
            for (uint32_t c = 0; c < 4; c++)
                ck_assert_uint_eq(vkd_dataset_class_size(d, c), part ? rows[k].test[c] : sizes[c] - rows[k].test[c]);
            for (uint32_t i = 0; i < vkd_dataset_info(d)->count; i++) {
                snprintf(seen[count], sizeof seen[0], "%.60s", name_of(d, i));
                for (uint32_t j = 0; j < count; j++)
                    ck_assert_str_ne(seen[j], seen[count]);
                count++;
            }
            vkd_dataset_close(&d);
        }
        ck_assert_uint_eq(count, 55);
    }
    vkd_dataset *d = open_ok("folder", "h?holdout=0.5&split=all", NULL);
    ck_assert_uint_eq(vkd_dataset_info(d)->count, 55);
    vkd_dataset_close(&d);
    d = open_ok("folder", "h?holdout=0.5&limit=3&classes=0-2", "test");
    ck_assert_uint_eq(vkd_dataset_class_size(d, 2), 1);
    vkd_dataset_close(&d);
    open_fails("folder", "h", "test", VKD_INVALID, "?holdout=0.1");
    open_fails("folder", "h?holdout=0.1", "val", VKD_INVALID, "holdout divides a set into train and test");
    write_class("hs/train", "ant", 2);
    open_fails("folder", "hs?holdout=0.1", "train", VKD_INVALID, "divided into splits already");
    write_idx_set("hi", "train", 10, 1, 1, false);
    open_fails("idx", "hi?holdout=0.1", "train", VKD_INVALID, "divided into splits already");
    static const char *const wrong[] = { "0", "1", "0.0", "1.5", "-0.1", "0.1234567", "0.", ".", "a", "0.1x", "00.1" };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char rest[64];
        snprintf(rest, sizeof rest, "h?holdout=%s", wrong[i]);
        open_fails("folder", rest, "train", VKD_INVALID, "expected the share of images kept for the test");
    }
}
END_TEST

// An image's side depends on its own name: more images move few of the others.
START_TEST(holdout_is_steady)
{
    write_class("hg", "ant", 100);
    char before[100][64];
    uint32_t count = 0, moved = 0;
    vkd_dataset *d = open_ok("folder", "hg?holdout=0.2", "test");
    for (; count < vkd_dataset_info(d)->count; count++)
        snprintf(before[count], sizeof before[0], "%.60s", name_of(d, count));
    ck_assert_uint_eq(count, 20);
    vkd_dataset_close(&d);
    write_class("hg", "ant", 110);
    write_class("hg", "bee", 10);
    d = open_ok("folder", "hg?holdout=0.2&classes=0", "test");
    for (uint32_t i = 0; i < count; i++) {
        bool there = false;
        for (uint32_t k = 0; k < vkd_dataset_info(d)->count; k++)
            there = there || !strcmp(before[i], name_of(d, k));
        moved += !there;
    }
    ck_assert_uint_le(moved, 4);
    vkd_dataset_close(&d);
}
END_TEST

int main(void)
{
    temp_folder();          // before Check forks
    Suite *s = suite_create("multilabel");
    TCase *t = tcase_create("multilabel");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, csv_rows_and_classes);
    tcase_add_test(t, csv_without_splits);
    tcase_add_test(t, csv_of_missing_files);
    tcase_add_test(t, csv_broken);
    tcase_add_test(t, csv_fingerprints);
    tcase_add_test(t, collages_of_images_in_memory);
    tcase_add_test(t, collages_meet_in_groups);
    tcase_add_test(t, collages_stay);
    tcase_add_test(t, collages_of_files);
    tcase_add_test(t, tiles_are_middle_squares);
    tcase_add_test(t, collages_of_rows);
    tcase_add_test(t, collages_through_the_loader);
    tcase_add_test(t, holdout_divides_a_folder);
    tcase_add_test(t, holdout_is_steady);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return !temp_remove() || failed ? 1 : 0;
}
