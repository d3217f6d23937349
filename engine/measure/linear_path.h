// linear_path.h -- what linear.c and linear_check.c share.
// Internal.
#ifndef VKD_MEASURE_LINEAR_PATH_H
#define VKD_MEASURE_LINEAR_PATH_H

#include <vkdiv/linear.h>

#include "matrix.h"

// Checks everything of linear.h's rules but whether there are two classes, and fills in strides. Penalties, tolerance
// and iterations are no longer 0.
VKD_CHECKED vkd_result vkd__linear_check(struct vkd_linear_params *p);

// Names the classes that `off` marks.
void vkd__linear_tell_missing(const struct vkd_linear_params *p, const uint8_t *off);

#endif
