// process.c -- a probe in a process of its own: started, listened to, and ended when it is silent for too long.
#include "apps/selftest/selftest.h"

#include "runtime/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { LINE_MAX_SIZE = 65536, GRACE = 20 };     // GRACE: seconds from the result to the end of the process

struct child {
    pid_t pid;
    int out, err;               // -1 once closed
    double heard;
    char line[LINE_MAX_SIZE];
    size_t length;
    char at[400];               // the last sign of life
    char errors[1024];          // the end of what it wrote to standard error
    char garbage[120];          // the first line that is none
    json_t *result;
    bool no_device, hung, flooded, stopped;
};

// ---- Starting ----------------------------------------------------------------------------------

static void make_arguments(const struct selftest_command *c, const char *name, const char *scratch, const char *argv[14])
{
    int n = 0;
    argv[n++] = c->program;
    argv[n++] = "selftest";
    argv[n++] = "--probe";
    argv[n++] = name;
    argv[n++] = "--scratch";
    argv[n++] = scratch;
    if (c->quick)
        argv[n++] = "--quick";
    if (c->app->validation)
        argv[n++] = "--validation";
    if (c->app->verbose)
        argv[n++] = "--verbose";
    if (c->app->device != NULL) {
        argv[n++] = "--device";
        argv[n++] = c->app->device;
    }
    argv[n] = NULL;
}

// In a process group of its own, so that ending it takes along what a driver may have started.
static int spawn(struct child *k, const char *const *argv, const int out[2], const int err[2])
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    int e = posix_spawn(&k->pid, argv[0], &actions, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return e;
}

// errno's number, or 0.
static int start(struct child *k, const struct selftest_command *c, const char *name, const char *scratch)
{
    int out[2], err[2];
    const char *argv[14];
    make_arguments(c, name, scratch, argv);
    if (pipe(out) != 0)
        return errno;
    if (pipe(err) != 0) {
        int e = errno;
        close(out[0]);
        close(out[1]);
        return e;
    }
    for (int i = 0; i < 2; i++) {
        fcntl(out[i], F_SETFD, FD_CLOEXEC);
        fcntl(err[i], F_SETFD, FD_CLOEXEC);
    }
    int e = spawn(k, argv, out, err);
    close(out[1]);
    close(err[1]);
    k->out = out[0];
    k->err = err[0];
    k->heard = vkd__os_seconds();
    return e;
}

// ---- Listening ---------------------------------------------------------------------------------

static void take_line(struct child *k, const struct selftest_command *c, const char *line)
{
    json_t *o = json_loads(line, 0, NULL);
    const char *at = json_string_value(json_object_get(o, "at"));
    const char *verdict = json_string_value(json_object_get(o, "verdict"));
    bool known = false;
    for (int i = 0; verdict != NULL && i < SELFTEST_VERDICTS; i++)
        known |= strcmp(verdict, selftest_verdicts[i]) == 0;
    if (at != NULL) {
        snprintf(k->at, sizeof k->at, "%s", at);
        if (c->at != NULL)
            c->at(c->user, at);
    } else if (json_is_true(json_object_get(o, "no_device"))) {
        k->no_device = true;
    } else if (known && json_is_string(json_object_get(o, "detail")) && k->result == NULL) {
        k->result = json_incref(o);
    } else if (k->garbage[0] == 0) {
        app_printable(k->garbage, sizeof k->garbage, line);
    }
    json_decref(o);
}

static void take_output(struct child *k, const struct selftest_command *c)
{
    ssize_t n = read(k->out, k->line + k->length, sizeof k->line - 1 - k->length);
    if (n <= 0) {
        if (n < 0 && errno == EINTR)
            return;
        close(k->out);
        k->out = -1;
        return;
    }
    k->heard = vkd__os_seconds();
    k->length += (size_t)n;
    char *from = k->line, *end;
    while ((end = memchr(from, '\n', k->length - (size_t)(from - k->line))) != NULL) {
        *end = 0;
        take_line(k, c, from);
        from = end + 1;
    }
    k->length -= (size_t)(from - k->line);
    memmove(k->line, from, k->length);
    k->flooded |= k->length == sizeof k->line - 1;
}

static void take_errors(struct child *k, bool verbose)
{
    char text[1024];
    ssize_t n = read(k->err, text, sizeof text - 1);
    if (n <= 0) {
        if (n < 0 && errno == EINTR)
            return;
        close(k->err);
        k->err = -1;
        return;
    }
    text[n] = 0;
    if (verbose) {
        app_progress_clear();
        fputs(text, stderr);
    }
    size_t used = strlen(k->errors), more = strlen(text), room = sizeof k->errors - 1;
    if (more > room)
        more = room;
    if (used + more > room) {       // the end counts
        memmove(k->errors, k->errors + used + more - room, room - more);
        used = room - more;
    }
    memcpy(k->errors + used, text, more);
    k->errors[used + more] = 0;
}

static void listen_to(struct child *k, const struct selftest_command *c, uint32_t patience)
{
    while (k->out >= 0 || k->err >= 0) {
        struct pollfd fds[2] = { { k->out, POLLIN, 0 }, { k->err, POLLIN, 0 } };
        poll(fds, 2, 100);
        if (fds[0].revents != 0)
            take_output(k, c);
        if (fds[1].revents != 0)
            take_errors(k, c->app->verbose);
        double limit = k->result != NULL ? GRACE : patience;
        k->hung = vkd__os_seconds() - k->heard > limit;
        k->stopped = app_stop(NULL);
        if (k->hung || k->flooded || k->stopped)
            return;
    }
}

// The process's status; it is ended first when it must be.
static int finish(struct child *k)
{
    int status = 0;
    bool end = k->hung || k->flooded || k->stopped;
    for (int i = 0; !end && i < GRACE * 20; i++) {      // it may still be unloading its driver
        if (waitpid(k->pid, &status, WNOHANG) == k->pid)
            goto done;
        poll(NULL, 0, i < 20 ? 1 : 50);
    }
    k->hung |= !end;
    kill(-k->pid, SIGKILL);
    kill(k->pid, SIGKILL);
    while (waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
        ;
done:
    if (k->out >= 0)
        close(k->out);
    if (k->err >= 0)
        close(k->err);
    return status;
}

// ---- The row -----------------------------------------------------------------------------------

// The last line that the process wrote to standard error.
static const char *last_words(struct child *k)
{
    size_t n = strlen(k->errors);
    while (n > 0 && (k->errors[n - 1] == '\n' || k->errors[n - 1] == ' '))
        k->errors[--n] = 0;
    const char *start = strrchr(k->errors, '\n');
    return start != NULL ? start + 1 : k->errors;
}

// Why what the process said does not count: false where it does.
static bool broken(const struct child *k, int status, uint32_t patience, char why[160])
{
    if (k->stopped)
        snprintf(why, 160, "stopped by Ctrl-C");
    else if (k->hung && k->result != NULL)
        snprintf(why, 160, "the process did not end within %d s after its result", GRACE);
    else if (k->hung)
        snprintf(why, 160, "no sign of life for %u s, the process was ended", patience);
    else if (k->flooded)
        snprintf(why, 160, "a line of more than %d bytes, the process was ended", LINE_MAX_SIZE - 1);
    else if (WIFSIGNALED(status))
        snprintf(why, 160, "crashed: signal %d (%s)%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                 k->result != NULL ? " after its result" : "");
    else if (k->garbage[0] != 0)
        snprintf(why, 160, "said '%s', which is no line of a probe", k->garbage);
    else if (k->result == NULL)
        snprintf(why, 160, "ended with status %d and no result", WEXITSTATUS(status));
    else
        return false;
    return true;
}

json_t *selftest_process(const struct selftest_command *c, const char *name, uint32_t patience, bool *no_device)
{
    struct child *k = calloc(1, sizeof *k);
    char why[160], detail[1400], scratch[SELFTEST_PATH_MAX];
    if (k == NULL)
        return NULL;
    patience = c->patience > 0 ? c->patience : patience > 0 ? patience : SELFTEST_PATIENCE;
    double begin = vkd__os_seconds();
    selftest_scratch_open(scratch);         // what needs it says that there is none
    int e = start(k, c, name, scratch), status = 0;
    if (e == 0) {
        listen_to(k, c, patience);
        status = finish(k);
    }
    selftest_scratch_close(scratch);
    double ms = 1e3 * (vkd__os_seconds() - begin);
    json_t *row = NULL;
    *no_device = k->no_device;
    if (e != 0 || broken(k, status, patience, why)) {
        const char *words = last_words(k);
        if (e != 0)
            snprintf(why, sizeof why, "the process could not be started: %s", strerror(e));
        snprintf(detail, sizeof detail, "%s%s%s%s%s", why, k->at[0] ? "; last at: " : "", k->at, words[0] ? "; it said: " : "",
                 words);
        row = json_pack("{s:s, s:s, s:o, s:o}", "name", name, "verdict", selftest_verdicts[SELFTEST_FAIL], "detail",
                        app_json_text(detail), "ms", app_json_real(ms));
    } else {
        row = json_pack("{s:s, s:O, s:O, s:o}", "name", name, "verdict", json_object_get(k->result, "verdict"), "detail",
                        json_object_get(k->result, "detail"), "ms", app_json_real(ms));
        json_t *numbers = json_object_get(k->result, "numbers");
        if (json_object_size(numbers) > 0)
            json_object_set(row, "numbers", numbers);
    }
    json_decref(k->result);
    free(k);
    return row;
}
