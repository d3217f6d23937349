// cifar.c -- "cifar:DIR", the binary batches of CIFAR-10 and CIFAR-100, kept in memory.
//
// A record is its label bytes (CIFAR-10: one; CIFAR-100: coarse, then fine, which is the one used) and
// 3072 bytes: the red, green and blue planes of 32 x 32.
#include "engine/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, PLANE = SIDE * SIDE, PIXEL_BYTES = 3 * PLANE, PART_MAX = 5 };

struct cifar_part { char file[32]; uint8_t *bytes; uint32_t first, count; };

struct cifar_state {
    uint32_t record, label_ofs; // bytes
    uint32_t part_count;
    struct cifar_part parts[PART_MAX];
};

static const char *const names10[10] = { "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                                         "ship", "truck" };

static bool has_file(const char *folder, const char *name)
{
    char *path = vkd__data_path(folder, name);
    bool found = path && vkd__path_kind(path, NULL, NULL) == VKD__PATH_FILE;
    free(path);
    return found;
}

// The folder that holds the batches: the one named, or the one the archives unpack into. malloc'd.
static char *find_folder(const char *path, uint32_t *classes)
{
    static const struct { const char *folder; uint32_t classes; const char *probe[2]; } places[] = {
        { "", 10, { "data_batch_1.bin", "test_batch.bin" } },
        { "", 100, { "train.bin", "test.bin" } },
        { "cifar-10-batches-bin", 10, { "data_batch_1.bin", "test_batch.bin" } },
        { "cifar-100-binary", 100, { "train.bin", "test.bin" } },
    };
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        char *folder = vkd__data_path(path, places[i].folder);
        if (folder && (has_file(folder, places[i].probe[0]) || has_file(folder, places[i].probe[1]))) {
            *classes = places[i].classes;
            return folder;
        }
        free(folder);
    }
    return NULL;
}

static vkd_result read_part(const char *folder, const char *name, uint32_t classes, struct vkd__source *out,
                            struct vkd__why *why)
{
    struct cifar_state *state = out->state;
    struct cifar_part *part = &state->parts[state->part_count];
    char *path = vkd__data_path(folder, name);
    if (!path)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory");
    uint64_t size;
    vkd_result r = vkd__file_read(path, 1u << 30, &part->bytes, &size, why);
    free(path);
    if (r != VKD_OK)
        return r;
    state->part_count++;
    snprintf(part->file, sizeof part->file, "%s", name);
    if (!size || size % state->record)
        return vkd__data_fail(why, VKD_FORMAT, "%s: %llu bytes are not a whole number of records of %u bytes: the file "
                              "is cut off or not CIFAR-%u", name, (unsigned long long)size, state->record, classes);
    part->first = out->count;
    part->count = (uint32_t)(size / state->record);
    for (uint32_t i = 0; i < part->count; i++) {
        const uint8_t label = part->bytes[(size_t)i * state->record + state->label_ofs];
        if (label >= classes)
            return vkd__data_fail(why, VKD_FORMAT, "%s: label %u of record %u is out of range, expected 0 to %u", name,
                                  label, i, classes - 1);
    }
    out->count += part->count;
    return VKD_OK;
}

static vkd_result read_parts(const char *folder, const struct vkd__spec *spec, uint32_t classes,
                             const struct vkd_log *log, struct vkd__source *out, struct vkd__why *why)
{
    const bool train = !strcmp(spec->split, "train");
    if (classes == 100)
        return read_part(folder, train ? "train.bin" : "test.bin", classes, out, why);
    if (!train)
        return read_part(folder, "test_batch.bin", classes, out, why);
    vkd_result r = VKD_OK;
    unsigned i = 1;
    for (; i <= PART_MAX && r == VKD_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%u.bin", i);
        if (i > 1 && !has_file(folder, name))
            break;
        r = read_part(folder, name, classes, out, why);
    }
    if (r == VKD_OK && i <= PART_MAX)
        vkd_log_write(log, VKD_LOG_WARNING, "data %.300s: data_batch_%u.bin is missing, going on with %u of %u parts",
                      spec->path, i, i - 1, PART_MAX);
    return r;
}

// One name a line. A missing or odd file is no harm: the names then are the usual ones or numbers.
static vkd_result read_names(const char *folder, uint32_t classes, struct vkd__source *out, struct vkd__why *why)
{
    char numbers[100][4], *path = vkd__data_path(folder, classes == 10 ? "batches.meta.txt" : "fine_label_names.txt");
    const char *names[100];
    uint8_t *text = NULL;
    uint64_t size = 0;
    struct vkd__why unread;
    for (uint32_t c = 0; c < classes; c++) {
        snprintf(numbers[c], sizeof numbers[c], "%u", c & 255);
        names[c] = classes == 10 ? names10[c] : numbers[c];
    }
    if (path && vkd__file_read(path, 1 << 16, &text, &size, &unread) == VKD_OK) {
        char *rest;
        const char *lines[100];
        uint32_t count = 0;
        for (char *line = strtok_r((char *)text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest))
            if (count++ < classes)
                lines[count - 1] = line;
        if (count == classes)
            memcpy(names, lines, classes * sizeof *names);
    }
    vkd_result r = vkd__data_names(names, classes, &out->class_names, why);
    if (r == VKD_OK)
        out->classes = classes;
    free(text);
    free(path);
    return r;
}

static vkd_result cifar_open(const struct vkd__spec *spec, const struct vkd_log *log, struct vkd__source *out,
                             struct vkd__why *why)
{
    out->absent = strcmp(spec->split, "train") && strcmp(spec->split, "test");
    if (out->absent)
        return vkd__data_fail(why, VKD_INVALID, "cifar sets have no split '%s': expected train or test", spec->split);
    uint32_t classes = 0;
    char *folder = find_folder(spec->path, &classes);
    if (!folder)
        return vkd__data_fail(why, VKD_IO, "%.300s holds neither data_batch_1.bin (CIFAR-10, binary version) nor "
                              "train.bin (CIFAR-100, binary version)", spec->path);
    vkd_result r = VKD_NO_MEMORY;
    struct cifar_state *state = calloc(1, sizeof *state);
    if (!state) {
        (void)vkd__data_fail(why, r, "out of memory");
        goto done;
    }
    out->state = state;
    state->label_ofs = classes == 100;
    state->record = 1 + state->label_ofs + PIXEL_BYTES;
    r = read_parts(folder, spec, classes, log, out, why);
    if (r == VKD_OK)
        r = read_names(folder, classes, out, why);
    if (r != VKD_OK)
        goto done;
    out->labels = malloc(out->count * sizeof *out->labels);
    if (!out->labels) {
        r = vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u labels", out->count);
        goto done;
    }
    for (uint32_t p = 0; p < state->part_count; p++) {
        const struct cifar_part *part = &state->parts[p];
        for (uint32_t i = 0; i < part->count; i++)
            out->labels[part->first + i] = part->bytes[(size_t)i * state->record + state->label_ofs];
    }
    out->channels = 3;
    out->height = SIDE;
    out->width = SIDE;
done:
    free(folder);
    return r;
}

static void cifar_close(void *p)
{
    struct cifar_state *state = p;
    if (!state)
        return;
    for (uint32_t i = 0; i < state->part_count; i++)
        free(state->parts[i].bytes);
    free(state);
}

static const struct cifar_part *part_of(const struct cifar_state *state, uint32_t image)
{
    const struct cifar_part *part = state->parts;
    while (image - part->first >= part->count)
        part++;
    return part;
}

static const uint8_t *planes_of(const struct cifar_state *state, uint32_t image)
{
    const struct cifar_part *part = part_of(state, image);
    return part->bytes + (size_t)(image - part->first) * state->record + state->label_ofs + 1;
}

static void cifar_name_of(const struct vkd__source *s, uint32_t image, char *text, size_t size)
{
    const struct cifar_part *part = part_of(s->state, image);
    snprintf(text, size, "%s[%u]", part->file, image - part->first);
}

static void cifar_digest(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash)
{
    for (uint32_t i = 0; i < count; i++)
        XXH64_update(hash, planes_of(s->state, images[i]), PIXEL_BYTES);
}

static void cifar_pixels(const struct vkd__source *s, uint32_t image, uint8_t *rgba)
{
    const uint8_t *planes = planes_of(s->state, image);
    for (size_t i = 0; i < PLANE; i++) {
        rgba[i * 4] = planes[i];
        rgba[i * 4 + 1] = planes[PLANE + i];
        rgba[i * 4 + 2] = planes[2 * PLANE + i];
        rgba[i * 4 + 3] = 255;
    }
}

const struct vkd__format vkd__format_cifar = {
    .name = "cifar", .open = cifar_open, .close = cifar_close, .name_of = cifar_name_of, .digest = cifar_digest,
    .pixels = cifar_pixels,
};
