// feed.h -- keeps programs fed: images go up, results come back, two frames in flight. Internal.
//
// A frame is one optimiser step, or one batch of an evaluation, on its way: `micro_count` micro-batches
// of `batch` images. Their pixels go up once; all views are made of them on the device. Everything is
// recorded beforehand. While the device works on one frame the host fills the other.
//
// Gradient caching (GradCache, arXiv 2101.06983) takes a loss over all images of a step, though the
// network sees one micro-batch at a time. A route with `embed` and `loss` goes in two passes:
//
//     for each micro-batch: views, `embed`; what it marks as cached[] becomes rows of `loss`'s inputs
//     `loss`: its value, and the gradient of each of these inputs
//     for each micro-batch: the same views, its rows of the gradients, `program`
//
// where the loss of `program` is the sum of embedding * gradient, times micro_count because an optimiser takes the mean
// over micro-batches: then the gradients of a step are those of the whole loss.
#ifndef VKD_FEED_H
#define VKD_FEED_H

#include "../augment.h"
#include "../../shaders/metrics_block.h"
#include "../../shaders/step_block.h"

#include <vkdiv/data.h>
#include <vkdiv/program.h>

enum { VKD__FEED_VIEWS_MAX = 12, VKD__FEED_MARKS_MAX = 12, VKD__FEED_CACHED_MAX = 32 };

typedef struct vkd__feed vkd__feed;

// One way through the network: the program that a micro-batch goes through, what it gets, what comes
// back. Programs and texts must outlive the feed.
struct vkd__route {
    vkd_program *program;
    vkd_loader *loader;             // of batches of `batch` images
    struct vkd__feed_view {
        const char *input;          // f32 (batch, size, size, channels)
        struct vkd__augment_params augment;
    } views[VKD__FEED_VIEWS_MAX];
    uint32_t view_count;
    const char *marks[VKD__FEED_MARKS_MAX];     // tensors that are read back; `loss`'s once a step, others after
    uint32_t mark_count;                        // each micro-batch
    bool labels;                    // there is an input "labels", u32 (1, 1, 1, batch), or of a multi-label set
                                    // "targets", f32 (batch, 1, 1, classes)

    // Gradient caching; all zero without. A view, "labels" and "targets" go to each program that has such an
    // input, those of `loss` being of batch * micro_count images. The gradient NAME.grad is handed on where `program`
    // has an input of that name. Only `loss` updates states in the middle of a step: `embed` is still, and neither
    // may have its arena, as it holds what is cached.
    vkd_program *embed;
    vkd_program *loss;
    const char *cached[VKD__FEED_CACHED_MAX];   // marked in `embed`, inputs of `loss`: first dimension the images
    uint32_t cached_count;
};

struct vkd__feed_params {
    vkd_device *dev;
    const struct vkd__route *routes;
    uint32_t route_count;
    uint32_t batch;                 // images of a micro-batch
    uint32_t micro_count;           // micro-batches of a frame; 0: 1
    const uint8_t *labelled;        // by index in the set: 0 hides an image's label, as if it had none; NULL hides none
    bool multi_label;
    uint32_t classes;               // of a multi-label set
    struct vkd_range metrics;       // of the optimiser; buffer NULL without
};

//   VKD_INVALID  a program lacks an input or a marked tensor, or has it in another size (the log names it)
VKD_CHECKED vkd_result vkd__feed_create(const struct vkd__feed_params *p, vkd__feed **out);
void vkd__feed_destroy(vkd__feed **f);      // what is in flight is freed once it is done

// True when both frames are in flight: collect before the next submit.
bool vkd__feed_full(const vkd__feed *f);
bool vkd__feed_empty(const vkd__feed *f);
uint32_t vkd__feed_batch(const vkd__feed *f);       // images of a micro-batch
uint32_t vkd__feed_images(const vkd__feed *f);      // that a frame has room for: batch * micro_count
uint32_t vkd__feed_classes(const vkd__feed *f);     // of a multi-label set, else 0

// Takes the next micro_count batches of the route's loader and submits a frame: for each micro-batch upload,
// views, program, `micro` (NULL: nothing) and read-back; then `after`. `step` need not say epoch, image_count,
// micro and grad_keep; its queue_row moves on with each micro-batch that queues for itself. The time spent
// waiting for data is added to *waited (NULL is fine).
VKD_CHECKED vkd_result vkd__feed_submit(vkd__feed *f, uint32_t route, const struct vkd_step_block *step, vkd_commands *micro,
                                        vkd_commands *const *after, uint32_t after_count, double *waited);

// What the lists of a frame are for.
enum vkd__feed_work {
    VKD__FEED_COPIES,       // up, back, and from program to program
    VKD__FEED_VIEWS,
    VKD__FEED_UPDATE,       // what the caller gave: accumulation, optimiser, teacher
};

// From now on a submit waits for each list before it sends the next, and tells where its time goes; programs run as
// vkd__program_time runs them. For measuring: what overlaps in training does not then. NULL: as before. Borrowed.
struct vkd__feed_timer {
    void (*list)(void *user, enum vkd__feed_work work, double seconds);
    void (*call)(void *user, const vkd_program *p, uint32_t call, double seconds);
    void *user;
};
void vkd__feed_time(vkd__feed *f, const struct vkd__feed_timer *timer);

// Valid until the next submit. Arrays have vkd__feed_images entries; places without an image hold
// VKD_NO_LABEL and VKD_TARGET_UNKNOWN.
struct vkd__feed_result {
    uint32_t step, route;
    uint32_t images;
    uint32_t count;                     // of these, images with a label to be seen
    struct vkd_metrics_block metrics;   // zero without an optimiser
    const uint32_t *labels, *indices;
    const float *targets;               // (images, target_stride); NULL unless multi-label
    uint32_t target_stride;             // classes rounded up to a multiple of 4
};

// Waits for the oldest frame in flight.
VKD_CHECKED vkd_result vkd__feed_collect(vkd__feed *f, struct vkd__feed_result *out);

// What was read back of the frame collected last: tensor `mark` of micro-batch `micro` in the device's padded layout,
// `size` bytes (NULL is fine). NULL when its route has no such mark.
const void *vkd__feed_mark(const vkd__feed *f, const char *mark, uint32_t micro, uint64_t *size);

// Sends the frame collected last through its programs once more, tensor by tensor, and names the first that holds a
// NaN or an infinity and the micro-batch that it is in, micro_count when it is in the loss over all of them. `text` is
// "" when all are finite. For diagnosis; slow.
VKD_CHECKED vkd_result vkd__feed_find_nonfinite(vkd__feed *f, uint32_t *micro, char *text, size_t size);

// Bytes of device and host-visible memory a feed takes.
struct vkd__feed_size {
    uint32_t batch, micro_count;
    uint32_t classes;               // of a multi-label set, else 0
    uint64_t pixels;                // of a micro-batch
    uint64_t marks;                 // bytes of a route's marks, each rounded up to a multiple of 256; the most
    uint64_t scratch;               // vkd__augment_scratch of the views; the most
};
uint64_t vkd__feed_memory(const struct vkd__feed_size *s);

#endif
