/* fail_malloc.c: loaded before a program (LD_PRELOAD), makes its allocation number UCID_FAIL_AT fail, or all from that
 * one on with UCID_FAIL_ON=1. Allocations are counted from the moment that main begins, over malloc, calloc and realloc
 * of all libraries. Writes the count to the file UCID_FAIL_COUNT at the end. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

static atomic_llong counted;
static long long fail_at;
static int fail_on, counting;

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("UCID_FAIL_AT"), *on = getenv("UCID_FAIL_ON");
    fail_at = at != NULL ? atoll(at) : 0;
    fail_on = on != NULL;
    counting = 1;
}

__attribute__((destructor)) static void end(void)
{
    counting = 0;
    const char *path = getenv("UCID_FAIL_COUNT");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL) return;
    fprintf(file, "%lld\n", atomic_load(&counted));
    fclose(file);
}

static int fails(void)
{
    if (!counting) return 0;
    long long n = atomic_fetch_add(&counted, 1) + 1;
    if (fail_at == 0 || (fail_on ? n < fail_at : n != fail_at)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *ptr, size_t size) { return fails() ? NULL : __libc_realloc(ptr, size); }
