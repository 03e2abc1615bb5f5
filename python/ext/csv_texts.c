/* csv_texts.c: rows of CSV, and the texts of some of their columns as buffers of Arrow. */
#include "ext.h"

#include <stdlib.h>
#include <string.h>

typedef size_t measure_fn(const char *bytes, size_t length);

static PyObject *measure(PyObject *block, measure_fn *of)
{
    Py_buffer view;
    if (PyObject_GetBuffer(block, &view, PyBUF_SIMPLE) != 0) return NULL;
    size_t bytes;
    Py_BEGIN_ALLOW_THREADS;
    bytes = of(view.buf, (size_t)view.len);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&view);
    return PyLong_FromSize_t(bytes);
}

static PyObject *csv_row(PyObject *module, PyObject *block)
{
    (void)module;
    return measure(block, ucid_csv_row);
}

static PyObject *csv_rows(PyObject *module, PyObject *block)
{
    (void)module;
    return measure(block, ucid_csv_rows);
}

/* Texts of a column: validity or None, offsets, bytes. fields begin with the column's first, and there is one every
 * `step`. */
static PyObject *texts_of(const char *bytes, const ucid_csv_field *fields, int64_t rows, size_t step)
{
    size_t most = 0, nulls = 0, n = (size_t)rows;
    for (size_t i = 0; i < n; i++) {
        most += fields[i * step].length;
        nulls += fields[i * step].length == 0;
    }
    PyObject *offsets = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((n + 1) * sizeof(int32_t)));
    PyObject *data = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)most);
    PyObject *validity = nulls > 0 ? PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((n + 7) / 8)) : Py_NewRef(Py_None);
    PyObject *made = NULL;
    if (offsets != NULL && data != NULL && validity != NULL) {
        int32_t *ends = (int32_t *)(void *)PyBytes_AsString(offsets);
        char *start = PyBytes_AsString(data), *at = start;
        uint8_t *bits = nulls > 0 ? (uint8_t *)PyBytes_AsString(validity) : NULL;
        if (bits != NULL) memset(bits, 0, (n + 7) / 8);
        Py_BEGIN_ALLOW_THREADS;
        ends[0] = 0;
        for (size_t i = 0; i < n; i++) {
            const ucid_csv_field *field = &fields[i * step];
            at += ucid_csv_text(bytes + field->start, field->length, at);
            ends[i + 1] = (int32_t)(at - start);
            if (bits != NULL && field->length > 0) bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
        }
        Py_END_ALLOW_THREADS;
        made = PyTuple_Pack(3, validity, offsets, data);
    }
    Py_XDECREF(validity);
    Py_XDECREF(offsets);
    Py_XDECREF(data);
    return made;
}

static PyObject *texts_of_rows(ext_state *state, const Py_buffer *view, int column_count, const int32_t *columns,
                               Py_ssize_t count)
{
    const char *bytes = view->buf;
    size_t n = (size_t)count, capacity = (size_t)view->len / (size_t)column_count + 1;
    ucid_csv_field *fields = malloc((n * capacity + 1) * sizeof *fields);
    if (fields == NULL) return PyErr_NoMemory();
    int64_t rows;
    ucid_error error;
    ucid_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ucid_csv_fields(bytes, (size_t)view->len, column_count, columns, (int32_t)count, (int64_t)capacity, fields,
                             &rows, &error);
    Py_END_ALLOW_THREADS;
    if (status != UCID_OK) {
        free(fields);
        return ext_raise(state, &error);
    }
    PyObject *list = PyList_New(count);
    for (size_t c = 0; list != NULL && c < n; c++) {
        PyObject *texts = texts_of(bytes, fields + c, rows, n);
        if (texts == NULL || PyList_SetItem(list, (Py_ssize_t)c, texts) != 0) Py_CLEAR(list);
    }
    free(fields);
    return list != NULL ? Py_BuildValue("LN", (long long)rows, list) : NULL;
}

static PyObject *csv_texts(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *block, *given;
    int column_count;
    if (!PyArg_ParseTuple(args, "OiO:csv_texts", &block, &column_count, &given)) return NULL;
    Py_ssize_t count = PySequence_Size(given);
    if (count < 0) return NULL;
    int32_t *columns = malloc(((size_t)count + 1) * sizeof *columns);
    if (columns == NULL) return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *one = PySequence_GetItem(given, i);
        columns[i] = one != NULL ? (int32_t)PyLong_AsLong(one) : -1;
        Py_XDECREF(one);
    }
    PyObject *made = NULL;
    Py_buffer view;
    if (!PyErr_Occurred() && PyObject_GetBuffer(block, &view, PyBUF_SIMPLE) == 0) {
        if (column_count < 1 || view.len > INT32_MAX) {
            ext_raise_status(state, UCID_INVALID_ARGUMENT, "%d columns of %zd bytes: not 1 or more, or 2 GiB or more",
                             column_count, view.len);
        } else {
            made = texts_of_rows(state, &view, column_count, columns, count);
        }
        PyBuffer_Release(&view);
    }
    free(columns);
    return made;
}

PyMethodDef ext_csv_methods[] = {
    {"csv_row", csv_row, METH_O,
     "csv_row($module, block, /)\n--\n\nBytes of the first row of CSV; 0: it is not whole."},
    {"csv_rows", csv_rows, METH_O, "csv_rows($module, block, /)\n--\n\nBytes of the rows of CSV that are whole."},
    {"csv_texts", csv_texts, METH_VARARGS,
     "csv_texts($module, block, column_count, columns, /)\n--\n\nRows of CSV, and the texts of some columns: validity "
     "or None, offsets of int32, bytes."},
    {NULL, NULL, 0, NULL},
};
