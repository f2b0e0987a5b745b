using GrpcLlm.Server.Backends;
using GrpcLlm.V1;
using Run = GrpcLlm.Server.Tests.Backends.OpenAi.OpenAiStreamTests.Run;

namespace GrpcLlm.Server.Tests.Backends.OpenAi;

/// <summary>Usage and errors wherever servers put them. JSON is written with single quotes here.</summary>
public sealed class OpenAiUsageTests
{
    [Theory]
    [InlineData("{'choices': [], 'usage': {'prompt_tokens': 5, 'completion_tokens': 7, 'total_tokens': 12}}")]
    [InlineData("{'choices': [], 'x_groq': {'id': 'r', 'usage': {'prompt_tokens': 5, 'completion_tokens': 7}}}")]
    [InlineData("{'choices': [{'delta': {}, 'usage': {'prompt_tokens': 5, 'completion_tokens': 7.0}}]}")]
    [InlineData("{'usage': {'prompt_tokens': 5, 'completion_tokens': 7, 'prompt_tokens_details': null}}")]
    public void Read_UsageInAnyPlace_IsReported(string chunk)
    {
        var usage = Run.Of(null, chunk).Usage.ShouldNotBeNull();

        usage.InputTokens.ShouldBe(5u);
        usage.OutputTokens.ShouldBe(7u);
        usage.Source.ShouldBe(UsageSource.Reported);
    }

    [Theory]
    [InlineData("'prompt_tokens_details': {'cached_tokens': 3}, 'completion_tokens_details': {'reasoning_tokens': 4}", 10u, 3u, 4u)]
    [InlineData("'cached_tokens': 3", 10u, 3u, null)]
    [InlineData("'prompt_cache_hit_tokens': 3, 'prompt_cache_miss_tokens': 2", 10u, 3u, null)]
    // Reasoning beside the completion: the total shows it, or it is more than the completion.
    [InlineData("'total_tokens': 35, 'completion_tokens_details': {'reasoning_tokens': 20}", 30u, null, 20u)]
    [InlineData("'reasoning_tokens': 20", 30u, null, 20u)]
    [InlineData("'total_tokens': 15, 'completion_tokens_details': {'reasoning_tokens': 0}", 10u, null, 0u)]
    public void Read_Details_AreSubsetsOfTheTotals(string details, uint output, uint? cached, uint? reasoning)
    {
        var usage = Run.Of(null, $"{{'usage': {{'prompt_tokens': 5, 'completion_tokens': 10, {details}}}}}").Usage.ShouldNotBeNull();

        usage.OutputTokens.ShouldBe(output);
        (usage.HasCachedInputTokens ? usage.CachedInputTokens : (uint?)null).ShouldBe(cached);
        (usage.HasReasoningTokens ? usage.ReasoningTokens : (uint?)null).ShouldBe(reasoning);
    }

    [Theory]
    [InlineData("{'usage': {'prompt_tokens': 0, 'completion_tokens': 0}}")]
    [InlineData("{'usage': {'prompt_tokens': 5}}")]
    [InlineData("{'usage': {'prompt_tokens': -5, 'completion_tokens': '7'}}")]
    [InlineData("{'usage': null}")]
    public void Read_NoUsageToSpeakOf_ReportsNone(string chunk) => Run.Of(null, chunk).Usage.ShouldBeNull();

    // An error document, what it counts as before the first token, and what its message says.
    [Theory]
    [InlineData("{'error': {'message': 'boom', 'code': 502}}", nameof(BackendFailure.Unavailable), "502: boom")]
    [InlineData("{'error': {'message': 'slow down', 'code': '429'}}", nameof(BackendFailure.RateLimited), "slow down")]
    [InlineData("{'error': {'message': 'slow', 'type': 'rate_limit_error'}}", nameof(BackendFailure.RateLimited), "slow")]
    [InlineData("{'error': {'message': 'bad', 'type': 'invalid_request_error', 'code': null}}", nameof(BackendFailure.Rejected), "bad")]
    [InlineData("{'error': {'message': 'too big', 'code': 'context_length_exceeded'}}", nameof(BackendFailure.ContextTooLong), "too big")]
    [InlineData("{'error': {'message': 'x', 'status_code': 400}}", nameof(BackendFailure.Rejected), "400: x")]
    [InlineData("{'error': 'plain words'}", nameof(BackendFailure.Unavailable), "plain words")]
    [InlineData("{'error': {'code': 'server_error'}}", nameof(BackendFailure.Unavailable), "server_error")]
    [InlineData("{'error': {}}", nameof(BackendFailure.Unavailable), "500")]
    [InlineData("{'object': 'error', 'message': 'old', 'code': 404}", nameof(BackendFailure.Misconfigured), "404")]
    [InlineData("{'detail': 'Not authenticated'}", nameof(BackendFailure.Unavailable), "Not authenticated")]
    [InlineData("[{'error': {'message': 'listed', 'code': 503}}]", nameof(BackendFailure.Unavailable), "listed")]
    [InlineData("{'choices': [{'delta': {'content': ''}, 'finish_reason': 'error'}], 'error': {'code': 502, 'message': 'lost'}}", nameof(BackendFailure.Unavailable), "lost")]
    [InlineData("{'choices': [{'delta': {}, 'finish_reason': 'error'}]}", nameof(BackendFailure.Unavailable), "500")]
    public void Read_Error_CountsAsTheStatusItNames(string chunk, string beforeFirstToken, string message)
    {
        var failure = Should.Throw<BackendException>(() => Run.Of(null, chunk));

        failure.Failure.ShouldBe(BackendFailure.Failed);
        failure.BeforeFirstToken.ToString().ShouldBe(beforeFirstToken);
        failure.Message.ShouldContain(message);
    }

    [Fact]
    public void Read_ErrorEvent_IsAnErrorWhateverItHolds() => Should.Throw<BackendException>(
        () => new Run(null).Read("{'message': 'gone', 'status_code': 503}", "error")).Message.ShouldContain("503: gone");

    [Fact]
    public void Read_UsageBesideAnError_IsReported()
    {
        var run = new Run(null);

        Should.Throw<BackendException>(
            () => run.Read("{'choices': [], 'error': {'code': 502}, 'usage': {'prompt_tokens': 5, 'completion_tokens': 7}}"));

        run.Usage!.OutputTokens.ShouldBe(7u);
    }
}
