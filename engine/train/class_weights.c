// class_weights.c -- weights of the classes in the loss of labels, from how many images show them.
#include "run.h"

#include <stdlib.h>

// Images of the training set whose labels may be used, per class: that show it, and that do not.
static vkd_result count_classes(const struct vkd__run *run, uint32_t classes, double *yes, double *no)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(run->train_set);
    float *row = malloc((classes + 1) * sizeof(*row));
    if (!row)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < info->count; i++) {
        if (run->labelled && !run->labelled[i])
            continue;
        vkd_dataset_targets(run->train_set, i, row);
        for (uint32_t c = 0; c < classes; c++) {
            yes[c] += row[c] > 0.5f;
            no[c] += row[c] >= 0 && row[c] <= 0.5f;
        }
    }
    free(row);
    return VKD_OK;
}

// Cross entropy: images / (classes that are shown * images of the class). BCE: images without the label / images with
// it, of targets of 1. A class that no image shows, or every image, weighs 1.
static void balance(bool multi_label, uint32_t classes, const double *yes, const double *no, float *weights)
{
    double images = 0, shown = 0;
    for (uint32_t c = 0; c < classes; c++) {
        images += yes[c];
        shown += yes[c] > 0;
    }
    for (uint32_t c = 0; c < classes; c++) {
        double weight = multi_label ? no[c] / yes[c] : images / (shown * yes[c]);
        weights[c] = yes[c] > 0 && weight > 0 ? (float) weight : 1;
    }
}

static void tell(const struct vkd__run *run, uint32_t classes, const float *weights, const double *yes)
{
    uint32_t least = 0, most = 0, absent = 0;
    for (uint32_t c = 0; c < classes; c++) {
        least = weights[c] < weights[least] ? c : least;
        most = weights[c] > weights[most] ? c : most;
        absent += !(yes[c] > 0);
    }
    vkd_log_write(&run->log, VKD_LOG_INFO, "class weights: from %.3g (%s) to %.3g (%s)%s", (double) weights[least],
                  vkd_dataset_class_name(run->train_set, least), (double) weights[most],
                  vkd_dataset_class_name(run->train_set, most), absent ? "; 1 for classes that no image shows" : "");
}

vkd_result vkd__run_weigh_classes(struct vkd__run *run)
{
    const uint32_t classes = run->network.classes;
    const int index = vkd_params_find(run->params, VKD__CLASS_WEIGHTS);
    if (index < 0)
        return VKD_OK;
    double *counts = calloc(2 * (size_t) classes, sizeof(*counts));
    float *weights = calloc(classes + 4, sizeof(*weights));
    vkd_result r = counts && weights ? count_classes(run, classes, counts, counts + classes) : VKD_NO_MEMORY;
    if (r == VKD_OK) {
        balance(run->network.multi_label, classes, counts, counts + classes, weights);
        tell(run, classes, weights, counts);
        r = vkd_params_write(run->params, (uint32_t) index, weights);
    }
    free(weights);
    free(counts);
    return r;
}
