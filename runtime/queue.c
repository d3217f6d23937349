// queue.c -- submissions in one order on one timeline semaphore, and what waits for them to end.
#include <stdlib.h>

#include "internal.h"

vkd_result vkd__queue_create(vkd_device *dev)
{
    vkd_result result = VKD_OK;
    VkSemaphoreCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO,
        .pNext = &(VkSemaphoreTypeCreateInfo) {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO,
            .semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE,
        },
    };
    VK(dev, dev->vk.vkCreateSemaphore(dev->handle, &info, dev->host_memory, &dev->queue.timeline));
fail:
    return result;
}

static void collect(vkd_device *dev, uint64_t done)
{
    struct vkd__queue *q = &dev->queue;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < q->garbage_count; i++) {
        struct vkd__garbage g = q->garbage[i];
        if (g.ticket > done)
            q->garbage[kept++] = g;
        else if (g.buffer)
            vkd__buffer_free(dev, g.buffer);
        else
            vkd__commands_free(dev, g.commands);
    }
    q->garbage_count = kept;
}

void vkd__queue_finish(vkd_device *dev)
{
    struct vkd__queue *q = &dev->queue;
    collect(dev, UINT64_MAX);
    dev->vk.vkDestroySemaphore(dev->handle, q->timeline, dev->host_memory);
    free(q->garbage);
    free(q->handles);
    q->timeline = VK_NULL_HANDLE;
}

void vkd__queue_collect(vkd_device *dev)
{
    struct vkd__queue *q = &dev->queue;
    uint64_t done = 0;
    if (q->done < q->submitted && !dev->lost
        && dev->vk.vkGetSemaphoreCounterValue(dev->handle, q->timeline, &done) >= 0 && done > q->done)
        q->done = done;
    collect(dev, q->done);
}

void vkd__queue_discard(vkd_device *dev, vkd_buffer *buffer, vkd_commands *commands)
{
    struct vkd__queue *q = &dev->queue;
    vkd__queue_collect(dev);
    uint64_t ticket = commands ? commands->ticket : q->submitted;
    bool busy = ticket > q->done && !dev->lost;
    if (busy && vkd__reserve(&q->garbage, &q->garbage_capacity, q->garbage_count + 1, sizeof(*q->garbage))) {
        q->garbage[q->garbage_count++] = (struct vkd__garbage) { ticket, buffer, commands };
        return;
    }
    // Without memory for the entry the wait is done here; an error of it means that nothing runs.
    if (busy && vkd_wait(dev, ticket, UINT64_MAX, NULL) != VKD_OK)
        vkd_log_write(&dev->log, VKD_LOG_WARNING, "freeing what a lost device used");
    if (buffer)
        vkd__buffer_free(dev, buffer);
    else
        vkd__commands_free(dev, commands);
}

// The command buffers of the lists, in q->handles.
static vkd_result take_lists(vkd_device *dev, vkd_commands *const *lists, uint32_t count)
{
    struct vkd__queue *q = &dev->queue;
    if (!vkd__reserve(&q->handles, &q->handle_capacity, count, sizeof(*q->handles)))
        return vkd__fail(dev, VKD_NO_MEMORY, "vkd_submit: out of host memory");
    for (uint32_t i = 0; i < count; i++) {
        if (!lists || !lists[i])
            return vkd__fail(dev, VKD_INVALID, "vkd_submit: list %u is NULL", i);
        if (lists[i]->dev != dev || lists[i]->state != VKD__COMMANDS_READY)
            return vkd__fail(dev, VKD_INVALID, "vkd_submit: list %u was not finished by a successful vkd_commands_end "
                             "on this device", i);
        if (lists[i]->embedded)
            return vkd__fail(dev, VKD_INVALID, "vkd_submit: list %u is made for an application's command buffer: "
                             "vkd_commands_embed appends it to one", i);
        q->handles[i] = lists[i]->handle;
    }
    return VKD_OK;
}

struct points {
    VkSemaphore semaphores[VKD_SEMAPHORE_MAX + 1];
    uint64_t values[VKD_SEMAPHORE_MAX + 1];
    VkPipelineStageFlags stages[VKD_SEMAPHORE_MAX + 1];
    uint32_t count;
};

static vkd_result take_points(vkd_device *dev, const struct vkd_semaphore_point *points, uint32_t count, struct points *out)
{
    if (count > VKD_SEMAPHORE_MAX || (count && !points))
        return vkd__fail(dev, VKD_INVALID, "vkd_submit_synced: %u semaphores in an array at %p: at most %d can be given",
                         count, (const void *) points, VKD_SEMAPHORE_MAX);
    for (uint32_t i = 0; i < count; i++) {
        if (!points[i].semaphore)
            return vkd__fail(dev, VKD_INVALID, "vkd_submit_synced: semaphore %u is VK_NULL_HANDLE", i);
        out->semaphores[i] = points[i].semaphore;
        out->values[i] = points[i].value;
        out->stages[i] = VK_PIPELINE_STAGE_ALL_COMMANDS_BIT;
    }
    out->count = count;
    return VKD_OK;
}

vkd_result vkd_submit(vkd_device *dev, vkd_commands *const *lists, uint32_t count, uint64_t *ticket)
{
    return vkd_submit_synced(dev, &(struct vkd_submit_params) { .lists = lists, .list_count = count }, ticket);
}

VkSemaphore vkd_device_timeline(const vkd_device *dev)
{
    return dev->queue.timeline;
}

// One submission, of the command buffers from `first` on of those in q->handles.
static vkd_result submit(vkd_device *dev, vkd_commands *const *lists, uint32_t first, uint32_t count,
                         const struct points *waits, struct points *signals)
{
    struct vkd__queue *q = &dev->queue;
    vkd_result result;
    uint64_t next = q->submitted + 1;
    signals->semaphores[signals->count] = q->timeline;
    signals->values[signals->count] = next;
    VkTimelineSemaphoreSubmitInfo timeline = {
        .sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO,
        .waitSemaphoreValueCount = waits->count,
        .pWaitSemaphoreValues = waits->values,
        .signalSemaphoreValueCount = signals->count + 1,
        .pSignalSemaphoreValues = signals->values,
    };
    VkSubmitInfo info = {
        .sType = VK_STRUCTURE_TYPE_SUBMIT_INFO,
        .pNext = &timeline,
        .waitSemaphoreCount = waits->count,
        .pWaitSemaphores = waits->semaphores,
        .pWaitDstStageMask = waits->stages,
        .commandBufferCount = count,
        .pCommandBuffers = q->handles + first,
        .signalSemaphoreCount = signals->count + 1,
        .pSignalSemaphores = signals->semaphores,
    };
    if (dev->faults.submit && dev->stats.submissions + 1 == dev->faults.submit) {
        // What is destroyed now must not be in use, as it would not be on a lost device.
        TRY(vkd_wait(dev, q->submitted, UINT64_MAX, NULL));
        VK_AS(dev, VK_ERROR_DEVICE_LOST, QueueSubmit);
    }
    if (q->lock)
        q->lock(q->user);
    VkResult vk = dev->vk.vkQueueSubmit(q->handle, 1, &info, VK_NULL_HANDLE);
    if (q->unlock)
        q->unlock(q->user);
    VK_AS(dev, vk, QueueSubmit);
    q->submitted = next;
    dev->stats.submissions++;
    for (uint32_t i = 0; i < count; i++)
        lists[first + i]->ticket = next;
    return VKD_OK;
fail:
    return result;
}

vkd_result vkd_submit_synced(vkd_device *dev, const struct vkd_submit_params *p, uint64_t *ticket)
{
    struct points waits, signals, none = { .count = 0 };
    vkd_result result;
    TRY(vkd__device_check(dev));
    TRY(take_lists(dev, p->lists, p->list_count));
    TRY(take_points(dev, p->waits, p->wait_count, &waits));
    TRY(take_points(dev, p->signals, p->signal_count, &signals));
    for (uint32_t first = 0, count; first == 0 || first < p->list_count; first += count) {
        count = vkd__pace_count(dev, p->list_count ? p->lists + first : NULL, p->list_count - first);
        bool last = first + count == p->list_count;
        TRY(submit(dev, p->lists, first, count, first ? &none : &waits, last ? &signals : &none));
        if (last)
            break;
    }
    if (ticket)
        *ticket = dev->queue.submitted;
    vkd__queue_collect(dev);
    return VKD_OK;
fail:
    return result;
}

vkd_result vkd_wait(vkd_device *dev, uint64_t ticket, uint64_t timeout_ns, bool *done)
{
    struct vkd__queue *q = &dev->queue;
    vkd_result result;
    VkResult vk = VK_SUCCESS;
    TRY(vkd__device_check(dev));
    if (ticket > q->submitted)
        return vkd__fail(dev, VKD_INVALID, "vkd_wait: ticket %llu was never given, the last is %llu",
                         (unsigned long long) ticket, (unsigned long long) q->submitted);
    bool lose = dev->faults.wait && ++dev->met.wait == dev->faults.wait;
    if (lose)
        ticket = q->submitted;          // nothing may run of what is destroyed now, as in submit
    if (ticket > q->done || lose) {
        dev->stats.waits++;
        VkSemaphoreWaitInfo info = {
            .sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
            .semaphoreCount = 1,
            .pSemaphores = &q->timeline,
            .pValues = &ticket,
        };
        vk = dev->vk.vkWaitSemaphores(dev->handle, &info, lose ? UINT64_MAX : timeout_ns);
        vk = lose && vk >= 0 ? VK_ERROR_DEVICE_LOST : vk;
        VK_AS(dev, vk, WaitSemaphores);
        if (vk == VK_SUCCESS && ticket > q->done)
            q->done = ticket;
        vkd__queue_collect(dev);
    }
    if (done)
        *done = vk == VK_SUCCESS;
    return VKD_OK;
fail:
    return result;
}
