// harness.c -- probes that go wrong on purpose: `vkdiv selftest --filter 'harness.*'` shows that each becomes a row.
#include "apps/selftest/selftest.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void crash(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    selftest_at(t, "about to crash");
    fprintf(stderr, "the driver's last words\n");
    signal(SIGSEGV, SIG_DFL);
    raise(SIGSEGV);
}

static void hang(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    selftest_at(t, "about to hang");
    for (;;)
        pause();
}

static void leave(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)t, (void)p;
    _exit(7);
}

static void garbage(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    fputs("{\"verdict\": \"splendid\"\x01\n", t->out);
    selftest_say(t, SELFTEST_PASS, "after a line that is none");
}

static void flood(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    for (;;)
        fputs("more and more", t->out);
}

static void chatter(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    printf("to standard output, where drivers may write\n");
    selftest_say(t, SELFTEST_PASS, "what a driver prints is no line of the probe");
}

static void silence(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)t, (void)p;
}

static void late_crash(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    fputs("{\"verdict\": \"pass\", \"detail\": \"and then\", \"numbers\": {}}\n", t->out);
    fflush(t->out);
    abort();
}

static void skip(struct selftest_run *t, const struct selftest_probe *p)
{
    (void)p;
    selftest_say(t, SELFTEST_SKIP, "a skip has a reason");
}

static const struct selftest_probe probes[] = {
    { .name = "crash", .about = "a signal", .run = crash, .no_device = true },
    { .name = "hang", .about = "no sign of life", .run = hang, .no_device = true },
    { .name = "exit", .about = "an end without a result", .run = leave, .no_device = true },
    { .name = "garbage", .about = "a line that is no JSON", .run = garbage, .no_device = true },
    { .name = "flood", .about = "a line without an end", .run = flood, .no_device = true },
    { .name = "silence", .about = "no verdict", .run = silence, .no_device = true },
    { .name = "late", .about = "a crash after the result", .run = late_crash, .no_device = true },
    { .name = "chatter", .about = "output of a driver", .run = chatter, .no_device = true },
    { .name = "skip", .about = "a skip", .run = skip, .no_device = true },
};

const struct selftest_part selftest_part_harness = {
    .name = "harness", .title = "Harness", .place = 100, .hidden = true, .probes = probes,
    .count = sizeof probes / sizeof probes[0],
};
