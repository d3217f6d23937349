// os_posix.c -- os.h for POSIX systems: clock, threads, terminal and signals; os_posix_files.c has the files.
#ifdef __linux__
  #define _GNU_SOURCE       // sched_getaffinity: a container often owns fewer processors than it sees
#else
  #define _POSIX_C_SOURCE 200809L
#endif
#include "os.h"

#include <dlfcn.h>
#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

// ---- Clock ----

static double clock_seconds(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double vkd__os_seconds(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

double vkd__os_wall_seconds(void)
{
    return clock_seconds(CLOCK_REALTIME);
}

unsigned vkd__os_cpu_count(void)
{
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0)
        return (unsigned)CPU_COUNT(&set);
#endif
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (unsigned)n : 1;
}

uint64_t vkd__os_memory_free(void)
{
#ifdef __linux__
    FILE *f = fopen("/proc/meminfo", "re");
    if (f) {
        char line[256];
        unsigned long long kib = 0;
        bool found = false;
        while (!found && fgets(line, sizeof line, f))
            found = sscanf(line, "MemAvailable: %llu kB", &kib) == 1;
        fclose(f);
        if (found)
            return (uint64_t)kib * 1024;
    }
#endif
#ifdef _SC_AVPHYS_PAGES
    long pages = sysconf(_SC_AVPHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    if (pages > 0 && size > 0)
        return (uint64_t)pages * (uint64_t)size;
#endif
    return 0;
}

// ---- Threads ----

struct vkd__thread { pthread_t id; void (*fn)(void *arg); void *arg; };
struct vkd__mutex { pthread_mutex_t m; };
struct vkd__cond { pthread_cond_t c; };

static void *thread_main(void *arg)
{
    struct vkd__thread *t = arg;
    t->fn(t->arg);
    return NULL;
}

// Signals are left to the thread that started the program: they must not interrupt a worker.
vkd_result vkd__thread_start(struct vkd__thread **out, void (*fn)(void *arg), void *arg)
{
    struct vkd__thread *t = malloc(sizeof *t);
    if (!t)
        return VKD_NO_MEMORY;
    t->fn = fn;
    t->arg = arg;
    sigset_t block, old;
    sigfillset(&block);
    pthread_sigmask(SIG_SETMASK, &block, &old);
    int error = pthread_create(&t->id, NULL, thread_main, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error) {
        free(t);
        return VKD_NO_MEMORY;
    }
    *out = t;
    return VKD_OK;
}

void vkd__thread_join(struct vkd__thread **t)
{
    if (!t || !*t)
        return;
    pthread_join((*t)->id, NULL);
    free(*t);
    *t = NULL;
}

vkd_result vkd__mutex_create(struct vkd__mutex **out)
{
    struct vkd__mutex *m = malloc(sizeof *m);
    if (!m)
        return VKD_NO_MEMORY;
    if (pthread_mutex_init(&m->m, NULL)) {
        free(m);
        return VKD_NO_MEMORY;
    }
    *out = m;
    return VKD_OK;
}

void vkd__mutex_destroy(struct vkd__mutex **m)
{
    if (!m || !*m)
        return;
    pthread_mutex_destroy(&(*m)->m);
    free(*m);
    *m = NULL;
}

void vkd__mutex_lock(struct vkd__mutex *m)
{
    pthread_mutex_lock(&m->m);
}

void vkd__mutex_unlock(struct vkd__mutex *m)
{
    pthread_mutex_unlock(&m->m);
}

vkd_result vkd__cond_create(struct vkd__cond **out)
{
    struct vkd__cond *c = malloc(sizeof *c);
    if (!c)
        return VKD_NO_MEMORY;
    if (pthread_cond_init(&c->c, NULL)) {
        free(c);
        return VKD_NO_MEMORY;
    }
    *out = c;
    return VKD_OK;
}

void vkd__cond_destroy(struct vkd__cond **c)
{
    if (!c || !*c)
        return;
    pthread_cond_destroy(&(*c)->c);
    free(*c);
    *c = NULL;
}

void vkd__cond_wait(struct vkd__cond *c, struct vkd__mutex *m)
{
    pthread_cond_wait(&c->c, &m->m);
}

void vkd__cond_broadcast(struct vkd__cond *c)
{
    pthread_cond_broadcast(&c->c);
}

void vkd__os_program_path(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size);
    path[length > 0 && (size_t)length < size ? length : 0] = 0;
}

// ---- Libraries ----

void (*vkd__os_vulkan_loader(void))(void)
{
    static const char *const names[] = { "libvulkan.so.1", "libvulkan.so", "libvulkan.1.dylib", "libMoltenVK.dylib" };
    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        void *lib = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        if (!lib)
            continue;
        void (*fn)(void);
        *(void **) &fn = dlsym(lib, "vkGetInstanceProcAddr");
        if (fn)
            return fn;
        dlclose(lib);
    }
    return NULL;
}

// ---- Terminal ----

bool vkd__os_is_terminal(int fd)
{
    return isatty(fd) == 1;
}

unsigned vkd__os_terminal_columns(int fd)
{
#ifdef TIOCGWINSZ
    struct winsize w;
    if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0)
        return w.ws_col;
#else
    (void)fd;
#endif
    return 80;
}

// ---- Signals ----

static volatile sig_atomic_t interrupted;

// The second SIGINT meets the default action, so a stuck program can still be ended by hand.
static void on_signal(int number)
{
    interrupted = 1;
    if (number == SIGINT) {
        struct sigaction plain = { .sa_handler = SIG_DFL };
        sigaction(SIGINT, &plain, NULL);
    }
}

void vkd__os_catch_interrupt(void)
{
    struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

bool vkd__os_interrupted(void)
{
    return interrupted != 0;
}
