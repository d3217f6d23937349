// compile_all.c -- compiles every pipeline for AMD and Intel GPUs that are not there: a process each, judged by limits.
#include "compile_gpu.h"
#include "verdict.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    SLOT_MAX = 64,
    KERNEL_LIMIT = 60,          // seconds without a line: a pipeline hangs
    GPU_LIMIT = 300,            // of one GPU in all
    SKIP = 77,                  // to ctest
};

static const char usage[] =
    "usage: compile_all [--all | GPU ...] [-j N] [--write DIR] [--exceptions FILE] [--list]\n"
    "  Without a GPU: the few that stand for all. Exit status 1: a limit is broken; 77: no driver.\n";

struct options {
    bool all, list;
    int jobs;
    const char *write, *exceptions;
    char **names;
};

// A GPU that is being compiled for.
struct job {
    struct outcome outcome;
    pid_t pid;
    int fd;
    double began, heard;
    uint32_t next;              // where a new process goes on
    char kernel[64];            // being compiled
    char line[4096];
    size_t length;
    bool done, hung;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

static bool start(struct job *j)
{
    int ends[2];
    if (pipe(ends))
        return false;
    fflush(stdout);
    j->pid = fork();
    if (j->pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    if (!j->pid) {
        close(ends[0]);
        // Drivers warn on standard error that they are not made for this.
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDERR_FILENO);
        FILE *out = fdopen(ends[1], "w");
        _exit(out ? compile_gpu(j->outcome.gpu, j->next, out) : 1);
    }
    close(ends[1]);
    j->fd = ends[0];
    j->heard = seconds();
    j->length = 0;
    j->hung = false;
    return true;
}

static void take_line(struct job *j, const char *line)
{
    struct outcome *o = &j->outcome;
    json_t *event = json_loads(line, 0, NULL);
    const char *name, *why = json_string_value(json_object_get(event, "why"));
    if (json_object_get(event, "device")) {
        json_decref(o->device);
        o->device = json_incref(event);
    } else if (json_object_get(event, "begin")) {
        j->next = (uint32_t) json_integer_value(json_object_get(event, "begin")) + 1;
        snprintf(j->kernel, sizeof(j->kernel), "%s", json_string_value(json_object_get(event, "kernel")));
    } else if (json_object_get(event, "skip")) {
        json_int_t count = json_integer_value(json_object_get(o->skipped, why));
        json_object_set_new(o->skipped, why, json_integer(count + 1));
    } else if ((name = json_string_value(json_object_get(event, "failed")))) {
        outcome_broken(o, name, "refused", why);
    } else if (json_object_get(event, "kernel")) {
        json_array_append(o->rows, event);
    } else if (json_object_get(event, "done")) {
        j->done = true;
    }
    json_decref(event);
}

// False at the end of the process's output.
static bool take_output(struct job *j)
{
    ssize_t n = read(j->fd, j->line + j->length, sizeof(j->line) - 1 - j->length);
    if (n <= 0)
        return false;
    j->heard = seconds();
    j->length += (size_t) n;
    j->line[j->length] = 0;
    char *from = j->line, *end;
    while ((end = strchr(from, '\n'))) {
        *end = 0;
        take_line(j, from);
        from = end + 1;
    }
    j->length = strlen(from);
    memmove(j->line, from, j->length + 1);
    return j->length < sizeof(j->line) - 1;
}

// The process has ended. Goes on behind the pipeline that broke it; false when there is nothing more to do.
static bool go_on(struct job *j)
{
    int status = 0;
    close(j->fd);
    waitpid(j->pid, &status, 0);
    if (j->done || (WIFEXITED(status) && !j->hung && json_array_size(j->outcome.failures)))
        return false;
    char why[96];
    snprintf(why, sizeof(why), WIFSIGNALED(status) ? "signal %d" : "exit status %d",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    outcome_broken(&j->outcome, j->kernel[0] ? j->kernel : "device", j->hung ? "hang" : "crash", why);
    if (!j->kernel[0] || seconds() - j->began > GPU_LIMIT)
        return false;
    j->kernel[0] = 0;
    return start(j);
}

static void stop_hung(struct job *j)
{
    double now = seconds();
    if (now - j->heard > KERNEL_LIMIT || now - j->began > GPU_LIMIT) {
        j->hung = true;
        kill(j->pid, SIGKILL);
    }
}

// Runs the GPUs of `list`, `slots` at a time. The number of GPUs that fail.
static unsigned run(const struct gpu *const *list, unsigned count, unsigned slots, const char *dir)
{
    static struct job jobs[SLOT_MAX];
    unsigned running = 0, next = 0, failed = 0;
    while (next < count || running) {
        while (next < count && running < slots) {
            struct job *j = &jobs[running];
            memset(j, 0, sizeof(*j));
            outcome_init(&j->outcome, list[next++]);
            j->began = seconds();
            if (!start(j)) {
                perror("compile_all: starting a process");
                return failed + 1;
            }
            running++;
        }
        struct pollfd fds[SLOT_MAX];
        for (unsigned i = 0; i < running; i++)
            fds[i] = (struct pollfd) { jobs[i].fd, POLLIN, 0 };
        poll(fds, running, 1000);
        // From the end: the last one moves into the place of one that is done.
        for (unsigned i = running; i-- > 0;) {
            struct job *j = &jobs[i];
            stop_hung(j);
            if (!fds[i].revents || take_output(j) || go_on(j))
                continue;
            unsigned bad = outcome_judge(&j->outcome);
            outcome_print(&j->outcome);
            if (dir && !outcome_write(&j->outcome, dir))
                bad++;
            failed += bad > 0;
            outcome_finish(&j->outcome);
            *j = jobs[--running];
        }
    }
    return failed;
}

static bool named(char **names, const char *title)
{
    for (; *names; names++) {
        if (!strcmp(*names, title))
            return true;
    }
    return false;
}

static bool known(const char *name)
{
    char title[64];
    for (unsigned i = 0; i < gpu_count; i++) {
        if (!strcmp(gpu_title(&gpus[i], title, sizeof(title)), name))
            return true;
    }
    fprintf(stderr, "%s: there is no such GPU; --list shows them\n", name);
    return false;
}

// The GPUs asked for whose driver is installed.
static unsigned choose(const struct options *o, const struct gpu **list, unsigned *wanted)
{
    unsigned count = 0;
    for (unsigned i = 0; i < gpu_count; i++) {
        char title[64], path[256];
        const struct gpu *g = &gpus[i];
        gpu_title(g, title, sizeof(title));
        if (!(o->all || o->list || (*o->names ? named(o->names, title) : g->few)))
            continue;
        ++*wanted;
        if (o->list)
            printf("%-16s %-8s %s\n", title, g->generation, g->known_as);
        else if (compile_driver(g, path, sizeof(path)))
            list[count++] = g;
        else
            printf("skip: %s: no driver %s (Debian package mesa-vulkan-drivers)\n", title, path);
    }
    return count;
}

static bool read_options(int argc, char **argv, struct options *o)
{
    int i = 1;
    for (; i < argc && argv[i][0] == '-'; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--all")) {
            o->all = true;
            continue;
        }
        if (!strcmp(argv[i], "--list")) {
            o->list = true;
            continue;
        }
        if (!value)
            return false;
        if (!strcmp(argv[i], "-j"))
            o->jobs = atoi(value);
        else if (!strcmp(argv[i], "--write"))
            o->write = value;
        else if (!strcmp(argv[i], "--exceptions"))
            o->exceptions = value;
        else
            return false;
        i++;
    }
    o->names = argv + i;
    for (; i < argc; i++) {
        if (!known(argv[i]))
            return false;
    }
    return o->jobs >= 1 && o->jobs <= SLOT_MAX;
}

int main(int argc, char **argv)
{
    struct options o = { .jobs = (int) sysconf(_SC_NPROCESSORS_ONLN), .exceptions = VKD_EXCEPTIONS };
    const struct gpu *list[256];
    unsigned wanted = 0;
    double began = seconds();
    if (!read_options(argc, argv, &o)) {
        fputs(usage, stderr);
        return 2;
    }
    if (!exceptions_read(o.exceptions))
        return 2;
    unsigned count = choose(&o, list, &wanted);
    if (o.list)
        return 0;
    unsigned failed = run(list, count, (unsigned) o.jobs, o.write);
    unsigned idle = o.all && count == wanted ? exceptions_idle() : 0;
    printf("%u of %u GPUs pass, after %.0f s\n", count - failed, count, seconds() - began);
    return failed || idle ? 1 : count ? 0 : SKIP;
}
