// panel.js: everything beside the map: title, figures, choice of measure, legend, search, and the card of one place.
import { bandOf, isPlace } from "./data.js";
import { css, inkOn } from "./colour.js";

const by = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat("en");
const one = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
const share = (part, all) => (all ? Math.round((100 * part) / all) : 0);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") node.style.cssText = value;
    else if (value !== false && value !== null) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}

function metres(value) {
  return value < 1000 ? `${Math.round(value)} m` : `${(value / 1000).toFixed(2)} km`;
}

const STATUS_TEXT = {
  ok: "",
  island: "Only a small unconnected piece of network is near.",
  near_boundary: "The reach touches the end of the map data: places beyond it are unknown.",
  off_network: "No walkable street is near.",
  outside_index: "Outside of the area that was scored.",
};

export class Panel {
  constructor(given) {
    Object.assign(this, given);
    this.noun = this.data.kind === "cells" ? "cells" : "places";
    this.isNarrow = matchMedia("(max-width: 720px)");
  }

  isSheet() {
    return this.isNarrow.matches;
  }

  width() {
    return by("panel").offsetWidth;
  }

  start() {
    const { data } = this;
    by("title").textContent = data.title;
    by("subtitle").textContent = [data.context && `${data.context} score`, data.time && `for ${data.time}`, data.date && `map data of ${new Date(`${data.date}T00:00:00Z`).toLocaleDateString("en-GB", { timeZone: "UTC", day: "numeric", month: "long", year: "numeric" })}`]
      .filter(Boolean)
      .join(" · ");
    this.buildMeasures();
    by("search").addEventListener("submit", (event) => {
      event.preventDefault();
      by("found").textContent = this.onSearch(by("query").value);
      if (!by("found").textContent && this.isSheet()) this.fold(true);
    });
    by("query").addEventListener("input", () => (by("found").textContent = ""));
    by("theme").addEventListener("click", () => this.onTheme());
    by("fold").addEventListener("click", () => this.fold(!document.body.classList.contains("folded")));
    const weights = data.parts.map((part) => `${part.title.toLowerCase()} ${Math.round(part.weight * 100)} %`).join(", ");
    by("notes").replaceChildren(
      make("p", {}, `The score counts what can be walked to in 15 minutes on the street network: ${weights}.`),
      make("p", {}, "Streets and places ", data.attribution, data.index ? `. Index ${data.index.slice(0, 12)}.` : "."),
      make("details", {}, make("summary", {}, "Software in this page"), make("pre", { tabindex: "0" }, LICENCES)),
    );
  }

  fail(text) {
    by("map").replaceChildren(make("p", { class: "fail" }, text));
  }

  fold(folded) {
    document.body.classList.toggle("folded", folded);
    by("fold").setAttribute("aria-expanded", String(!folded));
  }

  buildMeasures() {
    this.summaries = new Map(this.measures.map((measure) => [measure.key, this.summaryOf(measure)]));
    const list = this.measures.map((measure) => {
      const input = make("input", { type: "radio", name: "measure", value: measure.key, id: `m-${measure.key}` });
      input.checked = measure === this.view.measure;
      input.addEventListener("change", () => this.onMeasure(measure));
      const { mean } = this.summaries.get(measure.key);
      return make(
        "label",
        { class: "measure", for: `m-${measure.key}` },
        input,
        make("span", { class: "name" }, measure.title, " ", make("small", {}, measure.note)),
        make("span", { class: "track", "aria-hidden": "true" }, make("i", { "data-mean": Number.isNaN(mean) ? 0 : mean })),
        make("span", { class: "mean" }, Number.isNaN(mean) ? "–" : measure.key === "confidence" ? (mean / 100).toFixed(2) : String(Math.round(mean))),
      );
    });
    by("measures").append(...list);
  }

  /** Draw what depends on the measure, the chosen band and the colours. */
  render(colour) {
    for (const bar of by("measures").querySelectorAll("i")) {
      bar.style.width = `${bar.dataset.mean}%`;
      bar.style.background = css(colour(Number(bar.dataset.mean)));
    }
    this.renderHeadline();
    this.renderLegend(colour);
    by("theme").textContent = this.view.dark ? "Light" : "Dark";
  }

  renderHeadline() {
    const { measure } = this.view;
    const { counts, mean, n } = this.summaries.get(measure.key);
    const { data } = this;
    if (!n) {
      by("headline").replaceChildren(make("p", {}, `No ${this.noun} with a value.`));
      return;
    }
    let figure = String(Math.round(mean));
    let unit = "mean of 100";
    let sentence;
    if (measure.key === "score") {
      const good = counts[0] + counts[1] + counts[2];
      sentence = [make("b", {}, `${share(good, n)} %`), ` of ${whole.format(n)} ${this.noun} with streets reach grade B or better; `, make("b", {}, `${share(counts[counts.length - 1], n)} %`), " are graded F."];
    } else if (measure.key === "confidence") {
      figure = (mean / 100).toFixed(2);
      unit = "mean of 1";
      sentence = [make("b", {}, `${share(counts[0] + counts[1], n)} %`), ` of ${whole.format(n)} ${this.noun} rest on data of high confidence (0.70 or more).`];
    } else {
      const p = data.parts.findIndex((part) => part.key === measure.key);
      sentence = [make("b", {}, `${share(counts[0], n)} %`), ` of ${whole.format(n)} ${this.noun} have all they need, `, make("b", {}, `${share(counts[counts.length - 1], n)} %`), " have none within 15 minutes on foot."];
      if (data.hasNearest[p]) {
        const reach = this.places.map((row) => data.nearest(p, row)).filter((value) => !Number.isNaN(value));
        reach.sort((a, b) => a - b);
        if (reach.length) sentence.push(" Where one is in reach, the nearest is ", make("b", {}, metres(reach[reach.length >> 1])), " away (median).");
      }
    }
    by("headline").replaceChildren(make("div", { class: "figure" }, figure, make("small", {}, unit)), make("p", {}, ...sentence));
  }

  renderLegend(colour) {
    const { measure, band, empty } = this.view;
    const { counts, n } = this.summaries.get(measure.key);
    const most = Math.max(1, ...counts);
    const list = measure.bands.map((item, i) => {
      const above = i === 0 ? 100 : measure.bands[i - 1].from;
      const stops = [0, 0.25, 0.5, 0.75, 1].map((t) => css(colour(above + (item.from - above) * t))).join(",");
      const button = make(
        "button",
        { type: "button", class: "band", "aria-pressed": String(band === i), "data-band": i, title: "Show only these" },
        make("span", { class: "swatch", style: `background:linear-gradient(90deg,${stops})` }),
        make("span", { class: "grade" }, item.name),
        make("span", { class: "range" }, item.text),
        make("span", { class: "count" }, make("i", { style: `width:${(100 * counts[i]) / most}%` }), make("span", {}, whole.format(counts[i]))),
        make("span", { class: "share" }, `${share(counts[i], n)} %`),
      );
      button.addEventListener("click", () => this.onBand(i));
      return button;
    });
    const none = this.data.count - this.places.length;
    if (none) {
      const check = make("input", { type: "checkbox", id: "empty" });
      check.checked = empty;
      check.addEventListener("change", () => this.onEmpty(check.checked));
      list.push(make("label", { class: "empty", for: "empty" }, check, `${whole.format(none)} ${this.noun} without a street in reach or without a score`));
    }
    const focus = document.activeElement?.dataset?.band;
    by("legend").replaceChildren(make("h2", {}, measure.key === "score" ? "Grades" : measure.title), ...list);
    if (focus !== undefined) by("legend").querySelector(`[data-band="${focus}"]`)?.focus();
  }

  hideCard() {
    by("card").hidden = true;
    this.cardRow = -1;
  }

  /** The card of one row: beside the pointer, or in its own place where the row is pinned (point null). */
  showCard(row, colour, point) {
    const card = by("card");
    const pinned = point === null;
    if (this.cardRow !== row || card.classList.contains("pinned") !== pinned) {
      card.replaceChildren(...this.cardContent(row, colour, pinned));
      this.cardRow = row;
    }
    card.hidden = false;
    card.classList.toggle("pinned", pinned);
    card.dataset.row = row;
    if (pinned) {
      card.style.transform = "";
      return;
    }
    const gap = 18;
    const x = point.x + gap + card.offsetWidth > innerWidth ? point.x - gap - card.offsetWidth : point.x + gap;
    const y = Math.min(Math.max(point.y - card.offsetHeight / 2, 10), innerHeight - card.offsetHeight - 10);
    card.style.transform = `translate(${Math.round(Math.max(x, 4))}px, ${Math.round(y)}px)`;
  }

  cardContent(row, colour, pinned) {
    const { data } = this;
    const score = data.score(row);
    const confidence = data.confidence(row);
    const status = data.status(row);
    const tone = Number.isNaN(score) ? [140, 144, 150] : colour(score);
    const text = data.cell(row) || `${data.lat(row).toFixed(5)}, ${data.lon(row).toFixed(5)}`;
    const out = [];
    if (pinned) {
      const close = make("button", { type: "button", class: "close", "aria-label": "Close" }, "×");
      close.addEventListener("click", () => this.onClose());
      out.push(close);
    }
    out.push(
      make(
        "div",
        { class: "head" },
        make("span", { class: "chip", style: `background:${css(tone)};color:${inkOn(tone)}` }, data.grade(row) || "–"),
        make("span", { class: "score" }, Number.isNaN(score) ? "no score" : score.toFixed(2), make("small", {}, Number.isNaN(score) ? "" : " of 100")),
        Number.isNaN(confidence) ? "" : make("span", { class: "sure" }, "confidence ", make("b", {}, confidence.toFixed(2))),
      ),
    );
    const rows = data.parts.map((part, p) => {
      if (!data.hasPart[p]) return null;
      const value = data.part(p, row);
      const walk = data.nearest(p, row);
      return make(
        "tr",
        { "data-part": part.key, class: this.view.measure.key === part.key ? "chosen" : false },
        make("th", { scope: "row" }, part.title),
        make("td", { class: "bar" }, make("span", { class: "track" }, make("i", { style: `width:${Number.isNaN(value) ? 0 : value}%;background:${css(colour(Number.isNaN(value) ? 0 : value))}` }))),
        make("td", { class: "value" }, Number.isNaN(value) ? "–" : one(Math.round(value * 10) / 10)),
        data.hasNearest[p] ? make("td", { class: "walk" }, Number.isNaN(walk) ? "none" : metres(walk)) : null,
      );
    });
    if (rows.some(Boolean) && isPlace(data, row)) {
      const head = make("thead", {}, make("tr", {}, make("th", {}, ""), make("th", {}, ""), make("th", { class: "value" }, "of 100"), data.hasNearest.some(Boolean) ? make("th", { class: "walk" }, "nearest") : null));
      out.push(make("table", {}, head, make("tbody", {}, ...rows.filter(Boolean))));
    }
    const note = STATUS_TEXT[status] ?? status.replaceAll("_", " ");
    if (note) out.push(make("p", { class: "note" }, note));
    out.push(make("p", { class: "cell" }, pinned ? data.ucid(row) || text : text));
    return out;
  }
}
