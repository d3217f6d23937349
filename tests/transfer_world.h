// transfer_world.h -- a run of train_world.h's that is transferred. For files that include gpu.h and train_world.h first.
#ifndef TRANSFER_WORLD_H
#define TRANSFER_WORLD_H

#include <vkdiv/transfer.h>

#include <stdlib.h>
#include <string.h>

static char run_dir[256], last_path[300];

// Trains one run with its checkpoints kept, for all tests.
static inline void open_all(void)
{
    struct vkd_recipe r;
    struct vkd_train_result res;
    world_open();
    gpu_close(&world.dev);                  // another one whose messages come to this file's gpu_log
    world.dev = gpu_open();
    ck_assert_ptr_nonnull(world.dev);
    r = world_recipe();
    r.keep_every = 1;
    r.model.channels = 3;                   // of which the set's images have one
    ck_assert_int_eq(world_train(&r, "run", false, 0, &res), VKD_OK);
    snprintf(run_dir, sizeof(run_dir), "%s", world_path("run"));
    snprintf(last_path, sizeof(last_path), "%s/last.safetensors", run_dir);
}

static inline void remove_results(void)
{
    char command[800];
    snprintf(command, sizeof(command), "rm -rf %s/transfer %s/features %s/out", run_dir, run_dir, world.root);
    ck_assert_int_eq(system(command), 0);
    gpu_last_error[0] = gpu_last_warning[0] = 0;
}

static inline struct vkd_transfer_params params(const char *protocol)
{
    return (struct vkd_transfer_params) { .model = run_dir, .data = world.spec, .protocol = protocol, .k = 5 };
}

static inline struct vkd_transfer_result transfer_ok(const struct vkd_transfer_params *p)
{
    struct vkd_transfer_result r;
    ck_assert_msg(vkd_transfer(world.dev, p, &r) == VKD_OK, "%s", gpu_last_error);
    return r;
}

static inline vkd_feature_cache *cache_open(const char *folder, uint64_t memory)
{
    vkd_feature_cache *c = NULL;
    const struct vkd_feature_cache_params p = { .folder = folder, .memory = memory, .log = gpu_params().log };
    ck_assert_int_eq(vkd_feature_cache_create(&p, &c), VKD_OK);
    return c;
}

static inline bool same_predictions(const struct vkd_transfer_result *a, const struct vkd_transfer_result *b)
{
    return a->test == b->test && !memcmp(a->predictions, b->predictions, a->test * sizeof(*a->predictions));
}

// A copy of the set in root/NAME whose label i of `stem` is map(i, label).
static inline const char *copy_set(const char *name, const char *stem, int (*map)(int i, int label))
{
    static char spec[300];
    char command[600], path[300];
    snprintf(command, sizeof(command), "cp -r %s/data %s/%s", world.root, world.root, name);
    ck_assert_int_eq(system(command), 0);
    snprintf(path, sizeof(path), "%s/%s/%s-labels-idx1-ubyte", world.root, name, stem);
    FILE *f = fopen(path, "r+b");
    ck_assert_ptr_nonnull(f);
    for (int i = 0, label; fseek(f, 8 + i, SEEK_SET), (label = fgetc(f)) != EOF; i++) {
        fseek(f, 8 + i, SEEK_SET);
        fputc(map(i, label), f);
    }
    fclose(f);
    snprintf(spec, sizeof(spec), "idx:%s/%s?classes=0-%d", world.root, name, WORLD_CLASSES - 1);
    return spec;
}

#endif
