# Streams one generation of a GrpcLlm service and prints what it received, as JSON lines.
#
# Usage: client.rb ADDRESS SCENARIO_JSON

require "json"
require "google/protobuf/well_known_types"
require "google/rpc/error_details_pb"
require "google/rpc/status_pb"
require "grpcllm/v1/generation_services_pb"

include Grpcllm::V1

CODES = GRPC::Core::StatusCodes.constants.to_h { |name| [GRPC::Core::StatusCodes.const_get(name), name.to_s] }

# A stub for long streams: retries before the first token, and pings that notice a dead connection.
def connect(address, service_config)
  GenerationService::Stub.new(address, :this_channel_is_insecure, channel_args: {
    "grpc.service_config" => service_config,
    "grpc.keepalive_time_ms" => 60_000,
    "grpc.keepalive_timeout_ms" => 20_000,
    "grpc.http2.max_pings_without_data" => 0,
    "grpc.http2.bdp_probe" => 0, # No window that grows while nobody reads: who pauses, pauses the model.
  })
end

# Puts an answer together from its chunks.
class Answer
  attr_reader :text

  def initialize
    @text = +""
    @tool_calls = {}
  end

  def add(chunk)
    case chunk.delta # nil: nothing to show, or a kind of delta newer than this client.
    when :text
      @text << chunk.text
    when :tool_call
      call = @tool_calls[chunk.tool_call.index] ||= { id: +"", name: +"", arguments: +"" }
      call[:id] << chunk.tool_call.id
      call[:name] << chunk.tool_call.name
      call[:arguments] << chunk.tool_call.arguments_fragment
    end
  end

  def to_h = { text: @text, tool_calls: @tool_calls.values }
end

# Status and trailers, the binary ones decoded.
def describe_end(code, message, trailers)
  result = { code: CODES[code], message: message, trailers: ascii_only(trailers) }
  if (summary = trailers["generation-summary-bin"])
    result[:summary] = to_hash(GenerationSummary.decode(summary))
  end
  Google::Rpc::Status.decode(trailers["grpc-status-details-bin"] || "").details.each do |detail|
    if (info = detail.unpack(Google::Rpc::ErrorInfo))
      result[:error] = to_hash(info)
    elsif (bad_request = detail.unpack(Google::Rpc::BadRequest))
      result[:violations] = bad_request.field_violations.map(&:field)
    end
  end
  result
end

def ascii_only(metadata) = metadata.reject { |key, _| key.end_with?("-bin") }

def to_hash(message) = JSON.parse(message.to_json)

def show(kind, value)
  puts JSON.generate({ kind => value })
  $stdout.flush
end

# Prints a message, and does what the scenario wants after it.
def play(scenario, call, number, chunk)
  show("headers", ascii_only(call.metadata)) if number == 1
  show("chunk", to_hash(chunk))
  call.cancel if number == scenario["cancel_after"]
  sleep(scenario["pause_ms"] / 1000.0) if number == 1 && scenario["pause_ms"]
end

address, scenario = ARGV[0], JSON.parse(ARGV[1])
request = GenerateRequest.decode_json(JSON.generate(scenario["request"]))
metadata = scenario.fetch("metadata", {})
deadline = Time.now + scenario["deadline_ms"] / 1000.0 if scenario["deadline_ms"]
service = connect(address, scenario.fetch("service_config", "{}"))
answer = Answer.new
begin
  call = service.generate(request, metadata: metadata, deadline: deadline, return_op: true)
  call.execute.each.with_index(1) do |chunk, number|
    answer.add(chunk)
    play(scenario, call, number, chunk)
  end
  ending = describe_end(GRPC::Core::StatusCodes::OK, "", call.trailing_metadata)
rescue GRPC::BadStatus => failure
  ending = describe_end(failure.code, failure.details, failure.metadata)
rescue GRPC::Core::CallError => failure
  # So the library tells a deadline that passes here before anything came from the server.
  raise unless deadline && Time.now >= deadline
  ending = describe_end(GRPC::Core::StatusCodes::DEADLINE_EXCEEDED, failure.message, {})
end
show("answer", answer.to_h)
show("end", ending)
