// relu6.c -- cases of relu6.
#include "tests/op_row.h"

const struct op_row vkd_rows_relu6[] = {
    { .op = "relu6", .in = { F32_IN(1, 1, 1, 1, -4, 10) }, .keep_off = 1e-3f },
    { .op = "relu6", .in = { F32_IN(2, 7, 5, 3, -4, 10) }, .keep_off = 1e-3f },
    { .op = "relu6", .in = { F32_IN(1, 1, 1, 1021, -4, 10) }, .keep_off = 1e-3f },
    { .op = "relu6", .in = { F32_IN(3, 2, 5, 33, -4, 10) }, .keep_off = 1e-3f },
    { .op = "relu6", .in = { F32_IN(1, 513, 511, 4, -4, 10) }, .keep_off = 1e-3f, .samples = 4 },
    { .op = "relu6", .in = { F32_IN(2, 3, 3, 6, -4, 10) }, .nan = true },
    { .op = "relu6", .in = { U32(5, 3) }, .rejects = "must be f32" },
};
OP_ROWS_COUNT(relu6)
