// train.c -- the training loop, to be read from top to bottom: vkd_train is at the end, each part
// above it in the order it happens.
#include "run.h"
#include "../../runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

// ---- Evaluating and saving ----

static vkd_result save_weights(struct vkd__run *run, const char *name)
{
    char path[4096];
    vkd_params *which = run->average ? run->average : run->params;
    run->model.steps = run->done;
    snprintf(path, sizeof(path), "%s/%s", run->p->out_dir, name);
    const struct vkd_weights_part part = { .only = run->graphs[VKD__GRAPH_EVALUATION] };
    return vkd_weights_save_part(run->dev, which, &run->model, &part, path);
}

static vkd_result refresh_average(struct vkd__run *run)
{
    uint64_t ticket;
    if (!run->average)
        return VKD_OK;
    vkd_result r = vkd_submit(run->dev, &run->copy_average, 1, &ticket);
    return r == VKD_OK ? vkd_wait(run->dev, ticket, UINT64_MAX, NULL) : r;
}

// What the best weights are the best of: accuracy alone, or its log-odds with diversity beside.
static float score_of(const struct vkd__run *run)
{
    double lambda = (double) run->recipe->monitor.score_lambda, accuracy = (double) run->result.test_accuracy;
    if (!(lambda > 0) || !(run->rankme > 0))
        return (float) accuracy;
    accuracy = fmin(fmax(accuracy, 1e-6), 1 - 1e-6);
    return (float) (log(accuracy / (1 - accuracy)) + lambda * log(run->rankme));
}

static bool neighbours_due(const struct vkd__run *run)
{
    uint64_t every = (uint64_t) run->recipe->monitor.knn_every * run->steps_per_epoch;
    return run->neighbour_loader && (run->done == run->total_steps || run->inject.done || (every && run->done % every == 0));
}

static vkd_result log_evaluation(struct vkd__run *run, const struct vkd__eval_sums *sums, double neighbours)
{
    json_t *event = json_pack("{s:i}", "count", (int) sums->count);
    double diversity = run->rankme > 0 ? run->rankme : NAN;
    const struct { const char *name; double value; } more[] = {
        { "loss", sums->classes ? (double) run->result.test_loss : NAN },
        { run->network.multi_label ? "map" : "top1", sums->classes ? (double) run->result.test_accuracy : NAN },
        { "top5", sums->classes && !sums->per_class ? (double) sums->right5 / (sums->count ? sums->count : 1) : NAN },
        { "map11", sums->per_class ? sums->map11 : NAN }, { "knn", neighbours }, { "rankme", diversity },
        { "injection", run->inject.a }, { "dose", run->inject.dose },
    };
    for (size_t i = 0; event && i < sizeof(more) / sizeof(more[0]); i++)
        if (isfinite(more[i].value))
            json_object_set_new(event, more[i].name, json_real(more[i].value));
    struct vkd_progress p = {
        .event = VKD_PROGRESS_EVAL, .step = run->done, .step_count = run->total_steps,
        .epoch = run->done / run->steps_per_epoch, .epoch_count = run->recipe->epochs, .seconds = vkd__run_seconds(run),
        .loss = run->result.test_loss, .accuracy = sums->classes ? run->result.test_accuracy : NAN,
        .multi_label = run->network.multi_label, .probe = vkd__run_probed(run), .neighbours = (float) neighbours,
        .rankme = (float) diversity, .injection = (float) run->inject.a,
    };
    if (run->p->progress)
        run->p->progress(run->p->user, &p);
    return vkd__run_event(run, "eval", event);
}

static vkd_result take_evaluation(struct vkd__run *run, const struct vkd__eval_sums *sums)
{
    double count = sums->count ? sums->count : 1, neighbours = NAN;
    run->evaluated = run->done;
    run->result.test_loss = (float) (sums->loss / count);
    run->result.test_accuracy = (float) (sums->per_class ? sums->map : sums->right / count);
    vkd_result r = VKD_OK;
    if (!isfinite(sums->loss)) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "step %u: the loss of the test set is not finite, though training's is: "
                      "activations overflow with the running statistics; the last checkpoint is intact. Try a smaller "
                      "optimizer.lr, a warm-up or optimizer.clip_norm", run->done);
        return VKD_DIVERGED;
    }
    if (neighbours_due(run)) {
        r = vkd__run_neighbours(run, &sums->features, &neighbours);
        run->result.neighbours = (float) neighbours;
    }
    if (r == VKD_OK)
        r = log_evaluation(run, sums, neighbours);
    if (r == VKD_OK && sums->classes && score_of(run) > run->best_score) {
        run->best_score = score_of(run);
        run->result.best_accuracy = run->result.test_accuracy;
        r = save_weights(run, "best.safetensors");
    }
    return r;
}

// Tests the present weights, unless stop() says so (*stopped).
static vkd_result evaluate(struct vkd__run *run, bool *stopped)
{
    struct vkd__eval_sums sums;
    const vkd_graph *g = run->graphs[VKD__GRAPH_EVALUATION];
    struct vkd__eval_run e = {
        .feed = run->test_feed, .route = VKD__TEST, .loader = run->test_loader, .log = &run->log,
        .classes = run->model.classes, .multi_label = run->network.multi_label && run->model.classes,
        .feature_width = neighbours_due(run) ? vkd_tensor_shape(vkd_graph_find(g, "features")).d[3] : 0,
        .progress = run->p->progress, .stop = run->p->stop, .user = run->p->user,
        .base = { .step = run->done, .step_count = run->total_steps, .epoch = run->done / run->steps_per_epoch,
                  .epoch_count = run->recipe->epochs, .seconds = vkd__run_seconds(run) },
    };
    vkd_result r = refresh_average(run);
    if (r == VKD_OK && run->probe_loader && run->inject.observed != run->inject.step + 1)
        r = vkd__run_observe(run);
    if (r == VKD_OK)
        r = vkd__evaluate(&e, &sums);
    *stopped = r == VKD_INTERRUPTED;
    if (r < 0)
        return *stopped ? VKD_OK : r;
    r = take_evaluation(run, &sums);
    vkd__eval_sums_finish(&sums);
    return r;
}

// Whether the weights of the present step stay: *name is then their file in the run's folder, else "".
static bool keep_due(const struct vkd__run *run, char name[48])
{
    uint64_t every = (uint64_t) run->recipe->keep_every * run->steps_per_epoch;
    bool due = every && run->done && run->done % every == 0;
    name[0] = 0;
    if (due)
        snprintf(name, 48, "checkpoints/epoch-%04u.safetensors", run->done / run->steps_per_epoch);
    return due;
}

static vkd_result save_kept(struct vkd__run *run, const char *name)
{
    char path[4096];
    struct vkd__why why;
    snprintf(path, sizeof(path), "%s/checkpoints", run->p->out_dir);
    vkd_result r = vkd__dir_create(path, &why);
    if (r == VKD_OK)
        return save_weights(run, name);
    vkd_log_write(&run->log, VKD_LOG_ERROR, "%s", why.text);
    return r;
}

// The state comes last: whatever a crash leaves out before it, the resumed run makes again.
static vkd_result checkpoint(struct vkd__run *run)
{
    char kept[48];
    const struct vkd_train_result *res = &run->result;
    struct vkd__checkpoint_info info = {
        .step = run->done, .seconds = vkd__run_seconds(run), .evaluated = run->evaluated, .ssl_steps = run->ssl_steps,
        .train_loss = res->train_loss, .test_loss = res->test_loss, .test_accuracy = res->test_accuracy,
        .best_accuracy = res->best_accuracy, .best_score = run->best_score,
    };
    vkd__inject_state_write(&run->inject, info.injection);
    vkd_result r = refresh_average(run);
    if (r == VKD_OK && keep_due(run, kept))
        r = save_kept(run, kept);
    if (r == VKD_OK)
        r = save_weights(run, "last.safetensors");
    if (r == VKD_OK)
        r = vkd__run_event(run, "checkpoint", kept[0] ? json_pack("{s:s}", "kept", kept) : json_object());
    if (r == VKD_OK)
        r = vkd__checkpoint_save(run->p->out_dir, run->dev, run->params, run->optimizer, &info);
    run->last_saved = vkd__os_seconds();
    if (r == VKD_OK)
        vkd__run_tell(run, VKD_PROGRESS_CHECKPOINT, 0);
    return r;
}

// ---- The run ----

// The run's last step is out: the recipe's, or that in which the dose was reached.
static bool run_ends(const struct vkd__run *run)
{
    return run->inject.done || run->inject.step >= run->total_steps;
}

static bool epoch_ends(const struct vkd__run *run)
{
    return run->inject.step % run->steps_per_epoch == 0 || run_ends(run);
}

static bool evaluation_due(const struct vkd__run *run)
{
    uint64_t every = (uint64_t) run->recipe->eval_every * run->steps_per_epoch;
    uint32_t step = run->inject.step;
    return run->evaluated != step && (run_ends(run) || (every && step && step % every == 0));
}

// Trains to the end of the epoch, or until stop() says so (*stopped).
static vkd_result train_epoch(struct vkd__run *run, bool *stopped)
{
    vkd_result r = VKD_OK;
    if (run->done >= run->first_step + 2)
        run->allocations_mark = vkd__run_objects(run);
    do {
        if (r == VKD_OK)
            r = vkd__run_submit(run);
        *stopped = r == VKD_OK && run->p->stop && run->p->stop(run->p->user);
        bool due = run->recipe->checkpoint_minutes &&
                   vkd__os_seconds() - run->last_saved > 60.0 * run->recipe->checkpoint_minutes;
        if (r == VKD_OK && due && !*stopped && !epoch_ends(run)) {
            r = vkd__run_drain(run);
            if (r == VKD_OK)
                r = checkpoint(run);
            run->allocations_mark = vkd__run_objects(run);
        }
    } while (r == VKD_OK && !*stopped && !epoch_ends(run));
    if (r == VKD_OK)
        r = vkd__run_drain(run);
    if (run->allocations_mark)
        run->result.steady_allocations += vkd__run_objects(run) - run->allocations_mark;
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
    res->classified = run->model.classes > 0;
    res->multi_label = run->network.multi_label;
    res->probe = vkd__run_probed(run);
    res->rankme = run->rankme > 0 ? (float) run->rankme : NAN;
    res->epochs = run->done / run->steps_per_epoch;
    res->seconds = vkd__run_seconds(run);
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
        r = vkd__run_event(run, "end", json_pack("{s:b, s:s}", "complete", !stopped, "weights_hash", hash));
    if (r == VKD_OK)
        vkd__run_tell(run, VKD_PROGRESS_END, 0);
    return r;
}

vkd_result vkd_train(vkd_device *dev, const struct vkd_train_params *p, struct vkd_train_result *out)
{
    struct vkd__run run;
    bool stopped = false;
    vkd_result r = vkd__run_open(&run, dev, p);
    run.result.neighbours = NAN;
    run.started = run.last_saved = vkd__os_seconds();
    run.logged_at = run.previous_seconds;

    if (r == VKD_OK && evaluation_due(&run)) {      // left by a part that was stopped, or of a run without any step
        r = evaluate(&run, &stopped);
        if (r == VKD_OK && !stopped && !run.total_steps)
            r = checkpoint(&run);
    }
    while (r == VKD_OK && !stopped && !run_ends(&run)) {
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
