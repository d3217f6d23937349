// running_average.c -- cases of running_average.
#include "tests/op_row.h"

#define KEEP(m) { .momentum = (m) }

const struct op_row vkd_rows_running_average[] = {
    { .op = "running_average", .in = { F32(1, 1, 1, 1), F32(1, 1, 1, 1) }, .attr = KEEP(0.9f), .training = true },
    { .op = "running_average", .in = { F32(1, 1, 1, 33), F32(1, 1, 1, 33) }, .attr = KEEP(0), .training = true },
    { .op = "running_average", .in = { F32(1, 1, 5, 7), F32(1, 1, 5, 7) }, .attr = KEEP(1), .training = true },
    { .op = "running_average", .in = { F32(1, 1, 1, 4096), F32(1, 1, 1, 4096) }, .attr = KEEP(0.5f), .training = true,
      .group_max = 3 },
    { .op = "running_average", .in = { F32(1, 1, 1, 9), F32(1, 1, 1, 9) }, .attr = KEEP(0.9f) },
    { .op = "running_average", .in = { F32(1, 1, 1, 9), F32(1, 1, 1, 9) }, .attr = KEEP(0.9f), .training = true,
      .nan = true },
    { .op = "running_average", .in = { F32(1, 1, 1, 9), F32(1, 1, 1, 8) }, .attr = KEEP(0.9f),
      .rejects = "same shape" },
    { .op = "running_average", .in = { F32(1, 1, 1, 9), F32(1, 1, 1, 9) }, .attr = KEEP(1.5f), .rejects = "momentum" },
};
OP_ROWS_COUNT(running_average)
