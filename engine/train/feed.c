// feed.c -- images up, results back, two frames in flight.
#include "feed_impl.h"
#include "../program_impl.h"
#include "../../runtime/os.h"

#include <stdlib.h>
#include <string.h>

// ---- Sizes ----

static uint64_t aligned(uint64_t n)
{
    return (n + 255) & ~255ull;
}

static struct vkd__feed_layout layout_of(const struct vkd__feed_size *s)
{
    struct vkd__feed_layout l = { 0 };
    l.whole = aligned(sizeof(struct vkd_step_block));
    l.table = 2 * l.whole;
    l.labels = l.table + aligned(s->batch * sizeof(struct vkd_batch_image));
    l.targets = l.labels + aligned(4ull * (s->batch + 4));      // zeros behind them are padding
    l.pixels = l.targets + aligned(4ull * s->batch * vkd__pad4(s->classes));
    l.upload_size = l.pixels + aligned(4 * s->pixels);
    l.marks = aligned(sizeof(struct vkd_metrics_block));
    l.readback_size = l.marks + s->marks;
    return l;
}

uint64_t vkd__feed_memory(const struct vkd__feed_size *s)
{
    struct vkd__feed_layout l = layout_of(s);
    return VKD__FEED_FRAMES * s->micro_count * (l.upload_size + l.readback_size) + l.upload_size + s->scratch;
}

// ---- Creating ----

static vkd_result frame_create(vkd__feed *f, struct vkd__feed_frame *fr)
{
    const uint32_t images = vkd__feed_images(f);
    vkd_result r = VKD_OK;
    fr->parts = calloc(f->p.micro_count, sizeof(*fr->parts));
    fr->labels = calloc(images, sizeof(*fr->labels));
    fr->indices = calloc(images, sizeof(*fr->indices));
    fr->targets = f->target_stride ? calloc((size_t) images * f->target_stride, sizeof(*fr->targets)) : NULL;
    if (!fr->parts || !fr->labels || !fr->indices || (f->target_stride && !fr->targets))
        return VKD_NO_MEMORY;
    for (uint32_t m = 0; r == VKD_OK && m < f->p.micro_count; m++) {
        struct vkd__feed_part *part = &fr->parts[m];
        if (!(part->back = calloc(f->p.route_count, sizeof(vkd_commands *))))
            return VKD_NO_MEMORY;
        r = vkd_buffer_create(f->p.dev, f->at.upload_size, VKD_MEMORY_UPLOAD, &part->upload);
        if (r == VKD_OK)
            r = vkd_buffer_create(f->p.dev, f->at.readback_size, VKD_MEMORY_READBACK, &part->readback);
        if (r < 0)
            return r;
        memset(vkd_buffer_data(part->upload), 0, f->at.upload_size);
        memset(vkd_buffer_data(part->readback), 0, f->at.readback_size);
    }
    return r;
}

static vkd_result routes_copy(vkd__feed *f, const struct vkd__feed_params *p)
{
    f->routes = calloc(p->route_count, sizeof(*f->routes));
    f->ways = calloc(p->route_count, sizeof(*f->ways));
    if (!f->routes || !f->ways)
        return VKD_NO_MEMORY;
    memcpy(f->routes, p->routes, p->route_count * sizeof(*f->routes));
    for (uint32_t k = 0; k < p->route_count; k++) {
        uint64_t pixels = vkd_loader_pixel_max(f->routes[k].loader);
        f->pixels = pixels > f->pixels ? pixels : f->pixels;
        if (!f->routes[k].embed)
            continue;
        f->ways[k].gather = calloc(f->p.micro_count, sizeof(vkd_commands *));
        f->ways[k].spread = calloc(f->p.micro_count, sizeof(vkd_commands *));
        if (!f->ways[k].gather || !f->ways[k].spread)
            return VKD_NO_MEMORY;
    }
    return VKD_OK;
}

static vkd_result buffers_create(vkd__feed *f)
{
    struct vkd__feed_size s = {
        .batch = f->p.batch, .micro_count = f->p.micro_count, .classes = f->target_stride, .pixels = f->pixels,
    };
    vkd_result r = vkd__feed_place_marks(f, &s.marks);
    for (uint32_t k = 0; k < f->p.route_count; k++) {
        for (uint32_t i = 0; i < f->routes[k].view_count; i++) {
            uint64_t scratch = vkd__augment_scratch(&f->routes[k].views[i].augment, f->p.batch);
            s.scratch = scratch > s.scratch ? scratch : s.scratch;
        }
    }
    f->at = layout_of(&s);
    if (r == VKD_OK)
        r = vkd_buffer_create(f->p.dev, f->at.upload_size, VKD_MEMORY_DEVICE, &f->stage);
    if (r == VKD_OK && s.scratch)
        r = vkd_buffer_create(f->p.dev, s.scratch, VKD_MEMORY_DEVICE, &f->scratch);
    for (uint32_t i = 0; r == VKD_OK && i < VKD__FEED_FRAMES; i++)
        r = frame_create(f, &f->frames[i]);
    return r;
}

vkd_result vkd__feed_create(const struct vkd__feed_params *p, vkd__feed **out)
{
    vkd__feed *f = calloc(1, sizeof(*f));
    if (!f)
        return VKD_NO_MEMORY;
    f->p = *p;
    f->p.micro_count = p->micro_count ? p->micro_count : 1;
    f->p.routes = NULL;             // the caller's
    f->target_stride = p->multi_label ? vkd__pad4(p->classes) : 0;
    vkd_result r = routes_copy(f, p);
    if (r == VKD_OK)
        r = buffers_create(f);
    if (r == VKD_OK)
        r = vkd__feed_record(f);
    if (r < 0)
        vkd__feed_destroy(&f);
    else
        *out = f;
    return r;
}

// ---- Destroying ----

static void lists_destroy(vkd__feed *f, vkd_commands **lists, uint32_t count)
{
    for (uint32_t i = 0; lists && i < count; i++)
        vkd_commands_destroy(f->p.dev, &lists[i]);
    free(lists);
}

static void frame_destroy(vkd__feed *f, struct vkd__feed_frame *fr)
{
    for (uint32_t m = 0; fr->parts && m < f->p.micro_count; m++) {
        struct vkd__feed_part *part = &fr->parts[m];
        vkd_commands_destroy(f->p.dev, &part->up);
        lists_destroy(f, part->back, f->p.route_count);
        vkd_buffer_destroy(f->p.dev, &part->upload);
        vkd_buffer_destroy(f->p.dev, &part->readback);
    }
    vkd_commands_destroy(f->p.dev, &fr->end);
    free(fr->parts);
    free(fr->labels);
    free(fr->indices);
    free(fr->targets);
}

void vkd__feed_destroy(vkd__feed **pf)
{
    vkd__feed *f = *pf;
    if (!f)
        return;
    for (uint32_t i = 0; i < VKD__FEED_FRAMES; i++)
        frame_destroy(f, &f->frames[i]);
    for (uint32_t k = 0; f->ways && k < f->p.route_count; k++) {
        struct vkd__feed_way *w = &f->ways[k];
        vkd_commands_destroy(f->p.dev, &w->prepare);
        vkd_commands_destroy(f->p.dev, &w->prepare_embed);
        vkd_commands_destroy(f->p.dev, &w->prepare_loss);
        lists_destroy(f, w->gather, f->p.micro_count);
        lists_destroy(f, w->spread, f->p.micro_count);
    }
    vkd_buffer_destroy(f->p.dev, &f->stage);
    vkd_buffer_destroy(f->p.dev, &f->scratch);
    free(f->routes);
    free(f->ways);
    free(f);
    *pf = NULL;
}

bool vkd__feed_full(const vkd__feed *f)
{
    return f->in_flight == VKD__FEED_FRAMES;
}

bool vkd__feed_empty(const vkd__feed *f)
{
    return f->in_flight == 0;
}

uint32_t vkd__feed_batch(const vkd__feed *f)
{
    return f->p.batch;
}

uint32_t vkd__feed_images(const vkd__feed *f)
{
    return f->p.batch * f->p.micro_count;
}

uint32_t vkd__feed_classes(const vkd__feed *f)
{
    return f->p.multi_label ? f->p.classes : 0;
}

void vkd__feed_time(vkd__feed *f, const struct vkd__feed_timer *timer)
{
    f->timer = timer;
}

// ---- Filling ----

// Labels of the images of micro-batch `m` as they may be seen, for the host and for the device.
static void labels_fill(vkd__feed *f, struct vkd__feed_frame *fr, const struct vkd_batch *b, uint32_t m, uint8_t *up)
{
    uint32_t *labels = fr->labels + m * f->p.batch, *indices = fr->indices + m * f->p.batch;
    const uint32_t stride = f->target_stride;
    for (uint32_t i = 0; i < f->p.batch; i++) {
        bool here = i < b->count, seen = here && (!f->p.labelled || f->p.labelled[b->images[i].index]), known = false;
        float *row = stride ? fr->targets + ((size_t) m * f->p.batch + i) * stride : NULL;
        indices[i] = here ? b->images[i].index : VKD_NO_LABEL;
        labels[i] = seen ? b->images[i].label : VKD_NO_LABEL;
        for (uint32_t c = 0; c < stride; c++) {
            row[c] = c >= f->p.classes ? 0 : seen && b->targets ? b->targets[(size_t) i * stride + c] : VKD_TARGET_UNKNOWN;
            known |= c < f->p.classes && row[c] >= 0;
        }
        fr->count += stride ? known : labels[i] != VKD_NO_LABEL;
    }
    memcpy(up + f->at.labels, labels, f->p.batch * sizeof(*labels));
    if (stride)
        memcpy(up + f->at.targets, fr->targets + (size_t) m * f->p.batch * stride, 4ull * f->p.batch * stride);
}

static void part_fill(vkd__feed *f, struct vkd__feed_frame *fr, const struct vkd_batch *b, uint32_t m,
                      const struct vkd_step_block *step)
{
    uint8_t *up = vkd_buffer_data(fr->parts[m].upload);
    struct vkd_step_block block = *step;
    block.epoch = b->epoch;
    block.image_count = b->count;
    block.micro = m;
    block.grad_keep = m ? 1.0f : 0.0f;
    fr->images += b->count;
    if (!f->routes[fr->route].loss)
        block.queue_row += m * f->p.batch;
    memcpy(up + f->at.step, &block, sizeof(block));
    block.micro = 0;
    block.grad_keep = 0;
    block.image_count = fr->images;     // what counts is the last micro-batch's, which goes up last
    memcpy(up + f->at.whole, &block, sizeof(block));
    memcpy(up + f->at.table, b->images, b->count * sizeof(*b->images));
    memset(up + f->at.table + b->count * sizeof(*b->images), 0, (f->p.batch - b->count) * sizeof(*b->images));
    memcpy(up + f->at.pixels, b->pixels, 4 * b->pixel_count);
    labels_fill(f, fr, b, m, up);
}

// ---- Submitting ----

// Lists wait for each other and go together; vkd_submit parts them so that no submission lasts long enough for a
// driver's watchdog.
struct queue {
    vkd_device *dev;
    const struct vkd__feed_timer *timer;
    vkd_commands *waiting[8];
    uint32_t count;
    uint64_t ticket;
    vkd_result result;
};

static void flush(struct queue *q)
{
    if (q->result == VKD_OK && q->count)
        q->result = vkd_submit(q->dev, q->waiting, q->count, &q->ticket);
    q->count = 0;
}

static void push_timed(struct queue *q, vkd_commands *list, enum vkd__feed_work work)
{
    double start = vkd__os_seconds();
    if (q->result == VKD_OK)
        q->result = vkd_submit(q->dev, &list, 1, &q->ticket);
    if (q->result == VKD_OK)
        q->result = vkd_wait(q->dev, q->ticket, UINT64_MAX, NULL);
    q->timer->list(q->timer->user, work, vkd__os_seconds() - start);
}

static void push_short(struct queue *q, vkd_commands *list, enum vkd__feed_work work)
{
    if (q->timer) {
        push_timed(q, list, work);
        return;
    }
    if (q->count == sizeof(q->waiting) / sizeof(q->waiting[0]))
        flush(q);
    q->waiting[q->count++] = list;
}

static void push_long(struct queue *q, vkd_commands *const *lists, uint32_t count, enum vkd__feed_work work)
{
    flush(q);
    for (uint32_t i = 0; q->timer && i < count; i++)
        push_timed(q, lists[i], work);
    if (!q->timer && q->result == VKD_OK && count)
        q->result = vkd_submit(q->dev, lists, count, &q->ticket);
}

static void push_program(struct queue *q, vkd_program *p)
{
    uint32_t count;
    vkd_commands *const *segments = vkd_program_segments(p, &count);
    flush(q);
    if (q->timer && q->result == VKD_OK)
        q->result = vkd__program_time(p, q->timer->call, q->timer->user);
    if (!q->timer && q->result == VKD_OK)
        q->result = vkd_submit(q->dev, segments, count, &q->ticket);
}

// First pass of gradient caching, and the loss.
static void push_cached(vkd__feed *f, struct vkd__feed_frame *fr, struct queue *q)
{
    const struct vkd__route *ro = &f->routes[fr->route];
    const struct vkd__feed_way *w = &f->ways[fr->route];
    for (uint32_t m = 0; m < f->p.micro_count; m++) {
        push_short(q, fr->parts[m].up, VKD__FEED_COPIES);
        push_short(q, w->prepare_embed, VKD__FEED_VIEWS);
        push_program(q, ro->embed);
        push_short(q, w->gather[m], VKD__FEED_COPIES);
    }
    push_short(q, w->prepare_loss, VKD__FEED_COPIES);
    push_program(q, ro->loss);
}

vkd_result vkd__feed_submit(vkd__feed *f, uint32_t route, const struct vkd_step_block *step, vkd_commands *micro,
                            vkd_commands *const *after, uint32_t after_count, double *waited)
{
    struct vkd__feed_frame *fr = &f->frames[f->next];
    struct queue q = { .dev = f->p.dev, .timer = f->timer };
    if (f->in_flight == VKD__FEED_FRAMES || route >= f->p.route_count)
        return VKD_INVALID;
    const struct vkd__route *ro = &f->routes[route];
    const struct vkd__feed_way *w = &f->ways[route];
    fr->route = route;
    fr->step = step->step;
    fr->images = fr->count = 0;
    for (uint32_t m = 0; m < f->p.micro_count; m++) {
        struct vkd_batch batch;
        vkd_result r = vkd_loader_next(ro->loader, &batch, waited);
        if (r < 0)
            return r;
        part_fill(f, fr, &batch, m, step);
    }
    if (ro->embed)
        push_cached(f, fr, &q);
    for (uint32_t m = 0; m < f->p.micro_count; m++) {
        push_short(&q, fr->parts[m].up, VKD__FEED_COPIES);
        push_short(&q, w->prepare, VKD__FEED_VIEWS);
        if (ro->embed)
            push_short(&q, w->spread[m], VKD__FEED_COPIES);
        push_program(&q, ro->program);
        if (micro)
            push_long(&q, &micro, 1, VKD__FEED_UPDATE);
        push_short(&q, fr->parts[m].back[route], VKD__FEED_COPIES);
    }
    push_long(&q, after, after_count, VKD__FEED_UPDATE);
    if (fr->end)
        push_short(&q, fr->end, VKD__FEED_COPIES);
    flush(&q);
    if (q.result < 0)
        return q.result;
    fr->ticket = q.ticket;
    f->next = (f->next + 1) % VKD__FEED_FRAMES;
    f->in_flight++;
    return VKD_OK;
}

// ---- Collecting ----

vkd_result vkd__feed_collect(vkd__feed *f, struct vkd__feed_result *out)
{
    struct vkd__feed_frame *fr = &f->frames[(f->next + VKD__FEED_FRAMES - f->in_flight) % VKD__FEED_FRAMES];
    if (!f->in_flight)
        return VKD_INVALID;
    vkd_result r = vkd_wait(f->p.dev, fr->ticket, UINT64_MAX, NULL);
    f->in_flight--;
    if (r < 0)
        return r;
    f->last = fr;
    *out = (struct vkd__feed_result) {
        .step = fr->step, .route = fr->route, .images = fr->images, .count = fr->count, .labels = fr->labels,
        .indices = fr->indices, .targets = fr->targets, .target_stride = f->target_stride,
    };
    const uint8_t *back = vkd_buffer_data(fr->parts[f->p.micro_count - 1].readback);
    memcpy(&out->metrics, back + f->at.metrics, sizeof(out->metrics));
    return VKD_OK;
}

const void *vkd__feed_mark(const vkd__feed *f, const char *mark, uint32_t micro, uint64_t *size)
{
    if (!f->last || micro >= f->p.micro_count)
        return NULL;
    const struct vkd__route *ro = &f->routes[f->last->route];
    const struct vkd__feed_way *w = &f->ways[f->last->route];
    for (uint32_t i = 0; i < ro->mark_count; i++) {
        if (strcmp(ro->marks[i], mark))
            continue;
        if (size)
            *size = w->marks[i].range.size;
        const struct vkd__feed_part *part = &f->last->parts[w->marks[i].whole ? f->p.micro_count - 1 : micro];
        return (const uint8_t *) vkd_buffer_data(part->readback) + f->at.marks + w->marks[i].ofs;
    }
    return NULL;
}

// ---- Diagnosis ----

// Runs short lists, then looks through `p` if nothing was found yet.
static vkd_result look(vkd__feed *f, vkd_commands *const *lists, uint32_t count, vkd_program *p, char *text, size_t size)
{
    uint64_t ticket;
    vkd_result r = vkd_submit(f->p.dev, lists, count, &ticket);
    if (r == VKD_OK)
        r = vkd_wait(f->p.dev, ticket, UINT64_MAX, NULL);
    return r == VKD_OK && p ? vkd_program_find_nonfinite(p, text, size) : r;
}

vkd_result vkd__feed_find_nonfinite(vkd__feed *f, uint32_t *micro, char *text, size_t size)
{
    struct vkd__feed_frame *fr = f->last;
    vkd_result r = fr ? VKD_OK : VKD_INVALID;
    text[0] = 0;
    *micro = 0;
    if (r < 0)
        return r;
    const struct vkd__route *ro = &f->routes[fr->route];
    const struct vkd__feed_way *w = &f->ways[fr->route];
    for (uint32_t m = 0; ro->embed && r == VKD_OK && !text[0] && m < f->p.micro_count; m++) {
        vkd_commands *const lists[] = { fr->parts[m].up, w->prepare_embed };
        r = look(f, lists, 2, ro->embed, text, size);
        if (r == VKD_OK)
            r = look(f, &w->gather[m], 1, NULL, text, size);
        *micro = m;
    }
    if (ro->embed && r == VKD_OK && !text[0]) {
        *micro = f->p.micro_count;
        r = look(f, &w->prepare_loss, 1, ro->loss, text, size);
    }
    for (uint32_t m = 0; r == VKD_OK && !text[0] && m < f->p.micro_count; m++) {
        vkd_commands *const lists[] = { fr->parts[m].up, w->prepare, ro->embed ? w->spread[m] : NULL };
        r = look(f, lists, ro->embed ? 3 : 2, ro->program, text, size);
        *micro = m;
    }
    return r;
}
