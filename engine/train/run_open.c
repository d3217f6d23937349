// run_open.c -- from a recipe to a run that is ready for its first step.
#include "run.h"
#include "views.h"
#include "../graph_impl.h"
#include "../../runtime/os.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- Data ----

static vkd_result open_sets(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    vkd_result r = vkd_dataset_open(&(struct vkd_dataset_params) { re->data.train, "train", run->log }, &run->train_set);
    if (r == VKD_OK)
        r = vkd_dataset_open(&(struct vkd_dataset_params) {
            re->data.test ? re->data.test : re->data.train, "test", run->log }, &run->test_set);
    if (r < 0)
        return r;
    const struct vkd_dataset_info *a = vkd_dataset_info(run->train_set), *b = vkd_dataset_info(run->test_set);
    if (!a->classes) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s: the training set has no labels: a classifier needs images in folders "
                      "named after their class", re->data.train);
        return VKD_INVALID;
    }
    if (a->multi_label || b->multi_label) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s: the images have several labels each: cross entropy needs one",
                      a->multi_label ? re->data.train : re->data.test ? re->data.test : re->data.train);
        return VKD_INVALID;
    }
    if (a->fingerprint == b->fingerprint)
        vkd_log_write(&run->log, VKD_LOG_WARNING, "the test set is the training set: its accuracy says nothing of new "
                      "images; name another with data.test");
    if (a->count < re->batch) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "the training set has %u images, fewer than one batch of %u: use a smaller "
                      "batch", a->count, re->batch);
        return VKD_INVALID;
    }
    if (a->classes != b->classes || a->channels != b->channels) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "the training set has %u classes and %u channels, the test set %u and %u: "
                      "they must agree", a->classes, a->channels, b->classes, b->channels);
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
    return VKD_OK;
}

static vkd_result open_loaders(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    uint64_t binding = vkd_device_caps(run->dev)->storage_range_max;
    uint32_t batch = run->micro_batch;
    run->train_images = vkd__image_plan(vkd_dataset_info(run->train_set), re->model.size, batch, binding);
    run->test_images = vkd__image_plan(vkd_dataset_info(run->test_set), re->model.size, batch, binding);
    struct vkd_loader_params lp = {
        .dataset = run->train_set, .batch = batch, .canvas = run->train_images.canvas,
        .short_side = run->train_images.short_side, .seed = re->seed, .shuffle = re->data.shuffle, .drop_last = true,
        .threads = re->data.threads, .bad_limit = re->data.bad_limit, .log = run->log,
    };
    vkd_result r = vkd_loader_create(&lp, &run->train_loader);
    if (r < 0)
        return r;
    lp.dataset = run->test_set;
    lp.canvas = run->test_images.canvas;
    lp.short_side = run->test_images.short_side;
    lp.shuffle = lp.drop_last = false;
    lp.leave_out_bad = true;
    return vkd_loader_create(&lp, &run->test_loader);
}

// ---- Model ----

static void describe_model(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    const struct vkd_dataset_info *info = vkd_dataset_info(run->train_set);
    const struct vkd_model_arch *arch = vkd_model_find(re->model.arch);     // NULL: building says so
    run->model = (struct vkd_weights_info) {
        .width = re->model.width || !arch ? re->model.width : arch->default_width,
        .cifar_stem = !strcmp(re->model.stem, "cifar"), .classes = info->classes,
        .size = re->model.size, .channels = info->channels,
    };
    snprintf(run->model.arch, sizeof(run->model.arch), "%s", re->model.arch);
    memcpy(run->model.mean, re->data.mean, sizeof(re->data.mean));
    memcpy(run->model.std, re->data.std, sizeof(re->data.std));
}

static vkd_result build_graph(struct vkd__run *run, const struct vkd_log *log, bool training, uint32_t batch, vkd_graph **out)
{
    const struct vkd_recipe *re = run->recipe;
    return vkd__classifier_graph(log, &run->model, re->model.dropout, re->model.zero_init_residual,
                                 training ? re->label_smoothing : 0, batch, out);
}

// Device memory of a run with micro-batches of `batch`; UINT64_MAX when the device cannot bind it.
static uint64_t memory_of(struct vkd__run *run, uint32_t batch)
{
    const struct vkd_log quiet = { 0 };
    const struct vkd_caps *caps = vkd_device_caps(run->dev);
    uint64_t total = 0, values = 0;
    for (int training = 0; training < 2; training++) {
        vkd_graph *g;
        struct vkd_program_memory m;
        if (build_graph(run, &quiet, training, batch, &g) < 0)
            return UINT64_MAX;
        const struct vkd_program_params how = { .training = training, .backward = training };
        vkd_result r = vkd_program_estimate(caps, g, &how, &m);
        values = 0;
        for (uint32_t i = 0; i < g->tensor_count; i++)
            values += g->tensors[i]->kind == VKD_TENSOR_PARAM ? 4 * vkd__numel(g->tensors[i]->desc.shape) : 0;
        vkd_graph_destroy(&g);
        if (r == VKD_INVALID)
            return 0;           // no matter of memory: making the program says what is wrong
        if (r < 0)
            return UINT64_MAX;
        total += m.arena;
    }
    uint32_t canvas = run->train_images.canvas;
    bool adam = strstr("adam adamw lamb", run->recipe->optimizer.name) != NULL;
    uint32_t copies = 2 + (adam ? 2 : 1) + (run->recipe->accumulate > 1) + 2 * (run->recipe->ema > 0);
    struct vkd__feed_size feed = {
        .batch = batch, .micro_count = run->recipe->accumulate, .pixels = (uint64_t) batch * canvas * canvas,
        .marks = 4ull * batch + 512,
    }, test = feed;
    test.micro_count = 1;
    return total + values * copies + vkd__feed_memory(&feed) + vkd__feed_memory(&test);
}

// Says before anything is allocated whether the run fits, and which batch would.
static vkd_result check_memory(struct vkd__run *run)
{
    const struct vkd_caps *caps = vkd_device_caps(run->dev);
    uint64_t budget = caps->memory_budget ? caps->memory_budget : caps->memory_size;
    uint64_t need = memory_of(run, run->micro_batch);
    if (need <= budget) {
        vkd_log_write(&run->log, VKD_LOG_INFO, "memory: about %.0f MiB of the %.0f MiB free on %s", need / 1048576.0,
                      budget / 1048576.0, caps->name);
        return VKD_OK;
    }
    uint32_t fits = 0;
    for (uint32_t bit = 1u << 20; bit; bit >>= 1)
        if ((fits | bit) < run->micro_batch && memory_of(run, fits | bit) <= budget)
            fits |= bit;
    // Both suggestions must divide: `batch` by the present accumulate, the present batch by `parts`.
    uint32_t whole = run->recipe->batch, parts = fits ? (whole + fits - 1) / fits : 0;
    while (parts && whole % parts)
        parts++;
    if (!fits)
        need = memory_of(run, 1);
    char needs[64] = "more than one binding of this device can hold";
    if (need != UINT64_MAX)
        snprintf(needs, sizeof(needs), "about %.0f MiB", need / 1048576.0);
    if (fits)
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%u images at once need %s; %s has %.0f MiB free. A batch of %u fits: set "
                      "batch=%u, or keep batch=%u and set accumulate=%u", run->micro_batch, needs, caps->name,
                      budget / 1048576.0, fits, fits * run->recipe->accumulate, whole, parts);
    else
        vkd_log_write(&run->log, VKD_LOG_ERROR, "not even one image at once fits: it needs %s, %s has %.0f MiB free; use a "
                      "smaller model.width or model.size", needs, caps->name, budget / 1048576.0);
    return VKD_NO_MEMORY;
}

static vkd_result open_model(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    uint32_t batch = run->micro_batch;
    vkd_graph *one = NULL;              // what is wrong with the model at any batch is said first
    vkd_result r = build_graph(run, &run->log, true, 1, &one);
    vkd_graph_destroy(&one);
    if (r == VKD_OK)
        r = check_memory(run);
    if (r == VKD_OK)
        r = build_graph(run, &run->log, true, batch, &run->train_graph);
    if (r == VKD_OK)
        r = build_graph(run, &run->log, false, batch, &run->test_graph);
    if (r == VKD_OK)
        r = vkd_params_create(run->dev, run->train_graph, true, &run->params);
    if (r == VKD_OK && re->ema > 0)
        r = vkd_params_create(run->dev, run->test_graph, false, &run->average);
    if (r == VKD_OK)
        r = vkd_program_create(run->dev, run->train_graph, run->params,
                               &(struct vkd_program_params) { .training = true, .backward = true }, &run->train_program);
    if (r == VKD_OK)
        r = vkd_program_create(run->dev, run->test_graph, run->average ? run->average : run->params,
                               &(struct vkd_program_params) { .training = false }, &run->test_program);
    return r;
}

// ---- Optimiser, schedule, recorded lists ----

static vkd_result open_optimizer(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    struct vkd_optimizer_config c;
    vkd_result r = vkd_optimizer_defaults(re->optimizer.name, &c);
    if (r < 0)
        return r;
    c.momentum = re->optimizer.momentum;
    c.nesterov = re->optimizer.nesterov && re->optimizer.momentum > 0;
    c.weight_decay = re->optimizer.weight_decay;
    c.decay_norm_bias = re->optimizer.decay_norm_bias;
    c.beta1 = re->optimizer.beta1;
    c.beta2 = re->optimizer.beta2;
    c.eps = re->optimizer.eps;
    c.eta = re->optimizer.eta;
    c.clip_lr = re->optimizer.clip_lr;
    c.clip_norm = re->optimizer.clip_norm;
    c.accumulation = re->accumulate;
    c.ema_decay = re->ema;
    return vkd_optimizer_create(run->dev, run->params, &c, &run->optimizer);
}

static vkd_result open_schedule(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    run->steps_per_epoch = vkd_loader_batches(run->train_loader) / re->accumulate;
    uint64_t total = (uint64_t) re->epochs * run->steps_per_epoch;
    if (total > INT32_MAX) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "epochs: %u epochs of %u steps are more than 2^31 steps", re->epochs,
                      run->steps_per_epoch);
        return VKD_INVALID;
    }
    // Beyond 2^31 steps nothing comes any more.
    uint64_t period = (uint64_t) re->schedule.step_epochs * run->steps_per_epoch;
    uint32_t warmup = (uint32_t) fmin((double) re->schedule.warmup_epochs * run->steps_per_epoch + 0.5, INT32_MAX);
    run->schedule = (struct vkd_schedule) {
        .lr = (double) re->optimizer.lr, .warmup_steps = warmup, .warmup_lr = warmup ? (double) re->optimizer.lr / warmup : 0,
        .total_steps = (uint32_t) total, .min_lr = (double) re->schedule.min_lr, .gamma = (double) re->schedule.gamma,
        .step_size = period < INT32_MAX ? (uint32_t) period : INT32_MAX,
    };
    run->total_steps = re->steps && re->steps < total ? re->steps : (uint32_t) total;
    vkd_result r = vkd_schedule_find(re->schedule.name, &run->schedule.kind);
    return r == VKD_OK ? vkd_schedule_check(&run->schedule, &run->log) : r;
}

static vkd_result open_feeds(struct vkd__run *run)
{
    struct vkd__augment_params plain = vkd__augment_plain(&run->model, run->train_images.resize);
    struct vkd__augment_params augment = vkd__view_supervised(run->recipe, &plain);
    plain.resize = run->test_images.resize;
    struct vkd__route train = vkd__classifier_route(run->train_program, run->train_loader, &augment);
    struct vkd__route test = vkd__classifier_route(run->test_program, run->test_loader, &plain);
    vkd_result r = vkd__feed_create(&(struct vkd__feed_params) {
        .dev = run->dev, .routes = &train, .route_count = 1, .batch = run->micro_batch,
        .micro_count = run->recipe->accumulate, .metrics = vkd_optimizer_metrics(run->optimizer) }, &run->train_feed);
    if (r == VKD_OK)
        r = vkd__feed_create(&(struct vkd__feed_params) {
            .dev = run->dev, .routes = &test, .route_count = 1, .batch = run->micro_batch }, &run->test_feed);
    return r;
}

// What follows the program's own segments: per micro-batch, per step, and before an evaluation.
static vkd_result record_lists(struct vkd__run *run)
{
    struct vkd_range step = vkd_program_step_block(run->train_program), loss;
    vkd_result r = vkd_program_range(run->train_program, "loss", &loss);
    if (r == VKD_OK)
        r = vkd_commands_create(run->dev, &run->micro);
    if (r == VKD_OK)
        r = vkd_commands_begin(run->micro);
    if (r == VKD_OK) {
        vkd_optimizer_record_micro(run->optimizer, run->micro, step, &loss);
        r = vkd_commands_end(run->micro);
    }
    if (r == VKD_OK)
        r = vkd_commands_create(run->dev, &run->update);
    if (r == VKD_OK)
        r = vkd_commands_begin(run->update);
    if (r == VKD_OK) {
        vkd_optimizer_record(run->optimizer, run->update, step);
        r = vkd_commands_end(run->update);
    }
    if (r < 0 || !run->average)
        return r;
    r = vkd_commands_create(run->dev, &run->copy_average);
    if (r == VKD_OK)
        r = vkd_commands_begin(run->copy_average);
    if (r == VKD_OK) {
        vkd_commands_copy(run->copy_average, vkd_params_values(run->average), vkd_optimizer_ema(run->optimizer));
        r = vkd_commands_end(run->copy_average);
    }
    return r;
}

// ---- Files ----

static json_t *describe_set(const vkd_dataset *d)
{
    const struct vkd_dataset_info *info = vkd_dataset_info(d);
    char fingerprint[20];
    snprintf(fingerprint, sizeof(fingerprint), "%016" PRIx64, info->fingerprint);
    return json_pack("{s:s, s:s, s:i, s:i, s:i, s:s}", "format", info->format, "split", info->split, "count",
                     (int) info->count, "classes", (int) info->classes, "channels", (int) info->channels,
                     "fingerprint", fingerprint);
}

static json_t *describe_run(const struct vkd__run *run)
{
    const struct vkd_caps *caps = vkd_device_caps(run->dev);
    struct vkd_program_memory m = vkd_program_memory(run->train_program);
    char vulkan[32];
    snprintf(vulkan, sizeof(vulkan), "%u.%u.%u", VK_API_VERSION_MAJOR(caps->api_version),
             VK_API_VERSION_MINOR(caps->api_version), VK_API_VERSION_PATCH(caps->api_version));
    return json_pack("{s:i, s:s, s:s?, s:I, s:o, s:{s:o, s:o}, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:I, s:I}}",
                     "schema", 1, "vkdiv", VKD_VERSION, "command", run->p->command_line, "seed", (json_int_t) run->recipe->seed,
                     "recipe", vkd__recipe_to_json(run->recipe),
                     "data", "train", describe_set(run->train_set), "test", describe_set(run->test_set),
                     "device", "name", caps->name, "driver", caps->driver_name, "driver_info", caps->driver_info,
                     "vulkan", vulkan,
                     "protocol", "evaluation", "top-1 of the whole test split, centre crop, one view",
                     "arena_bytes", (json_int_t) m.arena, "steps_per_epoch", (json_int_t) run->steps_per_epoch);
}

static json_t *fingerprints(json_t *run_json)
{
    json_t *data = json_object_get(run_json, "data");
    return json_object_get(json_object_get(data, "train"), "fingerprint");
}

// Refuses to continue another run than the one in the folder.
static vkd_result check_same_run(struct vkd__run *run)
{
    json_t *old;
    char text[512];
    vkd_result r = vkd__run_json_read(run->p->out_dir, &run->log, &old);
    if (r < 0)
        return r;
    const char *key = vkd__recipe_difference(json_object_get(old, "recipe"), json_object_get(run->json, "recipe"), text,
                                             sizeof(text));
    if (key)
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s holds another run: %s; resume with the recipe it began with, or choose "
                      "another --out", run->p->out_dir, text);
    else if (!json_equal(fingerprints(old), fingerprints(run->json)))
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s was trained on other data: the training set's fingerprint has changed",
                      run->p->out_dir);
    else
        goto done;
    r = VKD_INVALID;
done:
    if (r == VKD_OK && json_object_get(old, "results"))     // the latest there are, until this run has its own
        json_object_set(run->json, "results", json_object_get(old, "results"));
    json_decref(old);
    return r;
}

static vkd_result open_folder(struct vkd__run *run)
{
    struct vkd__why why;
    char path[4096];
    vkd_result r = vkd__dir_create(run->p->out_dir, &why);
    if (r < 0) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s", why.text);
        return r;
    }
    snprintf(path, sizeof(path), "%s/run.json", run->p->out_dir);
    bool exists = vkd__path_kind(path, NULL, NULL) != VKD__PATH_NONE;
    if (exists && !run->p->resume) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s already holds a run: add --resume to go on with it, or choose another "
                      "--out", run->p->out_dir);
        return VKD_INVALID;
    }
    if (!exists && run->p->resume) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s holds no run to resume: there is no run.json", run->p->out_dir);
        return VKD_INVALID;
    }
    return VKD_OK;
}

// ---- Start values ----

static vkd_result start_values(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    vkd_result r = vkd_params_init(run->params, re->seed);
    if (r == VKD_OK && re->init)
        r = vkd_weights_load(run->dev, run->params, re->init, false);
    return r == VKD_OK ? vkd_optimizer_reset(run->optimizer) : r;
}

static vkd_result resume_values(struct vkd__run *run)
{
    struct vkd__checkpoint_info info;
    vkd_result r = check_same_run(run);
    if (r == VKD_OK && !vkd__checkpoint_exists(run->p->out_dir)) {
        vkd_log_write(&run->log, VKD_LOG_WARNING, "%s has no checkpoint yet: the run starts from its first step",
                      run->p->out_dir);
        return start_values(run);
    }
    if (r == VKD_OK)
        r = vkd_optimizer_reset(run->optimizer);
    if (r == VKD_OK)
        r = vkd__checkpoint_load(run->p->out_dir, run->dev, run->params, run->optimizer, &info);
    if (r < 0)
        return r;
    run->step = run->done = run->first_step = (uint32_t) info.step;
    run->previous_seconds = info.seconds;
    run->evaluated = (uint32_t) info.evaluated;
    run->best_accuracy = info.best_accuracy;
    run->result.train_loss = info.train_loss;
    run->result.test_loss = info.test_loss;
    run->result.test_accuracy = info.test_accuracy;
    uint32_t epoch = run->step / run->steps_per_epoch;
    return vkd_loader_seek(run->train_loader, epoch, run->step % run->steps_per_epoch * run->recipe->accumulate);
}

// ---- The whole ----

vkd_result vkd__run_open(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p)
{
    char why[512];
    *run = (struct vkd__run) {
        .dev = dev, .log = *vkd_device_log(dev), .p = p, .resolved = *p->recipe, .recipe = &run->resolved,
        .micro_batch = p->recipe->accumulate ? p->recipe->batch / p->recipe->accumulate : 0,
    };
    vkd_result r = vkd_recipe_check(p->recipe, why, sizeof(why));
    if (r < 0) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s", why);
        return r;
    }
    vkd_recipe_resolve(&run->resolved);
    r = open_folder(run);
    if (r == VKD_OK)
        r = open_sets(run);
    if (r == VKD_OK)
        r = open_loaders(run);
    if (r < 0)
        return r;
    describe_model(run);
    r = open_schedule(run);
    if (r == VKD_OK)
        r = open_model(run);
    if (r == VKD_OK)
        r = open_optimizer(run);
    if (r == VKD_OK)
        r = open_feeds(run);
    if (r == VKD_OK)
        r = record_lists(run);
    if (r == VKD_OK && !(run->json = describe_run(run))) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "run.json cannot be made: a text of the recipe or the command line is not "
                      "UTF-8, or host memory is out");
        r = VKD_INVALID;
    }
    if (r == VKD_OK)
        r = p->resume ? resume_values(run) : start_values(run);
    if (r == VKD_OK)
        r = vkd__run_json_write(p->out_dir, &run->log, run->json);
    if (r == VKD_OK)
        r = vkd__metrics_open(p->out_dir, &run->log, p->resume ? (int64_t) run->step : -1, run->evaluated, &run->metrics);
    return r;
}

void vkd__run_close(struct vkd__run *run)
{
    vkd__feed_destroy(&run->train_feed);
    vkd__feed_destroy(&run->test_feed);
    vkd_loader_destroy(&run->train_loader);
    vkd_loader_destroy(&run->test_loader);
    vkd_commands_destroy(run->dev, &run->micro);
    vkd_commands_destroy(run->dev, &run->update);
    vkd_commands_destroy(run->dev, &run->copy_average);
    vkd_optimizer_destroy(&run->optimizer);
    vkd_program_destroy(&run->train_program);
    vkd_program_destroy(&run->test_program);
    vkd_params_destroy(&run->params);
    vkd_params_destroy(&run->average);
    vkd_graph_destroy(&run->train_graph);
    vkd_graph_destroy(&run->test_graph);
    vkd_dataset_close(&run->train_set);
    vkd_dataset_close(&run->test_set);
    vkd__metrics_close(&run->metrics);
    json_decref(run->json);
    run->json = NULL;
}
