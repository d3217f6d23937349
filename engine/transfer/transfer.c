// transfer.c -- vkd_transfer: one model, one set, one protocol.
#include "transfer_impl.h"

#include "../data/dataset.h"
#include "../model_file.h"
#include "../model_layers.h"
#include "../run_folder.h"
#include "../suggest.h"
#include "../../runtime/os.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROTOCOL(stem) extern const struct vkd__transfer_protocol vkd_transfer_##stem;
#include "protocols.inc"    // generated: one PROTOCOL(stem) line per engine/transfer/protocols/*.c
#undef PROTOCOL

static const struct vkd__transfer_protocol *const protocols[] = {
#define PROTOCOL(stem) &vkd_transfer_##stem,
#include "protocols.inc"
#undef PROTOCOL
};
enum { PROTOCOLS = sizeof(protocols) / sizeof(protocols[0]), PATH_LENGTH = 3900 };

const char *vkd_transfer_protocol_at(uint32_t index)
{
    return index < PROTOCOLS ? protocols[index]->name : NULL;
}

const struct vkd__transfer_protocol *vkd__transfer_protocol_find(const char *name)
{
    for (uint32_t i = 0; name && i < PROTOCOLS; i++)
        if (!strcmp(protocols[i]->name, name))
            return protocols[i];
    return NULL;
}

void vkd__transfer_tell(const struct vkd__transfer *t, const char *what, uint32_t done, uint32_t of)
{
    if (t->p.progress)
        t->p.progress(t->p.user, what, done, of);
}

void vkd__transfer_outcome_finish(struct vkd__transfer_outcome *o)
{
    free(o->predictions);
    free(o->scores);
    free(o->labels);
    free(o->truth);
    *o = (struct vkd__transfer_outcome) { .val = NAN };
}

void vkd__selection_finish(struct vkd_transfer_selection *s)
{
    if (s)
        free(s->candidates);
    free(s);
}

static void free_names(char **names, uint32_t count)
{
    for (uint32_t c = 0; names && c < count; c++)
        free(names[c]);
    free(names);
}

void vkd_transfer_finish(struct vkd_transfer_result *r)
{
    free_names(r->class_names, r->classes);
    free(r->path);
    free(r->model);
    free(r->data);
    free(r->text);
    free(r->per_class);
    free(r->labels);
    free(r->predictions);
    free(r->scores);
    free(r->truth);
    free(r->groups);
    vkd__selection_finish(r->selection);
    *r = (struct vkd_transfer_result) { .classes = 0 };
}

// ---- What is asked for ------------------------------------------------------------------------

static vkd_result find_protocol(struct vkd__transfer *t)
{
    const char *names[PROTOCOLS];
    char list[128] = "";
    t->protocol = vkd__transfer_protocol_find(t->p.protocol);
    if (t->protocol)
        return VKD_OK;
    for (uint32_t i = 0; i < PROTOCOLS; i++) {
        names[i] = protocols[i]->name;
        snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", names[i]);
    }
    const char *near = t->p.protocol ? vkd__suggest(t->p.protocol, names, PROTOCOLS) : NULL;
    vkd_log_write(&t->log, VKD_LOG_ERROR, "protocol: expected one of %s, found '%.60s'%s%s%s", list,
                  t->p.protocol ? t->p.protocol : "", near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return VKD_INVALID;
}

static vkd_result find_metric(struct vkd__transfer *t)
{
    const uint32_t first = t->sets.multi_label ? VKD__METRIC_MAP : VKD__METRIC_TOP1;
    t->metric = first;
    if (!t->p.metric)
        return VKD_OK;
    for (uint32_t m = first; m < first + 2; m++) {
        if (!strcmp(t->p.metric, vkd__metric_name(m))) {
            t->metric = m;
            return VKD_OK;
        }
    }
    vkd_log_write(&t->log, VKD_LOG_ERROR, "metric: expected %s or %s for %.300s, whose images have %s, found '%.60s'",
                  vkd__metric_name(first), vkd__metric_name(first + 1), t->p.data,
                  t->sets.multi_label ? "several labels" : "one label", t->p.metric);
    return VKD_INVALID;
}

static vkd_result check(struct vkd__transfer *t)
{
    struct vkd_transfer_params *p = &t->p;
    p->k = p->k ? p->k : 20;
    p->temperature = p->temperature != 0 ? p->temperature : 0.07;
    if (!p->model || !p->data || !(p->holdout >= 0 && p->holdout < 1) || !isfinite(p->lambda)) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "transfer: expected a model, a data SPEC, a share held out above 0 and below 1 "
                      "and a finite lambda; found %.200s, %.200s, %g and %g", p->model ? p->model : "none",
                      p->data ? p->data : "none", p->holdout, p->lambda);
        return VKD_INVALID;
    }
    if (p->class_weights && strcmp(p->class_weights, "none") && strcmp(p->class_weights, "balanced")) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "transfer: class weights: expected none or balanced, found '%.60s'",
                      p->class_weights);
        return VKD_INVALID;
    }
    if (strlen(p->model) > PATH_LENGTH || (p->out && strlen(p->out) > PATH_LENGTH)) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "transfer: expected paths of at most %d bytes, found one of %zu", PATH_LENGTH,
                      strlen(p->out && strlen(p->out) > PATH_LENGTH ? p->out : p->model));
        return VKD_INVALID;
    }
    if (p->select && vkd__path_kind(p->model, NULL, NULL) != VKD__PATH_DIR) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s: a choice is made among the checkpoints of a run: expected its folder, "
                      "found a file", p->model);
        return VKD_INVALID;
    }
    return find_protocol(t);
}

static vkd_result copy_names(struct vkd__transfer *t)
{
    const uint32_t classes = t->sets.classes;
    t->class_names = calloc(classes + 1u, sizeof(*t->class_names));
    for (uint32_t c = 0; t->class_names && c < classes; c++)
        if (!(t->class_names[c] = strdup(vkd_dataset_class_name(t->sets.train, c))))
            return VKD_NO_MEMORY;
    return t->class_names ? VKD_OK : VKD_NO_MEMORY;
}

static vkd_result open_cache(struct vkd__transfer *t)
{
    char folder[4096];
    t->cache = t->p.cache;
    if (t->cache)
        return VKD_OK;
    snprintf(folder, sizeof(folder), "%.4000s/features", t->out);
    const struct vkd_feature_cache_params p = { .folder = t->out[0] ? folder : NULL, .fresh = t->p.force, .log = t->log };
    vkd_result r = vkd_feature_cache_create(&p, &t->own_cache);
    t->cache = t->own_cache;
    return r;
}

// The sets, and the protocol's line on them.
static vkd_result open_task(struct vkd__transfer *t)
{
    const bool is_run = vkd__path_kind(t->p.model, NULL, NULL) == VKD__PATH_DIR;
    vkd__model_path(t->p.model, t->weights, sizeof(t->weights));
    snprintf(t->out, sizeof(t->out), "%.4000s", t->p.out ? t->p.out : is_run ? t->p.model : "");
    vkd_result r = vkd__transfer_sets_open(t->p.data, t->p.holdout, t->p.seed, &t->log, &t->sets);
    t->p.holdout = t->p.holdout != 0 ? t->p.holdout : VKD__HOLDOUT;
    if (r == VKD_OK && !t->sets.multi_label && t->sets.classes < 2) {
        vkd_log_write(&t->log, VKD_LOG_ERROR, "%.300s has one class: there is nothing to tell apart", t->p.data);
        r = VKD_INVALID;
    }
    if (r == VKD_OK)
        r = copy_names(t);
    if (r == VKD_OK)
        r = find_metric(t);
    if (r == VKD_OK && t->protocol->check)
        r = t->protocol->check(t);
    return r == VKD_OK ? vkd__transfer_settle(t) : r;
}

static void close_transfer(struct vkd__transfer *t)
{
    vkd_feature_cache_destroy(&t->own_cache);
    free_names(t->class_names, t->sets.classes);
    free(t->text);
    json_decref(t->settings);
    vkd__checkpoints_free(t->checkpoints);
    vkd__transfer_sets_close(&t->sets);
}

// ---- Work -------------------------------------------------------------------------------------

// An earlier result of the same key; false: there is none that can be taken.
static bool resume(const struct vkd__transfer *t, struct vkd_transfer_result *out)
{
    char path[4200];
    struct vkd_transfer_result r;
    const struct vkd_log silent = { .fn = NULL };
    if (!t->out[0] || t->p.force)
        return false;
    vkd__transfer_file(t->out, out->key, path, sizeof(path));
    if (vkd__path_kind(path, NULL, NULL) == VKD__PATH_NONE)
        return false;
    if (vkd_transfer_load(path, &silent, &r) == VKD_OK) {
        bool whole = r.multi_label ? r.scores && r.truth : r.labels && r.predictions;
        if (whole && r.unreadable) {
            vkd_log_write(&t->log, VKD_LOG_WARNING, "%s was made while %u images could not be read: it is made again", path,
                          r.unreadable);
            vkd_transfer_finish(&r);
            return false;
        }
        if (whole && !strcmp(r.key, out->key) && !strcmp(r.text, t->text) && r.fingerprint == t->sets.fingerprint) {
            *out = r;
            out->resumed = true;
            return true;
        }
        vkd_transfer_finish(&r);
    }
    vkd_log_write(&t->log, VKD_LOG_WARNING, "%s is damaged or not what it should be: it is made again", path);
    return false;
}

// What does not depend on the model.
static vkd_result describe_task(const struct vkd__transfer *t, struct vkd_transfer_result *r)
{
    const struct vkd__transfer_sets *s = &t->sets;
    r->fingerprint = s->fingerprint;
    r->train = s->train_count;
    r->val = s->val_count;
    r->test = s->test_count;
    r->held_out = !s->val;
    r->multi_label = s->multi_label;
    snprintf(r->protocol, sizeof(r->protocol), "%s", t->protocol->name);
    snprintf(r->metric, sizeof(r->metric), "%s", vkd__metric_name(t->metric));
    r->data = strdup(t->p.data);
    r->text = strdup(t->text);
    r->class_names = calloc(s->classes + 1u, sizeof(*r->class_names));
    if (!r->data || !r->text || !r->class_names)
        return VKD_NO_MEMORY;
    r->classes = s->classes;
    for (uint32_t c = 0; c < s->classes; c++)
        if (!(r->class_names[c] = strdup(t->class_names[c])))
            return VKD_NO_MEMORY;
    return VKD_OK;
}

static vkd_result describe_model(const struct vkd__transfer *t, const char *weights, struct vkd_transfer_result *r)
{
    struct vkd__weights_identity w;
    vkd_result res = vkd__weights_identity(weights, t->p.partial, &t->log, &w);
    if (res < 0)
        return res;
    json_decref(w.json);
    r->info = w.info;
    r->weights_hash = w.hash;
    return (r->model = strdup(weights)) ? VKD_OK : VKD_NO_MEMORY;
}

// Transfers one checkpoint at one layer, and scores it.
static vkd_result transfer_one(const struct vkd__transfer *t, const struct vkd__choice *choice, const char *layer, bool choose,
                               struct vkd_transfer_result *r)
{
    struct vkd__table train = { .rows = 0 }, val = { .rows = 0 }, test = { .rows = 0 };
    struct vkd__transfer_outcome o = { .val = NAN };
    const bool features = !t->protocol->no_features;
    vkd_result res = describe_task(t, r);
    if (res == VKD_OK)
        res = vkd__dataset_groups(t->sets.test, &r->groups);
    if (res == VKD_OK)
        res = describe_model(t, choice->weights, r);
    if (res == VKD_OK && features)
        res = vkd__train_tables(t, choice->weights, &layer, 1, &train, &val);
    if (res == VKD_OK && features)
        res = vkd__test_table(t, choice->weights, layer, &test);
    for (int i = 0; res == VKD_OK && i < 3; i++)
        res = vkd__table_check(t, choice->weights, layer, (struct vkd__table *[]) { &train, &val, &test }[i]);
    if (res == VKD_OK && t->p.stop && t->p.stop(t->p.user))
        res = VKD_INTERRUPTED;
    if (res == VKD_OK)
        res = t->protocol->run(&(struct vkd__transfer_job) {
            .t = t, .weights = choice->weights, .layer = layer, .train = &train, .val = &val, .test = &test,
            .k = choose ? choice->k : 0, .temperature = choice->temperature }, &o);
    if (res == VKD_OK) {
        snprintf(r->layer, sizeof(r->layer), "%s", layer);
        r->penalty = o.penalty;
        r->k = o.k;
        r->temperature = o.temperature;
        r->lr = o.lr;
        r->weight_decay = o.weight_decay;
        r->unreadable = train.unreadable + val.unreadable + test.unreadable + o.unreadable;
        r->predictions = o.predictions;
        r->scores = o.scores;
        r->labels = features ? test.labels : o.labels;
        r->truth = features ? test.truth : o.truth;
        test.labels = NULL;
        test.truth = NULL;
        res = vkd__transfer_score(t, r);
    }
    vkd__table_finish(&train);
    vkd__table_finish(&val);
    vkd__table_finish(&test);
    return res;
}

// What the choice brought: the same protocol without it, on the last checkpoint. NaN where that one fails.
static vkd_result transfer_last(const struct vkd__transfer *t, struct vkd_transfer_selection *s,
                                const struct vkd_transfer_result *r)
{
    struct vkd__transfer plain = *t;
    struct vkd__choice last = { .k = 0 };
    struct vkd_transfer_result base = { .classes = 0 };
    struct vkd_transfer_comparison c;
    plain.p.select = false;
    snprintf(last.weights, sizeof(last.weights), "%.4000s/last.safetensors", t->p.model);
    if (vkd__path_kind(last.weights, NULL, NULL) != VKD__PATH_FILE)
        return VKD_OK;
    vkd_result res = transfer_one(&plain, &last, t->p.layer ? t->p.layer : "features", false, &base);
    if (res == VKD_OK)
        res = vkd__compare_outcomes(r, &base, t->p.seed, &t->log, &c);
    if (res == VKD_OK) {
        s->last = base.value;
        s->gain = c.difference;
        s->p = c.p;
    } else if (vkd__is_of_one_checkpoint(res)) {
        vkd_log_write(&t->log, VKD_LOG_WARNING, "%.1000s cannot be transferred: what the choice brings against it is not known",
                      last.weights);
        res = VKD_OK;
    }
    vkd_transfer_finish(&base);
    return res;
}

static vkd_result work(const struct vkd__transfer *t, struct vkd_transfer_result *r)
{
    struct vkd__choice choice = { .k = 0 };
    const char *layer = t->p.layer ? t->p.layer : "features";
    snprintf(choice.weights, sizeof(choice.weights), "%s", t->weights);
    vkd_result res = VKD_OK;
    if (t->p.select) {
        r->selection = calloc(1, sizeof(*r->selection));
        res = r->selection ? vkd__transfer_select(t, r->selection, &choice) : VKD_NO_MEMORY;
        if (res < 0)
            return res;
        layer = r->selection->candidates[r->selection->chosen].layer;
    }
    res = transfer_one(t, &choice, layer, t->p.select, r);
    if (res == VKD_OK && t->p.select)
        res = transfer_last(t, r->selection, r);
    if (res == VKD_OK && t->out[0])
        res = vkd__transfer_write(t, r);
    if (res == VKD_OK && t->out[0] && t->protocol->tidy)
        t->protocol->tidy(t);
    return res;
}

vkd_result vkd_transfer(vkd_device *dev, const struct vkd_transfer_params *p, struct vkd_transfer_result *out)
{
    struct vkd__transfer t = { .dev = dev, .log = *vkd_device_log(dev), .p = *p };
    struct vkd_transfer_result r = { .classes = 0 };
    vkd_result res = check(&t);
    if (res == VKD_OK)
        res = open_task(&t);
    if (res == VKD_OK)
        res = vkd__transfer_sets_identify(&t.sets);
    if (res == VKD_OK && t.p.select)
        res = vkd__checkpoints_list(&t, &t.checkpoints);
    if (res == VKD_OK)
        res = vkd__transfer_identify(&t);
    snprintf(r.key, sizeof(r.key), "%016llx", (unsigned long long) t.key);
    if (res == VKD_OK)
        res = open_cache(&t);
    if (res == VKD_OK && !resume(&t, &r))
        res = work(&t, &r);
    close_transfer(&t);
    if (res < 0)
        vkd_transfer_finish(&r);
    else
        *out = r;
    return res;
}

vkd_result vkd_transfer_describe(const struct vkd_transfer_params *p, const struct vkd_log *log,
                                 struct vkd_transfer_result *out)
{
    struct vkd__transfer t = { .log = *log, .p = *p };
    struct vkd_transfer_result r = { .classes = 0 };
    vkd_result res = check(&t);
    if (res == VKD_OK)
        res = open_task(&t);
    if (res == VKD_OK)
        res = vkd__transfer_sets_identify(&t.sets);
    if (res == VKD_OK)
        res = describe_task(&t, &r);
    close_transfer(&t);
    if (res < 0)
        vkd_transfer_finish(&r);
    else
        *out = r;
    return res;
}

// Of a choice the last checkpoint speaks for all, if it can be read: those that are broken are left out.
static vkd_result check_model(const struct vkd__transfer *t)
{
    const struct vkd_log quiet = { .fn = NULL };
    const uint32_t channels = vkd_dataset_info(t->sets.train)->channels;
    struct vkd__model_file m;
    vkd_result r = vkd__model_file_open(t->weights, t->p.partial, t->p.select ? &quiet : &t->log, &m);
    if (r < 0)
        return t->p.select ? VKD_OK : r;
    r = t->p.select ? vkd__model_file_serves(&m, t->p.data, channels, &quiet) : VKD_INVALID;
    if (r == VKD_INVALID)
        r = vkd__model_file_serves(&m, t->p.data, channels, &t->log);
    if (r == VKD_OK && t->p.layer && !t->protocol->no_features && !vkd__layer_check(m.graph, &m.info, m.path, t->p.layer, &t->log))
        r = VKD_INVALID;
    vkd__model_file_close(&m);
    return r == VKD_FORMAT && t->p.select ? VKD_OK : r;
}

vkd_result vkd_transfer_check(const struct vkd_transfer_params *p, const struct vkd_log *log)
{
    struct vkd__transfer t = { .log = *log, .p = *p };
    vkd_result r = check(&t);
    if (r == VKD_OK)
        r = open_task(&t);
    if (r == VKD_OK)
        r = check_model(&t);
    close_transfer(&t);
    return r;
}
