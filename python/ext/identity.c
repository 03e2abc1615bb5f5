/* identity.c: the type UCID, and the scalar functions of identifiers, time keys, cities and cells. */
#include "docs.h"
#include "ext.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

/* ---------------------------------------------------------------------------------------------------------- UCID -- */

typedef struct ucid_object {
    PyObject_HEAD ucid_fields fields;
} ucid_object;

static ucid_object *new_ucid(PyTypeObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return (ucid_object *)allocate(type, 0);
}

static void ucid_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *get_version(PyObject *self, void *closure)
{
    (void)self;
    (void)closure;
    return PyUnicode_FromString("V1");
}

static const ucid_fields *fields_of(PyObject *self) { return &((ucid_object *)self)->fields; }

static PyObject *get_city(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(fields_of(self)->city);
}

static PyObject *get_number(PyObject *self, void *closure)
{
    const ucid_fields *fields = fields_of(self);
    switch (*(const char *)closure) {
    case 'a': return PyFloat_FromDouble(fields->lat_deg);
    case 'o': return PyFloat_FromDouble(fields->lon_deg);
    case 'c': return PyFloat_FromDouble(fields->confidence);
    default: return PyLong_FromLong(fields->resolution);
    }
}

static PyObject *get_cell(PyObject *self, void *closure)
{
    (void)closure;
    char text[16];
    ucid_cell_format(fields_of(self)->cell, text);
    return PyUnicode_FromStringAndSize(text, 15);
}

static PyObject *get_timestamp(PyObject *self, void *closure)
{
    (void)closure;
    const ucid_fields *fields = fields_of(self);
    return PyUnicode_FromFormat("%04dW%02dT%02d", (int)fields->year, (int)fields->week, (int)fields->hour);
}

static PyObject *get_context(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(fields_of(self)->context);
}

static PyObject *get_grade(PyObject *self, void *closure)
{
    (void)closure;
    return ext_grade(fields_of(self)->grade);
}

static PyObject *get_flags_text(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(fields_of(self)->flags);
}

static PyObject *get_flags(PyObject *self, void *closure)
{
    (void)closure;
    PyObject *list = PyList_New(0);
    const char *flag = fields_of(self)->flags;
    while (list != NULL && *flag != '\0') {
        size_t length = strcspn(flag, ";");
        PyObject *text = PyUnicode_FromStringAndSize(flag, (Py_ssize_t)length);
        if (text == NULL || PyList_Append(list, text) != 0) Py_CLEAR(list);
        Py_XDECREF(text);
        flag += length + (flag[length] == ';');
    }
    return list;
}

static PyObject *canonical_text(const ucid_fields *fields)
{
    char text[UCID_LENGTH_MAX + 1];
    size_t length = ucid_format(fields, text);
    return PyUnicode_FromStringAndSize(text, (Py_ssize_t)length);
}

static PyObject *ucid_str(PyObject *self) { return canonical_text(fields_of(self)); }

static PyObject *ucid_repr(PyObject *self)
{
    PyObject *text = ucid_str(self);
    PyObject *repr = text != NULL ? PyUnicode_FromFormat("UCID(%R)", text) : NULL;
    Py_XDECREF(text);
    return repr;
}

static PyObject *ucid_canonical(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return ucid_str(self);
}

/* Field n (0-based) of the canonical text: the printed forms lat3, lon3, conf2. */
static PyObject *get_printed(PyObject *self, void *closure)
{
    char text[UCID_LENGTH_MAX + 1];
    ucid_format(fields_of(self), text);
    const char *field = text;
    for (int i = *(const char *)closure - '0'; i > 0; i--) field = strchr(field, ':') + 1;
    return PyUnicode_FromStringAndSize(field, (Py_ssize_t)strcspn(field, ":"));
}

static Py_hash_t ucid_hash_slot(PyObject *self)
{
    Py_hash_t hash = (Py_hash_t)ucid_hash(fields_of(self));
    return hash != -1 ? hash : -2;
}

static PyObject *ucid_richcompare(PyObject *self, PyObject *other, int operation)
{
    if (Py_TYPE(self) != Py_TYPE(other)) Py_RETURN_NOTIMPLEMENTED;
    int order = ucid_compare(fields_of(self), fields_of(other));
    int answer = 0;
    switch (operation) {
    case Py_LT: answer = order < 0; break;
    case Py_LE: answer = order <= 0; break;
    case Py_EQ: answer = order == 0; break;
    case Py_NE: answer = order != 0; break;
    case Py_GT: answer = order > 0; break;
    case Py_GE: answer = order >= 0; break;
    default: break;
    }
    return PyBool_FromLong(answer);
}

/* Keywords of UCID(...) and create_ucid(...), in the published order. */
enum {
    A_CITY,
    A_LAT,
    A_LON,
    A_TIMESTAMP,
    A_CONTEXT,
    A_GRADE,
    A_CONFIDENCE,
    A_H3_RES,
    A_FLAGS,
    A_H3_INDEX,
    A_SNAP,
    A_STRICT,
    A_COUNT
};
static const char *const create_names[A_COUNT] = {"city",       "lat",    "lon",   "timestamp", "context", "grade",
                                                  "confidence", "h3_res", "flags", "h3_index",  "snap",    "strict"};

enum { FLAGS_MAX = 128 };

static int raise_field(const ext_state *state, int field, const char *message)
{
    ucid_error error = {.status = UCID_INVALID_FIELD, .byte = -1, .row = -1, .field = field};
    snprintf(error.message, sizeof error.message, "%s", message);
    ext_raise(state, &error);
    return -1;
}

/* Texts of a sequence of str; *count at most FLAGS_MAX. *held keeps the texts alive. */
static int flags_of(const ext_state *state, PyObject *object, ucid_text *flags, size_t *count, PyObject **held)
{
    *count = 0;
    *held = NULL;
    if (object == NULL || object == Py_None) return 0;
    if (PyUnicode_Check(object)) return raise_field(state, UCID_FIELD_FLAGS, "flags is a str, not a sequence of str");
    PyObject *tuple = PySequence_Tuple(object);
    if (tuple == NULL) return -1;
    Py_ssize_t size = PyTuple_Size(tuple);
    int failed = 0;
    if (size > FLAGS_MAX) {
        failed = raise_field(state, UCID_FIELD_FLAGS, "more flags than fit into an identifier");
    }
    for (Py_ssize_t i = 0; i < size && !failed; i++) failed = ext_text(PyTuple_GetItem(tuple, i), "flag", &flags[i]);
    if (failed) {
        Py_DECREF(tuple);
        return -1;
    }
    *count = (size_t)size;
    *held = tuple;
    return 0;
}

static int cell_of(const ext_state *state, PyObject *object, uint64_t *cell)
{
    ucid_text text;
    if (PyLong_Check(object)) {
        *cell = PyLong_AsUnsignedLongLong(object);
        return PyErr_Occurred() != NULL ? -1 : 0;
    }
    if (ext_text(object, "h3_index", &text) != 0) return -1;
    uint64_t value = 0;
    int well_formed = text.length == 15;
    for (size_t i = 0; i < text.length && well_formed; i++) {
        char c = text.data[i];
        well_formed = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        value = value << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (!well_formed) return raise_field(state, UCID_FIELD_CELL, "h3_index is not 15 lower hexadecimal digits");
    *cell = value;
    return 0;
}

static PyObject *make_ucid(ext_state *state, PyObject **slots)
{
    ucid_values values = UCID_VALUES_INIT;
    ucid_text flags[FLAGS_MAX];
    uint64_t cell;
    PyObject *held = NULL;
    unsigned mode = 0;
    if (ext_text(slots[A_CITY], "city", &values.city) != 0 || ext_double(slots[A_LAT], "lat", &values.lat_deg) != 0 ||
        ext_double(slots[A_LON], "lon", &values.lon_deg) != 0 ||
        ext_text(slots[A_TIMESTAMP], "timestamp", &values.time) != 0 ||
        ext_text(slots[A_CONTEXT], "context", &values.context) != 0) {
        return NULL;
    }
    if (slots[A_GRADE] != NULL) {
        int grade = ext_grade_of(state, slots[A_GRADE]);
        if (grade < 0) return NULL;
        values.grade = (uint8_t)grade;
    }
    if (slots[A_CONFIDENCE] != NULL && ext_double(slots[A_CONFIDENCE], "confidence", &values.confidence) != 0) {
        return NULL;
    }
    if (slots[A_H3_RES] != NULL) {
        long resolution = PyLong_AsLong(slots[A_H3_RES]);
        if (resolution == -1 && PyErr_Occurred()) return NULL;
        values.resolution = resolution < 0 || resolution > 15 ? -1 : (int)resolution;
    }
    if (slots[A_H3_INDEX] != NULL && slots[A_H3_INDEX] != Py_None) {
        if (cell_of(state, slots[A_H3_INDEX], &cell) != 0) return NULL;
        values.cell = &cell;
    }
    if (slots[A_SNAP] != NULL && PyObject_IsTrue(slots[A_SNAP])) mode |= UCID_SNAP;
    if (slots[A_STRICT] != NULL && PyObject_IsTrue(slots[A_STRICT])) mode |= UCID_STRICT;
    if (PyErr_Occurred()) return NULL;
    if (flags_of(state, slots[A_FLAGS], flags, &values.flag_count, &held) != 0) return NULL;
    values.flags = flags;
    ucid_error error;
    ucid_object *made = new_ucid(state->ucid_type);
    if (made != NULL && ucid_create(&values, mode, NULL, &made->fields, &error) != UCID_OK) {
        Py_CLEAR(made);
        ext_raise(state, &error);
    }
    Py_XDECREF(held);
    return (PyObject *)made;
}

static PyObject *create_ucid(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *slots[A_COUNT];
    if (ext_arguments("create_ucid", args, nargs, names, create_names, A_COUNT, A_H3_INDEX + 1, A_CONTEXT + 1, slots)) {
        return NULL;
    }
    return make_ucid(ext_state_of_module(module), slots);
}

/* UCID(city=..., ...): as create_ucid; the published model also takes the version. */
static PyObject *ucid_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"city",       "lat",    "lon",   "timestamp", "context", "grade",
                            "confidence", "h3_res", "flags", "h3_index",  "version", NULL};
    PyObject *slots[A_COUNT] = {NULL};
    const char *version = "V1";
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOOOO|OOOOOs:UCID", names, &slots[A_CITY], &slots[A_LAT],
                                     &slots[A_LON], &slots[A_TIMESTAMP], &slots[A_CONTEXT], &slots[A_GRADE],
                                     &slots[A_CONFIDENCE], &slots[A_H3_RES], &slots[A_FLAGS], &slots[A_H3_INDEX],
                                     &version)) {
        return NULL;
    }
    if (strcmp(version, "V1") != 0) {
        return ext_raise_status(PyType_GetModuleState(type), UCID_UNSUPPORTED_VERSION, "version is '%.20s', not V1",
                                version);
    }
    return make_ucid(PyType_GetModuleState(type), slots);
}

static PyObject *ucid_reduce(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    PyObject *tuple =
        Py_BuildValue("(NNNNNNNNNN)", get_city(self, NULL), get_number(self, "a"), get_number(self, "o"),
                      get_timestamp(self, NULL), get_context(self, NULL), get_grade(self, NULL), get_number(self, "c"),
                      get_number(self, "r"), get_flags(self, NULL), get_cell(self, NULL));
    if (tuple == NULL) return NULL;
    return Py_BuildValue("ON", (PyObject *)Py_TYPE(self), tuple);
}

static PyGetSetDef ucid_getset[] = {
    {"version", get_version, NULL, "Version of the standard: \"V1\".", NULL},
    {"city", get_city, NULL, "City code, three letters.", NULL},
    {"lat", get_number, NULL, "Latitude, degrees, as given or read.", "a"},
    {"lon", get_number, NULL, "Longitude, degrees, as given or read.", "o"},
    {"h3_res", get_number, NULL, "H3 resolution, 0..15.", "r"},
    {"h3_resolution", get_number, NULL, "The same, under the name that columns have.", "r"},
    {"h3_index", get_cell, NULL, "H3 cell, 15 lower hexadecimal digits.", NULL},
    {"timestamp", get_timestamp, NULL, "ISO week key, \"2026W01T12\".", NULL},
    {"context", get_context, NULL, "Context, \"15MIN\".", NULL},
    {"grade", get_grade, NULL, "Grade, \"A+\" to \"F\".", NULL},
    {"confidence", get_number, NULL, "Confidence, 0..1, as given or read.", "c"},
    {"flags", get_flags, NULL, "Flags, a sorted list.", NULL},
    {"lat3", get_printed, NULL, "Latitude as printed, three decimals.", "2"},
    {"lon3", get_printed, NULL, "Longitude as printed, three decimals.", "3"},
    {"conf2", get_printed, NULL, "Confidence as printed, two decimals.", "9"},
    {"flags_str", get_flags_text, NULL, "Flags joined by semicolons.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef ucid_methods[] = {
    {"to_canonical_string", ucid_canonical, METH_NOARGS,
     "to_canonical_string($self, /)\n--\n\nThe canonical text; ``str()`` gives the "
     "same.\n\nReturns\n-------\nstr\n\nExamples\n--------\n>>> UCID(\"IST\", 41, 29, \"2026W01T12\", "
     "\"15MIN\").to_canonical_string()\n'UCID-V1:IST:+41.000:+29.000:9:891ec9020afffff:2026W01T12:15MIN:F:0.00:'\n"},
    {"__reduce__", ucid_reduce, METH_NOARGS, "For pickle and copy."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot ucid_slots[] = {
    {Py_tp_new, (void *)ucid_new},
    {Py_tp_dealloc, (void *)ucid_dealloc},
    {Py_tp_str, (void *)ucid_str},
    {Py_tp_repr, (void *)ucid_repr},
    {Py_tp_hash, (void *)ucid_hash_slot},
    {Py_tp_richcompare, (void *)ucid_richcompare},
    {Py_tp_getset, ucid_getset},
    {Py_tp_methods, ucid_methods},
    {Py_tp_doc, DOC_UCID},
    {0, NULL},
};

static PyType_Spec ucid_spec = {
    .name = "ucid.UCID",
    .basicsize = sizeof(ucid_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = ucid_slots,
};

/* ------------------------------------------------------------------------------------------------ texts of UCIDs -- */

static PyObject *parse_ucid(PyObject *module, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    static const char *const parse_names[] = {"ucid_string", "strict"};
    PyObject *slots[2];
    ext_state *state = ext_state_of_module(module);
    ucid_text text;
    ucid_error error;
    if (ext_arguments("parse_ucid", args, nargs, names, parse_names, 2, 2, 1, slots) != 0) return NULL;
    if (ext_text(slots[0], "ucid_string", &text) != 0) return NULL;
    int strict = slots[1] == NULL ? 1 : PyObject_IsTrue(slots[1]);
    if (strict < 0) return NULL;
    ucid_object *made = new_ucid(state->ucid_type);
    if (made != NULL && ucid_parse(text, strict ? UCID_STRICT : UCID_LENIENT, NULL, &made->fields, &error) != UCID_OK) {
        Py_DECREF(made);
        return ext_raise(state, &error);
    }
    return (PyObject *)made;
}

static PyObject *canonicalize_ucid(PyObject *module, PyObject *object)
{
    ucid_text text;
    ucid_error error;
    char canonical[UCID_LENGTH_MAX + 1];
    size_t length;
    if (ext_text(object, "ucid_string", &text) != 0) return NULL;
    if (ucid_canonicalize(text, canonical, &length, &error) != UCID_OK) {
        return ext_raise(ext_state_of_module(module), &error);
    }
    return PyUnicode_FromStringAndSize(canonical, (Py_ssize_t)length);
}

/* [(code, field, byte, bytes, message), ...] of a text. */
static PyObject *defects(PyObject *module, PyObject *object)
{
    (void)module;
    ucid_text text;
    ucid_defect found[UCID_DEFECTS_MAX];
    if (ext_text(object, "ucid_string", &text) != 0) return NULL;
    int count = ucid_validate(text, NULL, found);
    PyObject *list = PyList_New(count);
    for (int i = 0; i < count && list != NULL; i++) {
        ucid_error error;
        ucid_defect_explain(text, &found[i], &error);
        PyObject *row = Py_BuildValue("(ssiis)", ucid_status_code(found[i].status), ucid_field_name(found[i].field),
                                      (int)found[i].byte, (int)found[i].bytes, error.message);
        if (row == NULL || PyList_SetItem(list, i, row) != 0) Py_CLEAR(list);
    }
    return list;
}

static PyObject *is_valid(PyObject *module, PyObject *object)
{
    (void)module;
    ucid_text text;
    ucid_fields fields;
    if (ext_text(object, "ucid_string", &text) != 0) return NULL;
    return PyBool_FromLong(ucid_parse(text, UCID_STRICT, NULL, &fields, NULL) == UCID_OK);
}

static PyObject *pack(PyObject *module, PyObject *object)
{
    ext_state *state = ext_state_of_module(module);
    if (Py_TYPE(object) != state->ucid_type) {
        PyErr_SetString(PyExc_TypeError, "pack() takes a UCID");
        return NULL;
    }
    uint8_t binary[UCID_BINARY_SIZE];
    ucid_error error;
    if (ucid_pack(fields_of(object), binary, &error) != UCID_OK) return ext_raise(state, &error);
    return PyBytes_FromStringAndSize((const char *)binary, UCID_BINARY_SIZE);
}

static PyObject *unpack(PyObject *module, PyObject *object)
{
    ext_state *state = ext_state_of_module(module);
    Py_buffer view;
    ucid_error error;
    if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) != 0) return NULL;
    ucid_object *made = new_ucid(state->ucid_type);
    if (made != NULL && ucid_unpack(view.buf, (size_t)view.len, &made->fields, &error) != UCID_OK) {
        Py_CLEAR(made);
        ext_raise(state, &error);
    }
    PyBuffer_Release(&view);
    return (PyObject *)made;
}

/* -------------------------------------------------------------------------------------------------------- time -- */

static int hour_of(PyObject *module, PyObject *object, int32_t *hour)
{
    ucid_text text;
    ucid_error error;
    if (ext_text(object, "timestamp", &text) != 0) return -1;
    if (ucid_time_parse(text, hour, &error) == UCID_OK) return 0;
    ext_raise(ext_state_of_module(module), &error);
    return -1;
}

static PyObject *hour_text(int32_t hour)
{
    char text[UCID_TIME_LENGTH + 1];
    if (!ucid_time_format(hour, text)) {
        PyErr_SetString(PyExc_ValueError, "the number is no time key");
        return NULL;
    }
    return PyUnicode_FromString(text);
}

static PyObject *time_hour(PyObject *module, PyObject *object)
{
    int32_t hour;
    return hour_of(module, object, &hour) == 0 ? PyLong_FromLong(hour) : NULL;
}

static PyObject *time_text(PyObject *module, PyObject *object)
{
    (void)module;
    long hour = PyLong_AsLong(object);
    if (hour == -1 && PyErr_Occurred()) return NULL;
    return hour_text(hour < INT32_MIN || hour > INT32_MAX ? INT32_MAX : (int32_t)hour);
}

static PyObject *add_time(PyObject *module, PyObject *args, const char *format,
                          ucid_status (*add)(int32_t, int64_t, int32_t *, ucid_error *))
{
    PyObject *key;
    long long amount;
    int32_t hour, later;
    ucid_error error;
    if (!PyArg_ParseTuple(args, format, &key, &amount) || hour_of(module, key, &hour) != 0) return NULL;
    if (add(hour, amount, &later, &error) != UCID_OK) return ext_raise(ext_state_of_module(module), &error);
    return hour_text(later);
}

static PyObject *add_hours(PyObject *module, PyObject *args)
{
    return add_time(module, args, "OL:add_hours", ucid_time_add_hours);
}

static PyObject *add_weeks(PyObject *module, PyObject *args)
{
    return add_time(module, args, "OL:add_weeks", ucid_time_add_weeks);
}

static PyObject *time_range(PyObject *module, PyObject *args)
{
    PyObject *start, *end;
    long long step = 1;
    int32_t first, last;
    int64_t count;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "OO|L:generate_time_range", &start, &end, &step) ||
        hour_of(module, start, &first) != 0 || hour_of(module, end, &last) != 0) {
        return NULL;
    }
    if (ucid_time_range(first, last, step, NULL, 0, &count, &error) != UCID_OK) {
        return ext_raise(ext_state_of_module(module), &error);
    }
    int32_t *hours = PyMem_Malloc((size_t)count * sizeof *hours + 1);
    if (hours == NULL) return PyErr_NoMemory();
    (void)ucid_time_range(first, last, step, hours, count, &count, NULL);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; i < count && list != NULL; i++) {
        PyObject *text = hour_text(hours[i]);
        if (text == NULL || PyList_SetItem(list, (Py_ssize_t)i, text) != 0) Py_CLEAR(list);
    }
    PyMem_Free(hours);
    return list;
}

static PyObject *time_from_seconds(PyObject *module, PyObject *object)
{
    long long seconds = PyLong_AsLongLong(object);
    int32_t hour;
    ucid_error error;
    if (seconds == -1 && PyErr_Occurred()) return NULL;
    if (ucid_time_from_seconds(seconds, &hour, &error) != UCID_OK) {
        return ext_raise(ext_state_of_module(module), &error);
    }
    return hour_text(hour);
}

static PyObject *time_to_seconds(PyObject *module, PyObject *object)
{
    int32_t hour;
    return hour_of(module, object, &hour) == 0 ? PyLong_FromLongLong(ucid_time_to_seconds(hour)) : NULL;
}

static PyObject *shift_zone(PyObject *module, PyObject *args, const char *format,
                            ucid_status (*shift)(int32_t, const ucid_zone *, int32_t *, ucid_error *))
{
    PyObject *key;
    const char *name;
    int32_t hour, shifted;
    ucid_zone *zone;
    ucid_error error;
    ext_state *state = ext_state_of_module(module);
    if (!PyArg_ParseTuple(args, format, &key, &name) || hour_of(module, key, &hour) != 0) return NULL;
    if (ucid_zone_open(name, NULL, NULL, &zone, &error) != UCID_OK) return ext_raise(state, &error);
    ucid_status status = shift(hour, zone, &shifted, &error);
    ucid_zone_close(zone);
    return status == UCID_OK ? hour_text(shifted) : ext_raise(state, &error);
}

static PyObject *time_to_utc(PyObject *module, PyObject *args)
{
    return shift_zone(module, args, "Os:time_to_utc", ucid_time_to_utc);
}

static PyObject *time_from_utc(PyObject *module, PyObject *args)
{
    return shift_zone(module, args, "Os:time_from_utc", ucid_time_from_utc);
}

static PyObject *time_freshness(PyObject *module, PyObject *args)
{
    PyObject *key, *now;
    int weeks;
    int32_t hour, other;
    if (!PyArg_ParseTuple(args, "OOi:time_freshness", &key, &now, &weeks) || hour_of(module, key, &hour) != 0 ||
        hour_of(module, now, &other) != 0) {
        return NULL;
    }
    if (weeks < 1) {
        PyErr_SetString(PyExc_ValueError, "validity is at least one week");
        return NULL;
    }
    return PyFloat_FromDouble(ucid_time_freshness(hour, other, weeks));
}

static PyObject *time_validity(PyObject *module, PyObject *object)
{
    (void)module;
    ucid_text text;
    if (ext_text(object, "context", &text) != 0) return NULL;
    return PyLong_FromLong(ucid_time_validity_weeks(text));
}

/* ------------------------------------------------------------------------------------------------------ cities -- */

static PyObject *city_tuple(const ucid_city *city)
{
    return Py_BuildValue("(ssssLdd(dddd)Nss)", city->code, city->name, city->country, city->timezone,
                         (long long)city->population, city->lat_deg, city->lon_deg, city->min_lat_deg,
                         city->min_lon_deg, city->max_lat_deg, city->max_lon_deg, PyBool_FromLong(city->box_estimated),
                         city->region, "");
}

static PyObject *city_get(PyObject *module, PyObject *object)
{
    ucid_text code;
    ucid_city city;
    ucid_error error;
    if (ext_text(object, "city_code", &code) != 0) return NULL;
    if (ucid_city_get(NULL, code, &city, &error) != UCID_OK) return ext_raise(ext_state_of_module(module), &error);
    return city_tuple(&city);
}

static PyObject *city_search(PyObject *module, PyObject *args)
{
    (void)module;
    const char *text, *country;
    Py_ssize_t text_length, country_length;
    if (!PyArg_ParseTuple(args, "s#s#:city_search", &text, &text_length, &country, &country_length)) return NULL;
    ucid_text wanted = {text, (size_t)text_length}, inside = {country, (size_t)country_length};
    int64_t capacity = ucid_registry_count(NULL);
    int64_t *positions = PyMem_Malloc((size_t)capacity * sizeof *positions + 1);
    if (positions == NULL) return PyErr_NoMemory();
    int64_t count = ucid_city_search(NULL, wanted, inside, positions, capacity);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; i < count && list != NULL; i++) {
        ucid_city city;
        ucid_city_at(NULL, positions[i], &city);
        PyObject *row = city_tuple(&city);
        if (row == NULL || PyList_SetItem(list, (Py_ssize_t)i, row) != 0) Py_CLEAR(list);
    }
    PyMem_Free(positions);
    return list;
}

static PyObject *city_nearest(PyObject *module, PyObject *args)
{
    double lat, lon, metres;
    ucid_city city;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "dd:city_nearest", &lat, &lon)) return NULL;
    if (ucid_city_nearest(NULL, lat, lon, &city, &metres, &error) != UCID_OK) {
        return ext_raise(ext_state_of_module(module), &error);
    }
    return Py_BuildValue("(Nd)", city_tuple(&city), metres);
}

/* ------------------------------------------------------------------------------------------------------- cells -- */

static PyObject *cell_text(uint64_t cell)
{
    char text[16];
    ucid_cell_format(cell, text);
    return PyUnicode_FromStringAndSize(text, 15);
}

/* A valid cell of its text or number; -1 with an exception. */
static int valid_cell(PyObject *module, PyObject *object, uint64_t *cell)
{
    ucid_text text;
    if (PyLong_Check(object)) {
        *cell = PyLong_AsUnsignedLongLong(object);
        if (PyErr_Occurred()) return -1;
    } else {
        if (ext_text(object, "h3_index", &text) != 0) return -1;
        *cell = ucid_cell_parse(text.data, text.length);
    }
    if (ucid_cell_is_valid(*cell)) return 0;
    ext_raise_status(ext_state_of_module(module), UCID_INVALID_H3, "not a valid H3 cell");
    return -1;
}

static PyObject *latlng_to_cell(PyObject *module, PyObject *args)
{
    double lat, lon;
    int resolution;
    if (!PyArg_ParseTuple(args, "ddi:latlng_to_cell", &lat, &lon, &resolution)) return NULL;
    uint64_t cell = ucid_cell_at(lat, lon, resolution);
    if (cell != 0) return cell_text(cell);
    return ext_raise_status(ext_state_of_module(module), UCID_INVALID_FIELD,
                            "no cell: a coordinate is not finite or out of range, or the resolution is not 0..15");
}

static PyObject *cell_to_latlng(PyObject *module, PyObject *object)
{
    uint64_t cell;
    double lat, lon;
    if (valid_cell(module, object, &cell) != 0) return NULL;
    (void)ucid_cell_centre(cell, &lat, &lon, NULL);
    return Py_BuildValue("(dd)", lat, lon);
}

static PyObject *cell_to_boundary(PyObject *module, PyObject *object)
{
    uint64_t cell;
    double lat[UCID_CELL_CORNERS_MAX], lon[UCID_CELL_CORNERS_MAX];
    int count = 0;
    if (valid_cell(module, object, &cell) != 0) return NULL;
    (void)ucid_cell_boundary(cell, lat, lon, &count, NULL);
    PyObject *list = PyList_New(count);
    for (int i = 0; i < count && list != NULL; i++) {
        PyObject *corner = Py_BuildValue("(dd)", lat[i], lon[i]);
        if (corner == NULL || PyList_SetItem(list, i, corner) != 0) Py_CLEAR(list);
    }
    return list;
}

static PyObject *cell_resolution(PyObject *module, PyObject *object)
{
    uint64_t cell;
    return valid_cell(module, object, &cell) == 0 ? PyLong_FromLong(ucid_cell_resolution(cell)) : NULL;
}

static PyObject *cell_area(PyObject *module, PyObject *object)
{
    uint64_t cell;
    return valid_cell(module, object, &cell) == 0 ? PyFloat_FromDouble(ucid_cell_area_m2(cell) * 1e-6) : NULL;
}

static PyObject *cell_parent(PyObject *module, PyObject *args)
{
    PyObject *object;
    int resolution;
    uint64_t cell;
    if (!PyArg_ParseTuple(args, "Oi:cell_to_parent", &object, &resolution) || valid_cell(module, object, &cell) != 0) {
        return NULL;
    }
    uint64_t parent = ucid_cell_parent(cell, resolution);
    if (parent != 0) return cell_text(parent);
    return ext_raise_status(ext_state_of_module(module), UCID_INVALID_ARGUMENT,
                            "resolution %d is not one of 0..%d, the cell's own", resolution,
                            ucid_cell_resolution(cell));
}

static PyObject *cell_texts(const uint64_t *cells, int64_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; i < count && list != NULL; i++) {
        PyObject *text = cell_text(cells[i]);
        if (text == NULL || PyList_SetItem(list, (Py_ssize_t)i, text) != 0) Py_CLEAR(list);
    }
    return list;
}

static PyObject *k_ring(PyObject *module, PyObject *args)
{
    PyObject *object;
    int k;
    uint64_t cell;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "Oi:k_ring", &object, &k) || valid_cell(module, object, &cell) != 0) return NULL;
    ext_state *state = ext_state_of_module(module);
    if (k < 0 || k > 1000) return ext_raise_status(state, UCID_INVALID_ARGUMENT, "k is %d, not 0..1000", k);
    int64_t count = 3 * (int64_t)k * (k + 1) + 1;
    uint64_t *cells = PyMem_Malloc((size_t)count * sizeof *cells);
    if (cells == NULL) return PyErr_NoMemory();
    PyObject *list =
        ucid_cell_disk(cell, k, cells, &count, &error) == UCID_OK ? cell_texts(cells, count) : ext_raise(state, &error);
    PyMem_Free(cells);
    return list;
}

static PyObject *grid_box(PyObject *module, PyObject *args)
{
    enum { BATCH = 4096 };
    double min_lat, min_lon, max_lat, max_lon;
    int resolution;
    ucid_grid *grid;
    ucid_error error;
    if (!PyArg_ParseTuple(args, "ddddi:grid_box", &min_lat, &min_lon, &max_lat, &max_lon, &resolution)) return NULL;
    if (ucid_grid_open_box(min_lat, min_lon, max_lat, max_lon, resolution, NULL, &grid, &error) != UCID_OK) {
        return ext_raise(ext_state_of_module(module), &error);
    }
    PyObject *list = PyList_New(0);
    uint64_t cells[BATCH];
    int64_t count;
    while (list != NULL && (count = ucid_grid_next(grid, BATCH, cells, NULL, NULL)) > 0) {
        for (int64_t i = 0; i < count && list != NULL; i++) {
            PyObject *text = cell_text(cells[i]);
            if (text == NULL || PyList_Append(list, text) != 0) Py_CLEAR(list);
            Py_XDECREF(text);
        }
        if (list != NULL && PyErr_CheckSignals() != 0) Py_CLEAR(list);
    }
    ucid_grid_close(grid);
    return list;
}

PyMethodDef ext_identity_methods[] = {
    {"create_ucid", FAST(create_ucid), METH_FASTCALL | METH_KEYWORDS, DOC_CREATE_UCID},
    {"parse_ucid", FAST(parse_ucid), METH_FASTCALL | METH_KEYWORDS, DOC_PARSE_UCID},
    {"canonicalize", canonicalize_ucid, METH_O,
     "canonicalize($module, ucid_string, /)\n--\n\nCanonical text; see ucid.canonicalize."},
    {"defects", defects, METH_O,
     "defects($module, ucid_string, /)\n--\n\nEverything that is wrong with a text; see ucid.identifiers.defects."},
    {"is_valid_ucid", is_valid, METH_O, DOC_IS_VALID_UCID},
    {"pack", pack, METH_O, DOC_PACK},
    {"unpack", unpack, METH_O, DOC_UNPACK},
    {"time_hour", time_hour, METH_O,
     "time_hour($module, timestamp, /)\n--\n\nHours of a key since Monday 1969-12-29 00h."},
    {"time_text", time_text, METH_O,
     "time_text($module, hour, /)\n--\n\nKey of its hours since Monday 1969-12-29 00h."},
    {"add_hours", add_hours, METH_VARARGS, "add_hours($module, timestamp, hours, /)\n--\n\nSee ucid.add_hours."},
    {"add_weeks", add_weeks, METH_VARARGS, "add_weeks($module, timestamp, weeks, /)\n--\n\nSee ucid.add_weeks."},
    {"time_range", time_range, METH_VARARGS,
     "time_range($module, start, end, step_hours=1, /)\n--\n\nSee ucid.generate_time_range."},
    {"time_from_seconds", time_from_seconds, METH_O,
     "time_from_seconds($module, seconds, /)\n--\n\nKey of seconds since 1970-01-01 00h of the clock that it shall "
     "show."},
    {"time_to_seconds", time_to_seconds, METH_O,
     "time_to_seconds($module, timestamp, /)\n--\n\nSeconds since 1970-01-01 00h of a key's hour on its Monday."},
    {"time_to_utc", time_to_utc, METH_VARARGS,
     "time_to_utc($module, timestamp, zone, /)\n--\n\nSee ucid.to_utc; zone is an IANA name."},
    {"time_from_utc", time_from_utc, METH_VARARGS,
     "time_from_utc($module, timestamp, zone, /)\n--\n\nSee ucid.from_utc; zone is an IANA name."},
    {"time_freshness", time_freshness, METH_VARARGS,
     "time_freshness($module, timestamp, now, validity_weeks, /)\n--\n\n1 - |timestamp - now| / validity, not below "
     "0."},
    {"time_validity", time_validity, METH_O,
     "time_validity($module, context, /)\n--\n\nWeeks for which a score of a context stays valid; 0: not published."},
    {"city_get", city_get, METH_O, "city_get($module, city_code, /)\n--\n\nRow of a city; see ucid.get_city."},
    {"city_search", city_search, METH_VARARGS,
     "city_search($module, text, country, /)\n--\n\nRows of cities that a text fits; see ucid.search_cities."},
    {"city_nearest", city_nearest, METH_VARARGS,
     "city_nearest($module, lat, lon, /)\n--\n\nRow of the city whose centre is nearest, and metres to it."},
    {"latlng_to_cell", latlng_to_cell, METH_VARARGS, DOC_LATLNG_TO_CELL},
    {"cell_to_latlng", cell_to_latlng, METH_O, DOC_CELL_TO_LATLNG},
    {"cell_to_boundary", cell_to_boundary, METH_O, DOC_CELL_TO_BOUNDARY},
    {"cell_resolution", cell_resolution, METH_O, DOC_CELL_RESOLUTION},
    {"cell_area", cell_area, METH_O, DOC_CELL_AREA},
    {"cell_to_parent", cell_parent, METH_VARARGS, DOC_CELL_TO_PARENT},
    {"k_ring", k_ring, METH_VARARGS, DOC_K_RING},
    {"grid_box", grid_box, METH_VARARGS,
     "grid_box($module, min_lat, min_lon, max_lat, max_lon, resolution, /)\n--\n\nSee ucid.generate_grid_h3."},
    {NULL, NULL, 0, NULL},
};

int ext_add_identity(PyObject *module, ext_state *state)
{
    state->ucid_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &ucid_spec, NULL);
    if (state->ucid_type == NULL) return -1;
    return PyModule_AddObjectRef(module, "UCID", (PyObject *)state->ucid_type);
}
