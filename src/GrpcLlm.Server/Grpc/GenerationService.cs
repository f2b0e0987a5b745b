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

namespace GrpcLlm.Server.Grpc;

/// <summary>
/// The service of <c>grpcllm.v1</c>. <see cref="Generate"/> tells the way of one call; each step is a folder.
/// Thread-safe; one instance serves all calls.
/// </summary>
internal sealed partial class GenerationService(
    Deployments deployments,
    CallAdmission admission,
    LiveCalls liveCalls,
    CallBooks books,
    LoadMonitor load,
    ILogger<GenerationService> logger)
{
    /// <summary>Generates one answer and streams it.</summary>
    public async Task Generate(
        Received<GenerateRequest> received, IServerStreamWriter<TokenChunk> stream, ServerCallContext context)
    {
        using var lease = deployments.Acquire();
        var deployment = lease.Deployment;
        var record = BeginRecord(received, context);
        var states = books.Open(record);
        try
        {
            // 1 identify: who calls. Without configured tenants, everybody is the same one.
            record.Tenant = deployment.Tenants.Identify(context.GetHttpContext());

            // 2 validate: everything that is wrong, in one answer.
            var request = RequestValidator.Validate(received);
            received.Release();
            record.InputEstimate = InputEstimate.Of(request).Tokens;
            if (request.Labels.Count > 0) record.Labels = request.Labels;
            if (deployment.Content is { } policy) record.Content = new ContentCapture(policy, request);

            // 3 route: the ways to serve the model that can honour the request, in order. Before admission, so that a
            // request that cannot be served neither waits nor counts.
            var model = deployment.Catalog.Find(request.Model);
            record.Tenant.CheckMayUse(model);
            record.Model = model.Name;
            record.Price = model.Price;
            var call = new BackendCall(request, "") { Metadata = BackendMetadata.Of(context, model) };
            var routes = RouteOrder.Of(ModelCatalog.RoutesFor(model, request, call.Metadata), Random.Shared.NextDouble);

            // From here on the call can be found, stopped and runs out of time.
            var streaming = deployment.Options.Streaming;
            using var lifetime = BeginLifetime(request, record.Clock, streaming, context);
            using var live = liveCalls.Add(record.Tenant, record.RequestId, lifetime);
            using var reset = new StreamReset(context.GetHttpContext(), lifetime);
            using var writer = new ChunkWriter(
                stream, context.GetHttpContext().Response, reset, record, states, streaming.ClientStallTimeout);
            using var place = new CallPlace(record);
            var relay = new TokenRelay(request, writer, record, lifetime);

            // 4 admit, 5 open: attempts end where tokens begin. A stream may be long, and does not keep its request.
            var answer = await new CallOpening(admission, call, routes, record, states, lifetime, place).OpenAsync(writer);

            // 6 relay.
            var failure = await (answer is not null ? relay.RunAsync(answer, place.Meter) : relay.StopBeforeFirstTokenAsync());

            // 7 finish: the last message is sent; the trailers mirror it, and tell the load without this call.
            place.Dispose();
            if (failure is null) CallTrailers.WriteFinish(context, record);
            else End(context, record, failure);
        }
        catch (CallFailureException refusal)
        {
            End(context, record, refusal);
        }
        catch (Exception exception)
        {
            UnexpectedFailure(logger, exception, record.RequestId);
            End(context, record, new CallFailureException(ErrorReason.Internal, "The service failed.", exception));
        }
        finally
        {
            books.Close(context.GetHttpContext(), record, states);
        }
    }

    /// <summary>Ends the running generations of a name of the caller's own tenant.</summary>
    public Task<CancelGenerationResponse> CancelGeneration(
        Received<CancelGenerationRequest> received, ServerCallContext context) =>
        UnaryAsync(context, () =>
        {
            var tenant = deployments.Current.Tenants.Identify(context.GetHttpContext());
            var requestId = RequestValidator.Validate(received);
            return ValueTask.FromResult(liveCalls.Cancel(tenant, requestId));
        });

    /// <summary>Counts the input tokens that a request would use.</summary>
    public Task<CountTokensResponse> CountTokens(Received<CountTokensRequest> received, ServerCallContext context) =>
        UnaryAsync(context, async () =>
        {
            using var lease = deployments.Acquire();
            var tenant = lease.Deployment.Tenants.Identify(context.GetHttpContext());
            var request = RequestValidator.Validate(received);
            var model = lease.Deployment.Catalog.Find(request.Model);
            tenant.CheckMayUse(model);
            var route = ModelCatalog.RoutesFor(model, request, BackendMetadata.Of(context, model))[0];
            tenant.TakeRequest();
            var count = await route.Pool.CountInputTokensAsync(
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
        UnaryAsync(context, async () =>
        {
            using var lease = deployments.Acquire();
            var tenant = lease.Deployment.Tenants.Identify(context.GetHttpContext());
            return await ModelListing.PageAsync(
                lease.Deployment.Catalog, tenant, RequestValidator.Readable(received), context.CancellationToken);
        });

    private GenerationRecord BeginRecord(Received<GenerateRequest> received, ServerCallContext context)
    {
        load.Began();
        var http = context.GetHttpContext();
        var clock = http.Features.GetRequiredFeature<CallClock>();
        var chosen = received.Message?.RequestId ?? "";
        var requestId = RequestValidator.IsRequestId(chosen) ? chosen : Guid.NewGuid().ToString("N");
        var local = LocalAddress.Of(http);
        var record = new GenerationRecord(clock, requestId)
        {
            RequestBytes = received.ByteCount,
            LocalAddress = local.Text,
            LocalPort = local.Port,
            Load = load,
            TraceId = ServerSpan.TraceIdOf(http),
        };

        // From here on the call is accounted for here; see UnreadCalls.
        http.Features.Set(record);
        return record;
    }

    private static CallLifetime BeginLifetime(
        GenerateRequest request, CallClock clock, StreamingOptions streaming, ServerCallContext context)
    {
        // A timeout of nothing is no deadline to the framework.
        var left = context.Deadline == DateTime.MaxValue && GrpcTimeout.IsOver(context.GetHttpContext().Request.Headers.GrpcTimeout)
            ? TimeSpan.Zero
            : CallLifetime.TimeLeft(
                context.Deadline, request.Limits?.TimeBudget?.ToTimeSpan(), streaming.DeadlineMargin, clock);
        return new CallLifetime(left, clock.TimeProvider, context.CancellationToken);
    }

    private void End(ServerCallContext context, GenerationRecord record, CallFailureException failure)
    {
        record.Fail(failure.Reason);
        if (ErrorTable.FaultOf(failure.Reason) != Fault.Client) load.Failed();
        CallTrailers.WriteFailure(context, record, failure);
    }

    /// <summary>Ends a unary method like any other call: a typed failure, or INTERNAL without details.</summary>
    private async Task<T> UnaryAsync<T>(ServerCallContext context, Func<ValueTask<T>> method)
    {
        CallFailureException failure;
        try
        {
            return await method();
        }
        catch (CallFailureException exception)
        {
            failure = exception;
        }
        catch (BackendException exception)
        {
            failure = CallFailureException.Of(exception, delivered: false);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            UnexpectedFailure(logger, exception, "");
            failure = new CallFailureException(ErrorReason.Internal, "The service failed.", exception);
        }

        ServerSpan.Fail(context.GetHttpContext(), failure.Reason);
        throw FailureStatus.ToException(failure);
    }

    [LoggerMessage(EventId = 2, EventName = "UnexpectedFailure", Level = LogLevel.Error,
        Message = "A fault of this service ended generation {RequestId}.")]
    private static partial void UnexpectedFailure(ILogger logger, Exception exception, string requestId);
}
