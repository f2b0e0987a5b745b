// Streams one generation of a GrpcLlm service and prints what it received, as JSON lines.
//
// Usage: client ADDRESS SCENARIO_JSON

#include <chrono>
#include <iostream>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>
#include <grpcpp/grpcpp.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpcllm/v1/generation.grpc.pb.h"

namespace llm = grpcllm::v1;
namespace protobuf = google::protobuf;
using Metadata = std::multimap<grpc::string_ref, grpc::string_ref>;

// A channel for long streams: retries before the first token, and pings that notice a dead connection.
std::shared_ptr<grpc::Channel> Connect(const std::string& address, const std::string& service_config) {
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(service_config);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // No window that grows while nobody reads: who pauses, pauses the model.
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string ToJson(const protobuf::Message& message) {
  std::string json;
  if (!protobuf::util::MessageToJsonString(message, &json).ok()) throw std::runtime_error("not representable");
  return json;
}

void FromJson(const std::string& json, protobuf::Message* message) {
  if (!protobuf::util::JsonStringToMessage(json, message).ok()) throw std::runtime_error("unreadable: " + json);
}

void Show(const std::string& kind, const protobuf::Message& value) {
  std::cout << "{\"" << kind << "\":" << ToJson(value) << "}" << std::endl;
}

// A JSON object; protobuf's own type for it.
class Object {
 public:
  protobuf::Value& operator[](const std::string& key) { return (*fields_.mutable_fields())[key]; }
  const protobuf::Struct& fields() const { return fields_; }

 private:
  protobuf::Struct fields_;
};

// An answer, put together from its chunks.
class Answer {
 public:
  void Add(const llm::TokenChunk& chunk) {
    switch (chunk.delta_case()) {
      case llm::TokenChunk::kText:
        text_ += chunk.text();
        break;
      case llm::TokenChunk::kToolCall: {
        llm::ToolCall& call = calls_[chunk.tool_call().index()];
        call.mutable_id()->append(chunk.tool_call().id());
        call.mutable_name()->append(chunk.tool_call().name());
        call.mutable_arguments_json()->append(chunk.tool_call().arguments_fragment());
        break;
      }
      default:
        break;  // Nothing to show, or a kind of delta newer than this client.
    }
  }

  protobuf::Struct Describe() const {
    Object answer;
    answer["text"].set_string_value(text_);
    auto* calls = answer["tool_calls"].mutable_list_value();
    for (const auto& [index, call] : calls_) {
      Object one;
      one["id"].set_string_value(call.id());
      one["name"].set_string_value(call.name());
      one["arguments"].set_string_value(call.arguments_json());
      *calls->add_values()->mutable_struct_value() = one.fields();
    }
    return answer.fields();
  }

 private:
  std::string text_;
  std::map<uint32_t, llm::ToolCall> calls_;
};

std::string CodeName(grpc::StatusCode code) {
  static const char* const names[] = {
      "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
      "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
      "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"};
  return names[code];
}

protobuf::Struct AsciiOnly(const Metadata& metadata) {
  Object values;
  for (const auto& [key, value] : metadata) {
    if (!key.ends_with("-bin")) {
      values[{key.data(), key.size()}].set_string_value(std::string(value.data(), value.size()));
    }
  }
  return values.fields();
}

// Status and trailers, the binary ones decoded.
protobuf::Struct DescribeEnd(const grpc::Status& status, const Metadata& trailers) {
  Object end;
  end["code"].set_string_value(CodeName(status.error_code()));
  end["message"].set_string_value(status.error_message());
  *end["trailers"].mutable_struct_value() = AsciiOnly(trailers);
  if (auto found = trailers.find("generation-summary-bin"); found != trailers.end()) {
    llm::GenerationSummary summary;
    summary.ParseFromArray(found->second.data(), found->second.size());
    FromJson(ToJson(summary), &end["summary"]);
  }
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  for (const auto& detail : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (detail.UnpackTo(&info)) {
      FromJson(ToJson(info), &end["error"]);
    } else if (detail.UnpackTo(&bad_request)) {
      auto* fields = end["violations"].mutable_list_value();
      for (const auto& violation : bad_request.field_violations()) {
        fields->add_values()->set_string_value(violation.field());
      }
    }
  }
  return end.fields();
}

// Prints a message, and does what the scenario wants after it.
void Play(Object& scenario, grpc::ClientContext& context, int number, const llm::TokenChunk& chunk) {
  auto number_of = [&](const char* key) { return static_cast<int>(scenario[key].number_value()); };
  if (number == 1) Show("headers", AsciiOnly(context.GetServerInitialMetadata()));
  Show("chunk", chunk);
  if (number == number_of("cancel_after")) context.TryCancel();
  if (number == 1) std::this_thread::sleep_for(std::chrono::milliseconds(number_of("pause_ms")));
}

void Run(const std::string& address, Object scenario) {
  llm::GenerateRequest request;
  FromJson(ToJson(scenario["request"]), &request);
  auto service = llm::GenerationService::NewStub(Connect(address, scenario["service_config"].string_value()));
  grpc::ClientContext context;
  for (const auto& [key, value] : scenario["metadata"].struct_value().fields()) {
    context.AddMetadata(key, value.string_value());
  }
  if (const int deadline = static_cast<int>(scenario["deadline_ms"].number_value()); deadline > 0) {
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(deadline));
  }

  Answer answer;
  llm::TokenChunk chunk;
  auto stream = service->Generate(&context, request);
  for (int number = 1; stream->Read(&chunk); ++number) {
    answer.Add(chunk);
    Play(scenario, context, number, chunk);
  }
  const grpc::Status status = stream->Finish();
  Show("answer", answer.Describe());
  Show("end", DescribeEnd(status, context.GetServerTrailingMetadata()));
}

int main(int, char** arguments) {
  protobuf::Struct fields;
  FromJson(arguments[2], &fields);
  Object scenario;
  scenario["service_config"].set_string_value("{}");
  for (const auto& [key, value] : fields.fields()) scenario[key] = value;
  Run(arguments[1], scenario);
}
