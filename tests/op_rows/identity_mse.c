// identity_mse.c -- cases of identity_mse.
#include "tests/op_row.h"

#define WEIGHTS(on, off) { .alpha = (on), .beta = (off) }

const struct op_row vkd_rows_identity_mse[] = {
    { .op = "identity_mse", .in = { F32(1, 1, 1, 1) }, .attr = WEIGHTS(2, 5) },
    { .op = "identity_mse", .in = { F32(1, 1, 5, 5) }, .attr = WEIGHTS(1, 0.0051f) },
    { .op = "identity_mse", .in = { F32(5, 1, 1, 5) }, .attr = WEIGHTS(0, 3) },
    { .op = "identity_mse", .in = { F32(1, 3, 11, 33) }, .attr = WEIGHTS(3, 0) },
    { .op = "identity_mse", .in = { F32_IN(1, 1, 64, 64, -1e3f, 1e3f) }, .attr = WEIGHTS(1, 1) },
    { .op = "identity_mse", .in = { F32(1, 1, 2048, 2048) }, .attr = WEIGHTS(1, 0.0051f), .samples = 4 },
    { .op = "identity_mse", .in = { F32(1, 1, 130, 130) }, .attr = WEIGHTS(1, 0.5f), .samples = 4, .group_max = 7 },
    { .op = "identity_mse", .in = { F32(1, 1, 33, 33) }, .attr = WEIGHTS(1, 0.5f), .nan = true },
    { .op = "identity_mse", .in = { F32(1, 1, 4, 5) }, .rejects = "square" },
};
OP_ROWS_COUNT(identity_mse)
