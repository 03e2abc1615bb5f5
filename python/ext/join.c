/* join.c: compiled zones, and streams of places that get theirs. Zones are a capsule: ucid.joins gives them a face. */
#include "ext.h"

#define ZONES "ucid.zones"

static void release_zones(PyObject *capsule) { ucid_zone_table_close(PyCapsule_GetPointer(capsule, ZONES)); }

enum { COLUMNS_MAX = 256 };

/* Names of a sequence of str, NULL behind, borrowed from it; NULL: None. 0 on success. */
static int names_of(PyObject *given, const char *names[COLUMNS_MAX + 1], const char *const **columns)
{
    *columns = NULL;
    if (given == Py_None) return 0;
    Py_ssize_t count = PyTuple_Size(given);
    if (count < 0 || count > COLUMNS_MAX) {
        if (!PyErr_Occurred()) PyErr_Format(PyExc_ValueError, "more than %d columns", (int)COLUMNS_MAX);
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        ucid_text text;
        if (ext_text(PyTuple_GetItem(given, i), "a column", &text) != 0) return -1;
        names[i] = text.data;
    }
    names[count] = NULL;
    *columns = names;
    return 0;
}

/* compile_zones(source, geometry, columns, threads) -> capsule, count, names; columns is a tuple or None */
static PyObject *compile_zones(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source, *columns;
    const char *names[COLUMNS_MAX + 1];
    ucid_zone_options options = UCID_ZONE_OPTIONS_INIT;
    struct ArrowArrayStream in = {0};
    if (!PyArg_ParseTuple(args, "OzOi:compile_zones", &source, &options.geometry_column, &columns, &options.threads) ||
        names_of(columns, names, &options.columns) != 0 || ext_stream_of(source, &in) != 0) {
        return NULL;
    }
    ucid_zone_table *table = NULL;
    ucid_error error;
    ucid_status status;
    Py_BEGIN_ALLOW_THREADS;
    status = ucid_zone_table_read(&in, &options, &table, &error);
    Py_END_ALLOW_THREADS;
    if (status != UCID_OK) {
        in.release(&in);
        return ext_raise(state, &error);
    }
    PyObject *capsule = PyCapsule_New(table, ZONES, release_zones);
    if (capsule == NULL) {
        ucid_zone_table_close(table);
        return NULL;
    }
    PyObject *list = PyList_New(0);
    const char *name;
    for (int i = 0; list != NULL && (name = ucid_zone_table_column_name(table, i)) != NULL; i++) {
        PyObject *text = PyUnicode_FromString(name);
        if (text == NULL || PyList_Append(list, text) != 0) Py_CLEAR(list);
        Py_XDECREF(text);
    }
    if (list == NULL) {
        Py_DECREF(capsule);
        return NULL;
    }
    return Py_BuildValue("(NLN)", capsule, (long long)ucid_zones_count(ucid_zone_table_zones_get(table)), list);
}

/* join_stream(source, zones, limit_m, all, options) -> ArrowStream */
static PyObject *join_stream(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source, *zones, *given;
    ucid_join_options join = UCID_JOIN_OPTIONS_INIT;
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    struct ArrowArrayStream in = {0}, out;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "OOdpO!:join_stream", &source, &zones, &join.limit_m, &join.all, &PyDict_Type,
                          &given)) {
        return NULL;
    }
    const ucid_zone_table *table = PyCapsule_GetPointer(zones, ZONES);
    if (table == NULL || ext_stream_options(given, &options) != 0 || ext_stream_of(source, &in) != 0) return NULL;
    if (ucid_join_stream(&in, table, &join, &options, &out, &error) == UCID_OK) {
        return ext_wrap_stream(state, &out, Py_NewRef(zones));
    }
    in.release(&in);
    return ext_raise(state, &error);
}

/* overlap_stream(source, zones, options) -> ArrowStream */
static PyObject *overlap_stream(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source, *zones, *given;
    ucid_stream_options options = UCID_STREAM_OPTIONS_INIT;
    struct ArrowArrayStream in = {0}, out;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "OOO!:overlap_stream", &source, &zones, &PyDict_Type, &given)) return NULL;
    const ucid_zone_table *table = PyCapsule_GetPointer(zones, ZONES);
    if (table == NULL || ext_stream_options(given, &options) != 0 || ext_stream_of(source, &in) != 0) return NULL;
    ucid_status status;
    Py_BEGIN_ALLOW_THREADS; /* the areas of the zones */
    status = ucid_overlap_stream(&in, table, &options, &out, &error);
    Py_END_ALLOW_THREADS;
    if (status == UCID_OK) return ext_wrap_stream(state, &out, Py_NewRef(zones));
    in.release(&in);
    return ext_raise(state, &error);
}

PyMethodDef ext_join_methods[] = {
    {"compile_zones", compile_zones, METH_VARARGS, NULL},
    {"join_stream", join_stream, METH_VARARGS, NULL},
    {"overlap_stream", overlap_stream, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
