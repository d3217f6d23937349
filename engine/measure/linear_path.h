// linear_path.h -- what linear.c and linear_check.c share.
// Internal.
#ifndef VKD_MEASURE_LINEAR_PATH_H
#define VKD_MEASURE_LINEAR_PATH_H

#include <vkdiv/linear.h>

#include "matrix.h"

#define VKD__LINEAR_TOLERANCE  3e-3
#define VKD__LINEAR_ITERATIONS 100u

// Checks everything of linear.h's rules but whether there are two classes, and fills in strides. Penalties, tolerance
// and iterations are no longer 0.
VKD_CHECKED vkd_result vkd__linear_check(struct vkd_linear_params *p);

// Names the classes that `off` marks.
void vkd__linear_tell_missing(const struct vkd_linear_params *p, const uint8_t *off);

#endif
