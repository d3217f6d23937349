// image.c -- picks the codec by content, checks sizes, scales down.
#include "image.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The last one takes whatever the others do not know.
static const struct vkd__codec *const codecs[] = { &vkd__codec_png, &vkd__codec_jpeg, &vkd__codec_pnm,
                                                  &vkd__codec_stb };

// Formats one meets in the wild that have no decoder here, so that the message can name them.
static const struct { uint8_t ofs, size; bool image; char magic[9]; const char *name; } foreign[] = {
    { 8, 4, true, "WEBP", "WebP" },
    { 4, 8, true, "ftypavif", "AVIF" },
    { 4, 8, true, "ftypheic", "HEIC" },
    { 0, 4, true, "II*\0", "TIFF" },
    { 0, 4, true, "MM\0*", "TIFF" },
    { 0, 2, true, "\xff\x0a", "JPEG XL" },
    { 4, 4, true, "JXL ", "JPEG XL" },
    { 4, 4, true, "jP  ", "JPEG 2000" },
    { 0, 4, false, "%PDF", "PDF" },
    { 0, 4, false, "PK\3\4", "a ZIP archive" },
    { 0, 2, false, "\x1f\x8b", "gzip data" },
};

vkd_result vkd__image_bad(struct vkd__why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    return VKD_FORMAT;
}

vkd_result vkd__image_check_size(uint64_t height, uint64_t width, struct vkd__why *why)
{
    if (!height || !width)
        return vkd__image_bad(why, "an image of %llu x %llu pixels (width x height) holds nothing",
                              (unsigned long long)width, (unsigned long long)height);
    if (height > VKD__IMAGE_SIDE_MAX || width > VKD__IMAGE_SIDE_MAX || height * width > VKD__IMAGE_PIXEL_MAX)
        return vkd__image_bad(why, "%llu x %llu pixels (width x height) are more than the limit of %u a side and %u "
                              "million in all; scale the image down first", (unsigned long long)width,
                              (unsigned long long)height, VKD__IMAGE_SIDE_MAX,
                              (unsigned)(VKD__IMAGE_PIXEL_MAX / 1000000));
    return VKD_OK;
}

vkd_result vkd__image_alloc(uint32_t height, uint32_t width, struct vkd_image *out, struct vkd__why *why)
{
    uint8_t *pixels = malloc((size_t)height * width * 4);
    if (!pixels) {
        (void)vkd__image_bad(why, "out of memory for %u x %u pixels", width, height);
        return VKD_NO_MEMORY;
    }
    *out = (struct vkd_image) { .height = height, .width = width, .pixels = pixels };
    return VKD_OK;
}

void vkd_image_finish(struct vkd_image *image)
{
    if (!image)
        return;
    free(image->pixels);
    *image = (struct vkd_image) { 0 };
}

static const char *foreign_name(const uint8_t *data, uint64_t size, bool images_only)
{
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
        if (size >= (uint64_t)foreign[i].ofs + foreign[i].size && (foreign[i].image || !images_only) &&
            !memcmp(data + foreign[i].ofs, foreign[i].magic, foreign[i].size))
            return foreign[i].name;
    return NULL;
}

bool vkd__image_sniff(const uint8_t *data, uint64_t size)
{
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++)
        if (codecs[i]->sniff(data, size))
            return true;
    return foreign_name(data, size, true) != NULL;
}

vkd_result vkd__image_decode(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                             struct vkd_image *out, struct vkd__why *why)
{
    if (!size)
        return vkd__image_bad(why, "the file is empty");
    const size_t last = sizeof codecs / sizeof codecs[0] - 1;
    size_t at = 0;
    while (at < last && !codecs[at]->sniff(data, size))
        at++;
    const char *other = at == last && !codecs[at]->sniff(data, size) ? foreign_name(data, size, false) : NULL;
    if (other)
        return vkd__image_bad(why, "this is %s, which is not read here; convert it to PNG or JPEG", other);
    struct vkd_image image = { 0 };
    uint32_t height, width;
    vkd_result r = codecs[at]->decode(data, size, short_side, max_side, &image, &height, &width, why);
    if (r != VKD_OK)
        return r;
    vkd__image_fit(height, width, short_side, max_side, &height, &width);
    r = vkd__image_resample(&image, height, width);
    if (r != VKD_OK) {
        (void)vkd__image_bad(why, "out of memory while scaling to %u x %u pixels", width, height);
        vkd_image_finish(&image);
        return r;
    }
    *out = image;
    return VKD_OK;
}

vkd_result vkd__image_read(const char *path, const char *name, uint32_t short_side, uint32_t max_side,
                           struct vkd_image *out, struct vkd__why *why)
{
    uint8_t *data;
    uint64_t size;
    struct vkd__why inner = { "" };
    // Read, not mapped: a file that shrinks while mapped would end the process by a signal.
    vkd_result r = vkd__file_read(path, 1u << 30, &data, &size, &inner);
    if (r == VKD_OK) {
        r = vkd__image_decode(data, size, short_side, max_side, out, &inner);
        free(data);
    }
    if (r == VKD_IO)
        *why = inner;           // says the whole path by itself
    else if (r != VKD_OK)
        snprintf(why->text, sizeof why->text, "%.200s: %.300s", name, inner.text);
    return r;
}
