// unit_columns.h -- a parameter whose columns keep length 1: prototypes. Internal to engine/.
#ifndef VKD_UNIT_COLUMNS_H
#define VKD_UNIT_COLUMNS_H

#include <vkdiv/program.h>

enum { VKD__UNIT_COLUMNS_ROWS = 4096 };     // of such a parameter at most

// Appends the projection of the parameter `name`, (1, 1, C, K), to stand behind the optimiser's update: each of its K
// columns is divided by its length (SwAV, main_swav.py, before each forward pass). Nothing changes when `metrics`
// (vkd_optimizer_metrics) says that the step was rejected; padding stays 0. Later errors stick to `cmds`.
//
//   VKD_INVALID      no such parameter, or not a matrix (the log says what was found)
//   VKD_UNSUPPORTED  more than VKD__UNIT_COLUMNS_ROWS rows
//
// Thread-safety: that of the device.
VKD_CHECKED vkd_result vkd__unit_columns_record(vkd_device *dev, vkd_params *params, const char *name,
                                                struct vkd_range metrics, vkd_commands *cmds);

// The projection at once, as a run needs it before its first step; returns when done. `metrics` as above, that is,
// after vkd_optimizer_reset.
VKD_CHECKED vkd_result vkd__unit_columns_apply(vkd_device *dev, vkd_params *params, const char *name,
                                               struct vkd_range metrics);

#endif
