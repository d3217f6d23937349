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

// ---- Model and plan ----

static void describe_model(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    const struct vkd_dataset_info *info = vkd_dataset_info(run->train_set);
    const struct vkd_model_arch *arch = vkd_model_find(re->model.arch);     // NULL: building says so
    bool learnt = strcmp(re->injection.mode, "ssl") != 0 && !re->injection.head_depth;
    bool classifier = learnt || re->monitor.probe;
    run->model = (struct vkd_weights_info) {
        .width = re->model.width || !arch ? re->model.width : arch->default_width,
        .cifar_stem = !strcmp(re->model.stem, "cifar"), .classes = classifier ? info->classes : 0,
        .size = re->model.size, .channels = re->model.channels ? re->model.channels : info->channels,
    };
    snprintf(run->model.arch, sizeof(run->model.arch), "%s", re->model.arch);
    memcpy(run->model.mean, re->data.mean, sizeof(re->data.mean));
    memcpy(run->model.std, re->data.std, sizeof(re->data.std));
    vkd__network_init(re, &run->model, info->classes, info->multi_label, &run->network);
}

static vkd_result open_plan(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    run->steps_per_epoch = vkd_loader_batches(run->train_loader) / re->accumulate;
    uint64_t total = (uint64_t) re->epochs * run->steps_per_epoch;
    if (total > INT32_MAX) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "epochs: %u epochs of %u steps are more than 2^31 steps", re->epochs,
                      run->steps_per_epoch);
        return VKD_INVALID;
    }
    vkd_result r = vkd__inject_open(re, run->steps_per_epoch, (uint32_t) total, run->labelled_share, &run->log, &run->plan);
    if (r < 0)
        return r;
    run->total_steps = re->steps && re->steps < run->plan.total_steps ? re->steps : run->plan.total_steps;
    return VKD_OK;
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
    char vulkan[32];
    snprintf(vulkan, sizeof(vulkan), "%u.%u.%u", VK_API_VERSION_MAJOR(caps->api_version),
             VK_API_VERSION_MINOR(caps->api_version), VK_API_VERSION_PATCH(caps->api_version));
    return json_pack("{s:i, s:s, s:s?, s:s*, s:I, s:o, s:{s:o, s:o}, s:{s:s, s:s, s:s, s:s}, s:{s:s, s:I, s:I}}",
                     "schema", 1, "vkdiv", VKD_VERSION, "command", run->p->command_line, "part_of", run->p->part_of,
                     "seed", (json_int_t) run->recipe->seed, "recipe", vkd__recipe_to_json(run->recipe),
                     "data", "train", describe_set(run->train_set), "test", describe_set(run->test_set),
                     "device", "name", caps->name, "driver", caps->driver_name, "driver_info", caps->driver_info,
                     "vulkan", vulkan,
                     "protocol", "evaluation", "top-1 of the whole test split, centre crop, one view",
                     "arena_bytes", (json_int_t) vkd_arena_size(run->arena), "steps_per_epoch", (json_int_t) run->steps_per_epoch);
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

// A folder that cannot be made is found before minutes of loading; one that was made for nothing is taken away again.
static vkd_result open_folder(struct vkd__run *run)
{
    struct vkd__why why;
    char path[4096];
    const char *dir = run->p->out_dir;
    snprintf(path, sizeof(path), "%s/run.json", dir);
    bool exists = vkd__path_kind(path, NULL, NULL) != VKD__PATH_NONE;
    if (exists && !run->p->resume) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s already holds a run: add --resume to go on with it, or choose another "
                      "--out", dir);
        return VKD_INVALID;
    }
    if (!exists && run->p->resume) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s holds no run to resume: there is no run.json", dir);
        return VKD_INVALID;
    }
    run->new_folder = vkd__path_kind(dir, NULL, NULL) == VKD__PATH_NONE;
    vkd_result r = vkd__dir_create(dir, &why);
    if (r < 0)
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s", why.text);
    return r;
}

// ---- Start values ----

static vkd_result load_all(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    const struct vkd_log quiet = { 0 };
    struct vkd_weights_info info;
    const struct vkd_weights_part part = { .only = run->graphs[VKD__GRAPH_EVALUATION], .finite = true };
    vkd_result r = vkd_weights_load_part(run->dev, run->params, &part, re->init, false);
    if (r == VKD_FORMAT && vkd_weights_info(re->init, &quiet, &info) == VKD_OK && info.classes != run->model.classes)
        vkd_log_write(&run->log, VKD_LOG_ERROR, "init: %s is of %u class%s, this run's model of %u: init_part=backbone "
                      "takes all but the classifier", re->init, info.classes, info.classes == 1 ? "" : "es", run->model.classes);
    return r;
}

static vkd_result load_backbone(struct vkd__run *run)
{
    struct vkd__network backbone = run->network;
    vkd_graph *g = NULL;
    backbone.model.classes = 0;
    vkd_result r = vkd__network_graph(&run->log, &backbone, VKD__GRAPH_EVALUATION, 1, &g);
    if (r == VKD_OK)
        r = vkd_weights_load_part(run->dev, run->params, &(struct vkd_weights_part) { .only = g, .more = true, .finite = true },
                                  run->recipe->init, false);
    vkd_graph_destroy(&g);
    return r;
}

// What the run begins with besides the seed.
static vkd_result load_init(struct vkd__run *run)
{
    const bool all = !strcmp(run->recipe->init_part, "all");
    vkd_result r = all ? load_all(run) : load_backbone(run);
    if (r == VKD_OK)
        vkd_log_write(&run->log, VKD_LOG_INFO, "start values: %s of %s%s", all ? "all" : "the backbone", run->recipe->init,
                      !all && run->model.classes ? "; a classifier from the seed" : "");
    return r;
}

static vkd_result start_values(struct vkd__run *run)
{
    const struct vkd_recipe *re = run->recipe;
    vkd_result r = vkd_params_init(run->params, re->seed);
    if (r == VKD_OK && re->init)
        r = load_init(run);
    if (r == VKD_OK)
        r = vkd__run_weigh_classes(run);
    if (r == VKD_OK)
        r = vkd_optimizer_reset(run->optimizer);
    return r == VKD_OK ? vkd__run_start_heads(run) : r;
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
    r = vkd__inject_state_read(info.injection, &run->inject);
    if (r < 0 || run->inject.step != info.step) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s/state: the checkpoint of step %u does not say where label injection "
                      "stands: it is of another version of vkdiv", run->p->out_dir, (uint32_t) info.step);
        return VKD_FORMAT;
    }
    run->done = run->first_step = (uint32_t) info.step;
    run->ssl_steps = (uint32_t) info.ssl_steps;
    run->previous_seconds = info.seconds;
    run->evaluated = info.evaluated;
    run->best_score = info.best_score;
    run->result.best_accuracy = info.best_accuracy;
    run->result.train_loss = info.train_loss;
    run->result.test_loss = info.test_loss;
    run->result.test_accuracy = info.test_accuracy;
    return vkd__run_seek(run);
}

// ---- The whole ----

static void warnings_only(void *user, enum vkd_log_level level, const char *text)
{
    const struct vkd_log *log = user;
    if (log->fn && level <= VKD_LOG_WARNING)
        log->fn(log->user, level, text);
}

// Checks the recipe; nothing is opened yet.
static vkd_result begin(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p)
{
    char why[512];
    *run = (struct vkd__run) {
        .dev = dev, .log = *vkd_device_log(dev), .p = p, .resolved = *p->recipe, .recipe = &run->resolved,
        .micro_batch = p->recipe->accumulate ? p->recipe->batch / p->recipe->accumulate : 0, .evaluated = -1,
        .best_score = -INFINITY,
    };
    if (p->quiet)
        run->log = (struct vkd_log) { warnings_only, (void *) (uintptr_t) vkd_device_log(dev) };
    vkd_result r = vkd_recipe_check(p->recipe, why, sizeof(why));
    if (r < 0)
        vkd_log_write(&run->log, VKD_LOG_ERROR, "%s", why);
    else
        vkd_recipe_resolve(&run->resolved);
    return r;
}

// Data, model and lists.
static vkd_result open_work(struct vkd__run *run)
{
    vkd_result r = vkd__run_open_sets(run);
    if (r == VKD_OK)
        r = vkd__run_open_loaders(run);
    if (r < 0)
        return r;
    describe_model(run);
    r = open_plan(run);
    if (r == VKD_OK)
        r = vkd__run_open_labelled(run);
    if (r == VKD_OK)
        r = vkd__run_open_model(run);
    return r == VKD_OK ? vkd__run_open_lists(run) : r;
}

vkd_result vkd__run_open(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p)
{
    vkd_result r = begin(run, dev, p);
    if (r == VKD_OK)
        r = open_folder(run);
    if (r == VKD_OK)
        r = open_work(run);
    if (r == VKD_OK && !(run->json = describe_run(run))) {
        vkd_log_write(&run->log, VKD_LOG_ERROR, "run.json cannot be made: a text of the recipe or the command line is not "
                      "UTF-8, or host memory is out");
        r = VKD_INVALID;
    }
    if (r == VKD_OK)
        r = p->resume ? resume_values(run) : start_values(run);
    if (r == VKD_OK)
        r = vkd__run_json_write(p->out_dir, &run->log, run->json);
    if (r < 0 && run->new_folder)
        vkd__dir_remove_empty(p->out_dir);
    if (r == VKD_OK)
        r = vkd__metrics_open(p->out_dir, &run->log, p->resume ? (int64_t) run->done : -1, run->evaluated, &run->metrics);
    return r;
}

vkd_result vkd__run_open_bare(struct vkd__run *run, vkd_device *dev, const struct vkd_train_params *p)
{
    vkd_result r = begin(run, dev, p);
    if (r == VKD_OK)
        r = open_work(run);
    return r == VKD_OK ? start_values(run) : r;
}

void vkd__run_close(struct vkd__run *run)
{
    vkd__feed_destroy(&run->train_feed);
    vkd__feed_destroy(&run->test_feed);
    vkd_loader **loaders[] = { &run->train_loader, &run->labelled_loader, &run->test_loader, &run->probe_loader,
                               &run->neighbour_loader };
    for (size_t i = 0; i < sizeof(loaders) / sizeof(loaders[0]); i++)
        vkd_loader_destroy(loaders[i]);
    for (uint32_t k = 0; k < 4; k++) {
        vkd_commands_destroy(run->dev, &run->micro[k]);
        vkd_commands_destroy(run->dev, &run->update[k]);
    }
    vkd_commands_destroy(run->dev, &run->copy_average);
    vkd__teacher_destroy(&run->teacher);
    vkd_optimizer_destroy(&run->optimizer);
    for (uint32_t k = 0; k < VKD__GRAPH_KINDS; k++)
        vkd_program_destroy(&run->programs[k]);
    vkd_arena_destroy(&run->arena);
    vkd_params_destroy(&run->params);
    vkd_params_destroy(&run->average);
    for (uint32_t k = 0; k < VKD__GRAPH_KINDS; k++)
        vkd_graph_destroy(&run->graphs[k]);
    vkd_dataset_close(&run->own_train);
    vkd_dataset_close(&run->own_test);
    vkd__metrics_close(&run->metrics);
    free(run->labelled);
    json_decref(run->json);
    run->json = NULL;
}
