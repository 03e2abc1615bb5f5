/* stream.c: the input's batch is shared, not copied (share.c), so rows may leave in smaller batches than they came. */
#include "arrow/stream.h"

#include "arrow/arrays.h"
#include "arrow/share.h"
#include "rt/error.h"
#include "rt/memory.h"

#include "nanoarrow.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const arrow_lat_names[] = {"lat", "latitude", "y", NULL};
const char *const arrow_lon_names[] = {"lon", "lng", "longitude", "long", "x", NULL};
const char *const arrow_cell_names[] = {"h3", "h3_index", "h3_cell", "cell", NULL};
const char *const arrow_ucid_names[] = {"ucid", "ucid_string", NULL};
const char *const arrow_city_names[] = {"city", "city_code", NULL};
const char *const arrow_time_names[] = {"timestamp", NULL};
const char *const arrow_context_names[] = {"context", NULL};
const char *const arrow_grade_names[] = {"grade", NULL};
const char *const arrow_confidence_names[] = {"confidence", NULL};
const char *const arrow_flags_names[] = {"flags", NULL};

int arrow_errno(ucid_status status)
{
    switch (status) {
    case UCID_NO_MEMORY: return ENOMEM;
    case UCID_CANCELLED: return ECANCELED;
    case UCID_IO_ERROR: return EIO;
    default: return EINVAL;
    }
}

void arrow_add(arrow_adder *adder, const char *name, const char *format, int nullable)
{
    arrow_added *added = &adder->added[adder->added_count++];
    snprintf(added->name, sizeof added->name, "%s", name);
    int large = adder->options.large_texts;
    added->format = large && strcmp(format, "u") == 0 ? "U" : large && strcmp(format, "z") == 0 ? "Z" : format;
    added->nullable = nullable;
}

static const char *status_text(uint8_t status) { return ucid_status_name((ucid_status)status); }

#define STATUS_CODE(name, number, exit_code, python_class, meaning) number,
static const uint8_t status_codes[] = {UCID_STATUS_LIST(STATUS_CODE)};
#undef STATUS_CODE
static const uint8_t grade_codes[] = {0, 1, 2, 3, 4, UCID_GRADE_A_PLUS};
static_assert(sizeof grade_codes == UCID_GRADE_A_PLUS + 1, "a code for each grade");

const arrow_words arrow_statuses = {status_text, status_codes, (int)sizeof status_codes};
const arrow_words arrow_grades = {ucid_grade_text, grade_codes, (int)sizeof grade_codes};

void arrow_add_words(arrow_adder *adder, const char *name, int nullable)
{
    arrow_add(adder, name, adder->options.coded_words ? "c" : "u", nullable);
    adder->added[adder->added_count - 1].coded = adder->options.coded_words != 0;
}

ucid_status arrow_words_fill(const arrow_adder *adder, struct ArrowArray *array, int64_t n, const uint8_t *codes,
                             const arrow_words *words, const uint8_t *validity, ucid_error *error)
{
    int large = adder->options.large_texts;
    if (adder->options.coded_words) {
        return arrow_leaf_codes(array, n, codes, words->text, words->codes, words->count, validity, large,
                                &adder->columns, error);
    }
    return arrow_leaf_names(array, n, codes, words->text, validity, large, &adder->columns, error);
}

static ucid_status set_options(const ucid_stream_options *given, ucid_stream_options *options, ucid_error *error)
{
    *options = (ucid_stream_options)UCID_STREAM_OPTIONS_INIT;
    if (given != NULL) *options = *given;
    if (options->batch_rows < 1 || options->batch_rows > ARROW_BATCH_ROWS_MAX) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "batch_rows is %lld, not 1..%d", (long long)options->batch_rows,
                         ARROW_BATCH_ROWS_MAX);
    }
    if (options->resolution < 0 || options->resolution > 15) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "resolution is %d, not 0..15", options->resolution);
    }
    if (options->threads < 1) {
        return ucid_fail(error, UCID_INVALID_ARGUMENT, "threads is %d, not at least 1", options->threads);
    }
    return UCID_OK;
}

/* -------------------------------------------------------------------------------------------------------- Schema -- */

ucid_status arrow_schema_read(struct ArrowArrayStream *in, struct ArrowSchema *schema, ucid_error *error)
{
    if (in == NULL || in->release == NULL) return ucid_fail(error, UCID_INVALID_ARGUMENT, "the stream is released");
    int code = in->get_schema(in, schema);
    if (code != 0) {
        const char *reason = in->get_last_error(in);
        return ucid_fail(error, code == ENOMEM ? UCID_NO_MEMORY : UCID_DATA_ERROR, "the input has no schema: %s",
                         reason != NULL ? reason : strerror(code));
    }
    if (schema->format == NULL || strcmp(schema->format, "+s") != 0) {
        schema->release(schema);
        return ucid_fail(error, UCID_DATA_ERROR, "the input is a stream of single columns, not of tables");
    }
    return UCID_OK;
}

static int64_t find_name(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        const char *column = schema->children[i]->name;
        if (column != NULL && strcmp(column, name) == 0) return i;
    }
    return -1;
}

int64_t arrow_find(const struct ArrowSchema *schema, const char *name, const char *const *usual)
{
    if (name != NULL) return find_name(schema, name);
    for (; usual != NULL && *usual != NULL; usual++) {
        int64_t found = find_name(schema, *usual);
        if (found >= 0) return found;
    }
    return -1;
}

ucid_status arrow_missing(const struct ArrowSchema *schema, const char *name, const char *what, ucid_error *error)
{
    char list[160] = "";
    size_t length = 0;
    for (int64_t i = 0; i < schema->n_children; i++) {
        const char *column = schema->children[i]->name;
        int written =
            snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "", column != NULL ? column : "");
        if (written < 0 || (size_t)written >= sizeof list - length) {
            snprintf(list + sizeof list - 4, 4, "...");
            break;
        }
        length += (size_t)written;
    }
    if (name != NULL) return ucid_fail(error, UCID_DATA_ERROR, "no column '%s'; there are %s", name, list);
    return ucid_fail(error, UCID_DATA_ERROR, "no column for %s; there are %s", what, list);
}

static int is_added(const arrow_adder *adder, const char *name)
{
    for (int i = 0; i < adder->added_count; i++) {
        if (name != NULL && strcmp(adder->added[i].name, name) == 0) return 1;
    }
    return 0;
}

static ArrowErrorCode add_metadata(const struct ArrowSchema *from, const arrow_adder *adder, struct ArrowSchema *to)
{
    struct ArrowBuffer buffer;
    ArrowErrorCode code = ArrowMetadataBuilderInit(&buffer, from->metadata);
    for (const arrow_pair *pair = adder->metadata; pair->key != NULL && code == NANOARROW_OK; pair++) {
        code = ArrowMetadataBuilderSet(&buffer, ArrowCharView(pair->key), ArrowCharView(pair->value));
    }
    if (code == NANOARROW_OK && buffer.size_bytes > 0) {
        code = ArrowSchemaSetMetadata(to, (const char *)buffer.data);
    }
    ArrowBufferReset(&buffer);
    return code;
}

/* The kept columns of the input, then the added ones. */
static ArrowErrorCode make_schema(const struct ArrowSchema *from, const int64_t *kept, int64_t kept_count,
                                  const arrow_adder *adder, struct ArrowSchema *to)
{
    ArrowSchemaInit(to);
    ArrowErrorCode code = ArrowSchemaSetTypeStruct(to, kept_count + adder->added_count);
    for (int64_t i = 0; i < kept_count && code == NANOARROW_OK; i++) {
        struct ArrowSchema *child = to->children[i];
        if (child->release != NULL) child->release(child);
        code = ArrowSchemaDeepCopy(from->children[kept[i]], child);
    }
    for (int i = 0; i < adder->added_count && code == NANOARROW_OK; i++) {
        struct ArrowSchema *child = to->children[kept_count + i];
        code = ArrowSchemaSetFormat(child, adder->added[i].format);
        if (code == NANOARROW_OK) code = ArrowSchemaSetName(child, adder->added[i].name);
        if (code == NANOARROW_OK && adder->added[i].coded) {
            code = ArrowSchemaAllocateDictionary(child);
            if (code == NANOARROW_OK) ArrowSchemaInit(child->dictionary);
            if (code == NANOARROW_OK) {
                code = ArrowSchemaSetFormat(child->dictionary, adder->options.large_texts ? "U" : "u");
            }
        }
        if (!adder->added[i].nullable) child->flags &= ~(int64_t)ARROW_FLAG_NULLABLE;
    }
    if (code == NANOARROW_OK) code = add_metadata(from, adder, to);
    to->flags = 0;
    if (code != NANOARROW_OK && to->release != NULL) to->release(to);
    return code;
}

/* -------------------------------------------------------------------------------------------------------- Stream -- */

static void free_adder(arrow_adder *adder)
{
    ucid_allocator allocator = adder->allocator;
    adder->door->reset(adder);
    ucid_recycler_leave(adder->recycler);
    ucid_release(&allocator, adder, adder->door->size, 1);
}

typedef struct adding_stream {
    struct ArrowArrayStream in;
    struct ArrowSchema in_schema, out_schema;
    arrow_adder *adder;
    ucid_allocator allocator;
    int64_t *kept;                                          /* columns that pass through */
    int64_t kept_count, column_count, capacity, batch_rows; /* capacity: of kept and columns */
    arrow_source *source;                                   /* the batch being cut, NULL between batches */
    int64_t next_row;
    int ended;
    struct ArrowArray *columns; /* [column_count] of the batch being made */
    int failed;                 /* code of the failure that ended the stream */
    ucid_error error;
} adding_stream;

static int get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    adding_stream *self = stream->private_data;
    if (ArrowSchemaDeepCopy(&self->out_schema, out) == NANOARROW_OK) return 0;
    (void)ucid_fail_memory(&self->error, "a schema", sizeof *out);
    return ENOMEM;
}

ucid_status arrow_pull(struct ArrowArrayStream *in, const struct ArrowSchema *schema, struct ArrowArray *batch,
                       ucid_error *error)
{
    *batch = (struct ArrowArray){0};
    int code = in->get_next(in, batch);
    if (code != 0) {
        const char *reason = in->get_last_error(in);
        return ucid_fail(error, code == ENOMEM ? UCID_NO_MEMORY : UCID_DATA_ERROR, "%s",
                         reason != NULL ? reason : strerror(code));
    }
    if (batch->release == NULL) return UCID_OK;
    ucid_status status = UCID_OK;
    if (batch->n_children != schema->n_children || batch->length < 0 || batch->offset < 0) {
        status = ucid_fail(error, UCID_DATA_ERROR, "a batch does not fit its schema");
    }
    for (int64_t i = 0; i < batch->n_children && status == UCID_OK; i++) {
        if (batch->children[i]->length < batch->offset + batch->length) {
            status = ucid_fail(error, UCID_DATA_ERROR, "a column is shorter than its batch");
        }
    }
    if (status == UCID_OK && batch->null_count > 0) {
        status = ucid_fail(error, UCID_DATA_ERROR, "a batch has rows that are null as a whole");
    }
    if (status != UCID_OK) batch->release(batch);
    return status;
}

/* The next batch of the input into self->source; *ended at its end. */
static ucid_status pull(adding_stream *self, int *ended)
{
    struct ArrowArray batch;
    ucid_status status = arrow_pull(&self->in, &self->in_schema, &batch, &self->error);
    if (status != UCID_OK) return status;
    *ended = batch.release == NULL;
    if (*ended) return UCID_OK;
    status = arrow_source_new(&batch, &self->allocator, &self->source, &self->error);
    if (batch.release != NULL) batch.release(&batch);
    self->next_row = 0;
    return status;
}

static ucid_status make_batch(adding_stream *self, struct ArrowArray *out)
{
    const struct ArrowArray *batch = arrow_source_get(self->source);
    int64_t first = self->next_row, count = batch->length - first;
    if (count > self->batch_rows) count = self->batch_rows;
    for (int64_t i = 0; i < self->column_count; i++) self->columns[i] = (struct ArrowArray){0};
    ucid_status status = self->adder->door->fill(self->adder, &self->in_schema, batch, first, count,
                                                 self->columns + self->kept_count, &self->error);
    const arrow_adder *adder = self->adder;
    for (int64_t i = 0; i < self->kept_count && status == UCID_OK; i++) {
        int64_t kept = self->kept[i];
        status = adder->repeats ? arrow_take_rows(self->source, self->in_schema.children[kept], kept, adder->rows,
                                                  adder->row_count, &self->columns[i], &self->error)
                                : arrow_share_rows(self->source, kept, first, count, &self->columns[i], &self->error);
    }
    if (status == UCID_OK) {
        status = arrow_struct(out, adder->repeats ? adder->row_count : count, self->columns, self->column_count,
                              &self->allocator, &self->error);
    }
    if (status != UCID_OK) {
        for (int64_t i = 0; i < self->column_count; i++) {
            if (self->columns[i].release != NULL) self->columns[i].release(&self->columns[i]);
        }
        return status;
    }
    self->next_row += count;
    if (self->next_row == batch->length) {
        arrow_source_release(self->source);
        self->source = NULL;
    }
    return UCID_OK;
}

static int get_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    adding_stream *self = stream->private_data;
    if (self->failed != 0) return self->failed;
    ucid_status status = UCID_OK;
    int ended = self->ended;
    if (self->source == NULL && !ended) status = pull(self, &ended);
    if (ended) {
        if (!self->ended && self->adder->door->end != NULL) status = self->adder->door->end(self->adder, &self->error);
        self->ended = 1;
        *out = (struct ArrowArray){0};
    } else if (status == UCID_OK) {
        status = make_batch(self, out);
    }
    if (status != UCID_OK) self->failed = arrow_errno(status);
    return self->failed;
}

static const char *get_last_error(struct ArrowArrayStream *stream)
{
    adding_stream *self = stream->private_data;
    return self->error.message[0] != '\0' ? self->error.message : NULL;
}

static void release(struct ArrowArrayStream *stream)
{
    adding_stream *self = stream->private_data;
    ucid_allocator allocator = self->allocator;
    arrow_source_release(self->source);
    if (self->in.release != NULL) self->in.release(&self->in);
    if (self->in_schema.release != NULL) self->in_schema.release(&self->in_schema);
    if (self->out_schema.release != NULL) self->out_schema.release(&self->out_schema);
    free_adder(self->adder);
    int64_t columns = self->capacity;
    ucid_release(&allocator, self->kept, (size_t)columns, sizeof *self->kept);
    ucid_release(&allocator, self->columns, (size_t)columns, sizeof *self->columns);
    ucid_release(&allocator, self, 1, sizeof *self);
    stream->release = NULL;
}

/* Takes in, schema and adder over when it succeeds. */
static ucid_status make_stream(struct ArrowArrayStream *in, struct ArrowSchema *schema, arrow_adder *adder,
                               struct ArrowArrayStream *out, ucid_error *error)
{
    ucid_allocator allocator = adder->allocator;
    int64_t columns = schema->n_children + adder->added_count;
    for (int64_t i = 0; i < schema->n_children && !adder->options.replace; i++) {
        if (is_added(adder, schema->children[i]->name)) {
            return ucid_fail(error, UCID_DATA_ERROR, "the input has a column '%s' already; replace it, or rename it",
                             schema->children[i]->name);
        }
    }
    for (int64_t i = 0; i < schema->n_children && adder->repeats; i++) {
        const struct ArrowSchema *column = schema->children[i];
        size_t width;
        if (is_added(adder, column->name) || arrow_rows_of(column, &width) != ARROW_ROWS_NONE) continue;
        return ucid_fail(error, UCID_DATA_ERROR,
                         "column '%s' of type %s cannot be repeated for each zone: leave it out, or make it plain",
                         column->name != NULL ? column->name : "", column->format);
    }
    adding_stream *self = ucid_allocate_zero(&allocator, 1, sizeof *self);
    int64_t *kept = ucid_allocate(&allocator, (size_t)columns, sizeof *kept);
    struct ArrowArray *made = ucid_allocate(&allocator, (size_t)columns, sizeof *made);
    struct ArrowSchema out_schema = {0};
    int64_t kept_count = 0;
    for (int64_t i = 0; i < schema->n_children && kept != NULL; i++) {
        if (!is_added(adder, schema->children[i]->name)) kept[kept_count++] = i;
    }
    if (self == NULL || kept == NULL || made == NULL ||
        make_schema(schema, kept, kept_count, adder, &out_schema) != NANOARROW_OK) {
        ucid_release(&allocator, made, (size_t)columns, sizeof *made);
        ucid_release(&allocator, kept, (size_t)columns, sizeof *kept);
        ucid_release(&allocator, self, 1, sizeof *self);
        return ucid_fail_memory(error, "a stream", sizeof *self + (size_t)columns * (sizeof *kept + sizeof *made));
    }
    self->in = *in;
    self->in_schema = *schema;
    self->out_schema = out_schema;
    self->adder = adder;
    self->allocator = allocator;
    self->kept = kept;
    self->columns = made;
    self->kept_count = kept_count;
    self->column_count = kept_count + adder->added_count;
    self->capacity = columns;
    self->batch_rows = adder->options.batch_rows;
    in->release = NULL;
    schema->release = NULL;
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release, self};
    return UCID_OK;
}

ucid_status arrow_open(struct ArrowArrayStream *in, const ucid_stream_options *options, const arrow_door *door,
                       const void *given, void (*prepare)(arrow_adder *adder, const void *given),
                       struct ArrowArrayStream *out, ucid_error *error)
{
    ucid_stream_options set;
    struct ArrowSchema schema = {0};
    ucid_status status = set_options(options, &set, error);
    if (status == UCID_OK) status = arrow_schema_read(in, &schema, error);
    if (status != UCID_OK) return status;
    ucid_allocator allocator = ucid_allocator_or_default(set.allocator);
    arrow_adder *adder = ucid_allocate_zero(&allocator, door->size, 1);
    if (adder == NULL) {
        schema.release(&schema);
        return ucid_fail_memory(error, "a stream", door->size);
    }
    adder->door = door;
    adder->allocator = allocator;
    adder->options = set;
    adder->recycler = ucid_recycler_new(&allocator);
    if (adder->recycler == NULL) {
        ucid_release(&allocator, adder, door->size, 1);
        schema.release(&schema);
        return ucid_fail_memory(error, "a stream", door->size);
    }
    adder->columns = ucid_recycler_allocator(adder->recycler);
    if (prepare != NULL) prepare(adder, given);
    status = door->open(adder, &schema, error);
    if (status == UCID_OK) status = make_stream(in, &schema, adder, out, error);
    if (status != UCID_OK) {
        free_adder(adder);
        schema.release(&schema);
    }
    return status;
}
