/* cell_rows_lanes.h: the passes of cell_rows.h; included by one file for each instruction set. */
#include "id/cell.h"
#include "kernel/cell_rows.h"

#include <string.h>

enum { MISSING = UINT16_MAX };

static const uint64_t digit_ends = 01111111111111111u; /* the lowest bit of each */
/* Base cells that are pentagons, and those above 121. */
static const uint64_t not_plain[2] = {0x8402004001004010u, 0xFC20080200080100u};

/* Keys of the parents; returns how many have none. Where all cells have the mode and resolution of the first and no
 * base cell is a pentagon, which lacks children, only digits are looked at. */
static int find_keys(const uint64_t *cells, int n, int resolution, uint64_t *keys)
{
    uint64_t first = cells[0], differs = first >> 56 ^ 8, wrong = 0;
    uint64_t unused = ((uint64_t)1 << (45 - 3 * (first >> 52 & 15))) - 1, used = 0x1FFFFFFFFFFFu & ~unused;
    int shift = 45 - 3 * resolution;
    for (int i = 0; i < n; i++) {
        uint64_t cell = cells[i], digits = cell & used, base = cell >> 45 & 127;
        uint64_t half = base > 63 ? not_plain[1] : not_plain[0];
        differs |= (cell ^ first) >> 52;
        wrong |= (~cell & unused) | (digits & digits >> 1 & digits >> 2 & digit_ends) | (half >> (base & 63) & 1);
        keys[i] = (cell & (((uint64_t)1 << 52) - 1)) >> shift;
    }
    if (differs == 0 && wrong == 0 && (int)(first >> 52 & 15) >= resolution) return 0;
    int nowhere = 0;
    for (int i = 0; i < n; i++) {
        uint64_t parent = ucid_cell_parent_bits(cells[i], resolution);
        keys[i] = parent != 0 ? cell_rows_key(parent, resolution) : CELL_ROWS_NOWHERE;
        nowhere += parent == 0;
    }
    return nowhere;
}

/* Hundredths of values 0..most; MISSING for others. The check is of doubles alone and what follows of integers alone,
 * so that compilers make vectors of both. */
static void find_hundredths(const double *values, int n, double most, uint32_t *hundredths)
{
    for (int i = 0; i < n; i++) {
        double value = values[i], fits = ((value >= 0.0) & (value <= most)) ? value : MISSING / 100.0;
        hundredths[i] = (uint32_t)(int32_t)(fits * 100.0 + 0.5);
    }
}

static void find_values(const ucid_aggregate_rows *rows, int64_t first, int n, uint32_t *values)
{
    uint32_t hundredths[CELL_ROWS_BLOCK];
    find_hundredths(rows->score + first, n, 100.0, hundredths);
    for (int i = 0; i < n; i++) {
        int32_t score = (int32_t)hundredths[i];
        int32_t grade = (score >= 4000) + (score >= 5500) + (score >= 7000) + (score >= 8500) + (score >= 9500);
        uint32_t value = (uint32_t)score | (uint32_t)grade << CELL_ROWS_GRADE_SHIFT;
        values[i] = score > 10000 ? CELL_ROWS_NULL : value;
    }
    for (int i = 0; rows->grade != NULL && i < n; i++) {
        uint32_t grade = rows->grade[first + i], given = (values[i] & 0xFFFFu) | grade << CELL_ROWS_GRADE_SHIFT;
        values[i] = grade < CELL_ROWS_NO_GRADE && values[i] != CELL_ROWS_NULL ? given : values[i];
    }
    if (rows->confidence != NULL) {
        find_hundredths(rows->confidence + first, n, 1.0, hundredths);
        for (int i = 0; i < n; i++) {
            uint32_t value = values[i] | hundredths[i] << CELL_ROWS_CONFIDENCE_SHIFT;
            values[i] = (int32_t)hundredths[i] > 100 || values[i] == CELL_ROWS_NULL ? CELL_ROWS_NULL : value;
        }
    }
    for (int i = 0; rows->validity != NULL && i < n; i++) {
        int64_t row = first + i;
        values[i] = rows->validity[row >> 3] >> (row & 7) & 1 ? values[i] : CELL_ROWS_NULL;
    }
}

/* Where runs of equal keys start and where keys fall. */
static void find_starts(cell_rows *rows)
{
    const uint64_t *keys = rows->keys;
    uint64_t eight, falls = 0;
    int n = rows->count, runs = 0;
    memset(rows->starts + (n & ~7), 0, (size_t)(CELL_ROWS_BLOCK - (n & ~7)));
    rows->starts[0] = 1;
    for (int i = 1; i < n; i++) {
        rows->starts[i] = keys[i] != keys[i - 1];
        falls += keys[i] < keys[i - 1];
    }
    for (int i = 0; i < n; i += 8) {
        memcpy(&eight, rows->starts + i, sizeof eight);
        runs += __builtin_popcountll(eight);
    }
    rows->runs = runs;
    rows->falls = (int)falls;
}

/* Keys from first on. */
static int find_numbers(const cell_slots *slots, const uint64_t *keys, int first, int n, uint32_t *numbers,
                        uint16_t *others)
{
    uint64_t number = ((uint64_t)1 << slots->number_bits) - 1;
    int other_count = 0;
    for (int i = first; i < n; i++) {
        uint64_t slot = slots->of[cell_slots_first(slots, keys[i])];
        numbers[i] = (uint32_t)(slot & number);
        others[other_count] = (uint16_t)i; /* overwritten, unless it is one */
        other_count += slot >> slots->number_bits != keys[i];
    }
    return other_count;
}

static void find_buckets(const cell_plan *plan, const uint64_t *rows, int first, int n, uint16_t *buckets)
{
    const uint32_t *slots = plan->slots;
    uint64_t mask = ((uint64_t)1 << plan->slot_bits) - 1, head = plan->head;
    uint32_t last = plan->buckets;
    int shift = plan->shift, slot_bits = plan->slot_bits;
    for (int i = first; i < n; i++) {
        uint64_t row = rows[i];
        uint32_t slot = slots[row >> shift & mask], more = slot & ((1u << CELL_PLAN_MORE_BITS) - 1);
        uint32_t in_slot = (uint32_t)(row >> ((shift - (int)more) & 63)) & ((1u << (more & 31)) - 1);
        int is_stray = (row >> shift >> slot_bits != head) | (slot == CELL_PLAN_NO_BUCKET);
        buckets[i] = (uint16_t)(is_stray ? last : (slot >> CELL_PLAN_MORE_BITS) + in_slot);
    }
}

static void read_rows(const uint64_t *cells, const ucid_aggregate_rows *rows, int64_t first, int resolution,
                      cell_rows *out)
{
    out->nowhere = find_keys(cells + first, out->count, resolution, out->keys);
    find_values(rows, first, out->count, out->values);
    find_starts(out);
}
