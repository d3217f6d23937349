// ranking.c -- average precision of multisets of examples that are sorted once.
#include "transfer_impl.h"

#include <math.h>
#include <stdlib.h>

struct place { uint32_t example; uint8_t yes, ends; };  // `ends`: the next has a lower score

struct vkd__ranking {
    uint32_t rows, classes;
    uint32_t *known;                // by class: places
    struct place *places;           // (classes, rows): by descending score, examples of which the class is known
};

struct scored { float score; uint32_t example; };

static int by_score(const void *a, const void *b)
{
    const struct scored *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return x->example < y->example ? -1 : x->example > y->example;
}

vkd_result vkd__ranking_create(const float *scores, const int8_t *truth, uint32_t rows, uint32_t classes,
                               struct vkd__ranking **out)
{
    struct vkd__ranking *r = calloc(1, sizeof(*r));
    struct scored *list = malloc((rows + 1u) * sizeof(*list));
    if (r) {
        *r = (struct vkd__ranking) { .rows = rows, .classes = classes };
        r->known = calloc(classes + 1u, sizeof(*r->known));
        r->places = malloc(((uint64_t) rows * classes + 1) * sizeof(*r->places));
    }
    if (!r || !list || !r->known || !r->places) {
        free(list);
        vkd__ranking_destroy(&r);
        return VKD_NO_MEMORY;
    }
    for (uint32_t c = 0; c < classes; c++) {
        struct place *at = r->places + (uint64_t) c * rows;
        uint32_t n = 0;
        for (uint32_t i = 0; i < rows; i++)
            if (truth[(uint64_t) i * classes + c] != VKD_TRUTH_UNKNOWN)
                list[n++] = (struct scored) { scores[(uint64_t) i * classes + c], i };
        qsort(list, n, sizeof(*list), by_score);
        for (uint32_t i = 0; i < n; i++)
            at[i] = (struct place) { list[i].example, truth[(uint64_t) list[i].example * classes + c] == VKD_TRUTH_YES,
                                     i + 1 == n || list[i + 1].score != list[i].score };
        r->known[c] = n;
    }
    free(list);
    *out = r;
    return VKD_OK;
}

void vkd__ranking_destroy(struct vkd__ranking **pr)
{
    struct vkd__ranking *r = *pr;
    if (r) {
        free(r->known);
        free(r->places);
    }
    free(r);
    *pr = NULL;
}

// vkd_average_precision's voc11 or plain, from the last place to the first: so the best precision from a point on is at
// hand, and that where equal scores end. VKD__AP_OTHERS: the precision at an example is that among the others that score
// as high; where there are none, that of the next positive.
static double class_ap(const struct place *places, uint32_t n, const uint32_t *count, enum vkd__ap kind)
{
    const bool voc11 = kind == VKD__AP_VOC11, others = kind == VKD__AP_OTHERS;
    uint64_t entered = 0, right = 0;
    for (uint32_t i = 0; i < n; i++) {
        entered += count[places[i].example];
        right += places[i].yes ? count[places[i].example] : 0;
    }
    const uint64_t positives = right;
    double best = 0, precision = 0, last = 1, all = 0, above[11] = { 0 };
    if (!positives)
        return NAN;
    for (uint32_t i = n; i-- > 0;) {
        const uint32_t here = count[places[i].example];
        if (places[i].ends && entered) {
            precision = !others ? (double) right / (double) entered : !right ? 0 : entered > 1 ?
                        (double) (right - 1) / (double) (entered - 1) : last;
            best = fmax(best, precision);
            for (uint32_t t = 0; voc11 && t <= 10; t++)
                if (10 * right >= t * positives)
                    above[t] = best;
        }
        entered -= here;
        right -= places[i].yes ? here : 0;
        all += places[i].yes ? precision * here : 0;
        last = places[i].yes && here ? precision : last;
    }
    for (uint32_t t = 0; t <= 10; t++)
        above[0] += t ? above[t] : 0;
    return voc11 ? above[0] / 11 : all / (double) positives;
}

double vkd__ranking_map(const struct vkd__ranking *r, const uint32_t *count, enum vkd__ap kind)
{
    double sum = 0;
    uint32_t classes = 0;
    for (uint32_t c = 0; c < r->classes; c++) {
        double ap = class_ap(r->places + (uint64_t) c * r->rows, r->known[c], count, kind);
        sum += isnan(ap) ? 0 : ap;
        classes += !isnan(ap);
    }
    return classes ? sum / classes : NAN;
}
