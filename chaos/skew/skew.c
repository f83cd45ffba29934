/* Preloaded into a process, shifts what it takes for the time of day by TE_SKEW_MS, or by the number of milliseconds (eight
 * bytes) that the file TE_SKEW_FILE has at the moment. Monotonic clocks stay true.
 * System calls and not dlsym: allocators ask for the time while they start, before dlsym can work. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile long long *shared_ms(void) {
    static const volatile long long *shared;
    const char *path = shared ? NULL : getenv("TE_SKEW_FILE");
    if (path) {
        int file = open(path, O_RDONLY);
        void *at = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
        if (at != MAP_FAILED) shared = at;
        if (file >= 0) close(file);
    }
    return shared;
}

static long long skew_ms(void) {
    const volatile long long *shared = shared_ms();
    const char *text = shared ? NULL : getenv("TE_SKEW_MS");
    return shared ? *shared : text ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    long result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long skew = skew_ms();
        long long ns = at->tv_nsec + skew % 1000 * 1000000LL;
        at->tv_sec += skew / 1000;
        if (ns < 0) { ns += 1000000000LL; at->tv_sec -= 1; }
        if (ns >= 1000000000LL) { ns -= 1000000000LL; at->tv_sec += 1; }
        at->tv_nsec = ns;
    }
    return (int)result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
