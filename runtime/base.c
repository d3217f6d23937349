// base.c -- the version, result texts and the log line.
#include <vkdiv/base.h>

#include <stdarg.h>
#include <stdio.h>

const char *vkd_version(void)
{
    return VKD_VERSION;
}

const char *vkd_result_text(vkd_result r)
{
    switch (r) {
#define X(name, value, text) case VKD_##name: return text;
    VKD_RESULTS(X)
#undef X
    }
    return "unknown result";
}

void vkd_log_write(const struct vkd_log *log, enum vkd_log_level level, const char *format, ...)
{
    if (!log || !log->fn)
        return;
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log->fn(log->user, level, text);
}
