// linear_check.c -- rules of the linear protocol's input, and what splits lack.
#include "linear_path.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Rules ----

static vkd_result refuse(const struct vkd_linear_params *p, const char *expected)
{
    vkd_log_write(&p->log, VKD_LOG_ERROR, "linear: expected %s", expected);
    return VKD_INVALID;
}

static vkd_result check_set(const struct vkd_linear_params *p, const char *name, struct vkd_linear_set *s, bool told)
{
    char features[64];
    snprintf(features, sizeof(features), "features of %s", name);
    vkd_result r = vkd__matrix_check("linear", features, &s->features, &p->log);
    if (r < 0)
        return r;
    if (s->features.cols != p->train.features.cols || (told && (p->multi_label ? !s->truth : !s->labels))) {
        vkd_log_write(&p->log, VKD_LOG_ERROR, "linear: %s must have %s and the %u columns of train, found %u columns%s",
                      name, p->multi_label ? "truth" : "labels", p->train.features.cols, s->features.cols,
                      (p->multi_label ? !!s->truth : !!s->labels) ? "" : ", none of the former");
        return VKD_INVALID;
    }
    for (uint32_t i = 0; !p->multi_label && s->labels && i < s->features.rows; i++) {
        if (s->labels[i] >= p->classes && s->labels[i] != VKD_NO_LABEL) {
            vkd_log_write(&p->log, VKD_LOG_ERROR, "linear: labels must be below %u classes, row %u of %s has %u",
                          p->classes, i, name, s->labels[i]);
            return VKD_INVALID;
        }
    }
    for (uint64_t i = 0; p->multi_label && s->truth && i < (uint64_t) s->features.rows * p->classes; i++) {
        if (s->truth[i] < VKD_TRUTH_UNKNOWN || s->truth[i] > VKD_TRUTH_YES) {
            vkd_log_write(&p->log, VKD_LOG_ERROR, "linear: truth must be -1 (unknown), 0 or 1, row %u class %u of %s is "
                          "%d", (uint32_t) (i / p->classes), (uint32_t) (i % p->classes), name, s->truth[i]);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static vkd_result check_numbers(const struct vkd_linear_params *p)
{
    if (!p->penalties || !p->penalty_count)
        return refuse(p, "at least one penalty");
    for (uint32_t i = 0; i < p->penalty_count; i++)
        if (!(p->penalties[i] > 0 && p->penalties[i] <= 1e30) || (i && p->penalties[i] >= p->penalties[i - 1]))
            return refuse(p, "penalties above 0, from strong to weak");
    for (uint32_t c = 0; p->weighing == VKD_LINEAR_GIVEN && c < p->classes; c++)
        if (!p->class_weights || !(p->class_weights[c] >= 1e-6 && p->class_weights[c] <= 1e6))
            return refuse(p, "a weight between 1e-6 and 1e6 for every class");
    if ((uint32_t) p->weighing > VKD_LINEAR_GIVEN)
        return refuse(p, "a weighing of enum vkd_linear_weighing");
    if (!(p->tolerance > 0 && p->tolerance < 1) || p->iterations > INT32_MAX)
        return refuse(p, "a tolerance above 0 and below 1, and fewer than 2^31 iterations");
    return VKD_OK;
}

vkd_result vkd__linear_check(struct vkd_linear_params *p)
{
    const bool of_ap = p->choice == VKD_LINEAR_PLAIN_AP || p->choice == VKD_LINEAR_VOC11_AP;
    if (!p->classes || p->classes > INT32_MAX / 2 || (!p->multi_label && p->classes < 2))
        return refuse(p, "at least two classes, or one label of a multi-label task");
    if (p->multi_label != of_ap || (uint32_t) p->choice > VKD_LINEAR_VOC11_AP)
        return refuse(p, "a choice by average precision for a multi-label task, else one by accuracy");
    vkd_result r = check_numbers(p);
    if (r == VKD_OK)
        r = check_set(p, "train", &p->train, true);
    if (r == VKD_OK && p->val.features.rows)
        r = check_set(p, "val", &p->val, true);
    if (r == VKD_OK && p->test.features.rows)
        r = check_set(p, "test", &p->test, false);
    if (r == VKD_OK && !p->val.features.rows && p->penalty_count != 1)
        return refuse(p, "a val split to choose a penalty by, or a single penalty");
    return r;
}

// ---- What a split lacks ----

static bool shows(const struct vkd_linear_params *p, const struct vkd_linear_set *s, uint32_t c)
{
    for (uint64_t i = 0; i < s->features.rows; i++) {
        if (p->multi_label && s->truth && s->truth[i * p->classes + c] == VKD_TRUTH_YES)
            return true;
        if (!p->multi_label && s->labels && s->labels[i] == c)
            return true;
    }
    return false;
}

// At most so many names in a message.
#define NAMES 8

static void add_name(const struct vkd_linear_params *p, uint32_t c, uint32_t place, char *text, size_t size)
{
    const size_t used = strlen(text);
    if (place > NAMES)
        return;
    if (place == NAMES)
        snprintf(text + used, size - used, ", ...");
    else if (p->class_names)
        snprintf(text + used, size - used, "%s%.60s", place ? ", " : "", p->class_names[c]);
    else
        snprintf(text + used, size - used, "%s%u", place ? ", " : "", c);
}

void vkd__linear_tell_missing(const struct vkd_linear_params *p, const uint8_t *off)
{
    char names[NAMES * 64 + 8] = "", wanted[NAMES * 64 + 8] = "";
    uint32_t missing = 0, asked = 0;
    for (uint32_t c = 0; c < p->classes; c++) {
        if (!off[c])
            continue;
        add_name(p, c, missing++, names, sizeof(names));
        if (shows(p, &p->test, c) || shows(p, &p->val, c))
            add_name(p, c, asked++, wanted, sizeof(wanted));
    }
    if (missing > asked)
        vkd_log_write(&p->log, VKD_LOG_INFO, "linear: %u of %u classes have no %s in train and cannot be learned from "
                      "it: %s", missing, p->classes, p->multi_label ? "positives, or no negatives," : "rows", names);
    if (asked)
        vkd_log_write(&p->log, VKD_LOG_WARNING, "linear: train lacks %s%u class%s that val or test has: %s; %s",
                      p->multi_label ? "positives, or negatives, of " : "", asked, asked == 1 ? "" : "es", wanted,
                      p->multi_label ? "their scores are constant" : "their rows there count as wrong");
}
