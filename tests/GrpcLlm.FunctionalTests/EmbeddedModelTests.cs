using GrpcLlm.FunctionalTests.Testing;
using GrpcLlm.V1;

namespace GrpcLlm.FunctionalTests;

/// <summary>The embedded model behind the real service: every field has its honest effect.</summary>
public sealed class EmbeddedModelTests
{
    private static GenerateRequest Request(Action<GenerateRequest>? change = null)
    {
        var request = new GenerateRequest
        {
            Prompt = "Once upon a time",
            Sampling = new SamplingOptions(),
            Limits = new GenerationLimits { MaxOutputTokens = 40, MinOutputTokens = 40 },
        };
        change?.Invoke(request);
        return request;
    }

    [Fact]
    public async Task SameSeedTwice_GivesSameText_AndAnotherSeedAnother()
    {
        await using var server = await LlmServer.StartAsync();

        var first = await Answer.OfAsync(server, Request(r => r.Sampling.Seed = 7));
        var second = await Answer.OfAsync(server, Request(r => r.Sampling.Seed = 7));
        var other = await Answer.OfAsync(server, Request(r => r.Sampling.Seed = 8));

        first.Text.Length.ShouldBeGreaterThan(40);
        second.Text.ShouldBe(first.Text);
        other.Text.ShouldNotBe(first.Text);
        first.Chunks[0].Started.Seed.ShouldBe(7);
    }

    [Fact]
    public async Task DrawnSeed_IsToldAndRepeatsTheText()
    {
        await using var server = await LlmServer.StartAsync();

        var drawn = await Answer.OfAsync(server, Request());
        var seed = drawn.Chunks[0].Started.Seed;
        var repeated = await Answer.OfAsync(server, Request(r => r.Sampling.Seed = seed));

        seed.ShouldBeInRange(0, int.MaxValue);
        repeated.Text.ShouldBe(drawn.Text);
    }

    [Fact]
    public async Task TemperatureZero_GivesSameTextWithoutASeed()
    {
        await using var server = await LlmServer.StartAsync();

        var first = await Answer.OfAsync(server, Request(r => r.Sampling.Temperature = 0));
        var second = await Answer.OfAsync(server, Request(r => r.Sampling.Temperature = 0));

        second.Text.ShouldBe(first.Text);
    }

    [Fact]
    public async Task StopSequence_IsNeverEmitted()
    {
        await using var server = await LlmServer.StartAsync();

        for (var seed = 0; seed < 20; seed++)
        {
            var answer = await Answer.OfAsync(server, Request(r =>
            {
                r.Sampling.Seed = seed;
                r.Limits.StopSequences.Add("the");
                r.Limits.MaxOutputTokens = 200;
            }));

            answer.Text.ShouldNotContain("the");
            answer.Finish.Reason.ShouldBeOneOf(FinishReason.StopSequence, FinishReason.Length, FinishReason.Stop);
            if (answer.Finish.Reason == FinishReason.StopSequence) answer.Finish.StopSequence.ShouldBe("the");
            answer.Finish.Usage.OutputTokens.ShouldBe(answer.Finish.StreamedTokens);
        }
    }

    [Fact]
    public async Task MaxTokens_IsLengthWithExactCounts()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, Request());

        answer.Finish.Reason.ShouldBe(FinishReason.Length);
        answer.Finish.Usage.ShouldBe(new Usage { InputTokens = 6, OutputTokens = 40, Source = UsageSource.Counted });
        answer.Chunks.Sum(chunk => chunk.TokenCount).ShouldBe(40);
        answer.Finish.Timing.TpotTokens.ShouldBe(40u);
        answer.Finish.Timing.TpotUs.ShouldBeGreaterThan(0);
    }

    [Fact]
    public async Task FullWindow_IsContextLength()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, Request(r =>
        {
            r.Limits.MaxOutputTokens = 10_000;
            r.Limits.MinOutputTokens = 10_000;
        }));

        answer.Finish.Reason.ShouldBe(FinishReason.ContextLength);
        (answer.Finish.Usage.InputTokens + answer.Finish.Usage.OutputTokens).ShouldBe(512u);
    }

    [Fact]
    public async Task Logprobs_TellTheModelsOwnDistribution()
    {
        await using var server = await LlmServer.StartAsync();

        var answer = await Answer.OfAsync(server, Request(r =>
        {
            r.Sampling.Temperature = 0;
            r.Output = new OutputOptions { TopLogprobs = 3, TokenIds = true };
        }));

        var tokens = answer.Chunks.SelectMany(chunk => chunk.Tokens).ToList();
        tokens.Count.ShouldBe(40);
        foreach (var token in tokens)
        {
            token.HasId.ShouldBeTrue();
            token.Alternatives.Count.ShouldBe(3);
            token.Alternatives.Select(one => one.Logprob).ShouldBeInOrder(SortDirection.Descending);
            token.Alternatives.Sum(one => Math.Exp(one.Logprob)).ShouldBeLessThanOrEqualTo(1.0001);
        }

        string.Concat(tokens.Select(token => token.RawBytes.ToStringUtf8())).ShouldBe(answer.Text);
    }
}
