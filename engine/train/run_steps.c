// run_steps.c -- steps of a run going out to the device, and their results coming in.
#include "run.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double vkd__run_seconds(const struct vkd__run *run)
{
    return run->previous_seconds + vkd__os_seconds() - run->started;
}

// Device objects made so far: a steady state makes none.
uint64_t vkd__run_objects(const struct vkd__run *run)
{
    struct vkd_device_stats s = vkd_device_stats(run->dev);
    return s.memory_allocations + s.buffers + s.pipelines + s.descriptor_sets;
}

// An event after `step` steps.
static vkd_result write_event(struct vkd__run *run, const char *name, uint32_t step, json_t *event)
{
    json_t *whole = json_pack("{s:s, s:i, s:f, s:f}", "event", name, "step", (int) step, "epoch",
                              (double) step / run->steps_per_epoch, "seconds", vkd__run_seconds(run));
    bool good = whole && event && json_object_update(whole, event) == 0;
    json_decref(event);
    if (good)
        return vkd__metrics_write(run->metrics, whole);
    json_decref(whole);
    return VKD_NO_MEMORY;
}

vkd_result vkd__run_event(struct vkd__run *run, const char *name, json_t *event)
{
    return write_event(run, name, run->done, event);
}

// ---- Results coming in ----

static double share(double sum, double of) { return of > 0 ? sum / of : 0; }

// The step whose results came in last.
static const struct vkd__sent_step *last_sent(const struct vkd__run *run)
{
    return &run->sent[(run->done + VKD__STEPS_IN_FLIGHT - 1) % VKD__STEPS_IN_FLIGHT];
}

// The classifier is a probe in steps of this kind: clipping and a step's health are none of its business.
static bool is_beside(const struct vkd__run *run, enum vkd__route_kind kind)
{
    return run->network.probe && (kind == VKD__ROUTE_SSL || run->recipe->injection.head_depth);
}

bool vkd__run_probed(const struct vkd__run *run)
{
    return is_beside(run, last_sent(run)->what.kind);
}

void vkd__run_tell(struct vkd__run *run, int event, double lr)
{
    const struct vkd__run_averages *a = &run->averages;
    double spent = vkd__os_seconds() - run->started;
    uint32_t here = run->done - run->first_step;
    if (!run->p->progress)
        return;
    struct vkd_progress p = {
        .step = run->done, .step_count = run->total_steps, .epoch = run->done / run->steps_per_epoch,
        .epoch_count = run->recipe->epochs, .lr = (float) lr, .images_per_second = share((double) run->images, spent),
        .seconds = vkd__run_seconds(run), .loss = (float) share(a->loss, a->steps),
        .accuracy = a->count > 0 ? (float) (a->right / a->count) : NAN, .probe = vkd__run_probed(run),
        .eta_seconds = here ? spent / here * (run->total_steps - run->done) : 0,
        .wait_share = share(run->waited, spent), .injection = (float) run->inject.a,
        .phase = run->network.method ? last_sent(run)->what.phase : NULL,
    };
    p.event = event;
    run->p->progress(run->p->user, &p);
}

// Mean of a scalar mark over the micro-batches of the frame collected last; NAN where there is none.
static double scalar(const struct vkd__run *run, const char *mark)
{
    double sum = 0;
    uint32_t count = 0;
    const float *v;
    for (; count < run->recipe->accumulate && (v = vkd__feed_mark(run->train_feed, mark, count, NULL)); count++)
        sum += (double) *v;
    return count ? sum / count : NAN;
}

// Of the frame collected last; NAN: the step has no such loss. `total` is what its weights make of them.
struct losses { double total, ssl, supervised, probe, penalty, spread; };

static struct losses read_losses(const struct vkd__run *run, const struct vkd__inject_step *what)
{
    struct losses l = {
        .ssl = scalar(run, "ssl_loss"), .supervised = scalar(run, "supervised_loss"), .probe = scalar(run, "probe_loss"),
        .penalty = scalar(run, "diversity_penalty"), .spread = scalar(run, "spread"),
    };
    l.total = (isnan(l.ssl) ? 0 : what->ssl_weight * l.ssl) + (isnan(l.supervised) ? 0 : what->supervised_weight * l.supervised) +
              (isnan(l.penalty) ? 0 : (double) run->recipe->diversity_penalty * l.penalty);
    return l;
}

// One "step" event.
static vkd_result log_step(struct vkd__run *run, const struct vkd__feed_result *r, const struct vkd__sent_step *sent,
                           const struct losses *l)
{
    double now = vkd__run_seconds(run), speed = share((double) (run->images - run->logged_images), now - run->logged_at);
    const struct vkd__run_averages *a = &run->averages;
    bool scaled = run->network.precision == VKD_F16;
    run->logged_at = now;
    run->logged_images = run->images;
    run->last_logged = run->done;
    json_t *event = json_pack("{s:f, s:f, s:f, s:f, s:f, s:s}", "loss", l->total, "lr", sent->what.lr,
                              "images_per_second", speed, "injection", sent->what.a, "dose", sent->dose, "phase", sent->what.phase);
    const struct { const char *name; double value; } more[] = {
        { "grad_norm", (double) r->metrics.grad_norm },     // of an overflow not a number
        { "ssl_loss", l->ssl }, { "supervised_loss", l->supervised }, { "probe_loss", l->probe }, { "spread", l->spread },
        { "diversity_penalty", l->penalty },
        { "loss_scale", scaled ? (double) r->metrics.loss_scale : NAN },
        { "overflows", scaled ? r->metrics.overflow_count : NAN },
        { "accuracy", a->count > 0 ? a->right / a->count : NAN },
    };
    for (size_t i = 0; event && i < sizeof(more) / sizeof(more[0]); i++)
        if (isfinite(more[i].value))
            json_object_set_new(event, more[i].name, json_real(more[i].value));
    return vkd__run_event(run, "step", event);
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
    const char *advice = "a smaller optimizer.lr, a warm-up or optimizer.clip_norm";
    if (run->network.precision == VKD_F16)
        advice = "precision=bf16 (numbers too large for fp16 even at a loss scale of 1), or a smaller optimizer.lr";
    vkd_log_write(&run->log, VKD_LOG_ERROR, "step %u: NaN or infinity, first in the %s%s; the weights were not changed by "
                  "that step, the last checkpoint is intact. Try %s",
                  step, tensor[0] ? tensor : "norm of the gradients (they overflow)", where, advice);
    r = vkd__run_event(run, "warning", json_pack("{s:s, s:s}", "text", "not finite", "tensor", tensor));
    return r < 0 ? r : VKD_DIVERGED;
}

// A "warning" event when the probe could not learn for the first time.
static vkd_result watch_probe(struct vkd__run *run, const struct vkd_metrics_block *m)
{
    if (!m->left_alone || m->nonfinite || run->probe_stuck)
        return VKD_OK;
    run->probe_stuck = true;
    vkd_log_write(&run->log, VKD_LOG_WARNING, "step %u: the gradient of the online probe is NaN or infinite: it stays as it is, "
                  "the backbone goes on. Try a smaller monitor.probe_lr", run->done);
    return vkd__run_event(run, "warning", json_pack("{s:s}", "text", "probe not finite"));
}

// A "warning" event when images could not be read since the last one.
static vkd_result log_bad_images(struct vkd__run *run)
{
    uint32_t bad = vkd_loader_bad_count(run->train_loader);
    if (run->labelled_loader)
        bad += vkd_loader_bad_count(run->labelled_loader);
    if (bad == run->bad_images)
        return VKD_OK;
    run->bad_images = bad;
    return vkd__run_event(run, "warning", json_pack("{s:s, s:i}", "text", "unreadable images replaced", "count", (int) bad));
}

static void fade(struct vkd__run_averages *a)
{
    if (a->steps < VKD__AVERAGE_STEPS)
        return;
    a->loss /= 2;
    a->right /= 2;
    a->count /= 2;
    a->steps /= 2;
}

// Takes in the oldest result in flight.
static vkd_result collect(struct vkd__run *run)
{
    struct vkd__feed_result r;
    uint32_t right, right5;
    vkd_result result = vkd__feed_collect(run->train_feed, &r);
    if (result < 0)
        return result;
    const struct vkd__sent_step *sent = &run->sent[r.step % VKD__STEPS_IN_FLIGHT];
    struct losses l = read_losses(run, &sent->what);
    struct vkd__run_averages *a = &run->averages;
    run->images += r.images;
    run->done = r.step + 1;
    if (r.metrics.nonfinite && !r.metrics.overflow)
        return diverged(run, run->done);
    if (r.metrics.overflow)
        vkd_log_write(&run->log, VKD_LOG_INFO, "step %u: gradients overflow fp16 at a loss scale of %g: the step is left out, "
                      "the scale shrinks", run->done, (double) r.metrics.loss_scale);
    if (vkd__feed_mark(run->train_feed, "rank", 0, NULL)) {
        vkd__count_right(run->train_feed, &r, &right, &right5);
        a->right += right;
        a->count += r.count;
    }
    a->loss += l.total;
    a->steps++;
    run->result.train_loss = (float) (a->loss / a->steps);
    if (run->done == run->first_step + 2) {
        vkd_device_save_cache(run->dev);        // by now drivers that compile late have done so
        run->allocations_mark = vkd__run_objects(run);
    }
    bool last = run->done == run->total_steps || sent->what.done;
    if (run->done % 10 == 0 || last || run->done == run->first_step + 1)
        result = log_step(run, &r, sent, &l);
    if (result == VKD_OK && isfinite(l.ssl) && run->network.method)
        result = vkd__run_watch(run, l.ssl, l.spread);
    if (result == VKD_OK)
        result = watch_probe(run, &r.metrics);
    if (result == VKD_OK)
        result = log_bad_images(run);
    if (vkd__os_seconds() - run->last_told >= 0.1 || last) {
        run->last_told = vkd__os_seconds();
        vkd__run_tell(run, VKD_PROGRESS_STEP, sent->what.lr);
    }
    fade(a);
    return result;
}

vkd_result vkd__run_drain(struct vkd__run *run)
{
    while (!vkd__feed_empty(run->train_feed)) {
        vkd_result r = collect(run);
        if (r < 0)
            return r;
    }
    return VKD_OK;
}

// ---- Work going out ----

// Learning rates of the groups in a step of one kind: 0 for what the step has no gradients of.
static void fill_rates(const struct vkd__run *run, const struct vkd__inject_step *what, float lr[VKD_LR_GROUPS])
{
    const struct vkd_recipe *re = run->recipe;
    bool ssl = what->kind == VKD__ROUTE_SSL || what->kind == VKD__ROUTE_MIXED, labels = what->kind != VKD__ROUTE_SSL;
    double frozen = (double) re->ssl.frozen_epochs * run->steps_per_epoch, beside = 0;
    if (run->network.probe)
        beside = (double) re->monitor.probe_lr * (what->peak_lr > 0 && what->lr > 0 ? what->lr / what->peak_lr : 1);
    lr[VKD__LR_BACKBONE] = what->backbone_frozen ? 0 : (float) what->lr;
    lr[VKD__LR_FROZEN_STAGES] = ssl ? (float) what->lr : 0;
    lr[VKD__LR_SSL] = ssl ? (float) what->lr : 0;
    lr[VKD__LR_SSL_CONSTANT] = ssl ? (float) what->peak_lr : 0;
    lr[VKD__LR_SSL_LATER] = ssl && run->inject.step > frozen ? (float) what->lr : 0;
    lr[VKD__LR_HEAD] = labels ? (float) what->head_lr : 0;
    lr[VKD__LR_CLASSIFIER] = (float) (labels && !re->injection.head_depth ? what->head_lr : beside);
}

struct vkd_step_block vkd__run_step_block(const struct vkd__run *run, uint32_t step, const struct vkd__inject_step *what)
{
    const struct vkd_recipe *re = run->recipe;
    struct vkd_step_block b = {
        .seed = { (u32) re->seed, (u32) (re->seed >> 32) }, .injection = (float) what->a,
        .weights = { (float) what->ssl_weight, (float) what->supervised_weight }, .teacher_decay = 1,
    };
    vkd_optimizer_step_values(run->optimizer, step, what->lr, &b);
    fill_rates(run, what, b.group_lr);
    b.beside = is_beside(run, what->kind) ? 1u << VKD__LR_CLASSIFIER : 0;
    if (!run->network.method)
        return b;
    uint64_t queued = (uint64_t) run->ssl_steps * re->batch;
    b.teacher_decay = (float) vkd__teacher_decay((double) re->ssl.momentum, (double) re->ssl.momentum_end, what->stage_step,
                                                 what->stage_steps);
    b.queue_row = re->ssl.queue ? (u32) (queued % re->ssl.queue) : 0;
    b.queue_on = queued >= re->ssl.queue && run->ssl_steps >= (double) re->ssl.queue_start * run->steps_per_epoch;
    return b;
}

// An "inject" event where a phase begins, before `step` of which `what` tells: steps that are still under way come
// before it in time, if not in the file.
static vkd_result log_phase(struct vkd__run *run, uint32_t step, const struct vkd__inject_step *what, const char *before,
                            double dose)
{
    if (!run->network.method || (before && !strcmp(before, what->phase)))
        return VKD_OK;
    return write_event(run, "inject", step, json_pack("{s:s, s:f, s:f}", "phase", what->phase, "injection", what->a, "dose",
                                                      dose));
}

vkd_result vkd__run_submit(struct vkd__run *run)
{
    vkd_result r = vkd__feed_full(run->train_feed) ? collect(run) : VKD_OK;
    if (r == VKD_OK && run->probe_loader && vkd__inject_due(&run->plan, &run->inject)) {
        r = vkd__run_drain(run);
        if (r == VKD_OK)
            r = vkd__run_observe(run);
    }
    if (r < 0)
        return r;
    uint32_t step = run->inject.step;
    const char *before = vkd__inject_phase(&run->plan, &run->inject);
    double dose = run->inject.dose;
    struct vkd__inject_step what = vkd__inject_next(&run->plan, &run->inject);
    run->sent[step % VKD__STEPS_IN_FLIGHT] = (struct vkd__sent_step) { what, run->inject.dose };
    r = log_phase(run, step, &what, before, dose);
    if (r == VKD_OK)
        r = vkd__run_next_epoch(run, what.kind, step);
    if (r < 0)
        return r;
    struct vkd_step_block block = vkd__run_step_block(run, step, &what);
    r = vkd__feed_submit(run->train_feed, run->routes[what.kind], &block, run->micro[what.kind], &run->update[what.kind], 1,
                         &run->waited);
    run->ssl_steps += r == VKD_OK && (what.kind == VKD__ROUTE_SSL || what.kind == VKD__ROUTE_MIXED);
    return r;
}
