// train_world.h -- a small made-up image set, and runs on it: for tests of whole trainings.
#ifndef TRAIN_WORLD_H
#define TRAIN_WORLD_H

#include <vkdiv/train.h>

enum { WORLD_SIDE = 12, WORLD_CLASSES = 4, WORLD_TRAIN = 160, WORLD_TEST = 64 };

struct world {
    vkd_device *dev;
    char root[64];              // a folder of its own
    char spec[128];             // images whose class is the quadrant of a bright spot on noise
    char *error, *warning;      // gpu.h's last messages
};
extern struct world world;

void world_write_set(void);
void world_remove(void);
// Writes root/FOLDER/CLASS/INDEX.ppm of one of several sizes, in the colour of its class.
void world_write_picture(const char *folder, uint32_t class_index, uint32_t index);

// Fixtures, for files that include gpu.h first: the device and the set; away with everything.
#ifdef GPU_H
static inline void world_open(void)
{
    world.dev = gpu_open();
    ck_assert_ptr_nonnull(world.dev);
    world.error = gpu_last_error;
    world.warning = gpu_last_warning;
    world_write_set();
}

static inline void world_close(void)
{
    world_remove();
    gpu_close(&world.dev);
}
#endif

// A recipe for the set that takes a second: width 4, batches of 16, 3 epochs of 10 steps.
struct vkd_recipe world_recipe(void);

// Trains into root/NAME. stop() says yes when it is asked for the `stop_at`-th time; 0: never.
vkd_result world_train(const struct vkd_recipe *r, const char *name, bool resume, uint32_t stop_at,
                       struct vkd_train_result *out);

// root/NAME, good until the next but three calls.
const char *world_path(const char *name);
bool world_exists(const char *name);

#endif
