// matrix.h -- what the measures share: checked matrices, rows in double, LAPACK's functions.
// Internal.
#ifndef VKD_MEASURE_MATRIX_H
#define VKD_MEASURE_MATRIX_H

#include "../products.h"

#include <cblas.h>

// Elements of one block of a matrix that is converted or multiplied at a time.
#define VKD__BLOCK_ELEMENTS (1u << 21)

// Checks the rules of measure.h and fills in the stride. `call` and `name` are for the log.
VKD_CHECKED vkd_result vkd__matrix_check(const char *call, const char *name, struct vkd_matrix *m,
                                         const struct vkd_log *log);

// Logs that `call` lacks memory for `what`; VKD_NO_MEMORY.
VKD_CHECKED vkd_result vkd__measure_memory(const char *call, const char *what, const struct vkd_log *log);

// malloc of count * each elements of `size` bytes; NULL when that is more than there can be.
void *vkd__measure_alloc(uint64_t count, uint64_t each, uint64_t size);

// As many rows of `cols` elements as a block has, between 1 and `rows`.
uint32_t vkd__block_rows(uint32_t rows, uint64_t cols);

static inline const float *vkd__row(const struct vkd_matrix *m, uint32_t row)
{
    return m->data + (uint64_t) row * m->stride;
}

// 1 / length of a row; 0 for a zero row, which stays zero.
double vkd__row_scale(const float *row, uint32_t cols);

// The rows that `rows` names (NULL: 0, 1, ...), from the entry `first` on, divided by their lengths: (count, cols).
void vkd__unit_rows_f32(const struct vkd_matrix *m, const uint32_t *rows, uint32_t first, uint32_t count, float *out);

// Means of the columns: cols.
void vkd__column_means(const struct vkd_matrix *m, double *means);

// Rows first .. first + count - 1 minus `shift` (cols): (count, cols).
void vkd__shifted_rows(const struct vkd_matrix *m, const double *shift, uint32_t first, uint32_t count, double *out);

// The upper triangle of M M^T (rows, rows), M (rows, cols) being what fill() says. By `products`, or in panels of columns.
VKD_CHECKED vkd_result vkd__gram(const char *call, vkd__fill fill, const void *user, uint32_t rows, uint32_t cols,
                                 vkd_products *products, const struct vkd_log *log, double *out);

// A matrix as M of vkd__gram: scale_i (m - shift_c). NULL: 1, 0.
struct vkd__scaled {
    const struct vkd_matrix *m;
    const double *scale, *shift;
};

void vkd__fill_scaled(const void *user, uint32_t row, uint32_t begin, uint32_t width, double *out);

// The cosines of all rows of the filters W with each other (rows, rows), after its check; the diagonal is 1, or 0 of a zero
// row. malloc'd.
VKD_CHECKED vkd_result vkd__cosines(const char *call, const struct vkd_matrix *w, vkd_products *products,
                                    const struct vkd_log *log, double **out);

// ---- LAPACK ----
// OpenBLAS brings LAPACK's functions, of Fortran, without a header for them. The last arguments are the
// lengths of the strings, which gfortran expects.
void dtpqrt_(const int *m, const int *n, const int *l, const int *nb, double *a, const int *lda, double *b,
             const int *ldb, double *t, const int *ldt, double *work, int *info);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
             size_t jobz_size);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info, size_t jobz_size, size_t uplo_size);
void dsygvd_(const int *itype, const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *b,
             const int *ldb, double *w, double *work, const int *lwork, int *iwork, const int *liwork, int *info,
             size_t jobz_size, size_t uplo_size);

#endif
