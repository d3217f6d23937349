// avg_pool.c -- cases of avg_pool.
#include "tests/op_row.h"

const struct op_row vkd_rows_avg_pool[] = {
    { .op = "avg_pool", .in = { F32(1, 1, 1, 1) }, .attr = { .kernel = { 1, 1 } } },
    { .op = "avg_pool", .in = { F32(2, 7, 9, 3) },
      .attr = { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } } },
    { .op = "avg_pool", .in = { F32(2, 7, 9, 3) },
      .attr = { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 }, .count_pad = 1 } },
    { .op = "avg_pool", .in = { F32(2, 8, 8, 17) }, .attr = { .kernel = { 2, 2 } } },
    { .op = "avg_pool", .in = { F32(1, 11, 10, 130) },
      .attr = { .kernel = { 2, 3 }, .stride = { 3, 1 }, .pad = { 1, 1 } } },
    { .op = "avg_pool", .in = { F32(2, 260, 270, 1) }, .samples = 4,
      .attr = { .kernel = { 3, 3 }, .stride = { 1, 1 }, .pad = { 1, 1 } } },
    { .op = "avg_pool", .in = { F32(1, 4, 4, 1) }, .attr = { .kernel = { 65, 64 } }, .rejects = "1 to 4096" },
    { .op = "avg_pool", .in = { F32(1, 4, 4, 1) }, .attr = { .kernel = { 2, 2 }, .dilation = { 2, 2 } },
      .rejects = "dilation" },
};
OP_ROWS_COUNT(avg_pool)
