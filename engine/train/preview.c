// preview.c -- a contact sheet of images and their views, drawn as training draws them.
#include "classifier.h"
#include "preview_text.h"
#include "views.h"
#include "../data/image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE_MIN = 96,              // pixels of a cell: small views are shown enlarged
    GAP = 4, GROUP_GAP = 14,    // between cells; before each round of draws
    CAPTION = 2 * VKD__TEXT_HEIGHT + GAP,       // above the columns
    PAPER = 0xf0,               // gray of what is between
    SHEET_SIDE_MAX = 32768,
    SHEET_BYTES_MAX = 1 << 29,
    KINDS_MAX = 64,
    BLACK = 5,                  // 2 % of white
};

// A kind of view: the work that makes one of the image on the device, recorded once.
struct kind {
    struct vkd__augment_params params;
    char name[16];
    vkd_commands *make;
    uint32_t left;              // in its draw's group of columns
};

struct preview {
    vkd_device *dev;
    struct vkd_log log;
    const struct vkd_preview_params *p;
    vkd_dataset *set;
    struct vkd__image_plan plan;
    struct kind kinds[KINDS_MAX];
    uint32_t kind_count, cell, zoom;
    uint32_t group_width;       // of the views of one draw, gap included
    vkd_buffer *table, *pixels, *step, *scratch, *out;
    float *view;                // as read back: (size, size, 4)
    uint8_t *sheet;             // RGB
    uint32_t width, height;
    uint32_t painted, black;    // views; of them those that show nothing
};

// ---- Painting ----

static void paint(struct preview *v, uint32_t x, uint32_t y, const uint8_t rgb[3])
{
    memcpy(v->sheet + ((size_t) y * v->width + x) * 3, rgb, 3);
}

static uint32_t top_of(const struct preview *v, uint32_t row)
{
    return GAP + CAPTION + row * (v->cell + GAP);
}

// The whole image, as large as the cell has room for.
static vkd_result paint_original(struct preview *v, uint32_t row, struct vkd_image *image)
{
    uint32_t side = image->height > image->width ? image->height : image->width;
    uint32_t h = image->height * v->cell / side, w = image->width * v->cell / side;
    h = h ? h : 1;
    w = w ? w : 1;
    vkd_result r = vkd__image_resample(image, h, w);
    uint32_t x = GAP + (v->cell - w) / 2, y = top_of(v, row) + (v->cell - h) / 2;
    for (uint32_t i = 0; r == VKD_OK && i < h * w; i++)
        paint(v, x + i % w, y + i / w, image->pixels + 4 * i);
    return r;
}

static void paint_view(struct preview *v, uint32_t row, uint32_t draw, const struct kind *kind)
{
    uint32_t size = kind->params.size, side = size * v->zoom;
    uint8_t most = 0;
    uint32_t x = GAP + v->cell + GROUP_GAP + draw * v->group_width + kind->left, y = top_of(v, row) + (v->cell - side) / 2;
    for (uint32_t i = 0; i < side * side; i++) {
        const float *from = v->view + 4 * (i / side / v->zoom * size + i % side / v->zoom);
        uint8_t rgb[3];
        for (uint32_t c = 0; c < 3; c++) {
            rgb[c] = (uint8_t) lrintf(fminf(fmaxf(from[kind->params.channels == 1 ? 0 : c], 0), 1) * 255);
            most = rgb[c] > most ? rgb[c] : most;
        }
        paint(v, x + i % side, y + i / side, rgb);
    }
    v->painted++;
    v->black += most <= BLACK;
}

// ---- Making views ----

static void add_kind(struct preview *v, struct vkd__augment_params params, const char *name, uint32_t number)
{
    struct kind *kind = &v->kinds[v->kind_count++];
    kind->params = params;
    snprintf(kind->name, sizeof(kind->name), number ? "%s %u" : "%s", name, number);
}

// What of the recipe is shown. The views are not normalised: 0 ... 1 is black ... white.
static void choose_kinds(struct preview *v)
{
    const struct vkd_recipe *re = v->p->recipe;
    struct vkd__augment_params plain = {
        .mode = VKD__AUGMENT_NONE, .size = re->model.size, .channels = vkd_dataset_info(v->set)->channels,
        .resize = v->plan.resize, .std = { 1, 1, 1 },
    };
    add_kind(v, vkd__view_supervised(re, &plain), "labels", 0);
    if (!strcmp(re->method, "supervised"))
        return;
    add_kind(v, vkd__view(&re->view1, &plain, re->model.size, VKD__VIEW_1), "view", 1);
    add_kind(v, vkd__view(&re->view2, &plain, re->model.size, VKD__VIEW_2), "view", 2);
    for (uint32_t i = 0; i < re->crops.count && v->kind_count < KINDS_MAX; i++)
        add_kind(v, vkd__view(&re->crops.view, &plain, re->crops.size, VKD__VIEW_CROPS + i), "crop", i + 1);
}

static vkd_result create_buffers(struct preview *v)
{
    uint64_t size = v->p->recipe->model.size, out_size = 16 * size * size, scratch_size = 16;
    for (uint32_t i = 0; i < v->kind_count; i++) {
        uint64_t own = vkd__augment_scratch(&v->kinds[i].params, 1);
        scratch_size = own > scratch_size ? own : scratch_size;
    }
    vkd_result r = vkd_buffer_create(v->dev, sizeof(struct vkd_batch_image), VKD_MEMORY_DEVICE, &v->table);
    if (r == VKD_OK)
        r = vkd_buffer_create(v->dev, 4ull * v->plan.canvas * v->plan.canvas, VKD_MEMORY_DEVICE, &v->pixels);
    if (r == VKD_OK)
        r = vkd_buffer_create(v->dev, sizeof(struct vkd_step_block), VKD_MEMORY_DEVICE, &v->step);
    if (r == VKD_OK)
        r = vkd_buffer_create(v->dev, scratch_size, VKD_MEMORY_DEVICE, &v->scratch);
    if (r == VKD_OK)
        r = vkd_buffer_create(v->dev, out_size, VKD_MEMORY_DEVICE, &v->out);
    v->view = malloc(out_size);
    return r == VKD_OK && !v->view ? VKD_NO_MEMORY : r;
}

static vkd_result record(struct preview *v, struct kind *kind)
{
    vkd_result r = vkd_commands_create(v->dev, &kind->make);
    if (r == VKD_OK)
        r = vkd_commands_begin(kind->make);
    if (r == VKD_OK)
        r = vkd__augment_record(v->dev, kind->make, &kind->params, 1, (struct vkd_range) { .buffer = v->table },
                                (struct vkd_range) { .buffer = v->pixels }, (struct vkd_range) { .buffer = v->step },
                                (struct vkd_range) { .buffer = v->scratch }, (struct vkd_range) { .buffer = v->out });
    return r == VKD_OK ? vkd_commands_end(kind->make) : r;
}

static vkd_result make_views(struct preview *v, uint32_t row)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < v->p->draws * v->kind_count; i++) {
        struct kind *kind = &v->kinds[i % v->kind_count];
        struct vkd_step_block step = { .seed = { (uint32_t) v->p->recipe->seed, (uint32_t) (v->p->recipe->seed >> 32) },
                                       .epoch = i / v->kind_count, .image_count = 1 };
        r = vkd_buffer_write(v->dev, v->step, 0, &step, sizeof(step));
        if (r == VKD_OK)
            r = vkd_submit(v->dev, &kind->make, 1, NULL);
        if (r == VKD_OK)
            r = vkd_buffer_read(v->dev, v->out, 0, v->view, 16ull * kind->params.size * kind->params.size);
        if (r == VKD_OK)
            paint_view(v, row, i / v->kind_count, kind);
    }
    return r;
}

// ---- The sheet ----

static void paint_caption(struct preview *v, uint32_t x, uint32_t room, const char *text)
{
    const uint32_t width = (uint32_t) strlen(text) * VKD__TEXT_ADVANCE, scale = 2 * width <= room ? 2 : 1;
    if (width <= room)
        vkd__paint_text(v->sheet, v->width, x + (room - scale * width) / 2, GAP, scale, text);
}

static void paint_captions(struct preview *v)
{
    paint_caption(v, GAP, v->cell, "image");
    for (uint32_t i = 0; i < v->p->draws * v->kind_count; i++) {
        const struct kind *kind = &v->kinds[i % v->kind_count];
        paint_caption(v, GAP + v->cell + GROUP_GAP + i / v->kind_count * v->group_width + kind->left,
                      kind->params.size * v->zoom, kind->name);
    }
}

static vkd_result open_sheet(struct preview *v, uint32_t rows)
{
    uint32_t size = v->p->recipe->model.size;
    v->zoom = (SIDE_MIN + size - 1) / size;
    v->cell = v->zoom * size;
    for (uint32_t i = 0; i < v->kind_count; i++) {
        v->kinds[i].left = v->group_width;
        v->group_width += v->kinds[i].params.size * v->zoom + (i + 1 < v->kind_count ? GAP : GROUP_GAP);
    }
    uint64_t width = GAP + v->cell + GROUP_GAP + v->p->draws * (uint64_t) v->group_width - GROUP_GAP + GAP;
    uint64_t height = GAP + CAPTION + rows * (uint64_t) (v->cell + GAP);
    if (width > SHEET_SIDE_MAX || height > SHEET_SIDE_MAX || width * height * 3 > SHEET_BYTES_MAX) {
        vkd_log_write(&v->log, VKD_LOG_ERROR, "a sheet of %u images and %u draws each would have %llu x %llu pixels, "
                      "more than %u a side or %u million in all: show fewer images or fewer draws", rows,
                      v->p->draws, (unsigned long long) width, (unsigned long long) height,
                      SHEET_SIDE_MAX, SHEET_BYTES_MAX / 3000000);
        return VKD_INVALID;
    }
    v->width = (uint32_t) width;
    v->height = (uint32_t) height;
    v->sheet = malloc((size_t) (width * height * 3));
    if (!v->sheet)
        return VKD_NO_MEMORY;
    memset(v->sheet, PAPER, (size_t) (width * height * 3));
    paint_captions(v);
    return VKD_OK;
}

// Image `index` into `row`.
static vkd_result add_row(struct preview *v, uint32_t row, uint32_t index)
{
    char why[512];
    struct vkd_image image;
    uint32_t side = v->plan.short_side ? v->plan.short_side : v->plan.canvas;
    vkd_result r = vkd_dataset_decode(v->set, index, side, v->plan.canvas, &image, why, sizeof(why));
    if (r < 0) {
        vkd_log_write(&v->log, VKD_LOG_ERROR, "%s", why);
        return r;
    }
    struct vkd_batch_image entry = { .index = index, .height = image.height, .width = image.width };
    r = vkd_buffer_write(v->dev, v->table, 0, &entry, sizeof(entry));
    if (r == VKD_OK)
        r = vkd_buffer_write(v->dev, v->pixels, 0, image.pixels, 4ull * image.height * image.width);
    if (r == VKD_OK)
        r = make_views(v, row);
    if (r == VKD_OK)
        r = paint_original(v, row, &image);
    vkd_image_finish(&image);
    return r;
}

static vkd_result write_sheet(struct preview *v)
{
    struct vkd__why why;
    uint8_t *data = NULL;
    uint64_t size = 0;
    vkd_result r = vkd__image_png(v->sheet, v->height, v->width, &data, &size, &why);
    if (r == VKD_OK)
        r = vkd__file_replace(v->p->path, data, size, &why);
    if (r < 0)
        vkd_log_write(&v->log, VKD_LOG_ERROR, "%s", why.text);
    free(data);
    return r;
}

static vkd_result run(struct preview *v, uint32_t *rows)
{
    const struct vkd_recipe *re = v->p->recipe;
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { re->data.train, "train", v->log }, &v->set);
    if (r < 0)
        return r;
    const struct vkd_dataset_info *info = vkd_dataset_info(v->set);
    v->plan = vkd__image_plan(info, re->model.size, 1, vkd_device_caps(v->dev)->storage_range_max);
    *rows = v->p->count < info->count ? v->p->count : info->count;
    choose_kinds(v);
    r = open_sheet(v, *rows);
    if (r == VKD_OK)
        r = create_buffers(v);
    for (uint32_t i = 0; r == VKD_OK && i < v->kind_count; i++)
        r = record(v, &v->kinds[i]);
    for (uint32_t i = 0; r == VKD_OK && i < *rows; i++)     // spread over the set, so over its classes
        r = add_row(v, i, (uint32_t) ((uint64_t) i * info->count / *rows));
    return r == VKD_OK ? write_sheet(v) : r;
}

vkd_result vkd_preview(vkd_device *dev, const struct vkd_preview_params *p, struct vkd_preview_result *out)
{
    struct preview v = { .dev = dev, .log = *vkd_device_log(dev), .p = p };
    char why[512];
    uint32_t rows = 0;
    if (vkd_recipe_check(p->recipe, why, sizeof(why)) < 0) {
        vkd_log_write(&v.log, VKD_LOG_ERROR, "%s", why);
        return VKD_INVALID;
    }
    if (p->count < 1 || p->draws < 1) {
        vkd_log_write(&v.log, VKD_LOG_ERROR, "a preview needs an image and a draw, %u and %u were asked for", p->count,
                      p->draws);
        return VKD_INVALID;
    }
    vkd_result r = run(&v, &rows);
    if (r == VKD_OK)
        *out = (struct vkd_preview_result) { rows, v.kind_count, v.width, v.height, v.black };
    if (r == VKD_OK && v.black)
        vkd_log_write(&v.log, VKD_LOG_WARNING, "%u of %u views are black, with nothing to learn from: crops of dark images, or "
                      "jitter that is too strong for them; a larger scale or a smaller jitter of the views leaves more",
                      v.black, v.painted);
    for (uint32_t i = 0; i < v.kind_count; i++)
        vkd_commands_destroy(dev, &v.kinds[i].make);
    vkd_buffer *const buffers[] = { v.table, v.pixels, v.step, v.scratch, v.out };
    for (int i = 0; i < 5; i++) {
        vkd_buffer *b = buffers[i];
        vkd_buffer_destroy(dev, &b);
    }
    vkd_dataset_close(&v.set);
    free(v.sheet);
    free(v.view);
    return r;
}
