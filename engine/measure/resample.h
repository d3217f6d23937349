// resample.h -- what the statistics share: random draws, checks of columns, working space of least squares.
// Internal.
#ifndef VKD_MEASURE_RESAMPLE_H
#define VKD_MEASURE_RESAMPLE_H

#include "../../shaders/philox.h"

#include <vkdiv/stats.h>

// Random words of one resample: word i is Philox of (stream, i / 4, resample, 0), keyed by the seed.
struct vkd__draws {
    u32 seed[2], stream, resample, used;
    u32 words[4];
};

static inline struct vkd__draws vkd__draws_begin(uint64_t seed, u32 stream, u32 resample)
{
    return (struct vkd__draws) { .seed = { (u32) seed, (u32) (seed >> 32) }, .stream = stream, .resample = resample };
}

static inline u32 vkd__draw_word(struct vkd__draws *d)
{
    if (d->used % 4 == 0) {
        const u32 ctr[4] = { d->stream, d->used / 4, d->resample, 0 };
        for (int i = 0; i < 4; i++)
            d->words[i] = ctr[i];
        vkd_philox(d->words, d->seed);
    }
    return d->words[d->used++ % 4];
}

// 0 ... n - 1, uniform but for n / 2^32.
static inline u32 vkd__draw_below(struct vkd__draws *d, u32 n)
{
    return (u32) ((uint64_t) vkd__draw_word(d) * n >> 32);
}

// Checks the rules of struct vkd_resample_params, and fills in what is 0; `count` is the default number.
VKD_CHECKED vkd_result vkd__resample_check(const char *call, struct vkd_resample_params *p, uint32_t count);

// Refuses values that are not finite; `name` is for the log.
VKD_CHECKED vkd_result vkd__values_check(const char *call, const char *name, const double *values, uint32_t count,
                                         const struct vkd_log *log);

// The columns of a fit, centred and scaled to length 1, as an orthonormal basis: singular vectors by LAPACK.
struct vkd__column_basis {
    uint32_t n, columns;
    uint32_t rank;              // without the constant
    double *q;                  // rank rows of n: orthonormal, each of mean 0
    double *v;                  // (columns, columns), row major: row i is the right singular vector i
    double *s;                  // columns: singular values of the scaled columns
    double *mean, *length;      // columns; length 0: constant
    void *memory;
};

// Errors: vkd_ols'. `call` is for the log.
VKD_CHECKED vkd_result vkd__column_basis_make(const char *call, const double *const *columns, uint32_t column_count,
                                       uint32_t n, const struct vkd_log *log, struct vkd__column_basis *out);
void vkd__column_basis_finish(struct vkd__column_basis *b);

// out = y minus its mean and what the basis fits of it. Returns sum of squares, 0 when nothing but rounding is left
// of y's own (then out is 0 too). out may be y.
double vkd__column_basis_residuals(const struct vkd__column_basis *b, const double *y, double *out);

#endif
