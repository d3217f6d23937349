// run_data.c -- the sets of a run, which of their labels may be used, and the loaders.
#include "run.h"
#include "../data/dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *test_spec(const struct vkd_recipe *re)
{
    return re->data.test ? re->data.test : re->data.train;
}

static uint32_t count_unlabelled(const vkd_dataset *d)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    uint32_t count = 0;
    for (uint32_t i = 0; !info->multi_label && i < info->count; i++)
        count += vkd_dataset_label(d, i) == VKD_NO_LABEL;
    return count;
}

// Labels are needed by the supervised loss, and by methods that compare images by their label.
static vkd_result check_labels(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    const struct vkd_dataset_info *info = vkd_dataset_info(run->train_set);
    const struct vkd__ssl_method *m = vkd__ssl_find(re->method);
    bool injected = strcmp(re->injection.mode, "ssl") != 0, contrasted = m && m->labels;
    if (!injected && !contrasted)
        return VKD_OK;
    uint32_t missing = info->classes ? count_unlabelled(run->train_set) : info->count;
    if (missing) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s: %u of %u images have no label, and %s learns from labels: use images in "
                      "folders named after their class, or a self-supervised method with injection.mode=ssl",
                      re->data.train, missing, info->count, injected ? "the supervised loss" : re->method);
        return VKD_INVALID;
    }
    if (info->multi_label && contrasted) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s: the images have several labels each, but %s compares images by one: "
                      "choose another method", re->data.train, re->method);
        return VKD_INVALID;
    }
    bool one = !re->loss || !strcmp(re->loss, "cross-entropy"), many = !re->loss || !one;
    if (info->multi_label ? !many : !one) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "loss: expected %s for %s, whose images have %s, found \"%s\"",
                      info->multi_label ? "bce or asl" : "cross-entropy", re->data.train,
                      info->multi_label ? "several labels each" : "one label each", re->loss);
        return VKD_INVALID;
    }
    return VKD_OK;
}

static vkd_result check_agreement(struct vkd__run *run)
{
    const struct vkd_dataset_info *a = vkd_dataset_info(run->train_set), *b = vkd_dataset_info(run->test_set);
    if (a->channels != b->channels || (a->classes && (a->classes != b->classes || a->multi_label != b->multi_label))) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "the training set has %u class%s%s and %u channel%s, the test set %u%s and %u: "
                      "they must agree", a->classes, a->classes == 1 ? "" : "es", a->multi_label ? " (several an image)" : "",
                      a->channels, a->channels == 1 ? "" : "s", b->classes,
                      b->multi_label ? " (several an image)" : "", b->channels);
        return VKD_INVALID;
    }
    if (run->recipe->model.channels && run->recipe->model.channels < a->channels) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "model.channels: expected 3, for the images have colours; found %u",
                      run->recipe->model.channels);
        return VKD_INVALID;
    }
    for (uint32_t c = 0; c < a->classes; c++) {
        const char *x = vkd_dataset_class_name(run->train_set, c), *y = vkd_dataset_class_name(run->test_set, c);
        if (strcmp(x, y)) {
            vkd_log_write(&run->log, VKD_LOG_ERROR, "class %u is \"%s\" in the training set and \"%s\" in the test set: "
                          "they must have the same classes", c, x, y);
            return VKD_INVALID;
        }
    }
    char names[300];
    if (a->classes && vkd__dataset_absent(run->test_set, run->train_set, names, sizeof(names)))
        vkd_log_write(&run->log, VKD_LOG_WARNING, "the test set has images of %s, but the training set has none: nothing can be "
                      "learnt of them", names);
    if (a->classes && vkd__dataset_absent(run->train_set, run->test_set, names, sizeof(names)))
        vkd_log_write(&run->log, VKD_LOG_WARNING, "the test set has no images of %s: what is learnt of them is not tested",
                      names);
    return VKD_OK;
}

// What is asked of the neighbours and cannot be had.
static vkd_result check_neighbours(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    const struct vkd_dataset_info *info = vkd_dataset_info(run->train_set);
    if (!run->network.method || !info->classes)
        return VKD_OK;
    if (re->monitor.knn_every && info->multi_label)
        vkd_log_write(&run->log, VKD_LOG_WARNING, "monitor.knn_every: neighbours are found for one label an image, and these "
                      "images have several: `vkdiv transfer` finds them for such, of a finished run");
    else if (re->monitor.knn_every && (!re->eval_every || re->monitor.knn_every % re->eval_every))
        vkd_log_write(&run->log, VKD_LOG_WARNING, "monitor.knn_every: neighbours are found when the run is tested: expected a "
                      "multiple of eval_every, which is %u, found %u", re->eval_every, re->monitor.knn_every);
    if (!info->multi_label && re->monitor.knn_k > info->count) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "monitor.knn_k: expected at most the training set's %u images, found %u",
                      info->count, re->monitor.knn_k);
        return VKD_INVALID;
    }
    return VKD_OK;
}

static vkd_result check_counts(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    uint32_t count = vkd_dataset_info(run->train_set)->count;
    if (count < re->batch) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "the training set has %u image%s, fewer than one batch of %u: use a "
                      "smaller batch", count, count == 1 ? "" : "s", re->batch);
        return VKD_INVALID;
    }
    if (run->network.method && re->monitor.images > count) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "monitor.images: the probe set cannot have %u images, the training set has "
                      "%u", re->monitor.images, count);
        return VKD_INVALID;
    }
    if (run->network.method && re->ssl.queue > count)
        vkd_log_write(&run->log, VKD_LOG_WARNING, "ssl.queue: %u rows are more than the training set's %u images: each image "
                      "is compared with older features of itself; at most %u are from different images", re->ssl.queue,
                      count, count);
    return check_neighbours(run);
}

// Marks the images whose labels may be used.
static vkd_result choose_labels(struct vkd__run *run)
{
    uint32_t *indices, chosen, count = vkd_dataset_info(run->train_set)->count;
    double fraction = (double) run->recipe->injection.label_fraction;
    run->labelled_share = vkd_dataset_info(run->train_set)->classes ? 1 : 0;
    if (fraction >= 1 || run->labelled_share == 0)
        return VKD_OK;
    vkd_result r = vkd_label_subset(run->train_set, fraction, run->recipe->seed, &run->log, &indices, &chosen);
    if (r < 0)
        return r;
    if (!(run->labelled = calloc(count, 1)))
        r = VKD_NO_MEMORY;
    for (uint32_t i = 0; r == VKD_OK && i < chosen; i++)
        run->labelled[indices[i]] = 1;
    run->labelled_share = (double) chosen / count;
    free(indices);
    return r;
}

// Images without labels that name no test set of their own are not tested: nothing could be right or wrong.
static vkd_result open_test(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    const bool labelled = vkd_dataset_info(run->train_set)->classes > 0;
    const struct vkd_log quiet = { 0 };
    struct vkd_dataset_params p = { test_spec(re), "test", labelled || re->data.test ? run->log : quiet };
    vkd_result r = vkd_dataset_open(&p, &run->own_test);
    run->untested = r == VKD_INVALID && !labelled && !re->data.test;
    return run->untested ? VKD_OK : r;
}

vkd_result vkd__run_open_sets(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    vkd_result r = VKD_OK;
    if (!run->p->train_set)
        r = vkd_dataset_open(&(struct vkd_dataset_params) { re->data.train, "train", run->log }, &run->own_train);
    run->train_set = run->p->train_set ? run->p->train_set : run->own_train;
    if (r == VKD_OK && !run->p->test_set)
        r = open_test(run);
    if (r < 0)
        return r;
    run->test_set = run->p->test_set ? run->p->test_set : run->own_test ? run->own_test : run->train_set;
    run->network.method = vkd__ssl_find(re->method);
    bool same = vkd_dataset_info(run->train_set)->fingerprint == vkd_dataset_info(run->test_set)->fingerprint;
    if (same && vkd_dataset_info(run->test_set)->classes)
        vkd_log_write(&run->log, VKD_LOG_WARNING, "the test set is the training set: its accuracy says nothing of new "
                      "images; name another with data.test");
    r = check_labels(run);
    if (r == VKD_OK)
        r = check_counts(run);
    if (r == VKD_OK)
        r = check_agreement(run);
    return r == VKD_OK ? choose_labels(run) : r;
}

// ---- Loaders ----

// A loader over `count` images spread evenly over the training set, in order; 0: all.
static vkd_result open_part(struct vkd__run *run, const struct vkd_loader_params *like, uint32_t count, vkd_loader **out)
{
    struct vkd_loader_params lp = *like;
    uint32_t all = vkd_dataset_info(run->train_set)->count, *indices;
    count = count && count < all ? count : all;
    if (!(indices = malloc(count * sizeof(*indices))))
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++)
        indices[i] = (uint32_t) ((uint64_t) i * all / count);
    lp.shuffle = lp.drop_last = false;
    lp.subset = indices;
    lp.subset_count = count;
    vkd_result r = vkd_loader_create(&lp, out);
    free(indices);
    return r;
}

static struct vkd_loader_params train_params(const struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    return (struct vkd_loader_params) {
        .dataset = run->train_set, .batch = run->micro_batch, .canvas = run->train_images.canvas,
        .short_side = run->train_images.short_side, .seed = re->seed, .shuffle = re->data.shuffle, .drop_last = true,
        .threads = re->data.threads, .bad_limit = re->data.bad_limit, .log = run->log,
    };
}

vkd_result vkd__run_open_loaders(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    uint64_t binding = vkd_device_caps(run->dev)->storage_range_max;
    uint32_t batch = run->micro_batch;
    run->train_images = vkd__image_plan(vkd_dataset_info(run->train_set), re->model.size, batch, binding);
    run->test_images = vkd__image_plan(vkd_dataset_info(run->test_set), re->model.size, batch, binding);
    struct vkd_loader_params lp = train_params(run);
    vkd_result r = vkd_loader_create(&lp, &run->train_loader);
    if (r == VKD_OK && run->network.method && re->monitor.images)
        r = open_part(run, &lp, re->monitor.images, &run->probe_loader);
    bool neighbours = run->network.method && vkd_dataset_info(run->train_set)->classes &&
                      !vkd_dataset_info(run->train_set)->multi_label;
    if (r == VKD_OK && neighbours)
        r = open_part(run, &lp, re->monitor.knn_images, &run->neighbour_loader);
    if (r < 0)
        return r;
    lp.dataset = run->test_set;
    lp.canvas = run->test_images.canvas;
    lp.short_side = run->test_images.short_side;
    lp.shuffle = lp.drop_last = false;
    lp.leave_out_bad = true;
    return run->untested ? open_part(run, &lp, 1, &run->test_loader) : vkd_loader_create(&lp, &run->test_loader);
}

vkd_result vkd__run_open_labelled(struct vkd__run *run)
{
    struct vkd_loader_params lp = train_params(run);
    uint32_t all = vkd_dataset_info(run->train_set)->count, chosen = 0;
    if (!run->labelled || !(run->plan.used[VKD__ROUTE_SUPERVISED] || run->plan.used[VKD__ROUTE_WARMUP]))
        return VKD_OK;
    uint32_t *indices = malloc(((size_t) all + run->micro_batch) * sizeof(*indices));
    if (!indices)
        return VKD_NO_MEMORY;
    for (uint32_t i = 0; i < all; i++)
        if (run->labelled[i])
            indices[chosen++] = i;
    lp.subset = indices;
    lp.subset_count = chosen;
    for (; lp.subset_count < lp.batch; lp.subset_count++)       // fewer than a batch takes come more than once
        indices[lp.subset_count] = indices[lp.subset_count - chosen];
    vkd_result r = vkd_loader_create(&lp, &run->labelled_loader);
    free(indices);
    return r;
}

// ---- Where they stand ----

static bool is_alone(const struct vkd__run *run, enum vkd__route_kind kind)
{
    return run->labelled_loader && (kind == VKD__ROUTE_SUPERVISED || kind == VKD__ROUTE_WARMUP);
}

vkd_loader *vkd__run_loader(const struct vkd__run *run, enum vkd__route_kind kind)
{
    return is_alone(run, kind) ? run->labelled_loader : run->train_loader;
}

// How many of the first `step` steps, all that went out, took images from the train loader.
static uint32_t steps_through_all(const struct vkd__run *run, uint32_t step)
{
    return run->labelled_loader ? run->ssl_steps : step;
}

vkd_result vkd__run_seek(struct vkd__run *run)
{
    uint32_t whole = steps_through_all(run, run->inject.step), epoch = run->steps_per_epoch, parts = run->recipe->accumulate;
    vkd_result r = vkd_loader_seek(run->train_loader, whole / epoch, whole % epoch * parts);
    if (r < 0 || !run->labelled_loader)
        return r;
    uint64_t batch = (uint64_t) (run->inject.step - whole) * parts, batches = vkd_loader_batches(run->labelled_loader);
    return vkd_loader_seek(run->labelled_loader, (uint32_t) (batch / batches), (uint32_t) (batch % batches));
}

vkd_result vkd__run_next_epoch(struct vkd__run *run, enum vkd__route_kind kind, uint32_t step)
{
    uint32_t whole = steps_through_all(run, step), rest = vkd_loader_batches(run->train_loader) % run->recipe->accumulate;
    if (!rest || is_alone(run, kind) || whole % run->steps_per_epoch)
        return VKD_OK;
    return vkd_loader_seek(run->train_loader, whole / run->steps_per_epoch, 0);
}
