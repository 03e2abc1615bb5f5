// data.js: what `ucid map` wrote into the page, decoded.
//
// The program puts one JSON object into the page. Columns are base64 of little-endian typed arrays, one value a row:
// score, part and nearest u16 (hundredths; hundredths; decimetres), confidence u8 (hundredths), grade and status u8,
// cell u64, lat and lon i32 (1e-7 degrees). The largest value of a type stands for null. Streets are polylines of one
// rank each, as LEB128 numbers: points in the line, then zigzag steps of longitude and latitude.

const NULL16 = 0xffff;
const NULL8 = 0xff;

function bytes(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

const u16 = (base64) => (base64 ? new Uint16Array(bytes(base64).buffer) : null);

/** Lower hex of 16 bits at a time of a little-endian u64, without the leading zero: an H3 index as H3 prints it. */
function cellText(words, row) {
  const high = words[2 * row + 1];
  if (high === 0 && words[2 * row] === 0) return "";
  return high.toString(16) + words[2 * row].toString(16).padStart(8, "0");
}

function streetLines(encoded, unit, lat0, lon0) {
  const raw = bytes(encoded);
  const lines = [];
  let at = 0;
  let x = 0;
  let y = 0;
  const number = () => {
    let value = 0;
    let shift = 1;
    for (;;) {
      const byte = raw[at++];
      value += (byte & 127) * shift;
      if (byte < 128) return value;
      shift *= 128;
    }
  };
  const step = () => {
    const value = number();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  };
  while (at < raw.length) {
    const points = number();
    const line = [];
    for (let i = 0; i < points; i++) {
      x += step();
      y += step();
      line.push([lon0 + x * unit, lat0 + y * unit]);
    }
    lines.push(line);
  }
  return lines;
}

/** The page's data as the rest of the code reads it: numbers by row, NaN where there is none. */
export function open(json) {
  const { columns, count, parts } = json;
  const score = u16(columns.score);
  const confidence = columns.confidence ? bytes(columns.confidence) : null;
  const grade = columns.grade ? bytes(columns.grade) : null;
  const status = columns.status ? bytes(columns.status) : null;
  const part = parts.map((_, p) => u16(columns.part[p]));
  const nearest = parts.map((_, p) => u16(columns.nearest[p]));
  const snap = u16(columns.snap);
  const cell = columns.cell ? new Uint32Array(bytes(columns.cell).buffer) : null;
  const lat = columns.lat ? new Int32Array(bytes(columns.lat).buffer) : null;
  const lon = columns.lon ? new Int32Array(bytes(columns.lon).buffer) : null;
  const name = json.ucid && {
    lat: new Int32Array(bytes(json.ucid.lat).buffer),
    lon: new Int32Array(bytes(json.ucid.lon).buffer),
    frame: u16(json.ucid.frame),
  };
  const hundredths = (array, row) => (!array || array[row] === NULL16 ? NaN : array[row] / 100);
  const signed = (thousandths) => {
    const text = Math.abs(thousandths).toString().padStart(4, "0");
    return `${thousandths < 0 ? "-" : "+"}${text.slice(0, -3)}.${text.slice(-3)}`;
  };

  const data = {
    ...json,
    hasPart: part.map(Boolean),
    hasConfidence: Boolean(confidence),
    cellWords: cell,
    score: (row) => hundredths(score, row),
    part: (p, row) => hundredths(part[p], row),
    confidence: (row) => (!confidence || confidence[row] === NULL8 ? NaN : confidence[row] / 100),
    nearest: (p, row) => (!nearest[p] || nearest[p][row] === NULL16 ? NaN : nearest[p][row] / 10),
    hasNearest: nearest.map(Boolean),
    snap: (row) => (!snap || snap[row] === NULL16 ? NaN : snap[row] / 10),
    grade: (row) => (!grade || grade[row] === NULL8 ? "" : json.grades[grade[row]]),
    status: (row) => (!status || status[row] === NULL8 ? "" : json.statuses[status[row]]),
    cell: (row) => (cell ? cellText(cell, row) : ""),
    lat: lat && ((row) => lat[row] / 1e7),
    lon: lon && ((row) => lon[row] / 1e7),
    /** The identifier of a row, byte for byte as the program read it; "" where the table has none. */
    ucid(row) {
      if (!name || name.frame[row] === NULL16) return "";
      const [city, res, time, context, flags] = json.ucid.frames[name.frame[row]].split(":");
      const conf = data.confidence(row).toFixed(2);
      return `UCID-V1:${city}:${signed(name.lat[row])}:${signed(name.lon[row])}:${res}:${cellText(cell, row)}:${time}:${context}:${data.grade(row)}:${conf}:${flags}`;
    },
    streets: () =>
      json.streets ? json.streets.ranks.map((rank) => streetLines(rank, json.streets.unit, json.streets.lat, json.streets.lon)) : [],
  };
  return data;
}

/** What can be shown: the score, each part that the table has, the confidence. Values are 0..100. */
export function measures(data) {
  const list = [{ key: "score", title: "Overall score", note: data.context, value: data.score, bands: gradeBands(data) }];
  data.parts.forEach((part, p) => {
    if (!data.hasPart[p]) return;
    list.push({
      key: part.key,
      title: part.title,
      note: `${Math.round(part.weight * 100)} %`,
      value: (row) => data.part(p, row),
      bands: PART_BANDS,
    });
  });
  if (data.hasConfidence) {
    list.push({
      key: "confidence",
      title: "Confidence",
      note: "data",
      value: (row) => data.confidence(row) * 100,
      bands: CONFIDENCE_BANDS,
    });
  }
  return list;
}

const PART_BANDS = [
  { name: "100", text: "complete", from: 100 },
  { name: "75+", text: "75 – 99", from: 75 },
  { name: "50+", text: "50 – 74", from: 50 },
  { name: "25+", text: "25 – 49", from: 25 },
  { name: "1+", text: "1 – 24", from: 0.005 },
  { name: "0", text: "none", from: 0 },
];

const CONFIDENCE_BANDS = [
  { name: "≥ .90", text: "very high", from: 90 },
  { name: "≥ .70", text: "high", from: 70 },
  { name: "≥ .50", text: "medium", from: 50 },
  { name: "≥ .30", text: "low", from: 30 },
  { name: "< .30", text: "very low", from: 0 },
];

function gradeBands(data) {
  const names = [...data.grades].reverse();
  return data.breaks.map((from, i) => ({
    name: names[i],
    text: i === 0 ? `${from} and more` : i === data.breaks.length - 1 ? `below ${data.breaks[i - 1]}` : `${from} – ${data.breaks[i - 1]}`,
    from,
  }));
}

/** Band of a value: the first one whose lower end it reaches; -1 for NaN. */
export function bandOf(bands, value) {
  return bands.findIndex((band) => value >= band.from);
}

/** Rows without a street or a value are not part of any statistic: they are no places to live in. */
export function isPlace(data, row) {
  const status = data.status(row);
  return status !== "off_network" && status !== "outside_index" && !Number.isNaN(data.score(row));
}

/** Mean and counts by band of one measure over the places. */
export function summary(data, measure, places) {
  const counts = measure.bands.map(() => 0);
  let sum = 0;
  let n = 0;
  for (const row of places) {
    const value = measure.value(row);
    const band = bandOf(measure.bands, value);
    if (band < 0) continue;
    counts[band]++;
    sum += value;
    n++;
  }
  return { counts, mean: n ? sum / n : NaN, n };
}
