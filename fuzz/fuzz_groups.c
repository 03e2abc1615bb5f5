/* fuzz_groups.c: bytes become rows of keys and numbers, and a way to split them. Groups of one call, of pieces, of
 * three threads, of merged parts, of a file of runs and of a dictionary's entries must be the same to the last bit, and
 * their counts and ranges those of a plain loop. */
#include "kernel/groups.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 20000, KEY = 3, WHAT = UCID_GROUPS_SUM | UCID_GROUPS_SQUARES | UCID_GROUPS_RANGE };

typedef struct rows {
    int64_t n;
    char keys[ROWS * KEY];
    int64_t offsets[ROWS + 1], wholes[ROWS];
    double numbers[ROWS];
    uint8_t key_validity[ROWS / 8 + 1], validity[ROWS / 8 + 1];
} rows;

static void require(int holds)
{
    if (!holds) abort();
}

static ucid_groups *groups_for(int what, int threads, uint64_t memory)
{
    ucid_groups *groups = NULL;
    require(ucid_groups_new(NULL, threads, what, memory, &groups, NULL) == UCID_OK);
    return groups;
}

static ucid_groups *groups_of(int threads, uint64_t memory) { return groups_for(WHAT, threads, memory); }

static int64_t order(ucid_groups *groups)
{
    int64_t count = 0;
    require(ucid_groups_begin(groups, NULL) == UCID_OK && ucid_groups_next(groups, &count, NULL) == UCID_OK);
    require(!ucid_groups_more(groups));
    return count;
}

/* Ten bytes a row: length of the key and whether both are there, the key's one byte, the number's eight. A short input
 * is repeated with other keys, so that there are rows for several threads. */
static void make_rows(const uint8_t *data, size_t size, rows *r)
{
    size_t all = size / 10;
    r->n = all == 0 ? 0 : size % 10 == 9 ? ROWS : (int64_t)(all < ROWS ? all : ROWS);
    memset(r->key_validity, 0, sizeof r->key_validity);
    memset(r->validity, 0, sizeof r->validity);
    for (int64_t i = 0; i < r->n; i++) {
        const uint8_t *row = data + (size_t)i % all * 10;
        int64_t length = row[0] % (KEY + 1), at = r->offsets[i];
        memset(r->keys + at, (int)(row[1] + (size_t)i / all % 3), (size_t)length);
        r->offsets[i + 1] = at + length;
        r->key_validity[i >> 3] |= (uint8_t)((row[0] & 64 ? 0 : 1) << (i & 7));
        r->validity[i >> 3] |= (uint8_t)((row[0] & 128 ? 0 : 1) << (i & 7));
        memcpy(&r->numbers[i], row + 2, 8);
        memcpy(&r->wholes[i], row + 2, 8);
    }
}

static ucid_group_rows piece_of(const rows *r, int whole, int64_t first)
{
    return (ucid_group_rows){.keys = r->keys,
                             .offsets = r->offsets + first,
                             .key_validity = r->key_validity + first / 8,
                             .numbers = whole ? NULL : r->numbers + first,
                             .wholes = whole ? r->wholes + first : NULL,
                             .validity = r->validity + first / 8};
}

static void add(ucid_groups *groups, const rows *r, int whole, int64_t first, int64_t end)
{
    ucid_group_rows piece = piece_of(r, whole, first);
    require(ucid_groups_add(groups, end - first, &piece, NULL) == UCID_OK);
}

static void merge(ucid_groups *into, ucid_groups *from)
{
    static ucid_big sum, squares;
    int64_t count = order(from);
    for (int64_t i = 0; i < count; i++) {
        uint32_t number = ucid_groups_at(from, i), to;
        const ucid_group *group = ucid_groups_get(from, number);
        ucid_exact_get(ucid_groups_sum(from, number), &sum);
        ucid_exact_get(ucid_groups_squares(from, number), &squares);
        require(ucid_groups_find(into, ucid_groups_key(from, number), group->key_length, &to, NULL) == UCID_OK);
        require(ucid_groups_add_part(into, to, group, &sum, &squares, NULL) == UCID_OK);
    }
}

static int same_big(const ucid_big *a, const ucid_big *b)
{
    return a->negative == b->negative && a->count == b->count && (a->count == 0 || a->first == b->first) &&
           memcmp(a->limb, b->limb, (size_t)a->count * sizeof a->limb[0]) == 0;
}

static void require_same(ucid_groups *one, ucid_groups *other, int what)
{
    static ucid_big a, b;
    int64_t count = order(one);
    require(count == order(other));
    for (int64_t i = 0; i < count; i++) {
        uint32_t m = ucid_groups_at(one, i), n = ucid_groups_at(other, i);
        const ucid_group *g = ucid_groups_get(one, m), *h = ucid_groups_get(other, n);
        require(g->rows == h->rows && g->values == h->values && g->up == h->up && g->down == h->down);
        require(g->least == h->least && g->most == h->most && g->key_length == h->key_length);
        require(g->key_length == UINT32_MAX || g->key_length == 0 ||
                memcmp(ucid_groups_key(one, m), ucid_groups_key(other, n), g->key_length) == 0);
        ucid_exact_get(ucid_groups_sum(one, m), &a), ucid_exact_get(ucid_groups_sum(other, n), &b);
        require(same_big(&a, &b));
        if ((what & UCID_GROUPS_SQUARES) == 0) continue;
        ucid_exact_get(ucid_groups_squares(one, m), &a), ucid_exact_get(ucid_groups_squares(other, n), &b);
        require(same_big(&a, &b) && !a.negative);
    }
}

static void count_plainly(ucid_groups *groups, const rows *r, int whole)
{
    int64_t count = order(groups), all = 0;
    for (int64_t k = 0; k < count && k < 8; k++) {
        const ucid_group *g = ucid_groups_get(groups, ucid_groups_at(groups, k));
        const char *key = ucid_groups_key(groups, ucid_groups_at(groups, k));
        int64_t with = 0, values = 0;
        uint64_t least = UINT64_MAX, most = 0;
        for (int64_t i = 0; i < r->n; i++) {
            int null = !(r->key_validity[i >> 3] >> (i & 7) & 1);
            size_t length = (size_t)(r->offsets[i + 1] - r->offsets[i]);
            if (null != (key == NULL)) continue;
            if (!null && (length != g->key_length || memcmp(r->keys + r->offsets[i], key, length) != 0)) continue;
            with++;
            double number = r->numbers[i];
            if (!(r->validity[i >> 3] >> (i & 7) & 1) || (!whole && number != number)) continue;
            uint64_t order = whole ? ucid_order_of_whole(r->wholes[i]) : ucid_order_of_double(number);
            values++;
            least = order < least ? order : least;
            most = order > most ? order : most;
        }
        require(with == g->rows && values == g->values && with > 0);
        require(values == 0 || (least == g->least && most == g->most));
    }
    for (int64_t k = 0; k < count; k++) all += ucid_groups_get(groups, ucid_groups_at(groups, k))->rows;
    require(all == r->n);
}

/* Sums alone of all numbers, by keys and by the entries of a dictionary of them. */
static void sum_entries(const rows *r, int64_t step)
{
    static uint32_t entries[ROWS], known[KEY + 1][256];
    static char keys[KEY * (KEY + 1) * 256];
    static int64_t offsets[(KEY + 1) * 256 + 1];
    uint32_t count = 0;
    memset(known, 0, sizeof known);
    for (int64_t i = 0; i < r->n; i++) {
        int64_t length = r->offsets[i + 1] - r->offsets[i];
        int null = !(r->key_validity[i >> 3] >> (i & 7) & 1);
        uint32_t *entry = &known[length][length > 0 ? (uint8_t)r->keys[r->offsets[i]] : 0];
        if (!null && *entry == 0) {
            memcpy(keys + offsets[count], r->keys + r->offsets[i], (size_t)length);
            offsets[count + 1] = offsets[count] + length;
            *entry = ++count;
        }
        entries[i] = null ? UINT32_MAX : *entry - 1;
    }
    for (int64_t i = 0; i < r->n; i++) entries[i] = entries[i] == UINT32_MAX ? count : entries[i];
    ucid_groups *by_key = groups_for(UCID_GROUPS_SUM, 1, 0), *by_entry[2];
    ucid_group_rows given = piece_of(r, 0, 0);
    given.validity = NULL;
    require(ucid_groups_add(by_key, r->n, &given, NULL) == UCID_OK);
    given = (ucid_group_rows){.keys = keys, .offsets = offsets, .entry_count = count};
    for (int i = 0; i < 2; i++) {
        by_entry[i] = groups_for(UCID_GROUPS_SUM, 1 + 2 * i, 0);
        int64_t most = i == 0 ? r->n : step;
        for (int64_t first = 0; first < r->n; first += most) {
            given.entries = entries + first;
            given.numbers = r->numbers + first;
            require(ucid_groups_add(by_entry[i], r->n - first < most ? r->n - first : most, &given, NULL) == UCID_OK);
        }
        require_same(by_key, by_entry[i], UCID_GROUPS_SUM);
        ucid_groups_free(by_entry[i]);
    }
    ucid_groups_free(by_key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rows r;
    if (size < 2) return 0;
    int whole = data[0] & 1;
    int64_t step = 8 * (1 + data[1]);
    make_rows(data + 2, size - 2, &r);
    ucid_groups *one = groups_of(1, 0), *three = groups_of(3, 0), *pieces = groups_of(2, 0),
                *parts[2] = {groups_of(1, 0), groups_of(2, 600)}, *filed = groups_of(2, 1);
    ucid_groups *merged = groups_of(1, 0);
    add(one, &r, whole, 0, r.n);
    add(three, &r, whole, 0, r.n);
    for (int64_t first = 0; first < r.n; first += step) {
        int64_t end = first + step < r.n ? first + step : r.n;
        add(pieces, &r, whole, first, end);
        add(filed, &r, whole, first, end);
        add(parts[first / step % 2], &r, whole, first, end);
    }
    merge(merged, parts[1]);
    merge(merged, parts[0]);
    require_same(one, three, WHAT);
    require_same(one, pieces, WHAT);
    require_same(one, merged, WHAT);
    require_same(one, filed, WHAT);
    count_plainly(one, &r, whole);
    sum_entries(&r, step);
    ucid_groups_free(one), ucid_groups_free(three), ucid_groups_free(pieces), ucid_groups_free(merged);
    ucid_groups_free(parts[0]), ucid_groups_free(parts[1]), ucid_groups_free(filed);
    return 0;
}
