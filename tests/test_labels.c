// test_labels.c -- what is known of images, and choosing whose labels are used.
#include "data_files.h"

#include <vkdiv/data.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

START_TEST(one_label_is_one_hot)
{
    write_idx_set("hot", "train", 30, 2, 2, false);
    vkd_dataset *d = open_set("idx", "hot?classes=3-7");
    ck_assert(!vkd_dataset_info(d)->multi_label);
    for (uint32_t i = 0; i < vkd_dataset_info(d)->count; i++) {
        float row[6] = { 9, 9, 9, 9, 9, 9 };
        vkd_dataset_targets(d, i, row);
        for (uint32_t c = 0; c < 5; c++)
            ck_assert_float_eq(row[c], c == vkd_dataset_label(d, i));
        ck_assert_float_eq(row[5], 9);
    }
    float row[5];
    vkd_dataset_targets(d, 1000, row);
    ck_assert_float_eq(row[4], VKD_TARGET_UNKNOWN);
    vkd_dataset_close(&d);
    temp_write_bytes("bare/1.png", png_random(3, 3, 1));
    d = open_set("folder", "bare");
    float none = 7;
    vkd_dataset_targets(d, 0, &none);
    ck_assert_float_eq(none, 7);
    vkd_dataset_close(&d);
}
END_TEST

// ---- Shares of the labels ----

// Class sizes 100, 40, 15, 1 in mixed order.
static void write_uneven(const char *where)
{
    uint8_t labels[156], pixels[156] = { 0 };
    static const uint32_t sizes[4] = { 100, 40, 15, 1 };
    uint32_t count = 0;
    for (uint32_t i = 0; i < 100; i++)
        for (uint8_t c = 0; c < 4; c++)
            if (i < sizes[c])
                labels[count++] = c;
    char name[128];
    snprintf(name, sizeof name, "%s/train-images-idx3-ubyte", where);
    temp_write_bytes(name, idx_encode(3, (const uint32_t[3]) { 156, 1, 1 }, pixels, 156));
    snprintf(name, sizeof name, "%s/train-labels-idx1-ubyte", where);
    temp_write_bytes(name, idx_encode(1, (const uint32_t[3]) { 156, 1, 1 }, labels, 156));
}

static uint32_t choose(const vkd_dataset *d, double fraction, uint64_t seed, bool *in)
{
    uint32_t *list = NULL, count = 0;
    vkd_result r = vkd_label_subset(d, fraction, seed, &LOG_TO(&said), &list, &count);
    ck_assert_msg(r == VKD_OK, "%s", said.text);
    memset(in, 0, vkd_dataset_info(d)->count * sizeof *in);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_uint_lt(list[i], vkd_dataset_info(d)->count);
        ck_assert(i == 0 || list[i] > list[i - 1]);
        in[list[i]] = true;
    }
    free(list);
    return count;
}

START_TEST(shares_are_balanced_and_nested)
{
    write_uneven("uneven");
    vkd_dataset *d = open_set("idx", "uneven?classes=0-2");
    static const struct { double fraction; uint32_t sizes[3]; } rows[] = {
        { 0.04, { 4, 2, 1 } }, { 0.1, { 10, 4, 2 } }, { 0.29, { 29, 12, 4 } }, { 0.5, { 50, 20, 8 } },
        { 0.999, { 100, 40, 15 } }, { 1, { 100, 40, 15 } },
    };
    bool in[156], before[156] = { false };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        uint32_t sizes[3] = { 0 };
        uint32_t count = choose(d, rows[k].fraction, 5, in);
        for (uint32_t i = 0; i < 155; i++) {
            ck_assert(in[i] || !before[i]);
            sizes[vkd_dataset_label(d, i)] += in[i];
        }
        for (uint32_t c = 0; c < 3; c++)
            ck_assert_uint_eq(sizes[c], rows[k].sizes[c]);
        ck_assert_uint_eq(count, sizes[0] + sizes[1] + sizes[2]);
        memcpy(before, in, sizeof in);
    }
    bool again[156], other[156];
    (void)choose(d, 0.5, 5, in);
    (void)choose(d, 0.5, 5, again);
    (void)choose(d, 0.5, 6, other);
    ck_assert_mem_eq(in, again, 155);
    uint32_t same = 0;
    for (uint32_t i = 0; i < 155; i++)
        same += in[i] == other[i];
    ck_assert_uint_lt(same, 110);
    vkd_dataset_close(&d);
}
END_TEST

// Every image is chosen as often as another of its class.
START_TEST(shares_are_fair)
{
    write_idx_set("fair", "train", 100, 1, 1, false);
    vkd_dataset *d = open_set("idx", "fair");
    uint32_t times[100] = { 0 };
    bool in[100];
    for (uint64_t seed = 0; seed < 1000; seed++) {
        ck_assert_uint_eq(choose(d, 0.3, seed, in), 30);
        for (uint32_t i = 0; i < 100; i++)
            times[i] += in[i];
    }
    for (uint32_t i = 0; i < 100; i++) {
        ck_assert_uint_gt(times[i], 230);       // 300 expected, 14.5 the deviation
        ck_assert_uint_lt(times[i], 370);
    }
    vkd_dataset_close(&d);
}
END_TEST

static void refused(const vkd_dataset *d, double fraction, const char *words)
{
    uint32_t *list = NULL, count = 77;
    memset(&said, 0, sizeof said);
    ck_assert_int_eq(vkd_label_subset(d, fraction, 0, &LOG_TO(&said), &list, &count), VKD_INVALID);
    ck_assert_ptr_null(list);
    ck_assert_uint_eq(count, 77);
    ck_assert_uint_eq(said.errors, 1);
    ck_assert_msg(strstr(said.text, words) != NULL, "'%s' does not say '%s'", said.text, words);
}

START_TEST(shares_that_cannot_be)
{
    write_uneven("cannot");
    vkd_dataset *d = open_set("idx", "cannot");
    refused(d, 0.4, "leaves class '3' without labels: it has 1 image, so at least 0.5 is needed");
    refused(d, 0.001, "leaves class '0' without labels: it has 100 images, so at least 0.005 is needed");
    refused(d, 0, "above 0, at most 1; found 0");
    refused(d, 1.5, "found 1.5");
    refused(d, strtod("nan", NULL), "found nan");
    vkd_dataset_close(&d);
    temp_write_bytes("naked/1.png", png_random(3, 3, 1));
    d = open_set("folder", "naked");
    refused(d, 1, "none of the 1 images has one");
    vkd_dataset_close(&d);
}
END_TEST

// One image of 40 has a label that no other has: what is refused says which share has it, and that share does.
START_TEST(shares_of_several_labels)
{
    char list[2048] = "path,labels\n", path[64];
    for (uint32_t i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "shares/%02u.png", i);
        temp_write_bytes(path, png_random(2, 2, i));
        snprintf(list + strlen(list), sizeof list - strlen(list), "%02u.png,%s\n", i, i == 17 ? "common;rare" : "common");
    }
    temp_write("shares/list.csv", list, strlen(list));
    vkd_dataset *d = open_set("csv", "shares/list.csv");
    uint32_t *indices = NULL, count, refusals = 0;
    bool in[40];
    ck_assert(vkd_dataset_info(d)->multi_label);
    for (uint64_t seed = 0; seed < 20; seed++) {
        memset(&said, 0, sizeof said);
        vkd_result r = vkd_label_subset(d, 0.1, seed, &LOG_TO(&said), &indices, &count);
        double least = 0.1;
        if (r == VKD_INVALID) {
            const char *at = strstr(said.text, "at least ");
            ck_assert_msg(at && strstr(said.text, "0.1, which is 4 of 40 images, leaves class 'rare' without"), "%s", said.text);
            least = strtod(at + 9, NULL);
            ck_assert(least > 0.1 && least <= 1);
            refusals++;
        } else {
            ck_assert_int_eq(r, VKD_OK);
            free(indices);
        }
        (void)choose(d, least, seed, in);
        ck_assert(in[17]);
    }
    ck_assert(refusals > 10 && refusals < 20);      // nine of ten are expected
    vkd_dataset_close(&d);
}
END_TEST

// ---- Labels dealt out anew ----

START_TEST(shuffled_labels_are_the_same_labels)
{
    write_idx_set("deal", "train", 400, 2, 2, false);
    write_idx_set("deal", "t10k", 50, 2, 2, false);
    vkd_dataset *sets[4] = {
        open_set("idx", "deal?classes=2-6&limit=150"), open_set("idx", "deal?classes=2-6&limit=150&shuffle_labels=7"),
        open_set("idx", "deal?shuffle_labels=7&classes=2-6&limit=150"),
        open_set("idx", "deal?classes=2-6&limit=150&shuffle_labels=8"),
    };
    uint32_t kept = 0, same = 0, sizes[5] = { 0 };
    for (uint32_t i = 0; i < 150; i++) {
        char names[2][64];
        vkd_dataset_name(sets[0], i, names[0], 64);
        vkd_dataset_name(sets[1], i, names[1], 64);
        ck_assert_str_eq(names[0], names[1]);
        const uint32_t label = vkd_dataset_label(sets[1], i);
        ck_assert_uint_eq(label, vkd_dataset_label(sets[2], i));
        kept += label == vkd_dataset_label(sets[0], i);
        same += label == vkd_dataset_label(sets[3], i);
        sizes[label]++;
    }
    ck_assert_msg(kept > 10 && kept < 55 && same > 10 && same < 55, "%u, %u of 150 by chance, expected 30", kept, same);
    for (uint32_t c = 0; c < 5; c++) {
        ck_assert_uint_eq(sizes[c], 30);
        ck_assert_uint_eq(vkd_dataset_class_size(sets[1], c), 30);
    }
    uint64_t prints[4];
    for (int k = 0; k < 4; k++) {
        prints[k] = vkd_dataset_info(sets[k])->fingerprint;
        vkd_dataset_close(&sets[k]);
    }
    ck_assert(prints[0] != prints[1] && prints[1] == prints[2] && prints[1] != prints[3]);
    // What it is tested on is true.
    vkd_dataset *d = open_set("idx", "deal?split=test&shuffle_labels=7");
    for (uint32_t i = 0; i < 50; i++)
        ck_assert_uint_eq(vkd_dataset_label(d, i), i % 10);
    vkd_dataset_close(&d);
}
END_TEST

START_TEST(shuffled_labels_go_together)
{
    static const char *const texts[] = { "a;b", "", "?c;a", "b", "?", "a;b;c", "c", "?a" };
    char list[1024] = "path,labels\n", path[64];
    for (uint32_t i = 0; i < 24; i++) {
        snprintf(path, sizeof path, "several/%02u.png", i);
        temp_write_bytes(path, png_random(2, 2, i));
        snprintf(list + strlen(list), sizeof list - strlen(list), "%02u.png,%s\n", i, texts[i % 8]);
    }
    temp_write("several/list.csv", list, strlen(list));
    vkd_dataset *plain = open_set("csv", "several/list.csv?limit=20");
    vkd_dataset *dealt = open_set("csv", "several/list.csv?limit=20&shuffle_labels=3");
    uint32_t moved = 0;
    bool used[20] = { false };
    for (uint32_t i = 0; i < 20; i++) {
        float row[3], other[3];
        uint32_t k = 0;
        vkd_dataset_targets(dealt, i, row);
        vkd_dataset_targets(plain, i, other);
        moved += memcmp(row, other, sizeof row) != 0;
        for (; k < 20; k++) {
            vkd_dataset_targets(plain, k, other);
            if (!used[k] && !memcmp(row, other, sizeof row))
                break;
        }
        ck_assert_msg(k < 20, "image %u has what no image had", i);
        used[k] = true;
    }
    ck_assert_uint_gt(moved, 8);
    for (uint32_t c = 0; c < 3; c++)
        ck_assert_uint_eq(vkd_dataset_class_size(plain, c), vkd_dataset_class_size(dealt, c));
    ck_assert(vkd_dataset_info(plain)->fingerprint != vkd_dataset_info(dealt)->fingerprint);
    vkd_dataset_close(&plain);
    vkd_dataset_close(&dealt);

    vkd_dataset *none = NULL;
    char spec[512];
    temp_write_bytes("unlabelled/1.png", png_random(3, 3, 1));
    snprintf(spec, sizeof spec, "folder:%s/unlabelled?shuffle_labels=1", temp_folder());
    memset(&said, 0, sizeof said);
    ck_assert_int_eq(vkd_dataset_open(&(struct vkd_dataset_params) { .spec = spec, .log = LOG_TO(&said) }, &none),
                     VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(said.text, "shuffle_labels: these images have no labels"));
}
END_TEST

int main(void)
{
    temp_folder();          // before Check forks
    Suite *s = suite_create("labels");
    TCase *t = tcase_create("labels");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, one_label_is_one_hot);
    tcase_add_test(t, shares_are_balanced_and_nested);
    tcase_add_test(t, shares_are_fair);
    tcase_add_test(t, shares_that_cannot_be);
    tcase_add_test(t, shares_of_several_labels);
    tcase_add_test(t, shuffled_labels_are_the_same_labels);
    tcase_add_test(t, shuffled_labels_go_together);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return !temp_remove() || failed ? 1 : 0;
}
