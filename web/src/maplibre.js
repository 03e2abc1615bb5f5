// maplibre.js: MapLibre with its worker, whose source the build puts into this script, so that no file is asked for.
// (Version 5, since deck.gl 9.4 reads the map's transform, which version 6 no longer shows.)
import maplibre from "maplibre-gl/dist/maplibre-gl-csp.js";

maplibre.setWorkerUrl(URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" })));

export default maplibre;
