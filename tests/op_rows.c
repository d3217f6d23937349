// op_rows.c -- collects the rows of tests/op_rows.
#include "op_check.h"

#include <stdio.h>

#define ROWS(name) extern const struct op_row vkd_rows_##name[]; extern const uint32_t vkd_rows_##name##_count;
#include "op_rows.inc"      // generated: one ROWS(stem) line per tests/op_rows/*.c
#undef ROWS

const struct op_row *op_row_at(uint32_t index)
{
#define ROWS(name)                                      \
    if (index < vkd_rows_##name##_count)                \
        return &vkd_rows_##name[index];                 \
    index -= vkd_rows_##name##_count;
#include "op_rows.inc"
#undef ROWS
    return NULL;
}

void op_row_describe(const struct op_row *row, char *text, size_t size)
{
    int n = snprintf(text, size, "%s", row->op);
    for (uint32_t i = 0; i < VKD_MAX_IN && row->in[i].shape.d[3] && n > 0 && (size_t) n < size; i++) {
        const uint32_t *d = row->in[i].shape.d;
        n += snprintf(text + n, size - (size_t) n, " (%u, %u, %u, %u) %s", d[0], d[1], d[2], d[3],
                      vkd__dtype_name(row->in[i].dtype));
    }
}
