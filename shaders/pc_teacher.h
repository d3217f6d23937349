// pc_teacher.h -- push constants and table of the teacher's update. Quads are 4 elements.
#ifndef VKD_PC_TEACHER_H
#define VKD_PC_TEACHER_H
#include "shared.h"

#define VKD_TEACHER_LOCAL 64
#define VKD_TEACHER_CHUNK 1024      // quads; one workgroup each

struct vkd_teacher_chunk {
    u32 teacher, student;           // where both lie in the flat buffer of all values
    u32 quad_count;
};

struct vkd_pc_teacher {
    u32 chunk;                      // first of the window
    u32 teacher, student;           // where the bound ranges begin
};
VKD_PC_CHECK(vkd_pc_teacher)
#endif
