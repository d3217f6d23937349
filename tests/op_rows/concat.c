// concat.c -- cases of concat.
#include "tests/op_row.h"

const struct op_row vkd_rows_concat[] = {
    { .op = "concat", .in = { F32(1, 1, 1, 1) } },
    { .op = "concat", .in = { F32(1, 1, 1, 1), F32(1, 1, 1, 1) } },
    { .op = "concat", .in = { F32(2, 3, 5, 3), F32(2, 3, 5, 5) } },
    { .op = "concat", .in = { F32(2, 3, 5, 4), F32(2, 3, 5, 8) } },
    { .op = "concat", .in = { F32(2, 3, 5, 5), F32(2, 3, 5, 4), F32(2, 3, 5, 3) } },
    { .op = "concat",
      .in = { F32(2, 3, 5, 1), F32(2, 3, 5, 1), F32(2, 3, 5, 1), F32(2, 3, 5, 1), F32(2, 3, 5, 1),
              F32(2, 3, 5, 1), F32(2, 3, 5, 1), F32(2, 3, 5, 1) } },
    { .op = "concat",
      .in = { F32(1, 2, 2, 7), F32(1, 2, 2, 1), F32(1, 2, 2, 2), F32(1, 2, 2, 33), F32(1, 2, 2, 4),
              F32(1, 2, 2, 6), F32(1, 2, 2, 129), F32(1, 2, 2, 3) } },
    { .op = "concat", .in = { F32(2, 3, 5, 3), F32(2, 3, 5, 5) }, .want = 2 },
    { .op = "concat", .in = { F32(2, 65, 66, 6), F32(2, 65, 66, 3) }, .samples = 4 },
    { .op = "concat", .in = { F32(2, 2, 2, 3), F32(2, 2, 2, 6) }, .nan = true },
    { .op = "concat", .in = { U32_SOME(5, 9, 0.3f), U32(6, 9) } },
    { .op = "concat", .in = { F32(1, 1, 1, 4), U32(4, 9) }, .rejects = "cast input 1" },
    { .op = "concat", .in = { F32(1, 1, 2, 4), F32(1, 2, 1, 4) }, .rejects = "differ in channels alone" },
};
OP_ROWS_COUNT(concat)
