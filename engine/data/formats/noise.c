// noise.c -- "noise:COUNTxSIDExCHANNELSxCLASSES", images of random bytes that are made as they are read: for timing
// what does not depend on what the images show.
//
// Four pixels are one Philox word each of (image, place) under a key of the split; a grey set shows the first byte of
// each. Image i has label i mod CLASSES; with 0 classes there are no labels.
#include "engine/data/dataset.h"
#include "shaders/philox.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct noise_state { u32 key[2]; };

enum { COUNT_MAX = 1 << 24, CLASSES_MAX = 65536 };

static vkd_result read_sizes(const char *path, struct vkd__source *out, struct vkd__why *why)
{
    unsigned long sizes[4], most[4] = { COUNT_MAX, VKD__IMAGE_SIDE_MAX, 3, CLASSES_MAX };
    const char *p = path;
    bool ok = true;
    for (int i = 0; ok && i < 4; i++) {
        char *end;
        sizes[i] = strtoul(p, &end, 10);
        ok = *p >= '0' && *p <= '9' && *end == (i < 3 ? 'x' : 0) && sizes[i] <= most[i] && (sizes[i] || i == 3);
        p = end + 1;
    }
    if (!ok || sizes[2] == 2)
        return vkd__data_fail(why, VKD_INVALID, "'%.60s': expected COUNTxSIDExCHANNELSxCLASSES, as 1024x32x3x10; 1 or 3 "
                              "channels, sides of at most %u, classes up to %d, or 0 for none", path, VKD__IMAGE_SIDE_MAX,
                              CLASSES_MAX);
    out->count = (uint32_t)sizes[0];
    out->height = out->width = (uint32_t)sizes[1];
    out->channels = (uint32_t)sizes[2];
    out->classes = (uint32_t)sizes[3];
    return VKD_OK;
}

static vkd_result name_classes(struct vkd__source *out, struct vkd__why *why)
{
    const uint32_t classes = out->classes;
    out->classes = 0;           // until the names are there
    out->labels = malloc(out->count * sizeof *out->labels);
    char **names = calloc((size_t)classes + 1, sizeof *names);
    bool ok = out->labels && names;
    for (uint32_t c = 0; ok && c < classes; c++) {
        names[c] = malloc(12);
        ok = names[c] != NULL;
        if (ok)
            snprintf(names[c], 12, "%u", c);
    }
    if (!ok) {
        vkd__data_names_free(names, classes);
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u labels", out->count);
    }
    for (uint32_t i = 0; i < out->count; i++)
        out->labels[i] = i % classes;
    out->class_names = names;
    out->classes = classes;
    return VKD_OK;
}

static vkd_result noise_open(const struct vkd__spec *spec, const struct vkd_log *log, struct vkd__source *out,
                             struct vkd__why *why)
{
    (void)log;
    struct noise_state *state = calloc(1, sizeof *state);
    if (!state)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory");
    out->state = state;
    for (const char *p = spec->split; *p; p++)
        state->key[0] = state->key[0] * 31 + (uint8_t)*p;
    vkd_result r = read_sizes(spec->path, out, why);
    return r == VKD_OK && out->classes ? name_classes(out, why) : r;
}

static void noise_close(void *p)
{
    free(p);
}

static void noise_name_of(const struct vkd__source *s, uint32_t image, char *text, size_t size)
{
    (void)s;
    snprintf(text, size, "noise[%u]", image);
}

static void noise_digest(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash)
{
    const struct noise_state *state = s->state;
    (void)images;               // their bytes follow from their numbers, which are in the fingerprint already
    (void)count;
    XXH64_update(hash, state->key, sizeof state->key);
}

static void noise_pixels(const struct vkd__source *s, uint32_t image, uint8_t *rgba)
{
    const struct noise_state *state = s->state;
    const size_t count = (size_t)s->height * s->width;
    for (size_t i = 0; i < count; i += 4) {
        u32 words[4] = { image, (u32)i, 0, 0 };
        vkd_philox(words, state->key);
        for (size_t k = 0; k < 4 && i + k < count; k++) {
            uint8_t *pixel = rgba + 4 * (i + k);
            for (int c = 0; c < 3; c++)
                pixel[c] = (uint8_t)(words[k] >> (s->channels == 1 ? 0 : 8 * c));
            pixel[3] = 255;
        }
    }
}

const struct vkd__format vkd__format_noise = {
    .name = "noise", .no_path = true, .open = noise_open, .close = noise_close, .name_of = noise_name_of,
    .digest = noise_digest, .pixels = noise_pixels,
};
