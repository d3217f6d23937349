// params_impl.h -- what a parameter store is made of. Internal to engine/.
#ifndef VKD_PARAMS_IMPL_H
#define VKD_PARAMS_IMPL_H

#include "graph_impl.h"

#include <vkdiv/program.h>

struct vkd_params {
    vkd_device *dev;
    struct vkd_param_info *infos;   // trainable ones first
    uint32_t count;
    uint64_t trainable, total;      // elements of the flat buffers
    vkd_buffer *values, *grads;     // grads may be NULL
};

#endif
