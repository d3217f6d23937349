// image.h -- from a file's bytes to RGBA pixels. Internal to the engine.
//
// Pixels are 4 bytes, R G B 255. As PIL's convert("RGB"): alpha is dropped, not composited. 16-bit
// samples keep their high byte. EXIF orientation is ignored, as torchvision's ImageFolder does.
#ifndef VKD_DATA_IMAGE_H
#define VKD_DATA_IMAGE_H

#include "runtime/os.h"

#include <vkdiv/data.h>

#define VKD__IMAGE_SIDE_MAX  16384u             // pixels; larger images are refused before decoding
#define VKD__IMAGE_PIXEL_MAX (64ull << 20)

// Decodes an image of any known format, told by its content, and scales it down as
// vkd_dataset_decode describes. `why` names no file: the caller knows it.
//
//   VKD_FORMAT, VKD_NO_MEMORY
VKD_CHECKED vkd_result vkd__image_decode(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                                         struct vkd_image *out, struct vkd__why *why);
// The same for a file. `why` says the path, or `name` where the path is not at fault.
VKD_CHECKED vkd_result vkd__image_read(const char *path, const char *name, uint32_t short_side, uint32_t max_side,
                                       struct vkd_image *out, struct vkd__why *why);
// Whether the bytes begin like an image, of a format read here or not (TGA has no such beginning).
bool vkd__image_sniff(const uint8_t *data, uint64_t size);

// The size a (height, width) image is scaled down to; 0 means no bound.
void vkd__image_fit(uint32_t height, uint32_t width, uint32_t short_side, uint32_t max_side, uint32_t *fit_height,
                    uint32_t *fit_width);
// Replaces the pixels by their area average on a grid of (height, width). A finer grid than before repeats pixels,
// mixed where it lies across their border.
VKD_CHECKED vkd_result vkd__image_resample(struct vkd_image *image, uint32_t height, uint32_t width);

// Encodes `height` rows of `width` RGB pixels as PNG into malloc'd memory.
VKD_CHECKED vkd_result vkd__image_png(const uint8_t *rgb, uint32_t height, uint32_t width, uint8_t **data, uint64_t *size,
                                      struct vkd__why *why);

// ---- For the codecs ----

// Refuses a size before anything is allocated for it.
VKD_CHECKED vkd_result vkd__image_check_size(uint64_t height, uint64_t width, struct vkd__why *why);
VKD_CHECKED vkd_result vkd__image_alloc(uint32_t height, uint32_t width, struct vkd_image *out, struct vkd__why *why);
VKD_PRINTF(2, 3) vkd_result vkd__image_bad(struct vkd__why *why, const char *format, ...);     // VKD_FORMAT

// A codec. Given the bounds it may deliver the picture smaller than the file's (full_height, full_width),
// which it then reports, but no smaller than their fit.
struct vkd__codec {
    const char *name;
    bool (*sniff)(const uint8_t *data, uint64_t size);
    vkd_result (*decode)(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                         struct vkd_image *out, uint32_t *full_height, uint32_t *full_width, struct vkd__why *why);
};
extern const struct vkd__codec vkd__codec_png, vkd__codec_jpeg, vkd__codec_pnm, vkd__codec_stb;

#endif
