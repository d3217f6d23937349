// sinkhorn.c -- cases of sinkhorn; the step block of tests/op_check.c has queue_on 1.
#include "tests/op_row.h"

#define EPS(value, n) { .eps = (value), .iterations = (n) }
#define WHY "exponents of up to 40 are rounded to 2e-6, and the errors of three iterations add up"
#define ROUNDED .tol = { .nmse = 1e-10, .max = 4e-5, .why = WHY }

const struct op_row vkd_rows_sinkhorn[] = {
    { .op = "sinkhorn", .in = { F32(1, 1, 1, 1) }, .attr = EPS(0.05f, 3) },
    { .op = "sinkhorn", .in = { F32(3, 1, 1, 5) }, .attr = EPS(0.5f, 1) },
    { .op = "sinkhorn", .in = { F32(5, 1, 1, 33) }, .attr = EPS(0.05f, 0), ROUNDED },
    { .op = "sinkhorn", .in = { F32(70, 1, 1, 65) }, .attr = EPS(0.05f, 3), ROUNDED },
    { .op = "sinkhorn", .in = { F32(2, 3, 11, 7) }, .attr = EPS(0.05f, 10), ROUNDED },
    { .op = "sinkhorn", .in = { F32(3, 1, 1, 5), F32(1, 1, 9, 5) }, .attr = EPS(0.05f, 3), ROUNDED },
    { .op = "sinkhorn", .in = { F32(33, 1, 1, 70), F32(1, 1, 66, 70) }, .attr = EPS(0.05f, 3), ROUNDED },
    { .op = "sinkhorn", .in = { F32_IN(64, 1, 1, 130, 1e3f, 1e3f + 2) }, .attr = EPS(0.05f, 3), ROUNDED },
    { .op = "sinkhorn", .in = { F32(256, 1, 1, 1000), F32(1, 1, 512, 1000) }, .attr = EPS(0.05f, 3), ROUNDED,
      .group_max = 7 },
    { .op = "sinkhorn", .in = { F32(5, 1, 1, 9) }, .attr = EPS(0.05f, 3), .nan = true },
    { .op = "sinkhorn", .in = { F32(5, 1, 1, 90), F32(1, 1, 10, 90) }, .attr = EPS(0.05f, 3), .nan = true },
    { .op = "sinkhorn", .in = { F32(5, 1, 1, 9), F32(1, 1, 10, 8) }, .attr = EPS(0.05f, 3), .rejects = "9 prototypes" },
    { .op = "sinkhorn", .in = { F32(5, 1, 1, 9) }, .rejects = "eps" },
    { .op = "sinkhorn", .in = { F32(5, 1, 1, 9) }, .attr = EPS(0.05f, 101), .rejects = "iterations" },
};
OP_ROWS_COUNT(sinkhorn)
