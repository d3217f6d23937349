// mean.c -- cases of mean.
#include "tests/op_row.h"

const struct op_row vkd_rows_mean[] = {
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 1 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 2 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 3 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 4 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 5 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 6 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 7 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 8 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 9 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 10 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 11 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 12 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 13 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 14 } },
    { .op = "mean", .in = { F32(3, 5, 2, 7) }, .attr = { .axes = 15 } },
    { .op = "mean", .in = { F32(1, 1, 1, 1) }, .attr = { .axes = 15 } },
    { .op = "mean", .in = { F32(1, 1, 1, 9) }, .attr = { .axes = 7 } },
    { .op = "mean", .in = { F32(2, 20, 20, 6) }, .attr = { .axes = 6 } },
    { .op = "mean", .in = { F32(2, 3, 1, 4099) }, .attr = { .axes = 8 } },
    { .op = "mean", .in = { F32(1, 67, 5, 30) }, .attr = { .axes = 10 } },
    { .op = "mean", .in = { F32(21, 3, 31, 6) }, .attr = { .axes = 5 } },
    { .op = "mean", .in = { F32_IN(1, 300, 401, 3, 0, 1) }, .attr = { .axes = 7 }, .samples = 3 },
    { .op = "mean", .in = { F32_IN(1, 300, 401, 3, 0, 1) }, .attr = { .axes = 15 }, .samples = 3 },
    { .op = "mean", .in = { F32_IN(1, 1, 1, 300007, 0, 1) }, .attr = { .axes = 8 }, .samples = 3 },
    { .op = "mean", .in = { F32_IN(70000, 2, 1, 4, 0, 1) }, .attr = { .axes = 1 }, .samples = 3 },
    { .op = "mean", .in = { F32(1, 3, 4, 6) }, .attr = { .axes = 6 }, .nan = true },
    { .op = "mean", .in = { F32(1, 1, 1, 4) }, .rejects = "axes" },
    { .op = "mean", .in = { F32(1, 1, 1, 4) }, .attr = { .axes = 16 }, .rejects = "axes" },
};
OP_ROWS_COUNT(mean)
