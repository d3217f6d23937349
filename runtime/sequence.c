// sequence.c -- many embedded lists over several command buffers of an application, by what each of them costs.
//
// Timestamps around the lists tell what each took. The device copies them into mapped memory, as drivers may wait when
// they are asked for queries.
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { PROBES = 64 };       // lists whose times are awaited at once

// Two timestamps around one execution of a list.
struct probe {
    bool busy;
    uint32_t list;
};

// What the device writes of it.
struct stamp { uint64_t ticks, there; };

struct vkd_sequence {
    vkd_device *dev;
    vkd_commands **lists;
    double *seconds;        // of each list; below 0: not known yet
    uint32_t count, next;
    VkQueryPool queries;    // NULL on queues without timestamps
    vkd_buffer *stamps;     // two of each probe
    struct probe probes[PROBES];
};

static vkd_result make_queries(vkd_sequence *seq)
{
    vkd_device *dev = seq->dev;
    vkd_result result;
    VkQueryPoolCreateInfo info = {
        .sType = VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO,
        .queryType = VK_QUERY_TYPE_TIMESTAMP,
        .queryCount = 2 * PROBES,
    };
    VK(dev, dev->vk.vkCreateQueryPool(dev->handle, &info, dev->host_memory, &seq->queries));
    result = vkd_buffer_create(dev, 2 * PROBES * sizeof(struct stamp), VKD_MEMORY_READBACK, &seq->stamps);
fail:
    return result;
}

vkd_result vkd_sequence_create(vkd_device *dev, vkd_commands *const *lists, uint32_t count, vkd_sequence **out)
{
    vkd_sequence *seq = NULL;
    vkd_result result;
    TRY(vkd__device_check(dev));
    if (!count || !lists)
        return vkd__fail(dev, VKD_INVALID, "vkd_sequence_create: a sequence has at least one list");
    for (uint32_t i = 0; i < count; i++) {
        if (!lists[i] || lists[i]->dev != dev || !lists[i]->embedded)
            return vkd__fail(dev, VKD_INVALID, "vkd_sequence_create: list %u is not one of vkd_commands_create_embedded "
                             "on this device", i);
    }
    seq = calloc(1, sizeof(*seq));
    if (!seq)
        return vkd__fail(dev, VKD_NO_MEMORY, "vkd_sequence_create: out of host memory");
    seq->dev = dev;
    seq->count = count;
    seq->lists = malloc(count * sizeof(*seq->lists));
    seq->seconds = malloc(count * sizeof(*seq->seconds));
    if (!seq->lists || !seq->seconds) {
        result = vkd__fail(dev, VKD_NO_MEMORY, "vkd_sequence_create: out of host memory");
        goto fail;
    }
    memcpy(seq->lists, lists, count * sizeof(*lists));
    for (uint32_t i = 0; i < count; i++)
        seq->seconds[i] = -1;
    if (dev->caps.timestamp_bits)
        TRY(make_queries(seq));
    *out = seq;
    return VKD_OK;

fail:
    vkd_sequence_destroy(&seq);
    return result;
}

void vkd_sequence_destroy(vkd_sequence **p)
{
    vkd_sequence *seq = *p;
    *p = NULL;
    if (!seq)
        return;
    vkd_buffer_destroy(seq->dev, &seq->stamps);
    seq->dev->vk.vkDestroyQueryPool(seq->dev->handle, seq->queries, seq->dev->host_memory);
    free(seq->lists);
    free(seq->seconds);
    free(seq);
}

// Takes in the times that are there.
static void collect(vkd_sequence *seq)
{
    vkd_device *dev = seq->dev;
    uint32_t bits = dev->caps.timestamp_bits;
    uint64_t mask = bits >= 64 ? UINT64_MAX : ((uint64_t) 1 << bits) - 1;
    for (uint32_t i = 0; seq->queries && i < PROBES; i++) {
        struct probe *p = &seq->probes[i];
        const volatile struct stamp *begin = (struct stamp *) seq->stamps->data + 2 * i, *end = begin + 1;
        if (!p->busy || !begin->there || !end->there)
            continue;               // it has not run yet
        double seconds = (double) ((end->ticks - begin->ticks) & mask) * dev->caps.timestamp_ns * 1e-9;
        double *known = &seq->seconds[p->list];
        *known = *known < 0 ? seconds : 0.5 * (*known + seconds);
        p->busy = false;
    }
}

static struct probe *free_probe(vkd_sequence *seq, uint32_t *index)
{
    for (uint32_t i = 0; seq->queries && i < PROBES; i++) {
        if (!seq->probes[i].busy) {
            *index = i;
            return &seq->probes[i];
        }
    }
    return NULL;
}

static vkd_result embed_timed(vkd_sequence *seq, VkCommandBuffer cb)
{
    vkd_device *dev = seq->dev;
    uint32_t slot = 0;
    struct probe *probe = free_probe(seq, &slot);
    if (probe) {
        memset((struct stamp *) seq->stamps->data + 2 * slot, 0, 2 * sizeof(struct stamp));
        dev->vk.vkCmdResetQueryPool(cb, seq->queries, 2 * slot, 2);
        dev->vk.vkCmdWriteTimestamp(cb, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, seq->queries, 2 * slot);
    }
    vkd_result result = vkd_commands_embed(dev, &seq->lists[seq->next], 1, cb);
    if (probe) {
        dev->vk.vkCmdWriteTimestamp(cb, VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT, seq->queries, 2 * slot + 1);
        dev->vk.vkCmdCopyQueryPoolResults(cb, seq->queries, 2 * slot, 2, seq->stamps->handle, 2 * slot * sizeof(struct stamp),
                                          sizeof(struct stamp), VK_QUERY_RESULT_64_BIT | VK_QUERY_RESULT_WAIT_BIT
                                          | VK_QUERY_RESULT_WITH_AVAILABILITY_BIT);
        vkd__sync_end(dev, NULL, cb, NULL);
        probe->busy = result == VKD_OK;
        probe->list = seq->next;
    }
    return result;
}

// How many of the coming lists `budget` allows: at least one.
static uint32_t allowed(const vkd_sequence *seq, const struct vkd_budget *budget)
{
    uint64_t dispatches = 0;
    double seconds = 0;
    uint32_t n = 0;
    for (uint32_t i = seq->next; i < seq->count; i++, n++) {
        bool known = seq->seconds[i] >= 0;
        dispatches += seq->lists[i]->dispatches;
        seconds += seq->seconds[i];
        if (n && budget && budget->dispatches && dispatches > budget->dispatches)
            break;
        if (n && budget && budget->seconds > 0 && (!known || seconds > budget->seconds))
            break;
        if (!known && budget && budget->seconds > 0)
            return 1;
    }
    return n;
}

vkd_result vkd_sequence_embed(vkd_sequence *seq, VkCommandBuffer cb, const struct vkd_budget *budget, bool *finished)
{
    vkd_result result = VKD_OK;
    bool timed = budget && budget->seconds > 0;
    if (timed)
        collect(seq);
    uint32_t n = allowed(seq, budget);
    if (!timed) {
        TRY(vkd_commands_embed(seq->dev, seq->lists + seq->next, n, cb));
        seq->next += n;
    }
    for (uint32_t i = 0; timed && i < n; i++) {
        TRY(embed_timed(seq, cb));
        seq->next++;
    }
    if (finished)
        *finished = seq->next == seq->count;
    if (seq->next == seq->count)
        seq->next = 0;
fail:
    return result;
}

void vkd_sequence_restart(vkd_sequence *seq)
{
    seq->next = 0;
}

struct vkd_sequence_state vkd_sequence_state(const vkd_sequence *seq)
{
    struct vkd_sequence_state state = { seq->next, seq->count, 0 };
    for (uint32_t i = 0; i < seq->count; i++)
        state.seconds += seq->seconds[i] > 0 ? seq->seconds[i] : 0;
    return state;
}
