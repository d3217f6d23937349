// augment.c -- recording the augmentation kernels.
#include "augment.h"

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
_Static_assert((uint32_t) VKD__FILTER_BILINEAR == VKD_FILTER_BILINEAR, "filter");
_Static_assert((uint32_t) VKD__FILTER_BICUBIC == VKD_FILTER_BICUBIC, "filter");

enum { SIDE_MAX = 2048, GROUP_PIXELS = 1024, BLUR_HALF_MAX = 127, ALIGN = 256 };     // as augment_photo.glsl has them

// ---- What the kernels are given ----

static uint32_t fixed(double v, double one) { return (uint32_t) floor(v * one + 0.5); }
static uint32_t share(float v) { return fixed((double) v, 16777216.0); }

static struct vkd_augment_crop crop_of(const struct vkd__augment_params *p)
{
    struct vkd_augment_crop c = { .mode = p->mode, .size = p->size, .resize = p->resize ? p->resize : p->size,
                                  .pad = p->pad, .flip = share(p->flip), .view = p->view };
    for (int i = 0; i < 2 && p->mode == VKD__AUGMENT_RESIZED_CROP; i++) {
        c.scale[i] = share(p->scale[i]);
        c.root[i] = (int32_t) floor(0.5 * log2((double) p->ratio[i]) * 16777216.0 + 0.5);
        c.ratio[i] = fixed((double) p->ratio[i], 65536.0);
    }
    return c;
}

static void normalisation(const struct vkd__augment_params *p, float gain[3], float bias[3])
{
    for (uint32_t i = 0; i < p->channels; i++) {
        gain[i] = (float) (1 / (255.0 * (double) p->std[i]));
        bias[i] = (float) (-(double) p->mean[i] / (double) p->std[i]);
    }
}

static struct vkd_pc_augment_draw draw_of(const struct vkd__augment_params *p, uint32_t batch)
{
    struct vkd_pc_augment_draw pc = { .crop = crop_of(p), .batch = batch, .jitter = share(p->jitter_p),
                                      .gray = share(p->gray), .blur = share(p->blur), .solarize = share(p->solarize) };
    for (int i = 0; i < 4; i++) {
        double j = (double) p->jitter[i], low = i == VKD_OP_HUE ? -j : fmax(0, 1 - j), high = i == VKD_OP_HUE ? j : 1 + j;
        pc.jitter_ops |= (uint32_t) (j > 0) << i;
        pc.low[i] = (int32_t) floor(low * 1048576.0 + 0.5);
        pc.span[i] = (uint32_t) ((int32_t) floor(high * 1048576.0 + 0.5) - pc.low[i]);
    }
    bool usual = !(p->blur_sigma[1] > 0);
    pc.sigma_low = fixed(usual ? 0.1 : (double) p->blur_sigma[0], 1048576.0);
    pc.sigma_span = fixed(usual ? 2.0 : (double) p->blur_sigma[1], 1048576.0) - pc.sigma_low;
    return pc;
}

uint32_t vkd__augment_blur_half(const struct vkd__augment_params *p)
{
    uint32_t half = p->blur_kernel ? p->blur_kernel / 2 : p->size / 20;
    return half ? half : 1;
}

struct vkd_augment_drawn vkd__augment_draw(const struct vkd__augment_params *p, const struct vkd_batch_image *image,
                                           const uint32_t seed[2], uint32_t epoch)
{
    return vkd_augment_draw(draw_of(p, 1), image->width, image->height, image->index, seed[0], seed[1], epoch);
}

// ---- Checking ----

static bool is_share(float v) { return v >= 0 && v <= 1; }

static const char *bad_colors(const struct vkd__augment_params *p)
{
    for (int i = 0; i < 4; i++)
        if (!(p->jitter[i] >= 0 && p->jitter[i] <= (i == VKD_OP_HUE ? 0.5f : 8)))
            return i == VKD_OP_HUE ? "the hue's jitter must be 0 to 0.5" : "jitter must be 0 to 8";
    if (!is_share(p->jitter_p) || !is_share(p->gray) || !is_share(p->blur) || !is_share(p->solarize))
        return "jitter_p, gray, blur and solarize must be 0 to 1";
    bool usual = p->blur_sigma[0] == 0 && p->blur_sigma[1] == 0;
    if (!usual && !(p->blur_sigma[0] >= 0.01f && p->blur_sigma[0] <= p->blur_sigma[1] && p->blur_sigma[1] <= 15))
        return "blur_sigma must be an increasing pair within 0.01 to 15";
    if (p->blur_kernel && (p->blur_kernel % 2 == 0 || p->blur_kernel < 3 || p->blur_kernel > 2 * BLUR_HALF_MAX + 1))
        return "blur_kernel must be 0, or odd and 3 to 255";
    if (p->blur > 0 && vkd__augment_blur_half(p) >= p->size)
        return "blur_kernel must be below twice the size";
    return NULL;
}

static vkd_result check(const struct vkd__augment_params *p, const struct vkd_log *log)
{
    const char *why = bad_colors(p);
    bool crop = p->mode == VKD__AUGMENT_RESIZED_CROP;
    if (p->channels != 1 && p->channels != 3)
        why = "channels must be 1 or 3";
    else if (p->size < 1 || p->size > SIDE_MAX)
        why = "size must be 1 to 2048";
    else if (p->resize && (p->resize < p->size || p->resize > SIDE_MAX))
        why = "resize must be 0, or at least size and at most 2048";
    else if (p->pad > SIDE_MAX)
        why = "pad must be at most 2048";
    else if (!is_share(p->flip))
        why = "flip must be 0 to 1";
    else if (crop && !(p->scale[0] > 0 && p->scale[0] <= p->scale[1] && p->scale[1] <= 1))
        why = "scale must be an increasing pair within 0 to 1";
    else if (crop && !(p->ratio[0] >= 0.0625f && p->ratio[0] <= p->ratio[1] && p->ratio[1] <= 16))
        why = "ratio must be an increasing pair within 1/16 to 16";
    else if (p->view >> 24)
        why = "view must be below 2^24";
    for (uint32_t i = 0; !why && i < p->channels; i++)
        if (!(p->std[i] > 0))
            why = "std must be positive";
    if (!why)
        return VKD_OK;
    vkd_log_write(log, VKD_LOG_ERROR, "augmentation: %s", why);
    return VKD_INVALID;
}

// ---- Recording ----

static bool jitters(const struct vkd__augment_params *p)
{
    return p->jitter_p > 0 && (p->jitter[0] > 0 || p->jitter[1] > 0 || p->jitter[2] > 0 || p->jitter[3] > 0);
}

static bool has_colors(const struct vkd__augment_params *p)
{
    return jitters(p) || p->gray > 0 || p->blur > 0 || p->solarize > 0;
}

// Workgroups of an image.
static uint32_t chunks_of(const struct vkd__augment_params *p)
{
    return (p->size * p->size + GROUP_PIXELS - 1) / GROUP_PIXELS;
}

// Parts of the scratch memory: draws, the gray sums of chunks, and what is between the passes of a blur.
struct parts { struct vkd_range drawn, sums, between; uint64_t end; };

static struct vkd_range part(struct parts *s, struct vkd_range scratch, uint64_t size)
{
    struct vkd_range r = { scratch.buffer, scratch.ofs + s->end, size };
    s->end += (size + ALIGN - 1) / ALIGN * ALIGN;
    return r;
}

static struct parts parts_of(const struct vkd__augment_params *p, uint32_t batch, struct vkd_range scratch)
{
    struct parts s = { .end = 0 };
    if (!has_colors(p))
        return s;
    uint32_t chunks = chunks_of(p);
    s.drawn = part(&s, scratch, (uint64_t) batch * sizeof(struct vkd_augment_drawn));
    if (chunks > 1)
        s.sums = part(&s, scratch, (uint64_t) batch * chunks * sizeof(float));
    if (chunks > 1 && p->blur > 0)
        s.between = part(&s, scratch, (uint64_t) batch * p->size * p->size * 16);
    return s;
}

uint64_t vkd__augment_scratch(const struct vkd__augment_params *p, uint32_t batch)
{
    return parts_of(p, batch, (struct vkd_range) { 0 }).end;
}

struct dispatch {
    const char *kernel;
    struct vkd_range ranges[6];
    uint32_t range_count;
    const void *push;
    uint32_t push_size;
    uint64_t groups;
};

static vkd_result dispatch(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p,
                           const struct dispatch *d)
{
    struct vkd_kernel_params kp = { .name = d->kernel, .spec = { p->filter, p->channels }, .spec_count = 2 };
    vkd_kernel *kernel;
    vkd_result r = vkd_kernel_get(dev, &kp, &kernel);
    if (r < 0)
        return r;
    uint32_t max = vkd_device_caps(dev)->group_count_max[0], x = d->groups < max ? (uint32_t) d->groups : max;
    vkd_commands_dispatch(cmds, kernel, d->ranges, d->range_count, d->push, d->push_size,
                          (uint32_t[3]) { x, x ? (uint32_t) ((d->groups + x - 1) / x) : 0, 1 });
    return VKD_OK;
}

// Without operations on colours.
static vkd_result record_plain(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p, uint32_t batch,
                               struct vkd_range table, struct vkd_range pixels, struct vkd_range step,
                               struct vkd_range out)
{
    struct vkd_pc_augment pc = { .crop = crop_of(p), .batch = batch, .channels = p->channels };
    normalisation(p, pc.gain, pc.bias);
    uint64_t threads = (uint64_t) batch * p->size * ((p->size + 3) / 4);
    return dispatch(dev, cmds, p, &(struct dispatch) { "augment", { table, pixels, step, out }, 4, &pc, sizeof(pc),
                                                       (threads + 63) / 64 });
}

vkd_result vkd__augment_record_drawn(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p,
                                     uint32_t batch, struct vkd_range table, struct vkd_range pixels,
                                     struct vkd_range step, struct vkd_range scratch, struct vkd_range out)
{
    vkd_result r = check(p, vkd_device_log(dev));
    if (r < 0)
        return r;
    struct parts s = parts_of(p, batch, scratch);
    struct vkd_pc_augment_photo pc = { .batch = batch, .size = p->size, .chunks = chunks_of(p),
                                       .blur_half = vkd__augment_blur_half(p) };
    normalisation(p, pc.gain, pc.bias);
    uint64_t groups = (uint64_t) batch * pc.chunks;
    if (pc.chunks == 1)
        return dispatch(dev, cmds, p, &(struct dispatch) {
            "augment_photo.whole", { table, pixels, step, s.drawn, out }, 5, &pc, sizeof(pc), groups });
    struct dispatch passes[] = {
        { "augment_photo.before", { table, pixels, step, s.drawn, out, s.sums }, 6, &pc, sizeof(pc), groups },
        { "augment_photo.after", { step, s.drawn, s.sums, out }, 4, &pc, sizeof(pc), groups },
        { "augment_blur.rows", { step, s.drawn, out, s.between }, 4, &pc, sizeof(pc), groups },
        { "augment_blur.columns", { step, s.drawn, s.between, out }, 4, &pc, sizeof(pc), groups },
    };
    bool wanted[] = { true, p->jitter_p > 0 && p->jitter[VKD_OP_CONTRAST] > 0, p->blur > 0, p->blur > 0 };
    for (int i = 0; r == VKD_OK && i < 4; i++)
        if (wanted[i])
            r = dispatch(dev, cmds, p, &passes[i]);
    return r;
}

vkd_result vkd__augment_record(vkd_device *dev, vkd_commands *cmds, const struct vkd__augment_params *p,
                               uint32_t batch, struct vkd_range table, struct vkd_range pixels,
                               struct vkd_range step, struct vkd_range scratch, struct vkd_range out)
{
    vkd_result r = check(p, vkd_device_log(dev));
    if (r < 0)
        return r;
    if (!has_colors(p))
        return record_plain(dev, cmds, p, batch, table, pixels, step, out);
    struct vkd_pc_augment_draw pc = draw_of(p, batch);
    r = dispatch(dev, cmds, p, &(struct dispatch) {
        "augment_draw", { table, step, parts_of(p, batch, scratch).drawn }, 3, &pc, sizeof(pc), (batch + 63) / 64 });
    return r < 0 ? r : vkd__augment_record_drawn(dev, cmds, p, batch, table, pixels, step, scratch, out);
}
