// Streams one generation of a GrpcLlm service and prints what it received, as JSON lines. Connect, with the gRPC protocol.
//
// Usage: client ADDRESS SCENARIO_JSON

import { setTimeout } from "node:timers/promises";
import { fromJson, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, decodeBinaryHeader } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema } from "./google/rpc/error_details_pb.js";
import {
  GenerateRequestSchema, GenerationService, GenerationSummarySchema, TokenChunkSchema,
} from "./grpcllm/v1/generation_pb.js";

// A client for long streams: retries before the first token, and pings that notice a dead connection.
function connect(address) {
  return createClient(GenerationService, createGrpcTransport({
    baseUrl: `http://${address}`,
    interceptors: [retryBeforeFirstToken],
    pingIntervalMs: 60_000,
    pingTimeoutMs: 20_000,
  }));
}

// Connect has no service config. The server sends UNAVAILABLE only while no token was delivered, and says when to come
// back: -1 for never.
const retryBeforeFirstToken = (next) => async (request) => {
  if (!request.stream) return next(request);
  const sent = await collect(request.message);
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await next({ ...request, message: replay(sent) });
      const messages = response.message[Symbol.asyncIterator]();
      const first = await messages.next();
      return { ...response, message: startingWith(first, messages) };
    } catch (error) {
      const pushback = Number(ConnectError.from(error).metadata.get("grpc-retry-pushback-ms") ?? 200 * attempt);
      if (ConnectError.from(error).code !== Code.Unavailable || pushback < 0 || attempt === 4) throw error;
      await setTimeout(pushback, undefined, { signal: request.signal });
    }
  }
};

async function collect(messages) {
  const all = [];
  for await (const message of messages) all.push(message);
  return all;
}

async function* replay(messages) {
  yield* messages;
}

async function* startingWith(first, rest) {
  if (first.done) return;
  yield first.value;
  yield* { [Symbol.asyncIterator]: () => rest };
}

// An answer, put together from its chunks.
class Answer {
  text = "";
  tool_calls = [];

  add(chunk) {
    const { case: kind, value } = chunk.delta; // Undefined: nothing to show, or a delta newer than this client.
    if (kind === "text") this.text += value;
    if (kind === "toolCall") {
      const call = (this.tool_calls[value.index] ??= { id: "", name: "", arguments: "" });
      call.id += value.id;
      call.name += value.name;
      call.arguments += value.argumentsFragment;
    }
  }
}

// Status and trailers, the binary ones decoded.
function describeEnd(error, trailers) {
  const summary = trailers.get("generation-summary-bin");
  const [info] = error?.findDetails(ErrorInfoSchema) ?? [];
  const [badRequest] = error?.findDetails(BadRequestSchema) ?? [];
  return {
    code: error ? codeName(error.code) : "OK",
    message: error?.rawMessage ?? "",
    trailers: asciiOnly(trailers),
    summary: summary && toJson(GenerationSummarySchema, decodeBinaryHeader(summary, GenerationSummarySchema)),
    error: info && toJson(ErrorInfoSchema, info),
    violations: badRequest?.fieldViolations.map((violation) => violation.field),
  };
}

// InvalidArgument as INVALID_ARGUMENT.
function codeName(code) {
  if (code === Code.Canceled) return "CANCELLED";
  return Code[code].replace(/\B[A-Z]/g, "_$&").toUpperCase();
}

function asciiOnly(headers) {
  return Object.fromEntries([...headers].filter(([key]) => !key.endsWith("-bin")));
}

function show(kind, value) {
  process.stdout.write(`${JSON.stringify({ [kind]: value })}\n`);
}

// Prints a message, and does what the scenario wants after it.
async function play(scenario, headers, cancel, number, chunk) {
  if (number === 1) show("headers", asciiOnly(headers));
  show("chunk", toJson(TokenChunkSchema, chunk));
  if (number === scenario.cancel_after) cancel.abort();
  if (number === 1 && scenario.pause_ms) await setTimeout(scenario.pause_ms);
}

async function main(address, scenario) {
  const request = fromJson(GenerateRequestSchema, scenario.request);
  const cancel = new AbortController();
  let headers;
  let trailers = new Headers();
  let error;
  const answer = new Answer();
  let number = 0;
  try {
    const chunks = connect(address).generate(request, {
      headers: scenario.metadata,
      timeoutMs: scenario.deadline_ms,
      signal: cancel.signal,
      onHeader: (received) => (headers = received),
      onTrailer: (received) => (trailers = received),
    });
    for await (const chunk of chunks) {
      answer.add(chunk);
      await play(scenario, headers, cancel, ++number, chunk);
    }
  } catch (failure) {
    error = ConnectError.from(failure);
    trailers = error.metadata;
  }
  show("answer", answer);
  show("end", describeEnd(error, trailers));
}

await main(process.argv[2], JSON.parse(process.argv[3]));
