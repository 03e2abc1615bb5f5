/* cell_rows_avx2.c: blocks of rows by vectors of AVX2 (x86-64). */
#include "kernel/cell_rows_lanes.h"
#include "kernel/cell_rows_plain.h"

const cell_rows_kernels cell_rows_avx2 = {"avx2", read_rows, find_values, find, buckets, add_run, add_each};
