// Streams one generation of a GrpcLlm service and prints what it received, as JSON lines.
//
// Usage: client ADDRESS SCENARIO_JSON
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	_ "google.golang.org/grpc/health" // What healthCheckConfig of the service config asks for.
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "grpcllm/v1"
)

// A channel for long streams: retries before the first token, and pings that notice a dead connection.
// From grpc-go 1.63 on: grpc.NewClient, and insecure.NewCredentials.
func connect(address, serviceConfig string) (*grpc.ClientConn, error) {
	return grpc.Dial(address,
		grpc.WithInsecure(),
		grpc.WithDefaultServiceConfig(serviceConfig),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 60 * time.Second, Timeout: 20 * time.Second}))
}

type toolCall struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// An answer, put together from its chunks.
type answer struct {
	Text      string      `json:"text"`
	ToolCalls []*toolCall `json:"tool_calls"`
}

func (a *answer) add(chunk *pb.TokenChunk) {
	switch delta := chunk.Delta.(type) { // nil: nothing to show, or a kind of delta newer than this client.
	case *pb.TokenChunk_Text:
		a.Text += delta.Text
	case *pb.TokenChunk_ToolCall:
		if int(delta.ToolCall.Index) == len(a.ToolCalls) {
			a.ToolCalls = append(a.ToolCalls, &toolCall{})
		}
		call := a.ToolCalls[delta.ToolCall.Index]
		call.ID += delta.ToolCall.Id
		call.Name += delta.ToolCall.Name
		call.Arguments += delta.ToolCall.ArgumentsFragment
	}
}

// Status and trailers, the binary ones decoded.
func describeEnd(err error, trailers metadata.MD) map[string]interface{} {
	ended := status.Convert(err)
	end := map[string]interface{}{
		"code": codeName(ended), "message": ended.Message(), "trailers": asciiOnly(trailers),
	}
	for _, value := range trailers.Get("generation-summary-bin") {
		summary := &pb.GenerationSummary{}
		if err := proto.Unmarshal([]byte(value), summary); err != nil {
			log.Fatal(err)
		}
		end["summary"] = toJSON(summary)
	}
	for _, detail := range ended.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			end["error"] = map[string]interface{}{
				"reason": detail.Reason, "domain": detail.Domain, "metadata": detail.Metadata,
			}
		case *errdetails.BadRequest:
			fields := []string{}
			for _, violation := range detail.FieldViolations {
				fields = append(fields, violation.Field)
			}
			end["violations"] = fields
		}
	}
	return end
}

// InvalidArgument as INVALID_ARGUMENT.
func codeName(ended *status.Status) string {
	if name := ended.Code().String(); name == "OK" || name == "Canceled" {
		return map[string]string{"OK": "OK", "Canceled": "CANCELLED"}[name]
	}
	name := ""
	for at, letter := range ended.Code().String() {
		if at > 0 && letter >= 'A' && letter <= 'Z' {
			name += "_"
		}
		name += string(letter)
	}
	return strings.ToUpper(name)
}

func asciiOnly(md metadata.MD) map[string]string {
	values := map[string]string{}
	for key, value := range md {
		if !strings.HasSuffix(key, "-bin") {
			values[key] = value[0]
		}
	}
	return values
}

func toJSON(message proto.Message) json.RawMessage {
	text, err := protojson.Marshal(message)
	if err != nil {
		log.Fatal(err)
	}
	return text
}

func show(kind string, value interface{}) {
	line, err := json.Marshal(map[string]interface{}{kind: value})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(line))
}

type scenario struct {
	Request       json.RawMessage   `json:"request"`
	Metadata      map[string]string `json:"metadata"`
	ServiceConfig string            `json:"service_config"`
	CancelAfter   int               `json:"cancel_after"`
	DeadlineMs    int               `json:"deadline_ms"`
	PauseMs       int               `json:"pause_ms"`
}

// Prints a message, and does what the scenario wants after it.
func play(todo scenario, stream pb.GenerationService_GenerateClient, cancel func(), number int, chunk *pb.TokenChunk) {
	if number == 1 {
		headers, _ := stream.Header()
		show("headers", asciiOnly(headers))
	}
	show("chunk", toJSON(chunk))
	if number == todo.CancelAfter {
		cancel()
	}
	if number == 1 {
		time.Sleep(time.Duration(todo.PauseMs) * time.Millisecond)
	}
}

func run(address string, todo scenario) error {
	request := &pb.GenerateRequest{}
	if err := protojson.Unmarshal(todo.Request, request); err != nil {
		return err
	}
	channel, err := connect(address, todo.ServiceConfig)
	if err != nil {
		return err
	}
	defer channel.Close()
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(context.Background(), metadata.New(todo.Metadata)))
	defer cancel()
	if todo.DeadlineMs > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(todo.DeadlineMs)*time.Millisecond)
		defer cancel()
	}

	whole := &answer{}
	stream, err := pb.NewGenerationServiceClient(channel).Generate(ctx, request)
	for number := 1; err == nil; number++ {
		var chunk *pb.TokenChunk
		if chunk, err = stream.Recv(); err == nil { // io.EOF is the end with status OK.
			whole.add(chunk)
			play(todo, stream, cancel, number, chunk)
		}
	}
	if err == io.EOF {
		err = nil
	}
	show("answer", whole)
	var trailers metadata.MD
	if stream != nil {
		trailers = stream.Trailer()
	}
	show("end", describeEnd(err, trailers))
	return nil
}

func main() {
	todo := scenario{ServiceConfig: "{}"}
	if err := json.Unmarshal([]byte(os.Args[2]), &todo); err != nil {
		log.Fatal(err)
	}
	if err := run(os.Args[1], todo); err != nil {
		log.Fatal(err)
	}
}
