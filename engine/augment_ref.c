// augment_ref.c -- the definition of the augmentation in double.
#include "augment.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS_MAX = 64 };

// ---- Resizing ----

struct filter { uint32_t first, end, stride; double centre, scale; bool cubic; };

static struct filter filter_at(uint32_t o, uint32_t from, uint32_t to, bool cubic)
{
    double scale = fmax((double) from / to, 1), reach = cubic ? 2 * scale : scale, centre = (o + 0.5) * from / to;
    struct filter f = { .centre = centre, .scale = scale, .end = from, .cubic = cubic };
    // A hair inside, so that pixels of weight zero fall on neither side by rounding.
    if (centre - reach > 0.5)
        f.first = (uint32_t) (centre - reach + 0.5 + 1e-9);
    if (centre + reach + 0.5 + 1e-9 < from)
        f.end = (uint32_t) (centre + reach + 0.5 + 1e-9);
    f.stride = (f.end - f.first + TAPS_MAX - 1) / TAPS_MAX;
    return f;
}

static double weight(const struct filter *f, uint32_t i)
{
    double x = fabs(i + 0.5 - f->centre) / f->scale;
    if (!f->cubic)
        return fmax(0, 1 - x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static void resized(const struct vkd_view *v, bool cubic, const uint32_t *pixels, uint32_t width, uint32_t row,
                    uint32_t col, double c[4])
{
    struct filter rows = filter_at(row, v->h, v->rh, cubic), cols = filter_at(col, v->w, v->rw, cubic);
    double total = 0;
    for (uint32_t i = rows.first; i < rows.end; i += rows.stride)
        for (uint32_t j = cols.first; j < cols.end; j += cols.stride) {
            uint32_t p = pixels[(uint64_t) (v->y + i) * width + v->x + j];
            double w = weight(&rows, i) * weight(&cols, j);
            for (int k = 0; k < 3; k++)
                c[k] += w * (p >> 8 * k & 255);
            total += w;
        }
    for (int k = 0; k < 3; k++)
        c[k] = fmin(fmax(c[k] / total, 0), 255);
}

// ---- Colours, 0 ... 255 ----

static double gray_of(const double *c, uint32_t channels)
{
    return channels == 1 ? c[0] : 0.2989 * c[0] + 0.587 * c[1] + 0.114 * c[2];
}

static void blend(double *c, double with, double share)
{
    for (int k = 0; k < 3; k++)
        c[k] = fmin(fmax(share * c[k] + (1 - share) * with, 0), 255);
}

// To HSV, the hue in sixths of the circle, and back.
static void turn_hue(double *c, double turn)
{
    double most = fmax(fmax(c[0], c[1]), c[2]), range = most - fmin(fmin(c[0], c[1]), c[2]), hue;
    if (range <= 0)
        return;
    if (most == c[0])
        hue = (c[1] - c[2]) / range;
    else if (most == c[1])
        hue = 2 + (c[2] - c[0]) / range;
    else
        hue = 4 + (c[0] - c[1]) / range;
    hue = fmod(hue + 6 * turn + 12, 6);
    double s = range / most, f = hue - floor(hue);
    double p = most * (1 - s), q = most * (1 - s * f), t = most * (1 - s * (1 - f));
    const double sector[6][3] = { { most, t, p }, { q, most, p }, { p, most, t },
                                  { p, q, most }, { t, p, most }, { most, p, q } };
    memcpy(c, sector[(int) hue % 6], 3 * sizeof(*c));
}

static void jitter(const struct vkd__augment_params *p, const struct vkd_augment_drawn *d, double *out)
{
    uint32_t count = p->size * p->size;
    for (int step = 0; step < 4; step++) {
        uint32_t op = d->order >> 4 * step & 15;
        double factor = (double) d->factor[op], mean = 0;
        if (!(d->ops >> op & 1))
            continue;
        for (uint32_t i = 0; i < count && op == VKD_OP_CONTRAST; i++)
            mean += gray_of(out + 4 * i, p->channels) / count;
        for (uint32_t i = 0; i < count; i++)
            if (op == VKD_OP_BRIGHTNESS || op == VKD_OP_CONTRAST)
                blend(out + 4 * i, mean, factor);
            else if (op == VKD_OP_SATURATION && p->channels == 3)
                blend(out + 4 * i, gray_of(out + 4 * i, 3), factor);
            else if (op == VKD_OP_HUE && p->channels == 3)
                turn_hue(out + 4 * i, factor);
    }
}

static uint32_t reflected(int32_t i, uint32_t size)
{
    int32_t last = (int32_t) size - 1;
    return (uint32_t) (i < 0 ? -i : i > last ? 2 * last - i : i);
}

// Rows into `between`, columns back.
static void blur(const struct vkd__augment_params *p, double sigma, double *out, double *between)
{
    int32_t reach = (int32_t) vkd__augment_blur_half(p);
    double total = 0;
    for (int32_t i = -reach; i <= reach; i++)
        total += exp(-0.5 * i * i / (sigma * sigma));
    memset(between, 0, (size_t) p->size * p->size * 4 * sizeof(*between));
    for (int pass = 0; pass < 2; pass++) {
        const double *from = pass ? between : out;
        double *to = pass ? out : between;
        for (uint32_t i = 0; i < p->size * p->size; i++) {
            uint32_t row = i / p->size, col = i % p->size;
            double sum[3] = { 0 };
            for (int32_t k = -reach; k <= reach; k++) {
                uint32_t at = pass ? reflected((int32_t) row + k, p->size) * p->size + col
                                   : row * p->size + reflected((int32_t) col + k, p->size);
                for (int c = 0; c < 3; c++)
                    sum[c] += exp(-0.5 * k * k / (sigma * sigma)) / total * from[4 * at + (uint32_t) c];
            }
            memcpy(to + 4 * i, sum, sizeof(sum));
        }
    }
}

vkd_result vkd__augment_ref(const struct vkd__augment_params *p, const struct vkd_batch_image *image,
                            const uint32_t *pixels, const struct vkd_augment_drawn *drawn, double *out)
{
    const struct vkd_view *v = &drawn->view;
    uint32_t count = p->size * p->size;
    memset(out, 0, 4 * count * sizeof(*out));
    for (uint32_t i = 0; i < count; i++) {
        int64_t row = (int64_t) (i / p->size) + v->top;
        int64_t col = (int64_t) (v->flip ? p->size - 1 - i % p->size : i % p->size) + v->left;
        if (row >= 0 && row < v->rh && col >= 0 && col < v->rw)
            resized(v, p->filter == VKD__FILTER_BICUBIC, pixels + image->ofs, image->width, (uint32_t) row,
                    (uint32_t) col, out + 4 * i);
    }
    jitter(p, drawn, out);
    for (uint32_t i = 0; i < count && (drawn->ops >> VKD_OP_GRAY & 1) && p->channels == 3; i++)
        out[4 * i] = out[4 * i + 1] = out[4 * i + 2] = gray_of(out + 4 * i, 3);
    if (drawn->ops >> VKD_OP_BLUR & 1) {
        double *between = malloc(4 * count * sizeof(*between));
        if (!between)
            return VKD_NO_MEMORY;
        blur(p, (double) drawn->sigma, out, between);
        free(between);
    }
    for (uint32_t i = 0; i < 4 * count; i++) {
        if ((drawn->ops >> VKD_OP_SOLARIZE & 1) && out[i] >= 128)
            out[i] = 255 - out[i];
        out[i] = i % 4 < p->channels ? (out[i] / 255 - (double) p->mean[i % 4]) / (double) p->std[i % 4] : 0;
    }
    return VKD_OK;
}
