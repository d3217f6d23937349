// add.c -- cases of add.
#include "tests/op_row.h"

const struct op_row vkd_rows_add[] = {
    { .op = "add", .in = { F32(1, 1, 1, 1), F32(1, 1, 1, 1) } },
    { .op = "add", .in = { F32(2, 7, 5, 3), F32(2, 7, 5, 3) } },
    { .op = "add", .in = { F32(3, 2, 5, 33), F32(3, 2, 5, 33) } },
    { .op = "add", .in = { F32(3, 2, 5, 33), F32(3, 2, 5, 33) }, .want = 1 },
    { .op = "add", .in = { F32(3, 2, 5, 33), F32(3, 2, 5, 33) }, .want = 2 },
    { .op = "add", .in = { F32(1, 257, 255, 4), F32(1, 257, 255, 4) }, .samples = 4 },
    { .op = "add", .in = { F32(2, 3, 3, 6), F32(2, 3, 3, 6) }, .nan = true },
    { .op = "add", .in = { F32(1, 2, 3, 4), F32(1, 2, 3, 5) }, .rejects = "same shape" },
};
OP_ROWS_COUNT(add)
