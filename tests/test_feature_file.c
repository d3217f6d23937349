// test_feature_file.c -- files of features that are damaged or made to mislead, and what image files hold.
#include "data_files.h"

#include "engine/safetensors.h"
#include "engine/transfer/feature_file.h"
#include "engine/transfer/transfer_impl.h"
#include "runtime/os.h"

#include <check.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { ROWS = 6, DIM = 5, CLASSES = 3, IMAGES = 9 };

static const struct vkd__features_identity one = { .images = IMAGES, .rows = ROWS, .classes = CLASSES };
static const struct vkd__features_identity many = { .images = IMAGES, .rows = ROWS, .classes = CLASSES, .multi_label = true };

static struct vkd__feature_file file_of(const struct vkd__features_identity *id)
{
    return (struct vkd__feature_file) { temp_path("f.safetensors"), "all of it", id, DIM };
}

// What a file holds, to be spoilt.
struct parts {
    float values[2 * ROWS * DIM], targets[2 * ROWS * CLASSES];
    int64_t labels[2 * ROWS], indices[2 * ROWS];
    struct vkd__st_tensor t[5];
    uint32_t count;
    const char *text;
};

static void fill(struct parts *p, bool multi_label)
{
    *p = (struct parts) { .count = multi_label ? 4 : 3, .text = "all of it" };
    for (int i = 0; i < 2 * ROWS; i++) {
        p->labels[i] = multi_label || i == 2 ? -1 : i % CLASSES;
        p->indices[i] = i % IMAGES;
        for (int k = 0; k < DIM; k++)
            p->values[i * DIM + k] = (float) (i - k);
        for (int c = 0; c < CLASSES; c++)
            p->targets[i * CLASSES + c] = (float) ((i + c) % 3 - 1);
    }
    p->t[0] = (struct vkd__st_tensor) { .name = "features", .type = VKD__ST_F32, .rank = 2, .shape = { ROWS, DIM },
                                        .data = p->values };
    p->t[1] = (struct vkd__st_tensor) { .name = "labels", .type = VKD__ST_I64, .rank = 1, .shape = { ROWS }, .data = p->labels };
    p->t[2] = (struct vkd__st_tensor) { .name = "indices", .type = VKD__ST_I64, .rank = 1, .shape = { ROWS }, .data = p->indices };
    p->t[3] = (struct vkd__st_tensor) { .name = "targets", .type = VKD__ST_F32, .rank = 2, .shape = { ROWS, CLASSES },
                                        .data = p->targets };
    p->t[4] = (struct vkd__st_tensor) { .name = "more", .type = VKD__ST_F32, .rank = 1, .shape = { 1 }, .data = p->values };
}

// Writes a file whose own hash is right, as who means to mislead does.
static void write_parts(struct parts *p)
{
    char content[17];
    XXH64_hash_t hash = 0;
    for (uint32_t i = 0; i < p->count; i++)
        hash = XXH3_64bits_withSeed(p->t[i].data, vkd__st_size(&p->t[i]), hash);
    snprintf(content, sizeof(content), "%016llx", (unsigned long long) hash);
    const struct vkd__st_pair pairs[] = { { "vkdiv_features", p->text }, { "content", content } };
    ck_assert_int_eq(vkd__st_write(temp_path("f.safetensors"), NULL, p->t, p->count, pairs, 2), VKD_OK);
}

static bool reads(const struct vkd__features_identity *id)
{
    struct vkd_features f = { .rows = 77 };
    const struct vkd__feature_file file = file_of(id);
    bool good = vkd__feature_file_read(&file, &f);
    ck_assert_uint_eq(f.rows, good ? ROWS : 77);
    if (good)
        vkd_features_finish(&f);
    return good;
}

START_TEST(written_and_read)
{
    for (int multi = 0; multi < 2; multi++) {
        struct parts p;
        struct vkd_features f, g;
        const struct vkd__feature_file file = file_of(multi ? &many : &one);
        fill(&p, multi);
        write_parts(&p);
        ck_assert(vkd__feature_file_read(&file, &f));
        ck_assert(f.rows == ROWS && f.dim == DIM && !f.targets == !multi);
        ck_assert_mem_eq(f.values, p.values, ROWS * DIM * sizeof(float));
        ck_assert_uint_eq(f.labels[2], VKD_NO_LABEL);
        ck_assert_uint_eq(f.indices[3], 3);
        ck_assert_int_eq(vkd__feature_file_write(&file, &f), VKD_OK);
        ck_assert(vkd__feature_file_read(&file, &g));
        ck_assert_mem_eq(f.values, g.values, ROWS * DIM * sizeof(float));
        ck_assert_mem_eq(f.labels, g.labels, ROWS * sizeof(*f.labels));
        ck_assert_mem_eq(f.indices, g.indices, ROWS * sizeof(*f.indices));
        if (multi)
            ck_assert_mem_eq(f.targets, g.targets, ROWS * CLASSES * sizeof(float));
        vkd_features_finish(&f);
        vkd_features_finish(&g);
    }
}
END_TEST

enum { WIDER, NARROWER, LONGER, SHORTER, FLAT, WHOLE, SHORT_LABELS, SHORT_INDICES, LABEL_TOO_LARGE, LABEL_TOO_SMALL, LABEL_HUGE,
       INDEX_TOO_LARGE, INDEX_NEGATIVE, LABEL_OF_MANY, WIDE_TARGETS, FLAT_TARGETS, TARGET, TARGET_NAN, ONE_MORE, ONE_LESS, OTHERS,
       WRONGS };

static void spoil(struct parts *p, int wrong)
{
    struct vkd__st_tensor *t = p->t;
    switch (wrong) {
    case WIDER:           t[0].shape[1]++; break;
    case NARROWER:        t[0].shape[1]--; break;
    case LONGER:          t[0].shape[0] = t[1].shape[0] = t[2].shape[0] = t[3].shape[0] = 2 * ROWS; break;
    case SHORTER:         t[0].shape[0] = t[1].shape[0] = t[2].shape[0] = t[3].shape[0] = 1; break;
    case FLAT:            t[0].rank = 1; break;
    case WHOLE:           t[0].type = VKD__ST_I64; t[0].shape[1] = 2; break;
    case SHORT_LABELS:    t[1].shape[0] = 1; break;
    case SHORT_INDICES:   t[2].shape[0] = 1; break;
    case LABEL_TOO_LARGE: p->labels[4] = CLASSES; break;
    case LABEL_TOO_SMALL: p->labels[4] = -2; break;
    case LABEL_HUGE:      p->labels[4] = INT64_MIN; break;
    case INDEX_TOO_LARGE: p->indices[4] = IMAGES; break;
    case INDEX_NEGATIVE:  p->indices[4] = -1; break;
    case LABEL_OF_MANY:   p->labels[4] = 0; break;
    case WIDE_TARGETS:    t[3].shape[1]++; break;
    case FLAT_TARGETS:    t[3].rank = 1; break;
    case TARGET:          p->targets[5] = 0.5f; break;
    case TARGET_NAN:      p->targets[5] = NAN; break;
    case ONE_MORE:        t[p->count++] = t[4]; break;
    case ONE_LESS:        p->count--; break;
    case OTHERS:          p->text = "something else"; break;
    }
}

START_TEST(misleading_files)
{
    for (int wrong = 0; wrong < WRONGS; wrong++) {
        for (int multi = wrong >= LABEL_OF_MANY && wrong <= TARGET_NAN; multi < 2; multi++) {
            struct parts p;
            fill(&p, multi);
            spoil(&p, wrong);
            write_parts(&p);
            ck_assert_msg(!reads(multi ? &many : &one), "wrong %d of %d", wrong, multi);
        }
    }
}
END_TEST

// Whatever is read is what was written.
START_TEST(damaged_files)
{
    struct parts p;
    struct vkd__why why;
    struct bytes whole;
    uint64_t size;
    fill(&p, true);
    write_parts(&p);
    ck_assert_int_eq(vkd__file_read(temp_path("f.safetensors"), 1 << 20, &whole.data, &size, &why), VKD_OK);
    whole.size = (size_t) size;
    uint32_t good = 0;
    for (uint64_t seed = 0; seed < 1500; seed++) {
        struct bytes b = damage(whole, seed);
        ck_assert_int_eq(vkd__file_replace(temp_path("f.safetensors"), b.data, seed % 5 ? b.size : b.size / (1 + seed % 7), &why),
                         VKD_OK);
        good += reads(&many);
        free(b.data);
    }
    ck_assert_msg(good < 15, "%u of 1500 damaged files were taken", good);      // spaces of the header may differ
    free(whole.data);
}
END_TEST

// Tables that do not fit together are refused, not joined.
START_TEST(tables_must_fit)
{
    float values[4 * 8] = { 0 };
    uint32_t labels[4] = { 0 };
    int8_t truth[4 * CLASSES] = { 0 };
    struct messages said = { .count = 0 };
    const struct vkd_log log = LOG_TO(&said);
    struct vkd__table a = { .rows = 4, .dim = 5, .values = values, .labels = labels }, b = a, joined;
    ck_assert_int_eq(vkd__table_join(&a, &b, CLASSES, &log, &joined), VKD_OK);
    ck_assert(joined.rows == 8 && joined.dim == 5);
    vkd__table_finish(&joined);
    b.dim = 8;
    ck_assert_int_eq(vkd__table_join(&a, &b, CLASSES, &log, &joined), VKD_INVALID);
    ck_assert_ptr_nonnull(strstr(said.text, "do not fit together"));
    b = a;
    b.truth = truth;
    ck_assert_int_eq(vkd__table_join(&a, &b, CLASSES, &log, &joined), VKD_INVALID);
}
END_TEST

// ---- What images hold --------------------------------------------------------------------------

static uint64_t content_of(const char *spec)
{
    vkd_dataset *d = NULL;
    uint64_t content;
    const struct vkd_log silent = { .fn = NULL };
    ck_assert_int_eq(vkd_dataset_open(&(struct vkd_dataset_params) { spec, "train", silent }, &d), VKD_OK);
    ck_assert_int_eq(vkd_dataset_content(d, &content), VKD_OK);
    vkd_dataset_close(&d);
    return content;
}

static void write_picture(const char *name, uint8_t value)
{
    uint8_t text[64 + 12] = "P5\n8 8\n255\n";
    memset(text + 11, value, 64);
    temp_write(name, text, 11 + 64);
}

START_TEST(content_of_images)
{
    char folder[300], table[300];
    snprintf(folder, sizeof(folder), "folder:%s", temp_path("pictures"));
    snprintf(table, sizeof(table), "csv:%s", temp_path("pictures/list.csv"));
    write_picture("pictures/train/a/1.pgm", 10);
    write_picture("pictures/train/b/1.pgm", 20);
    temp_write("pictures/list.csv", "path,labels\ntrain/a/1.pgm,a\ntrain/b/1.pgm,b\n", 44);
    const uint64_t first = content_of(folder), second = content_of(table);
    ck_assert(first == content_of(folder) && second == content_of(table) && first != second);
    write_picture("pictures/train/a/1.pgm", 11);            // of the same name and size
    ck_assert(first != content_of(folder) && second != content_of(table));
    write_picture("pictures/train/a/1.pgm", 10);            // another time, but the same bytes
    ck_assert(first == content_of(folder) && second == content_of(table));
    write_picture("pictures/train/a/1.pgm", 20);            // bytes that change places are not the same
    write_picture("pictures/train/b/1.pgm", 10);
    ck_assert(first != content_of(folder) && second != content_of(table));
}
END_TEST

// A file of more bytes than are read is known by its time.
START_TEST(content_of_much)
{
    char folder[300];
    const char *path = temp_path("much/train/a/1.pgm");
    snprintf(folder, sizeof(folder), "folder:%s", temp_path("much"));
    write_picture("much/train/a/1.pgm", 1);
    ck_assert_int_eq(truncate(path, 300 << 20), 0);         // a hole: nothing is written
    const uint64_t before = content_of(folder);
    ck_assert(before == content_of(folder));
    const struct timespec times[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
    ck_assert_int_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    ck_assert(before != content_of(folder));
}
END_TEST

static void remove_all(void)
{
    ck_assert(temp_remove());
}

int main(void)
{
    Suite *suite = suite_create("feature_file");
    TCase *t = tcase_create("files");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, NULL, remove_all);
    tcase_add_test(t, written_and_read);
    tcase_add_test(t, misleading_files);
    tcase_add_test(t, damaged_files);
    tcase_add_test(t, tables_must_fit);
    tcase_add_test(t, content_of_images);
    tcase_add_test(t, content_of_much);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
