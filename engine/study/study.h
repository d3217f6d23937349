// study.h -- what the files of a study share. Internal.
#ifndef VKD_STUDY_STUDY_H
#define VKD_STUDY_STUDY_H

#include <vkdiv/study.h>

#include <jansson.h>

// Fills in outcome, best, verdict and falsifier from the fits.
void vkd__study_conclude(const struct vkd_study_table *t, const struct vkd_study_fit_params *p, struct vkd_study_fits *f);

#endif
