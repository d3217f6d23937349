// study_print.c -- a study as tables and a sentence.
#include "apps/vkdiv/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_WIDTH = 40, METHOD_MAX_WIDTH = 20, JOINT_COEFFICIENTS = 3 };

// Bytes of a character beyond its first do not take a column.
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

// `text` in `width` columns, its end where it is longer.
static void print_name(const char *text, int width)
{
    char plain[1024];
    const char *at = app_printable(plain, sizeof plain, text);
    int length = width_of(at);
    for (; length > width; length--) {
        at++;
        while (((unsigned char)*at & 0xc0) == 0x80)
            at++;
    }
    printf("%s%*s", at, width - length, "");
}

// A number in `width` columns, or a dash.
static void print_number(double value, int width, int digits, bool sign)
{
    if (isfinite(value))
        printf(sign ? "%+*.*f" : "%*.*f", width, digits, value);
    else
        printf("%*s", width, "-");
}

static void print_head(const char *text)
{
    printf("\n%s%s%s\n", app_sgr(1, APP_BOLD), text, app_sgr(1, APP_PLAIN));
}

// ---- Models ----

static const double *sorted_by;

static int by_y(const void *a, const void *b)
{
    const uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
    const double x = sorted_by[i], y = sorted_by[j];
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y) ? isnan(x) - isnan(y) : (i > j) - (i < j);
    return x != y ? (x < y) - (x > y) : (i > j) - (i < j);
}

struct widths { int name, method; };

static struct widths widths_of(const struct vkd_study *s)
{
    struct widths w = { 5, 3 };
    for (uint32_t i = 0; i < s->model_count; i++) {
        const int name = width_of(s->models[i].label), method = width_of(s->models[i].method);
        w.name = name > w.name ? name : w.name;
        w.method = method > w.method ? method : w.method;
    }
    w.name = w.name < NAME_MAX_WIDTH ? w.name : NAME_MAX_WIDTH;
    w.method = w.method < METHOD_MAX_WIDTH ? w.method : METHOD_MAX_WIDTH;
    return w;
}

static void print_model(const struct vkd_study *s, const struct vkd_study_fits *f, uint32_t index, struct widths w)
{
    const struct vkd_study_model *m = &s->models[index];
    const bool used = f->model_used[index];
    fputs(used ? "" : app_sgr(1, APP_DIM), stdout);
    print_name(m->label, w.name);
    printf("  %3u ", m->cluster + 1);
    print_name(m->method, w.method);
    fputs("  ", stdout);
    print_name(m->arch, 12);
    print_number(100 * m->base.value, 7, 1, false);
    for (uint32_t k = 0; k < s->task_count; k++)
        print_number(100 * m->tasks[k].value, 7, 1, false);
    print_number(f->y[index], 9, 3, true);
    printf("%s%s\n", used ? "" : "  left out", used ? "" : app_sgr(1, APP_PLAIN));
}

static void print_models(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    uint32_t *order = calloc(s->model_count, sizeof *order);
    const struct widths w = widths_of(s);
    if (order == NULL)
        return;
    print_head("Models, best transfer first: accuracy on the base data and the metric of each task in %");
    printf("%s%-*s  %-*s  %-12s%7s", app_sgr(1, APP_DIM), w.name, "model", w.method + 4, "recipe", "architecture", "base");
    for (uint32_t k = 0; k < s->task_count; k++) {
        char number[16];
        snprintf(number, sizeof number, "(%u)", k + 1);
        printf("%7s", number);
    }
    printf("%9s%s\n", "y", app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < s->model_count; i++)
        order[i] = i;
    sorted_by = f->y;
    qsort(order, s->model_count, sizeof *order, by_y);
    for (uint32_t i = 0; i < s->model_count; i++)
        print_model(s, f, order[i], w);
    printf("%sy: mean over tasks of the log-odds of transfer, centred per task%s\n", app_sgr(1, APP_DIM),
           app_sgr(1, APP_PLAIN));
    free(order);
}

// ---- Fits ----

enum { MEASURE_WIDTH = 20 };

static void print_pair(double alone, double joint)
{
    const bool rises = joint > alone;
    print_number(alone, 9, 3, false);
    printf(" %s", rises ? app_sgr(1, APP_GREEN) : "");
    print_number(joint, 7, 3, false);
    fputs(rises ? app_sgr(1, APP_PLAIN) : "", stdout);
}

static void print_shares(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    print_head("What diversity adds to accuracy: R2 of accuracy alone, and of both");
    printf("%s%-*s  %6s  %17s%17s%17s%s\n", app_sgr(1, APP_DIM), MEASURE_WIDTH, "measure", "models", "R2",
           "adjusted", "recipes left out", app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < f->fit_count; i++) {
        const struct vkd_study_fit *x = &f->fits[i];
        printf("%-*s  %6u  ", MEASURE_WIDTH, s->measure_names[x->measure], x->models);
        print_pair(x->accuracy.r2, x->joint.r2);
        print_pair(x->accuracy.adjusted_r2, x->joint.adjusted_r2);
        print_pair(x->recipe_loo_accuracy, x->recipe_loo_joint);
        putchar('\n');
    }
}

static void print_interval(const struct vkd_interval *i)
{
    print_number(i->value, 8, 3, true);
    fputs(" [", stdout);
    print_number(i->low, 6, 3, true);
    fputs(", ", stdout);
    print_number(i->high, 6, 3, true);
    putchar(']');
}

static void print_effects(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    print_head("Its effect, accuracy given: slope b2 per standard deviation, partial correlation, p by permutation");
    printf("%s%-*s  %25s%25s%8s%8s%8s%8s%s\n", app_sgr(1, APP_DIM), MEASURE_WIDTH, "measure", "b2 [95 %]      ",
           "partial [95 %]   ", "p", "Holm", "rho", "tau", app_sgr(1, APP_PLAIN));
    for (uint32_t i = 0; i < f->fit_count; i++) {
        const struct vkd_study_fit *x = &f->fits[i];
        const int sign = s->measure_signs[x->measure];
        printf("%s%-*s%s%2s", x->stands ? app_sgr(1, APP_GREEN) : "", MEASURE_WIDTH, s->measure_names[x->measure],
               x->stands ? app_sgr(1, APP_PLAIN) : "", sign < 0 ? "-" : "");
        print_interval(&x->slope);
        print_interval(&x->partial);
        print_number(x->permutation.p, 8, 4, false);
        print_number(x->p_holm, 8, 4, false);
        print_number(x->spearman, 8, 2, true);
        print_number(x->kendall, 8, 2, true);
        printf("%s\n", x->stands ? "  stands" : "");
    }
    printf("%s-: smaller is more diverse. rho, tau: rank correlations of the measure and y, accuracy not given",
           app_sgr(1, APP_DIM));
    if (isfinite(f->accuracy_spearman) && isfinite(f->accuracy_kendall))
        printf("; those of accuracy and y are %+.2f and %+.2f", f->accuracy_spearman, f->accuracy_kendall);
    printf(".%s\n", app_sgr(1, APP_PLAIN));
}

// ---- Tasks ----

static const struct vkd_study_task_fit *find_task_fit(const struct vkd_study_fits *f, uint32_t task, uint32_t measure)
{
    for (uint32_t i = 0; i < f->task_fit_count; i++)
        if (f->task_fits[i].task == task && f->task_fits[i].measure == measure)
            return &f->task_fits[i];
    return NULL;
}

static void print_tasks(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    print_head("Task by task: partial correlation of transfer and diversity, accuracy given; * R2 of recipes left out rises");
    printf("%s%-*s  ", app_sgr(1, APP_DIM), MEASURE_WIDTH, "measure");
    for (uint32_t k = 0; k < s->task_count; k++) {
        char number[16];
        snprintf(number, sizeof number, "(%u)", k + 1);
        printf("%7s ", number);
    }
    printf("%s\n", app_sgr(1, APP_PLAIN));
    for (uint32_t m = 0; m < f->fit_count; m++) {
        printf("%-*s  ", MEASURE_WIDTH, s->measure_names[m]);
        for (uint32_t k = 0; k < s->task_count; k++) {
            const struct vkd_study_task_fit *t = find_task_fit(f, k, m);
            print_number(t != NULL ? t->partial : NAN, 7, 2, true);
            putchar(t != NULL && t->recipe_loo_joint > t->recipe_loo_accuracy ? '*' : ' ');
        }
        putchar('\n');
    }
}

static bool same_line(const struct vkd_study *s, uint32_t a, uint32_t b)
{
    return s->task_protocols[a] != NULL && s->task_protocols[b] != NULL &&
           strcmp(s->task_protocols[a], s->task_protocols[b]) == 0;
}

// Each line once, with the tasks that it is of.
static void print_protocols(const struct vkd_study *s)
{
    char plain[1024];
    for (uint32_t k = 0; k < s->task_count; k++) {
        bool again = s->task_protocols[k] == NULL;
        for (uint32_t before = 0; before < k; before++)
            again |= same_line(s, before, k);
        if (again)
            continue;
        printf("%sprotocol%s", app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN));
        for (uint32_t of = k; of < s->task_count; of++)
            if (same_line(s, k, of))
                printf(" (%u)", of + 1);
        printf("\n%s       %s%s\n", app_sgr(1, APP_DIM), app_printable(plain, sizeof plain, s->task_protocols[k]),
               app_sgr(1, APP_PLAIN));
    }
}

static void print_task_names(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    char plain[1024];
    print_head("Tasks");
    for (uint32_t k = 0; k < s->task_count; k++) {
        const struct vkd_study_task_fit *t = f->fit_count ? find_task_fit(f, k, 0) : NULL;
        printf("%5s%u%s  %s", "(", k + 1, ")", app_printable(plain, sizeof plain, s->task_names[k]));
        if (s->task_metrics[k] != NULL)
            printf("%s  %s%s", app_sgr(1, APP_DIM), s->task_metrics[k], app_sgr(1, APP_PLAIN));
        if (!f->task_used[k])
            printf("%s  left out: fewer than half of the models have a result%s", app_sgr(1, APP_DIM),
                   app_sgr(1, APP_PLAIN));
        else if (t != NULL && isfinite(t->r2_accuracy) && t->models > 2)
            printf("%s  R2 of accuracy alone %.3f%s", app_sgr(1, APP_DIM), t->r2_accuracy, app_sgr(1, APP_PLAIN));
        putchar('\n');
    }
    printf("%sbase%s   %s\n", app_sgr(1, APP_BOLD), app_sgr(1, APP_PLAIN),
           app_printable(plain, sizeof plain, s->base[0] != 0 ? s->base : "each run's own test"));
    printf("%s       %s%s\n", app_sgr(1, APP_DIM), app_printable(plain, sizeof plain, s->base_protocol),
           app_sgr(1, APP_PLAIN));
    print_protocols(s);
}

static const char *plural(uint32_t count)
{
    return count == 1 ? "" : "s";
}

// Whether there are more models than coefficients for any measure.
static bool is_fitted(const struct vkd_study_fits *f)
{
    bool fitted = false;
    for (uint32_t i = 0; i < f->fit_count; i++)
        fitted |= f->fits[i].models > JOINT_COEFFICIENTS;
    return fitted;
}

void study_print(const struct vkd_study *s, const struct vkd_study_fits *f)
{
    static const enum app_style styles[] = { APP_YELLOW, APP_RED, APP_YELLOW, APP_RED, APP_GREEN };
    printf("%sStudy%s of %u model%s, %u task%s, %u diversity measure%s; protocol %s\n", app_sgr(1, APP_BOLD),
           app_sgr(1, APP_PLAIN), s->model_count, plural(s->model_count), s->task_count, plural(s->task_count),
           s->measure_count, plural(s->measure_count), s->protocol_name);
    print_task_names(s, f);
    print_models(s, f);
    if (is_fitted(f)) {
        print_shares(s, f);
        print_effects(s, f);
        print_tasks(s, f);
    } else if (f->models > 0) {
        printf("\nNothing is fitted: the joint model has %d coefficients, and passes through %u model%s whatever they are.\n",
               JOINT_COEFFICIENTS, f->models, plural(f->models));
    }
    printf("\n%s%s%s%s\n", app_sgr(1, APP_BOLD), app_sgr(1, styles[f->outcome]), f->verdict, app_sgr(1, APP_PLAIN));
    printf("%s%s%s\n", app_sgr(1, APP_DIM), f->falsifier, app_sgr(1, APP_PLAIN));
}
