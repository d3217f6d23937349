// max_pool.c -- cases of max_pool.
#include "tests/op_row.h"

const struct op_row vkd_rows_max_pool[] = {
    { .op = "max_pool", .in = { F32(1, 1, 1, 1) }, .attr = { .kernel = { 1, 1 } } },
    { .op = "max_pool", .in = { F32(2, 7, 9, 3) }, .attr = { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } },
      .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32(2, 8, 8, 17) }, .attr = { .kernel = { 2, 2 } }, .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32(1, 9, 7, 5) }, .attr = { .kernel = { 3, 2 }, .stride = { 1, 3 }, .pad = { 1, 0 } },
      .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32(1, 11, 10, 4) }, .attr = { .kernel = { 2, 2 }, .stride = { 3, 4 } },
      .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32_IN(1, 16, 16, 6, -3, -2) },
      .attr = { .kernel = { 3, 3 }, .stride = { 2, 2 }, .pad = { 1, 1 } }, .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32(1, 5, 5, 130) }, .attr = { .kernel = { 5, 5 } }, .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32(2, 260, 270, 1) }, .samples = 4,
      .attr = { .kernel = { 3, 3 }, .stride = { 1, 1 }, .pad = { 1, 1 } }, .keep_off = 1e-3f },
    { .op = "max_pool", .in = { F32(2, 6, 6, 5) }, .attr = { .kernel = { 3, 3 }, .stride = { 1, 1 } }, .nan = true },
    { .op = "max_pool", .in = { F32(1, 4, 4, 1) }, .rejects = "1 to 4096" },
    { .op = "max_pool", .in = { F32(1, 4, 4, 1) }, .attr = { .kernel = { 5, 5 } }, .rejects = "larger than" },
    { .op = "max_pool", .in = { F32(1, 4, 4, 1) }, .attr = { .kernel = { 2, 2 }, .pad = { 2, 2 } },
      .rejects = "half of the kernel" },
};
OP_ROWS_COUNT(max_pool)
