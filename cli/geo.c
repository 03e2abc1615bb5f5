/* geo.c: features become Arrow columns, some hundred at a time, so that a file of any size needs little memory. */
#include "geo.h"

#include <cpl_conv.h>
#include <cpl_error.h>
#include <gdal.h>
#include <ogr_api.h>
#include <ogr_srs_api.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORTED __attribute__((visibility("default")))

enum { BATCH_FEATURES = 256, BATCH_BYTES = 1 << 26 };

static ucid_status fail(ucid_error *error, ucid_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static ucid_status fail(ucid_error *error, ucid_status status, const char *format, ...)
{
    if (error == NULL) return status;
    *error = (ucid_error){.status = status, .byte = -1, .row = -1};
    va_list values;
    va_start(values, format);
    vsnprintf(error->message, sizeof error->message, format, values);
    va_end(values);
    for (char *c = error->message; *c != '\0'; c++) *c = *c == '\n' ? ' ' : *c;
    return status;
}

/* --------------------------------------------------------------------------------------------------- Arrow columns --
 */

/* A column that grows; its buffers go with the array. */
typedef struct column {
    char format; /* 'u', 'z', 'l' or 'g' */
    uint8_t *valid;
    int32_t *offsets;
    uint8_t *bytes; /* of texts, or 8 each */
    size_t length, capacity;
    int64_t nulls;
} column;

static int is_bytes(char format) { return format == 'u' || format == 'z'; }

static void free_column(column *c)
{
    free(c->valid), free(c->offsets), free(c->bytes);
    *c = (column){.format = c->format};
}

/* Room for a batch of rows; 0: no memory. */
static int open_column(column *c, int64_t rows)
{
    c->valid = calloc((size_t)rows / 8 + 1, 1);
    c->capacity = is_bytes(c->format) ? 4096 : (size_t)rows * 8 + 8;
    c->bytes = malloc(c->capacity);
    c->offsets = is_bytes(c->format) ? calloc((size_t)rows + 1, sizeof *c->offsets) : NULL;
    return c->valid != NULL && c->bytes != NULL && (!is_bytes(c->format) || c->offsets != NULL);
}

/* Room for more bytes at the end; NULL: no memory. */
static uint8_t *grow_column(column *c, size_t more)
{
    size_t wanted = c->length + more;
    if (wanted > c->capacity) {
        size_t capacity = 2 * c->capacity > wanted ? 2 * c->capacity : wanted;
        uint8_t *grown = wanted <= INT32_MAX ? realloc(c->bytes, capacity) : NULL;
        if (grown == NULL) return NULL;
        c->bytes = grown, c->capacity = capacity;
    }
    return c->bytes + c->length;
}

static void set_valid(column *c, int64_t row) { c->valid[row >> 3] |= (uint8_t)(1u << (row & 7)); }

static void release_array(struct ArrowArray *array)
{
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release != NULL) array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    for (int64_t i = 1; array->n_children == 0 && i < array->n_buffers; i++) free((void *)array->buffers[i]);
    if (array->n_buffers > 0) free((void *)array->buffers[0]);
    free(array->buffers), free(array->children);
    *array = (struct ArrowArray){0};
}

/* The column's buffers become an array's. */
static int make_array(column *c, int64_t rows, struct ArrowArray *array)
{
    const void **buffers = calloc(3, sizeof *buffers);
    if (buffers == NULL) return 0;
    int64_t count = is_bytes(c->format) ? 3 : 2;
    buffers[0] = c->valid;
    buffers[1] = is_bytes(c->format) ? (const void *)c->offsets : c->bytes;
    if (count == 3) buffers[2] = c->bytes;
    *array = (struct ArrowArray){
        .length = rows, .null_count = c->nulls, .n_buffers = count, .buffers = buffers, .release = release_array};
    *c = (column){.format = c->format};
    return 1;
}

static void release_schema(struct ArrowSchema *schema)
{
    for (int64_t i = 0; i < schema->n_children; i++) {
        if (schema->children[i]->release != NULL) schema->children[i]->release(schema->children[i]);
        free(schema->children[i]);
    }
    free(schema->children), free((void *)schema->name), free((void *)schema->format);
    *schema = (struct ArrowSchema){0};
}

static int make_schema(const char *format, const char *name, int64_t children, struct ArrowSchema *schema)
{
    *schema = (struct ArrowSchema){.format = strdup(format),
                                   .name = strdup(name),
                                   .flags = ARROW_FLAG_NULLABLE,
                                   .release = release_schema,
                                   .children = calloc((size_t)children + 1, sizeof *schema->children)};
    int complete = schema->format != NULL && schema->name != NULL && schema->children != NULL;
    for (int64_t i = 0; complete && i < children; i++) {
        schema->children[i] = calloc(1, sizeof **schema->children);
        complete = schema->children[i] != NULL;
        schema->n_children += complete;
    }
    if (!complete) release_schema(schema);
    return complete;
}

/* ----------------------------------------------------------------------------------------------------- Geometries --
 */

/* A geometry as well-known binary in WGS 84, appended; takes it. way: NULL where it is there already. */
static ucid_status put_geometry(column *c, OGRGeometryH geometry, OGRCoordinateTransformationH way, ucid_error *error)
{
    if (OGR_G_HasCurveGeometry(geometry, TRUE)) {
        OGRGeometryH straight = OGR_G_GetLinearGeometry(geometry, 0, NULL);
        OGR_G_DestroyGeometry(geometry);
        geometry = straight;
    }
    if (geometry == NULL) return fail(error, UCID_NO_MEMORY, "no memory for a geometry");
    ucid_status status = UCID_OK;
    if (way != NULL && OGR_G_Transform(geometry, way) != OGRERR_NONE) {
        status = fail(error, UCID_DATA_ERROR, "a geometry cannot be reprojected: %.150s", CPLGetLastErrorMsg());
    }
    size_t size = status == UCID_OK ? (size_t)OGR_G_WkbSize(geometry) : 0;
    uint8_t *room = status == UCID_OK ? grow_column(c, size) : NULL;
    if (status == UCID_OK && room == NULL) status = fail(error, UCID_NO_MEMORY, "no memory for a geometry");
    if (status == UCID_OK && OGR_G_ExportToIsoWkb(geometry, wkbNDR, room) != OGRERR_NONE) {
        status = fail(error, UCID_DATA_ERROR, "a geometry cannot be written: %.150s", CPLGetLastErrorMsg());
    }
    if (status == UCID_OK) c->length += size;
    OGR_G_DestroyGeometry(geometry);
    return status;
}

/* The way from a coordinate system to WGS 84; *way NULL where it is no way at all. */
static ucid_status find_way(OGRSpatialReferenceH from, OGRCoordinateTransformationH *way, ucid_error *error)
{
    OGRSpatialReferenceH to = OSRNewSpatialReference(NULL);
    if (to == NULL || OSRImportFromEPSG(to, 4326) != OGRERR_NONE) {
        OSRDestroySpatialReference(to);
        return fail(error, UCID_IO_ERROR, "PROJ's database is missing: %.150s", CPLGetLastErrorMsg());
    }
    OSRSetAxisMappingStrategy(to, OAMS_TRADITIONAL_GIS_ORDER);
    OSRSetAxisMappingStrategy(from, OAMS_TRADITIONAL_GIS_ORDER);
    ucid_status status = UCID_OK;
    *way = NULL;
    if (!OSRIsSame(from, to)) {
        *way = OCTNewCoordinateTransformation(from, to);
        if (*way == NULL) status = fail(error, UCID_DATA_ERROR, "no way to WGS 84: %.150s", CPLGetLastErrorMsg());
    }
    OSRDestroySpatialReference(to);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------- A layer --
 */

typedef struct layer {
    GDALDatasetH file;
    OGRLayerH layer;
    OGRCoordinateTransformationH way;
    int field_count;
    column *columns; /* [field_count + 1]; the last is the geometry */
    char message[256];
} layer;

static void free_layer(layer *self)
{
    for (int i = 0; self->columns != NULL && i <= self->field_count; i++) free_column(&self->columns[i]);
    free(self->columns);
    if (self->way != NULL) OCTDestroyCoordinateTransformation(self->way);
    if (self->file != NULL) GDALClose(self->file);
    free(self);
}

static int layer_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema)
{
    layer *self = stream->private_data;
    OGRFeatureDefnH definition = OGR_L_GetLayerDefn(self->layer);
    if (!make_schema("+s", "", self->field_count + 1, schema)) return ENOMEM;
    for (int i = 0; i <= self->field_count; i++) {
        const char format[2] = {self->columns[i].format, '\0'};
        const char *name = i < self->field_count ? OGR_Fld_GetNameRef(OGR_FD_GetFieldDefn(definition, i)) : "geometry";
        if (!make_schema(format, name, 0, schema->children[i])) {
            release_schema(schema);
            return ENOMEM;
        }
    }
    return 0;
}

static ucid_status put_field(column *c, OGRFeatureH feature, int field, int64_t row, ucid_error *error)
{
    int set = OGR_F_IsFieldSetAndNotNull(feature, field);
    if (set) {
        set_valid(c, row);
    } else {
        c->nulls++;
    }
    if (c->format == 'l') ((int64_t *)c->bytes)[row] = set ? OGR_F_GetFieldAsInteger64(feature, field) : 0;
    if (c->format == 'g') ((double *)c->bytes)[row] = set ? OGR_F_GetFieldAsDouble(feature, field) : 0;
    if (c->format != 'u') return UCID_OK;
    const char *text = set ? OGR_F_GetFieldAsString(feature, field) : "";
    uint8_t *room = grow_column(c, strlen(text));
    if (room == NULL) return fail(error, UCID_NO_MEMORY, "no memory for a field");
    memcpy(room, text, strlen(text));
    c->length += strlen(text);
    c->offsets[row + 1] = (int32_t)c->length;
    return UCID_OK;
}

static ucid_status put_feature(layer *self, OGRFeatureH feature, int64_t row, ucid_error *error)
{
    ucid_status status = UCID_OK;
    for (int i = 0; status == UCID_OK && i < self->field_count; i++) {
        status = put_field(&self->columns[i], feature, i, row, error);
    }
    column *c = &self->columns[self->field_count];
    OGRGeometryH geometry = status == UCID_OK ? OGR_F_StealGeometry(feature) : NULL;
    if (geometry != NULL) {
        set_valid(c, row);
        status = put_geometry(c, geometry, self->way, error);
    } else {
        c->nulls++;
    }
    c->offsets[row + 1] = (int32_t)c->length;
    return status;
}

/* The columns become a batch, and are empty again. */
static int make_batch(layer *self, int64_t rows, struct ArrowArray *batch)
{
    int64_t n = self->field_count + 1;
    *batch = (struct ArrowArray){.length = rows,
                                 .n_buffers = 1,
                                 .buffers = calloc(1, sizeof *batch->buffers),
                                 .children = calloc((size_t)n, sizeof *batch->children),
                                 .release = release_array};
    int complete = batch->buffers != NULL && batch->children != NULL;
    for (int64_t i = 0; complete && i < n; i++) {
        batch->children[i] = calloc(1, sizeof **batch->children);
        if (batch->children[i] != NULL) batch->n_children++;
        complete = batch->children[i] != NULL && make_array(&self->columns[i], rows, batch->children[i]);
    }
    if (!complete) release_array(batch);
    return complete;
}

static int layer_failed(layer *self, int code, const char *message)
{
    snprintf(self->message, sizeof self->message, "%s", message);
    return code;
}

static int layer_next(struct ArrowArrayStream *stream, struct ArrowArray *batch)
{
    layer *self = stream->private_data;
    int64_t rows = 0;
    for (int i = 0; i <= self->field_count; i++) {
        free_column(&self->columns[i]);
        if (!open_column(&self->columns[i], BATCH_FEATURES)) return layer_failed(self, ENOMEM, "no memory for a batch");
    }
    CPLErrorReset();
    while (rows < BATCH_FEATURES && self->columns[self->field_count].length < BATCH_BYTES) {
        OGRFeatureH feature = OGR_L_GetNextFeature(self->layer);
        if (feature == NULL) break;
        ucid_error error;
        ucid_status status = put_feature(self, feature, rows, &error);
        OGR_F_Destroy(feature);
        if (status != UCID_OK) return layer_failed(self, status == UCID_NO_MEMORY ? ENOMEM : EINVAL, error.message);
        rows++;
    }
    if (rows == 0) {
        if (CPLGetLastErrorType() >= CE_Failure) return layer_failed(self, EIO, CPLGetLastErrorMsg());
        *batch = (struct ArrowArray){0};
        return 0;
    }
    return make_batch(self, rows, batch) ? 0 : layer_failed(self, ENOMEM, "no memory for a batch");
}

static const char *layer_error(struct ArrowArrayStream *stream) { return ((layer *)stream->private_data)->message; }

static void layer_release(struct ArrowArrayStream *stream)
{
    free_layer(stream->private_data);
    *stream = (struct ArrowArrayStream){0};
}

static ucid_status choose_layer(layer *self, const char *path, const char *name, ucid_error *error)
{
    int count = GDALDatasetGetLayerCount(self->file);
    char list[160] = "";
    for (int i = 0; i < count; i++) {
        OGRLayerH at = GDALDatasetGetLayer(self->file, i);
        size_t length = strlen(list);
        snprintf(list + length, sizeof list - length, "%s%s", i > 0 ? ", " : "", OGR_L_GetName(at));
        if (name != NULL ? strcmp(OGR_L_GetName(at), name) == 0 : count == 1) self->layer = at;
    }
    if (self->layer != NULL && OGR_L_GetGeomType(self->layer) == wkbNone) {
        return fail(error, UCID_DATA_ERROR, "%s: no column for geometries", path);
    }
    if (self->layer != NULL) return UCID_OK;
    if (name != NULL) return fail(error, UCID_DATA_ERROR, "%s: no layer '%s'; there are %s", path, name, list);
    return fail(error, UCID_DATA_ERROR, "%s: of %d layers one has to be named: %s", path, count, list);
}

static ucid_status open_columns(layer *self, ucid_error *error)
{
    OGRFeatureDefnH definition = OGR_L_GetLayerDefn(self->layer);
    self->field_count = OGR_FD_GetFieldCount(definition);
    self->columns = calloc((size_t)self->field_count + 1, sizeof *self->columns);
    if (self->columns == NULL) return fail(error, UCID_NO_MEMORY, "no memory for columns");
    for (int i = 0; i < self->field_count; i++) {
        OGRFieldType type = OGR_Fld_GetType(OGR_FD_GetFieldDefn(definition, i));
        self->columns[i].format = type == OFTInteger || type == OFTInteger64 ? 'l' : type == OFTReal ? 'g' : 'u';
    }
    self->columns[self->field_count].format = 'z';
    return UCID_OK;
}

/* Features of an unknown coordinate system are taken as degrees where they can be. */
static ucid_status check_degrees(layer *self, const char *path, ucid_error *error)
{
    OGREnvelope box;
    if (OGR_L_GetExtent(self->layer, &box, TRUE) != OGRERR_NONE) return UCID_OK; /* empty */
    if (box.MinX >= -360 && box.MaxX <= 360 && box.MinY >= -90.000001 && box.MaxY <= 90.000001) return UCID_OK;
    return fail(error, UCID_DATA_ERROR, "%s: has no coordinate system, and is not in degrees (%.9g %.9g %.9g %.9g)",
                path, box.MinX, box.MinY, box.MaxX, box.MaxY);
}

EXPORTED ucid_status ucid_geo_open(const char *path, const char *layer_name, struct ArrowArrayStream *out,
                                   ucid_error *error)
{
    GDALAllRegister();
    CPLSetErrorHandler(CPLQuietErrorHandler);
    CPLSetConfigOption("OGR_GEOJSON_MAX_OBJ_SIZE", "0");
    layer *self = calloc(1, sizeof *self);
    if (self == NULL) return fail(error, UCID_NO_MEMORY, "no memory for %s", path);
    self->file = GDALOpenEx(path, GDAL_OF_VECTOR | GDAL_OF_READONLY, NULL, NULL, NULL);
    ucid_status status = UCID_OK;
    if (self->file == NULL) {
        FILE *there = fopen(path, "rb");
        if (there != NULL) fclose(there);
        status = fail(error, there != NULL ? UCID_DATA_ERROR : UCID_FILE_NOT_FOUND, "%s: %.180s", path,
                      there != NULL ? CPLGetLastErrorMsg() : strerror(errno));
    }
    if (status == UCID_OK) status = choose_layer(self, path, layer_name, error);
    if (status == UCID_OK) status = open_columns(self, error);
    if (status == UCID_OK) {
        OGRSpatialReferenceH system = OGR_L_GetSpatialRef(self->layer);
        status = system != NULL ? find_way(system, &self->way, error) : check_degrees(self, path, error);
    }
    if (status != UCID_OK) {
        free_layer(self);
        return status;
    }
    OGR_L_ResetReading(self->layer);
    *out = (struct ArrowArrayStream){layer_schema, layer_next, layer_error, layer_release, self};
    return UCID_OK;
}

/* ---------------------------------------------------------------------------------------------------- Another's WKB --
 */

typedef struct reprojected {
    struct ArrowArrayStream in;
    OGRCoordinateTransformationH way;
    int64_t column;
    int large; /* the input's offsets are of 64 bits */
    char message[256];
} reprojected;

static int reprojected_schema(struct ArrowArrayStream *stream, struct ArrowSchema *schema)
{
    reprojected *self = stream->private_data;
    int code = self->in.get_schema(&self->in, schema);
    if (code != 0) return code;
    struct ArrowSchema *child = schema->children[self->column], made;
    if (!make_schema("z", child->name, 0, &made)) {
        schema->release(schema);
        return ENOMEM;
    }
    child->release(child);
    *child = made;
    return 0;
}

static ucid_status reproject_rows(const reprojected *self, const struct ArrowArray *array, column *c, ucid_error *error)
{
    for (int64_t row = 0; row < array->length; row++) {
        int64_t at = array->offset + row;
        const uint8_t *valid = array->buffers[0], *bytes = array->buffers[2];
        int64_t from =
            self->large ? ((const int64_t *)array->buffers[1])[at] : ((const int32_t *)array->buffers[1])[at];
        int64_t to =
            self->large ? ((const int64_t *)array->buffers[1])[at + 1] : ((const int32_t *)array->buffers[1])[at + 1];
        OGRGeometryH geometry = NULL;
        if ((valid != NULL && (valid[at >> 3] >> (at & 7) & 1) == 0) || to <= from || to - from > INT32_MAX) {
            c->nulls++;
        } else if (OGR_G_CreateFromWkb(bytes + from, NULL, &geometry, (int)(to - from)) != OGRERR_NONE) {
            return fail(error, UCID_DATA_ERROR, "row %lld of a batch: a damaged geometry", (long long)row);
        } else {
            set_valid(c, row);
            ucid_status status = put_geometry(c, geometry, self->way, error);
            if (status != UCID_OK) return status;
        }
        c->offsets[row + 1] = (int32_t)c->length;
    }
    return UCID_OK;
}

static int reprojected_next(struct ArrowArrayStream *stream, struct ArrowArray *batch)
{
    reprojected *self = stream->private_data;
    int code = self->in.get_next(&self->in, batch);
    if (code != 0 || batch->release == NULL) return code;
    struct ArrowArray *child = batch->children[self->column], made;
    column c = {.format = 'z'};
    ucid_error error = {.message = "no memory for a batch"};
    ucid_status status = open_column(&c, child->length) ? reproject_rows(self, child, &c, &error) : UCID_NO_MEMORY;
    if (status == UCID_OK && !make_array(&c, child->length, &made)) status = UCID_NO_MEMORY;
    if (status != UCID_OK) {
        free_column(&c);
        batch->release(batch);
        snprintf(self->message, sizeof self->message, "%s", error.message);
        return status == UCID_NO_MEMORY ? ENOMEM : EINVAL;
    }
    child->release(child);
    *child = made;
    return 0;
}

static const char *reprojected_error(struct ArrowArrayStream *stream)
{
    reprojected *self = stream->private_data;
    return self->message[0] != '\0' ? self->message : self->in.get_last_error(&self->in);
}

static void reprojected_release(struct ArrowArrayStream *stream)
{
    reprojected *self = stream->private_data;
    self->in.release(&self->in);
    if (self->way != NULL) OCTDestroyCoordinateTransformation(self->way);
    free(self);
    *stream = (struct ArrowArrayStream){0};
}

static ucid_status find_wkb(struct ArrowArrayStream *in, const char *name, reprojected *self, ucid_error *error)
{
    struct ArrowSchema schema;
    if (in->get_schema(in, &schema) != 0) return fail(error, UCID_DATA_ERROR, "the zones have no schema");
    self->column = -1;
    for (int64_t i = 0; i < schema.n_children; i++) {
        const struct ArrowSchema *child = schema.children[i];
        if (child->name == NULL || strcmp(child->name, name) != 0) continue;
        if (strcmp(child->format, "z") == 0 || strcmp(child->format, "Z") == 0) self->column = i;
        self->large = strcmp(child->format, "Z") == 0;
    }
    schema.release(&schema);
    if (self->column >= 0) return UCID_OK;
    return fail(error, UCID_DATA_ERROR, "no column '%.60s' of well-known binary", name);
}

EXPORTED ucid_status ucid_geo_reproject(struct ArrowArrayStream *in, const char *name, const char *crs,
                                        struct ArrowArrayStream *out, ucid_error *error)
{
    CPLSetErrorHandler(CPLQuietErrorHandler);
    reprojected *self = calloc(1, sizeof *self);
    OGRSpatialReferenceH from = OSRNewSpatialReference(NULL);
    ucid_status status = self != NULL && from != NULL ? UCID_OK : fail(error, UCID_NO_MEMORY, "no memory for zones");
    if (status == UCID_OK && OSRSetFromUserInput(from, crs) != OGRERR_NONE) {
        status = fail(error, UCID_DATA_ERROR, "an unknown coordinate system: %.150s", crs);
    }
    if (status == UCID_OK) status = find_way(from, &self->way, error);
    if (status == UCID_OK) status = find_wkb(in, name, self, error);
    if (from != NULL) OSRDestroySpatialReference(from);
    if (status != UCID_OK) {
        if (self != NULL && self->way != NULL) OCTDestroyCoordinateTransformation(self->way);
        free(self);
        return status;
    }
    self->in = *in;
    in->release = NULL;
    *out =
        (struct ArrowArrayStream){reprojected_schema, reprojected_next, reprojected_error, reprojected_release, self};
    return UCID_OK;
}
