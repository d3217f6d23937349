// base.h -- results, attributes and the log callback that every other header uses.
#ifndef VKDIV_BASE_H
#define VKDIV_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
  #define VKD_CHECKED __attribute__((warn_unused_result))
  #define VKD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
  #define VKD_PUBLIC_BEGIN _Pragma("GCC visibility push(default)")
  #define VKD_PUBLIC_END   _Pragma("GCC visibility pop")
#else
  #define VKD_CHECKED
  #define VKD_PRINTF(fmt, args)
  #define VKD_PUBLIC_BEGIN
  #define VKD_PUBLIC_END
#endif

// Around the declarations of every public header: what stands between is C, and the shared library exports it.
#ifdef __cplusplus
  #define VKD_BEGIN VKD_PUBLIC_BEGIN extern "C" {
  #define VKD_END   } VKD_PUBLIC_END
#else
  #define VKD_BEGIN VKD_PUBLIC_BEGIN
  #define VKD_END   VKD_PUBLIC_END
#endif

VKD_BEGIN

// Of these headers, by the rules of semver.org. While it begins with 0., a new second number may break programs,
// and a shared library with another one refuses to be loaded by them.
#define VKD_VERSION "0.1.0"

// The version of the library in use: a static string. Thread-safety: safe.
const char *vkd_version(void);

// Every way a call can fail. The list is short on purpose: a caller can only react in a few
// ways; the detail is in the log line that precedes the return.
#define VKD_RESULTS(X)                                              \
    X(OK,           0, "ok")                                        \
    X(INVALID,     -1, "the caller broke a documented rule")        \
    X(NO_MEMORY,   -2, "host or device memory exhausted")           \
    X(UNSUPPORTED, -3, "the device lacks a required feature")       \
    X(DEVICE_LOST, -4, "the device is gone; destroy everything")    \
    X(IO,          -5, "a file could not be read or written")       \
    X(FORMAT,      -6, "a file was read but is not valid")          \
    X(DIVERGED,    -7, "a computed value is not finite")            \
    X(INTERRUPTED, -8, "stopped on request after saving")

typedef enum vkd_result {
#define X(name, value, text) VKD_##name = value,
    VKD_RESULTS(X)
#undef X
} vkd_result;

// The text of `r`: a static string, never NULL. Thread-safety: safe.
const char *vkd_result_text(vkd_result r);

enum vkd_log_level { VKD_LOG_ERROR, VKD_LOG_WARNING, VKD_LOG_INFO, VKD_LOG_DEBUG };

// Where messages go. `fn` may be NULL (messages are dropped); it may be called from any thread
// that calls into vkdiv, and from vkdiv's own loader threads. `text` has no newline at its end
// and lives only for the call.
struct vkd_log {
    void (*fn)(void *user, enum vkd_log_level level, const char *text);
    void *user;
};

// Formats a message of at most 2047 bytes and hands it to `log` (NULL is allowed).
// Thread-safety: that of log->fn.
void vkd_log_write(const struct vkd_log *log, enum vkd_log_level level, const char *format, ...)
    VKD_PRINTF(3, 4);

VKD_END
#endif
