// data.h -- image sets on the host: reading, decoding, shuffling, prefetching. Thread-safety of everything here that says
// no more of it: safe, a set and a loader being closed by the last that uses them.
#ifndef VKDIV_DATA_H
#define VKDIV_DATA_H

#include <vkdiv/base.h>

VKD_BEGIN

#define VKD_NO_LABEL 0xffffffffu
#define VKD_TARGET_UNKNOWN (-1.0f)      // a class of which nothing is known for an image

// ---- Image sets --------------------------------------------------------------------------------

// An image set: one split of what a SPEC names. Constant once opened; every function below may
// be called from several threads at once.
typedef struct vkd_dataset vkd_dataset;

struct vkd_dataset_params {
    const char *spec;           // "idx:DIR?classes=0-5&limit=1000", "folder:DIR", "cifar:DIR", "csv:FILE",
                                // "noise:COUNTxSIDExCHANNELSxCLASSES"
    const char *split;          // "train", "val", "test"; a ?split= in the spec wins
    struct vkd_log log;
};

// Opens one split. Options after '?', applied in this order:
//
//   split=NAME    train (when none is named anywhere), val or test; "all": every image of a set that is
//                 not divided into splits
//   holdout=F     divides such a set: of each class round(F * n) of its n images are the test split, the
//                 others train; at least one and not all, and none of a single image. An image's place
//                 depends on its name alone, that of an image of a group (vkd_dataset_group) on the group's:
//                 groups are not divided, and one that is too large is passed over when others come nearer.
//                 Images without one label count as one class
//   classes=LIST  as "0-5,8", counted in the order of class names; kept classes are renumbered from 0.
//                 An image with several labels stays, with the targets of these classes
//   limit=N       N images in all: the first of each class, the second of each, and so on, so that
//                 classes stay balanced; of a multi-label set N at even distances
//   train_limit=N the same of the split train alone; the smaller of both limits counts
//   shuffle_labels=SEED  deals the labels out anew among the images of the splits train and all, by a seed above 0: a
//                 control, as what is learnt of them holds for no other image. Other splits stay true
//   size=N        larger short sides are scaled down to this
//   collage=2     as many collages of 2 x 2 images as there are images, a multi-label set: what any of the
//                 four shows, the collage shows; else what is unknown of any is unknown. Every image
//                 stands once in each corner, drawn by the set's fingerprint, beside images of its block
//                 alone; images of one group are of one block. Blocks have 16 images or a few more; of less
//                 than 80 images, or beside large groups, less, down to 4, and the fewer, the more images do
//                 two collages share. A tile is the middle square of its image, scaled to the images' common
//                 short side, else to size, else to 64
//
// Images keep the order of the files; in a folder that is the order of class name, then file name.
//
//   VKD_INVALID  the spec is wrong (the log names the part, what was expected, the nearest name)
//   VKD_IO       a folder or file is missing or unreadable
//   VKD_FORMAT   a file is not what it should be (the log names file, place and expectation)
//   VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_dataset_open(const struct vkd_dataset_params *p, vkd_dataset **out);
void vkd_dataset_close(vkd_dataset **d);

struct vkd_dataset_info {
    const char *format;         // "idx", "folder", "cifar", "csv", "noise"
    const char *split;
    uint32_t count;             // images
    uint32_t classes;
    uint32_t channels;          // 1 when every image is known to be grey, else 3
    uint32_t height, width;     // common size, or 0 when images differ (folder:, csv:)
    bool     multi_label;       // an image has targets, any number of them yes; its label is VKD_NO_LABEL
    uint64_t fingerprint;       // xxHash64 over names, sizes, labels and options; content for idx, cifar
};
const struct vkd_dataset_info *vkd_dataset_info(const vkd_dataset *d);

// What things made of the images are kept by. Of folder: and csv: the fingerprint and an xxHash64 of the bytes of all
// image files, or where these are more than 256 MiB together, of their sizes and times of change; of the others the
// fingerprint, which has their bytes already. Reads the files, some 20 us each, so ask once.
//
//   VKD_NO_MEMORY
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_dataset_content(const vkd_dataset *d, uint64_t *out);

// "?" and 0 for a class that does not exist.
const char *vkd_dataset_class_name(const vkd_dataset *d, uint32_t class_index);
uint32_t    vkd_dataset_class_size(const vkd_dataset *d, uint32_t class_index);    // images that show it
uint32_t    vkd_dataset_label(const vkd_dataset *d, uint32_t index);           // or VKD_NO_LABEL
// Fills row[classes] for image `index`: per class 1 (yes), 0 (no) or VKD_TARGET_UNKNOWN. Of a set with
// one label an image: one-hot, or all unknown for an image without.
void        vkd_dataset_targets(const vkd_dataset *d, uint32_t index, float *row);
// Where image `index` comes from: "train/cat/12.png", or "train-images-idx3-ubyte.gz[12]".
void        vkd_dataset_name(const vkd_dataset *d, uint32_t index, char *text, size_t size);
// What must stay on one side of any further split, or "": of a csv its column "group", of collages those that show the
// same images.
const char *vkd_dataset_group(const vkd_dataset *d, uint32_t index);

// A decoded image: height * width pixels of 4 bytes, rows from the top. RGB and an unused 255; a
// grey set (channels 1) has its value in the first three bytes.
struct vkd_image {
    uint32_t height, width;
    uint8_t *pixels;            // malloc'd
};

// Decodes image `index`, scaled down (never up) so that its short side is at most `short_side` (0:
// not at all) and both sides fit `max_side`.
//
//   VKD_IO, VKD_FORMAT (why says file and reason), VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd_dataset_decode(const vkd_dataset *d, uint32_t index, uint32_t short_side,
                                          uint32_t max_side, struct vkd_image *out, char *why, size_t why_size);
void vkd_image_finish(struct vkd_image *image);

// Chooses images whose labels may be used: of each class the share `fraction`, round(fraction * n) of
// its n images with halves up; of a multi-label set that share of all images of which any target is
// known, whatever their classes. The choice depends on the set and the seed alone, and that of a smaller
// fraction is contained in that of a larger. On success *indices is a rising list, malloc'd, for free().
//
//   VKD_INVALID  `fraction` is not in (0, 1], the set has no labels, or nothing would be left of a class
//                that has images (the log names it and the smallest fraction that leaves it one, of a
//                multi-label set with this seed)
//   VKD_NO_MEMORY
// Thread-safety: safe.
VKD_CHECKED vkd_result vkd_label_subset(const vkd_dataset *d, double fraction, uint64_t seed, const struct vkd_log *log,
                                        uint32_t **indices, uint32_t *count);

// ---- Loading -----------------------------------------------------------------------------------

// One image's entry in a batch; the augmentation kernel reads the table as it is.
struct vkd_batch_image {
    uint32_t index;             // in the set: the key of its random stream
    uint32_t label;
    uint32_t height, width;     // of its pixels
    uint32_t ofs;               // in pixels (u32 words) from the start of the batch's pixels
    uint32_t reserved[3];
};

// Brings batches of decoded images, ahead of their use, from threads of its own. Order and content
// depend only on (seed, epoch, batch), never on timing or the number of threads.
typedef struct vkd_loader vkd_loader;

struct vkd_loader_params {
    const vkd_dataset *dataset;
    uint32_t batch;             // images
    uint32_t canvas;            // both sides of an image fit this: larger ones are scaled down
    uint32_t short_side;        // larger short sides are scaled down to this; 0: canvas
    uint64_t seed;
    bool     shuffle;           // a new order each epoch
    bool     drop_last;         // a last short batch is left out
    uint32_t threads;           // 0: one less than the processors, at least 1
    uint32_t prefetch;          // batches ahead; 0: 4
    uint32_t bad_limit;         // unreadable images tolerated in all (each replaced by the next readable one, and logged)
    bool     leave_out_bad;     // for evaluation: what stands for an unreadable image has no label and no known target
    const uint32_t *subset;     // only these images, shuffled like a whole set; copied. NULL: all
    uint32_t subset_count;
    bool     targets;           // batches carry targets; those of a multi-label set do so always
    uint64_t cache_size;        // bytes of decoded images kept in memory; 0: 1 GiB or a quarter of what is free
    struct vkd_log log;
};
VKD_CHECKED vkd_result vkd_loader_create(const struct vkd_loader_params *p, vkd_loader **out);
void vkd_loader_destroy(vkd_loader **l);        // stops its threads

uint32_t vkd_loader_batches(const vkd_loader *l);   // per epoch
uint64_t vkd_loader_pixel_max(const vkd_loader *l); // pixels one batch can hold, at most batch * canvas * canvas

// Continues at batch `batch` of epoch `epoch` (both from 0; batch = batches is the next epoch's first).
// Makes the last batch delivered invalid. Thread-safety: the consumer's thread.
VKD_CHECKED vkd_result vkd_loader_seek(vkd_loader *l, uint32_t epoch, uint32_t batch);

struct vkd_batch {
    uint32_t epoch, batch;
    uint32_t count;                         // images; below params.batch only in a last short batch
    const struct vkd_batch_image *images;   // count
    const uint32_t *pixels;                 // RGBA8, one word each
    uint64_t pixel_count;
    const float *targets;                   // (count, target_stride) as vkd_dataset_targets gives them, or NULL
    uint32_t target_stride;                 // classes rounded up to a multiple of 4; what is beyond them is 0
};

// The next batch, valid until the next call; goes on into the next epoch by itself. Waits for the
// threads if need be and adds the time waited to *waited_seconds (NULL is fine).
//
//   VKD_FORMAT     more than bad_limit images could not be read (the log names them)
//   VKD_NO_MEMORY  an image could not be decoded for lack of memory
// After a failure every later call fails in the same way. Thread-safety: the consumer's thread.
VKD_CHECKED vkd_result vkd_loader_next(vkd_loader *l, struct vkd_batch *out, double *waited_seconds);

// Unreadable images met so far. Thread-safety: the consumer's thread.
uint32_t vkd_loader_bad_count(const vkd_loader *l);

VKD_END
#endif
