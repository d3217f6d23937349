// relu.c -- cases of relu.
#include "tests/op_row.h"

const struct op_row vkd_rows_relu[] = {
    { .op = "relu", .in = { F32_IN(1, 1, 1, 1, -1, 1) }, .keep_off = 1e-3f },
    { .op = "relu", .in = { F32_IN(2, 7, 5, 3, -1, 1) }, .keep_off = 1e-3f },
    { .op = "relu", .in = { F32_IN(1, 1, 1, 1021, -1, 1) }, .keep_off = 1e-3f },
    { .op = "relu", .in = { F32_IN(3, 2, 5, 33, -1, 1) }, .keep_off = 1e-3f },
    { .op = "relu", .in = { F32_IN(1, 513, 511, 4, -1, 1) }, .keep_off = 1e-3f, .samples = 4 },
    { .op = "relu", .in = { F32_IN(2, 3, 3, 6, -1, 1) }, .nan = true },
    { .op = "relu", .in = { U32(5, 3) }, .rejects = "must be f32" },
    { .op = "relu", .in = { F32(1, 255, 257, 4) }, .keep_off = 1e-3f, .samples = 4, .range_max = 131072,
      .group_max = 7 },
};
OP_ROWS_COUNT(relu)
