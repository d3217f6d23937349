// test_inject.c -- label injection: a(t) and doses in closed form, the floor's controller on simulated networks, replay.
#include "engine/train/inject.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EPOCH = 20, EPOCHS = 10, TOTAL = EPOCH * EPOCHS };

static char messages[4096];

static void hear(void *user, enum vkd_log_level level, const char *text)
{
    (void)user;
    size_t used = strlen(messages);
    snprintf(messages + used, sizeof messages - used, "%s%s\n", level == VKD_LOG_WARNING ? "warning: " : "", text);
}

static const struct vkd_log to_messages = { hear, NULL };

static struct vkd_recipe recipe_of(const char *mode)
{
    struct vkd_recipe r;
    vkd_recipe_default(&r);
    r.data.train = "idx:x";
    r.method = strcmp(mode, "supervised") == 0 ? mode : "simclr";
    r.injection.mode = mode;
    r.epochs = EPOCHS;
    vkd_recipe_resolve(&r);
    return r;
}

static vkd_result try_open(const struct vkd_recipe *r, double share, struct vkd__inject_plan *plan)
{
    messages[0] = 0;
    return vkd__inject_open(r, EPOCH, TOTAL, share, &to_messages, plan);
}

static struct vkd__inject_plan open_plan(const struct vkd_recipe *r, double share)
{
    struct vkd__inject_plan plan;
    char why[512];
    ck_assert_msg(vkd_recipe_check(r, why, sizeof why) == VKD_OK, "%s", why);
    ck_assert_msg(try_open(r, share, &plan) == VKD_OK, "%s", messages);
    return plan;
}

static void says(const char *part)
{
    ck_assert_msg(strstr(messages, part) != NULL, "no \"%s\" in \"%s\"", part, messages);
}

#define NEAR(a, b) ck_assert_double_eq_tol(a, b, 1e-9)

// ---- Modes -------------------------------------------------------------------------------------

struct step_list { uint32_t count; struct vkd__inject_step at[TOTAL]; double dose; };

// Runs a plan without feedback to its end.
static struct step_list run_steps(const struct vkd__inject_plan *plan)
{
    struct step_list list = { 0 };
    struct vkd__inject_state s = { 0 };
    while (!s.done) {
        ck_assert_uint_lt(list.count, TOTAL);
        list.at[list.count++] = vkd__inject_next(plan, &s);
    }
    ck_assert_uint_eq(s.step, list.count);
    ck_assert(list.at[list.count - 1].done);
    list.dose = s.dose;
    return list;
}

static void check_routes(const struct vkd__inject_plan *plan, const struct step_list *l)
{
    bool taken[4] = { 0 };
    for (uint32_t i = 0; i < l->count; i++) {
        const struct vkd__inject_step *s = &l->at[i];
        taken[s->kind] = true;
        ck_assert_msg(plan->used[s->kind], "step %u takes a route that the plan does not foresee", i);
        if (s->kind == VKD__ROUTE_WARMUP)
            continue;
        NEAR(s->supervised_weight, s->a);
        NEAR(s->ssl_weight, s->a > 0 ? fmax(1 - s->a, plan->ssl_weight) : 1);
        ck_assert_int_eq(s->kind, s->a <= 0 ? VKD__ROUTE_SSL : s->ssl_weight > 0 ? VKD__ROUTE_MIXED : VKD__ROUTE_SUPERVISED);
        ck_assert_str_eq(s->phase, s->a <= 0 ? "ssl" : plan->mode == VKD__INJECT_SUPERVISED ? "supervised" : "injection");
    }
    for (int i = 0; i < 4; i++)
        ck_assert_msg(taken[i] == plan->used[i], "route %d is foreseen but not taken", i);
}

START_TEST(controls)
{
    struct vkd_recipe r = recipe_of("ssl");
    struct vkd__inject_plan plan = open_plan(&r, 0);    // needs no labels
    struct step_list l = run_steps(&plan);
    check_routes(&plan, &l);
    ck_assert_uint_eq(l.count, TOTAL);
    ck_assert(l.dose == 0);
    ck_assert_str_eq(messages, "");

    r = recipe_of("supervised");
    plan = open_plan(&r, 0.5);
    l = run_steps(&plan);
    check_routes(&plan, &l);
    NEAR(l.dose, EPOCHS);               // through the labelled half alone, twice as often
    ck_assert(l.at[0].a == 1 && l.at[0].ssl_weight == 0);
}
END_TEST

START_TEST(sequential)
{
    struct vkd_recipe r = recipe_of("sequential");
    r.injection.start = 6;
    r.injection.head_warmup = 1;
    r.injection.lr = 0.02f;
    r.optimizer.lr = 0.4f;
    r.optimizer.base_batch = 256;
    r.batch = 128;
    r.schedule.warmup_epochs = 2;
    struct vkd__inject_plan plan = open_plan(&r, 1);
    struct step_list l = run_steps(&plan);
    check_routes(&plan, &l);
    ck_assert_uint_eq(l.count, TOTAL);
    NEAR(l.dose, 3);
    const struct vkd__inject_step *s = l.at;
    ck_assert(s[119].kind == VKD__ROUTE_SSL && s[119].stage == VKD__STAGE_MAIN && s[119].stage_step == 119);
    ck_assert(s[120].kind == VKD__ROUTE_WARMUP && s[120].backbone_frozen && s[120].a == 0 && s[120].lr == 0);
    ck_assert(s[120].supervised_weight == 1 && s[120].ssl_weight == 0 && s[120].stage_step == 0);
    ck_assert_str_eq(s[120].phase, "head warm-up");
    ck_assert(s[139].kind == VKD__ROUTE_WARMUP && s[140].kind == VKD__ROUTE_SUPERVISED && !s[140].backbone_frozen);
    ck_assert(s[140].a == 1 && s[140].stage_step == 0 && s[140].stage_steps == 60);
    // Learning rates: for half the base batch; a schedule for each stage.
    ck_assert_double_eq_tol(s[40].lr, 0.2, 1e-7);           // the warm-up's end
    NEAR(s[40].peak_lr, s[40].lr);
    ck_assert(s[119].lr < 0.001 && s[119].lr > 0);
    NEAR(s[130].head_lr, 0.01f);
    ck_assert_double_eq_tol(s[146].lr, 0.01, 1e-7);         // a tenth of the stage is warm-up
    NEAR(s[150].lr, s[150].head_lr);
    ck_assert(s[140].lr < 0.01 && s[199].lr < 1e-4);

    r.injection.dose = 1.5f;            // the run ends with its dose, and so does the learning rate
    plan = open_plan(&r, 0.75);
    ck_assert_uint_eq(plan.total_steps, 170);
    l = run_steps(&plan);
    ck_assert_uint_eq(l.count, 170);
    NEAR(l.dose, 1.5);
    ck_assert(l.at[169].lr < 1e-4);

    r.injection.start = 0;              // from another run's weights
    r.injection.head_warmup = r.injection.dose = 0;
    plan = open_plan(&r, 1);
    l = run_steps(&plan);
    check_routes(&plan, &l);
    ck_assert(l.at[0].kind == VKD__ROUTE_SUPERVISED && l.at[0].stage == VKD__STAGE_INJECTION);
    NEAR(l.dose, EPOCHS);
}
END_TEST

START_TEST(step_and_pulse)
{
    struct vkd_recipe r = recipe_of("step");
    r.injection.start = 4;
    r.injection.max = 0.25f;
    struct vkd__inject_plan plan = open_plan(&r, 1);
    struct step_list l = run_steps(&plan);
    check_routes(&plan, &l);
    ck_assert(l.at[79].a == 0 && l.at[80].a == 0.25 && l.at[199].a == 0.25);
    NEAR(l.dose, 6 * 0.25);
    ck_assert_uint_eq(l.at[150].stage_step, 150);
    ck_assert_uint_eq(l.at[150].stage_steps, TOTAL);

    r = recipe_of("pulse");
    r.injection.start = 2;
    r.injection.end = 4.5f;
    r.injection.max = 0.5f;
    plan = open_plan(&r, 1);
    l = run_steps(&plan);
    check_routes(&plan, &l);
    ck_assert(l.at[39].a == 0 && l.at[40].a == 0.5 && l.at[89].a == 0.5 && l.at[90].a == 0);
    NEAR(l.dose, 2.5 * 0.5);
}
END_TEST

START_TEST(ramps)
{
    for (int cosine = 0; cosine < 2; cosine++) {
        struct vkd_recipe r = recipe_of(cosine ? "cosine" : "linear");
        r.injection.start = 2;
        r.injection.end = 7;
        r.injection.max = 0.5f;
        r.injection.ssl_weight = 0.75f;
        struct vkd__inject_plan plan = open_plan(&r, 1);
        struct step_list l = run_steps(&plan);
        check_routes(&plan, &l);
        ck_assert(l.at[40].a == 0 && l.at[140].a == 0.5 && l.at[199].a == 0.5);
        NEAR(l.at[65].a, 0.5 * (cosine ? 0.5 * (1 - sqrt(0.5)) : 0.25));
        NEAR(l.at[90].a, 0.25);
        for (uint32_t i = 1; i < TOTAL; i++)
            ck_assert(l.at[i].a >= l.at[i - 1].a);
        ck_assert(l.at[100].ssl_weight == 0.75);            // the residual
        NEAR(l.dose, 0.5 * (99 / 2.0 + 60) / EPOCH);       // both ramps have the same sum
        r.injection.end = 0;                                // up to the run's end
        r.injection.max = 1;
        r.injection.ssl_weight = 0;
        plan = open_plan(&r, 1);
        l = run_steps(&plan);
        NEAR(l.at[120].a, 0.5);
        NEAR(l.dose, 159 / 2.0 / EPOCH);
        ck_assert(l.at[199].a < 1 && l.at[199].kind == VKD__ROUTE_MIXED);
        r.injection.end = 7;                                // labels alone from there on: all images of a step bring one
        plan = open_plan(&r, 0.5);
        l = run_steps(&plan);
        NEAR(l.dose, (0.5 * 99 / 2.0 + 60) / EPOCH);
        ck_assert(l.at[139].kind == VKD__ROUTE_MIXED && l.at[140].kind == VKD__ROUTE_SUPERVISED);
    }
}
END_TEST

START_TEST(budget_stops_within_a_step)
{
    static const double shares[] = { 1, 0.5, 0.1, 1.0 / 3 }, doses[] = { 0.1, 0.3, 1, 0.77 };
    for (int i = 0; i < 16; i++) {
        struct vkd_recipe r = recipe_of("budget");
        r.injection.start = 1;
        r.injection.max = 0.4f;
        r.injection.dose = (float)(doses[i / 4] * shares[i % 4]);
        struct vkd__inject_plan plan = open_plan(&r, shares[i % 4]);
        struct step_list l = run_steps(&plan);
        check_routes(&plan, &l);
        double step = (double)0.4f * shares[i % 4] / EPOCH, target = (double)r.injection.dose;
        ck_assert_uint_eq(l.count, plan.total_steps);
        ck_assert(l.dose >= target * (1 - 1e-6) && l.dose < target + step);
        ck_assert_uint_eq(l.count, EPOCH + (uint32_t)ceil(target / step - 1e-5));
        ck_assert(l.at[l.count - 1].lr < 0.01);     // the schedule knows the end
        ck_assert_str_eq(messages, "");
    }
}
END_TEST

// ---- The floor ---------------------------------------------------------------------------------

// A network whose diversity sinks with labels to `low` and recovers without to `high`, by shares `fall` and `rise` of
// the way per observation; seen through noise of `noise`.
struct plant { double d, high, low, fall, rise, noise; uint32_t random; };

static double noise_of(struct plant *p)
{
    p->random = p->random * 1664525u + 1013904223u;
    return p->noise * (p->random / 2147483648.0 - 1);
}

static struct vkd_recipe floor_recipe(float floor)
{
    struct vkd_recipe r = recipe_of("floor");
    r.injection.start = 1;
    r.injection.floor = floor;
    r.monitor.every = 5;
    r.epochs = 100;
    return r;
}

static struct vkd__inject_plan open_floor(const struct vkd_recipe *r, uint32_t epochs)
{
    struct vkd__inject_plan plan;
    messages[0] = 0;
    ck_assert_msg(vkd__inject_open(r, EPOCH, EPOCH * epochs, 1, &to_messages, &plan) == VKD_OK, "%s", messages);
    return plan;
}

struct floor_result { double least, most, last; uint32_t turns; };     // signal of the second half; changes of direction of a

static struct floor_result run_floor(const struct vkd__inject_plan *plan, struct plant *p)
{
    struct vkd__inject_state s = { 0 };
    struct floor_result out = { .least = 1e9 };
    double before = 0;
    int direction = 0;
    while (!s.done) {
        if (vkd__inject_due(plan, &s)) {
            ck_assert(vkd__inject_observe(plan, &s, p->d * (1 + noise_of(p)), &to_messages) == VKD_OK);
            ck_assert(!vkd__inject_due(plan, &s));      // once is enough
            ck_assert(s.a >= 0 && s.a <= plan->max && s.integral >= 0 && s.integral <= plan->max);
            int now = (s.a > before) - (s.a < before);
            if (s.step > plan->total_steps / 2) {
                out.turns += now != 0 && direction != 0 && now != direction;
                out.least = fmin(out.least, p->d / s.reference);
                out.most = fmax(out.most, p->d / s.reference);
            }
            direction = now != 0 ? now : direction;
            before = s.a;
        }
        struct vkd__inject_step step = vkd__inject_next(plan, &s);
        ck_assert(plan->used[step.kind]);
        p->d += (step.a * p->fall * (p->low - p->d) + (1 - step.a) * p->rise * (p->high - p->d)) / plan->every;
    }
    out.last = s.a;
    return out;
}

START_TEST(floor_holds)
{
    static const struct { double fall, rise, low, noise; float floor; } plants[] = {
        { 0.3, 0.1, 20, 0, 0.9f }, { 0.05, 0.05, 20, 0, 0.9f }, { 0.9, 0.9, 20, 0, 0.9f }, { 0.02, 0.1, 10, 0, 0.8f },
        { 0.3, 0.02, 20, 0, 0.9f }, { 0.3, 0.1, 20, 0.005, 0.9f }, { 0.2, 0.2, 40, 0.01, 0.75f },
    };
    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        struct vkd_recipe r = floor_recipe(plants[i].floor);
        struct vkd__inject_plan plan = open_floor(&r, 100);
        struct plant p = { 60, 60, plants[i].low, plants[i].fall, plants[i].rise, plants[i].noise, 7 };
        struct floor_result f = run_floor(&plan, &p);
        double floor = (double)plants[i].floor;
        ck_assert_msg(f.least >= 0.95 * floor && f.most <= 1.05 * floor, "plant %zu: %g to %g, floor %g", i, f.least, f.most,
                      floor);
        ck_assert(f.last > 0.01);
        ck_assert_str_eq(messages, "");
    }
}
END_TEST

START_TEST(floor_does_not_chatter)
{
    struct vkd_recipe r = floor_recipe(0.9f);
    struct plant p = { 60, 60, 20, 0.3, 0.1, 0.005, 3 };
    struct vkd__inject_plan plan = open_floor(&r, 100);
    struct floor_result calm = run_floor(&plan, &p);
    r.injection.hysteresis = 0;
    plan = open_floor(&r, 100);
    p = (struct plant){ 60, 60, 20, 0.3, 0.1, 0.005, 3 };
    struct floor_result nervous = run_floor(&plan, &p);
    ck_assert_msg(calm.turns * 4 < nervous.turns, "%u turns with the dead band, %u without", calm.turns, nervous.turns);
    ck_assert_uint_lt(calm.turns, 10);
}
END_TEST

// Observes `diversity` `count` times, with the steps between.
static void observe(const struct vkd__inject_plan *plan, struct vkd__inject_state *s, double diversity, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        while (!vkd__inject_due(plan, s))
            vkd__inject_next(plan, s);
        ck_assert(vkd__inject_observe(plan, s, diversity, &to_messages) == VKD_OK);
    }
}

START_TEST(floor_does_not_wind_up)
{
    struct vkd_recipe r = floor_recipe(0.9f);
    r.injection.max = 0.6f;
    r.epochs = 1000;
    struct vkd__inject_plan plan = open_floor(&r, 1000);
    struct vkd__inject_state s = { 0 };
    double max = (double)0.6f;
    observe(&plan, &s, 60, 300);            // above the floor for long: everything is allowed
    ck_assert(s.a == max);
    observe(&plan, &s, 60 * 0.87, 1);       // below it once: labels go down at once ...
    ck_assert_msg(s.a < max - 0.03, "a %g", s.a);
    observe(&plan, &s, 60 * 0.7, 300);      // ... and out
    ck_assert(s.a == 0 && s.integral == 0);
    observe(&plan, &s, 60 * 0.93, 1);       // above it once: back at once
    ck_assert_msg(s.a > 0.03, "a %g", s.a);
    observe(&plan, &s, 60 * 0.905, 1);      // inside the dead band nothing moves
    double a = s.a;
    observe(&plan, &s, 60 * 0.895, 1);
    ck_assert(s.a == a);
}
END_TEST

START_TEST(floor_has_a_reference)
{
    struct vkd_recipe r = floor_recipe(0.9f);
    struct vkd__inject_plan plan = open_floor(&r, 100);
    struct vkd__inject_state s = { 0 }, before;
    while (s.step < EPOCH) {
        if (vkd__inject_due(&plan, &s))
            ck_assert(vkd__inject_observe(&plan, &s, 30, &to_messages) == VKD_OK);     // not yet of importance
        ck_assert(vkd__inject_next(&plan, &s).kind == VKD__ROUTE_SSL);
    }
    ck_assert(vkd__inject_due(&plan, &s) && s.reference == 0);
    before = s;
    ck_assert(vkd__inject_observe(&plan, &s, NAN, &to_messages) == VKD_DIVERGED);
    ck_assert(vkd__inject_observe(&plan, &s, 0, &to_messages) == VKD_DIVERGED);
    ck_assert(s.reference == before.reference && s.observed == before.observed && s.a == before.a);
    ck_assert(vkd__inject_observe(&plan, &s, 80, &to_messages) == VKD_OK);
    ck_assert(s.reference == 80 && s.signal == 1);
    ck_assert(vkd__inject_next(&plan, &s).a > 0);
}
END_TEST

START_TEST(floor_stops_at_its_dose)
{
    struct vkd_recipe r = floor_recipe(0.9f);
    r.injection.dose = 0.5f;
    struct vkd__inject_plan plan = open_floor(&r, 100);
    ck_assert_uint_eq(plan.total_steps, 100 * EPOCH);
    struct vkd__inject_state s = { 0 };
    while (!s.done) {
        if (vkd__inject_due(&plan, &s))
            ck_assert(vkd__inject_observe(&plan, &s, 60, &to_messages) == VKD_OK);
        vkd__inject_next(&plan, &s);
    }
    ck_assert(s.dose >= 0.5 - 1e-6 && s.dose < 0.5 + 1.0 / EPOCH && s.step < 100 * EPOCH);
}
END_TEST

START_TEST(diversity_is_observed_in_every_mode)
{
    struct vkd_recipe r = recipe_of("linear");
    r.injection.start = 3.5f;
    struct vkd__inject_plan plan = open_plan(&r, 1);
    struct vkd__inject_state s = { 0 };
    ck_assert_uint_eq(plan.every, EPOCH);
    while (!s.done) {
        bool due = vkd__inject_due(&plan, &s);
        ck_assert_int_eq(due, (s.step > 0 && s.step % EPOCH == 0) || s.step == 70);
        if (due)
            ck_assert(vkd__inject_observe(&plan, &s, s.step < 70 ? 10 : s.step / 2.0, &to_messages) == VKD_OK);
        vkd__inject_next(&plan, &s);
    }
    ck_assert(s.reference == 35 && s.diversity == 90 && s.observations == 10);
    NEAR(s.signal, 90 / 35.0);
}
END_TEST

// ---- Replay ------------------------------------------------------------------------------------

static bool same_step(const struct vkd__inject_step *x, const struct vkd__inject_step *y)
{
    return x->kind == y->kind && x->a == y->a && x->ssl_weight == y->ssl_weight && x->lr == y->lr &&
           x->supervised_weight == y->supervised_weight && x->stage == y->stage && x->stage_step == y->stage_step &&
           x->stage_steps == y->stage_steps && x->head_lr == y->head_lr && x->peak_lr == y->peak_lr &&
           x->backbone_frozen == y->backbone_frozen && x->done == y->done && strcmp(x->phase, y->phase) == 0;
}

// What is observed before a step, whoever asks.
static double seen_at(uint32_t step)
{
    return 60 - 10 * sin(step / 9.0) - 1.0 / 3;
}

static struct vkd__inject_step next(const struct vkd__inject_plan *plan, struct vkd__inject_state *s)
{
    if (vkd__inject_due(plan, s))
        ck_assert(vkd__inject_observe(plan, s, seen_at(s->step), &to_messages) == VKD_OK);
    return vkd__inject_next(plan, s);
}

START_TEST(replays_from_any_step)
{
    struct vkd_recipe r = recipe_of(vkd__inject_mode_names[_i]);
    bool stage = _i != VKD__INJECT_SSL && _i != VKD__INJECT_SUPERVISED;
    r.injection.start = stage ? 3 : 0;
    r.injection.end = _i == VKD__INJECT_PULSE ? 7 : 0;
    r.injection.head_warmup = _i == VKD__INJECT_SEQUENTIAL ? 1.5f : 0;
    r.injection.dose = _i == VKD__INJECT_BUDGET ? 1.3f : 0;
    r.injection.max = _i > VKD__INJECT_SEQUENTIAL ? 0.7f : 1;
    r.monitor.every = 7;
    struct vkd__inject_plan plan = open_plan(&r, 0.9);
    static struct vkd__inject_state states[TOTAL];
    static struct vkd__inject_step steps[TOTAL];
    struct vkd__inject_state s = { 0 };
    uint32_t count = 0;
    while (!s.done) {
        states[count] = s;
        steps[count++] = next(&plan, &s);
    }
    for (uint32_t from = 0; from < count; from++) {
        char text[VKD__INJECT_TEXT_SIZE], again[VKD__INJECT_TEXT_SIZE];
        struct vkd__inject_state t = { 0 };
        vkd__inject_state_write(&states[from], text);
        ck_assert(vkd__inject_state_read(text, &t) == VKD_OK);
        for (uint32_t i = from; i < count; i++) {
            struct vkd__inject_step step = next(&plan, &t);
            ck_assert_msg(same_step(&step, &steps[i]), "from step %u, step %u differs", from, i);
        }
        vkd__inject_state_write(&t, again);
        vkd__inject_state_write(&s, text);
        ck_assert_str_eq(again, text);
        ck_assert(t.dose == s.dose && t.integral == s.integral && t.signal == s.signal && t.done);
    }
}
END_TEST

START_TEST(states_are_saved_bit_for_bit)
{
    struct vkd__inject_state s = {
        .step = UINT32_MAX, .observed = 1, .observations = 3, .done = true, .a = 1.0 / 3, .dose = 1e-300,
        .diversity = 1.7976931348623157e308, .reference = 5e-324, .signal = 0.1, .integral = nextafter(1, 2),
    }, t;
    char text[VKD__INJECT_TEXT_SIZE];
    vkd__inject_state_write(&s, text);
    ck_assert_uint_lt(strlen(text), VKD__INJECT_TEXT_SIZE - 1);
    ck_assert(vkd__inject_state_read(text, &t) == VKD_OK);
    ck_assert(t.step == s.step && t.observed == 1 && t.observations == 3 && t.done && t.a == s.a && t.dose == s.dose &&
              t.diversity == s.diversity && t.reference == s.reference && t.signal == s.signal && t.integral == s.integral);
    static const char *const bad[] = { "", "{}", "[1]", "{\"step\": 1}", "nonsense" };
    for (int i = 0; i < 5; i++)
        ck_assert(vkd__inject_state_read(bad[i], &t) == VKD_FORMAT);
    char *minus = strstr(text, "4294967295");
    memcpy(minus, "-294967295", 10);
    ck_assert(vkd__inject_state_read(text, &t) == VKD_FORMAT);
    ck_assert(t.step == s.step);
}
END_TEST

// ---- Mistakes ----------------------------------------------------------------------------------

START_TEST(mistakes_and_warnings)
{
    struct vkd__inject_plan plan = { .every = 77 };
    struct vkd_recipe r = recipe_of("step");
    r.injection.start = 9.99f;
    ck_assert(try_open(&r, 1, &plan) == VKD_INVALID);
    says("injection.start: expected a time before the run's end after 10 epochs, found 10");
    ck_assert_uint_eq(plan.every, 77);

    r = recipe_of("linear");
    r.injection.start = 5;
    r.injection.end = 5.01f;
    ck_assert(try_open(&r, 1, &plan) == VKD_INVALID);
    says("injection.end: expected a time after injection.start (step 100), found step 100");

    r = recipe_of("sequential");
    r.injection.start = 5;
    r.injection.head_warmup = 4.99f;
    ck_assert(try_open(&r, 1, &plan) == VKD_INVALID);
    says("injection.head_warmup: ");

    r = recipe_of("sequential");
    r.injection.start = 2;
    r.schedule.warmup_epochs = 2;
    ck_assert(try_open(&r, 1, &plan) == VKD_INVALID);
    says("schedule.warmup_epochs: expected less than the 2 epochs that the self-supervised stage takes, found 2: set it to 0.2");

    r = recipe_of("budget");
    r.injection.dose = 1;
    ck_assert(try_open(&r, 0, &plan) == VKD_INVALID);
    says("needs labels");

    r.injection.start = 6;
    r.injection.max = 0.5f;
    r.injection.dose = 3;
    ck_assert(try_open(&r, 1, &plan) == VKD_OK);
    says("warning: injection.dose: 3 label-epochs are more than the 2 that the run's 10 epochs can give");
    ck_assert_uint_eq(plan.total_steps, TOTAL);

    r = floor_recipe(0.9f);
    r.injection.dose = 200;
    ck_assert(try_open(&r, 1, &plan) == VKD_OK);
    says("warning: injection.dose: 200 label-epochs are more than the 9 ");
    r.monitor.every = 100;
    ck_assert(try_open(&r, 1, &plan) == VKD_OK);
    says("warning: monitor.every: with an observation every 100 of 180 steps");

    r = recipe_of("step");
    r.injection.start = 1;
    r.injection.end = 5;
    r.injection.kp = 3;
    r.injection.head_warmup = 1;
    ck_assert(try_open(&r, 1, &plan) == VKD_OK);
    says("warning: injection.end has no effect with injection.mode step");
    says("warning: injection.kp has no effect");
    says("warning: injection.head_warmup has no effect");
    says("warning: injection.max 1 with injection.ssl_weight 0");

    r = recipe_of("ssl");
    r.injection.dose = 1;
    r.injection.lr = 3;
    r.injection.bn = "frozen";
    ck_assert(try_open(&r, 1, &plan) == VKD_OK);
    says("warning: injection.dose has no effect with injection.mode ssl");
    says("warning: injection.lr has no effect");
    says("warning: injection.bn has no effect");
    ck_assert_uint_eq(plan.total_steps, TOTAL);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("inject");
    tcase_add_test(t, controls);
    tcase_add_test(t, sequential);
    tcase_add_test(t, step_and_pulse);
    tcase_add_test(t, ramps);
    tcase_add_test(t, budget_stops_within_a_step);
    tcase_add_test(t, floor_holds);
    tcase_add_test(t, floor_does_not_chatter);
    tcase_add_test(t, floor_does_not_wind_up);
    tcase_add_test(t, floor_has_a_reference);
    tcase_add_test(t, floor_stops_at_its_dose);
    tcase_add_test(t, diversity_is_observed_in_every_mode);
    tcase_add_loop_test(t, replays_from_any_step, 0, VKD__INJECT_MODE_COUNT);
    tcase_add_test(t, states_are_saved_bit_for_bit);
    tcase_add_test(t, mistakes_and_warnings);
    Suite *s = suite_create("inject");
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
