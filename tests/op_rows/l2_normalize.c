// l2_normalize.c -- cases of l2_normalize.
#include "tests/op_row.h"

const struct op_row vkd_rows_l2_normalize[] = {
    { .op = "l2_normalize", .in = { F32_IN(1, 1, 1, 1, 1, 2) } },
    { .op = "l2_normalize", .in = { F32(2, 3, 5, 3) } },
    { .op = "l2_normalize", .in = { F32(70, 1, 1, 17) } },
    { .op = "l2_normalize", .in = { F32(7, 1, 1, 64) } },
    { .op = "l2_normalize", .in = { F32(7, 1, 1, 130) } },
    { .op = "l2_normalize", .in = { F32_IN(4, 1, 1, 12, -1e-3f, 1e-3f) }, .attr = { .eps = 10 } },
    { .op = "l2_normalize", .in = { F32_IN(4, 1, 1, 12, 1e8f, 1e9f) } },
    { .op = "l2_normalize", .in = { F32(2, 1, 1, 100000) }, .samples = 4 },
    { .op = "l2_normalize", .in = { F32(70001, 1, 1, 5) }, .samples = 4 },
};
OP_ROWS_COUNT(l2_normalize)
