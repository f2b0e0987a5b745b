using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Requests;
using GrpcLlm.Server.Telemetry;
using GrpcLlm.Server.Tests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.Server.Tests.Streaming;

public sealed class ChunkWriterTests : IDisposable
{
    private readonly CallRig _rig = new(stallTimeout: TimeSpan.FromSeconds(60));

    public void Dispose() => _rig.Dispose();

    [Fact]
    public void Start_EachMessage_IsNumberedAndStamped()
    {
        for (var index = 1; index <= 3; index++)
        {
            _rig.Time.AdvanceMicroseconds(10);
            var chunk = new TokenChunk { Text = "x", TokenCount = 2 };
            _rig.Writer.Start(chunk).ShouldBeSameAs(chunk);
        }

        _rig.Messages.Select(static message => (message.Sequence, message.ElapsedUs)).ShouldBe([(1UL, 10UL), (2, 20), (3, 30)]);
        _rig.Record.LastSequence.ShouldBe(3UL);
        _rig.Record.StreamedTokens.ShouldBe(6u);
    }

    [Fact]
    public void Start_FirstMessageThatIsNoProgress_CarriesStarted()
    {
        _rig.Record.Opening = new BackendOpening { InputTokens = 5, Seed = -3, Model = "snapshot" };

        _rig.Writer.Start(new TokenChunk { Progress = new Progress() });
        _rig.Record.Delivered.ShouldBeFalse();
        _rig.Writer.Start(new TokenChunk { Text = "a" });
        _rig.Record.Delivered.ShouldBeTrue();
        _rig.Writer.Start(new TokenChunk { Text = "b" });

        _rig.Messages.Select(static message => message.Started).ShouldBe(
        [
            null,
            new Started { RequestId = "request-1", Model = "m", Backend = "b", InputTokens = 5, Seed = -3, BackendModel = "snapshot" },
            null,
        ]);
    }

    [Fact]
    public void Start_NothingKnown_LeavesItAbsent()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" });

        _rig.Messages[0].Started.HasInputTokens.ShouldBeFalse();
        _rig.Messages[0].Started.HasSeed.ShouldBeFalse();
    }

    [Fact]
    public void Start_First_SetsTheHeaderBeforeTheWrite()
    {
        var header = "";
        _rig.Stream.OnWrite = _ => header = _rig.Http.Response.Headers["request-id"].ToString();

        _rig.Writer.Start(new TokenChunk { Text = "a" });

        header.ShouldBe("request-1");
    }

    [Fact]
    public void Start_Last_CarriesAFinishThatCountsItself()
    {
        _rig.Record.Finish(FinishReason.Stop);
        _rig.Writer.Start(new TokenChunk { Text = "a", TokenCount = 1 });

        _rig.Writer.Start(new TokenChunk { Text = "b", TokenCount = 1 }, isLast: true);

        _rig.Messages[0].Finish.ShouldBeNull();
        _rig.Messages[1].Finish.Reason.ShouldBe(FinishReason.Stop);
        _rig.Messages[1].Finish.StreamedTokens.ShouldBe(2u);
    }

    [Fact]
    public void Start_CountsTheBytesSent()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" });
        _rig.Record.Finish(FinishReason.Stop);
        _rig.Writer.Start(new TokenChunk { Text = "b" }, isLast: true);

        _rig.Record.ResponseBytes.ShouldBe(_rig.Messages.Sum(static message => (long)message.CalculateSize()));
    }

    [Fact]
    public async Task SettleAsync_AfterAStall_GivesTheChunkBackAndMeasuresTheStall()
    {
        _rig.Stream.Stalled = true;
        var chunk = new TokenChunk { Text = "a" };
        _rig.Writer.Start(chunk).ShouldBeNull();
        _rig.Writer.IsBusy.ShouldBeTrue();
        _rig.States.Current.ShouldBe(StreamState.Stalled);

        _rig.Time.AdvanceMicroseconds(70);
        _rig.Stream.Release();

        (await _rig.Writer.SettleAsync()).ShouldBeSameAs(chunk);
        _rig.Writer.IsBusy.ShouldBeFalse();
        _rig.States.Current.ShouldBe(StreamState.Streaming);
        _rig.Record.ClientStallMicroseconds.ShouldBe(70);
    }

    [Fact]
    public void Start_Gathers_WaitsForTheFlush()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" });
        _rig.Writer.Flush();
        _rig.Body.Flushes.ShouldBe(0);

        _rig.Writer.Start(new TokenChunk { Text = "b" }, gathers: true);
        _rig.Writer.Start(new TokenChunk { Text = "c" }, gathers: true);
        _rig.Writer.Flush();
        _rig.Writer.Flush();

        _rig.Stream.Gathered.ShouldBe([false, true, true]);
        _rig.Body.Flushes.ShouldBe(1);
        _rig.Writer.IsBusy.ShouldBeFalse();
    }

    [Fact]
    public void Start_GathersMoreThanIsAllowed_HandsOnMeanwhile()
    {
        for (var index = 0; index < 9; index++)
            _rig.Writer.Start(new TokenChunk { Text = new string('x', 1000) }, gathers: true);

        // 4 KiB hold four of them; each fifth takes those before it along.
        _rig.Stream.Gathered.ShouldBe([true, true, true, true, false, true, true, true, true]);
    }

    [Fact]
    public void Start_AfterGathering_TakesTheOthersAlong()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" }, gathers: true);
        _rig.Writer.Start(new TokenChunk { Text = "b" });
        _rig.Writer.Flush();

        _rig.Stream.Gathered.ShouldBe([true, false]);
        _rig.Body.Flushes.ShouldBe(0);
    }

    [Fact]
    public async Task Flush_Pending_IsAStallLikeAnyOther()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" }, gathers: true);
        _rig.Body.Stalled = true;
        _rig.Writer.Flush();
        _rig.Writer.IsBusy.ShouldBeTrue();
        _rig.States.Current.ShouldBe(StreamState.Stalled);

        _rig.Time.AdvanceMicroseconds(70);
        _rig.Body.Release();

        (await _rig.Writer.SettleAsync()).ShouldBeNull();
        _rig.Writer.IsBusy.ShouldBeFalse();
        _rig.Record.ClientStallMicroseconds.ShouldBe(70);
    }

    [Fact]
    public void Flush_PendingForTheWholeTimeout_ResetsTheStream()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" }, gathers: true);
        _rig.Body.Stalled = true;
        _rig.Writer.Flush();

        _rig.Time.Advance(TimeSpan.FromSeconds(60));

        _rig.Reset.Codes.ShouldBe([8]);
    }

    [Fact]
    public void Flush_ClientGone_IsTold()
    {
        _rig.Writer.Start(new TokenChunk { Text = "a" }, gathers: true);
        _rig.Body.Failure = new IOException();

        Should.Throw<CallFailureException>(_rig.Writer.Flush).Reason.ShouldBe(ErrorReason.ClientCancelled);
    }

    [Fact]
    public void Stall_ForTheWholeTimeout_ResetsThisStreamAlone()
    {
        _rig.Stream.Stalled = true;
        _rig.Writer.Start(new TokenChunk { Text = "a" });

        _rig.Time.Advance(TimeSpan.FromSeconds(59));
        _rig.Reset.Codes.ShouldBeEmpty();
        _rig.Time.Advance(TimeSpan.FromSeconds(1));

        _rig.Reset.Codes.ShouldBe([8]);
        _rig.Lifetime.Cause.ShouldBe(Server.Admission.StopCause.ClientStalled);
        _rig.Http.RequestAborted.IsCancellationRequested.ShouldBeFalse();
    }

    [Fact]
    public async Task Stall_OfEachWrite_HasItsOwnTime()
    {
        for (var index = 0; index < 3; index++)
        {
            _rig.Stream.Stalled = true;
            _rig.Writer.Start(new TokenChunk { Text = "a" });
            _rig.Time.Advance(TimeSpan.FromSeconds(40));
            _rig.Stream.Release();
            await _rig.Writer.SettleAsync();
            _rig.Time.Advance(TimeSpan.FromSeconds(100));
        }

        _rig.Reset.Codes.ShouldBeEmpty();
    }

    [Fact]
    public void Stall_WithoutALimit_WaitsForever()
    {
        using var rig = new CallRig(stallTimeout: TimeSpan.Zero);
        rig.Stream.Stalled = true;
        rig.Writer.Start(new TokenChunk { Text = "a" });

        rig.Time.Advance(TimeSpan.FromDays(1));

        rig.Reset.Codes.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(typeof(OperationCanceledException))]
    [InlineData(typeof(InvalidOperationException))]
    [InlineData(typeof(IOException))]
    public async Task Write_ThatFailsAtOnceOrLater_MeansThatTheClientHasGone(Type type)
    {
        var fault = (Exception)Activator.CreateInstance(type)!;
        _rig.Stream.Stalled = true;
        _rig.Writer.Start(new TokenChunk { Text = "a" });
        _rig.Stream.Break(fault);
        (await Should.ThrowAsync<CallFailureException>(async () => await _rig.Writer.SettleAsync()))
            .Reason.ShouldBe(ErrorReason.ClientCancelled);

        _rig.Stream.Failure = fault;
        Should.Throw<CallFailureException>(() => _rig.Writer.Start(new TokenChunk { Text = "b" }))
            .Reason.ShouldBe(ErrorReason.ClientCancelled);
    }

    [Fact]
    public async Task Write_ThatFailsAfterAReset_IsTheStalledClientsFault()
    {
        _rig.Stream.Stalled = true;
        _rig.Reset.OnReset = () => _rig.Stream.Break(new IOException("reset"));
        _rig.Writer.Start(new TokenChunk { Text = "a" });

        _rig.Time.Advance(TimeSpan.FromSeconds(60));

        (await Should.ThrowAsync<CallFailureException>(async () => await _rig.Writer.SettleAsync()))
            .Reason.ShouldBe(ErrorReason.ClientStalled);
    }

    [Fact]
    public async Task Stall_AfterTheCall_ResetsNothing()
    {
        _rig.Stream.Stalled = true;
        _rig.Writer.Start(new TokenChunk { Text = "a" });
        _rig.Stream.Release();
        await _rig.Writer.SettleAsync();
        _rig.Dispose();

        _rig.Time.Advance(TimeSpan.FromSeconds(600));

        _rig.Reset.Codes.ShouldBeEmpty();
        _rig.Time.ArmedTimers.ShouldBe(0);
    }
}
