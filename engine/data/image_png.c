// image_png.c -- PNG through libspng.
#include "image.h"

#include <spng.h>
#include <stdio.h>
#include <string.h>

static const uint8_t magic[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

static bool png_sniff(const uint8_t *data, uint64_t size)
{
    return size >= sizeof magic && !memcmp(data, magic, sizeof magic);
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static vkd_result png_fail(int error, struct vkd__why *why)
{
    (void)vkd__image_bad(why, "broken PNG: %s", spng_strerror(error));
    return error == SPNG_EMEM ? VKD_NO_MEMORY : VKD_FORMAT;
}

// The header is read here first: libspng's own limits would not say the size that was found.
static vkd_result png_decode(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                             struct vkd_image *out, uint32_t *full_height, uint32_t *full_width,
                             struct vkd__why *why)
{
    (void)short_side;
    (void)max_side;
    if (size < 33 || memcmp(data + 12, "IHDR", 4))
        return vkd__image_bad(why, "broken PNG: expected a header of 33 bytes, the file has %llu bytes",
                              (unsigned long long)size);
    const uint32_t width = big_endian(data + 16), height = big_endian(data + 20);
    vkd_result r = vkd__image_check_size(height, width, why);
    if (r != VKD_OK)
        return r;
    spng_ctx *ctx = spng_ctx_new(0);
    if (!ctx)
        return png_fail(SPNG_EMEM, why);
    struct vkd_image image = { 0 };
    size_t bytes = 0;
    int error = spng_set_image_limits(ctx, VKD__IMAGE_SIDE_MAX, VKD__IMAGE_SIDE_MAX);
    if (!error)
        error = spng_set_chunk_limits(ctx, 64u << 20, 64u << 20);
    if (!error)
        error = spng_set_png_buffer(ctx, data, (size_t)size);
    if (!error)
        error = spng_decoded_image_size(ctx, SPNG_FMT_RGBA8, &bytes);
    if (!error && bytes != (size_t)height * width * 4)
        error = SPNG_EBUFSIZ;
    if (!error) {
        r = vkd__image_alloc(height, width, &image, why);
        if (r != VKD_OK)
            goto fail;
        error = spng_decode_image(ctx, image.pixels, bytes, SPNG_FMT_RGBA8, 0);
    }
    if (error) {
        r = png_fail(error, why);
        goto fail;
    }
    spng_ctx_free(ctx);
    for (size_t i = 3; i < bytes; i += 4)
        image.pixels[i] = 255;
    *out = image;
    *full_height = height;
    *full_width = width;
    return VKD_OK;
fail:
    spng_ctx_free(ctx);
    vkd_image_finish(&image);
    return r;
}

vkd_result vkd__image_png(const uint8_t *rgb, uint32_t height, uint32_t width, uint8_t **data, uint64_t *size,
                          struct vkd__why *why)
{
    struct spng_ihdr head = { .width = width, .height = height, .bit_depth = 8, .color_type = SPNG_COLOR_TYPE_TRUECOLOR };
    spng_ctx *ctx = spng_ctx_new(SPNG_CTX_ENCODER);
    size_t bytes = 0;
    int error = ctx ? spng_set_option(ctx, SPNG_ENCODE_TO_BUFFER, 1) : SPNG_EMEM;
    if (!error)
        error = spng_set_ihdr(ctx, &head);
    if (!error)
        error = spng_encode_image(ctx, rgb, (size_t)height * width * 3, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    if (!error)
        *data = spng_get_png_buffer(ctx, &bytes, &error);
    if (!error)
        *size = bytes;
    else
        snprintf(why->text, sizeof why->text, "cannot encode a PNG of %u x %u pixels: %s", width, height,
                 spng_strerror(error));
    spng_ctx_free(ctx);
    return error ? VKD_NO_MEMORY : VKD_OK;
}

const struct vkd__codec vkd__codec_png = { .name = "PNG", .sniff = png_sniff, .decode = png_decode };
