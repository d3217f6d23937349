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

#endif
