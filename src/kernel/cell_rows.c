/* cell_rows.c: blocks of rows by what every processor has; which variant this one takes. */
#include "kernel/cell_rows_lanes.h"
#include "kernel/cell_rows_plain.h"

const cell_rows_kernels *cell_rows_kernels_find(const char *name)
{
    static const cell_rows_kernels scalar = {"scalar", read_rows, find_values, find, buckets, add_run, add_each};
    const cell_rows_kernels *all[] = {
#if UCID_X86
        __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                __builtin_cpu_supports("avx512bw")
            ? &cell_rows_avx512
            : NULL,
        __builtin_cpu_supports("avx2") ? &cell_rows_avx2 : NULL,
#endif
        &scalar,
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] != NULL && (name == NULL || strcmp(name, all[i]->name) == 0)) return all[i];
    }
    return NULL;
}
