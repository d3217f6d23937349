// os.h -- the only door to the operating system: threads, clocks, files, terminals, signals.
// Internal. A port to another system replaces os_posix*.c and nothing else.
#ifndef VKD_OS_H
#define VKD_OS_H

#include <vkdiv/base.h>

// ---- Clock ----
double vkd__os_seconds(void);           // monotonic
double vkd__os_wall_seconds(void);      // since 1970
unsigned vkd__os_cpu_count(void);       // processors this process may use, >= 1
uint64_t vkd__os_memory_free(void);     // bytes of host memory available, 0 when unknown

// ---- Threads ----
struct vkd__thread; struct vkd__mutex; struct vkd__cond;
VKD_CHECKED vkd_result vkd__thread_start(struct vkd__thread **out, void (*fn)(void *arg), void *arg);
void vkd__thread_join(struct vkd__thread **t);          // NULL is fine
VKD_CHECKED vkd_result vkd__mutex_create(struct vkd__mutex **out);
void vkd__mutex_destroy(struct vkd__mutex **m);
void vkd__mutex_lock(struct vkd__mutex *m);
void vkd__mutex_unlock(struct vkd__mutex *m);
VKD_CHECKED vkd_result vkd__cond_create(struct vkd__cond **out);
void vkd__cond_destroy(struct vkd__cond **c);
void vkd__cond_wait(struct vkd__cond *c, struct vkd__mutex *m);
void vkd__cond_broadcast(struct vkd__cond *c);

// ---- Files: errors are VKD_IO with a text in `why` (path, what was tried, errno's words) ----
struct vkd__why { char text[512]; };

// Maps a whole file read-only. *data is NULL and *size 0 for an empty file.
VKD_CHECKED vkd_result vkd__file_map(const char *path, const uint8_t **data, uint64_t *size, struct vkd__why *why);
void vkd__file_unmap(const uint8_t *data, uint64_t size);
// Reads a whole file of at most `limit` bytes into malloc'd memory with a 0 byte behind the end.
VKD_CHECKED vkd_result vkd__file_read(const char *path, uint64_t limit, uint8_t **data, uint64_t *size,
                                      struct vkd__why *why);
// Replaces `path` atomically: temporary file beside it, write, fsync, rename, fsync of the folder.
VKD_CHECKED vkd_result vkd__file_replace(const char *path, const void *data, uint64_t size, struct vkd__why *why);
// Whether that could be done now: makes and removes the temporary file.
VKD_CHECKED vkd_result vkd__file_replaceable(const char *path, struct vkd__why *why);
// Creates a folder and its parents; fine when it exists.
VKD_CHECKED vkd_result vkd__dir_create(const char *path, struct vkd__why *why);
// Creates a folder PARENT/PREFIX...... under a name that nothing had, for this user alone; `path` gets its name.
VKD_CHECKED vkd_result vkd__dir_create_temporary(const char *parent, const char *prefix, char *path, size_t size,
                                                 struct vkd__why *why);
// Whether files can be made in a folder.
VKD_CHECKED vkd_result vkd__dir_writable(const char *path, struct vkd__why *why);
// Removes a folder with nothing in it; anything else stays.
void vkd__dir_remove_empty(const char *path);
// Names in a folder, without "." and "..", sorted bytewise; *names is one malloc'd block to free().
VKD_CHECKED vkd_result vkd__dir_list(const char *path, char ***names, uint32_t *count, struct vkd__why *why);
enum vkd__path_kind { VKD__PATH_NONE, VKD__PATH_FILE, VKD__PATH_DIR, VKD__PATH_OTHER };
enum vkd__path_kind vkd__path_kind(const char *path, uint64_t *size, double *modified); // out: NULL ok

// The path of the running program, links resolved; "" when the system does not tell it or `size` is too small.
void vkd__os_program_path(char *path, size_t size);

// ---- Libraries ----
// The address of vkGetInstanceProcAddr in the system's Vulkan loader, which then stays loaded; NULL
// when there is no loader.
void (*vkd__os_vulkan_loader(void))(void);

// ---- Terminal ----
bool vkd__os_is_terminal(int fd);
unsigned vkd__os_terminal_columns(int fd);   // 80 when unknown

// ---- Signals (apps only): a flag set by SIGINT/SIGTERM; a second SIGINT ends the process ----
void vkd__os_catch_interrupt(void);
bool vkd__os_interrupted(void);

#endif
