// silu.c -- cases of silu.
#include "tests/op_row.h"

const struct op_row vkd_rows_silu[] = {
    { .op = "silu", .in = { F32_IN(1, 1, 1, 1, -10, 10) } },
    { .op = "silu", .in = { F32_IN(2, 7, 5, 3, -10, 10) } },
    { .op = "silu", .in = { F32_IN(1, 1, 1, 1021, -10, 10) } },
    { .op = "silu", .in = { F32_IN(3, 2, 5, 33, -10, 10) } },
    { .op = "silu", .in = { F32_IN(1, 513, 511, 4, -10, 10) }, .samples = 4 },
    { .op = "silu", .in = { F32_IN(2, 3, 3, 6, -10, 10) }, .nan = true },
    { .op = "silu", .in = { U32(5, 3) }, .rejects = "must be f32" },
    { .op = "silu", .in = { F32_IN(2, 5, 5, 4, -200, 200) } },
    { .op = "silu", .in = { F32_IN(1, 1, 1, 64, -3e30f, 3e30f) }, .want = 2 },
    { .op = "silu", .in = { F32_IN(1, 3, 3, 5, -1e-3f, 1e-3f) } },
};
OP_ROWS_COUNT(silu)
