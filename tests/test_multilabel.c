// test_multilabel.c -- tables of images with several labels, and holding images out.
#include "data_sets.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- csv ----

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

START_TEST(holdout_keeps_groups)
{
    char text[4096] = "path,group,labels\na.png,g0,x\n";
    write_pictures("hc", "a");
    for (uint32_t i = 1; i < 90; i++)
        sprintf(text + strlen(text), i < 60 ? "%u.png,g%u,y\n" : "%u.png,,y\n", i, i / 5);
    write_text("hc/x.csv", text);
    vkd_dataset *test = open_ok("csv", "hc/x.csv?holdout=.2", "test"), *train = open_ok("csv", "hc/x.csv?holdout=.2", "train");
    const uint32_t held = vkd_dataset_info(test)->count, left = vkd_dataset_info(train)->count;
    uint32_t grouped = 0;
    ck_assert_uint_eq(held + left, 90);
    ck_assert(held >= 16 && held <= 20);
    for (uint32_t i = 0; i < held; i++) {
        grouped += vkd_dataset_group(test, i)[0] != 0;
        for (uint32_t k = 0; k < left; k++)
            ck_assert(!vkd_dataset_group(test, i)[0] || strcmp(vkd_dataset_group(test, i), vkd_dataset_group(train, k)));
    }
    ck_assert(grouped && grouped % 5 == 0);
    vkd_dataset_close(&train);
    vkd_dataset_close(&test);

    write_text("hc/x.csv", "path,group,labels\na.png,g,x\n1.png,g,y\n2.png,g,y\n");
    open_fails("csv", "hc/x.csv?holdout=.5", "test", VKD_INVALID, "nothing of 3 images can be held out: expected two groups");

    write_text("hc/x.csv", "path,split,group,labels\na.png,train,g,x\n1.png,test,g,y\n2.png,test,g,y\n3.png,test,h,x\n"
               "4.png,val,h,x\na2.png,train,,x\n5.png,test,,x\n");
    temp_write_bytes("hc/3.png", png_random(2, 2, 3));
    temp_write_bytes("hc/4.png", png_random(2, 2, 3));
    said.text[0] = 0;
    test = open_ok("csv", "hc/x.csv", "val");
    ck_assert_str_eq(said.text, "");
    vkd_dataset_close(&test);
    for (const char *name = "125"; *name; name++)
        write_pictures("hc", (const char[]) { *name, 0 });
    test = open_ok("csv", "hc/x.csv", "test");
    ck_assert_ptr_nonnull(strstr(said.text, "1 group of split test is in train, too, as 'g'"));
    ck_assert_ptr_nonnull(strstr(said.text, "1 group of split test is in val, too, as 'h'"));
    ck_assert_ptr_nonnull(strstr(said.text, "put all images of a group into one split"));
    vkd_dataset_close(&test);
}
END_TEST

// Images of a table of groups of so many images each that ?holdout= gives the test. Names begin with `letter`.
static uint32_t held_of_groups(const uint32_t *sizes, uint32_t count, char letter, const char *share)
{
    char text[8000] = "path,group,labels\n", rest[64];
    uint32_t all = 0;
    for (uint32_t g = 0; g < count; g++)
        for (uint32_t i = 0; i < sizes[g]; i++)
            sprintf(text + strlen(text), "%c%u.png,%c%u,x\n", i % 2 ? 'a' : 'b', all++, letter, g);
    write_text("hn/x.csv", text);
    for (uint32_t i = 0; i < all; i++) {
        char path[64];
        snprintf(path, sizeof path, "hn/%c%u.png", "ba"[i % 2], i);
        temp_write_bytes(path, png_random(2, 2, 3));
    }
    snprintf(rest, sizeof rest, "hn/x.csv?holdout=%s", share);
    vkd_dataset *test = open_ok("csv", rest, "test"), *train = open_ok("csv", rest, "train");
    const uint32_t held = vkd_dataset_info(test)->count;
    ck_assert_uint_eq(held + vkd_dataset_info(train)->count, all);
    vkd_dataset_close(&train);
    vkd_dataset_close(&test);
    return held;
}

// A group that is too large is passed over where less come nearer, whatever the names.
START_TEST(holdout_comes_near)
{
    static const struct { uint32_t sizes[5], count; const char *share; uint32_t held; } sets[] = {
        { { 90, 10 }, 2, "0.1", 10 }, { { 60, 40 }, 2, "0.1", 40 }, { { 60, 25, 15 }, 3, "0.1", 15 },
        { { 19, 10, 71 }, 3, "0.1", 10 }, { { 70, 12, 18 }, 3, "0.3", 30 }, { { 50, 50 }, 2, "0.9", 50 },
        { { 20, 20, 20, 20, 20 }, 5, "0.29", 20 }, { { 20, 20, 20, 20, 20 }, 5, "0.31", 40 },
    };
    for (size_t c = 0; c < sizeof sets / sizeof sets[0]; c++)
        for (char letter = 'p'; letter < 'v'; letter++) {
            const uint32_t held = held_of_groups(sets[c].sizes, sets[c].count, letter, sets[c].share);
            ck_assert_msg(held == sets[c].held, "set %zu, groups %c: %u", c, letter, held);
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
    tcase_add_test(t, holdout_divides_a_folder);
    tcase_add_test(t, holdout_keeps_groups);
    tcase_add_test(t, holdout_comes_near);
    tcase_add_test(t, holdout_is_steady);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return !temp_remove() || failed ? 1 : 0;
}
