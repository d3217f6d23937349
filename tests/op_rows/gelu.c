// gelu.c -- cases of gelu.
#include "tests/op_row.h"

const struct op_row vkd_rows_gelu[] = {
    { .op = "gelu", .in = { F32_IN(1, 1, 1, 1, -6, 6) } },
    { .op = "gelu", .in = { F32_IN(2, 7, 5, 3, -6, 6) } },
    { .op = "gelu", .in = { F32_IN(1, 1, 1, 1021, -6, 6) } },
    { .op = "gelu", .in = { F32_IN(3, 2, 5, 33, -6, 6) } },
    { .op = "gelu", .in = { F32_IN(1, 513, 511, 4, -6, 6) }, .samples = 4 },
    { .op = "gelu", .in = { F32_IN(2, 3, 3, 6, -6, 6) }, .nan = true },
    { .op = "gelu", .in = { U32(5, 3) }, .rejects = "must be f32" },
    { .op = "gelu", .in = { F32_IN(2, 5, 5, 4, -100, 100) } },
    { .op = "gelu", .in = { F32_IN(1, 1, 1, 64, -3e30f, 3e30f) }, .want = 2 },
    { .op = "gelu", .in = { F32_IN(1, 3, 3, 5, -1e-3f, 1e-3f) } },
};
OP_ROWS_COUNT(gelu)
