/* module.c: the module ucid._ext, its errors and its arguments. */
#include "ext.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

ext_state *ext_state_of_module(PyObject *module) { return PyModule_GetState(module); }

ext_state *ext_state_of_object(PyObject *object) { return PyType_GetModuleState(Py_TYPE(object)); }

static const char *class_name(ucid_status status)
{
    switch (status) {
#define CLASS_CASE(name, number, exit_code, python_class, meaning)                                                     \
    case UCID_##name: return #python_class;
        UCID_STATUS_LIST(CLASS_CASE)
#undef CLASS_CASE
    }
    return "UCIDError";
}

PyObject *ext_raise(const ext_state *state, const ucid_error *error)
{
    const char *name = class_name(error->status);
    if (strcmp(name, "MemoryError") == 0) {
        PyErr_SetString(PyExc_MemoryError, error->message);
        return NULL;
    }
    if (strcmp(name, "None") == 0) name = "UCIDError"; /* a row status that ended a scalar call */
    PyObject *class = PyObject_GetAttrString(state->errors, name);
    PyObject *details = PyDict_New();
    PyObject *value = NULL;
    if (class != NULL && details != NULL) {
        int failed = 0;
        const struct {
            const char *key;
            long long number;
        } places[] = {{"byte", error->byte}, {"row", error->row}};
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            if (places[i].number < 0) continue;
            PyObject *number = PyLong_FromLongLong(places[i].number);
            failed |= number == NULL || PyDict_SetItemString(details, places[i].key, number) != 0;
            Py_XDECREF(number);
        }
        if (error->field != UCID_FIELD_NONE) {
            PyObject *field = PyUnicode_FromString(ucid_field_name(error->field));
            failed |= field == NULL || PyDict_SetItemString(details, "field", field) != 0;
            Py_XDECREF(field);
        }
        if (!failed) {
            value = PyObject_CallFunction(class, "sOs", error->message, details, ucid_status_code(error->status));
        }
    }
    if (value != NULL) PyErr_SetObject(class, value);
    Py_XDECREF(value);
    Py_XDECREF(details);
    Py_XDECREF(class);
    return NULL;
}

PyObject *ext_raise_status(const ext_state *state, ucid_status status, const char *format, ...)
{
    ucid_error error = {.status = status, .byte = -1, .row = -1};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    return ext_raise(state, &error);
}

PyObject *ext_ask_package(const char *module_name, const char *function_name, PyObject *object)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *function = module != NULL ? PyObject_GetAttrString(module, function_name) : NULL;
    PyObject *answer = function != NULL ? PyObject_CallFunctionObjArgs(function, object, NULL) : NULL;
    Py_XDECREF(module);
    Py_XDECREF(function);
    return answer;
}

int ext_arguments(const char *function, PyObject *const *args, Py_ssize_t nargs, PyObject *names_given,
                  const char *const *names, int count, int positional, int required, PyObject **slots)
{
    if (nargs > positional) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d positional arguments (%zd given)", function, positional,
                     nargs);
        return -1;
    }
    for (int i = 0; i < count; i++) slots[i] = i < nargs ? args[i] : NULL;
    Py_ssize_t keywords = names_given != NULL ? PyTuple_Size(names_given) : 0;
    for (Py_ssize_t k = 0; k < keywords; k++) {
        PyObject *given = PyTuple_GetItem(names_given, k);
        int slot = 0;
        while (slot < count && PyUnicode_CompareWithASCIIString(given, names[slot]) != 0) slot++;
        if (slot == count) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, given);
            return -1;
        }
        if (slots[slot] != NULL) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", function, names[slot]);
            return -1;
        }
        slots[slot] = args[nargs + k];
    }
    for (int i = 0; i < required; i++) {
        if (slots[i] != NULL) continue;
        PyErr_Format(PyExc_TypeError, "%s() missing required argument: '%s'", function, names[i]);
        return -1;
    }
    return 0;
}

int ext_text(PyObject *object, const char *name, ucid_text *text)
{
    if (!PyUnicode_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s must be str, not %R", name, (PyObject *)Py_TYPE(object));
        return -1;
    }
    Py_ssize_t length;
    text->data = PyUnicode_AsUTF8AndSize(object, &length);
    if (text->data == NULL) return -1;
    text->length = (size_t)length;
    return 0;
}

int ext_double(PyObject *object, const char *name, double *value)
{
    *value = PyFloat_AsDouble(object);
    if (*value != -1.0 || !PyErr_Occurred()) return 0;
    if (PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Format(PyExc_TypeError, "%s must be a number, not %R", name, (PyObject *)Py_TYPE(object));
    }
    return -1;
}

PyObject *ext_grade(uint8_t grade) { return PyUnicode_FromString(ucid_grade_text(grade)); }

int ext_grade_of(const ext_state *state, PyObject *object)
{
    ucid_text text;
    if (ext_text(object, "grade", &text) != 0) return -1;
    int grade = ucid_grade_parse(text);
    if (grade < 0) {
        ucid_error error = {.status = UCID_INVALID_FIELD, .byte = -1, .row = -1, .field = UCID_FIELD_GRADE};
        snprintf(error.message, sizeof error.message, "grade is '%.40s', not one of A+ A B C D F", text.data);
        ext_raise(state, &error);
    }
    return grade;
}

int ext_hour(const ext_state *state, PyObject *object, uint32_t *hour)
{
    if (object == NULL || object == Py_None) {
        *hour = UINT32_MAX;
        return 0;
    }
    ucid_text text;
    ucid_error error;
    int32_t parsed;
    if (ext_text(object, "timestamp", &text) != 0) return -1;
    if (ucid_time_parse(text, &parsed, &error) != UCID_OK) {
        ext_raise(state, &error);
        return -1;
    }
    if (parsed < 0) {
        ext_raise_status(state, UCID_INVALID_TIME, "scores begin at 1970W01T00");
        return -1;
    }
    *hour = (uint32_t)parsed;
    return 0;
}

static int module_exec(PyObject *module)
{
    ext_state *state = ext_state_of_module(module);
    /* Streams are released by whatever thread has them, through PyGILState_Ensure, which knows the main interpreter
     * only. */
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        PyErr_SetString(PyExc_ImportError, "ucid works in the main interpreter only, not in sub-interpreters");
        return -1;
    }
    state->errors = PyImport_ImportModule("ucid.errors");
    if (state->errors == NULL) return -1;
    if (PyModule_AddStringConstant(module, "__version__", ucid_version()) != 0) return -1;
    PyObject *statuses = PyDict_New();
    if (statuses == NULL) return -1;
    int failed = 0;
#define ADD_STATUS(name, number, exit_code, python_class, meaning)                                                     \
    {                                                                                                                  \
        PyObject *row = Py_BuildValue("(iss)", (int)(number), #python_class, meaning);                                 \
        failed |= row == NULL || PyDict_SetItemString(statuses, #name, row) != 0;                                      \
        Py_XDECREF(row);                                                                                               \
    }
    UCID_STATUS_LIST(ADD_STATUS)
#undef ADD_STATUS
    failed = failed || PyModule_AddObjectRef(module, "STATUSES", statuses) != 0;
    Py_DECREF(statuses);
    if (failed) return -1;
    if (PyModule_AddFunctions(module, ext_identity_methods) != 0 ||
        PyModule_AddFunctions(module, ext_places_methods) != 0 ||
        PyModule_AddFunctions(module, ext_columns_methods) != 0 ||
        PyModule_AddFunctions(module, ext_maps_methods) != 0 || PyModule_AddFunctions(module, ext_join_methods) != 0 ||
        PyModule_AddFunctions(module, ext_scored_methods) != 0 || PyModule_AddFunctions(module, ext_csv_methods) != 0 ||
        PyModule_AddFunctions(module, ext_parquet_methods) != 0) {
        return -1;
    }
    if (ext_add_identity(module, state) != 0 || ext_add_places(module, state) != 0) return -1;
    return ext_add_columns(module, state);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    ext_state *state = ext_state_of_module(module);
    Py_VISIT(state->errors);
    Py_VISIT(state->ucid_type);
    Py_VISIT(state->index_type);
    Py_VISIT(state->context_type);
    Py_VISIT(state->result_type);
    Py_VISIT(state->stream_type);
    return 0;
}

static int module_clear(PyObject *module)
{
    ext_state *state = ext_state_of_module(module);
    Py_CLEAR(state->errors);
    Py_CLEAR(state->ucid_type);
    Py_CLEAR(state->index_type);
    Py_CLEAR(state->context_type);
    Py_CLEAR(state->result_type);
    Py_CLEAR(state->stream_type);
    return 0;
}

static void module_free(void *module) { module_clear(module); }

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, (void *)module_exec}, {0, NULL}};

static PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "ucid._ext",
    .m_doc = "The C core of ucid.",
    .m_size = sizeof(ext_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__ext(void);

PyMODINIT_FUNC PyInit__ext(void) { return PyModuleDef_Init(&module_definition); }
