// test_golden_augment.c -- the augmentation's kernels, and their definition in double, against torchvision
// (tests/golden/record_augment.py).
#include "engine/augment.h"
#include "step_block.h"

#include "tests/golden.h"
#include "tests/gpu.h"

#include <jansson.h>

static vkd_device *dev;
static vkd__st_file *file;
static double worst, worst_ref;     // of all cases, in 1 / 255

// One recorded case as the kernels take it.
struct golden_case {
    struct vkd__augment_params p;
    struct vkd_batch_image image;
    struct vkd_augment_drawn drawn;
    uint32_t *pixels;
    float *want;                    // (channels, size, size)
};

static void read_image(struct golden_case *c, const char *name)
{
    const struct vkd__st_tensor *t = golden_tensor(file, "image", ".", name);
    ck_assert_ptr_nonnull(t);
    float *v = golden_values(t);
    uint64_t count = t->shape[1] * t->shape[2];
    c->p.channels = (uint32_t) t->shape[0];
    c->image = (struct vkd_batch_image) { .height = (uint32_t) t->shape[1], .width = (uint32_t) t->shape[2] };
    c->pixels = malloc(count * sizeof(*c->pixels));
    for (uint64_t i = 0; i < count; i++) {
        c->pixels[i] = 0xff000000u;
        for (uint32_t k = 0; k < 3; k++)
            c->pixels[i] |= (uint32_t) v[(k < c->p.channels ? k * count : 0) + i] << 8 * k;
    }
    free(v);
}

// Operations in the order they are done; the jitter's others come after them, unwanted.
static void read_ops(struct golden_case *c, json_t *ops)
{
    static const char *const names[] = { "brightness", "contrast", "saturation", "hue", "gray", "blur", "solarize" };
    uint32_t steps = 0;
    for (size_t i = 0; i < json_array_size(ops); i++) {
        const char *name = json_string_value(json_array_get(json_array_get(ops, i), 0));
        float amount = (float) json_number_value(json_array_get(json_array_get(ops, i), 1));
        uint32_t op = 0;
        while (op < 7 && strcmp(name, names[op]))
            op++;
        ck_assert_uint_lt(op, 7);
        c->drawn.ops |= 1u << op;
        if (op == VKD_OP_BLUR)
            c->drawn.sigma = amount;
        if (op >= 4)
            continue;
        c->drawn.factor[op] = amount;
        c->drawn.order |= op << 4 * steps++;
    }
    for (uint32_t op = 0; op < 4; op++)
        if (!(c->drawn.ops >> op & 1))
            c->drawn.order |= op << 4 * steps++;
}

static struct golden_case read_case(const char *name)
{
    struct golden_case c = { .p = { .mode = VKD__AUGMENT_RESIZED_CROP, .scale = { 1, 1 }, .ratio = { 1, 1 },
                                    .jitter = { 1, 1, 1, 0.5f }, .jitter_p = 1, .gray = 1, .blur = 1, .solarize = 1,
                                    .std = { 1, 1, 1 } } };
    json_t *v = json_loads(vkd__st_metadata(file, name), 0, NULL), *ops;
    const char *image, *filter;
    int size, flip, kernel, x, y, w, h;
    ck_assert_int_eq(json_unpack(v, "{s:s, s:i, s:[iiii], s:o, s:s, s:i, s:i}", "image", &image, "size", &size, "view", &x,
                                 &y, &w, &h, "ops", &ops, "filter", &filter, "flip", &flip, "kernel", &kernel), 0);
    c.p.size = (uint32_t) size;
    c.p.filter = !strcmp(filter, "bicubic") ? VKD__FILTER_BICUBIC : VKD__FILTER_BILINEAR;
    c.p.blur_kernel = (uint32_t) kernel;
    read_image(&c, image);
    read_ops(&c, ops);
    c.drawn.view = (struct vkd_view) { .x = (uint32_t) x, .y = (uint32_t) y, .w = (uint32_t) w, .h = (uint32_t) h,
                                       .rw = c.p.size, .rh = c.p.size, .flip = (uint32_t) flip };
    c.want = golden_values(vkd__st_find(file, name));
    json_decref(v);
    return c;
}

static vkd_buffer *device_copy(const void *data, uint64_t size, uint64_t room)
{
    vkd_buffer *b;
    ck_assert_int_eq(vkd_buffer_create(dev, room, VKD_MEMORY_DEVICE, &b), VKD_OK);
    if (data)
        ck_assert_int_eq(vkd_buffer_write(dev, b, 0, data, size), VKD_OK);
    return b;
}

static void augment(const struct golden_case *c, float *y)
{
    struct vkd_step_block block = { .image_count = 1 };
    uint64_t pixel_size = 4ull * c->image.height * c->image.width, out_size = 16ull * c->p.size * c->p.size;
    vkd_buffer *table = device_copy(&c->image, sizeof(c->image), sizeof(c->image));
    vkd_buffer *pixels = device_copy(c->pixels, pixel_size, pixel_size);
    vkd_buffer *step = device_copy(&block, sizeof(block), sizeof(block));
    vkd_buffer *scratch = device_copy(&c->drawn, sizeof(c->drawn), vkd__augment_scratch(&c->p, 1));
    vkd_buffer *out = device_copy(NULL, 0, out_size);
    vkd_commands *cmds;
    ck_assert_int_eq(vkd_commands_create(dev, &cmds), VKD_OK);
    ck_assert_int_eq(vkd_commands_begin(cmds), VKD_OK);
    ck_assert_int_eq(vkd__augment_record_drawn(dev, cmds, &c->p, 1, (struct vkd_range) { table, 0, 0 },
                                               (struct vkd_range) { pixels, 0, 0 }, (struct vkd_range) { step, 0, 0 },
                                               (struct vkd_range) { scratch, 0, 0 }, (struct vkd_range) { out, 0, 0 }), VKD_OK);
    ck_assert_int_eq(vkd_commands_end(cmds), VKD_OK);
    ck_assert_int_eq(vkd_submit(dev, &cmds, 1, NULL), VKD_OK);
    ck_assert_int_eq(vkd_buffer_read(dev, out, 0, y, out_size), VKD_OK);
    vkd_commands_destroy(dev, &cmds);
    vkd_buffer *const all[] = { table, pixels, step, scratch, out };
    for (int i = 0; i < 5; i++) {
        vkd_buffer *b = all[i];
        vkd_buffer_destroy(dev, &b);
    }
}

// What comes out of the kernels in float, and of the definition in double.
START_TEST(operations_are_torchvisions)
{
    const char *name = vkd__st_at(file, (uint32_t) _i)->name;
    if (!strncmp(name, "image.", 6))
        return;
    struct golden_case c = read_case(name);
    uint32_t count = c.p.size * c.p.size;
    float *y = malloc(count * 16);
    double *ref = malloc(count * 32);
    augment(&c, y);
    ck_assert_int_eq(vkd__augment_ref(&c.p, &c.image, c.pixels, &c.drawn, ref), VKD_OK);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < 4; k++) {
            double want = k < c.p.channels ? (double) c.want[k * count + i] : 0;
            double off = 255 * fabs((double) y[4 * i + k] - want), off_ref = 255 * fabs(ref[4 * i + k] - want);
            worst = fmax(worst, off);
            worst_ref = fmax(worst_ref, off_ref);
            if (!(off <= 0.001) || !(off_ref <= 0.001))
                ck_abort_msg("%s, pixel %u, channel %u: %.6f / 255, in double %.6f, torchvision %.6f", name, i, k,
                             255 * (double) y[4 * i + k], 255 * ref[4 * i + k], 255 * want);
        }
    free(ref);
    free(y);
    free(c.want);
    free(c.pixels);
}
END_TEST

int main(void)
{
    dev = gpu_open();
    if (!dev || vkd__st_open(VKD_SOURCE_DIR "/tests/golden/augment.safetensors", vkd_device_log(dev), &file) < 0)
        return 1;
    Suite *s = suite_create("golden augment");
    TCase *t = tcase_create("torchvision");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, operations_are_torchvisions, 0, (int) vkd__st_count(file));
    suite_add_tcase(s, t);
    int status = gpu_run(s);
    uint64_t messages = vkd_device_stats(dev).validation_messages;
    printf("furthest from torchvision: %.6f / 255, in double %.6f / 255\n", worst, worst_ref);
    vkd__st_close(&file);
    vkd_device_destroy(&dev);
    return status || messages > 0;
}
