// linear_fit.h -- the parts of the linear protocol: coordinates in which fitting is easy, and a fit.
// Internal.
#ifndef VKD_MEASURE_LINEAR_FIT_H
#define VKD_MEASURE_LINEAR_FIT_H

#include "matrix.h"

#include <vkdiv/linear.h>

// ---- Coordinates (linear_basis.c) ----

// z = (x - mean) to, the principal directions of the rows, each of variance 1. A model u of z is the model
// W = to u of x, and the penalty |W|^2 of scaled columns is sum_j u_j^2 / variance_j: the problem is the same, but
// its Hessian is near a multiple of one. Directions without variance are left out: W is 0 along them.
struct vkd__basis {
    uint32_t d, r;
    double *mean;               // d
    double *to;                 // (d, r)
    double *variance;           // r
};

// Of all rows of `sets`; columns are divided by `scale` (d) first.
VKD_CHECKED vkd_result vkd__basis_init(struct vkd__basis *b, const struct vkd_matrix *sets, uint32_t set_count,
                                       const double *scale, const struct vkd_log *log);
void vkd__basis_finish(struct vkd__basis *b);

// z of the rows that `rows` names: (count, r).
VKD_CHECKED vkd_result vkd__basis_apply(const struct vkd__basis *b, const struct vkd_matrix *x, const uint32_t *rows,
                                        uint32_t count, const struct vkd_log *log, float *z);

// ---- A fit (linear_fit.c) ----

struct vkd__fit {
    uint32_t r, classes;
    const double *variance;     // r
    uint32_t rows;
    const float *z;             // (rows, r)
    const uint32_t *labels;     // rows; or
    const int8_t *truth;        // (rows, classes)
    const double *weight;       // classes: u of the class, of positive rows
    const double *weight_no;    // classes: multi-label, u of negative rows
    const uint8_t *off;         // classes: 1 for one that is not in the model; its parameters stay
    const double *penalty;      // classes
    double tolerance;
    uint32_t iterations;
    bool (*stop)(void *user);
    void *user;
    const struct vkd_log *log;

    uint64_t iteration_count, evaluation_count;     // added to
    uint32_t unfinished;
};

struct vkd__fit_room;

// Memory for fits of up to `rows` rows; NULL without.
struct vkd__fit_room *vkd__fit_room_create(uint32_t rows, uint32_t r, uint32_t classes);
void vkd__fit_room_destroy(struct vkd__fit_room *room);

// Fits u (r + 1, classes), the last row the intercepts, from where it is.
//
//   VKD_NO_MEMORY, VKD_DIVERGED, VKD_INTERRUPTED
VKD_CHECKED vkd_result vkd__fit(struct vkd__fit *fit, struct vkd__fit_room *room, double *u);

// Logits of `rows` rows: (rows, classes).
void vkd__fit_logits(const struct vkd__fit_room *room, const float *z, uint32_t rows, const double *u, float *logits);

#endif
