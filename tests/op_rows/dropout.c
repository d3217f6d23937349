// dropout.c -- cases of dropout.
#include "tests/op_row.h"

const struct op_row vkd_rows_dropout[] = {
    { .op = "dropout", .in = { F32(1, 1, 1, 1) }, .attr = { .p = 0.5f }, .training = true },
    { .op = "dropout", .in = { F32(2, 7, 5, 3) }, .attr = { .p = 0.5f, .stream = 1 }, .training = true },
    { .op = "dropout", .in = { F32(2, 7, 5, 3) }, .attr = { .p = 0.2f, .stream = 70000 }, .training = true },
    { .op = "dropout", .in = { F32(2, 7, 5, 3) }, .attr = { .p = 0.5f } },
    { .op = "dropout", .in = { F32(2, 7, 5, 3) }, .training = true },
    { .op = "dropout", .in = { F32(1, 255, 257, 5) }, .attr = { .p = 0.9f, .stream = 2 }, .training = true,
      .samples = 4 },
    { .op = "dropout", .in = { F32(2, 3, 3, 6) }, .attr = { .p = 0.5f }, .training = true, .nan = true },
    { .op = "dropout", .in = { F32(1, 1, 1, 4) }, .attr = { .p = 1 }, .training = true, .rejects = "below 1" },
    { .op = "dropout", .in = { F32(1, 255, 257, 4) }, .attr = { .p = 0.5f }, .training = true, .samples = 4,
      .range_max = 131072, .group_max = 7 },
};
OP_ROWS_COUNT(dropout)
