// os_posix_files.c -- the files and folders of os.h for POSIX systems.
#define _POSIX_C_SOURCE 200809L
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static vkd_result why_errno(struct vkd__why *why, const char *path, const char *action)
{
    int error = errno;
    char words[128] = "";
    const char *text = strerror_r(error, words, sizeof words) == 0 ? words : "unknown error";
    if (why)
        snprintf(why->text, sizeof why->text, "%.340s: cannot %s: %s", path, action, text);
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
