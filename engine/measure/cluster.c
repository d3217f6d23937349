// cluster.c -- agglomerative clustering by average linkage, with the nearest-neighbour chain.
//
// From any cluster go on to its nearest until two are each other's nearest, and merge them. Average
// linkage is reducible: a merged cluster is no nearer to a third one than the nearer of its parts was. So
// the rest of the chain stays valid, the heights are those of merging the closest pair first, and all of
// it takes O(n^2) steps.
#include "filters.h"

#include "matrix.h"

#include <math.h>
#include <stdlib.h>

struct clusters {
    uint64_t n;
    double *distance;       // (n, n), symmetric; INFINITY on the diagonal and to what was merged away
    uint32_t *size;         // n; 0: merged away
    uint32_t *chain;        // n
    uint32_t chain_count;
};

// The nearest of cluster a; of equally near ones `before`, then the lowest. The chain would go in
// circles without the first rule.
static uint32_t nearest(const struct clusters *k, uint32_t a, uint32_t before)
{
    const double *row = k->distance + a * k->n;
    double best = before == UINT32_MAX ? INFINITY : row[before];
    for (uint32_t j = 0; j < k->n; j++) {
        if (row[j] < best) {
            best = row[j];
            before = j;
        }
    }
    return before;
}

// Merges cluster b into a; distances are means over all pairs of filters.
static void merge(struct clusters *k, uint32_t a, uint32_t b)
{
    const double size_a = k->size[a], size_b = k->size[b], all = size_a + size_b;
    double *row_a = k->distance + a * k->n, *row_b = k->distance + b * k->n;
    for (uint32_t j = 0; j < k->n; j++) {
        if (j != a && j != b && k->size[j]) {
            row_a[j] = (size_a * row_a[j] + size_b * row_b[j]) / all;
            k->distance[j * k->n + a] = row_a[j];
        }
        k->distance[j * k->n + b] = INFINITY;
    }
    k->size[a] += k->size[b];
    k->size[b] = 0;
}

// The next two clusters that are each other's nearest become one, which keeps the higher place as SciPy's does: where
// distances are equal, the order decides.
static struct vkd__merge merge_next(struct clusters *k)
{
    uint32_t a = 0, before = UINT32_MAX;
    if (!k->chain_count) {
        while (!k->size[a])
            a++;
        k->chain[k->chain_count++] = a;
    }
    for (;;) {
        a = k->chain[k->chain_count - 1];
        before = k->chain_count > 1 ? k->chain[k->chain_count - 2] : UINT32_MAX;
        uint32_t next = nearest(k, a, before);
        if (next == before)
            break;
        k->chain[k->chain_count++] = next;
    }
    const struct vkd__merge m = { k->distance[a * k->n + before], a > before ? a : before, a > before ? before : a };
    k->chain_count -= 2;
    merge(k, m.a, m.b);
    return m;
}

static int ascending(const void *a, const void *b)
{
    double x = ((const struct vkd__merge *) a)->height, y = ((const struct vkd__merge *) b)->height;
    return (x > y) - (x < y);
}

vkd_result vkd__cluster_cosines(double *cosines, uint32_t n, const struct vkd_log *log, struct vkd__merge *merges)
{
    struct clusters k = { .n = n, .distance = cosines };
    vkd_result r = VKD_OK;
    k.size = vkd__measure_alloc(k.n, 1, sizeof(*k.size));
    k.chain = vkd__measure_alloc(k.n, 1, sizeof(*k.chain));
    if (!k.size || !k.chain) {
        r = vkd__measure_memory("cluster", "the chain", log);
        goto done;
    }
    for (uint64_t i = 0; i < k.n; i++) {
        for (uint64_t j = 0; j < k.n; j++)
            k.distance[i * k.n + j] = 1 - k.distance[i * k.n + j];
        k.distance[i * k.n + i] = INFINITY;
        k.size[i] = 1;
    }
    for (uint64_t i = 0; i + 1 < k.n; i++)
        merges[i] = merge_next(&k);
    if (k.n > 1)
        qsort(merges, k.n - 1, sizeof(*merges), ascending);
done:
    free(k.chain);
    free(k.size);
    return r;
}

// The first filter of i's cluster, clusters so far being trees.
static uint32_t root_of(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

vkd_result vkd_cluster_labels(const struct vkd_matrix *w, double threshold, const struct vkd_log *log, uint32_t *labels)
{
    const char call[] = "cluster";
    double *cosines;
    vkd_result r = vkd__cosines(call, w, NULL, log, &cosines);
    if (r < 0)
        return r;
    struct vkd__merge *merges = vkd__measure_alloc(w->rows, 1, sizeof(*merges));
    uint32_t *parent = vkd__measure_alloc(w->rows, 1, sizeof(*parent)), count = 0;
    r = merges && parent ? vkd__cluster_cosines(cosines, w->rows, log, merges) : vkd__measure_memory(call, "the merges", log);
    for (uint32_t i = 0; r == VKD_OK && i < w->rows; i++)
        parent[i] = i;
    for (uint32_t i = 0; r == VKD_OK && i + 1 < w->rows && merges[i].height <= threshold; i++) {
        const uint32_t a = root_of(parent, merges[i].a), b = root_of(parent, merges[i].b);
        parent[a > b ? a : b] = a > b ? b : a;
    }
    for (uint32_t i = 0; r == VKD_OK && i < w->rows; i++) {
        const uint32_t first = root_of(parent, i);
        labels[i] = first == i ? count++ : labels[first];
    }
    free(parent);
    free(merges);
    free(cosines);
    return r;
}

uint32_t vkd_cluster_count(const double *heights, uint32_t count, double threshold)
{
    uint32_t clusters = count;
    for (uint32_t i = 0; i + 1 < count && heights[i] <= threshold; i++)
        clusters--;
    return clusters;
}
