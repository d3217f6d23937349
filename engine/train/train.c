// train.c -- the training loop, to be read from top to bottom: vkd_train is at the end, each part
// above it in the order it happens.
#include "run.h"
#include "../../runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double seconds_of(const struct vkd__run *run)
{
    return run->previous_seconds + vkd__os_seconds() - run->started;
}

// Device objects made so far: a steady state makes none.
static uint64_t objects_made(const struct vkd__run *run)
{
    struct vkd_device_stats s = vkd_device_stats(run->dev);
    return s.memory_allocations + s.buffers + s.pipelines + s.descriptor_sets;
}

// ---- Results coming in ----

static void report(struct vkd__run *run, int event, double lr)
{
    double spent = vkd__os_seconds() - run->started, speed = spent > 0 ? (double) run->images / spent : 0;
    uint32_t here = run->done - run->first_step;
    if (!run->p->progress)
        return;
    struct vkd_progress p = {
        .step = run->done, .step_count = run->total_steps, .epoch = run->done / run->steps_per_epoch,
        .epoch_count = run->recipe->epochs, .lr = (float) lr, .images_per_second = speed, .seconds = seconds_of(run),
        .loss = run->averaged ? (float) (run->loss_sum / run->averaged) : 0,
        .accuracy = run->count_sum > 0 ? (float) (run->right_sum / run->count_sum) : 0,
        .eta_seconds = here ? spent / here * (run->total_steps - run->done) : 0,
        .wait_share = spent > 0 ? run->waited / spent : 0,
    };
    p.event = event;
    run->p->progress(run->p->user, &p);
}

// One "step" event: averages since the one before.
static vkd_result log_step(struct vkd__run *run, const struct vkd__feed_result *r, double lr)
{
    double now = seconds_of(run), spent = now - run->logged_at;
    double speed = spent > 0 ? (double) (run->images - run->logged_images) / spent : 0;
    run->logged_at = now;
    run->logged_images = run->images;
    return vkd__metrics_write(run->metrics, json_pack("{s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f}",
        "event", "step", "step", (int) run->done, "epoch", (double) run->done / run->steps_per_epoch, "seconds", now,
        "loss", (double) r->metrics.loss, "accuracy", run->count_sum > 0 ? run->right_sum / run->count_sum : 0.0,
        "lr", lr, "images_per_second", speed, "grad_norm", (double) r->metrics.grad_norm,
        "injection", 1.0));
}

// Says at which step and in which tensor numbers stopped being finite.
static vkd_result diverged(struct vkd__run *run, uint32_t step)
{
    char tensor[256], where[40] = "";
    uint32_t micro;
    vkd_result r = vkd__feed_find_nonfinite(run->train_feed, &micro, tensor, sizeof(tensor));
    if (r < 0)
        return r;
    if (tensor[0] && run->recipe->accumulate > 1)
        snprintf(where, sizeof(where), " of micro-batch %u", micro);
    vkd_log_write(&run->log, VKD_LOG_ERROR, "step %u: NaN or infinity, first in the %s%s; the weights were not changed by "
                  "that step, the last checkpoint is intact. Try a smaller optimizer.lr, a warm-up or optimizer.clip_norm",
                  step, tensor[0] ? tensor : "norm of the gradients (they overflow)", where);
    r = vkd__metrics_write(run->metrics, json_pack("{s:s, s:i, s:f, s:f, s:s, s:s}", "event", "warning", "step", (int) step,
        "epoch", (double) step / run->steps_per_epoch, "seconds", seconds_of(run), "text", "not finite", "tensor", tensor));
    return r < 0 ? r : VKD_DIVERGED;
}

// A "warning" event when images could not be read since the last one.
static vkd_result log_bad_images(struct vkd__run *run)
{
    uint32_t bad = vkd_loader_bad_count(run->train_loader);
    if (bad == run->bad_images)
        return VKD_OK;
    run->bad_images = bad;
    return vkd__metrics_write(run->metrics, json_pack("{s:s, s:i, s:f, s:f, s:s, s:i}", "event", "warning", "step",
        (int) run->done, "epoch", (double) run->done / run->steps_per_epoch, "seconds", seconds_of(run), "text",
        "unreadable images replaced", "count", (int) bad));
}

// Takes in the oldest result in flight.
static vkd_result collect(struct vkd__run *run)
{
    struct vkd__feed_result r;
    vkd_result result = vkd__feed_collect(run->train_feed, &r);
    if (result < 0)
        return result;
    uint32_t right, right5;
    vkd__count_right(run->train_feed, &r, &right, &right5);
    run->images += r.images;
    run->right_sum += right;
    run->count_sum += r.count;
    run->done = r.step + 1;
    run->loss_sum += (double) r.metrics.loss;
    run->averaged++;
    run->result.train_loss = (float) (run->loss_sum / run->averaged);
    if (r.metrics.nonfinite)
        return diverged(run, run->done);
    double lr = vkd_schedule_lr(&run->schedule, r.step);
    if (run->done == run->first_step + 2) {
        run->allocations_mark = objects_made(run);
        vkd_device_save_cache(run->dev);        // by now drivers that compile late have done so
    }
    if (run->done % 10 == 0 || run->done == run->total_steps || run->done == run->first_step + 1)
        result = log_step(run, &r, lr);
    if (result == VKD_OK)
        result = log_bad_images(run);
    if (vkd__os_seconds() - run->last_told >= 0.1 || run->done == run->total_steps) {
        run->last_told = vkd__os_seconds();
        report(run, VKD_PROGRESS_STEP, lr);
    }
    if (run->averaged >= VKD__AVERAGE_STEPS) {      // fade what is old
        run->loss_sum /= 2;
        run->right_sum /= 2;
        run->count_sum /= 2;
        run->averaged /= 2;
    }
    return result;
}

static vkd_result drain(struct vkd__run *run)
{
    while (!vkd__feed_empty(run->train_feed)) {
        vkd_result r = collect(run);
        if (r < 0)
            return r;
    }
    return VKD_OK;
}

// ---- Work going out ----

// Submits one optimiser step: its micro-batches, then the update.
static vkd_result submit_step(struct vkd__run *run)
{
    struct vkd_step_block step = {
        .seed = { (u32) run->recipe->seed, (u32) (run->recipe->seed >> 32) }, .injection = 1.0f,
    };
    vkd_result r = vkd__feed_full(run->train_feed) ? collect(run) : VKD_OK;
    if (r < 0)
        return r;
    vkd_optimizer_step_values(run->optimizer, run->step, vkd_schedule_lr(&run->schedule, run->step), &step);
    r = vkd__feed_submit(run->train_feed, 0, &step, run->micro, &run->update, 1, &run->waited);
    run->step += r == VKD_OK;
    return r;
}

// ---- Evaluating and saving ----

static vkd_result save_weights(struct vkd__run *run, const char *name)
{
    char path[4096];
    vkd_params *which = run->average ? run->average : run->params;
    run->model.steps = run->done;
    snprintf(path, sizeof(path), "%s/%s", run->p->out_dir, name);
    return vkd_weights_save(run->dev, which, &run->model, path);
}

static vkd_result refresh_average(struct vkd__run *run)
{
    uint64_t ticket;
    if (!run->average)
        return VKD_OK;
    vkd_result r = vkd_submit(run->dev, &run->copy_average, 1, &ticket);
    return r == VKD_OK ? vkd_wait(run->dev, ticket, UINT64_MAX, NULL) : r;
}

// Tests the present weights, unless stop() says so (*stopped).
static vkd_result evaluate(struct vkd__run *run, bool *stopped)
{
    struct vkd__eval_sums sums;
    struct vkd__eval_run e = {
        .feed = run->test_feed, .loader = run->test_loader, .classes = run->model.classes, .progress = run->p->progress,
        .stop = run->p->stop, .user = run->p->user,
        .base = { .step = run->done, .step_count = run->total_steps, .epoch = run->done / run->steps_per_epoch,
                  .epoch_count = run->recipe->epochs, .seconds = seconds_of(run) },
    };
    vkd_result r = refresh_average(run);
    if (r == VKD_OK)
        r = vkd__evaluate(&e, &sums);
    *stopped = r == VKD_INTERRUPTED;
    if (r < 0)
        return *stopped ? VKD_OK : r;
    if (!isfinite(sums.loss)) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "step %u: the loss of the test set is not finite, though training's is: "
                      "activations overflow with the running statistics; the last checkpoint is intact. Try a smaller "
                      "optimizer.lr, a warm-up or optimizer.clip_norm", run->done);
        vkd__eval_sums_finish(&sums);
        return VKD_DIVERGED;
    }
    run->evaluated = run->done;
    run->result.test_loss = (float) (sums.loss / (sums.count ? sums.count : 1));
    run->result.test_accuracy = (float) sums.right / (float) (sums.count ? sums.count : 1);
    struct vkd_progress p = e.base;
    p.event = VKD_PROGRESS_EVAL;
    p.loss = run->result.test_loss;
    p.accuracy = run->result.test_accuracy;
    if (run->p->progress)
        run->p->progress(run->p->user, &p);
    r = vkd__metrics_write(run->metrics, json_pack("{s:s, s:i, s:f, s:f, s:i, s:f, s:f, s:f}", "event", "eval", "step",
        (int) run->done, "epoch", (double) run->done / run->steps_per_epoch, "seconds", seconds_of(run), "count",
        (int) sums.count, "loss", (double) run->result.test_loss, "top1", (double) run->result.test_accuracy, "top5",
        (double) sums.right5 / (sums.count ? sums.count : 1)));
    vkd__eval_sums_finish(&sums);
    if (r == VKD_OK && run->result.test_accuracy > run->best_accuracy) {
        run->best_accuracy = run->result.test_accuracy;
        r = save_weights(run, "best.safetensors");
    }
    return r;
}

static vkd_result checkpoint(struct vkd__run *run)
{
    const struct vkd_train_result *res = &run->result;
    struct vkd__checkpoint_info info = {
        .step = run->done, .seconds = seconds_of(run), .evaluated = run->evaluated, .train_loss = res->train_loss,
        .test_loss = res->test_loss, .test_accuracy = res->test_accuracy, .best_accuracy = run->best_accuracy,
    };
    vkd_result r = vkd__checkpoint_save(run->p->out_dir, run->dev, run->params, run->optimizer, &info);
    if (r == VKD_OK)
        r = refresh_average(run);
    if (r == VKD_OK)
        r = save_weights(run, "last.safetensors");
    if (r == VKD_OK)
        r = vkd__metrics_write(run->metrics, json_pack("{s:s, s:i, s:f, s:f}", "event", "checkpoint", "step",
            (int) run->done, "epoch", (double) run->done / run->steps_per_epoch, "seconds", seconds_of(run)));
    run->last_saved = vkd__os_seconds();
    if (r == VKD_OK)
        report(run, VKD_PROGRESS_CHECKPOINT, vkd_schedule_lr(&run->schedule, run->done ? run->done - 1 : 0));
    return r;
}

// ---- The run ----

static bool epoch_ends(const struct vkd__run *run)
{
    return run->step % run->steps_per_epoch == 0 || run->step == run->total_steps;
}

static bool evaluation_due(const struct vkd__run *run)
{
    uint64_t every = (uint64_t) run->recipe->eval_every * run->steps_per_epoch;
    return run->evaluated != run->step && (run->step == run->total_steps || (every && run->step % every == 0));
}

// Trains to the end of the epoch, or until stop() says so (*stopped).
static vkd_result train_epoch(struct vkd__run *run, bool *stopped)
{
    vkd_result r = VKD_OK;
    uint32_t epoch = run->step / run->steps_per_epoch;
    if (run->done >= run->first_step + 2)
        run->allocations_mark = objects_made(run);
    // Batches that do not fill a step are left out, so an epoch may end before the loader's does.
    if (run->step % run->steps_per_epoch == 0 && run->recipe->accumulate > 1)
        r = vkd_loader_seek(run->train_loader, epoch, 0);
    do {
        if (r == VKD_OK)
            r = submit_step(run);
        *stopped = r == VKD_OK && run->p->stop && run->p->stop(run->p->user);
        bool due = run->recipe->checkpoint_minutes &&
                   vkd__os_seconds() - run->last_saved > 60.0 * run->recipe->checkpoint_minutes;
        if (r == VKD_OK && due && !*stopped && !epoch_ends(run)) {
            r = drain(run);
            if (r == VKD_OK)
                r = checkpoint(run);
            run->allocations_mark = objects_made(run);
        }
    } while (r == VKD_OK && !*stopped && !epoch_ends(run));
    if (r == VKD_OK)
        r = drain(run);
    if (run->allocations_mark)
        run->result.steady_allocations += objects_made(run) - run->allocations_mark;
    return r;
}

static vkd_result finish(struct vkd__run *run, bool stopped)
{
    struct vkd_train_result *res = &run->result;
    double spent = vkd__os_seconds() - run->started;
    char hash[20];
    vkd_result r = vkd_params_hash(run->params, &res->weights_hash);
    if (r < 0)
        return r;
    res->steps = run->done;
    res->epochs = run->done / run->steps_per_epoch;
    res->best_accuracy = run->best_accuracy;
    res->seconds = seconds_of(run);
    res->images_per_second = spent > 0 ? (double) run->images / spent : 0;
    res->wait_share = spent > 0 ? run->waited / spent : 0;
    if (!run->images) {     // resumed after its last step: the speed stays that of the training
        const json_t *old = json_object_get(run->json, "results");
        res->images_per_second = json_number_value(json_object_get(old, "images_per_second"));
        res->wait_share = json_number_value(json_object_get(old, "wait_share"));
    }
    snprintf(hash, sizeof(hash), "%016" PRIx64, res->weights_hash);
    json_object_set_new(run->json, "results", json_pack("{s:b, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:s}",
        "complete", !stopped, "steps", (int) res->steps, "train_loss", (double) res->train_loss,
        "test_loss", (double) res->test_loss, "test_accuracy", (double) res->test_accuracy,
        "best_accuracy", (double) res->best_accuracy, "seconds", res->seconds,
        "images_per_second", res->images_per_second, "wait_share", res->wait_share, "weights_hash", hash));
    r = vkd__run_json_write(run->p->out_dir, &run->log, run->json);
    if (r == VKD_OK)
        r = vkd__metrics_write(run->metrics, json_pack("{s:s, s:i, s:f, s:f, s:b, s:s}", "event", "end", "step",
            (int) run->done, "epoch", (double) run->done / run->steps_per_epoch, "seconds", res->seconds, "complete",
            !stopped, "weights_hash", hash));
    if (r == VKD_OK)
        report(run, VKD_PROGRESS_END, 0);
    return r;
}

vkd_result vkd_train(vkd_device *dev, const struct vkd_train_params *p, struct vkd_train_result *out)
{
    struct vkd__run run;
    bool stopped = false;
    vkd_result r = vkd__run_open(&run, dev, p);
    run.started = run.last_saved = vkd__os_seconds();
    run.logged_at = run.previous_seconds;

    if (r == VKD_OK && evaluation_due(&run))        // a part that was stopped has left it to this one
        r = evaluate(&run, &stopped);
    while (r == VKD_OK && !stopped && run.step < run.total_steps) {
        r = train_epoch(&run, &stopped);
        if (r == VKD_OK && !stopped && evaluation_due(&run))
            r = evaluate(&run, &stopped);
        if (r == VKD_OK)
            r = checkpoint(&run);
    }
    if (r == VKD_OK)
        r = finish(&run, stopped);
    if (r == VKD_OK) {
        *out = run.result;
        r = stopped ? VKD_INTERRUPTED : VKD_OK;
    }
    vkd__run_close(&run);
    return r;
}
