// mul.c -- cases of mul.
#include "tests/op_row.h"

const struct op_row vkd_rows_mul[] = {
    { .op = "mul", .in = { F32(1, 1, 1, 1), F32(1, 1, 1, 1) } },
    { .op = "mul", .in = { F32(2, 7, 5, 3), F32(2, 7, 5, 3) } },
    { .op = "mul", .in = { F32(3, 2, 5, 33), F32(3, 2, 5, 33) } },
    { .op = "mul", .in = { F32(3, 2, 5, 33), F32(3, 2, 5, 33) }, .want = 1 },
    { .op = "mul", .in = { F32(3, 2, 5, 33), F32(3, 2, 5, 33) }, .want = 2 },
    { .op = "mul", .in = { F32(1, 257, 255, 4), F32(1, 257, 255, 4) }, .samples = 4 },
    { .op = "mul", .in = { F32(2, 3, 3, 6), F32(2, 3, 3, 6) }, .nan = true },
    { .op = "mul", .in = { F32(1, 2, 3, 4), F32(1, 2, 3, 5) }, .rejects = "same shape" },
    { .op = "mul", .in = { F32(1, 255, 257, 4), F32(1, 255, 257, 4) }, .samples = 4, .range_max = 131072,
      .group_max = 7 },
};
OP_ROWS_COUNT(mul)
