// image_jpeg.c -- JPEG through libjpeg-turbo, decoded at 1/2, 1/4 or 1/8 where that is large enough.
#include "image.h"

#include <stdio.h>
#include <string.h>
#include <turbojpeg.h>

static bool jpeg_sniff(const uint8_t *data, uint64_t size)
{
    return size >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

static vkd_result jpeg_fail(tjhandle tj, struct vkd__why *why)
{
    const char *text = tjGetErrorStr2(tj);
    (void)vkd__image_bad(why, "broken JPEG: %.300s", text);
    return strstr(text, "nsufficient memory") ? VKD_NO_MEMORY : VKD_FORMAT;
}

// Warnings about things that leave the pixels whole: stray bytes between segments, odd headers.
static bool harmless(const char *text)
{
    static const char *const known[] = { "extraneous bytes before marker", "JFIF", "Adobe color transform",
                                         "Invalid SOS parameters" };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strstr(text, known[i]))
            return true;
    return false;
}

// Everything else that libjpeg only warns of means lost pixels (a cut file, a bad code): an error here.
static bool decompress(tjhandle tj, const uint8_t *data, uint64_t size, const struct vkd_image *image, int format)
{
    const int flags = TJFLAG_LIMITSCANS;
    const int width = (int)image->width, height = (int)image->height;
    if (!tjDecompress2(tj, data, (unsigned long)size, image->pixels, width, width * 4, height, format,
                       flags | TJFLAG_STOPONWARNING))
        return true;
    if (tjGetErrorCode(tj) != TJERR_WARNING || !harmless(tjGetErrorStr2(tj)))
        return false;
    if (!tjDecompress2(tj, data, (unsigned long)size, image->pixels, width, width * 4, height, format, flags))
        return true;
    return tjGetErrorCode(tj) == TJERR_WARNING && harmless(tjGetErrorStr2(tj));
}

// CMYK in a JPEG is stored inverted (255: no ink), as Adobe writes it and PIL and browsers assume.
static void cmyk_to_rgb(struct vkd_image *image)
{
    const size_t count = (size_t)image->height * image->width;
    for (size_t i = 0; i < count; i++) {
        uint8_t *p = image->pixels + i * 4;
        const unsigned k = p[3];
        for (unsigned c = 0; c < 3; c++)
            p[c] = (uint8_t)((p[c] * k + 127) / 255);
        p[3] = 255;
    }
}

static vkd_result jpeg_decode(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                              struct vkd_image *out, uint32_t *full_height, uint32_t *full_width,
                              struct vkd__why *why)
{
    tjhandle tj = tjInitDecompress();
    if (!tj) {
        (void)vkd__image_bad(why, "out of memory for the JPEG decoder");
        return VKD_NO_MEMORY;
    }
    struct vkd_image image = { 0 };
    vkd_result r;
    int width = 0, height = 0, sampling, space = TJCS_RGB;
    // A warning alone leaves a size; decoding then judges it.
    if (tjDecompressHeader3(tj, data, (unsigned long)size, &width, &height, &sampling, &space) &&
        (tjGetErrorCode(tj) != TJERR_WARNING || !width)) {
        r = jpeg_fail(tj, why);
        goto fail;
    }
    if (!width) {
        r = vkd__image_bad(why, "broken JPEG: it ends before the picture's size");
        goto fail;
    }
    r = vkd__image_check_size(height > 0 ? (uint64_t)height : 0, width > 0 ? (uint64_t)width : 0, why);
    if (r != VKD_OK)
        goto fail;
    uint32_t fit_height, fit_width, divide = 8;
    vkd__image_fit((uint32_t)height, (uint32_t)width, short_side, max_side, &fit_height, &fit_width);
    while (divide > 1 && ((uint32_t)height / divide < fit_height || (uint32_t)width / divide < fit_width))
        divide /= 2;
    r = vkd__image_alloc(((uint32_t)height + divide - 1) / divide, ((uint32_t)width + divide - 1) / divide, &image,
                         why);
    if (r != VKD_OK)
        goto fail;
    const bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
    if (!decompress(tj, data, size, &image, cmyk ? TJPF_CMYK : TJPF_RGBA)) {
        r = jpeg_fail(tj, why);
        goto fail;
    }
    tjDestroy(tj);
    if (cmyk)
        cmyk_to_rgb(&image);
    *out = image;
    *full_height = (uint32_t)height;
    *full_width = (uint32_t)width;
    return VKD_OK;
fail:
    tjDestroy(tj);
    vkd_image_finish(&image);
    return r;
}

const struct vkd__codec vkd__codec_jpeg = { .name = "JPEG", .sniff = jpeg_sniff, .decode = jpeg_decode };
