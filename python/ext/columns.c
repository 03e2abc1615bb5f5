/* columns.c: the type ArrowStream, and the columnar functions: an Arrow stream goes in, another comes out.
 *
 * Objects are told by the Arrow PyCapsule interface alone; no Arrow library is loaded. */
#include "docs.h"
#include "ext.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --------------------------------------------------------------------------------- A stream that keeps an object -- */

typedef struct held_stream {
    struct ArrowArrayStream inner;
    PyObject *kept;
} held_stream;

static int held_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    held_stream *held = stream->private_data;
    return held->inner.get_schema(&held->inner, out);
}

static int held_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    held_stream *held = stream->private_data;
    return held->inner.get_next(&held->inner, out);
}

static const char *held_error(struct ArrowArrayStream *stream)
{
    held_stream *held = stream->private_data;
    return held->inner.get_last_error(&held->inner);
}

static void held_release(struct ArrowArrayStream *stream)
{
    held_stream *held = stream->private_data;
    if (held->inner.release != NULL) held->inner.release(&held->inner);
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF(held->kept);
    PyGILState_Release(gil);
    free(held);
    stream->release = NULL;
}

/* --------------------------------------------------------------------------------------------------- ArrowStream -- */

typedef struct stream_object {
    PyObject_HEAD struct ArrowArrayStream stream; /* released: somebody imported it */
} stream_object;

static void stream_dealloc(PyObject *self)
{
    stream_object *object = (stream_object *)self;
    if (object->stream.release != NULL) object->stream.release(&object->stream);
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static void release_stream_capsule(PyObject *capsule)
{
    struct ArrowArrayStream *stream = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (stream->release != NULL) stream->release(stream);
    PyMem_Free(stream);
}

static void release_schema_capsule(PyObject *capsule)
{
    struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (schema->release != NULL) schema->release(schema);
    PyMem_Free(schema);
}

/* requested_schema is advice that a producer may pass over (Arrow PyCapsule interface); we do. */
static PyObject *stream_export(PyObject *self, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"requested_schema", NULL};
    PyObject *requested = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O:__arrow_c_stream__", names, &requested)) return NULL;
    stream_object *object = (stream_object *)self;
    if (object->stream.release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the stream has been read already; streams are read once");
        return NULL;
    }
    struct ArrowArrayStream *stream = PyMem_Malloc(sizeof *stream);
    if (stream == NULL) return PyErr_NoMemory();
    *stream = object->stream;
    PyObject *capsule = PyCapsule_New(stream, "arrow_array_stream", release_stream_capsule);
    if (capsule == NULL) {
        PyMem_Free(stream);
        return NULL;
    }
    object->stream.release = NULL;
    return capsule;
}

static int export_schema(stream_object *object, struct ArrowSchema *out)
{
    if (object->stream.release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the stream has been read already; streams are read once");
        return -1;
    }
    int code = object->stream.get_schema(&object->stream, out);
    if (code == 0) return 0;
    const char *reason = object->stream.get_last_error(&object->stream);
    PyErr_SetString(PyExc_RuntimeError, reason != NULL ? reason : strerror(code));
    return -1;
}

static PyObject *stream_schema(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    struct ArrowSchema *schema = PyMem_Malloc(sizeof *schema);
    if (schema == NULL) return PyErr_NoMemory();
    if (export_schema((stream_object *)self, schema) != 0) {
        PyMem_Free(schema);
        return NULL;
    }
    PyObject *capsule = PyCapsule_New(schema, "arrow_schema", release_schema_capsule);
    if (capsule == NULL) {
        schema->release(schema);
        PyMem_Free(schema);
    }
    return capsule;
}

static PyObject *stream_columns(PyObject *self, void *closure)
{
    (void)closure;
    struct ArrowSchema schema;
    if (export_schema((stream_object *)self, &schema) != 0) return NULL;
    PyObject *list = PyList_New((Py_ssize_t)schema.n_children);
    for (int64_t i = 0; i < schema.n_children && list != NULL; i++) {
        const char *name = schema.children[i]->name;
        PyObject *text = PyUnicode_FromString(name != NULL ? name : "");
        if (text == NULL || PyList_SetItem(list, (Py_ssize_t)i, text) != 0) Py_CLEAR(list);
    }
    schema.release(&schema);
    return list;
}

static PyObject *stream_repr(PyObject *self)
{
    if (((stream_object *)self)->stream.release == NULL) return PyUnicode_FromString("ArrowStream(read)");
    PyObject *columns = stream_columns(self, NULL);
    PyObject *repr = columns != NULL ? PyUnicode_FromFormat("ArrowStream(%S)", columns) : NULL;
    Py_XDECREF(columns);
    return repr;
}

static PyObject *stream_html(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return ext_ask_package("ucid.notebook", "of_stream", self);
}

static PyGetSetDef stream_getset[] = {
    {"column_names", stream_columns, NULL, "Names of the columns.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef stream_methods[] = {
    {"__arrow_c_stream__", (PyCFunction)(void (*)(void))stream_export, METH_VARARGS | METH_KEYWORDS, DOC_STREAM_EXPORT},
    {"__arrow_c_schema__", stream_schema, METH_NOARGS, DOC_STREAM_SCHEMA},
    {"_repr_html_", stream_html, METH_NOARGS, "A table, for notebooks."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot stream_slots[] = {
    {Py_tp_dealloc, (void *)stream_dealloc}, {Py_tp_repr, (void *)stream_repr}, {Py_tp_getset, stream_getset},
    {Py_tp_methods, stream_methods},         {Py_tp_doc, DOC_ARROW_STREAM},     {0, NULL},
};

static PyType_Spec stream_spec = {
    .name = "ucid.ArrowStream",
    .basicsize = sizeof(stream_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = stream_slots,
};

PyObject *ext_new_stream(const ext_state *state, struct ArrowArrayStream *stream)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(state->stream_type, Py_tp_alloc);
    stream_object *object = (stream_object *)allocate(state->stream_type, 0);
    if (object == NULL) {
        stream->release(stream);
        return NULL;
    }
    object->stream = *stream;
    return (PyObject *)object;
}

PyObject *ext_wrap_stream(const ext_state *state, struct ArrowArrayStream *stream, PyObject *kept)
{
    held_stream *held = malloc(sizeof *held);
    if (held == NULL) {
        stream->release(stream);
        Py_DECREF(kept);
        return PyErr_NoMemory();
    }
    *held = (held_stream){*stream, kept};
    struct ArrowArrayStream out = {held_schema, held_next, held_error, held_release, held};
    return ext_new_stream(state, &out);
}

/* ----------------------------------------------------------------------------------------------------- Functions -- */

/* An object that gives one batch, __arrow_c_array__, as a stream: it is asked anew for the schema and for the batch. */
typedef struct batch_stream {
    PyObject *source;
    int done;
} batch_stream;

/* One of the two structs of a batch, moved out of its capsule. 0, or an errno code. */
static int batch_part(PyObject *source, struct ArrowSchema *schema, struct ArrowArray *array)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *pair = PyObject_CallMethod(source, "__arrow_c_array__", NULL);
    PyObject *capsule = pair != NULL && PyTuple_Check(pair) ? PyTuple_GetItem(pair, schema != NULL ? 0 : 1) : NULL;
    void *found =
        capsule != NULL ? PyCapsule_GetPointer(capsule, schema != NULL ? "arrow_schema" : "arrow_array") : NULL;
    if (found != NULL && schema != NULL) {
        *schema = *(struct ArrowSchema *)found;
        ((struct ArrowSchema *)found)->release = NULL;
    } else if (found != NULL) {
        *array = *(struct ArrowArray *)found;
        ((struct ArrowArray *)found)->release = NULL;
    }
    PyErr_Clear();
    Py_XDECREF(pair);
    PyGILState_Release(gil);
    return found != NULL ? 0 : EIO;
}

static int batch_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    return batch_part(((batch_stream *)stream->private_data)->source, out, NULL);
}

static int batch_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    batch_stream *self = stream->private_data;
    *out = (struct ArrowArray){0};
    if (self->done) return 0;
    self->done = 1;
    return batch_part(self->source, NULL, out);
}

static const char *batch_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return "__arrow_c_array__ gave no batch";
}

static void batch_release(struct ArrowArrayStream *stream)
{
    batch_stream *self = stream->private_data;
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_DECREF(self->source);
    PyGILState_Release(gil);
    free(self);
    stream->release = NULL;
}

int ext_stream_of(PyObject *source, struct ArrowArrayStream *stream)
{
    if (!PyObject_HasAttrString(source, "__arrow_c_stream__") && PyObject_HasAttrString(source, "__arrow_c_array__")) {
        batch_stream *self = malloc(sizeof *self);
        if (self == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        *self = (batch_stream){Py_NewRef(source), 0};
        *stream = (struct ArrowArrayStream){batch_schema, batch_next, batch_error, batch_release, self};
        return 0;
    }
    PyObject *capsule = PyObject_CallMethod(source, "__arrow_c_stream__", NULL);
    if (capsule == NULL) return -1;
    struct ArrowArrayStream *found = PyCapsule_GetPointer(capsule, "arrow_array_stream");
    if (found != NULL && found->release == NULL) {
        PyErr_SetString(PyExc_ValueError, "the stream has been read already");
        found = NULL;
    }
    if (found != NULL) {
        *stream = *found;
        found->release = NULL;
    }
    Py_DECREF(capsule);
    return found != NULL ? 0 : -1;
}

int ext_stream_options(PyObject *given, ucid_stream_options *options)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"lat_column", &options->lat_column},
                 {"lon_column", &options->lon_column},
                 {"cell_column", &options->cell_column},
                 {"ucid_column", &options->ucid_column},
                 {"city_column", &options->city_column},
                 {"time_column", &options->time_column},
                 {"context_column", &options->context_column},
                 {"grade_column", &options->grade_column},
                 {"confidence_column", &options->confidence_column},
                 {"flags_column", &options->flags_column},
                 {"city", &options->city},
                 {"time", &options->time},
                 {"context", &options->context}};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        PyObject *value = PyDict_GetItemString(given, texts[i].name);
        ucid_text text;
        if (value == NULL || value == Py_None) continue;
        if (ext_text(value, texts[i].name, &text) != 0) return -1;
        if (memchr(text.data, '\0', text.length) != NULL) {
            PyErr_Format(PyExc_ValueError, "%s holds a NUL", texts[i].name);
            return -1;
        }
        *texts[i].text = text.data;
    }
    long long mode = options->mode, batch_rows = options->batch_rows;
    const struct {
        const char *name;
        long long *wide;
        int *narrow;
    } numbers[] = {{"threads", NULL, &options->threads},
                   {"replace", NULL, &options->replace},
                   {"resolution", NULL, &options->resolution},
                   {"detail", NULL, &options->detail},
                   {"large_texts", NULL, &options->large_texts},
                   {"coded_words", NULL, &options->coded_words},
                   {"mode", &mode, NULL},
                   {"batch_rows", &batch_rows, NULL}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        PyObject *value = PyDict_GetItemString(given, numbers[i].name);
        if (value == NULL || value == Py_None) continue;
        long long number = PyLong_AsLongLong(value);
        if (number == -1 && PyErr_Occurred()) return -1;
        if (numbers[i].wide != NULL) *numbers[i].wide = number;
        if (numbers[i].narrow != NULL) *numbers[i].narrow = number > INT32_MAX || number < INT32_MIN ? -1 : (int)number;
    }
    options->mode = (unsigned)mode;
    options->batch_rows = batch_rows;
    return 0;
}

/* add_columns(door, source, options) -> ArrowStream */
static PyObject *add_columns(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    const char *door;
    PyObject *source, *given;
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    struct ArrowArrayStream in = {0}, out = {0};
    ucid_error error;
    if (!PyArg_ParseTuple(args, "sOO!:add_columns", &door, &source, &PyDict_Type, &given) ||
        ext_stream_options(given, &options) != 0 || ext_stream_of(source, &in) != 0) {
        return NULL;
    }
    ucid_status status;
    if (strcmp(door, "create") == 0) {
        status = ucid_create_stream(&in, &options, &out, &error);
    } else if (strcmp(door, "parse") == 0) {
        status = ucid_parse_stream(&in, &options, &out, &error);
    } else {
        status = ucid_canonicalize_stream(&in, &options, &out, &error);
    }
    if (status == UCID_OK) return ext_new_stream(state, &out);
    in.release(&in);
    return ext_raise(state, &error);
}

/* aggregate_stream(source, to, score, weight, h3, city, states, threads) -> ArrowStream */
static PyObject *aggregate_stream(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source;
    ucid_aggregate_stream_options options = UCID_AGGREGATE_STREAM_OPTIONS_INIT;
    struct ArrowArrayStream in = {0}, out;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "Oszzzzii:aggregate_stream", &source, &options.to, &options.score_column,
                          &options.weight_column, &options.cell_column, &options.city_column, &options.states,
                          &options.threads) ||
        ext_stream_of(source, &in) != 0) {
        return NULL;
    }
    if (ucid_aggregate_stream(&in, &options, &out, &error) == UCID_OK) return ext_new_stream(state, &out);
    in.release(&in);
    return ext_raise(state, &error);
}

/* Texts of a list, borrowed from it, with NULL at the end; to be given back with PyMem_Free. */
static const char **names_of(PyObject *list)
{
    Py_ssize_t count = PyList_Size(list);
    const char **names = PyMem_Calloc((size_t)count + 1, sizeof *names);
    if (names == NULL) return (const char **)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        names[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(list, i), NULL);
        if (names[i] == NULL) {
            PyMem_Free(names);
            return NULL;
        }
    }
    return names;
}

/* group_stream(source, by, of, functions, states, memory, threads) -> ArrowStream */
static PyObject *group_stream(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source, *by, *functions, *made = NULL;
    ucid_group_stream_options options = UCID_GROUP_STREAM_OPTIONS_INIT;
    unsigned long long memory;
    struct ArrowArrayStream in = {0}, out;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "OO!zO!pKi:group_stream", &source, &PyList_Type, &by, &options.of, &PyList_Type,
                          &functions, &options.states, &memory, &options.threads)) {
        return NULL;
    }
    options.memory_bytes = memory;
    const char **keys = names_of(by), **asked = keys != NULL ? names_of(functions) : NULL;
    if (asked != NULL && ext_stream_of(source, &in) == 0) {
        options.by = keys;
        options.functions = asked;
        if (ucid_group_stream(&in, &options, &out, &error) == UCID_OK) {
            made = ext_new_stream(state, &out);
        } else {
            in.release(&in);
            made = ext_raise(state, &error);
        }
    }
    PyMem_Free((void *)keys);
    PyMem_Free((void *)asked);
    return made;
}

/* grid_stream(min_lat, min_lon, max_lat, max_lon, resolution) -> ArrowStream */
static PyObject *grid_stream(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    double box[4];
    int resolution;
    ucid_grid *grid;
    struct ArrowArrayStream stream;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "ddddi:grid_stream", &box[0], &box[1], &box[2], &box[3], &resolution)) return NULL;
    if (ucid_grid_open_box(box[0], box[1], box[2], box[3], resolution, NULL, &grid, &error) != UCID_OK) {
        return ext_raise(state, &error);
    }
    if (ucid_grid_stream(grid, 1 << 16, NULL, &stream, &error) != UCID_OK) {
        ucid_grid_close(grid);
        return ext_raise(state, &error);
    }
    return ext_new_stream(state, &stream);
}

/* ----------------------------------------------------------------------------------------------- plain buffers -- */

/* One batch of columns that are buffers of Python objects (numpy arrays, array.array): nothing is copied. */
typedef struct buffer_table {
    Py_ssize_t count;
    int64_t length;
    int done;
    Py_buffer *views;
    char (*names)[64];
    const char **formats;
} buffer_table;

static void free_table(buffer_table *table)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    for (Py_ssize_t i = 0; i < table->count; i++) {
        if (table->views[i].obj != NULL) PyBuffer_Release(&table->views[i]);
    }
    PyGILState_Release(gil);
    free(table->views);
    free(table->names);
    free((void *)table->formats);
    free(table);
}

/* Arrow format of a buffer's struct format; NULL for what is no plain number. */
static const char *arrow_format(const char *format, Py_ssize_t size)
{
    if (format == NULL) format = "B";
    if (*format == '@' || *format == '=' || *format == '<') format++;
    if (format[0] == '\0' || format[1] != '\0') return NULL;
    switch (*format) {
    case 'd': return "g";
    case 'f': return "f";
    case 'e': return "e";
    case 'b': return "c";
    case 'B': return "C";
    case 'h': return "s";
    case 'H': return "S";
    case 'i':
    case 'l':
    case 'q': return size == 8 ? "l" : "i";
    case 'I':
    case 'L':
    case 'Q': return size == 8 ? "L" : "I";
    default: return NULL;
    }
}

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) schema->children[i]->release(schema->children[i]);
    }
    free(schema->private_data);
    schema->release = NULL;
}

static void release_nothing_schema(struct ArrowSchema *schema) { schema->release = NULL; }

static int table_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    buffer_table *table = stream->private_data;
    size_t n = (size_t)table->count;
    /* pointers, structs and names in one block */
    char *block = malloc(n * (sizeof(struct ArrowSchema *) + sizeof(struct ArrowSchema) + 64) + 1);
    if (block == NULL) return ENOMEM;
    struct ArrowSchema **pointers = (struct ArrowSchema **)(void *)block;
    struct ArrowSchema *children = (struct ArrowSchema *)(void *)(pointers + n);
    char(*names)[64] = (char(*)[64])(void *)(children + n);
    for (size_t i = 0; i < n; i++) {
        memcpy(names[i], table->names[i], 64);
        children[i] =
            (struct ArrowSchema){.format = table->formats[i], .name = names[i], .release = release_nothing_schema};
        pointers[i] = &children[i];
    }
    *out = (struct ArrowSchema){.format = "+s",
                                .n_children = table->count,
                                .children = pointers,
                                .release = release_schema,
                                .private_data = block};
    return 0;
}

typedef struct table_batch {
    buffer_table *table;
    const void *validity;
    struct ArrowArray **pointers;
} table_batch;

static void release_nothing_array(struct ArrowArray *array) { array->release = NULL; }

/* The batch owns the table's buffers from here on. */
static void release_batch(struct ArrowArray *array)
{
    table_batch *batch = array->private_data;
    free_table(batch->table);
    free(batch);
    array->release = NULL;
}

static int table_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    buffer_table *table = stream->private_data;
    if (table == NULL || table->done) {
        *out = (struct ArrowArray){0};
        return 0;
    }
    size_t n = (size_t)table->count;
    table_batch *batch =
        malloc(sizeof *batch + n * (sizeof(struct ArrowArray *) + sizeof(struct ArrowArray) + 2 * sizeof(void *)));
    buffer_table *empty = calloc(1, sizeof *empty);
    if (batch == NULL || empty == NULL) {
        free(batch);
        free(empty);
        return ENOMEM;
    }
    struct ArrowArray **pointers = (struct ArrowArray **)(void *)(batch + 1);
    struct ArrowArray *children = (struct ArrowArray *)(void *)(pointers + n);
    const void **buffers = (const void **)(void *)(children + n);
    for (size_t i = 0; i < n; i++) {
        buffers[2 * i] = NULL;
        buffers[2 * i + 1] = table->views[i].buf;
        children[i] = (struct ArrowArray){
            .length = table->length, .n_buffers = 2, .buffers = &buffers[2 * i], .release = release_nothing_array};
        pointers[i] = &children[i];
    }
    *batch = (table_batch){table, NULL, pointers};
    *out = (struct ArrowArray){.length = table->length,
                               .n_buffers = 1,
                               .n_children = table->count,
                               .buffers = &batch->validity,
                               .children = pointers,
                               .release = release_batch,
                               .private_data = batch};
    empty->done = 1;
    stream->private_data = empty;
    return 0;
}

static const char *table_error(struct ArrowArrayStream *stream)
{
    (void)stream;
    return NULL;
}

static void table_release(struct ArrowArrayStream *stream)
{
    free_table(stream->private_data);
    stream->release = NULL;
}

/* table_of_buffers([(name, buffer), ...]) -> ArrowStream of one batch */
static PyObject *table_of_buffers(PyObject *module, PyObject *pairs)
{
    ext_state *state = ext_state_of_module(module);
    Py_ssize_t count = PySequence_Size(pairs);
    if (count < 0) return NULL;
    buffer_table *table = calloc(1, sizeof *table);
    if (table == NULL) return PyErr_NoMemory();
    table->views = calloc((size_t)count + 1, sizeof *table->views);
    table->names = calloc((size_t)count + 1, sizeof *table->names);
    table->formats = calloc((size_t)count + 1, sizeof *table->formats);
    int failed = table->views == NULL || table->names == NULL || table->formats == NULL;
    if (failed) PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        PyObject *pair = PySequence_GetItem(pairs, i), *buffer;
        const char *name;
        failed = pair == NULL || !PyArg_ParseTuple(pair, "sO:table_of_buffers", &name, &buffer) ||
                 PyObject_GetBuffer(buffer, &table->views[i], PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) != 0;
        if (!failed) {
            const Py_buffer *view = &table->views[i];
            table->count = i + 1;
            snprintf(table->names[i], sizeof table->names[i], "%s", name);
            table->formats[i] = arrow_format(view->format, view->itemsize);
            int64_t length = view->itemsize > 0 ? view->len / view->itemsize : 0;
            if (table->formats[i] == NULL || view->ndim != 1) {
                PyErr_Format(PyExc_TypeError, "%s: a one-dimensional array of numbers is wanted", name);
                failed = 1;
            } else if (i > 0 && length != table->length) {
                PyErr_Format(PyExc_ValueError, "%s has %lld rows, not %lld", name, (long long)length,
                             (long long)table->length);
                failed = 1;
            }
            table->length = length;
        }
        Py_XDECREF(pair);
    }
    if (failed) {
        free_table(table);
        return NULL;
    }
    struct ArrowArrayStream stream = {table_schema, table_next, table_error, table_release, table};
    return ext_new_stream(state, &stream);
}

/* new_stream(source) -> ArrowStream */
static PyObject *new_stream(PyObject *module, PyObject *source)
{
    struct ArrowArrayStream stream;
    return ext_stream_of(source, &stream) == 0 ? ext_new_stream(ext_state_of_module(module), &stream) : NULL;
}

PyMethodDef ext_columns_methods[] = {
    {"add_columns", add_columns, METH_VARARGS,
     "add_columns($module, door, source, options, /)\n--\n\nAn ArrowStream of a stream: door is create, parse or "
     "canonicalize; options as ucid_stream_options."},
    {"group_stream", group_stream, METH_VARARGS,
     "group_stream($module, source, by, of, functions, states, memory, threads, /)\n--\n\nSee ucid.aggregate."},
    {"aggregate_stream", aggregate_stream, METH_VARARGS,
     "aggregate_stream($module, source, to, score, weight, h3, city, states, threads, /)\n--\n\nSee ucid.aggregate."},
    {"grid_stream", grid_stream, METH_VARARGS,
     "grid_stream($module, min_lat, min_lon, max_lat, max_lon, resolution, /)\n--\n\nCells of a box: h3, lat, lon."},
    {"new_stream", new_stream, METH_O,
     "new_stream($module, source, /)\n--\n\nAn ArrowStream of whatever speaks Arrow."},
    {"table_of_buffers", table_of_buffers, METH_O,
     "table_of_buffers($module, pairs, /)\n--\n\nAn ArrowStream of one batch over (name, buffer) pairs."},
    {NULL, NULL, 0, NULL},
};

int ext_add_columns(PyObject *module, ext_state *state)
{
    state->stream_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &stream_spec, NULL);
    if (state->stream_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "ArrowStream", (PyObject *)state->stream_type);
}
