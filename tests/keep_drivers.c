// keep_drivers.c -- drivers stay loaded to the end, so that the leak checker can name what leaked and tests/lsan.supp
// match it. For builds with sanitizers alone.
__attribute__((visibility("default"))) int dlclose(void *handle);

int dlclose(void *handle)
{
    (void) handle;
    return 0;
}
