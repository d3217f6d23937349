// progress.c -- one redrawn line on a terminal, a line now and then elsewhere.
#include "apps/vkdiv/app.h"

#include "runtime/os.h"

#include <langinfo.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The drawn bar that other output must take away first; a process draws one at a time.
static struct app_progress *drawn_now;

void app_progress_init(struct app_progress *p)
{
    const char *term = getenv("TERM");
    *p = (struct app_progress){
        .terminal = vkd__os_is_terminal(2) && term != NULL && strcmp(term, "dumb") != 0,
        .last_seconds = -1e9,
    };
}

void app_progress_clear(void)
{
    if (drawn_now == NULL || !drawn_now->drawn)
        return;
    fputs("\r\033[K", stderr);
    drawn_now->drawn = false;
}

void app_progress_note(struct app_progress *p, const char *text)
{
    if (!p->terminal)
        return;
    app_progress_clear();
    fprintf(stderr, "\r%.*s\033[K", (int)vkd__os_terminal_columns(2) - 1, text);
    fflush(stderr);
    p->drawn = true;
    drawn_now = p;
}

bool app_stop(void *user)
{
    (void)user;
    return vkd__os_interrupted();
}

// Appends a field when the line still has room for it.
static void add_field(char *line, size_t columns, const char *field)
{
    size_t used = strlen(line), more = strlen(field) + (used > 0 ? 2 : 0);
    if (field[0] != 0 && used + more <= columns)
        snprintf(line + used, 256 - used, "%s%s", used > 0 ? "  " : "", field);
}

// What the line says, the most important first, in at most `columns`.
static void write_fields(char line[256], size_t columns, const struct vkd_progress *n, bool eval)
{
    char number[24], field[64];
    line[0] = 0;
    if (eval)
        snprintf(field, sizeof field, "testing %u/%u", n->batch, n->batch_count);
    else
        snprintf(field, sizeof field, "epoch %u/%u", n->epoch + 1 > n->epoch_count ? n->epoch_count : n->epoch + 1,
                 n->epoch_count);
    add_field(line, columns, field);
    if (!eval) {
        snprintf(field, sizeof field, "step %u/%u", n->step, n->step_count);
        add_field(line, columns, field);
        snprintf(field, sizeof field, "loss %.3f", (double)n->loss);
        add_field(line, columns, field);
        snprintf(field, sizeof field, "%saccuracy %.1f %%", n->probe ? "probe " : "", 100 * (double)n->accuracy);
        add_field(line, columns, isnan(n->accuracy) ? "" : field);
        snprintf(field, sizeof field, "%s, labels %.2f", n->phase, (double)n->injection);
        add_field(line, columns, n->phase != NULL ? field : "");
    }
    snprintf(field, sizeof field, "%s images/s", app_count(number, n->images_per_second));
    add_field(line, columns, field);
    if (!eval) {
        snprintf(field, sizeof field, "ETA %s", app_duration(number, n->eta_seconds));
        add_field(line, columns, field);
        snprintf(field, sizeof field, "waiting for data %.0f %%", 100 * n->wait_share);
        add_field(line, columns, n->wait_share >= 0.05 ? field : "");
    }
}

static void draw_bar(unsigned width, double share)
{
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    unsigned done = (unsigned)(share * width + 0.5);
    fputs(app_sgr(2, APP_GREEN), stderr);
    for (unsigned i = 0; i < width; i++) {
        if (i == done)
            fprintf(stderr, "%s%s", app_sgr(2, APP_PLAIN), app_sgr(2, APP_DIM));
        fputs(utf8 ? "\u2501" : i < done ? "#" : ".", stderr);
    }
    fprintf(stderr, "%s ", app_sgr(2, APP_PLAIN));
}

// A line every 10 s.
static void note_plainly(struct app_progress *p, const char *what, uint32_t done, uint32_t of, double now)
{
    if (p->last_seconds < 0)
        p->last_seconds = now;
    if (now - p->last_seconds < 10)
        return;
    if (of > 1)
        fprintf(stderr, "%s %u/%u\n", what, done, of);
    else
        fprintf(stderr, "%s\n", what);
    p->last_seconds = now;
}

void app_progress_work(struct app_progress *p, const char *what, uint32_t done, uint32_t of)
{
    const double now = vkd__os_seconds();
    bool same = strcmp(p->line, what) == 0;
    if (!p->terminal) {
        note_plainly(p, what, done, of, now);
        return;
    }
    if (same && done < of && now - p->last_seconds < 0.1)
        return;
    unsigned columns = vkd__os_terminal_columns(2) - 1, bar = columns >= 60 ? 24 : 0, head = bar > 0 ? bar + 6 : 0;
    double share = of > 0 ? (double)done / of : 0;
    char text[320];
    snprintf(p->line, sizeof p->line, "%s", what);
    p->last_seconds = now;
    app_progress_clear();
    fputs("\r", stderr);
    if (bar > 0) {
        draw_bar(bar, share > 1 ? 1 : share);
        fprintf(stderr, "%3.0f %% ", 100 * (share > 1 ? 1 : share));
    }
    snprintf(text, sizeof text, "%s", what);
    if (of > 1)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %u/%u", done, of);
    fprintf(stderr, "%.*s\033[K", columns > head ? (int)(columns - head) : 0, text);
    fflush(stderr);
    p->drawn = true;
    drawn_now = p;
}

static double share_of(const struct vkd_progress *n, bool eval)
{
    double of = eval ? n->batch_count : n->step_count, share = of > 0 ? (eval ? n->batch : n->step) / of : 0;
    return share > 1 ? 1 : share;
}

static void draw(struct app_progress *p, const struct vkd_progress *n, bool eval)
{
    unsigned columns = vkd__os_terminal_columns(2) - 1;
    double share = share_of(n, eval);
    char line[256];
    unsigned bar = columns >= 100 ? 24 : columns >= 60 ? 12 : 0, head = bar > 0 ? bar + 6 : 0;
    write_fields(line, columns > 255 ? 255 - head : columns - head, n, eval);
    app_progress_clear();
    fputs("\r", stderr);
    if (bar > 0) {
        draw_bar(bar, share);
        fprintf(stderr, "%3.0f %% ", 100 * share);
    }
    fprintf(stderr, "%s\033[K", line);
    fflush(stderr);
    p->drawn = true;
    drawn_now = p;
}

// A plain line every 5 s that also brings 5 % of the run, or every 30 s.
static void write_plain(struct app_progress *p, const struct vkd_progress *n, bool eval)
{
    double share = share_of(n, eval), since = n->seconds - p->last_seconds;
    bool due = (since >= 5 && (share - p->last_share >= 0.05 || share < p->last_share)) || since >= 30;
    if (eval || !due)
        return;
    char line[256];
    write_fields(line, 250, n, eval);
    fprintf(stderr, "%3.0f %%  %s\n", 100 * share, line);
    p->last_seconds = n->seconds;
    p->last_share = share;
}

// "epoch 2, step 20: test accuracy 81.20 %, loss 0.512, neighbours 80.10 %, RankMe 12.3 (0:31)"
static void write_test(const struct vkd_progress *n)
{
    const char *between = " ", *bold = app_sgr(2, APP_BOLD), *plain = app_sgr(2, APP_PLAIN);
    char number[24];
    if (n->epoch > 0)
        fprintf(stderr, "epoch %u, ", n->epoch);
    fprintf(stderr, "step %u:", n->step);
    if (!isnan(n->accuracy)) {
        fprintf(stderr, " test %s%s %s%.2f %%%s, loss %.3f", n->multi_label ? "mean average precision" : "accuracy",
                n->probe ? " of the linear probe" : "", bold, 100 * (double)n->accuracy, plain, (double)n->loss);
        between = ", ";
    }
    if (!isnan(n->neighbours)) {
        fprintf(stderr, "%sneighbours %.2f %%", between, 100 * (double)n->neighbours);
        between = ", ";
    }
    if (!isnan(n->rankme))
        fprintf(stderr, "%sRankMe %.1f", between, (double)n->rankme);
    fprintf(stderr, " (%s)\n", app_duration(number, n->seconds));
}

void app_progress_show(void *progress, const struct vkd_progress *n)
{
    struct app_progress *p = progress;
    if (n->event == VKD_PROGRESS_STEP || n->event == VKD_PROGRESS_EVAL_BATCH) {
        bool eval = n->event == VKD_PROGRESS_EVAL_BATCH;
        if (p->terminal)
            draw(p, n, eval);
        else
            write_plain(p, n, eval);
    } else if (n->event == VKD_PROGRESS_EVAL && !p->quiet) {
        app_progress_clear();
        write_test(n);
    } else if (n->event == VKD_PROGRESS_END) {
        app_progress_clear();
    }
}
