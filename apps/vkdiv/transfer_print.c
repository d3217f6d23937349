// transfer_print.c -- results of vkdiv transfer as a table and as JSON.
#include "apps/vkdiv/transfer.h"

#include "engine/transfer/result_json.h"

#include <vkdiv/stats.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What comes after the last folder of a path or SPEC, options and all.
static const char *base_of(const char *text)
{
    const char *base = text, *end = text + strcspn(text, "?");
    for (const char *p = text; p < end; p++)
        if (*p == '/' && p + 1 < end)
            base = p + 1;
    return base;
}

// Name `i` of a list without the folders before it, where that leaves no two alike.
static const char *short_name(const char *const *list, uint32_t count, uint32_t i)
{
    for (uint32_t a = 0; a < count; a++)
        for (uint32_t b = 0; b < a; b++)
            if (strcmp(base_of(list[a]), base_of(list[b])) == 0)
                return list[i];
    return base_of(list[i]);
}

static int widest(const char *const *texts, uint32_t count, int least)
{
    int width = least;
    for (uint32_t i = 0; i < count; i++)
        if ((int)strlen(short_name(texts, count, i)) > width)
            width = (int)strlen(short_name(texts, count, i));
    return width < 48 ? width : 48;
}

// The end of a text that is wider than its column: that is where SPECs and paths differ.
static void print_column(const char *text, int width)
{
    char plain[1024];
    app_printable(plain, sizeof plain, text);
    int length = (int)strlen(plain);
    if (length > width)
        printf("...%s  ", plain + length - width + 3);
    else
        printf("%-*s  ", width, plain);
}

static void print_model(const struct transfer_work *w, uint32_t model)
{
    const struct transfer_options *o = w->o;
    if (o->path_count > 1)
        print_column(short_name(o->paths, o->path_count, model), widest(o->paths, o->path_count, 5));
}

static void print_task(const struct transfer_work *w, uint32_t data, uint32_t protocol)
{
    const struct transfer_options *o = w->o;
    print_column(short_name(o->data, o->data_count, data), widest(o->data, o->data_count, 4));
    printf("%-8s  ", o->protocols[protocol]);
}

static const char *setting(const struct vkd_transfer_result *r, char text[80])
{
    if (r->k > 0)
        snprintf(text, 80, "k %u, T %g", r->k, r->temperature);
    else if (isfinite(r->penalty) && r->penalty > 0)
        snprintf(text, 80, "penalty %.3g", r->penalty);
    else if (isfinite(r->lr) && r->lr > 0)
        snprintf(text, 80, "lr %.3g, decay %.3g", r->lr, r->weight_decay);
    else
        text[0] = 0;
    return text;
}

// The value of a set's other metric: "mean_per_class 20.10".
static const char *other_metric(const struct vkd_transfer_result *r, char text[40])
{
    const struct { const char *name; double value; } all[] = {
        { "top1", r->top1 }, { "mean_per_class", r->mean_per_class }, { "map", r->map }, { "map11", r->map11 } };
    text[0] = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (!isnan(all[i].value) && strcmp(all[i].name, r->metric) != 0)
            snprintf(text, 40, "%s %.2f", all[i].name, 100 * all[i].value);
    return text;
}

static void print_head(struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    if (w->headed)
        return;
    w->headed = true;
    fputs(app_sgr(1, APP_BOLD), stdout);
    if (o->path_count > 1)
        printf("%-*s  ", widest(o->paths, o->path_count, 5), "model");
    printf("%-*s  %-8s  %-14s  %7s  %-16s  %8s  %-20s  %s%s\n", widest(o->data, o->data_count, 4), "data", "protocol",
           "metric", "value", "95 %", "log-odds", "beside", "chosen", app_sgr(1, APP_PLAIN));
}

void transfer_print_row(struct transfer_work *w, uint32_t model, uint32_t data, uint32_t protocol)
{
    const struct vkd_transfer_result *r = transfer_at(w, model, data, protocol);
    const bool layer = strcmp(r->layer, "features") != 0;
    char text[80], range[32], other[40];
    print_head(w);
    print_model(w, model);
    print_task(w, data, protocol);
    snprintf(range, sizeof range, "%.2f to %.2f", 100 * r->low, 100 * r->high);
    setting(r, text);
    printf("%-14s  %s%5.2f %%%s  %-16s  %8.3f  %-20s  %s%s%s%s\n", r->metric, app_sgr(1, APP_BOLD), 100 * r->value,
           app_sgr(1, APP_PLAIN), range, r->log_odds, other_metric(r, other), text,
           layer && text[0] != 0 ? ", " : "", layer ? r->layer : "",
           r->resumed ? "  (as before)" : "");
    fflush(stdout);
}

// ---- What was chosen ---------------------------------------------------------------------------

static void print_choice(const struct transfer_work *w, uint32_t m, uint32_t d, uint32_t k)
{
    const struct vkd_transfer_selection *s = transfer_at(w, m, d, k)->selection;
    if (s == NULL)
        return;
    const struct vkd_transfer_candidate *c = &s->candidates[s->chosen];
    fputs("  ", stdout);
    print_model(w, m);
    print_task(w, d, k);
    printf("%s, layer %s, of %u candidates: validation %.2f %%, RankMe %.1f", c->checkpoint, c->layer, s->candidate_count,
           100 * c->val, c->rankme);
    if (isfinite(c->untrained))
        printf(" (%.2f of untrained networks)", c->rankme / c->untrained);
    printf(", score %.3f\n", c->score);
    if (isfinite(s->last))
        printf("    test %.2f %%; the last checkpoint's default layer %.2f %%: the choice brings %+.2f points (p %.2g)\n",
               100 * transfer_at(w, m, d, k)->value, 100 * s->last, 100 * s->gain, s->p);
}

static void print_choices(const struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    printf("\nChosen by training and validation images alone, by logit(validation) + %g log(RankMe / untrained):\n", o->p.lambda);
    for (uint32_t m = 0; m < o->path_count; m++)
        for (uint32_t d = 0; d < o->data_count; d++)
            for (uint32_t k = 0; k < o->protocol_count; k++)
                print_choice(w, m, d, k);
}

// ---- Over tasks and between models -------------------------------------------------------------

static double mean_log_odds(const struct transfer_work *w, uint32_t model, uint32_t protocol)
{
    double sum = 0;
    for (uint32_t d = 0; d < w->o->data_count; d++)
        sum += transfer_at(w, model, d, protocol)->log_odds;
    return sum / w->o->data_count;
}

static void print_means(const struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    printf("\nMean log-odds over %u tasks:\n", o->data_count);
    for (uint32_t m = 0; m < o->path_count; m++)
        for (uint32_t k = 0; k < o->protocol_count; k++) {
            fputs("  ", stdout);
            print_model(w, m);
            printf("%-8s  %7.3f\n", o->protocols[k], mean_log_odds(w, m, k));
        }
}

// Two models on one task by one protocol.
struct pair {
    uint32_t a, b, data, protocol;
    struct vkd_transfer_comparison c;
    double holm;                        // p, corrected for the pairs of that task and protocol
};

// The pairs of one task and protocol that can be compared; returns how many.
static uint32_t compare_models(const struct transfer_work *w, uint32_t d, uint32_t k, struct pair *pairs, double *p)
{
    const struct vkd_log log = app_log(&w->o->app);
    uint32_t count = 0;
    for (uint32_t a = 0; a < w->o->path_count; a++)
        for (uint32_t b = a + 1; b < w->o->path_count; b++) {
            pairs[count] = (struct pair){ .a = a, .b = b, .data = d, .protocol = k };
            if (vkd_transfer_compare(transfer_at(w, a, d, k), transfer_at(w, b, d, k), w->o->p.seed, &log,
                                     &pairs[count].c) == VKD_OK)
                count++;
        }
    for (uint32_t i = 0; i < count; i++)
        p[i] = pairs[i].c.p;
    if (vkd_holm(p, count, p) != VKD_OK)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        pairs[i].holm = p[i];
    return count;
}

// All pairs, task by task; malloc'd. NULL: no memory.
static struct pair *compare_all(const struct transfer_work *w, uint32_t *count)
{
    const struct transfer_options *o = w->o;
    const size_t most = (size_t)o->path_count * (o->path_count - 1) / 2;
    struct pair *pairs = calloc(most * o->data_count * o->protocol_count + 1, sizeof *pairs);
    double *p = calloc(most + 1, sizeof *p);
    *count = 0;
    for (uint32_t d = 0; pairs != NULL && p != NULL && d < o->data_count; d++)
        for (uint32_t k = 0; k < o->protocol_count; k++)
            *count += compare_models(w, d, k, pairs + *count, p);
    free(p);
    return pairs;
}

static void print_pairs(const struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    uint32_t count;
    struct pair *pairs = compare_all(w, &count);
    printf("\nPaired permutation tests over test images%s:\n",
           o->path_count > 2 ? "; the second p is Holm's, for all pairs of a task and protocol" : "");
    for (uint32_t i = 0; i < count; i++) {
        const struct pair *x = &pairs[i];
        char first[1024], second[1024];
        fputs("  ", stdout);
        print_task(w, x->data, x->protocol);
        printf("%s - %s: %+.2f points, p %.2g", app_printable(first, sizeof first, short_name(o->paths, o->path_count, x->a)),
               app_printable(second, sizeof second, short_name(o->paths, o->path_count, x->b)), 100 * x->c.difference, x->c.p);
        if (o->path_count > 2)
            printf(", %.2g", x->holm);
        printf("\n");
    }
    free(pairs);
}

void transfer_print_end(const struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    bool kept = false;
    if (o->data_count > 1)
        print_means(w);
    if (o->p.select)
        print_choices(w);
    if (o->path_count > 1)
        print_pairs(w);
    for (uint32_t i = 0; i < w->total; i++)
        kept |= w->results[i].path != NULL;
    if (!kept)
        printf("\nNothing was kept: give --out DIR for the results of a bare file.\n");
}

// ---- JSON --------------------------------------------------------------------------------------

static json_t *task_json(const struct transfer_work *w, uint32_t m, uint32_t d, uint32_t k)
{
    const struct vkd_transfer_result *r = transfer_at(w, m, d, k);
    json_t *task = vkd__transfer_json(r, false);
    json_object_del(task, "schema");
    json_object_set(task, "set", json_object_get(task, "data"));
    json_object_set(task, "weights", json_object_get(task, "model"));
    json_object_set_new(task, "text", json_incref(json_object_get(json_object_get(task, "protocol"), "text")));
    json_object_set_new(task, "model", app_json_text(w->o->paths[m]));
    json_object_set_new(task, "data", app_json_text(w->o->data[d]));
    json_object_set_new(task, "protocol", json_string(r->protocol));
    json_object_set_new(task, "resumed", json_boolean(r->resumed));
    json_object_set_new(task, "file", r->path != NULL ? app_json_text(r->path) : json_null());
    return task;
}

static json_t *pairs_json(const struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    uint32_t count;
    struct pair *pairs = compare_all(w, &count);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        const struct pair *x = &pairs[i];
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:i}", "data", app_json_text(o->data[x->data]),
            "protocol", o->protocols[x->protocol], "a", app_json_text(o->paths[x->a]), "b", app_json_text(o->paths[x->b]),
            "difference", app_json_real(x->c.difference), "p", app_json_real(x->c.p), "p_holm", app_json_real(x->holm), "draws",
            (int)x->c.draws));
    }
    free(pairs);
    return list;
}

enum exit_status transfer_print_json(const struct transfer_work *w)
{
    const struct transfer_options *o = w->o;
    json_t *tasks = json_array(), *means = json_array();
    for (uint32_t m = 0; m < o->path_count; m++) {
        for (uint32_t d = 0; d < o->data_count; d++)
            for (uint32_t k = 0; k < o->protocol_count; k++)
                json_array_append_new(tasks, task_json(w, m, d, k));
        for (uint32_t k = 0; k < o->protocol_count; k++)
            json_array_append_new(means, json_pack("{s:o, s:s, s:o, s:i}", "model", app_json_text(o->paths[m]), "protocol",
                o->protocols[k], "value", app_json_real(mean_log_odds(w, m, k)), "tasks", (int)o->data_count));
    }
    return app_print_json(json_pack("{s:i, s:o, s:o, s:o}", "schema", 1, "tasks", tasks, "mean_log_odds", means, "comparisons",
                                    pairs_json(w)));
}
