// linear.c -- logistic regression on frozen features, the penalty chosen on val.
#include "../transfer_impl.h"

#include <vkdiv/linear.h>

#include <math.h>

static enum vkd_linear_choice choice_of(enum vkd__metric m)
{
    switch (m) {
    case VKD__METRIC_MEAN_PER_CLASS: return VKD_LINEAR_MEAN_PER_CLASS;
    case VKD__METRIC_MAP:            return VKD_LINEAR_PLAIN_AP;
    case VKD__METRIC_MAP11:          return VKD_LINEAR_VOC11_AP;
    default:                         return VKD_LINEAR_TOP1;
    }
}

static struct vkd_linear_params params_of(const struct vkd__transfer *t)
{
    return (struct vkd_linear_params) {
        .classes = t->sets.classes, .class_names = (const char *const *) t->class_names, .multi_label = t->sets.multi_label,
        .weighing = vkd__transfer_balances(t) ? VKD_LINEAR_BALANCED : VKD_LINEAR_UNWEIGHTED,
        .choice = choice_of(t->metric), .penalties = t->p.penalties, .penalty_count = t->p.penalty_count, .log = t->log,
    };
}

static json_t *penalties_of(const struct vkd_linear_params *p)
{
    json_t *list = json_array();
    if (!p->penalties) {
        json_decref(list);
        return json_sprintf("%d from 1e5 to 1e-6, evenly spaced in their logarithm", VKD_LINEAR_PENALTIES);
    }
    for (uint32_t i = 0; i < p->penalty_count; i++)
        json_array_append_new(list, json_real(p->penalties[i]));
    return list;
}

static json_t *settings_of(const struct vkd__transfer *t)
{
    static const char *const choices[] = { "top1", "mean per class", "each label's AP", "each label's 11-point AP" };
    const struct vkd_linear_params p = params_of(t);
    return json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s, s:o, s:s, s:s, s:s, s:f, s:i}", "name", "linear", "model",
        p.multi_label ? "a logistic regression for each label" : "multinomial logistic regression", "intercept", "free",
        "objective", "sum of losses + penalty / 2 |W|^2", "class weights",
        vkd__transfer_balances(t) ? "balanced" : NULL, "features", "as they are", "penalties", penalties_of(&p),
        "chosen by", choices[p.choice], "on", "val, of equal ones the strongest", "refit on", "train and val",
        "L-BFGS to", VKD_LINEAR_TOLERANCE, "iterations", (int) VKD_LINEAR_ITERATIONS);
}

static void tell(void *user, uint32_t fit, uint32_t fits)
{
    vkd__transfer_tell(user, "linear fits", fit, fits);
}

static bool stop(void *user)
{
    const struct vkd__transfer *t = user;
    return t->p.stop && t->p.stop(t->p.user);
}

static struct vkd_linear_set set_of(const struct vkd__table *t)
{
    return (struct vkd_linear_set) { vkd__table_matrix(t), t->labels, t->truth };
}

// The score on val of what was chosen: its mean over labels.
static double val_of(const struct vkd_linear *l)
{
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t m = 0; m < l->models; m++) {
        sum += isnan(l->val_scores[m]) ? 0 : l->val_scores[m];
        count += !isnan(l->val_scores[m]);
    }
    return count ? sum / count : NAN;
}

// The penalty; of several models the one that is best for all.
static double penalty_of(const struct vkd_linear *l)
{
    uint32_t best = 0;
    if (l->models == 1)
        return l->penalties[l->chosen[0]];
    for (uint32_t i = 1; i < l->penalty_count; i++)
        if (!(l->curve_mean[best] >= l->curve_mean[i]))
            best = i;
    return l->penalties[best];
}

static vkd_result run(const struct vkd__transfer_job *job, struct vkd__transfer_outcome *out)
{
    struct vkd_linear_params p = params_of(job->t);
    struct vkd_linear l;
    p.train = set_of(job->train);
    p.val = set_of(job->val);
    if (job->test)
        p.test = set_of(job->test);
    p.progress = tell;
    p.stop = stop;
    p.user = (void *) (uintptr_t) job->t;
    vkd_result r = vkd_linear_path(&p, &l);
    if (r < 0)
        return r;
    *out = (struct vkd__transfer_outcome) { .val = val_of(&l), .penalty = penalty_of(&l), .temperature = NAN, .lr = NAN,
                                            .weight_decay = NAN };
    if (job->t->sets.multi_label) {
        out->scores = l.scores;
        l.scores = NULL;
    } else {
        out->predictions = l.predictions;
        l.predictions = NULL;
    }
    vkd_linear_finish(&l);
    return VKD_OK;
}

extern const struct vkd__transfer_protocol vkd_transfer_linear;
const struct vkd__transfer_protocol vkd_transfer_linear = { .name = "linear", .settings = settings_of, .run = run };
