/* Functions of glibc that Debian's libstdc++ and libgcc ask for, so that a trial run on musl can load them. */
typedef unsigned long size_t;

size_t strftime_l(char *text, size_t size, const char *format, const void *time, void *locale);
long getrandom(void *bytes, size_t size, unsigned flags);

char __libc_single_threaded = 0;

struct {
    unsigned vendor, type, subtype, features;
} __cpu_model;

int __cpu_indicator_init(void) {
    return 0;
}

/* -1: the caller looks an object up by dl_iterate_phdr. */
int _dl_find_object(void *address, void *result) {
    (void)address;
    (void)result;
    return -1;
}

size_t __strftime_l(char *text, size_t size, const char *format, const void *time, void *locale) {
    return strftime_l(text, size, format, time, locale);
}

unsigned arc4random(void) {
    unsigned value = 0;
    getrandom(&value, sizeof value, 0);
    return value;
}

/* Objects of threads are not destroyed: the process of a trial run ends anyway. */
int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *handle) {
    (void)destroy;
    (void)object;
    (void)handle;
    return 0;
}
