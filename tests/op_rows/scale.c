// scale.c -- cases of scale.
#include "tests/op_row.h"

const struct op_row vkd_rows_scale[] = {
    { .op = "scale", .in = { F32_IN(1, 1, 1, 1, -1, 1) }, .attr = { .alpha = -2.5f } },
    { .op = "scale", .in = { F32_IN(2, 7, 5, 3, -1, 1) }, .attr = { .alpha = -2.5f } },
    { .op = "scale", .in = { F32_IN(1, 1, 1, 1021, -1, 1) }, .attr = { .alpha = -2.5f } },
    { .op = "scale", .in = { F32_IN(3, 2, 5, 33, -1, 1) }, .attr = { .alpha = -2.5f } },
    { .op = "scale", .in = { F32_IN(1, 513, 511, 4, -1, 1) }, .attr = { .alpha = -2.5f }, .samples = 4 },
    { .op = "scale", .in = { F32_IN(2, 3, 3, 6, -1, 1) }, .attr = { .alpha = -2.5f }, .nan = true },
    { .op = "scale", .in = { U32(5, 3) }, .attr = { .alpha = -2.5f }, .rejects = "must be f32" },
};
OP_ROWS_COUNT(scale)
