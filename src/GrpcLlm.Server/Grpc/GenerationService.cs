using Grpc.Core;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.V1;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The service of <c>grpcllm.v1</c>. <see cref="Generate"/> tells the way of one call; each step is a folder.
/// Thread-safe; one instance serves all calls.
/// </summary>
internal sealed partial class GenerationService(
    ModelCatalog catalog,
    LiveCalls liveCalls,
    ServerMetrics metrics,
    UsageRecordLog usageRecords,
    IOptions<GrpcLlmOptions> options,
    ILogger<GenerationService> logger)
{
    private readonly StreamingOptions _streaming = options.Value.Streaming;

    /// <summary>Generates one answer and streams it.</summary>
    public async Task Generate(
        Received<GenerateRequest> received, IServerStreamWriter<TokenChunk> stream, ServerCallContext context)
    {
        var record = BeginRecord(received, context);
        var states = new CallStates(metrics);
        states.Accept();
        try
        {
            // 1 identify: who calls. Without configured tenants, everybody is the same one.
            record.Tenant = Tenant.Anonymous;

            // 2 validate: everything that is wrong, in one answer.
            var request = RequestValidator.Validate(received);
            record.Labels = request.Labels;

            // 3 admit: from here on the call can be found, stopped and runs out of time.
            using var lifetime = BeginLifetime(request, record.Clock, context);
            using var live = liveCalls.Add(record.Tenant, record.RequestId, lifetime);

            // 4 route: the ways to serve the model that can honour the request, in order.
            var model = catalog.Find(request.Model);
            record.Model = model.Name;
            var routes = ModelCatalog.RoutesFor(model, request);

            // 5 open, 6 relay: attempts end where tokens begin.
            await OpenAndRelayAsync(routes, request, record, states, lifetime, stream, context);

            // 7 finish: the last message is sent; the trailers mirror it.
            CallTrailers.WriteFinish(context, record);
        }
        catch (CallFailureException failure)
        {
            End(context, record, failure);
        }
        catch (Exception exception)
        {
            UnexpectedFailure(logger, exception, record.RequestId);
            End(context, record, new CallFailureException(ErrorReason.Internal, "The service failed.", exception));
        }
        finally
        {
            usageRecords.Write(record);
            Finish(states, record);
        }
    }

    /// <summary>Ends the running generations of a name of the caller's own tenant.</summary>
    public Task<CancelGenerationResponse> CancelGeneration(
        Received<CancelGenerationRequest> received, ServerCallContext context) =>
        UnaryAsync(() =>
        {
            var requestId = RequestValidator.Validate(received);
            return ValueTask.FromResult(liveCalls.Cancel(Tenant.Anonymous, requestId));
        });

    /// <summary>Counts the input tokens that a request would use.</summary>
    public Task<CountTokensResponse> CountTokens(Received<CountTokensRequest> received, ServerCallContext context) =>
        UnaryAsync(async () =>
        {
            var request = RequestValidator.Validate(received);
            var model = catalog.Find(request.Model);
            var route = ModelCatalog.RoutesFor(model, request)[0];
            var count = await route.Backend.CountInputTokensAsync(
                new BackendCall(request, route.Model), context.CancellationToken);
            var response = new CountTokensResponse
            {
                InputTokens = count.Tokens,
                Source = count.Source,
                Model = model.Name,
                Backend = route.Backend.Name,
            };
            if (route.Backend.Describe(route.Model).ContextWindow is { } window) response.ContextWindow = window;
            return response;
        });

    /// <summary>Lists the models that the caller may use.</summary>
    public Task<ListModelsResponse> ListModels(Received<ListModelsRequest> received, ServerCallContext context) =>
        UnaryAsync(() => ModelListing.PageAsync(catalog, RequestValidator.Readable(received), context.CancellationToken));

    private async Task OpenAndRelayAsync(
        IReadOnlyList<ModelRoute> routes, GenerateRequest request, GenerationRecord record, CallStates states,
        CallLifetime lifetime, IServerStreamWriter<TokenChunk> stream, ServerCallContext context)
    {
        var http = context.GetHttpContext();
        using var reset = new StreamReset(http, lifetime);
        using var writer = new ChunkWriter(stream, http.Response, reset, record, states, _streaming.ClientStallTimeout);
        var relay = new TokenRelay(request, writer, record, lifetime);
        var progress = new CallProgress();

        OpenedAnswer answer;
        try
        {
            var opening = AnswerOpener.OpenAsync(routes, request, record, states, progress, lifetime.Token);
            if (request.Output is { Progress: true })
                await new ProgressSender(writer, progress, lifetime, record.Clock.TimeProvider).SendUntilAsync(opening);
            answer = await opening;
        }
        catch (OperationCanceledException) when (lifetime.Cause != StopCause.None)
        {
            await relay.StopBeforeFirstTokenAsync();
            return;
        }

        await relay.RunAsync(answer);
    }

    private static GenerationRecord BeginRecord(Received<GenerateRequest> received, ServerCallContext context)
    {
        var clock = context.GetHttpContext().Features.GetRequiredFeature<CallClock>();
        var chosen = received.Message?.RequestId ?? "";
        var requestId = RequestValidator.IsRequestId(chosen) ? chosen : Guid.NewGuid().ToString("N");
        return new GenerationRecord(clock, requestId) { RequestBytes = received.ByteCount };
    }

    private CallLifetime BeginLifetime(GenerateRequest request, CallClock clock, ServerCallContext context)
    {
        var left = CallLifetime.TimeLeft(
            context.Deadline, request.Limits?.TimeBudget?.ToTimeSpan(), _streaming.DeadlineMargin, clock);
        return new CallLifetime(left, clock.TimeProvider, context.CancellationToken);
    }

    private static void End(ServerCallContext context, GenerationRecord record, CallFailureException failure)
    {
        record.Fail(failure.Reason);
        CallTrailers.WriteFailure(context, record, failure);
    }

    private static void Finish(CallStates states, GenerationRecord record)
    {
        var failed = record.ErrorReason != ErrorReason.Unspecified;
        states.Finish(
            failed ? Names<ErrorReason>.LowerOf(record.ErrorReason) : ErrorTable.NameOf(record.FinishReason),
            ErrorTable.FaultOf(record.ErrorReason));
    }

    /// <summary>Ends a unary method like any other call: a typed failure, or INTERNAL without details.</summary>
    private async Task<T> UnaryAsync<T>(Func<ValueTask<T>> method)
    {
        try
        {
            return await method();
        }
        catch (CallFailureException failure)
        {
            throw FailureStatus.ToException(failure);
        }
        catch (BackendException exception)
        {
            throw FailureStatus.ToException(CallFailureException.Of(exception, delivered: false));
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            UnexpectedFailure(logger, exception, "");
            throw FailureStatus.ToException(
                new CallFailureException(ErrorReason.Internal, "The service failed.", exception));
        }
    }

    [LoggerMessage(EventId = 2, EventName = "UnexpectedFailure", Level = LogLevel.Error,
        Message = "A fault of this service ended generation {RequestId}.")]
    private static partial void UnexpectedFailure(ILogger logger, Exception exception, string requestId);
}
