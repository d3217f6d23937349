// pass.c -- one pass over a set, two batches in flight.
#include "pass.h"

vkd_result vkd__pass_run(const struct vkd__pass *p)
{
    uint32_t batches = vkd_loader_batches(p->loader), submitted = 0, collected = 0;
    struct vkd__feed_result result;
    vkd_result r = vkd_loader_seek(p->loader, p->epoch, 0);
    while (r == VKD_OK && collected < batches) {
        if (submitted < batches && !vkd__feed_full(p->feed)) {
            const struct vkd_step_block step = { .micro = 0 };
            r = vkd__feed_submit(p->feed, p->route, &step, NULL, NULL, 0, NULL);
            submitted++;
            continue;
        }
        r = vkd__feed_collect(p->feed, &result);
        if (r == VKD_OK)
            r = p->take(p->user, &result);
        collected++;
        if (r == VKD_OK && p->stop && p->stop(p->stop_user))
            r = VKD_INTERRUPTED;
    }
    while (!vkd__feed_empty(p->feed)) {
        vkd_result drained = vkd__feed_collect(p->feed, &result);
        r = r == VKD_OK ? drained : r;
    }
    return r;
}
