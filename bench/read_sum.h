/* read_sum.h: what both readers find, so that equal work is seen to give equal answers. */
#ifndef UCID_BENCH_READ_SUM_H
#define UCID_BENCH_READ_SUM_H

#include <stdint.h>

typedef struct read_sum {
    uint64_t nodes, ways, relations;
    uint64_t tags, refs, members;
    uint64_t coordinates; /* sum of all, wrapped */
} read_sum;

#ifdef __cplusplus
extern "C"
#endif
    /* 0 where libosmium cannot read the file. */
    int
    read_with_osmium(const char *path, int threads, read_sum *sum);

#endif
