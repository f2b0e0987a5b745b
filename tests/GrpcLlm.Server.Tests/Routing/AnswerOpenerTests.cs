using Google.Protobuf;
using GrpcLlm.Server.Admission;
using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Hosting;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Routing;
using GrpcLlm.Server.Streaming;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;
using static GrpcLlm.Server.Backends.BackendEvent;

namespace GrpcLlm.Server.Tests.Routing;

public sealed class AnswerOpenerTests : IDisposable
{
    private readonly CallRig _rig = new();
    private readonly CallProgress _progress = new();

    private GenerationRecord Record => _rig.Record;

    public void Dispose() => _rig.Dispose();

    [Fact]
    public async Task Open_FirstDelta_IsAtHandWithItsArrival()
    {
        After(30).Add(TextDelta("a"));

        var answer = await OpenAsync();

        answer.AtHand.ShouldHaveSingleItem().Text.ShouldBe("a");
        answer.Arrival.ShouldBe(30);
        answer.Rest.ShouldBeSameAs(_rig.Events);
        _rig.Events.Pulled.ShouldBe(1);
        _rig.Events.Disposed.ShouldBe(0);
        Record.Backend.ShouldBe("fake");
        Record.Attempts.ShouldHaveSingleItem().Outcome.ShouldBe(AttemptOutcome.Served);
    }

    [Fact]
    public async Task Open_GivesTheBackendItsOwnNameOfTheModel()
    {
        var backend = new FakeBackend("fake") { Answer = _ => _rig.Events };
        _rig.Events.Add(TextDelta("a"));

        await OpenAsync(backend);

        backend.Call.ShouldBe(new BackendCall(_rig.Request, "upstream-model"));
    }

    [Fact]
    public async Task Open_NothingToShow_IsSkipped()
    {
        _rig.Events.Add(Alive).Add(Opened(new BackendOpening { Model = "snapshot" })).Add(TextDelta("", 0))
            .Add(UsageSoFar(new Usage { InputTokens = 3 })).Add(ReasoningDelta("", 0)).Add(TextDelta("a"));

        var answer = await OpenAsync();

        answer.AtHand.ShouldHaveSingleItem().Text.ShouldBe("a");
        Record.Opening.Model.ShouldBe("snapshot");
        Record.ReportedUsage!.InputTokens.ShouldBe(3u);
    }

    [Fact]
    public async Task Open_SignatureFirst_IsAtHandBeforeTheDelta()
    {
        _rig.Events.Add(PartSignature(ByteString.CopyFromUtf8("s"), 0)).Add(TextDelta("a", partIndex: 1));

        (await OpenAsync()).AtHand.Select(static piece => piece.Kind)
            .ShouldBe([BackendEventKind.Signature, BackendEventKind.Text]);
    }

    [Fact]
    public async Task Open_TokenWithoutTextOrBareToolName_IsAToken()
    {
        _rig.Events.Add(TextDelta("", 1));
        (await OpenAsync()).AtHand.ShouldHaveSingleItem().TokenCount.ShouldBe(1u);

        using var other = new CallRig();
        other.Events.Add(ToolCallPiece(new ToolCallDelta { Id = "i", Name = "n" }, tokenCount: 0));
        (await OpenAsync(new FakeBackend("fake") { Answer = _ => other.Events })).AtHand.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Open_EndWithoutToken_IsAtHand()
    {
        _rig.Events.Add(Finished(new BackendEnding(FinishReason.ContentFilter)));

        (await OpenAsync()).AtHand.ShouldHaveSingleItem().Kind.ShouldBe(BackendEventKind.Finished);
    }

    [Fact]
    public async Task Open_Queued_CountsAsQueueTimeAndTellsThePlace()
    {
        After(10).Add(Queued(2));
        _rig.Events.Do(() =>
        {
            _rig.States.Current.ShouldBe(StreamState.Queued);
            _progress.Read().Current.ShouldBe(new Progress { Phase = ProgressPhase.Queued, Attempt = 1, QueuePosition = 2 });
        });
        After(100).Add(Queued(1));
        After(200).Add(Opened(new BackendOpening()));
        _rig.Events.Do(() => _rig.States.Current.ShouldBe(StreamState.WaitingForFirstToken));
        After(1000).Add(TextDelta("a"));

        await OpenAsync();

        Record.QueueMicroseconds.ShouldBe(300);
        Record.WaitingMicroseconds.ShouldBe(1010);
        _progress.Read().Current.ShouldBe(new Progress { Phase = ProgressPhase.WaitingForFirstToken, Attempt = 1 });
    }

    [Theory]
    [InlineData(nameof(BackendFailure.RateLimited), nameof(ErrorReason.UpstreamRateLimited))]
    [InlineData(nameof(BackendFailure.Overloaded), nameof(ErrorReason.Overloaded))]
    [InlineData(nameof(BackendFailure.Stalled), nameof(ErrorReason.FirstTokenTimeout))]
    [InlineData(nameof(BackendFailure.Malformed), nameof(ErrorReason.UpstreamUnavailable))]
    public async Task Open_BackendFails_IsMappedAndLogged(string failure, string reason)
    {
        var mapped = Enum.Parse<ErrorReason>(reason);
        _rig.Time.AdvanceMicroseconds(5);
        After(40).Fail(new BackendException(Enum.Parse<BackendFailure>(failure), "why") { RetryAfter = TimeSpan.FromSeconds(3) });

        var thrown = await Should.ThrowAsync<CallFailureException>(OpenAsync());

        thrown.Reason.ShouldBe(mapped);
        thrown.Message.ShouldBe("why");
        thrown.RetryAfter.ShouldBe(TimeSpan.FromSeconds(3));
        Record.Attempts.ShouldBe(
        [
            new Attempt
            {
                Number = 1, Backend = "fake", Outcome = AttemptOutcome.Failed, ErrorReason = mapped, StartUs = 5, DurationUs = 40,
            },
        ]);
        _rig.Events.Disposed.ShouldBe(1);
    }

    [Fact]
    public async Task Open_BackendFailsBeforeItGivesAnything_IsMappedAndLogged()
    {
        var backend = new FakeBackend("fake") { Answer = _ => throw new BackendException(BackendFailure.Rejected, "no") };

        (await Should.ThrowAsync<CallFailureException>(OpenAsync(backend))).Reason.ShouldBe(ErrorReason.UpstreamRejected);

        Record.Attempts.ShouldHaveSingleItem().Outcome.ShouldBe(AttemptOutcome.Failed);
    }

    [Fact]
    public async Task Open_EndsWithNeitherTokenNorEnd_IsUnavailable()
    {
        _rig.Events.Add(Opened(new BackendOpening())).End();

        (await Should.ThrowAsync<CallFailureException>(OpenAsync())).Reason.ShouldBe(ErrorReason.UpstreamUnavailable);
    }

    [Fact]
    public async Task Open_ToldToStop_IsCancelledAndDisposed()
    {
        var opening = OpenAsync();
        _rig.Lifetime.Stop(StopCause.Cancelled);

        await Should.ThrowAsync<OperationCanceledException>(opening);

        Record.Attempts.ShouldHaveSingleItem().Outcome.ShouldBe(AttemptOutcome.Cancelled);
        _rig.Events.Disposed.ShouldBe(1);
    }

    private ScriptedEvents After(long microseconds) => _rig.Events.Do(() => _rig.Time.AdvanceMicroseconds(microseconds));

    private async Task<OpenedAnswer> OpenAsync(FakeBackend? backend = null) => await AnswerOpener.OpenAsync(
        [new ModelRoute(
            Lanes.To(backend ?? new FakeBackend("fake") { Answer = _ => _rig.Events }, new ResilienceOptions { MaxAttempts = 1 }, _rig.Time),
            "upstream-model")],
        new BackendCall(_rig.Request, ""), Record, _rig.States, _progress, _rig.Lifetime.Token)
        ?? throw new OperationCanceledException(_rig.Lifetime.Token);
}
