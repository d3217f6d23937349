// feed.h -- keeps a program fed: batches go up, results come back, two in flight. Internal.
//
// A frame is one batch on its way: an upload buffer, a read-back buffer and the two command lists
// around the program's own. While the device works on one frame the host fills the other.
#ifndef VKD_FEED_H
#define VKD_FEED_H

#include "../augment.h"
#include "../../shaders/metrics_block.h"
#include "../../shaders/step_block.h"

#include <vkdiv/data.h>
#include <vkdiv/program.h>

typedef struct vkd__feed vkd__feed;

struct vkd__feed_params {
    vkd_device *dev;
    vkd_loader *loader;
    vkd_program *program;       // inputs "images", "labels"; marked "loss", "rank"
    struct vkd__augment_params augment;
    uint32_t batch;             // images of the program's inputs
    struct vkd_range metrics;   // of the optimiser; buffer NULL without
};

VKD_CHECKED vkd_result vkd__feed_create(const struct vkd__feed_params *p, vkd__feed **out);
void vkd__feed_destroy(vkd__feed **f);      // what is in flight is freed once it is done

// True when both frames are in flight: collect before the next submit.
bool vkd__feed_full(const vkd__feed *f);
bool vkd__feed_empty(const vkd__feed *f);
uint32_t vkd__feed_batch(const vkd__feed *f);

// Takes the loader's next batch and submits: upload, augmentation, program, `after`, read-back.
// `step` is completed with epoch and image count. The time spent waiting for data is added to
// *waited.
VKD_CHECKED vkd_result vkd__feed_submit(vkd__feed *f, struct vkd_step_block *step, vkd_commands *const *after,
                                        uint32_t after_count, double *waited);

struct vkd__feed_result {
    uint32_t step, micro;               // of the step block
    uint32_t count;                     // images with a label
    uint32_t right, right5;             // label ranked first, among the first five
    float loss;                         // mean over these images
    struct vkd_metrics_block metrics;   // zero without an optimiser
    const uint32_t *labels, *ranks;     // `batch` entries; valid until the next submit
};

// Waits for the oldest frame in flight.
VKD_CHECKED vkd_result vkd__feed_collect(vkd__feed *f, struct vkd__feed_result *out);

// Brings the inputs of the frame collected last back onto the device, for diagnosis.
VKD_CHECKED vkd_result vkd__feed_restore(vkd__feed *f);

// Bytes of device and host-visible memory a feed takes.
uint64_t vkd__feed_memory(uint32_t batch, uint64_t pixels);

#endif
