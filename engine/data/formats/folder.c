// folder.c -- "folder:DIR", image files in folders named after their class, perhaps below train/, val/, test/.
//
// Images come in the bytewise order of class name, then of path below the class folder. A split without
// class folders is read as images without labels.
#include "engine/data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 8 };         // folders below a class folder; also ends loops of links

struct entry { uint64_t name_ofs, size; uint32_t label; };

struct folder_state {
    char *root;
    char *names;                // paths below root, one behind the other
    uint64_t name_size, name_room;
    struct entry *entries;
    uint32_t count, room;
    uint32_t ignored;           // files that are no images
};

static const char *const splits[] = { "train", "val", "test" };

static vkd_result no_memory(struct vkd__why *why)
{
    return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of images");
}

// ---- Collecting files ----

// Endings of formats read here. Other files are looked into, so that a text beside the images is no image.
static bool known_ending(const char *name)
{
    static const char *const endings[] = { "png", "jpg", "jpeg", "bmp", "gif", "tga", "psd", "pnm", "ppm", "pgm" };
    const char *dot = strrchr(name, '.');
    char low[8] = "";
    for (size_t i = 0; dot && dot[1 + i]; i++) {
        if (i == sizeof low - 1)
            return false;
        low[i] = dot[1 + i] >= 'A' && dot[1 + i] <= 'Z' ? (char)(dot[1 + i] | 0x20) : dot[1 + i];
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (!strcmp(low, endings[i]))
            return true;
    return false;
}

static bool looks_like_image(const char *path)
{
    struct vkd__why unread;
    const uint8_t *data;
    uint64_t size;
    if (vkd__file_map(path, &data, &size, &unread) != VKD_OK)
        return true;            // unreadable is not ignorable: decoding will say why
    bool image = data && vkd__image_sniff(data, size);
    vkd__file_unmap(data, size);
    return image;
}

static vkd_result add_entry(struct folder_state *f, const char *name, uint64_t size, uint32_t label,
                            struct vkd__why *why)
{
    const size_t length = strlen(name) + 1;
    if (f->name_room - f->name_size < length) {
        uint64_t room = f->name_room * 2 + length + 4096;
        char *names = realloc(f->names, (size_t)room);
        if (!names)
            return no_memory(why);
        f->names = names;
        f->name_room = room;
    }
    if (f->count == f->room) {
        if (f->room > UINT32_MAX / 4)
            return vkd__data_fail(why, VKD_INVALID, "more images than can be counted");
        uint32_t room = f->room ? f->room * 2 : 1024;
        struct entry *entries = realloc(f->entries, room * sizeof *entries);
        if (!entries)
            return no_memory(why);
        f->entries = entries;
        f->room = room;
    }
    memcpy(f->names + f->name_size, name, length);
    f->entries[f->count++] = (struct entry) { .name_ofs = f->name_size, .size = size, .label = label };
    f->name_size += length;
    return VKD_OK;
}

// Adds the files below root/`name`, folders in their place among them.
static vkd_result collect(struct folder_state *f, const char *name, uint32_t label, unsigned depth,
                          struct vkd__why *why)
{
    char **children = NULL, *folder = vkd__data_path(f->root, name);
    uint32_t count = 0;
    if (!folder)
        return no_memory(why);
    vkd_result r = vkd__dir_list(folder, &children, &count, why);
    free(folder);
    for (uint32_t i = 0; r == VKD_OK && i < count; i++) {
        if (children[i][0] == '.')
            continue;
        char *child = vkd__data_path(name, children[i]), *path = child ? vkd__data_path(f->root, child) : NULL;
        uint64_t size = 0;
        enum vkd__path_kind kind = path ? vkd__path_kind(path, &size, NULL) : VKD__PATH_NONE;
        if (!path)
            r = no_memory(why);
        else if (kind == VKD__PATH_DIR && depth >= DEPTH_MAX)
            r = vkd__data_fail(why, VKD_FORMAT, "%.300s: folders are nested more than %u deep", child, DEPTH_MAX);
        else if (kind == VKD__PATH_DIR)
            r = collect(f, child, label, depth + 1, why);
        else if (kind != VKD__PATH_OTHER && (known_ending(child) || looks_like_image(path)))
            r = add_entry(f, child, size, label, why);
        else
            f->ignored++;
        free(child);
        free(path);
    }
    free(children);
    return r;
}

// ---- Classes and splits ----

static bool is_split_name(const char *name)
{
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++)
        if (!strcmp(name, splits[i]))
            return true;
    return false;
}

// Names of the folders in root/`name`, hidden ones left out; one block to free().
static vkd_result list_folders(const char *root, const char *name, char ***out, uint32_t *count, uint32_t *files,
                               struct vkd__why *why)
{
    char **names = NULL, *folder = vkd__data_path(root, name);
    uint32_t n = 0, kept = 0;
    if (!folder)
        return no_memory(why);
    vkd_result r = vkd__dir_list(folder, &names, &n, why);
    *files = 0;
    for (uint32_t i = 0; r == VKD_OK && i < n; i++) {
        if (names[i][0] == '.')
            continue;
        char *path = vkd__data_path(folder, names[i]);
        if (!path)
            r = no_memory(why);
        else if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_DIR)
            names[kept++] = names[i];
        else
            ++*files;
        free(path);
    }
    free(folder);
    if (r != VKD_OK) {
        free(names);
        return r;
    }
    *out = names;
    *count = kept;
    return VKD_OK;
}

// A folder is divided into splits when train, val or test hold folders, or are all there is. A set
// with a class called "train" is not.
static vkd_result is_divided(const char *root, char *const *folders, uint32_t count, bool *out, struct vkd__why *why)
{
    uint32_t named = 0;
    bool nested = false;
    for (uint32_t i = 0; i < count; i++) {
        if (!is_split_name(folders[i]))
            continue;
        char **inner;
        uint32_t inner_count, files;
        named++;
        vkd_result r = list_folders(root, folders[i], &inner, &inner_count, &files, why);
        if (r != VKD_OK)
            return r;
        free(inner);
        nested = nested || inner_count;
    }
    *out = named && (nested || named == count);
    return VKD_OK;
}

struct place { const char *below; bool divided, has_train, absent; };

// The split's folder below root ("" when there are none), or an error that says what to do.
static vkd_result find_split(const struct vkd__spec *spec, struct place *out, struct vkd__why *why)
{
    char **folders = NULL;
    uint32_t count, files;
    bool divided = false, found = false;
    vkd_result r = list_folders(spec->path, "", &folders, &count, &files, why);
    if (r != VKD_OK)
        return r;
    r = is_divided(spec->path, folders, count, &divided, why);
    if (r != VKD_OK)
        goto done;
    const bool whole = !strcmp(spec->split, "all");
    *out = (struct place) { .below = divided ? spec->split : "", .divided = divided };
    for (uint32_t i = 0; divided && i < count; i++) {
        found = found || !strcmp(folders[i], spec->split);
        out->has_train = out->has_train || !strcmp(folders[i], "train");
    }
    out->absent = !whole && (divided ? !found : !spec->holdout && strcmp(spec->split, "train"));
    if (divided && whole)
        r = vkd__data_fail(why, VKD_INVALID, "split all: this folder is divided into splits; name one of its folders "
                           "train, val or test");
    else if (divided && out->absent)
        r = vkd__data_fail(why, VKD_INVALID, "split %s: there is no folder %s/ in %.250s; make one with class folders "
                           "in it, or name another split", spec->split, spec->split, spec->path);
    else if (out->absent)
        r = vkd__data_fail(why, VKD_INVALID, "split %s: %.250s is not divided into train/, val/ and test/; divide it, "
                           "keep a tenth of it for the test by ?holdout=0.1, or use ?split=all to take every image",
                           spec->split, spec->path);
done:
    free(folders);
    return r;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The list is in bytewise order, as every list of a folder.
static bool in_list(char *const *names, uint32_t count, const char *name)
{
    return count && bsearch(&name, names, count, sizeof *names, compare_names);
}

// Class numbers are those of train/, so that a label means the same in every split.
static vkd_result check_classes(const struct vkd__spec *spec, char *const *own, uint32_t own_count,
                                char *const *classes, uint32_t count, const struct vkd_log *log, struct vkd__why *why)
{
    for (uint32_t i = 0; i < own_count; i++)
        if (!in_list(classes, count, own[i]))
            return vkd__data_fail(why, VKD_FORMAT, "class '%.100s' is in %s/ but not in train/", own[i], spec->split);
    for (uint32_t i = 0; i < count; i++)
        if (!in_list(own, own_count, classes[i]))
            vkd_log_write(log, VKD_LOG_WARNING, "data %.200s: class '%.100s' of train/ is missing in %s/", spec->path,
                          classes[i], spec->split);
    return VKD_OK;
}

static vkd_result collect_classes(struct folder_state *f, const char *below, char *const *own, uint32_t own_count,
                                  char *const *classes, uint32_t count, struct vkd__why *why)
{
    vkd_result r = VKD_OK;
    for (uint32_t c = 0; c < count && r == VKD_OK; c++) {
        if (!in_list(own, own_count, classes[c]))
            continue;
        const uint32_t before = f->count;
        char *name = vkd__data_path(below, classes[c]);
        if (!name)
            return no_memory(why);
        r = collect(f, name, c, 0, why);
        if (r == VKD_OK && f->count == before)
            r = vkd__data_fail(why, VKD_FORMAT, "class '%.100s' is empty: no images in %.200s; add some or remove the "
                               "folder", classes[c], name);
        free(name);
    }
    return r;
}

static vkd_result fill_source(struct folder_state *f, struct vkd__source *out, bool labelled, struct vkd__why *why)
{
    out->count = f->count;
    out->channels = 3;
    if (!labelled)
        return VKD_OK;
    out->labels = malloc(((size_t)f->count + 1) * sizeof *out->labels);
    if (!out->labels)
        return no_memory(why);
    for (uint32_t i = 0; i < f->count; i++)
        out->labels[i] = f->entries[i].label;
    return VKD_OK;
}

static vkd_result folder_open(const struct vkd__spec *spec, const struct vkd_log *log, struct vkd__source *out,
                              struct vkd__why *why)
{
    struct place place = { .absent = false };
    char **own = NULL, **train = NULL;
    uint32_t own_count = 0, count = 0, files = 0, ignored;
    vkd_result r = find_split(spec, &place, why);
    out->absent = place.absent;
    if (r != VKD_OK)
        return r;
    const char *below = place.below;
    out->undivided = !place.divided;
    struct folder_state *f = calloc(1, sizeof *f);
    if (!f)
        return no_memory(why);
    out->state = f;
    f->root = vkd__data_path(spec->path, "");
    r = f->root ? list_folders(f->root, below, &own, &own_count, &files, why) : no_memory(why);
    if (r != VKD_OK)
        return r;
    char *const *classes = own;
    count = own_count;
    if (own_count && place.has_train && strcmp(below, "train")) {
        r = list_folders(f->root, "train", &train, &count, &ignored, why);
        if (r == VKD_OK)
            r = check_classes(spec, own, own_count, train, count, log, why);
        classes = train;
    }
    if (r == VKD_OK && count) {
        f->ignored = files;
        r = collect_classes(f, below, own, own_count, classes, count, why);
    } else if (r == VKD_OK) {
        r = collect(f, below, VKD_NO_LABEL, 0, why);
    }
    if (r == VKD_OK && count) {
        r = vkd__data_names((const char *const *)classes, count, &out->class_names, why);
        out->classes = r == VKD_OK ? count : 0;
    }
    if (r == VKD_OK)
        r = fill_source(f, out, count > 0, why);
    if (r == VKD_OK && f->ignored)
        vkd_log_write(log, VKD_LOG_INFO, "data %.300s: left out %u file%s that %s no image of a class",
                      spec->path, f->ignored, f->ignored > 1 ? "s" : "", f->ignored > 1 ? "are" : "is");
    free(own);
    free(train);
    return r;
}

// ---- Serving ----

static void folder_close(void *p)
{
    struct folder_state *f = p;
    if (!f)
        return;
    free(f->root);
    free(f->names);
    free(f->entries);
    free(f);
}

static const char *relative_name(const struct vkd__source *s, uint32_t image)
{
    const struct folder_state *f = s->state;
    return f->names + f->entries[image].name_ofs;
}

static void folder_name_of(const struct vkd__source *s, uint32_t image, char *text, size_t size)
{
    snprintf(text, size, "%s", relative_name(s, image));
}

static void folder_digest(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash)
{
    const struct folder_state *f = s->state;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = relative_name(s, images[i]);
        uint8_t size[8];
        for (unsigned b = 0; b < 8; b++)
            size[b] = (uint8_t)(f->entries[images[i]].size >> (8 * b));
        XXH64_update(hash, name, strlen(name) + 1);
        XXH64_update(hash, size, sizeof size);
    }
}

static char *folder_file_of(const struct vkd__source *s, uint32_t image)
{
    const struct folder_state *f = s->state;
    return vkd__data_path(f->root, relative_name(s, image));
}

const struct vkd__format vkd__format_folder = {
    .name = "folder", .open = folder_open, .close = folder_close, .name_of = folder_name_of,
    .digest = folder_digest, .file_of = folder_file_of,
};
