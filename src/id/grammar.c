/* grammar.c: the rules beyond the grammar that strict mode adds, and what is said of a broken one. The grammar itself:
 * text_usual.c and text_read.c read it, text_write.c writes it. */
#include "id/grammar.h"

#include "id/cell.h"
#include "id/city.h"
#include "id/decimal.h"
#include "rt/error.h"

#include <math.h>

static ucid_status broken(ucid_place *place, ucid_status status, int field)
{
    place->status = status;
    place->field = field;
    place->byte = place->bytes = -1;
    return status;
}

ucid_status ucid_parts_check_alone(const ucid_parts *parts, const ucid_registry *registry, ucid_place *place)
{
    if (!ucid_code_known(registry, parts->city)) return broken(place, UCID_INVALID_CITY, UCID_FIELD_CITY);
    if (!ucid_cell_bits_valid(parts->cell)) return broken(place, UCID_INVALID_H3, UCID_FIELD_CELL);
    if ((parts->cell >> 52 & 15) != parts->resolution) {
        return broken(place, UCID_H3_MISMATCH, UCID_FIELD_RESOLUTION);
    }
    if (parts->week == 53 && ucid_year_weeks(parts->year) == 52) {
        return broken(place, UCID_INVALID_TIME, UCID_FIELD_TIME);
    }
    return UCID_OK;
}

static double rounded(double deg) { return copysign(ucid_decimal_round(deg, 1000) / 1000.0, deg); }

ucid_status ucid_parts_check(const ucid_parts *parts, const ucid_registry *registry, ucid_place *place)
{
    ucid_status status = ucid_parts_check_alone(parts, registry, place);
    if (status != UCID_OK && status != UCID_INVALID_TIME) return status;
    if (!ucid_cell_meets_box(parts->cell, rounded(parts->lat_deg), rounded(parts->lon_deg),
                             UCID_CELL_PRINTED_HALF_DEG)) {
        return broken(place, UCID_H3_MISMATCH, UCID_FIELD_CELL);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------------ messages -- */

const char *ucid_field_name(int field)
{
    static const char *const names[] = {"",         "version",   "city",    "lat",   "lon",        "h3_res",
                                        "h3_index", "timestamp", "context", "grade", "confidence", "flags"};
    return field >= 0 && field <= UCID_FIELD_FLAGS ? names[field] : "";
}

static const char *field_rule(int field)
{
    static const char *const rules[] = {"",
                                        "a number without leading zero, after UCID-V",
                                        "three letters A-Z",
                                        "degrees from -90 to 90 with at most 15 decimals, as +41.015",
                                        "degrees from -180 to 180 with at most 15 decimals, as +28.979",
                                        "a resolution from 0 to 15",
                                        "15 digits of 0-9 a-f",
                                        "YYYYWwwThh with a week 01-53 and an hour 00-23, as 2026W01T12",
                                        "1 to 16 characters A-Z 0-9",
                                        "A+, A, B, C, D or F",
                                        "a number from 0 to 1 with at most 15 decimals, as 0.95",
                                        "words of A-Z 0-9 joined by ;, and the whole at most 255 bytes"};
    return rules[field];
}

ucid_status ucid_place_explain(const char *text, size_t length, const ucid_place *place, ucid_error *error)
{
    if (error == NULL) return place->status;
    const char *name = ucid_field_name(place->field);
    switch (place->status) {
    case UCID_INVALID_PREFIX: ucid_fail(error, UCID_INVALID_PREFIX, "an identifier starts with UCID-V1:"); break;
    case UCID_UNSUPPORTED_VERSION: ucid_fail(error, UCID_UNSUPPORTED_VERSION, "version: only V1 is known"); break;
    case UCID_MALFORMED_STRING:
        if (length > UCID_LENGTH_MAX) {
            ucid_fail(error, UCID_MALFORMED_STRING, "%zu bytes: an identifier has at most 255", length);
        } else if (place->field == UCID_FIELD_FLAGS) {
            ucid_fail(error, UCID_MALFORMED_STRING, "the canonical form would have more than 255 bytes");
        } else {
            ucid_fail(error, UCID_MALFORMED_STRING, "an identifier has 11 fields, joined by :");
        }
        break;
    case UCID_FIELD_FORMAT:
    case UCID_INVALID_FIELD: ucid_fail(error, place->status, "%s: needs %s", name, field_rule(place->field)); break;
    case UCID_INVALID_CITY: ucid_fail(error, UCID_INVALID_CITY, "city: the code is not in the registry"); break;
    case UCID_INVALID_H3: ucid_fail(error, UCID_INVALID_H3, "h3_index: not a valid H3 cell"); break;
    case UCID_H3_MISMATCH:
        if (place->field == UCID_FIELD_RESOLUTION) {
            ucid_fail(error, UCID_H3_MISMATCH, "h3_res: the cell is of another resolution");
        } else {
            ucid_fail(error, UCID_H3_MISMATCH, "h3_index: no place that prints as these coordinates is in the cell");
        }
        break;
    default: ucid_fail(error, place->status, "%s: %s", name, ucid_status_meaning(place->status)); break;
    }
    error->field = place->field;
    error->byte = place->byte;
    int32_t bytes;
    if (place->byte < 0 && text != NULL) ucid_field_find(text, length, place->field, &error->byte, &bytes);
    return place->status;
}
