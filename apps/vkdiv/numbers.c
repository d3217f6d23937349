// numbers.c -- numbers that options are given.
#include "apps/vkdiv/app.h"

#include <stdlib.h>

uint64_t app_whole(const struct argp_state *state, const char *option, const char *arg, uint64_t low, uint64_t high)
{
    char *end;
    unsigned long long n = strtoull(arg, &end, 10);
    if (end == arg || *end != 0 || arg[0] == '-' || n < low || n > high)
        app_usage(state, "--%s: expected a whole number from %llu to %llu, found '%s'", option, (unsigned long long)low,
                  (unsigned long long)high, arg);
    return n;
}

static bool is_within(double x, struct app_range r)
{
    return r.open ? x > r.low && x < r.high : x >= r.low && x <= r.high;
}

double app_real(const struct argp_state *state, const char *option, const char *arg, struct app_range range)
{
    char *end;
    double x = strtod(arg, &end);
    if (end == arg || *end != 0 || !is_within(x, range))
        app_usage(state, range.open ? "--%s: expected a number above %g and below %g, found '%s'" :
                  "--%s: expected a number from %g to %g, found '%s'", option, range.low, range.high, arg);
    return x;
}

uint32_t app_reals(const struct argp_state *state, const char *option, const char *arg, struct app_range range, double *values,
                   uint32_t most)
{
    uint32_t count = 0;
    for (const char *at = arg;; at++) {
        char *end;
        double x = strtod(at, &end);
        if (end == at || (*end != 0 && *end != ',') || !is_within(x, range) || count == most)
            app_usage(state, range.open ? "--%s: expected at most %u numbers above %g and below %g, by commas, found '%s'" :
                      "--%s: expected at most %u numbers from %g to %g, by commas, found '%s'", option, most,
                      range.low, range.high, arg);
        values[count++] = x;
        if (*end == 0)
            return count;
        at = end;
    }
}
