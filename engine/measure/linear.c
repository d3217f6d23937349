// linear.c -- the linear protocol: fits along the penalties, the choice on val, the fit on train and val.
#include "linear_fit.h"
#include "linear_path.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NEVER (-1e9)        // intercept of a class that cannot be predicted

static const char call[] = "linear";

struct linear {
    struct vkd_linear_params p;
    struct vkd__basis basis;
    struct vkd__fit fit;
    struct vkd__fit_room *room;
    uint32_t d, k, models;
    uint32_t train_rows, val_rows;  // with a label
    uint32_t fits, fits_done;
    uint64_t variables;             // of a model: (r + 1) k
    double *scale;                  // d
    float *z;                       // (train_rows + val_rows, r)
    uint32_t *labels;               // train_rows + val_rows; or
    int8_t *truth;                  // (train_rows + val_rows, k)
    double *weight, *weight_no, *penalty;   // k
    uint8_t *off;                   // k
    double *u, *best, *best_mean;   // (r + 1, k): the model; those of the best scores so far
    float *val_logits;              // (val_rows, k)
    uint32_t *predicted;            // val_rows
    struct vkd_ap *aps;             // k
};

// ---- Preparing ----

// Rows of `s` that count: into `rows`, when not NULL.
static uint32_t kept_rows(const struct vkd_linear_params *p, const struct vkd_linear_set *s, uint32_t *rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->features.rows; i++) {
        if (!p->multi_label && s->labels[i] == VKD_NO_LABEL)
            continue;
        if (rows)
            rows[n] = i;
        n++;
    }
    return n;
}

// 1, or the columns' standard deviations in train.
static vkd_result column_scales(struct linear *l)
{
    const struct vkd_matrix *m = &l->p.train.features;
    for (uint32_t c = 0; c < l->d; c++)
        l->scale[c] = 1;
    if (!l->p.standardise)
        return VKD_OK;
    double *mean = vkd__measure_alloc(l->d, 2, sizeof(*mean));
    if (!mean)
        return vkd__measure_memory(call, "the columns' means", &l->p.log);
    double *squares = mean + l->d;
    vkd__column_means(m, mean);
    for (uint32_t i = 0; i < m->rows; i++)
        for (uint32_t c = 0; c < l->d; c++)
            squares[c] += (vkd__row(m, i)[c] - mean[c]) * (vkd__row(m, i)[c] - mean[c]);
    for (uint32_t c = 0; c < l->d; c++) {
        const double std = sqrt(squares[c] / m->rows);
        l->scale[c] = std > 1e-7 * fabs(mean[c]) ? std : 1;     // below: rounding of a constant
    }
    free(mean);
    return VKD_OK;
}

// Copies the labels of a split's kept rows, and makes their features.
static vkd_result take_split(struct linear *l, const struct vkd_linear_set *s, uint32_t first, uint32_t count)
{
    uint32_t *rows = vkd__measure_alloc(count, 1, sizeof(*rows));
    if (!rows)
        return vkd__measure_memory(call, "a list of rows", &l->p.log);
    kept_rows(&l->p, s, rows);
    for (uint32_t i = 0; i < count; i++) {
        if (l->p.multi_label)
            memcpy(l->truth + (uint64_t) (first + i) * l->k, s->truth + (uint64_t) rows[i] * l->k, l->k);
        else
            l->labels[first + i] = s->labels[rows[i]];
    }
    vkd_result r = vkd__basis_apply(&l->basis, &s->features, rows, count, &l->p.log,
                                    l->z + (uint64_t) first * l->basis.r);
    free(rows);
    return r;
}

static vkd_result prepare_rows(struct linear *l)
{
    const struct vkd_matrix sets[2] = { l->p.train.features, l->p.val.features };
    l->scale = vkd__measure_alloc(l->d, 1, sizeof(double));
    if (!l->scale)
        return vkd__measure_memory(call, "the columns' scales", &l->p.log);
    vkd_result r = column_scales(l);
    if (r == VKD_OK)
        r = vkd__basis_init(&l->basis, sets, l->p.val.features.rows ? 2 : 1, l->scale, &l->p.log);
    if (r < 0)
        return r;
    const uint64_t rows = (uint64_t) l->train_rows + l->val_rows;
    l->z = vkd__measure_alloc(rows, l->basis.r, sizeof(float));
    if (l->p.multi_label)
        l->truth = vkd__measure_alloc(rows, l->k, 1);
    else
        l->labels = vkd__measure_alloc(rows, 1, sizeof(uint32_t));
    if (!l->z || !(l->p.multi_label ? (void *) l->truth : (void *) l->labels))
        return vkd__measure_memory(call, "the features of train and val", &l->p.log);
    r = take_split(l, &l->p.train, 0, l->train_rows);
    return r == VKD_OK && l->val_rows ? take_split(l, &l->p.val, l->train_rows, l->val_rows) : r;
}

static vkd_result prepare_models(struct linear *l)
{
    const uint32_t k = l->k;
    l->variables = (l->basis.r + 1ull) * k;
    l->weight = vkd__measure_alloc(k, 1, sizeof(double));
    l->weight_no = vkd__measure_alloc(k, 1, sizeof(double));
    l->penalty = vkd__measure_alloc(k, 1, sizeof(double));
    l->off = vkd__measure_alloc(k, 1, 1);
    l->u = vkd__measure_alloc(l->variables, 1, sizeof(double));
    l->best = vkd__measure_alloc(l->variables, 1, sizeof(double));
    l->best_mean = vkd__measure_alloc(l->variables, 1, sizeof(double));
    l->val_logits = vkd__measure_alloc(l->val_rows, k, sizeof(float));
    l->predicted = vkd__measure_alloc(l->val_rows, 1, sizeof(uint32_t));
    l->aps = vkd__measure_alloc(k, 1, sizeof(*l->aps));
    l->room = vkd__fit_room_create(l->train_rows + l->val_rows, l->basis.r, k);
    if (!l->weight || !l->weight_no || !l->penalty || !l->off || !l->u || !l->best || !l->best_mean ||
        !l->val_logits || !l->predicted || !l->aps || !l->room)
        return vkd__measure_memory(call, "the models", &l->p.log);
    l->fit = (struct vkd__fit) {
        .r = l->basis.r, .classes = k, .variance = l->basis.variance, .z = l->z, .labels = l->labels,
        .truth = l->truth, .weight = l->weight, .weight_no = l->weight_no, .off = l->off, .penalty = l->penalty,
        .tolerance = l->p.tolerance, .iterations = l->p.iterations, .stop = l->p.stop, .user = l->p.user,
        .log = &l->p.log,
    };
    memset(l->off, 1, k);
    return VKD_OK;
}

static vkd_result out_init(const struct linear *l, struct vkd_linear *out)
{
    const struct vkd_linear_params *p = &l->p;
    *out = (struct vkd_linear) { .features = l->d, .classes = l->k, .models = l->models,
                                 .penalty_count = p->penalty_count };
    out->weights = vkd__measure_alloc(l->d, l->k, sizeof(double));
    out->bias = vkd__measure_alloc(l->k, 1, sizeof(double));
    out->penalties = vkd__measure_alloc(p->penalty_count, 1, sizeof(double));
    out->curve = vkd__measure_alloc(p->penalty_count, l->models, sizeof(double));
    out->curve_mean = vkd__measure_alloc(p->penalty_count, 1, sizeof(double));
    out->chosen = vkd__measure_alloc(l->models, 1, sizeof(uint32_t));
    out->val_scores = vkd__measure_alloc(l->models, 1, sizeof(double));
    out->constant = vkd__measure_alloc(l->k, 1, 1);
    if (p->test.features.rows)
        out->scores = vkd__measure_alloc(p->test.features.rows, l->k, sizeof(float));
    if (p->test.features.rows && !p->multi_label)
        out->predictions = vkd__measure_alloc(p->test.features.rows, 1, sizeof(uint32_t));
    if (!out->weights || !out->bias || !out->penalties || !out->curve || !out->curve_mean || !out->chosen ||
        !out->val_scores || !out->constant || (p->test.features.rows && !out->scores) ||
        (p->test.features.rows && !p->multi_label && !out->predictions))
        return vkd__measure_memory(call, "the result", &p->log);
    memcpy(out->penalties, p->penalties, p->penalty_count * sizeof(double));
    return VKD_OK;
}

// ---- Classes ----

// Counts the first `rows` rows' classes, weighs them, and turns off what cannot be learned. Returns how many can.
static uint32_t set_classes(struct linear *l, uint32_t rows)
{
    const uint32_t k = l->k;
    double *yes = l->weight, *no = l->weight_no, *bias = l->u + (l->variables - k);
    uint32_t on = 0;
    memset(yes, 0, k * sizeof(*yes));
    memset(no, 0, k * sizeof(*no));
    for (uint64_t i = 0; i < rows; i++) {
        if (l->labels)
            yes[l->labels[i]]++;
        for (uint32_t c = 0; l->truth && c < k; c++) {
            yes[c] += l->truth[i * k + c] == VKD_TRUTH_YES;
            no[c] += l->truth[i * k + c] == VKD_TRUTH_NO;
        }
    }
    for (uint32_t c = 0; c < k; c++)
        on += !!yes[c] && (l->labels || no[c]);
    for (uint32_t c = 0; c < k; c++) {
        const bool was_off = l->off[c], balanced = l->p.weighing == VKD_LINEAR_BALANCED;
        const double known = l->labels ? rows : yes[c] + no[c], kinds = l->labels ? on : 2;
        const double positives = yes[c], negatives = l->labels ? known / kinds : no[c];
        l->off[c] = !positives || !negatives;
        yes[c] = l->off[c] ? 1 : balanced ? known / (kinds * positives) :
                 l->p.weighing == VKD_LINEAR_GIVEN ? l->p.class_weights[c] : 1;
        no[c] = l->off[c] || !balanced || l->labels ? 1 : known / (kinds * negatives);
        if (l->off[c])
            bias[c] = l->labels ? NEVER : log((positives + 0.5) / (negatives + 0.5));
        else if (was_off)       // the optimum of no weights, about
            bias[c] = log(yes[c] * positives / (no[c] * negatives));
    }
    l->fit.rows = rows;
    return on;
}

// ---- The path ----

static vkd_result fit_next(struct linear *l)
{
    if (l->p.progress)
        l->p.progress(l->p.user, l->fits_done, l->fits);
    l->fits_done++;
    if (l->p.stop && l->p.stop(l->p.user))
        return VKD_INTERRUPTED;
    return vkd__fit(&l->fit, l->room, l->u);
}

static uint32_t largest(const float *x, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t c = 1; c < count; c++)
        if (x[c] > x[best])
            best = c;
    return best;
}

// Scores the model on val: of each model, and their mean.
static vkd_result score(struct linear *l, double *scores, double *mean)
{
    vkd__fit_logits(l->room, l->z + (uint64_t) l->train_rows * l->basis.r, l->val_rows, l->u, l->val_logits);
    if (l->labels) {
        struct vkd_accuracy a;
        for (uint32_t i = 0; i < l->val_rows; i++)
            l->predicted[i] = largest(l->val_logits + (uint64_t) i * l->k, l->k);
        vkd_result r = vkd_accuracy_measure(l->predicted, l->labels + l->train_rows, l->val_rows, l->k, &l->p.log,
                                            NULL, &a);
        if (r == VKD_OK)
            *mean = scores[0] = l->p.choice == VKD_LINEAR_TOP1 ? a.top1 : a.mean_per_class;
        return r;
    }
    struct vkd_matrix logits = { l->val_logits, l->val_rows, l->k, 0 };
    struct vkd_map map;
    vkd_result r = vkd_average_precision(&logits, l->truth + (uint64_t) l->train_rows * l->k, &l->p.log, l->aps, &map);
    if (r < 0)
        return r;
    for (uint32_t c = 0; c < l->k; c++)
        scores[c] = l->p.choice == VKD_LINEAR_PLAIN_AP ? l->aps[c].plain : l->aps[c].voc11;
    *mean = l->p.choice == VKD_LINEAR_PLAIN_AP ? map.plain : map.voc11;
    return VKD_OK;
}

static void keep_column(const struct linear *l, uint32_t c, double *to)
{
    for (uint64_t i = c; i < l->variables; i += l->k)
        to[i] = l->u[i];
}

// Keeps the models of penalty `at` whose scores are the best so far.
static void keep_best(const struct linear *l, uint32_t at, struct vkd_linear *out)
{
    const double *scores = out->curve + (uint64_t) at * l->models;
    for (uint32_t c = 0; c < l->models; c++) {
        if (at && !(scores[c] > out->val_scores[c]))
            continue;
        out->val_scores[c] = scores[c];
        out->chosen[c] = at;
        if (l->truth)
            keep_column(l, c, l->best);
        else
            memcpy(l->best, l->u, l->variables * sizeof(double));
    }
}

static vkd_result fit_path(struct linear *l, struct vkd_linear *out)
{
    uint32_t best = 0;
    for (uint32_t at = 0; at < l->p.penalty_count; at++) {
        for (uint32_t c = 0; c < l->k; c++)
            l->penalty[c] = l->p.penalties[at];
        vkd_result r = fit_next(l);
        if (r == VKD_OK)
            r = score(l, out->curve + (uint64_t) at * l->models, &out->curve_mean[at]);
        if (r < 0)
            return r;
        if (isnan(out->curve_mean[at])) {
            vkd_log_write(&l->p.log, VKD_LOG_ERROR, "linear: none of the %u labels has positives in val; divide the "
                          "data otherwise", l->k);
            return VKD_INVALID;
        }
        keep_best(l, at, out);
        if (!at || out->curve_mean[at] > out->curve_mean[best]) {
            best = at;
            memcpy(l->best_mean, l->u, l->variables * sizeof(double));
        }
        vkd_log_write(&l->p.log, VKD_LOG_DEBUG, "linear: penalty %g: %.4f on val, %llu iterations so far",
                      l->p.penalties[at], out->curve_mean[at], (unsigned long long) l->fit.iteration_count);
    }
    memcpy(l->u, l->best, l->variables * sizeof(double));
    for (uint32_t c = 0; l->truth && c < l->k; c++) {
        if (!isnan(out->val_scores[c]))
            continue;
        out->chosen[c] = best;
        for (uint64_t i = c; i < l->variables; i += l->k)
            l->u[i] = l->best_mean[i];
    }
    return VKD_OK;
}

// Fits the chosen models on all rows; or the only one on train.
static vkd_result fit_chosen(struct linear *l, struct vkd_linear *out)
{
    if (l->val_rows)
        set_classes(l, l->train_rows + l->val_rows);
    for (uint32_t c = 0; c < l->k; c++)
        l->penalty[c] = l->p.penalties[out->chosen[l->truth ? c : 0]];
    return fit_next(l);
}

// ---- The result ----

// u of the principal directions becomes W of the features.
static void write_model(const struct linear *l, struct vkd_linear *out)
{
    const int d = (int) l->d, k = (int) l->k, r = (int) l->basis.r;
    memcpy(out->bias, l->u + (l->variables - l->k), l->k * sizeof(double));
    memcpy(out->constant, l->off, l->k);
    if (!r)
        return;
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, d, k, r, 1, l->basis.to, r, l->u, k, 0, out->weights, k);
    cblas_dgemv(CblasRowMajor, CblasTrans, d, k, -1, out->weights, k, l->basis.mean, 1, 1, out->bias, 1);
}

vkd_result vkd_linear_scores(const struct vkd_linear *l, const struct vkd_matrix *features, const struct vkd_log *log,
                             float *scores)
{
    struct vkd_matrix x = *features;
    vkd_result r = vkd__matrix_check(call, "features", &x, log);
    if (r < 0)
        return r;
    if (x.cols != l->features) {
        vkd_log_write(log, VKD_LOG_ERROR, "linear: the model is of %u features, found %u", l->features, x.cols);
        return VKD_INVALID;
    }
    const uint32_t panel = vkd__block_rows(x.rows, x.cols > l->classes ? x.cols : l->classes);
    double *shift = vkd__measure_alloc(x.cols, 1, sizeof(*shift));
    double *from = vkd__measure_alloc(panel, x.cols, sizeof(*from));
    double *to = vkd__measure_alloc(panel, l->classes, sizeof(*to));
    if (!shift || !from || !to)
        r = vkd__measure_memory(call, "a block of features", log);
    for (uint32_t first = 0; r == VKD_OK && first < x.rows; first += panel) {
        const uint32_t count = x.rows - first < panel ? x.rows - first : panel;
        vkd__shifted_rows(&x, shift, first, count, from);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) count, (int) l->classes, (int) x.cols, 1, from,
                    (int) x.cols, l->weights, (int) l->classes, 0, to, (int) l->classes);
        for (uint64_t i = 0; i < (uint64_t) count * l->classes; i++)
            scores[(uint64_t) first * l->classes + i] = (float) (to[i] + l->bias[i % l->classes]);
    }
    free(to);
    free(from);
    free(shift);
    return r;
}

static vkd_result score_test(const struct linear *l, struct vkd_linear *out)
{
    if (!out->scores)
        return VKD_OK;
    vkd_result r = vkd_linear_scores(out, &l->p.test.features, &l->p.log, out->scores);
    for (uint64_t i = 0; r == VKD_OK && out->predictions && i < l->p.test.features.rows; i++)
        out->predictions[i] = largest(out->scores + i * l->k, l->k);
    return r;
}

void vkd_linear_finish(struct vkd_linear *l)
{
    if (!l)
        return;
    free(l->predictions);
    free(l->scores);
    free(l->constant);
    free(l->val_scores);
    free(l->chosen);
    free(l->curve_mean);
    free(l->curve);
    free(l->penalties);
    free(l->bias);
    free(l->weights);
    *l = (struct vkd_linear) { 0 };
}

static void linear_finish(struct linear *l)
{
    vkd__fit_room_destroy(l->room);
    vkd__basis_finish(&l->basis);
    free(l->aps);
    free(l->predicted);
    free(l->val_logits);
    free(l->best_mean);
    free(l->best);
    free(l->u);
    free(l->off);
    free(l->penalty);
    free(l->weight_no);
    free(l->weight);
    free(l->truth);
    free(l->labels);
    free(l->z);
    free(l->scale);
}

// Checks, and what does not need the optimiser: *out and everything in *l.
static vkd_result prepare(struct linear *l, struct vkd_linear *out)
{
    vkd_result r = vkd__linear_check(&l->p);
    if (r < 0)
        return r;
    l->d = l->p.train.features.cols;
    l->k = l->p.classes;
    l->models = l->p.multi_label ? l->k : 1;
    l->train_rows = kept_rows(&l->p, &l->p.train, NULL);
    l->val_rows = l->p.val.features.rows ? kept_rows(&l->p, &l->p.val, NULL) : 0;
    l->fits = l->val_rows ? l->p.penalty_count + 1 : 1;
    if (!l->train_rows || (l->p.val.features.rows && !l->val_rows)) {
        vkd_log_write(&l->p.log, VKD_LOG_ERROR, "linear: none of the rows of %s has a label",
                      l->train_rows ? "val" : "train");
        return VKD_INVALID;
    }
    r = out_init(l, out);
    if (r == VKD_OK)
        r = prepare_rows(l);
    if (r == VKD_OK)
        r = prepare_models(l);
    if (r < 0)
        return r;
    const uint32_t on = set_classes(l, l->train_rows);
    vkd__linear_tell_missing(&l->p, l->off);
    if (on < (l->p.multi_label ? 1 : 2)) {
        vkd_log_write(&l->p.log, VKD_LOG_ERROR, "linear: expected %s in train, found %u%s; divide the data otherwise",
                      l->p.multi_label ? "a label with positives and negatives" : "rows of two classes or more", on,
                      l->p.multi_label ? "" : " class");
        return VKD_INVALID;
    }
    return VKD_OK;
}

vkd_result vkd_linear_path(const struct vkd_linear_params *p, struct vkd_linear *out)
{
    double penalties[VKD_LINEAR_PENALTIES];
    struct linear l = { .p = *p };
    struct vkd_linear found = { 0 };
    for (uint32_t i = 0; i < VKD_LINEAR_PENALTIES; i++)
        penalties[i] = pow(10, 5 - 11.0 * i / (VKD_LINEAR_PENALTIES - 1));
    if (!p->penalties) {
        l.p.penalties = penalties;
        l.p.penalty_count = VKD_LINEAR_PENALTIES;
    }
    l.p.tolerance = p->tolerance != 0 ? p->tolerance : VKD_LINEAR_TOLERANCE;
    l.p.iterations = p->iterations ? p->iterations : VKD_LINEAR_ITERATIONS;
    vkd_result r = prepare(&l, &found);
    if (r == VKD_OK && l.val_rows)
        r = fit_path(&l, &found);
    if (r == VKD_OK)
        r = fit_chosen(&l, &found);
    if (r == VKD_OK) {
        write_model(&l, &found);
        r = score_test(&l, &found);
    }
    found.iterations = l.fit.iteration_count;
    found.evaluations = l.fit.evaluation_count;
    found.unfinished = l.fit.unfinished;
    linear_finish(&l);
    if (r < 0) {
        vkd_linear_finish(&found);
        return r;
    }
    for (uint32_t c = 0; !l.val_rows && c < found.models; c++)
        found.curve[c] = found.val_scores[c] = found.curve_mean[0] = NAN;
    *out = found;
    return VKD_OK;
}
