/* The picture: what the page shows, drawn once by cairo. Web Mercator, in which a street grid keeps its angles; cells
 * below, streets in white over them, as on the page. All sizes are for a height of 900 and scaled to the real one. */
#include "map.h"

#include <cairo.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

typedef struct colour {
    double red, green, blue;
} colour;

typedef struct theme {
    colour ground, street, over, paper, ink, soft, track, empty;
    double over_alpha;
} theme;

#define HEX(value)                                                                                                     \
    {                                                                                                                  \
        ((value) >> 16 & 255) / 255.0, ((value) >> 8 & 255) / 255.0, ((value)&255) / 255.0                             \
    }
static const theme light = {HEX(0xf4f3ef), HEX(0xcfccc4), HEX(0xffffff),
                            HEX(0xffffff), HEX(0x16181d), HEX(0x5b606a),
                            HEX(0xe9e8e6), HEX(0xdcdcd9), 0.5};
static const theme dark = {HEX(0x14171c), HEX(0x343a44), HEX(0x0a0c10), HEX(0x1d2128), HEX(0xeceef2),
                           HEX(0xa3a9b5), HEX(0x363b44), HEX(0x2a2d33), 0.42};

typedef struct scene {
    const map_picture *picture;
    const map_rows *rows;
    cairo_t *cr;
    const theme *theme;
    double unit;                    /* pixels of one unit of the layout */
    double scale, x0, y0, lon0_deg; /* of the projection: pixels = (mercator - origin) * scale */
    double panel_width, panel_height;
} scene;

static void ink(const scene *s, colour c, double alpha) { cairo_set_source_rgba(s->cr, c.red, c.green, c.blue, alpha); }

/* ---------------------------------------------------------------------------------------------------- Projection -- */

static double mercator_y(double lat_deg)
{
    double lat = fmin(fmax(lat_deg, -85.05), 85.05) * pi / 180;
    return -log(tan(pi / 4 + lat / 2));
}

/* Longitude within half a turn of the middle of the map, in radians. */
static double mercator_x(const scene *s, double lon_deg)
{
    double lon = lon_deg - s->lon0_deg;
    return (lon > 180 ? lon - 360 : lon < -180 ? lon + 360 : lon) * pi / 180;
}

static void project(const scene *s, double lat_deg, double lon_deg, double *x, double *y)
{
    *x = (mercator_x(s, lon_deg) - s->x0) * s->scale;
    *y = (mercator_y(lat_deg) - s->y0) * s->scale;
}

/* Fit the rows into what the panel leaves free. */
static void fit(scene *s, double left, double top, double right, double bottom)
{
    const map_rows *rows = s->rows;
    s->lon0_deg = (rows->min_lon_deg + rows->max_lon_deg) / 2;
    double west = mercator_x(s, rows->min_lon_deg);
    double east = mercator_x(s, rows->max_lon_deg);
    double north = mercator_y(rows->max_lat_deg);
    double south = mercator_y(rows->min_lat_deg);
    double least = 1e-5; /* some 60 m: the map of a single point */
    double width = fmax(east - west, least);
    double height = fmax(south - north, least);
    s->scale = fmin((right - left) / width, (bottom - top) / height);
    s->x0 = (west + east) / 2 - (left + right) / 2 / s->scale;
    s->y0 = (north + south) / 2 - (top + bottom) / 2 / s->scale;
}

/* ------------------------------------------------------------------------------------------------------- Colours -- */

static colour ramp(const scene *s, double value)
{
    double at = fmin(fmax(value / 100, 0), 1) * (MAP_RAMP_STOPS - 1);
    if (s->picture->dark) at = MAP_RAMP_STOPS - 1 - at;
    int low = (int)fmin(floor(at), MAP_RAMP_STOPS - 2);
    double t = at - low;
    const colour a = HEX(map_ramp[low]);
    const colour b = HEX(map_ramp[low + 1]);
    return (colour){a.red + (b.red - a.red) * t, a.green + (b.green - a.green) * t, a.blue + (b.blue - a.blue) * t};
}

/* Value of the shown measure, 0..100; NaN: none. */
static double value_of(const scene *s, int64_t row)
{
    int measure = s->picture->measure;
    if (measure == MAP_CONFIDENCE) {
        uint8_t value = s->rows->confidence[row];
        return value == MAP_NULL8 ? NAN : value;
    }
    uint16_t value = measure == MAP_SCORE ? s->rows->score[row] : s->rows->part[measure][row];
    return value == MAP_NULL16 ? NAN : value / 100.0;
}

/* ---------------------------------------------------------------------------------------------------------- Map -- */

static void cell_path(const scene *s, uint64_t cell)
{
    double lat[UCID_CELL_CORNERS_MAX], lon[UCID_CELL_CORNERS_MAX], lat0, lon0, x0, y0;
    int corners = 0;
    if (ucid_cell_boundary(cell, lat, lon, &corners, NULL) != UCID_OK) return;
    if (ucid_cell_centre(cell, &lat0, &lon0, NULL) != UCID_OK) return;
    project(s, lat0, lon0, &x0, &y0);
    double turn = 2 * pi * s->scale;
    for (int i = 0; i < corners; i++) {
        double x, y;
        project(s, lat[i], lon[i], &x, &y);
        if (x - x0 > turn / 2) x -= turn;
        if (x0 - x > turn / 2) x += turn;
        cairo_line_to(s->cr, x0 + (x - x0) * 0.965, y0 + (y - y0) * 0.965); /* neighbours stay apart */
    }
    cairo_close_path(s->cr);
}

static void places_draw(const scene *s)
{
    const map_rows *rows = s->rows;
    for (int64_t row = 0; row < rows->count; row++) {
        if (!map_is_place(rows, row)) continue;
        double value = value_of(s, row);
        ink(s, isnan(value) ? s->theme->empty : ramp(s, value), rows->cells ? 0.855 : 0.92);
        if (rows->cells) {
            cell_path(s, rows->cell[row]);
        } else {
            double x, y;
            project(s, rows->lat_e7[row] / 1e7, rows->lon_e7[row] / 1e7, &x, &y);
            cairo_arc(s->cr, x, y, 3.2 * s->unit, 0, 2 * pi);
        }
        cairo_fill(s->cr);
    }
}

static uint64_t number_get(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = 0;
    for (int shift = 0; *at < end && shift < 64; shift += 7) {
        uint8_t byte = *(*at)++;
        value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) break;
    }
    return value;
}

static int64_t step_get(const uint8_t **at, const uint8_t *end)
{
    uint64_t value = number_get(at, end);
    return value % 2 == 0 ? (int64_t)(value / 2) : -(int64_t)(value / 2) - 1;
}

static void streets_draw(const scene *s, colour c, double alpha)
{
    static const double widths[UCID_STREET_RANKS] = {0.35, 0.5, 0.75, 1.5, 2.6};
    const map_streets *streets = s->picture->streets;
    if (streets == NULL) return;
    double degree = s->scale * pi / 180; /* pixels */
    double close = fmin(fmax(degree / 6000, 0.6), 4);
    cairo_set_line_join(s->cr, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(s->cr, CAIRO_LINE_CAP_ROUND);
    for (int rank = 0; rank < UCID_STREET_RANKS; rank++) {
        if (rank == UCID_STREET_PATH && degree < 9000 * s->unit) continue; /* too far away for foot paths */
        const uint8_t *at = streets->bytes[rank];
        const uint8_t *end = at + streets->length[rank];
        int64_t x = 0, y = 0;
        while (at < end) {
            uint64_t points = number_get(&at, end);
            for (uint64_t i = 0; i < points; i++) {
                x += step_get(&at, end);
                y += step_get(&at, end);
                double px, py;
                project(s, streets->lat_deg + (double)y * MAP_STREET_UNIT,
                        streets->lon_deg + (double)x * MAP_STREET_UNIT, &px, &py);
                if (i == 0) {
                    cairo_move_to(s->cr, px, py);
                } else {
                    cairo_line_to(s->cr, px, py);
                }
            }
        }
        cairo_set_line_width(s->cr, widths[rank] * close * s->unit);
        ink(s, c, alpha);
        cairo_stroke(s->cr);
    }
}

/* --------------------------------------------------------------------------------------------------------- Words -- */

static void font(const scene *s, double size, int bold)
{
    cairo_select_font_face(s->cr, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(s->cr, size * s->unit);
}

static double text_width(const scene *s, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(s->cr, text, &extents);
    return extents.x_advance;
}

/* Text with its base line at y; align 0 left, 1 right. */
static void text_put(const scene *s, double x, double y, int align, const char *text)
{
    cairo_move_to(s->cr, align ? x - text_width(s, text) : x, y);
    cairo_show_text(s->cr, text);
}

/* Text broken at blanks into lines no wider than width; returns the base line of the last. draw 0: only measure. */
static double text_wrap(const scene *s, double x, double y, double width, double leading, const char *text, int draw)
{
    char part[512];
    size_t start = 0;
    size_t length = strlen(text);
    while (start < length) {
        size_t fits = 0;
        for (size_t end = start; end <= length && end - start < sizeof part; end++) {
            if (end < length && text[end] != ' ') continue;
            memcpy(part, text + start, end - start);
            part[end - start] = '\0';
            if (fits > 0 && text_width(s, part) > width) break;
            fits = end - start;
        }
        if (fits == 0) break; /* a word that is longer than any line */
        memcpy(part, text + start, fits);
        part[fits] = '\0';
        if (draw) text_put(s, x, y, 0, part);
        start += fits + 1;
        if (start < length) y += leading;
    }
    return y;
}

/* 12345 as "12,345". */
static void count_format(int64_t value, char text[32])
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
    int used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
}

/* --------------------------------------------------------------------------------------------------------- Panel -- */

typedef struct band {
    const char *name;
    char range[24];
    double from;
    int64_t count;
} band;

enum { BANDS_MAX = 6 };

typedef struct digest {
    band bands[BANDS_MAX];
    int band_count;
    int64_t places;
    double mean;
} digest;

static void digest_make(const scene *s, digest *d)
{
    static const band parts[] = {{"100", "complete", 100, 0}, {"75+", "75 – 99", 75, 0},  {"50+", "50 – 74", 50, 0},
                                 {"25+", "25 – 49", 25, 0},   {"1+", "1 – 24", 0.005, 0}, {"0", "none", 0, 0}};
    static const band trust[] = {{"≥ .90", "very high", 90, 0},
                                 {"≥ .70", "high", 70, 0},
                                 {"≥ .50", "medium", 50, 0},
                                 {"≥ .30", "low", 30, 0},
                                 {"< .30", "very low", 0, 0}};
    memset(d, 0, sizeof *d);
    if (s->picture->measure == MAP_SCORE) {
        d->band_count = MAP_GRADES;
        for (int i = 0; i < MAP_GRADES; i++) {
            d->bands[i].name = ucid_grade_text((uint8_t)(MAP_GRADES - 1 - i));
            d->bands[i].from = map_grade_breaks[i];
            const char *form = i == 0 ? "%.0f and more" : i == MAP_GRADES - 1 ? "below %.0f" : "%.0f – %.0f";
            double above = i > 0 ? map_grade_breaks[i - 1] : 0;
            double first = i == MAP_GRADES - 1 ? above : map_grade_breaks[i];
            snprintf(d->bands[i].range, sizeof d->bands[i].range, form, first, above);
        }
    } else if (s->picture->measure == MAP_CONFIDENCE) {
        d->band_count = sizeof trust / sizeof trust[0];
        memcpy(d->bands, trust, sizeof trust);
    } else {
        d->band_count = sizeof parts / sizeof parts[0];
        memcpy(d->bands, parts, sizeof parts);
    }
    double sum = 0;
    for (int64_t row = 0; row < s->rows->count; row++) {
        double value = map_is_place(s->rows, row) ? value_of(s, row) : NAN;
        if (isnan(value)) continue;
        int i = 0;
        while (i < d->band_count - 1 && value < d->bands[i].from) i++;
        d->bands[i].count++;
        d->places++;
        sum += value;
    }
    d->mean = d->places > 0 ? sum / (double)d->places : NAN;
}

static void rounded(const scene *s, double x, double y, double w, double h, double r)
{
    cairo_new_sub_path(s->cr);
    cairo_arc(s->cr, x + w - r, y + r, r, -pi / 2, 0);
    cairo_arc(s->cr, x + w - r, y + h - r, r, 0, pi / 2);
    cairo_arc(s->cr, x + r, y + h - r, r, pi / 2, pi);
    cairo_arc(s->cr, x + r, y + r, r, pi, 3 * pi / 2);
    cairo_close_path(s->cr);
}

static void band_draw(const scene *s, const digest *d, int i, double x, double y, double width)
{
    const band *b = &d->bands[i];
    double u = s->unit;
    int64_t most = 1;
    for (int j = 0; j < d->band_count; j++) most = d->bands[j].count > most ? d->bands[j].count : most;
    cairo_pattern_t *gradient = cairo_pattern_create_linear(x, 0, x + 44 * u, 0);
    double above = i > 0 ? d->bands[i - 1].from : 100;
    for (int stop = 0; stop <= 4; stop++) {
        colour c = ramp(s, above + (b->from - above) * stop / 4.0);
        cairo_pattern_add_color_stop_rgb(gradient, stop / 4.0, c.red, c.green, c.blue);
    }
    rounded(s, x, y - 13 * u, 44 * u, 17 * u, 4 * u);
    cairo_set_source(s->cr, gradient);
    cairo_fill_preserve(s->cr);
    cairo_pattern_destroy(gradient);
    cairo_set_line_width(s->cr, u);
    ink(s, s->theme->ink, 0.15);
    cairo_stroke(s->cr);
    double bar = 72 * u * (double)b->count / (double)most;
    ink(s, s->theme->track, 1);
    rounded(s, x + width - 116 * u, y - 13 * u, fmax(bar, 2 * u), 17 * u, fmin(3 * u, fmax(bar, 2 * u) / 2));
    cairo_fill(s->cr);
    ink(s, s->theme->ink, 1);
    font(s, 14, 1);
    text_put(s, x + 54 * u, y, 0, b->name);
    char text[32];
    count_format(b->count, text);
    font(s, 12.5, 0);
    text_put(s, x + width - 49 * u, y, 1, text);
    ink(s, s->theme->soft, 1);
    text_put(s, x + 98 * u, y, 0, b->range);
    double share = d->places > 0 ? 100.0 * (double)b->count / (double)d->places : 0;
    snprintf(text, sizeof text, "%.0f %%", floor(share + 0.5));
    text_put(s, x + width, y, 1, text);
}

/* The panel from its top left corner; draw 0 only measures. Returns its height. */
static double panel_lay(const scene *s, const digest *d, double left, double top, int draw)
{
    const map_texts *texts = s->picture->texts;
    const ucid_context *context = s->rows->context;
    double u = s->unit;
    double x = left + 20 * u;
    double width = s->panel_width - 40 * u;
    double y = top + 38 * u;
    char text[256];
    ink(s, s->theme->ink, 1);
    font(s, 21, 1);
    y = text_wrap(s, x, y, width, 26 * u, texts->title, draw);
    snprintf(text, sizeof text, "%s score%s%s%s%s", context->id, texts->time[0] ? " · for " : "", texts->time,
             texts->date[0] ? " · map data of " : "", texts->date);
    ink(s, s->theme->soft, 1);
    font(s, 13, 0);
    y = text_wrap(s, x, y + 22 * u, width, 18 * u, text, draw);

    y += 54 * u;
    int measure = s->picture->measure;
    if (isnan(d->mean)) {
        snprintf(text, sizeof text, "–");
    } else {
        snprintf(text, sizeof text, measure == MAP_CONFIDENCE ? "%.2f" : "%.0f",
                 measure == MAP_CONFIDENCE ? d->mean / 100 : floor(d->mean + 0.5));
    }
    ink(s, s->theme->ink, 1);
    font(s, 42, 1);
    if (draw) text_put(s, x, y, 0, text);
    double beside = x + text_width(s, text) + 14 * u;
    char count[32];
    count_format(d->places, count);
    snprintf(text, sizeof text, "mean of %s, over %s %s with streets", measure == MAP_CONFIDENCE ? "1" : "100", count,
             s->rows->cells ? "cells" : "places");
    ink(s, s->theme->soft, 1);
    font(s, 13, 0);
    text_wrap(s, beside, y - 18 * u, x + width - beside, 18 * u, text, draw);

    y += 36 * u;
    const char *name = measure == MAP_SCORE        ? "Overall score"
                       : measure == MAP_CONFIDENCE ? "Confidence"
                                                   : context->part_title[measure];
    font(s, 14, 1);
    ink(s, s->theme->ink, 1);
    if (draw) text_put(s, x, y, 0, name);
    for (int i = 0; i < d->band_count; i++) {
        y += 26 * u;
        if (draw) band_draw(s, d, i, x, y, width);
    }
    return y + 20 * u - top;
}

static void scale_bar(const scene *s, double right, double bottom)
{
    double u = s->unit;
    double lat = (s->rows->min_lat_deg + s->rows->max_lat_deg) / 2;
    double pixels_per_m = s->scale / (6371000.0 * cos(lat * pi / 180));
    double length_m = 1;
    static const double steps[] = {2, 2.5, 2};
    for (int i = 0; length_m * steps[i % 3] * pixels_per_m < 170 * u; i++) length_m *= steps[i % 3];
    double width = length_m * pixels_per_m;
    char text[32];
    snprintf(text, sizeof text, length_m >= 1000 ? "%g km" : "%g m", length_m >= 1000 ? length_m / 1000 : length_m);
    font(s, 12, 0);
    cairo_set_line_cap(s->cr, CAIRO_LINE_CAP_BUTT);
    cairo_set_line_width(s->cr, 2 * u);
    ink(s, s->theme->ink, 1);
    cairo_move_to(s->cr, right - width, bottom - 6 * u);
    cairo_rel_line_to(s->cr, 0, 6 * u);
    cairo_rel_line_to(s->cr, width, 0);
    cairo_rel_line_to(s->cr, 0, -6 * u);
    cairo_stroke(s->cr);
    text_put(s, right - width / 2 - text_width(s, text) / 2, bottom - 9 * u, 0, text);
}

static void frame_draw(const scene *s, const digest *d, double width, double height)
{
    double u = s->unit;
    double margin = 18 * u;
    for (int shade = 6; shade > 0; shade--) { /* a soft shadow */
        rounded(s, margin - shade * u, margin - (shade - 3) * u, s->panel_width + 2 * shade * u,
                s->panel_height + 2 * shade * u, (14 + shade) * u);
        ink(s, (colour){0, 0, 0}, 0.022);
        cairo_fill(s->cr);
    }
    rounded(s, margin, margin, s->panel_width, s->panel_height, 14 * u);
    ink(s, s->theme->paper, 0.96);
    cairo_fill(s->cr);
    panel_lay(s, d, margin, margin, 1);

    font(s, 12, 0);
    double credit = text_width(s, map_attribution) + 16 * u;
    ink(s, s->theme->paper, 0.9);
    cairo_rectangle(s->cr, width - credit, height - 24 * u, credit, 24 * u);
    cairo_fill(s->cr);
    ink(s, s->theme->ink, 1);
    text_put(s, width - 8 * u, height - 8 * u, 1, map_attribution);
    if (s->rows->count > 0) scale_bar(s, width - margin, height - 38 * u);
}

static cairo_status_t put(void *out, const unsigned char *bytes, unsigned length)
{
    return fwrite(bytes, 1, length, out) == length ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

UCID_API ucid_status ucid_map_draw(const map_picture *picture, FILE *out, ucid_error *error);

ucid_status ucid_map_draw(const map_picture *picture, FILE *out, ucid_error *error)
{
    double width = picture->width;
    double height = picture->height;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, picture->width, picture->height);
    scene s = {.picture = picture, .rows = picture->rows, .cr = cairo_create(surface)};
    s.theme = picture->dark ? &dark : &light;
    s.unit = fmin(height / 900, width / 700);
    s.panel_width = 348 * s.unit;
    digest d;
    digest_make(&s, &d);
    s.panel_height = panel_lay(&s, &d, 0, 0, 0);

    ink(&s, s.theme->ground, 1);
    cairo_paint(s.cr);
    if (picture->rows->count > 0) {
        double free_left = s.panel_width + 18 * s.unit;
        double margin = 46 * s.unit;
        if (width - free_left < 0.75 * height) { /* upright: the map goes below the panel */
            fit(&s, margin, s.panel_height + 18 * s.unit + margin, width - margin, height - margin);
        } else {
            fit(&s, free_left + margin, margin, width - margin, height - margin);
        }
        streets_draw(&s, s.theme->street, 1);
        places_draw(&s);
        streets_draw(&s, s.theme->over, s.theme->over_alpha);
    }
    frame_draw(&s, &d, width, height);

    cairo_status_t status = cairo_status(s.cr);
    cairo_destroy(s.cr);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_write_to_png_stream(surface, put, out);
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_NO_MEMORY) return map_fail(error, UCID_NO_MEMORY, "no memory for the picture");
    if (status != CAIRO_STATUS_SUCCESS && status != CAIRO_STATUS_WRITE_ERROR)
        return map_fail(error, UCID_INTERNAL_ERROR, "the picture: %s", cairo_status_to_string(status));
    return UCID_OK;
}
