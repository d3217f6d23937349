// batch_norm.c -- cases of batch_norm.
#include "tests/op_row.h"

#define CHANNELS(c) F32_IN(1, 1, 1, c, 0.5f, 1.5f), F32(1, 1, 1, c), F32(1, 1, 1, c), F32_IN(1, 1, 1, c, 0.5f, 1.5f)
#define WHY_MEAN "with a mean of 1000 the inputs themselves are rounded to 6e-5 and so is the saved mean"

const struct op_row vkd_rows_batch_norm[] = {
    { .op = "batch_norm", .in = { F32(2, 1, 1, 1), CHANNELS(1) }, .training = true },
    { .op = "batch_norm", .in = { F32(2, 3, 5, 3), CHANNELS(3) }, .training = true },
    { .op = "batch_norm", .in = { F32(3, 4, 4, 5), CHANNELS(5) }, .training = true,
      .attr = { .eps = 1e-3f, .momentum = 0.01f } },
    { .op = "batch_norm", .in = { F32(4, 5, 5, 17), CHANNELS(17) }, .training = true,
      .attr = { .activation = VKD_ACT_RELU }, .keep_off = 1e-3f },
    { .op = "batch_norm", .in = { F32(2, 7, 9, 64), CHANNELS(64), F32(2, 7, 9, 64) }, .training = true,
      .attr = { .activation = VKD_ACT_RELU }, .keep_off = 1e-3f },
    { .op = "batch_norm", .in = { F32(2, 3, 3, 130), CHANNELS(130), F32_IN(2, 3, 3, 130, 0, 8) }, .training = true,
      .attr = { .activation = VKD_ACT_RELU6 }, .keep_off = 1e-3f },
    { .op = "batch_norm", .in = { F32(4, 6, 6, 8), CHANNELS(8), F32(4, 6, 6, 8) }, .training = true },
    { .op = "batch_norm", .in = { F32(4, 5, 5, 7), F32_IN(1, 1, 1, 7, 5, 15), F32(1, 1, 1, 7), F32(1, 1, 1, 7),
                                  F32_IN(1, 1, 1, 7, 0.5f, 1.5f) }, .training = true,
      .attr = { .activation = VKD_ACT_RELU6 }, .keep_off = 1e-3f },
    { .op = "batch_norm", .in = { F32(5, 1, 1, 1030), CHANNELS(1030) }, .training = true },
    { .op = "batch_norm", .in = { F32_IN(8, 9, 9, 6, 998, 1002), CHANNELS(6) }, .training = true,
      .tol = { .nmse = 1e-8, .max = 2e-4, .grad = 5e-4, .why = WHY_MEAN } },
    // More rows than one loop of some drivers can count, several chunks per lane.
    { .op = "batch_norm", .in = { F32(9, 256, 256, 1), CHANNELS(1) }, .training = true, .samples = 4 },
    { .op = "batch_norm", .in = { F32(1, 300, 301, 12), CHANNELS(12) }, .training = true, .samples = 4 },

    { .op = "batch_norm", .in = { F32(1, 1, 1, 1), CHANNELS(1) } },
    { .op = "batch_norm", .in = { F32(2, 3, 5, 3), CHANNELS(3) } },
    { .op = "batch_norm", .in = { F32(3, 5, 5, 17), CHANNELS(17), F32(3, 5, 5, 17) },
      .attr = { .activation = VKD_ACT_RELU }, .keep_off = 1e-3f },
    { .op = "batch_norm", .in = { F32_IN(3, 5, 5, 64, 0, 8), CHANNELS(64) },
      .attr = { .activation = VKD_ACT_RELU6 }, .keep_off = 1e-3f },
    { .op = "batch_norm", .in = { F32(3, 5, 5, 5), CHANNELS(5), F32(3, 5, 5, 5) }, .want = 1u << 5 },
    { .op = "batch_norm", .in = { F32(3, 5, 5, 5), CHANNELS(5) }, .training = true, .want = 1 },
    { .op = "batch_norm", .in = { F32(3, 5, 5, 5), CHANNELS(5), F32(3, 5, 5, 5) }, .training = true,
      .want = 1u << 1 | 1u << 2 },

    { .op = "batch_norm", .in = { F32(1, 1, 1, 4), CHANNELS(4) }, .training = true, .rejects = "more than one value" },
    { .op = "batch_norm", .in = { F32(2, 3, 3, 4), CHANNELS(5) }, .rejects = "gamma must be" },
    { .op = "batch_norm", .in = { F32(2, 3, 3, 4), CHANNELS(4), F32(2, 3, 4, 4) }, .rejects = "residual must be" },
    { .op = "batch_norm", .in = { F32(2, 3, 3, 4), CHANNELS(4) }, .attr = { .activation = 3 },
      .rejects = "activation" },
};
OP_ROWS_COUNT(batch_norm)
