// weigh.c -- cases of weigh; the step block of tests/op_check.c has weights 0.75, -1.5, 2 and 0.
#include "tests/op_row.h"

const struct op_row vkd_rows_weigh[] = {
    { .op = "weigh", .in = { F32(1, 1, 1, 1) } },
    { .op = "weigh", .in = { F32(1, 1, 1, 1) }, .attr = { .stream = 1 } },
    { .op = "weigh", .in = { F32(1, 1, 1, 1) }, .attr = { .stream = 3 } },
    { .op = "weigh", .in = { F32(2, 7, 5, 3) }, .attr = { .stream = 2 } },
    { .op = "weigh", .in = { F32(1, 255, 257, 5) }, .attr = { .stream = 1 }, .samples = 4 },
    { .op = "weigh", .in = { F32(2, 3, 3, 6) }, .attr = { .stream = 3 }, .nan = true },
    { .op = "weigh", .in = { F32(1, 1, 1, 1) }, .attr = { .stream = 4 }, .rejects = "no number 4" },
    { .op = "weigh", .in = { F32(1, 255, 257, 4) }, .samples = 4, .range_max = 131072, .group_max = 7 },
};
OP_ROWS_COUNT(weigh)
