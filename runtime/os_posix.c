// os_posix.c -- os.h for POSIX systems: the one file that knows threads, files and signals.
#ifdef __linux__
  #define _GNU_SOURCE       // sched_getaffinity: a container often owns fewer processors than it sees
#else
  #define _POSIX_C_SOURCE 200809L
#endif
#include "os.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#ifdef __linux__
#include <sched.h>
#endif
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static vkd_result why_errno(struct vkd__why *why, const char *path, const char *action)
{
    int error = errno;
    char words[128] = "";
    // Both the XSI and the GNU variant leave the text in `words` or return it; this takes either.
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    const char *text = strerror_r(error, words, sizeof words);
#else
    const char *text = strerror_r(error, words, sizeof words) == 0 ? words : "unknown error";
#endif
    if (why)
        snprintf(why->text, sizeof why->text, "%.380s: cannot %s: %s", path, action, text);
    return error == ENOMEM ? VKD_NO_MEMORY : VKD_IO;
}

static VKD_PRINTF(2, 3) vkd_result why_text(struct vkd__why *why, const char *format, ...)
{
    if (why) {
        va_list args;
        va_start(args, format);
        vsnprintf(why->text, sizeof why->text, format, args);
        va_end(args);
    }
    return VKD_IO;
}

static vkd_result why_memory(struct vkd__why *why, const char *path)
{
    (void)why_text(why, "%.380s: out of memory", path);
    return VKD_NO_MEMORY;
}

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

// ---- Files ----

// Opens a regular file for reading; folders, pipes and devices are refused (a FIFO would hang).
static vkd_result open_regular(const char *path, int *fd, uint64_t *size, struct vkd__why *why)
{
    int f = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f < 0)
        return why_errno(why, path, "open");
    struct stat st;
    vkd_result r = VKD_OK;
    if (fstat(f, &st))
        r = why_errno(why, path, "inspect");
    else if (!S_ISREG(st.st_mode))
        r = why_text(why, "%.380s: expected a regular file, found a %s", path,
                     S_ISDIR(st.st_mode) ? "folder" : "device, pipe or socket");
    else if (st.st_size < 0 || (uint64_t)st.st_size > SIZE_MAX / 2)
        r = why_text(why, "%.380s: too large for this system", path);
    if (r != VKD_OK) {
        close(f);
        return r;
    }
    *fd = f;
    *size = (uint64_t)st.st_size;
    return VKD_OK;
}

vkd_result vkd__file_map(const char *path, const uint8_t **data, uint64_t *size, struct vkd__why *why)
{
    int fd;
    uint64_t bytes;
    vkd_result r = open_regular(path, &fd, &bytes, why);
    if (r != VKD_OK)
        return r;
    void *p = NULL;
    if (bytes) {
        p = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            r = why_errno(why, path, "map");
    }
    close(fd);
    if (r != VKD_OK)
        return r;
    *data = p;
    *size = bytes;
    return VKD_OK;
}

void vkd__file_unmap(const uint8_t *data, uint64_t size)
{
    if (data && size)
        munmap((void *)(uintptr_t)data, (size_t)size);
}

vkd_result vkd__file_read(const char *path, uint64_t limit, uint8_t **data, uint64_t *size, struct vkd__why *why)
{
    int fd;
    uint64_t bytes, done = 0;
    vkd_result r = open_regular(path, &fd, &bytes, why);
    if (r != VKD_OK)
        return r;
    uint8_t *p = NULL;
    if (bytes > limit) {
        r = why_text(why, "%.380s: %llu bytes, more than the limit of %llu", path, (unsigned long long)bytes,
                     (unsigned long long)limit);
        goto fail;
    }
    p = malloc((size_t)bytes + 1);
    if (!p) {
        r = why_memory(why, path);
        goto fail;
    }
    while (done < bytes) {
        ssize_t n = read(fd, p + done, (size_t)(bytes - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            r = why_errno(why, path, "read");
            goto fail;
        }
        if (n == 0)
            break;          // the file shrank meanwhile: what is there is what was read
        done += (uint64_t)n;
    }
    close(fd);
    p[done] = 0;
    *data = p;
    *size = done;
    return VKD_OK;
fail:
    free(p);
    close(fd);
    return r;
}

static vkd_result write_all(int fd, const char *path, const uint8_t *p, uint64_t size, struct vkd__why *why)
{
    for (uint64_t left = size; left;) {
        ssize_t n = write(fd, p, left > 1u << 30 ? 1u << 30 : (size_t)left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT)) {
            snprintf(why->text, sizeof why->text, "%.350s: cannot write its %llu bytes: %s", path, (unsigned long long)size,
                     strerror(errno));
            return VKD_IO;
        }
        if (n < 0)
            return why_errno(why, path, "write");
        p += n;
        left -= (uint64_t)n;
    }
    return VKD_OK;
}

// Makes a rename durable. File systems that cannot sync a folder say EINVAL; that is no loss of data.
static vkd_result sync_parent(const char *path, struct vkd__why *why)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    char *parent = malloc(n + 2);
    if (!parent)
        return why_memory(why, path);
    memcpy(parent, path, n);
    parent[n] = 0;
    if (!n)
        memcpy(parent, slash ? "/" : ".", 2);
    vkd_result r = VKD_OK;
    int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        r = why_errno(why, parent, "open the folder");
    else if (fsync(fd) && errno != EINVAL && errno != EBADF)
        r = why_errno(why, parent, "sync the folder");
    if (fd >= 0)
        close(fd);
    free(parent);
    return r;
}

// Opens the temporary file beside `path`; its name is malloc'd.
static vkd_result open_beside(const char *path, char **temp, int *fd, struct vkd__why *why)
{
    size_t n = strlen(path);
    struct stat st;
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))     // no device shall become a file
        return why_text(why, "%.380s: expected a file to replace, found a %s", path,
                        S_ISDIR(st.st_mode) ? "folder" : "device or the like");
    char *name = malloc(n + 12);
    if (!name)
        return why_memory(why, path);
    // One writer per path is the rule; the process number keeps two programs apart.
    snprintf(name, n + 12, "%s.%08lx~", path, (unsigned long)getpid() & 0xfffffffful);
    *fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (*fd < 0) {
        free(name);
        return why_errno(why, path, "create");
    }
    *temp = name;
    return VKD_OK;
}

vkd_result vkd__file_replaceable(const char *path, struct vkd__why *why)
{
    char *temp;
    int fd;
    vkd_result r = open_beside(path, &temp, &fd, why);
    if (r != VKD_OK)
        return r;
    close(fd);
    unlink(temp);
    free(temp);
    return VKD_OK;
}

vkd_result vkd__file_replace(const char *path, const void *data, uint64_t size, struct vkd__why *why)
{
    char *temp;
    int fd;
    vkd_result r = open_beside(path, &temp, &fd, why);
    if (r != VKD_OK)
        return r;
    r = write_all(fd, path, data, size, why);
    if (r != VKD_OK)
        goto fail;
    if (fsync(fd)) {
        r = why_errno(why, path, "sync");
        goto fail;
    }
    int error = close(fd);
    fd = -1;
    if (error) {
        r = why_errno(why, path, "close");
        goto fail;
    }
    if (rename(temp, path)) {
        r = why_errno(why, path, "replace");
        goto fail;
    }
    free(temp);
    return sync_parent(path, why);
fail:
    if (fd >= 0)
        close(fd);
    unlink(temp);
    free(temp);
    return r;
}

vkd_result vkd__dir_create(const char *path, struct vkd__why *why)
{
    size_t n = strlen(path);
    if (!n)
        return why_text(why, "a folder's name is empty");
    char *p = malloc(n + 1);
    if (!p)
        return why_memory(why, path);
    memcpy(p, path, n + 1);
    vkd_result r = VKD_OK;
    for (size_t i = 1; i <= n && r == VKD_OK; i++) {
        if (p[i] != '/' && p[i] != 0)
            continue;
        char old = p[i];
        p[i] = 0;
        if (mkdir(p, 0777)) {
            int error = errno;
            struct stat st;
            bool exists = stat(p, &st) == 0;
            if (exists && !S_ISDIR(st.st_mode)) {
                r = why_text(why, "%.380s: expected a folder, found a file", p);
            } else if (!exists) {
                errno = error;
                r = why_errno(why, p, "create the folder");
            }
        }
        p[i] = old;
    }
    free(p);
    return r;
}

vkd_result vkd__dir_writable(const char *path, struct vkd__why *why)
{
    return access(path, W_OK | X_OK) ? why_errno(why, path, "write into the folder") : VKD_OK;
}

vkd_result vkd__dir_create_temporary(const char *parent, const char *prefix, char *path, size_t size,
                                    struct vkd__why *why)
{
    int n = snprintf(path, size, "%s/%sXXXXXX", parent, prefix);
    if (n < 0 || (size_t)n >= size) {
        errno = ENAMETOOLONG;
        return why_errno(why, parent, "create a folder in");
    }
    return mkdtemp(path) ? VKD_OK : why_errno(why, parent, "create a folder in");
}

void vkd__dir_remove_empty(const char *path)
{
    (void) !rmdir(path);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Lays pointers and names (one after the other in `text`) out as one block, sorted.
static char **pack_names(const char *text, size_t text_size, uint32_t count)
{
    size_t table = ((size_t)count + 1) * sizeof(char *);
    if (text_size > SIZE_MAX - table)
        return NULL;
    char **names = malloc(table + text_size);
    if (!names)
        return NULL;
    char *copy = (char *)names + table;
    if (text_size)
        memcpy(copy, text, text_size);
    for (uint32_t i = 0; i < count; i++) {
        names[i] = copy;
        copy += strlen(copy) + 1;
    }
    names[count] = NULL;
    qsort(names, count, sizeof *names, compare_names);
    return names;
}

vkd_result vkd__dir_list(const char *path, char ***names, uint32_t *count, struct vkd__why *why)
{
    DIR *dir = opendir(path);
    if (!dir)
        return why_errno(why, path, "open the folder");
    vkd_result r = VKD_OK;
    char *text = NULL;
    size_t used = 0, room = 0;
    uint32_t n = 0;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (!e && errno)
            r = why_errno(why, path, "list the folder");
        if (!e)
            break;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        size_t size = strlen(e->d_name) + 1;
        if (n == UINT32_MAX - 1) {
            r = why_text(why, "%.380s: more entries than can be counted", path);
            break;
        }
        if (room - used < size) {
            size_t more = room ? room * 2 : 4096;
            char *grown = more > room && more - used >= size ? realloc(text, more) : NULL;
            if (!grown) {
                r = why_memory(why, path);
                break;
            }
            text = grown;
            room = more;
        }
        memcpy(text + used, e->d_name, size);
        used += size;
        n++;
    }
    closedir(dir);
    char **packed = r == VKD_OK ? pack_names(text, used, n) : NULL;
    free(text);
    if (r == VKD_OK && !packed)
        r = why_memory(why, path);
    if (r != VKD_OK)
        return r;
    *names = packed;
    *count = n;
    return VKD_OK;
}

enum vkd__path_kind vkd__path_kind(const char *path, uint64_t *size, double *modified)
{
    struct stat st;
    if (stat(path, &st))
        return VKD__PATH_NONE;
    if (size)
        *size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    if (modified)
        *modified = (double)st.st_mtim.tv_sec + 1e-9 * (double)st.st_mtim.tv_nsec;
    if (S_ISREG(st.st_mode))
        return VKD__PATH_FILE;
    return S_ISDIR(st.st_mode) ? VKD__PATH_DIR : VKD__PATH_OTHER;
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
