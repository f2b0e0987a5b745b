// Streams one generation of a GrpcLlm service and prints what it received, as JSON lines.
//
// Usage: client ADDRESS SCENARIO_JSON

import { setTimeout } from "node:timers/promises";
import { credentials, Metadata, status, type ClientReadableStream, type StatusObject } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo } from "./google/rpc/error_details";
import { Status } from "./google/rpc/status";
import { GenerateRequest, GenerationServiceClient, GenerationSummary, TokenChunk } from "./grpcllm/v1/generation";

// A client for long streams: retries before the first token, and pings that notice a dead connection.
function connect(address: string, serviceConfig: string) {
  return new GenerationServiceClient(address, credentials.createInsecure(), {
    "grpc.service_config": serviceConfig,
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
  });
}

// An answer, put together from its chunks.
class Answer {
  text = "";
  tool_calls: { id: string; name: string; arguments: string }[] = [];

  add(chunk: TokenChunk) {
    // Undefined: nothing to show, or a kind of delta newer than this client.
    if (chunk.delta?.$case === "text") this.text += chunk.delta.value;
    if (chunk.delta?.$case === "toolCall") {
      const delta = chunk.delta.value;
      const call = (this.tool_calls[delta.index] ??= { id: "", name: "", arguments: "" });
      call.id += delta.id;
      call.name += delta.name;
      call.arguments += delta.argumentsFragment;
    }
  }
}

// Status and trailers, the binary ones decoded.
function describeEnd(end: StatusObject) {
  const [summary] = end.metadata.get("generation-summary-bin") as Buffer[];
  const [packed] = end.metadata.get("grpc-status-details-bin") as Buffer[];
  const details = packed ? Status.decode(packed).details : [];
  const find = (name: string) => details.find((detail) => detail.typeUrl.endsWith(`/${name}`))?.value;
  const info = find("google.rpc.ErrorInfo");
  const badRequest = find("google.rpc.BadRequest");
  return {
    code: status[end.code],
    message: end.details,
    trailers: asciiOnly(end.metadata),
    summary: summary && GenerationSummary.toJSON(GenerationSummary.decode(summary)),
    error: info && ErrorInfo.toJSON(ErrorInfo.decode(info)),
    violations: badRequest && BadRequest.decode(badRequest).fieldViolations.map((violation) => violation.field),
  };
}

function asciiOnly(metadata: Metadata) {
  return Object.fromEntries(Object.entries(metadata.getMap()).filter(([key]) => !key.endsWith("-bin")));
}

// With status OK the stream just ends, otherwise it throws first; either way the status is told here.
function statusOf(call: ClientReadableStream<TokenChunk>) {
  return new Promise<StatusObject>((resolve) => call.on("status", resolve));
}

function show(kind: string, value: unknown) {
  process.stdout.write(`${JSON.stringify({ [kind]: value })}\n`);
}

// Prints a message, and does what the scenario wants after it.
async function play(scenario: any, headers: Metadata, cancel: () => void, number: number, chunk: TokenChunk) {
  if (number === 1) show("headers", asciiOnly(headers));
  show("chunk", TokenChunk.toJSON(chunk));
  if (number === scenario.cancel_after) cancel();
  if (number === 1 && scenario.pause_ms) await setTimeout(scenario.pause_ms);
}

async function main(address: string, scenario: any) {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries<string>(scenario.metadata ?? {})) metadata.set(key, value);
  const deadline = scenario.deadline_ms ? Date.now() + scenario.deadline_ms : Infinity;

  const client = connect(address, scenario.service_config ?? "{}");
  const request = GenerateRequest.fromJSON(scenario.request);
  const answer = new Answer();
  const call = client.generate(request, metadata, { deadline });
  const end = statusOf(call);
  let headers = new Metadata();
  call.on("metadata", (received) => (headers = received));
  let number = 0;
  try {
    for await (const chunk of call as AsyncIterable<TokenChunk>) {
      answer.add(chunk);
      await play(scenario, headers, () => call.cancel(), ++number, chunk);
    }
  } catch {
    // The status says it.
  }
  show("answer", answer);
  show("end", describeEnd(await end));
  client.close();
}

main(process.argv[2], JSON.parse(process.argv[3]));
