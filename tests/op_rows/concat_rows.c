// concat_rows.c -- cases of concat_rows.
#include "tests/op_row.h"

const struct op_row vkd_rows_concat_rows[] = {
    { .op = "concat_rows", .in = { F32(1, 1, 1, 1) } },
    { .op = "concat_rows", .in = { F32(3, 1, 1, 5), F32(4, 1, 1, 5) } },
    { .op = "concat_rows", .in = { F32(2, 3, 5, 7), F32(1, 3, 5, 7), F32(4, 3, 5, 7) } },
    { .op = "concat_rows",
      .in = { F32(1, 1, 1, 3), F32(2, 1, 1, 3), F32(3, 1, 1, 3), F32(4, 1, 1, 3),
              F32(5, 1, 1, 3), F32(6, 1, 1, 3), F32(7, 1, 1, 3), F32(80, 1, 1, 3) } },
    { .op = "concat_rows", .in = { F32(3, 1, 1, 130), F32(2, 1, 1, 130) }, .want = 2 },
    { .op = "concat_rows", .in = { F32(256, 1, 1, 256), F32(256, 1, 1, 256) }, .samples = 4 },
    { .op = "concat_rows", .in = { F32(33, 5, 7, 13), F32(35, 5, 7, 13) }, .samples = 4, .group_max = 7 },
    { .op = "concat_rows", .in = { F32(2, 2, 2, 3), F32(3, 2, 2, 3) }, .nan = true },
    { .op = "concat_rows", .in = { U32_SOME(5, 9, 0.3f), U32(5, 9) } },
    { .op = "concat_rows", .in = { F32(1, 1, 2, 4), F32(1, 1, 2, 5) }, .rejects = "differ in N alone" },
    { .op = "concat_rows", .in = { F32(1, 1, 1, 4), F16(1, 1, 1, 4) }, .rejects = "cast input 1" },
};
OP_ROWS_COUNT(concat_rows)
