// knn.c -- weighted nearest neighbours: blocks of test against blocks of training rows, the nearest in a heap.
#include "matrix.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TEST_ROWS  1024u
#define TRAIN_ROWS 4096u

struct neighbour {
    float cosine;
    uint32_t row;
};

struct knn {
    struct vkd_knn_params p;
    uint32_t *kept;                 // training rows with a label, ascending
    uint32_t kept_count, k;
    uint32_t test_rows, train_rows; // of a block
    float *test, *train;            // unit rows of a block
    float *cosines;                 // (test_rows, train_rows)
    struct neighbour *heaps;        // (test_rows, k), the farthest first
    double *votes;                  // classes
    double *weights;                // k
};

static bool farther(struct neighbour a, struct neighbour b)
{
    return a.cosine < b.cosine || (a.cosine == b.cosine && a.row > b.row);
}

static void sift_down(struct neighbour *heap, uint32_t count, uint32_t at)
{
    struct neighbour x = heap[at];
    for (uint64_t child; (child = 2 * (uint64_t) at + 1) < count; at = (uint32_t) child) {
        if (child + 1 < count && farther(heap[child + 1], heap[child]))
            child++;
        if (!farther(heap[child], x))
            break;
        heap[at] = heap[child];
    }
    heap[at] = x;
}

// Takes in the cosines of `count` training rows that follow the `seen` ones: rows ascend, so that an
// equal cosine never displaces a nearer one.
static void take_in(const struct knn *s, struct neighbour *heap, const float *cosines, uint32_t seen, uint32_t count)
{
    uint32_t j = 0;
    for (; j < count && seen + j < s->k; j++) {
        heap[seen + j] = (struct neighbour) { cosines[j], s->kept[seen + j] };
        if (seen + j + 1 == s->k)
            for (uint32_t at = s->k / 2; at-- > 0;)
                sift_down(heap, s->k, at);
    }
    for (; j < count; j++) {
        if (cosines[j] > heap[0].cosine) {
            heap[0] = (struct neighbour) { cosines[j], s->kept[seen + j] };
            sift_down(heap, s->k, 0);
        }
    }
}

// The weight of each neighbour's vote, in its place, relative to the nearest's, which changes no order: e^(1 / T) of a
// small T is infinite.
static void weigh(const struct knn *s, const struct neighbour *heap)
{
    float nearest = heap[0].cosine;
    for (uint32_t i = 1; i < s->k; i++)
        nearest = fmaxf(nearest, heap[i].cosine);
    for (uint32_t i = 0; i < s->k; i++)
        s->weights[i] = exp(((double) heap[i].cosine - nearest) / s->p.temperature);
}

// The class with most votes; *place is how many classes come before `label`, UINT32_MAX without a vote.
static uint32_t vote(const struct knn *s, const struct neighbour *heap, uint32_t label, uint32_t *place)
{
    uint32_t best = 0;
    memset(s->votes, 0, s->p.classes * sizeof(*s->votes));
    weigh(s, heap);
    for (uint32_t i = 0; i < s->k; i++)
        s->votes[s->p.train_labels[heap[i].row]] += s->weights[i];
    *place = label < s->p.classes && s->votes[label] > 0 ? 0 : UINT32_MAX;
    for (uint32_t c = 0; c < s->p.classes; c++) {
        if (s->votes[c] > s->votes[best])
            best = c;
        if (*place != UINT32_MAX && (s->votes[c] > s->votes[label] || (s->votes[c] == s->votes[label] && c < label)))
            ++*place;
    }
    return best;
}

// Of the votes of neighbours of which class c is known, the share that is yes; 0 where it is known of none.
static void share(const struct knn *s, const struct neighbour *heap, const int8_t *truth, float *scores)
{
    const uint32_t classes = s->p.classes;
    weigh(s, heap);
    for (uint32_t c = 0; c < classes; c++) {
        double yes = 0, all = 0;
        for (uint32_t i = 0; i < s->k; i++) {
            const int8_t t = truth[(uint64_t) heap[i].row * classes + c];
            yes += t == VKD_TRUTH_YES ? s->weights[i] : 0;
            all += t != VKD_TRUTH_UNKNOWN ? s->weights[i] : 0;
        }
        scores[c] = all > 0 ? (float) (yes / all) : 0;
    }
}

static void find_neighbours(const struct knn *s, uint32_t first, uint32_t count)
{
    const int cols = (int) s->p.test.cols;
    vkd__unit_rows_f32(&s->p.test, NULL, first, count, s->test);
    for (uint32_t seen = 0; seen < s->kept_count; seen += s->train_rows) {
        uint32_t rows = s->kept_count - seen < s->train_rows ? s->kept_count - seen : s->train_rows;
        vkd__unit_rows_f32(&s->p.train, s->kept, seen, rows, s->train);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int) count, (int) rows, cols, 1, s->test, cols, s->train,
                    cols, 0, s->cosines, (int) rows);
        for (uint32_t i = 0; i < count; i++)
            take_in(s, s->heaps + (uint64_t) i * s->k, s->cosines + (uint64_t) i * rows, seen, rows);
    }
}

static vkd_result check_labels(const char *name, const uint32_t *labels, uint32_t count, uint32_t classes,
                               const struct vkd_log *log)
{
    for (uint32_t i = 0; i < count; i++) {
        if (labels[i] >= classes && labels[i] != VKD_NO_LABEL) {
            vkd_log_write(log, VKD_LOG_ERROR, "knn: labels of %s must be below %u classes, row %u has %u", name,
                          classes, i, labels[i]);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static vkd_result check(struct vkd_knn_params *p, bool labels)
{
    vkd_result r = vkd__matrix_check("knn", "training features", &p->train, &p->log);
    if (r == VKD_OK)
        r = vkd__matrix_check("knn", "test features", &p->test, &p->log);
    if (r < 0)
        return r;
    if (p->train.cols != p->test.cols || (labels && (!p->train_labels || !p->test_labels)) || !p->classes || !p->k ||
        !(p->temperature > 0 && isfinite(p->temperature))) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "knn: expected features of one width, labels, classes and k of at least "
                      "1 and a temperature above 0; found widths %u and %u, %u classes, k %u, temperature %g",
                      p->train.cols, p->test.cols, p->classes, p->k, p->temperature);
        return VKD_INVALID;
    }
    if (!labels)
        return VKD_OK;
    r = check_labels("training rows", p->train_labels, p->train.rows, p->classes, &p->log);
    return r < 0 ? r : check_labels("test rows", p->test_labels, p->test.rows, p->classes, &p->log);
}

static vkd_result knn_init(struct knn *s)
{
    s->kept = vkd__measure_alloc(s->p.train.rows, 1, sizeof(*s->kept));
    for (uint32_t i = 0; s->kept && i < s->p.train.rows; i++)
        if (!s->p.train_labels || s->p.train_labels[i] != VKD_NO_LABEL)
            s->kept[s->kept_count++] = i;
    if (s->kept && !s->kept_count) {
        vkd_log_write(&s->p.log, VKD_LOG_ERROR, "knn: none of the %u training rows has a label", s->p.train.rows);
        return VKD_INVALID;
    }
    s->k = s->p.k < s->kept_count ? s->p.k : s->kept_count;
    s->train_rows = vkd__block_rows(s->kept_count < TRAIN_ROWS ? s->kept_count : TRAIN_ROWS, s->p.test.cols);
    s->test_rows = vkd__block_rows(s->p.test.rows < TEST_ROWS ? s->p.test.rows : TEST_ROWS,
                                   s->k > s->p.test.cols ? s->k : s->p.test.cols);
    s->test = vkd__measure_alloc(s->test_rows, s->p.test.cols, sizeof(float));
    s->train = vkd__measure_alloc(s->train_rows, s->p.test.cols, sizeof(float));
    s->cosines = vkd__measure_alloc(s->test_rows, s->train_rows, sizeof(float));
    s->heaps = vkd__measure_alloc(s->test_rows, s->k, sizeof(*s->heaps));
    s->votes = vkd__measure_alloc(s->p.classes, 1, sizeof(double));
    s->weights = vkd__measure_alloc(s->k, 1, sizeof(double));
    if (!s->kept || !s->test || !s->train || !s->cosines || !s->heaps || !s->votes || !s->weights)
        return vkd__measure_memory("knn", "its blocks", &s->p.log);
    return VKD_OK;
}

static void knn_finish(struct knn *s)
{
    free(s->weights);
    free(s->votes);
    free(s->heaps);
    free(s->cosines);
    free(s->train);
    free(s->test);
    free(s->kept);
}

vkd_result vkd_knn(const struct vkd_knn_params *p, struct vkd_knn_result *out, uint32_t *predictions)
{
    struct knn s = { .p = *p };
    uint32_t count = 0, right = 0, right5 = 0;
    vkd_result r = check(&s.p, true);
    if (r == VKD_OK)
        r = knn_init(&s);
    if (r < 0)
        goto done;
    for (uint32_t first = 0; first < p->test.rows; first += s.test_rows) {
        uint32_t rows = p->test.rows - first < s.test_rows ? p->test.rows - first : s.test_rows;
        find_neighbours(&s, first, rows);
        for (uint32_t i = 0; i < rows; i++) {
            uint32_t label = p->test_labels[first + i], place;
            uint32_t predicted = vote(&s, s.heaps + (uint64_t) i * s.k, label, &place);
            if (predictions)
                predictions[first + i] = predicted;
            count += label != VKD_NO_LABEL;
            right += place == 0;
            right5 += place < 5;
        }
    }
    *out = (struct vkd_knn_result) { count, NAN, NAN };
    if (count) {
        out->top1 = (double) right / count;
        out->top5 = (double) right5 / count;
    }
done:
    knn_finish(&s);
    return r;
}

vkd_result vkd_knn_scores(const struct vkd_knn_params *p, const int8_t *truth, float *scores)
{
    struct knn s = { .p = *p };
    s.p.train_labels = s.p.test_labels = NULL;
    vkd_result r = check(&s.p, false);
    for (uint64_t i = 0; r == VKD_OK && i < (uint64_t) p->train.rows * p->classes; i++)
        if (truth[i] < VKD_TRUTH_UNKNOWN || truth[i] > VKD_TRUTH_YES) {
            vkd_log_write(&p->log, VKD_LOG_ERROR, "knn: truth must be -1 (unknown), 0 or 1, row %u class %u is %d",
                          (uint32_t) (i / p->classes), (uint32_t) (i % p->classes), truth[i]);
            r = VKD_INVALID;
        }
    if (r == VKD_OK)
        r = knn_init(&s);
    for (uint32_t first = 0; r == VKD_OK && first < p->test.rows; first += s.test_rows) {
        uint32_t rows = p->test.rows - first < s.test_rows ? p->test.rows - first : s.test_rows;
        find_neighbours(&s, first, rows);
        for (uint32_t i = 0; i < rows; i++)
            share(&s, s.heaps + (uint64_t) i * s.k, truth, scores + (uint64_t) (first + i) * p->classes);
    }
    knn_finish(&s);
    return r;
}
