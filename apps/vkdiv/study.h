// study.h -- how the study command shows what was fitted.
#ifndef VKD_APP_STUDY_H
#define VKD_APP_STUDY_H

#include "apps/vkdiv/app.h"

#include <vkdiv/study.h>

// Models, fits, tasks and the verdict as tables on standard output.
void study_print(const struct vkd_study *s, const struct vkd_study_fits *f);

#endif
