// sets.c -- the splits of a data SPEC that a model is transferred to.
#include "transfer_impl.h"

#include "../data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

// `absent`: NULL, or it is no error that there is no such split (see vkd__dataset_open_if_there).
static vkd_result open_split(const char *spec, const char *split, const struct vkd_log *log, bool *absent, vkd_dataset **out)
{
    const struct vkd_dataset_params p = { spec, split, *log };
    vkd_result r = absent ? vkd__dataset_open_if_there(&p, absent, out) : vkd_dataset_open(&p, out);
    if (r < 0)
        return r;
    const struct vkd_dataset_info *info = vkd_dataset_info(*out);
    if (strcmp(info->split, split)) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: a transfer takes the splits train, val and test by itself, found split=%.40s: "
                      "leave it out", spec, info->split);
        return VKD_INVALID;
    }
    if (!info->classes) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: its images have no labels, so there is nothing to transfer to: put them in "
                      "folders named after their class, or list them with labels in a csv", spec);
        return VKD_INVALID;
    }
    return VKD_OK;
}

static vkd_result check_agreement(const char *spec, const vkd_dataset *a, const vkd_dataset *b, const struct vkd_log *log)
{
    const struct vkd_dataset_info *x = vkd_dataset_info(a), *y = vkd_dataset_info(b);
    if (x->classes != y->classes || x->multi_label != y->multi_label) {
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: %s has %u classes%s, %s has %u%s: they must have the same", spec, x->split,
                      x->classes, x->multi_label ? " (several an image)" : "", y->split, y->classes,
                      y->multi_label ? " (several an image)" : "");
        return VKD_INVALID;
    }
    for (uint32_t c = 0; c < x->classes; c++) {
        const char *m = vkd_dataset_class_name(a, c), *n = vkd_dataset_class_name(b, c);
        if (strcmp(m, n)) {
            vkd_log_write(log, VKD_LOG_ERROR, "%.200s: class %u is '%.60s' in %s and '%.60s' in %s: they must have the same "
                          "classes, so put a folder (or a row) for each class in both, or name classes= that both have", spec,
                          c, m, x->split, n, y->split);
            return VKD_INVALID;
        }
    }
    return VKD_OK;
}

static vkd_result check_classes(const char *spec, const struct vkd__transfer_sets *s, const struct vkd_log *log)
{
    char names[300];
    if (vkd__dataset_absent(s->test, s->train, names, sizeof(names))) {
        vkd_log_write(log, s->multi_label ? VKD_LOG_WARNING : VKD_LOG_ERROR, "%.300s: test has images of %s, but train has none: "
                      "nothing can be learnt of them%s", spec, names,
                      s->multi_label ? ", their scores are constant" : "; add some, or leave these classes out with classes=");
        if (!s->multi_label)
            return VKD_INVALID;
    }
    if (vkd__dataset_absent(NULL, s->test, names, sizeof(names)))
        vkd_log_write(log, VKD_LOG_WARNING, "%.300s: test has no images of %s: they are left out of means over classes", spec,
                      names);
    return VKD_OK;
}

static vkd_result take_val(struct vkd__transfer_sets *s, const char *spec, const struct vkd_log *log)
{
    char names[300];
    vkd_result r = check_agreement(spec, s->train, s->val, log);
    s->train_count = vkd_dataset_info(s->train)->count;
    s->val_count = vkd_dataset_info(s->val)->count;
    if (r == VKD_OK && vkd__dataset_absent(s->test, s->val, names, sizeof(names)))
        vkd_log_write(log, VKD_LOG_WARNING, "%.300s: val has no images of %s: they do not count in what is chosen", spec, names);
    return r;
}

// Says why nothing of train can be held out.
static vkd_result refuse_holdout(const vkd_dataset *train, const char *spec, const struct vkd_log *log)
{
    const uint32_t count = vkd_dataset_info(train)->count;
    const char *tiles = train->tiles ? " (collages of the same images are one)" : "";
    uint32_t *groups, found = 0;
    vkd_result r = vkd__dataset_groups(train, &groups);
    if (r < 0)
        return r;
    for (uint32_t i = 0; groups && i < count; i++)
        found += groups[i] == i;
    if (!groups)
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: there is no val, and nothing of the %u image%s of train can be held out for "
                      "it: expected at least two of a class; add some, or give a split val", spec, count, count > 1 ? "s" : "");
    else if (found == 1)
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: there is no val, and nothing of train can be held out for it: its %u images "
                      "are all of one group%s, and groups are not divided; give a split val, or images of more groups", spec,
                      count, tiles);
    else
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: there is no val, and nothing of train can be held out for it: its %u images "
                      "are of %u groups%s, and none that shows a class of the others has at most half of them; give a split "
                      "val, or images of more groups", spec, count, found, tiles);
    free(groups);
    return VKD_INVALID;
}

static vkd_result hold_out(struct vkd__transfer_sets *s, const char *spec, double share, uint64_t seed, const struct vkd_log *log)
{
    const uint32_t count = vkd_dataset_info(s->train)->count;
    if (!(s->held = calloc(count + 1u, 1)))
        return VKD_NO_MEMORY;
    vkd_result r = vkd__holdout(s->train, share, seed, s->held, &s->val_count);
    s->train_count = count - s->val_count;
    return r == VKD_OK && !s->val_count ? refuse_holdout(s->train, spec, log) : r;
}

// A val that is there is what is chosen by, and must be fit for it.
static vkd_result open_val(struct vkd__transfer_sets *s, const char *spec, double holdout, uint64_t seed,
                           const struct vkd_log *log)
{
    bool absent;
    vkd_result r = open_split(spec, "val", log, &absent, &s->val);
    if (r == VKD_OK)
        r = take_val(s, spec, log);
    else if (absent)
        return hold_out(s, spec, holdout != 0 ? holdout : VKD__HOLDOUT, seed, log);
    if (r < 0 && r != VKD_NO_MEMORY)
        vkd_log_write(log, VKD_LOG_ERROR, "%.300s: its val cannot be used, so nothing can be chosen by it: repair it, or take it "
                      "away, and a part of train is held out", spec);
    if (r == VKD_OK && holdout != 0)
        vkd_log_write(log, VKD_LOG_WARNING, "%.300s: it has a val of its own: nothing is held out of train", spec);
    return r;
}

vkd_result vkd__transfer_sets_identify(struct vkd__transfer_sets *s)
{
    uint64_t contents[3] = { 0 };
    char text[64];
    vkd_result r = vkd_dataset_content(s->train, &contents[0]);
    if (r == VKD_OK && s->val)
        r = vkd_dataset_content(s->val, &contents[1]);
    if (r == VKD_OK)
        r = vkd_dataset_content(s->test, &contents[2]);
    snprintf(text, sizeof(text), "%016llx %016llx %016llx", (unsigned long long) contents[0], (unsigned long long) contents[1],
             (unsigned long long) contents[2]);
    s->fingerprint = XXH3_64bits(text, strlen(text));
    return r;
}

vkd_result vkd__transfer_sets_open(const char *spec, double holdout, uint64_t seed, const struct vkd_log *log,
                                   struct vkd__transfer_sets *out)
{
    struct vkd__transfer_sets s = { .train = NULL };
    vkd_result r = open_split(spec, "train", log, NULL, &s.train);
    if (r == VKD_OK)
        r = open_split(spec, "test", log, NULL, &s.test);
    if (r == VKD_OK)
        r = check_agreement(spec, s.train, s.test, log);
    if (r == VKD_OK) {
        const struct vkd_dataset_info *train = vkd_dataset_info(s.train);
        s.classes = train->classes;
        s.multi_label = train->multi_label;
        s.test_count = vkd_dataset_info(s.test)->count;
        r = check_classes(spec, &s, log);
    }
    if (r == VKD_OK)
        r = open_val(&s, spec, holdout, seed, log);
    if (r < 0) {
        vkd__transfer_sets_close(&s);
        return r;
    }
    if (vkd_dataset_info(s.train)->fingerprint == vkd_dataset_info(s.test)->fingerprint)
        vkd_log_write(log, VKD_LOG_WARNING, "%.300s: test holds what train holds: the result says nothing of new images", spec);
    *out = s;
    return VKD_OK;
}

void vkd__transfer_sets_close(struct vkd__transfer_sets *s)
{
    vkd_dataset_close(&s->train);
    vkd_dataset_close(&s->val);
    vkd_dataset_close(&s->test);
    free(s->held);
    *s = (struct vkd__transfer_sets) { .train = NULL };
}
