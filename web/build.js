// build.js: everything into one file, dist/map.html or the path given. The scripts lie in it compressed (a third of
// their size) and are unpacked by the browser; the worker of MapLibre is a text inside them.
import { build } from "esbuild";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { gzipSync } from "node:zlib";

const out = resolve(process.argv[2] ?? "dist/map.html");
const options = { bundle: true, minify: true, write: false, legalComments: "none", target: "es2022", logLevel: "warning" };

/** The licence texts of all packages that went into the page, since each page that is sent on carries their code. */
async function licences(inputs) {
  const folders = new Set(inputs.map((path) => path.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1]).filter(Boolean));
  const texts = [];
  for (const folder of [...folders].sort()) {
    const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
    texts.push(`${name} ${version}, ${license}\n\n${file ? await readFile(`${folder}/${file}`, "utf8") : ""}`);
  }
  return texts.join(`\n${"-".repeat(80)}\n\n`);
}

const worker = await readFile("node_modules/maplibre-gl/dist/maplibre-gl-csp-worker.js", "utf8");
const script = await build({ ...options, metafile: true, entryPoints: ["src/map.js"], format: "iife", define: { WORKER_SOURCE: '""', LICENCES: '""' } });
const texts = { WORKER_SOURCE: JSON.stringify(worker), LICENCES: JSON.stringify(await licences(Object.keys(script.metafile.inputs))) };
const whole = await build({ ...options, entryPoints: ["src/map.js"], format: "iife", define: texts });
const style = await build({ ...options, entryPoints: ["src/map.css"], loader: { ".svg": "dataurl" } });
const packed = gzipSync(whole.outputFiles[0].contents, { level: 9 }).toString("base64");
const loader = (await readFile("src/loader.js", "utf8")).replace("@PACKED@", () => packed);

const page = (await readFile("src/shell.html", "utf8"))
  .replace("/*@STYLE@*/", () => style.outputFiles[0].text)
  .replace("/*@LOADER@*/", () => loader);
if (/<(script|link)[^>]+(src|href)=["'](?!data:)/i.test(page)) throw new Error("the page names a file outside itself");
await mkdir(dirname(out), { recursive: true });
await writeFile(`${out}.part`, page);
await rename(`${out}.part`, out);
console.log(`${out}: ${(page.length / 1e6).toFixed(2)} MB, scripts ${(whole.outputFiles[0].contents.length / 1e6).toFixed(2)} MB unpacked`);
