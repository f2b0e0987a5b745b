using GrpcLlm.Server.Backends;
using GrpcLlm.Server.Backends.Http;
using GrpcLlm.Server.Tests.Testing;

namespace GrpcLlm.Server.Tests.Backends.Http;

public sealed class ModelKnowledgeTests
{
    private readonly FakeTimeProvider _time = new();
    private int _asked;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Learn_FreshAnswer_IsNotAskedForAgain()
    {
        var knowledge = new ModelKnowledge(_time);

        await knowledge.LearnAsync("m", Answer(100), Cancelled);
        await knowledge.LearnAsync("m", Answer(200), Cancelled);

        _asked.ShouldBe(1);
        knowledge.Find("m")!.ContextWindow.ShouldBe(100u);
        knowledge.Find("other").ShouldBeNull();
    }

    [Fact]
    public async Task Learn_OldAnswer_IsAskedForAgain_AndKeptIfNobodyAnswers()
    {
        var knowledge = new ModelKnowledge(_time);
        await knowledge.LearnAsync("m", Answer(100), Cancelled);
        _time.Advance(ModelKnowledge.Lifetime);

        await knowledge.LearnAsync("m", _ => throw new BackendException(BackendFailure.Unavailable, "gone"), Cancelled);
        knowledge.Find("m")!.ContextWindow.ShouldBe(100u);
        _time.Advance(ModelKnowledge.Lifetime);
        await knowledge.LearnAsync("m", Answer(200), Cancelled);

        knowledge.Find("m")!.ContextWindow.ShouldBe(200u);
    }

    [Fact]
    public async Task Learn_SlowProvider_IsWaitedForNoLongerThanPatience()
    {
        var knowledge = new ModelKnowledge(_time);
        var learning = knowledge.LearnAsync(
            "m",
            async token =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, _time, token);
                return null;
            },
            Cancelled).AsTask();

        learning.IsCompleted.ShouldBeFalse();
        _time.Advance(ModelKnowledge.Patience);
        await learning;

        knowledge.Find("m").ShouldBeNull();
    }

    [Fact]
    public async Task Learn_CallerCancels_IsCancelled()
    {
        using var caller = new CancellationTokenSource();
        await caller.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(async () => await new ModelKnowledge(_time).LearnAsync(
            "m", static token => throw new OperationCanceledException(token), caller.Token));
    }

    private Func<CancellationToken, ValueTask<BackendModel?>> Answer(uint window) => _ =>
    {
        _asked++;
        return new ValueTask<BackendModel?>(new BackendModel { ContextWindow = window });
    };
}
