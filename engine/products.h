// products.h -- what measures, which know of no device, ask of vkd_products. Internal.
#ifndef VKD_PRODUCTS_H
#define VKD_PRODUCTS_H

#include <vkdiv/measure.h>

// Fills rows first .. first + count - 1, columns begin .. begin + width - 1 of the matrix; `out` has `stride` floats a row.
typedef void (*vkd__fill)(const void *user, uint32_t first, uint32_t count, uint32_t begin, uint32_t width, float *out,
                          uint32_t stride);

// The upper triangle of M M^T (rows, rows), M (rows, cols) being what fill() says. Products are computed in float over at
// most 4096 columns, which are summed in double.
//
//   VKD_NO_MEMORY, VKD_DEVICE_LOST
struct vkd_products {
    vkd_result (*gram)(vkd_products *p, vkd__fill fill, const void *user, uint32_t rows, uint32_t cols, double *out);
};

#endif
