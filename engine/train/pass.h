// pass.h -- one pass over a set through a route of a feed. Internal.
#ifndef VKD_PASS_H
#define VKD_PASS_H

#include "feed.h"

struct vkd__pass {
    vkd__feed *feed;
    uint32_t route;
    vkd_loader *loader;                 // the route's
    // Takes the results of one batch; vkd__feed_mark gives what was read back.
    vkd_result (*take)(void *user, const struct vkd__feed_result *r);
    bool (*stop)(void *user);           // asked after each batch; NULL: never
    void *user, *stop_user;
    uint32_t epoch;                     // random views draw by it
};

// Runs the whole set once, from the first batch of the loader's epoch. The feed is empty afterwards, failed or not.
//
//   VKD_INTERRUPTED  stop() said so
VKD_CHECKED vkd_result vkd__pass_run(const struct vkd__pass *p);

#endif
