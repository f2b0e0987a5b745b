using System.Buffers;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Grpc;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Fuzz.Targets;

/// <summary>
/// A request as it comes off the wire. The first byte says which method's, the rest is the message. It is read or refused by
/// a typed failure that fits its trailers, however it is split; and what is valid and supported every provider can write.
/// </summary>
internal sealed class RequestTarget : FuzzTarget
{
    private static readonly MessageDescriptor[] Types =
        [GenerateRequest.Descriptor, CountTokensRequest.Descriptor, CancelGenerationRequest.Descriptor, ListModelsRequest.Descriptor];

    private static readonly Marshaller<Received<GenerateRequest>> Generate = CheckedMarshaller.ForRequest(GenerateRequest.Parser);
    private static readonly Marshaller<Received<CountTokensRequest>> Count = CheckedMarshaller.ForRequest(CountTokensRequest.Parser);
    private static readonly Marshaller<Received<CancelGenerationRequest>> Cancel = CheckedMarshaller.ForRequest(CancelGenerationRequest.Parser);
    private static readonly Marshaller<Received<ListModelsRequest>> List = CheckedMarshaller.ForRequest(ListModelsRequest.Parser);

    private static readonly ProviderFormat[] Formats =
        [ProviderFormat.OpenAi, ProviderFormat.Anthropic, ProviderFormat.Gemini, ProviderFormat.Ollama];

    public override string Name => "request";

    public override byte[] Make(Random random, IReadOnlyList<byte[]> corpus)
    {
        var method = random.Next(3) > 0 ? 0 : random.Next(1, Types.Length);

        // Encodings one behind the other are merged, so a valid request gets some random fields.
        byte[] valid = method == 0 && random.Next(3) > 0 ? SampleRequests.Next(random).ToByteArray() : [];
        byte[] more = random.Next(2) == 0 ? RandomMessages.Create(random, Types[method]).ToByteArray() : [];
        byte[] bytes = random.Next(2) == 0 ? [.. valid, .. more] : [.. more, .. valid];
        switch (random.Next(8))
        {
            case 0 or 1 or 2:
                break;
            case 3:
                bytes = new byte[random.Next(60)];
                random.NextBytes(bytes);
                break;
            case 4:
                bytes = [.. bytes, .. RequestPayload.Nested(random.Next(1, 400))];
                break;
            default:
                bytes = Mutator.Change(random, bytes, [.. corpus.Select(static one => one[1..])], "\u0080", "\xC3");
                break;
        }

        return [(byte)method, .. bytes];
    }

    public override void Check(byte[] input)
    {
        if (input.Length == 0) return;
        var bytes = input.AsMemory(1);
        var cut = Fingerprint.RandomOf(input).Next(bytes.Length + 1);
        switch (input[0] % Types.Length)
        {
            case 0:
                if (Valid(Read(Generate, bytes, cut), RequestValidator.Validate) is { } request) CheckRequest(request);
                break;
            case 1:
                if (Valid(Read(Count, bytes, cut), RequestValidator.Validate) is { } counted) CheckRequest(counted);
                break;
            case 2:
                Valid(Read(Cancel, bytes, cut), RequestValidator.Validate);
                break;
            default:
                Valid(Read(List, bytes, cut), RequestValidator.Readable);
                break;
        }
    }

    private static Received<T> Read<T>(Marshaller<Received<T>> marshaller, ReadOnlyMemory<byte> bytes, int cut)
        where T : class, IMessage<T>
    {
        var whole = marshaller.ContextualDeserializer(new RequestPayload(bytes));
        var split = marshaller.ContextualDeserializer(new RequestPayload(bytes, cut));
        FindingException.Unless(whole.Field == split.Field && whole.Fault == split.Fault, "is read otherwise when it is split");
        FindingException.Unless(Equals(whole.Message, split.Message) || HasNotANumber(whole.Message), "is read otherwise when it is split");
        return whole;
    }

    // Not equal to itself.
    private static bool HasNotANumber(IMessage? message) => message?.ToString()?.Contains("NaN", StringComparison.Ordinal) == true;

    private static TValid? Valid<T, TValid>(Received<T> received, Func<Received<T>, TValid> validate)
        where T : class, IMessage<T>
        where TValid : class
    {
        try
        {
            return validate(received);
        }
        catch (CallFailureException exception)
        {
            FindingException.Unless(exception.Reason == ErrorReason.InvalidRequest, $"is refused as {exception.Reason}");
            var trailers = new Metadata();
            var status = FailureStatus.Write(trailers, exception, delivered: false, 0, 0, "");
            var details = trailers.GetValueBytes(CallTrailers.StatusDetails)!;
            FindingException.Unless(details.Length <= FailureStatus.MaxDetailBytes, $"{details.Length} bytes of details");
            FindingException.Unless(
                Encoding.UTF8.GetByteCount(status.Detail) <= FailureStatus.MaxMessageBytes, $"a message of {status.Detail.Length} characters");
            return null;
        }
    }

    private static void CheckRequest(GenerateRequest request)
    {
        var before = request.ToByteString();
        InputEstimate.Of(request);
        foreach (var format in Formats)
        {
            var violations = new Violations();
            format.Provider.FindUnsupported(request, "m", violations);
            if (!violations.IsEmpty) continue;
            var body = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(body, new JsonWriterOptions { MaxDepth = 1000 }))
            {
                json.WriteStartObject();
                format.Provider.WriteBody(json, new BackendCall(request, "m"));
                json.WriteEndObject();
            }

            using var written = JsonDocument.Parse(body.WrittenMemory, new JsonDocumentOptions { MaxDepth = 1000, AllowDuplicateProperties = false });
        }

        FindingException.Unless(before == request.ToByteString(), "the request was modified");
    }
}
