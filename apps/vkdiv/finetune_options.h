// finetune_options.h -- the options of fine-tuning, for commands that do it.
#ifndef VKD_APP_FINETUNE_OPTIONS_H
#define VKD_APP_FINETUNE_OPTIONS_H

#include "apps/vkdiv/app.h"

#include <vkdiv/transfer.h>

enum { FINETUNE_VALUES_MAX = 32 };

struct finetune_options {
    struct vkd_finetune_params p;       // filled in when all options are parsed; points into this struct
    double lrs[FINETUNE_VALUES_MAX], weight_decays[FINETUNE_VALUES_MAX];
};

extern const struct argp app_finetune_argp;     // input: struct finetune_options *, of zeros

#endif
