// test_transfer_select.c -- choices among checkpoints of which some are broken, and what tells models apart.
#include "gpu.h"
#include "train_world.h"

#include "runtime/os.h"

#include <vkdiv/transfer.h>

#include <string.h>

static char run_dir[256];

static void open_all(void)
{
    struct vkd_train_result res;
    world_open();
    gpu_close(&world.dev);                  // another one whose messages come to this file's gpu_log
    world.dev = gpu_open();
    ck_assert_ptr_nonnull(world.dev);
    struct vkd_recipe r = world_recipe();
    r.keep_every = 1;
    ck_assert_int_eq(world_train(&r, "run", false, 0, &res), VKD_OK);
}

// A fresh copy of the run.
static void copy_run(const char *name)
{
    char command[600];
    snprintf(run_dir, sizeof(run_dir), "%s", world_path(name));
    snprintf(command, sizeof(command), "rm -rf %s; cp -r %s %s", run_dir, world_path("run"), run_dir);
    ck_assert_int_eq(system(command), 0);
    gpu_last_error[0] = gpu_last_warning[0] = 0;
}

static struct vkd_transfer_params params(const char *protocol)
{
    return (struct vkd_transfer_params) { .model = run_dir, .data = world.spec, .protocol = protocol, .select = true,
                                          .lambda = 0.3 };
}

enum damage { CUT, NANS, MEAN };

static void damage(const char *name, enum damage how)
{
    char path[400];
    uint8_t *data;
    uint64_t size, head;
    struct vkd__why why;
    snprintf(path, sizeof(path), "%s/%s", run_dir, name);
    ck_assert_int_eq(vkd__file_read(path, 1 << 24, &data, &size, &why), VKD_OK);
    memcpy(&head, data, sizeof(head));
    if (how == NANS)
        memset(data + 8 + head, 0xff, size - 8 - head);
    if (how == MEAN) {                      // the normalisation that the metadata tell, by a digit
        char *at = strstr((char *) data + 8, "mean");
        ck_assert_ptr_nonnull(at);
        at += strcspn(at, "0123456789");
        while (at[1] >= '.' && at[1] <= '9')
            at++;
        *at = *at == '1' ? '2' : '1';
    }
    ck_assert_int_eq(vkd__file_replace(path, data, how == CUT ? size / 2 : size, &why), VKD_OK);
    free(data);
}

START_TEST(broken_checkpoints_are_left_out)
{
    struct vkd_transfer_result whole, r;
    struct vkd_transfer_params p = params(_i ? "linear" : "knn");
    copy_run("some");
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &whole), VKD_OK);
    damage("checkpoints/epoch-0001.safetensors", _i ? NANS : CUT);
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert(!r.resumed && r.selection->candidate_count == whole.selection->candidate_count - 4);
    ck_assert_msg(strstr(gpu_last_warning, "chosen from"), "%s", gpu_last_warning);
    for (uint32_t i = 0; i < r.selection->candidate_count; i++)
        ck_assert_ptr_null(strstr(r.selection->candidates[i].checkpoint, "epoch-0001"));
    vkd_transfer_finish(&r);
    vkd_transfer_finish(&whole);
}
END_TEST

// The last checkpoint is what a choice is measured against: without it there is a choice, and no gain.
START_TEST(broken_last_checkpoint)
{
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params("knn");
    copy_run("last");
    damage("last.safetensors", NANS);
    gpu_last_error[0] = 0;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &r), VKD_OK);
    ck_assert_msg(strstr(gpu_last_error, "last.safetensors: 36 of the 36 numbers of conv1.weight are not finite"), "%s",
                  gpu_last_error);
    ck_assert(isnan(r.selection->last) && isnan(r.selection->gain) && isnan(r.selection->p));
    ck_assert_ptr_nonnull(strstr(r.selection->candidates[r.selection->chosen].checkpoint, "epoch-"));
    vkd_transfer_finish(&r);
}
END_TEST

START_TEST(nothing_to_choose)
{
    struct vkd_transfer_result r;
    struct vkd_transfer_params p = params("knn");
    copy_run("none");
    damage("last.safetensors", NANS);
    for (int epoch = 1; epoch <= 3; epoch++) {
        char name[64];
        snprintf(name, sizeof(name), "checkpoints/epoch-%04d.safetensors", epoch);
        damage(name, NANS);
    }
    ck_assert_int_lt(vkd_transfer(world.dev, &p, &r), 0);
    ck_assert_msg(strstr(gpu_last_error, "nothing can be chosen"), "%s", gpu_last_error);
    ck_assert(!world_exists("none/transfer"));
}
END_TEST

// Equal weights that images are prepared otherwise for are not the same model.
START_TEST(what_a_file_says_of_itself_counts)
{
    struct vkd_transfer_result a, b;
    struct vkd_transfer_params p = params("knn");
    copy_run("says");
    p.select = false;
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &a), VKD_OK);
    damage("last.safetensors", MEAN);
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &b), VKD_OK);
    ck_assert(!b.resumed && a.weights_hash == b.weights_hash);
    ck_assert_str_ne(a.key, b.key);
    ck_assert_str_eq(a.text, b.text);
    vkd_transfer_finish(&b);
    p.seed = 1;                             // of intervals too
    ck_assert_int_eq(vkd_transfer(world.dev, &p, &b), VKD_OK);
    ck_assert_str_ne(a.key, b.key);
    vkd_transfer_finish(&b);
    vkd_transfer_finish(&a);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("transfer_select");
    TCase *t = tcase_create("select");
    tcase_set_timeout(t, 0);
    tcase_add_unchecked_fixture(t, open_all, world_close);
    tcase_add_loop_test(t, broken_checkpoints_are_left_out, 0, 2);
    tcase_add_test(t, broken_last_checkpoint);
    tcase_add_test(t, nothing_to_choose);
    tcase_add_test(t, what_a_file_says_of_itself_counts);
    suite_add_tcase(s, t);
    return gpu_run(s);
}
