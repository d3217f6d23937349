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
    uint32_t total, wanted, most;       // images: held, that should be, that may be
};

// What it means to hold a group out.
struct offer {
    uint32_t size;
    int64_t gain;       // its images that are wanted where they are, less those that are not
    bool wanted;        // any is
    bool emptied;       // a stratum has no other image left
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

static struct offer take(struct holdout *h, uint32_t image)
{
    struct offer o = { 0 };
    uint32_t i = image;
    do {
        const uint32_t s = h->stratum[i];
        const bool wanted = h->taken[s] < h->want[s];
        o.gain += wanted ? 1 : -1;
        o.wanted |= wanted;
        o.emptied |= ++h->taken[s] >= h->size[s];
        o.size++;
        h->seen[i] = h->held[i] = 1;
    } while ((i = h->next[i]) != image);
    h->total += o.size;
    return o;
}

static void put_back(struct holdout *h, uint32_t image)
{
    uint32_t i = image;
    do {
        h->held[i] = 0;
        h->taken[h->stratum[i]]--;
        h->total--;
    } while ((i = h->next[i]) != image);
}

static uint32_t distance(const struct holdout *h, uint32_t total)
{
    return total > h->wanted ? total - h->wanted : h->wanted - total;
}

static void clear(struct holdout *h)
{
    memset(h->seen, 0, h->count);
    memset(h->held, 0, h->count);
    memset(h->taken, 0, h->strata * sizeof(*h->taken));
    h->total = 0;
}

// Takes, as they are drawn, the groups that bring more images where they are wanted than where they are not, up to `most`
// images, and leave no stratum without any.
static void fill(struct holdout *h, const uint32_t *order, uint32_t most)
{
    clear(h);
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->seen[order[i]])
            continue;
        const struct offer o = take(h, order[i]);
        if (o.emptied || o.gain <= 0 || h->total > most)
            put_back(h, order[i]);
    }
}

// Takes one group alone where that comes nearer to what is wanted than `total` images, or `total` is 0: of several as near
// the first drawn. Returns whether it does. `lenient`: strata may be emptied.
static bool take_nearest(struct holdout *h, const uint32_t *order, uint32_t total, bool lenient)
{
    uint32_t best = 0;
    bool found = false;
    clear(h);
    for (uint32_t i = 0; i < h->count; i++) {
        if (h->seen[order[i]])
            continue;
        const struct offer o = take(h, order[i]);
        put_back(h, order[i]);
        if (o.wanted && (lenient || !o.emptied) && o.size <= h->most &&
            (!total || distance(h, o.size) < distance(h, total))) {
            best = order[i];
            total = o.size;
            found = true;
        }
    }
    if (found)
        take(h, best);
    return found;
}

// Fills with the groups as they are drawn, which keeps strata most even. Where that misses what is wanted by more than a
// quarter, smaller groups are taken, or a single one, if that comes nearer. Of images without groups the first is exact.
static void hold(struct holdout *h, const uint32_t *order)
{
    fill(h, order, h->most);
    uint32_t most = h->most, total = h->total;
    if (distance(h, total) <= h->wanted / 4)
        return;
    fill(h, order, h->wanted);
    if (distance(h, h->total) < distance(h, total)) {
        most = h->wanted;
        total = h->total;
    }
    if (!take_nearest(h, order, total, false))
        fill(h, order, most);
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
        h->wanted += h->want[s];
    }
    h->most = h->wanted > h->count / 2 ? h->wanted : h->count / 2;      // of `count` images always less
    vkd__order_draw(order, h->count, VKD_STREAM_HOLDOUT, seed, 0);
    hold(h, order);
    // Of several labels an image the rarest is not all that it shows: where groups are few, one of them may be held out.
    if (!h->total && vkd_dataset_info(h->d)->multi_label)
        (void) take_nearest(h, order, 0, true);
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
    *count = h.total;
    free(row);
    free(h.stratum);
    free(h.size);
    free(h.seen);
    return r;
}
