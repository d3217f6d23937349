// column_std.c -- cases of column_std.
#include "tests/op_row.h"

const struct op_row vkd_rows_column_std[] = {
    { .op = "column_std", .in = { F32(1, 1, 1, 1) } },
    { .op = "column_std", .in = { F32(2, 1, 1, 3) } },
    { .op = "column_std", .in = { F32(65, 1, 1, 17) } },
    { .op = "column_std", .in = { F32(256, 1, 1, 256) } },
    { .op = "column_std", .in = { F32(7, 5, 3, 130) } },
    { .op = "column_std", .in = { F32_IN(300, 1, 1, 6, 99, 101) } },
    { .op = "column_std", .in = { F32(20000, 1, 1, 2) } },
    { .op = "column_std", .in = { F32(9, 1, 1, 6) }, .nan = true },
    { .op = "column_std", .in = { F32(4, 1, 1, 100) }, .group_max = 7 },
    { .op = "column_std", .in = { F32(262145, 1, 1, 1) }, .rejects = "at most 262144 rows" },
};
OP_ROWS_COUNT(column_std)
