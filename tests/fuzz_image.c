// fuzz_image.c -- any bytes as an image file: no fault, and a result that keeps its promise.
#include "fuzz.h"

#include "engine/data/image.h"

static void fuzz_one(const uint8_t *data, size_t size)
{
    struct vkd_image image = { 0 };
    struct vkd__why why = { "" };
    vkd_result r = vkd__image_decode(data, size, 64, 96, &image, &why);
    if (r == VKD_OK && (!image.pixels || !image.height || image.height > 96 || !image.width || image.width > 96))
        abort();
    if (r != VKD_OK && (image.pixels || !why.text[0]))
        abort();
    vkd_image_finish(&image);
}

static bool fuzz_sample(unsigned i, struct bytes *out)
{
    if (i < IMAGE_SAMPLES)
        *out = image_sample(i);
    return i < IMAGE_SAMPLES;
}
