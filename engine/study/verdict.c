// verdict.c -- what the fits say, in one sentence, and what would have said otherwise.
#include "study.h"

#include <math.h>
#include <stdio.h>

#define SIGNIFICANT .05

const char *vkd_study_outcome_name(enum vkd_study_outcome outcome)
{
    static const char *const names[] = { "too few recipes", "not supported", "not established", "opposite", "supported" };
    return (unsigned) outcome < sizeof(names) / sizeof(names[0]) ? names[outcome] : "unknown";
}

// Whether it is less diverse models that transfer better. Of a measure without a sign nobody can say.
static bool is_against(const struct vkd_study_table *t, const struct vkd_study_fit *f)
{
    return (t->measure_signs ? t->measure_signs[f->measure] : 0) * f->slope.value < 0;
}

// The fits that stand in one direction, or of them those that survive Holm's correction.
struct standing {
    const struct vkd_study_fit *best;   // with the highest R2 of recipes left out; NULL: none
    uint32_t count;
};

static struct standing find_standing(const struct vkd_study_table *t, const struct vkd_study_fits *f, bool against, bool holm)
{
    struct standing s = { .best = NULL };
    for (uint32_t k = 0; k < f->fit_count; k++) {
        const struct vkd_study_fit *x = &f->fits[k];
        if (!x->stands || is_against(t, x) != against || (holm && !(x->p_holm < SIGNIFICANT)))
            continue;
        s.count++;
        if (!s.best || x->recipe_loo_joint > s.best->recipe_loo_joint)
            s.best = x;
    }
    return s;
}

// In which direction: "more diverse models transfer better".
static const char *direction(const struct vkd_study_table *t, const struct vkd_study_fit *f)
{
    if (!t->measure_signs || !t->measure_signs[f->measure])
        return f->slope.value > 0 ? "models with more of it transfer better" : "models with less of it transfer better";
    return is_against(t, f) ? "less diverse models transfer better" : "more diverse models transfer better";
}

// ", as 2 other measures do" or nothing.
static const char *others(char text[48], uint32_t count)
{
    if (count > 1)
        snprintf(text, 48, ", as %u other measure%s", count - 1, count == 2 ? " does" : "s do");
    else
        text[0] = 0;
    return text;
}

// `contrary`: measures that stand as firmly and say the opposite.
static void describe(const struct vkd_study_table *t, struct vkd_study_fits *f, const char *of, uint32_t count,
                     uint32_t contrary, double percent)
{
    const struct vkd_study_fit *b = f->best;
    char more[48], but[64] = "";
    const bool sure = f->outcome != VKD_STUDY_NOT_ESTABLISHED;
    if (contrary)
        snprintf(but, sizeof(but), "; %u measure%s the opposite", contrary, contrary == 1 ? " says" : "s say");
    snprintf(f->verdict, sizeof(f->verdict), "%s: accuracy and %s together explain transfer better than accuracy alone%s (R2 of "
             "recipes left out %.3f, alone %.3f; b2 = %+.3f per standard deviation, %.3g %% interval [%+.3f, %+.3f]: %s) over "
             "%s, %s p = %.3g after Holm's correction for %u measure%s%s%s.",
             !sure ? "Not established" : f->outcome == VKD_STUDY_OPPOSITE ? "Opposite" : "Supported",
             t->measure_names[b->measure], others(more, count), b->recipe_loo_joint, b->recipe_loo_accuracy, b->slope.value,
             percent, b->slope.low, b->slope.high, direction(t, b), of, sure ? "with" : "but with", b->p_holm, f->fit_count,
             f->fit_count == 1 ? "" : "s", sure ? "" : ": this may be chance", but);
}

// With enough recipes. What survives Holm's correction goes before what does not, and what says the claim before what
// says its opposite, which is told then.
static void judge(const struct vkd_study_table *t, struct vkd_study_fits *f, const char *of, double percent)
{
    for (int i = 0; i < 4; i++) {
        const bool holm = i < 2, against = i % 2;
        const struct standing s = find_standing(t, f, against, holm);
        if (!s.best)
            continue;
        f->best = s.best;
        f->outcome = !holm ? VKD_STUDY_NOT_ESTABLISHED : against ? VKD_STUDY_OPPOSITE : VKD_STUDY_SUPPORTED;
        describe(t, f, of, s.count, against ? 0 : find_standing(t, f, true, holm).count, percent);
        return;
    }
    f->outcome = VKD_STUDY_NOT_SUPPORTED;
    snprintf(f->verdict, sizeof(f->verdict), "Not supported: over %s no one of %u diversity measure%s explains "
             "transfer beyond accuracy: R2 of recipes left out does not rise, or the interval of b2 contains 0.", of,
             f->fit_count, f->fit_count == 1 ? "" : "s");
}

void vkd__study_conclude(const struct vkd_study_table *t, const struct vkd_study_fit_params *p,
                         struct vkd_study_fits *f)
{
    const double percent = 100 * (p->resample.confidence > 0 ? p->resample.confidence : .95);
    char of[192];
    snprintf(of, sizeof(of), "%u model%s of %u recipe%s and %u task%s%s%.64s%s", f->models, f->models == 1 ? "" : "s",
             f->clusters, f->clusters == 1 ? "" : "s", f->tasks, f->tasks == 1 ? "" : "s",
             p->protocol ? " (" : "", p->protocol ? p->protocol : "", p->protocol ? " protocol)" : "");
    snprintf(f->falsifier, sizeof(f->falsifier), "The claim falls for a measure if R2 of recipes left out, all their "
             "seeds at once, does not rise beside accuracy alone, if the %.3g %% interval of b2 contains 0, or if b2 says "
             "that less diverse models transfer better.", percent);
    f->best = NULL;
    f->outcome = VKD_STUDY_TOO_FEW;
    if (!f->models)
        snprintf(f->verdict, sizeof(f->verdict), "No conclusion: no model has both base accuracy and a result of "
                 "each task.");
    else if (f->clusters < VKD_STUDY_RECIPES_MIN)
        snprintf(f->verdict, sizeof(f->verdict), "No conclusion: there %s %s, and fewer than %d independent recipes "
                 "(seeds of one do not count) describe themselves alone.", f->models == 1 ? "is" : "are", of,
                 VKD_STUDY_RECIPES_MIN);
    else
        judge(t, f, of, percent);
}
