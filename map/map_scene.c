/* map_scene.c: what stands around the rows of a map. */
#include "map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STREET_BYTES_MAX = 12000000 };

static ucid_status find_measure(const map_rows *rows, const char *show, int *measure, ucid_error *error)
{
    *measure = MAP_SCORE;
    if (show == NULL || strcmp(show, "score") == 0) return UCID_OK;
    if (strcmp(show, "confidence") == 0) {
        *measure = MAP_CONFIDENCE;
        if (rows->has_confidence) return UCID_OK;
        return map_fail(error, UCID_INVALID_ARGUMENT, "show %.60s: the table has no such column", show);
    }
    for (int p = 0; p < rows->context->part_count; p++) {
        if (strcmp(show, rows->context->part_key[p]) != 0) continue;
        *measure = p;
        if (rows->has_part[p]) return UCID_OK;
        return map_fail(error, UCID_INVALID_ARGUMENT,
                        "show %.60s: the table has no such column; scores with detail have it", show);
    }
    return map_fail(error, UCID_INVALID_ARGUMENT, "show %.60s: not score, confidence or a part of %s", show,
                    rows->context->id);
}

/* Field `number` of all frames of the identifiers, where they agree; else "". */
static void frames_agree(const map_rows *rows, int number, char *text, size_t size)
{
    text[0] = '\0';
    for (int64_t i = 0; i < rows->frame_count; i++) {
        const char *field = rows->frames[i];
        for (int skip = 0; skip < number; skip++) field += strcspn(field, ":") + 1;
        size_t length = strcspn(field, ":");
        if (length >= size || (i > 0 && (strncmp(text, field, length) != 0 || text[length] != '\0'))) {
            text[0] = '\0';
            return;
        }
        memcpy(text, field, length);
        text[length] = '\0';
    }
}

static void set_texts(const map_rows *rows, const ucid_index *index, const char *given, map_texts *texts,
                      char title[256])
{
    char code[8];
    ucid_city city;
    frames_agree(rows, 0, code, sizeof code);
    snprintf(title, 256, "%s score of %lld %s", rows->context->id, (long long)rows->count,
             rows->cells ? "cells" : "places");
    if (code[0] != '\0' && ucid_city_get(NULL, (ucid_text){code, strlen(code)}, &city, NULL) == UCID_OK)
        snprintf(title, 256, "%s", city.name);
    *texts = (map_texts){.title = given != NULL ? given : title};
    frames_agree(rows, 2, texts->time, sizeof texts->time);
    if (index == NULL) return;
    ucid_index_info info;
    ucid_index_info_get(index, &info);
    memcpy(texts->index_id, info.id, sizeof texts->index_id);
    static const char key[] = "\"data_date\":\""; /* null where the extract has no date */
    const char *date = strstr(info.json, key);
    if (date != NULL) snprintf(texts->date, sizeof texts->date, "%.10s", date + sizeof key - 1);
}

/* Streets of the rows' box and some way around it. */
static int pack_streets(const map_rows *rows, const ucid_index *index, map_scene *scene)
{
    double margin_lat = 0.02 + 0.25 * (rows->max_lat_deg - rows->min_lat_deg);
    double margin_lon = 0.02 + 0.5 * (rows->max_lon_deg - rows->min_lon_deg);
    const double box[4] = {rows->min_lat_deg - margin_lat, rows->min_lon_deg - margin_lon,
                           rows->max_lat_deg + margin_lat, rows->max_lon_deg + margin_lon};
    if (!map_streets_pack(index, box, &scene->streets)) return 0;
    scene->ranks_left_out = map_streets_fit(&scene->streets, STREET_BYTES_MAX);
    return 1;
}

ucid_status map_scene_init(map_scene *scene, const map_rows *rows, const ucid_index *index, const char *title,
                           const char *show, ucid_error *error)
{
    *scene = (map_scene){.has_streets = index != NULL};
    ucid_status status = find_measure(rows, show, &scene->measure, error);
    if (status != UCID_OK) return status;
    set_texts(rows, index, title, &scene->texts, scene->title);
    if (index == NULL || rows->count == 0 || pack_streets(rows, index, scene)) return UCID_OK;
    map_scene_free(scene);
    return map_fail(error, UCID_NO_MEMORY, "no memory for the streets");
}

void map_scene_free(map_scene *scene) { map_streets_free(&scene->streets); }
