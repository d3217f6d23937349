// bce.c -- cases of bce. Targets below 0 are unknown.
#include "tests/op_row.h"

const struct op_row vkd_rows_bce[] = {
    { .op = "bce", .in = { F32(1, 1, 1, 1), F32_IN(1, 1, 1, 1, 0, 1) } },
    { .op = "bce", .in = { F32(5, 1, 1, 3), F32_IN(5, 1, 1, 3, 0, 1) } },
    { .op = "bce", .in = { F32_IN(65, 1, 1, 17, -30, 30), F32_IN(65, 1, 1, 17, 0, 1) } },
    { .op = "bce", .in = { F32_IN(65, 1, 1, 17, -30, 30), F32_IN(65, 1, 1, 17, -1, 1) } },
    { .op = "bce", .in = { F32_IN(9, 1, 1, 130, -1e4f, 1e4f), F32_IN(9, 1, 1, 130, 0, 1) } },
    { .op = "bce", .in = { F32(5, 1, 1, 7), F32_IN(5, 1, 1, 7, -2, -1) } },
    { .op = "bce", .in = { F32_IN(2, 3, 5, 6, -9, 9), F32_IN(2, 3, 5, 6, -1, 1) } },
    { .op = "bce", .in = { F32_IN(70001, 1, 1, 5, -5, 5), F32_IN(70001, 1, 1, 5, 0, 1) }, .samples = 4 },
    { .op = "bce", .in = { F32_IN(70001, 1, 1, 5, -5, 5), F32_IN(70001, 1, 1, 5, -0.3f, 1) }, .samples = 4 },
    { .op = "bce", .in = { F32(5, 1, 1, 3), F32_IN(5, 1, 1, 3, 0, 1), F32_IN(1, 1, 1, 3, 0.2f, 9) } },
    { .op = "bce", .in = { F32_IN(65, 1, 1, 17, -30, 30), F32_IN(65, 1, 1, 17, -1, 1), F32_IN(1, 1, 1, 17, 0.2f, 9) } },
    { .op = "bce", .in = { F32_IN(70001, 1, 1, 5, -5, 5), F32_IN(70001, 1, 1, 5, -0.3f, 1), F32_IN(1, 1, 1, 5, 0.2f, 9) },
      .samples = 4 },
    { .op = "bce", .in = { F32(5, 1, 1, 3), F32(5, 1, 1, 4) }, .rejects = "one shape" },
    { .op = "bce", .in = { F32(5, 1, 1, 3), F32(5, 1, 1, 3), F32(1, 1, 1, 4) }, .rejects = "class weights must be" },
};
OP_ROWS_COUNT(bce)
