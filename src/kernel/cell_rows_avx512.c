/* cell_rows_avx512.c: blocks of rows by vectors of AVX-512 (x86-64). */
#include "kernel/cell_rows_lanes.h"

const cell_rows_kernels cell_rows_avx512 = {"avx512", read_rows, add_run};
