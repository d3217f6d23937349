// test_augment.c -- the augmentation kernel against its definition in double, and the definition
// against what is known of it.
#include "engine/augment.h"
#include "gpu.h"
#include "philox.h"
#include "step_block.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGES_MAX = 24 };

static const struct vkd_step_block step_block = { .seed = { 17, 4 }, .epoch = 3 };

static vkd_device *dev;

// A batch of noise.
struct world {
    struct vkd_batch_image table[IMAGES_MAX];
    uint32_t count, *pixels;
    uint64_t pixel_count;
};

static struct world make_world(uint32_t count, const uint32_t sizes[][2], bool grey)
{
    struct world w = { .count = count };
    for (uint32_t i = 0; i < count; i++) {
        w.table[i] = (struct vkd_batch_image) { .index = 1000 + 7 * i, .height = sizes[i][0], .width = sizes[i][1],
                                                .ofs = (uint32_t) w.pixel_count };
        w.pixel_count += sizes[i][0] * sizes[i][1];
    }
    w.pixels = malloc((size_t) w.pixel_count * 4);
    ck_assert_ptr_nonnull(w.pixels);
    for (uint64_t i = 0; i < w.pixel_count; i++) {
        u32 ctr[4] = { (u32) i, 99, 0, 0 }, key[2] = { 1, 2 };
        vkd_philox(ctr, key);
        w.pixels[i] = (grey ? (ctr[0] & 255) * 0x010101u : ctr[0] & 0xffffffu) | 0xff000000u;
    }
    return w;
}

// Augments the batch on the device, as `drawn` says for each image where it is not NULL; the caller frees.
static float *augment_as(const struct world *w, const struct vkd__augment_params *p, uint32_t valid,
                         const struct vkd_augment_drawn *drawn)
{
    vkd_buffer *table, *pixels, *step, *out, *scratch = NULL;
    vkd_commands *cmds;
    struct vkd_step_block block = step_block;
    block.image_count = valid;
    uint64_t size = (uint64_t) w->count * p->size * p->size * 16, table_size = w->count * sizeof(w->table[0]);
    uint64_t scratch_size = vkd__augment_scratch(p, w->count), drawn_size = w->count * sizeof(*drawn);
    float *y = malloc((size_t) size);
    ck_assert_int_eq(vkd_buffer_create(dev, table_size, VKD_MEMORY_DEVICE, &table), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, w->pixel_count * 4, VKD_MEMORY_DEVICE, &pixels), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, sizeof(block), VKD_MEMORY_DEVICE, &step), VKD_OK);
    ck_assert_int_eq(vkd_buffer_create(dev, size, VKD_MEMORY_DEVICE, &out), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, table, 0, w->table, table_size), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, pixels, 0, w->pixels, w->pixel_count * 4), VKD_OK);
    ck_assert_int_eq(vkd_buffer_write(dev, step, 0, &block, sizeof(block)), VKD_OK);
    if (scratch_size)
        ck_assert_int_eq(vkd_buffer_create(dev, scratch_size, VKD_MEMORY_DEVICE, &scratch), VKD_OK);
    if (drawn)
        ck_assert_int_eq(vkd_buffer_write(dev, scratch, 0, drawn, drawn_size), VKD_OK);
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    ck_assert_int_eq((drawn ? vkd__augment_record_drawn : vkd__augment_record)(
        dev, cmds, p, w->count, (struct vkd_range) { .buffer = table }, (struct vkd_range) { .buffer = pixels },
        (struct vkd_range) { .buffer = step }, (struct vkd_range) { .buffer = scratch },
        (struct vkd_range) { .buffer = out }), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, out, 0, y, size), VKD_OK);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer_destroy(dev, &scratch);
    vkd_buffer_destroy(dev, &out);
    vkd_buffer_destroy(dev, &step);
    vkd_buffer_destroy(dev, &pixels);
    vkd_buffer_destroy(dev, &table);
    return y;
}

static float *augment(const struct world *w, const struct vkd__augment_params *p, uint32_t valid)
{
    return augment_as(w, p, valid, NULL);
}

// Where the inversion of solarize sets in it makes a jump from 128 to 127: either side will do.
static bool beside_the_jump(const struct vkd__augment_params *p, double got, double want, uint32_t channel)
{
    double std = (double) p->std[channel], mean = (double) p->mean[channel];
    return p->solarize > 0 && fabs((got * std + mean) * 255 - 127.5) < 0.501 && fabs((want * std + mean) * 255 - 127.5) < 0.501;
}

// Every pixel within `tol` of the definition. A wrong decision about a box moves noise pixels far.
static void compare(const struct world *w, const struct vkd__augment_params *p, double tol)
{
    float *y = augment(w, p, w->count);
    uint32_t count = p->size * p->size * 4;
    double *want = malloc(count * sizeof(double));
    for (uint32_t n = 0; n < w->count; n++) {
        struct vkd_augment_drawn drawn = vkd__augment_draw(p, &w->table[n], step_block.seed, step_block.epoch);
        ck_assert_int_eq(vkd__augment_ref(p, &w->table[n], w->pixels, &drawn, want), VKD_OK);
        for (uint32_t i = 0; i < count; i++)
            if (!(fabs(y[n * count + i] - want[i]) <= tol) && !beside_the_jump(p, y[n * count + i], want[i], i % 4))
                ck_abort_msg("image %u (%u x %u), element %u: %.9g, expected %.9g", n, w->table[n].height,
                             w->table[n].width, i, (double) y[n * count + i], want[i]);
    }
    free(want);
    free(y);
}

static const uint32_t sizes[][2] = {
    { 32, 32 }, { 28, 28 }, { 40, 50 }, { 50, 40 }, { 1, 1 }, { 3, 90 }, { 90, 3 }, { 64, 64 }, { 33, 31 },
    { 200, 300 }, { 31, 32 }, { 300, 17 },
};
enum { SIZES = sizeof(sizes) / sizeof(sizes[0]) };

static struct vkd__augment_params params(enum vkd__augment_mode mode, uint32_t size, uint32_t channels)
{
    return (struct vkd__augment_params) {
        .mode = mode, .size = size, .channels = channels, .pad = 4, .scale = { 0.08f, 1 }, .ratio = { 0.75f, 4.0f / 3 },
        .flip = 0.5f, .mean = { 0.485f, 0.456f, 0.406f }, .std = { 0.229f, 0.224f, 0.225f },
    };
}

// With all operations, each on its own coin.
static struct vkd__augment_params colors(uint32_t size, uint32_t channels)
{
    struct vkd__augment_params p = params(VKD__AUGMENT_RESIZED_CROP, size, channels);
    for (int i = 0; i < 4; i++)
        p.jitter[i] = i == VKD_OP_HUE ? 0.5f : 0.8f;
    p.jitter_p = 0.7f;
    p.gray = 0.3f;
    p.blur = 0.5f;
    p.solarize = 0.3f;
    return p;
}

START_TEST(pixels_follow_the_definition)
{
    struct world w = make_world(SIZES, sizes, false);
    for (int mode = VKD__AUGMENT_NONE; mode <= VKD__AUGMENT_RESIZED_CROP; mode++) {
        static const uint32_t outputs[] = { 1, 7, 32, 45 };
        for (int i = 0; i < 4; i++) {
            struct vkd__augment_params p = params((enum vkd__augment_mode) mode, outputs[i], i % 2 ? 3 : 1);
            compare(&w, &p, 1e-5);
            p.resize = outputs[i] + 5;
            compare(&w, &p, 1e-5);
        }
    }
    free(w.pixels);
}
END_TEST

// Outputs of one workgroup and of several, with all of a workgroup's pixels and with one more.
START_TEST(colors_follow_the_definition)
{
    struct world w = make_world(SIZES, sizes, false);
    static const uint32_t outputs[] = { 2, 7, 28, 32, 33, 70 };
    for (uint32_t i = 0; i < 12; i++) {
        struct vkd__augment_params p = colors(outputs[i / 2], i % 2 ? 3 : 1);
        for (p.view = 0; p.view < 4; p.view++) {
            p.filter = p.view % 2 ? VKD__FILTER_BICUBIC : VKD__FILTER_BILINEAR;
            p.blur_kernel = p.size < 7 ? 3 : p.view == 2 ? 2 * p.size - 1 : p.view == 3 ? 7 : 0;
            compare(&w, &p, 1e-4);
        }
    }
    free(w.pixels);
}
END_TEST

// One operation at a time, in images of one workgroup and of several.
START_TEST(each_operation_follows_the_definition)
{
    struct world w = make_world(4, sizes, false);
    for (uint32_t i = 0; i < 16; i++) {
        struct vkd__augment_params p = params((enum vkd__augment_mode) (i % 3), i / 8 ? 41 : 32, 3);
        p.jitter_p = 1;
        if (i % 8 < 4)
            p.jitter[i % 8] = 0.5f;
        p.gray = i % 8 == 4;
        p.blur = i % 8 == 5;
        p.solarize = i % 8 == 6;
        p.filter = i % 8 == 7 ? VKD__FILTER_BICUBIC : VKD__FILTER_BILINEAR;
        ck_assert_int_eq(vkd__augment_scratch(&p, 4) > 0, i % 8 < 7);
        compare(&w, &p, 3e-5);
    }
    free(w.pixels);
}
END_TEST

START_TEST(a_whole_image_of_the_right_size_is_exact)
{
    static const uint32_t same[][2] = { { 28, 28 }, { 28, 28 } };
    for (uint32_t channels = 1; channels <= 3; channels += 2) {
        struct world w = make_world(2, same, channels == 1);
        struct vkd__augment_params p = params(VKD__AUGMENT_NONE, 28, channels);
        for (int i = 0; i < 3; i++) {
            p.mean[i] = 0;
            p.std[i] = 1 / 255.0f;      // the value itself, to the rounding of 1 / 255
        }
        float *y = augment(&w, &p, 2);
        for (uint32_t i = 0; i < 2 * 28 * 28; i++)
            for (uint32_t c = 0; c < 4; c++) {
                float value = (float) (w.pixels[i] >> 8 * c & 255);
                ck_assert_float_eq(y[4 * i + c], c < channels ? value * (float) (1 / (255 * (double) p.std[c])) : 0);
            }
        free(y);
        free(w.pixels);
    }
}
END_TEST

// Views of 9 pixels a side without and with operations on colours, and large ones with.
static struct vkd__augment_params kind_of_view(int i)
{
    return i == 0 ? params(VKD__AUGMENT_RESIZED_CROP, 9, 3) : colors(i == 1 ? 9 : 50, 3);
}

START_TEST(images_that_are_not_there_are_zero)
{
    struct world w = make_world(SIZES, sizes, false);
    struct vkd__augment_params p = kind_of_view(_i);
    float *all = augment(&w, &p, SIZES), *some = augment(&w, &p, 5);
    uint32_t count = p.size * p.size * 4;
    ck_assert_int_eq(memcmp(all, some, 5 * count * sizeof(float)), 0);
    for (uint32_t i = 5 * count; i < SIZES * count; i++)
        ck_assert_float_eq(some[i], 0);
    free(some);
    free(all);
    free(w.pixels);
}
END_TEST

START_TEST(a_batch_does_not_change_an_image)
{
    struct world w = make_world(SIZES, sizes, false), one = w;
    struct vkd__augment_params p = kind_of_view(_i);
    float *all = augment(&w, &p, SIZES);
    uint32_t count = p.size * p.size * 4;
    one.count = 1;
    for (uint32_t i = 0; i < SIZES; i++) {
        one.table[0] = w.table[i];
        float *alone = augment(&one, &p, 1);
        ck_assert_int_eq(memcmp(alone, all + i * count, count * sizeof(float)), 0);
        free(alone);
    }
    free(all);
    free(w.pixels);
}
END_TEST

// Filters of more taps than one pixel may take, and more loop iterations than some drivers count.
START_TEST(a_large_image_shrinks)
{
    static const uint32_t large[][2] = { { 3000, 2000 }, { 70, 9000 } };
    struct world w = make_world(2, large, false);
    struct vkd__augment_params p = params(VKD__AUGMENT_NONE, 8, 3);
    compare(&w, &p, 1e-4);
    free(w.pixels);
}
END_TEST

// ---- The draws ----

enum { DRAWS = 20000 };

static struct vkd_view draw(const struct vkd__augment_params *p, uint32_t h, uint32_t w, uint32_t index, uint32_t epoch)
{
    struct vkd_batch_image image = { .index = index, .height = h, .width = w };
    return vkd__augment_draw(p, &image, step_block.seed, epoch).view;
}

START_TEST(flips_come_at_their_rate)
{
    static const float rates[] = { 0, 0.25f, 0.5f, 1 };
    for (int r = 0; r < 4; r++) {
        struct vkd__augment_params p = params(VKD__AUGMENT_PAD_CROP, 32, 3);
        p.flip = rates[r];
        double flips = 0;
        for (uint32_t i = 0; i < DRAWS; i++)
            flips += draw(&p, 32, 32, i, 0).flip;
        // Five standard deviations at most.
        double rate = (double) rates[r];
        ck_assert_double_le(fabs(flips / DRAWS - rate), 5 * sqrt(rate * (1 - rate) / DRAWS));
    }
}
END_TEST

START_TEST(pad_crop_places_are_even)
{
    struct vkd__augment_params p = params(VKD__AUGMENT_PAD_CROP, 32, 3);
    uint32_t seen[9][9] = { 0 };
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct vkd_view b = draw(&p, 32, 32, i, 0);
        ck_assert_int_ge(b.left, -4);
        ck_assert_int_le(b.left, 4);
        ck_assert_int_ge(b.top, -4);
        ck_assert_int_le(b.top, 4);
        seen[b.top + 4][b.left + 4]++;
    }
    double want = DRAWS / 81.0, chi = 0;
    for (int i = 0; i < 81; i++)
        chi += (seen[i / 9][i % 9] - want) * (seen[i / 9][i % 9] - want) / want;
    ck_assert_double_lt(chi, 80 + 5 * sqrt(160));       // 80 degrees of freedom
}
END_TEST

// Of a large square nearly every try is accepted but for the widest; areas are then even, and the
// logarithm of the aspect too.
START_TEST(crops_have_the_stated_areas)
{
    struct vkd__augment_params p = params(VKD__AUGMENT_RESIZED_CROP, 32, 3);
    p.scale[0] = 0.1f;
    p.scale[1] = 0.5f;
    double area = 0, aspect = 0, x = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct vkd_view b = draw(&p, 1000, 1000, i, 0);
        double share = (double) b.w * b.h / 1e6, ratio = (double) b.w / b.h;
        ck_assert_uint_le(b.x + b.w, 1000);
        ck_assert_uint_le(b.y + b.h, 1000);
        ck_assert(share > 0.099 && share < 0.501);
        ck_assert(ratio > 0.745 && ratio < 1.34);
        area += share / DRAWS;
        aspect += log(ratio) / DRAWS;
        x += (double) b.x / (1000 - b.w) / DRAWS;
    }
    ck_assert_double_eq_tol(area, 0.3, 5 * 0.1155 / sqrt(DRAWS));       // std of U(0.1, 0.5)
    ck_assert_double_eq_tol(aspect, 0, 5 * 0.1661 / sqrt(DRAWS));       // std of U(ln 3/4, ln 4/3)
    ck_assert_double_eq_tol(x, 0.5, 5 * 0.2887 / sqrt(DRAWS));
}
END_TEST

// No try fits: the largest centred part of the nearest aspect.
START_TEST(narrow_images_fall_back)
{
    struct vkd__augment_params p = params(VKD__AUGMENT_RESIZED_CROP, 32, 3);
    p.scale[0] = 0.9f;
    struct vkd_view b = draw(&p, 20, 400, 0, 0);
    ck_assert_uint_eq(b.w, 27);
    ck_assert_uint_eq(b.h, 20);
    ck_assert_uint_eq(b.x, 186);
    ck_assert_uint_eq(b.y, 0);
    b = draw(&p, 400, 30, 0, 0);
    ck_assert_uint_eq(b.w, 30);
    ck_assert_uint_eq(b.h, 40);
    ck_assert_uint_eq(b.y, 180);
}
END_TEST

START_TEST(epochs_and_images_differ)
{
    struct vkd__augment_params p = params(VKD__AUGMENT_RESIZED_CROP, 32, 3);
    uint32_t same = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct vkd_view a = draw(&p, 400, 400, i, 0), again = draw(&p, 400, 400, i, 0);
        struct vkd_view b = draw(&p, 400, 400, i, 1), c = draw(&p, 400, 400, i + 1, 0);
        ck_assert_int_eq(memcmp(&a, &again, sizeof(a)), 0);
        same += !memcmp(&a, &b, sizeof(a)) + !memcmp(&a, &c, sizeof(a));
    }
    ck_assert_uint_le(same, 1);
}
END_TEST

// Rates of all operations, ranges of their factors, and all orders.
START_TEST(operations_come_at_their_rates)
{
    struct vkd__augment_params p = colors(32, 3);
    p.jitter[0] = 1.5f;     // factors from 0 on
    p.jitter[3] = 0.2f;
    p.blur_sigma[0] = 0.5f;
    p.blur_sigma[1] = 4;
    static const float rates[] = { 0.7f, 0.7f, 0.7f, 0.7f, 0.3f, 0.5f, 0.3f };
    static const double ranges[][2] = { { 0, 2.5 }, { 0.2, 1.8 }, { 0.2, 1.8 }, { -0.2, 0.2 }, { 0.5, 4 } };
    double ops[7] = { 0 }, factors[5] = { 0 }, chi = 0;
    uint32_t orders[256] = { 0 }, distinct = 0;
    for (uint32_t i = 0; i < DRAWS; i++) {
        struct vkd_batch_image image = { .index = i, .height = 32, .width = 32 };
        struct vkd_augment_drawn d = vkd__augment_draw(&p, &image, step_block.seed, 0);
        for (int op = 0; op < 7; op++)
            ops[op] += (d.ops >> op & 1) / (double) DRAWS;
        for (int f = 0; f < 5; f++) {
            double v = (double) (f < 4 ? d.factor[f] : d.sigma);
            ck_assert(v >= ranges[f][0] - 1e-6 && v <= ranges[f][1] + 1e-6);
            factors[f] += v / DRAWS;
        }
        uint32_t o = d.order;
        ck_assert_uint_eq((1u << (o & 15)) | (1u << (o >> 4 & 15)) | (1u << (o >> 8 & 15)) | (1u << o / 4096), 15);
        orders[(o & 3) | (o >> 2 & 12) | (o >> 4 & 48) | (o >> 6 & 192)]++;
    }
    for (int op = 0; op < 7; op++)
        ck_assert_double_eq_tol(ops[op], (double) rates[op], 5 * 0.5 / sqrt(DRAWS));
    for (int f = 0; f < 5; f++)
        ck_assert_double_eq_tol(factors[f], (ranges[f][0] + ranges[f][1]) / 2,
                                5 * (ranges[f][1] - ranges[f][0]) / sqrt(12.0 * DRAWS));
    for (int i = 0; i < 256; i++) {
        distinct += orders[i] > 0;
        chi += orders[i] ? (orders[i] - DRAWS / 24.0) * (orders[i] - DRAWS / 24.0) / (DRAWS / 24.0) : 0;
    }
    ck_assert_uint_eq(distinct, 24);
    ck_assert_double_lt(chi, 23 + 5 * sqrt(46));        // 23 degrees of freedom
}
END_TEST

START_TEST(views_differ)
{
    struct vkd__augment_params p = colors(32, 3), q = p;
    uint32_t same = 0;
    q.view = 1;
    for (uint32_t i = 0; i < 1000; i++) {
        struct vkd_batch_image image = { .index = i, .height = 400, .width = 400 };
        struct vkd_augment_drawn a = vkd__augment_draw(&p, &image, step_block.seed, 0);
        struct vkd_augment_drawn b = vkd__augment_draw(&q, &image, step_block.seed, 0);
        same += !memcmp(&a.view, &b.view, sizeof(a.view)) || !memcmp(a.factor, b.factor, sizeof(a.factor));
    }
    ck_assert_uint_eq(same, 0);
}
END_TEST

// What no machine may decide differently: the boxes of this seed, summed up.
START_TEST(boxes_are_the_same_everywhere)
{
    uint64_t sum = 14695981039346656037u;
    for (uint32_t i = 0; i < 3000; i++) {
        struct vkd__augment_params p = params((enum vkd__augment_mode) (i % 3), 32, 3);
        struct vkd_view b = draw(&p, 32 + i % 97, 32 + i % 89, i, i % 5);
        const uint32_t words[] = { b.x, b.y, b.w, b.h, (uint32_t) b.left, (uint32_t) b.top, b.flip };
        for (size_t k = 0; k < sizeof(words) / 4; k++)
            sum = (sum ^ words[k]) * 1099511628211u;
    }
    ck_assert_uint_eq(sum, 5454403330269760772u);
}
END_TEST

// The same of the operations on colours, to the last bit of their factors.
START_TEST(draws_are_the_same_everywhere)
{
    uint64_t sum = 14695981039346656037u;
    struct vkd__augment_params p = colors(32, 3);
    for (uint32_t i = 0; i < 3000; i++) {
        struct vkd_batch_image image = { .index = i, .height = 32 + i % 97, .width = 32 + i % 89 };
        p.view = i % 3;
        struct vkd_augment_drawn d = vkd__augment_draw(&p, &image, step_block.seed, i % 5);
        for (size_t k = 0; k < sizeof(d) / 4; k++) {
            uint32_t word;
            memcpy(&word, (const char *) &d + 4 * k, 4);
            sum = (sum ^ word) * 1099511628211u;
        }
    }
    ck_assert_uint_eq(sum, 3198190876119098840u);
}
END_TEST

START_TEST(bad_parameters_are_named)
{
    struct world w = make_world(1, sizes, false);
    vkd_commands *cmds;
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    enum { BAD = 14 };
    struct vkd__augment_params p[BAD];
    for (int i = 0; i < BAD; i++)
        p[i] = colors(32, 3);
    p[0].channels = 2;
    p[1].size = 0;
    p[2].resize = 31;
    p[3].flip = NAN;
    p[4].scale[1] = 1.5f;
    p[5].ratio[0] = 0;
    p[6].std[1] = 0;
    p[7].jitter[3] = 0.6f;
    p[8].jitter[1] = -1;
    p[9].gray = NAN;
    p[10].blur_kernel = 4;
    p[11].blur_kernel = 65;     // more than a reflection has
    p[12].blur_sigma[0] = 1;    // above the other
    p[13].view = 1 << 24;
    struct vkd_range none = { 0 };
    unsigned before = gpu_errors;
    for (int i = 0; i < BAD; i++)
        ck_assert_int_eq(vkd__augment_record(dev, cmds, &p[i], 1, none, none, none, none, none), VKD_INVALID);
    ck_assert_uint_eq(gpu_errors - before, BAD);
    vkd_commands_destroy(dev, &cmds);
    free(w.pixels);
}
END_TEST

int main(void)
{
    dev = gpu_open();
    if (!dev)
        return 1;
    Suite *s = suite_create("augment");
    TCase *t = tcase_create("kernel");
    tcase_set_timeout(t, 300);
    tcase_add_test(t, pixels_follow_the_definition);
    tcase_add_test(t, colors_follow_the_definition);
    tcase_add_test(t, each_operation_follows_the_definition);
    tcase_add_test(t, a_whole_image_of_the_right_size_is_exact);
    tcase_add_loop_test(t, images_that_are_not_there_are_zero, 0, 3);
    tcase_add_loop_test(t, a_batch_does_not_change_an_image, 0, 3);
    tcase_add_test(t, a_large_image_shrinks);
    suite_add_tcase(s, t);
    t = tcase_create("draws");
    tcase_add_test(t, flips_come_at_their_rate);
    tcase_add_test(t, pad_crop_places_are_even);
    tcase_add_test(t, crops_have_the_stated_areas);
    tcase_add_test(t, narrow_images_fall_back);
    tcase_add_test(t, epochs_and_images_differ);
    tcase_add_test(t, operations_come_at_their_rates);
    tcase_add_test(t, views_differ);
    tcase_add_test(t, draws_are_the_same_everywhere);
    tcase_add_test(t, boxes_are_the_same_everywhere);
    tcase_add_test(t, bad_parameters_are_named);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    uint64_t messages = vkd_device_stats(dev).validation_messages;
    vkd_device_destroy(&dev);
    return failed > 0 || messages > 0;
}
