// select.c -- which of a format's classes and images a spec asks for.
#include "dataset.h"

#include <stdlib.h>
#include <string.h>

// Chooses among `count` candidates, listed in `images`: the first of each class, then the second of
// each, until `limit` are taken. The candidates' order stays. Returns how many are left.
static uint32_t limit_balanced(uint32_t *images, uint32_t count, const uint32_t *labels, uint32_t classes,
                               uint32_t limit, uint32_t *rank, uint32_t *sizes)
{
    memset(sizes, 0, classes * sizeof *sizes);
    for (uint32_t i = 0; i < count; i++)
        rank[i] = sizes[labels[images[i]]]++;
    // The first `full` of every class fit; of the next round the first classes get one more.
    uint32_t full = 0, too_many = limit + 1;
    uint64_t taken = 0;
    while (too_many - full > 1) {
        const uint32_t middle = full + (too_many - full) / 2;
        uint64_t sum = 0;
        for (uint32_t c = 0; c < classes; c++)
            sum += sizes[c] < middle ? sizes[c] : middle;
        if (sum > limit) {
            too_many = middle;
        } else {
            full = middle;
            taken = sum;
        }
    }
    uint32_t spare = limit - (uint32_t)taken;
    for (uint32_t c = 0; c < classes; c++) {
        const bool more = sizes[c] > full && spare;
        sizes[c] = full + more;
        spare -= more;
    }
    uint32_t left = 0;
    for (uint32_t i = 0; i < count; i++)
        if (rank[i] < sizes[labels[images[i]]])
            images[left++] = images[i];
    return left;
}

// `limit` of `count` candidates, at even distances: a list sorted by what it shows stays mixed.
static uint32_t limit_evenly(uint32_t *images, uint32_t count, uint32_t limit)
{
    for (uint32_t i = 0; i < limit; i++)
        images[i] = images[(uint64_t)i * count / limit];
    return limit;
}

// How many images the spec asks for of its split; 0: all.
static uint32_t limit_of(const struct vkd__spec *spec)
{
    const uint32_t few = strcmp(spec->split, "train") ? 0 : spec->train_limit;
    return few && (!spec->limit || few < spec->limit) ? few : spec->limit;
}

static uint32_t apply_limit(vkd_dataset *d, uint32_t count, uint32_t *rank)
{
    const struct vkd__source *s = &d->source;
    const uint32_t limit = limit_of(&d->spec);
    if (!limit || count <= limit)
        return count;
    if (s->labels)
        return limit_balanced(d->images, count, s->labels, s->classes, limit, rank, d->class_sizes);
    return s->marks ? limit_evenly(d->images, count, limit) : limit;
}

// ---- Holding images out ----

struct held { uint32_t label, image; uint64_t hash; };

static int compare_held(const void *a, const void *b)
{
    const struct held *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

static uint32_t distance(uint32_t a, uint32_t b)
{
    return a > b ? a - b : b - a;
}

// The images from list[first] on that share its hash.
static uint32_t group_size(const struct held *list, uint32_t n, uint32_t first)
{
    uint32_t size = 1;
    while (first + size < n && list[first + size].hash == list[first].hash)
        size++;
    return size;
}

// Marks whole groups among the n images of the list, some and not all, none of a single group: by hash those that do not
// pass `want`, then the one that comes nearest to it, if any comes nearer.
static void mark_groups(const struct held *list, uint32_t n, uint32_t want, bool *test)
{
    uint32_t taken = 0, best = 0, best_size = 0;
    for (uint32_t first = 0, size; first < n; first += size) {
        size = group_size(list, n, first);
        if (size > want - taken || size >= n - taken)
            continue;
        for (uint32_t i = 0; i < size; i++)
            test[list[first + i].image] = true;
        taken += size;
    }
    for (uint32_t first = 0, size; first < n; first += size) {
        size = group_size(list, n, first);
        if (test[list[first].image] || size >= n - taken)
            continue;
        const uint32_t now = distance(taken + best_size, want), then = distance(taken + size, want);
        if (then < now || !(taken + best_size)) {
            best = first;
            best_size = size;
        }
    }
    for (uint32_t i = 0; i < best_size; i++)
        test[list[best + i].image] = true;
}

// test[i] for each image of the source: of a class's n images (of all, without one label an image) the
// round(share * n) with the smallest hashes of their names, at least one and not all; of one image none. The images of
// a group share the hash of its name, and go together. `test` holds false before.
static vkd_result mark_test(const vkd_dataset *d, bool *test, struct vkd__why *why)
{
    const struct vkd__source *s = &d->source;
    struct held *list = malloc(((size_t)s->count + 1) * sizeof *list);
    char name[4096];
    if (!list)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of %u images", s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        const char *group = d->format->group_of ? d->format->group_of(s, i) : "";
        d->format->name_of(s, i, name, sizeof name);
        group = group[0] ? group : name;
        list[i] = (struct held) { .label = s->labels ? s->labels[i] : 0, .image = i, .hash = XXH64(group, strlen(group), 0) };
    }
    qsort(list, s->count, sizeof *list, compare_held);
    for (uint32_t first = 0, n; first < s->count; first += n) {
        for (n = 1; first + n < s->count && list[first + n].label == list[first].label; n++)
            ;
        const uint32_t want = (uint32_t)(((uint64_t)n * d->spec.holdout + 500000) / 1000000);
        mark_groups(list + first, n, want, test);
    }
    free(list);
    return VKD_OK;
}

// Leaves the images of the split in d->images, of which there are *count.
static vkd_result hold_out(vkd_dataset *d, uint32_t *count, struct vkd__why *why)
{
    const bool want_test = !strcmp(d->spec.split, "test");
    uint32_t left = 0;
    if (!d->source.undivided)
        return vkd__data_fail(why, VKD_INVALID, "holdout: this set is divided into splits already; leave the option out");
    d->source.absent = !strcmp(d->spec.split, "val");
    if (d->source.absent)
        return vkd__data_fail(why, VKD_INVALID, "split val: holdout divides a set into train and test");
    if (!strcmp(d->spec.split, "all"))
        return VKD_OK;
    bool *test = calloc((size_t)d->source.count + 1, sizeof *test);
    if (!test)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of %u images", d->source.count);
    vkd_result r = mark_test(d, test, why);
    if (r == VKD_OK && want_test && !memchr(test, true, d->source.count))
        r = vkd__data_fail(why, VKD_INVALID, "holdout: nothing of %u image%s can be held out: expected two groups, or two "
                           "images of a class", d->source.count, d->source.count > 1 ? "s" : "");
    for (uint32_t i = 0; r == VKD_OK && i < *count; i++)
        if (test[d->images[i]] == want_test)
            d->images[left++] = d->images[i];
    free(test);
    if (r == VKD_OK)
        *count = left;
    return r;
}

// ---- All of it ----

static vkd_result allocate(vkd_dataset *d, struct vkd__why *why)
{
    const struct vkd__source *s = &d->source;
    const size_t images = (size_t)s->count + 1, classes = (size_t)s->classes + 1;
    d->images = malloc(images * sizeof *d->images);
    d->labels = s->labels ? malloc(images * sizeof *d->labels) : NULL;
    d->kept = malloc(classes * sizeof *d->kept);
    d->renumbered = malloc(classes * sizeof *d->renumbered);
    d->class_sizes = calloc(classes, sizeof *d->class_sizes);
    if (!d->images || (s->labels && !d->labels) || !d->kept || !d->renumbered || !d->class_sizes)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of %u images", s->count);
    return VKD_OK;
}

// Fills kept and renumbered.
static vkd_result choose_classes(vkd_dataset *d, struct vkd__why *why)
{
    const uint32_t classes = d->source.classes;
    if (d->spec.classes && !classes)
        return vkd__data_fail(why, VKD_INVALID, "classes=%.60s: these images have no labels", d->spec.classes);
    bool *keep = calloc((size_t)classes + 1, sizeof *keep);
    if (!keep)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for %u classes", classes);
    vkd_result r = vkd__spec_classes(d->spec.classes, classes, keep, why);
    for (uint32_t c = 0; r == VKD_OK && c < classes; c++) {
        d->renumbered[c] = keep[c] ? d->info.classes : VKD_NO_LABEL;
        if (keep[c])
            d->kept[d->info.classes++] = c;
    }
    free(keep);
    return r;
}

static void count_classes(vkd_dataset *d)
{
    const struct vkd__source *s = &d->source;
    memset(d->class_sizes, 0, ((size_t)s->classes + 1) * sizeof *d->class_sizes);
    for (uint32_t i = 0; i < d->info.count; i++) {
        const uint32_t image = d->images[i];
        if (d->labels)
            d->class_sizes[d->labels[i]]++;
        for (uint32_t m = s->marks ? s->mark_first[image] : 0; s->marks && m < s->mark_first[image + 1]; m++)
            if (s->marks[m].target > 0 && d->renumbered[s->marks[m].label] != VKD_NO_LABEL)
                d->class_sizes[d->renumbered[s->marks[m].label]]++;
    }
}

vkd_result vkd__dataset_select(vkd_dataset *d, struct vkd__why *why)
{
    const struct vkd__source *s = &d->source;
    vkd_result r = allocate(d, why);
    if (r == VKD_OK)
        r = choose_classes(d, why);
    if (r != VKD_OK)
        return r;
    uint32_t *rank = limit_of(&d->spec) ? malloc(((size_t)s->count + 1) * sizeof *rank) : NULL;
    if (limit_of(&d->spec) && !rank)
        return vkd__data_fail(why, VKD_NO_MEMORY, "out of memory for the list of %u images", s->count);
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->count; i++)
        if (!s->labels || d->renumbered[s->labels[i]] != VKD_NO_LABEL)
            d->images[count++] = i;
    if (d->spec.holdout)
        r = hold_out(d, &count, why);
    if (r == VKD_OK)
        count = apply_limit(d, count, rank);
    free(rank);
    if (r != VKD_OK)
        return r;
    if (!count)
        return vkd__data_fail(why, VKD_FORMAT, "split %s holds no images%s", d->spec.split,
                              d->spec.classes ? " of these classes" : "");
    for (uint32_t i = 0; d->labels && i < count; i++)
        d->labels[i] = d->renumbered[s->labels[d->images[i]]];
    d->info.count = count;
    d->info.multi_label = s->marks != NULL;
    r = vkd__shuffle_labels(d, why);
    if (r == VKD_OK)
        count_classes(d);
    return r;
}
