/* fsync and fdatasync that first wait as many seconds as the file named in SLOW_SYNC says. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void rest(void) {
    const char *name = getenv("SLOW_SYNC");
    FILE *file = name ? fopen(name, "r") : NULL;
    double seconds = 0.0;
    if (file) {
        if (fscanf(file, "%lf", &seconds) != 1) seconds = 0.0;
        fclose(file);
    }
    struct timespec time = {(time_t)seconds, (long)((seconds - (time_t)seconds) * 1e9)};
    nanosleep(&time, NULL);
}

int fsync(int fd) {
    rest();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}

int fdatasync(int fd) {
    rest();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
