// linear_fit.c -- one logistic regression by L-BFGS: blocks of rows through sgemm, all classes at once.
#include "linear_fit.h"

#include <lbfgs.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CORRECTIONS 10
#define LOWEST_CURVATURE 1e-9       // below this a class is decided: its parameters hardly matter

struct vkd__fit_room {
    uint32_t panel, r, classes;
    uint64_t variables;             // (r + 1) * classes
    double *v;                      // liblbfgs' variables: u / step
    double *u, *step;
    double *gradient;               // of u
    double *curvature;              // classes: sum of u p (1 - p)
    double *factors;                // (classes, 2): 1 + e^-|x| of negative and of positive rows
    float *weights;                 // (r, classes): u for sgemm
    float *logits;                  // (panel, classes), then residuals
    float *product;                 // (r, classes): of a block
};

struct vkd__fit_room *vkd__fit_room_create(uint32_t rows, uint32_t r, uint32_t classes)
{
    struct vkd__fit_room *m = calloc(1, sizeof(*m));
    if (!m)
        return NULL;
    m->panel = vkd__block_rows(rows, 8 * (uint64_t) classes);
    m->r = r;
    m->classes = classes;
    m->variables = (r + 1ull) * classes;
    m->v = m->variables < INT32_MAX / 2 ? lbfgs_malloc((int) m->variables) : NULL;
    m->u = vkd__measure_alloc(m->variables, 1, sizeof(double));
    m->step = vkd__measure_alloc(m->variables, 1, sizeof(double));
    m->gradient = vkd__measure_alloc(m->variables, 1, sizeof(double));
    m->curvature = vkd__measure_alloc(classes, 1, sizeof(double));
    m->factors = vkd__measure_alloc(classes, 2, sizeof(double));
    m->weights = vkd__measure_alloc(r, classes, sizeof(float));
    m->logits = vkd__measure_alloc(m->panel, classes, sizeof(float));
    m->product = vkd__measure_alloc(r, classes, sizeof(float));
    if (!m->v || !m->u || !m->step || !m->gradient || !m->curvature || !m->weights || !m->logits || !m->product ||
        !m->factors) {
        vkd__fit_room_destroy(m);
        return NULL;
    }
    return m;
}

void vkd__fit_room_destroy(struct vkd__fit_room *m)
{
    if (!m)
        return;
    free(m->product);
    free(m->logits);
    free(m->weights);
    free(m->factors);
    free(m->curvature);
    free(m->gradient);
    free(m->step);
    free(m->u);
    if (m->v)
        lbfgs_free(m->v);
    free(m);
}

// ---- Logits ----

static void round_weights(const struct vkd__fit_room *m, const double *u)
{
    for (uint64_t i = 0; i < (uint64_t) m->r * m->classes; i++)
        m->weights[i] = (float) u[i];
}

static void block_logits(const struct vkd__fit_room *m, const float *z, uint32_t rows, const double *u, float *logits)
{
    const int k = (int) m->classes;
    const double *bias = u + (uint64_t) m->r * m->classes;
    for (uint64_t i = 0; i < rows; i++)
        for (uint32_t c = 0; c < m->classes; c++)
            logits[i * m->classes + c] = (float) bias[c];
    if (m->r)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int) rows, k, (int) m->r, 1, z, (int) m->r, m->weights,
                    k, 1, logits, k);
}

void vkd__fit_logits(const struct vkd__fit_room *m, const float *z, uint32_t rows, const double *u, float *logits)
{
    round_weights(m, u);
    for (uint32_t first = 0; first < rows; first += m->panel)
        block_logits(m, z + (uint64_t) first * m->r, rows - first < m->panel ? rows - first : m->panel, u,
                     logits + (uint64_t) first * m->classes);
}

// ---- Losses: logits become residuals, d loss / d logit ----
// What is left of 1 is summed apart from it: in float, 1 - p is wrong by more than it is where p is nearly 1, and weak
// penalties are about these rows.

static double softmax_loss(const struct vkd__fit *f, struct vkd__fit_room *m, uint32_t first, uint32_t rows)
{
    const uint32_t k = m->classes;
    double loss = 0;
    for (uint32_t i = 0; i < rows; i++) {
        float *x = m->logits + (uint64_t) i * k, rest = 0;
        const uint32_t label = f->labels[first + i];
        const float weight = (float) f->weight[label];
        uint32_t top = label;
        for (uint32_t c = 0; c < k; c++)
            top = !f->off[c] && x[c] > x[top] ? c : top;
        const float most = x[top], behind = most - x[label];
        for (uint32_t c = 0; c < k; c++) {
            x[c] = f->off[c] ? 0 : expf(x[c] - most);
            rest += c == top ? 0 : x[c];
        }
        loss += (double) weight * (log1p((double) rest) + (double) behind);
        for (uint32_t c = 0; c < k; c++) {
            const float p = x[c] / (1 + rest);
            m->curvature[c] += (double) (weight * p * (c == top ? rest / (1 + rest) : 1 - p));
            x[c] = weight * p;
        }
        x[label] = label == top ? -weight * rest / (1 + rest) : x[label] - weight;
    }
    return loss;
}

// Each 1 + e^-|x| is at most 2, so that a few hundred of them multiply without overflow and share a logarithm.
#define SHARED_LOG 256u

static double sigmoid_loss(const struct vkd__fit *f, struct vkd__fit_room *m, uint32_t first, uint32_t rows)
{
    const uint32_t k = m->classes;
    double loss = 0;
    for (uint32_t c = 0; c < 2 * k; c++)
        m->factors[c] = 1;
    for (uint32_t i = 0; i < rows; i++) {
        float *x = m->logits + (uint64_t) i * k;
        const int8_t *truth = f->truth + (uint64_t) (first + i) * k;
        for (uint32_t c = 0; c < k; c++) {
            const bool yes = truth[c] == VKD_TRUTH_YES, wrong = yes ? x[c] < 0 : x[c] > 0;
            const float weight = truth[c] == VKD_TRUTH_UNKNOWN || f->off[c] ? 0 : (float) (yes ? f->weight[c] : f->weight_no[c]);
            const float size = fabsf(x[c]), e = expf(-size), miss = (wrong ? 1 : e) / (1 + e);
            loss += wrong ? (double) (weight * size) : 0;
            m->factors[2 * c + yes] *= weight > 0 ? 1 + (double) e : 1;
            m->curvature[c] += (double) (weight * e / ((1 + e) * (1 + e)));
            x[c] = yes ? -weight * miss : weight * miss;
        }
        for (uint32_t c = 0; (i + 1 == rows || i % SHARED_LOG == SHARED_LOG - 1) && c < k; c++) {
            if (!f->off[c])
                loss += f->weight_no[c] * log(m->factors[2 * c]) + f->weight[c] * log(m->factors[2 * c + 1]);
            m->factors[2 * c] = m->factors[2 * c + 1] = 1;
        }
    }
    return loss;
}

// ---- The objective ----

// The objective of u and its gradient, both divided by the number of rows; what is known of the Hessian besides.
static double objective(const struct vkd__fit *f, struct vkd__fit_room *m, const double *u)
{
    const uint32_t k = m->classes;
    const uint64_t weights = (uint64_t) m->r * k;
    double *slope = m->gradient, *bias = slope + weights, value = 0;
    round_weights(m, u);
    memset(slope, 0, m->variables * sizeof(*slope));
    memset(m->curvature, 0, k * sizeof(*m->curvature));
    for (uint32_t first = 0; first < f->rows; first += m->panel) {
        const uint32_t rows = f->rows - first < m->panel ? f->rows - first : m->panel;
        const float *z = f->z + (uint64_t) first * m->r;
        block_logits(m, z, rows, u, m->logits);
        value += f->labels ? softmax_loss(f, m, first, rows) : sigmoid_loss(f, m, first, rows);
        for (uint64_t i = 0; i < rows; i++)
            for (uint32_t c = 0; c < k; c++)
                bias[c] += m->logits[i * k + c];
        if (m->r)
            cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int) m->r, (int) k, (int) rows, 1, z, (int) m->r,
                        m->logits, (int) k, 0, m->product, (int) k);
        for (uint64_t i = 0; i < weights; i++)
            slope[i] += m->product[i];
    }
    for (uint64_t j = 0; j < m->r; j++) {
        for (uint32_t c = 0; c < k; c++) {
            const double w = u[j * k + c], pull = f->off[c] ? 0 : f->penalty[c] / f->variance[j];
            value += pull * w * w / 2;
            slope[j * k + c] = f->off[c] ? 0 : slope[j * k + c] + pull * w;
        }
    }
    for (uint64_t i = 0; i < m->variables; i++)
        slope[i] /= f->rows;
    return value / f->rows;
}

// ---- The optimiser ----

// liblbfgs sees the objective divided by length^2 as a function of v, u = start + T v: its Hessian is then about one,
// and the gradient where it begins has length 1, as has liblbfgs' first step. T is diagonal, `step`.
struct search {
    struct vkd__fit *fit;
    struct vkd__fit_room *room;
    const double *start;
    double value, length;           // at the start: the objective, its gradient of v
    bool first, interrupted, done;
};

static lbfgsfloatval_t evaluate(void *user, const lbfgsfloatval_t *v, lbfgsfloatval_t *slope, const int n,
                                const lbfgsfloatval_t step)
{
    struct search *s = user;
    struct vkd__fit_room *m = s->room;
    double value = s->value;
    (void) step;
    if (!s->first) {        // else the gradient is at hand
        for (int i = 0; i < n; i++)
            m->u[i] = s->start[i] + s->length * m->step[i] * v[i];
        value = objective(s->fit, m, m->u);
        s->fit->evaluation_count++;
    }
    s->first = false;
    for (int i = 0; i < n; i++)
        slope[i] = m->gradient[i] * m->step[i] / s->length;
    return isfinite(value) ? value / (s->length * s->length) : 1e300;      // too far: the line search comes back
}

// Along one step of Newton's from here the objective would fall by about |slope|^2 / 2, its Hessian being one.
static bool close_enough(const struct vkd__fit *f, double value, double slope)
{
    return slope * slope <= f->tolerance * f->tolerance * value;
}

static int each_iteration(void *user, const lbfgsfloatval_t *v, const lbfgsfloatval_t *slope,
                          const lbfgsfloatval_t value, const lbfgsfloatval_t v_norm, const lbfgsfloatval_t slope_norm,
                          const lbfgsfloatval_t step, int n, int k, int tried)
{
    struct search *s = user;
    (void) v, (void) slope, (void) v_norm, (void) step, (void) n, (void) k, (void) tried;
    s->fit->iteration_count++;
    s->done = close_enough(s->fit, value * s->length * s->length, slope_norm * s->length);
    s->interrupted = s->fit->stop && s->fit->stop(s->fit->user);
    return s->done || s->interrupted;
}

// T from the curvature found at the start.
static void choose_steps(const struct vkd__fit *f, struct vkd__fit_room *m)
{
    for (uint64_t i = 0; i < m->variables; i++) {
        const uint32_t c = (uint32_t) (i % m->classes), j = (uint32_t) (i / m->classes);
        const double pull = j < m->r ? f->penalty[c] / f->variance[j] : 0;
        m->step[i] = f->off[c] ? 0 : sqrt(f->rows / (fmax(m->curvature[c], LOWEST_CURVATURE * f->rows) + pull));
    }
}

// The same number may be added to all classes' logits of a softmax: takes it out, which the penalty wants at any rate.
static void centre(const struct vkd__fit *f, const struct vkd__fit_room *m, double *u)
{
    for (uint64_t j = 0; j <= m->r; j++) {
        double mean = 0, on = 0;
        for (uint32_t c = 0; c < m->classes; c++) {
            mean += f->off[c] ? 0 : u[j * m->classes + c];
            on += !f->off[c];
        }
        for (uint32_t c = 0; c < m->classes; c++)
            u[j * m->classes + c] -= f->off[c] ? 0 : mean / on;
    }
}

static vkd_result begin(struct search *s)
{
    struct vkd__fit_room *m = s->room;
    double squares = 0;
    s->value = objective(s->fit, m, s->start);
    s->fit->evaluation_count++;
    choose_steps(s->fit, m);
    for (uint64_t i = 0; i < m->variables; i++) {
        squares += m->gradient[i] * m->step[i] * m->gradient[i] * m->step[i];
        m->v[i] = 0;
    }
    s->length = sqrt(squares);
    if (isfinite(s->value) && isfinite(s->length))
        return VKD_OK;
    vkd_log_write(s->fit->log, VKD_LOG_ERROR, "linear: the objective is %g, its gradient %g; look for features or class "
                  "weights of very different sizes, or take stronger penalties", s->value, s->length);
    return VKD_DIVERGED;
}

vkd_result vkd__fit(struct vkd__fit *f, struct vkd__fit_room *m, double *u)
{
    struct search s = { .fit = f, .room = m, .start = u, .first = true };
    lbfgs_parameter_t how;
    vkd_result r = begin(&s);
    // At least one step, however near: under a strong penalty the weights are next to nothing, and so is what they
    // change in the objective, but their order is all that average precision sees.
    if (r < 0 || !(s.length > 0))
        return r;
    lbfgs_parameter_init(&how);
    how.m = CORRECTIONS;
    how.epsilon = 0;        // each_iteration decides
    how.max_iterations = (int) f->iterations;
    const int ended = lbfgs((int) m->variables, m->v, NULL, evaluate, each_iteration, &s, &how);
    if (s.interrupted)
        return VKD_INTERRUPTED;
    if (ended == LBFGSERR_OUTOFMEMORY) {
        vkd_log_write(f->log, VKD_LOG_ERROR, "linear: no memory for L-BFGS' %d corrections", CORRECTIONS);
        return VKD_NO_MEMORY;
    }
    // Any other end is the line search's, where the objective's rounding hides what is left to gain.
    f->unfinished += ended == LBFGSERR_MAXIMUMITERATION;
    for (uint64_t i = 0; i < m->variables; i++)
        u[i] += s.length * m->step[i] * m->v[i];
    if (f->labels)
        centre(f, m, u);
    return VKD_OK;
}
