// idx.c -- "idx:DIR", MNIST-style files: grey images and labels below 10, kept in memory.
#include "engine/data/idx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct idx_state {
    uint8_t *bytes;             // (count, height, width)
    uint64_t byte_count;
    char file[64];              // the images' file name, for messages
};

static const char *const fashion_names[10] = { "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
                                               "Shirt", "Sneaker", "Bag", "Ankle boot" };

// The file's path under one of its usual names, or NULL; `name` gets the name that was found.
static char *find_part(const char *folder, const char *part, const char *kind, uint32_t dims, char name[64])
{
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, 64, "%s-%s%cidx%u-ubyte%s", part, kind, i & 2 ? '.' : '-', dims, i & 1 ? "" : ".gz");
        char *path = vkd__data_path(folder, name);
        if (path && vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE)
            return path;
        free(path);
    }
    return NULL;
}

static vkd_result read_part(const char *folder, const char *part, const char *kind, uint32_t dims,
                            struct vkd__idx *out, char name[64], struct vkd__why *why)
{
    char *path = find_part(folder, part, kind, dims, name);
    if (!path)
        return vkd__data_fail(why, VKD_IO, "no %s-%s-idx%u-ubyte.gz in %.200s (nor without .gz)", part, kind, dims,
                              folder);
    const uint8_t *file;
    uint64_t size;
    vkd_result r = vkd__file_map(path, &file, &size, why);
    free(path);
    if (r != VKD_OK)
        return r;
    struct vkd__why inner = { "" };
    r = vkd__idx_read(file, size, dims, out, &inner);
    vkd__file_unmap(file, size);
    return r == VKD_OK ? r : vkd__data_fail(why, r, "%s: %.400s", name, inner.text);
}

// Sets with more than ten classes (letters) exist: they are told from a damaged label by having no gaps.
static vkd_result count_classes(const struct vkd__idx *labels, const char *file, uint32_t *classes,
                                struct vkd__why *why)
{
    uint32_t sizes[256] = { 0 }, most = 0;
    for (uint32_t i = 0; i < labels->sizes[0]; i++) {
        sizes[labels->bytes[i]]++;
        most = labels->bytes[i] > most ? labels->bytes[i] : most;
    }
    *classes = 10;
    bool whole = true;
    for (uint32_t c = 0; c <= most; c++)
        whole = whole && sizes[c];
    if (most < 10)
        return VKD_OK;
    if (whole) {
        *classes = most + 1;
        return VKD_OK;
    }
    uint32_t at = 0;
    while (labels->bytes[at] < 10)
        at++;
    return vkd__data_fail(why, VKD_FORMAT, "%s: label %u at image %u is out of range, expected 0 to 9", file,
                          labels->bytes[at], at);
}

// Whether the folder, or the one above it, is called after Fashion-MNIST.
static bool is_fashion(const char *path)
{
    static const char word[] = "fashion";
    const char *start = path + strlen(path);
    for (unsigned parts = 0; start > path && parts < 2; start--)
        parts += start[-1] == '/' && *start && *start != '/';
    for (const char *p = start; *p; p++) {
        size_t i = 0;
        while (word[i] && (p[i] | 0x20) == word[i])
            i++;
        if (!word[i])
            return true;
    }
    return false;
}

static vkd_result name_classes(const struct vkd__spec *spec, struct vkd__source *out, uint32_t classes,
                               struct vkd__why *why)
{
    char numbers[256][4];
    const char *names[256];
    for (uint32_t c = 0; c < classes; c++) {
        snprintf(numbers[c], sizeof numbers[c], "%u", c & 255);
        names[c] = classes == 10 && is_fashion(spec->path) ? fashion_names[c] : numbers[c];
    }
    vkd_result r = vkd__data_names(names, classes, &out->class_names, why);
    if (r == VKD_OK)
        out->classes = classes;
    return r;
}

static vkd_result idx_open(const struct vkd__spec *spec, const struct vkd_log *log, struct vkd__source *out,
                           struct vkd__why *why)
{
    (void)log;
    const char *part = !strcmp(spec->split, "train") ? "train" : !strcmp(spec->split, "test") ? "t10k" : NULL;
    out->absent = !part;
    if (!part)
        return vkd__data_fail(why, VKD_INVALID, "idx sets have no split '%s': expected train or test", spec->split);
    struct vkd__idx images = { .bytes = NULL }, labels = { .bytes = NULL };
    char labels_file[64];
    uint32_t classes = 0;
    vkd_result r;
    struct idx_state *state = calloc(1, sizeof *state);
    if (!state)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory");
    out->state = state;
    r = read_part(spec->path, part, "images", 3, &images, state->file, why);
    if (r != VKD_OK)
        goto done;
    state->bytes = images.bytes;
    state->byte_count = images.byte_count;
    r = vkd__image_check_size(images.sizes[1], images.sizes[2], why);
    if (r != VKD_OK)
        goto done;
    r = read_part(spec->path, part, "labels", 1, &labels, labels_file, why);
    if (r != VKD_OK)
        goto done;
    if (images.sizes[0] != labels.sizes[0]) {
        r = vkd__data_fail(why, VKD_FORMAT, "%s holds %u images, but %s holds %u labels", state->file,
                           images.sizes[0], labels_file, labels.sizes[0]);
        goto done;
    }
    r = count_classes(&labels, labels_file, &classes, why);
    if (r == VKD_OK)
        r = name_classes(spec, out, classes, why);
    if (r != VKD_OK)
        goto done;
    out->labels = malloc((size_t)labels.byte_count * sizeof *out->labels);
    if (!out->labels) {
        r = vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u labels", labels.sizes[0]);
        goto done;
    }
    for (uint32_t i = 0; i < labels.sizes[0]; i++)
        out->labels[i] = labels.bytes[i];
    out->count = images.sizes[0];
    out->channels = 1;
    out->height = images.sizes[1];
    out->width = images.sizes[2];
done:
    free(labels.bytes);
    return r;
}

static void idx_close(void *p)
{
    struct idx_state *state = p;
    if (state)
        free(state->bytes);
    free(state);
}

static void idx_name_of(const struct vkd__source *s, uint32_t image, char *text, size_t size)
{
    const struct idx_state *state = s->state;
    snprintf(text, size, "%s[%u]", state->file, image);
}

static void idx_digest(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash)
{
    const struct idx_state *state = s->state;
    const size_t size = (size_t)s->height * s->width;
    for (uint32_t i = 0; i < count; i++)
        XXH64_update(hash, state->bytes + images[i] * size, size);
}

static void idx_pixels(const struct vkd__source *s, uint32_t image, uint8_t *rgba)
{
    const struct idx_state *state = s->state;
    const size_t size = (size_t)s->height * s->width;
    const uint8_t *grey = state->bytes + image * size;
    for (size_t i = 0; i < size; i++) {
        rgba[i * 4] = grey[i];
        rgba[i * 4 + 1] = grey[i];
        rgba[i * 4 + 2] = grey[i];
        rgba[i * 4 + 3] = 255;
    }
}

const struct vkd__format vkd__format_idx = {
    .name = "idx", .open = idx_open, .close = idx_close, .name_of = idx_name_of, .digest = idx_digest,
    .pixels = idx_pixels,
};
