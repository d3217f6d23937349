// loader.c -- threads that bring batches of decoded images, ahead of their use.
//
// Batches are numbered by `seq`, counted since the last seek; batch seq lives in slot seq % slot_count.
// Workers claim runs of images from the batch at (claim_seq, claim_image) and write each image to its own
// place in the slot, so that nobody waits for another's size. The consumer holds batch hold_seq; a
// slot is filled again once the consumer has moved on. Everything but pixels is guarded by one lock.
// Images are counted by their place in what is loaded, a subset or the whole set; image_at gives the
// number in the set.
#include "dataset.h"
#include "order.h"

#include <stdlib.h>
#include <string.h>

enum { THREAD_MAX = 64, CLAIM_PIXELS = 1 << 14 };

struct slot {
    struct vkd_batch_image *images;     // [batch]
    uint32_t *pixels;                   // [batch * stride]
    float *targets;                     // [batch * target_stride], or NULL
    uint32_t *wanted;                   // [batch] the image planned for each place
    uint32_t *skipped;                  // [batch] how many bad ones, from that on, were passed over
    uint32_t epoch, batch, count;
    uint32_t done;                      // images written
    vkd_result result;                  // other than OK: why this batch cannot be delivered
};

struct bad_image { struct bad_image *next; uint32_t index; char why[512]; };

struct vkd_loader {
    struct vkd_loader_params p;
    uint32_t *subset;                   // [image_count], or NULL: the whole set
    uint32_t image_count, batches;
    uint32_t target_stride;             // 0: batches carry no targets
    bool direct;                        // images lie in memory with their final size
    uint32_t stride;                    // pixels kept for one image in a slot
    uint32_t claim_size;                // images claimed at once

    struct vkd__mutex *lock;
    struct vkd__cond *work, *ready;     // something to claim; something finished
    struct vkd__thread *threads[THREAD_MAX];
    uint32_t thread_count;
    bool stop, paused;
    uint32_t busy;                      // workers between claim and finish

    struct slot *slots;
    uint32_t slot_count;
    uint64_t claim_seq, hold_seq;       // hold_seq: oldest batch the consumer may still read
    uint64_t next_seq;                  // the next one to deliver
    uint32_t claim_image;
    uint32_t epoch, batch;              // of the next batch to plan
    uint32_t *order;                    // [image_count] of order_epoch
    uint32_t order_epoch;
    bool order_valid, planned;          // planned: the slot of claim_seq is filled in

    struct vkd_image *cache;            // [image_count] for sets that are decoded; pixels NULL: not there
    uint64_t cache_used;
    uint8_t *bad;                       // [image_count] 1: unreadable, 2: and reported
    struct bad_image *bad_list;
    uint32_t bad_count;                 // reported
    vkd_result failed;                  // what next() returned when it gave up
};

static uint32_t image_at(const vkd_loader *l, uint32_t place)
{
    return l->subset ? l->subset[place] : place;
}

// ---- Plans (under the lock) ----

static void plan_batch(vkd_loader *l)
{
    struct slot *s = &l->slots[l->claim_seq % l->slot_count];
    if (!l->order_valid || l->order_epoch != l->epoch) {
        if (!l->order_valid || l->p.shuffle)
            vkd__order_fill(l->order, l->image_count, l->p.shuffle, l->p.seed, l->epoch);
        l->order_epoch = l->epoch;
        l->order_valid = true;
    }
    const uint32_t first = l->batch * l->p.batch, left = l->image_count - first;
    s->epoch = l->epoch;
    s->batch = l->batch;
    s->count = left < l->p.batch ? left : l->p.batch;
    s->done = 0;
    s->result = VKD_OK;
    memcpy(s->wanted, l->order + first, s->count * sizeof *s->wanted);
    if (++l->batch == l->batches) {
        l->batch = 0;
        l->epoch++;
    }
    l->claim_image = 0;
    l->planned = true;
}

// Takes the next run of images; false when every slot is full.
static bool claim(vkd_loader *l, struct slot **slot, uint32_t *first, uint32_t *count)
{
    if (!l->planned) {
        if (l->claim_seq - l->hold_seq >= l->slot_count)
            return false;
        plan_batch(l);
    }
    struct slot *s = &l->slots[l->claim_seq % l->slot_count];
    const uint32_t left = s->count - l->claim_image;
    *slot = s;
    *first = l->claim_image;
    *count = left < l->claim_size ? left : l->claim_size;
    l->claim_image += *count;
    if (l->claim_image == s->count) {
        l->claim_seq++;
        l->planned = false;
    }
    return true;
}

// ---- Images (by the workers) ----

static void place_pixels(struct slot *s, uint32_t place, uint32_t stride, uint32_t index, const struct vkd_image *image)
{
    s->images[place] = (struct vkd_batch_image) { .index = index, .height = image->height, .width = image->width };
    memcpy(s->pixels + (size_t)place * stride, image->pixels, (size_t)image->height * image->width * 4);
}

// Keeps the image if there is room; the cache then owns its pixels.
static void cache_offer(vkd_loader *l, uint32_t index, struct vkd_image *image)
{
    const uint64_t bytes = (uint64_t)image->height * image->width * 4;
    vkd__mutex_lock(l->lock);
    if (!l->cache[index].pixels && bytes <= l->p.cache_size - l->cache_used) {
        l->cache[index] = *image;
        l->cache_used += bytes;
        *image = (struct vkd_image) { 0 };
    }
    vkd__mutex_unlock(l->lock);
}

static void note_bad(vkd_loader *l, uint32_t index, const char *why)
{
    struct bad_image *b = malloc(sizeof *b);
    vkd__mutex_lock(l->lock);
    if (!l->bad[index]) {
        l->bad[index] = 1;
        if (b) {
            *b = (struct bad_image) { .next = l->bad_list, .index = index };
            memcpy(b->why, why, sizeof b->why);
            l->bad_list = b;
            b = NULL;
        }
    }
    vkd__mutex_unlock(l->lock);
    free(b);
}

// Decodes image `index` into its place. VKD_FORMAT: it is bad and noted as such.
static vkd_result load_one(vkd_loader *l, struct slot *s, uint32_t place, uint32_t index)
{
    vkd__mutex_lock(l->lock);
    const bool bad = l->bad[index];
    const struct vkd_image kept = l->cache[index];      // never freed while workers run
    vkd__mutex_unlock(l->lock);
    if (bad)
        return VKD_FORMAT;
    if (kept.pixels) {
        place_pixels(s, place, l->stride, image_at(l, index), &kept);
        return VKD_OK;
    }
    char why[sizeof ((struct bad_image *)0)->why] = "";
    struct vkd_image image = { 0 };
    vkd_result r = vkd_dataset_decode(l->p.dataset, image_at(l, index), l->p.short_side, l->p.canvas, &image, why,
                                      sizeof why);
    if (r == VKD_NO_MEMORY)
        return r;
    if (r != VKD_OK) {
        note_bad(l, index, why);
        return VKD_FORMAT;
    }
    place_pixels(s, place, l->stride, image_at(l, index), &image);
    cache_offer(l, index, &image);
    vkd_image_finish(&image);
    return VKD_OK;
}

// The planned image, or the next readable one behind it. Which one does not depend on timing. The
// search ends when it has met more bad images than are allowed.
static vkd_result load_place(vkd_loader *l, struct slot *s, uint32_t place)
{
    uint32_t index = s->wanted[place], skipped = 0;
    vkd_result r = VKD_FORMAT;
    while (skipped <= l->p.bad_limit && skipped < l->image_count) {
        r = load_one(l, s, place, index);
        if (r != VKD_FORMAT)
            break;
        index = index + 1 < l->image_count ? index + 1 : 0;
        skipped++;
    }
    s->skipped[place] = skipped;
    return r;
}

// Too little memory ends the run at once, bad images after they were counted.
static vkd_result graver(vkd_result a, vkd_result b)
{
    return b == VKD_OK || a == VKD_NO_MEMORY ? a : b;
}

static vkd_result load_run(vkd_loader *l, struct slot *s, uint32_t first, uint32_t count)
{
    vkd_result worst = VKD_OK;
    const struct vkd_dataset_info *info = vkd_dataset_info(l->p.dataset);
    for (uint32_t i = first; i < first + count; i++) {
        if (l->direct) {
            const uint32_t index = image_at(l, s->wanted[i]);
            vkd__dataset_pixels(l->p.dataset, index, (uint8_t *)(s->pixels + (size_t)i * l->stride));
            s->images[i] = (struct vkd_batch_image) { .index = index, .height = info->height, .width = info->width };
            s->skipped[i] = 0;
            continue;
        }
        vkd_result r = load_place(l, s, i);
        worst = graver(worst, r);
    }
    return worst;
}

// What is known of the image at `place`: nothing, when it stands for another that is to be left out.
static void label_place(const vkd_loader *l, struct slot *s, uint32_t place)
{
    struct vkd_batch_image *image = &s->images[place];
    const uint32_t classes = vkd_dataset_info(l->p.dataset)->classes;
    const bool left_out = l->p.leave_out_bad && s->skipped[place];
    image->label = left_out ? VKD_NO_LABEL : vkd_dataset_label(l->p.dataset, image->index);
    if (!s->targets)
        return;
    float *row = s->targets + (size_t)place * l->target_stride;
    if (!left_out)
        vkd_dataset_targets(l->p.dataset, image->index, row);
    for (uint32_t c = 0; left_out && c < classes; c++)
        row[c] = VKD_TARGET_UNKNOWN;
}

// Moves the images together and fills in what depends on it.
static void pack(const vkd_loader *l, struct slot *s)
{
    uint32_t ofs = 0;
    for (uint32_t i = 0; i < s->count; i++) {
        struct vkd_batch_image *image = &s->images[i];
        const uint32_t pixels = image->height * image->width;
        if (ofs != i * l->stride)
            memmove(s->pixels + ofs, s->pixels + (size_t)i * l->stride, (size_t)pixels * 4);
        image->ofs = ofs;
        label_place(l, s, i);
        ofs += pixels;
    }
}

static void work(void *arg)
{
    vkd_loader *l = arg;
    vkd__mutex_lock(l->lock);
    while (!l->stop) {
        struct slot *s;
        uint32_t first, count;
        if (l->paused || !claim(l, &s, &first, &count)) {
            vkd__cond_wait(l->work, l->lock);
            continue;
        }
        l->busy++;
        vkd__mutex_unlock(l->lock);
        vkd_result r = load_run(l, s, first, count);
        vkd__mutex_lock(l->lock);
        s->result = graver(s->result, r);
        if (s->done + count == s->count && s->result == VKD_OK) {
            vkd__mutex_unlock(l->lock);     // nobody else touches a slot with images missing
            pack(l, s);
            vkd__mutex_lock(l->lock);
        }
        s->done += count;
        l->busy--;
        if (s->done == s->count || l->paused)
            vkd__cond_broadcast(l->ready);
    }
    vkd__mutex_unlock(l->lock);
}

// ---- The consumer ----

static void report_one(vkd_loader *l, uint32_t index)
{
    vkd__mutex_lock(l->lock);
    const bool fresh = l->bad[index] == 1;
    const struct bad_image *b = l->bad_list;
    l->bad[index] = 2;
    vkd__mutex_unlock(l->lock);
    if (!fresh)
        return;
    while (b && b->index != index)
        b = b->next;
    vkd_log_write(&l->p.log, VKD_LOG_WARNING, "image %u cannot be read: %s", image_at(l, index),
                  b ? b->why : "no details kept");
    l->bad_count++;
}

// Counts the bad images a batch has met, in the order of the batch. Only the consumer reports, so that
// the messages and the moment of giving up are the same in every run.
static vkd_result report_bad(vkd_loader *l, const struct slot *s)
{
    if (s->result == VKD_NO_MEMORY) {
        vkd_log_write(&l->p.log, VKD_LOG_ERROR, "out of memory while decoding images: fewer threads or a smaller cache "
                      "need less");
        return s->result;
    }
    for (uint32_t i = 0; i < s->count && l->bad_count <= l->p.bad_limit; i++) {
        uint32_t index = s->wanted[i];
        for (uint32_t k = 0; k < s->skipped[i] && l->bad_count <= l->p.bad_limit; k++) {
            report_one(l, index);
            index = index + 1 < l->image_count ? index + 1 : 0;
        }
    }
    if (l->bad_count <= l->p.bad_limit && s->result == VKD_OK)
        return VKD_OK;
    vkd_log_write(&l->p.log, VKD_LOG_ERROR, "%u image%s cannot be read, %u tolerated: repair or remove them (`vkdiv "
                  "data check SPEC` lists all), or raise data.bad_limit of the recipe", l->bad_count,
                  l->bad_count == 1 ? "" : "s", l->p.bad_limit);
    return VKD_FORMAT;
}

vkd_result vkd_loader_next(vkd_loader *l, struct vkd_batch *out, double *waited_seconds)
{
    if (!l || !out)
        return VKD_INVALID;
    if (l->failed != VKD_OK)
        return l->failed;
    const double start = vkd__os_seconds();
    struct slot *s = &l->slots[l->next_seq % l->slot_count];
    vkd__mutex_lock(l->lock);
    l->hold_seq = l->next_seq;
    vkd__cond_broadcast(l->work);
    while (l->claim_seq <= l->next_seq || s->done < s->count)
        vkd__cond_wait(l->ready, l->lock);
    vkd__mutex_unlock(l->lock);
    if (waited_seconds)
        *waited_seconds += vkd__os_seconds() - start;
    l->failed = report_bad(l, s);
    if (l->failed != VKD_OK)
        return l->failed;
    l->next_seq++;
    const struct vkd_batch_image *last = &s->images[s->count - 1];
    *out = (struct vkd_batch) {
        .epoch = s->epoch, .batch = s->batch, .count = s->count, .images = s->images, .pixels = s->pixels,
        .pixel_count = (uint64_t)last->ofs + (uint64_t)last->height * last->width, .targets = s->targets,
        .target_stride = l->target_stride,
    };
    return VKD_OK;
}

vkd_result vkd_loader_seek(vkd_loader *l, uint32_t epoch, uint32_t batch)
{
    if (!l || batch > l->batches) {
        vkd_log_write(l ? &l->p.log : NULL, VKD_LOG_ERROR, "vkd_loader_seek: batch %u asked for, an epoch has "
                      "%u", batch, l ? l->batches : 0);
        return VKD_INVALID;
    }
    vkd__mutex_lock(l->lock);
    l->paused = true;
    while (l->busy)
        vkd__cond_wait(l->ready, l->lock);
    l->claim_seq = 0;
    l->hold_seq = 0;
    l->next_seq = 0;
    l->planned = false;
    l->epoch = batch == l->batches ? epoch + 1 : epoch;
    l->batch = batch == l->batches ? 0 : batch;
    l->paused = false;
    vkd__cond_broadcast(l->work);
    vkd__mutex_unlock(l->lock);
    return VKD_OK;
}

uint32_t vkd_loader_batches(const vkd_loader *l)
{
    return l->batches;
}

uint64_t vkd_loader_pixel_max(const vkd_loader *l)
{
    return (uint64_t)l->p.batch * l->stride;
}

// ---- Life ----

static vkd_result check_params(const struct vkd_loader_params *p)
{
    const char *broken = NULL;
    const uint32_t whole = p->dataset ? vkd_dataset_info(p->dataset)->count : 0;
    for (uint32_t i = 0; p->subset && i < p->subset_count; i++) {
        if (p->subset[i] < whole)
            continue;
        vkd_log_write(&p->log, VKD_LOG_ERROR, "vkd_loader_create: the subset names image %u, the set has %u",
                      p->subset[i], whole);
        return VKD_INVALID;
    }
    if (!p->dataset)
        broken = "a data set is needed";
    else if (!p->batch)
        broken = "a batch needs at least 1 image";
    else if (!p->canvas || p->canvas > VKD__IMAGE_SIDE_MAX)
        broken = "the canvas must be 1 to 16384 pixels";
    else if (p->threads > THREAD_MAX)
        broken = "at most 64 threads";
    else if (p->prefetch > 1024)
        broken = "at most 1024 batches ahead";
    else if (p->subset && !p->subset_count)
        broken = "the subset holds no images";
    else if (p->drop_last && (p->subset ? p->subset_count : whole) < p->batch)
        broken = "there are fewer images than one batch holds, and a short batch is left out: nothing would come";
    if (!broken)
        return VKD_OK;
    vkd_log_write(&p->log, VKD_LOG_ERROR, "vkd_loader_create: %s", broken);
    return VKD_INVALID;
}

// Sizes that follow from the parameters.
static vkd_result derive(vkd_loader *l)
{
    struct vkd_loader_params *p = &l->p;
    const struct vkd_dataset_info *info = vkd_dataset_info(p->dataset);
    if (!p->short_side || p->short_side > p->canvas)
        p->short_side = p->canvas;
    if (!p->threads)
        p->threads = vkd__os_cpu_count() > 1 ? vkd__os_cpu_count() - 1 : 1;
    if (p->threads > THREAD_MAX)
        p->threads = THREAD_MAX;
    if (!p->prefetch)
        p->prefetch = 4;
    if (!p->cache_size) {
        const uint64_t quarter = vkd__os_memory_free() / 4;
        p->cache_size = quarter && quarter < 1u << 30 ? quarter : 1u << 30;
    }
    uint32_t height = p->short_side, width = p->canvas;
    if (info->height)
        vkd__image_fit(info->height, info->width, p->short_side, p->canvas, &height, &width);
    l->direct = vkd__dataset_is_direct(p->dataset, p->short_side, p->canvas);
    l->stride = height * width;
    l->claim_size = CLAIM_PIXELS / l->stride ? CLAIM_PIXELS / l->stride : 1;
    l->image_count = p->subset ? p->subset_count : info->count;
    l->batches = l->image_count / p->batch + (!p->drop_last && l->image_count % p->batch);
    l->target_stride = info->multi_label || p->targets ? (info->classes + 3) & ~3u : 0;
    l->slot_count = p->prefetch + 1;
    if ((uint64_t)p->batch * l->stride > UINT32_MAX) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "vkd_loader_create: %u images of up to %u x %u pixels are too many for "
                      "one batch", p->batch, width, height);
        return VKD_INVALID;
    }
    return VKD_OK;
}

static bool allocate(vkd_loader *l)
{
    const size_t count = l->image_count, batch = l->p.batch;
    l->order = malloc(count * sizeof *l->order);
    l->bad = calloc(count, 1);
    l->slots = calloc(l->slot_count, sizeof *l->slots);
    if (!l->order || !l->bad || !l->slots)
        return false;
    if (l->p.subset) {
        l->subset = malloc(count * sizeof *l->subset);
        if (!l->subset)
            return false;
        memcpy(l->subset, l->p.subset, count * sizeof *l->subset);
        l->p.subset = NULL;         // the caller's
    }
    if (!l->direct) {
        l->cache = calloc(count, sizeof *l->cache);
        if (!l->cache)
            return false;
    }
    for (uint32_t i = 0; i < l->slot_count; i++) {
        struct slot *s = &l->slots[i];
        s->images = calloc(batch, sizeof *s->images);
        s->wanted = calloc(batch, sizeof *s->wanted);
        s->skipped = calloc(batch, sizeof *s->skipped);
        s->pixels = batch * l->stride <= SIZE_MAX / 4 ? malloc(batch * l->stride * 4) : NULL;
        s->targets = l->target_stride ? calloc(batch * l->target_stride, sizeof *s->targets) : NULL;
        if (!s->images || !s->wanted || !s->skipped || !s->pixels || (l->target_stride && !s->targets))
            return false;
    }
    return vkd__mutex_create(&l->lock) == VKD_OK && vkd__cond_create(&l->work) == VKD_OK &&
           vkd__cond_create(&l->ready) == VKD_OK;
}

vkd_result vkd_loader_create(const struct vkd_loader_params *p, vkd_loader **out)
{
    if (!p || !out)
        return VKD_INVALID;
    vkd_result r = check_params(p);
    if (r != VKD_OK)
        return r;
    vkd_loader *l = calloc(1, sizeof *l);
    if (!l)
        return VKD_NO_MEMORY;
    l->p = *p;
    r = derive(l);
    if (r != VKD_OK)
        goto fail;
    if (!allocate(l)) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "out of memory for %u batches of %u images of %u pixels: a smaller "
                      "batch, canvas or prefetch needs less", l->slot_count, p->batch, l->stride);
        r = VKD_NO_MEMORY;
        goto fail;
    }
    // Fewer threads than asked for deliver the same, later.
    while (l->thread_count < l->p.threads &&
           vkd__thread_start(&l->threads[l->thread_count], work, l) == VKD_OK)
        l->thread_count++;
    if (!l->thread_count) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "the system refused to start a thread for loading images");
        r = VKD_NO_MEMORY;
        goto fail;
    }
    *out = l;
    return VKD_OK;
fail:
    vkd_loader_destroy(&l);
    return r;
}

void vkd_loader_destroy(vkd_loader **lp)
{
    if (!lp || !*lp)
        return;
    vkd_loader *l = *lp;
    if (l->thread_count) {
        vkd__mutex_lock(l->lock);
        l->stop = true;
        vkd__cond_broadcast(l->work);
        vkd__mutex_unlock(l->lock);
    }
    for (uint32_t i = 0; i < l->thread_count; i++)
        vkd__thread_join(&l->threads[i]);
    for (uint32_t i = 0; l->slots && i < l->slot_count; i++) {
        free(l->slots[i].images);
        free(l->slots[i].targets);
        free(l->slots[i].wanted);
        free(l->slots[i].skipped);
        free(l->slots[i].pixels);
    }
    for (uint32_t i = 0; l->cache && i < l->image_count; i++)
        vkd_image_finish(&l->cache[i]);
    while (l->bad_list) {
        struct bad_image *next = l->bad_list->next;
        free(l->bad_list);
        l->bad_list = next;
    }
    vkd__cond_destroy(&l->ready);
    vkd__cond_destroy(&l->work);
    vkd__mutex_destroy(&l->lock);
    free(l->slots);
    free(l->cache);
    free(l->bad);
    free(l->order);
    free(l->subset);
    free(l);
    *lp = NULL;
}

uint32_t vkd_loader_bad_count(const vkd_loader *l)
{
    return l->bad_count;
}
