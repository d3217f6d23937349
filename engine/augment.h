// augment.h -- the kernel that turns an uploaded batch of RGBA8 images into the network's input.
// Internal to engine/.
#ifndef VKD_AUGMENT_H
#define VKD_AUGMENT_H

#include <vkdiv/compute.h>
#include <vkdiv/data.h>

enum vkd__augment_mode {
    VKD__AUGMENT_NONE,          // short side to `resize` (0: to `size`), centre crop of `size`
    VKD__AUGMENT_PAD_CROP,      // the same resize, `pad` zero pixels around, then a random crop of `size`
    VKD__AUGMENT_RESIZED_CROP,  // random area in scale[], aspect in ratio[], resized to `size`
};

struct vkd__augment_params {
    enum vkd__augment_mode mode;
    uint32_t size;              // output height and width
    uint32_t channels;          // 1 or 3
    uint32_t resize, pad;
    float scale[2], ratio[2];
    float flip;                 // probability of a horizontal flip; unused by NONE
    float mean[3], std[3];      // y = (x / 255 - mean) / std
};

// Appends the augmentation of `batch` images: `table` holds struct vkd_batch_image entries, `pixels`
// RGBA8 words, `step` the step block (seed, epoch, image_count), `out` f32 (batch, size, size,
// channels). Images from image_count on become zeros. Random draws come from (seed, epoch, image index):
// the same on every device. Images have sides of at most 16,384.
//
//   VKD_INVALID  a parameter is out of range; the log names it
VKD_CHECKED vkd_result vkd__augment_record(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p,
                                           uint32_t batch, struct vkd_range table, struct vkd_range pixels,
                                           struct vkd_range step, struct vkd_range out);

// Where an image's pixels come from: the part taken, where the output begins in what the part is
// resized to, and whether it is mirrored.
struct vkd__augment_box {
    uint32_t x, y, w, h;
    int32_t left, top;
    uint32_t flip;
};

// The definition in double, for one image: `out` gets (size, size, 4) values, channels from
// p->channels on being 0; NULL for the box alone.
struct vkd__augment_box vkd__augment_ref(const struct vkd__augment_params *p, const struct vkd_batch_image *image,
                                         const uint32_t *pixels, const uint32_t seed[2], uint32_t epoch, double *out);

#endif
