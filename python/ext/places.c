/* places.c: the types Index, Context and ContextResult: one place, one score. */
#include "docs.h"
#include "ext.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define FAST(function) ((PyCFunction)(void (*)(void))(function))

static PyObject *allocate_object(PyTypeObject *type)
{
    allocfunc allocate = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return allocate(type, 0);
}

static void free_object(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* --------------------------------------------------------------------------------------------------------- Index -- */

typedef struct index_object {
    PyObject_HEAD ucid_index *index;
    PyObject *path;
} index_object;

const ucid_index *ext_index_of(const ext_state *state, PyObject *object)
{
    if (Py_TYPE(object) == state->index_type) return ((index_object *)object)->index;
    PyErr_Format(PyExc_TypeError, "an Index is wanted, not %R", (PyObject *)Py_TYPE(object));
    return NULL;
}

static void index_dealloc(PyObject *self)
{
    index_object *object = (index_object *)self;
    ucid_index_close(object->index);
    Py_XDECREF(object->path);
    free_object(self);
}

static PyObject *index_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"path", NULL};
    PyObject *path;
    ucid_error error;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&:Index", names, PyUnicode_FSConverter, &path)) return NULL;
    index_object *self = (index_object *)allocate_object(type);
    if (self == NULL) {
        Py_DECREF(path);
        return NULL;
    }
    self->path = PyUnicode_DecodeFSDefault(PyBytes_AsString(path));
    if (self->path == NULL) {
        Py_DECREF(path);
        Py_DECREF(self);
        return NULL;
    }
    ucid_status status;
    Py_BEGIN_ALLOW_THREADS status = ucid_index_open(PyBytes_AsString(path), NULL, &self->index, &error);
    Py_END_ALLOW_THREADS Py_DECREF(path);
    if (status != UCID_OK) {
        PyObject *raised = ext_raise(PyType_GetModuleState(type), &error);
        Py_DECREF(self);
        return raised;
    }
    return (PyObject *)self;
}

static PyObject *index_check(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    ucid_status status;
    ucid_error error;
    const ucid_index *index = ((index_object *)self)->index;
    Py_BEGIN_ALLOW_THREADS status = ucid_index_check(index, &error);
    Py_END_ALLOW_THREADS if (status != UCID_OK) return ext_raise(ext_state_of_object(self), &error);
    Py_RETURN_NONE;
}

static PyObject *index_json(PyObject *self, void *closure)
{
    (void)closure;
    ucid_index_info info;
    ucid_index_info_get(((index_object *)self)->index, &info);
    return PyUnicode_FromString(info.json);
}

static PyObject *index_id(PyObject *self, void *closure)
{
    (void)closure;
    ucid_index_info info;
    ucid_index_info_get(((index_object *)self)->index, &info);
    return PyUnicode_FromString(info.id);
}

static PyObject *index_bounds(PyObject *self, void *closure)
{
    (void)closure;
    ucid_index_info info;
    ucid_index_info_get(((index_object *)self)->index, &info);
    return Py_BuildValue("(dddd)", info.min_lat_deg, info.min_lon_deg, info.max_lat_deg, info.max_lon_deg);
}

static PyObject *index_path(PyObject *self, void *closure)
{
    (void)closure;
    return Py_NewRef(((index_object *)self)->path);
}

static PyObject *index_timestamp(PyObject *self, void *closure)
{
    (void)closure;
    ucid_index_info info;
    char text[UCID_TIME_LENGTH + 1];
    ucid_index_info_get(((index_object *)self)->index, &info);
    if (!ucid_time_format((int32_t)info.data_hour, text)) Py_RETURN_NONE;
    return PyUnicode_FromString(text);
}

/* [(part, counted, osm_type, osm_id, name, tag, quality, distance_m, lat, lon), ...] */
static PyObject *index_explain(PyObject *self, PyObject *args)
{
    double lat, lon;
    const char *context = "15MIN";
    ucid_explanation *explanation;
    ucid_error error;
    ucid_status status;
    if (!PyArg_ParseTuple(args, "dd|s:explain", &lat, &lon, &context)) return NULL;
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    options.context = context;
    const ucid_index *index = ((index_object *)self)->index;
    Py_BEGIN_ALLOW_THREADS status = ucid_explain(index, lat, lon, &options, &explanation, &error);
    Py_END_ALLOW_THREADS if (status != UCID_OK) return ext_raise(ext_state_of_object(self), &error);
    const ucid_context *table = ucid_context_get(context);
    const ucid_reason *reasons;
    int64_t count = ucid_explanation_reasons_get(explanation, &reasons);
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t i = 0; i < count && list != NULL; i++) {
        const ucid_reason *reason = &reasons[i];
        PyObject *row = Py_BuildValue("(sNCLssdddd)", table->part_key[reason->part], PyBool_FromLong(reason->counted),
                                      (int)reason->osm_type, (long long)reason->osm_id, reason->name, reason->tag,
                                      reason->quality, reason->distance_m, reason->lat_deg, reason->lon_deg);
        if (row == NULL || PyList_SetItem(list, (Py_ssize_t)i, row) != 0) Py_CLEAR(list);
    }
    ucid_explanation_free(explanation);
    return list;
}

static PyObject *index_repr(PyObject *self)
{
    ucid_index_info info;
    ucid_index_info_get(((index_object *)self)->index, &info);
    PyObject *path = ((index_object *)self)->path;
    return PyUnicode_FromFormat("Index(%R, id=%.12s, %llu streets)", path, info.id,
                                (unsigned long long)info.edge_count);
}

static PyObject *index_html(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return ext_ask_package("ucid.notebook", "of_index", self);
}

static PyObject *index_reduce(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return ext_ask_package("ucid.indexes", "reduce_index", self);
}

static PyGetSetDef index_getset[] = {
    {"json", index_json, NULL, "Provenance, options and counts as JSON text.", NULL},
    {"id", index_id, NULL, "sha256 of the content, lower hexadecimal.", NULL},
    {"bounds", index_bounds, NULL, "(min_lat, min_lon, max_lat, max_lon) of the network, degrees.", NULL},
    {"path", index_path, NULL, "Path of the mapped file.", NULL},
    {"timestamp", index_timestamp, NULL, "Week key of the newest object of the extract, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef index_methods[] = {
    {"check", index_check, METH_NOARGS, DOC_INDEX_CHECK},
    {"explain_rows", index_explain, METH_VARARGS, DOC_EXPLAIN_ROWS},
    {"_repr_html_", index_html, METH_NOARGS, "A table, for notebooks."},
    {"__reduce__", index_reduce, METH_NOARGS, "For pickle: another process maps the same file, or fetches it."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot index_slots[] = {
    {Py_tp_new, (void *)index_new},
    {Py_tp_dealloc, (void *)index_dealloc},
    {Py_tp_repr, (void *)index_repr},
    {Py_tp_getset, index_getset},
    {Py_tp_methods, index_methods},
    {Py_tp_doc, DOC_INDEX},
    {0, NULL},
};

static PyType_Spec index_spec = {
    .name = "ucid.Index",
    .basicsize = sizeof(index_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = index_slots,
};

/* ------------------------------------------------------------------------------------------------- ContextResult -- */

/* What a result holds: values alone, so that it may outlive its index, and travel. */
typedef struct result_values {
    double score, confidence, snap_m;
    double part[UCID_PARTS_MAX], nearest_m[UCID_PARTS_MAX];
    int32_t data_hour; /* of the index; 0: it has no date */
    uint8_t grade, status, flags;
    char index_id[65];
} result_values;

typedef struct result_object {
    PyObject_HEAD const ucid_context *context;
    result_values values;
} result_object;

static const result_values *result_of(PyObject *self) { return &((result_object *)self)->values; }

static const ucid_context *context_of(PyObject *self) { return ((result_object *)self)->context; }

static PyObject *result_number(PyObject *self, void *closure)
{
    switch (*(const char *)closure) {
    case 's': return PyFloat_FromDouble(result_of(self)->score);
    case 'c': return PyFloat_FromDouble(result_of(self)->confidence);
    default: return PyFloat_FromDouble(result_of(self)->snap_m);
    }
}

static PyObject *result_grade(PyObject *self, void *closure)
{
    (void)closure;
    return ext_grade(result_of(self)->grade);
}

static PyObject *result_status(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(ucid_status_name((ucid_status)result_of(self)->status));
}

static PyObject *result_parts(PyObject *self, void *closure)
{
    const result_values *result = result_of(self);
    const ucid_context *context = context_of(self);
    const double *values = *(const char *)closure == 'p' ? result->part : result->nearest_m;
    PyObject *parts = PyDict_New();
    for (int p = 0; p < context->part_count && parts != NULL; p++) {
        PyObject *value = isnan(values[p]) ? Py_NewRef(Py_None) : PyFloat_FromDouble(values[p]);
        if (value == NULL || PyDict_SetItemString(parts, context->part_key[p], value) != 0) Py_CLEAR(parts);
        Py_XDECREF(value);
    }
    return parts;
}

static PyObject *result_flags(PyObject *self, void *closure)
{
    (void)closure;
    uint8_t flags = result_of(self)->flags;
    PyObject *list = PyList_New(0);
    const struct {
        uint8_t bit;
        const char *name;
    } names[] = {{UCID_FLAG_ESTIMATED, "ESTIMATED"}, {UCID_FLAG_OUTDATED, "OUTDATED"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0] && list != NULL; i++) {
        if (!(flags & names[i].bit)) continue;
        PyObject *name = PyUnicode_FromString(names[i].name);
        if (name == NULL || PyList_Append(list, name) != 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

/* Each component is taken as known to a tenth of itself: variance sum (w * part / 10)^2, 95 % within 1.96 sigma. */
static PyObject *result_uncertainty(PyObject *self, void *closure)
{
    (void)closure;
    const result_values *result = result_of(self);
    const ucid_context *context = context_of(self);
    double variance = 0.0;
    for (int p = 0; p < context->part_count; p++) {
        double deviation = context->part_weight[p] * result->part[p] * 0.1;
        variance += deviation * deviation;
    }
    double sigma = sqrt(variance);
    return Py_BuildValue("{s:d,s:d,s:d}", "sigma", sigma, "ci95_low", result->score - 1.96 * sigma, "ci95_high",
                         result->score + 1.96 * sigma);
}

static PyObject *result_sources(PyObject *self, void *closure)
{
    (void)closure;
    const result_values *result = result_of(self);
    char text[UCID_TIME_LENGTH + 1];
    int dated = ucid_time_format(result->data_hour, text);
    return Py_BuildValue("[{s:s,s:s,s:z}]", "name", "OpenStreetMap", "index", result->index_id, "timestamp",
                         dated ? text : NULL);
}

static PyObject *result_empty(PyObject *self, void *closure)
{
    (void)self;
    (void)closure;
    return PyDict_New();
}

static PyObject *result_metadata(PyObject *self, void *closure)
{
    (void)closure;
    PyObject *nearest = result_parts(self, "n");
    return nearest != NULL ? Py_BuildValue("{s:s,s:s,s:N}", "context", context_of(self)->id, "attribution",
                                           "(c) OpenStreetMap contributors", "nearest_m", nearest)
                           : NULL;
}

static PyObject *result_context(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(context_of(self)->id);
}

/* Values of the parts as a tuple. */
static PyObject *result_tuple(const double values[UCID_PARTS_MAX])
{
    PyObject *tuple = PyTuple_New(UCID_PARTS_MAX);
    for (int p = 0; p < UCID_PARTS_MAX && tuple != NULL; p++) {
        PyObject *value = PyFloat_FromDouble(values[p]);
        if (value == NULL || PyTuple_SetItem(tuple, p, value) != 0) Py_CLEAR(tuple);
    }
    return tuple;
}

static PyObject *result_reduce(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    const result_values *v = result_of(self);
    PyObject *module = PyType_GetModule(Py_TYPE(self));
    PyObject *restore = module != NULL ? PyObject_GetAttrString(module, "restore_result") : NULL;
    if (restore == NULL) return NULL;
    return Py_BuildValue("N(sdddNNibbbs)", restore, context_of(self)->id, v->score, v->confidence, v->snap_m,
                         result_tuple(v->part), result_tuple(v->nearest_m), (int)v->data_hour, v->grade, v->status,
                         v->flags, v->index_id);
}

static int read_tuple(PyObject *tuple, double values[UCID_PARTS_MAX])
{
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        PyObject *value = PyTuple_GetItem(tuple, p);
        if (value == NULL || ext_double(value, "part", &values[p]) != 0) return -1;
    }
    return 0;
}

/* restore_result(...): the result that gave these values to pickle. */
static PyObject *restore_result(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    result_values v = {0};
    const char *context, *id;
    PyObject *part, *nearest;
    int hour;
    if (!PyArg_ParseTuple(args, "sdddO!O!ibbbs:restore_result", &context, &v.score, &v.confidence, &v.snap_m,
                          &PyTuple_Type, &part, &PyTuple_Type, &nearest, &hour, &v.grade, &v.status, &v.flags, &id) ||
        read_tuple(part, v.part) != 0 || read_tuple(nearest, v.nearest_m) != 0) {
        return NULL;
    }
    const ucid_context *found = ucid_context_get(context);
    if (found == NULL) return ext_raise_status(state, UCID_CONTEXT_NOT_FOUND, "no context '%.40s'", context);
    v.data_hour = hour;
    snprintf(v.index_id, sizeof v.index_id, "%s", id);
    result_object *result = (result_object *)allocate_object(state->result_type);
    if (result == NULL) return NULL;
    result->context = found;
    result->values = v;
    return (PyObject *)result;
}

static int same_doubles(const double *a, const double *b, int count)
{
    for (int i = 0; i < count; i++) {
        if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i]))) return 0;
    }
    return 1;
}

static PyObject *result_richcompare(PyObject *self, PyObject *other, int operation)
{
    if (Py_TYPE(self) != Py_TYPE(other) || (operation != Py_EQ && operation != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    const result_values *a = result_of(self), *b = result_of(other);
    int same = context_of(self) == context_of(other) && a->data_hour == b->data_hour && a->grade == b->grade &&
               a->status == b->status && a->flags == b->flags && strcmp(a->index_id, b->index_id) == 0 &&
               same_doubles(&a->score, &b->score, 1) && same_doubles(&a->confidence, &b->confidence, 1) &&
               same_doubles(&a->snap_m, &b->snap_m, 1) && same_doubles(a->part, b->part, UCID_PARTS_MAX) &&
               same_doubles(a->nearest_m, b->nearest_m, UCID_PARTS_MAX);
    return PyBool_FromLong(same == (operation == Py_EQ));
}

static Py_hash_t result_hash(PyObject *self)
{
    const result_values *v = result_of(self);
    PyObject *key = isnan(v->score) ? Py_BuildValue("(sb)", v->index_id, v->status)
                                    : Py_BuildValue("(sbd)", v->index_id, v->status, v->score);
    Py_hash_t hash = key != NULL ? PyObject_Hash(key) : -1;
    Py_XDECREF(key);
    return hash;
}

static PyObject *result_repr(PyObject *self)
{
    char text[160];
    const result_values *result = result_of(self);
    const ucid_context *context = context_of(self);
    snprintf(text, sizeof text, "ContextResult(%s: score=%.2f, grade='%s', confidence=%.2f, status='%s')", context->id,
             result->score, ucid_grade_text(result->grade), result->confidence,
             ucid_status_name((ucid_status)result->status));
    return PyUnicode_FromString(text);
}

static PyObject *result_html(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return ext_ask_package("ucid.notebook", "of_result", self);
}

static PyGetSetDef result_getset[] = {
    {"score", result_number, NULL, "Score, 0..100.", "s"},
    {"raw_score", result_number, NULL, "The same, under its published name.", "s"},
    {"grade", result_grade, NULL, "Grade, \"A+\" to \"F\".", NULL},
    {"confidence", result_number, NULL, "Confidence, 0..1.", "c"},
    {"breakdown", result_parts, NULL, "Score of each component, 0..100.", "p"},
    {"nearest_m", result_parts, NULL, "Metres walked to the nearest place of each component; None: out of reach.", "n"},
    {"status", result_status, NULL, "Row status: \"ok\", \"off_network\", ...", NULL},
    {"snap_m", result_number, NULL, "Metres from the place to its street.", "m"},
    {"flags", result_flags, NULL, "Flags for an identifier: ESTIMATED, OUTDATED.", NULL},
    {"context", result_context, NULL, "Context id.", NULL},
    {"uncertainty", result_uncertainty, NULL, "sigma, ci95_low, ci95_high of the score.", NULL},
    {"data_sources", result_sources, NULL, "Sources with the index's id and date.", NULL},
    {"artifacts", result_empty, NULL, "Empty: nothing is written.", NULL},
    {"metadata", result_metadata, NULL, "Context, attribution, nearest_m.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef result_methods[] = {
    {"_repr_html_", result_html, METH_NOARGS, "A table, for notebooks."},
    {"__reduce__", result_reduce, METH_NOARGS, "For pickle: the values."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot result_slots[] = {
    {Py_tp_dealloc, (void *)free_object},
    {Py_tp_hash, (void *)result_hash},
    {Py_tp_richcompare, (void *)result_richcompare},
    {Py_tp_repr, (void *)result_repr},
    {Py_tp_getset, result_getset},
    {Py_tp_methods, result_methods},
    {Py_tp_doc, DOC_CONTEXT_RESULT},
    {0, NULL},
};

static PyType_Spec result_spec = {
    .name = "ucid.ContextResult",
    .basicsize = sizeof(result_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = result_slots,
};

/* ------------------------------------------------------------------------------------------------------- Context -- */

/* Indexes already found, by cell of resolution 7 (5 km2), which is how catalogs name what an index covers. */
enum { FOUND = 1024, FOUND_RESOLUTION = 7 };

typedef struct context_object {
    PyObject_HEAD const ucid_context *context;
    PyObject *resolver; /* resolver(cell) -> Index, or a tuple of those that may answer */
    uint64_t cells[FOUND];
    PyObject *indexes[FOUND];
} context_object;

static PyObject *context_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static char *names[] = {"context_id", "resolver", NULL};
    const char *id;
    PyObject *resolver;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sO:Context", names, &id, &resolver)) return NULL;
    const ucid_context *context = ucid_context_get(id);
    if (context == NULL) {
        return ext_raise_status(PyType_GetModuleState(type), UCID_CONTEXT_NOT_FOUND, "no context '%.40s'", id);
    }
    context_object *self = (context_object *)allocate_object(type);
    if (self == NULL) return NULL;
    self->context = context;
    self->resolver = Py_NewRef(resolver);
    return (PyObject *)self;
}

static int context_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((context_object *)self)->resolver);
    return 0;
}

static PyObject *context_forget(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    context_object *object = (context_object *)self;
    for (int i = 0; i < FOUND; i++) {
        object->cells[i] = 0;
        Py_CLEAR(object->indexes[i]);
    }
    Py_RETURN_NONE;
}

static int context_clear(PyObject *self)
{
    Py_CLEAR(((context_object *)self)->resolver);
    return 0;
}

static void context_dealloc(PyObject *self)
{
    PyObject_GC_UnTrack(self);
    Py_XDECREF(context_forget(self, NULL));
    context_clear(self);
    free_object(self);
}

/* Index of a place, a new reference; NULL with an exception. */
/* The index of a place's cell, or a tuple of those that may answer, in their order (new reference). */
static PyObject *find_index(context_object *self, double lat, double lon)
{
    uint64_t cell = ucid_cell_at(lat, lon, FOUND_RESOLUTION);
    if (cell == 0) {
        return ext_raise_status(ext_state_of_object((PyObject *)self), UCID_INVALID_FIELD,
                                "coordinates %g, %g: not finite, or not within 90 and 180 degrees", lat, lon);
    }
    size_t slot = (size_t)((cell * UINT64_C(0x9E3779B97F4A7C15)) >> 54);
    if (self->cells[slot] == cell) return Py_NewRef(self->indexes[slot]);
    char text[16];
    ucid_cell_format(cell, text);
    PyObject *index = PyObject_CallFunction(self->resolver, "s", text);
    if (index == NULL) return NULL;
    if (PyTuple_Check(index)) return index; /* which of them depends on the place */
    if (Py_TYPE(index) != ext_state_of_object((PyObject *)self)->index_type) {
        Py_DECREF(index);
        PyErr_SetString(PyExc_TypeError, "the resolver of a context must return an Index");
        return NULL;
    }
    PyObject *old = self->indexes[slot];
    self->cells[slot] = cell;
    self->indexes[slot] = Py_NewRef(index);
    Py_XDECREF(old);
    return index;
}

static PyObject *context_compute(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    static const char *const argument_names[] = {"lat", "lon", "timestamp"};
    PyObject *slots[3];
    context_object *context = (context_object *)self;
    ext_state *state = ext_state_of_object(self);
    double lat, lon;
    ucid_error error;
    ucid_score_options options = UCID_SCORE_OPTIONS_INIT;
    options.context = context->context->id;
    if (ext_arguments("compute", args, nargs, names, argument_names, 3, 3, 2, slots) != 0 ||
        ext_double(slots[0], "lat", &lat) != 0 || ext_double(slots[1], "lon", &lon) != 0 ||
        ext_hour(state, slots[2], &options.hour) != 0) {
        return NULL;
    }
    PyObject *index = find_index(context, lat, lon);
    if (index == NULL) return NULL;
    result_object *result = (result_object *)allocate_object(state->result_type);
    if (result == NULL) {
        Py_DECREF(index);
        return NULL;
    }
    result->context = context->context;
    result_values *values = &result->values;
    ucid_scores scores = {&values->score,  &values->grade, &values->confidence,
                          &values->status, &values->flags, &values->snap_m,
                          {NULL},          {NULL}};
    for (int p = 0; p < UCID_PARTS_MAX; p++) {
        scores.part[p] = &values->part[p];
        scores.nearest_m[p] = &values->nearest_m[p];
    }
    const ucid_index *mapped = NULL;
    ucid_status status = UCID_OK;
    Py_ssize_t count = PyTuple_Check(index) ? PyTuple_Size(index) : 1;
    for (Py_ssize_t i = 0; i < count; i++) {
        mapped = ext_index_of(state, PyTuple_Check(index) ? PyTuple_GetItem(index, i) : index);
        if (mapped == NULL) break;
        status = ucid_score(mapped, 1, &lat, &lon, NULL, &options, &scores, &error);
        if (status != UCID_OK || values->status != UCID_OUTSIDE_INDEX) break;
    }
    if (mapped == NULL) {
        Py_DECREF(index);
        Py_DECREF(result);
        return NULL;
    }
    if (status == UCID_OK) {
        ucid_index_info info;
        ucid_index_info_get(mapped, &info);
        values->data_hour = (int32_t)info.data_hour;
        memcpy(values->index_id, info.id, sizeof values->index_id);
    }
    Py_DECREF(index);
    if (status != UCID_OK) {
        Py_DECREF(result);
        return ext_raise(state, &error);
    }
    return (PyObject *)result;
}

static PyObject *context_id(PyObject *self, void *closure)
{
    (void)closure;
    return PyUnicode_FromString(((context_object *)self)->context->id);
}

static PyObject *context_parts(PyObject *self, void *closure)
{
    (void)closure;
    const ucid_context *context = ((context_object *)self)->context;
    PyObject *parts = PyDict_New();
    for (int p = 0; p < context->part_count && parts != NULL; p++) {
        PyObject *weight = PyFloat_FromDouble(context->part_weight[p]);
        if (weight == NULL || PyDict_SetItemString(parts, context->part_key[p], weight) != 0) Py_CLEAR(parts);
        Py_XDECREF(weight);
    }
    return parts;
}

static PyObject *context_repr(PyObject *self)
{
    return PyUnicode_FromFormat("Context('%s')", ((context_object *)self)->context->id);
}

static PyObject *context_reduce(PyObject *self, PyObject *ignored)
{
    (void)ignored;
    return ext_ask_package("ucid.contexts", "reduce_context", self);
}

static PyObject *context_resolver(PyObject *self, void *closure)
{
    (void)closure;
    return Py_NewRef(((context_object *)self)->resolver);
}

static PyGetSetDef context_getset[] = {
    {"context_id", context_id, NULL, "Id, as in identifiers: \"15MIN\".", NULL},
    {"weights", context_parts, NULL, "Weight of each component.", NULL},
    {"resolver", context_resolver, NULL, "What gives the index of a cell of resolution 7.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef context_methods[] = {
    {"compute", FAST(context_compute), METH_FASTCALL | METH_KEYWORDS, DOC_COMPUTE},
    {"__reduce__", context_reduce, METH_NOARGS, "For pickle: with the index or catalog that it asks."},
    {"forget_indexes", context_forget, METH_NOARGS, DOC_FORGET_INDEXES},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot context_slots[] = {
    {Py_tp_new, (void *)context_new},
    {Py_tp_dealloc, (void *)context_dealloc},
    {Py_tp_traverse, (void *)context_traverse},
    {Py_tp_clear, (void *)context_clear},
    {Py_tp_repr, (void *)context_repr},
    {Py_tp_getset, context_getset},
    {Py_tp_methods, context_methods},
    {Py_tp_doc, DOC_CONTEXT},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "ucid._ext.Context",
    .basicsize = sizeof(context_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = context_slots,
};

/* --------------------------------------------------------------------------------------------------------- build -- */

typedef struct progress_call {
    PyObject *function;
} progress_call;

/* Called by the builder, with the GIL released. */
static int call_progress(void *ctx, const char *stage, uint64_t done, uint64_t total)
{
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *answer = PyObject_CallFunction(((progress_call *)ctx)->function, "sKK", stage, (unsigned long long)done,
                                             (unsigned long long)total);
    int cancel = answer == NULL || PyErr_CheckSignals() != 0;
    Py_XDECREF(answer);
    PyGILState_Release(gil);
    return cancel;
}

/* Three tables as streams; those that were opened are released where one is none. 0 on success. */
static int network_streams(PyObject *tables, struct ArrowArrayStream streams[3])
{
    for (int i = 0; i < 3; i++) {
        PyObject *one = PyTuple_GetItem(tables, i);
        if (one != NULL && ext_stream_of(one, &streams[i]) == 0) continue;
        while (i-- > 0) streams[i].release(&streams[i]);
        return -1;
    }
    return 0;
}

/* Of the path of an extract, or of a tuple: nodes, edges, places, seconds since 1970. */
static PyObject *build_index(PyObject *module, PyObject *args)
{
    PyObject *source, *in = NULL, *out, *progress, *boundary, *boundary_bytes = NULL;
    ucid_build_options options = UCID_BUILD_OPTIONS_INIT;
    ucid_error error;
    struct ArrowArrayStream streams[3] = {0};
    long long data_time = 0;
    if (!PyArg_ParseTuple(args, "OO&iOOddd:build_index", &source, PyUnicode_FSConverter, &out, &options.threads,
                          &progress, &boundary, &options.cutoff_m, &options.snap_limit_m, &options.buffer_m)) {
        return NULL;
    }
    progress_call call = {progress};
    if (progress != Py_None) {
        options.progress = call_progress;
        options.progress_ctx = &call;
    }
    int is_network = PyTuple_Check(source), ready = 1;
    if (boundary != Py_None) ready = PyUnicode_FSConverter(boundary, &boundary_bytes);
    if (ready && is_network) {
        PyObject *seconds = PyTuple_GetItem(source, 3);
        if (seconds != NULL) data_time = PyLong_AsLongLong(seconds);
        ready = !PyErr_Occurred() && network_streams(source, streams) == 0;
    } else if (ready) {
        ready = PyUnicode_FSConverter(source, &in);
    }
    ucid_status status = UCID_OK;
    if (ready) {
        if (boundary_bytes != NULL) options.boundary_path = PyBytes_AsString(boundary_bytes);
        const char *in_path = in != NULL ? PyBytes_AsString(in) : NULL, *out_path = PyBytes_AsString(out);
        Py_BEGIN_ALLOW_THREADS;
        if (is_network) {
            status =
                ucid_index_build_tables(&streams[0], &streams[1], &streams[2], data_time, out_path, &options, &error);
        } else {
            status = ucid_index_build(in_path, out_path, &options, &error);
        }
        Py_END_ALLOW_THREADS;
        for (int i = 0; i < 3; i++) {
            if (streams[i].release != NULL) streams[i].release(&streams[i]);
        }
    }
    Py_XDECREF(in);
    Py_DECREF(out);
    Py_XDECREF(boundary_bytes);
    if (PyErr_Occurred()) return NULL; /* a source that is none, or raised by the progress function */
    if (status != UCID_OK) return ext_raise(ext_state_of_module(module), &error);
    Py_RETURN_NONE;
}

static PyObject *context_ids(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    PyObject *list = PyList_New(0);
    const ucid_context *context;
    for (int i = 0; list != NULL && (context = ucid_context_at(i)) != NULL; i++) {
        PyObject *id = PyUnicode_FromString(context->id);
        if (id == NULL || PyList_Append(list, id) != 0) Py_CLEAR(list);
        Py_XDECREF(id);
    }
    return list;
}

/* ---------------------------------------------------------------------------------------------------- components -- */

static PyObject *components(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    PyObject *list = PyList_New(0);
    const ucid_component *c;
    for (int i = 0; list != NULL && (c = ucid_component_at(i)) != NULL; i++) {
        PyObject *row = Py_BuildValue("(sssddd)", c->context, c->key, c->input, c->weight, c->zero, c->full);
        if (row == NULL || PyList_Append(list, row) != 0) Py_CLEAR(list);
        Py_XDECREF(row);
    }
    return list;
}

/* A buffer of doubles; 0 on success. */
static int take_doubles(PyObject *object, int flags, Py_buffer *view)
{
    if (PyObject_GetBuffer(object, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS | flags) != 0) return -1;
    if (view->format != NULL && strcmp(view->format, "d") == 0) return 0;
    PyBuffer_Release(view);
    PyErr_SetString(PyExc_TypeError, "values are not a buffer of doubles");
    return -1;
}

static PyObject *component_scores(PyObject *module, PyObject *args)
{
    (void)module;
    const char *context, *key;
    PyObject *values;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "ssO:component_scores", &context, &key, &values)) return NULL;
    const ucid_component *component = ucid_component_get(context, key);
    if (component == NULL) Py_RETURN_FALSE;
    if (take_doubles(values, PyBUF_WRITABLE, &view) != 0) return NULL;
    Py_BEGIN_ALLOW_THREADS;
    ucid_component_scores(component, (int64_t)(view.len / 8), view.buf, view.buf);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&view);
    Py_RETURN_TRUE;
}

static PyObject *normalize(PyObject *module, PyObject *args)
{
    (void)module;
    double value, min, max;
    int invert;
    if (!PyArg_ParseTuple(args, "dddp:normalize", &value, &min, &max, &invert)) return NULL;
    return PyFloat_FromDouble(ucid_normalize(value, min, max, invert));
}

static PyObject *equality(PyObject *module, PyObject *values)
{
    (void)module;
    Py_buffer view;
    if (take_doubles(values, 0, &view) != 0) return NULL;
    double result;
    Py_BEGIN_ALLOW_THREADS;
    result = ucid_equality((int64_t)(view.len / 8), view.buf);
    Py_END_ALLOW_THREADS;
    PyBuffer_Release(&view);
    return PyFloat_FromDouble(result);
}

PyMethodDef ext_places_methods[] = {
    {"build_index", build_index, METH_VARARGS,
     "build_index($module, source, path, threads, progress, boundary, cutoff_m, snap_limit_m, buffer_m, /)\n--\n\nSee "
     "ucid.build_index."},
    {"context_ids", context_ids, METH_NOARGS, "context_ids($module, /)\n--\n\nIds of the built-in contexts."},
    {"components", components, METH_NOARGS,
     "components($module, /)\n--\n\nContext, key, input, weight, zero and full of each; see ucid.list_components."},
    {"component_scores", component_scores, METH_VARARGS,
     "component_scores($module, context, component, values, /)\n--\n\nPut scores in the place of a buffer of doubles; "
     "False where there is no such component."},
    {"normalize", normalize, METH_VARARGS,
     "normalize($module, value, min, max, invert, /)\n--\n\nSee ucid.normalize_score."},
    {"equality", equality, METH_O,
     "equality($module, values, /)\n--\n\nSee ucid.equality; values are a buffer of doubles."},
    {"restore_result", restore_result, METH_VARARGS, "The ContextResult that gave these values to pickle."},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, const char *name)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddObjectRef(module, name, type) != 0) Py_CLEAR(type);
    return (PyTypeObject *)type;
}

int ext_add_places(PyObject *module, ext_state *state)
{
    state->index_type = add_type(module, &index_spec, "Index");
    state->context_type = add_type(module, &context_spec, "Context");
    state->result_type = add_type(module, &result_spec, "ContextResult");
    return state->index_type != NULL && state->context_type != NULL && state->result_type != NULL ? 0 : -1;
}
