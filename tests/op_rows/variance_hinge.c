// variance_hinge.c -- cases of variance_hinge.
#include "tests/op_row.h"

#define EPS { .eps = 1e-4f }

const struct op_row vkd_rows_variance_hinge[] = {
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 1, 0.1f, 0.5f) }, .attr = EPS },
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 5, 0.01f, 0.9f) }, .attr = EPS },
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 33, 0.01f, 2) }, .attr = EPS, .keep_off = 1e-3f },
    { .op = "variance_hinge", .in = { F32_IN(2, 3, 5, 7, 0.01f, 2) }, .attr = { .eps = 0.5f }, .keep_off = 1e-3f },
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 2048, 0.01f, 3) }, .attr = EPS, .keep_off = 1e-3f },
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 10, 1.1f, 3) }, .attr = EPS },
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 5000, 0.1f, 0.9f) }, .attr = EPS, .group_max = 3 },
    { .op = "variance_hinge", .in = { F32_IN(1, 1, 1, 9, 0.1f, 2) }, .attr = EPS, .nan = true },
    { .op = "variance_hinge", .in = { F32(1, 1, 1, 9) }, .rejects = "eps" },
};
OP_ROWS_COUNT(variance_hinge)
