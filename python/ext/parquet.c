/* parquet.c: columns of several Parquet files side by side, and columns as a file. */
#include "ext.h"

#include <stdlib.h>

/* A part as Python gives it: a tuple, whose items are borrowed. */
typedef struct given_part {
    ucid_parquet_part part;
    const char **names;
} given_part;

static int take_part(PyObject *given, given_part *to)
{
    PyObject *names;
    const char *footer;
    Py_ssize_t length;
    unsigned long long whole;
    ucid_parquet_part *part = &to->part;
    if (!PyArg_ParseTuple(given, "y#KiiO:parquet_beside", &footer, &length, &whole, &part->row_group,
                          &part->row_group_count, &names)) {
        return -1;
    }
    part->footer = (const uint8_t *)footer;
    part->footer_length = (size_t)length;
    part->file_length = whole;
    if (names == Py_None) return 0;
    Py_ssize_t count = PySequence_Size(names);
    if (count < 0 || count > INT32_MAX) return -1;
    to->names = calloc((size_t)count + 1, sizeof *to->names);
    if (to->names == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *name = PySequence_GetItem(names, i);
        to->names[i] = name != NULL ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
        Py_XDECREF(name); /* the sequence holds it */
        if (to->names[i] == NULL) return -1;
    }
    part->columns = to->names;
    part->column_count = (int32_t)count;
    return 0;
}

static PyObject *file_of(const ucid_parquet_file *file)
{
    PyObject *spans = PyList_New((Py_ssize_t)file->span_count);
    for (size_t i = 0; spans != NULL && i < file->span_count; i++) {
        const ucid_parquet_span *span = &file->spans[i];
        PyObject *one =
            Py_BuildValue("iKK", (int)span->part, (unsigned long long)span->offset, (unsigned long long)span->length);
        if (one == NULL || PyList_SetItem(spans, (Py_ssize_t)i, one) != 0) Py_CLEAR(spans);
    }
    if (spans == NULL) return NULL;
    return Py_BuildValue("Ny#", spans, (const char *)file->footer, (Py_ssize_t)file->footer_length);
}

static PyObject *parquet_beside(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *given, *said, *made = NULL;
    if (!PyArg_ParseTuple(args, "O!O!:parquet_beside", &PyList_Type, &given, &PyList_Type, &said)) return NULL;
    size_t count = (size_t)PyList_Size(given), keys = (size_t)PyList_Size(said);
    given_part *parts = calloc(count + 1, sizeof *parts);
    ucid_parquet_part *plain = calloc(count + 1, sizeof *plain);
    ucid_text *texts = calloc(2 * keys + 1, sizeof *texts);
    int good = parts != NULL && plain != NULL && texts != NULL;
    if (!good) PyErr_NoMemory();
    for (size_t i = 0; i < count && good; i++) {
        good = take_part(PyList_GetItem(given, (Py_ssize_t)i), &parts[i]) == 0;
        plain[i] = parts[i].part;
    }
    for (size_t i = 0; i < keys && good; i++) {
        ucid_text *key = &texts[i], *value = &texts[keys + i];
        Py_ssize_t key_length, value_length;
        good = PyArg_ParseTuple(PyList_GetItem(said, (Py_ssize_t)i), "y#y#:parquet_beside", &key->data, &key_length,
                                &value->data, &value_length);
        if (good) key->length = (size_t)key_length, value->length = (size_t)value_length;
    }
    if (good) {
        ucid_parquet_file file;
        ucid_error error;
        ucid_status status;
        Py_BEGIN_ALLOW_THREADS;
        status = ucid_parquet_beside(plain, (int32_t)count, texts, texts + keys, (int32_t)keys, NULL, &file, &error);
        Py_END_ALLOW_THREADS;
        made = status == UCID_OK ? file_of(&file) : ext_raise(state, &error);
        ucid_parquet_file_reset(&file);
    }
    for (size_t i = 0; parts != NULL && i < count; i++) free((void *)parts[i].names);
    free(parts);
    free(plain);
    free(texts);
    return made;
}

/* Where the bytes of a file go: a list. */
static int append_bytes(void *ctx, const void *bytes, size_t length)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *piece = PyBytes_FromStringAndSize(bytes, (Py_ssize_t)length);
    int bad = piece == NULL || PyList_Append(ctx, piece) != 0;
    Py_XDECREF(piece);
    PyGILState_Release(gil);
    return bad;
}

static PyObject *parquet_write(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source, *lengths, *names;
    ucid_parquet_options options = UCID_PARQUET_OPTIONS_INIT;
    if (!PyArg_ParseTuple(args, "OO!O!:parquet_write", &source, &PyList_Type, &lengths, &PyList_Type, &names))
        return NULL;
    size_t groups = (size_t)PyList_Size(lengths), unordered = (size_t)PyList_Size(names);
    int64_t *rows = calloc(groups + 1, sizeof *rows);
    const char **texts = calloc(unordered + 1, sizeof *texts);
    PyObject *pieces = PyList_New(0);
    int good = rows != NULL && texts != NULL && pieces != NULL;
    if (rows == NULL || texts == NULL) PyErr_NoMemory();
    for (size_t i = 0; i < groups && good; i++) {
        rows[i] = PyLong_AsLongLong(PyList_GetItem(lengths, (Py_ssize_t)i));
        good = rows[i] != -1 || !PyErr_Occurred();
    }
    for (size_t i = 0; i < unordered && good; i++) {
        texts[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(names, (Py_ssize_t)i), NULL);
        good = texts[i] != NULL;
    }
    struct ArrowArrayStream in = {0};
    good = good && ext_stream_of(source, &in) == 0;
    if (good) {
        ucid_error error;
        ucid_status status;
        options.group_rows = rows;
        options.group_count = (int32_t)groups;
        options.unordered = texts;
        options.unordered_count = (int32_t)unordered;
        Py_BEGIN_ALLOW_THREADS;
        status = ucid_parquet_write(&in, &options, append_bytes, pieces, &error);
        if (status != UCID_OK) in.release(&in);
        Py_END_ALLOW_THREADS;
        good = status == UCID_OK;
        if (!good && !PyErr_Occurred()) (void)ext_raise(state, &error);
    }
    free(rows);
    free((void *)texts);
    if (!good) Py_CLEAR(pieces);
    return pieces;
}

PyMethodDef ext_parquet_methods[] = {
    {"parquet_beside", parquet_beside, METH_VARARGS,
     "parquet_beside($module, parts, said, /)\n--\n\nWhat a Parquet file is put together of: spans, each a part, an "
     "offset "
     "and a length, and the footer. Parts: of a file the footer, its length, first row group, how many, and names of "
     "columns or None for all. said: pairs of bytes, the key-value metadata."},
    {"parquet_write", parquet_write, METH_VARARGS,
     "parquet_write($module, source, group_rows, unordered, /)\n--\n\nA Parquet file of an Arrow stream of texts and "
     "doubles, as a list of its pieces; rows of its row groups, the last for all that follow; columns without least "
     "and "
     "greatest values."},
    {NULL, NULL, 0, NULL},
};
