// verdict.c -- what the fits say, in one sentence, and what would have said otherwise.
#include "study.h"

#include <math.h>
#include <stdio.h>

#define SIGNIFICANT .05

const char *vkd_study_outcome_name(enum vkd_study_outcome outcome)
{
    static const char *const names[] = { "too few recipes", "not supported", "not established", "supported" };
    return (unsigned) outcome < sizeof(names) / sizeof(names[0]) ? names[outcome] : "unknown";
}

// The fit that stands with the highest R2 of recipes left out; `holm`: of those that survive Holm's correction.
static const struct vkd_study_fit *find_best(const struct vkd_study_fits *f, bool holm, uint32_t *count)
{
    const struct vkd_study_fit *best = NULL;
    *count = 0;
    for (uint32_t k = 0; k < f->fit_count; k++) {
        const struct vkd_study_fit *x = &f->fits[k];
        if (!x->stands || (holm && !(x->p_holm < SIGNIFICANT)))
            continue;
        ++*count;
        if (!best || x->recipe_loo_joint > best->recipe_loo_joint)
            best = x;
    }
    return best;
}

// In which direction: "more diverse models transfer better".
static const char *direction(const struct vkd_study_table *t, const struct vkd_study_fit *f)
{
    const int sign = t->measure_signs ? t->measure_signs[f->measure] : 0;
    const bool up = f->slope.value > 0;
    if (!sign)
        return up ? "models with more of it transfer better" : "models with less of it transfer better";
    return up == (sign > 0) ? "more diverse models transfer better" : "less diverse models transfer better";
}

// ", and 2 other measures" or nothing.
static const char *others(char text[48], uint32_t count)
{
    if (count > 1)
        snprintf(text, 48, ", as %u other measure%s", count - 1, count == 2 ? " does" : "s do");
    else
        text[0] = 0;
    return text;
}

static void describe(const struct vkd_study_table *t, const struct vkd_study_fits *f, const char *of, uint32_t count,
                     double percent, char *text, size_t size)
{
    const struct vkd_study_fit *b = f->best;
    char more[48];
    const bool supported = f->outcome == VKD_STUDY_SUPPORTED;
    snprintf(text, size, "%s: accuracy and %s together explain transfer better than accuracy alone%s (R2 of recipes left "
             "out %.3f, alone %.3f; b2 = %+.3f per standard deviation, %.3g %% interval [%+.3f, %+.3f]: %s) over %s, %s "
             "p = %.3g after Holm's correction for %u measure%s%s.", supported ? "Supported" : "Not established",
             t->measure_names[b->measure], others(more, count), b->recipe_loo_joint, b->recipe_loo_accuracy, b->slope.value,
             percent, b->slope.low, b->slope.high, direction(t, b), of, supported ? "with" : "but with", b->p_holm,
             f->fit_count, f->fit_count == 1 ? "" : "s", supported ? "" : ": this may be chance");
}

void vkd__study_conclude(const struct vkd_study_table *t, const struct vkd_study_fit_params *p,
                         struct vkd_study_fits *f)
{
    const double percent = 100 * (p->resample.confidence > 0 ? p->resample.confidence : .95);
    uint32_t count, standing;
    char of[192];
    snprintf(of, sizeof(of), "%u model%s of %u recipe%s and %u task%s%s%.64s%s", f->models, f->models == 1 ? "" : "s",
             f->clusters, f->clusters == 1 ? "" : "s", f->tasks, f->tasks == 1 ? "" : "s",
             p->protocol ? " (" : "", p->protocol ? p->protocol : "", p->protocol ? " protocol)" : "");
    snprintf(f->falsifier, sizeof(f->falsifier), "The claim falls for a measure if R2 of recipes left out, all their "
             "seeds at once, does not rise beside accuracy alone, or if the %.3g %% interval of b2 contains 0.", percent);
    const struct vkd_study_fit *sure = find_best(f, true, &count), *any = find_best(f, false, &standing);
    f->best = f->clusters < VKD_STUDY_RECIPES_MIN ? NULL : sure ? sure : any;
    if (!f->models) {
        f->outcome = VKD_STUDY_TOO_FEW;
        snprintf(f->verdict, sizeof(f->verdict), "No conclusion: no model has both base accuracy and a result of "
                 "each task.");
    } else if (f->clusters < VKD_STUDY_RECIPES_MIN) {
        f->outcome = VKD_STUDY_TOO_FEW;
        snprintf(f->verdict, sizeof(f->verdict), "No conclusion: there %s %s, and fewer than %d independent recipes "
                 "(seeds of one do not count) describe themselves alone.", f->models == 1 ? "is" : "are", of,
                 VKD_STUDY_RECIPES_MIN);
    } else if (!any) {
        f->outcome = VKD_STUDY_NOT_SUPPORTED;
        snprintf(f->verdict, sizeof(f->verdict), "Not supported: over %s no one of %u diversity measure%s explains "
                 "transfer beyond accuracy: R2 of recipes left out does not rise, or the interval of b2 contains 0.", of,
                 f->fit_count, f->fit_count == 1 ? "" : "s");
    } else {
        f->outcome = sure ? VKD_STUDY_SUPPORTED : VKD_STUDY_NOT_ESTABLISHED;
        describe(t, f, of, sure ? count : standing, percent, f->verdict, sizeof(f->verdict));
    }
}
