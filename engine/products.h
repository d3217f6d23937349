// products.h -- what measures, which know of no device, ask of vkd_products. Internal.
#ifndef VKD_PRODUCTS_H
#define VKD_PRODUCTS_H

#include <vkdiv/measure.h>

// Columns begin .. begin + width - 1 of one row of the matrix.
typedef void (*vkd__fill)(const void *user, uint32_t row, uint32_t begin, uint32_t width, double *out);

// The upper triangle of M M^T (rows, rows), M (rows, cols) being what fill() says, as floats. Products are
// computed in float over at most 4096 columns, which are summed in double.
//
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
struct vkd_products {
    vkd_result (*gram)(vkd_products *p, vkd__fill fill, const void *user, uint32_t rows, uint32_t cols, double *out);
};

#endif
