// holdout.c -- the part of train that is held out for validation where a set has none of its own.
#include "transfer_impl.h"

#include "../data/dataset.h"
#include "../data/order.h"
#include "../truth.h"
#include "../../shaders/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct holdout {
    const vkd_dataset *d;
    uint32_t count, strata;             // the last stratum is that of images without a label
    uint32_t *stratum;                  // by image
    uint32_t *next;                     // by image: the next of its group, round in a circle
    uint32_t *size, *want, *taken;      // by stratum
    uint8_t *seen;                      // by image: its group has been looked at
    uint8_t *held;
    bool any;                           // is held
    bool lenient;                       // strata may be emptied
};

// The rarest of the labels that image `i` shows.
static uint32_t stratum_of(const struct holdout *h, uint32_t i, float *row)
{
    const uint32_t classes = h->strata - 1;
    uint32_t best = classes;
    if (!vkd_dataset_info(h->d)->multi_label) {
        uint32_t label = vkd_dataset_label(h->d, i);
        return label == VKD_NO_LABEL ? classes : label;
    }
    vkd_dataset_targets(h->d, i, row);
    for (uint32_t c = 0; c < classes; c++)
        if (vkd__truth_of(row[c]) == VKD_TRUTH_YES &&
            (best == classes || vkd_dataset_class_size(h->d, c) < vkd_dataset_class_size(h->d, best)))
            best = c;
    return best;
}

// Joins images of one group to circles; an image without a group is alone.
static vkd_result join_groups(struct holdout *h)
{
    uint32_t *groups;
    vkd_result r = vkd__dataset_groups(h->d, &groups);
    if (r < 0)
        return r;
    for (uint32_t i = 0; i < h->count; i++) {
        const uint32_t first = groups ? groups[i] : i;      // i at most, and so in its circle
        h->next[i] = first == i ? i : h->next[first];
        h->next[first] = i;
    }
    free(groups);
    return VKD_OK;
}

// Takes the group of `image` when that brings more of its images where they are wanted than where they are not, or when its
// stratum wants more and there is nothing yet; and no stratum would be left without any image.
static void offer(struct holdout *h, uint32_t image)
{
    const bool wanted = h->taken[h->stratum[image]] < h->want[h->stratum[image]];
    int64_t gain = 0;
    bool emptied = false;
    uint32_t i = image;
    do {
        const uint32_t s = h->stratum[i];
        gain += h->taken[s] < h->want[s] ? 1 : -1;
        h->seen[i] = h->held[i] = 1;
        emptied |= ++h->taken[s] >= h->size[s];
    } while ((i = h->next[i]) != image);
    if ((h->lenient || !emptied) && (gain > 0 || (wanted && !h->any))) {
        h->any = true;
        return;
    }
    do {
        h->held[i] = 0;
        h->taken[h->stratum[i]]--;
    } while ((i = h->next[i]) != image);
}

static vkd_result choose(struct holdout *h, double share, uint64_t seed)
{
    uint32_t *order = malloc((h->count + 1u) * sizeof(*order));
    if (!order)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < h->count; i++)
        h->size[h->stratum[i]]++;
    for (uint32_t s = 0; s < h->strata; s++) {
        double want = floor(share * h->size[s] + 0.5), most = h->size[s] ? h->size[s] - 1 : 0;
        h->want[s] = (uint32_t) fmin(fmax(want, 1), most);
    }
    vkd__order_draw(order, h->count, VKD_STREAM_HOLDOUT, seed, 0);
    // Of several labels an image the rarest is not all that it shows: where groups are few, one of them may be held out.
    for (int pass = 0; pass < 2 && !h->any; pass++) {
        h->lenient = pass;
        memset(h->seen, 0, h->count);
        for (uint32_t i = 0; i < h->count; i++)
            if (!h->seen[order[i]] && !(h->lenient && h->any))
                offer(h, order[i]);
        if (!vkd_dataset_info(h->d)->multi_label)
            break;
    }
    free(order);
    return VKD_OK;
}

vkd_result vkd__holdout(const vkd_dataset *d, double share, uint64_t seed, uint8_t *held, uint32_t *count)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    struct holdout h = { .d = d, .count = info->count, .strata = info->classes + 1, .held = held };
    float *row = malloc((info->classes + 1u) * sizeof(*row));
    h.stratum = malloc((2ull * h.count + 1) * sizeof(*h.stratum));
    h.size = calloc(3ull * h.strata, sizeof(*h.size));
    h.seen = calloc(h.count + 1u, 1);
    vkd_result r = row && h.stratum && h.size && h.seen ? VKD_OK : VKD_NO_MEMORY;
    if (r == VKD_OK) {
        h.next = h.stratum + h.count;
        h.want = h.size + h.strata;
        h.taken = h.want + h.strata;
        for (uint32_t i = 0; i < h.count; i++)
            h.stratum[i] = stratum_of(&h, i, row);
        r = join_groups(&h);
    }
    if (r == VKD_OK)
        r = choose(&h, share, seed);
    for (uint32_t i = *count = 0; r == VKD_OK && i < h.count; i++)
        *count += held[i];
    free(row);
    free(h.stratum);
    free(h.size);
    free(h.seen);
    return r;
}
