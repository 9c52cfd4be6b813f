// Builds what the pages load into docs/built: styles with their fonts, formulas, and the playground with its runtime.
// Prints the size of what a visitor of the playground downloads beside the models.
import { build } from "esbuild";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const OUT = "../docs/built";
const LIMIT = 3e6; // bytes of the playground beside the models
mkdirSync(OUT, { recursive: true });

await build({
  entryPoints: { site: "src/site.css", math: "src/math.js", playground: "src/playground/index.js" },
  outdir: OUT,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "safari16.4"],
  loader: { ".woff2": "file", ".woff": "empty", ".ttf": "empty" },
  assetNames: "fonts/[name]",
  legalComments: "linked",
});

// Compressed here and unpacked in the page: not every server compresses, and a phone should load 3 MB and not 11.
const runtime = "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded";
writeFileSync(`${OUT}/ort.wasm.gz`, gzipSync(readFileSync(`${runtime}.wasm`), { level: 9 }));
copyFileSync(`${runtime}.mjs`, `${OUT}/ort.mjs`);

const sizeOf = (name) => readFileSync(`${OUT}/${name}`).length;
const files = ["playground.js", "playground.css", "ort.mjs", "ort.wasm.gz"];
const total = files.reduce((sum, name) => sum + sizeOf(name), 0);
for (const name of files) console.log(`${name}: ${(sizeOf(name) / 1e6).toFixed(2)} MB`);
console.log(`The playground beside its models: ${(total / 1e6).toFixed(2)} MB`);
if (total > LIMIT) throw new Error(`The playground is larger than ${LIMIT / 1e6} MB`);
