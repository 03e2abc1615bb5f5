/* replay.c: runs a fuzzer's function over files and folders of files, so that every compiler can replay a corpus. */
#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    size_t capacity = 4096, size = 0;
    uint8_t *data = malloc(capacity);
    while (data != NULL) {
        size += fread(data + size, 1, capacity - size, file);
        if (size < capacity) break;
        uint8_t *larger = realloc(data, capacity *= 2);
        if (larger == NULL) free(data);
        data = larger;
    }
    fclose(file);
    /* A block of exactly this size, so that a sanitizer sees a read past its end. */
    uint8_t *exact = data == NULL ? NULL : malloc(size > 0 ? size : 1);
    if (exact == NULL) {
        fprintf(stderr, "%s: out of memory\n", path);
        free(data);
        return -1;
    }
    memcpy(exact, data, size);
    free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

/* Number of inputs that ran, or -1. */
static int replay(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL) return errno == ENOTDIR ? replay_file(path) : (perror(path), -1);
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL && count >= 0;) {
        char name[4096];
        if (entry->d_name[0] == '.') continue;
        int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        int ran = length < (int)sizeof name ? replay(name) : -1;
        count = ran < 0 ? -1 : count + ran;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') continue; /* an option of libFuzzer */
        int ran = replay(argv[i]);
        if (ran < 0) return 1;
        count += ran;
    }
    printf("%d inputs\n", count);
    return count > 0 ? 0 : 1;
}
