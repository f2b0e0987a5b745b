using System.Runtime.CompilerServices;
using GrpcLlm.Server.Requests;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Backends.Simulator;

/// <summary>
/// No model: text of the project, token by token, on a schedule, at almost no cost; so that a load test measures the
/// service. Its distribution has a single token at each place, so sampling changes nothing but the seed of schedule and
/// faults. Thread-safe.
/// </summary>
/// <remarks>
/// An answer has exactly <c>max_output_tokens</c> tokens and ends with LENGTH, or the configured number and ends with
/// STOP. A token is due by an absolute schedule: one that is late, because nobody read or nobody had time, does not delay
/// those behind it.
/// </remarks>
internal sealed class SimulatorBackend(string name, SimulatorOptions options, TimeProvider timeProvider) : IBackend
{
    /// <summary>The kind in configuration, and the key in <c>provider_options_json</c>.</summary>
    public const string BackendKind = "simulator";

    private static readonly BackendModel Model = new()
    {
        DisplayName = "Simulator",
        Description = "No model: cycles through a fixed text on a schedule, for load tests.",
        Owner = "grpcllm",
        Capabilities = [ModelCapability.Conversation, ModelCapability.Seed],
        InputModalities = [Modality.Text],
        OutputModalities = [Modality.Text],
    };

    private readonly Pacer _pacer = Pacer.Of(timeProvider);
    private readonly SimulatorPauses _pauses = new(options.PauseEvery, options.PauseLength);
    private readonly SimulatorFaults _faults = new(options.Faults);
    private readonly int _slotCount = options.MaxConcurrent > 0 ? options.MaxConcurrent : int.MaxValue;
    private readonly SlotQueue _slots = new(
        options.MaxConcurrent > 0 ? options.MaxConcurrent : int.MaxValue, memoryPages: 0, options.MaxQueue, timeProvider);

    private long _withoutSeed = -1;

    public string Name => name;

    public string Kind => BackendKind;

    /// <summary>Slots and queue.</summary>
    internal SlotQueue Slots => _slots;

    public BackendModel Describe(string model) => Model;

    public void FindUnsupported(GenerateRequest request, string model, Violations violations) =>
        SimulatorUnsupported.Find(request, violations);

    public bool ReadsMetadata => true;

    public void FindUnsupported(IReadOnlyDictionary<string, string> metadata, Violations violations)
    {
        if (options.AllowRequestOverrides) SimulatorOverrides.Read(metadata, violations);
        else SimulatorOverrides.Refuse(metadata, violations);
    }

    public async IAsyncEnumerable<BackendEvent> GenerateAsync(
        BackendCall call, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) yield break;
        var answer = Plan(call);
        var fault = answer.Fault;
        var asked = _pacer.Now;
        _pauses.Begin(asked);
        using var wait = new PacedWait(_pacer, cancellationToken);
        if (fault.IsRefusal)
        {
            // At once, unless the whole simulator stands still: then it has no time to refuse anybody either.
            if (!await wait.UntilAsync(_pauses.After(asked, TimeSpan.Zero))) yield break;
            throw fault.ToException();
        }

        var silentUntil = asked + options.FirstTokenTimeout;
        using var place = _slots.Enter(pages: 0);
        for (var position = place.Position; position > 0;)
        {
            yield return BackendEvent.Queued((uint)position);
            if (await MovedAsync(place, position, silentUntil, cancellationToken) is not { } moved) yield break;
            position = moved;
        }

        yield return BackendEvent.Opened(new BackendOpening
        {
            InputTokens = answer.InputTokens,
            Seed = answer.Seed,
            Model = call.Model,
            TokenCountSource = UsageSource.Counted,
        });

        var begun = _pacer.Now;
        var tokens = SimulatorText.Tokens;
        for (uint index = 0; ; index++)
        {
            var isBroken = fault.Breaks(index);
            var isOver = index == answer.OutputTokens;
            if (isOver && !isBroken) break;

            // The finish comes with the last token, and so does what comes in its place.
            var due = isBroken && fault.Kind == SimulatorFaultKind.Stall ? TimeSpan.MaxValue
                : isOver ? _pacer.Now
                : _pauses.After(begun, index == 0 ? answer.Schedule.First(Load) : answer.Schedule.Next(Load));
            if (index > 0) silentUntil = _pacer.Now + options.IdleTimeout;
            if (!await wait.UntilAsync(due < silentUntil ? due : silentUntil)) yield break;
            if (due > silentUntil) throw BackendException.Stalled(firstTokenCame: index > 0);
            if (isBroken) throw fault.ToException();
            yield return tokens[(int)(index % (uint)tokens.Count)];
        }

        yield return BackendEvent.Finished(answer.Ending);
    }

    public ValueTask<InputTokenCount> CountInputTokensAsync(BackendCall call, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new InputTokenCount(CountInput(call.Request), UsageSource.Counted));

    /// <summary>What the means are multiplied by now.</summary>
    private double Load => options.TimeFactorUnderLoad > 1
        ? 1 + ((options.TimeFactorUnderLoad - 1) * (_slotCount - _slots.FreeSlots - 1) / (_slotCount - 1))
        : 1;

    private SimulatedAnswer Plan(BackendCall call)
    {
        var overrides = call.Metadata.Count == 0 ? SimulatorOverrides.None : SimulatorOverrides.Read(call.Metadata, new Violations());
        var seed = call.Request.Sampling is { HasSeed: true } sampling ? sampling.Seed : DrawSeed();
        var input = CountInput(call.Request);
        var fault = overrides.Fault ?? _faults.Draw(seed);
        var (output, isCut) = SimulatedAnswer.LengthOf(call, options, overrides);
        return new SimulatedAnswer(
            seed, input, output, isCut, fault, new SimulatorSchedule(options, overrides, seed, input, fault.Factor));
    }

    /// <summary>A seed for a request without one, below 2^31 as the contract says; told in the answer, so that it can be repeated.</summary>
    private long DrawSeed()
    {
        var own = new SplitMix64(options.Seed).Next();
        return (long)(new SplitMix64(unchecked((long)own + Interlocked.Increment(ref _withoutSeed))).Next() >> 33);
    }

    /// <inheritdoc cref="SlotQueue.Place.MovedFromAsync"/>
    private async ValueTask<int?> MovedAsync(
        SlotQueue.Place place, int position, TimeSpan until, CancellationToken cancellationToken)
    {
        var left = until - _pacer.Now;
        try
        {
            return await place.MovedFromAsync(position, cancellationToken).AsTask()
                .WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, timeProvider, CancellationToken.None);
        }
        catch (TimeoutException exception)
        {
            throw BackendException.Stalled(firstTokenCame: false, exception);
        }
    }

    private static uint CountInput(GenerateRequest request)
    {
        if (request.InputCase == GenerateRequest.InputOneofCase.Prompt) return SimulatorText.Count(request.Prompt);
        uint count = 0;
        foreach (var part in request.Conversation.Messages.SelectMany(static message => message.Parts))
            count += SimulatorText.Count(part.Text) + SimulatorText.Count(part.Reasoning) + SimulatorText.Count(part.Refusal);
        return count;
    }
}
