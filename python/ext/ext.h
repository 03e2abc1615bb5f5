/* ext.h: what the files of the Python extension share. Plain CPython, limited API of 3.11: one binary for every later
 * CPython. No global state: everything hangs on the module. */
#ifndef UCID_EXT_H
#define UCID_EXT_H

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "ucid.h"

typedef struct ext_state {
    PyObject *errors;           /* the module ucid.errors */
    PyTypeObject *ucid_type;    /* UCID */
    PyTypeObject *index_type;   /* Index */
    PyTypeObject *context_type; /* Context */
    PyTypeObject *result_type;  /* ContextResult */
    PyTypeObject *stream_type;  /* ArrowStream */
} ext_state;

/* State of the module of a function (module is its self), and of an object of one of our types. */
ext_state *ext_state_of_module(PyObject *module);
ext_state *ext_state_of_object(PyObject *object);

/* Raise the class that ucid.h names for error->status, with code, message and details. Returns NULL. */
PyObject *ext_raise(const ext_state *state, const ucid_error *error);
/* The same with a message made here. */
PyObject *ext_raise_status(const ext_state *state, ucid_status status, const char *format, ...);

/* What a function of the package, written in Python, says of an object of ours. */
PyObject *ext_ask_package(const char *module, const char *function, PyObject *object);

/* Arguments of a METH_FASTCALL | METH_KEYWORDS function into slots[count] (borrowed, NULL where not given); names
 * [count] are in positional order, the first `required` must be given, only the first `positional` may be given by
 * position. 0 on success. */
int ext_arguments(const char *function, PyObject *const *args, Py_ssize_t nargs, PyObject *names_given,
                  const char *const *names, int count, int positional, int required, PyObject **slots);

/* UTF-8 of a str, borrowed. 0 on success; -1 and TypeError for what is no str. */
int ext_text(PyObject *object, const char *name, ucid_text *text);
/* A number; -1 and TypeError for what is none. */
int ext_double(PyObject *object, const char *name, double *value);

int ext_add_identity(PyObject *module, ext_state *state);
int ext_add_places(PyObject *module, ext_state *state);
int ext_add_columns(PyObject *module, ext_state *state);

extern PyMethodDef ext_identity_methods[], ext_places_methods[], ext_columns_methods[], ext_maps_methods[],
    ext_join_methods[], ext_scored_methods[], ext_csv_methods[], ext_parquet_methods[];

/* The stream of an object with __arrow_c_stream__, moved out of its capsule, or with __arrow_c_array__ alone. 0 on
 * success. */
int ext_stream_of(PyObject *source, struct ArrowArrayStream *stream);

/* Options of a dict: names as in ucid_stream_options. Texts are borrowed from the dict. 0 on success. */
int ext_stream_options(PyObject *given, ucid_stream_options *options);
/* An ArrowStream of a stream, which is taken over. */
PyObject *ext_new_stream(const ext_state *state, struct ArrowArrayStream *stream);
/* An ArrowStream that keeps an object until it is released; both are taken over, kept being a new reference. */
PyObject *ext_wrap_stream(const ext_state *state, struct ArrowArrayStream *stream, PyObject *kept);

/* Index inside an object of type Index; NULL and TypeError for another. */
const ucid_index *ext_index_of(const ext_state *state, PyObject *object);

/* "A+" ... of a grade as a str (new reference). */
PyObject *ext_grade(uint8_t grade);
/* UCID_GRADE_* of a str; -1 with an exception. */
int ext_grade_of(const ext_state *state, PyObject *object);
/* Hour of a time key given as str, or UINT32_MAX for None; -1 with an exception. */
int ext_hour(const ext_state *state, PyObject *object, uint32_t *hour);

#endif
