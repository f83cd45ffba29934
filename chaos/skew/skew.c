/* Preloaded into a process, shifts what it takes for the time of day by TE_SKEW_MS. Monotonic clocks stay true.
 * System calls and not dlsym: allocators ask for the time while they start, before dlsym can work. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long skew_ms(void) {
    const char *text = getenv("TE_SKEW_MS");
    return text ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    long result = syscall(SYS_clock_gettime, clock, at);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        long long ns = at->tv_nsec + skew_ms() % 1000 * 1000000LL;
        at->tv_sec += skew_ms() / 1000;
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
