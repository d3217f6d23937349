// test_images.c -- image codecs: exact pixels, sizes refused in time, cut and damaged files, scaling.
#include "data_files.h"

#include "engine/data/image.h"

#include <check.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static vkd_result decode(struct bytes b, uint32_t short_side, uint32_t max_side, struct vkd_image *out,
                         struct vkd__why *why)
{
    // A copy of exactly this size, so that the sanitizer sees a byte read behind the end.
    uint8_t *copy = malloc(b.size ? b.size : 1);
    ck_assert_ptr_nonnull(copy);
    if (b.size)
        memcpy(copy, b.data, b.size);
    why->text[0] = 0;
    vkd_result r = vkd__image_decode(copy, b.size, short_side, max_side, out, why);
    free(copy);
    return r;
}

static struct vkd_image decode_ok(struct bytes b, uint32_t short_side, uint32_t max_side)
{
    struct vkd_image image = { 0 };
    struct vkd__why why;
    vkd_result r = decode(b, short_side, max_side, &image, &why);
    ck_assert_msg(r == VKD_OK, "%s", why.text);
    return image;
}

static void decode_fails(struct bytes b, const char *words)
{
    struct vkd_image image = { 0 };
    struct vkd__why why;
    ck_assert_int_eq(decode(b, 0, 0, &image, &why), VKD_FORMAT);
    ck_assert_msg(strstr(why.text, words) != NULL, "'%s' does not say '%s'", why.text, words);
    ck_assert_ptr_null(image.pixels);
}

// ---- PNG ----

static unsigned sample(const uint8_t *row, size_t index, unsigned depth)
{
    if (depth == 16)
        return row[index * 2];          // the high byte
    if (depth == 8)
        return row[index];
    const size_t bit = index * depth;
    return row[bit / 8] >> (8 - depth - bit % 8) & ((1u << depth) - 1);
}

static void expect_pixel(const uint8_t *row, uint32_t x, unsigned type, unsigned depth, uint8_t rgb[3])
{
    const unsigned channels = type == 0 || type == 3 ? 1 : type == 4 ? 2 : type == 2 ? 3 : 4;
    const unsigned first = sample(row, (size_t)x * channels, depth);
    for (unsigned c = 0; c < 3; c++) {
        if (type == 3)
            rgb[c] = (uint8_t)((3 + 2 * c) * first + c + 1);
        else if (channels < 3)
            rgb[c] = (uint8_t)(depth < 8 ? first * 255 / ((1u << depth) - 1) : first);
        else
            rgb[c] = (uint8_t)sample(row, (size_t)x * channels + c, depth);
    }
}

START_TEST(png_of_every_kind)
{
    static const uint8_t kinds[][2] = { { 0, 1 }, { 0, 2 }, { 0, 4 }, { 0, 8 }, { 0, 16 }, { 2, 8 }, { 2, 16 },
                                        { 3, 1 }, { 3, 2 }, { 3, 4 }, { 3, 8 }, { 4, 8 }, { 4, 16 }, { 6, 8 },
                                        { 6, 16 } };
    const uint32_t width = 13, height = 9;
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0] * 2; k++) {
        const uint8_t type = kinds[k / 2][0], depth = kinds[k / 2][1];
        const size_t row = png_row_bytes(width, type, depth);
        uint8_t raw[13 * 8 * 9];
        fill_random(raw, sizeof raw, k);
        struct bytes b = png_encode(width, height, type, depth, k % 2, raw);
        struct vkd_image image = decode_ok(b, 0, 0);
        ck_assert_uint_eq(image.width, width);
        ck_assert_uint_eq(image.height, height);
        for (uint32_t i = 0; i < width * height; i++) {
            uint8_t rgb[4] = { 0, 0, 0, 255 };
            expect_pixel(raw + i / width * row, i % width, type, depth, rgb);
            const uint8_t *found = image.pixels + 4 * i;
            ck_assert_msg(!memcmp(rgb, found, 4), "type %u depth %u pixel %u: %u %u %u, expected %u %u %u", type, depth,
                          i, found[0], found[1], found[2], rgb[0], rgb[1], rgb[2]);
        }
        vkd_image_finish(&image);
        free(b.data);
    }
}
END_TEST

// ---- JPEG ----

static void fill_solid(uint8_t *pixels, size_t count, const uint8_t *value, unsigned channels)
{
    for (size_t i = 0; i < count; i++)
        memcpy(pixels + i * channels, value, channels);
}

static void expect_solid(const struct vkd_image *image, const int rgb[3], int tolerance)
{
    for (size_t i = 0; i < (size_t)image->height * image->width; i++) {
        for (unsigned c = 0; c < 3; c++)
            ck_assert_msg(abs(image->pixels[4 * i + c] - rgb[c]) <= tolerance, "channel %u: %u, expected %d", c,
                          image->pixels[4 * i + c], rgb[c]);
        ck_assert_uint_eq(image->pixels[4 * i + 3], 255);
    }
}

START_TEST(jpeg_of_every_kind)
{
    static const uint8_t colour[4] = { 200, 90, 30, 160 };
    uint8_t pixels[33 * 17 * 4];
    for (enum jpeg_kind kind = JPEG_RGB_444; kind <= JPEG_PROGRESSIVE; kind++) {
        fill_solid(pixels, 33 * 17, colour, kind == JPEG_GREY ? 1 : 3);
        struct bytes b = jpeg_encode(33, 17, kind, 100, pixels);
        struct vkd_image image = decode_ok(b, 0, 0);
        ck_assert_uint_eq(image.width, 33);
        ck_assert_uint_eq(image.height, 17);
        expect_solid(&image, kind == JPEG_GREY ? (const int[3]) { 200, 200, 200 } : (const int[3]) { 200, 90, 30 }, 2);
        vkd_image_finish(&image);
        free(b.data);
    }
}
END_TEST

static size_t find_adobe(struct bytes b)
{
    for (size_t i = 0; i + 16 < b.size; i++)
        if (b.data[i] == 0xff && b.data[i + 1] == 0xee && !memcmp(b.data + i + 4, "Adobe", 5))
            return i;
    ck_abort_msg("no Adobe marker");
    return 0;
}

// Ink is stored inverted: red is cyan's stored value times black's.
START_TEST(jpeg_of_four_inks)
{
    static const uint8_t stored[4] = { 200, 90, 30, 160 };
    uint8_t pixels[16 * 16 * 4];
    fill_solid(pixels, 16 * 16, stored, 4);
    struct bytes b = jpeg_encode(16, 16, JPEG_YCCK, 100, pixels);
    struct vkd_image image = decode_ok(b, 0, 0);
    expect_solid(&image, (const int[3]) { 200 * 160 / 255, 90 * 160 / 255, 30 * 160 / 255 }, 3);
    vkd_image_finish(&image);

    // Said to be plain CMYK, the same data are ink values themselves: luma and chroma of the colours' complement.
    const double r = 255 - 200, g = 255 - 90, bl = 255 - 30, luma = 0.299 * r + 0.587 * g + 0.114 * bl;
    const int expected[3] = { (int)(luma * 160 / 255), (int)((128 + 0.564 * (bl - luma)) * 160 / 255),
                              (int)((128 + 0.713 * (r - luma)) * 160 / 255) };
    const size_t adobe = find_adobe(b), length = 2 + ((size_t)b.data[adobe + 2] << 8 | b.data[adobe + 3]);
    b.data[adobe + 15] = 0;
    image = decode_ok(b, 0, 0);
    expect_solid(&image, expected, 3);
    vkd_image_finish(&image);

    memmove(b.data + adobe, b.data + adobe + length, b.size - adobe - length);
    b.size -= length;
    image = decode_ok(b, 0, 0);
    expect_solid(&image, expected, 3);
    vkd_image_finish(&image);
    free(b.data);
}
END_TEST

// A smooth picture: what scaled decoding gives must be close to the average of the whole.
START_TEST(jpeg_scaled_while_decoding)
{
    const uint32_t width = 530, height = 411;
    uint8_t *pixels = malloc((size_t)width * height * 3);
    for (uint32_t i = 0; i < width * height; i++) {
        pixels[3 * i] = (uint8_t)(i % width * 255 / width);
        pixels[3 * i + 1] = (uint8_t)(i / width * 255 / height);
        pixels[3 * i + 2] = (uint8_t)((i % width + i / width) * 255 / (width + height));
    }
    struct bytes b = jpeg_encode(width, height, JPEG_RGB_444, 98, pixels);
    static const uint32_t sides[][2] = { { 400, 0 }, { 205, 0 }, { 100, 300 }, { 51, 0 }, { 17, 20 }, { 1, 1 } };
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        struct vkd_image fast = decode_ok(b, sides[i][0], sides[i][1]), whole = decode_ok(b, 0, 0);
        uint32_t fit_height, fit_width;
        vkd__image_fit(height, width, sides[i][0], sides[i][1], &fit_height, &fit_width);
        ck_assert_int_eq(vkd__image_resample(&whole, fit_height, fit_width), VKD_OK);
        ck_assert_uint_eq(fast.height, fit_height);
        ck_assert_uint_eq(fast.width, fit_width);
        // 530 pixels become 67 at an eighth, where 66.25 would be exact: up to 1 % of the gradient.
        for (size_t p = 0; p < (size_t)fit_height * fit_width * 4; p++)
            ck_assert_int_le(abs(fast.pixels[p] - whole.pixels[p]), 6);
        vkd_image_finish(&fast);
        vkd_image_finish(&whole);
    }
    free(b.data);
    free(pixels);
}
END_TEST

// ---- The plain formats ----

static void expected_plain(enum plain_kind kind, const uint8_t *rgb, uint8_t out[3])
{
    for (unsigned c = 0; c < 3; c++)
        out[c] = kind == PLAIN_PGM ? rgb[0] : kind == PLAIN_GIF ? (uint8_t)(2 * (rgb[0] & 127)) : rgb[c];
}

START_TEST(plain_formats)
{
    const uint32_t width = 19, height = 23;
    uint8_t rgb[19 * 23 * 3];
    fill_random(rgb, sizeof rgb, 5);
    memset(rgb + 60, 7, 300);           // something to run over
    for (enum plain_kind kind = 0; kind < PLAIN_COUNT; kind++) {
        struct bytes b = plain_encode(kind, width, height, rgb);
        struct vkd_image image = decode_ok(b, 0, 0);
        ck_assert_uint_eq(image.width, width);
        ck_assert_uint_eq(image.height, height);
        for (uint32_t i = 0; i < width * height; i++) {
            uint8_t expected[4] = { 0, 0, 0, 255 };
            expected_plain(kind, rgb + 3 * i, expected);
            ck_assert_msg(!memcmp(expected, image.pixels + 4 * i, 4), "kind %d, pixel %u", (int)kind, i);
        }
        vkd_image_finish(&image);
        free(b.data);
    }
}
END_TEST

START_TEST(pnm_samples_are_scaled)
{
    static const struct { const char *data; size_t size; uint8_t pixel[3]; } files[] = {
        { "P5 1 1 1\n\1", 10, { 255, 255, 255 } },
        { "P5\n# two\n1\t1 15 \x3", 17, { 51, 51, 51 } },
        { "P5 1 1 255\n\x80 ignored", 21, { 128, 128, 128 } },
        { "P6 1 1 65535\n\xff\xff\x80\0\0\x01", 19, { 255, 128, 0 } },
        { "P6 1 1 1000 \x03\xe8\x01\xf4\xff\xff", 18, { 255, 128, 255 } },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct bytes b = { (uint8_t *)(uintptr_t)files[i].data, files[i].size };
        struct vkd_image image = decode_ok(b, 0, 0);
        ck_assert_msg(!memcmp(image.pixels, files[i].pixel, 3), "file %zu: %u %u %u", i, image.pixels[0],
                      image.pixels[1], image.pixels[2]);
        vkd_image_finish(&image);
    }
    decode_fails((struct bytes) { (uint8_t *)(uintptr_t)"P6 1 1 70000\n\0\0\0\0\0\0", 19 }, "largest value");
    decode_fails((struct bytes) { (uint8_t *)(uintptr_t)"P6 1 99999999999999 255\n", 24 }, "limit of");
    decode_fails((struct bytes) { (uint8_t *)(uintptr_t)"P6 1", 4 }, "broken PNM header");
}
END_TEST

// ---- Sizes ----

// Patches the width and height fields of a small file, all of which have two or four bytes.
static void set_size(struct bytes b, size_t width_ofs, size_t height_ofs, unsigned bytes, bool big, uint32_t side)
{
    for (unsigned i = 0; i < bytes; i++) {
        const uint8_t byte = (uint8_t)(side >> 8 * (big ? bytes - 1 - i : i));
        b.data[width_ofs + i] = byte;
        b.data[height_ofs + i] = byte;
    }
}

static size_t find_frame(struct bytes b)
{
    for (size_t i = 2; i + 9 < b.size; i += 2 + ((size_t)b.data[i + 2] << 8 | b.data[i + 3]))
        if (b.data[i + 1] >= 0xc0 && b.data[i + 1] <= 0xc2)
            return i;
    ck_abort_msg("no frame header");
    return 0;
}

START_TEST(huge_sizes_are_refused)
{
    static const uint32_t sides[] = { 30000, 16385, 16384, 60000 };
    static const uint8_t rgb[4 * 4 * 3] = { 1, 2, 3 };
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        struct bytes png = png_random(4, 4, 1), jpeg = jpeg_encode(4, 4, JPEG_RGB_444, 90, rgb);
        char size[32];
        snprintf(size, sizeof size, "%u x %u pixels", sides[i], sides[i]);
        set_size(png, 16, 20, 4, true, sides[i]);
        decode_fails(png, size);
        const size_t frame = find_frame(jpeg);
        set_size(jpeg, frame + 7, frame + 5, 2, true, sides[i]);
        decode_fails(jpeg, size);
        for (enum plain_kind kind = 0; kind < PLAIN_COUNT; kind++) {
            struct bytes b = plain_encode(kind, 4, 4, rgb);
            if (kind == PLAIN_BMP)
                set_size(b, 18, 22, 4, false, sides[i]);
            else if (kind == PLAIN_GIF)
                set_size(b, 6, 8, 2, false, sides[i]);
            else if (kind == PLAIN_TGA || kind == PLAIN_TGA_RLE)
                set_size(b, 12, 14, 2, false, sides[i]);
            else if (kind == PLAIN_PSD)
                set_size(b, 18, 14, 4, true, sides[i]);
            else
                b.size = (size_t)snprintf((char *)b.data, b.size, "P6 %u %u 255\n", sides[i], sides[i]);
            decode_fails(b, size);
            free(b.data);
        }
        free(png.data);
        free(jpeg.data);
    }
    struct bytes png = png_random(4, 4, 1);
    set_size(png, 16, 20, 4, true, 0xffffffff);
    decode_fails(png, "limit of 16384 a side");
    set_size(png, 16, 20, 4, true, 0);
    decode_fails(png, "holds nothing");
    free(png.data);
}
END_TEST

START_TEST(other_content_is_named)
{
    static const struct { const char *data; size_t size; const char *words; } files[] = {
        { "", 0, "empty" },
        { "h", 1, "not an image of a known format" },
        { "hello, this is a text and no image at all", 41, "not an image of a known format" },
        { "RIFF\x10\0\0\0WEBPVP8 ", 16, "this is WebP" },
        { "II*\0\x08\0\0\0", 8, "this is TIFF" },
        { "\0\0\0\x1c""ftypavif", 12, "this is AVIF" },
        { "\x89PNG\r\n\x1a\n", 8, "broken PNG" },
        { "\xff\xd8\xff", 3, "broken JPEG" },
        { "GIF89a", 6, "broken image" },
        { "BM", 2, "not an image of a known format" },
        { "\x1f\x8b\x08\0", 4, "this is gzip data" },
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        decode_fails((struct bytes) { (uint8_t *)(uintptr_t)files[i].data, files[i].size }, files[i].words);
}
END_TEST

// ---- Damage ----

// A cut file is an error, unless what is missing lies behind the last pixel.
START_TEST(cut_files)
{
    for (unsigned i = 0; i < IMAGE_SAMPLES; i++) {
        struct bytes whole = image_sample(i);
        struct vkd_image expected = decode_ok(whole, 0, 0);
        size_t survivors = 0;
        for (size_t size = 0; size < whole.size; size++) {
            struct vkd_image image = { 0 };
            struct vkd__why why;
            vkd_result r = decode((struct bytes) { whole.data, size }, 0, 0, &image, &why);
            if (r == VKD_OK) {
                survivors++;
                ck_assert_uint_eq(image.height, expected.height);
                ck_assert_msg(!memcmp(image.pixels, expected.pixels, (size_t)image.height * image.width * 4),
                              "sample %u cut to %zu bytes of %zu decodes to other pixels", i, size, whole.size);
            } else {
                ck_assert_int_eq(r, VKD_FORMAT);
                ck_assert(why.text[0]);
            }
            vkd_image_finish(&image);
        }
        ck_assert_msg(survivors < 24, "sample %u: %zu cut versions decode", i, survivors);
        vkd_image_finish(&expected);
        free(whole.data);
    }
}
END_TEST

START_TEST(damaged_files)
{
    unsigned failed = 0;
    for (unsigned i = 0; i < IMAGE_SAMPLES; i++) {
        struct bytes whole = image_sample(i);
        for (uint64_t seed = 0; seed < 300; seed++) {
            struct bytes b = damage(whole, seed * IMAGE_SAMPLES + i);
            struct vkd_image image = { 0 };
            struct vkd__why why;
            vkd_result r = decode(b, 16, 16, &image, &why);
            ck_assert(r == VKD_OK || r == VKD_FORMAT || r == VKD_NO_MEMORY);
            ck_assert((r == VKD_OK) == (image.pixels != NULL));
            failed += r != VKD_OK;
            vkd_image_finish(&image);
            free(b.data);
        }
        free(whole.data);
    }
    ck_assert_uint_gt(failed, 300);
}
END_TEST

// ---- Scaling ----

START_TEST(fit_keeps_the_shape)
{
    static const uint32_t rows[][6] = {     // height, width, short side, max side -> height, width
        { 100, 200, 0, 0, 100, 200 }, { 100, 200, 50, 0, 50, 100 }, { 200, 100, 50, 0, 100, 50 },
        { 100, 200, 300, 0, 100, 200 }, { 100, 200, 50, 80, 40, 80 }, { 100, 200, 0, 100, 50, 100 },
        { 1, 5000, 0, 100, 1, 100 }, { 333, 500, 256, 0, 256, 384 }, { 3, 7, 2, 0, 2, 4 }, { 9, 9, 9, 9, 9, 9 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t height, width;
        vkd__image_fit(rows[i][0], rows[i][1], rows[i][2], rows[i][3], &height, &width);
        ck_assert_uint_eq(height, rows[i][4]);
        ck_assert_uint_eq(width, rows[i][5]);
    }
}
END_TEST

// Overlap of output cell o of n with input pixel i of m, as a fraction of the cell.
static double overlap(uint32_t o, uint32_t n, uint32_t i, uint32_t m)
{
    const double low = (double)o * m / n, high = (double)(o + 1) * m / n;
    const double a = low > i ? low : i, b = high < i + 1.0 ? high : i + 1.0;
    return b > a ? (b - a) / (high - low) : 0;
}

START_TEST(shrinking_averages_areas)
{
    static const uint32_t rows[][4] = { { 2, 2, 1, 1 }, { 5, 7, 3, 4 }, { 13, 11, 13, 2 }, { 30, 41, 7, 40 },
                                        { 17, 64, 1, 64 }, { 6, 6, 5, 5 }, { 1, 100, 1, 33 } };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const uint32_t h = rows[k][0], w = rows[k][1], oh = rows[k][2], ow = rows[k][3];
        struct vkd_image image = { .height = h, .width = w, .pixels = malloc((size_t)h * w * 4) };
        fill_random(image.pixels, (size_t)h * w * 4, k);
        uint8_t *before = malloc((size_t)h * w * 4);
        memcpy(before, image.pixels, (size_t)h * w * 4);
        ck_assert_int_eq(vkd__image_resample(&image, oh, ow), VKD_OK);
        ck_assert_uint_eq(image.height, oh);
        ck_assert_uint_eq(image.width, ow);
        for (uint32_t o = 0; o < oh * ow * 3; o++) {
            double sum = 0;
            for (uint32_t y = 0; y < h; y++)
                for (uint32_t x = 0; x < w; x++)
                    sum += overlap(o / 3 / ow, oh, y, h) * overlap(o / 3 % ow, ow, x, w) *
                           before[(y * w + x) * 4 + o % 3];
            ck_assert_double_le(sum - image.pixels[o / 3 * 4 + o % 3], 0.5 + 1e-9);
            ck_assert_double_ge(sum - image.pixels[o / 3 * 4 + o % 3], -0.5 - 1e-9);
        }
        free(before);
        vkd_image_finish(&image);
    }
}
END_TEST

// The largest sums that occur: they must not overflow.
START_TEST(shrinking_the_longest_side)
{
    struct vkd_image image = { .height = 2, .width = 16384, .pixels = malloc(2 * 16384 * 4) };
    memset(image.pixels, 255, 2 * 16384 * 4);
    ck_assert_int_eq(vkd__image_resample(&image, 1, 1), VKD_OK);
    ck_assert_mem_eq(image.pixels, "\xff\xff\xff\xff", 4);
    vkd_image_finish(&image);
    image = (struct vkd_image) { .height = 16384, .width = 1, .pixels = malloc(16384 * 4) };
    memset(image.pixels, 255, 16384 * 4);
    ck_assert_int_eq(vkd__image_resample(&image, 16383, 1), VKD_OK);
    for (uint32_t i = 0; i < 16383 * 4; i++)
        ck_assert_uint_eq(image.pixels[i], 255);
    vkd_image_finish(&image);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("images");
    TCase *t = tcase_create("images");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, png_of_every_kind);
    tcase_add_test(t, jpeg_of_every_kind);
    tcase_add_test(t, jpeg_of_four_inks);
    tcase_add_test(t, jpeg_scaled_while_decoding);
    tcase_add_test(t, plain_formats);
    tcase_add_test(t, pnm_samples_are_scaled);
    tcase_add_test(t, huge_sizes_are_refused);
    tcase_add_test(t, other_content_is_named);
    tcase_add_test(t, cut_files);
    tcase_add_test(t, damaged_files);
    tcase_add_test(t, fit_keeps_the_shape);
    tcase_add_test(t, shrinking_averages_areas);
    tcase_add_test(t, shrinking_the_longest_side);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? 1 : 0;
}
