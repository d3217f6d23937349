// test_os.c -- the operating-system door and the name suggestion.
#include "engine/suggest.h"
#include "runtime/os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/vkdiv-os-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

START_TEST(files_round_trip)
{
    struct vkd__why why;
    const uint8_t *map;
    uint8_t *data;
    uint64_t size;
    ck_assert_int_eq(vkd__dir_create(in_folder("a/b/c"), &why), VKD_OK);
    ck_assert_int_eq(vkd__dir_create(in_folder("a/b/c/"), &why), VKD_OK);
    ck_assert_int_eq(vkd__file_replace(in_folder("a/one"), "hello", 5, &why), VKD_OK);
    ck_assert_int_eq(vkd__file_replace(in_folder("a/one"), "salute", 6, &why), VKD_OK);
    ck_assert_int_eq(vkd__file_replace(in_folder("a/empty"), "", 0, &why), VKD_OK);
    ck_assert_int_eq(vkd__file_map(in_folder("a/one"), &map, &size, &why), VKD_OK);
    ck_assert_uint_eq(size, 6);
    ck_assert_mem_eq(map, "salute", 6);
    vkd__file_unmap(map, size);
    ck_assert_int_eq(vkd__file_map(in_folder("a/empty"), &map, &size, &why), VKD_OK);
    ck_assert_ptr_null(map);
    ck_assert_uint_eq(size, 0);
    ck_assert_int_eq(vkd__file_read(in_folder("a/one"), 6, &data, &size, &why), VKD_OK);
    ck_assert_str_eq((char *)data, "salute");
    free(data);
    data = NULL;
    ck_assert_int_eq(vkd__file_read(in_folder("a/one"), 5, &data, &size, &why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "limit of 5"));
    ck_assert_ptr_null(data);
    ck_assert_int_eq(vkd__file_read(in_folder("none"), 5, &data, &size, &why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "No such file"));
    ck_assert_int_eq(vkd__file_map(in_folder("a"), &map, &size, &why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "found a folder"));
    ck_assert_int_eq(vkd__file_replace(in_folder("none/x"), "x", 1, &why), VKD_IO);
    ck_assert_int_eq(vkd__file_replace(in_folder("a"), "x", 1, &why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "expected a file to replace, found a folder"));
    ck_assert_int_eq(vkd__file_replace("/dev/null", "x", 1, &why), VKD_IO);
    ck_assert_int_eq(vkd__dir_create(in_folder("a/one/x"), &why), VKD_IO);
    ck_assert_ptr_nonnull(strstr(why.text, "expected a folder"));
}
END_TEST

START_TEST(folders_list_sorted)
{
    struct vkd__why why;
    char **names;
    uint32_t count;
    ck_assert_int_eq(vkd__dir_create(in_folder("l/z"), &why), VKD_OK);
    ck_assert_int_eq(vkd__file_replace(in_folder("l/B"), "1", 1, &why), VKD_OK);
    ck_assert_int_eq(vkd__file_replace(in_folder("l/a"), "12", 2, &why), VKD_OK);
    ck_assert_int_eq(vkd__dir_list(in_folder("l"), &names, &count, &why), VKD_OK);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(names[0], "B");
    ck_assert_str_eq(names[1], "a");
    ck_assert_str_eq(names[2], "z");
    free(names);
    ck_assert_int_eq(vkd__dir_list(in_folder("l/z"), &names, &count, &why), VKD_OK);
    ck_assert_uint_eq(count, 0);
    free(names);
    ck_assert_int_eq(vkd__dir_list(in_folder("none"), &names, &count, &why), VKD_IO);
    uint64_t size;
    double modified;
    ck_assert_int_eq(vkd__path_kind(in_folder("l/a"), &size, &modified), VKD__PATH_FILE);
    ck_assert_uint_eq(size, 2);
    ck_assert_int_eq(vkd__path_kind(in_folder("l/z"), NULL, NULL), VKD__PATH_DIR);
    ck_assert_int_eq(vkd__path_kind(in_folder("none"), NULL, NULL), VKD__PATH_NONE);
    ck_assert_int_eq(vkd__path_kind("/dev/null", NULL, NULL), VKD__PATH_OTHER);
}
END_TEST

struct relay { struct vkd__mutex *m; struct vkd__cond *c; unsigned turn; };

static void relay_run(void *arg)
{
    struct relay *r = arg;
    for (unsigned i = 0; i < 1000; i++) {
        vkd__mutex_lock(r->m);
        while (r->turn % 2 == 0)
            vkd__cond_wait(r->c, r->m);
        r->turn++;
        vkd__cond_broadcast(r->c);
        vkd__mutex_unlock(r->m);
    }
}

START_TEST(threads_take_turns)
{
    struct relay r = { 0 };
    struct vkd__thread *t = NULL;
    ck_assert_int_eq(vkd__mutex_create(&r.m), VKD_OK);
    ck_assert_int_eq(vkd__cond_create(&r.c), VKD_OK);
    ck_assert_int_eq(vkd__thread_start(&t, relay_run, &r), VKD_OK);
    for (unsigned i = 0; i < 1000; i++) {
        vkd__mutex_lock(r.m);
        while (r.turn % 2 == 1)
            vkd__cond_wait(r.c, r.m);
        r.turn++;
        vkd__cond_broadcast(r.c);
        vkd__mutex_unlock(r.m);
    }
    vkd__thread_join(&t);
    ck_assert_ptr_null(t);
    vkd__thread_join(&t);
    ck_assert_uint_eq(r.turn, 2000);
    vkd__cond_destroy(&r.c);
    vkd__mutex_destroy(&r.m);
    ck_assert_uint_ge(vkd__os_cpu_count(), 1);
    ck_assert(vkd__os_memory_free() > 1 << 20);
    double a = vkd__os_seconds();
    ck_assert(vkd__os_seconds() >= a);
}
END_TEST

START_TEST(suggestions_are_near)
{
    static const char *const names[] = { "split", "classes", "limit", "size", "collage" };
    ck_assert_str_eq(vkd__suggest("lmit", names, 5), "limit");
    ck_assert_str_eq(vkd__suggest("clases", names, 5), "classes");
    ck_assert_str_eq(vkd__suggest("slpit", names, 5), "split");
    ck_assert_str_eq(vkd__suggest("SIZE", names, 5), "size");
    ck_assert_ptr_null(vkd__suggest("momentum", names, 5));
    ck_assert_ptr_null(vkd__suggest("", names, 5));
    ck_assert_ptr_null(vkd__suggest("x", names, 0));
    char large[4000];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    ck_assert_ptr_null(vkd__suggest(large, names, 5));
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    Suite *s = suite_create("os");
    TCase *t = tcase_create("os");
    tcase_add_test(t, files_round_trip);
    tcase_add_test(t, folders_list_sorted);
    tcase_add_test(t, threads_take_turns);
    tcase_add_test(t, suggestions_are_near);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return failed || system(command) ? 1 : 0;
}
