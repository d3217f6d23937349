// csv.c -- "csv:FILE", a table of image files with any number of labels each: engine/data/csv.h says how it is written.
//
// Paths are relative to the table's folder. Images come in the order of the lines.
#include "engine/data/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED = 3 };             // missing files that a message names

struct image { const char *path, *group; uint64_t size; };

struct csv_state {
    uint8_t *text;              // the file; paths and groups lie in it
    char *folder;
    struct image *images;
};

static vkd_result no_memory(struct vkd__why *why)
{
    return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of images");
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

// The folder of the file at `path`, malloc'd.
static char *folder_of(const char *path)
{
    const size_t size = (size_t)(file_name(path) - path);
    char *folder = malloc(size + 3);
    if (!folder)
        return NULL;
    memcpy(folder, size ? path : "./", size ? size : 2);
    folder[size ? size : 2] = 0;
    return folder;
}

static char *path_of(const struct csv_state *state, const char *path)
{
    return path[0] == '/' ? vkd__data_path("/", path + 1) : vkd__data_path(state->folder, path);
}

static vkd_result check_split(const struct vkd__spec *spec, const struct vkd__csv *csv, bool *absent, struct vkd__why *why)
{
    static const char *const names[VKD__CSV_SPLITS] = { "train", "val", "test" };
    uint32_t counts[VKD__CSV_SPLITS] = { 0 }, wanted = 0;
    const char *file = file_name(spec->path);
    const bool whole = !strcmp(spec->split, "all");
    for (uint32_t i = 0; i < csv->row_count; i++)
        counts[csv->rows[i].split]++;
    while (!whole && strcmp(spec->split, names[wanted]))
        wanted++;
    if (csv->has_splits && whole)
        return vkd__data_fail(why, VKD_INVALID, "split all: %.200s has a column 'split'; name train, val or test", file);
    *absent = csv->has_splits ? !whole && !counts[wanted] : !whole && wanted != VKD__CSV_TRAIN && !spec->holdout;
    if (csv->has_splits && !counts[wanted])
        return vkd__data_fail(why, VKD_INVALID, "split %s: no line of %.200s has it; there are %u of train, %u of val and %u "
                              "of test", spec->split, file, counts[0], counts[1], counts[2]);
    if (*absent)
        return vkd__data_fail(why, VKD_INVALID, "split %s: %.200s has no column 'split'; add one, keep a tenth of the images "
                              "for the test by ?holdout=0.1, or use ?split=all", spec->split, file);
    return VKD_OK;
}

static int by_group(const void *a, const void *b)
{
    const struct vkd__csv_row *x = *(const struct vkd__csv_row *const *)a, *y = *(const struct vkd__csv_row *const *)b;
    const int order = strcmp(x->group, y->group);
    return order ? order : (x->split > y->split) - (x->split < y->split);
}

// Says which groups of split `own` are in `other`, too, of which `harm` comes. list: all rows, by group.
static void tell_shared(const struct vkd__spec *spec, const struct vkd_log *log, const struct vkd__csv_row *const *list,
                        uint32_t count, enum vkd__csv_split own, enum vkd__csv_split other, const char *harm)
{
    const char *there = NULL, *last = NULL;
    uint32_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        const char *group = list[i]->group;
        if (list[i]->split == other)
            there = group;
        else if (list[i]->split == own && group[0] && there && !strcmp(group, there) && (!last || strcmp(group, last))) {
            last = group;
            found++;
        }
    }
    if (found)
        vkd_log_write(log, VKD_LOG_WARNING, "data %.200s: %u group%s of split %s %s in %s, too, as '%.60s': %s; put all images "
                      "of a group into one split", spec->path, found, found > 1 ? "s" : "", spec->split,
                      found > 1 ? "are" : "is", other == VKD__CSV_TRAIN ? "train" : "val", last, harm);
}

// What is measured on this split may have been learnt, or chosen, by images of its own groups.
static vkd_result check_groups(const struct vkd__spec *spec, const struct vkd_log *log, const struct vkd__csv *csv,
                               struct vkd__why *why)
{
    const enum vkd__csv_split own = strcmp(spec->split, "val") ? VKD__CSV_TEST : VKD__CSV_VAL;
    const struct vkd__csv_row **list = malloc(((size_t)csv->row_count + 1) * sizeof *list);
    if (!list)
        return no_memory(why);
    for (uint32_t i = 0; i < csv->row_count; i++)
        list[i] = &csv->rows[i];
    qsort(list, csv->row_count, sizeof *list, by_group);
    tell_shared(spec, log, list, csv->row_count, own, VKD__CSV_TRAIN, "what is learnt there is known here already");
    if (own == VKD__CSV_TEST)
        tell_shared(spec, log, list, csv->row_count, own, VKD__CSV_VAL, "what is chosen there is chosen for these, too");
    free(list);
    return VKD_OK;
}

// Copies the rows of the split and their marks.
static vkd_result fill_source(const struct vkd__spec *spec, const struct vkd__csv *csv, struct csv_state *state,
                              struct vkd__source *out, struct vkd__why *why)
{
    static const char *const names[VKD__CSV_SPLITS] = { "train", "val", "test" };
    const size_t rows = (size_t)csv->row_count + 1;
    uint32_t mark = 0;
    state->images = malloc(rows * sizeof *state->images);
    out->mark_first = malloc(rows * sizeof *out->mark_first);
    out->marks = malloc(((size_t)csv->rows[csv->row_count].first_mark + 1) * sizeof *out->marks);
    if (!state->images || !out->mark_first || !out->marks)
        return no_memory(why);
    for (uint32_t i = 0; i < csv->row_count; i++) {
        const struct vkd__csv_row *row = &csv->rows[i];
        if (csv->has_splits && strcmp(spec->split, names[row->split]))
            continue;
        state->images[out->count] = (struct image) { .path = row->path, .group = row->group };
        out->mark_first[out->count++] = mark;
        for (uint32_t m = row->first_mark; m < row[1].first_mark; m++)
            out->marks[mark++] = csv->marks[m];
    }
    out->mark_first[out->count] = mark;
    out->channels = 3;
    out->undivided = !csv->has_splits;
    vkd_result r = vkd__data_names(csv->names, csv->name_count, &out->class_names, why);
    if (r == VKD_OK)
        out->classes = csv->name_count;
    return r;
}

// A missing file is named and left to whoever reads the images; none at all is a wrong folder.
static vkd_result find_files(const struct vkd__spec *spec, const struct vkd_log *log, struct csv_state *state,
                             const struct vkd__source *source, struct vkd__why *why)
{
    char list[300] = "";
    uint32_t missing = 0;
    for (uint32_t i = 0; i < source->count; i++) {
        struct image *image = &state->images[i];
        char *path = path_of(state, image->path);
        if (!path)
            return no_memory(why);
        const bool there = vkd__path_kind(path, &image->size, NULL) == VKD__PATH_FILE;
        free(path);
        if (there)
            continue;
        image->size = 0;
        if (missing < NAMED) {
            const size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%.80s", used ? ", " : "", image->path);
        }
        missing++;
    }
    if (!missing)
        return VKD_OK;
    if (missing == source->count)
        return vkd__data_fail(why, VKD_IO, "none of the %u images of split %s is there, as %.80s: paths are relative to "
                              "%.200s", missing, spec->split, state->images[0].path, state->folder);
    vkd_log_write(log, VKD_LOG_WARNING, "data %.200s: %u of the %u images of split %s %s missing: %s%s", spec->path, missing,
                  source->count, spec->split, missing > 1 ? "are" : "is", list, missing > NAMED ? ", ..." : "");
    return VKD_OK;
}

static vkd_result csv_open(const struct vkd__spec *spec, const struct vkd_log *log, struct vkd__source *out,
                           struct vkd__why *why)
{
    struct vkd__csv csv = { 0 };
    struct vkd__why inner = { "" };
    uint64_t size;
    struct csv_state *state = calloc(1, sizeof *state);
    if (!state)
        return no_memory(why);
    out->state = state;
    state->folder = folder_of(spec->path);
    if (!state->folder)
        return no_memory(why);
    vkd_result r = vkd__file_read(spec->path, 1u << 30, &state->text, &size, why);
    if (r != VKD_OK)
        return r;
    r = vkd__csv_read((char *)state->text, size, &csv, &inner);
    if (r != VKD_OK)
        return vkd__data_fail(why, r, "%.150s:%.350s", file_name(spec->path), inner.text);
    r = check_split(spec, &csv, &out->absent, why);
    if (r == VKD_OK && csv.has_splits && strcmp(spec->split, "train"))
        r = check_groups(spec, log, &csv, why);
    if (r == VKD_OK)
        r = fill_source(spec, &csv, state, out, why);
    if (r == VKD_OK)
        r = find_files(spec, log, state, out, why);
    vkd__csv_finish(&csv);
    return r;
}

// ---- Serving ----

static void csv_close(void *p)
{
    struct csv_state *state = p;
    if (!state)
        return;
    free(state->text);
    free(state->folder);
    free(state->images);
    free(state);
}

static const struct image *image_of(const struct vkd__source *s, uint32_t image)
{
    const struct csv_state *state = s->state;
    return &state->images[image];
}

static void csv_name_of(const struct vkd__source *s, uint32_t image, char *text, size_t size)
{
    snprintf(text, size, "%s", image_of(s, image)->path);
}

static const char *csv_group_of(const struct vkd__source *s, uint32_t image)
{
    return image_of(s, image)->group;
}

static void csv_digest(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct image *image = image_of(s, images[i]);
        uint8_t size[8];
        for (unsigned b = 0; b < 8; b++)
            size[b] = (uint8_t)(image->size >> (8 * b));
        XXH64_update(hash, image->path, strlen(image->path) + 1);
        XXH64_update(hash, image->group, strlen(image->group) + 1);
        XXH64_update(hash, size, sizeof size);
    }
}

static char *csv_file_of(const struct vkd__source *s, uint32_t image)
{
    return path_of(s->state, image_of(s, image)->path);
}

const struct vkd__format vkd__format_csv = {
    .name = "csv", .is_file = true, .open = csv_open, .close = csv_close, .name_of = csv_name_of,
    .group_of = csv_group_of, .digest = csv_digest, .file_of = csv_file_of,
};
