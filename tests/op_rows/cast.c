// cast.c -- cases of cast.
#include "tests/op_row.h"

const struct op_row vkd_rows_cast[] = {
    { .op = "cast", .in = { F32(1, 1, 1, 1) }, .attr = { .dtype = VKD_F16 } },
    { .op = "cast", .in = { F32(2, 7, 5, 3) }, .attr = { .dtype = VKD_F16 } },
    { .op = "cast", .in = { F32_IN(1, 1, 1, 1021, -60000, 60000) }, .attr = { .dtype = VKD_F16 } },
    { .op = "cast", .in = { F32(1, 130, 129, 6) }, .attr = { .dtype = VKD_F16 }, .samples = 4 },
    { .op = "cast", .in = { F32(2, 7, 5, 3) }, .attr = { .dtype = VKD_BF16 } },
    { .op = "cast", .in = { F32_IN(1, 1, 1, 1021, -1e38f, 1e38f) }, .attr = { .dtype = VKD_BF16 }, .want = 2 },
    { .op = "cast", .in = { F32(1, 130, 129, 6) }, .attr = { .dtype = VKD_BF16 }, .samples = 4 },
    { .op = "cast", .in = { F32(2, 3, 3, 6) }, .attr = { .dtype = VKD_BF16 }, .nan = true },
    // Halves that are denormal, and some that become 0
    { .op = "cast", .in = { F32_IN(1, 1, 1, 1021, -1e-4f, 1e-4f) }, .attr = { .dtype = VKD_F16 }, .want = 2 },
    { .op = "cast", .in = { F32_IN(1, 1, 1, 1021, -1e-6f, 1e-6f) }, .attr = { .dtype = VKD_F16 }, .want = 2,
      .tol = { .nmse = 1e-2, .why = "the numbers are a few units of the smallest half" } },
    { .op = "cast", .in = { { .shape = { { 1, 1, 1, 257 } }, .dtype = VKD_F16, .lo = -1e-4f, .hi = 1e-4f } }, .want = 2 },
    { .op = "cast", .in = { F16(1, 1, 1, 1) } },
    { .op = "cast", .in = { F16(2, 7, 5, 3) } },
    { .op = "cast", .in = { F16(1, 130, 129, 6) }, .samples = 4 },
    { .op = "cast", .in = { BF16(2, 7, 5, 3) } },
    { .op = "cast", .in = { BF16(1, 130, 129, 6) }, .samples = 4 },
    { .op = "cast", .in = { F32(1, 1, 1, 4) }, .rejects = "f32 already" },
    { .op = "cast", .in = { F16(1, 1, 1, 4) }, .attr = { .dtype = VKD_BF16 }, .rejects = "by way of f32" },
    { .op = "cast", .in = { U32(4, 2) }, .rejects = "only f32, f16 and bf16" },
    { .op = "cast", .in = { F32(2, 3, 3, 6) }, .attr = { .dtype = VKD_F16 }, .nan = true },
    { .op = "cast", .in = { F32(1, 255, 257, 4) }, .attr = { .dtype = VKD_F16 }, .samples = 4, .range_max = 131072,
      .group_max = 7 },
};
OP_ROWS_COUNT(cast)
