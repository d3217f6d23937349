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

// The distance of the next two clusters that are each other's nearest, which become one.
static double merge_next(struct clusters *k)
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
    double height = k->distance[a * k->n + before];
    k->chain_count -= 2;
    merge(k, a < before ? a : before, a < before ? before : a);
    return height;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *) a, y = *(const double *) b;
    return (x > y) - (x < y);
}

vkd_result vkd__cluster_cosines(double *cosines, uint32_t n, const struct vkd_log *log, double *heights)
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
        heights[i] = merge_next(&k);
    if (k.n > 1)
        qsort(heights, k.n - 1, sizeof(*heights), ascending);
done:
    free(k.chain);
    free(k.size);
    return r;
}

uint32_t vkd_cluster_count(const double *heights, uint32_t count, double threshold)
{
    uint32_t clusters = count;
    for (uint32_t i = 0; i + 1 < count && heights[i] <= threshold; i++)
        clusters--;
    return clusters;
}
