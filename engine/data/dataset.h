// dataset.h -- what a data format implements. Internal to the engine.
//
// A format is constant data in engine/data/formats/NAME.c, found by the build. It reads one split into
// numbered sources (images) with labels; dataset.c keeps the classes and images that the spec asks for.
#ifndef VKD_DATA_DATASET_H
#define VKD_DATA_DATASET_H

#include "image.h"

#include <vkdiv/data.h>
#include <xxhash.h>

// ---- The parsed spec ----

struct vkd__spec {
    char *text;                 // owns the words below
    const char *format, *path, *split;
    char *classes;              // the list as written, or NULL
    uint32_t limit, train_limit, size;  // 0: not given
    uint32_t collage;           // 2, or 0: none
    uint32_t holdout;           // share of the images that are the test split, in millionths; 0: not given
    uint32_t shuffle_labels;    // seed, or 0: labels stay where they are
};

VKD_CHECKED vkd_result vkd__spec_parse(const char *text, const char *split, struct vkd__spec *out,
                                       struct vkd__why *why);
void vkd__spec_finish(struct vkd__spec *spec);
// keep[c] for each of `count` classes, true where `list` ("0-5,8") names it; NULL names all.
VKD_CHECKED vkd_result vkd__spec_classes(const char *list, uint32_t count, bool *keep, struct vkd__why *why);

// ---- What a format finds ----

// What is said of one class of one image of a multi-label set. Classes not mentioned are a no.
struct vkd__mark {
    uint32_t label;             // or VKD__MARK_REST: all classes not mentioned are unknown
    float target;               // 1 or VKD_TARGET_UNKNOWN
};
#define VKD__MARK_REST VKD_NO_LABEL

struct vkd__source {
    uint32_t count;             // images
    uint32_t classes;           // 0: images have no labels
    uint32_t channels, height, width;
    uint32_t *labels;           // [count], malloc'd, each below classes; NULL without classes or when multi-label
    uint32_t *mark_first;       // [count + 1], malloc'd: image i has marks[mark_first[i]] up to mark_first[i + 1];
    struct vkd__mark *marks;    // malloc'd, a class at most once an image. NULL both unless multi-label
    char **class_names;         // [classes], malloc'd block(s) of which every name is malloc'd
    bool undivided;             // all the images there are: the set is not divided into splits
    bool absent;                // opening fails for there is no such split in the set, of which nothing else is wrong
    void *state;                // the format's own
};

struct vkd__format {
    const char *name;
    bool is_file;               // the spec's path names a file, not a folder
    bool no_path;               // ... or nothing on disk
    // Fills *out, which is zero before. On failure the caller closes what is there.
    vkd_result (*open)(const struct vkd__spec *spec, const struct vkd_log *log, struct vkd__source *out,
                       struct vkd__why *why);
    void (*close)(void *state);     // state may be NULL
    void (*name_of)(const struct vkd__source *s, uint32_t image, char *text, size_t size);
    const char *(*group_of)(const struct vkd__source *s, uint32_t image);   // NULL: there are no groups
    // Adds to the fingerprint what identifies image content beyond labels: bytes, or names and sizes.
    void (*digest)(const struct vkd__source *s, const uint32_t *images, uint32_t count, XXH64_state_t *hash);
    // Exactly one of these. `pixels`: every image lies in memory with the common size, writing it cannot fail. `file_of`:
    // each is a file, of this path; malloc'd, NULL: out of memory.
    void (*pixels)(const struct vkd__source *s, uint32_t image, uint8_t *rgba);
    vkd_result (*decode)(const struct vkd__source *s, uint32_t image, uint32_t short_side, uint32_t max_side,
                         struct vkd_image *out, struct vkd__why *why);
    char *(*file_of)(const struct vkd__source *s, uint32_t image);
};

const struct vkd__format *vkd__format_at(uint32_t index);       // NULL behind the last

// ---- The set ----

enum { VKD__TILES = 4 };       // images of a collage

struct vkd_dataset {
    struct vkd_dataset_info info;
    const struct vkd__format *format;
    struct vkd__spec spec;
    struct vkd__source source;
    uint32_t *images;           // [info.count] source number of each kept image, rising
    uint32_t *labels;           // [info.count] after renumbering; NULL without classes or when multi-label
    uint32_t *kept;             // [info.classes] the class's number before
    uint32_t *renumbered;       // [source.classes] the class's number, VKD_NO_LABEL when it is not kept
    uint32_t *class_sizes;      // [info.classes]
    uint32_t *tiles;            // [info.count * VKD__TILES] the images of each collage, as numbers of the list above;
                                // NULL: none are made, and an image is itself
    uint32_t tile_side;         // pixels
    uint32_t *tile_block;       // [info.count] of images that share collages: each collage's
    char (*block_names)[20];    // of each block
};

// vkd_dataset_open; *absent: it failed with VKD_INVALID for there is no such split, and said nothing.
VKD_CHECKED vkd_result vkd__dataset_open_if_there(const struct vkd_dataset_params *p, bool *absent, vkd_dataset **out);
// Names up to a few of the classes that have images in `with` (NULL: all) and none in `without`; returns how many.
uint32_t vkd__dataset_absent(const vkd_dataset *with, const vkd_dataset *without, char *text, size_t size);

// Fills d's lists and counts from its source and spec.
VKD_CHECKED vkd_result vkd__dataset_select(vkd_dataset *d, struct vkd__why *why);
// Fills its fingerprint from everything else.
VKD_CHECKED vkd_result vkd__dataset_fingerprint(vkd_dataset *d, struct vkd__why *why);

// groups.c: of each image the number of the first image of its group (vkd_dataset_group). malloc'd; NULL: each is alone.
VKD_CHECKED vkd_result vkd__dataset_groups(const vkd_dataset *d, uint32_t **out);

// shuffle_labels.c: deals the labels of the listed images out anew, where the spec asks for it.
VKD_CHECKED vkd_result vkd__shuffle_labels(vkd_dataset *d, struct vkd__why *why);

// Whether every image lies in memory with a common size that needs no scaling under these bounds;
// vkd__dataset_pixels then writes image `index` (info.height * info.width pixels) and cannot fail.
bool vkd__dataset_is_direct(const vkd_dataset *d, uint32_t short_side, uint32_t max_side);
void vkd__dataset_pixels(const vkd_dataset *d, uint32_t index, uint8_t *rgba);

// ---- One image of the list, before collages ----

// Adds what is known of it to a row of what is known already: yes wins over unknown, unknown over no.
void vkd__image_targets(const vkd_dataset *d, uint32_t image, float *row);
VKD_CHECKED vkd_result vkd__image_of(const vkd_dataset *d, uint32_t image, uint32_t short_side, uint32_t max_side,
                                     struct vkd_image *out, struct vkd__why *why);

// ---- collage.c, for sets with tiles ----

VKD_CHECKED vkd_result vkd__collage_make(vkd_dataset *d, struct vkd__why *why);     // fills tiles, adapts info
const char *vkd__collage_group(const vkd_dataset *d, uint32_t index);
void vkd__collage_targets(const vkd_dataset *d, uint32_t index, float *row);
void vkd__collage_name(const vkd_dataset *d, uint32_t index, char *text, size_t size);
// (2 * tile_side, 2 * tile_side) pixels.
VKD_CHECKED vkd_result vkd__collage_decode(const vkd_dataset *d, uint32_t index, struct vkd_image *out,
                                           struct vkd__why *why);
bool vkd__collage_is_direct(const vkd_dataset *d);
void vkd__collage_pixels(const vkd_dataset *d, uint32_t index, uint8_t *rgba);

// ---- Helpers for formats ----

VKD_PRINTF(3, 4) vkd_result vkd__data_fail(struct vkd__why *why, vkd_result r, const char *format, ...);
char *vkd__data_path(const char *folder, const char *name);     // malloc'd "folder/name", NULL: out of memory
// Copies `count` names; *out belongs to the caller as vkd__source.class_names does.
VKD_CHECKED vkd_result vkd__data_names(const char *const *names, uint32_t count, char ***out, struct vkd__why *why);
void vkd__data_names_free(char **names, uint32_t count);

#endif
