// cli.h -- runs the program in a folder of its own, DIR, which is defined before this is included.
#ifndef VKD_TEST_CLI_H
#define VKD_TEST_CLI_H

#include "runtime/os.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROGRAM VKD_BINARY_DIR "/bin/vkdiv"

static char out[262144], err[65536];

static inline void slurp(const char *path, char *text, size_t size)
{
    FILE *f = fopen(path, "rb");
    ck_assert(f != NULL);
    text[fread(text, 1, size - 1, f)] = 0;
    fclose(f);
}

// Runs "ENVIRONMENT vkdiv ARGUMENTS"; returns its exit status, leaves its output in out and err.
static inline int run_with(const char *environment, const char *arguments)
{
    char command[4096];
    snprintf(command, sizeof command, "cd " DIR " && env %s " PROGRAM " %s >out.txt 2>err.txt </dev/null", environment,
             arguments);
    int status = system(command);
    slurp(DIR "/out.txt", out, sizeof out);
    slurp(DIR "/err.txt", err, sizeof err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256;
}

static inline int run(const char *arguments)
{
    return run_with("", arguments);
}

static inline json_t *parsed(void)
{
    json_error_t e;
    json_t *doc = json_loads(out, 0, &e);
    ck_assert_msg(doc != NULL, "line %d: %s in\n%s", e.line, e.text, out);
    ck_assert_int_eq(json_integer_value(json_object_get(doc, "schema")), 1);
    return doc;
}

static inline void has(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "no \"%s\" in\n%s", part, text);
}

static inline void has_keys(const json_t *object, const char *keys)
{
    char key[64];
    for (; *keys; keys += strcspn(keys, " "), keys += *keys == ' ') {
        snprintf(key, sizeof key, "%.*s", (int)strcspn(keys, " "), keys);
        ck_assert_msg(json_object_get(object, key) != NULL, "no key %s in\n%s", key, out);
    }
}

static inline void write_file(const char *path, const void *data, size_t size)
{
    struct vkd__why why;
    ck_assert_msg(vkd__file_replace(path, data, size, &why) == VKD_OK, "%s", why.text);
}

// An idx set of `count` images a split whose class is the quarter of the image that is bright.
static inline void write_set(const char *dir, const char *split, uint32_t count, uint8_t label_max)
{
    char path[512];
    uint8_t *images = calloc(16 + count * 64, 1), labels[8 + 256] = { 0, 0, 8, 1, 0, 0, 0, (uint8_t)count };
    const uint8_t head[16] = { 0, 0, 8, 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, 8, 0, 0, 0, 8 };
    memcpy(images, head, sizeof head);
    for (uint32_t i = 0; i < count; i++) {
        labels[8 + i] = (uint8_t)(i % (label_max + 1u));
        for (uint32_t p = 0; p < 64; p++)
            images[16 + i * 64 + p] = (uint8_t)(((p / 32) * 2 + p % 8 / 4 == i % 4 ? 200 : 20) + i * 7 % 16);
    }
    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", dir, split);
    write_file(path, images, 16 + count * 64);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", dir, split);
    write_file(path, labels, 8 + count);
    free(images);
}

// A set and a recipe for it.
static inline void setup(void)
{
    static const char recipe[] =
        "data: {train: 'idx:set', mean: [0.3, 0.3, 0.3]}\nmodel: {arch: resnet18, width: 4, size: 8}\n"
        "optimizer: {name: sgd, lr: 0.05}\nbatch: 16\nepochs: 2\n";
    struct vkd__why why;
    ck_assert_int_eq(system("rm -rf " DIR), 0);
    ck_assert(vkd__dir_create(DIR "/set", &why) == VKD_OK);
    write_set(DIR "/set", "train", 64, 3);
    write_set(DIR "/set", "t10k", 32, 3);
    write_file(DIR "/tab.yaml", "data:\n\ttrain: idx:set\n", 22);
    write_file(DIR "/small.yaml", recipe, sizeof recipe - 1);
}

// A set of two classes of which every image is this one of 2 x 2 pixels.
static inline void write_colours(const char *dir, const char pixels[12])
{
    char image[] = "P6 2 2 255 abcdefghijkl";
    static const char *const names[] = { "train/a", "train/b", "test/a", "test/b" };
    char path[256];
    struct vkd__why why;
    memcpy(image + sizeof image - 13, pixels, 12);
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        ck_assert(vkd__dir_create(path, &why) == VKD_OK);
        for (int k = 0; k < 2; k++) {
            snprintf(path, sizeof path, "%s/%s/%d.ppm", dir, names[i], k);
            write_file(path, image, sizeof image - 1);
        }
    }
}

#endif
