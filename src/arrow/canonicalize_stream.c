/* canonicalize_stream.c: canonical texts of identifiers. */
#include "arrow/arrays.h"
#include "arrow/place_columns.h"
#include "arrow/stream.h"

typedef struct canonicalize_adder {
    arrow_adder base;
    place_text ucid;
    arrow_scratch statuses;
} canonicalize_adder;

static void reset_canonicalize(arrow_adder *adder)
{
    canonicalize_adder *self = (canonicalize_adder *)adder;
    arrow_texts_reset(&self->ucid.texts, &adder->allocator);
    arrow_scratch_reset(&self->statuses, &adder->allocator);
}

static ucid_status open_canonicalize(arrow_adder *adder, const struct ArrowSchema *schema, ucid_error *error)
{
    arrow_add(adder, "canonical", "u", 1);
    arrow_add_words(adder, "status", 0);
    return place_text_need(&((canonicalize_adder *)adder)->ucid, schema, NULL, adder->options.ucid_column,
                           arrow_ucid_names, "identifiers (ucid)", error);
}

static ucid_status fill_canonicalize(arrow_adder *adder, const struct ArrowSchema *schema,
                                     const struct ArrowArray *batch, int64_t first, int64_t count,
                                     struct ArrowArray *columns, ucid_error *error)
{
    canonicalize_adder *self = (canonicalize_adder *)adder;
    const ucid_allocator *allocator = &adder->allocator;
    arrow_leaf leaf;
    ucid_status status = place_text_read(&self->ucid, schema, batch, first, count, allocator, error);
    if (status == UCID_OK) status = arrow_scratch_reserve(&self->statuses, allocator, (size_t)count + 1, error);
    if (status != UCID_OK) return status;
    ucid_texts texts = place_text_get(&self->ucid);
    size_t bound = ucid_texts_canonicalize_bound(count, &texts);
    int large = adder->options.large_texts;
    status = arrow_leaf_text(&columns[0], count, bound, 1, large, &adder->columns, &leaf, error);
    if (status != UCID_OK) return status;
    uint8_t *statuses = self->statuses.bytes;
    ucid_texts_out out = {leaf.values, bound, leaf.offsets, leaf.offsets64};
    status = ucid_texts_canonicalize(count, &texts, &out, leaf.validity, statuses, error);
    if (status == UCID_OK) {
        arrow_leaf_finish(&leaf, count);
        status = arrow_words_fill(adder, &columns[1], count, statuses, &arrow_statuses, NULL, error);
    }
    if (status != UCID_OK) columns[0].release(&columns[0]);
    return status;
}

ucid_status ucid_canonicalize_stream(struct ArrowArrayStream *in, const ucid_stream_options *options,
                                     struct ArrowArrayStream *out, ucid_error *error)
{
    static const arrow_door door = {sizeof(canonicalize_adder), open_canonicalize, fill_canonicalize,
                                    reset_canonicalize, NULL};
    return arrow_open(in, options, &door, NULL, NULL, out, error);
}
