/* maps.c: the page of `ucid map`, made of an Arrow stream by the sources that the program has. */
#include "ext.h"

#include "map_rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifdef UCID_HAVE_PAGE

/* A stream into rows. Runs without the lock of the interpreter; the producer takes it where it needs it. */
static ucid_status read_rows(struct ArrowArrayStream *stream, map_rows *rows, ucid_error *error)
{
    struct ArrowSchema schema = {0};
    int code = stream->get_schema(stream, &schema);
    ucid_status status = code == 0 ? map_rows_begin(rows, &schema, error) : UCID_DATA_ERROR;
    while (code == 0 && status == UCID_OK) {
        struct ArrowArray batch = {0};
        code = stream->get_next(stream, &batch);
        if (code != 0 || batch.release == NULL) break;
        status = map_rows_add(rows, &schema, &batch, error);
        batch.release(&batch);
    }
    if (code != 0) {
        const char *reason = stream->get_last_error(stream);
        *error = (ucid_error){.status = UCID_DATA_ERROR, .byte = -1, .row = -1};
        snprintf(error->message, sizeof error->message, "%s", reason != NULL ? reason : strerror(code));
        status = UCID_DATA_ERROR;
    }
    if (schema.release != NULL) schema.release(&schema);
    return status == UCID_OK ? map_rows_finish(rows, error) : status;
}

static ucid_status write_page(const map_rows *rows, const map_scene *scene, const char *page, const char *path,
                              ucid_error *error)
{
    FILE *out = fopen(path, "wb");
    ucid_status status = UCID_OK;
    int good = out != NULL;
    if (good) {
        status = map_page_write(rows, scene->has_streets ? &scene->streets : NULL, &scene->texts, scene->measure, page,
                                out, error);
        good = !ferror(out);
        good = fclose(out) == 0 && good;
    }
    if (status != UCID_OK || good) return status;
    *error = (ucid_error){.status = UCID_IO_ERROR, .byte = -1, .row = -1};
    snprintf(error->message, sizeof error->message, "%s: cannot write: %s", path, strerror(errno));
    return UCID_IO_ERROR;
}

/* write_map(source, page, path, index, title, show, points) -> (rows, rows left out, kinds of streets left out) */
static PyObject *write_map(PyObject *module, PyObject *args)
{
    ext_state *state = ext_state_of_module(module);
    PyObject *source, *page, *path, *given;
    const char *title, *show;
    int points;
    const ucid_index *index = NULL;
    struct ArrowArrayStream stream = {0};
    if (!PyArg_ParseTuple(args, "OO&O&Ozzp:write_map", &source, PyUnicode_FSConverter, &page, PyUnicode_FSConverter,
                          &path, &given, &title, &show, &points)) {
        return NULL;
    }
    map_rows rows;
    map_rows_init(&rows, ucid_context_get("15MIN"), points);
    ucid_error error;
    ucid_status status = UCID_OK;
    long long left_out = 0, count = 0;
    int ranks_left_out = 0;
    int failed = (given != Py_None && (index = ext_index_of(state, given)) == NULL) || ext_stream_of(source, &stream);
    if (!failed) {
        const char *page_path = PyBytes_AsString(page), *out_path = PyBytes_AsString(path);
        Py_BEGIN_ALLOW_THREADS;
        map_scene scene;
        status = read_rows(&stream, &rows, &error);
        if (status == UCID_OK) status = map_scene_init(&scene, &rows, index, title, show, &error);
        if (status == UCID_OK) {
            status = write_page(&rows, &scene, page_path, out_path, &error);
            ranks_left_out = scene.ranks_left_out;
            map_scene_free(&scene);
        }
        stream.release(&stream);
        count = (long long)rows.count;
        left_out = (long long)rows.left_out;
        map_rows_free(&rows);
        Py_END_ALLOW_THREADS;
    }
    Py_DECREF(page);
    Py_DECREF(path);
    if (failed) return NULL;
    if (status != UCID_OK) return ext_raise(state, &error);
    return Py_BuildValue("(LLi)", count, left_out, ranks_left_out);
}

#endif

/* map_ramp() -> colours of scores from 0 to 100, evenly spaced */
static PyObject *ramp(PyObject *module, PyObject *ignored)
{
    (void)module;
    (void)ignored;
    PyObject *list = PyList_New(MAP_RAMP_STOPS);
    for (int i = 0; i < MAP_RAMP_STOPS && list != NULL; i++) {
        char text[8];
        snprintf(text, sizeof text, "#%06x", (unsigned)map_ramp[i]);
        PyObject *colour = PyUnicode_FromString(text);
        if (colour == NULL || PyList_SetItem(list, i, colour) != 0) Py_CLEAR(list);
    }
    return list;
}

PyMethodDef ext_maps_methods[] = {
#ifdef UCID_HAVE_PAGE
    {"write_map", write_map, METH_VARARGS,
     "write_map($module, source, page, path, index, title, show, points, /)\n--\n\nSee ucid.map."},
#endif
    {"map_ramp", ramp, METH_NOARGS, "map_ramp($module, /)\n--\n\nColours of scores from 0 to 100, evenly spaced."},
    {NULL, NULL, 0, NULL},
};
