// train_world.c -- a small made-up image set, and runs on it.
#include "train_world.h"

#include "runtime/os.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct world world;

// ---- The set ----

static void big_endian(FILE *f, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int) (v >> shift & 255), f);
}

static FILE *create(const char *stem, const char *kind)
{
    char path[192];
    snprintf(path, sizeof(path), "%s/data/%s-%s-ubyte", world.root, stem, kind);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    return f;
}

static void write_split(const char *stem, uint32_t count, uint32_t seed)
{
    FILE *images = create(stem, "images-idx3"), *labels = create(stem, "labels-idx1");
    const uint32_t head[] = { 0x803, count, WORLD_SIDE, WORLD_SIDE };
    for (int i = 0; i < 4; i++)
        big_endian(images, head[i]);
    big_endian(labels, 0x801);
    big_endian(labels, count);
    uint32_t state = seed;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t class = i % WORLD_CLASSES;
        fputc((int) class, labels);
        for (int y = 0; y < WORLD_SIDE; y++) {
            for (int x = 0; x < WORLD_SIDE; x++) {
                state = state * 1664525u + 1013904223u;
                int inside = (y >= WORLD_SIDE / 2) == (class >= 2) && (x >= WORLD_SIDE / 2) == (class & 1);
                fputc((int) (state >> 25) + (inside ? 100 : 0), images);
            }
        }
    }
    fclose(images);
    fclose(labels);
}

void world_write_set(void)
{
    struct vkd__why why;
    snprintf(world.root, sizeof(world.root), "/tmp/vkdiv-world-%d", (int) getpid());
    ck_assert_int_eq(vkd__dir_create(world_path("data"), &why), VKD_OK);
    snprintf(world.spec, sizeof(world.spec), "idx:%s/data?classes=0-%d", world.root, WORLD_CLASSES - 1);
    write_split("train", WORLD_TRAIN, 1);
    write_split("t10k", WORLD_TEST, 2);
}

void world_write_picture(const char *folder, uint32_t class_index, uint32_t index)
{
    struct vkd__why why;
    char path[160];
    const uint32_t width = WORLD_SIDE + index % 3, height = WORLD_SIDE + index % 2;
    snprintf(path, sizeof(path), "%s/%s/%c", world.root, folder, 'a' + class_index);
    ck_assert_int_eq(vkd__dir_create(path, &why), VKD_OK);
    snprintf(path, sizeof(path), "%s/%s/%c/%03u.ppm", world.root, folder, 'a' + class_index, index);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    fprintf(f, "P6\n%u %u\n255\n", width, height);
    for (uint32_t i = 0; i < width * height; i++)
        for (uint32_t c = 0; c < 3; c++)
            fputc((int) (c == class_index ? 200 - index / 4 : 20 + i % 40), f);
    fclose(f);
}

void world_remove(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", world.root);
    ck_assert_int_eq(system(command), 0);
}

// ---- Runs ----

struct vkd_recipe world_recipe(void)
{
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.data.train = world.spec;
    r.data.threads = 1;
    r.model.width = 4;
    r.model.size = WORLD_SIDE;
    r.batch = 16;
    r.epochs = 3;
    r.optimizer.lr = 0.05f;
    r.seed = 5;
    return r;
}

static bool stop_now(void *user)
{
    uint32_t *left = user;
    return *left && --*left == 0;
}

vkd_result world_train(const struct vkd_recipe *r, const char *name, bool resume, uint32_t stop_at,
                       struct vkd_train_result *out)
{
    return vkd_train(world.dev, &(struct vkd_train_params) {
        .recipe = r, .out_dir = world_path(name), .resume = resume, .command_line = "test", .stop = stop_now,
        .user = &stop_at }, out);
}

const char *world_path(const char *name)
{
    static char texts[4][256];
    static unsigned next;
    char *text = texts[next++ % 4];
    snprintf(text, sizeof(texts[0]), "%s/%s", world.root, name);
    return text;
}

bool world_exists(const char *name)
{
    return vkd__path_kind(world_path(name), NULL, NULL) != VKD__PATH_NONE;
}
