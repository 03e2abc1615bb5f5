/* csv_texts.c: rows of CSV, and the texts and numbers of some of their columns as buffers of Arrow. */
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

/* Numbers of a column: values, a bitmap of the rows that are none which is plain, and the texts of these as texts_of
 * has them; empty ones are among them. */
static PyObject *numbers_of(const char *bytes, ucid_csv_field *fields, int64_t rows, size_t step)
{
    size_t n = (size_t)rows;
    int64_t others = 0;
    PyObject *values = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)(n * sizeof(double)));
    PyObject *mask = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)((n + 7) / 8));
    PyObject *texts = NULL, *made = NULL;
    if (values != NULL && mask != NULL) {
        double *value = (double *)(void *)PyBytes_AsString(values);
        uint8_t *bits = (uint8_t *)PyBytes_AsString(mask);
        Py_BEGIN_ALLOW_THREADS;
        memset(bits, 0, (n + 7) / 8);
        for (size_t i = 0; i < n; i++) {
            ucid_csv_field field = fields[i * step];
            value[i] = 0.0;
            if (ucid_csv_number(bytes + field.start, field.length, &value[i])) continue;
            bits[i / 8] = (uint8_t)(bits[i / 8] | 1u << i % 8);
            fields[(size_t)others++ * step] = field; /* of a row that has been read */
        }
        Py_END_ALLOW_THREADS;
        texts = texts_of(bytes, fields, others, step);
    }
    if (texts != NULL) made = Py_BuildValue("OOLO", values, mask, (long long)others, texts);
    Py_XDECREF(values);
    Py_XDECREF(mask);
    Py_XDECREF(texts);
    return made;
}

typedef struct chosen {
    int32_t *columns;
    uint8_t *numbers; /* whether they are numbers, else texts */
    size_t count;
} chosen;

static PyObject *columns_of_rows(ext_state *state, const Py_buffer *view, int column_count, const chosen *given)
{
    const char *bytes = view->buf;
    size_t n = given->count, capacity = (size_t)view->len / (size_t)column_count + 1;
    ucid_csv_field *fields = malloc((n * capacity + 1) * sizeof *fields);
    if (fields == NULL) return PyErr_NoMemory();
    int64_t rows;
    ucid_error error;
    ucid_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ucid_csv_fields(bytes, (size_t)view->len, column_count, given->columns, (int32_t)n, (int64_t)capacity,
                             fields, &rows, &error);
    Py_END_ALLOW_THREADS;
    if (status != UCID_OK) {
        free(fields);
        return ext_raise(state, &error);
    }
    PyObject *list = PyList_New((Py_ssize_t)n);
    for (size_t c = 0; list != NULL && c < n; c++) {
        PyObject *column =
            given->numbers[c] ? numbers_of(bytes, fields + c, rows, n) : texts_of(bytes, fields + c, rows, n);
        if (column == NULL || PyList_SetItem(list, (Py_ssize_t)c, column) != 0) Py_CLEAR(list);
    }
    free(fields);
    return list != NULL ? Py_BuildValue("LN", (long long)rows, list) : NULL;
}

static PyObject *csv_columns(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *block, *given;
    int column_count;
    if (!PyArg_ParseTuple(args, "OiO:csv_columns", &block, &column_count, &given)) return NULL;
    Py_ssize_t count = PySequence_Size(given);
    if (count < 0) return NULL;
    chosen wanted = {malloc(((size_t)count + 1) * sizeof(int32_t)), malloc((size_t)count + 1), (size_t)count};
    PyObject *made = NULL;
    Py_buffer view;
    int good = wanted.columns != NULL && wanted.numbers != NULL;
    if (!good) PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count && good; i++) {
        PyObject *one = PySequence_GetItem(given, i);
        int column, number;
        good = one != NULL && PyArg_ParseTuple(one, "ip:csv_columns", &column, &number);
        Py_XDECREF(one);
        if (!good) break;
        wanted.columns[i] = column;
        wanted.numbers[i] = (uint8_t)number;
    }
    if (good && PyObject_GetBuffer(block, &view, PyBUF_SIMPLE) == 0) {
        if (column_count < 1 || view.len > INT32_MAX) {
            ext_raise_status(state, UCID_INVALID_ARGUMENT, "%d columns of %zd bytes: not 1 or more, or 2 GiB or more",
                             column_count, view.len);
        } else {
            made = columns_of_rows(state, &view, column_count, &wanted);
        }
        PyBuffer_Release(&view);
    }
    free(wanted.columns);
    free(wanted.numbers);
    return made;
}

PyMethodDef ext_csv_methods[] = {
    {"csv_row", csv_row, METH_O,
     "csv_row($module, block, /)\n--\n\nBytes of the first row of CSV; 0: it is not whole."},
    {"csv_rows", csv_rows, METH_O, "csv_rows($module, block, /)\n--\n\nBytes of the rows of CSV that are whole."},
    {"csv_columns", csv_columns, METH_VARARGS,
     "csv_columns($module, block, column_count, columns, /)\n--\n\nRows of CSV, and some columns, each a number and "
     "whether it has numbers. Texts: validity or None, offsets of int32, bytes. Numbers: values, bits of those that "
     "are "
     "no plain ones, how many these are, and their texts."},
    {NULL, NULL, 0, NULL},
};
