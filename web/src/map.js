// map.js: the page. MapLibre moves the view and draws the streets, deck.gl draws cells and points into the same
// canvas. What lies under the pointer is computed (the H3 cell of the coordinate), not read back from pixels, so that
// pointer, keyboard and search answer alike.
import maplibre from "./maplibre.js";
import { MapboxOverlay } from "@deck.gl/mapbox";
import { PathLayer, ScatterplotLayer, SolidPolygonLayer } from "@deck.gl/layers";
import { cellToBoundary, cellToLatLng, getResolution, isValidCell, latLngToCell } from "h3-js";
import { bandOf, isPlace, measures, open, summary } from "./data.js";
import { css, ramp } from "./colour.js";
import { Panel } from "./panel.js";

const data = open(JSON.parse(document.getElementById("data").textContent));
const rows = Array.from({ length: data.count }, (_, row) => row);
const places = rows.filter((row) => isPlace(data, row));
const cells = data.kind === "cells";
const shows = measures(data);
const view = { measure: shows.find((measure) => measure.key === data.show) ?? shows[0], band: -1, empty: false, dark: false, pinned: -1, hovered: -1 };

// ------------------------------------------------------------------------------------------------------ geometry --

const rowOf = new Map();
const resolutions = new Set();
if (data.cellWords) {
  for (const row of rows) {
    const cell = data.cell(row);
    if (!cell) continue;
    rowOf.set(cell, row);
    resolutions.add(getResolution(cell));
  }
}

/** Longitude within half a turn of another, so that no shape is torn at 180 degrees. */
const near = (lon, other) => (lon - other > 180 ? lon - 360 : lon - other < -180 ? lon + 360 : lon);

function ring(cell, lon0) {
  return cellToBoundary(cell, true).map(([lon, lat]) => [near(lon, lon0), lat]);
}

/** Where a row lies: [longitude, latitude]. Longitudes continue those of the first row. */
let firstLon = null;
function centre(row) {
  const [lat, lon] = cells ? cellToLatLng(data.cell(row)) : [data.lat(row), data.lon(row)];
  if (firstLon === null) firstLon = lon;
  return [near(lon, firstLon), lat];
}

/** All hexagons as one flat array, each drawn a little small, so that neighbours stay apart without an outline. */
function polygons() {
  const starts = new Uint32Array(rows.length + 1);
  const flat = [];
  for (const row of rows) {
    const [x0, y0] = centre(row);
    const corners = ring(data.cell(row), x0);
    corners.push(corners[0]);
    for (const [x, y] of corners) flat.push(x0 + (x - x0) * 0.965, y0 + (y - y0) * 0.965);
    starts[row + 1] = flat.length / 2;
  }
  return { length: rows.length, startIndices: starts, attributes: { getPolygon: { value: new Float64Array(flat), size: 2 } } };
}

function dots() {
  const flat = new Float64Array(rows.length * 2);
  for (const row of rows) flat.set(centre(row), row * 2);
  return { length: rows.length, attributes: { getPosition: { value: flat, size: 2 } } };
}

function bounds(of) {
  let [w, s, e, n] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const row of of) {
    const [x, y] = centre(row);
    [w, s, e, n] = [Math.min(w, x), Math.min(s, y), Math.max(e, x), Math.max(n, y)];
  }
  return [[w, s], [e, n]];
}

// --------------------------------------------------------------------------------------------------------- style --

const INK = {
  light: { ground: "#f4f3ef", street: "#cfccc4", over: "rgba(255,255,255,0.5)", line: "#14161a", halo: "#ffffff", empty: [120, 124, 132, 46] },
  dark: { ground: "#14171c", street: "#343a44", over: "rgba(10,12,16,0.42)", line: "#ffffff", halo: "#000000", empty: [150, 156, 166, 40] },
};
const RANK_WIDTH = [0.5, 0.7, 1, 1.6, 2.4];
const RANK_ZOOM = [13.2, 12.4, 10.5, 8, 0];

function style() {
  const ink = INK[view.dark ? "dark" : "light"];
  const sources = {};
  const under = [];
  const over = [];
  data.streets().forEach((lines, rank) => {
    if (!lines.length) return;
    const geometry = { type: "MultiLineString", coordinates: lines };
    sources[`street-${rank}`] = { type: "geojson", data: { type: "Feature", properties: {}, geometry }, tolerance: 0.3, maxzoom: 14 };
    const w = RANK_WIDTH[rank];
    const layer = {
      type: "line",
      source: `street-${rank}`,
      minzoom: RANK_ZOOM[rank],
      layout: { "line-cap": "round", "line-join": "round" },
    };
    const width = ["interpolate", ["exponential", 1.6], ["zoom"], 9, w * 0.45, 13, w, 16, w * 3, 19, w * 9];
    under.push({ ...layer, id: `street-${rank}`, paint: { "line-color": ink.street, "line-width": width } });
    over.push({ ...layer, id: `over-${rank}`, paint: { "line-color": ink.over, "line-width": width } });
  });
  const top = { id: "top", type: "background", paint: { "background-opacity": 0 } };
  return {
    version: 8,
    sources,
    layers: [{ id: "ground", type: "background", paint: { "background-color": ink.ground } }, ...under, { ...top, id: "fill-end" }, ...over, top],
  };
}

function paint() {
  const ink = INK[view.dark ? "dark" : "light"];
  map.setPaintProperty("ground", "background-color", ink.ground);
  for (let rank = 0; rank < RANK_WIDTH.length; rank++) {
    if (map.getLayer(`street-${rank}`)) map.setPaintProperty(`street-${rank}`, "line-color", ink.street);
    if (map.getLayer(`over-${rank}`)) map.setPaintProperty(`over-${rank}`, "line-color", ink.over);
  }
}

// -------------------------------------------------------------------------------------------------------- layers --

const shapes = cells ? polygons() : dots();
let colour = null;

function fill(row, target) {
  const ink = INK[view.dark ? "dark" : "light"];
  const value = view.measure.value(row);
  const place = isPlace(data, row);
  if (!place || Number.isNaN(value)) {
    const shown = place || view.empty;
    target.splice(0, 4, ...(shown && view.band < 0 ? ink.empty : [0, 0, 0, 0]));
    return target;
  }
  const dim = view.band >= 0 && bandOf(view.measure.bands, value) !== view.band;
  target.splice(0, 4, ...colour(value), dim ? 22 : cells ? 218 : 235);
  return target;
}

function layers() {
  const list = [];
  const trigger = [view.measure.key, view.band, view.empty, view.dark];
  const accessor = (_, { index, target }) => fill(index, target);
  if (cells) {
    list.push(
      new SolidPolygonLayer({
        id: "cells",
        data: shapes,
        _normalize: false,
        filled: true,
        getFillColor: accessor,
        updateTriggers: { getFillColor: trigger },
        beforeId: "fill-end",
      }),
    );
  } else {
    list.push(
      new ScatterplotLayer({
        id: "points",
        data: shapes,
        pickable: true,
        radiusUnits: "pixels",
        getRadius: 1,
        radiusScale: Math.min(9, Math.max(2.2, (map.getZoom() - 8) * 0.9)),
        stroked: true,
        lineWidthUnits: "pixels",
        getLineWidth: 0.6,
        getLineColor: (_, { index }) => [...(view.dark ? [0, 0, 0] : [255, 255, 255]), isPlace(data, index) ? 190 : 0],
        getFillColor: accessor,
        updateTriggers: { getFillColor: trigger, getLineColor: view.dark },
        beforeId: "top",
      }),
    );
  }
  const marks = [view.hovered, view.pinned].filter((row, i, all) => row >= 0 && all.indexOf(row) === i);
  const rgb = view.dark ? [[0, 0, 0], [255, 255, 255]] : [[255, 255, 255], [20, 22, 26]];
  if (cells) {
    const path = (row) => {
      const corners = ring(data.cell(row), centre(row)[0]);
      return [...corners, corners[0], corners[1]];
    };
    rgb.forEach((color, i) =>
      list.push(
        new PathLayer({
          id: `mark-${i}`,
          data: marks,
          getPath: path,
          getColor: [...color, 255],
          widthUnits: "pixels",
          getWidth: (row) => (row === view.pinned ? 3 : 2) + (i === 0 ? 3 : 0),
          updateTriggers: { getWidth: view.pinned },
          jointRounded: true,
          beforeId: "top",
        }),
      ),
    );
  } else {
    list.push(
      new ScatterplotLayer({
        id: "mark",
        data: marks,
        getPosition: centre,
        radiusUnits: "pixels",
        getRadius: 10,
        filled: false,
        stroked: true,
        lineWidthUnits: "pixels",
        getLineWidth: 3,
        getLineColor: [...rgb[1], 255],
        beforeId: "top",
      }),
    );
  }
  return list;
}

function draw() {
  colour = ramp(data.ramp, view.dark);
  overlay.setProps({ layers: layers() });
}

// ---------------------------------------------------------------------------------------------------------- page --

const panel = new Panel({
  data,
  measures: shows,
  summaryOf: (measure) => summary(data, measure, places),
  places,
  view,
  onMeasure(measure) {
    view.measure = measure;
    view.band = -1;
    refresh();
  },
  onBand(band) {
    view.band = view.band === band ? -1 : band;
    refresh();
  },
  onEmpty(shown) {
    view.empty = shown;
    refresh();
  },
  onTheme() {
    view.dark = !view.dark;
    theme();
  },
  onSearch: search,
  onClose: () => pin(-1),
});

function refresh() {
  draw();
  panel.render(colour);
}

function theme() {
  document.documentElement.dataset.theme = view.dark ? "dark" : "light";
  if (map.isStyleLoaded()) paint();
  else map.once("load", paint);
  refresh();
}

/** Row of the cell that holds a coordinate, or -1. */
function rowAt(lat, lon) {
  for (const resolution of [...resolutions].sort((a, b) => b - a)) {
    const row = rowOf.get(latLngToCell(lat, lon, resolution));
    if (row !== undefined) return row;
  }
  return -1;
}

function rowUnder(event) {
  if (cells) return rowAt(event.lngLat.lat, event.lngLat.lng);
  const hit = overlay.pickObject({ x: event.point.x, y: event.point.y, radius: 5, layerIds: ["points"] });
  return hit ? hit.index : -1;
}

function shown(row) {
  return row >= 0 && (isPlace(data, row) || view.empty) ? row : -1;
}

function hover(row, point) {
  if (row !== view.hovered) {
    view.hovered = row;
    draw();
  }
  if (view.pinned >= 0) return;
  if (row < 0) panel.hideCard();
  else panel.showCard(row, colour, point);
}

function pin(row) {
  view.pinned = row;
  view.hovered = -1;
  draw();
  if (row < 0) panel.hideCard();
  else panel.showCard(row, colour, null);
}

function fly(row) {
  const zoom = cells ? Math.max(map.getZoom(), getResolution(data.cell(row)) * 0.95 + 5) : Math.max(map.getZoom(), 14);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  map.flyTo({ center: centre(row), zoom: Math.min(zoom, 17), duration: still ? 0 : 900 });
  pin(row);
}

/** Find a UCID, an H3 cell or coordinates. Returns what to tell the reader. */
function search(text) {
  const query = text.trim();
  if (!query) return "";
  const numbers = query.match(/^([+-]?\d+(?:\.\d+)?)\s*[,;\s]\s*([+-]?\d+(?:\.\d+)?)$/);
  let row = -1;
  if (numbers) {
    const [lat, lon] = [Number(numbers[1]), Number(numbers[2])];
    if (Math.abs(lat) > 90 || Math.abs(lon) > 180) return "Latitude must be within ±90, longitude within ±180.";
    row = rowAt(lat, lon);
    if (row < 0) return "No place of this map lies there.";
  } else {
    const fields = query.split(":");
    const cell = (fields.length > 1 ? (fields[5] ?? "") : query).toLowerCase();
    if (!/^[0-9a-f]{15,16}$/.test(cell) || !isValidCell(cell)) {
      return fields.length > 1 ? "The sixth field of a UCID is its H3 cell; this one is not valid." : "This is not an H3 cell, a UCID or “latitude, longitude”.";
    }
    row = rowOf.get(cell) ?? rowAt(...cellToLatLng(cell));
    if (row < 0) return "This cell is not on the map.";
  }
  fly(row);
  return isPlace(data, row) ? "" : "There is no street within reach of this place.";
}

// ----------------------------------------------------------------------------------------------------------- map --

const preferred = matchMedia("(prefers-color-scheme: dark)");
view.dark = preferred.matches;
colour = ramp(data.ramp, view.dark);
document.documentElement.dataset.theme = view.dark ? "dark" : "light";
panel.start();

let map = null;
let overlay = null;
let home = null;

function padding() {
  return panel.isSheet() ? { top: 30, left: 20, right: 20, bottom: Math.round(innerHeight * 0.53) } : { top: 50, bottom: 50, right: 60, left: panel.width() + 50 };
}

function start() {
  map = new maplibre.Map({
    container: "map",
    style: style(),
    bounds: rows.length ? bounds(places.length ? places : rows) : [[-180, -60], [180, 75]],
    fitBoundsOptions: { padding: padding(), maxZoom: 16 },
    attributionControl: false,
    canvasContextAttributes: { antialias: true },
    dragRotate: false,
    pitchWithRotate: false,
    touchPitch: false,
    renderWorldCopies: false,
    fadeDuration: 0,
    maxZoom: 19,
  });
  map.touchZoomRotate.disableRotation();
  map.keyboard.disableRotation();
  map.addControl(new maplibre.AttributionControl({ compact: false, customAttribution: data.attribution }), "bottom-right");
  map.addControl(new maplibre.ScaleControl({ maxWidth: 120 }), "bottom-right");
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  overlay = new MapboxOverlay({ interleaved: true, layers: [] });
  map.addControl(overlay);

  const canvas = map.getCanvas();
  canvas.setAttribute("aria-label", "Map. Arrow keys move it, plus and minus zoom, Enter shows the place in the middle, Escape closes.");
  map.on("mousemove", (event) => hover(shown(rowUnder(event)), event.point));
  map.on("mouseout", () => hover(-1, null));
  map.on("click", (event) => pin(shown(rowUnder(event))));
  if (!cells) map.on("zoom", draw);
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter") {
      const box = canvas.getBoundingClientRect();
      const point = { x: box.width / 2, y: box.height / 2 };
      pin(shown(rowUnder({ point, lngLat: map.getCenter() })));
    }
  });
  addEventListener("keydown", (event) => event.key === "Escape" && pin(-1));
  preferred.addEventListener("change", (event) => {
    view.dark = event.matches;
    theme();
  });
  home = { center: map.getCenter(), zoom: map.getZoom() };
  map.once("idle", () => document.documentElement.setAttribute("data-ready", ""));
  refresh();
}

try {
  start();
} catch (reason) {
  panel.fail("This browser cannot draw the map (WebGL 2 is needed). The figures beside it are complete.");
  console.error(reason);
}

// For the reader's console and for tests: the rows, the view, and where a row is on the screen.
window.ucidMap = {
  data,
  view,
  get map() {
    return map;
  },
  get home() {
    return home;
  },
  search,
  pixelOf: (row) => map.project(centre(row)),
  colourOf: (row) => css(colour(view.measure.value(row))),
};
