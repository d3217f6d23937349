// mse.c -- cases of mse.
#include "tests/op_row.h"

const struct op_row vkd_rows_mse[] = {
    { .op = "mse", .in = { F32(1, 1, 1, 1), F32(1, 1, 1, 1) } },
    { .op = "mse", .in = { F32(5, 2, 3, 3), F32(5, 2, 3, 3) } },
    { .op = "mse", .in = { F32(65, 1, 1, 17), F32(65, 1, 1, 17) }, .want = 1 },
    { .op = "mse", .in = { F32_IN(9, 1, 1, 130, -1e4f, 1e4f), F32(9, 1, 1, 130) }, .want = 2 },
    { .op = "mse", .in = { F32(70001, 1, 1, 5), F32(70001, 1, 1, 5) }, .samples = 4 },
    { .op = "mse", .in = { F32(5, 1, 1, 3), F32(5, 1, 3, 1) }, .rejects = "one shape" },
};
OP_ROWS_COUNT(mse)
