// augment.c -- recording the augmentation kernel, and its definition in double.
#include "augment.h"

#include <vkdiv/data.h>

#include <math.h>

#include "augment_draw.h"
#include "batch_image.h"
#include "step_block.h"

#define SAME_PLACE(field) \
    _Static_assert(offsetof(struct vkd_batch_image, field) == offsetof(struct vkd_batch_entry, field), #field)
_Static_assert(sizeof(struct vkd_batch_image) == sizeof(struct vkd_batch_entry), "vkd_batch_image");
SAME_PLACE(index);
SAME_PLACE(label);
SAME_PLACE(height);
SAME_PLACE(width);
SAME_PLACE(ofs);

_Static_assert((uint32_t) VKD__AUGMENT_NONE == VKD_AUGMENT_NONE, "mode");
_Static_assert((uint32_t) VKD__AUGMENT_PAD_CROP == VKD_AUGMENT_PAD_CROP, "mode");
_Static_assert((uint32_t) VKD__AUGMENT_RESIZED_CROP == VKD_AUGMENT_RESIZED_CROP, "mode");

enum { SIDE_MAX = 2048, TAPS_MAX = 64 };

static uint32_t fixed(double v, double one) { return (uint32_t) floor(v * one + 0.5); }

static struct vkd_pc_augment push(const struct vkd__augment_params *p, uint32_t batch)
{
    struct vkd_pc_augment pc = { .mode = p->mode, .batch = batch, .size = p->size, .channels = p->channels,
                                 .resize = p->resize ? p->resize : p->size, .pad = p->pad,
                                 .flip = fixed((double) p->flip, 16777216.0) };
    for (int i = 0; i < 2 && p->mode == VKD__AUGMENT_RESIZED_CROP; i++) {
        pc.scale[i] = fixed((double) p->scale[i], 16777216.0);
        pc.root[i] = (int32_t) floor(0.5 * log2((double) p->ratio[i]) * 16777216.0 + 0.5);
        pc.ratio[i] = fixed((double) p->ratio[i], 65536.0);
    }
    for (uint32_t i = 0; i < p->channels; i++) {
        pc.gain[i] = (float) (1 / (255.0 * (double) p->std[i]));
        pc.bias[i] = (float) (-(double) p->mean[i] / (double) p->std[i]);
    }
    return pc;
}

static vkd_result check(const struct vkd__augment_params *p, const struct vkd_log *log)
{
    const char *why = NULL;
    bool crop = p->mode == VKD__AUGMENT_RESIZED_CROP;
    if (p->channels != 1 && p->channels != 3)
        why = "channels must be 1 or 3";
    else if (p->size < 1 || p->size > SIDE_MAX)
        why = "size must be 1 to 2048";
    else if (p->resize && (p->resize < p->size || p->resize > SIDE_MAX))
        why = "resize must be 0, or at least size and at most 2048";
    else if (p->pad > SIDE_MAX)
        why = "pad must be at most 2048";
    else if (!(p->flip >= 0 && p->flip <= 1))
        why = "flip must be 0 to 1";
    else if (crop && !(p->scale[0] > 0 && p->scale[0] <= p->scale[1] && p->scale[1] <= 1))
        why = "scale must be an increasing pair within 0 to 1";
    else if (crop && !(p->ratio[0] >= 0.0625f && p->ratio[0] <= p->ratio[1] && p->ratio[1] <= 16))
        why = "ratio must be an increasing pair within 1/16 to 16";
    for (uint32_t i = 0; !why && i < p->channels; i++)
        if (!(p->std[i] > 0))
            why = "std must be positive";
    if (!why)
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "augmentation: %s", why);
    return VKD_INVALID;
}

vkd_result vkd__augment_record(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p,
                               uint32_t batch, struct vkd_range table, struct vkd_range pixels,
                               struct vkd_range step, struct vkd_range out)
{
    vkd_result r = check(p, vkd_device_log(dev));
    if (r < 0)
        return r;
    vkd_kernel *kernel;
    r = vkd_kernel_get(dev, &(struct vkd_kernel_params) { .name = "augment" }, &kernel);
    if (r < 0)
        return r;
    struct vkd_pc_augment pc = push(p, batch);
    struct vkd_range ranges[] = { table, pixels, step, out };
    uint64_t threads = (uint64_t) batch * p->size * ((p->size + 3) / 4), groups = (threads + 63) / 64;
    uint32_t max = vkd_device_caps(dev)->group_count_max[0], x = groups < max ? (uint32_t) groups : max;
    vkd_commands_dispatch(cmds, kernel, ranges, 4, &pc, sizeof(pc),
                          (uint32_t[3]) { x, x ? (uint32_t) ((groups + x - 1) / x) : 0, 1 });
    return VKD_OK;
}

// ---- The definition ----

struct filter { uint32_t first, end, stride; double centre, support; };

static struct filter filter_at(uint32_t o, uint32_t from, uint32_t to)
{
    double scale = (double) from / to, support = fmax(scale, 1), centre = (o + 0.5) * scale;
    struct filter f = { .centre = centre, .support = support, .end = from };
    // A hair inside, so that pixels of weight zero fall on neither side by rounding.
    if (centre - support > 0.5)
        f.first = (uint32_t) (centre - support + 0.5 + 1e-9);
    if (centre + support + 0.5 + 1e-9 < from)
        f.end = (uint32_t) (centre + support + 0.5 + 1e-9);
    f.stride = (f.end - f.first + TAPS_MAX - 1) / TAPS_MAX;
    return f;
}

static double weight(const struct filter *f, uint32_t i) { return fmax(0, 1 - fabs(i + 0.5 - f->centre) / f->support); }

static void resized(const struct vkd_view *v, const uint32_t *pixels, uint32_t width, uint32_t row, uint32_t col,
                    double c[3])
{
    struct filter rows = filter_at(row, v->h, v->rh), cols = filter_at(col, v->w, v->rw);
    double total = 0;
    c[0] = c[1] = c[2] = 0;
    for (uint32_t i = rows.first; i < rows.end; i += rows.stride)
        for (uint32_t j = cols.first; j < cols.end; j += cols.stride) {
            uint32_t p = pixels[(uint64_t) (v->y + i) * width + v->x + j];
            double w = weight(&rows, i) * weight(&cols, j);
            for (int k = 0; k < 3; k++)
                c[k] += w * (p >> 8 * k & 255);
            total += w;
        }
    for (int k = 0; k < 3; k++)
        c[k] /= total;
}

struct vkd__augment_box vkd__augment_ref(const struct vkd__augment_params *p, const struct vkd_batch_image *image,
                                         const uint32_t *pixels, const uint32_t seed[2], uint32_t epoch, double *out)
{
    struct vkd_pc_augment pc = push(p, 1);
    struct vkd_view v = vkd_augment_view(pc, image->width, image->height, image->index, seed[0], seed[1], epoch);
    for (uint32_t i = 0; out && i < p->size * p->size; i++) {
        int64_t row = (int64_t) (i / p->size) + v.top;
        int64_t col = (int64_t) (v.flip ? p->size - 1 - i % p->size : i % p->size) + v.left;
        double c[3] = { 0 };
        if (row >= 0 && row < v.rh && col >= 0 && col < v.rw)
            resized(&v, pixels + image->ofs, image->width, (uint32_t) row, (uint32_t) col, c);
        for (uint32_t k = 0; k < 4; k++)
            out[4 * i + k] = k < p->channels ? (c[k] / 255 - (double) p->mean[k]) / (double) p->std[k] : 0;
    }
    return (struct vkd__augment_box) { v.x, v.y, v.w, v.h, v.left, v.top, v.flip };
}
