// truth.h -- what a set says of a class of an image, as measures take it. Internal to engine/.
#ifndef VKD_TRUTH_H
#define VKD_TRUTH_H

#include <vkdiv/measure.h>

static inline int8_t vkd__truth_of(float target)
{
    return target < 0 ? VKD_TRUTH_UNKNOWN : target > 0.5f ? VKD_TRUTH_YES : VKD_TRUTH_NO;
}

#endif
