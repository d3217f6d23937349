// child.c -- one probe in this process: device, verdict, and lines of JSON for the parent.
#include "apps/selftest/selftest.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

// ---- What probes call --------------------------------------------------------------------------

static void line(struct selftest_run *t, json_t *object)
{
    json_dumpf(object, t->out, JSON_COMPACT | JSON_REAL_PRECISION(9));
    fputc('\n', t->out);
    fflush(t->out);
    json_decref(object);
}

void selftest_say(struct selftest_run *t, enum selftest_verdict v, const char *format, ...)
{
    va_list args;
    if (t->said && v < t->verdict)
        return;
    va_start(args, format);
    vsnprintf(t->detail, sizeof t->detail, format, args);
    va_end(args);
    t->verdict = v;
    t->said = true;
}

bool selftest_ok(struct selftest_run *t, vkd_result r, const char *what)
{
    if (r == VKD_OK)
        return true;
    selftest_say(t, SELFTEST_FAIL, "%s: %s%s%s", what, vkd_result_text(r), t->last_error[0] ? ": " : "", t->last_error);
    return false;
}

void selftest_number(struct selftest_run *t, const char *name, double value)
{
    json_object_set_new(t->numbers, name, app_json_real(value));
}

void selftest_text(struct selftest_run *t, const char *name, const char *text)
{
    json_object_set_new(t->numbers, name, app_json_text(text));
}

void selftest_at(struct selftest_run *t, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    line(t, json_pack("{s:o}", "at", app_json_text(text)));
}

// ---- The probe ---------------------------------------------------------------------------------

static void hear(void *user, enum vkd_log_level level, const char *text)
{
    struct selftest_run *t = user;
    if (level == VKD_LOG_ERROR)
        snprintf(t->last_error, sizeof t->last_error, "%s", text);
    if (level == VKD_LOG_ERROR && t->errors != NULL) {
        size_t used = strlen(t->errors);
        snprintf(t->errors + used, t->errors_size - used, "%s%s", used > 0 ? "\n" : "", text);
    }
    if (level <= VKD_LOG_WARNING || t->app->verbose)
        fprintf(stderr, "%s\n", text);
}

bool selftest_device_params(struct selftest_run *t, struct vkd_device_params *out)
{
    bool good = app_device_params(t->app, out);
    out->log = t->log;
    if (!good)
        selftest_say(t, SELFTEST_FAIL, "VKDIV_LIMITS or VKDIV_FAULT is wrong");
    return good;
}

static bool find(const char *name, struct selftest_probe *out)
{
    char text[SELFTEST_NAME_MAX];
    const struct selftest_part *part;
    for (uint32_t i = 0; (part = selftest_part_at(i)) != NULL; i++)
        for (uint32_t k = 0; selftest_probe_at(part, k, out); k++)
            if (strcmp(selftest_name(text, part, out), name) == 0)
                return true;
    return false;
}

static void run(struct selftest_run *t, const struct selftest_probe *p)
{
    if (p->no_device) {
        p->run(t, p);
        return;
    }
    struct vkd_device_params params;
    if (!selftest_device_params(t, &params))
        return;
    char errors[1000] = "";
    t->errors = errors;
    t->errors_size = sizeof errors;
    vkd_result r = vkd_device_create(&params, &t->dev);
    t->errors = NULL;
    if (r == VKD_UNSUPPORTED || r == VKD_INVALID) {
        line(t, json_pack("{s:b}", "no_device", 1));
        selftest_say(t, SELFTEST_FAIL, "%s", errors);
        return;
    }
    if (!selftest_ok(t, r, "the device could not be opened"))
        return;
    p->run(t, p);
    uint64_t messages = vkd_device_stats(t->dev).validation_messages;
    if (messages > 0)
        selftest_say(t, SELFTEST_FAIL, "%llu messages of the validation layer, the last: %s", (unsigned long long)messages,
                     t->last_error);
    vkd_device_destroy(&t->dev);
}

enum exit_status selftest_child(const struct app_options *app, bool quick, const char *name, const char *scratch)
{
    struct selftest_probe p;
    if (!find(name, &p)) {
        app_error("no probe '%s'; `vkdiv selftest --list` shows them", name);
        return EXIT_USAGE;
    }
    // What a driver prints must not get among the lines; a crash shall leave no core.
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
    int fd = dup(STDOUT_FILENO);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (out == NULL || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        app_error("the lines to the parent could not be opened");
        return EXIT_FAILED;
    }
    struct selftest_run t = { .app = app, .quick = quick, .out = out, .numbers = json_object(), .scratch = scratch };
    t.log = (struct vkd_log){ .fn = hear, .user = &t };
    run(&t, &p);
    if (!t.said)
        selftest_say(&t, SELFTEST_FAIL, "the probe ended without a verdict");
    line(&t, json_pack("{s:s, s:o, s:o}", "verdict", selftest_verdicts[t.verdict], "detail", app_json_text(t.detail),
                       "numbers", t.numbers));
    fclose(out);
    return EXIT_DONE;
}
