// Measures llama.cpp on one thread, without a GPU, and prints one JSON line a round. Started by LlamaCpp.cs.
// Arguments: model file, streams, tokens a stream, rounds, tokens of a long prompt.
import {getLlama} from "node-llama-cpp";

const [path, streams, tokens, rounds, promptTokens] = process.argv.slice(2).map((value, i) => i === 0 ? value : Number(value));
const llama = await getLlama({gpu: false, build: "never", skipDownload: true, logLevel: "error", maxThreads: 1});
const model = await llama.loadModel({modelPath: path, gpuLayers: 0});
const context = await model.createContext({contextSize: 512, threads: 1, sequences: streams, batchSize: 512});
const sequences = Array.from({length: streams}, () => context.getSequence());
const opening = model.tokenize("Once upon a time", true);

async function generate(sequence) {
  let count = 0;
  for await (const _ of sequence.evaluate(opening, {temperature: 0})) if (++count === tokens) break;
  return count;
}

async function measure(count, run) {
  for (const sequence of sequences) await sequence.clearHistory();
  const cpu = process.cpuUsage();
  const start = performance.now();
  await run();
  const used = process.cpuUsage(cpu);
  return {rate: count / (performance.now() - start) * 1e3, perCpuSecond: count / (used.user + used.system) * 1e6};
}

for (let round = 0; round < rounds; round++) {
  const long = Array.from({length: promptTokens}, (_, i) => 300 + (i * 37 + round * 101) % 1000);
  const prompt = await measure(promptTokens, () => sequences[0].evaluateWithoutGeneratingNewTokens(long));
  const output = await measure(streams * tokens, () => Promise.all(sequences.map(generate)));
  console.log(JSON.stringify({output, prompt}));
}
process.exit(0);
