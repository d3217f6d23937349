// test_transfer_parts.c -- what transfers are made of, without a device: what is held out, rankings, votes, layers.
#include "data_files.h"

#include "engine/data/dataset.h"
#include "engine/transfer/transfer_impl.h"
#include "engine/graph_impl.h"
#include "engine/model_layers.h"
#include "engine/safetensors.h"

#include <vkdiv/model.h>

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct messages said;

// ---- What is held out --------------------------------------------------------------------------

// The only class that image `i` of a table shows.
static uint32_t class_of(const vkd_dataset *d, uint32_t i)
{
    float row[16];
    uint32_t c = 0;
    vkd_dataset_targets(d, i, row);
    while (row[c] <= 0)
        c++;
    return c;
}

// Writes a table of small images; * stands for a new one's name.
static const char *write_table(const char *name, const char *rows)
{
    static char spec[600];
    static const uint8_t grey[64];
    char *text = malloc(8 * strlen(rows) + 64), *at = text + sprintf(text, "path,split,group,labels\n");
    for (int number = 0; *rows; rows++) {
        char file[16];
        if (*rows != '*') {
            *at++ = *rows;
            continue;
        }
        snprintf(file, sizeof(file), "%d.png", number++);
        temp_write_bytes(file, png_encode(8, 8, 0, 8, false, grey));
        at += sprintf(at, "%s", file);
    }
    temp_write(name, text, (size_t) (at - text));
    free(text);
    snprintf(spec, sizeof(spec), "csv:%s", temp_path("%s", name));
    return spec;
}

static struct vkd__transfer_sets sets_ok(const char *spec, double share, uint64_t seed)
{
    struct vkd__transfer_sets s;
    const struct vkd_log log = LOG_TO(&said);
    memset(&said, 0, sizeof(said));
    ck_assert_msg(vkd__transfer_sets_open(spec, share, seed, &log, &s) == VKD_OK, "%s", said.text);
    return s;
}

START_TEST(holdout_is_stratified)
{
    write_idx_set("idx", "train", 233, 8, 8, false);        // of classes 0 to 2 24 images, of the others 23
    write_idx_set("idx", "t10k", 20, 8, 8, false);
    char spec[600];
    uint8_t first[233];
    snprintf(spec, sizeof(spec), "idx:%s", temp_path("idx"));
    for (uint64_t run = 0; run < 3; run++) {
        struct vkd__transfer_sets s = sets_ok(spec, 0.2, run / 2);
        uint32_t of[10] = { 0 }, count = 0;
        for (uint32_t i = 0; i < 233; i++) {
            of[vkd_dataset_label(s.train, i)] += s.held[i];
            count += s.held[i];
        }
        for (uint32_t c = 0; c < 10; c++)
            ck_assert_uint_eq(of[c], 5);                    // .2 * 24 = 4.8, .2 * 23 = 4.6
        ck_assert(count == 50 && s.val_count == 50 && s.train_count == 183 && !s.val);
        if (run == 0)
            memcpy(first, s.held, sizeof(first));
        ck_assert_int_eq(memcmp(first, s.held, sizeof(first)) == 0, run < 2);    // the seed decides, and nothing else
        vkd__transfer_sets_close(&s);
    }
}
END_TEST

START_TEST(groups_stay_together)
{
    char rows[20000] = "";
    for (int i = 0; i < 200; i++)       // 50 groups of four; each of one class, and a class of a single image
        sprintf(rows + strlen(rows), "*,train,g%d,%c\n*,test,,%c\n", i / 4, "xyz"[i / 4 % 3], "xyz"[i % 3]);
    strcat(rows, "*,train,,alone\n*,test,,alone\n");
    struct vkd__transfer_sets s = sets_ok(write_table("groups.csv", rows), 0.25, 3);
    uint32_t of[4] = { 0 };
    ck_assert(!s.val && s.classes == 4);
    for (uint32_t i = 0; i < 201; i++) {
        of[class_of(s.train, i)] += s.held[i];
        if (i < 200)
            ck_assert_uint_eq(s.held[i], s.held[i / 4 * 4]);
    }
    for (uint32_t c = 0; c < 4; c++) {
        bool alone = !strcmp(vkd_dataset_class_name(s.train, c), "alone");
        ck_assert_msg(alone ? of[c] == 0 : of[c] >= 12 && of[c] <= 20, "class %u: %u", c, of[c]);
    }
    vkd__transfer_sets_close(&s);
}
END_TEST

// A group that is all there is of a class is not taken.
START_TEST(no_class_is_emptied)
{
    struct vkd__transfer_sets s = sets_ok(write_table("one.csv",
        "*,train,g,x\n*,train,g,x\n*,train,g,x\n*,train,,y\n*,train,,y\n*,test,,x\n*,test,,y\n"), 0.9, 0);
    ck_assert_uint_eq(s.val_count, 1);
    ck_assert(!s.held[0] && !s.held[1] && !s.held[2] && s.held[3] + s.held[4] == 1);
    vkd__transfer_sets_close(&s);
}
END_TEST

START_TEST(labels_that_are_rare_are_held_out_too)
{
    char rows[20000] = "";
    for (int i = 0; i < 100; i++)
        sprintf(rows + strlen(rows), "*,train,,common%s\n", i % 10 == 0 ? "|rare" : i % 3 == 0 ? "|other" : "");
    strcat(rows, "*,test,,common|rare\n*,test,,other\n");
    struct vkd__transfer_sets s = sets_ok(write_table("many.csv", rows), 0.2, 1);
    uint32_t rare = 0;
    ck_assert(s.multi_label);
    for (uint32_t i = 0; i < 100; i += 10)
        rare += s.held[i];
    ck_assert_uint_eq(rare, 2);
    ck_assert(s.val_count >= 19 && s.val_count <= 21);
    vkd__transfer_sets_close(&s);
}
END_TEST

// Collages that are held out show no image of those that are not.
START_TEST(held_out_collages_share_no_tile)
{
    char spec[600];
    write_idx_set("tiles", "train", 300, 8, 8, false);
    write_idx_set("tiles", "t10k", 40, 8, 8, false);
    for (uint64_t seed = 0; seed < 4; seed++) {
        uint8_t side[300] = { 0 };
        snprintf(spec, sizeof(spec), "idx:%s?collage=2", temp_path("tiles"));
        struct vkd__transfer_sets s = sets_ok(spec, 0, seed);
        ck_assert(s.multi_label && s.held);
        ck_assert_msg(s.val_count >= 45 && s.val_count <= 75, "%u", s.val_count);
        for (uint32_t i = 0; i < 300; i++)
            for (uint32_t k = 0; k < VKD__TILES; k++)
                side[s.train->tiles[i * VKD__TILES + k]] |= s.held[i] ? 1 : 2;
        for (uint32_t p = 0; p < 300; p++)
            ck_assert_msg(side[p] != 3, "image %u is on both sides", p);
        vkd__transfer_sets_close(&s);
    }
    snprintf(spec, sizeof(spec), "idx:%s?collage=2&limit=20", temp_path("tiles"));      // 5 groups of 4
    struct vkd__transfer_sets s = sets_ok(spec, 0, 0);
    ck_assert_uint_ge(s.val_count, 4);
    ck_assert_uint_ge(s.train_count, 4);
    vkd__transfer_sets_close(&s);
}
END_TEST

// Rows of groups of so many images each, 1 for one without a group, and a test.
static const char *rows_of_groups(const uint32_t *sizes, uint32_t count)
{
    static char rows[20000];
    rows[0] = 0;
    for (uint32_t g = 0, image = 0; g < count; g++)
        for (uint32_t i = 0; i < sizes[g]; i++, image++)
            if (sizes[g] > 1)
                sprintf(rows + strlen(rows), "*,train,g%u,%c\n", g, "xy"[image % 2]);
            else
                sprintf(rows + strlen(rows), "*,train,,%c\n", "xy"[image % 2]);
    strcat(rows, "*,test,,x\n*,test,,y\n");
    return rows;
}

// However the groups are drawn, as many images are held out as come near what is wanted, and no more than half.
START_TEST(groups_that_are_too_large_are_not_held_out)
{
    static const struct { uint32_t sizes[12], count, least, most; } sets[] = {
        { { 63, 1, 1, 1, 1, 1, 1, 1 }, 8, 7, 7 },
        { { 39, 31, 10, 10, 10 }, 5, 20, 20 },
        { { 90, 10 }, 2, 10, 10 },
        { { 51, 49 }, 2, 49, 49 },
        { { 30, 30, 30, 10 }, 4, 10, 30 },
        { { 32, 32, 26, 10 }, 4, 26, 26 },
        { { 12, 12, 12, 12, 12, 12, 12, 12 }, 8, 24, 24 },
        { { 90, 8, 2 }, 3, 10, 10 },
    };
    for (size_t c = 0; c < sizeof(sets) / sizeof(sets[0]); c++) {
        const char *spec = write_table("sizes.csv", rows_of_groups(sets[c].sizes, sets[c].count));
        for (uint64_t seed = 0; seed < 12; seed++) {
            struct vkd__transfer_sets s = sets_ok(spec, 0.2, seed);
            uint32_t held = 0, first = 0;
            for (uint32_t i = 0; i < s.train_count + s.val_count; i++)
                held += s.held[i];
            ck_assert_uint_eq(held, s.val_count);
            ck_assert_msg(held >= sets[c].least && held <= sets[c].most, "set %zu, seed %u: %u", c, (unsigned) seed, held);
            for (uint32_t g = 0; g < sets[c].count; first += sets[c].sizes[g++])
                for (uint32_t i = 0; i < sets[c].sizes[g]; i++)
                    ck_assert_uint_eq(s.held[first + i], s.held[first]);
            vkd__transfer_sets_close(&s);
        }
    }
}
END_TEST

static void nothing_held_out(const char *spec, const char *words)
{
    struct vkd__transfer_sets s;
    const struct vkd_log log = LOG_TO(&said);
    memset(&said, 0, sizeof(said));
    ck_assert_int_eq(vkd__transfer_sets_open(spec, 0, 0, &log, &s), VKD_INVALID);
    ck_assert_msg(strstr(said.text, words) && strstr(said.text, "a split val"), "%s", said.text);
}

// Nor all there is.
START_TEST(train_keeps_images)
{
    char spec[600];
    nothing_held_out(write_table("all.csv", rows_of_groups((const uint32_t[1]) { 9 }, 1)), "9 images are all of one group,");
    nothing_held_out(write_table("all.csv", "*,train,g,x\n*,train,g,y\n*,train,,\n*,test,,x\n*,test,,y\n"),
                     "3 images are of 2 groups");
    write_idx_set("few", "train", 40, 8, 8, false);
    write_idx_set("few", "t10k", 40, 8, 8, false);
    snprintf(spec, sizeof(spec), "idx:%s?limit=6&collage=2", temp_path("few"));
    nothing_held_out(spec, "6 images are all of one group (collages of the same images are one)");
    nothing_held_out(write_table("all.csv", "*,train,,x\n*,train,,y\n*,test,,x\n*,test,,y\n"), "at least two of a class");
}
END_TEST

START_TEST(own_validation)
{
    struct vkd__transfer_sets s = sets_ok(write_table("own.csv",
        "*,train,,x\n*,train,,y\n*,val,,x\n*,test,,x\n*,test,,y\n"), 0, 0);
    ck_assert(s.val && !s.held && s.train_count == 2 && s.val_count == 1 && s.test_count == 2);
    ck_assert_ptr_nonnull(strstr(said.text, "val has no images of 'y'"));
    vkd__transfer_sets_close(&s);
}
END_TEST

// A val that is there and cannot be used is no reason to hold out a part of train instead.
START_TEST(unusable_validation)
{
    struct vkd__transfer_sets s;
    const struct vkd_log log = LOG_TO(&said);
    const char *rows[] = { "*,train,,x\n*,train,,y\n*,test,,x\n*,test,,y\nmissing.png,val,,x\n",      // none of its files is there
                           "*,train,,x\n*,train,,y\n*,test,,x\n*,test,,y\n" };
    memset(&said, 0, sizeof(said));
    ck_assert_int_eq(vkd__transfer_sets_open(write_table("val.csv", rows[0]), 0.2, 0, &log, &s), VKD_IO);
    ck_assert(strstr(said.text, "its val cannot be used") && strstr(said.text, "missing.png"));
    temp_write("val/train/x/1.pgm", "P5\n1 1\n255\nx", 12);
    temp_write("val/train/x/2.pgm", "P5\n1 1\n255\nx", 12);
    temp_write("val/test/x/1.pgm", "P5\n1 1\n255\nx", 12);
    char spec[600];
    snprintf(spec, sizeof(spec), "folder:%s", temp_path("val"));
    memset(&said, 0, sizeof(said));
    s = sets_ok(spec, 0, 0);
    ck_assert(!s.val && s.val_count == 1 && !said.warnings);
    vkd__transfer_sets_close(&s);
    temp_write("val/val/z/1.pgm", "P5\n1 1\n255\nx", 12);      // of a class that train does not have
    memset(&said, 0, sizeof(said));
    ck_assert_int_lt(vkd__transfer_sets_open(spec, 0, 0, &log, &s), 0);
    ck_assert(strstr(said.text, "its val cannot be used") && strstr(said.text, "class 'z'"));
    s = sets_ok(write_table("val.csv", "*,train,,x\n*,test,,x\n*,val,,x\n"), 0.3, 0);
    ck_assert_ptr_nonnull(strstr(said.text, "nothing is held out"));
    vkd__transfer_sets_close(&s);
    memset(&said, 0, sizeof(said));
    s = sets_ok(write_table("none.csv", "*,train,,x\n*,train,,x\n*,test,,x\n"), 0.3, 0);
    ck_assert(!s.val && !said.count);
    vkd__transfer_sets_close(&s);
}
END_TEST

static const struct { const char *rows, *words; } bad_tables[] = {
    { "*,train,,x\n*,train,,x\n*,val,,x\n", "0 of test" },
    { "*,train,,x\n*,train,,y\n*,test,,x\n", "held out" },
};

START_TEST(bad_sets)
{
    struct vkd__transfer_sets s;
    const struct vkd_log log = LOG_TO(&said);
    memset(&said, 0, sizeof(said));
    ck_assert_int_eq(vkd__transfer_sets_open(write_table("bad.csv", bad_tables[_i].rows), 0.2, 0, &log, &s), VKD_INVALID);
    ck_assert_msg(strstr(said.text, bad_tables[_i].words), "'%s'", said.text);
    ck_assert_uint_eq(said.errors, 1);
}
END_TEST

// ---- The line ----------------------------------------------------------------------------------

static char *line_of(const char *json)
{
    json_t *settings = json_loads(json, 0, NULL);
    char *line = vkd__settings_line(settings);
    ck_assert_ptr_nonnull(line);
    json_decref(settings);
    return line;
}

START_TEST(lines_of_settings)
{
    char *line = line_of("{\"x\": {\"name\": \"knn\", \"k\": 5, \"of\": [0.1, 2.5e-7, 3], \"none\": []}, \"y\": {\"z\": \"w\"}}");
    ck_assert_str_eq(line, "knn, k 5, of 0.1 2.5e-07 3, none; z w");
    free(line);
}
END_TEST

static char *text_of(const char *spec, struct vkd_transfer_params p)
{
    struct vkd_transfer_result r;
    const struct vkd_log log = LOG_TO(&said);
    p.model = "none.safetensors";
    p.data = spec;
    memset(&said, 0, sizeof(said));
    ck_assert_msg(vkd_transfer_describe(&p, &log, &r) == VKD_OK, "%s", said.text);
    char *text = strdup(r.text);
    vkd_transfer_finish(&r);
    return text;
}

// What differs in the last digit of a double, or behind any length, is another protocol.
START_TEST(texts_tell_all_settings_apart)
{
    double many[2][200];
    char spec[600];
    snprintf(spec, sizeof(spec), "%s", write_table("text.csv", "*,train,,x\n*,train,,x\n*,train,,y\n*,train,,y\n*,test,,x|y\n"));
    for (uint32_t i = 0; i < 200; i++)
        many[0][i] = many[1][i] = nextafter(1.0 / (i + 3), 0);
    many[1][199] = nextafter(many[1][199], 0);
    const struct vkd_transfer_params pairs[][2] = {
        { { .protocol = "knn", .temperature = 0.07 }, { .protocol = "knn", .temperature = nextafter(0.07, 1) } },
        { { .protocol = "knn", .holdout = 0.25 }, { .protocol = "knn", .holdout = nextafter(0.25, 1) } },
        { { .protocol = "knn", .seed = UINT64_MAX }, { .protocol = "knn", .seed = UINT64_MAX - 1 } },
        { { .protocol = "knn" }, { .protocol = "knn", .metric = "map11" } },
        { { .protocol = "linear", .penalties = many[0], .penalty_count = 200 },
          { .protocol = "linear", .penalties = many[1], .penalty_count = 200 } },
        { { .protocol = "linear" }, { .protocol = "linear", .layer = "layer3" } },
        { { .protocol = "linear" }, { .protocol = "linear", .class_weights = "balanced" } },
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        char *a = text_of(spec, pairs[i][0]), *b = text_of(spec, pairs[i][1]), *again = text_of(spec, pairs[i][0]);
        ck_assert_str_eq(a, again);
        ck_assert_msg(strcmp(a, b) != 0, "%s", a);
        ck_assert(strstr(a, "linear") == NULL || (strstr(a, "refit on train and val") && !strstr(a, "fit on train,")));
        free(a);
        free(b);
        free(again);
    }
}
END_TEST

// ---- Rankings ----------------------------------------------------------------------------------

enum { N = 60, CLASSES = 5, TWICE = 2 * N };

static void make_scores(float *scores, int8_t *truth, uint64_t seed)
{
    for (uint32_t i = 0; i < N * CLASSES; i++) {
        scores[i] = (float) (next_random(&seed) % 17);      // many are equal
        truth[i] = (int8_t) (next_random(&seed) % 8 == 0 ? VKD_TRUTH_UNKNOWN : next_random(&seed) % 3 == 0);
        if (i % CLASSES == 4)
            truth[i] = VKD_TRUTH_NO;                        // a class without positives
    }
}

// An example that counts twice is as good as two examples, one that does not count is as good as none.
START_TEST(rankings_are_average_precisions)
{
    float scores[N * CLASSES], more[TWICE * CLASSES];
    int8_t truth[N * CLASSES], more_truth[TWICE * CLASSES];
    for (uint64_t seed = 1; seed < 9; seed++) {
        uint32_t count[N], rows = 0;
        uint64_t state = 77 * seed;
        struct vkd__ranking *r = NULL;
        struct vkd_map map;
        make_scores(scores, truth, seed);
        for (uint32_t i = 0; i < N; i++) {
            count[i] = seed == 1 ? 1 : next_random(&state) % 3;
            for (uint32_t k = 0; k < count[i] && rows < TWICE; k++, rows++) {
                memcpy(more + rows * CLASSES, scores + i * CLASSES, CLASSES * sizeof(float));
                memcpy(more_truth + rows * CLASSES, truth + i * CLASSES, CLASSES);
            }
        }
        ck_assert_int_eq(vkd__ranking_create(scores, truth, N, CLASSES, &r), VKD_OK);
        const struct vkd_matrix m = { more, rows, CLASSES, 0 };
        ck_assert_int_eq(vkd_average_precision(&m, more_truth, NULL, NULL, &map), VKD_OK);
        ck_assert_double_eq_tol(vkd__ranking_map(r, count, VKD__AP_PLAIN), map.plain, 1e-12);
        ck_assert_double_eq_tol(vkd__ranking_map(r, count, VKD__AP_VOC11), map.voc11, 1e-12);
        memset(count, 0, sizeof(count));
        ck_assert(isnan(vkd__ranking_map(r, count, VKD__AP_PLAIN)));
        vkd__ranking_destroy(&r);
        ck_assert_ptr_null(r);
    }
}
END_TEST

// ---- Comparing scores --------------------------------------------------------------------------

static struct vkd_transfer_result scored(float *scores, int8_t *truth)
{
    static char text[] = "p", data[] = "d", model[] = "m";
    struct vkd_transfer_result r = { .text = text, .data = data, .model = model, .test = N, .classes = CLASSES, .multi_label = true,
                                     .scores = scores, .truth = truth, .metric = "map" };
    struct vkd_map map;
    ck_assert_int_eq(vkd_average_precision(&(struct vkd_matrix) { scores, N, CLASSES, 0 }, truth, NULL, NULL, &map), VKD_OK);
    r.value = map.plain;
    return r;
}

START_TEST(scores_are_compared_by_rank)
{
    float a[N * CLASSES], b[N * CLASSES], good[N * CLASSES];
    int8_t truth[N * CLASSES];
    struct vkd_transfer_comparison c, d;
    make_scores(a, truth, 5);
    for (uint32_t i = 0; i < N * CLASSES; i++) {
        b[i] = 1000 * a[i] + 7;                             // another scale, no other order
        good[i] = a[i] + (truth[i] == VKD_TRUTH_YES ? 12 : 0);
    }
    struct vkd_transfer_result x = scored(a, truth), y = scored(b, truth), z = scored(good, truth);
    ck_assert_int_eq(vkd_transfer_compare(&x, &y, 1, NULL, &c), VKD_OK);
    ck_assert(c.difference == 0 && c.p == 1);
    ck_assert_int_eq(vkd_transfer_compare(&z, &x, 1, NULL, &c), VKD_OK);
    ck_assert(c.difference > 0.2 && c.p == 0.001);          // of 999 draws none is as far
    ck_assert_int_eq(vkd_transfer_compare(&x, &z, 1, NULL, &d), VKD_OK);
    ck_assert_double_eq_tol(d.difference, -c.difference, 1e-12);
    ck_assert_double_eq(d.p, c.p);
}
END_TEST

// An image that one of two could not read counts for neither.
START_TEST(only_common_images_are_compared)
{
    static char text[] = "p", data[] = "d", model[] = "m";
    uint32_t labels[2][8] = { { 0, 1, 0, 1, 0, 1, 0, 1 }, { 0, 1, 0, 1, 0, 1, 0, VKD_NO_LABEL } };
    uint32_t said_of[2][8] = { { 0, 1, 0, 1, 0, 1, 0, 0 }, { 0, 1, 0, 1, 0, 1, 0, 1 } };    // a is wrong where b saw nothing
    struct vkd_transfer_result r[2];
    struct vkd_transfer_comparison c;
    for (int i = 0; i < 2; i++)
        r[i] = (struct vkd_transfer_result) { .text = text, .data = data, .model = model, .test = 8, .classes = 2, .metric = "top1",
                                              .labels = labels[i], .predictions = said_of[i], .value = i ? 1 : 7.0 / 8 };
    for (int metric = 0; metric < 2; metric++) {
        ck_assert_int_eq(vkd_transfer_compare(&r[0], &r[1], 1, NULL, &c), VKD_OK);
        ck_assert(c.difference == 0 && c.p == 1);
        strcpy(r[0].metric, "mean_per_class");
        strcpy(r[1].metric, "mean_per_class");
    }
    for (int i = 0; i < 8; i++)
        labels[1][i] = VKD_NO_LABEL;
    const struct vkd_log log = LOG_TO(&said);
    memset(&said, 0, sizeof(said));
    ck_assert_int_eq(vkd_transfer_compare(&r[0], &r[1], 1, &log, &c), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(said.text, "of which both know enough"));

    float a[N * CLASSES], b[N * CLASSES];
    int8_t truth[N * CLASSES], less[N * CLASSES];
    make_scores(a, truth, 5);
    memcpy(b, a, sizeof(a));
    memcpy(less, truth, sizeof(truth));
    for (uint32_t c2 = 0; c2 < CLASSES; c2++) {         // the first image: unknown to b, which scores it otherwise
        less[c2] = VKD_TRUTH_UNKNOWN;
        b[c2] = -a[c2] - 1;
    }
    struct vkd_transfer_result x = scored(a, truth), y = scored(b, less);
    ck_assert_int_eq(vkd_transfer_compare(&x, &y, 1, NULL, &c), VKD_OK);
    ck_assert_double_eq_tol(c.difference, 0, 1e-12);
    ck_assert(c.p == 1);
}
END_TEST

// ---- Votes -------------------------------------------------------------------------------------

START_TEST(votes_of_several_labels)
{
    enum { TRAIN = 40, TEST = 9, DIM = 6, K = 7 };
    float train[TRAIN * DIM], test[TEST * DIM], scores[TEST * CLASSES];
    int8_t truth[TRAIN * CLASSES];
    uint64_t state = 3;
    for (uint32_t i = 0; i < TRAIN * DIM; i++)
        train[i] = (float) (next_random(&state) % 1000) / 500 - 1;
    for (uint32_t i = 0; i < TEST * DIM; i++)
        test[i] = (float) (next_random(&state) % 1000) / 500 - 1;
    for (uint32_t i = 0; i < TRAIN * CLASSES; i++)
        truth[i] = (int8_t) (i % CLASSES == 3 ? -1 : (int) (next_random(&state) % 3) - 1);
    const struct vkd_knn_params p = { .train = { train, TRAIN, DIM, 0 }, .test = { test, TEST, DIM, 0 }, .classes = CLASSES,
                                      .k = K, .temperature = 0.1, .log = LOG_TO(&said) };
    ck_assert_int_eq(vkd_knn_scores(&p, truth, scores), VKD_OK);
    for (uint32_t t = 0; t < TEST; t++) {
        double cosine[TRAIN], yes[CLASSES] = { 0 }, all[CLASSES] = { 0 };
        for (uint32_t i = 0; i < TRAIN; i++) {
            double xy = 0, xx = 0, yy = 0;
            for (uint32_t d = 0; d < DIM; d++) {
                xy += (double) train[i * DIM + d] * (double) test[t * DIM + d];
                xx += (double) train[i * DIM + d] * (double) train[i * DIM + d];
                yy += (double) test[t * DIM + d] * (double) test[t * DIM + d];
            }
            cosine[i] = xy / sqrt(xx * yy);
        }
        for (uint32_t k = 0; k < K; k++) {
            uint32_t best = 0;
            for (uint32_t i = 1; i < TRAIN; i++)
                best = cosine[i] > cosine[best] ? i : best;
            for (uint32_t c = 0; c < CLASSES; c++) {
                int8_t known = truth[best * CLASSES + c];
                yes[c] += known == 1 ? exp(cosine[best] / 0.1) : 0;
                all[c] += known >= 0 ? exp(cosine[best] / 0.1) : 0;
            }
            cosine[best] = -2;
        }
        for (uint32_t c = 0; c < CLASSES; c++)
            ck_assert_double_eq_tol((double) scores[t * CLASSES + c], all[c] > 0 ? yes[c] / all[c] : 0, 1e-4);
    }
    truth[5] = 2;
    ck_assert_int_eq(vkd_knn_scores(&p, truth, scores), VKD_INVALID);
}
END_TEST

// ---- Layers ------------------------------------------------------------------------------------

static const struct { const char *arch, *names; } archs[] = {
    { "resnet18", "bn1 layer1 layer2 layer3 layer4 " },
    { "resnet50", "bn1 layer1 layer2 layer3 layer4 " },
    { "mobilenet_v2", "features.0 features.1 features.3 features.6 features.10 features.13 features.16 features.17 features " },
};

START_TEST(layers_have_names)
{
    char names[VKD_STAGES_MAX][VKD_LAYER_NAME], text[VKD_STAGES_MAX * VKD_LAYER_NAME + 64] = "";
    const struct vkd_log log = LOG_TO(&said);
    vkd_graph *g = NULL;
    ck_assert_int_eq(vkd_graph_create(&log, &g), VKD_OK);
    vkd_model_build(g, vkd_input(g, "images", VKD_F32, (struct vkd_shape) {{ 1, 64, 64, 3 }}),
                    &(struct vkd_model_params) { .arch = archs[_i].arch, .width = 8, .classes = 5, .dropout = -1 });
    ck_assert_msg(!vkd_graph_error(g), "%s", vkd_graph_error(g));
    uint32_t count = vkd__stage_layers(g, vkd_model_find(archs[_i].arch), names);
    for (uint32_t i = 0; i < count; i++) {
        strcat(strcat(text, names[i]), " ");
        ck_assert_ptr_nonnull(vkd__layer_output(g, names[i]));
    }
    ck_assert_str_eq(text, archs[_i].names);
    ck_assert_ptr_null(vkd__layer_output(g, "layer"));
    ck_assert_ptr_null(vkd__layer_output(g, ""));
    vkd_graph_destroy(&g);
}
END_TEST

// ---- Files -------------------------------------------------------------------------------------

#define HEAD "{\"schema\": 1, \"model\": {\"path\": \"m\"}, \"protocol\": {\"text\": \"t\"}, \"data\": {\"spec\": \"d\", " \
             "\"train\": 1, \"val\": 1, \"test\": "
static const struct { const char *text, *words; } bad_results[] = {
    { "", "" }, { "[]", "" }, { "{\"schema\": 2}", "schema" }, { "{\"schema\": 1}", "missing" },
    { HEAD "-1, \"classes\": 1}}", "counts" },
    { HEAD "1, \"classes\": 3}, \"per_class\": [1], \"class_names\": [\"a\"]}", "as long as" },
    { HEAD "1, \"classes\": 1}, \"per_class\": [1], \"class_names\": [\"a\"]}", "value" },
};

START_TEST(bad_result_files)
{
    struct vkd_transfer_result r;
    const struct vkd_log log = LOG_TO(&said);
    memset(&said, 0, sizeof(said));
    temp_write("r.json", bad_results[_i].text, strlen(bad_results[_i].text));
    ck_assert_int_eq(vkd_transfer_load(temp_path("r.json"), &log, &r), VKD_FORMAT);
    ck_assert_msg(strstr(said.text, bad_results[_i].words), "'%s'", said.text);
    ck_assert_int_eq(vkd_transfer_load(temp_path("none.json"), &log, &r), VKD_IO);
}
END_TEST

START_TEST(unsound_scores)
{
    static const char doc[] = HEAD "2, \"classes\": 1, \"multi_label\": true}, \"key\": \"k\", \"per_class\": [1], "
        "\"class_names\": [\"a\"], \"value\": 1, \"scores_file\": \"k.scores.safetensors\"}";
    const struct { float score; int8_t truth; bool good; } cases[] = { { 1, 1, true }, { NAN, 1, false }, { INFINITY, 0, false },
                                                                       { 1, 2, false }, { 1, -2, false } };
    temp_write("k.json", doc, strlen(doc));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const float scores[2] = { 0, cases[i].score };
        const int8_t truth[2] = { 0, cases[i].truth };
        const struct vkd__st_tensor tensors[2] = {
            { .name = "scores", .type = VKD__ST_F32, .rank = 2, .shape = { 2, 1 }, .data = scores },
            { .name = "truth", .type = VKD__ST_I8, .rank = 2, .shape = { 2, 1 }, .data = truth },
        };
        const struct vkd__st_pair pair = { "key", "k" };
        const struct vkd_log log = LOG_TO(&said);
        struct vkd_transfer_result r;
        memset(&said, 0, sizeof(said));
        ck_assert_int_eq(vkd__st_write(temp_path("k.scores.safetensors"), NULL, tensors, 2, &pair, 1), VKD_OK);
        ck_assert_int_eq(vkd_transfer_load(temp_path("k.json"), &log, &r), cases[i].good ? VKD_OK : VKD_FORMAT);
        ck_assert(cases[i].good || strstr(said.text, "scores file"));
        if (cases[i].good) {
            ck_assert(r.scores && r.truth);
            vkd_transfer_finish(&r);
        }
    }
}
END_TEST

static void remove_all(void)
{
    ck_assert(temp_remove());
}

int main(void)
{
    Suite *suite = suite_create("transfer_parts");
    TCase *t = tcase_create("parts");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, NULL, remove_all);
    tcase_add_test(t, holdout_is_stratified);
    tcase_add_test(t, groups_stay_together);
    tcase_add_test(t, no_class_is_emptied);
    tcase_add_test(t, labels_that_are_rare_are_held_out_too);
    tcase_add_test(t, held_out_collages_share_no_tile);
    tcase_add_test(t, groups_that_are_too_large_are_not_held_out);
    tcase_add_test(t, train_keeps_images);
    tcase_add_test(t, own_validation);
    tcase_add_test(t, unusable_validation);
    tcase_add_loop_test(t, bad_sets, 0, sizeof(bad_tables) / sizeof(bad_tables[0]));
    tcase_add_test(t, lines_of_settings);
    tcase_add_test(t, texts_tell_all_settings_apart);
    tcase_add_test(t, rankings_are_average_precisions);
    tcase_add_test(t, scores_are_compared_by_rank);
    tcase_add_test(t, only_common_images_are_compared);
    tcase_add_test(t, votes_of_several_labels);
    tcase_add_loop_test(t, layers_have_names, 0, sizeof(archs) / sizeof(archs[0]));
    tcase_add_loop_test(t, bad_result_files, 0, sizeof(bad_results) / sizeof(bad_results[0]));
    tcase_add_test(t, unsound_scores);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
