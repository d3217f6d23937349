// feed_impl.h -- what a feed is made of. Internal to feed*.c.
#ifndef VKD_FEED_IMPL_H
#define VKD_FEED_IMPL_H

#include "feed.h"

enum { VKD__FEED_FRAMES = 2 };

// Byte offsets in the upload buffers, in the stage, and in the read-back buffers.
struct vkd__feed_layout {
    uint64_t step;                      // step block of the micro-batch
    uint64_t whole;                     // ... of the frame, for a loss over all its images
    uint64_t table, labels, targets, pixels, upload_size;
    uint64_t metrics, marks, readback_size;
};

// One micro-batch of a frame.
struct vkd__feed_part {
    vkd_buffer *upload, *readback;
    vkd_commands *up;                   // the upload buffer to the stage
    vkd_commands **back;                // by route: marks to the read-back buffer
};

struct vkd__feed_frame {
    struct vkd__feed_part *parts;       // micro_count
    vkd_commands *end;                  // metrics to the last read-back buffer
    uint32_t *labels, *indices;
    float *targets;
    uint32_t step, route, images, count;
    uint64_t ticket;
};

// What a route adds to its struct vkd__route.
struct vkd__feed_way {
    vkd_commands *prepare;              // from the stage to the program's inputs
    vkd_commands *prepare_embed, *prepare_loss;
    vkd_commands **gather, **spread;    // by micro-batch: rows of what is cached, and of its gradients
    struct { struct vkd_range range; uint64_t ofs; bool whole; } marks[VKD__FEED_MARKS_MAX];
};

struct vkd__feed {
    struct vkd__feed_params p;
    struct vkd__route *routes;
    struct vkd__feed_way *ways;
    struct vkd__feed_layout at;
    struct vkd__feed_frame frames[VKD__FEED_FRAMES];
    uint32_t next, in_flight;           // the frame to fill, and how many before it are running
    struct vkd__feed_frame *last;       // collected last
    const struct vkd__feed_timer *timer;    // NULL without
    uint32_t target_stride;
    uint64_t pixels;                    // of a micro-batch, at most
    vkd_buffer *stage;                  // on the device: the micro-batch that is being prepared, laid out as it went up
    vkd_buffer *scratch;                // of the augmentation; NULL where it needs none
};

// Finds every mark in its program and where it is read back to; *size gets the bytes of the route that has most.
VKD_CHECKED vkd_result vkd__feed_place_marks(vkd__feed *f, uint64_t *size);

// Records all lists of the feed, whose buffers exist.
VKD_CHECKED vkd_result vkd__feed_record(vkd__feed *f);

#endif
