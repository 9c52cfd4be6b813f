// ONNX Runtime in WebAssembly, and networks that it runs.
import * as ort from "onnxruntime-web/wasm";

const here = new URL(".", import.meta.url);

/** What the browser lacks: "wasm", "old", or null where it has everything. */
export function whatIsMissing() {
  if (typeof WebAssembly !== "object") return "wasm";
  return typeof DecompressionStream === "undefined" ? "old" : null;
}

/** The bytes of a file beside this script; `onProgress` gets the number of bytes so far. */
async function download(name, onProgress) {
  const answer = await fetch(new URL(name, here));
  if (!answer.ok) throw new Error(`${name}: ${answer.status} ${answer.statusText}`);
  const parts = [];
  let received = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return new Blob(parts);
    parts.push(value);
    onProgress((received += value.length));
  }
}

let starting = null;

/** Loads the runtime, once. */
export function start(onProgress = () => {}) {
  starting ??= (async () => {
    const packed = await download("ort.wasm.gz", onProgress);
    // Some servers announce the compression, and then the browser has unpacked the file already.
    const [first, second] = new Uint8Array(await packed.slice(0, 2).arrayBuffer());
    const isPacked = first === 0x1f && second === 0x8b;
    const stream = isPacked ? packed.stream().pipeThrough(new DecompressionStream("gzip")) : packed.stream();
    ort.env.wasm.wasmBinary = await new Response(stream).arrayBuffer();
    ort.env.wasm.wasmPaths = { mjs: new URL("ort.mjs", here).href };
    ort.env.wasm.numThreads = 1; // several need headers that a plain web server does not send
    ort.env.logLevel = "error";
  })();
  return starting;
}

export const models = async () => (await fetch(new URL("models/models.json", here))).json();

/** A network from an ONNX file; `inputs` are the names of its data and, where it takes them, its labels. */
export class Network {
  static async load({ file, inputs }, onProgress) {
    const [blob] = await Promise.all([download(`models/${file}`, onProgress), start()]);
    const network = new Network();
    network.inputs = inputs;
    network.session = await ort.InferenceSession.create(new Uint8Array(await blob.arrayBuffer()));
    return network;
  }

  /** The output for the rows of `values`, and one label for each where the network takes labels. */
  async run(values, width, labels = null) {
    const [data, label] = this.inputs;
    const count = values.length / width;
    const feeds = { [data]: new ort.Tensor("float32", values, [count, width]) };
    if (label) feeds[label] = new ort.Tensor("int64", BigInt64Array.from(labels, BigInt), [count]);
    const outputs = await this.session.run(feeds);
    return outputs[this.session.outputNames[0]].data;
  }
}
