// pc_unit_columns.h -- push constants of unit_columns.
#ifndef VKD_PC_UNIT_COLUMNS_H
#define VKD_PC_UNIT_COLUMNS_H
#include "shared.h"

struct vkd_pc_unit_columns {
    u32 rows, columns4;     // of the matrix; columns in quads, padding included
};
VKD_PC_CHECK(vkd_pc_unit_columns)
#endif
