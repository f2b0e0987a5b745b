import com.google.gson.Gson;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.MessageOrBuilder;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.grpcllm.v1.GenerateRequest;
import com.grpcllm.v1.GenerationServiceGrpc;
import com.grpcllm.v1.GenerationSummary;
import com.grpcllm.v1.TokenChunk;
import io.grpc.Context;
import io.grpc.Context.CancellableContext;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.MetadataUtils;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Streams one generation of a GrpcLlm service and prints what it received, as JSON lines.
 *
 * <p>Usage: Client ADDRESS SCENARIO_JSON
 */
final class Client {
  private static final Gson GSON = new Gson();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  /** A channel for long streams: retries before the first token, and pings that notice a dead connection. */
  @SuppressWarnings("unchecked")
  static ManagedChannel connect(String address, String serviceConfig) {
    return NettyChannelBuilder.forTarget(address)
        .usePlaintext()
        .defaultServiceConfig(GSON.fromJson(serviceConfig, Map.class))
        .enableRetry()
        .keepAliveTime(60, TimeUnit.SECONDS)
        .keepAliveTimeout(20, TimeUnit.SECONDS)
        .build();
  }

  /** An answer, put together from its chunks. */
  static final class Answer {
    private final StringBuilder text = new StringBuilder();
    private final Map<Integer, StringBuilder[]> toolCalls = new TreeMap<>();

    void add(TokenChunk chunk) {
      switch (chunk.getDeltaCase()) {
        case TEXT -> text.append(chunk.getText());
        case TOOL_CALL -> {
          var delta = chunk.getToolCall();
          var call = toolCalls.computeIfAbsent(delta.getIndex(), index ->
              new StringBuilder[] {new StringBuilder(), new StringBuilder(), new StringBuilder()});
          call[0].append(delta.getId());
          call[1].append(delta.getName());
          call[2].append(delta.getArgumentsFragment());
        }
        default -> { } // Nothing to show, or a kind of delta newer than this client.
      }
    }

    Map<String, Object> describe() {
      List<Object> calls = new ArrayList<>();
      for (var call : toolCalls.values()) {
        calls.add(Map.of("id", call[0].toString(), "name", call[1].toString(), "arguments", call[2].toString()));
      }
      return Map.of("text", text.toString(), "tool_calls", calls);
    }
  }

  /** Status and trailers, the binary ones decoded. */
  static Map<String, Object> describeEnd(Status status, Metadata trailers) throws InvalidProtocolBufferException {
    Map<String, Object> end = new LinkedHashMap<>();
    end.put("code", status.getCode().name());
    end.put("message", status.getDescription() == null ? "" : status.getDescription());
    end.put("trailers", asciiOnly(trailers));
    byte[] summary = trailers.get(Metadata.Key.of("generation-summary-bin", Metadata.BINARY_BYTE_MARSHALLER));
    if (summary != null) {
      end.put("summary", toJson(GenerationSummary.parseFrom(summary)));
    }
    var details = StatusProto.fromStatusAndTrailers(status, trailers);
    for (Any detail : details.getDetailsList()) {
      if (detail.is(ErrorInfo.class)) {
        end.put("error", toJson(detail.unpack(ErrorInfo.class)));
      } else if (detail.is(BadRequest.class)) {
        end.put("violations", detail.unpack(BadRequest.class).getFieldViolationsList().stream()
            .map(BadRequest.FieldViolation::getField).toList());
      }
    }
    return end;
  }

  static Map<String, String> asciiOnly(Metadata metadata) {
    Map<String, String> values = new TreeMap<>();
    for (String key : metadata.keys()) {
      if (!key.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
        values.put(key, metadata.get(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER)));
      }
    }
    return values;
  }

  static JsonObject toJson(MessageOrBuilder message) throws InvalidProtocolBufferException {
    return JsonParser.parseString(JsonFormat.printer().print(message)).getAsJsonObject();
  }

  static void show(String kind, Object value) {
    OUT.println(GSON.toJson(Map.of(kind, value)));
  }

  /** What to do; the names of the JSON. */
  static final class Scenario {
    JsonObject request;
    Map<String, String> metadata = Map.of();
    String service_config = "{}";
    int cancel_after;
    long deadline_ms;
    long pause_ms;
  }

  /** Prints a message, and does what the scenario wants after it. */
  static void play(Scenario scenario, Metadata headers, CancellableContext call, int number, TokenChunk chunk)
      throws InvalidProtocolBufferException, InterruptedException {
    if (number == 1) {
      show("headers", asciiOnly(headers));
    }
    show("chunk", toJson(chunk));
    if (number == scenario.cancel_after) {
      call.cancel(null);
    }
    if (number == 1) {
      Thread.sleep(scenario.pause_ms);
    }
  }

  public static void main(String[] arguments) throws Exception {
    var scenario = GSON.fromJson(arguments[1], Scenario.class);
    var request = GenerateRequest.newBuilder();
    JsonFormat.parser().merge(scenario.request.toString(), request);

    var metadata = new Metadata();
    scenario.metadata.forEach((key, value) ->
        metadata.put(Metadata.Key.of(key, Metadata.ASCII_STRING_MARSHALLER), value));
    var headers = new AtomicReference<Metadata>();
    var trailers = new AtomicReference<Metadata>();
    var channel = connect(arguments[0], scenario.service_config);
    var service = GenerationServiceGrpc.newBlockingStub(channel).withInterceptors(
        MetadataUtils.newAttachHeadersInterceptor(metadata),
        MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
    if (scenario.deadline_ms > 0) {
      service = service.withDeadlineAfter(scenario.deadline_ms, TimeUnit.MILLISECONDS);
    }

    var answer = new Answer();
    var status = Status.OK;
    var call = Context.current().withCancellation(); // Cancelling it, or closing it, cancels the call.
    var outer = call.attach();
    try {
      Iterator<TokenChunk> chunks = service.generate(request.build());
      for (int number = 1; chunks.hasNext(); number++) {
        TokenChunk chunk = chunks.next();
        answer.add(chunk);
        play(scenario, headers.get(), call, number, chunk);
      }
    } catch (StatusRuntimeException failure) {
      status = failure.getStatus();
    } finally {
      call.detach(outer);
      call.close();
    }
    show("answer", answer.describe());
    show("end", describeEnd(status, trailers.get() == null ? new Metadata() : trailers.get()));
    channel.shutdownNow();
  }
}
