// global_avg_pool.c -- cases of global_avg_pool.
#include "tests/op_row.h"

const struct op_row vkd_rows_global_avg_pool[] = {
    { .op = "global_avg_pool", .in = { F32(1, 1, 1, 1) } },
    { .op = "global_avg_pool", .in = { F32(3, 7, 5, 3) } },
    { .op = "global_avg_pool", .in = { F32(5, 4, 4, 130) } },
    { .op = "global_avg_pool", .in = { F32(2, 32, 32, 17) } },
    { .op = "global_avg_pool", .in = { F32(2, 32, 33, 17) } },
    { .op = "global_avg_pool", .in = { F32_IN(1, 300, 301, 5, 0, 1) }, .samples = 4 },
    { .op = "global_avg_pool", .in = { F32(1, 65536, 65, 1) }, .rejects = "pixels" },
};
OP_ROWS_COUNT(global_avg_pool)
