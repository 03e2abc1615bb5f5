/* scored.c: streams of scores. Their indexes are given, or asked for one by one when a place first needs them; whatever
 * a stream needs lives until whoever imported it has released it. */
#include "ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct scored_stream {
    struct ArrowArrayStream inner;
    ucid_catalog *catalog;
    const ext_state *state; /* of module */
    PyObject *module;
    PyObject *indexes;   /* a sequence of Index, or of entries */
    PyObject *opener;    /* position -> Index; None: the indexes are there */
    PyObject *opened;    /* list of what opener gave */
    PyObject *exchanged; /* (outside, rows) -> None, or None */
} scored_stream;

static int scored_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    scored_stream *self = stream->private_data;
    return self->inner.get_schema(&self->inner, out);
}

static int scored_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    scored_stream *self = stream->private_data;
    return self->inner.get_next(&self->inner, out);
}

static const char *scored_error(struct ArrowArrayStream *stream)
{
    scored_stream *self = stream->private_data;
    return self->inner.get_last_error(&self->inner);
}

static void free_scored(scored_stream *self)
{
    if (self->inner.release != NULL) self->inner.release(&self->inner);
    ucid_catalog_free(self->catalog);
    PyGILState_STATE gil = PyGILState_Ensure();
    Py_XDECREF(self->indexes);
    Py_XDECREF(self->opener);
    Py_XDECREF(self->opened);
    Py_XDECREF(self->exchanged);
    Py_XDECREF(self->module);
    PyGILState_Release(gil);
    free(self);
}

static void scored_release(struct ArrowArrayStream *stream)
{
    free_scored(stream->private_data);
    stream->release = NULL;
}

/* The exception that is set, as an error; it is cleared. */
static ucid_status error_of_exception(ucid_error *error)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    ucid_status status = PyErr_GivenExceptionMatches(value, PyExc_MemoryError) ? UCID_NO_MEMORY : UCID_DATA_ERROR;
    PyObject *text = value != NULL ? PyObject_Str(value) : NULL;
    Py_ssize_t length = 0;
    const char *said = text != NULL ? PyUnicode_AsUTF8AndSize(text, &length) : NULL;
    if (error != NULL) {
        *error = (ucid_error){.status = status, .byte = -1, .row = -1};
        int end = said != NULL ? (int)strcspn(said, "\n") : 0;
        if (end >= (int)sizeof error->message) end = (int)sizeof error->message - 1;
        while (end > 0 && ((unsigned char)said[end] & 0xC0) == 0x80) end--; /* no half of a character */
        snprintf(error->message, sizeof error->message, "%.*s", end, said != NULL ? said : "");
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    return status;
}

static ucid_status open_index(void *ctx, int64_t position, const ucid_index **out, ucid_error *error)
{
    scored_stream *self = ctx;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *index = PyObject_CallFunction(self->opener, "L", (long long)position);
    *out = index != NULL ? ext_index_of(self->state, index) : NULL;
    ucid_status status = UCID_OK;
    if (*out == NULL || PyList_Append(self->opened, index) != 0) status = error_of_exception(error);
    Py_XDECREF(index);
    PyGILState_Release(gil);
    return status;
}

static int tell_exchanged(void *ctx, int64_t outside, int64_t rows)
{
    scored_stream *self = ctx;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *told = PyObject_CallFunction(self->exchanged, "LL", (long long)outside, (long long)rows);
    int failed = told == NULL; /* a warning that is an error here */
    if (failed) PyErr_Clear();
    Py_XDECREF(told);
    PyGILState_Release(gil);
    return failed;
}

/* A catalog of Index objects. 0 on success. */
static int catalog_of_indexes(scored_stream *self, Py_ssize_t count)
{
    const ucid_index **list = PyMem_Malloc((size_t)count * sizeof *list + 1);
    int failed = list == NULL;
    if (failed) PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        PyObject *index = PySequence_GetItem(self->indexes, i);
        list[i] = index != NULL ? ext_index_of(self->state, index) : NULL;
        failed = list[i] == NULL;
        Py_XDECREF(index);
    }
    ucid_error error;
    if (!failed && ucid_catalog_new(count, list, NULL, &self->catalog, &error) != UCID_OK) {
        ext_raise(self->state, &error);
        failed = 1;
    }
    PyMem_Free(list);
    return failed ? -1 : 0;
}

/* A catalog of entries: (id, hour, (min_lat, min_lon, max_lat, max_lon), cells as a buffer of uint64). */
static int catalog_of_entries(scored_stream *self, Py_ssize_t count)
{
    ucid_catalog_entry *entries = PyMem_Calloc((size_t)count + 1, sizeof *entries);
    Py_buffer *cells = PyMem_Calloc((size_t)count + 1, sizeof *cells);
    int failed = entries == NULL || cells == NULL;
    if (failed) PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && !failed; i++) {
        ucid_catalog_entry *entry = &entries[i];
        PyObject *row = PySequence_GetItem(self->indexes, i); /* the sequence keeps it */
        failed = row == NULL || !PyTuple_Check(row) ||
                 !PyArg_ParseTuple(row, "sI(dddd)y*:entry", &entry->id, &entry->data_hour, &entry->min_lat_deg,
                                   &entry->min_lon_deg, &entry->max_lat_deg, &entry->max_lon_deg, &cells[i]);
        entry->coverage = cells[i].buf;
        entry->coverage_count = (int64_t)(cells[i].len / (Py_ssize_t)sizeof(uint64_t));
        Py_XDECREF(row);
    }
    ucid_error error;
    if (!failed && ucid_catalog_new_lazy(count, entries, open_index, self, NULL, &self->catalog, &error) != UCID_OK) {
        ext_raise(self->state, &error);
        failed = 1;
    }
    for (Py_ssize_t i = 0; i < count && cells != NULL; i++) {
        if (cells[i].obj != NULL) PyBuffer_Release(&cells[i]);
    }
    PyMem_Free(cells);
    PyMem_Free(entries);
    return failed ? -1 : 0;
}

/* score_stream(source, options, indexes, opener, exchanged) -> ArrowStream */
static PyObject *score_stream(PyObject *module, PyObject *args)
{
    PyObject *source, *given, *indexes, *opener, *exchanged;
    if (!PyArg_ParseTuple(args, "OO!OOO:score_stream", &source, &PyDict_Type, &given, &indexes, &opener, &exchanged)) {
        return NULL;
    }
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    struct ArrowArrayStream in = {0}, out;
    ucid_error error;
    Py_ssize_t count = PySequence_Size(indexes);
    if (count < 0 || ext_stream_options(given, &options) != 0) return NULL;
    scored_stream *self = calloc(1, sizeof *self);
    if (self == NULL) return PyErr_NoMemory();
    self->state = ext_state_of_module(module);
    self->module = Py_NewRef(module);
    self->indexes = Py_NewRef(indexes);
    self->opener = Py_NewRef(opener);
    self->exchanged = Py_NewRef(exchanged);
    self->opened = PyList_New(0);
    if (exchanged != Py_None) {
        options.exchanged = tell_exchanged;
        options.exchanged_ctx = self;
    }
    int failed = self->opened == NULL ||
                 (opener == Py_None ? catalog_of_indexes(self, count) : catalog_of_entries(self, count)) != 0 ||
                 ext_stream_of(source, &in) != 0;
    if (!failed && ucid_score_stream(&in, self->catalog, &options, &self->inner, &error) != UCID_OK) {
        in.release(&in);
        ext_raise(self->state, &error);
        failed = 1;
    }
    if (failed) {
        free_scored(self);
        return NULL;
    }
    out = (struct ArrowArrayStream){scored_schema, scored_next, scored_error, scored_release, self};
    return ext_new_stream(self->state, &out);
}

PyMethodDef ext_scored_methods[] = {
    {"score_stream", score_stream, METH_VARARGS,
     "score_stream($module, source, options, indexes, opener, exchanged, /)\n--\n\nAn ArrowStream of scores; options "
     "as "
     "ucid_stream_options, indexes as ucid_catalog_new or, with an opener, ucid_catalog_new_lazy take them."},
    {NULL, NULL, 0, NULL},
};
