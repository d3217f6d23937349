// image_scale.c -- scaling by exact area averages.
//
// Output pixel o of n covers the interval [o * m / n, (o + 1) * m / n) of m input pixels. In units of
// 1/n input pixel its length is m and every overlap is a whole number, so the average is
//   sum(overlap * value) / m   per axis, and over both axes one exact integer divided by m_y * m_x.
// Integers only: the result is rounded once and is the same on every machine.
#include "image.h"

#include <stdlib.h>
#include <string.h>

void vkd__image_fit(uint32_t height, uint32_t width, uint32_t short_side, uint32_t max_side, uint32_t *fit_height,
                    uint32_t *fit_width)
{
    uint32_t small = height < width ? height : width, large = height < width ? width : height;
    uint32_t new_small = small, new_large = large;
    if (short_side && small > short_side) {
        new_small = short_side;     // the long side is cut off to a whole number, as torchvision's Resize does
        new_large = (uint32_t)((uint64_t)large * short_side / small);
    }
    if (max_side && new_large > max_side) {
        new_large = max_side;
        new_small = (uint32_t)((uint64_t)small * max_side / large);
        if (!new_small)
            new_small = 1;
    }
    *fit_height = height < width ? new_small : new_large;
    *fit_width = height < width ? new_large : new_small;
}

// Adds up one row: out[x] = sum of overlap * value, three channels. Overlaps of one pixel add up to m.
static void average_row(const uint8_t *in, uint32_t m, uint32_t *out, uint32_t n)
{
    uint32_t x = 0, left = n;       // input pixel and how much of it is not used yet
    for (uint32_t o = 0; o < n; o++) {
        uint32_t r = 0, g = 0, b = 0, need = m;
        while (need) {
            uint32_t part = left < need ? left : need;
            const uint8_t *p = in + (size_t)x * 4;
            r += part * p[0];
            g += part * p[1];
            b += part * p[2];
            need -= part;
            left -= part;
            if (!left) {
                x++;
                left = n;
            }
        }
        *out++ = r;
        *out++ = g;
        *out++ = b;
    }
}

static void store_row(uint64_t *sum, uint32_t n, uint64_t area, uint8_t *out)
{
    for (uint32_t x = 0; x < n; x++) {
        for (unsigned c = 0; c < 3; c++) {
            out[c] = (uint8_t)((sum[c] + area / 2) / area);
            sum[c] = 0;
        }
        out[3] = 255;
        out += 4;
        sum += 3;
    }
}

vkd_result vkd__image_resample(struct vkd_image *image, uint32_t height, uint32_t width)
{
    if (height == image->height && width == image->width)
        return VKD_OK;
    const size_t row = (size_t)width * 3;
    uint32_t *line = malloc(row * sizeof *line);
    uint64_t *sum = calloc(row, sizeof *sum);
    uint8_t *pixels = malloc((size_t)height * width * 4);
    if (!line || !sum || !pixels) {
        free(line);
        free(sum);
        free(pixels);
        return VKD_NO_MEMORY;
    }
    const uint64_t area = (uint64_t)image->height * image->width;
    uint32_t out_y = 0, need = image->height;
    for (uint32_t y = 0; y < image->height; y++) {
        average_row(image->pixels + (size_t)y * image->width * 4, image->width, line, width);
        uint32_t left = height;
        while (left) {
            uint32_t part = left < need ? left : need;
            for (size_t i = 0; i < row; i++)
                sum[i] += (uint64_t)part * line[i];
            left -= part;
            need -= part;
            if (!need) {
                store_row(sum, width, area, pixels + (size_t)out_y * width * 4);
                out_y++;
                need = image->height;
            }
        }
    }
    free(line);
    free(sum);
    free(image->pixels);
    *image = (struct vkd_image) { .height = height, .width = width, .pixels = pixels };
    return VKD_OK;
}
