// colour.js: the ramp. Its stops come with the data (the program draws its picture with the same ones); they are evenly
// spaced in OKLab and grow darker all the way, so that order survives every kind of colour blindness and a grey print.

const channel = (hex, at) => parseInt(hex.slice(at, at + 2), 16);

/** A function from 0..100 to [r, g, b]. On a dark ground the ramp is turned round: low values stay near the ground. */
export function ramp(stops, dark) {
  const list = stops.map((hex) => [channel(hex, 1), channel(hex, 3), channel(hex, 5)]);
  if (dark) list.reverse();
  const last = list.length - 1;
  return (value) => {
    const at = Math.min(Math.max(value / 100, 0), 1) * last;
    const low = Math.min(Math.floor(at), last - 1);
    const t = at - low;
    return list[low].map((c, i) => Math.round(c + (list[low + 1][i] - c) * t));
  };
}

export const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;

/** Black or white, whichever reads better on a colour. */
export function inkOn([r, g, b]) {
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#14161a" : "#ffffff";
}
