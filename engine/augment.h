// augment.h -- turns an uploaded batch of RGBA8 images into the network's input: one view of each
// image. Internal to engine/.
//
// Steps, in this order: crop, resize, flip, colour jitter (its four operations in random order), gray,
// blur, solarize, normalise. Colours are as torchvision 0.14 computes them on float tensors. Nothing is
// rounded to 8 bits on the way: the image's bytes become floats as they are read, and stay floats.
#ifndef VKD_AUGMENT_H
#define VKD_AUGMENT_H

#include "../shaders/augment_drawn.h"

#include <vkdiv/compute.h>
#include <vkdiv/data.h>

enum vkd__augment_mode {
    VKD__AUGMENT_NONE,          // short side to `resize` (0: to `size`), centre crop of `size`
    VKD__AUGMENT_PAD_CROP,      // the same resize, `pad` zero pixels around, then a random crop of `size`
    VKD__AUGMENT_RESIZED_CROP,  // random area in scale[], aspect in ratio[], resized to `size`
};

// Both are antialiased, as PIL's and torchvision's with antialias=True.
enum vkd__augment_filter {
    VKD__FILTER_BILINEAR,
    VKD__FILTER_BICUBIC,        // a = -1/2; what overshoots 0 ... 255 is cut off
};

struct vkd__augment_params {
    enum vkd__augment_mode mode;
    enum vkd__augment_filter filter;
    uint32_t size;              // output height and width
    uint32_t channels;          // 1 or 3
    uint32_t resize, pad;
    float scale[2], ratio[2];
    float flip;                 // probability of a horizontal flip; unused by NONE
    float jitter[4];            // brightness, contrast, saturation: factors in U(max(0, 1 - j), 1 + j), j <= 8;
                                // hue: turns in U(-j, j), j <= 1/2. 0: without. Of one channel, the last two
                                // change nothing, nor does gray
    float jitter_p;             // probability of the jitter
    float gray;                 // probability
    float blur;                 // probability
    float blur_sigma[2];        // pixels, at most 15; both 0: 0.1 and 2
    uint32_t blur_kernel;       // odd; 0: the odd number nearest to a tenth of the size, at least 3
    float solarize;             // probability; values from 128 / 255 are inverted
    float mean[3], std[3];      // y = (x / 255 - mean) / std
    uint32_t view;              // views of an image draw independently of each other; below 2^24
};

// Bytes of device memory that recording `batch` images takes besides its inputs and outputs; 0 without
// any of jitter, gray, blur and solarize.
uint64_t vkd__augment_scratch(const struct vkd__augment_params *p, uint32_t batch);

// Appends the augmentation of `batch` images: `table` holds struct vkd_batch_image entries, `pixels`
// RGBA8 words, `step` the step block (seed, epoch, image_count), `out` f32 (batch, size, size,
// channels). Images from image_count on become zeros. Random draws come from (seed, epoch, image index,
// view): the same on every device. Images have sides of at most 16,384. `scratch` is of
// vkd__augment_scratch bytes, at an offset that is a multiple of 256; it may be used again by what is
// recorded later. buffer NULL where it is 0 bytes.
//
//   VKD_INVALID  a parameter is out of range; the log names it
VKD_CHECKED vkd_result vkd__augment_record(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p,
                                           uint32_t batch, struct vkd_range table, struct vkd_range pixels,
                                           struct vkd_range step, struct vkd_range scratch, struct vkd_range out);

// The same without the draws: what is done to each image stands as struct vkd_augment_drawn at the
// beginning of `scratch`, which must not be 0 bytes. Operations that `p` is without must not be asked for.
VKD_CHECKED vkd_result vkd__augment_record_drawn(vkd_device *dev, vkd_commands *cmds,
                                                 const struct vkd__augment_params *p, uint32_t batch,
                                                 struct vkd_range table, struct vkd_range pixels,
                                                 struct vkd_range step, struct vkd_range scratch, struct vkd_range out);

// The draws for one image, as the device makes them.
struct vkd_augment_drawn vkd__augment_draw(const struct vkd__augment_params *p, const struct vkd_batch_image *image,
                                           const uint32_t seed[2], uint32_t epoch);

// The definition in double, for one image of the batch's `pixels`: `out` gets (size, size, 4) values,
// channels from p->channels on being 0.
VKD_CHECKED vkd_result vkd__augment_ref(const struct vkd__augment_params *p, const struct vkd_batch_image *image,
                                        const uint32_t *pixels, const struct vkd_augment_drawn *drawn, double *out);

// Pixels on each side that the blur reaches.
uint32_t vkd__augment_blur_half(const struct vkd__augment_params *p);

#endif
