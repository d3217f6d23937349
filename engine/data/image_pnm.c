// image_pnm.c -- binary PGM and PPM ("P5", "P6"), samples of 8 or 16 bits.
#include "image.h"

static bool blank(uint8_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool pnm_sniff(const uint8_t *data, uint64_t size)
{
    return size >= 3 && data[0] == 'P' && (data[1] == '5' || data[1] == '6') && (blank(data[2]) || data[2] == '#');
}

// A number behind blanks and comments; *at is left behind it. Values beyond 2^20 are all too large.
static bool read_number(const uint8_t *data, uint64_t size, uint64_t *at, uint32_t *out)
{
    uint64_t i = *at;
    while (i < size && (blank(data[i]) || data[i] == '#')) {
        if (data[i] == '#')
            while (i < size && data[i] != '\n')
                i++;
        else
            i++;
    }
    uint32_t n = 0;
    const uint64_t first = i;
    for (; i < size && data[i] >= '0' && data[i] <= '9'; i++)
        n = n < 1u << 20 ? n * 10 + (uint32_t)(data[i] - '0') : n;
    *at = i;
    *out = n;
    return i > first && i < size;
}

static vkd_result pnm_decode(const uint8_t *data, uint64_t size, uint32_t short_side, uint32_t max_side,
                             struct vkd_image *out, uint32_t *full_height, uint32_t *full_width,
                             struct vkd__why *why)
{
    (void)short_side;
    (void)max_side;
    uint32_t width, height, most;
    uint64_t at = 2;
    if (!read_number(data, size, &at, &width) || !read_number(data, size, &at, &height) ||
        !read_number(data, size, &at, &most) || !blank(data[at]) || !most || most > 65535)
        return vkd__image_bad(why, "broken PNM header: expected width, height and a largest value up to 65535");
    at++;
    vkd_result r = vkd__image_check_size(height, width, why);
    if (r != VKD_OK)
        return r;
    const unsigned channels = data[1] == '6' ? 3 : 1, wide = most > 255;
    const size_t count = (size_t)height * width;
    const uint64_t need = (uint64_t)count * channels << wide;
    if (size - at < need)
        return vkd__image_bad(why, "the image is cut off: expected %llu bytes of pixels, found %llu",
                              (unsigned long long)need, (unsigned long long)(size - at));
    struct vkd_image image = { 0 };
    r = vkd__image_alloc(height, width, &image, why);
    if (r != VKD_OK)
        return r;
    const uint8_t *p = data + at;
    for (size_t i = 0; i < count; i++) {
        uint8_t *pixel = image.pixels + i * 4;
        for (unsigned c = 0; c < 3; c++) {
            const uint8_t *sample = p + ((channels == 3 ? i * 3 + c : i) << wide);
            uint32_t value = wide ? (uint32_t)sample[0] << 8 | sample[1] : sample[0];
            value = value < most ? value : most;
            pixel[c] = (uint8_t)((value * 255 + most / 2) / most);
        }
        pixel[3] = 255;
    }
    *out = image;
    *full_height = height;
    *full_width = width;
    return VKD_OK;
}

const struct vkd__codec vkd__codec_pnm = { .name = "PNM", .sniff = pnm_sniff, .decode = pnm_decode };
