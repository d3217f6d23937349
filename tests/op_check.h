// op_check.h -- checks one row of an operation on a device, without any test framework.
#ifndef OP_CHECK_H
#define OP_CHECK_H

#include "op_row.h"

enum op_verdict { OP_PASS, OP_SKIP, OP_FAIL };

struct op_report {
    enum op_verdict verdict;
    char text[400];             // why not a pass
    uint32_t quotients, kinks;  // difference quotients compared, and left out
};

// Forward against the reference in double; backward against central differences of the reference,
// by element and along one random direction that crosses every element; padding, guard bands, bytes that
// must stay, two runs bit for bit, results in place bit for bit.
struct op_report op_check(vkd_device *dev, const struct op_row *row);

// "relu (2, 7, 5, 3) f32, ..." into `text`.
void op_row_describe(const struct op_row *row, char *text, size_t size);

// The rows of all files by index; NULL past the end.
const struct op_row *op_row_at(uint32_t index);

// The rows as they stand, each again with the inputs in f16, and in bf16, that may be stored so. *at begins at 0; false
// past the end.
bool op_case_next(uint32_t *at, struct op_row *out);

// Numbers of 16 bits on the host. To the nearest, ties to even; for halves NaN and what a half can hold, for bf16 by way of
// f32, which what is stored comes from anyway.
float op_half_to_float(uint16_t h);
uint16_t op_half_from_double(double v);
float op_bfloat_to_float(uint16_t h);
uint16_t op_bfloat_from_double(double v);

#endif
