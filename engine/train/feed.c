// feed.c -- batches up, results back, two in flight.
#include "feed.h"
#include "../op.h"

#include <stdlib.h>
#include <string.h>

enum { FRAMES = 2, ALIGN = 256 };

struct frame {
    vkd_buffer *upload, *readback;
    vkd_commands *head, *tail;
    uint64_t ticket;
};

// Byte offsets in the upload and read-back buffers.
struct layout { uint64_t step, table, labels, pixels, upload_size, metrics, loss, ranks, readback_size; };

struct vkd__feed {
    struct vkd__feed_params p;
    struct layout at;
    struct frame frames[FRAMES];
    uint32_t next, in_flight;           // the frame to fill, and how many before it are running
    uint64_t pixel_max;
    vkd_buffer *table, *pixels;         // device copies
    vkd_buffer *scratch;                // of the augmentation; NULL where it needs none
};

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static struct layout layout_of(uint32_t batch, uint64_t pixels)
{
    struct layout l = { 0 };
    l.table = aligned(sizeof(struct vkd_step_block));
    l.labels = l.table + aligned(batch * sizeof(struct vkd_batch_image));
    l.pixels = l.labels + aligned(4ull * vkd__pad4(batch));
    l.upload_size = l.pixels + aligned(4 * pixels);
    l.loss = aligned(sizeof(struct vkd_metrics_block));
    l.ranks = l.loss + ALIGN;
    l.readback_size = l.ranks + aligned(4ull * vkd__pad4(batch));
    return l;
}

uint64_t vkd__feed_memory(uint32_t batch, uint64_t pixels)
{
    struct layout l = layout_of(batch, pixels);
    return FRAMES * (l.upload_size + l.readback_size) + (l.upload_size - l.table);
}

static vkd_result record_head(vkd__feed *f, struct frame *fr)
{
    struct vkd_range images, labels, step = vkd_program_step_block(f->p.program);
    vkd_result r = vkd_program_range(f->p.program, "images", &images);
    if (r == VKD_OK)
        r = vkd_program_range(f->p.program, "labels", &labels);
    if (r == VKD_OK)
        r = vkd_commands_begin(fr->head);
    if (r < 0)
        return r;
    uint64_t table_size = f->p.batch * sizeof(struct vkd_batch_image);
    struct vkd_range table = { f->table, 0, table_size }, pixels = { f->pixels, 0, 4 * f->pixel_max };
    vkd_commands_copy(fr->head, step, (struct vkd_range) { fr->upload, f->at.step, step.size });
    vkd_commands_copy(fr->head, table, (struct vkd_range) { fr->upload, f->at.table, table_size });
    vkd_commands_copy(fr->head, labels, (struct vkd_range) { fr->upload, f->at.labels, labels.size });
    vkd_commands_copy(fr->head, pixels, (struct vkd_range) { fr->upload, f->at.pixels, pixels.size });
    r = vkd__augment_record(f->p.dev, fr->head, &f->p.augment, f->p.batch, table, pixels, step,
                           (struct vkd_range) { .buffer = f->scratch }, images);
    vkd_result end = vkd_commands_end(fr->head);
    return r < 0 ? r : end;
}

static vkd_result record_tail(vkd__feed *f, struct frame *fr)
{
    struct vkd_range loss, ranks, metrics = f->p.metrics;
    vkd_result r = vkd_program_range(f->p.program, "loss", &loss);
    if (r == VKD_OK)
        r = vkd_program_range(f->p.program, "rank", &ranks);
    if (r == VKD_OK)
        r = vkd_commands_begin(fr->tail);
    if (r < 0)
        return r;
    if (metrics.buffer)
        vkd_commands_copy(fr->tail, (struct vkd_range) { fr->readback, f->at.metrics, metrics.size }, metrics);
    vkd_commands_copy(fr->tail, (struct vkd_range) { fr->readback, f->at.loss, loss.size }, loss);
    vkd_commands_copy(fr->tail, (struct vkd_range) { fr->readback, f->at.ranks, ranks.size }, ranks);
    return vkd_commands_end(fr->tail);
}

static vkd_result frame_create(vkd__feed *f, struct frame *fr)
{
    vkd_device *dev = f->p.dev;
    vkd_result r = vkd_buffer_create(dev, f->at.upload_size, VKD_MEMORY_UPLOAD, &fr->upload);
    if (r == VKD_OK)
        r = vkd_buffer_create(dev, f->at.readback_size, VKD_MEMORY_READBACK, &fr->readback);
    if (r == VKD_OK)
        r = vkd_commands_create(dev, &fr->head);
    if (r == VKD_OK)
        r = vkd_commands_create(dev, &fr->tail);
    if (r < 0)
        return r;
    memset(vkd_buffer_data(fr->upload), 0, f->at.upload_size);
    memset(vkd_buffer_data(fr->readback), 0, f->at.readback_size);
    r = record_head(f, fr);
    return r == VKD_OK ? record_tail(f, fr) : r;
}

vkd_result vkd__feed_create(const struct vkd__feed_params *p, vkd__feed **out)
{
    vkd__feed *f = calloc(1, sizeof(*f));
    if (!f)
        return VKD_NO_MEMORY;
    f->p = *p;
    f->pixel_max = vkd_loader_pixel_max(p->loader);
    f->at = layout_of(p->batch, f->pixel_max);
    vkd_result r = vkd_buffer_create(p->dev, p->batch * sizeof(struct vkd_batch_image), VKD_MEMORY_DEVICE, &f->table);
    if (r == VKD_OK)
        r = vkd_buffer_create(p->dev, 4 * f->pixel_max, VKD_MEMORY_DEVICE, &f->pixels);
    uint64_t scratch = vkd__augment_scratch(&p->augment, p->batch);
    if (r == VKD_OK && scratch)
        r = vkd_buffer_create(p->dev, scratch, VKD_MEMORY_DEVICE, &f->scratch);
    for (uint32_t i = 0; r == VKD_OK && i < FRAMES; i++)
        r = frame_create(f, &f->frames[i]);
    if (r < 0)
        vkd__feed_destroy(&f);
    else
        *out = f;
    return r;
}

void vkd__feed_destroy(vkd__feed **pf)
{
    vkd__feed *f = *pf;
    if (!f)
        return;
    for (uint32_t i = 0; i < FRAMES; i++) {
        struct frame *fr = &f->frames[i];
        vkd_commands_destroy(f->p.dev, &fr->head);
        vkd_commands_destroy(f->p.dev, &fr->tail);
        vkd_buffer_destroy(f->p.dev, &fr->upload);
        vkd_buffer_destroy(f->p.dev, &fr->readback);
    }
    vkd_buffer_destroy(f->p.dev, &f->table);
    vkd_buffer_destroy(f->p.dev, &f->pixels);
    vkd_buffer_destroy(f->p.dev, &f->scratch);
    free(f);
    *pf = NULL;
}

bool vkd__feed_full(const vkd__feed *f)
{
    return f->in_flight == FRAMES;
}

bool vkd__feed_empty(const vkd__feed *f)
{
    return f->in_flight == 0;
}

uint32_t vkd__feed_batch(const vkd__feed *f)
{
    return f->p.batch;
}

static void frame_fill(vkd__feed *f, struct frame *fr, const struct vkd_batch *b, struct vkd_step_block *step)
{
    uint8_t *up = vkd_buffer_data(fr->upload);
    step->epoch = b->epoch;
    step->image_count = b->count;
    memcpy(up + f->at.step, step, sizeof(*step));
    memcpy(up + f->at.table, b->images, b->count * sizeof(*b->images));
    memset(up + f->at.table + b->count * sizeof(*b->images), 0, (f->p.batch - b->count) * sizeof(*b->images));
    memcpy(up + f->at.pixels, b->pixels, 4 * b->pixel_count);
    uint32_t *labels = (uint32_t *) (up + f->at.labels);
    for (uint32_t i = 0; i < f->p.batch; i++)
        labels[i] = i < b->count ? b->images[i].label : VKD_NO_LABEL;
}

// A submission of its own for each list, so that none lasts long enough for a driver's watchdog.
static vkd_result submit_each(vkd_device *dev, vkd_commands *const *lists, uint32_t count, uint64_t *ticket)
{
    vkd_result r = VKD_OK;
    for (uint32_t i = 0; r == VKD_OK && i < count; i++)
        r = vkd_submit(dev, &lists[i], 1, ticket);
    return r;
}

vkd_result vkd__feed_submit(vkd__feed *f, struct vkd_step_block *step, vkd_commands *const *after,
                            uint32_t after_count, double *waited)
{
    struct frame *fr = &f->frames[f->next];
    struct vkd_batch batch;
    uint32_t segments;
    vkd_commands *const *program = vkd_program_segments(f->p.program, &segments);
    if (f->in_flight == FRAMES)
        return VKD_INVALID;
    vkd_result r = vkd_loader_next(f->p.loader, &batch, waited);
    if (r < 0)
        return r;
    frame_fill(f, fr, &batch, step);
    r = submit_each(f->p.dev, &fr->head, 1, &fr->ticket);
    if (r == VKD_OK)
        r = submit_each(f->p.dev, program, segments, &fr->ticket);
    if (r == VKD_OK)
        r = submit_each(f->p.dev, after, after_count, &fr->ticket);
    if (r == VKD_OK)
        r = submit_each(f->p.dev, &fr->tail, 1, &fr->ticket);
    if (r < 0)
        return r;
    f->next = (f->next + 1) % FRAMES;
    f->in_flight++;
    return VKD_OK;
}

vkd_result vkd__feed_collect(vkd__feed *f, struct vkd__feed_result *out)
{
    struct frame *fr = &f->frames[(f->next + FRAMES - f->in_flight) % FRAMES];
    if (!f->in_flight)
        return VKD_INVALID;
    vkd_result r = vkd_wait(f->p.dev, fr->ticket, UINT64_MAX, NULL);
    f->in_flight--;
    if (r < 0)
        return r;
    const uint8_t *up = vkd_buffer_data(fr->upload), *back = vkd_buffer_data(fr->readback);
    struct vkd_step_block step;
    *out = (struct vkd__feed_result) {
        .labels = (const uint32_t *) (up + f->at.labels), .ranks = (const uint32_t *) (back + f->at.ranks),
    };
    memcpy(&step, up + f->at.step, sizeof(step));
    memcpy(&out->metrics, back + f->at.metrics, sizeof(out->metrics));
    memcpy(&out->loss, back + f->at.loss, sizeof(out->loss));
    out->step = step.step;
    out->micro = step.micro;
    for (uint32_t i = 0; i < f->p.batch; i++) {
        if (out->labels[i] == VKD_NO_LABEL)
            continue;
        out->count++;
        out->right += out->ranks[i] == 0;
        out->right5 += out->ranks[i] < 5;
    }
    return VKD_OK;
}

vkd_result vkd__feed_restore(vkd__feed *f)
{
    struct frame *fr = &f->frames[(f->next + FRAMES - f->in_flight + FRAMES - 1) % FRAMES];
    uint64_t ticket;
    vkd_result r = vkd_submit(f->p.dev, &fr->head, 1, &ticket);
    return r == VKD_OK ? vkd_wait(f->p.dev, ticket, UINT64_MAX, NULL) : r;
}
