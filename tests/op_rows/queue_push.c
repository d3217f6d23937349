// queue_push.c -- cases of queue_push; the step block of tests/op_check.c has queue_row 21.
#include "tests/op_row.h"

#define QUEUE(rows, c) F32(1, 1, rows, c)

const struct op_row vkd_rows_queue_push[] = {
    { .op = "queue_push", .in = { QUEUE(1, 1), F32(1, 1, 1, 1) }, .training = true },
    { .op = "queue_push", .in = { QUEUE(28, 5), F32(7, 1, 1, 5) }, .training = true },
    { .op = "queue_push", .in = { QUEUE(24, 5), F32(8, 1, 1, 5) }, .training = true },
    { .op = "queue_push", .in = { QUEUE(12, 33), F32(12, 1, 1, 33) }, .training = true },
    { .op = "queue_push", .in = { QUEUE(512, 128), F32(128, 1, 1, 128) }, .training = true },
    { .op = "queue_push", .in = { QUEUE(512, 100), F32(256, 1, 1, 100) }, .training = true, .group_max = 7 },
    { .op = "queue_push", .in = { QUEUE(8, 5), F32(4, 1, 1, 5) } },
    { .op = "queue_push", .in = { QUEUE(6, 5), F32(3, 1, 1, 5) }, .training = true, .nan = true },
    { .op = "queue_push", .in = { QUEUE(9, 5), F32(4, 1, 1, 5) }, .rejects = "multiple of the 4" },
    { .op = "queue_push", .in = { QUEUE(8, 5), F32(4, 1, 1, 6) }, .rejects = "5 columns" },
};
OP_ROWS_COUNT(queue_push)
